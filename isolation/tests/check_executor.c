/* check_executor.c - one body of tests for all modes, filtered by what they are capable of. */
#include <check.h>
#include <dlfcn.h>
#include <fenv.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "isolation/crash_report.h"
#include "isolation/executor.h"
#include "isolation/isolation.h"
#include "isolation/quick.h"
#include "isolation/thread.h"
#include "lib/base/clock.h"
#include "lib/base/tests/run_suite.h"

/* The thread sanitizer maps what is nowhere otherwise, and keeps state per frame that is left behind. */
#ifdef __SANITIZE_THREAD__
enum { THREAD_SANITIZED = 1, MANY_CRASHES = 1000 };
#else
enum { THREAD_SANITIZED = 0, MANY_CRASHES = 100000 };
#endif
#ifdef HAVE_SANITIZER
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

/* What a call that is cut off had allocated goes with its library's heap, but not from a sanitizer's. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:crash.so\n";
}

static void *handle, *cxx_handle;
static struct native_library *library, *cxx_library;
static struct native_outcome out;
static char reason[1200];

/* The library under a policy: text as on the command line, without the module. */
static void use_policy(const char *options)
{
    char spec[200], error[200];
    snprintf(spec, sizeof(spec), "crash_test=%s", options);
    if (!policy_set_text(spec, error, sizeof(error))) {
        ck_abort_msg("%s", error);
    }
    snprintf(spec, sizeof(spec), "crash_cxx_test=%s", options);
    ck_assert(policy_set_text(spec, error, sizeof(error)));
}

static enum native_status call_in(struct native_library *lib, void *h, const char *name, uintptr_t a, uintptr_t b)
{
    void *code = dlsym(h, name);
    ck_assert_msg(code != NULL, "no function %s", name);
    struct native_call call = { .library = lib, .entry = NATIVE_FUNCTION, .code = code, .arg = { a, b, 0 }, .name = name,
        };
    native_outcome_clear(&out);
    lib->ops->call(&call, &out);
    native_outcome_account(&call, &out);
    native_outcome_text(&out, reason, sizeof(reason));
    return out.status;
}
static enum native_status call(const char *name, uintptr_t a, uintptr_t b)
{
    return call_in(library, handle, name, a, b);
}
#define assert_reason(name, text) \
    do { \
        call(name, 0, 0); \
        ck_assert_msg(strncmp(reason, text, strlen(text)) == 0, "%s: %s", name, reason); \
    } while (0)

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

