/* What the instructions of the bit syntax need and leave. */
#include "vm/code/gen_validate.h"
#include "vm/core/atom.h"

/* ---- matching ---- */

static reg use_context(struct validator *v, const struct gen_operand *o)
{
    reg r = vuse_any(v, o);
    if (!v->failed && reg_kind(r) != REG_MATCH) {
        vfail(v, "%s%d is not known to hold a match context", o->kind == GEN_X ? "x" : "y",
            (int) o->value);
    }
    return r;
}

static void check_unit(struct validator *v, const struct gen_operand *unit)
{
    if (unit->value < 1 || unit->value > 256) {
        vfail(v, "unit %lld", (long long) unit->value);
    }
}

/* A part of the string table, in bits. */
static void check_string(struct validator *v, int64_t n_bits, int64_t offset)
{
    if (offset < 0 || n_bits < 0 || n_bits > UINT32_MAX || (uint64_t) offset > v->file->n_strings
        || (uint64_t) n_bits > 8 * (v->file->n_strings - (uint64_t) offset)) {
        vfail(v, "%lld bits at %lld of the string table of %zu bytes", (long long) n_bits,
            (long long) offset, v->file->n_strings);
    }
}

/* A jump where the source, if it may be either, is known to be no match context. */
static void start_match(struct validator *v, const struct gen_operand *fail_label,
    const struct gen_operand *source, const struct gen_operand *live, const struct gen_operand *to)
{
    reg r = vuse_any(v, source);
    vcollect(v, live);
    if (v->failed) {
        return;
    }
    if (fail_label->kind == GEN_LABEL) {
        reg *at = source->kind == GEN_X   ? &v->s.x[source->value]
                  : source->kind == GEN_Y ? &v->s.y[source->value]
                                          : NULL;
        bool either = at != NULL && reg_kind(*at) == REG_TERM_OR_MATCH;
        if (either) {
            *at = reg_make(REG_TERM, 0) | (*at & REG_FRAGILE);
        }
        if (reg_kind(r) != REG_MATCH) { /* a match context never fails */
            vjump(v, fail_label);
        }
        if (either) {
            *at = r;
        }
    } else {
        vtrusted(v, reg_kind(r) == REG_MATCH); /* no_fail: a bitstring; resume: a match context */
    }
    vdef(v, to, reg_make(REG_MATCH, 0) | (r & REG_FRAGILE));
}

/* get_integer2, get_float2, get_binary2: fail, context, live, size, unit, flags, to. */
static void get_value(struct validator *v, reg result)
{
    reg ctx = use_context(v, varg(v, 1));
    vuse(v, varg(v, 3));
    check_unit(v, varg(v, 4));
    vcollect(v, varg(v, 2));
    vjump(v, varg(v, 0));
    vdef(v, varg(v, 6), result | (ctx & REG_FRAGILE));
}

static void get_utf(struct validator *v)
{
    reg ctx = use_context(v, varg(v, 1));
    vcollect(v, varg(v, 2));
    vjump(v, varg(v, 0));
    vdef(v, varg(v, 4), reg_make(REG_TERM, 0) | (ctx & REG_FRAGILE));
}

static const struct gen_operand *next_command(
    struct validator *v, const struct gen_operand **at, int64_t *left, int64_t n)
{
    if (*left < n) {
        vfail(v, "command cut off");
        return NULL;
    }
    const struct gen_operand *o = *at;
    *at += n;
    *left -= n;
    return o;
}

/* A number, tagged or not. -1 if it is none. */
static int64_t number_of(const struct gen_operand *o)
{
    if (o->kind == GEN_U) {
        return o->value;
    }
    if (o->kind == GEN_CONST && term_is_small(o->constant)) {
        return term_to_small(o->constant);
    }
    return -1;
}

static void want_number(struct validator *v, const struct gen_operand *o, int64_t min, int64_t max)
{
    int64_t n = number_of(o);
    if (n < min || n > max) {
        vfail(v, "number out of range in a command");
    }
}

static void want_register(struct validator *v, const struct gen_operand *o)
{
    if (o->kind != GEN_X && o->kind != GEN_Y) {
        vfail(v, "register expected in a command");
    }
}

static void collect_command(struct validator *v, const struct gen_operand *live)
{
    if (live->kind == GEN_U) {
        vcollect(v, live);
    } else {
        vfail(v, "number of live registers expected in a command");
    }
}

