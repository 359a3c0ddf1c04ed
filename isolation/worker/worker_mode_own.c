/* worker_mode_own.c - ipc: nothing is shared; arguments and results are encoded terms. */
#include "isolation/worker/worker_state.h"

static bool take_call(struct worker_lane *lane, const struct frame_header *h, term *out_caller, term **out_args, size_t *out_n)
{
    struct wire_call call;
    if (h->bytes < sizeof(call) || !channel_read(lane->channel, &call, sizeof(call)) || call.n_args > WORKER_MAX_ARGS
        || !term_receive(&lane->in, lane->channel, h->bytes - sizeof(call))) {
        return false;
    }
    *out_caller = (term) { call.caller };
    lane->timeout_ms = call.timeout_ms;
    *out_args = lane->args;
    *out_n = call.n_args;
    return term_decode_all(&lane->in, &lane->heap, 0, lane->args, call.n_args);
}

void worker_put_encoded(struct worker_lane *lane, term result)
{
    struct frame_header h = { .kind = FRAME_RESULT, .number = lane->number };
    worker_answer(lane, &h, NULL, 0, result, ATOM(system_limit));
}

static void end_call(struct worker_lane *lane)
{
    (void) lane;
}

const struct worker_mode worker_mode_own = { take_call, worker_put_encoded, end_call };
