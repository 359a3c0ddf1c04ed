/* native_report.c - a report of crashed native code as an event of logger: {native_crash, Slot, Meta, Report}.
 *
 * lib/erl/logger.erl makes the event of it, and calls bulkhead_io:reported(Slot) when all handlers have had it.
 */
#include <string.h>

#include "isolation/crash_report.h"
#include "isolation/executor.h"
#include "lib/base/clock.h"
#include "lib/base/lock.h"
#include "nif/nif_lib.h"
#include "vm/bif/bif.h"
#include "vm/core/bits.h"
#include "vm/core/map.h"
#include "vm/emu/native.h"
#include "vm/proc/report.h"
#include "vm/proc/sched.h"

/* What the signal says; of other ends there is nothing to add. */
static term put_signal(struct heap *h, term map, const struct native_crash *c)
{
    map = map_put_name(h, map, "signal", term_from_small(c->signal));
    if (c->has_address) {
        const char *access = c->is_write ? "write" : c->address == c->pc ? "execute" : "read";
        map = map_put_name(h, map, "access", atom_from_cstr(access));
        map = map_put_name(h, map, "address", heap_uinteger(h, c->address));
        const char *place = crash_place_text(c->place);
        map = map_put_name(h, map, "place", bits_of_text(h, place, strlen(place)));
    }
    return map;
}

static term function_of(struct heap *h, const struct native_call *call)
{
    if (call->func != NULL) {
        return heap_tuple3(h, call->func->module, call->func->name, term_from_small((intptr_t) call->func->arity));
    }
    const char *name = native_call_name(call);
    return bits_of_text(h, name, strlen(name));
}

static term report_term(struct heap *h, const struct crash_report *r)
{
    const struct native_library *lib = r->call->library;
    const struct native_crash *c = r->outcome->crash;
    const struct executor_ops *ops = atomic_load_explicit(&lib->ops, memory_order_relaxed);
    term label = heap_tuple2(h, atom_from_cstr("bulkhead"), ATOM(native_crash));
    term map = map_put_name(h, map_empty(h), "label", label);
    map = map_put_name(h, map, "module", lib->module_atom);
    map = map_put_name(h, map, "library", bits_of_text(h, lib->name, strlen(lib->name)));
    map = map_put_name(h, map, "function", function_of(h, r->call));
    map = map_put_name(h, map, "mode", atom_from_cstr(ops->name));
    map = map_put_name(h, map, "reason", native_outcome_reason(r->outcome, h));
    if (c != NULL && c->signal != 0) {
        map = put_signal(h, map, c);
    }
    if (r->missed != 0) {
        map = map_put_name(h, map, "not_reported", heap_uinteger(h, r->missed));
    }
    return map_put_name(h, map, "text", bits_of_text(h, r->text, r->bytes));
}

static term meta_term(struct heap *h, const struct native_call *call)
{
    term meta = map_put_name(h, map_empty(h), "time", heap_integer(h, clock_system_ns() / 1000));
    const struct enif_environment_t *env = call->env;
    if (env != NULL && env->caller != NULL) {
        meta = map_put_name(h, meta, "pid", env->pid);
        meta = map_put_name(h, meta, "gl", ((const struct proc *) env->caller)->group_leader);
    }
    return call->func == NULL ? meta : map_put_name(h, meta, "mfa", function_of(h, call));
}

static bool tell_logger(const struct crash_report *r)
{
    struct heap h;
    if (lock_held_rank() >= RANK_REGISTRY) {
        return false; /* the way to a process has locks of its own */
    }
    heap_init_frags(&h);
    bool sent = report_send(heap_tuple4(
        &h, ATOM(native_crash), term_from_small((intptr_t) r->slot), meta_term(&h, r->call), report_term(&h, r)));
    heap_destroy(&h);
    return sent;
}

/* logger has had the report in this slot. */
term bif_bulkhead_io_reported_1(struct proc *p, term *args)
{
    (void) p;
    if (term_is_small(args[0]) && term_to_small(args[0]) >= 0) {
        crash_report_written((unsigned) term_to_small(args[0]));
    }
    report_done();
    return ATOM(ok);
}

void native_report_init(void)
{
    crash_report_hand_over = tell_logger;
}
