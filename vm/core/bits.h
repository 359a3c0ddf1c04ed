/* bits.h - bitstrings: heap, reference-counted and sub binaries, and match contexts.
 *
 * A binary up to BITS_HEAP_MAX bytes lives on the heap; larger ones in a reference-counted
 * struct offheap_bin in arena_terms, shared between processes. A sub binary refers to a base.
 *
 * Append in place: an offheap_bin made by an append has spare capacity, and `append_end_bits`
 * says up to where somebody's view reaches. A view that ends exactly there may claim the bits
 * behind it with one compare-and-swap, because nobody else can see them; otherwise it copies.
 * Growth doubles, so repeated append is constant time per byte whoever holds older views.
 *
 * An attached worker reads binaries of the VM in place and writes nothing of them: it takes no
 * reference, claims no room, and copies the bytes when it wants to keep them.
 */
#ifndef VM_BITS_H
#define VM_BITS_H

#include <stdatomic.h>

#include "vm/core/heap.h"

enum { BITS_HEAP_MAX = 64 };

/* What ends a binary, looked up by number: the structs lie where a worker may write, and a function
 * pointer there would be a way into the VM. */
enum offheap_kind {
    OFFHEAP_BYTES,      /* the bytes are at data */
    OFFHEAP_RESOURCE,   /* a resource object of a NIF library keeps them */
    OFFHEAP_MATCH_SPEC, /* a compiled match specification; as a binary it is empty */
    OFFHEAP_BORROWED,   /* in a worker: they lie in a channel's memory */
    OFFHEAP_KINDS,
};

struct offheap_bin {
    _Atomic uint64_t refs;
    _Atomic uint64_t append_end_bits; /* UINT64_MAX: nobody may append in place */
    size_t capacity;                  /* bytes at data */
    uint64_t kind;                    /* enum offheap_kind */
    uint8_t data[];                   /* or elsewhere: see offheap_bin_bytes */
};

/* destroy: the last reference is gone; it frees the bin too. Set at start. */
void offheap_set_destroy(enum offheap_kind kind, void (*destroy)(struct offheap_bin *));
uint8_t *offheap_bytes_elsewhere(const struct offheap_bin *b);
/* In an attached worker: called for bytes that are in memory of the VM which is not shared. Ends the
 * native call that wants them; set by the NIF API. */
extern void (*offheap_unreadable_hook)(void);

/* Where the bytes are: all kinds but OFFHEAP_BYTES have them elsewhere, pointer in data. */
static inline uint8_t *offheap_bin_bytes(const struct offheap_bin *b)
{
    return __builtin_expect(b->kind == OFFHEAP_BYTES, 1) ? (uint8_t *) b->data
                                                        : offheap_bytes_elsewhere(b);
}

/* append_end_bits of the new bin is UINT64_MAX. */
struct offheap_bin *offheap_bin_new(size_t bytes) MUST_CHECK; /* refs 1; NULL: no memory */
void offheap_bin_ref(struct offheap_bin *b);
void offheap_bin_unref(struct offheap_bin *b);
/* In an attached worker: an own binary with the first bits of one of the VM's, up to what anybody
 * can see of it; *n_bits is cut down to that. */
struct offheap_bin *offheap_bin_copy_foreign(const struct offheap_bin *b, size_t *n_bits);

/* A view: any bitstring term taken apart. Valid until the next collection. */
struct bits_view {
    const uint8_t *bytes; /* of the base */
    size_t offset;        /* bits from bytes to the first bit */
    size_t size;          /* bits */
    term base;            /* HEAP_BITS or REFC_BITS that holds the bytes */
};
/* The words of the three kinds of bitstring, behind the header; see term.h. */
enum { HEAP_BITS_SIZE = 1, HEAP_BITS_BYTES };
enum { REFC_BITS_NEXT = 1, REFC_BITS_BIN, REFC_BITS_SIZE };
enum { SUB_BITS_OFFSET = 1, SUB_BITS_SIZE, SUB_BITS_BASE };

/* pre: HEAP_BITS or REFC_BITS */
static inline struct bits_view bits_view_base(term base)
{
    const uintptr_t *w = term_box(base);
    if (header_tag(w[0]) == TAG_HEAP_BITS) {
        return (struct bits_view) { (const uint8_t *) &w[HEAP_BITS_BYTES], 0, w[HEAP_BITS_SIZE], base };
    }
    VM_ASSERT(header_tag(w[0]) == TAG_REFC_BITS);
    const struct offheap_bin *b = (const struct offheap_bin *) w[REFC_BITS_BIN];
    return (struct bits_view) { offheap_bin_bytes(b), 0, w[REFC_BITS_SIZE], base };
}
/* pre: term_is_bits(t) */
static inline struct bits_view bits_view(term t)
{
    const uintptr_t *w = term_box(t);
    if (header_tag(w[0]) != TAG_SUB_BITS) {
        return bits_view_base(t);
    }
    struct bits_view v = bits_view_base((term) { w[SUB_BITS_BASE] });
    v.offset = w[SUB_BITS_OFFSET];
    v.size = w[SUB_BITS_SIZE];
    return v;
}
static inline size_t bits_size(term t)
{
    const uintptr_t *w = term_box(t);
    enum term_tag tag = header_tag(w[0]);
    VM_ASSERT(term_is_bits(t));
    return w[tag == TAG_SUB_BITS ? SUB_BITS_SIZE : tag == TAG_REFC_BITS ? REFC_BITS_SIZE : HEAP_BITS_SIZE];
}
static inline bool term_is_binary(term t)
{
    return term_is_bits(t) && bits_size(t) % 8 == 0;
}
/* The bytes of a binary: in place if byte-aligned, else copied to a buffer of the caller's, which
 * *scratch receives (vm_free it; NULL if none was needed). pre: term_is_binary(t). */
