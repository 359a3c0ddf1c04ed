/* bif_code.c - modules: loading, deleting, purging, asking. lib/erl/code.erl is the other half. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/bif/file_handle.h"
#include "vm/code/beam_file.h"
#include "vm/code/module.h"
#include "vm/core/bits.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"
#include "vm/proc/signal.h"

/* ---- small helpers ---- */

static term error_tuple(struct proc *p, term reason)
{
    return heap_tuple2(&p->heap, ATOM(error), reason);
}

static struct code_image *current_image(term module)
{
    struct module *m = module_find(module);
    return m == NULL ? NULL : atomic_load_explicit(&m->current, memory_order_acquire);
}

static struct code_image *old_image(term module)
{
    struct module *m = module_find(module);
    return m == NULL ? NULL : atomic_load_explicit(&m->old, memory_order_acquire);
}

/* Modules OTP has in its emulator: there from the start, whether or not their .beam was read yet. */
static const char *const preloaded[] = {
    "persistent_term", "counters", "atomics", "erts_dirty_process_signal_handler", "erts_literal_area_collector",
    "erl_tracer", "erts_internal", "erlang", "erl_prim_loader", "prim_zip", "prim_net", "prim_socket",
    "socket_registry", "zlib", "prim_file", "prim_inet", "prim_eval", "prim_buffer", "init", "erl_init",
    "erts_code_purger",
};

