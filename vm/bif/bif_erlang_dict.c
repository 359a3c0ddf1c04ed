/* bif_erlang_dict.c - the process dictionary. */
#include "vm/bif/bif.h"
#include "vm/core/compare.h"
#include "vm/proc/dict.h"

static term or_undefined(term t)
{
    return term_is_none(t) ? ATOM(undefined) : t;
}

term bif_erlang_put_2(struct proc *p, term *args)
{
    return or_undefined(dict_put(p, args[0], args[1]));
}

term bif_erlang_get_1(struct proc *p, term *args)
{
    return or_undefined(dict_get(p, args[0]));
}

term bif_erlang_erase_1(struct proc *p, term *args)
{
    return or_undefined(dict_erase(p, args[0]));
}

term bif_erlang_get_0(struct proc *p, term *args)
{
    (void) args;
    term list = TERM_NIL;
    for (size_t i = dict_size(p); i-- > 0;) {
        const term *pair = dict_pair(p, i);
        list = heap_cons(&p->heap, heap_tuple2(&p->heap, pair[0], pair[1]), list);
    }
    return list;
}

term bif_erlang_erase_0(struct proc *p, term *args)
{
    term all = bif_erlang_get_0(p, args);
    dict_clear(p);
    return all;
}

term bif_erlang_get_keys_0(struct proc *p, term *args)
{
    (void) args;
    term list = TERM_NIL;
    for (size_t i = dict_size(p); i-- > 0;) {
        list = heap_cons(&p->heap, dict_pair(p, i)[0], list);
    }
    return list;
}

term bif_erlang_get_keys_1(struct proc *p, term *args)
{
    term list = TERM_NIL;
    for (size_t i = dict_size(p); i-- > 0;) {
        const term *pair = dict_pair(p, i);
        if (term_equal_exact(pair[1], args[0])) {
            list = heap_cons(&p->heap, pair[0], list);
        }
    }
    return list;
}
