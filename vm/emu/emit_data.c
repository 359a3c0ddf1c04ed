/* emit_data.c - lists, tuples, maps, funs, arithmetic, BIFs in guards, floats. */
#include "vm/emu/emit.h"

static void check_unproven(struct emitter *e, const struct gen_insn *i, enum op check, const struct gen_operand *r)
{
    if (i->flags & GEN_UNPROVEN) {
        uint64_t reg = emit_reg(e, r);
        emit_op(e, check, reg, 0, 0);
    }
}

/* ---- lists ---- */

static void emit_get_list(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_operand *s = emit_arg(e, i, 0), *h = emit_arg(e, i, 1), *t = emit_arg(e, i, 2);
    check_unproven(e, i, I_check_cons, s);
    if (s->kind == GEN_X && h->kind == GEN_X && t->kind == GEN_X) {
        emit_op(e, I_get_list_xxx, emit_x(s), emit_x(h), emit_x(t));
    } else if (s->kind == GEN_X && h->kind == GEN_X) {
        emit_op(e, I_get_list_xxy, emit_x(s), emit_x(h), emit_y(t));
    } else if (s->kind == GEN_X) {
        bool to_x = t->kind == GEN_X;
        emit_op(e, to_x ? I_get_list_xyx : I_get_list_xyy, emit_x(s), emit_y(h), to_x ? emit_x(t) : emit_y(t));
    } else {
        emit_op(e, I_get_list_r, emit_reg(e, s), emit_reg(e, h), emit_reg(e, t));
    }
}

static void emit_get_part(struct emitter *e, const struct gen_insn *i, enum op xx, enum op r)
{
    const struct gen_operand *s = emit_arg(e, i, 0), *d = emit_arg(e, i, 1);
    check_unproven(e, i, I_check_cons, s);
    bool all_x = s->kind == GEN_X && d->kind == GEN_X;
    emit_op(e, all_x ? xx : r, emit_reg(e, s), emit_reg(e, d), 0);
}

static void emit_put_list(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_operand *h = emit_arg(e, i, 0), *t = emit_arg(e, i, 1), *d = emit_arg(e, i, 2);
    bool h_x = h->kind == GEN_X, d_x = d->kind == GEN_X;
    if (h_x && d_x && t->kind == GEN_X) {
        emit_op(e, I_cons_xxx, emit_x(h), emit_x(t), emit_x(d));
    } else if (h_x && d_x && operand_is_const(t) && term_is_nil(t->constant)) {
        emit_op(e, I_cons_xnx, emit_x(h), 0, emit_x(d));
    } else if (h->kind == GEN_Y && t->kind == GEN_X && d_x) {
        emit_op(e, I_cons_yxx, emit_y(h), emit_x(t), emit_x(d));
    } else if (!operand_is_const(h) && !operand_is_const(t)) {
        emit_op(e, I_cons_rrr, emit_reg(e, h), emit_reg(e, t), emit_reg(e, d));
    } else {
        emit_op(e, I_cons_ss, emit_reg(e, d), 0, 0);
        emit_source(e, h);
        emit_source(e, t);
    }
}

/* ---- tuples ---- */

/* Does what follows read another element of the same tuple, which i leaves where it is? */
static const struct gen_insn *same_tuple(const struct emitter *e, const struct gen_insn *i)
{
    const struct gen_insn *next = i + 1;
    if (i->op != OP_get_tuple_element || next >= e->gen->insns + e->gen->n_insns || next->op != OP_get_tuple_element
        || ((i->flags | next->flags) & (GEN_PIN | GEN_NO_RETURN))
        || !operand_same_register(emit_arg(e, i, 0), emit_arg(e, next, 0))
        || operand_same_register(emit_arg(e, i, 0), emit_arg(e, i, 2))) {
        return NULL;
    }
    return next;
}

