#include <check.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/tests/run_suite.h"
#include "vm/core/bits.h"
#include "vm/core/copy.h"

static uint64_t seed;
static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static struct offheap_bin *watched; /* an off-heap binary the tests hold a reference of */
static int64_t resource_refs;
static void resource_ref(void *resource)
{
    (void) resource;
    resource_refs++;
}
static void resource_unref(void *resource)
{
    (void) resource;
    resource_refs--;
}

static void setup(void)
{
    ck_assert(arena_init_all());
    seed = 88172645463325252u;
    watched = offheap_bin_new(1000);
    memset(watched->data, 7, 1000);
    heap_resource_ref = resource_ref;
    heap_resource_unref = resource_unref;
    resource_refs = 0;
}

/* A term of about `size` objects with leaves of all kinds; shares parts of itself. */
static term random_term(struct heap *h, size_t size);

static term random_leaf(struct heap *h)
{
    uintptr_t *p;
    switch (below(9)) {
    case 0: return TERM_NIL;
    case 1: return term_from_atom_index(below(500));
    case 2: return heap_float(h, (double) below(1000000) / 7);
    case 3: return heap_integer(h, INT64_MIN + (int64_t) below(1000));
    case 4: return heap_ref(h, below(1 << 30), 0);
    case 5:
        p = heap_alloc(h, 2 + 4);
        p[0] = TERM_HEADER(TAG_HEAP_BITS, 5);
        p[1] = 32 * 8;
        for (int i = 0; i < 4; i++) {
            p[2 + i] = below(SIZE_MAX);
        }
        return term_from_boxed_ptr(p);
    case 6:
        p = heap_alloc(h, HEAP_REFC_BITS_WORDS);
        p[0] = TERM_HEADER(TAG_REFC_BITS, 3);
        p[2] = (uintptr_t) watched;
        p[3] = 8000;
        offheap_bin_ref(watched);
        heap_link_offheap(h, p, 1000);
        return term_from_boxed_ptr(p);
    case 7:
        p = heap_alloc(h, HEAP_RESOURCE_WORDS);
        p[0] = TERM_HEADER(TAG_RESOURCE, 3);
        p[2] = 16;
        p[3] = below(1000);
        resource_refs++;
        heap_link_offheap(h, p, 64);
        return term_from_boxed_ptr(p);
    default: return term_from_small((intptr_t) below(100000) - 50000);
    }
}

static term random_sub_bits(struct heap *h)
{
    term base;
    do {
        base = random_leaf(h);
    } while (!term_has_tag(base, TAG_HEAP_BITS) && !term_has_tag(base, TAG_REFC_BITS));
    uintptr_t *p = heap_alloc(h, HEAP_SUB_BITS_WORDS);
    p[0] = TERM_HEADER(TAG_SUB_BITS, 3);
    p[1] = below(100);
    p[2] = below(100);
    p[3] = base.word;
    return term_from_boxed_ptr(p);
}

static term random_term(struct heap *h, size_t size)
{
    if (size <= 1) {
        return random_leaf(h);
    }
    if (below(8) == 0) {
        return random_sub_bits(h);
    }
    if (below(3) == 0) {
        term t = random_term(h, size / 2);
        return heap_cons(h, t, below(2) ? t : random_term(h, size / 2));
    }
    if (below(2) == 0) {
        term list = TERM_NIL;
        for (size_t i = 0, n = below(10); i < n; i++) {
            list = heap_cons(h, random_term(h, size / n), list);
        }
        return list;
    }
    term elements[8];
    size_t n = below(9);
    for (size_t i = 0; i < n; i++) {
        elements[i] = random_term(h, size / n);
    }
    return heap_tuple(h, elements, n);
}

/* Same structure and leaves? Sub binaries by contents' position, off-heap by identity. */
static bool same(term a, term b)
{
    for (;;) {
        if (term_is_immed(a) || term_is_immed(b)) {
            return term_same(a, b);
        }
        if (term_is_cons(a) != term_is_cons(b)) {
            return false;
        }
        if (term_is_cons(a)) {
            if (!same(term_head(a), term_head(b))) {
                return false;
            }
            a = term_tail(a);
            b = term_tail(b);
            continue;
        }
        const uintptr_t *p = term_words(a), *q = term_words(b);
        if (p[0] != q[0]) {
            return false;
        }
        size_t end = 1 + term_arity(a), first_term = header_raw_words(p[0]);
        bool chained = term_tag(a) == TAG_REFC_BITS || term_tag(a) == TAG_RESOURCE;
        for (size_t i = chained ? 2 : 1; i < first_term; i++) {
            if (p[i] != q[i]) {
                return false;
            }
        }
        for (size_t i = first_term; i < end; i++) {
            if (!same((term) { p[i] }, (term) { q[i] })) {
                return false;
            }
        }
        return true;
    }
}

