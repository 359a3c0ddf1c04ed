#include "isolation/crash_report.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "isolation/fault.h"
#include "isolation/interpose.h"
#include "isolation/thread.h"
#include "lib/base/clock.h"
#include "nif/nif_lib.h"

enum { REPORTS_PER_SECOND = 8, REPORT_BYTES = 6000, KEPT_REPORTS = 2 * REPORTS_PER_SECOND };

size_t (*crash_report_caller)(const void *caller, char *out, size_t room);
bool (*crash_report_hand_over)(const struct crash_report *report);
bool crash_report_enabled = true;

struct report {
    size_t n;
    char text[REPORT_BYTES];
};

enum { KEPT_FREE, KEPT_TAKEN, KEPT };
/* Reports on their way. A slot is its taker's until it is KEPT, then whoever's that sets it FREE. */
static struct kept {
    _Atomic int state; /* KEPT_FREE, KEPT_TAKEN or KEPT */
    struct report report;
} kept[KEPT_REPORTS];

__attribute__((format(printf, 2, 3))) static void add(struct report *r, const char *fmt, ...)
{
    va_list ap;
    size_t room = sizeof(r->text) - r->n;
    va_start(ap, fmt);
    int n = vsnprintf(r->text + r->n, room, fmt, ap);
    va_end(ap);
    if (n > 0) {
        r->n += (size_t) n < room ? (size_t) n : room - 1;
    }
}

/* If nobody listens, that is that. */
static void write_text(const char *text, size_t n)
{
    (void) base_write_all(STDERR_FILENO, text, n);
}

void crash_report_line(const char *text)
{
    struct report r = { .n = 0 };
    add(&r, "bulkhead: %s", text);
    write_text(r.text, r.n);
}

static void write_report(const struct report *r)
{
    static char prefix[] = "bulkhead: ";
    enum { PREFIX_BYTES = sizeof(prefix) - 1 };
    struct iovec parts[] = { { prefix, PREFIX_BYTES }, { (char *) r->text, r->n } };
    ssize_t done = writev(STDERR_FILENO, parts, ARRAY_LEN(parts)); /* both at once, or others write in between */
    if (done >= PREFIX_BYTES) {
        write_text(r->text + (done - PREFIX_BYTES), r->n - (size_t) (done - PREFIX_BYTES));
    }
}

void crash_report_written(unsigned slot)
{
    if (slot < KEPT_REPORTS) {
        int state = KEPT;
        (void) atomic_compare_exchange_strong(&kept[slot].state, &state, KEPT_FREE);
    }
}

void crash_report_flush(void)
{
    for (size_t i = 0; i < KEPT_REPORTS; i++) {
        int state = KEPT;
        if (atomic_compare_exchange_strong(&kept[i].state, &state, KEPT_TAKEN)) {
            write_report(&kept[i].report);
            atomic_store(&kept[i].state, KEPT_FREE);
        }
    }
}

/* false: nobody will show it. */
static bool hand_over(const struct report *r, struct crash_report *out)
{
    for (unsigned i = 0; i < KEPT_REPORTS && crash_report_hand_over != NULL; i++) {
        int state = KEPT_FREE;
        if (atomic_compare_exchange_strong(&kept[i].state, &state, KEPT_TAKEN)) {
            memcpy(kept[i].report.text, r->text, r->n);
            kept[i].report.n = r->n;
            atomic_store(&kept[i].state, KEPT); /* it may be shown before we hear that it was taken */
            out->slot = i;
            if (crash_report_hand_over(out)) {
                return true;
            }
            atomic_store(&kept[i].state, KEPT_FREE);
            return false;
        }
    }
    return false;
}

bool crash_report_allowed(struct native_library *lib)
{
    /* A bucket for the whole program; losing a race here costs a report more or less. */
    static _Atomic int64_t second;
    static _Atomic int in_this_second;
    int64_t now = clock_monotonic_ns() / 1000000000;
    if (!crash_report_enabled) {
        return false;
    }
    if (atomic_exchange_explicit(&second, now, memory_order_relaxed) != now) {
        atomic_store_explicit(&in_this_second, 0, memory_order_relaxed);
    }
    if (atomic_fetch_add_explicit(&in_this_second, 1, memory_order_relaxed) < REPORTS_PER_SECOND) {
        return true;
    }
    atomic_fetch_add_explicit(&lib->suppressed_reports, 1, memory_order_relaxed);
    return false;
}

static bool is_mapped(uintptr_t address)
{
    /* Asking the kernel to read the byte is the one way that cannot fault. */
    int fd[2];
    if (pipe(fd) != 0) {
        return true;
    }
    bool mapped = write(fd[1], (const void *) address, 1) == 1;
    close(fd[0]);
    close(fd[1]);
    return mapped;
}

enum crash_place crash_place_of(uintptr_t address, const struct native_call *call)
{
    const struct native_thread *t = native_self;
    if (address < 0x10000) {
        return PLACE_NULL_PAGE;
    }
    if ((address >> 47) != 0) {
        return PLACE_NON_CANONICAL;
    }
    if (t != NULL) {
        const struct native_stack *s = t->frame[nif_guard.depth].stack; /* of the call just left */
        if (s != NULL && address >= (uintptr_t) s->map && address < (uintptr_t) s->low) {
            return PLACE_STACK_GUARD;
        }
        if (s != NULL && address >= (uintptr_t) s->low && address < (uintptr_t) s->high) {
            return PLACE_STACK;
        }
    }
    if (call != NULL && library_has_code(call->library, address)) {
        return PLACE_LIBRARY;
    }
    if (arena_is_literal((const void *) address)) {
        return PLACE_LITERALS;
    }
    if ((arena_terms != NULL && arena_contains(arena_terms, (const void *) address))
        || arena_is_foreign((const void *) address)) {
        return PLACE_TERMS;
    }
    if ((arena_vm != NULL && arena_contains(arena_vm, (const void *) address)) || fault_is_vm_code(address)) {
        return PLACE_VM;
    }
    if (library_heap_holds(address)) {
        return PLACE_NATIVE_HEAP;
    }
    return is_mapped(address) ? PLACE_MAPPED : PLACE_UNMAPPED;
}

