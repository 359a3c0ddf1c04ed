/* Containers, in one walk with an explicit stack; what is in them and no container itself: etf_encode_leaf.c. */
#include "vm/core/bits.h"
#include "vm/core/compress.h"
#include "vm/core/etf_encoder.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"

/* On the worklist: terms, and these with data below them. */
enum {
    MARK_TAIL = TERM_IMMED2_CATCH,                           /* what is left of a list */
    MARK_FUN_END = TERM_IMMED2_CATCH | 1 << TERM_ATOM_SHIFT, /* where a fun starts */
    MARK_ARRAY = TERM_IMMED2_CATCH | 2 << TERM_ATOM_SHIFT,   /* n, place: terms in a row */
};

enum {
    MAX_STRING = UINT16_MAX,
    FIRST_BUFFER = 4096,
    SMALL_BUFFER = MAX_FIXED, /* on the stack: enough for most */
};

static size_t bytes_so_far(const struct encoder *e)
{
    return e->counted + (size_t) (e->at - e->start);
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
    worklist_push_marked(&e->w, bytes_so_far(e), MARK_FUN_END);
    put_u32(e, 0);
    put_u8(e, f->arity);
    put_bytes(e, f->uniq, sizeof(f->uniq));
    put_u32(e, f->index);
    put_u32(e, term_fun_n_free(t));
    etf_put_atom(e, f->module);
    put_small(e, term_from_small(f->index));
    put_small(e, term_from_small(f->old_uniq));
    etf_put_pid(e, (term) { term_words(t)[2] });
    push_array(e, term_fun_free_vars(t), term_fun_n_free(t));
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
        etf_put_big(e, t);
        break;
    case TAG_FLOAT:
        etf_put_float(e, t);
        break;
    case TAG_HEAP_BITS:
    case TAG_REFC_BITS:
    case TAG_SUB_BITS:
        etf_put_bits(e, t);
        break;
    case TAG_FLATMAP:
    case TAG_HASHMAP:
        put_map(e, t);
        break;
    case TAG_FUN:
        put_fun(e, t);
        break;
    case TAG_EXPORT:
        etf_put_export(e, t);
        break;
    case TAG_RESOURCE:
        etf_put_resource(e, t);
        break;
    case TAG_REF:
    case TAG_EXT_REF:
        etf_put_ref(e, t);
        break;
    case TAG_EXT_PID:
        etf_put_pid(e, t);
        break;
    case TAG_EXT_PORT:
        etf_put_port(e, t);
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
    uint8_t *to = etf_encoder_bulk(e, n);
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
        worklist_push_marked(&e->w, t.word, MARK_TAIL);
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
