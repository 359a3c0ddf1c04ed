/* The module table, code ranges, catch tags and the code path. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "vm/bif/bif.h"
#include "vm/code/module.h"
#include "vm/core/fun.h"
#include "vm/emu/interp.h"

#include "vm/code/tests/code_test.h" /* last: its macros have short names */

static const uint8_t body_one[] = { OP_return };
static const uint8_t body_two[] = { OP_move, I(2), X(0), OP_return };
static const uint8_t body_on_load[] = { OP_on_load, OP_move, I(2), X(0), OP_return };
static const uint8_t body_fun[] = { OP_return, OP_label, U(3), OP_func_info, A(A_MODULE), A(A_G),
    U(1), OP_label, U(4), OP_return };

static struct code_image *prepare(
    const uint8_t *body, size_t n_body, unsigned n_functions, unsigned fun_label)
{
    struct blob file;
    char error[256] = "";
    make_file(&file,
        &(struct recipe) { .body = body, .n_body = n_body, .n_functions = n_functions }, fun_label);
    struct code_image *image = module_prepare(file.bytes, file.n, error);
    ck_assert_msg(image != NULL, "%s", error);
    return image;
}

static term name(void)
{
    return atom_from_cstr("t");
}

static const uint64_t *export_code(void)
{
    return atomic_load(&export_get(name(), atom_from_cstr("f"), 1)->code);
}

START_TEST(life_of_a_module)
{
    struct export *e = export_get(name(), atom_from_cstr("f"), 1);
    ck_assert_ptr_eq(export_code(), e->stub);
    struct code_image *one = prepare(body_one, sizeof(body_one), 1, 0);
    ck_assert_ptr_eq(export_code(), e->stub); /* prepared is not published */
    ck_assert(module_publish(one));
    const uint64_t *first = export_code();
    ck_assert_ptr_eq(code_find_image(first), one);
    const struct code_function *f = code_find_function(one, first);
    ck_assert_ptr_nonnull(f);
    ck_assert(term_same(f->name, atom_from_cstr("f")));
    ck_assert_uint_eq(f->arity, 1);
    ck_assert(term_same((term) { first[CODE_WORD_FUNCTION - CODE_HEADER_WORDS] }, f->name));

    struct code_image *two = prepare(body_two, sizeof(body_two), 1, 0);
    ck_assert(module_publish(two));
    ck_assert_ptr_ne(export_code(), first);
    ck_assert_ptr_eq(atomic_load(&module_find(name())->old), one);

    struct code_image *three = prepare(body_two, sizeof(body_two), 1, 0);
    ck_assert(!module_publish(three)); /* old code has to go first */
    ck_assert(!module_delete(name()));
    ck_assert(module_purge_old(name()));
    ck_assert(!module_purge_old(name()));
    ck_assert_ptr_null(code_find_image(first));
    ck_assert(module_publish(three));
    ck_assert(module_purge_old(name()));

    ck_assert(module_delete(name()));
    ck_assert_ptr_eq(export_code(), e->stub);
    ck_assert_ptr_null(atomic_load(&module_find(name())->current));
    ck_assert(module_purge_old(name()));
}
END_TEST

/* Nobody comes upon it any more, but who has it may go on reading. */
START_TEST(what_was_purged_is_freed_later)
{
    struct literal_batch b;
    struct code_image *image = prepare(body_one, sizeof(body_one), 1, 0);
    ck_assert(module_publish(image));
    ck_assert(module_delete(name()));
    size_t before = literal_retired_bytes();
    ck_assert(module_purge_old(name()));
    ck_assert_uint_ge(literal_retired_bytes(), before + sizeof(*image) + image->n_words * sizeof(uint64_t));
    ck_assert_ptr_null(code_find_image(image->words));
    ck_assert(term_same(image->module, name()));
    ck_assert_ptr_nonnull(code_find_function(image, image->words + image->functions[0].entry_word));
    ck_assert(literal_batch_take(&b));
    (void) literal_batch_finish(&b, false);
    ck_assert_uint_eq(literal_retired_bytes(), 0);
}
END_TEST

START_TEST(funs_run_the_code_that_made_them)
{
    struct code_image *one = prepare(body_fun, sizeof(body_fun), 2, 4);
    ck_assert_uint_eq(one->n_funs, 1);
    struct fun_entry *fun = one->funs[0];
    ck_assert_ptr_null(atomic_load(&fun->code));
    ck_assert(module_publish(one));
    const uint64_t *code = atomic_load(&fun->code);
    ck_assert_ptr_eq(code_find_image(code), one);
    ck_assert(module_publish(prepare(body_two, sizeof(body_two), 1, 0)));
    ck_assert_ptr_eq(atomic_load(&fun->code), code);
    module_block_old(name(), true);
    ck_assert_ptr_null(atomic_load(&fun->code));
    module_block_old(name(), false);
    ck_assert_ptr_eq(atomic_load(&fun->code), code);
    ck_assert(module_purge_old(name()));
    ck_assert_ptr_null(atomic_load(&fun->code));
    ck_assert(module_delete(name()) && module_purge_old(name()));
}
END_TEST

