/* bulkhead_nif.h - what a library can use when it runs on Bulkhead, and do without elsewhere.
 *
 *   #include <erl_nif.h>
 *   #include <bulkhead_nif.h>
 *   ...
 *   if (broken(state)) {
 *       return nif_panic(env, "state %d of %T is broken", state->n, argv[0]);
 *   }
 *
 * On Bulkhead nif_panic() does not return: the call is abandoned there and then, and the calling
 * process exits with {nif_panic, Reason, StackTrace}, Reason being the text as a binary. On
 * Erlang/OTP it raises error({nif_panic, Reason}) and returns what the NIF must return.
 */
#ifndef BULKHEAD_NIF_H
#define BULKHEAD_NIF_H

#include <erl_nif.h>
#include <stdarg.h>
#include <string.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* The VM's: absent on Erlang/OTP, hence weak. text is UTF-8. */
extern void bulkhead_nif_panic(const char *text, size_t bytes) __attribute__((weak));

/* Is this Bulkhead? */
static inline int nif_on_bulkhead(void)
{
    return bulkhead_nif_panic != NULL;
}

/* fmt as for enif_snprintf: printf's, and %T for a term. The text ends after 1023 bytes. */
__attribute__((unused)) static ERL_NIF_TERM nif_panic(ErlNifEnv *env, const char *fmt, ...)
{
    char text[1024];
    ERL_NIF_TERM reason;
    unsigned char *bytes;
    size_t n;
    va_list ap;
    va_start(ap, fmt);
    (void) enif_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    text[sizeof(text) - 1] = '\0';
    n = strlen(text);
    if (bulkhead_nif_panic != NULL) {
        bulkhead_nif_panic(text, n);
    }
    bytes = enif_make_new_binary(env, n, &reason);
    if (bytes == NULL) {
        return enif_make_badarg(env);
    }
    memcpy(bytes, text, n);
    return enif_raise_exception(
        env, enif_make_tuple(env, 2, enif_make_atom(env, "nif_panic"), reason));
}

#if defined(__cplusplus)
}
#endif

#endif
