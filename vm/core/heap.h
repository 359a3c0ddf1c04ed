/* heap.h - a private heap of terms: one block per generation, and fragments.
 *
 *        start        mature           top       stop          end
 *   young  |--survived--|---new----------|..free..|--- stack ---|
 *   old    |--------------------|..free..|                          old_start old_top old_end
 *   frags  [words] -> [words] -> ...        messages and whatever did not fit
 *
 * The stack grows down from `end` towards `top`; only the interpreter touches it. Blocks and
 * fragments come from arena_terms; the struct itself and fragment descriptors do not.
 *
 * Two rules:
 *  - Only heap_gc() and heap_ensure_gc() move terms. BIFs, NIFs and all other C code never
 *    collect: heap_alloc() falls back to a fragment when the block is full, so a term in a C
 *    local stays valid for the whole call. The interpreter collects between instructions.
 *  - heap_alloc() does not fail for sizes below HEAP_SURE_WORDS: the arena keeps a reserve.
 *    When the arena passes its soft limit `over_limit` is set and the interpreter ends the
 *    process with a reason at its next safe point. Larger sizes must be asked for with
 *    heap_can_alloc() first (raise system_limit if it says no).
 *
 * A heap with no block (heap_init_frags) builds only in fragments: a message under
 * construction, a NIF environment, a decoded literal.
 * Thread: whoever owns the heap. Nothing here locks.
 */
#ifndef VM_HEAP_H
#define VM_HEAP_H

#include "vm/core/term.h"

enum heap_status { HEAP_OK = 0, HEAP_NOMEM, HEAP_MAX_SIZE /* over max_words */ };

enum {
    HEAP_CONS_WORDS = 2,
    HEAP_FLOAT_WORDS = 2,
    HEAP_REF_WORDS = 3,
    HEAP_RESOURCE_WORDS = 4,
    HEAP_REFC_BITS_WORDS = 4,
    HEAP_SUB_BITS_WORDS = 4,
    HEAP_MATCH_CTX_WORDS = 5,
    HEAP_EXPORT_WORDS = 2,
    HEAP_SURE_WORDS = 1 << 16,
    HEAP_FIRST_WORDS = 64,   /* what a process starts with; the first collection goes to min_words */
    HEAP_DEFAULT_MIN_VHEAP_WORDS = 46422,
    HEAP_DEFAULT_MIN_WORDS = 233, /* what process_info reports; see doc/architecture.md for what is allocated */
};
#define HEAP_TUPLE_WORDS(arity) ((size_t) (arity) + 1)
#define HEAP_FUN_WORDS(n_free)  ((size_t) (n_free) + 3)

/* A piece of heap of its own. May be the first member of a larger object (a message):
 * whoever frees the fragment calls vm_free() on the struct. */
struct heap_frag {
    struct heap_frag *next;
    uintptr_t *words; /* owned, arena_terms; NULL if size_words is 0 */
    size_t used_words, size_words;
    uintptr_t *offheap; /* first off-heap object in it, see below */
};

/* Off-heap objects (TAG_REFC_BITS, TAG_RESOURCE) are chained through their first raw word, so
 * that the collector finds those that died and drops their references. */
struct heap {
    uintptr_t *top, *stop; /* hot: first free word; lowest used stack word */
    uintptr_t *start, *mature, *end;
    uintptr_t *old_start, *old_top, *old_end;
    struct heap_frag *frags;  /* newest first */
    size_t frag_words;        /* in all fragments */
    uintptr_t *offheap;       /* of young block, newest first */
    size_t vheap_words;       /* off-heap bytes / 8 referred to from young + frags */
    uintptr_t *old_offheap;
    size_t vheap_limit;       /* collect when vheap_words passes it */
    size_t old_vheap_words, old_vheap_limit;
    size_t max_words;         /* max_heap_size, 0: none */
    size_t want_words;        /* size of the next young block, from what the last one saw */
    uint32_t min_words;       /* min_heap_size as asked for */
    uint32_t min_vheap_words;
    uint16_t n_minor;         /* minor collections since the last full sweep */
    uint16_t n_collections;   /* of any kind, since it last hibernated or was swept by request */
    uint16_t fullsweep_after; /* 65535 as OTP */
    uint8_t young_survival;   /* percent of the young generation that lived through the last collection */
    uint8_t old_survival;     /* percent of the old generation that lived through the last full sweep */
    bool over_limit;          /* the arena is past its soft limit: end this process */
    bool force_gc;            /* set by heap_alloc when fragments outgrow the block */
};

