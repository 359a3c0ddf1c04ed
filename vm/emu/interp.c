/* interp.c - the dispatch loop: one handler per internal instruction of ops.def, nothing else.
 *
 * pc, the heap top, the stack pointer and the reductions left live in locals; they are written
 * back (SAVE) around everything that may look at them or change them. w is the instruction word.
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

#define LIKELY(c)   __builtin_expect(!!(c), 1)
#define UNLIKELY(c) __builtin_expect(!!(c), 0)

/* Jumps backwards in one slice before code that never calls anything is taken for a loop. */
enum { JUMPS_BACK_MAX = 1000000 };

/* X, F, A, B, C: interp_parts.h */
#define Y(offset) (*(term *) ((char *) stop + (offset)))
#define R(offset) (*insn_register(s, stop, (offset)))
#define SRC(word) (insn_source(s, stop, (word)))
#define L         (insn_l(w))

#define CASE(name) name##_:
/* The usual case of an instruction of interp_parts.h. */
#define PART(name)  part_##name(s, &stop, &top, pc, w)
#define FAILS(name) fails_##name(s, pc, w)
#define NEXT_AT(address)                       \
    do {                                       \
        pc = (address);                        \
        w = *pc;                               \
        goto *labels[(uint16_t) w];            \
    } while (0)
