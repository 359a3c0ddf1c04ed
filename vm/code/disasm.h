/* disasm.h - a BEAM file as readable text. */
#ifndef VM_DISASM_H
#define VM_DISASM_H

#include "vm/core/print.h"

/* Appends the module's functions, instruction by instruction, with byte offsets as error messages give
 * them. Code need not pass the validator. false: no BEAM file, see error. */
bool disasm_beam(const uint8_t *bytes, size_t n, struct text *out, char error[256]);

#endif