/* The validator could not prove that this is a tuple: looked at once for all that is read from it now. */
static void check_elements(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_insn *before = i - 1;
    if (!(i->flags & GEN_UNPROVEN) || (e->at > 0 && (before->flags & GEN_UNPROVEN) && same_tuple(e, before) == i)) {
        return;
    }
    int64_t last = 0;
    for (const struct gen_insn *k = i; k != NULL && (k->flags & GEN_UNPROVEN); k = same_tuple(e, k)) {
        last = emit_arg(e, k, 1)->value > last ? emit_arg(e, k, 1)->value : last;
    }
    const struct gen_operand *tuple = emit_arg(e, i, 0);
    emit_op(e, tuple->kind == GEN_X ? I_check_tuple_x : I_check_tuple, emit_reg(e, tuple), 0, 0);
    emit_word(e, (uint64_t) last + 1); /* its least arity */
}

static bool fuse_get_elements(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    const struct gen_insn *next = same_tuple(e, i);
    if (next == NULL || (next->flags & ~i->flags & GEN_UNPROVEN)) {
        return false;
    }
    const struct gen_operand *s = emit_arg(e, i, 0), *d1 = emit_arg(e, i, 2), *d2 = emit_arg(e, next, 2);
    int64_t n1 = emit_arg(e, i, 1)->value, n2 = emit_arg(e, next, 1)->value;
    if (s->kind != GEN_X || d1->kind != GEN_X || d2->kind != GEN_X || s->value > 255 || d1->value > 255 || d2->value > 255
        || n1 > 254 || n2 > 254) {
        return false;
    }
    emit_op(e, I_get_element2_x, 0, 0, 0);
    e->words[e->insn] |= (uint64_t) s->value << 16 | (uint64_t) (n1 + 1) << 24 | (uint64_t) d1->value << 32
        | (uint64_t) (n2 + 1) << 40 | (uint64_t) d2->value << 48;
    *used = 2;
    return true;
}

static void emit_get_element(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    const struct gen_operand *s = emit_arg(e, i, 0), *d = emit_arg(e, i, 2);
    uint64_t offset = ((uint64_t) emit_arg(e, i, 1)->value + 1) * sizeof(term);
    check_elements(e, i);
    if (fuse_get_elements(e, i, used)) {
        return;
    }
    if (offset > UINT16_MAX) {
        emit_op(e, I_get_element_big, emit_reg(e, s), emit_reg(e, d), 0);
        emit_word(e, offset);
    } else if (s->kind == GEN_X) {
        bool to_x = d->kind == GEN_X;
        emit_op(e, to_x ? I_get_element_xx : I_get_element_xy, emit_x(s), to_x ? emit_x(d) : emit_y(d), offset);
    } else if (s->kind == GEN_Y && d->kind == GEN_X) {
        emit_op(e, I_get_element_yx, emit_y(s), emit_x(d), offset);
    } else {
        emit_op(e, I_get_element_r, emit_reg(e, s), emit_reg(e, d), offset);
    }
}

static void emit_set_element(struct emitter *e, const struct gen_insn *i)
{
    uint64_t offset = ((uint64_t) emit_arg(e, i, 2)->value + 1) * sizeof(term);
    uint64_t reg = emit_reg(e, emit_arg(e, i, 1));
    if (i->flags & GEN_UNPROVEN) {
        emit_op(e, I_check_tuple, reg, 1, 0); /* B: and one that may be written to */
        emit_word(e, offset / sizeof(term));
    }
    emit_op(e, I_set_element, reg, 0, 0);
    emit_word(e, offset);
    emit_source(e, emit_arg(e, i, 0));
}

