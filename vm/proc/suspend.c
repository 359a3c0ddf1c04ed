/* suspend_process and resume_process. A suspended process handles signals but runs no code; the
 * scheduler parks it before its slice, and tells who asked. */
#include "lib/base/arena.h"
#include "vm/proc/links.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/proc_table.h"

struct suspend_ask {
    struct ask ask; /* id 0: nobody waits */
    struct suspend_ask *next;
};

static void suspend_request(struct proc *target, void *arg)
{
    struct suspend_ask *a = arg;
    if (target == NULL) {
        if (a->ask.id != 0) {
            signal_reply(&a->ask, ATOM(false));
        }
        vm_free(a);
        return;
    }
    struct proc_rare *rare = proc_rare(target);
    rare->suspend_count++;
    target->suspended = true;
    target->reductions_left = 0; /* if it is in the middle of a slice */
    a->next = rare->suspend_asks;
    rare->suspend_asks = a;
}

void proc_suspend(struct proc *p, term pid, bool async)
{
    struct suspend_ask *a = vm_zalloc(sizeof(*a));
    struct link_set *set = &proc_links(p)->suspended;
    struct link_node *n = link_find(set, pid.word);
    if (n == NULL) {
        n = link_add(set, pid.word);
    }
    n->unlinking++;
    if (async) {
        signal_request(p, pid, suspend_request, a);
    } else {
        proc_ask(p, pid, suspend_request, &a->ask);
    }
}

void proc_tell_suspended(struct proc *p)
{
    if (p->rare == NULL) {
        return;
    }
    struct suspend_ask *a;
    while ((a = p->rare->suspend_asks) != NULL) {
        p->rare->suspend_asks = a->next;
        if (a->ask.id != 0) {
            signal_reply(&a->ask, term_from_bool(!p->exiting));
        }
        vm_free(a);
    }
}

struct resume { uint32_t times; };

static void resume_request(struct proc *target, void *arg)
{
    struct resume *r = arg;
    if (target != NULL && target->rare != NULL) {
        uint32_t *count = &target->rare->suspend_count;
        *count = *count > r->times ? *count - r->times : 0;
        target->suspended = *count > 0;
    }
    vm_free(r);
}

void proc_resume(struct proc *p, term pid, uint32_t times)
{
    struct resume *r = vm_alloc(sizeof(*r));
    r->times = times;
    signal_request(p, pid, resume_request, r);
}

bool proc_is_suspending(const struct proc *p, term pid)
{
    return p->links != NULL && link_find(&p->links->suspended, pid.word) != NULL;
}

bool proc_unsuspend(struct proc *p, term pid)
{
    struct link_node *n = p->links == NULL ? NULL : link_find(&p->links->suspended, pid.word);
    if (n == NULL) {
        return false;
    }
    if (--n->unlinking == 0) {
        link_free_node(link_remove(&p->links->suspended, pid.word));
    }
    proc_resume(p, pid, 1);
    return true;
}