#define NEXT(n)     NEXT_AT(pc + (n))
#define NEXT_FAIL() NEXT_AT(insn_target(pc))
#define NEXT_CALL(entry)                       \
    do {                                       \
        pc = (entry);                          \
        if (UNLIKELY(--reds <= 0)) {           \
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
    return control == CONTROL_WAIT ? RUN_WAITING : control == CONTROL_PENDING ? RUN_PENDING : RUN_YIELDED;
}

static enum run_result dirty_result(unsigned flags)
{
    return (flags & BIF_DIRTY_CPU) ? RUN_TO_DIRTY_CPU : RUN_TO_DIRTY_IO;
}

/* Runs p until it has to leave the processor. */
static enum run_result loop(struct sched *s)
{
    static const void *const labels[OP_COUNT] = {
#define I(name)               [I_##name] = &&name##_,
#define TEST(name, predicate) [I_##name##_x] = &&name##_x_, [I_##name##_y] = &&name##_y_,
#define FRAME(name)                                                                        \
    [I_##name] = &&name##_, [I_##name##_1] = &&name##_1_, [I_##name##_2] = &&name##_2_,    \
    [I_##name##_3] = &&name##_3_, [I_##name##_4] = &&name##_4_,
#define PAIR(first, length, second) [I_##first##__##second] = &&first##__##second##_,
#define OVER(test, length, second) [I_##test##__over__##second] = &&test##__over__##second##_,
#include "vm/emu/ops.def"
#undef I
#undef TEST
#undef FRAME
#undef PAIR
#undef OVER
    };
    struct emu m = { .s = s, .p = s->current };
    const uint64_t *pc = P->pc;
    uintptr_t *top = P->heap.top, *stop = P->heap.stop;
    intptr_t reds = P->reductions_left;
    intptr_t reds_put_aside = 0; /* see collect_soon */
    uint64_t w;
    /* Handed to the code behind the handlers. */
    size_t live = 0, length = 0;
    struct raise_site site = { .kind = RAISE_CODE };
    enum arith_op code = ARITH_ADD;
    term a, b, *to, args[3];
    const struct bif_row *row;
    struct export *target;
    const uint64_t *resume, *last_fun = NULL;
    enum { TAIL_NONE, TAIL_ONLY, TAIL_LAST } tail = TAIL_NONE;

    w = *pc;
    if (LIKELY((uint16_t) w == I_loop_rec)) {
        goto loop_rec_; /* most come back from waiting */
    }
    NEXT_AT(pc);

    /* ---- two in one ---- */
#define I(name)
#define TEST(name, predicate)
#define FRAME(name)
#define PAIR(first, length, second)            \
    CASE (first##__##second) {                 \
        if (LIKELY(PART(first))) {             \
            pc += (length);                    \
            w = *pc;                           \
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
            w = *pc;                           \
            goto second##_;                    \
        }                                      \
        goto test##_;                          \
    }
#include "vm/emu/ops.def"
#undef I
#undef TEST
#undef FRAME
#undef PAIR
#undef OVER

    /* One word, and nothing can go wrong. */
#define STRAIGHT(name)                         \
    CASE (name) {                              \
        (void) PART(name);                     \
        NEXT(1);                               \
    }
    /* ---- moves ---- */
    STRAIGHT(move_xx)
    STRAIGHT(move_xy)
    STRAIGHT(move_yx)
    STRAIGHT(move_yy)
    STRAIGHT(move_ix)
    CASE (move_iy) { Y(A) = (term) { (uint64_t) L }; NEXT(1); }
    CASE (move_cx) { X(A) = (term) { pc[1] }; NEXT(2); }
    CASE (move_cy) { Y(A) = (term) { pc[1] }; NEXT(2); }
    STRAIGHT(move2_xx)
    STRAIGHT(move2_yx)
    STRAIGHT(move2_xy)
    STRAIGHT(move2_xx_xy)
    STRAIGHT(move2_xx_yx)
    STRAIGHT(move2_xy_xx)
    STRAIGHT(move2_xy_yx)
    STRAIGHT(move2_yx_xx)
    STRAIGHT(move2_yx_xy)
    STRAIGHT(move3_xx)
    STRAIGHT(move3_yx)
    STRAIGHT(move3_xy)
    CASE (move_x_x0_ret) { X(0) = X(A); NEXT_RETURN(); }
    CASE (move_c_ret) { X(0) = (term) { pc[1] }; NEXT_RETURN(); }
    CASE (move_i_ret) { X(0) = (term) { (uint64_t) L }; NEXT_RETURN(); }
    STRAIGHT(swap)

    /* ---- type tests ---- */
#define I(name)
#define FRAME(name)
#define PAIR(first, length, second)
#define OVER(test, length, second)
#define TEST(name, predicate)                                          \
    CASE (name##_x) {                                                  \
        if (predicate(X(A))) {                                         \
            NEXT(1);                                                   \
        }                                                              \
        NEXT_FAIL();                                                       \
    }                                                                  \
    CASE (name##_y) {                                                  \
        if (predicate(Y(A))) {                                         \
            NEXT(1);                                                   \
        }                                                              \
        NEXT_FAIL();                                                       \
    }
#include "vm/emu/ops.def"
#undef I
#undef TEST
#undef FRAME
#undef PAIR
#undef OVER

    /* ---- lists ---- */
    STRAIGHT(get_list_xxx)
    STRAIGHT(get_list_xxy)
    STRAIGHT(get_list_xyx)
    STRAIGHT(get_list_xyy)
    STRAIGHT(get_list_r)
    CASE (nonempty_get_list_x) {
        term t = X(A);
        if (!term_is_cons(t)) {
            NEXT_FAIL();
        }
        const term *cell = (const term *) term_cell(t);
        uint64_t regs = pc[1];
        term tail_of = cell[1];
        X(regs & 0xFFFF) = cell[0];
        X(regs >> 16) = tail_of;
        NEXT(2);
    }
    CASE (nonempty_get_list_r) {
        term t = R(A);
        if (!term_is_cons(t)) {
            NEXT_FAIL();
        }
        const term *cell = (const term *) term_cell(t);
        uint64_t regs = pc[1];
        R(regs & 0xFFFF) = cell[0];
        R(regs >> 16) = cell[1];
        NEXT(2);
    }
    STRAIGHT(get_hd_xx)
    CASE (get_hd_r) { R(B) = term_head(R(A)); NEXT(1); }
    STRAIGHT(get_tl_xx)
    CASE (get_tl_r) { R(B) = term_tail(R(A)); NEXT(1); }
    STRAIGHT(cons_xxx)
    STRAIGHT(cons_xnx)
    STRAIGHT(cons_yxx)
    STRAIGHT(cons_rrr)
    CASE (cons_ss) {
        top[0] = SRC(pc[1]).word;
        top[1] = SRC(pc[2]).word;
        R(A) = term_from_list_ptr(top);
        top += 2;
        NEXT(3);
    }

    /* ---- tuples ---- */
    STRAIGHT(get_element_xx)
    STRAIGHT(get_element_xy)
    STRAIGHT(get_element_yx)
    CASE (get_element_r) { R(B) = ELEMENT(R(A), C); NEXT(1); }
    CASE (get_element_big) { R(B) = ELEMENT(R(A), pc[1]); NEXT(2); }
    STRAIGHT(get_element2_x)
    CASE (set_element) {
        a = R(A);
        ELEMENT(a, pc[1]) = SRC(pc[2]);
        if (UNLIKELY(term_box(a) >= P->heap.old_start && term_box(a) < P->heap.old_top)) {
            P->heap.n_minor = P->heap.fullsweep_after; /* an old tuple may now point to a young term */
        }
        NEXT(3);
    }
    CASE (is_tuple_of_x) {
        term t = X(A);
        if (LIKELY(term_is_boxed(t) && term_box(t)[0] == pc[1])) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (is_tuple_of_r) {
        term t = R(A);
        if (LIKELY(term_is_boxed(t) && term_box(t)[0] == pc[1])) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (test_arity_x) {
        if (term_box(X(A))[0] == pc[1]) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (is_tagged_tuple_x) {
        term t = X(A);
        if (term_is_boxed(t) && term_box(t)[0] == pc[1] && term_box(t)[1] == pc[2]) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (is_tagged_tuple_r) {
        term t = R(A);
        if (term_is_boxed(t) && term_box(t)[0] == pc[1] && term_box(t)[1] == pc[2]) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (put_tuple2_2) {
        top[0] = TERM_HEADER(TAG_TUPLE, 2);
        top[1] = SRC(pc[1]).word;
        top[2] = SRC(pc[2]).word;
        R(A) = term_from_boxed_ptr(top);
        top += 3;
        NEXT(3);
    }
    CASE (put_tuple2_3) {
        top[0] = TERM_HEADER(TAG_TUPLE, 3);
        top[1] = SRC(pc[1]).word;
        top[2] = SRC(pc[2]).word;
        top[3] = SRC(pc[3]).word;
        R(A) = term_from_boxed_ptr(top);
        top += 4;
        NEXT(4);
    }
    CASE (put_tuple2) {
        size_t n = B;
        (void) PART(put_tuple2);
        NEXT(1 + n);
    }
    CASE (put_record) {
        size_t n = B;
        (void) PART(put_record);
        NEXT(2 + (n + 2) / 4);
    }
    CASE (put_tuple2_x) {
        size_t n = B;
        (void) PART(put_tuple2_x);
        NEXT(1 + (n + 3) / 4);
    }

    /* ---- comparisons ---- */
    CASE (eq_exact_xi) {
        if (X(A).word == pc[1]) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (ne_exact_xi) {
        if (X(A).word != pc[1]) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (eq_exact_yi) {
        if (Y(A).word == pc[1]) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (ne_exact_yi) {
        if (Y(A).word != pc[1]) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (eq_exact_xx) {
        if (term_equal_exact(X(A), X(B))) {
            NEXT(2);
        }
        NEXT_AT(label_in(pc, pc[1]));
    }
    CASE (ne_exact_xx) {
        if (!term_equal_exact(X(A), X(B))) {
            NEXT(2);
        }
        NEXT_AT(label_in(pc, pc[1]));
    }
    CASE (eq_exact_ss) {
        if (term_equal_exact(SRC(pc[1]), SRC(pc[2]))) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (ne_exact_ss) {
        if (!term_equal_exact(SRC(pc[1]), SRC(pc[2]))) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (eq_ss) {
        a = SRC(pc[1]);
        b = SRC(pc[2]);
        if (both_small(a, b) ? term_same(a, b) : term_equal(a, b)) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (ne_ss) {
        a = SRC(pc[1]);
        b = SRC(pc[2]);
        if (both_small(a, b) ? !term_same(a, b) : !term_equal(a, b)) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (lt_ss) {
        a = SRC(pc[1]);
        b = SRC(pc[2]);
        if (LIKELY(both_small(a, b))) {
            if ((intptr_t) a.word < (intptr_t) b.word) {
                NEXT(3);
            }
            NEXT_FAIL();
        }
        if (compare_terms(a, b) < 0) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (ge_ss) {
        a = SRC(pc[1]);
        b = SRC(pc[2]);
        if (LIKELY(both_small(a, b))) {
            if ((intptr_t) a.word >= (intptr_t) b.word) {
                NEXT(3);
            }
            NEXT_FAIL();
        }
        if (compare_terms(a, b) >= 0) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (lt_xx) {
        a = X(A);
        b = X(B);
        if (LIKELY(both_small(a, b))) {
            if ((intptr_t) a.word < (intptr_t) b.word) {
                NEXT(2);
            }
            NEXT_AT(label_in(pc, pc[1]));
        }
        if (compare_terms(a, b) < 0) {
            NEXT(2);
        }
        NEXT_AT(label_in(pc, pc[1]));
    }
    CASE (ge_xx) {
        a = X(A);
        b = X(B);
        if (LIKELY(both_small(a, b))) {
            if ((intptr_t) a.word >= (intptr_t) b.word) {
                NEXT(2);
            }
            NEXT_AT(label_in(pc, pc[1]));
        }
        if (compare_terms(a, b) >= 0) {
            NEXT(2);
        }
        NEXT_AT(label_in(pc, pc[1]));
    }
    CASE (lt_xi) {
        a = X(A);
        b = (term) { pc[1] };
        if (LIKELY(term_is_small(a))) {
            if ((intptr_t) a.word < (intptr_t) b.word) {
                NEXT(2);
            }
            NEXT_FAIL();
        }
        if (compare_terms(a, b) < 0) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (ge_xi) {
        a = X(A);
        b = (term) { pc[1] };
        if (LIKELY(term_is_small(a))) {
            if ((intptr_t) a.word >= (intptr_t) b.word) {
                NEXT(2);
            }
            NEXT_FAIL();
        }
        if (compare_terms(a, b) >= 0) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (lt_ix) {
        b = X(A);
        a = (term) { pc[1] };
        if (LIKELY(term_is_small(b))) {
            if ((intptr_t) a.word < (intptr_t) b.word) {
                NEXT(2);
            }
            NEXT_FAIL();
        }
        if (compare_terms(a, b) < 0) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (ge_ix) {
        b = X(A);
        a = (term) { pc[1] };
        if (LIKELY(term_is_small(b))) {
            if ((intptr_t) a.word >= (intptr_t) b.word) {
                NEXT(2);
            }
            NEXT_FAIL();
        }
        if (compare_terms(a, b) >= 0) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (is_function2) {
        a = SRC(pc[1]);
        b = SRC(pc[2]);
        if (term_is_small(b) && term_is_fun(a)) {
            uint32_t arity = term_tag(a) == TAG_FUN ? term_fun_entry(a)->arity : term_export(a)->arity;
            if (term_to_small(b) == (intptr_t) arity) {
                NEXT(3);
            }
        }
        NEXT_FAIL();
    }

    /* ---- choices ---- */
    CASE (select_two) {
        uint64_t value = R(A).word;
        if (pc[2] == value) {
            NEXT_AT(choice(pc, pc + 4, 0));
        }
        if (pc[3] == value) {
            NEXT_AT(choice(pc, pc + 4, 1));
        }
        NEXT_FAIL();
    }
    CASE (select_linear) {
        uint64_t value = R(A).word;
        size_t n = pc[1];
        for (size_t i = 0; i < n; i++) {
            if (pc[2 + i] == value) {
                NEXT_AT(choice(pc, pc + 2 + n, i));
            }
        }
        NEXT_FAIL();
    }
    CASE (select_binary) {
        uint64_t value = R(A).word;
        size_t n = pc[1], low = 0, high = n;
        while (low < high) {
            size_t mid = (low + high) / 2;
            uint64_t at = pc[2 + mid];
            if (at == value) {
                NEXT_AT(choice(pc, pc + 2 + n, mid));
            }
            if (at < value) {
                low = mid + 1;
            } else {
                high = mid;
            }
        }
        NEXT_FAIL();
    }
    CASE (select_table) {
        term t = R(A);
        uint64_t i = (uint64_t) ((intptr_t) t.word >> TERM_SMALL_SHIFT) - pc[1];
        if (term_is_small(t) && i < pc[2]) {
            NEXT_AT(choice(pc, pc + 3, i));
        }
        NEXT_FAIL();
    }
    CASE (select_any) {
        term t = R(A);
        size_t n = pc[1];
        for (size_t i = 0; i < n; i++) {
            if (term_equal_exact(t, (term) { pc[2 + i] })) {
                NEXT_AT(choice(pc, pc + 2 + n, i));
            }
        }
        NEXT_FAIL();
    }
    CASE (select_arity) {
        uint64_t header = term_box(R(A))[0];
        size_t n = pc[1];
        for (size_t i = 0; i < n; i++) {
            if (pc[2 + i] == header) {
                NEXT_AT(choice(pc, pc + 2 + n, i));
            }
        }
        NEXT_FAIL();
    }
    CASE (jump) { NEXT_FAIL(); }
    CASE (jump_back) {
        if (LIKELY(--reds > -JUMPS_BACK_MAX)) {
            NEXT_FAIL();
        }
        SAVE();
        proc_system_limit(P);
        goto raise;
    }

    /* ---- frames ---- */
    CASE (test_heap) {
        if (UNLIKELY(room(top, stop) < B) || GC_STRESS) {
            SAVE();
            if (!interp_gc_roots(s, P, A, B / sizeof(term))) {
                goto killed;
            }
            LOAD();
        }
        NEXT(1);
    }
    CASE (test_heap_big) {
        if (UNLIKELY(room(top, stop) / sizeof(term) < pc[1]) || GC_STRESS) {
            SAVE();
            if (!interp_gc_roots(s, P, A, pc[1])) {
                goto killed;
            }
            LOAD();
        }
        NEXT(2);
    }
    CASE (allocate) {
        size_t frame = B, need = C;
        if (UNLIKELY(room(top, stop) < frame + need) || GC_STRESS) {
            SAVE();
            if (!interp_gc_roots(s, P, A, (frame + need) / sizeof(term))) {
                goto killed;
            }
            LOAD();
        }
        stop = (uintptr_t *) ((char *) stop - frame);
        *stop = TERM_IMMED2_NIL;
        NEXT(1);
    }
    CASE (allocate_move_xy) {
        size_t words = insn_byte(w, 1);
        if (UNLIKELY((size_t) (stop - top) < words) || GC_STRESS) {
            SAVE();
            if (!interp_gc_roots(s, P, insn_byte(w, 0), words)) {
                goto killed;
            }
            LOAD();
        }
        stop -= words;
        *stop = TERM_IMMED2_NIL;
        stop[insn_byte(w, 3)] = s->x[insn_byte(w, 2)].word;
        NEXT(1);
    }
    CASE (allocate_move2_xy) {
        size_t words = insn_byte(w, 1);
        if (UNLIKELY((size_t) (stop - top) < words) || GC_STRESS) {
            SAVE();
            if (!interp_gc_roots(s, P, insn_byte(w, 0), words)) {
                goto killed;
            }
            LOAD();
        }
        stop -= words;
        *stop = TERM_IMMED2_NIL;
        stop[insn_byte(w, 3)] = s->x[insn_byte(w, 2)].word;
        stop[insn_byte(w, 5)] = s->x[insn_byte(w, 4)].word;
        NEXT(1);
    }
    CASE (allocate_big) {
        size_t frame = B;
        if (UNLIKELY(room(top, stop) / sizeof(term) < frame / sizeof(term) + pc[1]) || GC_STRESS) {
            SAVE();
            if (!interp_gc_roots(s, P, A, frame / sizeof(term) + pc[1])) {
                goto killed;
            }
            LOAD();
        }
        stop = (uintptr_t *) ((char *) stop - frame);
        *stop = TERM_IMMED2_NIL;
        NEXT(2);
    }
    CASE (deallocate) {
        stop = (uintptr_t *) ((char *) stop + A);
        NEXT(1);
    }
    STRAIGHT(trim)
    STRAIGHT(init_y)
    CASE (init_y2) {
        Y(A) = TERM_NIL;
        Y(B) = TERM_NIL;
        NEXT(1);
    }
    STRAIGHT(init_y3)
    /* Returns from frames of usual sizes have them built in: the processor knows the caller's frame
     * without waiting for the instruction word, which it finds only at the end of the return before. */
#define RETURN_SIZED(name, move, frame_words)  \
    CASE (name##_##frame_words) {              \
        move;                                  \
        stop += frame_words;                   \
        NEXT_RETURN_SAFE();                    \
    }
#define RETURN(name, move)                     \
    CASE (name) {                              \
        move;                                  \
        stop = (uintptr_t *) ((char *) stop + A); \
        NEXT_RETURN_SAFE();                    \
    }                                          \
    RETURN_SIZED(name, move, 1)                \
    RETURN_SIZED(name, move, 2)                \
    RETURN_SIZED(name, move, 3)                \
    RETURN_SIZED(name, move, 4)
    RETURN(dealloc_return, (void) 0)
    RETURN(move_x_x0_dealloc_ret, X(0) = X(B))
    RETURN(move_y_x0_dealloc_ret, X(0) = Y(B))
    RETURN(move_c_dealloc_ret, X(0) = (term) { pc[1] })
#undef RETURN
#undef RETURN_SIZED
    CASE (return) {
        NEXT_RETURN();
    }

    /* ---- calls ---- */
    CASE (move_call_xx) {
        X(0) = X(A);
        stop[0] = (uintptr_t) (pc + 1);
        NEXT_CALL(insn_target(pc));
    }
    CASE (move_call_yx) {
        X(0) = Y(A);
        stop[0] = (uintptr_t) (pc + 1);
        NEXT_CALL(insn_target(pc));
    }
    CASE (call) {
        stop[0] = (uintptr_t) (pc + 1);
        NEXT_CALL(insn_target(pc));
    }
    CASE (call_only) { NEXT_CALL(insn_target(pc)); }
    CASE (call_last) {
        stop = (uintptr_t *) ((char *) stop + A);
        NEXT_CALL(insn_target(pc));
    }
    CASE (call_ext) {
        stop[0] = (uintptr_t) (pc + 2);
    }
    CASE (call_ext_only) {
    do_call_ext:
        live = A;
        target = (struct export *) pc[1];
    call_export:
        pc = atomic_load_explicit(&target->code, memory_order_acquire);
    call_pc:
        if (UNLIKELY(--reds <= 0)) {
            goto out_of_reductions;
        }
        NEXT_AT(pc);
    }
    CASE (call_ext_last) {
        stop = (uintptr_t *) ((char *) stop + B);
        goto do_call_ext;
    }
    CASE (export_stub) {
        /* The code of an export that is not loaded, or a BIF: pc is its stub. */
        target = container_of(pc, struct export, stub);
        if (target->bif != NULL) {
            row = target->bif;
            tail = TAIL_ONLY;
            live = target->arity;
            goto call_row;
        }
        SAVE();
        resume = op_resolve_export(&m, target, &site);
        goto call_resolved;
    }
    CASE (call_fun_last) {
        live = A;
        a = R(B);
        tail = TAIL_LAST;
        goto do_call_fun;
    }
    CASE (call_fun) {
        live = A;
        a = R(B);
        stop[0] = (uintptr_t) (pc + 1);
        tail = TAIL_ONLY;
    do_call_fun:
        if (LIKELY(term_has_tag(a, TAG_FUN))) {
            const struct fun_entry *entry = term_fun_entry(a);
            const uint64_t *to_code = atomic_load_explicit(&entry->code, memory_order_acquire);
            /* Usually it is the fun of the call before: the processor goes on there while it still looks. */
            if (to_code == last_fun) {
                to_code = last_fun;
                __asm__("" : "+r"(to_code)); /* or the compiler would leave the comparison out */
            } else {
                last_fun = to_code;
            }
            if (LIKELY(to_code != NULL && entry->arity == live)) {
                const term *free_vars = term_fun_free_vars(a);
                size_t n = term_fun_n_free(a);
                for (size_t i = 0; i < n; i++) {
                    s->x[live + i] = free_vars[i];
                }
                if (tail == TAIL_LAST) {
                    stop = (uintptr_t *) ((char *) stop + C);
                }
                NEXT_CALL(to_code);
            }
        }
        SAVE();
        resume = op_resolve_fun(&m, a, live, &site);
        if (UNLIKELY(resume == NULL)) {
            goto call_resolved;
        }
        if (term_has_tag(a, TAG_FUN)) {
            live += term_fun_n_free(a);
        }
        if (tail == TAIL_LAST) {
            stop = (uintptr_t *) ((char *) stop + C);
        }
        pc = resume;
        goto call_pc;
    }
    CASE (apply) {
        stop[0] = (uintptr_t) (pc + 1);
        tail = TAIL_NONE;
        goto do_apply;
    }
    CASE (apply_last) {
        tail = TAIL_LAST;
    do_apply:
        live = A;
        a = s->x[live];
        b = s->x[live + 1];
        SAVE();
        target = op_resolve_apply(&m, a, b, live);
        LOAD();
        if (UNLIKELY(target == NULL)) {
            site = (struct raise_site) { RAISE_BIF, ATOM(erlang), ATOM(apply), s->x, 3 };
            if (tail == TAIL_NONE) {
                stop[0] = TERM_IMMED2_NIL;
            }
            goto raise_at_site;
        }
        if (tail == TAIL_LAST) {
            stop = (uintptr_t *) ((char *) stop + B);
        }
        goto call_export;
    }
    CASE (apply_start) {
        /* A new process: x0 module, x1 function, x2 arguments. Its stack is empty. */
        if (room(top, stop) < sizeof(term)) {
            SAVE();
            if (!interp_gc_roots(s, P, 3, 1)) {
                goto killed;
            }
            LOAD();
        }
        *--stop = (uintptr_t) (interp_start_code() + 1);
        row = export_get(ATOM(erlang), ATOM(apply), 3)->bif;
        tail = TAIL_ONLY;
        live = 3;
        goto call_row;
    }
    CASE (end_of_process) {
        SAVE();
        proc_raise(P, EXC_EXIT, ATOM(normal));
        P->exc.stacktrace = TERM_NIL;
        P->control = CONTROL_NONE;
        P->value = X(0);
        goto exited;
    }
    CASE (hibernated) {
        bool must_exit = false;
        SAVE();
        struct message *message = msgq_peek(P, &must_exit);
        if (must_exit) {
            goto exited;
        }
        LOAD();
        if (message == NULL) {
            save_registers(s, P, pc, P->trap->arity);
            goto wait;
        }
        live = P->trap->arity;
        target = P->trap;
        goto call_export;
    }

    /* ---- BIFs ---- */
    CASE (call_bif) {
        row = (const struct bif_row *) pc[1];
        SAVE();
        P->reductions_left = (int32_t) reds - 1;
        P->pc = pc;
        if (UNLIKELY(row->flags & (BIF_DIRTY_CPU | BIF_DIRTY_IO)) && s->kind == SCHED_NORMAL) {
            save_registers(s, P, pc, A);
            P->reductions += (uint64_t) (PROC_SLICE_REDUCTIONS - reds);
            return dirty_result(row->flags);
        }
        a = row->fn(P, s->x);
        top = P->heap.top;
        reds = P->reductions_left;
        if (LIKELY(!term_is_none(a))) {
            X(0) = a;
            if (UNLIKELY(P->heap.force_gc || s->kind != SCHED_NORMAL || reds <= 0)) {
                pc += 2;
                live = 1;
                goto bif_safe_point;
            }
            NEXT(2);
        }
        live = A;
        tail = TAIL_NONE;
        goto bif_without_value;
    }
    CASE (call_bif_only) {
        tail = TAIL_ONLY;
        row = (const struct bif_row *) pc[1];
        live = A;
        goto call_row;
    }
    CASE (call_bif_last) {
        tail = TAIL_LAST;
        row = (const struct bif_row *) pc[1];
        live = A;
    call_row:
        SAVE();
        P->reductions_left = (int32_t) reds - 1;
        P->pc = pc;
        if (UNLIKELY(row->flags & (BIF_DIRTY_CPU | BIF_DIRTY_IO)) && s->kind == SCHED_NORMAL) {
            save_registers(s, P, pc, live);
            P->reductions += (uint64_t) (PROC_SLICE_REDUCTIONS - reds);
            return dirty_result(row->flags);
        }
        a = row->fn(P, s->x);
        top = P->heap.top;
        reds = P->reductions_left;
        if (UNLIKELY(term_is_none(a))) {
            goto bif_without_value;
        }
        X(0) = a;
        if (tail == TAIL_LAST) {
            stop = (uintptr_t *) ((char *) stop + B);
        }
        pc = (const uint64_t *) stop[0];
        stop[0] = TERM_IMMED2_NIL;
        live = 1;
        if (UNLIKELY(P->heap.force_gc || s->kind != SCHED_NORMAL || reds <= 0)) {
            goto bif_safe_point;
        }
        NEXT_AT(pc);
    }
    CASE (call_nif) {
        SAVE();
        P->reductions_left = (int32_t) reds - 1;
        P->pc = pc;
        a = native_call(P, (struct nif_func *) pc[CODE_WORD_NATIVE - CODE_HEADER_WORDS], s->x);
        top = P->heap.top;
        reds = P->reductions_left;
        if (UNLIKELY(term_is_none(a))) {
            live = pc[CODE_WORD_ARITY - CODE_HEADER_WORDS];
            tail = TAIL_ONLY;
            row = NULL;
            goto bif_without_value;
        }
        X(0) = a;
        pc = (const uint64_t *) stop[0];
        stop[0] = TERM_IMMED2_NIL;
        if (UNLIKELY(P->heap.force_gc || s->kind != SCHED_NORMAL || reds <= 0)) {
            live = 1;
            goto bif_safe_point;
        }
        NEXT_AT(pc);
    }

    /* ---- arithmetic ---- */
#define SHORT_CONSTANT(name, source, overflow, number)                                                \
    CASE (name) {                                                                                     \
        int64_t result;                                                                               \
        a = source;                                                                                   \
        if (LIKELY(term_is_small(a))) {                                                               \
            if (LIKELY(!overflow((int64_t) a.word, (int64_t) C, &result))) {                          \
                X(B) = (term) { (uint64_t) result };                                                  \
                NEXT(1);                                                                              \
            }                                                                                         \
        }                                                                                             \
        b = small_bits(C);                                                                            \
        code = number;                                                                                \
        to = &X(B);                                                                                   \
        length = 1;                                                                                   \
        goto arith_short;                                                                             \
    }
    SHORT_CONSTANT(add_xi, X(A), __builtin_add_overflow, ARITH_ADD)
    SHORT_CONSTANT(add_yi, Y(A), __builtin_add_overflow, ARITH_ADD)
    SHORT_CONSTANT(sub_xi, X(A), __builtin_sub_overflow, ARITH_SUB)
    SHORT_CONSTANT(sub_yi, Y(A), __builtin_sub_overflow, ARITH_SUB)
#undef SHORT_CONSTANT
    CASE (band_xi) {
        a = X(A);
        if (LIKELY(term_is_small(a))) {
            X(B) = (term) { a.word & (C | TERM_IMMED_SMALL) };
            NEXT(1);
        }
        b = small_bits(C);
        code = ARITH_BAND;
        to = &X(B);
        length = 1;
        goto arith_named;
    }
    CASE (add_si) {
        uint64_t sum;
        a = SRC(pc[1]);
        b = (term) { pc[2] };
        to = &R(A);
        if (LIKELY(term_is_small(a)
                && !__builtin_add_overflow((int64_t) a.word, (int64_t) bits_of_small(b), (int64_t *) &sum))) {
            *to = (term) { sum };
            NEXT(3);
        }
        code = ARITH_ADD;
        length = 3;
        goto arith_short_fail;
    }
    CASE (sub_si) {
        uint64_t difference;
        a = SRC(pc[1]);
        b = (term) { pc[2] };
        to = &R(A);
        if (LIKELY(term_is_small(a)
                && !__builtin_sub_overflow((int64_t) a.word, (int64_t) bits_of_small(b), (int64_t *) &difference))) {
            *to = (term) { difference };
            NEXT(3);
        }
        code = ARITH_SUB;
        length = 3;
        goto arith_short_fail;
    }
#define SHORT_BINARY(name, source_a, source_b, fast, number)                                          \
    CASE (name) {                                                                                     \
        term result;                                                                                  \
        a = source_a;                                                                                 \
        b = source_b;                                                                                 \
        if (LIKELY(both_small(a, b))) {                                                               \
            if (LIKELY(fast(a, b, &result))) {                                                        \
                X(C) = result;                                                                        \
                NEXT(1);                                                                              \
            }                                                                                         \
        }                                                                                             \
        code = number;                                                                                \
        to = &X(C);                                                                                   \
        length = 1;                                                                                   \
        goto arith_named;                                                                             \
    }
    SHORT_BINARY(add_xx, X(A), X(B), fast_add, ARITH_ADD)
    SHORT_BINARY(add_xy, X(A), Y(B), fast_add, ARITH_ADD)
    SHORT_BINARY(add_yx, Y(A), X(B), fast_add, ARITH_ADD)
    SHORT_BINARY(sub_xx, X(A), X(B), fast_sub, ARITH_SUB)
    SHORT_BINARY(sub_xy, X(A), Y(B), fast_sub, ARITH_SUB)
    SHORT_BINARY(sub_yx, Y(A), X(B), fast_sub, ARITH_SUB)
    SHORT_BINARY(mul_xx, X(A), X(B), fast_mul, ARITH_MUL)
#undef SHORT_BINARY
#define ARITH(name, fast, number)                                                                       \
    CASE (name) {                                                                                 \
        term r;                                                                                   \
        a = SRC(pc[1]);                                                                           \
        b = SRC(pc[2]);                                                                           \
        to = &R(A);                                                                               \
        if (LIKELY(both_small(a, b) && fast(a, b, &r))) {                                         \
            *to = r;                                                                              \
            NEXT(3);                                                                              \
        }                                                                                         \
        code = number;                                                                            \
        length = 3;                                                                               \
        goto arith_named_fail;                                                                    \
    }
    ARITH(add, fast_add, ARITH_ADD)
    ARITH(sub, fast_sub, ARITH_SUB)
    ARITH(mul, fast_mul, ARITH_MUL)
    ARITH(fdiv, fast_never, ARITH_FDIV)
    ARITH(idiv, fast_div, ARITH_IDIV)
    ARITH(rem, fast_rem, ARITH_REM)
    ARITH(band, fast_band, ARITH_BAND)
    ARITH(bor, fast_bor, ARITH_BOR)
    ARITH(bxor, fast_bxor, ARITH_BXOR)
    ARITH(bsl, fast_bsl, ARITH_BSL)
    ARITH(bsr, fast_bsr, ARITH_BSR)
#undef ARITH

    /* ---- BIFs in guards and bodies ---- */
    CASE (gbif0) {
        row = (const struct bif_row *) pc[1];
        length = 2;
        goto guard_bif;
    }
    CASE (gbif1) {
        row = (const struct bif_row *) pc[1];
        args[0] = SRC(pc[2]);
        length = 3;
        goto guard_bif;
    }
    CASE (gbif2) {
        row = (const struct bif_row *) pc[1];
        args[0] = SRC(pc[2]);
        args[1] = SRC(pc[3]);
        length = 4;
        goto guard_bif;
    }
    CASE (gbif3) {
        row = (const struct bif_row *) pc[1];
        args[0] = SRC(pc[2]);
        args[1] = SRC(pc[3]);
        args[2] = SRC(pc[4]);
        length = 5;
    guard_bif:
        SAVE();
        a = row->fn(P, args);
        top = P->heap.top;
        if (LIKELY(!term_is_none(a))) {
            R(A) = a;
            if (UNLIKELY(P->heap.force_gc)) {
                goto collect_soon;
            }
            NEXT(length);
        }
        goto guard_failed;
    }
    CASE (self) { R(A) = P->id; NEXT(1); }
    CASE (element_i) {
        a = SRC(pc[2]);
        size_t n = (size_t) ((intptr_t) pc[1] >> TERM_SMALL_SHIFT);
        if (LIKELY(term_is_tuple(a) && n <= term_arity(a))) {
            R(A) = (term) { term_box(a)[n] };
            NEXT(3);
        }
        goto element_failed;
    }
    CASE (element) {
        b = SRC(pc[1]);
        a = SRC(pc[2]);
        if (LIKELY(term_is_small(b) && term_is_tuple(a))) {
            uintptr_t n = (uintptr_t) ((intptr_t) b.word >> TERM_SMALL_SHIFT);
            if (LIKELY(n - 1 < term_arity(a))) {
                R(A) = (term) { term_box(a)[n] };
                NEXT(3);
            }
        }
    element_failed:
        args[0] = SRC(pc[1]);
        args[1] = a;
        row = op_bif_row(I_element);
        length = 3;
        goto guard_bif;
    }
    CASE (hd) {
        a = SRC(pc[1]);
        if (LIKELY(term_is_cons(a))) {
            R(A) = term_head(a);
            NEXT(2);
        }
        row = op_bif_row(I_hd);
        goto unary_failed;
    }
    CASE (tl) {
        a = SRC(pc[1]);
        if (LIKELY(term_is_cons(a))) {
            R(A) = term_tail(a);
            NEXT(2);
        }
        row = op_bif_row(I_tl);
        goto unary_failed;
    }
    CASE (tuple_size) {
        a = SRC(pc[1]);
        if (LIKELY(term_is_tuple(a))) {
            R(A) = term_from_small((intptr_t) term_arity(a));
            NEXT(2);
        }
        row = op_bif_row(I_tuple_size);
        goto unary_failed;
    }
    CASE (abs) {
        a = SRC(pc[1]);
        if (LIKELY(term_is_small(a) && a.word != term_from_small(TERM_SMALL_MIN).word)) {
            R(A) = (intptr_t) a.word >= 0 ? a : term_from_small(-term_to_small(a));
            NEXT(2);
        }
        row = op_bif_row(I_abs);
        goto unary_failed;
    }
    CASE (equals) {
        R(A) = term_from_bool(term_equal_exact(SRC(pc[1]), SRC(pc[2])));
        NEXT(3);
    }
    CASE (differs) {
        R(A) = term_from_bool(!term_equal_exact(SRC(pc[1]), SRC(pc[2])));
        NEXT(3);
    }
    CASE (length) {
        a = SRC(pc[1]);
        intptr_t n = term_list_length(a);
        if (LIKELY(n >= 0)) {
            reds -= n >> 6; /* long lists take their time */
            R(A) = term_from_small(n);
            NEXT(2);
        }
        row = op_bif_row(I_length);
    unary_failed:
        args[0] = a;
        length = 2;
        goto guard_bif;
    }

    /* ---- floats ---- */
    CASE (fload) {
        a = R(A);
        if (UNLIKELY(!term_is_float(a))) {
            SAVE();
            proc_raise(P, EXC_ERROR, ATOM(badarith));
            goto raise;
        }
        F(B) = term_to_double(a);
        NEXT(1);
    }
    CASE (fload_x) {
        a = X(A);
        if (UNLIKELY(!term_is_float(a))) {
            SAVE();
            proc_raise(P, EXC_ERROR, ATOM(badarith));
            goto raise;
        }
        F(B) = term_to_double(a);
        NEXT(1);
    }
    CASE (fload_c) {
        F(B) = term_to_double((term) { pc[1] });
        NEXT(2);
    }
    CASE (fmove) { F(B) = F(A); NEXT(1); }
    CASE (fstore) {
        top[0] = TERM_HEADER(TAG_FLOAT, 1);
        memcpy(&top[1], &F(A), sizeof(double));
        R(B) = term_from_boxed_ptr(top);
        top += HEAP_FLOAT_WORDS;
        NEXT(1);
    }
    CASE (fconv) {
        a = SRC(pc[1]);
        if (LIKELY(term_is_small(a))) {
            F(A) = (double) term_to_small(a);
            NEXT(2);
        }
        if (LIKELY(term_is_float(a))) {
            F(A) = term_to_double(a);
            NEXT(2);
        }
        if (arith_to_double(a, &F(A))) {
            NEXT(2);
        }
        SAVE();
        proc_raise(P, EXC_ERROR, ATOM(badarith));
        goto raise;
    }
    CASE (fadd) {
        F(C) = F(A) + F(B);
        goto check_float;
    }
    CASE (fsub) {
        F(C) = F(A) - F(B);
        goto check_float;
    }
    CASE (fmul) {
        F(C) = F(A) * F(B);
        goto check_float;
    }
    CASE (fdivide) {
        F(C) = F(A) / F(B);
    check_float:
        if (LIKELY(isfinite(F(C)))) {
            NEXT(1);
        }
        SAVE();
        proc_raise(P, EXC_ERROR, ATOM(badarith));
        goto raise;
    }
    CASE (fnegate) {
        F(C) = -F(A);
        NEXT(1);
    }

    /* ---- maps, funs ---- */
    CASE (get_map_element) {
        term map = R(A);
        if (LIKELY(term_tag(map) == TAG_FLATMAP && term_is_immed((term) { pc[1] }))) {
            term keys = map_flat_keys(map);
            const uintptr_t *k = term_box(keys) + 1;
            size_t n = term_arity(keys);
            for (size_t i = 0; i < n; i++) {
                if (k[i] == pc[1]) {
                    R(pc[2]) = map_flat_values(map)[i];
                    NEXT(3);
                }
            }
            NEXT_FAIL();
        }
        a = map_get(map, SRC(pc[1]));
        if (term_is_none(a)) {
            NEXT_FAIL();
        }
        R(pc[2]) = a;
        NEXT(3);
    }
    CASE (get_map_elements) {
        SAVE();
        NEXT_AT(op_get_map_elements(&m, pc));
    }
    CASE (has_map_fields) {
        SAVE();
        NEXT_AT(op_has_map_fields(&m, pc));
    }
    CASE (make_fun) {
        size_t n = B;
        SAVE();
        uintptr_t *fun = heap_alloc(&P->heap, HEAP_FUN_WORDS(n));
        top = P->heap.top;
        fun[0] = TERM_HEADER(TAG_FUN, n + 2);
        fun[1] = pc[1];
        fun[2] = P->id.word;
        for (size_t i = 0; i < n; i++) {
            fun[3 + i] = SRC(pc[2 + i]).word;
        }
        R(A) = term_from_boxed_ptr(fun);
        NEXT(2 + n);
    }

    /* ---- exceptions ---- */
    CASE (try) {
        Y(A) = (term) { pc[1] };
        P->n_catches++;
        NEXT(2);
    }
    CASE (try_end) {
        Y(A) = TERM_NIL;
        P->n_catches--;
        NEXT(1);
    }
    CASE (try_case) {
        /* After a throw: x0 none, x1 class, x2 reason, x3 raw trace. */
        Y(A) = TERM_NIL;
        P->n_catches--;
        s->x[0] = s->x[1];
        s->x[1] = s->x[2];
        s->x[2] = s->x[3];
        NEXT(1);
    }
    CASE (catch_end) {
        Y(A) = TERM_NIL;
        P->n_catches--;
        if (term_is_none(X(0))) {
            SAVE();
            s->x[0] = exception_caught(P, s->x[1], s->x[2], s->x[3]);
            top = P->heap.top;
        }
        NEXT(1);
    }
    CASE (raise) {
        SAVE();
        if (!exception_reraise(P, TERM_NONE, SRC(pc[2]), SRC(pc[1]))) {
            proc_badarg(P);
        }
        goto raise;
    }
    CASE (raw_raise) {
        SAVE();
        if (exception_reraise(P, s->x[0], s->x[1], s->x[2])) {
            goto raise;
        }
        X(0) = ATOM(badarg);
        NEXT(1);
    }
    CASE (build_stacktrace) {
        SAVE();
        X(0) = exception_stacktrace(P, X(0));
        top = P->heap.top;
        NEXT(1);
    }
    CASE (badmatch) {
        a = ATOM(badmatch);
        goto raise_with_value;
    }
    CASE (case_end) {
        a = ATOM(case_clause);
        goto raise_with_value;
    }
    CASE (try_case_end) {
        a = ATOM(try_clause);
        goto raise_with_value;
    }
    CASE (badrecord) {
        a = ATOM(badrecord);
    raise_with_value:
        SAVE();
        proc_raise(P, EXC_ERROR, heap_tuple2(&P->heap, a, SRC(pc[1])));
        goto raise;
    }
    CASE (if_end) {
        SAVE();
        proc_raise(P, EXC_ERROR, ATOM(if_clause));
        goto raise;
    }
    CASE (func_info) {
        SAVE();
        op_show_contexts(&m, pc[CODE_WORD_ARITY]);
        proc_raise(P, EXC_ERROR, ATOM(function_clause));
        site = (struct raise_site) { RAISE_CLAUSE, TERM_NONE, TERM_NONE, s->x, pc[CODE_WORD_ARITY] };
        goto raise_at_site;
    }
    CASE (unreachable) {
        SAVE();
        proc_badarg(P);
        goto raise;
    }

    /* ---- messages ---- */
    CASE (loop_rec) {
        bool must_exit = false;
        SAVE();
        struct message *message = msgq_peek(P, &must_exit);
        LOAD();
        if (UNLIKELY(must_exit)) {
            goto exited;
        }
        if (message == NULL) {
            NEXT_FAIL();
        }
        R(A) = message_value(P, message);
        NEXT(1);
    }
    CASE (loop_rec_end) {
        if (*P->msg_save != NULL) {
            msgq_next(P);
        }
        reds--;
        NEXT_FAIL();
    }
    CASE (remove_message) {
        SAVE();
        if (P->receive_waits) {
            timer_cancel_receive(P);
            P->receive_waits = false;
        }
        if (*P->msg_save != NULL) {
            (void) msgq_take(P);
            top = P->heap.top;
        }
        if (UNLIKELY(P->heap.force_gc)) {
            length = 1;
            goto collect_soon;
        }
        NEXT(1);
    }
    CASE (pin) {
        SAVE();
        msgq_pin(P);
        NEXT(1);
    }
    CASE (wait) {
        SAVE();
        save_registers(s, P, insn_target(pc), 0);
        goto wait;
    }
    CASE (wait_timeout) {
        a = SRC(pc[1]);
        if (P->timed_out) {
            NEXT(2);
        }
        SAVE();
        if (!P->receive_waits) {
            if (term_same(a, term_from_small(0))) {
                NEXT(2);
            }
            if (term_is_small(a) && term_to_small(a) > 0 && term_to_small(a) <= UINT32_MAX) {
                timer_set_receive(P, (uint64_t) term_to_small(a));
            } else if (!term_same(a, ATOM(infinity))) {
                msgq_reset(P); /* the receive is left */
                proc_raise(P, EXC_ERROR, ATOM(timeout_value));
                goto raise;
            }
            P->receive_waits = true;
        }
        save_registers(s, P, insn_target(pc), 0);
        goto wait;
    }
    CASE (timeout) {
        timer_cancel_receive(P);
        P->receive_waits = false;
        msgq_reset(P);
        NEXT(1);
    }
    CASE (recv_marker_reserve) {
        SAVE();
        R(A) = msgq_mark_reserve(P);
        NEXT(1);
    }
    CASE (recv_marker_bind) {
        SAVE();
        msgq_mark_bind(P, R(A), R(B));
        NEXT(1);
    }
    CASE (recv_marker_clear) {
        SAVE();
        msgq_mark_clear(P, R(A));
        NEXT(1);
    }
    CASE (recv_marker_use) {
        SAVE();
        msgq_mark_use(P, R(A));
        NEXT(1);
    }

    /* ---- matching bits ---- */
    CASE (bs_get_int8) {
        struct match_ctx *ctx = term_match_ctx(R(A));
        size_t at = ctx->position;
        if (ctx->end - at < 8) {
            NEXT_FAIL();
        }
        const uint8_t *bytes = ctx->bytes + at / 8;
        unsigned byte = bytes[0];
        if (UNLIKELY(at % 8 != 0)) {
            byte = (uint8_t) ((unsigned) bytes[0] << (at % 8) | (unsigned) bytes[1] >> (8 - at % 8));
        }
        ctx->position = at + 8;
        R(pc[1] & 0xFFFF) = term_from_small((intptr_t) byte);
        NEXT(2);
    }
    CASE (bs_get_int_fixed) {
        struct match_ctx *ctx = term_match_ctx(R(A));
        size_t n = pc[1] >> 32;
        uint64_t value;
        if (ctx->end - ctx->position < n) {
            NEXT_FAIL();
        }
        if (LIKELY(bits_peek_fast(ctx, n, (pc[1] >> 16) & 0xFFFF, &value))) {
            ctx->position += n;
            R(pc[1] & 0xFFFF) = term_from_small((intptr_t) value);
            NEXT(2);
        }
        SAVE();
        resume = op_bs_get_int_fixed(&m, pc);
        goto body_done;
    }
    CASE (bs_get_ints) {
        /* All of those that follow one by one, if they are there and lie within eight bytes. */
        struct match_ctx *ctx = term_match_ctx(R(A));
        size_t at = ctx->position, n = B, wanted = C;
        if (LIKELY(ctx->end - at >= wanted && at % 8 + wanted <= 64 && (ctx->end + 7) / 8 - at / 8 >= 8)) {
            uint64_t v;
            memcpy(&v, ctx->bytes + at / 8, sizeof(v));
            v = __builtin_bswap64(v) << (at % 8);
            ctx->position = at + wanted;
            for (size_t k = 1; k <= n; k++) {
                uint64_t segment = pc[k], flags = (segment >> 16) & 0xFF, unused = segment >> 32;
                uint64_t bits = v << ((segment >> 24) & 0xFF);
                if (flags == 0) {
                    X(segment & 0xFFFF) = term_from_small((intptr_t) (bits >> unused));
                    continue;
                }
                if (flags & BITS_LITTLE) {
                    bits = __builtin_bswap64(bits) << unused;
                }
                bits = (flags & BITS_SIGNED) ? (uint64_t) ((int64_t) bits >> unused) : bits >> unused;
                X(segment & 0xFFFF) = term_from_small((intptr_t) bits);
            }
            NEXT(1 + 3 * n);
        }
        NEXT(1 + n);
    }
    CASE (bs_start_match) {
        a = SRC(pc[1]);
        if (LIKELY(term_has_tag(a, TAG_MATCH_CTX))) {
            R(A) = a;
            NEXT(2);
        }
        SAVE();
        resume = op_bs_start_match(&m, pc);
        goto body_done;
    }
    CASE (bs_get_position) {
        R(B) = term_from_small((intptr_t) term_match_ctx(R(A))->position);
        NEXT(1);
    }
    CASE (bs_set_position) {
        struct match_ctx *ctx = term_match_ctx(R(A));
        a = SRC(pc[1]);
        if (UNLIKELY(!term_is_small(a) || (uintptr_t) term_to_small(a) > ctx->end)) {
            goto badarg;
        }
        ctx->position = (size_t) term_to_small(a);
        NEXT(2);
    }
    CASE (bs_skip_fixed) {
        struct match_ctx *ctx = term_match_ctx(R(A));
        if (ctx->end - ctx->position < pc[1]) {
            NEXT_FAIL();
        }
        ctx->position += pc[1];
        NEXT(2);
    }
    CASE (bs_test_tail) {
        const struct match_ctx *ctx = term_match_ctx(R(A));
        if (ctx->end - ctx->position == pc[1]) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (bs_test_zero_tail) {
        const struct match_ctx *ctx = term_match_ctx(R(A));
        if (ctx->end == ctx->position) {
            NEXT(1);
        }
        NEXT_FAIL();
    }
    CASE (bs_test_unit) {
        const struct match_ctx *ctx = term_match_ctx(R(A));
        if ((ctx->end - ctx->position) % pc[1] == 0) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (bs_test_mask) { /* the unit is a power of two */
        const struct match_ctx *ctx = term_match_ctx(R(A));
        if (((ctx->end - ctx->position) & pc[1]) == 0) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
    CASE (bs_ensure_at_least) {
        const struct match_ctx *ctx = term_match_ctx(R(A));
        size_t left = ctx->end - ctx->position;
        if (left >= pc[1] && (pc[2] <= 1 || (left - pc[1]) % pc[2] == 0)) {
            NEXT(3);
        }
        NEXT_FAIL();
    }
    CASE (bs_ensure_exactly) {
        const struct match_ctx *ctx = term_match_ctx(R(A));
        if (ctx->end - ctx->position == pc[1]) {
            NEXT(2);
        }
        NEXT_FAIL();
    }
#define BODY(name)                                              \
    CASE (name) {                                               \
        SAVE();                                                 \
        resume = op_##name(&m, pc);                             \
        if (LIKELY(resume != NULL && !P->heap.force_gc)) {      \
            LOAD();                                             \
            NEXT_AT(resume);                                    \
        }                                                       \
        goto body_done;                                         \
    }
    BODY(update_record)
    BODY(put_map)
    BODY(bs_get_integer)
    BODY(bs_get_float)
    BODY(bs_get_binary)
    BODY(bs_get_binary_all)
    BODY(bs_skip)
    BODY(bs_match_string)
    BODY(bs_get_tail)
    BODY(bs_get_utf)
    BODY(bs_skip_utf)
    BODY(bs_match_equal)

    /* ---- making bits ---- */
    BODY(bs_create_bin)
    BODY(bs_init)
    BODY(bs_append)
    BODY(bs_private_append)
    BODY(bs_init_writable)
    BODY(bs_put_integer)
    BODY(bs_put_binary)
    BODY(bs_put_float)
    BODY(bs_put_string)
    BODY(bs_put_utf)
    BODY(bs_add)
    BODY(bs_utf_size)
#undef BODY

    /* ---- what was not proven ---- */
    CASE (check_cons) {
        if (term_is_cons(R(A))) {
            NEXT(1);
        }
        goto badarg;
    }
    CASE (check_tuple) {
        a = R(A);
        if (term_is_tuple(a) && term_arity(a) >= pc[1] && (B == 0 || !arena_is_literal(term_box(a)))) {
            NEXT(2);
        }
        goto badarg;
    }
    CASE (check_tuple_x) {
        a = X(A);
        if (LIKELY(term_is_tuple(a) && term_arity(a) >= pc[1])) {
            NEXT(2);
        }
        goto badarg;
    }
    CASE (check_map) {
        if (term_is_map(R(A))) {
            NEXT(1);
        }
        goto badarg;
    }
    CASE (check_context) {
        if (term_has_tag(R(A), TAG_MATCH_CTX)) {
            NEXT(1);
        }
    badarg:
        SAVE();
        proc_badarg(P);
        goto raise;
    }

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
        reds_put_aside += reds;
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
    return RUN_WAITING;

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
    if (insn_l(w) == 0) {
        goto arith_short;
    }
    goto arith_named_fail;

arith_named:
    w = 0; /* no label */
arith_named_fail:
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
        if (insn_l(w) != 0) {
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
            stop = (uintptr_t *) ((char *) stop + insn_b(*pc));
        }
        if (target != NULL) {
            goto call_export;
        }
        a = s->x[--live]; /* apply/2: the fun stands behind its arguments */
        tail = TAIL_ONLY;
        goto do_call_fun;
    case CONTROL_YIELD:
        P->control = CONTROL_NONE;
        X(0) = P->value;
        P->value = TERM_NIL;
        if (tail == TAIL_NONE) {
            pc += 2;
        } else {
            if (tail == TAIL_LAST) {
                stop = (uintptr_t *) ((char *) stop + insn_b(*pc));
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
    case CONTROL_PENDING:
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

raise_at_site: /* heap and stack are saved; P->exc is set */
    P->control = CONTROL_NONE;
    pc = exception_raise(s, P, pc, &site);
    site.kind = RAISE_CODE;
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
