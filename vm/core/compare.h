/* compare.h - term order, equality, and the three hashes.  Order, numbers and map order as OTP. */
#ifndef VM_COMPARE_H
#define VM_COMPARE_H

#include "vm/core/term.h"

/* number < atom < reference < fun < port < pid < tuple < map < nil < list < bitstring.
 * Iterative on deep terms: no input overflows the C stack. */
int term_compare(term a, term b);       /* 1 and 1.0 are equal: ==, <, lists:sort */
int term_compare_exact(term a, term b); /* 1 before 1.0: order of keys in maps */
bool term_equal(term a, term b);        /* == */
bool term_equal_exact_slow(term a, term b);
static inline bool term_equal_exact(term a, term b) /* =:= */
{
    if (term_same(a, b)) {
        return true;
    }
    if (term_is_immed(a) || term_is_immed(b)) {
        return false;
    }
    return term_equal_exact_slow(a, b);
}

/* Full 32-bit values, before erlang:phash2/1,2 and phash/2 take their range. */
uint32_t term_phash2(term t);
uint32_t term_phash(term t);
/* Internal: maps and tables. Equal for terms that are =:=; no two immediates collide. */
uint64_t term_hash(term t, uint64_t seed);

#endif
