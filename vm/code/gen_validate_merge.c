/* Where paths meet: states of labels, exceptions, arguments of local functions. */
#include <string.h>

#include "lib/base/arena.h"
#include "vm/code/gen_validate.h"

/* Honest code stays far below. */
static const size_t state_bytes_max = (size_t) 128 << 20;

/* ---- merging ---- */

static bool is_termlike(enum reg_kind k)
{
    return k >= REG_TERM && k <= REG_SMALL;
}

static reg merge_kinds(reg a, reg b)
{
    enum reg_kind ka = reg_kind(a), kb = reg_kind(b);
    if (ka == REG_UNDEF || kb == REG_UNDEF) {
        return REG_UNDEF;
    }
    if (ka > kb) { /* by rank: the rules below see each pair once */
        return merge_kinds(b, a);
    }
    if (kb == REG_TIMEOUT) {
        return is_termlike(ka) ? reg_make(REG_TIMEOUT, 0) : REG_UNDEF;
    }
    if (kb == REG_CAUGHT) {
        return is_termlike(ka) || ka == REG_CAUGHT ? reg_make(REG_CAUGHT, 0) : REG_UNDEF;
    }
    if (kb > REG_CAUGHT) {
        return REG_UNDEF; /* equal ones never get here */
    }
    if (kb >= REG_MATCH) {
        return reg_make(REG_TERM_OR_MATCH, 0); /* ka differs, or kb is it */
    }
    bool tuples =
        (ka == REG_TUPLE || ka == REG_FRESH_TUPLE) && (kb == REG_TUPLE || kb == REG_FRESH_TUPLE);
    if (tuples) {
        uint32_t na = reg_number(a), nb = reg_number(b);
        return reg_make(ka == kb ? ka : REG_TUPLE, na < nb ? na : nb);
    }
    if (ka == REG_CONS && kb == REG_LIST) {
        return reg_make(REG_LIST, 0);
    }
    return reg_make(REG_TERM, 0);
}

static reg merge_regs(reg a, reg b)
{
    if (a == b) {
        return a;
    }
    reg fragile = (a | b) & REG_FRAGILE;
    a &= ~(reg) REG_FRAGILE;
    b &= ~(reg) REG_FRAGILE;
    reg r = a == b ? a : merge_kinds(a, b);
    return r == REG_UNDEF ? r : r | fragile;
}

static void mark_dirty(struct validator *v, uint32_t label)
{
    if (!v->label_dirty[label]) {
        v->label_dirty[label] = true;
        v->n_dirty++;
    }
    if (v->code->label_insn[label] < v->lowest_dirty) {
        v->lowest_dirty = v->code->label_insn[label];
    }
}

static bool any_undefined(const reg *y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (y[i] == REG_UNDEF) {
            return true;
        }
    }
    return false;
}

static bool any_held(const reg *y, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (reg_is_tag(y[i]) || (y[i] & REG_FRAGILE) != 0) {
            return true;
        }
    }
    return false;
}

/* Frames of different sizes meet: what they have in common stays known by name. */
static bool merge_frames(struct validator *v, uint32_t label, struct vlabel_state *l, bool *changed)
{
    const struct vstate *s = &v->s;
    const reg *y = l->regs + l->n_x;
    if (any_held(y, l->n_y) || any_held(s->y, s->n_y)) {
        return vfail(
            v, "goes to label %u with another frame than others, where a catch is open", label);
    }
    bool undef = l->frame == FRAME_UNKNOWN_UNDEF || s->frame == FRAME_UNKNOWN_UNDEF
                 || any_undefined(y, l->n_y) || any_undefined(s->y, s->n_y);
    enum frame merged = undef ? FRAME_UNKNOWN_UNDEF : FRAME_UNKNOWN;
    *changed |= merged != l->frame || s->n_y < l->n_y;
    l->frame = merged;
    if (s->n_y < l->n_y) {
        l->n_y = s->n_y;
    }
    return true;
}

/* Is all that stands at label an instruction that raises? */
static bool only_raises(const struct validator *v, uint32_t label)
{
    const struct gen_code *c = v->code;
    uint32_t i = c->label_insn[label];
    while (i + 1 < v->function->end && (c->insns[i].op == OP_label || c->insns[i].op == OP_line)) {
        i++;
    }
    enum opcode op = c->insns[i].op;
    return op == OP_badmatch || op == OP_case_end || op == OP_if_end || op == OP_try_case_end;
}

