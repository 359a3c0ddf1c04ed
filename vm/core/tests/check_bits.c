#include <stdio.h>

#include "lib/base/utf8.h"
#include "vm/core/tests/core_test.h"
#include "vm/core/tests/number_vectors.h"

/* ---- against the slow and obvious ---- */

static bool get_bit(const uint8_t *p, size_t i)
{
    return p[i / 8] >> (7 - i % 8) & 1;
}

START_TEST(copying_bits_moves_them_and_no_others)
{
    uint64_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        uint8_t src[64], dst[64], before[64];
        for (size_t i = 0; i < sizeof(src); i++) {
            src[i] = (uint8_t) test_random(&seed);
            dst[i] = before[i] = (uint8_t) test_random(&seed);
        }
        size_t n = test_random(&seed) % 400, from = test_random(&seed) % (512 - n + 1), to = test_random(&seed) % (512 - n + 1);
        bits_copy(dst, to, src, from, n);
        for (size_t i = 0; i < 512; i++) {
            bool want = i >= to && i < to + n ? get_bit(src, from + i - to) : get_bit(before, i);
            ck_assert_int_eq(get_bit(dst, i), want);
        }
    }
}
END_TEST

START_TEST(comparing_bits_is_lexical)
{
    uint64_t seed = 2;
    for (int round = 0; round < 20000; round++) {
        uint8_t a[40], b[40];
        memset(a, 0x55, sizeof(a));
        memset(b, 0x55, sizeof(b));
        size_t a_from = test_random(&seed) % 4 * 2, b_from = test_random(&seed) % 4 * 2;
        size_t a_n = test_random(&seed) % 300, b_n = test_random(&seed) % 300;
        b[test_random(&seed) % 40] ^= (uint8_t) (1u << test_random(&seed) % 8);
        int want = a_n < b_n ? -1 : a_n > b_n;
        for (size_t i = 0; i < a_n && i < b_n; i++) {
            if (get_bit(a, a_from + i) != get_bit(b, b_from + i)) {
                want = get_bit(a, a_from + i) ? 1 : -1;
                break;
            }
        }
        int got = bits_compare(a, a_from, a_n, b, b_from, b_n);
        ck_assert_int_eq((got > 0) - (got < 0), want);
    }
}
END_TEST

/* ---- fields ---- */

static term hex(const char *text)
{
    return integer_from_text(&test_heap, text, strlen(text), 16);
}

START_TEST(integer_fields_are_otps_at_any_offset)
{
    for (size_t i = 0; i < ARRAY_LEN(field_vectors); i++) {
        const struct field_vector *v = &field_vectors[i];
        uint8_t want[64] = { 0 };
        size_t n_bytes = strlen(v->bytes) / 2;
        for (size_t j = 0; j < n_bytes; j++) {
            unsigned byte;
            ck_assert_int_eq(sscanf(v->bytes + 2 * j, "%2x", &byte), 1);
            want[j] = (uint8_t) byte;
        }
        for (size_t offset = 0; offset < 9; offset++) {
            uint8_t bytes[64] = { 0 }, got[64] = { 0 };
            ck_assert(bits_put_integer(bytes, offset, hex(v->value), v->bits, v->flags));
            bits_copy(got, 0, bytes, offset, v->bits);
            ck_assert_mem_eq(got, want, n_bytes);
            struct match_ctx m = { .bytes = bytes, .position = offset, .end = offset + v->bits };
            ck_assert(term_equal_exact(bits_get_integer(&test_heap, &m, v->bits, v->flags), hex(v->read)));
            ck_assert_uint_eq(m.position, m.end);
        }
    }
}
END_TEST

START_TEST(a_field_longer_than_what_is_left_does_not_match)
{
    uint8_t bytes[8] = { 0 };
    static const size_t sizes[] = { 60, 64, 1000, SIZE_MAX - 7, SIZE_MAX };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct match_ctx m = { .bytes = bytes, .position = 5, .end = 64 };
        ck_assert(term_is_none(bits_get_integer(&test_heap, &m, sizes[i], 0)));
        ck_assert(term_is_none(bits_get_binary(&test_heap, &m, sizes[i])));
        ck_assert(term_is_none(bits_get_float(&test_heap, &m, sizes[i], 0)));
        ck_assert_uint_eq(m.position, 5);
    }
}
END_TEST

