#include <limits.h>

#include "nif/enif.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"
#include "vm/core/compare.h"

/* ---- type tests ---- */

ErlNifTermType enif_term_type(ErlNifEnv *env, ERL_NIF_TERM word)
{
    term t = nif_term_in(env, word, "enif_term_type");
    (void) env;
    if (term_is_atom(t)) {
        return ERL_NIF_TERM_TYPE_ATOM;
    }
    if (term_is_integer(t)) {
        return ERL_NIF_TERM_TYPE_INTEGER;
    }
    if (term_is_list(t)) {
        return ERL_NIF_TERM_TYPE_LIST;
    }
    if (term_is_pid(t)) {
        return ERL_NIF_TERM_TYPE_PID;
    }
    if (term_is_port(t)) {
        return ERL_NIF_TERM_TYPE_PORT;
    }
    if (term_is_tuple(t)) {
        return ERL_NIF_TERM_TYPE_TUPLE;
    }
    if (term_is_bits(t)) {
        return ERL_NIF_TERM_TYPE_BITSTRING;
    }
    if (term_is_map(t)) {
        return ERL_NIF_TERM_TYPE_MAP;
    }
    if (term_is_float(t)) {
        return ERL_NIF_TERM_TYPE_FLOAT;
    }
    return term_is_fun(t) ? ERL_NIF_TERM_TYPE_FUN : ERL_NIF_TERM_TYPE_REFERENCE;
}

int enif_is_atom(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_atom(term_of(t));
}
int enif_is_binary(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_binary(term_of(t));
}
int enif_is_empty_list(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_nil(term_of(t));
}
int enif_is_exception(ErlNifEnv *env, ERL_NIF_TERM t)
{
    return env->raised && t == TERM_NONE.word;
}
int enif_is_fun(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_fun(term_of(t));
}
int enif_is_identical(ERL_NIF_TERM lhs, ERL_NIF_TERM rhs)
{
    return term_equal_exact(term_of(lhs), term_of(rhs));
}
int enif_is_list(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_list(term_of(t));
}
int enif_is_map(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_map(term_of(t));
}
int enif_is_number(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_number(term_of(t));
}
int enif_is_pid(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_pid(term_of(t));
}
int enif_is_port(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_port(term_of(t));
}
int enif_is_ref(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_ref(term_of(t));
}
int enif_is_tuple(ErlNifEnv *env, ERL_NIF_TERM t)
{
    (void) env;
    return term_is_tuple(term_of(t));
}

int enif_compare(ERL_NIF_TERM lhs, ERL_NIF_TERM rhs)
{
    return term_compare(term_of(lhs), term_of(rhs));
}

ErlNifUInt64 enif_hash(ErlNifHash type, ERL_NIF_TERM t, ErlNifUInt64 salt)
{
    enum { PHASH2_BITS = 27 };
    term value = nif_term_in(NULL, t, "enif_hash");
    switch (type) {
    case ERL_NIF_INTERNAL_HASH:
        return (uint32_t) term_hash(value, salt); /* as OTP: 32 bits */
    case ERL_NIF_PHASH2:
        return term_phash2(value) & ((1u << PHASH2_BITS) - 1);
    }
    return 0;
}

/* ---- numbers ---- */

int enif_get_int(ErlNifEnv *env, ERL_NIF_TERM word, int *ip)
{
    term t = term_of(word);
    (void) env;
    if (!term_is_small(t)) {
        return 0;
    }
    intptr_t value = term_to_small(t);
    if (value < INT_MIN || value > INT_MAX) {
        return 0;
    }
    *ip = (int) value;
    return 1;
}

int enif_get_uint(ErlNifEnv *env, ERL_NIF_TERM word, unsigned *ip)
{
    term t = term_of(word);
    (void) env;
    if (!term_is_small(t)) {
        return 0;
    }
    intptr_t value = term_to_small(t);
    if (value < 0 || value > UINT_MAX) {
        return 0;
    }
    *ip = (unsigned) value;
    return 1;
}

int enif_get_long(ErlNifEnv *env, ERL_NIF_TERM word, long *ip)
{
    term t = term_of(word);
    int64_t value;
    (void) env;
    if (__builtin_expect(term_is_small(t), 1)) {
        *ip = term_to_small(t);
        return 1;
    }
    if (!integer_to_int64(t, &value)) {
        return 0;
    }
    *ip = value;
    return 1;
}

int enif_get_ulong(ErlNifEnv *env, ERL_NIF_TERM word, unsigned long *ip)
{
    term t = term_of(word);
    uint64_t value;
    (void) env;
    if (__builtin_expect(term_is_small(t), 1)) {
        intptr_t small = term_to_small(t);
        if (small < 0) {
            return 0;
        }
        *ip = (unsigned long) small;
        return 1;
    }
    if (!integer_to_uint64(t, &value)) {
        return 0;
    }
    *ip = value;
    return 1;
}

int enif_get_double(ErlNifEnv *env, ERL_NIF_TERM word, double *dp)
{
    term t = term_of(word);
    (void) env;
    if (!term_is_float(t)) {
        return 0;
    }
    *dp = term_to_double(t);
    return 1;
}

/* ---- text ---- */

