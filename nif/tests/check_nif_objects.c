#include <unistd.h>

#include "nif/tests/nif_test.h"

/* ---- memory ---- */

START_TEST(fresh_memory_does_not_begin_with_zero)
{
    /* Fresh from the system, whatever the allocator would leave. */
    size_t sizes[] = { 8, 24, 24, 100, 5000, 5000000 };
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        int *first = enif_alloc(sizes[i]);
        ck_assert_int_gt(*first, 1000);
        ck_assert_uint_eq(*(unsigned char *) first, 0);
        enif_free(first);
    }
    char *smaller = enif_alloc(1);
    *smaller = 1;
    enif_free(smaller);
}
END_TEST

/* ---- binaries ---- */

static ERL_NIF_TERM binary(const char *bytes)
{
    ERL_NIF_TERM t;
    memcpy(enif_make_new_binary(E, strlen(bytes), &t), bytes, strlen(bytes));
    return t;
}

START_TEST(binaries_are_made_and_inspected)
{
    ErlNifBinary bin, seen;
    ck_assert(enif_alloc_binary(1000, &bin));
    memset(bin.data, 'a', bin.size);
    ck_assert(enif_realloc_binary(&bin, 2000));
    memset(bin.data + 1000, 'b', 1000);
    ck_assert(enif_realloc_binary(&bin, 1500));
    unsigned char *data = bin.data;
    ERL_NIF_TERM t = enif_make_binary(E, &bin);
    ck_assert(enif_inspect_binary(E, t, &seen));
    ck_assert_ptr_eq(seen.data, data);
    ck_assert_uint_eq(seen.size, 1500);
    ck_assert_int_eq(seen.data[1499], 'b');
    ERL_NIF_TERM part = enif_make_sub_binary(E, t, 999, 2);
    ck_assert(enif_inspect_binary(E, part, &seen));
    ck_assert_int_eq(memcmp(seen.data, "ab", 2), 0);
    ck_assert(enif_is_exception(E, enif_make_sub_binary(E, t, 1499, 2)));
    ck_assert(!enif_inspect_binary(E, enif_make_int(E, 1), &seen));
    /* What was inspected and then grown is a copy that belongs to the caller. */
    ck_assert(enif_inspect_binary(E, binary("xyz"), &seen));
    ck_assert(enif_realloc_binary(&seen, 4));
    ck_assert_int_eq(memcmp(seen.data, "xyz", 3), 0);
    enif_release_binary(&seen);
    enif_release_binary(&seen);
    /* As on OTP an empty one has room that is kept when it grows. */
    ErlNifBinary empty[20];
    for (int i = 0; i < 20; i++) {
        ck_assert(enif_alloc_binary(0, &empty[i]));
        memcpy(empty[i].data, "12345678", 8);
    }
    for (int i = 0; i < 20; i++) {
        ck_assert(enif_realloc_binary(&empty[i], 8192));
        ck_assert_int_eq(memcmp(empty[i].data, "12345678", 8), 0);
        enif_release_binary(&empty[i]);
    }
}
END_TEST

START_TEST(unaligned_binaries_are_copied_for_the_call)
{
    ErlNifBinary seen;
    term whole = term_of(
        binary("0123456789012345678901234567890123456789012345678901234567890123456789abcdef"));
    ERL_NIF_TERM shifted = bits_sub(&caller, whole, 4, 70 * 8).word;
    ck_assert(enif_inspect_binary(E, shifted, &seen));
    ck_assert_uint_eq(seen.size, 70);
    ck_assert_int_eq(seen.data[0], 0x03);
    ERL_NIF_TERM odd = bits_sub(&caller, whole, 4, 7).word;
    ck_assert(!enif_inspect_binary(E, odd, &seen));
    ck_assert(!enif_is_binary(E, odd));
    ck_assert(enif_is_binary(E, shifted));
}
END_TEST

