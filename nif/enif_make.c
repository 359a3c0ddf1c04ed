#include <math.h>
#include <stdarg.h>

#include "nif/enif.h"
#include "nif/host.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"

/* ---- numbers ---- */

ERL_NIF_TERM enif_make_int(ErlNifEnv *env, int i)
{
    (void) env;
    return term_from_small(i).word;
}

ERL_NIF_TERM enif_make_uint(ErlNifEnv *env, unsigned i)
{
    (void) env;
    return term_from_small((intptr_t) i).word;
}

ERL_NIF_TERM enif_make_long(ErlNifEnv *env, long i)
{
    return intptr_fits_small(i) ? term_from_small(i).word : heap_integer(env->heap, i).word;
}

ERL_NIF_TERM enif_make_ulong(ErlNifEnv *env, unsigned long i)
{
    return i <= TERM_SMALL_MAX ? term_from_small((intptr_t) i).word
                               : heap_uinteger(env->heap, i).word;
}

ERL_NIF_TERM enif_make_double(ErlNifEnv *env, double d)
{
    return isfinite(d) ? heap_float(env->heap, d).word : enif_make_badarg(env);
}

/* ---- atoms ---- */

/* TERM_NONE if the text makes no atom. */
static term atom_of(const char *name, size_t len, ErlNifCharEncoding encoding, bool existing)
{
    if (encoding == ERL_NIF_LATIN1) {
        if (len > ATOM_MAX_CHARS) {
            return TERM_NONE;
        }
        if (!existing) {
            return atom_intern_latin1((const uint8_t *) name, len);
        }
        return atom_lookup_latin1((const uint8_t *) name, len);
    }
    if (encoding == ERL_NIF_UTF8 && len <= ATOM_MAX_BYTES) {
        return existing ? atom_lookup(name, len) : atom_intern(name, len);
    }
    return TERM_NONE;
}

ERL_NIF_TERM enif_make_atom_len(ErlNifEnv *env, const char *name, size_t len)
{
    term atom = atom_of(name, len, ERL_NIF_LATIN1, false);
    return term_is_none(atom) ? enif_make_badarg(env) : atom.word;
}

ERL_NIF_TERM enif_make_atom(ErlNifEnv *env, const char *name)
{
    return enif_make_atom_len(env, name, strlen(name));
}

int enif_make_existing_atom_len(
    ErlNifEnv *env, const char *name, size_t len, ERL_NIF_TERM *atom, ErlNifCharEncoding encoding)
{
    term t = atom_of(name, len, encoding, true);
    (void) env;
    if (term_is_none(t)) {
        return 0;
    }
    *atom = t.word;
    return 1;
}

int enif_make_existing_atom(
    ErlNifEnv *env, const char *name, ERL_NIF_TERM *atom, ErlNifCharEncoding encoding)
{
    return enif_make_existing_atom_len(env, name, strlen(name), atom, encoding);
}

int enif_make_new_atom_len(
    ErlNifEnv *env, const char *name, size_t len, ERL_NIF_TERM *atom, ErlNifCharEncoding encoding)
{
    term t = atom_of(name, len, encoding, false);
    (void) env;
    if (term_is_none(t)) {
        return 0;
    }
    *atom = t.word;
    return 1;
}

int enif_make_new_atom(
    ErlNifEnv *env, const char *name, ERL_NIF_TERM *atom, ErlNifCharEncoding encoding)
{
    return enif_make_new_atom_len(env, name, strlen(name), atom, encoding);
}

/* ---- tuples ---- */

ERL_NIF_TERM enif_make_tuple_from_array(ErlNifEnv *env, const ERL_NIF_TERM arr[], unsigned cnt)
{
    if (!nif_room_for(env, HEAP_TUPLE_WORDS(cnt))) {
        return nif_system_limit(env);
    }
    uintptr_t *p = heap_alloc(env->heap, HEAP_TUPLE_WORDS(cnt));
    p[0] = TERM_HEADER(TAG_TUPLE, cnt);
    for (unsigned i = 0; i < cnt; i++) {
        p[1 + i] = nif_term_in(env, arr[i], "enif_make_tuple_from_array").word;
    }
    return term_from_boxed_ptr(p).word;
}

ERL_NIF_TERM enif_make_tuple(ErlNifEnv *env, unsigned cnt, ...)
{
    va_list ap;
    if (!nif_room_for(env, HEAP_TUPLE_WORDS(cnt))) {
        return nif_system_limit(env);
    }
    uintptr_t *p = heap_alloc(env->heap, HEAP_TUPLE_WORDS(cnt));
    p[0] = TERM_HEADER(TAG_TUPLE, cnt);
    va_start(ap, cnt);
    for (unsigned i = 0; i < cnt; i++) {
        p[1 + i] = nif_term_in(env, va_arg(ap, ERL_NIF_TERM), "enif_make_tuple").word;
    }
    va_end(ap);
    return term_from_boxed_ptr(p).word;
}

