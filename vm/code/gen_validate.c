#include "vm/code/gen_validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "vm/core/atom.h"

/* Honest code stays far below both; code made to be slow is refused instead of followed. */
enum { STEPS_PER_INSN = 64, STEPS_SPARE = 1 << 16 };
static const size_t state_bytes_max = (size_t) 128 << 20;

bool vfail(struct validator *v, const char *fmt, ...)
{
    if (!v->failed) {
        char what[160];
        va_list args;
        va_start(args, fmt);
        vsnprintf(what, sizeof(what), fmt, args);
        va_end(args);
        gen_fail(v->file, v->insn->offset, "%s: %s", opcode_table[v->insn->op].name, what);
        v->failed = true;
    }
    v->reachable = false;
    return false;
}

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
    bool tuples = (ka == REG_TUPLE || ka == REG_FRESH_TUPLE) && (kb == REG_TUPLE || kb == REG_FRESH_TUPLE);
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
        return vfail(v, "goes to label %u with another frame than others, where a catch is open", label);
    }
    bool undef = l->frame == FRAME_UNKNOWN_UNDEF || s->frame == FRAME_UNKNOWN_UNDEF || any_undefined(y, l->n_y)
        || any_undefined(s->y, s->n_y);
    enum frame merged = undef ? FRAME_UNKNOWN_UNDEF : FRAME_UNKNOWN;
    *changed |= merged != l->frame || s->n_y < l->n_y;
    l->frame = merged;
    if (s->n_y < l->n_y) {
        l->n_y = s->n_y;
    }
    return true;
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
            .n_x = n_x, .n_y = s->n_y, .n_f = n_f, .heap_words = heap_words, .frame = s->frame, .building = s->building,
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
static uint32_t float_prefix(const struct vstate *s)
{
    uint32_t n = 0;
    while (n < s->n_f && s->f[n]) {
        n++;
    }
    return n;
}

static void load_label(struct validator *v, uint32_t label)
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
        arrive(v, (uint32_t) label->value, v->s.x, v->s.n_x, float_prefix(&v->s), v->s.heap_words);
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
        arrive(v, label, &x0, 1, 0, 0);
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

static void merge_args(struct vfunction *f, const reg *args)
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
        if ((!is_termlike(k) && k != REG_MATCH && k != REG_TERM_OR_MATCH) || (r & REG_FRAGILE) != 0) {
            vfail(v, "argument x%u is %s", i, k == REG_UNDEF ? "not defined" : "no term that may be handed on");
            return;
        }
    }
    reg args[256];
    for (uint32_t i = 0; i < arity; i++) {
        reg r = v->s.x[i];
        args[i] = reg_kind(r) == REG_FRESH_TUPLE ? reg_make(REG_TUPLE, reg_number(r)) : r;
    }
    merge_args(f, args);
}

/* ---- the layout of the code ---- */

static bool bad_layout(struct validator *v, uint32_t insn, const char *what)
{
    v->insn = &v->code->insns[insn];
    return vfail(v, "%s", what);
}

