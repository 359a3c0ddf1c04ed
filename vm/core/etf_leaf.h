/* etf_leaf.h - terms without others inside, one at a time and without buffer, stack or reader: what a small call
 * consists of. The same bytes as etf_encode_ext_all() makes and etf_decode_ext_all() takes.
 *
 *   for (i = 0; at != NULL && i < n; i++) at = etf_leaf_put(at, end, terms[i]);
 *
 * Integers of one word, [] and the atoms the VM itself names are inline; other atoms, floats and short binaries are not.
 * What is none of these, or does not fit, is NULL: not an error, but something for the whole encoder or decoder.
 */
#ifndef VM_ETF_LEAF_H
#define VM_ETF_LEAF_H

#include "lib/base/bytes.h"
#include "vm/core/atom.h"
#include "vm/core/etf_tags.h"
#include "vm/core/heap.h"

enum { ETF_LEAF_ROOM = 12 }; /* what one that is inline takes at most, and what is written behind it */

/* Any integer of one word; returns where it ends. pre: ETF_LEAF_ROOM bytes at `at`. */
ALWAYS_INLINE uint8_t *etf_put_small(uint8_t *at, intptr_t i)
{
    if (__builtin_expect(i >= 0 && i <= UINT8_MAX, 1)) {
        at[0] = ETF_SMALL_INTEGER;
        at[1] = (uint8_t) i;
        return at + 2;
    }
    if (i >= INT32_MIN && i <= INT32_MAX) {
        at[0] = ETF_INTEGER;
        return bytes_store_u32be(at + 1, (uint32_t) i);
    }
    uint64_t magnitude = i < 0 ? -(uint64_t) i : (uint64_t) i;
    unsigned n = (unsigned) (71 - __builtin_clzll(magnitude)) / 8;
    at[0] = ETF_SMALL_BIG;
    at[1] = (uint8_t) n;
    at[2] = i < 0;
    memcpy(at + 3, &magnitude, sizeof(magnitude)); /* little-endian; what is too much is written over */
    return at + 3 + n;
}

/* An atom below ATOM_N_PREDEFINED, likewise. */
ALWAYS_INLINE uint8_t *etf_put_predefined(uint8_t *at, term atom)
{
    at[0] = ETF_EXT_ATOM;
    at[1] = (uint8_t) (term_to_atom_index(atom) >> 8);
    at[2] = (uint8_t) term_to_atom_index(atom);
    return at + 3;
}

uint8_t *etf_leaf_put_other(uint8_t *at, const uint8_t *end, term t) MUST_CHECK;
const uint8_t *etf_leaf_get_other(struct heap *h, const uint8_t *at, const uint8_t *end, term *out) MUST_CHECK;

/* Writes t to [at, end). Returns where it ends, or NULL. */
static inline MUST_CHECK uint8_t *etf_leaf_put(uint8_t *at, const uint8_t *end, term t)
{
    if (__builtin_expect(end - at < ETF_LEAF_ROOM, 0)) {
        return NULL;
    }
    if (__builtin_expect(term_is_small(t), 1)) {
        return etf_put_small(at, term_to_small(t));
    }
    if (term_is_nil(t)) {
        *at = ETF_NIL;
        return at + 1;
    }
    if (term_is_atom(t) && term_to_atom_index(t) < ATOM_N_PREDEFINED) {
        return etf_put_predefined(at, t);
    }
    return etf_leaf_put_other(at, end, t);
}

/* Reads a term from [at, end), which is private to us; what takes memory lies on h. Returns where it ends, or NULL: nothing
 * that can be read here, or no term. */
static inline MUST_CHECK const uint8_t *etf_leaf_get(struct heap *h, const uint8_t *at, const uint8_t *end, term *out)
{
    if (__builtin_expect(end - at >= 2 && *at == ETF_SMALL_INTEGER, 1)) {
        *out = term_from_small(at[1]);
        return at + 2;
    }
    if (end - at >= 5 && *at == ETF_INTEGER) {
        *out = term_from_small((int32_t) bytes_load_u32be(at + 1));
        return at + 5;
    }
    if (end - at >= 3 && *at == ETF_EXT_ATOM) {
        uint32_t index = (uint32_t) at[1] << 8 | at[2];
        *out = term_from_atom_index(index);
        return index < ATOM_N_PREDEFINED ? at + 3 : NULL;
    }
    return etf_leaf_get_other(h, at, end, out);
}

#endif
