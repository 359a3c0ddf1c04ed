/* One pass, one explicit stack. A container is allocated when its tag is read and its places are
 * filled as their terms arrive: leaves at once, in a row; from the first term with more to it on, what is left
 * waits on the stack. Every term takes at least one byte, so a container of n places is
 * refused when the bytes left cannot cover n and all that outer containers still wait for: what is
 * allocated stays in proportion to the input.
 */
#include <math.h>

#include "vm/core/bits.h"
#include "vm/core/compress.h"
#include "vm/core/etf_decoder.h"
#include "vm/core/etf_leaf.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"

/* Frames: FRAME_FILL place, n, stride: decode n terms to place, place + stride, ...
 *         FRAME_MAP  place, pairs (owned), n: make a map of the pairs and put it there */
enum frame_kind { FRAME_FILL, FRAME_MAP };
enum { FRAME_WORDS = 4, MAX_FUN_ARGS = 255 /* with free variables */ };

static void push_frame(
    struct decoder *d, uintptr_t a, uintptr_t b, uintptr_t c, enum frame_kind kind)
{
    uintptr_t *f = worklist_push_n(&d->w, FRAME_WORDS);
    f[0] = a;
    f[1] = b;
    f[2] = c;
    f[3] = kind;
}

static void expect(struct decoder *d, uintptr_t *place, size_t n, size_t stride)
{
    if (n != 0) {
        push_frame(d, (uintptr_t) place, n, stride, FRAME_FILL);
        d->owed += n;
    }
}

/* The same for what is read next of all: a single term takes no frame. */
static void expect_next(struct decoder *d, uintptr_t *place, size_t n, size_t stride)
{
    if (n == 1) {
        d->next = place;
    } else {
        expect(d, place, n, stride);
    }
}

/* May n more terms follow? */
static bool can_owe(const struct decoder *d, size_t n)
{
    size_t left = bytes_left(&d->in);
    return n <= left && d->owed <= left - n;
}

/* Words for a container; NULL if there is no memory. */
static uintptr_t *words_new(struct decoder *d, size_t n)
{
    d->no_memory = n > HEAP_SURE_WORDS && !heap_can_alloc(d->h, n);
    return d->no_memory ? NULL : heap_alloc(d->h, n);
}

/* Places that are filled later. */
static void clear(uintptr_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = TERM_NIL.word;
    }
}

static term read_fun(struct decoder *d)
{
    uint8_t uniq[16];
    int64_t old_index, old_uniq;
    bytes_u32be(&d->in); /* size: only for those who skip funs */
    uint8_t arity = bytes_u8(&d->in);
    bytes_take(&d->in, uniq, sizeof(uniq));
    uint32_t index = bytes_u32be(&d->in);
    size_t n_free = bytes_u32be(&d->in);
    term module = etf_read_atom(d);
    if (arity + n_free > MAX_FUN_ARGS || term_is_none(module) || !etf_read_int32(d, &old_index)
        || !etf_read_int32(d, &old_uniq)) {
        return TERM_NONE;
    }
    uint8_t tag = bytes_u8(&d->in);
    if (tag != ETF_PID && tag != ETF_NEW_PID) {
        return TERM_NONE;
    }
    term pid = etf_read_pid(d, tag);
    uintptr_t *p =
        term_is_none(pid) || !can_owe(d, n_free) ? NULL : words_new(d, HEAP_FUN_WORDS(n_free));
    if (p == NULL) {
        return TERM_NONE;
    }
    p[0] = TERM_HEADER(TAG_FUN, n_free + 2);
    p[1] = (uintptr_t) fun_entry_get(
        module, index, uniq, (uint32_t) old_uniq, arity, (uint32_t) n_free, TERM_NONE);
    p[2] = pid.word;
    clear(p + 3, n_free);
    expect(d, p + 3, n_free, 1);
    return term_from_boxed_ptr(p);
}

