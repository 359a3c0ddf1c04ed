#include "vm/code/opcode.h"

const struct opcode_info opcode_table[OPCODE_MAX + 1] = {
#define OP(number, name, operands, doc) [number] = { #name, operands, doc },
#define OP_RETIRED(number, name) [number] = { #name, NULL, "obsolete since OTP 22" },
#include "vm/code/opcodes.def"
#undef OP
#undef OP_RETIRED
};