const uint8_t *bits_bytes(term t, size_t *n_bytes, uint8_t **scratch);

/* New binary of n bytes on h, heap or off-heap by size; *out_bytes is where to write them.
 * TERM_NONE if there is no memory for it (raise system_limit). */
term bits_new_binary(struct heap *h, size_t n_bytes, uint8_t **out_bytes) MUST_CHECK;
term bits_new_bitstring(struct heap *h, size_t n_bits, uint8_t **out_bytes) MUST_CHECK;
term bits_from_bytes(struct heap *h, const void *bytes, size_t n);
/* The same for what is only told: [] if there is no memory. */
term bits_of_text(struct heap *h, const char *text, size_t n);
/* Wraps an off-heap binary; takes over one reference of the caller. */
term bits_from_offheap(struct heap *h, struct offheap_bin *b, size_t n_bits);
/* A REFC_BITS object in HEAP_REFC_BITS_WORDS words at p, which were taken from h; takes over one
 * reference of the caller. */
term bits_init_refc(struct heap *h, uintptr_t *p, struct offheap_bin *b, size_t n_bits);
/* Part of a bitstring: small aligned parts of heap binaries may be copied instead. */
term bits_sub(struct heap *h, term t, size_t offset_bits, size_t size_bits);
/* The same for a base (HEAP_BITS or REFC_BITS) whose bytes the caller knows. */
term bits_part(struct heap *h, term base, const uint8_t *bytes, size_t offset, size_t size);

/* Bit copying; ranges must not overlap. Bits outside the target range are kept. */
void bits_copy(uint8_t *dst, size_t dst_offset, const uint8_t *src, size_t src_offset, size_t n_bits);
int bits_compare(const uint8_t *a, size_t a_offset, size_t a_bits, const uint8_t *b, size_t b_offset,
    size_t b_bits); /* <0, 0, >0: term order */

/* ---- matching (bs_* instructions) ---- */
enum bits_flags { BITS_LITTLE = 1, BITS_SIGNED = 2, BITS_NATIVE = 4 };
static inline bool bits_is_little(unsigned flags)
{
    return (flags & (BITS_LITTLE | BITS_NATIVE)) != 0;
}

struct match_ctx { /* the words of a TAG_MATCH_CTX object */
    uintptr_t header;
    const uint8_t *bytes;
    size_t position, end; /* bits from bytes */
    term base;
};
static inline struct match_ctx *term_match_ctx(term t)
{
    return (struct match_ctx *) term_box(t);
}
/* TERM_NONE if t is no bitstring. Takes HEAP_MATCH_CTX_WORDS of h. */
term bits_match_start(struct heap *h, term t);
/* Each takes from the position and moves it; TERM_NONE / false and unchanged if it does not match.
 * Allocate from h with heap_alloc(): a caller that holds the heap top in a local writes it back
 * first. n_bits is checked against what is left before anything else. */
term bits_get_integer(struct heap *h, struct match_ctx *m, size_t n_bits, unsigned flags);
term bits_get_float(struct heap *h, struct match_ctx *m, size_t n_bits, unsigned flags);
term bits_get_binary(struct heap *h, struct match_ctx *m, size_t n_bits);
term bits_get_tail(struct heap *h, struct match_ctx *m);
bool bits_get_utf8(struct match_ctx *m, uint32_t *out);
bool bits_get_utf16(struct match_ctx *m, unsigned flags, uint32_t *out);
bool bits_get_utf32(struct match_ctx *m, unsigned flags, uint32_t *out);

/* ---- construction ---- */
/* Writes into bytes at bit offset. false: value is not of the type (raise badarg). */
bool bits_put_integer(uint8_t *bytes, size_t offset, term integer, size_t n_bits, unsigned flags);
bool bits_put_float(uint8_t *bytes, size_t offset, term number, size_t n_bits, unsigned flags);
void bits_put_bits(uint8_t *bytes, size_t offset, const struct bits_view *v, size_t n_bits);
size_t bits_utf16_size(uint32_t c); /* bytes; 0 if c is no character, as utf8_size() */
void bits_put_utf8(uint8_t *bytes, size_t offset, uint32_t c);
void bits_put_utf16(uint8_t *bytes, size_t offset, uint32_t c, unsigned flags);
void bits_put_utf32(uint8_t *bytes, size_t offset, uint32_t c, unsigned flags);
/* A bitstring that starts with t and has room for extra_bits behind it, at bit *out_offset of
 * *out_bytes; in place when it can be. TERM_NONE: no memory. */
term bits_append(struct heap *h, term t, size_t extra_bits, uint8_t **out_bytes, size_t *out_offset);

#endif
