# `make bench`: our programs on Bulkhead and on OTP in the same run.
bench_erl = bench/bench.erl bench/bench_memory.erl bench/bench_nif.erl bench/bench_nothing.erl
bench_beams = $(bench_erl:.erl=.beam)
bench_nifs = bench/bench_nif.so
EXTRA_DIST += $(bench_erl) bench/bench_nif.c bench/run-bench.sh
CLEANFILES += $(bench_beams) $(bench_nifs)

.PHONY: bench
bench: bulkhead bulkhead-worker $(erl_beams) $(bench_beams) $(bench_nifs) bench-cnode
	@builddir='$(abs_builddir)' BULKHEAD='$(abs_builddir)/bulkhead' BULKHEAD_LIB='$(abs_builddir)/lib/erl' \
	  ERL='$(ERL)' $(SHELL) $(srcdir)/bench/run-bench.sh $(BENCH)

# Round trips of the channel to a worker, beside the least that shared memory allows.
EXTRA_PROGRAMS += bench/bench_channel
bench_bench_channel_SOURCES = bench/bench_channel.c
bench_bench_channel_LDADD = libcore.a $(VM_LIBS)

include $(srcdir)/bench/native/local.mk
