/* worklist.h - a stack of words for walks over terms of any depth.
 *
 * Starts in the caller's frame and moves to vm_alloc'd memory when it outgrows it. Always
 * worklist_init() first and worklist_destroy() on every way out.
 */
#ifndef VM_WORKLIST_H
#define VM_WORKLIST_H

#include "lib/base/arena.h"
#include "vm/core/term.h"

enum { WORKLIST_LOCAL = 96 };

struct worklist {
    uintptr_t *words;
    size_t n, capacity;
    uintptr_t local[WORKLIST_LOCAL];
};

static inline void worklist_init(struct worklist *w)
{
    w->words = w->local;
    w->n = 0;
    w->capacity = WORKLIST_LOCAL;
}

static inline void worklist_destroy(struct worklist *w)
{
    if (w->words != w->local) {
        vm_free(w->words);
    }
}

void worklist_grow(struct worklist *w, size_t n);

/* Room for n more words; write them at the returned place. */
static inline uintptr_t *worklist_push_n(struct worklist *w, size_t n)
{
    if (__builtin_expect(w->capacity - w->n < n, 0)) {
        worklist_grow(w, n);
    }
    uintptr_t *at = w->words + w->n;
    w->n += n;
    return at;
}

static inline void worklist_push(struct worklist *w, uintptr_t word)
{
    *worklist_push_n(w, 1) = word;
}

/* A mark with what belongs to it below it. */
static inline void worklist_push_marked(struct worklist *w, uintptr_t data, uintptr_t mark)
{
    uintptr_t *at = worklist_push_n(w, 2);
    at[0] = data;
    at[1] = mark;
}

static inline uintptr_t worklist_pop(struct worklist *w)
{
    VM_ASSERT(w->n > 0);
    return w->words[--w->n];
}

static inline bool worklist_is_empty(const struct worklist *w)
{
    return w->n == 0;
}

#endif
