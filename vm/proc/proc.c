#include "vm/proc/proc.h"

#include "lib/base/arena.h"
#include "lib/base/trace.h"
#include "vm/core/map.h"
#include "vm/proc/dict.h"
#include "vm/proc/links.h"
#include "vm/proc/literals.h"
#include "vm/proc/port.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/registry.h"
#include "vm/proc/timer.h"

enum { MAX_HOOKS = 8, START_WORDS = 48 /* free in a new heap besides the arguments */ };

const struct spawn_options spawn_defaults = {
    .priority = PRIORITY_NORMAL,
    .fullsweep_after = -1,
};

static void (*exit_hooks[MAX_HOOKS])(struct proc *p); /* set before schedulers run */
static size_t n_exit_hooks;
static _Atomic uintptr_t default_leader; /* word of a pid */

void proc_set_default_leader(term pid)
{
    atomic_store_explicit(&default_leader, pid.word, memory_order_relaxed);
}

void proc_on_exit_hook(void (*fn)(struct proc *p))
{
    VM_REQUIRE(n_exit_hooks < MAX_HOOKS);
    exit_hooks[n_exit_hooks++] = fn;
}

struct proc_rare *proc_rare(struct proc *p)
{
    if (p->rare == NULL) {
        p->rare = vm_zalloc(sizeof(*p->rare));
        p->rare->error_handler = ATOM(error_handler);
        p->rare->max_heap_kill = p->rare->max_heap_log = true;
    }
    return p->rare;
}

term proc_registered_name(const struct proc *p)
{
    return (term) { atomic_load_explicit(&p->shared->name, memory_order_relaxed) };
}

/* ---- ways out of a C function ---- */

term proc_raise(struct proc *p, enum exc_class class, term reason)
{
    p->exc = (struct exception) { .class = class, .reason = reason, .stacktrace = TERM_NIL, .error_info = TERM_NONE };
    p->control = CONTROL_RAISE;
    return TERM_NONE;
}

static _Atomic size_t backtrace_depth = 8;

size_t proc_backtrace_depth(void)
{
    size_t depth = atomic_load_explicit(&backtrace_depth, memory_order_relaxed);
    return depth > 0 ? depth : 1;
}

size_t proc_set_backtrace_depth(size_t depth)
{
    return atomic_exchange(&backtrace_depth, depth < PROC_BACKTRACE_MAX ? depth : PROC_BACKTRACE_MAX);
}

term proc_system_limit(struct proc *p)
{
    return proc_raise(p, EXC_ERROR, ATOM(system_limit));
}

term proc_raise_cause(struct proc *p, term reason, term cause)
{
    proc_raise(p, EXC_ERROR, reason);
    p->exc.error_info = map_put(&p->heap, map_empty(&p->heap), ATOM(cause), cause);
    return TERM_NONE;
}

void proc_reserve_args(struct proc *p, size_t n)
{
    if (n <= p->args_capacity) {
        return;
    }
    size_t capacity = n < 16 ? 16 : n < PROC_MAX_ARITY + 1 ? PROC_MAX_ARITY + 1 : n;
    VM_REQUIRE(capacity <= UINT16_MAX);
    if (p->args == p->args_inline) {
        p->args = vm_alloc(capacity * sizeof(*p->args));
        memcpy(p->args, p->args_inline, sizeof(p->args_inline));
    } else {
        p->args = vm_realloc(p->args, capacity * sizeof(*p->args));
    }
    p->args_capacity = (uint16_t) capacity;
}

term proc_trap(struct proc *p, struct export *target, const term *args, size_t n_args)
{
    proc_reserve_args(p, n_args);
    if (n_args > 0) { /* then args may be NULL */
        memmove(p->args, args, n_args * sizeof(*args));
    }
    p->n_args = (uint16_t) n_args;
    p->trap = target;
    p->control = CONTROL_TRAP;
    return TERM_NONE;
}

