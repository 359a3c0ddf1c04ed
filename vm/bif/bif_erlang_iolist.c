/* bif_erlang_iolist.c - binaries and iodata: to binaries, to lists, and sizes. */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_text.h"
#include "vm/core/bits.h"
#include "vm/core/iolist.h"
#include "vm/core/print.h"
#include "vm/core/worklist.h"

enum { BYTES_PER_REDUCTION = 64 };

static term to_binary(struct proc *p, term data)
{
    size_t n;
    uint8_t *out;
    if (!iolist_size(data, &n)) {
        return proc_badarg(p);
    }
    proc_bump(p, n / BYTES_PER_REDUCTION);
    term t = bits_new_binary(&p->heap, n, &out);
    if (term_is_none(t)) {
        return proc_system_limit(p);
    }
    iolist_copy(data, out);
    return t;
}

term bif_erlang_list_to_binary_1(struct proc *p, term *args)
{
    return term_is_list(args[0]) ? to_binary(p, args[0]) : proc_badarg(p);
}

term bif_erlang_iolist_to_binary_1(struct proc *p, term *args)
{
    if (term_is_bits(args[0]) && bits_size(args[0]) % 8 == 0) {
        return args[0];
    }
    return to_binary(p, args[0]);
}

term bif_erlang_iolist_size_1(struct proc *p, term *args)
{
    size_t n;
    if (!iolist_size(args[0], &n)) {
        return proc_badarg(p);
    }
    proc_bump(p, n / BYTES_PER_REDUCTION);
    return heap_uinteger(&p->heap, n);
}

term bif_erlang_list_to_bitstring_1(struct proc *p, term *args)
{
    size_t n_bits;
    uint8_t *out;
    if (!term_is_list(args[0]) || !iolist_bit_size(args[0], &n_bits)) {
        return proc_badarg(p);
    }
    proc_bump(p, n_bits / 8 / BYTES_PER_REDUCTION);
    term t = bits_new_bitstring(&p->heap, n_bits, &out);
    if (term_is_none(t)) {
        return proc_system_limit(p);
    }
    iolist_copy(args[0], out);
    return t;
}

/* Bytes [first, first + n) of v as a list in front of tail. */
static term bytes_to_list(struct proc *p, const struct bits_view *v, size_t first, size_t n, term tail)
{
    if (2 * n >= HEAP_SURE_WORDS && !heap_can_alloc(&p->heap, 2 * n)) {
        return proc_system_limit(p);
    }
    proc_bump(p, n / BYTES_PER_REDUCTION);
    uintptr_t *cells = heap_alloc(&p->heap, 2 * n);
    const uint8_t *bytes = v->bytes + v->offset / 8 + first;
    unsigned shift = (unsigned) (v->offset % 8);
    for (size_t i = 0; i < n; i++) {
        unsigned byte = shift == 0 ? bytes[i] : ((unsigned) bytes[i] << shift | bytes[i + 1] >> (8 - shift)) & 0xFF;
        cells[2 * i] = term_from_small((intptr_t) byte).word;
        cells[2 * i + 1] = i + 1 < n ? term_from_list_ptr(&cells[2 * i + 2]).word : tail.word;
    }
    return n == 0 ? tail : term_from_list_ptr(cells);
}

term bif_erlang_binary_to_list_1(struct proc *p, term *args)
{
    if (!term_is_binary(args[0])) {
        return proc_badarg(p);
    }
    enum { FAR_BITS = 8 << 17 };
    struct bits_view v = bits_view(args[0]);
    if (bif_is_near(p) && v.size > FAR_BITS) {
        return bif_go_far(p, "binary_to_list", args, 1);
    }
    return bytes_to_list(p, &v, 0, v.size / 8, TERM_NIL);
}

term bif_erlang_binary_to_list_3(struct proc *p, term *args)
{
    if (!term_is_bits(args[0]) || !term_is_small(args[1]) || !term_is_small(args[2])) {
        return proc_badarg(p);
    }
    struct bits_view v = bits_view(args[0]);
    intptr_t first = term_to_small(args[1]), last = term_to_small(args[2]);
    if (first < 1 || last < first || (size_t) last > v.size / 8) {
        return proc_badarg(p);
    }
    return bytes_to_list(p, &v, (size_t) first - 1, (size_t) (last - first) + 1, TERM_NIL);
}

