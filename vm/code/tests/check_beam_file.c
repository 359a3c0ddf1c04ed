/* Real files, damaged files, and files with one byte changed. */
#include <glob.h>
#include <stdio.h>
#include <zlib.h>

#include "lib/base/clock.h"
#include "lib/base/md5.h"
#include "vm/code/module.h"
#include "vm/code/tests/code_test.h"
#include "vm/core/arith.h"

static const uint8_t return_body[] = { OP_return };
static const struct recipe good = { .body = return_body, .n_body = sizeof(return_body) };

/* ---- real files ---- */

static size_t find_files(glob_t *found)
{
    const char *root = code_otp_root();
    char pattern[4200];
    snprintf(pattern, sizeof(pattern), "%s/lib/*/ebin/*.beam", root != NULL ? root : "/nowhere");
    return glob(pattern, 0, NULL, found) == 0 ? found->gl_pathc : 0;
}

START_TEST(every_file_of_otp_is_accepted)
{
    glob_t found;
    size_t n_files = find_files(&found), n_insns = 0, n_unproven = 0;
    if (n_files == 0) {
        return;
    }
    for (size_t i = 0; i < n_files; i++) {
        size_t n;
        uint8_t *bytes = code_read_file(found.gl_pathv[i], &n);
        ck_assert_ptr_nonnull(bytes);
        struct beam_file file;
        struct gen_code code = { 0 };
        ck_assert_msg(
            beam_file_parse(bytes, n, &file) && gen_decode(&file, &code) && gen_validate(&code),
            "%s: %s", found.gl_pathv[i], file.error);
        n_insns += code.n_insns;
        for (size_t k = 0; k < code.n_insns; k++) {
            n_unproven += (code.insns[k].flags & GEN_UNPROVEN) != 0;
        }
        gen_free(&code);
        beam_file_free(&file);
        vm_free(bytes);
    }
    globfree(&found);
    printf("# %zu files, %zu instructions, %zu unproven\n", n_files, n_insns, n_unproven);
    ck_assert_uint_lt(n_unproven, n_insns / 50); /* what is not proven costs a test at run time */
}
END_TEST

/* The compiler's default -vsn is the module's checksum. */
START_TEST(the_checksum_is_that_of_the_compiler)
{
    size_t n;
    char *file_name = code_path_find(atom_from_cstr("lists"));
    if (file_name == NULL) {
        return;
    }
    uint8_t *bytes = code_read_file(file_name, &n);
    struct beam_file file;
    ck_assert(beam_file_parse(bytes, n, &file));
    bool found = false;
    for (term list = file.attributes; term_is_cons(list); list = term_tail(list)) {
        term pair = term_head(list);
        if (term_same(term_tuple_get(pair, 0), atom_from_cstr("vsn"))) {
            term value = term_head(term_tuple_get(pair, 1));
            uint8_t le[16];
            ck_assert(term_is_integer(value));
            integer_to_bytes_le(value, le, sizeof(le));
            for (int i = 0; i < 16; i++) {
                ck_assert_uint_eq(le[15 - i], file.md5[i]);
            }
            found = true;
        }
    }
    ck_assert(found);
    uint8_t md5[16];
    ck_assert(beam_file_md5(bytes, n, md5));
    ck_assert_mem_eq(md5, file.md5, sizeof(md5));
    beam_file_free(&file);
    vm_free(bytes);
    vm_free(file_name);
}
END_TEST

/* ---- one byte changed ---- */

/* xorshift: the same mutants every time. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

enum { MUTANTS_PER_FILE = 300 };

START_TEST(mutants_are_judged_without_harm)
{
    static const char *const modules[] = { "lists", "io_lib", "binary", "gen_server", "erl_scan",
        "timer", "base64", "proplists", "ets", "file_sorter", "string", "queue", "sets", "math",
        "io_lib_format" };
    char *path = code_path_find(atom_from_cstr(modules[_i]));
    if (path == NULL) {
        return;
    }
    size_t n, accepted = 0;
    uint8_t *bytes = code_read_file(path, &n);
    size_t at_code, n_code;
    ck_assert(beam_file_chunk(bytes, n, (const uint8_t *) "Code", &at_code, &n_code));
    uint64_t state = 88172645463325252u + (uint64_t) _i;
    for (int k = 0; k < MUTANTS_PER_FILE; k++) {
        size_t at = k % 2 == 0 ? next_random(&state) % n : at_code + next_random(&state) % n_code;
        uint8_t before = bytes[at];
        bytes[at] = (uint8_t) next_random(&state);
        char error[256];
        int64_t start = clock_read(CLOCK_THREAD_CPUTIME_ID);
        bool ok = check_file(bytes, n, error, NULL);
        ck_assert_int_lt(clock_read(CLOCK_THREAD_CPUTIME_ID) - start, 2000000000);
        ck_assert_msg(ok || error[0] != '\0', "%s: no message", path);
        accepted += ok;
        bytes[at] = before;
    }
    printf("# %s: %zu of %d mutants are good code\n", modules[_i], accepted, MUTANTS_PER_FILE);
    vm_free(bytes);
    vm_free(path);
}
END_TEST

START_TEST(a_file_cut_short_anywhere_is_refused)
{
    struct blob file;
    make_file(&file, &good, 0);
    char error[256];
    ck_assert_msg(check_file(file.bytes, file.n, error, NULL), "%s", error);
    for (size_t n = 0; n < file.n; n++) {
        uint8_t *copy = malloc(n + 1); /* so that a sanitizer sees what is read behind it */
        memcpy(copy, file.bytes, n);
        ck_assert(!check_file(copy, n, error, NULL));
        ck_assert_str_ne(error, "");
        free(copy);
    }
}
END_TEST

