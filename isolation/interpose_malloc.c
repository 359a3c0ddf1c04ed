/* interpose_malloc.c - malloc and kin for the whole program: a heap per library.
 *
 * During a native call memory comes from the library's heap, otherwise from one that all others
 * share; freeing finds the heap by the address. The bookkeeping of a heap lies outside of it, so a
 * library that scribbles over its blocks damages its own data only. While the allocator works the
 * thread counts as inside the VM: no timeout interrupts it, so no lock stays held.
 * The VM's own structures are in other arenas: free() of one of them is a misuse like any other.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "isolation/crash_report.h"
#include "isolation/fault.h"
#include "isolation/interpose.h"
#include "isolation/thread.h"

static struct arena *current_heap(void)
{
    struct native_library *lib = direct_library;
    if (__builtin_expect(nif_guard.depth > 0, 0)) {
        const struct native_call *call = native_top(native_self)->call;
        lib = call != NULL ? call->library : NULL; /* none: native_try() */
    }
    return lib != NULL ? library_arena(lib) : library_heap(0);
}

static void *allocate(size_t align, size_t bytes)
{
    nif_guard_enter();
    struct arena *a = current_heap();
    void *p = a == NULL ? NULL : align <= 16 ? arena_alloc(a, bytes) : arena_alloc_aligned(a, align, bytes);
    nif_guard_leave();
    if (__builtin_expect(p == NULL, 0)) {
        errno = ENOMEM;
    }
    return p;
}

/* What glibc does by abort(): the call ends with SIGABRT. */
static void misuse(const void *p, const char *what, uintptr_t caller)
{
    struct native_thread *t = native_self;
    bool in_call = t != NULL && nif_guard.depth > 0 && nif_guard.in_vm == 0;
    if (!library_heap_holds((uintptr_t) p) && (!in_call || fault_is_loader_code(caller))) {
        return; /* from before main, when the loader had an allocator of its own */
    }
    if (!in_call) {
        fault_fatal(what);
    }
    crash_report_line(what);
    native_leave_signalled(t, SIGABRT);
}

static bool release(void *p)
{
    int saved_errno = errno;
    struct arena *a = library_heap_of((uintptr_t) p);
    nif_guard_enter();
    bool ok = a != NULL && arena_try_free(a, p);
    nif_guard_leave();
    errno = saved_errno;
    return ok;
}

void *malloc(size_t bytes)
{
    return allocate(16, bytes);
}

void free(void *p)
{
    if (p != NULL && __builtin_expect(!release(p), 0)) {
        misuse(p, "free(): double free or invalid pointer\n", (uintptr_t) __builtin_return_address(0));
    }
}

void *calloc(size_t n, size_t size)
{
    size_t bytes;
    void *p;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    p = allocate(16, bytes);
    return p != NULL ? memset(p, 0, bytes) : NULL;
}

void *realloc(void *p, size_t bytes)
{
    if (p == NULL) {
        return allocate(16, bytes);
    }
    if (bytes == 0) { /* glibc's reading of the standard */
        free(p);
        return NULL;
    }
    struct arena *a = library_heap_of((uintptr_t) p);
    nif_guard_enter();
    bool live = a != NULL && arena_usable(a, p) != 0;
    void *q = live ? arena_realloc(a, p, bytes) : NULL;
    nif_guard_leave();
    if (!live) {
        misuse(p, "realloc(): invalid pointer\n", (uintptr_t) __builtin_return_address(0));
    }
    if (q == NULL) {
        errno = ENOMEM;
    }
    return q;
}

void *reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(p, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    if (align < sizeof(void *) || (align & (align - 1)) != 0) {
        return EINVAL;
    }
    int saved_errno = errno;
    void *p = allocate(align, bytes);
    errno = saved_errno;
    if (p == NULL) {
        return ENOMEM;
    }
    *out = p;
    return 0;
}

void *memalign(size_t align, size_t bytes)
{
    size_t power = 16;
    while (power < align && power <= SIZE_MAX / 4) {
        power *= 2;
    }
    return allocate(power, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    if (align == 0 || (align & (align - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(align, bytes);
}

void *valloc(size_t bytes)
{
    return allocate(4096, bytes);
}

void *pvalloc(size_t bytes)
{
    if (bytes > SIZE_MAX - 4095) {
        errno = ENOMEM;
        return NULL;
    }
    return allocate(4096, (bytes + 4095) & ~(size_t) 4095);
}

size_t malloc_usable_size(void *p)
{
    struct arena *a = p == NULL ? NULL : library_heap_of((uintptr_t) p);
    return a != NULL ? arena_usable(a, p) : 0;
}
