/* bif_erlang_flag.c - process_flag, garbage_collect, hibernate, and giving way. */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/core/fun.h"
#include "vm/proc/proc_options.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

enum { MIN_VHEAP_DEFAULT = 46422, MAX_SAVED_CALLS = 10000 };

static bool set_bool(term value, bool *flag, term *old)
{
    *old = term_from_bool(*flag);
    if (term_is_bool(value)) {
        *flag = term_same(value, ATOM(true));
    }
    return term_is_bool(value);
}

static bool set_size(struct proc *p, term value, uint32_t *field, uint32_t standard, term *old)
{
    size_t n;
    if (!option_heap_step(value, &n)) {
        return false;
    }
    *old = heap_uinteger(&p->heap, *field < standard ? standard : *field);
    *field = (uint32_t) n;
    return true;
}

static bool set_max_heap(struct proc *p, term value, term *old)
{
    struct proc_rare *r = proc_rare(p);
    struct max_heap_option o = { p->heap.max_words, r->max_heap_kill, r->max_heap_log };
    *old = option_max_heap_term(&p->heap, &o);
    size_t least = p->heap.min_words < HEAP_DEFAULT_MIN_WORDS ? HEAP_DEFAULT_MIN_WORDS : p->heap.min_words;
    if (!option_max_heap(value, &o) || (o.words != 0 && o.words < least)) {
        return false;
    }
    p->heap.max_words = o.words;
    r->max_heap_kill = o.kill;
    r->max_heap_log = o.log;
    return true;
}

static bool set_fullsweep(struct proc *p, term value, term *old)
{
    size_t n;
    *old = term_from_small(p->heap.fullsweep_after);
    if (!option_heap_size(value, &n)) {
        return false;
    }
    p->heap.fullsweep_after = n > 65535 ? 65535 : (uint16_t) n;
    return true;
}

static bool set_priority(struct proc *p, term value, term *old)
{
    enum proc_priority priority;
    *old = priority_atom((enum proc_priority) p->priority);
    if (!option_priority(value, &priority)) {
        return false;
    }
    p->priority = (uint8_t) priority;
    return true;
}

static bool set_message_queue_data(struct proc *p, term value, term *old)
{
    *old = p->off_heap_messages ? ATOM(off_heap) : ATOM(on_heap);
    p->off_heap_messages = term_same(value, ATOM(off_heap));
    return p->off_heap_messages || term_same(value, ATOM(on_heap));
}

static bool set_save_calls(struct proc *p, term value, term *old)
{
    *old = term_from_small(proc_rare(p)->save_calls);
    if (!term_is_small(value) || term_to_small(value) < 0 || term_to_small(value) > MAX_SAVED_CALLS) {
        return false;
    }
    p->rare->save_calls = (int32_t) term_to_small(value);
    return true;
}

static bool set_error_handler(struct proc *p, term value, term *old)
{
    *old = proc_rare(p)->error_handler;
    if (term_is_atom(value)) {
        p->rare->error_handler = value;
    }
    return term_is_atom(value);
}

/* monitor_nodes or {monitor_nodes, Options}: what net_kernel:monitor_nodes/1,2 asks for. */
static bool is_monitor_nodes(term flag)
{
    return term_same(flag, ATOM(monitor_nodes))
        || (term_is_tuple_of(flag, 2) && term_same(term_tuple_get(flag, 0), ATOM(monitor_nodes)));
}

