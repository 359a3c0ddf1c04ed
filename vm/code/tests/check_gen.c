/* Code made by hand: what must pass, and what must be refused with which words. */
#include "vm/code/tests/code_test.h"
#include "vm/core/compare.h"

#define BODY(...)                                                                                  \
    .body = (const uint8_t[]) { __VA_ARGS__ }, .n_body = sizeof((const uint8_t[]) { __VA_ARGS__ })

/* A second function, g/1 with label 4, that returns its argument. */
#define FUNCTION_G                                                                                 \
    OP_label, U(3), OP_func_info, A(A_MODULE), A(A_G), U(1), OP_label, U(4), OP_return

static const struct {
    const char *error; /* part of the message; NULL: the file is good */
    unsigned flags;    /* of a good file */
    struct recipe recipe;
} cases[] = {
    { NULL, 0, { BODY(OP_return) } },
    { NULL, 0, { BODY(OP_move, A(A_F), X(3), OP_move, X(3), X(0), OP_return) } },
    { "return: x0 is not defined", 0,
        { BODY(OP_allocate, U(0), U(0), OP_deallocate, U(0), OP_return) } },
    { "move: x5 is not defined", 0, { BODY(OP_move, X(5), X(0), OP_return) } },

    /* instructions */
    { "offset 28: unknown opcode 200", 0, { BODY(200) } },
    { "offset 28: unknown opcode 0", 0, { BODY(0) } },
    { "obsolete instruction put_tuple/70: please recompile", 0,
        { BODY(OP_put_tuple, U(1), X(0)) } },
    { "move: register out of range", 0, { BODY(OP_move, 3 | 0x18, 0x40, 0x00, X(0)) } },
    { "move: operand of the wrong kind ('d' expected)", 0, { BODY(OP_move, X(0), I(1)) } },
    { "jump: label is not below 8", 0, { BODY(OP_jump, F(9)) } },
    { "move: atom is not in the table", 0, { BODY(OP_move, 0x0A, 200, X(0)) } },
    { "move: literal out of range", 0, { BODY(OP_move, LIT, U(0), X(0)) } },
    { "call_ext: operand of the wrong kind ('I' expected)", 0, { BODY(OP_call_ext, U(1), U(9)) } },
    { "select_val: list of 2 operands each", 0,
        { BODY(OP_select_val, X(0), F(1), LIST, U(1), I(1)) } },
    { "label 2 is there twice", 0, { BODY(OP_label, U(2), OP_return) } },
    { "code ends inside of an instruction", 0, { BODY(OP_move, 0x0B) } },
    { "bytes behind int_code_end", 0, { BODY(OP_return, OP_int_code_end, OP_return) } },
    { "1 functions, 2 announced", 0, { BODY(OP_return), .n_functions = 2 } },
    { "compiled for opcodes up to 190", 0, { BODY(OP_return), .opcode_max = 190 } },
    { "labels in", 0, { BODY(OP_return), .n_labels = 100000 } },
    { "no Code chunk", 0, { BODY(OP_return), .drop_chunk = "Code" } },
    { "no AtU8 chunk", 0, { BODY(OP_return), .drop_chunk = "AtU8" } },
    { "no ImpT chunk", 0, { BODY(OP_return), .drop_chunk = "ImpT" } },
    { "no ExpT chunk", 0, { BODY(OP_return), .drop_chunk = "ExpT" } },
    { NULL, 0, { BODY(OP_return), .drop_chunk = "StrT" } },
    { "ExpT chunk, offset 4: label 1 is not that of f/1", 0,
        { BODY(OP_return), .export_label = 1 } },
    { "ExpT chunk, offset 12: label 9 of 8", 0, { BODY(OP_return), .export_label = 9 } },

    /* where code goes */
    { "the function ends without a return", 0, { BODY(OP_move, X(0), X(1)) } },
    { "the function ends without a return", 0,
        { BODY(OP_move, X(0), X(1), FUNCTION_G), .n_functions = 2 } },
    { "label 5 does not exist", 0, { BODY(OP_jump, F(5)) } },
    { "label 4 is in another function", 0, { BODY(OP_jump, F(4), FUNCTION_G), .n_functions = 2 } },
    { "a loop that neither calls nor waits", 0, { BODY(OP_label, U(3), OP_jump, F(3)) } },
    { "a loop that neither calls nor waits", 0, { BODY(OP_jump, F(2)) } },
    { "a loop that neither calls nor waits", 0,
        { BODY(
            OP_label, U(3), OP_is_atom, F(4), X(0), OP_jump, F(3), OP_label, U(4), OP_return) } },
    { NULL, 0, { BODY(OP_label, U(3), OP_wait, F(3)) } },
    { NULL, 0, { BODY(OP_is_atom, F(1), X(0), OP_return) } },
    { "func_info: there is a frame", 0,
        { BODY(OP_allocate, U(0), U(1), OP_is_atom, F(1), X(0), OP_jump, F(1)) } },
    { "func_info: x0 is not defined", 0,
        { BODY(OP_allocate, U(0), U(0), OP_deallocate, U(0), OP_jump, F(1)) } },

    /* frames */
    { "return: there is a frame", 0, { BODY(OP_allocate, U(1), U(1), OP_return) } },
    { "deallocate: frame has 1 slots, not 2", 0,
        { BODY(OP_allocate, U(1), U(1), OP_deallocate, U(2), OP_return) } },
    { "deallocate: there is no frame", 0, { BODY(OP_deallocate, U(0), OP_return) } },
    { "allocate: there is a frame", 0, { BODY(OP_allocate, U(0), U(1), OP_allocate, U(0), U(1)) } },
    { "allocate: x1 is not defined", 0, { BODY(OP_allocate, U(0), U(2)) } },
    { "y0 is not in the frame of 0 slots", 0, { BODY(OP_move, X(0), Y(0)) } },
    { "y0 is not defined", 0,
        { BODY(OP_allocate, U(1), U(1), OP_move, Y(0), X(0), OP_deallocate, U(1), OP_return) } },
    { "test_heap: y0 is not initialised", 0,
        { BODY(OP_allocate, U(1), U(1), OP_test_heap, U(2), U(1)) } },
    { "trim: frame has 2 slots, not 3", 0,
        { BODY(OP_allocate_zero, U(2), U(1), OP_trim, U(1), U(2)) } },
    { NULL, 0,
        { BODY(OP_allocate_zero, U(2), U(1), OP_move, X(0), Y(1), OP_trim, U(1), U(1), OP_move,
            Y(0), X(0), OP_deallocate, U(1), OP_return) } },

    /* memory */
    { "put_list: 2 words of heap needed, 0 reserved", 0,
        { BODY(OP_put_list, X(0), NIL, X(0), OP_return) } },
    { NULL, 0, { BODY(OP_test_heap, U(2), U(1), OP_put_list, X(0), NIL, X(0), OP_return) } },
    { "put_list: 2 words of heap needed, 1 reserved", 0,
        { BODY(OP_test_heap, U(3), U(1), OP_put_list, X(0), NIL, X(0), OP_put_list, X(0), NIL, X(0),
            OP_return) } },
    { "put_tuple2: 3 words of heap needed, 2 reserved", 0,
        { BODY(
            OP_test_heap, U(2), U(1), OP_put_tuple2, X(0), LIST, U(2), X(0), X(0), OP_return) } },
    { NULL, 0,
        { BODY(OP_test_heap, 0x37, U(2), U(0), U(2), U(1), U(1), U(1), OP_put_list, X(0), NIL, X(0),
            OP_fconv, I(1), FR, U(0), OP_fmove, FR, U(0), X(1), OP_return) } },

    /* calls */
    { "call: there is no frame", 0,
        { BODY(OP_call, U(1), F(4), OP_return, FUNCTION_G), .n_functions = 2 } },
    { "call_only: 0 arguments for a function of arity 1", 0,
        { BODY(OP_call_only, U(0), F(4), FUNCTION_G), .n_functions = 2 } },
    { "call_only: label 3 is not the start of a function", 0,
        { BODY(OP_call_only, U(1), F(3), FUNCTION_G), .n_functions = 2 } },
    { NULL, 0, { BODY(OP_call_only, U(1), F(4), FUNCTION_G), .n_functions = 2 } },
    { "call_ext_only: 2 arguments for erlang:error/1", 0,
        { BODY(OP_call_ext_only, U(2), U(IMP_ERROR_1)) } },
    { "call_ext: there is no frame", 0, { BODY(OP_call_ext, U(1), U(IMP_REVERSE_1), OP_return) } },
    { NULL, 0, { BODY(OP_call_ext, U(1), U(IMP_ERROR_1)) } }, /* never comes back */
    { "x1 is not defined", 0,
        { BODY(OP_move, I(1), X(1), OP_allocate, U(0), U(2), OP_call_ext, U(1), U(IMP_REVERSE_1),
            OP_move, X(1), X(0), OP_deallocate, U(0), OP_return) } },
    { "bif1: 1 arguments for erlang:setelement/3", 0,
        { BODY(OP_bif1, F(0), U(IMP_SETELEMENT_3), X(0), X(0), OP_return) } },
    { NULL, 0, { BODY(OP_gc_bif1, F(0), U(1), U(IMP_LENGTH_1), X(0), X(0), OP_return) } },
    { "gc_bif1: x1 is not defined", 0,
        { BODY(OP_gc_bif1, F(0), U(2), U(IMP_LENGTH_1), X(0), X(0), OP_return) } },

    /* what is taken for granted */
    { NULL, GEN_UNPROVEN, { BODY(OP_get_tuple_element, X(0), U(0), X(0), OP_return) } },
    { NULL, 0,
        { BODY(OP_is_tuple, F(1), X(0), OP_test_arity, F(1), X(0), U(2), OP_get_tuple_element, X(0),
            U(1), X(0), OP_return) } },
    { NULL, GEN_UNPROVEN,
        { BODY(OP_is_tuple, F(1), X(0), OP_test_arity, F(1), X(0), U(2), OP_get_tuple_element, X(0),
            U(2), X(0), OP_return) } },
    { NULL, GEN_UNPROVEN, { BODY(OP_get_list, X(0), X(0), X(1), OP_return) } },
    { NULL, 0,
        { BODY(OP_is_nonempty_list, F(1), X(0), OP_get_list, X(0), X(0), X(1), OP_return) } },
    { NULL, 0,
        { BODY(OP_is_list, F(1), X(0), OP_is_nil, F(3), X(0), OP_return, OP_label, U(3), OP_get_hd,
            X(0), X(0), OP_return) } },
    { NULL, GEN_UNPROVEN, { BODY(OP_test_arity, F(1), X(0), U(2), OP_return) } },
    { "the tuple was not just made by setelement/3", 0,
        { BODY(OP_is_tagged_tuple, F(1), X(0), U(2), A(A_F), OP_set_tuple_element, I(1), X(0), U(0),
            OP_return) } },
    { NULL, 0,
        { BODY(OP_allocate, U(0), U(1), OP_move, X(0), X(1), OP_move, I(2), X(0), OP_move, I(7),
            X(2), OP_call_ext, U(3), U(IMP_SETELEMENT_3), OP_set_tuple_element, I(1), X(0), U(1),
            OP_deallocate, U(0), OP_return) } },
    { "the tuple was not just made by setelement/3", 0,
        { BODY(OP_allocate, U(0), U(1), OP_move, X(0), X(1), OP_move, I(2), X(0), OP_move, I(7),
            X(2), OP_call_ext, U(3), U(IMP_SETELEMENT_3), OP_test_heap, U(2), U(1),
            OP_set_tuple_element, I(1), X(0), U(1), OP_deallocate, U(0), OP_return) } },
    { "or is too small", 0,
        { BODY(OP_allocate, U(0), U(1), OP_move, X(0), X(1), OP_move, I(2), X(0), OP_move, I(7),
            X(2), OP_call_ext, U(3), U(IMP_SETELEMENT_3), OP_set_tuple_element, I(1), X(0), U(2),
            OP_deallocate, U(0), OP_return) } },
    { "fr3 is not defined", 0, { BODY(OP_fadd, F(0), FR, U(3), FR, U(3), FR, U(0), OP_return) } },

    /* catch and try */
    { "deallocate: a catch is open", 0,
        { BODY(OP_allocate, U(1), U(1), OP_catch, Y(0), F(3), OP_deallocate, U(1), OP_return,
            OP_label, U(3), OP_catch_end, Y(0), OP_deallocate, U(1), OP_return) } },
    { "y0 holds a catch", 0,
        { BODY(OP_allocate, U(1), U(1), OP_catch, Y(0), F(3), OP_move, X(0), Y(0), OP_label, U(3),
            OP_catch_end, Y(0), OP_deallocate, U(1), OP_return) } },
    { "y0 is not defined", 0,
        { BODY(OP_allocate, U(1), U(1), OP_catch, Y(0), F(3), OP_move, Y(0), X(0), OP_label, U(3),
            OP_catch_end, Y(0), OP_deallocate, U(1), OP_return) } },
    { "y0 does not hold the try it needs", 0,
        { BODY(OP_allocate_zero, U(1), U(1), OP_try_end, Y(0)) } },
    { "x0 is not defined", 0, /* what a catch leaves in x0 before catch_end is no term */
        { BODY(OP_allocate, U(1), U(1), OP_catch, Y(0), F(3), OP_call_ext, U(1), U(IMP_REVERSE_1),
            OP_label, U(3), OP_move, X(0), X(1), OP_catch_end, Y(0), OP_deallocate, U(1),
            OP_return) } },
    { NULL, 0,
        { BODY(OP_allocate, U(1), U(1), OP_catch, Y(0), F(3), OP_call_ext, U(1), U(IMP_REVERSE_1),
            OP_label, U(3), OP_catch_end, Y(0), OP_deallocate, U(1), OP_return) } },
    { NULL, 0,
        { BODY(OP_allocate, U(1), U(1), OP_try, Y(0), F(3), OP_call_ext, U(1), U(IMP_REVERSE_1),
            OP_try_end, Y(0), OP_deallocate, U(1), OP_return, OP_label, U(3), OP_try_case, Y(0),
            OP_move, X(2), X(0), OP_deallocate, U(1), OP_return) } },
    { "try_case: reached without an exception", 0,
        { BODY(OP_allocate, U(1), U(1), OP_try, Y(0), F(3), OP_is_atom, F(3), X(0), OP_call_ext,
            U(1), U(IMP_REVERSE_1), OP_try_end, Y(0), OP_deallocate, U(1), OP_return, OP_label,
            U(3), OP_try_case, Y(0), OP_deallocate, U(1), OP_return) } },
    { NULL, GEN_NO_RETURN,
        { BODY(OP_allocate_zero, U(1), U(1), OP_try, Y(0), F(3), OP_gc_bif1, F(0), U(1),
            U(IMP_LENGTH_1), A(A_F), X(0), OP_label, U(3), OP_try_case, Y(0), OP_deallocate, U(1),
            OP_return) } },
    { NULL, GEN_NO_RETURN,
        { BODY(OP_allocate, U(1), U(1), OP_try, Y(0), F(3), OP_call_ext, U(1), U(IMP_REVERSE_1),
            OP_label, U(3), OP_try_case, Y(0), OP_deallocate, U(1), OP_return) } },

    /* the bit syntax */
    { "return: x0 may hold a match context", 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(0), OP_return) } },
    { "x0 may hold a match context", 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(0), OP_test_heap, U(2), U(1), OP_put_list,
            X(0), NIL, X(0), OP_return) } },
    { "x0 may hold a match context", 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(0), OP_call_only, U(1), F(4), FUNCTION_G),
            .n_functions = 2 } },
    { NULL, 0,
        { BODY(OP_bs_start_match3, F(3), X(0), U(1), X(0), OP_bs_get_tail, X(0), X(0), U(1),
            OP_call_only, U(1), F(2), OP_label, U(3), OP_return) } },
    { NULL, 0,
        { BODY(OP_bs_start_match3, F(3), X(0), U(1), X(0), OP_call_only, U(1), F(2), OP_label, U(3),
            OP_return) } },
    { "x0 is not known to hold a match context", 0,
        { BODY(OP_bs_test_tail2, F(1), X(0), U(0), OP_return) } },
    { "of the string table of 8 bytes", 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(1), OP_bs_match_string, F(1), X(1), 0x08, 65,
            U(0), OP_return) } },
    { NULL, 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(1), OP_bs_match_string, F(1), X(1), 0x08, 64,
            U(0), OP_return) } },
    { "bs_put_utf8: no binary has been begun", 0,
        { BODY(OP_bs_put_utf8, F(0), U(0), X(0), OP_return) } },
    { NULL, 0,
        { BODY(OP_bs_init2, F(0), U(4), U(0), U(1), U(0), X(1), OP_bs_put_integer, F(0), I(8), U(1),
            U(0), X(0), OP_return) } },

    /* instructions of OTP 26 */
    { NULL, 0,
        { BODY(OP_is_tagged_tuple, F(1), X(0), U(3), A(A_F), OP_test_heap, U(4), U(1),
              OP_update_record, A(A_COPY), U(3), X(0), X(0), LIST, U(2), U(2), I(7), OP_return),
            .opcode_max = 184 } },
    { NULL, GEN_UNPROVEN,
        { BODY(OP_test_heap, U(4), U(1), OP_update_record, A(A_COPY), U(3), X(0), X(0), LIST, U(2),
              U(2), I(7), OP_return),
            .opcode_max = 184 } },
    { "update_record: element 4 of 3", 0,
        { BODY(OP_test_heap, U(4), U(1), OP_update_record, A(A_COPY), U(3), X(0), X(0), LIST, U(2),
              U(4), I(7), OP_return),
            .opcode_max = 184 } },
    { "4 words of heap needed, 0 reserved", 0,
        { BODY(OP_update_record, A(A_COPY), U(3), X(0), X(0), LIST, U(2), U(2), I(7), OP_return),
            .opcode_max = 184 } },
    { NULL, 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(1), OP_bs_match, F(3), X(1), LIST, U(13),
              A(A_AT_LEAST), U(8), U(1), A(A_INTEGER), U(2), NIL, I(8), U(1), X(2), A(A_GET_TAIL),
              U(3), U(8), X(0), OP_return, OP_label, U(3), OP_return),
            .opcode_max = 184 } },
    { "bs_match: command cut off", 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(1), OP_bs_match, F(1), X(1), LIST, U(2),
              A(A_AT_LEAST), U(8), OP_return),
            .opcode_max = 184 } },
    { "bs_match: unknown command", 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(1), OP_bs_match, F(1), X(1), LIST, U(1),
              A(A_F), OP_return),
            .opcode_max = 184 } },
    { "bs_match: x2 is not defined", 0,
        { BODY(OP_bs_start_match3, F(1), X(0), U(1), X(1), OP_bs_match, F(1), X(1), LIST, U(4),
              A(A_GET_TAIL), U(3), U(8), X(0), OP_return),
            .opcode_max = 184 } },
    { NULL, 0,
        { BODY(OP_executable_line, U(3), U(0), OP_debug_line, A(A_F), U(1), U(2), U(1), OP_return),
            .opcode_max = 184 } },

    /* messages */
    { NULL, GEN_PIN,
        { BODY(OP_allocate_zero, U(1), U(0), OP_label, U(3), OP_loop_rec, F(4), X(0), OP_move, X(0),
            Y(0), OP_loop_rec_end, F(3), OP_label, U(4), OP_wait, F(3)) } },
    { NULL, 0,
        { BODY(OP_label, U(3), OP_loop_rec, F(4), X(0), OP_remove_message, OP_return, OP_label,
            U(4), OP_wait, F(3)) } },
};

