#include "vm/emu/native.h"

#include <stdio.h>
#include <string.h>

#include "isolation/crash_report.h"
#include "isolation/executor.h"
#include "isolation/isolation.h"
#include "isolation/quick.h"
#include "isolation/verify.h"
#include "lib/base/trace.h"
#include "nif/host.h"
#include "vm/bif/bif.h"
#include "vm/code/code.h"
#include "vm/core/print.h"
#include "vm/emu/interp.h"
#include "vm/emu/nif_host.h"
#include "vm/proc/sched.h"

/* A call that enif_schedule_nif asked for. p->native owns it; the arguments travel as a tuple in the
 * X register of the continuation, behind them those of the call that Erlang code made: a failure
 * is shown as that call's. */
struct pending_call {
    struct nif_lib *lib; /* one reference: the code stays mapped */
    nif_fn fn;
    term module, name;
    term origin; /* name of the function that Erlang code called */
    unsigned arity;
    bool started; /* the continuation has taken it up */
};

static void drop_pending(struct proc *p)
{
    struct pending_call *c = p->native;
    if (c != NULL) {
        p->native = NULL;
        nif_lib_unref(c->lib);
        vm_free(c);
    }
}

static struct export *continuation(unsigned flags)
{
    switch (flags) {
    case ERL_NIF_DIRTY_JOB_CPU_BOUND: return export_get(ATOM(bulkhead_nif), ATOM(continue_dirty_cpu), 1);
    case ERL_NIF_DIRTY_JOB_IO_BOUND: return export_get(ATOM(bulkhead_nif), ATOM(continue_dirty_io), 1);
    default: return export_get(ATOM(bulkhead_nif), ATOM(continue), 1);
    }
}

/* The call that Erlang code made, as a failure shows it. */
struct origin {
    term name;
    term args; /* list; TERM_NONE: the arguments of the call itself */
};

/* Goes on with what r says on a scheduler of the kind it asks for. */
static term call_later(struct proc *p, struct nif_lib *lib, term module, const struct origin *origin, const struct nif_resched *r)
{
    uintptr_t *tuple = heap_alloc(&p->heap, HEAP_TUPLE_WORDS(r->argc + 1));
    tuple[0] = TERM_HEADER(TAG_TUPLE, r->argc + 1);
    memcpy(&tuple[1], r->args, r->argc * sizeof(*r->args));
    tuple[1 + r->argc] = origin->args.word;
    struct pending_call *c = p->native;
    if (c == NULL) {
        c = vm_alloc(sizeof(*c));
        nif_lib_ref(lib);
        c->lib = lib;
        p->native = c;
    }
    c->fn = r->fn;
    c->module = module;
    c->name = r->name;
    c->origin = origin->name;
    c->arity = r->argc;
    c->started = false;
    term packed = term_from_boxed_ptr(tuple);
    return proc_trap(p, continuation(r->flags), &packed, 1);
}

/* A rescheduled call failed: the trace starts at the call that Erlang code made. */
static term raise_for_origin(struct proc *p, term module, const struct origin *origin, term reason)
{
    struct heap *h = &p->heap;
    term none = proc_raise(p, EXC_ERROR, reason);
    term frame = heap_tuple4(h, module, origin->name, origin->args, TERM_NIL);
    p->exc.stacktrace = heap_cons(h, frame, interp_stacktrace(p, h, proc_backtrace_depth() - 1));
    p->exc.has_stacktrace = true;
    return none;
}

/* How a call that did not come back is made known: counted, reported, and p gets to know why. */
static term end_caller(struct proc *p, struct native_call *call, struct native_outcome *out, enum policy_crash crash)
{
    if (out->crash != NULL && out->crash->panic == PANIC_HEAP) {
        crash = POLICY_CRASH_EXIT; /* nothing may go on with that heap */
    }
    native_outcome_account(call, out);
    term reason = native_outcome_reason(out, &p->heap);
    native_outcome_clear(out);
    drop_pending(p);
    proc_raise(p, EXC_EXIT, reason);
    if (crash == POLICY_CRASH_EXIT) {
        p->exc.stacktrace = TERM_NIL;
        p->control = CONTROL_EXIT;
    }
    return TERM_NONE;
}

