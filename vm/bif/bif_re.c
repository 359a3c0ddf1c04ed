/* module re: what OTP implements natively; re:split, re:replace and the rest are OTP's re.beam.
 *
 * {re_pattern, Captures, Unicode, CrLf, Bin}: Bin is PATTERN_MAGIC, four bytes of options, pattern.
 */
#include "lib/base/bytes.h"
#include "vm/bif/bif_build.h"
#include "vm/bif/re_options.h"
#include "vm/bif/regex.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"
#include "vm/core/fun.h"
#include "vm/core/iolist.h"
#include "vm/core/map.h"

#define PATTERN_MAGIC "BHRE"
enum {
    PATTERN_HEADER = 8,
    INLINE_BYTES = 256,
    INLINE_ENDS = 60,
    BYTES_PER_REDUCTION = 32
};

static term bad_option(struct proc *p, enum re_option_status status)
{
    return status == OPTION_BAD ? proc_raise_cause(p, ATOM(badarg), ATOM(badopt)) : proc_badarg(p);
}

/* ---- bytes of iodata ---- */

struct bytes {
    const uint8_t *at;
    size_t n;
    uint8_t *owned; /* NULL: in place */
    uint8_t here[INLINE_BYTES];
};

static bool bytes_of(struct bytes *b, term t)
{
    b->owned = NULL;
    if (term_is_binary(t)) {
        b->at = bits_bytes(t, &b->n, &b->owned);
        return true;
    }
    if (!term_is_list(t) || !iolist_size(t, &b->n)) {
        return false;
    }
    uint8_t *to = b->here;
    if (b->n > sizeof(b->here)) {
        to = b->owned = vm_try_alloc(b->n);
        if (to == NULL) {
            return false;
        }
    }
    iolist_copy(t, to);
    b->at = to;
    return true;
}

/* ---- compile ---- */

static term trap(struct proc *p, const char *function, const term *args, size_t n)
{
    term module = atom_from_cstr("re");
    return proc_trap(p, export_get(module, atom_from_cstr(function), (uint32_t) n), args, n);
}

static term pattern_tuple(struct proc *p, const struct regex *re)
{
    uint8_t *to;
    term bin = bits_new_binary(&p->heap, PATTERN_HEADER + re->n_pattern, &to);
    if (term_is_none(bin)) {
        return proc_system_limit(p);
    }
    memcpy(to, PATTERN_MAGIC, 4);
    bytes_store_u32be(to + 4, re->options);
    memcpy(to + PATTERN_HEADER, re->pattern, re->n_pattern);
    term elements[] = { atom_from_cstr("re_pattern"), term_from_small(re->n_captures),
        term_from_small((re->options & PCRE_UTF8) != 0), term_from_small(re->crlf), bin };
    return heap_tuple(&p->heap, elements, ARRAY_LEN(elements));
}

static term compile_error(struct proc *p, const char *text, int offset)
{
    return heap_tuple2(&p->heap, heap_cstring(&p->heap, text), term_from_small(offset));
}

static term compile(struct proc *p, term pattern, term options)
{
    struct re_options o;
    enum re_option_status status = re_options_read(&o, options);
    if (status != OPTION_OK || o.exec_only) {
        return bad_option(p, OPTION_BAD);
    }
    if ((o.compile & PCRE_UTF8) != 0 && !term_is_binary(pattern)) {
        return trap(p, "ucompile", (term[]) { pattern, options }, 2);
    }
    struct bytes b;
    if (!bytes_of(&b, pattern)) {
        return proc_badarg(p);
    }
    const char *error;
    int offset;
    proc_bump(p, 10 + b.n / BYTES_PER_REDUCTION);
    const struct regex *re = regex_get(b.at, b.n, o.compile, &error, &offset);
    vm_free(b.owned);
    if (re == NULL) {
        return heap_tuple2(&p->heap, ATOM(error), compile_error(p, error, offset));
    }
    term tuple = pattern_tuple(p, re);
    return term_is_none(tuple) ? tuple : heap_tuple2(&p->heap, ATOM(ok), tuple);
}

term bif_re_compile_1(struct proc *p, term *args)
{
    return compile(p, args[0], TERM_NIL);
}

term bif_re_compile_2(struct proc *p, term *args)
{
    return compile(p, args[0], args[1]);
}

