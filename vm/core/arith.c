#include "vm/core/arith.h"

#include <math.h>

#include "vm/core/bignum.h"

/* libtommath's multiplication writes straight into the result up to these; above it builds the
 * product elsewhere and swaps buffers, which digits on the heap must not be part of. */
enum { MUL_IN_PLACE_DIGITS = 80, MUL_IN_PLACE_SUM = 500 };

static term fail(enum arith_status *st, enum arith_status why)
{
    *st = why;
    return TERM_NONE;
}

static term finish(struct heap *h, struct big_result *r, bool ok, enum arith_status *st)
{
    term t = TERM_NONE;
    if (ok) {
        t = big_end(h, r);
    } else {
        big_cancel(h, r);
    }
    return term_is_none(t) ? fail(st, ARITH_SYSTEM_LIMIT) : t;
}

static term take(struct heap *h, mp_int *mp, enum arith_status *st)
{
    term t = big_take(h, mp);
    return term_is_none(t) ? fail(st, ARITH_SYSTEM_LIMIT) : t;
}

/* ---- integers ---- */

static size_t longer(const struct big_operand *a, const struct big_operand *b)
{
    return (size_t) (a->mp.used > b->mp.used ? a->mp.used : b->mp.used);
}

/* Programs' integers are mostly a few digits long, for which a call of libtommath costs more than the
 * work: addition, subtraction and what is bitwise on numbers that are not negative are done here. */

static void add_digits(mp_int *to, const mp_int *a, const mp_int *b)
{
    if (a->used < b->used) {
        const mp_int *swap = a;
        a = b;
        b = swap;
    }
    mp_digit carry = 0;
    int i = 0;
    for (; i < b->used; i++) {
        carry += a->dp[i] + b->dp[i];
        to->dp[i] = carry & MP_MASK;
        carry >>= MP_DIGIT_BIT;
    }
    for (; i < a->used; i++) {
        carry += a->dp[i];
        to->dp[i] = carry & MP_MASK;
        carry >>= MP_DIGIT_BIT;
    }
    to->dp[i] = carry;
    to->used = i + 1;
}

/* a is the larger */
static void subtract_digits(mp_int *to, const mp_int *a, const mp_int *b)
{
    mp_digit borrow = 0;
    int i = 0;
    for (; i < b->used; i++) {
        mp_digit d = a->dp[i] - b->dp[i] - borrow;
        to->dp[i] = d & MP_MASK;
        borrow = d >> 63;
    }
    for (; i < a->used; i++) {
        mp_digit d = a->dp[i] - borrow;
        to->dp[i] = d & MP_MASK;
        borrow = d >> 63;
    }
    to->used = i;
}

