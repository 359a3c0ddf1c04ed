#include "vm/core/bignum.h"

#include <math.h>

#include "lib/base/arena.h"
#include "vm/core/arith.h"

bool big_begin(struct heap *h, struct big_result *r, size_t n_digits)
{
    /* One more digit than the limit: carries that libtommath clears again. */
    if (n_digits > BIG_MAX_DIGITS + 2 || (n_digits >= HEAP_SURE_WORDS && !heap_can_alloc(h, n_digits + 1))) {
        return false;
    }
    r->words = heap_alloc(h, n_digits + 1);
    r->mp = (mp_int) { 0, (int) n_digits, MP_ZPOS, (mp_digit *) &r->words[1] };
    return true;
}

void big_cancel(struct heap *h, struct big_result *r)
{
    heap_give_back(h, r->words, (size_t) r->mp.alloc + 1, 0);
}

static size_t digits_to_bits(const mp_digit *dp, size_t n)
{
    return n == 0 ? 0 : (n - 1) * MP_DIGIT_BIT + (64 - (size_t) __builtin_clzll(dp[n - 1]));
}

term big_end(struct heap *h, struct big_result *r)
{
    mp_int *m = &r->mp;
    VM_ASSERT(m->dp == (mp_digit *) &r->words[1]);
    while (m->used > 0 && m->dp[m->used - 1] == 0) {
        m->used--;
    }
    bool negative = m->sign == MP_NEG;
    if (m->used == 0) {
        big_cancel(h, r);
        return term_from_small(0);
    }
    if (m->used == 1 && m->dp[0] <= (mp_digit) TERM_SMALL_MAX + negative) {
        intptr_t i = (intptr_t) m->dp[0];
        big_cancel(h, r);
        return term_from_small(negative ? -i : i);
    }
    size_t n = (size_t) m->used;
    if (n >= BIG_MAX_DIGITS && digits_to_bits(m->dp, n) > BIG_MAX_BITS) {
        big_cancel(h, r);
        return TERM_NONE;
    }
    r->words[0] = TERM_HEADER(negative ? TAG_BIG_NEG : TAG_BIG_POS, n);
    heap_give_back(h, r->words, (size_t) m->alloc + 1, n + 1);
    return term_from_boxed_ptr(r->words);
}

term big_take(struct heap *h, mp_int *mp)
{
    struct big_result r;
    term t = TERM_NONE;
    if (big_begin(h, &r, (size_t) mp->used)) {
        memcpy(r.mp.dp, mp->dp, (size_t) mp->used * sizeof(mp_digit));
        r.mp.used = mp->used;
        r.mp.sign = mp->sign;
        t = big_end(h, &r);
    }
    mp_clear(mp);
    return t;
}

/* ---- one-digit division ---- */

void big_divisor_init(struct big_divisor *d, mp_digit divisor)
{
    d->shift = (unsigned) __builtin_clzll(divisor);
    d->normal = divisor << d->shift;
    d->inverse = (uint64_t) (((unsigned __int128) ~d->normal << 64 | UINT64_MAX) / d->normal);
}

/* (high:low) / normal, high < normal: division by an invariant, after Moeller and Granlund. */
static inline uint64_t divide_step(const struct big_divisor *d, uint64_t high, uint64_t low, uint64_t *remainder)
{
    unsigned __int128 q = (unsigned __int128) d->inverse * high + ((unsigned __int128) high << 64 | low);
    uint64_t quotient = (uint64_t) (q >> 64) + 1;
    uint64_t r = low - quotient * d->normal;
    if (r > (uint64_t) q) {
        quotient--;
        r += d->normal;
    }
    if (__builtin_expect(r >= d->normal, 0)) {
        quotient++;
        r -= d->normal;
    }
    *remainder = r;
    return quotient;
}

