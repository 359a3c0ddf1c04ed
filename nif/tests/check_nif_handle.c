/* Resource objects of a worker as the VM knows them. A piece of the term arena plays the VM's memory. */
#include <pthread.h>

#include "nif/nif_handle.h"
#include "nif/tests/nif_test.h"
#include "vm/core/ref.h"

enum { SERIAL = 1234567 };

static int destroyed;

static void destroy(ErlNifEnv *env, void *obj)
{
    (void) env;
    (void) obj;
    destroyed++;
}

static ErlNifResourceType *open_type(void)
{
    struct nif_load load = { .lib = &test_lib };
    ErlNifResourceTypeInit init = { .dtor = destroy, .members = 1 };
    call_env.load = &load;
    ErlNifResourceType *t = enif_init_resource_type(E, "thing", &init, ERL_NIF_RT_CREATE, NULL);
    call_env.load = NULL;
    nif_load_commit_types(&load);
    return t;
}

static struct nif_resource *object_of(void *payload)
{
    return nif_resource_from_payload(payload, "test");
}

static uint64_t id_of(ERL_NIF_TERM t)
{
    return term_ref_id(term_of(t));
}

static void forget_call(void) /* the call ends, its heap is collected */
{
    nif_env_abort(E);
    begin_call();
    while (nif_run_deferred()) {
    }
}

/* The term as the VM has it: with a pointer that means nothing here. */
static term in_foreign_memory(uint64_t id)
{
    uintptr_t *p = arena_alloc(arena_terms, 1 << 16);
    p[0] = TERM_HEADER(TAG_RESOURCE, HEAP_RESOURCE_WORDS - 1);
    p[1] = p[2] = 8;
    p[3] = id;
    arena_foreign_base = (uintptr_t) p;
    arena_foreign_bytes = 1 << 16;
    return term_from_boxed_ptr(p);
}

static void foreign_memory_goes(void)
{
    uintptr_t *p = (uintptr_t *) arena_foreign_base;
    arena_foreign_base = arena_foreign_bytes = 0;
    arena_free(arena_terms, p);
}

START_TEST(a_program_that_is_no_worker_has_no_handles)
{
    void *obj = enif_alloc_resource(open_type(), 10);
    ERL_NIF_TERM t = enif_make_resource(E, obj);
    ck_assert(!nif_handle_is(id_of(t)));
    ck_assert_uint_eq(nif_handle_sent(object_of(obj)), 0);
    ck_assert_ptr_null(nif_resource_of_handle(id_of(t)));
    ck_assert_uint_eq(nif_handle_count(), 0);
    nif_handle_released(id_of(t), 1);
    enif_release_resource(obj);
}
END_TEST

START_TEST(parts_of_a_handle_come_back)
{
    static const uint32_t parts[][3] = { { 0, 0, 1 },
        { (1 << 21) - 1, (1 << 20) - 1, (1 << 22) - 1 }, { 5, 77, 123456 }, { 1 << 20, 0, 0 },
        { 0, 1 << 19, 1 } };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        uint64_t id = nif_handle_make(parts[i][0], parts[i][1], parts[i][2]);
        ck_assert(nif_handle_is(id));
        ck_assert_uint_eq(nif_handle_serial(id), parts[i][0]);
        ck_assert_uint_eq(nif_handle_slot(id), parts[i][1]);
        ck_assert_uint_eq(nif_handle_generation(id), parts[i][2]);
    }
}
END_TEST

START_TEST(an_object_has_one_handle_from_its_first_term_on)
{
    nif_handle_init(SERIAL);
    void *obj = enif_alloc_resource(open_type(), 10);
    ck_assert_uint_eq(nif_handle_count(), 0);
    uint64_t id = id_of(enif_make_resource(E, obj));
    ck_assert(nif_handle_is(id));
    ck_assert_uint_eq(nif_handle_serial(id), SERIAL);
    ck_assert_uint_eq(id_of(enif_make_resource(E, obj)), id);
    ck_assert_ptr_eq(nif_resource_of_handle(id), object_of(obj));
    ck_assert_uint_eq(nif_handle_count(), 1);
    enif_release_resource(obj);
    forget_call(); /* the VM has none: it goes, and its slot with it */
    ck_assert_int_eq(destroyed, 1);
    ck_assert_ptr_null(nif_resource_of_handle(id));
    ck_assert_uint_eq(nif_handle_count(), 0);
}
END_TEST

