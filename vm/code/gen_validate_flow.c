/* Frames, calls, catches, exceptions, messages: where code goes. */
#include <string.h>

#include "vm/code/gen_validate.h"
#include "vm/core/atom.h"
#include "vm/core/fun.h"

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
        vfail(v,
            v->s.frame == FRAME_NONE ? "there is no frame" : "frames of different sizes meet here");
    }
}

static void make_frame(
    struct validator *v, const struct gen_operand *slots, const struct gen_operand *live, bool nil)
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
    if (vframe_is_fragile(v)) {
        vpin(v); /* what is called may take the message */
    }
    vcollect_n(v, 0);
    vdef_x0(v);
    v->s.n_f = 0;
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
    return (term_same(e->function, ATOM(exit)) || term_same(e->function, ATOM(throw)))
           && e->arity == 1;
}

static void call_import(struct validator *v)
{
    int64_t arity = varg(v, 0)->value;
    const struct export *e = vimport(v, varg(v, 1), arity);
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
    if (term_same(e->module, ATOM(erlang)) && term_same(e->function, ATOM(setelement))
        && e->arity == 3 && reg_kind(v->s.x[0]) == REG_SMALL) {
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
    reg *r = vslot(v, y);
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
    reg *r = vslot(v, y);
    if (r == NULL) {
        return;
    }
    if (reg_kind(*r) != kind) {
        vfail(v, "y%d does not hold the %s it needs", (int) y->value,
            kind == REG_TRY_TAG ? "try" : "catch");
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
    vdrop_x(v, 0);
    vdef_x0(v);
    v->s.heap_words = 0;
}

static void try_case(struct validator *v)
{
    clear_tag(v, REG_TRY_TAG);
    if (reg_kind(v->s.x[0]) != REG_CAUGHT_TRY) {
        vfail(v, "reached without an exception");
    }
    vdrop_x(v, 0);
    for (uint32_t i = 0; i < 3; i++) {
        struct gen_operand x = vx(i);
        vdef(v, &x, reg_make(REG_TERM, 0));
    }
    v->s.heap_words = 0;
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

/* ---- messages ---- */

/* The timer of the receive is done with. */
static void timer_is_off(struct validator *v)
{
    for (uint32_t i = 0; i < v->s.n_x; i++) {
        if (reg_kind(v->s.x[i]) == REG_TIMEOUT) {
            v->s.x[i] = REG_UNDEF;
        }
    }
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
    vdrop_x(v, 0);
}

/* The time of a receive is named again where it waits. */
static void wait_for_next(struct validator *v)
{
    reg kept[GEN_MAX_TIMEOUTS];
    vdrop_fragile(v);
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
}

static void ends(struct validator *v)
{
    vraise(v);
    v->reachable = false;
}

/* ---- all of them, by kind ---- */

static bool step_call(struct validator *v)
{
    switch (v->insn->op) {
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
        struct gen_operand fun = vx(varg(v, 0)->value > 255 ? 0 : (uint32_t) varg(v, 0)->value);
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
    default:
        return false;
    }
    return true;
}

static bool step_frame(struct validator *v)
{
    switch (v->insn->op) {
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
    default:
        return false;
    }
    return true;
}

static bool step_message(struct validator *v)
{
    switch (v->insn->op) {
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
        vmessage_is_ours(v);
        timer_is_off(v);
        break;
    case OP_timeout:
        vdrop_fragile(v);
        timer_is_off(v);
        break;
    case OP_loop_rec_end:
    case OP_wait:
        wait_for_next(v);
        break;
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
    default:
        return false;
    }
    return true;
}

static bool step_exception(struct validator *v)
{
    switch (v->insn->op) {
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
        vdrop_x(v, 0);
        vdef_x0(v);
        v->s.heap_words = 0;
        break;
    case OP_build_stacktrace:
        vuse_x(v, 1);
        vdrop_x(v, 1);
        vdef_x0(v);
        v->s.heap_words = 0;
        break;
    default:
        return false;
    }
    return true;
}

bool vstep_flow(struct validator *v)
{
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
        for (uint32_t i = 0; i < v->function->arity; i++) {
            struct gen_operand o = vx(i);
            vuse_any(v, &o); /* match contexts become binaries in the exception */
        }
        v->reachable = false;
        break;
    case OP_jump:
        vjump_always(v, varg(v, 0));
        break;
    default:
        return step_call(v) || step_frame(v) || step_message(v) || step_exception(v);
    }
    return true;
}
