#include <dlfcn.h>
#include <unistd.h>

#include "nif/tests/nif_test.h"

/* Stands for a module with -nifs([one/1, two/2]) and a plain/0. */
static enum nif_func_check check_function(void *arg, term name, unsigned arity)
{
    (void) arg;
    if ((term_same(name, atom_from_cstr("one")) && arity == 1)
        || (term_same(name, atom_from_cstr("two")) && arity == 2)) {
        return NIF_FUNC_OK;
    }
    return term_same(name, atom_from_cstr("plain")) ? NIF_FUNC_NOT_DECLARED : NIF_FUNC_NOT_FOUND;
}

static char *library(const char *name)
{
    static char path[4096];
    const char *dir = getenv("builddir");
    snprintf(path, sizeof(path), "%s/nif/tests/libs/%s", dir != NULL ? dir : ".", name);
    return path;
}

static struct nif_lib *open_lib(const char *which, struct nif_error *error)
{
    *error = (struct nif_error) { 0 };
    (void) atom_from_cstr("one"); /* a loaded module has made the atoms of its functions */
    (void) atom_from_cstr("two");
    (void) atom_from_cstr("plain");
    setenv("NIF_ENTRY", which, 1);
    struct nif_lib *lib =
        nif_lib_open(atom_from_cstr("entries"), library("entries"), check_function, NULL, error);
    if (error->text.data != NULL) {
        text_add(&error->text, "", 1);
    }
    return lib;
}

/* Texts as Erlang/OTP 25 gives them. */
static const struct {
    const char *which, *text;
} wrong[] = {
    { "nothing", "Library init-call unsuccessful" },
    { "too_new", "That 'entries' NIF library needs erts-99.1 or newer. Either try to recompile the "
                 "NIF lib or use a "
                 "newer erts runtime." },
    { "too_old", "That old NIF library (1.0) is not compatible with this erts runtime (2.17). Try "
                 "recompile the NIF lib." },
    { "experimental", "That old NIF library (2.5) is not compatible with this erts runtime (2.17). "
                      "Try recompile the NIF lib." },
    { "variant", "Library (beam.hipe) not compiled for this vm variant (beam.vanilla)." },
    { "name", "Library module name 'other' does not match calling module 'entries'" },
    { "unknown", "Function not found entries:no_such_function/3" },
    { "undeclared", "Function not declared as nif entries:plain/0" },
    { "flags", "Illegal flags field value 9 for NIF entries:one/1" },
    { "twice", "Duplicate NIF entry for entries:one/1" },
};

START_TEST(wrong_entries_are_refused_in_words)
{
    struct nif_error error;
    ck_assert_ptr_null(open_lib(wrong[_i].which, &error));
    ck_assert(term_same(error.kind, ATOM(bad_lib)));
    ck_assert_str_eq(error.text.data, wrong[_i].text);
    text_free(&error.text);
    (void) nif_run_deferred();
}
END_TEST

START_TEST(files_that_are_no_libraries_are_refused)
{
    struct nif_error error = { 0 };
    ck_assert_ptr_null(nif_lib_open(ATOM(module), "/nonexistent", check_function, NULL, &error));
    ck_assert(term_same(error.kind, ATOM(load_failed)));
    text_add(&error.text, "", 1);
    ck_assert_str_eq(error.text.data,
        "Failed to load NIF library: '/nonexistent.so: cannot open shared object file: No "
        "such file or directory'");
    text_free(&error.text);
    error = (struct nif_error) { 0 };
    ck_assert_ptr_null(
        nif_lib_open(ATOM(module), library("no_init"), check_function, NULL, &error));
    ck_assert(term_same(error.kind, ATOM(bad_lib)));
    text_add(&error.text, "", 1);
    ck_assert_ptr_nonnull(strstr(error.text.data, "Failed to find library init function: '"));
    ck_assert_ptr_nonnull(strstr(error.text.data, "undefined symbol: _nif_init'"));
    text_free(&error.text);
}
END_TEST

static int count(struct nif_lib *lib, int what)
{
    int (*counts)(int);
    *(void **) (void *) &counts = dlsym(lib->dl_handle, "entries_counts");
    return counts(what);
}

