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

enum { PAGE = 4096, LINE = 64, RING_SLOTS = 64, SLOT_BODY = 88 };

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

struct slot {
    _Alignas(2 * LINE) _Atomic uint32_t stamp;
    uint32_t taken;   /* as the sender's words have it: spares the other a look there */
    struct frame_header header;
    uint32_t restart; /* nonzero: the body lies at the start of data or bulk */
    uint32_t unused;
    uint8_t body[SLOT_BODY];
};
_Static_assert(sizeof(struct slot) == 2 * LINE, "no padding");

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
