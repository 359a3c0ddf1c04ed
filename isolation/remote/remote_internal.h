/* remote_internal.h - what the files of isolation/remote share on the VM's side.
 *
 * Locks: pool->lock guards the pool's lists, the states of its workers, lanes and calls. It is a leaf but for
 * memory; processes are woken after it has been dropped. A lane's channel belongs to whoever
 * lane->reader says; while that is its caller, so does the state of its call.
 *
 * The usual call takes no lock: the lane of the last one is kept at hand (pool->at_hand) as if it were still
 * busy, and taken by one exchange. Who keeps it there reads pool->changes, looks whether anything speaks against it, puts
 * it there, and reads pool->changes again. Who changes something that speaks against it does so, under the lock, then counts
 * pool->changes up, then takes the lane from there: pool_recall_locked(). So one of the two sees the other.
 */
#ifndef ISOLATION_REMOTE_INTERNAL_H
#define ISOLATION_REMOTE_INTERNAL_H

#include <stdatomic.h>

#include "isolation/remote/heap_digest.h"
#include "isolation/remote/remote.h"
#include "isolation/remote/tainted.h"
#include "isolation/remote/zygote.h"
#include "lib/base/lock.h"
#include "vm/core/resource.h"

enum {
    POOL_MAX_WORKERS = 2 * POLICY_MAX_WORKERS, /* of the pool and spare */
    POOL_MAX_LIBRARIES = 8,
    POOL_DEATHS_REMEMBERED = POLICY_MAX_RESTARTS + 1,
};
_Static_assert((int) POLICY_MAX_THREADS <= (int) PROTOCOL_MAX_LANES, "each has a lane");

/* Who may touch a lane's channel. */
enum lane_reader {
    READER_NOBODY,  /* idle; whoever is granted the lane */
    READER_CALLER,  /* the calling process's thread waits for the answer itself */
    READER_CALLER_RANG, /* ... and the doorbell rang meanwhile: look again before parking */
    READER_WATCHER, /* parked: the doorbell is armed */
    READER_AT_WORK, /* the watcher reads just now */
};

enum call_state {
    CALL_WAITING,  /* for a lane */
    CALL_GRANTED,  /* has one; its process has been woken to use it */
    CALL_SENT,     /* as RUNNING, but its thread, still the lane's reader, has not begun to wait */
    CALL_RUNNING,
    CALL_ANSWERED, /* lane->answer and what it received are to be looked at */
    CALL_LOST,     /* the worker ended: outcome */
    CALL_REFUSED,  /* the pool serves nobody just now: outcome */
};

/* One native call from its first attempt to its end; the process's `progress`. */
struct remote_progress {
    struct native_progress base;
    struct remote_pool *pool;
    struct remote_lane *lane;     /* GRANTED to ANSWERED */
    struct remote_worker *wanted; /* owner of a resource in the arguments; a reference; else NULL */
    struct remote_progress *_Atomic next; /* waiting ones, in order */
    _Atomic uint32_t state;       /* enum call_state; written under pool->lock */
    term pid;
    uint32_t library_id;           /* FRAME_OPEN: the number it will have */
    _Atomic bool reads;            /* GRANTED: it is the lane's reader already */
    bool stale;                    /* REFUSED: the worker it wanted has ended */
    struct native_outcome outcome; /* LOST, REFUSED */
    struct heap_digest digest;     /* shared_heap with verify => true */
};

