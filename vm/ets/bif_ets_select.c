/* ets: select, match and their kin, and match specifications as such. */
#include "lib/base/arena.h"
#include "vm/ets/bif_ets.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/ets/match_spec.h"

/* A growing array of terms or objects. */
struct results {
    term *terms; /* owned */
    size_t n, cap;
};

static void add_result(struct results *r, term t)
{
    if (r->n == r->cap) {
        r->cap = r->cap == 0 ? 64 : r->cap * 2;
        r->terms = vm_realloc(r->terms, r->cap * sizeof(*r->terms));
    }
    r->terms[r->n++] = t;
}

/* In a chain the newest comes first; what has the same key is to be listed oldest first. */
static term list_of_reversed(struct proc *p, const struct results *r)
{
    term list = TERM_NIL;
    for (size_t i = 0; i < r->n; i++) {
        list = heap_cons(&p->heap, r->terms[i], list);
    }
    return list;
}

/* What a pass over a table goes through: everything, or the objects of the one key that can match. */
struct walk {
    struct ets_cursor cursor;
    struct ets_object *next;
    term key; /* TERM_NONE: everything */
    size_t n_seen;
};

static void walk_start(struct walk *w, struct ets_table *t, const struct match_spec *ms, bool backwards)
{
    w->n_seen = 0;
    w->key = match_spec_key(ms, t->key_position);
    ets_cursor_first(&w->cursor, t, backwards);
    w->next = term_is_none(w->key) ? NULL : ets_find(t, w->key);
}

static struct ets_object *walk_next(struct walk *w)
{
    w->n_seen++;
    if (term_is_none(w->key)) {
        return ets_cursor_next(&w->cursor);
    }
    struct ets_object *o = w->next;
    if (o != NULL) {
        w->next = ets_find_next(w->cursor.table, o, w->key);
    }
    return o;
}

static term try(struct match_run *run, const struct ets_object *o)
{
    return match_run_object(run, ets_tuple(o), o->words, o->n_words);
}

static void bump(struct proc *p, const struct walk *w)
{
    proc_bump(p, 1 + w->n_seen / 4);
}

/* ---- all at once ---- */

/* A pass over that many objects takes a millisecond or more. */
static bool is_far(const struct proc *p, const struct ets_table *t, const struct match_spec *ms)
{
    enum { FAR_OBJECTS = 20000 };
    return t->n_objects > FAR_OBJECTS && bif_is_near(p) && term_is_none(match_spec_key(ms, t->key_position));
}

static term go_far(struct proc *p, struct ets_table *t, struct match_spec *ms, const char *name, const term *args)
{
    ets_release(t, NULL);
    match_spec_free(ms);
    return bif_go_far(p, name, args, 2);
}

static term select_all(struct proc *p, const term *args, const char *name, enum match_body body, bool backwards)
{
    enum ets_status st;
    term table = args[0], spec = args[1];
    struct match_spec *ms = match_spec_compile(spec, body, false);
    if (ms == NULL) {
        return bif_ets_badarg(p, table, ETS_READ);
    }
    struct ets_table *t = ets_acquire(p, table, ETS_READ, &st);
    if (t == NULL) {
        match_spec_free(ms);
        return bif_ets_raise(p, st);
    }
    if (is_far(p, t, ms)) {
        return go_far(p, t, ms, name, args);
    }
    struct match_run run;
    struct results r = { 0 };
    struct walk w;
    match_run_init(&run, ms, p);
    walk_start(&w, t, ms, backwards);
    bool is_tree = ets_is_tree(t);
    for (struct ets_object *o; (o = walk_next(&w)) != NULL;) {
        term value = try(&run, o);
        if (!term_is_none(value)) {
            add_result(&r, value);
        }
    }
    ets_release(t, NULL);
    match_run_done(&run);
    match_spec_free(ms);
    bump(p, &w);
    term list = is_tree ? heap_list(&p->heap, r.terms, r.n, TERM_NIL) : list_of_reversed(p, &r);
    vm_free(r.terms);
    return list;
}

term bif_ets_select_2(struct proc *p, term *args)
{
    return select_all(p, args, "ets_select", MATCH_SPEC, false);
}
term bif_ets_select_reverse_2(struct proc *p, term *args)
{
    return select_all(p, args, "ets_select_reverse", MATCH_SPEC, true);
}
term bif_ets_match_2(struct proc *p, term *args)
{
    return select_all(p, args, "ets_match", MATCH_BINDINGS, false);
}
term bif_ets_match_object_2(struct proc *p, term *args)
{
    return select_all(p, args, "ets_match_object", MATCH_OBJECT, false);
}

/* ---- in portions ----
 *
 * What ets:repair_continuation/2 knows of a continuation:
 *   hash  {Table, Bucket, Limit, Spec, Left, NLeft}   Left: found but not yet given
 *   tree  {Table, LastKey, [], Limit, Spec, [], Backwards, 0}
 */
