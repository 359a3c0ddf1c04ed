/* bif_erlang_system.c - system_info, statistics, memory, halt.
 *
 * What programs ask in order to adapt is answered as OTP 25 would (otp_release, version, wordsize,
 * machine, limits); what tells the VM apart is emu_flavor and system_version.
 */
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/sanitize.h"
#include "vm/bif/bif.h"
#include "vm/bif/system_flag.h"
#include "vm/core/bits.h"
#include "vm/core/print.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/sched.h"
#include "vm/proc/sched_use.h"
#include "vm/proc/watch.h"

enum { ATOM_LIMIT = 1048576, ETS_LIMIT = 8192, PORT_LIMIT = 65536 };
#define OTP_RELEASE "25"
#define ERTS_VERSION "13.1.5"
#define NIF_VERSION "2.16"

/* ---- system_info ---- */

static term text(struct proc *p, const char *s)
{
    return heap_cstring(&p->heap, s);
}

static term info_system_version(struct proc *p)
{
    struct text t = { 0 };
    text_format(&t, "Erlang/OTP " OTP_RELEASE " [bulkhead] [64-bit] [smp:%u:%u] [ds:%u:%u:%u]\n", sched_count(),
        sched_count(), sched_count_dirty(SCHED_DIRTY_CPU), sched_count_dirty(SCHED_DIRTY_CPU),
        sched_count_dirty(SCHED_DIRTY_IO));
    term s = heap_string(&p->heap, t.data, t.len);
    text_free(&t);
    return s;
}

static term info_otp_release(struct proc *p) { return text(p, OTP_RELEASE); }
static term info_version(struct proc *p) { return text(p, ERTS_VERSION); }
static term info_nif_version(struct proc *p) { return text(p, NIF_VERSION); }
static term info_driver_version(struct proc *p) { return text(p, "3.3"); }
static term info_machine(struct proc *p) { return text(p, "BEAM"); }
static term info_threads(struct proc *p) { (void) p; return ATOM(true); }
static term info_false(struct proc *p) { (void) p; return ATOM(false); }
static term info_nil(struct proc *p) { (void) p; return TERM_NIL; }
static term info_taints(struct proc *p) { return bif_native_hooks.taints != NULL ? bif_native_hooks.taints(&p->heap) : TERM_NIL; }
static term info_undefined(struct proc *p) { (void) p; return ATOM(undefined); }
static term info_emu_flavor(struct proc *p) { (void) p; return ATOM(emu); }
static term info_build_type(struct proc *p) { (void) p; return SANITIZE_BUILD_TYPE; }
static term info_zero(struct proc *p) { (void) p; return term_from_small(0); }
static term info_ets_limit(struct proc *p) { (void) p; return term_from_small(ETS_LIMIT); }
static term info_port_count(struct proc *p) { return term_from_small(term_list_length(table_all_ports(&p->heap))); }
static term info_atom_limit(struct proc *p) { (void) p; return term_from_small(ATOM_LIMIT); }
static term info_port_limit(struct proc *p) { (void) p; return term_from_small(PORT_LIMIT); }
static term info_atom_count(struct proc *p) { return heap_uinteger(&p->heap, atom_count()); }
static term info_process_count(struct proc *p) { return heap_uinteger(&p->heap, proc_count()); }
static term info_process_limit(struct proc *p) { return heap_uinteger(&p->heap, proc_limit()); }
static term info_schedulers(struct proc *p) { (void) p; return term_from_small(sched_count()); }
static term info_online(struct proc *p) { (void) p; return term_from_small(system_schedulers_online()); }
static term info_active(struct proc *p) { (void) p; return term_from_small(sched_online()); }
static term info_dirty_cpu_online(struct proc *p) { (void) p; return term_from_small(system_dirty_cpu_online()); }
static term info_multi(struct proc *p) { (void) p; return system_multi_scheduling(); }
static term info_blockers(struct proc *p) { return system_multi_scheduling_blockers(&p->heap, false); }
static term info_normal_blockers(struct proc *p) { return system_multi_scheduling_blockers(&p->heap, true); }
static term info_control_word(struct proc *p) { return heap_uinteger(&p->heap, system_trace_control_word()); }
static term info_requests_limit(struct proc *p) { return heap_uinteger(&p->heap, system_requests_limit()); }
static term info_dirty_cpu(struct proc *p) { (void) p; return term_from_small(sched_count_dirty(SCHED_DIRTY_CPU)); }
static term info_dirty_io(struct proc *p) { (void) p; return term_from_small(sched_count_dirty(SCHED_DIRTY_IO)); }
static term info_seq_tracer(struct proc *p)
{
    (void) p;
    return heap_tuple2(&p->heap, ATOM(sequential_tracer), system_seq_tracer());
}
static term info_logger(struct proc *p) { (void) p; return system_logger(); }
static term info_mode_off(struct proc *p) { (void) p; return ATOM(no_time_warp); }
static term info_time_offset(struct proc *p) { (void) p; return ATOM(final); }
static term info_enabled(struct proc *p) { (void) p; return ATOM(enabled); }
static term info_bind_type(struct proc *p) { (void) p; return system_bind_type(); }
static term info_unchanged(struct proc *p) { (void) p; return ATOM(unchanged); }
static term info_none(struct proc *p) { (void) p; return ATOM(none); }
static term info_on_heap(struct proc *p) { (void) p; return ATOM(on_heap); }
static term info_compat_rel(struct proc *p) { (void) p; return term_from_small(25); }
static term info_wordsize(struct proc *p) { (void) p; return term_from_small(sizeof(term)); }
static term info_little(struct proc *p) { (void) p; return ATOM(little); }
static term info_private(struct proc *p) { (void) p; return ATOM(private); }
static term info_unknown(struct proc *p) { (void) p; return ATOM(unknown); }
static term info_busy_limit(struct proc *p) { (void) p; return term_from_small(1024 * 1024); }
static term info_node_table_gc(struct proc *p) { (void) p; return term_from_small(60); }
static term info_one(struct proc *p) { (void) p; return term_from_small(1); }