static void gc(struct heap *h, enum heap_gc_kind kind, size_t need, term *roots, size_t n)
{
    struct heap_roots r = { roots, n };
    ck_assert_int_eq(heap_gc(h, kind, need, &r, 1, NULL), HEAP_OK);
    heap_verify(h, &r, 1);
    ck_assert_uint_ge((size_t) (h->stop - h->top), need);
}

static void no_references_are_left(void)
{
    ck_assert_uint_eq(atomic_load(&watched->refs), 1);
    ck_assert_int_eq(resource_refs, 0);
}

START_TEST(terms_survive_any_sequence_of_collections)
{
    struct heap h, aside;
    term roots[8], kept[8];
    seed += (uint64_t) _i * 0x9E3779B97F4A7C15u;
    ck_assert_int_eq(heap_init(&h, 12), HEAP_OK);
    heap_init_frags(&aside);
    for (size_t i = 0; i < 8; i++) {
        roots[i] = kept[i] = TERM_NIL;
    }
    for (int round = 0; round < 400; round++) {
        size_t i = below(8);
        term t = random_term(&h, below(20) == 0 ? 3000 : below(60));
        /* Through copy_term first: it turns small parts of binaries into binaries. */
        roots[i] = copy_term(t, &h);
        kept[i] = copy_term(t, &aside);
        if (below(3) == 0) {
            roots[below(8)] = roots[i];
            for (size_t k = 0; k < 8; k++) {
                if (term_same(roots[k], roots[i])) {
                    kept[k] = kept[i];
                }
            }
        }
        size_t pick = below(20);
        enum heap_gc_kind kind = pick == 0 ? HEAP_GC_HIBERNATE : pick < 3 ? HEAP_GC_FULL : HEAP_GC_MINOR;
        if (heap_needs_gc(&h, 10) || below(2) == 0) {
            gc(&h, kind, below(10) == 0 ? below(5000) : below(50), roots, 8);
        }
        for (size_t k = 0; k < 8; k++) {
            ck_assert(same(roots[k], kept[k]));
        }
    }
    heap_destroy(&h);
    heap_destroy(&aside);
    no_references_are_left();
}
END_TEST

START_TEST(the_stack_moves_with_the_block_and_is_a_root)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 233), HEAP_OK);
    for (int i = 0; i < 5; i++) {
        *--h.stop = heap_tuple2(&h, term_from_small(i), TERM_NIL).word;
        *--h.stop = (uintptr_t) &seed; /* a return address */
    }
    for (int round = 0; round < 6; round++) {
        gc(&h, round % 2 ? HEAP_GC_FULL : HEAP_GC_MINOR, 50 << round, NULL, 0);
        for (int i = 0; i < 5; i++) {
            ck_assert_uint_eq(h.end[-2 * i - 2], (uintptr_t) &seed);
            term t = { h.end[-2 * i - 1] };
            ck_assert(term_is_tuple_of(t, 2));
            ck_assert_int_eq(term_to_small(term_tuple_get(t, 0)), i);
        }
    }
    heap_destroy(&h);
}
END_TEST

START_TEST(what_survived_once_is_promoted_and_shared_parts_stay_shared)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 233), HEAP_OK);
    term shared = heap_tuple2(&h, TERM_NIL, TERM_NIL);
    term root = heap_tuple3(&h, shared, shared, heap_cons(&h, shared, TERM_NIL));
    gc(&h, HEAP_GC_MINOR, 10, &root, 1);
    ck_assert_ptr_null(h.old_start);
    gc(&h, HEAP_GC_MINOR, 10, &root, 1);
    ck_assert_ptr_nonnull(h.old_start);
    ck_assert_uint_eq((size_t) (h.old_top - h.old_start), 4 + 3 + 2);
    ck_assert(term_words(root) >= h.old_start && term_words(root) < h.old_top);
    ck_assert(term_same(term_tuple_get(root, 0), term_tuple_get(root, 1)));
    ck_assert(term_same(term_tuple_get(root, 0), term_head(term_tuple_get(root, 2))));
    root = TERM_NIL;
    gc(&h, HEAP_GC_FULL, 10, &root, 1);
    ck_assert_uint_eq(heap_used_words(&h), 0);
    heap_destroy(&h);
}
END_TEST

