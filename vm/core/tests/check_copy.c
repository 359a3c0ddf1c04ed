#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/tests/run_suite.h"
#include "vm/core/bits.h"
#include "vm/core/copy.h"
#include "vm/core/literal.h"

static struct heap h, other;
static struct offheap_bin *bin;

static void setup(void)
{
    ck_assert(arena_init_all());
    heap_init_frags(&h);
    heap_init_frags(&other);
    bin = offheap_bin_new(200);
    for (int i = 0; i < 200; i++) {
        bin->data[i] = (uint8_t) i;
    }
}

static void teardown(void)
{
    heap_destroy(&h);
    heap_destroy(&other);
    ck_assert_uint_eq(atomic_load(&bin->refs), 1);
    offheap_bin_unref(bin);
}

static term refc(void)
{
    uintptr_t *p = heap_alloc(&h, HEAP_REFC_BITS_WORDS);
    p[0] = TERM_HEADER(TAG_REFC_BITS, 3);
    p[2] = (uintptr_t) bin;
    p[3] = 1600;
    offheap_bin_ref(bin);
    heap_link_offheap(&h, p, 200);
    return term_from_boxed_ptr(p);
}

static term sub(term base, size_t offset, size_t size)
{
    uintptr_t *p = heap_alloc(&h, HEAP_SUB_BITS_WORDS);
    p[0] = TERM_HEADER(TAG_SUB_BITS, 3);
    p[1] = offset;
    p[2] = size;
    p[3] = base.word;
    return term_from_boxed_ptr(p);
}

START_TEST(immediates_and_literals_need_nothing)
{
    struct literal_block *blocks = NULL;
    term l = literal_copy(heap_tuple2(&h, TERM_NIL, TERM_NIL), &blocks);
    ck_assert(arena_is_literal(term_words(l)));
    ck_assert_uint_eq(copy_size(l), 0);
    ck_assert_uint_eq(copy_size(term_from_small(5)), 0);
    ck_assert(term_same(copy_term(l, &other), l));
    ck_assert_uint_eq(copy_size(heap_tuple2(&h, l, TERM_NIL)), 3);
    ck_assert_uint_eq(copy_size_all(heap_tuple2(&h, l, TERM_NIL)), 6);
}
END_TEST

/* Their words look like anything: none of them may be taken for a term. */
START_TEST(large_integers_are_copied_as_words)
{
    static const size_t sizes[] = { 254, 255, 256, 257, 5000 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uintptr_t *p = heap_alloc(&h, 1 + sizes[i]);
        p[0] = TERM_HEADER(TAG_BIG_POS, sizes[i]);
        memset(p + 1, 0x2a, sizes[i] * sizeof(*p));
        term t = heap_tuple2(&h, term_from_boxed_ptr(p), TERM_NIL);
        ck_assert_uint_eq(copy_size(t), 3 + 1 + sizes[i]);
        term copied = term_tuple_get(copy_term(t, &other), 0);
        ck_assert_mem_eq(term_words(copied), p, (1 + sizes[i]) * sizeof(*p));
    }
}
END_TEST

START_TEST(off_heap_binaries_are_shared)
{
    term t = heap_tuple2(&h, refc(), TERM_NIL);
    ck_assert_uint_eq(copy_size(t), 7);
    term c = copy_term(t, &other);
    ck_assert_uint_eq(atomic_load(&bin->refs), 3);
    ck_assert_uint_eq(term_words(term_tuple_get(c, 0))[2], (uintptr_t) bin);
    ck_assert_uint_ge(other.vheap_words, 200 / 8);
}
END_TEST

START_TEST(small_parts_travel_alone)
{
    term c = copy_term(sub(refc(), 80, 24), &other);
    ck_assert(term_has_tag(c, TAG_HEAP_BITS));
    ck_assert_uint_eq(term_words(c)[1], 24);
    ck_assert_int_eq(memcmp(&term_words(c)[2], "\x0a\x0b\x0c\0\0\0\0\0", 8), 0);
    c = copy_term(sub(refc(), 0, 0), &other);
    ck_assert(term_has_tag(c, TAG_HEAP_BITS));
    ck_assert_uint_eq(term_arity(c), 1);
    ck_assert_uint_eq(atomic_load(&bin->refs), 3);
}
END_TEST

START_TEST(large_and_unaligned_parts_keep_their_base)
{
    ck_assert(term_has_tag(copy_term(sub(refc(), 80, 8 * 65), &other), TAG_SUB_BITS));
    ck_assert(term_has_tag(copy_term(sub(refc(), 81, 24), &other), TAG_SUB_BITS));
    ck_assert(term_has_tag(copy_term(sub(refc(), 80, 23), &other), TAG_SUB_BITS));
    ck_assert_uint_eq(atomic_load(&bin->refs), 7);
}
END_TEST

START_TEST(the_size_is_what_the_copy_takes)
{
    term t = TERM_NIL;
    for (int i = 0; i < 200; i++) {
        term e[3] = { heap_float(&h, i), heap_integer(&h, INT64_MAX - i), t };
        t = i % 3 ? heap_cons(&h, heap_tuple(&h, e, 3), t) : heap_tuple(&h, e, 2);
    }
    size_t n = copy_size(t);
    uintptr_t *words = arena_alloc(arena_terms, n * sizeof(*words)), *at = words, *chain = NULL;
    copy_into(t, &at, &chain);
    ck_assert_uint_eq((size_t) (at - words), n);
    arena_free(arena_terms, words);
}
END_TEST

START_TEST(off_heap_bytes_of_a_copy_count)
{
    heap_destroy(&other);
    ck_assert_int_eq(heap_init(&other, 233), HEAP_OK);
    other.vheap_limit = 30;
    term t = refc();
    copy_term(t, &other);
    ck_assert(!other.force_gc);
    copy_term(t, &other);
    ck_assert(other.force_gc);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("copy");
    TCase *tc = tcase_create("copy");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, immediates_and_literals_need_nothing);
    tcase_add_test(tc, large_integers_are_copied_as_words);
    tcase_add_test(tc, off_heap_binaries_are_shared);
    tcase_add_test(tc, small_parts_travel_alone);
    tcase_add_test(tc, large_and_unaligned_parts_keep_their_base);
    tcase_add_test(tc, the_size_is_what_the_copy_takes);
    tcase_add_test(tc, off_heap_bytes_of_a_copy_count);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
