/* thread.h - the record of a thread that runs native code: what the signal handler, the watchdog and
 * the interposed functions look at.
 *
 *   native_self (TLS) ─► native_thread ─► frame[0]  outermost native call in progress
 *                          │              frame[1]  a callback inside it (destructor ...)
 *                          ├─ alternate signal stack (64 KiB + guard)
 *                          ├─ ready: the stack of the outermost call, if that is a plain one (quick.h)
 *                          └─ free stacks for other calls
 *
 * Thread: its own, but for the fields marked "watchdog", which are atomic. A record is reused by a
 * later thread when its thread ends, never freed.
 */
#ifndef ISOLATION_THREAD_H
#define ISOLATION_THREAD_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "isolation/executor.h"
#include "isolation/stack_pool.h"
#include "nif/nif_guard.h"

enum { NATIVE_MAX_DEPTH = 16 };

/* One protected call in progress. The first field is known to the trampoline. */
struct native_frame {
    void *host_sp;   /* where the VM's stack was left */
    struct native_call *call;
    struct native_stack *stack;
    /* For the watchdog: number of the call on this thread, 0: it has no timeout, ignore the rest. */
    _Atomic uint64_t seq;
    _Atomic uint32_t timeout_ms;
    struct native_library *_Atomic library;
};
_Static_assert(offsetof(struct native_frame, host_sp) == 0, "known to the trampoline");

enum native_dirt {
    DIRT_MASK = 1,   /* the call changed the signal mask */
    DIRT_FORKED = 2, /* this is a child that the library forked: it must not return */
    DIRT_ABANDONED = 4, /* it did not return */
};

struct native_thread {
    struct native_stack *stacks;  /* free ones */
    struct native_stack *ready;   /* of native_ready_bytes; NULL: none yet. In use whenever a plain call is outermost */
    uint64_t seq;                 /* calls with a timeout begun */
    _Atomic uint64_t overdue_seq; /* watchdog: the call to be abandoned, 0: none */
    _Atomic uint64_t trapped_seq; /* watchdog: the call whose library it made non-executable, 0: none */
    _Atomic uint32_t held;        /* watchdog: the handler waits for that, ask no more */
    _Atomic uint32_t excused;     /* watchdog: waits that somebody else's timeout caused */
    unsigned waits;               /* times an overdue call was found in this system call */
    uintptr_t waits_sp, waits_pc;
    unsigned index;
    struct library_counter counter;
    unsigned dirt;                /* enum native_dirt: looked at when a call returns */
    bool library_thread;          /* made by a library */
    struct native_library *maker; /* that library */
    struct native_frame frame[NATIVE_MAX_DEPTH];

    /* Filled in by the handler, or by native_leave(), when a call is abandoned. */
    ucontext_t stopped;  /* general registers at that point */
    siginfo_t info;
    struct native_outcome left; /* status and number; crash is made afterwards */
    enum native_panic panic;
    bool has_trace; /* trace was taken already: an exception that unwound the stack */
    struct unwind_trace trace;
    char text[NATIVE_TEXT_MAX], detail[NATIVE_DETAIL_MAX];

    pid_t tid;
    struct nif_guard *guard; /* nif_guard of the thread; watchdog */
    sigset_t mask;           /* what the VM wants blocked */
    void *alt_map;
    size_t alt_bytes;
    bool live; /* under the table's lock: of a thread, or reserved for one */
    struct native_thread *next;
    /* The watchdog's own: since when it has seen which call, at each depth. */
    struct {
        uint64_t seq;
        int64_t since_ns;
    } seen[NATIVE_MAX_DEPTH];
    uint64_t chased;                   /* the call it is trying to end, 0: none */
    unsigned tries;                    /* signals sent to it */
    uint32_t seen_excused;
    struct native_library *protects;   /* whose code is not executable on this call's account */
};

extern _Thread_local struct native_thread *native_self __attribute__((tls_model("local-exec")));
/* Size of native_self->ready; 0: there is none. */
extern _Thread_local size_t native_ready_bytes __attribute__((tls_model("local-exec")));

