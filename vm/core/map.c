#include "vm/core/map.h"

#include "lib/base/arena.h"
#include "vm/core/atom.h"
#include "vm/core/compare.h"
#include "vm/core/map_internal.h"

static bool is_flat(term map)
{
    return term_tag(map) == TAG_FLATMAP;
}

static size_t flat_size(term map)
{
    return term_arity(map) - 1;
}

static const term *flat_keys(term map)
{
    return (const term *) &term_words(map_flat_keys(map))[1];
}

/* Index of the key, or -1. */
static intptr_t flat_find(term map, term key)
{
    const term *keys = flat_keys(map);
    size_t n = flat_size(map);
    for (size_t i = 0; i < n; i++) {
        if (term_same(keys[i], key)) {
            return (intptr_t) i;
        }
    }
    if (!term_is_immed(key)) {
        for (size_t i = 0; i < n; i++) {
            if (term_equal_exact(keys[i], key)) {
                return (intptr_t) i;
            }
        }
    }
    return -1;
}

/* A flat map with room for n values, which the caller fills in. */
static term flat_new(struct heap *h, term keys, size_t n, term **out_values)
{
    uintptr_t *p = heap_alloc(h, n + 2);
    p[0] = TERM_HEADER(TAG_FLATMAP, n + 1);
    p[1] = keys.word;
    *out_values = (term *) &p[2];
    return term_from_boxed_ptr(p);
}

static term keys_new(struct heap *h, size_t n, term **out_keys)
{
    uintptr_t *p = heap_alloc(h, n + 1);
    p[0] = TERM_HEADER(TAG_TUPLE, n);
    *out_keys = (term *) &p[1];
    return term_from_boxed_ptr(p);
}

/* pairs: sorted by key, no two equal */
static term flat_from_sorted(struct heap *h, const term *kv, size_t n)
{
    term *keys, *values;
    term map = flat_new(h, keys_new(h, n, &keys), n, &values);
    for (size_t i = 0; i < n; i++) {
        keys[i] = kv[2 * i];
        values[i] = kv[2 * i + 1];
    }
    return map;
}

/* Insertion sort by key, later pairs win; how many are left. n is small. */
static size_t sort_pairs(term *kv, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        term key = kv[2 * i], value = kv[2 * i + 1];
        size_t at = kept;
        int diff = 1;
        while (at > 0 && (diff = term_compare_exact(key, kv[2 * (at - 1)])) < 0) {
            at--;
        }
        if (at > 0 && diff == 0) {
            kv[2 * (at - 1)] = key; /* may be 0.0 instead of -0.0 */
            kv[2 * (at - 1) + 1] = value;
            continue;
        }
        memmove(&kv[2 * at + 2], &kv[2 * at], (kept - at) * 2 * sizeof(*kv));
        kv[2 * at] = key;
        kv[2 * at + 1] = value;
        kept++;
    }
    return kept;
}

/* pre: the hash map holds at most MAP_FLAT_MAX pairs */
static term flatten(struct heap *h, size_t size, term root)
{
    term kv[2 * MAP_FLAT_MAX];
    struct map_iter it;
    map_iter_init(&it, hashmap_make(h, size, root));
    for (size_t i = 0; i < size; i++) {
        VM_REQUIRE(map_iter_next(&it, &kv[2 * i], &kv[2 * i + 1]));
    }
    return flat_from_sorted(h, kv, sort_pairs(kv, size));
}

static term hashmap_from_pairs(struct heap *h, const term *kv, size_t n)
{
    struct hamt_entry *entries = vm_alloc(2 * n * sizeof(*entries));
    for (size_t i = 0; i < n; i++) {
        entries[i] = (struct hamt_entry) { term_hash(kv[2 * i], 0), kv[2 * i], kv[2 * i + 1] };
    }
    size_t size;
    term root = hamt_build(h, entries, entries + n, n, &size);
    vm_free(entries);
    if (size > MAP_FLAT_MAX) {
        return hashmap_make(h, size, root);
    }
    if (term_is_cons(root)) {
        term pair[2] = { term_head(root), term_tail(root) };
        return flat_from_sorted(h, pair, 1);
    }
    return flatten(h, size, root);
}

