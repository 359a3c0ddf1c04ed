/* interpose_process.c - exit, signals and threads as libraries get them.
 *
 *   exit and kin       the call ends with {nif_exit, Status}
 *   abort, raise       the call ends with {nif_signal, N}
 *   failed assert      {nif_panic, Text, Trace}
 *   signal handlers    remembered and given back; run by raise(), and, for signals the VM has no use
 *                      for, when such a signal meets a thread that runs native code
 *   signal masks       in force during the call, except for signals the VM needs
 *   exec               {nif_policy, exec}: a forked child may, the VM's process may not
 *   pthread_create     the thread runs protected: a crash ends it, not the VM
 *
 * Outside of protected calls, and in a child that a library forked, they are libc's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/crash_report.h"
#include "isolation/fault.h"
#include "isolation/interpose.h"
#include "isolation/symbols.h"
#include "isolation/thread.h"

void __assert_fail(const char *expression, const char *file, unsigned line, const char *function);
void __assert_perror_fail(int error, const char *file, unsigned line, const char *function);
__sighandler_t __sysv_signal(int number, __sighandler_t handler);

/* A sanitizer's runtime calls these before it is ready to watch them. */
#define UNWATCHED __attribute__((no_sanitize("address", "thread", "undefined")))

/* libc's own, looked up on first use: threads that race find the same. */
UNWATCHED static void *libc_function(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (f == NULL) {
        fault_fatal("libc lacks a function");
    }
    return f;
}
#define LIBC(name) \
    ({ \
        static __typeof__(&name) found; \
        if (found == NULL) { \
            found = (__typeof__(&name)) libc_function(#name); \
        } \
        found; \
    })

/* The thread's record if it runs a protected call that may be left; not in a forked child. */
UNWATCHED static struct native_thread *in_call(void)
{
    struct native_thread *t = native_self;
    bool in = t != NULL && nif_guard.depth > 0 && nif_guard.in_vm == 0 && (t->dirt & DIRT_FORKED) == 0;
    return in && (pid_t) syscall(SYS_getpid) == fault_vm_pid() ? t : NULL;
}

/* ---- ends ---- */

UNWATCHED static void leave_exited(int status)
{
    struct native_thread *t = in_call();
    if (t != NULL) {
        t->left = (struct native_outcome) { .status = NATIVE_EXITED, .number = status & 0xff };
        t->has_trace = false;
        t->info.si_signo = 0;
        native_leave(t);
    }
}

UNWATCHED void exit(int status)
{
    leave_exited(status);
    LIBC(exit)(status);
    __builtin_unreachable();
}
UNWATCHED void quick_exit(int status)
{
    leave_exited(status);
    LIBC(quick_exit)(status);
    __builtin_unreachable();
}
UNWATCHED void _exit(int status)
{
    leave_exited(status);
    for (;;) {
        syscall(SYS_exit_group, status);
    }
}
UNWATCHED void _Exit(int status)
{
    _exit(status);
}

UNWATCHED void abort(void)
{
    struct native_thread *t = in_call();
    if (t != NULL) {
        native_leave_signalled(t, SIGABRT);
    }
    LIBC(abort)();
    __builtin_unreachable();
}

static _Noreturn void assertion_failed(const char *what, const char *file, unsigned line, const char *function)
{
    struct native_thread *t = in_call();
    char text[NATIVE_TEXT_MAX];
    snprintf(text, sizeof(text), "%s:%u: %s%s%s", file, line, function != NULL ? function : "", function != NULL ? ": " : "", what);
    if (t == NULL) {
        fault_fatal(text);
    }
    memcpy(t->text, text, sizeof(text));
    t->left = (struct native_outcome) { .status = NATIVE_PANICKED };
    t->panic = PANIC_TEXT;
    t->has_trace = false;
    t->info.si_signo = 0;
    native_leave(t);
}

void __assert_fail(const char *expression, const char *file, unsigned line, const char *function)
{
    char what[NATIVE_TEXT_MAX / 2];
    snprintf(what, sizeof(what), "Assertion `%s' failed.", expression);
    assertion_failed(what, file, line, function);
}

void __assert_perror_fail(int error, const char *file, unsigned line, const char *function)
{
    char what[100];
    snprintf(what, sizeof(what), "Unexpected error %d.", error);
    assertion_failed(what, file, line, function);
}

/* ---- signals ---- */

/* What libraries believe to have installed. */
static struct sigaction believed[_NSIG];

/* Those a library may have: handled by the dispatcher below while it has a handler for one. */
static bool is_free_for_libraries(int number)
{
    switch (number) {
    case SIGUSR1:
    case SIGUSR2:
    case SIGALRM:
    case SIGVTALRM:
    case SIGPROF:
    case SIGIO:
    case SIGURG: return true;
    default: return number >= SIGRTMIN && number <= SIGRTMAX && !fault_owns(number);
    }
}

/* The library's handler, if this thread is in native code; a fault in it is the call's. Everywhere
 * else the signal is dropped. */
static void dispatch(int number, siginfo_t *si, void *context)
{
    struct sigaction action = believed[number];
    int saved_errno = errno;
    if (in_call() != NULL) {
        if ((action.sa_flags & SA_SIGINFO) != 0) {
            action.sa_sigaction(number, si, context);
        } else if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN) {
            action.sa_handler(number);
        }
    }
    errno = saved_errno;
}

