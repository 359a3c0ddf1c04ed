/* bif_ets_table.c - ets: tables come, change hands and go. */
#include "vm/ets/bif_ets.h"

#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/core/ref.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

static bool set_flag(term t, bool *out)
{
    *out = term_same(t, ATOM(true));
    return term_is_bool(t);
}

static bool pair_option(struct ets_options *o, term key, term value)
{
    if (term_same(key, ATOM(keypos))) {
        if (!term_is_small(value) || term_to_small(value) < 1 || term_to_small(value) > UINT32_MAX) {
            return false;
        }
        o->key_position = (uint32_t) term_to_small(value);
        return true;
    }
    if (term_same(key, ATOM(write_concurrency))) {
        o->write_concurrency = value;
        return term_is_bool(value) || term_same(value, ATOM(auto));
    }
    if (term_same(key, ATOM(read_concurrency))) {
        return set_flag(value, &o->read_concurrency);
    }
    if (term_same(key, ATOM(decentralized_counters))) {
        return set_flag(value, &o->decentralized_counters);
    }
    if (term_same(key, ATOM(heir)) && term_same(value, ATOM(none))) {
        o->heir = TERM_NONE;
        return true;
    }
    return false;
}

static bool atom_option(struct ets_options *o, term t)
{
    static const struct { uint32_t atom; enum ets_type type; } types[] = {
        { ATOM_INDEX_set, ETS_SET },
        { ATOM_INDEX_bag, ETS_BAG },
        { ATOM_INDEX_duplicate_bag, ETS_DUPLICATE_BAG },
        { ATOM_INDEX_ordered_set, ETS_ORDERED_SET },
    };
    static const struct { uint32_t atom; enum ets_protection protection; } protections[] = {
        { ATOM_INDEX_private, ETS_PRIVATE },
        { ATOM_INDEX_protected, ETS_PROTECTED },
        { ATOM_INDEX_public, ETS_PUBLIC },
    };
    size_t index = term_to_atom_index(t);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].atom == index) {
            o->type = types[i].type;
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(protections); i++) {
        if (protections[i].atom == index) {
            o->protection = protections[i].protection;
            return true;
        }
    }
    o->named |= term_same(t, ATOM(named_table));
    o->compressed |= term_same(t, ATOM(compressed));
    return term_same(t, ATOM(named_table)) || term_same(t, ATOM(compressed));
}

static bool new_option(struct ets_options *o, term t)
{
    if (term_is_atom(t)) {
        return atom_option(o, t);
    }
    if (term_is_tuple_of(t, 2)) {
        return pair_option(o, term_tuple_get(t, 0), term_tuple_get(t, 1));
    }
    if (term_is_tuple_of(t, 3) && term_same(term_tuple_get(t, 0), ATOM(heir))
        && term_is_local_pid(term_tuple_get(t, 1))) {
        o->heir = term_tuple_get(t, 1);
        o->heir_data = term_tuple_get(t, 2);
        return true;
    }
    return false;
}

term bif_ets_new_2(struct proc *p, term *args)
{
    struct ets_options o = {
        .type = ETS_SET, .protection = ETS_PROTECTED, .key_position = 1, .write_concurrency = ATOM(false) };
    term list = args[1];
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    for (; term_is_cons(list); list = term_tail(list)) {
        if (!new_option(&o, term_head(list))) {
            return proc_badarg(p);
        }
    }
    if (!term_is_nil(list) || (o.named && term_same(args[0], ATOM(undefined)))) {
        return proc_badarg(p);
    }
    uint64_t id;
    enum ets_status st = ets_table_new(p, args[0], &o, &id);
    if (st != ETS_OK) {
        return bif_ets_raise(p, st);
    }
    return o.named ? args[0] : ets_ref(&p->heap, id);
}

static bool is_large(struct proc *p, term table, enum ets_access access)
{
    enum ets_status st;
    struct ets_table *t = ets_acquire(p, table, access, &st);
    bool large = t != NULL && t->n_objects > BIF_ETS_FAR_OBJECTS;
    if (t != NULL) {
        ets_release(t, NULL);
    }
    return large;
}

