/* remote.h - libraries that run in workers: what the executors ipc, hybrid and shared_heap are made of.
 *
 *   process ── remote_call() ─► pool of the library ─► lane of a worker ─► channel
 *      ▲                            ▲    ▲
 *      │ executor_wake(pid)         │    └── nursery thread: starts workers, spares, back-off
 *      └────────────────────────────┴─────── watcher thread: replies of parked calls, deaths, deadlines
 *
 * A calling process first waits for its answer on its scheduler, for as long as nothing else
 * wants that thread: spinning if that has paid lately, then asleep. After that it is parked.
 * The modes share all this; what they share with the worker is struct remote_mode.
 */
#ifndef ISOLATION_REMOTE_H
#define ISOLATION_REMOTE_H

#include "isolation/executor.h"
#include "isolation/remote/tainted.h"
#include "isolation/remote/term_message.h"
#include "nif/nif_lib.h"

struct brief;
struct remote_lane;
struct remote_worker;

/* The difference between the modes: two functions each way. All on the caller's thread. */
struct remote_mode {
    enum worker_memory memory;
    /* Sends FRAME_CALL for the arguments. CHANNEL_OK, or why not. */
    enum channel_status (*put_call)(struct remote_lane *lane, struct native_call_elsewhere *call, uint64_t target);
    /* Takes a FRAME_RESULT's body off the channel, on whatever thread reads the lane. false: violation. */
    bool (*take_result)(struct remote_lane *lane, uint64_t bytes);
    /* What was taken, as a term on h, on the caller's thread. TERM_NONE: violation, *out says which. */
    term (*result)(struct remote_lane *lane, struct heap *h, enum native_panic *out_panic);
    /* A small call without timeout, on a lane that was at hand, as a whole: see call_brief.h. */
    term (*call_brief)(const struct nif_func *f, const term *args, term pid, struct heap *h, struct native_progress **progress,
        struct remote_lane *lane);
    /* The call ended without a result, and its worker can no longer touch what it was given. May be NULL. */
    void (*drop)(struct remote_lane *lane);
    void (*end_lane)(struct remote_lane *lane); /* its worker has ended; may be NULL */
    /* Instead of this mode with scope => caller. NULL: it makes no difference. */
    const struct remote_mode *caller_only;
    /* ASK_MEMORY: room for so many words of the result; *out its address, 0: none. false: violation. May be NULL. */
    bool (*memory_for)(struct remote_lane *lane, tainted words, uint64_t *out);
};

extern const struct remote_mode mode_ipc;

/* take_result and result of the modes whose results cross encoded. */
bool remote_take_encoded(struct remote_lane *lane, uint64_t bytes);
term remote_encoded_result(struct remote_lane *lane, struct heap *h, enum native_panic *out_panic);

/* Sends FRAME_CALL with the argument words. For put_call of the modes that share memory. room, bin: what is lent to the worker;
 * NULL: nothing. */
enum channel_status remote_put_words(struct remote_lane *lane, struct native_call_elsewhere *call, uint64_t target,
    const struct wire_memory *room, const struct wire_memory *bin);

/* executor_ops.call_brief, .call_elsewhere, .call_many, .open and .close of all three. */
term remote_call_brief(const struct nif_func *f, const term *args, term pid, struct heap *h, struct native_progress **progress);
void remote_call(struct native_call_elsewhere *call, struct native_outcome *out);
void remote_call_many(struct native_call_elsewhere *call, struct native_outcome *out);
void remote_open(struct native_call_elsewhere *call, struct native_outcome *out);
void remote_close(struct native_library *library, uint32_t id);

/* Host's: a process ended that a worker's resource may watch. Cheap when none does. */
void remote_process_ended(term pid);

/* More workers, or fewer, may be wanted now. Nothing if the library has none. */
void remote_policy_changed(struct native_library *library);

/* For isolation:info/1. */
struct remote_worker_info {
    int os_pid;
    uint64_t calls;
    unsigned lanes, busy_lanes, resources;
    const char *state; /* static */
};
struct remote_info {
    uint64_t restarts;
    unsigned waiting; /* calls without a lane */
    bool open_circuit;
    size_t n_workers; /* there are; at most room are filled in */
};
void remote_info(const struct native_library *library, struct remote_info *out, struct remote_worker_info *workers, size_t room);

#endif
