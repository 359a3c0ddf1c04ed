/* bif_code_info.c - what is known of modules and funs; files in memory; the code path. */
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/bif/bif_code.h"
#include "vm/bif/file_handle.h"
#include "vm/code/beam_file.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"
#include "vm/core/fun.h"

/* Modules OTP has in its emulator: there from the start, whether or not their .beam was read yet. */
static const char *const preloaded[] = {
    "persistent_term",
    "counters",
    "atomics",
    "erts_dirty_process_signal_handler",
    "erts_literal_area_collector",
    "erl_tracer",
    "erts_internal",
    "erlang",
    "erl_prim_loader",
    "prim_zip",
    "prim_net",
    "prim_socket",
    "socket_registry",
    "zlib",
    "prim_file",
    "prim_inet",
    "prim_eval",
    "prim_buffer",
    "init",
    "erl_init",
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
    struct code_image *image = code_current_image(module);
    if (image == NULL && is_preloaded(module)) {
        char error[256];
        if (module_ensure_loaded(module, error) == MODULE_LOADED) {
            image = code_current_image(module);
        }
    }
    return image;
}

/* ---- asking ---- */

term bif_erlang_module_loaded_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    return term_from_bool(code_current_image(args[0]) != NULL || is_preloaded(args[0]));
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
    proc_bump(p, image->n_functions / 16);
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
            list = heap_cons(
                &p->heap, name_arity(p, image->functions[i].name, image->functions[i].arity), list);
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
    const term items[] = { ATOM(module), ATOM(exports), ATOM(attributes), ATOM(compile),
        ATOM(md5) };
    term list = TERM_NIL;
    for (size_t i = ARRAY_LEN(items); i-- > 0;) {
        list = heap_cons(
            &p->heap, heap_tuple2(&p->heap, items[i], info_item(p, image, items[i])), list);
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
    return term_from_bool(
        e != NULL && atomic_load_explicit(&e->code, memory_order_acquire) != e->stub);
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
    if (!term_is_atom(args[0]) || !term_is_atom(args[1]) || !take_arity(args[2], &arity)
        || arity == UINT32_MAX) {
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
    bool known = term_same(item, ATOM(pid)) || term_same(item, ATOM(index))
                 || term_same(item, ATOM(new_index)) || term_same(item, ATOM(uniq))
                 || term_same(item, ATOM(new_uniq)) || term_same(item, ATOM(refc));
    return known ? ATOM(undefined) : TERM_NONE;
}

term bif_erlang_fun_info_2(struct proc *p, term *args)
{
    if (!term_is_fun(args[0])) {
        return proc_badarg(p);
    }
    term value = term_has_tag(args[0], TAG_FUN) ? local_fun_item(p, args[0], args[1])
                                                : export_fun_item(args[0], args[1]);
    return term_is_none(value) ? proc_badarg(p) : heap_tuple2(&p->heap, args[1], value);
}

term bif_erlang_fun_info_1(struct proc *p, term *args)
{
    if (!term_is_fun(args[0])) {
        return proc_badarg(p);
    }
    const term local[] = { ATOM(pid), ATOM(module), ATOM(new_index), ATOM(new_uniq), ATOM(index),
        ATOM(uniq), ATOM(name), ATOM(arity), ATOM(env), ATOM(type) };
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
    term module = is_local ? local_fun_item(p, args[0], ATOM(module))
                           : export_fun_item(args[0], ATOM(module));
    term name =
        is_local ? local_fun_item(p, args[0], ATOM(name)) : export_fun_item(args[0], ATOM(name));
    term arity =
        is_local ? local_fun_item(p, args[0], ATOM(arity)) : export_fun_item(args[0], ATOM(arity));
    return heap_tuple3(&p->heap, module, name, arity);
}

/* ---- files in memory ---- */

static term with_beam_bytes(
    struct proc *p, term binary, term (*fn)(struct proc *, const uint8_t *, size_t, term), term arg)
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
        if (!term_is_cons(name) || !term_is_small(term_head(name))
            || term_to_small(term_head(name)) < 0 || term_to_small(term_head(name)) > 255) {
            return proc_badarg(p);
        }
        id[i] = (uint8_t) term_to_small(term_head(name));
    }
    if (!term_is_nil(name)) {
        return proc_badarg(p);
    }
    bool found =
        beam_file_chunk(bytes, n, id, &at, &size) && size > 0; /* an empty one counts as none */
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
    return beam_file_md5(bytes, n, md5) ? bits_from_bytes(&p->heap, md5, sizeof(md5))
                                        : ATOM(undefined);
}

term bif_erts_internal_beamfile_module_md5_1(struct proc *p, term *args)
{
    return with_beam_bytes(p, args[0], sum_of, TERM_NIL);
}

/* ---- the path ---- */

static term path_text(struct heap *h, const char *path)
{
    return chars_from_os(h, path, strlen(path));
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

/* bulkhead_code:loaded_path(Module): path it was loaded from, or the atom that load_binary got for it; [] if that is not known,
 * preloaded, or false if it is not loaded. */
term bif_bulkhead_code_loaded_path_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    const struct code_image *image = code_current_image(args[0]);
    if (is_preloaded(args[0])) {
        return ATOM(preloaded);
    }
    if (image == NULL) {
        return ATOM(false);
    }
    if (image->path == NULL) {
        return TERM_NIL;
    }
    return image->path_is_atom ? atom_from_cstr(image->path) : path_text(&p->heap, image->path);
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
