/* Messages and questions between processes that are never scheduled: the test plays all threads. */
#include "vm/proc/tests/signal_test.h"

START_TEST(messages_arrive_in_the_order_they_were_sent)
{
    struct proc *a = make();
    for (int i = 0; i < 1000; i++) {
        term m = i % 2 == 0 ? term_from_small(i) : heap_tuple2(&a->heap, ATOM(ok), term_from_small(i));
        ck_assert(signal_send(a, a->id, m));
    }
    ck_assert_uint_eq(a->n_messages, 0);
    for (int i = 0; i < 1000; i++) {
        term m = take(a);
        ck_assert_int_eq(term_to_small(i % 2 == 0 ? m : term_tuple_get(m, 1)), i);
    }
    no_message(a);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(a_selective_receive_leaves_the_rest_in_order)
{
    struct proc *a = make();
    bool must_exit;
    for (int i = 0; i < 5; i++) {
        signal_send(a, a->id, term_from_small(i));
    }
    msgq_peek(a, &must_exit);
    msgq_next(a);
    msgq_peek(a, &must_exit);
    msgq_next(a);
    ck_assert_int_eq(term_to_small(message_value(a, msgq_peek(a, &must_exit))), 2);
    ck_assert_int_eq(term_to_small(msgq_take(a)), 2);
    ck_assert_int_eq(term_to_small(take(a)), 0);
    ck_assert_int_eq(term_to_small(take(a)), 1);
    ck_assert_int_eq(term_to_small(take(a)), 3);
    signal_send(a, a->id, term_from_small(5));
    ck_assert_int_eq(term_to_small(take(a)), 4);
    ck_assert_int_eq(term_to_small(take(a)), 5);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(a_receive_mark_skips_what_came_before)
{
    struct proc *a = make();
    bool must_exit;
    signal_send(a, a->id, ATOM(low));
    fetch(a);
    term marker = msgq_mark_reserve(a);
    term ref = heap_ref(&a->heap, ref_next_id(), 0);
    msgq_mark_bind(a, marker, ref);
    term other = heap_ref(&a->heap, ref_next_id(), 0);
    msgq_mark_bind(a, msgq_mark_reserve(a), other);
    signal_send(a, a->id, ATOM(high));
    msgq_mark_use(a, ref);
    ck_assert(term_same(message_value(a, msgq_peek(a, &must_exit)), ATOM(high)));
    msgq_reset(a);
    ck_assert(term_same(take(a), ATOM(low))); /* the mark pointed into this one */
    msgq_mark_use(a, ref);
    ck_assert(term_same(take(a), ATOM(high)));
    msgq_mark_clear(a, ref);
    signal_send(a, a->id, ATOM(max));
    msgq_mark_use(a, ref);
    ck_assert(term_same(take(a), ATOM(max)));
    end(a, ATOM(normal));
}
END_TEST

START_TEST(a_pinned_message_is_read_from_the_roots)
{
    struct proc *a = make();
    bool must_exit;
    signal_send(a, a->id, heap_tuple2(&a->heap, ATOM(ok), ATOM(max)));
    const struct message *m = msgq_peek(a, &must_exit);
    msgq_pin(a);
    struct heap_roots roots = msgq_pinned_roots(a);
    ck_assert_uint_eq(roots.n, 1);
    roots.terms[0] = heap_tuple2(&a->heap, ATOM(ok), ATOM(low)); /* as if a collection had moved it */
    ck_assert(term_same(term_tuple_get(message_value(a, m), 1), ATOM(low)));
    ck_assert(term_same(term_tuple_get(take(a), 1), ATOM(low)));
    ck_assert_uint_eq(msgq_pinned_roots(a).n, 0);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(a_process_sends_itself_what_is_on_its_heap)
{
    enum { WAITING = 5, TURNS = 1000 };
    struct proc *a = make();
    for (intptr_t i = 0; i < WAITING; i++) {
        ck_assert(msgq_send_self(a, heap_tuple2(&a->heap, ATOM(ok), term_from_small(i))));
    }
    for (intptr_t i = 0; i < TURNS; i++) { /* the queue is never empty, its places are used again */
        term sent = heap_tuple2(&a->heap, ATOM(ok), term_from_small(i + WAITING));
        ck_assert(msgq_send_self(a, sent));
        struct heap_roots roots = msgq_pinned_roots(a);
        ck_assert_uint_le(roots.n, 2 * WAITING);
        bool there = false;
        for (size_t k = 0; k < roots.n; k++) {
            there |= term_same(roots.terms[k], sent);
        }
        ck_assert(there);
        ck_assert_int_eq(term_to_small(term_tuple_get(take(a), 1)), i);
    }
    ck_assert(msgq_send_self(a, ATOM(low)));
    signal_send(a, a->id, ATOM(high));
    ck_assert(!msgq_send_self(a, ATOM(max))); /* it would come before */
    end(a, ATOM(normal));
}
END_TEST

START_TEST(the_words_that_wait_are_counted)
{
    struct proc *a = make();
    bool must_exit;
    term pair = heap_tuple2(&a->heap, ATOM(ok), ATOM(max));
    signal_send(a, a->id, pair);
    signal_send(a, a->id, ATOM(ok));
    signal_send(a, a->id, pair);
    signal_send(a, a->id, pair);
    ck_assert_uint_eq(msgq_words(a), 0); /* not fetched yet */
    fetch(a);
    ck_assert_uint_eq(msgq_words(a), 9);
    a->off_heap_messages = true;
    ck_assert_uint_eq(msgq_words(a), 0);
    a->off_heap_messages = false;
    take(a);
    ck_assert_uint_eq(msgq_words(a), 6);
    take(a);
    ck_assert_uint_eq(msgq_words(a), 6);
    msgq_peek(a, &must_exit);
    msgq_pin(a); /* its words are the heap's now */
    ck_assert_uint_eq(msgq_words(a), 3);
    take(a);
    ck_assert_uint_eq(msgq_words(a), 3);
    msgq_drop(a, &a->msg_first);
    ck_assert_uint_eq(msgq_words(a), 0);
    end(a, ATOM(normal));
}
END_TEST

struct question { struct ask ask; int calls; };

static void answer_id(struct proc *target, void *arg)
{
    struct question *q = arg;
    q->calls++;
    signal_reply(&q->ask, target == NULL ? ATOM(undefined) : target->id);
}

START_TEST(a_question_is_answered_by_its_target_or_for_it)
{
    struct proc *a = make(), *b = make();
    struct question q = { .calls = 0 };
    term answer;
    proc_ask(a, b->id, answer_id, &q.ask);
    ck_assert(!proc_ask_done(a, &answer));
    fetch(b);
    fetch(a);
    ck_assert(proc_ask_done(a, &answer));
    ck_assert(term_same(answer, b->id));
    term b_id = b->id;
    proc_ask(a, b_id, answer_id, &q.ask); /* queued when it ends */
    end(b, ATOM(normal));
    fetch(a);
    ck_assert(proc_ask_done(a, &answer));
    ck_assert(term_same(answer, ATOM(undefined)));
    proc_ask(a, b_id, answer_id, &q.ask); /* gone before */
    fetch(a);
    ck_assert(proc_ask_done(a, &answer));
    ck_assert_int_eq(q.calls, 3);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(signals_behind_a_deadly_one_are_answered_too)
{
    struct proc *a = make(), *b = make();
    a->trap_exit = true;
    signal_exit(a, b->id, ATOM(kill));
    ck_assert(signal_link(a, b->id));
    term ref = signal_monitor(a, b->id, MONITOR_NO_ALIAS, TERM_NONE);
    term b_id = b->id;
    fetch_dies(b, ATOM(killed));
    is_exit_message(take(a), b_id, ATOM(noproc));
    is_down(take(a), ATOM(DOWN), ref, b_id, ATOM(noproc));
    end(a, ATOM(normal));
}
END_TEST

START_TEST(many_links_and_monitors_all_hear_of_the_end)
{
    enum { N = 300 };
    struct proc *a = make(), *others[N];
    for (int i = 0; i < N; i++) {
        others[i] = make();
        others[i]->trap_exit = true;
        ck_assert(signal_link(others[i], a->id));
        (void) signal_monitor(others[i], a->id, MONITOR_NO_ALIAS, TERM_NONE);
    }
    fetch(a);
    ck_assert_uint_eq(a->links->links.n, N);
    end(a, ATOM(badarg));
    for (int i = 0; i < N; i++) {
        fetch(others[i]);
        ck_assert_uint_eq(others[i]->n_messages, 2);
        end(others[i], ATOM(normal));
    }
}
END_TEST

START_TEST(nothing_is_left_of_processes_that_ended)
{
    struct arena_stats terms = arena_stats(arena_terms), vm = arena_stats(arena_vm);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 100; j++) {
            struct proc *a = make(), *b = make();
            ck_assert(signal_link(a, b->id));
            (void) signal_monitor(a, b->id, MONITOR_ALIAS_EXPLICIT, heap_tuple2(&a->heap, ATOM(ok), ATOM(ok)));
            (void) signal_monitor(b, a->id, MONITOR_NO_ALIAS, TERM_NONE);
            signal_send(a, b->id, heap_tuple2(&a->heap, ATOM(ok), a->id));
            fetch(b);
            signal_send(a, b->id, heap_tuple2(&a->heap, ATOM(ok), a->id));
            end(b, ATOM(badarg));
            fetch_dies(a, ATOM(badarg));
        }
        if (i == 0) { /* tables have grown to their size */
            terms = arena_stats(arena_terms);
            vm = arena_stats(arena_vm);
        }
    }
    ck_assert_uint_eq(arena_stats(arena_terms).used_bytes, terms.used_bytes);
    ck_assert_uint_eq(arena_stats(arena_vm).used_bytes, vm.used_bytes);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("signal");
    TCase *tc = tcase_create("signal");
    atom_table_init();
    tcase_add_test(tc, messages_arrive_in_the_order_they_were_sent);
    tcase_add_test(tc, a_selective_receive_leaves_the_rest_in_order);
    tcase_add_test(tc, a_receive_mark_skips_what_came_before);
    tcase_add_test(tc, a_pinned_message_is_read_from_the_roots);
    tcase_add_test(tc, a_process_sends_itself_what_is_on_its_heap);
    tcase_add_test(tc, the_words_that_wait_are_counted);
    tcase_add_test(tc, a_question_is_answered_by_its_target_or_for_it);
    tcase_add_test(tc, signals_behind_a_deadly_one_are_answered_too);
    tcase_add_test(tc, many_links_and_monitors_all_hear_of_the_end);
    tcase_add_test(tc, nothing_is_left_of_processes_that_ended);
    suite_add_tcase(s, tc);
    return test_main(s);
}
