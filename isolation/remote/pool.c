/* pool.c - the workers of a library, their lanes, and the calls that wait for one. */
#include "isolation/remote/pool_internal.h"

#include "lib/base/clock.h"

static struct remote_pool *_Atomic pools; /* newest first; never freed: a library's record is not either */
static struct lock pools_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_EXECUTOR, RANK_NONE };

struct remote_pool *pool_first(void)
{
    return atomic_load_explicit(&pools, memory_order_acquire);
}

struct remote_pool *pool_of(struct native_library *library)
{
    struct remote_pool *pool = atomic_load_explicit(&library->pool, memory_order_acquire);
    if (pool != NULL) {
        return pool;
    }
    lock_take(&pools_lock);
    for (pool = pools; pool != NULL && !term_same(pool->module, library->module_atom); pool = pool->next) {
    }
    if (pool == NULL) {
        pool = vm_zalloc(sizeof(*pool));
        lock_init(&pool->lock, RANK_EXECUTOR);
        pool->module = library->module_atom;
        pool->library = library;
        pool->last = &pool->first;
        pool->next = pools;
        atomic_store_explicit(&pools, pool, memory_order_release);
    }
    atomic_store_explicit(&library->pool, pool, memory_order_release);
    lock_drop(&pools_lock);
    return pool;
}

/* ---- lanes ---- */

static unsigned lanes_wanted(const struct remote_pool *pool)
{
    return (unsigned) library_policy(pool->library, POLICY_THREADS);
}

static bool may_have_another(const struct remote_worker *w)
{
    return w->n_lanes < lanes_wanted(w->pool) && !w->no_more_lanes;
}

static struct remote_lane *idle_lane_locked(struct remote_worker *w)
{
    struct remote_lane *lane = w->idle;
    if (w->state != WORKER_READY) {
        return NULL;
    }
    if (lane != NULL) {
        w->idle = lane->next_idle;
        return lane;
    }
    return may_have_another(w) ? lane_new_locked(w) : NULL;
}

/* The least busy worker's; of the one that the call wants, if it wants one. */
static struct remote_lane *find_lane_locked(struct remote_pool *pool, const struct remote_progress *p)
{
    struct remote_worker *best = p->wanted;
    for (struct remote_worker *w = pool->workers; w != NULL && p->wanted == NULL; w = w->next) {
        bool can = w->state == WORKER_READY && (w->idle != NULL || may_have_another(w));
        best = can && (best == NULL || w->n_busy < best->n_busy) ? w : best;
    }
    return best != NULL ? idle_lane_locked(best) : NULL;
}

static void grant_locked(struct remote_lane *lane, struct remote_progress *p)
{
    lane->progress = p;
    lane->busy = true;
    lane->cancelled = false;
    lane->worker->n_busy++;
    worker_ref(lane->worker);
    p->lane = lane;
    atomic_store_explicit(&p->reads, false, memory_order_relaxed);
    call_set_state_locked(p, CALL_GRANTED);
}

static void idle_locked(struct remote_lane *lane)
{
    struct remote_worker *w = lane->worker;
    lane->progress = NULL;
    lane->busy = false;
    atomic_store_explicit(&lane->deadline_ns, INT64_MAX, memory_order_relaxed);
    w->n_busy--;
    atomic_store_explicit(&lane->reader, READER_NOBODY, memory_order_release);
    lane->next_idle = w->idle;
    w->idle = lane;
}

/* ---- the lane at hand ---- */

void pool_give_lane_at_hand(struct remote_lane *lane, struct remote_progress *p, enum call_state state)
{
    /* We are its reader: until we let go of it nobody else looks at these. */
    lane->progress = p;
    lane->cancelled = false;
    p->lane = lane;
    atomic_store_explicit(&p->reads, true, memory_order_relaxed);
    atomic_store_explicit(&p->state, state, memory_order_relaxed);
}

