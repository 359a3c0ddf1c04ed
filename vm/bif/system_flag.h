/* system_flag.h - what erlang:system_flag/2 has set, for those whom it concerns. Any thread. */
#ifndef BIF_SYSTEM_FLAG_H
#define BIF_SYSTEM_FLAG_H

#include "vm/proc/proc_options.h"

void system_flag_init(void); /* once, at start */

/* What a new process of Erlang has unless its options say otherwise. */
struct spawn_options system_spawn_defaults(void);
struct max_heap_option system_max_heap(void);

/* Of those below the value as system_info gives it. */
term system_multi_scheduling(void);
term system_multi_scheduling_blockers(struct heap *h, bool normal);
unsigned system_schedulers_online(void); /* also while only one may run */
unsigned system_dirty_cpu_online(void);
term system_bind_type(void);
term system_logger(void);
term system_seq_tracer(void);
uint32_t system_trace_control_word(void);
size_t system_requests_limit(void);

#endif
