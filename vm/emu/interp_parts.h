/* interp_parts.h - instructions that may run into their successor without a dispatch: the first halves
 * of the PAIR rows of ops.def.
 *
 * Each does what its handler in interp.c does in the usual case and says so; false: nothing was done,
 * the handler is to do it. They see the machine as the handlers do: s the scheduler, stop and top the
 * process's stack and heap, pc the instruction.
 */
#ifndef VM_INTERP_PARTS_H
#define VM_INTERP_PARTS_H

#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/emu/arith_fast.h"
#include "vm/emu/interp.h"

#ifdef ENABLE_GC_STRESS
enum { GC_STRESS = 1 };
#else
enum { GC_STRESS = 0 };
#endif

/* A register by its operand. */
#define X(offset) (*(term *) ((char *) s + (offset)))
#define Y(offset) (*(term *) ((char *) *stop + (offset)))
#define F(offset) (*(double *) ((char *) s->f + (offset)))
#define R(offset) (*insn_register(s, *stop, (offset)))
#define SRC(word) (insn_source(s, *stop, (word)))
#define A         (insn_a(pc))
#define B         (insn_b(pc))
#define C         (insn_c(pc))
/* By its number. */
#define XN(n)     (s->x[(n)].word)
#define YN(n)     ((*stop)[(n)])

#define UNUSED __attribute__((unused))
#define PART(name)                                                                                    \
    ALWAYS_INLINE bool part_##name(UNUSED struct sched *s,             \
        UNUSED uintptr_t **stop, UNUSED uintptr_t **top, UNUSED const uint64_t *pc)

static inline size_t room(const uintptr_t *top, const uintptr_t *stop)
{
    return (size_t) ((const char *) stop - (const char *) top);
}
static inline bool both_small(term a, term b)
{
    return (a.word & b.word & TERM_IMMED_MASK) == TERM_IMMED_SMALL;
}
static inline term new_cons(uintptr_t **top, term head, term tail)
{
    uintptr_t *cell = *top;
    cell[0] = head.word;
    cell[1] = tail.word;
    *top = cell + 2;
    return term_from_list_ptr(cell);
}
static inline void take_cons(term cons, term *head, term *tail)
{
    const term *cell = (const term *) term_cell(cons);
    term h = cell[0], t = cell[1];
    *head = h;
    *tail = t;
}
/* A frame of so many bytes, if there is room for it and `heap` more. */
static inline bool new_frame(uintptr_t **stop, uintptr_t *top, size_t bytes, size_t heap)
{
    if (room(top, *stop) < bytes + heap || GC_STRESS) {
        return false;
    }
    *stop = (uintptr_t *) ((char *) *stop - bytes);
    **stop = TERM_IMMED2_NIL;
    return true;
}

/* ---- moves ---- */
/* From A to B, and from byte i to the next. */
#define MOVE(FROM, TO)                                          \
    do {                                                        \
        struct operands move = insn_ab(pc);                     \
        TO(move.second) = FROM(move.first);                     \
    } while (0)
#define MOVE_BYTES(i, FROM, TO)                                 \
    do {                                                        \
        struct operands move = insn_bytes(pc, (i));             \
        TO##N(move.second) = FROM##N(move.first);               \
    } while (0)
