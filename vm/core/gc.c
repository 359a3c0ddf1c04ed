/* gc.c - the copying collector.
 *
 *   minor    [start, mature) -> old block        [mature, top) and fragments -> new young block
 *   full     [start, mature) and old -> new old block         the rest       -> new young block
 *   compact  everything -> one new young block, no old one (small heaps, hibernation)
 *
 * Cheney's scan: what was copied and not yet scanned lies between two pointers, so no stack is
 * needed. A moved list cell has head 0 and its new term in the tail; a moved boxed object has its
 * new term in place of the header. What survived a minor collection once is promoted by the next.
 */
#include "lib/base/arena.h"
#include "vm/core/bits.h"
#include "vm/core/heap.h"

enum mode { MINOR, FULL, COMPACT };

/* Everything the inner loop needs, in one local that never leaves the function it is inlined in. */
struct gc {
    uintptr_t young, young_bytes, mature_bytes; /* from */
    uintptr_t old, old_bytes;
    uintptr_t *top, *old_top;                   /* to */
};


/* Where p's object goes: 0 stays, 1 young, 2 old. */
ALWAYS_INLINE int destination(const struct gc *g, const uintptr_t *p, enum mode mode)
{
    uintptr_t at = (uintptr_t) p;
    if (mode == COMPACT) {
        return !arena_is_literal(p);
    }
    if (__builtin_expect(at - g->young < g->young_bytes, 1)) {
        return at - g->young < g->mature_bytes ? 2 : 1;
    }
    if (at - g->old < g->old_bytes) {
        return mode == FULL ? 2 : 0;
    }
    return !arena_is_literal(p); /* a fragment */
}

/* Moves what *slot refers to, if it must, and lets *slot refer to the copy. */
ALWAYS_INLINE void evacuate(struct gc *g, uintptr_t *slot, enum mode mode)
{
    uintptr_t w = *slot;
    uintptr_t *p = (uintptr_t *) (w & ~(uintptr_t) TERM_PRIMARY_MASK);
    if ((w & TERM_PRIMARY_MASK) == TERM_PRIMARY_LIST) {
        int where = destination(g, p, mode);
        if (where == 0) {
            return;
        }
        uintptr_t head = p[0], tail = p[1];
        if (head == 0) {
            *slot = tail;
            return;
        }
        uintptr_t *to;
        if (mode != COMPACT && where == 2) {
            to = g->old_top;
            g->old_top += HEAP_CONS_WORDS;
        } else {
            to = g->top;
            g->top += HEAP_CONS_WORDS;
        }
        to[0] = head;
        to[1] = tail;
        w = (uintptr_t) to | TERM_PRIMARY_LIST;
        p[0] = 0;
        p[1] = w;
        *slot = w;
    } else if ((w & TERM_PRIMARY_MASK) == TERM_PRIMARY_BOXED) {
        int where = destination(g, p, mode);
        if (where == 0) {
            return;
        }
        uintptr_t header = p[0];
        if (!word_is_header(header)) {
            *slot = header;
            return;
        }
        size_t n = header_arity(header);
        uintptr_t *to;
        if (mode != COMPACT && where == 2) {
            to = g->old_top;
            g->old_top += 1 + n;
        } else {
            to = g->top;
            g->top += 1 + n;
        }
        w = (uintptr_t) to | TERM_PRIMARY_BOXED;
        p[0] = w;
        *slot = w;
        to[0] = header;
        if (n > 32) {
            memcpy(to + 1, p + 1, n * sizeof(*p));
        } else {
            for (size_t i = 1; i <= n; i++) {
                to[i] = p[i];
                __asm__("" : : : ); /* stays a loop: most objects are smaller than a call */
            }
        }
    }
}

/* The copied object at s is a match context: its pointer into the base moves with the base. */
ALWAYS_INLINE void evacuate_match_ctx(struct gc *g, uintptr_t *s, enum mode mode)
{
    enum { BYTES = 1, BASE = 4 };
    uintptr_t before = s[BASE];
    evacuate(g, &s[BASE], mode);
    uintptr_t moved = s[BASE] - before;
    if (moved != 0 && term_tag((term) { s[BASE] }) == TAG_HEAP_BITS) {
        s[BYTES] += moved;
    }
}

