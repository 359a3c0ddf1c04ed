/* emit_bits.c - bit syntax: matching and construction. Words: see ops_bits.c and ops_build.c. */
#include "vm/emu/emit.h"

#include "vm/core/bits.h"

static uint64_t number_of(const struct gen_operand *o)
{
    return o->kind == GEN_CONST && term_is_small(o->constant) ? (uint64_t) term_to_small(o->constant)
                                                              : (uint64_t) o->value;
}

/* Native order is settled here. */
static unsigned settle(unsigned flags)
{
    return (flags & BITS_NATIVE) ? (flags & ~(unsigned) BITS_NATIVE)
            | (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? BITS_LITTLE : 0u)
                                 : flags;
}
/* The flags of genop's field_flags. */
static unsigned flags_of(const struct gen_operand *o)
{
    enum { GENOP_LITTLE = 2, GENOP_SIGNED = 4, GENOP_NATIVE = 16 };
    unsigned f = (unsigned) o->value;
    return settle(((f & GENOP_LITTLE) ? BITS_LITTLE : 0u) | ((f & GENOP_SIGNED) ? BITS_SIGNED : 0u)
        | ((f & GENOP_NATIVE) ? BITS_NATIVE : 0u));
}
/* [] or a list of atoms, as bs_create_bin and bs_match have them. */
static unsigned flags_of_list(const struct gen_operand *o)
{
    unsigned flags = 0;
    if (o->kind != GEN_CONST) {
        return 0;
    }
    for (term t = o->constant; term_is_cons(t); t = term_tail(t)) {
        term f = term_head(t);
        flags |= term_same(f, ATOM(little)) ? BITS_LITTLE : 0u;
        flags |= term_same(f, ATOM(signed)) ? BITS_SIGNED : 0u;
        flags |= term_same(f, ATOM(native)) ? BITS_NATIVE : 0u;
    }
    return settle(flags);
}

static void check_context(struct emitter *e, const struct gen_insn *i, const struct gen_operand *context)
{
    if (i->flags & GEN_UNPROVEN) {
        uint64_t reg = emit_reg(e, context);
        emit_op(e, I_check_context, reg, 0, 0);
    }
}

/* ---- matching ---- */

static void emit_get_integer(struct emitter *e, uint64_t context, uint32_t fail, const struct gen_operand *size,
    uint64_t unit, unsigned flags, uint64_t to)
{
    if (operand_is_small(size) || size->kind == GEN_U) {
        uint64_t n = number_of(size);
        if (n <= UINT32_MAX && unit <= 256 && n * unit <= UINT32_MAX) {
            bool is_byte = n * unit == 8 && !(flags & BITS_SIGNED);
            emit_op_label(e, is_byte ? I_bs_get_int8 : I_bs_get_int_fixed, context, fail);
            emit_word(e, bs_word(to, flags, n * unit));
            return;
        }
    }
    emit_op_label(e, I_bs_get_integer, context, fail);
    emit_word(e, bs_word(to, flags, unit));
    emit_source(e, size);
}

static void emit_get_binary(struct emitter *e, uint64_t context, uint32_t fail, const struct gen_operand *size,
    uint64_t unit, uint64_t to)
{
    if (operand_is_const(size) && term_same(size->constant, ATOM(all))) {
        emit_op_label(e, I_bs_get_binary_all, context, fail);
        emit_word(e, bs_word(to, 0, unit));
        return;
    }
    emit_op_label(e, I_bs_get_binary, context, fail);
    emit_word(e, bs_word(to, 0, unit));
    if (size->kind == GEN_U) {
        emit_word(e, term_from_small((intptr_t) size->value).word);
    } else {
        emit_source(e, size);
    }
}

/* Bits of a segment of fixed size that fits a small; 0: another kind. */
static uint64_t fixed_bits(const struct emitter *e, const struct gen_insn *i)
{
    const struct gen_operand *size = emit_arg(e, i, 3);
    uint64_t unit = (uint64_t) emit_arg(e, i, 4)->value;
    if (i->op != OP_bs_get_integer2 || (i->flags & GEN_UNPROVEN) || !(operand_is_small(size) || size->kind == GEN_U)
        || number_of(size) > 56 || unit > 56) {
        return 0;
    }
    uint64_t n = number_of(size) * unit;
    return n > 56 || ((flags_of(emit_arg(e, i, 5)) & BITS_LITTLE) && n % 8 != 0) ? 0 : n;
}

/* In front of several integers of fixed size that fail to the same place: one instruction that takes
 * all at once when it can, and leaves it to them when not. */
