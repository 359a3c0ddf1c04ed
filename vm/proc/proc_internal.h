/* proc_internal.h - what the files of vm/proc share and nobody else needs. */
#ifndef VM_PROC_INTERNAL_H
#define VM_PROC_INTERNAL_H

#include <pthread.h>

#include "vm/core/ref.h"
#include "vm/proc/sched.h"

/* sched.c */
void sched_set_self(struct sched *s);
uint32_t sched_run(struct sched *s, struct proc *p);

/* sched_dirty.c */
void dirty_init(unsigned n_cpu, unsigned n_io);
bool dirty_start(void); /* a thread in each pool; false: the machine gives none */
void dirty_enqueue(struct proc *p);
/* Both wait until then; false: a thread has not ended. */
bool dirty_stop(int64_t system_deadline_ns);
/* For s, with what the hooks want for it. false: no thread, or no memory for one. */
bool sched_make_thread(struct sched *s, pthread_t *out, void *(*run)(void *)) MUST_CHECK;
bool sched_join(pthread_t thread, int64_t system_deadline_ns);

/* suspend.c: it stands still: whoever asked hears of it. */
void proc_tell_suspended(struct proc *p);

/* proc.c: after the threads have stopped: frees every process, running nothing. */
void proc_free_all(void);
/* watch.c: p was spawned by proc_watch_spawn and ends. */
void watch_tell(struct proc *p);

/* report.c: "Error in process ..." for the logger, or on standard error. */
void report_exit(struct proc *p, term reason);

/* The id of a reference as monitors and aliases have them; 0: it is none. */
static inline uint64_t proc_ref_id(term ref)
{
    return term_has_tag(ref, TAG_REF) ? term_ref_id(ref) : 0;
}

#endif
