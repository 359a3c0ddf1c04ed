/* fuzz_beam.c - the loader under libFuzzer: any bytes are judged without harm.
 *
 *   clang -fsanitize=fuzzer,address,undefined ... vm/code/fuzz/fuzz_beam.c libbulkhead.a
 */
#include <string.h>

#include "lib/base/arena.h"
#include "vm/code/disasm.h"
#include "vm/code/gen.h"
#include "vm/core/atom.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void) argc;
    (void) argv;
    VM_REQUIRE(arena_init_all());
    atom_table_init();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct beam_file file;
    struct gen_code code = { 0 };
    bool ok = beam_file_parse(bytes, n, &file) && gen_decode(&file, &code) && gen_validate(&code);
    VM_REQUIRE(ok || file.error[0] != '\0');
    gen_free(&code);
    beam_file_free(&file);
    struct text out = { .max = 1 << 20 };
    char error[256];
    (void) disasm_beam(bytes, n, &out, error);
    text_free(&out);
    return 0;
}
