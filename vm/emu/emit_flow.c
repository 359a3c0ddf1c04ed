/* emit_flow.c - moves, tests, choices, frames, calls, exceptions, messages. */
#include "vm/emu/emit.h"

#include <stdlib.h>

#include "lib/base/arena.h"
#include "vm/core/compare.h"

static const struct gen_operand *arg(const struct emitter *e, const struct gen_insn *i, size_t n)
{
    return gen_arg(e->gen, i, n);
}
static uint32_t label_of(const struct gen_operand *o)
{
    return o->kind == GEN_LABEL ? (uint32_t) o->value : 0;
}
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

/* ---- moves ---- */

/* The nth instruction from here, if it is a move between registers of those kinds below 256. */
static const struct gen_insn *similar_move(const struct emitter *e, size_t n, enum gen_kind from, enum gen_kind to)
{
    const struct gen_insn *i = emit_peek(e, n, OP_move);
    if (i == NULL || (i->flags & GEN_PIN) || arg(e, i, 0)->kind != from || arg(e, i, 1)->kind != to
        || !packs8(arg(e, i, 0)) || !packs8(arg(e, i, 1))) {
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
    unsigned second = next == NULL || (next->flags & (GEN_PIN | GEN_NO_RETURN)) ? 3 : move_shape(arg(e, next, 0), arg(e, next, 1));
    if (first == 3 || second == 3 || first == second) {
        return false;
    }
    const struct gen_insn *third = emit_peek(e, 2, OP_move);
    if (third != NULL && move_shape(arg(e, third, 0), arg(e, third, 1)) == second) {
        return false; /* the next two go together */
    }
    emit_op(e, ops[first][second], 0, 0, 0);
    e->words[e->insn] |= pack8(s, d, 0) | pack8(arg(e, next, 0), arg(e, next, 1), 1);
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
        e->words[e->insn] |= pack8(arg(e, i[k], 0), arg(e, i[k], 1), k);
    }
    *used = n;
    return true;
}

/* The form of a FRAME instruction for a frame of that size. */
static enum op for_frame(enum op op, uint64_t bytes)
{
    uint64_t words = bytes / sizeof(term);
    return words <= 4 ? (enum op) ((unsigned) op + (unsigned) words) : op;
}

/* A move to x0 with the return or call that follows. */
static bool fuse_last_move(struct emitter *e, const struct gen_operand *s, size_t *used)
{
    const struct gen_insn *dealloc = emit_peek(e, 1, OP_deallocate);
    if (dealloc != NULL && emit_peek(e, 2, OP_return) != NULL) {
        uint64_t frame = ((uint64_t) arg(e, dealloc, 0)->value + 1) * sizeof(term);
        if (s->kind == GEN_CONST) {
            emit_op(e, for_frame(I_move_c_dealloc_ret, frame), frame, 0, 0);
            emit_source(e, s);
        } else if (s->kind == GEN_Y) {
            emit_op(e, for_frame(I_move_y_x0_dealloc_ret, frame), frame, emit_y(s), 0);
        } else {
            emit_op(e, for_frame(I_move_x_x0_dealloc_ret, frame), frame, emit_x(s), 0);
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
        if (emit_function_of_label(e, arg(e, call, 1)->value) < 0) {
            return false;
        }
        bool from_x = s->kind == GEN_X;
        emit_lines_within(e, n);
        emit_op_label(e, from_x ? I_move_call_xx : I_move_call_yx, from_x ? emit_x(s) : emit_y(s),
            label_of(arg(e, call, 1)));
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
        const struct gen_operand *s = arg(e, i, 0), *d = arg(e, i, 1);
        if ((!is_x0(d) || !fuse_last_move(e, s, used)) && !fuse_moves(e, s, d, used)) {
            move_one(e, s, d);
        }
        return true;
    }
    case OP_swap: {
        uint64_t a = emit_reg(e, arg(e, i, 0)), b = emit_reg(e, arg(e, i, 1));
        emit_op(e, I_swap, a, b, 0);
        return true;
    }
    case OP_init:
        emit_op(e, I_init_y, emit_y(arg(e, i, 0)), 0, 0);
        return true;
    case OP_init_yregs: {
        size_t n = (size_t) arg(e, i, 0)->value, k = 0;
        for (; k + 3 <= n; k += 3) {
            emit_op(e, I_init_y3, emit_y(arg(e, i, k + 1)), emit_y(arg(e, i, k + 2)), emit_y(arg(e, i, k + 3)));
        }
        for (; k < n; k++) {
            emit_op(e, I_init_y, emit_y(arg(e, i, k + 1)), 0, 0);
        }
        return true;
    }
    default:
        return false;
    }
}

