/* beam_inflate.h - what is packed in a BEAM file: the whole of it by gzip, literals by zlib. */
#ifndef VM_BEAM_INFLATE_H
#define VM_BEAM_INFLATE_H

#include "lib/base/base.h"

enum { BEAM_FILE_MAX_BYTES = 64 << 20, BEAM_INFLATE_ZLIB = 15, BEAM_INFLATE_GZIP = 31 };

/* Inflates into a new block of at most max bytes; vm_free it. format: one of the two above.
 * size_hint: what the file says the size is, or 0. NULL if it is not well formed. */
uint8_t *beam_inflate(const uint8_t *bytes, size_t n, int format, size_t size_hint, size_t max,
    size_t *out_n) MUST_CHECK;
/* More than n bytes can ever unpack to, or than a file may have. */
size_t beam_inflate_limit(size_t n);

#endif
