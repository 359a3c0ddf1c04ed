/* bits_match.c - taking fields out of bitstrings. */
#include "lib/base/bytes.h"
#include "lib/base/utf8.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"

#include "lib/base/arena.h"

term bits_match_start(struct heap *h, term t)
{
    if (!term_is_bits(t)) {
        return TERM_NONE;
    }
    struct bits_view v = bits_view(t);
    struct match_ctx *m = (struct match_ctx *) heap_alloc(h, HEAP_MATCH_CTX_WORDS);
    *m = (struct match_ctx) { TERM_HEADER(TAG_MATCH_CTX, HEAP_MATCH_CTX_WORDS - 1), v.bytes, v.offset,
        v.offset + v.size, v.base };
    return term_from_boxed_ptr((uintptr_t *) m);
}

static inline bool has_bits(const struct match_ctx *m, size_t n_bits)
{
    return n_bits <= m->end - m->position;
}

/* n (1..64) bits from the position, first bit highest. Reads no byte behind m->end. */
static inline uint64_t peek_bits(const struct match_ctx *m, unsigned n)
{
    const uint8_t *p = m->bytes + m->position / 8;
    unsigned shift = (unsigned) (m->position % 8);
    if (m->end - m->position >= 72) { /* nine bytes are there whatever the shift */
        uint64_t w = bytes_load_u64be(p) << shift | (shift == 0 ? 0 : p[8] >> (8 - shift));
        return w >> (64 - n);
    }
    unsigned __int128 w = 0;
    unsigned n_bytes = (shift + n + 7) / 8;
    for (unsigned i = 0; i < n_bytes; i++) {
        w = w << 8 | p[i];
    }
    w >>= n_bytes * 8 - shift - n;
    return (uint64_t) w & (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1);
}

/* Bits read first byte first, as a little-endian number: the last byte may have fewer than 8. */
static uint64_t from_little(uint64_t bits, unsigned n)
{
    unsigned rest = n % 8, full = n / 8;
    if (full == 0) {
        return bits;
    }
    uint64_t low = __builtin_bswap64(bits >> rest) >> (64 - 8 * full);
    if (rest == 0) {
        return low;
    }
    return low | (bits & ((1u << rest) - 1)) << (8 * full);
}

static term word_to_integer(struct heap *h, uint64_t value, unsigned n, unsigned flags)
{
    if ((flags & BITS_SIGNED) != 0) {
        return heap_integer(h, (int64_t) (value << (64 - n)) >> (64 - n));
    }
    if (value <= (uint64_t) TERM_SMALL_MAX) {
        return term_from_small((intptr_t) value);
    }
    return heap_uinteger(h, value);
}

/* Fields longer than a word: the magnitude, least significant byte first, then as any integer. */
static term get_long_integer(struct heap *h, const struct match_ctx *m, size_t n_bits, unsigned flags)
{
    uint8_t local[256];
    size_t n = n_bits / 8 + (n_bits % 8 != 0);
    unsigned top_bits = (unsigned) ((n_bits - 1) % 8 + 1); /* in the most significant byte */
    uint8_t *le = n <= sizeof(local) ? local : vm_try_alloc(n);
    if (le == NULL) {
        return TERM_NONE;
    }
    if (bits_is_little(flags)) {
        size_t full = n_bits / 8;
        le[n - 1] = 0;
        bits_copy(le, 0, m->bytes, m->position, full * 8);
        if (full < n) {
            bits_copy(le, full * 8 + 8 - top_bits, m->bytes, m->position + full * 8, top_bits);
        }
    } else {
        le[0] = 0;
        bits_copy(le, 8 - top_bits, m->bytes, m->position, n_bits);
        for (size_t i = 0, j = n - 1; i < j; i++, j--) {
            uint8_t swap = le[i];
            le[i] = le[j];
            le[j] = swap;
        }
    }
    bool negative = (flags & BITS_SIGNED) != 0 && (le[n - 1] >> (top_bits - 1) & 1) != 0;
    if (negative) { /* magnitude of two's complement */
        unsigned carry = 1;
        for (size_t i = 0; i < n; i++) {
            carry += (uint8_t) ~le[i];
            le[i] = (uint8_t) carry;
            carry >>= 8;
        }
        le[n - 1] &= (uint8_t) ((1u << top_bits) - 1);
    }
    term t = integer_from_bytes_le(h, le, n, negative);
    if (le != local) {
        vm_free(le);
    }
    return t;
}

