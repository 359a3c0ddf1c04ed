#include "vm/core/heap_map.h"

#include "lib/base/arena.h"
#include "vm/core/word_kind.h"

struct piece {
    const uintptr_t *from, *to;
    uint8_t *kinds; /* enum word_kind, one a word */
};

struct heap_map {
    size_t n;
    uint8_t *kinds; /* owned: of all pieces */
    struct piece piece[]; /* young, old, fragments from the newest on */
};

static void add(struct heap_map *m, const uintptr_t *from, const uintptr_t *to, uint8_t **kinds)
{
    size_t n = (size_t) (to - from);
    word_kinds(from, n, *kinds); /* stray words stay: that nothing leads to them is what is asked of the map */
    m->piece[m->n++] = (struct piece) { from, to, *kinds };
    *kinds += n;
}

struct heap_map *heap_map_new(const struct heap *h)
{
    size_t n = 2, words = (size_t) (h->top - h->start) + (size_t) (h->old_top - h->old_start);
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        n++;
        words += f->used_words;
    }
    struct heap_map *m = vm_try_alloc(sizeof(*m) + n * sizeof(m->piece[0]));
    uint8_t *kinds = m != NULL ? vm_try_alloc(words) : NULL;
    if (kinds == NULL) {
        vm_free(m);
        return NULL;
    }
    m->n = 0;
    m->kinds = kinds;
    add(m, h->start, h->top, &kinds);
    add(m, h->old_start, h->old_top, &kinds);
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        add(m, f->words, f->words + f->used_words, &kinds);
    }
    return m;
}

void heap_map_free(struct heap_map *m)
{
    if (m != NULL) {
        vm_free(m->kinds);
        vm_free(m);
    }
}

bool heap_map_has(const struct heap_map *m, term t)
{
    if (!term_is_cons(t) && !term_is_boxed(t)) {
        return term_is_immed(t);
    }
    const uintptr_t *p = (const uintptr_t *) (t.word & ~(uintptr_t) TERM_PRIMARY_MASK);
    if ((uintptr_t) p % sizeof(*p) != 0) {
        return false;
    }
    for (size_t i = 0; i < m->n; i++) {
        const struct piece *b = &m->piece[i];
        if (p < b->from || p >= b->to) {
            continue;
        }
        size_t at = (size_t) (p - b->from);
        return term_is_boxed(t) ? b->kinds[at] == WORD_HEADER
                                : p + 1 < b->to && b->kinds[at] == WORD_TERM && b->kinds[at + 1] == WORD_TERM;
    }
    return arena_is_literal(p);
}

static bool good_from(const struct heap_map *m, const struct piece *b, const uintptr_t *from)
{
    for (const uintptr_t *p = from; p < b->to; p++) {
        if (b->kinds[p - b->from] == WORD_TERM && !heap_map_has(m, (term) { *p })) {
            return false;
        }
    }
    return true;
}

bool heap_map_good_since(const struct heap_map *m, const struct heap_mark *since)
{
    if (!good_from(m, &m->piece[0], since->top)) {
        return false;
    }
    for (size_t i = 2; i < m->n; i++) {
        const struct piece *b = &m->piece[i];
        if (since->frags != NULL && b->from == since->frags->words) { /* all that follow are older */
            return good_from(m, b, b->from + since->frag_used_words);
        }
        if (!good_from(m, b, b->from)) {
            return false;
        }
    }
    return true;
}
