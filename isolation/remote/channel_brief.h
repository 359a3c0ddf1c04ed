/* channel_brief.h - frames that lie in a slot of a ring as a whole, inline: what a small call is made of.
 *
 * The same frames as channel_send() and channel_receive() write and read, among which they may come: with a
 * socket, a full ring, a larger body or an end in sight these answer false, nothing has happened, and the
 * general functions do it, or say why not.
 *
 *   if (brief_peek(c, &b) && it is what one expects && brief_take(c, &b)) ...   else channel_receive(c, &h) ...
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
    uint8_t body[SLOT_BODY]; /* a copy, ours alone */
};

/* Where the body of the next frame goes: SLOT_BODY bytes to be written once and in order, and not read. What was written does
 * no harm if then another frame is sent. NULL: see above. */
static inline MUST_CHECK uint8_t *brief_begin(struct channel *c)
{
    struct ring *r = ring_of(c);
    struct direction *out = &r->out;
    if (c->ops != &ring_ops || channel_ended(c) != CHANNEL_OK || out->number - out->taken >= RING_SLOTS) {
        return NULL;
    }
    return out->slots[(out->number + 1) % RING_SLOTS].body;
}

/* Sends it; h->bytes: what was written. */
static inline void brief_send(struct channel *c, const struct frame_header *h)
{
    struct ring *r = ring_of(c);
    struct direction *out = &r->out;
    out->number++;
    struct slot *s = &out->slots[out->number % RING_SLOTS];
    out->data_ends[out->number % ARRAY_LEN(out->data_ends)] = out->data_at;
    slot_set_header(s, h, r->in.number - c->has_frame, false);
    c->copy_ns = c->is_worker ? 0 : c->copy_ns;
    (void) ring_publish(r, s); /* that the peer is gone is for whoever waits for its answer */
}

/* Both, for a body of parts in a row. false: see above. */
static inline MUST_CHECK bool brief_send_parts(struct channel *c, struct frame_header *h, const struct channel_part *parts, size_t n)
{
    uint8_t *at = brief_begin(c);
    h->bytes = 0;
    for (size_t i = 0; at != NULL && i < n; i++) {
        h->bytes += parts[i].bytes;
        if (h->bytes > SLOT_BODY) {
            return false;
        }
        channel_copy_few(at, parts[i].data, parts[i].bytes);
        at += parts[i].bytes;
    }
    if (at != NULL) {
        brief_send(c, h);
    }
    return at != NULL;
}

/* Is the next frame there, and one like that? */
static inline MUST_CHECK bool brief_peek(struct channel *c, struct brief *b)
{
    struct ring *r = ring_of(c);
    if (c->ops != &ring_ops || channel_ended(c) != CHANNEL_OK) {
        return false;
    }
    const struct slot *s = &r->in.slots[(r->in.number + 1) % RING_SLOTS];
    if (atomic_load_explicit(&s->stamp, memory_order_acquire) != r->in.number + 1) {
        return false;
    }
    VM_ASSERT(!c->has_frame);
    slot_get_header(s, &b->h, &b->taken);
    if (b->h.bytes > SLOT_BODY) {
        return false;
    }
    memcpy(b->body, s->body, BRIEF_LINE);
    if (b->h.bytes > BRIEF_LINE) {
        memcpy(b->body + BRIEF_LINE, s->body + BRIEF_LINE, SLOT_BODY - BRIEF_LINE);
    }
    /* What was copied is used, never read a second time from where the peer may write. */
    __asm__ volatile("" : : : "memory");
    return true;
}

/* The frame that was peeked at is done with. false: it cannot be, see channel_receive(). The VM's word for what it has taken
 * stays behind: its next request says that, and a worker that waits for room has something else in its lane than an answer. */
static inline MUST_CHECK bool brief_take(struct channel *c, const struct brief *b)
{
    struct ring *r = ring_of(c);
    if (!ring_note_taken(&r->out, b->taken)) {
        return false;
    }
    r->in.number++;
    if (c->is_worker) {
        atomic_store_explicit(&r->mine->received, r->in.number, memory_order_release);
        atomic_store_explicit(&r->mine->taken, r->in.number, memory_order_release);
    } else {
        c->copy_ns = 0;
    }
    return true;
}

/* Looks for a short while whether there is a frame, two microseconds or so, without asking the clock when to stop. false at
 * once if the peer would need this CPU for it, or it has not paid lately. */
static inline MUST_CHECK bool brief_await(struct channel *c)
{
    struct ring *r = ring_of(c);
    if (c->ops != &ring_ops || ring_peer_is_here(r) || (c->is_worker && !ring_spins_pay(r))) {
        return false;
    }
    _Atomic uint32_t *stamp = &r->in.slots[(r->in.number + 1) % RING_SLOTS].stamp;
    for (int i = 0; i < BRIEF_LOOKS; i++) {
        if (atomic_load_explicit(stamp, memory_order_relaxed) == r->in.number + 1) {
            return true;
        }
        base_relax();
    }
    return false;
}

#endif