START_TEST(a_library_lives_from_load_to_unload)
{
    struct nif_error error;
    struct nif_lib *first = open_lib("good", &error);
    ck_assert_ptr_nonnull(first);
    ck_assert_uint_eq(first->n_funcs, 2);
    ck_assert_uint_eq(first->funcs[1].flags, ERL_NIF_DIRTY_JOB_CPU_BOUND);
    ck_assert(nif_lib_start(first, NULL, &caller, NULL, TERM_NONE, TERM_NIL, &error));
    ck_assert_int_eq(count(first, 0), 1);
    struct nif_lib *second = open_lib("latest", &error);
    ck_assert(nif_lib_start(second, first, &caller, NULL, TERM_NONE, TERM_NIL, &error));
    ck_assert_int_eq(count(second, 1), 1);
    ck_assert_ptr_eq(second->priv_data, first->priv_data);
    nif_lib_release(first);
    while (nif_run_deferred()) {
    }
    ck_assert_int_eq(count(second, 2), 1);
    struct nif_lib *third = open_lib("no_upgrade", &error);
    ck_assert(!nif_lib_start(third, second, &caller, NULL, TERM_NONE, TERM_NIL, &error));
    ck_assert(term_same(error.kind, ATOM(upgrade)));
    text_free(&error.text);
    nif_lib_unref(third);
    nif_lib_release(second);
    while (nif_run_deferred()) {
    }
}
END_TEST

START_TEST(a_failed_load_takes_its_types_back)
{
    struct nif_error error;
    struct nif_lib *lib = open_lib("bad_load", &error);
    for (int i = 0; i < 2; i++) { /* the second finds no type of the first */
        error = (struct nif_error) { 0 };
        ck_assert(!nif_lib_start(lib, NULL, &caller, NULL, TERM_NONE, TERM_NIL, &error));
        ck_assert(term_same(error.kind, ATOM(load)));
        text_add(&error.text, "", 1);
        ck_assert_str_eq(error.text.data, "Library load-call unsuccessful (17).");
        text_free(&error.text);
    }
    nif_lib_unref(lib);
    (void) nif_run_deferred();
}
END_TEST

START_TEST(libraries_from_before_2_7_load)
{
    struct nif_error error;
    struct nif_lib *lib = open_lib("old", &error);
    ck_assert_ptr_nonnull(lib);
    ck_assert_uint_eq(lib->funcs[1].arity, 2);
    ck_assert_uint_eq(lib->funcs[1].flags, 0);
    ck_assert_ptr_eq((void *) (uintptr_t) lib->funcs[1].fn, (void *) (uintptr_t) lib->funcs[0].fn);
    nif_lib_unref(lib);
    (void) nif_run_deferred();
}
END_TEST

static const char *const packaged[] = {
    "/usr/lib/erlang/lib/jiffy-1.1.1/priv/jiffy.so",
    "/usr/lib/erlang/lib/crypto-5.1.2/priv/lib/crypto.so",
    "/usr/lib/erlang/lib/asn1-5.0.21/priv/lib/asn1rt_nif.so",
};

START_TEST(packaged_libraries_find_every_symbol)
{
    if (access(packaged[_i], R_OK) != 0) {
        return; /* not installed here */
    }
    void *handle = dlopen(packaged[_i], RTLD_NOW);
    ck_assert_msg(handle != NULL, "%s", dlerror());
    ErlNifEntry *(*init)(void);
    *(void **) (void *) &init = dlsym(handle, "nif_init");
    ck_assert_ptr_nonnull(init());
    ck_assert_int_eq(init()->major, 2);
}
END_TEST

START_TEST(every_function_is_exported)
{
    for (size_t i = 0; i < nif_api_count; i++) {
        ck_assert_msg(dlsym(RTLD_DEFAULT, nif_api[i].name) != NULL, "%s", nif_api[i].name);
    }
    static const char *const others[] = { "erl_errno_id", "erl_drv_mutex_lock",
        "bulkhead_nif_panic", "driver_alloc" };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        ck_assert_msg(dlsym(RTLD_DEFAULT, others[i]) != NULL, "%s", others[i]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nif libraries");
    TCase *tc = nif_case(s, "libraries");
    tcase_add_loop_test(tc, wrong_entries_are_refused_in_words, 0, (int) ARRAY_LEN(wrong));
    tcase_add_test(tc, files_that_are_no_libraries_are_refused);
    tcase_add_test(tc, a_library_lives_from_load_to_unload);
    tcase_add_test(tc, a_failed_load_takes_its_types_back);
    tcase_add_test(tc, libraries_from_before_2_7_load);
    tcase_add_loop_test(tc, packaged_libraries_find_every_symbol, 0, (int) ARRAY_LEN(packaged));
    tcase_add_test(tc, every_function_is_exported);
    return run_suite(s);
}
