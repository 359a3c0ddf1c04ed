#include "vm/proc/port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/core/bits.h"
#include "vm/core/iolist.h"
#include "vm/proc/links.h"
#include "vm/proc/port_child.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

enum { READ_BYTES = 65536, SHARED_WRITE_BYTES = 4096 /* never blocks once poll says writable */ };

struct port *port_of(const struct proc *p)
{
    return p->rare == NULL ? NULL : p->rare->port;
}

/* ---- leaving ---- */

static term end_port(struct proc *p, term reason)
{
    p->exc = (struct exception) { .class = EXC_EXIT, .reason = reason, .stacktrace = TERM_NIL };
    p->control = CONTROL_EXIT;
    return TERM_NONE;
}

static void close_fd(struct port *port, int *fd)
{
    if (*fd >= 0) {
        port_poll_forget(*fd);
        if (!port->shared_fds) {
            close(*fd);
        }
        *fd = -1;
    }
}

void port_destroy(struct proc *p)
{
    struct port *port = port_of(p);
    struct port_close *c;
    while ((c = port->closing) != NULL) {
        port->closing = c->next;
        signal_reply(&c->ask, ATOM(true));
        vm_free(c);
    }
    bool same = port->in == port->out;
    close_fd(port, &port->in);
    if (!same) {
        close_fd(port, &port->out);
    }
    if (port->child != 0) {
        port_poll_reap(port->child_fd, port->child);
    }
    struct port_buffer *b;
    while ((b = port->first) != NULL) {
        port->first = b->next;
        vm_free(b);
    }
    message_free(port->name_message);
    if (port->data_message != NULL) {
        message_free(port->data_message);
    }
    vm_free(port->buffer);
    vm_free(port);
    p->rare->port = NULL;
}

/* ---- opening ---- */

static struct proc *make_port(struct proc *owner, const struct port_options *o, term name, int *error)
{
    *error = port_poll_start();
    if (*error != 0) {
        return NULL;
    }
    *error = ENOMEM;
    struct message *copy = message_copy_lasting(name);
    if (copy == NULL) {
        return NULL;
    }
    struct proc *p = proc_new(NULL, atom_from_cstr("bulkhead_port"), atom_from_cstr("run"), TERM_NIL, &spawn_defaults);
    if (p == NULL) {
        message_free(copy);
        return NULL;
    }
    p->is_system = true;
    table_make_port(p);
    struct port *port = proc_rare(p)->port = vm_zalloc(sizeof(*port));
    port->options = *o;
    port->owner = owner->id;
    port->name_message = copy;
    port->name = copy->value;
    port->data = ATOM(undefined);
    port->in = port->out = port->child_fd = -1;
    port->last = &port->first;
    *error = 0;
    return p;
}

/* A port that cannot be opened after all: as if it had never been. */
static void abandon(struct proc *p)
{
    p->exc = (struct exception) { .class = EXC_EXIT, .reason = ATOM(normal), .stacktrace = TERM_NIL };
    proc_exit(p);
}

struct proc *port_open_fds(struct proc *owner, int in, int out, const struct port_options *o, term name, int *error)
{
    if ((o->in && fcntl(in, F_GETFL) < 0) || (o->out && fcntl(out, F_GETFL) < 0)) {
        *error = EINVAL;
        return NULL;
    }
    struct proc *p = make_port(owner, o, name, error);
    if (p == NULL) {
        return NULL;
    }
    struct port *port = port_of(p);
    port->shared_fds = true;
    port->in = o->in ? in : -1;
    port->out = o->out ? out : -1;
    return p;
}

struct proc *port_open_program(struct proc *owner, const struct port_program *program, const struct port_options *o,
    term name, int *error)
{
    struct proc *p = make_port(owner, o, name, error);
    if (p == NULL) {
        return NULL;
    }
    struct port *port = port_of(p);
    struct port_child c;
    *error = port_child_start(program, o, &c);
    if (*error != 0) {
        abandon(p);
        return NULL;
    }
    port->in = c.from;
    port->out = c.to;
    port->child = c.pid;
    port->child_fd = c.pidfd;
    return p;
}

/* ---- output ---- */

static struct port_buffer *buffer_new(size_t n)
{
    struct port_buffer *b = vm_try_alloc(sizeof(*b) + n);
    if (b != NULL) {
        *b = (struct port_buffer) { .n = n };
    }
    return b;
}

static void queue_bytes(struct port *port, struct port_buffer *b)
{
    *port->last = b;
    port->last = &b->next;
    port->queued_bytes += b->n;
}

