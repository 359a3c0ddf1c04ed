/* hostile_worker.c - a worker that does not keep to the protocol; for tests only.
 *
 * It answers FRAME_OPEN properly, saying that it has one function for each misdeed below; when one is called,
 * that is what it does. hostile_tests.erl has the same names and says what must become of each call.
 * HOSTILE_SEED in the environment makes what is random the same again.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "isolation/remote/channel_ring.c" /* to write what channel_send() never would */
#include <sys/socket.h>

#include "isolation/remote/protocol.h"
#include "isolation/remote/term_message.h"
#include "isolation/worker/worker.h"
#include "lib/base/arena.h"
#include "nif/nif_handle.h"
#include "vm/core/atom.h"
#include "vm/core/heap.h"

enum { MAX_FDS = 4, NOBODY = 0x7FFFF };

static struct {
    int socket, garbage_fd; /* garbage_fd: another descriptor of the channel's socket, or -1 */
    struct setup setup;
    struct channel *channel;
    struct heap heap;
    struct term_writer out;
    struct frame_header call;
    uint64_t random, caller;
} w = { .garbage_fd = -1 };

static uint64_t random64(void)
{
    w.random += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = w.random;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}
static uint32_t below(uint32_t n) { return (uint32_t) (random64() % n); }
/* A number that code forgets. */
static uint64_t odd_number(void)
{
    static const uint64_t some[] = { 0, 1, 2, 7, 8, 63, 64, 65, 255, 4095, 4096, 16384, 16385, 65535, 65536, 131072, UINT64_C(1) << 30,
        (UINT64_C(1) << 30) + 1, UINT32_MAX, UINT64_C(1) << 32, INT64_MAX, UINT64_MAX, UINT64_MAX - 7, UINT64_MAX - 4095 };
    return below(3) == 0 ? random64() >> below(64) : some[below(ARRAY_LEN(some))];
}
static void fill(void *to, size_t n)
{
    uint8_t *p = to;
    for (size_t i = 0; i < n; i++) {
        p[i] = (uint8_t) random64();
    }
}

/* ---- what is sent ---- */

static void send_body(uint32_t kind, uint32_t number, uint64_t extra, const void *body, size_t n)
{
    struct frame_header h = { .kind = kind, .number = number, .extra = extra };
    struct channel_part part = { body, n };
    (void) channel_send(w.channel, &h, &part, n != 0);
}
static void send_term(uint32_t kind, uint32_t number, uint64_t extra, term t)
{
    struct frame_header h = { .kind = kind, .number = number, .extra = extra };
    bool too_large;
    (void) term_send(&w.out, w.channel, &h, NULL, 0, t, &too_large);
}
static term a_term(void)
{
    struct heap *h = &w.heap;
    term bytes = bits_from_bytes(h, "some bytes that are a binary of the heap, or not", 48);
    return heap_tuple3(h, ATOM(ok), heap_cons(h, term_from_small(-5), heap_cons(h, bytes, TERM_NIL)), heap_integer(h, INT64_MAX));
}
static void answer(void) { send_term(FRAME_RESULT, w.call.number, 0, ATOM(ok)); }

/* A frame whose header says what it likes. RING only. */
static void send_raw(const struct frame_header *h, const void *body, size_t n)
{
    struct ring *r = ring_of(w.channel);
    struct direction *out = &r->out;
    out->number++;
    struct slot *s = &out->slots[out->number % RING_SLOTS];
    memcpy(n <= SLOT_BODY ? s->body : out->data, body, n);
    slot_set_header(s, h, s->taken, s->restart != 0);
    (void) ring_publish(r, s, out->number);
}
/* Waits to be killed, or for the next call. */
static void nothing_more(void) {}

/* ---- misdeeds ---- */

