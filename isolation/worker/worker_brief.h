/* worker_brief.h - the usual small call, whole: read where it lies in the channel, run, answered in a slot.
 *
 * Inline, so that each mode's worker_mode.serve_brief is one function:
 *
 *   static bool serve_brief(struct worker_lane *lane, const struct slot *s) { return serve_brief_with(lane, s, take, put, end_call); }
 */
#ifndef ISOLATION_WORKER_BRIEF_H
#define ISOLATION_WORKER_BRIEF_H

#include "isolation/isolation.h"
#include "isolation/quick.h"
#include "isolation/remote/term_brief.h"
#include "isolation/watchdog.h"
#include "isolation/worker/worker_state.h"

/* The arguments, to lane->args, and lane->timeout_ms. false: that takes more, and the frame is left as it is. */
typedef bool worker_take_brief_fn(struct worker_lane *lane, const struct brief *b, term *out_caller, size_t *out_n);

/* ---- what every call begins and ends with ---- */

static inline void worker_begin(struct worker_lane *lane, uint32_t number)
{
    sanitize_take_over(&worker); /* what calls did that have been answered, on any lane, comes before this one */
    lane->number = number;
    lane->percent = 0;
    atomic_store_explicit(&lane->running, number, memory_order_release); /* and there is a record of the thread */
}

static inline void worker_end(struct worker_lane *lane)
{
    atomic_store_explicit(&lane->running, 0, memory_order_relaxed);
    if (!heap_is_at(&lane->heap, &lane->empty)) {
        heap_rollback(&lane->heap, &lane->empty);
    }
}

/* A call of f is next. */
static inline void worker_prepare(struct worker_lane *lane, const struct nif_func *f, term caller)
{
    struct native_library *lib = isolation_library(f->lib);
    lane->call.library = lib;
    lane->call.func = f;
    lane->flags = f->flags;
    if (atomic_load_explicit(&lib->timeout_ms, memory_order_relaxed) != lane->timeout_ms) { /* the policy has changed */
        atomic_store_explicit(&lib->timeout_ms, lane->timeout_ms, memory_order_relaxed);
        if (lane->timeout_ms != 0) {
            watchdog_note_timeout(lane->timeout_ms);
        }
    }
    nif_env_enter_outermost(&lane->env, &lane->heap, lane, caller, f->lib);
}

/* ---- worker_lane.c ---- */
/* A call of a frame that has been taken was not over with a plain result: what came of it, to its answer and end. */
void worker_settle(struct worker_lane *lane, struct nif_func *f, uintptr_t value, unsigned dirt, size_t n, term caller);
/* All of a call that quick.h is not for. */
void worker_run(struct worker_lane *lane, struct nif_func *f, size_t n, term caller);

/* false: that is not the usual call, and the frame is still there. */
ALWAYS_INLINE bool serve_brief_with(struct worker_lane *lane, const struct slot *s,
    worker_take_brief_fn *take, void (*put_result)(struct worker_lane *lane, term result), void (*end_call)(struct worker_lane *lane))
{
    struct brief b;
    term caller;
    size_t n;
    unsigned dirt;
    if (!brief_look(s, &b) || b.h.kind != FRAME_CALL) {
        return false;
    }
    struct nif_func *f = worker_function(b.h.extra);
    if (f == NULL || !take(lane, &b, &caller, &n) || n != f->arity || !brief_take(lane->channel, &b)) {
        heap_rollback(&lane->heap, &lane->empty);
        return false;
    }
    worker_begin(lane, b.h.number);
    if (lane->timeout_ms != 0 || !native_is_quick(isolation_library(f->lib))) {
        worker_run(lane, f, n, caller);
        return true;
    }
    const void *code;
    memcpy(&code, &f->fn, sizeof(code));
    uintptr_t arg[3] = { (uintptr_t) &lane->env, n, (uintptr_t) lane->args };
    worker_prepare(lane, f, caller);
    term value = { native_call_quick(&lane->call, code, arg, &dirt) };
    if (__builtin_expect(dirt != 0 || lane->env.eventful || !nif_term_plausible(value), 0)) {
        worker_settle(lane, f, value.word, dirt, n, caller);
        return true;
    }
    nif_env_leave_outermost();
    sanitize_hand_over(&worker); /* the VM may let go of what the call used, and tell the main thread */
    put_result(lane, value);
    end_call(lane);
    worker_end(lane);
    return true;
}

#endif
