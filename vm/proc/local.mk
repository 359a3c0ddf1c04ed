libbulkhead_a_SOURCES += \
  vm/proc/dict.c vm/proc/dict.h \
  vm/proc/links.c vm/proc/links.h \
  vm/proc/literals.c vm/proc/literals.h \
  vm/proc/msgq.c \
  vm/proc/os_signal.c vm/proc/os_signal.h \
  vm/proc/port.c vm/proc/port.h vm/proc/port_child.c vm/proc/port_child.h \
  vm/proc/proc.c vm/proc/proc.h vm/proc/proc_internal.h \
  vm/proc/proc_options.c vm/proc/proc_options.h \
  vm/proc/proc_table.c vm/proc/proc_table.h \
  vm/proc/ref.c \
  vm/proc/registry.c vm/proc/registry.h \
  vm/proc/report.c vm/proc/report.h \
  vm/proc/runq.c vm/proc/runq.h \
  vm/proc/sched.c vm/proc/sched.h \
  vm/proc/sched_dirty.c vm/proc/sched_idle.c vm/proc/sched_private.h \
  vm/proc/sched_use.c vm/proc/sched_use.h \
  vm/proc/signal.c vm/proc/signal.h \
  vm/proc/signal_link.c \
  vm/proc/suspend.c \
  vm/proc/timer.c vm/proc/timer.h \
  vm/proc/watch.c vm/proc/watch.h

check_PROGRAMS += \
  vm/proc/tests/check_link \
  vm/proc/tests/check_monitor \
  vm/proc/tests/check_proc_table \
  vm/proc/tests/check_registry \
  vm/proc/tests/check_sched \
  vm/proc/tests/check_signal \
  vm/proc/tests/check_timer
signal_tests = vm/proc/tests/signal_test.h vm/proc/tests/proc_test.h
vm_proc_tests_check_link_SOURCES = vm/proc/tests/check_link.c $(signal_tests)
vm_proc_tests_check_monitor_SOURCES = vm/proc/tests/check_monitor.c $(signal_tests)
vm_proc_tests_check_proc_table_SOURCES = vm/proc/tests/check_proc_table.c vm/proc/tests/proc_test.h
vm_proc_tests_check_registry_SOURCES = vm/proc/tests/check_registry.c vm/proc/tests/proc_test.h
vm_proc_tests_check_sched_SOURCES = vm/proc/tests/check_sched.c vm/proc/tests/proc_test.h
vm_proc_tests_check_signal_SOURCES = vm/proc/tests/check_signal.c $(signal_tests)
vm_proc_tests_check_timer_SOURCES = vm/proc/tests/check_timer.c vm/proc/tests/proc_test.h
