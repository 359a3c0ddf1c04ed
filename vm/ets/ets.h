/* ets.h - tables of tuples that processes share.
 *
 *   tid or name ----> registry ----> struct ets_table { lock, owner, ... }
 *                                      hash: buckets -> objects in chains (linear hashing)
 *                                      ordered_set: a balanced tree of objects
 *
 * Every object is a copy of its own in arena_terms, without references to literals, in one block:
 * it gets to a process's heap by a block copy and an addition to its pointers.
 *
 * A table's struct is never unmapped, so that whoever finds one without a lock may lock it and then
 * look whether it still is the table that was meant. Objects that leave a table are freed after its
 * lock is dropped: freeing may run the end of off-heap parts.
 */
#ifndef VM_ETS_H
#define VM_ETS_H

#include <stdatomic.h>

#include "lib/base/lock.h"
#include "vm/proc/proc.h"

enum ets_type { ETS_SET, ETS_BAG, ETS_DUPLICATE_BAG, ETS_ORDERED_SET };
enum ets_protection { ETS_PRIVATE, ETS_PROTECTED, ETS_PUBLIC };

struct ets_object {
    struct ets_object *next;  /* chain, or left child */
    struct ets_object *right; /* right child */
    uint64_t hash;            /* hash tables */
    uintptr_t *words;         /* owned, arena_terms: the tuple first */
    size_t n_words;
    uintptr_t *offheap;
    uint8_t height;           /* trees: of the subtree */
    bool deleted;             /* hash tables that are fixed: no longer there, but still in the chain */
};

enum { ETS_SEGMENT = 64, ETS_TREE_HEIGHT = 64 };

struct ets_fix { /* a process holds the table fixed */
    struct ets_fix *next;
    term pid;
    size_t count;
};

struct ets_table {
    struct lock lock; /* of what follows, except where it says otherwise */

    /* Written with the registry's lock and this one held; read under either, or as a hint. */
    _Atomic uint64_t id;      /* number of its reference; 0: not in use */
    _Atomic uintptr_t name;   /* atom */
    _Atomic bool named;
    _Atomic(struct ets_table *) id_next, name_next; /* registry chains */
    struct ets_table *owner_next;                   /* registry: of the same owner bucket */
    term owner;
    term heir;                /* pid, or TERM_NONE */
    struct ets_object *heir_data; /* owned: {Data} */

    enum ets_type type;
    enum ets_protection protection;
    uint32_t key_position;    /* 1-based */
    bool read_concurrency, decentralized_counters, compressed;
    term write_concurrency;   /* true, false or auto */

    size_t n_objects;
    size_t n_deleted;         /* still in chains */
    size_t n_words;           /* in objects */
    struct ets_object *root;  /* tree */
    struct ets_object ***segments; /* owned */
    size_t n_segments, n_buckets, mask;

    struct ets_fix *fixes;    /* owned */
    size_t n_fixed;
    int64_t fixed_since_ns[2]; /* monotonic, system */
};

static inline term ets_key(const struct ets_table *t, const struct ets_object *o)
{
    return (term) { o->words[t->key_position] };
}
static inline term ets_tuple(const struct ets_object *o)
{
    return term_from_boxed_ptr(o->words);
}
static inline bool ets_is_tree(const struct ets_table *t)
{
    return t->type == ETS_ORDERED_SET;
}
static inline bool ets_is_bag(const struct ets_table *t)
{
    return t->type == ETS_BAG || t->type == ETS_DUPLICATE_BAG;
}

/* ---- objects: ets_object.c ---- */
/* A copy of a tuple; NULL: no memory. */
struct ets_object *ets_object_new(term tuple) MUST_CHECK;
void ets_object_free(struct ets_object *o);
void ets_object_free_list(struct ets_object *first); /* linked by next */
term ets_object_to_heap(const struct ets_object *o, struct heap *h);

/* ---- contents: ets_hash.c, ets_tree.c, both behind ets_contents.c. Under the table's lock. What leaves the table is
 * put on *gone, linked by next: free it after the lock. ---- */
