/* nif_owed.c - what a native call has got from the API and must itself give back: binaries,
 * environments and resource references.
 *
 * A call that returns may keep them (the API allows it), so they are forgotten. A call that is
 * abandoned will most likely never give them back; but it may have stored a pointer somewhere, so
 * they are not freed at once: they wait in a ring, and the oldest are freed when new ones come
 * and the ring is full or holds too many bytes. A million crashes cost no more than the ring.
 */
#include "lib/base/arena.h"
#include "lib/base/lock.h"
#include "nif/enif.h"
#include "nif/nif_resource.h"
#include "vm/core/bits.h"

enum { OWED_MAX = 256, RING_SLOTS = 256, RING_MAX_BYTES = 16 << 20 };

struct owed {
    enum nif_owed_kind kind;
    void *p; /* NULL in the ring: given back by somebody after all */
    size_t bytes;
};

/* A stack per thread. When it is full the oldest are forgotten, which costs a leak at worst. */
_Thread_local uint32_t nif_owed_count __attribute__((tls_model("local-exec")));
static _Thread_local struct owed owed[OWED_MAX] __attribute__((tls_model("local-exec")));

static struct {
    struct lock lock;
    struct owed slots[RING_SLOTS];
    unsigned first;
    _Atomic unsigned n; /* written under the lock; a hint for others */
    size_t bytes;
} ring = { .lock = { PTHREAD_MUTEX_INITIALIZER, RANK_NIF_OWED, RANK_NONE } };

void nif_owed_add(enum nif_owed_kind kind, void *p)
{
    if (nif_env_current != NULL && nif_owed_count < OWED_MAX) {
        owed[nif_owed_count++] = (struct owed) { kind, p, 0 };
        nif_env_current->eventful = true;
    }
}

static size_t owed_bytes(struct owed o)
{
    switch (o.kind) {
    case NIF_OWED_BINARY:
        return ((struct offheap_bin *) o.p)->capacity;
    case NIF_OWED_ENV:
        return heap_total_words(((ErlNifEnv *) o.p)->heap) * sizeof(uintptr_t);
    case NIF_OWED_RESOURCE:
        return ((struct nif_resource *) o.p)->size;
    }
    return 0;
}

static void give_back(struct owed o)
{
    if (o.p == NULL) {
        return;
    }
    switch (o.kind) {
    case NIF_OWED_BINARY:
        offheap_bin_unref(o.p);
        break;
    case NIF_OWED_ENV:
        enif_free_env(o.p);
        break;
    case NIF_OWED_RESOURCE:
        nif_resource_abandon(o.p);
        break;
    }
}

static void put_in_ring(struct owed o)
{
    struct owed out[RING_SLOTS];
    unsigned n_out = 0;
    o.bytes = owed_bytes(o);
    lock_take(&ring.lock);
    while (ring.n > 0 && (ring.n == RING_SLOTS || ring.bytes + o.bytes > RING_MAX_BYTES)) {
        out[n_out] = ring.slots[ring.first];
        ring.bytes -= out[n_out].bytes;
        n_out++;
        ring.first = (ring.first + 1) % RING_SLOTS;
        ring.n--;
    }
    ring.slots[(ring.first + ring.n) % RING_SLOTS] = o;
    ring.n++;
    ring.bytes += o.bytes;
    lock_drop(&ring.lock);
    for (unsigned i = 0; i < n_out; i++) {
        give_back(out[i]);
    }
}

/* Somebody had kept the pointer and gives it back in order. */
static void remove_from_ring(void *p)
{
    lock_take(&ring.lock);
    for (unsigned i = 0; i < ring.n; i++) {
        struct owed *o = &ring.slots[(ring.first + i) % RING_SLOTS];
        if (o->p == p) {
            o->p = NULL;
            break;
        }
    }
    lock_drop(&ring.lock);
}

void nif_owed_remove(void *p)
{
    for (uint32_t i = nif_owed_count; i-- > 0;) {
        if (owed[i].p == p) {
            owed[i] = owed[--nif_owed_count];
            return;
        }
    }
    if (__builtin_expect(atomic_load_explicit(&ring.n, memory_order_relaxed) != 0, 0)) {
        remove_from_ring(p);
    }
}

void nif_env_drop_owed(struct enif_environment_t *env, bool crashed)
{
    while (nif_owed_count > env->owed_at) {
        struct owed o = owed[--nif_owed_count];
        if (crashed) {
            put_in_ring(o);
        }
    }
}