/* The call did not come back: p is where it was before. */
static term did_not_return(struct proc *p, struct enif_environment_t *env, struct native_call *call, struct native_outcome *out)
{
    enum policy_crash crash = (enum policy_crash) library_policy(call->library, POLICY_CRASH);
    nif_env_abort(env);
    env->lib->tainted = true;
    return end_caller(p, call, out, crash);
}

/* With verify => true: what it did is not in order. */
static term refused(struct proc *p, enum verify_finding finding, struct enif_environment_t *env,
    struct native_call *call, struct native_outcome *out)
{
    native_outcome_clear(out);
    if (finding == VERIFY_NO_TERM) {
        native_outcome_panic(out, PANIC_BAD_TERM, "return");
    } else {
        native_outcome_panic(out, PANIC_HEAP, "");
        env->mark.offheap = p->heap.offheap; /* given up: none is followed */
    }
    return did_not_return(p, env, call, out);
}

/* o NULL: it begins. */
static void trace_native(const struct nif_func *f, const struct native_library *lib, term pid, const struct native_outcome *o)
{
    char text[300];
    int n = snprintf(text, sizeof(text), "%s:%s/%u (%s)", f->module_text, f->name_text, f->arity, lib->ops->name);
    if (o != NULL && n > 0 && (size_t) n < sizeof(text) - 40) {
        text[n++] = ' ';
        native_outcome_text(o, text + n, sizeof(text) - (size_t) n);
    }
    trace_emit(&(struct trace_event) { TRACE_NATIVE, o == NULL ? TRACE_BEGIN : TRACE_END, pid.word, 0, 0, text });
}

/* In this process a raised exception is left in the environment. */
static __attribute__((noinline)) void trace_native_end(
    const struct nif_func *f, const struct native_library *lib, term pid, const struct native_outcome *o, bool raised)
{
    struct native_outcome ended = *o;
    if (raised && o->status == NATIVE_RETURNED) {
        ended.status = NATIVE_RAISED;
    }
    trace_native(f, lib, pid, &ended);
}

/* What a native function is called with, kept from call to call: one runs at a time on a thread. */
static _Thread_local struct native_slot {
    struct native_call call;
    struct native_outcome out;
    struct enif_environment_t env;
} slot;

/* The call came back, but without a value. */
static __attribute__((noinline)) term without_value(
    struct proc *p, const struct nif_func *f, term *args, struct enif_environment_t *env)
{
    nif_env_commit(env);
    const struct pending_call *c = p->native;
    bool continued = c != NULL && c->started;
    struct origin origin = { continued ? c->origin : f->name, continued ? args[f->arity] : TERM_NONE };
    term none;
    if (env->raised) {
        none = continued ? raise_for_origin(p, f->module, &origin, env->reason) : proc_raise(p, EXC_ERROR, env->reason);
        drop_pending(p);
    } else {
        if (!continued) {
            origin.args = heap_list(&p->heap, args, f->arity, TERM_NIL);
        }
        none = call_later(p, f->lib, f->module, &origin, &env->resched);
    }
    nif_env_done(env);
    nif_env_clear(env);
    return none;
}

/* What a call of this thread's slot came to. */
static __attribute__((noinline)) term settle(struct proc *p, const struct nif_func *f, term *args)
{
    struct native_slot *s = &slot;
    term result = { s->out.value };
    bool valueless = s->env.raised || s->env.resched.wanted;
    if (s->out.status == NATIVE_RETURNED && !valueless && !nif_result_plausible(&p->heap, result)) {
        native_outcome_panic(&s->out, PANIC_BAD_TERM, "return");
    }
    if (s->out.status != NATIVE_RETURNED) {
        result = did_not_return(p, &s->env, &s->call, &s->out);
        native_call_prepare(&s->call, &s->env);
        return result;
    }
    if (valueless) {
        return without_value(p, f, args, &s->env);
    }
    nif_env_commit(&s->env);
    nif_env_clear(&s->env);
    drop_pending(p);
    return result;
}

