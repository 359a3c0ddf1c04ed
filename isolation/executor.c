#include "isolation/executor.h"

#include "nif/nif_lib.h"

const struct executor_ops *const executor_table[] = {
    &exec_in_process,
    &exec_direct,
    &exec_ipc,
    &exec_hybrid,
    &exec_shared_heap,
};
const size_t executor_count = ARRAY_LEN(executor_table);

const struct executor_ops *executor_default(void)
{
    return executor_table[0];
}

const char *native_call_name(const struct native_call *call)
{
    return call->name != NULL ? call->name : call->func != NULL ? atom_cstr(call->func->name) : "?";
}
