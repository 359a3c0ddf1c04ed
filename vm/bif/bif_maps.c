/* module maps: what OTP implements natively; the rest of the module is OTP's maps.beam. */
#include "vm/bif/bif_build.h"
#include "vm/core/compare.h"
#include "vm/core/map.h"

static term ok_tuple(struct proc *p, term value)
{
    return heap_tuple2(&p->heap, ATOM(ok), value);
}

term bif_maps_get_2(struct proc *p, term *args)
{
    if (!term_is_map(args[1])) {
        return bif_badmap(p, args[1]);
    }
    term value = map_get(args[1], args[0]);
    return term_is_none(value) ? bif_badkey(p, args[0]) : value;
}

term bif_maps_find_2(struct proc *p, term *args)
{
    if (!term_is_map(args[1])) {
        return bif_badmap(p, args[1]);
    }
    term value = map_get(args[1], args[0]);
    return term_is_none(value) ? ATOM(error) : ok_tuple(p, value);
}

term bif_maps_is_key_2(struct proc *p, term *args)
{
    if (!term_is_map(args[1])) {
        return bif_badmap(p, args[1]);
    }
    return term_from_bool(!term_is_none(map_get(args[1], args[0])));
}

term bif_maps_put_3(struct proc *p, term *args)
{
    return term_is_map(args[2]) ? map_put(&p->heap, args[2], args[0], args[1])
                                : bif_badmap(p, args[2]);
}

term bif_maps_update_3(struct proc *p, term *args)
{
    if (!term_is_map(args[2])) {
        return bif_badmap(p, args[2]);
    }
    if (term_is_none(map_get(args[2], args[0]))) {
        return bif_badkey(p, args[0]);
    }
    return map_put(&p->heap, args[2], args[0], args[1]);
}

term bif_maps_remove_2(struct proc *p, term *args)
{
    return term_is_map(args[1]) ? map_remove(&p->heap, args[1], args[0], NULL)
                                : bif_badmap(p, args[1]);
}

term bif_maps_take_2(struct proc *p, term *args)
{
    if (!term_is_map(args[1])) {
        return bif_badmap(p, args[1]);
    }
    term value, map = map_remove(&p->heap, args[1], args[0], &value);
    return term_is_none(value) ? ATOM(error) : heap_tuple2(&p->heap, value, map);
}

term bif_maps_merge_2(struct proc *p, term *args)
{
    for (int i = 0; i < 2; i++) {
        if (!term_is_map(args[i])) {
            return bif_badmap(p, args[i]);
        }
    }
    bif_elements(p, map_size(args[0]) + map_size(args[1]));
    return map_merge(&p->heap, args[0], args[1]);
}

/* The pairs' keys, or with values their values, as a list. */
static term list_of(struct proc *p, term map, bool values)
{
    size_t n = map_size(map);
    uintptr_t *cells = bif_room(p, HEAP_CONS_WORDS * n);
    if (cells == NULL) {
        return TERM_NONE;
    }
    struct map_iter it;
    term key, value;
    bif_elements(p, n);
    map_iter_init(&it, map);
    for (size_t i = 0; map_iter_next(&it, &key, &value); i++) {
        cells[2 * i] = values ? value.word : key.word;
        cells[2 * i + 1] = i + 1 < n ? term_from_list_ptr(&cells[2 * i + 2]).word : TERM_NIL.word;
    }
    return n == 0 ? TERM_NIL : term_from_list_ptr(cells);
}

term bif_maps_keys_1(struct proc *p, term *args)
{
    return term_is_map(args[0]) ? list_of(p, args[0], false) : bif_badmap(p, args[0]);
}

term bif_maps_values_1(struct proc *p, term *args)
{
    return term_is_map(args[0]) ? list_of(p, args[0], true) : bif_badmap(p, args[0]);
}

/* A map of a list's elements, as pairs or each with the same value (TERM_NONE: pairs). */
static term map_of_list(struct proc *p, term list, term value)
{
    intptr_t n = term_list_length(list);
    term *kv = n < 0 ? NULL : vm_try_alloc(2 * (size_t) n * sizeof(*kv));
    if (kv == NULL) {
        return n < 0 ? proc_badarg(p) : proc_system_limit(p);
    }
    size_t i = 0;
    for (; term_is_cons(list); list = term_tail(list), i += 2) {
        term element = term_head(list);
        if (!term_is_none(value)) {
            kv[i] = element;
            kv[i + 1] = value;
        } else if (term_is_tuple_of(element, 2)) {
            kv[i] = term_tuple_get(element, 0);
            kv[i + 1] = term_tuple_get(element, 1);
        } else {
            vm_free(kv);
            return proc_badarg(p);
        }
    }
    bif_elements(p, 4 * (size_t) n);
    term map = map_from_pairs(&p->heap, kv, (size_t) n);
    vm_free(kv);
    return map;
}