term bits_get_integer(struct heap *h, struct match_ctx *m, size_t n_bits, unsigned flags)
{
    if (!has_bits(m, n_bits)) {
        return TERM_NONE;
    }
    if (n_bits == 0) {
        return term_from_small(0);
    }
    term t;
    if (n_bits <= 64) {
        uint64_t value = peek_bits(m, (unsigned) n_bits);
        if (bits_is_little(flags)) {
            value = from_little(value, (unsigned) n_bits);
        }
        t = word_to_integer(h, value, (unsigned) n_bits, flags);
    } else {
        t = get_long_integer(h, m, n_bits, flags);
    }
    if (!term_is_none(t)) {
        m->position += n_bits;
    }
    return t;
}

static double half_to_double(uint16_t bits)
{
    unsigned exponent = bits >> 10 & 0x1F, fraction = bits & 0x3FF;
    double magnitude;
    if (exponent == 0) {
        magnitude = fraction * 0x1p-24;
    } else if (exponent == 0x1F) {
        magnitude = __builtin_inf();
    } else {
        magnitude = (double) (fraction | 0x400) * 0x1p-25 * (double) (UINT64_C(1) << exponent);
    }
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

term bits_get_float(struct heap *h, struct match_ctx *m, size_t n_bits, unsigned flags)
{
    if (!has_bits(m, n_bits)) {
        return TERM_NONE;
    }
    double d;
    if (n_bits == 0) {
        return heap_float(h, 0.0);
    }
    if (n_bits != 16 && n_bits != 32 && n_bits != 64) {
        return TERM_NONE;
    }
    uint64_t bits = peek_bits(m, (unsigned) n_bits);
    if (bits_is_little(flags)) {
        bits = from_little(bits, (unsigned) n_bits);
    }
    if (n_bits == 64) {
        memcpy(&d, &bits, sizeof(d));
    } else if (n_bits == 32) {
        uint32_t word = (uint32_t) bits;
        float f;
        memcpy(&f, &word, sizeof(f));
        d = f;
    } else {
        d = half_to_double((uint16_t) bits);
    }
    if (!__builtin_isfinite(d)) {
        return TERM_NONE;
    }
    m->position += n_bits;
    return heap_float(h, d);
}

term bits_get_binary(struct heap *h, struct match_ctx *m, size_t n_bits)
{
    if (!has_bits(m, n_bits)) {
        return TERM_NONE;
    }
    term t = bits_part(h, m->base, m->bytes, m->position, n_bits);
    m->position += n_bits;
    return t;
}

term bits_get_tail(struct heap *h, struct match_ctx *m)
{
    return bits_part(h, m->base, m->bytes, m->position, m->end - m->position);
}

/* ---- UTF ---- */

bool bits_get_utf8(struct match_ctx *m, uint32_t *out)
{
    size_t left = (m->end - m->position) / 8, n;
    const uint8_t *at = m->bytes + m->position / 8;
    if (m->position % 8 == 0) {
        n = utf8_get(at, left, out);
    } else {
        uint8_t aligned[UTF8_MAX_BYTES];
        left = left < sizeof(aligned) ? left : sizeof(aligned);
        bits_copy(aligned, 0, m->bytes, m->position, left * 8);
        n = utf8_get(aligned, left, out);
    }
    m->position += n * 8;
    return n != 0;
}

static uint32_t peek_unit16(const struct match_ctx *m, size_t skip, unsigned flags)
{
    struct match_ctx at = *m;
    at.position += skip;
    uint64_t unit = peek_bits(&at, 16);
    return (uint32_t) (bits_is_little(flags) ? from_little(unit, 16) : unit);
}

bool bits_get_utf16(struct match_ctx *m, unsigned flags, uint32_t *out)
{
    if (!has_bits(m, 16)) {
        return false;
    }
    uint32_t c = peek_unit16(m, 0, flags);
    if (c < 0xD800 || c > 0xDFFF) {
        m->position += 16;
        *out = c;
        return true;
    }
    if (c > 0xDBFF || !has_bits(m, 32)) {
        return false;
    }
    uint32_t low = peek_unit16(m, 16, flags);
    if (low < 0xDC00 || low > 0xDFFF) {
        return false;
    }
    m->position += 32;
    *out = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

bool bits_get_utf32(struct match_ctx *m, unsigned flags, uint32_t *out)
{
    if (!has_bits(m, 32)) {
        return false;
    }
    uint64_t c = peek_bits(m, 32);
    if (bits_is_little(flags)) {
        c = from_little(c, 32);
    }
    if (!utf8_is_character((uint32_t) c)) {
        return false;
    }
    m->position += 32;
    *out = (uint32_t) c;
    return true;
}
