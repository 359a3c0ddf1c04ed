/* etf_ext.h - the external term format between the VM and a worker: what the public format cannot say.
 *
 * Three things get tags of their own, which no other decoder knows:
 *   blob      a binary of at least blob_min bytes: its bytes travel beside the term, uncopied by
 *             the encoder; the term has its index and size
 *   resource  a resource object: a 64-bit handle (nif/nif_resource.h)
 *   atom      one that the VM itself names (atoms.def), which has the same index on both sides
 * All else is as in etf.h. The decoder takes nothing on trust: an index, size or handle that is not
 * there fails the whole term.
 */
#ifndef VM_ETF_EXT_H
#define VM_ETF_EXT_H

#include "vm/core/etf.h"

enum { ETF_MAX_BLOBS = 64 }; /* binaries beyond that are encoded in line */

struct etf_blob {
    const uint8_t *bytes; /* valid as long as the term is */
    size_t n;
};

struct etf_encode_ext {
    size_t blob_min;
    struct etf_blob blobs[ETF_MAX_BLOBS]; /* out */
    size_t n_blobs;                       /* out */
    size_t blob_bytes;                    /* out: sum */
    /* The handle of a TAG_RESOURCE object; 0: it has none, and is encoded as a plain reference.
     * NULL: all are. */
    uint64_t (*handle_of)(void *arg, const uintptr_t *object);
    void *arg;
};
/* The term in a buffer: *buffer (vm_alloc'd, *capacity bytes; NULL, 0 at first) is used and grown, so
 * that a caller who keeps it pays for no allocation. Returns bytes written, 0 if it cannot be. */
size_t etf_encode_ext(term t, struct etf_encode_ext *x, uint8_t **buffer, size_t *capacity) MUST_CHECK;
/* Several, one after the other behind one version byte: no term for them all need exist. */
size_t etf_encode_ext_all(const term *terms, size_t n, struct etf_encode_ext *x, uint8_t **buffer, size_t *capacity) MUST_CHECK;

struct etf_decode_ext {
    size_t n_blobs;
    size_t blob_bytes[ETF_MAX_BLOBS]; /* sizes, as announced: must match those in the term */
    /* The bytes of blob i as a binary on h; called at most once for each. TERM_NONE: fails. */
    term (*blob)(void *arg, struct heap *h, size_t i);
    /* The object of a handle as a term on h. TERM_NONE: fails. NULL: handles are refused. */
    term (*resource)(void *arg, struct heap *h, uint64_t handle);
    void *arg;
    bool no_memory; /* out: it failed, or is of no use, for lack of memory on our side */
};
/* TERM_NONE: the bytes are no term (h may have grown garbage). All n bytes and all
 * blobs must be used. */
term etf_decode_ext(struct heap *h, const uint8_t *bytes, size_t n, unsigned flags,
    struct etf_decode_ext *x) MUST_CHECK;

/* What etf_encode_ext_all() wrote: exactly n_terms. */
bool etf_decode_ext_all(struct heap *h, const uint8_t *bytes, size_t n, unsigned flags, struct etf_decode_ext *x, term *out,
    size_t n_terms) MUST_CHECK;

#endif
