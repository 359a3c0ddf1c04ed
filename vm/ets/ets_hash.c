/* Linear hashing: one bucket is split whenever the objects outnumber the buckets, so that growing
 * never stops anybody for long. Objects with the same key are neighbours in their chain, the newest
 * first. While the table is fixed no bucket is split and what is deleted stays in its chain. */
#include "lib/base/arena.h"
#include "vm/core/compare.h"
#include "vm/ets/ets.h"

static uint64_t hash_of(term key)
{
    return term_hash(key, 0);
}

static size_t index_of(const struct ets_table *t, uint64_t hash)
{
    size_t i = hash & t->mask;
    return i < t->n_buckets ? i : hash & t->mask >> 1;
}

static struct ets_object **bucket_at(const struct ets_table *t, size_t i)
{
    return &t->segments[i / ETS_SEGMENT][i % ETS_SEGMENT];
}

void ets_hash_init(struct ets_table *t)
{
    t->segments = vm_alloc(sizeof(*t->segments));
    t->segments[0] = vm_zalloc(ETS_SEGMENT * sizeof(**t->segments));
    t->n_segments = 1;
    t->n_buckets = ETS_SEGMENT;
    t->mask = ETS_SEGMENT - 1;
}

void ets_hash_destroy(struct ets_table *t)
{
    for (size_t i = 0; i < (t->n_buckets + ETS_SEGMENT - 1) / ETS_SEGMENT; i++) {
        vm_free(t->segments[i]);
    }
    vm_free(t->segments);
    t->segments = NULL;
}

static void split(struct ets_table *t)
{
    if (t->n_buckets % ETS_SEGMENT == 0) {
        size_t i = t->n_buckets / ETS_SEGMENT;
        if (i == t->n_segments) {
            t->n_segments *= 2;
            t->segments = vm_realloc(t->segments, t->n_segments * sizeof(*t->segments));
        }
        t->segments[i] = vm_zalloc(ETS_SEGMENT * sizeof(**t->segments));
    }
    if (t->n_buckets == t->mask + 1) {
        t->mask = t->mask * 2 + 1;
    }
    size_t new = t->n_buckets++, old = new & t->mask >> 1;
    struct ets_object **from = bucket_at(t, old), **to = bucket_at(t, new);
    while (*from != NULL) {
        struct ets_object *o = *from;
        if (index_of(t, o->hash) == new) {
            *from = o->next;
            *to = o;
            to = &o->next;
        } else {
            from = &o->next;
        }
    }
    *to = NULL;
}

static bool has_key(const struct ets_table *t, const struct ets_object *o, uint64_t hash, term key)
{
    return o->hash == hash && term_equal_exact(ets_key(t, o), key);
}

/* Link to the first object with the key, live or not; to the chain's end if there is none. */
static struct ets_object **link_of(const struct ets_table *t, uint64_t hash, term key)
{
    struct ets_object **link = bucket_at(t, index_of(t, hash));
    while (*link != NULL && !has_key(t, *link, hash, key)) {
        link = &(*link)->next;
    }
    return link;
}

struct ets_object *ets_hash_find(const struct ets_table *t, term key)
{
    uint64_t hash = hash_of(key);
    struct ets_object *o = *link_of(t, hash, key);
    while (o != NULL && o->deleted) {
        o = o->next != NULL && has_key(t, o->next, hash, key) ? o->next : NULL;
    }
    return o;
}

struct ets_object *ets_hash_find_next(const struct ets_table *t, const struct ets_object *o, term key)
{
    do {
        o = o->next != NULL && has_key(t, o->next, o->hash, key) ? o->next : NULL;
    } while (o != NULL && o->deleted);
    return (struct ets_object *) o;
}

/* Takes *link out, or marks it, and counts. */
static void remove_at(struct ets_table *t, struct ets_object **link, struct ets_object **gone)
{
    struct ets_object *o = *link;
    t->n_objects--;
    t->n_words -= o->n_words;
    if (t->n_fixed > 0) {
        o->deleted = true;
        t->n_deleted++;
        return;
    }
    *link = o->next;
    o->next = *gone;
    *gone = o;
}

