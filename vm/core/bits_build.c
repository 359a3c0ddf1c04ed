/* bits_build.c - putting fields into bitstrings. */
#include "lib/base/utf8.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"

#include "lib/base/arena.h"

/* The low n (1..64) bits of value, highest first. */
static void put_word(uint8_t *bytes, size_t offset, uint64_t value, unsigned n)
{
    value = __builtin_bswap64(value << (64 - n));
    uint8_t buffer[8];
    memcpy(buffer, &value, sizeof(buffer));
    if (offset % 8 == 0 && n % 8 == 0) {
        uint8_t *to = bytes + offset / 8;
        switch (n) {
        case 8:
            *to = buffer[0];
            return;
        case 16:
            memcpy(to, buffer, 2);
            return;
        case 32:
            memcpy(to, buffer, 4);
            return;
        case 64:
            memcpy(to, buffer, 8);
            return;
        default:
            memcpy(to, buffer, n / 8);
            return;
        }
    }
    bits_copy(bytes, offset, buffer, 0, n);
}

/* The order in which a little-endian field's bits stand: whole bytes, lowest first, then the rest. */
static uint64_t to_little(uint64_t value, unsigned n)
{
    unsigned rest = n % 8, full = n / 8;
    if (full == 0) {
        return value;
    }
    uint64_t low = __builtin_bswap64(value) >> (64 - 8 * full);
    if (rest == 0) {
        return low;
    }
    return low << rest | (value >> (8 * full) & ((1u << rest) - 1));
}

/* bits 8*i .. 8*i+7 of the two's complement of the integer whose magnitude's bytes are le[0..n). */
static void complement_bytes(uint8_t *le, size_t n)
{
    unsigned carry = 1;
    for (size_t i = 0; i < n; i++) {
        carry += (uint8_t) ~le[i];
        le[i] = (uint8_t) carry;
        carry >>= 8;
    }
}

static void fill_bits(uint8_t *bytes, size_t offset, size_t n_bits, bool ones)
{
    uint8_t fill[64];
    memset(fill, ones ? 0xFF : 0, sizeof(fill));
    while (n_bits > 0) {
        size_t n = n_bits < sizeof(fill) * 8 ? n_bits : sizeof(fill) * 8;
        bits_copy(bytes, offset, fill, 0, n);
        offset += n;
        n_bits -= n;
    }
}

/* Fields longer than a word. The number's own bytes are converted; the rest of the field, which
 * may be far longer, is filled with its sign. */
static void put_long_integer(uint8_t *bytes, size_t offset, term integer, size_t n_bits, unsigned flags)
{
    uint8_t local[256];
    size_t field_bytes = n_bits / 8;
    size_t n = integer_byte_size(integer) + 1; /* one more for the sign */
    bool negative = integer_is_negative(integer);
    if (n > field_bytes + 1) {
        n = field_bytes + 1;
    }
    uint8_t *le = n <= sizeof(local) ? local : vm_alloc(n);
    integer_to_bytes_le(integer, le, n);
    if (negative) {
        complement_bytes(le, n);
    }
    unsigned rest = (unsigned) (n_bits % 8);
    size_t whole = n < field_bytes ? n : field_bytes; /* whole bytes of the number in the field */
    unsigned top = n > field_bytes ? le[field_bytes] : negative ? 0xFF : 0;
    if (bits_is_little(flags)) {
        bits_copy(bytes, offset, le, 0, whole * 8);
        fill_bits(bytes, offset + whole * 8, (field_bytes - whole) * 8, negative);
        if (rest != 0) {
            uint8_t last = (uint8_t) (top << (8 - rest));
            bits_copy(bytes, offset + field_bytes * 8, &last, 0, rest);
        }
    } else {
        if (rest != 0) {
            uint8_t first = (uint8_t) (top << (8 - rest));
            bits_copy(bytes, offset, &first, 0, rest);
        }
        fill_bits(bytes, offset + rest, (field_bytes - whole) * 8, negative);
        for (size_t i = 0, j = whole; i < j;) {
            j--;
            uint8_t swap = le[i];
            le[i] = le[j];
            le[j] = swap;
            i++;
        }
        bits_copy(bytes, offset + n_bits - whole * 8, le, 0, whole * 8);
    }
    if (le != local) {
        vm_free(le);
    }
}

