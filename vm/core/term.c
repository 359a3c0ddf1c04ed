#include "vm/core/term.h"

const uint8_t term_raw_words[TAG_COUNT] = {
    [TAG_TUPLE] = 0,
    [TAG_BIG_POS] = TERM_ALL_RAW,
    [TAG_BIG_NEG] = TERM_ALL_RAW,
    [TAG_FLOAT] = TERM_ALL_RAW,
    [TAG_FUN] = 1,
    [TAG_EXPORT] = TERM_ALL_RAW,
    [TAG_REF] = TERM_ALL_RAW,
    [TAG_RESOURCE] = TERM_ALL_RAW,
    [TAG_HEAP_BITS] = TERM_ALL_RAW,
    [TAG_REFC_BITS] = TERM_ALL_RAW,
    [TAG_SUB_BITS] = 2,
    [TAG_MATCH_CTX] = 3,
    [TAG_FLATMAP] = 0,
    [TAG_HASHMAP] = 0,
    [TAG_HAMT_NODE] = 0,
    [TAG_EXT_PID] = TERM_ALL_RAW,
    [TAG_EXT_PORT] = TERM_ALL_RAW,
    [TAG_EXT_REF] = TERM_ALL_RAW,
};

intptr_t term_list_length(term t)
{
    intptr_t n = 0;
    while (term_is_cons(t)) {
        n++;
        t = term_tail(t);
    }
    return term_is_nil(t) ? n : -1;
}
