/* What each instruction needs of the state and what it leaves. */
#include <string.h>

#include "vm/code/gen_validate.h"
#include "vm/core/atom.h"
#include "vm/core/fun.h"

/* ---- registers ---- */

reg vfact_of_constant(term t)
{
    if (term_is_cons(t)) {
        return reg_make(REG_CONS, 0);
    }
    if (term_is_nil(t)) {
        return reg_make(REG_LIST, 0);
    }
    if (term_is_small(t)) {
        intptr_t n = term_to_small(t);
        return n >= 0 && n <= REG_NUMBER_MAX ? reg_make(REG_SMALL, (uint32_t) n) : reg_make(REG_TERM, 0);
    }
    if (term_is_tuple(t)) {
        size_t n = term_tuple_arity(t);
        return reg_make(REG_TUPLE, n < REG_NUMBER_MAX ? (uint32_t) n : REG_NUMBER_MAX);
    }
    if (term_is_map(t)) {
        return reg_make(REG_MAP, 0);
    }
    if (term_is_float(t)) {
        return reg_make(REG_FLOAT, 0);
    }
    return reg_make(REG_TERM, 0);
}

static const char *register_class(const struct gen_operand *o)
{
    return o->kind == GEN_X ? "x" : "y";
}

/* Where the register is kept; NULL, and failed, if there is no such slot. */
static reg *slot(struct validator *v, const struct gen_operand *o)
{
    if (o->kind == GEN_X) {
        return &v->s.x[o->value];
    }
    if (o->value >= (int64_t) v->s.n_y) {
        vfail(v, "y%d is not in the frame of %u slots", (int) o->value, v->s.n_y);
        return NULL;
    }
    return &v->s.y[o->value];
}

reg vuse_any(struct validator *v, const struct gen_operand *o)
{
    if (o->kind == GEN_CONST) {
        return vfact_of_constant(o->constant);
    }
    const reg *r = slot(v, o);
    if (r == NULL) {
        return REG_UNDEF;
    }
    if (!reg_is_term(*r) && reg_kind(*r) != REG_MATCH && reg_kind(*r) != REG_TERM_OR_MATCH) {
        vfail(v, "%s%d is not defined", register_class(o), (int) o->value);
        return REG_UNDEF;
    }
    return *r;
}

reg vuse(struct validator *v, const struct gen_operand *o)
{
    reg r = vuse_any(v, o);
    if (reg_kind(r) == REG_MATCH || reg_kind(r) == REG_TERM_OR_MATCH) {
        vfail(v, "%s%d may hold a match context", register_class(o), (int) o->value);
    }
    return r;
}

reg vkeep(struct validator *v, const struct gen_operand *o)
{
    reg r = vuse(v, o);
    if ((r & REG_FRAGILE) != 0) {
        vpin(v);
    }
    return r & ~(reg) REG_FRAGILE;
}

void vuse_x(struct validator *v, uint32_t n)
{
    for (uint32_t i = 0; i < n && !v->failed; i++) {
        struct gen_operand o = { .kind = GEN_X, .value = i };
        vkeep(v, &o);
    }
}

void vdef(struct validator *v, const struct gen_operand *o, reg r)
{
    reg *to = slot(v, o);
    if (to == NULL || v->failed) {
        return;
    }
    if (o->kind == GEN_X) {
        if (o->value >= (int64_t) v->s.n_x) {
            v->s.n_x = (uint32_t) o->value + 1;
        }
    } else if (reg_is_tag(*to)) {
        vfail(v, "y%d holds a catch", (int) o->value);
        return;
    }
    *to = r;
}

void vlearn(struct validator *v, const struct gen_operand *o, reg r)
{
    reg *to = o->kind == GEN_CONST || v->failed ? NULL : slot(v, o);
    if (to == NULL || !reg_is_term(*to)) {
        return;
    }
    if (reg_kind(r) == REG_TUPLE && (reg_kind(*to) == REG_TUPLE || reg_kind(*to) == REG_FRESH_TUPLE)) {
        if (reg_number(r) > reg_number(*to)) {
            *to = reg_make(reg_kind(*to), reg_number(r)) | (*to & REG_FRAGILE);
        }
        return;
    }
    if (reg_kind(r) != REG_TERM && !(reg_kind(r) == REG_LIST && reg_kind(*to) == REG_CONS)) {
        *to = r | (*to & REG_FRAGILE);
    }
}

