libcore_a_SOURCES += \
  lib/base/arena.c lib/base/arena.h lib/base/arena_cache.c lib/base/arena_classes.c lib/base/arena_internal.h \
  lib/base/arena_runs.c lib/base/arena_vm.c \
  lib/base/base.c lib/base/base.h \
  lib/base/bytes.c lib/base/bytes.h \
  lib/base/clock.h \
  lib/base/futex.c lib/base/futex.h \
  lib/base/installed.c lib/base/installed.h \
  lib/base/lock.c lib/base/lock.h \
  lib/base/md5.c lib/base/md5.h \
  lib/base/sanitize.h \
  lib/base/memory_file.c lib/base/memory_file.h lib/base/service_thread.c lib/base/service_thread.h \
  lib/base/trace.c lib/base/trace.h \
  lib/base/utf8.c lib/base/utf8.h

check_PROGRAMS += lib/base/tests/check_arena lib/base/tests/check_lock lib/base/tests/check_trace lib/base/tests/check_utf8
lib_base_tests_check_arena_SOURCES = lib/base/tests/check_arena.c lib/base/tests/run_suite.h
lib_base_tests_check_lock_SOURCES = lib/base/tests/check_lock.c
lib_base_tests_check_trace_SOURCES = lib/base/tests/check_trace.c
lib_base_tests_check_utf8_SOURCES = lib/base/tests/check_utf8.c
