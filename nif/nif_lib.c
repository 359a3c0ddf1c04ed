#include "nif/nif_lib.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/lock.h"
#include "nif/host.h"
#include "nif/nif_resource.h"

enum {
    API_MAJOR = 2,
    API_MINOR = 17,
    API_EXPERIMENTAL_MINOR = 5 /* maps, before they were final */
};
/* First minor version whose entry has the field. */
enum { SINCE_VM_VARIANT = 1, SINCE_FUNC_FLAGS = 7, SINCE_MIN_ERTS = 14 };
enum { OLD_FUNC_BYTES = 24 /* ErlNifFunc without flags */ };

static void leave_plainly(enum nif_leave_kind kind, const char *text)
{
    (void) kind;
    base_panic("NIF", 0, text);
}

static bool run_plainly(struct nif_lib *lib, enum nif_callback what, struct enif_environment_t *env,
    void (*fn)(void *arg), void *arg)
{
    (void) lib, (void) what, (void) env;
    fn(arg);
    return true;
}

void (*nif_leave)(enum nif_leave_kind kind, const char *text) = leave_plainly;
bool (*nif_run_callback)(struct nif_lib *lib, enum nif_callback what,
    struct enif_environment_t *env, void (*fn)(void *arg), void *arg) = run_plainly;
void (*nif_lib_closing)(struct nif_lib *lib);

/* ---- all libraries ---- */

static struct lock libs_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_NIF_LIB, RANK_NONE };
static struct nif_lib *libs;

/* Modules that have had a library, also of one that is closed by now. */
static struct taint {
    struct taint *next;
    term module;
} * _Atomic taints;

static void note_taint(term module)
{
    lock_take(&libs_lock);
    struct taint *t = taints;
    while (t != NULL && !term_same(t->module, module)) {
        t = t->next;
    }
    if (t == NULL) {
        t = vm_alloc(sizeof(*t));
        *t = (struct taint) { taints, module };
        taints = t;
    }
    lock_drop(&libs_lock);
}

void nif_lib_each_taint(void (*fn)(term module, void *arg), void *arg)
{
    for (struct taint *t = taints; t != NULL; t = t->next) {
        fn(t->module, arg);
    }
}

static void unlist(struct nif_lib *lib)
{
    lock_take(&libs_lock);
    for (struct nif_lib **at = &libs; *at != NULL; at = &(*at)->next) {
        if (*at == lib) {
            *at = lib->next;
            break;
        }
    }
    lock_drop(&libs_lock);
}

/* ---- closing ---- */

static void close_handle(void *arg)
{
    struct nif_lib *lib = arg;
    dlclose(lib->dl_handle);
}

static void close_lib(struct nif_lib *lib)
{
    unlist(lib);
    /* After a crash the library's memory is suspect and somebody may still stand in its code; a
     * library with threads is left alone for the same reason. */
    if (lib->elsewhere != 0 && nif_lib_closing != NULL) {
        nif_lib_closing(lib);
    }
    if (lib->dl_handle != NULL && !lib->tainted) {
        if (nif_lib_closing != NULL) {
            nif_lib_closing(lib);
        }
        (void) nif_run_callback(
            lib, NIF_CB_UNLOAD, NULL, close_handle, lib); /* its destructors run */
    }
    vm_free(lib->funcs);
    vm_free(lib->path);
    vm_free(lib);
}

struct unload_call {
    struct nif_callback_env env;
    struct nif_lib *lib;
};

static void call_unload(void *arg)
{
    struct unload_call *c = arg;
    c->lib->entry->unload(&c->env.env, c->lib->priv_data);
}

/* As late as can be: objects and calls that outlived the module may need what unload frees. */
static void end_lib(struct nif_deferred *d)
{
    struct nif_lib *lib = container_of(d, struct nif_lib, ending);
    if (lib->loaded && lib->entry->unload != NULL) {
        struct unload_call c = { .lib = lib };
        nif_callback_env_begin(&c.env, lib);
        bool returned = nif_run_callback(lib, NIF_CB_UNLOAD, &c.env.env, call_unload, &c);
        nif_callback_env_end(&c.env, !returned);
        lib->tainted |= !returned;
    }
    close_lib(lib);
}

