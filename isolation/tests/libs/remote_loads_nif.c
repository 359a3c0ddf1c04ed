/* remote_loads_nif.c - compiled with -DVERSION=1 and 2: what a library does when it is loaded, upgraded and
 * unloaded. load_info is the name of a file that says how load() behaves; each callback leaves its letter in
 * a file beside it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <erl_nif.h>

struct state {
    char file[400];
    int loads;
};

static void note(const struct state *s, const char *letter)
{
    char log[420];
    snprintf(log, sizeof(log), "%s.log", s->file);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, letter, 1) == 1) { close(fd); }
}
static int start(ErlNifEnv *env, void **priv, ERL_NIF_TERM info, const char *letter)
{
    struct state *s = enif_alloc(sizeof(*s));
    char how = 'w';
    *priv = s;
    if (enif_get_string(env, info, s->file, sizeof(s->file), ERL_NIF_LATIN1) <= 0) { return 1; }
    note(s, letter);
    int fd = open(s->file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read(fd, &how, 1) == 1) { close(fd); }
    if (how == 'f') { return 1; }
    if (how == 'c') { volatile int *volatile nowhere = NULL; *nowhere = 1; }
    if (how == 'l') { for (;;) { __asm__ volatile(""); } }
    if (how == 'e') { exit(5); }
    if (how == 's') { usleep(300000); }
    return 0;
}
static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info) { return start(env, priv, info, "l"); }
static int upgrade(ErlNifEnv *env, void **priv, void **old, ERL_NIF_TERM info)
{
    return *old == NULL || start(env, priv, info, "u");
}
static void unload(ErlNifEnv *env, void *priv)
{
    (void) env;
    note(priv, VERSION == 1 ? "1" : "2");
    enif_free(priv);
}
static ERL_NIF_TERM version(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc, (void) argv;
    return enif_make_tuple2(env, enif_make_int(env, VERSION), enif_make_int(env, getpid()));
}
static ERL_NIF_TERM crash(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    volatile int *volatile nowhere = NULL;
    (void) env, (void) argc, (void) argv;
    *nowhere = 1;
    return argv[0];
}
static ERL_NIF_TERM nap(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int ms = 0;
    (void) argc;
    enif_get_int(env, argv[0], &ms);
    usleep((useconds_t) ms * 1000);
    return argv[0];
}
static ErlNifFunc functions[] = { { "nap", 1, nap, 0 }, { "version", 0, version, 0 }, { "crash", 0, crash, 0 } };
ERL_NIF_INIT(remote_loads, functions, load, NULL, upgrade, unload)
