/* bif_packet.c - erlang:decode_packet/3. Where a packet ends: packet.h. What HTTP lines say: here. */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_text.h"
#include "vm/bif/packet.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"

/* A packet that was found whole, and how to give back parts of it. */
struct packet {
    struct proc *p;
    term source;          /* the binary that has it */
    const uint8_t *bytes; /* of the binary */
    size_t start, end;    /* the packet */
    bool as_binary;       /* text as binaries, not as lists */
};

static term part(const struct packet *k, size_t from, size_t to)
{
    return bits_sub(&k->p->heap, k->source, from * 8, (to - from) * 8);
}
/* TERM_NONE with system_limit raised: no memory */
static term text(const struct packet *k, size_t from, size_t to)
{
    return k->as_binary ? part(k, from, to) : bif_text_to_list(k->p, (const char *) k->bytes + from, to - from);
}
static term tuple_of_text(const struct packet *k, const term *elements, size_t arity)
{
    for (size_t i = 0; i < arity; i++) {
        if (term_is_none(elements[i])) {
            return TERM_NONE;
        }
    }
    return heap_tuple(&k->p->heap, elements, arity);
}
#define TUPLE_OF_TEXT(k, ...) \
    tuple_of_text(k, (const term[]) { __VA_ARGS__ }, sizeof((const term[]) { __VA_ARGS__ }) / sizeof(term))

/* ---- what a line of HTTP consists of ---- */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}
/* May stand in methods and names of headers. */
static bool is_token(uint8_t c)
{
    return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"/[]?={}", c);
}
static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}
static size_t skip(const struct packet *k, size_t at, size_t end, bool (*what)(uint8_t))
{
    while (at < end && what(k->bytes[at])) {
        at++;
    }
    return at;
}
/* Digits; as in OTP what is too large wraps round. false: there are none. */
static bool number(const struct packet *k, size_t *at, size_t end, int32_t *out)
{
    size_t from = *at;
    uint32_t n = 0;
    for (; *at < end && is_digit(k->bytes[*at]); ++*at) {
        n = n * 10 + (k->bytes[*at] - '0');
    }
    *out = (int32_t) n;
    return *at > from;
}

/* "HTTP/1.1" */
static bool version(const struct packet *k, size_t *at, size_t end, term *out)
{
    static const char prefix[] = { 'H', 'T', 'T', 'P', '/' };
    int32_t major, minor;
    if (end - *at < sizeof(prefix) || memcmp(k->bytes + *at, prefix, sizeof(prefix)) != 0) {
        return false;
    }
    *at += sizeof(prefix);
    if (!number(k, at, end, &major) || *at == end || k->bytes[*at] != '.') {
        return false;
    }
    ++*at;
    if (!number(k, at, end, &minor)) {
        return false;
    }
    *out = heap_tuple2(&k->p->heap, term_from_small(major), term_from_small(minor));
    return true;
}

/* ---- addresses ---- */

static bool has_prefix(const struct packet *k, size_t at, size_t end, const char *prefix)
{
    size_t n = strlen(prefix);
    return end - at >= n && strncasecmp((const char *) k->bytes + at, prefix, n) == 0;
}

/* Behind "http://": host, perhaps port, path. */
static term absolute_uri(const struct packet *k, term scheme, size_t at, size_t end)
{
    struct heap *h = &k->p->heap;
    size_t slash = at;
    while (slash < end && k->bytes[slash] != '/') {
        slash++;
    }
    const uint8_t *colon = memchr(k->bytes + at, ':', slash - at);
    size_t host_end = colon ? (size_t) (colon - k->bytes) : slash, port_at = host_end + 1;
    int32_t port = 0;
    if (colon && (!number(k, &port_at, slash, &port) || port_at < slash)) {
        port = 0;
    }
    term path = slash < end ? text(k, slash, end)
              : k->as_binary ? bits_from_bytes(h, "/", 1) : heap_cstring(h, "/");
    return TUPLE_OF_TEXT(k, ATOM(absoluteURI), scheme, text(k, at, host_end),
        port == 0 ? ATOM(undefined) : term_from_small(port), path);
}

