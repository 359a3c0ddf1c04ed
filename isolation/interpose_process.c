/* interpose_process.c - the end of a process as libraries get it.
 *
 *   exit and kin       the call ends with {nif_exit, Status}
 *   abort              {nif_signal, 6}
 *   failed assert      {nif_panic, Text, Trace}
 *   exec               {nif_policy, exec}: a forked child may, the VM's process may not
 *   syscall            what means one of these, or a function of interpose_signal.c, is taken for it
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/fault.h"
#include "isolation/interpose_libc.h"

void __assert_fail(const char *expression, const char *file, unsigned line, const char *function);
void __assert_perror_fail(int error, const char *file, unsigned line, const char *function);

UNWATCHED void *interpose_libc_function(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (f == NULL) {
        fault_fatal("libc lacks a function");
    }
    return f;
}

UNWATCHED struct native_thread *interpose_in_call(void)
{
    struct native_thread *t = native_self;
    bool in = t != NULL && nif_guard.depth > 0 && nif_guard.in_vm == 0 && (t->dirt & DIRT_FORKED) == 0;
    return in && (pid_t) syscall(SYS_getpid) == fault_vm_pid() ? t : NULL;
}

/* ---- ends ---- */

UNWATCHED static void leave_exited(int status)
{
    struct native_thread *t = interpose_in_call();
    if (t != NULL) {
        native_leave_as(t, (struct native_outcome) { .status = NATIVE_EXITED, .number = status & 0xff }, PANIC_TEXT);
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
    struct native_thread *t = interpose_in_call();
    if (t != NULL) {
        native_leave_signalled(t, SIGABRT);
    }
    LIBC(abort)();
    __builtin_unreachable();
}

static _Noreturn void assertion_failed(const char *what, const char *file, unsigned line, const char *function)
{
    struct native_thread *t = interpose_in_call();
    char text[NATIVE_TEXT_MAX];
    snprintf(text, sizeof(text), "%s:%u: %s%s%s", file, line, function != NULL ? function : "",
        function != NULL ? ": " : "", what);
    if (t == NULL) {
        fault_fatal(text);
    }
    memcpy(t->text, text, sizeof(text));
    native_leave_as(t, (struct native_outcome) { .status = NATIVE_PANICKED }, PANIC_TEXT);
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

/* ---- becoming another program: not in the VM's own process ---- */

static void forbid_exec(void)
{
    struct native_thread *t = interpose_in_call();
    if (t != NULL) {
        strcpy(t->text, "exec");
        native_leave_as(t, (struct native_outcome) { .status = NATIVE_POLICY }, PANIC_TEXT);
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

/* ---- system calls: not a fence, but people who mean exit_group() write it this way ---- */

UNWATCHED long interpose_system_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result = number;
    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

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
            if (interpose_in_call() != NULL) {
                return interpose_signal_call(number, a);
            }
            break;
        default: break;
        }
    }
    long result = interpose_system_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result < 0 && result > -4096) {
        errno = (int) -result;
        return -1;
    }
    return result;
}
