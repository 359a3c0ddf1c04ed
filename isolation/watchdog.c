#include "isolation/watchdog.h"

#include <linux/membarrier.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "isolation/crash_report.h"
#include "isolation/fault.h"
#include "isolation/thread.h"
#include "lib/base/clock.h"
#include "lib/base/futex.h"
#include "lib/base/service_thread.h"

enum {
    TICK_MIN_NS = 1000000,
    TICK_MAX_NS = 10000000,
    TRIES_BEFORE_SAFE_POINT = 5,   /* signals that found the thread outside of the library */
    TRIES_BEFORE_FORCE = 100,      /* at one a millisecond */
    IDLE_TICKS_BEFORE_SLEEP = 100,
};

_Atomic uint32_t watchdog_asleep;
static _Atomic uint32_t shortest_ms;

/* One round's findings. */
struct round {
    int64_t now;
    bool busy;      /* a call with a timeout is in progress */
    bool escalates; /* an overdue thread is being dealt with */
};

static void set_executable(struct native_library *lib, bool yes)
{
    unsigned n = __atomic_load_n(&lib->n_code, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < n; i++) {
        mprotect((void *) lib->code[i].start, lib->code[i].end - lib->code[i].start, yes ? PROT_READ | PROT_EXEC : PROT_READ);
    }
}

static void stop_chasing(struct native_thread *t)
{
    if (t->protects != NULL) {
        if (atomic_fetch_sub(&t->protects->no_exec, 1) == 1) {
            set_executable(t->protects, true);
        }
        t->protects = NULL;
    }
    atomic_store_explicit(&t->trapped_seq, 0, memory_order_relaxed);
    t->chased = 0;
}

static void ask(struct native_thread *t, bool force)
{
    siginfo_t si = { .si_signo = fault_timeout_signal(), .si_code = SI_QUEUE };
    si.si_pid = getpid();
    si.si_value.sival_int = force ? 1 : 0;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), t->tid, fault_timeout_signal(), &si);
}

static void chase(struct native_thread *t, struct native_frame *f, uint64_t seq)
{
    if (t->chased != seq) {
        stop_chasing(t);
        t->chased = seq;
        t->tries = 0;
    }
    atomic_store_explicit(&t->overdue_seq, seq, memory_order_release);
    unsigned tries = t->tries++;
    if (tries == TRIES_BEFORE_SAFE_POINT) {
        struct native_library *lib = atomic_load_explicit(&f->library, memory_order_relaxed);
        /* If the call has just ended and another begun, the next round gives the code back. */
        t->protects = lib;
        if (lib != NULL && atomic_fetch_add(&lib->no_exec, 1) == 0) {
            set_executable(lib, false);
        }
        atomic_store_explicit(&t->trapped_seq, seq, memory_order_release);
    }
    if (atomic_load_explicit(&t->held, memory_order_relaxed) == 0) {
        ask(t, tries >= TRIES_BEFORE_FORCE);
    }
}

/* Only the innermost call can be ended; those around it keep their clocks meanwhile. */
static void look_at(struct native_thread *t, void *arg)
{
    struct round *r = arg;
    uint32_t depth = __atomic_load_n(&t->guard->depth, __ATOMIC_ACQUIRE);
    uint32_t excused = atomic_load_explicit(&t->excused, memory_order_relaxed);
    bool chasing = false;
    for (uint32_t i = 0; i < NATIVE_MAX_DEPTH && (i < depth || t->seen[i].seq != 0); i++) {
        struct native_frame *f = &t->frame[i];
        uint64_t seq = i < depth ? atomic_load_explicit(&f->seq, memory_order_relaxed) : 0;
        if (seq != t->seen[i].seq || excused != t->seen_excused) {
            t->seen[i].seq = seq;
            t->seen[i].since_ns = r->now;
        }
        if (seq == 0) {
            continue;
        }
        int64_t timeout_ns = (int64_t) atomic_load_explicit(&f->timeout_ms, memory_order_relaxed) * 1000000;
        r->busy = true;
        if (i + 1 == depth && r->now - t->seen[i].since_ns >= timeout_ns) {
            r->escalates = true;
            chasing = true;
            chase(t, f, seq);
        }
    }
    t->seen_excused = excused;
    if (!chasing) {
        stop_chasing(t);
    }
}