/* Characters of an atom as Latin-1; false if one is beyond. out may be NULL. */
static bool atom_latin1(struct atom_text text, char *out)
{
    const uint8_t *at = (const uint8_t *) text.utf8, *end = at + text.bytes;
    for (size_t i = 0; at < end; i++) {
        uint32_t c = 0;
        at += utf8_get(at, (size_t) (end - at), &c);
        if (c > 0xFF) {
            return false;
        }
        if (out != NULL) {
            out[i] = (char) c;
        }
    }
    return true;
}

int enif_get_atom_length(
    ErlNifEnv *env, ERL_NIF_TERM atom, unsigned *len, ErlNifCharEncoding encoding)
{
    term t = term_of(atom);
    (void) env;
    if (!term_is_atom(t)) {
        return 0;
    }
    struct atom_text text = atom_text(t);
    if (encoding == ERL_NIF_UTF8) {
        *len = text.bytes;
        return 1;
    }
    if (encoding != ERL_NIF_LATIN1 || (text.bytes != text.chars && !atom_latin1(text, NULL))) {
        return 0;
    }
    *len = text.chars;
    return 1;
}

int enif_get_atom(
    ErlNifEnv *env, ERL_NIF_TERM atom, char *buf, unsigned len, ErlNifCharEncoding encoding)
{
    unsigned need;
    if (!enif_get_atom_length(env, atom, &need, encoding) || need >= len) {
        return 0;
    }
    struct atom_text text = atom_text(term_of(atom));
    if (text.bytes == need) {
        memcpy(buf, text.utf8, need);
    } else {
        (void) atom_latin1(text, buf);
    }
    buf[need] = '\0';
    return (int) need + 1;
}

/* Bytes of one list element in the encoding; 0 if it has none. */
static size_t encode_char(term t, ErlNifCharEncoding encoding, char out[UTF8_MAX_BYTES])
{
    if (encoding == ERL_NIF_UTF8) {
        return chars_put((uint8_t *) out, t);
    }
    if (!term_is_small(t) || term_to_small(t) < 0 || term_to_small(t) > 0xFF) {
        return 0;
    }
    out[0] = (char) term_to_small(t);
    return 1;
}

int enif_get_string(
    ErlNifEnv *env, ERL_NIF_TERM list, char *buf, unsigned len, ErlNifCharEncoding encoding)
{
    term t = term_of(list);
    size_t n = 0;
    (void) env;
    if (len < 1 || (encoding != ERL_NIF_LATIN1 && encoding != ERL_NIF_UTF8)) {
        return 0;
    }
    while (!term_is_nil(t)) {
        char bytes[UTF8_MAX_BYTES];
        size_t n_bytes = term_is_cons(t) ? encode_char(term_head(t), encoding, bytes) : 0;
        if (n_bytes == 0) {
            buf[n] = '\0';
            return 0;
        }
        if (n + n_bytes >= len) {
            buf[n] = '\0'; /* cut off where the last whole character ends */
            return encoding == ERL_NIF_LATIN1 ? -(int) len : -(int) (n + 1);
        }
        memcpy(buf + n, bytes, n_bytes);
        n += n_bytes;
        t = term_tail(t);
    }
    buf[n] = '\0';
    return (int) n + 1;
}

int enif_get_string_length(
    ErlNifEnv *env, ERL_NIF_TERM list, unsigned *len, ErlNifCharEncoding encoding)
{
    term t = term_of(list);
    size_t n = 0;
    (void) env;
    while (term_is_cons(t)) {
        char bytes[UTF8_MAX_BYTES];
        size_t n_bytes = encode_char(term_head(t), encoding, bytes);
        if (n_bytes == 0) {
            return 0;
        }
        n += n_bytes;
        t = term_tail(t);
    }
    if (!term_is_nil(t) || n > UINT_MAX) {
        return 0;
    }
    *len = (unsigned) n;
    return 1;
}

/* ---- lists and tuples ---- */

int enif_get_list_cell(ErlNifEnv *env, ERL_NIF_TERM word, ERL_NIF_TERM *head, ERL_NIF_TERM *tail)
{
    term t = term_of(word);
    (void) env;
    if (!term_is_cons(t)) {
        return 0;
    }
    *head = term_head(t).word;
    *tail = term_tail(t).word;
    return 1;
}

int enif_get_list_length(ErlNifEnv *env, ERL_NIF_TERM word, unsigned *len)
{
    intptr_t n = term_list_length(term_of(word));
    (void) env;
    if (n < 0 || n > UINT_MAX) {
        return 0;
    }
    *len = (unsigned) n;
    return 1;
}

int enif_get_tuple(ErlNifEnv *env, ERL_NIF_TERM tpl, int *arity, const ERL_NIF_TERM **array)
{
    term t = term_of(tpl);
    (void) env;
    if (!term_is_tuple(t)) {
        return 0;
    }
    *arity = (int) term_tuple_arity(t);
    *array = &term_words(t)[1];
    return 1;
}

int enif_get_local_pid(ErlNifEnv *env, ERL_NIF_TERM word, ErlNifPid *pid)
{
    (void) env;
    if (!term_is_local_pid(term_of(word))) {
        return 0;
    }
    pid->pid = word;
    return 1;
}

int enif_get_local_port(ErlNifEnv *env, ERL_NIF_TERM word, ErlNifPort *port_id)
{
    (void) env;
    if (!term_is_local_port(term_of(word))) {
        return 0;
    }
    port_id->port_id = word;
    return 1;
}
