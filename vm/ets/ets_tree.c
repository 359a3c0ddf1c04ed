/* A height-balanced binary tree (AVL) in term order, where 1 and 1.0 are the same key. Left children
 * are in `next`. Nothing recurses: the way down is remembered as links. */
#include "vm/core/compare.h"
#include "vm/ets/ets.h"

static int compare(term a, term b)
{
    if (term_is_small(a) && term_is_small(b)) {
        return (intptr_t) a.word < (intptr_t) b.word ? -1 : a.word != b.word;
    }
    return term_compare(a, b);
}

static int height(const struct ets_object *o)
{
    return o == NULL ? 0 : o->height;
}

static void update(struct ets_object *o)
{
    int l = height(o->next), r = height(o->right);
    o->height = (uint8_t) (1 + (l > r ? l : r));
}

static void rotate_right(struct ets_object **link)
{
    struct ets_object *o = *link, *l = o->next;
    o->next = l->right;
    l->right = o;
    update(o);
    update(l);
    *link = l;
}

static void rotate_left(struct ets_object **link)
{
    struct ets_object *o = *link, *r = o->right;
    o->right = r->next;
    r->next = o;
    update(o);
    update(r);
    *link = r;
}

/* Restores the balance of the nodes on the way, deepest first. */
static void rebalance(struct ets_object **path[], size_t depth)
{
    while (depth-- > 0) {
        struct ets_object **link = path[depth], *o = *link;
        int before = o->height, lean = height(o->next) - height(o->right);
        if (lean > 1) {
            if (height(o->next->next) < height(o->next->right)) {
                rotate_left(&o->next);
            }
            rotate_right(link);
        } else if (lean < -1) {
            if (height(o->right->right) < height(o->right->next)) {
                rotate_right(&o->right);
            }
            rotate_left(link);
        } else {
            update(o);
        }
        if ((*link)->height == before) {
            return;
        }
    }
}

/* Link to the object with the key, or to where it would be; the links above it are in path. */
static struct ets_object **descend(struct ets_table *t, term key, struct ets_object **path[], size_t *depth)
{
    struct ets_object **link = &t->root;
    *depth = 0;
    while (*link != NULL) {
        int c = compare(key, ets_key(t, *link));
        if (c == 0) {
            break;
        }
        path[(*depth)++] = link;
        link = c < 0 ? &(*link)->next : &(*link)->right;
    }
    return link;
}

struct ets_object *ets_tree_find(const struct ets_table *t, term key)
{
    struct ets_object *o = t->root;
    while (o != NULL) {
        int c = compare(key, ets_key(t, o));
        if (c == 0) {
            break;
        }
        o = c < 0 ? o->next : o->right;
    }
    return o;
}

static void put_in_place(struct ets_table *t, struct ets_object **link, struct ets_object *o, struct ets_object **gone)
{
    struct ets_object *old = *link;
    o->next = old->next;
    o->right = old->right;
    o->height = old->height;
    *link = o;
    t->n_words += o->n_words - old->n_words;
    old->next = *gone;
    *gone = old;
}

void ets_tree_insert(struct ets_table *t, struct ets_object *o, struct ets_object **gone)
{
    struct ets_object **path[ETS_TREE_HEIGHT];
    size_t depth;
    struct ets_object **link = descend(t, ets_key(t, o), path, &depth);
    if (*link != NULL) {
        put_in_place(t, link, o, gone);
        return;
    }
    o->next = o->right = NULL;
    o->height = 1;
    *link = o;
    t->n_objects++;
    t->n_words += o->n_words;
    rebalance(path, depth);
}

void ets_tree_replace(struct ets_table *t, struct ets_object *old, struct ets_object *o, struct ets_object **gone)
{
    struct ets_object **path[ETS_TREE_HEIGHT];
    size_t depth;
    put_in_place(t, descend(t, ets_key(t, old), path, &depth), o, gone);
}

void ets_tree_remove(struct ets_table *t, term key, struct ets_object **gone)
{
    struct ets_object **path[ETS_TREE_HEIGHT];
    size_t depth;
    struct ets_object **link = descend(t, key, path, &depth), *o = *link;
    if (o == NULL) {
        return;
    }
    if (o->next == NULL || o->right == NULL) {
        *link = o->next != NULL ? o->next : o->right;
    } else {
        /* Its successor takes its place. */
        size_t place = depth;
        path[depth++] = link;
        struct ets_object **next = &o->right;
        while ((*next)->next != NULL) {
            path[depth++] = next;
            next = &(*next)->next;
        }
        struct ets_object *s = *next;
        *next = s->right;
        s->next = o->next;
        s->right = o->right;
        s->height = o->height;
        *link = s;
        if (depth > place + 1) {
            path[place + 1] = &s->right;
        }
    }
    rebalance(path, depth);
    t->n_objects--;
    t->n_words -= o->n_words;
    o->next = *gone;
    *gone = o;
}

void ets_tree_take_all(struct ets_table *t, struct ets_object **gone)
{
    /* Unrolls the tree: a left child is turned up until there is none. */
    struct ets_object *o = t->root;
    while (o != NULL) {
        struct ets_object *l = o->next;
        if (l != NULL) {
            o->next = l->right;
            l->right = o;
            o = l;
            continue;
        }
        struct ets_object *r = o->right;
        o->next = *gone;
        *gone = o;
        o = r;
    }
    t->root = NULL;
    t->n_objects = t->n_words = 0;
}
