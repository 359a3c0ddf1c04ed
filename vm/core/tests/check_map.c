#include "vm/core/map_internal.h"
#include "vm/core/tests/core_test.h"

/* Invariants of both forms; the number of pairs. */
static size_t leaves_of(term node, bool root)
{
    size_t n = 0;
    for (size_t i = 0; i < hamt_n_children(node); i++) {
        term child = hamt_children(node)[i];
        n += term_is_cons(child) ? 1 : leaves_of(child, false);
    }
    ck_assert(root || n >= 2);
    return n;
}

static void verify(term map)
{
    size_t n = map_size(map);
    if (n <= MAP_FLAT_MAX) {
        ck_assert_int_eq(term_tag(map), TAG_FLATMAP);
        for (size_t i = 0; i + 1 < n; i++) {
            term keys = map_flat_keys(map);
            ck_assert_int_lt(
                term_compare_exact(term_tuple_get(keys, i), term_tuple_get(keys, i + 1)), 0);
        }
    } else {
        ck_assert_int_eq(term_tag(map), TAG_HASHMAP);
        ck_assert_uint_eq(leaves_of(hashmap_root(map), true), n);
    }
    struct map_iter it;
    term key, value, *seen = malloc((n + 1) * sizeof(*seen));
    size_t count = 0;
    map_iter_init(&it, map);
    while (map_iter_next(&it, &key, &value)) {
        ck_assert(term_same(map_get(map, key), value));
        ck_assert_uint_lt(count, n);
        seen[count++] = key;
    }
    ck_assert_uint_eq(count, n);
    map_iter_init_last(&it, map);
    while (map_iter_prev(&it, &key, &value)) {
        ck_assert(term_same(seen[--count], key));
    }
    ck_assert_uint_eq(count, 0);
    /* Leaving off at any position and going on from it finds every pair once. */
    size_t at = 0;
    for (bool more = n > 0; more;) {
        more = false;
        map_iter_init_at(&it, map, at);
        for (size_t k = 0, last = at; map_iter_next(&it, &key, &value); k++, count++) {
            ck_assert_uint_ge(map_iter_position(&it), last);
            last = map_iter_position(&it);
            if (k > 0 && last != at) {
                at = last;
                more = true;
                break;
            }
            ck_assert(term_same(seen[count], key));
        }
    }
    ck_assert_uint_eq(count, n);
    free(seen);
}

static term key_of(uint64_t i)
{
    switch (i % 4) {
    case 0:
        return num((intptr_t) i);
    case 1:
        return heap_tuple2(&test_heap, num((intptr_t) i), ATOM(ok));
    case 2:
        return bits_from_bytes(&test_heap, &i, sizeof(i));
    default:
        return heap_float(&test_heap, (double) i);
    }
}

START_TEST(maps_of_all_sizes_are_the_same_however_made)
{
    size_t n = (size_t) _i;
    term *kv = malloc((2 * n + 1) * sizeof(*kv)), map = map_empty(&test_heap),
         down = map_empty(&test_heap);
    for (size_t i = 0; i < n; i++) {
        kv[2 * i] = key_of(i);
        kv[2 * i + 1] = num((intptr_t) i * 3);
        map = map_put(&test_heap, map, kv[2 * i], kv[2 * i + 1]);
    }
    for (size_t i = 0; i < n + 40; i++) {
        down = map_put(&test_heap, down, key_of(n + 39 - i), num((intptr_t) (n + 39 - i) * 3));
    }
    for (size_t i = n; i < n + 40; i++) {
        term value;
        down = map_remove(&test_heap, down, key_of(i), &value);
        ck_assert(term_same(value, num((intptr_t) i * 3)));
    }
    term built = map_from_pairs(&test_heap, kv, n);
    verify(map);
    verify(built);
    verify(down);
    ck_assert_uint_eq(map_size(map), n);
    ck_assert(term_equal_exact(map, built));
    ck_assert(term_equal_exact(map, down));
    ck_assert_uint_eq(term_hash(map, 0), term_hash(down, 0));
    ck_assert_uint_eq(term_phash2(map), term_phash2(built));
    free(kv);
}
END_TEST

