/* bif_erlang_info.c - process_info, process_flag, processes.
 *
 * Each item is one function of the process it is about. Own items are built at once; for another
 * process the list of items travels to it as a request and it answers from its own thread.
 */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/core/bits.h"
#include "vm/core/copy.h"
#include "vm/core/print.h"
#include "vm/proc/dict.h"
#include "vm/proc/links.h"
#include "vm/proc/proc_options.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/sched.h"

enum { STACKTRACE_DEPTH = 8, MIN_VHEAP_DEFAULT = 46422 };

/* Where an item is built, about whom, and what the asker saw. */
struct info {
    struct proc *target;
    struct heap *h;
    bool self; /* h is target's own: terms need no copy */
    uint8_t status;
};

static term take(const struct info *i, term t)
{
    return i->self ? t : copy_term(t, i->h);
}

/* ---- code position ---- */

static term top_frame(const struct info *i)
{
    term trace = interp_stacktrace(i->target, i->h, 1);
    return term_is_cons(trace) ? term_head(trace) : TERM_NONE;
}

static term current_function(const struct info *i)
{
    term f = top_frame(i);
    if (term_is_none(f)) {
        return ATOM(undefined);
    }
    return heap_tuple3(i->h, term_tuple_get(f, 0), term_tuple_get(f, 1), term_tuple_get(f, 2));
}

static term current_location(const struct info *i)
{
    term f = top_frame(i);
    return term_is_none(f) ? ATOM(undefined) : f;
}

static term current_stacktrace(const struct info *i)
{
    return interp_stacktrace(i->target, i->h, STACKTRACE_DEPTH);
}

static term backtrace(const struct info *i)
{
    struct text t = { 0 };
    interp_write_backtrace(i->target, &t);
    term b = bits_from_bytes(i->h, t.data, t.len);
    text_free(&t);
    return b;
}

static term initial_call(const struct info *i)
{
    const struct proc *p = i->target;
    return heap_tuple3(i->h, p->initial_call.module, p->initial_call.function,
        term_from_small(p->initial_call.arity));
}

static term status(const struct info *i)
{
    if (i->self) {
        return ATOM(running);
    }
    switch ((enum proc_status) i->status) {
    case STATUS_RUNNING:
        return ATOM(running);
    case STATUS_WAITING:
        return ATOM(waiting);
    case STATUS_SUSPENDED:
        return ATOM(suspended);
    case STATUS_EXITING:
        return ATOM(exiting);
    case STATUS_GC:
        return ATOM(garbage_collecting);
    case STATUS_RUNNABLE:
        break;
    }
    return ATOM(runnable);
}

/* ---- messages, links ---- */

static term message_queue_len(const struct info *i)
{
    return heap_uinteger(i->h, i->target->n_messages);
}

static term messages(const struct info *i)
{
    term list = TERM_NIL, *tail = NULL;
    for (const struct message *m = i->target->msg_first; m != NULL; m = m->next) {
        /* In order: each cell is made with an open tail. Also our own: they are not on the heap. */
        term cell = heap_cons(i->h, copy_term(message_value(i->target, m), i->h), TERM_NIL);
        if (tail == NULL) {
            list = cell;
        } else {
            *tail = cell;
        }
        tail = (term *) &term_words(cell)[1];
    }
    return list;
}

static term links(const struct info *i)
{
    term list = TERM_NIL;
    if (i->target->links != NULL) {
        struct link_iter it;
        struct link_node *n;
        link_iter_init(&it, &i->target->links->links);
        while ((n = link_iter_next(&it)) != NULL) {
            list = n->unlinking == 0 ? heap_cons(i->h, (term) { n->key }, list) : list;
        }
    }
    return list;
}

static term monitors(const struct info *i)
{
    term list = TERM_NIL;
    if (i->target->links != NULL) {
        struct link_iter it;
        struct link_node *n;
        link_iter_init(&it, &i->target->links->monitors);
        while ((n = link_iter_next(&it)) != NULL) {
            if (term_is_none(n->target)) {
                continue;
            }
            term what = term_is_none(n->name) ? n->target : heap_tuple2(i->h, n->name, n->node);
            list = heap_cons(i->h, heap_tuple2(i->h, n->of_port ? ATOM(port) : ATOM(process), what), list);
        }
    }
    return list;
}

static term monitored_by(const struct info *i)
{
    term list = TERM_NIL;
    if (i->target->links != NULL) {
        struct link_iter it;
        struct link_node *n;
        link_iter_init(&it, &i->target->links->watchers);
        while ((n = link_iter_next(&it)) != NULL) {
            list = heap_cons(i->h, n->target, list);
        }
    }
    return bif_native_hooks.watched_by != NULL ? bif_native_hooks.watched_by(i->h, i->target->id, list) : list;
}

