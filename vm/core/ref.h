/* ref.h - references as numbers: how a local id is split for printing, hashing and encoding.
 *
 * #Ref<0.ids[2].ids[1].ids[0]>: the first number has 18 bits, as in OTP, the second 32, the third
 * what is left. A reference that is also an alias carries its process in the fourth and fifth.
 */
#ifndef VM_REF_H
#define VM_REF_H

#include "vm/core/atom.h"

enum { REF_MAX_NUMBERS = 5, REF_LOCAL_NUMBERS = 3, REF_FIRST_BITS = 18, REF_THIRD_BITS = 14 };

static inline bool term_is_local_ref(term t)
{
    return term_has_tag(t, TAG_REF) || term_has_tag(t, TAG_RESOURCE);
}
static inline uint64_t term_ref_id(term t)
{
    return term_box(t)[term_tag(t) == TAG_REF ? 1 : 3];
}
/* The pid that can be reached by this reference as an alias, or TERM_NONE. pre: local */
static inline term term_ref_alias(term t)
{
    return (term) { term_tag(t) == TAG_REF ? term_box(t)[2] : 0 };
}

struct ref_numbers {
    term node;
    uint32_t creation;
    uint32_t n;
    uint32_t ids[REF_MAX_NUMBERS]; /* least significant first; unused ones are 0 */
};

/* pre: term_is_ref(t) */
static inline struct ref_numbers term_ref_numbers(term t)
{
    struct ref_numbers r = { .node = ATOM(nonode), .n = REF_LOCAL_NUMBERS };
    if (term_is_local_ref(t)) {
        uint64_t id = term_ref_id(t);
        r.ids[0] = (uint32_t) id & ((1u << REF_FIRST_BITS) - 1);
        r.ids[1] = (uint32_t) (id >> REF_FIRST_BITS);
        r.ids[2] = (uint32_t) (id >> (REF_FIRST_BITS + 32));
        term alias = term_ref_alias(t);
        if (!term_is_none(alias)) {
            r.n = REF_MAX_NUMBERS;
            r.ids[3] = term_pid_number(alias);
            r.ids[4] = term_pid_serial(alias);
        }
    } else {
        const uintptr_t *p = term_box(t);
        r.node = (term) { p[1] };
        r.creation = (uint32_t) p[2];
        r.n = (uint32_t) p[3];
        for (size_t i = 0; i < r.n && i < REF_MAX_NUMBERS; i++) {
            r.ids[i] = (uint32_t) p[4 + i];
        }
    }
    return r;
}

#endif
