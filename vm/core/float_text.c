#include "vm/core/float_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "vm/core/float_powers.h"
#include "vm/core/print.h"

/* snprintf and strtod are pure functions here: the VM never changes the locale from "C". */

/* ---- shortest text that reads back ---- */

struct decimal { /* 0.digits * 10^point */
    char digits[20];
    int n, point;
};

static uint64_t double_bits(double d)
{
    uint64_t bits;
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

/* value * 10^exponent, without trailing zeros */
static void set_digits(struct decimal *out, uint64_t value, int exponent)
{
    char text[20];
    size_t n = 0;
    for (; value > 0; value /= 10) {
        text[sizeof(text) - ++n] = (char) ('0' + value % 10);
    }
    memcpy(out->digits, text + sizeof(text) - n, n);
    out->point = (int) n + exponent;
    while (n > 1 && out->digits[n - 1] == '0') {
        n--;
    }
    out->n = (int) n;
}

/* floor(log10(2^e)), or of 3/4 * 2^e; floor(log2(10^k)). Exact for all exponents of doubles. */
static int log10_of_power2(int e, bool three_quarters)
{
    return (e * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}
static int log2_of_power10(int k)
{
    return (k * 1741647) >> 19;
}

/* power * x / 2^128 with the last bit set if anything was cut off: what that is does not matter to
 * comparisons with even numbers. */
static uint64_t scale(const struct float_power *power, uint64_t x)
{
    uint64_t low = (uint64_t) ((unsigned __int128) power->low * x >> 64);
    unsigned __int128 sum = (unsigned __int128) power->high * x + low;
    return (uint64_t) (sum >> 64) | ((uint64_t) sum > 1);
}

/* The shortest decimal that rounds to the double, the closest of these: Giulietti's Schubfach. The
 * bounds of the interval that rounds to it are scaled by a power of ten so that it holds one or two
 * whole numbers; four times the numbers are kept, so that bounds and middles are whole. */
static void shortest(struct decimal *out, double d)
{
    uint64_t bits = double_bits(d);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    int biased = (int) (bits >> 52);
    uint64_t c = biased == 0 ? fraction : fraction | UINT64_C(1) << 52;
    int e = (biased == 0 ? 1 : biased) - 1075; /* d = c * 2^e */
    bool closer_below = fraction == 0 && biased > 1; /* the next smaller double is half as far */
    int k = log10_of_power2(e, closer_below);
    const struct float_power *power = &float_powers[-k - FLOAT_POWER_MIN];
    int shift = e + log2_of_power10(-k) + 1;
    uint64_t low = scale(power, (4 * c - 2 + closer_below) << shift);
    uint64_t mid = scale(power, 4 * c << shift);
    uint64_t high = scale(power, (4 * c + 2) << shift);
    if (c % 2 != 0) { /* odd: the bounds round elsewhere */
        low++;
        high--;
    }
    uint64_t s = mid / 4, tens = s / 10;
    bool down = low <= 40 * tens, up = 40 * tens + 40 <= high;
    if (s >= 10 && down != up) {
        set_digits(out, tens + up, k + 1);
        return;
    }
    down = low <= 4 * s;
    up = 4 * s + 4 <= high;
    if (down == up) { /* both or none: to the nearest */
        up = mid > 4 * s + 2 || (mid == 4 * s + 2 && s % 2 != 0);
    }
    set_digits(out, s + up, k);
}

static char *put_int(char *at, int i)
{
    if (i < 0) {
        *at++ = '-';
        i = -i;
    }
    if (i >= 100) {
        *at++ = (char) ('0' + i / 100);
    }
    if (i >= 10) {
        *at++ = (char) ('0' + i / 10 % 10);
    }
    *at++ = (char) ('0' + i % 10);
    return at;
}

static int int_width(int i)
{
    return (i < 0) + (abs(i) >= 100 ? 3 : abs(i) >= 10 ? 2 : 1);
}

size_t float_text_short(char out[32], double d)
{
    char *at = out;
    if (signbit(d)) {
        *at++ = '-';
        d = -d;
    }
    if (d == 0.0) {
        memcpy(at, "0.0", 3);
        return (size_t) (at + 3 - out);
    }
    struct decimal x;
    shortest(&x, d);
    size_t n = (size_t) x.n;
    int exponent = x.point - 1;
    int scientific = (x.n == 1 ? 3 : x.n + 1) + 1 + int_width(exponent);
    int fixed = x.point <= 0 ? 2 - x.point + x.n : x.point >= x.n ? x.point + 2 : x.n + 1;
    if (fixed > scientific || d >= 0x1p53) {
        *at++ = x.digits[0];
        *at++ = '.';
        if (n == 1) {
            *at++ = '0';
        }
        memcpy(at, x.digits + 1, n - 1);
        at += n - 1;
        *at++ = 'e';
        at = put_int(at, exponent);
    } else if (x.point <= 0) {
        memcpy(at, "0.", 2);
        memset(at + 2, '0', (size_t) -x.point);
        at += 2 - x.point;
        memcpy(at, x.digits, n);
        at += n;
    } else {
        size_t whole = (size_t) x.point;
        size_t known = n < whole ? n : whole;
        memcpy(at, x.digits, known);
        memset(at + known, '0', whole - known);
        at += whole;
        *at++ = '.';
        if (n > whole) {
            memcpy(at, x.digits + whole, n - whole);
            at += n - whole;
        } else {
            *at++ = '0';
        }
    }
    return (size_t) (at - out);
}

/* ---- given numbers of digits ---- */

static size_t drop_trailing_zeros(const char *text, size_t n)
{
    while (text[n - 1] == '0') {
        n--;
    }
    return text[n - 1] == '.' ? n + 1 : n;
}

enum { FIXED_FAST_DECIMALS = 19 };

/* OTP's rounding: the fraction times a power of ten, in doubles, to the nearest whole number. Numbers
 * too large for that, and longer fractions, are correctly rounded. */
size_t float_text_fixed(char out[FLOAT_TEXT_MAX], double d, unsigned decimals, bool compact)
{
    static const double powers[FIXED_FAST_DECIMALS] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
        1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18 };
    double magnitude = fabs(d);
    int len;
    if (magnitude > 0x1p53 || decimals >= FIXED_FAST_DECIMALS) {
        len = snprintf(out, FLOAT_TEXT_MAX, "%.*f", (int) decimals, d);
        if (len >= FLOAT_TEXT_MAX) {
            return 0;
        }
        return compact ? drop_trailing_zeros(out, (size_t) len) : (size_t) len;
    }
    const char *sign = signbit(d) ? "-" : "";
    if (decimals == 0) {
        return (size_t) snprintf(out, FLOAT_TEXT_MAX, "%s%llu", sign, (unsigned long long) round(magnitude));
    }
    double whole = floor(magnitude);
    double fraction = round((magnitude - whole) * powers[decimals]);
    if (fraction >= powers[decimals]) {
        whole++;
        fraction = 0;
    }
    len = snprintf(out, FLOAT_TEXT_MAX, "%s%llu.%0*llu", sign, (unsigned long long) whole, (int) decimals,
        (unsigned long long) fraction);
    return compact ? drop_trailing_zeros(out, (size_t) len) : (size_t) len;
}

size_t float_text_scientific(char out[FLOAT_TEXT_MAX], double d, unsigned decimals)
{
    int len = snprintf(out, FLOAT_TEXT_MAX, "%.*e", (int) decimals, d);
    return len >= FLOAT_TEXT_MAX ? 0 : (size_t) len;
}

/* ---- reading ---- */

static size_t skip_digits(const char *text, size_t i, size_t n)
{
    while (i < n && text[i] >= '0' && text[i] <= '9') {
        i++;
    }
    return i;
}

bool float_from_text(const char *text, size_t n, double *out)
{
    size_t i = n > 0 && (text[0] == '-' || text[0] == '+');
    size_t end = skip_digits(text, i, n), point = end;
    if (end == i || end == n || (text[end] != '.' && text[end] != ',')) {
        return false;
    }
    i = end + 1;
    end = skip_digits(text, i, n);
    if (end == i) {
        return false;
    }
    if (end < n && (text[end] == 'e' || text[end] == 'E')) {
        i = end + 1;
        i += i < n && (text[i] == '-' || text[i] == '+');
        end = skip_digits(text, i, n);
        if (end == i) {
            return false;
        }
    }
    if (end != n) {
        return false;
    }
    char local[128];
    char *copy = n < sizeof(local) ? local : vm_try_alloc(n + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    copy[point] = '.';
    *out = strtod(copy, NULL);
    if (copy != local) {
        vm_free(copy);
    }
    return isfinite(*out);
}
