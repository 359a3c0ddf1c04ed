/* bif_erlang_system_flag.c - erlang:system_flag/2.
 *
 * Sizes are for processes spawned later. What has no effect here (doc/limits.md) is remembered and answered as on OTP.
 */
#include "lib/base/arena.h"
#include "lib/base/lock.h"
#include "vm/bif/bif.h"
#include "vm/bif/system_flag.h"
#include "vm/core/arith.h"
#include "vm/proc/sched_use.h"

enum { MIN_VHEAP_DEFAULT = 46422, FULLSWEEP_DEFAULT = 65535, REQUESTS_DEFAULT = 4, REQUESTS_MOST = (1 << 27) - 1 };

/* ---- sizes of new processes ---- */

static _Atomic size_t min_heap_words = HEAP_DEFAULT_MIN_WORDS, min_vheap_words = MIN_VHEAP_DEFAULT, max_heap_words;
static _Atomic int fullsweep_after = FULLSWEEP_DEFAULT;
static atomic_bool max_heap_kill = true, max_heap_log = true;

/* Those that nobody set are left to who makes the process. */
struct spawn_options system_spawn_defaults(void)
{
    struct spawn_options o = spawn_defaults;
    size_t min = atomic_load_explicit(&min_heap_words, memory_order_relaxed);
    size_t vheap = atomic_load_explicit(&min_vheap_words, memory_order_relaxed);
    int sweep = atomic_load_explicit(&fullsweep_after, memory_order_relaxed);
    o.min_heap_words = min == HEAP_DEFAULT_MIN_WORDS ? 0 : min;
    o.min_vheap_words = vheap == MIN_VHEAP_DEFAULT ? 0 : vheap;
    o.fullsweep_after = sweep == FULLSWEEP_DEFAULT ? -1 : sweep;
    o.max_heap_words = atomic_load_explicit(&max_heap_words, memory_order_relaxed);
    o.max_heap_kill = atomic_load_explicit(&max_heap_kill, memory_order_relaxed);
    o.max_heap_log = atomic_load_explicit(&max_heap_log, memory_order_relaxed);
    return o;
}

struct max_heap_option system_max_heap(void)
{
    return (struct max_heap_option) { atomic_load(&max_heap_words), atomic_load(&max_heap_kill), atomic_load(&max_heap_log) };
}

static term set_size(struct proc *p, term value, _Atomic size_t *size)
{
    size_t n;
    return !option_heap_step(value, &n) ? proc_badarg(p) : heap_uinteger(&p->heap, atomic_exchange(size, n));
}

static term set_min_heap(struct proc *p, term value)
{
    return set_size(p, value, &min_heap_words);
}

static term set_min_vheap(struct proc *p, term value)
{
    return set_size(p, value, &min_vheap_words);
}

static term set_max_heap(struct proc *p, term value)
{
    struct max_heap_option old = system_max_heap(), o = old;
    if (!option_max_heap(value, &o) || (o.words != 0 && o.words < atomic_load(&min_heap_words))) {
        return proc_badarg(p);
    }
    atomic_store(&max_heap_words, o.words);
    atomic_store(&max_heap_kill, o.kill);
    atomic_store(&max_heap_log, o.log);
    return option_max_heap_term(&p->heap, &old);
}

static term set_fullsweep(struct proc *p, term value)
{
    size_t n;
    if (!option_heap_size(value, &n)) {
        return proc_badarg(p);
    }
    return term_from_small(atomic_exchange(&fullsweep_after, n > FULLSWEEP_DEFAULT ? FULLSWEEP_DEFAULT : (int) n));
}

/* ---- schedulers ---- */

/* Who wants to run alone, once for each time. */
struct blocker { uintptr_t pid; bool normal; };

static struct {
    struct lock lock;
    struct blocker *list; /* vm_alloc */
    size_t n;
    unsigned online; /* as the user set it; while there is a blocker one scheduler runs */
    unsigned dirty_online;
} threads;
static _Atomic size_t n_blockers;

static unsigned online_now(void)
{
    return threads.online == 0 ? sched_count() : threads.online;
}

static void apply_online(void)
{
    atomic_store(&n_blockers, threads.n);
    (void) sched_set_online(threads.n > 0 ? 1 : online_now());
}

static void remove_blocker(size_t at)
{
    threads.list[at] = threads.list[--threads.n];
}

static void blocker_ends(struct proc *p)
{
    if (atomic_load_explicit(&n_blockers, memory_order_relaxed) == 0) {
        return;
    }
    lock_take(&threads.lock);
    for (size_t i = threads.n; i-- > 0;) {
        if (threads.list[i].pid == p->id.word) {
            remove_blocker(i);
        }
    }
    apply_online();
    lock_drop(&threads.lock);
}

void system_flag_init(void)
{
    lock_init(&threads.lock, RANK_SYSTEM_FLAG);
    proc_on_exit_hook(blocker_ends);
}

static term multi_scheduling_locked(void)
{
    term state = ATOM(enabled);
    for (size_t i = 0; i < threads.n; i++) {
        if (!threads.list[i].normal) {
            return ATOM(blocked);
        }
        state = ATOM(blocked_normal);
    }
    return sched_count() == 1 ? ATOM(disabled) : state;
}

