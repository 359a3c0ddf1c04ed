libcore_a_SOURCES += isolation/crash_report.c isolation/crash_report.h isolation/exception.c isolation/exec_direct.c \
  isolation/exec_in_process.c isolation/executor.c isolation/executor.h isolation/fault.c isolation/fault.h \
  isolation/fp_scan.c isolation/fp_scan.h isolation/interpose.h isolation/isolation.c isolation/isolation.h \
  isolation/library.c isolation/library.h isolation/outcome.c isolation/policy.c isolation/policy.h \
  isolation/policy_value.c isolation/policy_value.h isolation/repair.c isolation/stack_pool.c isolation/stack_pool.h \
  isolation/symbols.c isolation/symbols.h isolation/thread.c isolation/thread.h isolation/quick.h \
  isolation/trampoline_x86_64.S isolation/unwind.c isolation/unwind.h isolation/verify.c isolation/verify.h \
  isolation/watchdog.c isolation/watchdog.h

libcore_a_SOURCES += isolation/exec_hybrid.c isolation/exec_ipc.c isolation/exec_shared_heap.c \
  isolation/remote/fragment.c isolation/remote/fragment.h isolation/remote/heap_digest.c \
  isolation/remote/heap_digest.h isolation/remote/call.c isolation/remote/call_brief.h \
  isolation/remote/call_brief_terms.h isolation/remote/call_open.c isolation/remote/call_wait.c \
  isolation/remote/channel.c isolation/remote/channel.h isolation/remote/channel_brief.h \
  isolation/remote/channel_internal.h isolation/remote/channel_layout.h isolation/remote/channel_ring.c \
  isolation/remote/channel_ring.h isolation/remote/channel_ring_wait.c isolation/remote/channel_socket.c \
  isolation/remote/crash_wire.c isolation/remote/kept_heap.c isolation/remote/lane.c isolation/remote/nursery.c \
  isolation/remote/outbox.c isolation/remote/pool.c isolation/remote/pool_internal.h isolation/remote/pool_options.c \
  isolation/remote/pool_workers.c isolation/remote/protocol.h isolation/remote/remote.h \
  isolation/remote/remote_internal.h isolation/remote/remote_resource.c isolation/remote/remote_watch.c \
  isolation/remote/service.c isolation/remote/tainted.h isolation/remote/term_brief.h \
  isolation/remote/term_message.c isolation/remote/term_message.h isolation/remote/watcher.c
libcore_a_SOURCES += isolation/remote/zygote.c isolation/remote/zygote.h isolation/remote/zygote_start.c \
  isolation/remote/zygote_wire.h

# Only in executables, never in unit tests: what replaces libc functions for libraries. A
# sanitizer has a malloc of its own.
interposers = isolation/interpose_process.c isolation/interpose_signal.c isolation/interpose_thread.c \
  isolation/interpose_kin.c isolation/interpose_libc.h
if !SANITIZER
interposers += isolation/interpose_malloc.c
endif
bulkhead_SOURCES += $(interposers)

# Workers: the same API and the same interposers on the lower layers alone. If this does not link, a
# layer leaked.
pkglibexec_PROGRAMS = bulkhead-worker
bulkhead_worker_SOURCES = isolation/worker/zygote_main.c isolation/worker/worker.h isolation/worker/worker_crash.c \
  isolation/worker/worker_host.c isolation/worker/worker_lane.c isolation/worker/worker_library.c \
  isolation/worker/worker_main.c isolation/worker/worker_mode_own.c isolation/worker/worker_mode_read.c \
  isolation/worker/worker_mode_write.c isolation/worker/worker_brief.h isolation/worker/worker_state.h \
  $(interposers)
bulkhead_worker_LDADD = libcore.a $(VM_LIBS)
bulkhead_worker_LDFLAGS = $(bulkhead_LDFLAGS) -Wl,-z,now
EXTRA_bulkhead_worker_DEPENDENCIES = $(srcdir)/nif/export.map

# Workers for tests: one that does what it is asked, one that breaks every rule.
echo_worker = isolation/remote/tests/worker_echo
hostile_worker = isolation/remote/tests/hostile_worker
test_workers = $(echo_worker) $(hostile_worker)
EXTRA_PROGRAMS += $(test_workers)
CLEANFILES += $(test_workers)
check_DATA += $(test_workers)
worker_ldflags = $(AM_LDFLAGS) -Wl,-z,now
worker_ldadd = libcore.a $(VM_LIBS)
isolation_remote_tests_worker_echo_SOURCES = isolation/worker/zygote_main.c isolation/remote/tests/worker_echo.c
isolation_remote_tests_worker_echo_LDADD = $(worker_ldadd)
isolation_remote_tests_worker_echo_LDFLAGS = $(worker_ldflags)
isolation_remote_tests_hostile_worker_SOURCES = isolation/worker/zygote_main.c isolation/remote/tests/hostile_worker.c
isolation_remote_tests_hostile_worker_LDADD = $(worker_ldadd)
isolation_remote_tests_hostile_worker_LDFLAGS = $(worker_ldflags)
check_PROGRAMS += isolation/remote/tests/check_zygote
isolation_remote_tests_check_zygote_SOURCES = isolation/remote/tests/check_zygote.c

