/* executor.h - how a native function is called: one interface, one file per isolation mode.
 *
 *   vm/emu/native.c ── struct native_call ──► library->ops->call() ──► the library's code
 *                   ◄─ struct native_outcome ─┘
 *   outcome.c: outcome ──► term | exception | exit reason        (no mode builds reasons itself)
 *
 * To add a mode: write exec_<mode>.c with a struct executor_ops, and name it in the table in
 * executor.c. Nothing tests a mode's name; whoever must know asks for capabilities.
 *
 * Thread: call() runs on the thread of the calling process and may be entered by many at once.
 */
#ifndef ISOLATION_EXECUTOR_H
#define ISOLATION_EXECUTOR_H

#include "isolation/library.h"
#include "isolation/unwind.h"
#include "vm/core/atom.h"
#include "vm/core/heap.h"

struct enif_environment_t;
struct nif_func;

/* What is called in a library. */
enum native_entry {
    NATIVE_FUNCTION, /* a NIF: env, argc, argv */
    NATIVE_CALLBACK, /* load, upgrade, unload, destructor, stop, down, nif_init, dlopen */
    NATIVE_THREAD,   /* a thread that the library made */
};

struct native_call {
    struct native_library *library;
    const void *code;       /* what runs: a C function of up to three word arguments */
    uintptr_t arg[3];       /* as it takes them; NATIVE_FUNCTION: env, arity, terms */
    enum native_entry entry;
    const struct nif_func *func;    /* NATIVE_FUNCTION: its names; else NULL */
    const char *name;               /* of a callback or thread; else NULL */
    struct enif_environment_t *env; /* may be NULL. Knows the calling process. */
};

struct remote_lane;
/* What an executor knows of a call between its steps: first member of its own record. */
struct native_progress {
    /* The caller is gone: frees it. Who must get the caller's heap when that is freed; NULL: nobody reads it. */
    struct heap_keeper *(*cancel)(struct native_progress *p);
    struct native_library *library;
    const struct nif_func *held; /* the caller's, with a reference to its library; NULL: its code keeps that */
};
/* A call that runs elsewhere (EXEC_CAP_ASYNC): what the executor needs instead of an environment. */
struct native_call_elsewhere {
    struct native_library *library;
    const struct nif_func *func; /* NULL: a library is opened */
    void *caller;                /* as enif_environment_t.caller */
    term pid;                    /* of the caller */
    struct heap *heap;           /* its heap: results and reasons are built there */
    struct native_progress **progress; /* the executor's own record of the call; NULL before and after it */
    uint32_t library_id, function; /* function: index in its library */
    const term *args;            /* call: as many as func->arity; valid until the call ends */
    term request;                /* call_many: [[Arg]]; open: see isolation/worker/worker_library.c */
    uint32_t failed;             /* out, call_many: which of them raised or crashed, from 0; UINT32_MAX: not known */
    /* The executor's own. */
    enum channel_status (*send)(struct remote_lane *lane, struct native_call_elsewhere *call);
    bool plain_result;
};

enum native_status {
    NATIVE_RETURNED,    /* value */
    NATIVE_RAISED,      /* the environment's exception: filled in from the environment */
    NATIVE_RESCHEDULED, /* enif_schedule_nif: what to call is in the environment */
    NATIVE_PENDING,     /* runs elsewhere; executor_wake(pid) says when to come again */
    NATIVE_PANICKED,    /* {nif_panic, Reason, StackTrace} */
    NATIVE_SIGNALLED,   /* {nif_signal, number} */
    NATIVE_TIMED_OUT,   /* {nif_timeout, number} in ms */
    NATIVE_LIMIT,       /* {nif_limit, text as an atom} */
    NATIVE_EXITED,      /* {nif_exit, number} */
    NATIVE_POLICY,      /* the policy forbids the call: {nif_policy, text as an atom} */
};

/* Why a library gave up, or was made to. */
enum native_panic {
    PANIC_TEXT,           /* nif_panic(), failed assertion: text is the reason, a binary */
    PANIC_STACK_OVERFLOW, /* stack_overflow */
    PANIC_MISSING_API,    /* {missing_api, text as an atom} */
    PANIC_BAD_TERM,       /* {bad_term, text}: the API function that was given no term */
    PANIC_BAD_HANDLE,     /* {bad_handle, text} */
    PANIC_CXX_EXCEPTION,  /* {cxx_exception, text: type, detail: what()} */
    PANIC_RUST,           /* {rust_panic, text} */
    PANIC_FOREIGN,        /* {foreign_exception, text: its class} */
    PANIC_THREAD_EXIT,    /* thread_exit: pthread_exit() or cancellation of a scheduler's thread */
    PANIC_PROTOCOL,       /* protocol_violation: the other side of a channel does not keep to it */
    PANIC_HEAP,           /* heap_corrupted */
    PANIC_COUNT
};

enum { NATIVE_TEXT_MAX = 512, NATIVE_DETAIL_MAX = 512 };

struct native_outcome {
    enum native_status status;
    uintptr_t value; /* NATIVE_RETURNED */
    int64_t number;  /* signal, milliseconds, exit status */
    struct native_crash *crash; /* PANICKED ... EXITED: owned; see below. NULL: no details */
};

