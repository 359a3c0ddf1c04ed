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

enum signal_kind {
    SIGNAL_MESSAGE,
    SIGNAL_ALIAS_MESSAGE, /* id: alias; dropped when that is no longer active */
    SIGNAL_EXIT,          /* exit/2; value: reason */
    SIGNAL_LINK_EXIT,     /* the other end of a link is gone; value: reason */
    SIGNAL_LINK,
    SIGNAL_UNLINK,        /* id: to be acknowledged */
    SIGNAL_UNLINK_ACK,
    SIGNAL_MONITOR,       /* id: reference; value: name it was reached by, or none */
    SIGNAL_DEMONITOR,
    SIGNAL_DOWN,          /* id; value: reason */
    SIGNAL_REQUEST,       /* fn, arg */
    SIGNAL_REPLY,         /* id; value: answer to proc_ask() */
    SIGNAL_TIMER,         /* a message of a timer of its own; id: the timer */
    SIGNAL_RESUME,        /* the receive timer with number id expired */
};

/* A message is a heap fragment (so that one free does for both) with a value and a link. Words of
 * the value lie in frag, from arena_terms; immediates need none. Freed by vm_free. */
struct message {
    struct heap_frag frag; /* first: heap_attach_frag() takes the message over */
    struct message *next;
    term value;  /* in frag, immediate or literal */
    uint8_t kind; /* enum signal_kind */
    uint32_t pin; /* 0, or its value is in the pins of the receiver: message_value() */
};
/* Every other signal. */
struct signal {
    struct message base;
    term from; /* pid or TERM_NONE */
    uint64_t id;
    signal_request_fn fn;
    void *arg;
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
void signal_request(struct proc *from, term to_pid, signal_request_fn fn, void *arg);

/* Answer to proc_ask(): copies answer to the asker. */
void signal_reply(const struct ask *ask, term answer);
struct message *message_copy(term value) MUST_CHECK; /* NULL: no memory */
/* One that is kept for later: refers to no literals, which might go meanwhile (core/literal.h). */
struct message *message_copy_lasting(term value) MUST_CHECK;
void message_free(struct message *m);
/* Takes m over; drops it if to_pid is dead. */
void signal_send_message(term to_pid, struct message *m);

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
/* Words of the messages that have been fetched and wait, which count as heap unless the process has them off_heap. */
static inline size_t msgq_words(const struct proc *p)
{
    return p->off_heap_messages ? 0 : p->queued_words;
}
/* Receive marks. reserve: remember the end of the queue now; the value goes where the compiler wants
 * it. bind: it belongs to ref. use: the receive that comes looks only at what came after ref's mark,
 * if there still is one. clear: ref, or an unbound marker, is done with. */
term msgq_mark_reserve(struct proc *p);
void msgq_mark_bind(struct proc *p, term marker, term ref);
void msgq_mark_clear(struct proc *p, term marker_or_ref);
void msgq_mark_use(struct proc *p, term ref);

/* Links and monitors of p; signal_link.c. */
/* false: pid is dead and p does not trap exits (raise noproc). */
bool signal_link(struct proc *p, term pid) MUST_CHECK;
void signal_unlink(struct proc *p, term pid);
/* A monitor reference on p's heap. target: pid, name, {Name,Node}. flags as monitor/3. */
enum monitor_alias { MONITOR_NO_ALIAS, MONITOR_ALIAS_EXPLICIT, MONITOR_ALIAS_DEMONITOR, MONITOR_ALIAS_REPLY };
term signal_monitor(struct proc *p, term target, enum monitor_alias alias, term tag /* or TERM_NONE: 'DOWN' */);
term signal_monitor_port(struct proc *p, term target, enum monitor_alias alias, term tag);
bool signal_demonitor(struct proc *p, term ref, bool flush);
term signal_alias_new(struct proc *p, bool reply);
bool signal_alias_remove(struct proc *p, term ref);

uint64_t ref_next_id(void); /* unique in this VM, never 0; any thread */
int64_t unique_monotonic_next(void); /* strictly increasing, from 1; any thread */

/* A collection while the receive looks at a message it has not taken (a guard that builds): moves that
 * message's words to the heap and its value to the pins, which are one more array of roots. */
void msgq_pin(struct proc *p);
/* A message of p to itself, which p runs: value, on its own heap, is not copied, and a pin until it is taken.
 * false: it has to be sent as to others. */
bool msgq_send_self(struct proc *p, term value) MUST_CHECK;
struct heap_roots msgq_pinned_roots(struct proc *p);
/* The value of a message in p's queue: always by this. */
term message_value(const struct proc *p, const struct message *m);

/* ---- for vm/proc and the process BIFs ---- */

/* Takes a message out of the queue and frees it. link: what points to it. */
void msgq_drop(struct proc *p, struct message **link);
void msgq_append(struct proc *p, struct message *m);

#endif
