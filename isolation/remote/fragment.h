/* fragment.h - terms that a worker built in the VM's term memory, looked at before anybody uses them.
 *
 * The words are scanned once, in order: every header must fit, every pointer must lead to an object in
 * the fragment or into memory that the caller may refer to, every large binary must be one that was made for
 * this call. What passes can be collected, copied and printed without a fault. Nothing is said
 * about what an address outside of the fragment holds: see verify in doc/isolation.md.
 */
#ifndef ISOLATION_FRAGMENT_H
#define ISOLATION_FRAGMENT_H

#include "isolation/remote/tainted.h"
#include "vm/core/bits.h"
#include "vm/core/heap.h"
#include "vm/core/heap_map.h"

/* A binary that was made for a worker to fill. What its header says is the worker's word; this is ours. */
struct granted_bin {
    struct offheap_bin *bin; /* NULL: free */
    size_t bytes;
    size_t n_uses; /* terms that refer to it */
};

struct fragment {
    uintptr_t *words;     /* where it is now */
    uintptr_t built_at;   /* the address its pointers were made for */
    size_t n;
    const struct heap *caller; /* may be pointed into */
    struct granted_bin *bins;
    size_t n_bins;
    bool check_cycles;
    /* Of the caller's heap, to follow pointers into it to where objects begin; NULL: those are judged by their looks. */
    const struct heap_map *map;
};

/* Checks the fragment and its root, moves pointers from built_at to words, chains large binaries to
 * *offheap and counts them in bins. TERM_NONE: it is not in order (words are changed, nothing is chained). */
term fragment_check(struct fragment *f, tainted root, uintptr_t **offheap, size_t *out_offheap_bytes) MUST_CHECK;

#endif