PART(move_xx) { MOVE(X, X); return true; }
PART(move_xy) { MOVE(X, Y); return true; }
PART(move_yx) { MOVE(Y, X); return true; }
PART(move_yy) { MOVE(Y, Y); return true; }
PART(move_ix) { X(A) = (term) { (uint64_t) insn_l(pc) }; return true; }
PART(move2_xx) { MOVE_BYTES(0, X, X); MOVE_BYTES(2, X, X); return true; }
PART(move2_yx) { MOVE_BYTES(0, Y, X); MOVE_BYTES(2, Y, X); return true; }
PART(move2_xy) { MOVE_BYTES(0, X, Y); MOVE_BYTES(2, X, Y); return true; }
PART(move2_xx_xy) { MOVE_BYTES(0, X, X); MOVE_BYTES(2, X, Y); return true; }
PART(move2_xx_yx) { MOVE_BYTES(0, X, X); MOVE_BYTES(2, Y, X); return true; }
PART(move2_xy_xx) { MOVE_BYTES(0, X, Y); MOVE_BYTES(2, X, X); return true; }
PART(move2_xy_yx) { MOVE_BYTES(0, X, Y); MOVE_BYTES(2, Y, X); return true; }
PART(move2_yx_xx) { MOVE_BYTES(0, Y, X); MOVE_BYTES(2, X, X); return true; }
PART(move2_yx_xy) { MOVE_BYTES(0, Y, X); MOVE_BYTES(2, X, Y); return true; }
PART(move3_xx) { MOVE_BYTES(0, X, X); MOVE_BYTES(2, X, X); MOVE_BYTES(4, X, X); return true; }
PART(move3_yx) { MOVE_BYTES(0, Y, X); MOVE_BYTES(2, Y, X); MOVE_BYTES(4, Y, X); return true; }
PART(move3_xy) { MOVE_BYTES(0, X, Y); MOVE_BYTES(2, X, Y); MOVE_BYTES(4, X, Y); return true; }
PART(swap)
{
    term t = R(A);
    R(A) = R(B);
    R(B) = t;
    return true;
}

/* ---- frames ---- */
PART(allocate)
{
    struct operands size = insn_bc(pc);
    return new_frame(stop, *top, size.first, size.second);
}
PART(allocate_move_xy)
{
    if (!new_frame(stop, *top, insn_byte(pc, 1) * sizeof(term), 0)) {
        return false;
    }
    MOVE_BYTES(2, X, Y);
    return true;
}
PART(allocate_move2_xy)
{
    if (!new_frame(stop, *top, insn_byte(pc, 1) * sizeof(term), 0)) {
        return false;
    }
    MOVE_BYTES(2, X, Y);
    MOVE_BYTES(4, X, Y);
    return true;
}
PART(test_heap) { return room(*top, *stop) >= B && !GC_STRESS; }
PART(trim)
{
    *stop = (uintptr_t *) ((char *) *stop + A);
    **stop = TERM_IMMED2_NIL;
    return true;
}
PART(init_y) { Y(A) = TERM_NIL; return true; }
PART(init_y3) { Y(A) = Y(B) = Y(C) = TERM_NIL; return true; }

/* ---- lists ---- */
PART(is_nonempty_list_x) { return term_is_cons(X(A)); }
PART(get_list_xxx)
{
    struct operands to = insn_bc(pc);
    take_cons(X(A), &X(to.first), &X(to.second));
    return true;
}
PART(get_list_xxy)
{
    struct operands to = insn_bc(pc);
    take_cons(X(A), &X(to.first), &Y(to.second));
    return true;
}
PART(get_list_xyx)
{
    struct operands to = insn_bc(pc);
    take_cons(X(A), &Y(to.first), &X(to.second));
    return true;
}
PART(get_list_xyy)
{
    struct operands to = insn_bc(pc);
    take_cons(X(A), &Y(to.first), &Y(to.second));
    return true;
}
PART(get_list_r) { take_cons(R(A), &R(B), &R(C)); return true; }
PART(nonempty_get_list_x)
{
    if (!term_is_cons(X(A))) {
        return false;
    }
    take_cons(X(A), &X(pc[1] & 0xFFFF), &X(pc[1] >> 16));
    return true;
}
PART(get_hd_xx)
{
    struct operands o = insn_ab(pc);
    X(o.second) = term_head(X(o.first));
    return true;
}
PART(get_tl_xx)
{
    struct operands o = insn_ab(pc);
    X(o.second) = term_tail(X(o.first));
    return true;
}
PART(cons_xxx)
{
    struct operands o = insn_bc(pc);
    X(o.second) = new_cons(top, X(A), X(o.first));
    return true;
}
PART(cons_xnx) { X(C) = new_cons(top, X(A), TERM_NIL); return true; }
PART(cons_yxx)
{
    struct operands o = insn_bc(pc);
    X(o.second) = new_cons(top, Y(A), X(o.first));
    return true;
}
PART(cons_rrr) { R(C) = new_cons(top, R(A), R(B)); return true; }

