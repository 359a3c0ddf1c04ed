/* runq.h - processes ready to run, by priority. */
#ifndef VM_RUNQ_H
#define VM_RUNQ_H

#include "lib/base/lock.h"
#include "vm/proc/proc.h"

struct runq {
    struct lock lock;
    struct { struct proc *first, **last; } lists[PRIORITY_COUNT]; /* guarded by lock */
    _Atomic uint32_t n; /* written under the lock, read by anybody */
    uint32_t low_skipped;
};

void runq_init(struct runq *q);
void runq_destroy(struct runq *q);
void runq_push(struct runq *q, struct proc *p);
struct proc *runq_pop(struct runq *q); /* NULL: empty */
/* Moves about half of what is in from (at least one) to to. How many. */
size_t runq_steal(struct runq *to, struct runq *from);
static inline uint32_t runq_length(const struct runq *q)
{
    return atomic_load_explicit(&q->n, memory_order_relaxed);
}

#endif
