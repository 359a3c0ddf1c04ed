/* nif_resource.h - resource types and resource objects.
 *
 *   term [TAG_RESOURCE | next off-heap | * | id]
 *                                        |
 *   arena_vm                             v                     arena of native data
 *   struct nif_resource { refs, destroy, id, type, ... payload } ---> [ prefix | payload ... ]
 *                            ^                                            |
 *                            +--------------------------------------------+  checked on every use
 *
 * The library sees only the payload. It lies in an arena of its own, away from the VM's and from
 * every library's malloc: what a NIF writes beyond its end hits other payloads or their prefixes,
 * whose check word then fails, never a count or a type; and it outlives the heap that a library
 * loses when it crashes, because other processes may still hold the object.
 */
#ifndef NIF_RESOURCE_H
#define NIF_RESOURCE_H

#include "lib/base/lock.h"
#include "nif/nif_env.h"
#include "vm/core/resource.h"

struct nif_lib;

/* Lives as long as its library owns it or an object of it exists. */
struct enif_resource_type_t {
    struct enif_resource_type_t *next;
    term module, name;
    struct nif_lib *owner; /* library whose callbacks these are; NULL: it is gone */
    ErlNifResourceDtor *dtor;
    ErlNifResourceStop *stop;
    ErlNifResourceDown *down;
    ErlNifResourceDynCall *dyncall;
    size_t n_objects;      /* nif_types_lock */
    bool listed;           /* found by name */
};

struct nif_resource {
    struct resource base; /* first */
    _Atomic uint64_t id;  /* of its terms; 0: none made yet */
    struct enif_resource_type_t *type;
    void *payload;        /* owned */
    size_t size;
    struct nif_resource *next_dead;
    void *select;         /* its fds under enif_select: enif_select.c */
};

/* Object of a payload pointer that a NIF handed us; leaves the NIF if it is none. */
struct nif_resource *nif_resource_from_payload(void *payload, const char *api);
static inline struct nif_resource *nif_resource_from_term(term t)
{
    return (struct nif_resource *) term_words(t)[2];
}
term nif_resource_make_term(struct heap *h, struct nif_resource *r);

/* A resource type opened in load or upgrade, not yet in force. */
struct nif_opened_type {
    struct nif_opened_type *next;
    struct enif_resource_type_t *type;
    ErlNifResourceTypeInit init;
    bool created;
};
/* State of a load or upgrade that is under way. */
struct nif_load {
    struct nif_lib *lib;
    struct nif_opened_type *opened;
};
void nif_load_commit_types(struct nif_load *load);
void nif_load_rollback_types(struct nif_load *load);
/* The library is being unloaded: its types lose their name, and their objects their callbacks
 * when the last is gone. */
void nif_types_release(struct nif_lib *lib);

/* Host: pid ended that monitor id of r watched. Queues the callback. Takes over one reference. */
void nif_resource_down(struct nif_resource *r, uint64_t id, term pid);
/* Rest of nif_run_deferred(). */
void nif_deferred_push(void (*fn)(void *arg), void *arg);

#endif