static void emit_put_tuple(struct emitter *e, const struct gen_insn *i)
{
    size_t n = (size_t) emit_arg(e, i, 1)->value;
    const struct gen_operand *d = emit_arg(e, i, 0);
    size_t tags = n >= 3 && operand_is_const(emit_arg(e, i, 2)); /* a record */
    bool all_registers = n >= 2;
    for (size_t k = tags; k < n; k++) {
        all_registers = all_registers && !operand_is_const(emit_arg(e, i, 2 + k));
    }
    uint64_t reg = emit_reg(e, d);
    if (all_registers && d->kind == GEN_X && n <= UINT16_MAX) {
        emit_op(e, tags ? I_put_record : I_put_tuple2_x, reg, n, 0);
        if (tags) {
            emit_source(e, emit_arg(e, i, 2));
        }
        for (size_t k = tags; k < n; k += 4) {
            uint64_t w = 0;
            for (size_t m = 0; m < 4 && k + m < n; m++) {
                w |= emit_reg(e, emit_arg(e, i, 2 + k + m)) << (16 * m);
            }
            emit_word(e, w);
        }
        return;
    }
    if (n == 2 || n == 3) {
        emit_op(e, n == 2 ? I_put_tuple2_2 : I_put_tuple2_3, reg, 0, 0);
    } else {
        emit_op(e, I_put_tuple2, reg, n, 0);
    }
    for (size_t k = 0; k < n; k++) {
        emit_source(e, emit_arg(e, i, 2 + k));
    }
}

static void emit_update_record(struct emitter *e, const struct gen_insn *i)
{
    uint64_t size = (uint64_t) emit_arg(e, i, 1)->value;
    size_t n = (size_t) emit_arg(e, i, 4)->value / 2;
    uint64_t to = emit_reg(e, emit_arg(e, i, 3));
    emit_op(e, I_update_record, to, n, 0);
    emit_word(e, size);
    emit_source(e, emit_arg(e, i, 2));
    for (size_t k = 0; k < n; k++) {
        const struct gen_operand *index = emit_arg(e, i, 5 + 2 * k);
        int64_t at = index->kind == GEN_CONST ? term_to_small(index->constant) : index->value;
        if (at < 1 || (uint64_t) at > size) {
            emit_fail(e, "update_record writes outside the record");
            return;
        }
        emit_word(e, (uint64_t) at);
        emit_source(e, emit_arg(e, i, 6 + 2 * k));
    }
}

/* ---- maps, funs ---- */

static void emit_get_map_elements(struct emitter *e, const struct gen_insn *i)
{
    size_t n = (size_t) emit_arg(e, i, 2)->value / 2;
    check_unproven(e, i, I_check_map, emit_arg(e, i, 1));
    uint64_t map = emit_reg(e, emit_arg(e, i, 1));
    if (n == 1) {
        emit_op_label(e, I_get_map_element, map, emit_label_of(emit_arg(e, i, 0)));
    } else {
        emit_op_label(e, I_get_map_elements, map, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, n);
    }
    for (size_t k = 0; k < n; k++) {
        emit_source(e, emit_arg(e, i, 3 + 2 * k));
        emit_word(e, emit_reg(e, emit_arg(e, i, 4 + 2 * k)));
    }
}

static void emit_has_map_fields(struct emitter *e, const struct gen_insn *i)
{
    size_t n = (size_t) emit_arg(e, i, 2)->value;
    check_unproven(e, i, I_check_map, emit_arg(e, i, 1));
    uint64_t map = emit_reg(e, emit_arg(e, i, 1));
    emit_op_label(e, I_has_map_fields, map, emit_label_of(emit_arg(e, i, 0)));
    emit_word(e, n);
    for (size_t k = 0; k < n; k++) {
        emit_source(e, emit_arg(e, i, 3 + k));
    }
}

static void emit_put_map(struct emitter *e, const struct gen_insn *i)
{
    size_t n = (size_t) emit_arg(e, i, 4)->value / 2;
    uint64_t to = emit_reg(e, emit_arg(e, i, 2));
    emit_op_label(e, I_put_map, to, emit_label_of(emit_arg(e, i, 0)));
    emit_word(e, n << 1 | (i->op == OP_put_map_exact));
    emit_source(e, emit_arg(e, i, 1));
    for (size_t k = 0; k < 2 * n; k++) {
        emit_source(e, emit_arg(e, i, 5 + k));
    }
}

