#include "lib/base/service_thread.h"

#include <errno.h>
#include <signal.h>

enum { STACK_BYTES = 256 << 10 };

int service_thread_start(pthread_t *out, void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, out == NULL ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(out == NULL ? &thread : out, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return error;
}

int service_thread_want(struct service_thread *s)
{
    if (__builtin_expect(atomic_load_explicit(&s->runs, memory_order_acquire), 1)) {
        return 0;
    }
    int error = 0;
    pthread_mutex_lock(&s->mutex);
    if (!atomic_load_explicit(&s->runs, memory_order_relaxed)) {
        error = s->prepare == NULL || s->prepare() ? service_thread_start(NULL, s->run, NULL) : errno;
        atomic_store_explicit(&s->runs, error == 0, memory_order_release);
    }
    pthread_mutex_unlock(&s->mutex);
    return error;
}
