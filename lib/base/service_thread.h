/* service_thread.h - threads that do one job of the VM's own: they run neither Erlang nor native code.
 *
 * All signals are blocked in them: none interrupts what they do, and those of the system go to other threads.
 */
#ifndef BASE_SERVICE_THREAD_H
#define BASE_SERVICE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base/base.h"

/* Starts run(arg). out: to be joined; NULL: detached. Returns 0 or an errno value. */
int service_thread_start(pthread_t *out, void *(*run)(void *arg), void *arg) MUST_CHECK;

/* One that its first customer starts, and that never ends. */
struct service_thread {
    void *(*run)(void *arg); /* arg: NULL */
    bool (*prepare)(void);   /* before it starts, again if that failed; false: errno says why not */
    pthread_mutex_t mutex;
    _Atomic bool runs;
};
#define SERVICE_THREAD(run, prepare) { run, prepare, PTHREAD_MUTEX_INITIALIZER, false }
/* 0: it runs. Else an errno value; the next customer tries again. */
int service_thread_want(struct service_thread *s) MUST_CHECK;

#endif