static term run(struct proc *p, const struct nif_func *f, term *args)
{
    struct native_slot *s = &slot;
    struct native_library *lib = isolation_library(f->lib);
    s->call.library = lib;
    memcpy(&s->call.code, &f->fn, sizeof(s->call.code));
    s->call.arg[1] = f->arity;
    s->call.arg[2] = (uintptr_t) args;
    s->call.func = f;
    nif_env_enter_outermost(&s->env, &p->heap, p, p->id, f->lib);
    bool traced = trace_on(TRACE_NATIVE), verified = verify_is_wanted(lib);
    struct heap_digest digest;
    if (__builtin_expect(traced, 0)) {
        trace_native(f, lib, p->id, NULL);
    }
    if (verified) {
        heap_digest_take(&digest, &p->heap);
    }
    atomic_load_explicit(&lib->ops, memory_order_relaxed)->call(&s->call, &s->out);
    if (__builtin_expect(traced, 0)) {
        trace_native_end(f, lib, p->id, &s->out, s->env.raised);
    }
    enum verify_finding finding = verified ? verify_call(&digest, &s->env, &s->out) : VERIFY_GOOD;
    term result = { s->out.value };
    if (finding != VERIFY_GOOD) {
        result = refused(p, finding, &s->env, &s->call, &s->out);
        native_call_prepare(&s->call, &s->env);
        return result;
    }
    if (s->out.status != NATIVE_RETURNED || s->env.eventful || !nif_result_plausible(&p->heap, result) || p->native != NULL) {
        return settle(p, f, args);
    }
    nif_env_leave_outermost();
    return result;
}

/* The same for a call by run_quick(), which has kept nothing: what it was is found again. */
static __attribute__((noinline)) term settle_quick(uintptr_t value, unsigned dirt)
{
    struct native_slot *s = &slot;
    struct sched *sched = sched_self();
    s->out = (struct native_outcome) { .status = NATIVE_RETURNED, .value = value };
    if (dirt != 0) {
        native_end_call(&s->call, value, &s->out);
    }
    return settle(sched->current, s->call.func, sched->x);
}

/* The call that quick.h is for. args: the registers. */
ALWAYS_INLINE term run_quick(struct proc *p, const struct nif_func *f, struct native_library *lib, term *args)
{
    struct native_slot *s = &slot;
    unsigned dirt;
    const void *code;
    memcpy(&code, &f->fn, sizeof(code));
    VM_ASSERT(p->native == NULL && p == sched_self()->current && args == sched_self()->x);
    s->call.library = lib;
    s->call.func = f;
    nif_env_enter_outermost(&s->env, &p->heap, p, p->id, f->lib);
    uintptr_t arg[3] = { (uintptr_t) &s->env, f->arity, (uintptr_t) args };
    term result = { native_call_quick(&s->call, code, arg, &dirt) };
    if (__builtin_expect(dirt != 0 || s->env.eventful || !nif_result_plausible(s->env.heap, result), 0)) {
        return settle_quick(result.word, dirt);
    }
    nif_env_leave_outermost();
    return result;
}

/* ---- in another OS process ---- */

/* The call did not come back from there, or was not let in. */
static term did_not_return_elsewhere(struct proc *p, const struct native_call_elsewhere *call, struct native_outcome *out)
{
    struct native_call report = { .library = call->library, .entry = NATIVE_FUNCTION, .func = call->func };
    struct enif_environment_t env = { .caller = p, .pid = p->id };
    report.env = &env; /* names the caller */
    enum policy_crash crash = (enum policy_crash) library_policy(call->library, POLICY_CRASH);
    return end_caller(p, &report, out, crash);
}

/* A call of call_many failed: the trace is that of the call itself, not of how it crossed. */
static void trace_one_of_many(struct proc *p, const struct native_call_elsewhere *call)
{
    const struct nif_func *f = call->func;
    struct heap *h = &p->heap;
    term lists = call->failed == UINT32_MAX ? TERM_NIL : call->request, args = term_from_small(f->arity);
    for (uint32_t i = 0; i < call->failed && term_is_cons(lists); i++) {
        lists = term_tail(lists);
    }
    if (term_is_cons(lists)) {
        args = term_head(lists);
    }
    term callers = interp_stacktrace(p, h, proc_backtrace_depth()); /* isolation:call_elsewhere/4, and who called that */
    term frame = heap_tuple4(h, f->module, f->name, args, TERM_NIL);
    p->exc.stacktrace = heap_cons(h, frame, term_is_cons(callers) ? term_tail(callers) : callers);
    p->exc.has_stacktrace = true;
}

