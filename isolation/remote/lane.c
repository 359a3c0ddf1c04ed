/* lane.c - reading what a worker says on a lane, and making lanes. */
#include <string.h>

#include "isolation/remote/remote_internal.h"

enum { MAX_QUESTION = 64 << 10, FRAMES_AT_ONCE = 500 };

struct remote_lane *lane_new_locked(struct remote_worker *w)
{
    enum channel_transport t = (enum channel_transport) library_policy(w->pool->library, POLICY_TRANSPORT);
    int fds[CHANNEL_MAX_FDS];
    if (w->n_lanes == PROTOCOL_MAX_LANES || w->state == WORKER_DEAD) {
        return NULL;
    }
    struct channel *c = channel_new(t);
    if (c == NULL) {
        return NULL;
    }
    struct remote_lane *lane = vm_zalloc(sizeof(*lane));
    lane->worker = w;
    lane->channel = c;
    lane->transport = t;
    lane->may_spin = channel_several_cpus();
    lane->index = w->n_lanes;
    lane->deadline_ns = INT64_MAX;
    lane->in.resource = remote_resource_term;
    lane->in.arg = w;
    lane->out.ext.handle_of = remote_handle_of;
    lane->out.ext.arg = lane;
    w->lanes[lane->index] = lane;
    w->n_lanes++;
    size_t n = channel_worker_fds(c, fds);
    outbox_send(w, &(struct datagram) { .kind = DATAGRAM_LANE, .value = lane->index | (uint64_t) t << 8 }, NULL, 0, fds, n);
    channel_close_worker_fds(c);
    watcher_add_lane(lane);
    return lane;
}

void lane_forget_call(struct remote_lane *lane)
{
    term_reader_drop(&lane->in);
    if (lane->worker->mode->drop != NULL) {
        lane->worker->mode->drop(lane);
    }
}

static bool serve_question(struct remote_lane *lane, const struct tainted_frame *f)
{
    uint8_t local[512], *body = local;
    uint64_t answer = 0;
    if (f->bytes > MAX_QUESTION) {
        return false;
    }
    if (f->bytes > sizeof(local)) {
        body = vm_alloc(f->bytes);
    }
    bool good = channel_read(lane->channel, body, f->bytes);
    channel_done(lane->channel);
    good = good && service_ask(lane, lane->worker, f->extra, body, f->bytes, &answer);
    if (body != local) {
        vm_free(body);
    }
    struct frame_header h = { .kind = FRAME_ANSWER, .number = lane->number, .extra = answer };
    if (!good) {
        return false;
    }
    enum channel_status sent = channel_send(lane->channel, &h, NULL, 0);
    return sent == CHANNEL_OK || sent == CHANNEL_CLOSED; /* it ended after it asked: receiving says so */
}

static bool take_crash(struct remote_lane *lane, uint64_t bytes)
{
    return bytes > sizeof(lane->crash) && channel_read(lane->channel, &lane->crash, sizeof(lane->crash))
           && term_receive(&lane->in, lane->channel, bytes - sizeof(lane->crash));
}

/* true: the frame is as it should be. *out_answered: it was the last of its call. */
static bool take_frame(struct remote_lane *lane, const struct tainted_frame *f, bool *out_answered)
{
    uint64_t kind;
    bool good;
    *out_answered = false;
    lane->in.no_memory = false;
    if (!tainted_is(f->number, lane->number) || !tainted_below(f->kind, FRAME_ASK + 1, &kind)) {
        return false;
    }
    lane->extra = f->extra;
    lane->begun = true;
    switch ((enum frame_kind) kind) {
    case FRAME_RESULT: good = lane->worker->mode->take_result(lane, f->bytes); break;
    case FRAME_RAISED:
    case FRAME_OPENED: good = term_receive(&lane->in, lane->channel, f->bytes); break;
    case FRAME_CRASHED: good = take_crash(lane, f->bytes); break;
    case FRAME_SEND:
        good = term_receive(&lane->in, lane->channel, f->bytes);
        channel_done(lane->channel);
        return (good && service_send(lane->worker, f->extra, &lane->in)) || lane->in.no_memory;
    case FRAME_ASK: return serve_question(lane, f);
    case FRAME_OPEN:
    case FRAME_CALL:
    case FRAME_CALL_MANY:
    case FRAME_ANSWER:
    default: return false;
    }
    channel_done(lane->channel);
    good = good || lane->in.no_memory; /* ours: the call ends with that, the worker has done nothing wrong */
    lane->answer = (uint32_t) kind;
    *out_answered = good;
    return good;
}

enum lane_progress lane_read(struct remote_lane *lane)
{
    struct frame_header h;
    for (int i = 0; i < FRAMES_AT_ONCE; i++) {
        switch (channel_receive(lane->channel, &h)) {
        case CHANNEL_EMPTY: return LANE_NOTHING;
        case CHANNEL_CLOSED: return LANE_CLOSED;
        case CHANNEL_FULL:
        case CHANNEL_BROKEN: return LANE_VIOLATED;
        case CHANNEL_OK: break;
        }
        struct tainted_frame f = taint_frame(&h);
        bool answered;
        if (!take_frame(lane, &f, &answered)) {
            return LANE_VIOLATED;
        }
        if (answered) {
            return LANE_ANSWERED;
        }
    }
    return LANE_MORE;
}
