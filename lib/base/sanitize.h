/* sanitize.h - what a build with a sanitizer must be told; nothing in any other build.
 *
 * A sanitizer ends the program at the first thing it does not like. Here some of that is the job:
 * a NULL pointer that a native library hands over is to fault, so that the call ends and the
 * program goes on. Each use says what is looked at less, and why nothing of ours hides there.
 */
#ifndef BASE_SANITIZE_H
#define BASE_SANITIZE_H

#include <stdatomic.h>

#include "lib/base/base.h"

/* On functions that follow pointers a native library gave us. UBSan would stop the program in front
 * of a load or store through a pointer that is NULL, misaligned or out of range. Without it the processor
 * faults, for a pointer of ours as well, and the signal handler says whose it was. */
#define FOLLOWS_FOREIGN_POINTERS __attribute__((no_sanitize("null", "alignment", "pointer-overflow")))

/* What kind of build this is, as erlang:system_info(build_type) says it. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZE_BUILD_TYPE ATOM(asan)
#elif defined(__SANITIZE_THREAD__)
#define SANITIZE_BUILD_TYPE ATOM(tsan)
#else
#define SANITIZE_BUILD_TYPE ATOM(opt)
#endif

/* A full fence. TSan knows none, and takes a locked instruction for as much; what it does not see is the other process's
 * memory anyway. */
static inline void sanitize_fence(void)
{
#ifdef __SANITIZE_THREAD__
    _Atomic int own = 0;
    atomic_fetch_add(&own, 1);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* What this thread has done up to the one, with what it tells another process next, comes before what that one's answer makes
 * a thread do after the other. TSan sees one process. */
#ifdef __SANITIZE_THREAD__
void __tsan_release(void *at);
void __tsan_acquire(void *at);
static inline void sanitize_hand_over(void *by) { __tsan_release(by); }
static inline void sanitize_take_over(void *by) { __tsan_acquire(by); }
#else
static inline void sanitize_hand_over(void *by) { (void) by; }
static inline void sanitize_take_over(void *by) { (void) by; }
#endif

#ifdef __SANITIZE_ADDRESS__
void __asan_unpoison_memory_region(void const volatile *start, size_t bytes);
void __sanitizer_start_switch_fiber(void **fake_stack, const void *bottom, size_t bytes);
void __sanitizer_finish_switch_fiber(void *fake_stack, const void **bottom_old, size_t *bytes_old);

/* Memory that holds nothing any more: stacks whose frames were abandoned, fresh mappings where ASan
 * had something before. */
static inline void sanitize_forget(const void *start, size_t bytes)
{
    __asan_unpoison_memory_region(start, bytes);
}

/* The thread's stack is another one from here on; the former one's bounds in *low and *bytes, if
 * wanted. ASan looks for the frames of functions that do not return between these bounds. */
static inline void sanitize_switch_stack(const void *to_low, size_t to_bytes, const void **low, size_t *bytes)
{
    void *fake_stack;
    __sanitizer_start_switch_fiber(&fake_stack, to_low, to_bytes);
    __sanitizer_finish_switch_fiber(fake_stack, low, bytes);
}
#else
static inline void sanitize_forget(const void *start, size_t bytes)
{
    (void) start, (void) bytes;
}
static inline void sanitize_switch_stack(const void *to_low, size_t to_bytes, const void **low, size_t *bytes)
{
    (void) to_low, (void) to_bytes, (void) low, (void) bytes;
}
#endif

#endif