static term suspending(const struct info *i)
{
    term list = TERM_NIL;
    if (i->target->links != NULL) {
        struct link_iter it;
        struct link_node *n;
        link_iter_init(&it, &i->target->links->suspended);
        while ((n = link_iter_next(&it)) != NULL) {
            term entry = heap_tuple3(i->h, (term) { n->key }, term_from_small((intptr_t) n->unlinking), term_from_small(0));
            list = heap_cons(i->h, entry, list);
        }
    }
    return list;
}

static term dictionary(const struct info *i)
{
    term list = TERM_NIL;
    for (size_t k = dict_size(i->target); k-- > 0;) {
        const term *pair = dict_pair(i->target, k);
        list = heap_cons(i->h, heap_tuple2(i->h, take(i, pair[0]), take(i, pair[1])), list);
    }
    return list;
}

/* ---- flags ---- */

static term trap_exit(const struct info *i)
{
    return term_from_bool(i->target->trap_exit);
}

static term error_handler(const struct info *i)
{
    return i->target->rare == NULL ? ATOM(error_handler) : i->target->rare->error_handler;
}

static term priority(const struct info *i)
{
    return priority_atom((enum proc_priority) i->target->priority);
}

static term group_leader(const struct info *i)
{
    return i->target->group_leader;
}

static term parent(const struct info *i)
{
    return i->target->parent;
}

static term registered_name(const struct info *i)
{
    term name = proc_registered_name(i->target);
    return term_is_none(name) ? TERM_NIL : name;
}

static term message_queue_data(const struct info *i)
{
    return i->target->off_heap_messages ? ATOM(off_heap) : ATOM(on_heap);
}

static term sequential_trace_token(const struct info *i)
{
    (void) i;
    return TERM_NIL;
}

static term catchlevel(const struct info *i)
{
    return term_from_small((intptr_t) i->target->n_catches);
}

static term last_calls(const struct info *i)
{
    (void) i;
    return ATOM(false);
}

static term trace_flags(const struct info *i)
{
    (void) i;
    return term_from_small(0);
}

/* ---- memory ---- */

static term min_heap_size(const struct info *i)
{
    size_t n = i->target->heap.min_words;
    return heap_uinteger(i->h, n < HEAP_DEFAULT_MIN_WORDS ? HEAP_DEFAULT_MIN_WORDS : n);
}

static term min_bin_vheap_size(const struct info *i)
{
    size_t n = i->target->heap.min_vheap_words;
    return heap_uinteger(i->h, n == 0 ? MIN_VHEAP_DEFAULT : n);
}

static term fullsweep_after(const struct info *i)
{
    return term_from_small(i->target->heap.fullsweep_after);
}

static struct max_heap_option max_heap_of(const struct proc *p)
{
    return (struct max_heap_option) {
        .words = p->heap.max_words,
        .kill = p->rare == NULL || p->rare->max_heap_kill,
        .log = p->rare == NULL || p->rare->max_heap_log,
    };
}

static term max_heap_size(const struct info *i)
{
    struct max_heap_option o = max_heap_of(i->target);
    return option_max_heap_term(i->h, &o);
}

static size_t block_words(const struct heap *h)
{
    return (size_t) (h->end - h->start);
}

static size_t stack_words(const struct heap *h)
{
    return (size_t) (h->end - h->stop);
}

static term total_heap_size(const struct info *i)
{
    return heap_uinteger(i->h, heap_total_words(&i->target->heap) + msgq_words(i->target));
}

static term heap_size(const struct info *i)
{
    return heap_uinteger(i->h, block_words(&i->target->heap));
}

static term stack_size(const struct info *i)
{
    return heap_uinteger(i->h, stack_words(&i->target->heap));
}

static term memory(const struct info *i)
{
    const struct proc *p = i->target;
    size_t bytes = sizeof(*p) + sizeof(*p->shared) + heap_total_words(&p->heap) * sizeof(term);
    for (const struct message *m = p->msg_first; m != NULL; m = m->next) {
        bytes += sizeof(*m) + m->frag.size_words * sizeof(term);
    }
    bytes += dict_size(p) * 2 * sizeof(term);
    return heap_uinteger(i->h, bytes);
}

static term reductions(const struct info *i)
{
    uint64_t n = i->target->reductions;
    if (i->self && i->target->reductions_left < PROC_SLICE_REDUCTIONS) {
        n += (uint64_t) (PROC_SLICE_REDUCTIONS - i->target->reductions_left);
    }
    return heap_uinteger(i->h, n);
}

static term pair(const struct info *i, term key, size_t value, term tail)
{
    return heap_cons(i->h, heap_tuple2(i->h, key, heap_uinteger(i->h, value)), tail);
}

