#include "vm/proc/signal.h"

#include "lib/base/arena.h"
#include "vm/proc/links.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/proc/timer.h"

enum { FLAT_MAX = 8 };

/* ---- messages ---- */

static bool give_words(struct message *m, size_t n_words)
{
    m->frag = (struct heap_frag) { .used_words = n_words, .size_words = n_words };
    if (n_words == 0) {
        return true;
    }
    if (n_words > SIZE_MAX / sizeof(uintptr_t)) {
        return false;
    }
    m->frag.words = arena_alloc(arena_terms, n_words * sizeof(uintptr_t));
    return m->frag.words != NULL;
}

/* A message in the making: room for n words at frag.words (frag.used_words is set), value unset.
 * NULL: no memory. */
static struct message *message_new(size_t words)
{
    struct message *m = vm_alloc(sizeof(*m));
    if (!give_words(m, words)) {
        vm_free(m);
        return NULL;
    }
    m->next = NULL;
    m->value = TERM_NONE;
    m->pin = 0;
    m->kind = SIGNAL_MESSAGE;
    return m;
}

/* Most messages: a tuple of immediates. Its words, or 0 if it is not one. */
static size_t flat_tuple_words(term value)
{
    if (!term_is_tuple(value) || arena_is_literal(term_words(value))) {
        return 0;
    }
    const uintptr_t *w = term_words(value);
    size_t arity = header_arity(w[0]);
    for (size_t i = 1; i <= arity; i++) {
        if (arity > FLAT_MAX || !term_is_immed((term) { w[i] })) {
            return 0;
        }
    }
    return arity + 1;
}

static struct message *copy_message(term value, bool lasting)
{
    size_t words = term_is_immed(value) ? 0 : lasting ? copy_size_all(value) : copy_size(value);
    struct message *m = message_new(words);
    if (m == NULL) {
        return NULL;
    }
    if (words == 0) {
        m->value = value;
    } else {
        uintptr_t *at = m->frag.words;
        m->value = lasting ? copy_into_all(value, &at, &m->frag.offheap) : copy_into(value, &at, &m->frag.offheap);
    }
    return m;
}

struct message *message_copy_lasting(term value)
{
    return copy_message(value, true);
}

struct message *message_copy(term value)
{
    size_t flat = term_is_immed(value) ? 0 : flat_tuple_words(value);
    if (flat > 1) {
        struct message *m = message_new(flat);
        if (m != NULL) {
            memcpy(m->frag.words, term_words(value), flat * sizeof(uintptr_t));
            m->value = term_from_boxed_ptr(m->frag.words);
        }
        return m;
    }
    return copy_message(value, false);
}

void message_free(struct message *m)
{
    if (m->frag.words == NULL) {
        vm_free(m);
    } else {
        heap_frag_free(&m->frag);
    }
}

static struct signal *new_signal(
    enum signal_kind kind, term from, uint64_t id, term value, size_t spare_words, bool lasting)
{
    size_t words = term_is_none(value) || term_is_immed(value) ? 0 : lasting ? copy_size_all(value) : copy_size(value);
    struct signal *s = vm_zalloc(sizeof(*s));
    if (!give_words(&s->base, words + spare_words)) {
        /* No memory even to say why: the receiver still has to hear of it. */
        words = 0;
        value = ATOM(system_limit);
        s->base.frag = (struct heap_frag) { 0 };
        if (spare_words > 0) { /* few; without them a DOWN or EXIT message would be lost */
            s->base.frag.words = arena_alloc_urgent(arena_terms, spare_words * sizeof(uintptr_t));
            s->base.frag.size_words = s->base.frag.words != NULL ? spare_words : 0;
        }
    }
    s->base.kind = (uint8_t) kind;
    s->from = from;
    s->id = id;
    s->base.value = value;
    if (words > 0) {
        uintptr_t *at = s->base.frag.words;
        s->base.value = lasting ? copy_into_all(value, &at, &s->base.frag.offheap) : copy_into(value, &at, &s->base.frag.offheap);
    }
    s->base.frag.used_words = words;
    return s;
}

struct signal *signal_new(enum signal_kind kind, term from, uint64_t id, term value, size_t spare_words)
{
    return new_signal(kind, from, id, value, spare_words, false);
}

struct signal *signal_new_lasting(enum signal_kind kind, uint64_t id, term value)
{
    return new_signal(kind, TERM_NONE, id, value, 0, true);
}

/* ---- sending ---- */

void signal_send_message(term to_pid, struct message *m)
{
    if (!inbox_push(to_pid, m)) {
        message_free(m);
    }
}

/* Run by a process to which a message could not be sent: if what waits in its queue is much of all
 * term memory, it is ended, or that memory would never come free. p is NULL if it is gone. */
static void end_if_queue_is_large(struct proc *p, void *arg)
{
    (void) arg;
    if (p == NULL || p->heap.over_limit) {
        return;
    }
    p->heap.over_limit = p->queued_words * sizeof(uintptr_t) > arena_stats(arena_terms).used_bytes / 32;
}

/* A sender that cannot get memory for its message is ended at its next safe point. */
static void no_memory_for(struct proc *from, term to_pid)
{
    signal_request(from, to_pid, end_if_queue_is_large, NULL);
    if (from != NULL) {
        from->heap.over_limit = true;
    }
}

static void send_to_pid(struct proc *from, term pid, term value)
{
    if (table_find(pid) == NULL) {
        return;
    }
    struct message *m = message_copy(value);
    if (m == NULL) {
        no_memory_for(from, pid);
        return;
    }
    signal_send_message(pid, m);
}

