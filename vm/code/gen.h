/* gen.h - a module's code as the compiler wrote it: generic instructions, decoded and checked.
 *
 * Made by gen_decode(), judged by gen_validate(), read by the disassembler and the emitter.
 * Constants are already terms (literals live in arena_literals), imports already exports.
 */
#ifndef VM_GEN_H
#define VM_GEN_H

#include "vm/code/beam_file.h"
#include "vm/code/code.h"
#include "vm/code/opcode.h"

enum gen_kind {
    GEN_U,     /* untagged number: arity, live, words, unit; index into file->imports (I, B) or
                * file->lambdas (F, g), offset into file->strings (S, v) */
    GEN_CONST, /* a term: small, atom, nil, literal */
    GEN_X,
    GEN_Y,
    GEN_FR,    /* floating point register */
    GEN_LABEL, /* 0: no label ("raise instead") */
    GEN_LIST,  /* value: number of elements; they follow as operands of their own */
    GEN_ALLOC, /* allocation list: value = words in total (floats and funs converted to words) */
};

struct gen_operand {
    enum gen_kind kind;
    int64_t value; /* U, X, Y, FR, LABEL, LIST, ALLOC */
    term constant; /* CONST */
};

enum gen_insn_flags {
    GEN_UNPROVEN =
        1,       /* what the instruction takes for granted (a tuple of that arity, a cons, a map,
                       * a match context, an exact register type) was not proven by the validator: emit
                       * the form that checks and raises badarg */
    GEN_PIN = 2, /* keeps (part of) the message that loop_rec looks at, which is still in the
                        * queue: call msgq_pin() before it */
    GEN_NO_RETURN =
        4, /* the code cannot go on behind it, because it never succeeds: raise badarg if it
                        * does; a jump is never reached: raise badarg instead */
};

struct gen_insn {
    uint16_t op; /* enum opcode: number as in genop.tab */
    uint16_t flags;
    uint32_t first_operand; /* index into operands */
    uint32_t n_operands; /* top-level plus list elements: everything up to the next instruction */
    uint32_t offset;     /* byte offset in the Code chunk, for messages */
};

struct gen_code {
    struct beam_file *file; /* borrowed */
    term module;
    struct gen_insn *insns; /* owned */
    size_t n_insns;
    struct gen_operand *operands; /* owned */
    size_t n_operands;
    uint32_t n_labels;    /* labels are 1 .. n_labels - 1 */
    uint32_t *label_insn; /* owned: label -> index of its `label` instruction; UINT32_MAX: absent */
    uint32_t n_functions;
    uint32_t *function_insn; /* owned: index of each func_info */
};

static inline const struct gen_operand *gen_arg(
    const struct gen_code *c, const struct gen_insn *i, size_t n)
{
    return &c->operands[i->first_operand + n];
}

/* gen_validate() also turns call_ext_only and call_ext_last of BIFs that never return (error, exit,
 * throw, nif_error) into call_ext, because the compiler may leave any frame there.
 * Both: false and a message in file->error, naming chunk and offset. */
bool gen_decode(struct beam_file *file, struct gen_code *out) MUST_CHECK;
bool gen_validate(struct gen_code *code) MUST_CHECK;
void gen_free(struct gen_code *code);

/* Turns validated code into an image: specialised, fused, threaded. vm/emu/emit.c.
 * NULL and file->error on failure. */
struct code_image *emit_image(const struct gen_code *code) MUST_CHECK;

#endif
