/* Monitors and aliases of processes that are never scheduled: the test plays all threads. */
#include "vm/proc/tests/signal_test.h"

START_TEST(a_monitor_tells_the_reason_once)
{
    struct proc *a = make(), *b = make();
    term ref = signal_monitor(a, b->id, MONITOR_NO_ALIAS, TERM_NONE);
    fetch(b);
    term b_id = b->id;
    end(b, heap_tuple2(&b->heap, ATOM(badarg), TERM_NIL));
    fetch(a);
    term m = take(a);
    is_down(m, ATOM(DOWN), ref, b_id, heap_tuple2(&a->heap, ATOM(badarg), TERM_NIL));
    no_message(a);
    ck_assert_uint_eq(a->links->monitors.n, 0);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(a_monitor_of_the_dead_says_noproc)
{
    struct proc *a = make(), *b = make();
    term b_id = b->id;
    end(b, ATOM(normal));
    term ref = signal_monitor(a, b_id, MONITOR_NO_ALIAS, TERM_NONE);
    is_down(take(a), ATOM(DOWN), ref, b_id, ATOM(noproc));
    ref = signal_monitor(a, ATOM(low), MONITOR_NO_ALIAS, TERM_NONE);
    is_down(take(a), ATOM(DOWN), ref, heap_tuple2(&a->heap, ATOM(low), ATOM(nonode)), ATOM(noproc));
    term elsewhere = heap_tuple2(&a->heap, ATOM(low), ATOM(high));
    ref = signal_monitor(a, elsewhere, MONITOR_NO_ALIAS, TERM_NONE);
    is_down(take(a), ATOM(DOWN), ref, elsewhere, ATOM(noconnection));
    end(a, ATOM(normal));
}
END_TEST

START_TEST(a_monitor_that_was_queued_when_the_process_ended_says_noproc)
{
    struct proc *a = make(), *b = make();
    term ref = signal_monitor(a, b->id, MONITOR_NO_ALIAS, TERM_NONE);
    term b_id = b->id;
    end(b, ATOM(badarg));
    is_down(take(a), ATOM(DOWN), ref, b_id, ATOM(noproc));
    end(a, ATOM(normal));
}
END_TEST

START_TEST(no_down_comes_after_demonitor)
{
    struct proc *a = make(), *b = make();
    term ref = signal_monitor(a, b->id, MONITOR_NO_ALIAS, TERM_NONE);
    fetch(b);
    end(b, ATOM(badarg)); /* DOWN is in a's inbox */
    ck_assert(signal_demonitor(a, ref, false));
    fetch(a);
    no_message(a);
    ck_assert(!signal_demonitor(a, ref, false));
    end(a, ATOM(normal));
}
END_TEST

START_TEST(flush_takes_a_down_out_of_the_queue)
{
    struct proc *a = make(), *b = make();
    term ref = signal_monitor(a, b->id, MONITOR_NO_ALIAS, TERM_NONE);
    fetch(b);
    signal_send(a, a->id, ATOM(low));
    end(b, ATOM(badarg));
    signal_send(a, a->id, ATOM(high));
    fetch(a);
    ck_assert_uint_eq(a->n_messages, 3);
    ck_assert(!signal_demonitor(a, ref, true));
    ck_assert(term_same(take(a), ATOM(low)));
    ck_assert(term_same(take(a), ATOM(high)));
    no_message(a);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(a_tag_of_ones_own_replaces_down)
{
    struct proc *a = make(), *b = make();
    term tag = heap_tuple2(&a->heap, ATOM(low), ATOM(high));
    term ref = signal_monitor(a, b->id, MONITOR_NO_ALIAS, tag);
    term plain = signal_monitor(a, b->id, MONITOR_NO_ALIAS, ATOM(max));
    fetch(b);
    term b_id = b->id;
    end(b, ATOM(normal));
    fetch(a);
    for (int i = 0; i < 2; i++) {
        term m = take(a);
        bool boxed = term_is_tuple(term_tuple_get(m, 0));
        is_down(m, boxed ? tag : ATOM(max), boxed ? ref : plain, b_id, ATOM(normal));
    }
    end(a, ATOM(normal));
}
END_TEST

static void send_to_alias(struct proc *from, term alias)
{
    ck_assert(signal_send(from, alias, ATOM(reply)));
}

START_TEST(an_alias_is_good_until_unalias)
{
    struct proc *a = make(), *b = make();
    term alias = signal_alias_new(a, false);
    send_to_alias(b, alias);
    send_to_alias(b, alias);
    ck_assert(term_same(take(a), ATOM(reply)));
    ck_assert(term_same(take(a), ATOM(reply)));
    send_to_alias(b, alias);
    ck_assert(signal_alias_remove(a, alias));
    ck_assert(!signal_alias_remove(a, alias));
    no_message(a); /* on its way when the alias went */
    send_to_alias(b, alias);
    no_message(a);
    end(a, ATOM(normal));
    send_to_alias(b, alias);
    end(b, ATOM(normal));
}
END_TEST

START_TEST(a_reply_alias_takes_one_message)
{
    struct proc *a = make(), *b = make();
    term alias = signal_alias_new(a, true);
    send_to_alias(b, alias);
    send_to_alias(b, alias);
    ck_assert(term_same(take(a), ATOM(reply)));
    no_message(a);
    ck_assert(!signal_alias_remove(a, alias));
    end(a, ATOM(normal));
    end(b, ATOM(normal));
}
END_TEST

START_TEST(monitor_aliases_end_as_their_mode_says)
{
    /* mode; alive after the reply, after demonitor, after DOWN */
    static const struct { enum monitor_alias mode; bool after_reply, after_demonitor, after_down; } rows[] = {
        { MONITOR_ALIAS_EXPLICIT, true, true, true },
        { MONITOR_ALIAS_DEMONITOR, true, false, false },
        { MONITOR_ALIAS_REPLY, false, false, false },
    };
    struct proc *a = make(), *b = make();
    term ref = signal_monitor(a, b->id, rows[_i].mode, TERM_NONE);
    fetch(b);
    send_to_alias(b, ref);
    ck_assert(term_same(take(a), ATOM(reply)));
    send_to_alias(b, ref);
    ck_assert_int_eq(!term_is_none(test_receive(a)), rows[_i].after_reply);

    ref = signal_monitor(a, b->id, rows[_i].mode, TERM_NONE);
    signal_demonitor(a, ref, true);
    send_to_alias(b, ref);
    ck_assert_int_eq(!term_is_none(test_receive(a)), rows[_i].after_demonitor);

    ref = signal_monitor(a, b->id, rows[_i].mode, TERM_NONE);
    struct proc *c = make();
    fetch(b);
    end(b, ATOM(badarg));
    fetch(a);
    int downs = 0;
    for (term m; !term_is_none(m = test_receive(a));) {
        downs += term_is_tuple_of(m, 5);
    }
    ck_assert_int_eq(downs, rows[_i].after_reply ? 2 : 1); /* the first monitor too unless it was a reply */
    send_to_alias(c, ref);
    ck_assert_int_eq(!term_is_none(test_receive(a)), rows[_i].after_down);
    end(c, ATOM(normal));
    end(a, ATOM(normal));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("monitor");
    TCase *tc = tcase_create("monitor");
    atom_table_init();
    tcase_add_test(tc, a_monitor_tells_the_reason_once);
    tcase_add_test(tc, a_monitor_of_the_dead_says_noproc);
    tcase_add_test(tc, a_monitor_that_was_queued_when_the_process_ended_says_noproc);
    tcase_add_test(tc, no_down_comes_after_demonitor);
    tcase_add_test(tc, flush_takes_a_down_out_of_the_queue);
    tcase_add_test(tc, a_tag_of_ones_own_replaces_down);
    tcase_add_test(tc, an_alias_is_good_until_unalias);
    tcase_add_test(tc, a_reply_alias_takes_one_message);
    tcase_add_loop_test(tc, monitor_aliases_end_as_their_mode_says, 0, 3);
    suite_add_tcase(s, tc);
    return test_main(s);
}
