/* Tests, BIFs, terms taken apart and built, floating point. */
#include "vm/code/gen_validate.h"
#include "vm/core/atom.h"
#include "vm/core/fun.h"

/* ---- guards and BIFs ---- */

static void learn_from_bif(
    struct validator *v, const struct export *e, const struct gen_operand *args)
{
    if (!term_same(e->module, ATOM(erlang)) || e->arity == 0) {
        return;
    }
    if (e->arity == 1) {
        if (term_same(e->function, ATOM(hd)) || term_same(e->function, ATOM(tl))) {
            vlearn(v, &args[0], reg_make(REG_CONS, 0));
        } else if (term_same(e->function, ATOM(tuple_size))) {
            vlearn(v, &args[0], reg_make(REG_TUPLE, 0));
        } else if (term_same(e->function, ATOM(map_size))) {
            vlearn(v, &args[0], reg_make(REG_MAP, 0));
        } else if (term_same(e->function, ATOM(length))) {
            vlearn(v, &args[0], reg_make(REG_LIST, 0));
        }
    } else if (e->arity == 2 && term_same(e->function, ATOM(element)) && args[0].kind == GEN_CONST
               && term_is_small(args[0].constant) && term_to_small(args[0].constant) > 0
               && term_to_small(args[0].constant) < REG_NUMBER_MAX) {
        vlearn(v, &args[1], reg_make(REG_TUPLE, (uint32_t) term_to_small(args[0].constant)));
    }
}

static void bif(struct validator *v, uint32_t n_args, bool may_collect)
{
    size_t at = 0;
    const struct gen_operand *fail_label = n_args > 0 ? varg(v, at++) : NULL;
    const struct gen_operand *live = may_collect ? varg(v, at++) : NULL;
    const struct export *e = vimport(v, varg(v, at++), n_args);
    const struct gen_operand *args = varg(v, at);
    reg fragile = 0;
    for (uint32_t i = 0; i < n_args; i++) {
        fragile |= vuse(v, &args[i]) & REG_FRAGILE;
    }
    if (may_collect) {
        vcollect(v, live);
    }
    if (fail_label != NULL) {
        vfail_or_raise(v, fail_label);
    }
    learn_from_bif(v, e, args);
    vdef(v, &args[n_args], reg_make(REG_TERM, 0) | fragile);
}

static void type_test(struct validator *v, reg fact)
{
    const struct gen_operand *o = varg(v, 1);
    vuse(v, o);
    vjump(v, varg(v, 0));
    vlearn(v, o, fact);
}

/* Equal on one side: what is known of a constant is then known of the register. */
static void equality(struct validator *v, bool jump_if_equal)
{
    const struct gen_operand *a = varg(v, 1), *b = varg(v, 2);
    vuse(v, a);
    vuse(v, b);
    if (v->failed || b->kind != GEN_CONST || a->kind == GEN_CONST) {
        vjump(v, varg(v, 0));
        return;
    }
    reg *r = vslot(v, a);
    reg before = *r;
    reg if_unequal = before;
    if (term_is_nil(b->constant) && reg_kind(before) == REG_LIST) {
        if_unequal = reg_make(REG_CONS, 0) | (before & REG_FRAGILE);
    }
    if (jump_if_equal) {
        vlearn(v, a, vfact_of_constant(b->constant));
        vjump(v, varg(v, 0));
        *r = if_unequal;
    } else {
        *r = if_unequal;
        vjump(v, varg(v, 0));
        *r = before;
        vlearn(v, a, vfact_of_constant(b->constant));
    }
}

static void is_nil(struct validator *v)
{
    const struct gen_operand *o = varg(v, 1);
    reg before = vuse(v, o);
    reg *r = o->kind == GEN_CONST || v->failed ? NULL : vslot(v, o);
    if (r != NULL && reg_kind(before) == REG_LIST) {
        *r = reg_make(REG_CONS, 0) | (before & REG_FRAGILE);
        vjump(v, varg(v, 0));
        *r = before;
    } else {
        vjump(v, varg(v, 0));
        vlearn(v, o, reg_make(REG_LIST, 0));
    }
}

static bool is_tuple_of(reg r, uint32_t arity)
{
    return (reg_kind(r) == REG_TUPLE || reg_kind(r) == REG_FRESH_TUPLE) && reg_number(r) >= arity;
}

