/* term_brief.h - the terms of a small call, as term_send_all() and term_receive() have them, inline: in the body of a frame
 * that fits a slot, of terms that have none inside.
 */
#ifndef ISOLATION_TERM_BRIEF_H
#define ISOLATION_TERM_BRIEF_H

#include "isolation/remote/channel_brief.h"
#include "isolation/remote/term_message.h"
#include "vm/core/etf_leaf.h"

/* Writes n terms to [at, end). Returns where they end; NULL: they do not fit, or are not like that. */
ALWAYS_INLINE MUST_CHECK uint8_t *brief_put_terms(uint8_t *at, const uint8_t *end, const term *terms, size_t n)
{
    struct wire_term head;
    uint8_t *from = at + sizeof(head), *to = from;
    *to++ = ETF_VERSION;
    for (size_t i = 0; i < n; i++) {
        to = etf_leaf_put(to, end, terms[i]);
        if (to == NULL) {
            return NULL;
        }
    }
    head.etf_bytes = (uint32_t) (to - from);
    memcpy(at, &head, sizeof(head));
    return to;
}

/* Sends a frame of a prefix (may be of no bytes) and n terms. false: nothing was sent, see brief_begin(), brief_put_terms(). */
ALWAYS_INLINE MUST_CHECK bool brief_send_terms(
    struct channel *c, struct frame_header h, const void *prefix, size_t prefix_bytes, const term *terms, size_t n)
{
    struct slot *s = brief_begin(c);
    if (s == NULL) {
        return false;
    }
    if (prefix_bytes > 0) {
        memcpy(s->body, prefix, prefix_bytes);
    }
    uint8_t *end = brief_put_terms(s->body + prefix_bytes, s->body + SLOT_BODY, terms, n);
    if (end == NULL) {
        return false;
    }
    h.bytes = (uint64_t) (end - s->body);
    brief_send(c, s, h);
    return true;
}

/* The n terms behind the first `at` bytes, on h. false: that is not what there is; something may have been built on h. */
ALWAYS_INLINE MUST_CHECK bool brief_get_terms(const struct brief *b, size_t at, struct heap *h, term *out, size_t n)
{
    struct wire_term head;
    const uint8_t *from = b->body + at, *end = b->body + b->h.bytes;
    if (b->h.bytes < at + sizeof(head) + 1) {
        return false;
    }
    memcpy(&head, from, sizeof(head));
    from += sizeof(head);
    if (head.etf_bytes != (size_t) (end - from) || *from++ != ETF_VERSION) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        from = etf_leaf_get(h, from, end, &out[i]);
        if (from == NULL) {
            return false;
        }
    }
    return from == end;
}

#endif
