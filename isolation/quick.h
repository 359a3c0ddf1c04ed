/* quick.h - the usual native call, inline: the outermost on its thread, of a library that asks for nothing but a
 * guarded stack (no timeout, no look at FP control). Everything else, and whatever does not come back in order,
 * is exec_in_process.c's.
 *
 *   if (native_is_quick(lib)) {                  one comparison: see decide_quick() in library.c
 *       value = native_call_quick(&call, code, arg, &dirt);
 *       if (dirt != 0) native_end_call(&call, value, &out);
 *   }
 */
#ifndef ISOLATION_QUICK_H
#define ISOLATION_QUICK_H

#include "isolation/thread.h"
#include "lib/base/sanitize.h"
#include "nif/nif_env.h"

/* For calls of functions one after the other in the same environment: what does not change between them. At the start, and
 * after a crash: that may have written anywhere. */
static inline void native_call_prepare(struct native_call *call, struct enif_environment_t *env)
{
    *call = (struct native_call) { .entry = NATIVE_FUNCTION, .arg = { (uintptr_t) env }, .env = env };
    nif_env_clear(env);
    env->owed_at = 0;
    env->outer = NULL;
}

/* The stack at hand is of the size that the library wants, and it wants no more. */
static inline bool native_is_quick(const struct native_library *lib)
{
    return native_ready_bytes == atomic_load_explicit(&lib->quick_stack_bytes, memory_order_relaxed);
}

/* pre: native_is_quick(call->library), and no native call is in progress on this thread. *dirt other than 0:
 * native_end_call() is to be called next; the result means nothing without it. */
ALWAYS_INLINE uintptr_t native_call_quick(
    struct native_call *call, const void *code, const uintptr_t arg[3], unsigned *dirt)
{
    struct native_thread *t = native_self;
    struct native_frame *f = &t->frame[0];
    struct native_stack *stack = t->ready;
    VM_ASSERT(nif_guard.depth == 0 && nif_guard.in_vm == 0);
    f->call = call;
    f->stack = stack;
    atomic_store_explicit(&f->seq, 0, memory_order_relaxed);
    library_count_call(call->library, t->counter);
    __asm__ volatile("" ::: "memory");
    native_set_depth(1);
    const void *outer_low = NULL;
    size_t outer_bytes = 0;
    sanitize_switch_stack(stack->low, stack->bytes, &outer_low, &outer_bytes);
    uintptr_t value = native_switch(f, code, arg, stack->high, false);
    native_set_depth(0);
    sanitize_switch_stack(outer_low, outer_bytes, NULL, NULL);
    *dirt = native_self->dirt;
    return value;
}

/* What became of the outermost call, on the VM's stack again. */
void native_end_call(struct native_call *call, uintptr_t value, struct native_outcome *out);

#endif
