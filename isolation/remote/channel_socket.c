/* channel_socket.c - the same frames over a stream socket.
 *
 *   header, body, padding to 8 bytes | header, ...
 *
 * Both sides collect what arrives in a buffer of their own until a frame is whole. The buffer grows with
 * what has arrived, never with what a header promises. The VM's side never blocks: what the socket
 * does not take waits in a second buffer.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolation/remote/channel_internal.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/sanitize.h"

enum {
    BUFFER_MIN = 64 << 10,
    BUFFER_KEEP = 1 << 20,    /* channel_trim leaves this much */
    OUTPUT_MAX = 1 << 20,     /* with more than this waiting, the VM's side is full */
    SEND_PARTS = 16,          /* for one system call */
    OTHER_SLICE_NS = 1000000, /* between looks at what the kernel cannot poll */
    STOP_SLICE_NS = 100000000,
};

/* Bytes first..end of a mapping; first is a multiple of 8. */
struct buffer {
    uint8_t *bytes;
    size_t capacity, first, end;
};

struct socket_channel {
    struct channel c;
    int fd;
    int worker_fd; /* the other end, until it has been sent; -1 */
    struct buffer in, out;
    bool end_of_input; /* nothing will come after what is in the buffer */
    bool reset;        /* the peer ended without having read all that we sent */
};

static struct socket_channel *socket_of(struct channel *c)
{
    return container_of(c, struct socket_channel, c);
}

static uint64_t padded(uint64_t n)
{
    return (n + 7) & ~UINT64_C(7);
}

/* ---- buffers ---- */

static size_t buffer_used(const struct buffer *b)
{
    return b->end - b->first;
}

/* Address space goes from one buffer to another by way of the kernel, of whose mremap() TSan knows nothing. */
static char address_space;

/* Room for n more bytes at the end. */
static bool buffer_reserve(struct buffer *b, size_t n)
{
    if (b->first == b->end) {
        b->first = b->end = 0;
    }
    if (n <= b->capacity - b->end) {
        return true;
    }
    if (b->first > 0) {
        memmove(b->bytes, b->bytes + b->first, buffer_used(b));
        b->end -= b->first;
        b->first = 0;
    }
    size_t capacity = b->capacity != 0 ? b->capacity : BUFFER_MIN;
    while (n > capacity - b->end) {
        capacity *= 2;
    }
    if (capacity > b->capacity) {
        sanitize_hand_over(&address_space);
        void *p = b->capacity == 0 ? mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                                   : mremap(b->bytes, b->capacity, capacity, MREMAP_MAYMOVE);
        if (p == MAP_FAILED) {
            return false;
        }
        sanitize_take_over(&address_space);
        b->bytes = p;
        b->capacity = capacity;
    }
    return true;
}

static void buffer_free(struct buffer *b)
{
    if (b->capacity != 0) {
        sanitize_hand_over(&address_space);
        munmap(b->bytes, b->capacity);
    }
    *b = (struct buffer) { 0 };
}

/* ---- receiving ---- */

/* The body's size, if the header of the next frame has arrived. */
static bool next_size(const struct buffer *in, uint64_t *out_bytes)
{
    struct frame_header h;
    if (buffer_used(in) < sizeof(h)) {
        return false;
    }
    memcpy(&h, in->bytes + in->first, sizeof(h));
    *out_bytes = h.bytes;
    return true;
}

/* Is a frame whole, or one that never can be? */
static bool is_ready(const struct buffer *in)
{
    uint64_t bytes;
    return next_size(in, &bytes) && (bytes > CHANNEL_BODY_MAX || buffer_used(in) - sizeof(struct frame_header) >= padded(bytes));
}

static void note_end(struct socket_channel *s, int error)
{
    s->end_of_input = true;
    s->reset = s->reset || error == ECONNRESET;
}

/* Reads what there is until a frame is whole. */
static void collect(struct socket_channel *s)
{
    while (!is_ready(&s->in) && !s->end_of_input) {
        if (!buffer_reserve(&s->in, 1)) {
            note_end(s, ENOMEM);
            return;
        }
        ssize_t n = recv(s->fd, s->in.bytes + s->in.end, s->in.capacity - s->in.end, MSG_DONTWAIT);
        if (n > 0) {
            s->in.end += (size_t) n;
        } else if (n == 0) {
            note_end(s, 0);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR) {
            note_end(s, errno);
        }
    }
}

static enum channel_status socket_flush(struct channel *c);

static bool socket_poll(struct channel *c)
{
    struct socket_channel *s = socket_of(c);
    if (channel_ended(c) != CHANNEL_OK) {
        return true;
    }
    (void) socket_flush(c);
    /* A frame that is being read lies in the buffer, which must stay where it is. */
    if (!c->has_frame) {
        collect(s);
    }
    return is_ready(&s->in) || s->end_of_input;
}