START_TEST(iolists_flatten)
{
    ErlNifBinary seen;
    ERL_NIF_TERM deep = TERM_NIL.word;
    for (int i = 0; i < 100000; i++) {
        deep = enif_make_list1(E, deep);
    }
    ERL_NIF_TERM t = enif_make_list_cell(E, enif_make_int(E, 'a'),
        enif_make_list_cell(E, enif_make_list2(E, deep, binary("bc")), binary("d")));
    ck_assert(enif_inspect_iolist_as_binary(E, t, &seen));
    ck_assert_uint_eq(seen.size, 4);
    ck_assert_int_eq(memcmp(seen.data, "abcd", 4), 0);
    ck_assert(!enif_inspect_iolist_as_binary(E, enif_make_list1(E, enif_make_int(E, 256)), &seen));
    ck_assert(!enif_inspect_iolist_as_binary(E, enif_make_atom(E, "a"), &seen));
    ck_assert(enif_inspect_iolist_as_binary(E, TERM_NIL.word, &seen));
    ck_assert_uint_eq(seen.size, 0);
}
END_TEST

START_TEST(external_format_goes_both_ways)
{
    ErlNifBinary bin;
    ERL_NIF_TERM back, t = enif_make_tuple2(E, enif_make_atom(E, "nobody_else"), binary("payload"));
    ck_assert(enif_term_to_binary(E, t, &bin));
    ck_assert_uint_eq(
        enif_binary_to_term(E, bin.data, bin.size, &back, ERL_NIF_BIN2TERM_SAFE), bin.size);
    ck_assert(enif_is_identical(t, back));
    ck_assert_uint_eq(enif_binary_to_term(E, bin.data, bin.size - 1, &back, 0), 0);
    ck_assert_uint_eq(enif_binary_to_term(E, bin.data, bin.size, &back, 1), 0);
    enif_release_binary(&bin);
    ck_assert_uint_eq(enif_hash(ERL_NIF_PHASH2, t, 1), enif_hash(ERL_NIF_PHASH2, back, 2));
    ck_assert_uint_ne(
        enif_hash(ERL_NIF_INTERNAL_HASH, t, 1), enif_hash(ERL_NIF_INTERNAL_HASH, t, 2));
}
END_TEST

/* ---- maps ---- */

static const int map_sizes[] = { 0, 1, 5, 32, 33, 34, 1000 };

START_TEST(maps_of_any_size_are_walked_both_ways)
{
    int n = map_sizes[_i], forwards = 0, backwards = 0;
    ERL_NIF_TERM map = enif_make_new_map(E), key, value, order[1000];
    ErlNifMapIterator it;
    size_t size;
    for (int i = 0; i < n; i++) {
        ck_assert(enif_make_map_put(E, map, enif_make_int(E, i), enif_make_int(E, -i), &map));
    }
    ck_assert(enif_get_map_size(E, map, &size));
    ck_assert_uint_eq(size, (size_t) n);
    ck_assert(enif_map_iterator_create(E, map, &it, ERL_NIF_MAP_ITERATOR_FIRST));
    while (enif_map_iterator_get_pair(E, &it, &key, &value)) {
        int k, v;
        ck_assert(enif_get_int(E, key, &k));
        ck_assert(enif_get_int(E, value, &v));
        ck_assert_int_eq(k, -v);
        order[forwards++] = key;
        (void) enif_map_iterator_next(E, &it);
    }
    ck_assert_int_eq(forwards, n);
    ck_assert(enif_map_iterator_is_tail(E, &it));
    /* Turn round behind the end, and once more in the middle. */
    while (enif_map_iterator_prev(E, &it)) {
        ck_assert(enif_map_iterator_get_pair(E, &it, &key, &value));
        backwards++;
        ck_assert_uint_eq(key, order[n - backwards]);
        if (backwards == n / 2) {
            ck_assert(enif_map_iterator_next(E, &it));
            ck_assert(enif_map_iterator_get_pair(E, &it, &key, &value));
            ck_assert_uint_eq(key, order[n - backwards + 1]);
            ck_assert(enif_map_iterator_prev(E, &it));
        }
    }
    ck_assert_int_eq(backwards, n);
    ck_assert(enif_map_iterator_is_head(E, &it));
    enif_map_iterator_destroy(E, &it);
    ck_assert(enif_map_iterator_create(E, map, &it, ERL_NIF_MAP_ITERATOR_LAST));
    if (n > 0) {
        ck_assert(enif_map_iterator_get_pair(E, &it, &key, &value));
        ck_assert_uint_eq(key, order[n - 1]);
    }
    enif_map_iterator_destroy(E, &it);
}
END_TEST

