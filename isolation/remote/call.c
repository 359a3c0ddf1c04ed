/* call.c - one native call in a worker, as its process sees it.
 *
 *   WAITING ─► GRANTED ─► RUNNING ─► ANSWERED ─► (result)          SENT: a call of call_brief.h that is still RUNNING
 *      ▲          │          │
 *      └──────────┴──────────┴─ its worker ended before it had begun; else LOST
 *
 * remote_call() runs on the scheduler of the calling process, again each time the process is woken.
 */
#include "isolation/isolation.h"
#include "isolation/remote/remote_internal.h"
#include "isolation/thread.h"
#include "lib/base/clock.h"

enum {
    CANCEL_PATIENCE_NS = 2000000000, /* the kill ends all calls of the worker: on a busy machine ending the one takes time */
    TIMEOUT_GRACE_NS = 100000000, /* the worker ends the call itself, if it can */
};

void (*executor_wake)(term pid);

/* ---- the beginning ---- */

static struct heap_keeper *cancel(struct native_progress *progress);

/* Most calls end on the thread they began on: it keeps one record. */
static _Thread_local struct remote_progress *kept_progress;

static struct remote_progress *progress_new(void)
{
    struct remote_progress *p = kept_progress;
    kept_progress = NULL;
    p = p != NULL ? p : vm_alloc(sizeof(*p));
    p->lane = NULL;
    p->wanted = NULL;
    atomic_store_explicit(&p->reads, false, memory_order_relaxed);
    p->stale = false;
    p->digest.taken = false;
    p->outcome = (struct native_outcome) { .status = NATIVE_RETURNED };
    atomic_store_explicit(&p->state, CALL_WAITING, memory_order_relaxed);
    return p; /* the rest is written before it is read */
}

static void progress_free(struct remote_progress *p)
{
    if (kept_progress == NULL) {
        kept_progress = p;
    } else {
        vm_free(p);
    }
}

static struct remote_progress *progress_of(struct remote_pool *pool, struct native_library *library, term pid)
{
    struct remote_progress *p = progress_new();
    p->pool = pool;
    p->base = (struct native_progress) { cancel, library, NULL };
    p->pid = pid;
    return p;
}

term call_go_on(const struct nif_func *f, term pid, struct native_progress **progress, struct remote_lane *lane, enum call_state state)
{
    struct native_library *library = isolation_library(f->lib);
    struct remote_progress *p = progress_of(lane->worker->pool, library, pid);
    p->library_id = 0; /* it opens none */
    lane->answer = 0;
    pool_give_lane_at_hand(lane, p, state);
    if (state == CALL_GRANTED) {
        library_count_call(library, native_thread_get()->counter);
    }
    *progress = &p->base;
    return TERM_NONE;
}

term remote_call_brief(const struct nif_func *f, const term *args, term pid, struct heap *h, struct native_progress **progress)
{
    struct remote_pool *pool = atomic_load_explicit(&isolation_library(f->lib)->pool, memory_order_acquire);
    struct remote_lane *lane = pool != NULL ? pool_take_at_hand(pool) : NULL;
    if (lane == NULL) {
        return TERM_NONE;
    }
    if (!lane->may_be_brief) {
        return call_go_on(f, pid, progress, lane, CALL_GRANTED);
    }
    return lane->worker->mode->call_brief(f, args, pid, h, progress, lane);
}

static struct remote_progress *begin(struct native_call_elsewhere *call)
{
    struct remote_pool *pool = pool_of(call->library);
    struct remote_progress *p = progress_of(pool, call->library, call->pid);
    p->library_id = call->library_id;
    *call->progress = &p->base;
    const struct remote_mode *mode = atomic_load_explicit(&call->library->ops, memory_order_relaxed)->remote;
    bool caller_only = library_policy(call->library, POLICY_SCOPE) == POLICY_SCOPE_CALLER && mode->caller_only != NULL;
    pool_set_mode(pool, caller_only ? mode->caller_only : mode, library_policy(call->library, POLICY_STACK));
    library_count_call(call->library, native_thread_get()->counter);
    pool_request_lane(pool, p);
    return p;
}

static void finished(struct native_call_elsewhere *call, struct remote_progress *p)
{
    *call->progress = NULL;
    if (p->wanted != NULL) {
        worker_unref(p->wanted);
    }
    progress_free(p);
}

