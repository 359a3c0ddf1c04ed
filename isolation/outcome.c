/* outcome.c - what became of a call, as a term and as text: the only place that makes exit reasons. */
#include <stdio.h>

#include "isolation/crash_report.h"
#include "isolation/executor.h"
#include "isolation/thread.h"
#include "lib/base/clock.h"
#include "lib/base/trace.h"
#include "vm/core/bits.h"
#include "vm/core/copy.h"
#include "vm/core/print.h"

void native_outcome_clear(struct native_outcome *o)
{
    if (o->crash != NULL) {
        vm_free(o->crash->frames);
    }
    vm_free(o->crash);
    o->crash = NULL;
}

static void ended(struct native_outcome *out, enum native_status status, const char *text)
{
    *out = (struct native_outcome) { .status = status, .crash = vm_zalloc(sizeof(*out->crash)) };
    size_t n = strnlen(text, sizeof(out->crash->text) - 1);
    memcpy(out->crash->text, text, n);
}

void native_outcome_panic(struct native_outcome *out, enum native_panic panic, const char *text)
{
    ended(out, NATIVE_PANICKED, text);
    out->crash->panic = panic;
}

void native_outcome_limit(struct native_outcome *out, const char *text)
{
    ended(out, NATIVE_LIMIT, text);
}

void native_outcome_refused(struct native_outcome *out, const char *text)
{
    ended(out, NATIVE_LIMIT, text);
    out->crash->is_refusal = true;
}

static term text_binary(struct heap *h, const char *text)
{
    term t = bits_from_bytes(h, text, strlen(text));
    return term_is_none(t) ? TERM_NIL : t;
}

/* Text that names something: an atom, unless the table is full. */
static term text_atom(struct heap *h, const char *text)
{
    term t = atom_intern_latin1((const uint8_t *) text, strlen(text) > ATOM_MAX_CHARS ? ATOM_MAX_CHARS : strlen(text));
    return term_is_none(t) ? text_binary(h, text) : t;
}

static term panic_reason(const struct native_crash *c, struct heap *h)
{
    switch (c->panic) {
    case PANIC_TEXT: return text_binary(h, c->text);
    case PANIC_STACK_OVERFLOW: return ATOM(stack_overflow);
    case PANIC_MISSING_API: return heap_tuple2(h, ATOM(missing_api), text_atom(h, c->text));
    case PANIC_BAD_TERM: return heap_tuple2(h, ATOM(bad_term), text_atom(h, c->text));
    case PANIC_BAD_HANDLE: return heap_tuple2(h, ATOM(bad_handle), text_atom(h, c->text));
    case PANIC_CXX_EXCEPTION:
        return heap_tuple3(h, ATOM(cxx_exception), text_binary(h, c->text), text_binary(h, c->detail));
    case PANIC_RUST: return heap_tuple2(h, ATOM(rust_panic), text_binary(h, c->text));
    case PANIC_FOREIGN: return heap_tuple2(h, ATOM(foreign_exception), text_binary(h, c->text));
    case PANIC_THREAD_EXIT: return ATOM(thread_exit);
    case PANIC_PROTOCOL: return ATOM(protocol_violation);
    case PANIC_HEAP: return ATOM(heap_corrupted);
    case PANIC_COUNT: break;
    }
    return ATOM(undefined);
}

term native_outcome_reason(const struct native_outcome *o, struct heap *h)
{
    static const struct native_crash no_details;
    const struct native_crash *c = o->crash != NULL ? o->crash : &no_details;
    switch (o->status) {
    case NATIVE_PANICKED: return heap_tuple3(h, ATOM(nif_panic), panic_reason(c, h),
        term_is_none(c->trace_term) ? unwind_term(&c->trace, h) : c->trace_term);
    case NATIVE_SIGNALLED: return heap_tuple2(h, ATOM(nif_signal), heap_integer(h, o->number));
    case NATIVE_TIMED_OUT: return heap_tuple2(h, ATOM(nif_timeout), heap_integer(h, o->number));
    case NATIVE_LIMIT: return heap_tuple2(h, ATOM(nif_limit), text_atom(h, c->text));
    case NATIVE_EXITED: return heap_tuple2(h, ATOM(nif_exit), heap_integer(h, o->number));
    case NATIVE_POLICY: return heap_tuple2(h, ATOM(nif_policy), text_atom(h, c->text));
    case NATIVE_RETURNED:
    case NATIVE_RAISED:
    case NATIVE_RESCHEDULED:
    case NATIVE_PENDING: break;
    }
    VM_REQUIRE(!"a call that returned has no exit reason");
    return TERM_NONE;
}

