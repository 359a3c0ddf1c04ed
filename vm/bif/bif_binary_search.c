/* bif_binary_search.c - binary:match, matches, split.
 *
 * A compiled pattern is {bm, Binary} for one pattern and {ac, [Binary]} for several. One pattern is
 * left to memchr() and memmem(). Several are tried at each place where one of them may start: the first place
 * wins, there the longest pattern.
 */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_text.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"

enum { BYTES_PER_REDUCTION = 64 };

struct pattern {
    const uint8_t *bytes;
    size_t n;
    uint8_t *owned;
    uint32_t next; /* index + 1 of the next one that starts with the same byte; 0: none */
};

struct search {
    struct bif_text subject;
    struct pattern *patterns; /* longer ones before shorter ones with the same first byte */
    size_t n_patterns;
    uint32_t first[256]; /* by first byte: index + 1 of a pattern */
    struct pattern one;
};

struct found {
    size_t at, n;
};

/* ---- patterns ---- */

static bool is_pattern(term t)
{
    return term_is_binary(t) && bits_size(t) > 0;
}

/* Proper, not empty list of patterns. */
static bool is_pattern_list(term list, size_t *n)
{
    for (*n = 0; term_is_cons(list); list = term_tail(list), ++*n) {
        if (!is_pattern(term_head(list))) {
            return false;
        }
    }
    return term_is_nil(list) && *n > 0 && *n < UINT32_MAX;
}

/* What a pattern argument stands for: a binary or a list of binaries, or TERM_NONE. */
static term pattern_source(term t)
{
    size_t n;
    if (term_is_tuple_of(t, 2)) {
        term kind = term_tuple_get(t, 0);
        t = term_tuple_get(t, 1);
        if (!term_same(kind, term_is_cons(t) ? ATOM(ac) : ATOM(bm))) {
            return TERM_NONE;
        }
    }
    return is_pattern(t) || is_pattern_list(t, &n) ? t : TERM_NONE;
}

term bif_binary_compile_pattern_1(struct proc *p, term *args)
{
    size_t n = 1;
    if (!is_pattern(args[0]) && !is_pattern_list(args[0], &n)) {
        return proc_badarg(p);
    }
    if (n > 1) {
        return heap_tuple2(&p->heap, ATOM(ac), args[0]);
    }
    return heap_tuple2(&p->heap, ATOM(bm), term_is_cons(args[0]) ? term_head(args[0]) : args[0]);
}

static void load_pattern(struct pattern *to, term t)
{
    to->bytes = bits_bytes(t, &to->n, &to->owned);
    to->next = 0;
}

/* Into the list of its first byte, longest first. */
static void chain_pattern(struct search *s, size_t i)
{
    uint32_t *link = &s->first[s->patterns[i].bytes[0]];
    while (*link != 0 && s->patterns[*link - 1].n >= s->patterns[i].n) {
        link = &s->patterns[*link - 1].next;
    }
    s->patterns[i].next = *link;
    *link = (uint32_t) i + 1;
}

/* false: not patterns. s->subject is there already; s may be destroyed either way. */
static bool take_patterns(struct search *s, term pattern)
{
    term source = pattern_source(pattern);
    if (term_is_none(source)) {
        return false;
    }
    s->n_patterns = 1;
    if (!term_is_cons(source)) {
        load_pattern(&s->one, source);
        return true;
    }
    s->n_patterns = (size_t) term_list_length(source);
    if (s->n_patterns == 1) {
        load_pattern(&s->one, term_head(source));
        return true;
    }
    memset(s->first, 0, sizeof(s->first));
    s->patterns = vm_alloc(s->n_patterns * sizeof(*s->patterns));
    for (size_t i = 0; i < s->n_patterns; i++, source = term_tail(source)) {
        load_pattern(&s->patterns[i], term_head(source));
        chain_pattern(s, i);
    }
    return true;
}

static void search_destroy(struct search *s)
{
    for (size_t i = 0; i < s->n_patterns; i++) {
        vm_free(s->patterns[i].owned);
    }
    if (s->patterns != &s->one) {
        vm_free(s->patterns);
    }
    vm_free(s->subject.owned);
}

/* A pattern of several bytes. memchr() takes a tenth of the time of memmem() where its first byte is rare, and more where
 * it is not: false starts tell. What one costs is bounded by the length of the pattern, so long ones do not try. */
