/* interp.h - what the emitter, the dispatch loop and the instruction bodies share.
 *
 * Stack, growing down; a frame of n slots:
 *
 *   E -> [return address of the call made from this frame, or NIL]
 *        [y0] ... [y(n-1)]
 *        [return address into the caller] ...           (the caller's E before `allocate`)
 *
 * `call` writes its return address to E[0] and moves nothing; `allocate n` moves E by n + 1;
 * `return` takes E[0], and leaves NIL there, so that code pointers on the stack are always
 * addresses of frames that wait for a call.
 */
#ifndef VM_INTERP_H
#define VM_INTERP_H

#include "vm/bif/bif.h"
#include "vm/code/code.h"
#include "vm/core/arith.h"
#include "vm/proc/sched.h"

enum op {
#define I(name)               I_##name,
#define TEST(name, predicate) I_##name##_x, I_##name##_y,
#define FRAME(name)           I_##name, I_##name##_1, I_##name##_2, I_##name##_3, I_##name##_4,
#define PAIR(first, length, second) I_##first##__##second,
#define OVER(test, length, second) I_##test##__over__##second,
#define FORK(test, length, out, second) I_##test##__##out##__over__##second,
#include "vm/emu/ops.def"
    OP_COUNT,
};

enum {
    INSN_A_SHIFT = 16,
    INSN_B_SHIFT = 32,
    INSN_C_SHIFT = 48,
    INSN_L_SHIFT = 32,
    INSN_FIELD_BITS = 16,
    REG_IS_Y = 4,
};

/* Gives exports their stubs. Once, before the first export_get(). */
void interp_init(void);

/* Turns a function into a native one: image->functions[index]. Any thread. */
void interp_patch_native(struct code_image *image, size_t index, void *nif_func);

/* An operand in a word of its own. */
static inline term *insn_register(struct sched *s, uintptr_t *stack, uint64_t w)
{
    return (w & REG_IS_Y) != 0 ? (term *) ((char *) stack + w - REG_IS_Y) : (term *) ((char *) s + w);
}
static inline term insn_source(struct sched *s, uintptr_t *stack, uint64_t w)
{
    return (w & TERM_PRIMARY_MASK) != 0 ? (term) { w } : *insn_register(s, stack, w);
}

/* Collects: roots are x[0..live), the stack and what p itself holds. False: p must end, reason in p->exc. */
bool interp_gc_roots(struct sched *s, struct proc *p, size_t live, size_t need_words) MUST_CHECK;

/* ---- exception.c ---- */
enum raise_kind {
    RAISE_CODE,   /* in the code at pc */
    RAISE_BIF,    /* a BIF of this name failed: arguments are shown, error_info added */
    RAISE_CALL,   /* a function of this name failed or is not there: arguments are shown, no line */
    RAISE_CLAUSE, /* no clause of the function pc lies in fits its arguments */
    RAISE_LAMBDA, /* a fun whose module is not there: module holds the fun */
    RAISE_CALLEE, /* in a call of what is no fun: as OTP has it, the code at pc shows as caller and as called */
};
struct raise_site {
    enum raise_kind kind;
    term module, function;
    const term *args;
    size_t n_args;
};
/* p->exc has class and reason. Records the trace and unwinds to the nearest catch. pc NULL: who called has no frame any more.
 * Next instruction, or NULL: there is none, p ends and p->exc holds all. */
const uint64_t *exception_raise(
    struct sched *s, struct proc *p, const uint64_t *pc, const struct raise_site *site) MUST_CHECK;
/* The list for a raw trace as try_case leaves it in x2; anything else is returned as it is. */
term exception_stacktrace(struct proc *p, term raw);
/* Raises again: reason with the raw trace. false: class or trace is none. */
bool exception_reraise(struct proc *p, term class, term reason, term trace);
/* What `catch` gives for a throw, exit or error. */
term exception_caught(struct proc *p, term class, term reason, term raw);

/* ---- bodies of instructions, out of the loop. They get the instruction's address, with heap top
 * and stack pointer written back, and answer with where to go on; NULL: raised, p->exc. ---- */
struct emu {
    struct sched *s;
    struct proc *p;
    uint8_t *bits;      /* binary under construction by bs_init and bs_put_* */
    size_t bits_at, bits_end;
};
static inline term emu_source(struct emu *m, uint64_t w)
{
    return insn_source(m->s, m->p->heap.stop, w);
}
/* enum bits_flags of an instruction's first word, or its operand for them */
static inline unsigned insn_bits_flags(uint64_t w)
{
    return (w >> 16) & 0xFFFF;
}
typedef const uint64_t *(*op_body)(struct emu *m, const uint64_t *pc);

/* Operands are read where they stand, beside the number: that costs less than taking them out of the word. Two at
 * once cost a load less, and loads are what the loop is short of. */
