/* misdeed_endless.c - calls that do not end, and appetite that does not. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "misdeeds.h"

ERL_NIF_TERM misdeed_loop(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    volatile int turning = 1;
    (void) env;
    while (turning) {
    }
    return arg;
}

/* One call of libc that reads zeros until it finds an x: it holds the stream's lock meanwhile. */
ERL_NIF_TERM misdeed_loop_in_libc(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    static char buffer[1 << 20];
    FILE *zeros = fopen("/dev/zero", "r");
    (void) env;
    if (zeros != NULL) {
        setvbuf(zeros, buffer, _IOFBF, sizeof(buffer));
        while (fscanf(zeros, "%*[^x]") != 17) {
        }
    }
    return arg;
}

ERL_NIF_TERM misdeed_sleep_forever(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    for (;;) {
        pause();
    }
    return arg;
}

ERL_NIF_TERM misdeed_deadlock(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifMutex *mutex = enif_mutex_create("taken twice");
    (void) env;
    enif_mutex_lock(mutex);
    enif_mutex_lock(mutex);
    return arg;
}

/* Few bytes of each block are touched: the limit is reached, the machine does not notice. */
ERL_NIF_TERM misdeed_eat_malloc(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    for (;;) {
        char *block = malloc((size_t) 32 << 20);
        HIDE(block);
        *block = 1; /* as most programs do: without a look at what malloc said */
    }
    return arg;
}

ERL_NIF_TERM misdeed_eat_terms(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ERL_NIF_TERM list = enif_make_list(env, 0);
    for (;;) {
        list = enif_make_list_cell(env, arg, list);
    }
    return list;
}

/* No misdeed: tells a process that it has begun, and works for so long that it can be ended meanwhile. */
ERL_NIF_TERM misdeed_busy(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    enum { SECONDS = 20 };
    ErlNifPid pid;
    ErlNifEnv *message = enif_alloc_env();
    if (enif_get_local_pid(env, arg, &pid)) {
        enif_send(env, &pid, message, enif_make_atom(message, "begun"));
    }
    enif_free_env(message);
    ErlNifTime end = enif_monotonic_time(ERL_NIF_SEC) + SECONDS;
    while (enif_monotonic_time(ERL_NIF_SEC) < end) {
    }
    return arg;
}