static void open_libraries(void)
{
    char path[4000];
    const char *dir = getenv("builddir");
    snprintf(path, sizeof(path), "%s/isolation/tests/libs/crash.so", dir != NULL ? dir : ".");
    handle = dlopen(path, RTLD_NOW);
    VM_REQUIRE(handle != NULL);
    library = library_get(atom_from_cstr("crash_test"), path, handle, false);
    VM_REQUIRE(library->n_code >= 1);
    snprintf(path, sizeof(path), "%s/isolation/tests/libs/crash_cxx.so", dir != NULL ? dir : ".");
    cxx_handle = dlopen(path, RTLD_NOW);
    if (cxx_handle != NULL) {
        cxx_library = library_get(atom_from_cstr("crash_cxx_test"), path, cxx_handle, false);
    }
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

START_TEST(a_report_names_static_functions)
{
    use_policy("in_process");
    call("overflow_small", 0, 0);
    char text[4000];
    text[unwind_text(&out.crash->trace, text, sizeof(text))] = '\0';
    ck_assert_msg(strstr(text, "deeper+") != NULL, "%s", text);
}
END_TEST

START_TEST(a_report_shows_a_recursion_once_and_who_began_it)
{
    use_policy("in_process");
    call("overflow_small", 0, 0);
    char text[4000];
    text[unwind_text(&out.crash->trace, text, sizeof(text))] = '\0';
    ck_assert_msg(strstr(text, " times more\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "overflow_small+") != NULL, "%s", text);
    ck_assert(!out.crash->trace.cut);
    ck_assert_uint_lt(out.crash->trace.n, 8);
}
END_TEST

/* Letters stand for frames; f(gh)4m is folded: f, then g and h four times, then m. */
static const struct {
    const char *frames, *folded;
} foldings[] = {
    { "", "" }, { "abc", "abc" }, { "aab", "(a)2b" }, { "aaaa", "(a)4" }, { "faaaab", "f(a)4b" },
    { "fghghghghm", "f(gh)4m" }, { "fghghghgm", "f(gh)3gm" }, { "abcabcabcd", "(abc)3d" }, { "aabbccd", "(a)2(b)2(c)2d" },
    { "abcdefghijabcdefghij", "abcdefghijabcdefghij" }, /* longer than any period looked for */
};

START_TEST(repeated_frames_are_folded)
{
    struct unwind_trace t = { .n = 0 };
    char text[100];
    unsigned open = 0;
    size_t used = 0;
    for (const char *f = foldings[_i].frames; *f != '\0'; f++) {
        ck_assert(unwind_add(&t, (uintptr_t) *f, &open));
    }
    for (unsigned i = 0, g = 0; i < t.n; i++) {
        if (g < t.n_groups && t.group[g].start == i) {
            text[used++] = '(';
        }
        text[used++] = (char) t.pc[i];
        if (g < t.n_groups && t.group[g].start + t.group[g].period - 1u == i) {
            used += (size_t) snprintf(text + used, sizeof(text) - used, ")%u", t.group[g++].times);
        }
    }
    text[used] = '\0';
    ck_assert_str_eq(text, foldings[_i].folded);
}
END_TEST

START_TEST(a_trace_has_room_for_so_many_frames)
{
    struct unwind_trace t = { .n = 0 };
    unsigned open = 0;
    for (unsigned i = 0; i < UNWIND_MAX_FRAMES; i++) {
        ck_assert(unwind_add(&t, i, &open));
    }
    ck_assert(!unwind_add(&t, 1000, &open));
    ck_assert_uint_eq(t.n, UNWIND_MAX_FRAMES);
}
END_TEST

START_TEST(a_wild_jump_leaves_the_caller_in_the_trace)
{
    use_policy("in_process");
    crash_report_enabled = true; /* signals have a trace only if it is reported */
    call("wild_jump", 0, 0);
    char text[4000];
    text[unwind_text(&out.crash->trace, text, sizeof(text))] = '\0';
    ck_assert_msg(strstr(text, "wild_jump+") != NULL, "%s", text);
}
END_TEST

static const char *const endless[] = { "endless", "endless_sleep", "endless_malloc", "endless_lock", "endless_libc", "endless_read",
    "interrupted_poll", "interrupted_read", "interrupted_sleep" };

/* TSan keeps signals back while a thread waits for a lock, and sometimes until a wait is over. */
static bool is_out_of_reach(const char *name)
{
    return THREAD_SANITIZED && (strcmp(name, "endless_lock") == 0 || strncmp(name, "interrupted", 11) == 0);
}

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
    ck_assert_msg(strncmp(reason, "{nif_panic,{cxx_exception,<<\"std::runtime_error\">>,<<\"it broke\">>},", 60) == 0, "%s", reason);
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

static void start(void)
{
    isolation_init();
    open_libraries();
    crash_report_enabled = getenv("CRASH_REPORTS") != NULL;
}

int main(void)
{
    Suite *s = suite_create("executor");
    TCase *tc = tcase_create("executor");
    if (!arena_init_all()) {
        return 1;
    }
    atom_table_init();
    count_local_modes();
    /* In the child that runs the test: the VM is one OS process, and knows its number. */
    tcase_add_checked_fixture(tc, start, NULL);
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_call_returns_its_value, 0, n_local_modes);
    tcase_add_loop_test(tc, a_crash_ends_the_call_and_nothing_else, 0, (int) ARRAY_LEN(crashes));
    tcase_add_test(tc, a_failed_assertion_is_a_panic_with_its_text);
    tcase_add_test(tc, a_report_names_static_functions);
    tcase_add_test(tc, a_report_shows_a_recursion_once_and_who_began_it);
    tcase_add_loop_test(tc, repeated_frames_are_folded, 0, ARRAY_LEN(foldings));
    tcase_add_test(tc, a_trace_has_room_for_so_many_frames);
    tcase_add_test(tc, a_wild_jump_leaves_the_caller_in_the_trace);
    tcase_add_loop_test(tc, a_timeout_ends_an_endless_call, 0, (int) ARRAY_LEN(endless));
    tcase_add_test(tc, a_call_in_time_is_left_alone);
    tcase_add_test(tc, exit_has_its_status);
    tcase_add_test(tc, handlers_masks_and_rounding_do_not_reach_the_vm);
    tcase_add_test(tc, signals_a_library_sends_end_its_call);
    if (!THREAD_SANITIZED) {
        tcase_add_test(tc, threads_of_a_library_are_contained);
    }
    tcase_add_test(tc, stdio_works_in_other_threads_after_a_crash_inside_it);
    tcase_add_test(tc, a_child_that_comes_back_ends);
#ifndef HAVE_SANITIZER
    tcase_add_test(tc, heaps_are_apart);
#endif
    tcase_add_test(tc, a_crash_in_a_nested_call_ends_the_innermost);
    tcase_add_loop_test(tc, the_quick_way_in_contains_as_much, 0, (int) ARRAY_LEN(crashes));
    tcase_add_test(tc, calls_go_the_quick_way_only_when_that_is_all_they_want);
    tcase_add_test(tc, a_function_that_keeps_no_register_does_no_harm);
    tcase_add_test(tc, exceptions_that_nobody_catches_are_panics);
    tcase_add_test(tc, a_hundred_thousand_crashes_cost_no_memory);
    tcase_add_test(tc, threads_crash_side_by_side);
    tcase_add_test(tc, a_timeout_disturbs_nobody_else);
    if (!SANITIZED) { /* whose handler is chained to ours, and ends otherwise */
    tcase_add_test_raise_signal(tc, a_fault_of_the_vm_is_not_taken_for_a_library, SIGABRT);
    tcase_add_test_raise_signal(tc, a_fault_of_the_vm_inside_a_call_is_not_taken_for_a_library, SIGABRT);
    tcase_add_test_raise_signal(tc, a_crash_in_direct_mode_is_the_end, SIGABRT);
    }
    tcase_add_test(tc, what_calls_cost);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
