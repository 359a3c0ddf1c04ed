/* etf_encoder.h - inside the encoder of the external format: etf_encode.c, which walks, and etf_encode_leaf.c, which writes
 * what has no terms inside; and the buffer that both write to.
 *
 * One walk into a buffer that grows. When only the size is wanted the buffer is a small one that is emptied whenever it
 * is full.
 */
#ifndef VM_ETF_ENCODER_H
#define VM_ETF_ENCODER_H

#include "vm/core/etf.h"
#include "vm/core/etf_ext.h"
#include "vm/core/etf_leaf.h"
#include "vm/core/worklist.h"

enum { MAX_FIXED = 2048 }; /* bytes any one put_ takes at most, bulk apart: no buffer is smaller */

struct encoder {
    uint8_t *at, *end; /* where the next byte goes; end of the buffer */
    uint8_t *start;
    size_t counted; /* bytes before start: already dropped */
    enum { ENCODE_GROW, ENCODE_COUNT } mode;
    unsigned flags;
    bool failed; /* no memory, something has a size that the format cannot hold, or exceeded */
    bool exceeded; /* more than budget bytes: it was not to take that long */
    size_t budget; /* binaries apart */
    struct etf_encode_ext *ext; /* NULL: the public format */
    size_t inline_bits;         /* smaller ones are no blobs */
    const uint8_t *lent; /* the caller's first buffer, not to be freed; NULL: none */
    struct worklist w;
};

/* For n bytes more; after it there is room for MAX_FIXED. */
void etf_encoder_grow(struct encoder *e, size_t n);
/* Room for any number of bytes, to be written at the returned place; NULL: only counted. */
uint8_t *etf_encoder_bulk(struct encoder *e, size_t n);

/* Makes room for n bytes, n <= MAX_FIXED, at e->at. */
static inline void room(struct encoder *e, size_t n)
{
    if (__builtin_expect((size_t) (e->end - e->at) < n, 0)) {
        etf_encoder_grow(e, n);
    }
}

static inline void put_u8(struct encoder *e, unsigned v)
{
    room(e, 1);
    *e->at++ = (uint8_t) v;
}

static inline void put_u16(struct encoder *e, unsigned v)
{
    room(e, 2);
    *e->at++ = (uint8_t) (v >> 8);
    *e->at++ = (uint8_t) v;
}

static inline void put_u32(struct encoder *e, size_t v)
{
    e->failed |= v > UINT32_MAX;
    room(e, 4);
    e->at = bytes_store_u32be(e->at, (uint32_t) v);
}

static inline void put_u64(struct encoder *e, uint64_t v)
{
    room(e, 8);
    e->at = bytes_store_u64be(e->at, v);
}

/* n <= MAX_FIXED */
static inline void put_bytes(struct encoder *e, const void *bytes, size_t n)
{
    room(e, n);
    memcpy(e->at, bytes, n);
    e->at += n;
}

static inline void put_small(struct encoder *e, term t)
{
    room(e, ETF_LEAF_ROOM);
    e->at = etf_put_small(e->at, term_to_small(t));
}

/* Has it no terms inside? Of boxed ones the usual: the rest may be treated as if they had. */
static inline bool is_leaf(term t)
{
    if (!term_is_boxed(t)) {
        return !term_is_cons(t);
    }
    enum term_tag tag = term_tag(t);
    return tag == TAG_HEAP_BITS || tag == TAG_FLOAT || tag == TAG_REFC_BITS || tag == TAG_SUB_BITS;
}

/* Each writes a term of its kind. */
void etf_put_atom(struct encoder *e, term atom);
void etf_put_big(struct encoder *e, term t);
void etf_put_float(struct encoder *e, term t);
void etf_put_bits(struct encoder *e, term t);
void etf_put_pid(struct encoder *e, term t);
void etf_put_port(struct encoder *e, term t);
void etf_put_ref(struct encoder *e, term t);
void etf_put_resource(struct encoder *e, term t);
void etf_put_export(struct encoder *e, term t);
/* pre: is_leaf(t), and no small integer */
void etf_put_other_leaf(struct encoder *e, term t);

/* pre: is_leaf(t) */
static inline void put_leaf(struct encoder *e, term t)
{
    if (term_is_small(t)) {
        put_small(e, t);
    } else {
        etf_put_other_leaf(e, t);
    }
}

#endif