static const uint8_t *find_one(const struct pattern *p, const uint8_t *at, const uint8_t *end)
{
    enum { LONG_PATTERN = 64, FALSE_STARTS = 8, BYTES_PER_FALSE_START = 32 };
    const uint8_t *start = at;
    size_t n_false = 0;
    while (p->n <= LONG_PATTERN && n_false <= FALSE_STARTS + (size_t) (at - start) / BYTES_PER_FALSE_START) {
        if ((size_t) (end - at) < p->n) {
            return NULL;
        }
        const uint8_t *hit = memchr(at, p->bytes[0], (size_t) (end - at) - p->n + 1);
        if (hit == NULL || memcmp(hit + 1, p->bytes + 1, p->n - 1) == 0) {
            return hit;
        }
        at = hit + 1;
        n_false++;
    }
    return memmem(at, (size_t) (end - at), p->bytes, p->n);
}

/* First match within [from, to). */
static bool find(const struct search *s, size_t from, size_t to, struct found *out)
{
    const uint8_t *text = (const uint8_t *) s->subject.text;
    if (s->n_patterns == 1) {
        const struct pattern *p = s->patterns;
        const uint8_t *hit = p->n == 1 ? memchr(text + from, p->bytes[0], to - from)
                                       : find_one(p, text + from, text + to);
        if (hit == NULL) {
            return false;
        }
        *out = (struct found) { (size_t) (hit - text), p->n };
        return true;
    }
    for (size_t at = from; at < to; at++) {
        for (uint32_t i = s->first[text[at]]; i != 0; i = s->patterns[i - 1].next) {
            const struct pattern *p = &s->patterns[i - 1];
            if (p->n <= to - at && memcmp(text + at, p->bytes, p->n) == 0) {
                *out = (struct found) { at, p->n };
                return true;
            }
        }
    }
    return false;
}

/* ---- options ---- */

struct options {
    bool has_scope, global, trim, trim_all;
    intptr_t start, length;
};

/* The range to search, in bytes. */
static bool scope_of(const struct options *o, size_t size, size_t *from, size_t *to)
{
    *from = 0;
    *to = size;
    if (!o->has_scope) {
        return true;
    }
    intptr_t start = o->start, n = o->length;
    if (n < 0) {
        start += n;
        n = -n;
    }
    if (start < 0 || n > (intptr_t) size || start > (intptr_t) size - n) {
        return false;
    }
    *from = (size_t) start;
    *to = (size_t) (start + n);
    return true;
}

/* size: the subject's. Every scope lies within it, also those that are not the last. */
static bool read_option(term option, struct options *o, bool is_split, size_t size)
{
    if (term_is_tuple_of(option, 2)) {
        term scope = term_tuple_get(option, 1);
        if (!term_same(term_tuple_get(option, 0), ATOM(scope)) || !term_is_tuple_of(scope, 2)
            || !term_is_small(term_tuple_get(scope, 0)) || !term_is_small(term_tuple_get(scope, 1))) {
            return false;
        }
        o->has_scope = true;
        o->start = term_to_small(term_tuple_get(scope, 0));
        o->length = term_to_small(term_tuple_get(scope, 1));
        size_t from, to;
        return scope_of(o, size, &from, &to);
    }
    if (is_split && term_same(option, ATOM(global))) {
        o->global = true;
    } else if (is_split && term_same(option, ATOM(trim))) {
        o->trim = true;
    } else if (is_split && term_same(option, ATOM(trim_all))) {
        o->trim_all = true;
    } else {
        return false;
    }
    return true;
}

static bool read_options(term list, struct options *o, bool is_split, size_t size)
{
    *o = (struct options) { 0 };
    bool is_list = term_is_list(list); /* a tail that is no list is overlooked, as in OTP */
    for (; term_is_cons(list); list = term_tail(list)) {
        if (!read_option(term_head(list), o, is_split, size)) {
            return false;
        }
    }
    return is_list;
}

/* What all three have in common. false: raised. */
static bool begin(struct proc *p, struct search *s, struct options *o, const term *args, term options, bool is_split,
    size_t *from, size_t *to)
{
    s->n_patterns = 0;
    s->patterns = &s->one;
    if (!bif_text_from_binary(args[0], &s->subject)) {
        proc_badarg(p);
        return false;
    }
    /* In nothing nothing is found; as in OTP whatever the pattern. */
    if (!read_options(options, o, is_split, s->subject.n) || !scope_of(o, s->subject.n, from, to)
        || (*to > 0 && !take_patterns(s, args[1]))) {
        search_destroy(s);
        proc_badarg(p);
        return false;
    }
    proc_bump(p, (*to - *from) / BYTES_PER_REDUCTION);
    return true;
}

