/* worker_host.c - what the NIF API asks of the VM, as messages.
 *
 * A thread that serves a lane speaks over that lane: its messages and questions come in order with
 * its result. Others (threads of the library, the deferred thread) use the socket.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolation/thread.h"
#include "isolation/worker/worker_state.h"
#include "lib/base/futex.h"
#include "nif/host.h"
#include "nif/nif_handle.h"

static _Atomic uint64_t ref_counter;

/* A child that the library forked shares the worker's socket and channels, but is not the worker: it may exec or
 * exit, and has nobody to speak to. */
static void speak_as_worker(void)
{
    if (worker.forked) {
        _exit(127);
    }
}

/* ---- the socket ---- */

void worker_datagram(const struct datagram *d, const void *payload, size_t n)
{
    struct iovec parts[2] = { { (void *) d, sizeof(*d) }, { (void *) payload, n } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = n != 0 ? 2 : 1 };
    speak_as_worker();
    while (sendmsg(worker.socket, &m, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR && errno != ENOBUFS && errno != ENOMEM) {
            _exit(0); /* the VM is gone */
        }
    }
}

/* ---- questions ---- */

/* One at a time from threads without a lane. */
static struct {
    pthread_mutex_t lock;
    _Atomic uint32_t answered; /* futex: number of the last answer */
    uint32_t number;
    uint64_t value;
} asking = { .lock = PTHREAD_MUTEX_INITIALIZER };

void worker_answered(const struct datagram *d)
{
    asking.value = d->value;
    atomic_store(&asking.answered, d->number);
    futex_wake(&asking.answered);
}

static uint64_t ask_by_socket(enum ask_kind what, const void *body, size_t n)
{
    pthread_mutex_lock(&asking.lock);
    struct datagram d = { .kind = DATAGRAM_ASK, .number = ++asking.number, .value = what };
    worker_datagram(&d, body, n);
    uint32_t seen;
    while ((seen = atomic_load(&asking.answered)) != d.number) {
        futex_wait(&asking.answered, seen, FUTEX_FOREVER);
    }
    uint64_t value = asking.value;
    pthread_mutex_unlock(&asking.lock);
    return value;
}

static uint64_t ask_by_lane(struct worker_lane *lane, enum ask_kind what, const void *body, size_t n)
{
    struct frame_header h = { .kind = FRAME_ASK, .number = lane->number, .extra = what };
    struct channel_part part = { body, n };
    if (channel_send(lane->channel, &h, &part, n != 0 ? 1 : 0) != CHANNEL_OK) {
        _exit(0);
    }
    for (;;) {
        if (channel_wait(lane->channel, NULL) != CHANNEL_OK) {
            _exit(0);
        }
        if (channel_receive(lane->channel, &h) == CHANNEL_OK) {
            channel_done(lane->channel);
            if (h.kind == FRAME_ANSWER && h.number == lane->number) {
                return h.extra;
            }
        }
    }
}

uint64_t worker_ask(enum ask_kind what, const void *body, size_t n)
{
    speak_as_worker();
    nif_guard_enter(); /* the answer comes soon, and a timeout can wait for it */
    uint64_t answer = worker_lane != NULL ? ask_by_lane(worker_lane, what, body, n) : ask_by_socket(what, body, n);
    nif_guard_leave();
    return answer;
}

static uint64_t ask_about(enum ask_kind what, term t)
{
    return worker_ask(what, &t.word, sizeof(t.word));
}

/* ---- terms that cross ---- */

uint64_t worker_handle_of(void *arg, const uintptr_t *object)
{
    struct nif_resource *r = nif_resource_from_term(term_from_boxed_ptr((uintptr_t *) object));
    (void) arg;
    return r != NULL ? nif_handle_sent(r) : 0;
}

term worker_resource(void *arg, struct heap *h, uint64_t handle)
{
    struct nif_resource *r = nif_resource_of_handle(handle);
    (void) arg;
    if (r == NULL) {
        return heap_ref(h, handle, 0); /* not ours: a reference as any other */
    }
    return nif_resource_make_term(h, r);
}

/* ---- the host ---- */

static uint64_t next_ref_id(void)
{
    return worker_first_ref_id(worker.setup.serial) + atomic_fetch_add_explicit(&ref_counter, 1, memory_order_relaxed);
}

static uint64_t unique_integer(bool monotonic)
{
    uint64_t body = monotonic;
    return worker_ask(ASK_UNIQUE, &body, sizeof(body));
}

static int64_t time_offset_ns(void)
{
    return worker.setup.time_offset_ns;
}

static int64_t now_us(void)
{
    return (int64_t) worker_ask(ASK_NOW_US, NULL, 0);
}

/* In pieces that fit a datagram; the VM puts them together. */
static void send_by_socket(term to, term message)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct term_writer w;
    pthread_mutex_lock(&lock);
    w.ext = (struct etf_encode_ext) { .blob_min = SIZE_MAX, .handle_of = worker_handle_of };
    size_t n = etf_encode_ext(message, &w.ext, &w.buffer, &w.capacity);
    enum { PIECE = 32 << 10 };
    for (size_t at = 0; at < n; at += PIECE) {
        size_t piece = n - at < PIECE ? n - at : PIECE;
        struct datagram d = { .kind = DATAGRAM_SEND, .more = at + piece < n, .value = to.word };
        worker_datagram(&d, w.buffer + at, piece);
    }
    pthread_mutex_unlock(&lock);
}

