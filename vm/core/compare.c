/* Order: unlike equality (equal.c) it has to sort the keys of hash maps. What is left to do is in a worklist. */
#include "vm/core/compare.h"

#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"
#include "vm/core/ref.h"
#include "vm/core/worklist.h"

/* Number, atom, reference, fun, port, pid, tuple, map, nil, list, bitstring. */
enum rank {
    RANK_OF_NUMBER,
    RANK_OF_ATOM,
    RANK_OF_REF,
    RANK_OF_FUN,
    RANK_OF_PORT,
    RANK_OF_PID,
    RANK_OF_TUPLE,
    RANK_OF_MAP,
    RANK_OF_NIL,
    RANK_OF_LIST,
    RANK_OF_BITS,
};

static enum rank rank_of(term t)
{
    if (term_is_boxed(t)) {
        switch (term_tag(t)) {
        case TAG_TUPLE:
            return RANK_OF_TUPLE;
        case TAG_BIG_POS:
        case TAG_BIG_NEG:
        case TAG_FLOAT:
            return RANK_OF_NUMBER;
        case TAG_FUN:
        case TAG_EXPORT:
            return RANK_OF_FUN;
        case TAG_REF:
        case TAG_RESOURCE:
        case TAG_EXT_REF:
            return RANK_OF_REF;
        case TAG_HEAP_BITS:
        case TAG_REFC_BITS:
        case TAG_SUB_BITS:
            return RANK_OF_BITS;
        case TAG_FLATMAP:
        case TAG_HASHMAP:
            return RANK_OF_MAP;
        case TAG_EXT_PID:
            return RANK_OF_PID;
        case TAG_EXT_PORT:
            return RANK_OF_PORT;
        case TAG_MATCH_CTX:
        case TAG_HAMT_NODE:
        case TAG_COUNT:
            break;
        }
        VM_ASSERT(!"no value");
    }
    return term_is_small(t)       ? RANK_OF_NUMBER
           : term_is_atom(t)      ? RANK_OF_ATOM
           : term_is_cons(t)      ? RANK_OF_LIST
           : term_is_nil(t)       ? RANK_OF_NIL
           : term_is_local_pid(t) ? RANK_OF_PID
                                  : RANK_OF_PORT;
}

#define ORDER(x, y) (((x) > (y)) - ((x) < (y)))

/* A hash map pair being ordered: both maps' pairs sorted by key, first a's, then b's. */
struct pair {
    term key, value;
};
struct map_order {
    struct pair *side[2]; /* owned, n each */
    struct pair *spare;   /* owned, n: the merge's other buffer */
    size_t n;
    int sorting;       /* side being sorted; 2: both are */
    size_t width, low; /* merge sort: run length, start of the pair of runs */
    size_t i, j, k;    /* next of left run, of right run, next place in spare */
    bool exact;        /* how values compare */
};

enum frame_kind { FRAME_TERMS, FRAME_TERMS_EXACT, FRAME_MAP_ORDER };
enum { ORDER_FRAME_WORDS = 5 }; /* a, b, n, stride, kind */

struct order {
    struct worklist w;
    bool exact;
};

static void order_push(
    struct order *o, const void *a, const void *b, size_t n, size_t stride, enum frame_kind kind)
{
    if (n != 0) {
        uintptr_t *f = worklist_push_n(&o->w, ORDER_FRAME_WORDS);
        f[0] = (uintptr_t) a;
        f[1] = (uintptr_t) b;
        f[2] = n;
        f[3] = stride;
        f[4] = kind;
    }
}

static void order_push_terms(struct order *o, const void *a, const void *b, size_t n)
{
    order_push(o, a, b, n, 1, o->exact ? FRAME_TERMS_EXACT : FRAME_TERMS);
}

static int order_numbers(term a, term b, bool exact)
{
    if (term_is_small(a) && term_is_small(b)) {
        return ORDER((intptr_t) a.word, (intptr_t) b.word);
    }
    bool fa = term_is_float(a), fb = term_is_float(b);
    if (fa && fb) {
        return ORDER(term_to_double(a), term_to_double(b));
    }
    if (exact && fa != fb) {
        return fa ? 1 : -1;
    }
    return fa || fb ? arith_compare_numbers(a, b) : arith_compare_integers(a, b);
}

