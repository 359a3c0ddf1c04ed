#include "vm/core/literal.h"

#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm/core/copy.h"

void (*literal_retired_hook)(void);
_Atomic int literal_heaps_kept;

/* ---- blocks ---- */

enum { FIRST_WORDS = 64, MOST_WORDS = 2048 }; /* of a block for many literals */

static struct literal_block *block_new(size_t words)
{
    size_t head = sizeof(struct literal_block);
    size_t bytes = arena_good_size(head + words * sizeof(uintptr_t));
    struct literal_block *b = words > UINT32_MAX / 2 ? NULL : arena_alloc(arena_literals, bytes);
    if (b != NULL) {
        memset(b, 0, head);
        b->size_words = (uint32_t) ((bytes - head) / sizeof(uintptr_t));
    }
    return b;
}

static term copy_into_block(term t, size_t n, struct literal_block *b)
{
    uintptr_t *at = &b->words[b->used_words];
    b->used_words += (uint32_t) n;
    return copy_into_all(t, &at, &b->offheap);
}

term literal_copy_alone(term t, struct literal_block **out)
{
    size_t n = copy_size_all(t);
    *out = NULL;
    if (n == 0) {
        return t;
    }
    *out = block_new(n);
    return *out == NULL ? TERM_NONE : copy_into_block(t, n, *out);
}

term literal_copy(term t, struct literal_block **list)
{
    size_t n = copy_size_all(t);
    if (n == 0) {
        return t;
    }
    struct literal_block *b = *list;
    if (b == NULL || b->size_words - b->used_words < n) {
        size_t words = literal_words(*list) / 2;
        words = words < FIRST_WORDS ? FIRST_WORDS : words > MOST_WORDS ? MOST_WORDS : words;
        b = block_new(n > words ? n : words);
        if (b == NULL) {
            return TERM_NONE;
        }
        if (*list != NULL && n > words) { /* full: the former first one has more room */
            b->next = (*list)->next;
            (*list)->next = b;
        } else {
            b->next = *list;
            *list = b;
        }
    }
    return copy_into_block(t, n, b);
}

struct literal_block *literal_block_of(term alone)
{
    if (term_is_immed(alone)) {
        return NULL;
    }
    return (struct literal_block *) ((char *) term_words(alone) - offsetof(struct literal_block, words));
}

size_t literal_words(const struct literal_block *list)
{
    size_t words = 0;
    for (; list != NULL; list = list->next) {
        words += list->used_words;
    }
    return words;
}

static void block_free(struct literal_block *b)
{
    heap_offheap_drop(b->offheap);
#ifdef ENABLE_ASSERTS
    /* For tests: nobody gets the memory again, so that whoever still refers to it is found out. */
    bool keep = getenv("BULKHEAD_KEEP_LITERALS") != NULL;
    memset(b, (int) (LITERAL_FREED & 0xFF), sizeof(*b) + b->size_words * sizeof(uintptr_t));
    if (keep) {
        return;
    }
#endif
    arena_free(arena_literals, b);
}

void literal_free(struct literal_block *list)
{
    while (list != NULL) {
        struct literal_block *next = list->next;
        block_free(list);
        list = next;
    }
}

/* ---- what was retired ---- */

static struct literal_block *_Atomic retired; /* a stack that one thread empties */
static struct literal_junk *_Atomic junk;
static _Atomic size_t retired_bytes;

static size_t block_bytes(const struct literal_block *b)
{
    return sizeof(*b) + b->size_words * sizeof(uintptr_t);
}

static void retire(struct literal_block *first, struct literal_block *last)
{
    last->next = atomic_load_explicit(&retired, memory_order_relaxed);
    /* Release pairs with the acquire in literal_batch_take(). */
    while (!atomic_compare_exchange_weak_explicit(
        &retired, &last->next, first, memory_order_release, memory_order_relaxed)) {
    }
}

static void tell(void)
{
    if (literal_retired_hook != NULL) {
        literal_retired_hook();
    }
}

void literal_retire(struct literal_block *list)
{
    if (list == NULL) {
        return;
    }
    struct literal_block *last = list;
    size_t bytes = block_bytes(list);
    list->counted = true;
    while (last->next != NULL) {
        last = last->next;
        last->counted = true;
        bytes += block_bytes(last);
    }
    atomic_fetch_add_explicit(&retired_bytes, bytes, memory_order_relaxed);
    retire(list, last);
    tell();
}

void literal_retire_junk(struct literal_junk *j, size_t bytes, void (*free)(struct literal_junk *j))
{
    j->bytes = bytes;
    j->free = free;
    atomic_fetch_add_explicit(&retired_bytes, bytes, memory_order_relaxed);
    j->next = atomic_load_explicit(&junk, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&junk, &j->next, j, memory_order_release, memory_order_relaxed)) {
    }
    tell();
}

size_t literal_retired_bytes(void)
{
    return atomic_load_explicit(&retired_bytes, memory_order_relaxed);
}

/* ---- slices ---- */

static struct literal_thread *_Atomic threads; /* only grows: a few bytes for each scheduler thread ever */
_Thread_local struct literal_thread *literal_thread __attribute__((tls_model("initial-exec")));
const struct literal_batch *_Atomic literal_published;

struct literal_thread *literal_thread_join(void)
{
    struct literal_thread *t = vm_zalloc(sizeof(*t));
    t->next = atomic_load_explicit(&threads, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&threads, &t->next, t, memory_order_release, memory_order_relaxed)) {
    }
    return literal_thread = t;
}