term proc_retry(struct proc *p)
{
    p->control = CONTROL_RETRY;
    return TERM_NONE;
}

term proc_wait(struct proc *p)
{
    p->control = CONTROL_WAIT;
    return TERM_NONE;
}

term proc_yield(struct proc *p, term value)
{
    p->control = CONTROL_YIELD;
    p->value = value;
    return TERM_NONE;
}

/* ---- birth ---- */

static void apply_options(struct proc *p, const struct spawn_options *o)
{
    p->priority = (uint8_t) o->priority;
    p->off_heap_messages = o->off_heap_messages;
    p->heap.min_words = (uint32_t) o->min_heap_words;
    if (o->min_vheap_words != 0) {
        p->heap.min_vheap_words = (uint32_t) o->min_vheap_words;
    }
    if (o->fullsweep_after >= 0) {
        p->heap.fullsweep_after = (uint16_t) o->fullsweep_after;
    }
    if (o->max_heap_words != 0) {
        p->heap.max_words = o->max_heap_words;
        proc_rare(p)->max_heap_kill = o->max_heap_kill;
        p->rare->max_heap_log = o->max_heap_log;
    }
}

struct proc *proc_new(struct proc *parent, term m, term f, term args, const struct spawn_options *o)
{
    intptr_t arity = term_list_length(args);
    VM_ASSERT(arity >= 0);
    size_t words = copy_size(args);
    struct proc_shared *shared = table_take();
    if (shared == NULL) {
        return NULL;
    }
    struct proc *p = vm_zalloc(sizeof(*p));
    size_t min = words + START_WORDS > o->min_heap_words ? words + START_WORDS : o->min_heap_words;
    if (heap_init(&p->heap, min) != HEAP_OK) {
        vm_free(p);
        table_release(shared);
        return NULL;
    }
    p->args = p->args_inline;
    p->args_capacity = PROC_INLINE_ARGS;
    p->msg_last = p->msg_save = &p->msg_first;
    p->exc = (struct exception) { .stacktrace = TERM_NIL };
    p->initial_call.module = m;
    p->initial_call.function = f;
    p->initial_call.arity = (uint32_t) arity;
    p->args[0] = m;
    p->args[1] = f;
    p->args[2] = words == 0 ? args : copy_term(args, &p->heap);
    p->n_args = 3;
    p->pc = interp_start_code();
    p->reductions_left = PROC_SLICE_REDUCTIONS;
    p->run_kind = SCHED_NORMAL;
    p->shared = shared;
    apply_options(p, o);
    p->id = table_open(shared, p);
    p->parent = parent != NULL ? parent->id : ATOM(undefined);
    term leader = { atomic_load_explicit(&default_leader, memory_order_relaxed) };
    p->group_leader = parent != NULL ? parent->group_leader : term_is_none(leader) ? p->id : leader;
    trace_spawn(p->id.word, p->parent.word);
    return p;
}

void proc_start(struct proc *p)
{
    atomic_store_explicit(&p->shared->hidden, p->is_system, memory_order_relaxed);
    sched_enqueue(p);
}

/* Neither runs yet or runs elsewhere, so both ends are set directly. */
static void tie(struct proc *parent, struct proc *p, const struct spawn_options *o, term *out_ref)
{
    if (o->link) {
        (void) link_add(&proc_links(parent)->links, p->id.word);
        (void) link_add(&proc_links(p)->links, parent->id.word);
    }
    if (o->monitor) {
        uint64_t id = ref_next_id();
        *out_ref = heap_ref(&parent->heap, id, o->alias == SPAWN_NO_ALIAS ? 0 : parent->id.word);
        struct link_node *n = link_add(&proc_links(parent)->monitors, id);
        n->target = p->id;
        n->mode = (uint8_t) o->alias;
        link_store_tag(n, o->monitor_tag);
        link_add(&proc_links(p)->watchers, id)->target = parent->id;
    }
}

