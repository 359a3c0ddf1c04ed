/* cli_disasm.c - `bulkhead disasm FILE`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/code/disasm.h"
#include "vm/emu/boot.h"
#include "vm/emu/cli.h"
#include "vm/emu/source.h"

int cli_disasm(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], "--help") == 0) {
        printf("Usage: bulkhead disasm FILE\n\n"
               "Lists the generic code of a .beam, .erl, .S or escript file, and says whether it is valid.\n");
        return CLI_OK;
    }
    if (argc != 1) {
        return cli_error("disasm takes one file; try 'bulkhead disasm --help'");
    }
    boot_memory();
    struct source source;
    if (!source_resolve(argv[0], &source)) {
        return CLI_USAGE;
    }
    boot_tables();
    size_t n;
    uint8_t *bytes = cli_read_file(source.beam_path, &n);
    if (bytes == NULL) {
        return cli_error("cannot read %s", source.beam_path);
    }
    struct text out = { 0 };
    char error[256];
    bool ok = disasm_beam(bytes, n, &out, error);
    bool written = base_write_all(STDOUT_FILENO, out.data, out.len);
    int error_number = errno;
    text_free(&out);
    vm_free(bytes);
    source_free(&source);
    if (!written) {
        return cli_output_failed(error_number);
    }
    return ok ? CLI_OK : cli_error("%s: %s", argv[0], error);
}
