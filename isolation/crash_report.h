/* crash_report.h - a few lines about a native call that did not come back.
 *
 *   crash ─► text in memory ─► crash_report_hand_over(): an event for `logger`, whose handlers write it
 *                    │             │ there is no logger, or it is behind
 *                    │             └─► standard error, by one write(2): no stdio, whose locks a
 *                    │                 library may have died holding
 *                    └─ kept until crash_report_written(); should the VM end before that, it is written then
 *
 * During a storm of crashes only some are described; the next one that is says how many were not.
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
/* Gives a report to whoever may show it: set by the VM. slot: for crash_report_written(), once, when somebody has. May
 * be called on any thread, with locks held. false: nobody took it. */
struct crash_report {
    const struct native_call *call;
    const struct native_outcome *outcome;
    const char *text; /* some lines, each with its newline */
    size_t bytes;
    uint64_t missed; /* crashes of the library before this one that were not described */
    unsigned slot;
};
extern bool (*crash_report_hand_over)(const struct crash_report *report);
void crash_report_written(unsigned slot);
/* Writes what was handed over and not shown, to standard error: the VM ends. Signal-safe. */
void crash_report_flush(void);
/* "the NULL page" */
const char *crash_place_text(enum crash_place p);
/* How a calling process is written: set by the VM. caller: as in the environment. */
extern size_t (*crash_report_caller)(const void *caller, char *out, size_t room);
/* false silences reports of crashes, not of the VM's own faults. */
extern bool crash_report_enabled;

#endif
