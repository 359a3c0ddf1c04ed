/* OTP's hashes, value for value, as their documentation promises they never change. Both work on
 * magnitudes in 64-bit words and on bytes, so our digits are repacked.
 */
#include "lib/base/bytes.h"
#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/fun.h"
#include "vm/core/hash_parts.h"
#include "vm/core/map.h"
#include "vm/core/ref.h"
#include "vm/core/worklist.h"

static bool term_is_byte(term t)
{
    return term_is_small(t) && (t.word >> TERM_SMALL_SHIFT) < 256;
}

static uint32_t pid_number(term t)
{
    return term_is_local_pid(t) ? term_pid_number(t) : (uint32_t) term_words(t)[3];
}

static uint64_t port_number(term t)
{
    return term_is_local_port(t) ? term_port_number(t) : term_words(t)[3];
}

/* Magnitude of a big integer as 64-bit words, least significant first; vm_free it. */
static uint64_t *magnitude_words(term big, size_t *out_n)
{
    size_t n = (integer_byte_size(big) + 7) / 8;
    uint64_t *words = vm_alloc(n * sizeof(*words));
    integer_to_bytes_le(big, (uint8_t *) words, n * sizeof(*words));
    *out_n = n;
    return words;
}

/* ---- phash2: Bob Jenkins' 96-bit mix ---- */

#define GOLDEN 0x9e3779b9u /* the golden ratio; the kind of term is mixed in as a multiple of it */
#define KIND(n) (GOLDEN * (uint32_t) (n))

enum {
    KIND_SMALL = 1,
    KIND_FUN = 1,
    KIND_NIL = 2,
    KIND_ATOM = 3,
    KIND_STRING = 4,
    KIND_PID = 5,
    KIND_PORT = 6,
    KIND_REF = 7,
    KIND_TUPLE = 9,
    KIND_NEGATIVE = 10,
    KIND_POSITIVE = 11,
    KIND_FLOAT = 12,
    KIND_BINARY = 13,
    KIND_EXPORT = 14,
    KIND_BIT_TAIL = 15,
    KIND_MAP = 16,
    KIND_MAP_PAIRS = 19,
};

struct jenkins {
    uint32_t a, b, c;
};

static inline void jenkins_mix(struct jenkins *j)
{
    uint32_t a = j->a, b = j->b, c = j->c;
    a = (a - b - c) ^ c >> 13;
    b = (b - c - a) ^ a << 8;
    c = (c - a - b) ^ b >> 13;
    a = (a - b - c) ^ c >> 12;
    b = (b - c - a) ^ a << 16;
    c = (c - a - b) ^ b >> 5;
    a = (a - b - c) ^ c >> 3;
    b = (b - c - a) ^ a << 10;
    c = (c - a - b) ^ b >> 15;
    *j = (struct jenkins) { a, b, c };
}

static inline uint32_t mix_two(uint32_t hash, uint32_t x, uint32_t y, unsigned kind)
{
    struct jenkins j = { KIND(kind) + x, KIND(kind) + y, hash };
    jenkins_mix(&j);
    return j.c;
}

static inline uint32_t mix_one(uint32_t hash, uint32_t x, unsigned kind)
{
    return mix_two(hash, x, 0, kind);
}

static uint32_t mix_bytes(uint32_t hash, const uint8_t *p, size_t n)
{
    struct jenkins j = { GOLDEN, GOLDEN, hash };
    size_t left = n;
    for (; left >= 12; left -= 12, p += 12) {
        j.a += bytes_load_u32le(p);
        j.b += bytes_load_u32le(p + 4);
        j.c += bytes_load_u32le(p + 8);
        jenkins_mix(&j);
    }
    uint8_t last[12] = { 0 };
    memcpy(last, p, left);
    j.a += bytes_load_u32le(last);
    j.b += bytes_load_u32le(last + 4);
    j.c += (bytes_load_u32le(last + 8) << 8) + (uint32_t) n; /* the lowest byte of c is the length's */
    jenkins_mix(&j);
    return j.c;
}

static uint32_t phash2_small(uint32_t hash, intptr_t i)
{
    if (i >= -(1 << 27) && i < 1 << 27) {
        if (i < 0) {
            hash = mix_one(hash, (uint32_t) -i, KIND_SMALL);
        }
        return mix_one(hash, (uint32_t) i, KIND_SMALL);
    }
    uint64_t magnitude = i < 0 ? -(uint64_t) i : (uint64_t) i;
    return mix_two(hash, (uint32_t) magnitude, (uint32_t) (magnitude >> 32),
        i < 0 ? KIND_NEGATIVE : KIND_POSITIVE);
}

