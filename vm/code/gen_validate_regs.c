/* The registers and the heap of the abstract machine: what may be looked at, kept and overwritten. */
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
        return n >= 0 && n <= REG_NUMBER_MAX ? reg_make(REG_SMALL, (uint32_t) n)
                                             : reg_make(REG_TERM, 0);
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
reg *vslot(struct validator *v, const struct gen_operand *o)
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
    const reg *r = vslot(v, o);
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
    reg *to = vslot(v, o);
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
    reg *to = o->kind == GEN_CONST || v->failed ? NULL : vslot(v, o);
    if (to == NULL || !reg_is_term(*to)) {
        return;
    }
    if (reg_kind(r) == REG_TUPLE
        && (reg_kind(*to) == REG_TUPLE || reg_kind(*to) == REG_FRESH_TUPLE)) {
        if (reg_number(r) > reg_number(*to)) {
            *to = reg_make(reg_kind(*to), reg_number(r)) | (*to & REG_FRAGILE);
        }
        return;
    }
    if (reg_kind(r) != REG_TERM && !(reg_kind(r) == REG_LIST && reg_kind(*to) == REG_CONS)) {
        *to = r | (*to & REG_FRAGILE);
    }
}

void vdef_x0(struct validator *v)
{
    struct gen_operand x0 = vx(0);
    vdef(v, &x0, reg_make(REG_TERM, 0));
}

/* ---- memory ---- */

void vdrop_x(struct validator *v, uint32_t from)
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
        struct gen_operand o = vx(i);
        vuse_any(v, &o);
        age(&s->x[i]);
    }
    vdrop_x(v, live);
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

void vmessage_is_ours(struct validator *v)
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
    vmessage_is_ours(v);
}

bool vframe_is_fragile(const struct validator *v)
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
    if (vframe_is_fragile(v)) {
        vpin(v);
    }
    for (uint32_t i = 0; i < v->s.n_x; i++) {
        if ((v->s.x[i] & REG_FRAGILE) != 0) {
            v->s.x[i] = REG_UNDEF;
        }
    }
}

const struct export *vimport(struct validator *v, const struct gen_operand *o, int64_t arity)
{
    const struct export *e = v->file->imports[o->value];
    if (e->arity != arity) {
        vfail(v, "%lld arguments for %.60s:%.60s/%u", (long long) arity, atom_cstr(e->module),
            atom_cstr(e->function), e->arity);
    }
    return e;
}
