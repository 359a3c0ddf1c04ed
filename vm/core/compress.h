/* compress.h - zlib, with memory of the VM: all of a piece of data at once. For streams see bif_zlib.c. */
#ifndef VM_COMPRESS_H
#define VM_COMPRESS_H

#include <zlib.h>

#include "lib/base/base.h"

/* What a z_stream is to be initialised with, so that zlib does not call malloc: what it takes is vm_try_alloc'd. */
voidpf compress_alloc(voidpf opaque, uInt n, uInt size);
void compress_free(voidpf opaque, voidpf p);
#define COMPRESS_MEMORY .zalloc = compress_alloc, .zfree = compress_free

enum compress_format { COMPRESS_ZLIB = 15, COMPRESS_GZIP = 31 /* inflateInit2's window bits */ };

/**
 * Inflates what begins at bytes into a new block, which grows as the data come: no size that somebody claims is believed.
 * @param expected  how many bytes are likely, 0: not known
 * @param max       more than this is an error
 * @return the block (vm_free it), its size in *out_n and how many bytes it was packed in in *out_used;
 *         NULL if the data are damaged or cut off, too many, or memory is short.
 */
uint8_t *compress_inflate(const uint8_t *bytes, size_t n, enum compress_format format, size_t expected, size_t max,
    size_t *out_n, size_t *out_used) MUST_CHECK;
/* Deflates n bytes in zlib's format to at most max; the number of bytes, or 0 if they do not fit. */
size_t compress_deflate(uint8_t *to, size_t max, const uint8_t *from, size_t n, int level) MUST_CHECK;

#endif
