/* sched.h - scheduler threads and run queues; how processes begin, run and end.
 *
 * N scheduler threads with a run queue per priority each, stealing when empty, spinning briefly
 * and then asleep on a futex; a pool of dirty CPU and a pool of dirty I/O threads.
 */
#ifndef VM_SCHED_H
#define VM_SCHED_H

#include "vm/proc/proc.h"

enum { SCHED_X_REGISTERS = 1024, SCHED_FP_REGISTERS = 1024, SCHED_MAX = 256 /* of each kind */,
    REF_INDEX_BITS = 10 };
enum sched_kind { SCHED_NORMAL, SCHED_DIRTY_CPU, SCHED_DIRTY_IO };

struct sched {
    term x[SCHED_X_REGISTERS];
    double f[SCHED_FP_REGISTERS];
    struct proc *current;     /* NULL between processes */
    unsigned index;           /* 1-based, as erlang:system_info(scheduler_id) */
    enum sched_kind kind;
    uint16_t ref_index;       /* who counts references, ref.c: 1.. , normal schedulers: index */
    struct sched_private *private; /* run queue, wheel, sleep state: sched.c */
    void *reserved;           /* what the hook got for its thread */
};
/* The scheduler of this thread, NULL on others. */
struct sched *sched_self(void);

/* What running a process came to. vm/emu/interp.c: RUN_* are told to the scheduler. */
enum run_result { RUN_YIELDED, RUN_WAITING, RUN_EXITED, RUN_TO_DIRTY_CPU, RUN_TO_DIRTY_IO, RUN_TO_NORMAL };
enum run_result interp_run(struct sched *s, struct proc *p);

/* What the interpreter offers (vm/emu): the code a new process starts in, with x0 = module,
 * x1 = function, x2 = argument list; and the stack of p as [{M,F,A,Loc}], on h. */
const uint64_t *interp_start_code(void);
term interp_stacktrace(struct proc *p, struct heap *h, size_t max_depth);
struct text;
void interp_write_backtrace(const struct proc *p, struct text *out); /* with what is on the stack */
/* A full collection of p between two slices. false: p must exit, p->exc is the reason. */
bool interp_collect_between_slices(struct proc *p) MUST_CHECK;
/* A stack trace as erlang:raise/3 accepts it, cut to the depth kept. TERM_NONE: t is none. */
term interp_check_stacktrace(struct proc *p, term t);

/* For every scheduler and dirty thread (isolation: alternate stacks). Set before sched_start. */
struct sched_thread_hooks {
    void *(*reserve)(void);      /* before the thread is made: what it needs to start. NULL: there is no memory for it */
    void (*unreserve)(void *reserved); /* the thread could not be made */
    void (*start)(struct sched *s); /* on the thread, as it starts */
    void (*stop)(struct sched *s);  /* and ends */
};
extern struct sched_thread_hooks sched_thread_hooks;

struct sched_options { unsigned n_schedulers, n_dirty_cpu, n_dirty_io; };
/* Starts the threads; they run until sched_stop. */
bool sched_start(const struct sched_options *o) MUST_CHECK;
void sched_stop(void);
/* Wakes scheduler index (from 0) if it sleeps: its timers changed. */
void sched_poke(unsigned index);
unsigned sched_count(void);
/* schedulers_online: threads from n on run nothing. 1 .. sched_count(); the former number. */
unsigned sched_online(void);
unsigned sched_set_online(unsigned n);
size_t sched_queue_length(unsigned index); /* of scheduler index, from 0 */
uint64_t sched_reductions(void);           /* of all schedulers, up to their last switch */
uint64_t sched_switches(void);
int64_t vm_start_ns(void);                 /* monotonic time of sched_start */
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
/* Makes a process that waits for signals runnable; any thread, by pid: a dead one is ignored. */
void proc_wake(term pid);
/* A process that runs waits for something outside, as its thread would if it were idle: if there is nothing else for the
 * thread to do, calls sleep(arg, word, value, ns) once, which sleeps while *word == value, ns at most;
 * whoever has work for the thread changes the word and wakes the futex. false: there is work. */
bool sched_linger(void (*sleep)(void *arg, _Atomic uint32_t *word, uint32_t value, int64_t ns), void *arg, int64_t max_ns);
/* A process was sent a signal that it should see soon: those that linger look. */
void sched_signalled(void);
/* Group leader of processes without parent from now on (TERM_NONE: each its own). At start. */
void proc_set_default_leader(term pid);
/* As proc_spawn; the new process does not run before proc_start. Until then its fields may be set
 * (is_system: not in processes()). */
struct proc *proc_new(struct proc *parent, term m, term f, term args, const struct spawn_options *o) MUST_CHECK;
void proc_start(struct proc *p);
bool proc_alive(term pid);
size_t proc_count(void);
size_t proc_limit(void);
/* Pids of all processes as a list on h. */
term proc_all_pids(struct heap *h);

#endif