/* The expression in a compiled pattern, or NULL if t is none that we made. */
static const struct regex *pattern_regex(term t)
{
    if (!term_is_tuple_of(t, 5) || !re_is_atom_named(term_tuple_get(t, 0), "re_pattern")
        || !term_is_binary(term_tuple_get(t, 4))) {
        return NULL;
    }
    size_t n;
    uint8_t *scratch;
    const struct regex *re = NULL;
    const uint8_t *bytes = bits_bytes(term_tuple_get(t, 4), &n, &scratch);
    struct bytes_reader r = { .at = bytes, .end = bytes + n };
    char magic[4];
    if (bytes_take(&r, magic, sizeof(magic)) && memcmp(magic, PATTERN_MAGIC, sizeof(magic)) == 0) {
        uint32_t options = bytes_u32be(&r);
        const char *error;
        int offset;
        re = r.bad || (options & ~(uint32_t) RE_COMPILE_BITS) != 0
                 ? NULL
                 : regex_get(r.at, bytes_left(&r), options, &error, &offset);
    }
    vm_free(scratch);
    return re;
}

term bif_re_inspect_2(struct proc *p, term *args)
{
    const struct regex *re = pattern_regex(args[0]);
    if (re == NULL || !re_is_atom_named(args[1], "namelist")) {
        return proc_badarg(p);
    }
    term list = TERM_NIL;
    const char *last = NULL;
    for (int i = re->n_names; i-- > 0;) {
        const char *name = (const char *) re->names + i * re->name_entry_size + 2;
        if (last == NULL || strcmp(name, last) != 0) {
            list = heap_cons(&p->heap, bits_from_bytes(&p->heap, name, strlen(name)), list);
        }
        last = name;
    }
    return heap_tuple2(&p->heap, args[1], list);
}

term bif_re_version_0(struct proc *p, term *args)
{
    (void) args;
    const char *version = pcre_version();
    return bits_from_bytes(&p->heap, version, strlen(version));
}

/* ---- results ---- */

struct result {
    struct proc *p;
    const struct regex *re;
    const struct re_options *o;
    const struct bytes *subject;
    term subject_binary; /* TERM_NONE unless the subject is one */
    const int *ends;
    int n_groups;
    bool unicode;
};

static term group_value(const struct result *r, int group)
{
    struct heap *h = &r->p->heap;
    bool set = group >= 0 && group < r->n_groups && r->ends[2 * group] >= 0;
    size_t start = set ? (size_t) r->ends[2 * group] : 0,
           n = set ? (size_t) r->ends[2 * group + 1] - start : 0;
    switch (r->o->type) {
    case RETURN_LIST:
        return r->unicode ? chars_from_os(h, r->subject->at + start, n) /* \C may match half a character */
                          : heap_string(h, (const char *) r->subject->at + start, n);
    case RETURN_BINARY:
        return term_is_none(r->subject_binary) || n == 0
                   ? bits_from_bytes(h, r->subject->at + start, n)
                   : bits_sub(h, r->subject_binary, start * 8, n * 8);
    default:
        return heap_tuple2(
            h, term_from_small(set ? (intptr_t) start : -1), term_from_small((intptr_t) n));
    }
}

/* The group with this name that is set, else -1. */
static int named_group(const struct result *r, const uint8_t *name, size_t n)
{
    for (int i = 0; i < r->re->n_names; i++) {
        const uint8_t *entry = r->re->names + i * r->re->name_entry_size;
        int group = entry[0] << 8 | entry[1];
        if (strlen((const char *) entry + 2) == n && memcmp(entry + 2, name, n) == 0
            && group < r->n_groups && r->ends[2 * group] >= 0) {
            return group;
        }
    }
    return -1;
}

static bool listed_group(const struct result *r, term which, int *out)
{
    if (term_is_small(which)) {
        intptr_t i = term_to_small(which);
        *out = i < r->n_groups ? (int) i : -1;
        return i >= 0;
    }
    struct bytes name;
    if (term_is_atom(which)) {
        struct atom_text text = atom_text(which);
        *out = named_group(r, (const uint8_t *) text.utf8, text.bytes);
        return true;
    }
    if (!bytes_of(&name, which)) {
        return false;
    }
    *out = named_group(r, name.at, name.n);
    vm_free(name.owned);
    return true;
}

/* Appends the value of one group; *end is where the list goes on. */
static void add_group(const struct result *r, int group, uintptr_t **end)
{
    uintptr_t *cell = heap_alloc(&r->p->heap, HEAP_CONS_WORDS);
    cell[0] = group_value(r, group).word;
    cell[1] = TERM_NIL.word;
    **end = term_from_list_ptr(cell).word;
    *end = &cell[1];
}

