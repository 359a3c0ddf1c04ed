/* watchdog.h - ends native calls that take longer than their policy allows.
 *
 * One thread looks, every few milliseconds while calls with a timeout run, at the number of the call
 * in progress on every thread; the call itself only stores its number. An overdue thread gets a
 * private signal; what follows depends on where it is:
 *
 *   in the library's code          abandoned at once                          (fault.c)
 *   in the VM                      asked again
 *   in libc or another library     asked again; after some tries the library's code is made
 *                                  non-executable: returning into it faults, and it is abandoned
 *                                  there; system calls return EINTR
 *   still there much later         abandoned where it is
 */
#ifndef ISOLATION_WATCHDOG_H
#define ISOLATION_WATCHDOG_H

#include <stdatomic.h>

#include "lib/base/base.h"

struct native_thread;

/* A policy with this timeout is in force: starts the thread if it does not run. */
void watchdog_note_timeout(uint32_t timeout_ms);
/* It sleeps until woken when no call with a timeout has been seen for a while. */
extern _Atomic uint32_t watchdog_asleep;
void watchdog_wake(void);

/* Ends the innermost call of t soon, whatever its timeout; another thread of the program. It comes back as
 * NATIVE_TIMED_OUT. The caller knows that t is in a call, and looks again afterwards: see
 * watchdog_forgive(). */
void watchdog_abandon(struct native_thread *t);
/* It had just ended. */
void watchdog_forgive(struct native_thread *t);

#endif
