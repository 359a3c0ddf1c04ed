/* signal.h - everything one process does to another, in order, through one queue per process.
 *
 *   sender thread                          receiver's thread
 *   signal_send_*  -> incoming queue  ---> signal_fetch: handles links, monitors, exits, requests
 *                     (short lock)         in order, moves messages to the message queue
 *
 * Signals from one sender to one receiver are handled in the order they were sent. A send
 * to a dead pid is dropped; a monitor or link to one answers noproc.
 */
#ifndef VM_SIGNAL_H
#define VM_SIGNAL_H

#include "vm/core/copy.h"
#include "vm/proc/proc.h"

/* A message is a heap fragment (so that one free does for both) with a value and a link. */
struct message {
    struct heap_frag frag;
    struct message *next;
    term value;  /* in frag, immediate or literal */
};

/* ---- sending: any thread. from: the process that does it, or NULL (the VM, a NIF thread). ---- */

/* to: pid, registered name (atom), alias reference, {Name, Node}. The message is copied.
 * false only for a name that is not registered (raise badarg). */
bool signal_send(struct proc *from, term to, term message);
/* Message already built in fragments of a heap_init_frags heap; takes them over. */
void signal_send_built(struct proc *from, term to_pid, term message, struct heap *built);
void signal_exit(struct proc *from, term to_pid, term reason);                  /* exit/2 */

/* Ask the process's own thread to run fn on it, between two instructions: process_info of others,
 * group_leader, garbage_collect, suspend. fn may build an answer and send it. arg: fn frees it; fn is
 * called with target NULL if the process is gone. */
typedef void (*signal_request_fn)(struct proc *target, void *arg);
void signal_request(struct proc *from, term to_pid, signal_request_fn fn, void *arg);

/* ---- own thread of the process ---- */

/* Takes in and handles what has arrived. true: the process must exit (p->exc holds the reason). */
bool signal_fetch(struct proc *p) MUST_CHECK;
bool signal_pending(const struct proc *p); /* anything to fetch? one relaxed load */

/* The receive instructions. peek: message at the save pointer, fetching if needed; NULL: none left
 * (wait). *must_exit as signal_fetch. */
struct message *msgq_peek(struct proc *p, bool *must_exit);
void msgq_next(struct proc *p);           /* loop_rec_end */
term msgq_take(struct proc *p);           /* remove_message: unlinks, attaches to heap, resets save */
void msgq_reset(struct proc *p);          /* save = first: timeout, or a receive is left */
/* Receive mark: remember the end of the queue now; later receives that match only ref start there. */
void msgq_mark(struct proc *p);           /* recv_marker_reserve/bind */
void msgq_use_mark(struct proc *p);

/* Links and monitors of p. */
term bif_link_to(struct proc *p, term pid);
void signal_link(struct proc *p, term pid);
void signal_unlink(struct proc *p, term pid);
/* A monitor reference on p's heap. target: pid, name, {Name,Node}. flags as monitor/3. */
enum monitor_alias { MONITOR_NO_ALIAS, MONITOR_ALIAS_EXPLICIT, MONITOR_ALIAS_DEMONITOR, MONITOR_ALIAS_REPLY };
term signal_monitor(struct proc *p, term target, enum monitor_alias alias, term tag /* or TERM_NONE: 'DOWN' */);
bool signal_demonitor(struct proc *p, term ref, bool flush);
term signal_alias_new(struct proc *p, bool reply);
bool signal_alias_remove(struct proc *p, term ref);

uint64_t ref_next_id(void); /* unique in this VM; any thread */

#endif
