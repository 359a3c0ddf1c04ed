/* exception.c - raising, unwinding, stack traces.
 *
 * What a catch gets as its trace, and only build_stacktrace turns into a list, is a tuple:
 *
 *   {Pcs, Kind, Class, M, F, Args, Info, Outer}
 *
 * Pcs: return addresses as the digits of a big integer (so that no collector, copier or program
 * takes harm from them), the raising instruction first; or [] or, Kind RAW_LIST, a finished list.
 * Outer: {Function, Arity} of module erlang whose frame no address stands for, or [].
 * Addresses point behind the instruction. Code that has been purged meanwhile is left out.
 */
#include "vm/emu/interp.h"

#include "vm/core/map.h"

enum {
    RAW_LIST = 16, /* otherwise: enum raise_kind */
    RAW_ELEMENTS = 8,
    DEPTH_MAX = 1024, /* of a process that is asked for its trace */
};
enum { RAW_PCS, RAW_KIND, RAW_CLASS, RAW_M, RAW_F, RAW_ARGS, RAW_INFO, RAW_OUTER };

static term class_atom(enum exc_class class)
{
    return class == EXC_ERROR ? ATOM(error) : class == EXC_EXIT ? ATOM(exit) : ATOM(throw);
}

static bool class_from_atom(term t, enum exc_class *out)
{
    if (term_same(t, ATOM(error))) {
        *out = EXC_ERROR;
    } else if (term_same(t, ATOM(exit))) {
        *out = EXC_EXIT;
    } else if (term_same(t, ATOM(throw))) {
        *out = EXC_THROW;
    } else {
        return false;
    }
    return true;
}

static bool is_raw(term t)
{
    return term_is_tuple_of(t, RAW_ELEMENTS) && term_is_small(term_tuple_get(t, RAW_KIND))
        && (term_is_list(term_tuple_get(t, RAW_PCS)) || term_has_tag(term_tuple_get(t, RAW_PCS), TAG_BIG_POS));
}

/* ---- taking the trace ---- */

static bool is_code_pointer(uintptr_t word)
{
    return word != 0 && word_is_header(word);
}

/* Return addresses from the stack behind the n that are in out already, repeated ones once; at most max. */
static size_t walk_stack(const struct heap *h, uintptr_t *out, size_t n, size_t max)
{
    for (const uintptr_t *at = h->stop; at < h->end && n < max; at++) {
        if (is_code_pointer(*at) && (n == 0 || out[n - 1] != *at)) {
            out[n++] = *at;
        }
    }
    return n;
}

/* twice: pc counts once as the place of the error, once as what is returned to. */
static term take_pcs(struct proc *p, const uint64_t *pc, bool twice, size_t depth)
{
    uintptr_t pcs[PROC_BACKTRACE_MAX + 2];
    size_t max = depth + 2, n = 0; /* stubs are dropped later */
    if (pc != NULL) {
        pcs[n++] = (uintptr_t) (pc + 1);
    }
    if (pc != NULL && twice) {
        pcs[n++] = (uintptr_t) (pc + 1);
    }
    n = walk_stack(&p->heap, pcs, n, max);
    if (n == 0) {
        return TERM_NIL;
    }
    uintptr_t *big = heap_alloc(&p->heap, n + 1);
    big[0] = TERM_HEADER(TAG_BIG_POS, n);
    memcpy(big + 1, pcs, n * sizeof(*pcs));
    return term_from_boxed_ptr(big);
}

/* Is the function that pc lies in the one that failed, which has been noted? A native function stands in code of its own,
 * a BIF in place of one of its module. */
static bool is_in_callee(const uint64_t *pc, enum raise_kind kind, const struct raise_site *site)
{
    const struct code_image *image = pc != NULL ? code_find_image(pc) : NULL;
    const struct code_function *f = image != NULL ? code_find_function(image, pc) : NULL;
    if (f == NULL) {
        return false;
    }
    if (kind == RAISE_CALL) {
        return &image->words[f->entry_word] == pc && image->words[f->header_word + CODE_WORD_NATIVE] != 0;
    }
    return kind == RAISE_BIF && term_same(site->module, image->module) && term_same(site->function, f->name)
        && f->arity == site->n_args;
}