START_TEST(code_is_judged)
{
    struct blob file;
    char error[256];
    unsigned flags;
    make_file(&file, &cases[_i].recipe, 0);
    bool ok = check_file(file.bytes, file.n, error, &flags);
    if (cases[_i].error == NULL) {
        ck_assert_msg(ok, "case %d: %s", _i, error);
        ck_assert_msg(flags == cases[_i].flags, "case %d: flags %u", _i, flags);
    } else {
        ck_assert_msg(!ok && strstr(error, cases[_i].error) != NULL, "case %d: \"%s\", not \"%s\"",
            _i, error, cases[_i].error);
    }
}
END_TEST

/* Numbers of every length: read as the compiler writes them. */
static const struct {
    uint8_t bytes[14];
    int64_t value;
} numbers[] = {
    { { I(0) }, 0 },
    { { I(15) }, 15 },
    { { 0x09, 16 }, 16 },
    { { 0xE9, 0xFF }, 2047 },
    { { 0x19, 0xFF, 0xFF }, -1 },
    { { 0x19, 0x08, 0x00 }, 2048 },
    { { 0x39, 0x80, 0x00, 0x00 }, -0x800000 },
    { { 0xD9, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF }, INT64_MAX },
    { { 0xD9, 0x80, 0, 0, 0, 0, 0, 0, 0 }, INT64_MIN },
};