static term add(struct heap *h, term a, term b, bool subtract, enum arith_status *st)
{
    struct big_operand x, y;
    struct big_result r;
    big_load(&x, a);
    big_load(&y, b);
    if (!big_begin(h, &r, longer(&x, &y) + 1)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    if (subtract) {
        y.mp.sign = y.mp.sign == MP_NEG ? MP_ZPOS : MP_NEG;
    }
    if (x.mp.sign == y.mp.sign) {
        add_digits(&r.mp, &x.mp, &y.mp);
        r.mp.sign = x.mp.sign;
    } else if (big_compare_digits(&x.mp, &y.mp) >= 0) {
        subtract_digits(&r.mp, &x.mp, &y.mp);
        r.mp.sign = x.mp.sign;
    } else {
        subtract_digits(&r.mp, &y.mp, &x.mp);
        r.mp.sign = y.mp.sign;
    }
    return finish(h, &r, true, st);
}

static mp_digit digit_or_0(const mp_int *a, int i)
{
    return i < a->used ? a->dp[i] : 0;
}

/* pre: neither is negative */
static term bitwise(struct heap *h, enum arith_op op, const struct big_operand *x, const struct big_operand *y,
    enum arith_status *st)
{
    struct big_result r;
    int n = (int) longer(x, y);
    if (op == ARITH_BAND) {
        n = x->mp.used < y->mp.used ? x->mp.used : y->mp.used;
    }
    if (!big_begin(h, &r, (size_t) n)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    for (int i = 0; i < n; i++) {
        mp_digit a = digit_or_0(&x->mp, i), b = digit_or_0(&y->mp, i);
        r.mp.dp[i] = op == ARITH_BAND ? a & b : op == ARITH_BOR ? a | b : a ^ b;
    }
    r.mp.used = n;
    return finish(h, &r, true, st);
}

typedef mp_err (*digit_op)(const mp_int *a, const mp_int *b, mp_int *c);

static term bitwise_any(struct heap *h, enum arith_op op, term a, term b, enum arith_status *st)
{
    struct big_operand x, y;
    struct big_result r;
    big_load(&x, a);
    big_load(&y, b);
    if (x.mp.sign != MP_NEG && y.mp.sign != MP_NEG) {
        return bitwise(h, op, &x, &y, st);
    }
    digit_op fn = op == ARITH_BAND ? mp_and : op == ARITH_BOR ? mp_or : mp_xor;
    if (!big_begin(h, &r, longer(&x, &y) + 2)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    return finish(h, &r, fn(&x.mp, &y.mp, &r.mp) == MP_OKAY, st);
}

static term multiply_by_digit(struct heap *h, const struct big_operand *x, const struct big_operand *digit,
    enum arith_status *st)
{
    struct big_result r;
    unsigned __int128 carry = 0;
    int n = x->mp.used;
    if (!big_begin(h, &r, (size_t) n + 1)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    for (int i = 0; i < n; i++) {
        carry += (unsigned __int128) x->mp.dp[i] * digit->mp.dp[0];
        r.mp.dp[i] = (mp_digit) carry & MP_MASK;
        carry >>= MP_DIGIT_BIT;
    }
    r.mp.dp[n] = (mp_digit) carry;
    r.mp.used = n + 1;
    r.mp.sign = x->mp.sign != digit->mp.sign ? MP_NEG : MP_ZPOS;
    return finish(h, &r, true, st);
}

static term multiply(struct heap *h, term a, term b, enum arith_status *st)
{
    struct big_operand x, y;
    struct big_result r;
    big_load(&x, a);
    big_load(&y, b);
    size_t n = (size_t) x.mp.used + (size_t) y.mp.used + 1;
    int shorter = x.mp.used < y.mp.used ? x.mp.used : y.mp.used;
    if (shorter <= 1) {
        return shorter == 0 ? term_from_small(0) : multiply_by_digit(h, x.mp.used == 1 ? &y : &x, x.mp.used == 1 ? &x : &y, st);
    }
    if (n > BIG_MAX_DIGITS + 3) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    if (shorter < MUL_IN_PLACE_DIGITS && n < MUL_IN_PLACE_SUM) {
        if (!big_begin(h, &r, n)) {
            return fail(st, ARITH_SYSTEM_LIMIT);
        }
        return finish(h, &r, mp_mul(&x.mp, &y.mp, &r.mp) == MP_OKAY, st);
    }
    mp_int product;
    if (mp_init(&product) != MP_OKAY) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    mp_err err = term_same(a, b) ? mp_sqr(&x.mp, &product) : mp_mul(&x.mp, &y.mp, &product);
    if (err != MP_OKAY) {
        mp_clear(&product);
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    return take(h, &product, st);
}

static term multiply_smalls(struct heap *h, intptr_t a, intptr_t b, enum arith_status *st)
{
    __int128 product = (__int128) a * b;
    if (product >= TERM_SMALL_MIN && product <= TERM_SMALL_MAX) {
        return term_from_small((intptr_t) product);
    }
    struct big_result r;
    if (!big_begin(h, &r, 2)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    r.mp.sign = product < 0 ? MP_NEG : MP_ZPOS;
    unsigned __int128 magnitude = product < 0 ? -(unsigned __int128) product : (unsigned __int128) product;
    r.mp.dp[0] = (mp_digit) magnitude & MP_MASK;
    r.mp.dp[1] = (mp_digit) (magnitude >> MP_DIGIT_BIT);
    r.mp.used = 2;
    return finish(h, &r, true, st);
}

/* One-digit divisors: no temporaries. */
static term divide_by_digit(struct heap *h, const struct big_operand *x, const struct big_operand *y,
    bool want_quotient, enum arith_status *st)
{
    struct big_divisor d;
    size_t n = (size_t) x->mp.used;
    big_divisor_init(&d, y->mp.dp[0]);
    if (!want_quotient) {
        intptr_t rest = (intptr_t) big_divide(&d, x->mp.dp, n, NULL);
        return heap_integer(h, x->mp.sign == MP_NEG ? -rest : rest);
    }
    struct big_result r;
    if (!big_begin(h, &r, n)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    big_divide(&d, x->mp.dp, n, r.mp.dp);
    r.mp.used = (int) n;
    r.mp.sign = x->mp.sign != y->mp.sign ? MP_NEG : MP_ZPOS;
    return finish(h, &r, true, st);
}

static term divide(struct heap *h, term a, term b, bool want_quotient, enum arith_status *st)
{
    struct big_operand x, y;
    if (term_is_small(b) && term_to_small(b) == 0) {
        return fail(st, ARITH_BADARITH);
    }
    if (term_is_small(a) && term_is_small(b)) {
        intptr_t i = term_to_small(a), j = term_to_small(b);
        return heap_integer(h, want_quotient ? i / j : i % j);
    }
    big_load(&x, a);
    big_load(&y, b);
    if (x.mp.used < y.mp.used) {
        return want_quotient ? term_from_small(0) : a;
    }
    if (y.mp.used == 1) {
        return divide_by_digit(h, &x, &y, want_quotient, st);
    }
    mp_int result;
    if (mp_init(&result) != MP_OKAY) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    mp_err err = want_quotient ? mp_div(&x.mp, &y.mp, &result, NULL) : mp_div(&x.mp, &y.mp, NULL, &result);
    if (err != MP_OKAY) {
        mp_clear(&result);
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    return take(h, &result, st);
}

static term shift_left(struct heap *h, term a, size_t n, enum arith_status *st)
{
    struct big_operand x;
    struct big_result r;
    if (term_is_small(a)) {
        intptr_t i = term_to_small(a);
        if (i == 0) {
            return a;
        }
        if (n < 60 && (intptr_t) ((uintptr_t) i << n) >> n == i) {
            return heap_integer(h, (intptr_t) ((uintptr_t) i << n));
        }
    }
    if (n > BIG_MAX_BITS) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    big_load(&x, a);
    if (!big_begin(h, &r, (size_t) x.mp.used + n / MP_DIGIT_BIT + 2)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    return finish(h, &r, mp_mul_2d(&x.mp, (int) n, &r.mp) == MP_OKAY, st);
}

static term shift_right(struct heap *h, term a, size_t n, enum arith_status *st)
{
    struct big_operand x;
    struct big_result r;
    if (term_is_small(a)) {
        return term_from_small(term_to_small(a) >> (n < 63 ? n : 63));
    }
    big_load(&x, a);
    if (n / MP_DIGIT_BIT >= (size_t) x.mp.used) {
        return term_from_small(x.mp.sign == MP_NEG ? -1 : 0);
    }
    if (!big_begin(h, &r, (size_t) x.mp.used + 2)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    if (x.mp.sign != MP_NEG) {
        int skip = (int) (n / MP_DIGIT_BIT);
        unsigned bits = (unsigned) (n % MP_DIGIT_BIT);
        r.mp.used = x.mp.used - skip;
        for (int i = 0; i < r.mp.used; i++) {
            mp_digit above = digit_or_0(&x.mp, i + skip + 1) << (MP_DIGIT_BIT - bits);
            r.mp.dp[i] = (x.mp.dp[i + skip] >> bits | above) & MP_MASK;
        }
        return finish(h, &r, true, st);
    }
    return finish(h, &r, mp_signed_rsh(&x.mp, (int) n, &r.mp) == MP_OKAY, st);
}

static term shift(struct heap *h, term a, term by, bool left, enum arith_status *st)
{
    if (integer_is_negative(by)) {
        left = !left;
    }
    size_t n = SIZE_MAX;
    if (term_is_small(by)) {
        intptr_t i = term_to_small(by);
        n = i < 0 ? (size_t) -i : (size_t) i;
    }
    return left ? shift_left(h, a, n, st) : shift_right(h, a, n, st);
}

static term integers(struct heap *h, enum arith_op op, term a, term b, enum arith_status *st)
{
    switch (op) {
    case ARITH_ADD:
    case ARITH_SUB:
        return add(h, a, b, op == ARITH_SUB, st);
    case ARITH_MUL:
        return multiply(h, a, b, st);
    case ARITH_BAND:
    case ARITH_BOR:
    case ARITH_BXOR:
        return bitwise_any(h, op, a, b, st);
    case ARITH_IDIV:
    case ARITH_REM:
        return divide(h, a, b, op == ARITH_IDIV, st);
    case ARITH_BSL:
    case ARITH_BSR:
        return shift(h, a, b, op == ARITH_BSL, st);
    case ARITH_FDIV:
        break;
    }
    return fail(st, ARITH_BADARITH);
}

static term smalls(struct heap *h, enum arith_op op, term a, term b, enum arith_status *st)
{
    intptr_t i = term_to_small(a), j = term_to_small(b);
    switch (op) {
    case ARITH_ADD:
        return heap_integer(h, i + j);
    case ARITH_SUB:
        return heap_integer(h, i - j);
    case ARITH_MUL:
        return multiply_smalls(h, i, j, st);
    case ARITH_BAND:
        return term_from_small(i & j);
    case ARITH_BOR:
        return term_from_small(i | j);
    case ARITH_BXOR:
        return term_from_small(i ^ j);
    case ARITH_IDIV:
    case ARITH_REM:
    case ARITH_BSL:
    case ARITH_BSR:
    case ARITH_FDIV:
        break;
    }
    return integers(h, op, a, b, st);
}

/* ---- floats ---- */

/* The value OTP computes: digit by digit of 64 bits from the top, each step rounded. */
static bool big_to_double(const struct big_operand *x, double *out)
{
    size_t n_bits = (size_t) x->mp.used * MP_DIGIT_BIT;
    double d = 0.0;
    if (n_bits > 1200) {
        return false;
    }
    for (size_t word = (n_bits + 63) / 64; word-- > 0;) {
        size_t digit = word * 64 / MP_DIGIT_BIT;
        unsigned shift = (unsigned) (word * 64 % MP_DIGIT_BIT);
        uint64_t bits = 0;
        for (unsigned have = 0; have < 64 && digit < (size_t) x->mp.used; digit++) {
            if (have == 0) {
                bits = x->mp.dp[digit] >> shift;
                have = MP_DIGIT_BIT - shift;
            } else {
                bits |= x->mp.dp[digit] << have;
                have += MP_DIGIT_BIT;
            }
        }
        d = d * 0x1p64 + (double) bits;
    }
    if (!isfinite(d)) {
        return false;
    }
    *out = x->mp.sign == MP_NEG ? -d : d;
    return true;
}

bool arith_to_double(term a, double *out)
{
    if (term_is_small(a)) {
        *out = (double) term_to_small(a);
        return true;
    }
    if (term_is_float(a)) {
        *out = term_to_double(a);
        return true;
    }
    if (!term_is_big(a)) {
        return false;
    }
    struct big_operand x;
    big_load(&x, a);
    return big_to_double(&x, out);
}

static term floats(struct heap *h, enum arith_op op, term a, term b, enum arith_status *st)
{
    double x, y, z;
    if (!arith_to_double(a, &x) || !arith_to_double(b, &y)) {
        return fail(st, ARITH_BADARITH);
    }
    if (op == ARITH_ADD) {
        z = x + y;
    } else if (op == ARITH_SUB) {
        z = x - y;
    } else if (op == ARITH_MUL) {
        z = x * y;
    } else if (op == ARITH_FDIV && y != 0.0) {
        z = x / y;
    } else {
        return fail(st, ARITH_BADARITH);
    }
    return isfinite(z) ? heap_float(h, z) : fail(st, ARITH_BADARITH);
}

term arith_binary(struct heap *h, enum arith_op op, term a, term b, enum arith_status *st)
{
    *st = ARITH_OK;
    if (op == ARITH_FDIV) {
        return floats(h, op, a, b, st);
    }
    if (term_is_small(a) && term_is_small(b)) {
        return smalls(h, op, a, b, st);
    }
    if (term_is_integer(a) && term_is_integer(b)) {
        return integers(h, op, a, b, st);
    }
    return floats(h, op, a, b, st);
}

/* ---- one operand ---- */

/* A copy of a big with the other sign. */
static term flip_sign(struct heap *h, term a, enum arith_status *st)
{
    if (term_is_small(a)) {
        return heap_integer(h, -term_to_small(a));
    }
    struct big_operand x;
    struct big_result r;
    big_load(&x, a);
    if (!big_begin(h, &r, (size_t) x.mp.used)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    memcpy(r.mp.dp, x.mp.dp, (size_t) x.mp.used * sizeof(mp_digit));
    r.mp.used = x.mp.used;
    r.mp.sign = x.mp.sign == MP_NEG ? MP_ZPOS : MP_NEG;
    return finish(h, &r, true, st);
}

term arith_negate(struct heap *h, term a, enum arith_status *st)
{
    *st = ARITH_OK;
    if (term_is_integer(a)) {
        return flip_sign(h, a, st);
    }
    return term_is_float(a) ? heap_float(h, -term_to_double(a)) : fail(st, ARITH_BADARITH);
}

term arith_bnot(struct heap *h, term a, enum arith_status *st)
{
    *st = ARITH_OK;
    if (term_is_small(a)) {
        return term_from_small(~term_to_small(a));
    }
    if (!term_is_big(a)) {
        return fail(st, ARITH_BADARITH);
    }
    struct big_operand x;
    struct big_result r;
    big_load(&x, a);
    if (!big_begin(h, &r, (size_t) x.mp.used + 2)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    return finish(h, &r, mp_complement(&x.mp, &r.mp) == MP_OKAY, st);
}

term arith_abs(struct heap *h, term a, enum arith_status *st)
{
    *st = ARITH_OK;
    if (term_is_integer(a)) {
        return integer_is_negative(a) ? flip_sign(h, a, st) : a;
    }
    if (!term_is_float(a)) {
        return fail(st, ARITH_BADARG);
    }
    double d = term_to_double(a);
    return d < 0 ? heap_float(h, -d) : a; /* -0.0 stays, as on OTP */
}

/* pre: d has no fraction */
static term from_whole(struct heap *h, double d, enum arith_status *st)
{
    if (fabs(d) < 0x1p62) {
        return heap_integer(h, (int64_t) d);
    }
    int exponent;
    double fraction = frexp(fabs(d), &exponent); /* d = fraction * 2^exponent */
    uint64_t mantissa = (uint64_t) (fraction * 0x1p53);
    size_t shift = (size_t) exponent - 53;
    struct big_result r;
    if (!big_begin(h, &r, (size_t) exponent / MP_DIGIT_BIT + 1)) {
        return fail(st, ARITH_SYSTEM_LIMIT);
    }
    memset(r.mp.dp, 0, (size_t) r.mp.alloc * sizeof(mp_digit));
    unsigned __int128 bits = (unsigned __int128) mantissa << (shift % MP_DIGIT_BIT);
    r.mp.dp[shift / MP_DIGIT_BIT] = (mp_digit) bits & MP_MASK;
    if ((bits >> MP_DIGIT_BIT) != 0) {
        r.mp.dp[shift / MP_DIGIT_BIT + 1] = (mp_digit) (bits >> MP_DIGIT_BIT);
    }
    r.mp.used = r.mp.alloc;
    r.mp.sign = d < 0 ? MP_NEG : MP_ZPOS;
    return finish(h, &r, true, st);
}

static term to_whole(struct heap *h, term a, double (*how)(double), enum arith_status *st)
{
    *st = ARITH_OK;
    if (term_is_integer(a)) {
        return a;
    }
    return term_is_float(a) ? from_whole(h, how(term_to_double(a)), st) : fail(st, ARITH_BADARG);
}

term arith_trunc(struct heap *h, term a, enum arith_status *st)
{
    return to_whole(h, a, trunc, st);
}
term arith_round(struct heap *h, term a, enum arith_status *st)
{
    return to_whole(h, a, round, st);
}
term arith_floor(struct heap *h, term a, enum arith_status *st)
{
    return to_whole(h, a, floor, st);
}
term arith_ceil(struct heap *h, term a, enum arith_status *st)
{
    return to_whole(h, a, ceil, st);
}
