#include "isolation/watchdog.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "isolation/fault.h"
#include "isolation/thread.h"
#include "lib/base/clock.h"

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
    for (unsigned i = 0; i < lib->n_code; i++) {
        mprotect((void *) lib->code[i].start, lib->code[i].end - lib->code[i].start, yes ? PROT_READ | PROT_EXEC : PROT_READ);
    }
}

static void stop_protecting(struct native_thread *t)
{
    if (t->seen.protects != NULL) {
        if (atomic_fetch_sub(&t->seen.protects->no_exec, 1) == 1) {
            set_executable(t->seen.protects, true);
        }
        t->seen.protects = NULL;
    }
}

static void ask(struct native_thread *t, bool force)
{
    siginfo_t si = { .si_signo = fault_timeout_signal(), .si_code = SI_QUEUE };
    si.si_pid = getpid();
    si.si_value.sival_int = force ? 1 : 0;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), t->tid, fault_timeout_signal(), &si);
}

static void deal_with_overdue(struct native_thread *t, uint64_t seq)
{
    atomic_store_explicit(&t->overdue_seq, seq, memory_order_release);
    unsigned tries = t->seen.tries++;
    if (tries == TRIES_BEFORE_SAFE_POINT) {
        /* The call cannot end meanwhile without passing through its code, so this is still its library;
         * if it has just ended, the next round gives the code back. */
        struct native_library *lib = t->seen.library;
        t->seen.protects = lib;
        if (lib != NULL && atomic_fetch_add(&lib->no_exec, 1) == 0) {
            set_executable(lib, false);
        }
    }
    ask(t, tries >= TRIES_BEFORE_FORCE);
}

static void look_at(struct native_thread *t, void *arg)
{
    struct round *r = arg;
    uint32_t depth = __atomic_load_n(&t->guard->depth, __ATOMIC_ACQUIRE);
    uint64_t seq = 0;
    uint32_t timeout_ms = 0;
    if (depth > 0 && depth <= NATIVE_MAX_DEPTH) {
        struct native_frame *f = &t->frame[depth - 1];
        seq = atomic_load_explicit(&f->seq, memory_order_relaxed);
        timeout_ms = atomic_load_explicit(&f->timeout_ms, memory_order_relaxed);
        if (seq != t->seen.seq) {
            t->seen.library = atomic_load_explicit(&f->library, memory_order_relaxed);
        }
    }
    uint32_t excused = atomic_load_explicit(&t->excused, memory_order_relaxed);
    if (seq != t->seen.seq || excused != t->seen.excused) {
        stop_protecting(t);
        t->seen.seq = seq;
        t->seen.excused = excused;
        t->seen.since_ns = r->now;
        t->seen.tries = 0;
    }
    if (seq == 0 || timeout_ms == 0) {
        return;
    }
    r->busy = true;
    if (r->now - t->seen.since_ns >= (int64_t) timeout_ms * 1000000) {
        r->escalates = true;
        deal_with_overdue(t, seq);
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
        syscall(SYS_futex, &watchdog_asleep, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    }
    atomic_store(&watchdog_asleep, 0);
}

void watchdog_wake(void)
{
    if (atomic_exchange(&watchdog_asleep, 0) != 0) {
        syscall(SYS_futex, &watchdog_asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
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

static void start_thread(void)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, old;
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* it takes no part in signals */
    VM_REQUIRE(pthread_create(&thread, &attr, watch, NULL) == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
}

void watchdog_note_timeout(uint32_t timeout_ms)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint32_t shortest = atomic_load(&shortest_ms);
    while ((shortest == 0 || timeout_ms < shortest) && !atomic_compare_exchange_weak(&shortest_ms, &shortest, timeout_ms)) {
    }
    pthread_once(&once, start_thread);
    watchdog_wake();
}
