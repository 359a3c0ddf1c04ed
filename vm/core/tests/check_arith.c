#include "vm/core/tests/core_test.h"
#include "vm/core/tests/number_vectors.h"

static term parse(const char *text)
{
    if (text[0] != 'f') {
        return integer_from_text(&test_heap, text, strlen(text), 16);
    }
    double d;
    uint64_t bits = strtoull(text + 1, NULL, 16);
    memcpy(&d, &bits, sizeof(d));
    return heap_float(&test_heap, d);
}

static term apply(const char *op, term a, term b, enum arith_status *st)
{
    static const char *const two[] = { "+", "-", "*", "/", "div", "rem", "band", "bor", "bxor", "bsl", "bsr" };
    static const struct {
        const char *op;
        term (*fn)(struct heap *h, term a, enum arith_status *st);
    } one[] = { { "neg", arith_negate }, { "bnot", arith_bnot }, { "abs", arith_abs }, { "trunc", arith_trunc },
        { "round", arith_round }, { "floor", arith_floor }, { "ceil", arith_ceil } };
    for (size_t i = 0; i < ARRAY_LEN(two); i++) {
        if (strcmp(op, two[i]) == 0) {
            return arith_binary(&test_heap, (enum arith_op) i, a, b, st);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(one); i++) {
        if (strcmp(op, one[i].op) == 0) {
            return one[i].fn(&test_heap, a, st);
        }
    }
    *st = ARITH_OK;
    return term_from_small(arith_compare_numbers(a, b));
}

START_TEST(arithmetic_is_otps)
{
    for (size_t i = 0; i < ARRAY_LEN(arith_vectors); i++) {
        const struct arith_vector *v = &arith_vectors[i];
        enum arith_status st;
        term got = apply(v->op, parse(v->a), parse(v->b), &st);
        static const char *const failures[] = { "", "badarith", "badarg", "system_limit" };
        if (term_is_none(got)) {
            ck_assert_str_eq(v->want, failures[st]);
        } else {
            ck_assert_msg(term_equal_exact(got, parse(v->want)), "%s %s %s is %s", v->op, v->a, v->b, v->want);
        }
    }
}
END_TEST

START_TEST(integers_read_and_write_in_any_base)
{
    for (size_t i = 0; i < ARRAY_LEN(base_vectors); i++) {
        const struct base_vector *v = &base_vectors[i];
        term hex = parse(v->hex);
        size_t n;
        char *text = integer_to_text(hex, v->base, &n);
        ck_assert_uint_eq(n, strlen(v->text));
        ck_assert_mem_eq(text, v->text, n);
        vm_free(text);
        ck_assert(term_equal_exact(integer_from_text(&test_heap, v->text, strlen(v->text), v->base), hex));
    }
}
END_TEST

START_TEST(long_texts_are_read_in_pieces)
{
    size_t n = 20000;
    char *text = vm_alloc(n);
    for (size_t i = 0; i < n; i++) {
        text[i] = (char) ('1' + i * 7 % 9);
    }
    term big = integer_from_text(&test_heap, text, n, 10);
    size_t back_n;
    char *back = integer_to_text(big, 10, &back_n);
    ck_assert_uint_eq(back_n, n);
    ck_assert_mem_eq(back, text, n);
    vm_free(back);
    vm_free(text);
}
END_TEST

static const char *const not_integers[] = { "", "+", "-", "1_0", "1.0", " 1", "1 ", "--1", "0x1", "12a" };

START_TEST(other_texts_are_no_integers)
{
    const char *text = not_integers[_i];
    ck_assert(term_is_none(integer_from_text(&test_heap, text, strlen(text), 10)));
}
END_TEST

START_TEST(shifts_of_any_size_end_in_a_value_or_a_limit)
{
    enum arith_status st;
    term one = num(1), huge = parse("10000000000000000"); /* 2^64 */
    term minus_huge = arith_negate(&test_heap, huge, &st);
    ck_assert(term_is_none(arith_binary(&test_heap, ARITH_BSL, one, huge, &st)) && st == ARITH_SYSTEM_LIMIT);
    ck_assert(term_is_none(arith_binary(&test_heap, ARITH_BSR, one, minus_huge, &st)) && st == ARITH_SYSTEM_LIMIT);
    ck_assert(term_same(arith_binary(&test_heap, ARITH_BSL, num(0), huge, &st), num(0)));
    ck_assert(term_same(arith_binary(&test_heap, ARITH_BSR, one, huge, &st), num(0)));
    ck_assert(term_same(arith_binary(&test_heap, ARITH_BSR, num(-1), huge, &st), num(-1)));
    ck_assert(term_same(arith_binary(&test_heap, ARITH_BSL, num(-1), minus_huge, &st), num(-1)));
}
END_TEST

START_TEST(integers_have_the_largest_size_of_otp)
{
    struct heap h;
    enum arith_status st;
    ck_assert_int_eq(heap_init(&h, 1 << 12), HEAP_OK);
    ck_assert(!term_is_none(arith_binary(&h, ARITH_BSL, num(1), num(33554367), &st)));
    ck_assert(term_is_none(arith_binary(&h, ARITH_BSL, num(1), num(33554368), &st)));
    ck_assert_int_eq(st, ARITH_SYSTEM_LIMIT);
    heap_destroy(&h);
}
END_TEST

/* Both sides of what fits: small, 63, 64 bits. */
static const struct {
    const char *hex;
    bool is_int64, is_uint64;
} widths[] = { { "0", true, true }, { "-1", true, false }, { "7FFFFFFFFFFFFFF", true, true }, /* largest small */
    { "800000000000000", true, true }, { "7FFFFFFFFFFFFFFF", true, true }, { "8000000000000000", false, true },
    { "-8000000000000000", true, false }, { "-8000000000000001", false, false }, { "FFFFFFFFFFFFFFFF", false, true },
    { "10000000000000000", false, false } };

START_TEST(machine_words_are_told_from_larger_integers)
{
    term t = parse(widths[_i].hex);
    int64_t i;
    uint64_t u;
    ck_assert_int_eq(integer_to_int64(t, &i), widths[_i].is_int64);
    ck_assert_int_eq(integer_to_uint64(t, &u), widths[_i].is_uint64);
    if (widths[_i].is_int64) {
        ck_assert(term_equal_exact(heap_integer(&test_heap, i), t));
    }
    if (widths[_i].is_uint64) {
        ck_assert(term_equal_exact(heap_uinteger(&test_heap, u), t));
    }
}
END_TEST

START_TEST(magnitudes_go_to_bytes_and_back)
{
    uint64_t seed = 7;
    for (size_t n = 0; n < 100; n++) {
        uint8_t in[100] = { 0 }, out[100];
        for (size_t i = 0; i < n; i++) {
            in[i] = (uint8_t) test_random(&seed);
        }
        term t = integer_from_bytes_le(&test_heap, in, n, n % 2 == 1);
        ck_assert_uint_le(integer_byte_size(t), n);
        memset(out, 0xAA, sizeof(out));
        integer_to_bytes_le(t, out, n);
        ck_assert_mem_eq(in, out, n);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("arith");
    tcase_add_test(tc, arithmetic_is_otps);
    tcase_add_test(tc, integers_read_and_write_in_any_base);
    tcase_add_test(tc, long_texts_are_read_in_pieces);
    tcase_add_loop_test(tc, other_texts_are_no_integers, 0, (int) ARRAY_LEN(not_integers));
    tcase_add_test(tc, shifts_of_any_size_end_in_a_value_or_a_limit);
    tcase_add_test(tc, integers_have_the_largest_size_of_otp);
    tcase_add_loop_test(tc, machine_words_are_told_from_larger_integers, 0, (int) ARRAY_LEN(widths));
    tcase_add_test(tc, magnitudes_go_to_bytes_and_back);
    return core_run(tc, "arith");
}