void ets_contents_init(struct ets_table *t);
/* First of the key's objects, the others follow with ets_find_next; NULL: none. */
struct ets_object *ets_find(const struct ets_table *t, term key);
struct ets_object *ets_find_next(const struct ets_table *t, const struct ets_object *o, term key);
/* Adds o as insert/2 does; what it replaces, or o itself if a bag has it already, goes to *gone. */
void ets_insert(struct ets_table *t, struct ets_object *o, struct ets_object **gone);
/* Puts o in the place of old, which has the same key. */
void ets_replace(struct ets_table *t, struct ets_object *old, struct ets_object *o, struct ets_object **gone);
size_t ets_remove_key(struct ets_table *t, term key, struct ets_object **gone);
void ets_remove(struct ets_table *t, struct ets_object *o, struct ets_object **gone);
/* All objects; returns how many. */
size_t ets_remove_all(struct ets_table *t, struct ets_object **gone);
void ets_unfixed(struct ets_table *t, struct ets_object **gone); /* the last fixation is gone */

/* Iteration. The table must not change meanwhile. */
struct ets_cursor {
    struct ets_table *table;
    struct ets_object *at;   /* hash: next to return */
    size_t bucket;           /* hash: the one after at's */
    size_t depth;
    struct ets_object *path[ETS_TREE_HEIGHT]; /* tree */
    bool backwards;
};
void ets_cursor_first(struct ets_cursor *c, struct ets_table *t, bool backwards);
/* A tree, behind this key. */
void ets_cursor_after(struct ets_cursor *c, struct ets_table *t, term key, bool backwards);
struct ets_object *ets_cursor_next(struct ets_cursor *c);
/* next/2, prev/2: an object with the following key; NULL: there is none. *known is false if key
 * is not in a hash table. */
struct ets_object *ets_following(struct ets_table *t, term key, bool backwards, bool *known);

/* hash */
void ets_hash_init(struct ets_table *t);
void ets_hash_destroy(struct ets_table *t);
struct ets_object *ets_hash_find(const struct ets_table *t, term key);
struct ets_object *ets_hash_find_next(const struct ets_table *t, const struct ets_object *o, term key);
void ets_hash_insert(struct ets_table *t, struct ets_object *o, struct ets_object **gone);
void ets_hash_replace(struct ets_table *t, struct ets_object *old, struct ets_object *o, struct ets_object **gone);
size_t ets_hash_remove_key(struct ets_table *t, term key, struct ets_object **gone);
void ets_hash_remove(struct ets_table *t, struct ets_object *o, struct ets_object **gone);
void ets_hash_purge(struct ets_table *t, struct ets_object **gone);
void ets_hash_take_all(struct ets_table *t, struct ets_object **gone);
struct ets_object *ets_hash_following(struct ets_table *t, term key, bool *known);
struct ets_object *ets_hash_bucket(const struct ets_table *t, size_t bucket);
/* tree */
struct ets_object *ets_tree_find(const struct ets_table *t, term key);
void ets_tree_insert(struct ets_table *t, struct ets_object *o, struct ets_object **gone);
void ets_tree_replace(struct ets_table *t, struct ets_object *old, struct ets_object *o, struct ets_object **gone);
void ets_tree_remove(struct ets_table *t, term key, struct ets_object **gone);
void ets_tree_take_all(struct ets_table *t, struct ets_object **gone);

/* ---- tables: ets_table.c ---- */
void ets_init(void); /* once, before the first process */

struct ets_options {
    enum ets_type type;
    enum ets_protection protection;
    uint32_t key_position;
    bool named, read_concurrency, decentralized_counters, compressed;
    term write_concurrency;
    term heir, heir_data; /* TERM_NONE: none */
};
enum ets_status { ETS_OK, ETS_BAD_ID, ETS_NO_ACCESS, ETS_NAME_TAKEN, ETS_NOMEM };
enum ets_status ets_table_new(struct proc *p, term name, const struct ets_options *o, uint64_t *out_id) MUST_CHECK;

/* Finds and locks the table that a reference or name stands for, if p may do that with it. */
enum ets_access { ETS_READ, ETS_WRITE, ETS_OWN, ETS_INFO };
struct ets_table *ets_acquire(struct proc *p, term table, enum ets_access access, enum ets_status *st);
void ets_release(struct ets_table *t, struct ets_object *gone); /* drops the lock, frees what is gone */

bool ets_table_delete(struct proc *p, term table, enum ets_status *st); /* true: done */
bool ets_table_rename(struct proc *p, term table, term name, enum ets_status *st);
/* Gives p's table to another process and tells it. */
bool ets_table_give(struct proc *p, term table, term to, term data, enum ets_status *st);
/* Fixes or lets go, for p. */
void ets_fix(struct proc *p, struct ets_table *t, bool fix, struct ets_object **gone);
term ets_all(struct heap *h);              /* a list of all tables */
term ets_ref(struct heap *h, uint64_t id);

#endif
