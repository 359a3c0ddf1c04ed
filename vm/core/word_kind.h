/* word_kind.h - what each word of a piece of heap is, told by walking it from its start.
 *
 * A word alone does not say whether it is a term, a header or raw bytes: the objects before it do. This is the one
 * walk for words that somebody else wrote. What a word is worth that cannot be anything is for the caller to judge: a
 * worker's fragment with one is refused (isolation/remote/fragment.h); of a process heap it is only known that no
 * pointer may lead there (heap_map.h).
 */
#ifndef VM_WORD_KIND_H
#define VM_WORD_KIND_H

#include "vm/core/term.h"

enum word_kind {
    WORD_RAW,    /* inside an object, no term */
    WORD_TERM,   /* a term by its place; whether it is a good one has not been looked at */
    WORD_HEADER, /* an object begins here and ends within the piece */
    WORD_STRAY,  /* a header, but of no object that could stand here; what follows is told as if it were not there */
    WORD_KINDS   /* from here on numbers are free for a caller's own marks */
};

/* Writes the kind of each of n words to kinds. Returns how many are stray. No words are bad input.
 * Cost: O(n). Thread: any; the words must not change meanwhile. */
size_t word_kinds(const uintptr_t *words, size_t n, uint8_t *kinds);

#endif
