/* cli_run.c - `bulkhead run`: boot, load, run one process, report how it ended. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/code/module.h"
#include "vm/core/atom.h"
#include "vm/core/chars.h"
#include "vm/core/print.h"
#include "vm/emu/boot.h"
#include "vm/emu/cli.h"
#include "vm/emu/native.h"
#include "vm/emu/source.h"
#include "vm/proc/report.h"
#include "vm/proc/sched.h"
#include "vm/proc/watch.h"

struct run_options {
    struct boot_options boot;
    bool commands;      /* args are -s, -run and -eval with what belongs to them */
    const char *module; /* of the first command, or NULL: there has to be one */
    const char *file;
    char **args; /* what is left, for the program */
    int n_args;
    bool print;
};

static void print_help(void)
{
    printf("Usage: bulkhead run [OPTIONS] FILE [ARG...]\n"
           "       bulkhead run [OPTIONS] COMMAND... [-extra ARG...]\n\n"
           "FILE is a .beam, .erl, .S or escript; calls main/1 with the arguments, else main/0, "
           "else start/0.\n"
           "Each COMMAND is run in turn, as erl does; the program ends with the last one:\n"
           "  -eval EXPRESSIONS            evaluates them\n"
           "  -s MODULE [FUNCTION [ARG...]]    calls MODULE:FUNCTION (default start), with the arguments\n"
           "                               as one list of atoms if there are any\n"
           "  -run MODULE [FUNCTION [ARG...]]  the same, as strings\n"
           "The arguments behind -extra are what init:get_plain_arguments() says.\n\n"
           "Options:\n"
           "  -pa DIR                search DIR for modules, before all others\n"
           "  -pz DIR                search DIR for modules, after all others\n"
           "  -S N                   N scheduler threads (default: one per core)\n"
           "  --isolation SPEC       how native code is run: MODE[,key=value...] for all libraries,\n"
           "                         MODULE=MODE[,key=value...] for one; 'bulkhead info' lists modes and keys\n"
           "  -noshell, -noinput     nothing: it is so anyway\n"
           "  --print                print the returned value on the last line, as ~p\n"
           "  --trace=EVENTS[:FILE]  EVENTS: spawn,exit,schedule,gc,native,load,worker or all; to standard\n"
           "                         error, or FILE; one that ends in .json is for a trace viewer\n"
           "  --help                 this text\n\n"
           "Exit status: 0 normal, 1 uncaught error or exit, 2 usage or load error, N after "
           "halt(N).\n");
}

/* The value of an option: the next argument. NULL and a message if there is none. */
static const char *option_value(int argc, char **argv, int *at)
{
    if (*at + 1 >= argc) {
        cli_error("%s needs a value", argv[*at]);
        return NULL;
    }
    *at += 1;
    return argv[*at];
}

static bool add_to_list(const char **list, size_t *n, const char *value)
{
    if (value == NULL) {
        return false;
    }
    if (*n == BOOT_MAX_LIST) {
        cli_error("too many options of one kind (at most %d)", BOOT_MAX_LIST);
        return false;
    }
    list[(*n)++] = value;
    return true;
}

static bool parse_count(const char *text, unsigned *out)
{
    if (text == NULL) {
        return false;
    }
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || n < 1 || n > 1024) {
        cli_error("-S %s: give a number of threads from 1 to 1024", text);
        return false;
    }
    *out = (unsigned) n;
    return true;
}

static bool is_command(const char *arg)
{
    return strcmp(arg, "-s") == 0 || strcmp(arg, "-run") == 0 || strcmp(arg, "-eval") == 0;
}

/* That each has what it needs; which module the first one is about. */
static bool check_commands(int argc, char **argv, struct run_options *o)
{
    o->commands = true;
    for (int i = 0; i < argc && strcmp(argv[i], "-extra") != 0; i++) {
        if (!is_command(argv[i])) {
            continue;
        }
        bool eval = strcmp(argv[i], "-eval") == 0;
        const char *value = option_value(argc, argv, &i);
        if (value == NULL) {
            return false;
        }
        if (!eval && i == 1) {
            o->module = value;
        }
    }
    return true;
}

