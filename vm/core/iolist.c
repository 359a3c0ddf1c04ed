#include "vm/core/iolist.h"

#include "vm/core/bits.h"
#include "vm/core/worklist.h"

/* A walk over iodata: what is left to visit is a stack of tails. */
static bool measure(struct worklist *todo, term t, size_t *out_bits, bool whole_bytes)
{
    size_t bits = 0;
    for (;;) {
        while (term_is_cons(t)) {
            term head = term_head(t);
            t = term_tail(t);
            if (term_is_small(head)) {
                if ((uintptr_t) term_to_small(head) > 0xFF) {
                    return false;
                }
                bits += 8;
            } else if (term_is_bits(head)) {
                size_t n = bits_size(head);
                if (whole_bytes && n % 8 != 0) {
                    return false;
                }
                bits += n;
            } else if (term_is_cons(head)) {
                if (!term_is_nil(t)) {
                    worklist_push(todo, t.word);
                }
                t = head;
            } else if (!term_is_nil(head)) {
                return false;
            }
            if (bits > SIZE_MAX / 4) {
                return false; /* shared parts add up beyond memory */
            }
        }
        if (term_is_bits(t)) {
            size_t n = bits_size(t);
            if (whole_bytes && n % 8 != 0) {
                return false;
            }
            bits += n;
        } else if (!term_is_nil(t)) {
            return false;
        }
        if (worklist_is_empty(todo)) {
            *out_bits = bits;
            return true;
        }
        t = (term) { worklist_pop(todo) };
    }
}

static bool measure_all(term t, size_t *out_bits, bool whole_bytes)
{
    struct worklist todo;
    worklist_init(&todo);
    bool ok = measure(&todo, t, out_bits, whole_bytes);
    worklist_destroy(&todo);
    return ok;
}

bool iolist_size(term t, size_t *out_bytes)
{
    size_t bits;
    if (!measure_all(t, &bits, true)) {
        return false;
    }
    *out_bytes = bits / 8;
    return true;
}

bool iolist_bit_size(term t, size_t *out_bits)
{
    return measure_all(t, out_bits, false);
}

static size_t put_bits(uint8_t *out, size_t at, term bits)
{
    struct bits_view v = bits_view(bits);
    bits_copy(out, at, v.bytes, v.offset, v.size);
    return at + v.size;
}

void iolist_copy(term t, uint8_t *out)
{
    struct worklist todo;
    size_t at = 0; /* in bits */
    worklist_init(&todo);
    for (;;) {
        while (term_is_cons(t)) {
            term head = term_head(t);
            t = term_tail(t);
            if (term_is_small(head)) {
                uint8_t byte = (uint8_t) term_to_small(head);
                if (at % 8 == 0) {
                    out[at / 8] = byte;
                } else {
                    bits_copy(out, at, &byte, 0, 8);
                }
                at += 8;
            } else if (term_is_bits(head)) {
                at = put_bits(out, at, head);
            } else if (term_is_cons(head)) {
                if (!term_is_nil(t)) {
                    worklist_push(&todo, t.word);
                }
                t = head;
            }
        }
        if (term_is_bits(t)) {
            at = put_bits(out, at, t);
        }
        if (worklist_is_empty(&todo)) {
            break;
        }
        t = (term) { worklist_pop(&todo) };
    }
    worklist_destroy(&todo);
}
