/* channel_ring.h - what channel_ring.c (frames and the memory they lie in) and channel_ring_wait.c share. */
#ifndef ISOLATION_CHANNEL_RING_H
#define ISOLATION_CHANNEL_RING_H

#include "isolation/remote/channel_internal.h"
#include "isolation/remote/channel_layout.h"

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

/* ---- channel_ring_wait.c ---- */
/* A futex between processes: wakes one; sleeps for at most ns unless it is not `seen`. */
void ring_futex_wake(_Atomic uint32_t *word);
void ring_futex_nap(_Atomic uint32_t *word, uint32_t seen, int64_t ns);
/* Tells the peer our CPU. true: it waits for this very CPU, as far as it says. */
bool ring_peer_is_here(struct ring *r);
/* struct channel_ops */
bool ring_poll(struct channel *c);
bool ring_spin(struct channel *c, int64_t ns);
void ring_sleep(struct channel *c, _Atomic uint32_t *other, uint32_t other_value, int64_t timeout_ns);
void ring_wake(struct channel *c);
enum channel_status ring_wait(struct channel *c, _Atomic uint32_t *stop);
bool ring_arm(struct channel *c);
void ring_disarm(struct channel *c);
bool ring_more_than_one_cpu(void);

#endif
