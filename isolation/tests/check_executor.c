/* check_executor.c - one body of tests for all modes, filtered by what they are capable of. */
#include <fenv.h>
#include <signal.h>
#include <unistd.h>

#include "isolation/quick.h"
#include "isolation/tests/executor_test.h"
#include "isolation/thread.h"
#include "lib/base/clock.h"

/* Modes that need nothing but this process come first in the table. The others have tests of their own. */
static int n_local_modes;

static void count_local_modes(void)
{
    while (n_local_modes < (int) executor_count && (executor_table[n_local_modes]->caps & EXEC_CAP_LOCAL) != 0) {
        n_local_modes++;
    }
}

static const struct executor_ops *mode_of(int i)
{
    use_policy(executor_table[i]->name);
    ck_assert_ptr_eq(library->ops, executor_table[i]);
    return executor_table[i];
}

START_TEST(a_call_returns_its_value)
{
    mode_of(_i);
    ck_assert_int_eq(call("add", 40, 2), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 42);
    ck_assert_int_eq(call("uses_tls", 12345, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 5);
    ck_assert_int_eq(call("malloc_some", 100000, 0), NATIVE_RETURNED);
}
END_TEST

static const struct {
    const char *name, *reason;
} crashes[] = {
    { "null_write", "{nif_signal,11}" },
    { "null_read", "{nif_signal,11}" },
    { "wild_write", "{nif_signal,11}" },
    { "non_canonical", "{nif_signal,11}" },
    { "wild_jump", "{nif_signal,11}" },
    { "null_jump", "{nif_signal,11}" },
    { "bad_stack_pointer", "{nif_signal,11}" },
    { "lost_registers", "{nif_signal,11}" },
    { "divide", "{nif_signal,8}" },
    { "illegal", "{nif_signal,4}" },
    { "trap", "{nif_signal,5}" },
    { "bus", "{nif_signal,7}" },
    { "bad_syscall", "{nif_signal,31}" },
    { "do_abort", "{nif_signal,6}" },
    { "raw_abort", "{nif_signal,6}" },
    { "overflow_small", "{nif_panic,stack_overflow," },
    { "overflow_large", "{nif_panic,stack_overflow," },
    { "block_all_and_crash", "{nif_signal,11}" },
    { "change_fp_and_crash", "{nif_signal,11}" },
    { "do_exit", "{nif_exit,0}" },
    { "do__exit", "{nif_exit,0}" },
    { "do_quick_exit", "{nif_exit,0}" },
    { "raw_exit", "{nif_exit,0}" },
    { "do_exec", "{nif_policy,exec}" },
    { "smash_stack", "{nif_signal," },
    { "do_pthread_exit", "{nif_panic,thread_exit," },
    { "crash_in_printf", "{nif_signal,11}" },
    { "crash_holding_stdout", "{nif_signal,11}" },
#ifndef HAVE_SANITIZER /* which owns malloc */
    { "scribble_and_malloc", "{nif_signal," },
    { "double_free", "{nif_signal,6}" },
    { "free_stack", "{nif_signal,6}" },
#endif
};

START_TEST(a_crash_ends_the_call_and_nothing_else)
{
    if (THREAD_SANITIZED && strcmp(crashes[_i].name, "wild_write") == 0) {
        return;
    }
    for (int m = 0; m < n_local_modes; m++) {
        if ((mode_of(m)->caps & EXEC_CAP_SURVIVES_CRASH) != 0) {
            for (int round = 0; round < 3; round++) {
                assert_reason(crashes[_i].name, crashes[_i].reason);
                ck_assert_ptr_nonnull(out.crash);
                ck_assert_int_eq(call("add", 1, 2), NATIVE_RETURNED);
                ck_assert_uint_eq(out.value, 3);
            }
        }
    }
}
END_TEST

START_TEST(a_failed_assertion_is_a_panic_with_its_text)
{
    use_policy("in_process");
    call("do_assert", 0, 0);
    ck_assert_int_eq(out.status, NATIVE_PANICKED);
    ck_assert_ptr_nonnull(strstr(out.crash->text, "crash.c:"));
    ck_assert_ptr_nonnull(strstr(out.crash->text, "a == 12345"));
    ck_assert_uint_ge(out.crash->trace.n, 1);
    char text[4000];
    text[unwind_text(&out.crash->trace, text, sizeof(text))] = '\0';
    ck_assert_msg(strstr(text, "do_assert+") != NULL, "%s", text);
}
END_TEST

START_TEST(a_timeout_ends_an_endless_call)
{
    if (is_out_of_reach(endless[_i])) {
        return;
    }
    for (int round = 0; round < 3; round++) {
        use_policy("in_process,timeout=50");
        assert_reason(endless[_i], "{nif_timeout,50}");
        use_policy("in_process,timeout=60000");
        ck_assert_int_eq(call("add", 1, 2), NATIVE_RETURNED);
        ck_assert_int_eq(call("malloc_some", 1000, 0), NATIVE_RETURNED);
    }
}
END_TEST

START_TEST(a_call_in_time_is_left_alone)
{
    use_policy("in_process,timeout=60000"); /* a busy machine is slow */
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(call("short_sleep", 1000, 0), NATIVE_RETURNED);
        ck_assert_uint_eq(out.value, 7);
    }
    usleep(300000); /* the watchdog goes to sleep and must be woken */
    use_policy("in_process,timeout=60");
    assert_reason("endless", "{nif_timeout,60}");
}
END_TEST

