#include "vm/core/map_internal.h"

#include "vm/core/compare.h"

/* Recursion here goes from node to node, at most HAMT_LEVELS deep, never into keys or values. */

static inline unsigned slot_at(uint64_t hash, unsigned level)
{
    return hash >> (64 - HAMT_BITS * (level + 1)) & (HAMT_WIDTH - 1);
}

static inline uint32_t bitmap_of(const uintptr_t *node)
{
    return (uint32_t) (node[1] >> TERM_SMALL_SHIFT);
}

/* How many children stand before bit's. Spelled out: the baseline x86-64 has no instruction to
 * count bits, and the compiler's substitute is a call. */
static inline size_t place_of(uint32_t bitmap, uint32_t bit)
{
    uint32_t x = bitmap & (bit - 1);
    x -= x >> 1 & 0x5555;
    x = (x & 0x3333) + (x >> 2 & 0x3333);
    x = (x + (x >> 4)) & 0x0F0F;
    return (x + (x >> 8)) & 0x1F;
}

/* Room for n children; the caller fills them in. */
static term *node_new(struct heap *h, uint32_t bitmap, size_t n, term *out)
{
    uintptr_t *p = heap_alloc(h, n + 2);
    p[0] = TERM_HEADER(TAG_HAMT_NODE, n + 1);
    p[1] = term_from_small(bitmap).word;
    *out = term_from_boxed_ptr(p);
    return (term *) &p[2];
}

static term node_with(struct heap *h, term node, size_t place, term child)
{
    size_t n = hamt_n_children(node);
    term made;
    term *to = node_new(h, bitmap_of(term_words(node)), n, &made);
    memcpy(to, hamt_children(node), n * sizeof(*to));
    to[place] = child;
    return made;
}

static term node_insert(struct heap *h, term node, uint32_t bit, size_t place, term child)
{
    size_t n = hamt_n_children(node);
    const term *from = hamt_children(node);
    term made;
    term *to = node_new(h, bitmap_of(term_words(node)) | bit, n + 1, &made);
    memcpy(to, from, place * sizeof(*to));
    to[place] = child;
    memcpy(to + place + 1, from + place, (n - place) * sizeof(*to));
    return made;
}

static term node_delete(struct heap *h, term node, uint32_t bit, size_t place)
{
    size_t n = hamt_n_children(node);
    const term *from = hamt_children(node);
    term made;
    term *to = node_new(h, bitmap_of(term_words(node)) & ~bit, n - 1, &made);
    memcpy(to, from, place * sizeof(*to));
    memcpy(to + place, from + place + 1, (n - place - 1) * sizeof(*to));
    return made;
}

/* Two leaves with different keys that share their slots down to this level. */
static term node_of_two(
    struct heap *h, unsigned level, term a, uint64_t hash_a, term b, uint64_t hash_b)
{
    term node;
    if (level == HAMT_LEVELS) {
        bool in_order = term_compare_exact(term_head(a), term_head(b)) < 0;
        term *to = node_new(h, HAMT_COLLISION, 2, &node);
        to[0] = in_order ? a : b;
        to[1] = in_order ? b : a;
        return node;
    }
    unsigned sa = slot_at(hash_a, level), sb = slot_at(hash_b, level);
    if (sa == sb) {
        term below = node_of_two(h, level + 1, a, hash_a, b, hash_b);
        node_new(h, 1u << sa, 1, &node)[0] = below;
    } else {
        term *to = node_new(h, 1u << sa | 1u << sb, 2, &node);
        to[0] = sa < sb ? a : b;
        to[1] = sa < sb ? b : a;
    }
    return node;
}

/* Where in a collision node the key is, or, with *out_found false, belongs. */
static size_t collision_place(term node, term key, bool *out_found)
{
    size_t n = hamt_n_children(node), i = 0;
    *out_found = false;
    for (; i < n && !*out_found; i++) {
        int diff = term_compare_exact(key, term_head(hamt_children(node)[i]));
        if (diff < 0) {
            return i;
        }
        *out_found = diff == 0;
    }
    return *out_found ? i - 1 : i;
}

term hashmap_make(struct heap *h, size_t size, term root)
{
    uintptr_t *p = heap_alloc(h, 3);
    p[0] = TERM_HEADER(TAG_HASHMAP, 2);
    p[1] = term_from_small((intptr_t) size).word;
    p[2] = root.word;
    return term_from_boxed_ptr(p);
}

term hamt_find(term node, term key)
{
    uint64_t hash = term_hash(key, 0);
    for (unsigned level = 0;; level++) {
        const uintptr_t *p = term_words(node);
        uint32_t bitmap = bitmap_of(p);
        if (bitmap == HAMT_COLLISION) {
            bool found;
            size_t place = collision_place(node, key, &found);
            return found ? hamt_children(node)[place] : TERM_NONE;
        }
        uint32_t bit = 1u << slot_at(hash, level);
        if ((bitmap & bit) == 0) {
            return TERM_NONE;
        }
        node = (term) { p[2 + place_of(bitmap, bit)] };
        if (term_is_cons(node)) {
            return term_equal_exact(term_head(node), key) ? node : TERM_NONE;
        }
    }
}