/* ---- match, matches ---- */

static term found_term(struct proc *p, const struct found *f)
{
    return heap_tuple2(&p->heap, term_from_small((intptr_t) f->at), term_from_small((intptr_t) f->n));
}

static term match(struct proc *p, const term *args, term options)
{
    struct search s;
    struct options o;
    struct found f;
    size_t from, to;
    if (!begin(p, &s, &o, args, options, false, &from, &to)) {
        return TERM_NONE;
    }
    term t = find(&s, from, to, &f) ? found_term(p, &f) : ATOM(nomatch);
    search_destroy(&s);
    return t;
}

/* A list built from its head. */
struct list_builder {
    term head;
    uintptr_t *last; /* tail word of the last cell, or NULL */
};

static void list_append(struct heap *h, struct list_builder *b, term t)
{
    term cell = heap_cons(h, t, TERM_NIL);
    if (b->last == NULL) {
        b->head = cell;
    } else {
        *b->last = cell.word;
    }
    b->last = &term_words(cell)[1];
}

static term matches(struct proc *p, const term *args, term options)
{
    struct search s;
    struct options o;
    struct found f;
    size_t from, to;
    if (!begin(p, &s, &o, args, options, false, &from, &to)) {
        return TERM_NONE;
    }
    struct list_builder list = { .head = TERM_NIL };
    for (; find(&s, from, to, &f); from = f.at + f.n) {
        list_append(&p->heap, &list, found_term(p, &f));
    }
    search_destroy(&s);
    return list.head;
}

term bif_binary_match_2(struct proc *p, term *args)
{
    return match(p, args, TERM_NIL);
}
term bif_binary_match_3(struct proc *p, term *args)
{
    return match(p, args, args[2]);
}
/* What may be found many times in many bytes. */
static bool is_far(const struct proc *p, term subject)
{
    enum { FAR_BITS = 8 << 18 };
    return bif_is_near(p) && term_is_bits(subject) && bits_size(subject) > FAR_BITS;
}

term bif_binary_matches_2(struct proc *p, term *args)
{
    return is_far(p, args[0]) ? bif_go_far(p, "matches", args, 2) : matches(p, args, TERM_NIL);
}
term bif_binary_matches_3(struct proc *p, term *args)
{
    return is_far(p, args[0]) ? bif_go_far(p, "matches", args, 3) : matches(p, args, args[2]);
}

/* ---- split ---- */

/* Parts are kept back while they are empty and might be trimmed. */
struct splitter {
    struct proc *p;
    term subject;
    const struct options *o;
    struct list_builder list;
    size_t n_empty;
};

static void split_add(struct splitter *s, size_t from, size_t to)
{
    struct heap *h = &s->p->heap;
    if (from == to && s->o->trim_all) {
        return;
    }
    if (from == to && s->o->trim) {
        s->n_empty++;
        return;
    }
    for (; s->n_empty > 0; s->n_empty--) {
        list_append(h, &s->list, bits_from_bytes(h, "", 0));
    }
    list_append(h, &s->list, bits_sub(h, s->subject, from * 8, (to - from) * 8));
}

static term split(struct proc *p, const term *args, term options)
{
    struct search s;
    struct options o;
    struct found f;
    size_t from, to, part = 0;
    if (!begin(p, &s, &o, args, options, true, &from, &to)) {
        return TERM_NONE;
    }
    struct splitter out = { .p = p, .subject = args[0], .o = &o, .list = { .head = TERM_NIL } };
    while (find(&s, from, to, &f)) {
        split_add(&out, part, f.at);
        part = from = f.at + f.n;
        if (!o.global) {
            break;
        }
    }
    split_add(&out, part, s.subject.n);
    search_destroy(&s);
    return out.list.head;
}

term bif_binary_split_2(struct proc *p, term *args)
{
    return is_far(p, args[0]) ? bif_go_far(p, "split", args, 2) : split(p, args, TERM_NIL);
}
term bif_binary_split_3(struct proc *p, term *args)
{
    return is_far(p, args[0]) ? bif_go_far(p, "split", args, 3) : split(p, args, args[2]);
}
