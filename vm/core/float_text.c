#include "vm/core/float_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
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

/* Correctly rounded to n digits; trailing zeros dropped. */
static void round_to(struct decimal *out, double d, int n)
{
    char text[40];
    snprintf(text, sizeof(text), "%.*e", n - 1, d);
    out->digits[0] = text[0];
    memcpy(out->digits + 1, text + 2, (size_t) n - 1);
    out->n = n;
    while (out->n > 1 && out->digits[out->n - 1] == '0') {
        out->n--;
    }
    out->point = atoi(strchr(text, 'e') + 1) + 1;
}

static double decimal_value(const struct decimal *x)
{
    char text[40];
    snprintf(text, sizeof(text), "0.%.*se%d", x->n, x->digits, x->point);
    return strtod(text, NULL);
}

/* Adds one to the last of n digits. */
static void round_up(struct decimal *x, int n)
{
    memset(x->digits + x->n, '0', (size_t) (n - x->n));
    int i = n - 1;
    while (i >= 0 && x->digits[i] == '9') {
        i--;
    }
    if (i < 0) {
        x->digits[0] = '1';
        x->n = 1;
        x->point++;
    } else {
        x->digits[i]++;
        x->n = i + 1;
    }
}

static void shortest(struct decimal *out, double d)
{
    uint64_t bits = double_bits(d);
    bool is_power_of_two = (bits << 12) == 0;
    /* Every normal double tells 15 digits apart; a subnormal may need only one. */
    for (int n = (bits >> 52) == 0 ? 1 : 15; n < 17; n++) {
        round_to(out, d, n);
        if (decimal_value(out) == d) {
            return;
        }
        if (is_power_of_two) {
            /* The interval that reads back as d reaches twice as far above as below: the next
             * number above may lie in it although the nearest, below, does not. */
            round_up(out, n);
            if (decimal_value(out) == d) {
                return;
            }
        }
    }
    round_to(out, d, 17);
}

/* Whole numbers below 10^15 are their own digits. */
static bool whole_digits(struct decimal *out, double d)
{
    if (d >= 1e15 || d != floor(d)) {
        return false;
    }
    char text[20];
    uint64_t i = (uint64_t) d;
    int n = 0;
    for (; i > 0; i /= 10) {
        text[sizeof(text) - (size_t) ++n] = (char) ('0' + i % 10);
    }
    memcpy(out->digits, text + sizeof(text) - (size_t) n, (size_t) n);
    out->point = n;
    while (n > 1 && out->digits[n - 1] == '0') {
        n--;
    }
    out->n = n;
    return true;
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
    if (!whole_digits(&x, d)) {
        shortest(&x, d);
    }
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

size_t print_float_short(char out[32], double d)
{
    return float_text_short(out, d);
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
