/* What a library should never do to the API: each function hands it something wrong. Called by
 * misuse.erl, which knows how the calling process must end. */
#include <erl_nif.h>

typedef ERL_NIF_TERM T;
static ErlNifResourceType *type;
#define WILD ((void *) 8)
#define WILD_TERM 0xdeadbeef02UL    /* boxed, nowhere */
#define EMPTY_TERM 0x610000000002UL /* boxed, in term memory that nobody uses */

#define CASE(name) static T name(ErlNifEnv *env, int argc, const T argv[])
#define DONE ((void) argc, argv[0])

CASE (get_long_of_wild_term) {
    long l;
    (void) enif_get_long(env, WILD_TERM, &l);
    return DONE;
}
CASE (get_to_wild_pointer) {
    (void) enif_get_int(env, enif_make_int(env, 1), WILD);
    return DONE;
}
CASE (make_string_of_wild_pointer) {
    (void) enif_make_string(env, WILD, ERL_NIF_LATIN1);
    return DONE;
}
CASE (make_atom_of_wild_pointer) {
    (void) enif_make_atom(env, WILD);
    return DONE;
}
CASE (get_atom_to_wild_pointer) {
    (void) enif_get_atom(env, enif_make_atom(env, "abc"), WILD, 100, ERL_NIF_LATIN1);
    return DONE;
}
CASE (inspect_unused_memory) {
    ErlNifBinary b;
    (void) enif_inspect_binary(env, EMPTY_TERM, &b);
    return DONE;
}
CASE (inspect_iolist_of_wild_term) {
    ErlNifBinary b;
    (void) enif_inspect_iolist_as_binary(env, 0xdeadbeef01UL, &b);
    return DONE;
}
CASE (send_to_wild_pointer) {
    (void) enif_send(env, WILD, NULL, argv[0]);
    return DONE;
}
CASE (send_from_wild_env) {
    ErlNifPid pid;
    enif_self(env, &pid);
    (void) enif_send(env, &pid, WILD, argv[0]);
    return DONE;
}
CASE (send_wild_term) {
    ErlNifPid pid;
    enif_self(env, &pid);
    (void) enif_send(env, &pid, NULL, WILD_TERM);
    return DONE;
}
CASE (lock_wild_mutex) {
    enif_mutex_lock(WILD);
    return DONE;
}
CASE (lock_what_is_no_mutex) {
    static long junk[100];
    enif_mutex_lock((ErlNifMutex *) junk);
    return DONE;
}
CASE (alloc_without_type) {
    (void) enif_alloc_resource(NULL, 10);
    return DONE;
}
CASE (free_wild_pointer) {
    enif_free(WILD);
    return DONE;
}
CASE (release_binary_twice) {
    ErlNifBinary a, b;
    enif_alloc_binary(100, &a);
    b = a;
    enif_release_binary(&a);
    enif_release_binary(&b);
    return DONE;
}
CASE (free_env_twice) {
    ErlNifEnv *e = enif_alloc_env();
    enif_free_env(e);
    enif_free_env(e);
    return DONE;
}
CASE (free_call_env) {
    enif_free_env(env);
    return DONE;
}
CASE (realloc_wild_binary) {
    ErlNifBinary b = { 10, WILD, WILD, { NULL, NULL } };
    (void) enif_realloc_binary(&b, 20);
    return DONE;
}
CASE (use_wild_iterator) {
    ErlNifMapIterator it;
    T k, v;
    memset(&it, 0x41, sizeof(it));
    it.idx = 1;
    (void) enif_map_iterator_get_pair(env, &it, &k, &v);
    return DONE;
}
CASE (schedule_nothing) {
    return enif_schedule_nif(env, "nothing", 0, NULL, argc, argv);
}
CASE (schedule_without_name) {
    return enif_schedule_nif(env, WILD, 0, schedule_nothing, argc, argv);
}
CASE (raise_no_term) {
    return enif_raise_exception(env, WILD_TERM);
}
CASE (return_zero) {
    (void) env, (void) argc, (void) argv;
    return 0;
}
CASE (return_wild_term) {
    (void) env, (void) argc, (void) argv;
    return WILD_TERM;
}
CASE (return_unused_memory) {
    (void) env, (void) argc, (void) argv;
    return EMPTY_TERM;
}
CASE (list_of_null) {
    return DONE + 0 * enif_make_list_from_array(env, NULL, 10);
}
CASE (tuple_of_wild_term) {
    (void) enif_make_tuple(env, 2, argv[0], WILD_TERM);
    return DONE;
}
CASE (huge_binary) {
    T t;
    (void) enif_make_new_binary(env, 1UL << 62, &t);
    return t;
}
CASE (huge_list) {
    return enif_make_list_from_array(env, argv, 1U << 31);
}
CASE (huge_string) {
    return enif_make_string_len(env, "", 1UL << 60, ERL_NIF_LATIN1);
}
CASE (release_resource_too_often) {
    void *o = enif_alloc_resource(type, 10);
    for (int i = 0; i < 5; i++) {
        enif_release_resource(o);
    }
    return DONE;
}
CASE (resource_on_stack) {
    char buf[64];
    return enif_make_resource(env, buf);
}
CASE (write_before_resource) {
    char *o = enif_alloc_resource(type, 10);
    memset(o - 16, 0x55, 16);
    return enif_make_resource(env, o);
}
CASE (resource_binary_of_wild_pointer) {
    return enif_make_resource_binary(env, enif_alloc_resource(type, 10), WILD, 1000);
}
CASE (encode_wild_term) {
    ErlNifBinary b;
    (void) enif_term_to_binary(env, WILD_TERM, &b);
    return DONE;
}
CASE (decode_wild_pointer) {
    T t;
    (void) enif_binary_to_term(env, WILD, 100, &t, 0);
    return DONE;
}
CASE (compare_wild_terms) {
    (void) env;
    (void) enif_compare(WILD_TERM, WILD_TERM + 16);
    return DONE;
}
CASE (hash_wild_term) {
    (void) env;
    (void) enif_hash(ERL_NIF_PHASH2, WILD_TERM, 0);
    return DONE;
}
CASE (print_wild_string) {
    char buf[10];
    (void) env;
    (void) enif_snprintf(buf, sizeof(buf), "%s", WILD);
    return DONE;
}
CASE (print_wild_term) {
    char buf[10];
    (void) env;
    (void) enif_snprintf(buf, sizeof(buf), "%T", WILD_TERM);
    return DONE;
}
CASE (put_wild_key) {
    T m;
    (void) enif_make_map_put(env, enif_make_new_map(env), WILD_TERM, argv[0], &m);
    return DONE;
}
CASE (put_to_wild_map) {
    T m;
    (void) enif_make_map_put(env, WILD_TERM, argv[0], argv[0], &m);
    return DONE;
}
CASE (build_in_wild_env) {
    (void) env;
    (void) enif_make_long(WILD, 1L << 62);
    return DONE;
}
CASE (monitor_for_wild_object) {
    ErlNifPid pid;
    enif_self(env, &pid);
    (void) enif_monitor_process(env, WILD, &pid, NULL);
    return DONE;
}
CASE (select_for_wild_object) {
    (void) enif_select(env, 0, ERL_NIF_SELECT_READ, WILD, NULL, argv[0]);
    return DONE;
}
CASE (destroy_wild_queue) {
    (void) env;
    enif_ioq_destroy(WILD);
    return DONE;
}
CASE (half_built_terms) {
    T list = argv[0], bin;
    for (int i = 0; i < 1000; i++) {
        list = enif_make_list_cell(env, argv[0], list);
        (void) enif_make_new_binary(env, 1000, &bin);
        list = enif_make_list_cell(env, bin, list);
    }
    *(volatile int *) WILD = 1;
    return list;
}