term bif_ets_delete_1(struct proc *p, term *args)
{
    enum ets_status st;
    if (bif_is_near(p) && is_large(p, args[0], ETS_WRITE)) {
        return bif_go_far(p, "ets_delete", args, 1);
    }
    return ets_table_delete(p, args[0], &st) ? ATOM(true) : bif_ets_raise(p, st);
}

term bif_ets_rename_2(struct proc *p, term *args)
{
    enum ets_status st;
    if (!term_is_atom(args[1])) {
        return bif_ets_badarg(p, args[0], ETS_WRITE);
    }
    if (!ets_table_rename(p, args[0], args[1], &st)) {
        return bif_ets_raise(p, st);
    }
    return term_is_atom(args[0]) ? args[1] : args[0];
}

term bif_ets_whereis_1(struct proc *p, term *args)
{
    enum ets_status st;
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_INFO, &st);
    if (t == NULL) {
        return ATOM(undefined);
    }
    uint64_t id = t->id;
    ets_release(t, NULL);
    return ets_ref(&p->heap, id);
}

term bif_ets_give_away_3(struct proc *p, term *args)
{
    enum ets_status st;
    if (!term_is_local_pid(args[1]) || term_same(args[1], p->id) || !proc_alive(args[1])) {
        return bif_ets_badarg(p, args[0], ETS_OWN);
    }
    return ets_table_give(p, args[0], args[1], args[2], &st) ? ATOM(true) : bif_ets_raise(p, st);
}

/* One option of setopts; applied only if all are good: heir and protection. */
static bool set_option(struct ets_options *o, bool *has_heir, term t)
{
    if (term_is_tuple_of(t, 2) && term_same(term_tuple_get(t, 0), ATOM(protection))
        && term_is_atom(term_tuple_get(t, 1))) {
        term value = term_tuple_get(t, 1);
        bool known = term_same(value, ATOM(private)) || term_same(value, ATOM(protected))
            || term_same(value, ATOM(public));
        return known && atom_option(o, value);
    }
    *has_heir = true;
    bool is_heir = (term_is_tuple_of(t, 2) || term_is_tuple_of(t, 3)) && term_same(term_tuple_get(t, 0), ATOM(heir));
    return is_heir && new_option(o, t);
}

term bif_ets_setopts_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_options o = { .protection = (enum ets_protection) 99 };
    bool has_heir = false;
    term list = args[1];
    if (term_is_tuple(list) && !set_option(&o, &has_heir, list)) {
        return bif_ets_badarg(p, args[0], ETS_OWN);
    }
    for (; term_is_cons(list); list = term_tail(list)) {
        if (!set_option(&o, &has_heir, term_head(list))) {
            return bif_ets_badarg(p, args[0], ETS_OWN);
        }
    }
    if (!term_is_nil(list) && !term_is_tuple(list)) {
        return bif_ets_badarg(p, args[0], ETS_OWN);
    }
    struct ets_object *data = NULL, *gone = NULL;
    if (!term_is_none(o.heir)) {
        data = ets_object_new(heap_tuple(&p->heap, &o.heir_data, 1));
        if (data == NULL) {
            return proc_system_limit(p);
        }
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_OWN, &st);
    if (t == NULL) {
        ets_object_free_list(data);
        return bif_ets_raise(p, st);
    }
    if (has_heir) {
        gone = t->heir_data;
        t->heir = o.heir;
        t->heir_data = data;
    }
    if (o.protection <= ETS_PUBLIC) {
        t->protection = o.protection;
    }
    ets_release(t, gone);
    return ATOM(true);
}

term bif_ets_safe_fixtable_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_object *gone = NULL;
    if (!term_is_bool(args[1])) {
        return bif_ets_badarg(p, args[0], ETS_READ);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_READ, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    ets_fix(p, t, term_same(args[1], ATOM(true)), &gone);
    ets_release(t, gone);
    return ATOM(true);
}