/* Makes a heap with a block of at least min_words. HEAP_NOMEM if there is no memory. */
enum heap_status heap_init(struct heap *h, size_t min_words) MUST_CHECK;
void heap_init_frags(struct heap *h);
/* Frees everything and drops off-heap references. */
void heap_destroy(struct heap *h);

/* n words, never NULL (see above). No collection. */
uintptr_t *heap_alloc_slow(struct heap *h, size_t n);
static inline uintptr_t *heap_alloc(struct heap *h, size_t n)
{
    if (__builtin_expect((size_t) (h->stop - h->top) >= n, 1)) {
        uintptr_t *p = h->top;
        h->top += n;
        return p;
    }
    return heap_alloc_slow(h, n);
}
/* Called when foreign code may be building on a heap that has just become over_limit; if it is, the
 * hook ends that code and does not return. Set by the NIF API; no lock is held. */
extern void (*heap_limit_hook)(struct heap *h);
/* Gives back the last n words of the last allocation, for builders that reserve an upper bound. */
void heap_give_back(struct heap *h, uintptr_t *p, size_t n_allocated, size_t n_used);
bool heap_can_alloc(const struct heap *h, size_t n_words);

/* Off-heap objects. Whoever builds a TAG_REFC_BITS or TAG_RESOURCE object calls this once its header
 * is written: chains it and counts the bytes it keeps alive (virtual heap). For a view of bytes that
 * another object of this heap already counts, as in an append, pass what is new. */
static inline void heap_link_offheap(struct heap *h, uintptr_t *object, size_t bytes)
{
    object[1] = (uintptr_t) h->offheap;
    h->offheap = object;
    h->vheap_words += bytes / sizeof(uintptr_t);
    if (h->vheap_words > h->vheap_limit && h->start != NULL) {
        h->force_gc = true;
    }
}
/* Resources belong to the NIF API, which sets these two at start. Any thread calls them. */
extern void (*heap_resource_ref)(void *resource);
extern void (*heap_resource_unref)(void *resource);
/* In an attached worker: its own object behind a TAG_RESOURCE term of the VM with this id, or NULL. A
 * TAG_RESOURCE object without one (0 in its place) is a mere reference and never chained. */
extern void *(*heap_resource_of_foreign)(uint64_t id);
/* Bytes an off-heap object keeps alive; drops the references of a whole chain. */
size_t heap_offheap_bytes(const uintptr_t *object);
void heap_offheap_drop(uintptr_t *chain);

/* The next size in the series heaps grow by: Fibonacci-like, above a million words by a fifth. */
size_t heap_next_size(size_t words);

/* Roots besides the stack [stop, end): arrays of terms, rewritten when they move. */
struct heap_roots { /* no two overlap */
    term *terms;
    size_t n;
};

/**
 * Collects and makes room for need_words between top and stop. Minor unless forced, due or
 * too little came free. With ENABLE_GC_STRESS every heap_ensure_gc() collects; with
 * ENABLE_ASSERTS heap_verify() runs afterwards. out_reclaimed_words may be NULL.
 * HEAP_MAX_SIZE: max_words would be passed (nothing moved); HEAP_NOMEM: nothing changed.
 */
enum heap_gc_kind { HEAP_GC_MINOR, HEAP_GC_FULL, HEAP_GC_HIBERNATE /* full, and shrink to fit */ };
enum heap_status heap_gc(struct heap *h, enum heap_gc_kind kind, size_t need_words,
    struct heap_roots *roots, size_t n_roots, size_t *out_reclaimed_words) MUST_CHECK;

#ifdef ENABLE_GC_STRESS
enum { HEAP_GC_STRESS = 1 };
#else
enum { HEAP_GC_STRESS = 0 };
#endif
static inline bool heap_needs_gc(const struct heap *h, size_t need_words)
{
    return HEAP_GC_STRESS || (size_t) (h->stop - h->top) < need_words || h->force_gc;
}