static struct gen_operand x_operand(uint32_t i)
{
    return (struct gen_operand) { .kind = GEN_X, .value = i };
}

static void define_x0(struct validator *v)
{
    struct gen_operand x0 = x_operand(0);
    vdef(v, &x0, reg_make(REG_TERM, 0));
}

/* ---- memory ---- */

static void drop_x(struct validator *v, uint32_t from)
{
    if (from < v->s.n_x) {
        memset(v->s.x + from, 0, (v->s.n_x - from) * sizeof(reg));
        v->s.n_x = from;
    }
}

static void age(reg *r)
{
    if (reg_kind(*r) == REG_FRESH_TUPLE) {
        *r = reg_make(REG_TUPLE, reg_number(*r)) | (*r & REG_FRAGILE);
    }
}

void vcollect_n(struct validator *v, uint32_t live)
{
    struct vstate *s = &v->s;
    if (live > GEN_MAX_REGISTERS) {
        vfail(v, "%u live registers", live);
        return;
    }
    for (uint32_t i = 0; i < live; i++) {
        struct gen_operand o = x_operand(i);
        vuse_any(v, &o);
        age(&s->x[i]);
    }
    drop_x(v, live);
    if (s->frame == FRAME_UNKNOWN_UNDEF) {
        vfail(v, "slots may not be initialised");
        return;
    }
    for (uint32_t i = 0; i < s->n_y; i++) {
        if (s->y[i] == REG_UNDEF) {
            vfail(v, "y%u is not initialised", i);
            return;
        }
        age(&s->y[i]);
    }
    s->heap_words = 0;
    s->building = false;
}

void vcollect(struct validator *v, const struct gen_operand *live)
{
    vcollect_n(v, live->value > GEN_MAX_REGISTERS ? GEN_MAX_REGISTERS + 1 : (uint32_t) live->value);
}

void vreserve(struct validator *v, const struct gen_operand *words)
{
    v->s.heap_words = (uint32_t) words->value;
}

void vconsume(struct validator *v, uint32_t words)
{
    if (v->s.heap_words < words) {
        vfail(v, "%u words of heap needed, %u reserved", words, v->s.heap_words);
        return;
    }
    v->s.heap_words -= words;
}

void vtrusted(struct validator *v, bool proven)
{
    if (!proven) {
        v->insn->flags |= GEN_UNPROVEN;
        vraise(v);
    }
}

static void message_is_ours(struct validator *v)
{
    for (uint32_t i = 0; i < v->s.n_x; i++) {
        v->s.x[i] &= ~(reg) REG_FRAGILE;
    }
    for (uint32_t i = 0; i < v->s.n_y; i++) {
        v->s.y[i] &= ~(reg) REG_FRAGILE;
    }
}

void vpin(struct validator *v)
{
    v->insn->flags |= GEN_PIN;
    message_is_ours(v);
}

static bool frame_is_fragile(const struct validator *v)
{
    for (uint32_t i = 0; i < v->s.n_y; i++) {
        if ((v->s.y[i] & REG_FRAGILE) != 0) {
            return true;
        }
    }
    return false;
}

/* The message looked at stays behind, or is replaced by the next. */
void vdrop_fragile(struct validator *v)
{
    if (frame_is_fragile(v)) {
        vpin(v);
    }
    for (uint32_t i = 0; i < v->s.n_x; i++) {
        if ((v->s.x[i] & REG_FRAGILE) != 0) {
            v->s.x[i] = REG_UNDEF;
        }
    }
}

/* The timer of the receive is done with. */
static void timer_is_off(struct validator *v)
{
    for (uint32_t i = 0; i < v->s.n_x; i++) {
        if (reg_kind(v->s.x[i]) == REG_TIMEOUT) {
            v->s.x[i] = REG_UNDEF;
        }
    }
}

/* ---- frames, calls ---- */

