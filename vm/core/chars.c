#include "vm/core/chars.h"

enum stray { STRAY_REFUSED, STRAY_AS_IT_IS };

/* Cell by cell: text of any length needs no large piece of memory. */
static term to_list(struct heap *h, const uint8_t *at, size_t n, enum stray stray)
{
    const uint8_t *end = at + n;
    uintptr_t list = TERM_NIL.word, *last = &list;
    while (at < end) {
        uint32_t c;
        size_t size = utf8_get(at, (size_t) (end - at), &c);
        if (size == 0) {
            if (stray == STRAY_REFUSED) {
                return TERM_NONE;
            }
            c = *at;
            size = 1;
        }
        uintptr_t *cell = heap_alloc(h, HEAP_CONS_WORDS);
        cell[0] = term_from_small((intptr_t) c).word;
        cell[1] = TERM_NIL.word;
        *last = term_from_list_ptr(cell).word;
        last = &cell[1];
        at += size;
    }
    return (term) { list };
}

term chars_from_utf8(struct heap *h, const void *utf8, size_t n)
{
    return to_list(h, utf8, n, STRAY_REFUSED);
}

term chars_from_os(struct heap *h, const void *text, size_t n)
{
    return to_list(h, text, n, STRAY_AS_IT_IS);
}