static uint32_t phash2_bits(uint32_t hash, term t)
{
    struct bits_view v = bits_view(t);
    hash += KIND(KIND_BINARY);
    if (v.size == 0) {
        return hash;
    }
    uint8_t *scratch;
    const uint8_t *bytes = hash_bytes(&v, &scratch);
    /* OTP looks at the low 32 bits of the size only. */
    size_t n = v.size / 8 & 0xFFFFFFFF;
    hash = mix_bytes(hash, bytes, n);
    if (v.size % 8 != 0) {
        hash = mix_two(hash, (uint32_t) (v.size % 8), bytes[n] >> (8 - v.size % 8), KIND_BIT_TAIL);
    }
    vm_free(scratch);
    return hash;
}

static uint32_t phash2_big(uint32_t hash, term t)
{
    size_t n;
    uint64_t *words = magnitude_words(t, &n);
    unsigned kind = integer_is_negative(t) ? KIND_NEGATIVE : KIND_POSITIVE;
    for (size_t i = 0; i < n; i++) {
        hash = mix_two(hash, (uint32_t) words[i], (uint32_t) (words[i] >> 32), kind);
    }
    vm_free(words);
    return hash;
}

/* Terms with nothing inside. */
static uint32_t phash2_leaf(uint32_t hash, term t)
{
    if (term_is_small(t)) {
        return phash2_small(hash, term_to_small(t));
    }
    if (term_is_atom(t)) {
        return hash == 0 ? atom_hash(t) : mix_one(hash, atom_hash(t), KIND_ATOM);
    }
    if (term_is_nil(t)) {
        return hash == 0 ? 3468870702u : mix_one(hash, 2, KIND_NIL);
    }
    if (term_is_big(t)) {
        return phash2_big(hash, t);
    }
    if (term_is_float(t)) {
        double d = hash_float(term_to_double(t));
        uint64_t bits;
        memcpy(&bits, &d, sizeof(bits));
        return mix_two(hash, (uint32_t) (bits >> 32), (uint32_t) bits, KIND_FLOAT);
    }
    if (term_is_bits(t)) {
        return phash2_bits(hash, t);
    }
    if (term_is_pid(t)) {
        return mix_one(hash, pid_number(t), KIND_PID);
    }
    if (term_is_port(t)) {
        uint64_t number = port_number(t);
        return mix_two(hash, (uint32_t) number, (uint32_t) (number >> 32), KIND_PORT);
    }
    if (term_is_ref(t)) {
        return mix_one(hash, term_ref_numbers(t).ids[0], KIND_REF);
    }
    VM_REQUIRE(term_has_tag(t, TAG_EXPORT));
    const struct export *e = term_export(t);
    hash = mix_two(hash, e->arity, atom_hash(e->module), KIND_FUN);
    return mix_one(hash, atom_hash(e->function), KIND_EXPORT);
}

/* Not values, so they can stand on the worklist between terms. The state they restore lies below. */
enum { MARK_PAIR = TERM_IMMED2_CATCH, MARK_MAP = TERM_IMMED2_CATCH | 1 << TERM_ATOM_SHIFT };

struct phash2 {
    struct worklist w;
    uint32_t hash, pairs;
};

static void phash2_push_map(struct phash2 *s, term map)
{
    size_t n = map_size(map);
    s->hash = mix_one(s->hash, (uint32_t) n, KIND_MAP);
    if (n == 0) {
        return;
    }
    /* Pairs are hashed each by itself and xored, so that their order does not matter. */
    uintptr_t *f = worklist_push_n(&s->w, 3 + 3 * n);
    f[0] = s->pairs;
    f[1] = s->hash;
    f[2] = MARK_MAP;
    f += 3;
    struct map_iter it;
    map_iter_init(&it, map);
    for (term key, value; map_iter_next(&it, &key, &value); f += 3) {
        f[0] = MARK_PAIR;
        f[1] = value.word;
        f[2] = key.word;
    }
    s->hash = s->pairs = 0;
}

/* Bytes at the front of a list are hashed four at a time. Returns what follows: on the worklist,
 * or the tail if that is no list. */
static term phash2_list(struct phash2 *s, term t)
{
    unsigned n = 0;
    uint32_t four = 0;
    while (term_is_cons(t) && term_is_byte(term_head(t))) {
        four = four << 8 | (uint32_t) term_to_small(term_head(t));
        if (++n == 4) {
            s->hash = mix_one(s->hash, four, KIND_STRING);
            n = 0;
            four = 0;
        }
        t = term_tail(t);
    }
    if (n > 0) {
        s->hash = mix_one(s->hash, four, KIND_STRING);
    }
    if (!term_is_cons(t)) {
        return t;
    }
    worklist_push(&s->w, term_tail(t).word);
    return term_head(t);
}

