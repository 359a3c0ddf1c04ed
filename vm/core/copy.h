/* copy.h - terms from one heap to another: messages, spawn arguments, literals, ets.
 *
 * Sharing inside a term is not kept (as OTP); off-heap binaries and resources are shared by
 * reference; literals are not copied, unless they are about to go (literal.h). Iterative: any depth.
 *
 * In an attached worker nothing of the VM is shared: binaries and literals are copied, a resource
 * becomes the worker's own object, or if it has none a mere reference.
 */
#ifndef VM_COPY_H
#define VM_COPY_H

#include "vm/core/heap.h"

/* Words needed on the destination. 0 for immediates and literals. */
size_t copy_size(term t);
/* Copies into room of copy_size(t) words at *at, moving *at; chains off-heap objects to *offheap. */
term copy_into(term t, uintptr_t **at, uintptr_t **offheap);
/* Both in one: into h. */
term copy_term(term t, struct heap *h);
/* Same, literals too: for whatever is kept outside of processes (ets, timers, environments, literals themselves). */
size_t copy_size_all(term t);
/* Is it larger than that, literals counted? Takes time for that many words at most. */
bool copy_exceeds(term t, size_t words);
term copy_into_all(term t, uintptr_t **at, uintptr_t **offheap);
term copy_term_all(term t, struct heap *h);

#endif
