#include "vm/core/bits.h"

#include "lib/base/arena.h"
#include "lib/base/bytes.h"

/* Parts of heap binaries up to here are copied: no larger than a sub binary would be. */
enum { SUB_COPY_MAX = 16 };
/* No bitstring is larger: sizes in bits never overflow, and sums of two do not either. */
#define BITS_MAX_BYTES (SIZE_MAX / 64)

const uint8_t *bits_bytes(term t, size_t *n_bytes, uint8_t **scratch)
{
    struct bits_view v = bits_view(t);
    *n_bytes = v.size / 8;
    *scratch = NULL;
    if (v.offset % 8 == 0) {
        return v.bytes + v.offset / 8;
    }
    *scratch = vm_alloc(v.size / 8 + 1);
    bits_copy(*scratch, 0, v.bytes, v.offset, v.size);
    return *scratch;
}

static term new_heap_bits(struct heap *h, size_t n_bits, uint8_t **out_bytes)
{
    size_t n_words = (n_bits + 63) / 64;
    uintptr_t *p = heap_alloc(h, 2 + n_words);
    p[0] = TERM_HEADER(TAG_HEAP_BITS, 1 + n_words);
    p[HEAP_BITS_SIZE] = n_bits;
    if (n_words > 0) {
        p[1 + n_words] = 0; /* what lies behind the last bit is defined */
    }
    *out_bytes = (uint8_t *) &p[HEAP_BITS_BYTES];
    return term_from_boxed_ptr(p);
}

term bits_init_refc(struct heap *h, uintptr_t *p, struct offheap_bin *b, size_t n_bits)
{
    p[0] = TERM_HEADER(TAG_REFC_BITS, HEAP_REFC_BITS_WORDS - 1);
    p[REFC_BITS_BIN] = (uintptr_t) b;
    p[REFC_BITS_SIZE] = n_bits;
    heap_link_offheap(h, p, b->capacity);
    return term_from_boxed_ptr(p);
}

term bits_from_offheap(struct heap *h, struct offheap_bin *b, size_t n_bits)
{
    return bits_init_refc(h, heap_alloc(h, HEAP_REFC_BITS_WORDS), b, n_bits);
}

static term new_sub_bits(struct heap *h, term base, size_t offset, size_t size)
{
    uintptr_t *p = heap_alloc(h, HEAP_SUB_BITS_WORDS);
    p[0] = TERM_HEADER(TAG_SUB_BITS, HEAP_SUB_BITS_WORDS - 1);
    p[SUB_BITS_OFFSET] = offset;
    p[SUB_BITS_SIZE] = size;
    p[SUB_BITS_BASE] = base.word;
    return term_from_boxed_ptr(p);
}

term bits_new_bitstring(struct heap *h, size_t n_bits, uint8_t **out_bytes)
{
    if (n_bits <= BITS_HEAP_MAX * 8) {
        return new_heap_bits(h, n_bits, out_bytes);
    }
    size_t n_bytes = n_bits / 8 + (n_bits % 8 != 0);
    struct offheap_bin *b = n_bytes <= BITS_MAX_BYTES ? offheap_bin_new(n_bytes) : NULL;
    if (b == NULL) {
        return TERM_NONE;
    }
    b->data[n_bytes - 1] = 0;
    *out_bytes = b->data;
    return bits_from_offheap(h, b, n_bits);
}

term bits_new_binary(struct heap *h, size_t n_bytes, uint8_t **out_bytes)
{
    if (n_bytes > BITS_MAX_BYTES) {
        return TERM_NONE;
    }
    return bits_new_bitstring(h, n_bytes * 8, out_bytes);
}

term bits_from_bytes(struct heap *h, const void *bytes, size_t n)
{
    uint8_t *to;
    term t = n <= BITS_HEAP_MAX ? new_heap_bits(h, n * 8, &to) : bits_new_binary(h, n, &to);
    if (!term_is_none(t) && n > 0) {
        memcpy(to, bytes, n);
    }
    return t;
}

term bits_of_text(struct heap *h, const char *text, size_t n)
{
    term t = bits_from_bytes(h, text, n);
    return term_is_none(t) ? TERM_NIL : t;
}

term bits_part(struct heap *h, term base, const uint8_t *bytes, size_t offset, size_t size)
{
    if (size <= SUB_COPY_MAX * 8 && offset % 8 == 0 && term_has_tag(base, TAG_HEAP_BITS)) {
        uint8_t *to;
        term t = new_heap_bits(h, size, &to);
        bits_copy(to, 0, bytes, offset, size);
        return t;
    }
    return new_sub_bits(h, base, offset, size);
}

term bits_sub(struct heap *h, term t, size_t offset_bits, size_t size_bits)
{
    struct bits_view v = bits_view(t);
    VM_ASSERT(offset_bits <= v.size && size_bits <= v.size - offset_bits);
    if (size_bits == v.size) {
        return t;
    }
    return bits_part(h, v.base, v.bytes, v.offset + offset_bits, size_bits);
}

/* ---- bit copying ---- */

/* n bits (1..8) at bit offset of p, in the low bits; touches only bytes that hold them. */
static inline unsigned take_bits(const uint8_t *p, size_t offset, unsigned n)
{
    p += offset / 8;
    unsigned shift = (unsigned) (offset % 8);
    unsigned two = (unsigned) p[0] << 8;
    if (shift + n > 8) {
        two |= p[1];
    }
    return (two >> (16 - shift - n)) & ((1u << n) - 1);
}
/* Puts the low n bits (1..8, within one byte) at bit offset. */
static inline void put_in_byte(uint8_t *p, size_t offset, unsigned value, unsigned n)
{
    unsigned shift = 8 - (unsigned) (offset % 8) - n;
    unsigned mask = ((1u << n) - 1) << shift;
    p += offset / 8;
    *p = (uint8_t) ((*p & ~mask) | ((value << shift) & mask));
}

