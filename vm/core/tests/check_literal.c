/* Literals that are retired: who refers to them, who copies them, when they are freed. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/tests/run_suite.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/core/literal.h"

static struct heap h;

static void setup(void)
{
    ck_assert(arena_init_all());
    heap_init_frags(&h);
}

static void teardown(void)
{
    heap_destroy(&h);
}

static term pair(intptr_t a, term b)
{
    return heap_tuple2(&h, term_from_small(a), b);
}

static term large_binary(void)
{
    static const uint8_t bytes[200] = { 1, 2, 3 };
    return bits_from_bytes(&h, bytes, sizeof(bytes));
}

static size_t refs_of(term binary)
{
    return atomic_load(&((struct offheap_bin *) term_words(binary)[REFC_BITS_BIN])->refs);
}

START_TEST(many_literals_share_blocks)
{
    struct literal_block *list = NULL;
    term all[500];
    for (int i = 0; i < 500; i++) {
        all[i] = literal_copy(pair(i, pair(i, TERM_NIL)), &list);
        ck_assert(arena_is_literal(term_words(all[i])));
    }
    for (int i = 0; i < 500; i++) {
        ck_assert(term_equal_exact(all[i], pair(i, pair(i, TERM_NIL))));
    }
    size_t n = 0;
    for (const struct literal_block *b = list; b != NULL; b = b->next) {
        n++;
    }
    ck_assert_uint_lt(n, 20);
    ck_assert_uint_eq(literal_words(list), 500 * 6);
    literal_free(list);
}
END_TEST

START_TEST(one_that_is_large_has_a_block_of_its_own)
{
    struct literal_block *list = NULL;
    term elements[5000];
    for (size_t i = 0; i < ARRAY_LEN(elements); i++) {
        elements[i] = term_from_small((intptr_t) i);
    }
    term large = heap_list(&h, elements, ARRAY_LEN(elements), TERM_NIL);
    term a = literal_copy(pair(1, TERM_NIL), &list), b = literal_copy(large, &list), c = literal_copy(pair(2, TERM_NIL), &list);
    ck_assert(term_equal_exact(b, large));
    /* What came after it went on where there was room. */
    ck_assert_ptr_eq(term_words(c), term_words(a) + 3);
    literal_free(list);
}
END_TEST

START_TEST(a_block_gives_back_what_it_holds)
{
    term binary = large_binary();
    size_t before = refs_of(binary);
    struct literal_block *b;
    term l = literal_copy_alone(pair(1, binary), &b);
    ck_assert_ptr_eq(literal_block_of(l), b);
    ck_assert_uint_eq(refs_of(binary), before + 1);
    literal_free(b);
    ck_assert_uint_eq(refs_of(binary), before);
    ck_assert(term_same(literal_copy_alone(TERM_NIL, &b), TERM_NIL));
    ck_assert_ptr_null(b);
    ck_assert_ptr_null(literal_block_of(TERM_NIL));
}
END_TEST

/* A batch of n literals; those of the others in between are not in it. */
enum { N = 300 };
static term gone[N], others[N];

static void take(struct literal_batch *b)
{
    for (int i = 0; i < N; i++) {
        struct literal_block *one, *other;
        gone[i] = literal_copy_alone(pair(i, pair(i, TERM_NIL)), &one);
        others[i] = literal_copy_alone(pair(i, TERM_NIL), &other);
        literal_retire(one);
    }
    ck_assert_uint_gt(literal_retired_bytes(), N * 48);
    ck_assert(literal_batch_take(b));
    ck_assert_uint_eq(literal_retired_bytes(), 0);
    ck_assert_uint_eq(b->n, N);
}

START_TEST(every_word_that_refers_to_it_is_found)
{
    struct literal_batch b;
    take(&b);
    for (int i = 0; i < N; i++) {
        uintptr_t inside = term_tuple_get(gone[i], 1).word;
        ck_assert_uint_eq(literal_batch_look(&b, &gone[i], 1, false), LITERAL_FOUND | LITERAL_COLLECT);
        ck_assert_uint_eq(literal_batch_look(&b, &inside, 1, false), LITERAL_FOUND | LITERAL_COLLECT);
        ck_assert_uint_eq(literal_batch_look(&b, &others[i], 1, true), 0);
    }
    uintptr_t words[] = { 0, TERM_NIL.word, (uintptr_t) &b, UINTPTR_MAX, b.low - 1, b.low + b.bytes };
    ck_assert_uint_eq(literal_batch_look(&b, words, ARRAY_LEN(words), true), 0);
    ck_assert_uint_eq(literal_batch_finish(&b, false), 0);
}
END_TEST

START_TEST(what_is_held_stays_for_a_later_batch)
{
    struct literal_batch b;
    take(&b);
    (void) literal_batch_look(&b, &gone[7], 1, true);
    (void) literal_batch_look(&b, &gone[100], 2, true);
    ck_assert_uint_eq(literal_batch_finish(&b, false), 3);
    ck_assert(term_equal_exact(gone[7], pair(7, pair(7, TERM_NIL))));
    ck_assert(term_equal_exact(gone[101], pair(101, pair(101, TERM_NIL))));
    ck_assert_uint_eq(literal_retired_bytes(), 0); /* no news */
    ck_assert(literal_batch_take(&b));
    ck_assert_uint_eq(b.n, 3);
    ck_assert_uint_eq(literal_batch_finish(&b, true), 3);
    ck_assert(literal_batch_take(&b));
    ck_assert_uint_eq(literal_batch_finish(&b, false), 0);
    ck_assert(!literal_batch_take(&b));
}
END_TEST

