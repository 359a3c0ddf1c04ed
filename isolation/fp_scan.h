/* fp_scan.h - can code of this library change FP control: MXCSR, or the x87's control word?
 *
 * Reading them costs more than all the rest of the way back from a native call, and next to no
 * library touches them. One that could, as far as its code and what it imports tell, is checked after
 * each call; the others are not.
 */
#ifndef ISOLATION_FP_SCAN_H
#define ISOLATION_FP_SCAN_H

#include "isolation/library.h"

/* true when in doubt. handle: of dlopen. */
bool fp_scan_may_change(const struct native_library *lib, void *handle);

#endif