term bif_erlang_process_flag_2(struct proc *p, term *args)
{
    term flag = args[0], value = args[1], old = TERM_NONE;
    bool ok;
    if (term_same(flag, ATOM(trap_exit))) {
        ok = set_bool(value, &p->trap_exit, &old);
    } else if (term_same(flag, ATOM(priority))) {
        ok = set_priority(p, value, &old);
    } else if (term_same(flag, ATOM(error_handler))) {
        ok = set_error_handler(p, value, &old);
    } else if (term_same(flag, ATOM(min_heap_size))) {
        ok = (p->heap.max_words == 0 || !term_is_small(value) || term_to_small(value) <= (intptr_t) p->heap.max_words)
            && set_size(p, value, &p->heap.min_words, HEAP_DEFAULT_MIN_WORDS, &old);
    } else if (term_same(flag, ATOM(min_bin_vheap_size))) {
        ok = set_size(p, value, &p->heap.min_vheap_words, MIN_VHEAP_DEFAULT, &old);
    } else if (term_same(flag, ATOM(max_heap_size))) {
        ok = set_max_heap(p, value, &old);
    } else if (term_same(flag, ATOM(message_queue_data))) {
        ok = set_message_queue_data(p, value, &old);
    } else if (term_same(flag, ATOM(fullsweep_after))) {
        ok = set_fullsweep(p, value, &old);
    } else if (term_same(flag, ATOM(save_calls))) {
        ok = set_save_calls(p, value, &old);
    } else if (term_same(flag, ATOM(sensitive))) {
        ok = set_bool(value, &proc_rare(p)->sensitive, &old);
    } else if (term_same(flag, ATOM(scheduler))) {
        old = term_from_small(0); /* a wish: processes go where there is room */
        ok = term_is_small(value) && term_to_small(value) >= 0 && term_to_small(value) <= sched_count();
    } else if (is_monitor_nodes(flag)) {
        old = term_from_small(0); /* no node comes or goes, so nobody is told and none are counted */
        ok = term_is_bool(value);
    } else {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    if (!ok) {
        return term_same(flag, ATOM(save_calls)) ? proc_raise_cause(p, ATOM(badarg), ATOM(none)) : proc_badarg(p);
    }
    return term_same(flag, ATOM(priority)) ? proc_yield(p, old) : old;
}

/* ---- process_flag/3: save_calls of another process ---- */

struct save_calls_ask {
    struct ask ask;
    int32_t value;
};

static void save_calls_request(struct proc *target, void *arg)
{
    struct save_calls_ask *a = arg;
    term answer = ATOM(badarg);
    if (target != NULL) {
        (void) set_save_calls(target, term_from_small(a->value), &answer);
    }
    signal_reply(&a->ask, answer);
    vm_free(a);
}

term bif_erlang_process_flag_3(struct proc *p, term *args)
{
    term answer;
    if (!term_is_pid(args[0])) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badtype));
    }
    if (!term_is_local_pid(args[0]) || !term_same(args[1], ATOM(save_calls)) || !term_is_small(args[2])
        || term_to_small(args[2]) < 0 || term_to_small(args[2]) > MAX_SAVED_CALLS) {
        return proc_badarg(p);
    }
    if (term_same(args[0], p->id)) {
        (void) set_save_calls(p, args[2], &answer);
        return answer;
    }
    if (!proc_ask_pending(p)) {
        struct save_calls_ask *a = vm_alloc(sizeof(*a));
        a->value = (int32_t) term_to_small(args[2]);
        proc_ask(p, args[0], save_calls_request, &a->ask);
    }
    if (!proc_ask_done(p, &answer)) {
        return proc_wait(p);
    }
    return term_is_small(answer) ? answer : proc_badarg(p);
}

/* ---- collections ---- */

struct gc_ask {
    struct ask ask;
    bool full;
    struct message *async_id; /* owned; NULL: the asker waits */
};

/* {garbage_collect, Id, Result} */
static void send_async_result(const struct gc_ask *a, bool result)
{
    struct heap h;
    heap_init_frags(&h);
    term m = heap_tuple3(&h, ATOM(garbage_collect), a->async_id->value, term_from_bool(result));
    (void) signal_send(NULL, a->ask.from, m);
    heap_destroy(&h);
    message_free(a->async_id);
}