term map_from_pairs(struct heap *h, term *kv, size_t n)
{
    return n <= MAP_FLAT_MAX ? flat_from_sorted(h, kv, sort_pairs(kv, n))
                             : hashmap_from_pairs(h, kv, n);
}

size_t map_size(term map)
{
    return is_flat(map) ? flat_size(map) : (size_t) term_to_small((term) { term_words(map)[1] });
}

term map_get(term map, term key)
{
    if (is_flat(map)) {
        intptr_t i = flat_find(map, key);
        return i < 0 ? TERM_NONE : map_flat_values(map)[i];
    }
    term leaf = hamt_find(hashmap_root(map), key);
    return term_is_none(leaf) ? TERM_NONE : term_tail(leaf);
}

static term flat_replace(struct heap *h, term map, size_t i, term value)
{
    if (term_same(map_flat_values(map)[i], value)) {
        return map;
    }
    size_t n = flat_size(map);
    term *values;
    term made = flat_new(h, map_flat_keys(map), n, &values);
    memcpy(values, map_flat_values(map), n * sizeof(*values));
    values[i] = value;
    return made;
}

/* pre: the key is not there */
static term flat_insert(struct heap *h, term map, term key, term value)
{
    size_t n = flat_size(map), low = 0, high = n;
    const term *old_keys = flat_keys(map), *old_values = map_flat_values(map);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (term_compare_exact(old_keys[mid], key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    term *keys, *values;
    term made = flat_new(h, keys_new(h, n + 1, &keys), n + 1, &values);
    memcpy(keys, old_keys, low * sizeof(*keys));
    memcpy(values, old_values, low * sizeof(*values));
    keys[low] = key;
    values[low] = value;
    memcpy(keys + low + 1, old_keys + low, (n - low) * sizeof(*keys));
    memcpy(values + low + 1, old_values + low, (n - low) * sizeof(*values));
    return made;
}

term map_put(struct heap *h, term map, term key, term value)
{
    if (!is_flat(map)) {
        bool added;
        term root = hamt_put(h, hashmap_root(map), key, value, false, &added);
        return term_same(root, hashmap_root(map)) ? map
                                                  : hashmap_make(h, map_size(map) + added, root);
    }
    intptr_t i = flat_find(map, key);
    if (i >= 0) {
        return flat_replace(h, map, (size_t) i, value);
    }
    if (flat_size(map) < MAP_FLAT_MAX) {
        return flat_insert(h, map, key, value);
    }
    term kv[2 * (MAP_FLAT_MAX + 1)];
    for (size_t k = 0; k < MAP_FLAT_MAX; k++) {
        kv[2 * k] = flat_keys(map)[k];
        kv[2 * k + 1] = map_flat_values(map)[k];
    }
    kv[2 * MAP_FLAT_MAX] = key;
    kv[2 * MAP_FLAT_MAX + 1] = value;
    return hashmap_from_pairs(h, kv, MAP_FLAT_MAX + 1);
}

term map_put_name(struct heap *h, term map, const char *key, term value)
{
    return map_put(h, map, atom_from_cstr(key), value);
}

static term flat_delete(struct heap *h, term map, size_t i)
{
    size_t n = flat_size(map);
    const term *old_keys = flat_keys(map), *old_values = map_flat_values(map);
    term *keys, *values;
    term made = flat_new(h, keys_new(h, n - 1, &keys), n - 1, &values);
    memcpy(keys, old_keys, i * sizeof(*keys));
    memcpy(values, old_values, i * sizeof(*values));
    memcpy(keys + i, old_keys + i + 1, (n - i - 1) * sizeof(*keys));
    memcpy(values + i, old_values + i + 1, (n - i - 1) * sizeof(*values));
    return made;
}

term map_remove(struct heap *h, term map, term key, term *out_value)
{
    term value = TERM_NONE;
    if (is_flat(map)) {
        intptr_t i = flat_find(map, key);
        if (i >= 0) {
            value = map_flat_values(map)[i];
            map = flat_delete(h, map, (size_t) i);
        }
    } else {
        term root = hamt_remove(h, hashmap_root(map), key, &value);
        if (!term_is_none(root)) {
            size_t size = map_size(map) - 1;
            map = size > MAP_FLAT_MAX ? hashmap_make(h, size, root) : flatten(h, size, root);
        }
    }
    if (out_value != NULL) {
        *out_value = value;
    }
    return map;
}

static term flat_merge(struct heap *h, term a, term b)
{
    term kv[4 * MAP_FLAT_MAX];
    size_t na = flat_size(a), nb = flat_size(b), i = 0, j = 0, n = 0;
    if (na == 0 || term_same(map_flat_keys(a), map_flat_keys(b))) {
        return b;
    }
    if (nb == 0) {
        return a;
    }
    while (i < na || j < nb) {
        int diff = i == na   ? 1
                   : j == nb ? -1
                             : term_compare_exact(flat_keys(a)[i], flat_keys(b)[j]);
        term from = diff < 0 ? a : b;
        size_t at = diff < 0 ? i : j;
        kv[2 * n] = flat_keys(from)[at];
        kv[2 * n + 1] = map_flat_values(from)[at];
        n++;
        i += diff <= 0;
        j += diff >= 0;
    }
    if (n > MAP_FLAT_MAX) {
        return hashmap_from_pairs(h, kv, n);
    }
    if (n == nb) {
        return b;
    }
    if (n == na) { /* a's keys will do */
        term *values;
        term map = flat_new(h, map_flat_keys(a), n, &values);
        for (size_t k = 0; k < n; k++) {
            values[k] = kv[2 * k + 1];
        }
        return map;
    }
    return flat_from_sorted(h, kv, n);
}

term map_merge(struct heap *h, term a, term b)
{
    if (is_flat(a) && is_flat(b)) {
        return flat_merge(h, a, b);
    }
    size_t size = map_size(a) + map_size(b);
    term root;
    if (is_flat(a) || is_flat(b)) {
        /* The few go into the many; if the few are b's they win. */
        term few = is_flat(a) ? a : b, many = is_flat(a) ? b : a;
        root = hashmap_root(many);
        for (size_t i = 0; i < flat_size(few); i++) {
            bool added;
            root =
                hamt_put(h, root, flat_keys(few)[i], map_flat_values(few)[i], is_flat(a), &added);
            size -= !added;
        }
        return term_same(root, hashmap_root(many)) ? many : hashmap_make(h, size, root);
    }
    size_t common;
    root = hamt_merge(h, hashmap_root(a), hashmap_root(b), &common);
    return term_same(root, hashmap_root(b))   ? b
           : term_same(root, hashmap_root(a)) ? a
                                              : hashmap_make(h, size - common, root);
}

void map_sort_pairs(term *kv, size_t n)
{
    struct pair {
        term key, value;
    } *from = (struct pair *) kv, *owned = vm_alloc(n * sizeof(*owned)), *to = owned;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t mid = low + width < n ? low + width : n,
                   high = mid + width < n ? mid + width : n;
            for (size_t i = low, j = mid, k = low; k < high; k++) {
                bool left =
                    j == high || (i < mid && term_compare_exact(from[i].key, from[j].key) <= 0);
                to[k] = left ? from[i++] : from[j++];
            }
        }
        struct pair *other = from;
        from = to;
        to = other;
    }
    if (from == owned && n > 0) {
        memcpy(kv, from, n * sizeof(*from));
    }
    vm_free(owned);
}

