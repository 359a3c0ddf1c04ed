/* md5.h - MD5 (RFC 1321), for module checksums and erlang:md5. Not for secrets. */
#ifndef BASE_MD5_H
#define BASE_MD5_H

#include "lib/base/base.h"

enum { MD5_BYTES = 16 };

struct md5 { /* plain data: may be copied */
    uint32_t state[4];
    uint64_t n_bytes;
    uint8_t block[64];
};

void md5_init(struct md5 *m);
void md5_update(struct md5 *m, const void *bytes, size_t n);
void md5_final(struct md5 *m, uint8_t out[MD5_BYTES]);

#endif