/* ---- leaves: the terms that most others are made of, in a row ----
 *
 * Each reads the term at `at` into *place and says where the next one is. NULL: it is none of these, or not good, and
 * nothing was read: then read_term() says. The position is an argument because it changes with every term: in the reader
 * it would go through memory each time. */

static const uint8_t *leaf_big(const uint8_t *at, const uint8_t *end, uintptr_t *place)
{
    enum { HEAD = 3 }; /* tag, bytes, sign */
    uint64_t magnitude = 0;
    if (end - at < HEAD || at[1] > sizeof(magnitude) || end - at < HEAD + at[1]) {
        return NULL;
    }
    memcpy(&magnitude, at + HEAD, at[1]); /* little-endian, as they are */
    if (magnitude > INT64_MAX) {
        return NULL;
    }
    intptr_t value = at[2] != 0 ? -(intptr_t) magnitude : (intptr_t) magnitude;
    if (!intptr_fits_small(value)) {
        return NULL;
    }
    *place = term_from_small(value).word;
    return at + HEAD + at[1];
}

static const uint8_t *leaf_predefined(const uint8_t *at, const uint8_t *end, uintptr_t *place)
{
    uint32_t index = end - at < 3 ? UINT32_MAX : (uint32_t) at[1] << 8 | at[2];
    if (index >= ATOM_N_PREDEFINED) {
        return NULL;
    }
    *place = term_from_atom_index(index).word;
    return at + 3;
}

static bool is_ascii(const uint8_t *text, size_t n)
{
    uint8_t all = 0;
    for (size_t i = 0; i < n; i++) {
        all |= text[i];
    }
    return all < 0x80;
}

/* Latin-1 that is ASCII is UTF-8. */
static const uint8_t *leaf_atom(struct decoder *d, const uint8_t *at, const uint8_t *end, uintptr_t *place)
{
    const uint8_t *text = at + (*at == ETF_SMALL_ATOM_UTF8 ? 2 : 3);
    if (end < text) {
        return NULL;
    }
    size_t n = *at == ETF_SMALL_ATOM_UTF8 ? at[1] : (size_t) at[1] << 8 | at[2];
    if ((size_t) (end - text) < n || (*at == ETF_ATOM && !is_ascii(text, n))) {
        return NULL;
    }
    term t = etf_atom_of(d, text, n, false);
    *place = t.word;
    return term_is_none(t) ? NULL : text + n;
}

static const uint8_t *leaf_binary(struct decoder *d, const uint8_t *at, const uint8_t *end, uintptr_t *place)
{
    enum { HEAD = 5 };
    size_t n = end - at < HEAD ? SIZE_MAX : bytes_load_u32be(at + 1);
    if (n > BITS_HEAP_MAX || (size_t) (end - at) < HEAD + n) {
        return NULL;
    }
    *place = bits_from_bytes(d->h, at + HEAD, n).word;
    return at + HEAD + n;
}

static const uint8_t *leaf_float(struct decoder *d, const uint8_t *at, const uint8_t *end, uintptr_t *place)
{
    enum { BYTES = 9 };
    double f;
    if (end - at < BYTES) {
        return NULL;
    }
    uint64_t bits = bytes_load_u64be(at + 1);
    memcpy(&f, &bits, sizeof(f));
    if (!isfinite(f)) {
        return NULL;
    }
    *place = heap_float(d->h, f).word;
    return at + BYTES;
}