static void emit_get_ints(struct emitter *e, const struct gen_insn *i)
{
    enum { MOST = 8 };
    if (e->at < e->ints_end) {
        return; /* taken care of in front of the first */
    }
    const struct gen_operand *context = emit_arg(e, i, 1);
    const struct gen_insn *k = i;
    uint64_t total = 0, n, words[MOST];
    size_t count = 0;
    while (count < MOST && k != NULL && (n = fixed_bits(e, k)) != 0 && total + n <= 64
        && emit_label_of(emit_arg(e, k, 0)) == emit_label_of(emit_arg(e, i, 0))
        && operand_same_register(emit_arg(e, k, 1), context) && emit_arg(e, k, 6)->kind == GEN_X
        && !operand_same_register(emit_arg(e, k, 6), context)) {
        words[count++] = bs_word(emit_x(emit_arg(e, k, 6)), flags_of(emit_arg(e, k, 5)), 64 - n) | total << 24;
        total += n;
        k = emit_peek(e, count, OP_bs_get_integer2);
    }
    if (count < 2) {
        return;
    }
    e->ints_end = e->at + count;
    emit_op(e, I_bs_get_ints, emit_reg(e, context), count, total);
    for (size_t at = 0; at < count; at++) {
        emit_word(e, words[at]);
    }
}

static void emit_get(struct emitter *e, const struct gen_insn *i)
{
    check_context(e, i, emit_arg(e, i, 1));
    emit_get_ints(e, i);
    uint32_t fail = emit_label_of(emit_arg(e, i, 0));
    uint64_t context = emit_reg(e, emit_arg(e, i, 1)), to = emit_reg(e, emit_arg(e, i, 6));
    const struct gen_operand *size = emit_arg(e, i, 3);
    uint64_t unit = (uint64_t) emit_arg(e, i, 4)->value;
    unsigned flags = flags_of(emit_arg(e, i, 5));
    if (i->op == OP_bs_get_integer2) {
        emit_get_integer(e, context, fail, size, unit, flags, to);
    } else if (i->op == OP_bs_get_binary2) {
        emit_get_binary(e, context, fail, size, unit, to);
    } else {
        emit_op_label(e, I_bs_get_float, context, fail);
        emit_word(e, bs_word(to, flags, unit));
        emit_source(e, size);
    }
}

static void emit_skip(struct emitter *e, uint64_t context, uint32_t fail, const struct gen_operand *size, uint64_t unit)
{
    if (operand_is_small(size) || size->kind == GEN_U) {
        uint64_t n = number_of(size);
        if (n <= UINT32_MAX && unit <= 256) {
            emit_op_label(e, I_bs_skip_fixed, context, fail);
            emit_word(e, n * unit);
            return;
        }
    }
    emit_op_label(e, I_bs_skip, context, fail);
    emit_word(e, bs_word(0, 0, unit));
    emit_source(e, size);
}

static void emit_start_match(struct emitter *e, const struct gen_insn *i)
{
    bool is4 = i->op == OP_bs_start_match4;
    const struct gen_operand *s = emit_arg(e, i, is4 ? 2 : 1), *d = emit_arg(e, i, 3);
    uint64_t to = emit_reg(e, d);
    emit_op_label(e, I_bs_start_match, to, emit_label_of(emit_arg(e, i, 0)));
    emit_source(e, s);
}

static void emit_utf(struct emitter *e, const struct gen_insn *i)
{
    check_context(e, i, emit_arg(e, i, 1));
    uint32_t fail = emit_label_of(emit_arg(e, i, 0));
    uint64_t context = emit_reg(e, emit_arg(e, i, 1));
    unsigned flags = flags_of(emit_arg(e, i, 3));
    bool get = i->op == OP_bs_get_utf8 || i->op == OP_bs_get_utf16 || i->op == OP_bs_get_utf32;
    unsigned width = i->op == OP_bs_get_utf8 || i->op == OP_bs_skip_utf8 ? 8
        : i->op == OP_bs_get_utf16 || i->op == OP_bs_skip_utf16          ? 16
                                                                         : 32;
    uint64_t to = get ? emit_reg(e, emit_arg(e, i, 4)) : 0;
    emit_op_label(e, get ? I_bs_get_utf : I_bs_skip_utf, context, fail);
    emit_word(e, bs_word(to, flags, width));
}

