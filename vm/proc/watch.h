/* watch.h - for the main program: waiting until a process has ended, or until somebody stops the program. */
#ifndef VM_WATCH_H
#define VM_WATCH_H

#include "vm/proc/proc.h"

/* How one process ended, kept when that is over. */
struct proc_watch {
    term pid;
    enum exc_class class;
    bool normal;         /* ended with exit reason normal (or returned) */
    struct heap heap;    /* heap_init_frags: holds the two terms; heap_destroy when done */
    term reason;         /* as raised: without stack trace */
    term stacktrace;     /* list, or [] */
    bool ended;          /* guarded by watch.c's mutex */
};
/* Spawns m:f(args) and blocks this (non-scheduler) thread until it ends. false: could not spawn. */
bool proc_run_watched(struct proc_watch *w, term m, term f, term args) MUST_CHECK;
/* Same in two steps; *w stays where it is until the second has returned. */
bool proc_watch_spawn(struct proc_watch *w, term m, term f, term args) MUST_CHECK;
void proc_watch_wait(struct proc_watch *w);

/* erlang:halt, by any thread: asks the main thread to stop the program. proc_watch_wait() returns then, though the process
 * may be alive: ask sched_halting(), which is true from then on. */
struct halt_request { bool halting, abort, flush; int status; char slogan[256]; };
void sched_halt(const struct halt_request *r);
bool sched_halting(struct halt_request *out);

#endif
