/* emit_move.c - moves between registers, alone or several at once, and with what follows or precedes them. */
#include "vm/emu/emit.h"

static bool is_x0(const struct gen_operand *o)
{
    return o->kind == GEN_X && o->value == 0;
}
/* Register numbers that fit the packed forms of two moves. */
static bool packs8(const struct gen_operand *o)
{
    return (o->kind == GEN_X && o->value <= 255) || (o->kind == GEN_Y && o->value <= 254);
}
static uint64_t pack_index(const struct gen_operand *o)
{
    return (uint64_t) o->value + (o->kind == GEN_Y);
}
static uint64_t pack8(const struct gen_operand *from, const struct gen_operand *to, unsigned i)
{
    return (pack_index(from) | pack_index(to) << 8) << (INSN_A_SHIFT + 16 * i);
}
/* Does the constant fit operand L as it is? */
static bool fits_l(term t)
{
    return term_is_immed(t) && (intptr_t) t.word <= INT32_MAX && (intptr_t) t.word >= INT32_MIN;
}
static void set_l(struct emitter *e, term t)
{
    e->words[e->insn] |= t.word << INSN_L_SHIFT;
}


/* Skips `line`: the index after the current instruction of the next that is none. */
static size_t skip_lines(const struct emitter *e, size_t n)
{
    while (emit_peek(e, n, OP_line) != NULL) {
        n++;
    }
    return n;
}

/* The nth instruction from here, if it is a move between registers of those kinds below 256. */
static const struct gen_insn *similar_move(const struct emitter *e, size_t n, enum gen_kind from, enum gen_kind to)
{
    const struct gen_insn *i = emit_peek(e, n, OP_move);
    if (i == NULL || (i->flags & GEN_PIN) || emit_arg(e, i, 0)->kind != from || emit_arg(e, i, 1)->kind != to
        || !packs8(emit_arg(e, i, 0)) || !packs8(emit_arg(e, i, 1))) {
        return NULL;
    }
    return i;
}

/* Which of x to x, x to y, y to x; 3: another kind of move. */
static unsigned move_shape(const struct gen_operand *s, const struct gen_operand *d)
{
    if (!packs8(s) || !packs8(d) || (s->kind == GEN_Y && d->kind == GEN_Y)) {
        return 3;
    }
    return s->kind == GEN_Y ? 2 : d->kind == GEN_Y;
}

/* Two moves of different shape. */
static bool fuse_unlike_moves(struct emitter *e, const struct gen_operand *s, const struct gen_operand *d, size_t *used)
{
    static const enum op ops[3][3] = {
        { OP_COUNT, I_move2_xx_xy, I_move2_xx_yx },
        { I_move2_xy_xx, OP_COUNT, I_move2_xy_yx },
        { I_move2_yx_xx, I_move2_yx_xy, OP_COUNT },
    };
    const struct gen_insn *next = emit_peek(e, 1, OP_move);
    unsigned first = move_shape(s, d);
    bool alone = next == NULL || (next->flags & (GEN_PIN | GEN_NO_RETURN));
    unsigned second = alone ? 3 : move_shape(emit_arg(e, next, 0), emit_arg(e, next, 1));
    if (first == 3 || second == 3 || first == second) {
        return false;
    }
    const struct gen_insn *third = emit_peek(e, 2, OP_move);
    if (third != NULL && move_shape(emit_arg(e, third, 0), emit_arg(e, third, 1)) == second) {
        return false; /* the next two go together */
    }
    emit_op(e, ops[first][second], 0, 0, 0);
    e->words[e->insn] |= pack8(s, d, 0) | pack8(emit_arg(e, next, 0), emit_arg(e, next, 1), 1);
    *used = 2;
    return true;
}

static bool fuse_moves(struct emitter *e, const struct gen_operand *s, const struct gen_operand *d, size_t *used)
{
    static const enum op ops[2][3] = { { I_move2_xx, I_move2_xy, I_move2_yx }, { I_move3_xx, I_move3_xy, I_move3_yx } };
    if (s->kind == GEN_CONST || (s->kind == GEN_Y && d->kind == GEN_Y)) {
        return false;
    }
    const struct gen_insn *i[3];
    size_t n = 0;
    while (n < 3 && (i[n] = similar_move(e, n, s->kind, d->kind)) != NULL) {
        n++;
    }
    if (n < 2) {
        return fuse_unlike_moves(e, s, d, used);
    }
    emit_op(e, ops[n - 2][s->kind == GEN_Y ? 2 : d->kind == GEN_Y], 0, 0, 0);
    for (unsigned k = 0; k < n; k++) {
        e->words[e->insn] |= pack8(emit_arg(e, i[k], 0), emit_arg(e, i[k], 1), k);
    }
    *used = n;
    return true;
}