/* Commands of OTP 26 and later: each becomes an instruction of its own with the same label. */
static bool emit_match_command(struct emitter *e, const struct gen_insn *i, size_t *k, size_t n)
{
    uint64_t context = emit_reg(e, emit_arg(e, i, 1));
    uint32_t fail = emit_label_of(emit_arg(e, i, 0));
    const struct gen_operand *c = emit_arg(e, i, 3 + *k);
    size_t left = n - *k;
    term name = c->kind == GEN_CONST ? c->constant : TERM_NONE;
    if (term_same(name, ATOM(ensure_at_least)) && left >= 3) {
        emit_op_label(e, I_bs_ensure_at_least, context, fail);
        emit_word(e, number_of(c + 1));
        emit_word(e, number_of(c + 2));
        *k += 3;
    } else if (term_same(name, ATOM(ensure_exactly)) && left >= 2) {
        emit_op_label(e, I_bs_ensure_exactly, context, fail);
        emit_word(e, number_of(c + 1));
        *k += 2;
    } else if (term_same(name, ATOM(binary)) && left >= 6) {
        emit_get_binary(e, context, fail, c + 3, number_of(c + 4), emit_reg(e, c + 5));
        *k += 6;
    } else if (term_same(name, ATOM(integer)) && left >= 6) {
        emit_get_integer(e, context, fail, c + 3, number_of(c + 4), flags_of_list(c + 2), emit_reg(e, c + 5));
        *k += 6;
    } else if (term_same(name, ATOM(skip)) && left >= 2) {
        emit_skip(e, context, fail, c + 1, 1);
        *k += 2;
    } else if (term_same(name, ATOM(get_tail)) && left >= 4) {
        emit_op(e, I_bs_get_tail, context, emit_reg(e, c + 3), 0);
        *k += 4;
    } else if (term_same(name, ATOM(op_eq_exact)) && left >= 4) {
        emit_op_label(e, I_bs_match_equal, context, fail);
        emit_word(e, number_of(c + 2));
        emit_source(e, c + 3);
        if (!operand_is_const(c + 3) && c[3].kind != GEN_U) {
            emit_fail(e, "bs_match compares with a register");
        }
        *k += 4;
    } else {
        return false;
    }
    return true;
}

static void emit_match(struct emitter *e, const struct gen_insn *i)
{
    size_t n = (size_t) emit_arg(e, i, 2)->value;
    check_context(e, i, emit_arg(e, i, 1));
    for (size_t k = 0; k < n;) {
        if (!emit_match_command(e, i, &k, n)) {
            emit_fail(e, "unknown command of bs_match");
            return;
        }
    }
}

static bool emit_match_small(struct emitter *e, const struct gen_insn *i)
{
    switch ((int) i->op) {
    case OP_bs_test_tail2: {
        check_context(e, i, emit_arg(e, i, 1));
        uint64_t n = (uint64_t) emit_arg(e, i, 2)->value, context = emit_reg(e, emit_arg(e, i, 1));
        emit_op_label(e, n == 0 ? I_bs_test_zero_tail : I_bs_test_tail, context, emit_label_of(emit_arg(e, i, 0)));
        if (n != 0) {
            emit_word(e, n);
        }
        return true;
    }
    case OP_bs_test_unit: {
        check_context(e, i, emit_arg(e, i, 1));
        uint64_t unit = (uint64_t) emit_arg(e, i, 2)->value, context = emit_reg(e, emit_arg(e, i, 1));
        bool is_power = (unit & (unit - 1)) == 0;
        emit_op_label(e, is_power ? I_bs_test_mask : I_bs_test_unit, context, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, is_power ? (unit == 0 ? 0 : unit - 1) : unit);
        return true;
    }
    case OP_bs_match_string: {
        check_context(e, i, emit_arg(e, i, 1));
        uint64_t bits = (uint64_t) emit_arg(e, i, 2)->value, offset = (uint64_t) emit_arg(e, i, 3)->value;
        if (offset > e->gen->file->n_strings || (bits + 7) / 8 > e->gen->file->n_strings - offset) {
            emit_fail(e, "outside the string table");
            return true;
        }
        emit_op_label(e, I_bs_match_string, emit_reg(e, emit_arg(e, i, 1)), emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, bits);
        emit_word(e, (uintptr_t) (e->image->strings + offset));
        return true;
    }
    case OP_bs_get_tail:
    case OP_bs_get_position:
        check_context(e, i, emit_arg(e, i, 0));
        emit_op(e, i->op == OP_bs_get_tail ? I_bs_get_tail : I_bs_get_position, emit_reg(e, emit_arg(e, i, 0)),
            emit_reg(e, emit_arg(e, i, 1)), 0);
        return true;
    case OP_bs_set_position:
        check_context(e, i, emit_arg(e, i, 0));
        emit_op(e, I_bs_set_position, emit_reg(e, emit_arg(e, i, 0)), 0, 0);
        emit_source(e, emit_arg(e, i, 1));
        return true;
    default:
        return false;
    }
}