mp_digit big_divide(const struct big_divisor *d, const mp_digit *digits, size_t n, mp_digit *q)
{
    uint64_t r = 0; /* shifted as the divisor is */
    for (size_t i = n; i-- > 0;) {
        unsigned __int128 part = ((unsigned __int128) r << MP_DIGIT_BIT) + ((unsigned __int128) digits[i] << d->shift);
        uint64_t quotient = divide_step(d, (uint64_t) (part >> 64), (uint64_t) part, &r);
        if (q != NULL) {
            q[i] = quotient;
        }
    }
    return r >> d->shift;
}

/* ---- conversions ---- */

bool integer_is_negative(term a)
{
    return term_is_small(a) ? term_to_small(a) < 0 : term_tag(a) == TAG_BIG_NEG;
}

/* Magnitude if it has at most 64 bits. */
static bool magnitude_u64(term a, uint64_t *out)
{
    if (term_is_small(a)) {
        intptr_t i = term_to_small(a);
        *out = i < 0 ? (uint64_t) -i : (uint64_t) i;
        return true;
    }
    const uintptr_t *dp = &term_words(a)[1];
    size_t n = term_arity(a);
    if (n > 2 || (n == 2 && dp[1] >= 16)) {
        return false;
    }
    *out = dp[0] | (n == 2 ? dp[1] << MP_DIGIT_BIT : 0);
    return true;
}

bool integer_to_int64(term a, int64_t *out)
{
    uint64_t m;
    if (!term_is_integer(a) || !magnitude_u64(a, &m)) {
        return false;
    }
    bool negative = integer_is_negative(a);
    if (m > (uint64_t) INT64_MAX + negative) {
        return false;
    }
    *out = negative ? (int64_t) -m : (int64_t) m;
    return true;
}

bool integer_to_uint64(term a, uint64_t *out)
{
    return term_is_integer(a) && !integer_is_negative(a) && magnitude_u64(a, out);
}

size_t integer_byte_size(term a)
{
    struct big_operand o;
    big_load(&o, a);
    return (digits_to_bits(o.mp.dp, (size_t) o.mp.used) + 7) / 8;
}

void integer_to_bytes_le(term a, uint8_t *out, size_t n)
{
    struct big_operand o;
    big_load(&o, a);
    unsigned __int128 bits = 0;
    unsigned n_bits = 0;
    int next = 0;
    for (size_t i = 0; i < n;) {
        while (n_bits < 64 && next < o.mp.used) {
            bits |= (unsigned __int128) o.mp.dp[next++] << n_bits;
            n_bits += MP_DIGIT_BIT;
        }
        uint64_t word = (uint64_t) bits;
        size_t take = n - i < sizeof(word) ? n - i : sizeof(word);
        memcpy(out + i, &word, take);
        i += take;
        bits >>= 64;
        n_bits = n_bits > 64 ? n_bits - 64 : 0;
        if (n_bits == 0 && next == o.mp.used) {
            memset(out + i, 0, n - i);
            return;
        }
    }
}

term integer_from_bytes_le(struct heap *h, const uint8_t *magnitude, size_t n, bool negative)
{
    while (n > 0 && magnitude[n - 1] == 0) {
        n--;
    }
    struct big_result r;
    if (n > BIG_MAX_BITS / 8 || !big_begin(h, &r, n * 8 / MP_DIGIT_BIT + 1)) {
        return TERM_NONE;
    }
    unsigned __int128 bits = 0;
    unsigned n_bits = 0;
    int used = 0;
    for (size_t i = 0; i < n;) {
        uint64_t word = 0;
        size_t take = n - i < 7 ? n - i : 7; /* 59 + 56 bits fit */
        memcpy(&word, magnitude + i, take);
        i += take;
        bits |= (unsigned __int128) word << n_bits;
        n_bits += (unsigned) take * 8;
        while (n_bits >= MP_DIGIT_BIT) {
            r.mp.dp[used++] = (mp_digit) bits & MP_MASK;
            bits >>= MP_DIGIT_BIT;
            n_bits -= MP_DIGIT_BIT;
        }
    }
    if (n_bits > 0) {
        r.mp.dp[used++] = (mp_digit) bits;
    }
    r.mp.used = used;
    r.mp.sign = negative ? MP_NEG : MP_ZPOS;
    return big_end(h, &r);
}