/* bs_match of OTP 26: fail, context, commands in a row. */
static void match(struct validator *v)
{
    reg ctx = use_context(v, varg(v, 1));
    reg fragile = ctx & REG_FRAGILE;
    const struct gen_operand *at = varg(v, 2) + 1;
    int64_t left = varg(v, 2)->value;
    while (left > 0 && !v->failed) {
        const struct gen_operand *name = next_command(v, &at, &left, 1);
        term command = name->kind == GEN_CONST ? name->constant : TERM_NONE;
        const struct gen_operand *o;
        if (term_same(command, ATOM(ensure_at_least))) {
            if ((o = next_command(v, &at, &left, 2)) != NULL) {
                want_number(v, &o[0], 0, UINT32_MAX);
                want_number(v, &o[1], 1, 256);
            }
        } else if (term_same(command, ATOM(ensure_exactly)) || term_same(command, ATOM(skip))) {
            if ((o = next_command(v, &at, &left, 1)) != NULL) {
                want_number(v, &o[0], 0, UINT32_MAX);
            }
        } else if (term_same(command, ATOM(integer)) || term_same(command, ATOM(binary))) {
            if ((o = next_command(v, &at, &left, 5)) != NULL) { /* live, flags, size, unit, to */
                want_number(v, &o[2], 0, UINT32_MAX);
                want_number(v, &o[3], 1, 256);
                want_register(v, &o[4]);
                collect_command(v, &o[0]);
                vjump(v, varg(v, 0));
                if (!v->failed) {
                    vdef(v, &o[4], reg_make(REG_TERM, 0) | fragile);
                }
            }
        } else if (term_same(command, ATOM(get_tail))) {
            if ((o = next_command(v, &at, &left, 3)) != NULL) { /* live, unit, to */
                want_number(v, &o[1], 1, 256);
                want_register(v, &o[2]);
                collect_command(v, &o[0]);
                vjump(v, varg(v, 0));
                if (!v->failed) {
                    vdef(v, &o[2], reg_make(REG_TERM, 0) | fragile);
                }
            }
        } else if (term_same(command, ATOM(op_eq_exact))) {
            if ((o = next_command(v, &at, &left, 3)) != NULL) { /* live or [], bits, value */
                want_number(v, &o[1], 0, 64);
                want_number(v, &o[2], INT64_MIN, INT64_MAX);
            }
        } else {
            vfail(v, "unknown command");
        }
        vjump(v, varg(v, 0));
        if (left > 0 && !v->failed && reg_kind(vuse_any(v, varg(v, 1))) != REG_MATCH) {
            vfail(v, "the match context is gone before the last command");
        }
    }
}

/* ---- construction ---- */

static void begin_binary(
    struct validator *v, const struct gen_operand *fail_label, const struct gen_operand *to)
{
    vfail_or_raise(v, fail_label);
    vdef(v, to, reg_make(REG_TERM, 0));
    v->s.building = true;
}

static void put_value(struct validator *v, const struct gen_operand *fail_label)
{
    if (!v->s.building) {
        vfail(v, "no binary has been begun");
    }
    vfail_or_raise(v, fail_label);
}

/* bs_create_bin: fail, words, live, unit, to, segments: type, number, unit, flags, value, size. */
static void create(struct validator *v)
{
    const struct gen_operand *list = varg(v, 5);
    if (list->value == 0) {
        vfail(v, "no segments");
    }
    for (int64_t i = 1; i <= list->value && !v->failed; i += 6) {
        const struct gen_operand *seg = &list[i];
        term type = seg[0].constant;
        bool first = i == 1;
        if (term_same(type, ATOM(string))) {
            int64_t offset = number_of(&seg[4]), bytes = number_of(&seg[5]);
            check_string(v, bytes < 0 || bytes > UINT32_MAX / 8 ? -1 : 8 * bytes, offset);
            continue;
        }
        bool known =
            term_same(type, ATOM(integer)) || term_same(type, ATOM(float))
            || term_same(type, ATOM(binary)) || term_same(type, ATOM(utf8))
            || term_same(type, ATOM(utf16)) || term_same(type, ATOM(utf32))
            || (first && (term_same(type, ATOM(append)) || term_same(type, ATOM(private_append))));
        if (!known) {
            vfail(v, "segment %lld of type %.40s", (long long) (i / 6 + 1), atom_cstr(type));
        }
        if (seg[4].kind == GEN_U) {
            vfail(v, "segment %lld has no value", (long long) (i / 6 + 1));
            return;
        }
        if (seg[2].value > 256) {
            vfail(v, "unit %lld", (long long) seg[2].value);
        }
        vuse(v, &seg[4]);
        vuse(v, &seg[5]);
    }
    vcollect(v, varg(v, 2));
    vfail_or_raise(v, varg(v, 0));
    vdef(v, varg(v, 4), reg_make(REG_TERM, 0));
    vreserve(v, varg(v, 1));
}

/* ---- all of them, by kind ---- */

