/* crashes_nif.c - a gallery of native misdeeds. On OTP each of them ends the node. */
#include <assert.h>
#include <stdlib.h>

#include <bulkhead_nif.h>
#include <erl_nif.h>

#define UNUSED_ARGS (void) argc, (void) argv

static ErlNifResourceType *bomb_type;

static ERL_NIF_TERM null_write(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    UNUSED_ARGS;
    *(volatile int *) 0 = 42;
    return enif_make_int(env, 0);
}

static ERL_NIF_TERM wild_jump(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    UNUSED_ARGS;
    void (*nowhere)(void) = (void (*)(void)) 0x1234;
    nowhere();
    return enif_make_int(env, 0);
}

static ERL_NIF_TERM divide_by_zero(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    UNUSED_ARGS;
    volatile int zero = 0;
    return enif_make_int(env, 42 / zero);
}

static int dig(volatile int *depth)
{
    volatile char frame[4096];
    frame[0] = (char) *depth;
    *depth += 1;
    return *depth < 0 ? 0 : dig(depth) + frame[0]; /* it will never be */
}

static ERL_NIF_TERM overflow_stack(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    UNUSED_ARGS;
    volatile int depth = 0;
    return enif_make_int(env, dig(&depth));
}

static ERL_NIF_TERM call_abort(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) env;
    UNUSED_ARGS;
    abort();
}

static ERL_NIF_TERM failed_assert(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argv;
    assert(argc == 42);
    return enif_make_int(env, argc);
}

static ERL_NIF_TERM panic(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argv;
    return nif_panic(env, "called with %d arguments, and that is too few", argc);
}

static ERL_NIF_TERM endless_loop(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    UNUSED_ARGS;
    volatile int turning = 1;
    while (turning) {
    }
    return enif_make_int(env, 0);
}

static ERL_NIF_TERM double_free(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    UNUSED_ARGS;
    char *volatile block = malloc(100);
    free(block);
    free(block);
    return enif_make_int(env, 0);
}

static ERL_NIF_TERM exit_process(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) env;
    UNUSED_ARGS;
    exit(3);
}

static void bomb_destructor(ErlNifEnv *env, void *object)
{
    (void) env;
    *(volatile int *) 0 = *(int *) object;
}

static ERL_NIF_TERM make_bomb(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    UNUSED_ARGS;
    int *object = enif_alloc_resource(bomb_type, sizeof(*object));
    *object = 42;
    ERL_NIF_TERM term = enif_make_resource(env, object);
    enif_release_resource(object);
    return term;
}

static ERL_NIF_TERM add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int a, b;
    (void) argc;
    if (!enif_get_int(env, argv[0], &a) || !enif_get_int(env, argv[1], &b)) {
        return enif_make_badarg(env);
    }
    return enif_make_int64(env, (ErlNifSInt64) a + b);
}

static int load(ErlNifEnv *env, void **priv_data, ERL_NIF_TERM info)
{
    (void) priv_data;
    (void) info;
    bomb_type = enif_open_resource_type(env, NULL, "bomb", bomb_destructor, ERL_NIF_RT_CREATE, NULL);
    return bomb_type == NULL;
}

static ErlNifFunc functions[] = {
    { "null_write", 0, null_write, 0 },
    { "wild_jump", 0, wild_jump, 0 },
    { "divide_by_zero", 0, divide_by_zero, 0 },
    { "overflow_stack", 0, overflow_stack, 0 },
    { "abort", 0, call_abort, 0 },
    { "failed_assert", 0, failed_assert, 0 },
    { "panic", 0, panic, 0 },
    { "endless_loop", 0, endless_loop, 0 },
    { "double_free", 0, double_free, 0 },
    { "exit_process", 0, exit_process, 0 },
    { "make_bomb", 0, make_bomb, 0 },
    { "add", 2, add, 0 },
};

ERL_NIF_INIT(crashes, functions, load, NULL, NULL, NULL)
