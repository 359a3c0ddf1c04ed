/* The message queue of a process: what signal_fetch has put there and no receive has taken. */
#include "lib/base/arena.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/proc_table.h"

enum { N_MARKS = 8 };

/* Receive marks. serial tells an unbound marker from others. */
struct msgq_marks {
    struct {
        struct message **at; /* NULL: unused */
        uint64_t ref;        /* 0: not yet bound */
        uint32_t serial;
    } marks[N_MARKS];
    uint32_t next_serial;
};

/* Values of pinned messages; TERM_NIL where none is. message.pin is the index + 1. */
struct msgq_pins {
    uint32_t n, capacity;
    uint32_t used, next; /* those that are not TERM_NIL; where to look for one that is */
    term values[];
};

void msgq_append(struct proc *p, struct message *m)
{
    m->next = NULL;
    *p->msg_last = m;
    p->msg_last = &m->next;
    p->n_messages++;
    p->queued_words += m->frag.size_words;
}

static struct message *unlink_message(struct proc *p, struct message **link)
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
    p->queued_words -= m->frag.size_words;
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

term message_value(const struct proc *p, const struct message *m)
{
    return m->pin == 0 ? m->value : p->pins->values[m->pin - 1];
}

static void unpin(struct proc *p, struct message *m)
{
    if (m->pin == 0) {
        return;
    }
    p->pins->values[m->pin - 1] = TERM_NIL;
    p->pins->used--;
    m->pin = 0;
    while (p->pins->n > 0 && term_is_nil(p->pins->values[p->pins->n - 1])) {
        p->pins->n--;
    }
}

/* The value of m, which is not TERM_NIL, becomes a root. In a queue that never runs empty places in the middle come free:
 * they are used again once a quarter of all are, so that looking for them costs little. */
static void pin(struct proc *p, struct message *m)
{
    struct msgq_pins *pins = p->pins;
    if (pins == NULL || (pins->n == pins->capacity && pins->used > pins->capacity / 4 * 3)) {
        struct msgq_pins old = pins == NULL ? (struct msgq_pins) { 0 } : *pins;
        uint32_t capacity = pins == NULL ? 4 : 2 * pins->capacity;
        pins = p->pins = vm_realloc(pins, sizeof(*pins) + capacity * sizeof(term));
        pins->n = old.n;
        pins->used = old.used;
        pins->next = 0;
        pins->capacity = capacity;
    }
    uint32_t at = pins->n;
    if (at < pins->capacity) {
        pins->n++;
    } else {
        for (at = pins->next; !term_is_nil(pins->values[at]); at = at + 1 < pins->capacity ? at + 1 : 0) {
        }
        pins->next = at + 1 < pins->capacity ? at + 1 : 0;
    }
    pins->values[at] = m->value;
    pins->used++;
    m->pin = at + 1;
}

bool msgq_send_self(struct proc *p, term value)
{
    if (p->off_heap_messages || inbox_has_signals(p->shared)) {
        return false; /* or it would overtake what the process has sent to itself before */
    }
    struct message *m = vm_alloc(sizeof(*m));
    *m = (struct message) { .value = value, .kind = SIGNAL_MESSAGE };
    if (!term_is_immed(value)) {
        pin(p, m);
    }
    msgq_append(p, m);
    return true;
}

void msgq_pin(struct proc *p)
{
    struct message *m = *p->msg_save;
    if (m == NULL || m->frag.words == NULL) {
        return;
    }
    struct heap_frag *f = vm_alloc(sizeof(*f));
    *f = m->frag;
    p->queued_words -= f->size_words;
    m->frag = (struct heap_frag) { 0 };
    if (!term_is_immed(m->value)) {
        pin(p, m);
    }
    heap_attach_frag(&p->heap, f);
}

struct heap_roots msgq_pinned_roots(struct proc *p)
{
    return (struct heap_roots) {
        .terms = p->pins == NULL ? NULL : p->pins->values,
        .n = p->pins == NULL ? 0 : p->pins->n,
    };
}

void msgq_drop(struct proc *p, struct message **link)
{
    struct message *m = unlink_message(p, link);
    unpin(p, m);
    message_free(m);
}

term msgq_take(struct proc *p)
{
    struct message *m = unlink_message(p, p->msg_save);
    p->msg_save = &p->msg_first;
    term value = message_value(p, m);
    if (m->frag.words == NULL) {
        unpin(p, m);
        vm_free(m);
    } else {
        /* not copied: registers hold parts of it since loop_rec */
        heap_attach_frag(&p->heap, &m->frag);
    }
    return value;
}

/* An unused mark, else the oldest. */
static size_t choose_mark(const struct msgq_marks *m)
{
    size_t oldest = 0;
    for (size_t i = 0; i < N_MARKS; i++) {
        if (m->marks[i].at == NULL) {
            return i;
        }
        oldest = m->next_serial - m->marks[i].serial > m->next_serial - m->marks[oldest].serial ? i : oldest;
    }
    return oldest;
}

term msgq_mark_reserve(struct proc *p)
{
    if (p->marks == NULL) {
        p->marks = vm_zalloc(sizeof(*p->marks));
    }
    size_t i = choose_mark(p->marks);
    p->marks->marks[i].at = p->msg_last;
    p->marks->marks[i].ref = 0;
    p->marks->marks[i].serial = p->marks->next_serial;
    return term_from_small(p->marks->next_serial++);
}

void msgq_mark_bind(struct proc *p, term marker, term ref)
{
    if (p->marks == NULL || !term_is_small(marker) || proc_ref_id(ref) == 0) {
        return;
    }
    for (size_t i = 0; i < N_MARKS; i++) {
        if (p->marks->marks[i].at != NULL && p->marks->marks[i].ref == 0
            && p->marks->marks[i].serial == (uint32_t) term_to_small(marker)) {
            p->marks->marks[i].ref = proc_ref_id(ref);
        }
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
            : proc_ref_id(marker_or_ref) != 0 && p->marks->marks[i].ref == proc_ref_id(marker_or_ref);
        if (hit) {
            p->marks->marks[i].at = NULL;
        }
    }
}

void msgq_mark_use(struct proc *p, term ref)
{
    uint64_t id = proc_ref_id(ref);
    for (size_t i = 0; p->marks != NULL && id != 0 && i < N_MARKS; i++) {
        if (p->marks->marks[i].at != NULL && p->marks->marks[i].ref == id) {
            p->msg_save = p->marks->marks[i].at;
            return;
        }
    }
}
