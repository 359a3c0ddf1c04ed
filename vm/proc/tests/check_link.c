/* Links and exit signals between processes that are never scheduled: the test plays all threads. */
#include "vm/proc/tests/signal_test.h"

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

int main(void)
{
    Suite *s = suite_create("link");
    TCase *tc = tcase_create("link");
    atom_table_init();
    tcase_add_test(tc, a_link_breaks_both_ways);
    tcase_add_test(tc, a_normal_exit_does_not_kill_but_is_told_to_who_traps);
    tcase_add_test(tc, a_link_to_the_dead_is_answered_with_noproc);
    tcase_add_test(tc, no_exit_comes_after_unlink);
    tcase_add_test(tc, linking_again_before_the_answer_makes_a_new_link);
    tcase_add_test(tc, links_made_from_both_sides_are_one);
    tcase_add_loop_test(tc, exit_signals_follow_the_table, 0, 10);
    tcase_add_test(tc, reason_kill_from_a_link_is_no_kill);
    suite_add_tcase(s, tc);
    return test_main(s);
}
