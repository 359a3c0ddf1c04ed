/* misdeeds.h - the gallery of `bulkhead matrix`: native functions that do what native functions must not.
 *
 * Ordinary NIF code: erl_nif.h, bulkhead_nif.h and libc, nothing of the VM. Each takes one term and, if
 * it comes back at all, returns one. matrix_nif.c finds them by name.
 */
#ifndef MATRIX_MISDEEDS_H
#define MATRIX_MISDEEDS_H

#include <erl_nif.h>

#define MISDEED(name) ERL_NIF_TERM misdeed_##name(ErlNifEnv *env, ERL_NIF_TERM arg);
#include "misdeeds.def"
#undef MISDEED

/* Keeps the compiler from knowing what x is. */
#define HIDE(x) __asm__ volatile("" : "+r"(x))

void write_null(void);
/* System calls as an attacker makes them: no libc that anybody could stand in front of. */
long raw_system_call(long number, long a, long b, long c, long d);

#endif
