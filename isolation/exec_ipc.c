/* exec_ipc.c - in an OS process of its own that shares nothing with the VM but channels. */
#include "isolation/remote/call_brief_terms.h"

static inline bool brief_put(struct remote_lane *lane, struct frame_header h, term pid, const term *args, uint32_t n)
{
    struct wire_call prefix = { pid.word, lane->timeout_ms, n };
    return brief_send_terms(lane->channel, h, &prefix, sizeof(prefix), args, n);
}

static enum channel_status put_call(struct remote_lane *lane, struct native_call_elsewhere *call, uint64_t target)
{
    struct frame_header h = { .kind = FRAME_CALL, .number = lane->number, .extra = target };
    struct wire_call prefix = { call->pid.word, lane->timeout_ms, call->func->arity };
    bool too_large;
    if (brief_put(lane, h, call->pid, call->args, prefix.n_args)) {
        return CHANNEL_OK;
    }
    return term_send_all(&lane->out, lane->channel, &h, &prefix, sizeof(prefix), call->args, call->func->arity, &too_large);
}

bool remote_take_encoded(struct remote_lane *lane, uint64_t bytes)
{
    return term_receive(&lane->in, lane->channel, bytes);
}

term remote_encoded_result(struct remote_lane *lane, struct heap *h, enum native_panic *out_panic)
{
    *out_panic = PANIC_PROTOCOL;
    return term_decode(&lane->in, h, 0);
}

static term call_brief(const struct nif_func *f, const term *args, term pid, struct heap *h, struct native_progress **progress,
    struct remote_lane *lane)
{
    return call_brief_with(f, args, pid, h, progress, lane, brief_put, brief_get_encoded);
}

const struct remote_mode mode_ipc = {
    .memory = WORKER_MEMORY_OWN,
    .put_call = put_call,
    .take_result = remote_take_encoded,
    .result = remote_encoded_result,
    .call_brief = call_brief,
};

const struct executor_ops exec_ipc = {
    .name = "ipc",
    .summary = "an OS process of its own; terms cross as messages: nothing is shared",
    .caps = EXEC_CAP_SURVIVES_CRASH | EXEC_CAP_TIMEOUT | EXEC_CAP_KILLABLE | EXEC_CAP_ASYNC | EXEC_CAP_PROTECTS_MEMORY,
    .call_brief = remote_call_brief,
    .call_elsewhere = remote_call,
    .call_many = remote_call_many,
    .open = remote_open,
    .close = remote_close,
    .remote = &mode_ipc,
};