static bool take_at_hand(struct remote_pool *pool, struct remote_progress *p)
{
    struct remote_lane *lane = p->wanted == NULL ? pool_take_at_hand(pool) : NULL;
    if (lane == NULL) {
        return false;
    }
    pool_give_lane_at_hand(lane, p, CALL_GRANTED);
    return true;
}

/* false: it is to be released as usual. */
static bool keep_at_hand(struct remote_lane *lane)
{
    struct remote_worker *w = lane->worker;
    struct remote_pool *pool = w->pool;
    uint32_t changes = atomic_load(&pool->changes);
    struct native_library *library = pool->library;
    if (w->state != WORKER_READY || pool->first != NULL || pool->n_workers > library_policy(library, POLICY_POOL)
        || lane->kept != NULL || atomic_load_explicit(&pool->at_hand, memory_order_relaxed) != NULL) {
        return false;
    }
    lane->changes = changes;
    lane->may_be_brief = lane->may_spin && lane->spin_misses == 0 && lane->timeout_ms == 0
                         && library_policy(library, POLICY_TIMEOUT) == 0 && library_policy(library, POLICY_VERIFY) == 0;
    lane->progress = NULL;
    atomic_store_explicit(&lane->deadline_ns, INT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&lane->reader, READER_CALLER, memory_order_relaxed); /* the next one */
    return pool_put_at_hand(lane);
}

void pool_keep_lane(struct remote_lane *lane)
{
    if (!keep_at_hand(lane)) {
        pool_release_lane(lane);
    }
}

void pool_recall_locked(struct remote_pool *pool)
{
    atomic_fetch_add(&pool->changes, 1);
    struct remote_lane *lane = atomic_exchange(&pool->at_hand, NULL);
    if (lane != NULL) {
        idle_locked(lane);
        worker_unref(lane->worker); /* not the last: it is among the pool's, or somebody buries it */
    }
}

/* ---- waiting calls ---- */

static void append_locked(struct remote_pool *pool, struct remote_progress *p)
{
    call_set_state_locked(p, CALL_WAITING);
    p->lane = NULL;
    p->next = NULL;
    *pool->last = p;
    pool->last = &p->next;
    pool->n_waiting++;
}

void pool_put_back_locked(struct remote_pool *pool, struct remote_progress *p)
{
    call_set_state_locked(p, CALL_WAITING);
    p->lane = NULL;
    p->next = pool->first;
    pool->first = p;
    if (p->next == NULL) {
        pool->last = &p->next;
    }
    pool->n_waiting++;
    pool_recall_locked(pool);
}

static void unlink_locked(struct remote_pool *pool, struct remote_progress *_Atomic *at)
{
    struct remote_progress *p = *at;
    *at = p->next;
    if (*at == NULL) {
        pool->last = at;
    }
    p->next = NULL;
    pool->n_waiting--;
}

void pool_wake_all(const struct to_wake *wake)
{
    for (unsigned i = 0; i < wake->n; i++) {
        executor_wake(wake->item[i].pid);
    }
}

void pool_serve_waiting_locked(struct remote_pool *pool, struct to_wake *wake)
{
    struct remote_progress *_Atomic *at = &pool->first;
    while (*at != NULL && wake->n < ARRAY_LEN(wake->item)) {
        struct remote_progress *p = *at;
        if (p->wanted != NULL && p->wanted->dead) {
            unlink_locked(pool, at);
            p->stale = true;
            call_set_state_locked(p, CALL_REFUSED);
            wake->item[wake->n++].pid = p->pid;
            continue;
        }
        struct remote_lane *lane = find_lane_locked(pool, p);
        if (lane == NULL && p->wanted == NULL) {
            return;
        }
        if (lane == NULL) {
            at = &p->next;
            continue;
        }
        unlink_locked(pool, at);
        grant_locked(lane, p);
        wake->item[wake->n++].pid = p->pid;
    }
}