static void arrive(struct validator *v, uint32_t label, const reg *x, uint32_t n_x, uint32_t n_f, uint32_t heap_words);

/* Paths with different catches may share an instruction that raises, which a compiler that knows less about types leaves where
 * it can never be reached. The exception goes on from each path; the label is reached as if no catch were open. */
static void arrive_to_raise(struct validator *v, uint32_t label, const reg *x, uint32_t n_x, uint32_t n_f, uint32_t heap_words)
{
    struct vstate *s = &v->s;
    reg y[GEN_MAX_REGISTERS];
    uint32_t n_tags = s->n_tags;
    vraise(v);
    memcpy(y, s->y, s->n_y * sizeof(reg));
    for (uint32_t i = 0; i < s->n_y; i++) {
        if (reg_is_tag(s->y[i])) {
            s->y[i] = REG_UNDEF;
        }
    }
    s->n_tags = 0;
    arrive(v, label, x, n_x, n_f, heap_words);
    memcpy(s->y, y, s->n_y * sizeof(reg));
    s->n_tags = n_tags;
}

void varrive(struct validator *v, uint32_t label, const reg *x, uint32_t n_x, uint32_t n_f, uint32_t heap_words)
{
    if (v->s.n_tags > 0 && only_raises(v, label)) {
        arrive_to_raise(v, label, x, n_x, n_f, heap_words);
    } else {
        arrive(v, label, x, n_x, n_f, heap_words);
    }
}

/* What comes to a label: the current state, but x and the rest as given. */
static void arrive(struct validator *v, uint32_t label, const reg *x, uint32_t n_x, uint32_t n_f, uint32_t heap_words)
{
    const struct vstate *s = &v->s;
    struct vlabel_state *l = v->label_states[label];
    if (l == NULL) {
        while (n_x > 0 && x[n_x - 1] == REG_UNDEF) {
            n_x--;
        }
        size_t bytes = sizeof(*l) + (n_x + s->n_y) * sizeof(reg);
        v->state_bytes += bytes;
        l = v->state_bytes > state_bytes_max ? NULL : vm_try_alloc(bytes);
        if (l == NULL) {
            vfail(v, "the code is too complex to be checked");
            return;
        }
        *l = (struct vlabel_state) {
            .n_x = n_x,
            .n_y = s->n_y,
            .n_f = n_f,
            .heap_words = heap_words,
            .frame = s->frame,
            .building = s->building,
        };
        memcpy(l->regs, x, n_x * sizeof(reg));
        memcpy(l->regs + n_x, s->y, s->n_y * sizeof(reg));
        v->label_states[label] = l;
        mark_dirty(v, label);
        return;
    }
    bool changed = false;
    if ((l->frame != s->frame || l->n_y != s->n_y) && !merge_frames(v, label, l, &changed)) {
        return;
    }
    for (uint32_t i = 0; i < l->n_x; i++) {
        reg r = i < n_x ? merge_regs(l->regs[i], x[i]) : REG_UNDEF;
        changed |= r != l->regs[i];
        l->regs[i] = r;
    }
    reg *y = l->regs + l->n_x;
    for (uint32_t i = 0; i < l->n_y; i++) {
        if (y[i] == s->y[i]) {
            continue;
        }
        if (reg_is_tag(y[i]) || reg_is_tag(s->y[i])) {
            vfail(v, "goes to label %u with another catch in y%u than others", label, i);
            return;
        }
        reg r = merge_regs(y[i], s->y[i]);
        changed |= r != y[i];
        y[i] = r;
    }
    if (n_f < l->n_f) {
        l->n_f = n_f;
        changed = true;
    }
    if (heap_words < l->heap_words) {
        l->heap_words = heap_words;
        changed = true;
    }
    if (l->building && !s->building) {
        l->building = false;
        changed = true;
    }
    if (changed) {
        mark_dirty(v, label);
    }
}

/* Defined floating point registers are counted as a prefix at labels: what lies behind a gap is dropped. */
uint32_t vfloat_prefix(const struct vstate *s)
{
    uint32_t n = 0;
    while (n < s->n_f && s->f[n]) {
        n++;
    }
    return n;
}

