/* shared_root.h - what an attached worker must find without being told: tables of the VM that it
 * reads in place.
 *
 *   ARENA_LITERALS_BASE                         (arena.h: the first block of the literals)
 *     struct shared_root --> atom entries, atom slots
 *                        --> exports, funs
 *
 * All of it is only ever added to, lock-free for readers, and lies in arena_literals, where workers
 * can read but not write. The VM alone adds.
 */
#ifndef VM_SHARED_ROOT_H
#define VM_SHARED_ROOT_H

#include <stdatomic.h>
#include <string.h>

#include "lib/base/arena.h"

enum {
    SHARED_ROOT_ATOM_LIMIT = 1 << 20,
    SHARED_ROOT_CHUNK_SHIFT = 10,
    SHARED_ROOT_ATOM_RESERVE = 1 << SHARED_ROOT_CHUNK_SHIFT, /* for atoms that the VM itself needs when the table is full */
    SHARED_ROOT_CHUNKS = (SHARED_ROOT_ATOM_LIMIT + SHARED_ROOT_ATOM_RESERVE) >> SHARED_ROOT_CHUNK_SHIFT,
};

struct shared_root {
    struct atom_entry *_Atomic atom_chunks[SHARED_ROOT_CHUNKS];
    struct atom_slots *_Atomic atom_slots;
    _Atomic size_t n_atoms;
    struct fun_slots *_Atomic exports, *_Atomic funs;
};
_Static_assert(sizeof(struct shared_root) <= ARENA_ROOT_BYTES, "the block is large enough");

/* A constant: reading a table costs no more than if it were static. */
#define SHARED_ROOT ((struct shared_root *) ARENA_LITERALS_BASE)

/* Zeroed memory for a table or an entry of one: where workers can read it or, in an attached worker,
 * its own. Never NULL. */
static inline void *shared_zalloc(size_t bytes)
{
    if (arena_is_attached()) {
        return vm_zalloc(bytes);
    }
    void *p = arena_alloc_urgent(arena_literals, bytes);
    VM_REQUIRE(p != NULL); /* the reservation of literals is used up */
    return memset(p, 0, bytes);
}

#endif
