/* resource.h - the object behind a TAG_RESOURCE term, as far as terms care: a count.
 *
 * The NIF API gives it meaning (nif/nif_resource.h). Collector, copier and messages only count
 * references; what happens when the last one goes is the owner's business.
 */
#ifndef VM_RESOURCE_H
#define VM_RESOURCE_H

#include <stdatomic.h>

#include "lib/base/base.h"

struct resource {
    _Atomic uint64_t refs;
    /* The last reference is gone. May be called inside a collection and on any thread: it must not
     * run foreign code, block, or touch a heap. */
    void (*destroy)(struct resource *r);
};

static inline void resource_ref(struct resource *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}
/* false: the last reference has gone, the object is about to. */
static inline bool resource_try_ref(struct resource *r)
{
    uint64_t refs = atomic_load_explicit(&r->refs, memory_order_relaxed);
    while (refs != 0) {
        if (atomic_compare_exchange_weak_explicit(&r->refs, &refs, refs + 1, memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}
static inline void resource_unref(struct resource *r)
{
    if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) {
        r->destroy(r);
    }
}

#endif
