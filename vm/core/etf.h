/* etf.h - the external term format: the only byte encoding of terms.
 *
 * Source: "External Term Format" in the ERTS user's guide. Atoms, pids, references and ports of
 * node nonode@nohost, creation 0, are our own.
 */
#ifndef VM_ETF_H
#define VM_ETF_H

#include "vm/core/heap.h"

enum etf_decode_flags {
    ETF_SAFE = 1,    /* make no atoms, no exports: binary_to_term(_, [safe]) */
    ETF_LITERAL = 2, /* pids, ports and references of this VM are refused */
};
/**
 * Decodes one term, version byte (131) first, compressed or not, on to h. Depth and size are
 * bounded by the input's own length: no input crashes, hangs or allocates out of proportion.
 * @param out_used  bytes consumed, may be NULL (then what follows the term is ignored, as OTP).
 * @return TERM_NONE if the bytes are not a term, or there is no memory for it (then *out_used is 0); h may have grown garbage.
 */
term etf_decode(struct heap *h, const uint8_t *bytes, size_t n, unsigned flags, size_t *out_used);

enum etf_encode_flags {
    ETF_COMPRESSED_LEVEL_MASK = 0xF, /* 0: none, 1-9; kept only if it makes it smaller */
    ETF_DETERMINISTIC = 16,          /* large maps in term order of their keys */
    ETF_MINOR_VERSION_0 = 32,        /* floats as text */
    ETF_MINOR_VERSION_2 = 128,       /* all atoms as UTF-8 (OTP 25: Latin-1 where possible) */
};
/* A binary on h. TERM_NONE: no memory, or larger than the format allows (raise system_limit). */
term etf_encode(struct heap *h, term t, unsigned flags);
/* Gives up, TERM_NONE and *out_exceeded, when it comes to more than about budget bytes, those of large binaries apart. */
term etf_encode_within(struct heap *h, term t, unsigned flags, size_t budget, bool *out_exceeded) MUST_CHECK;
/* Without compression. 0: larger than the format allows. */
size_t etf_encoded_size(term t, unsigned flags);
/* In a buffer of its own, without compression; vm_free it. NULL: as etf_encode's TERM_NONE. */
uint8_t *etf_encode_alloc(term t, unsigned flags, size_t *out_n) MUST_CHECK;

#endif