term bif_erlang_bitstring_to_list_1(struct proc *p, term *args)
{
    if (!term_is_bits(args[0])) {
        return proc_badarg(p);
    }
    struct bits_view v = bits_view(args[0]);
    term tail = TERM_NIL;
    if (v.size % 8 != 0) {
        term rest = bits_sub(&p->heap, args[0], v.size / 8 * 8, v.size % 8);
        tail = heap_cons(&p->heap, rest, TERM_NIL);
    }
    return bytes_to_list(p, &v, 0, v.size / 8, tail);
}

term bif_erlang_split_binary_2(struct proc *p, term *args)
{
    if (!term_is_bits(args[0]) || !term_is_small(args[1]) || term_to_small(args[1]) < 0) {
        return proc_badarg(p);
    }
    size_t size = bits_size(args[0]), at = (size_t) term_to_small(args[1]);
    if (at > size / 8) {
        return proc_badarg(p);
    }
    term head = bits_sub(&p->heap, args[0], 0, at * 8);
    return heap_tuple2(&p->heap, head, bits_sub(&p->heap, args[0], at * 8, size - at * 8));
}

/* ---- iolist_to_iovec: small parts are joined, large ones stay as they are ---- */

enum { IOVEC_KEEP_BYTES = 512 };

struct iovec {
    struct proc *p;
    struct text joined;
    struct worklist parts; /* finished binaries */
};

static void iovec_flush(struct iovec *v)
{
    if (v->joined.len > 0) {
        worklist_push(&v->parts, bits_from_bytes(&v->p->heap, v->joined.data, v->joined.len).word);
        v->joined.len = 0;
    }
}

static void iovec_add(struct iovec *v, term binary)
{
    size_t n = bits_size(binary) / 8;
    if (n > IOVEC_KEEP_BYTES) {
        iovec_flush(v);
        worklist_push(&v->parts, binary.word);
    } else if (n > 0) {
        uint8_t *scratch;
        const uint8_t *bytes = bits_bytes(binary, &n, &scratch);
        text_add(&v->joined, (const char *) bytes, n);
        vm_free(scratch);
    }
}

/* pre: data is iodata */
static void iovec_walk(struct iovec *v, term data)
{
    struct worklist todo;
    worklist_init(&todo);
    worklist_push(&todo, data.word);
    while (!worklist_is_empty(&todo)) {
        term t = { worklist_pop(&todo) };
        while (term_is_cons(t)) {
            term head = term_head(t);
            t = term_tail(t);
            if (term_is_small(head)) {
                char byte = (char) term_to_small(head);
                text_add(&v->joined, &byte, 1);
            } else if (term_is_bits(head)) {
                iovec_add(v, head);
            } else if (term_is_cons(head)) {
                worklist_push(&todo, t.word);
                t = head;
            }
        }
        if (term_is_bits(t)) {
            iovec_add(v, t);
        }
    }
    worklist_destroy(&todo);
}

term bif_erlang_iolist_to_iovec_1(struct proc *p, term *args)
{
    size_t n;
    if (!iolist_size(args[0], &n)) {
        return proc_badarg(p);
    }
    proc_bump(p, n / BYTES_PER_REDUCTION);
    if (term_is_bits(args[0])) {
        return n == 0 ? TERM_NIL : heap_cons(&p->heap, args[0], TERM_NIL);
    }
    struct iovec v = { .p = p };
    worklist_init(&v.parts);
    iovec_walk(&v, args[0]);
    iovec_flush(&v);
    term list = TERM_NIL;
    while (!worklist_is_empty(&v.parts)) {
        term part = { worklist_pop(&v.parts) };
        if (term_is_none(part)) {
            list = TERM_NONE;
            break;
        }
        list = heap_cons(&p->heap, part, list);
    }
    worklist_destroy(&v.parts);
    text_free(&v.joined);
    return term_is_none(list) ? proc_system_limit(p) : list;
}
