/* sched_use.h - what scheduler threads do with their time, and what their collections freed: erlang:statistics/1.
 *
 * Each thread writes its own record, any thread reads all. Index: as in struct sched, from 1; normal schedulers
 * first, then dirty CPU, then dirty I/O. One that has no thread yet has done nothing.
 */
#ifndef VM_SCHED_USE_H
#define VM_SCHED_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Own thread: it has something to do from now on, or nothing. */
void sched_use_works(unsigned index);
void sched_use_sleeps(unsigned index);
/* Own thread: a collection that freed so many words. */
void sched_use_collected(unsigned index, size_t words);

/* Of all threads since the start. */
void sched_use_collections(uint64_t *out_count, uint64_t *out_words);

/* system_flag(scheduler_wall_time, On): what it was. Turning it on starts the times at 0. */
bool sched_use_measure(bool on);
/* ns since then, and how many of them the thread had something to do. false: it is off. */
bool sched_use_times(unsigned index, int64_t *out_active, int64_t *out_total);

#endif
