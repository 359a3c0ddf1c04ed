#include <string.h>

#include "lib/base/tests/run_suite.h"
#include "lib/base/utf8.h"

START_TEST(every_character_comes_back)
{
    for (uint32_t c = 0; c <= UTF8_MAX_CHARACTER + 1; c++) {
        uint8_t bytes[UTF8_MAX_BYTES];
        uint32_t got = ~c;
        size_t n = utf8_put(bytes, c);
        ck_assert_uint_eq(n, utf8_size(c));
        ck_assert_int_eq(n != 0, utf8_is_character(c));
        if (n != 0) {
            ck_assert_uint_eq(utf8_get(bytes, sizeof(bytes), &got), n);
            ck_assert_uint_eq(got, c);
            ck_assert_uint_eq(utf8_get(bytes, n - 1, &got), 0);
        }
    }
}
END_TEST

static const struct {
    uint32_t c;
    const char *utf8;
} borders[] = {
    { 0x7F, "\x7F" },
    { 0x80, "\xC2\x80" },
    { 0x7FF, "\xDF\xBF" },
    { 0x800, "\xE0\xA0\x80" },
    { 0xD7FF, "\xED\x9F\xBF" },
    { 0xE000, "\xEE\x80\x80" },
    { 0xFFFF, "\xEF\xBF\xBF" },
    { 0x10000, "\xF0\x90\x80\x80" },
    { 0x10FFFF, "\xF4\x8F\xBF\xBF" },
};

START_TEST(characters_are_encoded_as_unicode_says)
{
    uint8_t bytes[UTF8_MAX_BYTES];
    ck_assert_uint_eq(utf8_put(bytes, borders[_i].c), strlen(borders[_i].utf8));
    ck_assert_mem_eq(bytes, borders[_i].utf8, strlen(borders[_i].utf8));
}
END_TEST

static const char *const malformed[] = { "", "\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x80\x80",
    "\xE0\x9F\xBF", "\xE2\x82", "\xE2\x82\x41", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\x80", "\xF0\x8F\xBF\xBF",
    "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xF8\x88\x80\x80\x80", "\xFE", "\xFF" };

START_TEST(other_bytes_are_no_character)
{
    uint32_t c = 5;
    ck_assert_uint_eq(utf8_get((const uint8_t *) malformed[_i], strlen(malformed[_i]), &c), 0);
    ck_assert_uint_eq(c, 5);
}
END_TEST

START_TEST(characters_are_counted_as_far_as_they_are_good)
{
    static const uint8_t text[] = "0123456789\xC3\xA4 \xE2\x82\xAC\xF0\x9F\x98\x80.\xC3";
    size_t good, n = sizeof(text) - 1;
    ck_assert_uint_eq(utf8_count(text, 0, &good), 0);
    ck_assert_uint_eq(good, 0);
    ck_assert_uint_eq(utf8_count(text, n - 1, &good), 15);
    ck_assert_uint_eq(good, n - 1);
    ck_assert_uint_eq(utf8_count(text, n, &good), 15);
    ck_assert_uint_eq(good, n - 1);
    ck_assert_uint_eq(utf8_count(text, 11, &good), 10);
    ck_assert_uint_eq(good, 10);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(utf8_ascii_bytes(text, i), i < 10 ? i : 10);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("utf8");
    TCase *tc = tcase_create("utf8");
    tcase_add_test(tc, every_character_comes_back);
    tcase_add_loop_test(tc, characters_are_encoded_as_unicode_says, 0, ARRAY_LEN(borders));
    tcase_add_loop_test(tc, other_bytes_are_no_character, 0, ARRAY_LEN(malformed));
    tcase_add_test(tc, characters_are_counted_as_far_as_they_are_good);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