/* Scans from s to *limit, which moves as objects are copied; returns the end. */
ALWAYS_INLINE uintptr_t *scan(struct gc *g, uintptr_t *s, uintptr_t *const *limit, enum mode mode)
{
    while (s < *limit) {
        uintptr_t w = *s;
        if (!word_is_header(w)) {
            evacuate(g, s, mode);
            s++;
            continue;
        }
        if (__builtin_expect(header_tag(w) == TAG_MATCH_CTX, 0)) {
            evacuate_match_ctx(g, s, mode);
            s += HEAP_MATCH_CTX_WORDS;
        } else {
            s += header_raw_words(w);
        }
    }
    return s;
}

ALWAYS_INLINE void collect(struct gc *out, const struct heap *h, const struct heap_roots *roots, size_t n_roots,
    enum mode mode)
{
    struct gc g = *out;
    uintptr_t *scanned = g.top, *old_scanned = g.old_top;
    for (uintptr_t *s = h->stop; s < h->end; s++) {
        evacuate(&g, s, mode);
    }
    for (size_t i = 0; i < n_roots; i++) {
        for (size_t k = 0; k < roots[i].n; k++) {
            evacuate(&g, &roots[i].terms[k].word, mode);
        }
    }
    if (mode == COMPACT) {
        scan(&g, scanned, &g.top, mode);
    } else {
        while (scanned < g.top || old_scanned < g.old_top) {
            scanned = scan(&g, scanned, &g.top, mode);
            old_scanned = scan(&g, old_scanned, &g.old_top, mode);
        }
    }
    *out = g;
}

static __attribute__((noinline)) void collect_minor(
    struct gc *g, const struct heap *h, const struct heap_roots *roots, size_t n_roots)
{
    collect(g, h, roots, n_roots, MINOR);
}
static __attribute__((noinline)) void collect_full(
    struct gc *g, const struct heap *h, const struct heap_roots *roots, size_t n_roots)
{
    collect(g, h, roots, n_roots, FULL);
}
static __attribute__((noinline)) void collect_compact(
    struct gc *g, const struct heap *h, const struct heap_roots *roots, size_t n_roots)
{
    collect(g, h, roots, n_roots, COMPACT);
}

/* ---- off-heap objects ---- */

struct chains {
    uintptr_t *young, *old;
    size_t young_words, old_words; /* of virtual heap */
    const uintptr_t *old_start, *old_end; /* the old block, after */
};

/* Keeps what was moved, drops the references of what died. */
static void sweep(struct chains *c, uintptr_t *object)
{
    while (object != NULL) {
        uintptr_t *next = (uintptr_t *) object[1];
        if (word_is_header(object[0])) {
            object[1] = 0;
            heap_offheap_drop(object);
        } else {
            uintptr_t *moved = term_words((term) { object[0] });
            size_t words = heap_offheap_bytes(moved) / sizeof(uintptr_t);
            if (moved >= c->old_start && moved < c->old_end) {
                moved[1] = (uintptr_t) c->old;
                c->old = moved;
                c->old_words += words;
            } else {
                moved[1] = (uintptr_t) c->young;
                c->young = moved;
                c->young_words += words;
            }
        }
        object = next;
    }
}

static size_t next_vheap_limit(size_t words, size_t limit, size_t min)
{
    if (words > limit / 4 * 3) {
        return heap_next_size(words * 2);
    }
    if (words < limit / 8 && limit / 2 >= min) {
        return limit / 2;
    }
    return limit;
}

/* ---- blocks ---- */

struct block {
    uintptr_t *words;
    size_t n;
};

static bool block_alloc(struct block *b, size_t words)
{
    if (words > SIZE_MAX / sizeof(uintptr_t) / 4) {
        return false;
    }
    size_t bytes = arena_good_size(words * sizeof(uintptr_t));
    b->words = arena_alloc(arena_terms, bytes);
    b->n = bytes / sizeof(uintptr_t);
    return b->words != NULL;
}

static void block_free(uintptr_t *words, const uintptr_t *end)
{
#ifdef ENABLE_ASSERTS
    if (words != NULL) {
        memset(words, 0xA5, (size_t) ((const char *) end - (const char *) words)); /* stale terms fault */
    }
#else
    (void) end;
#endif
    arena_free(arena_terms, words);
}

