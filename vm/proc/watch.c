/* The main thread waits here: for the end of one process, or for erlang:halt. */
#include "vm/proc/watch.h"

#include <pthread.h>

#include "vm/core/copy.h"
#include "vm/proc/proc_internal.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* leaf: nothing else is taken under it */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct halt_request halt_request; /* guarded by mutex */

void watch_tell(struct proc *p)
{
    struct proc_watch *w = p->rare->watch;
    w->class = p->exc.class;
    w->normal = p->exc.class == EXC_EXIT && term_same(p->exc.reason, ATOM(normal));
    w->reason = copy_term_all(p->exc.reason, &w->heap);
    w->stacktrace = term_is_list(p->exc.stacktrace) ? copy_term_all(p->exc.stacktrace, &w->heap) : TERM_NIL;
    pthread_mutex_lock(&mutex);
    w->ended = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

bool proc_watch_spawn(struct proc_watch *w, term m, term f, term args)
{
    *w = (struct proc_watch) { .class = EXC_EXIT };
    heap_init_frags(&w->heap);
    struct proc *p = proc_new(NULL, m, f, args, &spawn_defaults);
    if (p == NULL) {
        return false;
    }
    w->pid = p->id;
    proc_rare(p)->watch = w;
    proc_start(p);
    return true;
}

void proc_watch_wait(struct proc_watch *w)
{
    pthread_mutex_lock(&mutex);
    while (!w->ended && !halt_request.halting) {
        pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

bool proc_run_watched(struct proc_watch *w, term m, term f, term args)
{
    if (!proc_watch_spawn(w, m, f, args)) {
        return false;
    }
    proc_watch_wait(w);
    return true;
}

void sched_halt(const struct halt_request *r)
{
    pthread_mutex_lock(&mutex);
    if (!halt_request.halting) {
        halt_request = *r;
        halt_request.halting = true;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&mutex);
}

bool sched_halting(struct halt_request *out)
{
    pthread_mutex_lock(&mutex);
    *out = halt_request;
    pthread_mutex_unlock(&mutex);
    return out->halting;
}