static int order_nodes(term node_a, uint32_t creation_a, term node_b, uint32_t creation_b)
{
    int diff = atom_compare(node_a, node_b);
    return diff != 0 ? diff : ORDER(creation_a, creation_b);
}

struct node_id {
    term node;
    uint32_t creation;
    uint64_t high, low;
};

static struct node_id pid_id(term t)
{
    if (term_is_local_pid(t)) {
        return (struct node_id) { ATOM(nonode), 0, term_pid_serial(t), term_pid_number(t) };
    }
    const uintptr_t *p = term_words(t);
    return (struct node_id) { { p[1] }, (uint32_t) p[2], p[4], p[3] };
}

static struct node_id port_id(term t)
{
    if (term_is_local_port(t)) {
        return (struct node_id) { ATOM(nonode), 0, 0, term_port_number(t) };
    }
    const uintptr_t *p = term_words(t);
    return (struct node_id) { { p[1] }, (uint32_t) p[2], 0, p[3] };
}

static int order_refs(term a, term b)
{
    if (term_is_local_ref(a) && term_is_local_ref(b)) {
        return ORDER(
            term_ref_id(a), term_ref_id(b)); /* an alias is the same reference without it */
    }
    struct ref_numbers ra = term_ref_numbers(a), rb = term_ref_numbers(b);
    int diff = order_nodes(ra.node, ra.creation, rb.node, rb.creation);
    for (size_t i = REF_MAX_NUMBERS; diff == 0 && i-- > 0;) {
        diff = ORDER(ra.ids[i], rb.ids[i]);
    }
    return diff;
}

static int order_funs(struct order *o, term a, term b)
{
    bool ea = term_has_tag(a, TAG_EXPORT), eb = term_has_tag(b, TAG_EXPORT);
    if (ea != eb) {
        return ea ? 1 : -1;
    }
    int diff;
    if (ea) {
        const struct export *x = term_export(a), *y = term_export(b);
        diff = atom_compare(x->module, y->module);
        diff = diff != 0 ? diff : atom_compare(x->function, y->function);
        return diff != 0 ? diff : ORDER(x->arity, y->arity);
    }
    const struct fun_entry *x = term_fun_entry(a), *y = term_fun_entry(b);
    if (x != y) {
        diff = atom_compare(x->module, y->module);
        diff = diff != 0 ? diff : ORDER(x->index, y->index);
        diff = diff != 0 ? diff : ORDER(x->old_uniq, y->old_uniq);
        diff = diff != 0 ? diff : ORDER(x->n_free, y->n_free);
        diff = diff != 0 ? diff : memcmp(x->uniq, y->uniq, sizeof(x->uniq));
        return diff != 0 ? diff : ORDER(x->arity, y->arity);
    }
    order_push_terms(o, term_fun_free_vars(a), term_fun_free_vars(b), term_fun_n_free(a));
    return 0;
}

static struct pair *pairs_of(term map, size_t n)
{
    struct pair *pairs = vm_alloc(n * sizeof(*pairs));
    struct map_iter it;
    map_iter_init(&it, map);
    for (size_t i = 0; i < n; i++) {
        VM_REQUIRE(map_iter_next(&it, &pairs[i].key, &pairs[i].value));
    }
    return pairs;
}

static void map_order_free(struct map_order *m)
{
    vm_free(m->side[0]);
    vm_free(m->side[1]);
    vm_free(m->spare);
    vm_free(m);
}

static int order_maps(struct order *o, term a, term b)
{
    size_t n = map_size(a);
    int diff = ORDER(n, map_size(b));
    if (diff != 0 || n == 0) {
        return diff;
    }
    if (n <= MAP_FLAT_MAX) {
        order_push_terms(o, map_flat_values(a), map_flat_values(b), n);
        if (!term_same(map_flat_keys(a), map_flat_keys(b))) {
            order_push(o, term_words(map_flat_keys(a)) + 1, term_words(map_flat_keys(b)) + 1, n, 1,
                FRAME_TERMS_EXACT);
        }
        return 0;
    }
    struct map_order *m = vm_zalloc(sizeof(*m));
    m->n = n;
    m->side[0] = pairs_of(a, n);
    m->side[1] = pairs_of(b, n);
    m->spare = vm_alloc(n * sizeof(*m->spare));
    m->exact = o->exact;
    m->width = 1;
    m->j = 1;
    order_push(o, m, NULL, 1, 0, FRAME_MAP_ORDER);
    return 0;
}