START_TEST(exit_has_its_status)
{
    use_policy("in_process");
    call("do_exit", 3, 0);
    ck_assert_str_eq(reason, "{nif_exit,3}");
    call("do__exit", 259, 0);
    ck_assert_str_eq(reason, "{nif_exit,3}");
}
END_TEST

START_TEST(handlers_masks_and_rounding_do_not_reach_the_vm)
{
    sigset_t mask;
    use_policy("in_process");
    ck_assert_int_eq(call("take_handlers", 0, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 1); /* it believes so */
    ck_assert_int_eq(call("block_all", 0, 0), NATIVE_RETURNED);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    ck_assert_int_eq(sigismember(&mask, SIGUSR1), 0);
    ck_assert_int_eq(call("no_alt_stack", 0, 0), NATIVE_RETURNED);
    call("null_write", 0, 0);
    ck_assert_str_eq(reason, "{nif_signal,11}");
    unsigned csr = __builtin_ia32_stmxcsr() & 0xffc0;
    ck_assert_int_eq(call("change_fp", 0, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(__builtin_ia32_stmxcsr() & 0xffc0, csr);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
    call("change_fp_and_crash", 0, 0);
    ck_assert_uint_eq(__builtin_ia32_stmxcsr() & 0xffc0, csr);
    ck_assert_int_eq(fegetround(), FE_TONEAREST);
}
END_TEST

START_TEST(signals_a_library_sends_end_its_call)
{
    use_policy("in_process");
    static const int sent[] = { SIGSEGV, SIGKILL, SIGTERM, SIGUSR2 };
    struct sigaction dfl = { .sa_handler = SIG_DFL };
    (void) dfl;
    for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
        char expected[40];
        call("kill_self", (uintptr_t) sent[i], 0);
        snprintf(expected, sizeof(expected), "{nif_signal,%d}", sent[i]);
        ck_assert_str_eq(reason, expected);
    }
    ck_assert_int_eq(call("kill_self", SIGCHLD, 0), NATIVE_RETURNED);
    ck_assert_int_eq(call("alarm_clock", 0, 0), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 1);
    if (!THREAD_SANITIZED) { /* which cannot take a signal in a thread that is just starting */
        ck_assert_int_eq(call("signal_thread", 0, 0), NATIVE_RETURNED);
        ck_assert_uint_eq(out.value, 1);
    }
    if (!THREAD_SANITIZED) {
        ck_assert_int_eq(kill(getpid(), SIGUSR1), 0); /* outside of calls it is dropped */
    }
    for (int i = 0; i < 3 && !THREAD_SANITIZED; i++) { /* TSan calls the handler, and must get back */
        assert_reason("alarm_that_crashes", "{nif_signal,11}");
    }
}
END_TEST

/* A callback: the library's code calls the VM, which calls the library. */
static uintptr_t nested(uintptr_t depth)
{
    struct native_outcome o = { 0 };
    struct native_call c = { .library = library, .code = dlsym(handle, depth == 0 ? "null_write" : "call_back"),
        .arg = { (uintptr_t) nested, depth - 1 }, .name = "nested", .entry = NATIVE_CALLBACK };
    library->ops->call(&c, &o);
    uintptr_t value = o.status == NATIVE_RETURNED ? o.value + 1 : 100;
    native_outcome_clear(&o);
    return value;
}

START_TEST(a_crash_in_a_nested_call_ends_the_innermost)
{
    use_policy("in_process");
    ck_assert_uint_eq(nested(5), 105);
    ck_assert_uint_eq(nif_guard.depth, 0);
    ck_assert_uint_lt(nested(40), 200); /* too deep: a limit, not a crash */
}
END_TEST

/* As if the library did not change FP control: its calls may go the way of quick.h. The first makes a stack ready. */
static void be_quick(const char *policy)
{
    use_policy(policy);
    library->changes_fp = false;
    library_refresh_policies(library->module_atom);
    ck_assert_int_eq(call("add", 1, 2), NATIVE_RETURNED);
    ck_assert(native_is_quick(library));
}

START_TEST(the_quick_way_in_contains_as_much)
{
    if (THREAD_SANITIZED && strcmp(crashes[_i].name, "wild_write") == 0) {
        return;
    }
    be_quick("in_process");
    assert_reason(crashes[_i].name, crashes[_i].reason);
    ck_assert(native_is_quick(library));
    ck_assert_int_eq(call("add", 40, 2), NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 42);
}
END_TEST

START_TEST(calls_go_the_quick_way_only_when_that_is_all_they_want)
{
    be_quick("in_process");
    ck_assert_uint_eq(nested(5), 105);
    ck_assert_uint_eq(nif_guard.depth, 0);
    be_quick("in_process,stack=65536"); /* now that stack is the one at hand */
    call("overflow_small", 0, 0);
    ck_assert_msg(strncmp(reason, "{nif_panic,stack_overflow,", 26) == 0, "%s", reason);
    use_policy("in_process,timeout=50,stack=65536");
    ck_assert(!native_is_quick(library));
    call("endless", 0, 0);
    ck_assert_str_eq(reason, "{nif_timeout,50}");
    be_quick("in_process,timeout=infinity");
    use_policy("direct");
    ck_assert(!native_is_quick(library));
}
END_TEST

START_TEST(a_function_that_keeps_no_register_does_no_harm)
{
    for (int quick = 0; quick < 2; quick++) {
        if (quick) {
            be_quick("in_process");
        } else {
            use_policy("in_process");
        }
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(call("careless", 1, 2), NATIVE_RETURNED);
            ck_assert_uint_eq(out.value, 7);
        }
    }
}
END_TEST

START_TEST(exceptions_that_nobody_catches_are_panics)
{
    use_policy("in_process");
    if (cxx_handle == NULL) {
        return; /* no C++ compiler here */
    }
    call_in(cxx_library, cxx_handle, "catch_own", 4, 0);
    ck_assert_uint_eq(out.value, 5);
    call_in(cxx_library, cxx_handle, "throw_runtime_error", 0, 0);
    ck_assert_msg(strncmp(reason, "{nif_panic,{cxx_exception,<<\"std::runtime_error\">>,<<\"it broke\">>},", 60) == 0,
        "%s", reason);
    char text[4000];
    text[unwind_text(&out.crash->trace, text, sizeof(text))] = '\0';
    ck_assert_msg(strstr(text, "throw_runtime_error+") != NULL, "%s", text);
    call_in(cxx_library, cxx_handle, "throw_int", 17, 0);
    ck_assert_msg(strncmp(reason, "{nif_panic,{cxx_exception,<<\"int\">>,<<\"17\">>},", 46) == 0, "%s", reason);
    call_in(cxx_library, cxx_handle, "n_destroyed", 0, 0);
    ck_assert_uint_eq(out.value, 2);
    call_in(cxx_library, cxx_handle, "throw_odd", 0, 0);
    ck_assert_msg(strstr(reason, "second base") != NULL, "%s", reason);
    call_in(cxx_library, cxx_handle, "throw_string", 0, 0);
    ck_assert_msg(strstr(reason, "a string") != NULL, "%s", reason);
    call_in(cxx_library, cxx_handle, "rethrow", 0, 0);
    ck_assert_msg(strstr(reason, "again") != NULL, "%s", reason);
    call_in(cxx_library, cxx_handle, "throw_noexcept", 0, 0);
    ck_assert_str_eq(reason, "{nif_signal,6}");
}
END_TEST

START_TEST(a_fault_of_the_vm_is_not_taken_for_a_library)
{
    volatile int *p = NULL;
    __asm__ volatile("" : "+r"(p));
    *p = 1;
}
END_TEST

static uintptr_t fault_in_critical_section(uintptr_t arg)
{
    volatile int *p = (int *) arg;
    nif_guard_enter();
    *p = 1;
    nif_guard_leave();
    return 0;
}

START_TEST(a_fault_of_the_vm_inside_a_call_is_not_taken_for_a_library)
{
    use_policy("in_process");
    call("call_back", (uintptr_t) fault_in_critical_section, 8);
}
END_TEST

START_TEST(a_crash_in_direct_mode_is_the_end)
{
    use_policy("direct");
    call("null_write", 0, 0);
}
END_TEST

/* Not a test of truth: prints what a call costs, for the log. */
START_TEST(what_calls_cost)
{
    enum { N = 2000000 };
    struct native_call c = { .code = dlsym(handle, "add"), .arg = { 1, 2, 3 }, .name = "add" };
    struct native_outcome o = { 0 };
    c.library = library;
    for (int m = 0; m < n_local_modes; m++) {
        mode_of(m);
        int64_t best = INT64_MAX;
        for (int round = 0; round < 5; round++) {
            int64_t before = clock_monotonic_ns();
            for (int i = 0; i < N; i++) {
                library->ops->call(&c, &o);
            }
            int64_t took = clock_monotonic_ns() - before;
            best = took < best ? took : best;
        }
        printf("# %s: %.1f ns a call\n", executor_table[m]->name, (double) best / N);
    }
    use_policy("in_process");
    static const char *const ways[] = { "null_write", "do_abort", "overflow_small" };
    for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
        c.code = dlsym(handle, ways[w]);
        c.name = ways[w];
        for (int i = 0; i < 100; i++) {
            library->ops->call(&c, &o);
            native_outcome_clear(&o);
        }
        int64_t before = clock_monotonic_ns();
        for (int i = 0; i < 5000; i++) {
            library->ops->call(&c, &o);
            native_outcome_account(&c, &o);
            native_outcome_clear(&o);
        }
        printf("# %s: %.2f us from fault to the next call\n", ways[w], (double) (clock_monotonic_ns() - before) / 5000 / 1000);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("executor");
    TCase *tc = executor_tcase("executor");
    count_local_modes();
    tcase_add_loop_test(tc, a_call_returns_its_value, 0, n_local_modes);
    tcase_add_loop_test(tc, a_crash_ends_the_call_and_nothing_else, 0, (int) ARRAY_LEN(crashes));
    tcase_add_test(tc, a_failed_assertion_is_a_panic_with_its_text);
    tcase_add_loop_test(tc, a_timeout_ends_an_endless_call, 0, (int) ARRAY_LEN(endless));
    tcase_add_test(tc, a_call_in_time_is_left_alone);
    tcase_add_test(tc, exit_has_its_status);
    tcase_add_test(tc, handlers_masks_and_rounding_do_not_reach_the_vm);
    tcase_add_test(tc, signals_a_library_sends_end_its_call);
    tcase_add_test(tc, a_crash_in_a_nested_call_ends_the_innermost);
    tcase_add_loop_test(tc, the_quick_way_in_contains_as_much, 0, (int) ARRAY_LEN(crashes));
    tcase_add_test(tc, calls_go_the_quick_way_only_when_that_is_all_they_want);
    tcase_add_test(tc, a_function_that_keeps_no_register_does_no_harm);
    tcase_add_test(tc, exceptions_that_nobody_catches_are_panics);
    if (!SANITIZED) { /* whose handler is chained to ours, and ends otherwise */
    tcase_add_test_raise_signal(tc, a_fault_of_the_vm_is_not_taken_for_a_library, SIGABRT);
    tcase_add_test_raise_signal(tc, a_fault_of_the_vm_inside_a_call_is_not_taken_for_a_library, SIGABRT);
    tcase_add_test_raise_signal(tc, a_crash_in_direct_mode_is_the_end, SIGABRT);
    }
    tcase_add_test(tc, what_calls_cost);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