static void need_no_frame(struct validator *v)
{
    if (v->s.frame != FRAME_NONE) {
        vfail(v, "there is a frame");
    }
}

static void need_frame(struct validator *v)
{
    if (v->s.frame != FRAME_SOME) {
        vfail(v, v->s.frame == FRAME_NONE ? "there is no frame" : "frames of different sizes meet here");
    }
}

static void make_frame(struct validator *v, const struct gen_operand *slots, const struct gen_operand *live, bool nil)
{
    need_no_frame(v);
    if (slots->value > GEN_MAX_REGISTERS) {
        vfail(v, "frame of %lld slots", (long long) slots->value);
    }
    vcollect(v, live);
    if (v->failed) {
        return;
    }
    v->s.frame = FRAME_SOME;
    v->s.n_y = (uint32_t) slots->value;
    for (uint32_t i = 0; i < v->s.n_y; i++) {
        v->s.y[i] = nil ? reg_make(REG_LIST, 0) : REG_UNDEF;
    }
}

static void drop_frame(struct validator *v, const struct gen_operand *slots)
{
    need_frame(v);
    if (slots->value != (int64_t) v->s.n_y) {
        vfail(v, "frame has %u slots, not %lld", v->s.n_y, (long long) slots->value);
    }
    if (v->s.n_tags > 0) {
        vfail(v, "a catch is open");
    }
    v->s.frame = FRAME_NONE;
    v->s.n_y = 0;
}

/* Registers after a call that comes back. */
static void after_call(struct validator *v)
{
    if (frame_is_fragile(v)) {
        vpin(v); /* what is called may take the message */
    }
    vcollect_n(v, 0);
    define_x0(v);
    v->s.n_f = 0;
}

static const struct export *import_of(struct validator *v, const struct gen_operand *o, int64_t arity)
{
    const struct export *e = v->file->imports[o->value];
    if (e->arity != arity) {
        vfail(v, "%lld arguments for %.60s:%.60s/%u", (long long) arity, atom_cstr(e->module), atom_cstr(e->function), e->arity);
    }
    return e;
}

/* BIFs that never come back: the compiler calls them without a frame and puts nothing behind. */
static bool never_returns(const struct export *e)
{
    if (!term_same(e->module, ATOM(erlang))) {
        return false;
    }
    if (term_same(e->function, ATOM(error))) {
        return e->arity >= 1 && e->arity <= 3;
    }
    if (term_same(e->function, ATOM(nif_error))) {
        return e->arity == 1 || e->arity == 2;
    }
    return (term_same(e->function, ATOM(exit)) || term_same(e->function, ATOM(throw))) && e->arity == 1;
}

static void call_import(struct validator *v)
{
    int64_t arity = varg(v, 0)->value;
    const struct export *e = import_of(v, varg(v, 1), arity);
    vuse_x(v, (uint32_t) arity);
    if (never_returns(e) || v->insn->op == OP_call_ext) {
        vraise(v);
    }
    if (never_returns(e)) {
        v->insn->op = OP_call_ext;
        v->insn->n_operands = 2;
        v->reachable = false;
        return;
    }
    if (v->insn->op == OP_call_ext_last || v->insn->op == OP_call_ext_only) {
        if (v->insn->op == OP_call_ext_last) {
            drop_frame(v, varg(v, 2));
        } else {
            need_no_frame(v);
        }
        v->reachable = false;
        return;
    }
    need_frame(v);
    reg fresh = REG_UNDEF;
    if (term_same(e->module, ATOM(erlang)) && term_same(e->function, ATOM(setelement)) && e->arity == 3
        && reg_kind(v->s.x[0]) == REG_SMALL) {
        fresh = reg_make(REG_FRESH_TUPLE, reg_number(v->s.x[0]));
        if (reg_kind(v->s.x[1]) == REG_TUPLE && reg_number(v->s.x[1]) > reg_number(v->s.x[0])) {
            fresh = reg_make(REG_FRESH_TUPLE, reg_number(v->s.x[1]));
        }
    }
    after_call(v);
    if (fresh != REG_UNDEF && !v->failed) {
        v->s.x[0] = fresh;
    }
}

