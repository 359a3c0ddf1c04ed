/* fault.h - the signal handlers: whose fault is it, and what follows.
 *
 *   fault of a native call    the call is abandoned (thread.h), the caller learns why
 *   fault of a library's thread outside of a call: that thread ends
 *   kill -SEGV from another process, and everything else: the VM's own fault; a report, earlier
 *                             handlers, abort()
 */
#ifndef ISOLATION_FAULT_H
#define ISOLATION_FAULT_H

#include <signal.h>
#include <sys/types.h>

#include "lib/base/base.h"

/* Installs the handlers and remembers this process and its code. Once, before any native call. */
void fault_install(void);
/* Removes from the set what a thread that runs native code must not block. */
void fault_unblock(sigset_t *set);
/* Is this one of the signals the VM needs for itself? */
bool fault_owns(int signal_number);
/* Sent to a thread whose call is overdue. */
int fault_timeout_signal(void);
/* "SIGSEGV"; valid for ever. */
const char *fault_signal_name(int signal_number);
/* The VM cannot go on: says so and aborts. Safe in signal handlers. */
_Noreturn void fault_fatal(const char *what);
/* Is the address in the code of this program, of the dynamic linker? */
bool fault_is_vm_code(uintptr_t pc);
bool fault_is_loader_code(uintptr_t pc);
/* The VM's process id: a child made by fork or vfork has another. */
pid_t fault_vm_pid(void);

#endif
