/* Terms between the VM and a worker: with blobs and handles beside the bytes, and single leaves. */
#include "vm/core/etf_ext.h"
#include "vm/core/etf_leaf.h"
#include "vm/core/tests/core_test.h"
#include "vm/core/tests/term_vectors.h"

/* What crosses beside the bytes, and an answer to handles: those up to 1000 are known. */
struct crossing {
    struct etf_encode_ext out;
    struct etf_decode_ext in;
    uint8_t *buffer;
    size_t capacity, n;
    unsigned blobs_taken;
};

static uint64_t handle_of(void *arg, const uintptr_t *object)
{
    (void) arg;
    return object[3] <= 1000 ? object[3] : 0;
}

static term resource_term(struct heap *h, uint64_t handle)
{
    uintptr_t *p = heap_alloc(h, HEAP_RESOURCE_WORDS);
    p[0] = TERM_HEADER(TAG_RESOURCE, HEAP_RESOURCE_WORDS - 1);
    p[1] = p[2] = 0; /* counted by nobody */
    p[3] = handle;
    return term_from_boxed_ptr(p);
}

static term take_resource(void *arg, struct heap *h, uint64_t handle)
{
    (void) arg;
    return handle <= 1000 ? resource_term(h, handle) : TERM_NONE;
}

static term take_blob(void *arg, struct heap *h, size_t i)
{
    struct crossing *c = arg;
    c->blobs_taken++;
    return bits_from_bytes(h, c->out.blobs[i].bytes, c->out.blobs[i].n);
}

static void cross(struct crossing *c, term t, size_t blob_min)
{
    c->out.blob_min = blob_min;
    c->out.handle_of = handle_of;
    c->n = etf_encode_ext(t, &c->out, &c->buffer, &c->capacity);
    ck_assert_uint_gt(c->n, 0);
    c->in = (struct etf_decode_ext) {
        .n_blobs = c->out.n_blobs, .blob = take_blob, .resource = take_resource, .arg = c
    };
    size_t sum = 0;
    for (size_t i = 0; i < c->out.n_blobs; i++) {
        c->in.blob_bytes[i] = c->out.blobs[i].n;
        sum += c->out.blobs[i].n;
    }
    ck_assert_uint_eq(sum, c->out.blob_bytes);
}

static term arrive(struct crossing *c, const uint8_t *bytes, size_t n)
{
    c->blobs_taken = 0;
    return etf_decode_ext(&test_heap, bytes, n, 0, &c->in);
}

static term binary_of(size_t n)
{
    uint8_t *to;
    term t = bits_new_binary(&test_heap, n, &to);
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t) (i * 7);
    }
    return t;
}

/* Blobs of several sizes, parts of binaries at and off byte boundaries, handles, and a resource
 * without one. */
static term mixed_term(void)
{
    term large = binary_of(5000), small = binary_of(10);
    term parts[] = { large, small, bits_sub(&test_heap, large, 8, 8 * 4000),
        bits_sub(&test_heap, large, 3, 8 * 4000), bits_sub(&test_heap, large, 0, 8 * 4000 + 1),
        resource_term(&test_heap, 17), resource_term(&test_heap, 5000), ATOM(ok) };
    return heap_list(&test_heap, parts, ARRAY_LEN(parts), heap_tuple2(&test_heap, large, parts[5]));
}

START_TEST(public_terms_cross_unchanged)
{
    struct crossing c = { .buffer = NULL };
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        term t = test_decode(term_vectors[i].bytes, term_vectors[i].n);
        cross(&c, t, i % 2 == 0 ? SIZE_MAX : 0);
        ck_assert_msg(term_equal_exact(arrive(&c, c.buffer, c.n), t), "term %zu", i);
        ck_assert_uint_eq(c.blobs_taken, c.out.n_blobs);
    }
    vm_free(c.buffer);
}
END_TEST

START_TEST(blobs_and_handles_cross)
{
    struct crossing c = { .buffer = NULL };
    term t = mixed_term();
    cross(&c, t, 4000);
    ck_assert_uint_eq(c.out.n_blobs, 3); /* large twice, and its byte-aligned part */
    ck_assert_uint_eq(c.out.blob_bytes, 2 * 5000 + 4000);
    ck_assert_uint_lt(c.n, 2 * 4000 + 500);
    term back = arrive(&c, c.buffer, c.n);
    ck_assert(term_equal_exact(back, t));
    while (term_is_cons(back)) {
        back = term_tail(back);
    }
    ck_assert(term_has_tag(term_tuple_get(back, 1), TAG_RESOURCE));
    vm_free(c.buffer);
}
END_TEST

