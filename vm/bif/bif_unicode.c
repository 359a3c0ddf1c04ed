/* bif_unicode.c - module unicode: chardata in Latin-1 or UTF-8 to binaries and lists. The other
 * encodings are done by unicode.erl, which these functions trap to. */
#include "lib/base/arena.h"
#include "lib/base/utf8.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_text.h"
#include "vm/core/bits.h"
#include "vm/core/fun.h"
#include "vm/core/worklist.h"

enum { CHARS_PER_REDUCTION = 64 };

/* ---- UTF-8 ---- */

/* Bytes of the sequence that starts with this one, as far as its first bits say; 0: none does. */
static unsigned sequence_length(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF8 ? 4 : 0;
}

enum sequence { SEQUENCE_OK, SEQUENCE_BAD, SEQUENCE_SHORT };

static enum sequence decode_utf8(const uint8_t *bytes, size_t n, uint32_t *out, unsigned *length)
{
    *length = sequence_length(bytes[0]);
    if (*length == 0) {
        return SEQUENCE_BAD;
    }
    if (*length > n) {
        return SEQUENCE_SHORT; /* what is there is looked at when the rest is, as in OTP */
    }
    return utf8_get(bytes, *length, out) != 0 ? SEQUENCE_OK : SEQUENCE_BAD;
}

static bool is_utf8(const uint8_t *bytes, size_t n)
{
    size_t good_bytes;
    utf8_count(bytes, n, &good_bytes);
    return good_bytes == n;
}

/* ---- output: UTF-8 or code points ---- */

struct output {
    bool as_list;
    uint8_t *bytes; /* owned; room for all */
    uint32_t *chars;
    size_t n;
};

static void put_char(struct output *o, uint32_t c)
{
    if (o->as_list) {
        o->chars[o->n++] = c;
    } else {
        o->n += utf8_put(o->bytes + o->n, c);
    }
}

static void put_ascii(struct output *o, const uint8_t *bytes, size_t n)
{
    if (o->as_list) {
        for (size_t i = 0; i < n; i++) {
            o->chars[o->n + i] = bytes[i];
        }
    } else {
        memcpy(o->bytes + o->n, bytes, n);
    }
    o->n += n;
}

static term output_term(struct proc *p, const struct output *o)
{
    if (!o->as_list) {
        return bif_text_to_binary(p, (const char *) o->bytes, o->n);
    }
    if (2 * o->n >= HEAP_SURE_WORDS && !heap_can_alloc(&p->heap, 2 * o->n)) {
        return proc_system_limit(p);
    }
    proc_bump(p, o->n / CHARS_PER_REDUCTION);
    uintptr_t *cells = heap_alloc(&p->heap, 2 * o->n);
    for (size_t i = 0; i < o->n; i++) {
        cells[2 * i] = term_from_small((intptr_t) o->chars[i]).word;
        cells[2 * i + 1] = i + 1 < o->n ? term_from_list_ptr(&cells[2 * i + 2]).word : TERM_NIL.word;
    }
    return o->n == 0 ? TERM_NIL : term_from_list_ptr(cells);
}

/* ---- the walk ---- */

struct walk {
    struct proc *p;
    bool latin1;
    struct output out;
    struct worklist tails; /* of the lists around the current one, outermost first */
    term rest;             /* of the current list, behind the current element */
    uint8_t carry[4];      /* the start of a character at the end of the last binary */
    unsigned n_carry;
    term failed; /* what could not be converted: the rest from there on */
};

/* The first element not converted, in front of what follows it. */
static term rest_from(struct walk *w, term element, bool is_tail)
{
    struct heap *h = &w->p->heap;
    term rest = is_tail ? element : heap_cons(h, element, w->rest);
    while (!worklist_is_empty(&w->tails)) {
        rest = heap_cons(h, rest, (term) { worklist_pop(&w->tails) });
    }
    return rest;
}

static term carry_binary(struct walk *w)
{
    return bits_from_bytes(&w->p->heap, w->carry, w->n_carry);
}

/* A list behind an unfinished character is another one from there on. */
static bool fail(struct walk *w, term element, bool is_tail)
{
    term rest = rest_from(w, element, is_tail);
    w->failed = w->n_carry == 0 ? rest
                                : heap_cons(&w->p->heap, carry_binary(w), heap_cons(&w->p->heap, rest, TERM_NIL));
    return false;
}

