/* bif_erlang_number_text.c - numbers to text and back. */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_text.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/copy.h"
#include "vm/core/float_text.h"

enum { BYTES_PER_REDUCTION = 64 };

term bif_text_to_list(struct proc *p, const char *text, size_t n)
{
    if (2 * n >= HEAP_SURE_WORDS && !heap_can_alloc(&p->heap, 2 * n)) {
        return proc_system_limit(p);
    }
    proc_bump(p, n / BYTES_PER_REDUCTION);
    return heap_string(&p->heap, text, n);
}

term bif_text_to_binary(struct proc *p, const char *text, size_t n)
{
    proc_bump(p, n / BYTES_PER_REDUCTION);
    term t = bits_from_bytes(&p->heap, text, n);
    return term_is_none(t) ? proc_system_limit(p) : t;
}

bool bif_text_from_list(term list, struct bif_text *out)
{
    intptr_t n = term_list_length(list);
    out->owned = NULL;
    if (n < 0) {
        return false;
    }
    char *to = out->local;
    if ((size_t) n > sizeof(out->local)) {
        to = out->owned = vm_try_alloc((size_t) n);
        if (to == NULL) {
            return false;
        }
    }
    out->text = to;
    out->n = (size_t) n;
    for (; term_is_cons(list); list = term_tail(list)) {
        term c = term_head(list);
        if (!term_is_small(c) || (uintptr_t) term_to_small(c) > 0xFF) {
            vm_free(out->owned);
            return false;
        }
        *to++ = (char) term_to_small(c);
    }
    return true;
}

bool bif_text_from_binary(term binary, struct bif_text *out)
{
    if (!term_is_bits(binary) || bits_size(binary) % 8 != 0) {
        return false;
    }
    uint8_t *scratch;
    out->text = (const char *) bits_bytes(binary, &out->n, &scratch);
    out->owned = (char *) scratch;
    return true;
}

/* ---- integers ---- */

typedef term (*text_maker)(struct proc *p, const char *text, size_t n);

static term integer_text(struct proc *p, term i, term base, text_maker make)
{
    if (!term_is_integer(i) || !term_is_small(base) || term_to_small(base) < 2 || term_to_small(base) > 36) {
        return proc_badarg(p);
    }
    size_t n;
    if (term_is_small(i) && term_to_small(base) == 10) {
        char digits[24], *at = digits + sizeof(digits);
        intptr_t value = term_to_small(i);
        uintptr_t magnitude = value < 0 ? (uintptr_t) -value : (uintptr_t) value;
        do {
            *--at = (char) ('0' + magnitude % 10);
            magnitude /= 10;
        } while (magnitude > 0);
        if (value < 0) {
            *--at = '-';
        }
        return make(p, at, (size_t) (digits + sizeof(digits) - at));
    }
    char *text = integer_to_text(i, (int) term_to_small(base), &n);
    proc_bump(p, n * (n / 4096) / BYTES_PER_REDUCTION); /* time goes with the square */
    term t = make(p, text, n);
    vm_free(text);
    return t;
}

/* Text of that many words, digit by digit, takes milliseconds. */
static bool is_far(const struct proc *p, term t)
{
    enum { FAR_WORDS = 2000 };
    return bif_is_near(p) && copy_exceeds(t, FAR_WORDS);
}

term bif_erlang_integer_to_list_1(struct proc *p, term *args)
{
    return is_far(p, args[0]) ? bif_go_far(p, "integer_to_list", args, 1)
                              : integer_text(p, args[0], term_from_small(10), bif_text_to_list);
}
term bif_erlang_integer_to_list_2(struct proc *p, term *args)
{
    return integer_text(p, args[0], args[1], bif_text_to_list);
}
term bif_erlang_integer_to_binary_1(struct proc *p, term *args)
{
    return is_far(p, args[0]) ? bif_go_far(p, "integer_to_binary", args, 1)
                              : integer_text(p, args[0], term_from_small(10), bif_text_to_binary);
}
term bif_erlang_integer_to_binary_2(struct proc *p, term *args)
{
    return integer_text(p, args[0], args[1], bif_text_to_binary);
}

static bool is_digit_of(char c, intptr_t base)
{
    int value = c >= '0' && c <= '9' ? c - '0'
        : c >= 'a' && c <= 'z'       ? c - 'a' + 10
        : c >= 'A' && c <= 'Z'       ? c - 'A' + 10
                                     : 99;
    return value < base;
}

/* Takes over text. */
static term read_integer(struct proc *p, struct bif_text *text, intptr_t base)
{
    term i = integer_from_text(&p->heap, text->text, text->n, (int) base);
    proc_bump(p, text->n / BYTES_PER_REDUCTION);
    if (term_is_none(i)) {
        size_t at = text->n > 0 && (text->text[0] == '-' || text->text[0] == '+');
        bool too_large = at < text->n;
        for (; too_large && at < text->n; at++) {
            too_large = is_digit_of(text->text[at], base);
        }
        i = too_large ? proc_system_limit(p) : proc_badarg(p);
    }
    vm_free(text->owned);
    return i;
}

