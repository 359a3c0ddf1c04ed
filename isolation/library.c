#include "isolation/library.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "isolation/executor.h"
#include "isolation/fp_scan.h"
#include "isolation/interpose.h"
#include "isolation/remote/remote.h"
#include "isolation/watchdog.h"
#include "lib/base/trace.h"

/* All of them, newest first: read by anyone, written under the lock. */
static struct native_library *_Atomic libraries;
static unsigned n_libraries;
static struct lock libraries_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_EXECUTOR, RANK_NONE };

struct native_library *library_first(void)
{
    return atomic_load_explicit(&libraries, memory_order_acquire);
}

static char *copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(vm_alloc(n), s, n);
}

/* What quick.h asks, in one word. */
static void decide_quick(struct native_library *lib)
{
    bool quick = (lib->ops->caps & EXEC_CAP_PLAIN_STACK) != 0 && lib->timeout_ms == 0 && !lib->changes_fp
                 && library_policy(lib, POLICY_VERIFY) == 0 && !trace_on(TRACE_NATIVE);
    size_t bytes = quick ? lib->stack_bytes : LIBRARY_NOT_QUICK;
    atomic_store_explicit(&lib->quick_stack_bytes, bytes, memory_order_relaxed);
}

static void refresh(struct native_library *lib)
{
    struct policy p;
    policy_effective(lib->module_atom, &p);
    for (int k = 0; k < POLICY_KEYS; k++) { /* calls read them meanwhile */
        __atomic_store_n(&lib->policy.value[k], p.value[k], __ATOMIC_RELAXED);
        __atomic_store_n(&lib->policy.origin[k], p.origin[k], __ATOMIC_RELAXED);
    }
    /* A library that is loaded stays on its side of the process boundary until it is loaded anew. */
    const struct executor_ops *ops = executor_table[p.value[POLICY_MODE]];
    bool elsewhere = (ops->caps & EXEC_CAP_LOCAL) == 0;
    if (lib->ops == NULL || elsewhere == lib->elsewhere) {
        atomic_store_explicit(&lib->ops, ops, memory_order_relaxed);
    }
    atomic_store_explicit(&lib->timeout_ms, (uint32_t) p.value[POLICY_TIMEOUT], memory_order_relaxed);
    atomic_store_explicit(&lib->stack_bytes, p.value[POLICY_STACK], memory_order_relaxed);
    if (p.value[POLICY_TIMEOUT] != 0 && (lib->ops->caps & EXEC_CAP_TIMEOUT) != 0) {
        watchdog_note_timeout((uint32_t) p.value[POLICY_TIMEOUT]);
    }
    decide_quick(lib);
}

void library_refresh_policies(term module)
{
    for (struct native_library *lib = library_first(); lib != NULL; lib = lib->next) {
        if (term_is_none(module) || term_same(module, lib->module_atom)) {
            refresh(lib);
            remote_policy_changed(lib);
        }
    }
}

struct code_search {
    struct native_library *lib;
    uintptr_t base;
};

static int collect_code(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct code_search *s = arg;
    (void) size;
    if (info->dlpi_addr != s->base) {
        return 0;
    }
    for (unsigned i = 0; i < info->dlpi_phnum && s->lib->n_code < LIBRARY_MAX_CODE; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) != 0) {
            uintptr_t start = (info->dlpi_addr + p->p_vaddr) & ~(uintptr_t) 4095;
            uintptr_t end = (info->dlpi_addr + p->p_vaddr + p->p_memsz + 4095) & ~(uintptr_t) 4095;
            s->lib->code[s->lib->n_code] = (struct library_range) { start, end };
            __atomic_store_n(&s->lib->n_code, s->lib->n_code + 1, __ATOMIC_RELEASE);
        }
    }
    return 1;
}

void library_set_handle(struct native_library *lib, void *handle)
{
    struct link_map *map;
    lock_take(&lib->lock);
    if (lib->n_code == 0 && handle != NULL && dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0) {
        struct code_search s = { lib, map->l_addr };
        dl_iterate_phdr(collect_code, &s);
        bool changes_fp = fp_scan_may_change(lib, handle); /* calls of before it was loaded anew may read it */
        __atomic_store_n(&lib->changes_fp, changes_fp, __ATOMIC_RELAXED);
        decide_quick(lib);
    }
    lock_drop(&lib->lock);
}

