/* soak_nif.c - dies of the signal it is asked for, or returns what it is given. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <erl_nif.h>

static volatile char *beyond_end; /* mapped, but the file behind it is empty: touching it is SIGBUS */

static ERL_NIF_TERM crash(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int signal;
    volatile int zero = 0;
    (void) argc;
    if (!enif_get_int(env, argv[0], &signal)) {
        return enif_make_badarg(env);
    }
    switch (signal) {
    case SIGSEGV:
        *(volatile int *) 0 = 1;
        break;
    case SIGBUS:
        *beyond_end = 1;
        break;
    case SIGFPE:
        zero = 42 / zero;
        break;
    case SIGILL:
        __asm__ volatile("ud2");
        break;
    case SIGTRAP:
        __asm__ volatile("int3");
        break;
    case SIGABRT:
        abort();
    default:
        raise(signal);
    }
    return enif_make_int(env, zero);
}

/* Its argument, after a while of up to a quarter of a millisecond: so that calls are in flight when others crash. */
static ERL_NIF_TERM echo(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc;
    usleep((unsigned) enif_monotonic_time(ERL_NIF_NSEC) % 256);
    return enif_make_copy(env, argv[0]);
}

static int load(ErlNifEnv *env, void **priv_data, ERL_NIF_TERM info)
{
    (void) env;
    (void) priv_data;
    (void) info;
    int fd = memfd_create("empty", MFD_CLOEXEC);
    beyond_end = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return beyond_end == MAP_FAILED;
}

static ErlNifFunc functions[] = { { "crash", 1, crash, 0 }, { "echo", 1, echo, 0 } };

ERL_NIF_INIT(soak, functions, load, NULL, NULL, NULL)
