/* exec_hybrid.c - in an OS process that sees the VM's term memory, read only.
 *
 * Arguments of any size cross as one word each and are read where they lie: the caller is suspended,
 * so its heap stands still. Results and messages come back encoded, as in ipc. With
 * scope => caller the worker sees nothing of the VM's memory: what the call passes is copied to it, as in ipc
 * (mapping just those pages costs more than copying what most calls pass; see doc/isolation.md).
 */
#include "isolation/remote/call_brief_terms.h"

/* A resource whose worker has ended, or that only another worker has, as an argument: what the encoder
 * finds in the modes that encode. Deeper in the terms the worker itself finds that it has no such thing. */
static bool resource_elsewhere(struct remote_lane *lane, term t)
{
    if (term_has_tag(t, TAG_RESOURCE)) {
        lane->out.refused = false;
        (void) remote_handle_of(lane, term_words(t));
        return lane->out.refused;
    }
    return false;
}

enum channel_status remote_put_words(struct remote_lane *lane, struct native_call_elsewhere *call, uint64_t target,
    const struct wire_memory *room, const struct wire_memory *bin)
{
    struct frame_header h = { .kind = FRAME_CALL, .number = lane->number, .extra = target };
    if (room == NULL && bin == NULL && brief_put_words(lane, h, call->pid, call->args, call->func->arity)) {
        return CHANNEL_OK;
    }
    for (size_t i = 0; i < call->func->arity; i++) {
        if (resource_elsewhere(lane, call->args[i])) {
            return CHANNEL_FULL;
        }
    }
    struct wire_shared_call head = { call->pid.word, lane->timeout_ms, (uint16_t) call->func->arity,
        (uint16_t) ((room != NULL ? WIRE_LENT_ROOM : 0) | (bin != NULL ? WIRE_LENT_BIN : 0)) };
    struct channel_part parts[] = { { &head, sizeof(head) }, { room, room != NULL ? sizeof(*room) : 0 },
        { bin, bin != NULL ? sizeof(*bin) : 0 }, { call->args, call->func->arity * sizeof(term) } };
    return channel_send(lane->channel, &h, parts, ARRAY_LEN(parts));
}

static enum channel_status put_call(struct remote_lane *lane, struct native_call_elsewhere *call, uint64_t target)
{
    return remote_put_words(lane, call, target, NULL, NULL);
}

static term call_brief(const struct nif_func *f, const term *args, term pid, struct heap *h, struct native_progress **progress,
    struct remote_lane *lane)
{
    return call_brief_with(f, args, pid, h, progress, lane, brief_put_words, brief_get_encoded);
}

static const struct remote_mode mode_hybrid = {
    .memory = WORKER_MEMORY_READ,
    .put_call = put_call,
    .take_result = remote_take_encoded,
    .result = remote_encoded_result,
    .call_brief = call_brief,
    .caller_only = &mode_ipc,
};

const struct executor_ops exec_hybrid = {
    .name = "hybrid",
    .summary = "an OS process that reads the VM's terms where they lie and cannot write them",
    .caps = EXEC_CAP_SURVIVES_CRASH | EXEC_CAP_TIMEOUT | EXEC_CAP_KILLABLE | EXEC_CAP_ASYNC | EXEC_CAP_PROTECTS_MEMORY,
    .call_brief = remote_call_brief,
    .call_elsewhere = remote_call,
    .call_many = remote_call_many,
    .open = remote_open,
    .close = remote_close,
    .remote = &mode_hybrid,
};