/* One step of a call; again when the process is woken. */
static term step_elsewhere(struct proc *p, struct native_call_elsewhere *call, bool many)
{
    struct native_outcome out;
    struct native_library *lib = call->library;
    const struct executor_ops *ops = atomic_load_explicit(&lib->ops, memory_order_relaxed);
    call->caller = p;
    call->pid = p->id;
    call->heap = &p->heap;
    call->progress = &p->elsewhere;
    call->library_id = call->func->lib->elsewhere;
    call->function = (uint32_t) (call->func - call->func->lib->funcs);
    call->failed = UINT32_MAX;
    bool begins = p->elsewhere == NULL;
    if (begins && trace_on(TRACE_NATIVE)) {
        trace_native(call->func, lib, p->id, NULL);
    }
    (many ? ops->call_many : ops->call_elsewhere)(call, &out);
    if (out.status == NATIVE_PENDING) {
        return proc_wait(p);
    }
    if (trace_on(TRACE_NATIVE)) {
        trace_native(call->func, lib, p->id, &out);
    }
    if (out.status == NATIVE_RETURNED) {
        return (term) { out.value };
    }
    if (out.status == NATIVE_RAISED) {
        proc_raise(p, EXC_ERROR, (term) { out.value });
    } else {
        did_not_return_elsewhere(p, call, &out);
    }
    if (many && p->control != CONTROL_EXIT) {
        trace_one_of_many(p, call);
    }
    return TERM_NONE;
}

static __attribute__((noinline)) term call_elsewhere_in_general(struct proc *p, struct nif_func *f, const term *args)
{
    struct native_call_elsewhere call = { .library = isolation_library(f->lib), .func = f, .args = args };
    return step_elsewhere(p, &call, false);
}

static __attribute__((noinline)) term call_elsewhere(struct proc *p, struct nif_func *f, const term *args)
{
    const struct executor_ops *ops = atomic_load_explicit(&isolation_library(f->lib)->ops, memory_order_relaxed);
    if (p->elsewhere == NULL && ops->call_brief != NULL && !trace_on(TRACE_NATIVE)) {
        term result = ops->call_brief(f, args, p->id, &p->heap, &p->elsewhere);
        if (!term_is_none(result)) {
            return result;
        }
    }
    return call_elsewhere_in_general(p, f, args);
}

/* isolation:call_many/3, for a function whose library runs elsewhere: one crossing for all calls. */
term native_call_many(struct proc *p, const struct nif_func *f, term lists)
{
    struct native_call_elsewhere call = { .library = isolation_library(f->lib), .func = f, .request = lists };
    return step_elsewhere(p, &call, true);
}

static void drop_elsewhere(struct proc *p)
{
    struct native_progress *progress = p->elsewhere;
    if (progress != NULL) {
        const struct nif_func *held = progress->held;
        p->elsewhere = NULL;
        p->heap_keeper = progress->cancel(progress);
        if (held != NULL) {
            nif_lib_unref(held->lib);
        }
    }
}

static __attribute__((noinline)) term call_in_general(struct proc *p, struct nif_func *f, term *args)
{
    if (f->lib->elsewhere != 0) {
        return call_elsewhere(p, f, args);
    }
    if (f->flags != 0 && sched_self()->kind == SCHED_NORMAL) {
        p->control = f->flags == ERL_NIF_DIRTY_JOB_CPU_BOUND ? CONTROL_DIRTY_CPU : CONTROL_DIRTY_IO;
        return TERM_NONE;
    }
    if (f->flags == 0) {
        __atomic_store_n(&f->plain, isolation_library(f->lib), __ATOMIC_RELAXED);
    }
    return run(p, f, args);
}

