/* Links, monitors and aliases: what is sent, and what the receiver does with it.
 *
 *   link:    A adds B, sends LINK; B adds A. If B is gone A gets LINK_EXIT noproc.
 *   unlink:  A marks B "unlinking" and sends UNLINK; B drops A and answers UNLINK_ACK; A drops B.
 *            A LINK_EXIT that meets a link marked so is ignored, so none comes late. link() again
 *            before the answer makes the link active and the answer stale.
 *   monitor: A adds (id, B), sends MONITOR; B adds (id, A). When B ends it sends DOWN; A takes it
 *            only if it still has the id, so none comes after demonitor.
 */
#include "lib/base/arena.h"
#include "vm/proc/links.h"
#include "vm/proc/port.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/proc/timer.h"

enum { EXIT_SPARE_WORDS = HEAP_TUPLE_WORDS(3), DOWN_SPARE_WORDS = HEAP_TUPLE_WORDS(5) + HEAP_REF_WORDS + HEAP_TUPLE_WORDS(2) };

/* A heap over the words a signal has spare, for the builders. */
static struct heap spare_of(struct message *m)
{
    return (struct heap) {
        .top = m->frag.words + m->frag.used_words,
        .stop = m->frag.words + m->frag.size_words,
    };
}

static void spare_used(struct message *m, const struct heap *spare)
{
    m->frag.used_words = (size_t) (spare->top - m->frag.words);
}

static void send_plain(enum signal_kind kind, struct proc *p, term to, uint64_t id)
{
    signal_send_message(to, &signal_new(kind, p->id, id, TERM_NONE, 0)->base);
}

/* To p itself, through its queue, so that it comes in order. */
static void tell_self(struct proc *p, enum signal_kind kind, term from, uint64_t id, term value, size_t spare)
{
    size_t words = term_is_none(from) || term_is_immed(from) ? 0 : copy_size_all(from); /* a pid of another node */
    struct signal *s = signal_new(kind, from, id, value, spare + words);
    if (words > 0 && s->base.frag.words != NULL) {
        uintptr_t *at = s->base.frag.words + s->base.frag.used_words;
        s->from = copy_into_all(from, &at, &s->base.frag.offheap);
        s->base.frag.used_words += words;
    }
    signal_send_message(p->id, &s->base);
}

/* ---- exit signals ---- */

static bool die(struct proc *p, struct signal *s, term reason)
{
    p->exc = (struct exception) { .class = EXC_EXIT, .reason = reason, .stacktrace = TERM_NIL };
    p->exiting = true;
    if (s->base.frag.words != NULL) {
        heap_attach_frag(&p->heap, &s->base.frag);
    } else {
        vm_free(s);
    }
    return true;
}

static void exit_to_message(struct proc *p, struct signal *s)
{
    struct heap spare = spare_of(&s->base);
    if ((size_t) (spare.stop - spare.top) < EXIT_SPARE_WORDS) {
        message_free(&s->base); /* there was no memory for it */
        return;
    }
    s->base.value = heap_tuple3(&spare, ATOM(EXIT), s->from, s->base.value);
    spare_used(&s->base, &spare);
    s->base.kind = SIGNAL_MESSAGE;
    msgq_append(p, &s->base);
}

bool signal_handle_exit(struct proc *p, struct signal *s)
{
    term reason = s->base.value;
    bool from_link = s->base.kind == SIGNAL_LINK_EXIT;
    if (from_link) {
        struct link_node *n = p->links == NULL ? NULL : link_remove(&p->links->links, s->from.word);
        bool active = n != NULL && n->unlinking == 0;
        link_free_node(n);
        if (!active) {
            message_free(&s->base);
            return false;
        }
    } else if (term_same(reason, ATOM(kill))) {
        return die(p, s, ATOM(killed));
    }
    if (p->trap_exit) {
        exit_to_message(p, s);
        return false;
    }
    const struct port *port = port_of(p);
    if (port != NULL && term_same(s->from, port->owner)) {
        return die(p, s, reason); /* a port does not outlive its owner, however that ends */
    }
    if (term_same(reason, ATOM(normal)) && (from_link || !term_same(s->from, p->id))) {
        message_free(&s->base);
        return false;
    }
    return die(p, s, reason);
}

/* ---- links ---- */

