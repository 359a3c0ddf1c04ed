/* Processes on real scheduler threads. */
#include "vm/proc/tests/proc_test.h"
#include "vm/proc/timer.h"
#include "vm/proc/watch.h"

static _Atomic int done;
static _Atomic int turns;

static void setup_one(void)
{
    atomic_store(&done, 0);
    atomic_store(&turns, 0);
    test_start(1);
}

static void setup_many(void)
{
    atomic_store(&done, 0);
    atomic_store(&turns, 0);
    test_start(4);
}

static void teardown(void)
{
    sched_stop();
}

static enum run_result step_done(struct proc *p)
{
    atomic_fetch_add(&done, 1);
    return test_exit(p, ATOM(normal));
}

START_TEST(many_processes_run_to_their_end)
{
    enum { N = 20000 };
    int step = test_step_index(step_done);
    for (int i = 0; i < N; i++) {
        ck_assert(!term_is_none(test_spawn_from(NULL, step, ATOM(ok), &spawn_defaults, NULL)));
    }
    test_await(&done, N);
}
END_TEST

/* Passes a number on, one less, until it is 0. arg: pid of the next. */
static enum run_result step_ring(struct proc *p)
{
    for (term m; !term_is_none(m = test_receive(p));) {
        if (term_same(m, ATOM(exit))) {
            return test_exit(p, ATOM(normal));
        }
        if (term_is_local_pid(m)) {
            p->value = m; /* the next one */
        } else if (term_to_small(m) == 0) {
            atomic_store(&done, 1);
        } else {
            signal_send(p, p->value, term_from_small(term_to_small(m) - 1));
        }
    }
    return RUN_WAITING;
}

START_TEST(a_token_goes_round_a_ring)
{
    enum { N = 500, ROUNDS = 100 };
    term pids[N];
    for (int i = 0; i < N; i++) {
        pids[i] = test_spawn(step_ring, ATOM(ok));
    }
    for (int i = 0; i < N; i++) {
        signal_send(NULL, pids[i], pids[(i + 1) % N]);
    }
    for (int i = 0; i < 4; i++) {
        atomic_store(&done, 0);
        signal_send(NULL, pids[i * 7], term_from_small(N * ROUNDS));
        test_await(&done, 1);
    }
}
END_TEST

static enum run_result step_busy(struct proc *p)
{
    if (atomic_load(&done) > 0) {
        return test_exit(p, ATOM(normal));
    }
    p->reductions_left = 0;
    usleep(100);
    return RUN_YIELDED;
}

START_TEST(busy_processes_do_not_keep_others_from_running)
{
    for (int i = 0; i < 8; i++) {
        test_spawn(step_busy, ATOM(ok));
    }
    test_spawn(step_done, ATOM(ok));
    test_await(&done, 1);
}
END_TEST

/* Counts its slices. arg: index. */
static _Atomic int slices[PRIORITY_COUNT];

static enum run_result step_count(struct proc *p)
{
    if (atomic_load(&done) > 0) {
        return test_exit(p, ATOM(normal));
    }
    if (atomic_fetch_add(&slices[p->priority], 1) > 10000) {
        atomic_store(&done, 1);
    }
    p->reductions_left = 0;
    return RUN_YIELDED;
}

static enum run_result step_spawn_counters(struct proc *p)
{
    static const enum proc_priority both[] = { PRIORITY_NORMAL, PRIORITY_LOW };
    for (size_t i = 0; i < 2; i++) {
        struct spawn_options o = spawn_defaults;
        o.priority = both[i];
        (void) test_spawn_from(p, test_step_index(step_count), ATOM(ok), &o, NULL);
    }
    return test_exit(p, ATOM(normal));
}

START_TEST(low_priority_gets_one_turn_in_eight)
{
    (void) test_step_index(step_count);
    test_spawn(step_spawn_counters, ATOM(ok));
    test_await(&done, 1);
    double ratio = (double) atomic_load(&slices[PRIORITY_NORMAL]) / atomic_load(&slices[PRIORITY_LOW]);
    ck_assert(ratio > 5 && ratio < 10);
}
END_TEST

/* Waits, woken by a receive timer, until it has had 20 turns of 5 ms. */
static enum run_result step_timer(struct proc *p)
{
    if (p->timed_out) {
        atomic_fetch_add(&turns, 1);
        timer_cancel_receive(p);
        if (++p->n_catches == 20) {
            atomic_fetch_add(&done, 1);
            return test_exit(p, ATOM(normal));
        }
    }
    if (!timer_receive_is_set(p)) {
        timer_set_receive(p, 5);
    }
    return RUN_WAITING;
}

START_TEST(receive_timers_wake_sleeping_schedulers)
{
    int64_t start = clock_monotonic_ns();
    for (int i = 0; i < 100; i++) {
        test_spawn(step_timer, ATOM(ok));
    }
    test_await(&done, 100);
    int64_t ms = (clock_monotonic_ns() - start) / 1000000;
    ck_assert_int_ge(ms, 100);
    ck_assert_int_lt(ms, 30000); /* 100 and a little, where nothing else is to be done */
}
END_TEST

/* Goes to each kind of thread in turn. */
static enum run_result step_tour(struct proc *p)
{
    const struct sched *s = sched_self();
    switch (p->n_catches++ % 5) {
    case 0:
        ck_assert_int_eq(s->kind, SCHED_NORMAL);
        return RUN_TO_DIRTY_CPU;
    case 1:
        ck_assert_int_eq(s->kind, SCHED_DIRTY_CPU);
        return RUN_YIELDED;
    case 2:
        ck_assert_int_eq(s->kind, SCHED_DIRTY_CPU);
        return RUN_TO_DIRTY_IO;
    case 3:
        ck_assert_int_eq(s->kind, SCHED_DIRTY_IO);
        return RUN_TO_NORMAL;
    default:
        ck_assert_int_eq(s->kind, SCHED_NORMAL);
        if (p->n_catches < 500) {
            return RUN_YIELDED;
        }
        return step_done(p);
    }
}

