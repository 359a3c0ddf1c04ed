/* ops_build.c - making binaries: bs_create_bin of OTP 25, and bs_init with bs_put_* of those before. */
#include "lib/base/utf8.h"
#include "vm/core/bits.h"
#include "vm/core/map.h"
#include "vm/emu/interp.h"

enum { RESULT_WORDS = 16 /* heap words any binary takes besides its bytes off the heap */ };

static uint32_t code_point(term t)
{
    return term_is_small(t) && (uintptr_t) term_to_small(t) <= UTF8_MAX_CHARACTER ? (uint32_t) term_to_small(t) : UINT32_MAX;
}
/* Makes room for words on the heap and a binary. False: the process must end. */
static bool reserve(struct emu *m, size_t words, size_t live)
{
    struct heap *h = &m->p->heap;
    words += RESULT_WORDS;
    return (size_t) (h->stop - h->top) >= words || interp_gc_roots(m->s, m->p, live, words);
}
static const uint64_t *end_process(struct emu *m)
{
    m->p->control = CONTROL_EXIT;
    return NULL;
}

/* ---- bs_create_bin ---- */

struct segment {
    enum segment_kind kind;
    unsigned flags;
    size_t position, unit;
    uint64_t value, size; /* source words */
};

static struct segment read_segment(const uint64_t *w)
{
    return (struct segment) { (enum segment_kind) (w[0] & 0xFF), (w[0] >> 8) & 0x7F, (w[0] >> 16) & 0xFFFF,
        (w[0] >> 32) & 0xFFFF, w[1], w[2] };
}

static term kind_name(enum segment_kind kind)
{
    switch (kind) {
    case SEG_INTEGER: return ATOM(integer);
    case SEG_FLOAT: return ATOM(float);
    case SEG_UTF8: return ATOM(utf8);
    case SEG_UTF16: return ATOM(utf16);
    case SEG_UTF32: return ATOM(utf32);
    case SEG_STRING: return ATOM(string);
    case SEG_BINARY:
    case SEG_BINARY_ALL:
    case SEG_APPEND:
    case SEG_PRIVATE_APPEND: break;
    }
    return ATOM(binary);
}

/* Fails with error_info #{cause => {Position, Type, What, Value}, function => format_bs_fail, ...}. */
static const uint64_t *segment_failed(
    struct emu *m, const uint64_t *pc, const struct segment *g, term reason, term what, term value)
{
    if (insn_can_fail(pc)) {
        return insn_target(pc);
    }
    struct heap *h = &m->p->heap;
    proc_raise(m->p, EXC_ERROR, reason);
    term cause = heap_tuple4(h, term_from_small((intptr_t) g->position), kind_name(g->kind), what, value);
    term map = map_put(h, map_empty(h), ATOM(cause), cause);
    map = map_put(h, map, ATOM(function), ATOM(format_bs_fail));
    m->p->exc.error_info = map_put(h, map, ATOM(module), ATOM(erl_erts_errors));
    return NULL;
}

/* Bits of a segment with an explicit size. */
static const uint64_t *sized(struct emu *m, const uint64_t *pc, const struct segment *g, size_t *out)
{
    term size = emu_source(m, g->size);
    if (term_is_small(size) && term_to_small(size) >= 0) {
        size_t n = (size_t) term_to_small(size);
        if (g->unit == 0 || n <= (SIZE_MAX >> 4) / g->unit) {
            *out = n * g->unit;
            return pc;
        }
    }
    bool large = term_is_small(size) ? term_to_small(size) >= 0
                                     : term_is_big(size) && !integer_is_negative(size);
    return segment_failed(m, pc, g, large ? ATOM(system_limit) : ATOM(badarg), ATOM(size), size);
}

/* Size of a segment in bits. pc if good, else where to go on or NULL. As on OTP what is wrong with a size, with the type of a
 * whole binary or with utf32 is found before anything is built, all else when it is that segment's turn: put_segment(). */