/* ---- damage of kinds ---- */

static void replace(struct blob *b, const char *what, const char *with, size_t n)
{
    uint8_t *at = memmem(b->bytes, b->n, what, strlen(what));
    ck_assert_ptr_nonnull(at);
    memcpy(at, with, n);
}

static void append_chunk(struct blob *b, const char *name, const void *bytes, size_t n)
{
    struct blob data = { .n = 0 };
    put_bytes(&data, bytes, n);
    put_chunk(b, name, &data);
    size_t form = b->n - 8;
    for (int i = 0; i < 4; i++) {
        b->bytes[4 + i] = (uint8_t) (form >> (24 - 8 * i));
    }
}

static void no_form(struct blob *b)
{
    replace(b, "FOR1", "FORX", 4);
}
static void form_too_large(struct blob *b)
{
    b->bytes[5] = 1;
}
static void chunk_too_large(struct blob *b)
{
    replace(b, "AtU8", "AtU8\0\1\0\0", 8);
}
static void code_twice(struct blob *b)
{
    append_chunk(b, "Code", "", 0);
}
static void many_atoms(struct blob *b)
{
    uint8_t *at = memmem(b->bytes, b->n, "AtU8", 4);
    memcpy(at + 8, "\x00\x10\x00\x00", 4);
}
static void atom_not_utf8(struct blob *b)
{
    replace(b, "reverse", "r\xFFverse", 7);
}
static void many_imports(struct blob *b)
{
    uint8_t *at = memmem(b->bytes, b->n, "ImpT", 4);
    memcpy(at + 8, "\x10\x00\x00\x00", 4);
}
static void import_without_atom(struct blob *b)
{
    uint8_t *at = memmem(b->bytes, b->n, "ImpT", 4);
    memcpy(at + 12, "\x00\x00\x00\x77", 4);
}
static void import_of_arity_300(struct blob *b)
{
    uint8_t *at = memmem(b->bytes, b->n, "ImpT", 4);
    memcpy(at + 20, "\x00\x00\x01\x2C", 4);
}
static void literals_of_4_gib(struct blob *b)
{
    append_chunk(b, "LitT", "\xFF\xFF\xFF\xFFxxxx", 8);
}
static void literals_not_packed(struct blob *b)
{
    append_chunk(b, "LitT", "\0\0\0\x20xxxx", 8);
}
static void literal_is_no_term(struct blob *b)
{
    append_chunk(b, "LitT", "\0\0\0\0\0\0\0\1\0\0\0\2\x83\xFF", 14);
}
static void literal_too_long(struct blob *b)
{
    append_chunk(b, "LitT", "\0\0\0\0\0\0\0\1\0\0\1\0\x83\x6A", 14);
}
static void line_of_no_file(struct blob *b)
{
    append_chunk(b, "Line", "\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\x52", 21);
}
static void attributes_are_no_list(struct blob *b)
{
    append_chunk(b, "Attr", "\x83\x61\x01", 3);
}
static void code_version_1(struct blob *b)
{
    uint8_t *at = memmem(b->bytes, b->n, "Code", 4);
    at[15] = 1;
}
static void unknown_chunk(struct blob *b)
{
    append_chunk(b, "Xyzz", "anything", 8);
}
static void stored_literal(struct blob *b)
{
    append_chunk(b, "LitT", "\0\0\0\0\0\0\0\1\0\0\0\2\x83\x6A", 14);
}