bool pool_wants_worker_locked(const struct remote_pool *pool)
{
    return pool->first != NULL && pool->n_workers < library_policy(pool->library, POLICY_POOL);
}

void pool_request_lane(struct remote_pool *pool, struct remote_progress *p)
{
    if (take_at_hand(pool, p)) {
        return;
    }
    struct to_wake wake;
    wake.n = 0;
    lock_take(&pool->lock);
    pool_recall_locked(pool);
    struct remote_lane *lane = pool->first == NULL || p->wanted != NULL ? find_lane_locked(pool, p) : NULL;
    bool refused = lane == NULL && pool->n_workers == 0 && pool->circuit_until_ns > clock_monotonic_ns();
    if (lane != NULL) {
        grant_locked(lane, p);
    } else if (refused) {
        native_outcome_refused(&p->outcome, "restarts");
        call_set_state_locked(p, CALL_REFUSED);
    } else {
        append_locked(pool, p);
        pool_recall_locked(pool); /* what was kept at hand just before it waited may serve it */
        pool_serve_waiting_locked(pool, &wake);
    }
    bool want = pool_wants_worker_locked(pool);
    lock_drop(&pool->lock);
    pool_wake_all(&wake);
    if (want) {
        nursery_want(pool);
    }
}

void pool_withdraw(struct remote_progress *p)
{
    struct remote_pool *pool = p->pool;
    struct remote_lane *granted = NULL;
    lock_take(&pool->lock);
    enum call_state state = (enum call_state) p->state;
    if (state == CALL_WAITING) {
        struct remote_progress *_Atomic *at = &pool->first;
        while (*at != p) {
            at = &(*at)->next;
        }
        unlink_locked(pool, at);
    } else if (state == CALL_GRANTED) {
        granted = p->lane;
        granted->progress = NULL; /* its worker's end, if that is just coming, finds no call */
        worker_ref(granted->worker);
    }
    lock_drop(&pool->lock);
    if (granted != NULL) {
        struct remote_worker *w = granted->worker;
        pool_release_lane(granted);
        worker_unref(w);
    }
}

void pool_release_lane(struct remote_lane *lane)
{
    struct remote_worker *w = lane->worker;
    struct remote_pool *pool = w->pool;
    struct to_wake wake;
    wake.n = 0;
    lock_take(&pool->lock);
    if (!lane->busy) { /* its worker has ended meanwhile */
        lock_drop(&pool->lock);
        return;
    }
    struct kept_heap *kept = lane->kept;
    lane->kept = NULL;
    idle_locked(lane);
    bool close = w->state == WORKER_RETIRING && w->n_busy == 0;
    pool_serve_waiting_locked(pool, &wake);
    bool surplus = w->state == WORKER_READY && pool_is_surplus_locked(w);
    lock_drop(&pool->lock);
    kept_heap_release(kept);
    pool_wake_all(&wake);
    if (close) {
        pool_close_worker(w);
    } else if (surplus) {
        pool_retire(w, false);
    }
    worker_unref(w);
}

void pool_refuse_all(struct remote_pool *pool, const struct native_outcome *o)
{
    struct to_wake wake;
    do {
        wake.n = 0;
        lock_take(&pool->lock);
        while (pool->first != NULL && wake.n < ARRAY_LEN(wake.item)) {
            struct remote_progress *p = pool->first;
            unlink_locked(pool, &pool->first);
            p->outcome = outcome_copy(o);
            wake.item[wake.n++].pid = p->pid;
            call_set_state_locked(p, CALL_REFUSED);
        }
        lock_drop(&pool->lock);
        pool_wake_all(&wake);
    } while (wake.n != 0);
}

void pool_start_failed(struct remote_pool *pool, const struct native_outcome *o)
{
    lock_take(&pool->lock);
    bool alone = pool->n_workers == 0;
    lock_drop(&pool->lock);
    if (alone) {
        pool_refuse_all(pool, o);
    }
}