const char *crash_place_text(enum crash_place p)
{
    switch (p) {
    case PLACE_NULL_PAGE: return "the NULL page";
    case PLACE_STACK_GUARD: return "the guard of the native stack";
    case PLACE_STACK: return "the native stack";
    case PLACE_LIBRARY: return "the library's code";
    case PLACE_TERMS: return "term memory";
    case PLACE_LITERALS: return "literals";
    case PLACE_VM: return "the VM's memory";
    case PLACE_NATIVE_HEAP: return "a library's heap";
    case PLACE_NON_CANONICAL: return "no address at all";
    case PLACE_MAPPED: return "mapped memory";
    case PLACE_UNMAPPED: return "nothing mapped";
    case PLACE_COUNT:
    case PLACE_NONE: break;
    }
    return "unknown";
}

void crash_report(const struct native_call *call, const struct native_outcome *o)
{
    struct report r;
    char text[1100];
    const struct native_crash *c = o->crash;
    const struct native_library *lib = call->library;
    r.n = 0;
    native_outcome_text(o, text, sizeof(text));
    const char *end = call->entry == NATIVE_FUNCTION ? "its caller ends with" : "ended by";
    add(&r, "%s:%s", lib->module, native_call_name(call));
    if (call->func != NULL) {
        add(&r, "/%u", call->func->arity);
    }
    add(&r, " in %s %s; %s %s\n", lib->name, c != NULL && c->is_refusal ? "was not called" : "did not return", end, text);
    if (c != NULL && c->signal != 0) {
        add(&r, "  signal  %s (%d)", fault_signal_name(c->signal), c->signal);
        if (c->has_address) {
            add(&r, ", %s %#lx: %s", c->is_write ? "writing to" : c->address == c->pc ? "executing" : "reading from",
                (unsigned long) c->address, crash_place_text(c->place));
        }
        add(&r, "\n");
    }
    if (c != NULL && c->frames != NULL) {
        add(&r, "%s", c->frames);
    } else if (c != NULL && c->trace.n > 0) {
        r.n += unwind_text(&c->trace, r.text + r.n, sizeof(r.text) - r.n - 600);
    }
    if (call->env != NULL && call->env->caller != NULL && crash_report_caller != NULL) {
        size_t n = crash_report_caller(call->env->caller, text, sizeof(text) - 1);
        text[n] = '\0';
        add(&r, "  caller  %s\n", text);
    }
    uint64_t missed = atomic_exchange_explicit(&((struct native_library *) lib)->suppressed_reports, 0, memory_order_relaxed);
    if (missed != 0) {
        add(&r, "  %lu more like this were not reported\n", (unsigned long) missed);
    }
    struct crash_report report = { .call = call, .outcome = o, .text = r.text, .bytes = r.n, .missed = missed };
    if (!hand_over(&r, &report)) {
        write_report(&r);
    }
}

void crash_report_fatal(const char *what, const siginfo_t *si, const ucontext_t *uc)
{
    struct report r = { .n = 0 };
    const struct native_thread *t = native_self;
    crash_report_flush();
    add(&r, "bulkhead: FATAL: ");
    if (si == NULL) {
        add(&r, "%s\n", what);
    } else if (si->si_code <= 0 && si->si_pid != getpid()) {
        add(&r, "%s (%d) sent by process %d\n", fault_signal_name(si->si_signo), si->si_signo, (int) si->si_pid);
    } else {
        uintptr_t pc = (uintptr_t) uc->uc_mcontext.gregs[REG_RIP];
        const struct native_library *lib = library_of_code(pc);
        const struct native_library *direct = interpose_direct_library();
        add(&r, "%s (%d) at pc %#lx, address %#lx\n", fault_signal_name(si->si_signo), si->si_signo, (unsigned long) pc,
            si->si_code > 0 ? (unsigned long) si->si_addr : 0UL);
        if (t != NULL && nif_guard.depth > 0) {
            const struct native_call *call = t->frame[nif_guard.depth - 1].call;
            add(&r, "  This is a fault in Bulkhead's own code, called by %s of %s: please report it.\n",
                call != NULL ? native_call_name(call) : "?", call != NULL ? call->library->name : "?");
        } else if (direct != NULL) {
            add(&r, "  The library %s (module %s) ran in direct mode, which does not contain crashes.\n"
                    "  With --isolation %s=in_process only its caller would have ended.\n",
                direct->name, direct->module, direct->module);
        } else if (lib != NULL) {
            add(&r, "  The library %s (module %s) ran code on a thread of the VM outside of any native call.\n", lib->name,
                lib->module);
        } else {
            add(&r, "  This is a fault in Bulkhead's own code, not in a native call: please report it.\n");
        }
        if (fault_is_vm_code(pc)) {
            extern const char __executable_start[]; /* made by the linker */
            add(&r, "  bulkhead+%#lx\n", (unsigned long) (pc - (uintptr_t) __executable_start));
        }
    }
    write_text(r.text, r.n);
}
