/* chars.h - characters: small integers in lists for Erlang, UTF-8 for everybody else. */
#ifndef VM_CHARS_H
#define VM_CHARS_H

#include "lib/base/utf8.h"
#include "vm/core/heap.h"

/* The UTF-8 of a character; its size, or 0 if t is none. */
static inline size_t MUST_CHECK chars_put(uint8_t out[UTF8_MAX_BYTES], term t)
{
    return term_is_small(t) && (uintptr_t) term_to_small(t) <= UTF8_MAX_CHARACTER
               ? utf8_put(out, (uint32_t) term_to_small(t))
               : 0;
}

/* The list of the characters in n bytes of UTF-8; TERM_NONE if it is not UTF-8. */
term chars_from_utf8(struct heap *h, const void *utf8, size_t n) MUST_CHECK;
/* The same of text from the operating system (names, the environment), in which anything may stand: a byte that is not
 * UTF-8 is the character with its number. */
term chars_from_os(struct heap *h, const void *text, size_t n) MUST_CHECK;

#endif
