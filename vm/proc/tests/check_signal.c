/* Signals between processes that are never scheduled: the test plays all threads. */
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/proc/links.h"
#include "vm/proc/tests/proc_test.h"

static struct proc *make(void)
{
    struct proc *p = proc_new(NULL, ATOM(ok), ATOM(ok), TERM_NIL, &spawn_defaults);
    ck_assert_ptr_nonnull(p);
    return p;
}

static void end(struct proc *p, term reason)
{
    test_exit(p, reason);
    proc_exit(p);
}

/* Fetches; the process must live on. */
static void fetch(struct proc *p)
{
    ck_assert(!signal_fetch(p));
}

/* Fetches; the process must die with reason. */
static void fetch_dies(struct proc *p, term reason)
{
    ck_assert(signal_fetch(p));
    ck_assert_int_eq(p->exc.class, EXC_EXIT);
    ck_assert(term_equal_exact(p->exc.reason, reason));
    proc_exit(p);
}

static term take(struct proc *p)
{
    term m = test_receive(p);
    ck_assert(!term_is_none(m));
    return m;
}

static void no_message(struct proc *p)
{
    ck_assert(term_is_none(test_receive(p)));
}

static void is_exit_message(term m, term from, term reason)
{
    ck_assert(term_is_tuple_of(m, 3));
    ck_assert(term_same(term_tuple_get(m, 0), ATOM(EXIT)));
    ck_assert(term_same(term_tuple_get(m, 1), from));
    ck_assert(term_equal_exact(term_tuple_get(m, 2), reason));
}

static void is_down(term m, term tag, term ref, term item, term reason)
{
    ck_assert(term_is_tuple_of(m, 5));
    ck_assert(term_equal_exact(term_tuple_get(m, 0), tag));
    ck_assert(term_equal_exact(term_tuple_get(m, 1), ref));
    ck_assert(term_same(term_tuple_get(m, 2), ATOM(process)));
    ck_assert(term_equal_exact(term_tuple_get(m, 3), item));
    ck_assert(term_equal_exact(term_tuple_get(m, 4), reason));
}

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

START_TEST(a_link_breaks_both_ways)
{
    struct proc *a = make(), *b = make(), *c = make();
    ck_assert(signal_link(a, b->id));
    ck_assert(signal_link(c, b->id));
    fetch(b);
    c->trap_exit = true;
    term b_id = b->id;
    end(b, ATOM(badarg));
    fetch(c);
    is_exit_message(take(c), b_id, ATOM(badarg));
    fetch_dies(a, ATOM(badarg));
    end(c, ATOM(normal));
}
END_TEST

START_TEST(a_normal_exit_does_not_kill_but_is_told_to_who_traps)
{
    struct proc *a = make(), *b = make(), *c = make();
    ck_assert(signal_link(a, b->id));
    ck_assert(signal_link(c, b->id));
    fetch(b);
    c->trap_exit = true;
    term b_id = b->id;
    end(b, ATOM(normal));
    fetch(a);
    no_message(a);
    fetch(c);
    is_exit_message(take(c), b_id, ATOM(normal));
    end(a, ATOM(normal));
    end(c, ATOM(normal));
}
END_TEST

