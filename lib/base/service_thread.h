/* service_thread.h - threads that do one job of the VM's own: they run neither Erlang nor native code.
 *
 * All signals are blocked in them: none interrupts what they do, and those of the system go to other threads.
 */
#ifndef BASE_SERVICE_THREAD_H
#define BASE_SERVICE_THREAD_H

#include <pthread.h>

#include "lib/base/base.h"

/* Starts run(arg). out: to be joined; NULL: detached. Returns 0 or an errno value. */
int service_thread_start(pthread_t *out, void *(*run)(void *arg), void *arg) MUST_CHECK;

#endif