static term integer_of(struct proc *p, term source, term base, bool (*get)(term, struct bif_text *))
{
    struct bif_text text;
    if (!term_is_small(base) || term_to_small(base) < 2 || term_to_small(base) > 36 || !get(source, &text)) {
        return proc_badarg(p);
    }
    return read_integer(p, &text, term_to_small(base));
}

/* The usual case without a copy: decimal digits whose value is certainly small. */
static term short_integer(term list)
{
    intptr_t value = 0;
    unsigned n = 0;
    bool negative = term_is_cons(list) && term_same(term_head(list), term_from_small('-'));
    if (negative) {
        list = term_tail(list);
    }
    for (; term_is_cons(list) && n < 17; list = term_tail(list), n++) {
        term c = term_head(list);
        if (!term_is_small(c) || (uintptr_t) term_to_small(c) - '0' > 9) {
            return TERM_NONE;
        }
        value = value * 10 + (term_to_small(c) - '0');
    }
    return n > 0 && term_is_nil(list) ? term_from_small(negative ? -value : value) : TERM_NONE;
}

term bif_erlang_list_to_integer_1(struct proc *p, term *args)
{
    term i = short_integer(args[0]);
    if (!term_is_none(i)) {
        return i;
    }
    enum { FAR_DIGITS = 20000 };
    if (bif_is_near(p) && copy_exceeds(args[0], FAR_DIGITS * HEAP_CONS_WORDS) && term_list_length(args[0]) > 0) {
        return bif_go_far(p, "list_to_integer", args, 1);
    }
    return integer_of(p, args[0], term_from_small(10), bif_text_from_list);
}
term bif_erlang_list_to_integer_2(struct proc *p, term *args)
{
    return integer_of(p, args[0], args[1], bif_text_from_list);
}
term bif_erlang_binary_to_integer_1(struct proc *p, term *args)
{
    enum { FAR_DIGITS = 20000 };
    if (bif_is_near(p) && term_is_binary(args[0]) && bits_size(args[0]) > 8 * FAR_DIGITS) {
        return bif_go_far(p, "binary_to_integer", args, 1);
    }
    return integer_of(p, args[0], term_from_small(10), bif_text_from_binary);
}
term bif_erlang_binary_to_integer_2(struct proc *p, term *args)
{
    return integer_of(p, args[0], args[1], bif_text_from_binary);
}

/* ---- floats ---- */

struct float_options {
    enum { FORM_SCIENTIFIC, FORM_FIXED, FORM_SHORT } form;
    intptr_t decimals; /* checked only if it is not overruled by an option behind it */
    bool compact;
};

enum { MAX_DECIMALS = 253, MAX_SCIENTIFIC = 249, FLOAT_SCIENTIFIC_DIGITS = 6 /* what less than none stands for */ };

static bool read_float_option(term option, struct float_options *o)
{
    if (term_same(option, ATOM(compact))) {
        o->compact = true;
        return true;
    }
    if (term_same(option, ATOM(short))) {
        o->form = FORM_SHORT;
        return true;
    }
    if (!term_is_tuple_of(option, 2) || !term_is_small(term_tuple_get(option, 1))) {
        return false;
    }
    term name = term_tuple_get(option, 0);
    bool fixed = term_same(name, ATOM(decimals));
    intptr_t n = term_to_small(term_tuple_get(option, 1));
    if (!fixed && !term_same(name, ATOM(scientific))) {
        return false;
    }
    o->form = fixed ? FORM_FIXED : FORM_SCIENTIFIC;
    o->decimals = !fixed && n < 0 ? FLOAT_SCIENTIFIC_DIGITS : n;
    return true;
}

static bool is_in_range(const struct float_options *o)
{
    switch (o->form) {
    case FORM_SHORT: break;
    case FORM_FIXED: return o->decimals >= 0 && o->decimals <= MAX_DECIMALS;
    case FORM_SCIENTIFIC: return o->decimals <= MAX_SCIENTIFIC;
    }
    return true;
}

static term float_text(struct proc *p, term f, term options, text_maker make)
{
    struct float_options o = { FORM_SCIENTIFIC, FLOAT_SCIENTIFIC_DEFAULT, false };
    for (; term_is_cons(options); options = term_tail(options)) {
        if (!read_float_option(term_head(options), &o)) {
            return proc_badarg(p);
        }
    }
    if (!term_is_nil(options) || !term_is_float(f) || !is_in_range(&o)) {
        return proc_badarg(p);
    }
    char text[FLOAT_TEXT_MAX];
    double d = term_to_double(f);
    size_t n = o.form == FORM_SHORT ? float_text_short(text, d)
        : o.form == FORM_FIXED      ? float_text_fixed(text, d, (unsigned) o.decimals, o.compact)
                                    : float_text_scientific(text, d, (unsigned) o.decimals);
    return n == 0 ? proc_badarg(p) : make(p, text, n);
}

