#include "vm/core/tests/core_test.h"
#include "vm/core/tests/term_vectors.h"

static void expect_bytes(term bin, const void *bytes, size_t n)
{
    size_t got;
    uint8_t *scratch;
    ck_assert(!term_is_none(bin));
    const uint8_t *p = bits_bytes(bin, &got, &scratch);
    ck_assert_uint_eq(got, n);
    ck_assert_mem_eq(p, bytes, n);
    vm_free(scratch);
}

START_TEST(what_otp_wrote_comes_back_byte_for_byte)
{
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        const struct term_vector *v = &term_vectors[i];
        term t = test_decode(v->bytes, v->n);
        ck_assert_msg(!term_is_none(t), "term %zu", i);
        ck_assert_msg(etf_encoded_size(t, ETF_DETERMINISTIC) == v->n, "term %zu", i);
        expect_bytes(etf_encode(&test_heap, t, ETF_DETERMINISTIC), v->bytes, v->n);
    }
}
END_TEST

START_TEST(compressed_terms_come_back)
{
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        const struct term_vector *v = &term_vectors[i];
        term t = test_decode(v->bytes, v->n);
        for (unsigned level = 1; level <= 9; level += 4) {
            term bin = etf_encode(&test_heap, t, level);
            size_t n, used;
            uint8_t *scratch;
            const uint8_t *p = bits_bytes(bin, &n, &scratch);
            ck_assert_uint_le(n, v->n);
            term back = etf_decode(&test_heap, p, n, 0, &used);
            ck_assert(term_equal_exact(t, back));
            ck_assert_uint_eq(used, n);
            vm_free(scratch);
        }
    }
}
END_TEST

START_TEST(cut_input_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        const struct term_vector *v = &term_vectors[i];
        for (size_t n = 0; n < v->n; n += 1 + n / 16) {
            uint8_t *cut = malloc(n + 1);
            memcpy(cut, v->bytes, n);
            ck_assert_msg(
                term_is_none(etf_decode(&test_heap, cut, n, 0, NULL)), "term %zu at %zu", i, n);
            free(cut);
        }
    }
}
END_TEST

START_TEST(changed_input_gives_a_term_or_none)
{
    uint64_t state = 1;
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
            const struct term_vector *v = &term_vectors[i];
            uint8_t *bytes = malloc(v->n);
            memcpy(bytes, v->bytes, v->n);
            bytes[1 + test_random(&state) % (v->n - 1)] = (uint8_t) test_random(&state);
            term t = etf_decode(&test_heap, bytes, v->n, 0, NULL);
            free(bytes);
            if (!term_is_none(t)) {
                term bin = etf_encode(&test_heap, t, 0);
                size_t n;
                uint8_t *scratch;
                const uint8_t *p = bits_bytes(bin, &n, &scratch);
                ck_assert(term_equal_exact(test_decode(p, n), t));
                vm_free(scratch);
            }
        }
    }
}
END_TEST

/* Old forms and edges. text NULL: no term. Otherwise the encoding of what it decodes to. */
#define CASE(bytes, back)                                                                          \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, back, sizeof(back) - 1                                           \
    }
#define REFUSED(bytes)                                                                             \
    {                                                                                              \
        bytes, sizeof(bytes) - 1, NULL, 0                                                          \
    }
