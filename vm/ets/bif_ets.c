/* ets: tables, objects, and walking from key to key. bif_ets_select.c has the match
 * specifications, bif_ets_info.c what is known about a table. */
#include "vm/ets/bif_ets.h"

#include "lib/base/arena.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/core/ref.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

term bif_ets_raise(struct proc *p, enum ets_status st)
{
    switch (st) {
    case ETS_BAD_ID: return proc_raise_cause(p, ATOM(badarg), ATOM(id));
    case ETS_NO_ACCESS: return proc_raise_cause(p, ATOM(badarg), ATOM(access));
    case ETS_NAME_TAKEN: return proc_raise_cause(p, ATOM(badarg), ATOM(already_exists));
    case ETS_NOMEM: return proc_system_limit(p);
    case ETS_OK: break;
    }
    return proc_badarg(p);
}

term bif_ets_badarg(struct proc *p, term table, enum ets_access access)
{
    enum ets_status st;
    struct ets_table *t = ets_acquire(p, table, access, &st);
    if (t != NULL) {
        ets_release(t, NULL);
    }
    return bif_ets_raise(p, st);
}

/* ---- new ---- */

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

/* What frees or makes that many objects takes a millisecond or more. */
enum { FAR_OBJECTS = 10000 };

static bool is_large(struct proc *p, term table, enum ets_access access)
{
    enum ets_status st;
    struct ets_table *t = ets_acquire(p, table, access, &st);
    bool large = t != NULL && t->n_objects > FAR_OBJECTS;
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

/* ---- insert ---- */

/* Copies of what is to be inserted, linked in order; NULL with *st if one cannot be. */
static struct ets_object *copies_of(term objects, enum ets_status *st)
{
    struct ets_object *first = NULL, **last = &first;
    term list = objects;
    for (;;) {
        term t = term_is_cons(list) ? term_head(list) : list;
        if (!term_is_tuple(t)) {
            *st = ETS_OK; /* plain badarg */
            break;
        }
        struct ets_object *o = ets_object_new(t);
        if (o == NULL) {
            *st = ETS_NOMEM;
            break;
        }
        *last = o;
        last = &o->next;
        if (!term_is_cons(list)) {
            return first;
        }
        list = term_tail(list);
        if (term_is_nil(list)) {
            return first;
        }
        if (!term_is_cons(list)) {
            *st = ETS_OK;
            break;
        }
    }
    ets_object_free_list(first);
    return NULL;
}

static bool all_have_keys(const struct ets_table *t, const struct ets_object *o)
{
    for (; o != NULL; o = o->next) {
        if (header_arity(o->words[0]) < t->key_position) {
            return false;
        }
    }
    return true;
}

static bool any_exists(const struct ets_table *t, const struct ets_object *o)
{
    for (; o != NULL; o = o->next) {
        if (ets_find(t, ets_key(t, o)) != NULL) {
            return true;
        }
    }
    return false;
}

static term insert(struct proc *p, term *args, bool only_new)
{
    enum ets_status st;
    if (term_is_nil(args[1])) {
        struct ets_table *empty = ets_acquire(p, args[0], ETS_WRITE, &st);
        if (empty == NULL) {
            return bif_ets_raise(p, st);
        }
        ets_release(empty, NULL);
        return ATOM(true);
    }
    if (bif_is_near(p) && term_is_cons(args[1]) && term_list_length(args[1]) > FAR_OBJECTS) {
        return bif_go_far(p, only_new ? "ets_insert_new" : "ets_insert", args, 2);
    }
    struct ets_object *o = copies_of(args[1], &st), *gone = NULL;
    if (o == NULL) {
        return bif_ets_raise(p, st);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    if (t == NULL) {
        ets_object_free_list(o);
        return bif_ets_raise(p, st);
    }
    if (!all_have_keys(t, o)) {
        ets_release(t, o);
        return bif_ets_badarg(p, args[0], ETS_WRITE);
    }
    if (only_new && any_exists(t, o)) {
        ets_release(t, o);
        return ATOM(false);
    }
    size_t n = 0;
    while (o != NULL) {
        struct ets_object *next = o->next;
        ets_insert(t, o, &gone);
        o = next;
        n++;
    }
    ets_release(t, gone);
    proc_bump(p, n);
    return ATOM(true);
}

term bif_ets_insert_2(struct proc *p, term *args)
{
    return insert(p, args, false);
}

term bif_ets_insert_new_2(struct proc *p, term *args)
{
    return insert(p, args, true);
}

/* ---- look up ---- */

/* The objects with the key, oldest first. */
static term objects_of(struct proc *p, const struct ets_table *t, term key)
{
    term list = TERM_NIL;
    for (const struct ets_object *o = ets_find(t, key); o != NULL; o = ets_find_next(t, o, key)) {
        list = heap_cons(&p->heap, ets_object_to_heap(o, &p->heap), list);
    }
    return list;
}

term bif_ets_lookup_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_table *t = ets_acquire(p, args[0], ETS_READ, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    term list = objects_of(p, t, args[1]);
    ets_release(t, NULL);
    return list;
}

term bif_ets_member_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_table *t = ets_acquire(p, args[0], ETS_READ, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    bool found = ets_find(t, args[1]) != NULL;
    ets_release(t, NULL);
    return term_from_bool(found);
}

/* TERM_NONE: no such key, or an object is too short. */
static term element_of(struct proc *p, const struct ets_table *t, term key, size_t position)
{
    const struct ets_object *o = ets_find(t, key);
    term list = TERM_NIL;
    if (o == NULL) {
        return TERM_NONE;
    }
    for (; o != NULL; o = ets_find_next(t, o, key)) {
        if (header_arity(o->words[0]) < position) {
            return TERM_NONE;
        }
        term e = copy_term((term) { o->words[position] }, &p->heap);
        if (!ets_is_bag(t)) {
            return e;
        }
        list = heap_cons(&p->heap, e, list);
    }
    return list;
}

term bif_ets_lookup_element_3(struct proc *p, term *args)
{
    enum ets_status st;
    if (!term_is_small(args[2]) || term_to_small(args[2]) < 1) {
        return bif_ets_badarg(p, args[0], ETS_READ);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_READ, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    bool known = ets_find(t, args[1]) != NULL;
    term result = known ? element_of(p, t, args[1], (size_t) term_to_small(args[2])) : TERM_NONE;
    ets_release(t, NULL);
    if (!term_is_none(result)) {
        return result;
    }
    return proc_raise_cause(p, ATOM(badarg), known ? ATOM(position) : ATOM(badkey));
}

/* ---- delete ---- */

term bif_ets_delete_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_object *gone = NULL;
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    ets_remove_key(t, args[1], &gone);
    ets_release(t, gone);
    return ATOM(true);
}

term bif_ets_take_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_object *gone = NULL;
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    term list = objects_of(p, t, args[1]);
    ets_remove_key(t, args[1], &gone);
    ets_release(t, gone);
    return list;
}

term bif_ets_delete_object_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_object *gone = NULL;
    if (!term_is_tuple(args[1])) {
        return bif_ets_badarg(p, args[0], ETS_WRITE);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    bool has_key = term_tuple_arity(args[1]) >= t->key_position;
    if (has_key) {
        term key = term_tuple_get(args[1], t->key_position - 1);
        struct ets_object *o = ets_find(t, key);
        while (o != NULL) {
            struct ets_object *next = ets_find_next(t, o, key);
            if (term_equal_exact(ets_tuple(o), args[1])) {
                ets_remove(t, o, &gone);
            }
            o = next;
        }
    }
    ets_release(t, gone);
    return has_key ? ATOM(true) : bif_ets_badarg(p, args[0], ETS_WRITE);
}

term bif_ets_internal_delete_all_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_object *gone = NULL;
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    if (t->n_objects > FAR_OBJECTS && bif_is_near(p)) {
        ets_release(t, NULL);
        return bif_go_far(p, "ets_delete_all", args, 2);
    }
    size_t n = ets_remove_all(t, &gone);
    ets_release(t, gone);
    proc_bump(p, n / 8);
    return term_from_small((intptr_t) n);
}

