/* native.h - from a call_nif instruction to an executor and back.
 *
 *   call_nif ─► native_call ─► library->ops->call() ─► the library
 *                  │ dirty function: CONTROL_DIRTY_*, called again on such a scheduler
 *                  │ enif_schedule_nif
 *                  └─► trap to bulkhead_nif:continue*(ArgsTuple), a BIF on the right scheduler, which finds in
 *                      p->native what to call
 */
#ifndef EMU_NATIVE_H
#define EMU_NATIVE_H

#include "nif/nif_lib.h"
#include "vm/proc/proc.h"

/* Calls the native function for p. TERM_NONE: p->control says what next, as for BIFs: RAISE, TRAP, or
 * EXIT after a crash. p->heap is written back; the caller's return address is on top of the stack. */
term native_call(struct proc *p, struct nif_func *f, term *args);

term native_call_many(struct proc *p, const struct nif_func *f, term lists);

/* Signal handlers, policies of the command line, the NIF API's host, hooks of threads. Main thread,
 * once, before sched_start. false: a line in error. */
bool native_init(const char *const *isolation_specs, size_t n, char error[256]) MUST_CHECK;

/* native_policy.c: what modules and the command line ask for. Standard error hears of what they ask in vain. */
void native_policy_init(void);
void native_policy_tell_unused(void);
/* If the command line asks for workers what forks them is executed now, while the program starts. After native_init(). */
void native_policy_expect_workers(void);
/* native_report.c: reports of crashes become events of logger. */
void native_report_init(void);

#endif