/* ---- text ---- */

static const char digit_chars[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* The largest power of base below 2^60, and its exponent. */
static mp_digit chunk_of(int base, unsigned *n_chars)
{
    mp_digit power = (mp_digit) base;
    *n_chars = 1;
    while (power <= MP_DIGIT_MAX / (mp_digit) base) {
        power *= (mp_digit) base;
        ++*n_chars;
    }
    return power;
}

/* Writes backwards from end; at least min_chars. */
static char *put_word_text(char *end, mp_digit value, int base, unsigned min_chars)
{
    unsigned n = 0;
    if (base == 10) {
        for (; value > 0 || n < min_chars; n++, value /= 10) {
            *--end = (char) ('0' + value % 10);
        }
        return end;
    }
    for (; value > 0 || n < min_chars; n++, value /= (mp_digit) base) {
        *--end = digit_chars[value % (mp_digit) base];
    }
    return end;
}

char *integer_to_text(term a, int base, size_t *out_len)
{
    struct big_operand o;
    big_load(&o, a);
    size_t n = (size_t) o.mp.used;
    /* log2(base) >= the number of whole bits of base - 1 plus a bit; rounding up costs little. */
    size_t bits_per_char = 63 - (size_t) __builtin_clzll((unsigned long long) base);
    size_t room = digits_to_bits(o.mp.dp, n) / bits_per_char + 3;
    char *text = vm_alloc(room);
    char *end = text + room, *at = end;
    if (n <= 1) {
        at = put_word_text(at, n == 0 ? 0 : o.mp.dp[0], base, 1);
    } else if ((base & (base - 1)) == 0) {
        /* 60 bits are whole characters for bases 2, 4, 8, 16 and 32. */
        for (size_t i = 0; i < n; i++) {
            at = put_word_text(at, o.mp.dp[i], base, i + 1 < n ? (unsigned) (MP_DIGIT_BIT / bits_per_char) : 1);
        }
    } else {
        unsigned n_chars;
        struct big_divisor chunk;
        big_divisor_init(&chunk, chunk_of(base, &n_chars));
        mp_digit local[64];
        mp_digit *left = n <= ARRAY_LEN(local) ? local : vm_alloc(n * sizeof(*left));
        memcpy(left, o.mp.dp, n * sizeof(*left));
        while (n > 0) {
            mp_digit part = big_divide(&chunk, left, n, left);
            while (n > 0 && left[n - 1] == 0) {
                n--;
            }
            at = put_word_text(at, part, base, n > 0 ? n_chars : 1);
        }
        if (left != local) {
            vm_free(left);
        }
    }
    if (integer_is_negative(a)) {
        *--at = '-';
    }
    VM_ASSERT(at >= text);
    *out_len = (size_t) (end - at);
    memmove(text, at, *out_len);
    return text;
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'Z') {
        return c - 'A' + 10;
    }
    return 99;
}

/* dp[0..n) = dp * factor + add; the new length. */
static size_t multiply_add(mp_digit *dp, size_t n, mp_digit factor, mp_digit add)
{
    unsigned __int128 carry = add;
    for (size_t i = 0; i < n; i++) {
        carry += (unsigned __int128) dp[i] * factor;
        dp[i] = (mp_digit) carry & MP_MASK;
        carry >>= MP_DIGIT_BIT;
    }
    if (carry > 0) {
        dp[n++] = (mp_digit) carry;
    }
    return n;
}

/* Digits' values into dp: quadratic, for pieces of moderate length. */
static size_t parse_piece(mp_digit *dp, const char *text, size_t n, int base)
{
    unsigned chunk_chars;
    mp_digit chunk = chunk_of(base, &chunk_chars);
    size_t used = 0;
    for (size_t i = 0; i < n;) {
        /* The first chunk is the odd one. */
        size_t len = i == 0 && n % chunk_chars != 0 ? n % chunk_chars : chunk_chars;
        mp_digit value = 0;
        for (size_t end = i + len; i < end; i++) {
            value = value * (mp_digit) base + (mp_digit) digit_value(text[i]);
        }
        used = multiply_add(dp, used, chunk, value);
    }
    return used;
}

