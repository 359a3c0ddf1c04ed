#include <check.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/base/lock.h"
#include "lib/base/tests/run_suite.h"

static struct lock low, high;

static void setup(void)
{
    lock_init(&low, RANK_REGISTRY);
    lock_init(&high, RANK_LOG);
}

START_TEST(locks_nest_in_rising_rank)
{
    ck_assert_int_eq(lock_held_rank(), RANK_NONE);
    lock_take(&low);
    lock_take(&high);
    ck_assert_int_eq(lock_held_rank(), RANK_LOG);
    lock_drop(&high);
    ck_assert_int_eq(lock_held_rank(), RANK_REGISTRY);
    lock_drop(&low);
    ck_assert_int_eq(lock_held_rank(), RANK_NONE);
    lock_destroy(&low);
    lock_destroy(&high);
}
END_TEST

#ifdef ENABLE_ASSERTS
START_TEST(falling_rank_aborts)
{
    lock_take(&high);
    lock_take(&low);
}
END_TEST

START_TEST(equal_rank_aborts)
{
    lock_take(&low);
    lock_take(&low);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("lock");
    TCase *tc = tcase_create("lock");
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, locks_nest_in_rising_rank);
#ifdef ENABLE_ASSERTS
    tcase_add_test_raise_signal(tc, falling_rank_aborts, SIGABRT);
    tcase_add_test_raise_signal(tc, equal_rank_aborts, SIGABRT);
#endif
    suite_add_tcase(s, tc);
    return run_suite(s);
}