/* ---- tuples ---- */
#define ELEMENT(tuple, offset) (*(term *) ((char *) term_box(tuple) + (offset)))
PART(get_element_xx)
{
    struct operands o = insn_bc(pc);
    X(o.first) = ELEMENT(X(A), o.second);
    return true;
}
PART(get_element_xy)
{
    struct operands o = insn_bc(pc);
    Y(o.first) = ELEMENT(X(A), o.second);
    return true;
}
PART(get_element_yx)
{
    struct operands o = insn_bc(pc);
    X(o.first) = ELEMENT(Y(A), o.second);
    return true;
}
PART(get_element2_x)
{
    struct operands one = insn_bytes(pc, 0), two = insn_bytes(pc, 2);
    const uintptr_t *t = term_box((term) { XN(one.first) });
    XN(two.first) = t[one.second];
    XN(insn_byte(pc, 4)) = t[two.second];
    return true;
}
PART(check_tuple_x)
{
    term t = X(A);
    return term_is_tuple(t) && term_arity(t) >= pc[1];
}
PART(check_tuple) /* B: and one that may be written to */
{
    term t = R(A);
    return term_is_tuple(t) && term_arity(t) >= pc[1] && B == 0;
}
PART(is_tuple_of_x)
{
    term t = X(A);
    return term_is_boxed(t) && term_box(t)[0] == pc[1];
}

PART(is_tagged_tuple_x)
{
    term t = X(A);
    return term_is_boxed(t) && term_box(t)[0] == pc[1] && term_box(t)[1] == pc[2];
}
PART(put_tuple2_x)
{
    size_t n = B;
    const uint16_t *regs = (const uint16_t *) &pc[1];
    uintptr_t *tuple = *top;
    tuple[0] = TERM_HEADER(TAG_TUPLE, n);
    for (size_t i = 0; i < n; i++) {
        tuple[1 + i] = R((uint64_t) regs[i]).word;
    }
    X(A) = term_from_boxed_ptr(tuple);
    *top = tuple + n + 1;
    return true;
}
PART(put_tuple2)
{
    size_t n = B;
    uintptr_t *tuple = *top;
    tuple[0] = TERM_HEADER(TAG_TUPLE, n);
    for (size_t i = 1; i <= n; i++) {
        tuple[i] = SRC(pc[i]).word;
    }
    R(A) = term_from_boxed_ptr(tuple);
    *top = tuple + n + 1;
    return true;
}
PART(put_record)
{
    size_t n = B;
    const uint16_t *regs = (const uint16_t *) &pc[2];
    uintptr_t *tuple = *top;
    tuple[0] = TERM_HEADER(TAG_TUPLE, n);
    tuple[1] = pc[1];
    for (size_t i = 0; i < n - 1; i++) {
        tuple[2 + i] = R((uint64_t) regs[i]).word;
    }
    X(A) = term_from_boxed_ptr(tuple);
    *top = tuple + n + 1;
    return true;
}

/* ---- other types ---- */
PART(is_nil_x) { return term_is_nil(X(A)); }
PART(is_tuple_x) { return term_is_tuple(X(A)); }
PART(check_map) { return term_is_map(R(A)); }
PART(is_map_x) { return term_is_map(X(A)); }
PART(is_integer_x) { return term_is_small(X(A)); }
PART(is_atom_x) { return term_is_atom(X(A)); }