/* ---- tests ---- */

#define TEST(name, predicate)                  \
    static bool holds_##name(term t)           \
    {                                          \
        return predicate(t);                   \
    }
#include "vm/core/bits.h"
#include "vm/emu/ops.def"

struct type_test { enum opcode op; enum op x, y; bool (*holds)(term t); };
static const struct type_test type_tests[] = {
#define TEST(name, predicate) { OP_##name, I_##name##_x, I_##name##_y, holds_##name },
#include "vm/emu/ops.def"
};

static bool fuse_test(struct emitter *e, const struct gen_insn *i, const struct gen_operand *r, size_t *used)
{
    uint32_t fail = label_of(arg(e, i, 0));
    const struct gen_insn *arity = i->op == OP_is_tuple ? emit_peek(e, 1, OP_test_arity) : NULL;
    if (arity != NULL && label_of(arg(e, arity, 0)) == fail && operand_same_register(arg(e, arity, 1), r)) {
        emit_op_label(e, r->kind == GEN_X ? I_is_tuple_of_x : I_is_tuple_of_r, emit_reg(e, r), fail);
        emit_word(e, TERM_HEADER(TAG_TUPLE, arg(e, arity, 2)->value));
        *used = 2;
        return true;
    }
    const struct gen_insn *get = i->op == OP_is_nonempty_list ? emit_peek(e, 1, OP_get_list) : NULL;
    if (get != NULL && !(get->flags & GEN_PIN) && operand_same_register(arg(e, get, 0), r)) {
        const struct gen_operand *head = arg(e, get, 1), *tail = arg(e, get, 2);
        bool all_x = r->kind == GEN_X && head->kind == GEN_X && tail->kind == GEN_X;
        emit_op_label(e, all_x ? I_nonempty_get_list_x : I_nonempty_get_list_r, emit_reg(e, r), fail);
        emit_word(e, emit_reg(e, head) | emit_reg(e, tail) << 16);
        *used = 2;
        return true;
    }
    return false;
}

static bool emit_type_test(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    for (size_t k = 0; k < ARRAY_LEN(type_tests); k++) {
        const struct type_test *t = &type_tests[k];
        if (t->op != (enum opcode) i->op) {
            continue;
        }
        const struct gen_operand *r = arg(e, i, 1);
        uint32_t fail = label_of(arg(e, i, 0));
        if (r->kind == GEN_CONST) {
            if (!t->holds(r->constant)) {
                emit_op_label(e, I_jump, 0, fail);
            }
        } else if (!fuse_test(e, i, r, used)) {
            emit_op_label(e, r->kind == GEN_X ? t->x : t->y, r->kind == GEN_X ? emit_x(r) : emit_y(r), fail);
        }
        return true;
    }
    return false;
}

static void compare_words(struct emitter *e, enum op op, uint32_t fail, const struct gen_operand *a,
    const struct gen_operand *b)
{
    emit_op_label(e, op, 0, fail);
    emit_source(e, a);
    emit_source(e, b);
}

