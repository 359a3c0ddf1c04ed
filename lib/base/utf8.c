#include "lib/base/utf8.h"

#include <string.h>

size_t utf8_put(uint8_t *out, uint32_t c)
{
    size_t n = utf8_size(c);
    switch (n) {
    case 1:
        out[0] = (uint8_t) c;
        break;
    case 2:
        out[0] = (uint8_t) (0xC0 | c >> 6);
        out[1] = (uint8_t) (0x80 | (c & 0x3F));
        break;
    case 3:
        out[0] = (uint8_t) (0xE0 | c >> 12);
        out[1] = (uint8_t) (0x80 | (c >> 6 & 0x3F));
        out[2] = (uint8_t) (0x80 | (c & 0x3F));
        break;
    case 4:
        out[0] = (uint8_t) (0xF0 | c >> 18);
        out[1] = (uint8_t) (0x80 | (c >> 12 & 0x3F));
        out[2] = (uint8_t) (0x80 | (c >> 6 & 0x3F));
        out[3] = (uint8_t) (0x80 | (c & 0x3F));
        break;
    default:
        break;
    }
    return n;
}

/* Bytes of the character that this one begins; 0: it cannot begin any. */
static size_t size_by_lead(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
}

size_t utf8_get_long(const uint8_t *bytes, size_t n, uint32_t *out)
{
    size_t size = n == 0 ? 0 : size_by_lead(bytes[0]);
    if (size == 0 || size > n) {
        return 0;
    }
    uint32_t c = size == 1 ? bytes[0] : bytes[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
        c = c << 6 | (bytes[i] & 0x3F);
    }
    if (utf8_size(c) != size) { /* a longer form, a surrogate, too large */
        return 0;
    }
    *out = c;
    return size;
}

size_t utf8_ascii_bytes(const uint8_t *bytes, size_t n)
{
    size_t i = 0;
    for (; n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes + i, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
    }
    while (i < n && bytes[i] < 0x80) {
        i++;
    }
    return i;
}

size_t utf8_count(const uint8_t *bytes, size_t n, size_t *out_good_bytes)
{
    size_t chars = 0, i = 0;
    for (;;) {
        size_t ascii = utf8_ascii_bytes(bytes + i, n - i);
        uint32_t c;
        i += ascii;
        chars += ascii;
        size_t size = i == n ? 0 : utf8_get(bytes + i, n - i, &c);
        if (size == 0) {
            *out_good_bytes = i;
            return chars;
        }
        i += size;
        chars++;
    }
}
