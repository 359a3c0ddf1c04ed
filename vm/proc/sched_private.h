/* sched_private.h - inside the schedulers: sched.c, which runs processes, and sched_idle.c, where threads wait for work and
 * are woken. Both on the thread of the scheduler they are given, unless they say otherwise.
 */
#ifndef VM_SCHED_PRIVATE_H
#define VM_SCHED_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/clock.h"
#include "vm/proc/runq.h"
#include "vm/proc/sched.h"
#include "vm/proc/timer.h"

enum sleep_state { AWAKE, NAPPING, ASLEEP, LINGERING /* in a process: see sched_linger */ };

struct sched_private {
    struct runq queue;
    struct wheel *wheel;
    _Atomic uint32_t state; /* enum sleep_state; a futex */
    _Atomic uint32_t n_switches;
    _Atomic uint64_t reductions; /* in all */
    _Atomic bool eager;     /* woken because somebody needs help: steal even a lone process */
    uint32_t pressure;      /* see WAKE_PRESSURE */
    bool again;             /* the process that ran last is back in the queue */
    uint32_t switches_since_clock, reductions_since_clock;
    pthread_t thread;
};

extern struct schedulers {
    struct sched *at[SCHED_MAX]; /* constant while they run */
    unsigned n;
    _Atomic uint32_t n_online; /* the first so many run processes */
    _Atomic uint32_t n_idle;   /* asleep or napping */
    _Atomic uint32_t n_asleep; /* without a nap's end */
    _Atomic bool stopping;
} scheds;

/* Any thread. true if it slept. */
bool sched_wake(struct sched_private *v);
/* Somebody who sleeps, to help s. */
void sched_wake_helper(const struct sched *s);
/* Until there is work or the end. */
void sched_idle(struct sched *s);
/* Not online: hands on what is in its queue, fires its timers, sleeps. */
void sched_stay_offline(struct sched *s);

/* Fires timers that are due. */
static inline void sched_look_at_clock(struct sched_private *v)
{
    v->switches_since_clock = 0;
    v->reductions_since_clock = 0;
    if (!wheel_is_empty(v->wheel)) {
        wheel_advance(v->wheel, clock_monotonic_ns());
    }
}

#endif
