#include "isolation/fault.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "isolation/crash_report.h"
#include "isolation/symbols.h"
#include "isolation/thread.h"
#include "lib/base/lock.h"

static const int fault_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS };
/* A library's alarm, timer or broken pipe must not end the VM: these are received and dropped. */
static const int dropped_signals[] = { SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXFSZ };

static struct sigaction earlier[ARRAY_LEN(fault_signals)];
static int timeout_signal;
static pid_t vm_pid;
static uintptr_t loader_start, loader_end; /* code of ld.so */
extern const char __executable_start[], etext[];

bool fault_is_vm_code(uintptr_t pc)
{
    return pc >= (uintptr_t) __executable_start && pc < (uintptr_t) etext;
}

bool fault_is_loader_code(uintptr_t pc)
{
    return pc >= loader_start && pc < loader_end;
}

pid_t fault_vm_pid(void)
{
    return vm_pid;
}

int fault_timeout_signal(void)
{
    return timeout_signal;
}

bool fault_owns(int signal_number)
{
    for (size_t i = 0; i < ARRAY_LEN(fault_signals); i++) {
        if (fault_signals[i] == signal_number) {
            return true;
        }
    }
    return signal_number == timeout_signal;
}

void fault_unblock(sigset_t *set)
{
    for (size_t i = 0; i < ARRAY_LEN(fault_signals); i++) {
        sigdelset(set, fault_signals[i]);
    }
    if (timeout_signal != 0) {
        sigdelset(set, timeout_signal);
    }
}

const char *fault_signal_name(int signal_number)
{
    switch (signal_number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    case SIGTRAP: return "SIGTRAP";
    case SIGABRT: return "SIGABRT";
    case SIGSYS: return "SIGSYS";
    case SIGKILL: return "SIGKILL";
    case SIGTERM: return "SIGTERM";
    case SIGXCPU: return "SIGXCPU";
    default: return "signal";
    }
}

static _Noreturn void die(int sig)
{
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    uint64_t none = 0;
    sigaction(sig, &dfl, NULL);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), sig);
    _exit(128 + sig);
}

_Noreturn void fault_fatal(const char *what)
{
    crash_report_fatal(what, NULL, NULL);
    die(SIGABRT);
}

/* May the innermost native call be dropped as it stands? */
static bool may_abandon(void)
{
    return nif_guard.depth > 0 && nif_guard.in_vm == 0 && lock_held_rank() == RANK_NONE;
}

static void give_to_earlier(int sig, siginfo_t *si, void *uc)
{
    for (size_t i = 0; i < ARRAY_LEN(fault_signals); i++) {
        if (fault_signals[i] != sig) {
            continue;
        }
        if ((earlier[i].sa_flags & SA_SIGINFO) != 0 && earlier[i].sa_sigaction != NULL) {
            earlier[i].sa_sigaction(sig, si, uc);
        } else if (earlier[i].sa_handler != SIG_DFL && earlier[i].sa_handler != SIG_IGN) {
            earlier[i].sa_handler(sig);
        }
    }
}

/* A thread of a library faulted where nothing protects it (a destructor of thread-local data): it
 * ends here, without running anything more; whoever joins it is told by the kernel. */
static _Noreturn void end_thread(void)
{
    uint64_t all = ~UINT64_C(0);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
    for (;;) {
        syscall(SYS_exit, 0);
    }
}

static bool is_stack_overflow(const struct native_thread *t, int sig, const siginfo_t *si, const ucontext_t *uc)
{
    const struct native_stack *s = native_top((struct native_thread *) t)->stack;
    uintptr_t sp = (uintptr_t) uc->uc_mcontext.gregs[REG_RSP];
    uintptr_t at = (uintptr_t) si->si_addr;
    if ((sig != SIGSEGV && sig != SIGBUS) || s == NULL) {
        return false;
    }
    bool in_guard = si->si_code > 0 && at >= (uintptr_t) s->map && at < (uintptr_t) s->low;
    bool sp_below = sp >= (uintptr_t) s->map && sp < (uintptr_t) s->low;
    return in_guard || sp_below;
}

