/* nif_monitor.c - processes that resource objects watch (enif_monitor_process).
 *
 * One table for the program, hashed by pid, behind one lock. An entry does not keep its object
 * alive: the object's end takes its entries out before it is freed. When a process ends the host
 * calls nif_process_ended(); the entries of that pid leave the table, and their callbacks are
 * run on a scheduler thread as deferred work, each holding a reference of its object.
 */
#include <stdatomic.h>

#include "lib/base/lock.h"
#include "nif/enif.h"
#include "nif/host.h"
#include "nif/nif_resource.h"

enum { MONITOR_BUCKETS = 1024 };

struct nif_monitor {
    struct nif_monitor *next_in_bucket, *next_of_object;
    struct nif_resource *object;
    term pid;
    uint64_t id;
    struct nif_deferred down;
};

/* What a library keeps in an ErlNifMonitor. */
struct monitor_handle {
    uint64_t id;
    uintptr_t pid;
    uintptr_t object;
    uintptr_t unused;
};
_Static_assert(sizeof(struct monitor_handle) == sizeof(ErlNifMonitor), "fits");

static struct lock table_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_NIF_MONITOR, RANK_NONE };
static struct nif_monitor *buckets[MONITOR_BUCKETS];
static _Atomic size_t n_monitors;

static struct nif_monitor **bucket_of(term pid)
{
    return &buckets[term_pid_number(pid) % MONITOR_BUCKETS];
}

static ErlNifMonitor handle_of(const struct nif_monitor *m)
{
    struct monitor_handle handle = { m->id, m->pid.word, (uintptr_t) m->object, 0 };
    ErlNifMonitor out;
    memcpy(&out, &handle, sizeof(out));
    return out;
}

static void unlink_from_bucket(struct nif_monitor *m)
{
    for (struct nif_monitor **at = bucket_of(m->pid); *at != NULL; at = &(*at)->next_in_bucket) {
        if (*at == m) {
            *at = m->next_in_bucket;
            atomic_fetch_sub_explicit(&n_monitors, 1, memory_order_relaxed);
            return;
        }
    }
}

static void unlink_from_object(struct nif_monitor *m)
{
    for (struct nif_monitor **at = &m->object->monitors; *at != NULL; at = &(*at)->next_of_object) {
        if (*at == m) {
            *at = m->next_of_object;
            return;
        }
    }
}

static uint64_t handle_id(const ErlNifMonitor *monitor)
{
    struct monitor_handle handle;
    memcpy(&handle, monitor, sizeof(handle));
    return handle.id;
}

/* false: there is none such any more. */
static bool remove_monitor(struct nif_resource *r, uint64_t id)
{
    lock_take(&table_lock);
    struct nif_monitor *m = r->monitors;
    while (m != NULL && m->id != id) {
        m = m->next_of_object;
    }
    if (m != NULL) {
        unlink_from_bucket(m);
        unlink_from_object(m);
    }
    lock_drop(&table_lock);
    vm_free(m);
    return m != NULL;
}

int enif_monitor_process(ErlNifEnv *env, void *obj, const ErlNifPid *target, ErlNifMonitor *monitor)
{
    struct nif_resource *r = nif_resource_from_payload(obj, "enif_monitor_process");
    term pid = term_of(target->pid);
    (void) env;
    if (r->type->init.down == NULL) {
        return -1;
    }
    if (!term_is_local_pid(pid)) {
        return 1;
    }
    struct nif_monitor *m = vm_zalloc(sizeof(*m));
    m->object = r;
    m->pid = pid;
    m->id = nif_host->next_ref_id();
    ErlNifMonitor handle = handle_of(m);
    lock_take(&table_lock);
    m->next_in_bucket = *bucket_of(pid);
    *bucket_of(pid) = m;
    m->next_of_object = r->monitors;
    r->monitors = m;
    atomic_fetch_add_explicit(&n_monitors, 1, memory_order_seq_cst);
    lock_drop(&table_lock);
    /* Enter first, then ask: whoever ends the process clears its state before it looks here. Without the lock: a worker
     * waits for the answer, and the thread that receives it takes the lock for processes that end. */
    if (!nif_host->watch(pid) && remove_monitor(r, handle_id(&handle))) {
        return 1;
    }
    if (monitor != NULL) { /* or it has ended since, and the callback runs */
        *monitor = handle;
    }
    return 0;
}

