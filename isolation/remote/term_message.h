/* term_message.h - terms in the bodies of frames.
 *
 * Sender: the encoding in a buffer that is kept, large binaries as further parts, straight from
 * where they lie. Receiver: the encoding is copied to a buffer of its own and parsed there, the bytes of
 * large binaries go straight into new off-heap binaries: a hostile sender that changes them
 * meanwhile changes only what they say.
 */
#ifndef ISOLATION_TERM_MESSAGE_H
#define ISOLATION_TERM_MESSAGE_H

#include "isolation/remote/protocol.h"
#include "vm/core/bits.h"
#include "vm/core/etf_ext.h"

enum { BLOB_MIN = 4096 };

struct term_writer {
    uint8_t *buffer; /* owned, kept between messages */
    size_t capacity;
    struct etf_encode_ext ext;
    uint64_t sizes[ETF_MAX_BLOBS];
    uint32_t head[2]; /* wire_term, number of blobs */
    bool refused; /* set by handle_of: the term must not be sent after all */
};

struct term_reader {
    uint8_t *buffer; /* owned, kept */
    size_t capacity, n;
    bool no_memory; /* why the last message could not be received or decoded: nothing is wrong with it */
    size_t n_blobs;
    struct offheap_bin *blobs[ETF_MAX_BLOBS]; /* owned until decoded or dropped */
    size_t sizes[ETF_MAX_BLOBS];
    /* Worker: those whose bytes stayed in the channel, each with a reference of ours, until term_reader_return(). */
    bool borrows; /* just now */
    bool keeps;   /* the library kept one */
    size_t n_borrowed;
    struct offheap_bin *borrowed[ETF_MAX_BLOBS];
    size_t borrowed_sizes[ETF_MAX_BLOBS];
    /* Handles, see etf_ext.h; set by the owner. */
    term (*resource)(void *arg, struct heap *h, uint64_t handle);
    void *arg;
};

/* Sends a frame whose body is prefix, then the term. CHANNEL_FULL also if the term cannot be encoded
 * (*out_too_large), or w->refused. handle_of, arg: see etf_encode_ext. */
enum channel_status term_send(struct term_writer *w, struct channel *c, const struct frame_header *h, const void *prefix,
    size_t prefix_bytes, term t, bool *out_too_large);
/* The same with several terms, one after the other. */
enum channel_status term_send_all(struct term_writer *w, struct channel *c, const struct frame_header *h, const void *prefix,
    size_t prefix_bytes, const term *terms, size_t n_terms, bool *out_too_large);
void term_writer_free(struct term_writer *w);

/* Worker: large binaries of the next message are used in place where they can be. Its terms do not outlive the call;
 * before it is answered comes term_reader_return(). A library that keeps binaries gets copies the next time. */
void term_reader_borrow(struct term_reader *r);
/* What was borrowed goes back to c; what the library keeps becomes its own. false: no memory. */
bool term_reader_return(struct term_reader *r, struct channel *c) MUST_CHECK;

/* Reads the wire_term that the rest of the current frame (n bytes) must be. false: it is none. */
bool term_receive(struct term_reader *r, struct channel *c, uint64_t n) MUST_CHECK;
/* What was received, on h; TERM_NONE: no term. Once. */
term term_decode(struct term_reader *r, struct heap *h, unsigned flags);
/* The same where exactly n terms must be. false: they are not. */
bool term_decode_all(struct term_reader *r, struct heap *h, unsigned flags, term *out, size_t n) MUST_CHECK;
void term_reader_drop(struct term_reader *r); /* what was received and not decoded */
void term_reader_free(struct term_reader *r);

#endif
