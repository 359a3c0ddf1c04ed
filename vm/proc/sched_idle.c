/* Where scheduler threads wait for work, and are woken.
 *
 * Sleep: the thread stores ASLEEP, then looks at all queues once more (both seq_cst); a waker pushes,
 * then looks whether the owner of that queue is ASLEEP. While others run a sleeper naps, so that
 * a long native call on one thread cannot keep what is queued behind it from running.
 */
#include "lib/base/arena.h"
#include "lib/base/futex.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/sched_private.h"
#include "vm/proc/sched_use.h"

enum {
    SPIN_NS = 20000,
    LONE_STEAL_NS = 10000,       /* a single waiting process is taken if its thread is busy that long */
    NAP_NS = 10000000,
};

/* ---- waking ---- */

bool sched_wake(struct sched_private *v)
{
    uint32_t state = atomic_load_explicit(&v->state, memory_order_seq_cst);
    if (state == AWAKE || !atomic_compare_exchange_strong(&v->state, &state, AWAKE)) {
        return false;
    }
    futex_wake(&v->state);
    return true;
}

void sched_wake_helper(const struct sched *s)
{
    unsigned online = sched_online();
    for (unsigned i = 1; i < online; i++) {
        struct sched_private *v = scheds.at[(s->index - 1 + i) % online]->private;
        if (atomic_load_explicit(&v->state, memory_order_relaxed) != AWAKE) {
            atomic_store_explicit(&v->eager, true, memory_order_relaxed);
            if (sched_wake(v)) {
                return;
            }
        }
    }
}

void sched_poke(unsigned index)
{
    if (index < scheds.n) {
        sched_wake(scheds.at[index]->private);
    }
}

void sched_signalled(void)
{
    for (unsigned i = 0; i < scheds.n; i++) {
        if (atomic_load_explicit(&scheds.at[i]->private->state, memory_order_seq_cst) == LINGERING) {
            sched_wake(scheds.at[i]->private);
        }
    }
}

/* ---- idle ---- */

/* Takes work from others: from long queues at once, a lone process only with alone. */
static bool steal(struct sched *s, bool alone)
{
    for (unsigned i = 1; i < scheds.n; i++) {
        struct sched_private *v = scheds.at[(s->index - 1 + i) % scheds.n]->private;
        if (runq_length(&v->queue) > (alone ? 0 : 1) && runq_steal(&s->private->queue, &v->queue) > 0) {
            return true;
        }
    }
    return false;
}

/* A process waits alone in a queue whose thread has been at the same one since the last look. */
static bool steal_stuck(struct sched *s, uint32_t *last_switches)
{
    for (unsigned i = 1; i < scheds.n; i++) {
        unsigned at = (s->index - 1 + i) % scheds.n;
        struct sched_private *v = scheds.at[at]->private;
        uint32_t n = atomic_load_explicit(&v->n_switches, memory_order_relaxed);
        bool stuck = n == last_switches[at];
        last_switches[at] = n;
        if (stuck && runq_length(&v->queue) > 0 && runq_steal(&s->private->queue, &v->queue) > 0) {
            return true;
        }
    }
    return false;
}

/* Looks for work for a short while. now: in and out. */
static bool spin(struct sched *s, int64_t *now)
{
    uint32_t last_switches[SCHED_MAX];
    for (unsigned i = 0; i < scheds.n; i++) {
        last_switches[i] = atomic_load_explicit(&scheds.at[i]->private->n_switches, memory_order_relaxed) - 1;
    }
    int64_t start = *now, last_look = start;
    for (unsigned round = 0; *now - start < SPIN_NS; round++) {
        if (runq_length(&s->private->queue) > 0 || steal(s, false)) {
            return true;
        }
        for (int i = 0; i < 20 && runq_length(&s->private->queue) == 0; i++) {
            base_relax();
        }
        *now = clock_monotonic_ns();
        if (*now - last_look >= LONE_STEAL_NS) {
            last_look = *now;
            if (steal_stuck(s, last_switches)) {
                return true;
            }
        }
    }
    return false;
}

/* Until `next`; INT64_MAX: never. */
static int64_t time_left(int64_t now, int64_t next)
{
    return next == INT64_MAX ? FUTEX_FOREVER : next - now;
}