/* Functions: [label, line]..., func_info, entry label, code up to where the next one starts. */
static bool find_functions(struct validator *v)
{
    const struct gen_code *c = v->code;
    size_t n_args = 0;
    for (uint32_t i = 0; i < c->n_functions; i++) {
        struct vfunction *f = &v->functions[i];
        uint32_t info = c->function_insn[i];
        uint32_t start = info;
        uint32_t floor = i == 0 ? 0 : c->function_insn[i - 1] + 1;
        while (start > floor
            && (c->insns[start - 1].op == OP_label || c->insns[start - 1].op == OP_line
                || c->insns[start - 1].op == OP_executable_line || c->insns[start - 1].op == OP_debug_line)) {
            start--;
        }
        if (info + 1 >= c->n_insns || c->insns[info + 1].op != OP_label) {
            return bad_layout(v, info, "no label behind it");
        }
        if (!term_same(gen_arg(c, &c->insns[info], 0)->constant, c->module)) {
            return bad_layout(v, info, "a function of another module");
        }
        *f = (struct vfunction) {
            .start = start, .entry = info + 1,
            .label = (uint32_t) gen_arg(c, &c->insns[info + 1], 0)->value,
            .arity = (uint32_t) gen_arg(c, &c->insns[info], 2)->value,
        };
        v->label_function[f->label] = i + 1;
        n_args += f->arity;
        if (i > 0) {
            v->functions[i - 1].end = start;
            /* The label right behind a func_info belongs to that function, not to the next. */
            if (start <= v->functions[i - 1].entry) {
                return bad_layout(v, info, "a function without code before it");
            }
        } else if (start != 0) {
            return bad_layout(v, 0, "code outside of functions");
        }
    }
    if (c->n_functions > 0) {
        v->functions[c->n_functions - 1].end = (uint32_t) c->n_insns - 1; /* int_code_end */
    } else if (c->n_insns != 1) {
        return bad_layout(v, 0, "code outside of functions");
    }
    v->args = vm_try_alloc((n_args + 1) * sizeof(reg));
    if (v->args == NULL) {
        return bad_layout(v, 0, "no memory");
    }
    reg *args = v->args;
    for (uint32_t i = 0; i < c->n_functions; i++) {
        v->functions[i].args = args;
        args += v->functions[i].arity;
    }
    return true;
}

static struct vfunction *function_at(struct validator *v, uint32_t label)
{
    uint32_t i = v->label_function[label];
    return i == 0 ? NULL : &v->functions[i - 1];
}

/* May be called from anywhere with any terms. */
static void open_to_all(struct vfunction *f)
{
    reg any[256];
    for (uint32_t i = 0; i < f->arity; i++) {
        any[i] = reg_make(REG_TERM, 0);
    }
    merge_args(f, any);
}

static bool check_tables(struct validator *v)
{
    struct beam_file *file = v->file;
    const struct gen_code *c = v->code;
    char *error = file->error;
    for (int pass = 0; pass < 2; pass++) {
        const struct beam_export *table = pass == 0 ? file->exports : file->locals;
        size_t n = pass == 0 ? file->n_exports : file->n_locals;
        for (size_t i = 0; i < n; i++) {
            struct vfunction *f = function_at(v, table[i].label);
            if (f == NULL || f->arity != table[i].arity
                || !term_same(gen_arg(c, &c->insns[f->entry - 1], 1)->constant, table[i].function)) {
                snprintf(error, sizeof(file->error), "%s chunk, offset %zu: label %u is not that of %.100s/%u",
                    pass == 0 ? "ExpT" : "LocT", 4 + 12 * i, table[i].label, atom_cstr(table[i].function), table[i].arity);
                return false;
            }
            if (pass == 0) {
                open_to_all(f);
            }
        }
    }
    for (size_t i = 0; i < file->n_lambdas; i++) {
        const struct beam_lambda *l = &file->lambdas[i];
        struct vfunction *f = function_at(v, l->label);
        if (f == NULL || f->arity != l->arity
            || !term_same(gen_arg(c, &c->insns[f->entry - 1], 1)->constant, l->function)) {
            snprintf(error, sizeof(file->error), "FunT chunk, offset %zu: label %u is not that of %.100s/%u", 4 + 24 * i,
                l->label, atom_cstr(l->function), l->arity);
            return false;
        }
        open_to_all(f);
    }
    return true;
}

/* ---- loops ----
 *
 * A process can be stopped where it calls or waits. A loop that does neither would hold a
 * scheduler for ever, so there must be none. The compiler writes none. */

static bool gives_way(unsigned op)
{
    switch (op) {
    case OP_call:
    case OP_call_ext:
    case OP_call_fun:
    case OP_call_fun2:
    case OP_apply:
    case OP_wait:
    case OP_wait_timeout:
    case OP_loop_rec_end:
        return true;
    default:
        return false;
    }
}

