/* worker_mode_read.c - hybrid: arguments lie in the VM's memory, which this process can read. */
#include "isolation/worker/worker_state.h"

bool worker_take_words(struct worker_lane *lane, const struct frame_header *h, struct wire_shared_call *out, term *out_caller,
    term **out_args, size_t *out_n)
{
    if (h->bytes < sizeof(*out) || !channel_read(lane->channel, out, sizeof(*out)) || out->n_args > WORKER_MAX_ARGS
        || h->bytes != sizeof(*out) + out->n_args * sizeof(term)
        || !channel_read(lane->channel, lane->args, out->n_args * sizeof(term))) {
        return false;
    }
    *out_caller = (term) { out->caller };
    lane->timeout_ms = out->timeout_ms;
    *out_args = lane->args;
    *out_n = out->n_args;
    return true;
}

static bool take_call(struct worker_lane *lane, const struct frame_header *h, term *out_caller, term **out_args, size_t *out_n)
{
    struct wire_shared_call call;
    return worker_take_words(lane, h, &call, out_caller, out_args, out_n);
}

static void end_call(struct worker_lane *lane)
{
    (void) lane;
}

const struct worker_mode worker_mode_read = { take_call, worker_put_encoded, end_call };
