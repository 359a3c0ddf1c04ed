/* proc.h - a process: heap, registers while it waits, exception, and its way in and out of C code.
 *
 * Thread: only the thread that runs a process touches its fields; exceptions are marked
 * "any thread". Everything else reaches it as a signal (signal.h).
 */
#ifndef VM_PROC_H
#define VM_PROC_H

#include <stdatomic.h>

#include "vm/core/atom.h"
#include "vm/core/heap.h"

struct sched;   /* sched.h: the scheduler thread that runs it */
struct export;  /* core/fun.h */
struct message; /* signal.h */

enum { PROC_INLINE_ARGS = 6, PROC_SLICE_REDUCTIONS = 4000, PROC_MAX_ARITY = 255 };

enum proc_priority { PRIORITY_MAX, PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW, PRIORITY_COUNT };

enum exc_class { EXC_ERROR, EXC_EXIT, EXC_THROW };

/* What a C function that returned TERM_NONE wants of the interpreter. */
enum proc_control {
    CONTROL_NONE,
    CONTROL_RAISE,      /* p->exc holds it */
    CONTROL_TRAP,       /* call p->trap with p->args[0 .. arity) instead; its value is ours */
    CONTROL_RETRY,      /* end the slice, then call the same function with the same arguments */
    CONTROL_WAIT,       /* park until a signal arrives, then call again with the same arguments */
    CONTROL_YIELD,      /* end the slice, then go on with p->value as the result */
    CONTROL_HIBERNATE,  /* collect, park without stack; then call p->trap */
    CONTROL_DIRTY_CPU,  /* call the same function with the same arguments on a dirty scheduler */
    CONTROL_DIRTY_IO,
    CONTROL_EXIT,       /* p->exc is the reason: the process ends here, nothing catches it (a native crash) */
};

struct exception {
    enum exc_class class;
    term reason;
    term stacktrace; /* internal or finished form, see emu/exception.c; TERM_NIL: not yet taken */
    term error_info; /* map for the error_info of the top frame, or TERM_NONE for the default */
    term args;       /* list: shown instead of the arity of the top frame (error/2); {Function, List}: shown in place of the
                      * BIF, which on OTP calls that function of module erlang; TERM_NONE */
    term outer;      /* a function of module erlang that called what failed: its frame follows the top one; TERM_NONE */
    uint8_t outer_arity;
    bool has_stacktrace; /* erlang:raise/3, native panics: keep `stacktrace` as it is */
    bool from_caller;    /* error/1, exit/1 ...: the trace starts with who called the BIF */
};

struct proc {
    struct heap heap;

    /* Where it goes on, and the live X registers while it does not run. */
    const uint64_t *pc;
    term *args;      /* args_inline, or owned vm_alloc when more are live */
    uint16_t n_args; /* live ones: roots of collections */
    uint16_t args_capacity;
    term args_inline[PROC_INLINE_ARGS];
    int32_t reductions_left; /* of this slice; the interpreter keeps it in a register while it runs */
    uint32_t n_catches;      /* catch tags on the stack */
    uint64_t reductions;     /* of earlier slices */

    enum proc_control control;
    struct exception exc;
    struct export *trap;
    term value;

    term id;
    term group_leader;
    term parent;            /* pid, or atom undefined */
    struct dict *dict;      /* owned: process dictionary, dict.h; NULL: empty. Its dict_roots() are roots. */
    struct { term module, function; uint32_t arity; } initial_call;
    const uint64_t *current_function; /* entry of the function it runs or waits in, for process_info */

    /* Signals and messages; see signal.h. Kept by vm/proc. */
    struct message *msg_first, **msg_last, **msg_save; /* save: next one the receive looks at */
    struct msgq_marks *marks; /* receive marks; NULL: none set so far */
    struct msgq_pins *pins;   /* values of queued messages that had to move to the heap; NULL: none so far */
    size_t n_messages;
    size_t queued_words; /* in the fragments of these messages: msgq_words() */
    struct proc_links *links; /* links, monitors, aliases, own timers; NULL: none */

