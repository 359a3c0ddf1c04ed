/* remote_watch.c - processes that workers want to hear the end of. */
#include "isolation/remote/remote_internal.h"
#include "nif/host.h"

enum { BUCKETS = 256 };

struct watch {
    struct watch *next;
    struct remote_worker *worker; /* a reference */
    term pid;
};

static struct lock table_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_EXECUTOR, RANK_NONE };
static struct watch *buckets[BUCKETS];
static _Atomic size_t n_watches;

static struct watch **bucket_of(term pid)
{
    return &buckets[term_pid_number(pid) % BUCKETS];
}

static bool remove_one(struct remote_worker *w, term pid)
{
    struct watch *found = NULL;
    lock_take(&table_lock);
    for (struct watch **at = bucket_of(pid); *at != NULL; at = &(*at)->next) {
        if ((w == NULL || (*at)->worker == w) && term_same((*at)->pid, pid)) {
            found = *at;
            *at = found->next;
            atomic_fetch_sub(&n_watches, 1);
            break;
        }
    }
    lock_drop(&table_lock);
    if (found == NULL) {
        return false;
    }
    if (w == NULL) {
        outbox_send(found->worker, &(struct datagram) { .kind = DATAGRAM_DOWN, .value = pid.word }, NULL, 0, NULL, 0);
    }
    worker_unref(found->worker);
    vm_free(found);
    return true;
}

bool remote_watch(struct remote_worker *w, term pid)
{
    lock_take(&table_lock);
    struct watch *known = *bucket_of(pid);
    while (known != NULL && !(known->worker == w && term_same(known->pid, pid))) {
        known = known->next;
    }
    if (known == NULL) {
        struct watch *n = vm_alloc(sizeof(*n));
        worker_ref(w);
        *n = (struct watch) { *bucket_of(pid), w, pid };
        *bucket_of(pid) = n;
        atomic_fetch_add(&n_watches, 1);
    }
    lock_drop(&table_lock);
    /* Enter first, then ask: see nif_monitor.c. */
    if (nif_host->process_alive(pid)) {
        return true;
    }
    (void) remove_one(w, pid);
    return false;
}

void remote_process_ended(term pid)
{
    if (atomic_load(&n_watches) == 0) {
        return;
    }
    while (remove_one(NULL, pid)) {
    }
}

void remote_watch_forget(struct remote_worker *w)
{
    struct watch *gone = NULL;
    lock_take(&table_lock);
    for (unsigned b = 0; b < BUCKETS; b++) {
        for (struct watch **at = &buckets[b]; *at != NULL;) {
            struct watch *it = *at;
            if (it->worker != w) {
                at = &it->next;
                continue;
            }
            *at = it->next;
            atomic_fetch_sub(&n_watches, 1);
            it->next = gone;
            gone = it;
        }
    }
    lock_drop(&table_lock);
    while (gone != NULL) {
        struct watch *next = gone->next;
        worker_unref(w);
        vm_free(gone);
        gone = next;
    }
}