static enum channel_status socket_receive(struct channel *c, struct frame_header *out)
{
    struct socket_channel *s = socket_of(c);
    struct frame_header h;
    if (!socket_poll(c)) {
        return CHANNEL_EMPTY;
    }
    if (channel_ended(c) != CHANNEL_OK) {
        return channel_ended(c);
    }
    if (!is_ready(&s->in)) {
        return channel_end(c, CHANNEL_CLOSED);
    }
    memcpy(&h, s->in.bytes + s->in.first, sizeof(h));
    if (h.bytes > CHANNEL_BODY_MAX) {
        return channel_end(c, CHANNEL_BROKEN);
    }
    c->whole = c->body = s->in.bytes + s->in.first + sizeof(h);
    c->left = h.bytes;
    c->has_frame = true;
    s->in.first += sizeof(h) + padded(h.bytes);
    *out = h;
    return CHANNEL_OK;
}

static void socket_done(struct channel *c)
{
    (void) c; /* receiving has counted the frame already */
}

/* ---- sending ---- */

/* Sends the parts from byte `skip` on. Bytes sent; -1: errno. */
static ssize_t send_parts(int fd, const struct channel_part *parts, size_t n_parts, uint64_t skip, int flags)
{
    struct iovec v[SEND_PARTS];
    struct msghdr m = { .msg_iov = v };
    for (size_t i = 0; i < n_parts && m.msg_iovlen < SEND_PARTS; i++) {
        if (skip >= parts[i].bytes) {
            skip -= parts[i].bytes;
            continue;
        }
        v[m.msg_iovlen++] = (struct iovec) { (uint8_t *) parts[i].data + skip, parts[i].bytes - skip };
        skip = 0;
    }
    return sendmsg(fd, &m, flags | MSG_NOSIGNAL);
}

/* As much as the socket takes (all, without MSG_DONTWAIT). false: it has ended. */
static bool send_some(struct socket_channel *s, const struct channel_part *parts, size_t n, uint64_t total, int flags,
    uint64_t *out_sent)
{
    *out_sent = 0;
    while (*out_sent < total) {
        ssize_t sent = send_parts(s->fd, parts, n, *out_sent, flags);
        if (sent >= 0) {
            *out_sent += (uint64_t) sent;
        } else if (errno == EAGAIN) {
            return true;
        } else if (errno != EINTR) {
            s->reset = s->reset || errno == ECONNRESET;
            return false;
        }
    }
    return true;
}

static enum channel_status socket_flush(struct channel *c)
{
    struct socket_channel *s = socket_of(c);
    uint64_t sent;
    if (channel_ended(c) != CHANNEL_OK) {
        return channel_ended(c);
    }
    struct channel_part part = { s->out.bytes + s->out.first, buffer_used(&s->out) };
    if (part.bytes == 0) {
        return CHANNEL_OK;
    }
    /* Input may be left to read even if the peer has ended, so that this ends nothing. */
    if (!send_some(s, &part, 1, part.bytes, MSG_DONTWAIT, &sent)) {
        s->out.first = s->out.end;
        return CHANNEL_CLOSED;
    }
    s->out.first += sent;
    return sent == part.bytes ? CHANNEL_OK : CHANNEL_FULL;
}

/* Keeps the parts from byte `skip` on for later. */
static bool keep(struct buffer *out, const struct channel_part *parts, size_t n, uint64_t total, uint64_t skip)
{
    if (!buffer_reserve(out, total - skip)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        size_t drop = skip < parts[i].bytes ? skip : parts[i].bytes;
        skip -= drop;
        if (parts[i].bytes > drop) {
            memcpy(out->bytes + out->end, (const uint8_t *) parts[i].data + drop, parts[i].bytes - drop);
            out->end += parts[i].bytes - drop;
        }
    }
    return true;
}

static enum channel_status send_frame(struct socket_channel *s, const struct channel_part *parts, size_t n, uint64_t total)
{
    uint64_t sent = 0;
    if (s->c.is_worker) {
        return send_some(s, parts, n, total, 0, &sent) ? CHANNEL_OK : channel_end(&s->c, CHANNEL_CLOSED);
    }
    if (buffer_used(&s->out) == 0 && !send_some(s, parts, n, total, MSG_DONTWAIT, &sent)) {
        return CHANNEL_CLOSED;
    }
    if (sent < total && !keep(&s->out, parts, n, total, sent)) {
        return sent == 0 ? CHANNEL_FULL : channel_end(&s->c, CHANNEL_CLOSED); /* half a frame is out */
    }
    return CHANNEL_OK;
}

static enum channel_status socket_send(
    struct channel *c, const struct frame_header *h, const struct channel_part *parts, size_t n, uint64_t total)
{
    static const uint8_t padding[8];
    struct socket_channel *s = socket_of(c);
    struct frame_header header = { h->kind, h->number, total, h->extra };
    enum channel_status st = socket_flush(c);
    if (st != CHANNEL_OK && (st != CHANNEL_FULL || buffer_used(&s->out) > OUTPUT_MAX)) {
        return st;
    }
    struct channel_part *all = vm_alloc((n + 2) * sizeof(*all));
    all[0] = (struct channel_part) { &header, sizeof(header) };
    if (n != 0) {
        memcpy(all + 1, parts, n * sizeof(*all));
    }
    all[n + 1] = (struct channel_part) { padding, padded(total) - total };
    st = send_frame(s, all, n + 2, sizeof(header) + padded(total));
    vm_free(all);
    return st;
}