struct remote_lane {
    struct remote_worker *worker;
    struct channel *channel;
    struct remote_progress *progress; /* its call; NULL: idle, or the call was cancelled */
    struct remote_lane *next_idle;
    unsigned index;
    enum channel_transport transport;
    uint32_t number;          /* of the last request */
    _Atomic uint32_t reader;  /* enum lane_reader */
    bool busy;                /* a request is out */
    bool begun;               /* the worker has spoken in the name of the call: it runs */
    bool cancelled;           /* nobody waits for it */
    bool may_be_brief;        /* at hand: no option and no bad luck speaks against call_brief.h */
    uint32_t changes;         /* pool->changes before it was last looked whether it may be kept at hand */
    _Atomic bool refused;     /* its worker cannot serve it */
    uint32_t answer;          /* enum frame_kind, once it is there */
    _Atomic int64_t deadline_ns; /* when the worker is killed for it; INT64_MAX: never */
    _Atomic uint32_t timeout_ms; /* policy at the start of the call */
    struct term_writer out;
    struct term_reader in;
    struct wire_crash crash;  /* answer FRAME_CRASHED; unchecked */
    struct native_outcome verdict; /* why its worker was killed, if for this call; else zero */
    _Atomic bool more;        /* the reader stopped in the middle of what there is: the watcher goes on */
    bool stale;               /* the arguments hold a resource that no worker has any more */
    struct remote_worker *other_owner; /* ... or another worker's; a reference */
    tainted extra;            /* of that frame */
    void *shared;             /* the mode's own */
    struct kept_heap *kept;   /* the heap its call reads, whose process has ended; NULL: none */
    bool may_spin;            /* there was more than one CPU to run on when it was made */
    unsigned spin_misses;     /* times in a row that spinning did not pay */
    bool has_waited;          /* for an answer, so that the worker has touched what a call needs */
    _Atomic uint64_t calls;   /* written by who has the lane */
    unsigned since_trim;      /* calls since the memory of large bodies was last given back */
};

enum worker_state {
    WORKER_EMBRYO,   /* set up, but no library has been opened: nursery.c */
    WORKER_STARTING, /* libraries are being opened */
    WORKER_READY,
    WORKER_SPARE,    /* as READY, but kept back */
    WORKER_RETIRING, /* gets no more calls; ends when the last is over */
    WORKER_DEAD,
};

struct remote_worker {
    struct remote_pool *pool;
    struct remote_worker *next;
    struct worker_process process;
    uint32_t serial;
    _Atomic uint32_t refs;    /* pool's list, busy lanes, calls' wishes, watches: at 0 it gives back all but the record */
    _Atomic uint32_t holders; /* of the record: its resources in the VM, and one for all refs */
    _Atomic enum worker_state state; /* changed under pool->lock */
    const struct remote_mode *mode;
    _Atomic bool dead;
    _Atomic bool doomed; /* it crashed and has no call left: it is told nothing any more, and killed soon */
    _Atomic bool tainted; /* a call crashed in it: it is killed rather than closed */
    _Atomic int64_t close_deadline_ns; /* RETIRING: when it is killed for not ending; INT64_MAX */
    struct worker_end end;
    struct native_outcome verdict; /* under pool->lock: why we killed it, for all its calls; zero: its end says it */
    struct remote_lane *lanes[PROTOCOL_MAX_LANES];
    _Atomic unsigned n_lanes; /* grows under pool->lock */
    bool no_more_lanes;       /* it could not serve another */
    unsigned n_busy;
    struct remote_lane *idle;
    uint32_t n_opened; /* id of the last library that it opened, or is just opening */
    uint64_t stack_bytes; /* policy when it was started */
    uint32_t timeout_ms;  /* the same */
    /* Resources of this worker that the VM has references to; by handle. */
    struct lock resources_lock;
    struct remote_resource **buckets;
    size_t n_buckets, n_resources;
    /* Datagrams that did not fit its socket. */
    struct outgoing *outbox, **outbox_end;
    size_t n_outgoing;
    struct lock outbox_lock;
    /* A SEND in pieces. */
    uint8_t *pieces;
    size_t n_pieces;
};

/* A library as each new worker opens it. */
struct pool_library {
    uint32_t id;       /* 0: free */
    uint8_t *request;  /* owned: body of FRAME_OPEN, with its wire_term */
    size_t request_bytes;
    uint64_t answer_hash; /* of what the first worker answered: later ones must agree */
};