struct portion {
    term table, spec_term; /* as a term; TERM_NONE: not yet one */
    const struct match_spec *ms;
    size_t limit;
    bool backwards;
    size_t bucket; /* hash: go on here */
    term key;      /* tree: go on behind this; TERM_NONE: from the start */
    term left;
    size_t n_left;
};

static term take_left(struct results *r, term list, size_t limit)
{
    while (r->n < limit && term_is_cons(list)) {
        add_result(r, term_head(list));
        list = term_tail(list);
    }
    return list;
}

/* More results, at least up to the limit; false: there is nothing beyond. */
static bool portion_scan_hash(struct ets_table *t, struct portion *q, struct match_run *run, struct results *r, size_t *n_seen)
{
    term key = match_spec_key(q->ms, t->key_position);
    if (!term_is_none(key)) {
        for (struct ets_object *o = ets_find(t, key); o != NULL; o = ets_find_next(t, o, key)) {
            term value = try(run, o);
            if (!term_is_none(value)) {
                add_result(r, value);
            }
        }
        q->bucket = t->n_buckets;
        return false;
    }
    for (; r->n < q->limit && q->bucket < t->n_buckets; q->bucket++) {
        for (struct ets_object *o = ets_hash_bucket(t, q->bucket); o != NULL; o = o->next) {
            term value = o->deleted ? TERM_NONE : try(run, o);
            if (!term_is_none(value)) {
                add_result(r, value);
            }
        }
        ++*n_seen;
    }
    return q->bucket < t->n_buckets;
}

static bool portion_scan_tree(struct ets_table *t, struct portion *q, struct match_run *run, struct results *r, size_t *n_seen)
{
    struct ets_cursor c;
    struct ets_object *o = NULL;
    if (term_is_none(q->key)) {
        ets_cursor_first(&c, t, q->backwards);
    } else {
        ets_cursor_after(&c, t, q->key, q->backwards);
    }
    while (r->n < q->limit && (o = ets_cursor_next(&c)) != NULL) {
        term value = try(run, o);
        if (!term_is_none(value)) {
            add_result(r, value);
        }
        ++*n_seen;
    }
    if (o != NULL) {
        q->key = copy_term(ets_key(t, o), &run->p->heap);
    }
    return o != NULL;
}

static term continuation(struct proc *p, const struct portion *q, bool is_tree)
{
    struct heap *h = &p->heap;
    term limit = term_from_small((intptr_t) q->limit);
    if (is_tree) {
        term parts[] = { q->table, q->key, TERM_NIL, limit, q->spec_term, TERM_NIL,
            term_from_small(q->backwards), term_from_small(0) };
        return heap_tuple(h, parts, ARRAY_LEN(parts));
    }
    term parts[] = { q->table, term_from_small((intptr_t) q->bucket), limit, q->spec_term, q->left,
        term_from_small((intptr_t) q->n_left) };
    return heap_tuple(h, parts, ARRAY_LEN(parts));
}