/* The record of this thread; made at its first use. Never NULL. */
struct native_thread *native_thread_attach(void);
static inline struct native_thread *native_thread_get(void)
{
    return __builtin_expect(native_self != NULL, 1) ? native_self : native_thread_attach();
}
void native_thread_detach(void);
/* A record for a thread that is about to be made, which then attaches with it: all that could fail has been done. NULL: no
 * memory. If the thread comes to nothing: native_thread_unreserve(). */
struct native_thread *native_thread_reserve(void) MUST_CHECK;
void native_thread_unreserve(struct native_thread *t);
struct native_thread *native_thread_attach_as(struct native_thread *reserved);

/* The watchdog reads it from its own thread, the signal handler on this one. One instruction: no address that the
 * compiler would keep across a call. */
static inline void native_set_depth(uint32_t depth)
{
    __asm__ volatile("movl %0, %%fs:nif_guard@tpoff+%c1" : : "ri"(depth), "i"(offsetof(struct nif_guard, depth)) : "memory");
}
/* Calls fn for each live record, with the table locked. */
void native_thread_each(void (*fn)(struct native_thread *t, void *arg), void *arg);

static inline struct native_frame *native_top(struct native_thread *t)
{
    return &t->frame[t->guard->depth - 1];
}

/* Abandons the innermost native call of this thread from ordinary code on its stack. Reason in
 * t->left, t->panic, t->text. pre: nif_guard.depth > 0. */
_Noreturn void native_leave(struct native_thread *t);
/* The same with all of the reason but the text, for what is no signal and has no trace of its own. */
_Noreturn void native_leave_as(struct native_thread *t, struct native_outcome left, enum native_panic panic);
_Noreturn void native_leave_signalled(struct native_thread *t, int signal_number);
/* Same, for signal handlers: rewrites *uc so that the handler returns to the abandon point. */
void native_leave_from_signal(struct native_thread *t, ucontext_t *uc);

/* Everything known about the call that this thread has just abandoned; frame is the one it was in. */
void native_describe_abandoned(struct native_thread *t, struct native_frame *frame, struct native_call *call,
    struct native_outcome *out);

/* Runs fn(arg) so that a fault in it does no more than end it: false. For code of ours that must look
 * at memory a library may have wrecked. */
bool native_try(void (*fn)(void *arg), void *arg);

/* trampoline_x86_64.S. Not C functions: native_switch() knows how they are called. native_enter_fp_safe is for
 * code that does not change FP control: see fp_scan.h. */
extern const char native_enter[], native_enter_fp_safe[];
extern const char native_enter_end[], native_abandon[];
_Noreturn void native_leave_saving(struct native_frame *f, greg_t *registers);

#ifdef __AVX512F__
#define NATIVE_MORE_REGISTERS , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", \
    "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define NATIVE_MORE_REGISTERS
#endif
#define NATIVE_REGISTERS                                                                                     \
    "rbx", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3",   \
    "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",    \
    "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)" NATIVE_MORE_REGISTERS

/* Calls code(arg[0..2]) on the stack that ends at stack_top, in frame f. What it returned; if t->dirt has
 * DIRT_ABANDONED, it did not. The registers a function must keep are all given up here: that costs one saving of
 * them in the caller's prologue, instead of one in each function on the way. Needs -mno-red-zone. */
ALWAYS_INLINE uintptr_t native_switch(struct native_frame *f, const void *code,
    const uintptr_t arg[3], const void *stack_top, bool looks_at_fp)
{
    uintptr_t a = arg[0], b = arg[1], c = arg[2];
    register struct native_frame *frame __asm__("r8") = f;
    if (looks_at_fp) {
        __asm__ volatile("call native_enter"
            : "+a"(code), "+D"(a), "+S"(b), "+d"(c), "+c"(stack_top), "+r"(frame) : : NATIVE_REGISTERS);
    } else {
        __asm__ volatile("call native_enter_fp_safe"
            : "+a"(code), "+D"(a), "+S"(b), "+d"(c), "+c"(stack_top), "+r"(frame) : : NATIVE_REGISTERS);
    }
    return (uintptr_t) code;
}

#endif