static term garbage_collection(const struct info *i)
{
    const struct heap *h = &i->target->heap;
    term list = pair(i, ATOM(minor_gcs), h->n_minor, TERM_NIL);
    list = heap_cons(i->h, heap_tuple2(i->h, ATOM(fullsweep_after), fullsweep_after(i)), list);
    list = heap_cons(i->h, heap_tuple2(i->h, ATOM(min_heap_size), min_heap_size(i)), list);
    list = heap_cons(i->h, heap_tuple2(i->h, ATOM(min_bin_vheap_size), min_bin_vheap_size(i)), list);
    return heap_cons(i->h, heap_tuple2(i->h, ATOM(max_heap_size), max_heap_size(i)), list);
}

static term garbage_collection_info(const struct info *i)
{
    const struct heap *h = &i->target->heap;
    term l = pair(i, ATOM(bin_old_vheap_block_size), h->old_vheap_limit, TERM_NIL);
    l = pair(i, ATOM(bin_old_vheap_size), h->old_vheap_words, l);
    l = pair(i, ATOM(bin_vheap_block_size), h->vheap_limit, l);
    l = pair(i, ATOM(bin_vheap_size), h->vheap_words, l);
    l = pair(i, ATOM(heap_size), (size_t) (h->top - h->start), l);
    l = pair(i, ATOM(old_heap_size), (size_t) (h->old_top - h->old_start), l);
    l = pair(i, ATOM(stack_size), stack_words(h), l);
    l = pair(i, ATOM(recent_size), (size_t) (h->top - h->mature), l);
    l = pair(i, ATOM(mbuf_size), h->frag_words, l);
    l = pair(i, ATOM(heap_block_size), block_words(h), l);
    return pair(i, ATOM(old_heap_block_size), (size_t) (h->old_end - h->old_start), l);
}

static term add_binaries(const struct info *i, const uintptr_t *chain, term list)
{
    for (; chain != NULL; chain = (const uintptr_t *) chain[1]) {
        if (header_tag(chain[0]) != TAG_REFC_BITS) {
            continue;
        }
        struct offheap_bin *b = (struct offheap_bin *) chain[2];
        term entry = heap_tuple3(i->h, heap_uinteger(i->h, (uintptr_t) b), heap_uinteger(i->h, b->capacity),
            heap_uinteger(i->h, atomic_load_explicit(&b->refs, memory_order_relaxed)));
        list = heap_cons(i->h, entry, list);
    }
    return list;
}

static term binary(const struct info *i)
{
    const struct heap *h = &i->target->heap;
    term list = add_binaries(i, h->old_offheap, add_binaries(i, h->offheap, TERM_NIL));
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        list = add_binaries(i, f->offheap, list);
    }
    for (const struct message *m = i->target->msg_first; m != NULL; m = m->next) {
        list = add_binaries(i, m->frag.offheap, list);
    }
    return list;
}

static term magic_ref(const struct info *i)
{
    (void) i;
    return TERM_NIL;
}

/* ---- the table ---- */

static const struct info_item {
    enum atom_index name;
    term (*build)(const struct info *i);
    bool standard; /* in process_info/1, in this order */
} items[] = {
    { ATOM_INDEX_registered_name, registered_name, true },
    { ATOM_INDEX_current_function, current_function, true },
    { ATOM_INDEX_initial_call, initial_call, true },
    { ATOM_INDEX_status, status, true },
    { ATOM_INDEX_message_queue_len, message_queue_len, true },
    { ATOM_INDEX_links, links, true },
    { ATOM_INDEX_dictionary, dictionary, true },
    { ATOM_INDEX_trap_exit, trap_exit, true },
    { ATOM_INDEX_error_handler, error_handler, true },
    { ATOM_INDEX_priority, priority, true },
    { ATOM_INDEX_group_leader, group_leader, true },
    { ATOM_INDEX_total_heap_size, total_heap_size, true },
    { ATOM_INDEX_heap_size, heap_size, true },
    { ATOM_INDEX_stack_size, stack_size, true },
    { ATOM_INDEX_reductions, reductions, true },
    { ATOM_INDEX_garbage_collection, garbage_collection, true },
    { ATOM_INDEX_suspending, suspending, true },
    { ATOM_INDEX_messages, messages, false },
    { ATOM_INDEX_monitors, monitors, false },
    { ATOM_INDEX_monitored_by, monitored_by, false },
    { ATOM_INDEX_current_location, current_location, false },
    { ATOM_INDEX_current_stacktrace, current_stacktrace, false },
    { ATOM_INDEX_backtrace, backtrace, false },
    { ATOM_INDEX_memory, memory, false },
    { ATOM_INDEX_min_heap_size, min_heap_size, false },
    { ATOM_INDEX_min_bin_vheap_size, min_bin_vheap_size, false },
    { ATOM_INDEX_max_heap_size, max_heap_size, false },
    { ATOM_INDEX_fullsweep_after, fullsweep_after, false },
    { ATOM_INDEX_garbage_collection_info, garbage_collection_info, false },
    { ATOM_INDEX_message_queue_data, message_queue_data, false },
    { ATOM_INDEX_catchlevel, catchlevel, false },
    { ATOM_INDEX_sequential_trace_token, sequential_trace_token, false },
    { ATOM_INDEX_last_calls, last_calls, false },
    { ATOM_INDEX_trace, trace_flags, false },
    { ATOM_INDEX_parent, parent, false },
    { ATOM_INDEX_binary, binary, false },
    { ATOM_INDEX_magic_ref, magic_ref, false },
};

