/* etf_decoder.h - inside the decoder of the external format: etf_decode.c, which walks, and etf_decode_leaf.c, which reads
 * what has no terms inside.
 *
 * Reading stops at the first byte that cannot be: a reader of a term answers TERM_NONE, or leaves in.bad set.
 */
#ifndef VM_ETF_DECODER_H
#define VM_ETF_DECODER_H

#include "lib/base/bytes.h"
#include "vm/core/atom.h"
#include "vm/core/etf.h"
#include "vm/core/etf_ext.h"
#include "vm/core/etf_tags.h"
#include "vm/core/heap.h"
#include "vm/core/worklist.h"

struct decoder {
    struct heap *h;
    struct bytes_reader in;
    unsigned flags;
    size_t owed; /* terms that open containers wait for */
    uintptr_t *next; /* place of the very next term; NULL: the stack says */
    bool no_memory;
    struct worklist w;
    struct etf_decode_ext *ext; /* NULL: the public format */
    uint64_t blobs_used;        /* bit i: blob i has its place */
};
_Static_assert(ETF_MAX_BLOBS <= 64, "blobs_used has a bit for each");

/* text: NULL, or n bytes. TERM_NONE: there is no such atom, or must not be. */
static inline term etf_atom_of(struct decoder *d, const uint8_t *text, size_t n, bool latin1)
{
    if (text == NULL) {
        return TERM_NONE;
    }
    if ((d->flags & ETF_SAFE) != 0) {
        return latin1 ? atom_lookup_latin1(text, n) : atom_lookup((const char *) text, n);
    }
    return latin1 ? atom_intern_latin1(text, n) : atom_intern((const char *) text, n);
}

/* Terms on d->h: what follows their tag, but for read_atom, which reads that, too. */
/* TERM_NONE also if tag is not an atom's. */
term etf_read_atom_of_tag(struct decoder *d, uint8_t tag);
term etf_read_atom(struct decoder *d);
term etf_read_big(struct decoder *d, size_t n); /* n: bytes of the magnitude */
term etf_read_float_text(struct decoder *d);
term etf_read_binary(struct decoder *d);
term etf_read_bit_binary(struct decoder *d);
term etf_read_pid(struct decoder *d, uint8_t tag);
term etf_read_port(struct decoder *d, uint8_t tag);
term etf_read_ref(struct decoder *d, uint8_t tag);
term etf_read_export(struct decoder *d);
term etf_read_blob(struct decoder *d);
term etf_read_resource(struct decoder *d);
/* An integer of up to 32 bits with its tag. false: something else. */
bool etf_read_int32(struct decoder *d, int64_t *out);

#endif
