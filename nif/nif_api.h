/* nif_api.h - the table of API functions (api.def), for `bulkhead info` and tests. */
#ifndef NIF_API_H
#define NIF_API_H

#include "lib/base/base.h"

enum nif_api_needs { NIF_NEEDS_ENV, NIF_NEEDS_HOST, NIF_NEEDS_PLAIN };
enum nif_api_state { NIF_STATE_DONE, NIF_STATE_MISSING };

struct nif_api_row {
    const char *name, *group, *since;
    enum nif_api_needs needs;
    enum nif_api_state state;
    void (*function)(void); /* also makes the linker keep every one of them */
};
extern const struct nif_api_row nif_api[];
extern const size_t nif_api_count;

#endif