/* No scheduler thread is bound to a processor. */
static term info_bindings(struct proc *p)
{
    unsigned n = sched_count();
    uintptr_t *w = heap_alloc(&p->heap, n + 1);
    w[0] = TERM_HEADER(TAG_TUPLE, n);
    for (unsigned i = 1; i <= n; i++) {
        w[i] = ATOM(unbound).word;
    }
    return term_from_boxed_ptr(w);
}

static term info_ets_count(struct proc *p)
{
    return heap_uinteger(&p->heap, atomic_load_explicit(&bif_ets_count, memory_order_relaxed));
}

static term info_compiler(struct proc *p)
{
    term version = heap_tuple3(&p->heap, term_from_small(__GNUC__), term_from_small(__GNUC_MINOR__),
        term_from_small(__GNUC_PATCHLEVEL__));
    return heap_tuple2(&p->heap, ATOM(gnuc), version);
}

static term info_scheduler_id(struct proc *p)
{
    const struct sched *s = sched_self();
    (void) p;
    return term_from_small(s == NULL ? 0 : s->index);
}

static term info_processors(struct proc *p)
{
    (void) p;
    return term_from_small(sysconf(_SC_NPROCESSORS_CONF));
}

static term info_processors_online(struct proc *p)
{
    (void) p;
    return term_from_small(sysconf(_SC_NPROCESSORS_ONLN));
}

static term info_architecture(struct proc *p)
{
#if defined(__x86_64__)
    return text(p, "x86_64-pc-linux-gnu");
#elif defined(__aarch64__)
    return text(p, "aarch64-unknown-linux-gnu");
#else
    return text(p, "unknown-unknown-linux-gnu");
#endif
}

static term info_os_type(struct proc *p)
{
    return heap_tuple2(&p->heap, ATOM(unix), ATOM(linux));
}

static term info_os_version(struct proc *p)
{
    struct utsname u;
    long v[3] = { 0, 0, 0 };
    if (uname(&u) == 0) {
        const char *s = u.release;
        for (size_t i = 0; i < 3; i++) {
            while (*s >= '0' && *s <= '9') {
                v[i] = v[i] * 10 + (*s++ - '0');
            }
            s += *s == '.';
        }
    }
    return heap_tuple3(&p->heap, term_from_small(v[0]), term_from_small(v[1]), term_from_small(v[2]));
}

static term pair(struct proc *p, term key, term value)
{
    return heap_tuple2(&p->heap, key, value);
}

static term info_min_heap(struct proc *p)
{
    size_t n = system_spawn_defaults().min_heap_words;
    return pair(p, ATOM(min_heap_size), heap_uinteger(&p->heap, n == 0 ? HEAP_DEFAULT_MIN_WORDS : n));
}

