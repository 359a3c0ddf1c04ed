/* Our own hash: fast, and equal for terms that are =:=. OTP's are in phash.c. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/fun.h"
#include "vm/core/hash_parts.h"
#include "vm/core/map.h"
#include "vm/core/ref.h"
#include "vm/core/worklist.h"

static inline uint64_t fold(uint64_t x)
{
    /* Invertible (odd factors, shifts), so that words never collide. */
    x ^= x >> 32;
    x *= 0x9FB21C651E98DF25u;
    x ^= x >> 29;
    x *= 0xD6E8FEB86659FD93u;
    return x ^ x >> 32;
}

static inline uint64_t mix_word(uint64_t hash, uint64_t x)
{
    return fold((hash << 7 | hash >> 57) ^ x);
}

static uint64_t hash_bits(uint64_t hash, term t)
{
    struct bits_view v = bits_view(t);
    uint8_t *scratch;
    const uint8_t *bytes = hash_bytes(&v, &scratch);
    hash = mix_word(hash, v.size << 8 | TAG_HEAP_BITS);
    hash = XXH3_64bits_withSeed(bytes, v.size / 8, hash);
    if (v.size % 8 != 0) {
        hash = mix_word(hash, bytes[v.size / 8] >> (8 - v.size % 8));
    }
    vm_free(scratch);
    return hash;
}

static void push_words(struct worklist *w, const uintptr_t *words, size_t n)
{
    memcpy(worklist_push_n(w, n), words, n * sizeof(*words));
}

/* Boxed terms: what shows goes into the hash, what is inside on to the worklist. */
static uint64_t hash_boxed(struct worklist *w, uint64_t hash, term t)
{
    const uintptr_t *p = term_words(t);
    size_t arity = header_arity(p[0]);
    switch (header_tag(p[0])) {
    case TAG_TUPLE:
    case TAG_HASHMAP:
        push_words(w, p + 1, arity);
        return mix_word(hash, p[0]);
    case TAG_FLATMAP:
        push_words(w, p + 2, arity - 1);
        push_words(w, term_words((term) { p[1] }) + 1, arity - 1);
        return mix_word(hash, p[0]);
    case TAG_HAMT_NODE:
        push_words(w, p + 2, arity - 1);
        return mix_word(hash, p[1]);
    case TAG_BIG_POS:
    case TAG_BIG_NEG:
    case TAG_EXT_PID:
    case TAG_EXT_PORT:
    case TAG_EXT_REF:
        return XXH3_64bits_withSeed(p + 1, arity * sizeof(*p), mix_word(hash, p[0]));
    case TAG_FLOAT: {
        double d = hash_float(term_to_double(t));
        uint64_t bits;
        memcpy(&bits, &d, sizeof(bits));
        return mix_word(hash, bits ^ p[0] << 48);
    }
    case TAG_FUN:
        push_words(w, p + 3, arity - 2);
        return mix_word(hash, p[1]);
    case TAG_EXPORT:
        return mix_word(hash, p[1]);
    case TAG_REF:
    case TAG_RESOURCE:
        return mix_word(hash, term_ref_id(t) ^ TERM_HEADER(TAG_REF, 0) << 48);
    case TAG_HEAP_BITS:
    case TAG_REFC_BITS:
    case TAG_SUB_BITS:
        return hash_bits(hash, t);
    case TAG_MATCH_CTX:
    case TAG_COUNT:
        break;
    }
    VM_REQUIRE(!"no value");
    return 0;
}

static uint64_t hash_slow(term t, uint64_t hash)
{
    struct worklist w;
    worklist_init(&w);
    for (;;) {
        while (term_is_cons(t)) {
            term head = term_head(t);
            hash = mix_word(hash, TERM_PRIMARY_LIST);
            if (term_is_immed(head)) {
                hash = mix_word(hash, head.word);
                t = term_tail(t);
            } else {
                worklist_push(&w, term_tail(t).word);
                t = head;
            }
        }
        hash = term_is_immed(t) ? mix_word(hash, t.word) : hash_boxed(&w, hash, t);
        if (worklist_is_empty(&w)) {
            break;
        }
        t = (term) { worklist_pop(&w) };
    }
    worklist_destroy(&w);
    return hash;
}

uint64_t term_hash(term t, uint64_t seed)
{
    return term_is_immed(t) ? fold(t.word ^ seed) : hash_slow(t, seed);
}