static void call_fun(struct validator *v, int64_t arity, const struct gen_operand *fun)
{
    need_frame(v);
    if (arity > 255) {
        vfail(v, "call of arity %lld", (long long) arity);
        return;
    }
    vuse_x(v, (uint32_t) arity);
    vkeep(v, fun);
    vraise(v);
    after_call(v);
}

static void apply(struct validator *v, bool last)
{
    int64_t arity = varg(v, 0)->value;
    if (arity > 255) {
        vfail(v, "apply of arity %lld", (long long) arity);
        return;
    }
    vuse_x(v, (uint32_t) arity + 2);
    if (last) {
        drop_frame(v, varg(v, 1));
        v->reachable = false;
    } else {
        need_frame(v);
        vraise(v);
        after_call(v);
    }
}

/* ---- catch and try ---- */

static void set_tag(struct validator *v, enum reg_kind kind)
{
    const struct gen_operand *y = varg(v, 0);
    reg *r = slot(v, y);
    if (r == NULL) {
        return;
    }
    if (reg_is_tag(*r)) {
        vfail(v, "y%d holds a catch already", (int) y->value);
        return;
    }
    uint32_t label = (uint32_t) varg(v, 1)->value;
    if (v->code->label_insn[label] == UINT32_MAX || v->code->label_insn[label] < v->function->start
        || v->code->label_insn[label] >= v->function->end) {
        vfail(v, "label %u is not in this function", label);
        return;
    }
    *r = reg_make(kind, label);
    v->s.n_tags++;
}

static void clear_tag(struct validator *v, enum reg_kind kind)
{
    const struct gen_operand *y = varg(v, 0);
    reg *r = slot(v, y);
    if (r == NULL) {
        return;
    }
    if (reg_kind(*r) != kind) {
        vfail(v, "y%d does not hold the %s it needs", (int) y->value, kind == REG_TRY_TAG ? "try" : "catch");
        return;
    }
    *r = reg_make(REG_LIST, 0);
    v->s.n_tags--;
}

static void catch_end(struct validator *v)
{
    clear_tag(v, REG_CATCH_TAG);
    if (reg_kind(v->s.x[0]) != REG_CAUGHT) {
        vuse_x(v, 1);
    }
    drop_x(v, 0);
    define_x0(v);
    v->s.heap_words = 0;
}

static void try_case(struct validator *v)
{
    clear_tag(v, REG_TRY_TAG);
    if (reg_kind(v->s.x[0]) != REG_CAUGHT_TRY) {
        vfail(v, "reached without an exception");
    }
    drop_x(v, 0);
    for (uint32_t i = 0; i < 3; i++) {
        struct gen_operand x = x_operand(i);
        vdef(v, &x, reg_make(REG_TERM, 0));
    }
    v->s.heap_words = 0;
}

/* ---- guards and BIFs ---- */