static const struct {
    void (*damage)(struct blob *b);
    const char *error; /* NULL: it is still good */
} damages[] = {
    { no_form, "offset 0: not a BEAM file" },
    { form_too_large, "offset 4: form of" },
    { chunk_too_large, "offset 12: chunk of 65536 bytes" },
    { code_twice, "second Code chunk" },
    { many_atoms, "AtU8 chunk, offset 0: 1048576 atoms in" },
    { atom_not_utf8, "AtU8 chunk, offset 43: atom 9 is not UTF-8" },
    { many_imports, "ImpT chunk, offset 0: count 268435456" },
    { import_without_atom, "ImpT chunk, offset 4: atom 119 is not in the table of 15" },
    { import_of_arity_300, "ImpT chunk, offset 12: arity 300" },
    { literals_of_4_gib, "LitT chunk, offset 0: 4294967295 bytes packed into 4" },
    { literals_not_packed, "LitT chunk, offset 4: compressed data is damaged" },
    { literal_is_no_term, "LitT chunk, offset 8: bad external term" },
    { literal_too_long, "LitT chunk, offset 8: literal of 256 bytes" },
    { line_of_no_file, "Line chunk, offset 20: neither a line nor one of 0 files" },
    { attributes_are_no_list, "Attr chunk, offset 0: not a list" },
    { code_version_1, "Code chunk, offset 4: instruction set" },
    { unknown_chunk, NULL },
    { stored_literal, NULL },
};

START_TEST(damage_is_named_with_chunk_and_offset)
{
    struct blob file;
    char error[256];
    make_file(&file, &good, 0);
    damages[_i].damage(&file);
    bool ok = check_file(file.bytes, file.n, error, NULL);
    if (damages[_i].error == NULL) {
        ck_assert_msg(ok, "%d: %s", _i, error);
    } else {
        ck_assert_msg(!ok && strstr(error, damages[_i].error) != NULL, "%d: \"%s\"", _i, error);
    }
}
END_TEST

START_TEST(a_gzipped_file_is_unpacked)
{
    struct blob file;
    make_file(&file, &good, 0);
    uint8_t packed[8192];
    z_stream z = { 0 };
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = file.bytes;
    z.avail_in = (uInt) file.n;
    z.next_out = packed;
    z.avail_out = sizeof(packed);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    deflateEnd(&z);
    char error[256];
    ck_assert_msg(check_file(packed, n, error, NULL), "%s", error);
    ck_assert(!check_file(packed, n / 2, error, NULL));
    ck_assert_str_eq(error, "gzip data is damaged");
}
END_TEST

START_TEST(funs_must_lead_to_their_function)
{
    static const uint8_t body[] = { OP_return, OP_label, U(3), OP_func_info, A(A_MODULE), A(A_G),
        U(1), OP_label, U(4), OP_return };
    struct recipe r = { .body = body, .n_body = sizeof(body), .n_functions = 2 };
    struct blob file;
    char error[256];
    make_file(&file, &r, 4);
    ck_assert_msg(check_file(file.bytes, file.n, error, NULL), "%s", error);
    make_file(&file, &r, 2);
    ck_assert(!check_file(file.bytes, file.n, error, NULL));
    ck_assert_str_eq(error, "FunT chunk, offset 4: label 2 is not that of g/1");
}
END_TEST

START_TEST(md5_is_md5)
{
    static const struct {
        const char *text, *sum;
    } known[] = {
        { "", "d41d8cd98f00b204e9800998ecf8427e" },
        { "abc", "900150983cd24fb0d6963f7d28e17f72" },
        { "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a" },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct md5 m;
        uint8_t sum[MD5_BYTES];
        char hex[33];
        md5_init(&m);
        size_t n = strlen(known[i].text);
        md5_update(&m, known[i].text, n / 3);
        md5_update(&m, known[i].text + n / 3, n - n / 3);
        md5_final(&m, sum);
        for (int k = 0; k < MD5_BYTES; k++) {
            snprintf(hex + 2 * k, 3, "%02x", sum[k]);
        }
        ck_assert_str_eq(hex, known[i].sum);
    }
}
END_TEST

int main(void)
{
    start_tables();
    code_path_init();
    Suite *suite = suite_create("beam_file");
    TCase *tc = tcase_create("beam_file");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_file_of_otp_is_accepted);
    tcase_add_test(tc, the_checksum_is_that_of_the_compiler);
    tcase_add_loop_test(tc, mutants_are_judged_without_harm, 0, 15);
    tcase_add_test(tc, a_file_cut_short_anywhere_is_refused);
    tcase_add_loop_test(tc, damage_is_named_with_chunk_and_offset, 0, (int) ARRAY_LEN(damages));
    tcase_add_test(tc, a_gzipped_file_is_unpacked);
    tcase_add_test(tc, funs_must_lead_to_their_function);
    tcase_add_test(tc, md5_is_md5);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
