/* nif_lib.h - a loaded library: the file, its entry, its functions, its private data.
 *
 * One struct nif_lib per (module instance, load_nif). References: the module instance (code
 * image), every call that may outlive it (dirty, rescheduled, in a worker), every live resource
 * object of a type with callbacks that it owns. When the last goes, `unload` runs and the file is
 * closed; it is never closed after a crash or when it started threads.
 */
#ifndef NIF_LIB_H
#define NIF_LIB_H

#include <stdatomic.h>

#include "nif/nif_resource.h"
#include "vm/core/print.h"

/* What the native slot of a function points to. */
struct nif_func {
    struct nif_lib *lib;
    nif_fn fn;
    term module, name;
    uint32_t arity;
    uint32_t flags; /* 0, ERL_NIF_DIRTY_JOB_CPU_BOUND, ERL_NIF_DIRTY_JOB_IO_BOUND */
    const char *module_text, *name_text; /* of the atoms, which live for ever */
    void *plain; /* isolation's record of the library, if any thread may call it; NULL: not yet known, or not so */
};

struct nif_lib {
    struct nif_lib *next; /* all libraries; RANK_NIF_LIB */
    _Atomic uint64_t refs;
    term module;
    char *path;      /* owned; as given to load_nif, with ".so" */
    void *dl_handle; /* of dlopen; NULL until it came back */
    const ErlNifEntry *entry;
    void *priv_data;        /* the library's */
    struct nif_func *funcs; /* owned */
    size_t n_funcs;
    _Atomic bool tainted; /* a call was abandoned in it, or it has threads: never closed */
    bool loaded;          /* load or upgrade succeeded */
    ErlNifOnHaltCallback *on_halt;
    struct nif_deferred ending;
    void *isolation; /* isolation's record: policy, counters, executor */
    uint32_t elsewhere; /* its number, if it was opened in another OS process; else 0 */
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
/* A library that has been opened and loaded in another OS process as number `elsewhere`. functions:
 * [{Name, Arity, Flags}] as that process says, checked here as if they had been found in the file. */
struct nif_lib *nif_lib_from_elsewhere(term module, const char *path, uint32_t elsewhere, term functions,
    nif_func_checker check, void *arg, struct nif_error *error) MUST_CHECK;
/* Runs load, or upgrade if previous != NULL. caller, pid, heap: of the process that loads. On false
 * *error is set, resource types are as before, and the caller drops its reference. */
bool nif_lib_start(struct nif_lib *lib, struct nif_lib *previous, struct heap *heap, void *caller,
    term pid, term load_info, struct nif_error *error) MUST_CHECK;
/* The module instance is gone: its resource types lose their names, and its reference goes. */
void nif_lib_release(struct nif_lib *lib);

static inline void nif_lib_ref(struct nif_lib *lib)
{
    atomic_fetch_add_explicit(&lib->refs, 1, memory_order_relaxed);
}
/* false: it is about to be closed. */
static inline MUST_CHECK bool nif_lib_try_ref(struct nif_lib *lib)
{
    size_t n = atomic_load_explicit(&lib->refs, memory_order_relaxed);
    while (n != 0 && !atomic_compare_exchange_weak_explicit(&lib->refs, &n, n + 1, memory_order_acquire, memory_order_relaxed)) {
    }
    return n != 0;
}
void nif_lib_unref(struct nif_lib *lib);

/* Called right before a file is closed: isolation forgets its code. */
extern void (*nif_lib_closing)(struct nif_lib *lib);
/* The program ends: callbacks that libraries asked for (ERL_NIF_OPT_ON_HALT). One thread, once. */
void nif_lib_halt(void);

/* Calls fn for every module that has had a library so far. */
void nif_lib_each_taint(void (*fn)(term module, void *arg), void *arg);
#endif
