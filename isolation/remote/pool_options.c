/* pool_options.c - what is wanted of a pool changes: mode, numbers, libraries; and what there is to tell of it. */
#include "isolation/remote/pool_internal.h"

#include "lib/base/clock.h"

static bool serves_or_could(const struct remote_worker *w)
{
    return w->state == WORKER_READY || w->state == WORKER_SPARE || w->state == WORKER_EMBRYO;
}

/* Retires the workers that serve, or are kept for it, and that `wrong` says so of. */
static void retire_those(struct remote_pool *pool, bool (*wrong)(const struct remote_worker *w, uint64_t what), uint64_t what)
{
    for (;;) {
        struct remote_worker *w;
        lock_take(&pool->lock);
        pool_recall_locked(pool);
        for (w = pool->workers; w != NULL && (!serves_or_could(w) || !wrong(w, what)); w = w->next) {
        }
        if (w != NULL) {
            worker_ref(w);
        }
        lock_drop(&pool->lock);
        if (w == NULL) {
            return;
        }
        pool_retire(w, false);
        worker_unref(w);
    }
}

static bool is_of_other_shape(const struct remote_worker *w, uint64_t what)
{
    (void) what;
    return w->mode != w->pool->mode || w->stack_bytes != w->pool->stack_bytes;
}

bool pool_embryo_fits_locked(const struct remote_worker *w)
{
    const struct native_library *library = w->pool->library;
    return !is_of_other_shape(w, 0) && w->timeout_ms == library_policy(library, POLICY_TIMEOUT)
           && w->lanes[0]->transport == library_policy(library, POLICY_TRANSPORT) && library_policy(library, POLICY_SPARE) == 0;
}

bool pool_is_surplus_locked(const struct remote_worker *w)
{
    const struct remote_pool *pool = w->pool;
    unsigned spares = 0;
    if (w->state == WORKER_EMBRYO) {
        return !pool_embryo_fits_locked(w);
    }
    for (const struct remote_worker *o = pool->workers; o != NULL; o = o->next) {
        spares += o->state == WORKER_SPARE;
    }
    return w->state == WORKER_SPARE ? spares > library_policy(pool->library, POLICY_SPARE)
                                    : w->n_busy == 0 && pool->n_workers > library_policy(pool->library, POLICY_POOL)
                                          && remote_resources_count((struct remote_worker *) w) == 0;
}

static bool is_surplus(const struct remote_worker *w, uint64_t what)
{
    (void) what;
    return pool_is_surplus_locked(w);
}

void remote_policy_changed(struct native_library *library)
{
    struct remote_pool *pool = atomic_load_explicit(&library->pool, memory_order_acquire);
    if (pool != NULL && pool->library == library) {
        retire_those(pool, is_surplus, 0);
        nursery_want(pool);
    }
}

static bool lacks_library(const struct remote_worker *w, uint64_t id)
{
    return w->n_opened < id && w->state != WORKER_EMBRYO;
}

bool pool_has_use_for_locked(const struct remote_worker *w)
{
    const struct remote_pool *pool = w->pool;
    uint32_t newest = 0;
    for (unsigned i = 0; i < POOL_MAX_LIBRARIES; i++) {
        newest = pool->libraries[i].id > newest ? pool->libraries[i].id : newest;
    }
    return !is_of_other_shape(w, 0) && !lacks_library(w, newest) && (!pool->closing || pool->first != NULL);
}

void pool_set_mode(struct remote_pool *pool, const struct remote_mode *mode, uint64_t stack_bytes)
{
    if (__builtin_expect(atomic_load_explicit(&pool->mode, memory_order_relaxed) == mode
                             && atomic_load_explicit(&pool->stack_bytes, memory_order_relaxed) == stack_bytes, 1)) {
        return;
    }
    lock_take(&pool->lock);
    pool->mode = mode;
    pool->stack_bytes = stack_bytes;
    lock_drop(&pool->lock);
    retire_those(pool, is_of_other_shape, 0);
}

const struct pool_library *pool_library_locked(const struct remote_pool *pool, uint32_t id)
{
    for (unsigned i = 0; i < POOL_MAX_LIBRARIES; i++) {
        if (pool->libraries[i].id == id) {
            return &pool->libraries[i];
        }
    }
    return NULL;
}

void pool_library_opened(struct remote_pool *pool, uint32_t id)
{
    retire_those(pool, lacks_library, id);
}

static bool any(const struct remote_worker *w, uint64_t what)
{
    (void) w, (void) what;
    return true;
}

void remote_close(struct native_library *library, uint32_t id)
{
    struct remote_pool *pool = atomic_load_explicit(&library->pool, memory_order_acquire);
    uint8_t *request = NULL;
    bool more = false;
    if (pool == NULL) {
        return;
    }
    lock_take(&pool->lock);
    for (unsigned i = 0; i < POOL_MAX_LIBRARIES; i++) {
        struct pool_library *l = &pool->libraries[i];
        if (l->id == id) {
            request = l->request;
            *l = (struct pool_library) { .id = 0 };
        }
        more |= l->id != 0;
    }
    pool->closing = !more;
    for (struct remote_worker *w = more ? pool->workers : NULL; w != NULL; w = w->next) {
        outbox_send(w, &(struct datagram) { .kind = DATAGRAM_UNLOAD, .value = id }, NULL, 0, NULL, 0);
    }
    lock_drop(&pool->lock);
    vm_free(request);
    if (!more) {
        retire_those(pool, any, 0);
    }
}

static uint64_t calls_of(const struct remote_worker *w)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < w->n_lanes; i++) {
        n += atomic_load_explicit(&w->lanes[i]->calls, memory_order_relaxed);
    }
    return n;
}

void remote_info(const struct native_library *library, struct remote_info *out, struct remote_worker_info *workers, size_t room)
{
    static const char *const states[] = {
        [WORKER_EMBRYO] = "embryo",
        [WORKER_STARTING] = "starting",
        [WORKER_READY] = "ready",
        [WORKER_SPARE] = "spare",
        [WORKER_RETIRING] = "retiring",
        [WORKER_DEAD] = "dead",
    };
    struct remote_pool *pool = atomic_load_explicit(&library->pool, memory_order_acquire);
    *out = (struct remote_info) { 0 };
    if (pool == NULL) {
        return;
    }
    lock_take(&pool->lock);
    pool_recall_locked(pool); /* it is not busy */
    out->restarts = pool->restarts;
    out->waiting = pool->n_waiting;
    out->open_circuit = pool->circuit_until_ns > clock_monotonic_ns();
    for (struct remote_worker *w = pool->workers; w != NULL; w = w->next) {
        if (out->n_workers < room) {
            workers[out->n_workers] = (struct remote_worker_info) { w->process.pid, calls_of(w), w->n_lanes, w->n_busy,
                (unsigned) remote_resources_count(w), states[w->state] };
        }
        out->n_workers++;
    }
    lock_drop(&pool->lock);
}