static const struct {
    const char *bytes;
    size_t n;
    const char *back;
    size_t n_back;
} forms[] = {
    CASE ("\203s\003foo", "\203d\0\003foo"),
    CASE ("\203w\002\303\251", "\203d\0\001\351"),
    CASE ("\203v\0\003foo", "\203d\0\003foo"),
    CASE ("\203c1.50000000000000000000e+00\0\0\0\0\0", "\203F\077\370\0\0\0\0\0\0"),
    REFUSED("\203cnan\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    REFUSED("\203F\177\360\0\0\0\0\0\0"),
    CASE ("\203gd\0\003a@b\0\0\0\001\0\0\0\002\003",
        "\203Xd\0\003a@b\0\0\0\001\0\0\0\002\0\0\0\003"),
    CASE ("\203fd\0\003a@b\0\0\0\001\002", "\203Yd\0\003a@b\0\0\0\001\0\0\0\002"),
    CASE ("\203ed\0\003a@b\0\0\0\001\002", "\203Z\0\001d\0\003a@b\0\0\0\002\0\0\0\001"),
    CASE ("\203r\0\002d\0\003a@b\002\0\0\0\001\0\0\0\002",
        "\203Z\0\002d\0\003a@b\0\0\0\002\0\0\0\001\0\0\0\002"),
    REFUSED(
        "\203r\0\006d\0\003a@b\002\0\0\0\001\0\0\0\002\0\0\0\001\0\0\0\002\0\0\0\001\0\0\0\002"),
    REFUSED("\203gd\0\003a@b\0\0\0\001\0\0\0\002\004"),
    REFUSED("\203r\0\001d\0\003a@b\002\0\004\0\0"),
    CASE("\203Z\0\001d\0\003a@b\0\0\0\002\0\004\0\0",
        "\203Z\0\001d\0\003a@b\0\0\0\002\0\004\0\0"),
    REFUSED("\203r\0\0d\0\003a@b\002"),
    CASE ("\203gd\0\015nonode@nohost\0\0\0\120\0\0\0\0\0",
        "\203Xd\0\015nonode@nohost\0\0\0\120\0\0\0\0\0\0\0\0"),
    REFUSED("\203gd\0\015nonode@nohost\377\0\0\120\0\0\0\0\0"),
    CASE ("\203k\0\0", "\203j"),
    CASE ("\203l\0\0\0\0j", "\203j"),
    CASE ("\203l\0\0\0\0a\001", "\203a\001"),
    CASE ("\203l\0\0\0\001a\001j", "\203k\0\001\001"),
    CASE ("\203i\0\0\0\001a\001", "\203h\001a\001"),
    CASE ("\203n\001\0\005", "\203a\005"),
    CASE ("\203n\005\001\005\0\0\0\0", "\203b\377\377\377\373"),
    CASE ("\203o\0\0\0\011\0\0\0\0\0\0\0\0\0\001", "\203n\011\0\0\0\0\0\0\0\0\0\001"),
    CASE ("\203n\0\0", "\203a\0"),
    CASE ("\203M\0\0\0\0\0", "\203m\0\0\0\0"),
    CASE ("\203M\0\0\0\001\010a", "\203m\0\0\0\001a"),
    CASE ("\203M\0\0\0\001\003\377", "\203M\0\0\0\001\003\340"),
    REFUSED("\203M\0\0\0\001\011a"),
    REFUSED("\203M\0\0\0\001\0a"),
    REFUSED("\203M\0\0\0\0\001"),
    CASE ("\203t\0\0\0\002a\002a\001a\001a\002", "\203t\0\0\0\002a\001a\002a\002a\001"),
    REFUSED("\203t\0\0\0\002a\001a\001a\001a\002"),
    REFUSED("\203i\377\377\377\377a\001"),
    REFUSED("\203l\377\377\377\377a\001"),
    REFUSED("\203t\377\377\377\377a\001"),
    REFUSED("\203m\377\377\377\377a\001"),
    REFUSED("\203o\377\377\377\377\0a\001"),
    REFUSED("\203h\002a\001"),
    REFUSED("\203v\001\0"
            "0123456789"),
    REFUSED("\203w\002\377\377"),
    REFUSED("\203\203a\001"),
    REFUSED("\202a\001"),
    REFUSED("\203y\0\0\0\0\0\0\0\0a\001"),
    REFUSED("\203R\001"),
    REFUSED("\203"),
    REFUSED(""),
    REFUSED("\203P\0\0\0\002x\234KZ\0\0\001\233\001\0"),
    REFUSED("\203P\377\377\377\377"),
    REFUSED("\203P\0\0\0\002\203a\001"),
};

START_TEST(old_forms_and_edges)
{
    term t = test_decode(forms[_i].bytes, forms[_i].n);
    ck_assert_int_eq(!term_is_none(t), forms[_i].back != NULL);
    if (forms[_i].back != NULL) {
        expect_bytes(etf_encode(&test_heap, t, 0), forms[_i].back, forms[_i].n_back);
    }
}
END_TEST

START_TEST(safe_makes_no_atoms)
{
    static const char bytes[] = "\203d\0\021never seen before";
    ck_assert(term_is_none(
        etf_decode(&test_heap, (const uint8_t *) bytes, sizeof(bytes) - 1, ETF_SAFE, NULL)));
    static const char known[] = "\203d\0\006badarg";
    ck_assert(term_same(
        etf_decode(&test_heap, (const uint8_t *) known, sizeof(known) - 1, ETF_SAFE, NULL),
        ATOM(badarg)));
    static const char fun[] = "\203qd\0\006badargd\0\004voida\007";
    ck_assert(term_is_none(
        etf_decode(&test_heap, (const uint8_t *) fun, sizeof(fun) - 1, ETF_SAFE, NULL)));
    ck_assert(!term_is_none(test_decode(fun, sizeof(fun) - 1)));
    ck_assert(!term_is_none(
        etf_decode(&test_heap, (const uint8_t *) fun, sizeof(fun) - 1, ETF_SAFE, NULL)));
}
END_TEST

START_TEST(used_is_counted)
{
    size_t used;
    term t = etf_decode(&test_heap, (const uint8_t *) "\203a\001rest", 7, 0, &used);
    ck_assert(term_same(t, num(1)));
    ck_assert_uint_eq(used, 3);
}
END_TEST

START_TEST(atoms_and_floats_follow_the_minor_version)
{
    expect_bytes(etf_encode(&test_heap, ATOM(ok), ETF_MINOR_VERSION_2), "\203w\002ok", 5);
    expect_bytes(etf_encode(&test_heap, heap_float(&test_heap, 1.5), ETF_MINOR_VERSION_0),
        "\203c1.50000000000000000000e+00\0\0\0\0\0", 33);
}
END_TEST

START_TEST(strings_end_at_65535_bytes)
{
    term list = TERM_NIL;
    for (int i = 0; i < 65535; i++) {
        list = heap_cons(&test_heap, num(7), list);
    }
    ck_assert_uint_eq(etf_encoded_size(list, 0), 1 + 3 + 65535);
    list = heap_cons(&test_heap, num(7), list);
    ck_assert_uint_eq(etf_encoded_size(list, 0), 1 + 5 + 2 * 65536 + 1);
}
END_TEST

START_TEST(deep_terms_are_coded)
{
    enum { DEPTH = 1000000 };
    uint8_t *bytes = malloc(2 * DEPTH + 2);
    bytes[0] = 131;
    for (size_t i = 0; i < DEPTH; i++) {
        bytes[1 + 2 * i] = 104;
        bytes[2 + 2 * i] = 1;
    }
    bytes[1 + 2 * DEPTH] = 106;
    term t = test_decode(bytes, 2 * DEPTH + 2);
    ck_assert(!term_is_none(t));
    expect_bytes(etf_encode(&test_heap, t, 0), bytes, 2 * DEPTH + 2);
    free(bytes);
}
END_TEST

/* A list of which each element is the same list, twelve deep: small here, 2^24 terms as bytes. */
START_TEST(what_exceeds_its_budget_is_given_up)
{
    bool exceeded;
    term t = heap_list(&test_heap, (term[]) { term_from_small(1000), term_from_small(1000) }, 2, TERM_NIL);
    term near = t;
    for (int i = 0; i < 12; i++) {
        t = heap_list(&test_heap, (term[]) { t, t, t, t }, 4, TERM_NIL);
    }
    ck_assert(term_is_none(etf_encode_within(&test_heap, t, 0, 100000, &exceeded)));
    ck_assert(exceeded);
    ck_assert(!term_is_none(etf_encode_within(&test_heap, near, 0, 100000, &exceeded)));
    ck_assert(!exceeded);
    uint8_t *bytes;
    term binary = bits_new_binary(&test_heap, 1 << 20, &bytes); /* copied in no time: it does not count */
    memset(bytes, 1, 1 << 20);
    term two[] = { binary, binary };
    ck_assert(!term_is_none(etf_encode_within(&test_heap, heap_list(&test_heap, two, 2, near), 0, 100000, &exceeded)));
    ck_assert(!exceeded);
}
END_TEST

START_TEST(small_integers_take_as_many_bytes_as_they_need)
{
    for (unsigned bit = 0; bit < 59; bit++) {
        for (intptr_t d = -2; d <= 2; d++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                intptr_t i = sign * (((intptr_t) 1 << bit) + d);
                term list[] = { term_from_small(i), ATOM(ok), term_from_small(i) };
                term t = heap_cons(
                    &test_heap, heap_tuple(&test_heap, list, 3), heap_list(&test_heap, list, 3, term_from_small(i)));
                size_t n, used;
                uint8_t *bytes = etf_encode_alloc(t, 0, &n);
                ck_assert_uint_eq(etf_encoded_size(t, 0), n);
                ck_assert(term_equal_exact(etf_decode(&test_heap, bytes, n, 0, &used), t));
                ck_assert_uint_eq(used, n);
                vm_free(bytes);
            }
        }
    }
}
END_TEST