START_TEST(a_module_with_on_load_waits_for_it)
{
    struct code_image *image = prepare(body_on_load, sizeof(body_on_load), 1, 0);
    ck_assert(!term_is_none(image->on_load));
    ck_assert(module_start(image));
    ck_assert_ptr_eq(code_find_image(image->words + image->on_load_word), image);
    struct module *m = module_find(name());
    ck_assert_ptr_null(atomic_load(&m->current));
    struct code_image *second = prepare(body_on_load, sizeof(body_on_load), 1, 0);
    ck_assert(!module_start(second));
    ck_assert(module_finish_start(name(), true));
    ck_assert_ptr_eq(atomic_load(&m->current), image);
    ck_assert(module_delete(name()) && module_purge_old(name()));
    ck_assert(module_start(second));
    ck_assert(module_finish_start(name(), false));
    ck_assert_ptr_null(atomic_load(&m->current));
    ck_assert(!module_finish_start(name(), true));
}
END_TEST

START_TEST(what_is_native_stays_native)
{
    char error[256];
    struct export *e = export_lookup(atom_from_cstr("lists"), atom_from_cstr("reverse"), 2);
    if (e == NULL || e->bif == NULL || code_otp_root() == NULL) {
        return;
    }
    const uint64_t *native = atomic_load(&e->code);
    ck_assert_int_eq(module_ensure_loaded(atom_from_cstr("lists"), error), MODULE_LOADED);
    ck_assert_ptr_eq(atomic_load(&e->code), native);
    struct export *map = export_get(atom_from_cstr("lists"), atom_from_cstr("map"), 2);
    ck_assert_ptr_ne(atomic_load(&map->code), map->stub);
    const struct code_image *image = code_find_image(atomic_load(&map->code));
    ck_assert_ptr_nonnull(image);
    term file;
    uint32_t line;
    size_t with_line = 0;
    for (size_t i = 0; i < image->n_words; i++) {
        with_line += code_find_line(image, image->words + i, &file, &line);
    }
    ck_assert_uint_gt(with_line, image->n_words / 10);
}
END_TEST

START_TEST(there_is_no_such_module)
{
    char error[256];
    ck_assert_int_eq(
        module_ensure_loaded(atom_from_cstr("no such module"), error), MODULE_NOT_FOUND);
    ck_assert_int_eq(
        module_ensure_loaded(atom_from_cstr("../../etc/passwd"), error), MODULE_NOT_FOUND);
    ck_assert_int_eq(module_ensure_loaded(ATOM(empty), error), MODULE_NOT_FOUND);
}
END_TEST

START_TEST(a_bad_file_on_the_path_is_named)
{
    char dir[] = "/tmp/bulkhead-path-XXXXXX", path[100], error[256];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/bad_one.beam", dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs("no beam", f);
    fclose(f);
    code_path_add(dir, true);
    char *found = code_path_find(atom_from_cstr("bad_one"));
    ck_assert_ptr_nonnull(found);
    ck_assert_str_eq(found, path);
    vm_free(found);
    ck_assert_int_eq(module_ensure_loaded(atom_from_cstr("bad_one"), error), MODULE_BAD);
    ck_assert_ptr_nonnull(strstr(error, "not a BEAM file"));
    ck_assert(code_path_remove(dir));
    ck_assert(!code_path_remove(dir));
    ck_assert_ptr_null(code_path_find(atom_from_cstr("bad_one")));
    unlink(path);
    rmdir(dir);
}
END_TEST

START_TEST(catch_tags_are_used_again)
{
    uint64_t word;
    size_t a = catch_reserve(5000), b = catch_reserve(3);
    ck_assert_uint_gt(a, 0);
    ck_assert(b >= a + 5000 || b + 3 <= a);
    catch_set(a + 4999, &word);
    ck_assert_ptr_eq(catch_target(a + 4999), &word);
    catch_release(a, 5000);
    ck_assert_uint_eq(catch_reserve(4000), a);
    ck_assert_uint_eq(catch_reserve(1000), a + 4000);
}
END_TEST

/* Lookups while modules come and go: none may see a range half written. */
static _Atomic bool stop;
static void *look_up(void *arg)
{
    struct code_image *image = arg;
    size_t n = 0;
    while (!atomic_load(&stop)) {
        for (size_t i = 0; i < image->n_words; i++) {
            VM_REQUIRE(code_find_image(image->words + i) == image);
            n++;
        }
        VM_REQUIRE(code_find_image(image->words + image->n_words) != image);
    }
    return (void *) n;
}

START_TEST(lookups_need_no_lock)
{
    struct code_image *image = prepare(body_one, sizeof(body_one), 1, 0);
    pthread_t thread;
    atomic_store(&stop, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, look_up, image), 0);
    for (int i = 0; i < 300; i++) {
        struct code_image *many[8];
        for (int k = 0; k < 8; k++) {
            many[k] = prepare(body_two, sizeof(body_two), 1, 0);
        }
        for (int k = 0; k < 8; k++) {
            code_image_free(many[k]);
        }
    }
    atomic_store(&stop, true);
    void *n;
    pthread_join(thread, &n);
    ck_assert_ptr_nonnull(n);
    code_image_free(image);
}
END_TEST

int main(void)
{
    start_tables();
    interp_init();
    bif_table_init();
    code_path_init();
    Suite *suite = suite_create("module");
    TCase *tc = tcase_create("module");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, life_of_a_module);
    tcase_add_test(tc, what_was_purged_is_freed_later);
    tcase_add_test(tc, funs_run_the_code_that_made_them);
    tcase_add_test(tc, a_module_with_on_load_waits_for_it);
    tcase_add_test(tc, what_is_native_stays_native);
    tcase_add_test(tc, there_is_no_such_module);
    tcase_add_test(tc, a_bad_file_on_the_path_is_named);
    tcase_add_test(tc, catch_tags_are_used_again);
    tcase_add_test(tc, lookups_need_no_lock);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