void ets_hash_replace(struct ets_table *t, struct ets_object *old, struct ets_object *o, struct ets_object **gone)
{
    struct ets_object **link = bucket_at(t, index_of(t, old->hash));
    while (*link != old) {
        link = &(*link)->next;
    }
    o->hash = old->hash;
    o->next = old->next;
    *link = o;
    t->n_words += o->n_words - old->n_words;
    old->next = *gone;
    *gone = old;
}

static bool bag_has(const struct ets_table *t, const struct ets_object *o, uint64_t hash, term key, term tuple)
{
    for (; o != NULL && has_key(t, o, hash, key); o = o->next) {
        if (!o->deleted && term_equal_exact(ets_tuple(o), tuple)) {
            return true;
        }
    }
    return false;
}

void ets_hash_insert(struct ets_table *t, struct ets_object *o, struct ets_object **gone)
{
    term key = ets_key(t, o);
    o->hash = hash_of(key);
    struct ets_object **link = link_of(t, o->hash, key);
    if (t->type == ETS_SET) {
        struct ets_object *old = *link;
        while (old != NULL && old->deleted) {
            old = old->next != NULL && has_key(t, old->next, o->hash, key) ? old->next : NULL;
        }
        if (old != NULL) {
            ets_hash_replace(t, old, o, gone);
            return;
        }
    } else if (t->type == ETS_BAG && bag_has(t, *link, o->hash, key, ets_tuple(o))) {
        o->next = *gone;
        *gone = o;
        return;
    }
    o->next = *link;
    *link = o;
    t->n_objects++;
    t->n_words += o->n_words;
    if (t->n_objects > t->n_buckets && t->n_fixed == 0) {
        split(t);
    }
}

size_t ets_hash_remove_key(struct ets_table *t, term key, struct ets_object **gone)
{
    uint64_t hash = hash_of(key);
    size_t n = 0;
    struct ets_object **link = link_of(t, hash, key);
    while (*link != NULL && has_key(t, *link, hash, key)) {
        struct ets_object *o = *link;
        if (!o->deleted) {
            /* The key may be part of o, which lives until the lock is dropped. */
            remove_at(t, link, gone);
            n++;
        }
        if (*link == o) {
            link = &o->next;
        }
    }
    return n;
}

void ets_hash_remove(struct ets_table *t, struct ets_object *o, struct ets_object **gone)
{
    struct ets_object **link = bucket_at(t, index_of(t, o->hash));
    while (*link != o) {
        link = &(*link)->next;
    }
    remove_at(t, link, gone);
}

/* Frees what was deleted while the table was fixed, and makes up for the splits. */
void ets_hash_purge(struct ets_table *t, struct ets_object **gone)
{
    for (size_t i = 0; t->n_deleted > 0 && i < t->n_buckets; i++) {
        struct ets_object **link = bucket_at(t, i);
        while (*link != NULL) {
            struct ets_object *o = *link;
            if (o->deleted) {
                *link = o->next;
                o->next = *gone;
                *gone = o;
                t->n_deleted--;
            } else {
                link = &o->next;
            }
        }
    }
    while (t->n_objects > t->n_buckets) {
        split(t);
    }
}

/* Moves every object to gone, marked ones too. The table is not fixed, or goes. */
void ets_hash_take_all(struct ets_table *t, struct ets_object **gone)
{
    for (size_t i = 0; i < t->n_buckets; i++) {
        struct ets_object **link = bucket_at(t, i);
        while (*link != NULL) {
            struct ets_object *o = *link;
            *link = o->next;
            o->next = *gone;
            *gone = o;
        }
    }
    t->n_objects = t->n_deleted = t->n_words = 0;
}

struct ets_object *ets_hash_bucket(const struct ets_table *t, size_t bucket)
{
    return bucket < t->n_buckets ? *bucket_at(t, bucket) : NULL;
}

struct ets_object *ets_hash_following(struct ets_table *t, term key, bool *known)
{
    uint64_t hash = hash_of(key);
    struct ets_object *o = *link_of(t, hash, key);
    *known = o != NULL;
    while (o != NULL && (o->deleted || has_key(t, o, hash, key))) {
        o = o->next;
    }
    for (size_t i = index_of(t, hash) + 1; o == NULL && i < t->n_buckets; i++) {
        for (o = *bucket_at(t, i); o != NULL && o->deleted; o = o->next) {
        }
    }
    return *known ? o : NULL;
}