enum { PIECE_CHARS = 1800 }; /* a multiple of the chunk length 18 of base 10 is a little faster */

static size_t digits_for(size_t n_chars, int base)
{
    return (size_t) ((double) n_chars * log2((double) base) / MP_DIGIT_BIT) + 2;
}

/* Long texts: pieces, then pairs of them, and so on: as fast as libtommath multiplies. */
static bool parse_long(mp_int *out, const char *text, size_t n, int base)
{
    size_t n_pieces = (n + PIECE_CHARS - 1) / PIECE_CHARS;
    mp_int *pieces = vm_zalloc(n_pieces * sizeof(*pieces));
    mp_int power; /* base to the number of characters of a piece */
    bool ok = mp_init_set(&power, (mp_digit) base) == MP_OKAY;
    if (ok) {
        ok = mp_expt_u32(&power, PIECE_CHARS, &power) == MP_OKAY;
    }
    for (size_t i = 0; ok && i < n_pieces; i++) { /* the least significant is pieces[0] */
        size_t end = n - i * PIECE_CHARS;
        size_t start = end > PIECE_CHARS ? end - PIECE_CHARS : 0;
        ok = mp_init_size(&pieces[i], (int) digits_for(end - start, base)) == MP_OKAY;
        if (ok) {
            pieces[i].used = (int) parse_piece(pieces[i].dp, text + start, end - start, base);
        }
    }
    for (; ok && n_pieces > 1; n_pieces = (n_pieces + 1) / 2) {
        for (size_t i = 0; ok && i < n_pieces; i += 2) {
            mp_int low = pieces[i];
            if (i + 1 < n_pieces) {
                mp_int *high = &pieces[i + 1];
                ok = mp_mul(high, &power, high) == MP_OKAY && mp_add(high, &low, &low) == MP_OKAY;
                mp_clear(high);
            }
            pieces[i] = (mp_int) { 0, 0, MP_ZPOS, NULL };
            pieces[i / 2] = low;
        }
        if (ok && n_pieces > 2) {
            ok = mp_sqr(&power, &power) == MP_OKAY;
        }
    }
    *out = pieces[0];
    for (size_t i = 1; !ok && i < n_pieces; i++) {
        mp_clear(&pieces[i]);
    }
    if (!ok) {
        mp_clear(out);
    }
    mp_clear(&power);
    vm_free(pieces);
    return ok;
}

term integer_from_text(struct heap *h, const char *text, size_t n, int base)
{
    bool negative = n > 0 && text[0] == '-';
    if (n > 0 && (text[0] == '-' || text[0] == '+')) {
        text++;
        n--;
    }
    if (n == 0) {
        return TERM_NONE;
    }
    for (size_t i = 0; i < n; i++) {
        if (digit_value(text[i]) >= base) {
            return TERM_NONE;
        }
    }
    while (n > 1 && text[0] == '0') {
        text++;
        n--;
    }
    if (n <= 11) { /* 36^11 < 2^57 */
        intptr_t value = 0;
        for (size_t i = 0; i < n; i++) {
            value = value * base + digit_value(text[i]);
        }
        return term_from_small(negative ? -value : value);
    }
    if ((double) (n - 1) * log2((double) base) > (double) BIG_MAX_BITS) {
        return TERM_NONE; /* too large, whatever the digits */
    }
    if (n <= 2 * PIECE_CHARS) {
        struct big_result r;
        if (!big_begin(h, &r, digits_for(n, base))) {
            return TERM_NONE;
        }
        r.mp.used = (int) parse_piece(r.mp.dp, text, n, base);
        r.mp.sign = negative ? MP_NEG : MP_ZPOS;
        return big_end(h, &r);
    }
    mp_int value;
    if (!parse_long(&value, text, n, base)) {
        return TERM_NONE;
    }
    value.sign = negative && value.used > 0 ? MP_NEG : MP_ZPOS;
    return big_take(h, &value);
}
