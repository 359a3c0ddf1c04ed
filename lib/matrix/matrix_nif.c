/* matrix_nif.c - the NIF library of bulkhead_matrix_nif.erl: finds misdeeds by name, and commits those
 * that are callbacks of the NIF API. */
#include <string.h>

#include <erl_nif.h>

#include "misdeeds.h"

static const struct {
    const char *name;
    ERL_NIF_TERM (*commit)(ErlNifEnv *env, ERL_NIF_TERM arg);
} misdeeds[] = {
#define MISDEED(name) { #name, misdeed_##name },
#include "misdeeds.def"
#undef MISDEED
};

static ErlNifResourceType *bomb_type, *watch_type;

/* ---- callbacks ---- */

static void bomb_destructor(ErlNifEnv *env, void *object)
{
    (void) env, (void) object;
    write_null();
}

/* A resource that crashes when it is collected. */
ERL_NIF_TERM misdeed_make_bomb(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void *object = enif_alloc_resource(bomb_type, 16);
    ERL_NIF_TERM term = enif_make_resource(env, object);
    (void) arg;
    enif_release_resource(object);
    return term;
}

static void watch_down(ErlNifEnv *env, void *object, ErlNifPid *pid, ErlNifMonitor *monitor)
{
    (void) env, (void) object, (void) pid, (void) monitor;
    write_null();
}

/* A resource that crashes when the process arg ends. */
ERL_NIF_TERM misdeed_watch(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void *object = enif_alloc_resource(watch_type, 16);
    ERL_NIF_TERM term = enif_make_resource(env, object);
    ErlNifPid pid;
    if (!enif_get_local_pid(env, arg, &pid) || enif_monitor_process(env, object, &pid, NULL) != 0) {
        term = enif_make_badarg(env);
    }
    enif_release_resource(object);
    return term;
}

/* Types for a new or an old module; a crash if info says so. */
static int start(ErlNifEnv *env, ERL_NIF_TERM info, const char *crash_if, ErlNifResourceFlags flags)
{
    char text[32] = "";
    const ErlNifResourceTypeInit watch = { .down = watch_down };
    enif_get_atom(env, info, text, sizeof(text), ERL_NIF_LATIN1);
    if (strcmp(text, crash_if) == 0) {
        write_null();
    }
    bomb_type = enif_open_resource_type(env, NULL, "bomb", bomb_destructor, flags, NULL);
    watch_type = enif_open_resource_type_x(env, "watch", &watch, flags, NULL);
    return bomb_type == NULL || watch_type == NULL;
}

static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info)
{
    static int crash_in_unload;
    char text[32] = "";
    enif_get_atom(env, info, text, sizeof(text), ERL_NIF_LATIN1);
    *priv = strcmp(text, "crash_in_unload") == 0 ? &crash_in_unload : NULL;
    return start(env, info, "crash_in_load", ERL_NIF_RT_CREATE);
}

static int upgrade(ErlNifEnv *env, void **priv, void **old_priv, ERL_NIF_TERM info)
{
    (void) priv, (void) old_priv;
    return start(env, info, "crash_in_upgrade", ERL_NIF_RT_CREATE | ERL_NIF_RT_TAKEOVER);
}

static void unload(ErlNifEnv *env, void *priv)
{
    (void) env;
    if (priv != NULL) {
        write_null();
    }
}

/* ---- functions ---- */

static ERL_NIF_TERM commit(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    char name[32];
    (void) argc;
    if (enif_get_atom(env, argv[0], name, sizeof(name), ERL_NIF_LATIN1)) {
        for (size_t i = 0; i < sizeof(misdeeds) / sizeof(*misdeeds); i++) {
            if (strcmp(misdeeds[i].name, name) == 0) {
                return misdeeds[i].commit(env, argv[1]);
            }
        }
    }
    return enif_make_badarg(env);
}

static ERL_NIF_TERM add(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int a, b;
    (void) argc;
    if (!enif_get_int(env, argv[0], &a) || !enif_get_int(env, argv[1], &b)) {
        return enif_make_badarg(env);
    }
    return enif_make_int64(env, (ErlNifSInt64) a + b);
}

static ErlNifFunc functions[] = {
    { "commit", 2, commit, 0 },
    { "add", 2, add, 0 },
};

ERL_NIF_INIT(bulkhead_matrix_nif, functions, load, NULL, upgrade, unload)
