/* nif_env.h - what an ErlNifEnv * points to.
 *
 *   kind            heap                          ends with
 *   call            the calling process's own     the native call
 *   callback        own, fragments only           the callback (destructor, down, load ...)
 *   independent     own, fragments only           enif_free_env
 *
 * Terms in a call's environment are built on the caller's heap at once: heap_alloc() never moves
 * terms. nif_env_begin() notes where that heap stood; nif_env_abort() puts it back, so that
 * nothing a crashed NIF half built is left. The struct lives wherever the caller of a NIF has
 * room (its stack, a thread's slot); no allocation per call.
 *
 *   nif_env_begin(&env, &p->heap, p, p->id, lib);
 *   result = fn(&env, argc, argv)             (on whatever stack)
 *   nif_env_commit(&env)  or  nif_env_abort(&env)
 * then look at env.raised / env.resched.
 *
 * Thread: the one that runs the call; an independent environment: one thread at a time.
 */
#ifndef NIF_ENV_H
#define NIF_ENV_H

#include "lib/base/arena.h"
#include "nif/erl_nif.h"
#include "nif/nif_guard.h"
#include "vm/core/atom.h"
#include "vm/core/heap.h"

struct nif_lib;
struct nif_load;

enum nif_env_kind { NIF_ENV_CALL, NIF_ENV_CALLBACK, NIF_ENV_INDEPENDENT };

typedef ERL_NIF_TERM (*nif_fn)(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);

enum { NIF_RESCHED_INLINE_ARGS = 8 };
/* What enif_schedule_nif() asked for. */
struct nif_resched {
    bool wanted;
    unsigned flags; /* 0, ERL_NIF_DIRTY_JOB_* */
    nif_fn fn;
    term name; /* atom */
    unsigned argc;
    term *args; /* args_inline, or owned vm_alloc: freed by commit/abort */
    term args_inline[NIF_RESCHED_INLINE_ARGS];
};

/* Memory that lives until the environment ends: copies of unaligned binaries, iterators. */
struct nif_tmp {
    struct nif_tmp *next;
    void (*free)(struct nif_tmp *t); /* NULL: vm_free */
};

struct enif_environment_t {
    struct heap *heap;
    struct nif_lib *lib; /* whose code runs; NULL: independent */
    void *caller;        /* struct proc * in the VM; NULL: no process */
    term pid;            /* of the caller, TERM_NONE */
    term reason;         /* of the pending exception */
    struct nif_tmp *tmp;
    struct enif_environment_t *outer; /* environment of this thread before begin */
    struct nif_load *load;            /* during load and upgrade: resource types opened so far */
    uint32_t owed_at; /* where this thread's list of owed objects stood; see nif_owed.c */
    enum nif_env_kind kind;
    bool eventful; /* raised, resched or tmp is set, or something is owed: the end of the call must look */
    bool raised; /* enif_raise_exception, enif_make_badarg */
    struct heap_mark mark;
    struct nif_resched resched;
};

/* The environment of the native call this thread is in, or NULL. */
extern _Thread_local struct enif_environment_t *nif_env_current
    __attribute__((tls_model("local-exec")));

/* How many objects this thread's calls got from the API and must still give back. */
extern _Thread_local uint32_t nif_owed_count __attribute__((tls_model("local-exec")));

/* Where a large binary that enif_make_new_binary makes for env is to lie instead of term memory of its own: NULL, or a
 * function that gives it, or NULL. Set at start. */
extern struct offheap_bin *(*nif_result_binary)(const struct enif_environment_t *env, size_t bytes);

void nif_env_drop_tmp(struct enif_environment_t *env);
void nif_env_drop_owed(struct enif_environment_t *env, bool crashed);

static inline void nif_env_raise(struct enif_environment_t *env, term reason)
{
    env->reason = reason;
    env->raised = true;
    env->eventful = true;
}

/* What an uneventful call leaves as it was: an environment used again and again needs it once, and
 * after each call that raised, rescheduled or crashed. */
static inline void nif_env_clear(struct enif_environment_t *env)
{
    env->tmp = NULL;
    env->load = NULL;
    env->kind = NIF_ENV_CALL;
    env->eventful = false;
    env->raised = false;
    env->resched.wanted = false;
}
/* pre: env is clear. */
static inline void nif_env_enter(
    struct enif_environment_t *env, struct heap *heap, void *caller, term pid, struct nif_lib *lib)
{
    env->heap = heap;
    env->lib = lib;
    env->caller = caller;
    env->pid = pid;
    env->owed_at = nif_owed_count;
    heap_mark_set(&env->mark, heap);
    env->outer = nif_env_current;
    nif_env_current = env;
}
/* The same where no other environment can be this thread's, and the end of it: what nif_env_commit() does if nothing
 * was eventful. pre: as above, and owed_at and outer are 0 and NULL. */
static inline void nif_env_enter_outermost(
    struct enif_environment_t *env, struct heap *heap, void *caller, term pid, struct nif_lib *lib)
{
    VM_ASSERT(nif_env_current == NULL && nif_owed_count == 0 && env->owed_at == 0 && env->outer == NULL && !env->eventful);
    env->heap = heap;
    env->lib = lib;
    env->caller = caller;
    env->pid = pid;
    heap_mark_set(&env->mark, heap);
    nif_env_current = env;
}
static inline void nif_env_leave_outermost(void)
{
    nif_env_current = NULL;
}
static inline void nif_env_begin(
    struct enif_environment_t *env, struct heap *heap, void *caller, term pid, struct nif_lib *lib)
{
    nif_env_clear(env);
    nif_env_enter(env, heap, caller, pid, lib);
}
/* The call came back. env.raised and env.resched say how; resched.args stay valid until
 * nif_env_done(). */
static inline void nif_env_commit(struct enif_environment_t *env)
{
    nif_env_current = env->outer;
    if (__builtin_expect(env->tmp != NULL, 0)) {
        nif_env_drop_tmp(env);
    }
    if (__builtin_expect(nif_owed_count != env->owed_at, 0)) {
        nif_env_drop_owed(env, false);
    }
}
/* After resched has been looked at. */
static inline void nif_env_done(struct enif_environment_t *env)
{
    if (env->resched.wanted && env->resched.args != env->resched.args_inline) {
        vm_free(env->resched.args);
    }
}
/* The call was abandoned: the caller's heap is as it was at begin. */
void nif_env_abort(struct enif_environment_t *env);

/* Environment for a callback: its own fragments. end frees them. */
struct nif_callback_env {
    struct enif_environment_t env;
    struct heap heap;
};
void nif_callback_env_begin(struct nif_callback_env *e, struct nif_lib *lib);
void nif_callback_env_end(struct nif_callback_env *e, bool crashed);

/* Could this word be a term at all? Immediate with a known tag, or a pointer into term memory with
 * what belongs there at its end. Does not look deeper; cheap enough for every word that a NIF
 * gives to the VM. */
bool nif_term_plausible_slow(term t);
static inline bool nif_term_plausible(term t)
{
    return term_is_small(t) || nif_term_plausible_slow(t);
}

/* The same of what a call returns to a process with heap h, and more: it lies on that heap or is a literal, as a whole.
 * An argument of an earlier call hardly passes, nor does an address that is off by a word. */
bool nif_result_plausible_slow(const struct heap *h, term t);
static inline bool nif_result_plausible(const struct heap *h, term t)
{
    return term_is_small(t) || (term_is_atom(t) ? term_to_atom_index(t) < atom_count() : nif_result_plausible_slow(h, t));
}

#endif
