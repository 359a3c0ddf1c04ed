/* channel_brief.h - frames that lie in a slot of a ring as a whole, inline: what a small call is made of.
 *
 * The same frames as channel_send() and channel_receive() write and read, among which they may come: with a
 * socket, a full ring, a larger body or an end in sight these answer false, nothing has happened, and the
 * general functions do it, or say why not.
 *
 *   const struct slot *s = brief_await(c);
 *   if (s != NULL && brief_peek(s, &b, body) && it is what one expects && brief_take(c, &b)) ...   else channel_receive(c, &h) ...
 *
 * A frame that was peeked at and not taken is read again by channel_receive(), from where a hostile peer may have
 * changed it since: what the copy said means nothing then.
 */
#ifndef ISOLATION_CHANNEL_BRIEF_H
#define ISOLATION_CHANNEL_BRIEF_H

#include "isolation/remote/channel_ring.h"

/* Of the body so much lies in the cache line of the header. */
enum { BRIEF_LINE = 32, BRIEF_LOOKS = 256 };
_Static_assert(offsetof(struct slot, body) + BRIEF_LINE == LINE, "and no more");

struct brief {
    struct frame_header h; /* bytes <= SLOT_BODY; on the VM's side to be tainted before use */
    uint32_t taken;
    const uint8_t *body;
};

/* The slot of the next frame: its body to be written once and in order, and not read. What was written does no harm if then
 * another frame is sent. NULL: see above. */
ALWAYS_INLINE MUST_CHECK struct slot *brief_begin(struct channel *c)
{
    struct ring *r = ring_of(c);
    struct direction *out = &r->out;
    if (__builtin_expect(c->ops != &ring_ops || channel_ended(c) != CHANNEL_OK || out->number - out->taken >= RING_SLOTS, 0)) {
        return NULL;
    }
    return &out->slots[(out->number + 1) % RING_SLOTS];
}

/* Sends it; h.bytes: what was written. */
ALWAYS_INLINE void brief_send(struct channel *c, struct slot *s, struct frame_header h)
{
    struct ring *r = ring_of(c);
    struct direction *out = &r->out;
    uint32_t number = out->number + 1;
    out->number = number;
    out->data_ends[number % ARRAY_LEN(out->data_ends)] = out->data_at;
    slot_set_header(s, &h, r->in.number - c->has_frame, false);
    (void) ring_publish(r, s, number); /* that the peer is gone is for whoever waits for its answer */
}

/* The next frame, if it is there; else NULL. */
static inline MUST_CHECK const struct slot *brief_next(struct channel *c)
{
    struct ring *r = ring_of(c);
    if (c->ops != &ring_ops || channel_ended(c) != CHANNEL_OK) {
        return NULL;
    }
    const struct slot *s = &r->in.slots[(r->in.number + 1) % RING_SLOTS];
    return atomic_load_explicit(&s->stamp, memory_order_acquire) == r->in.number + 1 ? s : NULL;
}

/* The same after a short look for it, two microseconds or so, without asking the clock when to stop. NULL at once if the peer
 * would need this CPU for it, or it has not paid lately. */
ALWAYS_INLINE MUST_CHECK const struct slot *brief_await(struct channel *c)
{
    struct ring *r = ring_of(c);
    if (__builtin_expect(c->ops != &ring_ops || ring_peer_is_here(r) || (c->is_worker && !ring_spins_pay(r)), 0)) {
        return NULL;
    }
    uint32_t number = r->in.number + 1;
    const struct slot *s = &r->in.slots[number % RING_SLOTS];
    for (int i = 0; i < BRIEF_LOOKS; i++) {
        if (atomic_load_explicit(&s->stamp, memory_order_acquire) == number) {
            ring_prefetch(r);
            return s;
        }
        base_relax();
    }
    return NULL;
}

/* That frame, if it is one like that, its body where it lies: for the worker, who trusts the VM to leave it alone. */
ALWAYS_INLINE MUST_CHECK bool brief_look(const struct slot *s, struct brief *b)
{
    slot_get_header(s, &b->h, &b->taken);
    b->body = s->body;
    return b->h.bytes <= SLOT_BODY;
}

/* Copies that frame, if it is one like that; the body, which is then ours alone. */
ALWAYS_INLINE MUST_CHECK bool brief_peek(const struct slot *s, struct brief *b, uint8_t body[SLOT_BODY])
{
    if (!brief_look(s, b)) {
        return false;
    }
    memcpy(body, s->body, BRIEF_LINE);
    if (__builtin_expect(b->h.bytes > BRIEF_LINE, 0)) {
        memcpy(body + BRIEF_LINE, s->body + BRIEF_LINE, SLOT_BODY - BRIEF_LINE);
    }
    b->body = body;
    /* What was copied is used, never read a second time from where the peer may write. */
    __asm__ volatile("" : : : "memory");
    return true;
}

/* The frame that was peeked at is done with. false: it cannot be, see channel_receive(). The VM's word for what it has taken
 * stays behind: its next request says that, and a worker that waits for room has something else in its lane than an answer. */
ALWAYS_INLINE MUST_CHECK bool brief_take(struct channel *c, const struct brief *b)
{
    struct ring *r = ring_of(c);
    if (__builtin_expect(!ring_note_taken(&r->out, b->taken), 0)) {
        return false;
    }
    uint32_t number = ++r->in.number;
    c->copy_ns = 0;
    if (c->is_worker) {
        atomic_store_explicit(&r->mine->received, number, memory_order_release);
        atomic_store_explicit(&r->mine->taken, number, memory_order_release);
    }
    return true;
}

#endif