static term info_min_vheap(struct proc *p)
{
    size_t n = system_spawn_defaults().min_vheap_words;
    return pair(p, ATOM(min_bin_vheap_size), heap_uinteger(&p->heap, n == 0 ? HEAP_DEFAULT_MIN_VHEAP_WORDS : n));
}

static term info_fullsweep(struct proc *p)
{
    int n = system_spawn_defaults().fullsweep_after;
    return pair(p, ATOM(fullsweep_after), term_from_small(n < 0 ? UINT16_MAX : n));
}

static term info_max_heap(struct proc *p)
{
    struct max_heap_option o = system_max_heap();
    return option_max_heap_term(&p->heap, &o);
}

static term info_garbage_collection(struct proc *p)
{
    term list = heap_cons(&p->heap, info_fullsweep(p), TERM_NIL);
    list = heap_cons(&p->heap, info_min_heap(p), list);
    list = heap_cons(&p->heap, info_min_vheap(p), list);
    return heap_cons(&p->heap, pair(p, ATOM(max_heap_size), heap_uinteger(&p->heap, system_max_heap().words)), list);
}

static term info_start_time(struct proc *p)
{
    return heap_integer(&p->heap, vm_start_ns());
}

static term info_end_time(struct proc *p)
{
    return heap_integer(&p->heap, INT64_MAX);
}

static term info_time_source(struct proc *p)
{
    term list = heap_cons(&p->heap, pair(p, ATOM(time), heap_integer(&p->heap, clock_monotonic_ns())), TERM_NIL);
    list = heap_cons(&p->heap, pair(p, ATOM(parallel), ATOM(yes)), list);
    list = heap_cons(&p->heap, pair(p, ATOM(resolution), heap_integer(&p->heap, 1000000000)), list);
    return heap_cons(&p->heap, pair(p, ATOM(function), ATOM(clock_gettime)), list);
}

static term info_context_reductions(struct proc *p)
{
    (void) p;
    return term_from_small(PROC_SLICE_REDUCTIONS);
}

/* Every function of OTP's modules that is implemented in C: {Module, Function, Arity}. */
static term info_snifs(struct proc *p)
{
    term list = TERM_NIL;
    for (size_t i = bif_count; i-- > 0;) {
        const struct bif_row *row = &bif_table[i];
        if (strncmp(row->module_text, "bulkhead", 8) == 0 || term_same(row->module, ATOM(isolation))) {
            continue; /* ours */
        }
        term mfa = heap_tuple3(&p->heap, row->module, row->function, term_from_small(row->arity));
        list = heap_cons(&p->heap, mfa, list);
    }
    return list;
}

