/* host.h - what the NIF API needs from the program it runs in.
 *
 *   NIF -> enif_* (nif/) -> struct nif_host -> the VM: direct calls      vm/emu/nif_host.c
 *                                           -> a worker: messages       isolation
 * One host per program, set before the first library is loaded. All functions may be called by
 * any thread unless they say "caller": then the thread that runs the native call of `caller`.
 */
#ifndef NIF_HOST_H
#define NIF_HOST_H

#include "nif/nif_env.h"

enum nif_thread_type {
    NIF_THREAD_UNDEFINED,
    NIF_THREAD_NORMAL,
    NIF_THREAD_DIRTY_CPU,
    NIF_THREAD_DIRTY_IO
};

struct nif_host {
    /* Unique in this program: references, resources, monitors. */
    uint64_t (*next_ref_id)(void);
    uint64_t (*unique_integer)(bool monotonic); /* from 1 */
    int64_t (*time_offset_ns)(void);            /* Erlang system time minus monotonic time */
    int64_t (*now_us)(void);                    /* later at each call */

    /* built NULL: message is copied. Else it lies in fragments of that heap, which are taken over
     * (the heap is empty afterwards) whether or not it is delivered. env: the sending environment,
     * NULL on other threads. false: nobody there. */
    bool (*send)(struct enif_environment_t *env, term to_pid, term message, struct heap *built);
    bool (*process_alive)(term pid);
    bool (*port_alive)(term port);
    bool (*caller_alive)(struct enif_environment_t *env); /* caller: not exiting? */
    term (*whereis)(term name);                           /* pid, port or TERM_NONE */
    bool (*port_command)(struct enif_environment_t *env, term port, term data);

    /* From now on tell nif_process_ended(pid) when pid ends. false: it has ended. */
    bool (*watch)(term pid);

    /* caller: takes `percent` of a slice; true: it is used up. */
    bool (*consume_timeslice)(struct enif_environment_t *env, int percent);
    enum nif_thread_type (*thread_type)(void);
    unsigned (*schedulers)(void);
    /* There is something to do by nif_run_deferred() on a scheduler thread, soon. May be called
     * inside a collection: does not block, takes no lock but a scheduler's own. */
    void (*wake_deferred)(void);
};
extern const struct nif_host *nif_host;

struct nif_lib;

/* ---- what the executor (isolation) plugs in; the defaults suit unit tests ---- */

enum nif_leave_kind {
    NIF_LEAVE_PANIC,       /* nif_panic(), failed assertion: text is the reason */
    NIF_LEAVE_MISSING_API, /* text: name of the API function */
    NIF_LEAVE_BAD_TERM,    /* a word that is no term was given to the API; text: the API function */
    NIF_LEAVE_BAD_HANDLE, /* a resource, environment or lock that is none; text: the API function */
    NIF_LEAVE_LIMIT,      /* it builds terms without end; text: "memory" */
};
/* Ends the native call this thread is in; does not return. Outside a call: aborts with the text. */
extern void (*nif_leave)(enum nif_leave_kind kind, const char *text);

/* Runs library code that is not a NIF called by a process: dlopen (constructors), nif_init, load,
 * upgrade, unload, destructor, down, stop. fn(arg) calls it. false: it did not return (crash,
 * panic, timeout); that is reported and counted, the caller goes on. env: the environment it was
 * given, or NULL. */
enum nif_callback {
    NIF_CB_OPEN,
    NIF_CB_INIT,
    NIF_CB_LOAD,
    NIF_CB_UPGRADE,
    NIF_CB_UNLOAD,
    NIF_CB_DESTRUCTOR,
    NIF_CB_DOWN,
    NIF_CB_STOP
};
extern bool (*nif_run_callback)(struct nif_lib *lib, enum nif_callback what,
    struct enif_environment_t *env, void (*fn)(void *arg), void *arg);

/* ---- what the host calls ---- */

/* Once, before the first library is loaded. */
void nif_api_init(const struct nif_host *host);

/* Runs what waits: destructors, down and stop callbacks, unloads. Scheduler thread, outside calls
 * and collections. true: more came meanwhile. */
bool nif_run_deferred(void);
bool nif_deferred_pending(void);

/* pid has ended: queues the down callbacks of objects that watch it. Scheduler thread, after
 * process_alive(pid) became false. Cheap when nothing is watched. */
void nif_process_ended(term pid);
/* The objects that watch pid, as resource terms on h in front of tail. */
term nif_monitor_list(struct heap *h, term pid, term tail);

#endif