START_TEST(blobs_beyond_the_limit_are_in_line)
{
    struct crossing c = { .buffer = NULL };
    term t = TERM_NIL;
    for (int i = 0; i < ETF_MAX_BLOBS + 3; i++) {
        t = heap_cons(&test_heap, binary_of(100), t);
    }
    cross(&c, t, 100);
    ck_assert_uint_eq(c.out.n_blobs, ETF_MAX_BLOBS);
    ck_assert(term_equal_exact(arrive(&c, c.buffer, c.n), t));
    ck_assert_uint_eq(c.blobs_taken, ETF_MAX_BLOBS);
    vm_free(c.buffer);
}
END_TEST

START_TEST(a_kept_buffer_is_used_again)
{
    struct crossing c = { .buffer = NULL };
    cross(&c, binary_of(100000), SIZE_MAX);
    uint8_t *before = c.buffer;
    size_t capacity = c.capacity;
    cross(&c, num(1), SIZE_MAX);
    ck_assert_ptr_eq(c.buffer, before);
    ck_assert_uint_eq(c.capacity, capacity);
    ck_assert_uint_eq(c.n, 3);
    vm_free(c.buffer);
}
END_TEST

/* ---- leaves ---- */

static term some_leaf(uint64_t *random, bool *out_large)
{
    static const char *const names[] = { "", "a", "no_atom_of_the_vm", "\xc3\xa4\xe2\x82\xac" };
    uint64_t r = test_random(random);
    size_t n = (r >> 40) % (BITS_HEAP_MAX + 1);
    intptr_t small = (intptr_t) r >> (TERM_SMALL_SHIFT + (r >> 8) % 60);
    *out_large = false;
    switch (r >> 33 & 7) {
    case 0: return TERM_NIL;
    case 1: return term_from_atom_index((r >> 40) % ATOM_N_PREDEFINED);
    case 2: return atom_from_cstr(names[(r >> 40) % ARRAY_LEN(names)]);
    case 3: return heap_float(&test_heap, (double) small);
    case 4: *out_large = n > ETF_LEAF_ROOM; return binary_of(n);
    case 5: *out_large = n > ETF_LEAF_ROOM; return bits_sub(&test_heap, binary_of(n + 3), 8 * (n & 3), 8 * n);
    default: return term_from_small(small);
    }
}

/* Byte for byte what the whole encoder makes, in no more room than that takes, and back. */
START_TEST(leaves_cross_as_whole_terms_do)
{
    struct crossing c = { .buffer = NULL };
    uint8_t room[256], *end;
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        bool large;
        term t = some_leaf(&random, &large), back;
        cross(&c, t, SIZE_MAX);
        size_t n = c.n - 1;
        end = etf_leaf_put(room, room + sizeof(room), t);
        ck_assert(end == room + n && memcmp(room, c.buffer + 1, n) == 0);
        ck_assert_ptr_null(etf_leaf_put(room, room + (large ? n - 1 : ETF_LEAF_ROOM - 1), t));
        ck_assert(etf_leaf_get(&test_heap, room, room + n, &back) == room + n && term_equal_exact(back, t));
        for (size_t cut = 0; cut < n; cut++) {
            ck_assert_ptr_null(etf_leaf_get(&test_heap, room, room + cut, &back));
        }
    }
    vm_free(c.buffer);
}
END_TEST

/* Others are left to the whole encoder and decoder; what both read is the same. */
START_TEST(what_is_no_leaf_is_not_taken_for_one)
{
    struct crossing c = { .buffer = NULL };
    uint8_t room[256];
    for (size_t i = 0; i < ARRAY_LEN(term_vectors); i++) {
        term t = test_decode(term_vectors[i].bytes, term_vectors[i].n), one = TERM_NONE;
        cross(&c, t, SIZE_MAX);
        const uint8_t *put = etf_leaf_put(room, room + sizeof(room), t);
        const uint8_t *got = etf_leaf_get(&test_heap, c.buffer + 1, c.buffer + c.n, &one);
        ck_assert(put == NULL || (put == room + c.n - 1 && memcmp(room, c.buffer + 1, c.n - 1) == 0));
        ck_assert(got == NULL || (got == c.buffer + c.n && term_equal_exact(one, t)));
        ck_assert(got != NULL || put == NULL);
    }
    term unlike[] = { mixed_term(), resource_term(&test_heap, 17), heap_tuple2(&test_heap, num(1), num(2)),
        binary_of(BITS_HEAP_MAX + 1), bits_sub(&test_heap, binary_of(10), 0, 9), bits_sub(&test_heap, binary_of(10), 1, 8) };
    for (size_t i = 0; i < ARRAY_LEN(unlike); i++) {
        ck_assert_ptr_null(etf_leaf_put(room, room + sizeof(room), unlike[i]));
    }
    vm_free(c.buffer);
}
END_TEST

