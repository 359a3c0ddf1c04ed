/* bif_isolation.c - isolation:set/2, info/1, modes/0 and libraries/0. */
#include "isolation/executor.h"
#include "isolation/isolation.h"
#include "isolation/policy.h"
#include "isolation/remote/remote.h"
#include "vm/emu/native.h"
#include "vm/bif/bif.h"
#include "vm/core/bits.h"
#include "vm/core/copy.h"
#include "vm/core/map.h"

/* isolation:set(Module | default, Mode | #{mode, timeout, stack, crash}) -> ok */
term bif_isolation_set_2(struct proc *p, term *args)
{
    term culprit;
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    if (!policy_set_term(args[0], ORIGIN_SET, args[1], &culprit)) {
        return proc_raise(p, EXC_ERROR, heap_tuple2(&p->heap, ATOM(bad_option), culprit));
    }
    return ATOM(ok);
}

/* What is known of the workers of a library: [#{os_pid => 4711, state => ready, ...}]. */
static term put_workers(struct heap *h, term info, const struct native_library *lib)
{
    enum { SHOWN = 2 * POLICY_MAX_WORKERS + 1 }; /* of the pool, spare, an embryo */
    struct remote_worker_info workers[SHOWN];
    struct remote_info r;
    term list = TERM_NIL;
    remote_info(lib, &r, workers, SHOWN);
    for (size_t i = r.n_workers < SHOWN ? r.n_workers : SHOWN; i-- > 0;) {
        const struct remote_worker_info *w = &workers[i];
        term map = map_put_name(h, map_empty(h), "os_pid", term_from_small(w->os_pid));
        map = map_put_name(h, map, "state", atom_from_cstr(w->state));
        map = map_put_name(h, map, "calls", heap_uinteger(h, w->calls));
        map = map_put_name(h, map, "lanes", term_from_small(w->lanes));
        map = map_put_name(h, map, "busy", term_from_small(w->busy_lanes));
        list = heap_cons(h, map_put_name(h, map, "resources", term_from_small(w->resources)), list);
    }
    info = map_put_name(h, info, "workers", list);
    info = map_put_name(h, info, "restarts", heap_uinteger(h, r.restarts));
    info = map_put_name(h, info, "waiting", term_from_small(r.waiting));
    return map_put_name(h, info, "circuit", atom_from_cstr(r.open_circuit ? "open" : "closed"));
}

/* isolation:info(Module | default) -> map */
term bif_isolation_info_1(struct proc *p, term *args)
{
    struct heap *h = &p->heap;
    struct policy policy;
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    policy_effective(args[0], &policy);
    term info = map_empty(h), origins = map_empty(h);
    for (int k = 0; k < POLICY_KEYS; k++) {
        info = map_put_name(
            h, info, policy_key_name((enum policy_key) k), policy_value_term(h, (enum policy_key) k, policy.value[k]));
        origins = map_put_name(h, origins, policy_key_name((enum policy_key) k),
            atom_from_cstr(policy_origin_name((enum policy_origin) policy.origin[k])));
    }
    info = map_put_name(h, info, "origin", origins);
    struct native_library *lib = library_of_module(args[0]);
    if (lib == NULL) {
        info = map_put_name(h, info, "library", ATOM(undefined));
        info = map_put_name(h, info, "calls", term_from_small(0));
        info = map_put_name(h, info, "crashes", term_from_small(0));
        return map_put_name(h, info, "last_crash", ATOM(undefined));
    }
    info = map_put_name(h, info, "library", bits_of_text(h, lib->path, strlen(lib->path)));
    info = map_put_name(h, info, "active", atom_from_cstr(lib->ops->name));
    info = put_workers(h, info, lib);
    info = map_put_name(h, info, "calls", heap_uinteger(h, library_calls(lib)));
    info = map_put_name(h, info, "crashes", heap_uinteger(h, atomic_load_explicit(&lib->crashes, memory_order_relaxed)));
    lock_take(&lib->lock);
    term reason = term_is_none(lib->last_crash) ? TERM_NONE : copy_term(lib->last_crash, h);
    int64_t at_ns = lib->last_crash_ns;
    lock_drop(&lib->lock);
    term crash = ATOM(undefined);
    if (!term_is_none(reason)) {
        crash = map_put_name(h, map_empty(h), "reason", reason);
        crash = map_put_name(h, crash, "time", heap_integer(h, at_ns / 1000000000));
    }
    return map_put_name(h, info, "last_crash", crash);
}

