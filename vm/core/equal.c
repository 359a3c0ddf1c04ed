/* Equality: stops at the first difference and walks hash maps node by node (their shape follows from
 * their contents, see map.c). What is left to do is in a worklist.
 */
#include "vm/core/compare.h"

#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"
#include "vm/core/ref.h"
#include "vm/core/worklist.h"

enum {
    EQ_ARITH,
    EQ_EXACT,
    EQ_NODES /* children of hash map nodes, values by ==. */,
    EQ_NODES_EXACT
};
enum { EQ_FRAME_WORDS = 4 }; /* a, b, n, mode */

static void eq_push(
    struct worklist *w, const uintptr_t *a, const uintptr_t *b, size_t n, unsigned mode)
{
    if (n != 0) {
        uintptr_t *f = worklist_push_n(w, EQ_FRAME_WORDS);
        f[0] = (uintptr_t) a;
        f[1] = (uintptr_t) b;
        f[2] = n;
        f[3] = mode;
    }
}

/* Two terms instead of two places: n is 0. */
static void eq_push_terms(struct worklist *w, term a, term b, unsigned mode)
{
    uintptr_t *f = worklist_push_n(w, EQ_FRAME_WORDS);
    f[0] = a.word;
    f[1] = b.word;
    f[2] = 0;
    f[3] = mode;
}

static bool bits_equal(term a, term b)
{
    struct bits_view va = bits_view(a), vb = bits_view(b);
    if (va.size != vb.size) {
        return false;
    }
    if (((va.offset | vb.offset | va.size) & 7) == 0) {
        return memcmp(va.bytes + va.offset / 8, vb.bytes + vb.offset / 8, va.size / 8) == 0;
    }
    return bits_compare(va.bytes, va.offset, va.size, vb.bytes, vb.offset, vb.size) == 0;
}

/* Boxed terms of one tag, or of any bitstring or local reference tags. Pushes what is inside. */
static bool eq_boxed(struct worklist *w, term a, term b, unsigned mode)
{
    const uintptr_t *pa = term_words(a), *pb = term_words(b);
    switch (header_tag(pa[0])) {
    case TAG_TUPLE:
        if (pa[0] != pb[0]) {
            return false;
        }
        eq_push(w, pa + 1, pb + 1, header_arity(pa[0]), mode);
        return true;
    case TAG_BIG_POS:
    case TAG_BIG_NEG:
        if (mode == EQ_ARITH && term_is_float(b)) {
            return arith_compare_numbers(a, b) == 0;
        }
        return pa[0] == pb[0] && memcmp(pa + 1, pb + 1, header_arity(pa[0]) * sizeof(*pa)) == 0;
    case TAG_EXT_PID:
    case TAG_EXT_PORT:
    case TAG_EXT_REF:
        return pa[0] == pb[0] && memcmp(pa + 1, pb + 1, header_arity(pa[0]) * sizeof(*pa)) == 0;
    case TAG_FLOAT:
        if (mode == EQ_ARITH && term_is_big(b)) {
            return arith_compare_numbers(a, b) == 0;
        }
        return term_is_float(b) && term_to_double(a) == term_to_double(b);
    case TAG_FUN:
        if (pa[0] != pb[0] || pa[1] != pb[1]) {
            return false;
        }
        eq_push(w, pa + 3, pb + 3, term_fun_n_free(a), mode);
        return true;
    case TAG_EXPORT:
        return pa[0] == pb[0] && pa[1] == pb[1];
    case TAG_REF:
    case TAG_RESOURCE:
        return term_is_local_ref(b) && term_ref_id(a) == term_ref_id(b);
    case TAG_HEAP_BITS:
    case TAG_REFC_BITS:
    case TAG_SUB_BITS:
        return term_is_bits(b) && bits_equal(a, b);
    case TAG_FLATMAP:
        if (pa[0] != pb[0]) {
            return false;
        }
        eq_push(w, pa + 2, pb + 2, header_arity(pa[0]) - 1, mode);
        if (pa[1] != pb[1]) {
            eq_push(w, pa + 1, pb + 1, 1, EQ_EXACT);
        }
        return true;
    case TAG_HASHMAP:
        if (pa[0] != pb[0] || pa[1] != pb[1]) {
            return false;
        }
        eq_push(w, pa + 2, pb + 2, 1, mode == EQ_EXACT ? EQ_NODES_EXACT : EQ_NODES);
        return true;
    case TAG_MATCH_CTX:
    case TAG_HAMT_NODE:
    case TAG_COUNT:
        break;
    }
    return false;
}

