/* bif_build.h - room for results whose size depends on the arguments. */
#ifndef VM_BIF_BUILD_H
#define VM_BIF_BUILD_H

#include "lib/base/arena.h"
#include "vm/bif/bif.h"

enum { TUPLE_MAX_ARITY = (1 << 24) - 1 };

/* n words on the process's heap, or NULL with system_limit raised. */
static inline uintptr_t *bif_room(struct proc *p, size_t n)
{
    if (n > HEAP_SURE_WORDS && !heap_can_alloc(&p->heap, n)) {
        (void) proc_system_limit(p);
        return NULL;
    }
    return heap_alloc(&p->heap, n);
}

/* Reductions for n elements walked over in C. */
static inline void bif_elements(struct proc *p, size_t n)
{
    proc_bump(p, n / 16);
}

static inline term bif_badmap(struct proc *p, term t)
{
    return proc_raise(p, EXC_ERROR, heap_tuple2(&p->heap, ATOM(badmap), t));
}
static inline term bif_badkey(struct proc *p, term key)
{
    return proc_raise(p, EXC_ERROR, heap_tuple2(&p->heap, ATOM(badkey), key));
}

#endif