static void emit_equal_exact(struct emitter *e, const struct gen_insn *i, bool equal)
{
    uint32_t fail = label_of(arg(e, i, 0));
    const struct gen_operand *a = arg(e, i, 1), *b = arg(e, i, 2);
    if (operand_is_const(a)) {
        const struct gen_operand *t = a;
        a = b;
        b = t;
    }
    if (operand_is_immed(b) && a->kind == GEN_X) {
        emit_op_label(e, equal ? I_eq_exact_xi : I_ne_exact_xi, emit_x(a), fail);
        emit_source(e, b);
    } else if (operand_is_immed(b) && a->kind == GEN_Y) {
        emit_op_label(e, equal ? I_eq_exact_yi : I_ne_exact_yi, emit_y(a), fail);
        emit_source(e, b);
    } else if (a->kind == GEN_X && b->kind == GEN_X) {
        emit_op(e, equal ? I_eq_exact_xx : I_ne_exact_xx, emit_x(a), emit_x(b), 0);
        emit_labels(e, fail, 0);
    } else {
        compare_words(e, equal ? I_eq_exact_ss : I_ne_exact_ss, fail, a, b);
    }
}

static void emit_order(struct emitter *e, const struct gen_insn *i, bool less)
{
    uint32_t fail = label_of(arg(e, i, 0));
    const struct gen_operand *a = arg(e, i, 1), *b = arg(e, i, 2);
    if (a->kind == GEN_X && b->kind == GEN_X) {
        emit_op(e, less ? I_lt_xx : I_ge_xx, emit_x(a), emit_x(b), 0);
        emit_labels(e, fail, 0);
    } else if (a->kind == GEN_X && operand_is_small(b)) {
        emit_op_label(e, less ? I_lt_xi : I_ge_xi, emit_x(a), fail);
        emit_source(e, b);
    } else if (operand_is_small(a) && b->kind == GEN_X) {
        emit_op_label(e, less ? I_lt_ix : I_ge_ix, emit_x(b), fail);
        emit_source(e, a);
    } else {
        compare_words(e, less ? I_lt_ss : I_ge_ss, fail, a, b);
    }
}

bool emit_test(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    if (emit_type_test(e, i, used)) {
        return true;
    }
    switch ((int) i->op) {
    case OP_is_eq_exact: emit_equal_exact(e, i, true); return true;
    case OP_is_ne_exact: emit_equal_exact(e, i, false); return true;
    case OP_is_lt: emit_order(e, i, true); return true;
    case OP_is_ge: emit_order(e, i, false); return true;
    case OP_is_eq: compare_words(e, I_eq_ss, label_of(arg(e, i, 0)), arg(e, i, 1), arg(e, i, 2)); return true;
    case OP_is_ne: compare_words(e, I_ne_ss, label_of(arg(e, i, 0)), arg(e, i, 1), arg(e, i, 2)); return true;
    case OP_is_function2:
        compare_words(e, I_is_function2, label_of(arg(e, i, 0)), arg(e, i, 1), arg(e, i, 2));
        return true;
    case OP_test_arity: {
        const struct gen_operand *r = arg(e, i, 1);
        bool known = !(i->flags & GEN_UNPROVEN) && r->kind == GEN_X;
        uint64_t reg = emit_reg(e, r);
        emit_op_label(e, known ? I_test_arity_x : I_is_tuple_of_r, reg, label_of(arg(e, i, 0)));
        emit_word(e, TERM_HEADER(TAG_TUPLE, arg(e, i, 2)->value));
        return true;
    }
    case OP_is_tagged_tuple: {
        const struct gen_operand *r = arg(e, i, 1);
        uint64_t reg = emit_reg(e, r);
        emit_op_label(e, r->kind == GEN_X ? I_is_tagged_tuple_x : I_is_tagged_tuple_r, reg, label_of(arg(e, i, 0)));
        emit_word(e, TERM_HEADER(TAG_TUPLE, arg(e, i, 2)->value));
        emit_source(e, arg(e, i, 3));
        return true;
    }
    default:
        return false;
    }
}

/* ---- choices ---- */

