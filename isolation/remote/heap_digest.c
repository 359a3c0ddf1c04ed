#include "isolation/remote/heap_digest.h"

#define XXH_STATIC_LINKING_ONLY /* the state on the stack */
#include <xxhash.h>

static void add(XXH3_state_t *x, const uintptr_t *from, const uintptr_t *to)
{
    if (to > from) {
        XXH3_64bits_update(x, from, (size_t) (to - from) * sizeof(*from));
    }
}

static uint64_t hash_of(const struct heap_digest *d)
{
    XXH3_state_t x;
    XXH3_64bits_reset(&x);
    add(&x, d->young, d->top);
    add(&x, d->stop, d->end);
    add(&x, d->old, d->old_top);
    for (const struct heap_frag *f = d->frags; f != NULL; f = f->next) {
        add(&x, f->words, f->words + (f == d->frags ? d->newest_used : f->used_words));
    }
    return XXH3_64bits_digest(&x);
}

void heap_digest_take(struct heap_digest *d, const struct heap *h)
{
    *d = (struct heap_digest) { h->start, h->top, h->stop, h->end, h->old_start, h->old_top, h->frags,
        h->frags != NULL ? h->frags->used_words : 0, 0, true };
    d->hash = hash_of(d);
}

bool heap_digest_same(const struct heap_digest *d)
{
    return hash_of(d) == d->hash;
}

void heap_digest_give_up(struct heap *h)
{
    h->offheap = NULL;
    h->old_offheap = NULL;
    for (struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        f->offheap = NULL;
    }
}
