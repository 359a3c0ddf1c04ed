#include "vm/core/heap.h"

#include "lib/base/arena.h"
#include "vm/core/bits.h"

void (*heap_resource_ref)(void *resource);
void (*heap_resource_unref)(void *resource);
void *(*heap_resource_of_foreign)(uint64_t id);
void (*heap_limit_hook)(struct heap *h);

/* ---- sizes ---- */

static const uint32_t steps[] = { 12, 38, 51, 90, 142, 233, 376, 610, 987, 1598, 2586, 4185, 6772, 10958,
    17731, 28690, 46422, 75113, 121536, 196650, 318187, 514838, 833026 };

size_t heap_next_size(size_t words)
{
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (steps[i] >= words) {
            return steps[i];
        }
    }
    size_t n = steps[ARRAY_LEN(steps) - 1];
    while (n < words) {
        n += n / 5;
    }
    return n;
}

size_t heap_used_words(const struct heap *h)
{
    size_t n = (size_t) (h->top - h->start) + (size_t) (h->end - h->stop) + (size_t) (h->old_top - h->old_start);
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        n += f->used_words;
    }
    return n;
}

size_t heap_total_words(const struct heap *h)
{
    return (size_t) (h->end - h->start) + (size_t) (h->old_end - h->old_start) + h->frag_words;
}

/* ---- life ---- */

void heap_init_frags(struct heap *h)
{
    *h = (struct heap) {
        .min_words = HEAP_DEFAULT_MIN_WORDS,
        .min_vheap_words = HEAP_DEFAULT_MIN_VHEAP_WORDS,
        .vheap_limit = HEAP_DEFAULT_MIN_VHEAP_WORDS,
        .old_vheap_limit = HEAP_DEFAULT_MIN_VHEAP_WORDS,
        .fullsweep_after = UINT16_MAX,
        .old_survival = 100,
    };
}

enum heap_status heap_init(struct heap *h, size_t min_words)
{
    heap_init_frags(h);
    size_t words = min_words <= HEAP_DEFAULT_MIN_WORDS ? HEAP_FIRST_WORDS : min_words;
    if (words > SIZE_MAX / sizeof(uintptr_t) / 2) {
        return HEAP_NOMEM;
    }
    size_t bytes = arena_good_size(words * sizeof(uintptr_t));
    uintptr_t *block = arena_alloc(arena_terms, bytes);
    if (block == NULL) {
        return HEAP_NOMEM;
    }
    h->min_words = min_words > UINT32_MAX ? UINT32_MAX : (uint32_t) min_words;
    h->start = h->mature = h->top = block;
    h->end = h->stop = block + bytes / sizeof(uintptr_t);
    h->want_words = heap_next_size(min_words);
    return HEAP_OK;
}

void heap_destroy(struct heap *h)
{
    heap_offheap_drop(h->offheap);
    heap_offheap_drop(h->old_offheap);
    while (h->frags != NULL) {
        struct heap_frag *f = h->frags;
        h->frags = f->next;
        heap_frag_free(f);
    }
    arena_free(arena_terms, h->start);
    arena_free(arena_terms, h->old_start);
    heap_init_frags(h);
}

/* ---- off-heap objects ---- */

size_t heap_offheap_bytes(const uintptr_t *object)
{
    return header_tag(object[0]) == TAG_REFC_BITS ? object[3] / 8 : 64;
}

static void drop_reference(const uintptr_t *object)
{
    if (header_tag(object[0]) == TAG_REFC_BITS) {
        if (!arena_is_foreign((void *) object[2])) { /* the VM's, lent to this worker: not ours to count */
            offheap_bin_unref((struct offheap_bin *) object[2]);
        }
    } else {
        VM_REQUIRE(header_tag(object[0]) == TAG_RESOURCE);
        heap_resource_unref((void *) object[2]);
    }
}

void heap_offheap_drop(uintptr_t *chain)
{
    while (chain != NULL) {
        uintptr_t *next = (uintptr_t *) chain[1];
        drop_reference(chain);
        chain = next;
    }
}

/* ---- fragments ---- */

static struct heap_frag *frag_with_block(uintptr_t *words, size_t n)
{
    struct heap_frag *f = vm_alloc(sizeof(*f));
    *f = (struct heap_frag) { .words = words, .size_words = n };
    return f;
}

struct heap_frag *heap_frag_new(size_t n)
{
    if (n > SIZE_MAX / sizeof(uintptr_t) / 2) {
        return NULL;
    }
    uintptr_t *words = NULL;
    if (n > 0) {
        words = arena_alloc(arena_terms, n * sizeof(uintptr_t));
        if (words == NULL) {
            return NULL;
        }
    }
    return frag_with_block(words, n);
}