/* Merges up to the next comparison it needs, or to the end of both sorts (false). */
static bool map_order_step(struct map_order *m, term *a, term *b)
{
    while (m->sorting < 2) {
        struct pair *from = m->side[m->sorting];
        size_t mid = m->low + m->width < m->n ? m->low + m->width : m->n;
        size_t high = mid + m->width < m->n ? mid + m->width : m->n;
        if (m->i < mid && m->j < high) {
            *a = from[m->i].key;
            *b = from[m->j].key;
            return true;
        }
        while (m->i < mid) {
            m->spare[m->k++] = from[m->i++];
        }
        while (m->j < high) {
            m->spare[m->k++] = from[m->j++];
        }
        m->low = high;
        if (m->low >= m->n) { /* one pass done: the buffers change places */
            m->side[m->sorting] = m->spare;
            m->spare = from;
            m->width *= 2;
            m->low = m->k = 0;
            if (m->width >= m->n) {
                m->sorting++;
                m->width = 1;
            }
        }
        m->i = m->low;
        m->j = m->low + m->width;
        m->k = m->low;
    }
    return false;
}

static void map_order_take(struct map_order *m, int diff)
{
    struct pair *from = m->side[m->sorting];
    m->spare[m->k++] = diff <= 0 ? from[m->i++] : from[m->j++];
}

/* Two small integers, or two atoms? Then they are quickly told apart. pre: not the same word */
static inline bool order_quickly(term a, term b, int *out)
{
    if (term_is_small(a) && term_is_small(b)) {
        *out = ORDER((intptr_t) a.word, (intptr_t) b.word);
        return true;
    }
    if (term_is_atom(a) && term_is_atom(b)) {
        *out = atom_compare(a, b);
        return true;
    }
    return false;
}

/* The first place where n words in a row differ: its order is out, or it becomes *a and *b and what
 * follows is pushed. true: out is the answer. */
static bool order_words(
    struct order *o, const uintptr_t *pa, const uintptr_t *pb, size_t n, term *a, term *b, int *out)
{
    size_t i = 0;
    while (i < n && pa[i] == pb[i]) {
        i++;
    }
    *out = 0;
    if (i == n) {
        return true;
    }
    *a = (term) { pa[i] };
    *b = (term) { pb[i] };
    if (order_quickly(*a, *b, out)) {
        return true;
    }
    order_push_terms(o, pa + i + 1, pb + i + 1, n - i - 1);
    return false;
}

/* Order of two terms as far as it shows without looking inside; what is inside is pushed. */
static int order_pair(struct order *o, term a, term b)
{
    int diff;
    for (;;) {
        if (term_same(a, b)) {
            return 0;
        }
        if (order_quickly(a, b, &diff)) {
            return diff;
        }
        if (term_is_cons(a) && term_is_cons(b)) {
            const uintptr_t *pa = term_words(a), *pb = term_words(b);
            if (pa[0] == pb[0]) {
                a = (term) { pa[1] };
                b = (term) { pb[1] };
            } else if (order_words(o, pa, pb, 2, &a, &b, &diff)) {
                return diff;
            }
        } else if (term_is_tuple(a) && term_is_tuple(b)) {
            size_t n = term_arity(a);
            if (n != term_arity(b)) {
                return ORDER(n, term_arity(b));
            }
            if (order_words(o, term_words(a) + 1, term_words(b) + 1, n, &a, &b, &diff)) {
                return diff;
            }
        } else {
            break;
        }
    }
    enum rank ra = rank_of(a), rb = rank_of(b);
    if (ra != rb) {
        return ra < rb ? -1 : 1;
    }
    switch (ra) {
    case RANK_OF_NUMBER:
        return order_numbers(a, b, o->exact);
    case RANK_OF_REF:
        return order_refs(a, b);
    case RANK_OF_FUN:
        return order_funs(o, a, b);
    case RANK_OF_PORT: {
        struct node_id x = port_id(a), y = port_id(b);
        diff = order_nodes(x.node, x.creation, y.node, y.creation);
        return diff != 0 ? diff : ORDER(x.low, y.low);
    }
    case RANK_OF_PID: {
        struct node_id x = pid_id(a), y = pid_id(b);
        diff = ORDER(x.high, y.high);
        diff = diff != 0 ? diff : ORDER(x.low, y.low);
        return diff != 0 ? diff : order_nodes(x.node, x.creation, y.node, y.creation);
    }
    case RANK_OF_MAP:
        return order_maps(o, a, b);
    case RANK_OF_BITS: {
        struct bits_view x = bits_view(a), y = bits_view(b);
        return bits_compare(x.bytes, x.offset, x.size, y.bytes, y.offset, y.size);
    }
    case RANK_OF_ATOM:
    case RANK_OF_TUPLE:
    case RANK_OF_NIL:
    case RANK_OF_LIST:
        break; /* done above; there is one nil */
    }
    return 0;
}

