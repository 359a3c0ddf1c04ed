/* main.c - `bulkhead COMMAND ...`: picks the command. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm/emu/cli.h"

enum { MIN_STACK_KB = 128 }; /* twice of what the main thread uses */

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    { "run", cli_run, "run a .beam, .erl, .S or escript file, or -s, -run, -eval" },
    { "disasm", cli_disasm, "list the code of a .beam, .erl, .S or escript file" },
    { "matrix", cli_matrix, "commit native misdeeds in every isolation mode, and show what happens" },
    { "info", cli_info, "version, isolation modes and options, opcodes, NIF functions" },
};

static void print_help(void)
{
    printf("Usage: bulkhead COMMAND [OPTIONS] ...\n\n"
           "A BEAM-like virtual machine in which a crashing NIF ends its caller and nothing else.\n\n"
           "Commands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        printf("  %-8s %s\n", commands[i].name, commands[i].what);
    }
    printf("\n`bulkhead COMMAND --help` tells more. `bulkhead --version` prints the version.\n"
           "Exit status: 0 normal, 1 uncaught error or exit, 2 usage or load error.\n");
}

/* Who starts us with a standard stream closed gets one that leads nowhere. Or the next file to be opened, memory of
 * ours or a file of the program's, would be that stream, and take what is meant for it. */
static void open_standard_streams(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
    if (fd >= 0) {
        close(fd);
    }
}

/* What stdio still holds. false: it could not be written; a reader that went away needs no message. */
static bool flush(FILE *stream)
{
    if (ftrylockfile(stream) != 0) {
        return true; /* a library died while it held it */
    }
    errno = 0;
    bool good = fflush(stream) == 0 && !ferror(stream);
    funlockfile(stream);
    if (!good && stream == stdout) {
        cli_output_failed(errno);
    }
    return good;
}

/* Not exit(): what native libraries registered with atexit(), and destructors of their objects, would
 * run while their threads do, and outside of any protection. A stream that is locked stays as it is. */
static _Noreturn void leave(int status)
{
    bool good = flush(stdout);
    (void) flush(stderr);
    _exit(good || status != CLI_OK ? status : CLI_FAILED);
}

static void check_stack(void)
{
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < MIN_STACK_KB << 10) {
        leave(cli_error("the stack is limited too tightly (ulimit -s): %d kB are needed", MIN_STACK_KB));
    }
}

int main(int argc, char **argv)
{
    open_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write, not our death */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that `ulimit -f` keeps small */
    check_stack();
    if (argc < 2) {
        leave(cli_error("no command given; try 'bulkhead --help'"));
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help();
        leave(CLI_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("bulkhead %s\n", PACKAGE_VERSION);
        leave(CLI_OK);
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            leave(commands[i].run(argc - 2, argv + 2));
        }
    }
    if (access(argv[1], F_OK) == 0) {
        leave(cli_error("unknown command '%s'; did you mean 'bulkhead run %s'?", argv[1], argv[1]));
    }
    leave(cli_error("unknown command '%s'; try 'bulkhead --help'", argv[1]));
}