bool signal_link(struct proc *p, term pid)
{
    if (term_same(pid, p->id)) {
        return true;
    }
    struct link_set *set = &proc_links(p)->links;
    struct link_node *n = link_find(set, pid.word);
    if (n != NULL && n->unlinking == 0) {
        return true;
    }
    if (n == NULL) {
        n = link_add(set, pid.word);
    }
    n->unlinking = 0;
    struct signal *s = signal_new(SIGNAL_LINK, p->id, 0, TERM_NONE, 0);
    if (!inbox_push(pid, &s->base)) {
        message_free(&s->base);
        if (!p->trap_exit) {
            link_free_node(link_remove(set, pid.word));
            return false;
        }
        if (term_is_immed(pid)) {
            tell_self(p, SIGNAL_LINK_EXIT, pid, 0, ATOM(noproc), EXIT_SPARE_WORDS);
        } else { /* of another node: where it lies says nothing later on */
            link_free_node(link_remove(set, pid.word));
            (void) signal_send(p, p->id, heap_tuple3(&p->heap, ATOM(EXIT), pid, ATOM(noconnection)));
        }
    }
    return true;
}

void signal_unlink(struct proc *p, term pid)
{
    struct link_node *n = p->links == NULL ? NULL : link_find(&p->links->links, pid.word);
    if (n == NULL || n->unlinking != 0) {
        return;
    }
    n->unlinking = ref_next_id();
    struct signal *s = signal_new(SIGNAL_UNLINK, p->id, n->unlinking, TERM_NONE, 0);
    if (!inbox_push(pid, &s->base)) {
        message_free(&s->base);
        link_free_node(link_remove(&p->links->links, pid.word));
    }
}

void signal_handle_link(struct proc *p, struct signal *s)
{
    struct link_set *set = &proc_links(p)->links;
    struct link_node *n = link_find(set, s->from.word);
    switch (s->base.kind) {
    case SIGNAL_LINK:
        /* While unlinking: the sender linked before our UNLINK reached it, which ends this link too. */
        if (n == NULL) {
            (void) link_add(set, s->from.word);
        }
        break;
    case SIGNAL_UNLINK:
        if (n != NULL) {
            link_free_node(link_remove(set, s->from.word));
        }
        send_plain(SIGNAL_UNLINK_ACK, p, s->from, s->id);
        break;
    default: /* SIGNAL_UNLINK_ACK */
        if (n != NULL && n->unlinking == s->id) {
            link_free_node(link_remove(set, s->from.word));
        }
        break;
    }
    message_free(&s->base);
}

/* ---- monitors ---- */

void link_store_tag(struct link_node *n, term tag)
{
    n->tag = tag;
    if (!term_is_none(tag) && !term_is_immed(tag)) {
        n->tag_message = message_copy_lasting(tag);
        n->tag = n->tag_message != NULL ? n->tag_message->value : ATOM(system_limit);
    }
}

/* Finds who is meant; *name, *node are TERM_NONE for a pid. */
static term resolve(term target, term *name, term *node)
{
    *name = *node = TERM_NONE;
    if (term_is_pid(target) || term_is_port(target)) {
        return target;
    }
    bool local = true;
    *name = target;
    *node = ATOM(nonode);
    if (term_is_tuple_of(target, 2)) {
        *name = term_tuple_get(target, 0);
        *node = term_tuple_get(target, 1);
        local = term_same(*node, ATOM(nonode));
    }
    term pid = local ? registry_whereis(*name) : TERM_NONE;
    return pid;
}

static term monitor(struct proc *p, term target, bool of_port, enum monitor_alias alias, term tag)
{
    uint64_t id = ref_next_id();
    term ref = heap_ref(&p->heap, id, alias == MONITOR_NO_ALIAS ? 0 : p->id.word);
    term name, node;
    term pid = resolve(target, &name, &node);
    if (term_same(pid, p->id) && alias == MONITOR_NO_ALIAS) {
        return ref; /* nobody hears of his own end */
    }
    struct link_node *n = link_add(&proc_links(p)->monitors, id);
    n->mode = (uint8_t) alias;
    n->name = name;
    n->node = node;
    n->of_port = of_port;
    link_store_tag(n, tag);
    if (term_same(pid, p->id)) {
        return ref;
    }
    n->target = pid;
    struct signal *s = signal_new(SIGNAL_MONITOR, p->id, id, name, 0);
    if (!inbox_push(pid, &s->base)) {
        message_free(&s->base);
        bool elsewhere = !term_is_none(node) && !term_same(node, ATOM(nonode));
        elsewhere = elsewhere || (term_has_tag(pid, TAG_EXT_PID) && !term_same((term) { term_words(pid)[1] }, ATOM(nonode)));
        n->target = term_is_none(pid) || !term_is_immed(pid) ? ATOM(undefined) : pid;
        tell_self(p, SIGNAL_DOWN, pid, id, elsewhere ? ATOM(noconnection) : ATOM(noproc), DOWN_SPARE_WORDS);
    }
    return ref;
}

