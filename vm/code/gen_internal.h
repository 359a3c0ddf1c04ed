/* gen_internal.h - shared by gen_decode.c and the files of the validator. */
#ifndef VM_GEN_INTERNAL_H
#define VM_GEN_INTERNAL_H

#include "vm/code/gen.h"

enum {
    GEN_MAX_REGISTERS = 1024, /* x and y, as OTP */
    GEN_MAX_FLOAT_REGISTERS = 1024,
    GEN_MAX_TIMEOUTS = 32,        /* x registers looked at for the time of a receive */
    GEN_MAX_HEAP_WORDS = 1 << 22, /* one instruction may reserve */
};

/* Keeps the first error. Always false. */
bool gen_fail(struct beam_file *file, size_t offset, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