void heap_frag_free(struct heap_frag *f)
{
    heap_offheap_drop(f->offheap);
    arena_free(arena_terms, f->words);
    vm_free(f);
}

/* Fragments are copied at the next collection: have one before they outgrow the block, if that is not
 * too small to be worth it. */
static void count_frag(struct heap *h, size_t words)
{
    enum { WORTH_IT = 512 };
    h->frag_words += words;
    if (h->start != NULL && h->frag_words > WORTH_IT && h->frag_words > (size_t) (h->end - h->start)) {
        h->force_gc = true;
    }
}

void heap_attach_frag(struct heap *h, struct heap_frag *f)
{
    while (f != NULL) {
        struct heap_frag *next = f->next;
        for (const uintptr_t *o = f->offheap; o != NULL; o = (const uintptr_t *) o[1]) {
            h->vheap_words += heap_offheap_bytes(o) / sizeof(uintptr_t);
        }
        if (h->vheap_words > h->vheap_limit) {
            h->force_gc = true;
        }
        f->next = h->frags;
        h->frags = f;
        count_frag(h, f->size_words);
        f = next;
    }
}

void heap_move_frags(struct heap *dst, struct heap *src)
{
    VM_ASSERT(src->start == NULL);
    uintptr_t *last = src->offheap;
    if (last != NULL) {
        while (last[1] != 0) {
            last = (uintptr_t *) last[1];
        }
        last[1] = (uintptr_t) dst->offheap;
        dst->offheap = src->offheap;
        dst->vheap_words += src->vheap_words;
        dst->force_gc |= dst->start != NULL && dst->vheap_words > dst->vheap_limit;
    }
    heap_attach_frag(dst, src->frags);
    src->frags = NULL;
    src->frag_words = src->vheap_words = 0;
    src->offheap = NULL;
}

/* ---- room ---- */

/* One process must not take the machine down: when memory is tight the large ones go. */
static void check_limit(struct heap *h, bool failed)
{
    if (failed || arena_is_tight(arena_terms)) {
        struct arena_stats st = arena_stats(arena_terms);
        if (heap_total_words(h) * sizeof(uintptr_t) > st.used_bytes / 32 || failed) {
            h->over_limit = true;
        }
    }
}

uintptr_t *heap_alloc_slow(struct heap *h, size_t n)
{
    struct heap_frag *f = h->frags;
    if (f == NULL || f->size_words - f->used_words < n) {
        enum { SMALLEST = 32, LARGEST = 4096 };
        size_t words = h->frag_words < SMALLEST ? SMALLEST : h->frag_words > LARGEST ? LARGEST : h->frag_words;
        size_t bytes = arena_good_size((n > words ? n : words) * sizeof(uintptr_t));
        uintptr_t *block = arena_alloc(arena_terms, bytes);
        check_limit(h, block == NULL);
        if (block == NULL) {
            block = arena_alloc_urgent(arena_terms, bytes);
            VM_REQUIRE(block != NULL); /* the reservation of term memory is used up */
        }
        f = frag_with_block(block, bytes / sizeof(uintptr_t));
        f->next = h->frags;
        h->frags = f;
        count_frag(h, f->size_words);
        if (__builtin_expect(h->over_limit, 0) && heap_limit_hook != NULL) {
            heap_limit_hook(h);
        }
    }
    uintptr_t *p = f->words + f->used_words;
    f->used_words += n;
    return p;
}

void heap_give_back(struct heap *h, uintptr_t *p, size_t n_allocated, size_t n_used)
{
    if (p + n_allocated == h->top) {
        h->top = p + n_used;
        return;
    }
    struct heap_frag *f = h->frags;
    VM_ASSERT(f != NULL && p + n_allocated == f->words + f->used_words);
    f->used_words -= n_allocated - n_used;
}

void heap_rollback(struct heap *h, const struct heap_mark *m)
{
    /* Objects made since are newest first: cut the chain where it stood. */
    while (h->offheap != m->offheap) {
        uintptr_t *object = h->offheap;
        h->offheap = (uintptr_t *) object[1];
        drop_reference(object);
    }
    while (h->frags != m->frags) {
        struct heap_frag *f = h->frags;
        h->frags = f->next;
        heap_frag_free(f);
    }
    if (h->frags != NULL) {
        h->frags->used_words = m->frag_used_words;
    }
    h->top = m->top;
    h->frag_words = m->frag_words;
    h->vheap_words = m->vheap_words;
}