START_TEST(private_tags_are_no_public_terms)
{
    static const uint8_t resource[] = { 131, 201, 0, 0, 0, 0, 0, 0, 0, 17 };
    static const uint8_t blob[] = { 131, 200, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
    static const uint8_t atom[] = { 131, 202, 0, 1 };
    static const uint8_t no_atom[] = { 131, 202, 255, 255 };
    static const uint8_t compressed[] = { 131, 80, 0, 0, 0, 2, 120, 156, 75, 100, 4, 0, 0, 197, 0, 99 };
    struct etf_decode_ext none = { .n_blobs = 0 };
    ck_assert(term_is_none(test_decode(resource, sizeof(resource))));
    ck_assert(term_is_none(test_decode(blob, sizeof(blob))));
    ck_assert(term_is_none(test_decode(atom, sizeof(atom))));
    ck_assert(term_same(etf_decode_ext(&test_heap, atom, sizeof(atom), 0, &none), term_from_atom_index(1)));
    ck_assert(term_is_none(etf_decode_ext(&test_heap, no_atom, sizeof(no_atom), 0, &none)));
    ck_assert(!term_is_none(test_decode(compressed, sizeof(compressed))));
    ck_assert(term_is_none(etf_decode_ext(&test_heap, resource, sizeof(resource), 0, &none)));
    ck_assert(term_is_none(etf_decode_ext(&test_heap, blob, sizeof(blob), 0, &none)));
    ck_assert(
        term_is_none(etf_decode_ext(&test_heap, compressed, sizeof(compressed), 0, &none)));
}
END_TEST

START_TEST(blobs_that_are_not_as_announced_are_refused)
{
    struct crossing c = { .buffer = NULL };
    cross(&c, heap_tuple2(&test_heap, binary_of(300), binary_of(200)), 100);
    ck_assert(!term_is_none(arrive(&c, c.buffer, c.n)));
    c.in.blob_bytes[1] = 201;
    ck_assert(term_is_none(arrive(&c, c.buffer, c.n)));
    c.in.blob_bytes[1] = 200;
    c.in.n_blobs = 1;
    ck_assert(term_is_none(arrive(&c, c.buffer, c.n)));
    c.in.n_blobs = 3; /* one that the term does not use */
    ck_assert(term_is_none(arrive(&c, c.buffer, c.n)));
    c.in.n_blobs = ETF_MAX_BLOBS + 1;
    ck_assert(term_is_none(arrive(&c, c.buffer, c.n)));
    /* One blob twice. */
    cross(&c, heap_tuple2(&test_heap, binary_of(200), binary_of(200)), 100);
    c.buffer[1 + 2 + 10 + 1] = 0;
    ck_assert(term_is_none(arrive(&c, c.buffer, c.n)));
    ck_assert_uint_eq(c.blobs_taken, 1);
    vm_free(c.buffer);
}
END_TEST

START_TEST(every_cut_of_a_crossing_is_refused)
{
    struct crossing c = { .buffer = NULL };
    cross(&c, mixed_term(), 4000);
    for (size_t n = 0; n < c.n; n++) {
        uint8_t *cut = malloc(n + 1);
        memcpy(cut, c.buffer, n);
        ck_assert_msg(term_is_none(arrive(&c, cut, n)), "at %zu", n);
        free(cut);
    }
    uint8_t *more = malloc(c.n + 1);
    memcpy(more, c.buffer, c.n);
    more[c.n] = 106;
    ck_assert(term_is_none(arrive(&c, more, c.n + 1)));
    free(more);
    vm_free(c.buffer);
}
END_TEST

START_TEST(every_changed_byte_of_a_crossing_gives_a_term_or_none)
{
    struct crossing c = { .buffer = NULL };
    cross(&c, mixed_term(), 1000);
    for (size_t i = 0; i < c.n; i++) {
        uint8_t *bytes = malloc(c.n);
        memcpy(bytes, c.buffer, c.n);
        for (unsigned v = 1; v < 256; v += i < 100 || i + 100 > c.n ? 1 : 37) {
            bytes[i] = (uint8_t) (c.buffer[i] ^ v);
            term t = arrive(&c, bytes, c.n);
            ck_assert(term_is_none(t) || term_compare(t, t) == 0);
        }
        free(bytes);
    }
    vm_free(c.buffer);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("etf_crossing");
    tcase_add_test(tc, public_terms_cross_unchanged);
    tcase_add_test(tc, blobs_and_handles_cross);
    tcase_add_test(tc, blobs_beyond_the_limit_are_in_line);
    tcase_add_test(tc, a_kept_buffer_is_used_again);
    tcase_add_test(tc, leaves_cross_as_whole_terms_do);
    tcase_add_test(tc, what_is_no_leaf_is_not_taken_for_one);
    tcase_add_test(tc, private_tags_are_no_public_terms);
    tcase_add_test(tc, blobs_that_are_not_as_announced_are_refused);
    tcase_add_test(tc, every_cut_of_a_crossing_is_refused);
    tcase_add_test(tc, every_changed_byte_of_a_crossing_gives_a_term_or_none);
    return core_run(tc, "etf_crossing");
}