START_TEST(an_object_lives_until_the_vm_has_dropped_all_it_was_sent)
{
    nif_handle_init(SERIAL);
    void *obj = enif_alloc_resource(open_type(), 10);
    uint64_t id = nif_handle_sent(object_of(obj)); /* its first, too */
    ck_assert_uint_eq(id_of(enif_make_resource(E, obj)), id);
    ck_assert_uint_eq(nif_handle_sent(object_of(obj)), id);
    ck_assert_uint_eq(nif_handle_sent(object_of(obj)), id);
    enif_release_resource(obj);
    forget_call();
    ck_assert_int_eq(destroyed, 0);
    ck_assert_ptr_eq(nif_resource_of_handle(id), object_of(obj));
    nif_handle_released(id, 2);
    nif_handle_released(id, 2); /* more than there are */
    nif_handle_released(id, 0);
    nif_handle_released(id + 1, 1);                              /* another generation */
    nif_handle_released(nif_handle_make(SERIAL + 1, 0, 1), 1);   /* another worker */
    nif_handle_released(nif_handle_make(SERIAL, 1000000, 1), 1); /* a slot never used */
    nif_handle_released(id & ~NIF_HANDLE_MARK, 1);               /* no handle */
    forget_call();
    ck_assert_int_eq(destroyed, 0);
    nif_handle_released(id, 1);
    forget_call();
    ck_assert_int_eq(destroyed, 1);
    ck_assert_ptr_null(nif_resource_of_handle(id));
    nif_handle_released(id, 1); /* too late */
}
END_TEST

