/* interpose_signal.c - signals as libraries get them.
 *
 *   handlers           remembered and given back; run by raise(), and, for signals the VM has no use
 *                      for, when such a signal meets a thread that runs native code
 *   masks              in force during the call, except for signals the VM needs
 *   raise, kill self   without a handler the call ends with {nif_signal, N}
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/fault.h"
#include "isolation/interpose_libc.h"

__sighandler_t __sysv_signal(int number, __sighandler_t handler);

/* ---- handlers ---- */

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
    if (interpose_in_call() != NULL) {
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
    if (interpose_in_call() == NULL) {
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

/* ---- masks and stacks ---- */

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
    return (int) -interpose_system_call(
        SYS_rt_sigprocmask, how, (long) (set != NULL ? &bits : NULL), (long) old, sizeof(bits), 0, 0);
}

UNWATCHED int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict old)
{
    struct native_thread *t = interpose_in_call();
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
    if (interpose_in_call() == NULL) {
        return LIBC(sigaltstack)(stack, old);
    }
    if (old != NULL) {
        *old = (stack_t) { .ss_flags = SS_DISABLE };
    }
    return 0;
}

/* ---- sending ---- */

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
    struct native_thread *t = interpose_in_call();
    return t != NULL ? send_to_self(t, number) : LIBC(raise)(number);
}

UNWATCHED int kill(pid_t pid, int number)
{
    struct native_thread *t = interpose_in_call();
    return t != NULL && pid == getpid() ? send_to_self(t, number) : LIBC(kill)(pid, number);
}

UNWATCHED int pthread_kill(pthread_t thread, int number)
{
    struct native_thread *t = interpose_in_call();
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
    struct native_thread *t = interpose_in_call();
    return t != NULL && pid == getpid() ? send_to_self(t, number) : LIBC(sigqueue)(pid, number, value);
}

int tgkill(pid_t pid, pid_t tid, int number)
{
    struct native_thread *t = interpose_in_call();
    return t != NULL && pid == getpid() && tid == t->tid ? send_to_self(t, number) : LIBC(tgkill)(pid, tid, number);
}

/* ---- as system calls ---- */

long interpose_signal_call(long number, const long a[])
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