struct remote_pool {
    struct native_library *_Atomic library; /* policy, names, counters */
    term module;
    struct lock lock;
    const struct remote_mode *_Atomic mode; /* of new workers */
    uint64_t _Atomic stack_bytes;
    struct remote_worker *workers;  /* all that live, and dead ones that are still referred to */
    _Atomic unsigned n_workers;     /* STARTING, READY */
    struct remote_lane *_Atomic at_hand;   /* for the next call: counted as busy, without a call; see above */
    _Atomic uint32_t changes;
    struct remote_progress *_Atomic first, *_Atomic *last; /* calls that wait for a lane */
    unsigned n_waiting;
    struct pool_library libraries[POOL_MAX_LIBRARIES];
    uint32_t next_library;
    bool closing;
    /* Starting of workers: nursery.c */
    bool starting;           /* one is on the way */
    int64_t next_start_ns;   /* not before */
    unsigned failures;       /* in a row, for back-off */
    int64_t circuit_until_ns;
    int64_t deaths[POOL_DEATHS_REMEMBERED]; /* times of the last ones */
    unsigned n_deaths;
    uint64_t restarts;
    int64_t embryo_due_ns;   /* not before */
    struct remote_pool *next; /* of all */
};

/* ---- call.c, call_wait.c ---- */
/* A call without a record has one from here on. TERM_NONE. pre: the lane was at hand. state: CALL_GRANTED, or CALL_SENT if its
 * request is out. */
term call_go_on(const struct nif_func *f, term pid, struct native_progress **progress, struct remote_lane *lane, enum call_state state);
/* As far as the call comes just now: executor_ops.call_elsewhere, with call->send and .plain_result set. */
void call_advance(struct native_call_elsewhere *call, struct native_outcome *out);
/* Reads the lane, whose reader we are, until the answer is there (CALL_ANSWERED), or somebody else needs the thread. */
void call_await(struct remote_progress *p);
/* The worker is dying: the watcher ends the call, or puts it back, when it does; if it has, we do. Reader only. */
void call_leave_to_end(struct remote_lane *lane);
/* The lane was closed: because its worker refused it? Then the call has been put back. */
bool call_gave_up(struct remote_lane *lane);

