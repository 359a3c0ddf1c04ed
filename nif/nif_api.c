#include "nif/nif_api.h"

#include "nif/host.h"
#include "nif/nif_resource.h"

/* What a missing function does. The prototypes of erl_nif.h do not matter to a function that only
 * leaves, so the stub has a name of its own and takes the API name in the object file. */
#define STUB_DONE(name)
#define STUB_MISSING(name)                                                                         \
    void missing_##name(void) __asm__(#name);                                                      \
    __attribute__((visibility("default"))) void missing_##name(void)                               \
    {                                                                                              \
        nif_leave(NIF_LEAVE_MISSING_API, #name);                                                   \
    }
#define NIF_API(name, group, since, needs, state) STUB_##state(name)
#include "nif/api.def"
#undef NIF_API

/* The table takes addresses only, so every function may have the type void (*)(void) here. */
#define ROW(name, group, since, needs, state)                                                      \
    { #name, #group, since, NIF_NEEDS_##needs, NIF_STATE_##state, (void (*)(void)) name },

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wcast-function-type"
const struct nif_api_row nif_api[] = {
#define NIF_API(name, group, since, needs, state) ROW(name, group, since, needs, state)
#include "nif/api.def"
#undef NIF_API
};
#pragma GCC diagnostic pop
const size_t nif_api_count = ARRAY_LEN(nif_api);

const struct nif_host *nif_host;

/* Term memory is nearly used up and this heap holds much of it. */
static void over_limit(struct heap *h)
{
    const struct enif_environment_t *env = nif_env_current;
    if (env != NULL && nif_guard.depth > 0 && nif_guard.in_vm == 0
        && (env->heap == h || h->start == NULL)) {
        nif_leave(NIF_LEAVE_LIMIT, "memory");
    }
}

void nif_api_init(const struct nif_host *host)
{
    nif_host = host;
    heap_limit_hook = over_limit;
    nif_resource_init();
}
