/* What a worker built is what it says, or it is refused. */
#include "vm/core/tests/core_test.h"

#include "isolation/remote/fragment.h"

enum { WORKERS_ADDRESS = 1 << 20, N_WORDS = 8, BIN_BYTES = 200 };
#define BOXED(index) (WORKERS_ADDRESS + (index) * sizeof(uintptr_t) + TERM_PRIMARY_BOXED)
#define CELL(index)  (WORKERS_ADDRESS + (index) * sizeof(uintptr_t) + TERM_PRIMARY_LIST)
#define NIL          TERM_IMMED2_NIL

struct sample {
    const char *what;
    uintptr_t words[N_WORDS];
    size_t n;
    uintptr_t root;
};

static const struct sample good[] = {
    { "an immediate", { 0 }, 0, NIL },
    { "a tuple", { TERM_HEADER(TAG_TUPLE, 2), NIL, NIL }, 3, BOXED(0) },
    { "a cell", { NIL, NIL }, 2, CELL(0) },
    { "a cell in a tuple", { TERM_HEADER(TAG_TUPLE, 1), CELL(2), NIL, NIL }, 4, BOXED(0) },
    { "the same object twice", { BOXED(2), BOXED(2), TERM_HEADER(TAG_TUPLE, 0) }, 3, CELL(0) },
    { "a binary", { TERM_HEADER(TAG_HEAP_BITS, 2), 64, 0 }, 3, BOXED(0) },
    { "a part of a binary", { TERM_HEADER(TAG_HEAP_BITS, 2), 64, 0, TERM_HEADER(TAG_SUB_BITS, 3), 8, 56, BOXED(0) }, 7,
        BOXED(3) },
    { "a large integer", { TERM_HEADER(TAG_BIG_NEG, 2), 0, 1 }, 3, BOXED(0) },
};
static const struct sample bad[] = {
    { "a stray word, though nothing leads to it", { 0, NIL, NIL }, 3, CELL(1) },
    { "an object that does not end", { TERM_HEADER(TAG_TUPLE, 3), NIL, NIL }, 3, BOXED(0) },
    { "a fun", { TERM_HEADER(TAG_FUN, 2), 0, NIL, NIL, NIL }, 5, CELL(3) },
    { "an export", { TERM_HEADER(TAG_EXPORT, 1), 0, NIL, NIL }, 4, CELL(2) },
    { "a resource", { TERM_HEADER(TAG_RESOURCE, 3), 0, 0, 0, NIL, NIL }, 6, CELL(4) },
    { "a match context", { TERM_HEADER(TAG_MATCH_CTX, 4), 0, 0, 0, NIL }, 5, BOXED(0) },
    { "a pointer into an object", { TERM_HEADER(TAG_TUPLE, 1), NIL }, 2, BOXED(1) },
    { "a cell of raw words", { TERM_HEADER(TAG_FLOAT, 1), 0, NIL }, 3, CELL(1) },
    { "half a cell", { NIL }, 1, CELL(0) },
    { "a boxed pointer to a cell", { NIL, NIL }, 2, BOXED(0) },
    { "a crooked pointer", { NIL, NIL }, 2, CELL(0) + 4 },
    { "a pointer to what is nobody's", { TERM_HEADER(TAG_TUPLE, 1), BOXED(1000) }, 2, BOXED(0) },
    { "no term for a root", { NIL, NIL }, 2, TERM_HEADER(TAG_TUPLE, 0) },
    { "a binary of more bits than words", { TERM_HEADER(TAG_HEAP_BITS, 2), 65, 0 }, 3, BOXED(0) },
    { "a part that is too long",
        { TERM_HEADER(TAG_HEAP_BITS, 2), 64, 0, TERM_HEADER(TAG_SUB_BITS, 3), 8, 57, BOXED(0) }, 7, BOXED(3) },
    { "a part that begins behind the end",
        { TERM_HEADER(TAG_HEAP_BITS, 2), 64, 0, TERM_HEADER(TAG_SUB_BITS, 3), 65, 0, BOXED(0) }, 7, BOXED(3) },
    { "a part of a tuple", { TERM_HEADER(TAG_TUPLE, 2), NIL, NIL, TERM_HEADER(TAG_SUB_BITS, 3), 0, 0, BOXED(0) }, 7,
        BOXED(3) },
    { "an integer with a leading zero", { TERM_HEADER(TAG_BIG_POS, 2), 1, 0 }, 3, BOXED(0) },
    { "a large binary that was not granted", { TERM_HEADER(TAG_REFC_BITS, 3), 0, 4096, 8 }, 4, BOXED(0) },
    { "a cycle", { TERM_HEADER(TAG_TUPLE, 1), CELL(2), NIL, BOXED(0) }, 4, BOXED(0) },
};

