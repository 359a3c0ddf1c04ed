/* matrix_gap_nif.c - was built against a NIF API that has more functions than there are. */
#include <erl_nif.h>

ERL_NIF_TERM enif_make_from_the_future(ErlNifEnv *env);

static ERL_NIF_TERM use(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc, (void) argv;
    return enif_make_from_the_future(env);
}

static ErlNifFunc functions[] = { { "use", 0, use, 0 } };

ERL_NIF_INIT(bulkhead_matrix_gap_nif, functions, NULL, NULL, NULL, NULL)
