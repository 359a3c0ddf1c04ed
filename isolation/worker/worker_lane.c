/* worker_lane.c - a thread that takes calls from its lane, one at a time. */
#include <unistd.h>

#include "isolation/isolation.h"
#include "isolation/thread.h"
#include "isolation/watchdog.h"
#include "isolation/worker/worker_brief.h"
#include "lib/base/clock.h"
#include "lib/base/sanitize.h"
#include "nif/host.h"
#include "vm/core/shared_root.h"

_Thread_local struct worker_lane *worker_lane __attribute__((tls_model("initial-exec")));

enum { LANE_HEAP_WORDS = 4096, THREAD_STACK_BYTES = 256 << 10 };

/* One call of a native function and those it schedules: here that is a loop, for nothing else
 * waits for this thread. */
enum call_end { CALL_RETURNED, CALL_RAISED, CALL_CRASHED };

struct call_result {
    enum call_end end;
    term value; /* result or reason */
    struct native_outcome outcome;
};

/* Arguments that cannot be decoded here: the atom table of this process is full of the library's atoms, or its memory is. */
static void no_room(struct call_result *r)
{
    native_outcome_limit(&r->outcome, atom_count() >= SHARED_ROOT_ATOM_LIMIT ? "atoms" : "memory");
    r->end = CALL_CRASHED;
}

static bool nobody_waits(const struct worker_lane *lane)
{
    return atomic_load_explicit(&lane->abandoned, memory_order_relaxed) == lane->number;
}

static void timed_out(const struct worker_lane *lane, struct call_result *r)
{
    r->outcome = (struct native_outcome) { .status = NATIVE_TIMED_OUT, .number = lane->timeout_ms };
    r->end = CALL_CRASHED;
}

/* A call that schedules one part after the other is asked between them whether it is time to end. */
static bool no_more_parts(const struct worker_lane *lane, int64_t since_ns, struct call_result *r)
{
    uint32_t ms = lane->timeout_ms;
    bool late = ms != 0 && clock_monotonic_ns() - since_ns >= (int64_t) ms * 1000000;
    if (!late && !nobody_waits(lane)) {
        return false;
    }
    timed_out(lane, r);
    return true;
}

static void crashed(struct worker_lane *lane, struct call_result *r)
{
    nif_env_abort(&lane->env);
    lane->env.lib->tainted = true;
    r->end = CALL_CRASHED;
    native_call_prepare(&lane->call, &lane->env);
}

/* Calls f; what became of it is in *out and lane->env. */
static void call_native(struct worker_lane *lane, const struct nif_func *f, const term *args, size_t n, term caller,
    struct native_outcome *out)
{
    struct native_call *call = &lane->call;
    worker_prepare(lane, f, caller);
    memcpy(&call->code, &f->fn, sizeof(call->code));
    call->arg[1] = n;
    call->arg[2] = (uintptr_t) args;
    exec_in_process.call(call, out);
}

/* The call of f, begun at since_ns, came back: r->outcome and lane->env say how. Whatever it scheduled is called, too. */
static void settle(struct worker_lane *lane, struct nif_func *f, size_t n, term caller, int64_t since_ns, struct call_result *r)
{
    struct enif_environment_t *env = &lane->env;
    struct nif_func scheduled;
    term again[WORKER_MAX_ARGS];
    for (;;) {
        if (r->outcome.status != NATIVE_RETURNED) {
            crashed(lane, r);
            return;
        }
        r->value = (term) { r->outcome.value };
        r->end = env->raised ? CALL_RAISED : CALL_RETURNED;
        if (!env->raised && !env->resched.wanted && !nif_term_plausible(r->value)) {
            native_outcome_panic(&r->outcome, PANIC_BAD_TERM, "return");
            crashed(lane, r);
            return;
        }
        if (!env->eventful) {
            nif_env_leave_outermost();
            return;
        }
        nif_env_commit(env);
        bool go_on = !env->raised && env->resched.wanted;
        if (env->raised) {
            r->value = env->reason;
        } else if (go_on) {
            n = env->resched.argc < WORKER_MAX_ARGS ? env->resched.argc : WORKER_MAX_ARGS;
            memcpy(again, env->resched.args, n * sizeof(*again));
            scheduled = (struct nif_func) { .lib = f->lib, .fn = env->resched.fn, .module = f->module, .name = env->resched.name,
                .arity = env->resched.argc, .flags = env->resched.flags };
            f = &scheduled;
            lane->percent = 0;
        }
        nif_env_done(env);
        nif_env_clear(env);
        if (!go_on || no_more_parts(lane, since_ns, r)) {
            return;
        }
        call_native(lane, f, again, n, caller, &r->outcome);
    }
}

