#include "isolation/worker/worker_state.h"
#include "nif/host.h"

/* Calls tell of their crashes in their answer; this is for all else that runs library code. */
static void tell(const struct native_call *call, const struct native_outcome *o)
{
    struct wire_crash crash;
    uint64_t which = 0;
    if (call->entry == NATIVE_FUNCTION) {
        return;
    }
    while (which < WIRE_OTHER && (call->name == NULL || strcmp(call->name, wire_callback_names[which]) != 0)) {
        which++;
    }
    worker_describe(&crash, o);
    worker_datagram(&(struct datagram) { .kind = DATAGRAM_CRASHED, .value = call->entry == NATIVE_THREAD ? WIRE_THREAD : which },
        &crash, sizeof(crash));
}

void worker_crash_init(void)
{
    native_outcome_elsewhere = tell;
}

void worker_describe(struct wire_crash *out, const struct native_outcome *o)
{
    const struct native_crash *c = o->crash;
    memset(out, 0, sizeof(*out));
    out->status = o->status;
    out->number = o->number;
    if (c == NULL) {
        return;
    }
    out->panic = c->panic;
    out->signal = c->signal;
    out->code = c->code;
    out->address = c->address;
    out->pc = c->pc;
    out->is_write = c->is_write;
    out->has_address = c->has_address;
    out->place = (uint8_t) c->place;
    memcpy(out->text, c->text, sizeof(out->text));
    memcpy(out->detail, c->detail, sizeof(out->detail));
    size_t n = unwind_text(&c->trace, out->frames, sizeof(out->frames) - 1);
    out->frames[n < sizeof(out->frames) - 1 ? n : sizeof(out->frames) - 1] = '\0';
}
