/* leftovers.c - a worker that is hard to get rid of. */
#include <erl_nif.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Survives its parent, and so does its child; answers its session. */
static ERL_NIF_TERM cling(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc, (void) argv;
    prctl(PR_SET_PDEATHSIG, 0);
    if (fork() == 0) {
        for (;;) {
            pause();
        }
    }
    return enif_make_int(env, getsid(0));
}

static ErlNifFunc functions[] = { { "cling", 0, cling } };
ERL_NIF_INIT(leftovers, functions, NULL, NULL, NULL, NULL)