/* The details of a call that did not return. */
struct native_crash {
    enum native_panic panic;
    char text[NATIVE_TEXT_MAX], detail[NATIVE_DETAIL_MAX]; /* NUL-terminated */
    int signal, code;     /* si_code; 0 if no signal */
    uintptr_t address;    /* that it could not touch */
    uintptr_t pc, sp;
    bool is_write, has_address;
    bool is_refusal; /* no crash: the library was not called */
    enum crash_place { PLACE_NONE, PLACE_NULL_PAGE, PLACE_STACK_GUARD, PLACE_STACK, PLACE_LIBRARY,
        PLACE_TERMS, PLACE_LITERALS, PLACE_VM, PLACE_NATIVE_HEAP, PLACE_NON_CANONICAL, PLACE_MAPPED,
        PLACE_UNMAPPED, PLACE_COUNT } place;
    struct unwind_trace trace;
    /* Of a call in another OS process instead of `trace`: */
    char *frames;    /* owned: as reports show them */
    term trace_term; /* as the exit reason has it, on the caller's heap; valid right after the call */
};
void native_outcome_clear(struct native_outcome *o); /* frees the details */
/* A call that ends here, by our decision. Text: as the exit reason shows it. */
void native_outcome_panic(struct native_outcome *out, enum native_panic panic, const char *text);
void native_outcome_limit(struct native_outcome *out, const char *text);
void native_outcome_refused(struct native_outcome *out, const char *text); /* a limit, too, before the library was called */

enum executor_caps {
    EXEC_CAP_SURVIVES_CRASH = 1, /* a crash of the library ends the call, not the VM */
    EXEC_CAP_TIMEOUT = 2,        /* an endless call ends */
    EXEC_CAP_KILLABLE = 4,       /* a call ends when its process is killed */
    EXEC_CAP_ASYNC = 8,          /* call() answers NATIVE_PENDING */
    EXEC_CAP_PROTECTS_MEMORY = 16, /* the library cannot write the VM's memory */
    EXEC_CAP_LOCAL = 32,         /* runs in this OS process: resources are plain pointers */
    EXEC_CAP_PLAIN_STACK = 64,   /* a call is a switch to a guarded stack: quick.h may make it in place of call() */
};

struct executor_ops {
    const char *name; /* as in policies */
    const char *summary; /* one line for `bulkhead info` */
    unsigned caps;
    /* Runs the call, or starts it. Never NATIVE_RAISED or _RESCHEDULED for EXEC_CAP_LOCAL modes:
     * native_outcome_settle() finds those in the environment. */
    void (*call)(struct native_call *call, struct native_outcome *out);

    /* EXEC_CAP_ASYNC instead, all on the thread that runs the caller. call_brief (may be NULL) is tried first: a call that is
     * over at once, with the result for h; TERM_NONE: call_elsewhere() is to be called, and if *progress is not NULL then to go
     * on with that. pre: *progress == NULL. The others are each entered with the same
     * call again and again, whenever the caller is woken, until it answers other than NATIVE_PENDING;
     * NATIVE_RAISED: value is the reason. */
    term (*call_brief)(const struct nif_func *f, const term *args, term pid, struct heap *h, struct native_progress **progress);
    void (*call_elsewhere)(struct native_call_elsewhere *call, struct native_outcome *out);
    void (*call_many)(struct native_call_elsewhere *call, struct native_outcome *out);
    void (*open)(struct native_call_elsewhere *call, struct native_outcome *out);
    void (*close)(struct native_library *library, uint32_t library_id); /* that version is unloaded */
    const struct remote_mode *remote;               /* of the modes with workers; else NULL */
};

/* What async executors need of the scheduler; set before the first call. wake: makes the process run; any
 * thread. linger: calls sleep(arg, word, value, ns) at most once, to sleep while *word == value, if this
 * thread has nothing else to run; false: it has. */
typedef void (*executor_sleep_fn)(void *arg, _Atomic uint32_t *word, uint32_t value, int64_t ns);
extern void (*executor_wake)(term pid);
extern bool (*executor_linger)(executor_sleep_fn sleep, void *arg, int64_t max_ns);

extern const struct executor_ops exec_direct, exec_in_process, exec_ipc, exec_hybrid, exec_shared_heap;
extern const struct executor_ops *const executor_table[]; /* the first is the default */
extern const size_t executor_count;
const struct executor_ops *executor_default(void);
/* Name of what is called, for reports. */
const char *native_call_name(const struct native_call *call);

/* After call() or finish(): counts, reports and traces what happened. Cheap for NATIVE_RETURNED. */
void native_outcome_account(struct native_call *call, struct native_outcome *o);
/* In a worker: takes over what native_outcome_account() would count and report. NULL: this is the VM. */
extern void (*native_outcome_elsewhere)(const struct native_call *call, const struct native_outcome *o);


/* The reason of a call that did not return, on h: {nif_signal,11} and so on.
 * pre: status is PANICKED or later. */
term native_outcome_reason(const struct native_outcome *o, struct heap *h);
/* The same as text, for reports. Returns bytes written, no NUL counted. */
size_t native_outcome_text(const struct native_outcome *o, char *out, size_t room);

#endif
