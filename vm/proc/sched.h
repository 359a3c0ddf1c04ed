/* sched.h - scheduler threads, run queues, and the process table.
 *
 * N scheduler threads with a run queue per priority each, stealing when empty, spinning briefly
 * and then asleep on a futex; a pool of dirty CPU and a pool of dirty I/O threads.
 */
#ifndef VM_SCHED_H
#define VM_SCHED_H

#include "vm/proc/proc.h"

enum { SCHED_X_REGISTERS = 1024, SCHED_FP_REGISTERS = 1024 };
enum sched_kind { SCHED_NORMAL, SCHED_DIRTY_CPU, SCHED_DIRTY_IO };

struct sched {
    term x[SCHED_X_REGISTERS];
    double f[SCHED_FP_REGISTERS];
    struct proc *current;     /* NULL between processes */
    unsigned index;           /* 1-based, as erlang:system_info(scheduler_id) */
    enum sched_kind kind;
    struct sched_private *private; /* run queue, wheel, sleep state: sched.c */
};
/* The scheduler of this thread, NULL on others. */
struct sched *sched_self(void);

/* What running a process came to. vm/emu/interp.c: RUN_* are told to the scheduler. */
enum run_result { RUN_YIELDED, RUN_WAITING, RUN_EXITED, RUN_TO_DIRTY_CPU, RUN_TO_DIRTY_IO, RUN_TO_NORMAL, RUN_PENDING };
enum run_result interp_run(struct sched *s, struct proc *p);

struct sched_options { unsigned n_schedulers, n_dirty_cpu, n_dirty_io; };
/* Starts the threads; they run until sched_stop. */
bool sched_start(const struct sched_options *o) MUST_CHECK;
void sched_stop(void);
unsigned sched_count(void);
unsigned sched_count_dirty(enum sched_kind kind);

/* ---- processes ---- */
struct spawn_options {
    bool link, monitor;
    enum monitor_alias_option { SPAWN_NO_ALIAS, SPAWN_ALIAS_EXPLICIT, SPAWN_ALIAS_DEMONITOR, SPAWN_ALIAS_REPLY } alias;
    term monitor_tag;             /* TERM_NONE: 'DOWN' */
    enum proc_priority priority;
    size_t min_heap_words, min_vheap_words, max_heap_words; /* 0: default */
    int fullsweep_after;          /* -1: default */
    bool off_heap_messages, max_heap_kill, max_heap_log;
};
extern const struct spawn_options spawn_defaults;
/* New process that applies m:f(args), args a proper list. Its pid; *out_ref the monitor reference if
 * asked for. TERM_NONE: no memory or table full (raise system_limit). parent may be NULL. */
term proc_spawn(struct proc *parent, term m, term f, term args, const struct spawn_options *o, term *out_ref) MUST_CHECK;
term proc_spawn_fun(struct proc *parent, term fun, term args, const struct spawn_options *o, term *out_ref) MUST_CHECK;

/* Ends p: p->exc is the reason. Called by the thread that runs it, after RUN_EXITED. */
void proc_exit(struct proc *p);
/* Makes a parked process runnable; any thread, by pid: a dead one is ignored. */
void proc_wake(term pid);
bool proc_alive(term pid);
size_t proc_count(void);
size_t proc_limit(void);
/* Pids of all processes as a list on h. */
term proc_all_pids(struct heap *h);

/* Process exit observer: the main program waits for its process here. Blocks this (non-scheduler) thread. */
struct proc_result; /* class, reason, value as text: see sched.c */

/* ---- registered names: registry.c; any thread ---- */
bool registry_register(term name, term pid);   /* false: taken, or pid dead or already named */
bool registry_unregister(term name);
term registry_whereis(term name);               /* pid or port, or TERM_NONE */
term registry_names(struct heap *h);

/* ---- timers: timer.c ---- */
void timer_set_receive(struct proc *p, uint64_t timeout_ms);
void timer_cancel_receive(struct proc *p);

/* ---- time: lib/base/clock.h has the raw clocks ---- */

#endif
