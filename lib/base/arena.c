#include "lib/base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/arena_internal.h"
#include "lib/base/memory_file.h"

static _Atomic uint64_t next_serial = 1;

/* ---- making and ending one ---- */

/* The descriptor tables of one arena, in one mapping: pages, links, cold bits. */
static size_t table_bytes(size_t n_pages)
{
    return n_pages * (sizeof(uintptr_t) + sizeof(struct run_link)) + (n_pages / 64 + 1) * sizeof(uint64_t);
}

/* Reserves address space that starts on one of our pages. */
static char *reserve_range(size_t bytes)
{
    char *p = mmap(NULL, bytes + PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    size_t skip = (0 - (uintptr_t) p) & (PAGE_BYTES - 1);
    if (skip > 0) {
        munmap(p, skip);
    }
    munmap(p + skip + bytes, PAGE_BYTES - skip);
    return p + skip;
}

static bool map_range(struct arena *a, const struct arena_options *o)
{
    int flags = MAP_NORESERVE;
    if (o->backing == ARENA_MEMFD) {
        a->fd = memory_file_new(o->name, o->reserve_bytes);
        a->share_error = errno;
    }
    if (a->fd >= 0) {
        /* Whoever gets a descriptor can neither cut the file off below us nor, from one that was
         * opened for reading, open it once more for writing. */
        (void) fcntl(a->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        (void) fchmod(a->fd, S_IRUSR);
        flags |= MAP_SHARED;
    } else {
        a->backing = ARENA_PRIVATE; /* a file was not to be had: works, but cannot be shared */
        flags |= MAP_PRIVATE | MAP_ANONYMOUS;
    }
    char *want = (char *) o->fixed_base;
    if (want != NULL) {
        flags |= MAP_FIXED_NOREPLACE;
    } else {
        want = reserve_range(o->reserve_bytes);
        if (want == NULL) {
            return false;
        }
        flags |= MAP_FIXED;
    }
    char *base = mmap(want, o->reserve_bytes, PROT_READ | PROT_WRITE, flags, a->fd, 0);
    if (base != MAP_FAILED && base != want) { /* a kernel that does not know NOREPLACE */
        munmap(base, o->reserve_bytes);
        return false;
    }
    a->base = base == MAP_FAILED ? NULL : base;
    return base != MAP_FAILED;
}

/* Of slots 0-2 each belongs to one of the global arenas, the others are shared by the rest. */
static uint32_t slot_of(uint64_t serial)
{
    return serial <= 3 ? (uint32_t) serial - 1 : 3 + (uint32_t) (serial % (CACHE_SLOTS - 3));
}

struct arena *arena_new(const struct arena_options *o)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, classes_init);
    struct arena *a = meta_map(sizeof(*a));
    if (a == NULL) {
        return NULL;
    }
    a->fd = -1;
    a->backing = o->backing;
    a->name = o->name;
    a->reserve_bytes = o->reserve_bytes;
    a->limit_bytes = o->limit_bytes != 0 ? o->limit_bytes : o->reserve_bytes;
    a->n_pages = o->reserve_bytes >> PAGE_SHIFT;
    a->serial = atomic_fetch_add_explicit(&next_serial, 1, memory_order_relaxed);
    a->slot = slot_of(a->serial);
    lock_init(&a->lock, RANK_ARENA);
    a->pages = meta_map(table_bytes(a->n_pages));
    if (a->pages == NULL || !map_range(a, o)) {
        arena_free_all(a);
        return NULL;
    }
    a->links = (struct run_link *) (a->pages + a->n_pages);
    a->cold = (uint64_t *) (a->links + a->n_pages);
    return a;
}

void arena_free_all(struct arena *a)
{
    caches_release(a);
    meta_release(a);
    if (a->base != NULL) {
        munmap(a->base, a->reserve_bytes);
    }
    if (a->pages != NULL) {
        munmap((void *) a->pages, table_bytes(a->n_pages));
    }
    base_close_fd(&a->fd);
    munmap(a, sizeof(*a));
}

/* ---- blocks ---- */

