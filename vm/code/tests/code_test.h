/* code_test.h - BEAM files made by hand, for the tests of the loader. */
#ifndef VM_CODE_TEST_H
#define VM_CODE_TEST_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "vm/code/gen.h"
#include "vm/core/atom.h"

struct blob {
    uint8_t bytes[8192];
    size_t n;
};

static inline void put_u8(struct blob *b, unsigned v)
{
    ck_assert_uint_lt(b->n, sizeof(b->bytes));
    b->bytes[b->n++] = (uint8_t) v;
}
static inline void put_u32(struct blob *b, size_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        put_u8(b, (v >> shift) & 0xFF);
    }
}
static inline void put_bytes(struct blob *b, const void *bytes, size_t n)
{
    ck_assert_uint_le(b->n + n, sizeof(b->bytes));
    memcpy(b->bytes + b->n, bytes, n);
    b->n += n;
}
static inline void put_chunk(struct blob *b, const char *name, const struct blob *data)
{
    put_bytes(b, name, 4);
    put_u32(b, data->n);
    put_bytes(b, data->bytes, data->n);
    while (b->n % 4 != 0) {
        put_u8(b, 0);
    }
}

/* Compact terms of one byte. */
#define U(n) ((n) << 4 | 0)
#define I(n) ((n) << 4 | 1)
#define A(n) ((n) << 4 | 2)
#define X(n) ((n) << 4 | 3)
#define Y(n) ((n) << 4 | 4)
#define F(n) ((n) << 4 | 5)
#define LIST 0x17
#define FR 0x27
#define LIT 0x47
#define NIL A(0)

/* The atoms every file here has, 1-based: see ATOMS in make_file. */
enum {
    A_MODULE = 1,
    A_F,
    A_G,
    A_ERLANG,
    A_ERROR,
    A_SETELEMENT,
    A_HD,
    A_LISTS,
    A_REVERSE,
    A_LENGTH,
    A_COPY,
    A_AT_LEAST,
    A_INTEGER,
    A_GET_TAIL,
    A_SKIP
};
/* Its imports. */
enum { IMP_ERROR_1, IMP_SETELEMENT_3, IMP_HD_1, IMP_REVERSE_1, IMP_LENGTH_1 };

struct recipe {
    const uint8_t *body; /* of f/1: between its entry label 2 and int_code_end */
    size_t n_body;
    unsigned n_labels;      /* default 8 */
    unsigned n_functions;   /* announced; default 1 */
    unsigned opcode_max;    /* default 180 */
    unsigned export_label;  /* default 2 */
    const char *drop_chunk; /* left out */
};

/* Module t: f/1 is exported; body may hold more functions. String table "abcdefgh"; one fun: g/1, no
 * free variables, label given, if fun_label is not 0. */
static inline void make_file(struct blob *out, const struct recipe *r, unsigned fun_label)
{
    static const char *const atoms[] = { "t", "f", "g", "erlang", "error", "setelement", "hd",
        "lists", "reverse", "length", "copy", "ensure_at_least", "integer", "get_tail", "skip" };
    static const unsigned imports[][3] = { { A_ERLANG, A_ERROR, 1 }, { A_ERLANG, A_SETELEMENT, 3 },
        { A_ERLANG, A_HD, 1 }, { A_LISTS, A_REVERSE, 1 }, { A_ERLANG, A_LENGTH, 1 } };
    struct blob chunks = { .n = 0 }, data = { .n = 0 };
    put_u32(&data, ARRAY_LEN(atoms));
    for (size_t i = 0; i < ARRAY_LEN(atoms); i++) {
        put_u8(&data, (unsigned) strlen(atoms[i]));
        put_bytes(&data, atoms[i], strlen(atoms[i]));
    }
    struct {
        const char *name;
        struct blob data;
    } all[6] = { { "AtU8", data } };
    data.n = 0;
    put_u32(&data, 16);
    put_u32(&data, 0);
    put_u32(&data, r->opcode_max != 0 ? r->opcode_max : 180);
    put_u32(&data, r->n_labels != 0 ? r->n_labels : 8);
    put_u32(&data, r->n_functions != 0 ? r->n_functions : 1);
    static const uint8_t start[] = { OP_label, U(1), OP_func_info, A(A_MODULE), A(A_F), U(1),
        OP_label, U(2) };
    put_bytes(&data, start, sizeof(start));
    put_bytes(&data, r->body, r->n_body);
    put_u8(&data, OP_int_code_end);
    all[1].name = "Code";
    all[1].data = data;
    data.n = 0;
    put_u32(&data, ARRAY_LEN(imports));
    for (size_t i = 0; i < ARRAY_LEN(imports); i++) {
        for (int k = 0; k < 3; k++) {
            put_u32(&data, imports[i][k]);
        }
    }
    all[2].name = "ImpT";
    all[2].data = data;
    data.n = 0;
    put_u32(&data, 1);
    put_u32(&data, A_F);
    put_u32(&data, 1);
    put_u32(&data, r->export_label != 0 ? r->export_label : 2);
    all[3].name = "ExpT";
    all[3].data = data;
    data.n = 0;
    put_bytes(&data, "abcdefgh", 8);
    all[4].name = "StrT";
    all[4].data = data;
    data.n = 0;
    put_u32(&data, fun_label != 0);
    if (fun_label != 0) {
        const unsigned fun[] = { A_G, 1, fun_label, 0, 0, 4711 };
        for (size_t i = 0; i < ARRAY_LEN(fun); i++) {
            put_u32(&data, fun[i]);
        }
    }
    all[5].name = "FunT";
    all[5].data = data;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (r->drop_chunk == NULL || strcmp(r->drop_chunk, all[i].name) != 0) {
            put_chunk(&chunks, all[i].name, &all[i].data);
        }
    }
    out->n = 0;
    put_bytes(out, "FOR1", 4);
    put_u32(out, chunks.n + 4);
    put_bytes(out, "BEAM", 4);
    put_bytes(out, chunks.bytes, chunks.n);
}

/* Through all checks. false: message in error. flags_of: flags of all instructions together. */
static inline bool check_file(const uint8_t *bytes, size_t n, char error[256], unsigned *flags)
{
    struct beam_file file;
    struct gen_code code = { 0 };
    bool ok = beam_file_parse(bytes, n, &file) && gen_decode(&file, &code) && gen_validate(&code);
    memcpy(error, file.error, sizeof(file.error));
    if (flags != NULL) {
        *flags = 0;
        for (size_t i = 0; i < code.n_insns; i++) {
            *flags |= code.insns[i].flags;
        }
    }
    gen_free(&code);
    beam_file_free(&file);
    return ok;
}

static inline void start_tables(void)
{
    VM_REQUIRE(arena_init_all());
    static bool done;
    if (!done) {
        atom_table_init();
        done = true;
    }
}

static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