void bits_copy(uint8_t *dst, size_t dst_offset, const uint8_t *src, size_t src_offset, size_t n_bits)
{
    dst += dst_offset / 8;
    dst_offset %= 8;
    src += src_offset / 8;
    src_offset %= 8;
    if (n_bits == 0) {
        return;
    }
    if (dst_offset != 0) { /* up to a byte boundary of dst */
        unsigned n = 8 - (unsigned) dst_offset;
        if (n > n_bits) {
            n = (unsigned) n_bits;
        }
        put_in_byte(dst, dst_offset, take_bits(src, src_offset, n), n);
        n_bits -= n;
        src += (src_offset + n) / 8;
        src_offset = (src_offset + n) % 8;
        dst++;
    }
    if (src_offset == 0) {
        memcpy(dst, src, n_bits / 8);
        dst += n_bits / 8;
        src += n_bits / 8;
    } else {
        unsigned left = (unsigned) src_offset;
        /* Nine source bytes hold the 64 bits, so the ninth is there. */
        for (; n_bits >= 64; n_bits -= 64, dst += 8, src += 8) {
            (void) bytes_store_u64be(dst, bytes_load_u64be(src) << left | src[8] >> (8 - left));
        }
        for (size_t i = n_bits / 8; i > 0; i--, dst++, src++) {
            *dst = (uint8_t) (src[0] << left | src[1] >> (8 - left));
        }
    }
    unsigned rest = (unsigned) (n_bits % 8);
    if (rest != 0) {
        put_in_byte(dst, 0, take_bits(src, src_offset, rest), rest);
    }
}

/* Up to 64 bits at offset, in the low bits of the result. */
static inline uint64_t take_word(const uint8_t *p, size_t offset, unsigned n)
{
    uint8_t buffer[8] = { 0 };
    bits_copy(buffer, 0, p, offset, n);
    return n == 0 ? 0 : bytes_load_u64be(buffer) >> (64 - n);
}

int bits_compare(const uint8_t *a, size_t a_offset, size_t a_bits, const uint8_t *b, size_t b_offset,
    size_t b_bits)
{
    size_t common = a_bits < b_bits ? a_bits : b_bits;
    if (a_offset % 8 == 0 && b_offset % 8 == 0) {
        int c = memcmp(a + a_offset / 8, b + b_offset / 8, common / 8);
        if (c != 0) {
            return c;
        }
        a_offset += common / 8 * 8;
        b_offset += common / 8 * 8;
        common %= 8;
    }
    while (common > 0) {
        unsigned n = common < 64 ? (unsigned) common : 64;
        uint64_t x = take_word(a, a_offset, n), y = take_word(b, b_offset, n);
        if (x != y) {
            return x < y ? -1 : 1;
        }
        a_offset += n;
        b_offset += n;
        common -= n;
    }
    return a_bits < b_bits ? -1 : a_bits > b_bits;
}

/* ---- append ---- */

/* Room behind the view for extra bits, claimed; false: somebody else has it, or it is too small. */
static bool claim_room(struct offheap_bin *b, size_t end, size_t extra)
{
    uint64_t expected = end;
    if (end + extra > b->capacity * 8) {
        return false;
    }
    /* Claims order nothing: bits behind the end are written by the claimer only, and the term that
     * shows them reaches others through a message. */
    return atomic_compare_exchange_strong_explicit(&b->append_end_bits, &expected, end + extra,
        memory_order_relaxed, memory_order_relaxed);
}

term bits_append(struct heap *h, term t, size_t extra_bits, uint8_t **out_bytes, size_t *out_offset)
{
    struct bits_view v = bits_view(t);
    size_t total = v.size + extra_bits;
    if (extra_bits == 0) {
        *out_bytes = (uint8_t *) v.bytes; /* nothing will be written */
        *out_offset = v.offset + v.size;
        return t;
    }
    if (extra_bits > BITS_MAX_BYTES * 8 || total > BITS_MAX_BYTES * 8) {
        return TERM_NONE;
    }
    if (term_has_tag(v.base, TAG_REFC_BITS)) {
        struct offheap_bin *b = (struct offheap_bin *) term_words(v.base)[REFC_BITS_BIN];
        if (b->kind == OFFHEAP_BYTES && !arena_is_foreign(b) && claim_room(b, v.offset + v.size, extra_bits)) {
            *out_bytes = b->data;
            *out_offset = v.offset + v.size;
            return new_sub_bits(h, v.base, v.offset, total);
        }
    }
    *out_offset = v.size;
    if (total <= BITS_HEAP_MAX * 8) {
        term small = new_heap_bits(h, total, out_bytes);
        bits_copy(*out_bytes, 0, v.bytes, v.offset, v.size);
        return small;
    }
    size_t bytes = total / 8 + 1;
    struct offheap_bin *b = offheap_bin_new(bytes < 128 ? 256 : 2 * bytes);
    if (b == NULL) {
        b = offheap_bin_new(bytes); /* short of memory: at least what is asked for */
    }
    if (b == NULL) {
        return TERM_NONE;
    }
    bits_copy(b->data, 0, v.bytes, v.offset, v.size);
    b->data[total / 8] = 0;
    atomic_store_explicit(&b->append_end_bits, total, memory_order_relaxed);
    *out_bytes = b->data;
    /* The base reaches to the capacity, so that every later view fits in it and the growing binary
     * counts once as virtual heap. It is never seen itself. */
    term base = bits_from_offheap(h, b, b->capacity * 8);
    return new_sub_bits(h, base, 0, total);
}