static bool process_alive(term pid)
{
    return ask_about(ASK_PROCESS_ALIVE, pid) != 0;
}

static bool host_send(struct enif_environment_t *env, term to, term message, struct heap *built)
{
    struct worker_lane *lane = worker_lane;
    bool too_large, lost = false;
    (void) env;
    speak_as_worker();
    nif_guard_enter();
    bool alive = process_alive(to); /* before: it may end because of the message */
    if (alive && lane != NULL) {
        static _Thread_local struct term_writer w __attribute__((tls_model("initial-exec")));
        struct frame_header h = { .kind = FRAME_SEND, .number = lane->number, .extra = to.word };
        w.ext.handle_of = worker_handle_of;
        lost = term_send(&w, lane->channel, &h, NULL, 0, message, &too_large) != CHANNEL_OK;
    } else if (alive) {
        send_by_socket(to, message);
    }
    nif_guard_leave();
    if (built != NULL) {
        heap_destroy(built);
        heap_init_frags(built);
    }
    return alive && !lost;
}

static bool port_alive(term port)
{
    return ask_about(ASK_PORT_ALIVE, port) != 0;
}
static bool caller_alive(struct enif_environment_t *env)
{
    return worker_lane != NULL && env->pid.word != 0 && worker_ask(ASK_CALLER_ALIVE, NULL, 0) != 0;
}
static bool watch(term pid)
{
    return ask_about(ASK_WATCH, pid) != 0;
}

static term whereis(term name)
{
    struct atom_text t = atom_text(name);
    return (term) { worker_ask(ASK_WHEREIS, t.utf8, t.bytes) };
}

static bool port_command(struct enif_environment_t *env, term port, term data)
{
    struct etf_encode_ext x = { .blob_min = SIZE_MAX };
    uint8_t *buffer = NULL;
    size_t capacity = 0;
    struct heap h;
    (void) env;
    nif_guard_enter();
    heap_init_frags(&h);
    size_t n = etf_encode_ext(heap_tuple2(&h, port, data), &x, &buffer, &capacity);
    bool done = n != 0 && n < PROTOCOL_DATAGRAM_MAX / 2 && worker_ask(ASK_PORT_COMMAND, buffer, n) != 0;
    vm_free(buffer);
    heap_destroy(&h);
    nif_guard_leave();
    return done;
}

static bool consume_timeslice(struct enif_environment_t *env, int percent)
{
    struct worker_lane *lane = worker_lane;
    (void) env;
    if (lane == NULL || lane->flags != 0) {
        return false;
    }
    lane->percent += percent;
    return lane->percent >= 100;
}

static enum nif_thread_type thread_type(void)
{
    if (worker_lane == NULL) {
        return NIF_THREAD_UNDEFINED;
    }
    return worker_lane->flags == ERL_NIF_DIRTY_JOB_CPU_BOUND  ? NIF_THREAD_DIRTY_CPU
           : worker_lane->flags == ERL_NIF_DIRTY_JOB_IO_BOUND ? NIF_THREAD_DIRTY_IO
                                                              : NIF_THREAD_NORMAL;
}

static unsigned schedulers(void)
{
    return worker.setup.schedulers;
}

/* ---- deferred work ---- */

static _Atomic uint32_t deferred_work; /* futex */

static void wake_deferred(void)
{
    atomic_store(&deferred_work, 1);
    futex_wake(&deferred_work);
}

static _Atomic bool closing;

static void *run_deferred(void *record)
{
    native_thread_attach_as(record);
    for (;;) {
        while (atomic_exchange(&deferred_work, 0) == 0) {
            futex_wait(&deferred_work, 0, FUTEX_FOREVER);
        }
        while (nif_run_deferred()) {
        }
        if (atomic_load(&closing)) {
            worker_unload_all();
            while (nif_run_deferred()) {
            }
            (void) fflush(stdout);
            _exit(0);
        }
    }
    return NULL;
}

void worker_close(void)
{
    atomic_store(&closing, true);
    wake_deferred();
}

static term atom_elsewhere(const char *utf8, size_t bytes)
{
    return (term) { worker_ask(ASK_ATOM, utf8, bytes) };
}

static const struct nif_host host = {
    .next_ref_id = next_ref_id,
    .unique_integer = unique_integer,
    .time_offset_ns = time_offset_ns,
    .now_us = now_us,
    .send = host_send,
    .process_alive = process_alive,
    .port_alive = port_alive,
    .caller_alive = caller_alive,
    .whereis = whereis,
    .port_command = port_command,
    .watch = watch,
    .consume_timeslice = consume_timeslice,
    .thread_type = thread_type,
    .schedulers = schedulers,
    .wake_deferred = wake_deferred,
};

static void in_forked_child(void)
{
    worker.forked = true;
}

void worker_host_init(void)
{
    pthread_t thread;
    (void) pthread_atfork(NULL, NULL, in_forked_child);
    nif_api_init(&host);
    atom_make_elsewhere = worker.setup.memory != WORKER_MEMORY_OWN ? atom_elsewhere : NULL;
    struct native_thread *record = native_thread_reserve();
    if (record == NULL || pthread_create(&thread, NULL, run_deferred, record) != 0) {
        worker_lacks("memory or threads (ulimit -v, ulimit -u)");
    }
}