static void phash2_push_terms(struct phash2 *s, const uintptr_t *terms, size_t n)
{
    uintptr_t *f = worklist_push_n(&s->w, n);
    for (size_t i = 0; i < n; i++) {
        f[i] = terms[n - 1 - i];
    }
}

static void phash2_term(struct phash2 *s, term t)
{
    while (term_is_cons(t)) {
        t = phash2_list(s, t);
    }
    if (term_is_tuple(t)) {
        s->hash = mix_one(s->hash, (uint32_t) term_arity(t), KIND_TUPLE);
        phash2_push_terms(s, term_words(t) + 1, term_arity(t));
    } else if (term_is_map(t)) {
        phash2_push_map(s, t);
    } else if (term_has_tag(t, TAG_FUN)) {
        const struct fun_entry *e = term_fun_entry(t);
        size_t n = term_fun_n_free(t);
        s->hash = mix_two(s->hash, (uint32_t) n, atom_hash(e->module), KIND_FUN);
        s->hash = mix_two(s->hash, e->index, e->old_uniq, KIND_FUN);
        phash2_push_terms(s, term_words(t) + 3, n);
    } else {
        s->hash = phash2_leaf(s->hash, t);
    }
}

uint32_t term_phash2(term t)
{
    if (term_is_immed(t)) {
        return phash2_leaf(0, t);
    }
    struct phash2 s = { .hash = 0, .pairs = 0 };
    worklist_init(&s.w);
    worklist_push(&s.w, t.word);
    while (!worklist_is_empty(&s.w)) {
        uintptr_t word = worklist_pop(&s.w);
        if (word == MARK_PAIR) {
            s.pairs ^= s.hash;
            s.hash = 0;
        } else if (word == MARK_MAP) {
            s.hash = mix_one((uint32_t) worklist_pop(&s.w), s.pairs, KIND_MAP_PAIRS);
            s.pairs = (uint32_t) worklist_pop(&s.w);
        } else {
            phash2_term(&s, (term) { word });
        }
    }
    worklist_destroy(&s.w);
    return s.hash;
}

/* ---- phash: multiply by a prime and add ---- */

enum { /* primes just above 2^28 */
    PRIME_ATOM = 268440163,
    PRIME_BYTE = 268439161,
    PRIME_POSITIVE = 268435459,
    PRIME_NEGATIVE = 268436141,
    PRIME_PID = 268438633,
    PRIME_PID_END = 268437017,
    PRIME_FLOAT = 268437017,
    PRIME_LIST_END = 268437511,
    PRIME_TUPLE = 268439627,
    PRIME_REF = 268439627,
    PRIME_REF_END = 268440479,
    PRIME_FUN = 268440479,
    PRIME_EXPORT = 268440577,
    PRIME_PORT_HIGH = 268440577,
    PRIME_BIT_TAIL = 268440581,
    PRIME_MAP = 268440593,
    PRIME_MAP_END = 268440611,
};

static uint32_t step_bytes(uint32_t hash, uint64_t x, unsigned n, uint32_t prime)
{
    for (unsigned i = 0; i < n; i++, x >>= 8) {
        hash = hash * prime + (uint8_t) x;
    }
    return hash;
}

static uint32_t phash_integer(uint32_t hash, term t)
{
    bool negative = integer_is_negative(t);
    if (term_is_small(t)) {
        intptr_t i = term_to_small(t);
        uint64_t magnitude = i < 0 ? -(uint64_t) i : (uint64_t) i;
        hash = step_bytes(hash, magnitude, magnitude >> 32 != 0 ? 8 : 4, PRIME_BYTE);
    } else {
        size_t n;
        uint64_t *words = magnitude_words(t, &n);
        for (size_t i = 0; i < n; i++) {
            bool half = i + 1 == n && words[i] >> 32 == 0;
            hash = step_bytes(hash, words[i], half ? 4 : 8, PRIME_BYTE);
        }
        vm_free(words);
    }
    return hash * (negative ? PRIME_NEGATIVE : PRIME_POSITIVE);
}

static uint32_t phash_bits(uint32_t hash, term t)
{
    struct bits_view v = bits_view(t);
    uint8_t *scratch;
    const uint8_t *bytes = hash_bytes(&v, &scratch);
    size_t n = v.size / 8;
    unsigned tail = v.size % 8;
    for (size_t i = 0; i < n; i++) {
        hash = hash * PRIME_ATOM + bytes[i];
    }
    if (tail != 0) {
        hash = (hash * PRIME_ATOM + (bytes[n] >> (8 - tail))) * PRIME_BIT_TAIL + tail;
    }
    vm_free(scratch);
    return hash * PRIME_NEGATIVE + (uint32_t) n;
}

