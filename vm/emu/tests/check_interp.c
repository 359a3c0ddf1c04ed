/* Compiled modules of OTP run through loader, emitter and interpreter on one scheduler. */
#include <check.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/tests/run_suite.h"
#include "vm/bif/bif.h"
#include "vm/code/module.h"
#include "vm/core/compare.h"
#include "vm/emu/interp.h"
#include "vm/proc/sched.h"
#include "vm/proc/watch.h"

static struct heap heap;

static void start(void)
{
    const struct sched_options one = { .n_schedulers = 1, .n_dirty_cpu = 1, .n_dirty_io = 1 };
    ck_assert(sched_start(&one));
    heap_init_frags(&heap);
}
static void stop(void)
{
    sched_stop();
    heap_destroy(&heap);
}

static term atom(const char *text)
{
    return atom_from_cstr(text);
}
static term export_fun(const char *m, const char *f, uint32_t arity)
{
    uintptr_t *p = heap_alloc(&heap, HEAP_EXPORT_WORDS);
    p[0] = TERM_HEADER(TAG_EXPORT, HEAP_EXPORT_WORDS - 1);
    p[1] = (uintptr_t) export_get(atom(m), atom(f), arity);
    return term_from_boxed_ptr(p);
}
static struct proc_watch run(const char *m, const char *f, size_t n, const term *args)
{
    struct proc_watch w;
    ck_assert(proc_run_watched(&w, atom(m), atom(f), heap_list(&heap, args, n, TERM_NIL)));
    return w;
}
static term first_frame(const struct proc_watch *w)
{
    ck_assert(term_is_cons(w->stacktrace));
    return term_head(w->stacktrace);
}

START_TEST(a_function_that_returns_ends_its_process_normally)
{
    struct proc_watch w = run("lists", "seq", 2, (term[]) { term_from_small(1), term_from_small(100000) });
    ck_assert(w.normal);
    heap_destroy(&w.heap);
}
END_TEST

START_TEST(what_is_raised_in_a_callback_ends_the_process)
{
    term list = heap_list(&heap, (term[]) { term_from_small(42) }, 1, TERM_NIL);
    struct proc_watch w = run("lists", "foreach", 2, (term[]) { export_fun("erlang", "exit", 1), list });
    ck_assert_int_eq(w.class, EXC_EXIT);
    ck_assert(term_same(w.reason, term_from_small(42)));
    heap_destroy(&w.heap);
}
END_TEST

START_TEST(a_missing_function_is_undef_with_its_arguments)
{
    struct proc_watch w = run("no_such_module", "f", 1, (term[]) { ATOM(ok) });
    ck_assert_int_eq(w.class, EXC_ERROR);
    ck_assert(term_same(w.reason, ATOM(undef)));
    term args = term_tuple_get(first_frame(&w), 2);
    ck_assert(term_is_cons(args) && term_same(term_head(args), ATOM(ok)));
    heap_destroy(&w.heap);
}
END_TEST

START_TEST(a_function_clause_shows_arguments_file_and_line)
{
    struct proc_watch w = run("lists", "last", 1, (term[]) { TERM_NIL });
    ck_assert(term_same(w.reason, ATOM(function_clause)));
    term frame = first_frame(&w);
    ck_assert(term_same(term_tuple_get(frame, 1), atom("last")));
    ck_assert(term_is_cons(term_tuple_get(frame, 2)));
    term place = term_tuple_get(frame, 3);
    ck_assert_int_eq(term_list_length(place), 2);
    ck_assert(term_same(term_tuple_get(term_head(place), 0), ATOM(file)));
    heap_destroy(&w.heap);
}
END_TEST

START_TEST(a_failing_bif_tops_the_trace_with_error_info)
{
    struct proc_watch w = run("lists", "nth", 2, (term[]) { term_from_small(3), heap_list(&heap, NULL, 0, TERM_NIL) });
    ck_assert(term_same(w.reason, ATOM(function_clause)));
    heap_destroy(&w.heap);
    w = run("erlang", "element", 2, (term[]) { term_from_small(1), ATOM(ok) });
    ck_assert(term_same(w.reason, ATOM(badarg)));
    term info = term_head(term_tuple_get(first_frame(&w), 3));
    ck_assert(term_same(term_tuple_get(info, 0), ATOM(error_info)));
    heap_destroy(&w.heap);
}
END_TEST

START_TEST(deep_recursion_grows_the_stack_and_collects)
{
    term big = heap_list(&heap, NULL, 0, TERM_NIL);
    for (int i = 0; i < 200000; i++) {
        big = heap_cons(&heap, term_from_small(i % 1000), big);
    }
    struct proc_watch w = run("lists", "map", 2, (term[]) { export_fun("erlang", "abs", 1), big });
    ck_assert(w.normal);
    heap_destroy(&w.heap);
    w = run("lists", "sort", 1, (term[]) { big });
    ck_assert(w.normal);
    heap_destroy(&w.heap);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("interp");
    TCase *t = tcase_create("interp");
    tcase_add_checked_fixture(t, start, stop);
    tcase_set_timeout(t, 60);
    VM_REQUIRE(arena_init_all());
    atom_table_init();
    interp_init();
    bif_table_init();
    code_path_init();
    if (code_otp_root() != NULL) { /* else there is nothing to run */
        tcase_add_test(t, a_function_that_returns_ends_its_process_normally);
        tcase_add_test(t, what_is_raised_in_a_callback_ends_the_process);
        tcase_add_test(t, a_missing_function_is_undef_with_its_arguments);
        tcase_add_test(t, a_function_clause_shows_arguments_file_and_line);
        tcase_add_test(t, a_failing_bif_tops_the_trace_with_error_info);
        tcase_add_test(t, deep_recursion_grows_the_stack_and_collects);
    }
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
