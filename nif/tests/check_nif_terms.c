#include <limits.h>
#include <math.h>

#include "nif/tests/nif_test.h"

START_TEST(integers_cross_at_their_limits)
{
    static const long values[] = { 0, 1, -1, INT_MAX, (long) INT_MAX + 1, INT_MIN,
        (long) INT_MIN - 1, UINT_MAX, (long) UINT_MAX + 1, TERM_SMALL_MAX, TERM_SMALL_MAX + 1,
        TERM_SMALL_MIN, TERM_SMALL_MIN - 1, LONG_MAX, LONG_MIN };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        long v = values[i], l = 1;
        int n = 0;
        unsigned u = 0;
        unsigned long ul = 0;
        ERL_NIF_TERM t = enif_make_long(E, v);
        ck_assert(enif_get_long(E, t, &l));
        ck_assert_int_eq(l, v);
        ck_assert_int_eq(enif_get_int(E, t, &n), v >= INT_MIN && v <= INT_MAX);
        ck_assert_int_eq(enif_get_uint(E, t, &u), v >= 0 && v <= UINT_MAX);
        ck_assert_int_eq(enif_get_ulong(E, t, &ul), v >= 0);
        ck_assert(enif_is_number(E, t));
    }
    unsigned long ul;
    long l;
    ck_assert(enif_get_ulong(E, enif_make_ulong(E, ULONG_MAX), &ul));
    ck_assert_uint_eq(ul, ULONG_MAX);
    ck_assert(!enif_get_long(E, enif_make_ulong(E, ULONG_MAX), &l));
    ck_assert(!enif_get_long(E, enif_make_atom(E, "a"), &l));
    ck_assert(!enif_get_ulong(E, enif_make_double(E, 1.0), &ul));
}
END_TEST

START_TEST(only_finite_doubles_are_terms)
{
    double d;
    int n;
    ck_assert(enif_get_double(E, enif_make_double(E, 1.5), &d));
    ck_assert(d == 1.5);
    ck_assert(!enif_get_double(E, enif_make_int(E, 1), &d));
    ck_assert(!enif_get_int(E, enif_make_double(E, 1.0), &n));
    ERL_NIF_TERM t = enif_make_double(E, INFINITY), reason;
    ck_assert(enif_is_exception(E, t));
    ck_assert(enif_has_pending_exception(E, &reason));
    ck_assert(enif_is_identical(reason, enif_make_atom(E, "badarg")));
}
END_TEST

START_TEST(atoms_have_encodings)
{
    char buf[64];
    unsigned len;
    ERL_NIF_TERM t;
    ck_assert_int_eq(enif_get_atom(E, enif_make_atom(E, "abc"), buf, 4, ERL_NIF_LATIN1), 4);
    ck_assert_str_eq(buf, "abc");
    ck_assert_int_eq(enif_get_atom(E, enif_make_atom(E, "abc"), buf, 3, ERL_NIF_LATIN1), 0);
    t = enif_make_atom(E, "\xe5");
    ck_assert(enif_get_atom_length(E, t, &len, ERL_NIF_LATIN1));
    ck_assert_uint_eq(len, 1);
    ck_assert(enif_get_atom_length(E, t, &len, ERL_NIF_UTF8));
    ck_assert_uint_eq(len, 2);
    ck_assert_int_eq(enif_get_atom(E, t, buf, sizeof(buf), ERL_NIF_LATIN1), 2);
    ck_assert_str_eq(buf, "\xe5");
    ck_assert(enif_make_new_atom(E, "\xce\xbb", &t, ERL_NIF_UTF8));
    ck_assert(!enif_get_atom_length(E, t, &len, ERL_NIF_LATIN1));
    ck_assert_int_eq(enif_get_atom(E, t, buf, sizeof(buf), ERL_NIF_UTF8), 3);
    ck_assert(!enif_make_new_atom(E, "\xff", &t, ERL_NIF_UTF8));
    ck_assert(!enif_make_existing_atom(E, "nobody made this atom", &t, ERL_NIF_LATIN1));
    ck_assert(enif_make_existing_atom(E, "\xe5", &t, ERL_NIF_LATIN1));
    char long_name[300];
    memset(long_name, 'x', sizeof(long_name));
    ck_assert(enif_is_exception(E, enif_make_atom_len(E, long_name, 256)));
    ck_assert(enif_is_atom(E, enif_make_atom_len(E, long_name, 255)));
}
END_TEST