static void raise_in(struct native_outcome *out, term reason)
{
    *out = (struct native_outcome) { .status = NATIVE_RAISED, .value = reason.word };
}

static term resource_lost(const struct native_call_elsewhere *call)
{
    return heap_tuple2(call->heap, ATOM(nif_resource_lost), call->library->module_atom);
}

/* The request could not be sent. */
static void not_sent(
    struct native_call_elsewhere *call, struct remote_progress *p, enum channel_status why, struct native_outcome *out)
{
    struct remote_lane *lane = p->lane;
    struct remote_worker *other = lane->other_owner;
    bool stale = lane->stale;
    lane->other_owner = NULL;
    lane->stale = false;
    if (why == CHANNEL_FULL && channel_is_stuck(lane->channel)) {
        why = CHANNEL_BROKEN;
    }
    if (stale || other != NULL || why == CHANNEL_FULL) {
        pool_release_lane(lane);
        if (other != NULL && p->wanted != NULL) { /* it belongs to two */
            worker_unref(other);
            raise_in(out, heap_tuple2(call->heap, ATOM(nif_resource_elsewhere), call->library->module_atom));
            finished(call, p);
            return;
        }
        if (other != NULL) { /* a resource in the arguments says where the call belongs */
            p->wanted = other;
            pool_request_lane(p->pool, p);
            out->status = NATIVE_PENDING;
            executor_wake(p->pid);
            return;
        }
        if (stale) {
            raise_in(out, resource_lost(call));
        } else {
            raise_in(out, ATOM(system_limit));
        }
        finished(call, p);
        return;
    }
    /* The process may be woken, and come here again, before the worker has ended. */
    atomic_store_explicit(&p->reads, false, memory_order_relaxed);
    out->status = NATIVE_PENDING;
    if (why == CHANNEL_CLOSED && call_gave_up(lane)) {
        return;
    }
    if (why == CHANNEL_BROKEN) {
        pool_violated(lane->worker);
    } else {
        pool_kill(lane->worker, NULL); /* if it is not dead yet */
    }
    call_leave_to_end(lane);
}

/* The lane we were granted, unless its worker is dying: then its end puts the call back and wakes us. Under the
 * lock, for that may have happened since we looked. */
static bool take_lane(struct remote_progress *p)
{
    uint32_t nobody = READER_NOBODY;
    lock_take(&p->pool->lock);
    bool ours = atomic_load_explicit(&p->state, memory_order_relaxed) == CALL_GRANTED
                && atomic_compare_exchange_strong(&p->lane->reader, &nobody, READER_CALLER);
    lock_drop(&p->pool->lock);
    return ours;
}

/* A batch has the time of all its calls. */
static int64_t calls_in(const struct native_call_elsewhere *call)
{
    enum { MOST = 1 << 20 };
    int64_t n = 0;
    for (term l = call->request; term_is_cons(l) && n < MOST; l = term_tail(l)) {
        n++;
    }
    return n > 0 ? n : 1;
}

/* false: *out says why not. */
static bool start(struct native_call_elsewhere *call, struct remote_progress *p, struct native_outcome *out)
{
    if (!atomic_load_explicit(&p->reads, memory_order_relaxed) && !take_lane(p)) {
        out->status = NATIVE_PENDING;
        return false;
    }
    struct remote_lane *lane = p->lane;
    uint32_t reader = atomic_load_explicit(&lane->reader, memory_order_relaxed);
    VM_ASSERT(reader == READER_CALLER || reader == READER_CALLER_RANG);
    lane->number++;
    lane_count_call(lane);
    lane->answer = 0;
    lane->begun = false;
    lane->stale = false;
    uint32_t timeout_ms = atomic_load_explicit(&call->library->timeout_ms, memory_order_relaxed);
    atomic_store_explicit(&lane->timeout_ms, timeout_ms, memory_order_relaxed);
    p->digest.taken = false;
    if (library_policy(call->library, POLICY_VERIFY) != 0 && lane->worker->mode->memory == WORKER_MEMORY_WRITE) {
        heap_digest_take(&p->digest, call->heap);
    }
    enum channel_status s = call->send(lane, call);
    if (s != CHANNEL_OK || lane->stale || lane->other_owner != NULL) {
        not_sent(call, p, s, out);
        return false;
    }
    if (lane->timeout_ms != 0) {
        int64_t ns = (int64_t) lane->timeout_ms * 1000000 * calls_in(call);
        lane->deadline_ns = clock_monotonic_ns() + ns + ns / 4 + TIMEOUT_GRACE_NS;
        watcher_note_deadline(lane->deadline_ns);
    }
    /* No lock: while we are its reader nobody else looks. */
    atomic_store_explicit(&p->state, CALL_RUNNING, memory_order_release);
    return true;
}

