#include "lib/base/arena.h"
#include "vm/core/bits.h"

/* Private memory of the program: nobody else writes here. */
static void (*_Atomic destroyers[OFFHEAP_KINDS])(struct offheap_bin *);

void (*offheap_unreadable_hook)(void);

void offheap_set_destroy(enum offheap_kind kind, void (*destroy)(struct offheap_bin *))
{
    atomic_store_explicit(&destroyers[kind], destroy, memory_order_relaxed);
}

struct offheap_bin *offheap_bin_new(size_t bytes)
{
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    size_t total = arena_good_size(sizeof(struct offheap_bin) + bytes);
    struct offheap_bin *b = arena_alloc(arena_terms, total);
    if (b == NULL) {
        return NULL;
    }
    atomic_init(&b->refs, 1);
    atomic_init(&b->append_end_bits, UINT64_MAX);
    b->capacity = total - sizeof(*b);
    b->kind = OFFHEAP_BYTES;
    return b;
}

void offheap_bin_ref(struct offheap_bin *b)
{
    VM_ASSERT(!arena_is_foreign(b));
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
}

static void destroy_kind(struct offheap_bin *b, uint64_t kind)
{
    /* A number that is none was written by somebody else: leave the block alone. */
    void (*destroy)(struct offheap_bin *) =
        kind < OFFHEAP_KINDS ? atomic_load_explicit(&destroyers[kind], memory_order_relaxed) : NULL;
    if (destroy != NULL) {
        destroy(b);
    }
}

void offheap_bin_unref(struct offheap_bin *b)
{
    VM_ASSERT(!arena_is_foreign(b));
    /* A lone owner needs no locked instruction: nobody else can take a reference. The acquire
     * pairs with the releases of those who dropped theirs. */
    if (atomic_load_explicit(&b->refs, memory_order_acquire) != 1
        && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    if (__builtin_expect(b->kind == OFFHEAP_BYTES, 1)) {
        arena_free(arena_terms, b);
    } else {
        destroy_kind(b, b->kind);
    }
}

uint8_t *offheap_bytes_elsewhere(const struct offheap_bin *b)
{
    uint8_t *elsewhere;
    if (arena_is_foreign(b)) {
        if (b->kind == OFFHEAP_RESOURCE) { /* memory of a library in the VM */
            if (offheap_unreadable_hook != NULL) {
                offheap_unreadable_hook();
            }
            VM_REQUIRE(!"bytes that are not in this process");
        }
        return (uint8_t *) b->data;
    }
    memcpy(&elsewhere, b->data, sizeof(elsewhere));
    return elsewhere;
}

struct offheap_bin *offheap_bin_copy_foreign(const struct offheap_bin *b, size_t *n_bits)
{
    /* A base that grows by appending reaches to its capacity, but is seen only up to here. */
    uint64_t seen = atomic_load_explicit(&b->append_end_bits, memory_order_relaxed);
    *n_bits = *n_bits < seen ? *n_bits : seen;
    size_t n = *n_bits / 8 + (*n_bits % 8 != 0);
    struct offheap_bin *own = offheap_bin_new(n);
    VM_REQUIRE(own != NULL); /* memory for a copy of a binary */
    if (n > 0) {
        memcpy(own->data, offheap_bin_bytes(b), n);
    }
    return own;
}
