/* isolation.c - start and stop, and the hooks of the NIF API. */
#include <stdio.h>
#include <string.h>

#include "isolation/crash_report.h"
#include "isolation/executor.h"
#include "isolation/fault.h"
#include "isolation/interpose.h"
#include "isolation/isolation.h"
#include "isolation/thread.h"
#include "nif/host.h"

void (*isolation_before_library)(term module);

static _Noreturn void leave(enum nif_leave_kind kind, const char *text)
{
    static const enum native_panic panics[] = {
        [NIF_LEAVE_PANIC] = PANIC_TEXT,
        [NIF_LEAVE_MISSING_API] = PANIC_MISSING_API,
        [NIF_LEAVE_BAD_TERM] = PANIC_BAD_TERM,
        [NIF_LEAVE_BAD_HANDLE] = PANIC_BAD_HANDLE,
        [NIF_LEAVE_LIMIT] = PANIC_TEXT,
    };
    struct native_thread *t = native_self;
    if (t == NULL || nif_guard.depth == 0) {
        char line[NATIVE_TEXT_MAX + 200];
        const struct native_library *direct = interpose_direct_library();
        snprintf(line, sizeof(line), "a NIF gave up: %.*s%s%s", NATIVE_TEXT_MAX, text,
            direct != NULL ? "; direct mode does not contain that. Library: " : "", direct != NULL ? direct->name : "");
        fault_fatal(line);
    }
    size_t n = strnlen(text, sizeof(t->text) - 1);
    memcpy(t->text, text, n);
    t->text[n] = '\0';
    enum native_status status = kind == NIF_LEAVE_LIMIT ? NATIVE_LIMIT : NATIVE_PANICKED;
    native_leave_as(t, (struct native_outcome) { .status = status }, panics[kind]);
}

static bool run_callback(
    struct nif_lib *lib, enum nif_callback what, struct enif_environment_t *env, void (*fn)(void *arg), void *arg)
{
    static const char *const names[] = {
        [NIF_CB_OPEN] = "(opening)",
        [NIF_CB_INIT] = "nif_init",
        [NIF_CB_LOAD] = "load",
        [NIF_CB_UPGRADE] = "upgrade",
        [NIF_CB_UNLOAD] = "unload",
        [NIF_CB_DESTRUCTOR] = "destructor",
        [NIF_CB_DOWN] = "down",
        [NIF_CB_STOP] = "stop",
    };
    struct native_library *library = isolation_library(lib);
    struct native_outcome out;
    struct native_call call = {
        .library = library,
        .entry = NATIVE_CALLBACK,
        .arg = { (uintptr_t) arg },
        .name = names[what],
        .env = env,
    };
    memcpy(&call.code, &fn, sizeof(call.code));
    library->ops->call(&call, &out);
    native_outcome_account(&call, &out);
    bool returned = out.status == NATIVE_RETURNED;
    if (!returned || library->has_threads) {
        lib->tainted = true;
    }
    native_outcome_clear(&out);
    return returned;
}

/* The file is about to be closed: its code will not be there any more. */
static void forget(struct nif_lib *lib)
{
    struct native_library *l = lib->isolation;
    if (l == NULL) {
        return;
    }
    lock_take(&l->lock);
    if (l->nif == lib) {
        l->nif = NULL;
        __atomic_store_n(&l->n_code, 0, __ATOMIC_RELAXED);
    }
    lock_drop(&l->lock);
    if (lib->elsewhere != 0) {
        l->ops->close(l, lib->elsewhere);
    }
}

struct native_library *isolation_library_slow(struct nif_lib *lib)
{
    if (isolation_before_library != NULL) {
        isolation_before_library(lib->module);
    }
    struct native_library *l = library_get(lib->module, lib->path, lib->dl_handle, lib->elsewhere != 0);
    lock_take(&l->lock); /* it may just be closed, by forget(), for the one that this follows */
    l->nif = lib;
    lock_drop(&l->lock);
    library_set_handle(l, lib->dl_handle);
    if (l->n_code != 0 || lib->elsewhere != 0) { /* else not open yet: come again */
        lib->isolation = l;
    }
    return l;
}

struct native_library *isolation_library_elsewhere(term module, const char *path)
{
    char full[4096];
    int n = snprintf(full, sizeof(full), "%s.so", path);
    if (isolation_before_library != NULL) {
        isolation_before_library(module);
    }
    struct policy policy;
    policy_effective(module, &policy);
    if (n < 0 || (size_t) n >= sizeof(full) || (executor_table[policy.value[POLICY_MODE]]->caps & EXEC_CAP_LOCAL) != 0) {
        return NULL;
    }
    return library_get(module, full, NULL, true);
}

void isolation_init(void)
{
    native_note_locks();
    fault_install();
    native_thread_attach();
    nif_leave = leave;
    nif_run_callback = run_callback;
    nif_lib_closing = forget;
}

struct native_thread *isolation_thread_reserve(void)
{
    return native_thread_reserve();
}

void isolation_thread_unreserve(struct native_thread *reserved)
{
    native_thread_unreserve(reserved);
}

void isolation_thread_start(struct native_thread *reserved)
{
    native_thread_attach_as(reserved);
}

void isolation_thread_stop(void)
{
    native_thread_detach();
}
