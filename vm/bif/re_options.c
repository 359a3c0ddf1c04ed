#include "vm/bif/re_options.h"

#include <limits.h>

#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/iolist.h"

enum { DEFAULT_MATCH_LIMIT = 10000000 };

enum option_use { USE_COMPILE = 1, USE_EXEC = 2 };
struct option_name {
    const char *name;
    uint32_t bits;
    enum option_use use;
};

static const struct option_name plain_options[] = {
    { "anchored", PCRE_ANCHORED, USE_COMPILE | USE_EXEC },
    { "bsr_anycrlf", PCRE_BSR_ANYCRLF, USE_COMPILE | USE_EXEC },
    { "bsr_unicode", PCRE_BSR_UNICODE, USE_COMPILE | USE_EXEC },
    { "caseless", PCRE_CASELESS, USE_COMPILE },
    { "dollar_endonly", PCRE_DOLLAR_ENDONLY, USE_COMPILE },
    { "dotall", PCRE_DOTALL, USE_COMPILE },
    { "dupnames", PCRE_DUPNAMES, USE_COMPILE },
    { "extended", PCRE_EXTENDED, USE_COMPILE },
    { "firstline", PCRE_FIRSTLINE, USE_COMPILE },
    { "multiline", PCRE_MULTILINE, USE_COMPILE },
    { "never_utf", PCRE_NEVER_UTF, USE_COMPILE },
    { "no_auto_capture", PCRE_NO_AUTO_CAPTURE, USE_COMPILE },
    { "no_start_optimize", PCRE_NO_START_OPTIMIZE, USE_COMPILE },
    { "notbol", PCRE_NOTBOL, USE_EXEC },
    { "notempty", PCRE_NOTEMPTY, USE_EXEC },
    { "notempty_atstart", PCRE_NOTEMPTY_ATSTART, USE_EXEC },
    { "noteol", PCRE_NOTEOL, USE_EXEC },
    { "ucp", PCRE_UCP, USE_COMPILE },
    { "ungreedy", PCRE_UNGREEDY, USE_COMPILE },
    { "unicode", PCRE_UTF8, USE_COMPILE },
};

static const struct option_name newlines[] = {
    { "any", PCRE_NEWLINE_ANY, USE_COMPILE },
    { "anycrlf", PCRE_NEWLINE_ANYCRLF, USE_COMPILE },
    { "cr", PCRE_NEWLINE_CR, USE_COMPILE },
    { "crlf", PCRE_NEWLINE_CRLF, USE_COMPILE },
    { "lf", PCRE_NEWLINE_LF, USE_COMPILE },
};

static const struct option_name *find_name(const struct option_name *names, size_t n, term atom)
{
    const char *text = term_is_atom(atom) ? atom_cstr(atom) : "";
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i].name, text) == 0) {
            return &names[i];
        }
    }
    return NULL;
}

bool re_is_atom_named(term t, const char *text)
{
    return term_is_atom(t) && strcmp(atom_cstr(t), text) == 0;
}

static enum re_option_status plain_option(struct re_options *o, term option)
{
    const struct option_name *name = find_name(plain_options, ARRAY_LEN(plain_options), option);
    if (name != NULL) {
        o->compile |= (name->use & USE_COMPILE) != 0 ? name->bits : 0;
        o->exec |= (name->use & USE_EXEC) != 0 ? name->bits : 0;
        o->compile_only |= (name->use & USE_EXEC) == 0;
        o->exec_only |= (name->use & USE_COMPILE) == 0;
        return OPTION_OK;
    }
    bool global = re_is_atom_named(option, "global"), report = re_is_atom_named(option, "report_errors");
    o->global |= global;
    o->report_errors |= report;
    o->exec_only = true;
    return global || report ? OPTION_OK : OPTION_BAD;
}

/* Numbers or names, whether the pattern has them or not. */
static bool all_groups(term list)
{
    for (; term_is_cons(list); list = term_tail(list)) {
        term group = term_head(list);
        size_t length;
        bool number = term_is_small(group) && term_to_small(group) >= 0 && term_to_small(group) <= INT_MAX;
        if (!number && !term_is_atom(group) && !((term_is_binary(group) || term_is_list(group)) && iolist_size(group, &length))) {
            return false;
        }
    }
    return true;
}