static void *alloc_run(struct arena *a, size_t bytes, bool past_limit)
{
    if (bytes > a->reserve_bytes) {
        return NULL;
    }
    size_t n = (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT;
    lock_take(&a->lock);
    size_t page = run_alloc(a, n, past_limit);
    lock_drop(&a->lock);
    return page == RUN_NONE ? NULL : a->base + (page << PAGE_SHIFT);
}

/* The magazine is empty, or the thread has none. */
static __attribute__((noinline)) void *alloc_refill(
    struct arena *a, struct cache *cache, unsigned class, bool past_limit)
{
    struct cached_block one;
    struct cached_block *into = &one;
    size_t n = 1;
    if (cache != NULL) {
        into = cache->magazines[class].blocks;
        n = past_limit ? 1 : cache->magazines[class].cap / 2;
    }
    lock_take(&a->lock);
    n = slab_take(a, class, into, n, past_limit);
    lock_drop(&a->lock);
    if (n == 0) {
        return NULL;
    }
    one = into[--n];
    if (cache != NULL) {
        /* Lowest address first: neighbours are used together. */
        for (size_t i = 0; i < n / 2; i++) {
            struct cached_block swap = into[i];
            into[i] = into[n - 1 - i];
            into[n - 1 - i] = swap;
        }
        cache->magazines[class].n = (uint32_t) n;
    }
    atomic_store_explicit(one.state, 1, memory_order_relaxed);
    return one.p;
}

ALWAYS_INLINE void *alloc(struct arena *a, size_t bytes, bool past_limit)
{
    if (__builtin_expect(bytes > CLASS_MAX_BYTES, 0)) {
        return alloc_run(a, bytes, past_limit);
    }
    unsigned class = class_of(bytes);
    struct cache *cache = cache_of_thread(a);
    if (__builtin_expect(cache != NULL && cache->magazines[class].n > 0, 1)) {
        struct magazine *m = &cache->magazines[class];
        const struct cached_block *b = &m->blocks[--m->n];
        atomic_store_explicit(b->state, 1, memory_order_relaxed);
        return b->p;
    }
    return alloc_refill(a, cache, class, past_limit);
}

/* Fault injection: BULKHEAD_FAIL_ALLOC=N makes the Nth allocation that may fail do so. What the VM
 * cannot do without (vm_alloc) does not count. */
#ifdef ENABLE_FAULTS
enum { FAULTS = 1 };
#else
enum { FAULTS = 0 };
#endif
static _Atomic int64_t allocations_left;

void arena_fail_after(int64_t allocations)
{
    atomic_store_explicit(&allocations_left, allocations, memory_order_relaxed);
}

static bool must_fail(void)
{
    return FAULTS && atomic_load_explicit(&allocations_left, memory_order_relaxed) > 0
        && atomic_fetch_sub_explicit(&allocations_left, 1, memory_order_relaxed) == 1;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    return must_fail() ? NULL : alloc(a, bytes, false);
}

void *arena_alloc_urgent(struct arena *a, size_t bytes)
{
    void *p = alloc(a, bytes, false);
    return p != NULL ? p : alloc(a, bytes, true);
}

void *arena_alloc_aligned(struct arena *a, size_t align, size_t bytes)
{
    if (align <= 16) {
        return arena_alloc(a, bytes);
    }
    if (align <= PAGE_BYTES) {
        /* Blocks whose size is a power of two up to a page are aligned to it, runs to a page. */
        size_t size = align;
        while (size < bytes) {
            size <<= 1;
        }
        return arena_alloc(a, size <= PAGE_BYTES ? size : bytes > CLASS_MAX_BYTES ? bytes : CLASS_MAX_BYTES + 1);
    }
    if (bytes > a->reserve_bytes || align > a->reserve_bytes) {
        return NULL;
    }
    size_t n = (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT, more = align >> PAGE_SHIFT;
    n = n == 0 ? 1 : n;
    lock_take(&a->lock);
    size_t page = run_alloc(a, n + more, false);
    if (page != RUN_NONE) {
        uintptr_t at = (uintptr_t) a->base + (page << PAGE_SHIFT);
        size_t skip = ((at + align - 1) & ~(align - 1)) - at;
        skip >>= PAGE_SHIFT;
        run_resize(a, page, n + more, n + skip);
        if (skip > 0) {
            page_set(a, page + skip, n << 3 | PAGE_RUN);
            page_set(a, page, skip << 3 | PAGE_RUN);
            run_free(a, page, skip);
            page += skip;
        }
    }
    lock_drop(&a->lock);
    return page == RUN_NONE ? NULL : a->base + (page << PAGE_SHIFT);
}

static __attribute__((noinline)) void free_flush(struct arena *a, struct cache *cache, unsigned class)
{
    struct magazine *m = &cache->magazines[class];
    size_t keep = m->n / 2;
    lock_take(&a->lock);
    slab_give(a, m->blocks, m->n - keep); /* the oldest */
    lock_drop(&a->lock);
    memmove(m->blocks, m->blocks + (m->n - keep), keep * sizeof(*m->blocks));
    m->n = (uint32_t) keep;
}

static __attribute__((noinline)) void free_uncached(struct arena *a, void *p, _Atomic uint8_t *state)
{
    struct cached_block b = { p, state };
    lock_take(&a->lock);
    slab_give(a, &b, 1);
    lock_drop(&a->lock);
}

ALWAYS_INLINE void free_block(
    struct arena *a, struct slab *s, void *p, _Atomic uint8_t *state)
{
    struct cache *cache = cache_of_thread(a);
    if (__builtin_expect(cache == NULL, 0)) {
        free_uncached(a, p, state);
        return;
    }
    struct magazine *m = &cache->magazines[s->class];
    if (__builtin_expect(m->n == m->cap, 0)) {
        free_flush(a, cache, s->class);
    }
    struct cached_block *b = &m->blocks[m->n++];
    b->p = p; /* one by one: a wide store cannot be forwarded to the loads that follow soon */
    b->state = state;
}

/* Page number of p, RUN_NONE if it is not in the range. */
static inline size_t page_of(const struct arena *a, const void *p)
{
    size_t offset = (size_t) ((const char *) p - a->base);
    return offset < a->reserve_bytes ? offset >> PAGE_SHIFT : RUN_NONE;
}
static inline struct slab *slab_of_word(uintptr_t w)
{
    return (struct slab *) (w - PAGE_SLAB);
}

bool arena_try_free(struct arena *a, void *p)
{
    size_t page = page_of(a, p);
    if (page == RUN_NONE) {
        return p == NULL;
    }
    uintptr_t w = page_word(a, page);
    if ((w & PAGE_KIND_MASK) == PAGE_SLAB) {
        struct slab *s = slab_of_word(w);
        _Atomic uint8_t *state = slab_state_of(s, p);
        /* Exchange: of two threads that free the same block one gets it. */
        if (state == NULL || atomic_load_explicit(state, memory_order_relaxed) == 0
            || atomic_exchange_explicit(state, 0, memory_order_relaxed) == 0) {
            return false;
        }
        free_block(a, s, p, state);
        return true;
    }
    if (((uintptr_t) p & (PAGE_BYTES - 1)) != 0) {
        return false;
    }
    lock_take(&a->lock);
    w = page_word(a, page);
    bool live = (w & PAGE_KIND_MASK) == PAGE_RUN;
    if (live) {
        run_free(a, page, w >> 3);
    }
    lock_drop(&a->lock);
    return live;
}

void arena_free(struct arena *a, void *p)
{
    if (p == NULL) {
        return;
    }
    size_t page = page_of(a, p);
    uintptr_t w = page == RUN_NONE ? 0 : page_word(a, page);
    if (__builtin_expect((w & PAGE_KIND_MASK) == PAGE_SLAB, 1)) {
        struct slab *s = slab_of_word(w);
        _Atomic uint8_t *state = slab_state_of(s, p);
        VM_REQUIRE(state != NULL && atomic_load_explicit(state, memory_order_relaxed) == 1);
        atomic_store_explicit(state, 0, memory_order_relaxed);
        free_block(a, s, p, state);
        return;
    }
    bool freed = arena_try_free(a, p);
    VM_REQUIRE(freed);
}

size_t arena_usable(struct arena *a, const void *p)
{
    size_t page = page_of(a, p);
    uintptr_t w = page == RUN_NONE ? 0 : page_word(a, page);
    if ((w & PAGE_KIND_MASK) == PAGE_SLAB) {
        struct slab *s = slab_of_word(w);
        _Atomic uint8_t *state = slab_state_of(s, p);
        return state != NULL && atomic_load_explicit(state, memory_order_relaxed) == 1 ? s->block_bytes : 0;
    }
    bool head = (w & PAGE_KIND_MASK) == PAGE_RUN && ((uintptr_t) p & (PAGE_BYTES - 1)) == 0;
    return head ? (w >> 3) << PAGE_SHIFT : 0;
}

size_t arena_good_size(size_t bytes)
{
    if (bytes > CLASS_MAX_BYTES) {
        return bytes > SIZE_MAX - PAGE_BYTES ? bytes : (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    }
    return arena_classes[class_of(bytes)].block_bytes;
}

/* Grows or shrinks where it is, if both sizes are runs of pages. */
static bool resize_run(struct arena *a, void *p, size_t old_bytes, size_t bytes)
{
    if (old_bytes <= CLASS_MAX_BYTES || bytes <= CLASS_MAX_BYTES || bytes > a->reserve_bytes) {
        return false;
    }
    lock_take(&a->lock);
    bool done = run_resize(
        a, page_of(a, p), old_bytes >> PAGE_SHIFT, (bytes + PAGE_BYTES - 1) >> PAGE_SHIFT);
    lock_drop(&a->lock);
    return done;
}

void *arena_realloc(struct arena *a, void *p, size_t bytes)
{
    if (p == NULL) {
        return arena_alloc(a, bytes);
    }
    size_t old_bytes = arena_usable(a, p);
    VM_REQUIRE(old_bytes > 0);
    if ((bytes <= old_bytes && bytes > old_bytes / 2 && old_bytes <= CLASS_MAX_BYTES)
        || resize_run(a, p, old_bytes, bytes)) {
        return p;
    }
    void *q = alloc(a, bytes, false);
    if (q != NULL) {
        memcpy(q, p, bytes < old_bytes ? bytes : old_bytes);
        arena_free(a, p);
    }
    return q;
}

/* ---- asking ---- */

struct arena_stats arena_stats(struct arena *a)
{
    lock_take(&a->lock);
    struct arena_stats st = {
        .reserved_bytes = a->reserve_bytes,
        .mapped_bytes = (a->frontier - a->cold_pages) << PAGE_SHIFT,
        .used_bytes = atomic_load_explicit(&a->used_pages, memory_order_relaxed) << PAGE_SHIFT,
        .limit_bytes = a->limit_bytes,
    };
    lock_drop(&a->lock);
    return st;
}

bool arena_is_tight(const struct arena *a)
{
    size_t used = atomic_load_explicit(&a->used_pages, memory_order_relaxed) << PAGE_SHIFT;
    return used > a->limit_bytes - a->limit_bytes / 8;
}

/* Several arenas at once, so without ranks; whoever forks holds none of them. */
void arena_before_fork(struct arena *a)
{
    VM_REQUIRE(pthread_mutex_lock(&a->lock.mutex) == 0);
}

void arena_after_fork(struct arena *a)
{
    VM_REQUIRE(pthread_mutex_unlock(&a->lock.mutex) == 0);
}

bool arena_contains(const struct arena *a, const void *p)
{
    return page_of(a, p) != RUN_NONE;
}

int arena_fd(const struct arena *a)
{
    return a->fd;
}

int arena_share_fd(const struct arena *a, bool read_only)
{
    char path[64];
    if (a->fd < 0) {
        errno = a->share_error;
        return -1;
    }
    if (!read_only) {
        return fcntl(a->fd, F_DUPFD_CLOEXEC, 3);
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", a->fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- giving back ---- */

static bool has_excess(const struct arena *a)
{
    enum { ALWAYS_KEEP_PAGES = 1024 };
    size_t used = atomic_load_explicit(&a->used_pages, memory_order_relaxed);
    return atomic_load_explicit(&a->warm_pages, memory_order_relaxed) > used / 4 + ALWAYS_KEEP_PAGES;
}

/* Did anything go? */
static bool trim(struct arena *a)
{
    enum { ROUNDS = 8 };
    bool any = false, more = true;
    for (int i = 0; i < ROUNDS && more && has_excess(a); i++) {
        lock_take(&a->lock);
        more = run_trim(a);
        lock_drop(&a->lock);
        any |= more;
    }
    return any;
}

bool arena_trim(int64_t now_ns)
{
    static _Atomic int64_t since_ns; /* when the excess was first seen; 0: there was none */
    if (!has_excess(arena_terms) && !has_excess(arena_vm)) {
        atomic_store_explicit(&since_ns, 0, memory_order_relaxed);
        return false;
    }
    int64_t since = atomic_load_explicit(&since_ns, memory_order_relaxed);
    if (since == 0) {
        atomic_store_explicit(&since_ns, now_ns, memory_order_relaxed);
    } else if (now_ns - since > 1000000000) {
        bool any = trim(arena_terms);
        any |= trim(arena_vm);
        if (!any) { /* all of it in small pieces: there is nothing to come back for */
            atomic_store_explicit(&since_ns, now_ns, memory_order_relaxed);
        }
        return any;
    }
    return true;
}

/* ---- the VM's own memory ---- */

void *vm_try_alloc(size_t bytes)
{
    if (__builtin_expect(arena_vm == NULL, 0)) {
        VM_REQUIRE(arena_init_all()); /* address space for the arenas */
    }
    return must_fail() ? NULL : alloc(arena_vm, bytes, false);
}

void *vm_alloc(size_t bytes)
{
    if (__builtin_expect(arena_vm == NULL, 0)) {
        VM_REQUIRE(arena_init_all()); /* address space for the arenas */
    }
    void *p = alloc(arena_vm, bytes, false);
    VM_REQUIRE(p != NULL); /* out of memory for the VM's own tables */
    return p;
}

void *vm_zalloc(size_t bytes)
{
    return memset(vm_alloc(bytes), 0, bytes);
}

void *vm_realloc(void *p, size_t bytes)
{
    if (p == NULL) {
        return vm_alloc(bytes);
    }
    void *q = arena_realloc(arena_vm, p, bytes);
    VM_REQUIRE(q != NULL); /* out of memory for the VM's own tables */
    return q;
}

void vm_free(void *p)
{
    arena_free(arena_vm, p);
}