static void select_arity(struct validator *v)
{
    const struct gen_operand *o = varg(v, 0);
    reg before = vuse(v, o);
    vtrusted(v, is_tuple_of(before, 0));
    vjump(v, varg(v, 1));
    const struct gen_operand *list = varg(v, 2);
    reg *r = o->kind == GEN_CONST || v->failed ? NULL : vslot(v, o);
    for (int64_t i = 1; i < list->value; i += 2) {
        if (r != NULL) {
            *r = before;
            vlearn(v, o,
                reg_make(REG_TUPLE,
                    list[i].value < REG_NUMBER_MAX ? (uint32_t) list[i].value : REG_NUMBER_MAX));
        }
        vjump(v, &list[i + 1]);
    }
    v->reachable = false;
}

static void get_element(struct validator *v)
{
    const struct gen_operand *tuple = varg(v, 0);
    reg r = vuse(v, tuple);
    int64_t index = varg(v, 1)->value;
    if (index >= REG_NUMBER_MAX) {
        vfail(v, "element %lld", (long long) index);
        return;
    }
    vtrusted(v, is_tuple_of(r, (uint32_t) index + 1));
    vlearn(v, tuple, reg_make(REG_TUPLE, (uint32_t) index + 1));
    vdef(v, varg(v, 2), reg_make(REG_TERM, 0) | (r & REG_FRAGILE));
}

static void get_list(struct validator *v, size_t n_results)
{
    const struct gen_operand *list = varg(v, 0);
    reg r = vuse(v, list);
    vtrusted(v, reg_kind(r) == REG_CONS);
    vlearn(v, list, reg_make(REG_CONS, 0));
    for (size_t i = 1; i <= n_results; i++) {
        vdef(v, varg(v, i), reg_make(REG_TERM, 0) | (r & REG_FRAGILE));
    }
}

static void set_element(struct validator *v)
{
    vkeep(v, varg(v, 0));
    reg r = vuse(v, varg(v, 1));
    if (reg_kind(r) != REG_FRESH_TUPLE || (int64_t) reg_number(r) <= varg(v, 2)->value) {
        vfail(v, "the tuple was not just made by setelement/3, or is too small");
    }
}

/* ---- building ---- */

static void make_fun(struct validator *v, bool old)
{
    const struct beam_lambda *l = &v->file->lambdas[varg(v, 0)->value];
    if (old) {
        vuse_x(v, l->n_free);
        v->s.heap_words = 0;
        vdef_x0(v);
        return;
    }
    const struct gen_operand *list = varg(v, 2);
    if (list->value != l->n_free) {
        vfail(v, "%lld free variables for a fun with %u", (long long) list->value, l->n_free);
        return;
    }
    for (int64_t i = 1; i <= list->value; i++) {
        vkeep(v, &list[i]);
    }
    vconsume(v, (uint32_t) HEAP_FUN_WORDS(l->n_free));
    vdef(v, varg(v, 1), reg_make(REG_TERM, 0));
}

static void put_tuple(struct validator *v)
{
    const struct gen_operand *list = varg(v, 1);
    for (int64_t i = 1; i <= list->value; i++) {
        vkeep(v, &list[i]);
    }
    uint32_t n = (uint32_t) list->value;
    vconsume(v, n + 1);
    vdef(v, varg(v, 0), reg_make(REG_TUPLE, n < REG_NUMBER_MAX ? n : REG_NUMBER_MAX));
}

static void put_map(struct validator *v)
{
    reg map = vkeep(v, varg(v, 1));
    const struct gen_operand *list = varg(v, 4);
    for (int64_t i = 1; i <= list->value; i++) {
        vkeep(v, &list[i]);
    }
    if (list->value == 0) {
        vfail(v, "no pairs");
    }
    vtrusted(v, reg_kind(map) == REG_MAP);
    vcollect(v, varg(v, 3));
    vfail_or_raise(v, varg(v, 0));
    vdef(v, varg(v, 2), reg_make(REG_MAP, 0));
}

