#include "vm/code/beam_inflate.h"

#include <string.h>
#include <zlib.h>

#include "lib/base/arena.h"

enum { INFLATE_MAX_RATIO = 1032 }; /* deflate cannot do better: more is a lie */

static voidpf inflate_alloc(voidpf opaque, uInt n, uInt size)
{
    (void) opaque;
    return vm_try_alloc((size_t) n * size);
}
static void inflate_free(voidpf opaque, voidpf p)
{
    (void) opaque;
    vm_free(p);
}

uint8_t *beam_inflate(
    const uint8_t *bytes, size_t n, int window_bits, size_t size_hint, size_t max, size_t *out_n)
{
    z_stream z = { .zalloc = inflate_alloc, .zfree = inflate_free };
    if (n > UINT32_MAX || inflateInit2(&z, window_bits) != Z_OK) {
        return NULL;
    }
    size_t capacity = size_hint > 0 ? size_hint : n * 4 + 64;
    capacity = capacity > max ? max : capacity;
    uint8_t *out = vm_try_alloc(capacity + 1);
    size_t done = 0;
    bool ok = false;
    z.next_in = (Bytef *) (uintptr_t) bytes;
    z.avail_in = (uInt) n;
    while (out != NULL) {
        z.next_out = out + done;
        z.avail_out = (uInt) (capacity - done);
        int st = inflate(&z, Z_NO_FLUSH);
        done = capacity - z.avail_out;
        if (st == Z_STREAM_END) {
            ok = true;
            break;
        }
        if ((st != Z_OK && st != Z_BUF_ERROR) || z.avail_out > 0 || capacity >= max) {
            break;
        }
        size_t larger = capacity * 2 > max ? max : capacity * 2;
        uint8_t *moved = vm_try_alloc(larger + 1);
        if (moved == NULL) {
            break;
        }
        memcpy(moved, out, done);
        vm_free(out);
        out = moved;
        capacity = larger;
    }
    inflateEnd(&z);
    if (!ok) {
        vm_free(out);
        return NULL;
    }
    *out_n = done;
    return out;
}

size_t beam_inflate_limit(size_t n)
{
    size_t max = n < BEAM_FILE_MAX_BYTES / INFLATE_MAX_RATIO ? n * INFLATE_MAX_RATIO + 64
                                                             : BEAM_FILE_MAX_BYTES;
    return max < BEAM_FILE_MAX_BYTES ? max : BEAM_FILE_MAX_BYTES;
}