/* ---- iteration ---- */

/* path[d].at: forward, the next child of path[d].node; backward, one behind it. */

void map_iter_init(struct map_iter *it, term map)
{
    it->map = map;
    it->index = 0;
    it->depth = 0;
    if (!is_flat(map)) {
        it->path[0].node = hashmap_root(map);
        it->path[0].at = 0;
        it->depth = 1;
    }
}

void map_iter_init_last(struct map_iter *it, term map)
{
    map_iter_init(it, map);
    if (!is_flat(map)) {
        it->path[0].at = (uint32_t) hamt_n_children(it->path[0].node);
    }
}

bool map_iter_next(struct map_iter *it, term *key, term *value)
{
    if (is_flat(it->map)) {
        if (it->index == flat_size(it->map)) {
            return false;
        }
        *key = flat_keys(it->map)[it->index];
        *value = map_flat_values(it->map)[it->index++];
        return true;
    }
    while (it->depth > 0) {
        term node = it->path[it->depth - 1].node;
        uint32_t at = it->path[it->depth - 1].at++;
        if (at == hamt_n_children(node)) {
            it->depth--;
            continue;
        }
        term child = hamt_children(node)[at];
        if (term_is_cons(child)) {
            *key = term_head(child);
            *value = term_tail(child);
            it->index++;
            return true;
        }
        it->path[it->depth].node = child;
        it->path[it->depth++].at = 0;
    }
    return false;
}

