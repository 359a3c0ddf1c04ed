/* re_options.h - options of re:compile/2 and re:run/3, read from their list. */
#ifndef BIF_RE_OPTIONS_H
#define BIF_RE_OPTIONS_H

#include <pcre.h>

#include "vm/core/atom.h"

/* What a match returns: {capture, What, Type}. */
enum re_capture {
    CAPTURE_ALL,
    CAPTURE_ALL_BUT_FIRST,
    CAPTURE_FIRST,
    CAPTURE_NONE,
    CAPTURE_NAMES,
    CAPTURE_LIST
};
enum re_type { RETURN_INDEX, RETURN_LIST, RETURN_BINARY };

struct re_options {
    uint32_t compile, exec; /* PCRE_ bits */
    bool compile_only;      /* one was given that must not come with a compiled pattern */
    bool exec_only;         /* one was given that compile/2 refuses */
    bool global, report_errors;
    size_t offset;
    uint32_t match_limit, recursion_limit;
    int capture, type;
    term capture_list;
};

enum re_option_status { OPTION_OK, OPTION_BAD /* no such option: cause badopt */, OPTION_BAD_CAPTURE };

/* Bits that a compiled pattern may carry. */
#define RE_COMPILE_BITS                                                                               \
    (PCRE_ANCHORED | PCRE_BSR_ANYCRLF | PCRE_BSR_UNICODE | PCRE_CASELESS | PCRE_DOLLAR_ENDONLY     \
        | PCRE_DOTALL | PCRE_DUPNAMES | PCRE_EXTENDED | PCRE_FIRSTLINE | PCRE_MULTILINE            \
        | PCRE_NEVER_UTF | PCRE_NO_AUTO_CAPTURE | PCRE_NO_START_OPTIMIZE | PCRE_UCP                \
        | PCRE_UNGREEDY | PCRE_UTF8 | PCRE_NEWLINE_CR | PCRE_NEWLINE_LF | PCRE_NEWLINE_ANY         \
        | PCRE_NEWLINE_ANYCRLF)

/* Everything set, defaults where the list says nothing. */
enum re_option_status re_options_read(struct re_options *o, term list);
bool re_is_atom_named(term t, const char *text);

#endif
