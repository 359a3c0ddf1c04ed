/* worker_mode_own.c - ipc: nothing is shared; arguments and results are encoded terms. */
#include "isolation/worker/worker_brief.h"

static bool take_call(struct worker_lane *lane, const struct frame_header *h, term *out_caller, size_t *out_n)
{
    struct wire_call call;
    if (h->bytes < sizeof(call) || !channel_read(lane->channel, &call, sizeof(call)) || call.n_args > WORKER_MAX_ARGS
        || !term_receive(&lane->in, lane->channel, h->bytes - sizeof(call))) {
        return false;
    }
    *out_caller = (term) { call.caller };
    lane->timeout_ms = call.timeout_ms;
    *out_n = call.n_args;
    return term_decode_all(&lane->in, &lane->heap, 0, lane->args, call.n_args);
}

ALWAYS_INLINE bool take_brief(struct worker_lane *lane, const struct brief *b, term *out_caller, size_t *out_n)
{
    struct wire_call call;
    memcpy(&call, b->body, sizeof(call));
    *out_caller = (term) { call.caller };
    *out_n = call.n_args;
    lane->timeout_ms = call.timeout_ms;
    return call.n_args <= WORKER_MAX_ARGS && brief_get_terms(b, sizeof(call), &lane->heap, lane->args, call.n_args);
}

ALWAYS_INLINE void put_encoded(struct worker_lane *lane, term result)
{
    struct frame_header h = { .kind = FRAME_RESULT, .number = lane->number };
    if (!brief_send_terms(lane->channel, h, NULL, 0, &result, 1)) {
        worker_answer(lane, &h, NULL, 0, result, ATOM(system_limit));
    }
}

void worker_put_encoded(struct worker_lane *lane, term result)
{
    put_encoded(lane, result);
}

static void end_call(struct worker_lane *lane)
{
    (void) lane;
}

static bool serve_brief(struct worker_lane *lane, const struct slot *s)
{
    return serve_brief_with(lane, s, take_brief, put_encoded, end_call);
}

const struct worker_mode worker_mode_own = { take_call, serve_brief, worker_put_encoded, end_call };
