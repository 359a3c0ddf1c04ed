/* packet.h - where a packet of a stream of bytes ends: the framing of erlang:decode_packet/3.
 *
 * Knows no terms. Lengths come from outside: nothing is trusted, and a packet that would not fit an int32_t
 * together with its header is bad.
 */
#ifndef VM_BIF_PACKET_H
#define VM_BIF_PACKET_H

#include "lib/base/base.h"

enum packet_type {
    PACKET_RAW,
    PACKET_1,       /* a length of one, two, four bytes in front; the packet is what follows it */
    PACKET_2,
    PACKET_4,
    PACKET_SUNRM,   /* the others keep their header */
    PACKET_ASN1,
    PACKET_CDR,
    PACKET_FCGI,
    PACKET_TPKT,
    PACKET_SSL_TLS, /* record of TLS, or the hello of SSL 2 */
    PACKET_LINE,
    PACKET_HTTP,    /* a request or status line */
    PACKET_HTTPH,   /* a header, with lines that continue it; or the empty line that ends them */
};

struct packet_limits {
    uint32_t packet_size; /* bytes without the length in front; 0: any */
    uint32_t line_length; /* PACKET_LINE: longer lines are cut there; HTTP without packet_size: are bad. 0: any */
    uint8_t delimiter;    /* PACKET_LINE: its last byte */
};

enum packet_status {
    PACKET_WHOLE,
    PACKET_MORE, /* bytes are missing */
    PACKET_BAD,
};

struct packet_frame {
    size_t total;   /* bytes with all that belongs to it; with PACKET_MORE 0: not known yet */
    size_t header;  /* bytes in front that are no part of the packet */
    size_t padding; /* and at the end */
};

/* Where the packet that the bytes begin with ends. *out is all zero unless some of it is known. */
enum packet_status packet_measure(enum packet_type type, const uint8_t *bytes, size_t n,
    const struct packet_limits *limits, struct packet_frame *out) MUST_CHECK;
/* Does a record of TLS, of which five bytes are there, begin like the hello of SSL 2? */
bool packet_is_ssl2_hello(const uint8_t *bytes);

#endif
