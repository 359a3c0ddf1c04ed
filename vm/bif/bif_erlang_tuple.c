/* Tuples made and changed. element/2 and the size guards are in bif_erlang_guard.c. */
#include "vm/bif/bif_build.h"

/* A tuple of arity n whose elements the caller fills in; NULL: raised. */
static uintptr_t *tuple_new(struct proc *p, size_t n, term *out)
{
    uintptr_t *words = bif_room(p, HEAP_TUPLE_WORDS(n));
    if (words == NULL) {
        return NULL;
    }
    bif_elements(p, n);
    words[0] = TERM_HEADER(TAG_TUPLE, n);
    *out = term_from_boxed_ptr(words);
    return words + 1;
}

/* 1-based index up to max, as 0-based; false if it is none. */
static bool tuple_index(term t, size_t max, size_t *out)
{
    if (!term_is_small(t) || term_to_small(t) < 1 || (uintptr_t) term_to_small(t) > max) {
        return false;
    }
    *out = (size_t) term_to_small(t) - 1;
    return true;
}

term bif_erlang_setelement_3(struct proc *p, term *args)
{
    size_t i;
    if (!term_is_tuple(args[1]) || !tuple_index(args[0], term_tuple_arity(args[1]), &i)) {
        return proc_badarg(p);
    }
    size_t n = term_tuple_arity(args[1]);
    term tuple;
    uintptr_t *to = tuple_new(p, n, &tuple);
    if (to == NULL) {
        return TERM_NONE;
    }
    memcpy(to, term_words(args[1]) + 1, n * sizeof(*to));
    to[i] = args[2].word;
    return tuple;
}

/* tuple with value before element i */
static term insert(struct proc *p, term tuple, size_t i, term value)
{
    size_t n = term_tuple_arity(tuple);
    const uintptr_t *from = term_words(tuple) + 1;
    term made;
    uintptr_t *to = n < TUPLE_MAX_ARITY ? tuple_new(p, n + 1, &made) : NULL;
    if (to == NULL) {
        return n < TUPLE_MAX_ARITY ? TERM_NONE : proc_badarg(p);
    }
    memcpy(to, from, i * sizeof(*to));
    to[i] = value.word;
    memcpy(to + i + 1, from + i, (n - i) * sizeof(*to));
    return made;
}

term bif_erlang_append_element_2(struct proc *p, term *args)
{
    return term_is_tuple(args[0]) ? insert(p, args[0], term_tuple_arity(args[0]), args[1])
                                  : proc_badarg(p);
}

term bif_erlang_insert_element_3(struct proc *p, term *args)
{
    size_t i;
    if (!term_is_tuple(args[1]) || !tuple_index(args[0], term_tuple_arity(args[1]) + 1, &i)) {
        return proc_badarg(p);
    }
    return insert(p, args[1], i, args[2]);
}

term bif_erlang_delete_element_2(struct proc *p, term *args)
{
    size_t i;
    if (!term_is_tuple(args[1]) || !tuple_index(args[0], term_tuple_arity(args[1]), &i)) {
        return proc_badarg(p);
    }
    size_t n = term_tuple_arity(args[1]);
    const uintptr_t *from = term_words(args[1]) + 1;
    term tuple;
    uintptr_t *to = tuple_new(p, n - 1, &tuple);
    if (to == NULL) {
        return TERM_NONE;
    }
    memcpy(to, from, i * sizeof(*to));
    memcpy(to + i, from + i + 1, (n - i - 1) * sizeof(*to));
    return tuple;
}

/* A tuple of n equal elements; NULL: raised. */
static uintptr_t *filled(struct proc *p, term arity, term value, term *out)
{
    if (!term_is_small(arity) || term_to_small(arity) < 0
        || term_to_small(arity) > TUPLE_MAX_ARITY) {
        (void) proc_badarg(p);
        return NULL;
    }
    size_t n = (size_t) term_to_small(arity);
    uintptr_t *to = tuple_new(p, n, out);
    for (size_t i = 0; to != NULL && i < n; i++) {
        to[i] = value.word;
    }
    return to;
}

term bif_erlang_make_tuple_2(struct proc *p, term *args)
{
    term tuple;
    return filled(p, args[0], args[1], &tuple) == NULL ? TERM_NONE : tuple;
}

term bif_erlang_make_tuple_3(struct proc *p, term *args)
{
    term tuple, list = args[2];
    uintptr_t *to = filled(p, args[0], args[1], &tuple);
    if (to == NULL) {
        return TERM_NONE;
    }
    size_t n = term_tuple_arity(tuple), i;
    for (; term_is_cons(list); list = term_tail(list)) {
        term pair = term_head(list);
        if (!term_is_tuple_of(pair, 2) || !tuple_index(term_tuple_get(pair, 0), n, &i)) {
            return proc_badarg(p);
        }
        to[i] = term_tuple_get(pair, 1).word;
    }
    return term_is_nil(list) ? tuple : proc_badarg(p);
}

term bif_erlang_list_to_tuple_1(struct proc *p, term *args)
{
    intptr_t n = term_list_length(args[0]);
    if (n < 0 || n > TUPLE_MAX_ARITY) {
        return proc_badarg(p);
    }
    term tuple;
    uintptr_t *to = tuple_new(p, (size_t) n, &tuple);
    if (to == NULL) {
        return TERM_NONE;
    }
    for (term list = args[0]; term_is_cons(list); list = term_tail(list)) {
        *to++ = term_head(list).word;
    }
    return tuple;
}

term bif_erlang_tuple_to_list_1(struct proc *p, term *args)
{
    if (!term_is_tuple(args[0])) {
        return proc_badarg(p);
    }
    size_t n = term_tuple_arity(args[0]);
    uintptr_t *cells = bif_room(p, HEAP_CONS_WORDS * n);
    if (cells == NULL) {
        return TERM_NONE;
    }
    bif_elements(p, n);
    term list = TERM_NIL;
    for (size_t i = n; i-- > 0; cells += HEAP_CONS_WORDS) {
        cells[0] = term_tuple_get(args[0], i).word;
        cells[1] = list.word;
        list = term_from_list_ptr(cells);
    }
    return list;
}