static const uint64_t *segment_bits(struct emu *m, const uint64_t *pc, const struct segment *g, size_t *out)
{
    term value = g->kind == SEG_STRING ? TERM_NONE : emu_source(m, g->value);
    switch (g->kind) {
    case SEG_INTEGER:
    case SEG_FLOAT:
    case SEG_BINARY:
        return sized(m, pc, g, out);
    case SEG_BINARY_ALL:
    case SEG_APPEND:
    case SEG_PRIVATE_APPEND:
        if (!term_is_bits(value)) {
            return segment_failed(m, pc, g, ATOM(badarg), ATOM(type), value);
        }
        *out = bits_size(value);
        return pc;
    case SEG_STRING:
        return pc; /* always fixed */
    case SEG_UTF8:
    case SEG_UTF16: {
        uint32_t c = code_point(value);
        *out = !utf8_is_character(c) ? 0 : 8 * (g->kind == SEG_UTF8 ? utf8_size(c) : bits_utf16_size(c));
        return pc;
    }
    case SEG_UTF32:
        *out = 32;
        return utf8_is_character(code_point(value)) ? pc : segment_failed(m, pc, g, ATOM(badarg), ATOM(type), value);
    }
    return pc;
}

static const uint64_t *put_bits_segment(
    struct emu *m, const uint64_t *pc, const struct segment *g, uint8_t *bytes, size_t at, size_t n)
{
    term value = emu_source(m, g->value);
    if (!term_is_bits(value)) {
        return segment_failed(m, pc, g, ATOM(badarg), ATOM(type), value);
    }
    struct bits_view v = bits_view(value);
    if (g->kind == SEG_BINARY_ALL && g->unit > 1 && n % g->unit != 0) {
        return segment_failed(m, pc, g, ATOM(badarg), ATOM(unit), value);
    }
    if (n > v.size) {
        return segment_failed(m, pc, g, ATOM(badarg), ATOM(short), value);
    }
    bits_put_bits(bytes, at, &v, n);
    return pc;
}

/* Writes n bits at bit `at`. pc if good. */
static const uint64_t *put_segment(
    struct emu *m, const uint64_t *pc, const struct segment *g, uint8_t *bytes, size_t at, size_t n)
{
    term value = g->kind == SEG_STRING ? TERM_NONE : emu_source(m, g->value);
    switch (g->kind) {
    case SEG_INTEGER:
        return bits_put_integer(bytes, at, value, n, g->flags)
            ? pc
            : segment_failed(m, pc, g, ATOM(badarg), ATOM(type), value);
    case SEG_FLOAT:
        if (n != 16 && n != 32 && n != 64) {
            return segment_failed(m, pc, g, ATOM(badarg), ATOM(invalid), term_from_small((intptr_t) n));
        }
        return bits_put_float(bytes, at, value, n, g->flags)
            ? pc
            : segment_failed(m, pc, g, ATOM(badarg), term_is_number(value) ? ATOM(no_float) : ATOM(type), value);
    case SEG_BINARY:
    case SEG_BINARY_ALL:
    case SEG_APPEND:
    case SEG_PRIVATE_APPEND:
        return put_bits_segment(m, pc, g, bytes, at, n);
    case SEG_STRING:
        bits_copy(bytes, at, (const uint8_t *) g->value, 0, n);
        return pc;
    case SEG_UTF8:
        if (n == 0) {
            return segment_failed(m, pc, g, ATOM(badarg), ATOM(type), value);
        }
        bits_put_utf8(bytes, at, code_point(value));
        return pc;
    case SEG_UTF16:
        if (n == 0) {
            return segment_failed(m, pc, g, ATOM(badarg), ATOM(type), value);
        }
        bits_put_utf16(bytes, at, code_point(value), g->flags);
        return pc;
    case SEG_UTF32:
        bits_put_utf32(bytes, at, code_point(value), g->flags);
        return pc;
    }
    return pc;
}