    struct proc_shared *shared; /* its place in the process table: any thread (proc_table.h) */
    struct timer *receive_timer; /* owned; NULL: never had one */
    struct proc *run_next;       /* in a run queue */
    struct literal_round *literal_round; /* it was asked which literals it refers to, see literals.h; NULL: no */
    struct proc_rare *rare;      /* owned: what few processes have, see proc_rare(); NULL: defaults */
    uint64_t ask_id;             /* a question to another process is out, see proc_ask(); 0: none */
    struct message *ask_reply;   /* owned: its answer */
    uint8_t priority;            /* enum proc_priority */
    uint8_t run_kind;            /* enum sched_kind: where it wants to run */
    bool trap_exit, off_heap_messages, timed_out, exiting, is_system, suspended;
    bool receive_waits;    /* a receive ... after has begun to wait */
    void *native;          /* struct pending_call of emu/native.c: a rescheduled call */
    struct native_progress *elsewhere; /* a call that runs in another OS process; NULL: none */
    struct heap_keeper *heap_keeper;   /* it ended while such a call read its heap; NULL: nobody does */
};

/* ---- ways out of a C function; all return TERM_NONE ---- */
term proc_raise(struct proc *p, enum exc_class class, term reason);
static inline term proc_badarg(struct proc *p)
{
    return proc_raise(p, EXC_ERROR, ATOM(badarg));
}
term proc_system_limit(struct proc *p);
/* The most frames a trace has, at least 1: erlang:system_flag(backtrace_depth, N). Setting answers with what was set
 * before, which may be 0. Any thread. */
enum { PROC_BACKTRACE_MAX = 64 };
size_t proc_backtrace_depth(void);
size_t proc_set_backtrace_depth(size_t depth);
/* error(Reason) with error_info #{cause => Cause} as OTP's BIFs give it */
term proc_raise_cause(struct proc *p, term reason, term cause);
term proc_trap(struct proc *p, struct export *target, const term *args, size_t n_args);
term proc_retry(struct proc *p);
term proc_wait(struct proc *p);
term proc_yield(struct proc *p, term value);

/* Counts reductions of work done in C; the slice ends at the next safe point when they are used up. */
static inline void proc_bump(struct proc *p, size_t reductions)
{
    p->reductions_left = reductions > (size_t) p->reductions_left ? 0 : p->reductions_left - (int32_t) reductions;
}
static inline bool proc_out_of_reductions(const struct proc *p)
{
    return p->reductions_left <= 0;
}

/* ---- a question to another process (process_info, suspend ...): from a BIF, which is called again
 * until the answer is there.
 *
 *     if (!proc_ask_pending(p)) { proc_ask(p, pid, fn, arg); }
 *     if (!proc_ask_done(p, &answer)) { return proc_wait(p); }
 *
 * fn runs on the target's thread (or with target NULL if that is gone) and answers with
 * signal_reply(). ---- */
typedef void (*signal_request_fn)(struct proc *target, void *arg);
struct ask { /* first member of the argument of such a request; vm_alloc'd; fn frees it */
    term from;
    uint64_t id;
};
static inline bool proc_ask_pending(const struct proc *p)
{
    return p->ask_id != 0;
}
void proc_ask(struct proc *p, term pid, signal_request_fn fn, struct ask *ask);
bool proc_ask_done(struct proc *p, term *out_answer); /* answer is on p's heap now */

/* What few processes need: made on first use. */
struct proc_rare {
    term error_handler;     /* atom */
    term sequential_trace_token;
    uint32_t suspend_count; /* times somebody suspended it */
    bool sensitive, max_heap_kill, max_heap_log;
    int32_t save_calls;
    struct suspend_ask *suspend_asks; /* owned: who waits to hear that it stands still */
    struct proc_watch *watch;         /* the main program waits for its end; watch.h */
    struct port *port;                /* owned: it is a port; port.h */
};
struct proc_rare *proc_rare(struct proc *p);
/* suspend_process: p suspends pid (once more), and asks to hear when it stands still. */
void proc_suspend(struct proc *p, term pid, bool async);
bool proc_is_suspending(const struct proc *p, term pid);
/* resume_process: false if p has not suspended pid. */
bool proc_unsuspend(struct proc *p, term pid);
void proc_resume(struct proc *p, term pid, uint32_t times);
term proc_registered_name(const struct proc *p); /* atom, or TERM_NONE */

/* Ask for a collection at the next safe point: the interpreter sees heap.force_gc. */
static inline void proc_request_gc(struct proc *p, bool full)
{
    p->heap.force_gc = true;
    if (full) {
        p->heap.n_minor = p->heap.fullsweep_after;
    }
}

/* Called on p's own thread when it ends, without locks; proc_alive(p->id) is already false, links and
 * monitors hear of it after that: owned tables, monitors of NIFs. Register before schedulers run. */
void proc_on_exit_hook(void (*fn)(struct proc *p));

/* Room for n live registers in p->args. */
void proc_reserve_args(struct proc *p, size_t n);

#endif