static void run(struct worker_lane *lane, struct nif_func *f, term *args, size_t n, term caller, struct call_result *r)
{
    int64_t since_ns = lane->timeout_ms != 0 ? clock_monotonic_ns() : 0;
    call_native(lane, f, args, n, caller, &r->outcome);
    settle(lane, f, n, caller, since_ns, r);
}

void worker_answer(struct worker_lane *lane, const struct frame_header *h, const void *prefix, size_t prefix_bytes, term t, term instead)
{
    bool too_large;
    struct frame_header other = *h;
    enum channel_status s = term_send(&lane->out, lane->channel, h, prefix, prefix_bytes, t, &too_large);
    if (s == CHANNEL_OK || s == CHANNEL_CLOSED) {
        return;
    }
    if (h->kind == FRAME_RESULT) {
        other.kind = FRAME_RAISED;
    }
    if (term_is_none(instead)) {
        _exit(3);
    }
    s = term_send(&lane->out, lane->channel, &other, prefix, prefix_bytes, instead, &too_large);
    if (s != CHANNEL_OK && s != CHANNEL_CLOSED) {
        _exit(3);
    }
}

/* which: of a batch, from 0. */
static void send_crash(struct worker_lane *lane, uint64_t which, struct native_outcome *o)
{
    struct wire_crash crash;
    struct frame_header h = { .kind = FRAME_CRASHED, .number = lane->number, .extra = which };
    worker_describe(&crash, o);
    term trace = o->crash != NULL ? unwind_term(&o->crash->trace, &lane->heap) : TERM_NIL;
    worker_answer(lane, &h, &crash, sizeof(crash), trace, TERM_NIL);
    native_outcome_clear(o);
}

static void send_raised(struct worker_lane *lane, uint64_t which, term reason)
{
    struct frame_header h = { .kind = FRAME_RAISED, .number = lane->number, .extra = which };
    worker_answer(lane, &h, NULL, 0, reason, ATOM(system_limit));
}

static void end(struct worker_lane *lane)
{
    worker.mode->end_call(lane);
    worker_end(lane);
}

/* Binaries among the arguments that lie in the channel, before the VM may use that memory again. */
static void give_back(struct worker_lane *lane)
{
    VM_REQUIRE(term_reader_return(&lane->in, lane->channel)); /* memory for those that the library keeps */
}

static void put_result(struct worker_lane *lane, struct call_result *r)
{
    sanitize_hand_over(&worker); /* the VM may let go of what the call used, and tell the main thread */
    switch (r->end) {
    case CALL_RETURNED: worker.mode->put_result(lane, r->value); break;
    case CALL_RAISED: send_raised(lane, 0, r->value); break;
    case CALL_CRASHED: send_crash(lane, 0, &r->outcome); break;
    }
}

static void serve_call(struct worker_lane *lane, const struct frame_header *h)
{
    struct call_result r;
    term caller;
    size_t n;
    worker_begin(lane, h->number);
    term_reader_borrow(&lane->in);
    bool good = worker.mode->take_call(lane, h, &caller, &n);
    struct nif_func *f = worker_function(h->extra);
    channel_done(lane->channel);
    if (f == NULL || (good && n != f->arity)) {
        _exit(3); /* the VM does not send such things */
    }
    if (good) {
        run(lane, f, lane->args, n, caller, &r);
    } else {
        no_room(&r);
    }
    give_back(lane);
    put_result(lane, &r);
    end(lane);
}

void worker_settle(struct worker_lane *lane, struct nif_func *f, uintptr_t value, unsigned dirt, size_t n, term caller)
{
    struct call_result r;
    r.outcome = (struct native_outcome) { .status = NATIVE_RETURNED, .value = value };
    if (dirt != 0) {
        native_end_call(&lane->call, value, &r.outcome);
    }
    settle(lane, f, n, caller, 0, &r); /* it has no timeout */
    put_result(lane, &r);
    end(lane);
}

void worker_run(struct worker_lane *lane, struct nif_func *f, size_t n, term caller)
{
    struct call_result r;
    run(lane, f, lane->args, n, caller, &r);
    put_result(lane, &r);
    end(lane);
}

/* Body: struct wire_call, then [[Arg]]. The answer is the list of results; the first call that
 * raises or crashes ends the batch. */
