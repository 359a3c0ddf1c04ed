#include "vm/emu/boot.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "isolation/crash_report.h"
#include "lib/base/arena.h"
#include "lib/base/trace.h"
#include "nif/nif_lib.h"
#include "vm/bif/bif.h"
#include "vm/bif/system_flag.h"
#include "vm/code/module.h"
#include "vm/emu/cli.h"
#include "vm/emu/interp.h"
#include "vm/emu/native.h"
#include "vm/ets/ets.h"
#include "vm/proc/os_signal.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"

void boot_memory(void)
{
    if (!arena_init_all()) {
        _exit(cli_error("cannot reserve memory: address space or file descriptors are limited too tightly"
                        " (ulimit -v, ulimit -n)"));
    }
}

void boot_tables(void)
{
    boot_memory();
    atom_table_init();
    interp_init();
    bif_table_init();
    system_flag_init();
    ets_init();
    code_path_init();
}

/* Spawns module:start(args...) and gives it its name at once: whoever comes next finds it. */
static term start_server(term name, const char *module, const term *args, size_t n, const struct spawn_options *o)
{
    struct heap h;
    heap_init_frags(&h);
    term list = heap_list(&h, args, n, TERM_NIL);
    term pid = proc_spawn(NULL, atom_from_cstr(module), ATOM(start), list, o, NULL);
    heap_destroy(&h);
    return !term_is_none(pid) && registry_register(name, pid) ? pid : TERM_NONE;
}

/* OTP's own servers, started by their first customer: registered name and module. */
static const struct { const char *name, *module; } lazy_servers[] = {
    { "file_server_2", "file_server" },
    { "timer_server", "timer" },
    { "erl_signal_server", "gen_event" },
    { "kernel_safe_sup", "supervisor" },
    { "application_controller", "application_controller" },
    { "logger", "logger" },
    { "global_name_server", "global" },
    { "logger_sup", "supervisor" },
};

/* A clear word at once instead of `undef` from every process. */
static bool find_libraries(char error[256])
{
    static const struct { const char *module, *advice; } first[] = {
        { "bulkhead", "Bulkhead's own modules are not there: set BULKHEAD_LIB to their directory" },
        { "bulkhead_user", "Bulkhead's own modules are not there: set BULKHEAD_LIB to their directory" },
        { "queue", "OTP's libraries are not there: install erlang-base, or set BULKHEAD_OTP_ROOT" },
    };
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        char why[256];
        enum module_load loaded = module_ensure_loaded(atom_from_cstr(first[i].module), why);
        if (loaded == MODULE_NOT_FOUND || loaded == MODULE_BAD) {
            snprintf(error, 256, "%s", loaded == MODULE_BAD ? why : first[i].advice);
            return false;
        }
    }
    return true;
}

/* user and standard_error speak Erlang's I/O protocol over file descriptors 1 and 2. */
static bool start_servers(void)
{
    struct spawn_options io = spawn_defaults;
    io.priority = PRIORITY_HIGH; /* output must not starve behind those who make it */
    term user = start_server(
        atom_from_cstr("user"), "bulkhead_user", (term[]) { term_from_small(STDOUT_FILENO) }, 1, &io);
    if (term_is_none(user)) {
        return false;
    }
    proc_set_default_leader(user);
    term standard_error = start_server(
        atom_from_cstr("standard_error"), "bulkhead_user", (term[]) { term_from_small(STDERR_FILENO) }, 1, &io);
    bool ok = !term_is_none(standard_error);
    for (size_t i = 0; i < ARRAY_LEN(lazy_servers); i++) {
        term name = atom_from_cstr(lazy_servers[i].name);
        term args[] = { name, atom_from_cstr(lazy_servers[i].module) };
        ok = ok && !term_is_none(start_server(name, "bulkhead_lazy", args, ARRAY_LEN(args), &spawn_defaults));
    }
    return ok;
}

bool boot_vm(const struct boot_options *o, char error[256])
{
    boot_tables();
    for (size_t i = o->n_path_first; i-- > 0;) {
        code_path_add(o->path_first[i], true);
    }
    for (size_t i = 0; i < o->n_path_last; i++) {
        code_path_add(o->path_last[i], false);
    }
    if (!native_init(o->isolation, o->n_isolation, error)) {
        return false;
    }
    native_policy_expect_workers();
    const char *trace_error = NULL;
    if (o->trace != NULL && !trace_open(o->trace, &trace_error)) {
        snprintf(error, 256, "--trace: %s", trace_error);
        return false;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = o->n_schedulers != 0 ? o->n_schedulers : cores > 0 ? (unsigned) cores : 1;
    struct sched_options threads = { n, n, 10 };
    if (!sched_start(&threads)) {
        snprintf(error, 256, "cannot start %u scheduler threads: address space or threads are limited too tightly "
            "(ulimit -v, ulimit -u)", n);
        return false;
    }
    if (!find_libraries(error)) {
        return false;
    }
    if (!start_servers()) {
        snprintf(error, 256, "cannot start the I/O servers");
        return false;
    }
    if (!os_signal_await_end()) {
        snprintf(error, 256, "cannot start the thread that takes signals");
        return false;
    }
    return true;
}

bool boot_stop(void)
{
    sched_stop();
    crash_report_flush();
    nif_lib_halt();
    int error = trace_close();
    if (error != 0) {
        cli_error("--trace: events were lost: %s", strerror(error));
    }
    return error == 0;
}