/* Options up to FILE or the first command; the rest is the program's. */
static bool parse_options(int argc, char **argv, struct run_options *o)
{
    int i = 0;
    for (; i < argc && argv[i][0] == '-' && !is_command(argv[i]); i++) {
        const char *arg = argv[i];
        bool ok = true;
        if (strcmp(arg, "-pa") == 0) {
            ok = add_to_list(
                o->boot.path_first, &o->boot.n_path_first, option_value(argc, argv, &i));
        } else if (strcmp(arg, "-pz") == 0) {
            ok = add_to_list(o->boot.path_last, &o->boot.n_path_last, option_value(argc, argv, &i));
        } else if (strcmp(arg, "--isolation") == 0) {
            ok = add_to_list(o->boot.isolation, &o->boot.n_isolation, option_value(argc, argv, &i));
        } else if (strncmp(arg, "--isolation=", 12) == 0) {
            ok = add_to_list(o->boot.isolation, &o->boot.n_isolation, arg + 12);
        } else if (strcmp(arg, "-S") == 0) {
            ok = parse_count(option_value(argc, argv, &i), &o->boot.n_schedulers);
        } else if (strcmp(arg, "--print") == 0) {
            o->print = true;
        } else if (strncmp(arg, "--trace=", 8) == 0) {
            o->boot.trace = arg + 8;
        } else if (strcmp(arg, "--trace") == 0) {
            o->boot.trace = option_value(argc, argv, &i);
            ok = o->boot.trace != NULL;
        } else if (strcmp(arg, "-noshell") == 0 || strcmp(arg, "-noinput") == 0) {
            continue;
        } else {
            cli_error("unknown option '%s'; try 'bulkhead run --help'", arg);
            ok = false;
        }
        if (!ok) {
            return false;
        }
    }
    if (i < argc && is_command(argv[i])) {
        if (!check_commands(argc - i, argv + i, o)) {
            return false;
        }
    } else if (i < argc) {
        o->file = argv[i++];
    } else {
        cli_error("nothing to run; try 'bulkhead run --help'");
        return false;
    }
    o->args = argv + i;
    o->n_args = argc - i;
    return true;
}

static term text_to_list(struct heap *h, const char *text)
{
    return chars_from_os(h, text, strlen(text));
}

static term args_as_strings(struct heap *h, char **args, int n)
{
    term list = TERM_NIL;
    for (int i = n; i-- > 0;) {
        list = heap_cons(h, text_to_list(h, args[i]), list);
    }
    return list;
}

/* Loads the named file, whatever the code path says. A module with -on_load is only checked here:
 * its function must run in a process, so bulkhead:run_file loads it (*needs_process). */
static term load_file(const struct source *source, bool *needs_process)
{
    size_t n;
    uint8_t *bytes = cli_read_file(source->beam_path, &n);
    if (bytes == NULL) {
        cli_error("cannot read %s", source->beam_path);
        return TERM_NONE;
    }
    char error[256];
    struct code_image *image = module_prepare(bytes, n, error);
    vm_free(bytes);
    if (image == NULL) {
        cli_error("%s: %s", source->beam_path, error);
        return TERM_NONE;
    }
    term name = image->module;
    *needs_process = !term_is_none(image->on_load);
    if (*needs_process) {
        code_image_free(image);
        return name;
    }
    image->path = vm_alloc(strlen(source->beam_path) + 1);
    strcpy(image->path, source->beam_path);
    if (!module_publish(image)) {
        cli_error("%s: module is already loaded", source->beam_path);
        return TERM_NONE;
    }
    return name;
}

