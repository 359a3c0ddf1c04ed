/* Per-thread magazines.
 *
 * A thread claims a cache per arena with a ticket and keeps it in a small table. When the thread
 * ends, or the table's place is needed for another arena, the claim is dropped and the next
 * thread takes the cache over with what is in it. No lock is taken to drop one, so that an arena
 * whose lock died with a native function holds nobody up. */
#include <string.h>
#include <sys/mman.h>

#include "lib/base/arena_internal.h"

_Thread_local struct cache_slot arena_thread_caches[CACHE_SLOTS]
    __attribute__((tls_model("initial-exec")));

static _Atomic uint64_t next_ticket = 1;
static pthread_mutex_t spare_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct cache *spare_caches; /* under spare_mutex */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key;

void *meta_map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void slot_drop(struct cache_slot *s)
{
    if (s->cache != NULL) {
        /* The ticket tells whether the cache is still ours: its arena may be gone, and the cache
         * somebody else's. Release pairs with the acquire in claim(). */
        uint64_t mine = s->ticket;
        atomic_compare_exchange_strong_explicit(
            &s->cache->owner, &mine, 0, memory_order_release, memory_order_relaxed);
    }
    *s = (struct cache_slot) { 0 };
}

static void thread_ends(void *unused)
{
    (void) unused;
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        slot_drop(&arena_thread_caches[i]);
    }
}

static void make_key(void)
{
    VM_REQUIRE(pthread_key_create(&exit_key, thread_ends) == 0);
}

static bool claim(struct cache *c, uint64_t ticket)
{
    uint64_t nobody = 0;
    return atomic_load_explicit(&c->owner, memory_order_relaxed) == 0
        && atomic_compare_exchange_strong_explicit(
            &c->owner, &nobody, ticket, memory_order_acquire, memory_order_relaxed);
}

static struct cache *cache_new(void)
{
    pthread_mutex_lock(&spare_mutex);
    struct cache *c = spare_caches;
    if (c != NULL) {
        spare_caches = c->next;
    }
    pthread_mutex_unlock(&spare_mutex);
    if (c != NULL) {
        return c;
    }
    size_t n_blocks = 0;
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        n_blocks += arena_classes[i].magazine_cap;
    }
    c = meta_map(sizeof(*c) + n_blocks * sizeof(struct cached_block));
    if (c == NULL) {
        return NULL;
    }
    struct cached_block *at = (struct cached_block *) (c + 1);
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        c->magazines[i] = (struct magazine) { 0, arena_classes[i].magazine_cap, at };
        at += arena_classes[i].magazine_cap;
    }
    return c;
}

struct cache *cache_of_thread_slow(struct arena *a)
{
    struct cache_slot *s = &arena_thread_caches[a->slot];
    slot_drop(s);
    uint64_t ticket = atomic_fetch_add_explicit(&next_ticket, 1, memory_order_relaxed);
    struct cache *c = atomic_load_explicit(&a->caches, memory_order_acquire);
    while (c != NULL && !claim(c, ticket)) {
        c = c->next;
    }
    if (c == NULL) {
        c = cache_new();
        if (c == NULL) {
            return NULL;
        }
        atomic_store_explicit(&c->owner, ticket, memory_order_relaxed);
        struct cache *first = atomic_load_explicit(&a->caches, memory_order_relaxed);
        do {
            c->next = first;
        } while (!atomic_compare_exchange_weak_explicit(
            &a->caches, &first, c, memory_order_release, memory_order_relaxed));
    }
    *s = (struct cache_slot) { a->serial, c, ticket };
    pthread_once(&key_once, make_key);
    pthread_setspecific(exit_key, s); /* any value: its destructor runs at thread end */
    return c;
}

void caches_release(struct arena *a)
{
    struct cache *c = atomic_load_explicit(&a->caches, memory_order_acquire);
    while (c != NULL) {
        struct cache *next = c->next;
        atomic_store_explicit(&c->owner, 0, memory_order_relaxed); /* voids the claims */
        for (size_t i = 0; i < CLASS_COUNT; i++) {
            c->magazines[i].n = 0;
        }
        pthread_mutex_lock(&spare_mutex);
        c->next = spare_caches;
        spare_caches = c;
        pthread_mutex_unlock(&spare_mutex);
        c = next;
    }
}
