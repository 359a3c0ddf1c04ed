/* bif_code.c - modules: loading, deleting, purging. lib/erl/code.erl is the other half. */
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "vm/bif/bif_code.h"
#include "vm/bif/file_handle.h"
#include "vm/core/bits.h"
#include "vm/core/fun.h"
#include "vm/proc/report.h"
#include "vm/proc/signal.h"

/* ---- small helpers ---- */

static term error_tuple(struct proc *p, term reason)
{
    return heap_tuple2(&p->heap, ATOM(error), reason);
}

/* What could not be loaded is an error that logger hears of, as from the emulator of OTP. */
static void report_bad_file(term module, const char *error)
{
    char text[512];
    int n = snprintf(text, sizeof(text), "Error loading module %.150s:\n  %.250s", atom_cstr(module), error);
    report_text(ATOM(error), text, n < (int) sizeof(text) ? (size_t) n : sizeof(text) - 1);
}

/* ---- loading ---- */

/* What erts_internal:prepare_loading/2 gives out, behind a reference. */
struct prepared {
    struct resource base;     /* first */
    struct code_image *image; /* owned; NULL: taken */
};

static void destroy_prepared(struct resource *r)
{
    code_image_free(((struct prepared *) r)->image);
    vm_free(r);
}

static struct prepared *take_prepared(term t)
{
    return (struct prepared *) handle_from_ref(t, destroy_prepared);
}

/* NULL: {error, badfile}, reported; or *raised. */
static struct code_image *prepare(struct proc *p, term module, term binary, bool *raised)
{
    *raised = !term_is_atom(module) || !term_is_binary(binary);
    if (*raised) {
        return NULL;
    }
    size_t n;
    uint8_t *scratch;
    char error[256];
    const uint8_t *bytes = bits_bytes(binary, &n, &scratch);
    struct code_image *image = module_prepare(bytes, n, error);
    vm_free(scratch);
    proc_bump(p, n / 64);
    if (image != NULL && !term_same(image->module, module)) {
        snprintf(
            error, sizeof(error), "module name in object code is %.150s", atom_cstr(image->module));
        code_image_free(image);
        image = NULL;
    }
    if (image == NULL) {
        report_bad_file(module, error);
    }
    return image;
}

term bif_erts_internal_prepare_loading_2(struct proc *p, term *args)
{
    bool raised;
    struct code_image *image = prepare(p, args[0], args[1], &raised);
    if (raised) {
        return proc_badarg(p);
    }
    if (image == NULL) {
        return error_tuple(p, ATOM(badfile));
    }
    struct prepared *prepared = vm_zalloc(sizeof(*prepared));
    atomic_init(&prepared->base.refs, 1);
    prepared->base.destroy = destroy_prepared;
    prepared->image = image;
    return handle_make_ref(p, &prepared->base);
}

/* bulkhead_code:set_path(Prepared, PathBinary, IsAtom): where it came from. false: no file can have that name. */
term bif_bulkhead_code_set_path_3(struct proc *p, term *args)
{
    struct prepared *prepared = take_prepared(args[0]);
    char path[FILE_NAME_MAX_BYTES];
    if (prepared == NULL || prepared->image == NULL) {
        return proc_badarg(p);
    }
    if (!take_file_name(args[1], path)) {
        return ATOM(false);
    }
    size_t n = strlen(path) + 1;
    vm_free(prepared->image->path);
    prepared->image->path = memcpy(vm_alloc(n), path, n);
    prepared->image->path_is_atom = term_same(args[2], ATOM(true));
    return ATOM(true);
}

term bif_erlang_has_prepared_code_on_load_1(struct proc *p, term *args)
{
    struct prepared *prepared = take_prepared(args[0]);
    if (prepared == NULL || prepared->image == NULL) {
        return proc_badarg(p);
    }
    return term_from_bool(!term_is_none(prepared->image->on_load));
}

static term prepared_name(term handle)
{
    return take_prepared(handle)->image->module;
}

