/* ops_bits.c - matching bits. The word after the first: to | flags << 16 | unit, bits or width << 32. */
#include "vm/core/bits.h"
#include "vm/emu/interp.h"

static struct match_ctx *context_of(struct emu *m, const uint64_t *pc)
{
    return term_match_ctx(*insn_register(m->s, m->p->heap.stop, insn_a(pc)));
}
static void put(struct emu *m, uint64_t w, term value)
{
    *insn_register(m->s, m->p->heap.stop, w & 0xFFFF) = value;
}
static const uint64_t *put_or_fail(struct emu *m, const uint64_t *pc, term value, size_t length)
{
    if (term_is_none(value)) {
        return insn_target(pc);
    }
    put(m, pc[1], value);
    return pc + length;
}

/* size * unit in bits; false: no size, or more than what is left. */
static bool bits_wanted(const struct match_ctx *ctx, term size, size_t unit, size_t *out)
{
    if (!term_is_small(size) || term_to_small(size) < 0) {
        return false;
    }
    size_t n = (size_t) term_to_small(size), left = ctx->end - ctx->position;
    if (unit != 0 && n > left / unit) {
        return false;
    }
    *out = n * unit;
    return true;
}

/* [A to, L][source]; a context starts again where it is. */
const uint64_t *op_bs_start_match(struct emu *m, const uint64_t *pc)
{
    term t = emu_source(m, pc[1]);
    term ctx = term_has_tag(t, TAG_MATCH_CTX) ? t
        : term_is_bits(t)                     ? bits_match_start(&m->p->heap, t)
                                              : TERM_NONE;
    if (!term_is_none(ctx)) {
        *insn_register(m->s, m->p->heap.stop, insn_a(pc)) = ctx;
        return pc + 2;
    }
    if (insn_can_fail(pc)) {
        return insn_target(pc);
    }
    proc_badarg(m->p);
    return NULL;
}

const uint64_t *op_bs_get_int_fixed(struct emu *m, const uint64_t *pc)
{
    struct match_ctx *ctx = context_of(m, pc);
    return put_or_fail(m, pc, bits_get_integer(&m->p->heap, ctx, pc[1] >> 32, insn_bits_flags(pc[1])), 2);
}

const uint64_t *op_bs_get_integer(struct emu *m, const uint64_t *pc)
{
    struct match_ctx *ctx = context_of(m, pc);
    size_t n;
    if (!bits_wanted(ctx, emu_source(m, pc[2]), pc[1] >> 32, &n)) {
        return insn_target(pc);
    }
    return put_or_fail(m, pc, bits_get_integer(&m->p->heap, ctx, n, insn_bits_flags(pc[1])), 3);
}

const uint64_t *op_bs_get_float(struct emu *m, const uint64_t *pc)
{
    struct match_ctx *ctx = context_of(m, pc);
    size_t n;
    if (!bits_wanted(ctx, emu_source(m, pc[2]), pc[1] >> 32, &n)) {
        return insn_target(pc);
    }
    return put_or_fail(m, pc, bits_get_float(&m->p->heap, ctx, n, insn_bits_flags(pc[1])), 3);
}

const uint64_t *op_bs_get_binary(struct emu *m, const uint64_t *pc)
{
    struct match_ctx *ctx = context_of(m, pc);
    size_t n;
    if (!bits_wanted(ctx, emu_source(m, pc[2]), pc[1] >> 32, &n)) {
        return insn_target(pc);
    }
    return put_or_fail(m, pc, bits_get_binary(&m->p->heap, ctx, n), 3);
}

const uint64_t *op_bs_get_binary_all(struct emu *m, const uint64_t *pc)
{
    struct match_ctx *ctx = context_of(m, pc);
    size_t left = ctx->end - ctx->position, unit = pc[1] >> 32;
    if (unit > 1 && left % unit != 0) {
        return insn_target(pc);
    }
    return put_or_fail(m, pc, bits_get_binary(&m->p->heap, ctx, left), 2);
}

const uint64_t *op_bs_skip(struct emu *m, const uint64_t *pc)
{
    struct match_ctx *ctx = context_of(m, pc);
    term size = emu_source(m, pc[2]);
    size_t n, unit = pc[1] >> 32;
    if (term_same(size, ATOM(all))) {
        n = ctx->end - ctx->position;
        if (unit > 1 && n % unit != 0) {
            return insn_target(pc);
        }
    } else if (!bits_wanted(ctx, size, unit, &n)) {
        return insn_target(pc);
    }
    ctx->position += n;
    return pc + 3;
}

/* [A context, L][bits][address of the bytes] */
const uint64_t *op_bs_match_string(struct emu *m, const uint64_t *pc)
{
    struct match_ctx *ctx = context_of(m, pc);
    size_t n = pc[1];
    if (ctx->end - ctx->position < n
        || bits_compare(ctx->bytes, ctx->position, n, (const uint8_t *) pc[2], 0, n) != 0) {
        return insn_target(pc);
    }
    ctx->position += n;
    return pc + 3;
}

const uint64_t *op_bs_get_tail(struct emu *m, const uint64_t *pc)
{
    term tail = bits_get_tail(&m->p->heap, context_of(m, pc));
    *insn_register(m->s, m->p->heap.stop, insn_b(pc)) = tail;
    return pc + 1;
}

static bool get_utf(struct match_ctx *ctx, uint64_t w, uint32_t *c)
{
    unsigned width = (unsigned) (w >> 32);
    return width == 8 ? bits_get_utf8(ctx, c)
        : width == 16 ? bits_get_utf16(ctx, insn_bits_flags(w), c)
                      : bits_get_utf32(ctx, insn_bits_flags(w), c);
}

const uint64_t *op_bs_get_utf(struct emu *m, const uint64_t *pc)
{
    uint32_t c;
    if (!get_utf(context_of(m, pc), pc[1], &c)) {
        return insn_target(pc);
    }
    put(m, pc[1], term_from_small((intptr_t) c));
    return pc + 2;
}

const uint64_t *op_bs_skip_utf(struct emu *m, const uint64_t *pc)
{
    uint32_t c;
    return get_utf(context_of(m, pc), pc[1], &c) ? pc + 2 : insn_target(pc);
}

/* [A context, L][bits][value] */
const uint64_t *op_bs_match_equal(struct emu *m, const uint64_t *pc)
{
    struct match_ctx *ctx = context_of(m, pc);
    size_t before = ctx->position;
    term value = bits_get_integer(&m->p->heap, ctx, pc[1], 0);
    if (term_is_none(value)) {
        return insn_target(pc);
    }
    if (value.word != pc[2] && !(term_is_boxed(value) && arith_compare_integers(value, (term) { pc[2] }) == 0)) {
        ctx->position = before;
        return insn_target(pc);
    }
    return pc + 3;
}
