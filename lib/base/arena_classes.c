/* Size classes: 16-byte steps to 128, then eight per doubling up to 32 KiB, and the slabs that
 * hold blocks of one class. */
#include <sys/mman.h>

#include "lib/base/arena_internal.h"

struct class_info arena_classes[CLASS_COUNT];

void classes_init(void)
{
    for (unsigned c = 0; c < CLASS_COUNT; c++) {
        uint32_t bytes = c < 8 ? (c + 1) * 16 : (uint32_t) (9 + (c - 8) % 8) << (4 + (c - 8) / 8);
        struct class_info *info = &arena_classes[c];
        info->block_bytes = bytes;
        info->slab_pages = bytes <= 2048 ? 1 : bytes <= 8192 ? 4 : 16;
        info->n_blocks = (uint32_t) ((info->slab_pages * PAGE_BYTES) / bytes);
        info->magazine_cap = bytes <= 256 ? 64 : bytes <= 1024 ? 32 : bytes <= 4096 ? 16 : bytes <= 8192 ? 8 : 4;
    }
}

struct meta_chunk {
    struct meta_chunk *next;
    size_t bytes;
};

static void *meta_alloc(struct arena *a, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t) 15;
    if ((size_t) (a->meta_end - a->meta_at) < bytes) {
        size_t chunk_bytes = 256 << 10;
        struct meta_chunk *chunk = meta_map(chunk_bytes);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->next = a->meta_chunks;
        chunk->bytes = chunk_bytes;
        a->meta_chunks = chunk;
        a->meta_at = (char *) chunk + sizeof(*chunk);
        a->meta_end = (char *) chunk + chunk_bytes;
    }
    void *p = a->meta_at;
    a->meta_at += bytes;
    return p;
}

void meta_release(struct arena *a)
{
    while (a->meta_chunks != NULL) {
        struct meta_chunk *chunk = a->meta_chunks;
        a->meta_chunks = chunk->next;
        munmap(chunk, chunk->bytes);
    }
}

static void list_add(struct arena *a, struct slab *s)
{
    s->prev = NULL;
    s->next = a->partial[s->class];
    if (s->next != NULL) {
        s->next->prev = s;
    }
    a->partial[s->class] = s;
    s->listed = true;
}

static void list_remove(struct arena *a, struct slab *s)
{
    if (s->prev != NULL) {
        s->prev->next = s->next;
    } else {
        a->partial[s->class] = s->next;
    }
    if (s->next != NULL) {
        s->next->prev = s->prev;
    }
    s->listed = false;
}

static struct slab *slab_new(struct arena *a, unsigned class, bool past_limit)
{
    const struct class_info *info = &arena_classes[class];
    struct slab *s = a->spare_slabs[class];
    if (s != NULL) {
        a->spare_slabs[class] = s->next;
    } else {
        size_t state_bytes = (info->n_blocks + 1) & ~(size_t) 1;
        s = meta_alloc(a, sizeof(*s) + state_bytes + info->n_blocks * sizeof(*s->stack));
        if (s == NULL) {
            return NULL;
        }
        s->stack = (uint16_t *) (void *) ((char *) s->state + state_bytes);
    }
    size_t page = run_alloc(a, info->slab_pages, past_limit);
    if (page == RUN_NONE) {
        s->next = a->spare_slabs[class];
        a->spare_slabs[class] = s;
        return NULL;
    }
    s->base = a->base + (page << PAGE_SHIFT);
    s->block_bytes = info->block_bytes;
    s->n_blocks = info->n_blocks;
    s->class = (uint8_t) class;
    s->n_fresh = s->n_stacked = s->n_out = 0;
    s->inverse = ((UINT64_C(1) << 40) + info->block_bytes - 1) / info->block_bytes;
    for (size_t i = 0; i < info->slab_pages; i++) {
        atomic_store_explicit(&a->pages[page + i], (uintptr_t) s | PAGE_SLAB, memory_order_release);
    }
    list_add(a, s);
    return s;
}

static void slab_drop(struct arena *a, struct slab *s)
{
    list_remove(a, s);
    size_t page = (size_t) (s->base - a->base) >> PAGE_SHIFT;
    size_t n = arena_classes[s->class].slab_pages;
    for (size_t i = 0; i < n; i++) {
        page_set(a, page + i, PAGE_INSIDE);
    }
    run_free(a, page, n);
    s->next = a->spare_slabs[s->class];
    a->spare_slabs[s->class] = s;
}

size_t slab_take(struct arena *a, unsigned class, struct cached_block *out, size_t n, bool past_limit)
{
    size_t got = 0;
    while (got < n) {
        struct slab *s = a->partial[class];
        if (s == NULL) {
            s = slab_new(a, class, past_limit);
            if (s == NULL) {
                break;
            }
        }
        while (got < n && s->n_out < s->n_blocks) {
            uint32_t i = s->n_stacked > 0 ? s->stack[--s->n_stacked] : s->n_fresh++;
            out[got++] = (struct cached_block) { s->base + (size_t) i * s->block_bytes, &s->state[i] };
            s->n_out++;
        }
        if (s->n_out == s->n_blocks) {
            list_remove(a, s);
        }
    }
    return got;
}

void slab_give(struct arena *a, const struct cached_block *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t page = (size_t) ((char *) blocks[i].p - a->base) >> PAGE_SHIFT;
        struct slab *s = (struct slab *) (page_word(a, page) - PAGE_SLAB);
        s->stack[s->n_stacked++] = (uint16_t) (blocks[i].state - s->state);
        s->n_out--;
        if (!s->listed) {
            list_add(a, s);
        } else if (s->n_out == 0 && (s->next != NULL || s->prev != NULL)) {
            slab_drop(a, s); /* keep the last one: the class is in use */
        }
    }
}
