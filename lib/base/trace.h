/* trace.h - one stream of events: what the VM did, when, on which thread.
 *
 *   trace_spawn(...) --mask--> trace_emit() -> ring of bytes -> text on a descriptor
 *                                                           \-> Chrome trace format (Perfetto)
 * Off, an event costs one predictable branch. lib/base knows no terms: a subject is a word (a pid)
 * and texts are made by the printer that the VM registers.
 */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H

#include "lib/base/base.h"

enum trace_kind {
    TRACE_SPAWN,    /* subject: new process  a: parent */
    TRACE_EXIT,     /* subject: process      a: reason */
    TRACE_SCHEDULE, /* a span: subject runs on this thread */
    TRACE_GC,       /* a span: subject; a: words before, b: words after */
    TRACE_NATIVE,   /* a span: native call; text: function, b: outcome */
    TRACE_LOAD,     /* text: module or library */
    TRACE_WORKER,   /* a worker process started or ended; text: which, and how */
    TRACE_KIND_COUNT,
};
enum trace_phase { TRACE_POINT, TRACE_BEGIN, TRACE_END };

struct trace_event {
    enum trace_kind kind;
    enum trace_phase phase;
    uint64_t subject, a, b;
    const char *text; /* copied at once; may be NULL */
};

extern unsigned trace_mask; /* bit per kind; set before threads start */
void trace_emit(const struct trace_event *e);

/* Turns a word (subject, or a of spawn and exit) into text. Called on the emitting thread. */
typedef size_t (*trace_printer)(uint64_t word, char *out, size_t room);
void trace_set_printer(trace_printer p);

/* SPEC: EVENTS[:FILE], EVENTS a comma list of spawn,exit,schedule,gc,native,load,worker or `all`; FILE
 * ending in .json gets Chrome's format, no FILE: text on stderr. false: *error says why. */
bool trace_open(const char *spec, const char **error) MUST_CHECK;
/* Writes what is buffered and closes the file. 0, or errno: events were lost. Safe to call twice. */
int trace_close(void);
/* Events seen of a kind since the start (counted only while its bit is set). */
uint64_t trace_count(enum trace_kind kind);

static inline bool trace_on(enum trace_kind kind)
{
    return __builtin_expect(trace_mask != 0, 0) && (trace_mask >> kind & 1) != 0;
}
static inline void trace_spawn(uint64_t pid, uint64_t parent)
{
    if (trace_on(TRACE_SPAWN)) {
        trace_emit(&(struct trace_event) { TRACE_SPAWN, TRACE_POINT, pid, parent, 0, NULL });
    }
}
static inline void trace_exit(uint64_t pid, uint64_t reason)
{
    if (trace_on(TRACE_EXIT)) {
        trace_emit(&(struct trace_event) { TRACE_EXIT, TRACE_POINT, pid, reason, 0, NULL });
    }
}
static inline void trace_schedule_in(uint64_t pid)
{
    if (trace_on(TRACE_SCHEDULE)) {
        trace_emit(&(struct trace_event) { TRACE_SCHEDULE, TRACE_BEGIN, pid, 0, 0, NULL });
    }
}
static inline void trace_schedule_out(uint64_t pid)
{
    if (trace_on(TRACE_SCHEDULE)) {
        trace_emit(&(struct trace_event) { TRACE_SCHEDULE, TRACE_END, pid, 0, 0, NULL });
    }
}
static inline void trace_gc_begin(uint64_t pid, uint64_t words)
{
    if (trace_on(TRACE_GC)) {
        trace_emit(&(struct trace_event) { TRACE_GC, TRACE_BEGIN, pid, words, 0, NULL });
    }
}
static inline void trace_gc_end(uint64_t pid, uint64_t words)
{
    if (trace_on(TRACE_GC)) {
        trace_emit(&(struct trace_event) { TRACE_GC, TRACE_END, pid, words, 0, NULL });
    }
}

#endif
