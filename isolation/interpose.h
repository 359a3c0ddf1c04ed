/* interpose.h - what libraries get instead of some functions of libc.
 *
 * The executable exports these names, so the dynamic linker binds libraries (and libc's own calls)
 * to them before libc's. interpose_malloc.c: the malloc family, a heap per library.
 * interpose_process.c: exit and kin, abort, exec. interpose_signal.c: handlers, masks, raise.
 * interpose_thread.c: threads. interpose_kin.c: what ends in one of these without calling it by name.
 * They are linked into the executables only; the rest of isolation/ works without them.
 */
#ifndef ISOLATION_INTERPOSE_H
#define ISOLATION_INTERPOSE_H

#include "isolation/library.h"

/* Heaps of libraries lie side by side here, so that an address tells its heap. */
#define LIBRARY_HEAPS_BASE UINT64_C(0x300000000000)
enum { LIBRARY_HEAP_SHIFT = 36, LIBRARY_MAX_HEAPS = 256 };
/* Slot 0 serves whoever calls malloc outside of native calls: libc, libtommath, ... */

static inline bool library_heap_holds(uintptr_t address)
{
    return address - LIBRARY_HEAPS_BASE < (uint64_t) LIBRARY_MAX_HEAPS << LIBRARY_HEAP_SHIFT;
}
/* The heap of a slot, made if need be; NULL: no address space. */
struct arena *library_heap(unsigned slot);
/* Whose heap the address is in; NULL if there is none. */
struct arena *library_heap_of(uintptr_t address);

/* Around fork(): no heap stays locked in the child. */
void library_heaps_before_fork(void);
void library_heaps_after_fork(void);

/* Library whose function this thread runs in direct mode, or NULL: for reports. */
const struct native_library *interpose_direct_library(void);
extern _Thread_local struct native_library *direct_library __attribute__((tls_model("initial-exec")));

/* Signal mask back to the VM's; locks of the standard streams and of the dynamic linker released
 * that this thread holds. After a call that changed or left them. */
void native_restore_mask(void);
void native_release_locks(void);
void native_note_locks(void); /* once, at start */

#endif
