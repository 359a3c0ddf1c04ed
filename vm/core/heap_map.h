/* heap_map.h - where objects begin on a heap, told by walking it from end to end.
 *
 * A word alone does not say whether it is a term or raw bytes, nor a pointer whether it leads to where an object begins.
 * Whoever cannot trust a pointer (what a native library made or returned, with verify => true) asks here.
 * Costs time and a byte of memory for each word of the heap.
 */
#ifndef VM_HEAP_MAP_H
#define VM_HEAP_MAP_H

#include "vm/core/heap.h"

struct heap_map;

/* Of h as it is now; h must not be collected, and may not grow, while the map is in use. NULL: no memory. */
struct heap_map *heap_map_new(const struct heap *h) MUST_CHECK;
void heap_map_free(struct heap_map *m); /* NULL: nothing */

/* Immediates always (see nif_term_plausible for which there are); pointers if they lead to an object of their kind on the heap.
 * Among literals anything that could be one. */
bool heap_map_has(const struct heap_map *m, term t);
/* The same of every word of what was built since. */
bool heap_map_good_since(const struct heap_map *m, const struct heap_mark *since);

#endif
