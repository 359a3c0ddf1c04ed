/* nif_lib.h - a loaded library: the file, its entry, its functions, its private data.
 *
 * One struct nif_lib per (module instance, load_nif). References: the module instance (code
 * image), every call that may outlive it (dirty, rescheduled, in a worker), every live resource
 * object whose type has callbacks here. `unload` runs when the module instance goes; the file is closed
 * when the last reference goes, and never after a crash or when it started threads.
 */
#ifndef NIF_LIB_H
#define NIF_LIB_H

#include <stdatomic.h>

#include "nif/nif_env.h"
#include "vm/core/print.h"

/* What the native slot of a function points to. */
struct nif_func {
    struct nif_lib *lib;
    nif_fn fn;
    term module, name;
    uint32_t arity;
    uint32_t flags; /* 0, ERL_NIF_DIRTY_JOB_CPU_BOUND, ERL_NIF_DIRTY_JOB_IO_BOUND */
};

struct nif_lib {
    struct nif_lib *next; /* all libraries; RANK_NIF_LIB */
    _Atomic uint64_t refs;
    term module;
    char *path;           /* owned; as given to load_nif, with ".so" */
    void *handle;         /* of dlopen */
    const ErlNifEntry *entry;
    void *priv_data;      /* the library's */
    struct nif_func *funcs; /* owned */
    size_t n_funcs;
    uintptr_t text_start, text_end; /* its executable segment */
    _Atomic bool tainted;      /* a call was abandoned in it, or it has threads: never closed */
    bool loaded;          /* load or upgrade succeeded */
    bool open;            /* between that and unload */
    void *executor;       /* isolation's: policy, counters, executor of this library */
    void (*executor_free)(struct nif_lib *lib);
};

/* As erlang:load_nif/2 names its failures: {error, {kind, "text"}}. */
struct nif_error {
    term kind;
    struct text text; /* UTF-8; text_free it */
};

/* The VM's view of the module that loads: is name/arity there? */
enum nif_func_check { NIF_FUNC_OK, NIF_FUNC_NOT_FOUND, NIF_FUNC_NOT_DECLARED };
typedef enum nif_func_check (*nif_func_checker)(void *arg, term name, unsigned arity);

/* dlopen and all checks up to, but not including, load/upgrade. path without ".so". NULL and *error
 * if it cannot be. The result has one reference. */
struct nif_lib *nif_lib_open(term module, const char *path, nif_func_checker check, void *arg,
    struct nif_error *error) MUST_CHECK;
/* Runs load, or upgrade if previous != NULL. caller, pid, heap: of the process that loads. On false
 * *error is set, resource types are as before, and the caller drops its reference. */
bool nif_lib_start(struct nif_lib *lib, struct nif_lib *previous, struct heap *heap, void *caller, term pid,
    term load_info, struct nif_error *error) MUST_CHECK;
/* The module instance is gone: unload callback (deferred to a scheduler thread), then its reference. */
void nif_lib_release(struct nif_lib *lib);

static inline void nif_lib_ref(struct nif_lib *lib)
{
    atomic_fetch_add_explicit(&lib->refs, 1, memory_order_relaxed);
}
void nif_lib_unref(struct nif_lib *lib);

/* Calls fn for every library that is open. */
void nif_lib_each(void (*fn)(struct nif_lib *lib, void *arg), void *arg);
/* The library whose text holds pc, or NULL. Async-signal-safe. */
const struct nif_lib *nif_lib_of_pc(uintptr_t pc);

#endif