/* isolation:modes() -> [{Mode, Summary, [Capability]}] */
term bif_isolation_modes_0(struct proc *p, term *args)
{
    static const struct {
        unsigned bit;
        const char *name;
    } caps[] = {
        { EXEC_CAP_SURVIVES_CRASH, "survives_crash" },
        { EXEC_CAP_TIMEOUT, "timeout" },
        { EXEC_CAP_KILLABLE, "killable" },
        { EXEC_CAP_ASYNC, "async" },
        { EXEC_CAP_PROTECTS_MEMORY, "protects_memory" },
        { EXEC_CAP_LOCAL, "local" },
    };
    struct heap *h = &p->heap;
    term list = TERM_NIL;
    (void) args;
    for (size_t i = executor_count; i-- > 0;) {
        term able = TERM_NIL;
        for (size_t c = ARRAY_LEN(caps); c-- > 0;) {
            if ((executor_table[i]->caps & caps[c].bit) != 0) {
                able = heap_cons(h, atom_from_cstr(caps[c].name), able);
            }
        }
        const struct executor_ops *ops = executor_table[i];
        term summary = bits_of_text(h, ops->summary, strlen(ops->summary));
        list = heap_cons(h, heap_tuple3(h, atom_from_cstr(ops->name), summary, able), list);
    }
    return list;
}

/* isolation:libraries() -> [Module] that have native code */
term bif_isolation_libraries_0(struct proc *p, term *args)
{
    term list = TERM_NIL;
    (void) args;
    for (struct native_library *lib = library_first(); lib != NULL; lib = lib->next) {
        list = heap_cons(&p->heap, lib->module_atom, list);
    }
    return list;
}

/* What is loaded now, with a reference: the module may be purged meanwhile. NULL: nothing. */
static struct nif_lib *open_library(term module)
{
    struct native_library *lib = library_of_module(module);
    if (lib == NULL) {
        return NULL;
    }
    lock_take(&lib->lock);
    struct nif_lib *nif = lib->nif != NULL && nif_lib_try_ref(lib->nif) ? lib->nif : NULL;
    lock_drop(&lib->lock);
    return nif;
}

/* The function's record, with a reference to its library, if it is native and that runs in another OS process; else NULL. */
static const struct nif_func *function_elsewhere(term module, term name, size_t arity)
{
    struct nif_lib *nif = open_library(module);
    for (size_t i = 0; nif != NULL && nif->elsewhere != 0 && i < nif->n_funcs; i++) {
        if (term_same(nif->funcs[i].name, name) && nif->funcs[i].arity == arity) {
            return &nif->funcs[i];
        }
    }
    if (nif != NULL) {
        nif_lib_unref(nif);
    }
    return NULL;
}

/* isolation:call_elsewhere(Module, Function, Arity, [[Arg]]) -> [Result], or `local`: call them one by one */
term bif_isolation_call_elsewhere_4(struct proc *p, term *args)
{
    if (!term_is_atom(args[0]) || !term_is_atom(args[1]) || !term_is_small(args[2]) || term_to_small(args[2]) < 0) {
        return proc_badarg(p);
    }
    /* It goes on with what it began with. */
    const struct nif_func *f = p->elsewhere != NULL ? p->elsewhere->held
                                                    : function_elsewhere(args[0], args[1], (size_t) term_to_small(args[2]));
    if (f == NULL) {
        return ATOM(local);
    }
    term results = native_call_many(p, f, args[3]);
    if (p->elsewhere != NULL) {
        p->elsewhere->held = f;
    } else {
        nif_lib_unref(f->lib);
    }
    return results;
}
