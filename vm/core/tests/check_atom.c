#include <pthread.h>
#include <stdio.h>

#include "vm/core/tests/core_test.h"

START_TEST(predefined_atoms_have_constant_words)
{
    ck_assert(term_same(atom_from_cstr("badarg"), ATOM(badarg)));
    ck_assert_str_eq(atom_cstr(ATOM(nonode)), "nonode@nohost");
    ck_assert_uint_eq(atom_text(ATOM(empty)).bytes, 0);
    ck_assert(atom_count() >= ATOM_N_PREDEFINED);
}
END_TEST

START_TEST(equal_texts_are_one_atom)
{
    term a = atom_from_cstr("some atom");
    ck_assert(term_same(a, atom_intern("some atom", 9)));
    ck_assert(!term_same(a, atom_from_cstr("some atoms")));
    ck_assert(term_same(a, atom_lookup("some atom", 9)));
    ck_assert(term_is_none(atom_lookup("nobody made this one", 20)));
    ck_assert_uint_eq(atom_text(a).chars, 9);
}
END_TEST

START_TEST(latin1_texts_become_utf8)
{
    term a = atom_intern_latin1((const uint8_t *) "\xE9t\xE9", 3);
    ck_assert_str_eq(atom_cstr(a), "été");
    ck_assert_uint_eq(atom_text(a).chars, 3);
    ck_assert_uint_eq(atom_text(a).bytes, 5);
    ck_assert(term_same(a, atom_lookup_latin1((const uint8_t *) "\xE9t\xE9", 3)));
}
END_TEST

static const struct {
    const char *text;
    bool good;
} utf8_cases[] = {
    { "\x7F", true },
    { "\xC2\x80", true },
    { "\xC1\xBF", false },
    { "\xC2", false },
    { "\x80", false },
    { "\xE0\xA0\x80", true },
    { "\xE0\x9F\xBF", false },
    { "\xED\x9F\xBF", true },
    { "\xED\xA0\x80", false },
    { "\xEF\xBF\xBF", true },
    { "\xF0\x90\x80\x80", true },
    { "\xF0\x8F\xBF\xBF", false },
    { "\xF4\x8F\xBF\xBF", true },
    { "\xF4\x90\x80\x80", false },
    { "\xF5\x80\x80\x80", false },
    { "a\xE2\x82", false },
    { "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", false },
    { "\xF8\x80\x80\x80\x80\x80\x80\x80\x80\x80", false },
};

START_TEST(texts_that_are_not_utf8_are_refused)
{
    term a = atom_intern(utf8_cases[_i].text, strlen(utf8_cases[_i].text));
    ck_assert_int_eq(!term_is_none(a), utf8_cases[_i].good);
}
END_TEST

START_TEST(the_limit_is_255_characters_of_any_width)
{
    char text[4 * 256];
    for (size_t i = 0; i < 256; i++) {
        memcpy(text + 4 * i, "\xF0\x9F\x98\x80", 4);
    }
    term a = atom_intern(text, 4 * 255);
    ck_assert(!term_is_none(a));
    ck_assert_uint_eq(atom_text(a).chars, 255);
    ck_assert(term_is_none(atom_intern(text, 4 * 256)));
    memset(text, 'x', 256);
    ck_assert(!term_is_none(atom_intern(text, 255)));
    ck_assert(term_is_none(atom_intern(text, 256)));
    ck_assert(term_is_none(atom_intern_latin1((const uint8_t *) text, 256)));
}
END_TEST

static void *intern_many(void *out)
{
    term *atoms = out;
    char text[32];
    for (int i = 0; i < 20000; i++) {
        atoms[i] = atom_intern(text, (size_t) snprintf(text, sizeof(text), "many_%d", i));
    }
    return NULL;
}

START_TEST(threads_agree_on_atoms)
{
    enum { N = 4 };
    static term atoms[N][20000];
    pthread_t threads[N];
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, intern_many, atoms[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 20000; i++) {
        for (int k = 1; k < N; k++) {
            ck_assert(term_same(atoms[0][i], atoms[k][i]));
        }
    }
    ck_assert_str_eq(atom_cstr(atoms[0][12345]), "many_12345");
}
END_TEST

START_TEST(the_table_has_a_limit)
{
    char text[32];
    term last = TERM_NIL;
    for (int i = 0; i < 1 << 20 && !term_is_none(last); i++) {
        last = atom_intern(text, (size_t) snprintf(text, sizeof(text), "limit_%d", i));
    }
    ck_assert(term_is_none(last));
    ck_assert_uint_eq(atom_count(), 1 << 20);
    ck_assert(term_same(atom_from_cstr("badarg"), ATOM(badarg)));
    /* What the VM itself must say is not refused. */
    term needed = atom_from_cstr("needed by the VM");
    ck_assert_str_eq(atom_cstr(needed), "needed by the VM");
    ck_assert(term_same(atom_intern("needed by the VM", 16), needed));
    ck_assert(term_is_none(atom_intern("not needed by it", 16)));
}
END_TEST

START_TEST(order_is_that_of_code_points)
{
    ck_assert_int_lt(atom_compare(atom_from_cstr("a"), atom_from_cstr("b")), 0);
    ck_assert_int_lt(atom_compare(atom_from_cstr("a"), atom_from_cstr("aa")), 0);
    ck_assert_int_lt(atom_compare(atom_from_cstr("z"), atom_from_cstr("é")), 0);
    ck_assert_int_lt(atom_compare(ATOM(empty), atom_from_cstr("A")), 0);
    ck_assert_int_eq(atom_compare(ATOM(ok), ATOM(ok)), 0);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("atom");
    tcase_add_test(tc, predefined_atoms_have_constant_words);
    tcase_add_test(tc, equal_texts_are_one_atom);
    tcase_add_test(tc, latin1_texts_become_utf8);
    tcase_add_loop_test(tc, texts_that_are_not_utf8_are_refused, 0, ARRAY_LEN(utf8_cases));
    tcase_add_test(tc, the_limit_is_255_characters_of_any_width);
    tcase_add_test(tc, order_is_that_of_code_points);
    tcase_add_test(tc, threads_agree_on_atoms);
    tcase_add_test(tc, the_table_has_a_limit);
    return core_run(tc, "atom");
}
