/* port_child.h - starting the programs of ports, and the thread that waits for descriptors. */
#ifndef VM_PORT_CHILD_H
#define VM_PORT_CHILD_H

#include "vm/proc/port.h"

struct port_child {
    int pid, pidfd; /* pidfd: readable when it has ended */
    int to, from;   /* our ends of its pipes, non-blocking; -1: none */
};
/* 0, or an errno value. */
int port_child_start(const struct port_program *program, const struct port_options *o, struct port_child *out) MUST_CHECK;

/* The thread that waits for descriptors runs: before a port is made. 0, or an errno value. */
int port_poll_start(void) MUST_CHECK;
/* Wakes the process `id` once when fd is readable or writable (or broken). */
void port_poll_arm(int fd, term id, bool in, bool out);
void port_poll_forget(int fd);
/* Takes over a program nobody waits for any more: collects its status when it ends. */
void port_poll_reap(int pidfd, int pid);

#endif
