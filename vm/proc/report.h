/* report.h - errors that ended processes, on their way to the logger. */
#ifndef VM_REPORT_H
#define VM_REPORT_H

#include "vm/core/term.h"

/* Sends the logger a tuple that it knows (lib/erl/logger.erl); any thread. false: it cannot be told now. */
bool report_send(term report) MUST_CHECK;
/* Text without a newline at its end as an event of level error, warning...; any thread. */
void report_text(term level, const char *text, size_t n);
void report_done(void);             /* the logger has written one */
void report_wait(int64_t max_ns);   /* until it has written all it was sent; not on a scheduler */

#endif
