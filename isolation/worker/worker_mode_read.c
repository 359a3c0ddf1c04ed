/* worker_mode_read.c - hybrid: arguments lie in the VM's memory, which this process can read. */
#include <string.h>

#include "isolation/worker/worker_brief.h"

static bool take_memory(const uint8_t **at, const uint8_t *end, struct wire_memory *out)
{
    if ((size_t) (end - *at) < sizeof(*out)) {
        return false;
    }
    memcpy(out, *at, sizeof(*out));
    *at += sizeof(*out);
    return true;
}

bool worker_take_words(struct worker_lane *lane, const uint8_t *body, uint64_t n, term *out_caller, size_t *out_n,
    struct worker_lent *lent)
{
    struct wire_shared_call call;
    const uint8_t *at = body + sizeof(call), *end = body + n;
    *lent = (struct worker_lent) { { 0, 0 }, { 0, 0 } };
    if (n < sizeof(call)) {
        return false;
    }
    memcpy(&call, body, sizeof(call));
    if (((call.lent & WIRE_LENT_ROOM) != 0 && !take_memory(&at, end, &lent->room))
        || ((call.lent & WIRE_LENT_BIN) != 0 && !take_memory(&at, end, &lent->bin)) || call.n_args > WORKER_MAX_ARGS
        || (size_t) (end - at) != call.n_args * sizeof(term)) {
        return false;
    }
    channel_copy_few(lane->args, at, call.n_args * sizeof(term));
    lane->timeout_ms = call.timeout_ms;
    *out_caller = (term) { call.caller };
    *out_n = call.n_args;
    return true;
}

static bool take_call(struct worker_lane *lane, const struct frame_header *h, term *out_caller, size_t *out_n)
{
    struct worker_lent none;
    return worker_take_words(lane, channel_body(lane->channel), h->bytes, out_caller, out_n, &none);
}

static bool take_brief(struct worker_lane *lane, const struct brief *b, term *out_caller, size_t *out_n)
{
    struct worker_lent none;
    return worker_take_words(lane, b->body, b->h.bytes, out_caller, out_n, &none);
}

static void end_call(struct worker_lane *lane)
{
    (void) lane;
}

static bool serve_brief(struct worker_lane *lane, const struct slot *s)
{
    return serve_brief_with(lane, s, take_brief, worker_put_encoded, end_call);
}

const struct worker_mode worker_mode_read = { take_call, serve_brief, worker_put_encoded, end_call };