START_TEST(a_process_goes_to_dirty_threads_and_back)
{
    for (int i = 0; i < 20; i++) {
        test_spawn(step_tour, ATOM(ok));
    }
    test_await(&done, 20);
}
END_TEST

static enum run_result step_wait(struct proc *p)
{
    if (term_same(test_receive(p), ATOM(exit))) {
        return step_done(p);
    }
    return RUN_WAITING;
}

START_TEST(a_million_would_fit_so_fifty_thousand_wait_and_end)
{
    enum { N = 50000 };
    term *pids = vm_alloc(N * sizeof(term));
    for (int i = 0; i < N; i++) {
        pids[i] = test_spawn(step_wait, ATOM(ok));
    }
    for (int i = 0; i < N; i++) {
        signal_send(NULL, pids[i], ATOM(exit));
    }
    test_await(&done, N);
    vm_free(pids);
}
END_TEST

/* Processes of a star: all send to the centre, in order each. */
enum { STAR = 8, PER_SENDER = 5000 };
static term centre;

static enum run_result step_star_sender(struct proc *p)
{
    intptr_t self = term_to_small(test_arg(p));
    for (int i = 0; i < 100 && p->n_catches < PER_SENDER; i++, p->n_catches++) {
        term m = heap_tuple2(&p->heap, term_from_small(self), term_from_small((intptr_t) p->n_catches));
        signal_send(p, centre, m);
    }
    return p->n_catches == PER_SENDER ? test_exit(p, ATOM(normal)) : RUN_YIELDED;
}

static intptr_t star_seen[STAR]; /* only the centre's thread */

static enum run_result step_star_centre(struct proc *p)
{
    for (term m; !term_is_none(m = test_receive(p));) {
        intptr_t from = term_to_small(term_tuple_get(m, 0));
        VM_REQUIRE(term_to_small(term_tuple_get(m, 1)) == star_seen[from]);
        star_seen[from]++;
        if (++p->n_catches == STAR * PER_SENDER) {
            return step_done(p);
        }
    }
    return RUN_WAITING;
}

START_TEST(messages_of_each_sender_keep_their_order_across_threads)
{
    memset(star_seen, 0, sizeof(star_seen));
    centre = test_spawn(step_star_centre, ATOM(ok));
    for (int i = 0; i < STAR; i++) {
        test_spawn(step_star_sender, term_from_small(i));
    }
    test_await(&done, 1);
}
END_TEST

/* Monitors a child that ends at once, N times; each must be told. */
static int child_step;

static enum run_result step_monitor(struct proc *p)
{
    for (;;) {
        if (p->value.word == 0) {
            struct spawn_options o = spawn_defaults;
            o.monitor = o.link = true;
            p->trap_exit = true;
            term pid = test_spawn_from(p, child_step, ATOM(ok), &o, &p->value);
            ck_assert(!term_is_none(pid));
        }
        int got = 0;
        for (term m; got < 2 && !term_is_none(m = test_receive(p)); got++) {
            (void) m;
        }
        p->n_catches += (uint32_t) got;
        if (p->n_catches % 2 != 0 || got == 0) {
            return RUN_WAITING;
        }
        p->value.word = 0;
        if (p->n_catches == 2 * 2000) {
            return step_done(p);
        }
    }
}

static enum run_result step_nothing(struct proc *p)
{
    return test_exit(p, ATOM(normal));
}

START_TEST(every_child_is_heard_of)
{
    child_step = test_step_index(step_nothing);
    for (int i = 0; i < 8; i++) {
        test_spawn(step_monitor, ATOM(ok));
    }
    test_await(&done, 8);
}
END_TEST

START_TEST(the_main_thread_sees_how_a_process_ended)
{
    struct proc_watch w;
    uintptr_t words[2];
    struct heap h = { .top = words, .stop = words + 2 };
    term args = heap_cons(&h, ATOM(ok), TERM_NIL);
    ck_assert(proc_run_watched(&w, ATOM(ok), term_from_small(test_step_index(step_nothing)), args));
    ck_assert(w.normal);
    ck_assert_int_eq(w.class, EXC_EXIT);
    ck_assert(!proc_alive(w.pid));
    heap_destroy(&w.heap);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sched");
    TCase *one = tcase_create("one scheduler"), *many = tcase_create("four schedulers");
    tcase_add_checked_fixture(one, setup_one, teardown);
    tcase_add_test(one, low_priority_gets_one_turn_in_eight);
    suite_add_tcase(s, one);
    tcase_add_checked_fixture(many, setup_many, teardown);
    TCase *both[] = { one, many };
    for (size_t i = 0; i < 2; i++) {
        TCase *tc = both[i];
        tcase_set_timeout(tc, 60);
        tcase_add_test(tc, many_processes_run_to_their_end);
        tcase_add_test(tc, a_token_goes_round_a_ring);
        tcase_add_test(tc, busy_processes_do_not_keep_others_from_running);
        tcase_add_test(tc, receive_timers_wake_sleeping_schedulers);
        tcase_add_test(tc, a_process_goes_to_dirty_threads_and_back);
        tcase_add_test(tc, a_million_would_fit_so_fifty_thousand_wait_and_end);
        tcase_add_test(tc, messages_of_each_sender_keep_their_order_across_threads);
        tcase_add_test(tc, every_child_is_heard_of);
        tcase_add_test(tc, the_main_thread_sees_how_a_process_ended);
    }
    suite_add_tcase(s, many);
    return test_main(s);
}