struct native_library *library_get(term module, const char *path, void *handle, bool elsewhere)
{
    struct native_library *lib;
    for (lib = library_first(); lib != NULL; lib = lib->next) {
        if (term_same(lib->module_atom, module) && lib->elsewhere == elsewhere && strcmp(lib->path, path) == 0) {
            library_set_handle(lib, handle);
            return lib;
        }
    }
    lib = NULL;
    /* vm_alloc gives 16-byte alignment; the counters want whole lines to themselves. */
    char *room = vm_zalloc(sizeof(*lib) + _Alignof(struct native_library));
    room += -(uintptr_t) room % _Alignof(struct native_library);
    lib = (struct native_library *) room;
    const char *slash = strrchr(path, '/');
    lib->path = copy_text(path);
    lib->name = lib->path + (slash != NULL ? (size_t) (slash - path) + 1 : 0);
    lib->module_atom = module;
    lib->elsewhere = elsewhere;
    lib->module = atom_cstr(module);
    lib->changes_fp = true; /* until its code is there to be looked at */
    lock_init(&lib->lock, RANK_EXECUTOR);
    heap_init_frags(&lib->last_crash_heap);
    lib->last_crash = TERM_NONE;
    refresh(lib);
    library_set_handle(lib, handle);
    lock_take(&libraries_lock);
    /* When heaps run out, the last ones share. */
    n_libraries++;
    lib->arena_slot = n_libraries < LIBRARY_MAX_HEAPS ? n_libraries : LIBRARY_MAX_HEAPS - 1;
    lib->next = library_first();
    if (trace_on(TRACE_LOAD)) {
        trace_emit(&(struct trace_event) { .kind = TRACE_LOAD, .text = lib->path });
    }
    atomic_store_explicit(&libraries, lib, memory_order_release);
    lock_drop(&libraries_lock);
    return lib;
}

struct native_library *library_of_module(term module)
{
    struct native_library *best = NULL;
    for (struct native_library *lib = library_first(); lib != NULL; lib = lib->next) {
        if (term_same(lib->module_atom, module) && (best == NULL || (best->nif == NULL && lib->nif != NULL))) {
            best = lib;
        }
    }
    return best;
}

struct native_library *library_of_code(uintptr_t pc)
{
    struct native_library *lib = library_first();
    while (lib != NULL && !library_has_code(lib, pc)) {
        lib = lib->next;
    }
    return lib;
}

uint64_t library_calls(const struct native_library *lib)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < LIBRARY_COUNTER_SLOTS; i++) {
        n += atomic_load_explicit(&lib->calls[i].n, memory_order_relaxed);
    }
    return n;
}

/* ---- heaps ---- */

static struct arena *_Atomic heaps[LIBRARY_MAX_HEAPS];
static struct lock heaps_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_EXECUTOR, RANK_NONE };

/* A library that allocates without end gets NULL before the kernel looks for somebody to kill. */
static size_t half_of_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (size_t) pages / 2 * 4096 : 0;
}

struct arena *library_heap(unsigned slot)
{
    struct arena *a = atomic_load_explicit(&heaps[slot], memory_order_acquire);
    if (a != NULL) {
        return a;
    }
    /* Taken by whoever calls malloc first, perhaps with a lock of any rank held. */
    VM_REQUIRE(pthread_mutex_lock(&heaps_lock.mutex) == 0);
    a = atomic_load_explicit(&heaps[slot], memory_order_relaxed);
    if (a == NULL) {
        struct arena_options o = {
            .name = slot == 0 ? "malloc" : "library",
            .fixed_base = LIBRARY_HEAPS_BASE + ((uintptr_t) slot << LIBRARY_HEAP_SHIFT),
            .reserve_bytes = arena_reserve_for((size_t) 1 << LIBRARY_HEAP_SHIFT),
            .limit_bytes = slot == 0 ? 0 : half_of_memory(),
            .backing = ARENA_PRIVATE,
        };
        a = arena_new(&o);
        atomic_store_explicit(&heaps[slot], a, memory_order_release);
    }
    VM_REQUIRE(pthread_mutex_unlock(&heaps_lock.mutex) == 0);
    return a;
}

static void each_heap(void (*fn)(struct arena *a))
{
    for (unsigned i = 0; i < LIBRARY_MAX_HEAPS; i++) {
        struct arena *a = atomic_load_explicit(&heaps[i], memory_order_acquire);
        if (a != NULL) {
            fn(a);
        }
    }
}

void library_heaps_before_fork(void)
{
    VM_REQUIRE(pthread_mutex_lock(&heaps_lock.mutex) == 0); /* no new ones meanwhile */
    each_heap(arena_before_fork);
}

void library_heaps_after_fork(void)
{
    each_heap(arena_after_fork);
    VM_REQUIRE(pthread_mutex_unlock(&heaps_lock.mutex) == 0);
}

struct arena *library_heap_of(uintptr_t address)
{
    if (!library_heap_holds(address)) {
        return NULL;
    }
    return atomic_load_explicit(&heaps[(address - LIBRARY_HEAPS_BASE) >> LIBRARY_HEAP_SHIFT], memory_order_acquire);
}

struct arena *library_arena(struct native_library *lib)
{
    struct arena *a = atomic_load_explicit(&lib->arena, memory_order_relaxed);
    if (__builtin_expect(a == NULL, 0)) {
        a = library_heap(lib->arena_slot);
        atomic_store_explicit(&lib->arena, a, memory_order_relaxed);
    }
    return a;
}