START_TEST(maps_are_looked_up_and_changed)
{
    ERL_NIF_TERM keys[] = { enif_make_atom(E, "a"), enif_make_atom(E, "b"),
        enif_make_atom(E, "a") };
    ERL_NIF_TERM values[] = { enif_make_int(E, 1), enif_make_int(E, 2), enif_make_int(E, 3) }, map,
                 out, v;
    ck_assert(enif_make_map_from_arrays(E, keys, values, 2, &map));
    ck_assert(!enif_make_map_from_arrays(E, keys, values, 3, &out));
    ck_assert(enif_get_map_value(E, map, keys[1], &v));
    ck_assert_uint_eq(v, values[1]);
    ck_assert(!enif_get_map_value(E, map, values[0], &v));
    ck_assert(enif_make_map_update(E, map, keys[0], values[2], &out));
    ck_assert(!enif_make_map_update(E, map, values[0], values[2], &out));
    ck_assert(enif_make_map_remove(E, map, keys[0], &out));
    ck_assert(!enif_get_map_value(E, out, keys[0], &v));
    ck_assert(!enif_make_map_put(E, v, keys[0], values[0], &out));
    ErlNifMapIterator it;
    ck_assert(!enif_map_iterator_create(E, keys[0], &it, ERL_NIF_MAP_ITERATOR_FIRST));
}
END_TEST

/* ---- resources ---- */

static int destroyed, downs;
static unsigned char destroyed_byte;
static ErlNifMonitor last_monitor;

static void destroy(ErlNifEnv *env, void *obj)
{
    ErlNifPid pid;
    ck_assert_ptr_null(enif_self(env, &pid));
    destroyed_byte = *(unsigned char *) obj;
    destroyed++;
}
static void destroy_other(ErlNifEnv *env, void *obj)
{
    (void) env, (void) obj;
    destroyed += 100;
}
static void down(ErlNifEnv *env, void *obj, ErlNifPid *pid, ErlNifMonitor *monitor)
{
    (void) env, (void) obj;
    ck_assert_uint_eq(pid->pid, term_from_pid(9, 1).word);
    last_monitor = *monitor;
    downs++;
}

static ErlNifResourceType *open_type(ErlNifResourceDtor *dtor, ErlNifResourceFlags flags, bool keep)
{
    struct nif_load load = { &test_lib, NULL };
    ErlNifResourceFlags tried;
    ErlNifResourceTypeInit init = { .dtor = dtor, .down = down, .members = 3 };
    call_env.load = &load;
    ErlNifResourceType *t = enif_init_resource_type(E, "thing", &init, flags, &tried);
    call_env.load = NULL;
    if (keep) {
        nif_load_commit_types(&load);
    } else {
        nif_load_rollback_types(&load);
    }
    return t;
}

static void forget_call(void) /* the call ends, its heap is collected */
{
    nif_env_abort(E);
    begin_call();
}

START_TEST(the_last_reference_destroys)
{
    ErlNifResourceType *type = open_type(destroy, ERL_NIF_RT_CREATE, true);
    void *got;
    unsigned char *obj = enif_alloc_resource(type, 100);
    ck_assert_uint_eq((uintptr_t) obj % 16, 0);
    ck_assert_uint_eq(enif_sizeof_resource(obj), 100);
    obj[0] = 77;
    ERL_NIF_TERM t = enif_make_resource(E, obj), same = enif_make_resource(E, obj);
    ck_assert(enif_is_ref(E, t));
    ck_assert(enif_is_identical(t, same));
    ck_assert(enif_get_resource(E, t, type, &got));
    ck_assert_ptr_eq(got, obj);
    ck_assert(!enif_get_resource(E, enif_make_ref(E), type, &got));
    enif_keep_resource(obj);
    enif_release_resource(obj);
    enif_release_resource(obj);
    ck_assert(!nif_deferred_pending());
    forget_call();
    ck_assert(nif_deferred_pending());
    ck_assert_uint_eq(host.wakes, 1);
    ck_assert_int_eq(destroyed, 0);
    (void) nif_run_deferred();
    ck_assert_int_eq(destroyed, 1);
    ck_assert_int_eq(destroyed_byte, 77);
}
END_TEST

