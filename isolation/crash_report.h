/* crash_report.h - a few lines on stderr about a native call that did not come back.
 *
 * Put together in memory and written with one write(2): no stdio, whose locks a library may have
 * died holding. During a storm of crashes only some are described; the next one that is says how
 * many were not.
 */
#ifndef ISOLATION_CRASH_REPORT_H
#define ISOLATION_CRASH_REPORT_H

#include <signal.h>
#include <ucontext.h>

#include "isolation/executor.h"

/* May this crash be described? At most a few a second. */
bool crash_report_allowed(struct native_library *lib);
void crash_report(const struct native_call *call, const struct native_outcome *o);
void crash_report_line(const char *text);
/* The VM's own fault; signal-safe. si and uc may be NULL. */
void crash_report_fatal(const char *what, const siginfo_t *si, const ucontext_t *uc);
/* What lies at an address. */
enum crash_place crash_place_of(uintptr_t address, const struct native_call *call);
/* How a calling process is written: set by the VM. caller: as in the environment. */
extern size_t (*crash_report_caller)(const void *caller, char *out, size_t room);
/* false silences reports of crashes, not of the VM's own faults. */
extern bool crash_report_enabled;

#endif
