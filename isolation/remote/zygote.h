/* zygote.h - the VM's side of the zygote: a small program that forks workers.
 *
 *   VM ── exec, once ────────────────────────────────────────► bulkhead-worker (the zygote)
 *      ── one byte "fork", over a socket ──────────────────────► clone3(CLONE_PARENT | CLONE_PIDFD)
 *      ◄─ pid, pidfd and the worker's socket (SCM_RIGHTS) ───────     └─► worker_main(socket)
 *
 * Nothing of the VM is inherited: no memory, lock, signal disposition or descriptor but the standard
 * ones. CLONE_PARENT makes workers children of the VM, which alone can ask how they ended
 * (waitid(P_PIDFD)). They die with the VM: PDEATHSIG, and the zygote kills them when its socket ends.
 * A worker is a process group: what its libraries forked dies with it. Such a child may hold the
 * worker's end of the socket: that a worker has ended is told by its pidfd, nothing else.
 *
 * Thread: any; requests are served one at a time.
 */
#ifndef ISOLATION_ZYGOTE_H
#define ISOLATION_ZYGOTE_H

#include "lib/base/base.h"

struct worker_process {
    int pid;
    int pidfd;  /* readable when it has ended */
    int socket; /* SOCK_SEQPACKET, to the worker: protocol.h, control messages */
};
struct worker_end {
    bool signalled;
    int number; /* signal, or exit status; -1: unknown, a library of the VM's own process reaped it */
};

/* Path of the worker program. NULL: what BULKHEAD_WORKER says, beside the executable, where it was
 * installed with the executable, WORKER_PATH. Set before the first spawn (tests) or left alone. */
extern const char *zygote_program;

/* Workers will be wanted: the zygote is started meanwhile. Else the first spawn does that. */
void zygote_prepare(void);
/* A new worker, about 100 us (the first one starts the zygote: a millisecond). Descriptors are
 * CLOEXEC. false: a line in error. Starts the zygote again if it has died. */
bool zygote_spawn(struct worker_process *out, char error[200]) MUST_CHECK;
/* How it ended; waits for that (call when pidfd is readable or after a SIGKILL). Reaps it, once. */
struct worker_end worker_process_reap(struct worker_process *p);
void worker_process_kill(const struct worker_process *p); /* SIGKILL by pidfd: never a stranger */
void worker_process_close(struct worker_process *p);      /* the descriptors */
/* Pid of the zygote, 0 if it does not run. */
int zygote_pid(void);
/* For tests: closes its socket, upon which it kills what is left and ends, and waits for that. A program just
 * ends: see above. */
void zygote_stop(void);

#endif
