#include "vm/core/worklist.h"

void worklist_grow(struct worklist *w, size_t n)
{
    size_t capacity = 2 * w->capacity + n;
    if (w->words == w->local) {
        w->words = vm_alloc(capacity * sizeof(*w->words));
        memcpy(w->words, w->local, w->n * sizeof(*w->words));
    } else {
        w->words = vm_realloc(w->words, capacity * sizeof(*w->words));
    }
    w->capacity = capacity;
}