/* ok, or {duplicated | not_purged | on_load, [Module]} */
term bif_erlang_finish_loading_1(struct proc *p, term *args)
{
    size_t n = 0;
    term list = args[0], duplicated = TERM_NIL;
    for (; term_is_cons(list); list = term_tail(list), n++) {
        struct prepared *prepared = take_prepared(term_head(list));
        if (prepared == NULL || prepared->image == NULL) {
            return proc_badarg(p);
        }
        term before = args[0], name = prepared->image->module;
        while (!term_same(before, list) && !term_same(prepared_name(term_head(before)), name)) {
            before = term_tail(before);
        }
        if (!term_same(before, list)) {
            duplicated = heap_cons(&p->heap, name, duplicated);
        }
    }
    if (!term_is_nil(list)) {
        return proc_badarg(p);
    }
    if (!term_is_nil(duplicated)) {
        return heap_tuple2(&p->heap, ATOM(duplicated), duplicated);
    }
    term not_purged = TERM_NIL, on_load = TERM_NIL;
    for (list = args[0]; term_is_cons(list); list = term_tail(list)) {
        struct code_image *image = take_prepared(term_head(list))->image;
        if (code_current_image(image->module) != NULL && code_old_image(image->module) != NULL) {
            not_purged = heap_cons(&p->heap, image->module, not_purged);
        } else if (n > 1 && !term_is_none(image->on_load)) {
            return proc_system_limit(p); /* must be loaded one by one */
        }
    }
    if (!term_is_nil(not_purged)) {
        return heap_tuple2(&p->heap, ATOM(not_purged), not_purged);
    }
    for (list = args[0]; term_is_cons(list); list = term_tail(list)) {
        struct prepared *prepared = take_prepared(term_head(list));
        term name = prepared->image->module;
        if (!term_is_none(prepared->image->on_load)) {
            if (!module_start(prepared->image)) {
                return heap_tuple2(&p->heap, ATOM(not_purged), heap_cons(&p->heap, name, TERM_NIL));
            }
            on_load = heap_cons(&p->heap, name, on_load);
        } else if (!module_publish(prepared->image)) {
            return heap_tuple2(&p->heap, ATOM(not_purged), heap_cons(&p->heap, name, TERM_NIL));
        }
        prepared->image = NULL;
    }
    return term_is_nil(on_load) ? ATOM(ok) : heap_tuple2(&p->heap, ATOM(on_load), on_load);
}

term bif_erlang_load_module_2(struct proc *p, term *args)
{
    bool raised;
    struct code_image *image = prepare(p, args[0], args[1], &raised);
    if (raised) {
        return proc_badarg(p);
    }
    if (image == NULL) {
        return error_tuple(p, ATOM(badfile));
    }
    if (!term_is_none(image->on_load)) {
        if (module_start(image)) {
            return error_tuple(p, ATOM(on_load));
        }
    } else if (module_publish(image)) {
        return heap_tuple2(&p->heap, ATOM(module), args[0]);
    }
    code_image_free(image);
    return error_tuple(p, ATOM(not_purged));
}

/* Runs the -on_load function of a module that load_module or finish_loading left waiting for it. */
term bif_erlang_call_on_load_function_1(struct proc *p, term *args)
{
    struct module *m = term_is_atom(args[0]) ? module_find(args[0]) : NULL;
    struct code_image *image =
        m == NULL ? NULL : atomic_load_explicit(&m->starting, memory_order_acquire);
    if (image == NULL) {
        return proc_badarg(p);
    }
    /* Traps go through exports; this one is never looked up by a program. */
    struct export *e = export_get(args[0], ATOM(on_load_export), 0);
    atomic_store_explicit(&e->code, image->words + image->on_load_word, memory_order_release);
    return proc_trap(p, e, NULL, 0);
}

term bif_erlang_finish_after_on_load_2(struct proc *p, term *args)
{
    if (!term_is_atom(args[0]) || !term_is_bool(args[1])) {
        return proc_badarg(p);
    }
    struct export *e = export_lookup(args[0], ATOM(on_load_export), 0);
    if (e != NULL) {
        atomic_store_explicit(&e->code, &e->stub[0], memory_order_release);
    }
    return module_finish_start(args[0], term_same(args[1], ATOM(true))) ? ATOM(true)
                                                                        : proc_badarg(p);
}

/* bulkhead_code:load(Module): loaded | nofile | badfile; start: its -on_load function has to be called
 * by the caller, wait: by somebody else, who is at it. */
term bif_bulkhead_code_load_1(struct proc *p, term *args)
{
    char error[256];
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    switch (module_ensure_started(args[0], error)) {
    case MODULE_LOADED:
        return ATOM(loaded);
    case MODULE_NEEDS_ON_LOAD:
        return ATOM(start);
    case MODULE_STARTING:
        return ATOM(wait);
    case MODULE_NOT_FOUND:
        return ATOM(nofile);
    case MODULE_BAD:
        break;
    }
    report_bad_file(args[0], error);
    return ATOM(badfile);
}

