/* remote_resource.c - resource objects that live in a worker, as the VM holds them.
 *
 *   term [TAG_RESOURCE | next | * | handle] ─► struct remote_resource ─► its worker
 *
 * The object stays in the worker; here is a counted handle. Each time a worker sends a handle it counts it as
 * sent, each time we receive one we count it as received; when the last reference in the VM goes, the worker is
 * told how many we had received. It lets go of the object when that is all it sent: a handle that crosses
 * the release on its way is never lost.
 */
#include <string.h>

#include "isolation/remote/remote_internal.h"
#include "nif/nif_handle.h"

enum { FIRST_BUCKETS = 16, RELEASES_PER_DATAGRAM = 1024 };

struct remote_resource {
    struct resource base; /* first */
    struct remote_worker *worker; /* held: of one that has ended only the record is left */
    uint64_t handle, received;
    struct remote_resource *next; /* in its bucket, or of the released */
};

/* To be told to their workers, which may have ended. */
static struct remote_resource *_Atomic released;

void remote_resources_init(struct remote_worker *w)
{
    lock_init(&w->resources_lock, RANK_WORKER_SOCKET);
    w->n_buckets = FIRST_BUCKETS;
    w->buckets = vm_zalloc(FIRST_BUCKETS * sizeof(w->buckets[0]));
}

size_t remote_resources_count(struct remote_worker *w)
{
    lock_take(&w->resources_lock);
    size_t n = w->n_resources;
    lock_drop(&w->resources_lock);
    return n;
}

void remote_resources_free(struct remote_worker *w)
{
    vm_free(w->buckets); /* empty: each resource holds w */
}

static struct remote_resource **bucket_of(const struct remote_worker *w, uint64_t handle)
{
    return &w->buckets[(handle * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (w->n_buckets - 1)];
}

static void unlink_locked(struct remote_resource *r)
{
    for (struct remote_resource **at = bucket_of(r->worker, r->handle); *at != NULL; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            r->worker->n_resources--;
            return;
        }
    }
}

/* Inside a collection, on any thread: only hands it on. */
static void last_reference_gone(struct resource *base)
{
    struct remote_resource *r = container_of(base, struct remote_resource, base);
    struct remote_worker *w = r->worker;
    lock_take(&w->resources_lock);
    unlink_locked(r);
    lock_drop(&w->resources_lock);
    struct remote_resource *first = atomic_load_explicit(&released, memory_order_relaxed);
    do {
        r->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&released, &first, r, memory_order_release, memory_order_relaxed));
    if (first == NULL) {
        watcher_poke();
    }
}

void remote_resources_flush(void)
{
    struct wire_release out[RELEASES_PER_DATAGRAM];
    struct remote_resource *r = atomic_exchange_explicit(&released, NULL, memory_order_acquire);
    while (r != NULL) {
        size_t n = 0;
        struct remote_worker *w = r->worker; /* those of one worker mostly come in a row */
        while (r != NULL && r->worker == w && n < RELEASES_PER_DATAGRAM) {
            struct remote_resource *next = r->next;
            out[n++] = (struct wire_release) { r->handle, r->received };
            vm_free(r);
            r = next;
        }
        if (!atomic_load(&w->dead)) { /* which it becomes on this thread */
            outbox_send(w, &(struct datagram) { .kind = DATAGRAM_RELEASE }, out, n * sizeof(out[0]), NULL, 0);
        }
        for (size_t i = 0; i < n; i++) {
            worker_let_go(w);
        }
    }
}

static void grow_locked(struct remote_worker *w)
{
    size_t n = w->n_buckets;
    struct remote_resource **old = w->buckets;
    w->n_buckets = 2 * n;
    w->buckets = vm_zalloc(2 * n * sizeof(w->buckets[0]));
    for (size_t i = 0; i < n; i++) {
        while (old[i] != NULL) {
            struct remote_resource *r = old[i];
            old[i] = r->next;
            struct remote_resource **at = bucket_of(w, r->handle);
            r->next = *at;
            *at = r;
        }
    }
    vm_free(old);
}

/* With a reference for the term that is made of it. */
static struct remote_resource *object_of(struct remote_worker *w, uint64_t handle)
{
    lock_take(&w->resources_lock);
    struct remote_resource *r = *bucket_of(w, handle);
    while (r != NULL && !(r->handle == handle && resource_try_ref(&r->base))) {
        r = r->next;
    }
    if (r == NULL) {
        if (w->n_resources > w->n_buckets) {
            grow_locked(w);
        }
        r = vm_zalloc(sizeof(*r));
        r->base.destroy = last_reference_gone;
        atomic_init(&r->base.refs, 1);
        r->worker = w;
        r->handle = handle;
        struct remote_resource **at = bucket_of(w, handle);
        r->next = *at;
        *at = r;
        w->n_resources++;
        atomic_fetch_add_explicit(&w->holders, 1, memory_order_relaxed);
    }
    r->received++;
    lock_drop(&w->resources_lock);
    return r;
}

term remote_resource_term(void *arg, struct heap *h, uint64_t handle)
{
    struct remote_worker *w = arg;
    if (nif_handle_serial(handle) != w->serial) {
        return TERM_NONE; /* of another worker: nobody could have told it */
    }
    struct remote_resource *r = object_of(w, handle);
    uintptr_t *p = heap_alloc(h, HEAP_RESOURCE_WORDS);
    p[0] = TERM_HEADER(TAG_RESOURCE, HEAP_RESOURCE_WORDS - 1);
    p[2] = (uintptr_t) &r->base;
    p[3] = handle;
    heap_link_offheap(h, p, 0);
    return term_from_boxed_ptr(p);
}

/* The worker that has the object, or NULL; not a reference. */
static struct remote_worker *owner_of(const uintptr_t *object)
{
    struct resource *base = (struct resource *) object[2];
    return base != NULL && base->destroy == last_reference_gone ? container_of(base, struct remote_resource, base)->worker
                                                                : NULL;
}

uint64_t remote_handle_of(void *arg, const uintptr_t *object)
{
    struct remote_lane *lane = arg;
    struct remote_worker *owner = owner_of(object);
    if (owner == NULL) {
        return 0; /* an object of the VM, or of a library in it: a plain reference to the worker */
    }
    if (owner != lane->worker && owner->pool == lane->worker->pool) {
        if (atomic_load(&owner->dead)) {
            lane->stale = true;
            lane->out.refused = true;
        } else if (lane->other_owner == NULL) {
            bool lives = worker_try_ref(owner);
            lane->other_owner = lives ? owner : NULL;
            lane->stale = lane->stale || !lives;
            lane->out.refused = true;
        }
    }
    return object[3];
}
