/* call_wait.c - a call's thread waits for the answer: it spins if that has paid lately, then sleeps as long as nobody
 * else wants the thread, then leaves the lane to the watcher.
 */
#include "isolation/remote/remote_internal.h"

enum {
    SPIN_NS = 6000,           /* across two CPUs an answer takes less than that, or much longer */
    SPIN_LONG_NS = 60000,     /* enough for a worker that sleeps, and what two wake-ups take: worth it after a spin that paid, or now
                                 and then */
    SPIN_FIRST_NS = 120000,   /* for one that sleeps and has not run a call yet: who waits for a new worker has lost enough */
    SPIN_GIVE_UP = 8,         /* misses in a row */
    SPIN_RETRY = 32,          /* then each so many */
    LINGER_NS = 10000000,     /* asleep on the scheduler's thread, while nobody else wants it. More than a tick of the
                                 kernel: a shorter time would have it set its clock twice for each call */
};

bool (*executor_linger)(executor_sleep_fn sleep, void *arg, int64_t max_ns);

static void sleep_on_lane(void *arg, _Atomic uint32_t *other, uint32_t value, int64_t ns)
{
    struct remote_lane *lane = arg;
    channel_sleep(lane->channel, other, value, ns);
}

/* true: look at the channel again. */
static bool wait_here(struct remote_lane *lane)
{
    if (lane->may_spin) {
        unsigned misses = lane->spin_misses;
        if (misses < SPIN_GIVE_UP || misses % SPIN_RETRY == 0) {
            int64_t ns = !lane->has_waited ? SPIN_FIRST_NS : misses % SPIN_RETRY == 0 ? SPIN_LONG_NS : SPIN_NS;
            lane->has_waited = true;
            if (channel_spin(lane->channel, ns)) {
                lane->spin_misses = 0;
                return true;
            }
        }
        lane->spin_misses++;
    }
    return executor_linger != NULL && executor_linger(sleep_on_lane, lane, LINGER_NS);
}

/* Who leaves a lane to the watcher and still looks at it keeps the worker, and so the lane, until then: the watcher may
 * find at that moment that the worker has ended, and bury it. */

void call_leave_to_end(struct remote_lane *lane)
{
    struct remote_worker *w = lane->worker;
    uint32_t watcher = READER_WATCHER;
    worker_ref(w);
    atomic_store(&lane->reader, READER_WATCHER);
    if (atomic_load(&w->dead) && atomic_compare_exchange_strong(&lane->reader, &watcher, READER_AT_WORK)) {
        lane_lost(lane);
    }
    worker_unref(w);
}

/* Leaves the lane to the watcher. true: it is ours again, because something has come, or its worker is dead. */
static bool park(struct remote_lane *lane)
{
    if (!channel_arm(lane->channel)) {
        return true;
    }
    struct remote_worker *w = lane->worker;
    bool output_waits = channel_wants_write(lane->channel), left = false;
    uint32_t caller = READER_CALLER, watcher = READER_WATCHER;
    worker_ref(w);
    if (atomic_compare_exchange_strong(&lane->reader, &caller, READER_WATCHER)) {
        /* From here on the channel is the watcher's. */
        left = !atomic_load(&w->dead) || !atomic_compare_exchange_strong(&lane->reader, &watcher, READER_CALLER);
        if (left && output_waits) {
            watcher_take_over(lane);
        }
    } else { /* READER_CALLER_RANG */
        atomic_store(&lane->reader, READER_CALLER);
    }
    if (!left) {
        channel_disarm(lane->channel);
    }
    worker_unref(w);
    return !left;
}

/* The watcher goes on reading. */
static void leave_with_more(struct remote_lane *lane)
{
    struct remote_worker *w = lane->worker;
    worker_ref(w);
    atomic_store(&lane->reader, READER_WATCHER);
    watcher_take_over(lane);
    worker_unref(w);
}

bool call_gave_up(struct remote_lane *lane)
{
    if (!atomic_load(&lane->refused)) {
        return false;
    }
    atomic_store(&lane->reader, READER_AT_WORK);
    lane_give_up(lane);
    return true;
}

void call_await(struct remote_progress *p)
{
    struct remote_lane *lane = p->lane;
    for (;;) {
        switch (lane_read(lane)) {
        case LANE_ANSWERED:
            /* No lock: while we are its reader nobody else changes the state. */
            atomic_store_explicit(&p->state, CALL_ANSWERED, memory_order_release);
            return;
        case LANE_VIOLATED:
            pool_violated(lane->worker);
            call_leave_to_end(lane);
            return;
        case LANE_CLOSED: /* it is ending, and how is known when it has; if it only closed the channel it is of no use */
            if (!call_gave_up(lane)) {
                pool_kill(lane->worker, NULL);
                call_leave_to_end(lane);
            }
            return;
        case LANE_MORE: leave_with_more(lane); return;
        case LANE_NOTHING: break;
        }
        if (!wait_here(lane) && !park(lane)) {
            return;
        }
    }
}