/* What the parts of a heap hold, in words. */
struct sizes {
    size_t mature, fresh, stack, old;
};

static struct sizes measure(const struct heap *h)
{
    struct sizes s = {
        .mature = (size_t) (h->mature - h->start),
        .fresh = (size_t) (h->top - h->mature),
        .stack = (size_t) (h->end - h->stop),
        .old = (size_t) (h->old_top - h->old_start),
    };
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        s.fresh += f->used_words;
    }
    return s;
}

static void drop_frags(struct heap *h, struct chains *c)
{
    while (h->frags != NULL) {
        struct heap_frag *f = h->frags;
        h->frags = f->next;
        sweep(c, f->offheap);
        block_free(f->words, f->words + f->size_words);
        vm_free(f);
    }
    h->frag_words = 0;
}

/* One collection into `young` and, for FULL or when there was none, `old`. */
static void run(struct heap *h, enum mode mode, struct block young, struct block old,
    const struct heap_roots *roots, size_t n_roots)
{
    bool new_old = old.words != NULL;
    struct gc g = {
        .young = (uintptr_t) h->start,
        .young_bytes = (uintptr_t) h->top - (uintptr_t) h->start,
        .mature_bytes = (uintptr_t) h->mature - (uintptr_t) h->start,
        .old = (uintptr_t) h->old_start,
        .old_bytes = (uintptr_t) h->old_end - (uintptr_t) h->old_start,
        .top = young.words,
        .old_top = new_old ? old.words : h->old_top,
    };
    switch (mode) {
    case MINOR: collect_minor(&g, h, roots, n_roots); break;
    case FULL: collect_full(&g, h, roots, n_roots); break;
    case COMPACT: collect_compact(&g, h, roots, n_roots); break;
    }
    uintptr_t *from_old = h->old_start, *from_old_end = h->old_end;
    if (mode == COMPACT) {
        h->old_start = h->old_top = h->old_end = NULL;
    } else if (new_old) {
        h->old_start = old.words;
        h->old_end = old.words + old.n;
        h->old_top = g.old_top;
    } else {
        h->old_top = g.old_top;
    }

    struct chains c = { .old_start = h->old_start, .old_end = h->old_end };
    if (mode == MINOR) {
        c.old = h->old_offheap;
        c.old_words = h->old_vheap_words;
    } else {
        sweep(&c, h->old_offheap);
    }
    sweep(&c, h->offheap);
    drop_frags(h, &c);
    h->offheap = c.young;
    h->old_offheap = c.old;
    h->vheap_words = c.young_words;
    h->old_vheap_words = c.old_words;

    size_t stack = (size_t) (h->end - h->stop);
    uintptr_t *end = young.words + young.n;
    memcpy(end - stack, h->stop, stack * sizeof(*end));
    block_free(h->start, h->end);
    if (from_old != h->old_start) {
        block_free(from_old, from_old_end);
    }
    h->start = young.words;
    h->mature = h->top = g.top; /* all of it has survived now */
    h->stop = end - stack;
    h->end = end;
}

enum { LARGE_WORDS = 1 << 21 }; /* old generations from here on grow by a half, smaller ones double */

/* Gives back what a block does not need, if that works where it is. */
static void shrink_old(struct heap *h)
{
    size_t live = (size_t) (h->old_top - h->old_start), have = (size_t) (h->old_end - h->old_start);
    size_t want = heap_next_size(live + (live < LARGE_WORDS ? live + 64 : live / 2));
    if (want * sizeof(uintptr_t) > 65536 && want < have / 4 * 3) {
        size_t bytes = arena_good_size(want * sizeof(uintptr_t));
        uintptr_t *same = arena_realloc(arena_terms, h->old_start, bytes);
        VM_REQUIRE(same == h->old_start);
        h->old_end = same + bytes / sizeof(uintptr_t);
    }
}

/* Copies the young block once more, into one of another size. */
static bool resize_young(struct heap *h, enum mode mode, size_t words, const struct heap_roots *roots, size_t n_roots)
{
    struct block young;
    if (!block_alloc(&young, words)) {
        return false;
    }
    h->mature = h->start; /* promotes nothing */
    run(h, mode, young, (struct block) { 0 }, roots, n_roots);
    return true;
}