/* One insertion on its way down. */
struct put {
    struct heap *h;
    uint64_t hash;
    term key, value; /* value: TERM_NONE if leaf is already made */
    term leaf;
    bool keep, added;
};

static term put_leaf(struct put *p)
{
    if (term_is_none(p->leaf)) {
        p->leaf = heap_cons(p->h, p->key, p->value);
    }
    return p->leaf;
}

/* The leaf that replaces one with an equal key: as on OTP with its own key, which may be 0.0 instead of -0.0. */
static term put_over(struct put *p, term old)
{
    if (p->keep || term_same(term_tail(old), p->value)) {
        return old;
    }
    return heap_cons(p->h, p->key, p->value);
}

static term node_put(struct put *p, term node, unsigned level)
{
    uint32_t bitmap = bitmap_of(term_words(node));
    size_t place;
    term old, child;
    if (bitmap == HAMT_COLLISION) {
        bool found;
        place = collision_place(node, p->key, &found);
        if (!found) {
            p->added = true;
            return node_insert(p->h, node, 0, place, put_leaf(p));
        }
        old = hamt_children(node)[place];
        child = put_over(p, old);
    } else {
        uint32_t bit = 1u << slot_at(p->hash, level);
        place = place_of(bitmap, bit);
        if ((bitmap & bit) == 0) {
            p->added = true;
            return node_insert(p->h, node, bit, place, put_leaf(p));
        }
        old = hamt_children(node)[place];
        if (!term_is_cons(old)) {
            child = node_put(p, old, level + 1);
        } else if (term_equal_exact(term_head(old), p->key)) {
            child = put_over(p, old);
        } else {
            p->added = true;
            uint64_t old_hash = term_hash(term_head(old), 0);
            child = node_of_two(p->h, level + 1, old, old_hash, put_leaf(p), p->hash);
        }
    }
    return term_same(child, old) ? node : node_with(p->h, node, place, child);
}

term hamt_put(struct heap *h, term root, term key, term value, bool keep, bool *out_added)
{
    struct put p = { .h = h,
        .hash = term_hash(key, 0),
        .key = key,
        .value = value,
        .leaf = TERM_NONE,
        .keep = keep };
    root = node_put(&p, root, 0);
    *out_added = p.added;
    return root;
}

static term node_remove(
    struct heap *h, term node, uint64_t hash, unsigned level, term key, term *out_value)
{
    uint32_t bitmap = bitmap_of(term_words(node)), bit;
    size_t place;
    term child = TERM_NONE; /* what takes the place of the old one; TERM_NONE: nothing */
    if (bitmap == HAMT_COLLISION) {
        bool found;
        bit = 0;
        place = collision_place(node, key, &found);
        if (!found) {
            return TERM_NONE;
        }
        *out_value = term_tail(hamt_children(node)[place]);
    } else {
        bit = 1u << slot_at(hash, level);
        if ((bitmap & bit) == 0) {
            return TERM_NONE;
        }
        place = place_of(bitmap, bit);
        term old = hamt_children(node)[place];
        if (!term_is_cons(old)) {
            child = node_remove(h, old, hash, level + 1, key, out_value);
            if (term_is_none(child)) {
                return TERM_NONE;
            }
        } else if (term_equal_exact(term_head(old), key)) {
            *out_value = term_tail(old);
        } else {
            return TERM_NONE;
        }
    }
    size_t left = hamt_n_children(node) - term_is_none(child);
    if (left == 1 && level > 0) { /* a single leaf moves up */
        term last = term_is_none(child) ? hamt_children(node)[1 - place] : child;
        if (term_is_cons(last)) {
            return last;
        }
    }
    return term_is_none(child) ? node_delete(h, node, bit, place)
                               : node_with(h, node, place, child);
}

term hamt_remove(struct heap *h, term root, term key, term *out_value)
{
    return node_remove(h, root, term_hash(key, 0), 0, key, out_value);
}

static size_t n_leaves(term node)
{
    if (term_is_cons(node)) {
        return 1;
    }
    size_t n = 0;
    for (size_t i = 0; i < hamt_n_children(node); i++) {
        n += n_leaves(hamt_children(node)[i]);
    }
    return n;
}

static term node_merge(struct heap *h, term a, term b, unsigned level, size_t *common);