static term make_raw(struct proc *p, const uint64_t *pc, const struct raise_site *site)
{
    struct heap *h = &p->heap;
    term class = class_atom(p->exc.class), info = p->exc.error_info;
    term e[RAW_ELEMENTS];
    e[RAW_CLASS] = class;
    e[RAW_M] = e[RAW_F] = e[RAW_ARGS] = TERM_NIL;
    e[RAW_INFO] = term_is_none(info) ? TERM_NIL : info;
    e[RAW_OUTER] = term_is_none(p->exc.outer) ? TERM_NIL : heap_tuple2(h, p->exc.outer, term_from_small(p->exc.outer_arity));
    if (p->exc.has_stacktrace) {
        e[RAW_PCS] = p->exc.stacktrace;
        e[RAW_KIND] = term_from_small(RAW_LIST);
        return heap_tuple(h, e, RAW_ELEMENTS);
    }
    enum raise_kind kind = site->kind;
    if (kind == RAISE_BIF && p->exc.from_caller) {
        kind = term_is_none(p->exc.args) ? RAISE_CODE : RAISE_CLAUSE;
        e[RAW_ARGS] = term_is_none(p->exc.args) ? TERM_NIL : p->exc.args;
    } else if (kind == RAISE_CALLEE) {
        kind = RAISE_CODE;
    } else if (kind != RAISE_CODE) {
        e[RAW_M] = term_is_none(site->module) ? TERM_NIL : site->module;
        e[RAW_F] = term_is_none(site->function) ? TERM_NIL : site->function;
        if (kind == RAISE_BIF && term_is_tuple(p->exc.args)) {
            e[RAW_F] = term_tuple_get(p->exc.args, 0);
            e[RAW_ARGS] = term_tuple_get(p->exc.args, 1);
        } else {
            e[RAW_ARGS] = heap_list(h, site->args, site->n_args, TERM_NIL);
        }
    }
    e[RAW_KIND] = term_from_small(kind);
    const uint64_t *at = is_in_callee(pc, kind, site) ? NULL : pc;
    e[RAW_PCS] = take_pcs(p, at, site->kind == RAISE_CALLEE, proc_backtrace_depth());
    return heap_tuple(h, e, RAW_ELEMENTS);
}

/* ---- unwinding ---- */

/* The innermost catch: its frame and tag. NULL: none. */
static uintptr_t *find_catch(struct heap *h, size_t *out_index)
{
    uintptr_t *frame = h->stop;
    for (uintptr_t *at = h->stop; at < h->end; at++) {
        if (is_code_pointer(*at)) {
            frame = at;
        } else if (term_is_catch((term) { *at })) {
            *out_index = term_to_catch_index((term) { *at });
            return frame;
        }
    }
    return NULL;
}

const uint64_t *exception_raise(struct sched *s, struct proc *p, const uint64_t *pc, const struct raise_site *site)
{
    term raw = p->exc.has_stacktrace && is_raw(p->exc.stacktrace) ? p->exc.stacktrace : make_raw(p, pc, site);
    size_t index;
    uintptr_t *frame = p->n_catches == 0 ? NULL : find_catch(&p->heap, &index);
    p->exc.args = p->exc.error_info = p->exc.outer = TERM_NONE;
    if (frame == NULL) {
        p->exc.stacktrace = exception_stacktrace(p, raw);
        p->exc.has_stacktrace = false;
        return NULL;
    }
    p->heap.stop = frame;
    *frame = TERM_IMMED2_NIL;
    s->x[0] = TERM_NONE;
    s->x[1] = class_atom(p->exc.class);
    s->x[2] = p->exc.reason;
    s->x[3] = raw;
    p->exc.reason = p->exc.stacktrace = TERM_NIL;
    p->exc.has_stacktrace = false;
    return catch_target(index);
}

term exception_caught(struct proc *p, term class, term reason, term raw)
{
    struct heap *h = &p->heap;
    if (term_same(class, ATOM(throw))) {
        return reason;
    }
    if (term_same(class, ATOM(error))) {
        reason = heap_tuple2(h, reason, exception_stacktrace(p, raw));
    }
    return heap_tuple2(h, ATOM(EXIT), reason);
}

bool exception_reraise(struct proc *p, term class, term reason, term trace)
{
    enum exc_class c;
    if (!is_raw(trace)) {
        return false;
    }
    if (!class_from_atom(term_is_none(class) ? term_tuple_get(trace, RAW_CLASS) : class, &c)) {
        return false;
    }
    proc_raise(p, c, reason);
    if (!term_same(term_tuple_get(trace, RAW_CLASS), class_atom(c))) {
        term e[RAW_ELEMENTS];
        memcpy(e, term_words(trace) + 1, sizeof(e));
        e[RAW_CLASS] = class_atom(c);
        trace = heap_tuple(&p->heap, e, RAW_ELEMENTS);
    }
    p->exc.stacktrace = trace;
    p->exc.has_stacktrace = true;
    return true;
}

