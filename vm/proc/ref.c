/* Numbers of references: a counter per thread, and who counted in the low bits. So a timer's
 * number says whose wheel it is in. Threads that are no schedulers share counter 0. */
#include "vm/proc/timer.h"

#include "vm/proc/sched.h"

static _Atomic uint64_t shared_counter = 1;
static _Thread_local uint64_t own_counter;

uint64_t ref_next_id(void)
{
    const struct sched *s = sched_self();
    if (s == NULL || s->ref_index == 0) {
        return atomic_fetch_add_explicit(&shared_counter, 1, memory_order_relaxed) << REF_INDEX_BITS;
    }
    return ++own_counter << REF_INDEX_BITS | s->ref_index;
}

int64_t unique_monotonic_next(void)
{
    static _Atomic int64_t counter;
    return atomic_fetch_add(&counter, 1) + 1;
}