START_TEST(strings_are_lists)
{
    char buf[8];
    unsigned len;
    ERL_NIF_TERM t = enif_make_string(E, "hello", ERL_NIF_LATIN1);
    ck_assert_int_eq(enif_get_string(E, t, buf, sizeof(buf), ERL_NIF_LATIN1), 6);
    ck_assert_str_eq(buf, "hello");
    ck_assert_int_eq(enif_get_string(E, t, buf, 5, ERL_NIF_LATIN1), -5);
    ck_assert_str_eq(buf, "hell");
    ck_assert_int_eq(enif_get_string(E, enif_make_int(E, 1), buf, sizeof(buf), ERL_NIF_LATIN1), 0);
    ck_assert(enif_get_string_length(E, t, &len, ERL_NIF_LATIN1));
    ck_assert_uint_eq(len, 5);
    t = enif_make_string(E, "\xce\xbb!", ERL_NIF_UTF8);
    ck_assert(enif_get_list_length(E, t, &len));
    ck_assert_uint_eq(len, 2);
    ck_assert_int_eq(enif_get_string(E, t, buf, sizeof(buf), ERL_NIF_UTF8), 4);
    ck_assert_str_eq(buf, "\xce\xbb!");
    ck_assert_int_eq(enif_get_string(E, t, buf, sizeof(buf), ERL_NIF_LATIN1), 0);
    ck_assert_int_eq(enif_get_string(E, TERM_NIL.word, buf, 1, ERL_NIF_LATIN1), 1);
}
END_TEST

START_TEST(lists_and_tuples_come_apart)
{
    ERL_NIF_TERM a = enif_make_int(E, 1), b = enif_make_int(E, 2), c = enif_make_int(E, 3), head,
                 tail, reversed;
    ERL_NIF_TERM list = enif_make_list(E, 3, a, b, c), arr[] = { a, b, c };
    const ERL_NIF_TERM *elements;
    int arity;
    unsigned len;
    ck_assert(enif_get_list_cell(E, list, &head, &tail));
    ck_assert(enif_is_identical(head, a));
    ck_assert(enif_get_list_length(E, tail, &len));
    ck_assert_uint_eq(len, 2);
    ck_assert(enif_is_identical(list, enif_make_list_from_array(E, arr, 3)));
    ck_assert(enif_make_reverse_list(E, list, &reversed));
    ck_assert(enif_is_identical(reversed, enif_make_list3(E, c, b, a)));
    ck_assert(!enif_make_reverse_list(E, enif_make_list_cell(E, a, b), &reversed));
    ck_assert(!enif_get_list_length(E, enif_make_list_cell(E, a, b), &len));
    ck_assert(enif_is_empty_list(E, enif_make_list(E, 0)));
    ERL_NIF_TERM tuple = enif_make_tuple3(E, a, list, c);
    ck_assert(enif_get_tuple(E, tuple, &arity, &elements));
    ck_assert_int_eq(arity, 3);
    ck_assert(enif_is_identical(elements[1], list));
    ck_assert(enif_is_identical(enif_make_tuple_from_array(E, arr, 2), enif_make_tuple2(E, a, b)));
    ck_assert(enif_get_tuple(E, enif_make_tuple(E, 0), &arity, &elements));
    ck_assert_int_eq(arity, 0);
    ck_assert(!enif_get_tuple(E, list, &arity, &elements));
    ck_assert_int_lt(enif_compare(a, b), 0);
    ck_assert_int_eq(enif_compare(a, enif_make_double(E, 1.0)), 0);
}
END_TEST

START_TEST(every_type_has_a_name)
{
    ck_assert_int_eq(enif_term_type(E, enif_make_atom(E, "a")), ERL_NIF_TERM_TYPE_ATOM);
    ck_assert_int_eq(enif_term_type(E, enif_make_double(E, 1)), ERL_NIF_TERM_TYPE_FLOAT);
    ck_assert_int_eq(enif_term_type(E, enif_make_long(E, LONG_MAX)), ERL_NIF_TERM_TYPE_INTEGER);
    ck_assert_int_eq(enif_term_type(E, enif_make_list(E, 0)), ERL_NIF_TERM_TYPE_LIST);
    ck_assert_int_eq(enif_term_type(E, enif_make_new_map(E)), ERL_NIF_TERM_TYPE_MAP);
    ck_assert_int_eq(enif_term_type(E, enif_make_ref(E)), ERL_NIF_TERM_TYPE_REFERENCE);
    ck_assert_int_eq(enif_term_type(E, enif_make_tuple(E, 0)), ERL_NIF_TERM_TYPE_TUPLE);
    ck_assert_int_eq(enif_term_type(E, term_from_pid(1, 2).word), ERL_NIF_TERM_TYPE_PID);
    ck_assert_int_eq(enif_term_type(E, term_from_port(1).word), ERL_NIF_TERM_TYPE_PORT);
    ERL_NIF_TERM bin;
    (void) enif_make_new_binary(E, 3, &bin);
    ck_assert_int_eq(enif_term_type(E, bin), ERL_NIF_TERM_TYPE_BITSTRING);
    ck_assert(enif_is_ref(E, enif_make_ref(E)));
    ck_assert(!enif_is_identical(enif_make_ref(E), enif_make_ref(E)));
    ck_assert(enif_is_pid(E, term_from_pid(1, 2).word));
    ck_assert(!enif_is_fun(E, bin));
}
END_TEST