/* How large the next young block should be, from how full this one came out. kept: words of the young
 * generation that survived, here or promoted. */
static void plan(struct heap *h, bool full, size_t need, size_t kept)
{
    size_t size = (size_t) (h->end - h->start);
    size_t used = (size_t) (h->top - h->start) + (size_t) (h->end - h->stop) + need;
    size_t want = h->want_words;
    enum { NURSERY_MOST = 1 << 19 }; /* beyond this a larger one is no better: the old block grows */
    if (used > size / 4 * 3) {
        want = heap_next_size(size + 1);
        while (want / 2 < used) {
            want = heap_next_size(want + 1);
        }
        size_t enough = heap_next_size(used + used / 3);
        enough = enough > NURSERY_MOST ? enough : NURSERY_MOST;
        want = want < enough ? want : enough;
    } else if (kept < want / 8 && used < want / 8) {
        want = heap_next_size(want / 2);
    }
    /* A process that collects again and again has use for a larger nursery. */
    enum { BUSY_COLLECTIONS = 24, BUSY_WORDS = 2586 };
    if (h->n_collections >= BUSY_COLLECTIONS && want < BUSY_WORDS) {
        want = BUSY_WORDS;
    }
    /* Next to a large old generation a small nursery would only promote what dies soon. */
    size_t old = (size_t) (h->old_top - h->old_start) / 8;
    old = old < NURSERY_MOST ? old : NURSERY_MOST;
    want = want > old ? want : old;
    h->want_words = want > h->min_words ? want : h->min_words;
    h->vheap_limit = next_vheap_limit(h->vheap_words, h->vheap_limit, h->min_vheap_words);
    if (full) {
        h->old_vheap_limit = next_vheap_limit(h->old_vheap_words, h->old_vheap_limit, h->min_vheap_words);
    }
    h->force_gc = false;
}

static bool too_large(const struct heap *h, size_t new_words)
{
    return h->max_words != 0 && new_words > h->max_words;
}

enum { COMPACT_WORDS = 1024 }; /* heaps up to here have no second generation after a full sweep */

static enum heap_status gc_compact(
    struct heap *h, const struct sizes *s, size_t need, bool exact, const struct heap_roots *roots, size_t n_roots)
{
    struct block young;
    size_t most = s->mature + s->fresh + s->old + s->stack + need;
    size_t size = exact || most > h->want_words ? most : h->want_words;
    if (too_large(h, most)) {
        return HEAP_MAX_SIZE;
    }
    if (!block_alloc(&young, size)) {
        return HEAP_NOMEM;
    }
    run(h, COMPACT, young, (struct block) { 0 }, roots, n_roots);
    if (exact) {
        h->want_words = h->min_words;
    }
    size_t used = (size_t) (h->top - h->start) + s->stack + need;
    size_t fit = exact ? used : heap_next_size(used * 3 > h->min_words ? used * 3 : h->min_words);
    if (arena_good_size(fit * sizeof(uintptr_t)) / sizeof(uintptr_t) < young.n / (exact ? 1 : 2)) {
        (void) !resize_young(h, COMPACT, fit, roots, n_roots); /* without memory for it: stays */
    }
    return HEAP_OK;
}

