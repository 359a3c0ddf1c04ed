# Programs a teacher would show; each with what it must print.
examples_erl = examples/hello.erl examples/ring.erl examples/bank.erl examples/json.erl \
  examples/crashes.erl examples/gallery.erl examples/phoenix.erl
examples_beams = $(examples_erl:.erl=.beam)
examples_nifs = examples/crashes_nif.so
EXTRA_DIST += $(examples_erl) examples/crashes_nif.c examples/capitals.json examples/run-examples.sh \
  examples/expected/hello examples/expected/ring examples/expected/bank examples/expected/json \
  examples/expected/gallery examples/expected/phoenix
CLEANFILES += $(examples_beams) $(examples_nifs)
check_DATA += $(examples_beams) $(examples_nifs)
TESTS += examples/run-examples.sh

# A NIF library as its author would build it: any compiler, our headers, nothing linked.
.c.so:
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(CC) -g -O1 -Wall -Wextra -shared -fPIC -fmacro-prefix-map=$(<D)/= -I$(top_srcdir)/nif -o $@ $<
SUFFIXES += .c .so

.PHONY: demo
demo: all $(examples_beams) $(examples_nifs)
	@BULKHEAD_LIB=lib/erl $(SHELL) $(srcdir)/examples/run-demo.sh ./bulkhead examples
EXTRA_DIST += examples/run-demo.sh
CLEANFILES += demo-crash-reports.log