/* ---- from key to key ---- */

static term key_or_end(struct proc *p, const struct ets_table *t, const struct ets_object *o)
{
    return o == NULL ? ATOM(end_of_table) : copy_term(ets_key(t, o), &p->heap);
}

static term edge(struct proc *p, term *args, bool backwards)
{
    enum ets_status st;
    struct ets_cursor c;
    struct ets_table *t = ets_acquire(p, args[0], ETS_READ, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    ets_cursor_first(&c, t, backwards);
    term key = key_or_end(p, t, ets_cursor_next(&c));
    ets_release(t, NULL);
    return key;
}

term bif_ets_first_1(struct proc *p, term *args)
{
    return edge(p, args, false);
}

term bif_ets_last_1(struct proc *p, term *args)
{
    return edge(p, args, true);
}

static term follow(struct proc *p, term *args, bool backwards)
{
    enum ets_status st;
    bool known;
    if (term_same(args[1], ATOM(end_of_table))) {
        return bif_ets_badarg(p, args[0], ETS_READ);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_READ, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    term key = key_or_end(p, t, ets_following(t, args[1], backwards, &known));
    ets_release(t, NULL);
    return known ? key : bif_ets_badarg(p, args[0], ETS_READ);
}

term bif_ets_next_2(struct proc *p, term *args)
{
    return follow(p, args, false);
}

term bif_ets_prev_2(struct proc *p, term *args)
{
    return follow(p, args, true);
}

/* The objects of one bucket; of an ordered table the n-th object. */
term bif_ets_slot_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_table *t = ets_acquire(p, args[0], ETS_READ, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    size_t n = ets_is_tree(t) ? t->n_objects : t->n_buckets;
    size_t i = term_is_small(args[1]) && term_to_small(args[1]) >= 0 ? (size_t) term_to_small(args[1]) : SIZE_MAX;
    term list = TERM_NIL;
    if (i < n && ets_is_tree(t)) {
        struct ets_cursor c;
        ets_cursor_first(&c, t, false);
        struct ets_object *o = ets_cursor_next(&c);
        for (size_t k = 0; k < i; k++) {
            o = ets_cursor_next(&c);
        }
        list = heap_cons(&p->heap, ets_object_to_heap(o, &p->heap), TERM_NIL);
    } else if (i < n) {
        for (const struct ets_object *o = ets_hash_bucket(t, i); o != NULL; o = o->next) {
            if (!o->deleted) {
                list = heap_cons(&p->heap, ets_object_to_heap(o, &p->heap), list);
            }
        }
    }
    ets_release(t, NULL);
    return i < n ? list : i == n ? ATOM(end_of_table) : bif_ets_badarg(p, args[0], ETS_READ);
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
