/* boot.h - bringing the VM up and down, in the one order that works. */
#ifndef EMU_BOOT_H
#define EMU_BOOT_H

#include "lib/base/base.h"

enum { BOOT_MAX_LIST = 256 };

struct boot_options {
    unsigned n_schedulers;                              /* 0: one per core */
    const char *path_first[BOOT_MAX_LIST];              /* -pa, in order given */
    size_t n_path_first;
    const char *path_last[BOOT_MAX_LIST];               /* -pz */
    size_t n_path_last;
    const char *isolation[BOOT_MAX_LIST];               /* --isolation */
    size_t n_isolation;
    const char *trace;                                  /* --trace, or NULL */
};

/* Tables, signal handlers, policies, threads, I/O servers. false and a line in error.
 * Main thread, once. */
bool boot_vm(const struct boot_options *o, char error[256]) MUST_CHECK;

/* Before the first allocation. Does not return if there is no address space. */
void boot_memory(void);
/* Tables only, for commands that look at files but run nothing. */
void boot_tables(void);

/* Stops the threads and flushes the trace. The process is about to exit: memory is left to it.
 * false: the trace could not be written, which has been said. */
bool boot_stop(void);

#endif
