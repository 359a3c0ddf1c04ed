#include "core_test.h"

#include "vm/core/heap_map.h"
#include "vm/core/word_kind.h"

/* What stands in a piece of heap, and what is to be made of it. */
static const struct {
    const char *what;
    uintptr_t words[5];
    size_t n, n_stray;
    enum word_kind kinds[5];
} pieces[] = {
    { "nothing", { 0 }, 0, 0, { 0 } },
    { "a cell", { TERM_IMMED2_NIL, TERM_IMMED2_NIL }, 2, 0, { WORD_TERM, WORD_TERM } },
    { "a tuple", { TERM_HEADER(TAG_TUPLE, 2), TERM_IMMED2_NIL, TERM_IMMED2_NIL }, 3, 0, { WORD_HEADER, WORD_TERM, WORD_TERM } },
    { "a tuple of no elements", { TERM_HEADER(TAG_TUPLE, 0) }, 1, 0, { WORD_HEADER } },
    { "bytes that look like a header", { TERM_HEADER(TAG_FLOAT, 1), TERM_HEADER(TAG_TUPLE, 1), TERM_IMMED2_NIL }, 3, 0,
        { WORD_HEADER, WORD_RAW, WORD_TERM } },
    { "raw words before a term", { TERM_HEADER(TAG_SUB_BITS, 3), 0, 64, TERM_IMMED2_NIL }, 4, 0,
        { WORD_HEADER, WORD_RAW, WORD_RAW, WORD_TERM } },
    { "an object that ends with the piece", { TERM_HEADER(TAG_HEAP_BITS, 1), 0 }, 2, 0, { WORD_HEADER, WORD_RAW } },
    { "an object that does not", { TERM_HEADER(TAG_HEAP_BITS, 2), TERM_IMMED2_NIL }, 2, 1, { WORD_STRAY, WORD_TERM } },
    { "the largest arity", { ~(uintptr_t) 0 << TERM_ARITY_SHIFT | TAG_TUPLE << TERM_TAG_SHIFT }, 1, 1, { WORD_STRAY } },
    { "a word of no tag", { 0, TERM_IMMED2_NIL }, 2, 1, { WORD_STRAY, WORD_TERM } },
    { "a tag above all", { TERM_HEADER(TAG_COUNT, 0), TERM_IMMED2_NIL }, 2, 1, { WORD_STRAY, WORD_TERM } },
    { "too few words for what is raw", { TERM_HEADER(TAG_MATCH_CTX, 2), 0, 0 }, 3, 3, { WORD_STRAY, WORD_STRAY, WORD_STRAY } },
    { "an object behind stray words", { 0, TERM_HEADER(TAG_FLOAT, 1), 0, TERM_IMMED2_NIL }, 4, 1,
        { WORD_STRAY, WORD_HEADER, WORD_RAW, WORD_TERM } },
};

START_TEST(each_word_gets_its_kind)
{
    uint8_t kinds[ARRAY_LEN(pieces[0].kinds)];
    ck_assert_msg(word_kinds(pieces[_i].words, pieces[_i].n, kinds) == pieces[_i].n_stray, "%s", pieces[_i].what);
    for (size_t i = 0; i < pieces[_i].n; i++) {
        ck_assert_msg(kinds[i] == pieces[_i].kinds[i], "%s: word %zu", pieces[_i].what, i);
    }
}
END_TEST

static bool mapped(const struct heap *h, term t)
{
    struct heap_map *m = heap_map_new(h);
    ck_assert_ptr_nonnull(m);
    bool has = heap_map_has(m, t);
    heap_map_free(m);
    return has;
}

START_TEST(a_pointer_must_lead_to_the_start_of_an_object_of_its_kind)
{
    term tuple = heap_tuple2(&test_heap, num(1), num(2)), cell = heap_cons(&test_heap, num(3), TERM_NIL);
    term number = heap_float(&test_heap, 1.5);
    ck_assert(mapped(&test_heap, TERM_NIL) && mapped(&test_heap, tuple) && mapped(&test_heap, cell)
        && mapped(&test_heap, number));
    uintptr_t *in_tuple = (uintptr_t *) term_words(tuple), *in_number = (uintptr_t *) term_words(number);
    ck_assert(!mapped(&test_heap, term_from_boxed_ptr(in_tuple + 1)));
    ck_assert(!mapped(&test_heap, term_from_list_ptr(in_tuple)));
    ck_assert(!mapped(&test_heap, term_from_list_ptr(in_number + 1)));
    ck_assert(!mapped(&test_heap, (term) { number.word + 4 }));
    ck_assert(!mapped(&test_heap, term_from_boxed_ptr(test_heap.top)));
    ck_assert(!mapped(&test_heap, term_from_boxed_ptr(&(uintptr_t) { TERM_HEADER(TAG_TUPLE, 0) })));
}
END_TEST

/* What is no object is not an error as long as nothing refers to it: a library may have asked for room and not used it. */
START_TEST(stray_words_do_harm_only_if_a_term_leads_to_them)
{
    struct heap_mark before = heap_mark(&test_heap);
    uintptr_t *p = heap_alloc(&test_heap, 2);
    p[0] = TERM_HEADER(TAG_TUPLE, 1 << 20);
    p[1] = 0;
    heap_tuple2(&test_heap, num(1), num(2));
    struct heap_map *m = heap_map_new(&test_heap);
    ck_assert(heap_map_good_since(m, &before));
    heap_map_free(m);
    heap_cons(&test_heap, term_from_boxed_ptr(p), TERM_NIL);
    m = heap_map_new(&test_heap);
    ck_assert(!heap_map_good_since(m, &before));
    heap_map_free(m);
}
END_TEST

START_TEST(only_what_was_built_since_is_looked_at)
{
    heap_cons(&test_heap, term_from_boxed_ptr(&(uintptr_t) { 0 }), TERM_NIL);
    struct heap_mark before = heap_mark(&test_heap);
    heap_cons(&test_heap, num(1), TERM_NIL);
    struct heap_map *m = heap_map_new(&test_heap);
    ck_assert(heap_map_good_since(m, &before));
    heap_map_free(m);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("heap_map");
    tcase_add_loop_test(tc, each_word_gets_its_kind, 0, ARRAY_LEN(pieces));
    tcase_add_test(tc, a_pointer_must_lead_to_the_start_of_an_object_of_its_kind);
    tcase_add_test(tc, stray_words_do_harm_only_if_a_term_leads_to_them);
    tcase_add_test(tc, only_what_was_built_since_is_looked_at);
    return core_run(tc, "heap_map");
}
