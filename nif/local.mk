libbulkhead_a_SOURCES += \
	nif/api.def nif/bulkhead_nif.h nif/enif.h nif/enif_binary.c nif/enif_control.c nif/enif_env.c \
	nif/enif_get.c nif/enif_ioq.c nif/enif_make.c nif/enif_map.c nif/enif_misc.c nif/enif_process.c \
	nif/enif_resource.c nif/enif_select.c nif/enif_thread.c nif/enif_time.c nif/erl_nif.h nif/host.h \
	nif/nif_api.c nif/nif_api.h nif/nif_deferred.c nif/nif_env.c nif/nif_env.h nif/nif_guard.c \
	nif/nif_guard.h nif/nif_lib.c nif/nif_lib.h nif/nif_monitor.c nif/nif_owed.c nif/nif_resource.h
