#include "vm/proc/registry.h"
#include "vm/proc/tests/proc_test.h"

static struct proc *make(void)
{
    return proc_new(NULL, ATOM(ok), ATOM(ok), TERM_NIL, &spawn_defaults);
}

static void end(struct proc *p)
{
    test_exit(p, ATOM(normal));
    proc_exit(p);
}

START_TEST(a_name_belongs_to_one_process_and_a_process_has_one_name)
{
    struct proc *a = make(), *b = make();
    ck_assert(term_is_none(registry_whereis(ATOM(low))));
    ck_assert(registry_register(ATOM(low), a->id));
    ck_assert(term_same(registry_whereis(ATOM(low)), a->id));
    ck_assert(term_same(proc_registered_name(a), ATOM(low)));
    ck_assert(!registry_register(ATOM(low), b->id));
    ck_assert(term_is_none(proc_registered_name(b)));
    ck_assert(!registry_register(ATOM(high), a->id));
    ck_assert(term_is_none(registry_whereis(ATOM(high))));
    ck_assert(!registry_register(ATOM(undefined), b->id));
    ck_assert(registry_unregister(ATOM(low)));
    ck_assert(!registry_unregister(ATOM(low)));
    ck_assert(registry_register(ATOM(high), a->id));
    ck_assert(registry_register(ATOM(low), b->id));
    end(a);
    end(b);
}
END_TEST

START_TEST(the_name_goes_with_the_process)
{
    struct proc *a = make();
    term id = a->id;
    ck_assert(registry_register(ATOM(low), a->id));
    end(a);
    ck_assert(term_is_none(registry_whereis(ATOM(low))));
    ck_assert(!registry_register(ATOM(low), id));
    ck_assert(term_is_none(registry_whereis(ATOM(low))));
}
END_TEST

START_TEST(all_names_are_listed)
{
    struct proc *a = make(), *b = make();
    intptr_t before = term_list_length(registry_names(&a->heap));
    registry_register(ATOM(low), a->id);
    registry_register(ATOM(high), b->id);
    ck_assert_int_eq(term_list_length(registry_names(&a->heap)), before + 2);
    end(a);
    end(b);
}
END_TEST

/* Threads fight for one name: at any time at most one has it. */
enum { N_THREADS = 4, N_ROUNDS = 20000 };
static _Atomic int holders;

static void *fight(void *arg)
{
    (void) arg;
    int won = 0;
    for (int i = 0; i < N_ROUNDS; i++) {
        struct proc *p = make();
        if (registry_register(ATOM(max), p->id)) {
            ck_assert_int_eq(atomic_fetch_add(&holders, 1), 0);
            won++;
            atomic_fetch_sub(&holders, 1);
            if (i % 2 == 0) {
                ck_assert(registry_unregister(ATOM(max)));
            }
        }
        end(p);
    }
    return (void *) (intptr_t) won;
}

START_TEST(one_of_several_threads_gets_the_name)
{
    pthread_t threads[N_THREADS];
    intptr_t won = 0;
    for (int i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fight, NULL), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        won += (intptr_t) result;
    }
    ck_assert_int_gt(won, 0);
    ck_assert(term_is_none(registry_whereis(ATOM(max))));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("registry");
    TCase *tc = tcase_create("registry");
    atom_table_init();
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_name_belongs_to_one_process_and_a_process_has_one_name);
    tcase_add_test(tc, the_name_goes_with_the_process);
    tcase_add_test(tc, all_names_are_listed);
    tcase_add_test(tc, one_of_several_threads_gets_the_name);
    suite_add_tcase(s, tc);
    return test_main(s);
}
