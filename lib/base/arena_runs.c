/* Page runs. Free runs hang in bins by length; neighbours coalesce through the words of their
 * first and last page. A run that is freed goes to the head of its bin: memory that was touched
 * last is used first, because a fresh page costs the kernel twenty times a warm one. For the same
 * reason free memory goes back to the kernel when the VM is idle (arena_trim), and at once only when
 * there is a lot of it. */
#include <fcntl.h>
#include <sys/mman.h>

#include "lib/base/arena_internal.h"

enum {
    GIVE_BACK_PAGES = 64, /* smaller runs are not worth a system call */
    TRIM_PAGES = 256,     /* given back in one go under the lock */
};

static unsigned bin_of(size_t n)
{
    if (n < RUN_EXACT_BINS) {
        return (unsigned) n;
    }
    unsigned log = 63 - (unsigned) __builtin_clzl(n); /* 6 for 64..127 */
    unsigned bin = RUN_EXACT_BINS + (log - 6) * 8 + ((unsigned) (n >> (log - 3)) & 7);
    return bin < RUN_BINS ? bin : RUN_BINS - 1;
}

static void bin_insert(struct arena *a, size_t page, size_t n)
{
    unsigned bin = bin_of(n);
    uint32_t id = (uint32_t) page + 1;
    a->links[page] = (struct run_link) { .next = a->bins[bin], .prev = 0 };
    if (a->bins[bin] != 0) {
        a->links[a->bins[bin] - 1].prev = id;
    }
    a->bins[bin] = id;
    a->bin_map[bin / 64] |= UINT64_C(1) << bin % 64;
    page_set(a, page, n << 3 | PAGE_FREE);
    page_set(a, page + n - 1, n << 3 | PAGE_FREE);
    a->free_pages += n;
}

static void bin_remove(struct arena *a, size_t page, size_t n)
{
    unsigned bin = bin_of(n);
    struct run_link link = a->links[page];
    if (link.next != 0) {
        a->links[link.next - 1].prev = link.prev;
    }
    if (link.prev != 0) {
        a->links[link.prev - 1].next = link.next;
    } else {
        a->bins[bin] = link.next;
        if (link.next == 0) {
            a->bin_map[bin / 64] &= ~(UINT64_C(1) << bin % 64);
        }
    }
    a->free_pages -= n;
}

/* The first bin >= from that is not empty, or RUN_BINS. */
static unsigned bin_next(const struct arena *a, unsigned from)
{
    if (from >= RUN_BINS) {
        return RUN_BINS;
    }
    uint64_t map = a->bin_map[from / 64] & ~UINT64_C(0) << from % 64;
    for (unsigned i = from / 64;;) {
        if (map != 0) {
            return i * 64 + (unsigned) __builtin_ctzll(map);
        }
        if (++i == ARRAY_LEN(a->bin_map)) {
            return RUN_BINS;
        }
        map = a->bin_map[i];
    }
}

/* A free run of at least n pages; RUN_NONE if there is none. */
static size_t find_free(const struct arena *a, size_t n)
{
    unsigned bin = bin_of(n);
    if (bin >= RUN_EXACT_BINS) {
        /* Runs of this bin may be too short; look at a few, then take any of a larger bin. */
        uint32_t id = a->bins[bin];
        for (int tries = bin == RUN_BINS - 1 ? INT32_MAX : 16; id != 0 && tries > 0; tries--) {
            if (page_word(a, id - 1) >> 3 >= n) {
                return id - 1;
            }
            id = a->links[id - 1].next;
        }
        bin++;
    }
    bin = bin_next(a, bin);
    return bin == RUN_BINS ? RUN_NONE : a->bins[bin] - 1;
}

/* Sets or clears the cold bits of a range; the number that changed. */
static size_t set_cold(struct arena *a, size_t page, size_t n, bool cold)
{
    size_t changed = 0;
    for (size_t end = page + n; page < end;) {
        size_t bit = page % 64, count = end - page < 64 - bit ? end - page : 64 - bit;
        uint64_t mask = (count == 64 ? ~UINT64_C(0) : (UINT64_C(1) << count) - 1) << bit;
        uint64_t *w = &a->cold[page / 64];
        changed += (size_t) __builtin_popcountll((cold ? ~*w : *w) & mask);
        *w = cold ? *w | mask : *w & ~mask;
        page += count;
    }
    return changed;
}

static void mark_live(struct arena *a, size_t page, size_t n)
{
    if (a->cold_pages > 0) {
        a->cold_pages -= set_cold(a, page, n, false);
    }
    page_set(a, page, n << 3 | PAGE_RUN);
    for (size_t i = 1; i < n; i++) {
        page_set(a, page + i, PAGE_INSIDE);
    }
}

static bool within_limit(const struct arena *a, size_t n, bool past_limit)
{
    size_t used = atomic_load_explicit(&a->used_pages, memory_order_relaxed);
    return past_limit || (used + n) << PAGE_SHIFT <= a->limit_bytes;
}