START_TEST(words_that_are_no_terms_leave_the_call)
{
    static const ERL_NIF_TERM words[] = { 0, 4, 8, 0x1000, 0x1001, 0x1002, 0x7fffffff0002,
        (ERL_NIF_TERM) -1 << 6 | 0x0B, 0x1B };
    for (volatile size_t i = 0; i < ARRAY_LEN(words); i++) {
        ASSERT_LEAVES(NIF_LEAVE_BAD_TERM, enif_make_tuple(E, 1, words[i]));
        ASSERT_LEAVES(NIF_LEAVE_BAD_TERM, enif_make_list_cell(E, words[i], TERM_NIL.word));
        ASSERT_LEAVES(NIF_LEAVE_BAD_TERM, enif_raise_exception(E, words[i]));
    }
    ck_assert_str_eq(left_text, "enif_raise_exception");
    nif_env_abort(E);
    begin_call();
}
END_TEST

START_TEST(an_abandoned_call_leaves_nothing)
{
    size_t used = heap_used_words(&caller);
    size_t terms_before = arena_stats(arena_terms).used_bytes;
    for (int i = 0; i < 1000; i++) {
        uint8_t *unused;
        ERL_NIF_TERM bin;
        unused = enif_make_new_binary(E, 10000, &bin);
        ck_assert_ptr_nonnull(unused);
        (void) enif_make_tuple2(E, bin, enif_make_string(E, "half a message", ERL_NIF_LATIN1));
        if (i % 3 == 0) {
            (void) enif_make_binary(
                E, &(ErlNifBinary) { 100, (unsigned char *) left_text, NULL, { NULL, NULL } });
        }
        for (int k = 0; k < 100; k++) {
            (void) enif_make_string(
                E, "a lot of garbage that goes beyond the block of the heap", ERL_NIF_LATIN1);
        }
        nif_env_abort(E);
        ck_assert_uint_eq(heap_used_words(&caller), used);
        begin_call();
    }
    ck_assert_uint_lt(arena_stats(arena_terms).used_bytes, terms_before + (4 << 20));
}
END_TEST

START_TEST(what_an_abandoned_call_owned_is_bounded)
{
    size_t before = arena_stats(arena_terms).used_bytes;
    for (int i = 0; i < 5000; i++) {
        ErlNifBinary bin;
        ck_assert(enif_alloc_binary(100000, &bin));
        ErlNifEnv *env = enif_alloc_env();
        (void) enif_make_string(env, "never sent", ERL_NIF_LATIN1);
        nif_env_abort(E);
        begin_call();
    }
    ck_assert_uint_lt(arena_stats(arena_terms).used_bytes, before + (32 << 20));
}
END_TEST

START_TEST(what_a_call_kept_may_be_used_after_a_crash)
{
    ErlNifBinary bin;
    ErlNifEnv *env;
    for (int i = 0; i < 600; i++) {
        ck_assert(enif_alloc_binary(100, &bin));
        env = enif_alloc_env();
        nif_env_abort(E);
        begin_call();
        bin.data[99] = 1;
        enif_release_binary(&bin);
        enif_free_env(env);
    }
}
END_TEST

START_TEST(messages_move_or_are_copied)
{
    ErlNifPid self, to = { term_from_pid(9, 1).word };
    ErlNifEnv *env = enif_alloc_env();
    ck_assert_ptr_eq(enif_self(E, &self), &self);
    ck_assert_uint_eq(self.pid, term_from_pid(5, 1).word);
    ck_assert_ptr_null(enif_self(env, &self));
    ERL_NIF_TERM message =
        enif_make_tuple2(env, enif_make_string(env, "hi", ERL_NIF_LATIN1), enif_make_int(env, 1));
    ERL_NIF_TERM copy = enif_make_copy(E, message);
    ck_assert(enif_send(E, &to, env, message));
    ck_assert_uint_eq(heap_used_words(env->heap), 0);
    ck_assert(term_equal_exact(host.sent[0], term_of(copy)));
    ck_assert(enif_send(NULL, &to, NULL, copy));
    ck_assert_uint_ne(host.sent[1].word, copy);
    ck_assert(term_equal_exact(host.sent[1], term_of(copy)));
    message = enif_make_list1(env, enif_make_ref(env));
    host.gone = true;
    ck_assert(!enif_send(E, &to, env, message));
    enif_clear_env(env);
    enif_free_env(env);
    ASSERT_LEAVES(NIF_LEAVE_BAD_HANDLE, (enif_free_env(E), 0));
}
END_TEST

