/* library.h - what isolation knows of a loaded library: policy, counters, memory, code.
 *
 * Made when the library is first used, kept for ever (a crash report or a late timeout may still
 * name it). Hot fields are read without a lock: each is one word and any mix of old and new is fine.
 */
#ifndef ISOLATION_LIBRARY_H
#define ISOLATION_LIBRARY_H

#include <stdatomic.h>

#include "isolation/policy.h"
#include "lib/base/arena.h"
#include "lib/base/lock.h"

struct executor_ops;
struct nif_lib;
struct remote_pool;

enum { LIBRARY_MAX_CODE = 8, LIBRARY_COUNTER_SLOTS = 32 };
#define LIBRARY_NOT_QUICK SIZE_MAX

struct library_range {
    uintptr_t start, end; /* end: first byte behind */
};

struct native_library {
    /* hot */
    const struct executor_ops *_Atomic ops;
    _Atomic uint32_t timeout_ms; /* 0: none */
    size_t _Atomic stack_bytes;
    size_t _Atomic quick_stack_bytes; /* as stack_bytes, if quick.h may call it; else LIBRARY_NOT_QUICK */
    struct arena *_Atomic arena; /* what it gets from malloc; NULL: not yet made */

    const char *name;   /* owned: file name without directory, "crypto.so" */
    const char *path;   /* owned */
    const char *module; /* owned text */
    term module_atom;
    struct library_range code[LIBRARY_MAX_CODE]; /* executable segments */
    unsigned n_code;
    unsigned arena_slot;
    struct policy policy;        /* effective; read with library_policy() */
    _Atomic bool tainted;        /* it crashed at least once: its own data may be damaged */
    _Atomic uint32_t no_exec;    /* code is not executable just now: a timeout waits for it */
    _Atomic uint64_t crashes, suppressed_reports;
    bool changes_fp;             /* its code may change FP control: look after each call */
    _Atomic bool has_threads;    /* it made some: never closed */
    bool elsewhere;              /* it runs in another OS process; for ever */
    struct nif_lib *_Atomic nif; /* while it is open; NULL: closed. Used with the lock held */
    struct remote_pool *_Atomic pool; /* its workers; NULL: never had any */
    struct lock lock;            /* guards what follows */
    struct heap last_crash_heap; /* of fragments, owned: */
    term last_crash;             /* the exit reason; TERM_NONE: never crashed */
    int64_t last_crash_ns;       /* system time */
    struct native_library *next; /* of all, newest first */
    struct {
        _Alignas(64) _Atomic uint64_t n;
    } calls[LIBRARY_COUNTER_SLOTS];
};

/* The record for a library; made if need be. handle: of dlopen, or NULL while it is being opened
 * (call again with it). elsewhere: it runs in another OS process. A library can have one record on each side: its old
 * code on one, its current code on the other. */
struct native_library *library_get(term module, const char *path, void *handle, bool elsewhere);
/* The code ranges of an opened library. */
void library_set_handle(struct native_library *lib, void *handle);
/* NULL if there is none; of several, the one that is open, if one is. */
struct native_library *library_of_module(term module);
/* Signal-safe: the library whose code holds pc, or NULL. */
struct native_library *library_of_code(uintptr_t pc);
struct native_library *library_first(void);
/* Looks the policy up again: it has changed. module TERM_NONE: of all libraries. */
void library_refresh_policies(term module);
uint64_t library_calls(const struct native_library *lib);
struct arena *library_arena(struct native_library *lib); /* made if need be; may be NULL */

static inline uint64_t library_policy(const struct native_library *lib, enum policy_key key)
{
    return __atomic_load_n(&lib->policy.value[key], __ATOMIC_RELAXED);
}
static inline bool library_has_code(const struct native_library *lib, uintptr_t pc)
{
    unsigned n = __atomic_load_n(&lib->n_code, __ATOMIC_ACQUIRE); /* in signal handlers, too */
    for (unsigned i = 0; i < n; i++) {
        if (pc - lib->code[i].start < lib->code[i].end - lib->code[i].start) {
            return true;
        }
    }
    return false;
}
/* Where a thread counts its calls, in each library. */
struct library_counter { size_t offset; };
static inline struct library_counter library_counter(unsigned thread_index)
{
    size_t slot = thread_index % LIBRARY_COUNTER_SLOTS;
    size_t first = offsetof(struct native_library, calls), size = sizeof(((struct native_library *) 0)->calls[0]);
    return (struct library_counter) { first + slot * size };
}
static inline void library_count_call(struct native_library *lib, struct library_counter counter)
{
    _Atomic uint64_t *n = (_Atomic uint64_t *) ((char *) lib + counter.offset);
    /* Threads that share a slot may lose a count; nobody else writes it. */
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1, memory_order_relaxed);
}

#endif
