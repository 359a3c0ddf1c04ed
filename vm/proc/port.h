/* port.h - ports: external programs and file descriptors as processes.
 *
 *   owner --signals--> port process (id is a port) --write--> child's stdin
 *         <--messages--        ^                   <--read--- child's stdout
 *                              | woken when a descriptor is ready
 *                         poll thread (epoll)
 *
 * A port is a process of the system whose id is a port term with the bits of its pid. So links,
 * monitors, names and signals to ports are those of processes. Its code is one function in C,
 * bulkhead_port:run/0, which is called again whenever a signal arrives; nobody else touches its
 * state. Descriptors are armed one-shot in epoll under the port's id: a late event finds nobody.
 */
#ifndef VM_PORT_H
#define VM_PORT_H

#include "vm/proc/proc.h"

enum port_framing { PORT_STREAM, PORT_PACKET, PORT_LINE };

struct port_options {
    enum port_framing framing;
    unsigned packet_bytes; /* 1, 2, 4 */
    size_t line_max;
    bool binary, exit_status, eof, in, out, stderr_to_stdout, use_stdio;
};

struct port_program { /* what to execute: all owned by the caller */
    const char *path;
    char *const *argv;
    char *const *envp;
    const char *cd; /* or NULL */
};

struct port_buffer { /* bytes to write, in order */
    struct port_buffer *next;
    size_t n, done;
    uint8_t bytes[];
};

struct port {
    struct port_options options;
    term owner;
    term name;            /* as given to open_port: a string term of its own */
    struct message *name_message; /* owned */
    term data;            /* port_set_data: immediates only; else in data_message */
    struct message *data_message; /* owned */
    int in, out, child_fd; /* owned, -1: none. child_fd: pidfd */
    int child;            /* OS pid, 0: none */
    bool shared_fds;      /* {fd, In, Out}: not ours to make non-blocking or close */
    bool at_eof, said_eof, too_long; /* too_long: was to write a packet that its header cannot hold */
    struct port_close *closing;      /* owned: who waits for it to be closed */
    struct port_buffer *first, **last; /* owned: not yet written */
    size_t queued_bytes;
    uint64_t n_in, n_out; /* bytes in all */
    uint8_t *buffer;      /* owned: bytes read, not yet a whole packet or line */
    size_t n_buffer, buffer_size;
};

/* All: NULL / an errno value in *error on failure. The port process does not run yet. */
struct proc *port_open_program(struct proc *owner, const struct port_program *program, const struct port_options *o,
    term name, int *error) MUST_CHECK;
struct proc *port_open_fds(struct proc *owner, int in, int out, const struct port_options *o, term name, int *error)
    MUST_CHECK;

/* Links it with its owner and lets it run. Its id. */
term port_start(struct proc *owner, struct proc *p);
/* Closes and frees what belongs to it; proc_exit calls it. */
void port_destroy(struct proc *p);
/* The body of the port process: one round. */
term port_run(struct proc *p);
/* Queues bytes (without packet header) for the port, taking b over; any thread. false: it is gone. */
bool port_send(term port, struct port_buffer *b);
/* The bytes of iodata; NULL: none (*out_bad), or no memory. */
struct port_buffer *port_buffer_from(term iodata, bool *out_bad) MUST_CHECK;
/* port_close: the answer to ask is true once it is closed, false if it is gone already. */
void port_close_request(struct proc *target, void *arg); /* arg: struct port_close */
struct port_close { struct ask ask; struct port_close *next; };
/* NULL if p is no port. */
struct port *port_of(const struct proc *p);

#endif
