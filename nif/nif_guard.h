/* nif_guard.h - what the NIF API and the executors must know of each other.
 *
 * The API runs on the thread, and often on the stack, of the NIF that called it. Two questions
 * arise, and this header answers both without the API knowing any executor:
 *
 *  - Whose fault is a fault in here? Reading what the NIF handed over (a wild term, a NULL
 *    pointer) is the NIF's: the call is abandoned there and then. Between nif_guard_enter() and
 *    nif_guard_leave() the VM changes its own structures: a fault is the VM's own and ends it, and
 *    a timeout waits. A thread that holds a struct lock counts as inside. So: read the NIF's
 *    memory first, then enter (or lock).
 *  - How does the API call library code (load, destructor, stop, down), or give up the call it is
 *    in (nif_panic, a function that is not there)? Through nif_hooks, which the executors fill in.
 */
#ifndef NIF_GUARD_H
#define NIF_GUARD_H

#include "lib/base/base.h"

struct nif_lib;

struct nif_guard {
    uint32_t in_vm; /* nesting of critical sections */
    uint32_t depth; /* protected native calls in progress on this thread */
};
extern _Thread_local struct nif_guard nif_guard __attribute__((tls_model("initial-exec")));

static inline void nif_guard_enter(void)
{
    nif_guard.in_vm++;
    __asm__ volatile("" ::: "memory"); /* the signal handler of this thread reads it */
}
static inline void nif_guard_leave(void)
{
    __asm__ volatile("" ::: "memory");
    nif_guard.in_vm--;
}

/* What is called in a library. Every one is a C function of at most four word-sized arguments. */
enum nif_entry {
    NIF_ENTRY_FUNCTION, /* env, argc, argv */
    NIF_ENTRY_LOAD,     /* env, void **priv, load_info */
    NIF_ENTRY_UPGRADE,  /* env, void **priv, void **old_priv, load_info */
    NIF_ENTRY_UNLOAD,   /* env, void *priv */
    NIF_ENTRY_DTOR,     /* env, object */
    NIF_ENTRY_STOP,     /* env, object, event, is_direct_call */
    NIF_ENTRY_DOWN,     /* env, object, pid *, monitor * */
    NIF_ENTRY_DYNCALL,  /* env, object, call_data */
    NIF_ENTRY_INIT,     /* nif_init(): no arguments; returns ErlNifEntry * */
    NIF_ENTRY_THREAD,   /* argument */
    NIF_ENTRY_OPEN,     /* path, flags: dlopen, which runs the library's constructors */
};

struct nif_hooks {
    /* Calls fn(arg[0], ..., arg[3]) as `entry` of lib, under lib's policy. false: the call was
     * abandoned (it has been reported; *out_result is 0). name: for reports, may be NULL. */
    bool (*call)(struct nif_lib *lib, enum nif_entry entry, const char *name, void *fn,
        const uintptr_t arg[4], uintptr_t *out_result);
    /* Abandon the native call in progress: {nif_panic, Reason, Trace} with Reason the text as a
     * binary, or {missing_api, Name}. Outside of a protected call: a fatal report. */
    _Noreturn void (*panic)(const char *text, size_t bytes);
    _Noreturn void (*missing_api)(const char *name);
    /* A library was opened (handle of dlopen) or is about to be closed. May be NULL. */
    void (*lib_opened)(struct nif_lib *lib, const char *module, const char *path, void *handle);
    void (*lib_closed)(struct nif_lib *lib);
};
/* Plain calls, and abort(), until an executor library fills it in at start. */
extern struct nif_hooks nif_hooks;

#endif
