#include <limits.h>

#include "lib/base/arena.h"
#include "nif/enif.h"
#include "nif/host.h"

ERL_NIF_TERM enif_raise_exception(ErlNifEnv *env, ERL_NIF_TERM reason)
{
    nif_env_raise(env, nif_term_in(env, reason, "enif_raise_exception"));
    return TERM_NONE.word;
}

ERL_NIF_TERM enif_make_badarg(ErlNifEnv *env)
{
    nif_env_raise(env, ATOM(badarg));
    return TERM_NONE.word;
}

int enif_has_pending_exception(ErlNifEnv *env, ERL_NIF_TERM *reason)
{
    if (env->raised && reason != NULL) {
        *reason = env->reason.word;
    }
    return env->raised;
}

int enif_consume_timeslice(ErlNifEnv *env, int percent)
{
    return env->kind == NIF_ENV_CALL
           && nif_host->consume_timeslice(env, percent < 1     ? 1
                                               : percent > 100 ? 100
                                                               : percent);
}

/* The call ends, and fp is called next, with copied arguments, on the kind of scheduler that flags
 * ask for. */
ERL_NIF_TERM enif_schedule_nif(ErlNifEnv *env, const char *name, int flags,
    ERL_NIF_TERM (*fp)(ErlNifEnv *, int, const ERL_NIF_TERM[]), int argc, const ERL_NIF_TERM argv[])
{
    enum { MAX_ARITY = UCHAR_MAX };
    if (env->kind != NIF_ENV_CALL || argc < 0 || argc > MAX_ARITY
        || (flags != 0 && flags != ERL_NIF_DIRTY_JOB_CPU_BOUND
            && flags != ERL_NIF_DIRTY_JOB_IO_BOUND)) {
        return enif_make_badarg(env);
    }
    term atom = atom_intern_latin1((const uint8_t *) name, strlen(name));
    if (term_is_none(atom)) {
        return enif_make_badarg(env);
    }
    struct nif_resched *r = &env->resched;
    nif_env_done(env); /* an earlier wish of the same call */
    r->wanted = false;
    r->args = argc <= NIF_RESCHED_INLINE_ARGS ? r->args_inline
                                              : vm_alloc((size_t) argc * sizeof(*r->args));
    r->wanted = true;
    env->eventful = true;
    r->flags = (unsigned) flags;
    r->fn = fp;
    r->name = atom;
    r->argc = (unsigned) argc;
    for (int i = 0; i < argc; i++) {
        r->args[i] = nif_term_in(env, argv[i], "enif_schedule_nif");
    }
    return TERM_NONE.word;
}

int enif_thread_type(void)
{
    return (int) nif_host->thread_type();
}

/* bulkhead_nif.h declares it for libraries, as weak. */
__attribute__((visibility("default"))) void bulkhead_nif_panic(const char *text, size_t bytes);
void bulkhead_nif_panic(const char *text, size_t bytes)
{
    char copy[1024];
    size_t n = bytes < sizeof(copy) ? bytes : sizeof(copy) - 1;
    memcpy(copy, text, n);
    copy[n] = '\0';
    nif_leave(NIF_LEAVE_PANIC, copy);
}