/* Two children of the same slot, each a leaf or a node, that belong at this level. */
static term child_merge(struct heap *h, term a, term b, unsigned level, size_t *common)
{
    if (term_same(a, b)) {
        *common += n_leaves(a);
        return b;
    }
    if (!term_is_cons(a) && !term_is_cons(b)) {
        return node_merge(h, a, b, level, common);
    }
    if (term_is_cons(a) && term_is_cons(b)) {
        if (term_equal_exact(term_head(a), term_head(b))) {
            ++*common;
            return b;
        }
        return node_of_two(h, level, a, term_hash(term_head(a), 0), b, term_hash(term_head(b), 0));
    }
    bool keep = term_is_cons(a);
    term leaf = keep ? a : b;
    struct put p = { .h = h,
        .hash = term_hash(term_head(leaf), 0),
        .key = term_head(leaf),
        .value = term_tail(leaf),
        .leaf = leaf,
        .keep = keep };
    term node = node_put(&p, keep ? b : a, level);
    *common += !p.added;
    return node;
}

static term collisions_merge(struct heap *h, term a, term b, size_t *common)
{
    for (size_t i = 0; i < hamt_n_children(a); i++) {
        b = child_merge(h, hamt_children(a)[i], b, HAMT_LEVELS, common);
    }
    return b;
}

static term node_merge(struct heap *h, term a, term b, unsigned level, size_t *common)
{
    uint32_t ma = bitmap_of(term_words(a)), mb = bitmap_of(term_words(b));
    if (ma == HAMT_COLLISION) {
        return collisions_merge(h, a, b, common);
    }
    const term *ca = hamt_children(a), *cb = hamt_children(b);
    term children[HAMT_WIDTH];
    size_t n = 0, from_a = 0, from_b = 0;
    for (uint32_t bit = 1; bit < HAMT_COLLISION; bit <<= 1) {
        if ((ma & mb & bit) != 0) {
            term child = child_merge(h, *ca, *cb, level + 1, common);
            from_a += term_same(child, *ca++);
            from_b += term_same(child, *cb++);
            children[n++] = child;
        } else if ((ma & bit) != 0) {
            children[n++] = *ca++;
            from_a++;
        } else if ((mb & bit) != 0) {
            children[n++] = *cb++;
            from_b++;
        }
    }
    if (from_b == n) {
        return b;
    }
    if (from_a == n) {
        return a;
    }
    term node;
    memcpy(node_new(h, ma | mb, n, &node), children, n * sizeof(*children));
    return node;
}

term hamt_merge(struct heap *h, term a, term b, size_t *out_common)
{
    *out_common = 0;
    return child_merge(h, a, b, 0, out_common);
}

/* Entries whose hashes are all equal: later ones win, then a chain of nodes down to the collision. */
static term build_equal_hashes(
    struct heap *h, struct hamt_entry *e, size_t n, unsigned level, size_t *size)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < kept && !term_equal_exact(e[k].key, e[i].key)) {
            k++;
        }
        e[k].key = e[i].key;
        e[k].value = e[i].value;
        kept += k == kept;
    }
    *size += kept;
    if (kept == 1) {
        return heap_cons(h, e[0].key, e[0].value);
    }
    struct put p = { .h = h, .hash = e[0].hash };
    term node = node_of_two(h, level, heap_cons(h, e[0].key, e[0].value), p.hash,
        heap_cons(h, e[1].key, e[1].value), p.hash);
    for (size_t i = 2; i < kept; i++) {
        p.leaf = TERM_NONE;
        p.key = e[i].key;
        p.value = e[i].value;
        node = node_put(&p, node, level);
    }
    return node;
}

static bool all_hashes_equal(const struct hamt_entry *e, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (e[i].hash != e[0].hash) {
            return false;
        }
    }
    return true;
}

static term build(struct heap *h, struct hamt_entry *e, struct hamt_entry *spare, size_t n,
    unsigned level, size_t *size)
{
    if (n == 1) {
        ++*size;
        return heap_cons(h, e[0].key, e[0].value);
    }
    if (all_hashes_equal(e, n)) {
        return build_equal_hashes(h, e, n, level, size);
    }
    size_t ends[HAMT_WIDTH] = { 0 };
    for (size_t i = 0; i < n; i++) {
        ends[slot_at(e[i].hash, level)]++;
    }
    uint32_t bitmap = 0;
    for (size_t s = 0, at = 0; s < HAMT_WIDTH; s++) {
        bitmap |= ends[s] != 0 ? 1u << s : 0;
        size_t count = ends[s];
        ends[s] = at; /* for now its start; the scatter below moves it to the end */
        at += count;
    }
    for (size_t i = 0; i < n; i++) {
        spare[ends[slot_at(e[i].hash, level)]++] = e[i];
    }
    term children[HAMT_WIDTH];
    size_t n_children = 0;
    for (size_t s = 0, at = 0; s < HAMT_WIDTH; s++) {
        if (ends[s] > at) {
            children[n_children++] = build(h, spare + at, e + at, ends[s] - at, level + 1, size);
            at = ends[s];
        }
    }
    term node;
    memcpy(node_new(h, bitmap, n_children, &node), children, n_children * sizeof(*children));
    return node;
}

term hamt_build(struct heap *h, struct hamt_entry *entries, struct hamt_entry *spare, size_t n,
    size_t *out_size)
{
    *out_size = 0;
    return build(h, entries, spare, n, 0, out_size);
}