static void emit_make_fun(struct emitter *e, const struct gen_insn *i)
{
    struct beam_file *f = e->gen->file;
    int64_t index = emit_arg(e, i, 0)->value;
    if (index < 0 || (size_t) index >= f->n_lambdas) {
        emit_fail(e, "no such fun");
        return;
    }
    const struct beam_lambda *l = &f->lambdas[index];
    if (l->n_free > l->arity) {
        emit_fail(e, "fun has more free variables than arguments");
        return;
    }
    struct fun_entry *entry = fun_entry_get(e->gen->module, l->index, f->md5, l->old_uniq, l->arity - l->n_free,
        l->n_free, l->function);
    bool listed = i->op == OP_make_fun3;
    uint64_t to = listed ? emit_reg(e, emit_arg(e, i, 1)) : 0;
    if (listed && (uint64_t) emit_arg(e, i, 2)->value != l->n_free) {
        emit_fail(e, "fun has another number of free variables");
        return;
    }
    emit_op(e, I_make_fun, to, l->n_free, 0);
    emit_word(e, (uintptr_t) entry);
    for (uint32_t k = 0; k < l->n_free; k++) {
        if (listed) {
            emit_source(e, emit_arg(e, i, 3 + k));
        } else {
            emit_word(e, k * sizeof(term));
        }
    }
}

/* ---- arithmetic and BIFs in guards ---- */

static const struct bif_row *import_bif(struct emitter *e, const struct gen_operand *o, size_t arity)
{
    struct beam_file *f = e->gen->file;
    if (o->value < 0 || (size_t) o->value >= f->n_imports || f->imports[o->value]->arity != arity) {
        emit_fail(e, "no such import");
        return NULL;
    }
    const struct bif_row *row = f->imports[o->value]->bif;
    if (row == NULL || !(row->flags & BIF_GUARD)) {
        emit_fail(e, "function is no guard BIF of this VM");
        return NULL;
    }
    return row;
}

struct arith_row { bif_fn fn; enum op op; };
static const struct arith_row arith_rows[] = {
    { bif_erlang_plus_2, I_add }, { bif_erlang_minus_2, I_sub }, { bif_erlang_times_2, I_mul },
    { bif_erlang_fdiv_2, I_fdiv }, { bif_erlang_div_2, I_idiv }, { bif_erlang_rem_2, I_rem },
    { bif_erlang_band_2, I_band }, { bif_erlang_bor_2, I_bor }, { bif_erlang_bxor_2, I_bxor },
    { bif_erlang_bsl_2, I_bsl }, { bif_erlang_bsr_2, I_bsr }, { bif_erlang_element_2, I_element },
    { bif_erlang_eq_exact_2, I_equals }, { bif_erlang_ne_exact_2, I_differs },
};
struct unary_row { bif_fn fn; enum op op; };
static const struct unary_row unary_rows[] = {
    { bif_erlang_hd_1, I_hd }, { bif_erlang_tl_1, I_tl }, { bif_erlang_tuple_size_1, I_tuple_size },
    { bif_erlang_length_1, I_length }, { bif_erlang_abs_1, I_abs },
};

/* Fits operand C, shifted as in a term? Returns the bits. */
static bool fits_c(term t, uint64_t *out)
{
    intptr_t n = term_to_small(t);
    if (n < 0 || n >= 1 << (INSN_FIELD_BITS - TERM_SMALL_SHIFT)) {
        return false;
    }
    *out = (uint64_t) n << TERM_SMALL_SHIFT;
    return true;
}

