/* arith_fast.h - arithmetic on two small integers, for the dispatch loop. False: not so fast. */
#ifndef VM_ARITH_FAST_H
#define VM_ARITH_FAST_H

#include "vm/core/arith.h"
#include "vm/core/term.h"

static inline int64_t small_value_bits(term t) /* value in the bits of a small, tag cleared */
{
    return (int64_t) (t.word & ~(uint64_t) TERM_IMMED_MASK);
}
static inline bool fast_add(term a, term b, term *out)
{
    return !__builtin_add_overflow((int64_t) a.word, small_value_bits(b), (int64_t *) &out->word);
}
static inline bool fast_sub(term a, term b, term *out)
{
    return !__builtin_sub_overflow((int64_t) a.word, small_value_bits(b), (int64_t *) &out->word);
}
static inline bool fast_mul(term a, term b, term *out)
{
    int64_t r;
    bool fits = !__builtin_mul_overflow(small_value_bits(a), (int64_t) b.word >> TERM_SMALL_SHIFT, &r);
    out->word = (uint64_t) r | TERM_IMMED_SMALL;
    return fits;
}
static inline bool fast_never(term a, term b, term *out)
{
    (void) a;
    *out = b;
    return false;
}
static inline bool fast_div(term a, term b, term *out)
{
    int64_t x = (int64_t) a.word >> TERM_SMALL_SHIFT, y = (int64_t) b.word >> TERM_SMALL_SHIFT;
    if (y == 0 || y == -1) {
        return false;
    }
    out->word = (uint64_t) (x / y) << TERM_SMALL_SHIFT | TERM_IMMED_SMALL;
    return true;
}
static inline bool fast_rem(term a, term b, term *out)
{
    int64_t x = (int64_t) a.word >> TERM_SMALL_SHIFT, y = (int64_t) b.word >> TERM_SMALL_SHIFT;
    if (y == 0 || y == -1) {
        return false;
    }
    out->word = (uint64_t) (x % y) << TERM_SMALL_SHIFT | TERM_IMMED_SMALL;
    return true;
}
static inline bool fast_band(term a, term b, term *out)
{
    out->word = a.word & b.word;
    return true;
}
static inline bool fast_bor(term a, term b, term *out)
{
    out->word = a.word | b.word;
    return true;
}
static inline bool fast_bxor(term a, term b, term *out)
{
    out->word = (a.word ^ b.word) | TERM_IMMED_SMALL;
    return true;
}
static inline bool fast_bsr(term a, term b, term *out)
{
    int64_t n = (int64_t) b.word >> TERM_SMALL_SHIFT;
    if (n < 0) {
        return false;
    }
    out->word = (uint64_t) ((int64_t) a.word >> (n > 59 ? 59 : n)) | TERM_IMMED_SMALL;
    return true;
}
static inline bool fast_bsl(term a, term b, term *out)
{
    int64_t n = (int64_t) b.word >> TERM_SMALL_SHIFT, x = small_value_bits(a);
    if (n < 0 || n > 58) {
        return false;
    }
    int64_t r = (int64_t) ((uint64_t) x << n);
    out->word = (uint64_t) r | TERM_IMMED_SMALL;
    return r >> n == x;
}
/* a is a float. False: not so simple, or the result is not finite. */
static inline bool fast_float(enum arith_op op, term a, term b, double *out)
{
    if (!term_is_float(b) && !term_is_small(b)) {
        return false;
    }
    double x = term_to_double(a), y = term_is_small(b) ? (double) term_to_small(b) : term_to_double(b);
    if (op == ARITH_ADD) {
        *out = x + y;
    } else if (op == ARITH_SUB) {
        *out = x - y;
    } else if (op == ARITH_MUL) {
        *out = x * y;
    } else if (op == ARITH_FDIV) {
        *out = x / y;
    } else {
        return false;
    }
    return __builtin_isfinite(*out);
}

#endif
