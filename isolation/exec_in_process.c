/* exec_in_process.c - on a stack of its own, under the signal handler. The default.
 *
 * The way in and out: take a stack, fill in a frame, switch. Whatever ends the call early leaves its
 * reason in the thread's record and comes back through the same return (DIRT_ABANDONED);
 * everything that takes time or locks happens here, afterwards, on the VM's stack. quick.h has the usual call.
 */
#include "isolation/crash_report.h"
#include "isolation/interpose.h"
#include "isolation/quick.h"
#include "isolation/watchdog.h"

#include <unistd.h>

static void clean_up_after_return(struct native_thread *t)
{
    if ((t->dirt & DIRT_FORKED) != 0) {
        _exit(0); /* a child that the library forked came back into the VM: there is one VM */
    }
    if ((t->dirt & DIRT_MASK) != 0) {
        native_restore_mask();
    }
    t->dirt = 0;
}

static void describe_signal(
    struct native_crash *c, const struct native_thread *t, const struct native_call *call, bool place_wanted)
{
    const greg_t *regs = t->stopped.uc_mcontext.gregs;
    enum { TRAP_PAGE_FAULT = 14, ERR_WRITE = 2 };
    c->signal = t->info.si_signo;
    c->code = t->info.si_code;
    if (c->code > 0 && (c->signal == SIGSEGV || c->signal == SIGBUS)) {
        bool page_fault = regs[REG_TRAPNO] == TRAP_PAGE_FAULT;
        c->has_address = true;
        c->address = (uintptr_t) t->info.si_addr;
        c->is_write = page_fault && (regs[REG_ERR] & ERR_WRITE) != 0;
        /* A non-canonical address is no page fault, and the kernel does not know it. */
        c->place = !page_fault ? PLACE_NON_CANONICAL : place_wanted ? crash_place_of(c->address, call) : PLACE_NONE;
    }
}

void native_describe_abandoned(
    struct native_thread *t, struct native_frame *frame, struct native_call *call, struct native_outcome *out)
{
    struct native_crash *c = vm_zalloc(sizeof(*c));
    const greg_t *regs = t->stopped.uc_mcontext.gregs;
    native_release_locks();
    *out = t->left;
    out->crash = c;
    c->panic = t->panic;
    c->pc = (uintptr_t) regs[REG_RIP];
    c->sp = (uintptr_t) regs[REG_RSP];
    if (out->status == NATIVE_LIMIT || out->status == NATIVE_POLICY
        || (out->status == NATIVE_PANICKED && c->panic != PANIC_STACK_OVERFLOW)) {
        memcpy(c->text, t->text, sizeof(c->text));
        memcpy(c->detail, t->detail, sizeof(c->detail));
    }
    /* A trace costs microseconds: only if somebody will see it. */
    bool reported = out->status != NATIVE_PANICKED && crash_report_allowed(call->library);
    if (t->info.si_signo != 0) {
        describe_signal(c, t, call, reported || out->status == NATIVE_PANICKED);
    }
    if (t->has_trace) {
        c->trace = t->trace;
    } else if (out->status == NATIVE_PANICKED || reported) {
        unwind_walk(&c->trace, &t->stopped, (uintptr_t) frame->stack->low, (uintptr_t) frame->stack->high,
            (t->info.si_signo != 0 && t->info.si_code != SI_TKILL) || out->status == NATIVE_TIMED_OUT);
    }
    t->has_trace = false;
    t->info.si_signo = 0;
    atomic_store_explicit(&t->overdue_seq, 0, memory_order_relaxed);
    sanitize_forget(frame->stack->low, (size_t) (frame->stack->high - frame->stack->low));
    if (frame->stack->bytes > STACK_DEFAULT_BYTES) {
        stack_trim(frame->stack);
    }
    if ((t->dirt & DIRT_MASK) != 0) {
        native_restore_mask();
    }
    t->dirt = 0;
}

/* What became of a call in frame f, on the VM's stack again. */
static void finish(struct native_thread *t, struct native_frame *f, uintptr_t value, struct native_call *call,
    struct native_outcome *out)
{
    if ((t->dirt & DIRT_ABANDONED) != 0) {
        native_describe_abandoned(t, f, call, out);
        return;
    }
    if (t->dirt != 0) {
        clean_up_after_return(t);
    }
    *out = (struct native_outcome) { .status = NATIVE_RETURNED, .value = value };
}

void native_end_call(struct native_call *call, uintptr_t value, struct native_outcome *out)
{
    struct native_thread *t = native_self;
    nif_guard.in_vm = 0;
    finish(t, &t->frame[0], value, call, out);
}

/* A stack that quick.h would have used is kept for its next call. */
static void give_back(struct native_thread *t, struct native_stack *stack, const struct native_library *lib)
{
    if (nif_guard.depth == 0 && stack->bytes == atomic_load_explicit(&lib->quick_stack_bytes, memory_order_relaxed)) {
        struct native_stack *other = t->ready;
        t->ready = stack;
        native_ready_bytes = stack->bytes;
        stack = other;
    }
    if (stack != NULL) {
        stack_give(&t->stacks, stack);
    }
}

