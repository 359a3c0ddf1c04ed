#include <check.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/tests/run_suite.h"
#include "vm/ets/ets.h"

enum { KEYS = 500 };

static struct ets_table table;
static struct heap h;
static uint64_t seed = 88172645463325252u;

static size_t below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

static void setup(void)
{
    ck_assert(arena_init_all());
    atom_table_init();
    heap_init_frags(&h);
    table = (struct ets_table) { .key_position = 1 };
}

static struct ets_object *object(intptr_t key, intptr_t value)
{
    struct ets_object *o = ets_object_new(heap_tuple2(&h, term_from_small(key), term_from_small(value)));
    ck_assert_ptr_nonnull(o);
    return o;
}

/* Height of the subtree; aborts the test if it is out of balance, out of order or miscounted. */
static int check_tree(const struct ets_object *o, intptr_t low, intptr_t high, size_t *n)
{
    if (o == NULL) {
        return 0;
    }
    intptr_t key = term_to_small(ets_key(&table, o));
    ck_assert(low < key && key < high);
    int l = check_tree(o->next, low, key, n), r = check_tree(o->right, key, high, n);
    ck_assert_int_le(abs(l - r), 1);
    ck_assert_int_eq(o->height, 1 + (l > r ? l : r));
    ++*n;
    return o->height;
}

static void check_against(const size_t count[KEYS], size_t total)
{
    ck_assert_uint_eq(table.n_objects, total);
    if (ets_is_tree(&table)) {
        size_t n = 0;
        check_tree(table.root, INTPTR_MIN, INTPTR_MAX, &n);
        ck_assert_uint_eq(n, total);
    }
    size_t seen = 0;
    struct ets_cursor c;
    ets_cursor_first(&c, &table, false);
    while (ets_cursor_next(&c) != NULL) {
        seen++;
    }
    ck_assert_uint_eq(seen, total);
    for (intptr_t k = 0; k < KEYS; k++) {
        size_t n = 0;
        for (struct ets_object *o = ets_find(&table, term_from_small(k)); o != NULL;
             o = ets_find_next(&table, o, term_from_small(k))) {
            n++;
        }
        ck_assert_uint_eq(n, count[k]);
    }
}

START_TEST(any_sequence_of_changes_keeps_the_table_whole)
{
    static size_t count[KEYS];
    size_t total = 0;
    struct ets_object *gone = NULL;
    table.type = (enum ets_type) _i;
    ets_contents_init(&table);
    for (int round = 0; round < 40000; round++) {
        size_t k = below(KEYS);
        term key = term_from_small((intptr_t) k);
        if (below(5) < 3) {
            bool adds = table.type == ETS_DUPLICATE_BAG || table.type == ETS_BAG || count[k] == 0;
            ets_insert(&table, object((intptr_t) k, round), &gone);
            count[k] += adds;
            total += adds;
        } else {
            ck_assert_uint_eq(ets_remove_key(&table, key, &gone), count[k]);
            total -= count[k];
            count[k] = 0;
        }
        if (!ets_is_tree(&table) && below(300) == 0) {
            table.n_fixed = !table.n_fixed;
            if (table.n_fixed == 0) {
                ets_unfixed(&table, &gone);
                ck_assert_uint_eq(table.n_deleted, 0);
            }
        }
        if (round % 1000 == 0) {
            check_against(count, total);
            ets_object_free_list(gone);
            gone = NULL;
        }
    }
    table.n_fixed = 0;
    ets_remove_all(&table, &gone);
    ets_object_free_list(gone);
    ck_assert_uint_eq(table.n_objects, 0);
    ck_assert_uint_eq(table.n_words, 0);
}
END_TEST

START_TEST(a_tree_is_walked_both_ways_from_any_key)
{
    struct ets_object *gone = NULL;
    struct ets_cursor c;
    table.type = ETS_ORDERED_SET;
    ets_contents_init(&table);
    for (intptr_t k = 0; k < 1000; k++) {
        ets_insert(&table, object(k * 617 % 1000 * 2, 0), &gone);
    }
    for (intptr_t k = -1; k < 2001; k++) {
        ets_cursor_after(&c, &table, term_from_small(k), false);
        struct ets_object *o = ets_cursor_next(&c);
        intptr_t next = (k + 2) / 2 * 2;
        ck_assert(next > 1998 ? o == NULL : term_to_small(ets_key(&table, o)) == next);
        ets_cursor_after(&c, &table, term_from_small(k), true);
        o = ets_cursor_next(&c);
        intptr_t before = k <= 0 ? -1 : (k - 1) / 2 * 2;
        ck_assert(before < 0 ? o == NULL : term_to_small(ets_key(&table, o)) == (before > 1998 ? 1998 : before));
    }
    ets_remove_all(&table, &gone);
    ets_object_free_list(gone);
}
END_TEST

START_TEST(objects_keep_what_is_inside_them)
{
    term inner = heap_cons(&h, heap_float(&h, 2.5), heap_tuple2(&h, heap_integer(&h, INT64_MIN), TERM_NIL));
    struct ets_object *o = ets_object_new(heap_tuple2(&h, TERM_NIL, inner));
    struct heap to;
    heap_init_frags(&to);
    term t = ets_object_to_heap(o, &to);
    ets_object_free(o);
    inner = term_tuple_get(t, 1);
    ck_assert(term_to_double(term_head(inner)) == 2.5);
    ck_assert(term_is_big(term_tuple_get(term_tail(inner), 0)));
    heap_verify(&to, NULL, 0);
    heap_destroy(&to);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ets");
    TCase *tc = tcase_create("ets");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_loop_test(tc, any_sequence_of_changes_keeps_the_table_whole, ETS_SET, ETS_ORDERED_SET + 1);
    tcase_add_test(tc, a_tree_is_walked_both_ways_from_any_key);
    tcase_add_test(tc, objects_keep_what_is_inside_them);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