/* ---- waiting ---- */

/* Until the socket can be read (or written, while output waits), or ns have passed. */
static void wait_ready(struct socket_channel *s, int64_t ns)
{
    struct pollfd p = { s->fd, (short) (buffer_used(&s->out) != 0 ? POLLIN | POLLOUT : POLLIN), 0 };
    struct timespec t = { ns / 1000000000, ns % 1000000000 };
    (void) ppoll(&p, 1, ns == INT64_MAX ? NULL : &t, NULL);
}

static bool socket_spin(struct channel *c, int64_t ns)
{
    int64_t deadline = channel_deadline(ns);
    do {
        if (socket_poll(c)) {
            return true;
        }
    } while (clock_monotonic_ns() < deadline);
    return false;
}

static void socket_sleep(struct channel *c, _Atomic uint32_t *other, uint32_t other_value, int64_t timeout_ns)
{
    int64_t deadline = channel_deadline(timeout_ns);
    while (!socket_poll(c) && (other == NULL || atomic_load(other) == other_value)) {
        int64_t left = deadline == INT64_MAX ? INT64_MAX : deadline - clock_monotonic_ns();
        if (left <= 0) {
            return;
        }
        wait_ready(socket_of(c), other != NULL && left > OTHER_SLICE_NS ? OTHER_SLICE_NS : left);
    }
}

static void socket_wake(struct channel *c)
{
    (void) shutdown(socket_of(c)->fd, SHUT_RDWR);
}

static enum channel_status socket_wait(struct channel *c, _Atomic uint32_t *stop)
{
    struct socket_channel *s = socket_of(c);
    while (!socket_poll(c)) {
        if (stop != NULL && atomic_load(stop) != 0) {
            return CHANNEL_CLOSED;
        }
        wait_ready(s, stop != NULL ? STOP_SLICE_NS : INT64_MAX);
    }
    return is_ready(&s->in) ? channel_ended(c) : channel_end(c, CHANNEL_CLOSED);
}

static int socket_doorbell(const struct channel *c)
{
    return container_of(c, const struct socket_channel, c)->fd;
}

static bool socket_arm(struct channel *c)
{
    return !socket_poll(c);
}

static void socket_disarm(struct channel *c)
{
    (void) c; /* reading the frame empties it */
}

/* ---- the rest ---- */

static bool socket_taken(struct channel *c)
{
    struct socket_channel *s = socket_of(c);
    int left = 0, error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0) {
        note_end(s, error);
    }
    /* Without a peer nothing is queued; that it ended without reading all was an error once. */
    return !s->reset && buffer_used(&s->out) == 0 && ioctl(s->fd, SIOCOUTQ, &left) == 0 && left == 0;
}

static bool socket_wants_write(const struct channel *c)
{
    return buffer_used(&container_of(c, const struct socket_channel, c)->out) != 0;
}

static void socket_trim(struct channel *c)
{
    struct socket_channel *s = socket_of(c);
    if (s->in.capacity > BUFFER_KEEP && buffer_used(&s->in) == 0) {
        buffer_free(&s->in);
    }
    if (s->out.capacity > BUFFER_KEEP && buffer_used(&s->out) == 0) {
        buffer_free(&s->out);
    }
}

static size_t socket_worker_fds(const struct channel *c, int fds[CHANNEL_MAX_FDS])
{
    fds[0] = container_of(c, const struct socket_channel, c)->worker_fd;
    return 1;
}

static void socket_close_worker_fds(struct channel *c)
{
    base_close_fd(&socket_of(c)->worker_fd);
}

static void socket_free(struct channel *c)
{
    struct socket_channel *s = socket_of(c);
    base_close_fd(&s->fd);
    base_close_fd(&s->worker_fd);
    buffer_free(&s->in);
    buffer_free(&s->out);
    vm_free(s);
}

static const struct channel_ops socket_ops = {
    socket_worker_fds, socket_close_worker_fds, socket_doorbell, socket_arm, socket_disarm, socket_spin, socket_sleep, socket_wake,
    socket_taken, socket_flush, socket_wants_write, socket_wait, socket_free, socket_send, socket_poll, socket_receive, socket_done,
    socket_trim, NULL,
};

static struct channel *socket_open(int fd, int worker_fd, bool is_worker)
{
    struct socket_channel *s = vm_zalloc(sizeof(*s));
    s->c.ops = &socket_ops;
    s->c.is_worker = is_worker;
    s->fd = fd;
    s->worker_fd = worker_fd;
    return &s->c;
}

struct channel *channel_socket_new(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return NULL;
    }
    return socket_open(ends[0], ends[1], false);
}

struct channel *channel_socket_attach(const int *fds, size_t n_fds)
{
    return n_fds == 1 ? socket_open(fds[0], -1, true) : NULL;
}