static term select_portion(struct proc *p, struct portion *q)
{
    enum ets_status st;
    struct ets_table *t = ets_acquire(p, q->table, ETS_READ, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    struct match_run run;
    struct results r = { 0 };
    size_t n_seen = 0;
    bool is_tree = ets_is_tree(t), more = true;
    q->table = ets_ref(&p->heap, t->id); /* this table, whatever is called so later */
    match_run_init(&run, q->ms, p);
    q->left = take_left(&r, q->left, q->limit);
    if (r.n < q->limit) {
        more = is_tree ? portion_scan_tree(t, q, &run, &r, &n_seen) : portion_scan_hash(t, q, &run, &r, &n_seen);
    }
    ets_release(t, NULL);
    match_run_done(&run);
    proc_bump(p, 1 + n_seen / 4);
    if (r.n > q->limit) { /* the last bucket gave more than was wanted */
        q->n_left = r.n - q->limit;
        q->left = heap_list(&p->heap, r.terms + q->limit, q->n_left, TERM_NIL);
        r.n = q->limit;
        more = true;
    } else if (!term_is_nil(q->left)) {
        q->n_left = (size_t) term_list_length(q->left);
        more = true;
    } else {
        q->n_left = 0;
    }
    term list = heap_list(&p->heap, r.terms, r.n, TERM_NIL);
    bool none = r.n == 0;
    vm_free(r.terms);
    if (none) {
        return ATOM(end_of_table);
    }
    return heap_tuple2(&p->heap, list, more ? continuation(p, q, is_tree) : ATOM(end_of_table));
}

static term select_first(struct proc *p, term *args, enum match_body body, bool backwards)
{
    if (!term_is_small(args[2]) || term_to_small(args[2]) < 1) {
        return bif_ets_badarg(p, args[0], ETS_READ);
    }
    struct match_spec *ms = match_spec_compile(args[1], body, true);
    if (ms == NULL) {
        return bif_ets_badarg(p, args[0], ETS_READ);
    }
    struct portion q = { .table = args[0], .ms = ms, .limit = (size_t) term_to_small(args[2]),
        .backwards = backwards, .left = TERM_NIL };
    q.spec_term = match_spec_to_term(&p->heap, ms);
    return term_is_none(q.spec_term) ? proc_system_limit(p) : select_portion(p, &q);
}

term bif_ets_select_3(struct proc *p, term *args)
{
    return select_first(p, args, MATCH_SPEC, false);
}
term bif_ets_select_reverse_3(struct proc *p, term *args)
{
    return select_first(p, args, MATCH_SPEC, true);
}
term bif_ets_match_3(struct proc *p, term *args)
{
    return select_first(p, args, MATCH_BINDINGS, false);
}
term bif_ets_match_object_3(struct proc *p, term *args)
{
    return select_first(p, args, MATCH_OBJECT, false);
}

/* What q would have been when the continuation was made; false: it is none. */
static bool portion_of(term t, struct portion *q)
{
    if (term_is_tuple_of(t, 6)) {
        term bucket = term_tuple_get(t, 1), limit = term_tuple_get(t, 2);
        if (!term_is_small(bucket) || term_to_small(bucket) < 0 || !term_is_small(limit) || term_to_small(limit) < 1) {
            return false;
        }
        *q = (struct portion) { .bucket = (size_t) term_to_small(bucket), .limit = (size_t) term_to_small(limit),
            .spec_term = term_tuple_get(t, 3), .left = term_tuple_get(t, 4) };
    } else if (term_is_tuple_of(t, 8)) {
        term limit = term_tuple_get(t, 3), backwards = term_tuple_get(t, 6);
        if (!term_is_small(limit) || term_to_small(limit) < 1 || !term_is_small(backwards)) {
            return false;
        }
        *q = (struct portion) { .key = term_tuple_get(t, 1), .limit = (size_t) term_to_small(limit),
            .spec_term = term_tuple_get(t, 4), .left = TERM_NIL, .backwards = term_to_small(backwards) != 0 };
    } else {
        return false;
    }
    q->table = term_tuple_get(t, 0);
    q->ms = match_spec_of_term(q->spec_term);
    return q->ms != NULL && term_list_length(q->left) >= 0;
}

term bif_ets_select_1(struct proc *p, term *args)
{
    struct portion q;
    if (term_same(args[0], ATOM(end_of_table))) {
        return args[0];
    }
    return portion_of(args[0], &q) ? select_portion(p, &q) : proc_badarg(p);
}

/* ---- count, delete, replace ---- */

/* The objects for which the body is `true`, or with `values` those that match and what they become. */
static bool find_matching(struct proc *p, struct ets_table *t, const struct match_spec *ms, struct results *objects,
    struct results *values)
{
    struct match_run run;
    struct walk w;
    bool ok = true;
    match_run_init(&run, ms, p);
    walk_start(&w, t, ms, false);
    for (struct ets_object *o; ok && (o = walk_next(&w)) != NULL;) {
        term value = try(&run, o);
        if (term_is_none(value) || (values == NULL && !term_same(value, ATOM(true)))) {
            continue;
        }
        if (values != NULL) {
            ok = term_is_tuple(value) && term_tuple_arity(value) >= t->key_position
                && term_equal_exact(term_tuple_get(value, t->key_position - 1), ets_key(t, o));
            add_result(values, value);
        }
        add_result(objects, (term) { (uintptr_t) o });
    }
    match_run_done(&run);
    bump(p, &w);
    return ok;
}

term bif_ets_select_count_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct match_spec *ms = match_spec_compile(args[1], MATCH_SPEC, false);
    if (ms == NULL) {
        return bif_ets_badarg(p, args[0], ETS_READ);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_READ, &st);
    struct results objects = { 0 };
    if (t != NULL && is_far(p, t, ms)) {
        return go_far(p, t, ms, "ets_select_count", args);
    }
    if (t != NULL) {
        find_matching(p, t, ms, &objects, NULL);
        ets_release(t, NULL);
    }
    match_spec_free(ms);
    vm_free(objects.terms);
    return t == NULL ? bif_ets_raise(p, st) : term_from_small((intptr_t) objects.n);
}

