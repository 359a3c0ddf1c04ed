/* The buffer, and terms without others inside. */
#include <stdio.h>

#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/etf_encoder.h"
#include "vm/core/fun.h"
#include "vm/core/ref.h"

void etf_encoder_grow(struct encoder *e, size_t n)
{
    if (e->mode == ENCODE_COUNT) {
        e->counted += (size_t) (e->at - e->start);
        e->at = e->start;
        return;
    }
    size_t used = (size_t) (e->at - e->start), capacity = 2 * (size_t) (e->end - e->start);
    e->exceeded = used > e->budget;
    capacity = capacity < used + n ? 2 * (used + n) : capacity;
    uint8_t *grown = e->exceeded ? NULL : vm_try_alloc(capacity);
    if (grown == NULL) { /* what is put until somebody looks goes into the same place, to no effect */
        e->failed = true;
        e->mode = ENCODE_COUNT;
        e->at = e->start;
        return;
    }
    memcpy(grown, e->start, used);
    if (e->start != e->lent) {
        vm_free(e->start);
    }
    e->start = grown;
    e->at = grown + used;
    e->end = grown + capacity;
}

uint8_t *etf_encoder_bulk(struct encoder *e, size_t n)
{
    if ((size_t) (e->end - e->at) < n) {
        etf_encoder_grow(e, n);
    }
    if (e->mode == ENCODE_COUNT) {
        e->counted += n;
        return NULL;
    }
    uint8_t *to = e->at;
    e->at += n;
    e->budget = e->budget < SIZE_MAX - n ? e->budget + n : SIZE_MAX;
    return to;
}

static void put_atom_utf8(struct encoder *e, const struct atom_text *text)
{
    if (text->bytes <= UINT8_MAX) {
        put_u8(e, ETF_SMALL_ATOM_UTF8);
        put_u8(e, text->bytes);
    } else {
        put_u8(e, ETF_ATOM_UTF8);
        put_u16(e, text->bytes);
    }
    put_bytes(e, text->utf8, text->bytes);
}

/* Latin-1 where that can be, else UTF-8; minor version 2: always UTF-8. */
void etf_put_atom(struct encoder *e, term atom)
{
    if (e->ext != NULL && term_to_atom_index(atom) < ATOM_N_PREDEFINED) {
        room(e, ETF_LEAF_ROOM);
        e->at = etf_put_predefined(e->at, atom);
        return;
    }
    struct atom_text text = atom_text(atom);
    const uint8_t *s = (const uint8_t *) text.utf8;
    uint8_t latin1[ATOM_MAX_CHARS];
    size_t n = 0;
    bool narrow = (e->flags & ETF_MINOR_VERSION_2) == 0;
    bool ascii = text.chars == text.bytes; /* both, as it is */
    for (size_t i = 0; narrow && !ascii && i < text.bytes; i++) {
        narrow = s[i] < 0xC4; /* beyond: above U+00FF */
        latin1[n < sizeof(latin1) ? n : 0] =
            s[i] < 0x80 ? s[i] : (uint8_t) (s[i] << 6 | (s[i + 1] & 0x3F));
        i += s[i] >= 0x80;
        n++;
    }
    if (!narrow) {
        put_atom_utf8(e, &text);
        return;
    }
    n = ascii ? text.bytes : n;
    room(e, 3 + n);
    e->at[0] = ETF_ATOM;
    e->at[1] = (uint8_t) (n >> 8);
    e->at[2] = (uint8_t) n;
    memcpy(e->at + 3, ascii ? s : latin1, n);
    e->at += 3 + n;
}

void etf_put_big(struct encoder *e, term t)
{
    size_t n = integer_byte_size(t);
    if (n <= UINT8_MAX) {
        put_u8(e, ETF_SMALL_BIG);
        put_u8(e, (unsigned) n);
    } else {
        put_u8(e, ETF_LARGE_BIG);
        put_u32(e, n);
    }
    put_u8(e, integer_is_negative(t));
    uint8_t *to = etf_encoder_bulk(e, n);
    if (to != NULL) {
        integer_to_bytes_le(t, to, n);
    }
}

