/* interp.c - the dispatch loop: one handler per internal instruction of ops.def, nothing else. The
 * handlers stand in interp_*.inc, by subject; what several of them end in, and pairs, here.
 *
 * pc, the heap top, the stack pointer and the reductions left live in locals; they are written
 * back (SAVE) around everything that may look at them or change them.
 * CASE and the NEXT forms are the only macros that hide control flow.
 */
#include "vm/emu/interp_parts.h"

#include <math.h>

#include "lib/base/arena.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/map.h"
#include "vm/proc/signal.h"
#include "vm/proc/timer.h"

#define LIKELY(c)   __builtin_expect(!!(c), 1)
#define UNLIKELY(c) __builtin_expect(!!(c), 0)

/* Jumps backwards in one slice before code that never calls anything is taken for a loop. */
enum { JUMPS_BACK_MAX = 1000000 };

/* X, F, A, B, C: interp_parts.h */
#define Y(offset) (*(term *) ((char *) stop + (offset)))
#define R(offset) (*insn_register(s, stop, (offset)))
#define SRC(word) (insn_source(s, stop, (word)))
#define L         (insn_l(pc))

#define CASE(name) name##_:
/* The usual case of an instruction of interp_parts.h. */
#define PART(name)  part_##name(s, &stop, &top, pc)
#define FAILS(name) fails_##name(s, pc)
#define NEXT_AT(address)                       \
    do {                                       \
        pc = (address);                        \
        goto *labels[insn_number(pc)];         \
    } while (0)
#define NEXT(n)     NEXT_AT(pc + (n))
#define NEXT_FAIL() NEXT_AT(insn_target(pc))
#define NEXT_CALL(entry)                       \
    do {                                       \
        pc = (entry);                          \
        if (UNLIKELY(--reds < 0)) { /* one comparison with the subtraction */ \
            goto out_of_reductions_at_entry;   \
        }                                      \
        NEXT_AT(pc);                           \
    } while (0)
/* From a leaf, into a frame that calls again or ends in the form below. */
#define NEXT_RETURN()                          \
    do {                                       \
        pc = (const uint64_t *) stop[0];       \
        stop[0] = TERM_IMMED2_NIL;             \
        NEXT_AT(pc);                           \
    } while (0)
/* Counts no reduction, but lets collect_soon have its way in the midst of many returns. */
#define NEXT_RETURN_SAFE()                     \
    do {                                       \
        pc = (const uint64_t *) stop[0];       \
        stop[0] = TERM_IMMED2_NIL;             \
        if (UNLIKELY(reds <= 0)) {             \
            live = 1;                          \
            goto out_of_reductions;            \
        }                                      \
        NEXT_AT(pc);                           \
    } while (0)
#define SAVE()  (P->heap.top = top, P->heap.stop = stop)
#define LOAD()  (top = P->heap.top, stop = P->heap.stop)
/* The process: not in a local, so that what counts gets the registers. */
#define P       (s->current)

static inline const uint64_t *label_in(const uint64_t *pc, uint64_t word)
{
    return (const uint64_t *) ((const char *) pc + (int32_t) word);
}
static inline int compare_terms(term a, term b)
{
    if (term_is_float(a) && term_is_float(b)) {
        double x = term_to_double(a), y = term_to_double(b);
        return (x > y) - (x < y);
    }
    return term_compare(a, b);
}
static inline term small_bits(uint64_t value) /* value in the bits of a small */
{
    return (term) { value | TERM_IMMED_SMALL };
}
static inline uint64_t bits_of_small(term t)
{
    return t.word & ~(uint64_t) TERM_IMMED_MASK;
}
/* Label number k of a choice: two to a word, from `labels` on. */
static inline const uint64_t *choice(const uint64_t *pc, const uint64_t *labels, size_t k)
{
    return (const uint64_t *) ((const char *) pc + ((const int32_t *) labels)[k]);
}

static void save_registers(struct sched *s, struct proc *p, const uint64_t *pc, size_t live)
{
    proc_reserve_args(p, live);
    memcpy(p->args, s->x, live * sizeof(term));
    p->n_args = (uint16_t) live;
    p->pc = pc;
}

