/* os_signal.h - signals of the operating system, as os:set_signal/2 has them: events of erl_signal_server.
 *
 *   handler (any thread, perhaps in native code) ── a bit, a futex ──► a thread ── {notify, sigterm} ──► erl_signal_server
 *
 * Those of one kind that come before the first has been passed on are one. Only SIGTERM is handled before a program asks for it.
 */
#ifndef VM_OS_SIGNAL_H
#define VM_OS_SIGNAL_H

#include "vm/core/term.h"

enum os_signal_action { OS_SIGNAL_DEFAULT, OS_SIGNAL_IGNORE, OS_SIGNAL_HANDLE };

/* false: name is no signal that may be set. sigabrt, which the VM itself needs, and sigstop stay as they are. Any thread. */
bool os_signal_set(term name, enum os_signal_action action) MUST_CHECK;
/* At the start: SIGTERM ends the program in good order, unless it is ignored. Should that hang, a second one ends it at once;
 * after os:set_signal(sigterm, handle) it does not. false: no thread could be made. */
bool os_signal_await_end(void) MUST_CHECK;
/* By sched_stop: as it was at the start. Waits for the thread to end, until then; false: it has not. */
bool os_signals_stop(int64_t system_deadline_ns) MUST_CHECK;

#endif