void nif_lib_unref(struct nif_lib *lib)
{
    if (atomic_fetch_sub_explicit(&lib->refs, 1, memory_order_acq_rel) == 1) {
        nif_deferred_push(&lib->ending, end_lib);
    }
}

void nif_lib_release(struct nif_lib *lib)
{
    nif_types_release(lib);
    nif_lib_unref(lib);
}

/* ---- opening ---- */

__attribute__((format(printf, 3, 4))) static void fail(
    struct nif_error *error, term kind, const char *fmt, ...)
{
    char line[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    error->kind = kind;
    text_cstr(&error->text, line);
}

struct opening {
    struct nif_lib *lib;
    nif_func_checker check;
    void *check_arg;
    struct nif_error *error;
    bool ok;
};

static void open_file(void *arg)
{
    struct opening *o = arg;
    o->lib->dl_handle = dlopen(o->lib->path, RTLD_NOW);
    if (o->lib->dl_handle == NULL) {
        const char *why = dlerror();
        fail(o->error, ATOM(load_failed), "Failed to load NIF library: '%s'",
            why != NULL ? why : "");
        return;
    }
    o->ok = true;
}

static bool version_fits(const struct nif_lib *lib, struct nif_error *error)
{
    const ErlNifEntry *e = lib->entry;
    if (e->major > API_MAJOR || (e->major == API_MAJOR && e->minor > API_MINOR)) {
        bool named = e->minor >= SINCE_MIN_ERTS && e->min_erts != NULL;
        fail(error, ATOM(bad_lib),
            "That '%s' NIF library needs %s or newer. Either try to recompile the NIF lib or use a "
            "newer "
            "erts runtime.",
            atom_cstr(lib->module), named ? e->min_erts : "erts-?");
        return false;
    }
    if (e->major < ERL_NIF_MIN_REQUIRED_MAJOR_VERSION_ON_LOAD
        || (e->major == API_MAJOR && e->minor == API_EXPERIMENTAL_MINOR)) {
        fail(error, ATOM(bad_lib),
            "That old NIF library (%d.%d) is not compatible with this erts runtime (%d.%d). Try "
            "recompile "
            "the NIF lib.",
            e->major, e->minor, API_MAJOR, API_MINOR);
        return false;
    }
    return true;
}

static bool names_fit(const struct nif_lib *lib, struct nif_error *error)
{
    const ErlNifEntry *e = lib->entry;
    if (e->minor >= SINCE_VM_VARIANT && strcmp(e->vm_variant, ERL_NIF_VM_VARIANT) != 0) {
        fail(error, ATOM(bad_lib), "Library (%s) not compiled for this vm variant (%s).",
            e->vm_variant, ERL_NIF_VM_VARIANT);
        return false;
    }
    if (strcmp(e->name, atom_cstr(lib->module)) != 0) {
        fail(error, ATOM(bad_lib), "Library module name '%s' does not match calling module '%s'",
            e->name, atom_cstr(lib->module));
        return false;
    }
    return true;
}

static bool take_function(struct opening *o, size_t i, const ErlNifFunc *given)
{
    struct nif_lib *lib = o->lib;
    const char *module = atom_cstr(lib->module);
    struct nif_func *f = &lib->funcs[i];
    f->lib = lib;
    f->module = lib->module;
    f->name = atom_lookup_latin1((const uint8_t *) given->name, strlen(given->name));
    f->module_text = module;
    f->name_text = term_is_none(f->name) ? "" : atom_cstr(f->name);
    f->arity = given->arity;
    f->fn = given->fptr;
    f->flags = given->flags;
    switch (
        term_is_none(f->name) ? NIF_FUNC_NOT_FOUND : o->check(o->check_arg, f->name, f->arity)) {
    case NIF_FUNC_OK:
        break;
    case NIF_FUNC_NOT_FOUND:
        fail(o->error, ATOM(bad_lib), "Function not found %s:%s/%u", module, given->name,
            given->arity);
        return false;
    case NIF_FUNC_NOT_DECLARED:
        fail(o->error, ATOM(bad_lib), "Function not declared as nif %s:%s/%u", module, given->name,
            given->arity);
        return false;
    }
    if (f->flags > ERL_NIF_DIRTY_JOB_IO_BOUND) {
        fail(o->error, ATOM(bad_lib), "Illegal flags field value %u for NIF %s:%s/%u", f->flags,
            module, given->name, given->arity);
        return false;
    }
    for (size_t j = 0; j < i; j++) {
        if (term_same(lib->funcs[j].name, f->name) && lib->funcs[j].arity == f->arity) {
            fail(o->error, ATOM(bad_lib), "Duplicate NIF entry for %s:%s/%u", module, given->name,
                given->arity);
            return false;
        }
    }
    return true;
}

/* Calls nif_init() and looks at what it returns. Runs guarded: it is all the library's memory. */
static void read_entry(void *arg)
{
    struct opening *o = arg;
    struct nif_lib *lib = o->lib;
    ErlNifEntry *(*init)(void);
    void *symbol = dlsym(lib->dl_handle, "nif_init");
    if (symbol == NULL) {
        symbol = dlsym(lib->dl_handle, "_nif_init");
    }
    if (symbol == NULL) {
        fail(o->error, ATOM(bad_lib),
            "Failed to find library init function: '%s: undefined symbol: _nif_init'", lib->path);
        return;
    }
    memcpy(&init, &symbol, sizeof(init));
    lib->entry = init();
    if (lib->entry == NULL) {
        fail(o->error, ATOM(bad_lib), "Library init-call unsuccessful");
        return;
    }
    if (!version_fits(lib, o->error) || !names_fit(lib, o->error)) {
        return;
    }
    size_t n = lib->entry->num_of_funcs > 0 ? (size_t) lib->entry->num_of_funcs : 0;
    size_t stride = lib->entry->minor >= SINCE_FUNC_FLAGS ? sizeof(ErlNifFunc) : OLD_FUNC_BYTES;
    lib->funcs = vm_zalloc(n * sizeof(*lib->funcs));
    lib->n_funcs = n;
    for (size_t i = 0; i < n; i++) {
        const ErlNifFunc *given =
            (const ErlNifFunc *) (const void *) ((const char *) lib->entry->funcs + i * stride);
        ErlNifFunc f = { .name = given->name, .arity = given->arity, .fptr = given->fptr };
        f.flags = lib->entry->minor >= SINCE_FUNC_FLAGS ? given->flags : 0;
        if (!take_function(o, i, &f)) {
            return;
        }
    }
    o->ok = true;
}

static char *library_path(const char *path)
{
    size_t n = strlen(path);
    char *full = vm_alloc(n + sizeof(".so"));
    memcpy(full, path, n);
    memcpy(full + n, ".so", sizeof(".so"));
    return full;
}

struct nif_lib *nif_lib_open(
    term module, const char *path, nif_func_checker check, void *arg, struct nif_error *error)
{
    struct nif_lib *lib = vm_zalloc(sizeof(*lib));
    struct opening o = { lib, check, arg, error, false };
    atomic_init(&lib->refs, 1);
    lib->module = module;
    lib->path = library_path(path);
    lock_take(&libs_lock);
    lib->next = libs;
    libs = lib;
    lock_drop(&libs_lock);
    if (!nif_run_callback(lib, NIF_CB_OPEN, NULL, open_file, &o)) {
        lib->tainted = true;
        fail(error, ATOM(load_failed), "Failed to load NIF library: '%s: crashed'", lib->path);
    } else if (o.ok) {
        o.ok = false;
        if (!nif_run_callback(lib, NIF_CB_INIT, NULL, read_entry, &o)) {
            lib->tainted = true;
            text_free(&error->text);
            error->text = (struct text) { 0 };
            fail(error, ATOM(bad_lib), "Library init-call crashed");
            o.ok = false;
        }
    }
    if (!o.ok) {
        nif_lib_unref(lib);
        return NULL;
    }
    return lib;
}

static bool take_functions_from_elsewhere(struct opening *o, term functions)
{
    enum { MAX_ARITY = 255, MAX_FUNCTIONS = 65535 };
    size_t n = 0;
    term end = functions;
    for (; term_is_cons(end) && n <= MAX_FUNCTIONS; end = term_tail(end)) {
        n++;
    }
    if (!term_is_nil(end)) {
        fail(o->error, ATOM(bad_lib), "The library's process did not say what functions it has");
        return false;
    }
    o->lib->funcs = vm_zalloc(n * sizeof(*o->lib->funcs));
    o->lib->n_funcs = n;
    for (size_t i = 0; i < n; i++, functions = term_tail(functions)) {
        term f = term_head(functions);
        bool good = term_is_tuple_of(f, 3) && term_is_atom(term_tuple_get(f, 0)) && term_is_small(term_tuple_get(f, 1))
                    && term_is_small(term_tuple_get(f, 2));
        intptr_t arity = good ? term_to_small(term_tuple_get(f, 1)) : -1, flags = good ? term_to_small(term_tuple_get(f, 2)) : -1;
        if (arity < 0 || arity > MAX_ARITY || flags < 0 || flags > ERL_NIF_DIRTY_JOB_IO_BOUND) {
            fail(o->error, ATOM(bad_lib), "The library's process did not say what functions it has");
            return false;
        }
        ErlNifFunc given = { .name = atom_cstr(term_tuple_get(f, 0)), .arity = (unsigned) arity, .flags = (unsigned) flags };
        if (!take_function(o, i, &given)) {
            return false;
        }
    }
    return true;
}

struct nif_lib *nif_lib_from_elsewhere(term module, const char *path, uint32_t elsewhere, term functions,
    nif_func_checker check, void *arg, struct nif_error *error)
{
    struct nif_lib *lib = vm_zalloc(sizeof(*lib));
    struct opening o = { lib, check, arg, error, false };
    atomic_init(&lib->refs, 1);
    lib->module = module;
    lib->path = library_path(path);
    lib->elsewhere = elsewhere;
    lock_take(&libs_lock);
    lib->next = libs;
    libs = lib;
    lock_drop(&libs_lock);
    if (!take_functions_from_elsewhere(&o, functions)) {
        nif_lib_unref(lib);
        return NULL;
    }
    note_taint(module);
    return lib;
}

/* ---- load and upgrade ---- */

struct start_call {
    struct enif_environment_t env;
    struct nif_lib *lib, *previous;
    ERL_NIF_TERM load_info;
    int result;
};

static void call_start(void *arg)
{
    struct start_call *c = arg;
    const ErlNifEntry *e = c->lib->entry;
    if (c->previous != NULL) {
        c->result = e->upgrade(&c->env, &c->lib->priv_data, &c->previous->priv_data, c->load_info);
    } else if (e->load != NULL) {
        c->result = e->load(&c->env, &c->lib->priv_data, c->load_info);
    }
}

bool nif_lib_start(struct nif_lib *lib, struct nif_lib *previous, struct heap *heap, void *caller,
    term pid, term load_info, struct nif_error *error)
{
    struct start_call c = { .lib = lib, .previous = previous, .load_info = load_info.word };
    struct nif_load load = { lib, NULL };
    term kind = previous != NULL ? ATOM(upgrade) : ATOM(load);
    if (previous != NULL && lib->entry->upgrade == NULL) {
        fail(error, kind, "Upgrade not supported by this NIF library.");
        return false;
    }
    nif_env_begin(&c.env, heap, caller, pid, lib);
    c.env.kind = NIF_ENV_CALLBACK;
    c.env.load = &load;
    if (!nif_run_callback(
            lib, previous != NULL ? NIF_CB_UPGRADE : NIF_CB_LOAD, &c.env, call_start, &c)) {
        lib->tainted = true;
        nif_env_abort(&c.env); /* rolls the resource types back */
        fail(error, kind, "Library %s-call crashed.", atom_cstr(kind));
        return false;
    }
    c.env.load = NULL;
    nif_env_commit(&c.env);
    nif_env_done(&c.env);
    if (c.result != 0) {
        nif_load_rollback_types(&load);
        fail(error, kind, "Library %s-call unsuccessful (%d).", atom_cstr(kind), c.result);
        return false;
    }
    nif_load_commit_types(&load);
    lib->loaded = true;
    note_taint(lib->module);
    return true;
}

/* ---- the end of the program ---- */

static void call_on_halt(void *arg)
{
    struct nif_lib *lib = arg;
    lib->on_halt(lib->priv_data);
}

void nif_lib_halt(void)
{
    for (struct nif_lib *lib = libs; lib != NULL; lib = lib->next) {
        if (lib->loaded && lib->on_halt != NULL) {
            (void) nif_run_callback(lib, NIF_CB_UNLOAD, NULL, call_on_halt, lib);
        }
    }
}