static term uri(const struct packet *k, size_t at, size_t end)
{
    if (end - at == 1) {
        return k->bytes[at] == '*' ? ATOM(times) : TUPLE_OF_TEXT(k, ATOM(abs_path), text(k, at, end));
    }
    if (k->bytes[at] == '/') {
        return TUPLE_OF_TEXT(k, ATOM(abs_path), text(k, at, end));
    }
    if (has_prefix(k, at, end, "http://")) {
        return absolute_uri(k, ATOM(http), at + 7, end);
    }
    if (has_prefix(k, at, end, "https://")) {
        return absolute_uri(k, ATOM(https), at + 8, end);
    }
    const uint8_t *colon = memchr(k->bytes + at, ':', end - at);
    if (colon) {
        size_t scheme_end = (size_t) (colon - k->bytes);
        return TUPLE_OF_TEXT(k, ATOM(scheme), text(k, at, scheme_end), text(k, scheme_end + 1, end));
    }
    return text(k, at, end);
}

/* ---- lines ---- */

static term http_error(const struct packet *k)
{
    return TUPLE_OF_TEXT(k, ATOM(http_error), text(k, k->start, k->end));
}

static term method(const struct packet *k, size_t from, size_t to)
{
    static const char known[][8] = { "OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE" };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (strlen(known[i]) == to - from && memcmp(known[i], k->bytes + from, to - from) == 0) {
            return atom_from_cstr(known[i]);
        }
    }
    return text(k, from, to);
}

/* The line without the newline that ends it. */
static size_t line_end(const struct packet *k)
{
    size_t end = k->end - 1;
    return end > k->start && k->bytes[end - 1] == '\r' ? end - 1 : end;
}

static term http_response(const struct packet *k)
{
    size_t end = line_end(k), at = k->start;
    int32_t status;
    term http_version;
    if (!version(k, &at, end, &http_version) || at == end || !is_blank(k->bytes[at])) {
        return http_error(k);
    }
    at = skip(k, at, end, is_blank);
    (void) number(k, &at, end, &status); /* none at all is 0 */
    if (at < end && !is_blank(k->bytes[at])) {
        return http_error(k);
    }
    at = skip(k, at, end, is_blank);
    return TUPLE_OF_TEXT(k, ATOM(http_response), http_version, term_from_small(status), text(k, at, end));
}

static term http_request(const struct packet *k)
{
    size_t end = line_end(k), method_end = skip(k, k->start, end, is_token);
    if (method_end == k->start || method_end == end || !is_blank(k->bytes[method_end])) {
        return http_error(k);
    }
    size_t uri_at = skip(k, method_end, end, is_blank), uri_end = uri_at;
    while (uri_end < end && !is_blank(k->bytes[uri_end])) {
        uri_end++;
    }
    if (uri_end == uri_at) {
        return http_error(k);
    }
    size_t at = skip(k, uri_end, end, is_blank);
    term http_version = TERM_NONE;
    if (at == end) {
        http_version = heap_tuple2(&k->p->heap, term_from_small(0), term_from_small(9));
    } else if (!version(k, &at, end, &http_version)) {
        return http_error(k);
    }
    return TUPLE_OF_TEXT(k, ATOM(http_request), method(k, k->start, method_end), uri(k, uri_at, uri_end), http_version);
}

/* ---- headers ---- */

/* In the order of the numbers that the result gives them, from 1. */
static const char known_fields[][20] = {
    "Cache-Control", "Connection", "Date", "Pragma", "Transfer-Encoding", "Upgrade", "Via", "Accept", "Accept-Charset",
    "Accept-Encoding", "Accept-Language", "Authorization", "From", "Host", "If-Modified-Since", "If-Match",
    "If-None-Match", "If-Range", "If-Unmodified-Since", "Max-Forwards", "Proxy-Authorization", "Range", "Referer",
    "User-Agent", "Age", "Location", "Proxy-Authenticate", "Public", "Retry-After", "Server", "Vary", "Warning",
    "Www-Authenticate", "Allow", "Content-Base", "Content-Encoding", "Content-Language", "Content-Length",
    "Content-Location", "Content-Md5", "Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified",
    "Accept-Ranges", "Set-Cookie", "Set-Cookie2", "X-Forwarded-For", "Cookie", "Keep-Alive", "Proxy-Connection",
};
enum { N_KNOWN_FIELDS = sizeof(known_fields) / sizeof(*known_fields), FIELD_SPELT_MAX = 50 };

