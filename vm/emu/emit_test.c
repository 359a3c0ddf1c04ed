/* emit_test.c - tests, and choices among many. */
#include "vm/emu/emit.h"

#include <stdlib.h>

#include "lib/base/arena.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"

/* ---- tests ---- */

#define TEST(name, predicate)                  \
    static bool holds_##name(term t)           \
    {                                          \
        return predicate(t);                   \
    }
#include "vm/emu/ops.def"

struct type_test { enum opcode op; enum op x, y; bool (*holds)(term t); };
static const struct type_test type_tests[] = {
#define TEST(name, predicate) { OP_##name, I_##name##_x, I_##name##_y, holds_##name },
#include "vm/emu/ops.def"
};

static bool fuse_test(struct emitter *e, const struct gen_insn *i, const struct gen_operand *r, size_t *used)
{
    uint32_t fail = emit_label_of(emit_arg(e, i, 0));
    const struct gen_insn *arity = i->op == OP_is_tuple ? emit_peek(e, 1, OP_test_arity) : NULL;
    if (arity != NULL && emit_label_of(emit_arg(e, arity, 0)) == fail && operand_same_register(emit_arg(e, arity, 1), r)) {
        emit_op_label(e, r->kind == GEN_X ? I_is_tuple_of_x : I_is_tuple_of_r, emit_reg(e, r), fail);
        emit_word(e, TERM_HEADER(TAG_TUPLE, emit_arg(e, arity, 2)->value));
        *used = 2;
        return true;
    }
    const struct gen_insn *get = i->op == OP_is_nonempty_list ? emit_peek(e, 1, OP_get_list) : NULL;
    if (get != NULL && !(get->flags & GEN_PIN) && operand_same_register(emit_arg(e, get, 0), r)) {
        const struct gen_operand *head = emit_arg(e, get, 1), *tail = emit_arg(e, get, 2);
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
        const struct gen_operand *r = emit_arg(e, i, 1);
        uint32_t fail = emit_label_of(emit_arg(e, i, 0));
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
    uint32_t fail = emit_label_of(emit_arg(e, i, 0));
    const struct gen_operand *a = emit_arg(e, i, 1), *b = emit_arg(e, i, 2);
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
    uint32_t fail = emit_label_of(emit_arg(e, i, 0));
    const struct gen_operand *a = emit_arg(e, i, 1), *b = emit_arg(e, i, 2);
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
    case OP_is_eq: compare_words(e, I_eq_ss, emit_label_of(emit_arg(e, i, 0)), emit_arg(e, i, 1), emit_arg(e, i, 2)); return true;
    case OP_is_ne: compare_words(e, I_ne_ss, emit_label_of(emit_arg(e, i, 0)), emit_arg(e, i, 1), emit_arg(e, i, 2)); return true;
    case OP_is_function2:
        compare_words(e, I_is_function2, emit_label_of(emit_arg(e, i, 0)), emit_arg(e, i, 1), emit_arg(e, i, 2));
        return true;
    case OP_test_arity: {
        const struct gen_operand *r = emit_arg(e, i, 1);
        bool known = !(i->flags & GEN_UNPROVEN) && r->kind == GEN_X;
        uint64_t reg = emit_reg(e, r);
        emit_op_label(e, known ? I_test_arity_x : I_is_tuple_of_r, reg, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, TERM_HEADER(TAG_TUPLE, emit_arg(e, i, 2)->value));
        return true;
    }
    case OP_is_tagged_tuple: {
        const struct gen_operand *r = emit_arg(e, i, 1);
        uint64_t reg = emit_reg(e, r);
        emit_op_label(e, r->kind == GEN_X ? I_is_tagged_tuple_x : I_is_tagged_tuple_r, reg, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, TERM_HEADER(TAG_TUPLE, emit_arg(e, i, 2)->value));
        emit_source(e, emit_arg(e, i, 3));
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
    const struct gen_operand *s = emit_arg(e, i, 0);
    uint32_t other = emit_label_of(emit_arg(e, i, 1));
    size_t n = (size_t) emit_arg(e, i, 2)->value / 2;
    struct choice *c = vm_alloc((n + 1) * sizeof(*c));
    bool immediate = true;
    for (size_t k = 0; k < n; k++) {
        c[k] = (struct choice) { emit_arg(e, i, 3 + 2 * k)->constant.word, emit_label_of(emit_arg(e, i, 4 + 2 * k)),
            (uint32_t) k };
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
    size_t n = (size_t) emit_arg(e, i, 2)->value / 2;
    struct choice *c = vm_alloc((n + 1) * sizeof(*c));
    for (size_t k = 0; k < n; k++) {
        const struct gen_operand *arity = emit_arg(e, i, 3 + 2 * k);
        uint64_t a = arity->kind == GEN_CONST ? (uint64_t) term_to_small(arity->constant) : (uint64_t) arity->value;
        c[k] = (struct choice) { TERM_HEADER(TAG_TUPLE, a), emit_label_of(emit_arg(e, i, 4 + 2 * k)), (uint32_t) k };
    }
    uint64_t reg = emit_reg(e, emit_arg(e, i, 0));
    if (i->flags & GEN_UNPROVEN) {
        emit_op(e, I_check_tuple, reg, 0, 0);
        emit_word(e, 0);
    }
    emit_choice_values(e, I_select_arity, reg, emit_label_of(emit_arg(e, i, 1)), c, n);
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
        emit_op_label(e, I_jump, 0, emit_label_of(emit_arg(e, i, 0)));
    } else {
        return false;
    }
    return true;
}
