/* heap_digest.h - has anybody written to this heap? */
#ifndef ISOLATION_HEAP_DIGEST_H
#define ISOLATION_HEAP_DIGEST_H

#include "vm/core/heap.h"

/* What was hashed, and what came out. The heap must not be collected in between; it may grow. */
struct heap_digest {
    const uintptr_t *young, *top, *stop, *end, *old, *old_top;
    const struct heap_frag *frags;
    size_t newest_used; /* of the first of them: it may be built on */
    uint64_t hash;
    bool taken;
};
/* XXH3 over the young and old generation, the stack and all fragments. About 10 GB/s. */
void heap_digest_take(struct heap_digest *d, const struct heap *h);
/* false: something that was there has changed. */
bool heap_digest_same(const struct heap_digest *d);
/* The heap is damaged: nothing in it may be followed any more. What it kept alive outside of it stays for ever. */
void heap_digest_give_up(struct heap *h);

#endif