/* ---- the list ---- */

/* Who explains the errors of a module's BIFs; TERM_NONE: nobody. */
static term error_module(term module)
{
    if (term_same(module, ATOM(erlang)) || term_same(module, ATOM(atomics)) || term_same(module, ATOM(counters))
        || term_same(module, ATOM(persistent_term)) || term_same(module, ATOM(erts_internal))) {
        return ATOM(erl_erts_errors);
    }
    if (term_same(module, ATOM(os)) || term_same(module, ATOM(code)) || term_same(module, ATOM(erl_ddll))) {
        return term_same(module, ATOM(erl_ddll)) ? TERM_NONE : ATOM(erl_kernel_errors);
    }
    if (term_same(module, ATOM(binary)) || term_same(module, ATOM(ets)) || term_same(module, ATOM(lists))
        || term_same(module, ATOM(maps)) || term_same(module, ATOM(math)) || term_same(module, ATOM(re))
        || term_same(module, ATOM(unicode)) || term_same(module, ATOM(io))) {
        return ATOM(erl_stdlib_errors);
    }
    return TERM_NONE;
}

/* [{error_info, Map}] in front of tail; info []: none of its own. */
static term error_info_of_bif(struct heap *h, term raw, term tail)
{
    term info = term_tuple_get(raw, RAW_INFO), who = error_module(term_tuple_get(raw, RAW_M));
    if (!term_same(term_tuple_get(raw, RAW_CLASS), ATOM(error))) {
        return tail;
    }
    if (!term_is_none(who)) {
        term map = term_is_map(info) ? info : map_empty(h);
        if (term_is_none(map_get(map, ATOM(module)))) {
            map = map_put(h, map, ATOM(module), who);
        }
        info = map;
    }
    return term_is_map(info) ? heap_cons(h, heap_tuple2(h, ATOM(error_info), info), tail) : tail;
}

/* [{file,F},{line,L}], or []; with info behind it. */
static term location(struct heap *h, const struct code_image *image, const uint64_t *pc, term info)
{
    term file, list = TERM_NIL;
    uint32_t line;
    if (term_is_map(info)) {
        list = heap_cons(h, heap_tuple2(h, ATOM(error_info), info), list);
    }
    if (code_find_line(image, pc, &file, &line)) {
        list = heap_cons(h, heap_tuple2(h, ATOM(line), term_from_small((intptr_t) line)), list);
        list = heap_cons(h, heap_tuple2(h, ATOM(file), file), list);
    }
    return list;
}

/* The frame of a return address; args: list, or TERM_NONE for the arity. TERM_NONE: no code there. */
static term frame_of(struct heap *h, uintptr_t address, term args, term info)
{
    const uint64_t *pc = (const uint64_t *) address - 1;
    const struct code_image *image = code_find_image(pc);
    const struct code_function *f = image == NULL ? NULL : code_find_function(image, pc);
    if (f == NULL) {
        return TERM_NONE;
    }
    term last = term_is_none(args) ? term_from_small((intptr_t) f->arity) : args;
    return heap_tuple4(h, image->module, f->name, last, location(h, image, pc, info));
}

struct frame_list {
    size_t n, max;
    term frames[DEPTH_MAX]; /* n of them */
};

static void begin_frames(struct frame_list *l, size_t max)
{
    l->n = 0;
    l->max = max < DEPTH_MAX ? max : DEPTH_MAX;
}

static void add_frame(struct frame_list *l, term frame)
{
    if (l->n < l->max && !term_is_none(frame)) {
        l->frames[l->n++] = frame;
    }
}

static void add_top_frame(struct heap *h, struct frame_list *l, term raw, enum raise_kind kind)
{
    term m = term_tuple_get(raw, RAW_M), f = term_tuple_get(raw, RAW_F), args = term_tuple_get(raw, RAW_ARGS);
    if (kind == RAISE_LAMBDA) {
        add_frame(l, heap_tuple3(h, m, args, TERM_NIL));
    } else if (kind == RAISE_BIF) {
        add_frame(l, heap_tuple4(h, m, f, args, error_info_of_bif(h, raw, TERM_NIL)));
    } else if (kind == RAISE_CALL) {
        add_frame(l, heap_tuple4(h, m, f, args, TERM_NIL));
    }
}