static inline unsigned insn_number(const uint64_t *pc)
{
    return *(const uint16_t *) pc;
}
static inline uint64_t insn_a(const uint64_t *pc)
{
    return ((const uint16_t *) pc)[INSN_A_SHIFT / 16];
}
static inline uint64_t insn_b(const uint64_t *pc)
{
    return ((const uint16_t *) pc)[INSN_B_SHIFT / 16];
}
static inline uint64_t insn_c(const uint64_t *pc)
{
    return ((const uint16_t *) pc)[INSN_C_SHIFT / 16];
}
static inline int64_t insn_l(const uint64_t *pc)
{
    return ((const int32_t *) pc)[INSN_L_SHIFT / 32];
}
struct operands { uint64_t first, second; };
static inline struct operands insn_ab(const uint64_t *pc)
{
    uint32_t both;
    memcpy(&both, (const char *) pc + INSN_A_SHIFT / 8, sizeof(both));
    return (struct operands) { both & UINT16_MAX, both >> 16 };
}
static inline struct operands insn_bc(const uint64_t *pc)
{
    uint32_t both = ((const uint32_t *) pc)[INSN_B_SHIFT / 32];
    return (struct operands) { both & UINT16_MAX, both >> 16 };
}
/* Fields i and i + 1 of eight bits; i is even. */
static inline struct operands insn_bytes(const uint64_t *pc, unsigned i)
{
    uint32_t both = ((const uint16_t *) pc)[(INSN_A_SHIFT + 8 * i) / 16];
    return (struct operands) { both & UINT8_MAX, both >> 8 };
}
/* Eight-bit fields behind the number, six of them: where registers below 256 will do. */
static inline uint64_t insn_byte(const uint64_t *pc, unsigned i)
{
    return ((const uint8_t *) pc)[INSN_A_SHIFT / 8 + i];
}
/* Where operand L leads: in bytes, so that nothing stands between two jumps but a load and an addition. */
static inline const uint64_t *insn_target(const uint64_t *pc)
{
    return (const uint64_t *) ((const char *) pc + insn_l(pc));
}
static inline bool insn_can_fail(const uint64_t *pc)
{
    return insn_l(pc) != 0;
}

/* ops_map.c */
const uint64_t *op_get_map_elements(struct emu *m, const uint64_t *pc);
const uint64_t *op_has_map_fields(struct emu *m, const uint64_t *pc);
const uint64_t *op_put_map(struct emu *m, const uint64_t *pc);
/* func_info: match contexts among the arguments become what is left of their binaries. */
void op_show_contexts(struct emu *m, size_t arity);
/* ops_tuple.c */
const uint64_t *op_update_record(struct emu *m, const uint64_t *pc);
/* native.c: calls a native function as a BIF is called */
struct nif_func;
term native_call(struct proc *p, struct nif_func *f, term *args);
/* ops_arith.c: any terms; TERM_NONE: p->exc is set */
term op_arith(struct proc *p, enum arith_op op, term a, term b);
term op_arith_name(enum arith_op op);
const struct bif_row *op_bif_row(enum op op);
/* ops_call.c: where a call goes; NULL: raised, site filled in */
const uint64_t *op_resolve_export(struct emu *m, struct export *e, struct raise_site *site);
const uint64_t *op_resolve_fun(struct emu *m, term fun, size_t *live, struct raise_site *site);
struct export *op_resolve_apply(struct emu *m, term module, term function, size_t arity);
/* Whose frame tops the trace when a BIF (row) or the native function whose entry is pc fails. */
struct raise_site op_call_site(const struct bif_row *row, const uint64_t *pc, const term *args, size_t n_args);
/* Drops the stack, shrinks the heap, and waits for a message to call p->trap with p->args. */
bool op_hibernate(struct emu *m) MUST_CHECK;
const uint64_t *interp_hibernated_code(void);
/* ops_bits.c */
const uint64_t *op_bs_start_match(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_get_integer(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_get_int_fixed(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_get_float(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_get_binary(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_get_binary_all(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_skip(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_match_string(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_get_tail(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_get_utf(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_skip_utf(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_match_equal(struct emu *m, const uint64_t *pc);
/* ops_build.c */
const uint64_t *op_bs_create_bin(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_init(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_append(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_private_append(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_init_writable(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_put_integer(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_put_binary(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_put_float(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_put_string(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_put_utf(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_add(struct emu *m, const uint64_t *pc);
const uint64_t *op_bs_utf_size(struct emu *m, const uint64_t *pc);

/* The kind and flags word of bit syntax instructions: to | flags << 16 | unit or bits << 32. */
static inline uint64_t bs_word(uint64_t to, unsigned flags, uint64_t n)
{
    return to | (uint64_t) flags << 16 | n << 32;
}

/* A segment of bs_create_bin: three words, [kind | flags << 8 | position << 16 | unit << 32][value][size].
 * With SEG_FIXED among the flags the third word is the size in bits itself. */
enum { SEG_FIXED = 0x80 };
enum segment_kind {
    SEG_INTEGER, SEG_FLOAT, SEG_BINARY, SEG_BINARY_ALL, SEG_APPEND, SEG_PRIVATE_APPEND, SEG_STRING,
    SEG_UTF8, SEG_UTF16, SEG_UTF32,
};

#endif