/* ---- the end ---- */

static void replace_crashed(struct remote_worker *w)
{
    if (library_policy(w->pool->library, POLICY_AFTER_CRASH) == POLICY_AFTER_CRASH_REPLACE) {
        pool_retire(w, true);
    }
}

static void take_crash(struct native_call_elsewhere *call, struct remote_lane *lane, struct native_outcome *out)
{
    outcome_from_wire(out, &lane->crash);
    if (out->crash->panic == PANIC_PROTOCOL) {
        pool_kill(lane->worker, out);
    }
    term trace = term_decode(&lane->in, call->heap, 0);
    out->crash->trace_term = term_is_list(trace) ? trace : TERM_NIL;
    replace_crashed(lane->worker);
}

static void take_answer(struct native_call_elsewhere *call, struct remote_lane *lane, struct native_outcome *out)
{
    enum native_panic panic = PANIC_PROTOCOL;
    *out = (struct native_outcome) { .status = NATIVE_RETURNED };
    term t = TERM_NONE;
    bool opens = call->func == NULL;
    if (opens ? lane->answer == FRAME_RESULT : lane->answer == FRAME_OPENED) {
        lane->answer = 0; /* to another question */
    }
    uint64_t failed;
    bool names_one = lane->answer != FRAME_OPENED && tainted_below(lane->extra, UINT32_MAX, &failed);
    call->failed = names_one ? (uint32_t) failed : UINT32_MAX;
    switch ((enum frame_kind) lane->answer) {
    case FRAME_CRASHED: take_crash(call, lane, out); return;
    case FRAME_RESULT:
        t = call->plain_result ? term_decode(&lane->in, call->heap, 0) : lane->worker->mode->result(lane, call->heap, &panic);
        break;
    case FRAME_RAISED:
        out->status = NATIVE_RAISED;
        t = term_decode(&lane->in, call->heap, 0);
        break;
    case FRAME_OPENED:
        t = term_decode(&lane->in, call->heap, 0);
        lane->worker->n_opened = call->library_id;
        if (!tainted_is(lane->extra, 0)) { /* load crashed, which is reported apart from this, and perhaps later */
            replace_crashed(lane->worker);
        }
        break;
    case FRAME_OPEN:
    case FRAME_CALL:
    case FRAME_CALL_MANY:
    case FRAME_ANSWER:
    case FRAME_SEND:
    case FRAME_ASK: break;
    }
    out->value = t.word;
    if (term_is_none(t) && lane->in.no_memory) {
        native_outcome_limit(out, "memory");
    } else if (term_is_none(t)) {
        native_outcome_panic(out, panic, "");
        pool_kill(lane->worker, panic == PANIC_PROTOCOL ? out : NULL);
    }
}

static void let_go(struct native_call_elsewhere *call, struct remote_progress *p)
{
    struct remote_lane *lane = p->lane;
    lane_trim(lane);
    pool_keep_lane(lane);
    finished(call, p);
}

/* The worker wrote where it must not: what it answered does not matter any more. */
static bool damaged(struct native_call_elsewhere *call, struct remote_progress *p, struct native_outcome *out)
{
    if (!p->digest.taken || heap_digest_same(&p->digest)) {
        return false;
    }
    heap_digest_give_up(call->heap);
    native_outcome_panic(out, PANIC_HEAP, "");
    if (p->lane != NULL) {
        pool_retire(p->lane->worker, true);
    }
    return true;
}

static void finish(struct native_call_elsewhere *call, struct remote_progress *p, struct native_outcome *out)
{
    struct remote_lane *lane = p->lane;
    if (!damaged(call, p, out)) {
        take_answer(call, lane, out);
    }
    lane_forget_call(lane);
    let_go(call, p);
}