void etf_put_float(struct encoder *e, term t)
{
    double d = term_to_double(t);
    if ((e->flags & ETF_MINOR_VERSION_0) != 0) {
        char text[64] = { 0 };
        snprintf(text, sizeof(text), "%.20e", d);
        put_u8(e, ETF_FLOAT);
        put_bytes(e, text, ETF_FLOAT_TEXT);
    } else {
        uint64_t bits;
        memcpy(&bits, &d, sizeof(bits));
        room(e, 1 + sizeof(bits));
        e->at[0] = ETF_NEW_FLOAT;
        e->at = bytes_store_u64be(e->at + 1, bits);
    }
}

/* Whole bytes that are many enough travel beside the term. */
static bool put_blob(struct encoder *e, const struct bits_view *v)
{
    struct etf_encode_ext *x = e->ext;
    if (v->size % 8 != 0 || v->offset % 8 != 0 || v->size / 8 < x->blob_min
        || x->n_blobs == ETF_MAX_BLOBS) {
        return false;
    }
    size_t n = v->size / 8;
    put_u8(e, ETF_EXT_BLOB);
    put_u8(e, (unsigned) x->n_blobs);
    put_u64(e, n);
    x->blobs[x->n_blobs++] = (struct etf_blob) { v->bytes + v->offset / 8, n };
    x->blob_bytes += n;
    return true;
}

/* Up to BITS_HEAP_MAX bytes, in whole words. */
static void put_heap_bytes(struct encoder *e, const uintptr_t *p)
{
    size_t n = p[HEAP_BITS_SIZE] / 8;
    room(e, 5 + BITS_HEAP_MAX + sizeof(*p));
    e->at[0] = ETF_BINARY;
    bytes_store_u32be(e->at + 1, (uint32_t) n);
    for (size_t i = 0; i < n; i += sizeof(*p)) {
        memcpy(e->at + 5 + i, (const uint8_t *) &p[HEAP_BITS_BYTES] + i, sizeof(*p));
    }
    e->at += 5 + n;
}

void etf_put_bits(struct encoder *e, term t)
{
    const uintptr_t *p = term_words(t);
    if (term_tag(t) == TAG_HEAP_BITS && p[HEAP_BITS_SIZE] % 8 == 0 && p[HEAP_BITS_SIZE] < e->inline_bits) {
        put_heap_bytes(e, p);
        return;
    }
    struct bits_view v = bits_view(t);
    size_t n = (v.size + 7) / 8;
    if (e->ext != NULL && put_blob(e, &v)) {
        return;
    }
    if ((v.size | v.offset) % 8 == 0 && n <= MAX_FIXED - 5) {
        room(e, 5 + n);
        e->at[0] = ETF_BINARY;
        bytes_store_u32be(e->at + 1, (uint32_t) n);
        memcpy(e->at + 5, v.bytes + v.offset / 8, n);
        e->at += 5 + n;
        return;
    }
    put_u8(e, v.size % 8 == 0 ? ETF_BINARY : ETF_BIT_BINARY);
    put_u32(e, n);
    if (v.size % 8 != 0) {
        put_u8(e, v.size % 8);
    }
    uint8_t *to = etf_encoder_bulk(e, n);
    if (to != NULL && n > 0) {
        if (v.size % 8 != 0) {
            to[n - 1] = 0;
        }
        bits_copy(to, 0, v.bytes, v.offset, v.size);
    }
}

void etf_put_pid(struct encoder *e, term t)
{
    bool local = term_is_local_pid(t);
    const uintptr_t *p = local ? NULL : term_words(t);
    put_u8(e, ETF_NEW_PID);
    etf_put_atom(e, local ? ATOM(nonode) : (term) { p[1] });
    put_u32(e, local ? term_pid_number(t) : p[3]);
    put_u32(e, local ? term_pid_serial(t) : p[4]);
    put_u32(e, local ? 0 : p[2]);
}