static bool is_overdue(struct native_thread *t)
{
    uint64_t seq = atomic_load_explicit(&t->overdue_seq, memory_order_acquire);
    return seq != 0 && nif_guard.depth > 0
        && atomic_load_explicit(&native_top(t)->seq, memory_order_relaxed) == seq;
}

static void abandon_overdue(struct native_thread *t, ucontext_t *uc)
{
    t->left = (struct native_outcome) { .status = NATIVE_TIMED_OUT,
        .number = atomic_load_explicit(&native_top(t)->timeout_ms, memory_order_relaxed) };
    t->info.si_signo = 0;
    t->has_trace = false;
    native_leave_from_signal(t, uc);
}

/* A timeout made the library's code non-executable (watchdog.c), and somebody runs into it. */
static bool ran_into_safe_point(struct native_thread *t, const siginfo_t *si, ucontext_t *uc)
{
    uintptr_t pc = (uintptr_t) uc->uc_mcontext.gregs[REG_RIP];
    if (si->si_signo != SIGSEGV || si->si_code != SEGV_ACCERR || (uintptr_t) si->si_addr - pc > 15
        || library_of_code(pc) == NULL) {
        return false;
    }
    if (t != NULL && may_abandon() && is_overdue(t)) {
        abandon_overdue(t, uc);
    } else {
        if (t != NULL) { /* the wait does not count against its own timeout */
            atomic_fetch_add_explicit(&t->excused, 1, memory_order_relaxed);
        }
        sched_yield(); /* not ours: try again until it is over */
    }
    return true;
}

enum { FLAG_AC = 0x40000 };

/* A library may have set the flag that makes unaligned access fault; handlers start with it set. */
static void allow_unaligned(void)
{
    __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~(unsigned long long) FLAG_AC);
}

/* It came back to the VM with the flag set: clear it and go on. */
static bool was_alignment_flag(int sig, const siginfo_t *si, ucontext_t *uc)
{
    greg_t *flags = &uc->uc_mcontext.gregs[REG_EFL];
    if (sig != SIGBUS || si->si_code != BUS_ADRALN || (*flags & FLAG_AC) == 0) {
        return false;
    }
    *flags &= ~(greg_t) FLAG_AC;
    return true;
}

static void on_fault(int sig, siginfo_t *si, void *context)
{
    allow_unaligned();
    int saved_errno = errno;
    struct native_thread *t = native_self;
    ucontext_t *uc = context;
    bool from_us = si->si_code > 0 || si->si_pid == getpid();
    if ((pid_t) syscall(SYS_getpid) != vm_pid) {
        die(sig); /* a child, perhaps on borrowed memory: it ends as it would have anywhere */
    }
    if (ran_into_safe_point(t, si, uc)) {
        errno = saved_errno;
        return;
    }
    if (t != NULL && from_us && may_abandon()) {
        if (is_stack_overflow(t, sig, si, uc)) {
            t->left = (struct native_outcome) { .status = NATIVE_PANICKED };
            t->panic = PANIC_STACK_OVERFLOW;
        } else {
            t->left = (struct native_outcome) { .status = NATIVE_SIGNALLED, .number = sig };
        }
        t->info = *si;
        t->has_trace = false;
        native_leave_from_signal(t, uc);
        errno = saved_errno;
        return;
    }
    if (was_alignment_flag(sig, si, uc)) {
        errno = saved_errno;
        return;
    }
    if (si->si_code == SI_USER && from_us && sig != SIGABRT) {
        crash_report_line("a library sent a signal to the VM; it is ignored\n");
        errno = saved_errno;
        return;
    }
    if (t != NULL && t->library_thread && nif_guard.in_vm == 0 && lock_held_rank() == RANK_NONE) {
        crash_report_line("a thread that a library made crashed at its end; the thread is gone\n");
        end_thread();
    }
    crash_report_fatal(NULL, si, uc);
    give_to_earlier(sig, si, context);
    bool in_worker = native_outcome_elsewhere != NULL; /* whose callers hear by which signal it ended */
    die(in_worker ? sig : SIGABRT);
}

