/* opcode.h - the generic instructions: numbers, names and operands, from opcodes.def. */
#ifndef VM_OPCODE_H
#define VM_OPCODE_H

#include "lib/base/base.h"

enum opcode {
#define OP(number, name, operands, doc) OP_##name = number,
#define OP_RETIRED(number, name) OP_##name = number,
#include "vm/code/opcodes.def"
#undef OP
#undef OP_RETIRED
    OPCODE_MAX = OP_debug_line,
};

struct opcode_info {
    const char *name;     /* NULL: no such number */
    const char *operands; /* letters of opcodes.def; NULL if retired */
    const char *doc;
};
extern const struct opcode_info opcode_table[OPCODE_MAX + 1];

#endif
