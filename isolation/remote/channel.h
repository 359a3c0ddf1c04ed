/* channel.h - frames between the VM and a worker, both ways, over shared memory or a socket.
 *
 *   VM                        one channel = one lane                     worker
 *   channel_new()  ── descriptors, over the worker's socket ──►  channel_attach()
 *   channel_send() ══ requests ═════════════════════════════►    channel_wait(), channel_receive()
 *   channel_poll(), channel_receive() ◄═══════════ replies ══    channel_send()
 *
 * A frame is a header of fixed size and a body. With CHANNEL_RING a direction has slots for headers
 * and small bodies, a ring for bodies of up to CHANNEL_INLINE_MAX bytes, and a bulk area (sparse memory,
 * one body at a time) for larger ones. All lies in one memfd, sealed against shrinking and growing, so
 * that no access to it can fault. With CHANNEL_SOCKET the same frames cross a stream socket.
 *
 * Trust: the worker is hostile, the VM is not. The VM reads each shared word once, checks the copy and
 * uses the copy; what it wrote for the worker it never reads back. Positions that the VM
 * needs are its own private counters. A header that cannot be is CHANNEL_BROKEN, for good.
 * The VM's side never blocks: not in channel_send (its peer has taken the previous request before it
 * gets the next one, or is at fault), not in channel_receive.
 *
 * Thread: one at a time on each side; channel_shut() and channel_doorbell() from any.
 */
#ifndef ISOLATION_CHANNEL_H
#define ISOLATION_CHANNEL_H

#include <stdatomic.h>

#include "lib/base/base.h"

struct channel;

enum channel_transport { CHANNEL_RING, CHANNEL_SOCKET };
enum channel_status {
    CHANNEL_OK,
    CHANNEL_EMPTY,  /* nothing there (yet) */
    CHANNEL_FULL,   /* no room: the peer does not take what it was sent; or above CHANNEL_BODY_MAX */
    CHANNEL_BROKEN, /* the peer does not keep to the protocol */
    CHANNEL_CLOSED, /* the peer is gone (socket), or channel_shut() was called */
};

enum { CHANNEL_MAX_FDS = 3, CHANNEL_INLINE_MAX = 16 << 10, CHANNEL_RING_BYTES = 128 << 10 };
#define CHANNEL_BODY_MAX (UINT64_C(1) << 30)

struct frame_header { /* as it crosses: fixed size, native byte order, padding zero */
    uint32_t kind;   /* protocol.h; 16 bits cross */
    uint32_t number; /* of the call or question it belongs to */
    uint64_t bytes;  /* of the body */
    uint64_t extra;  /* what the kind says */
};
struct channel_part {
    const void *data; /* may be NULL if bytes is 0 */
    size_t bytes;
};

/* ---- VM ---- */
/* Makes both ends; fds for the worker (owned by the channel, valid until channel_close_worker_fds).
 * NULL: no descriptors or memory. */
struct channel *channel_new(enum channel_transport t) MUST_CHECK;
size_t channel_worker_fds(const struct channel *c, int fds[CHANNEL_MAX_FDS]);
void channel_close_worker_fds(struct channel *c); /* once they have been sent */
/* Readable when the worker wrote after channel_arm(): for epoll. RING: an eventfd. SOCKET: the socket. It may
 * be readable without a reason: then channel_poll() says false, and the next channel_disarm() empties it. */
int channel_doorbell(const struct channel *c);
/* From now on the worker rings the doorbell when it writes. false: something is there already, and
 * the doorbell is not armed. */
bool channel_arm(struct channel *c) MUST_CHECK;
void channel_disarm(struct channel *c); /* and empties the doorbell */
/* Spins until a frame may be there (true) or ns have passed; longer by what a body like the last one takes. */
bool channel_spin(struct channel *c, int64_t ns) MUST_CHECK;
/* Sleeps until a frame may be there, *other != other_value (or somebody wakes that futex), or timeout
 * (negative: none). other: a private futex word of this program, or NULL. May also return early. SOCKET:
 * notices *other within a millisecond. */
