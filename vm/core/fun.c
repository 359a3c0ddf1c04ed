/* Exports and fun entries: two open-addressing tables of pointers to entries that live for ever, in
 * the shared root, so that attached workers read them in place. What such a worker adds goes into
 * tables of its own.
 * Readers take no lock; writers fill the entry, then store its slot with release order. A full
 * table is copied and the old one kept, because a reader may still be in it.
 */
#include "vm/core/fun.h"

#include <xxhash.h>

#include "lib/base/lock.h"
#include "vm/core/shared_root.h"

enum { FIRST_SLOTS = 1024 };

struct fun_slots {
    size_t mask;
    void *_Atomic slot[];
};

struct table {
    struct fun_slots *_Atomic *const slots; /* in the shared root */
    struct fun_slots *_Atomic own;          /* in an attached worker */
    size_t n;                               /* entries, under the lock */
    uint64_t (*hash)(const void *entry);
    bool (*same)(const void *entry, const void *key);
};

static uint64_t export_hash(const void *entry)
{
    const struct export *e = entry;
    uint64_t words[3] = { e->module.word, e->function.word, e->arity };
    return XXH3_64bits(words, sizeof(words));
}

static bool export_same(const void *entry, const void *key)
{
    const struct export *a = entry, *b = key;
    return term_same(a->module, b->module) && term_same(a->function, b->function)
           && a->arity == b->arity;
}

static uint64_t fun_hash(const void *entry)
{
    const struct fun_entry *e = entry;
    uint64_t words[4] = { e->module.word, (uint64_t) e->index << 32 | e->old_uniq };
    memcpy(&words[2], e->uniq, sizeof(e->uniq));
    return XXH3_64bits(words, sizeof(words));
}

/* Arity and number of free variables are part of the key: a forged external term may name a
 * fun of a loaded module with other numbers, and must not get at its code. */
static bool fun_same(const void *entry, const void *key)
{
    const struct fun_entry *a = entry, *b = key;
    return term_same(a->module, b->module) && a->index == b->index && a->old_uniq == b->old_uniq
           && memcmp(a->uniq, b->uniq, sizeof(a->uniq)) == 0 && a->arity == b->arity
           && a->n_free == b->n_free;
}

/* The two tables of the program; lock guards writes to both. */
static struct table exports = {
    .slots = &SHARED_ROOT->exports, .hash = export_hash, .same = export_same
};
static struct table funs = { .slots = &SHARED_ROOT->funs, .hash = fun_hash, .same = fun_same };
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct lock lock;

void (*export_init_stub)(struct export *e);

static struct fun_slots *slots_new(size_t n)
{
    struct fun_slots *s = shared_zalloc(sizeof(*s) + n * sizeof(s->slot[0]));
    s->mask = n - 1;
    return s;
}

/* Where this program adds entries. */
static struct fun_slots *_Atomic *writable(struct table *t)
{
    return arena_is_attached() ? &t->own : t->slots;
}

static void init(void)
{
    VM_REQUIRE(arena_init_all()); /* address space for the arenas */
    lock_init(&lock, RANK_MODULE_TABLE);
    atomic_store_explicit(writable(&exports), slots_new(FIRST_SLOTS), memory_order_release);
    atomic_store_explicit(writable(&funs), slots_new(FIRST_SLOTS), memory_order_release);
}

static void *find_in(const struct table *t, struct fun_slots *_Atomic *slots, const void *key)
{
    const struct fun_slots *s = atomic_load_explicit(slots, memory_order_acquire);
    if (s == NULL) {
        return NULL;
    }
    for (size_t i = t->hash(key);; i++) {
        void *e = atomic_load_explicit(&s->slot[i & s->mask], memory_order_acquire);
        if (e == NULL || t->same(e, key)) {
            return e;
        }
    }
}

static void *find(struct table *t, const void *key)
{
    void *e = find_in(t, t->slots, key);
    return e == NULL && arena_is_attached() ? find_in(t, &t->own, key) : e;
}

static void put(struct table *t, struct fun_slots *s, void *entry)
{
    size_t i = t->hash(entry) & s->mask;
    while (atomic_load_explicit(&s->slot[i], memory_order_relaxed) != NULL) {
        i = (i + 1) & s->mask;
    }
    atomic_store_explicit(&s->slot[i], entry, memory_order_release);
}

static void insert_locked(struct table *t, void *entry)
{
    struct fun_slots *_Atomic *slots = writable(t);
    struct fun_slots *s = atomic_load_explicit(slots, memory_order_relaxed);
    if (2 * ++t->n > s->mask) {
        struct fun_slots *grown = slots_new(2 * (s->mask + 1));
        for (size_t i = 0; i <= s->mask; i++) {
            void *e = atomic_load_explicit(&s->slot[i], memory_order_relaxed);
            if (e != NULL) {
                put(t, grown, e);
            }
        }
        put(t, grown, entry);
        atomic_store_explicit(slots, grown, memory_order_release);
    } else {
        put(t, s, entry);
    }
}

struct export *export_lookup(term module, term function, uint32_t arity)
{
    struct export key = { .module = module, .function = function, .arity = arity };
    return find(&exports, &key);
}

struct export *export_get(term module, term function, uint32_t arity)
{
    struct export *e = export_lookup(module, function, arity);
    if (e != NULL) {
        return e;
    }
    pthread_once(&once, init);
    lock_take(&lock);
    e = export_lookup(module, function, arity);
    if (e == NULL) {
        e = shared_zalloc(sizeof(*e));
        e->module = module;
        e->function = function;
        e->arity = arity;
        atomic_store_explicit(&e->code, &e->stub[0], memory_order_relaxed);
        if (export_init_stub != NULL) {
            export_init_stub(e);
        }
        insert_locked(&exports, e);
    }
    lock_drop(&lock);
    return e;
}

struct fun_entry *fun_entry_get(term module, uint32_t index, const uint8_t uniq[16],
    uint32_t old_uniq, uint32_t arity, uint32_t n_free, term function)
{
    struct fun_entry key = { .module = module,
        .function = function,
        .arity = arity,
        .n_free = n_free,
        .index = index,
        .old_uniq = old_uniq };
    memcpy(key.uniq, uniq, sizeof(key.uniq));
    pthread_once(&once, init);
    lock_take(&lock);
    struct fun_entry *e = find(&funs, &key);
    if (e == NULL) {
        e = shared_zalloc(sizeof(*e));
        memcpy(e, &key, sizeof(*e));
        insert_locked(&funs, e);
    } else if (term_is_none(e->function) && !arena_is_foreign(e)) {
        e->function = function; /* first seen in an external term, now its module is loaded */
    }
    lock_drop(&lock);
    return e;
}