START_TEST(a_call_can_ask_for_another)
{
    ERL_NIF_TERM args[20];
    for (int i = 0; i < 20; i++) {
        args[i] = enif_make_int(E, i);
    }
    ck_assert_uint_eq(enif_schedule_nif(E, "again", ERL_NIF_DIRTY_JOB_IO_BOUND, NULL, 20, args), 0);
    ck_assert(!E->raised);
    ck_assert(E->resched.wanted);
    ck_assert_uint_eq(E->resched.argc, 20);
    ck_assert_uint_eq(E->resched.args[19].word, args[19]);
    ck_assert_uint_eq(enif_schedule_nif(E, "again", 0, NULL, 2, args), 0);
    ck_assert_uint_eq(E->resched.argc, 2);
    ck_assert(enif_is_exception(E, enif_schedule_nif(E, "again", 7, NULL, 2, args)));
    ck_assert(!enif_consume_timeslice(E, 60));
    ck_assert(enif_consume_timeslice(E, 60));
}
END_TEST

START_TEST(printf_knows_terms)
{
    char buf[200];
    ERL_NIF_TERM t =
        enif_make_tuple2(E, enif_make_atom(E, "ok"), enif_make_list1(E, enif_make_int(E, 1)));
    int n = enif_snprintf(buf, sizeof(buf), "%T|%*d|%-3d|%-5s|%4.2s|%.2f|%%|%lu|%c|%p", t, 5, -7, 7,
        "abc", "abc", 1.5, ULONG_MAX, 'x', NULL);
    ck_assert_int_eq(n, (int) strlen(buf));
    ck_assert_str_eq(buf, "{ok,[1]}|   -7|7  |abc  |  ab|1.50|%|18446744073709551615|x|(nil)");
    n = enif_snprintf(buf, 5, "%T", t);
    ck_assert_int_eq(n, 8);
    ck_assert_str_eq(buf, "{ok,");
}
END_TEST

START_TEST(every_name_is_in_the_table_once)
{
    ck_assert_uint_eq(nif_api_count, 173);
    for (size_t i = 0; i < nif_api_count; i++) {
        ck_assert_ptr_nonnull((void *) (uintptr_t) nif_api[i].function);
        for (size_t j = 0; j < i; j++) {
            ck_assert_str_ne(nif_api[i].name, nif_api[j].name);
        }
    }
}
END_TEST

START_TEST(time_converts_downwards)
{
    ck_assert_int_eq(enif_convert_time_unit(-1, ERL_NIF_NSEC, ERL_NIF_SEC), -1);
    ck_assert_int_eq(enif_convert_time_unit(1999999999, ERL_NIF_NSEC, ERL_NIF_SEC), 1);
    ck_assert_int_eq(enif_convert_time_unit(3, ERL_NIF_SEC, ERL_NIF_USEC), 3000000);
    ck_assert(enif_convert_time_unit(3, (ErlNifTimeUnit) 9, ERL_NIF_USEC) == ERL_NIF_TIME_ERROR);
    ck_assert_int_ge(enif_monotonic_time(ERL_NIF_NSEC), 0);
    ck_assert(!enif_is_identical(enif_now_time(E), enif_now_time(E)));
    ck_assert(enif_is_tuple(E, enif_cpu_time(E)));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nif terms");
    TCase *tc = nif_case(s, "terms");
    tcase_add_test(tc, integers_cross_at_their_limits);
    tcase_add_test(tc, only_finite_doubles_are_terms);
    tcase_add_test(tc, atoms_have_encodings);
    tcase_add_test(tc, strings_are_lists);
    tcase_add_test(tc, lists_and_tuples_come_apart);
    tcase_add_test(tc, every_type_has_a_name);
    tcase_add_test(tc, words_that_are_no_terms_leave_the_call);
    tcase_add_test(tc, an_abandoned_call_leaves_nothing);
    tcase_add_test(tc, what_an_abandoned_call_owned_is_bounded);
    tcase_add_test(tc, what_a_call_kept_may_be_used_after_a_crash);
    tcase_add_test(tc, messages_move_or_are_copied);
    tcase_add_test(tc, a_call_can_ask_for_another);
    tcase_add_test(tc, printf_knows_terms);
    tcase_add_test(tc, every_name_is_in_the_table_once);
    tcase_add_test(tc, time_converts_downwards);
    return run_suite(s);
}
