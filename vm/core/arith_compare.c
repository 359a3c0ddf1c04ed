/* Numbers in order: exactly, also an integer and a float of any size. */
#include "vm/core/arith.h"

#include <math.h>

#include "vm/core/bignum.h"

int arith_compare_integers(term a, term b)
{
    if (term_is_small(a) && term_is_small(b)) {
        intptr_t i = term_to_small(a), j = term_to_small(b);
        return i < j ? -1 : i > j;
    }
    struct big_operand x, y;
    big_load(&x, a);
    big_load(&y, b);
    if (x.mp.sign != y.mp.sign) {
        return x.mp.sign == MP_NEG ? -1 : 1;
    }
    int c = big_compare_digits(&x.mp, &y.mp);
    c = c < 0 ? -1 : c > 0;
    return x.mp.sign == MP_NEG ? -c : c;
}

/* A big against a whole double of any size, exactly. */
static int compare_big_to_whole(term big, double d)
{
    struct big_operand x;
    big_load(&x, big);
    int big_sign = x.mp.sign == MP_NEG ? -1 : 1;
    int d_sign = d < 0 ? -1 : d > 0;
    if (big_sign != d_sign) {
        return big_sign;
    }
    int exponent;
    uint64_t mantissa = (uint64_t) (frexp(fabs(d), &exponent) * 0x1p53);
    int top = 64 - __builtin_clzll(x.mp.dp[x.mp.used - 1]);
    int64_t big_bits = (int64_t) (x.mp.used - 1) * MP_DIGIT_BIT + top;
    if (big_bits != exponent) {
        return big_bits < exponent ? -big_sign : big_sign;
    }
    /* Same number of bits: the double's digits, one after the other from the top. */
    for (int i = x.mp.used; i-- > 0;) {
        int shift = exponent - 53 - i * MP_DIGIT_BIT;
        mp_digit digit = 0;
        if (shift > -64 && shift < MP_DIGIT_BIT) {
            digit = (shift >= 0 ? mantissa << shift : mantissa >> -shift) & MP_MASK;
        }
        if (x.mp.dp[i] != digit) {
            return x.mp.dp[i] < digit ? -big_sign : big_sign;
        }
    }
    return 0;
}

static int compare_integer_to_double(term i, double d)
{
    if (term_is_big(i)) {
        if (fabs(d) < 0x1p59) {
            return integer_is_negative(i) ? -1 : 1;
        }
        return compare_big_to_whole(i, d);
    }
    intptr_t small = term_to_small(i);
    if (fabs(d) < 0x1p53) { /* rounding the small cannot take it past such a double */
        double x = (double) small;
        return x < d ? -1 : x > d;
    }
    if (fabs(d) >= 0x1p60) {
        return d > 0 ? -1 : 1;
    }
    intptr_t whole = (intptr_t) d;
    return small < whole ? -1 : small > whole;
}

int arith_compare_numbers(term a, term b)
{
    if (!term_is_float(a)) {
        return term_is_float(b) ? compare_integer_to_double(a, term_to_double(b)) : arith_compare_integers(a, b);
    }
    if (!term_is_float(b)) {
        return -compare_integer_to_double(b, term_to_double(a));
    }
    double x = term_to_double(a), y = term_to_double(b);
    return x < y ? -1 : x > y;
}
