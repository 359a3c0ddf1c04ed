/* cli_matrix.c - `bulkhead matrix`: a program in Erlang, lib/erl/bulkhead_matrix.erl, which starts this
 * executable again for each of its cells:
 *
 *   bulkhead matrix OPTIONS...              bulkhead_matrix:main([Terminal | OPTIONS])
 *     └─► bulkhead matrix --cell SPEC ...   bulkhead_matrix_cell:main(...), under --isolation SPEC
 *
 * Terminal: the letters o and e, if standard output may be coloured and standard error shows progress; behind them how many
 * columns standard output has, if it is a terminal.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vm/code/module.h"
#include "vm/emu/cli.h"

enum { MAX_ARGS = 256 };

/* Our own modules are in the first directory of the code path. */
static void take_first(const char *dir, void *arg)
{
    char *out = arg;
    if (out[0] == '\0') {
        snprintf(out, PATH_MAX, "%s", dir);
    }
}

/* bulkhead run OPTIONS... MODULE.beam ARGS... */
static int run_module(
    const char *module, char *const *options, int n_options, char *const *args, int n_args)
{
    char *argv[MAX_ARGS], dir[PATH_MAX] = "", path[PATH_MAX], beam[PATH_MAX + 64];
    int n = 0;
    if (n_options + n_args + 1 > MAX_ARGS) {
        return cli_error("too many arguments");
    }
    code_path_init();
    code_path_each(take_first, dir);
    /* Absolute: the cells are told where things are. */
    snprintf(beam, sizeof(beam), "%s/%s.beam", realpath(dir, path) != NULL ? path : dir, module);
    for (int i = 0; i < n_options; i++) {
        argv[n++] = options[i];
    }
    argv[n++] = beam;
    for (int i = 0; i < n_args; i++) {
        argv[n++] = args[i];
    }
    return cli_run(n, argv);
}

/* What the VM says goes to a file: a pipe would be held open by whatever a misdeed forks. */
static void write_to_file(const char *report)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s.said", report);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void) dup2(fd, STDOUT_FILENO);
        (void) dup2(fd, STDERR_FILENO);
        close(fd);
    }
}

/* SPEC NAME FILE. A group of its own, so that what a misdeed forks can be found; nothing outlives the
 * matrix. */
static int run_cell(int argc, char **argv)
{
    static char threads[] = "-S", two[] = "2", isolation[] = "--isolation";
    static const struct rlimit no_core = { 0, 0 };
    if (argc != 3) {
        return cli_error("matrix --cell takes SPEC, NAME and FILE");
    }
    write_to_file(argv[2]);
    (void) setsid();
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void) setrlimit(RLIMIT_CORE, &no_core);
    return run_module("bulkhead_matrix_cell", (char *[]) { threads, two, isolation, argv[0] }, 4,
        argv + 1, argc - 1);
}

int cli_matrix(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "--cell") == 0) {
        return run_cell(argc - 1, argv + 1);
    }
    char terminal[20] = "", *args[MAX_ARGS] = { terminal };
    const char *no_color = getenv("NO_COLOR");
    if (argc + 1 > MAX_ARGS) {
        return cli_error("too many arguments");
    }
    if (isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0')) {
        strcat(terminal, "o");
    }
    if (isatty(STDERR_FILENO)) {
        strcat(terminal, "e");
    }
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        snprintf(terminal + strlen(terminal), sizeof(terminal) - 2, "%u", (unsigned) size.ws_col);
    }
    for (int i = 0; i < argc; i++) {
        args[i + 1] = argv[i];
    }
    return run_module("bulkhead_matrix", NULL, 0, args, argc + 1);
}
