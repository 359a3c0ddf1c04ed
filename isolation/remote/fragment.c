#include "isolation/remote/fragment.h"

#include "lib/base/arena.h"
#include "nif/nif_env.h"
#include "vm/core/word_kind.h"

/* Where an object begins that the search for cycles has met. */
enum { WORD_OPEN = WORD_KINDS, WORD_DONE /* all below it is well */ };

static bool in_block(const uintptr_t *start, const uintptr_t *top, uintptr_t address)
{
    return address >= (uintptr_t) start && address < (uintptr_t) top;
}

/* Does the address lie in h, or in literals? */
static bool may_refer(const struct heap *h, uintptr_t address)
{
    if (arena_is_literal((const void *) address) || in_block(h->start, h->top, address)
        || in_block(h->old_start, h->old_top, address)) {
        return true;
    }
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        if (in_block(f->words, f->words + f->used_words, address)) {
            return true;
        }
    }
    return false;
}

/* Sizes and raw fields of the objects that have them. */
static bool check_object(struct fragment *f, size_t i, uintptr_t **offheap, size_t *bytes)
{
    uintptr_t *p = &f->words[i];
    size_t arity = header_arity(p[0]);
    switch (header_tag(p[0])) {
    case TAG_HEAP_BITS: return arity >= 1 && p[1] <= UINTPTR_MAX / 2 && (p[1] + 63) / 64 <= arity - 1;
    case TAG_FLOAT: return arity == 1;
    case TAG_BIG_POS:
    case TAG_BIG_NEG: return arity >= 1 && p[arity] != 0 && p[arity] >> 60 == 0;
    case TAG_REF: return arity == HEAP_REF_WORDS - 1;
    case TAG_SUB_BITS: return arity == HEAP_SUB_BITS_WORDS - 1;
    case TAG_FLATMAP: return arity >= 1;
    case TAG_HASHMAP: return arity == 2;
    case TAG_HAMT_NODE: return arity >= 2;
    case TAG_REFC_BITS:
        if (arity != HEAP_REFC_BITS_WORDS - 1) {
            return false;
        }
        for (size_t k = 0; k < f->n_bins; k++) {
            struct granted_bin *g = &f->bins[k];
            if (g->bin != NULL && (uintptr_t) g->bin == p[REFC_BITS_BIN] && p[REFC_BITS_SIZE] <= g->bytes * 8) {
                g->n_uses++;
                p[REFC_BITS_NEXT] = (uintptr_t) *offheap;
                *offheap = p;
                *bytes += g->bytes;
                return true;
            }
        }
        return false;
    case TAG_TUPLE:
    case TAG_EXT_PID:
    case TAG_EXT_PORT:
    case TAG_EXT_REF: return true;
    case TAG_FUN:
    case TAG_EXPORT:
    case TAG_RESOURCE:
    case TAG_MATCH_CTX:
    case TAG_COUNT: break;
    }
    return false;
}

/* Where the word points in the fragment; f->n: elsewhere. */
static size_t index_of(const struct fragment *f, uintptr_t w)
{
    uintptr_t offset = (w & ~(uintptr_t) TERM_PRIMARY_MASK) - f->built_at;
    return offset < f->n * sizeof(uintptr_t) && offset % sizeof(uintptr_t) == 0 ? offset / sizeof(uintptr_t) : f->n;
}

/* Outside of the fragment: is there what could be such an object, whole? The words cannot be told from raw ones, so a
 * forged address may pass; that of an argument of an earlier call hardly does. */
static bool refers_well(const struct heap *caller, term t)
{
    const uintptr_t *p = (const uintptr_t *) (t.word & ~(uintptr_t) TERM_PRIMARY_MASK);
    if ((!term_is_cons(t) && !term_is_boxed(t)) || (uintptr_t) p % sizeof(*p) != 0 || !may_refer(caller, (uintptr_t) p)) {
        return false;
    }
    if (arena_is_literal(p)) { /* perhaps of a part that is not in use: do not look */
        return true;
    }
    if (term_is_cons(t)) {
        return may_refer(caller, (uintptr_t) (p + 1)) && !word_is_header(p[0]) && !word_is_header(p[1]);
    }
    return word_is_header(p[0]) && header_tag(p[0]) >= TAG_TUPLE && header_tag(p[0]) < TAG_COUNT
           && header_tag(p[0]) != TAG_MATCH_CTX && may_refer(caller, (uintptr_t) (p + header_arity(p[0])));
}

