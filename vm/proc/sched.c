/* Scheduler threads.
 *
 * A process that becomes runnable goes on the queue of the thread that woke it: it is needed there
 * next, and a wake-up across cores costs more than most processes run. Other threads come in when
 * that thread does not keep up: between processes it adds up what it has run while others were
 * waiting, and past WAKE_PRESSURE reductions it wakes a sleeper, which steals half.
 *
 * Sleep: the thread stores ASLEEP, then looks at all queues once more (both seq_cst); a waker pushes,
 * then looks whether the owner of that queue is ASLEEP. While others run a sleeper naps, so that
 * a long native call on one thread cannot keep what is queued behind it from running.
 */
#include "vm/proc/sched.h"

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/futex.h"
#include "lib/base/trace.h"
#include "vm/core/literal.h"
#include "vm/proc/literals.h"
#include "vm/proc/os_signal.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/runq.h"
#include "vm/proc/sched_use.h"
#include "vm/proc/timer.h"

enum {
    WAKE_PRESSURE = 3000,        /* reductions run while others waited, before help is called */
    SPIN_NS = 20000,
    LONE_STEAL_NS = 10000,       /* a single waiting process is taken if its thread is busy that long */
    NAP_NS = 10000000,
    TIMER_SWITCHES = 32,         /* look at the clock after so many processes ... */
    TIMER_REDUCTIONS = 4000,     /* ... or reductions */
};

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

struct sched_thread_hooks sched_thread_hooks;

static _Thread_local struct sched *self;
static struct sched *scheds[SCHED_MAX]; /* constant while they run */
static unsigned n_scheds;
static _Atomic uint32_t n_online; /* the first so many run processes */
static _Atomic uint32_t n_idle;   /* asleep or napping */
static _Atomic uint32_t n_asleep; /* without a nap's end */
static _Atomic bool stopping;
static int64_t start_ns;

struct sched *sched_self(void)
{
    return self;
}

unsigned sched_count(void)
{
    return n_scheds;
}

unsigned sched_online(void)
{
    return atomic_load_explicit(&n_online, memory_order_relaxed);
}

void sched_set_self(struct sched *s)
{
    self = s;
}

/* ---- waking ---- */

/* true if it slept. */
static bool wake(struct sched_private *v)
{
    uint32_t state = atomic_load_explicit(&v->state, memory_order_seq_cst);
    if (state == AWAKE || !atomic_compare_exchange_strong(&v->state, &state, AWAKE)) {
        return false;
    }
    futex_wake(&v->state);
    return true;
}

static void wake_helper(const struct sched *s)
{
    unsigned online = sched_online();
    for (unsigned i = 1; i < online; i++) {
        struct sched_private *v = scheds[(s->index - 1 + i) % online]->private;
        if (atomic_load_explicit(&v->state, memory_order_relaxed) != AWAKE) {
            atomic_store_explicit(&v->eager, true, memory_order_relaxed);
            if (wake(v)) {
                return;
            }
        }
    }
}

void sched_poke(unsigned index)
{
    if (index < n_scheds) {
        wake(scheds[index]->private);
    }
}

void sched_signalled(void)
{
    for (unsigned i = 0; i < n_scheds; i++) {
        if (atomic_load_explicit(&scheds[i]->private->state, memory_order_seq_cst) == LINGERING) {
            wake(scheds[i]->private);
        }
    }
}

/* For threads that are no schedulers: one that is idle, else any. */
static struct sched_private *choose_for_foreign(const struct proc *p)
{
    unsigned online = sched_online();
    for (unsigned i = 0; i < online; i++) {
        if (atomic_load_explicit(&scheds[i]->private->state, memory_order_relaxed) != AWAKE) {
            return scheds[i]->private;
        }
    }
    return scheds[p->shared->number % online]->private;
}

void sched_enqueue(struct proc *p)
{
    atomic_store_explicit(&p->shared->status, STATUS_RUNNABLE, memory_order_relaxed);
    if (p->run_kind != SCHED_NORMAL) {
        dirty_enqueue(p);
        return;
    }
    if (self != NULL && self->kind == SCHED_NORMAL) {
        runq_push(&self->private->queue, p);
        return;
    }
    struct sched_private *v = choose_for_foreign(p);
    runq_push(&v->queue, p);
    wake(v);
}

/* ---- running one process ---- */