START_TEST(later_pairs_win)
{
    enum { N = 200 };
    term kv[2 * N];
    for (size_t distinct = 1; distinct <= 100; distinct += 33) {
        for (size_t i = 0; i < N; i++) {
            kv[2 * i] = key_of(i % distinct);
            kv[2 * i + 1] = num((intptr_t) i);
        }
        term map = map_from_pairs(&test_heap, kv, N);
        ck_assert_uint_eq(map_size(map), distinct);
        verify(map);
        for (size_t i = 0; i < distinct; i++) {
            size_t last = (N - 1 - i) / distinct * distinct + i;
            ck_assert(term_same(map_get(map, key_of(i)), num((intptr_t) last)));
        }
    }
}
END_TEST

START_TEST(merging_prefers_the_second)
{
    static const int sizes[] = { 0, 1, 20, 32, 33, 100, 3000 };
    for (size_t x = 0; x < ARRAY_LEN(sizes); x++) {
        for (size_t y = 0; y < ARRAY_LEN(sizes); y++) {
            for (int overlap = 0; overlap < 3; overlap++) {
                int na = sizes[x], nb = sizes[y],
                    start = overlap == 0   ? na
                            : overlap == 1 ? na / 2
                                           : 0;
                term a = map_empty(&test_heap), b = a;
                for (int i = 0; i < na; i++) {
                    a = map_put(&test_heap, a, key_of((uint64_t) i), num(1));
                }
                term expect = a;
                for (int i = start; i < start + nb; i++) {
                    b = map_put(&test_heap, b, key_of((uint64_t) i), num(2));
                    expect = map_put(&test_heap, expect, key_of((uint64_t) i), num(2));
                }
                term merged = map_merge(&test_heap, a, b);
                verify(merged);
                ck_assert(term_equal_exact(merged, expect));
            }
        }
    }
}
END_TEST

START_TEST(an_update_shares_the_keys)
{
    term kv[] = { ATOM(ok), num(1), ATOM(error), num(2) };
    term map = map_from_pairs(&test_heap, kv, 2),
         changed = map_put(&test_heap, map, ATOM(ok), num(3));
    ck_assert(term_same(map_flat_keys(map), map_flat_keys(changed)));
    ck_assert(term_same(map_get(map, ATOM(ok)), num(1)));
    ck_assert(term_same(map_put(&test_heap, map, ATOM(ok), num(1)), map));
}
END_TEST

START_TEST(numbers_are_keys_by_exact_value)
{
    term map = map_empty(&test_heap);
    map = map_put(&test_heap, map, num(1), ATOM(integer));
    map = map_put(&test_heap, map, heap_float(&test_heap, 1.0), ATOM(float));
    ck_assert_uint_eq(map_size(map), 2);
    ck_assert(term_same(map_get(map, heap_float(&test_heap, 1.0)), ATOM(float)));
    map = map_put(&test_heap, map, heap_float(&test_heap, 0.0), ATOM(ok));
    ck_assert(term_same(map_get(map, heap_float(&test_heap, -0.0)), ATOM(ok)));
}
END_TEST

START_TEST(removing_what_is_not_there_changes_nothing)
{
    term small = map_put(&test_heap, map_empty(&test_heap), ATOM(ok), num(1)), value = TERM_NIL;
    ck_assert(term_same(map_remove(&test_heap, small, ATOM(error), &value), small));
    ck_assert(term_is_none(value));
    term map = map_empty(&test_heap);
    for (intptr_t i = 0; i < 100; i++) {
        map = map_put(&test_heap, map, num(i), num(i));
    }
    ck_assert(term_same(map_remove(&test_heap, map, num(100), NULL), map));
    ck_assert(term_is_none(map_get(map, num(100))));
}
END_TEST