void etf_put_port(struct encoder *e, term t)
{
    bool local = term_is_local_port(t);
    const uintptr_t *p = local ? NULL : term_words(t);
    uint64_t number = local ? term_port_number(t) : p[3];
    bool wide = number >> 28 != 0;
    put_u8(e, wide ? ETF_V4_PORT : ETF_NEW_PORT);
    etf_put_atom(e, local ? ATOM(nonode) : (term) { p[1] });
    if (wide) {
        put_u64(e, number);
    } else {
        put_u32(e, number);
    }
    put_u32(e, local ? 0 : p[2]);
}

void etf_put_ref(struct encoder *e, term t)
{
    struct ref_numbers r = term_ref_numbers(t);
    put_u8(e, ETF_NEWER_REFERENCE);
    put_u16(e, r.n);
    etf_put_atom(e, r.node);
    put_u32(e, r.creation);
    for (size_t i = 0; i < r.n; i++) {
        put_u32(e, r.ids[i]);
    }
}

void etf_put_resource(struct encoder *e, term t)
{
    uint64_t handle = e->ext != NULL && e->ext->handle_of != NULL
                          ? e->ext->handle_of(e->ext->arg, term_words(t))
                          : 0;
    if (handle == 0) {
        etf_put_ref(e, t);
        return;
    }
    put_u8(e, ETF_EXT_RESOURCE);
    put_u64(e, handle);
}

void etf_put_export(struct encoder *e, term t)
{
    const struct export *x = term_export(t);
    put_u8(e, ETF_EXPORT);
    etf_put_atom(e, x->module);
    etf_put_atom(e, x->function);
    put_small(e, term_from_small(x->arity));
}

void etf_put_other_leaf(struct encoder *e, term t)
{
    if (term_is_atom(t)) {
        etf_put_atom(e, t);
    } else if (term_is_boxed(t)) {
        if (term_tag(t) == TAG_FLOAT) {
            etf_put_float(e, t);
        } else {
            etf_put_bits(e, t);
        }
    } else if (term_is_nil(t)) {
        put_u8(e, ETF_NIL);
    } else if (term_is_local_pid(t)) {
        etf_put_pid(e, t);
    } else {
        etf_put_port(e, t);
    }
}

/* ---- what etf_leaf.h does not write itself ---- */

static uint8_t *leaf_atom(uint8_t *at, const uint8_t *end, term t)
{
    enum { HEAD = 2 };
    struct atom_text text = atom_text(t);
    if (text.bytes > UINT8_MAX || end - at < HEAD + text.bytes) {
        return NULL;
    }
    at[0] = ETF_SMALL_ATOM_UTF8;
    at[1] = (uint8_t) text.bytes;
    memcpy(at + HEAD, text.utf8, text.bytes);
    return at + HEAD + text.bytes;
}

static uint8_t *leaf_float(uint8_t *at, const uint8_t *end, term t)
{
    double f = term_to_double(t);
    uint64_t bits;
    if (end - at < 1 + (ptrdiff_t) sizeof(bits)) {
        return NULL;
    }
    memcpy(&bits, &f, sizeof(bits));
    *at = ETF_NEW_FLOAT;
    return bytes_store_u64be(at + 1, bits);
}

static uint8_t *leaf_binary(uint8_t *at, const uint8_t *end, term t)
{
    enum { HEAD = 5 };
    struct bits_view v = bits_view(t);
    size_t n = v.size / 8;
    if ((v.size | v.offset) % 8 != 0 || n > BITS_HEAP_MAX || end - at < HEAD || (size_t) (end - at) - HEAD < n) {
        return NULL;
    }
    *at = ETF_BINARY;
    memcpy(bytes_store_u32be(at + 1, (uint32_t) n), v.bytes + v.offset / 8, n);
    return at + HEAD + n;
}

uint8_t *etf_leaf_put_other(uint8_t *at, const uint8_t *end, term t)
{
    if (term_is_atom(t)) {
        return leaf_atom(at, end, t);
    }
    if (!term_is_boxed(t) || !is_leaf(t)) {
        return NULL;
    }
    return term_tag(t) == TAG_FLOAT ? leaf_float(at, end, t) : leaf_binary(at, end, t);
}