static void send_to_alias(term ref, term value)
{
    term pid = { term_words(ref)[2] };
    if (term_is_none(pid)) {
        return; /* a plain reference */
    }
    struct signal *s = signal_new(SIGNAL_ALIAS_MESSAGE, TERM_NONE, term_words(ref)[1], value, 0);
    signal_send_message(pid, &s->base);
}

bool signal_send(struct proc *from, term to, term message)
{
    if (term_is_local_pid(to) || term_is_local_port(to)) {
        send_to_pid(from, to, message);
    } else if (term_is_atom(to)) {
        term pid = registry_whereis(to);
        if (term_is_none(pid)) {
            return false;
        }
        send_to_pid(from, pid, message);
    } else if (term_has_tag(to, TAG_REF)) {
        send_to_alias(to, message);
    } else if (term_is_tuple_of(to, 2) && term_same(term_tuple_get(to, 1), ATOM(nonode))) {
        term pid = term_is_atom(term_tuple_get(to, 0)) ? registry_whereis(term_tuple_get(to, 0)) : TERM_NONE;
        if (!term_is_none(pid)) {
            send_to_pid(from, pid, message);
        }
    }
    return true; /* others are processes of other nodes, none of which is connected */
}

void signal_send_built(struct proc *from, term to_pid, term message, struct heap *built)
{
    send_to_pid(from, to_pid, message);
    heap_destroy(built);
    heap_init_frags(built);
}

void signal_exit(struct proc *from, term to_pid, term reason)
{
    struct signal *s = signal_new(SIGNAL_EXIT, from != NULL ? from->id : TERM_NONE, 0, reason, HEAP_TUPLE_WORDS(3));
    signal_send_message(to_pid, &s->base);
    sched_signalled();
}

void signal_request(struct proc *from, term to_pid, signal_request_fn fn, void *arg)
{
    struct signal *s = signal_new(SIGNAL_REQUEST, from != NULL ? from->id : TERM_NONE, 0, TERM_NONE, 0);
    s->fn = fn;
    s->arg = arg;
    if (!inbox_push(to_pid, &s->base)) {
        vm_free(s);
        fn(NULL, arg);
        return;
    }
    sched_signalled();
}

/* ---- questions ---- */

void proc_ask(struct proc *p, term pid, signal_request_fn fn, struct ask *ask)
{
    VM_ASSERT(p->ask_id == 0);
    p->ask_id = ref_next_id();
    ask->from = p->id;
    ask->id = p->ask_id;
    signal_request(p, pid, fn, ask);
}

void signal_reply(const struct ask *ask, term answer)
{
    struct signal *s = signal_new(SIGNAL_REPLY, TERM_NONE, ask->id, answer, 0);
    signal_send_message(ask->from, &s->base);
}

bool proc_ask_done(struct proc *p, term *out_answer)
{
    struct message *m = p->ask_reply;
    if (m == NULL) {
        return false;
    }
    p->ask_reply = NULL;
    p->ask_id = 0;
    *out_answer = m->value;
    if (m->frag.words == NULL) {
        vm_free(m);
    } else {
        heap_attach_frag(&p->heap, &m->frag);
    }
    return true;
}

/* ---- receiving ---- */

static void handle_resume(struct proc *p, struct signal *s)
{
    if (timer_receive_is(p, s->id)) {
        p->timed_out = true;
    }
    vm_free(s);
}

static void handle_reply(struct proc *p, struct signal *s)
{
    if (s->id == p->ask_id && p->ask_reply == NULL) {
        p->ask_reply = &s->base;
    } else {
        message_free(&s->base);
    }
}

static void handle_timer_message(struct proc *p, struct signal *s)
{
    if (p->links != NULL) {
        link_free_node(link_remove(&p->links->timers, s->id));
    }
    s->base.kind = SIGNAL_MESSAGE;
    msgq_append(p, &s->base);
}

/* true: p must exit. */
static bool handle(struct proc *p, struct message *m)
{
    struct signal *s = (struct signal *) m; /* every kind but SIGNAL_MESSAGE */
    switch ((enum signal_kind) m->kind) {
    case SIGNAL_MESSAGE:
        msgq_append(p, m);
        return false;
    case SIGNAL_ALIAS_MESSAGE:
        if (alias_accepts(p, s->id)) {
            m->kind = SIGNAL_MESSAGE;
            msgq_append(p, m);
        } else {
            message_free(m);
        }
        return false;
    case SIGNAL_EXIT:
    case SIGNAL_LINK_EXIT:
        return signal_handle_exit(p, s);
    case SIGNAL_LINK:
    case SIGNAL_UNLINK:
    case SIGNAL_UNLINK_ACK:
        signal_handle_link(p, s);
        return false;
    case SIGNAL_MONITOR:
    case SIGNAL_DEMONITOR:
        signal_handle_monitor(p, s);
        return false;
    case SIGNAL_DOWN:
        signal_handle_down(p, s);
        return false;
    case SIGNAL_REQUEST:
        s->fn(p, s->arg);
        vm_free(s);
        return false;
    case SIGNAL_REPLY:
        handle_reply(p, s);
        return false;
    case SIGNAL_TIMER:
        handle_timer_message(p, s);
        return false;
    case SIGNAL_RESUME:
        handle_resume(p, s);
        return false;
    }
    VM_REQUIRE(!"a signal of a known kind");
    return false;
}

bool signal_pending(const struct proc *p)
{
    return inbox_has_signals(p->shared);
}

bool signal_fetch(struct proc *p)
{
    struct message *m = inbox_take(p->shared);
    bool must_exit = false;
    while (m != NULL) {
        struct message *next = m->next;
        if (must_exit) {
            signal_to_dead(p->id, m);
        } else {
            must_exit = handle(p, m);
        }
        m = next;
    }
    return must_exit;
}
