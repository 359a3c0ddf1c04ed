/* arena.h - one allocator, several address ranges.
 *
 * An arena is a reserved range of address space, split into page runs and size classes.
 * All of its bookkeeping lives outside the range, in private memory of the allocator, so
 * whoever scribbles over blocks (a NIF, a worker that maps the range) cannot reach it.
 *
 *   arena          backing   holds                                           freed by
 *   arena_terms    memfd     process heaps, fragments, off-heap binaries      owner
 *   arena_literals memfd     literals and atom texts: one compare tells       purge
 *   arena_vm       private   every VM structure (vm_alloc below)              owner
 *   one per NIF library      what the library gets from malloc                library; abandoned
 *                                                                             after a crash
 * A worker process may see the first two in place, at the same addresses: see "workers" below.
 * Blocks are 16-byte aligned. Any thread may free what another allocated. Small sizes are
 * served from per-thread magazines without a lock; freed runs return to the kernel lazily.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "lib/base/base.h"

struct arena;

enum arena_backing {
    ARENA_PRIVATE, /* anonymous memory */
    ARENA_MEMFD,   /* a memfd that another OS process may map; see arena_fd() */
};

struct arena_options {
    const char *name;          /* static string, for reports */
    uintptr_t fixed_base;      /* page-aligned address, or 0 for any */
    size_t reserve_bytes;      /* address space; a multiple of 1 MiB */
    size_t limit_bytes;        /* memory it may use; 0: the reservation */
    enum arena_backing backing;
};

/* NULL if the range cannot be reserved. */
struct arena *arena_new(const struct arena_options *options) MUST_CHECK;
/* Unmaps the range and frees the bookkeeping. No block may be in use, no thread inside. Takes no
 * lock of the arena: it also ends one whose lock died with a native function. */
void arena_free_all(struct arena *a);

/* NULL when the limit is reached or bytes is absurd; never aborts. bytes may be 0. */
void *arena_alloc(struct arena *a, size_t bytes) MUST_CHECK;
/* Past limit_bytes if need be; NULL only when the reservation is full. For what may not fail. */
void *arena_alloc_urgent(struct arena *a, size_t bytes) MUST_CHECK;
/* align: a power of two. */
void *arena_alloc_aligned(struct arena *a, size_t align, size_t bytes) MUST_CHECK;
/* Is it past 7/8 of its limit? One relaxed load. */
bool arena_is_tight(const struct arena *a);
/* What arena_alloc(bytes) would make usable: ask for this much and nothing is wasted. */
size_t arena_good_size(size_t bytes);
/* As realloc: moves if it must; p may be NULL. On NULL the old block is unchanged. */
void *arena_realloc(struct arena *a, void *p, size_t bytes) MUST_CHECK;
/* p: a live block of this arena, or NULL. Anything else is a VM bug and panics, except
 * through arena_try_free, which is for pointers that a NIF hands us: false if p is no live block. */
void arena_free(struct arena *a, void *p);
bool arena_try_free(struct arena *a, void *p) MUST_CHECK;
/* Bytes usable at p, >= what was asked for; 0 if p is no live block. */
size_t arena_usable(struct arena *a, const void *p);

/* For idle threads, before they sleep: gives free memory of the global arenas back to the kernel once
 * it has been too much for a second. True: call again in about 100 ms. */
bool arena_trim(int64_t now_ns);

struct arena_stats {
    size_t reserved_bytes, mapped_bytes, used_bytes, limit_bytes;
};
struct arena_stats arena_stats(struct arena *a);
/* Around fork(), in the thread that forks: the child gets the arena whole and unlocked. */
void arena_before_fork(struct arena *a);
void arena_after_fork(struct arena *a);
bool arena_contains(const struct arena *a, const void *p);
int arena_fd(const struct arena *a); /* the memfd, owned by the arena; -1 if private */

/* The three arenas every VM has. Set up once by arena_init_all(); then constant. */
extern struct arena *arena_terms, *arena_literals, *arena_vm;
bool arena_init_all(void) MUST_CHECK;

/* ---- workers ----
 *
 *            VM                                  worker
 *   0x4f...  literals   (memfd)        ------>   the VM's literals, read only
 *   0x50...  terms      (memfd)        ------>   the VM's terms, read only or writable
 *   0x52...                                      its own terms, private
 *
 * An attached worker sees the VM's blocks but none of the bookkeeping: it can neither free nor
 * allocate there. All of it is "foreign". A fork of the VM shares nothing: it gets private copies of both,
 * and has no descriptor to give away; so memory that is to be shared is made after the last fork.
 */
/* A descriptor of the memfd behind an arena, for another process; the caller closes it. read_only:
 * opened for reading, so that no mapping made from it can ever be written. -1: errno says why. */
int arena_share_fd(const struct arena *a, bool read_only) MUST_CHECK;

struct arena_attach {
    int terms_fd, literals_fd; /* from arena_share_fd; may be closed afterwards */
    bool write;                /* map the terms writable: terms_fd must allow it */
};
/* In a worker, instead of arena_init_all(): maps the VM's memory and makes arenas of its own;
 * arena_literals stays NULL. Before anything is allocated. false: not possible. */
bool arena_init_worker(const struct arena_attach *attach) MUST_CHECK;

/* Memory of the VM seen from an attached worker. Both are 0 elsewhere. */
extern uintptr_t arena_foreign_base, arena_foreign_bytes;
static inline bool arena_is_foreign(const void *p)
{
    return (uintptr_t) p - arena_foreign_base < arena_foreign_bytes;
}
static inline bool arena_is_attached(void)
{
    return __builtin_expect(arena_foreign_bytes != 0, 0);
}

/* So many bytes of address space, or less if `ulimit -v` leaves little: an eighth of it, for several arenas, stacks and
 * the program share it. */
size_t arena_reserve_for(size_t bytes);

/* Literals live in a range of their own so that the collector tells them by address. */
#ifdef __SANITIZE_THREAD__ /* which allows the program few addresses */
#define ARENA_TERMS_BASE    UINT64_C(0x002000000000)
#define ARENA_LITERALS_BASE UINT64_C(0x001000000000)
#define ARENA_WORKER_BASE   UINT64_C(0x006000000000)
#else
#define ARENA_TERMS_BASE    UINT64_C(0x500000000000)
#define ARENA_LITERALS_BASE UINT64_C(0x4f0000000000)
#define ARENA_WORKER_BASE   UINT64_C(0x520000000000) /* terms of an attached worker */
#endif
#define ARENA_LITERALS_SIZE (UINT64_C(16) << 30)
#define ARENA_TERMS_MAX     (UINT64_C(256) << 30)
#define ARENA_WORKER_SIZE   (UINT64_C(64) << 30)
/* The first block of the literals, zeroed at start, belongs to vm/core (shared_root.h): a constant
 * address for what everybody who sees the literals must find. */
enum { ARENA_ROOT_BYTES = 64 << 10 };
static inline bool arena_is_literal(const void *p)
{
    return (uintptr_t) p - ARENA_LITERALS_BASE < ARENA_LITERALS_SIZE;
}

/* VM structures. These never return NULL: a VM that cannot get memory for its own tables
 * has reached its hard limit and says so before it aborts. Sizes that depend on input go
 * through vm_try_alloc. Works before arena_init_all() is called (it initialises on demand). */
void *vm_alloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *vm_zalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *vm_realloc(void *p, size_t bytes) __attribute__((returns_nonnull));
void *vm_try_alloc(size_t bytes) MUST_CHECK;
void vm_free(void *p);

#endif
