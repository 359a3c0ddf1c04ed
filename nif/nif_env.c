#include "nif/nif_env.h"

#include <stdlib.h>

#include "nif/enif.h"
#include "nif/host.h"
#include "nif/nif_resource.h"

_Thread_local struct enif_environment_t *nif_env_current __attribute__((tls_model("local-exec")));

/* In an attached worker the first two are the VM's, the third is its own. */
static bool points_to_term_memory(uintptr_t address)
{
    return address - ARENA_TERMS_BASE < ARENA_TERMS_MAX
           || address - ARENA_LITERALS_BASE < ARENA_LITERALS_SIZE
           || (arena_is_attached() && address - ARENA_WORKER_BASE < ARENA_WORKER_SIZE);
}

static inline bool header_is_plausible(uintptr_t header)
{
    enum term_tag tag = header_tag(header);
    return word_is_header(header) && tag >= TAG_TUPLE && tag < TAG_COUNT && tag != TAG_MATCH_CTX && tag != TAG_HAMT_NODE;
}

bool nif_term_plausible_slow(term t)
{
    if (term_is_immed(t)) {
        if (term_is_atom(t)) {
            return term_to_atom_index(t) < atom_count();
        }
        return term_is_small(t) || term_is_nil(t) || term_is_local_pid(t) || term_is_local_port(t);
    }
    uintptr_t address = t.word & ~(uintptr_t) TERM_PRIMARY_MASK;
    if ((address & 7) != 0 || !points_to_term_memory(address)) {
        return false;
    }
    if (term_is_cons(t)) {
        return true;
    }
    return term_is_boxed(t) && header_is_plausible(*(const uintptr_t *) address);
}

/* The end of what is in use of h around p; NULL: p is not on it. */
static const uintptr_t *end_around(const struct heap *h, const uintptr_t *p)
{
    if (p >= h->start && p < h->top) {
        return h->top;
    }
    if (p >= h->old_start && p < h->old_top) {
        return h->old_top;
    }
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        if (p >= f->words && p < f->words + f->used_words) {
            return f->words + f->used_words;
        }
    }
    return NULL;
}

bool nif_result_plausible_slow(const struct heap *h, term t)
{
    if (term_is_immed(t)) {
        return nif_term_plausible_slow(t);
    }
    const uintptr_t *p = (const uintptr_t *) (t.word & ~(uintptr_t) TERM_PRIMARY_MASK);
    const uintptr_t *end = end_around(h, p);
    if (end == NULL) {
        return arena_is_literal(p) && nif_term_plausible_slow(t);
    }
    if ((uintptr_t) p % sizeof(*p) != 0) {
        return false;
    }
    if (term_is_cons(t)) {
        return end - p >= 2 && !word_is_header(p[0]) && !word_is_header(p[1]);
    }
    return term_is_boxed(t) && header_is_plausible(p[0]) && header_arity(p[0]) < (size_t) (end - p);
}

void nif_env_abort(struct enif_environment_t *env)
{
    nif_env_current = env->outer;
    nif_env_drop_tmp(env);
    nif_env_drop_owed(env, true);
    if (env->load != NULL) {
        nif_load_rollback_types(env->load);
        env->load = NULL;
    }
    heap_rollback(env->heap, &env->mark);
    nif_env_done(env);
    env->resched.wanted = false;
    env->raised = false;
    env->eventful = false;
}

void nif_callback_env_begin(struct nif_callback_env *e, struct nif_lib *lib)
{
    heap_init_frags(&e->heap);
    nif_env_begin(&e->env, &e->heap, NULL, TERM_NONE, lib);
    e->env.kind = NIF_ENV_CALLBACK;
}

void nif_callback_env_end(struct nif_callback_env *e, bool crashed)
{
    if (crashed) {
        nif_env_abort(&e->env);
    } else {
        nif_env_commit(&e->env);
        nif_env_done(&e->env);
    }
    heap_destroy(&e->heap);
}

/* ---- temporary memory ---- */

struct tmp_block {
    struct nif_tmp tmp;
    _Alignas(16) unsigned char payload[];
};

struct tmp_deferred {
    struct nif_tmp tmp;
    void (*fn)(void *arg);
    void *arg;
};

void *nif_tmp_alloc(ErlNifEnv *env, size_t bytes)
{
    struct tmp_block *b = bytes < SIZE_MAX / 2 ? vm_try_alloc(sizeof(*b) + bytes) : NULL;
    if (b == NULL) {
        return NULL;
    }
    b->tmp.free = NULL;
    b->tmp.next = env->tmp;
    env->tmp = &b->tmp;
    env->eventful = true;
    return b->payload;
}

void nif_tmp_free(ErlNifEnv *env, void *payload)
{
    struct tmp_block *b = container_of(payload, struct tmp_block, payload);
    for (struct nif_tmp **at = &env->tmp; *at != NULL; at = &(*at)->next) {
        if (*at == &b->tmp) {
            *at = b->tmp.next;
            vm_free(b);
            return;
        }
    }
}

static void run_deferred(struct nif_tmp *t)
{
    struct tmp_deferred *d = container_of(t, struct tmp_deferred, tmp);
    d->fn(d->arg);
    vm_free(d);
}

void nif_tmp_defer(ErlNifEnv *env, void (*fn)(void *arg), void *arg)
{
    struct tmp_deferred *d = vm_alloc(sizeof(*d));
    *d = (struct tmp_deferred) { { env->tmp, run_deferred }, fn, arg };
    env->tmp = &d->tmp;
    env->eventful = true;
}

void nif_tmp_adopt(ErlNifEnv *env, void *block)
{
    nif_tmp_defer(env, vm_free, block);
}

void nif_env_drop_tmp(struct enif_environment_t *env)
{
    struct nif_tmp *t = env->tmp;
    env->tmp = NULL;
    while (t != NULL) {
        struct nif_tmp *next = t->next;
        if (t->free != NULL) {
            t->free(t);
        } else {
            vm_free(t);
        }
        t = next;
    }
}

/* ---- leaving a call over nonsense ---- */

term nif_term_refused(const ErlNifEnv *env, ERL_NIF_TERM word, const char *api)
{
    if (word != TERM_NONE.word || env == NULL || !env->raised) {
        nif_leave(NIF_LEAVE_BAD_TERM, api);
        abort();
    }
    return TERM_NIL;
}

_Noreturn void nif_bad_handle(const char *api)
{
    nif_leave(NIF_LEAVE_BAD_HANDLE, api);
    abort();
}

ERL_NIF_TERM nif_system_limit(ErlNifEnv *env)
{
    nif_env_raise(env, ATOM(system_limit));
    return 0;
}
