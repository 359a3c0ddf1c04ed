/* bif_code.h - what the files of the code BIFs share. */
#ifndef VM_BIF_CODE_H
#define VM_BIF_CODE_H

#include "vm/code/module.h"

static inline struct code_image *code_current_image(term module)
{
    struct module *m = module_find(module);
    return m == NULL ? NULL : atomic_load_explicit(&m->current, memory_order_acquire);
}

static inline struct code_image *code_old_image(term module)
{
    struct module *m = module_find(module);
    return m == NULL ? NULL : atomic_load_explicit(&m->old, memory_order_acquire);
}

#endif
