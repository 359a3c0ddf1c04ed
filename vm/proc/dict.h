/* dict.h - the process dictionary: a hash table outside the heap whose entries are roots, so that
 * put is a store. Up to DICT_LINEAR entries are searched in a row. Thread: the one that runs p. */
#ifndef VM_DICT_H
#define VM_DICT_H

#include "vm/proc/proc.h"

term dict_get(const struct proc *p, term key);              /* TERM_NONE if absent */
term dict_put(struct proc *p, term key, term value);        /* the former value, or TERM_NONE */
term dict_erase(struct proc *p, term key);                  /* the value, or TERM_NONE */
void dict_clear(struct proc *p);
size_t dict_size(const struct proc *p);
/* Entry i: pairs[0] key, pairs[1] value. */
const term *dict_pair(const struct proc *p, size_t i);
/* All keys and values, for the collector. */
struct heap_roots dict_roots(struct proc *p);

#endif
