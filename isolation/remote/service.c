/* service.c - what workers ask of the VM, and the messages they send. Nothing here blocks. */
#include <string.h>

#include "isolation/remote/remote_internal.h"
#include "nif/host.h"

enum { MAX_PIECES_BYTES = 256 << 20 };

/* A word of a question's body. */
static bool word_of(const uint8_t *body, size_t n, tainted *out)
{
    uint64_t w;
    if (n != sizeof(w)) {
        return false;
    }
    memcpy(&w, body, sizeof(w));
    *out = taint(w);
    return true;
}

static bool ask_pid(struct remote_worker *w, uint64_t what, const uint8_t *body, size_t n, uint64_t *out)
{
    tainted word;
    term pid;
    if (!word_of(body, n, &word)) {
        return false;
    }
    if (what == ASK_PORT_ALIVE) {
        *out = tainted_port(word, &pid) && nif_host->port_alive(pid);
    } else if (what == ASK_WATCH) {
        *out = tainted_pid(word, &pid) && remote_watch(w, pid);
    } else {
        *out = tainted_pid(word, &pid) && nif_host->process_alive(pid);
    }
    return true;
}

static bool ask_whereis(const uint8_t *body, size_t n, uint64_t *out)
{
    term name = n <= ATOM_MAX_BYTES ? atom_lookup((const char *) body, n) : TERM_NONE;
    *out = term_is_none(name) ? 0 : nif_host->whereis(name).word;
    return true;
}

static bool ask_port_command(const uint8_t *body, size_t n, uint64_t *out)
{
    struct etf_decode_ext x = { .n_blobs = 0 };
    struct heap h;
    heap_init_frags(&h);
    term t = n != 0 ? etf_decode_ext(&h, body, n, 0, &x) : TERM_NONE;
    bool good = term_is_tuple_of(t, 2);
    *out = good && term_is_local_port(term_tuple_get(t, 0))
           && nif_host->port_command(NULL, term_tuple_get(t, 0), term_tuple_get(t, 1));
    heap_destroy(&h);
    return good;
}

bool service_ask(struct remote_lane *lane, struct remote_worker *w, tainted what, const uint8_t *body, size_t n, uint64_t *out)
{
    uint64_t kind;
    tainted word;
    *out = 0;
    if (!tainted_below(what, ASK_MEMORY + 1, &kind)) {
        return false;
    }
    switch ((enum ask_kind) kind) {
    case ASK_WHEREIS: return ask_whereis(body, n, out);
    case ASK_PROCESS_ALIVE:
    case ASK_PORT_ALIVE:
    case ASK_WATCH: return ask_pid(w, kind, body, n, out);
    case ASK_CALLER_ALIVE: *out = lane != NULL && !lane->cancelled; return true;
    case ASK_UNIQUE:
        if (!word_of(body, n, &word)) {
            return false;
        }
        *out = nif_host->unique_integer(!tainted_is(word, 0));
        return true;
    case ASK_NOW_US: *out = (uint64_t) nif_host->now_us(); return true;
    case ASK_PORT_COMMAND: return ask_port_command(body, n, out);
    case ASK_ATOM: *out = atom_intern((const char *) body, n).word; return true;
    case ASK_MEMORY:
        *out = 0;
        return lane != NULL && word_of(body, n, &word) && w->mode->memory_for != NULL && w->mode->memory_for(lane, word, out);
    }
    return false;
}

bool service_send(struct remote_worker *w, tainted to, struct term_reader *r)
{
    struct heap h;
    term pid;
    (void) w;
    heap_init_frags(&h);
    term message = term_decode(r, &h, 0);
    bool good = !term_is_none(message);
    if (good && tainted_pid(to, &pid)) {
        (void) nif_host->send(NULL, pid, message, &h);
    }
    heap_destroy(&h);
    return good;
}

/* A message of a thread outside of any call, put together from its pieces. */
static bool take_piece(struct remote_worker *w, const struct datagram *d, const uint8_t *payload, size_t n)
{
    if (w->n_pieces + n > MAX_PIECES_BYTES) {
        return false;
    }
    w->pieces = vm_realloc(w->pieces, w->n_pieces + n + 1);
    memcpy(w->pieces + w->n_pieces, payload, n);
    w->n_pieces += n;
    if (d->more) {
        return true;
    }
    struct etf_decode_ext x = { .resource = remote_resource_term, .arg = w };
    struct heap h;
    term pid;
    heap_init_frags(&h);
    term message = w->n_pieces != 0 ? etf_decode_ext(&h, w->pieces, w->n_pieces, 0, &x) : TERM_NONE;
    bool good = !term_is_none(message);
    if (good && tainted_pid(taint(d->value), &pid)) {
        (void) nif_host->send(NULL, pid, message, &h);
    }
    heap_destroy(&h);
    vm_free(w->pieces);
    w->pieces = NULL;
    w->n_pieces = 0;
    return good;
}

/* A destructor or the like did not return: nobody exits for it, but it counts, and is reported. */
static bool callback_crashed(struct remote_worker *w, tainted what, const uint8_t *payload, size_t n)
{
    struct wire_crash crash;
    struct native_outcome o;
    uint64_t which;
    if (n != sizeof(crash) || !tainted_below(what, WIRE_CALLBACKS, &which)) {
        return false;
    }
    memcpy(&crash, payload, sizeof(crash));
    outcome_from_wire(&o, &crash);
    struct native_call call = { .library = w->pool->library, .entry = NATIVE_CALLBACK, .name = wire_callback_names[which] };
    native_outcome_account(&call, &o);
    native_outcome_clear(&o);
    if (library_policy(w->pool->library, POLICY_AFTER_CRASH) == POLICY_AFTER_CRASH_REPLACE) {
        pool_retire(w, true);
    }
    return true;
}

bool service_datagram(struct remote_worker *w, const struct datagram *d, const uint8_t *payload, size_t n)
{
    uint64_t kind, answer;
    if (!tainted_below(taint(d->kind), DATAGRAM_NO_LANE + 1, &kind)) {
        return false;
    }
    switch ((enum datagram_kind) kind) {
    case DATAGRAM_SEND: return take_piece(w, d, payload, n);
    case DATAGRAM_ASK:
        if (w->n_outgoing > OUTBOX_MAX_ANSWERS || !service_ask(NULL, w, taint(d->value), payload, n, &answer)) {
            return false;
        }
        outbox_send(w, &(struct datagram) { .kind = DATAGRAM_ANSWER, .number = d->number, .value = answer }, NULL, 0, NULL, 0);
        return true;
    case DATAGRAM_CRASHED: return callback_crashed(w, taint(d->value), payload, n);
    case DATAGRAM_NO_LANE: return pool_lane_refused(w, taint(d->value));
    case DATAGRAM_SETUP:
    case DATAGRAM_LANE:
    case DATAGRAM_ABANDON:
    case DATAGRAM_RELEASE:
    case DATAGRAM_DOWN:
    case DATAGRAM_ANSWER:
    case DATAGRAM_UNLOAD:
    case DATAGRAM_CLOSE: break;
    }
    return false;
}