static uintptr_t words[N_WORDS];

static term checked(struct fragment *f, const struct sample *s, uintptr_t **offheap, size_t *bytes)
{
    memcpy(words, s->words, sizeof(words));
    f->words = words;
    f->built_at = WORKERS_ADDRESS;
    f->n = s->n;
    f->caller = &test_heap;
    f->check_cycles = true;
    return fragment_check(f, taint(s->root), offheap, bytes);
}

START_TEST(what_is_in_order_is_taken_and_moved)
{
    struct fragment f = { 0 };
    uintptr_t *offheap = NULL;
    size_t bytes;
    term t = checked(&f, &good[_i], &offheap, &bytes);
    ck_assert_msg(!term_is_none(t), "%s", good[_i].what);
    ck_assert(term_is_immed(t) || (term_words(t) >= words && term_words(t) < words + good[_i].n));
    ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(what_is_not_is_refused)
{
    struct fragment f = { 0 };
    uintptr_t *offheap = NULL;
    size_t bytes;
    ck_assert_msg(term_is_none(checked(&f, &bad[_i], &offheap, &bytes)), "%s", bad[_i].what);
}
END_TEST

START_TEST(arguments_may_be_part_of_the_result)
{
    struct fragment f = { 0 };
    uintptr_t *offheap = NULL;
    size_t bytes;
    term argument = heap_tuple2(&test_heap, num(1), num(2));
    struct sample s = { "a cell with an argument", { argument.word, NIL }, 2, CELL(0) };
    term t = checked(&f, &s, &offheap, &bytes);
    ck_assert(!term_is_none(t) && term_same(term_head(t), argument));
    s.words[0] += sizeof(uintptr_t); /* to an element of it */
    ck_assert(term_is_none(checked(&f, &s, &offheap, &bytes)));
}
END_TEST

START_TEST(a_large_binary_is_as_long_as_what_was_granted)
{
    struct offheap_bin *bin = offheap_bin_new(BIN_BYTES);
    for (size_t bits = BIN_BYTES * 8 - 1; bits <= BIN_BYTES * 8 + 1; bits++) {
        struct granted_bin granted = { .bin = bin, .bytes = BIN_BYTES };
        struct fragment f = { .bins = &granted, .n_bins = 1 };
        uintptr_t *offheap = NULL;
        size_t bytes;
        struct sample s = { "", { TERM_HEADER(TAG_REFC_BITS, 3), 0, (uintptr_t) bin, bits }, 4, BOXED(0) };
        bool fits = bits <= BIN_BYTES * 8;
        ck_assert(term_is_none(checked(&f, &s, &offheap, &bytes)) == !fits);
        ck_assert_uint_eq(granted.n_uses, fits);
        ck_assert_uint_eq(bytes, fits ? BIN_BYTES : 0);
        ck_assert_ptr_eq(offheap, fits ? words : NULL);
    }
    offheap_bin_unref(bin);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("fragment");
    tcase_add_loop_test(tc, what_is_in_order_is_taken_and_moved, 0, ARRAY_LEN(good));
    tcase_add_loop_test(tc, what_is_not_is_refused, 0, ARRAY_LEN(bad));
    tcase_add_test(tc, arguments_may_be_part_of_the_result);
    tcase_add_test(tc, a_large_binary_is_as_long_as_what_was_granted);
    return core_run(tc, "fragment");
}
