/* interpose_kin.c - functions of libc that end in exit or execve without calling them by name, so
 * that interpose_process.c does not see them; and cancellation of the VM's own threads. All go the
 * way of their kin there, which decides by who calls and where.
 */
#include <err.h>
#include <errno.h>
#include <error.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "isolation/interpose_libc.h"

/* ---- err.h and error.h ---- */

void verr(int status, const char *format, va_list ap)
{
    vwarn(format, ap);
    exit(status);
}
void verrx(int status, const char *format, va_list ap)
{
    vwarnx(format, ap);
    exit(status);
}
void err(int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    verr(status, format, ap);
}
void errx(int status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    verrx(status, format, ap);
}

static void tell(int number, const char *file, unsigned line, const char *format, va_list ap)
{
    fflush(stdout);
    fprintf(stderr, "%s:", program_invocation_name);
    if (file != NULL) {
        fprintf(stderr, "%s:%u:", file, line);
    }
    fputc(' ', stderr);
    vfprintf(stderr, format, ap);
    if (number != 0) {
        fprintf(stderr, ": %s", strerror(number));
    }
    fputc('\n', stderr);
}
void error(int status, int number, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    tell(number, NULL, 0, format, ap);
    va_end(ap);
    if (status != 0) {
        exit(status);
    }
}
void error_at_line(int status, int number, const char *file, unsigned line, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    tell(number, file, line, format, ap);
    va_end(ap);
    if (status != 0) {
        exit(status);
    }
}

/* ---- exec ---- */

enum { EXEC_MAX_ARGS = 1024 }; /* of the forms that list them: more is E2BIG */

/* The list as an array, its NULL included; with the environment that may follow. */
static bool collect(const char *first, va_list ap, char *argv[], char *const **envp)
{
    size_t n = 0;
    for (const char *a = first; a != NULL; a = va_arg(ap, const char *)) {
        if (n == EXEC_MAX_ARGS) {
            errno = E2BIG;
            return false;
        }
        argv[n++] = (char *) a;
    }
    argv[n] = NULL;
    if (envp != NULL) {
        *envp = va_arg(ap, char *const *);
    }
    return true;
}
int execl(const char *path, const char *first, ...)
{
    char *argv[EXEC_MAX_ARGS + 1];
    va_list ap;
    va_start(ap, first);
    bool good = collect(first, ap, argv, NULL);
    va_end(ap);
    return good ? execv(path, argv) : -1;
}
int execlp(const char *file, const char *first, ...)
{
    char *argv[EXEC_MAX_ARGS + 1];
    va_list ap;
    va_start(ap, first);
    bool good = collect(first, ap, argv, NULL);
    va_end(ap);
    return good ? execvp(file, argv) : -1;
}
int execle(const char *path, const char *first, ...)
{
    char *argv[EXEC_MAX_ARGS + 1];
    char *const *envp = NULL;
    va_list ap;
    va_start(ap, first);
    bool good = collect(first, ap, argv, &envp);
    va_end(ap);
    return good ? execve(path, argv, envp) : -1;
}

/* ---- cancellation ---- */

/* A request that the VM's thread would meet later, in the VM's own code, ends the call at once. */
int pthread_cancel(pthread_t thread)
{
    struct native_thread *t = native_self;
    if (t != NULL && !t->library_thread && nif_guard.depth > 0 && pthread_equal(thread, pthread_self())) {
        pthread_exit(PTHREAD_CANCELED);
    }
    return LIBC(pthread_cancel)(thread);
}
