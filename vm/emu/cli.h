/* cli.h - the command line: one function per command, each in its own file.
 *
 * A command gets its arguments without the command's own name and returns the exit status:
 * CLI_OK, CLI_FAILED (uncaught error or exit in Erlang), CLI_USAGE (bad arguments or a file that
 * cannot be loaded, one line on stderr). Runs on the main thread; stdio is for the commands that do
 * not start the VM, everything else writes with base_write_all().
 */
#ifndef EMU_CLI_H
#define EMU_CLI_H

#include "lib/base/base.h"

enum cli_status { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int cli_run(int argc, char **argv);
int cli_disasm(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_matrix(int argc, char **argv);

/* Says that standard output could not be written, unless its reader just went away; returns CLI_FAILED. */
int cli_output_failed(int error_number);
/* "bulkhead: ..." and a newline on stderr; returns CLI_USAGE. */
int cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As printf; vm_free it. */
char *cli_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The whole file, vm_free it. NULL and errno. */
uint8_t *cli_read_file(const char *path, size_t *out_bytes);

#endif