/* The length in front of a packet. false: it does not fit. */
static bool put_header(const struct port_options *o, size_t n, uint8_t out[4])
{
    if (o->packet_bytes < 4 ? n >> (8 * o->packet_bytes) != 0 : n > UINT32_MAX) {
        return false;
    }
    for (unsigned i = 0; i < o->packet_bytes; i++) {
        out[i] = (uint8_t) (n >> (8 * (o->packet_bytes - 1 - i)));
    }
    return true;
}

/* Queues b with its header; takes it over. */
static void send_framed(struct port *port, struct port_buffer *b)
{
    if (port->options.framing == PORT_PACKET) {
        struct port_buffer *header = buffer_new(port->options.packet_bytes);
        if (header == NULL || !put_header(&port->options, b->n, header->bytes)) {
            port->too_long = true;
            vm_free(header);
            vm_free(b);
            return;
        }
        queue_bytes(port, header);
    }
    queue_bytes(port, b);
}

static void send_request(struct proc *target, void *arg)
{
    struct port *port = target == NULL ? NULL : port_of(target);
    if (port == NULL) {
        vm_free(arg);
    } else {
        send_framed(port, arg);
    }
}

bool port_send(term port, struct port_buffer *b)
{
    if (!proc_alive(port)) {
        vm_free(b);
        return false;
    }
    signal_request(NULL, port, send_request, b);
    return true;
}

struct port_buffer *port_buffer_from(term iodata, bool *out_bad)
{
    size_t n;
    *out_bad = !iolist_size(iodata, &n);
    struct port_buffer *b = *out_bad ? NULL : buffer_new(n);
    if (b != NULL) {
        iolist_copy(iodata, b->bytes);
    }
    return b;
}

static bool would_block(int fd, short events)
{
    struct pollfd f = { .fd = fd, .events = events };
    return poll(&f, 1, 0) == 0;
}

/* Writes what it can. An errno value if the descriptor is broken, else 0. */
static int write_out(struct port *port)
{
    while (port->first != NULL && port->out >= 0) {
        struct port_buffer *b = port->first;
        size_t n = b->n - b->done;
        if (port->shared_fds) {
            if (would_block(port->out, POLLOUT)) {
                return 0;
            }
            n = n < SHARED_WRITE_BYTES ? n : SHARED_WRITE_BYTES;
        }
        ssize_t w = n == 0 ? 0 : write(port->out, b->bytes + b->done, n);
        if (w < 0) {
            return errno == EAGAIN || errno == EINTR ? 0 : errno;
        }
        b->done += (size_t) w;
        port->n_out += (size_t) w;
        port->queued_bytes -= (size_t) w;
        if (b->done == b->n) {
            port->first = b->next;
            if (port->first == NULL) {
                port->last = &port->first;
            }
            vm_free(b);
        }
    }
    return 0;
}

/* ---- input ---- */

static void tell_owner(struct proc *p, struct heap *h, term what)
{
    (void) signal_send(p, port_of(p)->owner, heap_tuple2(h, p->id, what));
}

static term bytes_term(struct heap *h, const struct port *port, const uint8_t *bytes, size_t n)
{
    if (!port->options.binary) {
        return heap_string(h, (const char *) bytes, n);
    }
    return bits_from_bytes(h, bytes, n);
}

/* No memory for what was read: nothing is left out silently, so it ends here, and its owner hears. */
static void give_up_reading(struct proc *p)
{
    struct port *port = port_of(p);
    p->heap.over_limit = false;
    port->at_eof = true;
    signal_exit(p, port->owner, ATOM(system_limit));
}

/* {Port, {data, Data}}; with line framing Data is {eol | noeol, Line}. */
static void deliver(struct proc *p, const uint8_t *bytes, size_t n, enum atom_index flag)
{
    struct port *port = port_of(p);
    struct heap h;
    heap_init_frags(&h);
    term data = bytes_term(&h, port, bytes, n);
    if (term_is_none(data)) {
        heap_destroy(&h);
        give_up_reading(p);
        return;
    }
    if (port->options.framing == PORT_LINE) {
        data = heap_tuple2(&h, term_from_atom_index(flag), data);
    }
    tell_owner(p, &h, heap_tuple2(&h, ATOM(data), data));
    heap_destroy(&h);
    if (p->heap.over_limit) { /* the message could not be made */
        give_up_reading(p);
    }
}