/* Panics if any term is not well formed, points outside the heap's own memory and literals, or an
 * off-heap chain is broken. Walks the blocks word by word: every word up to top must be written. */
void heap_verify(const struct heap *h, const struct heap_roots *roots, size_t n_roots);

/* Who still reads a heap whose process has ended: takes what is in *h over, which is empty afterwards. Called once. */
struct heap_keeper {
    void (*keep)(struct heap_keeper *k, struct heap *h);
};

/* Fragments. A fragment made for a sender travels in a message and is attached by the receiver. */
struct heap_frag *heap_frag_new(size_t words) MUST_CHECK; /* NULL: no memory */
void heap_frag_free(struct heap_frag *f);                 /* and its off-heap references */
void heap_attach_frag(struct heap *h, struct heap_frag *f); /* h owns f, and what follows it in f->next */
/* Moves all fragments of a heap_init_frags() heap to dst. src is empty afterwards. */
void heap_move_frags(struct heap *dst, struct heap *src);

/* Total words in use: young + old + fragments (process_info(total_heap_size) adds free space). */
size_t heap_used_words(const struct heap *h);
size_t heap_total_words(const struct heap *h);

/* A point to go back to (a native call that is abandoned): heap_rollback() drops what was
 * allocated on h since, in the block and in fragments, and its off-heap references.
 * pre: no collection and no heap_attach_frag() in between. */
struct heap_mark {
    uintptr_t *top;
    /* As they follow each other in struct heap: copied at once. */
    struct heap_frag *frags;
    size_t frag_words;
    uintptr_t *offheap;
    size_t vheap_words;
    size_t frag_used_words; /* of the newest fragment, if there is one */
};
_Static_assert(offsetof(struct heap_mark, vheap_words) - offsetof(struct heap_mark, frags)
        == offsetof(struct heap, vheap_words) - offsetof(struct heap, frags), "in the same order");
static inline void heap_mark_set(struct heap_mark *m, const struct heap *h)
{
    m->top = h->top;
    memcpy(&m->frags, &h->frags, offsetof(struct heap_mark, frag_used_words) - offsetof(struct heap_mark, frags));
    if (__builtin_expect(h->frags != NULL, 0)) {
        m->frag_used_words = h->frags->used_words;
    }
}
/* Nothing has been made since the mark. */
static inline bool heap_is_at(const struct heap *h, const struct heap_mark *m)
{
    return h->top == m->top && h->frags == m->frags && h->offheap == m->offheap;
}
static inline struct heap_mark heap_mark(const struct heap *h)
{
    struct heap_mark m = { 0 };
    heap_mark_set(&m, h);
    return m;
}
void heap_rollback(struct heap *h, const struct heap_mark *m);

/* Builders: all take room with heap_alloc, never fail, never collect. */
static inline term heap_cons(struct heap *h, term head, term tail)
{
    uintptr_t *p = heap_alloc(h, HEAP_CONS_WORDS);
    p[0] = head.word;
    p[1] = tail.word;
    return term_from_list_ptr(p);
}
static inline term heap_float(struct heap *h, double d) /* pre: finite */
{
    uintptr_t *p = heap_alloc(h, HEAP_FLOAT_WORDS);
    p[0] = TERM_HEADER(TAG_FLOAT, 1);
    memcpy(&p[1], &d, sizeof(d));
    return term_from_boxed_ptr(p);
}
term heap_tuple(struct heap *h, const term *elements, size_t arity);
term heap_tuple2(struct heap *h, term a, term b);
term heap_tuple3(struct heap *h, term a, term b, term c);
term heap_tuple4(struct heap *h, term a, term b, term c, term d);
term heap_integer(struct heap *h, int64_t i);       /* small or big */
term heap_uinteger(struct heap *h, uint64_t i);
term heap_ref(struct heap *h, uint64_t id, uintptr_t alias_pid_word);
term heap_list(struct heap *h, const term *elements, size_t n, term tail);
term heap_string(struct heap *h, const char *bytes, size_t n); /* list of byte values */
term heap_cstring(struct heap *h, const char *s);

#endif