static void do_answer(void) { answer(); }
static void do_silence(void) { nothing_more(); }
static void do_any_kind(void)
{
    uint8_t body[200];
    fill(body, sizeof(body));
    send_body(below(4) == 0 ? (uint32_t) random64() : below(64), w.call.number, odd_number(), body, below(sizeof(body)));
    send_body(below(32), w.call.number, 0, NULL, 0); /* none of a worker's */
}
static void do_wrong_number(void) { send_term(FRAME_RESULT, w.call.number + 1 + below(3), 0, ATOM(ok)); }
static void do_answer_twice(void) { answer(); answer(); }
static void do_answer_later(void) { answer(); usleep(20000); send_term(FRAME_SEND, w.call.number, w.caller, ATOM(ok)); }
static void do_other_answer(void) { send_term(FRAME_OPENED, w.call.number, 0, a_term()); }
static void do_header(void)
{
    uint8_t body[SLOT_BODY];
    fill(body, sizeof(body));
    struct frame_header h = { below(2) ? FRAME_RESULT : (uint32_t) odd_number(), below(2) ? w.call.number : (uint32_t) odd_number(), odd_number(),
        odd_number() };
    if (w.garbage_fd >= 0) {
        (void) !write(w.garbage_fd, &h, sizeof(h));
        (void) !write(w.garbage_fd, body, sizeof(body));
    } else {
        send_raw(&h, body, sizeof(body));
        send_raw(&h, body, sizeof(body));
    }
    send_body(1, 0, 0, NULL, 0);
}
static void do_term_header(void) /* lengths in a body */
{
    static uint8_t body[70000];
    fill(body, sizeof(body));
    struct { uint32_t etf_bytes, n_blobs; } head = { (uint32_t) odd_number(), (uint32_t) odd_number() };
    if (below(2)) {
        head.etf_bytes |= WIRE_BLOBS;
        head.n_blobs = below(ETF_MAX_BLOBS + 2);
    }
    memcpy(body, &head, sizeof(head));
    for (unsigned i = 0; i < ETF_MAX_BLOBS; i++) {
        uint64_t size = odd_number();
        memcpy(body + sizeof(head) + i * 8, &size, 8);
    }
    body[sizeof(head) + (head.n_blobs < 100 ? head.n_blobs : 0) * 8] = 131;
    send_body(below(2) ? FRAME_RESULT : FRAME_RAISED, w.call.number, below(3), body, below(2) ? below(sizeof(body)) : below(600));
    send_body(1, 0, 0, NULL, 0); /* by chance it was a term */
}
static void do_term_bytes(void) /* a term with a few bytes changed */
{
    struct etf_encode_ext x = { .blob_min = SIZE_MAX };
    uint8_t body[2000];
    size_t n = etf_encode_ext(a_term(), &x, &w.out.buffer, &w.out.capacity);
    struct wire_term head = { (uint32_t) n };
    memcpy(body, &head, sizeof(head));
    memcpy(body + sizeof(head), w.out.buffer, n);
    for (unsigned i = 0; i <= below(4); i++) {
        body[sizeof(head) + below((uint32_t) n)] = (uint8_t) random64();
    }
    send_body(FRAME_RESULT, w.call.number, 0, body, sizeof(head) + n);
    send_body(1, 0, 0, NULL, 0);
}
static uint64_t handle_of(void *arg, const uintptr_t *object) { (void) arg; return object[3]; }
static void do_other_handle(void) /* a resource of another worker, or one that never was */
{
    uint64_t handle = below(2) ? random64() | NIF_HANDLE_MARK : nif_handle_make(w.setup.serial - 1 - below(3), below(9), 1 + below(3));
    uintptr_t object[HEAP_RESOURCE_WORDS] = { TERM_HEADER(TAG_RESOURCE, HEAP_RESOURCE_WORDS - 1), 0, 0, handle };
    w.out.ext.handle_of = handle_of;
    send_term(FRAME_RESULT, w.call.number, 0, term_from_boxed_ptr(object));
    send_body(1, 0, 0, NULL, 0);
}
static void do_crash_record(void)
{
    struct {
        struct wire_crash crash;
        struct wire_term head;
        uint8_t etf[100];
    } body;
    fill(&body, sizeof(body));
    if (below(2)) {
        body.crash.status = below(NATIVE_POLICY + 2);
        body.crash.panic = below(PANIC_COUNT + 1);
        body.crash.place = (uint8_t) below(PLACE_COUNT + 1);
        body.crash.signal = (int32_t) below(66);
        body.crash.number = below(2) ? (int64_t) odd_number() : 5;
    }
    body.head = (struct wire_term) { 2 };
    body.etf[0] = 131;
    body.etf[1] = 106;
    send_body(FRAME_CRASHED, w.call.number, 0, &body, below(2) ? sizeof(body.crash) + sizeof(body.head) + 2 : below(sizeof(body)));
    send_body(1, 0, 0, NULL, 0);
}
static void do_questions(void)
{
    uint8_t body[300];
    for (int i = 0; i < 200; i++) {
        uint64_t kind = below(12), word = below(2) ? odd_number() : w.caller;
        fill(body, sizeof(body));
        memcpy(body, &word, 8);
        if (kind == ASK_ATOM && below(4) != 0) {
            continue; /* the table of atoms is finite */
        }
        send_body(FRAME_ASK, w.call.number, kind, body, below(4) ? 8 : below(sizeof(body)));
        struct frame_header h;
        if (channel_wait(w.channel, NULL) != CHANNEL_OK || channel_receive(w.channel, &h) != CHANNEL_OK) {
            return;
        }
        channel_done(w.channel);
    }
    send_body(FRAME_ASK, w.call.number, ASK_MEMORY + 1, NULL, 0);
}
static void do_question_flood(void)
{
    for (;;) {
        send_body(FRAME_ASK, w.call.number, ASK_NOW_US, NULL, 0);
    }
}
static void do_send_flood(void)
{
    for (;;) {
        send_term(FRAME_SEND, w.call.number, term_from_small(NOBODY).word, ATOM(ok));
    }
}
static void do_taken(void) /* the words that say what it has read */
{
    if (w.garbage_fd >= 0) {
        send_body(1, 0, 0, NULL, 0);
        return;
    }
    struct ring *r = ring_of(w.channel);
    answer();
    atomic_store(&r->mine->taken, (uint32_t) odd_number());
    atomic_store(&r->mine->received, (uint32_t) odd_number());
    atomic_store(&r->mine->state, (uint32_t) odd_number());
    atomic_store(&r->mine->waits_for_room, (uint32_t) odd_number());
    usleep(1000);
    send_body(1, 0, 0, NULL, 0);
}
static void do_not_taken(void) /* answers, and says no more what it has read */
{
    static const uint8_t body[] = { 5, 0, 0, 0, 131, 119, 2, 'o', 'k' }; /* a wire_term: ok */
    if (w.garbage_fd >= 0) {
        answer();
        return;
    }
    struct ring *r = ring_of(w.channel);
    static uint32_t said;
    said = said != 0 ? said : r->in.number;
    r->out.slots[(r->out.number + 1) % RING_SLOTS].taken = said;
    atomic_store(&r->mine->taken, said);
    send_raw(&(struct frame_header) { FRAME_RESULT, w.call.number, sizeof(body), 0 }, body, sizeof(body));
}
static void do_stamps(void)
{
    if (w.garbage_fd < 0) {
        struct ring *r = ring_of(w.channel);
        for (unsigned i = 0; i < RING_SLOTS; i++) {
            fill(&r->out.slots[i], sizeof(struct slot));
            atomic_store(&r->out.slots[i].stamp, r->out.number + below(RING_SLOTS * 2));
            fill(&r->in.slots[i], sizeof(struct slot));
        }
        uint64_t one = 1;
        (void) !write(r->fds[1], &one, sizeof(one));
        ring_futex_wake(&r->out.slots[(r->out.number + 1) % RING_SLOTS].stamp);
    } else {
        uint8_t garbage[1000];
        fill(garbage, sizeof(garbage));
        (void) !write(w.garbage_fd, garbage, sizeof(garbage));
    }
    send_body(1, 0, 0, NULL, 0);
}
/* Races on purpose. */
__attribute__((no_sanitize("thread"))) static void *scribble(void *arg)
{
    struct shared *s = arg;
    for (uint64_t x = 88172645463325252u;;) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        struct slot *slot = &s->slots[REPLIES][x % RING_SLOTS];
        switch (x >> 60) {
        case 0: slot->bytes = (uint32_t) (x >> (x >> 20 & 63)); break;
        case 1: slot->number ^= 1; break;
        case 2: slot->kind = (uint16_t) (x >> 30 & 63); break;
        case 3: atomic_store(&s->worker.taken, (uint32_t) x); break;
        case 4: atomic_store(&s->worker.state, x >> 30 & 3); break;
        default: slot->body[x >> 8 & 63] = (uint8_t) (x >> 16); s->data[REPLIES][x >> 24 & (CHANNEL_RING_BYTES - 1)] ^= 1; break;
        }
    }
    return arg;
}
static void do_rewrite(void)
{
    static bool writes;
    if (!writes && w.garbage_fd < 0) {
        pthread_t thread;
        writes = pthread_create(&thread, NULL, scribble, ring_of(w.channel)->shared) == 0;
    }
    for (int i = 0; i < 300; i++) {
        send_term(FRAME_SEND, w.call.number, term_from_small(NOBODY).word, a_term());
    }
    answer();
}
static void send_datagram(const struct datagram *d, const void *payload, size_t n)
{
    struct iovec parts[2] = { { (void *) d, sizeof(*d) }, { (void *) payload, n } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
    if (sendmsg(w.socket, &m, MSG_NOSIGNAL) < 0) {
        _exit(0);
    }
}
static void do_datagrams(void)
{
    static uint8_t payload[PROTOCOL_DATAGRAM_MAX];
    for (int i = 0; i < 100; i++) {
        struct datagram d = { (uint16_t) (below(3) ? below(40) : DATAGRAM_SEND), (uint16_t) below(2), (uint32_t) odd_number(), below(2) ? odd_number() : w.caller };
        fill(payload, 3000);
        payload[0] = 131;
        send_datagram(&d, payload, below(4) ? below(3000) : below(sizeof(payload)));
    }
    send(w.socket, payload, below(sizeof(struct datagram)), MSG_NOSIGNAL);
}
static void do_datagram_flood(void)
{
    uint64_t word = 1;
    for (;;) {
        send_datagram(&(struct datagram) { .kind = DATAGRAM_ASK, .value = ASK_UNIQUE }, &word, sizeof(word));
    }
}
static void do_endless_message(void)
{
    static uint8_t payload[32000];
    for (;;) {
        send_datagram(&(struct datagram) { .kind = DATAGRAM_SEND, .more = 1, .value = w.caller }, payload, sizeof(payload));
    }
}
static void do_descriptors(void)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(200 * sizeof(int))];
    } control;
    uint64_t word = 1;
    struct datagram d = { .kind = DATAGRAM_ASK, .value = ASK_UNIQUE };
    for (int i = 0; i < 50; i++) {
        struct iovec parts[2] = { { &d, sizeof(d) }, { &word, sizeof(word) } };
        struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control) };
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(200 * sizeof(int)) };
        for (int k = 0; k < 200; k++) {
            memcpy(CMSG_DATA(c) + (size_t) k * sizeof(int), &w.socket, sizeof(int));
        }
        (void) sendmsg(w.socket, &m, MSG_NOSIGNAL);
    }
    usleep(20000);
    answer();
}
static void do_close_socket(void) { close(w.socket); }
static void do_ring_the_bell(void)
{
    uint64_t much = UINT64_MAX - 1;
    for (;;) {
        if (w.garbage_fd >= 0 || write(ring_of(w.channel)->fds[1], &much, sizeof(much)) < 0) {
            usleep(100);
        }
    }
}
static void do_stop(void) { raise(SIGSTOP); }
static void do_exit(void) { answer(); _exit(7); }
static void do_exit_in_the_middle(void)
{
    struct frame_header h = { FRAME_RESULT, w.call.number, 1 << 20, 0 };
    if (w.garbage_fd >= 0) {
        (void) !write(w.garbage_fd, &h, sizeof(h));
    }
    _exit(7);
}