static uint32_t phash_leaf(uint32_t hash, term t)
{
    if (term_is_nil(t)) {
        return hash * PRIME_POSITIVE + 1;
    }
    if (term_is_atom(t)) {
        return hash * PRIME_ATOM + atom_hash(t);
    }
    if (term_is_integer(t)) {
        return phash_integer(hash, t);
    }
    if (term_is_float(t)) {
        double d = hash_float(term_to_double(t));
        uint64_t bits;
        memcpy(&bits, &d, sizeof(bits));
        return hash * PRIME_FLOAT + ((uint32_t) bits ^ (uint32_t) (bits >> 32));
    }
    if (term_is_bits(t)) {
        return phash_bits(hash, t);
    }
    if (term_is_pid(t)) {
        return step_bytes(hash, pid_number(t), 4, PRIME_PID) * PRIME_PID_END;
    }
    if (term_is_port(t)) {
        uint64_t number = port_number(t);
        if (number >> 32 != 0) {
            hash = step_bytes(hash, number >> 32, 4, PRIME_PORT_HIGH);
        }
        return step_bytes(hash, number, 4, PRIME_REF) * PRIME_REF_END;
    }
    if (term_is_ref(t)) {
        return step_bytes(hash, term_ref_numbers(t).ids[0], 4, PRIME_REF) * PRIME_REF_END;
    }
    if (term_is_map(t)) {
        return hash * PRIME_MAP + PRIME_MAP_END + term_phash2(t);
    }
    VM_REQUIRE(term_has_tag(t, TAG_EXPORT));
    const struct export *e = term_export(t);
    hash = hash * PRIME_EXPORT + e->arity;
    hash = hash * PRIME_ATOM + atom_hash(e->module);
    return hash * PRIME_ATOM + atom_hash(e->function);
}

/* On the worklist: terms, and these with a word of data below them. */
enum {
    MARK_TUPLE_END = TERM_IMMED2_CATCH,                       /* arity */
    MARK_TAIL = TERM_IMMED2_CATCH | 1 << TERM_ATOM_SHIFT,     /* tail of a list */
    MARK_LIST_END = TERM_IMMED2_CATCH | 2 << TERM_ATOM_SHIFT, /* nothing */
};

/* A cons cell or what stands in a tail position. */
static uint32_t phash_list(struct worklist *w, uint32_t hash, term t)
{
    while (term_is_cons(t) && term_is_byte(term_head(t))) {
        hash = hash * PRIME_BYTE + (uint32_t) term_to_small(term_head(t));
        t = term_tail(t);
    }
    if (term_is_cons(t)) {
        worklist_push_marked(w, term_tail(t).word, MARK_TAIL);
        worklist_push(w, term_head(t).word);
    } else {
        worklist_push_marked(w, 0, MARK_LIST_END);
        worklist_push(w, t.word);
    }
    return hash;
}

static uint32_t phash_term(struct worklist *w, uint32_t hash, term t)
{
    if (term_is_cons(t)) {
        return phash_list(w, hash, t);
    }
    const uintptr_t *elements = NULL;
    size_t n = 0;
    if (term_is_tuple(t)) {
        n = term_arity(t);
        elements = term_words(t) + 1;
        worklist_push_marked(w, n, MARK_TUPLE_END);
    } else if (term_has_tag(t, TAG_FUN)) {
        const struct fun_entry *e = term_fun_entry(t);
        n = term_fun_n_free(t);
        elements = term_words(t) + 3;
        hash = hash * PRIME_FUN + (uint32_t) n;
        hash = hash * PRIME_ATOM + atom_hash(e->module);
        hash = hash * PRIME_BYTE + e->index;
        hash = hash * PRIME_BYTE + e->old_uniq;
    } else {
        return phash_leaf(hash, t);
    }
    uintptr_t *f = worklist_push_n(w, n);
    for (size_t i = 0; i < n; i++) {
        f[i] = elements[n - 1 - i];
    }
    return hash;
}

uint32_t term_phash(term t)
{
    struct worklist w;
    uint32_t hash = 0;
    worklist_init(&w);
    worklist_push(&w, t.word);
    while (!worklist_is_empty(&w)) {
        uintptr_t word = worklist_pop(&w);
        if (word == MARK_TUPLE_END) {
            hash = hash * PRIME_TUPLE + (uint32_t) worklist_pop(&w);
        } else if (word == MARK_TAIL) {
            hash = phash_list(&w, hash, (term) { worklist_pop(&w) });
        } else if (word == MARK_LIST_END) {
            worklist_pop(&w);
            hash *= PRIME_LIST_END;
        } else {
            hash = phash_term(&w, hash, (term) { word });
        }
    }
    worklist_destroy(&w);
    return hash;
}