START_TEST(a_link_to_the_dead_is_answered_with_noproc)
{
    struct proc *a = make(), *b = make();
    term b_id = b->id;
    end(b, ATOM(normal));
    a->trap_exit = true;
    ck_assert(signal_link(a, b_id));
    fetch(a);
    is_exit_message(take(a), b_id, ATOM(noproc));
    a->trap_exit = false;
    ck_assert(!signal_link(a, b_id));
    ck_assert_uint_eq(a->links->links.n, 0);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(no_exit_comes_after_unlink)
{
    struct proc *a = make(), *b = make();
    a->trap_exit = true;
    ck_assert(signal_link(a, b->id));
    fetch(b);
    signal_unlink(a, b->id); /* b has not seen it when it ends */
    end(b, ATOM(badarg));
    fetch(a);
    no_message(a);
    ck_assert_uint_eq(a->links->links.n, 0);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(linking_again_before_the_answer_makes_a_new_link)
{
    struct proc *a = make(), *b = make();
    a->trap_exit = true;
    ck_assert(signal_link(a, b->id));
    signal_unlink(a, b->id);
    ck_assert(signal_link(a, b->id));
    fetch(b); /* LINK, UNLINK, LINK */
    fetch(a); /* the answer is stale */
    ck_assert_uint_eq(b->links->links.n, 1);
    term b_id = b->id;
    end(b, ATOM(badarg));
    fetch(a);
    is_exit_message(take(a), b_id, ATOM(badarg));
    no_message(a);
    end(a, ATOM(normal));
}
END_TEST

START_TEST(links_made_from_both_sides_are_one)
{
    struct proc *a = make(), *b = make();
    ck_assert(signal_link(a, b->id));
    ck_assert(signal_link(b, a->id));
    signal_unlink(a, b->id);
    fetch(b);
    fetch(a);
    fetch(b);
    ck_assert_uint_eq(a->links->links.n, 0);
    ck_assert_uint_eq(b->links->links.n, 0);
    end(a, ATOM(badarg));
    fetch(b);
    end(b, ATOM(normal));
}
END_TEST

START_TEST(exit_signals_follow_the_table)
{
    /* reason, does the target trap, is the sender itself; dies with (or none), message */
    static const struct { enum atom_index reason; bool trap, self; enum atom_index dies; bool message; } rows[] = {
        { ATOM_INDEX_normal, false, false, ATOM_INDEX_false, false },
        { ATOM_INDEX_normal, true, false, ATOM_INDEX_false, true },
        { ATOM_INDEX_normal, false, true, ATOM_INDEX_normal, false },
        { ATOM_INDEX_normal, true, true, ATOM_INDEX_false, true },
        { ATOM_INDEX_kill, false, false, ATOM_INDEX_killed, false },
        { ATOM_INDEX_kill, true, false, ATOM_INDEX_killed, false },
        { ATOM_INDEX_kill, true, true, ATOM_INDEX_killed, false },
        { ATOM_INDEX_badarg, false, false, ATOM_INDEX_badarg, false },
        { ATOM_INDEX_badarg, true, false, ATOM_INDEX_false, true },
        { ATOM_INDEX_killed, true, false, ATOM_INDEX_false, true },
    };
    struct proc *a = make(), *b = make();
    term reason = term_from_atom_index(rows[_i].reason);
    struct proc *from = rows[_i].self ? b : a;
    term from_id = from->id;
    b->trap_exit = rows[_i].trap;
    signal_exit(from, b->id, reason);
    if (rows[_i].dies != ATOM_INDEX_false) {
        fetch_dies(b, term_from_atom_index(rows[_i].dies));
    } else {
        fetch(b);
        if (rows[_i].message) {
            is_exit_message(take(b), from_id, reason);
        } else {
            no_message(b);
        }
        end(b, ATOM(normal));
    }
    end(a, ATOM(normal));
}
END_TEST

START_TEST(reason_kill_from_a_link_is_no_kill)
{
    struct proc *a = make(), *b = make();
    ck_assert(signal_link(a, b->id));
    fetch(b);
    a->trap_exit = true;
    term b_id = b->id;
    end(b, ATOM(kill));
    fetch(a);
    is_exit_message(take(a), b_id, ATOM(kill));
    end(a, ATOM(normal));
}
END_TEST

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
    tcase_add_test(tc, the_words_that_wait_are_counted);
    tcase_add_test(tc, a_link_breaks_both_ways);
    tcase_add_test(tc, a_normal_exit_does_not_kill_but_is_told_to_who_traps);
    tcase_add_test(tc, a_link_to_the_dead_is_answered_with_noproc);
    tcase_add_test(tc, no_exit_comes_after_unlink);
    tcase_add_test(tc, linking_again_before_the_answer_makes_a_new_link);
    tcase_add_test(tc, links_made_from_both_sides_are_one);
    tcase_add_loop_test(tc, exit_signals_follow_the_table, 0, 10);
    tcase_add_test(tc, reason_kill_from_a_link_is_no_kill);
    tcase_add_test(tc, a_monitor_tells_the_reason_once);
    tcase_add_test(tc, a_monitor_of_the_dead_says_noproc);
    tcase_add_test(tc, a_monitor_that_was_queued_when_the_process_ended_says_noproc);
    tcase_add_test(tc, no_down_comes_after_demonitor);
    tcase_add_test(tc, flush_takes_a_down_out_of_the_queue);
    tcase_add_test(tc, a_tag_of_ones_own_replaces_down);
    tcase_add_test(tc, an_alias_is_good_until_unalias);
    tcase_add_test(tc, a_reply_alias_takes_one_message);
    tcase_add_loop_test(tc, monitor_aliases_end_as_their_mode_says, 0, 3);
    tcase_add_test(tc, a_question_is_answered_by_its_target_or_for_it);
    tcase_add_test(tc, signals_behind_a_deadly_one_are_answered_too);
    tcase_add_test(tc, many_links_and_monitors_all_hear_of_the_end);
    tcase_add_test(tc, nothing_is_left_of_processes_that_ended);
    suite_add_tcase(s, tc);
    return test_main(s);
}