term native_call(struct proc *p, struct nif_func *f, term *args)
{
    struct native_library *lib = __atomic_load_n(&f->plain, __ATOMIC_RELAXED);
    if (__builtin_expect(lib == NULL || !native_is_quick(lib), 0)) {
        return call_in_general(p, f, args);
    }
    return run_quick(p, f, lib, args);
}

static term go_on(struct proc *p, term *args, enum sched_kind kind)
{
    struct pending_call *c = p->native;
    if (c == NULL || c->started || !term_is_tuple_of(args[0], c->arity + 1)) {
        return proc_badarg(p); /* called by Erlang code */
    }
    if (sched_self()->kind != kind) { /* it comes from a call on another kind of thread */
        if (kind == SCHED_NORMAL) {
            return proc_retry(p);
        }
        p->control = kind == SCHED_DIRTY_CPU ? CONTROL_DIRTY_CPU : CONTROL_DIRTY_IO;
        return TERM_NONE;
    }
    c->started = true;
    /* The arguments stay in the tuple: nothing collects during the call. */
    term *elements = (term *) &term_words(args[0])[1];
    struct nif_func f = { .lib = c->lib, .fn = c->fn, .module = c->module, .name = c->name, .arity = c->arity };
    return run(p, &f, elements);
}

term bif_bulkhead_nif_continue_1(struct proc *p, term *args)
{
    return go_on(p, args, SCHED_NORMAL);
}
term bif_bulkhead_nif_continue_dirty_cpu_1(struct proc *p, term *args)
{
    return go_on(p, args, SCHED_DIRTY_CPU);
}
term bif_bulkhead_nif_continue_dirty_io_1(struct proc *p, term *args)
{
    return go_on(p, args, SCHED_DIRTY_IO);
}

/* ---- start ---- */

static size_t print_caller(const void *caller, char *out, size_t room)
{
    const struct proc *p = caller;
    const uint64_t *pc = (const uint64_t *) *p->heap.stop; /* where the call returns to */
    struct text t = { .max = room };
    const struct code_image *image = code_find_image(pc);
    print_term(&t, p->id, PRINT_WRITE);
    const struct code_function *f = image != NULL ? code_find_function(image, pc) : NULL;
    if (f != NULL) {
        term file;
        uint32_t line;
        text_cstr(&t, " in ");
        print_atom(&t, image->module);
        text_cstr(&t, ":");
        print_atom(&t, f->name);
        text_format(&t, "/%u", f->arity);
        if (code_find_line(image, pc - 1, &file, &line) && line != 0) {
            text_format(&t, " line %u", line);
        }
    }
    size_t n = t.len < room ? t.len : room;
    memcpy(out, t.data, n);
    text_free(&t);
    return n;
}

static size_t print_word(uint64_t word, char *out, size_t room)
{
    struct text t = { .max = room };
    print_term(&t, (term) { word }, PRINT_WRITE);
    size_t n = t.len < room ? t.len : room;
    memcpy(out, t.data, n);
    text_free(&t);
    return n;
}

static void *reserve_thread(void)
{
    return isolation_thread_reserve();
}
static void unreserve_thread(void *reserved)
{
    isolation_thread_unreserve(reserved);
}
static void thread_started(struct sched *s)
{
    isolation_thread_start(s->reserved);
    native_call_prepare(&slot.call, &slot.env);
}
static void thread_stops(struct sched *s)
{
    (void) s;
    isolation_thread_stop();
}

bool native_init(const char *const *isolation_specs, size_t n, char error[256])
{
    isolation_init();
    nif_host_init();
    for (size_t i = 0; i < n; i++) {
        char why[200];
        if (!policy_set_text(isolation_specs[i], why, sizeof(why))) {
            snprintf(error, 256, "--isolation: %s", why);
            return false;
        }
    }
    native_policy_init();
    crash_report_caller = print_caller;
    native_report_init();
    trace_set_printer(print_word);
    sched_thread_hooks.reserve = reserve_thread;
    sched_thread_hooks.unreserve = unreserve_thread;
    sched_thread_hooks.start = thread_started;
    sched_thread_hooks.stop = thread_stops;
    proc_on_exit_hook(drop_pending);
    proc_on_exit_hook(drop_elsewhere);
    executor_wake = proc_wake;
    executor_linger = sched_linger;
    return true;
}
