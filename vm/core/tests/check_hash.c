#include "vm/core/tests/core_test.h"
#include "vm/core/tests/term_vectors.h"

static term vector_term(const struct term_vector *v)
{
    term t = etf_decode(&test_heap, (const uint8_t *) v->bytes, v->n, 0, NULL);
    ck_assert(!term_is_none(t));
    return t;
}

START_TEST(phash2_is_that_of_otp)
{
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        ck_assert_msg(
            term_phash2(vector_term(&term_vectors[i])) == term_vectors[i].phash2, "term %zu", i);
    }
}
END_TEST

START_TEST(phash_is_that_of_otp)
{
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        ck_assert_msg(
            term_phash(vector_term(&term_vectors[i])) == term_vectors[i].phash, "term %zu", i);
    }
}
END_TEST

START_TEST(equal_terms_have_equal_hashes)
{
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        term a = vector_term(&term_vectors[i]), b = vector_term(&term_vectors[i]);
        ck_assert_msg(term_hash(a, 0) == term_hash(b, 0), "term %zu", i);
        ck_assert_msg(term_hash(a, 0) != term_hash(a, 1), "term %zu", i);
        ck_assert(term_equal_exact(a, b));
    }
    term plus = heap_float(&test_heap, 0.0), minus = heap_float(&test_heap, -0.0);
    ck_assert(term_equal_exact(plus, minus));
    ck_assert_uint_eq(term_hash(plus, 0), term_hash(minus, 0));
    ck_assert_uint_eq(term_phash2(plus), term_phash2(minus));
}
END_TEST

START_TEST(unequal_terms_have_unequal_hashes)
{
    static term terms[ARRAY_LEN(term_vectors)];
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        term a = terms[i] = vector_term(&term_vectors[i]);
        for (size_t k = 0; k < i; k++) {
            term b = terms[k];
            ck_assert_msg((term_hash(a, 0) == term_hash(b, 0)) == term_equal_exact(a, b),
                "terms %zu %zu", i, k);
        }
    }
}
END_TEST

START_TEST(a_part_of_a_binary_hashes_as_a_binary)
{
    uint8_t bytes[100];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t) (i * 37);
    }
    term whole = bits_from_bytes(&test_heap, bytes, sizeof(bytes));
    for (size_t offset = 0; offset < 20; offset++) {
        term part = bits_sub(&test_heap, whole, offset, 403);
        uint8_t *to;
        term copy = bits_new_bitstring(&test_heap, 403, &to);
        bits_copy(to, 0, bytes, offset, 403);
        ck_assert(term_equal_exact(part, copy));
        ck_assert_uint_eq(term_hash(part, 0), term_hash(copy, 0));
        ck_assert_uint_eq(term_phash2(part), term_phash2(copy));
        ck_assert_uint_eq(term_phash(part), term_phash(copy));
    }
}
END_TEST

START_TEST(deep_terms_are_hashed)
{
    term list = TERM_NIL, tuple = TERM_NIL, same = TERM_NIL;
    for (int i = 0; i < 1000000; i++) {
        list = heap_cons(&test_heap, list, TERM_NIL);
        tuple = heap_tuple2(&test_heap, num(i), tuple);
        same = heap_tuple2(&test_heap, num(i), same);
    }
    ck_assert_uint_ne(term_hash(list, 0), 0);
    ck_assert_uint_eq(term_hash(tuple, 0), term_hash(same, 0));
    ck_assert_uint_eq(term_phash2(tuple), term_phash2(same));
    ck_assert_uint_eq(term_phash(tuple), term_phash(same));
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("hash");
    tcase_add_test(tc, phash2_is_that_of_otp);
    tcase_add_test(tc, phash_is_that_of_otp);
    tcase_add_test(tc, equal_terms_have_equal_hashes);
    tcase_add_test(tc, unequal_terms_have_unequal_hashes);
    tcase_add_test(tc, a_part_of_a_binary_hashes_as_a_binary);
    tcase_add_test(tc, deep_terms_are_hashed);
    return core_run(tc, "hash");
}