START_TEST(pointers_that_are_no_resources_leave_the_call)
{
    ErlNifResourceType *type = open_type(destroy, ERL_NIF_RT_CREATE, true);
    char local[64], *obj = enif_alloc_resource(type, 64);
    ASSERT_LEAVES(NIF_LEAVE_BAD_HANDLE, enif_make_resource(E, local));
    ASSERT_LEAVES(NIF_LEAVE_BAD_HANDLE, enif_make_resource(E, obj + 16));
    ASSERT_LEAVES(NIF_LEAVE_BAD_HANDLE, enif_alloc_resource((ErlNifResourceType *) local, 8));
    memset(obj - 16, 0x41, 16); /* an underflow of its own */
    ASSERT_LEAVES(NIF_LEAVE_BAD_HANDLE, (enif_release_resource(obj), 0));
}
END_TEST

START_TEST(a_type_is_taken_over_with_its_objects)
{
    ErlNifResourceType *type = open_type(destroy, ERL_NIF_RT_CREATE, true);
    void *obj = enif_alloc_resource(type, 1);
    ck_assert_ptr_null(open_type(destroy_other, ERL_NIF_RT_CREATE, true));
    ck_assert_ptr_eq(open_type(destroy_other, ERL_NIF_RT_TAKEOVER, true), type);
    enif_release_resource(obj);
    (void) nif_run_deferred();
    ck_assert_int_eq(destroyed, 100);
    nif_types_release(&test_lib);
    ck_assert_ptr_null(open_type(destroy, ERL_NIF_RT_TAKEOVER, true));
    ck_assert_ptr_nonnull(open_type(destroy, ERL_NIF_RT_CREATE, false));
    ck_assert_ptr_null(open_type(destroy, ERL_NIF_RT_TAKEOVER, true));
}
END_TEST