term proc_spawn(struct proc *parent, term m, term f, term args, const struct spawn_options *o, term *out_ref)
{
    struct proc *p = proc_new(parent, m, f, args, o);
    if (p == NULL) {
        return TERM_NONE;
    }
    if (parent != NULL && (o->link || o->monitor)) {
        tie(parent, p, o, out_ref);
    }
    term id = p->id;
    proc_start(p); /* from here on it is not ours */
    return id;
}

term proc_spawn_fun(struct proc *parent, term fun, term args, const struct spawn_options *o, term *out_ref)
{
    struct heap *h = &parent->heap;
    term apply_args = heap_cons(h, fun, heap_cons(h, args, TERM_NIL));
    return proc_spawn(parent, ATOM(erlang), ATOM(apply), apply_args, o, out_ref);
}

/* ---- death ---- */

static term exit_reason(struct proc *p)
{
    const struct exception *e = &p->exc;
    term stack = term_is_list(e->stacktrace) ? e->stacktrace : TERM_NIL;
    switch (e->class) {
    case EXC_ERROR:
        return heap_tuple2(&p->heap, e->reason, stack);
    case EXC_THROW:
        return heap_tuple2(&p->heap, heap_tuple2(&p->heap, ATOM(nocatch), e->reason), stack);
    case EXC_EXIT:
        break;
    }
    return e->reason;
}

static void free_messages(struct message *m)
{
    while (m != NULL) {
        struct message *next = m->next;
        message_free(m);
        m = next;
    }
}

static void free_proc(struct proc *p)
{
    timer_receive_free(p);
    free_messages(p->msg_first);
    if (p->ask_reply != NULL) {
        message_free(p->ask_reply);
    }
    if (p->heap_keeper != NULL) {
        p->heap_keeper->keep(p->heap_keeper, &p->heap);
    }
    heap_destroy(&p->heap);
    if (p->args != p->args_inline) {
        vm_free(p->args);
    }
    dict_clear(p);
    vm_free(p->marks);
    vm_free(p->pins);
    vm_free(p->rare);
    vm_free(p);
}

void proc_exit(struct proc *p)
{
    struct proc_shared *shared = p->shared;
    term reason = exit_reason(p);
    p->exiting = true;
    literals_gone(p);
    trace_exit(p->id.word, reason.word);
    if (p->exc.class != EXC_EXIT) {
        report_exit(p, reason);
    }
    struct message *late = table_close(shared);
    term name = { atomic_exchange_explicit(&shared->name, 0, memory_order_acq_rel) };
    if (!term_is_none(name)) {
        registry_drop(name, p->id);
    }
    for (size_t i = 0; i < n_exit_hooks; i++) {
        exit_hooks[i](p);
    }
    links_break(p, reason);
    if (port_of(p) != NULL) {
        port_destroy(p);
    }
    while (late != NULL) {
        struct message *next = late->next;
        signal_to_dead(p->id, late);
        late = next;
    }
    if (p->rare != NULL) {
        proc_tell_suspended(p);
        if (p->rare->watch != NULL) {
            watch_tell(p);
        }
    }
    free_proc(p);
    table_release(shared);
}

void proc_free_all(void)
{
    for (uint32_t i = 0; i < table_used(); i++) {
        struct proc_shared *s = table_slot(i);
        if (atomic_load_explicit(&s->pid, memory_order_acquire) == 0) {
            continue;
        }
        struct proc *p = s->proc;
        struct message *late = table_close(s);
        term name = { atomic_exchange_explicit(&s->name, 0, memory_order_acq_rel) };
        if (!term_is_none(name)) {
            registry_drop(name, p->id);
        }
        links_break(p, ATOM(shutdown));
        while (late != NULL) {
            struct message *next = late->next;
            signal_to_dead(p->id, late);
            late = next;
        }
        proc_tell_suspended(p);
        if (port_of(p) != NULL) {
            port_destroy(p);
        }
        free_proc(p);
        table_release(s);
    }
}
