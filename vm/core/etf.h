/* etf.h - the external term format: the only byte encoding of terms. */
#ifndef VM_ETF_H
#define VM_ETF_H

#include "vm/core/heap.h"

enum etf_decode_flags {
    ETF_SAFE = 1,    /* make no atoms, no external funs: binary_to_term(_, [safe]) */
    ETF_LITERAL = 2, /* no resources, refs or pids of this VM are made */
};
/**
 * Decodes one term, version byte (131) first, compressed or not, on to h. Depth and size are
 * bounded by the input's own length: no input crashes, hangs or allocates out of proportion.
 * @param out_used  bytes consumed, may be NULL (then all n must be used).
 * @return TERM_NONE if the bytes are not a term; h may have grown garbage.
 */
term etf_decode(struct heap *h, const uint8_t *bytes, size_t n, unsigned flags, size_t *out_used);

enum etf_encode_flags { ETF_COMPRESSED_LEVEL_MASK = 0xF /* 0: none, 1-9 */, ETF_DETERMINISTIC = 16,
    ETF_MINOR_VERSION_0 = 32, ETF_LOCAL = 64 };
/* A binary on h, TERM_NONE if no memory. */
term etf_encode(struct heap *h, term t, unsigned flags);
size_t etf_encoded_size(term t, unsigned flags);
/* To a buffer of at least etf_encoded_size bytes; returns the end. */
uint8_t *etf_encode_to(uint8_t *to, term t, unsigned flags);

#endif
