/* bif_erts_debug.c - erts_debug: sizes and identity of terms, as far as they have a meaning here. */
#include "vm/bif/bif.h"
#include "vm/core/copy.h"

/* Words the term takes when it is copied: what a message of it costs. */
term bif_erts_debug_flat_size_1(struct proc *p, term *args)
{
    size_t words = copy_size_all(args[0]);
    proc_bump(p, words / 64);
    return heap_uinteger(&p->heap, words);
}

/* The very same term in memory? */
term bif_erts_debug_same_2(struct proc *p, term *args)
{
    (void) p;
    return term_from_bool(term_same(args[0], args[1]));
}