bool map_iter_prev(struct map_iter *it, term *key, term *value)
{
    if (is_flat(it->map)) {
        size_t n = flat_size(it->map);
        if (it->index == n) {
            return false;
        }
        *key = flat_keys(it->map)[n - 1 - it->index];
        *value = map_flat_values(it->map)[n - 1 - it->index++];
        return true;
    }
    while (it->depth > 0) {
        term node = it->path[it->depth - 1].node;
        if (it->path[it->depth - 1].at == 0) {
            it->depth--;
            continue;
        }
        term child = hamt_children(node)[--it->path[it->depth - 1].at];
        if (term_is_cons(child)) {
            *key = term_head(child);
            *value = term_tail(child);
            it->index++;
            return true;
        }
        it->path[it->depth].node = child;
        it->path[it->depth++].at = (uint32_t) hamt_n_children(child);
    }
    return false;
}

/* A position is the slots of the first levels, four bits each; less deep leaves end in zeros. */
enum { POSITION_LEVELS = 6 };
_Static_assert(
    MAP_MAX_POSITION == (1 << HAMT_BITS * POSITION_LEVELS) - 1, "as many bits as there are levels");

static unsigned slot_of_child(term node, uint32_t at)
{
    uint32_t bitmap = hamt_bitmap(node);
    while (at-- > 0) {
        bitmap &= bitmap - 1;
    }
    return (unsigned) __builtin_ctz(bitmap);
}

void map_iter_init_at(struct map_iter *it, term map, size_t position)
{
    map_iter_init(it, map);
    if (is_flat(map) || position > MAP_MAX_POSITION) {
        if (position != 0) { /* behind the last pair */
            it->index = is_flat(map) ? flat_size(map) : 0;
            it->depth = 0;
        }
        return;
    }
    for (unsigned level = 0; level < POSITION_LEVELS; level++) {
        unsigned wanted = position >> HAMT_BITS * (POSITION_LEVELS - 1 - level) & (HAMT_WIDTH - 1);
        term node = it->path[level].node;
        uint32_t bitmap = hamt_bitmap(node);
        it->path[level].at = (uint32_t) __builtin_popcount(bitmap & ((1u << wanted) - 1));
        if ((bitmap & 1u << wanted) == 0 || level + 1 == POSITION_LEVELS) {
            break;
        }
        term child = hamt_children(node)[it->path[level].at];
        if (term_is_cons(child)) {
            break;
        }
        it->path[level].at++;
        it->path[it->depth].node = child;
        it->path[it->depth++].at = 0;
    }
}

size_t map_iter_position(const struct map_iter *it)
{
    size_t position = 0;
    if (!is_flat(it->map)) {
        for (unsigned level = 0; level < POSITION_LEVELS; level++) {
            unsigned slot =
                level < it->depth ? slot_of_child(it->path[level].node, it->path[level].at - 1) : 0;
            position = position << HAMT_BITS | slot;
        }
    }
    return position;
}