/* What comes after a slice, on any kind of thread. */
static void after_run(struct proc *p, enum run_result r)
{
    if (__builtin_expect(p->literal_round != NULL, 0) && r != RUN_EXITED && !literals_look(p)) {
        r = RUN_EXITED;
    }
    switch (r) {
    case RUN_YIELDED:
        if (self->kind == SCHED_NORMAL) {
            self->private->again = p->run_kind == SCHED_NORMAL;
        }
        sched_enqueue(p);
        return;
    case RUN_WAITING:
        atomic_store_explicit(&p->shared->status, STATUS_WAITING, memory_order_relaxed);
        if (!inbox_park(p->shared)) {
            sched_enqueue(p);
        }
        return;
    case RUN_EXITED:
        proc_exit(p);
        return;
    case RUN_TO_DIRTY_CPU:
        p->run_kind = SCHED_DIRTY_CPU;
        sched_enqueue(p);
        return;
    case RUN_TO_DIRTY_IO:
        p->run_kind = SCHED_DIRTY_IO;
        sched_enqueue(p);
        return;
    case RUN_TO_NORMAL:
        p->run_kind = SCHED_NORMAL;
        sched_enqueue(p);
        return;
    }
    VM_REQUIRE(!"a result of interp_run");
}

/* Signals first. false: it is gone or stands still. */
static bool prepare(struct proc *p)
{
    if (p->exiting || (inbox_has_signals(p->shared) && signal_fetch(p))) {
        proc_exit(p);
        return false;
    }
    if (__builtin_expect(p->literal_round != NULL, 0) && !literals_look(p)) {
        proc_exit(p);
        return false;
    }
    if (p->suspended) {
        proc_tell_suspended(p);
        atomic_store_explicit(&p->shared->status, STATUS_SUSPENDED, memory_order_relaxed);
        if (!inbox_park(p->shared)) {
            sched_enqueue(p);
        }
        return false;
    }
    return true;
}

/* Reductions it used. */
static inline __attribute__((always_inline)) uint32_t run_slice(struct sched *s, struct proc *p)
{
    s->current = p;
    p->reductions_left = PROC_SLICE_REDUCTIONS;
    if (s->kind == SCHED_NORMAL && !prepare(p)) {
        s->current = NULL;
        return 1;
    }
    atomic_store_explicit(&p->shared->status, STATUS_RUNNING, memory_order_relaxed);
    uint64_t pid = p->id.word;
    trace_schedule_in(pid);
    enum run_result r = interp_run(s, p);
    trace_schedule_out(pid);
    int32_t left = p->reductions_left > 0 ? p->reductions_left : 0;
    uint32_t used = (uint32_t) (PROC_SLICE_REDUCTIONS - (left > PROC_SLICE_REDUCTIONS ? PROC_SLICE_REDUCTIONS : left));
    used += used == 0;
    p->reductions += used;
    s->current = NULL;
    after_run(p, r);
    return used;
}

uint32_t sched_run(struct sched *s, struct proc *p)
{
    struct literal_thread *t = literal_slice_begins();
    uint32_t used = run_slice(s, p);
    literal_slice_ends(t);
    return used;
}

/* ---- idle ---- */

/* Takes work from others: from long queues at once, a lone process only with alone. */
static bool steal(struct sched *s, bool alone)
{
    for (unsigned i = 1; i < n_scheds; i++) {
        struct sched_private *v = scheds[(s->index - 1 + i) % n_scheds]->private;
        if (runq_length(&v->queue) > (alone ? 0 : 1) && runq_steal(&s->private->queue, &v->queue) > 0) {
            return true;
        }
    }
    return false;
}