static bool ends_block(unsigned op)
{
    switch (op) {
    case OP_jump:
    case OP_return:
    case OP_select_val:
    case OP_select_tuple_arity:
    case OP_call_only:
    case OP_call_last:
    case OP_call_ext_only:
    case OP_call_ext_last:
    case OP_apply_last:
    case OP_badmatch:
    case OP_case_end:
    case OP_if_end:
    case OP_try_case_end:
    case OP_badrecord:
    case OP_raise:
    case OP_func_info:
        return true;
    default:
        return false;
    }
}

/* Depth first over the blocks of the function, through edges not cut by gives_way(). Work is
 * kept as the instruction to go on with and the operand that comes next. */
static bool check_loops(struct validator *v)
{
    const struct gen_code *c = v->code;
    const struct vfunction *f = v->function;
    enum { NEW, OPEN, DONE };
    uint32_t n = f->end - f->start;
    uint8_t *colour = vm_try_alloc(n); /* by label instruction */
    struct frame { uint32_t label, insn, operand; } *stack = vm_try_alloc(n * sizeof(*stack));
    bool ok = colour != NULL && stack != NULL;
    if (!ok) {
        vfail(v, "no memory");
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        colour[i] = NEW;
    }
    for (uint32_t root = f->start; ok && root < f->end; root++) {
        if (c->insns[root].op != OP_label || colour[root - f->start] != NEW) {
            continue;
        }
        size_t depth = 0;
        colour[root - f->start] = OPEN;
        stack[depth++] = (struct frame) { root, root + 1, 0 };
        while (ok && depth > 0) {
            struct frame *top = &stack[depth - 1];
            uint32_t next = UINT32_MAX;
            if (top->insn >= f->end) {
                colour[top->label - f->start] = DONE;
                depth--;
                continue;
            }
            const struct gen_insn *insn = &c->insns[top->insn];
            if (insn->op == OP_label) {
                next = top->insn;
                top->insn = f->end;
            } else if (gives_way(insn->op)) {
                top->insn = f->end;
                continue;
            } else if (top->operand < insn->n_operands) {
                const struct gen_operand *o = gen_arg(c, insn, top->operand++);
                if (o->kind == GEN_LABEL && o->value != 0 && insn->op != OP_call_only && insn->op != OP_call_last) {
                    next = c->label_insn[o->value];
                }
            } else {
                top->insn = ends_block(insn->op) ? f->end : top->insn + 1;
                top->operand = 0;
            }
            if (next == UINT32_MAX || next < f->start || next >= f->end || colour[next - f->start] == DONE) {
                continue;
            }
            if (colour[next - f->start] == OPEN) {
                v->insn = &v->code->insns[next];
                ok = vfail(v, "a loop that neither calls nor waits");
                break;
            }
            colour[next - f->start] = OPEN;
            stack[depth++] = (struct frame) { next, next + 1, 0 };
        }
    }
    vm_free(colour);
    vm_free(stack);
    return ok;
}

/* ---- the work ---- */

static void enter_function(struct validator *v, struct vfunction *f)
{
    struct vstate *s = &v->s;
    memset(s->x, 0, s->n_x * sizeof(reg));
    s->n_x = s->n_y = s->n_f = s->heap_words = s->n_tags = 0;
    s->frame = FRAME_NONE;
    s->building = false;
    v->function = f;
    v->insn = &v->code->insns[f->entry];
    v->at = f->entry;
    v->lowest_dirty = f->entry;
    v->backward = false;
    f->dirty = false;
    if (v->label_states[f->label] == NULL) {
        arrive(v, f->label, f->args, f->arity, 0, 0);
    } else {
        memcpy(s->x, f->args, f->arity * sizeof(reg));
        s->n_x = f->arity;
        arrive(v, f->label, s->x, s->n_x, 0, 0);
    }
}