term bif_maps_from_list_1(struct proc *p, term *args)
{
    return map_of_list(p, args[0], TERM_NONE);
}

term bif_maps_from_keys_2(struct proc *p, term *args)
{
    return map_of_list(p, args[0], args[1]);
}

/* ---- iterators: map_next(Path, Map, iterator | Acc) ---- */

enum { PAIRS_PER_ITERATOR = 60, PAIRS_PER_LIST = 2000 };

/* How many pairs from position at on to hand out at once, at least max unless the map ends; then
 * *out_more is false, else *at becomes the position of the pair behind them. */
static size_t pairs_at_once(term map, size_t *at, size_t max, bool *out_more)
{
    struct map_iter it;
    term key, value;
    size_t n = 0, last = *at;
    map_iter_init_at(&it, map, *at);
    *out_more = false;
    for (; map_iter_next(&it, &key, &value); n++) {
        if (n + 1 >= max) { /* may end here: positions matter */
            size_t position = map_iter_position(&it);
            if (n >= max && position != last) {
                *at = position;
                *out_more = true;
                break;
            }
            last = position;
        }
    }
    return n;
}

/* {K1, V1, {K2, V2, ... Rest}} where Rest is none or [Path | Map]. */
static term next_iterator(struct proc *p, term map, size_t at)
{
    struct map_iter it;
    term key, value;
    bool more;
    map_iter_init_at(&it, map, at);
    size_t n = pairs_at_once(map, &at, PAIRS_PER_ITERATOR, &more);
    term rest = more ? heap_cons(&p->heap, term_from_small((intptr_t) at), map) : ATOM(none);
    uintptr_t *tuples = bif_room(p, 4 * n);
    if (tuples == NULL) {
        return TERM_NONE;
    }
    for (size_t i = 0; i < n; i++) {
        uintptr_t *t = tuples + 4 * i;
        VM_REQUIRE(map_iter_next(&it, &key, &value));
        t[0] = TERM_HEADER(TAG_TUPLE, 3);
        t[1] = key.word;
        t[2] = value.word;
        t[3] = i + 1 < n ? term_from_boxed_ptr(t + 4).word : rest.word;
    }
    bif_elements(p, n);
    return n == 0 ? rest : term_from_boxed_ptr(tuples);
}

/* The next pairs in front of acc; when there are more, [Path, Map | Acc]. */
static term next_list(struct proc *p, term map, size_t at, term acc)
{
    struct map_iter it;
    term key, value;
    bool more = false, flat = map_size(map) <= MAP_FLAT_MAX;
    map_iter_init_at(&it, map, at);
    size_t n = pairs_at_once(map, &at, PAIRS_PER_LIST, &more);
    if (flat) { /* in order of their keys */
        map_iter_init_last(&it, map);
    }
    for (size_t i = 0; i < n; i++) {
        VM_REQUIRE(flat ? map_iter_prev(&it, &key, &value) : map_iter_next(&it, &key, &value));
        acc = heap_cons(&p->heap, heap_tuple2(&p->heap, key, value), acc);
    }
    bif_elements(p, 4 * n);
    return more ? heap_cons(&p->heap, term_from_small((intptr_t) at), heap_cons(&p->heap, map, acc))
                : acc;
}

term bif_erts_internal_map_next_3(struct proc *p, term *args)
{
    bool iterator = term_same(args[2], ATOM(iterator));
    if (!term_is_small(args[0]) || term_to_small(args[0]) < 0 || !term_is_map(args[1])
        || (!iterator && !term_is_list(args[2]))) {
        return proc_badarg(p);
    }
    size_t at = (size_t) term_to_small(args[0]);
    if (at > (map_size(args[1]) <= MAP_FLAT_MAX ? 0 : MAP_MAX_POSITION)) {
        return proc_badarg(p);
    }
    return iterator ? next_iterator(p, args[1], at) : next_list(p, args[1], at, args[2]);
}

term bif_erts_internal_map_to_tuple_keys_1(struct proc *p, term *args)
{
    if (!term_is_map(args[0])) {
        return bif_badmap(p, args[0]);
    }
    return term_has_tag(args[0], TAG_FLATMAP) ? map_flat_keys(args[0]) : proc_badarg(p);
}

/* What a large map is made of, for erts_debug:size: its leaves, [Key|Value] each. */
term bif_erts_internal_map_hashmap_children_1(struct proc *p, term *args)
{
    if (!term_is_map(args[0])) {
        return bif_badmap(p, args[0]);
    }
    if (!term_has_tag(args[0], TAG_HASHMAP)) {
        return proc_badarg(p);
    }
    struct map_iter it;
    term key, value, list = TERM_NIL;
    bif_elements(p, 4 * map_size(args[0]));
    map_iter_init(&it, args[0]);
    while (map_iter_next(&it, &key, &value)) {
        list = heap_cons(&p->heap, heap_cons(&p->heap, key, value), list);
    }
    return list;
}