/* One child of a hash map node on either side. */
static bool eq_children(struct worklist *w, term a, term b, unsigned mode)
{
    const uintptr_t *pa = term_words(a), *pb = term_words(b);
    if (term_is_cons(a)) {
        if (!term_is_cons(b)) {
            return false;
        }
        eq_push(w, pa + 1, pb + 1, 1, mode == EQ_NODES_EXACT ? EQ_EXACT : EQ_ARITH);
        eq_push(w, pa, pb, 1, EQ_EXACT);
        return true;
    }
    if (term_is_cons(b) || pa[0] != pb[0] || pa[1] != pb[1]) { /* arity and bitmap */
        return false;
    }
    eq_push(w, pa + 2, pb + 2, header_arity(pa[0]) - 1, mode);
    return true;
}

/* What a glance tells: tuples whose elements are the same words are equal, and different where
 * immediates stand that differ. Anything else is for the engine. */
enum glance { GLANCE_EQUAL, GLANCE_DIFFERENT, GLANCE_UNSURE };
static enum glance eq_glance(term a, term b, unsigned mode)
{
    if (!term_is_boxed(a) || !term_is_boxed(b)) {
        return GLANCE_UNSURE;
    }
    const uintptr_t *pa = term_words(a), *pb = term_words(b);
    if (pa[0] != pb[0] || header_tag(pa[0]) != TAG_TUPLE) {
        return GLANCE_UNSURE;
    }
    for (size_t i = 1; i <= header_arity(pa[0]); i++) {
        if (pa[i] != pb[i]) {
            bool sure = mode == EQ_EXACT && term_is_immed((term) { pa[i] });
            return sure ? GLANCE_DIFFERENT : GLANCE_UNSURE;
        }
    }
    return GLANCE_EQUAL;
}

/* Pushes what is left to compare; false: they differ. pre: not the same word */
static bool eq_pair(struct worklist *w, term a, term b, unsigned mode)
{
    while (term_is_cons(a)) {
        if (!term_is_cons(b)) {
            return false;
        }
        term ha = term_head(a), hb = term_head(b);
        a = term_tail(a);
        b = term_tail(b);
        if (!term_same(ha, hb)) {
            if (term_is_immed(ha) && (mode == EQ_EXACT || term_is_immed(hb))) {
                return false;
            }
            enum glance heads = eq_glance(ha, hb, mode);
            if (heads == GLANCE_DIFFERENT) {
                return false;
            }
            if (heads == GLANCE_UNSURE) {
                if (!term_same(a, b)) {
                    eq_push_terms(w, a, b, mode);
                }
                a = ha;
                b = hb;
            } else if (term_same(a, b)) {
                return true;
            }
        } else if (term_same(a, b)) {
            return true;
        }
    }
    if (term_is_immed(a) || term_is_immed(b)) {
        if (mode == EQ_ARITH && term_is_number(a) && term_is_number(b)) {
            return !(term_is_small(a) && term_is_small(b)) && arith_compare_numbers(a, b) == 0;
        }
        return false;
    }
    return term_is_boxed(b) && eq_boxed(w, a, b, mode);
}

static bool equal(term a, term b, unsigned mode)
{
    struct worklist w;
    worklist_init(&w);
    bool same = term_same(a, b) || eq_pair(&w, a, b, mode);
    while (same && !worklist_is_empty(&w)) {
        uintptr_t *f = w.words + w.n - EQ_FRAME_WORDS;
        mode = (unsigned) f[3];
        if (f[2] == 0) {
            a = (term) { f[0] };
            b = (term) { f[1] };
            w.n -= EQ_FRAME_WORDS;
            same = term_same(a, b) || eq_pair(&w, a, b, mode);
            continue;
        }
        const uintptr_t *pa = (const uintptr_t *) f[0], *pb = (const uintptr_t *) f[1];
        size_t n = f[2], i = 0;
        while (i < n && pa[i] == pb[i]) {
            i++;
        }
        if (i + 1 >= n) {
            w.n -= EQ_FRAME_WORDS;
        } else {
            f[0] = (uintptr_t) (pa + i + 1);
            f[1] = (uintptr_t) (pb + i + 1);
            f[2] = n - i - 1;
        }
        if (i < n) {
            a = (term) { pa[i] };
            b = (term) { pb[i] };
            same = mode >= EQ_NODES ? eq_children(&w, a, b, mode) : eq_pair(&w, a, b, mode);
        }
    }
    worklist_destroy(&w);
    return same;
}

bool term_equal(term a, term b)
{
    if (term_same(a, b)) {
        return true;
    }
    if (term_is_immed(a) && term_is_immed(b)) {
        return false;
    }
    return equal(a, b, EQ_ARITH);
}

bool term_equal_exact_slow(term a, term b)
{
    return equal(a, b, EQ_EXACT);
}