ALWAYS_INLINE const uint8_t *read_leaf(
    struct decoder *d, const uint8_t *at, const uint8_t *end, uintptr_t *place)
{
    if (end - at < 2) {
        *place = TERM_NIL.word;
        return at < end && *at == ETF_NIL ? at + 1 : NULL;
    }
    switch (*at) {
    case ETF_SMALL_INTEGER:
        *place = term_from_small(at[1]).word;
        return at + 2;
    case ETF_INTEGER:
        if (end - at < 5) {
            return NULL;
        }
        *place = term_from_small((int32_t) bytes_load_u32be(at + 1)).word;
        return at + 5;
    case ETF_NIL:
        *place = TERM_NIL.word;
        return at + 1;
    case ETF_EXT_ATOM:
        return d->ext != NULL ? leaf_predefined(at, end, place) : NULL;
    case ETF_SMALL_BIG:
        return leaf_big(at, end, place);
    case ETF_ATOM:
    case ETF_ATOM_UTF8:
    case ETF_SMALL_ATOM_UTF8:
        return leaf_atom(d, at, end, place);
    case ETF_BINARY:
        return leaf_binary(d, at, end, place);
    case ETF_NEW_FLOAT:
        return leaf_float(d, at, end, place);
    default:
        return NULL;
    }
}

/* Leaves to n places in a row; returns how many. */
ALWAYS_INLINE size_t read_leaves(struct decoder *d, uintptr_t *place, size_t n, size_t stride)
{
    const uint8_t *at = d->in.at, *end = d->in.end, *next;
    size_t i = 0;
    for (; i < n && (next = read_leaf(d, at, end, place)) != NULL; i++) {
        at = next;
        place += stride;
    }
    d->in.at = at;
    return i;
}

static size_t read_heads(struct decoder *d, uintptr_t *cells, size_t n)
{
    const uint8_t *at = d->in.at, *end = d->in.end, *next;
    size_t i = 0;
    for (; i < n && (next = read_leaf(d, at, end, cells)) != NULL; i++) {
        at = next;
        cells[1] = term_from_list_ptr(cells + 2).word;
        cells += 2;
    }
    d->in.at = at;
    return i;
}

static term read_tuple(struct decoder *d, size_t n)
{
    uintptr_t *p = can_owe(d, n) ? words_new(d, HEAP_TUPLE_WORDS(n)) : NULL;
    if (p == NULL) {
        return TERM_NONE;
    }
    p[0] = TERM_HEADER(TAG_TUPLE, n);
    size_t i = read_leaves(d, p + 1, n, 1);
    clear(p + 1 + i, n - i);
    expect_next(d, p + 1 + i, n - i, 1);
    return term_from_boxed_ptr(p);
}

static term read_list(struct decoder *d, uintptr_t *place)
{
    size_t n = bytes_u32be(&d->in);
    if (n == 0) { /* its tail is all there is */
        uintptr_t tail = TERM_NIL.word;
        d->next = read_leaves(d, &tail, 1, 1) == 1 ? NULL : place;
        return (term) { tail };
    }
    uintptr_t *p = can_owe(d, n + 1) ? words_new(d, HEAP_CONS_WORDS * n) : NULL;
    if (p == NULL) {
        return TERM_NONE;
    }
    uintptr_t *last = &p[2 * n - 1];
    size_t i = read_heads(d, p, n);
    if (i == n && read_leaves(d, last, 1, 1) == 1) {
        return term_from_list_ptr(p);
    }
    for (size_t k = i; k < n; k++) {
        p[2 * k] = TERM_NIL.word;
        p[2 * k + 1] = term_from_list_ptr(&p[2 * k + 2]).word;
    }
    *last = TERM_NIL.word;
    if (i == n) {
        d->next = last;
    } else {
        expect(d, last, 1, 1);
        expect_next(d, p + 2 * i, n - i, 2);
    }
    return term_from_list_ptr(p);
}

static term read_string(struct decoder *d)
{
    size_t n = bytes_u16be(&d->in);
    const uint8_t *text = bytes_in_place(&d->in, n);
    if (text == NULL || n == 0) {
        return text == NULL ? TERM_NONE : TERM_NIL;
    }
    uintptr_t *p = words_new(d, HEAP_CONS_WORDS * n);
    if (p == NULL) {
        return TERM_NONE;
    }
    for (size_t i = 0; i < n; i++) {
        p[2 * i] = term_from_small(text[i]).word;
        p[2 * i + 1] = term_from_list_ptr(&p[2 * i + 2]).word;
    }
    p[2 * n - 1] = TERM_NIL.word;
    return term_from_list_ptr(p);
}