static void note_handler(int number, const struct sigaction *action)
{
    believed[number] = *action;
    if (is_free_for_libraries(number) && action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN) {
        struct sigaction real = { .sa_sigaction = dispatch, .sa_mask = action->sa_mask,
            .sa_flags = SA_SIGINFO | SA_ONSTACK | (action->sa_flags & SA_RESTART) };
        fault_unblock(&real.sa_mask);
        LIBC(sigaction)(number, &real, NULL);
    }
}

UNWATCHED int sigaction(int number, const struct sigaction *restrict action, struct sigaction *restrict old)
{
    if (in_call() == NULL) {
        return LIBC(sigaction)(number, action, old);
    }
    if (number <= 0 || number >= _NSIG || number == SIGKILL || number == SIGSTOP) {
        errno = EINVAL;
        return -1;
    }
    struct sigaction was = believed[number];
    if (action != NULL) {
        note_handler(number, action);
    }
    if (old != NULL) {
        *old = was;
    }
    return 0;
}

UNWATCHED __sighandler_t signal(int number, __sighandler_t handler)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;
    sigemptyset(&action.sa_mask);
    return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

UNWATCHED __sighandler_t __sysv_signal(int number, __sighandler_t handler)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = (int) (SA_RESETHAND | SA_NODEFER) }, old;
    sigemptyset(&action.sa_mask);
    return sigaction(number, &action, &old) == 0 ? old.sa_handler : SIG_ERR;
}

static long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result = number;
    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

static int set_mask(struct native_thread *t, int how, const sigset_t *set, sigset_t *old)
{
    uint64_t bits = 0;
    if (set != NULL) {
        sigset_t filtered = *set;
        if (how != SIG_UNBLOCK) {
            fault_unblock(&filtered);
        }
        memcpy(&bits, &filtered, sizeof(bits));
        t->dirt |= DIRT_MASK;
    }
    if (old != NULL) {
        sigemptyset(old);
    }
    /* Not by syscall(): that one below comes here. */
    return (int) -system_call(SYS_rt_sigprocmask, how, (long) (set != NULL ? &bits : NULL), (long) old, sizeof(bits), 0, 0);
}

UNWATCHED int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    struct native_thread *t = in_call();
    return t != NULL ? set_mask(t, how, set, old) : LIBC(pthread_sigmask)(how, set, old);
}

UNWATCHED int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    int error = pthread_sigmask(how, set, old);
    if (error != 0) {
        errno = error;
    }
    return error == 0 ? 0 : -1;
}

