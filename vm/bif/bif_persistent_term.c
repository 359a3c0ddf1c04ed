/* persistent_term: a table that is read without a lock and without copying.
 *
 * Keys and values are literals. A slot is written value first, then key; a slot's key never
 * changes. Growing publishes a new table. Replaced and erased values, keys that a new table has no
 * place for, and tables that were outgrown are retired: some process may still refer to them. */
#include <stdatomic.h>

#include "lib/base/arena.h"
#include "lib/base/lock.h"
#include "vm/bif/bif.h"
#include "vm/core/compare.h"
#include "vm/core/literal.h"
#include "vm/core/map.h"

struct slot {
    _Atomic uintptr_t key;   /* 0: free */
    _Atomic uintptr_t value; /* 0: erased */
};
struct table {
    struct literal_junk base; /* first */
    size_t size; /* a power of two */
    size_t n_keys;
    struct slot slots[];
};

/* Memory is given back between slices: they must not be full of puts. */
enum { PUT_REDUCTIONS = 20 };

static _Atomic(struct table *) current;
static struct lock write_lock;
static _Atomic size_t n_values, n_words; /* written under the lock */

static __attribute__((constructor)) void init_lock(void)
{
    lock_init(&write_lock, RANK_PERSISTENT);
}

static size_t slot_of(const struct table *t, term key)
{
    return (size_t) term_hash(key, 0) & (t->size - 1);
}

/* The key's slot, or NULL. */
static struct slot *find(struct table *t, term key)
{
    if (t == NULL) {
        return NULL;
    }
    for (size_t i = slot_of(t, key);; i = (i + 1) & (t->size - 1)) {
        /* Acquire pairs with the release in add(): what the key refers to, and the value. */
        term k = { atomic_load_explicit(&t->slots[i].key, memory_order_acquire) };
        if (term_is_none(k)) {
            return NULL;
        }
        if (term_equal_exact(k, key)) {
            return &t->slots[i];
        }
    }
}

static term get(term key)
{
    struct slot *s = find(atomic_load_explicit(&current, memory_order_acquire), key);
    return s == NULL ? TERM_NONE : (term) { atomic_load_explicit(&s->value, memory_order_acquire) };
}

static void add(struct table *t, term key, term value)
{
    size_t i = slot_of(t, key);
    while (atomic_load_explicit(&t->slots[i].key, memory_order_relaxed) != 0) {
        i = (i + 1) & (t->size - 1);
    }
    atomic_store_explicit(&t->slots[i].value, value.word, memory_order_relaxed);
    atomic_store_explicit(&t->slots[i].key, key.word, memory_order_release);
    t->n_keys++;
}

static void free_table(struct literal_junk *j)
{
    vm_free(j);
}

/* A larger one. Its predecessor, and the keys that it alone has, are for the caller to retire. */
static struct table *grow(struct table *t, struct literal_block **old_keys)
{
    size_t size = t == NULL ? 64 : t->size;
    if (t != NULL && n_values * 4 >= size) { /* else erased keys made it full */
        size *= 2;
    }
    struct table *bigger = vm_zalloc(sizeof(*bigger) + size * sizeof(struct slot));
    bigger->size = size;
    for (size_t i = 0; t != NULL && i < t->size; i++) {
        term key = { t->slots[i].key };
        if (!term_is_none(key) && t->slots[i].value != 0) {
            add(bigger, key, (term) { t->slots[i].value });
        } else if (!term_is_none(key) && !term_is_immed(key)) {
            struct literal_block *b = literal_block_of(key);
            b->next = *old_keys;
            *old_keys = b;
        }
    }
    atomic_store_explicit(&current, bigger, memory_order_release);
    return bigger;
}

term bif_persistent_term_put_2(struct proc *p, term *args)
{
    term old = get(args[0]);
    if (!term_is_none(old) && term_equal_exact(old, args[1])) {
        return ATOM(ok);
    }
    struct literal_block *block, *key_block = NULL, *retired = NULL;
    struct table *former = NULL;
    term value = literal_copy_alone(args[1], &block);
    if (term_is_none(value)) {
        return proc_system_limit(p);
    }
    bool done = true;
    lock_take(&write_lock);
    struct table *t = atomic_load_explicit(&current, memory_order_relaxed);
    struct slot *s = find(t, args[0]);
    if (s != NULL) {
        old = (term) { atomic_load_explicit(&s->value, memory_order_relaxed) };
        n_values += term_is_none(old);
        retired = term_is_none(old) ? NULL : literal_block_of(old);
        n_words -= literal_words(retired);
        atomic_store_explicit(&s->value, value.word, memory_order_release);
    } else {
        term key = literal_copy_alone(args[0], &key_block);
        done = !term_is_none(key);
        if (done) {
            if (t == NULL || t->n_keys * 2 >= t->size) {
                former = t;
                t = grow(t, &retired);
            }
            add(t, key, value);
            n_values++;
        }
    }
    n_words += done ? literal_words(block) : 0;
    lock_drop(&write_lock);
    if (!done) {
        literal_free(block);
        return proc_system_limit(p);
    }
    literal_retire(retired);
    proc_bump(p, PUT_REDUCTIONS);
    if (former != NULL) {
        literal_retire_junk(&former->base, sizeof(*former) + former->size * sizeof(struct slot), free_table);
    }
    return ATOM(ok);
}

term bif_persistent_term_get_1(struct proc *p, term *args)
{
    term value = get(args[0]);
    return term_is_none(value) ? proc_badarg(p) : value;
}

term bif_persistent_term_get_2(struct proc *p, term *args)
{
    (void) p;
    term value = get(args[0]);
    return term_is_none(value) ? args[1] : value;
}

term bif_persistent_term_get_0(struct proc *p, term *args)
{
    (void) args;
    term list = TERM_NIL;
    struct table *t = atomic_load_explicit(&current, memory_order_acquire);
    for (size_t i = 0; t != NULL && i < t->size; i++) {
        term key = { atomic_load_explicit(&t->slots[i].key, memory_order_acquire) };
        term value = { atomic_load_explicit(&t->slots[i].value, memory_order_acquire) };
        if (!term_is_none(key) && !term_is_none(value)) {
            list = heap_cons(&p->heap, heap_tuple2(&p->heap, key, value), list);
        }
    }
    return list;
}

term bif_persistent_term_erase_1(struct proc *p, term *args)
{
    (void) p;
    lock_take(&write_lock);
    struct slot *s = find(atomic_load_explicit(&current, memory_order_relaxed), args[0]);
    bool was = s != NULL && atomic_load_explicit(&s->value, memory_order_relaxed) != 0;
    struct literal_block *retired = NULL;
    if (was) {
        retired = literal_block_of((term) { atomic_load_explicit(&s->value, memory_order_relaxed) });
        n_words -= literal_words(retired);
        atomic_store_explicit(&s->value, 0, memory_order_release);
        n_values--;
    }
    lock_drop(&write_lock);
    literal_retire(retired);
    return term_from_bool(was);
}

term bif_persistent_term_info_0(struct proc *p, term *args)
{
    (void) args;
    struct table *t = atomic_load_explicit(&current, memory_order_acquire);
    size_t bytes = n_words * sizeof(uintptr_t) + (t == NULL ? 0 : t->size * sizeof(struct slot));
    term kv[] = { ATOM(count), term_from_small((intptr_t) n_values), ATOM(memory),
        term_from_small((intptr_t) bytes) };
    return map_from_pairs(&p->heap, kv, 2);
}