term signal_monitor(struct proc *p, term target, enum monitor_alias alias, term tag)
{
    return monitor(p, target, false, alias, tag);
}

term signal_monitor_port(struct proc *p, term target, enum monitor_alias alias, term tag)
{
    return monitor(p, target, true, alias, tag);
}

void signal_handle_monitor(struct proc *p, struct signal *s)
{
    struct link_set *set = &proc_links(p)->watchers;
    if (s->base.kind == SIGNAL_MONITOR) {
        struct link_node *n = link_add(set, s->id);
        n->target = s->from;
        n->name = s->base.value;
    } else {
        link_free_node(link_remove(set, s->id));
    }
    message_free(&s->base);
}

/* The monitor is over. An explicit alias outlives it. */
static void monitor_ends(struct proc *p, struct link_node *n)
{
    if (n->mode == LINK_ALIAS_EXPLICIT) {
        n->target = TERM_NONE;
    } else {
        link_free_node(link_remove(&p->links->monitors, n->key));
    }
}

/* s becomes the message {Tag, Ref, process, Item, Reason}. */
static void build_down(struct proc *p, struct signal *s, const struct link_node *n)
{
    struct heap spare = spare_of(&s->base);
    VM_ASSERT((size_t) (spare.stop - spare.top) >= DOWN_SPARE_WORDS);
    term parts[5];
    parts[0] = term_is_none(n->tag) ? ATOM(DOWN) : n->tag;
    parts[1] = heap_ref(&spare, s->id, n->mode == LINK_PLAIN ? 0 : p->id.word);
    parts[2] = n->of_port ? ATOM(port) : ATOM(process);
    parts[3] = term_is_none(n->name) ? s->from : heap_tuple2(&spare, n->name, n->node);
    parts[4] = s->base.value;
    s->base.value = heap_tuple(&spare, parts, 5);
    spare_used(&s->base, &spare);
    s->base.kind = SIGNAL_MESSAGE;
}

void signal_handle_down(struct proc *p, struct signal *s)
{
    struct link_node *n = p->links == NULL ? NULL : link_find(&p->links->monitors, s->id);
    bool room = s->base.frag.size_words >= s->base.frag.used_words + DOWN_SPARE_WORDS;
    if (n == NULL || term_is_none(n->target) || !room) {
        message_free(&s->base);
        return;
    }
    build_down(p, s, n);
    if (n->tag_message == NULL) {
        monitor_ends(p, n);
        msgq_append(p, &s->base);
        return;
    }
    /* The tag lies elsewhere: copy the whole into one piece. */
    struct message *m = message_copy(s->base.value);
    message_free(&s->base);
    monitor_ends(p, n);
    if (m != NULL) {
        msgq_append(p, m);
    }
}

/* Takes a 'DOWN' (or so) of this monitor out of the message queue. */
static void flush_down(struct proc *p, uint64_t id)
{
    for (struct message **at = &p->msg_first; *at != NULL; at = &(*at)->next) {
        term v = message_value(p, *at);
        if (term_is_tuple_of(v, 5) && proc_ref_id(term_tuple_get(v, 1)) == id) {
            msgq_drop(p, at);
            return;
        }
    }
}

bool signal_demonitor(struct proc *p, term ref, bool flush)
{
    uint64_t id = proc_ref_id(ref);
    struct link_node *n = p->links == NULL ? NULL : link_find(&p->links->monitors, id);
    if (n == NULL || term_is_none(n->target)) {
        if (n != NULL && n->mode != LINK_ALIAS_EXPLICIT) {
            link_free_node(link_remove(&p->links->monitors, id));
        }
        if (flush) {
            flush_down(p, id);
        }
        return false;
    }
    if (!term_is_atom(n->target)) {
        send_plain(SIGNAL_DEMONITOR, p, n->target, id);
    }
    monitor_ends(p, n);
    return true;
}

/* ---- aliases ---- */