/* ---- comparisons ---- */
PART(ne_exact_xx)
{
    struct operands o = insn_ab(pc);
    return term_is_small(X(o.first)) && term_is_immed(X(o.second)) && X(o.first).word != X(o.second).word;
}
PART(eq_exact_xx)
{
    struct operands o = insn_ab(pc);
    return X(o.first).word == X(o.second).word;
}
PART(eq_exact_xi) { return X(A).word == pc[1]; }
PART(ne_exact_xi) { return X(A).word != pc[1]; }
PART(lt_xi) { return term_is_small(X(A)) && (intptr_t) X(A).word < (intptr_t) pc[1]; }
PART(ge_xi) { return term_is_small(X(A)) && (intptr_t) X(A).word >= (intptr_t) pc[1]; }
PART(ge_ix) { return term_is_small(X(A)) && (intptr_t) X(A).word <= (intptr_t) pc[1]; }
PART(ge_xx)
{
    struct operands o = insn_ab(pc);
    return both_small(X(o.first), X(o.second)) && (intptr_t) X(o.first).word >= (intptr_t) X(o.second).word;
}

PART(equals) { R(A) = term_from_bool(term_equal_exact(SRC(pc[1]), SRC(pc[2]))); return true; }

/* Is it certain that a test fails? The first halves of the OVER rows. */
#define FAILS(name)                                                                                   \
    ALWAYS_INLINE bool fails_##name(                                   \
        UNUSED struct sched *s, UNUSED const uint64_t *pc)
FAILS(eq_exact_xi) { return X(A).word != pc[1]; }
FAILS(lt_xi) { return term_is_small(X(A)) && (intptr_t) X(A).word >= (intptr_t) pc[1]; }
FAILS(ge_xx)
{
    struct operands o = insn_ab(pc);
    return both_small(X(o.first), X(o.second)) && (intptr_t) X(o.first).word < (intptr_t) X(o.second).word;
}
#undef FAILS

/* ---- arithmetic ---- */
static inline bool add_small(term a, uint64_t bits, term *to)
{
    int64_t sum;
    if (!term_is_small(a) || __builtin_add_overflow((int64_t) a.word, (int64_t) bits, &sum)) {
        return false;
    }
    to->word = (uint64_t) sum;
    return true;
}
static inline bool sub_small(term a, uint64_t bits, term *to)
{
    int64_t difference;
    if (!term_is_small(a) || __builtin_sub_overflow((int64_t) a.word, (int64_t) bits, &difference)) {
        return false;
    }
    to->word = (uint64_t) difference;
    return true;
}
static inline bool add_terms(term a, term b, term *to)
{
    term sum;
    if (!both_small(a, b) || !fast_add(a, b, &sum)) {
        return false;
    }
    *to = sum;
    return true;
}
static inline bool sub_terms(term a, term b, term *to)
{
    term difference;
    if (!both_small(a, b) || !fast_sub(a, b, &difference)) {
        return false;
    }
    *to = difference;
    return true;
}
PART(add_xi)
{
    struct operands o = insn_bc(pc);
    return add_small(X(A), o.second, &X(o.first));
}
PART(add_yi)
{
    struct operands o = insn_bc(pc);
    return add_small(Y(A), o.second, &X(o.first));
}
PART(sub_xi)
{
    struct operands o = insn_bc(pc);
    return sub_small(X(A), o.second, &X(o.first));
}
PART(sub_yi)
{
    struct operands o = insn_bc(pc);
    return sub_small(Y(A), o.second, &X(o.first));
}
PART(add_xx)
{
    struct operands o = insn_bc(pc);
    return add_terms(X(A), X(o.first), &X(o.second));
}
PART(add_xy)
{
    struct operands o = insn_bc(pc);
    return add_terms(X(A), Y(o.first), &X(o.second));
}
PART(add_yx)
{
    struct operands o = insn_bc(pc);
    return add_terms(Y(A), X(o.first), &X(o.second));
}
PART(abs)
{
    term a = SRC(pc[1]);
    if (!term_is_small(a) || (intptr_t) a.word < 0) {
        return false;
    }
    R(A) = a;
    return true;
}
PART(rem)
{
    term a = SRC(pc[1]), b = SRC(pc[2]), r;
    if (!both_small(a, b) || !fast_rem(a, b, &r)) {
        return false;
    }
    R(A) = r;
    return true;
}
PART(sub_xx)
{
    struct operands o = insn_bc(pc);
    return sub_terms(X(A), X(o.first), &X(o.second));
}