/* A tree of nodes by hand down to a collision: such keys cannot be found by trying. */
START_TEST(keys_with_equal_hashes_stay_apart)
{
    struct hamt_entry e[8], spare[8];
    for (int i = 0; i < 6; i++) {
        e[i] = (struct hamt_entry) { 0x123456789ABCDEF0u, num(10 - i % 4), num(i) };
    }
    e[6] = (struct hamt_entry) { 0x123456789ABCDEF1u, num(100), num(6) };
    e[7] = (struct hamt_entry) { 0x1234567800000000u, num(101), num(7) };
    size_t size;
    term root = hamt_build(&test_heap, e, spare, 8, &size);
    ck_assert_uint_eq(size, 6);
    ck_assert_uint_eq(leaves_of(root, true), 6);
    struct map_iter it;
    term key, value;
    intptr_t in_order[] = { 101, 7, 8, 9, 10, 100 }, n = 0;
    map_iter_init(&it, hashmap_make(&test_heap, size, root));
    while (map_iter_next(&it, &key, &value)) {
        ck_assert_int_eq(term_to_small(key), in_order[n++]);
        ck_assert_int_eq(term_to_small(value), n == 1   ? 7
                                               : n == 6 ? 6
                                               : n == 4 ? 5
                                               : n == 5 ? 4
                                                        : 10 - in_order[n - 1]);
    }
    ck_assert_int_eq(n, 6);
    size_t common;
    ck_assert(term_same(hamt_merge(&test_heap, root, root, &common), root));
    ck_assert_uint_eq(common, 6);
}
END_TEST

START_TEST(random_changes_agree_with_a_table)
{
    enum { KEYS = 300 };
    intptr_t table[KEYS];
    uint64_t state = 7;
    size_t n = 0;
    term map = map_empty(&test_heap);
    memset(table, 0, sizeof(table));
    for (int step = 0; step < 20000; step++) {
        size_t range = step % 4000 < 2000 ? KEYS : 40;
        size_t k = test_random(&state) % range;
        if (test_random(&state) % 5 < (step % 8000 < 4000 ? 3 : 1)) {
            n += table[k] == 0;
            table[k] = 1 + step;
            map = map_put(&test_heap, map, key_of(k), num(table[k]));
        } else {
            term value;
            map = map_remove(&test_heap, map, key_of(k), &value);
            ck_assert_int_eq(term_is_none(value), table[k] == 0);
            n -= table[k] != 0;
            table[k] = 0;
        }
        ck_assert_uint_eq(map_size(map), n);
        if (step % 100 == 0) {
            verify(map);
        }
    }
    for (size_t k = 0; k < KEYS; k++) {
        term value = map_get(map, key_of(k));
        ck_assert_int_eq(term_is_none(value) ? 0 : term_to_small(value), table[k]);
    }
}
END_TEST

START_TEST(pairs_are_sorted_by_key)
{
    enum { N = 1000 };
    static term kv[2 * N];
    uint64_t state = 3;
    for (size_t i = 0; i < N; i++) {
        kv[2 * i] = num((intptr_t) (test_random(&state) % 100000));
        kv[2 * i + 1] = kv[2 * i];
    }
    map_sort_pairs(kv, N);
    for (size_t i = 0; i + 1 < N; i++) {
        ck_assert_int_le(term_to_small(kv[2 * i]), term_to_small(kv[2 * i + 2]));
        ck_assert(term_same(kv[2 * i], kv[2 * i + 1]));
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("map");
    tcase_add_loop_test(tc, maps_of_all_sizes_are_the_same_however_made, 0, 70);
    tcase_add_loop_test(tc, maps_of_all_sizes_are_the_same_however_made, 5000, 5001);
    tcase_add_test(tc, later_pairs_win);
    tcase_add_test(tc, merging_prefers_the_second);
    tcase_add_test(tc, an_update_shares_the_keys);
    tcase_add_test(tc, numbers_are_keys_by_exact_value);
    tcase_add_test(tc, removing_what_is_not_there_changes_nothing);
    tcase_add_test(tc, keys_with_equal_hashes_stay_apart);
    tcase_add_test(tc, random_changes_agree_with_a_table);
    tcase_add_test(tc, pairs_are_sorted_by_key);
    return core_run(tc, "map");
}
