/* symbols.h - names for code addresses, static functions included, from the symbol tables in the
 * files. dladdr() knows exported names only, and takes a lock a library may have died with. */
#ifndef ISOLATION_SYMBOLS_H
#define ISOLATION_SYMBOLS_H

#include "lib/base/base.h"

struct symbol {
    const char *library;  /* file name without directory; valid for ever */
    const char *function; /* NULL: unknown */
    uintptr_t library_start, function_start;
};
/* false: no loaded file holds this address. */
bool symbols_find(uintptr_t address, struct symbol *out);
/* Does some loaded file hold it? No lock. */
bool symbols_is_code(uintptr_t address);

#endif
