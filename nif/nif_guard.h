/* nif_guard.h - whose fault is a fault in the NIF API?
 *
 * The API runs on the thread, and on the stack, of the NIF that called it. Reading what the NIF
 * handed over (a wild term, a NULL pointer) is the NIF's fault: the call is abandoned there and
 * then. Between nif_guard_enter() and nif_guard_leave() the VM changes its own structures: a fault
 * is the VM's own and ends it, and a timeout waits. A thread that holds a struct lock counts as
 * inside. So: read the NIF's memory first, then enter (or lock). Waits without end (a NIF's own
 * mutex, a condition) are not to be marked: a timeout must be able to end them.
 */
#ifndef NIF_GUARD_H
#define NIF_GUARD_H

#include "lib/base/base.h"

struct nif_guard {
    uint32_t in_vm; /* nesting of critical sections */
    uint32_t depth; /* protected native calls in progress on this thread */
};
extern _Thread_local struct nif_guard nif_guard __attribute__((tls_model("local-exec")));

static inline void nif_guard_enter(void)
{
    nif_guard.in_vm++;
    __asm__ volatile("" ::: "memory"); /* the signal handler of this thread reads it */
}
static inline void nif_guard_leave(void)
{
    __asm__ volatile("" ::: "memory");
    nif_guard.in_vm--;
}

#endif