/* Any call: nested, with a timeout, on a stack of another size, of code that changes FP control. */
static __attribute__((noinline)) void call_in_general(struct native_call *call, struct native_outcome *out)
{
    struct native_thread *t = native_thread_get();
    struct native_library *lib = call->library;
    uint32_t depth = nif_guard.depth;
    if (__builtin_expect(depth >= NATIVE_MAX_DEPTH - 1, 0)) { /* the last one is for native_try */
        native_outcome_refused(out, "native_depth");
        return;
    }
    struct native_stack *stack = stack_take(&t->stacks, atomic_load_explicit(&lib->stack_bytes, memory_order_relaxed));
    if (__builtin_expect(stack == NULL, 0)) {
        native_outcome_refused(out, "native_stacks");
        return;
    }
    struct native_frame *f = &t->frame[depth];
    uint32_t timeout_ms = atomic_load_explicit(&lib->timeout_ms, memory_order_relaxed);
    uint32_t in_vm_outside = nif_guard.in_vm;
    const void *outer_low = NULL;
    size_t outer_bytes = 0;
    f->call = call;
    f->stack = stack;
    if (__builtin_expect(timeout_ms != 0, 0)) {
        atomic_store_explicit(&f->timeout_ms, timeout_ms, memory_order_relaxed);
        atomic_store_explicit(&f->library, lib, memory_order_relaxed);
        atomic_store_explicit(&f->seq, ++t->seq, memory_order_relaxed);
    } else {
        atomic_store_explicit(&f->seq, 0, memory_order_relaxed);
    }
    library_count_call(lib, t->counter);
    nif_guard.in_vm = 0;
    __asm__ volatile("" ::: "memory");
    native_set_depth(depth + 1);
    if (__builtin_expect(timeout_ms != 0, 0) && atomic_load_explicit(&watchdog_asleep, memory_order_relaxed) != 0) {
        watchdog_wake();
    }
    sanitize_switch_stack(stack->low, stack->bytes, &outer_low, &outer_bytes);
    uintptr_t value = native_switch(f, call->code, call->arg, stack->high, __atomic_load_n(&lib->changes_fp, __ATOMIC_RELAXED));
    native_set_depth(depth);
    nif_guard.in_vm = in_vm_outside;
    sanitize_switch_stack(outer_low, outer_bytes, NULL, NULL);
    finish(t, f, value, call, out);
    give_back(t, stack, lib);
}

/* In a worker each call brings its own timeout, so that is asked for here as well. */
static void call_in_process(struct native_call *call, struct native_outcome *out)
{
    if (__builtin_expect(nif_guard.depth != 0 || nif_guard.in_vm != 0 || !native_is_quick(call->library)
            || atomic_load_explicit(&call->library->timeout_ms, memory_order_relaxed) != 0, 0)) {
        call_in_general(call, out);
        return;
    }
    unsigned dirt;
    uintptr_t value = native_call_quick(call, call->code, call->arg, &dirt);
    if (__builtin_expect(dirt != 0, 0)) {
        native_end_call(call, value, out);
        return;
    }
    *out = (struct native_outcome) { .status = NATIVE_RETURNED, .value = value };
}

const struct executor_ops exec_in_process = {
    .name = "in_process",
    .summary = "a stack of its own under a signal handler: a crash ends the call",
    .caps = EXEC_CAP_LOCAL | EXEC_CAP_SURVIVES_CRASH | EXEC_CAP_TIMEOUT | EXEC_CAP_PLAIN_STACK,
    .call = call_in_process,
};

bool native_try(void (*fn)(void *arg), void *arg)
{
    struct native_thread *t = native_thread_get();
    uint32_t depth = nif_guard.depth;
    struct native_stack *stack = stack_take(&t->stacks, STACK_DEFAULT_BYTES);
    if (depth >= NATIVE_MAX_DEPTH || stack == NULL) {
        return false;
    }
    struct native_frame *f = &t->frame[depth];
    struct native_outcome left = t->left;
    ucontext_t stopped = t->stopped;
    siginfo_t info = t->info;
    unsigned dirt = t->dirt;
    const void *code;
    uintptr_t args[3] = { (uintptr_t) arg, 0, 0 };
    memcpy(&code, &fn, sizeof(code));
    struct { struct native_call *call; struct native_stack *stack; } saved = { f->call, f->stack };
    f->call = NULL;
    f->stack = stack;
    uint32_t in_vm_outside = nif_guard.in_vm;
    atomic_store_explicit(&f->seq, 0, memory_order_relaxed);
    t->dirt = 0;
    nif_guard.in_vm = 0;
    native_set_depth(depth + 1);
    const void *outer_low = NULL;
    size_t outer_bytes = 0;
    sanitize_switch_stack(stack->low, stack->bytes, &outer_low, &outer_bytes);
    native_switch(f, code, args, stack->high, true);
    native_set_depth(depth);
    nif_guard.in_vm = in_vm_outside;
    sanitize_switch_stack(outer_low, outer_bytes, NULL, NULL);
    bool returned = (t->dirt & DIRT_ABANDONED) == 0;
    t->dirt = dirt | (t->dirt & ~(unsigned) DIRT_ABANDONED);
    sanitize_forget(stack->low, stack->bytes);
    stack_give(&t->stacks, stack);
    f->call = saved.call;
    f->stack = saved.stack;
    t->left = left;
    t->stopped = stopped;
    t->info = info;
    return returned;
}
