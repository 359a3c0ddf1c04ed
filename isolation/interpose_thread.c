/* interpose_thread.c - threads that libraries make run protected: a crash ends the thread, not the VM. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "isolation/crash_report.h"
#include "isolation/interpose.h"
#include "isolation/interpose_libc.h"
#include "isolation/symbols.h"

struct thread_start {
    void *(*fn)(void *);
    void *arg;
    struct native_library *library;
    struct native_thread *record; /* reserved for it */
};
static pthread_key_t end_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#ifdef __SANITIZE_THREAD__ /* which gives up a thread in the last round, and must hear of our locks before */
enum { LAST_ROUND = PTHREAD_DESTRUCTOR_ITERATIONS - 1 };
#else
enum { LAST_ROUND = PTHREAD_DESTRUCTOR_ITERATIONS };
#endif

/* Last of all destructors of thread-local data, or nearly: it asks to be called again. */
UNWATCHED static void at_thread_end(void *round)
{
    uintptr_t n = (uintptr_t) round;
    if (n < LAST_ROUND) {
        pthread_setspecific(end_key, (void *) (n + 1));
    } else {
        native_thread_detach();
    }
}

static void after_fork_in_child(void)
{
    library_heaps_after_fork();
    if (native_self != NULL && (nif_guard.depth > 0 || direct_library != NULL)) {
        native_self->dirt |= DIRT_FORKED;
    }
}

static void set_up(void)
{
    VM_REQUIRE(pthread_key_create(&end_key, at_thread_end) == 0);
    VM_REQUIRE(pthread_atfork(library_heaps_before_fork, library_heaps_after_fork, after_fork_in_child) == 0);
}

static void find_own_stack(struct native_stack *s)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes, guard = 0;
    *s = (struct native_stack) { .low = NULL };
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &low, &bytes);
        pthread_attr_getguardsize(&attr, &guard);
        s->low = low;
        s->high = (char *) low + bytes;
        s->map = s->low - guard;
        pthread_attr_destroy(&attr);
    }
}

/* Runs the library's function protected, on this thread's own stack: no timeout, no pool. */
static void *run_thread(void *start)
{
    enum { ROOM_FOR_US = 4096 };
    struct thread_start s = *(struct thread_start *) start;
    struct native_stack own;
    struct symbol name;
    vm_free(start);
    struct native_thread *t = native_thread_attach_as(s.record);
    t->library_thread = true;
    t->maker = s.library;
    pthread_setspecific(end_key, (void *) (uintptr_t) 1);
    find_own_stack(&own);
    struct native_call call = { .library = s.library, .entry = NATIVE_THREAD, .arg = { (uintptr_t) s.arg }, .name = "(thread)" };
    memcpy(&call.code, &s.fn, sizeof(call.code));
    struct native_frame *f = &t->frame[0];
    f->call = &call;
    f->stack = &own;
    atomic_store_explicit(&f->seq, 0, memory_order_relaxed);
    nif_guard.in_vm = 0;
    native_set_depth(1);
    uintptr_t value = native_switch(f, call.code, call.arg, (char *) __builtin_frame_address(0) - ROOM_FOR_US, true);
    native_set_depth(0);
    if ((t->dirt & DIRT_ABANDONED) == 0) {
        return (void *) value;
    }
    if (symbols_find((uintptr_t) call.code, &name) && name.function != NULL) {
        call.name = name.function;
    }
    struct native_outcome out;
    native_describe_abandoned(t, f, &call, &out);
    native_outcome_account(&call, &out);
    native_outcome_clear(&out);
    return PTHREAD_CANCELED;
}

UNWATCHED int pthread_create(
    pthread_t *restrict thread, const pthread_attr_t *restrict attr, void *(*fn)(void *), void *restrict arg)
{
    struct native_thread *t = interpose_in_call();
    struct native_library *lib = t != NULL && native_top(t)->call != NULL ? native_top(t)->call->library : direct_library;
    if (lib == NULL) {
        return LIBC(pthread_create)(thread, attr, fn, arg);
    }
    pthread_once(&once, set_up);
    struct native_thread *record = native_thread_reserve();
    if (record == NULL) {
        return EAGAIN;
    }
    pthread_attr_t wide;
    void *stack_address;
    size_t stack_bytes, guard = 0;
    /* A guard that large frames do not jump over; not if the library brings its own stack. */
    if (attr != NULL) {
        wide = *attr;
        bool own_stack = pthread_attr_getstack(attr, &stack_address, &stack_bytes) == 0 && stack_address != NULL
            && stack_bytes != 0 && (uintptr_t) stack_address < UINTPTR_MAX - stack_bytes + 1
            && stack_address != (void *) -stack_bytes;
        pthread_attr_getguardsize(attr, &guard);
        if (!own_stack && guard < STACK_GUARD_BYTES) {
            pthread_attr_setguardsize(&wide, STACK_GUARD_BYTES);
        }
    } else {
        pthread_attr_init(&wide);
        pthread_attr_setguardsize(&wide, STACK_GUARD_BYTES);
    }
    struct thread_start *start = vm_alloc(sizeof(*start));
    *start = (struct thread_start) { fn, arg, lib, record };
    atomic_store_explicit(&lib->has_threads, true, memory_order_relaxed);
    nif_guard_enter();
    int error = LIBC(pthread_create)(thread, &wide, run_thread, start);
    nif_guard_leave();
    if (attr == NULL) {
        pthread_attr_destroy(&wide);
    }
    if (error != 0) {
        native_thread_unreserve(record);
        vm_free(start);
    }
    return error;
}

void pthread_exit(void *value)
{
    struct native_thread *t = interpose_in_call();
    if (t != NULL && !t->library_thread) {
        native_leave_as(t, (struct native_outcome) { .status = NATIVE_PANICKED }, PANIC_THREAD_EXIT);
    }
    native_set_depth(0); /* the frames of the call are about to be unwound */
    LIBC(pthread_exit)(value);
    __builtin_unreachable();
}

__attribute__((constructor)) static void at_start(void)
{
    pthread_once(&once, set_up);
}
