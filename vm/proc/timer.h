/* timer.h - a timing wheel per scheduler, one millisecond a tick.
 *
 * Six levels of 256 slots: level n holds what is due in 256^n .. 256^(n+1) ms. A timer is put in
 * and taken out in constant time; when a level comes round, the next slot of the level above is
 * spread over it. A thread looks at its wheel between processes and sleeps until the next timer.
 */
#ifndef VM_TIMER_H
#define VM_TIMER_H

#include "vm/proc/signal.h"

struct wheel;

/* The wheel of the scheduler with this index (from 0). Only its thread may turn it; any thread puts timers in. */
struct wheel *wheel_new(unsigned index);
void wheel_free(struct wheel *w);
/* Fires what is due. now_ns: CLOCK_MONOTONIC. */
void wheel_advance(struct wheel *w, int64_t now_ns);
/* Monotonic ns at which wheel_advance has to be called next; INT64_MAX: never. */
int64_t wheel_next_ns(struct wheel *w);
/* Anything in it? One relaxed load. */
bool wheel_is_empty(const struct wheel *w);

/* receive ... after, by the thread that runs p. Once it expired p->timed_out is set (by signal_fetch, when p runs next). */
void timer_set_receive(struct proc *p, uint64_t timeout_ms);
bool timer_receive_is_set(const struct proc *p);
void timer_cancel_receive(struct proc *p); /* also clears timed_out */
/* Own thread: is seq the receive timer that p has set and not cancelled? */
bool timer_receive_is(const struct proc *p, uint64_t seq);
void timer_receive_free(struct proc *p);

/* BIF timers. dest: local pid or name. deadline in monotonic ns. with_ref: {timeout, Ref, Msg}.
 * The reference is on p's heap. */
term timer_start(struct proc *p, int64_t deadline_ns, term dest, term message, bool with_ref);
/* Milliseconds left, or -1 if there is no such timer. */
int64_t timer_cancel(uint64_t id);
int64_t timer_read(uint64_t id);

#endif