START_TEST(a_collection_is_asked_for_now_and_then)
{
    struct literal_batch b;
    take(&b);
    unsigned asked = 0;
    for (unsigned i = 0; i < 16; i++) {
        asked |= (literal_batch_look(&b, &gone[0], 1, true) & LITERAL_COLLECT) != 0 ? 1u << i : 0;
        (void) literal_batch_finish(&b, false);
        ck_assert(literal_batch_take(&b));
    }
    ck_assert_uint_eq(asked, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8);
    (void) literal_batch_finish(&b, false);
}
END_TEST

START_TEST(a_slice_copies_what_is_about_to_go)
{
    struct literal_batch b;
    take(&b);
    term both = heap_tuple2(&h, gone[3], others[3]);
    ck_assert_uint_eq(copy_size(both), 3);
    (void) literal_slice_begins();
    ck_assert_uint_eq(copy_size(both), 3);
    literal_batch_publish(&b);
    ck_assert_uint_eq(copy_size(both), 3); /* it has not heard of it */
    literal_slice_ends(literal_thread);
    (void) literal_slice_begins();
    ck_assert_uint_eq(copy_size(gone[3]), 6);
    ck_assert_uint_eq(copy_size(others[3]), 0);
    ck_assert_uint_eq(copy_size(both), 9);
    term c = copy_term(both, &h);
    ck_assert(!arena_is_literal(term_words(term_tuple_get(c, 0))));
    ck_assert(term_same(term_tuple_get(c, 1), others[3]));
    ck_assert(term_equal_exact(c, both));
    literal_batch_publish(NULL);
    literal_slice_ends(literal_thread);
    ck_assert_uint_eq(copy_size(both), 3);
    ck_assert_uint_eq(copy_size_all(both), 12);
    (void) literal_batch_finish(&b, false);
}
END_TEST

/* ---- grace ---- */

static _Atomic int stage;

static void *slices(void *arg)
{
    (void) arg;
    (void) literal_slice_begins();
    atomic_store(&stage, 1);
    while (atomic_load(&stage) == 1) {
    }
    literal_slice_ends(literal_thread);
    (void) literal_slice_begins();
    atomic_store(&stage, 3);
    while (atomic_load(&stage) == 3) {
    }
    literal_slice_ends(literal_thread);
    return NULL;
}

START_TEST(a_grace_period_lasts_for_the_slices_that_were_going_on)
{
    struct literal_grace g = { 0 };
    pthread_t thread;
    atomic_store(&stage, 0);
    ck_assert(literal_grace_init());
    literal_grace_begin(&g);
    ck_assert(literal_grace_over(&g));
    ck_assert_int_eq(pthread_create(&thread, NULL, slices, NULL), 0);
    while (atomic_load(&stage) != 1) {
    }
    literal_grace_begin(&g);
    ck_assert(!literal_grace_over(&g));
    ck_assert(!literal_grace_over(&g));
    atomic_store(&stage, 2);
    while (atomic_load(&stage) != 3) {
    }
    ck_assert(literal_grace_over(&g)); /* another slice by now */
    literal_grace_begin(&g);
    ck_assert(!literal_grace_over(&g));
    atomic_store(&stage, 4);
    pthread_join(thread, NULL);
    ck_assert(literal_grace_over(&g));
    vm_free(g.slices);
}
END_TEST

static int n_junk;
static void free_junk(struct literal_junk *j)
{
    n_junk--;
    vm_free(j);
}

START_TEST(junk_is_freed_with_a_batch)
{
    struct literal_batch b;
    n_junk = 2;
    literal_retire_junk(vm_zalloc(1000), 1000, free_junk);
    literal_retire_junk(vm_zalloc(sizeof(struct literal_junk)), 8, free_junk);
    ck_assert_uint_eq(literal_retired_bytes(), 1008);
    ck_assert(literal_batch_take(&b));
    ck_assert_uint_eq(b.n, 0);
    ck_assert_int_eq(n_junk, 2);
    ck_assert_uint_eq(literal_batch_finish(&b, true), 0);
    ck_assert_int_eq(n_junk, 0);
    ck_assert_uint_eq(literal_retired_bytes(), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("literal");
    TCase *tc = tcase_create("literal");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, many_literals_share_blocks);
    tcase_add_test(tc, one_that_is_large_has_a_block_of_its_own);
    tcase_add_test(tc, a_block_gives_back_what_it_holds);
    tcase_add_test(tc, every_word_that_refers_to_it_is_found);
    tcase_add_test(tc, what_is_held_stays_for_a_later_batch);
    tcase_add_test(tc, a_collection_is_asked_for_now_and_then);
    tcase_add_test(tc, a_slice_copies_what_is_about_to_go);
    tcase_add_test(tc, a_grace_period_lasts_for_the_slices_that_were_going_on);
    tcase_add_test(tc, junk_is_freed_with_a_batch);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
