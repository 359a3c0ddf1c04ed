#include "lib/base/arena.h"
#include "vm/core/bits.h"
#include "vm/core/copy.h"
#include "vm/ets/ets.h"

struct ets_object *ets_object_new(term tuple)
{
    size_t n = copy_size_all(tuple);
    uintptr_t *words = arena_alloc(arena_terms, n * sizeof(*words));
    if (words == NULL) {
        return NULL;
    }
    struct ets_object *o = vm_alloc(sizeof(*o));
    *o = (struct ets_object) { .words = words, .n_words = n };
    uintptr_t *at = words;
    copy_into_all(tuple, &at, &o->offheap);
    return o;
}

void ets_object_free(struct ets_object *o)
{
    heap_offheap_drop(o->offheap);
    arena_free(arena_terms, o->words);
    vm_free(o);
}

void ets_object_free_list(struct ets_object *o)
{
    while (o != NULL) {
        struct ets_object *next = o->next;
        ets_object_free(o);
        o = next;
    }
}

/* All pointers of an object are into itself: so a block copy and one addition each will do. */
term ets_object_to_heap(const struct ets_object *o, struct heap *h)
{
    uintptr_t *to = heap_alloc(h, o->n_words), *end = to + o->n_words;
    uintptr_t delta = (uintptr_t) to - (uintptr_t) o->words;
    memcpy(to, o->words, o->n_words * sizeof(*to));
    for (uintptr_t *s = to; s < end;) {
        uintptr_t w = *s;
        if (word_is_header(w)) {
            s += header_raw_words(w);
            continue;
        }
        if (!term_is_immed((term) { w })) {
            *s = w + delta;
        }
        s++;
    }
    for (const uintptr_t *p = o->offheap; p != NULL; p = (const uintptr_t *) p[1]) {
        uintptr_t *object = (uintptr_t *) ((uintptr_t) p + delta);
        if (header_tag(p[0]) == TAG_REFC_BITS) {
            offheap_bin_ref((struct offheap_bin *) p[2]);
        } else {
            heap_resource_ref((void *) p[2]);
        }
        heap_link_offheap(h, object, heap_offheap_bytes(object));
    }
    return term_from_boxed_ptr(to);
}