term bif_erlang_float_to_list_1(struct proc *p, term *args)
{
    return float_text(p, args[0], TERM_NIL, bif_text_to_list);
}
term bif_erlang_float_to_list_2(struct proc *p, term *args)
{
    return float_text(p, args[0], args[1], bif_text_to_list);
}
term bif_erlang_float_to_binary_1(struct proc *p, term *args)
{
    return float_text(p, args[0], TERM_NIL, bif_text_to_binary);
}
term bif_erlang_float_to_binary_2(struct proc *p, term *args)
{
    return float_text(p, args[0], args[1], bif_text_to_binary);
}

static term float_of(struct proc *p, term source, bool (*get)(term, struct bif_text *))
{
    struct bif_text text;
    double d;
    if (!get(source, &text)) {
        return proc_badarg(p);
    }
    bool ok = float_from_text(text.text, text.n, &d);
    vm_free(text.owned);
    return ok ? heap_float(&p->heap, d) : proc_badarg(p);
}

term bif_erlang_list_to_float_1(struct proc *p, term *args)
{
    return float_of(p, args[0], bif_text_from_list);
}
term bif_erlang_binary_to_float_1(struct proc *p, term *args)
{
    return float_of(p, args[0], bif_text_from_binary);
}

/* ---- the number a list starts with, and the rest of the list ---- */

/* A cursor that copies what it accepts. */
struct scan {
    term rest;
    char *text; /* room for all characters of the list that are digits, signs, points and exponents */
    size_t n;
};

/* The next character if it is one byte, else 0. */
static char scan_peek(const struct scan *s)
{
    if (!term_is_cons(s->rest)) {
        return 0;
    }
    term c = term_head(s->rest);
    return term_is_small(c) && (uintptr_t) term_to_small(c) < 0x80 ? (char) term_to_small(c) : 0;
}

static void scan_accept(struct scan *s)
{
    s->text[s->n++] = scan_peek(s);
    s->rest = term_tail(s->rest);
}

static bool scan_digits(struct scan *s)
{
    size_t before = s->n;
    for (char c = scan_peek(s); c >= '0' && c <= '9'; c = scan_peek(s)) {
        scan_accept(s);
    }
    return s->n > before;
}

static void scan_sign(struct scan *s)
{
    char c = scan_peek(s);
    if (c == '-' || c == '+') {
        scan_accept(s);
    }
}

/* Cells of a list, proper or not. */
static size_t count_cells(term list)
{
    size_t n = 0;
    for (; term_is_cons(list); list = term_tail(list)) {
        n++;
    }
    return n;
}

static bool scan_start(struct scan *s, term list)
{
    *s = (struct scan) { .rest = list, .text = vm_try_alloc(count_cells(list) + 1) };
    return s->text != NULL;
}

static term scan_failed(struct proc *p, term list, term reason)
{
    bool is_list = term_is_list(list);
    return heap_tuple2(&p->heap, ATOM(error), is_list ? reason : ATOM(not_a_list));
}

term bif_string_list_to_integer_1(struct proc *p, term *args)
{
    struct scan s;
    if (!term_is_cons(args[0])) {
        return scan_failed(p, args[0], ATOM(no_integer));
    }
    if (!scan_start(&s, args[0])) {
        return proc_system_limit(p);
    }
    term result = TERM_NONE;
    scan_sign(&s);
    if (!scan_digits(&s)) {
        result = scan_failed(p, args[0], ATOM(no_integer));
    } else {
        term i = integer_from_text(&p->heap, s.text, s.n, 10);
        result = term_is_none(i) ? proc_system_limit(p) : heap_tuple2(&p->heap, i, s.rest);
    }
    proc_bump(p, s.n / BYTES_PER_REDUCTION);
    vm_free(s.text);
    return result;
}

static bool scan_float(struct scan *s)
{
    scan_sign(s);
    char point = scan_digits(s) ? scan_peek(s) : 0;
    if (point != '.' && point != ',') {
        return false;
    }
    scan_accept(s);
    s->text[s->n - 1] = '.';
    if (!scan_digits(s)) {
        return false;
    }
    struct scan before = *s;
    if (scan_peek(s) == 'e' || scan_peek(s) == 'E') {
        scan_accept(s);
        scan_sign(s);
        if (!scan_digits(s)) {
            *s = before; /* no exponent after all */
        }
    }
    return true;
}

term bif_string_list_to_float_1(struct proc *p, term *args)
{
    struct scan s;
    double d;
    if (!term_is_cons(args[0])) {
        return scan_failed(p, args[0], ATOM(no_float));
    }
    if (!scan_start(&s, args[0])) {
        return proc_system_limit(p);
    }
    term result;
    if (scan_float(&s) && float_from_text(s.text, s.n, &d)) {
        result = heap_tuple2(&p->heap, heap_float(&p->heap, d), s.rest);
    } else {
        result = scan_failed(p, args[0], ATOM(no_float));
    }
    proc_bump(p, s.n / BYTES_PER_REDUCTION);
    vm_free(s.text);
    return result;
}
