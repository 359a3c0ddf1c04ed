#include "vm/core/compress.h"

#include <string.h>

#include "lib/base/arena.h"

enum { MAX_FIRST = 1 << 16 }; /* bytes to begin with, whatever is expected */

voidpf compress_alloc(voidpf opaque, uInt n, uInt size)
{
    (void) opaque;
    return vm_try_alloc((size_t) n * size);
}

void compress_free(voidpf opaque, voidpf p)
{
    (void) opaque;
    vm_free(p);
}

/* zlib's counts have 32 bits. */
static uInt piece(size_t n)
{
    return n < UINT32_MAX ? (uInt) n : UINT32_MAX;
}

static uint8_t *grow(uint8_t *block, size_t used, size_t size)
{
    uint8_t *larger = vm_try_alloc(size);
    if (larger != NULL) {
        memcpy(larger, block, used);
    }
    vm_free(block);
    return larger;
}

uint8_t *compress_inflate(const uint8_t *bytes, size_t n, enum compress_format format, size_t expected, size_t max,
    size_t *out_n, size_t *out_used)
{
    z_stream z = { COMPRESS_MEMORY, .next_in = (Bytef *) (uintptr_t) bytes };
    size_t limit = max + 1, used = 0; /* one byte more tells data that are too long from data that just fit */
    size_t capacity = expected != 0 ? expected + 1 : 4 * n + 64;
    capacity = capacity < MAX_FIRST ? capacity : MAX_FIRST;
    capacity = capacity < limit ? capacity : limit;
    *out_used = 0;
    if (inflateInit2(&z, (int) format) != Z_OK) {
        return NULL;
    }
    int status = Z_OK;
    uint8_t *out = vm_try_alloc(capacity);
    while (out != NULL && status == Z_OK && used <= max) {
        if (used == capacity) {
            capacity = capacity < limit - capacity ? 2 * capacity : limit;
            out = grow(out, used, capacity);
            continue;
        }
        z.avail_in = piece(n - (size_t) (z.next_in - bytes));
        z.next_out = out + used;
        z.avail_out = piece(capacity - used);
        status = inflate(&z, Z_NO_FLUSH);
        used = (size_t) (z.next_out - out);
    }
    *out_used = (size_t) (z.next_in - bytes);
    inflateEnd(&z);
    if (out == NULL || status != Z_STREAM_END || used > max) {
        vm_free(out);
        return NULL;
    }
    *out_n = used;
    return out;
}

size_t compress_deflate(uint8_t *to, size_t max, const uint8_t *from, size_t n, int level)
{
    z_stream z = { COMPRESS_MEMORY, .next_in = (Bytef *) (uintptr_t) from, .next_out = to };
    if (deflateInit(&z, level) != Z_OK) {
        return 0;
    }
    int status = Z_OK;
    while (status == Z_OK && max > (size_t) (z.next_out - to)) {
        size_t left = n - (size_t) (z.next_in - from);
        z.avail_in = piece(left);
        z.avail_out = piece(max - (size_t) (z.next_out - to));
        status = deflate(&z, left <= UINT32_MAX ? Z_FINISH : Z_NO_FLUSH);
    }
    deflateEnd(&z);
    return status == Z_STREAM_END ? (size_t) (z.next_out - to) : 0;
}
