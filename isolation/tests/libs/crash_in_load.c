/* crash_in_load.c - compiled three times: -DCRASH_IN_LOAD, -DCRASH_IN_CONSTRUCTOR, and neither. */
#include <erl_nif.h>

#if defined(CRASH_IN_CONSTRUCTOR)
__attribute__((constructor)) static void construct(void) { volatile int *volatile nowhere = NULL; *nowhere = 1; }
#endif
static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info)
{
    (void) env, (void) priv, (void) info;
#if defined(CRASH_IN_LOAD)
    volatile int *volatile nowhere = NULL;
    *nowhere = 1;
#endif
    return 0;
}
static ERL_NIF_TERM served(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc, (void) argv;
    return enif_make_atom(env, "native");
}
static ErlNifFunc functions[] = { { "served", 0, served, 0 } };
#define INIT(name) ERL_NIF_INIT(name, functions, load, NULL, NULL, NULL)
INIT(NAME)
