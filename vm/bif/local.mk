# What they share.
libbulkhead_a_SOURCES += \
  vm/bif/bif.c vm/bif/bif.h vm/bif/bifs.def \
  vm/bif/bif_build.h vm/bif/bif_text.h vm/bif/bif_time.h
# Module erlang.
libbulkhead_a_SOURCES += vm/bif/bif_erlang_atom_text.c vm/bif/bif_erlang_dict.c vm/bif/bif_erlang_display.c \
  vm/bif/bif_erlang_flag.c vm/bif/bif_erlang_guard.c vm/bif/bif_erlang_hash.c vm/bif/bif_erlang_info.c \
  vm/bif/bif_erlang_iolist.c vm/bif/bif_erlang_link.c vm/bif/bif_erlang_node.c vm/bif/bif_erlang_number_text.c \
  vm/bif/bif_erlang_port.c vm/bif/bif_erlang_spawn.c vm/bif/bif_erlang_system.c vm/bif/bif_erlang_system_flag.c \
  vm/bif/system_flag.h vm/bif/bif_erlang_time.c vm/bif/bif_erlang_timer.c vm/bif/bif_erlang_tuple.c
# Others, by module.
libbulkhead_a_SOURCES += \
  vm/bif/bif_atomics.c \
  vm/bif/bif_binary.c vm/bif/bif_binary_search.c \
  vm/bif/bif_code.c vm/bif/bif_code.h vm/bif/bif_code_info.c \
  vm/bif/bif_erts_debug.c \
  vm/bif/bif_etf.c \
  vm/bif/bif_file.c vm/bif/bif_file_names.c vm/bif/file_handle.c vm/bif/file_handle.h \
  vm/bif/bif_io.c \
  vm/bif/bif_lists.c \
  vm/bif/bif_maps.c \
  vm/bif/bif_math.c \
  vm/bif/bif_os.c vm/bif/bif_os.h \
  vm/bif/bif_packet.c vm/bif/packet.c vm/bif/packet.h \
  vm/bif/bif_persistent_term.c \
  vm/bif/bif_prim_buffer.c \
  vm/bif/bif_re.c vm/bif/re_options.c vm/bif/re_options.h vm/bif/regex.c vm/bif/regex.h \
  vm/bif/bif_unicode.c \
  vm/bif/bif_zlib.c