term system_multi_scheduling(void)
{
    lock_take(&threads.lock);
    term state = multi_scheduling_locked();
    lock_drop(&threads.lock);
    return state;
}

term system_multi_scheduling_blockers(struct heap *h, bool normal)
{
    term list = TERM_NIL;
    lock_take(&threads.lock);
    for (size_t i = 0; i < threads.n; i++) {
        size_t same = 0;
        while (threads.list[same].pid != threads.list[i].pid || threads.list[same].normal != threads.list[i].normal) {
            same++;
        }
        if (threads.list[i].normal == normal && same == i) {
            list = heap_cons(h, (term) { threads.list[i].pid }, list);
        }
    }
    lock_drop(&threads.lock);
    return list;
}

static void block(struct proc *p, bool normal)
{
    threads.list = vm_realloc(threads.list, (threads.n + 1) * sizeof(*threads.list));
    threads.list[threads.n++] = (struct blocker) { p->id.word, normal };
}

static void unblock(const struct proc *p, bool normal)
{
    for (size_t i = 0; i < threads.n; i++) {
        if (threads.list[i].pid == p->id.word && threads.list[i].normal == normal) {
            remove_blocker(i);
            return;
        }
    }
}

static term set_multi_scheduling(struct proc *p, term value)
{
    bool normal = term_same(value, ATOM(block_normal)) || term_same(value, ATOM(unblock_normal));
    bool on = term_same(value, ATOM(block)) || term_same(value, ATOM(block_normal));
    if (!on && !normal && !term_same(value, ATOM(unblock))) {
        return proc_badarg(p);
    }
    lock_take(&threads.lock);
    if (on) {
        block(p, normal);
    } else {
        unblock(p, normal);
    }
    apply_online();
    term state = multi_scheduling_locked();
    lock_drop(&threads.lock);
    return proc_yield(p, state);
}

static bool take_count(term value, unsigned most, unsigned *out)
{
    if (!term_is_small(value) || term_to_small(value) < 1 || term_to_small(value) > (intptr_t) most) {
        return false;
    }
    *out = (unsigned) term_to_small(value);
    return true;
}

static unsigned dirty_online_now(void)
{
    return threads.dirty_online == 0 ? sched_count_dirty(SCHED_DIRTY_CPU) : threads.dirty_online;
}

/* The number of dirty ones keeps its proportion. */
static term set_schedulers_online(struct proc *p, term value)
{
    unsigned n;
    if (!take_count(value, sched_count(), &n)) {
        return proc_badarg(p);
    }
    lock_take(&threads.lock);
    unsigned old = online_now(), dirty = dirty_online_now() * n / old;
    threads.online = n;
    threads.dirty_online = dirty == 0 ? 1 : dirty;
    apply_online();
    lock_drop(&threads.lock);
    return term_from_small(old);
}

static term set_dirty_cpu_online(struct proc *p, term value)
{
    lock_take(&threads.lock);
    unsigned n, old = dirty_online_now();
    unsigned most = online_now() < sched_count_dirty(SCHED_DIRTY_CPU) ? online_now() : sched_count_dirty(SCHED_DIRTY_CPU);
    bool good = take_count(value, most, &n);
    if (good) {
        threads.dirty_online = n;
    }
    lock_drop(&threads.lock);
    return good ? term_from_small(old) : proc_badarg(p);
}

unsigned system_schedulers_online(void)
{
    lock_take(&threads.lock);
    unsigned n = online_now();
    lock_drop(&threads.lock);
    return n;
}

unsigned system_dirty_cpu_online(void)
{
    lock_take(&threads.lock);
    unsigned n = dirty_online_now();
    lock_drop(&threads.lock);
    return n;
}

static term set_wall_time(struct proc *p, term value)
{
    return term_is_bool(value) ? term_from_bool(sched_use_measure(term_same(value, ATOM(true)))) : proc_badarg(p);
}

/* ---- remembered ---- */

static _Atomic uintptr_t bind_type, logger, seq_tracer; /* words of terms that lie on no heap; 0: the usual ones */
static _Atomic uint32_t trace_control_word;
static _Atomic size_t requests_limit = REQUESTS_DEFAULT;
static atomic_bool accounting;

static term exchange(_Atomic uintptr_t *word, term value, term standard)
{
    uintptr_t old = atomic_exchange(word, value.word);
    return old == 0 ? standard : (term) { old };
}

static term set_bind_type(struct proc *p, term value)
{
    static const enum atom_index types[] = { ATOM_INDEX_unbound, ATOM_INDEX_no_spread, ATOM_INDEX_thread_spread,
        ATOM_INDEX_processor_spread, ATOM_INDEX_spread, ATOM_INDEX_no_node_thread_spread, ATOM_INDEX_no_node_processor_spread,
        ATOM_INDEX_thread_no_node_processor_spread };
    if (term_same(value, ATOM(default_bind))) {
        value = ATOM(thread_no_node_processor_spread);
    }
    for (size_t i = 0; term_is_atom(value) && i < ARRAY_LEN(types); i++) {
        if (term_to_atom_index(value) == (size_t) types[i]) {
            return exchange(&bind_type, value, ATOM(unbound));
        }
    }
    return proc_badarg(p);
}