void call_advance(struct native_call_elsewhere *call, struct native_outcome *out)
{
    struct remote_progress *p = *call->progress != NULL ? container_of(*call->progress, struct remote_progress, base) : begin(call);
    for (;;) {
        switch ((enum call_state) atomic_load_explicit(&p->state, memory_order_acquire)) {
        case CALL_GRANTED:
            if (!start(call, p, out)) {
                return;
            }
            break;
        case CALL_SENT: atomic_store_explicit(&p->state, CALL_RUNNING, memory_order_release); break;
        case CALL_WAITING:
        case CALL_RUNNING: out->status = NATIVE_PENDING; return;
        case CALL_ANSWERED: finish(call, p, out); return;
        case CALL_LOST:
        case CALL_REFUSED:
            *out = p->outcome;
            if (damaged(call, p, out)) {
                native_outcome_clear(&p->outcome);
            }
            if (p->stale) {
                raise_in(out, resource_lost(call));
            }
            finished(call, p);
            return;
        }
        call_await(p);
        if (atomic_load_explicit(&p->state, memory_order_acquire) == CALL_RUNNING) {
            out->status = NATIVE_PENDING;
            return;
        }
    }
}

/* ---- what is sent ---- */

static enum channel_status send_call(struct remote_lane *lane, struct native_call_elsewhere *call)
{
    return lane->worker->mode->put_call(lane, call, call_target(call->library_id, call->function));
}

static enum channel_status send_many(struct remote_lane *lane, struct native_call_elsewhere *call)
{
    struct frame_header h = { .kind = FRAME_CALL_MANY, .number = lane->number,
        .extra = call_target(call->library_id, call->function) };
    struct wire_call prefix = { call->pid.word, lane->timeout_ms, 0 };
    bool too_large;
    return term_send(&lane->out, lane->channel, &h, &prefix, sizeof(prefix), call->request, &too_large);
}

void remote_call(struct native_call_elsewhere *call, struct native_outcome *out)
{
    call->send = send_call;
    call->plain_result = false;
    call_advance(call, out);
}

void remote_call_many(struct native_call_elsewhere *call, struct native_outcome *out)
{
    call->send = send_many;
    call->plain_result = true;
    call_advance(call, out);
}

/* ---- nobody waits any more ---- */

static struct heap_keeper *cancel(struct native_progress *progress)
{
    struct remote_progress *p = container_of(progress, struct remote_progress, base);
    struct heap_keeper *keeper = NULL;
    struct remote_pool *pool = p->pool;
    struct remote_lane *running = NULL;
    uint32_t number = 0;
    int64_t deadline_ns = 0;
    lock_take(&pool->lock);
    enum call_state state = (enum call_state) p->state;
    if (state == CALL_RUNNING) {
        running = p->lane;
        running->progress = NULL;
        running->cancelled = true;
        keeper = running->worker->mode->memory != WORKER_MEMORY_OWN ? kept_heap_new(running) : NULL;
        deadline_ns = clock_monotonic_ns() + CANCEL_PATIENCE_NS;
        running->deadline_ns = deadline_ns;
        number = running->number;
        worker_ref(running->worker); /* its end may come before we are done */
    }
    lock_drop(&pool->lock);
    switch (state) {
    case CALL_RUNNING:
        outbox_send(running->worker, &(struct datagram) { .kind = DATAGRAM_ABANDON, .value = (uint64_t) running->index << 32 | number },
            NULL, 0, NULL, 0);
        watcher_note_deadline(deadline_ns);
        worker_unref(running->worker);
        break;
    case CALL_WAITING:
    case CALL_GRANTED: pool_withdraw(p); break;
    case CALL_SENT: VM_ASSERT(false); break; /* its thread is the caller's, and busy with it */
    case CALL_ANSWERED:
        lane_forget_call(p->lane);
        pool_release_lane(p->lane);
        break;
    case CALL_LOST:
    case CALL_REFUSED: native_outcome_clear(&p->outcome); break;
    }
    if (p->wanted != NULL) {
        worker_unref(p->wanted);
    }
    vm_free(p);
    return keeper;
}
