/* isolation.h - the way in: starting the executors, and the record of a library of the NIF API. */
#ifndef ISOLATION_ISOLATION_H
#define ISOLATION_ISOLATION_H

#include "isolation/library.h"
#include "nif/nif_lib.h"

/* Signal handlers, hooks of the NIF API. Once, before any library is loaded. */
void isolation_init(void);
/* For a thread that is about to be made: the memory it needs. NULL: there is none. */
struct native_thread *isolation_thread_reserve(void) MUST_CHECK;
void isolation_thread_unreserve(struct native_thread *reserved); /* it could not be made */
/* On each thread that will run native calls, at its start, with what was reserved for it, and its end. */
void isolation_thread_start(struct native_thread *reserved);
void isolation_thread_stop(void);

/* Called when a module's library is about to be opened: the place to find its -isolation attribute.
 * NULL: nobody cares. */
extern void (*isolation_before_library)(term module);

/* The record of a library that is about to be opened, path without ".so", if its policy has it run in another OS
 * process; else NULL. */
struct native_library *isolation_library_elsewhere(term module, const char *path);
struct native_library *isolation_library_slow(struct nif_lib *lib);
static inline struct native_library *isolation_library(struct nif_lib *lib)
{
    struct native_library *l = lib->isolation;
    return __builtin_expect(l != NULL, 1) ? l : isolation_library_slow(lib);
}

#endif
