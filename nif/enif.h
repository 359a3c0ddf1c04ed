/* enif.h - inside the NIF API: words and terms, room on an environment's heap, what calls own. */
#ifndef NIF_ENIF_H
#define NIF_ENIF_H

#include "lib/base/sanitize.h"
#include "nif/nif_env.h"

static inline term term_of(ERL_NIF_TERM word)
{
    return (term) { word };
}

/* Leaves the native call: a pointer that is no resource, environment, ... was given to `api`. */
_Noreturn void nif_bad_handle(const char *api);

/* Every word that becomes part of a term passes here: one that is no term, given to `api`, leaves the native call. What a
 * function returned that has raised an exception may be built into a term: the term is dropped with the call's result. */
term nif_term_refused(const ErlNifEnv *env, ERL_NIF_TERM word, const char *api);
static inline term nif_term_in(const ErlNifEnv *env, ERL_NIF_TERM word, const char *api)
{
    if (__builtin_expect(!nif_term_plausible(term_of(word)), 0)) {
        return nif_term_refused(env, word, api);
    }
    return term_of(word);
}

/* Raises system_limit in env; 0. */
ERL_NIF_TERM nif_system_limit(ErlNifEnv *env);

static inline bool nif_room_for(ErlNifEnv *env, size_t words)
{
    return words < HEAP_SURE_WORDS || heap_can_alloc(env->heap, words);
}

/* Memory that is given back when the environment ends, or earlier by nif_tmp_free. The payload is
 * 16-byte aligned. */
void *nif_tmp_alloc(ErlNifEnv *env, size_t bytes);
void nif_tmp_free(ErlNifEnv *env, void *payload);
/* Calls fn(arg) when the environment ends. */
void nif_tmp_defer(ErlNifEnv *env, void (*fn)(void *arg), void *arg);
/* vm_free(block) when the environment ends. */
void nif_tmp_adopt(ErlNifEnv *env, void *block);

/* ---- nif_owed.c: what a call has got from the API and must give back itself ---- */
enum nif_owed_kind { NIF_OWED_BINARY, NIF_OWED_ENV, NIF_OWED_RESOURCE };
void nif_owed_add(enum nif_owed_kind kind, void *p);
void nif_owed_remove(void *p);

/* Whatever a function of the API is given, it may follow. */
#define NIF_API(name, group, since, needs, state) extern __typeof__(name) name FOLLOWS_FOREIGN_POINTERS;
#include "nif/api.def"
#undef NIF_API

struct offheap_bin;
/* Makes an ErlNifBinary that owns a new off-heap binary. */
bool nif_binary_alloc(size_t bytes, ErlNifBinary *bin);
/* The library gives its reference away; leaves the NIF if it has none. */
void nif_binary_take(ErlNifBinary *bin, const char *api);

#endif