static bool add_groups(const struct result *r, uintptr_t *end)
{
    int first = r->o->capture == CAPTURE_ALL_BUT_FIRST ? 1 : 0;
    switch (r->o->capture) {
    case CAPTURE_LIST:
        for (term list = r->o->capture_list; term_is_cons(list); list = term_tail(list)) {
            int group;
            if (!listed_group(r, term_head(list), &group)) {
                return false;
            }
            add_group(r, group, &end);
        }
        return true;
    case CAPTURE_NAMES:
        for (int i = 0; i < r->re->n_names; i++) {
            const uint8_t *name = r->re->names + i * r->re->name_entry_size + 2;
            if (i == 0
                || strcmp((const char *) name, (const char *) name - r->re->name_entry_size) != 0) {
                add_group(r, named_group(r, name, strlen((const char *) name)), &end);
            }
        }
        return true;
    default:
        for (int i = first; i < (r->o->capture == CAPTURE_FIRST ? 1 : r->n_groups); i++) {
            add_group(r, i, &end);
        }
        return true;
    }
}

static term match_result(const struct result *r)
{
    term match = atom_from_cstr("match");
    if (r->o->capture == CAPTURE_NONE || (r->o->capture == CAPTURE_NAMES && r->re->n_names == 0)) {
        return match;
    }
    uintptr_t list = TERM_NIL.word;
    return add_groups(r, &list) ? heap_tuple2(&r->p->heap, match, (term) { list })
                                : proc_badarg(r->p);
}

/* ---- run ---- */

/* Global matching runs over one text again and again, and looking whether it is UTF-8 takes longer
 * than matching. Each thread remembers the last binary it has seen to be; the reference it holds
 * keeps the address from meaning another one. */
static _Thread_local struct {
    struct offheap_bin *bin;
    const uint8_t *at;
    size_t n;
} known_utf8;

static struct offheap_bin *offheap_of(term subject, const struct bytes *bytes)
{
    if (bytes->owned != NULL || !term_is_binary(subject)) {
        return NULL;
    }
    term base = bits_view(subject).base;
    return term_has_tag(base, TAG_REFC_BITS) ? (struct offheap_bin *) term_words(base)[2] : NULL;
}

static bool is_known_utf8(term subject, const struct bytes *bytes)
{
    struct offheap_bin *bin = offheap_of(subject, bytes);
    return bin != NULL && bin == known_utf8.bin && bytes->at == known_utf8.at
           && bytes->n == known_utf8.n;
}

static bool starts_character(const struct bytes *bytes, size_t offset)
{
    return offset >= bytes->n || (bytes->at[offset] & 0xC0) != 0x80;
}

static void remember_utf8(term subject, const struct bytes *bytes)
{
    struct offheap_bin *bin = offheap_of(subject, bytes);
    if (bin != NULL) {
        offheap_bin_ref(bin);
        if (known_utf8.bin != NULL) {
            offheap_bin_unref(known_utf8.bin);
        }
        known_utf8.bin = bin;
        known_utf8.at = bytes->at;
        known_utf8.n = bytes->n;
    }
}

struct request {
    struct proc *p;
    term *args; /* subject, expression */
    term options;
    bool deep; /* see regex.h */
    struct re_options o;
};

static term report(const struct request *q, const char *what)
{
    return q->o.report_errors ? heap_tuple2(&q->p->heap, ATOM(error), atom_from_cstr(what))
                              : atom_from_cstr("nomatch");
}

/* To the same function on a dirty scheduler, with more room. */
static term run_deeper(const struct request *q)
{
    term args[] = { q->args[0], q->args[1], q->options };
    struct export *target =
        export_get(atom_from_cstr("bulkhead_re"), atom_from_cstr("run"), ARRAY_LEN(args));
    return proc_trap(q->p, target, args, ARRAY_LEN(args));
}

static term outcome(const struct request *q, enum regex_status status, const struct result *r)
{
    switch (status) {
    case REGEX_MATCH:
        return match_result(r);
    case REGEX_NO_MATCH:
        return atom_from_cstr("nomatch");
    case REGEX_MATCH_LIMIT:
        return report(q, "match_limit");
    case REGEX_RECURSION_LIMIT:
        return report(q, "match_limit_recursion");
    case REGEX_TOO_LONG:
        return run_deeper(q);
    case REGEX_NO_MEMORY:
        return proc_system_limit(q->p);
    case REGEX_BAD:
        break;
    }
    return proc_badarg(q->p);
}

