#include "vm/proc/proc_options.h"

#include "vm/core/map.h"

term priority_atom(enum proc_priority priority)
{
    switch (priority) {
    case PRIORITY_MAX:
        return ATOM(max);
    case PRIORITY_HIGH:
        return ATOM(high);
    case PRIORITY_LOW:
        return ATOM(low);
    case PRIORITY_NORMAL:
    case PRIORITY_COUNT:
        break;
    }
    return ATOM(normal);
}

bool option_priority(term value, enum proc_priority *out)
{
    for (enum proc_priority i = PRIORITY_MAX; i < PRIORITY_COUNT; i++) {
        if (term_same(value, priority_atom(i))) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool option_heap_size(term value, size_t *out_words)
{
    if (!term_is_small(value) || term_to_small(value) < 0) {
        return false;
    }
    *out_words = (size_t) term_to_small(value);
    return true;
}

bool option_heap_step(term value, size_t *out_words)
{
    enum { MOST = UINT32_MAX / 2 }; /* with the step above it still a number of the heap's */
    if (!option_heap_size(value, out_words)) {
        return false;
    }
    *out_words = heap_next_size(*out_words < MOST ? *out_words : MOST);
    return true;
}

static bool take_bool(term map, term key, bool *io)
{
    term value = map_get(map, key);
    if (term_is_none(value)) {
        return true;
    }
    *io = term_same(value, ATOM(true));
    return term_is_bool(value);
}

bool option_max_heap(term value, struct max_heap_option *io)
{
    io->kill = io->log = true;
    if (term_is_map(value)) {
        term size = map_get(value, ATOM(size));
        return !term_is_none(size) && option_heap_size(size, &io->words) && take_bool(value, ATOM(kill), &io->kill)
            && take_bool(value, ATOM(error_logger), &io->log);
    }
    return option_heap_size(value, &io->words);
}

term option_max_heap_term(struct heap *h, const struct max_heap_option *o)
{
    term kv[] = {
        ATOM(error_logger), term_from_bool(o->log),
        ATOM(kill), term_from_bool(o->kill),
        ATOM(size), heap_uinteger(h, o->words),
    };
    return map_from_pairs(h, kv, 3);
}