UNWATCHED int sigaltstack(const stack_t *restrict stack, stack_t *restrict old)
{
    if (in_call() == NULL) {
        return LIBC(sigaltstack)(stack, old);
    }
    if (old != NULL) {
        *old = (stack_t) { .ss_flags = SS_DISABLE };
    }
    return 0;
}

static int send_to_self(struct native_thread *t, int number)
{
    if (number < 0 || number >= _NSIG) {
        errno = EINVAL;
        return -1;
    }
    __sighandler_t handler = number == SIGKILL ? SIG_DFL : believed[number].sa_handler;
    switch (number) {
    case 0:
    case SIGCONT:
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        if (handler == SIG_DFL || handler == SIG_IGN) {
            return 0; /* nothing that the VM will do for a library */
        }
        break;
    default: break;
    }
    if (handler == SIG_IGN) {
        return 0;
    }
    if (handler == SIG_DFL) {
        native_leave_signalled(t, number);
    }
    if ((believed[number].sa_flags & SA_SIGINFO) != 0) {
        siginfo_t si = { .si_signo = number, .si_code = SI_TKILL };
        si.si_pid = getpid();
        believed[number].sa_sigaction(number, &si, NULL);
    } else {
        handler(number);
    }
    return 0;
}

UNWATCHED int raise(int number)
{
    struct native_thread *t = in_call();
    return t != NULL ? send_to_self(t, number) : LIBC(raise)(number);
}

UNWATCHED int kill(pid_t pid, int number)
{
    struct native_thread *t = in_call();
    return t != NULL && pid == getpid() ? send_to_self(t, number) : LIBC(kill)(pid, number);
}

UNWATCHED int pthread_kill(pthread_t thread, int number)
{
    struct native_thread *t = in_call();
    if (t != NULL && pthread_equal(thread, pthread_self())) {
        return send_to_self(t, number) == 0 ? 0 : errno;
    }
    /* To another thread: what would end an ordinary program ends the call that sent it. */
    if (t != NULL && number > 0 && number < _NSIG && !is_free_for_libraries(number)) {
        return send_to_self(t, number) == 0 ? 0 : errno;
    }
    if (t != NULL && number > 0 && number < _NSIG && believed[number].sa_handler == SIG_DFL) {
        native_leave_signalled(t, number);
    }
    return LIBC(pthread_kill)(thread, number);
}

int sigqueue(pid_t pid, int number, const union sigval value)
{
    struct native_thread *t = in_call();
    return t != NULL && pid == getpid() ? send_to_self(t, number) : LIBC(sigqueue)(pid, number, value);
}

int tgkill(pid_t pid, pid_t tid, int number)
{
    struct native_thread *t = in_call();
    return t != NULL && pid == getpid() && tid == t->tid ? send_to_self(t, number) : LIBC(tgkill)(pid, tid, number);
}

static void forbid_exec(void);

/* The kernel's forms of what libc has functions for, by a thread in a call. */
static long signal_call(long number, const long a[])
{
    struct { /* the kernel's struct sigaction */
        __sighandler_t handler;
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } *given = (void *) a[1], *before = (void *) a[2];
    struct sigaction action = { .sa_handler = SIG_DFL }, old;
    if (number == SYS_sigaltstack) {
        return sigaltstack((const stack_t *) a[0], (stack_t *) a[1]);
    }
    if (number == SYS_rt_sigprocmask) {
        sigset_t set, was;
        sigemptyset(&set);
        memcpy(&set, a[1] != 0 ? (const void *) a[1] : &set, sizeof(uint64_t));
        int result = sigprocmask((int) a[0], a[1] != 0 ? &set : NULL, &was);
        memcpy(result == 0 && a[2] != 0 ? (void *) a[2] : &set, &was, sizeof(uint64_t));
        return result;
    }
    if (given != NULL) {
        action.sa_handler = given->handler;
        action.sa_flags = (int) given->flags;
        memcpy(&action.sa_mask, &given->mask, sizeof(given->mask));
    }
    int result = sigaction((int) a[0], given != NULL ? &action : NULL, &old);
    if (result == 0 && before != NULL) {
        before->handler = old.sa_handler;
        before->flags = (unsigned) old.sa_flags;
        memcpy(&before->mask, &old.sa_mask, sizeof(before->mask));
    }
    return result;
}

