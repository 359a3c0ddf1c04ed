/* Scheduler threads.
 *
 * A process that becomes runnable goes on the queue of the thread that woke it: it is needed there
 * next, and a wake-up across cores costs more than most processes run. Other threads come in when
 * that thread does not keep up: between processes it adds up what it has run while others were
 * waiting, and past WAKE_PRESSURE reductions it wakes a sleeper, which steals half.
 */
#include "vm/proc/sched_private.h"

#include "lib/base/trace.h"
#include "vm/core/literal.h"
#include "vm/proc/literals.h"
#include "vm/proc/os_signal.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/sched_use.h"

enum {
    WAKE_PRESSURE = 3000,        /* reductions run while others waited, before help is called */
    TIMER_SWITCHES = 32,         /* look at the clock after so many processes ... */
    TIMER_REDUCTIONS = 4000,     /* ... or reductions */
};

struct sched_thread_hooks sched_thread_hooks;

struct schedulers scheds;
static _Thread_local struct sched *self;
static int64_t start_ns;

struct sched *sched_self(void)
{
    return self;
}

unsigned sched_count(void)
{
    return scheds.n;
}

unsigned sched_online(void)
{
    return atomic_load_explicit(&scheds.n_online, memory_order_relaxed);
}

void sched_set_self(struct sched *s)
{
    self = s;
}

/* For threads that are no schedulers: one that is idle, else any. */
static struct sched_private *choose_for_foreign(const struct proc *p)
{
    unsigned online = sched_online();
    for (unsigned i = 0; i < online; i++) {
        if (atomic_load_explicit(&scheds.at[i]->private->state, memory_order_relaxed) != AWAKE) {
            return scheds.at[i]->private;
        }
    }
    return scheds.at[p->shared->number % online]->private;
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
    sched_wake(v);
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
ALWAYS_INLINE uint32_t run_slice(struct sched *s, struct proc *p)
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

/* After a process: has somebody waited too long, is a timer due? */
static void account(struct sched *s, uint32_t used)
{
    struct sched_private *v = s->private;
    atomic_store_explicit(&v->reductions, v->reductions + used, memory_order_relaxed);
    v->switches_since_clock++;
    v->reductions_since_clock += used;
    if (v->switches_since_clock >= TIMER_SWITCHES || v->reductions_since_clock >= TIMER_REDUCTIONS) {
        sched_look_at_clock(v);
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
        if (atomic_load_explicit(&scheds.n_idle, memory_order_relaxed) > 0) {
            sched_wake_helper(s);
        }
    }
}

unsigned sched_set_online(unsigned n)
{
    unsigned old = atomic_exchange(&scheds.n_online, n);
    for (unsigned i = 0; i < scheds.n; i++) {
        sched_wake(scheds.at[i]->private);
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
    while (!atomic_load_explicit(&scheds.stopping, memory_order_relaxed)) {
        if (s->index > sched_online()) {
            sched_stay_offline(s);
            continue;
        }
        struct proc *p = runq_pop(&v->queue);
        if (p == NULL) {
            sched_idle(s);
            continue;
        }
        atomic_store_explicit(&v->n_switches, v->n_switches + 1, memory_order_relaxed);
        if (runq_length(&v->queue) > 0 && atomic_load_explicit(&scheds.n_asleep, memory_order_relaxed) > 0) {
            sched_wake_helper(s); /* at least to nap: see top */
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

bool sched_make_thread(struct sched *s, pthread_t *out, void *(*run)(void *))
{
    s->reserved = sched_thread_hooks.reserve != NULL ? sched_thread_hooks.reserve() : NULL;
    if (sched_thread_hooks.reserve != NULL && s->reserved == NULL) {
        return false;
    }
    bool made = pthread_create(out, NULL, run, s) == 0;
    if (!made && sched_thread_hooks.unreserve != NULL) {
        sched_thread_hooks.unreserve(s->reserved);
    }
    return made;
}

bool sched_start(const struct sched_options *o)
{
    if (o->n_schedulers == 0 || o->n_schedulers > SCHED_MAX) {
        return false;
    }
    atomic_store(&scheds.stopping, false);
    start_ns = clock_monotonic_ns();
    scheds.n = o->n_schedulers;
    atomic_store(&scheds.n_online, scheds.n);
    for (unsigned i = 0; i < scheds.n; i++) {
        scheds.at[i] = sched_new(i);
    }
    dirty_init(o->n_dirty_cpu, o->n_dirty_io);
    literals_start();
    for (unsigned i = 0; i < scheds.n; i++) {
        if (!sched_make_thread(scheds.at[i], &scheds.at[i]->private->thread, sched_main)) {
            atomic_store(&scheds.stopping, true);
            for (unsigned j = 0; j < i; j++) {
                sched_wake(scheds.at[j]->private);
                pthread_join(scheds.at[j]->private->thread, NULL);
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
    atomic_store(&scheds.stopping, true);
    for (unsigned i = 0; i < scheds.n; i++) {
        sched_wake(scheds.at[i]->private);
    }
    ended &= os_signals_stop(deadline_ns);
    ended &= literals_stop(deadline_ns);
    for (unsigned i = 0; i < scheds.n; i++) {
        ended &= sched_join(scheds.at[i]->private->thread, deadline_ns);
    }
    ended &= dirty_stop(deadline_ns);
    if (!ended) {
        return; /* what it uses stays */
    }
    proc_free_all();
    for (unsigned i = 0; i < scheds.n; i++) {
        wheel_free(scheds.at[i]->private->wheel);
        runq_destroy(&scheds.at[i]->private->queue);
        vm_free(scheds.at[i]->private);
        vm_free(scheds.at[i]);
    }
    scheds.n = 0;
}

size_t sched_queue_length(unsigned index)
{
    return index < scheds.n ? runq_length(&scheds.at[index]->private->queue) : 0;
}

uint64_t sched_reductions(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < scheds.n; i++) {
        n += atomic_load_explicit(&scheds.at[i]->private->reductions, memory_order_relaxed);
    }
    return n;
}

uint64_t sched_switches(void)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < scheds.n; i++) {
        n += atomic_load_explicit(&scheds.at[i]->private->n_switches, memory_order_relaxed);
    }
    return n;
}

int64_t vm_start_ns(void)
{
    return start_ns;
}