bool heap_can_alloc(const struct heap *h, size_t n)
{
    if (n < HEAP_SURE_WORDS || n <= (size_t) (h->stop - h->top)) {
        return true;
    }
    struct arena_stats st = arena_stats(arena_terms);
    size_t left = st.limit_bytes > st.used_bytes ? (st.limit_bytes - st.used_bytes) / sizeof(uintptr_t) : 0;
    return n < left && (h->max_words == 0 || n <= h->max_words);
}

/* ---- builders ---- */

term heap_tuple(struct heap *h, const term *elements, size_t arity)
{
    uintptr_t *p = heap_alloc(h, HEAP_TUPLE_WORDS(arity));
    p[0] = TERM_HEADER(TAG_TUPLE, arity);
    for (size_t i = 0; i < arity; i++) {
        p[1 + i] = elements[i].word;
    }
    return term_from_boxed_ptr(p);
}

term heap_tuple2(struct heap *h, term a, term b)
{
    uintptr_t *p = heap_alloc(h, HEAP_TUPLE_WORDS(2));
    p[0] = TERM_HEADER(TAG_TUPLE, 2);
    p[1] = a.word;
    p[2] = b.word;
    return term_from_boxed_ptr(p);
}

term heap_tuple3(struct heap *h, term a, term b, term c)
{
    uintptr_t *p = heap_alloc(h, HEAP_TUPLE_WORDS(3));
    p[0] = TERM_HEADER(TAG_TUPLE, 3);
    p[1] = a.word;
    p[2] = b.word;
    p[3] = c.word;
    return term_from_boxed_ptr(p);
}

term heap_tuple4(struct heap *h, term a, term b, term c, term d)
{
    uintptr_t *p = heap_alloc(h, HEAP_TUPLE_WORDS(4));
    p[0] = TERM_HEADER(TAG_TUPLE, 4);
    p[1] = a.word;
    p[2] = b.word;
    p[3] = c.word;
    p[4] = d.word;
    return term_from_boxed_ptr(p);
}

enum { BIG_DIGIT_BITS = 60 };

static term big_from_magnitude(struct heap *h, enum term_tag tag, uint64_t magnitude)
{
    size_t n = magnitude >> BIG_DIGIT_BITS != 0 ? 2 : 1;
    uintptr_t *p = heap_alloc(h, 1 + n);
    p[0] = TERM_HEADER(tag, n);
    p[1] = magnitude & ((UINT64_C(1) << BIG_DIGIT_BITS) - 1);
    if (n == 2) {
        p[2] = magnitude >> BIG_DIGIT_BITS;
    }
    return term_from_boxed_ptr(p);
}

term heap_integer(struct heap *h, int64_t i)
{
    if (intptr_fits_small(i)) {
        return term_from_small(i);
    }
    return i < 0 ? big_from_magnitude(h, TAG_BIG_NEG, 0 - (uint64_t) i)
                 : big_from_magnitude(h, TAG_BIG_POS, (uint64_t) i);
}

term heap_uinteger(struct heap *h, uint64_t i)
{
    return i <= TERM_SMALL_MAX ? term_from_small((intptr_t) i) : big_from_magnitude(h, TAG_BIG_POS, i);
}

term heap_ref(struct heap *h, uint64_t id, uintptr_t alias_pid_word)
{
    uintptr_t *p = heap_alloc(h, HEAP_REF_WORDS);
    p[0] = TERM_HEADER(TAG_REF, 2);
    p[1] = id;
    p[2] = alias_pid_word;
    return term_from_boxed_ptr(p);
}

term heap_list(struct heap *h, const term *elements, size_t n, term tail)
{
    uintptr_t *p = heap_alloc(h, n * HEAP_CONS_WORDS);
    for (size_t i = n; i-- > 0;) {
        p[2 * i] = elements[i].word;
        p[2 * i + 1] = tail.word;
        tail = term_from_list_ptr(&p[2 * i]);
    }
    return tail;
}

term heap_string(struct heap *h, const char *bytes, size_t n)
{
    uintptr_t *p = heap_alloc(h, n * HEAP_CONS_WORDS);
    term tail = TERM_NIL;
    for (size_t i = n; i-- > 0;) {
        p[2 * i] = term_from_small((unsigned char) bytes[i]).word;
        p[2 * i + 1] = tail.word;
        tail = term_from_list_ptr(&p[2 * i]);
    }
    return tail;
}

term heap_cstring(struct heap *h, const char *s)
{
    return heap_string(h, s, strlen(s));
}
