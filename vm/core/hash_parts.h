/* hash_parts.h - for hash.c and phash.c: what must be the same for terms that are equal. */
#ifndef VM_HASH_PARTS_H
#define VM_HASH_PARTS_H

#include "lib/base/arena.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"

/* 0.0 and -0.0 are equal. */
static inline double hash_float(double d)
{
    return d == 0.0 ? 0.0 : d;
}

/* A bitstring from its first byte on; *scratch (vm_free it) holds a copy if it is not aligned. */
static inline const uint8_t *hash_bytes(const struct bits_view *v, uint8_t **scratch)
{
    *scratch = NULL;
    if (v->offset % 8 == 0) {
        return v->bytes + v->offset / 8;
    }
    *scratch = vm_zalloc((v->size + 7) / 8);
    bits_copy(*scratch, 0, v->bytes, v->offset, v->size);
    return *scratch;
}

#endif
