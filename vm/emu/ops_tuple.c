/* ops_tuple.c - update_record. */
#include "vm/emu/interp.h"

/* [A to, B pairs][size][tuple] then [index][value] each. */
const uint64_t *op_update_record(struct emu *m, const uint64_t *pc)
{
    struct sched *s = m->s;
    struct proc *p = m->p;
    uintptr_t *stack = p->heap.stop;
    size_t size = pc[1], n = insn_b(pc);
    term from = insn_source(s, stack, pc[2]);
    if (!term_is_tuple_of(from, size)) {
        proc_badarg(p);
        return NULL;
    }
    uintptr_t *tuple = heap_alloc(&p->heap, HEAP_TUPLE_WORDS(size));
    memcpy(tuple, term_words(from), HEAP_TUPLE_WORDS(size) * sizeof(*tuple));
    for (size_t i = 0; i < n; i++) {
        tuple[pc[3 + 2 * i]] = insn_source(s, stack, pc[4 + 2 * i]).word;
    }
    *insn_register(s, stack, insn_a(pc)) = term_from_boxed_ptr(tuple);
    return pc + 3 + 2 * n;
}