bool emit_bits(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    (void) used;
    switch ((int) i->op) {
    case OP_bs_start_match3:
    case OP_bs_start_match4: emit_start_match(e, i); return true;
    case OP_bs_get_integer2:
    case OP_bs_get_float2:
    case OP_bs_get_binary2: emit_get(e, i); return true;
    case OP_bs_skip_bits2:
        check_context(e, i, emit_arg(e, i, 1));
        emit_skip(e, emit_reg(e, emit_arg(e, i, 1)), emit_label_of(emit_arg(e, i, 0)), emit_arg(e, i, 2),
            (uint64_t) emit_arg(e, i, 3)->value);
        return true;
    case OP_bs_get_utf8:
    case OP_bs_get_utf16:
    case OP_bs_get_utf32:
    case OP_bs_skip_utf8:
    case OP_bs_skip_utf16:
    case OP_bs_skip_utf32: emit_utf(e, i); return true;
    case OP_bs_match: emit_match(e, i); return true;
    default: return emit_match_small(e, i);
    }
}

/* ---- construction ---- */

static enum segment_kind segment_kind(struct emitter *e, term type, const struct gen_operand *size)
{
    bool all = operand_is_const(size) && term_same(size->constant, ATOM(all));
    if (term_same(type, ATOM(integer))) {
        return SEG_INTEGER;
    } else if (term_same(type, ATOM(float))) {
        return SEG_FLOAT;
    } else if (term_same(type, ATOM(binary))) {
        return all ? SEG_BINARY_ALL : SEG_BINARY;
    } else if (term_same(type, ATOM(append))) {
        return SEG_APPEND;
    } else if (term_same(type, ATOM(private_append))) {
        return SEG_PRIVATE_APPEND;
    } else if (term_same(type, ATOM(string))) {
        return SEG_STRING;
    } else if (term_same(type, ATOM(utf8))) {
        return SEG_UTF8;
    } else if (term_same(type, ATOM(utf16))) {
        return SEG_UTF16;
    } else if (term_same(type, ATOM(utf32))) {
        return SEG_UTF32;
    }
    emit_fail(e, "unknown segment type");
    return SEG_STRING;
}

static void emit_segment(struct emitter *e, const struct gen_operand *o, size_t index)
{
    const struct gen_operand *value = &o[4], *size = &o[5];
    enum segment_kind kind = segment_kind(e, o[0].constant, size);
    if ((kind == SEG_APPEND || kind == SEG_PRIVATE_APPEND) && index != 0) {
        kind = SEG_BINARY_ALL;
    }
    uint64_t position = (uint64_t) o[1].value & 0xFFFF, unit = (uint64_t) o[2].value & 0xFFFF;
    uint64_t number = number_of(size);
    bool fixed = kind == SEG_STRING
        || ((kind == SEG_INTEGER || kind == SEG_BINARY) && (size->kind == GEN_U || operand_is_small(size))
            && number < 1 << 24 && unit <= 256);
    emit_word(e, (uint64_t) kind | (flags_of_list(&o[3]) | (fixed ? SEG_FIXED : 0ull)) << 8 | position << 16 | unit << 32);
    if (kind == SEG_STRING) {
        uint64_t offset = (uint64_t) value->value, bytes = number;
        if (offset > e->gen->file->n_strings || bytes > e->gen->file->n_strings - offset) {
            emit_fail(e, "outside the string table");
        }
        emit_word(e, (uintptr_t) (e->image->strings + offset));
        emit_word(e, bytes * 8);
        return;
    }
    emit_source(e, value);
    if (fixed) {
        emit_word(e, number * unit);
        return;
    }
    if (size->kind == GEN_U) {
        emit_word(e, term_from_small((intptr_t) size->value).word);
    } else {
        emit_source(e, size);
    }
}

static void emit_create_bin(struct emitter *e, const struct gen_insn *i)
{
    size_t n = (size_t) emit_arg(e, i, 5)->value / 6;
    uint64_t to = emit_reg(e, emit_arg(e, i, 4));
    emit_op_label(e, I_bs_create_bin, to, emit_label_of(emit_arg(e, i, 0)));
    emit_word(e, n | (uint64_t) emit_arg(e, i, 2)->value << 32);  /* segments, live */
    emit_word(e, (uint64_t) emit_arg(e, i, 1)->value);            /* heap words besides */
    for (size_t k = 0; k < n; k++) {
        emit_segment(e, emit_arg(e, i, 6 + 6 * k), k);
    }
}

