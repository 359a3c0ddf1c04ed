/* map.h - flat maps up to MAP_FLAT_MAX keys, hash array mapped tries above.
 *
 * pre: arguments called map are maps. What is made goes on h, which is not collected by it; old maps stay as they are.
 * Keys are the same if they are =:=.
 */
#ifndef VM_MAP_H
#define VM_MAP_H

#include "vm/core/heap.h"

enum { MAP_FLAT_MAX = 32 };

size_t map_size(term map);
/* TERM_NONE if absent. */
term map_get(term map, term key);
/* New map; shares what it can. Never fails. */
term map_put(struct heap *h, term map, term key, term value);
term map_put_name(struct heap *h, term map, const char *key, term value); /* key: an atom */
/* The map itself if the key is absent; *out_value (may be NULL) the removed value or TERM_NONE. */
term map_remove(struct heap *h, term map, term key, term *out_value);
/* Later pairs win, as maps:from_list. n pairs: kv[0]=key, kv[1]=value, ... reordered in place. */
term map_from_pairs(struct heap *h, term *kv, size_t n);
static inline term map_empty(struct heap *h)
{
    return map_from_pairs(h, NULL, 0);
}
term map_merge(struct heap *h, term a, term b); /* b wins */

/* Sorts n pairs by key, in exact term order. */
void map_sort_pairs(term *kv, size_t n);

/* Iteration, in an order that is fixed for a map's contents. Valid until the next collection. */
struct map_iter {
    term map;
    size_t index; /* pairs already returned */
    size_t depth;
    struct {
        term node;
        uint32_t at;
    } path[24];
};
void map_iter_init(struct map_iter *it, term map);
void map_iter_init_last(struct map_iter *it, term map);
bool map_iter_next(struct map_iter *it, term *key, term *value);
bool map_iter_prev(struct map_iter *it, term *key, term *value);
/* A position is a number that stays good for a map's contents; pairs come in rising positions.
 * Neighbours may have the same one. All of a flat map's are 0. */
enum { MAP_MAX_POSITION = (1 << 24) - 1 };
void map_iter_init_at(struct map_iter *it, term map, size_t position);
size_t map_iter_position(const struct map_iter *it); /* of the pair map_iter_next() gave last */

/* Flat map fields, for the interpreter. */
static inline term map_flat_keys(term map)
{
    return (term) { term_box(map)[1] };
}
static inline term *map_flat_values(term map)
{
    return (term *) &term_box(map)[2];
}

#endif
