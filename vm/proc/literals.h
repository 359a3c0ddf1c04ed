/* literals.h - gives back the memory of literals that were retired and that no process refers to: the order of
 * things is told in core/literal.h.
 *
 * A thread of its own, made when there is first something to do, goes through the rounds. It asks processes by
 * signal; a process looks at itself between two slices, when all it has is in its struct, and collects its
 * garbage first if that seems to be worth it.
 *
 * A round costs a wake-up of every process and a look at every word of their heaps. So the thread waits until much
 * was retired, or for a hundred times as long as the last round took.
 */
#ifndef VM_LITERALS_H
#define VM_LITERALS_H

#include "vm/proc/proc.h"

struct literal_round;

/* By sched_start and sched_stop. The second waits for the thread to end, until then; false: it has not. */
void literals_start(void);
bool literals_stop(int64_t system_deadline_ns);

/* p, which was asked (p->literal_round), answers. Its own thread, between two slices. false: p must exit (p->exc). */
bool literals_look(struct proc *p) MUST_CHECK;
/* It ends instead. */
void literals_gone(struct proc *p);

#endif