term system_bind_type(void)
{
    uintptr_t word = atomic_load(&bind_type);
    return word == 0 ? ATOM(unbound) : (term) { word };
}

static term set_logger(struct proc *p, term value)
{
    bool good = term_same(value, ATOM(logger)) || term_same(value, ATOM(undefined))
        || (term_is_local_pid(value) && proc_alive(value));
    return good ? exchange(&logger, value, ATOM(logger)) : proc_badarg(p);
}

term system_logger(void)
{
    uintptr_t word = atomic_load(&logger);
    return word == 0 ? ATOM(logger) : (term) { word };
}

static term set_seq_tracer(struct proc *p, term value)
{
    bool good = term_same(value, ATOM(false)) || (term_is_local_pid(value) && proc_alive(value));
    return good ? exchange(&seq_tracer, value, ATOM(false)) : proc_badarg(p);
}

term system_seq_tracer(void)
{
    uintptr_t word = atomic_load(&seq_tracer);
    return word == 0 ? ATOM(false) : (term) { word };
}

static term set_trace_control_word(struct proc *p, term value)
{
    uint64_t n;
    if (!integer_to_uint64(value, &n) || n > UINT32_MAX) {
        return proc_badarg(p);
    }
    return heap_uinteger(&p->heap, atomic_exchange(&trace_control_word, (uint32_t) n));
}

uint32_t system_trace_control_word(void)
{
    return atomic_load(&trace_control_word);
}

static term set_requests_limit(struct proc *p, term value)
{
    if (!term_is_small(value) || term_to_small(value) < 1 || term_to_small(value) > REQUESTS_MOST) {
        return proc_badarg(p);
    }
    return heap_uinteger(&p->heap, atomic_exchange(&requests_limit, (size_t) term_to_small(value)));
}

size_t system_requests_limit(void)
{
    return atomic_load(&requests_limit);
}

static term set_accounting(struct proc *p, term value)
{
    if (term_same(value, ATOM(reset))) {
        return term_from_bool(atomic_load(&accounting));
    }
    return term_is_bool(value) ? term_from_bool(atomic_exchange(&accounting, term_same(value, ATOM(true)))) : proc_badarg(p);
}

static term set_time_offset(struct proc *p, term value)
{
    return term_same(value, ATOM(finalize)) ? ATOM(final) : proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
}

static term set_backtrace_depth(struct proc *p, term value)
{
    if (!term_is_small(value) || term_to_small(value) < 0) {
        return proc_badarg(p);
    }
    return term_from_small((intptr_t) proc_set_backtrace_depth((size_t) term_to_small(value)));
}

static term reset_seq_trace(struct proc *p, term value)
{
    (void) p;
    (void) value;
    return ATOM(true);
}

static term set_scheduling_statistics(struct proc *p, term value)
{
    bool good = term_same(value, ATOM(enable)) || term_same(value, ATOM(disable));
    return good ? ATOM(true) : proc_badarg(p);
}

term bif_erlang_system_flag_2(struct proc *p, term *args)
{
    static const struct {
        enum atom_index name;
        term (*set)(struct proc *p, term value); /* answers with the old value */
    } flags[] = {
        { ATOM_INDEX_backtrace_depth, set_backtrace_depth },
        { ATOM_INDEX_dirty_cpu_schedulers_online, set_dirty_cpu_online },
        { ATOM_INDEX_fullsweep_after, set_fullsweep },
        { ATOM_INDEX_max_heap_size, set_max_heap },
        { ATOM_INDEX_microstate_accounting, set_accounting },
        { ATOM_INDEX_min_bin_vheap_size, set_min_vheap },
        { ATOM_INDEX_min_heap_size, set_min_heap },
        { ATOM_INDEX_multi_scheduling, set_multi_scheduling },
        { ATOM_INDEX_outstanding_system_requests_limit, set_requests_limit },
        { ATOM_INDEX_reset_seq_trace, reset_seq_trace },
        { ATOM_INDEX_scheduler_bind_type, set_bind_type },
        { ATOM_INDEX_scheduler_wall_time, set_wall_time },
        { ATOM_INDEX_schedulers_online, set_schedulers_online },
        { ATOM_INDEX_scheduling_statistics, set_scheduling_statistics },
        { ATOM_INDEX_sequential_tracer, set_seq_tracer },
        { ATOM_INDEX_system_logger, set_logger },
        { ATOM_INDEX_time_offset, set_time_offset },
        { ATOM_INDEX_trace_control_word, set_trace_control_word },
    };
    for (size_t i = 0; term_is_atom(args[0]) && i < ARRAY_LEN(flags); i++) {
        if (term_to_atom_index(args[0]) == (size_t) flags[i].name) {
            return flags[i].set(p, args[1]);
        }
    }
    return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
}