/* x + constant, x - constant, x + y: the forms worth a word of their own. */
static bool emit_short_arith(struct emitter *e, enum op op, uint32_t fail, const struct gen_operand *a,
    const struct gen_operand *b, const struct gen_operand *d)
{
    if (op == I_add && operand_is_small(a)) {
        const struct gen_operand *t = a;
        a = b;
        b = t;
    }
    uint64_t c;
    if (operand_is_small(b) && (op == I_add || op == I_sub) && !operand_is_const(a)) {
        if (fail == 0 && a->kind == GEN_X && d->kind == GEN_X && fits_c(b->constant, &c)) {
            emit_op(e, op == I_add ? I_add_xi : I_sub_xi, emit_x(a), emit_x(d), c);
        } else if (fail == 0 && a->kind == GEN_Y && d->kind == GEN_X && fits_c(b->constant, &c)) {
            emit_op(e, op == I_add ? I_add_yi : I_sub_yi, emit_y(a), emit_x(d), c);
        } else {
            uint64_t to = emit_reg(e, d);
            emit_op_label(e, op == I_add ? I_add_si : I_sub_si, to, fail);
            emit_source(e, a);
            emit_source(e, b);
        }
        return true;
    }
    if (fail != 0 || d->kind != GEN_X) {
        return false;
    }
    if ((op == I_add || op == I_sub) && a->kind == GEN_Y && b->kind == GEN_X) {
        emit_op(e, op == I_add ? I_add_yx : I_sub_yx, emit_y(a), emit_x(b), emit_x(d));
        return true;
    }
    if ((op == I_add || op == I_sub) && a->kind == GEN_X && b->kind == GEN_Y) {
        emit_op(e, op == I_add ? I_add_xy : I_sub_xy, emit_x(a), emit_y(b), emit_x(d));
        return true;
    }
    if (a->kind != GEN_X) {
        return false;
    }
    if (op == I_band && operand_is_small(b) && fits_c(b->constant, &c)) {
        emit_op(e, I_band_xi, emit_x(a), emit_x(d), c);
        return true;
    }
    if (b->kind != GEN_X || (op != I_add && op != I_sub && op != I_mul)) {
        return false;
    }
    emit_op(e, op == I_add ? I_add_xx : op == I_sub ? I_sub_xx : I_mul_xx, emit_x(a), emit_x(b), emit_x(d));
    return true;
}

static void emit_binary_bif(struct emitter *e, const struct bif_row *row, uint32_t fail, const struct gen_operand *a,
    const struct gen_operand *b, const struct gen_operand *d)
{
    for (size_t k = 0; k < ARRAY_LEN(arith_rows); k++) {
        if (arith_rows[k].fn != row->fn) {
            continue;
        }
        enum op op = arith_rows[k].op;
        if (emit_short_arith(e, op, fail, a, b, d)) {
            return;
        }
        uint64_t to = emit_reg(e, d);
        if (op == I_element && operand_is_small(a) && term_to_small(a->constant) > 0) {
            op = I_element_i;
        }
        emit_op_label(e, op, to, fail);
        emit_source(e, a);
        emit_source(e, b);
        return;
    }
    uint64_t to = emit_reg(e, d);
    emit_op_label(e, I_gbif2, to, fail);
    emit_word(e, (uintptr_t) row);
    emit_source(e, a);
    emit_source(e, b);
}

static void emit_unary_bif(struct emitter *e, const struct bif_row *row, uint32_t fail, const struct gen_operand *a,
    const struct gen_operand *d)
{
    uint64_t to = emit_reg(e, d);
    for (size_t k = 0; k < ARRAY_LEN(unary_rows); k++) {
        if (unary_rows[k].fn == row->fn) {
            emit_op_label(e, unary_rows[k].op, to, fail);
            emit_source(e, a);
            return;
        }
    }
    emit_op_label(e, I_gbif1, to, fail);
    emit_word(e, (uintptr_t) row);
    emit_source(e, a);
}

/* first: index of the import operand; the arguments follow, then the destination. */
static void emit_guard_bif(struct emitter *e, const struct gen_insn *i, size_t first, size_t arity)
{
    const struct bif_row *row = import_bif(e, emit_arg(e, i, first), arity);
    if (row == NULL) {
        return;
    }
    uint32_t fail = first == 0 ? 0 : emit_label_of(emit_arg(e, i, 0));
    const struct gen_operand *a = emit_arg(e, i, first + 1), *d = emit_arg(e, i, first + 1 + arity);
    if (arity == 0 && row->fn == bif_erlang_self_0) {
        emit_op(e, I_self, emit_reg(e, d), 0, 0);
    } else if (arity == 0) {
        emit_op_label(e, I_gbif0, emit_reg(e, d), fail);
        emit_word(e, (uintptr_t) row);
    } else if (arity == 1) {
        emit_unary_bif(e, row, fail, a, d);
    } else if (arity == 2) {
        emit_binary_bif(e, row, fail, a, emit_arg(e, i, first + 2), d);
    } else {
        uint64_t to = emit_reg(e, d);
        emit_op_label(e, I_gbif3, to, fail);
        emit_word(e, (uintptr_t) row);
        for (size_t k = 0; k < 3; k++) {
            emit_source(e, emit_arg(e, i, first + 1 + k));
        }
    }
}