START_TEST(deep_terms_need_no_c_stack)
{
    struct heap h, other;
    ck_assert_int_eq(heap_init(&h, 233), HEAP_OK);
    heap_init_frags(&other);
    term deep = TERM_NIL;
    for (int i = 0; i < 2000000; i++) {
        struct heap_roots r = { &deep, 1 };
        if (heap_needs_gc(&h, 4)) {
            ck_assert_int_eq(heap_gc(&h, HEAP_GC_MINOR, 4, &r, 1, NULL), HEAP_OK);
        }
        deep = i % 2 ? heap_cons(&h, deep, TERM_NIL) : heap_tuple2(&h, deep, TERM_NIL);
        if (HEAP_GC_STRESS && i == 300) {
            break;
        }
    }
    ck_assert_uint_eq(copy_size(deep), heap_used_words(&h) < 5000 ? copy_size(deep) : 5000000);
    term copy = copy_term(deep, &other);
    for (int i = HEAP_GC_STRESS ? 300 : 1999999; i >= 0; i--) {
        copy = term_is_cons(copy) ? term_head(copy) : term_tuple_get(copy, 0);
    }
    ck_assert(term_is_nil(copy));
    gc(&h, HEAP_GC_FULL, 10, &deep, 1);
    heap_destroy(&h);
    heap_destroy(&other);
}
END_TEST

START_TEST(attached_fragments_become_part_of_the_heap)
{
    struct heap h, built;
    ck_assert_int_eq(heap_init(&h, 233), HEAP_OK);
    heap_init_frags(&built);
    term roots[2];
    roots[0] = heap_tuple2(&h, random_leaf(&h), TERM_NIL);
    roots[1] = random_term(&built, 300);
    term kept = copy_term(roots[1], &built);
    roots[1] = copy_term(roots[1], &built);
    heap_move_frags(&h, &built);
    ck_assert_ptr_null(built.frags);
    heap_verify(&h, NULL, 0);
    struct heap aside;
    heap_init_frags(&aside);
    kept = copy_term(kept, &aside);
    gc(&h, HEAP_GC_MINOR, 10, roots, 2);
    ck_assert_ptr_null(h.frags);
    ck_assert(same(roots[1], kept));
    heap_destroy(&h);
    heap_destroy(&built);
    heap_destroy(&aside);
    no_references_are_left();
}
END_TEST

START_TEST(max_words_is_refused_before_anything_moves)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 233), HEAP_OK);
    h.max_words = 2000;
    term list = TERM_NIL;
    for (int i = 0; i < 500; i++) {
        list = heap_cons(&h, TERM_NIL, list);
    }
    struct heap_roots r = { &list, 1 };
    uintptr_t *start = h.start;
    ck_assert_int_eq(heap_gc(&h, HEAP_GC_MINOR, 5000, &r, 1, NULL), HEAP_MAX_SIZE);
    ck_assert_ptr_eq(h.start, start);
    ck_assert_int_eq(term_list_length(list), 500);
    ck_assert_int_eq(heap_gc(&h, HEAP_GC_MINOR, 100, &r, 1, NULL), HEAP_OK);
    ck_assert_int_eq(heap_gc(&h, HEAP_GC_MINOR, SIZE_MAX / 16, &r, 1, NULL), HEAP_NOMEM);
    h.max_words = 0;
    ck_assert_int_eq(heap_gc(&h, HEAP_GC_MINOR, (size_t) 1 << 40, &r, 1, NULL), HEAP_NOMEM);
    ck_assert_int_eq(term_list_length(list), 500);
    ck_assert(!heap_can_alloc(&h, (size_t) 1 << 40));
    ck_assert(heap_can_alloc(&h, 1000));
    heap_destroy(&h);
}
END_TEST

START_TEST(hibernation_fits_exactly_and_small_heaps_stay_small)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, HEAP_DEFAULT_MIN_WORDS), HEAP_OK);
    ck_assert_uint_le(heap_total_words(&h), 72);
    term t = heap_tuple2(&h, TERM_NIL, TERM_NIL);
    for (int i = 0; i < 10000; i++) {
        heap_cons(&h, TERM_NIL, TERM_NIL);
    }
    gc(&h, HEAP_GC_HIBERNATE, 0, &t, 1);
    ck_assert_uint_le(heap_total_words(&h), 4);
    ck_assert(term_is_tuple_of(t, 2));
    heap_destroy(&h);
}
END_TEST

