/* print.h - terms as text, into a growing buffer. No stdio, no locks: safe in crash reports.
 *
 * All texts are UTF-8, but PRINT_DISPLAY is byte for byte what OTP's emulator writes, which has
 * characters 160 to 255 of strings as single bytes.
 */
#ifndef VM_PRINT_H
#define VM_PRINT_H

#include "vm/core/term.h"

struct text { /* a growing byte string; zero-initialise; vm_free(data) */
    char *data;
    size_t len, cap;
    size_t max; /* 0: no limit; else stop growing there and end in "..." */
};
void text_add(struct text *t, const char *bytes, size_t n);
void text_cstr(struct text *t, const char *s);
void text_format(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *t);

enum print_style {
    PRINT_WRITE,   /* ~w: strings as lists, binaries as bytes */
    PRINT_PRETTY,  /* ~p on one line: strings as "...", binaries as <<"...">> */
    PRINT_DISPLAY, /* erlang:display */
};
void print_term(struct text *t, term value, enum print_style style);
void print_atom(struct text *t, term atom); /* quoted when the language needs it */

#endif
