/* proc_table.h - pid -> process.
 *
 * A pid is a slot number and a serial. Slots are 64 bytes, made in segments of 1024 and never given
 * back, so any thread may look at any slot at any time; what says that it still belongs to a pid is
 *
 *   inbox:  generation 16 | address of the newest signal 44 | .. | CLOSED | WAITING
 *            63        48                                              1        0
 *
 * Senders push with one compare-and-swap, which fails when the generation (low bits of the serial)
 * or CLOSED says that the process is gone. WAITING means: parked, nothing in the inbox. Whoever
 * replaces a word that has WAITING set has taken the process over and must make it runnable, so a
 * wake-up needs no lock and happens once. The owner takes all signals with one exchange and turns
 * the list round.
 *
 * A stale sender could be fooled only if the slot is reused 65536 times between its load and its
 * compare-and-swap and then looks the same.
 */
#ifndef VM_PROC_TABLE_H
#define VM_PROC_TABLE_H

#include "vm/proc/signal.h"

enum { INBOX_WAITING = 1, INBOX_CLOSED = 2, INBOX_TAG_SHIFT = 48 };
#define INBOX_POINTER_MASK ((UINT64_C(1) << INBOX_TAG_SHIFT) - 16)

enum { TABLE_SEGMENT_BITS = 10, TABLE_SEGMENT_SLOTS = 1 << TABLE_SEGMENT_BITS,
    TABLE_MAX_SEGMENTS = 4096, TABLE_LIMIT = TABLE_SEGMENT_SLOTS * TABLE_MAX_SEGMENTS };

struct proc_shared {
    _Atomic uint64_t inbox;
    _Atomic uintptr_t pid;   /* word of the pid that lives here, 0: none */
    _Atomic uintptr_t name;  /* word of the registered name, 0: none */
    struct proc *proc;       /* for whoever runs it or has taken WAITING */
    _Atomic uint32_t next_free;
    uint32_t number, serial;
    _Atomic bool hidden;     /* not in processes() */
    _Atomic uint8_t status;  /* enum proc_status: what process_info tells others; a hint */
} __attribute__((aligned(64)));

enum proc_status { STATUS_RUNNABLE, STATUS_RUNNING, STATUS_WAITING, STATUS_SUSPENDED, STATUS_EXITING, STATUS_GC };

static inline struct message *inbox_pointer(uint64_t inbox)
{
    return (struct message *) (inbox & INBOX_POINTER_MASK);
}
static inline uint64_t inbox_tag(uint32_t serial)
{
    return (uint64_t) (serial & 0xFFFF) << INBOX_TAG_SHIFT;
}

/* A free slot, still closed; NULL: limit reached. */
struct proc_shared *table_take(void) MUST_CHECK;
/* Publishes it: pid of the new process. */
term table_open(struct proc_shared *s, struct proc *p);
/* No more signals from now on: the pid is dead. Returns those not yet seen, oldest first. */
struct message *table_close(struct proc_shared *s);
/* For reuse, after table_close. */
void table_release(struct proc_shared *s);
/* The number of a pid or port of this VM, and its serial. */
static inline uint32_t id_number(term id)
{
    return (uint32_t) (id.word >> TERM_SMALL_SHIFT) & ((1u << TERM_PID_NUMBER_BITS) - 1);
}
static inline uint32_t id_serial(term id)
{
    return (uint32_t) (id.word >> (TERM_SMALL_SHIFT + TERM_PID_NUMBER_BITS));
}
/* p, which nobody knows yet, becomes a port: its id is a port term. */
void table_make_port(struct proc *p);
term table_all_ports(struct heap *h);
/* NULL if pid is not alive (any more) or neither a local pid nor a local port. */
struct proc_shared *table_find(term pid);
/* All slots ever used: 0 .. table_used() - 1. */
uint32_t table_used(void);
struct proc_shared *table_slot(uint32_t number);

/* Pushes; false if the process is gone: the caller keeps m. */
bool inbox_push(term pid, struct message *m) MUST_CHECK;
/* Takes all, oldest first. Owner only. */
struct message *inbox_take(struct proc_shared *s);
/* Owner: park. false: signals have come, run on. On true the process may already run elsewhere. */
bool inbox_park(struct proc_shared *s) MUST_CHECK;
static inline bool inbox_has_signals(const struct proc_shared *s)
{
    return (atomic_load_explicit(&s->inbox, memory_order_relaxed) & INBOX_POINTER_MASK) != 0;
}

/* sched.c: makes runnable a process that the caller holds. */
void sched_enqueue(struct proc *p);

#endif
