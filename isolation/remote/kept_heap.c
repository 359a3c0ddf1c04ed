/* kept_heap.c - the heap of a process that was killed while a worker reads it in place.
 *
 * The call is being abandoned, which takes a moment; until it has ended, or its worker has, the memory must
 * not be given to anybody else, or the worker would trip over what it finds there.
 */
#include "isolation/remote/remote_internal.h"
#include "vm/core/literal.h"

struct kept_heap {
    struct heap_keeper base;
    struct heap heap;
    _Atomic int holders; /* the process, which has not given its heap away yet, and the lane */
};

void kept_heap_release(struct kept_heap *k)
{
    if (k != NULL && atomic_fetch_sub(&k->holders, 1) == 1) {
        heap_destroy(&k->heap);
        vm_free(k);
        atomic_fetch_sub(&literal_heaps_kept, 1);
    }
}

static void keep(struct heap_keeper *base, struct heap *h)
{
    struct kept_heap *k = container_of(base, struct kept_heap, base);
    k->heap = *h;
    heap_init_frags(h);
    kept_heap_release(k);
}

struct heap_keeper *kept_heap_new(struct remote_lane *lane)
{
    struct kept_heap *k = vm_alloc(sizeof(*k));
    k->base.keep = keep;
    heap_init_frags(&k->heap);
    atomic_init(&k->holders, 2);
    atomic_fetch_add(&literal_heaps_kept, 1);
    lane->kept = k;
    return &k->base;
}