/* ---- floats ---- */

static uint64_t float_reg(const struct gen_operand *o)
{
    return (uint64_t) o->value * sizeof(double);
}

static void emit_fmove(struct emitter *e, const struct gen_operand *s, const struct gen_operand *d)
{
    if (s->kind == GEN_FR && d->kind == GEN_FR) {
        emit_op(e, I_fmove, float_reg(s), float_reg(d), 0);
    } else if (s->kind == GEN_FR) {
        emit_op(e, I_fstore, float_reg(s), emit_reg(e, d), 0);
    } else if (operand_is_const(s)) {
        if (!term_is_float(s->constant)) {
            emit_fail(e, "constant is no float");
            return;
        }
        emit_op(e, I_fload_c, 0, float_reg(d), 0);
        emit_source(e, s);
    } else {
        emit_op(e, s->kind == GEN_X ? I_fload_x : I_fload, emit_reg(e, s), float_reg(d), 0);
    }
}

static bool emit_float(struct emitter *e, const struct gen_insn *i)
{
    enum op op;
    switch ((int) i->op) {
    case OP_fmove: emit_fmove(e, emit_arg(e, i, 0), emit_arg(e, i, 1)); return true;
    case OP_fconv:
        emit_op(e, I_fconv, float_reg(emit_arg(e, i, 1)), 0, 0);
        emit_source(e, emit_arg(e, i, 0));
        return true;
    case OP_fnegate: emit_op(e, I_fnegate, float_reg(emit_arg(e, i, 1)), 0, float_reg(emit_arg(e, i, 2))); return true;
    case OP_fadd: op = I_fadd; break;
    case OP_fsub: op = I_fsub; break;
    case OP_fmul: op = I_fmul; break;
    case OP_fdiv: op = I_fdivide; break;
    default: return false;
    }
    emit_op(e, op, float_reg(emit_arg(e, i, 1)), float_reg(emit_arg(e, i, 2)), float_reg(emit_arg(e, i, 3)));
    return true;
}

bool emit_bif(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    (void) used;
    switch ((int) i->op) {
    case OP_bif0: emit_guard_bif(e, i, 0, 0); return true;
    case OP_bif1: emit_guard_bif(e, i, 1, 1); return true;
    case OP_bif2: emit_guard_bif(e, i, 1, 2); return true;
    case OP_gc_bif1: emit_guard_bif(e, i, 2, 1); return true;
    case OP_gc_bif2: emit_guard_bif(e, i, 2, 2); return true;
    case OP_gc_bif3: emit_guard_bif(e, i, 2, 3); return true;
    default: return emit_float(e, i);
    }
}

bool emit_data(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    switch ((int) i->op) {
    case OP_get_list: emit_get_list(e, i); return true;
    case OP_get_hd: emit_get_part(e, i, I_get_hd_xx, I_get_hd_r); return true;
    case OP_get_tl: emit_get_part(e, i, I_get_tl_xx, I_get_tl_r); return true;
    case OP_put_list: emit_put_list(e, i); return true;
    case OP_get_tuple_element: emit_get_element(e, i, used); return true;
    case OP_set_tuple_element: emit_set_element(e, i); return true;
    case OP_put_tuple2: emit_put_tuple(e, i); return true;
    case OP_update_record: emit_update_record(e, i); return true;
    case OP_get_map_elements: emit_get_map_elements(e, i); return true;
    case OP_has_map_fields: emit_has_map_fields(e, i); return true;
    case OP_put_map_assoc:
    case OP_put_map_exact: emit_put_map(e, i); return true;
    case OP_make_fun2:
    case OP_make_fun3: emit_make_fun(e, i); return true;
    default: return false;
    }
}
