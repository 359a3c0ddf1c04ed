/* stack_pool.h - stacks for native calls.
 *
 *    low address                                              high address
 *   [ guard: 8 MiB, no access ][ stack: policy's size, grows down  <---- ][ guard page ]
 *
 * The guard is larger than any frame one meets, because a frame that jumps over it writes into
 * whatever lies below. A thread keeps the stacks it has used: taking one costs no lock and no
 * system call.
 */
#ifndef ISOLATION_STACK_POOL_H
#define ISOLATION_STACK_POOL_H

#include "lib/base/base.h"

enum { STACK_GUARD_BYTES = 8 << 20, STACK_MIN_BYTES = 16 << 10, STACK_DEFAULT_BYTES = 1 << 20 };

struct native_stack {
    struct native_stack *next;
    size_t bytes;
    char *low, *high; /* [low, high) is usable */
    char *map;        /* guard and all */
    size_t map_bytes;
};

/* Maps a new one, or takes one that a finished thread left. NULL: no memory. */
struct native_stack *stack_new(size_t bytes) MUST_CHECK;
/* Back for any thread to take. */
void stack_retire(struct native_stack *s);
/* Gives the pages of a stack back that a deep call has touched. */
void stack_trim(struct native_stack *s);

static inline struct native_stack *stack_take(struct native_stack **list, size_t bytes)
{
    struct native_stack *s = *list;
    if (__builtin_expect(s != NULL && s->bytes == bytes, 1)) {
        *list = s->next;
        return s;
    }
    for (struct native_stack **at = list; *at != NULL; at = &(*at)->next) {
        if ((*at)->bytes == bytes) {
            s = *at;
            *at = s->next;
            return s;
        }
    }
    return stack_new(bytes);
}
static inline void stack_give(struct native_stack **list, struct native_stack *s)
{
    s->next = *list;
    *list = s;
}

#endif