static struct native_frame *frame_in_progress(struct native_thread *t)
{
    uint32_t depth = __atomic_load_n(&t->guard->depth, __ATOMIC_ACQUIRE);
    return depth == 0 ? NULL : &t->frame[depth - 1];
}

void watchdog_abandon(struct native_thread *t)
{
    static _Atomic uint64_t unique;
    struct native_frame *f = frame_in_progress(t);
    if (f == NULL) {
        return;
    }
    atomic_store_explicit(&f->timeout_ms, 0, memory_order_relaxed);
    if (atomic_load_explicit(&f->seq, memory_order_relaxed) == 0) { /* it has no timeout: give it a number no other call has */
        atomic_store_explicit(&f->seq, UINT64_C(1) << 63 | ++unique, memory_order_relaxed);
    }
    watchdog_note_timeout(1);
    watchdog_wake();
}

void watchdog_forgive(struct native_thread *t)
{
    struct native_frame *f = frame_in_progress(t);
    if (f != NULL) {
        atomic_store_explicit(&f->seq, 0, memory_order_relaxed);
    }
}

static void sleep_until_woken(void)
{
    struct round r = { .now = clock_monotonic_ns() };
    atomic_store(&watchdog_asleep, 1);
    /* Whoever enters a call after this sees that we sleep; whoever was before is seen below. */
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    native_thread_each(look_at, &r);
    while (!r.busy && atomic_load(&watchdog_asleep) == 1) {
        futex_wait(&watchdog_asleep, 1, FUTEX_FOREVER);
    }
    atomic_store(&watchdog_asleep, 0);
}

static void *watch(void *arg)
{
    unsigned idle = 0;
    int64_t tick = TICK_MIN_NS;
    (void) arg;
    for (;;) {
        struct timespec ts = { .tv_nsec = tick };
        clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
        struct round r = { .now = clock_monotonic_ns() };
        native_thread_each(look_at, &r);
        idle = r.busy ? 0 : idle + 1;
        tick = (int64_t) atomic_load_explicit(&shortest_ms, memory_order_relaxed) * 1000000 / 16;
        tick = r.escalates || tick < TICK_MIN_NS ? TICK_MIN_NS : tick > TICK_MAX_NS ? TICK_MAX_NS : tick;
        if (idle > IDLE_TICKS_BEFORE_SLEEP) {
            sleep_until_woken();
            idle = 0;
        }
    }
    return NULL;
}

static bool register_for_membarrier(void)
{
    (void) syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    return true;
}

static struct service_thread watcher = SERVICE_THREAD(watch, register_for_membarrier);

/* If it does not, as no thread is to be had, each call with a timeout tries again: as if it slept. */
static void make_it_run(void)
{
    static _Atomic bool said;
    if (service_thread_want(&watcher) == 0) {
        return;
    }
    if (!atomic_exchange(&said, true)) {
        crash_report_line("timeouts of native calls are not kept: no thread can be made to watch them (ulimit -u)\n");
    }
    atomic_store(&watchdog_asleep, 1);
}

void watchdog_wake(void)
{
    if (atomic_exchange(&watchdog_asleep, 0) != 0) {
        futex_wake(&watchdog_asleep);
    }
    make_it_run();
}

void watchdog_note_timeout(uint32_t timeout_ms)
{
    uint32_t shortest = atomic_load(&shortest_ms);
    while ((shortest == 0 || timeout_ms < shortest) && !atomic_compare_exchange_weak(&shortest_ms, &shortest, timeout_ms)) {
    }
    watchdog_wake();
}