check_PROGRAMS += isolation/tests/check_policy isolation/tests/smallest_executor
isolation_tests_smallest_executor_SOURCES = isolation/tests/smallest_executor.c
isolation_tests_check_policy_SOURCES = isolation/tests/check_policy.c
check_PROGRAMS += isolation/tests/check_bystanders isolation/tests/check_executor isolation/tests/check_unwind
executor_test = isolation/tests/executor_test.h $(interposers)
isolation_tests_check_bystanders_SOURCES = isolation/tests/check_bystanders.c $(executor_test)
isolation_tests_check_bystanders_LDFLAGS = $(bulkhead_LDFLAGS)
isolation_tests_check_executor_SOURCES = isolation/tests/check_executor.c $(executor_test)
isolation_tests_check_executor_LDFLAGS = $(bulkhead_LDFLAGS)
isolation_tests_check_unwind_SOURCES = isolation/tests/check_unwind.c $(executor_test)
isolation_tests_check_unwind_LDFLAGS = $(bulkhead_LDFLAGS)

crash_libraries = isolation/tests/libs/crash.so isolation/tests/libs/crash_cxx.so
check_DATA += $(crash_libraries)
CLEANFILES += $(crash_libraries)
EXTRA_DIST += isolation/tests/libs/crash.c isolation/tests/libs/crash_cxx.cc
isolation/tests/libs/crash.so: isolation/tests/libs/crash.c
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(CC) -O1 -g -fPIC -shared -o $@ $<  -lpthread
# Without a C++ compiler an empty file: the tests that need it are skipped.
isolation/tests/libs/crash_cxx.so: isolation/tests/libs/crash_cxx.cc
	$(AM_V_GEN)$(MKDIR_P) $(@D) && { c++ -O1 -g -fPIC -shared -o $@ $< 2>/dev/null || : > $@; }

TESTS += isolation/tests/native.sh
EXTRA_DIST += isolation/tests/native.sh isolation/tests/native_tests.erl isolation/tests/loads.erl.in \
  isolation/tests/libs/native_tests_nif.c isolation/tests/libs/crash_in_load.c

TESTS += isolation/tests/reports.sh
EXTRA_DIST += isolation/tests/reports.sh isolation/tests/reports.erl isolation/tests/reports_old.erl \
  isolation/tests/reports_reload.erl isolation/tests/libs/reports_nif.c

TESTS += isolation/remote/tests/leftovers.sh
EXTRA_DIST += isolation/remote/tests/leftovers.sh isolation/remote/tests/leftovers.erl isolation/remote/tests/libs/leftovers.c

TESTS += isolation/tests/remote.sh
EXTRA_DIST += isolation/tests/remote.sh isolation/tests/remote_tests.erl isolation/tests/remote_tests.hrl \
  isolation/tests/remote_worker_tests.erl isolation/tests/remote_term_tests.erl isolation/tests/remote_loads.erl \
  isolation/tests/libs/remote_tests_nif.c isolation/tests/libs/remote_loads_nif.c
TESTS += isolation/tests/rust.sh
EXTRA_DIST += isolation/tests/rust.sh isolation/tests/rust_tests.erl isolation/tests/libs/rust_panics.rs
TESTS += isolation/tests/break.sh
EXTRA_DIST += isolation/tests/break.sh isolation/tests/break_tests.erl isolation/tests/libs/break_tests_nif.c

check_PROGRAMS += isolation/remote/tests/check_fragment
isolation_remote_tests_check_fragment_SOURCES = isolation/remote/tests/check_fragment.c vm/core/tests/core_test.h

check_PROGRAMS += isolation/remote/tests/check_channel isolation/remote/tests/check_channel_hostile
hostile_peer = isolation/remote/tests/hostile_peer.c isolation/remote/tests/hostile_peer.h
isolation_remote_tests_check_channel_SOURCES = isolation/remote/tests/check_channel.c $(hostile_peer)
isolation_remote_tests_check_channel_hostile_SOURCES = isolation/remote/tests/check_channel_hostile.c $(hostile_peer)
check_PROGRAMS += isolation/remote/tests/check_brief
isolation_remote_tests_check_brief_SOURCES = isolation/remote/tests/check_brief.c $(hostile_peer)
# Ten million malformed replies: part of `make soak`, best in a build with ASan and UBSan.
EXTRA_PROGRAMS += isolation/remote/tests/soak_channel
isolation_remote_tests_soak_channel_SOURCES = isolation/remote/tests/soak_channel.c $(hostile_peer)
isolation_remote_tests_soak_channel_LDADD = libcore.a $(VM_LIBS)
.PHONY: soak-channel
soak: soak-channel
soak-channel: isolation/remote/tests/soak_channel
	isolation/remote/tests/soak_channel $(SOAK_REPLIES)

# The VM against the worst of workers.
TESTS += isolation/remote/tests/hostile.sh
EXTRA_DIST += isolation/remote/tests/hostile.sh isolation/remote/tests/hostile_tests.erl
# For long: that worker, and each end a worker can have ten times as often as in `make check`.
HOSTILE_SECONDS = 300
.PHONY: soak-hostile
soak: soak-hostile
soak-hostile: bulkhead bulkhead-worker $(erl_beams) $(hostile_worker)
	$(AM_TESTS_ENVIRONMENT) HOSTILE_SECONDS=$(HOSTILE_SECONDS) $(srcdir)/isolation/remote/tests/hostile.sh
	$(AM_TESTS_ENVIRONMENT) BULKHEAD_TEST_TIMES=10 $(srcdir)/isolation/tests/remote.sh

TESTS += isolation/remote/tests/tainted.sh
EXTRA_DIST += isolation/remote/tests/tainted.sh isolation/remote/tests/tainted_misuse.c