static bool add_integer(struct walk *w, term i)
{
    intptr_t max = w->latin1 ? 0xFF : UTF8_MAX_CHARACTER, c = term_is_small(i) ? term_to_small(i) : -1;
    if (w->n_carry > 0 || c < 0 || c > max || !utf8_is_character((uint32_t) c)) {
        return fail(w, i, false);
    }
    put_char(&w->out, (uint32_t) c);
    return true;
}

/* Finishes the character begun by the last binary; *used bytes of this one belong to it. */
static enum sequence finish_carry(struct walk *w, const uint8_t *bytes, size_t n, size_t *used)
{
    uint8_t joined[UTF8_MAX_BYTES];
    uint32_t c = 0;
    unsigned length, need = sequence_length(w->carry[0]);
    size_t take = need - w->n_carry < n ? need - w->n_carry : n;
    memcpy(joined, w->carry, w->n_carry);
    memcpy(joined + w->n_carry, bytes, take);
    *used = take;
    if (w->n_carry + take < need) {
        memcpy(w->carry + w->n_carry, bytes, take);
        w->n_carry += (unsigned) take;
        return SEQUENCE_SHORT;
    }
    enum sequence s = decode_utf8(joined, need, &c, &length);
    if (s == SEQUENCE_OK) {
        put_char(&w->out, c);
        w->n_carry = 0;
    }
    return s;
}

static bool add_utf8(struct walk *w, term binary, bool is_tail, const uint8_t *bytes, size_t n)
{
    size_t i = 0;
    uint32_t c;
    unsigned length;
    if (w->n_carry > 0 && n > 0 && finish_carry(w, bytes, n, &i) == SEQUENCE_BAD) {
        return fail(w, binary, is_tail);
    }
    for (;;) {
        size_t ascii = utf8_ascii_bytes(bytes + i, n - i);
        put_ascii(&w->out, bytes + i, ascii);
        i += ascii;
        if (i == n) {
            return true;
        }
        enum sequence s = decode_utf8(bytes + i, n - i, &c, &length);
        if (s == SEQUENCE_BAD) {
            return fail(w, bits_sub(&w->p->heap, binary, i * 8, (n - i) * 8), is_tail);
        }
        if (s == SEQUENCE_SHORT) {
            w->n_carry = (unsigned) (n - i);
            memcpy(w->carry, bytes + i, n - i);
            return true;
        }
        put_char(&w->out, c);
        i += length;
    }
}

static bool add_binary(struct walk *w, term binary, bool is_tail)
{
    size_t n;
    uint8_t *scratch;
    const uint8_t *bytes = bits_bytes(binary, &n, &scratch);
    bool ok = true;
    if (w->latin1) {
        for (size_t i = 0; i < n; i++) {
            put_char(&w->out, bytes[i]);
        }
    } else {
        ok = add_utf8(w, binary, is_tail, bytes, n);
    }
    vm_free(scratch);
    return ok;
}

/* pre: measure() said it is chardata */
static bool walk(struct walk *w, term t)
{
    if (term_is_bits(t)) {
        return add_binary(w, t, true);
    }
    w->rest = t;
    for (;;) {
        if (term_is_cons(w->rest)) {
            term head = term_head(w->rest);
            w->rest = term_tail(w->rest);
            if (term_is_list(head)) {
                worklist_push(&w->tails, w->rest.word);
                w->rest = head;
            } else if (!(term_is_bits(head) ? add_binary(w, head, false) : add_integer(w, head))) {
                return false;
            }
        } else {
            if (term_is_bits(w->rest) && !add_binary(w, w->rest, true)) {
                return false;
            }
            if (worklist_is_empty(&w->tails)) {
                return true;
            }
            w->rest = (term) { worklist_pop(&w->tails) };
        }
    }
}

