/* The message queue of a process: what signal_fetch has put there and no receive has taken. */
#include "lib/base/arena.h"
#include "vm/proc/proc_table.h"

enum { N_MARKS = 4 };

/* Receive marks, the oldest is replaced. serial tells an unbound marker from its successors. */
struct msgq_marks {
    struct {
        struct message **at; /* NULL: unused */
        uint64_t ref;        /* 0: not yet bound */
        uint32_t serial;
    } marks[N_MARKS];
    uint32_t next_serial;
};

void msgq_append(struct proc *p, struct message *m)
{
    m->next = NULL;
    *p->msg_last = m;
    p->msg_last = &m->next;
    p->n_messages++;
}

struct message *msgq_unlink(struct proc *p, struct message **link)
{
    struct message *m = *link;
    *link = m->next;
    if (p->msg_last == &m->next) {
        p->msg_last = link;
    }
    if (p->msg_save == &m->next) {
        p->msg_save = link;
    }
    if (p->marks != NULL) {
        for (size_t i = 0; i < N_MARKS; i++) {
            if (p->marks->marks[i].at == &m->next) {
                p->marks->marks[i].at = link;
            }
        }
    }
    p->n_messages--;
    return m;
}

struct message *msgq_peek(struct proc *p, bool *must_exit)
{
    *must_exit = false;
    if (*p->msg_save == NULL && inbox_has_signals(p->shared)) {
        *must_exit = signal_fetch(p);
        if (*must_exit) {
            return NULL;
        }
    }
    return *p->msg_save;
}

void msgq_next(struct proc *p)
{
    p->msg_save = &(*p->msg_save)->next;
}

void msgq_reset(struct proc *p)
{
    p->msg_save = &p->msg_first;
}

term msgq_take(struct proc *p)
{
    struct message *m = msgq_unlink(p, p->msg_save);
    p->msg_save = &p->msg_first;
    term value = m->value;
    if (m->frag.words == NULL) {
        vm_free(m);
    } else {
        heap_attach_frag(&p->heap, &m->frag);
    }
    return value;
}

term msgq_mark_reserve(struct proc *p)
{
    if (p->marks == NULL) {
        p->marks = vm_zalloc(sizeof(*p->marks));
    }
    uint32_t serial = p->marks->next_serial++;
    size_t i = serial % N_MARKS;
    p->marks->marks[i].at = p->msg_last;
    p->marks->marks[i].ref = 0;
    p->marks->marks[i].serial = serial;
    return term_from_small(serial);
}

static uint64_t ref_id(term ref)
{
    return term_has_tag(ref, TAG_REF) ? term_words(ref)[1] : 0;
}

void msgq_mark_bind(struct proc *p, term marker, term ref)
{
    if (p->marks == NULL || !term_is_small(marker) || ref_id(ref) == 0) {
        return;
    }
    uint32_t serial = (uint32_t) term_to_small(marker);
    size_t i = serial % N_MARKS;
    if (p->marks->marks[i].serial == serial && p->marks->marks[i].ref == 0) {
        p->marks->marks[i].ref = ref_id(ref);
    }
}

void msgq_mark_clear(struct proc *p, term marker_or_ref)
{
    if (p->marks == NULL) {
        return;
    }
    for (size_t i = 0; i < N_MARKS; i++) {
        bool hit = term_is_small(marker_or_ref)
            ? p->marks->marks[i].ref == 0
                && p->marks->marks[i].serial == (uint32_t) term_to_small(marker_or_ref)
            : ref_id(marker_or_ref) != 0 && p->marks->marks[i].ref == ref_id(marker_or_ref);
        if (hit) {
            p->marks->marks[i].at = NULL;
        }
    }
}

void msgq_mark_use(struct proc *p, term ref)
{
    uint64_t id = ref_id(ref);
    for (size_t i = 0; p->marks != NULL && id != 0 && i < N_MARKS; i++) {
        if (p->marks->marks[i].at != NULL && p->marks->marks[i].ref == id) {
            p->msg_save = p->marks->marks[i].at;
            return;
        }
    }
}