term signal_alias_new(struct proc *p, bool reply)
{
    uint64_t id = ref_next_id();
    struct link_node *n = link_add(&proc_links(p)->monitors, id);
    n->mode = reply ? LINK_ALIAS_REPLY : LINK_ALIAS_EXPLICIT;
    return heap_ref(&p->heap, id, p->id.word);
}

bool signal_alias_remove(struct proc *p, term ref)
{
    uint64_t id = proc_ref_id(ref);
    struct link_node *n = p->links == NULL ? NULL : link_find(&p->links->monitors, id);
    if (n == NULL || n->mode == LINK_PLAIN) {
        return false;
    }
    if (term_is_none(n->target)) {
        link_free_node(link_remove(&p->links->monitors, id));
    } else {
        n->mode = LINK_PLAIN; /* the monitor stays */
    }
    return true;
}

bool alias_accepts(struct proc *p, uint64_t id)
{
    struct link_node *n = p->links == NULL ? NULL : link_find(&p->links->monitors, id);
    if (n == NULL || n->mode == LINK_PLAIN) {
        return false;
    }
    if (n->mode == LINK_ALIAS_REPLY) {
        if (term_is_local_pid(n->target)) {
            send_plain(SIGNAL_DEMONITOR, p, n->target, id);
        }
        link_free_node(link_remove(&p->links->monitors, id));
    }
    return true;
}

/* ---- the end ---- */

void signal_to_dead(term dead_pid, struct message *m)
{
    struct signal *s = (struct signal *) m;
    switch ((enum signal_kind) m->kind) {
    case SIGNAL_LINK:
        signal_send_message(s->from,
            &signal_new(SIGNAL_LINK_EXIT, dead_pid, 0, ATOM(noproc), EXIT_SPARE_WORDS)->base);
        break;
    case SIGNAL_MONITOR:
        signal_send_message(s->from,
            &signal_new(SIGNAL_DOWN, dead_pid, s->id, ATOM(noproc), DOWN_SPARE_WORDS)->base);
        break;
    case SIGNAL_REQUEST:
        s->fn(NULL, s->arg);
        break;
    case SIGNAL_UNLINK:
        signal_send_message(s->from, &signal_new(SIGNAL_UNLINK_ACK, dead_pid, s->id, TERM_NONE, 0)->base);
        break;
    case SIGNAL_MESSAGE:
    case SIGNAL_ALIAS_MESSAGE:
    case SIGNAL_EXIT:
    case SIGNAL_LINK_EXIT:
    case SIGNAL_UNLINK_ACK:
    case SIGNAL_DEMONITOR:
    case SIGNAL_DOWN:
    case SIGNAL_REPLY:
    case SIGNAL_TIMER:
    case SIGNAL_RESUME:
        break;
    }
    message_free(m);
}

static void resume_suspended(struct proc *p, struct link_set *set)
{
    struct link_node *n;
    while ((n = link_pop(set)) != NULL) {
        proc_resume(p, (term) { n->key }, (uint32_t) n->unlinking);
        link_free_node(n);
    }
}

void links_break(struct proc *p, term reason)
{
    struct proc_links *l = p->links;
    if (l == NULL) {
        return;
    }
    struct link_node *n;
    while ((n = link_pop(&l->links)) != NULL) {
        if (n->unlinking == 0) {
            signal_send_message((term) { n->key },
                &signal_new(SIGNAL_LINK_EXIT, p->id, 0, reason, EXIT_SPARE_WORDS)->base);
        }
        link_free_node(n);
    }
    while ((n = link_pop(&l->watchers)) != NULL) {
        signal_send_message(n->target, &signal_new(SIGNAL_DOWN, p->id, n->key, reason, DOWN_SPARE_WORDS)->base);
        link_free_node(n);
    }
    while ((n = link_pop(&l->monitors)) != NULL) {
        if (!term_is_none(n->target) && !term_is_atom(n->target)) {
            send_plain(SIGNAL_DEMONITOR, p, n->target, n->key);
        }
        link_free_node(n);
    }
    while ((n = link_pop(&l->timers)) != NULL) {
        (void) timer_cancel(n->key);
        link_free_node(n);
    }
    resume_suspended(p, &l->suspended);
    link_set_free(&l->links);
    link_set_free(&l->watchers);
    link_set_free(&l->monitors);
    link_set_free(&l->timers);
    link_set_free(&l->suspended);
    vm_free(l);
    p->links = NULL;
}
