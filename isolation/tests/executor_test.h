/* executor_test.h - calls of libs/crash.c and libs/crash_cxx.cc in this process, for the tests of isolation. */
#ifndef EXECUTOR_TEST_H
#define EXECUTOR_TEST_H

#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isolation/crash_report.h"
#include "isolation/executor.h"
#include "isolation/isolation.h"
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

/* The libraries under a policy: text as on the command line, without the module. */
static inline void use_policy(const char *options)
{
    char spec[200], error[200];
    snprintf(spec, sizeof(spec), "crash_test=%s", options);
    if (!policy_set_text(spec, error, sizeof(error))) {
        ck_abort_msg("%s", error);
    }
    snprintf(spec, sizeof(spec), "crash_cxx_test=%s", options);
    ck_assert(policy_set_text(spec, error, sizeof(error)));
}

static inline enum native_status call_in(struct native_library *lib, void *h, const char *name, uintptr_t a, uintptr_t b)
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
static inline enum native_status call(const char *name, uintptr_t a, uintptr_t b)
{
    return call_in(library, handle, name, a, b);
}
#define assert_reason(name, text) \
    do { \
        call(name, 0, 0); \
        ck_assert_msg(strncmp(reason, text, strlen(text)) == 0, "%s: %s", name, reason); \
    } while (0)

/* Functions that do not come back by themselves. */
static const char *const endless[] = { "endless", "endless_sleep", "endless_malloc", "endless_lock", "endless_libc",
    "endless_read", "interrupted_poll", "interrupted_read", "interrupted_sleep" };

/* TSan keeps signals back while a thread waits for a lock, and sometimes until a wait is over. */
static inline bool is_out_of_reach(const char *name)
{
    return THREAD_SANITIZED && (strcmp(name, "endless_lock") == 0 || strncmp(name, "interrupted", 11) == 0);
}

static inline void open_libraries(void)
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

static inline void start_isolation(void)
{
    isolation_init();
    open_libraries();
    crash_report_enabled = getenv("CRASH_REPORTS") != NULL;
}

/* Runs in the child of each test: the VM is one OS process, and knows its number. */
static inline TCase *executor_tcase(const char *name)
{
    TCase *tc = tcase_create(name);
    VM_REQUIRE(arena_init_all());
    atom_table_init();
    tcase_add_checked_fixture(tc, start_isolation, NULL);
    tcase_set_timeout(tc, 120);
    return tc;
}

#endif