static void serve_many(struct worker_lane *lane, const struct frame_header *h)
{
    struct wire_call call = { 0 };
    struct call_result r = { .end = CALL_RETURNED };
    term results = TERM_NIL, list = TERM_NONE, args[WORKER_MAX_ARGS];
    uint64_t n_done = 0;
    worker_begin(lane, h->number);
    term_reader_borrow(&lane->in);
    if (h->bytes >= sizeof(call) && channel_read(lane->channel, &call, sizeof(call))
        && term_receive(&lane->in, lane->channel, h->bytes - sizeof(call))) {
        list = term_decode(&lane->in, &lane->heap, 0);
    }
    channel_done(lane->channel);
    struct nif_func *f = worker_function(h->extra);
    if (f == NULL) {
        _exit(3);
    }
    if (term_is_none(list)) {
        no_room(&r);
    }
    lane->timeout_ms = call.timeout_ms;
    for (; term_is_cons(list) && r.end == CALL_RETURNED; list = term_tail(list)) {
        size_t n = 0;
        for (term a = term_head(list); term_is_cons(a) && n < WORKER_MAX_ARGS; a = term_tail(a)) {
            args[n++] = term_head(a);
        }
        if (n != f->arity) {
            _exit(3);
        }
        run(lane, f, args, n, (term) { call.caller }, &r);
        if (r.end == CALL_RETURNED && nobody_waits(lane)) {
            timed_out(lane, &r);
        } else if (r.end == CALL_RETURNED) {
            results = heap_cons(&lane->heap, r.value, results);
            n_done++;
        }
    }
    give_back(lane);
    if (r.end == CALL_CRASHED) {
        send_crash(lane, n_done, &r.outcome);
    } else if (r.end == CALL_RAISED) {
        send_raised(lane, n_done, r.value);
    } else {
        term in_order = TERM_NIL;
        for (; term_is_cons(results); results = term_tail(results)) {
            in_order = heap_cons(&lane->heap, term_head(results), in_order);
        }
        worker_put_encoded(lane, in_order);
    }
    end(lane);
}

static void *serve(void *arg)
{
    struct worker_lane *lane = arg;
    struct frame_header h;
    native_thread_attach_as(lane->thread);
    worker_lane = lane;
    native_call_prepare(&lane->call, &lane->env);
    for (;;) {
        const struct slot *s = brief_await(lane->channel);
        if (s == NULL && channel_wait(lane->channel, NULL) != CHANNEL_OK) {
            return NULL;
        }
        s = s != NULL ? s : brief_next(lane->channel);
        if ((s != NULL && worker.mode->serve_brief(lane, s)) || channel_receive(lane->channel, &h) != CHANNEL_OK) {
            continue;
        }
        switch ((enum frame_kind) h.kind) {
        case FRAME_OPEN:
            worker_open(lane, &h);
            end(lane);
            break;
        case FRAME_CALL: serve_call(lane, &h); break;
        case FRAME_CALL_MANY: serve_many(lane, &h); break;
        case FRAME_ANSWER: /* to a call that was abandoned while it asked */
        case FRAME_OPENED:
        case FRAME_RESULT:
        case FRAME_RAISED:
        case FRAME_CRASHED:
        case FRAME_SEND:
        case FRAME_ASK:
            channel_done(lane->channel);
            break;
        }
    }
}

static bool start(struct worker_lane *lane, enum channel_transport t, const int *fds, size_t n_fds)
{
    pthread_t thread;
    pthread_attr_t attr;
    lane->channel = channel_attach(t, fds, n_fds);
    lane->in.resource = worker_resource;
    lane->out.ext.handle_of = worker_handle_of;
    lane->thread = native_thread_reserve();
    if (lane->channel == NULL || lane->thread == NULL || heap_init(&lane->heap, LANE_HEAP_WORDS) != HEAP_OK) {
        return false;
    }
    lane->empty = heap_mark(&lane->heap);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attr, serve, lane) == 0;
    pthread_attr_destroy(&attr);
    return started;
}

void worker_lane_start(unsigned index, enum channel_transport t, const int *fds, size_t n_fds)
{
    if (index >= PROTOCOL_MAX_LANES) {
        _exit(3);
    }
    struct worker_lane *lane = vm_zalloc(sizeof(*lane));
    lane->index = index;
    worker.lanes[index] = lane;
    if (start(lane, t, fds, n_fds)) {
        return;
    }
    if (index == 0) {
        worker_lacks("memory or threads (ulimit -v, ulimit -u)");
    }
    /* The others serve. Its channel stays, so that the VM does not meet with its end before it hears of this. */
    worker_datagram(&(struct datagram) { .kind = DATAGRAM_NO_LANE, .value = index }, NULL, 0);
}

void worker_lane_abandon(unsigned index, uint32_t number)
{
    struct worker_lane *lane = index < PROTOCOL_MAX_LANES ? worker.lanes[index] : NULL;
    if (lane != NULL && lane->thread != NULL && atomic_load(&lane->running) == number) {
        atomic_store(&lane->abandoned, number);
        watchdog_abandon(lane->thread);
        if (atomic_load(&lane->running) != number) {
            watchdog_forgive(lane->thread);
        }
    }
}
