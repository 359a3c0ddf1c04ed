/* iolist.h - iodata: binaries and nested lists of bytes and binaries. Iterative: any depth. */
#ifndef VM_IOLIST_H
#define VM_IOLIST_H

#include "vm/core/term.h"

/* false if t is no iodata (improper tails may be binaries; bytes 0..255; whole-byte binaries). */
bool iolist_size(term t, size_t *out_bytes);
/* The same with bitstrings of any size allowed. */
bool iolist_bit_size(term t, size_t *out_bits);
/* pre: iolist_size or iolist_bit_size said out has room. */
void iolist_copy(term t, uint8_t *out);

#endif
