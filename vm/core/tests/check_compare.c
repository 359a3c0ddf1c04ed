#include "vm/core/tests/core_test.h"
#include "vm/core/tests/term_vectors.h"

static term vector_term(const struct term_vector *v)
{
    term t = test_decode(v->bytes, v->n);
    ck_assert(!term_is_none(t));
    return t;
}

static char sign(int diff)
{
    return diff < 0 ? '<' : diff > 0 ? '>' : '=';
}

START_TEST(order_is_that_of_otp)
{
    for (size_t i = 0; i < ARRAY_LEN(order_vectors); i++) {
        term a = vector_term(&order_vectors[i]);
        for (size_t k = 0; k < ARRAY_LEN(order_vectors); k++) {
            term b = vector_term(&order_vectors[k]);
            ck_assert_msg(sign(term_compare(a, b)) == order_arith[i][k], "== %zu %zu", i, k);
            ck_assert_msg(sign(term_compare_exact(a, b)) == order_exact[i][k], "=:= %zu %zu", i, k);
            ck_assert_int_eq(term_equal(a, b), order_arith[i][k] == '=');
            ck_assert_int_eq(term_equal_exact(a, b), order_exact[i][k] == '=');
        }
    }
}
END_TEST

START_TEST(terms_of_all_kinds_are_in_order)
{
    size_t n = ARRAY_LEN(term_vectors);
    term *t = vm_alloc(n * sizeof(*t));
    for (size_t i = 0; i < n; i++) {
        t[i] = vector_term(&term_vectors[i]);
        ck_assert_int_eq(term_compare(t[i], vector_term(&term_vectors[i])), 0);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            int ab = term_compare(t[i], t[k]), ba = term_compare(t[k], t[i]);
            ck_assert_msg(sign(ab) == sign(-ba), "%zu %zu", i, k);
            ck_assert_msg((ab == 0) == term_equal(t[i], t[k]), "%zu %zu", i, k);
            ck_assert_msg((term_compare_exact(t[i], t[k]) == 0) == term_equal_exact(t[i], t[k]),
                "%zu %zu", i, k);
        }
    }
    vm_free(t);
}
END_TEST

static term deep_map(int depth, term inner)
{
    term kv[80];
    for (int d = 0; d < depth; d++) {
        for (int i = 0; i < 39; i++) {
            kv[2 * i] = num(i);
            kv[2 * i + 1] = num(1);
        }
        kv[78] = inner;
        kv[79] = num(0);
        inner = map_from_pairs(&test_heap, kv, 40);
    }
    return inner;
}

START_TEST(maps_as_keys_of_maps_as_keys_are_compared)
{
    term a = deep_map(200, num(77)), b = deep_map(200, num(77)), c = deep_map(200, num(78));
    ck_assert_int_eq(term_compare(a, b), 0);
    ck_assert(term_equal_exact(a, b));
    ck_assert_int_lt(term_compare(a, c), 0);
    ck_assert_int_gt(term_compare(c, a), 0);
    ck_assert(!term_equal(a, c));
}
END_TEST

START_TEST(deep_terms_are_compared)
{
    term list[2] = { TERM_NIL, num(1) }, tuple[2] = { TERM_NIL, num(1) },
         map[2] = { TERM_NIL, num(1) };
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < 1000000; i++) {
            list[side] = heap_cons(&test_heap, list[side], num(i));
            tuple[side] = heap_tuple2(&test_heap, tuple[side], num(i));
        }
        for (int i = 0; i < 200000; i++) {
            term kv[2] = { ATOM(ok), map[side] };
            map[side] = map_from_pairs(&test_heap, kv, 1);
        }
    }
    ck_assert_int_gt(term_compare(list[0], list[1]), 0);
    ck_assert_int_gt(term_compare(tuple[0], tuple[1]), 0);
    ck_assert_int_gt(term_compare(map[0], map[1]), 0);
    ck_assert(!term_equal(list[0], list[1]));
    ck_assert(!term_equal_exact(tuple[0], tuple[1]));
    ck_assert(!term_equal_exact(map[0], map[1]));
}
END_TEST

START_TEST(empty_tuples_are_equal_wherever_they_are)
{
    term a = heap_tuple(&test_heap, NULL, 0), b = heap_tuple(&test_heap, NULL, 0);
    ck_assert(term_equal_exact(a, b));
    ck_assert(term_equal(heap_tuple2(&test_heap, a, a), heap_tuple2(&test_heap, b, b)));
    ck_assert_int_eq(term_compare(a, b), 0);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("compare");
    tcase_add_test(tc, order_is_that_of_otp);
    tcase_add_test(tc, terms_of_all_kinds_are_in_order);
    tcase_add_test(tc, maps_as_keys_of_maps_as_keys_are_compared);
    tcase_add_test(tc, deep_terms_are_compared);
    tcase_add_test(tc, empty_tuples_are_equal_wherever_they_are);
    return core_run(tc, "compare");
}
