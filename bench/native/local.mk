# The "native calls" of `make bench`; `make bench-native` runs them alone.
bench_native_erl = bench/native/bench_native.erl bench/native/bench_native_dirty.erl bench/native/bench_json.erl bench/native/bench_worker.erl
bench_native_files = $(bench_native_erl:.erl=.beam) bench/native/bench_native.so bench/native/bench_native_dirty.so \
  bench/native/bench_port bench/bench_channel$(EXEEXT) bench/bench_nif.so bench/bench_nif.beam
EXTRA_DIST += $(bench_native_erl) bench/native/bench_native.c bench/native/bench_port.c bench/native/bench_cnode.c bench/run-native.sh
CLEANFILES += $(bench_native_erl:.erl=.beam) bench/native/*.so bench/native/bench_port bench/native/bench_cnode

bench/native/bench_native_dirty.so: bench/native/bench_native.c
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) -I$(top_srcdir)/nif $(CPPFLAGS) $(CFLAGS) -DBENCH_DIRTY -fPIC -shared -o $@ $(srcdir)/bench/native/bench_native.c
bench/native/bench_port: bench/native/bench_port.c
	@$(MKDIR_P) $(@D)
	$(AM_V_CC)$(CC) -D_GNU_SOURCE $(CPPFLAGS) $(CFLAGS) -o $@ $(srcdir)/bench/native/bench_port.c

.PHONY: bench-native bench-cnode
# Where libei is; run-native.sh says so if it is not.
bench-cnode: $(bench_native_files)
	@test -x bench/native/bench_cnode || $(CC) -I$(OTP_ROOT)/usr/include -L$(OTP_ROOT)/usr/lib $(CPPFLAGS) $(CFLAGS) \
	  -o bench/native/bench_cnode $(srcdir)/bench/native/bench_cnode.c -lei -lpthread 2>/dev/null || :
bench-native: bulkhead bulkhead-worker $(erl_beams) bench-cnode
	@builddir='$(abs_builddir)' BULKHEAD='$(abs_builddir)/bulkhead' BULKHEAD_LIB='$(abs_builddir)/lib/erl' \
	  ERL='$(ERL)' $(SHELL) $(srcdir)/bench/run-native.sh