void channel_sleep(struct channel *c, _Atomic uint32_t *other, uint32_t other_value, int64_t timeout_ns);
/* Wakes whoever is in channel_sleep(); any thread. From then on every call answers CHANNEL_CLOSED. */
void channel_shut(struct channel *c);
/* Has the worker received (channel_receive) the last frame we sent? What it says holds after the
 * worker's end, and may be a lie of the worker. SOCKET: after its end, once channel_poll() was called. */
bool channel_taken(struct channel *c);
/* Answered CHANNEL_FULL for a frame whose size is no reason: the worker keeps back that it has read what it has answered. */
bool channel_is_stuck(const struct channel *c);
/* SOCKET: what did not fit the socket waits here until a flush; receiving and sleeping flush too.
 * channel_flush: CHANNEL_OK: all is out; CHANNEL_FULL: some is left. RING: nothing ever waits. */
enum channel_status channel_flush(struct channel *c);
bool channel_wants_write(const struct channel *c); /* poll the doorbell for writing, then flush */

/* ---- worker ---- */
/* Takes the descriptors over, whatever comes of it. */
struct channel *channel_attach(enum channel_transport t, const int *fds, size_t n_fds) MUST_CHECK;
/* Until a frame is there; spins for a while first if that has paid lately and there is more than one
 * CPU to run on. CHANNEL_OK or _CLOSED. `stop` (may be NULL) ends the wait: nonzero -> CHANNEL_CLOSED;
 * who sets it wakes it as a private futex (SOCKET: noticed within 100 ms). */
enum channel_status channel_wait(struct channel *c, _Atomic uint32_t *stop);

/* ---- both ---- */
/* Is there more than one CPU for this thread to run on? Else nobody answers while it spins. */
bool channel_several_cpus(void);
void channel_free(struct channel *c); /* VM: a worker that waits on it gets CHANNEL_CLOSED */
/* Writes one frame: header (bytes is filled in) and the parts of its body in a row. The worker's side
 * waits for room; the VM's answers CHANNEL_FULL. Wakes the peer if it sleeps. */
enum channel_status channel_send(struct channel *c, const struct frame_header *h,
    const struct channel_part *parts, size_t n_parts);
/* Would channel_receive answer anything but CHANNEL_EMPTY? Two relaxed loads (RING). */
bool channel_poll(struct channel *c);
/* Takes the next frame's header, checked: bytes <= CHANNEL_BODY_MAX and what is promised is there. */
enum channel_status channel_receive(struct channel *c, struct frame_header *h) MUST_CHECK;
/* Copies the next n bytes of the body that was received last. false: n is more than is left. */
bool channel_read(struct channel *c, void *to, size_t n) MUST_CHECK;
/* Worker only: the whole body in place, valid until channel_done(); aligned to 8 bytes. */
const uint8_t *channel_body(struct channel *c) MUST_CHECK;
/* Worker only: the next n bytes of the body in place, if they stay what they are until the worker has answered, whatever
 * it receives meanwhile. NULL: they do not, and are to be read as usual. */
const uint8_t *channel_lend(struct channel *c, size_t n) MUST_CHECK;
/* Worker only, before it answers: what was lent of this body stays where it is for ever, as memory of its
 * own. Costs a copy of the body and several system calls. false: no memory. */
bool channel_keep(struct channel *c) MUST_CHECK;
/* The frame has been read; what is left of its body is dropped. To be called before one waits for the next
 * frame, and by a worker before it answers: until then its body keeps room from those that follow. */
void channel_done(struct channel *c);
/* Gives memory of large bodies back to the kernel; between frames, when the peer sends none: the VM calls it
 * now and then between two calls. One compare if there were none. */
void channel_trim(struct channel *c);

#endif
