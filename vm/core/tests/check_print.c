#include "vm/core/float_text.h"
#include "vm/core/iolist.h"
#include "vm/core/print.h"
#include "vm/core/tests/core_test.h"
#include "vm/core/tests/number_vectors.h"

static void assert_prints(term t, enum print_style style, const char *want)
{
    struct text text = { 0 };
    print_term(&text, t, style);
    text_add(&text, "", 1);
    ck_assert_str_eq(text.data, want);
    text_free(&text);
}

static term atom(const char *text)
{
    return atom_from_cstr(text);
}
static term string(const char *text)
{
    return heap_cstring(&test_heap, text);
}

/* As OTP 25 prints them. */
static const struct {
    const char *atom, *pretty, *display;
} atoms[] = { { "foo", "foo", "foo" }, { "Foo", "'Foo'", "'Foo'" }, { "", "''", "''" }, { "a b", "'a b'", "'a b'" },
    { "a@b", "a@b", "'a@b'" }, { "fun", "'fun'", "fun" }, { "maybe", "maybe", "maybe" }, { "_a", "'_a'", "'_a'" },
    { "a_B1", "a_B1", "a_B1" }, { "1a", "'1a'", "'1a'" }, { "a'b\\", "'a\\'b\\\\'", "'a\\'b\\\\'" },
    { "\n\x1B", "'\\n\\e'", "'\\n\\033'" }, { "a\x7F", "'a\\d'", "'a\x7F'" }, { "\xC2\x80", "'\\200'", "'\\200'" },
    { "\xC3\xA9", "\xC3\xA9", "\xC3\xA9" }, { "\xC3\x89", "'\xC3\x89'", "'\xC3\x89'" },
    { "\xC3\xB7", "'\xC3\xB7'", "'\xC3\xB7'" }, { "\xE6\x97\xA5", "'\\x{65E5}'", "'\xE6\x97\xA5'" } };

START_TEST(atoms_are_quoted_as_needed)
{
    assert_prints(atom(atoms[_i].atom), PRINT_PRETTY, atoms[_i].pretty);
    assert_prints(atom(atoms[_i].atom), PRINT_DISPLAY, atoms[_i].display);
}
END_TEST

static term mixed_tuple(void)
{
    term list = heap_cons(&test_heap, num(-1), heap_cons(&test_heap, TERM_NIL, atom("b")));
    return heap_tuple4(&test_heap, atom("a"), heap_float(&test_heap, 2.5), list, string("hi"));
}
static term some_map(void)
{
    term kv[4] = { atom("a"), num(1), string("k"), heap_tuple(&test_heap, NULL, 0) };
    return map_from_pairs(&test_heap, kv, 2);
}
static term quoted_string(void)
{
    return string("a\"b\\c\n\t");
}
static term latin1_string(void)
{
    return string("\xE9");
}
static term text_binary(void)
{
    return bits_from_bytes(&test_heap, "ab\"", 3);
}
static term raw_binary(void)
{
    return bits_from_bytes(&test_heap, "\001\377", 2);
}
static term bit_string(void)
{
    return bits_sub(&test_heap, bits_from_bytes(&test_heap, "\001\240", 2), 0, 11);
}
static term big_integer(void)
{
    return integer_from_text(&test_heap, "-1180591620717411303424", 23, 10);
}
static term pid(void)
{
    return term_from_pid(42, 3);
}
static term reference(void)
{
    return heap_ref(&test_heap, (uint64_t) 3 << 50 | (uint64_t) 2 << 18 | 1, 0);
}

static const struct {
    term (*make)(void);
    const char *write, *pretty, *display;
} samples[] = {
    { mixed_tuple, "{a,2.5,[-1,[]|b],[104,105]}", "{a,2.5,[-1,[]|b],\"hi\"}", "{a,2.500000e+00,[-1,[]|b],\"hi\"}" },
    { some_map, "#{a => 1,[107] => {}}", "#{a => 1,\"k\" => {}}", "#{a=>1,\"k\"=>{}}" },
    { quoted_string, "[97,34,98,92,99,10,9]", "\"a\\\"b\\\\c\\n\\t\"", "\"a\\\"b\\c\\n\t\"" },
    { latin1_string, "[233]", "\"\xC3\xA9\"", "\"\xE9\"" },
    { text_binary, "<<97,98,34>>", "<<\"ab\\\"\">>", "<<\"ab\\\"\">>" },
    { raw_binary, "<<1,255>>", "<<1,255>>", "<<1,255>>" },
    { bit_string, "<<1,5:3>>", "<<1,5:3>>", "<<1,5:3>>" },
    { big_integer, "-1180591620717411303424", "-1180591620717411303424", "-1180591620717411303424" },
    { pid, "<0.42.3>", "<0.42.3>", "<0.42.3>" },
    { reference, "#Ref<0.3.2.1>", "#Ref<0.3.2.1>", "#Ref<0.3.2.1>" },
};