/* A pointer or an immediate; moves it. */
static bool check_word(const struct fragment *f, const uint8_t *kinds, uintptr_t *w)
{
    term t = { *w };
    if (term_is_immed(t)) {
        return nif_term_plausible(t);
    }
    size_t i = index_of(f, *w);
    if (i == f->n) {
        return refers_well(f->caller, t) && (f->map == NULL || heap_map_has(f->map, t));
    }
    bool good = term_is_cons(t)    ? i + 1 < f->n && kinds[i] == WORD_TERM && kinds[i + 1] == WORD_TERM
                : term_is_boxed(t) ? kinds[i] == WORD_HEADER
                                   : false;
    *w = (uintptr_t) &f->words[i] | (*w & TERM_PRIMARY_MASK);
    return good;
}

/* A sub binary's base is a binary, and large enough. */
static bool check_sub_bits(const struct fragment *f, size_t i)
{
    const uintptr_t *p = &f->words[i];
    term base = { p[SUB_BITS_BASE] };
    if (!term_has_tag(base, TAG_HEAP_BITS) && !term_has_tag(base, TAG_REFC_BITS)) {
        return false;
    }
    size_t size = term_words(base)[term_has_tag(base, TAG_HEAP_BITS) ? HEAP_BITS_SIZE : REFC_BITS_SIZE];
    return p[SUB_BITS_OFFSET] <= size && p[SUB_BITS_SIZE] <= size - p[SUB_BITS_OFFSET];
}

/* ---- cycles: no term contains itself ---- */

/* The words of the object at i: [*from, *to). */
static void extent(const struct fragment *f, bool is_cell, size_t i, size_t *from, size_t *to)
{
    if (is_cell) {
        *from = i;
        *to = i + 2;
        return;
    }
    *from = i + header_raw_words(f->words[i]);
    *to = i + 1 + header_arity(f->words[i]);
}

struct visit {
    size_t at, to, self; /* next word, end; word whose kind says how far it is */
};

/* Depth first, each object once; the stack is explicit and no deeper than there are objects. */
static bool has_cycle(const struct fragment *f, uint8_t *kinds, size_t root, bool root_is_cell)
{
    struct visit *stack = vm_try_alloc((f->n + 1) * sizeof(*stack));
    bool cyclic = stack == NULL; /* cannot be told: take it for one */
    size_t n = 0;
    if (!cyclic) {
        stack[n].self = root;
        extent(f, root_is_cell, root, &stack[n].at, &stack[n].to);
        kinds[root] = WORD_OPEN;
        n++;
    }
    while (n > 0 && !cyclic) {
        struct visit *v = &stack[n - 1];
        if (v->at == v->to) {
            kinds[v->self] = WORD_DONE;
            n--;
            continue;
        }
        term t = { f->words[v->at++] };
        if (term_is_immed(t)) {
            continue;
        }
        uintptr_t offset = (t.word & ~(uintptr_t) TERM_PRIMARY_MASK) - (uintptr_t) f->words;
        size_t i = offset / sizeof(uintptr_t);
        if (offset >= f->n * sizeof(uintptr_t) || kinds[i] == WORD_DONE) {
            continue;
        }
        cyclic = kinds[i] == WORD_OPEN;
        if (!cyclic) {
            kinds[i] = WORD_OPEN;
            stack[n].self = i;
            extent(f, term_is_cons(t), i, &stack[n].at, &stack[n].to);
            n++;
        }
    }
    vm_free(stack);
    return cyclic;
}

static bool check_all(struct fragment *f, uint8_t *kinds, uintptr_t *root, uintptr_t **offheap, size_t *bytes)
{
    if (word_kinds(f->words, f->n, kinds) != 0) {
        return false;
    }
    for (size_t i = 0; i < f->n; i++) {
        if (kinds[i] == WORD_HEADER ? !check_object(f, i, offheap, bytes)
                                    : kinds[i] == WORD_TERM && !check_word(f, kinds, &f->words[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < f->n; i++) {
        if (kinds[i] == WORD_HEADER && header_tag(f->words[i]) == TAG_SUB_BITS && !check_sub_bits(f, i)) {
            return false;
        }
    }
    size_t at = index_of(f, *root);
    bool is_cell = term_is_cons((term) { *root });
    return check_word(f, kinds, root) && !(f->check_cycles && at < f->n && has_cycle(f, kinds, at, is_cell));
}

term fragment_check(struct fragment *f, tainted root, uintptr_t **offheap, size_t *out_offheap_bytes)
{
    uint8_t local[1024], *kinds = f->n <= sizeof(local) ? local : vm_try_alloc(f->n);
    uintptr_t word = (uintptr_t) TAINTED_BECAUSE(root, "checked with the fragment");
    *out_offheap_bytes = 0;
    bool good = kinds != NULL && check_all(f, kinds, &word, offheap, out_offheap_bytes);
    if (kinds != local) {
        vm_free(kinds);
    }
    return good ? (term) { word } : TERM_NONE;
}
