#include "lib/base/service_thread.h"

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