bool bits_put_integer(uint8_t *bytes, size_t offset, term integer, size_t n_bits, unsigned flags)
{
    if (!term_is_integer(integer)) {
        return false;
    }
    if (n_bits == 0) {
        return true;
    }
    if (n_bits > 64) {
        put_long_integer(bytes, offset, integer, n_bits, flags);
        return true;
    }
    uint64_t value;
    if (term_is_small(integer)) {
        value = (uint64_t) term_to_small(integer);
    } else {
        uint8_t le[8];
        integer_to_bytes_le(integer, le, sizeof(le));
        memcpy(&value, le, sizeof(value));
        if (integer_is_negative(integer)) {
            value = -value;
        }
    }
    if (bits_is_little(flags)) {
        value = to_little(value, (unsigned) n_bits);
    }
    put_word(bytes, offset, value, (unsigned) n_bits);
    return true;
}

/* IEEE half precision, rounded to nearest even; too large becomes infinity. */
static uint16_t double_to_half(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    uint16_t sign = (uint16_t) (bits >> 48 & 0x8000);
    double magnitude = __builtin_fabs(d);
    if (magnitude >= 65520.0) {
        return sign | 0x7C00;
    }
    if (magnitude < 0x1p-14) { /* subnormal: units of 2^-24 */
        return (uint16_t) (sign | (unsigned) __builtin_rint(magnitude * 0x1p24));
    }
    int exponent = (int) (bits >> 52 & 0x7FF) - 1023;
    double scaled = magnitude * (exponent < 0 ? (double) (1u << -exponent) : 1.0 / (double) (1u << exponent));
    /* 1 <= scaled < 2. Rounding up to 2 carries into the exponent by itself. */
    unsigned fraction = (unsigned) __builtin_rint((scaled - 1.0) * 1024.0);
    return (uint16_t) (sign | (((unsigned) (exponent + 15) << 10) + fraction));
}

bool bits_put_float(uint8_t *bytes, size_t offset, term number, size_t n_bits, unsigned flags)
{
    double d;
    uint64_t value = 0;
    if (!arith_to_double(number, &d)) {
        return false;
    }
    if (n_bits == 64) {
        memcpy(&value, &d, sizeof(value));
    } else if (n_bits == 32) {
        float f = (float) d; /* too large becomes infinity, as in OTP */
        uint32_t word;
        memcpy(&word, &f, sizeof(word));
        value = word;
    } else if (n_bits == 16) {
        value = double_to_half(d);
    } else {
        return n_bits == 0;
    }
    if (bits_is_little(flags)) {
        value = to_little(value, (unsigned) n_bits);
    }
    put_word(bytes, offset, value, (unsigned) n_bits);
    return true;
}

void bits_put_bits(uint8_t *bytes, size_t offset, const struct bits_view *v, size_t n_bits)
{
    bits_copy(bytes, offset, v->bytes, v->offset, n_bits);
}

size_t bits_utf16_size(uint32_t c)
{
    if (!utf8_is_character(c)) {
        return 0;
    }
    return c < 0x10000 ? 2 : 4;
}

void bits_put_utf8(uint8_t *bytes, size_t offset, uint32_t c)
{
    uint8_t utf8[UTF8_MAX_BYTES];
    if (offset % 8 == 0) {
        utf8_put(bytes + offset / 8, c);
    } else {
        bits_copy(bytes, offset, utf8, 0, utf8_put(utf8, c) * 8);
    }
}

void bits_put_utf16(uint8_t *bytes, size_t offset, uint32_t c, unsigned flags)
{
    uint32_t units[2] = { c, 0 };
    unsigned n = 1;
    if (c >= 0x10000) {
        units[0] = 0xD800 + ((c - 0x10000) >> 10);
        units[1] = 0xDC00 + ((c - 0x10000) & 0x3FF);
        n = 2;
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t unit = bits_is_little(flags) ? to_little(units[i], 16) : units[i];
        put_word(bytes, offset + i * 16, unit, 16);
    }
}

void bits_put_utf32(uint8_t *bytes, size_t offset, uint32_t c, unsigned flags)
{
    put_word(bytes, offset, bits_is_little(flags) ? to_little(c, 32) : c, 32);
}