/* Length of the packet at bytes with its header, 0: not all there yet. */
static size_t packet_at(const struct port_options *o, const uint8_t *bytes, size_t n)
{
    if (n < o->packet_bytes) {
        return 0;
    }
    size_t length = 0;
    for (unsigned i = 0; i < o->packet_bytes; i++) {
        length = length << 8 | bytes[i];
    }
    return n - o->packet_bytes >= length ? o->packet_bytes + length : 0;
}

/* Hands on whole packets or lines from the buffer. end: nothing more will come. */
static void take_frames(struct proc *p, bool end)
{
    struct port *port = port_of(p);
    const struct port_options *o = &port->options;
    size_t at = 0;
    while (at < port->n_buffer) {
        const uint8_t *bytes = port->buffer + at;
        size_t left = port->n_buffer - at;
        if (o->framing == PORT_STREAM) {
            deliver(p, bytes, left, ATOM_INDEX_eol);
            at += left;
        } else if (o->framing == PORT_PACKET) {
            size_t n = packet_at(o, bytes, left);
            if (n == 0) {
                break;
            }
            deliver(p, bytes + o->packet_bytes, n - o->packet_bytes, ATOM_INDEX_eol);
            at += n;
        } else {
            const uint8_t *eol = memchr(bytes, '\n', left < o->line_max + 1 ? left : o->line_max + 1);
            if (eol != NULL) {
                deliver(p, bytes, (size_t) (eol - bytes), ATOM_INDEX_eol);
                at += (size_t) (eol - bytes) + 1;
            } else if (left > o->line_max || end) {
                size_t n = left < o->line_max ? left : o->line_max;
                deliver(p, bytes, n, ATOM_INDEX_noeol);
                at += n;
            } else {
                break;
            }
        }
    }
    memmove(port->buffer, port->buffer + at, port->n_buffer - at);
    port->n_buffer -= at;
}

static bool grow_buffer(struct port *port)
{
    size_t want = port->n_buffer + READ_BYTES;
    if (want > port->buffer_size) {
        size_t size = want > 2 * port->buffer_size ? want : 2 * port->buffer_size;
        uint8_t *bytes = vm_try_alloc(size);
        if (bytes == NULL) {
            return false;
        }
        if (port->n_buffer > 0) { /* no buffer yet: nothing to copy */
            memcpy(bytes, port->buffer, port->n_buffer);
        }
        vm_free(port->buffer);
        port->buffer = bytes;
        port->buffer_size = size;
    }
    return true;
}

/* Reads what is there, up to a fair share. true: call again soon. */
static bool read_in(struct proc *p)
{
    struct port *port = port_of(p);
    for (int round = 0; round < 8; round++) {
        if (port->in < 0 || port->at_eof || (port->shared_fds && would_block(port->in, POLLIN)) || !grow_buffer(port)) {
            return false;
        }
        ssize_t n = read(port->in, port->buffer + port->n_buffer, READ_BYTES);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return false;
        }
        if (n <= 0) { /* also EIO of a terminal whose other end closed */
            take_frames(p, true);
            port->at_eof = true;
            return false;
        }
        port->n_buffer += (size_t) n;
        port->n_in += (size_t) n;
        take_frames(p, false);
    }
    return true;
}

/* ---- what processes send to the port ---- */

static void tell(struct proc *p, term to, enum atom_index what)
{
    struct heap h;
    heap_init_frags(&h);
    (void) signal_send(p, to, heap_tuple2(&h, p->id, term_from_atom_index(what)));
    heap_destroy(&h);
}

/* A command from the owner. false: the port ends with *reason. */
static bool obey(struct proc *p, term command, term *reason)
{
    struct port *port = port_of(p);
    if (term_same(command, ATOM(close))) {
        tell(p, port->owner, ATOM_INDEX_closed);
        *reason = ATOM(normal);
        return false;
    }
    if (term_is_tuple_of(command, 2) && term_same(term_tuple_get(command, 0), ATOM(command))) {
        bool bad;
        struct port_buffer *b = port_buffer_from(term_tuple_get(command, 1), &bad);
        if (b != NULL) {
            send_framed(port, b);
            return true;
        }
        if (!bad) {
            *reason = ATOM(enomem);
            return false;
        }
        signal_exit(p, port->owner, ATOM(badsig));
        return true;
    }
    if (term_is_tuple_of(command, 2) && term_same(term_tuple_get(command, 0), ATOM(connect))
        && term_is_local_pid(term_tuple_get(command, 1)) && proc_alive(term_tuple_get(command, 1))) {
        tell(p, port->owner, ATOM_INDEX_connected);
        port->owner = term_tuple_get(command, 1);
        (void) !signal_link(p, port->owner);
        return true;
    }
    signal_exit(p, port->owner, ATOM(badsig)); /* as OTP: the owner hears of it, the port goes on */
    return true;
}

