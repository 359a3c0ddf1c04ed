/* ops_call.c - where calls lead that the loop cannot settle: code that is not loaded, wrong funs,
 * apply; collecting; hibernation. */
#include "vm/emu/interp.h"

#include <stdio.h>

#include "lib/base/trace.h"
#include "vm/bif/bif_code.h"
#include "vm/code/module.h"
#include "vm/core/bits.h"
#include "vm/proc/dict.h"
#include "vm/proc/report.h"
#include "vm/proc/sched_use.h"
#include "vm/proc/signal.h"

static term list_of_args(struct proc *p, const term *args, size_t n)
{
    return heap_list(&p->heap, args, n, TERM_NIL);
}

static bool is_stub(const struct export *e)
{
    return atomic_load_explicit(&e->code, memory_order_acquire) == e->stub && e->bif == NULL;
}

/* Loads a module on its first call. A bad file is reported, as nobody else will hear of it. */
static enum module_load load_module(term name)
{
    char error[256];
    enum module_load result = module_ensure_loaded(name, error);
    if (result == MODULE_BAD) {
        char text[600];
        int n = snprintf(text, sizeof(text), "Error loading module %.200s:\n  %.250s", atom_cstr(name), error);
        report_text(ATOM(error), text, n < (int) sizeof(text) ? (size_t) n : sizeof(text) - 1);
    }
    return result;
}

/* x0.. = args of a call of handler(F, Args) or handler(M, F, Args); where it begins. */
static const uint64_t *call_handler(struct emu *m, struct export *handler, const term *args, size_t n)
{
    memcpy(m->s->x, args, n * sizeof(term));
    return atomic_load_explicit(&handler->code, memory_order_acquire);
}

const uint64_t *op_resolve_export(struct emu *m, struct export *e, struct raise_site *site)
{
    struct proc *p = m->p;
    enum module_load loaded = is_stub(e) ? load_module(e->module) : MODULE_LOADED;
    if (loaded == MODULE_NEEDS_ON_LOAD) {
        struct export *loader = export_get(ATOM(error_handler), ATOM(undefined_function), 3);
        term args[3] = { e->module, e->function, list_of_args(p, m->s->x, e->arity) };
        return call_handler(m, loader, args, 3);
    }
    if (!is_stub(e)) {
        return atomic_load_explicit(&e->code, memory_order_acquire);
    }
    /* A handler of the process's own comes first: only OTP's knows '$handle_undefined_function'. */
    term handler = p->rare == NULL ? ATOM(error_handler) : p->rare->error_handler;
    if (!term_is_none(handler) && !term_same(handler, ATOM(error_handler))) {
        struct export *own = export_get(handler, ATOM(undefined_function), 3);
        if (is_stub(own)) {
            (void) load_module(handler);
        }
        if (!is_stub(own)) {
            term args[3] = { e->module, e->function, list_of_args(p, m->s->x, e->arity) };
            return call_handler(m, own, args, 3);
        }
    }
    struct export *fallback = export_lookup(e->module, ATOM(handle_undefined_function), 2);
    if (fallback != NULL && !is_stub(fallback)) {
        term args[2] = { e->function, list_of_args(p, m->s->x, e->arity) };
        return call_handler(m, fallback, args, 2);
    }
    proc_raise(p, EXC_ERROR, ATOM(undef));
    *site = (struct raise_site) { RAISE_CALL, e->module, e->function, m->s->x, e->arity };
    return NULL;
}

static const uint64_t *bad_fun(struct emu *m, term what, term value, struct raise_site *site)
{
    proc_raise(m->p, EXC_ERROR, heap_tuple2(&m->p->heap, what, value));
    *site = (struct raise_site) { .kind = RAISE_CODE };
    return NULL;
}

const uint64_t *op_resolve_fun(struct emu *m, term fun, size_t *live, struct raise_site *site)
{
    struct proc *p = m->p;
    size_t arity = *live;
    if (!term_is_fun(fun)) {
        return bad_fun(m, ATOM(badfun), fun, site);
    }
    size_t wanted = term_tag(fun) == TAG_FUN ? term_fun_entry(fun)->arity : term_export(fun)->arity;
    if (wanted != arity) {
        term args = list_of_args(p, m->s->x, arity);
        return bad_fun(m, ATOM(badarity), heap_tuple2(&p->heap, fun, args), site);
    }
    if (term_tag(fun) == TAG_EXPORT) {
        return atomic_load_explicit(&term_export(fun)->code, memory_order_acquire);
    }
    struct fun_entry *entry = term_fun_entry(fun);
    const uint64_t *code = atomic_load_explicit(&entry->code, memory_order_acquire);
    if (code == NULL) {
        if (load_module(entry->module) == MODULE_NEEDS_ON_LOAD) {
            term args[3] = { entry->module, fun, list_of_args(p, m->s->x, arity) };
            *live = ARRAY_LEN(args);
            return call_handler(m, export_get(ATOM(error_handler), ATOM(undefined_lambda), 3), args, ARRAY_LEN(args));
        }
        code = atomic_load_explicit(&entry->code, memory_order_acquire);
    }
    if (code == NULL && code_current_image(entry->module) != NULL) {
        return bad_fun(m, ATOM(badfun), fun, site); /* there is other code of its module now */
    }
    if (code == NULL) {
        proc_raise(p, EXC_ERROR, ATOM(undef));
        *site = (struct raise_site) { RAISE_LAMBDA, fun, TERM_NONE, m->s->x, arity };
        return NULL;
    }
    memcpy(&m->s->x[arity], term_fun_free_vars(fun), term_fun_n_free(fun) * sizeof(term));
    *live += term_fun_n_free(fun);
    return code;
}