/* Has it been found in the same system call before, though that was interrupted? */
static bool waits_in_kernel(struct native_thread *t, const ucontext_t *uc)
{
    enum { ROUNDS = 3 };
    const greg_t *regs = uc->uc_mcontext.gregs;
    const uint8_t *after = (const uint8_t *) regs[REG_RIP];
    if (!symbols_is_code((uintptr_t) after - 2) || after[-2] != 0x0f || after[-1] != 0x05 || regs[REG_RAX] != -EINTR) {
        t->waits = 0;
        return false;
    }
    bool same = t->waits > 0 && t->waits_sp == (uintptr_t) regs[REG_RSP] && t->waits_pc == (uintptr_t) after;
    t->waits = same ? t->waits + 1 : 1;
    t->waits_sp = (uintptr_t) regs[REG_RSP];
    t->waits_pc = (uintptr_t) after;
    return t->waits >= ROUNDS;
}

/* A wait has been interrupted, and the library is about to be told so, and may return. It is kept here
 * until its code is not executable, which ends the call there; or until that takes too long. */
static void hold_until_trapped(struct native_thread *t)
{
    enum { PAUSE_NS = 200000, MAX_PAUSES = 25000 }; /* the watchdog, too, may find a busy machine */
    uint64_t seq = atomic_load_explicit(&t->overdue_seq, memory_order_relaxed);
    atomic_store_explicit(&t->held, 1, memory_order_relaxed);
    for (int i = 0; i < MAX_PAUSES && atomic_load_explicit(&t->trapped_seq, memory_order_acquire) != seq; i++) {
        struct timespec ts = { .tv_nsec = PAUSE_NS };
        syscall(SYS_nanosleep, &ts, NULL);
    }
    atomic_store_explicit(&t->held, 0, memory_order_relaxed);
}

static void on_timeout(int sig, siginfo_t *si, void *context)
{
    allow_unaligned();
    struct native_thread *t = native_self;
    ucontext_t *uc = context;
    uintptr_t pc = (uintptr_t) uc->uc_mcontext.gregs[REG_RIP];
    bool forced = si->si_value.sival_int != 0;
    (void) sig;
    if (t == NULL || !is_overdue(t) || !may_abandon() || fault_is_vm_code(pc)
        || fault_is_loader_code(pc)) {
        return;
    }
    /* Inside libc and others a lock may be held: better wait until it is back in its own code; unless
     * it waits there for something that does not come. */
    if (library_of_code(pc) != NULL || forced || waits_in_kernel(t, uc)) {
        int saved_errno = errno;
        abandon_overdue(t, uc);
        errno = saved_errno;
    } else if (t->waits > 0) {
        int saved_errno = errno;
        hold_until_trapped(t);
        errno = saved_errno;
    }
}

static void drop(int sig)
{
    (void) sig;
}

static void find_loader(void)
{
    uintptr_t base = getauxval(AT_BASE);
    if (base == 0) {
        return;
    }
    const ElfW(Ehdr) *e = (const void *) base;
    const ElfW(Phdr) *p = (const void *) (base + e->e_phoff);
    for (unsigned i = 0; i < e->e_phnum; i++) {
        if (p[i].p_type == PT_LOAD && (p[i].p_flags & PF_X) != 0) {
            loader_start = base + p[i].p_vaddr;
            loader_end = loader_start + p[i].p_memsz;
        }
    }
}

void fault_install(void)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    timeout_signal = SIGRTMAX - 3;
    vm_pid = getpid();
    find_loader();
    sigfillset(&sa.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(fault_signals); i++) {
        VM_REQUIRE(sigaction(fault_signals[i], &sa, &earlier[i]) == 0);
    }
    sa.sa_sigaction = on_timeout; /* no SA_RESTART: what blocks gives EINTR and comes back */
    VM_REQUIRE(sigaction(timeout_signal, &sa, NULL) == 0);
    struct sigaction quiet = { .sa_handler = drop, .sa_flags = SA_RESTART | SA_ONSTACK };
    for (size_t i = 0; i < ARRAY_LEN(dropped_signals); i++) {
        struct sigaction now;
        if (sigaction(dropped_signals[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
            sigaction(dropped_signals[i], &quiet, NULL);
        }
    }
}