/* All messages. false: the port ends, p->exc is set if *must_exit, else with *reason. */
static bool take_messages(struct proc *p, bool *must_exit, term *reason)
{
    const struct message *m;
    while ((m = msgq_peek(p, must_exit)) != NULL) {
        term v = message_value(p, m);
        bool go_on = true;
        if (term_is_tuple_of(v, 2) && term_same(term_tuple_get(v, 0), port_of(p)->owner)) {
            go_on = obey(p, term_tuple_get(v, 1), reason);
        } else {
            signal_exit(p, port_of(p)->owner, ATOM(badsig));
        }
        msgq_drop(p, p->msg_save);
        if (!go_on) {
            return false;
        }
    }
    return !*must_exit;
}

/* ---- one round ---- */

static void arm(struct proc *p)
{
    struct port *port = port_of(p);
    if (port->in >= 0 && port->in == port->out) {
        port_poll_arm(port->in, p->id, !port->at_eof, port->first != NULL);
        return;
    }
    if (port->in >= 0 && !port->at_eof) {
        port_poll_arm(port->in, p->id, true, false);
    }
    if (port->out >= 0 && port->first != NULL) {
        port_poll_arm(port->out, p->id, false, true);
    }
}

static int exit_status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Has the program ended? Then the owner hears its status. */
static bool collect_status(struct proc *p)
{
    struct port *port = port_of(p);
    int status;
    if (waitpid(port->child, &status, WNOHANG) == 0) {
        port_poll_arm(port->child_fd, p->id, true, false);
        return false;
    }
    port_poll_forget(port->child_fd);
    close(port->child_fd);
    port->child = 0;
    port->child_fd = -1;
    struct heap h;
    heap_init_frags(&h);
    tell_owner(p, &h, heap_tuple2(&h, ATOM(exit_status), term_from_small(exit_status_of(status))));
    heap_destroy(&h);
    return true;
}

/* The program closed its output. false: the port is over. */
static bool handle_eof(struct proc *p)
{
    struct port *port = port_of(p);
    if (port->in != port->out) {
        close_fd(port, &port->in);
    }
    if (port->options.eof && !port->said_eof) {
        port->said_eof = true;
        tell(p, port->owner, ATOM_INDEX_eof);
    }
    if (port->options.exit_status && port->child != 0 && !collect_status(p)) {
        return true;
    }
    return port->options.eof; /* then it stays until somebody closes it */
}

static void link_ends(struct proc *a, struct proc *b)
{
    (void) link_add(&proc_links(a)->links, b->id.word);
    (void) link_add(&proc_links(b)->links, a->id.word);
}

term port_start(struct proc *owner, struct proc *p)
{
    term id = p->id;
    link_ends(owner, p);
    proc_start(p);
    return id;
}

void port_close_request(struct proc *target, void *arg)
{
    struct port_close *c = arg;
    struct port *port = target == NULL ? NULL : port_of(target);
    if (port == NULL) {
        signal_reply(&c->ask, ATOM(false));
        vm_free(c);
    } else {
        c->next = port->closing;
        port->closing = c;
    }
}

term port_run(struct proc *p)
{
    struct port *port = port_of(p);
    bool must_exit = false;
    term reason = ATOM(normal);
    if (!take_messages(p, &must_exit, &reason)) {
        if (must_exit) {
            p->control = CONTROL_EXIT;
            return TERM_NONE;
        }
        (void) write_out(port); /* what was sent before {Owner, close} goes out as far as it can */
        return end_port(p, reason);
    }
    int error = write_out(port);
    if (port->too_long || port->closing != NULL) {
        return end_port(p, port->too_long ? ATOM(einval) : ATOM(normal));
    }
    if (error != 0) {
        if (port->in < 0 || port->at_eof || !port->options.exit_status) {
            return end_port(p, error == EPIPE ? ATOM(epipe) : ATOM(einval));
        }
        close_fd(port, &port->out); /* its end and status are still to be told */
    }
    if (read_in(p)) {
        return proc_retry(p);
    }
    if (port->at_eof && !handle_eof(p)) {
        return end_port(p, ATOM(normal));
    }
    arm(p);
    return proc_wait(p);
}