/* bulkhead_code:is_starting(Module): does its -on_load function run? */
term bif_bulkhead_code_is_starting_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    struct module *m = module_find(args[0]);
    return term_from_bool(
        m != NULL && atomic_load_explicit(&m->starting, memory_order_acquire) != NULL);
}

/* ---- deleting, purging ---- */

term bif_erlang_delete_module_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    if (code_old_image(args[0]) != NULL) {
        return proc_badarg(p);
    }
    return module_delete(args[0]) ? ATOM(true) : ATOM(undefined);
}

term bif_erlang_check_old_code_1(struct proc *p, term *args)
{
    return term_is_atom(args[0]) ? term_from_bool(code_old_image(args[0]) != NULL) : proc_badarg(p);
}

/* Does p run code of image, or will it return to it? Only p's own thread may ask. */
static bool runs_code_of(const struct proc *p, const struct code_image *image)
{
    const uint64_t *start = image->words, *end = image->words + image->n_words;
    if ((p->pc >= start && p->pc < end)
        || (p->current_function >= start && p->current_function < end)) {
        return true;
    }
    for (const uintptr_t *w = p->heap.stop; w < p->heap.end; w++) {
        if (*w >= (uintptr_t) start && *w < (uintptr_t) end) {
            return true;
        }
    }
    return false;
}

static bool uses_old_code(const struct proc *p, term module)
{
    const struct code_image *old = code_old_image(module);
    return old != NULL && runs_code_of(p, old);
}

term bif_erts_internal_check_process_code_1(struct proc *p, term *args)
{
    return term_is_atom(args[0]) ? term_from_bool(uses_old_code(p, args[0])) : proc_badarg(p);
}

struct check_code {
    struct ask ask; /* first */
    term module;
};

static void check_code_request(struct proc *target, void *arg)
{
    struct check_code *c = arg;
    bool uses = target != NULL && uses_old_code(target, c->module);
    signal_reply(&c->ask, term_from_bool(uses));
    vm_free(c);
}

term bif_erlang_check_process_code_2(struct proc *p, term *args)
{
    if (!term_is_local_pid(args[0]) || !term_is_atom(args[1])) {
        return proc_badarg(p);
    }
    if (term_same(args[0], p->id)) {
        return term_from_bool(uses_old_code(p, args[1]));
    }
    if (!proc_ask_pending(p)) {
        struct check_code *c = vm_zalloc(sizeof(*c));
        c->module = args[1];
        proc_ask(p, args[0], check_code_request, &c->ask);
    }
    term answer;
    return proc_ask_done(p, &answer) ? answer : proc_wait(p);
}

term bif_erlang_check_process_code_3(struct proc *p, term *args)
{
    term id = TERM_NONE, list = args[2];
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        if (!term_is_tuple_of(o, 2)) {
            return proc_badarg(p);
        }
        if (term_same(term_tuple_get(o, 0), ATOM(async))) {
            id = term_tuple_get(o, 1);
        } else if (!term_same(term_tuple_get(o, 0), ATOM(allow_gc))) {
            return proc_badarg(p);
        }
    }
    if (!term_is_nil(list)) {
        return proc_badarg(p);
    }
    term answer = bif_erlang_check_process_code_2(p, args);
    if (term_is_none(answer) || term_is_none(id)) {
        return answer;
    }
    signal_send(p, p->id, heap_tuple3(&p->heap, ATOM(check_process_code), id, answer));
    return ATOM(async);
}

static bool purge(term module)
{
    bool purged = module_purge_old(module);
    if (bif_native_hooks.settle != NULL) {
        bif_native_hooks.settle(); /* its library */
    }
    return purged;
}

/* prepare: nobody enters the old code any more; abort: they may again; complete: it is freed, and
 * whoever calls has made sure that no process runs it. */
term bif_erts_internal_purge_module_2(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    struct code_image *old = code_old_image(args[0]);
    if (old == NULL) {
        return ATOM(false);
    }
    if (term_same(args[1], ATOM(prepare))) {
        module_block_old(args[0], true);
    } else if (term_same(args[1], ATOM(abort))) {
        module_block_old(args[0], false);
    } else if (term_same(args[1], ATOM(complete))) {
        purge(args[0]);
    } else {
        return proc_badarg(p);
    }
    return ATOM(true);
}

term bif_erlang_purge_module_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0]) || code_old_image(args[0]) == NULL) {
        return proc_badarg(p);
    }
    return proc_trap(p, export_get(ATOM(code), ATOM(purge_module), 1), args, 1);
}