START_TEST(numbers_are_decoded)
{
    uint8_t body[24] = { OP_move };
    size_t n = 1
               + ((numbers[_i].bytes[0] & 8) == 0     ? 1
                   : (numbers[_i].bytes[0] & 16) == 0 ? 2
                                                      : 3 + (numbers[_i].bytes[0] >> 5));
    memcpy(body + 1, numbers[_i].bytes, n - 1);
    body[n++] = X(0);
    body[n++] = OP_return;
    struct blob blob;
    make_file(&blob, &(struct recipe) { .body = body, .n_body = n }, 0);
    struct beam_file file;
    struct gen_code code = { 0 };
    ck_assert_msg(
        beam_file_parse(blob.bytes, blob.n, &file) && gen_decode(&file, &code), "%s", file.error);
    struct heap h;
    heap_init_frags(&h);
    term expected = heap_integer(&h, numbers[_i].value);
    ck_assert(term_equal_exact(gen_arg(&code, &code.insns[3], 0)->constant, expected));
    heap_destroy(&h);
    gen_free(&code);
    beam_file_free(&file);
}
END_TEST

START_TEST(the_table_of_instructions_is_complete)
{
    for (int op = 1; op <= OPCODE_MAX; op++) {
        ck_assert_msg(opcode_table[op].name != NULL, "opcode %d", op);
        ck_assert_ptr_nonnull(opcode_table[op].doc);
    }
    ck_assert_str_eq(opcode_table[164].name, "put_tuple2");
    ck_assert_ptr_null(opcode_table[70].operands);
}
END_TEST

int main(void)
{
    start_tables();
    Suite *suite = suite_create("gen");
    TCase *tc = tcase_create("gen");
    tcase_add_loop_test(tc, code_is_judged, 0, (int) ARRAY_LEN(cases));
    tcase_add_loop_test(tc, numbers_are_decoded, 0, (int) ARRAY_LEN(numbers));
    tcase_add_test(tc, the_table_of_instructions_is_complete);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