/* An upper bound of the characters, and of the bytes of their UTF-8; false: not chardata. */
static bool measure(term t, bool latin1, size_t *chars, size_t *bytes)
{
    struct worklist todo;
    bool ok = true;
    *chars = *bytes = 0;
    worklist_init(&todo);
    worklist_push(&todo, t.word);
    while (ok && !worklist_is_empty(&todo)) {
        t = (term) { worklist_pop(&todo) };
        if (term_is_cons(t)) {
            term tail = term_tail(t);
            /* An integer is no tail. */
            worklist_push(&todo, term_is_list(tail) || term_is_bits(tail) ? tail.word : ATOM(false).word);
            worklist_push(&todo, term_head(t).word);
        } else if (term_is_big(t)) {
            break; /* no character: as in OTP what follows is not looked at */
        } else if (term_is_integer(t)) {
            ++*chars;
            *bytes += 4;
        } else if (term_is_bits(t)) {
            size_t n = bits_size(t);
            ok = n % 8 == 0;
            *chars += n / 8;
            *bytes += n / 8 * (latin1 ? 2 : 1);
        } else {
            ok = term_is_nil(t);
        }
        ok = ok && *bytes < SIZE_MAX / 16;
    }
    worklist_destroy(&todo);
    return ok;
}

static term finish(struct proc *p, struct walk *w, bool ok)
{
    term done = output_term(p, &w->out);
    if (term_is_none(done)) {
        return TERM_NONE;
    }
    if (!ok) {
        return heap_tuple3(&p->heap, ATOM(error), done, w->failed);
    }
    if (w->n_carry == 0) {
        return done;
    }
    bool bad = false;
    for (unsigned i = 1; i < w->n_carry; i++) {
        bad = bad || (w->carry[i] & 0xC0) != 0x80;
    }
    return heap_tuple3(&p->heap, bad ? ATOM(error) : ATOM(incomplete), done, carry_binary(w));
}

static term convert(struct proc *p, term *args, bool as_list)
{
    bool latin1 = term_same(args[1], ATOM(latin1));
    if (!latin1 && !term_same(args[1], ATOM(unicode)) && !term_same(args[1], ATOM(utf8))) {
        term target = as_list ? ATOM(characters_to_list_int) : ATOM(characters_to_binary_int);
        return proc_trap(p, export_get(ATOM(unicode), target, 2), args, 2);
    }
    size_t chars, bytes;
    if (!(term_is_list(args[0]) || term_is_bits(args[0])) || !measure(args[0], latin1, &chars, &bytes)) {
        return proc_badarg(p);
    }
    proc_bump(p, chars / CHARS_PER_REDUCTION);
    struct walk w = { .p = p, .latin1 = latin1, .out.as_list = as_list };
    void *room = vm_try_alloc(as_list ? chars * sizeof(uint32_t) + 4 : bytes + 4);
    if (room == NULL) {
        return proc_system_limit(p);
    }
    w.out.bytes = room;
    w.out.chars = room;
    worklist_init(&w.tails);
    bool ok = walk(&w, args[0]);
    term t = finish(p, &w, ok);
    worklist_destroy(&w.tails);
    vm_free(room);
    return t;
}

term bif_unicode_characters_to_binary_2(struct proc *p, term *args)
{
    term only = args[0];
    if (term_is_cons(only) && term_is_nil(term_tail(only)) && term_is_binary(term_head(only))) {
        only = term_head(only); /* as OTP: what is wrong with it is not told as a list */
    }
    if (term_is_binary(only) && (term_same(args[1], ATOM(unicode)) || term_same(args[1], ATOM(utf8)))) {
        struct bits_view v = bits_view(only);
        if (v.offset % 8 == 0 && is_utf8(v.bytes + v.offset / 8, v.size / 8)) {
            proc_bump(p, v.size / 8 / CHARS_PER_REDUCTION);
            return only;
        }
    }
    term data[2] = { only, args[1] };
    return convert(p, data, false);
}

term bif_unicode_characters_to_list_2(struct proc *p, term *args)
{
    return convert(p, args, true);
}

term bif_unicode_bin_is_7bit_1(struct proc *p, term *args)
{
    if (!term_is_binary(args[0])) {
        return ATOM(false);
    }
    size_t n;
    uint8_t *scratch;
    const uint8_t *bytes = bits_bytes(args[0], &n, &scratch);
    bool ascii = utf8_ascii_bytes(bytes, n) == n;
    vm_free(scratch);
    proc_bump(p, n / CHARS_PER_REDUCTION);
    return term_from_bool(ascii);
}
