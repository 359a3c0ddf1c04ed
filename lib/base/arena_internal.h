/* arena_internal.h - what the arena's files share; nobody else includes it.
 *
 *   arena.c          the API, vm_alloc
 *   arena_vm.c       the three global arenas, a worker's view of them
 *   arena_cache.c    per-thread magazines
 *   arena_classes.c  size classes and slabs                        (under the lock)
 *   arena_runs.c     page runs: allocate, free, coalesce, give back (under the lock)
 *
 *   range (term memory, ...)           private memory of the allocator
 *   +------+------+------+---          pages[]  one word per page, what it is
 *   | slab | run ........| free        links[]  free lists, by page number
 *   +------+------+------+---          struct slab: block states, free stack
 *
 * A block's state byte is 1 while it is live. It catches double frees and garbage.
 */
#ifndef BASE_ARENA_INTERNAL_H
#define BASE_ARENA_INTERNAL_H

#include <stdatomic.h>

#include "lib/base/arena.h"
#include "lib/base/lock.h"

enum {
    PAGE_SHIFT = 14,
    CLASS_COUNT = 72,
    CLASS_MAX_BYTES = 32768,
    RUN_EXACT_BINS = 64,  /* runs of 1..63 pages; above, 8 bins per doubling */
    RUN_BINS = 64 + 8 * 24,
};
#define PAGE_BYTES ((size_t) 1 << PAGE_SHIFT)

/* pages[n]: 0 never used; else low bits: */
enum page_kind {
    PAGE_SLAB = 1, /* pointer to struct slab */
    PAGE_RUN = 2,  /* head of a live run: pages << 3 */
    PAGE_FREE = 4, /* first and last page of a free run: pages << 3 */
    PAGE_INSIDE = 6, /* of a live run; not a block address */
    PAGE_KIND_MASK = 7,
};

struct slab {
    char *base;
    uint32_t block_bytes;
    uint32_t n_blocks;
    uint8_t class;
    bool listed;          /* in the class's list of slabs with free blocks */
    uint32_t n_fresh;     /* blocks from here on were never handed out */
    uint32_t n_stacked;   /* free blocks on the stack */
    uint32_t n_out;       /* live, or in somebody's magazine */
    struct slab *next, *prev;
    uint64_t inverse;     /* ceil(2^40 / block_bytes) */
    uint16_t *stack;
    _Atomic uint8_t state[]; /* per block; then the stack */
};

/* A free block, with its state byte at hand. */
struct cached_block {
    void *p;
    _Atomic uint8_t *state;
};
struct magazine {
    uint32_t n, cap;
    struct cached_block *blocks;
};
/* One thread's magazines for one arena. Never unmapped: freed arenas' caches are used again. */
struct cache {
    _Atomic uint64_t owner; /* claim ticket, 0: nobody's */
    struct cache *next;     /* in the arena's list, or the list of spares */
    struct magazine magazines[CLASS_COUNT];
};

struct run_link {
    uint32_t next, prev; /* page numbers + 1; 0: none */
};

struct arena {
    char *base;
    size_t reserve_bytes;
    size_t limit_bytes;
    uint64_t serial; /* never used twice */
    uint32_t slot;   /* of a thread's cache table */
    enum arena_backing backing;
    int fd;
    int share_error; /* why there is none */
    const char *name;
    _Atomic(struct cache *) caches; /* only grows */

    /* Below: under the lock. */
    struct lock lock;
    _Atomic uintptr_t *pages;
    struct run_link *links;
    size_t n_pages;
    size_t frontier; /* pages from here on were never used */
    _Atomic size_t used_pages; /* read without the lock by arena_stats() and arena_is_tight() */
    _Atomic size_t warm_pages; /* free ones that the kernel still backs; as used_pages */
    size_t free_pages, cold_pages; /* cold: free and given back to the kernel */
    uint64_t *cold;                /* a bit per page */
    uint32_t bins[RUN_BINS];
    uint64_t bin_map[RUN_BINS / 64];
    struct slab *partial[CLASS_COUNT];
    struct slab *spare_slabs[CLASS_COUNT];
    /* Descriptor memory: bump allocation, never returned before the arena is freed. */
    char *meta_at, *meta_end;
    struct meta_chunk *meta_chunks;
};

struct class_info {
    uint32_t block_bytes;
    uint16_t slab_pages;
    uint16_t magazine_cap;
    uint32_t n_blocks;
};
extern struct class_info arena_classes[CLASS_COUNT];

/* pre: bytes <= CLASS_MAX_BYTES */
static inline unsigned class_of(size_t bytes)
{
    if (bytes <= 128) {
        return bytes == 0 ? 0 : (unsigned) (bytes - 1) >> 4;
    }
    unsigned log = 63 - (unsigned) __builtin_clzl(bytes - 1); /* 7 for 129..256 */
    return 8 + (log - 7) * 8 + (((unsigned) (bytes - 1) >> (log - 3)) & 7);
}

static inline uintptr_t page_word(const struct arena *a, size_t page)
{
    return atomic_load_explicit(&a->pages[page], memory_order_relaxed);
}
static inline void page_set(struct arena *a, size_t page, uintptr_t word)
{
    atomic_store_explicit(&a->pages[page], word, memory_order_relaxed);
}

/* arena_runs.c */
enum { RUN_NONE = 0xFFFFFFFF };
/* First page of n contiguous pages, marked as a live run; RUN_NONE: no room. */
size_t run_alloc(struct arena *a, size_t n, bool past_limit);
void run_free(struct arena *a, size_t page, size_t n);
/* Cuts or extends a live run in place. */
bool run_resize(struct arena *a, size_t page, size_t from, size_t to);
/* Gives some free memory back to the kernel; false: there is none worth it. */
bool run_trim(struct arena *a);

/* arena_classes.c */
void classes_init(void);
/* Takes up to n blocks of a class; fewer, or none, when memory is short. */
size_t slab_take(struct arena *a, unsigned class, struct cached_block *out, size_t n, bool past_limit);
void slab_give(struct arena *a, const struct cached_block *blocks, size_t n);
void meta_release(struct arena *a); /* unmaps the descriptors */
/* State byte of the block at p, NULL if p is not the address of one. */
static inline _Atomic uint8_t *slab_state_of(struct slab *s, const void *p)
{
    size_t offset = (size_t) ((const char *) p - s->base);
    size_t i = (size_t) (offset * s->inverse >> 40);
    if (i >= s->n_blocks || i * s->block_bytes != offset) {
        return NULL;
    }
    return &s->state[i];
}

/* arena_cache.c */
struct cache *cache_of_thread_slow(struct arena *a);
void caches_release(struct arena *a); /* the arena goes */
void *meta_map(size_t bytes);         /* private memory for bookkeeping, or NULL */

struct cache_slot {
    uint64_t serial; /* of the arena */
    struct cache *cache;
    uint64_t ticket;
};
enum { CACHE_SLOTS = 32 };
extern _Thread_local struct cache_slot arena_thread_caches[CACHE_SLOTS]
    __attribute__((tls_model("initial-exec")));

/* NULL only when there is no memory for one. */
static inline struct cache *cache_of_thread(struct arena *a)
{
    struct cache_slot *s = &arena_thread_caches[a->slot];
    if (__builtin_expect(s->serial == a->serial, 1)) {
        return s->cache;
    }
    return cache_of_thread_slow(a);
}

/* arena.c: fault injection, in builds that have it: the Nth allocation that may fail does; 0: none. */
void arena_fail_after(int64_t allocations);

#endif