bool literal_grace_init(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void literal_grace_begin(struct literal_grace *g)
{
    VM_REQUIRE(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
    g->n = 0;
    struct literal_thread *t = atomic_load_explicit(&threads, memory_order_acquire);
    for (; t != NULL; t = t->next) {
        uint64_t n = atomic_load_explicit(&t->count, memory_order_acquire);
        if (n % 2 == 0) {
            continue;
        }
        if (g->n == g->capacity) {
            g->capacity = g->capacity == 0 ? 64 : 2 * g->capacity;
            g->slices = vm_realloc(g->slices, g->capacity * sizeof(*g->slices));
        }
        g->slices[g->n++] = (struct literal_slice) { &t->count, n };
    }
}

bool literal_grace_over(struct literal_grace *g)
{
    while (g->n > 0) {
        const struct literal_slice *s = &g->slices[g->n - 1];
        /* Acquire: what the slice did comes before what is freed now. */
        if (atomic_load_explicit(s->count, memory_order_acquire) == s->value) {
            return false;
        }
        g->n--;
    }
    return true;
}

/* ---- a batch ---- */

enum { BATCH_MOST = 1 << 18 };

/* Heapsort: no recursion, no memory. */
static void sift(struct literal_range *r, size_t at, size_t n)
{
    struct literal_range moving = r[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && r[child + 1].start > r[child].start;
        if (r[child].start <= moving.start) {
            break;
        }
        r[at] = r[child];
    }
    r[at] = moving;
}

static void sort(struct literal_range *r, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        sift(r, i - 1, n);
    }
    for (size_t i = n; i > 1; i--) {
        struct literal_range largest = r[0];
        r[0] = r[i - 1];
        r[i - 1] = largest;
        sift(r, 0, i - 1);
    }
}

bool literal_batch_take(struct literal_batch *b)
{
    *b = (struct literal_batch) { 0 };
    struct literal_block *all = atomic_exchange_explicit(&retired, NULL, memory_order_acquire), *rest = all;
    while (rest != NULL && b->n < BATCH_MOST) {
        rest = rest->next;
        b->n++;
    }
    b->ranges = b->n == 0 ? NULL : vm_try_alloc(b->n * sizeof(*b->ranges));
    if (b->ranges == NULL) {
        rest = all;
        b->n = 0;
    }
    size_t bytes = 0;
    for (size_t i = 0; i < b->n; i++) {
        uintptr_t start = (uintptr_t) all->words;
        b->ranges[i] = (struct literal_range) { start, start + all->used_words * sizeof(uintptr_t), all };
        bytes += all->counted ? block_bytes(all) : 0;
        all->counted = false;
        all = all->next;
    }
    if (rest != NULL) {
        struct literal_block *last = rest;
        while (last->next != NULL) {
            last = last->next;
        }
        retire(rest, last);
    }
    if (b->n > 0) {
        sort(b->ranges, b->n);
        b->low = b->ranges[0].start;
        b->bytes = b->ranges[b->n - 1].end - b->low;
    }
    b->junk = atomic_exchange_explicit(&junk, NULL, memory_order_acquire);
    for (const struct literal_junk *j = b->junk; j != NULL; j = j->next) {
        bytes += j->bytes;
    }
    atomic_fetch_sub_explicit(&retired_bytes, bytes, memory_order_relaxed);
    return b->n > 0 || b->junk != NULL;
}

void literal_batch_publish(const struct literal_batch *b)
{
    atomic_store_explicit(&literal_published, b, memory_order_release);
}

size_t literal_batch_finish(struct literal_batch *b, bool free_none)
{
    size_t n_left = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct literal_block *l = b->ranges[i].block;
        if (!free_none && !atomic_load_explicit(&l->held, memory_order_acquire)) {
            block_free(l);
            continue;
        }
        if (atomic_load_explicit(&l->held, memory_order_relaxed)) {
            atomic_store_explicit(&l->held, false, memory_order_relaxed);
            l->n_held += l->n_held < UINT16_MAX;
        }
        n_left++;
        retire(l, l);
    }
    while (b->junk != NULL) {
        struct literal_junk *next = b->junk->next;
        b->junk->free(b->junk);
        b->junk = next;
    }
    vm_free(b->ranges);
    b->ranges = NULL;
    b->n = 0;
    return n_left;
}

const struct literal_range *literal_batch_find(const struct literal_batch *b, uintptr_t address)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct literal_range *r = &b->ranges[middle];
        if (address < r->start) {
            high = middle;
        } else if (address >= r->end) {
            low = middle + 1;
        } else {
            return r;
        }
    }
    return NULL;
}

unsigned literal_batch_look(const struct literal_batch *b, const void *words, size_t n, bool hold)
{
    unsigned found = 0;
    uintptr_t low = b->low, bytes = b->bytes;
    const uintptr_t *w = words;
    for (size_t i = 0; i < n; i++) {
        if (__builtin_expect(w[i] - low >= bytes, 1)) {
            continue;
        }
        const struct literal_range *r = literal_batch_find(b, w[i]);
        if (r != NULL) {
            /* After the first times only now and then. */
            unsigned times = r->block->n_held;
            found |= LITERAL_FOUND | ((times & (times - 1)) == 0 ? LITERAL_COLLECT : 0);
            if (hold) {
                atomic_store_explicit(&r->block->held, true, memory_order_release);
            }
        }
    }
    return found;
}