static void panic_text(const struct native_crash *c, char *out, size_t room)
{
    switch (c->panic) {
    case PANIC_TEXT: snprintf(out, room, "<<\"%s\">>", c->text); return;
    case PANIC_STACK_OVERFLOW: snprintf(out, room, "stack_overflow"); return;
    case PANIC_MISSING_API: snprintf(out, room, "{missing_api,%s}", c->text); return;
    case PANIC_BAD_TERM: snprintf(out, room, "{bad_term,%s}", c->text); return;
    case PANIC_BAD_HANDLE: snprintf(out, room, "{bad_handle,%s}", c->text); return;
    case PANIC_CXX_EXCEPTION:
        snprintf(out, room, "{cxx_exception,<<\"%s\">>,<<\"%s\">>}", c->text, c->detail);
        return;
    case PANIC_RUST: snprintf(out, room, "{rust_panic,<<\"%s\">>}", c->text); return;
    case PANIC_FOREIGN: snprintf(out, room, "{foreign_exception,<<\"%s\">>}", c->text); return;
    case PANIC_THREAD_EXIT: snprintf(out, room, "thread_exit"); return;
    case PANIC_PROTOCOL: snprintf(out, room, "protocol_violation"); return;
    case PANIC_HEAP: snprintf(out, room, "heap_corrupted"); return;
    case PANIC_COUNT: break;
    }
}

size_t native_outcome_text(const struct native_outcome *o, char *out, size_t room)
{
    static const struct native_crash no_details;
    const struct native_crash *c = o->crash != NULL ? o->crash : &no_details;
    char panic[NATIVE_TEXT_MAX + NATIVE_DETAIL_MAX + 40];
    long long n = o->number;
    switch (o->status) {
    case NATIVE_RETURNED: snprintf(out, room, "returned"); break;
    case NATIVE_RAISED: snprintf(out, room, "raised"); break;
    case NATIVE_RESCHEDULED: snprintf(out, room, "rescheduled"); break;
    case NATIVE_PENDING: snprintf(out, room, "pending"); break;
    case NATIVE_PANICKED:
        panic_text(c, panic, sizeof(panic));
        snprintf(out, room, "{nif_panic,%s,...}", panic);
        break;
    case NATIVE_SIGNALLED: snprintf(out, room, "{nif_signal,%lld}", n); break;
    case NATIVE_TIMED_OUT: snprintf(out, room, "{nif_timeout,%lld}", n); break;
    case NATIVE_LIMIT: snprintf(out, room, "{nif_limit,%s}", c->text); break;
    case NATIVE_EXITED: snprintf(out, room, "{nif_exit,%lld}", n); break;
    case NATIVE_POLICY: snprintf(out, room, "{nif_policy,%s}", c->text); break;
    }
    return strlen(out);
}

void (*native_outcome_elsewhere)(const struct native_call *call, const struct native_outcome *o);

/* The reason is copied: parts of it may lie on the caller's heap. */
static void keep_as_last_crash(struct native_library *lib, const struct native_outcome *o)
{
    struct heap building, last;
    heap_init_frags(&building);
    heap_init_frags(&last);
    term reason = copy_term(native_outcome_reason(o, &building), &last);
    heap_destroy(&building);
    lock_take(&lib->lock);
    struct heap before = lib->last_crash_heap;
    lib->last_crash_heap = last;
    lib->last_crash = reason;
    lib->last_crash_ns = clock_system_ns();
    lock_drop(&lib->lock);
    heap_destroy(&before);
}

void native_outcome_account(struct native_call *call, struct native_outcome *o)
{
    struct native_library *lib = call->library;
    if (__builtin_expect(o->status <= NATIVE_PENDING, 1)) {
        return;
    }
    if (native_outcome_elsewhere != NULL) {
        native_outcome_elsewhere(call, o);
        return;
    }
    if (o->crash != NULL && o->crash->is_refusal) {
        if (crash_report_allowed(lib)) {
            crash_report(call, o);
        }
        return;
    }
    atomic_fetch_add_explicit(&lib->crashes, 1, memory_order_relaxed);
    atomic_store_explicit(&lib->tainted, true, memory_order_relaxed);
    keep_as_last_crash(lib, o);
    /* Those without a trace were not allowed one: see native_describe_abandoned(). Panics always have one. */
    bool elsewhere = o->crash != NULL && o->crash->frames != NULL;
    bool has_trace = o->crash != NULL && o->crash->trace.n > 0;
    if (o->status == NATIVE_PANICKED || elsewhere ? crash_report_allowed(lib) : has_trace || o->status == NATIVE_LIMIT) {
        crash_report(call, o);
    }
}
