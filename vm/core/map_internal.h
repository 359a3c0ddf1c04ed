/* map_internal.h - what map.c (flat maps, the boundary, iteration) and map_hamt.c share.
 *
 * Hash maps are 16-way hash array mapped tries. Level l takes bits 63-4l .. 60-4l of term_hash(key).
 *
 *   HASHMAP     size (small), root
 *   HAMT_NODE   bitmap (small: bit i set if child i exists), children in order of i;
 *               a child is a leaf, the list cell [Key|Value], or a HAMT_NODE.
 *               Below level 15 a node holds leaves whose hashes are all equal: the bitmap is
 *               HAMT_COLLISION, the leaves stand in exact term order of their keys.
 *
 * A node below the root holds at least two leaves, somewhere. So the shape follows from the set of
 * keys alone, and equal maps can be compared and hashed node by node.
 */
#ifndef VM_MAP_INTERNAL_H
#define VM_MAP_INTERNAL_H

#include "vm/core/map.h"

enum {
    HAMT_BITS = 4,
    HAMT_WIDTH = 1 << HAMT_BITS,
    HAMT_LEVELS = 64 / HAMT_BITS,
    HAMT_COLLISION = 1 << HAMT_WIDTH
};

static inline term hashmap_root(term map)
{
    return (term) { term_box(map)[2] };
}
static inline size_t hamt_n_children(term node)
{
    return term_arity(node) - 1;
}
static inline term *hamt_children(term node)
{
    return (term *) &term_box(node)[2];
}

static inline uint32_t hamt_bitmap(term node)
{
    return (uint32_t) (term_box(node)[1] >> TERM_SMALL_SHIFT);
}

struct hamt_entry {
    uint64_t hash;
    term key, value;
};

term hashmap_make(struct heap *h, size_t size, term root);
/* The leaf with this key, or TERM_NONE. */
term hamt_find(term root, term key);
/* New root. *out_added is set if the key was not there. With keep, a value that is there stays. */
term hamt_put(struct heap *h, term root, term key, term value, bool keep, bool *out_added);
/* New root, or TERM_NONE if the key was not there. */
term hamt_remove(struct heap *h, term root, term key, term *out_value);
/* Both roots' pairs, b's values for keys in both; *out_common counts those. */
term hamt_merge(struct heap *h, term a, term b, size_t *out_common);
/* A root from entries (later ones win); entries and spare, of n each, are scratch. */
term hamt_build(struct heap *h, struct hamt_entry *entries, struct hamt_entry *spare, size_t n,
    size_t *out_size);

#endif
