#include "vm/emu/nif_host.h"

#include <stdio.h>

#include "isolation/executor.h"
#include "isolation/isolation.h"
#include "isolation/remote/remote.h"
#include "lib/base/clock.h"
#include "nif/host.h"
#include "nif/nif_lib.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_time.h"
#include "vm/code/module.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"
#include "vm/emu/interp.h"
#include "vm/proc/port.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

/* Terms built in a native call lie on the caller's heap, or in fragments that are handed over. */
static bool host_send(struct enif_environment_t *env, term to_pid, term message, struct heap *built)
{
    struct proc *from = env != NULL ? env->caller : NULL;
    if (built != NULL) {
        signal_send_built(from, to_pid, message, built);
        return true;
    }
    return signal_send(from, to_pid, message);
}

static bool host_caller_alive(struct enif_environment_t *env)
{
    const struct proc *p = env->caller;
    return p != NULL && !p->exiting;
}

static bool host_port_command(struct enif_environment_t *env, term port, term data)
{
    bool bad;
    struct port_buffer *b = port_buffer_from(data, &bad);
    (void) env;
    return b != NULL && port_send(port, b);
}

static bool host_consume_timeslice(struct enif_environment_t *env, int percent)
{
    struct proc *p = env->caller;
    const struct sched *s = sched_self();
    if (p == NULL || s == NULL || s->kind != SCHED_NORMAL) {
        return false;
    }
    proc_bump(p, (size_t) percent * (PROC_SLICE_REDUCTIONS / 100));
    return proc_out_of_reductions(p);
}

static enum nif_thread_type host_thread_type(void)
{
    const struct sched *s = sched_self();
    if (s == NULL) {
        return NIF_THREAD_UNDEFINED;
    }
    switch (s->kind) {
    case SCHED_NORMAL:
        return NIF_THREAD_NORMAL;
    case SCHED_DIRTY_CPU:
        return NIF_THREAD_DIRTY_CPU;
    case SCHED_DIRTY_IO:
        return NIF_THREAD_DIRTY_IO;
    }
    return NIF_THREAD_UNDEFINED;
}

static uint64_t host_unique_integer(bool monotonic)
{
    return monotonic ? (uint64_t) unique_monotonic_next() : ref_next_id();
}

/* ---- the process that runs destructors and other deferred work ---- */

static _Atomic uintptr_t worker_pid; /* 0: not yet started */

static void host_wake_deferred(void)
{
    term pid = { atomic_load_explicit(&worker_pid, memory_order_acquire) };
    if (!term_is_none(pid)) {
        proc_wake(pid);
    }
}

static void start_worker(void)
{
    struct proc *p =
        proc_new(NULL, ATOM(bulkhead_nif), ATOM(run_deferred), TERM_NIL, &spawn_defaults);
    VM_REQUIRE(p != NULL);
    p->is_system = true;
    atomic_store_explicit(&worker_pid, p->id.word, memory_order_release);
    proc_start(p);
}

term bif_bulkhead_nif_run_deferred_0(struct proc *p, term *args)
{
    (void) args;
    if (!p->is_system) {
        return proc_badarg(p);
    }
    return nif_run_deferred() ? proc_retry(p) : proc_wait(p);
}

static void process_ended(struct proc *p)
{
    if (term_is_local_pid(p->id)) { /* ports end like processes, but no library watches them */
        nif_process_ended(p->id);
        remote_process_ended(p->id);
    }
}

static void release_lib(struct nif_lib *lib)
{
    nif_lib_release(lib);
}

static const struct nif_host vm_host = {
    .next_ref_id = ref_next_id,
    .unique_integer = host_unique_integer,
    .time_offset_ns = time_offset_ns,
    .now_us = time_now_us,
    .send = host_send,
    .process_alive = proc_alive,
    .port_alive = proc_alive, /* a port is a process of its own kind */
    .caller_alive = host_caller_alive,
    .whereis = registry_whereis,
    .port_command = host_port_command,
    .watch = proc_alive,
    .consume_timeslice = host_consume_timeslice,
    .thread_type = host_thread_type,
    .schedulers = sched_count,
    .wake_deferred = host_wake_deferred,
};

/* Code has been purged: have its library unloaded before the caller goes on, if that is quick. */
static void settle(void)
{
    enum { PATIENCE_NS = 10000000 };
    int64_t end = clock_monotonic_ns() + PATIENCE_NS;
    while (nif_deferred_pending() && clock_monotonic_ns() < end) {
        (void) nif_run_deferred();
    }
}

struct taints {
    struct heap *h;
    term list;
};

static void add_taint(term module, void *arg)
{
    struct taints *a = arg;
    a->list = heap_cons(a->h, module, a->list);
}

static term taints(struct heap *h)
{
    struct taints a = { h, TERM_NIL };
    nif_lib_each_taint(add_taint, &a);
    return a.list;
}