static void learn_from_bif(struct validator *v, const struct export *e, const struct gen_operand *args)
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
    const struct export *e = import_of(v, varg(v, at++), n_args);
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
    reg *r = slot(v, a);
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
    reg *r = o->kind == GEN_CONST || v->failed ? NULL : slot(v, o);
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
    reg *r = o->kind == GEN_CONST || v->failed ? NULL : slot(v, o);
    for (int64_t i = 1; i < list->value; i += 2) {
        if (r != NULL) {
            *r = before;
            vlearn(v, o, reg_make(REG_TUPLE, list[i].value < REG_NUMBER_MAX ? (uint32_t) list[i].value : REG_NUMBER_MAX));
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
        define_x0(v);
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
        reg *r = slot(v, &list[i]);
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

static void trim(struct validator *v)
{
    int64_t n = varg(v, 0)->value, left = varg(v, 1)->value;
    struct vstate *s = &v->s;
    need_frame(v);
    if (n + left != s->n_y) {
        vfail(v, "frame has %u slots, not %lld", s->n_y, (long long) (n + left));
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (reg_is_tag(s->y[i])) {
            vfail(v, "y%d holds a catch", (int) i);
            return;
        }
    }
    memmove(s->y, s->y + n, (size_t) left * sizeof(reg));
    s->n_y = (uint32_t) left;
}

/* When a message wakes the process the instruction may be reached again, and does not look at the time
 * again: its register need not survive. */
static void wait_timeout(struct validator *v)
{
    const struct gen_operand *o = varg(v, 1);
    bool in_x = o->kind == GEN_X;
    if (!in_x || reg_kind(v->s.x[o->value]) != REG_TIMEOUT) {
        vkeep(v, o);
    }
    vdrop_fragile(v);
    vraise(v);
    vcollect_n(v, 0);
    if (in_x && !v->failed) {
        v->s.x[o->value] = reg_make(REG_TIMEOUT, 0);
        v->s.n_x = (uint32_t) o->value + 1;
    }
    vjump(v, varg(v, 0));
    drop_x(v, 0);
}

/* ---- all of them ---- */

static void ends(struct validator *v)
{
    vraise(v);
    v->reachable = false;
}

void vstep(struct validator *v)
{
    const struct vfunction *f = v->function;
    switch (v->insn->op) {
    case OP_label:
    case OP_line:
    case OP_nif_start:
    case OP_on_load:
    case OP_fclearerror:
    case OP_executable_line:
    case OP_debug_line:
        break;
    case OP_func_info:
        need_no_frame(v);
        for (uint32_t i = 0; i < f->arity; i++) {
            struct gen_operand o = x_operand(i);
            vuse_any(v, &o); /* match contexts become binaries in the exception */
        }
        v->reachable = false;
        break;
    case OP_call:
        need_frame(v);
        vcall_local(v, (uint32_t) varg(v, 0)->value, varg(v, 1));
        vraise(v);
        after_call(v);
        break;
    case OP_call_last:
        vcall_local(v, (uint32_t) varg(v, 0)->value, varg(v, 1));
        drop_frame(v, varg(v, 2));
        v->reachable = false;
        break;
    case OP_call_only:
        need_no_frame(v);
        vcall_local(v, (uint32_t) varg(v, 0)->value, varg(v, 1));
        v->reachable = false;
        break;
    case OP_call_ext:
    case OP_call_ext_last:
    case OP_call_ext_only:
        call_import(v);
        break;
    case OP_call_fun: {
        struct gen_operand fun = x_operand(varg(v, 0)->value > 255 ? 0 : (uint32_t) varg(v, 0)->value);
        call_fun(v, varg(v, 0)->value, &fun);
        break;
    }
    case OP_call_fun2:
        call_fun(v, varg(v, 1)->value, varg(v, 2));
        break;
    case OP_apply:
        apply(v, false);
        break;
    case OP_apply_last:
        apply(v, true);
        break;
    case OP_allocate:
        make_frame(v, varg(v, 0), varg(v, 1), false);
        break;
    case OP_allocate_zero:
        make_frame(v, varg(v, 0), varg(v, 1), true);
        break;
    case OP_allocate_heap:
        make_frame(v, varg(v, 0), varg(v, 2), false);
        vreserve(v, varg(v, 1));
        break;
    case OP_allocate_heap_zero:
        make_frame(v, varg(v, 0), varg(v, 2), true);
        vreserve(v, varg(v, 1));
        break;
    case OP_test_heap:
        vcollect(v, varg(v, 1));
        vreserve(v, varg(v, 0));
        break;
    case OP_deallocate:
        drop_frame(v, varg(v, 0));
        break;
    case OP_trim:
        trim(v);
        break;
    case OP_init:
        vdef(v, varg(v, 0), reg_make(REG_LIST, 0));
        break;
    case OP_init_yregs:
        for (int64_t i = 1; i <= varg(v, 0)->value; i++) {
            vdef(v, varg(v, (size_t) i), reg_make(REG_LIST, 0));
        }
        break;
    case OP_return:
        need_no_frame(v);
        vuse_x(v, 1);
        v->reachable = false;
        break;

    case OP_send:
        vuse_x(v, 2);
        vraise(v);
        after_call(v);
        break;
    case OP_loop_rec:
        vdrop_fragile(v);
        vjump(v, varg(v, 0));
        vdef(v, varg(v, 1), reg_make(REG_TERM, 0) | REG_FRAGILE);
        break;
    case OP_remove_message:
        message_is_ours(v);
        timer_is_off(v);
        break;
    case OP_timeout:
        vdrop_fragile(v);
        timer_is_off(v);
        break;
    case OP_loop_rec_end:
    case OP_wait: {
        vdrop_fragile(v);
        /* The time of a receive is named again where it waits. */
        reg kept[GEN_MAX_TIMEOUTS];
        uint32_t n = v->s.n_x < GEN_MAX_TIMEOUTS ? v->s.n_x : GEN_MAX_TIMEOUTS;
        memcpy(kept, v->s.x, n * sizeof(reg));
        vcollect_n(v, 0);
        for (uint32_t i = 0; i < n; i++) {
            if (reg_kind(kept[i]) == REG_TIMEOUT) {
                v->s.x[i] = kept[i];
                v->s.n_x = i + 1;
            }
        }
        vjump(v, varg(v, 0));
        v->reachable = false;
        break;
    }
    case OP_wait_timeout:
        wait_timeout(v);
        break;
    case OP_recv_mark:
    case OP_recv_set:
        break;
    case OP_recv_marker_reserve:
        vdef(v, varg(v, 0), reg_make(REG_TERM, 0));
        v->s.heap_words = 0;
        break;
    case OP_recv_marker_bind:
        vuse(v, varg(v, 0));
        vuse(v, varg(v, 1));
        break;
    case OP_recv_marker_clear:
    case OP_recv_marker_use:
        vuse(v, varg(v, 0));
        break;

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
    case OP_is_tagged_tuple: {
        reg r = vuse(v, varg(v, 1));
        if (v->insn->op == OP_test_arity) {
            vtrusted(v, is_tuple_of(r, 0));
        }
        vjump(v, varg(v, 0));
        int64_t n = varg(v, 2)->value;
        vlearn(v, varg(v, 1), reg_make(REG_TUPLE, n < REG_NUMBER_MAX ? (uint32_t) n : REG_NUMBER_MAX));
        break;
    }
    case OP_select_val:
        vuse(v, varg(v, 0));
        vjump(v, varg(v, 1));
        for (int64_t i = 2; i <= varg(v, 2)->value; i += 2) {
            vjump(v, varg(v, 2) + i);
        }
        v->reachable = false;
        break;
    case OP_select_tuple_arity:
        select_arity(v);
        break;
    case OP_jump:
        vjump_always(v, varg(v, 0));
        break;

    case OP_catch:
        set_tag(v, REG_CATCH_TAG);
        break;
    case OP_try:
        set_tag(v, REG_TRY_TAG);
        break;
    case OP_catch_end:
        catch_end(v);
        break;
    case OP_try_end:
        clear_tag(v, REG_TRY_TAG);
        break;
    case OP_try_case:
        try_case(v);
        break;
    case OP_badmatch:
    case OP_case_end:
    case OP_try_case_end:
    case OP_badrecord:
        vkeep(v, varg(v, 0));
        ends(v);
        break;
    case OP_if_end:
        ends(v);
        break;
    case OP_raise:
        vkeep(v, varg(v, 0));
        vkeep(v, varg(v, 1));
        ends(v);
        break;
    case OP_raw_raise:
        vuse_x(v, 3);
        vraise(v);
        drop_x(v, 0);
        define_x0(v);
        v->s.heap_words = 0;
        break;
    case OP_build_stacktrace:
        vuse_x(v, 1);
        drop_x(v, 1);
        define_x0(v);
        v->s.heap_words = 0;
        break;

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
    case OP_has_map_fields: {
        reg m = vuse(v, varg(v, 1));
        vtrusted(v, reg_kind(m) == REG_MAP);
        for (int64_t i = 1; i <= varg(v, 2)->value; i++) {
            vuse(v, varg(v, 2) + i);
        }
        vjump(v, varg(v, 0));
        vlearn(v, varg(v, 1), reg_make(REG_MAP, 0));
        break;
    }
    case OP_get_map_elements:
        get_map_elements(v);
        break;

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
        if (!vstep_bits(v)) {
            vfail(v, "not expected here");
        }
        break;
    }
}
