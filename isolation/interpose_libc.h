/* interpose_libc.h - for the files that stand in for functions of libc: who calls, and libc's own.
 *
 * Outside of protected calls, and in a child that a library forked, such a function is libc's:
 *
 *   struct native_thread *t = interpose_in_call();
 *   return t != NULL ? ours(t, ...) : LIBC(name)(...);
 */
#ifndef ISOLATION_INTERPOSE_LIBC_H
#define ISOLATION_INTERPOSE_LIBC_H

#include "isolation/thread.h"

/* A sanitizer's runtime calls some of them before it is ready to watch them. */
#define UNWATCHED __attribute__((no_sanitize("address", "thread", "undefined")))

/* libc's own, looked up on first use: threads that race find the same. */
void *interpose_libc_function(const char *name);
#define LIBC(name) \
    ({ \
        static __typeof__(&name) found; \
        if (found == NULL) { \
            found = (__typeof__(&name)) interpose_libc_function(#name); \
        } \
        found; \
    })

/* The thread's record if it runs a protected call that may be left; not in a forked child. */
struct native_thread *interpose_in_call(void);

/* sigaction, sigprocmask and sigaltstack as system calls, by a thread in a call: number and its arguments. */
long interpose_signal_call(long number, const long a[]);
/* The system call itself: syscall() is ours, and may end up where this is needed. Error: -errno. */
long interpose_system_call(long number, long a, long b, long c, long d, long e, long f);

#endif
