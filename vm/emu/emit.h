/* emit.h - the state of turning one module's generic code into an image. */
#ifndef VM_EMIT_H
#define VM_EMIT_H

#include "vm/code/gen.h"
#include "vm/emu/interp.h"

enum fixup_kind {
    FIX_L,    /* operand L of the instruction's first word */
    FIX_LOW,  /* low half of a word */
    FIX_HIGH,
};
struct fixup {
    uint32_t word, insn; /* where; and the instruction it is relative to */
    uint32_t label;
    enum fixup_kind kind;
};

struct emitter {
    const struct gen_code *gen;
    struct code_image *image;
    uint64_t *words; /* owned */
    size_t n_words, cap_words;
    uint32_t insn;        /* first word of the instruction being written */
    uint32_t *starts;     /* owned; first words of this function's instructions */
    size_t n_starts, cap_starts;
    uint32_t *label_word; /* owned; of labels, then of islands. UINT32_MAX: not yet placed */
    size_t n_labels, cap_labels;
    uint32_t *island_target; /* owned; by island: label it jumps on to */
    size_t first_island;     /* of this function */
    struct fixup *fixups; /* owned */
    size_t n_fixups, cap_fixups;
    size_t cap_lines, cap_catches;
    struct emit_catch { uint32_t label, tag_word; } *catches; /* owned */
    size_t n_catches;
    size_t at;            /* index of the generic instruction */
    size_t ints_end;      /* the first that the last bs_get_ints does not cover */
    const char *error;    /* NULL: none so far */
};

/* ---- emit.c: writing ---- */
void emit_word(struct emitter *e, uint64_t w);
void emit_op(struct emitter *e, enum op op, uint64_t a, uint64_t b, uint64_t c);
void emit_op_label(struct emitter *e, enum op op, uint64_t a, uint32_t label);
/* A word of two labels, relative to the instruction; label2 0: none. */
void emit_labels(struct emitter *e, uint32_t label1, uint32_t label2);
void emit_source(struct emitter *e, const struct gen_operand *o);
void emit_fail(struct emitter *e, const char *why);
/* Records the lines among the next n instructions here: they are about to be taken as one. */
void emit_lines_within(struct emitter *e, size_t n);

/* Operands, counted from 0. */
static inline const struct gen_operand *emit_arg(const struct emitter *e, const struct gen_insn *i, size_t n)
{
    return gen_arg(e->gen, i, n);
}
/* 0: none, what fails is an error. */
static inline uint32_t emit_label_of(const struct gen_operand *o)
{
    return o->kind == GEN_LABEL ? (uint32_t) o->value : 0;
}
/* Bytes of a frame of so many slots. */
static inline uint64_t emit_frame_bytes(const struct gen_operand *n_slots)
{
    return ((uint64_t) n_slots->value + 1) * sizeof(term);
}
/* The form of a FRAME instruction for a frame of that size. */
static inline enum op emit_for_frame(enum op op, uint64_t bytes)
{
    uint64_t words = bytes / sizeof(term);
    return words <= 4 ? (enum op) ((unsigned) op + (unsigned) words) : op;
}
/* A constant where a register is needed is moved to one first. */
uint64_t emit_reg(struct emitter *e, const struct gen_operand *o);   /* r */
static inline uint64_t emit_x(const struct gen_operand *o)
{
    return (uint64_t) o->value * sizeof(term);
}
static inline uint64_t emit_y(const struct gen_operand *o) /* without the flag */
{
    return ((uint64_t) o->value + 1) * sizeof(term);
}
static inline bool operand_is_const(const struct gen_operand *o)
{
    return o->kind == GEN_CONST;
}
static inline bool operand_is_small(const struct gen_operand *o)
{
    return o->kind == GEN_CONST && term_is_small(o->constant);
}
static inline bool operand_is_immed(const struct gen_operand *o)
{
    return o->kind == GEN_CONST && term_is_immed(o->constant);
}
static inline bool operand_same_register(const struct gen_operand *a, const struct gen_operand *b)
{
    return a->kind == b->kind && (a->kind == GEN_X || a->kind == GEN_Y) && a->value == b->value;
}

/* The nth generic instruction after the one being written, NULL: none or not of that kind. */
const struct gen_insn *emit_peek(const struct emitter *e, size_t n, enum opcode op);

/* ---- emit_*.c: one generic instruction; *used: how many were taken (1 unless fused) ---- */
bool emit_move(struct emitter *e, const struct gen_insn *i, size_t *used);
/* An allocate with the moves behind it that save arguments in the frame. false: not of that form, nothing is written. */
bool emit_allocate_moves(struct emitter *e, const struct gen_insn *i, const struct gen_operand *live, size_t *used);
bool emit_test(struct emitter *e, const struct gen_insn *i, size_t *used);
bool emit_select(struct emitter *e, const struct gen_insn *i, size_t *used);
bool emit_data(struct emitter *e, const struct gen_insn *i, size_t *used);
bool emit_call(struct emitter *e, const struct gen_insn *i, size_t *used);
bool emit_bif(struct emitter *e, const struct gen_insn *i, size_t *used);
bool emit_bits(struct emitter *e, const struct gen_insn *i, size_t *used);
bool emit_build(struct emitter *e, const struct gen_insn *i, size_t *used);

/* Index of the function that starts at label; -1: none. */
intptr_t emit_function_of_label(const struct emitter *e, int64_t label);

#endif
