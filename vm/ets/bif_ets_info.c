/* ets: what is known about tables. */
#include "vm/ets/bif_ets.h"

#include <math.h>

#include "vm/core/bits.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

static term type_of(const struct ets_table *t)
{
    switch (t->type) {
    case ETS_SET: return ATOM(set);
    case ETS_BAG: return ATOM(bag);
    case ETS_DUPLICATE_BAG: return ATOM(duplicate_bag);
    case ETS_ORDERED_SET: return ATOM(ordered_set);
    }
    return TERM_NONE;
}

static term protection_of(const struct ets_table *t)
{
    return t->protection == ETS_PRIVATE ? ATOM(private) : t->protection == ETS_PUBLIC ? ATOM(public) : ATOM(protected);
}

static size_t memory_words(const struct ets_table *t)
{
    size_t index = t->n_buckets + t->n_segments;
    return (sizeof(*t) + t->n_objects * sizeof(struct ets_object)) / sizeof(uintptr_t) + index + t->n_words;
}

/* {Time, [{Pid, Count}]}, or false. */
static term fixations(struct heap *h, const struct ets_table *t, bool monotonic)
{
    if (t->n_fixed == 0) {
        return ATOM(false);
    }
    term list = TERM_NIL;
    for (const struct ets_fix *f = t->fixes; f != NULL; f = f->next) {
        list = heap_cons(h, heap_tuple2(h, f->pid, term_from_small((intptr_t) f->count)), list);
    }
    int64_t us = t->fixed_since_ns[1] / 1000;
    term time = monotonic
        ? heap_integer(h, t->fixed_since_ns[0])
        : heap_tuple3(h, term_from_small(us / 1000000 / 1000000), term_from_small(us / 1000000 % 1000000),
              term_from_small(us % 1000000));
    return heap_tuple2(h, time, list);
}

/* {Buckets, average length, its deviation, the one expected, shortest, longest, deleted but kept, 0}. */
static term statistics(struct heap *h, const struct ets_table *t)
{
    if (ets_is_tree(t)) {
        return ATOM(false);
    }
    size_t shortest = SIZE_MAX, longest = 0;
    double n = (double) t->n_buckets, average = (double) (t->n_objects + t->n_deleted) / n, squares = 0;
    for (size_t i = 0; i < t->n_buckets; i++) {
        size_t length = 0;
        for (const struct ets_object *o = ets_hash_bucket(t, i); o != NULL; o = o->next) {
            length++;
        }
        shortest = length < shortest ? length : shortest;
        longest = length > longest ? length : longest;
        squares += ((double) length - average) * ((double) length - average);
    }
    term parts[] = { term_from_small((intptr_t) t->n_buckets), heap_float(h, average),
        heap_float(h, sqrt(squares / n)), heap_float(h, sqrt(average * (1 - 1 / n))),
        term_from_small((intptr_t) shortest), term_from_small((intptr_t) longest),
        term_from_small((intptr_t) t->n_deleted), term_from_small(0) };
    return heap_tuple(h, parts, ARRAY_LEN(parts));
}

static term add_binaries(struct heap *h, const struct ets_object *o, term list)
{
    for (const uintptr_t *p = o->offheap; p != NULL; p = (const uintptr_t *) p[1]) {
        if (header_tag(p[0]) == TAG_REFC_BITS) {
            struct offheap_bin *b = (struct offheap_bin *) p[2];
            term refs = term_from_small((intptr_t) atomic_load_explicit(&b->refs, memory_order_relaxed));
            term size = term_from_small((intptr_t) (p[3] / 8));
            list = heap_cons(h, heap_tuple3(h, heap_uinteger(h, (uintptr_t) b), size, refs), list);
        }
    }
    return list;
}

/* [{Address, Size, References}] of the off-heap binaries in the table, deleted but kept ones too. */
static term binaries(struct heap *h, struct ets_table *t)
{
    term list = TERM_NIL;
    if (ets_is_tree(t)) {
        struct ets_cursor c;
        ets_cursor_first(&c, t, false);
        for (const struct ets_object *o; (o = ets_cursor_next(&c)) != NULL;) {
            list = add_binaries(h, o, list);
        }
    }
    for (size_t i = 0; i < t->n_buckets; i++) {
        for (const struct ets_object *o = ets_hash_bucket(t, i); o != NULL; o = o->next) {
            list = add_binaries(h, o, list);
        }
    }
    return list;
}