static bool step_match(struct validator *v)
{
    switch (v->insn->op) {
    case OP_bs_start_match3:
        start_match(v, varg(v, 0), varg(v, 1), varg(v, 2), varg(v, 3));
        break;
    case OP_bs_start_match4:
        start_match(v, varg(v, 0), varg(v, 2), varg(v, 1), varg(v, 3));
        break;
    case OP_bs_get_integer2:
    case OP_bs_get_binary2:
        get_value(v, reg_make(REG_TERM, 0));
        break;
    case OP_bs_get_float2:
        get_value(v, reg_make(REG_FLOAT, 0));
        break;
    case OP_bs_skip_bits2:
        use_context(v, varg(v, 1));
        vuse(v, varg(v, 2));
        check_unit(v, varg(v, 3));
        vjump(v, varg(v, 0));
        break;
    case OP_bs_test_tail2:
        use_context(v, varg(v, 1));
        vjump(v, varg(v, 0));
        break;
    case OP_bs_test_unit:
        use_context(v, varg(v, 1));
        check_unit(v, varg(v, 2));
        vjump(v, varg(v, 0));
        break;
    case OP_bs_match_string:
        use_context(v, varg(v, 1));
        check_string(v, varg(v, 2)->value, varg(v, 3)->value);
        vjump(v, varg(v, 0));
        break;
    case OP_bs_get_utf8:
    case OP_bs_get_utf16:
    case OP_bs_get_utf32:
        get_utf(v);
        break;
    case OP_bs_skip_utf8:
    case OP_bs_skip_utf16:
    case OP_bs_skip_utf32:
        use_context(v, varg(v, 1));
        vjump(v, varg(v, 0));
        break;
    case OP_bs_get_tail:
    case OP_bs_get_position: {
        reg ctx = use_context(v, varg(v, 0));
        vcollect(v, varg(v, 2));
        vdef(v, varg(v, 1), reg_make(REG_TERM, 0) | (ctx & REG_FRAGILE));
        break;
    }
    case OP_bs_set_position:
        use_context(v, varg(v, 0));
        vuse(v, varg(v, 1));
        break;
    case OP_bs_match:
        match(v);
        break;
    default:
        return false;
    }
    return true;
}

static bool step_begin(struct validator *v)
{
    switch (v->insn->op) {
    case OP_bs_create_bin:
        create(v);
        break;
    case OP_bs_init2:
    case OP_bs_init_bits:
        vuse(v, varg(v, 1));
        vcollect(v, varg(v, 3));
        begin_binary(v, varg(v, 0), varg(v, 5));
        vreserve(v, varg(v, 2));
        break;
    case OP_bs_append:
        vuse(v, varg(v, 1));
        vuse(v, varg(v, 5));
        check_unit(v, varg(v, 4));
        vcollect(v, varg(v, 3));
        begin_binary(v, varg(v, 0), varg(v, 7));
        vreserve(v, varg(v, 2));
        break;
    case OP_bs_private_append:
        vuse(v, varg(v, 1));
        vuse(v, varg(v, 3));
        check_unit(v, varg(v, 2));
        v->s.heap_words = 0;
        begin_binary(v, varg(v, 0), varg(v, 5));
        break;
    case OP_bs_init_writable:
        vuse_x(v, 1);
        vcollect_n(v, 0);
        vdef(v, &(struct gen_operand) { .kind = GEN_X }, reg_make(REG_TERM, 0));
        break;
    default:
        return false;
    }
    return true;
}

static bool step_put(struct validator *v)
{
    switch (v->insn->op) {
    case OP_bs_put_integer:
    case OP_bs_put_float:
    case OP_bs_put_binary:
        vuse(v, varg(v, 1));
        vuse(v, varg(v, 4));
        check_unit(v, varg(v, 2));
        put_value(v, varg(v, 0));
        break;
    case OP_bs_put_utf8:
    case OP_bs_put_utf16:
    case OP_bs_put_utf32:
        vuse(v, varg(v, 2));
        put_value(v, varg(v, 0));
        break;
    case OP_bs_put_string:
        check_string(v, varg(v, 0)->value * 8, varg(v, 1)->value);
        if (!v->s.building) {
            vfail(v, "no binary has been begun");
        }
        break;
    case OP_bs_utf8_size:
    case OP_bs_utf16_size:
        vuse(v, varg(v, 1));
        vfail_or_raise(v, varg(v, 0));
        vdef(v, varg(v, 2), reg_make(REG_TERM, 0));
        break;
    case OP_bs_add:
        vuse(v, varg(v, 1));
        vuse(v, varg(v, 2));
        check_unit(v, varg(v, 3));
        vfail_or_raise(v, varg(v, 0));
        vdef(v, varg(v, 4), reg_make(REG_TERM, 0));
        break;
    default:
        return false;
    }
    return true;
}

bool vstep_bits(struct validator *v)
{
    return step_match(v) || step_begin(v) || step_put(v);
}