int enif_demonitor_process(ErlNifEnv *env, void *obj, const ErlNifMonitor *monitor)
{
    struct nif_resource *r = nif_resource_from_payload(obj, "enif_demonitor_process");
    (void) env;
    return remove_monitor(r, handle_id(monitor)) ? 0 : 1;
}

int enif_compare_monitors(const ErlNifMonitor *a, const ErlNifMonitor *b)
{
    struct monitor_handle x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return (x.id > y.id) - (x.id < y.id);
}

ERL_NIF_TERM enif_make_monitor_term(ErlNifEnv *env, const ErlNifMonitor *monitor)
{
    struct monitor_handle handle;
    memcpy(&handle, monitor, sizeof(handle));
    return heap_ref(env->heap, handle.id, 0).word;
}

void nif_monitor_drop_all(struct nif_resource *r)
{
    if (r->monitors == NULL) { /* nobody can add one: the last reference is gone */
        return;
    }
    lock_take(&table_lock);
    struct nif_monitor *all = r->monitors;
    r->monitors = NULL;
    for (struct nif_monitor *m = all; m != NULL; m = m->next_of_object) {
        unlink_from_bucket(m);
    }
    lock_drop(&table_lock);
    while (all != NULL) {
        struct nif_monitor *next = all->next_of_object;
        vm_free(all);
        all = next;
    }
}

term nif_monitor_list(struct heap *h, term pid, term tail)
{
    if (atomic_load_explicit(&n_monitors, memory_order_relaxed) == 0) {
        return tail;
    }
    lock_take(&table_lock);
    for (struct nif_monitor *m = *bucket_of(pid); m != NULL; m = m->next_in_bucket) {
        if (term_same(m->pid, pid) && resource_try_ref(&m->object->base)) {
            tail = heap_cons(h, nif_resource_make_term(h, m->object), tail);
            atomic_fetch_sub_explicit(
                &m->object->base.refs, 1, memory_order_relaxed); /* the term has its own */
        }
    }
    lock_drop(&table_lock);
    return tail;
}

static void run_down(struct nif_deferred *d)
{
    struct nif_monitor *m = container_of(d, struct nif_monitor, down);
    ErlNifMonitor handle = handle_of(m);
    nif_resource_call_down(m->object, m->pid, &handle);
    resource_unref(&m->object->base);
    vm_free(m);
}

void nif_process_ended(term pid)
{
    struct nif_monitor *fired = NULL, **last = &fired;
    if (atomic_load_explicit(&n_monitors, memory_order_seq_cst) == 0) {
        return;
    }
    lock_take(&table_lock);
    for (struct nif_monitor **at = bucket_of(pid); *at != NULL;) {
        struct nif_monitor *m = *at;
        if (!term_same(m->pid, pid)) {
            at = &m->next_in_bucket;
            continue;
        }
        *at = m->next_in_bucket;
        atomic_fetch_sub_explicit(&n_monitors, 1, memory_order_relaxed);
        unlink_from_object(m);
        if (!resource_try_ref(&m->object->base)) {
            vm_free(m); /* its object is on the way out */
            continue;
        }
        m->next_in_bucket = NULL;
        *last = m;
        last = &m->next_in_bucket;
    }
    lock_drop(&table_lock);
    while (fired != NULL) {
        struct nif_monitor *m = fired;
        fired = m->next_in_bucket;
        nif_deferred_push(&m->down, run_down);
    }
}
