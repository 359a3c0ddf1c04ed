/* nif_handle.h - resource objects of a worker as the VM knows them: by number.
 *
 *   worker                                       VM
 *   resource object <-- slot, generation  <----  TAG_RESOURCE term whose id word is the handle
 *        ^                 |
 *        +-- one reference-+  while the VM holds any (sent > 0)
 *
 *   handle:  1 | serial of the worker: 21 | slot: 20 | generation: 22
 *
 * An object gets its slot when it is first made into a term and keeps it until it is freed. A slot is
 * used again under another generation; when it has had all of them it is never used again. So a
 * handle names one object for ever, and what a dead worker left names none.
 *
 * The count of what was handed to the VM is kept here because messages cross: the VM says how many of
 * the references it was sent it has dropped, and only when that accounts for all of them is the object
 * free to go.
 */
#ifndef NIF_HANDLE_H
#define NIF_HANDLE_H

#include "nif/nif_resource.h"

enum {
    NIF_HANDLE_GENERATION_BITS = 22,
    NIF_HANDLE_SLOT_BITS = 20,
    NIF_HANDLE_SERIAL_BITS = 21,
    NIF_HANDLE_SLOTS = 1 << NIF_HANDLE_SLOT_BITS,
};
#define NIF_HANDLE_MARK (UINT64_C(1) << 63)

/* ---- both sides ---- */

static inline bool nif_handle_is(uint64_t id)
{
    return (id & NIF_HANDLE_MARK) != 0;
}
static inline uint32_t nif_handle_generation(uint64_t id)
{
    return (uint32_t) id & ((1u << NIF_HANDLE_GENERATION_BITS) - 1);
}
static inline uint32_t nif_handle_slot(uint64_t id)
{
    return (uint32_t) (id >> NIF_HANDLE_GENERATION_BITS) & (NIF_HANDLE_SLOTS - 1);
}
static inline uint32_t nif_handle_serial(uint64_t id)
{
    return (uint32_t) (id >> (NIF_HANDLE_GENERATION_BITS + NIF_HANDLE_SLOT_BITS))
           & ((1u << NIF_HANDLE_SERIAL_BITS) - 1);
}
static inline uint64_t nif_handle_make(uint32_t serial, uint32_t slot, uint32_t generation)
{
    return NIF_HANDLE_MARK
           | (uint64_t) serial << (NIF_HANDLE_GENERATION_BITS + NIF_HANDLE_SLOT_BITS)
           | (uint64_t) slot << NIF_HANDLE_GENERATION_BITS | generation;
}

/* ---- worker ---- */

/* From now on this program's resource terms have handles. Once, before the first library is loaded. */
void nif_handle_init(uint32_t serial);
bool nif_handle_is_worker(void); /* that has been called */
/* The object's handle, made if need be; 0 in a program that is no worker, or when all slots are in
 * use: its terms are then references that the VM cannot give back. */
uint64_t nif_handle_new(struct nif_resource *r);
/* The object will be freed: its slot is free. */
void nif_handle_drop(struct nif_resource *r);
/* The object of a handle; NULL if it is no handle of ours, or its object is gone. Borrowed: it lives as
 * long as the term that showed the handle. Takes no lock. */
struct nif_resource *nif_resource_of_handle(uint64_t id);
/* One more reference goes to the VM: its handle, 0 if it has none. The caller holds the object. */
uint64_t nif_handle_sent(struct nif_resource *r);
/* The VM has dropped that many. What does not fit is ignored. */
void nif_handle_released(uint64_t id, uint64_t count);
size_t nif_handle_count(void); /* slots in use */

#endif