static const struct {
    const char *name;
    void (*fn)(void);
} misdeeds[] = {
    { "answer", do_answer }, { "silence", do_silence }, { "any_kind", do_any_kind }, { "wrong_number", do_wrong_number },
    { "answer_twice", do_answer_twice }, { "answer_later", do_answer_later }, { "other_answer", do_other_answer }, { "header", do_header },
    { "term_header", do_term_header }, { "term_bytes", do_term_bytes }, { "other_handle", do_other_handle },
    { "crash_record", do_crash_record }, { "questions", do_questions }, { "question_flood", do_question_flood },
    { "send_flood", do_send_flood }, { "taken", do_taken }, { "stamps", do_stamps }, { "rewrite", do_rewrite },
    { "datagrams", do_datagrams }, { "datagram_flood", do_datagram_flood }, { "endless_message", do_endless_message },
    { "descriptors", do_descriptors }, { "close_socket", do_close_socket }, { "ring_the_bell", do_ring_the_bell }, { "stop", do_stop }, { "not_taken", do_not_taken },
    { "exit", do_exit }, { "exit_in_the_middle", do_exit_in_the_middle },
};

/* ---- opening ---- */

static term functions(void)
{
    struct heap *h = &w.heap;
    term list = TERM_NIL;
    for (size_t i = ARRAY_LEN(misdeeds); i-- > 0;) {
        list = heap_cons(h, heap_tuple3(h, atom_from_cstr(misdeeds[i].name), term_from_small(0), term_from_small(0)), list);
    }
    return list;
}
/* The name of the library says what it claims to be. */
static term claims(const uint8_t *request, size_t n)
{
    struct heap *h = &w.heap;
    const uint8_t *at = memmem(request, n, "claim_", 6);
    term none = TERM_NIL, name = atom_from_cstr("answer");
    switch (at != NULL && at + 6 < request + n ? at[6] : '0') {
    case '1': return heap_tuple2(h, ATOM(ok), ATOM(ok));
    case '2': return heap_tuple2(h, ATOM(ok), heap_cons(h, ATOM(ok), none));
    case '3': return heap_tuple2(h, ATOM(ok), heap_cons(h, heap_tuple3(h, name, term_from_small(1000), term_from_small(0)), none));
    case '4': return heap_tuple2(h, ATOM(ok), heap_cons(h, heap_tuple3(h, name, term_from_small(0), term_from_small(-1)), none));
    case '5': return heap_tuple2(h, ATOM(ok), heap_cons(h, heap_tuple3(h, name, term_from_small(0), term_from_small(0)), ATOM(ok)));
    case '6': return heap_tuple2(h, ATOM(error), heap_tuple2(h, term_from_small(1), name));
    case '7': return a_term();
    case '8': return heap_tuple2(h, ATOM(ok), heap_cons(h, heap_tuple3(h, term_from_small(7), name, term_from_small(0)), none));
    default: return heap_tuple2(h, ATOM(ok), functions());
    }
}

