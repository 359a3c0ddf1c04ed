libbulkhead_a_SOURCES += \
  vm/proc/proc.h vm/proc/sched.h vm/proc/signal.h
