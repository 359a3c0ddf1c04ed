/* crash_wire.c - outcomes of calls that ended in a worker. */
#include <string.h>

#include "isolation/remote/remote_internal.h"

static void copy_text(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    to[n - 1] = '\0';
}

const char *const wire_callback_names[WIRE_CALLBACKS] = {
    [WIRE_DESTRUCTOR] = "destructor",
    [WIRE_DOWN] = "down",
    [WIRE_STOP] = "stop",
    [WIRE_UNLOAD] = "unload",
    [WIRE_THREAD] = "(thread)",
    [WIRE_LOAD] = "load",
    [WIRE_OTHER] = "(callback)",
};

/* Numbers that are none of ours become a violation: a worker of our own build sends no such thing. */
void outcome_from_wire(struct native_outcome *out, const struct wire_crash *c)
{
    uint64_t status, panic, place, signal, number;
    if (!tainted_below(taint(c->status), NATIVE_POLICY + 1, &status) || status < NATIVE_PANICKED
        || !tainted_below(taint(c->panic), PANIC_COUNT, &panic) || !tainted_below(taint(c->place), PLACE_COUNT, &place)
        || !tainted_below(taint((uint64_t) c->signal), 65, &signal)
        || !tainted_below(taint((uint64_t) c->number), UINT64_C(1) << 40, &number)) {
        native_outcome_panic(out, PANIC_PROTOCOL, "");
        return;
    }
    *out = (struct native_outcome) { .status = (enum native_status) status, .number = (int64_t) number,
        .crash = vm_zalloc(sizeof(*out->crash)) };
    struct native_crash *to = out->crash;
    to->panic = (enum native_panic) panic;
    to->signal = (int) signal;
    to->code = (int) TAINTED_BECAUSE(taint((uint64_t) c->code), "only shown");
    to->address = (uintptr_t) TAINTED_BECAUSE(taint(c->address), "only shown");
    to->pc = (uintptr_t) TAINTED_BECAUSE(taint(c->pc), "only shown");
    to->is_write = c->is_write != 0;
    to->has_address = c->has_address != 0;
    to->place = (enum crash_place) place;
    copy_text(to->text, c->text, sizeof(to->text));
    copy_text(to->detail, c->detail, sizeof(to->detail));
    to->frames = vm_alloc(sizeof(c->frames));
    copy_text(to->frames, c->frames, sizeof(c->frames));
}

void outcome_of_end(struct native_outcome *out, struct worker_end end)
{
    *out = (struct native_outcome) { .status = end.signalled ? NATIVE_SIGNALLED : NATIVE_EXITED, .number = end.number,
        .crash = vm_zalloc(sizeof(*out->crash)) };
    out->crash->signal = end.signalled ? end.number : 0;
}

struct native_outcome outcome_copy(const struct native_outcome *o)
{
    struct native_outcome copy = *o;
    if (o->crash != NULL) {
        copy.crash = vm_alloc(sizeof(*copy.crash));
        *copy.crash = *o->crash;
        if (o->crash->frames != NULL) {
            size_t n = strlen(o->crash->frames) + 1;
            copy.crash->frames = memcpy(vm_alloc(n), o->crash->frames, n);
        }
    }
    return copy;
}