static void emit_put(struct emitter *e, const struct gen_insn *i, enum op op)
{
    emit_op_label(e, op, 0, emit_label_of(emit_arg(e, i, 0)));
    emit_word(e, bs_word(0, flags_of(emit_arg(e, i, 3)), (uint64_t) emit_arg(e, i, 2)->value));
    emit_source(e, emit_arg(e, i, 1));
    emit_source(e, emit_arg(e, i, 4));
}

static bool emit_old_build(struct emitter *e, const struct gen_insn *i)
{
    switch ((int) i->op) {
    case OP_bs_init2:
    case OP_bs_init_bits: {
        uint64_t to = emit_reg(e, emit_arg(e, i, 5));
        const struct gen_operand *size = emit_arg(e, i, 1);
        emit_op_label(e, I_bs_init, to, emit_label_of(emit_arg(e, i, 0)));
        /* to: unit of the size; n: heap words */
        emit_word(e, bs_word(i->op == OP_bs_init2 ? 8 : 1, (unsigned) emit_arg(e, i, 3)->value,
            (uint64_t) emit_arg(e, i, 2)->value));
        if (size->kind == GEN_U) {
            emit_word(e, term_from_small((intptr_t) size->value).word);
        } else {
            emit_source(e, size);
        }
        return true;
    }
    case OP_bs_append: {
        uint64_t to = emit_reg(e, emit_arg(e, i, 7));
        emit_op_label(e, I_bs_append, to, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, bs_word((uint64_t) emit_arg(e, i, 4)->value, (unsigned) emit_arg(e, i, 3)->value,
            (uint64_t) emit_arg(e, i, 2)->value));
        emit_source(e, emit_arg(e, i, 1));
        emit_source(e, emit_arg(e, i, 5));
        return true;
    }
    case OP_bs_private_append: {
        uint64_t to = emit_reg(e, emit_arg(e, i, 5));
        emit_op_label(e, I_bs_private_append, to, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, bs_word((uint64_t) emit_arg(e, i, 2)->value, 0, 0));
        emit_source(e, emit_arg(e, i, 1));
        emit_source(e, emit_arg(e, i, 3));
        return true;
    }
    case OP_bs_put_string: {
        uint64_t bytes = (uint64_t) emit_arg(e, i, 0)->value, offset = (uint64_t) emit_arg(e, i, 1)->value;
        if (offset > e->gen->file->n_strings || bytes > e->gen->file->n_strings - offset) {
            emit_fail(e, "outside the string table");
            return true;
        }
        emit_op(e, I_bs_put_string, 0, 0, 0);
        emit_word(e, bytes);
        emit_word(e, (uintptr_t) (e->image->strings + offset));
        return true;
    }
    case OP_bs_add: {
        uint64_t to = emit_reg(e, emit_arg(e, i, 4));
        emit_op_label(e, I_bs_add, to, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, (uint64_t) emit_arg(e, i, 3)->value);
        emit_source(e, emit_arg(e, i, 1));
        emit_source(e, emit_arg(e, i, 2));
        return true;
    }
    default:
        return false;
    }
}

bool emit_build(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    (void) used;
    switch ((int) i->op) {
    case OP_bs_create_bin: emit_create_bin(e, i); return true;
    case OP_bs_put_integer: emit_put(e, i, I_bs_put_integer); return true;
    case OP_bs_put_binary: emit_put(e, i, I_bs_put_binary); return true;
    case OP_bs_put_float: emit_put(e, i, I_bs_put_float); return true;
    case OP_bs_init_writable: emit_op(e, I_bs_init_writable, 0, 0, 0); return true;
    case OP_bs_utf8_size:
    case OP_bs_utf16_size: {
        uint64_t to = emit_reg(e, emit_arg(e, i, 2));
        emit_op_label(e, I_bs_utf_size, to, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, i->op == OP_bs_utf8_size ? 8 : 16);
        emit_source(e, emit_arg(e, i, 1));
        return true;
    }
    case OP_bs_put_utf8:
    case OP_bs_put_utf16:
    case OP_bs_put_utf32:
        emit_op_label(e, I_bs_put_utf, 0, emit_label_of(emit_arg(e, i, 0)));
        emit_word(e, bs_word(0, flags_of(emit_arg(e, i, 1)), i->op == OP_bs_put_utf8 ? 8 : i->op == OP_bs_put_utf16 ? 16 : 32));
        emit_source(e, emit_arg(e, i, 2));
        return true;
    default:
        return emit_old_build(e, i);
    }
}