static void gc_request(struct proc *target, void *arg)
{
    struct gc_ask *a = arg;
    if (target != NULL) {
        proc_request_gc(target, a->full);
    }
    if (a->async_id != NULL) {
        send_async_result(a, target != NULL);
    } else {
        signal_reply(&a->ask, term_from_bool(target != NULL));
    }
    vm_free(a);
}

static term collect_async(struct proc *p, term pid, bool full, term async_id)
{
    struct message *id = message_copy_lasting(async_id);
    if (id == NULL) {
        return proc_system_limit(p);
    }
    struct gc_ask *a = vm_zalloc(sizeof(*a));
    a->full = full;
    a->async_id = id;
    a->ask.from = p->id;
    signal_request(p, pid, gc_request, a);
    return ATOM(async);
}

static term collect(struct proc *p, term pid, bool full, term async_id)
{
    term answer;
    if (!term_is_local_pid(pid)) {
        return proc_badarg(p);
    }
    if (!term_is_none(async_id)) {
        return collect_async(p, pid, full, async_id);
    }
    if (term_same(pid, p->id)) {
        proc_request_gc(p, full);
        return proc_yield(p, ATOM(true));
    }
    if (!proc_ask_pending(p)) {
        struct gc_ask *a = vm_zalloc(sizeof(*a));
        a->full = full;
        proc_ask(p, pid, gc_request, &a->ask);
    }
    return proc_ask_done(p, &answer) ? answer : proc_wait(p);
}

term bif_erlang_garbage_collect_0(struct proc *p, term *args)
{
    (void) args;
    return collect(p, p->id, true, TERM_NONE);
}

term bif_erlang_garbage_collect_1(struct proc *p, term *args)
{
    return collect(p, args[0], true, TERM_NONE);
}

term bif_erlang_garbage_collect_2(struct proc *p, term *args)
{
    term list = args[1], async_id = TERM_NONE;
    bool full = true;
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        if (!term_is_tuple_of(o, 2)) {
            return proc_raise_cause(p, ATOM(badarg), ATOM(bad_option));
        }
        term key = term_tuple_get(o, 0), value = term_tuple_get(o, 1);
        if (term_same(key, ATOM(async))) {
            async_id = value;
        } else if (term_same(key, ATOM(type)) && term_same(value, ATOM(minor))) {
            full = false;
        } else if (!term_same(key, ATOM(type)) || !term_same(value, ATOM(major))) {
            return proc_raise_cause(p, ATOM(badarg), ATOM(bad_option));
        }
    }
    return term_is_nil(list) ? collect(p, args[0], full, async_id) : proc_raise_cause(p, ATOM(badarg), ATOM(bad_option));
}

term bif_erts_internal_garbage_collect_1(struct proc *p, term *args)
{
    return collect(p, p->id, term_same(args[0], ATOM(major)), TERM_NONE);
}

/* ---- giving way ---- */

term bif_erlang_hibernate_3(struct proc *p, term *args)
{
    intptr_t n = term_list_length(args[2]);
    if (!term_is_atom(args[0]) || !term_is_atom(args[1]) || n < 0) {
        return proc_badarg(p);
    }
    if (n > PROC_MAX_ARITY) {
        return proc_system_limit(p);
    }
    term list = args[2], a[PROC_MAX_ARITY];
    for (intptr_t i = 0; i < n; i++, list = term_tail(list)) {
        a[i] = term_head(list);
    }
    (void) proc_trap(p, export_get(args[0], args[1], (uint32_t) n), a, (size_t) n);
    p->control = CONTROL_HIBERNATE;
    return TERM_NONE;
}

term bif_erlang_yield_0(struct proc *p, term *args)
{
    (void) args;
    return proc_yield(p, ATOM(true));
}

term bif_erlang_bump_reductions_1(struct proc *p, term *args)
{
    if (!term_is_small(args[0]) || term_to_small(args[0]) < 0) {
        return proc_badarg(p);
    }
    proc_bump(p, (size_t) term_to_small(args[0]));
    return ATOM(true);
}