void nif_host_init(void)
{
    nif_api_init(&vm_host);
    bif_native_hooks =
        (struct bif_native_hooks) { taints, nif_monitor_list, nif_deferred_pending, settle };
    proc_on_exit_hook(process_ended);
    code_release_nif = release_lib;
}

/* ---- erlang:load_nif/2 ---- */

/* {error, {Kind, Text}} */
static term load_error(struct proc *p, term kind, const char *text, size_t bytes)
{
    struct heap *h = &p->heap;
    return heap_tuple2(h, ATOM(error), heap_tuple2(h, kind, heap_string(h, text, bytes)));
}

static term load_error_text(struct proc *p, struct nif_error *e)
{
    term t = load_error(p, e->kind, e->text.data, e->text.len);
    text_free(&e->text);
    return t;
}

/* If the module has -nifs() attributes, only functions they name may be native. */
static bool is_declared(const struct code_image *image, size_t index)
{
    bool any = false;
    for (size_t i = 0; i < image->n_functions && !any; i++) {
        any = image->functions[i].declared_nif;
    }
    return !any || image->functions[index].declared_nif;
}

/* Index into image->functions, or n_functions. */
static size_t find_function(const struct code_image *image, term name, unsigned arity)
{
    size_t i = 0;
    while (i < image->n_functions
           && !(term_same(image->functions[i].name, name) && image->functions[i].arity == arity)) {
        i++;
    }
    return i;
}

static enum nif_func_check check_function(void *arg, term name, unsigned arity)
{
    const struct code_image *image = arg;
    size_t i = find_function(image, name, arity);
    if (i == image->n_functions) {
        return NIF_FUNC_NOT_FOUND;
    }
    return is_declared(image, i) ? NIF_FUNC_OK : NIF_FUNC_NOT_DECLARED;
}

/* The path as a C string in UTF-8; NULL if it is none. vm_free it. */
static char *path_text(term t)
{
    struct text out = { 0 };
    if (term_is_binary(t)) {
        size_t n;
        uint8_t *scratch;
        const uint8_t *bytes = bits_bytes(t, &n, &scratch);
        text_add(&out, (const char *) bytes, n);
        vm_free(scratch);
    } else {
        uint8_t utf8[UTF8_MAX_BYTES];
        for (size_t n; term_is_cons(t) && (n = chars_put(utf8, term_head(t))) != 0; t = term_tail(t)) {
            text_add(&out, (const char *) utf8, n);
        }
        if (!term_is_nil(t)) {
            text_free(&out);
            return NULL;
        }
    }
    bool has_nul = out.len > 0 && memchr(out.data, '\0', out.len) != NULL;
    if (has_nul) {
        text_free(&out);
        return NULL;
    }
    text_add(&out, "", 1);
    return out.data;
}

/* ---- a library that is opened in another OS process ---- */

/* [{Name, Arity, IsDeclared}] of the module's functions, as the one who opens the library needs them. */
static term functions_of(struct heap *h, const struct code_image *image)
{
    term list = TERM_NIL;
    for (size_t i = image->n_functions; i-- > 0;) {
        const struct code_function *f = &image->functions[i];
        list = heap_cons(h, heap_tuple3(h, f->name, term_from_small(f->arity), term_from_bool(is_declared(image, i))), list);
    }
    return list;
}

static void patch_functions(struct code_image *image, struct nif_lib *lib)
{
    __atomic_store_n(&image->nif, lib, __ATOMIC_RELEASE);
    for (size_t i = 0; i < lib->n_funcs; i++) {
        interp_patch_native(image, find_function(image, lib->funcs[i].name, lib->funcs[i].arity), &lib->funcs[i]);
    }
}

static term from_old_code(struct proc *p, const struct code_image *image)
{
    char line[1200];
    int n = snprintf(line, sizeof(line), "Calling load_nif from old module '%s' not allowed", atom_cstr(image->module));
    return load_error(p, ATOM(old_code), line, (size_t) n);
}

static term loaded_already(struct proc *p)
{
    static const char text[] = "NIF library already loaded (reload disallowed since OTP 20).";
    return load_error(p, ATOM(reload), text, sizeof(text) - 1);
}