struct export *op_resolve_apply(struct emu *m, term module, term function, size_t arity)
{
    if (!term_is_atom(module) || !term_is_atom(function)) {
        /* x0.. = what erlang:apply/3 would have been given */
        term args = list_of_args(m->p, m->s->x, arity);
        m->s->x[0] = module;
        m->s->x[1] = function;
        m->s->x[2] = args;
        proc_badarg(m->p);
        return NULL;
    }
    return export_get(module, function, (uint32_t) arity);
}

struct raise_site op_call_site(const struct bif_row *row, const uint64_t *pc, const term *args, size_t n_args)
{
    if (row != NULL) {
        return (struct raise_site) { RAISE_BIF, row->module, row->function, args, n_args };
    }
    const uint64_t *header = pc - CODE_HEADER_WORDS;
    return (struct raise_site) { RAISE_CALL, { header[CODE_WORD_MODULE] }, { header[CODE_WORD_FUNCTION] }, args, n_args };
}

void op_show_contexts(struct emu *m, size_t arity)
{
    for (size_t i = 0; i < arity; i++) {
        term t = m->s->x[i];
        if (term_has_tag(t, TAG_MATCH_CTX)) {
            m->s->x[i] = bits_get_tail(&m->p->heap, term_match_ctx(t));
        }
    }
}

/* ---- collecting ---- */

static bool gc_failed(struct proc *p, enum heap_status st)
{
    struct proc_rare *rare = p->rare;
    bool kill = st != HEAP_MAX_SIZE || rare == NULL || rare->max_heap_kill;
    if (!kill) {
        return false;
    }
    proc_raise(p, EXC_EXIT, st == HEAP_MAX_SIZE ? ATOM(killed) : ATOM(system_limit));
    p->control = CONTROL_NONE;
    p->exc.stacktrace = TERM_NIL;
    return true;
}

/* What messages leave of the limit; the smallest there is if they leave nothing. */
static size_t limit_without_messages(const struct proc *p, size_t limit)
{
    size_t queued = msgq_words(p);
    return queued < limit ? limit - queued : 1;
}

/* With max_heap_size and kill => false the process goes on over its limit. */
static enum heap_status collect(struct proc *p, enum heap_gc_kind kind, size_t need, struct heap_roots *roots,
    size_t n_roots, size_t *reclaimed)
{
    size_t limit = p->heap.max_words;
    if (limit != 0) {
        p->heap.max_words = limit_without_messages(p, limit);
    }
    trace_gc_begin(p->id.word, trace_on(TRACE_GC) ? heap_used_words(&p->heap) : 0);
    enum heap_status st = heap_gc(&p->heap, kind, need, roots, n_roots, reclaimed);
    trace_gc_end(p->id.word, trace_on(TRACE_GC) ? heap_used_words(&p->heap) : 0);
    if (st == HEAP_MAX_SIZE && !gc_failed(p, st)) {
        p->heap.max_words = 0;
        st = heap_gc(&p->heap, kind, need, roots, n_roots, reclaimed);
    }
    p->heap.max_words = limit;
    return st;
}

static bool gc_with(struct proc *p, enum heap_gc_kind kind, term *live, size_t n_live, size_t need)
{
    struct proc_rare *rare = p->rare;
    msgq_pin(p);
    struct heap_roots roots[] = {
        { live, n_live }, { &p->value, 1 }, { &p->group_leader, 1 }, { &p->exc.reason, 1 },
        { &p->exc.stacktrace, 1 }, { &p->exc.error_info, 1 }, { &p->exc.args, 1 }, msgq_pinned_roots(p), dict_roots(p),
        { rare == NULL ? NULL : &rare->sequential_trace_token, rare != NULL },
    };
    size_t reclaimed;
    enum heap_status st = collect(p, kind, need, roots, ARRAY_LEN(roots), &reclaimed);
    if (st != HEAP_OK) {
        return !gc_failed(p, st);
    }
    sched_use_collected(sched_self()->index, reclaimed);
    if (p->heap.over_limit) {
        return !gc_failed(p, HEAP_NOMEM);
    }
    return true;
}

bool interp_gc_roots(struct sched *s, struct proc *p, size_t live, size_t need_words)
{
    return gc_with(p, HEAP_GC_MINOR, s->x, live, need_words);
}

bool interp_collect_between_slices(struct proc *p)
{
    return gc_with(p, HEAP_GC_FULL, p->args, p->n_args, 0);
}

bool op_hibernate(struct emu *m)
{
    struct proc *p = m->p;
    struct heap *h = &p->heap;
    h->stop = h->end;
    p->n_catches = 0;
    p->pc = interp_hibernated_code();
    if (!gc_with(p, HEAP_GC_HIBERNATE, p->args, p->n_args, 1)) {
        return false;
    }
    *--h->stop = (uintptr_t) (interp_start_code() + 1);
    return true;
}