/* Not a fence, but people who mean exit_group() write it this way. */
UNWATCHED long syscall(long number, ...)
{
    va_list ap;
    long a[6];
    va_start(ap, number);
    for (size_t i = 0; i < ARRAY_LEN(a); i++) {
        a[i] = va_arg(ap, long);
    }
    va_end(ap);
    if (__builtin_expect(nif_guard.depth > 0 && nif_guard.in_vm == 0, 0) && number != SYS_getpid) {
        switch (number) {
        case SYS_exit:
            if (native_self != NULL && native_self->library_thread) {
                break;
            }
            leave_exited((int) a[0]);
            break;
        case SYS_exit_group: leave_exited((int) a[0]); break;
        case SYS_kill: return kill((pid_t) a[0], (int) a[1]);
        case SYS_tgkill: return tgkill((pid_t) a[0], (pid_t) a[1], (int) a[2]);
        case SYS_execve: return execve((const char *) a[0], (char *const *) a[1], (char *const *) a[2]);
        case SYS_execveat: forbid_exec(); break;
        case SYS_rt_sigaction:
        case SYS_rt_sigprocmask:
        case SYS_sigaltstack:
            if (in_call() != NULL) {
                return signal_call(number, a);
            }
            break;
        default: break;
        }
    }
    long result = system_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result < 0 && result > -4096) {
        errno = (int) -result;
        return -1;
    }
    return result;
}

/* ---- becoming another program: not in the VM's own process ---- */

static void forbid_exec(void)
{
    struct native_thread *t = in_call();
    if (t != NULL) {
        t->left = (struct native_outcome) { .status = NATIVE_POLICY };
        t->has_trace = false;
        t->info.si_signo = 0;
        strcpy(t->text, "exec");
        native_leave(t);
    }
}

int execve(const char *path, char *const argv[], char *const envp[])
{
    forbid_exec();
    return LIBC(execve)(path, argv, envp);
}
int execv(const char *path, char *const argv[])
{
    forbid_exec();
    return LIBC(execv)(path, argv);
}
int execvp(const char *file, char *const argv[])
{
    forbid_exec();
    return LIBC(execvp)(file, argv);
}
int execvpe(const char *file, char *const argv[], char *const envp[])
{
    forbid_exec();
    return LIBC(execvpe)(file, argv, envp);
}
int fexecve(int fd, char *const argv[], char *const envp[])
{
    forbid_exec();
    return LIBC(fexecve)(fd, argv, envp);
}
int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
    forbid_exec();
    return LIBC(execveat)(dir, path, argv, envp, flags);
}

/* ---- threads ---- */

struct thread_start {
    void *(*fn)(void *);
    void *arg;
    struct native_library *library;
};
static pthread_key_t end_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Last of all destructors of thread-local data, or nearly: it asks to be called again. */
UNWATCHED static void at_thread_end(void *round)
{
    uintptr_t n = (uintptr_t) round;
    if (n < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(end_key, (void *) (n + 1));
    } else {
        native_thread_detach();
    }
}

static void after_fork_in_child(void)
{
    library_heaps_after_fork();
    if (native_self != NULL && (nif_guard.depth > 0 || direct_library != NULL)) {
        native_self->dirt |= DIRT_FORKED;
    }
}

static void set_up(void)
{
    VM_REQUIRE(pthread_key_create(&end_key, at_thread_end) == 0);
    VM_REQUIRE(pthread_atfork(library_heaps_before_fork, library_heaps_after_fork, after_fork_in_child) == 0);
}

static void find_own_stack(struct native_stack *s)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes, guard = 0;
    *s = (struct native_stack) { .low = NULL };
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &low, &bytes);
        pthread_attr_getguardsize(&attr, &guard);
        s->low = low;
        s->high = (char *) low + bytes;
        s->map = s->low - guard;
        pthread_attr_destroy(&attr);
    }
}