START_TEST(terms_print_in_three_styles)
{
    assert_prints(samples[_i].make(), PRINT_WRITE, samples[_i].write);
    assert_prints(samples[_i].make(), PRINT_PRETTY, samples[_i].pretty);
    assert_prints(samples[_i].make(), PRINT_DISPLAY, samples[_i].display);
}
END_TEST

START_TEST(a_limit_ends_in_dots)
{
    for (size_t max = 1; max < 30; max++) {
        struct text text = { .max = max };
        print_term(&text, mixed_tuple(), PRINT_PRETTY);
        if (max < strlen("{a,2.5,[-1,[]|b],\"hi\"}")) {
            ck_assert_uint_eq(text.len, max);
            ck_assert_int_eq(text.data[max - 1], '.');
        } else {
            ck_assert_int_eq(text.data[text.len - 1], '}');
        }
        text_free(&text);
    }
}
END_TEST

START_TEST(deep_terms_need_no_c_stack)
{
    term t = TERM_NIL;
    for (int i = 0; i < 500000; i++) {
        t = i % 2 == 0 ? heap_cons(&test_heap, t, TERM_NIL) : heap_tuple(&test_heap, &t, 1);
    }
    struct text text = { 0 };
    print_term(&text, t, PRINT_PRETTY);
    ck_assert_uint_eq(text.len, 1000002);
    text_free(&text);
}
END_TEST

static double double_of(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof(d));
    return d;
}

START_TEST(floats_have_otps_digits)
{
    for (size_t i = 0; i < ARRAY_LEN(float_vectors); i++) {
        const struct float_vector *v = &float_vectors[i];
        char text[FLOAT_TEXT_MAX];
        double d = double_of(v->bits), back;
        size_t n = float_text_short(text, d);
        ck_assert_uint_eq(n, strlen(v->plain));
        ck_assert_mem_eq(text, v->plain, n);
        ck_assert(float_from_text(text, n, &back));
        ck_assert_mem_eq(&back, &d, sizeof(d));
        n = float_text_fixed(text, d, v->decimals, false);
        ck_assert_uint_eq(n, strlen(v->fixed));
        ck_assert_mem_eq(text, v->fixed, n);
        n = float_text_fixed(text, d, v->decimals, true);
        ck_assert_uint_eq(n, strlen(v->compact));
        ck_assert_mem_eq(text, v->compact, n);
    }
}
END_TEST

static const char *const not_floats[] = { "", "1", "1.", ".5", "1.5e", "1.5e+", "1.5 ", " 1.5", "1.0e400", "nan", "inf",
    "0x1.0" };

START_TEST(other_texts_are_no_floats)
{
    double d;
    ck_assert(!float_from_text(not_floats[_i], strlen(not_floats[_i]), &d));
}
END_TEST

START_TEST(iodata_is_measured_and_copied_in_order)
{
    term deep = bits_from_bytes(&test_heap, "tail", 4);
    for (int i = 0; i < 100000; i++) {
        deep = heap_cons(&test_heap, deep, i == 0 ? bits_from_bytes(&test_heap, "!", 1) : TERM_NIL);
    }
    term t = heap_cons(&test_heap, num('a'), heap_cons(&test_heap, deep, bits_from_bytes(&test_heap, "z", 1)));
    size_t n;
    uint8_t out[7];
    ck_assert(iolist_size(t, &n));
    ck_assert_uint_eq(n, sizeof(out));
    iolist_copy(t, out);
    ck_assert_mem_eq(out, "atail!z", sizeof(out));
    ck_assert(!iolist_size(num(1), &n));
    ck_assert(!iolist_size(heap_cons(&test_heap, num(256), TERM_NIL), &n));
    ck_assert(!iolist_size(heap_cons(&test_heap, num(-1), TERM_NIL), &n));
    ck_assert(!iolist_size(heap_cons(&test_heap, num(1), num(1)), &n));
    ck_assert(!iolist_size(bit_string(), &n));
    ck_assert(iolist_bit_size(bit_string(), &n));
    ck_assert_uint_eq(n, 11);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("print");
    tcase_add_loop_test(tc, atoms_are_quoted_as_needed, 0, (int) ARRAY_LEN(atoms));
    tcase_add_loop_test(tc, terms_print_in_three_styles, 0, (int) ARRAY_LEN(samples));
    tcase_add_test(tc, a_limit_ends_in_dots);
    tcase_add_test(tc, deep_terms_need_no_c_stack);
    tcase_add_test(tc, floats_have_otps_digits);
    tcase_add_loop_test(tc, other_texts_are_no_floats, 0, (int) ARRAY_LEN(not_floats));
    tcase_add_test(tc, iodata_is_measured_and_copied_in_order);
    return core_run(tc, "print");
}
