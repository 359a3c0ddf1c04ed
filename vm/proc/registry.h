/* registry.h - names of processes and ports. Any thread. */
#ifndef VM_REGISTRY_H
#define VM_REGISTRY_H

#include "vm/core/heap.h"

bool registry_register(term name, term pid);   /* false: taken, or pid dead or already named */
bool registry_unregister(term name);
void registry_drop(term name, term pid);        /* only if it is pid's */
term registry_whereis(term name);               /* pid or port, or TERM_NONE */
term registry_names(struct heap *h);

#endif
