/* Slots in chunks that never move, so that lookups take no lock; the lock guards all changes. */
#include "nif/nif_handle.h"

#include "lib/base/arena.h"
#include "lib/base/lock.h"

enum {
    CHUNK_SHIFT = 10,
    CHUNK = 1 << CHUNK_SHIFT,
    N_CHUNKS = NIF_HANDLE_SLOTS >> CHUNK_SHIFT,
    LAST_GENERATION = (1 << NIF_HANDLE_GENERATION_BITS) - 1,
    NO_SLOT = UINT32_MAX,
};

struct handle_slot {
    struct nif_resource *_Atomic object; /* NULL: free */
    _Atomic uint32_t generation;         /* of the object, or of the one before */
    uint32_t next_free;                  /* under the lock, as is sent */
    uint64_t sent;                       /* references handed to the VM; > 0: we hold the object */
};

static struct lock lock;
static struct handle_slot *_Atomic chunks[N_CHUNKS];
static _Atomic uint32_t serial_plus_1; /* 0: no worker */
/* Under the lock. The slot that was free longest is used first. */
static uint32_t n_fresh, first_free = NO_SLOT, last_free;
static size_t n_used;

void nif_handle_init(uint32_t serial)
{
    lock_init(&lock, RANK_NIF_HANDLE);
    serial &= (1u << NIF_HANDLE_SERIAL_BITS) - 1;
    atomic_store_explicit(&serial_plus_1, serial + 1, memory_order_release);
}

bool nif_handle_is_worker(void)
{
    return atomic_load_explicit(&serial_plus_1, memory_order_acquire) != 0;
}

static struct handle_slot *chunk_of(uint32_t i)
{
    return atomic_load_explicit(&chunks[i >> CHUNK_SHIFT], memory_order_acquire);
}

/* pre: i was taken once */
static struct handle_slot *slot_at(uint32_t i)
{
    return &chunk_of(i)[i & (CHUNK - 1)];
}

/* The slot of a handle of ours whose generation is the present one. */
static struct handle_slot *find(uint64_t id)
{
    uint32_t serial = atomic_load_explicit(&serial_plus_1, memory_order_acquire);
    if (!nif_handle_is(id) || serial == 0 || nif_handle_serial(id) != serial - 1) {
        return NULL;
    }
    uint32_t i = nif_handle_slot(id);
    if (chunk_of(i) == NULL) {
        return NULL;
    }
    struct handle_slot *s = slot_at(i);
    uint32_t now = atomic_load_explicit(&s->generation, memory_order_acquire);
    return now == nif_handle_generation(id) ? s : NULL;
}

struct nif_resource *nif_resource_of_handle(uint64_t id)
{
    struct handle_slot *s = find(id);
    return s != NULL ? atomic_load_explicit(&s->object, memory_order_acquire) : NULL;
}

static uint32_t take_slot_locked(void)
{
    uint32_t i = first_free;
    if (i != NO_SLOT) {
        first_free = slot_at(i)->next_free;
        return i;
    }
    if (n_fresh == NIF_HANDLE_SLOTS) {
        return NO_SLOT;
    }
    if (n_fresh % CHUNK == 0) {
        struct handle_slot *chunk = vm_zalloc(CHUNK * sizeof(*chunk));
        atomic_store_explicit(&chunks[n_fresh >> CHUNK_SHIFT], chunk, memory_order_release);
    }
    return n_fresh++;
}

uint64_t nif_handle_new(struct nif_resource *r)
{
    if (!nif_handle_is_worker()) {
        return 0;
    }
    lock_take(&lock);
    uint64_t id = atomic_load_explicit(&r->id, memory_order_relaxed);
    uint32_t i = id == 0 ? take_slot_locked() : NO_SLOT;
    if (i != NO_SLOT) {
        struct handle_slot *s = slot_at(i);
        uint32_t generation = atomic_load_explicit(&s->generation, memory_order_relaxed) + 1;
        id = nif_handle_make(
            atomic_load_explicit(&serial_plus_1, memory_order_relaxed) - 1, i, generation);
        s->sent = 0;
        atomic_store_explicit(&s->object, r, memory_order_relaxed);
        /* Release: who finds this generation finds this object. */
        atomic_store_explicit(&s->generation, generation, memory_order_release);
        atomic_store_explicit(&r->id, id, memory_order_relaxed);
        n_used++;
    }
    lock_drop(&lock);
    return id;
}

void nif_handle_drop(struct nif_resource *r)
{
    uint64_t id = atomic_load_explicit(&r->id, memory_order_relaxed);
    if (!nif_handle_is_worker() || !nif_handle_is(id)) {
        return;
    }
    lock_take(&lock);
    struct handle_slot *s = find(id);
    if (s != NULL && atomic_load_explicit(&s->object, memory_order_relaxed) == r) {
        uint32_t i = nif_handle_slot(id);
        atomic_store_explicit(&s->object, NULL, memory_order_relaxed);
        n_used--;
        if (nif_handle_generation(id) < LAST_GENERATION) {
            s->next_free = NO_SLOT;
            if (first_free == NO_SLOT) {
                first_free = i;
            } else {
                slot_at(last_free)->next_free = i;
            }
            last_free = i;
        }
    }
    lock_drop(&lock);
}

uint64_t nif_handle_sent(struct nif_resource *r)
{
    uint64_t id = atomic_load_explicit(&r->id, memory_order_relaxed);
    if (id == 0) {
        id = nif_handle_new(r);
    }
    if (!nif_handle_is_worker() || !nif_handle_is(id)) {
        return 0;
    }
    lock_take(&lock);
    struct handle_slot *s = find(id);
    VM_REQUIRE(s != NULL);
    if (s->sent++ == 0) {
        resource_ref(&r->base);
    }
    lock_drop(&lock);
    return id;
}

void nif_handle_released(uint64_t id, uint64_t count)
{
    struct nif_resource *gone = NULL;
    if (!nif_handle_is_worker()) {
        return;
    }
    lock_take(&lock);
    struct handle_slot *s = find(id);
    if (s != NULL && count > 0 && count <= s->sent) {
        s->sent -= count;
        gone = s->sent == 0 ? atomic_load_explicit(&s->object, memory_order_relaxed) : NULL;
    }
    lock_drop(&lock);
    if (gone != NULL) { /* outside of the lock: it may be the last */
        resource_unref(&gone->base);
    }
}

size_t nif_handle_count(void)
{
    if (!nif_handle_is_worker()) {
        return 0;
    }
    lock_take(&lock);
    size_t n = n_used;
    lock_drop(&lock);
    return n;
}
