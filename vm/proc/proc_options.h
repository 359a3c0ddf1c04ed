/* proc_options.h - options that spawn_opt and process_flag share, from terms. false: not one. */
#ifndef VM_PROC_OPTIONS_H
#define VM_PROC_OPTIONS_H

#include "vm/proc/sched.h"

bool option_priority(term value, enum proc_priority *out);
bool option_heap_size(term value, size_t *out_words); /* small, >= 0 */
bool option_heap_step(term value, size_t *out_words); /* the size of a heap that has room for as much */
struct max_heap_option { size_t words; bool kill, log; };
bool option_max_heap(term value, struct max_heap_option *io); /* integer or map */
term option_max_heap_term(struct heap *h, const struct max_heap_option *o); /* #{size, kill, error_logger} */
term priority_atom(enum proc_priority priority);

#endif
