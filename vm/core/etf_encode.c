/* One walk into a buffer that grows. When only the size is wanted the buffer is a small one that is
 * emptied whenever it is full.
 */
#include <math.h>
#include <stdio.h>

#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"
#include "vm/core/compress.h"
#include "vm/core/etf.h"
#include "vm/core/etf_ext.h"
#include "vm/core/etf_leaf.h"
#include "vm/core/etf_tags.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"
#include "vm/core/ref.h"
#include "vm/core/worklist.h"

struct encoder {
    uint8_t *at, *end; /* where the next byte goes; end of the buffer */
    uint8_t *start;
    size_t counted; /* bytes before start: already dropped */
    enum { ENCODE_GROW, ENCODE_COUNT } mode;
    unsigned flags;
    bool failed; /* no memory, something has a size that the format cannot hold, or exceeded */
    bool exceeded; /* more than budget bytes: it was not to take that long */
    size_t budget; /* binaries apart */
    struct etf_encode_ext *ext; /* NULL: the public format */
    size_t inline_bits;         /* smaller ones are no blobs */
    const uint8_t *lent; /* the caller's first buffer, not to be freed; NULL: none */
    struct worklist w;
};

/* On the worklist: terms, and these with data below them. */
enum {
    MARK_TAIL = TERM_IMMED2_CATCH,                           /* what is left of a list */
    MARK_FUN_END = TERM_IMMED2_CATCH | 1 << TERM_ATOM_SHIFT, /* where a fun starts */
    MARK_ARRAY = TERM_IMMED2_CATCH | 2 << TERM_ATOM_SHIFT,   /* n, place: terms in a row */
};

enum {
    MAX_STRING = UINT16_MAX,
    MAX_FIXED = 2048, /* bytes any one put_ takes at most, bulk apart: no buffer is smaller */
    FIRST_BUFFER = 4096,
    SMALL_BUFFER = MAX_FIXED  /* on the stack: enough for most */
};

static size_t bytes_so_far(const struct encoder *e)
{
    return e->counted + (size_t) (e->at - e->start);
}

static __attribute__((noinline)) void grow(struct encoder *e, size_t n)
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

/* Makes room for n bytes, n <= MAX_FIXED, at e->at. */
static inline void room(struct encoder *e, size_t n)
{
    if (__builtin_expect((size_t) (e->end - e->at) < n, 0)) {
        grow(e, n);
    }
}