void vload_label(struct validator *v, uint32_t label)
{
    const struct vlabel_state *l = v->label_states[label];
    struct vstate *s = &v->s;
    if (l->n_x < s->n_x) {
        memset(s->x + l->n_x, 0, (s->n_x - l->n_x) * sizeof(reg));
    }
    memcpy(s->x, l->regs, l->n_x * sizeof(reg));
    memcpy(s->y, l->regs + l->n_x, l->n_y * sizeof(reg));
    memset(s->f, 0, s->n_f);
    memset(s->f, 1, l->n_f);
    s->n_x = l->n_x;
    s->n_y = l->n_y;
    s->n_f = l->n_f;
    s->heap_words = l->heap_words;
    s->frame = l->frame;
    s->building = l->building;
    s->n_tags = 0;
    for (uint32_t i = 0; i < s->n_y; i++) {
        s->n_tags += reg_is_tag(s->y[i]);
    }
}

/* ---- jumps, exceptions, calls ---- */

static bool check_target(struct validator *v, uint32_t label)
{
    uint32_t target = v->code->label_insn[label];
    if (target == UINT32_MAX) {
        return vfail(v, "label %u does not exist", label);
    }
    if (target < v->function->start || target >= v->function->end) {
        return vfail(v, "label %u is in another function", label);
    }
    v->backward |= target <= v->at && target >= v->function->entry - 1;
    return true;
}

void vjump(struct validator *v, const struct gen_operand *label)
{
    if (label->value != 0 && !v->failed && check_target(v, (uint32_t) label->value)) {
        varrive(
            v, (uint32_t) label->value, v->s.x, v->s.n_x, vfloat_prefix(&v->s), v->s.heap_words);
    }
}

/* The interpreter looks for a catch tag from y0 up: the first one gets the exception. */
void vraise(struct validator *v)
{
    if (v->s.n_tags == 0 || v->failed) {
        return;
    }
    uint32_t i = 0;
    while (!reg_is_tag(v->s.y[i])) {
        i++;
    }
    uint32_t label = reg_number(v->s.y[i]);
    reg x0 = reg_make(reg_kind(v->s.y[i]) == REG_TRY_TAG ? REG_CAUGHT_TRY : REG_CAUGHT, 0);
    if (check_target(v, label)) {
        bool building = v->s.building;
        v->s.building = false;
        varrive(v, label, &x0, 1, 0, 0);
        v->s.building = building;
    }
}

void vfail_or_raise(struct validator *v, const struct gen_operand *label)
{
    if (label->value == 0) {
        vraise(v);
    } else {
        vjump(v, label);
    }
}

void vmerge_args(struct vfunction *f, const reg *args)
{
    for (uint32_t i = 0; i < f->arity; i++) {
        reg r = args[i] & ~(reg) REG_FRAGILE;
        reg merged = f->reached ? merge_regs(f->args[i], r) : r;
        if (!f->reached || merged != f->args[i]) {
            f->args[i] = merged;
            f->dirty = true;
        }
    }
    f->dirty |= !f->reached;
    f->reached = true;
}

void vcall_local(struct validator *v, uint32_t arity, const struct gen_operand *label)
{
    uint32_t index = v->label_function[label->value];
    if (index == 0) {
        vfail(v, "label %lld is not the start of a function", (long long) label->value);
        return;
    }
    struct vfunction *f = &v->functions[index - 1];
    if (f->arity != arity) {
        vfail(v, "%u arguments for a function of arity %u", arity, f->arity);
        return;
    }
    for (uint32_t i = 0; i < arity; i++) {
        reg r = v->s.x[i];
        enum reg_kind k = reg_kind(r);
        /* A match context may be handed on: the callee is checked as one that gets it. */
        if ((!is_termlike(k) && k != REG_MATCH && k != REG_TERM_OR_MATCH)
            || (r & REG_FRAGILE) != 0) {
            vfail(v, "argument x%u is %s", i,
                k == REG_UNDEF ? "not defined" : "no term that may be handed on");
            return;
        }
    }
    reg args[256];
    for (uint32_t i = 0; i < arity; i++) {
        reg r = v->s.x[i];
        args[i] = reg_kind(r) == REG_FRESH_TUPLE ? reg_make(REG_TUPLE, reg_number(r)) : r;
    }
    vmerge_args(f, args);
}

void vjump_always(struct validator *v, const struct gen_operand *label)
{
    uint32_t target = v->code->label_insn[label->value];
    if (target != UINT32_MAX && v->code->insns[target + 1].op == OP_try_case) {
        v->insn->flags |= GEN_NO_RETURN;
    } else {
        vjump(v, label);
    }
    v->reachable = false;
}