static const struct {
    enum atom_index name;
    term (*build)(struct proc *p);
} infos[] = {
    { ATOM_INDEX_allocated_areas, info_nil },
    { ATOM_INDEX_atom_count, info_atom_count },
    { ATOM_INDEX_atom_limit, info_atom_limit },
    { ATOM_INDEX_build_type, info_build_type },
    { ATOM_INDEX_c_compiler_used, info_compiler },
    { ATOM_INDEX_compat_rel, info_compat_rel },
    { ATOM_INDEX_context_reductions, info_context_reductions },
    { ATOM_INDEX_cpu_quota, info_unknown },
    { ATOM_INDEX_cpu_topology, info_undefined },
    { ATOM_INDEX_creation, info_zero },
    { ATOM_INDEX_debug_compiled, info_false },
    { ATOM_INDEX_delayed_node_table_gc, info_node_table_gc },
    { ATOM_INDEX_dirty_cpu_schedulers, info_dirty_cpu },
    { ATOM_INDEX_dirty_cpu_schedulers_online, info_dirty_cpu_online },
    { ATOM_INDEX_dirty_io_schedulers, info_dirty_io },
    { ATOM_INDEX_dist_buf_busy_limit, info_busy_limit },
    { ATOM_INDEX_dist_ctrl, info_nil },
    { ATOM_INDEX_driver_version, info_driver_version },
    { ATOM_INDEX_dynamic_trace, info_none },
    { ATOM_INDEX_dynamic_trace_probes, info_false },
    { ATOM_INDEX_eager_check_io, info_threads },
    { ATOM_INDEX_emu_flavor, info_emu_flavor },
    { ATOM_INDEX_emu_type, info_build_type },
    { ATOM_INDEX_end_time, info_end_time },
    { ATOM_INDEX_endian, info_little },
    { ATOM_INDEX_ets_count, info_ets_count },
    { ATOM_INDEX_ets_limit, info_ets_limit },
    { ATOM_INDEX_fullsweep_after, info_fullsweep },
    { ATOM_INDEX_garbage_collection, info_garbage_collection },
    { ATOM_INDEX_heap_type, info_private },
    { ATOM_INDEX_kernel_poll, info_threads },
    { ATOM_INDEX_logical_processors, info_processors },
    { ATOM_INDEX_logical_processors_available, info_processors_online },
    { ATOM_INDEX_logical_processors_online, info_processors_online },
    { ATOM_INDEX_machine, info_machine },
    { ATOM_INDEX_max_heap_size, info_max_heap },
    { ATOM_INDEX_message_queue_data, info_on_heap },
    { ATOM_INDEX_min_bin_vheap_size, info_min_vheap },
    { ATOM_INDEX_min_heap_size, info_min_heap },
    { ATOM_INDEX_modified_timing_level, info_undefined },
    { ATOM_INDEX_multi_scheduling, info_multi },
    { ATOM_INDEX_multi_scheduling_blockers, info_blockers },
    { ATOM_INDEX_nif_version, info_nif_version },
    { ATOM_INDEX_normal_multi_scheduling_blockers, info_normal_blockers },
    { ATOM_INDEX_os_monotonic_time_source, info_time_source },
    { ATOM_INDEX_os_system_time_source, info_time_source },
    { ATOM_INDEX_os_type, info_os_type },
    { ATOM_INDEX_os_version, info_os_version },
    { ATOM_INDEX_otp_release, info_otp_release },
    { ATOM_INDEX_outstanding_system_requests_limit, info_requests_limit },
    { ATOM_INDEX_port_count, info_port_count },
    { ATOM_INDEX_port_limit, info_port_limit },
    { ATOM_INDEX_port_parallelism, info_false },
    { ATOM_INDEX_process_count, info_process_count },
    { ATOM_INDEX_process_limit, info_process_limit },
    { ATOM_INDEX_scheduler_bind_type, info_bind_type },
    { ATOM_INDEX_scheduler_bindings, info_bindings },
    { ATOM_INDEX_scheduler_id, info_scheduler_id },
    { ATOM_INDEX_schedulers, info_schedulers },
    { ATOM_INDEX_schedulers_active, info_active },
    { ATOM_INDEX_schedulers_online, info_online },
    { ATOM_INDEX_sequential_tracer, info_seq_tracer },
    { ATOM_INDEX_smp_support, info_threads },
    { ATOM_INDEX_snifs, info_snifs },
    { ATOM_INDEX_start_time, info_start_time },
    { ATOM_INDEX_system_architecture, info_architecture },
    { ATOM_INDEX_system_logger, info_logger },
    { ATOM_INDEX_system_version, info_system_version },
    { ATOM_INDEX_taints, info_taints },
    { ATOM_INDEX_thread_pool_size, info_one },
    { ATOM_INDEX_threads, info_threads },
    { ATOM_INDEX_time_correction, info_threads },
    { ATOM_INDEX_time_offset, info_time_offset },
    { ATOM_INDEX_time_warp_mode, info_mode_off },
    { ATOM_INDEX_tolerant_timeofday, info_enabled },
    { ATOM_INDEX_trace_control_word, info_control_word },
    { ATOM_INDEX_update_cpu_info, info_unchanged },
    { ATOM_INDEX_version, info_version },
    { ATOM_INDEX_wordsize, info_wordsize },
};

term bif_erlang_system_info_1(struct proc *p, term *args)
{
    term key = args[0];
    if (term_is_tuple_of(key, 2) && term_same(term_tuple_get(key, 0), ATOM(wordsize))) {
        term which = term_tuple_get(key, 1);
        if (term_same(which, ATOM(internal)) || term_same(which, ATOM(external))) {
            return info_wordsize(p);
        }
    }
    for (size_t i = 0; term_is_atom(key) && i < ARRAY_LEN(infos); i++) {
        if (term_to_atom_index(key) == (size_t) infos[i].name) {
            return infos[i].build(p);
        }
    }
    return proc_badarg(p);
}

/* How warnings are printed: `erl` has options for it, we have none. */
term bif_error_logger_warning_map_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(warning);
}

/* ---- statistics: totals, and since the last call ---- */

