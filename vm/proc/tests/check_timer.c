/* The wheel is turned by hand: time is what wheel_advance is told. */
#include "vm/core/compare.h"
#include "vm/proc/links.h"
#include "vm/proc/registry.h"
#include "vm/proc/tests/proc_test.h"
#include "vm/proc/timer.h"

#define MS INT64_C(1000000)

static struct wheel *wheel;
static struct proc *a;
static int64_t start; /* ns, at a full millisecond */

static void setup(void)
{
    wheel = wheel_new(0);
    a = proc_new(NULL, ATOM(ok), ATOM(ok), TERM_NIL, &spawn_defaults);
    ck_assert_ptr_nonnull(a);
    start = (clock_monotonic_ns() / MS + 60000) * MS; /* ahead of the clock: nothing is due by itself */
    wheel_advance(wheel, start);
}

static void teardown(void)
{
    test_exit(a, ATOM(normal));
    proc_exit(a);
    wheel_free(wheel);
}

static uint64_t id_of(term ref)
{
    return term_words(ref)[1];
}

START_TEST(a_timer_fires_at_its_time_and_not_before)
{
    static const int64_t delays[] = { 1, 2, 255, 256, 257, 511, 512, 65535, 65536, 65537, 1000000, 16777215, 16777216,
        16777217, INT64_C(4294967295), INT64_C(100000000000) };
    int64_t delay = delays[_i];
    (void) timer_start(a, start + delay * MS, a->id, ATOM(ok), false);
    wheel_advance(wheel, start + (delay - 1) * MS);
    ck_assert(term_is_none(test_receive(a)));
    ck_assert_int_gt(wheel_next_ns(wheel), start + (delay - 1) * MS);
    ck_assert_int_le(wheel_next_ns(wheel), start + delay * MS);
    wheel_advance(wheel, start + delay * MS);
    ck_assert(term_same(test_receive(a), ATOM(ok)));
    ck_assert(wheel_is_empty(wheel));
    ck_assert_int_eq(wheel_next_ns(wheel), INT64_MAX);
}
END_TEST

START_TEST(a_fraction_of_a_millisecond_is_rounded_up)
{
    (void) timer_start(a, start + 10 * MS + 1, a->id, ATOM(ok), false);
    wheel_advance(wheel, start + 10 * MS + 2);
    ck_assert(term_is_none(test_receive(a)));
    wheel_advance(wheel, start + 11 * MS);
    ck_assert(term_same(test_receive(a), ATOM(ok)));
}
END_TEST

START_TEST(many_timers_fire_in_order)
{
    enum { N = 5000 };
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < N; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        int64_t delay = (int64_t) (x % (1u << (4 + i % 18))) + 1;
        (void) timer_start(a, start + delay * MS, a->id, term_from_small(delay), false);
    }
    int n = 0;
    intptr_t last = 0;
    int64_t now = start;
    while (!wheel_is_empty(wheel)) {
        int64_t next = wheel_next_ns(wheel);
        ck_assert_int_gt(next, now);
        now = next;
        wheel_advance(wheel, now);
        for (term m; !term_is_none(m = test_receive(a)); n++) {
            ck_assert_int_ge(term_to_small(m), last);
            last = term_to_small(m);
            ck_assert_int_eq(start + last * MS, now);
        }
    }
    ck_assert_int_eq(n, N);
}
END_TEST

START_TEST(what_is_cancelled_does_not_fire)
{
    enum { N = 1000 };
    uint64_t ids[N];
    for (int i = 0; i < N; i++) {
        ids[i] = id_of(timer_start(a, start + (100 + i * 37) * MS, a->id, term_from_small(i), false));
    }
    for (int i = 0; i < N; i += 2) {
        int64_t left = timer_cancel(ids[i]);
        ck_assert_int_ge(left, 60000);
        ck_assert_int_eq(timer_cancel(ids[i]), -1);
        ck_assert_int_eq(timer_read(ids[i]), -1);
        ck_assert_int_ge(timer_read(ids[i + 1]), 60000);
    }
    wheel_advance(wheel, start + 100000 * MS);
    for (int i = 1; i < N; i += 2) {
        ck_assert_int_eq(term_to_small(test_receive(a)), i);
    }
    ck_assert(term_is_none(test_receive(a)));
}
END_TEST