START_TEST(floats_of_three_sizes_keep_their_value)
{
    static const double values[] = { 0.0, -0.0, 1.0, -2.5, 65504.0, 0.00006103515625, 0x1p-24 };
    static const size_t sizes[] = { 16, 32, 64 };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        for (size_t j = 0; j < ARRAY_LEN(sizes); j++) {
            for (unsigned flags = 0; flags <= BITS_LITTLE; flags += BITS_LITTLE) {
                uint8_t bytes[16] = { 0 };
                ck_assert(bits_put_float(bytes, 3, heap_float(&test_heap, values[i]), sizes[j], flags));
                struct match_ctx m = { .bytes = bytes, .position = 3, .end = 3 + sizes[j] };
                term t = bits_get_float(&test_heap, &m, sizes[j], flags);
                ck_assert(term_is_float(t));
                ck_assert_double_eq(term_to_double(t), values[i]);
            }
        }
    }
}
END_TEST

static const uint8_t not_finite[][8] = { { 0x7C, 0 }, { 0xFC, 1 }, { 0x7F, 0x80 }, { 0xFF, 0xC0 }, { 0x7F, 0xF0 },
    { 0xFF, 0xF8 } };

START_TEST(infinity_and_nan_do_not_match_a_float)
{
    struct match_ctx m = { .bytes = not_finite[_i], .end = 64 };
    ck_assert(term_is_none(bits_get_float(&test_heap, &m, (size_t) 16 << (_i / 2), 0)));
}
END_TEST

START_TEST(every_code_point_goes_through_every_utf)
{
    for (uint32_t c = 0; c <= 0x110010; c += c < 0x3000 || c > 0x10FF00 || (c > 0xD700 && c < 0xE100) ? 1 : 251) {
        bool valid = c < 0xD800 || (c > 0xDFFF && c <= 0x10FFFF);
        ck_assert_int_eq(utf8_size(c) != 0, valid);
        ck_assert_int_eq(bits_utf16_size(c) != 0, valid);
        for (size_t offset = 0; valid && offset < 2; offset++) {
            uint8_t bytes[8] = { 0 };
            uint32_t got = 0;
            struct match_ctx m = { .bytes = bytes, .position = offset, .end = offset + utf8_size(c) * 8 };
            bits_put_utf8(bytes, offset, c);
            ck_assert(bits_get_utf8(&m, &got));
            ck_assert_uint_eq(got, c);
            ck_assert_uint_eq(m.position, m.end);
            for (unsigned flags = 0; flags <= BITS_LITTLE; flags += BITS_LITTLE) {
                m = (struct match_ctx) { .bytes = bytes, .position = offset, .end = offset + bits_utf16_size(c) * 8 };
                bits_put_utf16(bytes, offset, c, flags);
                ck_assert(bits_get_utf16(&m, flags, &got));
                ck_assert_uint_eq(got, c);
                m = (struct match_ctx) { .bytes = bytes, .position = offset, .end = offset + 32 };
                bits_put_utf32(bytes, offset, c, flags);
                ck_assert(bits_get_utf32(&m, flags, &got));
                ck_assert_uint_eq(got, c);
            }
        }
    }
}
END_TEST

static const char *const not_utf8[] = { "\x80", "\xC1\x80", "\xC2", "\xC2\x41", "\xE0\x80\x80", "\xED\xA0\x80",
    "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF8\x80\x80\x80\x80", "\xE2\x82" };

START_TEST(malformed_utf8_does_not_match)
{
    struct match_ctx m = { .bytes = (const uint8_t *) not_utf8[_i], .end = strlen(not_utf8[_i]) * 8 };
    uint32_t c;
    ck_assert(!bits_get_utf8(&m, &c));
    ck_assert_uint_eq(m.position, 0);
}
END_TEST

/* ---- terms ---- */

START_TEST(binaries_move_off_the_heap_above_64_bytes)
{
    uint8_t *out;
    ck_assert(term_has_tag(bits_new_binary(&test_heap, 64, &out), TAG_HEAP_BITS));
    ck_assert(term_has_tag(bits_new_binary(&test_heap, 65, &out), TAG_REFC_BITS));
    ck_assert(term_is_none(bits_new_binary(&test_heap, SIZE_MAX / 8, &out)));
    ck_assert(term_is_none(bits_new_binary(&test_heap, SIZE_MAX, &out)));
}
END_TEST