START_TEST(an_object_is_handed_out_again_after_the_vm_dropped_it)
{
    nif_handle_init(SERIAL);
    void *obj = enif_alloc_resource(open_type(), 10);
    uint64_t id = nif_handle_sent(object_of(obj));
    nif_handle_released(id, 1);
    ck_assert_uint_eq(nif_handle_sent(object_of(obj)), id);
    enif_release_resource(obj);
    forget_call();
    ck_assert_int_eq(destroyed, 0);
    nif_handle_released(id, 1);
    forget_call();
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

START_TEST(a_slot_is_used_again_under_another_generation)
{
    enum { N = 3000 };
    static uint64_t ids[N];
    nif_handle_init(SERIAL);
    ErlNifResourceType *type = open_type();
    for (int i = 0; i < N; i++) {
        void *obj = enif_alloc_resource(type, 10);
        ids[i] = id_of(enif_make_resource(E, obj));
        ck_assert_uint_eq(nif_handle_slot(ids[i]), i);
        enif_release_resource(obj);
    }
    forget_call();
    ck_assert_uint_eq(nif_handle_count(), 0);
    void *obj = enif_alloc_resource(type, 10);
    uint64_t id = id_of(enif_make_resource(E, obj));
    ck_assert_uint_lt(nif_handle_slot(id), N);
    for (int i = 0; i < N; i++) {
        ck_assert(ids[i] != id);
        ck_assert_ptr_null(nif_resource_of_handle(ids[i]));
    }
    ck_assert_ptr_eq(nif_resource_of_handle(id), object_of(obj));
    enif_release_resource(obj);
}
END_TEST

START_TEST(a_foreign_term_of_ours_is_our_object)
{
    void *got;
    nif_handle_init(SERIAL);
    ErlNifResourceType *type = open_type();
    void *obj = enif_alloc_resource(type, 10);
    ERL_NIF_TERM own = enif_make_resource(E, obj);
    term t = in_foreign_memory(nif_handle_sent(object_of(obj)));
    ck_assert(enif_is_ref(E, t.word));
    ck_assert(enif_get_resource(E, t.word, type, &got));
    ck_assert_ptr_eq(got, obj);
    ck_assert(enif_is_identical(t.word, own));
    ck_assert_int_eq(enif_compare(t.word, own), 0);
    /* A copy is a term of our own: it keeps the object. */
    ErlNifEnv *env = enif_alloc_env();
    ERL_NIF_TERM copy = enif_make_copy(env, t.word);
    ck_assert(!arena_is_foreign(term_words(term_of(copy))));
    ck_assert(enif_is_identical(copy, own));
    nif_handle_released(term_ref_id(t), 1);
    foreign_memory_goes();
    enif_release_resource(obj);
    forget_call();
    ck_assert_int_eq(destroyed, 0);
    ck_assert(enif_get_resource(env, copy, type, &got));
    ck_assert_ptr_eq(got, obj);
    enif_free_env(env);
    forget_call();
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

START_TEST(a_foreign_term_of_others_is_a_reference)
{
    void *got;
    nif_handle_init(SERIAL);
    ErlNifResourceType *type = open_type();
    void *obj = enif_alloc_resource(type, 10);
    uint64_t id = nif_handle_sent(object_of(obj));
    const uint64_t ids[] = {
        nif_handle_make(SERIAL - 1, nif_handle_slot(id), nif_handle_generation(id)), id + 1, 12345
    };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        term t = in_foreign_memory(ids[i]);
        ck_assert(enif_is_ref(E, t.word));
        ck_assert(!enif_get_resource(E, t.word, type, &got));
        ErlNifEnv *env = enif_alloc_env();
        ERL_NIF_TERM copy = enif_make_copy(env, t.word), twice = enif_make_copy(E, copy);
        ck_assert(enif_is_identical(copy, t.word));
        ck_assert(enif_is_identical(twice, t.word));
        ck_assert(!enif_get_resource(E, twice, type, &got));
        enif_free_env(env);
        foreign_memory_goes();
    }
    nif_handle_released(id, 1);
    enif_release_resource(obj);
}
END_TEST

START_TEST(bytes_that_are_not_shared_leave_the_call)
{
    static unsigned char outside[100];
    ErlNifBinary bin;
    struct { /* as off-heap binaries begin */
        uint64_t refs, append_end_bits, capacity, kind;
        void *bytes;
    } *b;
    term t = in_foreign_memory(1);
    uintptr_t *p = term_words(t);
    b = (void *) &p[8];
    b->refs = 1;
    b->append_end_bits = UINT64_MAX;
    b->capacity = sizeof(outside);
    b->kind = OFFHEAP_RESOURCE;
    b->bytes = outside;
    p[0] = TERM_HEADER(TAG_REFC_BITS, HEAP_REFC_BITS_WORDS - 1);
    p[REFC_BITS_BIN] = (uintptr_t) b;
    p[REFC_BITS_SIZE] = sizeof(outside) * 8;
    ck_assert(enif_is_binary(E, t.word));
    ASSERT_LEAVES(NIF_LEAVE_PANIC, enif_inspect_binary(E, t.word, &bin));
    foreign_memory_goes();
}
END_TEST

/* Several threads hand one object to the VM while others say that it has dropped it. */
enum { THREADS = 4, ROUNDS = 20000 };
static struct nif_resource *shared;
static _Atomic bool wrong;

static void *hand_out(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t id = nif_handle_sent(shared);
        if (nif_resource_of_handle(id) != shared) {
            wrong = true;
        }
        nif_handle_released(id, 1);
    }
    return arg;
}

START_TEST(threads_count_together)
{
    pthread_t threads[THREADS];
    nif_handle_init(SERIAL);
    void *obj = enif_alloc_resource(open_type(), 10);
    shared = object_of(obj);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hand_out, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert(!wrong);
    ck_assert_uint_eq(atomic_load(&shared->base.refs), 1);
    enif_release_resource(obj);
    forget_call();
    ck_assert_int_eq(destroyed, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nif handles");
    TCase *tc = nif_case(s, "handles");
    tcase_add_test(tc, a_program_that_is_no_worker_has_no_handles);
    tcase_add_test(tc, parts_of_a_handle_come_back);
    tcase_add_test(tc, an_object_has_one_handle_from_its_first_term_on);
    tcase_add_test(tc, an_object_lives_until_the_vm_has_dropped_all_it_was_sent);
    tcase_add_test(tc, an_object_is_handed_out_again_after_the_vm_dropped_it);
    tcase_add_test(tc, a_slot_is_used_again_under_another_generation);
    tcase_add_test(tc, a_foreign_term_of_ours_is_our_object);
    tcase_add_test(tc, a_foreign_term_of_others_is_a_reference);
    tcase_add_test(tc, bytes_that_are_not_shared_leave_the_call);
    tcase_add_test(tc, threads_count_together);
    return run_suite(s);
}