/* ---- pool.c, pool_workers.c, pool_options.c ---- */
struct remote_pool *pool_of(struct native_library *library); /* made if need be */
struct remote_pool *pool_first(void);
/* New workers are like this from now on; others are retired. */
void pool_set_mode(struct remote_pool *pool, const struct remote_mode *mode, uint64_t stack_bytes);
/* A library has been opened in some worker: those that do not have it are retired. */
void pool_library_opened(struct remote_pool *pool, uint32_t id);
/* Gives the progress a lane: GRANTED at once (without the lock if one is at hand), or in its turn: WAITING. */
void pool_request_lane(struct remote_pool *pool, struct remote_progress *p);
/* The lane's call is over: it serves the next, and its process is woken. */
void pool_release_lane(struct remote_lane *lane);
/* The same by the lane's reader, who keeps it at hand if nothing speaks against it. */
void pool_keep_lane(struct remote_lane *lane);
/* The lane at hand, if there is one, is ours: as its reader, busy, without a call. */
static inline struct remote_lane *pool_take_at_hand(struct remote_pool *pool)
{
    return atomic_load_explicit(&pool->at_hand, memory_order_relaxed) != NULL ? atomic_exchange(&pool->at_hand, NULL) : NULL;
}
/* It is that call's. */
void pool_give_lane_at_hand(struct remote_lane *lane, struct remote_progress *p, enum call_state state);
/* Its reader leaves it there, as it was good when pool->changes was lane->changes. false: there is one already. */
static inline MUST_CHECK bool pool_put_at_hand(struct remote_lane *lane)
{
    struct remote_pool *pool = lane->worker->pool;
    struct remote_lane *none = NULL;
    uint32_t changes = lane->changes;
    if (!atomic_compare_exchange_strong(&pool->at_hand, &none, lane)) {
        return false;
    }
    /* From here on it is others', and its worker may be gone. */
    if (__builtin_expect(atomic_load(&pool->changes) != changes, 0) && (lane = atomic_exchange(&pool->at_hand, NULL)) != NULL) {
        pool_release_lane(lane);
    }
    return true;
}
/* pool_keep_lane() for one that was at hand, as it was then: if nothing has changed it is as good as it was. */
static inline void pool_keep_lane_again(struct remote_lane *lane)
{
    bool same = atomic_load_explicit(&lane->worker->pool->changes, memory_order_relaxed) == lane->changes;
    if (!same || !pool_put_at_hand(lane)) {
        pool_keep_lane(lane);
    }
}
/* Lane and place in the queue of a call that is given up before it ran. */
void pool_withdraw(struct remote_progress *p);
/* A worker has opened everything. */
void pool_worker_ready(struct remote_worker *w);
/* It has ended, how is not known yet. An embryo that did has harmed nobody, and is not taken any more. */
void pool_worker_ending(struct remote_worker *w);
/* It has ended (w->end): calls that had not begun go back to the queue. */
void pool_worker_died(struct remote_worker *w);
/* No more calls for it; it is closed as soon as its last is over. */
void pool_retire(struct remote_worker *w, bool crashed);
/* Ends the worker at once: verdict (copied) for all its calls, or NULL. */
void pool_kill(struct remote_worker *w, const struct native_outcome *verdict);
/* It broke the protocol: that ends it, and all its calls. */
void pool_violated(struct remote_worker *w);
/* It says that it cannot serve the lane. false: that cannot be. */
bool pool_lane_refused(struct remote_worker *w, tainted index) MUST_CHECK;
/* It could not open what the others have: the waiting calls hear why. NULL: that is not wanted any more. */
void pool_worker_failed(struct remote_worker *w, const char *why);
/* What its call ends with, now that its worker has ended. */
void lane_outcome_locked(const struct remote_lane *lane, struct native_outcome *out);
/* The worker of a lane whose reader we are is gone: the call ends, or is tried again. */
void lane_lost(struct remote_lane *lane);
/* Its worker refused it. pre: READER_AT_WORK is ours. Puts its call back. */
void lane_give_up(struct remote_lane *lane);
/* A worker could not be started: unless others serve them, the waiting calls end with this outcome (copied). */
void pool_start_failed(struct remote_pool *pool, const struct native_outcome *o);
/* Every waiting call ends with this outcome (copied). */
void pool_refuse_all(struct remote_pool *pool, const struct native_outcome *o);
void worker_unref(struct remote_worker *w);
void remote_trace(const struct remote_worker *w, const char *what); /* an event, if somebody wants it */
static inline void worker_ref(struct remote_worker *w)
{
    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
}
/* For who only holds the record. false: it has ended. */
bool worker_try_ref(struct remote_worker *w);
void worker_let_go(struct remote_worker *w); /* of the record */

/* ---- kept_heap.c ---- */
/* The heap of a process that ended while the lane's call reads it: freed when both have let go of it. */
struct heap_keeper *kept_heap_new(struct remote_lane *lane);
/* The worker does not read it any more; k may be NULL. */
void kept_heap_release(struct kept_heap *k);

/* The library with that number, or NULL: it has been closed. */
const struct pool_library *pool_library_locked(const struct remote_pool *pool, uint32_t id);

/* ---- nursery.c ---- */
/* The pool may want a worker: takes the embryo, or has one started, now or when back-off allows. */
void nursery_want(struct remote_pool *pool);
/* One of the threads of isolation/remote. false: errno says why not. */
bool remote_thread_start(void *(*run)(void *reserved));
/* Starting one failed: the next try comes later each time. */
void pool_back_off_locked(struct remote_pool *pool);