static int load(ErlNifEnv *env, void **priv, T info)
{
    (void) priv, (void) info;
    type = enif_open_resource_type(env, NULL, "thing", NULL, ERL_NIF_RT_CREATE, NULL);
    return type == NULL;
}

#define F(name)                                                                                    \
    {                                                                                              \
#name, 1, name, 0                                                                          \
    }
static ErlNifFunc functions[] = { F(get_long_of_wild_term), F(get_to_wild_pointer),
    F(make_string_of_wild_pointer), F(make_atom_of_wild_pointer), F(get_atom_to_wild_pointer),
    F(inspect_unused_memory), F(inspect_iolist_of_wild_term), F(send_to_wild_pointer),
    F(send_from_wild_env), F(send_wild_term), F(lock_wild_mutex), F(lock_what_is_no_mutex),
    F(alloc_without_type), F(free_wild_pointer), F(release_binary_twice), F(free_env_twice),
    F(free_call_env), F(realloc_wild_binary), F(use_wild_iterator), F(schedule_nothing),
    F(schedule_without_name), F(raise_no_term), F(return_zero), F(return_wild_term),
    F(return_unused_memory), F(list_of_null), F(tuple_of_wild_term), F(huge_binary), F(huge_list),
    F(huge_string), F(release_resource_too_often), F(resource_on_stack), F(write_before_resource),
    F(resource_binary_of_wild_pointer), F(encode_wild_term), F(decode_wild_pointer),
    F(compare_wild_terms), F(hash_wild_term), F(print_wild_string), F(print_wild_term),
    F(put_wild_key), F(put_to_wild_map), F(build_in_wild_env), F(monitor_for_wild_object),
    F(select_for_wild_object), F(destroy_wild_queue), F(half_built_terms) };
ERL_NIF_INIT(misuse, functions, load, NULL, NULL, NULL)