START_TEST(start_timer_wraps_the_message)
{
    term ref = timer_start(a, start + MS, a->id, ATOM(high), true);
    wheel_advance(wheel, start + MS);
    term m = test_receive(a);
    ck_assert(term_is_tuple_of(m, 3));
    ck_assert(term_same(term_tuple_get(m, 0), ATOM(timeout)));
    ck_assert(term_equal_exact(term_tuple_get(m, 1), ref));
    ck_assert(term_same(term_tuple_get(m, 2), ATOM(high)));
}
END_TEST

START_TEST(what_is_due_already_is_sent_at_once)
{
    (void) timer_start(a, 0, a->id, ATOM(ok), false);
    ck_assert(term_same(test_receive(a), ATOM(ok)));
    ck_assert(wheel_is_empty(wheel));
}
END_TEST

START_TEST(a_name_is_looked_up_when_the_timer_fires)
{
    (void) timer_start(a, start + MS, ATOM(low), ATOM(ok), false);
    ck_assert(registry_register(ATOM(low), a->id));
    wheel_advance(wheel, start + MS);
    ck_assert(term_same(test_receive(a), ATOM(ok)));
    (void) timer_start(a, start + 2 * MS, ATOM(high), ATOM(ok), false);
    wheel_advance(wheel, start + 2 * MS); /* nobody of that name */
    ck_assert(term_is_none(test_receive(a)));
}
END_TEST

START_TEST(timers_to_the_dead_are_gone)
{
    struct proc *b = proc_new(NULL, ATOM(ok), ATOM(ok), TERM_NIL, &spawn_defaults);
    uint64_t own = id_of(timer_start(b, start + MS, b->id, ATOM(ok), false));
    uint64_t other = id_of(timer_start(a, start + MS, b->id, ATOM(ok), false));
    test_exit(b, ATOM(normal));
    proc_exit(b);
    ck_assert_int_eq(timer_read(own), -1);
    ck_assert_int_eq(timer_read(other), -1);
    ck_assert(!wheel_is_empty(wheel)); /* the other one waits for its time */
    wheel_advance(wheel, start + MS);
    ck_assert(wheel_is_empty(wheel));
}
END_TEST

START_TEST(a_receive_timer_sets_timed_out)
{
    timer_set_receive(a, 5);
    ck_assert(timer_receive_is_set(a));
    wheel_advance(wheel, start + 10 * MS); /* start lies far after its time */
    ck_assert(!a->timed_out);
    ck_assert(!signal_fetch(a));
    ck_assert(a->timed_out);
    timer_cancel_receive(a);
    ck_assert(!a->timed_out);
    ck_assert(!timer_receive_is_set(a));
}
END_TEST

START_TEST(an_expiry_on_its_way_does_not_hit_the_next_receive)
{
    timer_set_receive(a, 5);
    wheel_advance(wheel, start + 10 * MS);
    timer_cancel_receive(a);
    timer_set_receive(a, 1000000000);
    ck_assert(!signal_fetch(a));
    ck_assert(!a->timed_out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("timer");
    TCase *tc = tcase_create("timer");
    atom_table_init();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_timer_fires_at_its_time_and_not_before, 0, 16);
    tcase_add_test(tc, a_fraction_of_a_millisecond_is_rounded_up);
    tcase_add_test(tc, many_timers_fire_in_order);
    tcase_add_test(tc, what_is_cancelled_does_not_fire);
    tcase_add_test(tc, start_timer_wraps_the_message);
    tcase_add_test(tc, what_is_due_already_is_sent_at_once);
    tcase_add_test(tc, a_name_is_looked_up_when_the_timer_fires);
    tcase_add_test(tc, timers_to_the_dead_are_gone);
    tcase_add_test(tc, a_receive_timer_sets_timed_out);
    tcase_add_test(tc, an_expiry_on_its_way_does_not_hit_the_next_receive);
    suite_add_tcase(s, tc);
    return test_main(s);
}
