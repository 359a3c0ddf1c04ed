/* bignum.h - integers as libtommath sees them. For arith.c, bignum.c and the text conversions.
 *
 * An operand aliases the digits in a term; a result is built straight on the heap, in an mp_int
 * that has room for all digits it can need, so that libtommath never reallocates it.
 */
#ifndef VM_BIGNUM_H
#define VM_BIGNUM_H

#include <tommath.h>

#include "vm/core/heap.h"

_Static_assert(MP_DIGIT_BIT == 60, "big integers on the heap are 60-bit digits");

/* As OTP 25: 524,287 words of 64 bits. */
#define BIG_MAX_BITS   ((size_t) 524287 * 64)
#define BIG_MAX_DIGITS ((BIG_MAX_BITS + MP_DIGIT_BIT - 1) / MP_DIGIT_BIT)

struct big_operand {
    mp_int mp;
    mp_digit small;
};
/* pre: integer. o must stay where it is. */
static inline void big_load(struct big_operand *o, term t)
{
    if (term_is_small(t)) {
        intptr_t i = term_to_small(t);
        o->small = i < 0 ? (mp_digit) -i : (mp_digit) i;
        o->mp = (mp_int) { i != 0, 1, i < 0 ? MP_NEG : MP_ZPOS, &o->small };
    } else {
        int n = (int) term_arity(t);
        o->mp = (mp_int) { n, n, term_tag(t) == TAG_BIG_NEG ? MP_NEG : MP_ZPOS,
            (mp_digit *) &term_words(t)[1] };
    }
}

/* Magnitudes: below 0, 0, above 0. */
static inline int big_compare_digits(const mp_int *a, const mp_int *b)
{
    int c = a->used - b->used;
    for (int i = a->used; c == 0 && i-- > 0;) {
        if (a->dp[i] != b->dp[i]) {
            c = a->dp[i] < b->dp[i] ? -1 : 1;
        }
    }
    return c;
}

struct big_result {
    mp_int mp;
    uintptr_t *words; /* header first */
};
/* Room for n digits; false if that is more than there may be. */
bool big_begin(struct heap *h, struct big_result *r, size_t n_digits) MUST_CHECK;
/* The term; gives unused room back. TERM_NONE if it is larger than integers may be. */
term big_end(struct heap *h, struct big_result *r);
/* Gives all room back. */
void big_cancel(struct heap *h, struct big_result *r);
/* Copies a number that libtommath allocated, and frees it. TERM_NONE as above. */
term big_take(struct heap *h, mp_int *mp);

/* Division of digits by one digit: multiplies by its reciprocal. */
struct big_divisor {
    uint64_t normal, inverse;
    unsigned shift;
};
void big_divisor_init(struct big_divisor *d, mp_digit divisor); /* pre: 0 < divisor < 2^60 */
/* q[i] = digits / divisor, q may be digits or NULL; returns the remainder. */
mp_digit big_divide(const struct big_divisor *d, const mp_digit *digits, size_t n, mp_digit *q);

#endif