START_TEST(binaries_keep_their_resource)
{
    ErlNifResourceType *type = open_type(destroy, ERL_NIF_RT_CREATE, true);
    char *obj = enif_alloc_resource(type, 1000);
    ErlNifBinary seen;
    memset(obj, 'r', 1000);
    ERL_NIF_TERM t = enif_make_resource_binary(E, obj, obj + 1, 900);
    enif_release_resource(obj);
    (void) nif_run_deferred();
    ck_assert_int_eq(destroyed, 0);
    void *got;
    ck_assert(enif_get_resource(E, t, type, &got));
    ck_assert_ptr_eq(got, obj);
    ck_assert(enif_inspect_binary(E, t, &seen));
    ck_assert_ptr_eq(seen.data, obj + 1);
    ERL_NIF_TERM part = enif_make_sub_binary(E, t, 100, 500);
    ck_assert(enif_inspect_binary(E, part, &seen));
    ck_assert_ptr_eq(seen.data, obj + 101);
    forget_call();
    (void) nif_run_deferred();
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

START_TEST(an_abandoned_call_destroys_no_half_made_object)
{
    ErlNifResourceType *type = open_type(destroy, ERL_NIF_RT_CREATE, true);
    for (int i = 0; i < 1000; i++) {
        (void) enif_make_resource(E, enif_alloc_resource(type, 10));
        forget_call();
    }
    (void) nif_run_deferred();
    ck_assert_int_eq(destroyed, 0);
}
END_TEST

START_TEST(objects_watch_processes)
{
    ErlNifResourceType *type = open_type(destroy, ERL_NIF_RT_CREATE, true);
    ErlNifPid pid = { term_from_pid(9, 1).word };
    ErlNifMonitor first, second;
    void *obj = enif_alloc_resource(type, 10), *other = enif_alloc_resource(type, 10);
    ck_assert_int_eq(enif_monitor_process(E, obj, &pid, &first), 0);
    ck_assert_int_eq(enif_monitor_process(E, obj, &pid, &second), 0);
    ck_assert_int_ne(enif_compare_monitors(&first, &second), 0);
    ck_assert(enif_is_ref(E, enif_make_monitor_term(E, &first)));
    ck_assert_int_ne(enif_demonitor_process(E, other, &first), 0);
    ck_assert_int_eq(enif_demonitor_process(E, obj, &first), 0);
    ck_assert_int_ne(enif_demonitor_process(E, obj, &first), 0);
    ck_assert_int_eq(enif_monitor_process(E, other, &pid, NULL), 0);
    enif_release_resource(other);
    (void) nif_run_deferred();
    ck_assert_int_eq(destroyed, 1); /* watching does not keep it alive */
    host.gone = true;
    nif_process_ended(term_of(pid.pid));
    nif_process_ended(term_of(pid.pid));
    (void) nif_run_deferred();
    ck_assert_int_eq(downs, 1);
    ck_assert_int_eq(enif_compare_monitors(&second, &last_monitor), 0);
    ck_assert_int_gt(enif_monitor_process(E, obj, &pid, &first), 0);
    enif_set_pid_undefined(&pid);
    ck_assert(enif_is_pid_undefined(&pid));
    ck_assert_int_gt(enif_monitor_process(E, obj, &pid, &first), 0);
}
END_TEST

/* ---- select ---- */

static int stopped_fd;
static void stop(ErlNifEnv *env, void *obj, ErlNifEvent fd, int direct)
{
    (void) env, (void) obj;
    ck_assert(direct);
    stopped_fd = fd;
}

START_TEST(descriptors_send_messages)
{
    struct nif_load load = { &test_lib, NULL };
    ErlNifResourceTypeInit init = { .dtor = destroy, .stop = stop, .members = 2 };
    int fds[2];
    void *got;
    call_env.load = &load;
    ErlNifResourceType *type = enif_init_resource_type(E, "fd", &init, ERL_NIF_RT_CREATE, NULL);
    call_env.load = NULL;
    nif_load_commit_types(&load);
    ck_assert_int_eq(pipe(fds), 0);
    void *obj = enif_alloc_resource(type, 8), *other = enif_alloc_resource(type, 8);
    ErlNifPid pid = { term_from_pid(9, 1).word };
    ck_assert_int_eq(
        enif_select(E, fds[0], ERL_NIF_SELECT_READ, obj, &pid, ATOM(undefined).word), 0);
    ck_assert_int_eq(
        enif_select(E, fds[0], ERL_NIF_SELECT_READ, other, &pid, ATOM(undefined).word), 0);
    ck_assert_int_lt(
        enif_select(E, fds[0], ERL_NIF_SELECT_STOP, obj, NULL, ATOM(undefined).word), 0);
    ck_assert_int_eq(
        enif_select(E, fds[0], ERL_NIF_SELECT_READ, obj, &pid, ATOM(undefined).word), 0);
    ck_assert_int_eq(enif_select(E, fds[0], ERL_NIF_SELECT_READ | ERL_NIF_SELECT_CANCEL, obj, NULL,
                         ATOM(undefined).word),
        ERL_NIF_SELECT_READ_CANCELLED);
    ck_assert_int_eq(write(fds[1], "x", 1), 1);
    usleep(20000);
    ck_assert_uint_eq(host.n_sent, 0);
    ck_assert_int_eq(
        enif_select(E, fds[0], ERL_NIF_SELECT_READ, obj, &pid, ATOM(undefined).word), 0);
    for (int i = 0; i < 6000 && host.n_sent == 0; i++) {
        usleep(10000);
    }
    ck_assert_uint_eq(host.n_sent, 1);
    ck_assert(term_is_tuple_of(host.sent[0], 4));
    ck_assert(enif_get_resource(E, term_tuple_get(host.sent[0], 1).word, type, &got));
    ck_assert_ptr_eq(got, obj);
    ck_assert(term_same(term_tuple_get(host.sent[0], 3), atom_from_cstr("ready_input")));
    ErlNifEnv *msg_env = enif_alloc_env();
    ck_assert_int_eq(enif_select_write(E, fds[1], obj, &pid,
                         enif_make_tuple1(msg_env, enif_make_int(msg_env, 3)), msg_env),
        0);
    for (int i = 0; i < 6000 && host.n_sent == 1; i++) {
        usleep(10000);
    }
    ck_assert(term_is_tuple_of(host.sent[1], 1));
    enif_free_env(msg_env);
    ck_assert_int_eq(enif_select(E, fds[0], ERL_NIF_SELECT_STOP, obj, NULL, ATOM(undefined).word),
        ERL_NIF_SELECT_STOP_CALLED);
    ck_assert_int_eq(stopped_fd, fds[0]);
    close(fds[0]);
    ck_assert_int_lt(
        enif_select(E, fds[0], ERL_NIF_SELECT_READ, obj, &pid, ATOM(undefined).word), 0);
}
END_TEST

/* ---- vectors and queues ---- */

START_TEST(queues_hold_vectors)
{
    ErlNifIOQueue *q = enif_ioq_create(ERL_NIF_IOQ_NORMAL);
    ErlNifIOVec on_stack, *vec = &on_stack, *allocated = NULL;
    ERL_NIF_TERM list = TERM_NIL.word, tail, head;
    ErlNifBinary bin;
    size_t size;
    int n;
    char big[100];
    memset(big, 'B', sizeof(big) - 1);
    big[99] = '\0';
    for (int i = 0; i < 20; i++) {
        list = enif_make_list_cell(E, i % 2 == 0 ? binary("small") : binary(big), list);
    }
    ck_assert(enif_inspect_iovec(E, 64, list, &tail, &vec));
    ck_assert(enif_is_empty_list(E, tail));
    ck_assert_int_eq(vec->iovcnt, 20);
    ck_assert_uint_eq(vec->size, 10 * 5 + 10 * 99);
    ck_assert(enif_inspect_iovec(NULL, 3, list, &tail, &allocated));
    ck_assert_int_eq(allocated->iovcnt, 3);
    ck_assert(enif_ioq_enqv(q, vec, 100));
    ck_assert_uint_eq(enif_ioq_size(q), 10 * 5 + 10 * 99 - 100);
    ck_assert(enif_ioq_enqv(q, allocated, 0));
    enif_free_iovec(allocated);
    ck_assert(enif_alloc_binary(50, &bin));
    memset(bin.data, 'q', 50);
    ck_assert(enif_ioq_enq_binary(q, &bin, 10));
    size_t total = 10 * 5 + 10 * 99 - 100 + 99 + 5 + 99 + 40;
    ck_assert_uint_eq(enif_ioq_size(q), total);
    ck_assert(enif_ioq_peek_head(E, q, &size, &head));
    ck_assert_uint_eq(size, 4);
    ck_assert(enif_is_identical(head, binary("mall")));
    SysIOVec *peeked = enif_ioq_peek(q, &n);
    size_t sum = 0;
    for (int i = 0; i < n; i++) {
        sum += peeked[i].iov_len;
    }
    ck_assert_uint_eq(sum, total);
    ck_assert(enif_ioq_deq(q, total - 39, &size));
    ck_assert_uint_eq(size, 39);
    peeked = enif_ioq_peek(q, &n);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(*(char *) peeked->iov_base, 'q');
    ck_assert(!enif_ioq_deq(q, 40, &size));
    ck_assert(!enif_inspect_iovec(E, 64, enif_make_list1(E, enif_make_int(E, 1)), &tail, &vec));
    enif_ioq_destroy(q);
}
END_TEST

/* Its reference is dropped once, with the environment, whatever became of the vector by then. */
START_TEST(a_vector_of_a_call_may_be_gone_before_the_call_is)
{
    ErlNifEnv *env = enif_alloc_env();
    ErlNifIOQueue *q = enif_ioq_create(ERL_NIF_IOQ_NORMAL);
    ErlNifIOVec *vec = malloc(sizeof(*vec)), *allocated = NULL;
    ERL_NIF_TERM list = TERM_NIL.word, tail;
    ErlNifBinary bin;
    size_t size;
    for (int i = 0; i < 20; i++) {
        ck_assert(enif_alloc_binary(1000, &bin));
        memset(bin.data, 'v', bin.size);
        list = enif_make_list_cell(env, enif_make_binary(env, &bin), list);
    }
    ck_assert(enif_inspect_iovec(env, 64, list, &tail, &vec));
    ck_assert(enif_inspect_iovec(env, 64, list, &tail, &allocated));
    ck_assert(enif_ioq_enqv(q, vec, 0));
    enif_free_iovec(vec); /* there is no need to, but it is done */
    enif_free_iovec(allocated);
    ck_assert(enif_inspect_iovec(env, 3, list, &tail, &vec));
    memset(vec, 0x55, sizeof(*vec));
    free(vec);
    enif_free_env(env);
    SysIOVec *queued = enif_ioq_peek(q, &(int) { 0 });
    ck_assert_int_eq(((char *) queued[19].iov_base)[999], 'v');
    ck_assert(enif_ioq_deq(q, 20000, &size));
    ck_assert_uint_eq(size, 0);
    enif_ioq_destroy(q);
}
END_TEST

/* ---- threads ---- */

static ErlNifMutex *mutex;
static ErlNifCond *cond;
static int turn;
static void *other_thread(void *arg)
{
    ck_assert_str_eq(enif_thread_name(enif_thread_self()), "other");
    enif_mutex_lock(mutex);
    turn = 1;
    enif_cond_signal(cond);
    enif_mutex_unlock(mutex);
    return arg;
}

START_TEST(threads_meet)
{
    char name[] = "other", lock_name[] = "lock";
    ErlNifTid tid;
    void *result;
    ErlNifTSDKey key;
    mutex = enif_mutex_create(lock_name);
    cond = enif_cond_create(lock_name);
    ck_assert_str_eq(enif_mutex_name(mutex), "lock");
    enif_mutex_lock(mutex);
    ck_assert_int_eq(enif_thread_create(name, &tid, other_thread, &turn, NULL), 0);
    while (turn == 0) {
        enif_cond_wait(cond, mutex);
    }
    enif_mutex_unlock(mutex);
    ck_assert(!enif_equal_tids(tid, enif_thread_self()));
    ck_assert_int_eq(enif_thread_join(tid, &result), 0);
    ck_assert_ptr_eq(result, &turn);
    ck_assert_int_eq(enif_mutex_trylock(mutex), 0);
    enif_mutex_unlock(mutex);
    enif_mutex_destroy(mutex);
    enif_cond_destroy(cond);
    ErlNifRWLock *rw = enif_rwlock_create(lock_name);
    enif_rwlock_rlock(rw);
    ck_assert_int_eq(enif_rwlock_tryrlock(rw), 0);
    ck_assert_int_ne(enif_rwlock_tryrwlock(rw), 0);
    enif_rwlock_runlock(rw);
    enif_rwlock_runlock(rw);
    enif_rwlock_destroy(rw);
    ck_assert_int_eq(enif_tsd_key_create(name, &key), 0);
    enif_tsd_set(key, &turn);
    ck_assert_ptr_eq(enif_tsd_get(key), &turn);
    enif_tsd_key_destroy(key);
    ASSERT_LEAVES(NIF_LEAVE_BAD_HANDLE, (enif_mutex_lock(NULL), 0));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nif objects");
    TCase *tc = nif_case(s, "binaries");
    tcase_add_test(tc, fresh_memory_does_not_begin_with_zero);
    tcase_add_test(tc, binaries_are_made_and_inspected);
    tcase_add_test(tc, unaligned_binaries_are_copied_for_the_call);
    tcase_add_test(tc, iolists_flatten);
    tcase_add_test(tc, external_format_goes_both_ways);
    tc = nif_case(s, "maps");
    tcase_add_loop_test(tc, maps_of_any_size_are_walked_both_ways, 0, (int) ARRAY_LEN(map_sizes));
    tcase_add_test(tc, maps_are_looked_up_and_changed);
    tc = nif_case(s, "resources");
    tcase_add_test(tc, the_last_reference_destroys);
    tcase_add_test(tc, pointers_that_are_no_resources_leave_the_call);
    tcase_add_test(tc, a_type_is_taken_over_with_its_objects);
    tcase_add_test(tc, binaries_keep_their_resource);
    tcase_add_test(tc, an_abandoned_call_destroys_no_half_made_object);
    tcase_add_test(tc, objects_watch_processes);
    tc = nif_case(s, "system");
    tcase_add_test(tc, descriptors_send_messages);
    tcase_add_test(tc, queues_hold_vectors);
    tcase_add_test(tc, a_vector_of_a_call_may_be_gone_before_the_call_is);
    tcase_add_test(tc, threads_meet);
    return run_suite(s);
}