START_TEST(off_heap_bytes_force_collections)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 100000), HEAP_OK);
    int made = 0;
    while (!h.force_gc) {
        uintptr_t *p = heap_alloc(&h, HEAP_REFC_BITS_WORDS);
        p[0] = TERM_HEADER(TAG_REFC_BITS, 3);
        p[2] = (uintptr_t) watched;
        p[3] = 8000;
        offheap_bin_ref(watched);
        heap_link_offheap(&h, p, 1000);
        made++;
    }
    ck_assert_int_lt(made, 1000);
    ck_assert_uint_eq(atomic_load(&watched->refs), (uint64_t) made + 1);
    gc(&h, HEAP_GC_MINOR, 0, NULL, 0);
    ck_assert(!h.force_gc);
    ck_assert_uint_eq(atomic_load(&watched->refs), 1);
    heap_destroy(&h);
}
END_TEST

START_TEST(a_match_context_follows_its_binary)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 233), HEAP_OK);
    uintptr_t *p = heap_alloc(&h, 3);
    p[0] = TERM_HEADER(TAG_HEAP_BITS, 2);
    p[1] = 64;
    memcpy(&p[2], "abcdefgh", 8);
    uintptr_t *m = heap_alloc(&h, HEAP_MATCH_CTX_WORDS);
    m[0] = TERM_HEADER(TAG_MATCH_CTX, 4);
    m[1] = (uintptr_t) &p[2];
    m[2] = 8;
    m[3] = 64;
    m[4] = term_from_boxed_ptr(p).word;
    term ctx = term_from_boxed_ptr(m);
    for (int i = 0; i < 4; i++) {
        gc(&h, i == 3 ? HEAP_GC_FULL : HEAP_GC_MINOR, 100, &ctx, 1);
        struct match_ctx *c = term_match_ctx(ctx);
        ck_assert_int_eq(memcmp(c->bytes, "abcdefgh", 8), 0);
        ck_assert_ptr_eq(c->bytes, (const uint8_t *) (term_words(c->base) + 2));
    }
    heap_destroy(&h);
}
END_TEST

START_TEST(growth_is_geometric)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 233), HEAP_OK);
    term list = TERM_NIL;
    struct heap_roots r = { &list, 1 };
    int collections = 0;
    for (int i = 0; i < 3000000; i++) {
        if ((size_t) (h.stop - h.top) < 2 || h.force_gc) {
            ck_assert_int_eq(heap_gc(&h, HEAP_GC_MINOR, 2, &r, 1, NULL), HEAP_OK);
            collections++;
        }
        list = heap_cons(&h, term_from_small(i), list);
    }
    ck_assert_int_lt(collections, 100);
    ck_assert_int_eq(term_list_length(list), 3000000);
    heap_destroy(&h);
}
END_TEST

START_TEST(a_stream_of_messages_does_not_grow_the_heap)
{
    struct heap h;
    ck_assert_int_eq(heap_init(&h, 233), HEAP_OK);
    size_t most = 0;
    for (int i = 0; i < 200000; i++) {
        struct heap_frag *f = heap_frag_new(3);
        f->used_words = 3;
        f->words[0] = TERM_HEADER(TAG_TUPLE, 2);
        f->words[1] = f->words[2] = TERM_IMMED2_NIL;
        heap_attach_frag(&h, f);
        if (h.force_gc) {
            gc(&h, HEAP_GC_MINOR, 10, NULL, 0);
            most = heap_total_words(&h) > most ? heap_total_words(&h) : most;
        }
    }
    ck_assert_uint_lt(most, 6000);
    heap_destroy(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("heap");
    TCase *tc = tcase_create("heap");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, terms_survive_any_sequence_of_collections, 0, 10);
    tcase_add_test(tc, the_stack_moves_with_the_block_and_is_a_root);
    tcase_add_test(tc, what_survived_once_is_promoted_and_shared_parts_stay_shared);
    tcase_add_test(tc, deep_terms_need_no_c_stack);
    tcase_add_test(tc, attached_fragments_become_part_of_the_heap);
    tcase_add_test(tc, max_words_is_refused_before_anything_moves);
    tcase_add_test(tc, hibernation_fits_exactly_and_small_heaps_stay_small);
    tcase_add_test(tc, off_heap_bytes_force_collections);
    tcase_add_test(tc, a_match_context_follows_its_binary);
    tcase_add_test(tc, growth_is_geometric);
    tcase_add_test(tc, a_stream_of_messages_does_not_grow_the_heap);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