/* A small integer into whole bytes at a byte: what most segments are. False: not so simple. */
static inline bool put_simple(struct emu *m, const uint64_t *segment, uint8_t *bytes, size_t at, size_t n)
{
    if ((segment[0] & 0x7FFF) != SEG_INTEGER || ((at | n) & 7) != 0 || n > 56) { /* big-endian */
        return false;
    }
    term value = emu_source(m, segment[1]);
    if (!term_is_small(value)) {
        return false;
    }
    uint64_t v = (uint64_t) term_to_small(value);
    bytes += at / 8;
    for (size_t i = n / 8; i-- > 0; v >>= 8) {
        bytes[i] = (uint8_t) v;
    }
    return true;
}

/* Can the first segment be appended to without a closer look? */
static inline bool is_whole(struct emu *m, const uint64_t *segment)
{
    size_t unit = (segment[0] >> 32) & 0xFFFF;
    term value = emu_source(m, segment[1]);
    return term_is_bits(value) && (unit <= 1 || bits_size(value) % unit == 0);
}

static const uint64_t *append_failed(struct emu *m, const uint64_t *pc, const uint64_t *segment)
{
    struct segment g = read_segment(segment);
    term value = emu_source(m, g.value);
    return segment_failed(m, pc, &g, ATOM(badarg), term_is_bits(value) ? ATOM(unit) : ATOM(type), value);
}

/* [A to, L][n | live << 32][words] then three words a segment. */
const uint64_t *op_bs_create_bin(struct emu *m, const uint64_t *pc)
{
    enum { KNOWN = 8 };
    struct heap *h = &m->p->heap;
    size_t n = pc[1] & UINT32_MAX, total = 0, at = 0, known[KNOWN];
    const uint64_t *first = pc + 3, *next;
    if (!reserve(m, pc[2], pc[1] >> 32)) {
        return end_process(m);
    }
    enum segment_kind kind = n == 0 ? SEG_STRING : (enum segment_kind) (first[0] & 0xFF);
    bool appends = kind == SEG_APPEND || kind == SEG_PRIVATE_APPEND; /* only the first can */
    for (size_t i = appends; i < n; i++) {
        const uint64_t *segment = first + 3 * i;
        size_t bits = segment[2];
        if (!(segment[0] & SEG_FIXED << 8)) {
            struct segment g = read_segment(segment);
            next = segment_bits(m, pc, &g, &bits);
            if (next != pc) {
                return next;
            }
        }
        if (i < KNOWN) {
            known[i] = bits;
        }
        if (__builtin_add_overflow(total, bits, &total) || total > SIZE_MAX >> 4) {
            proc_system_limit(m->p);
            return NULL;
        }
    }
    if (appends && !is_whole(m, first)) {
        return append_failed(m, pc, first);
    }
    uint8_t *bytes;
    term result = appends ? bits_append(h, emu_source(m, first[1]), total, &bytes, &at)
                          : bits_new_bitstring(h, total, &bytes);
    if (term_is_none(result)) {
        proc_system_limit(m->p);
        return NULL;
    }
    for (size_t i = appends; i < n; i++) {
        const uint64_t *segment = first + 3 * i;
        size_t bits = i < KNOWN ? known[i] : segment[2];
        if (!put_simple(m, segment, bytes, at, bits)) {
            struct segment g = read_segment(segment);
            next = i < KNOWN || (segment[0] & SEG_FIXED << 8) ? pc : segment_bits(m, pc, &g, &bits);
            if (next == pc) {
                next = put_segment(m, pc, &g, bytes, at, bits);
            }
            if (next != pc) {
                return next;
            }
        }
        at += bits;
    }
    *insn_register(m->s, h->stop, insn_a(pc)) = result;
    return first + 3 * n;
}

/* ---- OTP 24 and before: the binary under construction is m->bits ---- */

static const uint64_t *failed(struct emu *m, const uint64_t *pc)
{
    if (insn_can_fail(pc)) {
        return insn_target(pc);
    }
    proc_badarg(m->p);
    return NULL;
}

static bool size_in_bits(term size, size_t unit, size_t *out)
{
    if (!term_is_small(size) || term_to_small(size) < 0
        || (size_t) term_to_small(size) > (SIZE_MAX >> 4) / (unit == 0 ? 1 : unit)) {
        return false;
    }
    *out = (size_t) term_to_small(size) * unit;
    return true;
}

