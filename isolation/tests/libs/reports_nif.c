/* What reports.sh makes the VM report. */
#include <erl_nif.h>

static ERL_NIF_TERM crash(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) env, (void) argc, (void) argv;
    *(volatile int *) 0 = 1;
    return 0;
}

static volatile int depth;
__attribute__((noinline)) static int deeper(int n)
{
    volatile char room[400];
    room[n % 400] = (char) n;
    depth = deeper(n + 1);
    return depth + room[n % 400];
}

static ERL_NIF_TERM overflow(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc, (void) argv;
    return enif_make_int(env, deeper(0) + 1);
}

static ERL_NIF_TERM add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int a, b;
    (void) argc;
    return enif_get_int(env, argv[0], &a) && enif_get_int(env, argv[1], &b) ? enif_make_int(env, a + b) : enif_make_badarg(env);
}

static ErlNifFunc functions[] = { { "crash", 0, crash, 0 }, { "overflow", 0, overflow, 0 }, { "add", 2, add, 0 } };
ERL_NIF_INIT(reports, functions, NULL, NULL, NULL, NULL)