static void get_map_elements(struct validator *v)
{
    const struct gen_operand *map = varg(v, 1), *list = varg(v, 2);
    reg m = vuse(v, map);
    reg fragile = m & REG_FRAGILE;
    vtrusted(v, reg_kind(m) == REG_MAP);
    for (int64_t i = 1; i < list->value; i += 2) {
        vuse(v, &list[i]);
    }
    /* Results of the keys before the missing one may be there already when it jumps. */
    for (int64_t i = 2; i <= list->value && !v->failed; i += 2) {
        reg *r = vslot(v, &list[i]);
        if (r != NULL && *r != REG_UNDEF && !reg_is_tag(*r)) {
            bool match = reg_kind(*r) == REG_MATCH || reg_kind(*r) == REG_TERM_OR_MATCH;
            *r = reg_make(match ? REG_TERM_OR_MATCH : REG_TERM, 0) | (*r & REG_FRAGILE) | fragile;
        }
    }
    vjump(v, varg(v, 0));
    vlearn(v, map, reg_make(REG_MAP, 0));
    for (int64_t i = 2; i <= list->value; i += 2) {
        vdef(v, &list[i], reg_make(REG_TERM, 0) | fragile);
    }
}

static void update_record(struct validator *v)
{
    int64_t size = varg(v, 1)->value;
    reg r = vkeep(v, varg(v, 2));
    const struct gen_operand *list = varg(v, 4);
    if (size < 1 || size >= REG_NUMBER_MAX) {
        vfail(v, "record of %lld elements", (long long) size);
        return;
    }
    vtrusted(v, is_tuple_of(r, (uint32_t) size));
    for (int64_t i = 1; i < list->value; i += 2) {
        if (list[i].value < 1 || list[i].value > size) {
            vfail(v, "element %lld of %lld", (long long) list[i].value, (long long) size);
            return;
        }
        vkeep(v, &list[i + 1]);
    }
    vconsume(v, (uint32_t) size + 1);
    vdef(v, varg(v, 3), reg_make(REG_TUPLE, (uint32_t) size));
}

/* ---- floating point ---- */

static void use_float(struct validator *v, const struct gen_operand *o)
{
    if (o->value >= (int64_t) v->s.n_f || !v->s.f[o->value]) {
        vfail(v, "fr%d is not defined", (int) o->value);
    }
}

static void define_float(struct validator *v, const struct gen_operand *o)
{
    v->s.f[o->value] = 1;
    if (o->value >= (int64_t) v->s.n_f) {
        v->s.n_f = (uint32_t) o->value + 1;
    }
}

static void move_float(struct validator *v)
{
    const struct gen_operand *from = varg(v, 0), *to = varg(v, 1);
    if (from->kind == GEN_FR) {
        use_float(v, from);
    } else {
        reg r = vuse(v, from);
        vtrusted(v, reg_kind(r) == REG_FLOAT);
    }
    if (to->kind == GEN_FR) {
        define_float(v, to);
    } else if (from->kind == GEN_FR) {
        vconsume(v, HEAP_FLOAT_WORDS);
        vdef(v, to, reg_make(REG_FLOAT, 0));
    } else {
        vfail(v, "no floating point register in it");
    }
}

static void float_operation(struct validator *v, size_t n_args)
{
    for (size_t i = 1; i <= n_args; i++) {
        use_float(v, varg(v, i));
    }
    vfail_or_raise(v, varg(v, 0));
    define_float(v, varg(v, n_args + 1));
}

/* ---- moves ---- */

static void move(struct validator *v)
{
    vdef(v, varg(v, 1), vuse_any(v, varg(v, 0)));
}

static void swap(struct validator *v)
{
    reg a = vuse_any(v, varg(v, 0)), b = vuse_any(v, varg(v, 1));
    vdef(v, varg(v, 0), b);
    vdef(v, varg(v, 1), a);
}

/* ---- all of them, by kind ---- */

static void tuple_test(struct validator *v)
{
    reg r = vuse(v, varg(v, 1));
    if (v->insn->op == OP_test_arity) {
        vtrusted(v, is_tuple_of(r, 0));
    }
    vjump(v, varg(v, 0));
    int64_t n = varg(v, 2)->value;
    vlearn(v, varg(v, 1), reg_make(REG_TUPLE, n < REG_NUMBER_MAX ? (uint32_t) n : REG_NUMBER_MAX));
}

static void has_map_fields(struct validator *v)
{
    reg m = vuse(v, varg(v, 1));
    vtrusted(v, reg_kind(m) == REG_MAP);
    for (int64_t i = 1; i <= varg(v, 2)->value; i++) {
        vuse(v, varg(v, 2) + i);
    }
    vjump(v, varg(v, 0));
    vlearn(v, varg(v, 1), reg_make(REG_MAP, 0));
}