static term since_last(struct proc *p, int64_t total, _Atomic int64_t *last)
{
    int64_t before = atomic_exchange(last, total);
    return heap_tuple2(&p->heap, heap_integer(&p->heap, total), heap_integer(&p->heap, total - before));
}

static int64_t cpu_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (int64_t) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

static size_t queued(unsigned *n)
{
    size_t total = 0;
    *n = sched_count();
    for (unsigned i = 0; i < *n; i++) {
        total += sched_queue_length(i);
    }
    return total;
}

/* The normal queues, and one or both dirty ones. */
static term queue_lengths(struct proc *p, size_t running, bool io)
{
    term list = TERM_NIL;
    for (unsigned i = 0; i < 1u + io; i++) {
        list = heap_cons(&p->heap, term_from_small(0), list);
    }
    for (unsigned i = sched_count(); i-- > 0;) {
        list = heap_cons(&p->heap, heap_uinteger(&p->heap, sched_queue_length(i) + running), list);
    }
    return list;
}

/* [{Id, Active, Total}], or undefined as long as the flag is off. */
static term wall_times(struct proc *p, bool io)
{
    struct heap *h = &p->heap;
    unsigned n = sched_count() + sched_count_dirty(SCHED_DIRTY_CPU) + (io ? sched_count_dirty(SCHED_DIRTY_IO) : 0);
    int64_t active, total;
    term list = TERM_NIL;
    for (unsigned i = n; i > 0; i--) {
        if (!sched_use_times(i, &active, &total)) {
            return ATOM(undefined);
        }
        list = heap_cons(h, heap_tuple3(h, term_from_small(i), heap_integer(h, active), heap_integer(h, total)), list);
    }
    return list;
}

term bif_erlang_statistics_1(struct proc *p, term *args)
{
    static _Atomic int64_t last_runtime, last_wall, last_reductions, last_exact;
    term k = args[0];
    unsigned n;
    if (term_same(k, ATOM(runtime))) {
        return since_last(p, cpu_ms(), &last_runtime);
    }
    if (term_same(k, ATOM(wall_clock))) {
        return since_last(p, (clock_monotonic_ns() - vm_start_ns()) / 1000000, &last_wall);
    }
    if (term_same(k, ATOM(reductions)) || term_same(k, ATOM(exact_reductions))) {
        int64_t total = (int64_t) sched_reductions() + (PROC_SLICE_REDUCTIONS - p->reductions_left);
        return since_last(p, total, term_same(k, ATOM(reductions)) ? &last_reductions : &last_exact);
    }
    if (term_same(k, ATOM(context_switches))) {
        return heap_tuple2(&p->heap, heap_uinteger(&p->heap, sched_switches()), term_from_small(0));
    }
    if (term_same(k, ATOM(garbage_collection))) {
        uint64_t count, words;
        sched_use_collections(&count, &words);
        return heap_tuple3(&p->heap, heap_uinteger(&p->heap, count), heap_uinteger(&p->heap, words), term_from_small(0));
    }
    if (term_same(k, ATOM(io))) {
        return heap_tuple2(&p->heap, pair(p, ATOM(input), term_from_small(0)), pair(p, ATOM(output), term_from_small(0)));
    }
    if (term_same(k, ATOM(run_queue)) || term_same(k, ATOM(total_run_queue_lengths))
        || term_same(k, ATOM(total_run_queue_lengths_all))) {
        return heap_uinteger(&p->heap, queued(&n));
    }
    if (term_same(k, ATOM(run_queue_lengths)) || term_same(k, ATOM(run_queue_lengths_all))) {
        return queue_lengths(p, 0, term_same(k, ATOM(run_queue_lengths_all)));
    }
    if (term_same(k, ATOM(active_tasks)) || term_same(k, ATOM(active_tasks_all))) {
        return queue_lengths(p, 1, term_same(k, ATOM(active_tasks_all)));
    }
    if (term_same(k, ATOM(total_active_tasks)) || term_same(k, ATOM(total_active_tasks_all))) {
        return heap_uinteger(&p->heap, queued(&n) + n);
    }
    if (term_same(k, ATOM(scheduler_wall_time)) || term_same(k, ATOM(scheduler_wall_time_all))) {
        return wall_times(p, term_same(k, ATOM(scheduler_wall_time_all)));
    }
    return proc_badarg(p);
}

/* ---- memory, from the arenas ---- */

