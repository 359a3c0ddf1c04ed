/* call_brief_terms.h - what the modes put into a brief call and get out of it: call_brief.h. */
#ifndef ISOLATION_CALL_BRIEF_TERMS_H
#define ISOLATION_CALL_BRIEF_TERMS_H

#include "isolation/remote/call_brief.h"
#include "isolation/remote/term_brief.h"

/* brief_get_fn of the modes whose results cross encoded. */
static inline bool brief_get_encoded(struct remote_lane *lane, const struct brief *b, struct heap *h, term *out)
{
    (void) lane;
    return brief_get_terms(b, 0, h, out, 1);
}

/* brief_put_fn of the modes that share memory, of a call that is lent nothing: the argument words. */
static inline bool brief_put_words(struct remote_lane *lane, struct frame_header h, term pid, const term *args, uint32_t n)
{
    struct wire_shared_call head = { pid.word, lane->timeout_ms, (uint16_t) n, 0 };
    struct slot *s = brief_begin(lane->channel);
    if (s == NULL || n > (SLOT_BODY - sizeof(head)) / sizeof(term)) {
        return false;
    }
    memcpy(s->body, &head, sizeof(head));
    for (uint32_t i = 0; i < n; i++) {
        if (term_has_tag(args[i], TAG_RESOURCE)) { /* perhaps not that worker's: the general way looks */
            return false;
        }
        memcpy(s->body + sizeof(head) + i * sizeof(term), &args[i], sizeof(term));
    }
    h.bytes = sizeof(head) + n * sizeof(term);
    brief_send(lane->channel, s, h);
    return true;
}

#endif
