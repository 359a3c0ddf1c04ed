/* channel_ring.h - what channel_ring.c (frames and the memory they lie in) and channel_ring_wait.c share. */
#ifndef ISOLATION_CHANNEL_RING_H
#define ISOLATION_CHANNEL_RING_H

#include <sched.h>
#include <sys/rseq.h>

#include "isolation/remote/channel_internal.h"
#include "isolation/remote/channel_layout.h"
#include "lib/base/sanitize.h"

/* A direction, as one side sees it: all private. */
struct direction {
    struct slot *slots;
    uint8_t *data, *bulk;
    uint32_t number;      /* of the last frame sent or received */
    uint32_t data_at;     /* end of its body in data: counts on, modulo 2^32 */
    uint64_t bulk_from, bulk_to; /* where the last large body lies in bulk, page by page */
    uint64_t bulk_used;   /* bytes of bulk that may have memory */
    /* Sending: */
    uint32_t taken;       /* by the peer, as far as we have looked */
    uint32_t data_taken;  /* data_at of that frame */
    uint32_t data_ends[2 * RING_SLOTS]; /* data_at by number */
    bool bulk_busy;
    uint32_t bulk_number; /* whose body is there */
};

struct ring {
    struct channel c;
    struct shared *shared;
    struct words *mine, *peers;
    struct direction out, in;
    int fds[2]; /* memfd, once sent -1; doorbell */
    bool no_waitv;
    uint32_t cpu; /* as the peer has been told */
    /* Worker: does spinning pay? */
    bool may_spin; /* there was more than one CPU to run on when it attached */
    uint32_t spin_skips, spin_penalty;
};

static inline struct ring *ring_of(struct channel *c)
{
    return container_of(c, struct ring, c);
}

enum { RING_LOOKS = 64 }; /* at the memory for each at the clock: a short answer comes before the first */

extern const struct channel_ops ring_ops;

/* The peer says that it has taken so many. false: it cannot have. */
static inline MUST_CHECK bool ring_note_taken(struct direction *out, uint32_t taken)
{
    if (taken == out->taken) {
        return true;
    }
    if (__builtin_expect(taken - out->taken > out->number - out->taken, 0)) {
        return false;
    }
    out->taken = taken;
    out->data_taken = out->data_ends[taken % ARRAY_LEN(out->data_ends)];
    /* At most RING_SLOTS frames apart, for each of them came by here. */
    out->bulk_busy = out->bulk_busy && out->number - taken > out->number - out->bulk_number;
    return true;
}

/* A frame has come, and one will be sent: its slot's cache line is the peer's, who looks at it, and to get it back takes as long
 * as the frame itself. Better while what is to be sent is still being made. */
static inline void ring_prefetch(const struct ring *r)
{
    base_prefetch_write(&r->out.slots[(r->out.number + 1) % RING_SLOTS]);
}

/* The peer sleeps and has a frame now. CHANNEL_CLOSED: it cannot be woken. */
enum channel_status ring_wake_peer(struct ring *r, struct slot *s, uint32_t state);

/* After this the frame is the peer's, who looks at its cache line all the time: the stamp is a plain store, which becomes
 * visible together with those before it. An exchange would have to get the line a second time. */
static inline enum channel_status ring_publish(struct ring *r, struct slot *s, uint32_t number)
{
    atomic_store_explicit(&s->stamp, number, memory_order_release);
    sanitize_fence();
    uint32_t state = atomic_load(&r->peers->state); /* after the stamp: pairs with is_due_after_state() */
    return __builtin_expect(state == WAIT_NONE, 1) ? CHANNEL_OK : ring_wake_peer(r, s, state);
}

/* Plus one; 0: not known. */
static inline uint32_t ring_this_cpu(void)
{
    if (__builtin_expect(__rseq_size == 0, 0)) { /* the C library did not register it */
        return (uint32_t) sched_getcpu() + 1;
    }
    const struct rseq *area = (const struct rseq *) ((char *) __builtin_thread_pointer() + __rseq_offset);
    return __atomic_load_n(&area->cpu_id, __ATOMIC_RELAXED) + 1;
}

/* Tells the peer our CPU. true: it waits for this very CPU, as far as it says. */
static inline bool ring_peer_is_here(struct ring *r)
{
    uint32_t cpu = ring_this_cpu();
    if (__builtin_expect(cpu != r->cpu, 0)) {
        r->cpu = cpu;
        atomic_store_explicit(&r->mine->cpu, cpu, memory_order_relaxed);
    }
    return cpu != 0 && atomic_load_explicit(&r->peers->cpu, memory_order_relaxed) == cpu;
}

/* Worker: did the last spin pay? */
static inline bool ring_spins_pay(const struct ring *r)
{
    return r->may_spin && r->spin_penalty == 0;
}

/* ---- channel_ring_wait.c ---- */
/* A futex between processes: wakes one; sleeps for at most ns unless it is not `seen`. */
void ring_futex_wake(_Atomic uint32_t *word);
void ring_futex_nap(_Atomic uint32_t *word, uint32_t seen, int64_t ns);
/* struct channel_ops */
bool ring_poll(struct channel *c);
bool ring_spin(struct channel *c, int64_t ns);
void ring_sleep(struct channel *c, _Atomic uint32_t *other, uint32_t other_value, int64_t timeout_ns);
void ring_wake(struct channel *c);
enum channel_status ring_wait(struct channel *c, _Atomic uint32_t *stop);
bool ring_arm(struct channel *c);
void ring_disarm(struct channel *c);

#endif
