/* channel_layout.h - the memory of a CHANNEL_RING; for channel_ring.c and for tests that are its hostile peer.
 *
 *   page 0            words that the VM writes
 *   page 1            words that the worker writes
 *   slots             requests, then replies: RING_SLOTS headers each, with small bodies in them
 *   data              requests, then replies: CHANNEL_RING_BYTES each
 *   bulk              requests, then replies: CHANNEL_BODY_MAX each
 */
#ifndef ISOLATION_CHANNEL_LAYOUT_H
#define ISOLATION_CHANNEL_LAYOUT_H

#include <stdatomic.h>

#include "isolation/remote/channel.h"

enum { PAGE = 4096, LINE = 64, RING_SLOTS = 64, SLOT_BODY = 96 };

/* What the peer is to do after it wrote a stamp. */
enum wait_state { WAIT_NONE, WAIT_FUTEX, WAIT_DOORBELL };

struct words { /* of one side: the other reads them */
    _Alignas(LINE) _Atomic uint32_t taken; /* frames done with: the peer may use their room; a futex */
    _Atomic uint32_t received;             /* frames looked at */
    _Alignas(LINE) _Atomic uint32_t state; /* enum wait_state */
    _Atomic uint32_t waits_for_room;       /* futex: the peer's `taken` */
    _Atomic uint32_t closed;
    _Atomic uint32_t cpu; /* where it waits, plus one: beside it, spinning pays; on that very CPU it does harm */
};

/* The header packed, so that a frame with a body of up to 32 bytes is one cache line. */
struct slot {
    _Alignas(2 * LINE) _Atomic uint32_t stamp;
    uint32_t taken;   /* as the sender's words have it: spares the other a look there */
    uint32_t number, bytes;
    uint64_t extra;
    uint16_t kind;
    uint16_t restart; /* nonzero: the body lies at the start of data or bulk */
    uint32_t unused;
    uint8_t body[SLOT_BODY];
};
_Static_assert(sizeof(struct slot) == 2 * LINE, "no padding");
_Static_assert(CHANNEL_BODY_MAX <= UINT32_MAX, "a size fits its field");

static inline void slot_set_header(struct slot *s, const struct frame_header *h, uint32_t taken, bool restart)
{
    s->taken = taken;
    s->number = h->number;
    s->bytes = (uint32_t) h->bytes;
    s->extra = h->extra;
    s->kind = (uint16_t) h->kind;
    s->restart = restart;
}

/* The peer may write these while we read: each once. */
static inline void slot_get_header(const struct slot *s, struct frame_header *h, uint32_t *out_taken)
{
    *h = (struct frame_header) {
        .kind = __atomic_load_n(&s->kind, __ATOMIC_RELAXED),
        .number = __atomic_load_n(&s->number, __ATOMIC_RELAXED),
        .bytes = __atomic_load_n(&s->bytes, __ATOMIC_RELAXED),
        .extra = __atomic_load_n(&s->extra, __ATOMIC_RELAXED),
    };
    *out_taken = __atomic_load_n(&s->taken, __ATOMIC_RELAXED);
}

struct shared {
    _Alignas(PAGE) struct words vm;
    _Alignas(PAGE) struct words worker;
    _Alignas(PAGE) struct slot slots[2][RING_SLOTS];
    _Alignas(PAGE) uint8_t data[2][CHANNEL_RING_BYTES];
    _Alignas(PAGE) uint8_t bulk[2][CHANNEL_BODY_MAX];
};
enum { REQUESTS, REPLIES };

const struct shared *channel_ring_memory(const struct channel *c);

#endif
