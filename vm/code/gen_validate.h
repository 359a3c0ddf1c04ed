/* gen_validate.h - what the files of the validator share: the abstract machine it runs code on.
 *
 * Every function is followed along all of its paths with a state that says what each register
 * holds. Where paths meet the states are merged to what holds on all of them, and what follows is
 * run again if that weakened anything; states only ever get weaker, so this ends. Arguments of
 * local functions are merged over all calls in the same way.
 *
 *   gen_validate.c        functions, tables, the order of work
 *   gen_validate_merge.c  where paths meet: labels, exceptions, arguments of local functions
 *   gen_validate_loops.c  no loop without a call
 *   gen_validate_regs.c   registers and heap
 *   gen_validate_data.c   what instructions need and leave: tests, BIFs, terms, floating point
 *   gen_validate_flow.c   calls, frames, catches, messages
 *   gen_validate_bits.c   the bit syntax
 */
#ifndef VM_GEN_VALIDATE_H
#define VM_GEN_VALIDATE_H

#include "vm/code/gen_internal.h"

/* What a register holds: kind, and one number for some kinds. */
enum reg_kind {
    REG_UNDEF,       /* nothing that may be looked at */
    REG_TERM,        /* any term */
    REG_TUPLE,       /* number: it has at least so many elements */
    REG_FRESH_TUPLE, /* made by setelement/3 and not yet seen by a collection: may be written */
    REG_CONS,
    REG_LIST, /* cons or [] */
    REG_MAP,
    REG_FLOAT,
    REG_SMALL, /* number: its value */
    REG_MATCH, /* a match context: no term, must not get out of the function */
    REG_TERM_OR_MATCH,
    REG_CAUGHT,     /* x0 where a catch continues: only catch_end may look */
    REG_CAUGHT_TRY, /* x0 where a try continues: only try_case may look */
    REG_TIMEOUT, /* a term, or anything while the timer of a receive runs: wait_timeout may look */
    REG_CATCH_TAG, /* y only; number: label */
    REG_TRY_TAG,
};
enum {
    REG_KIND_MASK = 0xF,
    REG_FRAGILE = 0x10, /* lies in a message that is still in the queue: must not be kept */
    REG_NUMBER_SHIFT = 5,
    REG_NUMBER_MAX = (1 << 26) - 1,
};
typedef uint32_t reg;

static inline enum reg_kind reg_kind(reg r)
{
    return (enum reg_kind)(r & REG_KIND_MASK);
}
static inline uint32_t reg_number(reg r)
{
    return r >> REG_NUMBER_SHIFT;
}
static inline reg reg_make(enum reg_kind kind, uint32_t number)
{
    return (reg) kind | number << REG_NUMBER_SHIFT;
}
static inline bool reg_is_term(reg r)
{
    enum reg_kind k = reg_kind(r);
    return k >= REG_TERM && k <= REG_SMALL;
}
static inline bool reg_is_tag(reg r)
{
    return reg_kind(r) >= REG_CATCH_TAG;
}

/* The compiler lets paths with different frames share code that ends in an exception. */
enum frame {
    FRAME_NONE,
    FRAME_SOME,
    FRAME_UNKNOWN,       /* at least the slots that are known */
    FRAME_UNKNOWN_UNDEF, /* and some may not be initialised: nothing can be collected */
};

/* The state where an instruction runs. */
struct vstate {
    uint32_t n_x, n_y, n_f; /* x and f: all at and above are undefined; y: size of the frame */
    uint32_t heap_words;    /* reserved and not yet used */
    uint32_t n_tags;        /* slots that hold one */
    enum frame frame;
    bool building; /* a binary is begun for bs_put_* */
    reg x[GEN_MAX_REGISTERS], y[GEN_MAX_REGISTERS];
    uint8_t f[GEN_MAX_FLOAT_REGISTERS];
};

/* The same at a label, as small as it can be. */
struct vlabel_state {
    uint32_t n_x, n_y, n_f;
    uint32_t heap_words;
    enum frame frame;
    bool building;
    reg regs[]; /* x, then y */
};

