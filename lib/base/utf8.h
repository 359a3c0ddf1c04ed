/* utf8.h - UTF-8: shortest forms only, no surrogates, nothing above U+10FFFF.
 *
 * Pure functions on bytes; any thread. Bits at odd offsets: vm/core/bits.h. Terms: vm/core/chars.h.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "lib/base/base.h"

enum {
    UTF8_MAX_BYTES = 4,          /* of one character */
    UTF8_MAX_CHARACTER = 0x10FFFF,
};

/* Is c a character (a Unicode scalar value)? */
static inline bool utf8_is_character(uint32_t c)
{
    return c < 0xD800 || (c > 0xDFFF && c <= UTF8_MAX_CHARACTER);
}
/* Bytes c takes; 0 if it is no character. */
static inline size_t utf8_size(uint32_t c)
{
    return c < 0x80 ? 1 : c < 0x800 ? 2 : !utf8_is_character(c) ? 0 : c < 0x10000 ? 3 : 4;
}

/* Writes c, and returns utf8_size(c); nothing if that is 0. */
size_t utf8_put(uint8_t *out, uint32_t c);

/* Reads the character that begins at bytes: its size and *out; 0 if none does, or it is cut off after n bytes. */
size_t utf8_get_long(const uint8_t *bytes, size_t n, uint32_t *out) MUST_CHECK;
static inline size_t MUST_CHECK utf8_get(const uint8_t *bytes, size_t n, uint32_t *out)
{
    if (n > 0 && bytes[0] < 0x80) {
        *out = bytes[0];
        return 1;
    }
    return utf8_get_long(bytes, n, out);
}

/* How many of the n bytes from the start on are below 0x80. */
size_t utf8_ascii_bytes(const uint8_t *bytes, size_t n);
/* Characters in n bytes, as far as they are good; *out_good_bytes is n if all are. */
size_t utf8_count(const uint8_t *bytes, size_t n, size_t *out_good_bytes);

#endif