term bif_ets_internal_select_delete_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct match_spec *ms = match_spec_compile(args[1], MATCH_SPEC, false);
    if (ms == NULL) {
        return bif_ets_badarg(p, args[0], ETS_WRITE);
    }
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    struct results objects = { 0 };
    if (t != NULL && is_far(p, t, ms)) {
        return go_far(p, t, ms, "ets_select_delete", args);
    }
    if (t != NULL) {
        struct ets_object *gone = NULL;
        if (match_spec_is_all(ms)) {
            objects.n = ets_remove_all(t, &gone);
        } else {
            find_matching(p, t, ms, &objects, NULL);
            for (size_t i = 0; i < objects.n; i++) {
                ets_remove(t, (struct ets_object *) objects.terms[i].word, &gone);
            }
        }
        ets_release(t, gone);
    }
    match_spec_free(ms);
    vm_free(objects.terms);
    return t == NULL ? bif_ets_raise(p, st) : term_from_small((intptr_t) objects.n);
}

/* Replaces all or, if memory is short, some. */
static bool replace_all(struct ets_table *t, struct results *objects, struct results *values, struct ets_object **gone)
{
    for (size_t i = 0; i < objects->n; i++) {
        struct ets_object *o = ets_object_new(values->terms[i]);
        if (o == NULL) {
            return false;
        }
        ets_replace(t, (struct ets_object *) objects->terms[i].word, o, gone);
    }
    return true;
}

term bif_ets_select_replace_2(struct proc *p, term *args)
{
    enum ets_status st;
    struct match_spec *ms = match_spec_compile(args[1], MATCH_SPEC, false);
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    if (t == NULL) {
        if (ms != NULL) {
            match_spec_free(ms);
        }
        return bif_ets_raise(p, st);
    }
    if (t->type == ETS_BAG || ms == NULL) {
        term cause = t->type == ETS_BAG ? ATOM(table_type) : TERM_NONE;
        ets_release(t, NULL);
        if (ms != NULL) {
            match_spec_free(ms);
        }
        return term_is_none(cause) ? bif_ets_badarg(p, args[0], ETS_WRITE) : proc_raise_cause(p, ATOM(badarg), cause);
    }
    if (is_far(p, t, ms)) {
        return go_far(p, t, ms, "ets_select_replace", args);
    }
    struct results objects = { 0 }, values = { 0 };
    struct ets_object *gone = NULL;
    bool ok = match_spec_keeps_key(args[1], t->key_position)
        && find_matching(p, t, ms, &objects, &values);
    bool room = ok && replace_all(t, &objects, &values, &gone);
    ets_release(t, gone);
    match_spec_free(ms);
    vm_free(objects.terms);
    vm_free(values.terms);
    return !ok ? bif_ets_badarg(p, args[0], ETS_WRITE) : !room ? proc_system_limit(p) : term_from_small((intptr_t) objects.n);
}

/* ---- match specifications without a table ---- */

term bif_ets_match_spec_compile_1(struct proc *p, term *args)
{
    struct match_spec *ms = term_is_nil(args[0]) ? NULL : match_spec_compile(args[0], MATCH_SPEC, true);
    if (ms == NULL) {
        return proc_badarg(p);
    }
    term t = match_spec_to_term(&p->heap, ms);
    return term_is_none(t) ? proc_system_limit(p) : t;
}

term bif_ets_is_compiled_ms_1(struct proc *p, term *args)
{
    (void) p;
    return term_from_bool(match_spec_of_term(args[0]) != NULL);
}

term bif_ets_match_spec_run_r_3(struct proc *p, term *args)
{
    const struct match_spec *ms = match_spec_of_term(args[1]);
    if (ms == NULL || term_list_length(args[0]) < 0) {
        return proc_badarg(p);
    }
    struct match_run run;
    match_run_init(&run, ms, p);
    term list = args[2];
    size_t n = 0;
    for (term rest = args[0]; term_is_cons(rest); rest = term_tail(rest), n++) {
        term value = match_run_object(&run, term_head(rest), NULL, 0);
        if (!term_is_none(value)) {
            list = heap_cons(&p->heap, value, list);
        }
    }
    match_run_done(&run);
    proc_bump(p, n / 4);
    return list;
}

term bif_erlang_match_spec_test_3(struct proc *p, term *args)
{
    struct heap *h = &p->heap;
    if (!term_same(args[2], ATOM(table))) {
        return proc_badarg(p);
    }
    struct match_spec *ms = term_is_nil(args[1]) ? NULL : match_spec_compile(args[1], MATCH_SPEC, false);
    if (ms == NULL) {
        term why = heap_tuple2(h, ATOM(error), heap_cstring(h, "Error in match specification."));
        return heap_tuple2(h, ATOM(error), heap_cons(h, why, TERM_NIL));
    }
    struct match_run run;
    match_run_init(&run, ms, p);
    term value = match_run_object(&run, args[0], NULL, 0);
    match_run_done(&run);
    match_spec_free(ms);
    return heap_tuple4(h, ATOM(ok), term_is_none(value) ? ATOM(false) : value, TERM_NIL, TERM_NIL);
}
