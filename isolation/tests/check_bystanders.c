/* check_bystanders.c - what crashing calls leave alone: other threads, children, memory, time. */
#include <malloc.h>
#include <pthread.h>

#include "isolation/tests/executor_test.h"
#include "lib/base/clock.h"

START_TEST(threads_of_a_library_are_contained)
{
    use_policy("in_process");
    call("in_thread_value", 41, 0);
    ck_assert_uint_eq(out.value, 42);
    for (int i = 0; i < 20; i++) {
        call("in_thread_crash", 0, 0);
        ck_assert_int_eq(out.status, NATIVE_RETURNED);
        ck_assert_uint_eq(out.value, (uintptr_t) PTHREAD_CANCELED);
        call("in_thread_exit", 4, 0);
        ck_assert_uint_eq(out.value, (uintptr_t) PTHREAD_CANCELED);
        call("in_thread_pthread_exit", 77, 0);
        ck_assert_uint_eq(out.value, 77);
        call("in_thread_overflow", 0, 0);
        ck_assert_uint_eq(out.value, (uintptr_t) PTHREAD_CANCELED);
    }
    ck_assert(library->tainted);
}
END_TEST

static void *print_elsewhere(void *arg)
{
    (void) arg;
    struct native_call c = { .library = library, .code = dlsym(handle, "use_printf"), .name = "use_printf" };
    struct native_outcome o = { 0 };
    library->ops->call(&c, &o);
    return (void *) o.value;
}

START_TEST(stdio_works_in_other_threads_after_a_crash_inside_it)
{
    static const char *const ways[] = { "crash_in_printf", "crash_holding_stdout" };
    use_policy("in_process");
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        pthread_t t;
        void *value;
        assert_reason(ways[i], "{nif_signal,11}");
        ck_assert_int_eq(pthread_create(&t, NULL, print_elsewhere, NULL), 0);
        ck_assert_int_eq(pthread_join(t, &value), 0);
        ck_assert_uint_eq((uintptr_t) value, 5);
    }
}
END_TEST

START_TEST(a_child_that_comes_back_ends)
{
    use_policy("in_process");
    ck_assert_int_eq(call("do_fork", 0, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 1);
    ck_assert_int_eq(call("fork_and_crash", 0, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 1);
    ck_assert_int_eq(call("fork_and_exec", 0, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 1);
    ck_assert_int_eq(call("vfork_and_exit", 0, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 5);
    ck_assert_int_eq(call("run_system", 0, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 3);
}
END_TEST

#ifndef HAVE_SANITIZER
START_TEST(heaps_are_apart)
{
    use_policy("in_process");
    call("heap_address", 0, 0);
    void *theirs = (void *) out.value;
    void *ours = malloc(100);
    ck_assert_uint_ne((uintptr_t) theirs >> 36, (uintptr_t) ours >> 36);
    free(theirs); /* whoever frees it */
    free(ours);
    void *vm = vm_alloc(64);
    call("free_given", (uintptr_t) vm, 0);
    ck_assert_str_eq(reason, "{nif_signal,6}");
    vm_free(vm);
    void *wide;
    ck_assert_int_eq(posix_memalign(&wide, 1 << 16, 100), 0);
    ck_assert_uint_eq((uintptr_t) wide % (1 << 16), 0);
    ck_assert_uint_ge(malloc_usable_size(wide), 100);
    free(wide);
    char *z = calloc(1000, 10);
    for (int i = 0; i < 10000; i++) {
        ck_assert_int_eq(z[i], 0);
    }
    z = realloc(z, 200000);
    ck_assert_int_eq(z[9999], 0);
    free(z);
}
END_TEST
#endif

static size_t resident_pages(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    ck_assert_int_eq(fscanf(f, "%*u %zu", &pages), 1);
    fclose(f);
    return pages;
}

START_TEST(a_hundred_thousand_crashes_cost_no_memory)
{
    static const char *const ways[] = { "null_write", "divide", "do_abort", "overflow_small", "do_exit", "illegal" };
    use_policy("in_process,stack=65536");
    for (int i = 0; i < 2000; i++) {
        call(ways[i % (int) ARRAY_LEN(ways)], 0, 0);
    }
    size_t before = resident_pages();
    for (int i = 0; i < MANY_CRASHES; i++) {
        ck_assert_int_ge(call(ways[i % (int) ARRAY_LEN(ways)], 0, 0), NATIVE_PANICKED);
    }
    if (!SANITIZED) { /* which keeps freed memory for a while */
        ck_assert_uint_lt(resident_pages(), before + 256);
    }
}
END_TEST

static void *crash_often(void *arg)
{
    struct native_call c = { .library = library, .code = dlsym(handle, arg), .name = arg };
    struct native_outcome o = { 0 };
    for (int i = 0; i < 5000; i++) {
        library->ops->call(&c, &o);
        if (o.status == NATIVE_RETURNED) {
            return "returned";
        }
        native_outcome_clear(&o);
    }
    return NULL;
}

START_TEST(threads_crash_side_by_side)
{
    static char *ways[] = { "null_write", "divide", "do_abort", "null_jump" };
    pthread_t t[ARRAY_LEN(ways)];
    use_policy("in_process");
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        ck_assert_int_eq(pthread_create(&t[i], NULL, crash_often, ways[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        void *problem;
        pthread_join(t[i], &problem);
        ck_assert_ptr_null(problem);
    }
}
END_TEST

static void *never_late(void *arg)
{
    struct native_call c = { .library = library, .code = dlsym(handle, "add"), .arg = { 1, 2 }, .name = "add" };
    struct native_outcome o = { 0 };
    while (!__atomic_load_n((bool *) arg, __ATOMIC_RELAXED)) {
        int64_t before = clock_monotonic_ns();
        library->ops->call(&c, &o);
        bool late = clock_monotonic_ns() - before >= 100000000; /* on a busy machine */
        if ((o.status != NATIVE_RETURNED || o.value != 3) && !(o.status == NATIVE_TIMED_OUT && late)) {
            return "disturbed";
        }
    }
    return NULL;
}

START_TEST(a_timeout_disturbs_nobody_else)
{
    bool stop = false;
    pthread_t t;
    void *problem;
    use_policy("in_process,timeout=100");
    ck_assert_int_eq(pthread_create(&t, NULL, never_late, &stop), 0);
    for (int i = 0; i < 12; i++) {
        const char *name = endless[(size_t) i % ARRAY_LEN(endless)];
        if (!is_out_of_reach(name)) {
            assert_reason(name, "{nif_timeout,100}");
        }
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(t, &problem);
    ck_assert_ptr_null(problem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bystanders");
    TCase *tc = executor_tcase("bystanders");
    if (!THREAD_SANITIZED) {
        tcase_add_test(tc, threads_of_a_library_are_contained);
    }
    tcase_add_test(tc, stdio_works_in_other_threads_after_a_crash_inside_it);
    tcase_add_test(tc, a_child_that_comes_back_ends);
#ifndef HAVE_SANITIZER
    tcase_add_test(tc, heaps_are_apart);
#endif
    tcase_add_test(tc, a_hundred_thousand_crashes_cost_no_memory);
    tcase_add_test(tc, threads_crash_side_by_side);
    tcase_add_test(tc, a_timeout_disturbs_nobody_else);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
