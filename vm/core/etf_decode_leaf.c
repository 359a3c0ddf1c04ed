/* Terms without others inside, one at a time: in their rarer forms, for most are read in a row (etf_decode.c). */
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/etf_decoder.h"
#include "vm/core/float_text.h"
#include "vm/core/fun.h"
#include "vm/core/ref.h"

/* What takes memory that there may not be is t. */
static term needs_memory(struct decoder *d, term t)
{
    d->no_memory = term_is_none(t);
    return t;
}

static term read_predefined(struct decoder *d)
{
    uint32_t index = bytes_u16be(&d->in);
    return d->ext == NULL || d->in.bad || index >= ATOM_N_PREDEFINED ? TERM_NONE : term_from_atom_index(index);
}

term etf_read_atom_of_tag(struct decoder *d, uint8_t tag)
{
    size_t n;
    switch (tag) {
    case ETF_EXT_ATOM:
        return read_predefined(d);
    case ETF_ATOM:
    case ETF_ATOM_UTF8:
        n = bytes_u16be(&d->in);
        break;
    case ETF_SMALL_ATOM:
    case ETF_SMALL_ATOM_UTF8:
        n = bytes_u8(&d->in);
        break;
    default:
        return TERM_NONE;
    }
    return etf_atom_of(d, bytes_in_place(&d->in, n), n, tag == ETF_ATOM || tag == ETF_SMALL_ATOM);
}

term etf_read_atom(struct decoder *d)
{
    return etf_read_atom_of_tag(d, bytes_u8(&d->in));
}

term etf_read_big(struct decoder *d, size_t n)
{
    bool negative = bytes_u8(&d->in) != 0;
    const uint8_t *p = bytes_in_place(&d->in, n);
    if (p == NULL) {
        return TERM_NONE;
    }
    if (n / 8 > HEAP_SURE_WORDS && !heap_can_alloc(d->h, n / 8)) {
        d->no_memory = true;
        return TERM_NONE;
    }
    return integer_from_bytes_le(d->h, p, n, negative);
}

term etf_read_float_text(struct decoder *d)
{
    const uint8_t *p = bytes_in_place(&d->in, ETF_FLOAT_TEXT);
    char text[ETF_FLOAT_TEXT + 1] = { 0 };
    if (p == NULL) {
        return TERM_NONE;
    }
    memcpy(text, p, ETF_FLOAT_TEXT);
    double f;
    return float_from_text(text, strlen(text), &f) ? heap_float(d->h, f) : TERM_NONE;
}

term etf_read_binary(struct decoder *d)
{
    size_t n = bytes_u32be(&d->in);
    const uint8_t *p = bytes_in_place(&d->in, n);
    return p == NULL ? TERM_NONE : needs_memory(d, bits_from_bytes(d->h, p, n));
}

term etf_read_bit_binary(struct decoder *d)
{
    size_t n = bytes_u32be(&d->in);
    unsigned last = bytes_u8(&d->in);
    const uint8_t *p = bytes_in_place(&d->in, n);
    if (p == NULL || last > 8 || (n == 0) != (last == 0)) {
        return TERM_NONE;
    }
    if (n == 0 || last == 8) {
        return needs_memory(d, bits_from_bytes(d->h, p, n));
    }
    uint8_t *to;
    size_t n_bits = (n - 1) * 8 + last;
    term t = needs_memory(d, bits_new_bitstring(d->h, n_bits, &to));
    if (!term_is_none(t)) {
        bits_copy(to, 0, p, 0, n_bits);
    }
    return t;
}

static bool is_local(term node, uint32_t creation)
{
    return term_same(node, ATOM(nonode)) && creation == 0;
}

/* The old forms have two bits of it. */
static uint32_t read_creation(struct decoder *d, bool wide)
{
    uint32_t creation = wide ? bytes_u32be(&d->in) : bytes_u8(&d->in);
    d->in.bad |= !wide && creation > 3;
    return creation;
}

/* TAG_EXT_PID and kin; the caller fills in the rest. */
static uintptr_t *external_new(
    struct decoder *d, enum term_tag tag, size_t arity, term node, uint32_t creation)
{
    uintptr_t *p = heap_alloc(d->h, arity + 1);
    p[0] = TERM_HEADER(tag, arity);
    p[1] = node.word;
    p[2] = creation;
    return p;
}

term etf_read_pid(struct decoder *d, uint8_t tag)
{
    term node = etf_read_atom(d);
    uint32_t number = bytes_u32be(&d->in), serial = bytes_u32be(&d->in);
    uint32_t creation = read_creation(d, tag == ETF_NEW_PID);
    if (term_is_none(node) || d->in.bad) {
        return TERM_NONE;
    }
    if (is_local(node, creation)) {
        bool good = number >> TERM_PID_NUMBER_BITS == 0 && (d->flags & ETF_LITERAL) == 0;
        return good ? term_from_pid(number, serial) : TERM_NONE;
    }
    uintptr_t *p = external_new(d, TAG_EXT_PID, 4, node, creation);
    p[3] = number;
    p[4] = serial;
    return term_from_boxed_ptr(p);
}