static void serve(void)
{
    struct frame_header h;
    while (channel_wait(w.channel, NULL) == CHANNEL_OK) {
        if (channel_receive(w.channel, &h) != CHANNEL_OK) {
            continue;
        }
        uint64_t target = h.extra;
        w.call = h;
        if (h.kind == FRAME_OPEN) {
            term t = claims(channel_body(w.channel), h.bytes);
            channel_done(w.channel);
            send_term(FRAME_OPENED, h.number, 0, t);
        } else if (h.kind == FRAME_CALL) {
            memcpy(&w.caller, channel_body(w.channel), sizeof(w.caller));
            channel_done(w.channel);
            misdeeds[(uint32_t) target % ARRAY_LEN(misdeeds)].fn();
        } else {
            channel_done(w.channel);
        }
    }
    for (;;) {
        pause();
    }
}

static void attach(const struct datagram *d, const int *fds, size_t n_fds)
{
    enum channel_transport t = (enum channel_transport) (d->value >> 8);
    w.garbage_fd = t == CHANNEL_SOCKET && n_fds > 0 ? dup(fds[0]) : -1;
    w.channel = channel_attach(t, fds, n_fds);
    if (w.channel == NULL) {
        _exit(3);
    }
}

_Noreturn void worker_main(int socket)
{
    static char payload[PROTOCOL_DATAGRAM_MAX];
    const char *seed = getenv("HOSTILE_SEED");
    w.socket = socket;
    if (!arena_init_all()) {
        _exit(3);
    }
    atom_table_init();
    if (heap_init(&w.heap, 65536) != HEAP_OK) {
        _exit(3);
    }
    for (;;) {
        union {
            struct cmsghdr header;
            char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
        } control;
        struct datagram d;
        int fds[MAX_FDS];
        size_t n_fds = 0;
        struct iovec parts[2] = { { &d, sizeof(d) }, { payload, sizeof(payload) } };
        struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control) };
        if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) < (ssize_t) sizeof(d)) {
            _exit(0);
        }
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        if (c != NULL) {
            n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
        }
        if (d.kind == DATAGRAM_SETUP) {
            memcpy(&w.setup, payload, sizeof(w.setup));
            w.random = (seed != NULL ? strtoull(seed, NULL, 10) : 1) * 1000003 + w.setup.serial;
        } else if (d.kind == DATAGRAM_LANE) {
            attach(&d, fds, n_fds);
            serve();
        }
    }
}