/* What a BIF that gave no value wants, unless it is to raise or trap: out of the loop. */
static enum run_result leave_bif(struct sched *s, struct proc *p, const uint64_t *pc, size_t arity)
{
    enum proc_control control = p->control;
    p->control = CONTROL_NONE;
    save_registers(s, p, pc, arity);
    if (control == CONTROL_RETRY && s->kind != SCHED_NORMAL) {
        return RUN_TO_NORMAL;
    }
    return control == CONTROL_WAIT ? RUN_WAITING : RUN_YIELDED;
}

static enum run_result dirty_result(unsigned flags)
{
    return (flags & BIF_DIRTY_CPU) ? RUN_TO_DIRTY_CPU : RUN_TO_DIRTY_IO;
}

/* On OTP erlang:apply/2 is a function of Erlang, unless a call of it stands in the code. */
static void note_apply(struct proc *p)
{
    p->exc.outer = ATOM(apply);
    p->exc.outer_arity = 2;
}

/* Runs p until it has to leave the processor. */
/* Aligned to lines of the instruction cache: what lies before it is not to change its speed. */
static __attribute__((aligned(64))) enum run_result loop(struct sched *s)
{
    static const void *const labels[OP_COUNT] = {
#define I(name)               [I_##name] = &&name##_,
#define TEST(name, predicate) [I_##name##_x] = &&name##_x_, [I_##name##_y] = &&name##_y_,
#define FRAME(name)                                                                        \
    [I_##name] = &&name##_, [I_##name##_1] = &&name##_1_, [I_##name##_2] = &&name##_2_,    \
    [I_##name##_3] = &&name##_3_, [I_##name##_4] = &&name##_4_,
#define PAIR(first, length, second) [I_##first##__##second] = &&first##__##second##_,
#define OVER(test, length, second) [I_##test##__over__##second] = &&test##__over__##second##_,
#define FORK(test, length, out, second) [I_##test##__##out##__over__##second] = &&test##__##out##__over__##second##_,
#include "vm/emu/ops.def"
    };
    struct emu m = { .s = s, .p = s->current };
    const uint64_t *pc = P->pc;
    uintptr_t *top = P->heap.top, *stop = P->heap.stop;
    intptr_t reds = P->reductions_left;
    intptr_t reds_put_aside = 0; /* see collect_soon */
    /* Handed to the code behind the handlers. */
    size_t live = 0, length = 0;
    bool has_label;
    struct raise_site site = { .kind = RAISE_CODE };
    enum arith_op code = ARITH_ADD;
    term a, b, *to, args[3];
    const struct bif_row *row;
    struct export *target;
    const uint64_t *resume, *last_fun = NULL;
    enum { TAIL_NONE, TAIL_ONLY, TAIL_LAST, TAIL_APPLIED /* by erlang:apply/2 as a function */ } tail = TAIL_NONE;

    if (LIKELY(insn_number(pc) == I_loop_rec)) {
        goto loop_rec_; /* most come back from waiting */
    }
    NEXT_AT(pc);

    /* ---- two in one ---- */
#define PAIR(first, length, second)            \
    CASE (first##__##second) {                 \
        if (LIKELY(PART(first))) {             \
            pc += (length);                    \
            goto second##_;                    \
        }                                      \
        goto first##_;                         \
    }
#define OVER(test, length, second)             \
    CASE (test##__over__##second) {            \
        if (UNLIKELY(PART(test))) {            \
            NEXT(length);                      \
        }                                      \
        if (LIKELY(FAILS(test))) {             \
            pc += (length) + 1;                \
            goto second##_;                    \
        }                                      \
        goto test##_;                          \
    }
#define FORK(test, length, out, second)        \
    CASE (test##__##out##__over__##second) {   \
        if (PART(test)) {                      \
            pc += (length);                    \
            goto out##_;                       \
        }                                      \
        if (LIKELY(FAILS(test))) {             \
            pc += (length) + 1;                \
            goto second##_;                    \
        }                                      \
        goto test##_;                          \
    }
#include "vm/emu/ops.def"

    /* One word, and nothing can go wrong. */
#define STRAIGHT(name)                         \
    CASE (name) {                              \
        (void) PART(name);                     \
        NEXT(1);                               \
    }
#include "vm/emu/interp_data.inc"
#include "vm/emu/interp_calls.inc"
#include "vm/emu/interp_numbers.inc"
#include "vm/emu/interp_control.inc"
#include "vm/emu/interp_bits.inc"

    /* ================ what the handlers share ================ */

body_done: /* a body out of the loop: resume is where to go on, NULL: raised */
    LOAD();
    if (UNLIKELY(resume == NULL)) {
        if (P->control == CONTROL_EXIT) {
            goto exited;
        }
        goto raise;
    }
    if (UNLIKELY(P->heap.force_gc)) {
        length = (size_t) (resume - pc);
        goto collect_soon;
    }
    NEXT_AT(resume);

collect_soon: /* fragments have outgrown the block: end the slice early, at the next call or return; see there */
    if (reds > 0) {
        intptr_t spent = (intptr_t) (P->heap.vheap_words / 64); /* that large binaries take to fill */
        reds_put_aside += reds > spent ? reds - spent : 0;
        reds = 0;
    }
    NEXT(length);

out_of_reductions_at_entry:
    live = pc[CODE_WORD_ARITY - CODE_HEADER_WORDS];
    goto out_of_reductions;

out_of_reductions: /* at a safe point: pc to go on at, x[0..live) */
    SAVE();
    if (P->heap.force_gc) {
        if (!interp_gc_roots(s, P, live, 0)) {
            goto killed;
        }
        LOAD();
    }
    if (reds_put_aside > 0) {
        reds = reds_put_aside;
        reds_put_aside = 0;
        NEXT_AT(pc);
    }
    save_registers(s, P, pc, live);
    P->reductions_left = (int32_t) reds;
    return s->kind == SCHED_NORMAL ? RUN_YIELDED : RUN_TO_NORMAL;

bif_safe_point: /* after a BIF: x0 is live */
    if (reds <= 0 || s->kind != SCHED_NORMAL) {
        reds_put_aside = 0;
        goto out_of_reductions;
    }
    SAVE();
    if (!interp_gc_roots(s, P, live, 0)) {
        goto killed;
    }
    LOAD();
    NEXT_AT(pc);

wait:
    P->reductions_left = (int32_t) (reds + reds_put_aside);
    return P->heap.over_limit ? RUN_YIELDED : RUN_WAITING; /* what it waits for may be the answer to what could not be sent */

call_resolved: /* resume: code to call with x[0..live); NULL: raise at site */
    LOAD();
    if (UNLIKELY(resume == NULL)) {
        goto raise_at_site;
    }
    pc = resume;
    goto call_pc;

arith_short: /* x + constant and the like: no frame of their own in the trace, cannot fail to a label */
    SAVE();
    *to = op_arith(P, code, a, b);
    top = P->heap.top;
    if (UNLIKELY(term_is_none(*to))) {
        *to = a;
        goto raise;
    }
    goto arith_done;

arith_short_fail:
    if (L == 0) {
        goto arith_short;
    }
    goto arith_named_fail;

arith_named:
    has_label = false;
    goto arith_unusual;
arith_named_fail:
    has_label = L != 0;
arith_unusual:
    if (term_is_float(a) && room(top, stop) >= HEAP_FLOAT_WORDS * sizeof(term)) {
        double d;
        if (fast_float(code, a, b, &d)) {
            top[0] = TERM_HEADER(TAG_FLOAT, 1);
            memcpy(&top[1], &d, sizeof(d));
            *to = term_from_boxed_ptr(top);
            top += HEAP_FLOAT_WORDS;
            NEXT(length);
        }
    }
    SAVE();
    args[0] = a;
    args[1] = b;
    a = op_arith(P, code, a, b);
    top = P->heap.top;
    if (UNLIKELY(term_is_none(a))) {
        if (has_label) {
            P->control = CONTROL_NONE;
            NEXT_FAIL();
        }
        site = (struct raise_site) { RAISE_BIF, ATOM(erlang), op_arith_name(code), args, 2 };
        goto raise_at_site;
    }
    *to = a;
arith_done:
    if (UNLIKELY(P->heap.force_gc)) {
        goto collect_soon;
    }
    NEXT(length);

guard_failed:
    if (L != 0) {
        P->control = CONTROL_NONE;
        NEXT_FAIL();
    }
    if (row->fn == bif_erlang_plus_1) {
        goto raise; /* as OTP: no frame of its own */
    }
    site = (struct raise_site) { RAISE_BIF, row->module, row->function, args, row->arity };
    goto raise_at_site;

bif_without_value: /* P->control says what to do; x[0..live) are the arguments, pc is the call */
    switch (P->control) {
    case CONTROL_TRAP:
        P->control = CONTROL_NONE;
        memcpy(s->x, P->args, P->n_args * sizeof(term));
        live = P->n_args;
        P->n_args = 0;
        target = P->trap;
        if (tail == TAIL_NONE) {
            stop[0] = (uintptr_t) (pc + 2);
        } else if (tail == TAIL_LAST) {
            stop = (uintptr_t *) ((char *) stop + insn_b(pc));
        }
        if (target != NULL) {
            goto call_export;
        }
        a = s->x[--live]; /* apply/2: the fun stands behind its arguments */
        tail = pc[0] == I_export_stub ? TAIL_APPLIED : TAIL_NONE;
        goto do_call_fun;
    case CONTROL_YIELD:
        P->control = CONTROL_NONE;
        X(0) = P->value;
        P->value = TERM_NIL;
        if (tail == TAIL_NONE) {
            pc += 2;
        } else {
            if (tail == TAIL_LAST) {
                stop = (uintptr_t *) ((char *) stop + insn_b(pc));
            }
            pc = (const uint64_t *) stop[0];
            stop[0] = TERM_IMMED2_NIL;
        }
        reds_put_aside = 0;
        live = 1;
        goto out_of_reductions;
    case CONTROL_HIBERNATE:
        P->control = CONTROL_NONE;
        if (!op_hibernate(&m)) {
            goto killed;
        }
        LOAD();
        pc = P->pc;
        memcpy(s->x, P->args, P->n_args * sizeof(term));
        NEXT_AT(pc);
    case CONTROL_RETRY:
    case CONTROL_WAIT:
        P->reductions_left = (int32_t) (reds + reds_put_aside);
        return leave_bif(s, P, pc, live);
    case CONTROL_DIRTY_CPU:
    case CONTROL_DIRTY_IO: {
        bool cpu = P->control == CONTROL_DIRTY_CPU;
        P->control = CONTROL_NONE;
        save_registers(s, P, pc, live);
        return cpu ? RUN_TO_DIRTY_CPU : RUN_TO_DIRTY_IO;
    }
    case CONTROL_EXIT:
        goto exited;
    case CONTROL_NONE:
    case CONTROL_RAISE:
        break;
    }
    site = op_call_site(row, pc, s->x, live);
    if (row != NULL && row->fn == bif_erlang_apply_2 && pc[0] == I_export_stub) {
        note_apply(P);
    }
    if (tail != TAIL_NONE && row != NULL && (row->flags & BIF_ERLANG) != 0) {
        pc = NULL;
    }

raise_at_site: /* heap and stack are saved; P->exc is set */
    P->control = CONTROL_NONE;
    pc = exception_raise(s, P, pc, &site);
    site = (struct raise_site) { .kind = RAISE_CODE };
    if (UNLIKELY(pc == NULL)) {
        goto exited;
    }
    LOAD();
    if (s->kind != SCHED_NORMAL) {
        reds = 0; /* back to a normal scheduler at the next call */
    }
    NEXT_AT(pc);

raise:
    site.kind = RAISE_CODE;
    goto raise_at_site;

killed:
exited:
    P->reductions_left = (int32_t) reds;
    P->control = CONTROL_NONE;
    return RUN_EXITED;
}

static void init_stub(struct export *e)
{
    e->stub[0] = I_export_stub;
    atomic_store_explicit(&e->code, e->stub, memory_order_release);
}

static const uint64_t start_code[2] = { I_apply_start, I_end_of_process }, hibernated_code[1] = { I_hibernated };

const uint64_t *interp_start_code(void)
{
    return start_code;
}
const uint64_t *interp_hibernated_code(void)
{
    return hibernated_code;
}

void interp_init(void)
{
    export_init_stub = init_stub;
}

enum run_result interp_run(struct sched *s, struct proc *p)
{
    s->current = p;
    p->reductions_left = PROC_SLICE_REDUCTIONS;
    p->control = CONTROL_NONE;
    size_t live = p->n_args;
    memcpy(s->x, p->args, live * sizeof(term));
    p->n_args = 0;
    /* A call that runs elsewhere may be reading its arguments where they lie. */
    if ((p->heap.force_gc || p->heap.over_limit) && p->elsewhere == NULL) {
        if (!interp_gc_roots(s, p, live, 0)) {
            s->current = NULL;
            return RUN_EXITED;
        }
    }
    enum run_result result = loop(s);
    int32_t used = PROC_SLICE_REDUCTIONS - p->reductions_left;
    p->reductions += used > 0 ? (uint64_t) used : 0;
    s->current = NULL;
    return result;
}