static void select_value(struct validator *v)
{
    vuse(v, varg(v, 0));
    vjump(v, varg(v, 1));
    for (int64_t i = 2; i <= varg(v, 2)->value; i += 2) {
        vjump(v, varg(v, 2) + i);
    }
    v->reachable = false;
}

static bool step_test(struct validator *v)
{
    switch (v->insn->op) {
    case OP_is_lt:
    case OP_is_ge:
    case OP_is_eq:
    case OP_is_ne:
    case OP_is_function2:
        vuse(v, varg(v, 1));
        vuse(v, varg(v, 2));
        vjump(v, varg(v, 0));
        break;
    case OP_is_eq_exact:
        equality(v, false);
        break;
    case OP_is_ne_exact:
        equality(v, true);
        break;
    case OP_is_integer:
    case OP_is_number:
    case OP_is_atom:
    case OP_is_pid:
    case OP_is_reference:
    case OP_is_port:
    case OP_is_binary:
    case OP_is_bitstr:
    case OP_is_function:
    case OP_is_boolean:
        type_test(v, reg_make(REG_TERM, 0));
        break;
    case OP_is_float:
        type_test(v, reg_make(REG_FLOAT, 0));
        break;
    case OP_is_list:
        type_test(v, reg_make(REG_LIST, 0));
        break;
    case OP_is_nonempty_list:
        type_test(v, reg_make(REG_CONS, 0));
        break;
    case OP_is_tuple:
        type_test(v, reg_make(REG_TUPLE, 0));
        break;
    case OP_is_map:
        type_test(v, reg_make(REG_MAP, 0));
        break;
    case OP_is_nil:
        is_nil(v);
        break;
    case OP_test_arity:
    case OP_is_tagged_tuple:
        tuple_test(v);
        break;
    case OP_select_val:
        select_value(v);
        break;
    case OP_select_tuple_arity:
        select_arity(v);
        break;
    default:
        return false;
    }
    return true;
}

static bool step_term(struct validator *v)
{
    switch (v->insn->op) {
    case OP_move:
        move(v);
        break;
    case OP_swap:
        swap(v);
        break;
    case OP_get_list:
        get_list(v, 2);
        break;
    case OP_get_hd:
    case OP_get_tl:
        get_list(v, 1);
        break;
    case OP_get_tuple_element:
        get_element(v);
        break;
    case OP_set_tuple_element:
        set_element(v);
        break;
    case OP_put_list:
        vkeep(v, varg(v, 0));
        vkeep(v, varg(v, 1));
        vconsume(v, HEAP_CONS_WORDS);
        vdef(v, varg(v, 2), reg_make(REG_CONS, 0));
        break;
    case OP_put_tuple2:
        put_tuple(v);
        break;
    case OP_make_fun2:
        make_fun(v, true);
        break;
    case OP_make_fun3:
        make_fun(v, false);
        break;
    case OP_update_record:
        update_record(v);
        break;
    case OP_put_map_assoc:
    case OP_put_map_exact:
        put_map(v);
        break;
    case OP_has_map_fields:
        has_map_fields(v);
        break;
    case OP_get_map_elements:
        get_map_elements(v);
        break;
    default:
        return false;
    }
    return true;
}

static bool step_float(struct validator *v)
{
    switch (v->insn->op) {
    case OP_fmove:
        move_float(v);
        break;
    case OP_fconv:
        vuse(v, varg(v, 0));
        vraise(v);
        define_float(v, varg(v, 1));
        break;
    case OP_fadd:
    case OP_fsub:
    case OP_fmul:
    case OP_fdiv:
        float_operation(v, 2);
        break;
    case OP_fnegate:
        float_operation(v, 1);
        break;
    case OP_fcheckerror:
        vfail_or_raise(v, varg(v, 0));
        break;
    default:
        return false;
    }
    return true;
}

bool vstep_data(struct validator *v)
{
    switch (v->insn->op) {
    case OP_bif0:
        bif(v, 0, false);
        break;
    case OP_bif1:
        bif(v, 1, false);
        break;
    case OP_bif2:
        bif(v, 2, false);
        break;
    case OP_gc_bif1:
        bif(v, 1, true);
        break;
    case OP_gc_bif2:
        bif(v, 2, true);
        break;
    case OP_gc_bif3:
        bif(v, 3, true);
        break;
    default:
        return step_test(v) || step_term(v) || step_float(v);
    }
    return true;
}