/* Every tuple claims all bytes that are left. */
START_TEST(claims_do_not_add_up)
{
    enum { N = 1000000 };
    uint8_t *bytes = malloc(N);
    size_t before = heap_used_words(&test_heap);
    memset(bytes, 106, N);
    bytes[0] = 131;
    for (size_t i = 1; i + 5 < N; i += 5) {
        uint32_t left = (uint32_t) (N - i - 5);
        bytes[i] = 105;
        bytes[i + 1] = (uint8_t) (left >> 24);
        bytes[i + 2] = (uint8_t) (left >> 16);
        bytes[i + 3] = (uint8_t) (left >> 8);
        bytes[i + 4] = (uint8_t) left;
    }
    ck_assert(term_is_none(test_decode(bytes, N)));
    ck_assert_uint_lt(heap_used_words(&test_heap) - before, 4 * N);
    free(bytes);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("etf");
    tcase_add_test(tc, what_otp_wrote_comes_back_byte_for_byte);
    tcase_add_test(tc, compressed_terms_come_back);
    tcase_add_test(tc, cut_input_is_refused);
    tcase_add_test(tc, changed_input_gives_a_term_or_none);
    tcase_add_loop_test(tc, old_forms_and_edges, 0, ARRAY_LEN(forms));
    tcase_add_test(tc, safe_makes_no_atoms);
    tcase_add_test(tc, used_is_counted);
    tcase_add_test(tc, atoms_and_floats_follow_the_minor_version);
    tcase_add_test(tc, strings_end_at_65535_bytes);
    tcase_add_test(tc, deep_terms_are_coded);
    tcase_add_test(tc, what_exceeds_its_budget_is_given_up);
    tcase_add_test(tc, small_integers_take_as_many_bytes_as_they_need);
    tcase_add_test(tc, claims_do_not_add_up);
    return core_run(tc, "etf");
}