/* Drops frames up to a sort that wants to know diff; true if there is one. */
static bool order_unwind(struct order *o, int diff)
{
    while (!worklist_is_empty(&o->w)) {
        uintptr_t *f = o->w.words + o->w.n - ORDER_FRAME_WORDS;
        if (f[4] == FRAME_MAP_ORDER) {
            struct map_order *m = (struct map_order *) f[0];
            if (m->sorting < 2) {
                map_order_take(m, diff);
                return true;
            }
            map_order_free(m);
        }
        o->w.n -= ORDER_FRAME_WORDS;
    }
    return false;
}

/* The next two terms to compare; false if nothing is left. */
static bool order_next(struct order *o, term *a, term *b)
{
    while (!worklist_is_empty(&o->w)) {
        uintptr_t *f = o->w.words + o->w.n - ORDER_FRAME_WORDS;
        if (f[4] != FRAME_MAP_ORDER) {
            const uintptr_t *pa = (const uintptr_t *) f[0], *pb = (const uintptr_t *) f[1];
            o->exact = f[4] == FRAME_TERMS_EXACT;
            *a = (term) { *pa };
            *b = (term) { *pb };
            f[0] = (uintptr_t) (pa + f[3]);
            f[1] = (uintptr_t) (pb + f[3]);
            if (--f[2] == 0) {
                o->w.n -= ORDER_FRAME_WORDS;
            }
            return true;
        }
        struct map_order *m = (struct map_order *) f[0];
        if (m->sorting == 2) { /* keys and values were equal */
            map_order_free(m);
            o->w.n -= ORDER_FRAME_WORDS;
        } else if (map_order_step(m, a, b)) {
            o->exact = true;
            return true;
        } else {
            order_push(o, &m->side[0][0].value, &m->side[1][0].value, m->n, 2,
                m->exact ? FRAME_TERMS_EXACT : FRAME_TERMS);
            order_push(o, &m->side[0][0].key, &m->side[1][0].key, m->n, 2, FRAME_TERMS_EXACT);
        }
    }
    return false;
}

/* A sort hears of equal keys only when its two keys were compared to the end: the frame on top
 * is then the sort itself. */
static __attribute__((unused)) bool order_sort_waits(const struct order *o)
{
    if (worklist_is_empty(&o->w)) {
        return false;
    }
    const uintptr_t *f = o->w.words + o->w.n - ORDER_FRAME_WORDS;
    return f[4] == FRAME_MAP_ORDER && ((const struct map_order *) f[0])->sorting < 2;
}

static int order(term a, term b, bool exact)
{
    struct order o;
    worklist_init(&o.w);
    o.exact = exact;
    int diff = order_pair(&o, a, b);
    for (;;) {
        if (diff != 0) {
            if (!order_unwind(&o, diff)) {
                break;
            }
        }
        if (!order_next(&o, &a, &b)) {
            diff = 0;
            break;
        }
        size_t before = o.w.n;
        diff = order_pair(&o, a, b);
        /* Two keys of one map are never equal, so a sort needs no word of equality. */
        VM_ASSERT(diff != 0 || o.w.n != before || !order_sort_waits(&o));
    }
    worklist_destroy(&o.w);
    return diff;
}

static inline int order_or_quickly(term a, term b, bool exact)
{
    int diff = 0;
    return term_same(a, b) || order_quickly(a, b, &diff) ? diff : order(a, b, exact);
}

int term_compare(term a, term b)
{
    return order_or_quickly(a, b, false);
}

int term_compare_exact(term a, term b)
{
    return order_or_quickly(a, b, true);
}