/* TERM_NONE: no such item. */
static term item(struct heap *h, struct ets_table *t, term name)
{
    switch (term_to_atom_index(name)) {
    case ATOM_INDEX_id: return ets_ref(h, t->id);
    case ATOM_INDEX_decentralized_counters: return term_from_bool(t->decentralized_counters);
    case ATOM_INDEX_read_concurrency: return term_from_bool(t->read_concurrency);
    case ATOM_INDEX_write_concurrency: return t->write_concurrency;
    case ATOM_INDEX_compressed: return term_from_bool(t->compressed);
    case ATOM_INDEX_memory: return term_from_small((intptr_t) memory_words(t));
    case ATOM_INDEX_owner: return t->owner;
    case ATOM_INDEX_heir: return term_is_none(t->heir) ? ATOM(none) : t->heir;
    case ATOM_INDEX_name: return (term) { t->name };
    case ATOM_INDEX_size: return term_from_small((intptr_t) t->n_objects);
    case ATOM_INDEX_node: return ATOM(nonode);
    case ATOM_INDEX_named_table: return term_from_bool(t->named);
    case ATOM_INDEX_type: return type_of(t);
    case ATOM_INDEX_keypos: return term_from_small((intptr_t) t->key_position);
    case ATOM_INDEX_protection: return protection_of(t);
    case ATOM_INDEX_fixed: return term_from_bool(t->n_fixed > 0);
    case ATOM_INDEX_safe_fixed: return fixations(h, t, false);
    case ATOM_INDEX_safe_fixed_monotonic_time: return fixations(h, t, true);
    case ATOM_INDEX_stats: return statistics(h, t);
    case ATOM_INDEX_binary: return binaries(h, t);
    default: return TERM_NONE;
    }
}

static bool is_table_name(term t)
{
    return term_is_atom(t) || term_is_ref(t);
}

term bif_ets_info_1(struct proc *p, term *args)
{
    static const uint32_t items[] = { ATOM_INDEX_id, ATOM_INDEX_decentralized_counters,
        ATOM_INDEX_read_concurrency, ATOM_INDEX_write_concurrency, ATOM_INDEX_compressed, ATOM_INDEX_memory,
        ATOM_INDEX_owner, ATOM_INDEX_heir, ATOM_INDEX_name, ATOM_INDEX_size, ATOM_INDEX_node,
        ATOM_INDEX_named_table, ATOM_INDEX_type, ATOM_INDEX_keypos, ATOM_INDEX_protection };
    enum ets_status st;
    if (!is_table_name(args[0])) {
        return proc_badarg(p);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_INFO, &st);
    if (t == NULL) {
        return ATOM(undefined);
    }
    term list = TERM_NIL;
    for (size_t i = ARRAY_LEN(items); i-- > 0;) {
        term name = term_from_atom_index(items[i]);
        list = heap_cons(&p->heap, heap_tuple2(&p->heap, name, item(&p->heap, t, name)), list);
    }
    ets_release(t, NULL);
    return list;
}

term bif_ets_info_2(struct proc *p, term *args)
{
    enum ets_status st;
    if (!is_table_name(args[0]) || !term_is_atom(args[1])) {
        return proc_badarg(p);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_INFO, &st);
    if (t == NULL) {
        return ATOM(undefined);
    }
    term value = item(&p->heap, t, args[1]);
    ets_release(t, NULL);
    return term_is_none(value) ? proc_badarg(p) : value;
}

/* Behind ets:all/0, which waits for an answer {Ref, Tables} from every scheduler: one has them all. */
term bif_ets_internal_request_all_0(struct proc *p, term *args)
{
    struct heap *h = &p->heap;
    (void) args;
    term ref = heap_ref(h, ref_next_id(), 0);
    signal_send(p, p->id, heap_tuple2(h, ref, ets_all(h)));
    for (unsigned i = sched_count(); i > 1; i--) {
        signal_send(p, p->id, heap_tuple2(h, ref, TERM_NIL));
    }
    return ref;
}
