/* worker_main.c - one worker: set up by the VM's first datagram, then ruled by those that follow. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolation/isolation.h"
#include "isolation/remote/protocol.h"
#include "isolation/worker/worker.h"
#include "isolation/worker/worker_state.h"
#include "lib/base/sanitize.h"
#include "lib/base/arena.h"
#include "nif/host.h"
#include "nif/nif_handle.h"
#include "vm/core/fun.h"

struct worker worker;

enum { MAX_FDS = 4 };

/* One datagram and the descriptors that came with it. Bytes of payload, -1: the VM is gone. */
static ssize_t receive(struct datagram *d, void *payload, size_t room, int fds[MAX_FDS], size_t *n_fds)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
    } control;
    struct iovec parts[2] = { { d, sizeof(*d) }, { payload, room } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control) };
    ssize_t n;
    do {
        n = recvmsg(worker.socket, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    *n_fds = 0;
    if (n < (ssize_t) sizeof(*d)) {
        return -1;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            *n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(fds, CMSG_DATA(c), *n_fds * sizeof(int));
        }
    }
    return n - (ssize_t) sizeof(*d);
}

void worker_lacks(const char *what)
{
    dprintf(STDERR_FILENO, "bulkhead-worker: cannot start: no %s\n", what);
    _exit(3);
}

static void no_stub(struct export *e)
{
    (void) e; /* no Erlang code runs here */
}

static bool attach_memory(const int *fds, size_t n_fds)
{
    if (worker.setup.memory == WORKER_MEMORY_OWN) {
        worker.mode = &worker_mode_own;
        if (!arena_init_all()) {
            return false;
        }
        atom_table_init();
        return true;
    }
    bool write = worker.setup.memory == WORKER_MEMORY_WRITE;
    if (n_fds != 2) {
        return false;
    }
    struct arena_attach attach = { .terms_fd = fds[0], .literals_fd = fds[1], .write = write };
    worker.mode = write ? &worker_mode_write : &worker_mode_read;
    if (!arena_init_worker(&attach)) {
        return false;
    }
    atom_table_attach(worker.setup.atom_root);
    close(fds[0]);
    close(fds[1]);
    return true;
}

static void set_up(const int *fds, size_t n_fds)
{
    if (worker.setup.version != PROTOCOL_VERSION) {
        _exit(3);
    }
    if (!attach_memory(fds, n_fds)) {
        worker_lacks("address space (ulimit -v)");
    }
    export_init_stub = no_stub;
    isolation_init();
    char policy[100], error[200];
    int n = snprintf(policy, sizeof(policy), "in_process,stack=%llu", (unsigned long long) worker.setup.stack_bytes);
    if (worker.setup.timeout_ms != 0) {
        snprintf(policy + n, sizeof(policy) - (size_t) n, ",timeout=%u", worker.setup.timeout_ms);
    }
    if (!policy_set_text(policy, error, sizeof(error))) {
        _exit(3);
    }
    worker_host_init();
    worker_crash_init();
    if (worker.mode == &worker_mode_write) {
        worker_mode_write_init();
    }
    nif_handle_init(worker.setup.serial);
}

_Noreturn void worker_main(int socket)
{
    static char payload[PROTOCOL_DATAGRAM_MAX];
    struct datagram d;
    int fds[MAX_FDS];
    size_t n_fds;
    worker.socket = socket;
    (void) setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* it may be killed at any time: what a library prints goes out by lines */
    for (;;) {
        ssize_t n = receive(&d, payload, sizeof(payload), fds, &n_fds);
        if (n < 0) {
            _exit(0);
        }
        switch ((enum datagram_kind) d.kind) {
        case DATAGRAM_SETUP:
            memcpy(&worker.setup, payload, sizeof(worker.setup));
            set_up(fds, n_fds);
            break;
        case DATAGRAM_LANE:
            worker_lane_start((unsigned) (d.value & 0xFF), (enum channel_transport) (d.value >> 8), fds, n_fds);
            break;
        case DATAGRAM_ABANDON:
            worker_lane_abandon((unsigned) (d.value >> 32), (uint32_t) d.value);
            break;
        case DATAGRAM_RELEASE:
            sanitize_take_over(&worker);
            for (size_t i = 0; (i + 1) * sizeof(struct wire_release) <= (size_t) n; i++) {
                struct wire_release r;
                memcpy(&r, payload + i * sizeof(r), sizeof(r));
                nif_handle_released(r.handle, r.count);
            }
            break;
        case DATAGRAM_DOWN:
            nif_process_ended((term) { d.value });
            break;
        case DATAGRAM_ANSWER:
            worker_answered(&d);
            break;
        case DATAGRAM_UNLOAD:
            worker_unload((uint32_t) d.value);
            break;
        case DATAGRAM_CLOSE:
            worker_close();
            break;
        case DATAGRAM_SEND:
        case DATAGRAM_ASK:
        case DATAGRAM_CRASHED:
        case DATAGRAM_NO_LANE:
            break;
        }
    }
}