static term read_map(struct decoder *d, uintptr_t *place)
{
    size_t n = bytes_u32be(&d->in);
    if (n == 0 || !can_owe(d, 2 * n)) {
        return n == 0 && !d->in.bad ? map_empty(d->h) : TERM_NONE;
    }
    term *pairs = vm_try_alloc(2 * n * sizeof(*pairs));
    if (pairs == NULL) {
        d->no_memory = true;
        return TERM_NONE;
    }
    push_frame(d, (uintptr_t) place, (uintptr_t) pairs, n, FRAME_MAP);
    expect(d, (uintptr_t *) pairs, 2 * n, 1);
    return TERM_NIL;
}

/* One term that read_leaf() has refused, without its inner ones, which are then expected. TERM_NONE: no term. */
static term read_term(struct decoder *d, uintptr_t *place)
{
    uint8_t tag = bytes_u8(&d->in);
    switch (tag) {
    case ETF_SMALL_BIG:
        return etf_read_big(d, bytes_u8(&d->in));
    case ETF_LARGE_BIG:
        return etf_read_big(d, bytes_u32be(&d->in));
    case ETF_FLOAT:
        return etf_read_float_text(d);
    case ETF_ATOM:
    case ETF_SMALL_ATOM:
    case ETF_ATOM_UTF8:
    case ETF_SMALL_ATOM_UTF8:
    case ETF_EXT_ATOM:
        return etf_read_atom_of_tag(d, tag);
    case ETF_BINARY:
        return etf_read_binary(d);
    case ETF_BIT_BINARY:
        return etf_read_bit_binary(d);
    case ETF_STRING:
        return read_string(d);
    case ETF_LIST:
        return read_list(d, place);
    case ETF_SMALL_TUPLE:
        return read_tuple(d, bytes_u8(&d->in));
    case ETF_LARGE_TUPLE:
        return read_tuple(d, bytes_u32be(&d->in));
    case ETF_MAP:
        return read_map(d, place);
    case ETF_PID:
    case ETF_NEW_PID:
        return etf_read_pid(d, tag);
    case ETF_PORT:
    case ETF_NEW_PORT:
    case ETF_V4_PORT:
        return etf_read_port(d, tag);
    case ETF_REFERENCE:
    case ETF_NEW_REFERENCE:
    case ETF_NEWER_REFERENCE:
        return etf_read_ref(d, tag);
    case ETF_NEW_FUN:
        return read_fun(d);
    case ETF_EXPORT:
        return etf_read_export(d);
    case ETF_EXT_BLOB:
        return etf_read_blob(d);
    case ETF_EXT_RESOURCE:
        return etf_read_resource(d);
    default:
        return TERM_NONE;
    }
}

static bool finish_map(struct decoder *d, uintptr_t *place, term *pairs, size_t n)
{
    term map = map_from_pairs(d->h, pairs, n);
    vm_free(pairs);
    *place = map.word;
    return map_size(map) == n; /* no key twice */
}

/* Terms to places in a row, up to one that waits for others first. */
static bool fill(struct decoder *d, uintptr_t *f)
{
    uintptr_t *place = (uintptr_t *) f[0];
    size_t n = f[1], stride = f[2], done = read_leaves(d, place, n, stride);
    place += done * stride;
    n -= done;
    d->owed -= done;
    if (n <= 1) { /* so that long lists of lists by their tails take no stack */
        d->w.n -= FRAME_WORDS;
    } else {
        f[0] = (uintptr_t) (place + stride);
        f[1] = n - 1;
    }
    d->owed -= n > 0;
    while (n > 0 && place != NULL) {
        d->next = NULL;
        term t = read_term(d, place);
        *place = t.word;
        if (term_is_none(t) || d->in.bad || d->h->over_limit) {
            return false;
        }
        place = d->next;
    }
    return !d->h->over_limit; /* over_limit: the process is to end; do not go on to fill memory */
}