static void count_used(struct arena *a, size_t n)
{
    atomic_fetch_add_explicit(&a->used_pages, n, memory_order_relaxed); /* n may be "negative" */
}

static void count_warm(struct arena *a)
{
    atomic_store_explicit(&a->warm_pages, a->free_pages - a->cold_pages, memory_order_relaxed);
}

size_t run_alloc(struct arena *a, size_t n, bool past_limit)
{
    if (n > a->n_pages || !within_limit(a, n, past_limit)) {
        return RUN_NONE;
    }
    size_t page = find_free(a, n);
    if (page != RUN_NONE) {
        size_t have = page_word(a, page) >> 3;
        bin_remove(a, page, have);
        if (have > n) {
            bin_insert(a, page + n, have - n);
        }
    } else {
        if (a->n_pages - a->frontier < n) {
            return RUN_NONE;
        }
        page = a->frontier;
        a->frontier += n;
    }
    mark_live(a, page, n);
    count_used(a, n);
    count_warm(a);
    return page;
}

static void give_back(struct arena *a, size_t page, size_t n)
{
    a->cold_pages += set_cold(a, page, n, true);
    if (a->backing == ARENA_MEMFD) {
        (void) fallocate(a->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, (off_t) (page << PAGE_SHIFT),
            (off_t) (n << PAGE_SHIFT));
    } else {
        (void) madvise(a->base + (page << PAGE_SHIFT), n << PAGE_SHIFT, MADV_DONTNEED);
    }
}

void run_free(struct arena *a, size_t page, size_t n)
{
    count_used(a, (size_t) 0 - n);
    page_set(a, page, PAGE_INSIDE); /* no longer a block */
    size_t first = page, end = page + n;
    if (first > 0 && (page_word(a, first - 1) & PAGE_KIND_MASK) == PAGE_FREE) {
        size_t before = page_word(a, first - 1) >> 3;
        first -= before;
        bin_remove(a, first, before);
    }
    if (end < a->frontier && (page_word(a, end) & PAGE_KIND_MASK) == PAGE_FREE) {
        size_t after = page_word(a, end) >> 3;
        bin_remove(a, end, after);
        end += after;
    }
    /* Inner boundary words of what was merged must not look like ends of free runs. */
    page_set(a, page, PAGE_INSIDE);
    page_set(a, page + n - 1, PAGE_INSIDE);
    if (page > first) {
        page_set(a, page - 1, PAGE_INSIDE);
    }
    if (page + n < end) {
        page_set(a, page + n, PAGE_INSIDE);
    }
    bin_insert(a, first, end - first);
    size_t used = atomic_load_explicit(&a->used_pages, memory_order_relaxed);
    size_t keep = (a->limit_bytes >> PAGE_SHIFT) / 16;
    if (n >= GIVE_BACK_PAGES && a->free_pages - a->cold_pages > used + keep) {
        give_back(a, page, n);
    }
    count_warm(a);
}

bool run_resize(struct arena *a, size_t page, size_t from, size_t to)
{
    if (to < from) {
        page_set(a, page, to << 3 | PAGE_RUN);
        page_set(a, page + to, (from - to) << 3 | PAGE_RUN);
        run_free(a, page + to, from - to);
        return true;
    }
    size_t more = to - from, end = page + from;
    if (more == 0) {
        return true;
    }
    if (!within_limit(a, more, false)) {
        return false;
    }
    if (end == a->frontier) {
        if (a->n_pages - a->frontier < more) {
            return false;
        }
        a->frontier += more;
    } else {
        uintptr_t w = page_word(a, end);
        if ((w & PAGE_KIND_MASK) != PAGE_FREE || w >> 3 < more) {
            return false;
        }
        size_t have = w >> 3;
        bin_remove(a, end, have);
        if (have > more) {
            bin_insert(a, end + more, have - more);
        }
    }
    mark_live(a, page, to);
    count_used(a, more);
    return true;
}

/* Is there a run of at least GIVE_BACK_PAGES with warm pages in this list? Gives back one. */
static bool trim_bin(struct arena *a, uint32_t id)
{
    for (; id != 0; id = a->links[id - 1].next) {
        size_t page = id - 1, n = page_word(a, page) >> 3;
        while (n >= GIVE_BACK_PAGES) {
            size_t part = n < TRIM_PAGES ? n : TRIM_PAGES;
            size_t before = a->cold_pages;
            a->cold_pages += set_cold(a, page, part, true);
            if (a->cold_pages > before) {
                give_back(a, page, part);
                return true;
            }
            page += part;
            n -= part;
        }
    }
    return false;
}

bool run_trim(struct arena *a)
{
    for (unsigned bin = RUN_BINS; bin-- > RUN_EXACT_BINS;) {
        if (trim_bin(a, a->bins[bin])) {
            count_warm(a);
            return true;
        }
    }
    return false;
}