static enum heap_status gc_generations(struct heap *h, enum mode mode, const struct sizes *s, size_t need,
    const struct heap_roots *roots, size_t n_roots)
{
    struct block young = { 0 }, old = { 0 };
    size_t most = s->fresh + s->stack;
    size_t size = most > h->want_words ? most : h->want_words;
    if (most + need > size && need > size / 2) {
        size = heap_next_size(most + need);
    }
    size_t promoted = s->mature + (mode == FULL ? s->old : 0);
    bool new_old = mode == FULL || (promoted > 0 && h->old_start == NULL);
    if (too_large(h, most + need + promoted + (mode == FULL ? 0 : s->old))) {
        return HEAP_MAX_SIZE;
    }
    if (!block_alloc(&young, size) && !block_alloc(&young, most + need)) {
        return HEAP_NOMEM;
    }
    /* Room for what may survive, and for what is promoted later if as much survives as did last time. */
    size_t room = promoted / 100 * h->old_survival;
    room += room < LARGE_WORDS ? room + 64 : room / 2;
    if (new_old && promoted > 0 && !block_alloc(&old, heap_next_size(room > promoted ? room : promoted))
        && !block_alloc(&old, promoted)) {
        arena_free(arena_terms, young.words);
        return HEAP_NOMEM;
    }
    if (mode == FULL && promoted == 0) {
        mode = COMPACT; /* there is nothing old */
    }
    run(h, mode, young, old, roots, n_roots);
    if (mode == FULL) {
        h->old_survival = (uint8_t) ((size_t) (h->old_top - h->old_start) * 100 / promoted);
        shrink_old(h);
    }
    enum mode again = mode == COMPACT ? COMPACT : MINOR;
    size_t used = (size_t) (h->top - h->start) + s->stack + need;
    if (used > young.n) {
        return resize_young(h, again, heap_next_size(used + used / 2), roots, n_roots) ? HEAP_OK : HEAP_NOMEM;
    }
    /* A block that was made large for fragments which then died must not stay: the next one would
     * be larger again. */
    size_t fit = heap_next_size(used + used / 3);
    fit = fit > h->want_words ? fit : h->want_words;
    if (young.n / 2 > fit) {
        (void) !resize_young(h, again, fit, roots, n_roots); /* without memory for it: stays */
    }
    return HEAP_OK;
}

enum heap_status heap_gc(struct heap *h, enum heap_gc_kind kind, size_t need, struct heap_roots *roots,
    size_t n_roots, size_t *out_reclaimed)
{
    if (need > SIZE_MAX / sizeof(uintptr_t) / 8) {
        return HEAP_NOMEM;
    }
    struct sizes s = measure(h);
    size_t before = s.mature + s.fresh + s.old;
    /* Where most survives, copying it within the young generation first is a waste: promote it now.
     * Fragments stay young, so with them nothing that may refer to one is promoted early. */
    enum { EARLY_WORDS = 4096, EARLY_PERCENT = 60 };
    uintptr_t *mature = h->mature;
    if (kind == HEAP_GC_MINOR && h->young_survival >= EARLY_PERCENT && s.fresh >= EARLY_WORDS && h->frags == NULL) {
        s.mature += s.fresh;
        s.fresh = 0;
        h->mature = h->top;
    }
    bool full = kind != HEAP_GC_MINOR || h->n_minor >= h->fullsweep_after
        || h->old_vheap_words > h->old_vheap_limit
        || (h->old_start != NULL && s.mature > (size_t) (h->old_end - h->old_top));
    enum heap_status st;
    if (kind == HEAP_GC_HIBERNATE || (full && before <= COMPACT_WORDS)) {
        st = gc_compact(h, &s, need, kind == HEAP_GC_HIBERNATE, roots, n_roots);
    } else {
        st = gc_generations(h, full ? FULL : MINOR, &s, need, roots, n_roots);
    }
    if (st != HEAP_OK) {
        h->mature = mature;
        return st;
    }
    size_t after = (size_t) (h->top - h->start) + (size_t) (h->old_top - h->old_start);
    if (full && h->n_minor >= h->fullsweep_after && after <= COMPACT_WORDS
        && heap_total_words(h) > 4 * (after + need + h->min_words)) {
        /* Somebody asked, and little is left: it comes down to one small block. */
        struct sizes left = measure(h);
        h->want_words = h->min_words;
        (void) !gc_compact(h, &left, need, false, roots, n_roots); /* without memory for it: stays */
    }
    size_t kept = full ? after : after - s.old, of = full ? before : before - s.old;
    h->young_survival = (uint8_t) (of > 0 ? kept * 100 / of : 0);
    h->n_minor = full ? 0 : (uint16_t) (h->n_minor + (h->n_minor < UINT16_MAX));
    h->n_collections = kind != HEAP_GC_MINOR ? 0 : (uint16_t) (h->n_collections + (h->n_collections < UINT16_MAX));
    plan(h, full, need, kept);
    if (out_reclaimed != NULL) {
        *out_reclaimed = before > after ? before - after : 0;
    }
#ifdef ENABLE_ASSERTS
    /* All of it, but not a large old generation at every minor collection: that is quadratic. */
    if (full || h->old_top - h->old_start < 65536 || h->n_minor % 16 == 0) {
        heap_verify(h, roots, n_roots);
    }
#endif
    return HEAP_OK;
}
