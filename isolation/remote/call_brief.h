/* call_brief.h - the usual small call, whole, on its caller's thread: no lock, no record of its own.
 *
 *   the lane of the last call is at hand ─► request fits a slot ─► answer fits one and comes soon ─► lane is kept at hand
 *
 * Where it leaves that way it becomes a call like others, in the state it is in: call.c goes on with it. Inline, so that each
 * mode's remote_mode.call_brief is one function:
 *
 *   static term call_brief(const struct nif_func *f, const term *args, term pid, struct heap *h, struct native_progress **progress,
 *       struct remote_lane *lane)
 *   {
 *       return call_brief_with(f, args, pid, h, progress, lane, put, get);
 *   }
 */
#ifndef ISOLATION_CALL_BRIEF_H
#define ISOLATION_CALL_BRIEF_H

#include "isolation/isolation.h"
#include "isolation/remote/channel_brief.h"
#include "isolation/remote/remote_internal.h"
#include "isolation/thread.h"

/* Sends FRAME_CALL with a header like h. false: it does not fit a slot, or whatever else; nothing was sent. */
typedef bool brief_put_fn(struct remote_lane *lane, struct frame_header h, term pid, const term *args, uint32_t n);
/* A small FRAME_RESULT, still in the channel, as a term for h. false: it is not that small, or no good; something may have been
 * built on h. */
typedef bool brief_get_fn(struct remote_lane *lane, const struct brief *b, struct heap *h, term *out);

/* What the worker answered, if it is a small result and here soon. TERM_NONE: whatever else it is, nothing has been taken. */
ALWAYS_INLINE term brief_await_result(struct remote_lane *lane, struct heap *h, brief_get_fn *get)
{
    struct brief b;
    uint8_t body[SLOT_BODY];
    term t;
    const struct slot *s = brief_await(lane->channel);
    if (s == NULL || !brief_peek(s, &b, body)) {
        return TERM_NONE;
    }
    struct tainted_frame f = taint_frame(&b.h);
    bool good = tainted_is(f.kind, FRAME_RESULT) && tainted_is(f.number, lane->number) && get(lane, &b, h, &t)
                && brief_take(lane->channel, &b);
    return good ? t : TERM_NONE;
}

ALWAYS_INLINE term call_brief_with(const struct nif_func *f, const term *args, term pid, struct heap *h,
    struct native_progress **progress, struct remote_lane *lane, brief_put_fn *put, brief_get_fn *get)
{
    uint32_t number = ++lane->number;
    uint64_t target = call_target(f->lib->elsewhere, (uint32_t) (f - f->lib->funcs));
    lane->begun = false;
    if (!put(lane, (struct frame_header) { .kind = FRAME_CALL, .number = number, .extra = target }, pid, args, f->arity)) {
        return call_go_on(f, pid, progress, lane, CALL_GRANTED);
    }
    /* While it crosses: */
    library_count_call(isolation_library(f->lib), native_thread_get()->counter);
    lane_count_call(lane);
    term t = brief_await_result(lane, h, get);
    if (term_is_none(t)) {
        return call_go_on(f, pid, progress, lane, CALL_SENT);
    }
    lane_trim(lane); /* not before: the worker may be writing there */
    pool_keep_lane_again(lane);
    return t;
}

#endif