/* `Class: Reason` of an uncaught exit; errors were reported by the process as it died. */
static void report_exit(const struct proc_watch *w)
{
    if (w->class == EXC_ERROR || w->class == EXC_THROW) {
        return;
    }
    struct text t = { 0 };
    text_cstr(&t, "** exception exit: ");
    print_term(&t, w->reason, PRINT_PRETTY);
    text_cstr(&t, "\n");
    (void) base_write_all(STDERR_FILENO, t.data, t.len);
    text_free(&t);
}

/* How long the end of the program waits for reports of errors to be written. */
#define REPORT_PATIENCE_NS (INT64_C(2000) * 1000000)

/* load_path: file that bulkhead:run_file is still to load, or NULL. script: name of the escript, or NULL. */
static int run_process(const struct run_options *o, term module, const char *load_path, const char *script)
{
    struct heap h;
    heap_init_frags(&h);
    term print = term_from_bool(o->print);
    term strings = args_as_strings(&h, o->args, o->n_args);
    term function;
    term args;
    if (o->commands) {
        function = atom_from_cstr("run_commands");
        args = heap_list(&h, (term[]) { strings, print }, 2, TERM_NIL);
    } else {
        function = atom_from_cstr("run_file");
        term load = load_path != NULL ? text_to_list(&h, load_path) : ATOM(false);
        term name = script != NULL ? text_to_list(&h, script) : ATOM(false);
        args = heap_list(&h, (term[]) { module, load, name, strings, print }, 5, TERM_NIL);
    }
    struct proc_watch watch;
    if (!proc_watch_spawn(&watch, atom_from_cstr("bulkhead"), function, args)) {
        heap_destroy(&h);
        return cli_error("no memory for the first process");
    }
    heap_destroy(&h);
    proc_watch_wait(&watch);
    struct halt_request halt;
    if (sched_halting(&halt)) {
        if (halt.flush) {
            report_wait(REPORT_PATIENCE_NS);
            native_policy_tell_unused();
        }
        if (halt.slogan[0] != '\0') {
            cli_error("%s", halt.slogan);
        }
        bool all_written = boot_stop();
        if (halt.abort) { /* as asked, so without our handler's report of a fault */
            signal(SIGABRT, SIG_DFL);
            abort();
        }
        return halt.status == CLI_OK && !all_written ? CLI_FAILED : halt.status;
    }
    int status = CLI_OK;
    report_wait(REPORT_PATIENCE_NS);
    native_policy_tell_unused();
    if (!watch.normal) {
        report_exit(&watch);
        status = CLI_FAILED;
    }
    return boot_stop() ? status : CLI_FAILED;
}

int cli_run(int argc, char **argv)
{
    struct run_options o = { 0 };
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        print_help();
        return CLI_OK;
    }
    if (!parse_options(argc, argv, &o)) {
        return CLI_USAGE;
    }
    boot_memory();
    struct source source = { 0 };
    if (o.file != NULL) {
        if (!source_resolve(o.file, &source)) {
            return CLI_USAGE;
        }
        for (size_t i = 0; i < source.n_dirs; i++) {
            if (!add_to_list(o.boot.path_first, &o.boot.n_path_first, source.dirs[i])) {
                return CLI_USAGE;
            }
        }
    }
    char error[256];
    if (!boot_vm(&o.boot, error)) {
        return cli_error("%s", error);
    }
    term module = ATOM(bulkhead);
    bool needs_process = false;
    if (o.file != NULL) {
        module = load_file(&source, &needs_process);
    } else if (o.module != NULL) {
        module = atom_from_cstr(o.module);
        enum module_load loaded = module_ensure_loaded(module, error);
        if (loaded == MODULE_NOT_FOUND || loaded == MODULE_BAD) {
            module = TERM_NONE;
            cli_error("cannot load %s: %s", o.module,
                loaded == MODULE_BAD ? error : "no such module in the code path");
        }
    }
    if (term_is_none(module)) {
        (void) boot_stop();
        return CLI_USAGE;
    }
    return run_process(&o, module, needs_process ? source.beam_path : NULL, source.is_escript ? o.file : NULL);
}
