#include "vm/core/print.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/utf8.h"
#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"
#include "vm/core/float_text.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"
#include "vm/core/ref.h"
#include "vm/core/worklist.h"

/* ---- text ---- */

static bool text_is_full(const struct text *t)
{
    return t->max != 0 && t->len >= t->max;
}

void text_add(struct text *t, const char *bytes, size_t n)
{
    bool cut = t->max != 0 && n > t->max - t->len;
    if (cut) {
        n = t->max - t->len;
    }
    if (n > t->cap - t->len) {
        size_t cap = t->cap < 64 ? 128 : t->cap * 2;
        t->cap = cap < t->len + n ? t->len + n : cap;
        t->data = vm_realloc(t->data, t->cap);
    }
    if (n > 0) {
        memcpy(t->data + t->len, bytes, n);
    }
    t->len += n;
    if (cut) {
        size_t dots = t->len < 3 ? t->len : 3;
        memset(t->data + t->len - dots, '.', dots);
    }
}

void text_cstr(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

static void text_char(struct text *t, char c)
{
    text_add(t, &c, 1);
}

void text_format(struct text *t, const char *fmt, ...)
{
    char local[512];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(local, sizeof(local), fmt, args);
    va_end(args);
    if (n < 0) {
        return;
    }
    if ((size_t) n < sizeof(local)) {
        text_add(t, local, (size_t) n);
        return;
    }
    char *long_text = vm_alloc((size_t) n + 1);
    va_start(args, fmt);
    vsnprintf(long_text, (size_t) n + 1, fmt, args);
    va_end(args);
    text_add(t, long_text, (size_t) n);
    vm_free(long_text);
}

void text_free(struct text *t)
{
    vm_free(t->data);
    *t = (struct text) { 0 };
}

/* Without stdio: numbers are most of what is printed. */
static void text_uint(struct text *t, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[sizeof(digits) - ++n] = (char) ('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_add(t, digits + sizeof(digits) - n, n);
}

static void text_utf8(struct text *t, uint32_t c)
{
    uint8_t bytes[UTF8_MAX_BYTES];
    text_add(t, (const char *) bytes, utf8_put(bytes, c));
}

/* The text of atoms is good. */
static uint32_t next_utf8(const uint8_t **at, const uint8_t *end)
{
    uint32_t c = 0;
    *at += utf8_get(*at, (size_t) (end - *at), &c);
    return c;
}

/* ---- characters ---- */

static bool is_lower(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xDF && c <= 0xFF && c != 0xF7);
}
static bool is_name_char(uint32_t c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
        || (c >= 0xC0 && c < 0xDF && c != 0xD7);
}

/* The letter of the escape sequence for c, or 0. */
static char escape_letter(uint32_t c)
{
    switch (c) {
    case '\b':
        return 'b';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\v':
        return 'v';
    case '\f':
        return 'f';
    case '\r':
        return 'r';
    case 0x1B:
        return 'e';
    case 0x7F:
        return 'd';
    default:
        return 0;
    }
}

static void put_octal(struct text *t, uint32_t c)
{
    char octal[4] = { '\\', (char) ('0' + (c >> 6)), (char) ('0' + (c >> 3 & 7)), (char) ('0' + (c & 7)) };
    text_add(t, octal, sizeof(octal));
}

/* A character of a quoted atom or string. */
static void put_quoted(struct text *t, uint32_t c, char quote, enum print_style style)
{
    char letter = escape_letter(c);
    if (c == (uint32_t) quote || c == '\\') {
        letter = (char) c;
    }
    if (style == PRINT_DISPLAY && (c == 0x1B || c == 0x7F)) {
        letter = 0;
    }
    if (letter != 0) {
        char escape[2] = { '\\', letter };
        text_add(t, escape, sizeof(escape));
    } else if (c < 0x20 || (c >= 0x80 && c < 0xA0)) {
        put_octal(t, c);
    } else if (c > 0xFF && style != PRINT_DISPLAY) {
        text_format(t, "\\x{%X}", (unsigned) c);
    } else {
        text_utf8(t, c);
    }
}

/* ---- atoms ---- */

static bool is_reserved(const struct atom_text *a)
{
    static const char *const words[] = { "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr",
        "bxor", "case", "catch", "cond", "div", "end", "fun", "if", "let", "not", "of", "or", "orelse", "receive",
        "rem", "try", "when", "xor" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(a->utf8, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool needs_quotes(const struct atom_text *a, enum print_style style)
{
    const uint8_t *at = (const uint8_t *) a->utf8, *end = at + a->bytes;
    if (at == end || !is_lower(next_utf8(&at, end))) {
        return true;
    }
    while (at < end) {
        uint32_t c = next_utf8(&at, end);
        if (!is_name_char(c) && (c != '@' || style == PRINT_DISPLAY)) {
            return true;
        }
    }
    return style != PRINT_DISPLAY && is_reserved(a);
}

static void put_atom(struct text *t, term atom, enum print_style style)
{
    struct atom_text a = atom_text(atom);
    if (!needs_quotes(&a, style)) {
        text_add(t, a.utf8, a.bytes);
        return;
    }
    const uint8_t *at = (const uint8_t *) a.utf8, *end = at + a.bytes;
    text_char(t, '\'');
    while (at < end) {
        put_quoted(t, next_utf8(&at, end), '\'', style);
    }
    text_char(t, '\'');
}

void print_atom(struct text *t, term atom)
{
    put_atom(t, atom, PRINT_PRETTY);
}

/* ---- strings and bitstrings ---- */

static bool is_printable(uint32_t c, enum print_style style, bool in_binary)
{
    if (c >= 0x20 && c < 0x7F) {
        return true;
    }
    if (style == PRINT_DISPLAY) {
        return !in_binary && (c == '\t' || c == '\n' || c == '\r' || (c >= 0xA0 && c <= 0xFF));
    }
    return (c >= 0xA0 && c <= 0xFF) || (c != 0x7F && escape_letter(c) != 0);
}

static bool is_string(term list, enum print_style style)
{
    while (term_is_cons(list)) {
        term head = term_head(list);
        if (!term_is_small(head) || term_to_small(head) < 0 || term_to_small(head) > 0xFF
            || !is_printable((uint32_t) term_to_small(head), style, false)) {
            return false;
        }
        list = term_tail(list);
    }
    return term_is_nil(list);
}

static void put_string_char(struct text *t, uint32_t c, enum print_style style)
{
    if (style != PRINT_DISPLAY) {
        put_quoted(t, c, '"', style);
    } else if (c == '"' || c == '\n') {
        text_cstr(t, c == '"' ? "\\\"" : "\\n");
    } else {
        text_char(t, (char) c);
    }
}

static void put_string(struct text *t, term list, enum print_style style)
{
    text_char(t, '"');
    for (; term_is_cons(list) && !text_is_full(t); list = term_tail(list)) {
        put_string_char(t, (uint32_t) term_to_small(term_head(list)), style);
    }
    text_char(t, '"');
}

static unsigned view_byte(const struct bits_view *v, size_t i, unsigned n_bits)
{
    uint8_t byte = 0;
    bits_copy(&byte, 8 - n_bits, v->bytes, v->offset + i * 8, n_bits);
    return byte;
}

static void put_bits(struct text *t, term bits, enum print_style style)
{
    struct bits_view v = bits_view(bits);
    size_t n = v.size / 8;
    unsigned rest = (unsigned) (v.size % 8);
    bool printable = style != PRINT_WRITE && rest == 0 && n > 0;
    for (size_t i = 0; printable && i < n; i++) {
        printable = is_printable(view_byte(&v, i, 8), style, true);
    }
    text_cstr(t, printable ? "<<\"" : "<<");
    for (size_t i = 0; i < n && !text_is_full(t); i++) {
        unsigned byte = view_byte(&v, i, 8);
        if (printable) {
            put_string_char(t, byte, style);
        } else {
            if (i > 0) {
                text_char(t, ',');
            }
            text_uint(t, byte);
        }
    }
    if (rest != 0) {
        if (n > 0) {
            text_char(t, ',');
        }
        text_uint(t, view_byte(&v, n, rest));
        text_char(t, ':');
        text_uint(t, rest);
    }
    text_cstr(t, printable ? "\">>" : ">>");
}

/* ---- identifiers, numbers, funs ---- */

static void put_dotted(struct text *t, const char *open, const uint64_t *numbers, size_t n)
{
    text_cstr(t, open);
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            text_char(t, '.');
        }
        text_uint(t, numbers[i]);
    }
    text_char(t, '>');
}

static void put_ref(struct text *t, term ref)
{
    struct ref_numbers r = term_ref_numbers(ref);
    uint64_t numbers[1 + REF_MAX_NUMBERS] = { term_is_local_ref(ref) ? 0 : term_to_atom_index(r.node) };
    /* What makes a reference an alias is not shown. */
    size_t n = r.n < REF_LOCAL_NUMBERS ? r.n : REF_LOCAL_NUMBERS;
    for (size_t i = 0; i < n; i++) {
        numbers[n - i] = r.ids[i];
    }
    put_dotted(t, "#Ref<", numbers, n + 1);
}

static void put_fun(struct text *t, const struct fun_entry *f, enum print_style style)
{
    text_cstr(t, "#Fun<");
    put_atom(t, f->module, style);
    text_format(t, ".%u.%u>", f->index, f->old_uniq);
}

static void put_export(struct text *t, const struct export *e, enum print_style style)
{
    text_cstr(t, "fun ");
    put_atom(t, e->module, style);
    text_char(t, ':');
    put_atom(t, e->function, style);
    text_char(t, '/');
    text_uint(t, e->arity);
}

static void put_big(struct text *t, term big)
{
    size_t n;
    char *digits = integer_to_text(big, 10, &n);
    text_add(t, digits, n);
    vm_free(digits);
}

static void put_float(struct text *t, double d, enum print_style style)
{
    char digits[32];
    if (style == PRINT_DISPLAY) {
        text_format(t, "%e", d);
    } else {
        text_add(t, digits, float_text_short(digits, d));
    }
}

static void put_immediate(struct text *t, term value, enum print_style style)
{
    if (term_is_small(value)) {
        intptr_t i = term_to_small(value);
        if (i < 0) {
            text_char(t, '-');
        }
        text_uint(t, i < 0 ? (uint64_t) -i : (uint64_t) i);
    } else if (term_is_atom(value)) {
        put_atom(t, value, style);
    } else if (term_is_nil(value)) {
        text_cstr(t, "[]");
    } else if (term_is_local_pid(value)) {
        uint64_t numbers[] = { 0, term_pid_number(value), term_pid_serial(value) };
        put_dotted(t, "<", numbers, 3);
    } else if (term_is_local_port(value)) {
        uint64_t numbers[] = { 0, term_port_number(value) };
        put_dotted(t, "#Port<", numbers, 2);
    } else if (term_is_catch(value)) {
        text_format(t, "#Catch<%zu>", term_to_catch_index(value));
    } else {
        text_format(t, "#Word<%zx>", value.word); /* only a debugger gets here */
    }
}

/* ---- compound terms ---- */

/* What is still to be printed: a word that is a term, or one of these with what follows it. */
enum todo { TODO_TERM, TODO_LIST /* rest of a list */, TODO_TUPLE /* tuple, next index */, TODO_TEXT /* C string */ };

struct printer {
    struct text *t;
    enum print_style style;
    struct worklist todo;
};

static void push(struct printer *p, enum todo kind, uintptr_t a, uintptr_t b)
{
    uintptr_t *at = worklist_push_n(&p->todo, 3);
    at[0] = b;
    at[1] = a;
    at[2] = kind;
}

static void put_map(struct printer *p, term map)
{
    struct map_iter it;
    term key, value;
    bool first = true;
    text_cstr(p->t, "#{");
    push(p, TODO_TEXT, (uintptr_t) "}", 0);
    map_iter_init_last(&it, map);
    while (map_iter_prev(&it, &key, &value)) { /* last first: what is pushed last is printed first */
        if (!first) {
            push(p, TODO_TEXT, (uintptr_t) ",", 0);
        }
        first = false;
        push(p, TODO_TERM, value.word, 0);
        push(p, TODO_TEXT, (uintptr_t) (p->style == PRINT_DISPLAY ? "=>" : " => "), 0);
        push(p, TODO_TERM, key.word, 0);
    }
}

static void put_boxed(struct printer *p, term value)
{
    const uintptr_t *w = term_words(value);
    switch (header_tag(w[0])) {
    case TAG_TUPLE:
        text_char(p->t, '{');
        push(p, TODO_TUPLE, value.word, 0);
        break;
    case TAG_BIG_POS:
    case TAG_BIG_NEG:
        put_big(p->t, value);
        break;
    case TAG_FLOAT:
        put_float(p->t, term_to_double(value), p->style);
        break;
    case TAG_FUN:
        put_fun(p->t, term_fun_entry(value), p->style);
        break;
    case TAG_EXPORT:
        put_export(p->t, term_export(value), p->style);
        break;
    case TAG_REF:
    case TAG_RESOURCE:
    case TAG_EXT_REF:
        put_ref(p->t, value);
        break;
    case TAG_HEAP_BITS:
    case TAG_REFC_BITS:
    case TAG_SUB_BITS:
        put_bits(p->t, value, p->style);
        break;
    case TAG_FLATMAP:
    case TAG_HASHMAP:
        put_map(p, value);
        break;
    case TAG_EXT_PID:
        put_dotted(p->t, "<", (uint64_t[]) { term_to_atom_index((term) { w[1] }), w[3], w[4] }, 3);
        break;
    case TAG_EXT_PORT:
        put_dotted(p->t, "#Port<", (uint64_t[]) { term_to_atom_index((term) { w[1] }), w[3] }, 2);
        break;
    case TAG_MATCH_CTX:
    case TAG_HAMT_NODE:
    case TAG_COUNT:
        text_cstr(p->t, "#Internal<>"); /* only a debugger gets here */
        break;
    }
}

static void put_term(struct printer *p, term value)
{
    if (term_is_cons(value)) {
        if (p->style != PRINT_WRITE && is_string(value, p->style)) {
            put_string(p->t, value, p->style);
        } else {
            text_char(p->t, '[');
            push(p, TODO_LIST, term_tail(value).word, 0);
            push(p, TODO_TERM, term_head(value).word, 0);
        }
    } else if (term_is_boxed(value)) {
        put_boxed(p, value);
    } else {
        put_immediate(p->t, value, p->style);
    }
}

static void put_list_rest(struct printer *p, term rest)
{
    if (term_is_nil(rest)) {
        text_char(p->t, ']');
    } else if (term_is_cons(rest)) {
        text_char(p->t, ',');
        push(p, TODO_LIST, term_tail(rest).word, 0);
        push(p, TODO_TERM, term_head(rest).word, 0);
    } else {
        text_char(p->t, '|');
        push(p, TODO_TEXT, (uintptr_t) "]", 0);
        push(p, TODO_TERM, rest.word, 0);
    }
}

static void put_tuple_rest(struct printer *p, term tuple, size_t index)
{
    if (index == term_tuple_arity(tuple)) {
        text_char(p->t, '}');
        return;
    }
    if (index > 0) {
        text_char(p->t, ',');
    }
    push(p, TODO_TUPLE, tuple.word, index + 1);
    push(p, TODO_TERM, term_tuple_get(tuple, index).word, 0);
}

void print_term(struct text *t, term value, enum print_style style)
{
    struct printer p = { .t = t, .style = style };
    worklist_init(&p.todo);
    put_term(&p, value);
    while (!worklist_is_empty(&p.todo) && !text_is_full(t)) {
        enum todo kind = (enum todo) worklist_pop(&p.todo);
        uintptr_t a = worklist_pop(&p.todo), b = worklist_pop(&p.todo);
        switch (kind) {
        case TODO_TERM:
            put_term(&p, (term) { a });
            break;
        case TODO_LIST:
            put_list_rest(&p, (term) { a });
            break;
        case TODO_TUPLE:
            put_tuple_rest(&p, (term) { a }, b);
            break;
        case TODO_TEXT:
            text_cstr(t, (const char *) a);
            break;
        }
    }
    if (!worklist_is_empty(&p.todo)) {
        text_cstr(t, "..."); /* full: ends in dots */
    }
    worklist_destroy(&p.todo);
}
