/* smallest_executor.c - the worked example of doc/architecture.md: a mode in one file, and its test. */
#include <check.h>

#include "isolation/executor.h"
#include "lib/base/tests/run_suite.h"

/* ---- what exec_metered.c would be ---- */

static _Atomic uint64_t metered_calls;

static void call_metered(struct native_call *call, struct native_outcome *out)
{
    uintptr_t (*code)(uintptr_t, uintptr_t, uintptr_t);
    memcpy(&code, &call->code, sizeof(code));
    atomic_fetch_add_explicit(&metered_calls, 1, memory_order_relaxed);
    *out = (struct native_outcome) { .status = NATIVE_RETURNED };
    out->value = code(call->arg[0], call->arg[1], call->arg[2]);
}

static const struct executor_ops exec_metered = {
    .name = "metered",
    .summary = "a plain call, counted",
    .caps = EXEC_CAP_LOCAL,
    .call = call_metered,
};

/* ---- what native.c does with it ---- */

static uintptr_t add(uintptr_t a, uintptr_t b, uintptr_t c)
{
    return a + b + c;
}

START_TEST(calls_through_the_interface)
{
    struct native_outcome out;
    struct native_call call = { .arg = { 1, 2, 3 }, .entry = NATIVE_CALLBACK, .name = "add" };
    uintptr_t (*code)(uintptr_t, uintptr_t, uintptr_t) = add;
    memcpy(&call.code, &code, sizeof(code));
    exec_metered.call(&call, &out);
    ck_assert_int_eq(out.status, NATIVE_RETURNED);
    ck_assert_uint_eq(out.value, 6);
    ck_assert_uint_eq(metered_calls, 1);
}
END_TEST

START_TEST(every_mode_is_whole)
{
    for (size_t i = 0; i < executor_count; i++) {
        const struct executor_ops *ops = executor_table[i];
        ck_assert_ptr_nonnull(ops->summary);
        bool local = (ops->caps & EXEC_CAP_LOCAL) != 0, async = (ops->caps & EXEC_CAP_ASYNC) != 0;
        ck_assert(local != async);
        ck_assert(local == (ops->call != NULL));
        ck_assert(async == (ops->call_elsewhere != NULL && ops->call_many != NULL && ops->open != NULL && ops->close != NULL));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("smallest_executor");
    TCase *t = tcase_create("all");
    tcase_add_test(t, calls_through_the_interface);
    tcase_add_test(t, every_mode_is_whole);
    suite_add_tcase(s, t);
    return run_suite(s);
}