struct choice { uint64_t value; uint32_t label; uint32_t order; };

static int compare_choices(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    if (x->value != y->value) {
        return x->value < y->value ? -1 : 1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

static void emit_label_list(struct emitter *e, const struct choice *c, size_t n)
{
    for (size_t k = 0; k < n; k += 2) {
        emit_labels(e, c[k].label, k + 1 < n ? c[k + 1].label : 0);
    }
}

static void emit_choice_values(struct emitter *e, enum op op, uint64_t reg, uint32_t other, const struct choice *c, size_t n)
{
    emit_op_label(e, op, reg, other);
    emit_word(e, n);
    for (size_t k = 0; k < n; k++) {
        emit_word(e, c[k].value);
    }
    emit_label_list(e, c, n);
}

/* Integers close together: a table from the lowest to the highest. */
static bool emit_choice_table(struct emitter *e, uint64_t reg, uint32_t other, const struct choice *c, size_t n)
{
    intptr_t low = INTPTR_MAX, high = INTPTR_MIN;
    for (size_t k = 0; k < n; k++) {
        term t = { c[k].value };
        if (!term_is_small(t)) {
            return false;
        }
        low = term_to_small(t) < low ? term_to_small(t) : low;
        high = term_to_small(t) > high ? term_to_small(t) : high;
    }
    uintptr_t span = (uintptr_t) high - (uintptr_t) low + 1;
    if (n < 4 || span > 2 * n + 8) {
        return false;
    }
    struct choice *table = vm_alloc(span * sizeof(*table));
    for (size_t k = 0; k < span; k++) {
        table[k].label = other;
    }
    for (size_t k = n; k-- > 0;) { /* the first of equal values wins */
        table[term_to_small((term) { c[k].value }) - low].label = c[k].label;
    }
    emit_op_label(e, I_select_table, reg, other);
    emit_word(e, (uint64_t) low);
    emit_word(e, span);
    emit_label_list(e, table, span);
    vm_free(table);
    return true;
}

static void emit_select_val(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_operand *s = arg(e, i, 0);
    uint32_t other = label_of(arg(e, i, 1));
    size_t n = (size_t) arg(e, i, 2)->value / 2;
    struct choice *c = vm_alloc((n + 1) * sizeof(*c));
    bool immediate = true;
    for (size_t k = 0; k < n; k++) {
        c[k] = (struct choice) { arg(e, i, 3 + 2 * k)->constant.word, label_of(arg(e, i, 4 + 2 * k)), (uint32_t) k };
        immediate = immediate && term_is_immed((term) { c[k].value });
    }
    uint64_t reg = emit_reg(e, s);
    if (!immediate) {
        emit_choice_values(e, I_select_any, reg, other, c, n);
    } else if (!emit_choice_table(e, reg, other, c, n)) {
        if (n > 6) {
            qsort(c, n, sizeof(*c), compare_choices);
            size_t kept = 0;
            for (size_t k = 0; k < n; k++) { /* equal values: the first stays */
                if (kept == 0 || c[kept - 1].value != c[k].value) {
                    c[kept++] = c[k];
                }
            }
            n = kept;
        }
        emit_choice_values(e, n > 6 ? I_select_binary : n == 2 ? I_select_two : I_select_linear, reg, other, c, n);
    }
    vm_free(c);
}

static void emit_select_arity(struct emitter *e, const struct gen_insn *i)
{
    size_t n = (size_t) arg(e, i, 2)->value / 2;
    struct choice *c = vm_alloc((n + 1) * sizeof(*c));
    for (size_t k = 0; k < n; k++) {
        const struct gen_operand *arity = arg(e, i, 3 + 2 * k);
        uint64_t a = arity->kind == GEN_CONST ? (uint64_t) term_to_small(arity->constant) : (uint64_t) arity->value;
        c[k] = (struct choice) { TERM_HEADER(TAG_TUPLE, a), label_of(arg(e, i, 4 + 2 * k)), (uint32_t) k };
    }
    uint64_t reg = emit_reg(e, arg(e, i, 0));
    if (i->flags & GEN_UNPROVEN) {
        emit_op(e, I_check_tuple, reg, 0, 0);
        emit_word(e, 0);
    }
    emit_choice_values(e, I_select_arity, reg, label_of(arg(e, i, 1)), c, n);
    vm_free(c);
}

bool emit_select(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    (void) used;
    if (i->op == OP_select_val) {
        emit_select_val(e, i);
    } else if (i->op == OP_select_tuple_arity) {
        emit_select_arity(e, i);
    } else if (i->op == OP_jump) {
        emit_op_label(e, I_jump, 0, label_of(arg(e, i, 0)));
    } else {
        return false;
    }
    return true;
}

/* ---- frames and calls ---- */

static uint64_t frame_bytes(const struct gen_operand *n)
{
    return ((uint64_t) n->value + 1) * sizeof(term);
}

/* A plain frame, and one or two moves of arguments into it. */
static bool fuse_allocate(struct emitter *e, const struct gen_insn *i, const struct gen_operand *live, size_t *used)
{
    uint64_t slots = (uint64_t) arg(e, i, 0)->value;
    const struct gen_insn *first = similar_move(e, 1, GEN_X, GEN_Y), *second = similar_move(e, 2, GEN_X, GEN_Y);
    if (i->op != OP_allocate || (i->flags & GEN_UNPROVEN) || first == NULL || slots > 254 || live->value > 255) {
        return false;
    }
    emit_op(e, second == NULL ? I_allocate_move_xy : I_allocate_move2_xy, 0, 0, 0);
    e->words[e->insn] |= (uint64_t) live->value << INSN_A_SHIFT | (slots + 1) << (INSN_A_SHIFT + 8);
    e->words[e->insn] |= pack8(arg(e, first, 0), arg(e, first, 1), 1);
    if (second != NULL) {
        e->words[e->insn] |= pack8(arg(e, second, 0), arg(e, second, 1), 2);
    }
    *used = second == NULL ? 2 : 3;
    return true;
}

static void emit_allocate(
    struct emitter *e, const struct gen_insn *i, uint64_t need, const struct gen_operand *live, size_t *used)
{
    uint64_t frame = frame_bytes(arg(e, i, 0));
    if (need == 0 && fuse_allocate(e, i, live, used)) {
        return;
    }
    if (need <= UINT16_MAX / sizeof(term)) {
        emit_op(e, I_allocate, (uint64_t) live->value, frame, need * sizeof(term));
    } else {
        emit_op(e, I_allocate_big, (uint64_t) live->value, frame, 0);
        emit_word(e, need);
    }
    if (i->op == OP_allocate_zero || i->op == OP_allocate_heap_zero || (i->flags & GEN_UNPROVEN)) {
        for (int64_t k = 0; k < arg(e, i, 0)->value; k++) {
            emit_op(e, I_init_y, (uint64_t) (k + 1) * sizeof(term), 0, 0);
        }
    }
}

/* Functions of C are called on the spot, unless they are what runs other code. */
static const struct bif_row *bif_of(const struct export *x)
{
    return x->bif;
}

static void emit_call_ext(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_operand *index = arg(e, i, 1);
    if (index->value < 0 || (size_t) index->value >= e->gen->file->n_imports) {
        emit_fail(e, "no such import");
        return;
    }
    struct export *x = e->gen->file->imports[index->value];
    uint64_t arity = (uint64_t) arg(e, i, 0)->value;
    if (arity != x->arity) {
        emit_fail(e, "arity differs from the import's");
        return;
    }
    uint64_t frame = i->op == OP_call_ext_last ? frame_bytes(arg(e, i, 2)) : 0;
    bool is_bif = bif_of(x) != NULL;
    enum op op = is_bif ? I_call_bif : I_call_ext;
    if (i->op == OP_call_ext_only) {
        op = is_bif ? I_call_bif_only : I_call_ext_only;
    } else if (i->op == OP_call_ext_last) {
        op = is_bif ? I_call_bif_last : I_call_ext_last;
    }
    emit_op(e, op, arity, frame, 0);
    emit_word(e, is_bif ? (uintptr_t) x->bif : (uintptr_t) x);
}

static void emit_local_call(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_operand *label = arg(e, i, 1);
    intptr_t f = emit_function_of_label(e, label->value);
    const struct gen_operand *arity = f < 0 ? NULL
        : gen_arg(e->gen, &e->gen->insns[e->gen->function_insn[f]], 2);
    if (arity == NULL || arity->value != arg(e, i, 0)->value) {
        emit_fail(e, "call to a label that starts no function of that arity");
    } else if (i->op == OP_call) {
        emit_op_label(e, I_call, 0, label_of(label));
    } else if (i->op == OP_call_only) {
        emit_op_label(e, I_call_only, 0, label_of(label));
    } else {
        emit_op_label(e, I_call_last, frame_bytes(arg(e, i, 2)), label_of(label));
    }
}

static void emit_send(struct emitter *e)
{
    struct export *x = export_get(ATOM(erlang), ATOM(send), 2);
    if (x->bif == NULL) {
        emit_fail(e, "erlang:send/2 is missing");
        return;
    }
    emit_op(e, I_call_bif, 2, 0, 0);
    emit_word(e, (uintptr_t) x->bif);
}

static void emit_one_source(struct emitter *e, enum op op, const struct gen_operand *o)
{
    emit_op(e, op, 0, 0, 0);
    emit_source(e, o);
}

static bool emit_frame(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    switch ((int) i->op) {
    case OP_allocate:
    case OP_allocate_zero:
        emit_allocate(e, i, 0, arg(e, i, 1), used);
        return true;
    case OP_allocate_heap:
    case OP_allocate_heap_zero:
        emit_allocate(e, i, (uint64_t) arg(e, i, 1)->value, arg(e, i, 2), used);
        return true;
    case OP_test_heap: {
        uint64_t need = (uint64_t) arg(e, i, 0)->value, live = (uint64_t) arg(e, i, 1)->value;
        if (need <= UINT16_MAX / sizeof(term)) {
            emit_op(e, I_test_heap, live, need * sizeof(term), 0);
        } else {
            emit_op(e, I_test_heap_big, live, 0, 0);
            emit_word(e, need);
        }
        return true;
    }
    case OP_deallocate:
        if (emit_peek(e, 1, OP_return) != NULL) {
            emit_op(e, for_frame(I_dealloc_return, frame_bytes(arg(e, i, 0))), frame_bytes(arg(e, i, 0)), 0, 0);
            *used = 2;
        } else {
            emit_op(e, I_deallocate, frame_bytes(arg(e, i, 0)), 0, 0);
        }
        return true;
    case OP_trim:
        emit_op(e, I_trim, (uint64_t) arg(e, i, 0)->value * sizeof(term), 0, 0);
        return true;
    case OP_return:
        emit_op(e, I_return, 0, 0, 0);
        return true;
    default:
        return false;
    }
}

static bool emit_exception(struct emitter *e, const struct gen_insn *i)
{
    switch ((int) i->op) {
    case OP_try_end: emit_op(e, I_try_end, emit_y(arg(e, i, 0)), 0, 0); return true;
    case OP_try_case: emit_op(e, I_try_case, emit_y(arg(e, i, 0)), 0, 0); return true;
    case OP_catch_end: emit_op(e, I_catch_end, emit_y(arg(e, i, 0)), 0, 0); return true;
    case OP_badmatch: emit_one_source(e, I_badmatch, arg(e, i, 0)); return true;
    case OP_case_end: emit_one_source(e, I_case_end, arg(e, i, 0)); return true;
    case OP_try_case_end: emit_one_source(e, I_try_case_end, arg(e, i, 0)); return true;
    case OP_badrecord: emit_one_source(e, I_badrecord, arg(e, i, 0)); return true;
    case OP_if_end: emit_op(e, I_if_end, 0, 0, 0); return true;
    case OP_raise:
        emit_one_source(e, I_raise, arg(e, i, 0));
        emit_source(e, arg(e, i, 1));
        return true;
    case OP_raw_raise: emit_op(e, I_raw_raise, 0, 0, 0); return true;
    case OP_build_stacktrace: emit_op(e, I_build_stacktrace, 0, 0, 0); return true;
    default: return false;
    }
}

static bool emit_message(struct emitter *e, const struct gen_insn *i)
{
    switch ((int) i->op) {
    case OP_send: emit_send(e); return true;
    case OP_loop_rec: {
        emit_op_label(e, I_loop_rec, emit_reg(e, arg(e, i, 1)), label_of(arg(e, i, 0)));
        return true;
    }
    case OP_loop_rec_end: emit_op_label(e, I_loop_rec_end, 0, label_of(arg(e, i, 0))); return true;
    case OP_remove_message: emit_op(e, I_remove_message, 0, 0, 0); return true;
    case OP_wait: emit_op_label(e, I_wait, 0, label_of(arg(e, i, 0))); return true;
    case OP_wait_timeout:
        emit_op_label(e, I_wait_timeout, 0, label_of(arg(e, i, 0)));
        emit_source(e, arg(e, i, 1));
        return true;
    case OP_timeout: emit_op(e, I_timeout, 0, 0, 0); return true;
    case OP_recv_marker_reserve: emit_op(e, I_recv_marker_reserve, emit_reg(e, arg(e, i, 0)), 0, 0); return true;
    case OP_recv_marker_clear: emit_op(e, I_recv_marker_clear, emit_reg(e, arg(e, i, 0)), 0, 0); return true;
    case OP_recv_marker_use: emit_op(e, I_recv_marker_use, emit_reg(e, arg(e, i, 0)), 0, 0); return true;
    case OP_recv_marker_bind: {
        uint64_t a = emit_reg(e, arg(e, i, 0)), b = emit_reg(e, arg(e, i, 1));
        emit_op(e, I_recv_marker_bind, a, b, 0);
        return true;
    }
    default: return false;
    }
}

/* With the deallocate and return that follow: a tail call. */
static void emit_call_fun(struct emitter *e, uint64_t arity, uint64_t fun, size_t *used)
{
    const struct gen_insn *dealloc = emit_peek(e, 1, OP_deallocate);
    if (dealloc != NULL && emit_peek(e, 2, OP_return) != NULL) {
        emit_op(e, I_call_fun_last, arity, fun, frame_bytes(arg(e, dealloc, 0)));
        *used = 3;
    } else {
        emit_op(e, I_call_fun, arity, fun, 0);
    }
}

bool emit_call(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    switch ((int) i->op) {
    case OP_call:
    case OP_call_only:
    case OP_call_last:
        emit_local_call(e, i);
        return true;
    case OP_call_ext:
    case OP_call_ext_only:
    case OP_call_ext_last:
        emit_call_ext(e, i);
        return true;
    case OP_call_fun: {
        uint64_t arity = (uint64_t) arg(e, i, 0)->value;
        emit_call_fun(e, arity, arity * sizeof(term), used);
        return true;
    }
    case OP_call_fun2:
        emit_call_fun(e, (uint64_t) arg(e, i, 1)->value, emit_reg(e, arg(e, i, 2)), used);
        return true;
    case OP_apply:
        emit_op(e, I_apply, (uint64_t) arg(e, i, 0)->value, 0, 0);
        return true;
    case OP_apply_last:
        emit_op(e, I_apply_last, (uint64_t) arg(e, i, 0)->value, frame_bytes(arg(e, i, 1)), 0);
        return true;
    default:
        return emit_frame(e, i, used) || emit_exception(e, i) || emit_message(e, i);
    }
}