term etf_read_port(struct decoder *d, uint8_t tag)
{
    term node = etf_read_atom(d);
    uint64_t number = tag == ETF_V4_PORT ? bytes_u64be(&d->in) : bytes_u32be(&d->in);
    uint32_t creation = read_creation(d, tag != ETF_PORT);
    if (term_is_none(node) || d->in.bad) {
        return TERM_NONE;
    }
    if (is_local(node, creation)) {
        bool good = number >> (64 - TERM_SMALL_SHIFT) == 0 && (d->flags & ETF_LITERAL) == 0;
        return good ? term_from_port(number) : TERM_NONE;
    }
    uintptr_t *p = external_new(d, TAG_EXT_PORT, 3, node, creation);
    p[3] = number;
    return term_from_boxed_ptr(p);
}

term etf_read_ref(struct decoder *d, uint8_t tag)
{
    size_t n = tag == ETF_REFERENCE ? 1 : bytes_u16be(&d->in);
    term node = etf_read_atom(d);
    uint32_t ids[REF_MAX_NUMBERS] = { 0 };
    uint32_t creation = 0;
    if (term_is_none(node) || n == 0 || n > REF_MAX_NUMBERS) {
        return TERM_NONE;
    }
    if (tag != ETF_REFERENCE) {
        creation = read_creation(d, tag == ETF_NEWER_REFERENCE);
    }
    for (size_t i = 0; i < n; i++) {
        ids[i] = bytes_u32be(&d->in);
    }
    if (tag == ETF_REFERENCE) {
        creation = read_creation(d, false);
    }
    if (d->in.bad || (tag != ETF_NEWER_REFERENCE && ids[0] >> REF_FIRST_BITS != 0)) {
        return TERM_NONE;
    }
    if (is_local(node, creation) && (n == REF_LOCAL_NUMBERS || n == REF_MAX_NUMBERS)
        && ids[0] >> REF_FIRST_BITS == 0 && ids[2] >> REF_THIRD_BITS == 0
        && ids[3] >> TERM_PID_NUMBER_BITS == 0) {
        uint64_t id = ids[0] | (uint64_t) ids[1] << REF_FIRST_BITS
                      | (uint64_t) ids[2] << (REF_FIRST_BITS + 32);
        uintptr_t alias = n == REF_MAX_NUMBERS ? term_from_pid(ids[3], ids[4]).word : 0;
        return (d->flags & ETF_LITERAL) != 0 ? TERM_NONE : heap_ref(d->h, id, alias);
    }
    uintptr_t *p = external_new(d, TAG_EXT_REF, 3 + n, node, creation);
    p[3] = n;
    for (size_t i = 0; i < n; i++) {
        p[4 + i] = ids[i];
    }
    return term_from_boxed_ptr(p);
}

bool etf_read_int32(struct decoder *d, int64_t *out)
{
    switch (bytes_u8(&d->in)) {
    case ETF_SMALL_INTEGER:
        *out = bytes_u8(&d->in);
        return !d->in.bad;
    case ETF_INTEGER:
        *out = (int32_t) bytes_u32be(&d->in);
        return !d->in.bad;
    case ETF_SMALL_BIG: {
        uint8_t n = bytes_u8(&d->in), sign = bytes_u8(&d->in);
        uint8_t b[4] = { 0 };
        *out = n <= sizeof(b) && bytes_take(&d->in, b, n)
                   ? (int64_t) (b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16
                                | (uint32_t) b[3] << 24)
                   : -1;
        return n <= sizeof(b) && sign == 0 && !d->in.bad;
    }
    default:
        return false;
    }
}

term etf_read_export(struct decoder *d)
{
    term module = etf_read_atom(d), function = etf_read_atom(d);
    int64_t arity;
    if (term_is_none(module) || term_is_none(function) || bytes_u8(&d->in) != ETF_SMALL_INTEGER) {
        return TERM_NONE;
    }
    arity = bytes_u8(&d->in);
    if (d->in.bad) {
        return TERM_NONE;
    }
    struct export *e = (d->flags & ETF_SAFE) != 0
                           ? export_lookup(module, function, (uint32_t) arity)
                           : export_get(module, function, (uint32_t) arity);
    if (e == NULL) {
        return TERM_NONE;
    }
    uintptr_t *p = heap_alloc(d->h, HEAP_EXPORT_WORDS);
    p[0] = TERM_HEADER(TAG_EXPORT, HEAP_EXPORT_WORDS - 1);
    p[1] = (uintptr_t) e;
    return term_from_boxed_ptr(p);
}

term etf_read_blob(struct decoder *d)
{
    size_t i = bytes_u8(&d->in), n = bytes_u64be(&d->in);
    struct etf_decode_ext *x = d->ext;
    if (x == NULL || d->in.bad || i >= x->n_blobs || x->blob_bytes[i] != n
        || (d->blobs_used >> i & 1) != 0) {
        return TERM_NONE;
    }
    d->blobs_used |= UINT64_C(1) << i;
    return x->blob(x->arg, d->h, i);
}

term etf_read_resource(struct decoder *d)
{
    uint64_t handle = bytes_u64be(&d->in);
    struct etf_decode_ext *x = d->ext;
    return x == NULL || x->resource == NULL || d->in.bad || handle == 0
               ? TERM_NONE
               : x->resource(x->arg, d->h, handle);
}
