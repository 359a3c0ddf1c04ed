/* arith.h - integers of any size (libtommath digits in place) and mixed arithmetic.
 *
 * The slow paths behind the interpreter's small-integer fast paths, and the BIFs' arithmetic.
 * Every function takes any term; the status says which error the language raises.
 */
#ifndef VM_ARITH_H
#define VM_ARITH_H

#include "vm/core/heap.h"

enum arith_status { ARITH_OK = 0, ARITH_BADARITH, ARITH_BADARG, ARITH_SYSTEM_LIMIT };

enum arith_op {
    ARITH_ADD, ARITH_SUB, ARITH_MUL, ARITH_FDIV /* "/" */, ARITH_IDIV /* div */, ARITH_REM,
    ARITH_BAND, ARITH_BOR, ARITH_BXOR, ARITH_BSL, ARITH_BSR,
};
/* Results go on h. TERM_NONE on error, and *st (unchanged otherwise) says which. Any sizes, up to OTP's limit. */
term arith_binary(struct heap *h, enum arith_op op, term a, term b, enum arith_status *st);
term arith_negate(struct heap *h, term a, enum arith_status *st);
term arith_bnot(struct heap *h, term a, enum arith_status *st);
term arith_abs(struct heap *h, term a, enum arith_status *st); /* badarg, as the rest below */
term arith_trunc(struct heap *h, term a, enum arith_status *st);
term arith_round(struct heap *h, term a, enum arith_status *st);
term arith_floor(struct heap *h, term a, enum arith_status *st);
term arith_ceil(struct heap *h, term a, enum arith_status *st);
/* Number to double; false if not a number or too large. */
bool arith_to_double(term a, double *out);

/* Below 0, 0, above 0. pre: of that kind. */
int arith_compare_integers(term a, term b);           /* any two integers */
int arith_compare_numbers(term a, term b);            /* any two numbers, exact as OTP for int/float */
/* Integers, small or big. */
bool integer_to_int64(term a, int64_t *out);          /* false if it does not fit or is no integer */
bool integer_to_uint64(term a, uint64_t *out);
bool integer_is_negative(term a);
/* The magnitude: how many bytes it has, 0 for 0, and what they are. */
size_t integer_byte_size(term a);
void integer_to_bytes_le(term a, uint8_t *out, size_t n); /* magnitude, zero-padded / truncated to n */
/* TERM_NONE: larger than integers may be. */
term integer_from_bytes_le(struct heap *h, const uint8_t *magnitude, size_t n, bool negative);
/* In base 2..36, digits above 9 as capitals, after "-" if negative; no NUL at the end. vm_free it. */
char *integer_to_text(term a, int base, size_t *out_len);
/* TERM_NONE if not [+-]?digits in that base. */
term integer_from_text(struct heap *h, const char *text, size_t n, int base);

#endif
