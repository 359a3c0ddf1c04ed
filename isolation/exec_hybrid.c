/* exec_hybrid.c - in an OS process that sees the VM's term memory, read only.
 *
 * Arguments of any size cross as one word each and are read where they lie: the caller is suspended,
 * so its heap stands still. Results and messages come back encoded, as in ipc. With
 * scope => caller the worker sees nothing of the VM's memory: what the call passes is copied to it, as in ipc
 * (mapping just those pages costs more than copying what most calls pass; see doc/isolation.md).
 */
#include "isolation/remote/remote.h"
#include "isolation/remote/remote_internal.h"

static enum channel_status put_call(struct remote_lane *lane, struct native_call_elsewhere *call, uint64_t target)
{
    return remote_put_words(lane, call, target, NULL, NULL);
}

static const struct remote_mode mode_hybrid = {
    .memory = WORKER_MEMORY_READ,
    .put_call = put_call,
    .take_result = remote_take_encoded,
    .result = remote_encoded_result,
    .brief_result = remote_brief_encoded,
    .caller_only = &mode_ipc,
};

const struct executor_ops exec_hybrid = {
    .name = "hybrid",
    .summary = "an OS process that reads the VM's terms where they lie and cannot write them",
    .caps = EXEC_CAP_SURVIVES_CRASH | EXEC_CAP_TIMEOUT | EXEC_CAP_KILLABLE | EXEC_CAP_ASYNC | EXEC_CAP_PROTECTS_MEMORY,
    .call_elsewhere = remote_call,
    .call_many = remote_call_many,
    .open = remote_open,
    .close = remote_close,
    .remote = &mode_hybrid,
};