static int find_item(term name)
{
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        if (term_is_atom(name) && term_to_atom_index(name) == (size_t) items[i].name) {
            return (int) i;
        }
    }
    return -1;
}

enum info_shape { SHAPE_ONE, SHAPE_LIST, SHAPE_STANDARD };

struct info_ask {
    struct ask ask;
    enum info_shape shape;
    uint8_t status;
    size_t n;
    uint8_t items[];
};

static term build(const struct info *i, enum info_shape shape, const uint8_t *which, size_t n)
{
    if (shape == SHAPE_ONE) {
        term value = items[which[0]].build(i);
        if (items[which[0]].build == registered_name && term_is_nil(value)) {
            return TERM_NIL;
        }
        return heap_tuple2(i->h, term_from_atom_index(items[which[0]].name), value);
    }
    term list = TERM_NIL;
    while (n-- > 0) {
        term value = items[which[n]].build(i);
        if (shape == SHAPE_STANDARD && items[which[n]].build == registered_name && term_is_nil(value)) {
            continue;
        }
        list = heap_cons(i->h, heap_tuple2(i->h, term_from_atom_index(items[which[n]].name), value), list);
    }
    return list;
}

static void info_request(struct proc *target, void *arg)
{
    struct info_ask *a = arg;
    if (target == NULL) {
        signal_reply(&a->ask, ATOM(undefined));
    } else {
        struct heap h;
        heap_init_frags(&h);
        struct info i = { target, &h, false, a->status };
        signal_reply(&a->ask, build(&i, a->shape, a->items, a->n));
        heap_destroy(&h);
    }
    vm_free(a);
}

static term process_info(struct proc *p, term pid, enum info_shape shape, const uint8_t *which, size_t n)
{
    term answer;
    if (!proc_ask_pending(p)) {
        if (term_same(pid, p->id)) {
            if (signal_pending(p) && signal_fetch(p)) { /* what was sent to us before counts */
                return proc_yield(p, ATOM(true));     /* and ends us */
            }
            struct info i = { p, &p->heap, true, STATUS_RUNNING };
            return build(&i, shape, which, n);
        }
        const struct proc_shared *s = table_find(pid);
        if (s == NULL) {
            return ATOM(undefined);
        }
        struct info_ask *a = vm_alloc(sizeof(*a) + n);
        a->shape = shape;
        a->status = atomic_load_explicit(&s->status, memory_order_relaxed);
        a->n = n;
        memcpy(a->items, which, n);
        proc_ask(p, pid, info_request, &a->ask);
    }
    return proc_ask_done(p, &answer) ? answer : proc_wait(p);
}

term bif_erlang_process_info_1(struct proc *p, term *args)
{
    uint8_t which[ARRAY_LEN(items)];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        if (items[i].standard) {
            which[n++] = (uint8_t) i;
        }
    }
    return term_is_local_pid(args[0]) ? process_info(p, args[0], SHAPE_STANDARD, which, n) : proc_badarg(p);
}

term bif_erlang_process_info_2(struct proc *p, term *args)
{
    uint8_t which[256];
    size_t n = 0;
    if (!term_is_local_pid(args[0])) {
        return proc_badarg(p);
    }
    int i = find_item(args[1]);
    if (i >= 0) {
        which[0] = (uint8_t) i;
        return process_info(p, args[0], SHAPE_ONE, which, 1);
    }
    term list = args[1];
    for (; term_is_cons(list); list = term_tail(list)) {
        i = find_item(term_head(list));
        if (i < 0 || n == ARRAY_LEN(which)) {
            return proc_badarg(p);
        }
        which[n++] = (uint8_t) i;
    }
    return term_is_nil(list) ? process_info(p, args[0], SHAPE_LIST, which, n) : proc_badarg(p);
}

term bif_erlang_processes_0(struct proc *p, term *args)
{
    (void) args;
    return proc_all_pids(&p->heap);
}