static term exec(const struct request *q, const struct regex *re, const struct bytes *subject)
{
    int here[INLINE_ENDS], n_ends = 3 * (re->n_captures + 1), n_groups = 0;
    int *ends = n_ends > INLINE_ENDS ? vm_alloc((size_t) n_ends * sizeof(*ends)) : here;
    bool unicode = (re->options & PCRE_UTF8) != 0,
         known = unicode && is_known_utf8(q->args[0], subject)
                 && starts_character(subject, q->o.offset);
    struct regex_match m = {
        .subject = subject->at,
        .n = subject->n,
        .start = q->o.offset,
        .match_limit = q->o.match_limit,
        .recursion_limit = q->o.recursion_limit,
        .options = q->o.exec | (known ? PCRE_NO_UTF8_CHECK : 0),
        .deep = q->deep,
        .ends = ends,
        .n_ends = n_ends,
    };
    enum regex_status status = regex_exec(re, &m, &n_groups);
    if (unicode && !known && status != REGEX_BAD) {
        remember_utf8(q->args[0], subject);
    }
    struct result r = {
        .p = q->p,
        .re = re,
        .o = &q->o,
        .subject = subject,
        .subject_binary = term_is_binary(q->args[0]) ? q->args[0] : TERM_NONE,
        .ends = ends,
        .n_groups = n_groups,
        .unicode = unicode,
    };
    term result = outcome(q, status, &r);
    if (ends != here) {
        vm_free(ends);
    }
    return result;
}

/* The expression args[1] stands for. NULL: *result is what the BIF returns. */
static const struct regex *regex_of(
    struct proc *p, term *args, const struct re_options *o, term *result)
{
    const struct regex *re;
    if (term_is_tuple(args[1])) {
        re = o->compile_only ? NULL : pattern_regex(args[1]);
        *result = re == NULL ? proc_badarg(p) : TERM_NONE;
        return re;
    }
    struct bytes b;
    if (!bytes_of(&b, args[1])) {
        *result = proc_badarg(p);
        return NULL;
    }
    const char *error;
    int offset;
    re = regex_get(b.at, b.n, o->compile, &error, &offset);
    vm_free(b.owned);
    if (re == NULL) {
        *result = o->report_errors ? heap_tuple2(&p->heap, ATOM(error),
                      heap_tuple2(&p->heap, ATOM(compile), compile_error(p, error, offset)))
                                   : proc_badarg(p);
    }
    return re;
}

static term run_global(struct proc *p, term *args, term options, const struct regex *re)
{
    if (term_is_tuple(args[1])) {
        return trap(p, "grun",
            (term[]) { args[0], args[1], heap_tuple2(&p->heap, options, ATOM(false)) }, 3);
    }
    term compiled = pattern_tuple(p, re);
    if (term_is_none(compiled)) {
        return compiled;
    }
    return trap(p, "grun",
        (term[]) { args[0], compiled, heap_tuple3(&p->heap, options, ATOM(true), args[1]) }, 3);
}

/* The subject must be turned into UTF-8 first, or the pattern: re:urun does it. */
static bool needs_urun(const term *args, const struct re_options *o)
{
    if (term_is_tuple(args[1])) {
        bool unicode = term_is_tuple_of(args[1], 5)
                       && term_same(term_tuple_get(args[1], 2), term_from_small(1));
        return unicode && !term_is_binary(args[0]);
    }
    return (o->compile & PCRE_UTF8) != 0 && !(term_is_binary(args[0]) && term_is_binary(args[1]));
}

static term run(struct proc *p, term *args, term options, bool deep)
{
    struct request q = { .p = p, .args = args, .options = options, .deep = deep };
    enum re_option_status status = re_options_read(&q.o, options);
    bool later = status == OPTION_BAD_CAPTURE && (q.o.global || needs_urun(args, &q.o)); /* re:grun or re:urun look at it */
    if (status != OPTION_OK && !later) {
        return bad_option(p, status);
    }
    if (needs_urun(args, &q.o) && !(term_is_tuple(args[1]) && q.o.compile_only)) {
        return trap(p, "urun", (term[]) { args[0], args[1], options }, 3);
    }
    term result = TERM_NONE;
    const struct regex *re = regex_of(p, args, &q.o, &result);
    if (re == NULL) {
        return result;
    }
    if (q.o.global) {
        return run_global(p, args, options, re);
    }
    struct bytes subject;
    if (!bytes_of(&subject, args[0])) {
        return proc_badarg(p);
    }
    proc_bump(p, 2 + subject.n / BYTES_PER_REDUCTION);
    result = exec(&q, re, &subject);
    vm_free(subject.owned);
    return result;
}

term bif_re_run_2(struct proc *p, term *args)
{
    return run(p, args, TERM_NIL, false);
}

term bif_re_run_3(struct proc *p, term *args)
{
    return run(p, args, args[2], false);
}

/* re:grun's. Its fourth argument says whether it has run over this text before. */
term bif_re_internal_run_4(struct proc *p, term *args)
{
    return run(p, args, args[2], false);
}

/* What regex_exec gave up as too long, on a dirty scheduler. */
term bif_bulkhead_re_run_3(struct proc *p, term *args)
{
    return run(p, args, args[2], true);
}