START_TEST(a_part_of_a_part_refers_to_the_whole)
{
    uint8_t *out;
    term whole = bits_new_binary(&test_heap, 100, &out);
    for (int i = 0; i < 100; i++) {
        out[i] = (uint8_t) i;
    }
    term part = bits_sub(&test_heap, bits_sub(&test_heap, whole, 80, 400), 12, 200);
    struct bits_view v = bits_view(part);
    ck_assert(term_same(v.base, whole));
    ck_assert_uint_eq(v.offset, 92);
    ck_assert_uint_eq(v.size, 200);
    size_t n;
    uint8_t *scratch;
    const uint8_t *bytes = bits_bytes(part, &n, &scratch);
    ck_assert_uint_eq(n, 25);
    ck_assert_uint_eq(bytes[0], (11 << 4 | 12 >> 4) & 0xFF);
    vm_free(scratch);
}
END_TEST

/* Appends n_bits of ones. */
static term append(term t, size_t n_bits)
{
    uint8_t *bytes;
    size_t offset;
    term result = bits_append(&test_heap, t, n_bits, &bytes, &offset);
    for (size_t i = 0; i < n_bits; i++) {
        static const uint8_t one = 0x80;
        bits_copy(bytes, offset + i, &one, 0, 1);
    }
    return result;
}

START_TEST(appending_extends_in_place_and_forks_on_the_second_time)
{
    term old = append(bits_from_bytes(&test_heap, "", 0), 1003);
    term a = append(old, 5);
    ck_assert_ptr_eq(bits_view(a).bytes, bits_view(old).bytes);
    uint8_t *bytes;
    size_t offset;
    term b = bits_append(&test_heap, old, 5, &bytes, &offset); /* old ends no longer at the end */
    static const uint8_t zeros;
    bits_copy(bytes, offset, &zeros, 0, 5);
    ck_assert_ptr_ne(bits_view(b).bytes, bits_view(old).bytes);
    ck_assert_uint_eq(bits_size(old), 1003);
    struct bits_view v = bits_view(a), w = bits_view(b);
    ck_assert(get_bit(v.bytes, v.offset + 1007) && !get_bit(w.bytes, w.offset + 1007));
    ck_assert_int_gt(term_compare(a, b), 0);
}
END_TEST

START_TEST(repeated_append_copies_a_constant_number_of_times)
{
    term t = bits_from_bytes(&test_heap, "", 0);
    const uint8_t *at = NULL;
    int moves = 0;
    for (int i = 0; i < 100000; i++) {
        t = append(t, 8);
        if (i > 64) {
            moves += bits_view(t).bytes != at;
            at = bits_view(t).bytes;
        }
    }
    ck_assert_uint_eq(bits_size(t), 800000);
    ck_assert_int_lt(moves, 15);
}
END_TEST

START_TEST(appending_hostile_sizes_is_refused)
{
    uint8_t *bytes;
    size_t offset;
    term t = append(bits_from_bytes(&test_heap, "", 0), 1000);
    static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 999, SIZE_MAX / 2, SIZE_MAX / 8 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        ck_assert(term_is_none(bits_append(&test_heap, t, sizes[i], &bytes, &offset)));
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("bits");
    tcase_add_test(tc, copying_bits_moves_them_and_no_others);
    tcase_add_test(tc, comparing_bits_is_lexical);
    tcase_add_test(tc, integer_fields_are_otps_at_any_offset);
    tcase_add_test(tc, a_field_longer_than_what_is_left_does_not_match);
    tcase_add_test(tc, floats_of_three_sizes_keep_their_value);
    tcase_add_loop_test(tc, infinity_and_nan_do_not_match_a_float, 0, (int) ARRAY_LEN(not_finite));
    tcase_add_test(tc, every_code_point_goes_through_every_utf);
    tcase_add_loop_test(tc, malformed_utf8_does_not_match, 0, (int) ARRAY_LEN(not_utf8));
    tcase_add_test(tc, binaries_move_off_the_heap_above_64_bytes);
    tcase_add_test(tc, a_part_of_a_part_refers_to_the_whole);
    tcase_add_test(tc, appending_extends_in_place_and_forks_on_the_second_time);
    tcase_add_test(tc, repeated_append_copies_a_constant_number_of_times);
    tcase_add_test(tc, appending_hostile_sizes_is_refused);
    return core_run(tc, "bits");
}