/* Room for any number of bytes, to be written at the returned place; NULL: only counted. */
static uint8_t *bulk(struct encoder *e, size_t n)
{
    if ((size_t) (e->end - e->at) < n) {
        grow(e, n);
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

static inline void put_u8(struct encoder *e, unsigned v)
{
    room(e, 1);
    *e->at++ = (uint8_t) v;
}

static inline void put_u16(struct encoder *e, unsigned v)
{
    room(e, 2);
    *e->at++ = (uint8_t) (v >> 8);
    *e->at++ = (uint8_t) v;
}

static inline void put_u32(struct encoder *e, size_t v)
{
    e->failed |= v > UINT32_MAX;
    room(e, 4);
    e->at = bytes_store_u32be(e->at, (uint32_t) v);
}

static void put_u64(struct encoder *e, uint64_t v)
{
    room(e, 8);
    e->at = bytes_store_u64be(e->at, v);
}

/* n <= MAX_FIXED */
static void put_bytes(struct encoder *e, const void *bytes, size_t n)
{
    room(e, n);
    memcpy(e->at, bytes, n);
    e->at += n;
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
static void put_atom(struct encoder *e, term atom)
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

static void put_big(struct encoder *e, term t)
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
    uint8_t *to = bulk(e, n);
    if (to != NULL) {
        integer_to_bytes_le(t, to, n);
    }
}

static void put_small(struct encoder *e, term t)
{
    room(e, ETF_LEAF_ROOM);
    e->at = etf_put_small(e->at, term_to_small(t));
}

static void put_float(struct encoder *e, term t)
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

static void put_bits(struct encoder *e, term t)
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
    uint8_t *to = bulk(e, n);
    if (to != NULL && n > 0) {
        if (v.size % 8 != 0) {
            to[n - 1] = 0;
        }
        bits_copy(to, 0, v.bytes, v.offset, v.size);
    }
}

static void put_pid(struct encoder *e, term t)
{
    bool local = term_is_local_pid(t);
    const uintptr_t *p = local ? NULL : term_words(t);
    put_u8(e, ETF_NEW_PID);
    put_atom(e, local ? ATOM(nonode) : (term) { p[1] });
    put_u32(e, local ? term_pid_number(t) : p[3]);
    put_u32(e, local ? term_pid_serial(t) : p[4]);
    put_u32(e, local ? 0 : p[2]);
}

static void put_port(struct encoder *e, term t)
{
    bool local = term_is_local_port(t);
    const uintptr_t *p = local ? NULL : term_words(t);
    uint64_t number = local ? term_port_number(t) : p[3];
    bool wide = number >> 28 != 0;
    put_u8(e, wide ? ETF_V4_PORT : ETF_NEW_PORT);
    put_atom(e, local ? ATOM(nonode) : (term) { p[1] });
    if (wide) {
        put_u64(e, number);
    } else {
        put_u32(e, number);
    }
    put_u32(e, local ? 0 : p[2]);
}

static void put_ref(struct encoder *e, term t)
{
    struct ref_numbers r = term_ref_numbers(t);
    put_u8(e, ETF_NEWER_REFERENCE);
    put_u16(e, r.n);
    put_atom(e, r.node);
    put_u32(e, r.creation);
    for (size_t i = 0; i < r.n; i++) {
        put_u32(e, r.ids[i]);
    }
}

static void put_resource(struct encoder *e, term t)
{
    uint64_t handle = e->ext != NULL && e->ext->handle_of != NULL
                          ? e->ext->handle_of(e->ext->arg, term_words(t))
                          : 0;
    if (handle == 0) {
        put_ref(e, t);
        return;
    }
    put_u8(e, ETF_EXT_RESOURCE);
    put_u64(e, handle);
}

static void push_marked(struct encoder *e, uintptr_t data, uintptr_t mark)
{
    uintptr_t *f = worklist_push_n(&e->w, 2);
    f[0] = data;
    f[1] = mark;
}

static void push_array(struct encoder *e, const term *terms, size_t n)
{
    if (n != 0) {
        uintptr_t *f = worklist_push_n(&e->w, 3);
        f[0] = (uintptr_t) terms;
        f[1] = n;
        f[2] = MARK_ARRAY;
    }
}

static void put_fun(struct encoder *e, term t)
{
    const struct fun_entry *f = term_fun_entry(t);
    put_u8(e, ETF_NEW_FUN);
    push_marked(e, bytes_so_far(e), MARK_FUN_END);
    put_u32(e, 0);
    put_u8(e, f->arity);
    put_bytes(e, f->uniq, sizeof(f->uniq));
    put_u32(e, f->index);
    put_u32(e, term_fun_n_free(t));
    put_atom(e, f->module);
    put_small(e, term_from_small(f->index));
    put_small(e, term_from_small(f->old_uniq));
    put_pid(e, (term) { term_words(t)[2] });
    push_array(e, term_fun_free_vars(t), term_fun_n_free(t));
}

static void put_export(struct encoder *e, term t)
{
    const struct export *x = term_export(t);
    put_u8(e, ETF_EXPORT);
    put_atom(e, x->module);
    put_atom(e, x->function);
    put_small(e, term_from_small(x->arity));
}

/* Has it no terms inside? Of boxed ones the usual: the rest may be treated as if they had. */
static inline bool is_leaf(term t)
{
    if (!term_is_boxed(t)) {
        return !term_is_cons(t);
    }
    enum term_tag tag = term_tag(t);
    return tag == TAG_HEAP_BITS || tag == TAG_FLOAT || tag == TAG_REFC_BITS || tag == TAG_SUB_BITS;
}

static void put_leaf(struct encoder *e, term t)
{
    if (term_is_small(t)) {
        put_small(e, t);
    } else if (term_is_atom(t)) {
        put_atom(e, t);
    } else if (term_is_boxed(t)) {
        if (term_tag(t) == TAG_FLOAT) {
            put_float(e, t);
        } else {
            put_bits(e, t);
        }
    } else if (term_is_nil(t)) {
        put_u8(e, ETF_NIL);
    } else if (term_is_local_pid(t)) {
        put_pid(e, t);
    } else {
        put_port(e, t);
    }
}

/* Up to the first term that is none; returns how many. */
static inline size_t put_leaves(struct encoder *e, const term *terms, size_t n)
{
    size_t i = 0;
    for (; i < n && is_leaf(terms[i]); i++) {
        put_leaf(e, terms[i]);
    }
    return i;
}

static void put_tuple(struct encoder *e, term t)
{
    size_t n = term_arity(t);
    if (n <= UINT8_MAX) {
        put_u8(e, ETF_SMALL_TUPLE);
        put_u8(e, (unsigned) n);
    } else {
        put_u8(e, ETF_LARGE_TUPLE);
        put_u32(e, n);
    }
    const term *terms = (const term *) &term_words(t)[1];
    size_t i = put_leaves(e, terms, n);
    if (n - i == 1) {
        worklist_push(&e->w, terms[i].word);
    } else {
        push_array(e, terms + i, n - i);
    }
}

static void put_map(struct encoder *e, term t)
{
    size_t n = map_size(t);
    put_u8(e, ETF_MAP);
    put_u32(e, n);
    /* Last pair first, each value below its key. */
    term *f = (term *) worklist_push_n(&e->w, 2 * n);
    struct map_iter it;
    map_iter_init_last(&it, t);
    for (size_t i = 0; i < n; i++) {
        VM_REQUIRE(map_iter_prev(&it, &f[2 * i + 1], &f[2 * i]));
    }
    if (n > MAP_FLAT_MAX && (e->flags & ETF_DETERMINISTIC) != 0 && e->mode == ENCODE_GROW) {
        term *kv = vm_alloc(2 * n * sizeof(*kv));
        for (size_t i = 0; i < 2 * n; i++) {
            kv[i] = f[2 * n - 1 - i];
        }
        map_sort_pairs(kv, n);
        for (size_t i = 0; i < 2 * n; i++) {
            f[i] = kv[2 * n - 1 - i];
        }
        vm_free(kv);
    }
}

static void put_boxed(struct encoder *e, term t)
{
    switch (term_tag(t)) {
    case TAG_TUPLE:
        put_tuple(e, t);
        break;
    case TAG_BIG_POS:
    case TAG_BIG_NEG:
        put_big(e, t);
        break;
    case TAG_FLOAT:
        put_float(e, t);
        break;
    case TAG_HEAP_BITS:
    case TAG_REFC_BITS:
    case TAG_SUB_BITS:
        put_bits(e, t);
        break;
    case TAG_FLATMAP:
    case TAG_HASHMAP:
        put_map(e, t);
        break;
    case TAG_FUN:
        put_fun(e, t);
        break;
    case TAG_EXPORT:
        put_export(e, t);
        break;
    case TAG_RESOURCE:
        put_resource(e, t);
        break;
    case TAG_REF:
    case TAG_EXT_REF:
        put_ref(e, t);
        break;
    case TAG_EXT_PID:
        put_pid(e, t);
        break;
    case TAG_EXT_PORT:
        put_port(e, t);
        break;
    case TAG_MATCH_CTX:
    case TAG_HAMT_NODE:
    case TAG_COUNT:
        VM_REQUIRE(!"no value");
    }
}

/* Small integers at the head of a list: position and room in registers. */
static term put_small_heads(struct encoder *e, term t)
{
    room(e, ETF_LEAF_ROOM);
    uint8_t *at = e->at, *last = e->end - ETF_LEAF_ROOM;
    while (term_is_cons(t) && at <= last) {
        term head = term_head(t);
        if (!term_is_small(head)) {
            break;
        }
        at = etf_put_small(at, term_to_small(head));
        t = term_tail(t);
    }
    e->at = at;
    return t;
}

/* Elements of a list up to the first that is no leaf; returns what is left. */
static term put_leaf_heads(struct encoder *e, term t)
{
    while (term_is_cons(t) && !e->failed) {
        term head = term_head(t);
        if (term_is_small(head)) {
            t = put_small_heads(e, t);
        } else if (is_leaf(head)) {
            put_leaf(e, head);
            t = term_tail(t);
        } else {
            break;
        }
    }
    return t;
}

static void put_string(struct encoder *e, term t, size_t n)
{
    put_u8(e, ETF_STRING);
    put_u16(e, (unsigned) n);
    uint8_t *to = bulk(e, n);
    for (; to != NULL && term_is_cons(t); t = term_tail(t)) {
        *to++ = (uint8_t) term_to_small(term_head(t));
    }
}

/* A list up to its first element that is no leaf; returns what is left. */
static term put_list_begin(struct encoder *e, term t)
{
    size_t n = 0;
    bool bytes = true;
    term at = t;
    for (; term_is_cons(at); at = term_tail(at), n++) {
        term head = term_head(at);
        bytes = bytes && term_is_small(head) && (uintptr_t) term_to_small(head) <= UINT8_MAX;
    }
    if (bytes && n <= MAX_STRING && term_is_nil(at)) {
        put_string(e, t, n);
        return TERM_NONE;
    }
    put_u8(e, ETF_LIST);
    put_u32(e, n);
    return put_leaf_heads(e, t);
}

static void push_tail(struct encoder *e, term t)
{
    if (term_is_cons(t)) {
        push_marked(e, t.word, MARK_TAIL);
    } else {
        worklist_push(&e->w, t.word);
    }
}

/* The beginning of a container, up to its first term that is one too. What is left is pushed. */
static void put_container(struct encoder *e, term t)
{
    if (!term_is_cons(t)) {
        put_boxed(e, t);
        return;
    }
    t = put_list_begin(e, t);
    if (term_is_nil(t)) {
        put_u8(e, ETF_NIL);
    } else if (!term_is_none(t)) {
        push_tail(e, t);
    }
}

/* Terms in a row up to one with more to it: the rest waits until that is done. */
static void put_array(struct encoder *e, const term *terms, size_t n)
{
    for (;;) {
        size_t i = put_leaves(e, terms, n), before = e->w.n;
        if (i == n || e->failed) {
            return;
        }
        terms += i + 1;
        n -= i + 1;
        push_array(e, terms, n);
        size_t mine = e->w.n;
        put_container(e, terms[-1]);
        if (e->w.n != mine) {
            return;
        }
        e->w.n = before; /* it was a short one */
    }
}

/* The same for the elements of a list. */
static void put_elements(struct encoder *e, term t)
{
    for (;;) {
        t = put_leaf_heads(e, t);
        if (!term_is_cons(t) || e->failed) {
            break;
        }
        size_t before = e->w.n;
        term head = term_head(t);
        t = term_tail(t);
        push_tail(e, t);
        size_t mine = e->w.n;
        put_container(e, head);
        if (e->w.n != mine) {
            return;
        }
        e->w.n = before;
    }
    worklist_push(&e->w, t.word);
}

static void encode(struct encoder *e, const term *terms, size_t n_terms)
{
    worklist_init(&e->w);
    put_u8(e, ETF_VERSION);
    put_array(e, terms, n_terms);
    while (!worklist_is_empty(&e->w) && !e->failed) {
        uintptr_t word = worklist_pop(&e->w);
        if (word == MARK_TAIL) {
            put_elements(e, (term) { worklist_pop(&e->w) });
        } else if (word == MARK_ARRAY) {
            size_t n = worklist_pop(&e->w);
            put_array(e, (const term *) worklist_pop(&e->w), n);
        } else if (word == MARK_FUN_END) {
            size_t start = worklist_pop(&e->w), n = bytes_so_far(e) - start;
            e->failed |= n > UINT32_MAX;
            if (e->mode == ENCODE_GROW) {
                bytes_store_u32be(e->start + start, (uint32_t) n);
            }
        } else if (is_leaf((term) { word })) {
            put_leaf(e, (term) { word });
        } else {
            put_container(e, (term) { word });
        }
    }
    worklist_destroy(&e->w);
}

/* Field by field: most terms are smaller than what need not be cleared. */
static void encoder_init(struct encoder *e, uint8_t *buffer, size_t n, unsigned flags)
{
    e->start = e->at = buffer;
    e->end = buffer + n;
    e->counted = 0;
    e->mode = ENCODE_GROW;
    e->flags = flags;
    e->failed = false;
    e->exceeded = false;
    e->budget = SIZE_MAX;
    e->ext = NULL;
    e->inline_bits = SIZE_MAX;
    e->lent = NULL;
}

size_t etf_encoded_size(term t, unsigned flags)
{
    uint8_t buffer[MAX_FIXED];
    struct encoder e;
    encoder_init(&e, buffer, sizeof(buffer), flags);
    e.mode = ENCODE_COUNT;
    encode(&e, &t, 1);
    return e.failed ? 0 : bytes_so_far(&e);
}

uint8_t *etf_encode_alloc(term t, unsigned flags, size_t *out_n)
{
    uint8_t *buffer = vm_try_alloc(FIRST_BUFFER);
    struct encoder e;
    if (buffer == NULL) {
        return NULL;
    }
    encoder_init(&e, buffer, FIRST_BUFFER, flags);
    encode(&e, &t, 1);
    if (e.failed) {
        vm_free(e.start);
        return NULL;
    }
    *out_n = bytes_so_far(&e);
    return e.start;
}

size_t etf_encode_ext(term t, struct etf_encode_ext *x, uint8_t **buffer, size_t *capacity)
{
    return etf_encode_ext_all(&t, 1, x, buffer, capacity);
}

size_t etf_encode_ext_all(const term *terms, size_t n, struct etf_encode_ext *x, uint8_t **buffer, size_t *capacity)
{
    if (*buffer == NULL) {
        *buffer = vm_try_alloc(FIRST_BUFFER);
        *capacity = *buffer != NULL ? FIRST_BUFFER : 0;
        if (*buffer == NULL) {
            return 0;
        }
    }
    struct encoder e;
    encoder_init(&e, *buffer, *capacity, ETF_MINOR_VERSION_2); /* atoms as they are: nothing to convert */
    e.ext = x;
    e.inline_bits = x->blob_min < SIZE_MAX / 8 ? x->blob_min * 8 : SIZE_MAX;
    x->n_blobs = 0;
    x->blob_bytes = 0;
    encode(&e, terms, n);
    *buffer = e.start;
    *capacity = (size_t) (e.end - e.start);
    return e.failed ? 0 : bytes_so_far(&e);
}

/* version, tag, size of the term without its version byte, deflated bytes */
enum { COMPRESSED_HEADER = 6 };

static term compress_encoded(struct heap *h, const uint8_t *plain, size_t size, int level)
{
    uint8_t *packed = vm_try_alloc(size);
    if (packed == NULL) {
        return TERM_NONE;
    }
    size_t n = size <= COMPRESSED_HEADER || size - 1 > UINT32_MAX
                   ? 0
                   : compress_deflate(packed + COMPRESSED_HEADER, size - COMPRESSED_HEADER, plain + 1,
                       size - 1, level);
    packed[0] = ETF_VERSION;
    packed[1] = ETF_COMPRESSED;
    bytes_store_u32be(packed + 2, (uint32_t) (size - 1));
    term t = n != 0 ? bits_from_bytes(h, packed, n + COMPRESSED_HEADER)
                    : bits_from_bytes(h, plain, size);
    vm_free(packed);
    return t;
}

term etf_encode(struct heap *h, term t, unsigned flags)
{
    bool exceeded;
    return etf_encode_within(h, t, flags, SIZE_MAX, &exceeded);
}

term etf_encode_within(struct heap *h, term t, unsigned flags, size_t budget, bool *out_exceeded)
{
    uint8_t small[SMALL_BUFFER];
    struct encoder e;
    int level = (int) (flags & ETF_COMPRESSED_LEVEL_MASK);
    encoder_init(&e, small, sizeof(small), flags);
    e.lent = small;
    e.budget = budget;
    encode(&e, &t, 1);
    *out_exceeded = e.exceeded;
    term bin = TERM_NONE;
    if (!e.failed) {
        size_t n = bytes_so_far(&e);
        bin = level != 0 ? compress_encoded(h, e.start, n, level) : bits_from_bytes(h, e.start, n);
    }
    if (e.start != small) {
        vm_free(e.start);
    }
    return bin;
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
