/* pool_workers.c - the life of a worker as its pool sees it: ready, retired, killed, dead. */
#include "isolation/remote/pool_internal.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/trace.h"

/* When an embryo is made: after the first worker, for what is over soon needs none; after one that was needed, so that
 * workers that are lost one after the other have the CPUs for themselves; after an embryo ended. */
enum { EMBRYO_FIRST_DELAY_NS = 500000000, EMBRYO_DELAY_NS = 5000000, EMBRYO_DEATH_DELAY_NS = 1000000000 };

void remote_trace(const struct remote_worker *w, const char *what)
{
    char text[200];
    if (trace_on(TRACE_WORKER)) {
        snprintf(text, sizeof(text), "worker %d of %s (%s) %s", w->process.pid, w->pool->library->module,
            w->pool->library->ops->name, what);
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
    outbox_free(w);
    vm_free(w->pieces);
    worker_process_close(&w->process);
    worker_let_go(w);
}

bool worker_try_ref(struct remote_worker *w)
{
    uint32_t n = atomic_load_explicit(&w->refs, memory_order_relaxed);
    while (n != 0 && !atomic_compare_exchange_weak_explicit(&w->refs, &n, n + 1, memory_order_acquire, memory_order_relaxed)) {
    }
    return n != 0;
}

void worker_let_go(struct remote_worker *w)
{
    if (atomic_fetch_sub_explicit(&w->holders, 1, memory_order_acq_rel) == 1) {
        remote_resources_free(w);
        vm_free(w);
    }
}

void pool_worker_ready(struct remote_worker *w)
{
    struct remote_pool *pool = w->pool;
    struct to_wake wake;
    wake.n = 0;
    lock_take(&pool->lock);
    if (w->state != WORKER_STARTING) { /* it has ended meanwhile */
        lock_drop(&pool->lock);
        return;
    }
    unsigned ready = 0;
    for (const struct remote_worker *o = pool->workers; o != NULL; o = o->next) {
        ready += o->state == WORKER_READY;
    }
    w->state = ready < library_policy(pool->library, POLICY_POOL) ? WORKER_READY : WORKER_SPARE;
    pool->n_workers += w->state == WORKER_READY;
    pool->starting = false;
    pool->failures = 0;
    pool->embryo_due_ns = clock_monotonic_ns() + (pool->n_deaths != 0 ? EMBRYO_DELAY_NS : EMBRYO_FIRST_DELAY_NS);
    /* What is wanted may have changed meanwhile. */
    bool wrong = !pool_has_use_for_locked(w) || pool_is_surplus_locked(w);
    if (wrong) {
        lock_drop(&pool->lock);
        pool_retire(w, false);
        return;
    }
    pool_serve_waiting_locked(pool, &wake);
    lock_drop(&pool->lock);
    pool_wake_all(&wake);
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

/* The worker has read the request, or spoken in its name: it may have run. */
static bool has_begun(const struct remote_lane *lane)
{
    return lane->begun || channel_taken(lane->channel);
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
        if (state == CALL_GRANTED || (state == CALL_RUNNING && !has_begun(lane) && !outcome_is_verdict(&w->verdict))) {
            pool_put_back_locked(pool, p);
            pool_serve_waiting_locked(pool, &wake);
        } else if (state == CALL_RUNNING) {
            lane_outcome_locked(lane, &p->outcome);
            p->lane = NULL;
            call_set_state_locked(p, CALL_LOST);
        }
    }
    bool want = pool_wants_worker_locked(pool);
    lock_drop(&pool->lock);
    kept_heap_release(kept);
    pool_wake_all(&wake);
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

void lane_give_up(struct remote_lane *lane)
{
    struct remote_worker *w = lane->worker;
    struct remote_pool *pool = w->pool;
    worker_ref(w);
    lane_lost(lane);
    lock_take(&pool->lock);
    bool close = w->state == WORKER_RETIRING && w->n_busy == 0;
    lock_drop(&pool->lock);
    if (close) {
        pool_close_worker(w);
    }
    worker_unref(w);
}

bool pool_lane_refused(struct remote_worker *w, tainted index)
{
    struct remote_pool *pool = w->pool;
    uint64_t i;
    uint32_t watcher = READER_WATCHER, nobody = READER_NOBODY;
    lock_take(&pool->lock);
    struct remote_lane *lane = tainted_below(index, w->n_lanes, &i) && i != 0 ? w->lanes[i] : NULL;
    /* One that has served a call has a thread. */
    bool good = lane != NULL && atomic_load_explicit(&lane->calls, memory_order_relaxed) <= 1
        && !atomic_exchange(&lane->refused, true);
    bool ours = good
                && (atomic_compare_exchange_strong(&lane->reader, &watcher, READER_AT_WORK)
                    || atomic_compare_exchange_strong(&lane->reader, &nobody, READER_AT_WORK));
    w->no_more_lanes |= good;
    for (struct remote_lane **at = &w->idle; good && *at != NULL; at = &(*at)->next_idle) {
        if (*at == lane) {
            *at = lane->next_idle;
            break;
        }
    }
    lock_drop(&pool->lock);
    if (ours) {
        lane_give_up(lane);
    } else if (good) {
        channel_shut(lane->channel); /* who waits there sees why */
    }
    return good;
}

/* With the circuit open those that wait fail like those that come. */
static void refuse_if_open(struct remote_pool *pool)
{
    lock_take(&pool->lock);
    bool open = pool->n_workers == 0 && pool->first != NULL && pool->circuit_until_ns > clock_monotonic_ns();
    lock_drop(&pool->lock);
    if (open) {
        struct native_outcome o;
        native_outcome_refused(&o, "restarts");
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

void pool_worker_ending(struct remote_worker *w)
{
    struct remote_pool *pool = w->pool;
    lock_take(&pool->lock);
    if (w->state == WORKER_EMBRYO) {
        w->state = WORKER_RETIRING;
        pool->embryo_due_ns = clock_monotonic_ns() + EMBRYO_DEATH_DELAY_NS;
    }
    lock_drop(&pool->lock);
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
    pool_recall_locked(pool);
    bool by_itself = was != WORKER_RETIRING && !pool->closing;
    if (by_itself) {
        note_death_locked(pool);
        promote_spare_locked(pool);
    }
    pool->restarts += by_itself;
    pool_serve_waiting_locked(pool, &wake);
    lock_drop(&pool->lock);
    pool_wake_all(&wake);
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

void pool_close_worker(struct remote_worker *w)
{
    /* To take a process apart costs as much time of a CPU as to make one: one that crashed is killed when its
     * successor has had its first call. */
    enum { PATIENCE_NS = 1000000000, AFTER_CRASH_NS = 3000000 };
    bool crashed = atomic_load(&w->tainted);
    atomic_store(&w->doomed, crashed);
    w->close_deadline_ns = clock_monotonic_ns() + (crashed ? AFTER_CRASH_NS : PATIENCE_NS);
    watcher_note_deadline(w->close_deadline_ns);
    outbox_send(w, &(struct datagram) { .kind = DATAGRAM_CLOSE }, NULL, 0, NULL, 0);
}

void pool_retire(struct remote_worker *w, bool crashed)
{
    struct remote_pool *pool = w->pool;
    lock_take(&pool->lock);
    if (crashed) {
        atomic_store(&w->tainted, true);
    }
    bool was_ready = w->state == WORKER_READY;
    bool close = false;
    if (was_ready || w->state == WORKER_SPARE || w->state == WORKER_EMBRYO) {
        w->state = WORKER_RETIRING;
        pool_recall_locked(pool);
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
        pool_close_worker(w);
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
    native_outcome_panic(&o, PANIC_PROTOCOL, "");
    pool_kill(w, &o);
    native_outcome_clear(&o);
}

void pool_worker_failed(struct remote_worker *w, const char *why)
{
    struct remote_pool *pool = w->pool;
    lock_take(&pool->lock);
    w->state = WORKER_RETIRING; /* calls that come before it has ended have nothing to do with it */
    pool->starting = false;
    if (why != NULL) {
        pool_back_off_locked(pool);
        note_death_locked(pool);
        pool->restarts++;
    }
    lock_drop(&pool->lock);
    if (why != NULL) {
        struct native_outcome o;
        native_outcome_panic(&o, PANIC_TEXT, "");
        strncpy(o.crash->text, why, sizeof(o.crash->text) - 1);
        pool_start_failed(pool, &o);
        native_outcome_clear(&o);
    }
    pool_kill(w, NULL);
    nursery_want(pool);
}
