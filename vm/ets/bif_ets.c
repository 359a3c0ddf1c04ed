/* bif_ets.c - ets: objects, and walking from key to key. bif_ets_table.c has the tables, bif_ets_select.c the match
 * specifications, bif_ets_info.c what is known about a table. */
#include "vm/ets/bif_ets.h"

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

/* In a bag the objects of a list come in from its end, as on OTP. */
static struct ets_object *reversed(struct ets_object *o)
{
    struct ets_object *done = NULL;
    while (o != NULL) {
        struct ets_object *next = o->next;
        o->next = done;
        done = o;
        o = next;
    }
    return done;
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
    if (bif_is_near(p) && term_is_cons(args[1]) && term_list_length(args[1]) > BIF_ETS_FAR_OBJECTS) {
        return bif_go_far(p, only_new ? "ets_insert_new" : "ets_insert", args, 2);
    }
    struct ets_object *o = copies_of(args[1], &st), *gone = NULL;
    if (o == NULL) {
        return st == ETS_OK ? bif_ets_badarg(p, args[0], ETS_WRITE) : bif_ets_raise(p, st);
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
    if (t->type == ETS_BAG) {
        o = reversed(o);
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
    return known ? bif_ets_badarg(p, args[0], ETS_READ) : proc_raise_cause(p, ATOM(badarg), ATOM(badkey));
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
    if (t->n_objects > BIF_ETS_FAR_OBJECTS && bif_is_near(p)) {
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