/* ---- floats ---- */
static inline bool set_float(double value, double *to)
{
    *to = value; /* if it is not finite the process is not to see it */
    return __builtin_isfinite(value);
}
PART(fload_x)
{
    term t = X(A);
    if (!term_is_float(t)) {
        return false;
    }
    F(B) = term_to_double(t);
    return true;
}
PART(fload_c) { F(B) = term_to_double((term) { pc[1] }); return true; }
PART(fstore)
{
    uintptr_t *box = *top;
    box[0] = TERM_HEADER(TAG_FLOAT, 1);
    memcpy(&box[1], &F(A), sizeof(double));
    R(B) = term_from_boxed_ptr(box);
    *top = box + HEAP_FLOAT_WORDS;
    return true;
}
PART(fadd)
{
    struct operands o = insn_bc(pc);
    return set_float(F(A) + F(o.first), &F(o.second));
}
PART(fsub)
{
    struct operands o = insn_bc(pc);
    return set_float(F(A) - F(o.first), &F(o.second));
}
PART(fmul)
{
    struct operands o = insn_bc(pc);
    return set_float(F(A) * F(o.first), &F(o.second));
}

/* ---- matching bits ---- */

/* The next n bits as an integer, if they are at most 56 and eight bytes can be read at once or they are
 * few. Leaves the position. */
static inline bool bits_peek_fast(const struct match_ctx *ctx, size_t n, unsigned flags, uint64_t *out)
{
    size_t at = ctx->position;
    if (n > 56 || n == 0) {
        return false;
    }
    const uint8_t *bytes = ctx->bytes + at / 8;
    uint64_t v = 0;
    if ((ctx->end + 7) / 8 - at / 8 >= sizeof(v)) {
        memcpy(&v, bytes, sizeof(v));
        v = __builtin_bswap64(v);
    } else {
        for (size_t i = 0; i <= (at % 8 + n - 1) / 8; i++) {
            v |= (uint64_t) bytes[i] << (56 - 8 * i);
        }
    }
    v = v << (at % 8) >> (64 - n);
    if (flags & BITS_LITTLE) {
        if (n % 8 != 0) {
            return false;
        }
        v = __builtin_bswap64(v) >> (64 - n);
    }
    if (flags & BITS_SIGNED) {
        v = (uint64_t) ((int64_t) (v << (64 - n)) >> (64 - n));
    }
    *out = v;
    return true;
}
PART(bs_start_match)
{
    term t = SRC(pc[1]);
    if (!term_has_tag(t, TAG_MATCH_CTX)) {
        return false;
    }
    R(A) = t;
    return true;
}
PART(bs_get_position) { R(B) = term_from_small((intptr_t) term_match_ctx(R(A))->position); return true; }
PART(bs_test_mask)
{
    const struct match_ctx *ctx = term_match_ctx(R(A));
    return ((ctx->end - ctx->position) & pc[1]) == 0;
}
PART(bs_get_int_fixed)
{
    struct match_ctx *ctx = term_match_ctx(R(A));
    size_t n = pc[1] >> 32;
    uint64_t value;
    if (ctx->end - ctx->position < n || !bits_peek_fast(ctx, n, (pc[1] >> 16) & 0xFFFF, &value)) {
        return false;
    }
    ctx->position += n;
    R(pc[1] & 0xFFFF) = term_from_small((intptr_t) value);
    return true;
}

#undef PART
#undef UNUSED
/* The loop has the machine in locals. */
#undef Y
#undef R
#undef SRC
#undef YN
#endif
