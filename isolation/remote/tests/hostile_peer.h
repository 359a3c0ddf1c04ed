/* hostile_peer.h - a worker that writes what it likes into the memory of a channel. */
#ifndef ISOLATION_HOSTILE_PEER_H
#define ISOLATION_HOSTILE_PEER_H

#include "isolation/remote/channel_internal.h"
#include "isolation/remote/channel_layout.h"

struct hostile_peer {
    struct shared *shared;
    _Atomic uint32_t *taken; /* of requests, as it pretends */
};

void hostile_open(struct hostile_peer *p, struct channel *vm); /* a mapping of its own */
void hostile_close(struct hostile_peer *p);
/* Reply `number` with this header, whatever it says. */
void hostile_reply(struct hostile_peer *p, uint32_t number, const struct frame_header *h, uint32_t taken, uint32_t restart);
void hostile_stamp(struct hostile_peer *p, uint32_t number, uint32_t stamp);
uint64_t hostile_random(uint64_t *state);
/* Receives n malformed replies while another thread rewrites the memory, and checks that every frame
 * that is delivered lies where it may. Returns how many were delivered. */
uint64_t hostile_replies(uint64_t n, uint64_t seed);
void wake_private(_Atomic uint32_t *word);

#endif
