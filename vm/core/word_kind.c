#include "vm/core/word_kind.h"

static bool fits(uintptr_t header, size_t room)
{
    return header_tag(header) >= TAG_TUPLE && header_tag(header) < TAG_COUNT && header_arity(header) < room
           && header_raw_words(header) <= 1 + header_arity(header);
}

size_t word_kinds(const uintptr_t *words, size_t n, uint8_t *kinds)
{
    size_t n_stray = 0;
    for (size_t i = 0; i < n;) {
        uintptr_t w = words[i];
        if (!word_is_header(w)) {
            kinds[i++] = WORD_TERM;
        } else if (!fits(w, n - i)) {
            kinds[i++] = WORD_STRAY;
            n_stray++;
        } else {
            size_t end = i + header_raw_words(w);
            kinds[i++] = WORD_HEADER;
            while (i < end) {
                kinds[i++] = WORD_RAW; /* the terms behind come round by themselves */
            }
        }
    }
    return n_stray;
}
