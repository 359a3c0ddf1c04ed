#include "lib/base/arena.h"
#include "vm/core/bits.h"

struct offheap_bin *offheap_bin_new(size_t bytes)
{
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    size_t total = arena_good_size(sizeof(struct offheap_bin) + bytes);
    struct offheap_bin *b = arena_alloc(arena_terms, total);
    if (b == NULL) {
        return NULL;
    }
    atomic_init(&b->refs, 1);
    atomic_init(&b->append_end_bits, UINT64_MAX);
    b->capacity = total - sizeof(*b);
    b->destroy = NULL;
    return b;
}

void offheap_bin_ref(struct offheap_bin *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
}

void offheap_bin_unref(struct offheap_bin *b)
{
    /* A lone owner needs no locked instruction: nobody else can take a reference. The acquire
     * pairs with the releases of those who dropped theirs. */
    if (atomic_load_explicit(&b->refs, memory_order_acquire) != 1
        && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (b->destroy != NULL) {
        b->destroy(b);
    } else {
        arena_free(arena_terms, b);
    }
}
