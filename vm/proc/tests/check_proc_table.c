#include "vm/proc/dict.h"
#include "vm/proc/tests/proc_test.h"

static struct proc *make(void)
{
    struct proc *p = proc_new(NULL, ATOM(ok), ATOM(ok), TERM_NIL, &spawn_defaults);
    ck_assert_ptr_nonnull(p);
    return p;
}

static void end(struct proc *p)
{
    test_exit(p, ATOM(normal));
    proc_exit(p);
}

START_TEST(a_pid_is_found_while_its_process_lives)
{
    struct proc *a = make();
    term id = a->id;
    ck_assert(proc_alive(id));
    ck_assert_ptr_eq(table_find(id), a->shared);
    end(a);
    ck_assert(!proc_alive(id));
    ck_assert(!proc_alive(term_from_pid(TABLE_LIMIT - 1, 0)));
    ck_assert(!proc_alive(term_from_pid((1u << TERM_PID_NUMBER_BITS) - 1, 0)));
    ck_assert(!proc_alive(ATOM(ok)));
}
END_TEST

START_TEST(a_reused_slot_has_another_serial)
{
    struct proc *a = make();
    term old = a->id;
    end(a);
    struct proc *b = make();
    ck_assert_uint_eq(term_pid_number(b->id), term_pid_number(old));
    ck_assert_uint_ne(term_pid_serial(b->id), term_pid_serial(old));
    ck_assert(!proc_alive(old));
    ck_assert(signal_send(b, old, ATOM(ok)));
    ck_assert(term_is_none(test_receive(b)));
    end(b);
}
END_TEST

START_TEST(a_hundred_thousand_live_at_once)
{
    enum { N = 100000 };
    struct proc **all = vm_alloc(N * sizeof(struct proc *));
    for (int i = 0; i < N; i++) {
        all[i] = make();
    }
    ck_assert_uint_eq(proc_count(), N);
    struct heap h;
    heap_init_frags(&h);
    ck_assert_int_eq(term_list_length(proc_all_pids(&h)), N);
    heap_destroy(&h);
    for (int i = 0; i < N; i++) {
        ck_assert_ptr_eq(table_find(all[i]->id)->proc, all[i]);
        end(all[i]);
    }
    ck_assert_uint_eq(proc_count(), 0);
    vm_free(all);
}
END_TEST

/* Senders send to a slot whose process ends and is replaced all the time: nothing may get lost in
 * the middle (each message is delivered or freed) or arrive at a successor. */
enum { N_SENDERS = 3, N_GENERATIONS = 20000 };
static _Atomic uintptr_t target;
static _Atomic bool stop;

static void *send_all_the_time(void *arg)
{
    (void) arg;
    while (!atomic_load(&stop)) {
        term to = { atomic_load(&target) };
        signal_send(NULL, to, to);
    }
    return NULL;
}

START_TEST(no_message_reaches_a_later_process_in_the_same_slot)
{
    pthread_t threads[N_SENDERS];
    struct proc *p = make();
    uint64_t received = 0;
    atomic_store(&target, p->id.word);
    for (int i = 0; i < N_SENDERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, send_all_the_time, NULL), 0);
    }
    for (int i = 0; i < N_GENERATIONS; i++) {
        for (term m; !term_is_none(m = test_receive(p)); received++) {
            ck_assert(term_same(m, p->id));
            if (received % 16 == 0) {
                break;
            }
        }
        end(p);
        p = make();
        atomic_store(&target, p->id.word);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < N_SENDERS; i++) {
        pthread_join(threads[i], NULL);
    }
    end(p);
}
END_TEST

START_TEST(the_dictionary_is_a_map_from_terms_to_terms)
{
    enum { N = 300 };
    struct proc *a = make();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            term key = i % 2 == 0 ? term_from_small(i) : heap_tuple2(&a->heap, ATOM(ok), term_from_small(i));
            term old = dict_put(a, key, term_from_small(i + round));
            ck_assert(round == 0 ? term_is_none(old) : term_same(old, term_from_small(i + round - 1)));
        }
        ck_assert_uint_eq(dict_size(a), N);
        ck_assert_uint_eq(dict_roots(a).n, 2 * N);
    }
    for (int i = 0; i < N; i++) {
        term key = i % 2 == 0 ? term_from_small(i) : heap_tuple2(&a->heap, ATOM(ok), term_from_small(i));
        ck_assert(term_same(dict_get(a, key), term_from_small(i + 2)));
        if (i % 3 == 0) {
            ck_assert(term_same(dict_erase(a, key), term_from_small(i + 2)));
            ck_assert(term_is_none(dict_erase(a, key)));
        }
    }
    for (int i = 0; i < N; i++) {
        term key = i % 2 == 0 ? term_from_small(i) : heap_tuple2(&a->heap, ATOM(ok), term_from_small(i));
        ck_assert_int_eq(term_is_none(dict_get(a, key)), i % 3 == 0);
    }
    ck_assert_uint_eq(dict_size(a), N - N / 3);
    dict_clear(a);
    ck_assert(term_is_none(dict_get(a, term_from_small(2))));
    end(a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("proc_table");
    TCase *tc = tcase_create("proc_table");
    atom_table_init();
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_pid_is_found_while_its_process_lives);
    tcase_add_test(tc, a_reused_slot_has_another_serial);
    tcase_add_test(tc, a_hundred_thousand_live_at_once);
    tcase_add_test(tc, no_message_reaches_a_later_process_in_the_same_slot);
    tcase_add_test(tc, the_dictionary_is_a_map_from_terms_to_terms);
    suite_add_tcase(s, tc);
    return test_main(s);
}