struct vfunction {
    uint32_t start, entry, end; /* instructions; entry: the first one after func_info */
    uint32_t label;             /* of the entry */
    uint32_t arity;
    bool reached, dirty;
    reg *args; /* arity of them, in validator.args */
};

struct validator {
    struct gen_code *code;
    struct beam_file *file;
    struct vfunction *functions;
    uint32_t *label_function;           /* label -> function + 1 whose entry it is, 0: none */
    struct vlabel_state **label_states; /* NULL: not reached */
    uint8_t *label_dirty;
    reg *args;
    size_t n_dirty;
    size_t state_bytes, steps; /* spent, against budgets */
    uint32_t lowest_dirty;     /* instruction */
    bool backward;             /* this function has a jump back */

    const struct vfunction *function; /* being run */
    struct gen_insn *insn;
    uint32_t at;               /* its index */
    struct gen_insn *previous; /* the instruction before it if it runs into it, or NULL */
    bool reachable;            /* what follows can be reached from it */
    bool failed;
    struct vstate s;
};

bool vfail(struct validator *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Operands of the instruction at hand. */
static inline const struct gen_operand *varg(const struct validator *v, size_t n)
{
    return gen_arg(v->code, v->insn, n);
}

static inline struct gen_operand vx(uint32_t i)
{
    return (struct gen_operand) { .kind = GEN_X, .value = i };
}

/* Where a register is kept; NULL, and failed, if there is no such slot. */
reg *vslot(struct validator *v, const struct gen_operand *o);
/* A register or constant as a term: fails unless it is one. TERM facts come back. */
reg vuse(struct validator *v, const struct gen_operand *o);
/* As vuse, for what is going to be kept: not fragile. */
reg vkeep(struct validator *v, const struct gen_operand *o);
/* Any defined register, match contexts too. */
reg vuse_any(struct validator *v, const struct gen_operand *o);
void vuse_x(struct validator *v, uint32_t n); /* x0 .. n-1 are terms and may be kept */
void vdef(struct validator *v, const struct gen_operand *o, reg r);
void vdef_x0(struct validator *v); /* any term */
void vdrop_x(struct validator *v, uint32_t from);
/* Something more is known of a register from here on. */
void vlearn(struct validator *v, const struct gen_operand *o, reg r);
reg vfact_of_constant(term t);

/* Anything may be collected here: live x registers and the whole frame must be in order; the rest of x
 * is gone afterwards, and what was reserved too. */
void vcollect(struct validator *v, const struct gen_operand *live);
void vcollect_n(struct validator *v, uint32_t live);
void vreserve(struct validator *v, const struct gen_operand *words);
void vconsume(struct validator *v, uint32_t words);
void vdrop_fragile(struct validator *v);
/* Whatever is known of messages still in the queue: gone, or ours. */
void vpin(struct validator *v);
void vmessage_is_ours(struct validator *v);
bool vframe_is_fragile(const struct validator *v);
void vtrusted(struct validator *v, bool proven); /* else the instruction is GEN_UNPROVEN */

/* What comes to a label: the current state, but x and what follows as given. */
void varrive(struct validator *v, uint32_t label, const reg *x, uint32_t n_x, uint32_t n_f,
    uint32_t heap_words);
uint32_t vfloat_prefix(const struct vstate *s);
void vload_label(struct validator *v, uint32_t label);
void vmerge_args(struct vfunction *f, const reg *args);
bool vcheck_loops(struct validator *v) MUST_CHECK;

void vjump(struct validator *v, const struct gen_operand *label); /* label 0: nothing */
/* The function an operand names, which must take so many arguments. */
const struct export *vimport(struct validator *v, const struct gen_operand *o, int64_t arity);

/* The jump instruction. */
void vjump_always(struct validator *v, const struct gen_operand *label);
/* A jump to label or, for label 0, an exception. */
void vfail_or_raise(struct validator *v, const struct gen_operand *label);
void vraise(struct validator *v);
void vcall_local(struct validator *v, uint32_t arity, const struct gen_operand *label);

/* One instruction each; false: it is not of this kind. */
bool vstep_data(struct validator *v);
bool vstep_flow(struct validator *v);
bool vstep_bits(struct validator *v);

#endif