/* A plain frame, and one or two moves of arguments into it. */
bool emit_allocate_moves(struct emitter *e, const struct gen_insn *i, const struct gen_operand *live, size_t *used)
{
    uint64_t slots = (uint64_t) emit_arg(e, i, 0)->value;
    const struct gen_insn *first = similar_move(e, 1, GEN_X, GEN_Y), *second = similar_move(e, 2, GEN_X, GEN_Y);
    if (i->op != OP_allocate || (i->flags & GEN_UNPROVEN) || first == NULL || slots > 254 || live->value > 255) {
        return false;
    }
    emit_op(e, second == NULL ? I_allocate_move_xy : I_allocate_move2_xy, 0, 0, 0);
    e->words[e->insn] |= (uint64_t) live->value << INSN_A_SHIFT | (slots + 1) << (INSN_A_SHIFT + 8);
    e->words[e->insn] |= pack8(emit_arg(e, first, 0), emit_arg(e, first, 1), 1);
    if (second != NULL) {
        e->words[e->insn] |= pack8(emit_arg(e, second, 0), emit_arg(e, second, 1), 2);
    }
    *used = second == NULL ? 2 : 3;
    return true;
}

/* A move to x0 with the return or call that follows. */
static bool fuse_last_move(struct emitter *e, const struct gen_operand *s, size_t *used)
{
    const struct gen_insn *dealloc = emit_peek(e, 1, OP_deallocate);
    if (dealloc != NULL && emit_peek(e, 2, OP_return) != NULL) {
        uint64_t frame = emit_frame_bytes(emit_arg(e, dealloc, 0));
        if (s->kind == GEN_CONST) {
            emit_op(e, emit_for_frame(I_move_c_dealloc_ret, frame), frame, 0, 0);
            emit_source(e, s);
        } else if (s->kind == GEN_Y) {
            emit_op(e, emit_for_frame(I_move_y_x0_dealloc_ret, frame), frame, emit_y(s), 0);
        } else {
            emit_op(e, emit_for_frame(I_move_x_x0_dealloc_ret, frame), frame, emit_x(s), 0);
        }
        *used = 3;
        return true;
    }
    if (emit_peek(e, 1, OP_return) != NULL && s->kind != GEN_Y) {
        if (s->kind == GEN_X) {
            emit_op(e, I_move_x_x0_ret, emit_x(s), 0, 0);
        } else if (fits_l(s->constant)) {
            emit_op(e, I_move_i_ret, 0, 0, 0);
            set_l(e, s->constant);
        } else {
            emit_op(e, I_move_c_ret, 0, 0, 0);
            emit_source(e, s);
        }
        *used = 2;
        return true;
    }
    size_t n = skip_lines(e, 1);
    const struct gen_insn *call = emit_peek(e, n, OP_call);
    if (call != NULL && s->kind != GEN_CONST) {
        if (emit_function_of_label(e, emit_arg(e, call, 1)->value) < 0) {
            return false;
        }
        bool from_x = s->kind == GEN_X;
        emit_lines_within(e, n);
        emit_op_label(e, from_x ? I_move_call_xx : I_move_call_yx, from_x ? emit_x(s) : emit_y(s),
            emit_label_of(emit_arg(e, call, 1)));
        *used = n + 1;
        return true;
    }
    return false;
}

static void move_one(struct emitter *e, const struct gen_operand *s, const struct gen_operand *d)
{
    bool to_x = d->kind == GEN_X;
    uint64_t to = to_x ? emit_x(d) : emit_y(d);
    if (s->kind == GEN_CONST) {
        if (fits_l(s->constant)) {
            emit_op(e, to_x ? I_move_ix : I_move_iy, to, 0, 0);
            set_l(e, s->constant);
        } else {
            emit_op(e, to_x ? I_move_cx : I_move_cy, to, 0, 0);
            emit_source(e, s);
        }
    } else if (s->kind == GEN_X) {
        emit_op(e, to_x ? I_move_xx : I_move_xy, emit_x(s), to, 0);
    } else {
        emit_op(e, to_x ? I_move_yx : I_move_yy, emit_y(s), to, 0);
    }
}

bool emit_move(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    switch ((int) i->op) {
    case OP_move: {
        const struct gen_operand *s = emit_arg(e, i, 0), *d = emit_arg(e, i, 1);
        if ((!is_x0(d) || !fuse_last_move(e, s, used)) && !fuse_moves(e, s, d, used)) {
            move_one(e, s, d);
        }
        return true;
    }
    case OP_swap: {
        uint64_t a = emit_reg(e, emit_arg(e, i, 0)), b = emit_reg(e, emit_arg(e, i, 1));
        emit_op(e, I_swap, a, b, 0);
        return true;
    }
    case OP_init:
        emit_op(e, I_init_y, emit_y(emit_arg(e, i, 0)), 0, 0);
        return true;
    case OP_init_yregs: {
        size_t n = (size_t) emit_arg(e, i, 0)->value, k = 0;
        for (; k + 3 <= n; k += 3) {
            emit_op(e, I_init_y3, emit_y(emit_arg(e, i, k + 1)), emit_y(emit_arg(e, i, k + 2)), emit_y(emit_arg(e, i, k + 3)));
        }
        for (; k < n; k++) {
            emit_op(e, I_init_y, emit_y(emit_arg(e, i, k + 1)), 0, 0);
        }
        return true;
    }
    default:
        return false;
    }
}
