/* Checks a heap word by word; only the collector's asserts and tests call it. */
#include "lib/base/arena.h"
#include "vm/core/heap.h"
#include "vm/core/literal.h"

/* How many words from p to the end of what is in use around it; 0: not this heap's. */
static size_t room_at(const struct heap *h, const uintptr_t *p, bool from_old)
{
    if (p >= h->old_start && p < h->old_top) {
        return (size_t) (h->old_top - p);
    }
    if (from_old) {
        return 0; /* the old generation must not refer to the young one */
    }
    if (p >= h->start && p < h->top) {
        return (size_t) (h->top - p);
    }
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        if (p >= f->words && p < f->words + f->used_words) {
            return (size_t) (f->words + f->used_words - p);
        }
    }
    return 0;
}

static void verify_term(const struct heap *h, uintptr_t w, bool from_old)
{
    term t = { w };
    if (!term_is_cons(t) && !term_is_boxed(t)) {
        return;
    }
    const uintptr_t *p = term_words(t);
    if (arena_is_literal(p) || arena_is_foreign(p)) {
        VM_REQUIRE(arena_is_foreign(p) || p[0] != LITERAL_FREED);
        return;
    }
    size_t room = room_at(h, p, from_old);
    VM_REQUIRE(room >= 2 || (room == 1 && term_is_boxed(t))); /* refers to this heap */
    if (term_is_cons(t)) {
        VM_REQUIRE(!word_is_header(p[0])); /* a list cell, not moved */
    } else {
        VM_REQUIRE(word_is_header(p[0])); /* a header, not moved */
        VM_REQUIRE(header_tag(p[0]) > 0 && header_tag(p[0]) < TAG_COUNT);
        VM_REQUIRE(header_arity(p[0]) < room);
    }
}

static void verify_words(const struct heap *h, const uintptr_t *p, const uintptr_t *end, bool is_old)
{
    while (p < end) {
        if (!word_is_header(*p)) {
            verify_term(h, *p, is_old);
            p++;
            continue;
        }
        enum term_tag tag = header_tag(*p);
        VM_REQUIRE(tag > 0 && tag < TAG_COUNT);
        size_t arity = header_arity(*p);
        VM_REQUIRE(arity < (size_t) (end - p));
        VM_REQUIRE(header_raw_words(*p) <= 1 + arity);
        p += header_raw_words(*p);
    }
    VM_REQUIRE(p == end);
}

static void verify_chain(const struct heap *h, const uintptr_t *object, bool is_old)
{
    for (; object != NULL; object = (const uintptr_t *) object[1]) {
        VM_REQUIRE(word_is_header(object[0]));
        enum term_tag tag = header_tag(object[0]);
        VM_REQUIRE(tag == TAG_REFC_BITS || tag == TAG_RESOURCE);
        VM_REQUIRE(room_at(h, object, is_old) > header_arity(object[0]));
    }
}

void heap_verify(const struct heap *h, const struct heap_roots *roots, size_t n_roots)
{
    VM_REQUIRE(h->start <= h->mature && h->mature <= h->top && h->top <= h->stop && h->stop <= h->end);
    VM_REQUIRE(h->old_start <= h->old_top && h->old_top <= h->old_end);
    verify_words(h, h->start, h->top, false);
    verify_words(h, h->old_start, h->old_top, true);
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        verify_words(h, f->words, f->words + f->used_words, false);
        verify_chain(h, f->offheap, false);
    }
    for (const uintptr_t *s = h->stop; s < h->end; s++) {
        verify_term(h, *s, false);
    }
    for (size_t i = 0; i < n_roots; i++) {
        for (size_t k = 0; k < roots[i].n; k++) {
            verify_term(h, roots[i].terms[k].word, false);
        }
    }
    verify_chain(h, h->offheap, false);
    verify_chain(h, h->old_offheap, true);
}
