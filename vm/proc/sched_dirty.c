/* Dirty schedulers: a pool for work that computes and one for work that blocks. Threads are made
 * when there is more to do than threads that wait. One of those that have nothing to do spins for a while: a process
 * that makes one dirty call after the other would pay for waking a thread each time. */
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/runq.h"
#include "vm/proc/sched_use.h"

struct dirty_pool {
    struct lock lock;
    pthread_cond_t work;
    struct proc *first, **last; /* guarded by lock, as the rest */
    unsigned n_waiting, n_threads, max_threads;
    _Atomic unsigned n_queued; /* written under the lock */
    bool spinning, stopping;
    enum sched_kind kind;
    pthread_t threads[SCHED_MAX];
};

static struct dirty_pool pools[2];

static struct dirty_pool *pool_of(enum sched_kind kind)
{
    return &pools[kind == SCHED_DIRTY_IO];
}

unsigned sched_count_dirty(enum sched_kind kind)
{
    return pool_of(kind)->max_threads;
}

static void spin(struct dirty_pool *d)
{
    enum { SPIN_NS = 10000, LOOKS_PER_CLOCK = 20 };
    int64_t end = clock_monotonic_ns() + SPIN_NS;
    for (unsigned i = 1; atomic_load_explicit(&d->n_queued, memory_order_relaxed) == 0; i++) {
        base_relax();
        if (i % LOOKS_PER_CLOCK == 0 && clock_monotonic_ns() >= end) {
            return;
        }
    }
}

static struct proc *take_work(struct dirty_pool *d)
{
    bool spun = sched_count() < 2; /* there may be one CPU only */
    lock_take(&d->lock);
    while (d->first == NULL && !d->stopping) {
        if (!spun && !d->spinning) {
            d->spinning = true;
            lock_drop(&d->lock);
            spin(d);
            lock_take(&d->lock);
            d->spinning = false;
            spun = true;
            continue;
        }
        d->n_waiting++;
        pthread_cond_wait(&d->work, &d->lock.mutex);
        d->n_waiting--;
    }
    struct proc *p = d->stopping ? NULL : d->first;
    if (p != NULL) {
        d->first = p->run_next;
        d->n_queued--;
        if (d->first == NULL) {
            d->last = &d->first;
        }
    }
    lock_drop(&d->lock);
    return p;
}

static void *dirty_main(void *arg)
{
    struct sched *s = arg;
    struct dirty_pool *d = pool_of(s->kind);
    sched_set_self(s);
    if (sched_thread_hooks.start != NULL) {
        sched_thread_hooks.start(s);
    }
    struct proc *p;
    while ((p = take_work(d)) != NULL) {
        sched_use_works(s->index);
        (void) sched_run(s, p);
        sched_use_sleeps(s->index);
    }
    if (sched_thread_hooks.stop != NULL) {
        sched_thread_hooks.stop(s);
    }
    sched_set_self(NULL);
    vm_free(s);
    return NULL;
}

/* False: the machine gives no more threads, or no memory for one. */
static bool add_thread_locked(struct dirty_pool *d)
{
    struct sched *s = vm_zalloc(sizeof(*s));
    s->kind = d->kind;
    s->index = sched_count() + (d->kind == SCHED_DIRTY_IO ? pools[0].max_threads : 0) + d->n_threads + 1;
    if (!sched_make_thread(s, &d->threads[d->n_threads], dirty_main)) {
        vm_free(s);
        return false;
    }
    d->n_threads++;
    return true;
}

void dirty_enqueue(struct proc *p)
{
    struct dirty_pool *d = pool_of((enum sched_kind) p->run_kind);
    lock_take(&d->lock);
    p->run_next = NULL;
    *d->last = p;
    d->last = &p->run_next;
    unsigned n_asleep = ++d->n_queued - d->spinning; /* for whom one that sleeps is wanted */
    if (n_asleep > d->n_waiting && d->n_threads < d->max_threads) {
        (void) add_thread_locked(d); /* the first thread, made at start, serves all then */
    }
    if (n_asleep > 0) {
        pthread_cond_signal(&d->work);
    }
    lock_drop(&d->lock);
}

bool dirty_start(void)
{
    bool good = true;
    for (size_t i = 0; i < 2; i++) {
        lock_take(&pools[i].lock);
        good = good && add_thread_locked(&pools[i]);
        lock_drop(&pools[i].lock);
    }
    return good;
}

void dirty_init(unsigned n_cpu, unsigned n_io)
{
    for (size_t i = 0; i < 2; i++) {
        struct dirty_pool *d = &pools[i];
        unsigned n = i == 0 ? n_cpu : n_io;
        *d = (struct dirty_pool) { .kind = i == 0 ? SCHED_DIRTY_CPU : SCHED_DIRTY_IO };
        d->max_threads = n == 0 ? 1 : n > SCHED_MAX ? (unsigned) SCHED_MAX : n;
        d->last = &d->first;
        lock_init(&d->lock, RANK_RUN_QUEUE);
        pthread_cond_init(&d->work, NULL);
    }
}

bool dirty_stop(int64_t deadline_ns)
{
    bool ended = true;
    for (size_t i = 0; i < 2; i++) {
        struct dirty_pool *d = &pools[i];
        lock_take(&d->lock);
        d->stopping = true;
        pthread_cond_broadcast(&d->work);
        lock_drop(&d->lock);
        for (unsigned j = 0; j < d->n_threads; j++) {
            ended &= sched_join(d->threads[j], deadline_ns);
        }
        if (ended) {
            pthread_cond_destroy(&d->work);
            lock_destroy(&d->lock);
        }
    }
    return ended;
}