/* Runs the library's function protected, on this thread's own stack: no timeout, no pool. */
static void *run_thread(void *start)
{
    enum { ROOM_FOR_US = 4096 };
    struct thread_start s = *(struct thread_start *) start;
    struct native_stack own;
    struct symbol name;
    vm_free(start);
    struct native_thread *t = native_thread_attach();
    t->library_thread = true;
    t->maker = s.library;
    pthread_setspecific(end_key, (void *) (uintptr_t) 1);
    find_own_stack(&own);
    struct native_call call = { .library = s.library, .entry = NATIVE_THREAD, .arg = { (uintptr_t) s.arg }, .name = "(thread)" };
    memcpy(&call.code, &s.fn, sizeof(call.code));
    struct native_frame *f = &t->frame[0];
    f->call = &call;
    f->stack = &own;
    atomic_store_explicit(&f->seq, 0, memory_order_relaxed);
    nif_guard.in_vm = 0;
    native_set_depth(1);
    uintptr_t value = native_switch(f, call.code, call.arg, (char *) __builtin_frame_address(0) - ROOM_FOR_US, true);
    native_set_depth(0);
    if ((t->dirt & DIRT_ABANDONED) == 0) {
        return (void *) value;
    }
    if (symbols_find((uintptr_t) call.code, &name) && name.function != NULL) {
        call.name = name.function;
    }
    struct native_outcome out;
    native_describe_abandoned(t, f, &call, &out);
    native_outcome_account(&call, &out);
    native_outcome_clear(&out);
    return PTHREAD_CANCELED;
}

UNWATCHED int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr, void *(*fn)(void *), void *restrict arg)
{
    struct native_thread *t = in_call();
    struct native_library *lib = t != NULL && native_top(t)->call != NULL ? native_top(t)->call->library : direct_library;
    if (lib == NULL) {
        return LIBC(pthread_create)(thread, attr, fn, arg);
    }
    pthread_once(&once, set_up);
    pthread_attr_t wide;
    void *stack_address;
    size_t stack_bytes, guard = 0;
    /* A guard that large frames do not jump over; not if the library brings its own stack. */
    if (attr != NULL) {
        wide = *attr;
        bool own_stack = pthread_attr_getstack(attr, &stack_address, &stack_bytes) == 0 && stack_address != NULL
            && stack_bytes != 0 && (uintptr_t) stack_address < UINTPTR_MAX - stack_bytes + 1 && stack_address != (void *) -stack_bytes;
        pthread_attr_getguardsize(attr, &guard);
        if (!own_stack && guard < STACK_GUARD_BYTES) {
            pthread_attr_setguardsize(&wide, STACK_GUARD_BYTES);
        }
    } else {
        pthread_attr_init(&wide);
        pthread_attr_setguardsize(&wide, STACK_GUARD_BYTES);
    }
    struct thread_start *start = vm_alloc(sizeof(*start));
    *start = (struct thread_start) { fn, arg, lib };
    atomic_store_explicit(&lib->has_threads, true, memory_order_relaxed);
    nif_guard_enter();
    int error = LIBC(pthread_create)(thread, &wide, run_thread, start);
    nif_guard_leave();
    if (attr == NULL) {
        pthread_attr_destroy(&wide);
    }
    if (error != 0) {
        vm_free(start);
    }
    return error;
}

void pthread_exit(void *value)
{
    struct native_thread *t = in_call();
    if (t != NULL && !t->library_thread) {
        t->left = (struct native_outcome) { .status = NATIVE_PANICKED };
        t->panic = PANIC_THREAD_EXIT;
        t->has_trace = false;
        t->info.si_signo = 0;
        native_leave(t);
    }
    native_set_depth(0); /* the frames of the call are about to be unwound */
    LIBC(pthread_exit)(value);
    __builtin_unreachable();
}

__attribute__((constructor)) static void at_start(void)
{
    pthread_once(&once, set_up);
}