/* A process waits alone in a queue whose thread has been at the same one since the last look. */
static bool steal_stuck(struct sched *s, uint32_t *last_switches)
{
    for (unsigned i = 1; i < n_scheds; i++) {
        unsigned at = (s->index - 1 + i) % n_scheds;
        struct sched_private *v = scheds[at]->private;
        uint32_t n = atomic_load_explicit(&v->n_switches, memory_order_relaxed);
        bool stuck = n == last_switches[at];
        last_switches[at] = n;
        if (stuck && runq_length(&v->queue) > 0 && runq_steal(&s->private->queue, &v->queue) > 0) {
            return true;
        }
    }
    return false;
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

/* Looks for work for a short while. now: in and out. */
static bool spin(struct sched *s, int64_t *now)
{
    uint32_t last_switches[SCHED_MAX];
    for (unsigned i = 0; i < n_scheds; i++) {
        last_switches[i] = atomic_load_explicit(&scheds[i]->private->n_switches, memory_order_relaxed) - 1;
    }
    int64_t start = *now, last_look = start;
    for (unsigned round = 0; *now - start < SPIN_NS; round++) {
        if (runq_length(&s->private->queue) > 0 || steal(s, false)) {
            return true;
        }
        for (int i = 0; i < 20; i++) {
            pause_cpu();
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
    bool nap = atomic_load_explicit(&n_idle, memory_order_relaxed) + 1 < sched_online();
    atomic_fetch_add(&n_idle, 1);
    if (!nap) {
        atomic_fetch_add(&n_asleep, 1);
    }
    atomic_store_explicit(&v->state, nap ? NAPPING : ASLEEP, memory_order_seq_cst);
    bool work = runq_length(&v->queue) > 0 || atomic_load(&stopping) || atomic_load(&v->eager);
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
    atomic_fetch_sub(&n_idle, 1);
    if (!nap) {
        atomic_fetch_sub(&n_asleep, 1);
    }
}

bool sched_linger(void (*sleep)(void *arg, _Atomic uint32_t *word, uint32_t value, int64_t ns), void *arg, int64_t max_ns)
{
    struct sched *s = self;
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
    atomic_fetch_add(&n_idle, 1);
    atomic_store_explicit(&v->state, LINGERING, memory_order_seq_cst);
    bool work = runq_length(&v->queue) > 0 || inbox_has_signals(s->current->shared) || atomic_load(&stopping)
                || atomic_load(&v->eager);
    if (!work) {
        sched_use_sleeps(s->index);
        sleep(arg, &v->state, LINGERING, max_ns);
        sched_use_works(s->index);
        work = atomic_load(&v->state) != LINGERING || atomic_load(&v->eager);
    }
    atomic_store_explicit(&v->state, AWAKE, memory_order_seq_cst);
    atomic_fetch_sub(&n_idle, 1);
    return !work;
}

static void look_at_clock(struct sched_private *v)
{
    v->switches_since_clock = 0;
    v->reductions_since_clock = 0;
    if (!wheel_is_empty(v->wheel)) {
        wheel_advance(v->wheel, clock_monotonic_ns());
    }
}

/* Until there is work or the end. */
static void idle(struct sched *s)
{
    struct sched_private *v = s->private;
    v->pressure = 0;
    bool spun = false;
    while (runq_length(&v->queue) == 0 && s->index <= sched_online()
        && !atomic_load_explicit(&stopping, memory_order_relaxed)) {
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
        if (!spun && n_scheds > 1 && spin(s, &now)) {
            return;
        }
        spun = true;
        go_to_sleep(s, now);
    }
}

/* After a process: has somebody waited too long, is a timer due? */
static void account(struct sched *s, uint32_t used)
{
    struct sched_private *v = s->private;
    atomic_store_explicit(&v->reductions, v->reductions + used, memory_order_relaxed);
    v->switches_since_clock++;
    v->reductions_since_clock += used;
    if (v->switches_since_clock >= TIMER_SWITCHES || v->reductions_since_clock >= TIMER_REDUCTIONS) {
        look_at_clock(v);
    }
    bool others_wait = runq_length(&v->queue) > (v->again ? 1 : 0);
    v->again = false;
    if (!others_wait) {
        v->pressure = 0;
        return;
    }
    v->pressure += used;
    if (v->pressure >= WAKE_PRESSURE) {
        v->pressure = 0;
        if (atomic_load_explicit(&n_idle, memory_order_relaxed) > 0) {
            wake_helper(s);
        }
    }
}

/* Not online: hands on what is in its queue, fires its timers, sleeps. */
static void stay_offline(struct sched *s)
{
    struct sched_private *v = s->private, *first = scheds[0]->private;
    while (runq_steal(&first->queue, &v->queue) > 0) {
    }
    wake(first);
    atomic_store_explicit(&v->state, ASLEEP, memory_order_seq_cst);
    int64_t next = wheel_next_ns(v->wheel), now = clock_monotonic_ns();
    bool stay = s->index > sched_online() && runq_length(&v->queue) == 0 && !atomic_load(&stopping);
    if (stay && next > now) {
        sched_use_sleeps(s->index);
        futex_wait(&v->state, ASLEEP, time_left(now, next));
        sched_use_works(s->index);
    }
    atomic_store_explicit(&v->state, AWAKE, memory_order_seq_cst);
    look_at_clock(v);
}

unsigned sched_set_online(unsigned n)
{
    unsigned old = atomic_exchange(&n_online, n);
    for (unsigned i = 0; i < n_scheds; i++) {
        wake(scheds[i]->private);
    }
    return old;
}

static void *sched_main(void *arg)
{
    struct sched *s = arg;
    struct sched_private *v = s->private;
    self = s;
    sched_use_works(s->index);
    if (sched_thread_hooks.start != NULL) {
        sched_thread_hooks.start(s);
    }
    while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
        if (s->index > sched_online()) {
            stay_offline(s);
            continue;
        }
        struct proc *p = runq_pop(&v->queue);
        if (p == NULL) {
            idle(s);
            continue;
        }
        atomic_store_explicit(&v->n_switches, v->n_switches + 1, memory_order_relaxed);
        if (runq_length(&v->queue) > 0 && atomic_load_explicit(&n_asleep, memory_order_relaxed) > 0) {
            wake_helper(s); /* at least to nap: see top */
        }
        account(s, sched_run(s, p));
    }
    if (sched_thread_hooks.stop != NULL) {
        sched_thread_hooks.stop(s);
    }
    self = NULL;
    return NULL;
}

/* ---- start and stop ---- */

static struct sched *sched_new(unsigned i)
{
    struct sched *s = vm_zalloc(sizeof(*s));
    s->index = i + 1;
    s->kind = SCHED_NORMAL;
    s->ref_index = (uint16_t) (i + 1);
    s->private = vm_zalloc(sizeof(*s->private));
    runq_init(&s->private->queue);
    s->private->wheel = wheel_new(i);
    return s;
}

bool sched_start(const struct sched_options *o)
{
    if (o->n_schedulers == 0 || o->n_schedulers > SCHED_MAX) {
        return false;
    }
    atomic_store(&stopping, false);
    start_ns = clock_monotonic_ns();
    n_scheds = o->n_schedulers;
    atomic_store(&n_online, n_scheds);
    for (unsigned i = 0; i < n_scheds; i++) {
        scheds[i] = sched_new(i);
    }
    dirty_init(o->n_dirty_cpu, o->n_dirty_io);
    literals_start();
    for (unsigned i = 0; i < n_scheds; i++) {
        if (pthread_create(&scheds[i]->private->thread, NULL, sched_main, scheds[i]) != 0) {
            atomic_store(&stopping, true);
            for (unsigned j = 0; j < i; j++) {
                wake(scheds[j]->private);
                pthread_join(scheds[j]->private->thread, NULL);
            }
            return false;
        }
    }
    return dirty_start();
}

bool sched_join(pthread_t thread, int64_t system_deadline_ns)
{
    struct timespec at = { system_deadline_ns / 1000000000, system_deadline_ns % 1000000000 };
    return pthread_timedjoin_np(thread, NULL, &at) == 0;
}

void sched_stop(void)
{
    /* A thread in a native call that does not end must not keep the program from ending. */
    enum { PATIENCE_NS = 300000000 };
    int64_t deadline_ns = clock_system_ns() + PATIENCE_NS;
    bool ended = true;
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < n_scheds; i++) {
        wake(scheds[i]->private);
    }
    ended &= os_signals_stop(deadline_ns);
    ended &= literals_stop(deadline_ns);
    for (unsigned i = 0; i < n_scheds; i++) {
        ended &= sched_join(scheds[i]->private->thread, deadline_ns);
    }
    ended &= dirty_stop(deadline_ns);
    if (!ended) {
        return; /* what it uses stays */
    }
    proc_free_all();
    for (unsigned i = 0; i < n_scheds; i++) {
        wheel_free(scheds[i]->private->wheel);
        runq_destroy(&scheds[i]->private->queue);
        vm_free(scheds[i]->private);
        vm_free(scheds[i]);
    }
    n_scheds = 0;
}

size_t sched_queue_length(unsigned index)
{
    return index < n_scheds ? runq_length(&scheds[index]->private->queue) : 0;
}

uint64_t sched_reductions(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < n_scheds; i++) {
        n += atomic_load_explicit(&scheds[i]->private->reductions, memory_order_relaxed);
    }
    return n;
}

uint64_t sched_switches(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < n_scheds; i++) {
        n += atomic_load_explicit(&scheds[i]->private->n_switches, memory_order_relaxed);
    }
    return n;
}

int64_t vm_start_ns(void)
{
    return start_ns;
}
