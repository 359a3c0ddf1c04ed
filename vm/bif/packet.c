#include "vm/bif/packet.h"

#include <string.h>

#include "lib/base/bytes.h"

/* ---- a header that has the length ---- */

struct header {
    uint32_t size; /* bytes of the header itself */
    uint32_t body; /* bytes behind it */
};

bool packet_is_ssl2_hello(const uint8_t *b)
{
    return (b[0] & 0x80) && b[2] == 1;
}

static enum packet_status ssl_tls(const uint8_t *b, size_t n, struct header *out)
{
    if (n < 5) {
        return PACKET_MORE;
    }
    *out = (struct header) { 5, bytes_load_u16be(b + 3) };
    if (packet_is_ssl2_hello(b)) {
        *out = (struct header) { 2, bytes_load_u16be(b) & 0x7fff };
        return out->body < 3 ? PACKET_BAD : PACKET_WHOLE; /* type and version */
    }
    return PACKET_WHOLE;
}

/* Tag and length of BER. A length that is not given (0x80) counts as 0. */
static enum packet_status asn1(const uint8_t *b, size_t n, struct header *out)
{
    enum { LONG_TAG = 0x1f, MORE_FOLLOW = 0x80, LONG_LENGTH = 0x80 };
    size_t i = 1;
    if (n < 2) {
        return PACKET_MORE;
    }
    if ((b[0] & LONG_TAG) == LONG_TAG) {
        while (i < n && (b[i] & MORE_FOLLOW)) {
            i++;
        }
        i++; /* the last byte of the tag */
    }
    if (i >= n) {
        return PACKET_MORE;
    }
    uint32_t length = b[i++];
    if (length & LONG_LENGTH) {
        size_t n_bytes = length & ~(uint32_t) LONG_LENGTH;
        if (n_bytes > n - i) {
            return PACKET_MORE;
        }
        if (n_bytes > sizeof(length)) {
            return PACKET_BAD;
        }
        length = 0;
        while (n_bytes-- > 0) {
            length = length << 8 | b[i++];
        }
    }
    if (i > INT32_MAX) {
        return PACKET_BAD;
    }
    *out = (struct header) { (uint32_t) i, length };
    return PACKET_WHOLE;
}

/* PACKET_WHOLE: the header is. */
static enum packet_status read_header(enum packet_type type, const uint8_t *b, size_t n, struct header *out)
{
    static const uint8_t needed[] = {
        [PACKET_1] = 1, [PACKET_2] = 2, [PACKET_4] = 4, [PACKET_SUNRM] = 4,
        [PACKET_CDR] = 12, [PACKET_FCGI] = 8, [PACKET_TPKT] = 4,
    };
    if (type == PACKET_SSL_TLS) {
        return ssl_tls(b, n, out);
    }
    if (type == PACKET_ASN1) {
        return asn1(b, n, out);
    }
    out->size = needed[type];
    if (n < out->size) {
        return PACKET_MORE;
    }
    switch ((int) type) {
    case PACKET_1:
        out->body = b[0];
        return PACKET_WHOLE;
    case PACKET_2:
        out->body = bytes_load_u16be(b);
        return PACKET_WHOLE;
    case PACKET_4:
        out->body = bytes_load_u32be(b);
        return PACKET_WHOLE;
    case PACKET_SUNRM:
        out->body = bytes_load_u32be(b) & INT32_MAX; /* the top bit: last fragment */
        return PACKET_WHOLE;
    case PACKET_CDR:
        out->body = b[6] & 1 ? bytes_load_u32le(b + 8) : bytes_load_u32be(b + 8);
        return memcmp(b, "GIOP", 4) == 0 ? PACKET_WHOLE : PACKET_BAD;
    case PACKET_FCGI:
        out->body = bytes_load_u16be(b + 4) + b[6];
        return b[0] == 1 ? PACKET_WHOLE : PACKET_BAD;
    case PACKET_TPKT:
        if (b[0] != 3 || bytes_load_u16be(b + 2) < out->size) {
            return PACKET_BAD;
        }
        out->body = bytes_load_u16be(b + 2) - out->size;
        return PACKET_WHOLE;
    default:
        VM_REQUIRE(false);
    }
}

static enum packet_status measure_header(enum packet_type type, const uint8_t *bytes, size_t n,
    const struct packet_limits *limits, struct packet_frame *out)
{
    struct header h = { 0 };
    enum packet_status status = read_header(type, bytes, n, &h);
    if (status != PACKET_WHOLE) {
        return status;
    }
    if (h.body > INT32_MAX - h.size || (limits->packet_size != 0 && h.body > limits->packet_size)) {
        return PACKET_BAD;
    }
    out->total = (size_t) h.size + h.body;
    out->padding = type == PACKET_FCGI ? bytes[6] : 0;
    out->header = type == PACKET_1 || type == PACKET_2 || type == PACKET_4 ? h.size : 0;
    return n < out->total ? PACKET_MORE : PACKET_WHOLE;
}

/* ---- lines ---- */

static enum packet_status measure_line(const uint8_t *bytes, size_t n, const struct packet_limits *limits,
    struct packet_frame *out)
{
    const uint8_t *end = memchr(bytes, limits->delimiter, n);
    size_t line = end ? (size_t) (end - bytes) + 1 : n;
    if (limits->packet_size != 0 && line > limits->packet_size) {
        return PACKET_BAD;
    }
    if (limits->line_length != 0 && line >= limits->line_length) {
        out->total = limits->line_length;
        return PACKET_WHOLE;
    }
    out->total = end ? line : 0;
    return end ? PACKET_WHOLE : PACKET_MORE;
}

static enum packet_status measure_http(enum packet_type type, const uint8_t *bytes, size_t n,
    const struct packet_limits *limits, struct packet_frame *out)
{
    /* With both the second does not count. */
    size_t most = limits->packet_size != 0 ? limits->packet_size : limits->line_length != 0 ? limits->line_length : SIZE_MAX;
    for (size_t from = 0; from < n;) {
        const uint8_t *newline = memchr(bytes + from, '\n', n - from);
        if (!newline) {
            return n < most ? PACKET_MORE : PACKET_BAD;
        }
        from = (size_t) (newline - bytes) + 1;
        if (type == PACKET_HTTP || from <= 2 || (from < n && bytes[from] != ' ' && bytes[from] != '\t')) {
            out->total = from;
            return from <= most ? PACKET_WHOLE : PACKET_BAD;
        }
    }
    return n <= most ? PACKET_MORE : PACKET_BAD; /* whether the next line continues the header is not known */
}

enum packet_status packet_measure(enum packet_type type, const uint8_t *bytes, size_t n,
    const struct packet_limits *limits, struct packet_frame *out)
{
    *out = (struct packet_frame) { 0 };
    if (n == 0) {
        return PACKET_MORE;
    }
    switch ((int) type) {
    case PACKET_RAW:
        out->total = n;
        return PACKET_WHOLE;
    case PACKET_LINE:
        return measure_line(bytes, n, limits, out);
    case PACKET_HTTP:
    case PACKET_HTTPH:
        return measure_http(type, bytes, n, limits, out);
    default:
        return measure_header(type, bytes, n, limits, out);
    }
}
