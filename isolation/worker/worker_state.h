/* worker_state.h - what the files of the worker share.
 *
 *   main thread      datagrams of the VM; runs no library code
 *   one per lane     calls, load and upgrade
 *   deferred thread  destructors, down and stop callbacks, unload
 */
#ifndef ISOLATION_WORKER_STATE_H
#define ISOLATION_WORKER_STATE_H

#include <stdatomic.h>

#include "isolation/remote/term_message.h"
#include "nif/nif_env.h"
#include "nif/nif_lib.h"

struct slot;
struct worker_lane;

/* How arguments come in and results go out: what differs between the modes. */
struct worker_mode {
    /* The arguments of a FRAME_CALL, to lane->args. false: nonsense, or no memory. */
    bool (*take_call)(struct worker_lane *lane, const struct frame_header *h, term *out_caller, size_t *out_n);
    /* All of a small call, whose frame is still in the channel: see worker_brief.h. false: it takes the other. */
    bool (*serve_brief)(struct worker_lane *lane, const struct slot *s);
    /* Sends FRAME_RESULT. Also the place to end what the mode did to lane->heap. */
    void (*put_result)(struct worker_lane *lane, term result);
    /* The call is over, whatever came of it. */
    void (*end_call)(struct worker_lane *lane);
};
extern const struct worker_mode worker_mode_own, worker_mode_read, worker_mode_write;
void worker_mode_write_init(void);
/* Sends t, with what belongs before it. Whoever asked gets an answer: if there is no memory for t or it is too large,
 * `instead` (with FRAME_RAISED for FRAME_RESULT); if that is TERM_NONE or cannot be sent either the worker ends. */
void worker_answer(struct worker_lane *lane, const struct frame_header *h, const void *prefix, size_t prefix_bytes,
    term t, term instead);
/* put_result of the modes that send results encoded. */
void worker_put_encoded(struct worker_lane *lane, term result);

enum { WORKER_MAX_ARGS = 256, WORKER_MAX_LIBRARIES = 8 };

struct worker_library {
    _Atomic uint32_t id; /* 0: unloaded */
    struct nif_lib *nif; /* one reference */
};

struct worker_lane {
    unsigned index;
    struct channel *channel;
    struct term_writer out;
    struct term_reader in;
    struct heap heap;             /* the "caller's heap" of its calls */
    struct heap_mark empty;
    uint32_t number;              /* of the call in progress */
    _Atomic uint32_t running;     /* the same, 0: none: for ABANDON */
    _Atomic uint32_t abandoned;   /* number of the last call that nobody waits for */
    struct native_thread *_Atomic thread; /* record of its thread */
    uint32_t timeout_ms;          /* of its call */
    int percent;                  /* of a time slice that the call has consumed */
    unsigned flags;               /* dirty flags of the function */
    struct native_call call;      /* what runs, and its environment: kept from call to call */
    struct enif_environment_t env;
    term args[WORKER_MAX_ARGS];
};

struct worker {
    int socket;
    struct setup setup;
    const struct worker_mode *mode;
    struct worker_lane *lanes[PROTOCOL_MAX_LANES];
    bool forked;           /* this is a child that the library made: the channels are its parent's */
    struct worker_library libraries[WORKER_MAX_LIBRARIES]; /* changed by one lane at a time: the VM sees to it */
    _Atomic unsigned n_libraries;
};
extern struct worker worker;
/* The lane this thread serves, or NULL. */
extern _Thread_local struct worker_lane *worker_lane __attribute__((tls_model("initial-exec")));

/* worker_mode_read.c: a call whose arguments are words, in n bytes of body. lent: what came along, 0 if nothing. false:
 * nonsense. */
struct worker_lent {
    struct wire_memory room, bin;
};
bool worker_take_words(struct worker_lane *lane, const uint8_t *body, uint64_t n, term *out_caller, size_t *out_n,
    struct worker_lent *lent);

/* worker_lane.c */
void worker_lane_start(unsigned index, enum channel_transport t, const int *fds, size_t n_fds);
/* Ends the call with that number, if it still runs. */
void worker_lane_abandon(unsigned index, uint32_t number);

/* worker_library.c: FRAME_OPEN; answers it. */
void worker_open(struct worker_lane *lane, const struct frame_header *h);
struct worker_library *worker_library(uint32_t id); /* NULL: it has none like that; 0: a free place */
static inline struct nif_func *worker_function(uint64_t target) /* NULL: there is none */
{
    uint32_t id = (uint32_t) (target >> 32), i = (uint32_t) target;
    /* Most have but one. The caller's call came after it was there. */
    const struct worker_library *l = atomic_load_explicit(&worker.libraries[0].id, memory_order_acquire) == id
                                         ? &worker.libraries[0] : worker_library(id);
    return l != NULL && i < l->nif->n_funcs ? &l->nif->funcs[i] : NULL;
}
void worker_unload(uint32_t id);
void worker_unload_all(void);

/* worker_crash.c: what became of a call that did not return, as it crosses. */
void worker_crash_init(void);
void worker_describe(struct wire_crash *out, const struct native_outcome *o);

/* worker_main.c: ends the program before it has begun, with a line that says for lack of what. */
_Noreturn void worker_lacks(const char *what);

/* worker_host.c */
void worker_host_init(void);
void worker_close(void); /* unloads everything and ends the program, on the deferred thread */
void worker_answered(const struct datagram *d); /* main thread: ANSWER */
/* Writes one datagram. Any thread. */
void worker_datagram(const struct datagram *d, const void *payload, size_t n);
uint64_t worker_handle_of(void *arg, const uintptr_t *object);
term worker_resource(void *arg, struct heap *h, uint64_t handle);
/* Asks the VM and waits for its answer. Any thread. */
uint64_t worker_ask(enum ask_kind what, const void *body, size_t n);

#endif