static bool is_preloaded(term module)
{
    const char *name = atom_cstr(module);
    for (size_t i = 0; i < ARRAY_LEN(preloaded); i++) {
        if (strcmp(name, preloaded[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* The image of a module that counts as loaded. */
static struct code_image *loaded_image(term module)
{
    struct code_image *image = current_image(module);
    if (image == NULL && is_preloaded(module)) {
        char error[256];
        if (module_ensure_loaded(module, error) == MODULE_LOADED) {
            image = current_image(module);
        }
    }
    return image;
}

/* One line on standard error, as the emulator of OTP reports what it could not load. */
static void report_bad_file(term module, const char *error)
{
    char line[512];
    int n = snprintf(line, sizeof(line), "bulkhead: cannot load module %.150s: badfile: %.250s\n", atom_cstr(module), error);
    ssize_t done = write(STDERR_FILENO, line, n < (int) sizeof(line) ? (size_t) n : sizeof(line) - 1);
    (void) done;
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
        snprintf(error, sizeof(error), "module name in object code is %.150s", atom_cstr(image->module));
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

term bif_erlang_has_prepared_code_on_load_1(struct proc *p, term *args)
{
    struct prepared *prepared = take_prepared(args[0]);
    if (prepared == NULL || prepared->image == NULL) {
        return proc_badarg(p);
    }
    return term_from_bool(!term_is_none(prepared->image->on_load));
}

/* ok, or {not_purged | on_load, [Module]} */
term bif_erlang_finish_loading_1(struct proc *p, term *args)
{
    size_t n = 0;
    term list = args[0];
    for (; term_is_cons(list); list = term_tail(list), n++) {
        struct prepared *prepared = take_prepared(term_head(list));
        if (prepared == NULL || prepared->image == NULL) {
            return proc_badarg(p);
        }
        for (term before = args[0]; !term_same(before, list); before = term_tail(before)) {
            if (term_same(take_prepared(term_head(before))->image->module, prepared->image->module)) {
                term name = prepared->image->module;
                return heap_tuple2(&p->heap, ATOM(duplicated), heap_cons(&p->heap, name, TERM_NIL));
            }
        }
    }
    if (!term_is_nil(list)) {
        return proc_badarg(p);
    }
    term not_purged = TERM_NIL, on_load = TERM_NIL;
    for (list = args[0]; term_is_cons(list); list = term_tail(list)) {
        struct code_image *image = take_prepared(term_head(list))->image;
        if (current_image(image->module) != NULL && old_image(image->module) != NULL) {
            not_purged = heap_cons(&p->heap, image->module, not_purged);
        } else if (n > 1 && !term_is_none(image->on_load)) {
            return proc_badarg(p); /* must be loaded one by one */
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
    struct code_image *image = m == NULL ? NULL : atomic_load_explicit(&m->starting, memory_order_acquire);
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
    return module_finish_start(args[0], term_same(args[1], ATOM(true))) ? ATOM(true) : proc_badarg(p);
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
    return term_from_bool(m != NULL && atomic_load_explicit(&m->starting, memory_order_acquire) != NULL);
}

/* ---- deleting, purging ---- */

term bif_erlang_delete_module_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    if (old_image(args[0]) != NULL) {
        return proc_badarg(p);
    }
    return module_delete(args[0]) ? ATOM(true) : ATOM(undefined);
}

term bif_erlang_check_old_code_1(struct proc *p, term *args)
{
    return term_is_atom(args[0]) ? term_from_bool(old_image(args[0]) != NULL) : proc_badarg(p);
}

/* Does p run code of image, or will it return to it? Only p's own thread may ask. */
static bool runs_code_of(const struct proc *p, const struct code_image *image)
{
    const uint64_t *start = image->words, *end = image->words + image->n_words;
    if ((p->pc >= start && p->pc < end) || (p->current_function >= start && p->current_function < end)) {
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
    const struct code_image *old = old_image(module);
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

/* prepare: nobody enters the old code any more; abort: they may again; complete: it is freed, and
 * whoever calls has made sure that no process runs it. */
term bif_erts_internal_purge_module_2(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    struct code_image *old = old_image(args[0]);
    if (old == NULL) {
        return ATOM(false);
    }
    if (term_same(args[1], ATOM(prepare))) {
        module_block_old(args[0], true);
    } else if (term_same(args[1], ATOM(abort))) {
        module_block_old(args[0], false);
    } else if (term_same(args[1], ATOM(complete))) {
        module_purge_old(args[0]);
    } else {
        return proc_badarg(p);
    }
    return ATOM(true);
}

term bif_erlang_purge_module_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    return proc_trap(p, export_get(ATOM(code), ATOM(purge_module), 1), args, 1);
}

/* ---- asking ---- */

term bif_erlang_module_loaded_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    return term_from_bool(current_image(args[0]) != NULL || is_preloaded(args[0]));
}

term bif_erlang_pre_loaded_0(struct proc *p, term *args)
{
    (void) args;
    term list = TERM_NIL;
    for (size_t i = ARRAY_LEN(preloaded); i-- > 0;) {
        list = heap_cons(&p->heap, atom_from_cstr(preloaded[i]), list);
    }
    return list;
}

struct list_builder {
    struct heap *h;
    term list;
};

static void add_loaded(struct module *m, void *arg)
{
    struct list_builder *b = arg;
    if (!is_preloaded(m->name)) {
        b->list = heap_cons(b->h, m->name, b->list);
    }
}

term bif_erlang_loaded_0(struct proc *p, term *args)
{
    struct list_builder b = { &p->heap, bif_erlang_pre_loaded_0(p, args) };
    module_each(add_loaded, &b);
    return b.list;
}

static term name_arity(struct proc *p, term name, uint32_t arity)
{
    return heap_tuple2(&p->heap, name, term_from_small((intptr_t) arity));
}

static term info_item(struct proc *p, const struct code_image *image, term item)
{
    term list = TERM_NIL;
    if (term_same(item, ATOM(module))) {
        return image->module;
    }
    if (term_same(item, ATOM(exports))) {
        for (size_t i = image->n_functions; i-- > 0;) {
            const struct code_function *f = &image->functions[i];
            if (f->exported) {
                list = heap_cons(&p->heap, name_arity(p, f->name, f->arity), list);
            }
        }
        return list;
    }
    if (term_same(item, ATOM(functions))) {
        for (size_t i = image->n_functions; i-- > 0;) {
            list = heap_cons(&p->heap, name_arity(p, image->functions[i].name, image->functions[i].arity), list);
        }
        return list;
    }
    if (term_same(item, ATOM(nifs))) {
        for (size_t i = image->n_functions; i-- > 0;) {
            const struct code_function *f = &image->functions[i];
            if (image->words[f->header_word + CODE_WORD_NATIVE] != 0) {
                list = heap_cons(&p->heap, name_arity(p, f->name, f->arity), list);
            }
        }
        return list;
    }
    if (term_same(item, ATOM(attributes))) {
        return image->attributes;
    }
    if (term_same(item, ATOM(compile))) {
        return image->compile_info;
    }
    if (term_same(item, ATOM(md5))) {
        return bits_from_bytes(&p->heap, image->md5, sizeof(image->md5));
    }
    if (term_same(item, ATOM(native))) {
        return ATOM(false);
    }
    if (term_same(item, ATOM(native_addresses))) {
        return TERM_NIL;
    }
    return TERM_NONE;
}

term bif_erlang_get_module_info_2(struct proc *p, term *args)
{
    const struct code_image *image = term_is_atom(args[0]) ? loaded_image(args[0]) : NULL;
    term value = image == NULL ? TERM_NONE : info_item(p, image, args[1]);
    return term_is_none(value) ? proc_badarg(p) : value;
}

term bif_erlang_get_module_info_1(struct proc *p, term *args)
{
    const struct code_image *image = term_is_atom(args[0]) ? loaded_image(args[0]) : NULL;
    if (image == NULL) {
        return proc_badarg(p);
    }
    const term items[] = { ATOM(module), ATOM(exports), ATOM(attributes), ATOM(compile), ATOM(md5) };
    term list = TERM_NIL;
    for (size_t i = ARRAY_LEN(items); i-- > 0;) {
        list = heap_cons(&p->heap, heap_tuple2(&p->heap, items[i], info_item(p, image, items[i])), list);
    }
    return list;
}

/* Arity as a term; false if it is no small integer. Out of range: UINT32_MAX, which no function has. */
static bool take_arity(term t, uint32_t *out)
{
    if (!term_is_small(t)) {
        return false;
    }
    bool fits = term_to_small(t) >= 0 && term_to_small(t) <= PROC_MAX_ARITY;
    *out = fits ? (uint32_t) term_to_small(t) : UINT32_MAX;
    return true;
}

term bif_erlang_function_exported_3(struct proc *p, term *args)
{
    uint32_t arity;
    if (!term_is_atom(args[0]) || !term_is_atom(args[1]) || !take_arity(args[2], &arity)) {
        return proc_badarg(p);
    }
    const struct export *e = export_lookup(args[0], args[1], arity);
    if (e != NULL && e->bif != NULL) {
        return ATOM(true);
    }
    const struct code_image *image = loaded_image(args[0]);
    e = image == NULL ? NULL : export_lookup(args[0], args[1], arity);
    return term_from_bool(e != NULL && atomic_load_explicit(&e->code, memory_order_acquire) != e->stub);
}

term bif_erlang_is_builtin_3(struct proc *p, term *args)
{
    uint32_t arity;
    if (!term_is_atom(args[0]) || !term_is_atom(args[1]) || !take_arity(args[2], &arity)) {
        return proc_badarg(p);
    }
    const struct export *e = export_lookup(args[0], args[1], arity);
    return term_from_bool(e != NULL && e->bif != NULL);
}

term bif_erlang_make_fun_3(struct proc *p, term *args)
{
    uint32_t arity;
    if (!term_is_atom(args[0]) || !term_is_atom(args[1]) || !take_arity(args[2], &arity) || arity == UINT32_MAX) {
        return proc_badarg(p);
    }
    uintptr_t *at = heap_alloc(&p->heap, HEAP_EXPORT_WORDS);
    at[0] = TERM_HEADER(TAG_EXPORT, HEAP_EXPORT_WORDS - 1);
    at[1] = (uintptr_t) export_get(args[0], args[1], arity);
    return term_from_boxed_ptr(at);
}

/* ---- funs ---- */

static term fun_env(struct proc *p, term fun)
{
    term list = TERM_NIL;
    for (size_t i = term_fun_n_free(fun); i-- > 0;) {
        list = heap_cons(&p->heap, term_fun_free_vars(fun)[i], list);
    }
    return list;
}

static term local_fun_item(struct proc *p, term fun, term item)
{
    const struct fun_entry *e = term_fun_entry(fun);
    if (term_same(item, ATOM(type))) {
        return ATOM(local);
    }
    if (term_same(item, ATOM(module))) {
        return e->module;
    }
    if (term_same(item, ATOM(name))) {
        return term_is_none(e->function) ? ATOM(empty) : e->function;
    }
    if (term_same(item, ATOM(arity))) {
        return term_from_small((intptr_t) e->arity);
    }
    if (term_same(item, ATOM(env))) {
        return fun_env(p, fun);
    }
    if (term_same(item, ATOM(pid))) {
        return (term) { term_words(fun)[2] };
    }
    if (term_same(item, ATOM(index)) || term_same(item, ATOM(new_index))) {
        return term_from_small((intptr_t) e->index);
    }
    if (term_same(item, ATOM(uniq))) {
        return term_from_small((intptr_t) e->old_uniq);
    }
    if (term_same(item, ATOM(new_uniq))) {
        return bits_from_bytes(&p->heap, e->uniq, sizeof(e->uniq));
    }
    if (term_same(item, ATOM(refc))) {
        return term_from_small(1);
    }
    return TERM_NONE;
}

static term export_fun_item(term fun, term item)
{
    const struct export *e = term_export(fun);
    if (term_same(item, ATOM(type))) {
        return ATOM(external);
    }
    if (term_same(item, ATOM(module))) {
        return e->module;
    }
    if (term_same(item, ATOM(name))) {
        return e->function;
    }
    if (term_same(item, ATOM(arity))) {
        return term_from_small((intptr_t) e->arity);
    }
    if (term_same(item, ATOM(env))) {
        return TERM_NIL;
    }
    bool known = term_same(item, ATOM(pid)) || term_same(item, ATOM(index)) || term_same(item, ATOM(new_index))
        || term_same(item, ATOM(uniq)) || term_same(item, ATOM(new_uniq)) || term_same(item, ATOM(refc));
    return known ? ATOM(undefined) : TERM_NONE;
}

term bif_erlang_fun_info_2(struct proc *p, term *args)
{
    if (!term_is_fun(args[0])) {
        return proc_badarg(p);
    }
    term value = term_has_tag(args[0], TAG_FUN) ? local_fun_item(p, args[0], args[1]) : export_fun_item(args[0], args[1]);
    return term_is_none(value) ? proc_badarg(p) : heap_tuple2(&p->heap, args[1], value);
}

term bif_erlang_fun_info_1(struct proc *p, term *args)
{
    if (!term_is_fun(args[0])) {
        return proc_badarg(p);
    }
    const term local[] = { ATOM(pid), ATOM(module), ATOM(new_index), ATOM(new_uniq), ATOM(index), ATOM(uniq),
        ATOM(name), ATOM(arity), ATOM(env), ATOM(type) };
    const term external[] = { ATOM(module), ATOM(name), ATOM(arity), ATOM(env), ATOM(type) };
    bool is_local = term_has_tag(args[0], TAG_FUN);
    term list = TERM_NIL;
    for (size_t i = is_local ? ARRAY_LEN(local) : ARRAY_LEN(external); i-- > 0;) {
        term item = is_local ? local[i] : external[i];
        term value = is_local ? local_fun_item(p, args[0], item) : export_fun_item(args[0], item);
        list = heap_cons(&p->heap, heap_tuple2(&p->heap, item, value), list);
    }
    return list;
}

term bif_erlang_fun_info_mfa_1(struct proc *p, term *args)
{
    if (!term_is_fun(args[0])) {
        return proc_badarg(p);
    }
    bool is_local = term_has_tag(args[0], TAG_FUN);
    term module = is_local ? local_fun_item(p, args[0], ATOM(module)) : export_fun_item(args[0], ATOM(module));
    term name = is_local ? local_fun_item(p, args[0], ATOM(name)) : export_fun_item(args[0], ATOM(name));
    term arity = is_local ? local_fun_item(p, args[0], ATOM(arity)) : export_fun_item(args[0], ATOM(arity));
    return heap_tuple3(&p->heap, module, name, arity);
}

/* ---- files in memory ---- */

static term with_beam_bytes(struct proc *p, term binary, term (*fn)(struct proc *, const uint8_t *, size_t, term), term arg)
{
    if (!term_is_binary(binary)) {
        return proc_badarg(p);
    }
    size_t n;
    uint8_t *scratch;
    const uint8_t *bytes = bits_bytes(binary, &n, &scratch);
    term result = fn(p, bytes, n, arg);
    vm_free(scratch);
    return result;
}

static term find_chunk(struct proc *p, const uint8_t *bytes, size_t n, term name)
{
    size_t at, size;
    uint8_t id[4];
    for (int i = 0; i < 4; i++, name = term_tail(name)) {
        if (!term_is_cons(name) || !term_is_small(term_head(name)) || term_to_small(term_head(name)) < 0
            || term_to_small(term_head(name)) > 255) {
            return proc_badarg(p);
        }
        id[i] = (uint8_t) term_to_small(term_head(name));
    }
    if (!term_is_nil(name)) {
        return proc_badarg(p);
    }
    bool found = beam_file_chunk(bytes, n, id, &at, &size) && size > 0; /* an empty one counts as none */
    return found ? bits_from_bytes(&p->heap, bytes + at, size) : ATOM(undefined);
}

term bif_erts_internal_beamfile_chunk_2(struct proc *p, term *args)
{
    return with_beam_bytes(p, args[0], find_chunk, args[1]);
}

static term sum_of(struct proc *p, const uint8_t *bytes, size_t n, term unused)
{
    (void) unused;
    uint8_t md5[16];
    return beam_file_md5(bytes, n, md5) ? bits_from_bytes(&p->heap, md5, sizeof(md5)) : ATOM(undefined);
}

term bif_erts_internal_beamfile_module_md5_1(struct proc *p, term *args)
{
    return with_beam_bytes(p, args[0], sum_of, TERM_NIL);
}

/* ---- the path ---- */

static term path_text(struct heap *h, const char *path)
{
    /* UTF-8 where it is, else byte by byte, as OTP's raw file names. */
    size_t n = strlen(path);
    term list = TERM_NIL;
    for (size_t end = n; end > 0;) {
        size_t at = end - 1;
        uint32_t ch = (uint8_t) path[at];
        uint32_t tail = 0;
        unsigned bits = 0;
        while (at > 0 && ((uint8_t) path[at] & 0xC0) == 0x80 && bits < 18) {
            tail |= (uint32_t) ((uint8_t) path[at--] & 0x3F) << bits;
            bits += 6;
        }
        uint8_t first = (uint8_t) path[at];
        bool ok = (bits == 6 && (first & 0xE0) == 0xC0) || (bits == 12 && (first & 0xF0) == 0xE0)
            || (bits == 18 && (first & 0xF8) == 0xF0);
        if (ok) {
            ch = tail | (uint32_t) (first & (bits == 6 ? 0x1F : bits == 12 ? 0x0F : 0x07)) << bits;
            end = at;
        } else {
            end--;
        }
        list = heap_cons(h, term_from_small((intptr_t) ch), list);
    }
    return list;
}

static void add_dir(const char *dir, void *arg)
{
    struct list_builder *b = arg;
    b->list = heap_cons(b->h, path_text(b->h, dir), b->list);
}

/* bulkhead_code:path(): directories, last one first. */
term bif_bulkhead_code_path_0(struct proc *p, term *args)
{
    (void) args;
    struct list_builder b = { &p->heap, TERM_NIL };
    code_path_each(add_dir, &b);
    return b.list;
}

/* A binary as file:native_name of a directory. */
static bool take_dir(term t, char out[FILE_NAME_MAX_BYTES])
{
    return take_file_name(t, out) && out[0] != '\0';
}

/* bulkhead_code:add_path(DirBinary, first | last) */
term bif_bulkhead_code_add_path_2(struct proc *p, term *args)
{
    char dir[FILE_NAME_MAX_BYTES];
    if (!take_dir(args[0], dir)) {
        return proc_badarg(p);
    }
    code_path_add(dir, term_same(args[1], ATOM(first)));
    return ATOM(true);
}

term bif_bulkhead_code_del_path_1(struct proc *p, term *args)
{
    char dir[FILE_NAME_MAX_BYTES];
    return take_dir(args[0], dir) ? term_from_bool(code_path_remove(dir)) : proc_badarg(p);
}

/* bulkhead_code:find(Module): path of the file that would be loaded, or non_existing. */
term bif_bulkhead_code_find_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    char *path = code_path_find(args[0]);
    term result = path == NULL ? ATOM(non_existing) : path_text(&p->heap, path);
    vm_free(path);
    return result;
}

/* bulkhead_code:loaded_path(Module): path it was loaded from, [] if that is not known,
 * preloaded, or false if it is not loaded. */
term bif_bulkhead_code_loaded_path_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    const struct code_image *image = current_image(args[0]);
    if (is_preloaded(args[0])) {
        return ATOM(preloaded);
    }
    if (image == NULL) {
        return ATOM(false);
    }
    return image->path == NULL ? TERM_NIL : path_text(&p->heap, image->path);
}

/* bulkhead_code:set_path(Module, PathBinary): where the current code came from. */
term bif_bulkhead_code_set_path_2(struct proc *p, term *args)
{
    char path[FILE_NAME_MAX_BYTES];
    if (!term_is_atom(args[0]) || !take_file_name(args[1], path)) {
        return proc_badarg(p);
    }
    return term_from_bool(module_set_path(args[0], path));
}

/* bulkhead_code:read_file(PathBinary): {ok, Binary} or error. */
term bif_bulkhead_code_read_file_1(struct proc *p, term *args)
{
    char path[FILE_NAME_MAX_BYTES];
    if (!take_dir(args[0], path)) {
        return proc_badarg(p);
    }
    size_t n;
    uint8_t *bytes = code_read_file(path, &n);
    if (bytes == NULL) {
        return ATOM(error);
    }
    uint8_t *to;
    term binary = bits_new_binary(&p->heap, n, &to);
    if (!term_is_none(binary)) {
        memcpy(to, bytes, n);
    }
    vm_free(bytes);
    return term_is_none(binary) ? proc_system_limit(p) : heap_tuple2(&p->heap, ATOM(ok), binary);
}

/* bulkhead_code:is_there(PathBinary) */
term bif_bulkhead_code_is_there_1(struct proc *p, term *args)
{
    char path[FILE_NAME_MAX_BYTES];
    return take_dir(args[0], path) ? term_from_bool(access(path, F_OK) == 0) : proc_badarg(p);
}

term bif_bulkhead_code_root_0(struct proc *p, term *args)
{
    (void) args;
    const char *root = code_otp_root();
    return root == NULL ? TERM_NIL : path_text(&p->heap, root);
}
