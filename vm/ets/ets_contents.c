/* What both kinds of table have in common. */
#include "vm/core/compare.h"
#include "vm/ets/ets.h"

void ets_contents_init(struct ets_table *t)
{
    t->n_objects = t->n_deleted = t->n_words = 0;
    t->root = NULL;
    t->segments = NULL;
    t->n_segments = t->n_buckets = t->mask = 0;
    if (!ets_is_tree(t)) {
        ets_hash_init(t);
    }
}

struct ets_object *ets_find(const struct ets_table *t, term key)
{
    return ets_is_tree(t) ? ets_tree_find(t, key) : ets_hash_find(t, key);
}

struct ets_object *ets_find_next(const struct ets_table *t, const struct ets_object *o, term key)
{
    return ets_is_bag(t) ? ets_hash_find_next(t, o, key) : NULL;
}

void ets_insert(struct ets_table *t, struct ets_object *o, struct ets_object **gone)
{
    if (ets_is_tree(t)) {
        ets_tree_insert(t, o, gone);
    } else {
        ets_hash_insert(t, o, gone);
    }
}

void ets_replace(struct ets_table *t, struct ets_object *old, struct ets_object *o, struct ets_object **gone)
{
    if (ets_is_tree(t)) {
        ets_tree_replace(t, old, o, gone);
    } else {
        ets_hash_replace(t, old, o, gone);
    }
}

size_t ets_remove_key(struct ets_table *t, term key, struct ets_object **gone)
{
    if (ets_is_tree(t)) {
        size_t before = t->n_objects;
        ets_tree_remove(t, key, gone);
        return before - t->n_objects;
    }
    return ets_hash_remove_key(t, key, gone);
}

void ets_remove(struct ets_table *t, struct ets_object *o, struct ets_object **gone)
{
    if (ets_is_tree(t)) {
        ets_tree_remove(t, ets_key(t, o), gone);
    } else {
        ets_hash_remove(t, o, gone);
    }
}

size_t ets_remove_all(struct ets_table *t, struct ets_object **gone)
{
    size_t n = t->n_objects;
    if (ets_is_tree(t)) {
        ets_tree_take_all(t, gone);
    } else if (t->n_fixed == 0) {
        ets_hash_take_all(t, gone);
    } else {
        struct ets_cursor c;
        ets_cursor_first(&c, t, false);
        for (struct ets_object *o; (o = ets_cursor_next(&c)) != NULL;) {
            ets_hash_remove(t, o, gone); /* only marks it */
        }
    }
    return n;
}

void ets_unfixed(struct ets_table *t, struct ets_object **gone)
{
    if (!ets_is_tree(t)) {
        ets_hash_purge(t, gone);
    }
}

/* ---- iteration ---- */

static struct ets_object *child(const struct ets_cursor *c, const struct ets_object *o, bool far)
{
    return far != c->backwards ? o->right : o->next;
}

/* Remembers the way from o to the first object below it. */
static void tree_descend(struct ets_cursor *c, struct ets_object *o)
{
    for (; o != NULL; o = child(c, o, false)) {
        c->path[c->depth++] = o;
    }
}

void ets_cursor_first(struct ets_cursor *c, struct ets_table *t, bool backwards)
{
    c->table = t;
    c->at = NULL;
    c->bucket = c->depth = 0;
    c->backwards = backwards;
    tree_descend(c, t->root);
}

void ets_cursor_after(struct ets_cursor *c, struct ets_table *t, term key, bool backwards)
{
    ets_cursor_first(c, t, backwards);
    c->depth = 0;
    for (struct ets_object *o = t->root; o != NULL;) {
        int order = term_compare(ets_key(t, o), key);
        if (backwards ? order < 0 : order > 0) {
            c->path[c->depth++] = o; /* comes later than key */
            o = child(c, o, false);
        } else {
            o = child(c, o, true);
        }
    }
}

struct ets_object *ets_cursor_next(struct ets_cursor *c)
{
    if (ets_is_tree(c->table)) {
        if (c->depth == 0) {
            return NULL;
        }
        struct ets_object *o = c->path[--c->depth];
        tree_descend(c, child(c, o, true));
        return o;
    }
    for (;;) {
        struct ets_object *o = c->at;
        while (o != NULL && o->deleted) {
            o = o->next;
        }
        if (o != NULL) {
            c->at = o->next;
            return o;
        }
        if (c->bucket >= c->table->n_buckets) {
            c->at = NULL;
            return NULL;
        }
        c->at = ets_hash_bucket(c->table, c->bucket++);
    }
}

struct ets_object *ets_following(struct ets_table *t, term key, bool backwards, bool *known)
{
    if (!ets_is_tree(t)) {
        return ets_hash_following(t, key, known);
    }
    struct ets_cursor c;
    *known = true;
    ets_cursor_after(&c, t, key, backwards);
    return ets_cursor_next(&c);
}
