/* bench_native.c - native functions to price: small, large arguments, large results. With BENCH_DIRTY they
 * are dirty; kill/1 never is. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <erl_nif.h>

#ifdef BENCH_DIRTY
#define BENCH_FLAGS ERL_NIF_DIRTY_JOB_CPU_BOUND
#else
#define BENCH_FLAGS 0
#endif

static ERL_NIF_TERM add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    long a, b;
    (void) argc;
    if (!enif_get_long(env, argv[0], &a) || !enif_get_long(env, argv[1], &b)) {
        return enif_make_badarg(env);
    }
    return enif_make_long(env, a + b);
}

/* Takes bytes, gives a number. */
static ERL_NIF_TERM take(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    ErlNifBinary bin;
    (void) argc;
    if (!enif_inspect_binary(env, argv[0], &bin)) {
        return enif_make_badarg(env);
    }
    return enif_make_ulong(env, bin.size);
}

/* Takes a number, gives bytes. */
static ERL_NIF_TERM give(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    unsigned long n;
    ERL_NIF_TERM result;
    (void) argc;
    if (!enif_get_ulong(env, argv[0], &n)) {
        return enif_make_badarg(env);
    }
    memset(enif_make_new_binary(env, n, &result), 'g', n);
    return result;
}

/* Takes bytes, gives a copy. */
static ERL_NIF_TERM copy(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    ErlNifBinary bin;
    ERL_NIF_TERM result;
    (void) argc;
    if (!enif_inspect_binary(env, argv[0], &bin)) {
        return enif_make_badarg(env);
    }
    memcpy(enif_make_new_binary(env, bin.size, &result), bin.data, bin.size);
    return result;
}

/* Takes a list of integers, gives it in reverse. */
static ERL_NIF_TERM turn(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    ERL_NIF_TERM head, tail = argv[0], result = enif_make_list(env, 0);
    long n;
    (void) argc;
    while (enif_get_list_cell(env, tail, &head, &tail)) {
        if (!enif_get_long(env, head, &n)) {
            return enif_make_badarg(env);
        }
        result = enif_make_list_cell(env, enif_make_long(env, n), result);
    }
    return result;
}

static ERL_NIF_TERM nap(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    unsigned ms;
    (void) argc;
    if (!enif_get_uint(env, argv[0], &ms)) {
        return enif_make_badarg(env);
    }
    usleep(ms * 1000);
    return argv[0];
}

static ERL_NIF_TERM crash(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc;
    (void) argv;
    *(volatile int *) 0 = 42;
    return enif_make_int(env, 0);
}

static ERL_NIF_TERM kill_process(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int pid;
    (void) argc;
    if (!enif_get_int(env, argv[0], &pid) || pid <= 1) {
        return enif_make_badarg(env);
    }
    return enif_make_int(env, kill(pid, SIGKILL));
}

static ErlNifFunc functions[] = {
    { "add", 2, add, BENCH_FLAGS },
    { "take", 1, take, BENCH_FLAGS },
    { "give", 1, give, BENCH_FLAGS },
    { "copy", 1, copy, BENCH_FLAGS },
    { "turn", 1, turn, BENCH_FLAGS },
    { "nap", 1, nap, BENCH_FLAGS },
    { "crash", 0, crash, BENCH_FLAGS },
    { "kill", 1, kill_process, 0 },
};

#ifdef BENCH_DIRTY
ERL_NIF_INIT(bench_native_dirty, functions, NULL, NULL, NULL, NULL)
#else
ERL_NIF_INIT(bench_native, functions, NULL, NULL, NULL, NULL)
#endif