/* ---- lists ---- */

ERL_NIF_TERM enif_make_list_cell(ErlNifEnv *env, ERL_NIF_TERM car, ERL_NIF_TERM cdr)
{
    term head = nif_term_in(env, car, "enif_make_list_cell");
    term tail = nif_term_in(env, cdr, "enif_make_list_cell");
    return heap_cons(env->heap, head, tail).word;
}

/* n cells in a row, ending in []; heads to be filled in. n > 0. */
static uintptr_t *new_cells(ErlNifEnv *env, size_t n)
{
    uintptr_t *p = heap_alloc(env->heap, n * HEAP_CONS_WORDS);
    for (size_t i = 0; i < n; i++) {
        p[2 * i] = TERM_NIL.word;
        p[2 * i + 1] = i + 1 < n ? term_from_list_ptr(&p[2 * i + 2]).word : TERM_NIL.word;
    }
    return p;
}

ERL_NIF_TERM enif_make_list_from_array(ErlNifEnv *env, const ERL_NIF_TERM arr[], unsigned cnt)
{
    if (cnt == 0) {
        return TERM_NIL.word;
    }
    if (!nif_room_for(env, (size_t) cnt * HEAP_CONS_WORDS)) {
        return nif_system_limit(env);
    }
    uintptr_t *p = new_cells(env, cnt);
    for (size_t i = 0; i < cnt; i++) {
        p[2 * i] = nif_term_in(env, arr[i], "enif_make_list_from_array").word;
    }
    return term_from_list_ptr(p).word;
}

ERL_NIF_TERM enif_make_list(ErlNifEnv *env, unsigned cnt, ...)
{
    va_list ap;
    if (cnt == 0) {
        return TERM_NIL.word;
    }
    if (!nif_room_for(env, (size_t) cnt * HEAP_CONS_WORDS)) {
        return nif_system_limit(env);
    }
    uintptr_t *p = new_cells(env, cnt);
    va_start(ap, cnt);
    for (size_t i = 0; i < cnt; i++) {
        p[2 * i] = nif_term_in(env, va_arg(ap, ERL_NIF_TERM), "enif_make_list").word;
    }
    va_end(ap);
    return term_from_list_ptr(p).word;
}

int enif_make_reverse_list(ErlNifEnv *env, ERL_NIF_TERM word, ERL_NIF_TERM *list)
{
    term t = term_of(word), reversed = TERM_NIL;
    intptr_t n = term_list_length(t);
    if (n < 0 || !nif_room_for(env, (size_t) n * HEAP_CONS_WORDS)) {
        return 0;
    }
    for (; term_is_cons(t); t = term_tail(t)) {
        reversed = heap_cons(env->heap, term_head(t), reversed);
    }
    *list = reversed.word;
    return 1;
}

ERL_NIF_TERM enif_make_string_len(
    ErlNifEnv *env, const char *string, size_t len, ErlNifCharEncoding encoding)
{
    if (len > SIZE_MAX / (HEAP_CONS_WORDS * sizeof(uintptr_t))
        || !nif_room_for(env, len * HEAP_CONS_WORDS)) {
        return nif_system_limit(env);
    }
    if (encoding == ERL_NIF_LATIN1) {
        return heap_string(env->heap, string, len).word;
    }
    if (encoding != ERL_NIF_UTF8) {
        return enif_make_badarg(env);
    }
    term list = chars_from_utf8(env->heap, string, len);
    return term_is_none(list) ? enif_make_badarg(env) : list.word;
}

ERL_NIF_TERM enif_make_string(ErlNifEnv *env, const char *string, ErlNifCharEncoding encoding)
{
    return enif_make_string_len(env, string, strlen(string), encoding);
}

/* ---- unique things ---- */

ERL_NIF_TERM enif_make_ref(ErlNifEnv *env)
{
    return heap_ref(env->heap, nif_host->next_ref_id(), 0).word;
}

ERL_NIF_TERM enif_make_unique_integer(ErlNifEnv *env, ErlNifUniqueInteger properties)
{
    int64_t n = (int64_t) nif_host->unique_integer((properties & ERL_NIF_UNIQUE_MONOTONIC) != 0);
    /* As erlang:unique_integer/1: without `positive` it counts from the least small integer. */
    return heap_integer(
        env->heap, (properties & ERL_NIF_UNIQUE_POSITIVE) != 0 ? n : n + TERM_SMALL_MIN)
        .word;
}