static const uint64_t *begin(struct emu *m, const uint64_t *pc, term result, uint8_t *bytes, size_t at, size_t n, size_t length)
{
    if (term_is_none(result)) {
        proc_system_limit(m->p);
        return NULL;
    }
    m->bits = bytes;
    m->bits_at = at;
    m->bits_end = at + n;
    *insn_register(m->s, m->p->heap.stop, insn_a(pc)) = result;
    return pc + length;
}

/* [A to, L][unit | live << 16 | words << 32][size] */
const uint64_t *op_bs_init(struct emu *m, const uint64_t *pc)
{
    size_t n;
    if (!reserve(m, pc[1] >> 32, insn_bits_flags(pc[1]))) {
        return end_process(m);
    }
    term size = emu_source(m, pc[2]);
    if (!size_in_bits(size, pc[1] & 0xFFFF, &n)) {
        if (!insn_can_fail(pc) && term_is_integer(size) && !integer_is_negative(size)) {
            proc_system_limit(m->p);
            return NULL;
        }
        return failed(m, pc);
    }
    uint8_t *bytes = NULL;
    term result = bits_new_bitstring(&m->p->heap, n, &bytes);
    return begin(m, pc, result, bytes, 0, n, 3);
}

/* [A to, L][unit | live << 16 | words << 32][bits][binary] */
const uint64_t *op_bs_append(struct emu *m, const uint64_t *pc)
{
    size_t n, unit = pc[1] & 0xFFFF;
    if (!reserve(m, pc[1] >> 32, insn_bits_flags(pc[1]))) {
        return end_process(m);
    }
    term binary = emu_source(m, pc[3]);
    if (!size_in_bits(emu_source(m, pc[2]), 1, &n) || !term_is_bits(binary) || (unit > 1 && bits_size(binary) % unit != 0)) {
        return failed(m, pc);
    }
    uint8_t *bytes = NULL;
    size_t at = 0;
    term result = bits_append(&m->p->heap, binary, n, &bytes, &at);
    return begin(m, pc, result, bytes, at, n, 4);
}

/* [A to, L][unit][bits][binary]; the size is in units */
const uint64_t *op_bs_private_append(struct emu *m, const uint64_t *pc)
{
    size_t n;
    term binary = emu_source(m, pc[3]);
    if (!size_in_bits(emu_source(m, pc[2]), pc[1] & 0xFFFF, &n) || !term_is_bits(binary)) {
        return failed(m, pc);
    }
    uint8_t *bytes = NULL;
    size_t at = 0;
    term result = bits_append(&m->p->heap, binary, n, &bytes, &at);
    return begin(m, pc, result, bytes, at, n, 4);
}

/* x0: an empty binary with room for x0 bytes to come. */
const uint64_t *op_bs_init_writable(struct emu *m, const uint64_t *pc)
{
    enum { LEAST = 256, MOST = 1 << 20 };
    size_t room = LEAST;
    term hint = m->s->x[0];
    if (term_is_small(hint) && term_to_small(hint) > 0) {
        room = term_to_small(hint) > MOST ? MOST : (size_t) term_to_small(hint);
    }
    struct offheap_bin *b = offheap_bin_new(room);
    if (b == NULL) {
        proc_system_limit(m->p);
        return NULL;
    }
    atomic_store_explicit(&b->append_end_bits, 0, memory_order_relaxed);
    m->s->x[0] = bits_from_offheap(&m->p->heap, b, 0);
    return pc + 1;
}

static bool has_room(const struct emu *m, size_t n)
{
    return m->bits != NULL && n <= m->bits_end - m->bits_at;
}

/* [L][flags | unit << 32][size][value] */
const uint64_t *op_bs_put_integer(struct emu *m, const uint64_t *pc)
{
    size_t n;
    if (!size_in_bits(emu_source(m, pc[2]), pc[1] >> 32, &n) || !has_room(m, n)
        || !bits_put_integer(m->bits, m->bits_at, emu_source(m, pc[3]), n, insn_bits_flags(pc[1]))) {
        return failed(m, pc);
    }
    m->bits_at += n;
    return pc + 4;
}

