#include "vm/proc/runq.h"

enum { LOW_EVERY = 8, STEAL_MAX = 128 };

void runq_init(struct runq *q)
{
    lock_init(&q->lock, RANK_RUN_QUEUE);
    for (size_t i = 0; i < PRIORITY_COUNT; i++) {
        q->lists[i].first = NULL;
        q->lists[i].last = &q->lists[i].first;
    }
}

void runq_destroy(struct runq *q)
{
    lock_destroy(&q->lock);
}

static void push_locked(struct runq *q, struct proc *p)
{
    p->run_next = NULL;
    *q->lists[p->priority].last = p;
    q->lists[p->priority].last = &p->run_next;
}

static struct proc *pop_list_locked(struct runq *q, enum proc_priority priority)
{
    struct proc *p = q->lists[priority].first;
    if (p != NULL) {
        q->lists[priority].first = p->run_next;
        if (p->run_next == NULL) {
            q->lists[priority].last = &q->lists[priority].first;
        }
    }
    return p;
}

static void count_locked(struct runq *q, int32_t change)
{
    /* seq_cst: a thread that goes to sleep says so, then looks here; see sched.c. */
    atomic_store_explicit(&q->n, runq_length(q) + (uint32_t) change, memory_order_seq_cst);
}

void runq_push(struct runq *q, struct proc *p)
{
    lock_take(&q->lock);
    push_locked(q, p);
    count_locked(q, 1);
    lock_drop(&q->lock);
}

/* Max before high before the rest; of the rest one in LOW_EVERY is low. */
static struct proc *choose_locked(struct runq *q)
{
    struct proc *p = pop_list_locked(q, PRIORITY_MAX);
    if (p == NULL) {
        p = pop_list_locked(q, PRIORITY_HIGH);
    }
    if (p != NULL) {
        return p;
    }
    bool low_first = q->lists[PRIORITY_LOW].first != NULL && ++q->low_skipped >= LOW_EVERY;
    if (!low_first) {
        p = pop_list_locked(q, PRIORITY_NORMAL);
    }
    if (p == NULL) {
        p = pop_list_locked(q, PRIORITY_LOW);
        q->low_skipped = 0;
        if (p == NULL) {
            p = pop_list_locked(q, PRIORITY_NORMAL);
        }
    }
    return p;
}

struct proc *runq_pop(struct runq *q)
{
    if (runq_length(q) == 0) {
        return NULL;
    }
    lock_take(&q->lock);
    struct proc *p = choose_locked(q);
    if (p != NULL) {
        count_locked(q, -1);
    }
    lock_drop(&q->lock);
    return p;
}

size_t runq_steal(struct runq *to, struct runq *from)
{
    struct proc *list = NULL, **last = &list;
    int32_t n = 0;
    lock_take(&from->lock);
    int32_t want = (int32_t) (runq_length(from) + 1) / 2;
    want = want > STEAL_MAX ? STEAL_MAX : want;
    while (n < want) {
        struct proc *p = choose_locked(from);
        if (p == NULL) {
            break;
        }
        p->run_next = NULL;
        *last = p;
        last = &p->run_next;
        n++;
    }
    if (n > 0) {
        count_locked(from, -n);
    }
    lock_drop(&from->lock);
    if (n == 0) {
        return 0;
    }
    lock_take(&to->lock);
    while (list != NULL) {
        struct proc *p = list;
        list = p->run_next;
        push_locked(to, p);
    }
    count_locked(to, n);
    lock_drop(&to->lock);
    return (size_t) n;
}