static int32_t known_field(const char *name, size_t n)
{
    for (int32_t i = 0; i < N_KNOWN_FIELDS; i++) {
        if (strnlen(known_fields[i], sizeof(*known_fields)) == n && memcmp(known_fields[i], name, n) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static term http_header(const struct packet *k)
{
    struct heap *h = &k->p->heap;
    size_t end = line_end(k), name_end = skip(k, k->start, end, is_token), n = name_end - k->start;
    if (name_end == end || k->bytes[name_end] != ':') {
        return http_error(k);
    }
    size_t value = skip(k, name_end + 1, end, is_blank);
    int32_t number = 0;
    term field;
    if (n > FIELD_SPELT_MAX) {
        field = text(k, k->start, name_end);
    } else { /* as is usual: "Keep-Alive" */
        char spelt[FIELD_SPELT_MAX + 1];
        bool first = true;
        for (size_t i = 0; i < n; i++) {
            uint8_t c = k->bytes[k->start + i];
            spelt[i] = (char) (first ? (c >= 'a' && c <= 'z' ? c - 32 : c) : (c >= 'A' && c <= 'Z' ? c + 32 : c));
            first = !first && c == '-';
        }
        number = known_field(spelt, n);
        field = number != 0 ? atom_intern_latin1((const uint8_t *) spelt, n)
              : k->as_binary ? bits_from_bytes(h, spelt, n) : heap_string(h, spelt, n);
    }
    return TUPLE_OF_TEXT(k, ATOM(http_header), term_from_small(number), field, text(k, k->start, name_end),
        text(k, value, end));
}

/* ---- records of TLS ---- */

static term ssl_tls(const struct packet *k)
{
    struct heap *h = &k->p->heap;
    const uint8_t *b = k->bytes + k->start;
    enum { RECORD_HEADER = 5, SSL2_HEADER = 3, HANDSHAKE = 22, CLIENT_HELLO = 1, HELLO_HEADER = 4 };
    term type = term_from_small(b[0]), major = term_from_small(b[1]), minor = term_from_small(b[2]), body;
    if (packet_is_ssl2_hello(b)) { /* given as if it were one of TLS */
        size_t n = k->end - k->start - SSL2_HEADER;
        uint8_t *out;
        body = bits_new_binary(h, HELLO_HEADER + n, &out);
        if (term_is_none(body)) {
            return proc_system_limit(k->p);
        }
        out[0] = CLIENT_HELLO;
        out[1] = (uint8_t) (n >> 16);
        out[2] = (uint8_t) (n >> 8);
        out[3] = (uint8_t) n;
        memcpy(out + HELLO_HEADER, b + SSL2_HEADER, n);
        type = term_from_small(HANDSHAKE);
        major = term_from_small(b[3]);
        minor = term_from_small(b[4]);
    } else {
        body = part(k, k->start + RECORD_HEADER, k->end);
    }
    term elements[] = { ATOM(ssl_tls), TERM_NIL, type, heap_tuple2(h, major, minor), body };
    return heap_tuple(h, elements, sizeof(elements) / sizeof(*elements));
}

/* ---- arguments ---- */

static bool packet_type(term t, enum packet_type *type, bool *as_binary)
{
    const struct {
        term name;
        enum packet_type type;
        bool as_binary;
    } types[] = {
        { ATOM(raw), PACKET_RAW, false }, { term_from_small(0), PACKET_RAW, false },
        { term_from_small(1), PACKET_1, false }, { term_from_small(2), PACKET_2, false },
        { term_from_small(4), PACKET_4, false }, { ATOM(sunrm), PACKET_SUNRM, false },
        { ATOM(asn1), PACKET_ASN1, false }, { ATOM(cdr), PACKET_CDR, false }, { ATOM(fcgi), PACKET_FCGI, false },
        { ATOM(tpkt), PACKET_TPKT, false }, { ATOM(ssl_tls), PACKET_SSL_TLS, false },
        { ATOM(line), PACKET_LINE, false }, { ATOM(http), PACKET_HTTP, false }, { ATOM(httph), PACKET_HTTPH, false },
        { ATOM(http_bin), PACKET_HTTP, true }, { ATOM(httph_bin), PACKET_HTTPH, true },
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        if (term_same(t, types[i].name)) {
            *type = types[i].type;
            *as_binary = types[i].as_binary;
            return true;
        }
    }
    return false;
}

static bool options(term list, enum packet_type type, struct packet_limits *out)
{
    for (; term_is_cons(list); list = term_tail(list)) {
        term option = term_head(list);
        uint64_t n;
        if (!term_is_tuple_of(option, 2) || !integer_to_uint64(term_tuple_get(option, 1), &n) || n > UINT32_MAX) {
            return false;
        }
        term key = term_tuple_get(option, 0);
        if (term_same(key, ATOM(packet_size))) {
            out->packet_size = (uint32_t) n;
        } else if (term_same(key, ATOM(line_length))) {
            out->line_length = (uint32_t) n;
        } else if (term_same(key, ATOM(line_delimiter)) && type == PACKET_LINE && n <= UINT8_MAX) {
            out->delimiter = (uint8_t) n;
        } else {
            return false;
        }
    }
    return term_is_nil(list);
}

static term whole(const struct packet *k, enum packet_type type)
{
    static const char http[] = { 'H', 'T', 'T', 'P', '/' };
    const uint8_t *b = k->bytes + k->start;
    size_t n = k->end - k->start;
    switch ((int) type) {
    case PACKET_HTTP:
        return n >= sizeof(http) && memcmp(b, http, sizeof(http)) == 0 ? http_response(k) : http_request(k);
    case PACKET_HTTPH:
        return b[0] == '\n' || (b[0] == '\r' && b[1] == '\n') ? ATOM(http_eoh) : http_header(k);
    case PACKET_SSL_TLS:
        return ssl_tls(k);
    default:
        return part(k, k->start, k->end);
    }
}

term bif_erlang_decode_packet_3(struct proc *p, term *args)
{
    enum { BYTES_PER_REDUCTION = 64 };
    enum packet_type type;
    struct packet k = { .p = p, .source = args[1] };
    struct packet_limits limits = { .delimiter = '\n' };
    struct packet_frame frame;
    if (!packet_type(args[0], &type, &k.as_binary)) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    if (!term_is_bits(args[1]) || !options(args[2], type, &limits)) {
        return proc_badarg(p);
    }
    size_t n_bits = bits_size(args[1]), n;
    uint8_t *scratch;
    k.bytes = bits_bytes(bits_sub(&p->heap, args[1], 0, n_bits - n_bits % 8), &n, &scratch);
    if (!k.bytes && n > 0) {
        return proc_system_limit(p);
    }
    term result;
    switch ((int) packet_measure(type, k.bytes, n, &limits, &frame)) {
    case PACKET_BAD:
        result = heap_tuple2(&p->heap, ATOM(error), ATOM(invalid));
        break;
    case PACKET_MORE:
        proc_bump(p, n / BYTES_PER_REDUCTION);
        result = heap_tuple2(&p->heap, ATOM(more), frame.total > 0 ? term_from_small((intptr_t) frame.total) : ATOM(undefined));
        break;
    default:
        k.start = frame.header;
        k.end = frame.total - frame.padding;
        result = whole(&k, type);
        if (!term_is_none(result)) {
            result = heap_tuple3(&p->heap, ATOM(ok), result,
                bits_sub(&p->heap, args[1], frame.total * 8, n_bits - frame.total * 8));
        }
    }
    vm_free(scratch);
    return result;
}
