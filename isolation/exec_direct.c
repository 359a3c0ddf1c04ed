/* exec_direct.c - a plain call. Nothing is contained: a crash in here is the end of the VM. */
#include "isolation/executor.h"
#include "isolation/interpose.h"

_Thread_local struct native_library *direct_library __attribute__((tls_model("initial-exec")));

const struct native_library *interpose_direct_library(void)
{
    return direct_library;
}

static void call_direct(struct native_call *call, struct native_outcome *out)
{
    uintptr_t (*code)(uintptr_t, uintptr_t, uintptr_t);
    struct native_library *outer = direct_library;
    memcpy(&code, &call->code, sizeof(code));
    direct_library = call->library;
    out->value = code(call->arg[0], call->arg[1], call->arg[2]);
    direct_library = outer;
    out->status = NATIVE_RETURNED;
    out->crash = NULL;
}

const struct executor_ops exec_direct = {
    .name = "direct",
    .summary = "a plain call: nothing is contained",
    .caps = EXEC_CAP_LOCAL,
    .call = call_direct,
};