/* ---- watcher.c ---- */
bool watcher_start(void); /* unless it runs; one thread at a time. false: errno says why not */
void watcher_add_worker(struct remote_worker *w);
void watcher_add_lane(struct remote_lane *lane);
/* Leaves the lane, which has more to read, to the watcher. */
void watcher_take_over(struct remote_lane *lane);
/* Something to do outside of any event: deadlines changed, datagrams wait, resources were released. Any thread. */
void watcher_poke(void);
/* A deadline was set: look at it in time. */
void watcher_note_deadline(int64_t at_ns);

/* Between calls: now and then gives back the memory of large bodies. To keep it is cheap, to give it back after each call is not.
 * Reader only. */
static inline void lane_trim(struct remote_lane *lane)
{
    enum { CALLS_PER_TRIM = 256 };
    if (++lane->since_trim == CALLS_PER_TRIM) {
        lane->since_trim = 0;
        channel_trim(lane->channel);
    }
}
/* Reader only. */
static inline void lane_count_call(struct remote_lane *lane)
{
    atomic_store_explicit(&lane->calls, atomic_load_explicit(&lane->calls, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* ---- lane.c: lanes, and reading what a worker says on them ---- */
/* A new lane of a worker; under pool->lock. NULL: it has enough, or there are no descriptors. */
struct remote_lane *lane_new_locked(struct remote_worker *w);
/* What its call received and was given is of no use any more: the answer has been taken, or nobody waits for it. */
void lane_forget_call(struct remote_lane *lane);
enum lane_progress { LANE_NOTHING, LANE_ANSWERED, LANE_VIOLATED, LANE_CLOSED, LANE_MORE };
/* Reads the frames there are, serves questions and sends, up to the answer. MORE: they do not end; the
 * thread has others to look after. Reader only. */
enum lane_progress lane_read(struct remote_lane *lane);
/* The answer to FRAME_OPEN of a worker that starts: it opens the next library, or is WORKER_READY. Reader only. */
void worker_opened(struct remote_worker *w);

/* ---- service.c: what a worker asks and sends ---- */
/* body: n private bytes. false: violation. */
bool service_ask(struct remote_lane *lane, struct remote_worker *w, tainted what, const uint8_t *body, size_t n, uint64_t *out_answer);
bool service_send(struct remote_worker *w, tainted to, struct term_reader *r);
/* A datagram from a worker's socket. false: violation. */
bool service_datagram(struct remote_worker *w, const struct datagram *d, const uint8_t *payload, size_t n);

/* ---- outbox.c: datagrams to a worker ---- */
/* Answers that wait because it does not read them: a worker in its senses never has so many. */
enum { OUTBOX_MAX_ANSWERS = 4096 };
void outbox_send(struct remote_worker *w, const struct datagram *d, const void *payload, size_t n, const int *fds, size_t n_fds);
/* Sends what waits. true: all of it. */
bool outbox_flush(struct remote_worker *w);
void outbox_free(struct remote_worker *w);

/* ---- remote_resource.c ---- */
struct remote_resource;
void remote_resources_init(struct remote_worker *w);
void remote_resources_free(struct remote_worker *w);
/* For the encoder (arg: struct remote_lane) and decoder (arg: struct remote_worker). */
uint64_t remote_handle_of(void *arg, const uintptr_t *object);
term remote_resource_term(void *arg, struct heap *h, uint64_t handle);
size_t remote_resources_count(struct remote_worker *w);
/* Tells workers which handles the VM no longer has. */
void remote_resources_flush(void);

/* ---- remote_watch.c ---- */
bool remote_watch(struct remote_worker *w, term pid);
void remote_watch_forget(struct remote_worker *w);

/* ---- crash_wire.c ---- */
/* A worker's account of a crash as an outcome, everything checked. */
void outcome_from_wire(struct native_outcome *out, const struct wire_crash *c);
void outcome_of_end(struct native_outcome *out, struct worker_end end);
struct native_outcome outcome_copy(const struct native_outcome *o); /* with details of its own */
/* Is it a verdict, or the zero that stands for none? */
static inline bool outcome_is_verdict(const struct native_outcome *o)
{
    return o->status != NATIVE_RETURNED;
}

#endif