const uint64_t *op_bs_put_float(struct emu *m, const uint64_t *pc)
{
    size_t n;
    if (!size_in_bits(emu_source(m, pc[2]), pc[1] >> 32, &n) || !has_room(m, n) || (n != 16 && n != 32 && n != 64)
        || !bits_put_float(m->bits, m->bits_at, emu_source(m, pc[3]), n, insn_bits_flags(pc[1]))) {
        return failed(m, pc);
    }
    m->bits_at += n;
    return pc + 4;
}

const uint64_t *op_bs_put_binary(struct emu *m, const uint64_t *pc)
{
    term value = emu_source(m, pc[3]), size = emu_source(m, pc[2]);
    size_t n, unit = pc[1] >> 32;
    if (!term_is_bits(value)) {
        return failed(m, pc);
    }
    struct bits_view v = bits_view(value);
    if (term_same(size, ATOM(all))) {
        n = v.size;
        if (unit > 1 && n % unit != 0) {
            return failed(m, pc);
        }
    } else if (!size_in_bits(size, unit, &n) || n > v.size) {
        return failed(m, pc);
    }
    if (!has_room(m, n)) {
        return failed(m, pc);
    }
    bits_put_bits(m->bits, m->bits_at, &v, n);
    m->bits_at += n;
    return pc + 4;
}

/* [bytes][address] */
const uint64_t *op_bs_put_string(struct emu *m, const uint64_t *pc)
{
    size_t n = pc[1] * 8;
    if (!has_room(m, n)) {
        proc_badarg(m->p);
        return NULL;
    }
    bits_copy(m->bits, m->bits_at, (const uint8_t *) pc[2], 0, n);
    m->bits_at += n;
    return pc + 3;
}

/* [L][flags | width << 32][value] */
const uint64_t *op_bs_put_utf(struct emu *m, const uint64_t *pc)
{
    unsigned width = (unsigned) (pc[1] >> 32);
    uint32_t c = code_point(emu_source(m, pc[2]));
    if (!utf8_is_character(c)) {
        return failed(m, pc);
    }
    size_t n = 8 * (width == 8 ? utf8_size(c) : width == 16 ? bits_utf16_size(c) : 4);
    if (!has_room(m, n)) {
        return failed(m, pc);
    }
    if (width == 8) {
        bits_put_utf8(m->bits, m->bits_at, c);
    } else if (width == 16) {
        bits_put_utf16(m->bits, m->bits_at, c, insn_bits_flags(pc[1]));
    } else {
        bits_put_utf32(m->bits, m->bits_at, c, insn_bits_flags(pc[1]));
    }
    m->bits_at += n;
    return pc + 3;
}

/* [A to, L][unit][a][b]: a + b * unit, sizes that are not negative */
const uint64_t *op_bs_add(struct emu *m, const uint64_t *pc)
{
    term a = emu_source(m, pc[2]), b = emu_source(m, pc[3]);
    size_t n;
    if (!size_in_bits(b, pc[1], &n) || !term_is_small(a) || term_to_small(a) < 0
        || !intptr_fits_small(term_to_small(a) + (intptr_t) n)) {
        if (!insn_can_fail(pc) && term_is_integer(a) && term_is_integer(b) && !integer_is_negative(a)
            && !integer_is_negative(b)) {
            proc_system_limit(m->p);
            return NULL;
        }
        return failed(m, pc);
    }
    *insn_register(m->s, m->p->heap.stop, insn_a(pc)) = term_from_small(term_to_small(a) + (intptr_t) n);
    return pc + 4;
}

/* [A to, L][width][value]: bytes of the code point */
const uint64_t *op_bs_utf_size(struct emu *m, const uint64_t *pc)
{
    uint32_t c = code_point(emu_source(m, pc[2]));
    size_t n = !utf8_is_character(c) ? 4 : pc[1] == 8 ? utf8_size(c) : bits_utf16_size(c); /* put fails later */
    *insn_register(m->s, m->p->heap.stop, insn_a(pc)) = term_from_small((intptr_t) n);
    return pc + 3;
}
