/* pool.c - the workers of a library, their lanes, and the calls that wait for one. */
#include "isolation/remote/remote_internal.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/trace.h"

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

static void set_state_locked(struct remote_progress *p, enum call_state s)
{
    atomic_store_explicit(&p->state, s, memory_order_release);
}

/* Retires the workers that serve and that `wrong` says so of. */
static void retire_those(struct remote_pool *pool, bool (*wrong)(const struct remote_worker *w, uint64_t what), uint64_t what)
{
    for (;;) {
        struct remote_worker *w;
        lock_take(&pool->lock);
        for (w = pool->workers; w != NULL && ((w->state != WORKER_READY && w->state != WORKER_SPARE) || !wrong(w, what)); w = w->next) {
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

/* More than the policy asks for, and nothing would be lost with it. Under the lock. */
static bool is_surplus(const struct remote_worker *w, uint64_t what)
{
    const struct remote_pool *pool = w->pool;
    unsigned spares = 0;
    (void) what;
    for (const struct remote_worker *o = pool->workers; o != NULL; o = o->next) {
        spares += o->state == WORKER_SPARE;
    }
    return w->state == WORKER_SPARE ? spares > library_policy(pool->library, POLICY_SPARE)
                                    : w->n_busy == 0 && pool->n_workers > library_policy(pool->library, POLICY_POOL)
                                          && remote_resources_count((struct remote_worker *) w) == 0;
}

void remote_policy_changed(struct native_library *library)
{
    struct remote_pool *pool = atomic_load_explicit(&library->pool, memory_order_acquire);
    if (pool != NULL && pool->library == library) {
        retire_those(pool, is_surplus, 0);
        nursery_want(pool);
    }
}

static bool is_of_other_shape(const struct remote_worker *w, uint64_t what)
{
    (void) what;
    return w->mode != w->pool->mode || w->stack_bytes != w->pool->stack_bytes;
}

static bool lacks_library(const struct remote_worker *w, uint64_t id)
{
    return w->n_opened < id;
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

void pool_library_opened(struct remote_pool *pool, uint32_t id)
{
    retire_those(pool, lacks_library, id);
}

/* ---- lanes ---- */

static unsigned lanes_wanted(const struct remote_pool *pool)
{
    return (unsigned) library_policy(pool->library, POLICY_THREADS);
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
    return w->n_lanes < lanes_wanted(w->pool) ? lane_new_locked(w) : NULL;
}

/* The least busy worker's; of the one that the call wants, if it wants one. */
static struct remote_lane *find_lane_locked(struct remote_pool *pool, const struct remote_progress *p)
{
    struct remote_worker *best = p->wanted;
    for (struct remote_worker *w = pool->workers; w != NULL && p->wanted == NULL; w = w->next) {
        bool can = w->state == WORKER_READY && (w->idle != NULL || w->n_lanes < lanes_wanted(pool));
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
    lane->worker->calls++;
    p->lane = lane;
    set_state_locked(p, CALL_GRANTED);
}

/* ---- waiting calls ---- */

static void append_locked(struct remote_pool *pool, struct remote_progress *p)
{
    set_state_locked(p, CALL_WAITING);
    p->lane = NULL;
    p->next = NULL;
    *pool->last = p;
    pool->last = &p->next;
    pool->n_waiting++;
}

static void prepend_locked(struct remote_pool *pool, struct remote_progress *p)
{
    set_state_locked(p, CALL_WAITING);
    p->lane = NULL;
    p->next = pool->first;
    pool->first = p;
    if (p->next == NULL) {
        pool->last = &p->next;
    }
    pool->n_waiting++;
}

static void unlink_locked(struct remote_pool *pool, struct remote_progress **at)
{
    struct remote_progress *p = *at;
    *at = p->next;
    if (*at == NULL) {
        pool->last = at;
    }
    p->next = NULL;
    pool->n_waiting--;
}

/* Calls to be woken once the lock has been dropped. Large: only n is cleared. */
struct to_wake {
    struct { term pid; } item[PROTOCOL_MAX_LANES];
    unsigned n;
};

static void wake_all(const struct to_wake *wake)
{
    for (unsigned i = 0; i < wake->n; i++) {
        executor_wake(wake->item[i].pid);
    }
}

static void serve_waiting_locked(struct remote_pool *pool, struct to_wake *wake)
{
    struct remote_progress **at = &pool->first;
    while (*at != NULL && wake->n < ARRAY_LEN(wake->item)) {
        struct remote_progress *p = *at;
        if (p->wanted != NULL && p->wanted->dead) {
            unlink_locked(pool, at);
            p->stale = true;
            set_state_locked(p, CALL_REFUSED);
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

static bool wants_worker_locked(const struct remote_pool *pool)
{
    return pool->first != NULL && pool->n_workers < library_policy(pool->library, POLICY_POOL);
}

void pool_request_lane(struct remote_pool *pool, struct remote_progress *p)
{
    lock_take(&pool->lock);
    struct remote_lane *lane = pool->first == NULL || p->wanted != NULL ? find_lane_locked(pool, p) : NULL;
    bool refused = lane == NULL && pool->n_workers == 0 && pool->circuit_until_ns > clock_monotonic_ns();
    if (lane != NULL) {
        grant_locked(lane, p);
    } else if (refused) {
        outcome_limit(&p->outcome, "restarts");
        set_state_locked(p, CALL_REFUSED);
    } else {
        append_locked(pool, p);
    }
    bool want = wants_worker_locked(pool);
    lock_drop(&pool->lock);
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
        struct remote_progress **at = &pool->first;
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

/* Its last call is over. */
static void close_worker(struct remote_worker *w)
{
    enum { PATIENCE_NS = 1000000000 };
    if (w->tainted) {
        worker_process_kill(&w->process);
        return;
    }
    w->close_deadline_ns = clock_monotonic_ns() + PATIENCE_NS;
    watcher_note_deadline(w->close_deadline_ns);
    outbox_send(w, &(struct datagram) { .kind = DATAGRAM_CLOSE }, NULL, 0, NULL, 0);
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
    lane->progress = NULL;
    lane->busy = false;
    atomic_store_explicit(&lane->deadline_ns, INT64_MAX, memory_order_relaxed);
    w->n_busy--;
    atomic_store_explicit(&lane->reader, READER_NOBODY, memory_order_release);
    lane->next_idle = w->idle;
    w->idle = lane;
    bool close = w->state == WORKER_RETIRING && w->n_busy == 0;
    serve_waiting_locked(pool, &wake);
    bool surplus = w->state == WORKER_READY && is_surplus(w, 0);
    lock_drop(&pool->lock);
    kept_heap_release(kept);
    wake_all(&wake);
    if (close) {
        close_worker(w);
    } else if (surplus) {
        pool_retire(w, false);
    }
    worker_unref(w);
}

/* ---- workers ---- */

void remote_trace(const struct remote_worker *w, const char *what)
{
    char text[200];
    if (trace_on(TRACE_WORKER)) {
        snprintf(text, sizeof(text), "worker %d of %s (%s) %s", w->process.pid, w->pool->library->module, w->pool->library->ops->name, what);
        trace_emit(&(struct trace_event) { .kind = TRACE_WORKER, .text = text });
    }
}

void worker_unref(struct remote_worker *w)
{
    if (atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (unsigned i = 0; i < w->n_lanes; i++) {
        struct remote_lane *lane = w->lanes[i];
        if (w->mode->end_lane != NULL) {
            w->mode->end_lane(lane);
        }
        term_writer_free(&lane->out);
        term_reader_drop(&lane->in);
        term_reader_free(&lane->in);
        native_outcome_clear(&lane->verdict);
        channel_free(lane->channel);
        vm_free(lane);
    }
    native_outcome_clear(&w->verdict);
    remote_resources_free(w);
    outbox_free(w);
    vm_free(w->pieces);
    worker_process_close(&w->process);
    vm_free(w);
}

void pool_worker_ready(struct remote_worker *w)
{
    struct remote_pool *pool = w->pool;
    struct to_wake wake;
    wake.n = 0;
    lock_take(&pool->lock);
    unsigned ready = 0;
    for (const struct remote_worker *o = pool->workers; o != NULL; o = o->next) {
        ready += o->state == WORKER_READY;
    }
    w->state = ready < library_policy(pool->library, POLICY_POOL) ? WORKER_READY : WORKER_SPARE;
    pool->n_workers += w->state == WORKER_READY;
    pool->starting = false;
    pool->failures = 0;
    uint32_t newest = 0;
    for (unsigned i = 0; i < POOL_MAX_LIBRARIES; i++) {
        newest = pool->libraries[i].id > newest ? pool->libraries[i].id : newest;
    }
    /* That has changed meanwhile: */
    bool wrong = is_of_other_shape(w, 0) || lacks_library(w, newest) || (pool->closing && pool->first == NULL);
    if (wrong) {
        lock_drop(&pool->lock);
        pool_retire(w, false);
        return;
    }
    serve_waiting_locked(pool, &wake);
    lock_drop(&pool->lock);
    wake_all(&wake);
    nursery_want(pool); /* perhaps one more, or a spare */
}

/* Too many deaths in too short a time open the circuit: calls fail at once until it closes again. */
static void note_death_locked(struct remote_pool *pool)
{
    uint64_t restart = library_policy(pool->library, POLICY_RESTART);
    uint64_t max = restart >> 32, within_ms = (uint32_t) restart;
    int64_t now = clock_monotonic_ns();
    uint64_t recent = 0;
    pool->deaths[pool->n_deaths++ % POOL_DEATHS_REMEMBERED] = now;
    for (unsigned i = 0; i < POOL_DEATHS_REMEMBERED && i < pool->n_deaths; i++) {
        recent += now - pool->deaths[i] < (int64_t) within_ms * 1000000;
    }
    if (recent > max) {
        pool->circuit_until_ns = now + (int64_t) within_ms * 1000000;
        pool->next_start_ns = pool->circuit_until_ns;
    }
}

void lane_outcome_locked(const struct remote_lane *lane, struct native_outcome *out)
{
    const struct remote_worker *w = lane->worker;
    const struct native_outcome *o = outcome_is_verdict(&lane->verdict) ? &lane->verdict : &w->verdict;
    if (outcome_is_verdict(o)) {
        *out = outcome_copy(o);
    } else {
        outcome_of_end(out, w->end);
    }
}

void lane_lost(struct remote_lane *lane)
{
    struct remote_worker *w = lane->worker;
    struct remote_pool *pool = w->pool;
    struct to_wake wake;
    wake.n = 0;
    lock_take(&pool->lock);
    struct remote_progress *p = lane->progress;
    bool was_busy = lane->busy;
    struct kept_heap *kept = lane->kept;
    lane->kept = NULL;
    lane->progress = NULL;
    lane->busy = false;
    w->n_busy -= was_busy;
    lane->deadline_ns = INT64_MAX;
    term pid = TERM_NONE;
    if (p != NULL) {
        enum call_state state = (enum call_state) p->state;
        pid = p->pid;
        if (state == CALL_GRANTED || (state == CALL_RUNNING && !lane->begun && !channel_taken(lane->channel) && !outcome_is_verdict(&w->verdict))) {
            prepend_locked(pool, p);
            serve_waiting_locked(pool, &wake);
        } else if (state == CALL_RUNNING) {
            lane_outcome_locked(lane, &p->outcome);
            p->lane = NULL;
            set_state_locked(p, CALL_LOST);
        }
    }
    bool want = wants_worker_locked(pool);
    lock_drop(&pool->lock);
    kept_heap_release(kept);
    wake_all(&wake);
    lane_forget_call(lane);
    if (!term_is_none(pid)) {
        executor_wake(pid);
    }
    if (want) {
        nursery_want(pool);
    }
    if (was_busy) {
        worker_unref(w);
    }
}

/* With the circuit open those that wait fail like those that come. */
static void refuse_if_open(struct remote_pool *pool)
{
    lock_take(&pool->lock);
    bool open = pool->n_workers == 0 && pool->first != NULL && pool->circuit_until_ns > clock_monotonic_ns();
    lock_drop(&pool->lock);
    if (open) {
        struct native_outcome o;
        outcome_limit(&o, "restarts");
        pool_refuse_all(pool, &o);
        native_outcome_clear(&o);
    }
}

static void unlist_locked(struct remote_pool *pool, struct remote_worker *w)
{
    for (struct remote_worker **at = &pool->workers; *at != NULL; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            return;
        }
    }
}

static void promote_spare_locked(struct remote_pool *pool)
{
    for (struct remote_worker *w = pool->workers; w != NULL; w = w->next) {
        if (w->state == WORKER_SPARE) {
            w->state = WORKER_READY;
            pool->n_workers++;
            return;
        }
    }
}

void pool_worker_died(struct remote_worker *w)
{
    struct remote_pool *pool = w->pool;
    struct to_wake wake;
    wake.n = 0;
    lock_take(&pool->lock);
    enum worker_state was = w->state;
    w->state = WORKER_DEAD;
    atomic_store(&w->dead, true);
    unlist_locked(pool, w);
    pool->n_workers -= was == WORKER_READY;
    if (was == WORKER_STARTING) {
        pool->starting = false;
        pool_back_off_locked(pool);
    }
    bool by_itself = was != WORKER_RETIRING && !pool->closing;
    if (by_itself) {
        note_death_locked(pool);
        promote_spare_locked(pool);
    }
    pool->restarts += by_itself;
    serve_waiting_locked(pool, &wake);
    lock_drop(&pool->lock);
    wake_all(&wake);
    for (unsigned i = 0; i < w->n_lanes; i++) {
        struct remote_lane *lane = w->lanes[i];
        uint32_t reader = READER_WATCHER, nobody = READER_NOBODY;
        if (atomic_compare_exchange_strong(&lane->reader, &reader, READER_AT_WORK)
            || atomic_compare_exchange_strong(&lane->reader, &nobody, READER_AT_WORK)) {
            lane_lost(lane);
        } else {
            channel_shut(lane->channel); /* who waits there sees that w is dead */
        }
    }
    remote_watch_forget(w);
    refuse_if_open(pool);
    nursery_want(pool);
}

void pool_retire(struct remote_worker *w, bool crashed)
{
    struct remote_pool *pool = w->pool;
    lock_take(&pool->lock);
    w->tainted |= crashed;
    bool was_ready = w->state == WORKER_READY;
    bool close = false;
    if (was_ready || w->state == WORKER_SPARE) {
        w->state = WORKER_RETIRING;
        close = w->n_busy == 0;
    }
    if (was_ready) {
        pool->n_workers--;
        if (!pool->closing) {
            if (crashed) { /* not: other options were set */
                pool->restarts++;
                note_death_locked(pool);
            }
            promote_spare_locked(pool);
        }
    }
    lock_drop(&pool->lock);
    if (close) {
        close_worker(w);
    }
    if (was_ready) {
        refuse_if_open(pool);
        nursery_want(pool);
    }
}

void pool_kill(struct remote_worker *w, const struct native_outcome *verdict)
{
    struct remote_pool *pool = w->pool;
    lock_take(&pool->lock);
    if (!outcome_is_verdict(&w->verdict) && verdict != NULL) {
        w->verdict = outcome_copy(verdict);
    }
    lock_drop(&pool->lock);
    if (!atomic_load(&w->dead)) {
        worker_process_kill(&w->process);
    }
}

void pool_violated(struct remote_worker *w)
{
    struct native_outcome o;
    outcome_panic(&o, PANIC_PROTOCOL);
    pool_kill(w, &o);
    native_outcome_clear(&o);
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
            set_state_locked(p, CALL_REFUSED);
        }
        lock_drop(&pool->lock);
        wake_all(&wake);
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

void pool_worker_failed(struct remote_worker *w, const char *why)
{
    struct native_outcome o;
    outcome_panic(&o, PANIC_TEXT);
    strncpy(o.crash->text, why, sizeof(o.crash->text) - 1);
    pool_start_failed(w->pool, &o);
    native_outcome_clear(&o);
    pool_kill(w, NULL);
}

/* ---- the library's end, and what there is to tell ---- */

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

void remote_info(const struct native_library *library, struct remote_info *out, struct remote_worker_info *workers, size_t room)
{
    static const char *const states[] = {
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
    out->restarts = pool->restarts;
    out->waiting = pool->n_waiting;
    out->open_circuit = pool->circuit_until_ns > clock_monotonic_ns();
    for (struct remote_worker *w = pool->workers; w != NULL; w = w->next) {
        if (out->n_workers < room) {
            workers[out->n_workers] = (struct remote_worker_info) { w->process.pid, w->calls, w->n_lanes, w->n_busy,
                (unsigned) w->n_resources, states[w->state] };
        }
        out->n_workers++;
    }
    lock_drop(&pool->lock);
}
