/* One function that works and one that does not. */
#include <signal.h>
#include <stddef.h>

#include "erl_nif.h"

static ERL_NIF_TERM twice(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    long n;
    (void) argc;
    return enif_get_long(env, argv[0], &n) ? enif_make_long(env, 2 * n) : enif_make_badarg(env);
}

static ERL_NIF_TERM segv(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc;
    (void) argv;
    *(volatile int *) NULL = 1;
    return enif_make_atom(env, "not_reached");
}

static ErlNifFunc functions[] = { { "twice", 1, twice, 0 }, { "segv", 0, segv, 0 } };
ERL_NIF_INIT(Elixir.Crash, functions, NULL, NULL, NULL, NULL)