static enum re_option_status capture_option(struct re_options *o, term what, term type)
{
    static const struct option_name whats[] = {
        { "all", CAPTURE_ALL, 0 },
        { "all_but_first", CAPTURE_ALL_BUT_FIRST, 0 },
        { "first", CAPTURE_FIRST, 0 },
        { "none", CAPTURE_NONE, 0 },
        { "all_names", CAPTURE_NAMES, 0 },
    };
    static const struct option_name types[] = {
        { "index", RETURN_INDEX, 0 },
        { "list", RETURN_LIST, 0 },
        { "binary", RETURN_BINARY, 0 },
    };
    const struct option_name *name = find_name(whats, ARRAY_LEN(whats), what);
    if (name != NULL) {
        o->capture = (int) name->bits;
    } else if (term_list_length(what) >= 0 && all_groups(what)) {
        o->capture = term_is_nil(what) ? CAPTURE_NONE : CAPTURE_LIST;
        o->capture_list = what;
    } else {
        return OPTION_BAD_CAPTURE;
    }
    o->exec_only = true;
    if (term_is_none(type)) {
        return OPTION_OK;
    }
    name = find_name(types, ARRAY_LEN(types), type);
    o->type = name != NULL ? (int) name->bits : 0;
    return name != NULL ? OPTION_OK : OPTION_BAD_CAPTURE;
}

static enum re_option_status number_option(struct re_options *o, term name, term value)
{
    uint64_t n;
    bool good = integer_to_uint64(value, &n)
                && n <= (re_is_atom_named(name, "offset") ? (uint64_t) INTPTR_MAX : UINT32_MAX);
    o->exec_only = true;
    if (re_is_atom_named(name, "offset")) {
        o->offset = good ? n : 0;
    } else if (re_is_atom_named(name, "match_limit")) {
        o->match_limit = good ? (uint32_t) n : 0;
    } else if (re_is_atom_named(name, "match_limit_recursion")) {
        o->recursion_limit = good ? (uint32_t) n : 0;
    } else {
        return OPTION_BAD;
    }
    return good ? OPTION_OK : OPTION_BAD;
}

static enum re_option_status one_option(struct re_options *o, term option)
{
    if (!term_is_tuple(option)) {
        return plain_option(o, option);
    }
    size_t arity = term_tuple_arity(option);
    if (arity < 2 || arity > 3) {
        return OPTION_BAD;
    }
    term name = term_tuple_get(option, 0), value = term_tuple_get(option, 1);
    if (re_is_atom_named(name, "capture")) {
        return capture_option(o, value, arity == 3 ? term_tuple_get(option, 2) : TERM_NONE);
    }
    if (arity == 2 && re_is_atom_named(name, "newline")) {
        const struct option_name *newline = find_name(newlines, ARRAY_LEN(newlines), value);
        if (newline != NULL) {
            uint32_t others = ~(uint32_t) (PCRE_NEWLINE_CR | PCRE_NEWLINE_LF | PCRE_NEWLINE_ANY
                                           | PCRE_NEWLINE_ANYCRLF);
            o->compile = (o->compile & others) | newline->bits;
            o->exec = (o->exec & others) | newline->bits;
        }
        return newline != NULL ? OPTION_OK : OPTION_BAD;
    }
    return arity == 2 ? number_option(o, name, value) : OPTION_BAD;
}

enum re_option_status re_options_read(struct re_options *o, term list)
{
    *o = (struct re_options) { .match_limit = DEFAULT_MATCH_LIMIT,
        .recursion_limit = DEFAULT_MATCH_LIMIT };
    enum re_option_status status = OPTION_OK, capture = OPTION_OK; /* what to capture is the last that is looked at */
    for (; status == OPTION_OK && term_is_cons(list); list = term_tail(list)) {
        status = one_option(o, term_head(list));
        if (status == OPTION_BAD_CAPTURE) {
            capture = status;
            status = OPTION_OK;
        } else if (status == OPTION_OK && term_is_tuple(term_head(list))
            && term_same(term_tuple_get(term_head(list), 0), ATOM(capture))) {
            capture = OPTION_OK; /* instead of those before */
        }
    }
    return status != OPTION_OK ? status : term_is_nil(list) ? capture : OPTION_BAD;
}
