#include "vm/core/etf_ext.h"
#include "vm/core/etf_leaf.h"
#include "vm/core/tests/core_test.h"
#include "vm/core/tests/term_vectors.h"

static term decode(const void *bytes, size_t n)
{
    return etf_decode(&test_heap, bytes, n, 0, NULL);
}

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
        term t = decode(v->bytes, v->n);
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
        term t = decode(v->bytes, v->n);
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
                ck_assert(term_equal_exact(decode(p, n), t));
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
    term t = decode(forms[_i].bytes, forms[_i].n);
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
    ck_assert(!term_is_none(decode(fun, sizeof(fun) - 1)));
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
    term t = decode(bytes, 2 * DEPTH + 2);
    ck_assert(!term_is_none(t));
    expect_bytes(etf_encode(&test_heap, t, 0), bytes, 2 * DEPTH + 2);
    free(bytes);
}
END_TEST

/* Every tuple claims all bytes that are left. */
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
                term t = heap_cons(&test_heap, heap_tuple(&test_heap, list, 3), heap_list(&test_heap, list, 3, term_from_small(i)));
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
    ck_assert(term_is_none(decode(bytes, N)));
    ck_assert_uint_lt(heap_used_words(&test_heap) - before, 4 * N);
    free(bytes);
}
END_TEST

/* ---- between the VM and a worker ---- */

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
        term t = decode(term_vectors[i].bytes, term_vectors[i].n);
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
        term t = decode(term_vectors[i].bytes, term_vectors[i].n), one = TERM_NONE;
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
    ck_assert(term_is_none(decode(resource, sizeof(resource))));
    ck_assert(term_is_none(decode(blob, sizeof(blob))));
    ck_assert(term_is_none(decode(atom, sizeof(atom))));
    ck_assert(term_same(etf_decode_ext(&test_heap, atom, sizeof(atom), 0, &none), term_from_atom_index(1)));
    ck_assert(term_is_none(etf_decode_ext(&test_heap, no_atom, sizeof(no_atom), 0, &none)));
    ck_assert(!term_is_none(decode(compressed, sizeof(compressed))));
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
    return core_run(tc, "etf");
}