static bool memory_item(term key, size_t *out)
{
    struct arena_stats terms = arena_stats(arena_terms), vm = arena_stats(arena_vm), lit = arena_stats(arena_literals);
    if (term_same(key, ATOM(total))) {
        *out = terms.used_bytes + vm.used_bytes + lit.used_bytes;
    } else if (term_same(key, ATOM(processes)) || term_same(key, ATOM(processes_used))) {
        *out = terms.used_bytes;
    } else if (term_same(key, ATOM(system))) {
        *out = vm.used_bytes + lit.used_bytes;
    } else if (term_same(key, ATOM(atom)) || term_same(key, ATOM(atom_used))) {
        *out = atom_count() * 48;
    } else if (term_same(key, ATOM(code))) {
        *out = lit.used_bytes;
    } else if (term_same(key, ATOM(binary)) || term_same(key, ATOM(ets))) {
        *out = 0; /* counted in processes and system: the arenas do not tell them apart */
    } else {
        return false;
    }
    return true;
}

static term memory_pair(struct proc *p, term key)
{
    size_t n = 0;
    (void) memory_item(key, &n);
    return pair(p, key, heap_uinteger(&p->heap, n));
}

term bif_erlang_memory_0(struct proc *p, term *args)
{
    static const enum atom_index keys[] = { ATOM_INDEX_total, ATOM_INDEX_processes, ATOM_INDEX_processes_used,
        ATOM_INDEX_system, ATOM_INDEX_atom, ATOM_INDEX_atom_used, ATOM_INDEX_binary, ATOM_INDEX_code, ATOM_INDEX_ets };
    (void) args;
    term list = TERM_NIL;
    for (size_t i = ARRAY_LEN(keys); i-- > 0;) {
        list = heap_cons(&p->heap, memory_pair(p, term_from_atom_index(keys[i])), list);
    }
    return list;
}

term bif_erlang_memory_1(struct proc *p, term *args)
{
    size_t n;
    if (term_is_atom(args[0])) {
        return memory_item(args[0], &n) ? heap_uinteger(&p->heap, n) : proc_badarg(p);
    }
    term list = args[0], out[16];
    size_t count = 0;
    for (; term_is_cons(list); list = term_tail(list)) {
        if (count == ARRAY_LEN(out) || !memory_item(term_head(list), &n)) {
            return proc_badarg(p);
        }
        out[count++] = memory_pair(p, term_head(list));
    }
    return term_is_nil(list) ? heap_list(&p->heap, out, count, TERM_NIL) : proc_badarg(p);
}

/* ---- halt ---- */

static bool take_slogan(term list, struct halt_request *r)
{
    size_t n = 0;
    for (; term_is_cons(list); list = term_tail(list)) {
        term c = term_head(list);
        if (!term_is_small(c) || term_to_small(c) < 0 || term_to_small(c) > 255) {
            return false;
        }
        if (n < sizeof(r->slogan) - 1) {
            r->slogan[n++] = (char) term_to_small(c);
        }
    }
    r->status = 1;
    return term_is_nil(list);
}

static bool take_status(term status, struct halt_request *r)
{
    if (term_is_small(status) && term_to_small(status) >= 0) {
        r->status = (int) (term_to_small(status) & 0xFF);
        return true;
    }
    r->abort = term_same(status, ATOM(abort));
    return r->abort || (term_is_list(status) && take_slogan(status, r));
}

static term halt(struct proc *p, term status, term options)
{
    struct halt_request r = { .flush = true };
    if (!take_status(status, &r)) {
        return proc_badarg(p);
    }
    for (; term_is_cons(options); options = term_tail(options)) {
        term o = term_head(options);
        if (!term_is_tuple_of(o, 2) || !term_same(term_tuple_get(o, 0), ATOM(flush)) || !term_is_bool(term_tuple_get(o, 1))) {
            return proc_badarg(p);
        }
        r.flush = term_same(term_tuple_get(o, 1), ATOM(true));
    }
    if (!term_is_nil(options)) {
        return proc_badarg(p);
    }
    sched_halt(&r);
    return proc_wait(p); /* for ever: the program ends */
}

term bif_erlang_halt_0(struct proc *p, term *args)
{
    (void) args;
    return halt(p, term_from_small(0), TERM_NIL);
}

term bif_erlang_halt_1(struct proc *p, term *args)
{
    return halt(p, args[0], TERM_NIL);
}

term bif_erlang_halt_2(struct proc *p, term *args)
{
    return halt(p, args[0], args[1]);
}