static void go_to_sleep(struct sched *s, int64_t now)
{
    enum { TRIM_AGAIN_NS = 100000000 };
    bool trim_again = arena_trim(now);
    struct sched_private *v = s->private;
    bool nap = atomic_load_explicit(&scheds.n_idle, memory_order_relaxed) + 1 < sched_online();
    atomic_fetch_add(&scheds.n_idle, 1);
    if (!nap) {
        atomic_fetch_add(&scheds.n_asleep, 1);
    }
    atomic_store_explicit(&v->state, nap ? NAPPING : ASLEEP, memory_order_seq_cst);
    bool work = runq_length(&v->queue) > 0 || atomic_load(&scheds.stopping) || atomic_load(&v->eager);
    int64_t next = wheel_next_ns(v->wheel);
    int64_t wait = time_left(now, next);
    wait = nap && wait > NAP_NS ? NAP_NS : wait;
    wait = trim_again && wait > TRIM_AGAIN_NS ? TRIM_AGAIN_NS : wait;
    if (!work && next > now) {
        sched_use_sleeps(s->index);
        futex_wait(&v->state, nap ? NAPPING : ASLEEP, wait);
        sched_use_works(s->index);
    }
    atomic_store_explicit(&v->state, AWAKE, memory_order_seq_cst);
    atomic_fetch_sub(&scheds.n_idle, 1);
    if (!nap) {
        atomic_fetch_sub(&scheds.n_asleep, 1);
    }
}

bool sched_linger(void (*sleep)(void *arg, _Atomic uint32_t *word, uint32_t value, int64_t ns), void *arg, int64_t max_ns)
{
    struct sched *s = sched_self();
    if (s == NULL || s->kind != SCHED_NORMAL) {
        sleep(arg, NULL, 0, max_ns);
        return s != NULL;
    }
    struct sched_private *v = s->private;
    if (runq_length(&v->queue) > 0 || s->index > sched_online()) {
        return false;
    }
    if (!wheel_is_empty(v->wheel)) {
        int64_t now = clock_monotonic_ns(), next = wheel_next_ns(v->wheel);
        if (next <= now) {
            return false;
        }
        max_ns = next - now < max_ns ? next - now : max_ns;
    }
    atomic_fetch_add(&scheds.n_idle, 1);
    atomic_store_explicit(&v->state, LINGERING, memory_order_seq_cst);
    bool work = runq_length(&v->queue) > 0 || inbox_has_signals(s->current->shared) || atomic_load(&scheds.stopping)
                || atomic_load(&v->eager);
    if (!work) {
        sched_use_sleeps(s->index);
        sleep(arg, &v->state, LINGERING, max_ns);
        sched_use_works(s->index);
        work = atomic_load(&v->state) != LINGERING || atomic_load(&v->eager);
    }
    atomic_store_explicit(&v->state, AWAKE, memory_order_seq_cst);
    atomic_fetch_sub(&scheds.n_idle, 1);
    return !work;
}

void sched_idle(struct sched *s)
{
    struct sched_private *v = s->private;
    v->pressure = 0;
    bool spun = false;
    while (runq_length(&v->queue) == 0 && s->index <= sched_online()
        && !atomic_load_explicit(&scheds.stopping, memory_order_relaxed)) {
        int64_t now = clock_monotonic_ns();
        if (!wheel_is_empty(v->wheel)) {
            wheel_advance(v->wheel, now);
            if (runq_length(&v->queue) > 0) {
                return;
            }
        }
        bool eager = atomic_exchange_explicit(&v->eager, false, memory_order_relaxed);
        if (steal(s, eager || spun)) {
            return;
        }
        if (!spun && scheds.n > 1 && spin(s, &now)) {
            return;
        }
        spun = true;
        go_to_sleep(s, now);
    }
}

void sched_stay_offline(struct sched *s)
{
    struct sched_private *v = s->private, *first = scheds.at[0]->private;
    while (runq_steal(&first->queue, &v->queue) > 0) {
    }
    sched_wake(first);
    atomic_store_explicit(&v->state, ASLEEP, memory_order_seq_cst);
    int64_t next = wheel_next_ns(v->wheel), now = clock_monotonic_ns();
    bool stay = s->index > sched_online() && runq_length(&v->queue) == 0 && !atomic_load(&scheds.stopping);
    if (stay && next > now) {
        sched_use_sleeps(s->index);
        futex_wait(&v->state, ASLEEP, time_left(now, next));
        sched_use_works(s->index);
    }
    atomic_store_explicit(&v->state, AWAKE, memory_order_seq_cst);
    sched_look_at_clock(v);
}
