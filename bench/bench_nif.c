/* bench_nif.c - the smallest native functions, to price the call itself. */
#include <erl_nif.h>

static ERL_NIF_TERM identity(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) env;
    (void) argc;
    return argv[0];
}

static ERL_NIF_TERM add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    long a, b;
    (void) argc;
    if (!enif_get_long(env, argv[0], &a) || !enif_get_long(env, argv[1], &b)) {
        return enif_make_badarg(env);
    }
    return enif_make_long(env, a + b);
}

static ERL_NIF_TERM crash(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc;
    (void) argv;
    *(volatile int *) 0 = 42;
    return enif_make_int(env, 0);
}

static ErlNifFunc functions[] = { { "identity", 1, identity, 0 }, { "add", 2, add, 0 }, { "crash", 0, crash, 0 } };

ERL_NIF_INIT(bench_nif, functions, NULL, NULL, NULL, NULL)
