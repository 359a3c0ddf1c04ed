/* outbox.c - datagrams to a worker. What its socket does not take at once waits here, in order. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolation/remote/remote_internal.h"

enum { MAX_FDS = 4 };

struct outgoing {
    struct outgoing *next;
    struct datagram d;
    int fds[MAX_FDS]; /* owned copies */
    size_t n_fds, n;
    uint8_t payload[];
};

static bool send_now(const struct remote_worker *w, const struct datagram *d, const void *payload, size_t n, const int *fds,
    size_t n_fds)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(MAX_FDS * sizeof(int))];
    } control = { 0 };
    struct iovec parts[2] = { { (void *) d, sizeof(*d) }, { (void *) payload, n } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = n != 0 ? 2 : 1 };
    if (n_fds != 0) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    ssize_t done;
    do {
        done = sendmsg(w->process.socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (done < 0 && errno == EINTR);
    /* A dead worker's datagrams are as good as sent. */
    return done >= 0 || (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM && errno != ETOOMANYREFS);
}

static bool flush_locked(struct remote_worker *w)
{
    while (w->outbox != NULL) {
        struct outgoing *o = w->outbox;
        if (!send_now(w, &o->d, o->payload, o->n, o->fds, o->n_fds)) {
            return false;
        }
        w->outbox = o->next;
        w->n_outgoing--;
        if (w->outbox == NULL) {
            w->outbox_end = &w->outbox;
        }
        for (size_t i = 0; i < o->n_fds; i++) {
            close(o->fds[i]);
        }
        vm_free(o);
    }
    return true;
}

void outbox_send(struct remote_worker *w, const struct datagram *d, const void *payload, size_t n, const int *fds, size_t n_fds)
{
    VM_ASSERT(n + sizeof(*d) <= PROTOCOL_DATAGRAM_MAX && n_fds <= MAX_FDS);
    if (atomic_load_explicit(&w->doomed, memory_order_relaxed)) {
        return;
    }
    lock_take(&w->outbox_lock);
    bool sent = flush_locked(w) && send_now(w, d, payload, n, fds, n_fds);
    if (!sent) {
        struct outgoing *o = vm_alloc(sizeof(*o) + n);
        o->next = NULL;
        o->d = *d;
        o->n = n;
        o->n_fds = 0;
        if (n != 0) {
            memcpy(o->payload, payload, n);
        }
        for (size_t i = 0; i < n_fds; i++) {
            int copy = dup(fds[i]);
            if (copy >= 0) {
                o->fds[o->n_fds++] = copy;
            }
        }
        *w->outbox_end = o;
        w->outbox_end = &o->next;
        w->n_outgoing++;
    }
    lock_drop(&w->outbox_lock);
    if (!sent) {
        watcher_poke();
    }
}

bool outbox_flush(struct remote_worker *w)
{
    lock_take(&w->outbox_lock);
    bool all = flush_locked(w);
    lock_drop(&w->outbox_lock);
    return all;
}

void outbox_free(struct remote_worker *w)
{
    while (w->outbox != NULL) {
        struct outgoing *o = w->outbox;
        w->outbox = o->next;
        for (size_t i = 0; i < o->n_fds; i++) {
            close(o->fds[i]);
        }
        vm_free(o);
    }
}