/* The answer of whoever opened it: {ok, Functions} or {error, {Kind, Text}}. */
static term opened_elsewhere(
    struct proc *p, struct code_image *image, const char *path, struct native_call_elsewhere *call, term answer)
{
    struct nif_error error = { 0 };
    bool is_pair = term_is_tuple_of(answer, 2);
    if (is_pair && term_same(term_tuple_get(answer, 0), ATOM(error)) && term_is_tuple_of(term_tuple_get(answer, 1), 2)) {
        return answer;
    }
    const struct module *m = module_find(image->module);
    if (is_pair && (image->nif != NULL || (m != NULL && m->old == image))) { /* others were faster */
        call->library->ops->close(call->library, call->library_id);
        return image->nif != NULL ? loaded_already(p) : from_old_code(p, image);
    }
    struct nif_lib *lib = nif_lib_from_elsewhere(image->module, path, call->library_id,
        is_pair && term_same(term_tuple_get(answer, 0), ATOM(ok)) ? term_tuple_get(answer, 1) : TERM_NONE,
        check_function, image, &error);
    if (lib == NULL) {
        call->library->ops->close(call->library, call->library_id);
        return load_error_text(p, &error);
    }
    lib->isolation = call->library;
    lock_take(&call->library->lock);
    call->library->nif = lib;
    lock_drop(&call->library->lock);
    patch_functions(image, lib);
    return ATOM(ok);
}

static term load_elsewhere(struct proc *p, struct code_image *image, struct native_library *library, const char *path,
    const struct nif_lib *previous, term load_info)
{
    struct heap *h = &p->heap;
    struct native_outcome out;
    struct native_call_elsewhere call = { .library = library, .caller = p, .pid = p->id, .heap = h, .progress = &p->elsewhere };
    term elements[5] = { bits_from_bytes(h, path, strlen(path)), image->module, functions_of(h, image), load_info,
        term_from_small(previous != NULL ? previous->elsewhere : 0) };
    call.request = heap_tuple(h, elements, ARRAY_LEN(elements));
    library->ops->open(&call, &out);
    if (out.status == NATIVE_PENDING) {
        return proc_wait(p);
    }
    if (out.status == NATIVE_RETURNED) {
        return opened_elsewhere(p, image, path, &call, (term) { out.value });
    }
    struct native_call report = { .library = library, .entry = NATIVE_CALLBACK, .name = "load" };
    char text[300] = "system_limit";
    if (out.status != NATIVE_RAISED) {
        native_outcome_account(&report, &out);
        native_outcome_text(&out, text, sizeof(text));
        native_outcome_clear(&out);
    }
    char line[400];
    int n = snprintf(line, sizeof(line), "Library load-call crashed: %s", text);
    return load_error(p, ATOM(load), line, (size_t) n);
}

static term load(struct proc *p, struct code_image *image, const char *path, term load_info)
{
    struct nif_error error = { 0 };
    const struct module *m = module_find(image->module);
    struct code_image *current = m != NULL ? m->current : NULL;
    /* What this code follows: the current code if this is not it (yet), else the old. */
    struct code_image *before = m == NULL                             ? NULL
                                : current == image || current == NULL ? m->old
                                                                      : current;
    /* It goes on where it began, whatever options have been set meanwhile. */
    struct native_library *library =
        p->elsewhere != NULL ? p->elsewhere->library : isolation_library_elsewhere(image->module, path);
    if (library != NULL) {
        return load_elsewhere(p, image, library, path, before != NULL ? before->nif : NULL, load_info);
    }
    struct nif_lib *lib = nif_lib_open(image->module, path, check_function, image, &error);
    if (lib == NULL) {
        settle(); /* the file is closed before the next attempt */
        return load_error_text(p, &error);
    }
    struct nif_lib *previous = before != NULL ? before->nif : NULL;
    if (!nif_lib_start(lib, previous, &p->heap, p, p->id, load_info, &error)) {
        nif_lib_unref(lib);
        settle();
        return load_error_text(p, &error);
    }
    patch_functions(image, lib);
    return ATOM(ok);
}

term bif_erlang_load_nif_2(struct proc *p, term *args)
{
    static const char applied[] = "load_nif/2 must be explicitly called from the NIF module. It "
                                  "cannot be called through apply/3.";
    static atomic_flag worker_started = ATOMIC_FLAG_INIT, busy = ATOMIC_FLAG_INIT;
    char *path = path_text(args[0]);
    if (path == NULL) {
        return proc_badarg(p);
    }
    /* The calling code, not the running process, says whose functions become native. */
    struct code_image *image = code_find_image(p->pc);
    const struct module *m = image != NULL ? module_find(image->module) : NULL;
    term result;
    if (image == NULL) {
        result = load_error(p, ATOM(bad_lib), applied, sizeof(applied) - 1);
    } else if (m != NULL && m->old == image && p->elsewhere == NULL) {
        result = from_old_code(p, image);
    } else if (__atomic_load_n(&image->nif, __ATOMIC_ACQUIRE) != NULL && p->elsewhere == NULL) { /* others may be loading it */
        result = loaded_already(p);
    } else if (atomic_flag_test_and_set(&busy)) { /* one load at a time: come again */
        vm_free(path);
        return proc_retry(p);
    } else {
        if (!atomic_flag_test_and_set(&worker_started)) {
            start_worker();
        }
        result = load(p, image, path, args[1]);
        atomic_flag_clear(&busy);
    }
    vm_free(path);
    return result;
}
