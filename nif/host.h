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

struct nif_lib;
struct nif_resource;

enum nif_thread_type { NIF_THREAD_UNDEFINED, NIF_THREAD_NORMAL, NIF_THREAD_DIRTY_CPU, NIF_THREAD_DIRTY_IO };

struct nif_host {
    /* Unique in this program: references, resources, monitors. */
    uint64_t (*next_ref_id)(void);
    int64_t (*unique_integer)(bool monotonic);

    /* built NULL: message is copied. Else it lies in fragments of that heap, which are taken over
     * (the heap is empty afterwards) whether or not it is delivered. env: the sending environment,
     * NULL on other threads. false: nobody there. */
    bool (*send)(struct enif_environment_t *env, term to_pid, term message, struct heap *built);
    bool (*process_alive)(term pid);
    bool (*port_alive)(term port);
    bool (*caller_alive)(struct enif_environment_t *env); /* caller: not exiting? */
    term (*whereis)(term name);               /* pid, port or TERM_NONE */
    bool (*port_command)(struct enif_environment_t *env, term port, term data);

    /* Tells nif_resource_down(r, id, pid) on a scheduler thread when pid ends, unless demonitor
     * comes first. Holds one reference of r from success to demonitor or down. false: no such
     * process. demonitor: false if it is not there (any more). */
    bool (*monitor)(struct nif_resource *r, term pid, uint64_t id);
    bool (*demonitor)(struct nif_resource *r, uint64_t id, term *out_pid);

    /* caller: takes `percent` of a slice; true: it is used up. */
    bool (*consume_timeslice)(struct enif_environment_t *env, int percent);
    enum nif_thread_type (*thread_type)(void);
    unsigned (*schedulers)(void);
    /* There is something to do by nif_run_deferred() on a scheduler thread, soon. May be called inside a
     * collection: does not block, takes no lock above RANK_SIGNAL_QUEUE. */
    void (*wake_deferred)(void);
};
extern const struct nif_host *nif_host;

/* ---- what the host calls ---- */

/* Runs what waits: destructors, down and stop callbacks, unloads. Scheduler thread, outside calls
 * and collections. true: more came meanwhile. */
bool nif_run_deferred(void);
bool nif_deferred_pending(void);

#endif