static term build_list(struct heap *h, term raw, struct frame_list *l)
{
    enum raise_kind kind = (enum raise_kind) term_to_small(term_tuple_get(raw, RAW_KIND));
    term pcs = term_tuple_get(raw, RAW_PCS);
    add_top_frame(h, l, raw, kind);
    term outer = term_tuple_get(raw, RAW_OUTER);
    if (term_is_tuple(outer)) {
        add_frame(l, heap_tuple4(h, ATOM(erlang), term_tuple_get(outer, 0), term_tuple_get(outer, 1), TERM_NIL));
    }
    term args = kind == RAISE_CLAUSE ? term_tuple_get(raw, RAW_ARGS) : TERM_NONE;
    term info = kind == RAISE_CLAUSE || kind == RAISE_CODE ? term_tuple_get(raw, RAW_INFO) : TERM_NIL;
    size_t n = term_has_tag(pcs, TAG_BIG_POS) ? term_arity(pcs) : 0;
    for (size_t i = 0; i < n && l->n < l->max; i++) {
        term frame = frame_of(h, term_words(pcs)[1 + i], args, info);
        if (!term_is_none(frame)) {
            add_frame(l, frame);
            args = TERM_NONE; /* only the first */
            info = TERM_NIL;
        }
    }
    return heap_list(h, l->frames, l->n, TERM_NIL);
}

term exception_stacktrace(struct proc *p, term raw)
{
    if (!is_raw(raw)) {
        return raw;
    }
    if (term_is_list(term_tuple_get(raw, RAW_PCS)) && term_same(term_tuple_get(raw, RAW_KIND), term_from_small(RAW_LIST))) {
        return term_tuple_get(raw, RAW_PCS);
    }
    struct frame_list l;
    begin_frames(&l, proc_backtrace_depth());
    return build_list(&p->heap, raw, &l);
}

term interp_stacktrace(struct proc *p, struct heap *h, size_t max_depth)
{
    uintptr_t pcs[DEPTH_MAX];
    struct frame_list l;
    begin_frames(&l, max_depth);
    if (p->pc == interp_hibernated_code()) {
        return heap_cons(h, heap_tuple4(h, ATOM(erlang), ATOM(hibernate), term_from_small(3), TERM_NIL), TERM_NIL);
    }
    pcs[0] = (uintptr_t) (p->pc + 1);
    size_t n = walk_stack(&p->heap, pcs, 1, DEPTH_MAX);
    for (size_t i = 0; i < n; i++) {
        add_frame(&l, frame_of(h, pcs[i], TERM_NONE, TERM_NIL));
    }
    return heap_list(h, l.frames, l.n, TERM_NIL);
}

/* One element of a trace given to erlang:raise/3, in the form it is kept. TERM_NONE: not one. */
static term check_frame(struct heap *h, term t)
{
    if (!term_is_tuple(t)) {
        return TERM_NONE;
    }
    size_t n = term_tuple_arity(t);
    const term *e = (const term *) (term_words(t) + 1);
    if (n == 2 && term_is_fun(e[0]) && term_is_list(e[1])) {
        return heap_tuple3(h, e[0], e[1], TERM_NIL);
    }
    if (n == 3 && term_is_fun(e[0]) && term_is_list(e[1]) && term_is_list(e[2])) {
        return t;
    }
    bool named = n >= 3 && term_is_atom(e[0]) && term_is_atom(e[1]) && (term_is_list(e[2]) || term_is_small(e[2]));
    if (n == 3 && named) {
        return heap_tuple4(h, e[0], e[1], e[2], TERM_NIL);
    }
    return n == 4 && named && term_is_list(e[3]) ? t : TERM_NONE;
}

term interp_check_stacktrace(struct proc *p, term t)
{
    struct frame_list l;
    begin_frames(&l, proc_backtrace_depth());
    for (; term_is_cons(t); t = term_tail(t)) {
        term frame = check_frame(&p->heap, term_head(t));
        if (term_is_none(frame)) {
            return TERM_NONE;
        }
        add_frame(&l, frame);
    }
    return term_is_nil(t) ? heap_list(&p->heap, l.frames, l.n, TERM_NIL) : TERM_NONE;
}