/* The compiler may know that an instruction never succeeds and let it run into the handler of a try. */
static bool stops_before_try(struct validator *v)
{
    if (v->insn[1].op != OP_try_case || v->previous == NULL || v->previous->op == OP_label) {
        return false;
    }
    v->previous->flags |= GEN_NO_RETURN;
    return true;
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

static bool run_function(struct validator *v, struct vfunction *f)
{
    struct gen_code *c = v->code;
    enter_function(v, f);
    while (v->n_dirty > 0 && !v->failed) {
        uint32_t i = v->lowest_dirty;
        v->lowest_dirty = UINT32_MAX;
        v->reachable = false;
        for (; i < f->end && !v->failed && (v->reachable || v->n_dirty > 0); i++) {
            v->insn = &c->insns[i];
            v->at = i;
            v->previous = v->reachable ? &c->insns[i - 1] : NULL;
            if (v->insn->op == OP_label) {
                uint32_t label = (uint32_t) gen_arg(c, v->insn, 0)->value;
                if (v->reachable && !stops_before_try(v)) {
                    arrive(v, label, v->s.x, v->s.n_x, float_prefix(&v->s), v->s.heap_words);
                }
                v->reachable = v->label_dirty[label];
                if (v->reachable) {
                    v->label_dirty[label] = false;
                    v->n_dirty--;
                    load_label(v, label);
                }
            } else if (v->reachable) {
                if (++v->steps > STEPS_PER_INSN * c->n_insns + STEPS_SPARE) {
                    vfail(v, "the code is too complex to be checked");
                    break;
                }
                vstep(v);
            }
        }
        if (v->reachable && !v->failed) {
            vfail(v, "the function ends without a return, jump or call");
        }
        for (uint32_t k = f->start; v->lowest_dirty == UINT32_MAX && v->n_dirty > 0 && k < f->end; k++) {
            if (c->insns[k].op == OP_label && v->label_dirty[gen_arg(c, &c->insns[k], 0)->value]) {
                v->lowest_dirty = k;
            }
        }
    }
    return !v->failed && (!v->backward || check_loops(v));
}

static bool run_all(struct validator *v)
{
    uint32_t n = v->code->n_functions;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < n; i++) {
            if (v->functions[i].dirty) {
                again = true;
                if (!run_function(v, &v->functions[i])) {
                    return false;
                }
            }
        }
        /* What nobody calls is checked like what everybody may call. */
        for (uint32_t i = 0; !again && i < n; i++) {
            if (!v->functions[i].reached) {
                open_to_all(&v->functions[i]);
                again = true;
            }
        }
    }
    return true;
}

bool gen_validate(struct gen_code *code)
{
    struct validator *v = vm_zalloc(sizeof(*v));
    size_t n_labels = (size_t) code->n_labels + 1;
    v->code = code;
    v->file = code->file;
    v->insn = code->insns;
    v->functions = vm_try_alloc(((size_t) code->n_functions + 1) * sizeof(*v->functions));
    v->label_function = vm_try_alloc(n_labels * sizeof(*v->label_function));
    v->label_states = vm_try_alloc(n_labels * sizeof(*v->label_states));
    v->label_dirty = vm_try_alloc(n_labels);
    bool ok = v->functions != NULL && v->label_function != NULL && v->label_states != NULL && v->label_dirty != NULL;
    if (ok) {
        memset(v->label_function, 0, n_labels * sizeof(*v->label_function));
        memset(v->label_states, 0, n_labels * sizeof(*v->label_states));
        memset(v->label_dirty, 0, n_labels);
        ok = find_functions(v) && check_tables(v) && run_all(v);
    } else {
        vfail(v, "no memory");
    }
    for (size_t i = 0; v->label_states != NULL && i < n_labels; i++) {
        vm_free(v->label_states[i]);
    }
    vm_free(v->functions);
    vm_free(v->label_function);
    vm_free(v->label_states);
    vm_free(v->label_dirty);
    vm_free(v->args);
    vm_free(v);
    return ok;
}
