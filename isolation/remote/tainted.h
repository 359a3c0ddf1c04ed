/* tainted.h - numbers that a worker wrote.
 *
 * A struct per width: it converts to nothing, so a number from the other side cannot be an index, a
 * length or an address by accident. What comes out has been checked, or says why it need not be.
 *
 *   uint32_t kind;
 *   if (!tainted_below(h.kind, N_KINDS, &kind)) { protocol violation }
 */
#ifndef ISOLATION_TAINTED_H
#define ISOLATION_TAINTED_H

#include "isolation/remote/protocol.h"

typedef struct {
    uint64_t tainted_;
} tainted;

static inline tainted taint(uint64_t from_worker)
{
    return (tainted) { from_worker };
}
/* *out = t if t < limit. */
static inline bool tainted_below(tainted t, uint64_t limit, uint64_t *out) MUST_CHECK;
static inline bool tainted_below(tainted t, uint64_t limit, uint64_t *out)
{
    *out = t.tainted_;
    return t.tainted_ < limit;
}
static inline bool tainted_is(tainted t, uint64_t value) MUST_CHECK;
static inline bool tainted_is(tainted t, uint64_t value)
{
    return t.tainted_ == value;
}
/* A word that is a small integer, or an atom that the VM itself names. */
static inline bool tainted_small(tainted t, term *out) MUST_CHECK;
static inline bool tainted_small(tainted t, term *out)
{
    *out = (term) { t.tainted_ };
    return term_is_small(*out) || (term_is_atom(*out) && term_to_atom_index(*out) < ATOM_N_PREDEFINED);
}
/* A local pid: its bits may name a process that never was, which is harmless. */
static inline bool tainted_pid(tainted t, term *out) MUST_CHECK;
static inline bool tainted_pid(tainted t, term *out)
{
    *out = (term) { t.tainted_ };
    return term_is_local_pid(*out);
}
static inline bool tainted_port(tainted t, term *out) MUST_CHECK;
static inline bool tainted_port(tainted t, term *out)
{
    *out = (term) { t.tainted_ };
    return term_is_local_port(*out);
}
/* For values that are only shown or handed on. `because` is for the reader. */
#define TAINTED_BECAUSE(t, because) ((t).tainted_)

/* What channel_receive() gave, on the VM's side. bytes has been checked by the channel. */
struct tainted_frame {
    tainted kind, number, extra;
    uint64_t bytes;
};
static inline struct tainted_frame taint_frame(const struct frame_header *h)
{
    return (struct tainted_frame) { taint(h->kind), taint(h->number), taint(h->extra), h->bytes };
}

#endif
