libcore_a_SOURCES += \
	nif/api.def nif/bulkhead_nif.h nif/enif.h nif/enif_binary.c nif/enif_control.c nif/enif_env.c \
	nif/enif_get.c nif/enif_ioq.c nif/enif_make.c nif/enif_map.c nif/enif_misc.c nif/enif_process.c \
	nif/enif_resource.c nif/enif_select.c nif/enif_thread.c nif/enif_time.c nif/erl_nif.h nif/host.h \
	nif/nif_api.c nif/nif_api.h nif/nif_deferred.c nif/nif_env.c nif/nif_env.h nif/nif_guard.c \
	nif/nif_guard.h nif/nif_handle.c nif/nif_handle.h nif/nif_lib.c nif/nif_lib.h nif/nif_monitor.c nif/nif_owed.c nif/nif_resource.h

check_PROGRAMS += nif/tests/check_nif_handle nif/tests/check_nif_lib nif/tests/check_nif_objects nif/tests/check_nif_terms
nif_tests_check_nif_handle_SOURCES = nif/tests/check_nif_handle.c nif/tests/nif_test.h
nif_tests_check_nif_lib_SOURCES = nif/tests/check_nif_lib.c nif/tests/nif_test.h
nif_tests_check_nif_lib_LDFLAGS = $(bulkhead_LDFLAGS)
nif_tests_check_nif_objects_SOURCES = nif/tests/check_nif_objects.c nif/tests/nif_test.h
nif_tests_check_nif_terms_SOURCES = nif/tests/check_nif_terms.c nif/tests/nif_test.h

nif_test_libraries = nif/tests/libs/entries.so nif/tests/libs/no_init.so
check_DATA += $(nif_test_libraries)
CLEANFILES += $(nif_test_libraries)
EXTRA_DIST += nif/tests/libs/entries.c nif/tests/libs/no_init.c
TESTS += nif/tests/misuse.sh
EXTRA_DIST += nif/tests/misuse.sh nif/tests/misuse.erl nif/tests/libs/misuse.c

# For authors of libraries; erl_nif.h of OTP serves as well.
nifincludedir = $(includedir)/bulkhead
nifinclude_HEADERS = nif/erl_nif.h nif/bulkhead_nif.h
