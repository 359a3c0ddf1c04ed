#include "lib/base/arena.h"
#include "nif/enif.h"
#include "nif/host.h"
#include "nif/nif_lib.h"
#include "vm/core/copy.h"

struct independent_env {
    struct enif_environment_t env;
    struct heap heap;
};

void *enif_priv_data(ErlNifEnv *env)
{
    return env->lib != NULL ? env->lib->priv_data : NULL;
}

ErlNifEnv *enif_alloc_env(void)
{
    struct independent_env *e = vm_zalloc(sizeof(*e));
    heap_init_frags(&e->heap);
    e->env.heap = &e->heap;
    e->env.kind = NIF_ENV_INDEPENDENT;
    nif_owed_add(NIF_OWED_ENV, &e->env);
    return &e->env;
}

static void check_independent(ErlNifEnv *env, const char *api)
{
    if (arena_usable(arena_vm, env) < sizeof(struct independent_env)
        || env->kind != NIF_ENV_INDEPENDENT
        || env->heap != &container_of(env, struct independent_env, env)->heap) {
        nif_bad_handle(api);
    }
}

static void empty(ErlNifEnv *env)
{
    nif_env_drop_tmp(env);
    heap_destroy(env->heap);
    heap_init_frags(env->heap);
    env->raised = false;
}

void enif_free_env(ErlNifEnv *env)
{
    if (env == NULL) {
        return;
    }
    check_independent(env, "enif_free_env");
    nif_owed_remove(env);
    nif_guard_enter();
    nif_env_drop_tmp(env);
    heap_destroy(env->heap);
    env->heap = NULL;
    vm_free(env);
    nif_guard_leave();
}

void enif_clear_env(ErlNifEnv *env)
{
    check_independent(env, "enif_clear_env");
    nif_guard_enter();
    empty(env);
    nif_guard_leave();
}

ERL_NIF_TERM enif_make_copy(ErlNifEnv *dst_env, ERL_NIF_TERM src_term)
{
    term t = nif_term_in(dst_env, src_term, "enif_make_copy");
    /* What no process holds is not looked through when literals go. */
    bool all = dst_env->kind != NIF_ENV_CALL;
    if (!nif_room_for(dst_env, all ? copy_size_all(t) : copy_size(t))) {
        return nif_system_limit(dst_env);
    }
    return (all ? copy_term_all(t, dst_env->heap) : copy_term(t, dst_env->heap)).word;
}

int enif_send(ErlNifEnv *env, const ErlNifPid *to_pid, ErlNifEnv *msg_env, ERL_NIF_TERM msg)
{
    term to = term_of(to_pid->pid);
    term message = nif_term_in(env, msg, "enif_send");
    if (env == NULL) {
        env = nif_env_current; /* the sender, for the order of signals; NULL on other threads */
    }
    if (!term_is_local_pid(to) || !nif_host->process_alive(to)) {
        return 0;
    }
    if (msg_env == NULL) {
        return nif_host->send(env, to, message, NULL);
    }
    check_independent(msg_env, "enif_send");
    nif_guard_enter();
    bool sent = nif_host->send(env, to, message, msg_env->heap);
    empty(msg_env);
    nif_guard_leave();
    return sent;
}

ErlNifPid *enif_self(ErlNifEnv *caller_env, ErlNifPid *pid)
{
    if (caller_env->kind == NIF_ENV_INDEPENDENT || term_is_none(caller_env->pid)) {
        return NULL;
    }
    pid->pid = caller_env->pid.word;
    return pid;
}
