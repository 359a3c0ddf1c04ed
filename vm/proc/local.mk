libbulkhead_a_SOURCES += \
  vm/proc/dict.c vm/proc/dict.h \
  vm/proc/links.c vm/proc/links.h \
  vm/proc/msgq.c \
  vm/proc/proc.c vm/proc/proc.h vm/proc/proc_internal.h \
  vm/proc/proc_options.c vm/proc/proc_options.h \
  vm/proc/proc_table.c vm/proc/proc_table.h \
  vm/proc/ref.c \
  vm/proc/registry.c \
  vm/proc/report.c \
  vm/proc/runq.c vm/proc/runq.h \
  vm/proc/sched.c vm/proc/sched.h \
  vm/proc/sched_dirty.c \
  vm/proc/signal.c vm/proc/signal.h \
  vm/proc/signal_link.c \
  vm/proc/suspend.c \
  vm/proc/timer.c vm/proc/timer.h \
  vm/proc/watch.c