static bool step(struct decoder *d)
{
    uintptr_t *f = d->w.words + d->w.n - FRAME_WORDS;
    if (f[3] == FRAME_FILL) {
        return fill(d, f);
    }
    term *pairs = (term *) f[1];
    size_t n = f[2];
    d->w.n -= FRAME_WORDS;
    return finish_map(d, (uintptr_t *) f[0], pairs, n);
}

static bool decode_all(struct decoder *d, term *out, size_t n)
{
    bool good = true;
    worklist_init(&d->w);
    d->owed = 0;
    d->next = NULL;
    d->no_memory = false;
    expect(d, &out->word, n, 1);
    while (good && !worklist_is_empty(&d->w)) {
        good = step(d);
    }
    for (; !worklist_is_empty(&d->w); d->w.n -= FRAME_WORDS) {
        const uintptr_t *f = d->w.words + d->w.n - FRAME_WORDS;
        if (f[3] == FRAME_MAP) {
            vm_free((void *) f[1]);
        }
    }
    worklist_destroy(&d->w);
    return good;
}

static term decode(struct decoder *d)
{
    term t;
    return decode_all(d, &t, 1) ? t : TERM_NONE;
}

term etf_decode(struct heap *h, const uint8_t *bytes, size_t n, unsigned flags, size_t *out_used)
{
    struct decoder d = { .h = h, .in = { .at = bytes, .end = bytes + n }, .flags = flags };
    term t = TERM_NONE;
    if (out_used != NULL) {
        *out_used = n;
    }
    if (bytes_u8(&d.in) != ETF_VERSION) {
        return TERM_NONE;
    }
    if (bytes_left(&d.in) > 5 && *d.in.at == ETF_COMPRESSED) {
        struct bytes_reader outer = d.in;
        bytes_u8(&outer);
        size_t declared = bytes_u32be(&outer), n_plain, used;
        uint8_t *plain = compress_inflate(outer.at, bytes_left(&outer), COMPRESS_ZLIB, declared, declared, &n_plain, &used);
        outer.at += used;
        if (plain != NULL && n_plain == declared) {
            d.in = (struct bytes_reader) { .at = plain, .end = plain + declared };
            t = decode(&d);
        }
        vm_free(plain);
        d.in = outer;
    } else {
        t = decode(&d);
    }
    if (out_used != NULL) {
        *out_used = term_is_none(t) && (d.no_memory || h->over_limit) ? 0 : n - bytes_left(&d.in);
    }
    return t;
}

term etf_decode_ext(
    struct heap *h, const uint8_t *bytes, size_t n, unsigned flags, struct etf_decode_ext *x)
{
    term t;
    return etf_decode_ext_all(h, bytes, n, flags, x, &t, 1) ? t : TERM_NONE;
}

bool etf_decode_ext_all(struct heap *h, const uint8_t *bytes, size_t n, unsigned flags, struct etf_decode_ext *x, term *out,
    size_t n_terms)
{
    struct decoder d;
    d.h = h;
    d.in = (struct bytes_reader) { .at = bytes, .end = bytes + n };
    d.flags = flags;
    d.ext = x;
    d.blobs_used = 0;
    x->no_memory = false;
    if (x->n_blobs > ETF_MAX_BLOBS || bytes_u8(&d.in) != ETF_VERSION) {
        return false;
    }
    bool good = decode_all(&d, out, n_terms);
    x->no_memory = !good && (d.no_memory || h->over_limit);
    bool all_blobs = x->n_blobs == 0 || d.blobs_used == UINT64_MAX >> (64 - x->n_blobs);
    return good && all_blobs && bytes_left(&d.in) == 0;
}

/* What etf_leaf.h does not read itself. */
const uint8_t *etf_leaf_get_other(struct heap *h, const uint8_t *at, const uint8_t *end, term *out)
{
    struct decoder d;
    d.h = h;
    d.flags = 0;
    d.ext = NULL;
    return read_leaf(&d, at, end, &out->word);
}
