#include "vm/code/code.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/lock.h"

/* ---- where images lie ----
 *
 * A sorted array under a sequence lock: lookups retry if a load or purge came in between. Arrays
 * that were outgrown are kept, because somebody may be reading them. */

struct range {
    _Atomic uintptr_t start, end;
    struct code_image *_Atomic image;
};
struct ranges {
    size_t capacity;
    _Atomic size_t n;
    struct range at[];
};

static struct ranges *_Atomic ranges;
static _Atomic uint64_t ranges_sequence; /* odd while it is being changed */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct lock lock; /* writers of ranges and catches */

void (*code_release_nif)(struct nif_lib *lib);

static void init(void)
{
    lock_init(&lock, RANK_MODULE_TABLE);
}

static void range_copy(struct range *to, const struct range *from)
{
    atomic_store_explicit(
        &to->start, atomic_load_explicit(&from->start, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(
        &to->end, atomic_load_explicit(&from->end, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(
        &to->image, atomic_load_explicit(&from->image, memory_order_relaxed), memory_order_relaxed);
}

static void begin_change(void)
{
    atomic_fetch_add_explicit(&ranges_sequence, 1, memory_order_acq_rel);
}
static void end_change(void)
{
    atomic_fetch_add_explicit(&ranges_sequence, 1, memory_order_acq_rel);
}

void code_register(struct code_image *image)
{
    pthread_once(&once, init);
    lock_take(&lock);
    struct ranges *r = atomic_load_explicit(&ranges, memory_order_relaxed);
    size_t n = r == NULL ? 0 : atomic_load_explicit(&r->n, memory_order_relaxed);
    begin_change();
    if (r == NULL || n == r->capacity) {
        size_t capacity = r == NULL ? 256 : 2 * r->capacity;
        struct ranges *grown = vm_zalloc(sizeof(*grown) + capacity * sizeof(grown->at[0]));
        grown->capacity = capacity;
        for (size_t i = 0; i < n; i++) {
            range_copy(&grown->at[i], &r->at[i]);
        }
        atomic_store_explicit(&ranges, grown, memory_order_release);
        r = grown;
    }
    uintptr_t start = (uintptr_t) image->words;
    size_t i = n;
    for (; i > 0 && atomic_load_explicit(&r->at[i - 1].start, memory_order_relaxed) > start; i--) {
        range_copy(&r->at[i], &r->at[i - 1]);
    }
    atomic_store_explicit(&r->at[i].start, start, memory_order_relaxed);
    atomic_store_explicit(
        &r->at[i].end, (uintptr_t) (image->words + image->n_words), memory_order_relaxed);
    atomic_store_explicit(&r->at[i].image, image, memory_order_relaxed);
    atomic_store_explicit(&r->n, n + 1, memory_order_release);
    end_change();
    lock_drop(&lock);
}

static void unregister(struct code_image *image)
{
    pthread_once(&once, init);
    lock_take(&lock);
    struct ranges *r = atomic_load_explicit(&ranges, memory_order_relaxed);
    size_t n = r == NULL ? 0 : atomic_load_explicit(&r->n, memory_order_relaxed);
    for (size_t i = 0; i < n; i++) {
        if (atomic_load_explicit(&r->at[i].image, memory_order_relaxed) == image) {
            begin_change();
            for (; i + 1 < n; i++) {
                range_copy(&r->at[i], &r->at[i + 1]);
            }
            atomic_store_explicit(&r->n, n - 1, memory_order_release);
            end_change();
            break;
        }
    }
    lock_drop(&lock);
}

struct code_image *code_find_image(const uint64_t *pc)
{
    uintptr_t address = (uintptr_t) pc;
    for (;;) {
        uint64_t sequence = atomic_load_explicit(&ranges_sequence, memory_order_acquire);
        struct code_image *found = NULL;
        const struct ranges *r = atomic_load_explicit(&ranges, memory_order_acquire);
        size_t low = 0, high = r == NULL ? 0 : atomic_load_explicit(&r->n, memory_order_acquire);
        while (low < high) {
            size_t middle = low + (high - low) / 2;
            const struct range *at = &r->at[middle];
            if (address < atomic_load_explicit(&at->start, memory_order_acquire)) {
                high = middle;
            } else if (address >= atomic_load_explicit(&at->end, memory_order_acquire)) {
                low = middle + 1;
            } else {
                found = atomic_load_explicit(&at->image, memory_order_acquire);
                break;
            }
        }
        /* The loads above are acquires, so this one comes after them. */
        if ((sequence & 1) == 0
            && sequence == atomic_load_explicit(&ranges_sequence, memory_order_relaxed)) {
            return found;
        }
    }
}

/* ---- inside of an image ---- */

const struct code_function *code_find_function(const struct code_image *image, const uint64_t *pc)
{
    size_t word = (size_t) (pc - image->words);
    size_t low = 0, high = image->n_functions;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct code_function *f = &image->functions[middle];
        if (word < f->header_word) {
            high = middle;
        } else if (word >= f->end_word) {
            low = middle + 1;
        } else {
            return f;
        }
    }
    return NULL;
}

bool code_find_line(
    const struct code_image *image, const uint64_t *pc, term *out_file, uint32_t *out_line)
{
    const struct code_function *f = code_find_function(image, pc);
    size_t word = (size_t) (pc - image->words);
    size_t low = 0, high = image->n_lines; /* the last one that starts at or before word */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (image->lines[middle].word <= word) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0 || f == NULL) {
        return false;
    }
    const struct code_line *line = &image->lines[low - 1];
    if (line->line == 0 || line->word < f->header_word || line->file >= image->n_files) {
        return false;
    }
    *out_file = image->files[line->file];
    *out_line = line->line;
    return true;
}

/* ---- its end ---- */

static void withdraw(struct code_image *image)
{
    unregister(image);
    if (image->nif != NULL && code_release_nif != NULL) {
        code_release_nif(image->nif);
    }
    catch_release(image->catch_base, image->n_catches);
    literal_retire(image->literals); /* processes still refer to what its code gave them */
}

static void free_memory(struct literal_junk *j)
{
    struct code_image *image = (struct code_image *) j;
    vm_free(image->words);
    vm_free(image->functions);
    vm_free(image->lines);
    vm_free(image->files);
    vm_free(image->funs);
    vm_free(image->fun_words);
    vm_free(image->exports);
    vm_free(image->strings);
    vm_free(image->path);
    vm_free(image);
}

void code_image_free(struct code_image *image)
{
    if (image != NULL) {
        withdraw(image);
        free_memory(&image->junk);
    }
}

void code_image_retire(struct code_image *image)
{
    size_t bytes = sizeof(*image) + image->n_words * sizeof(image->words[0])
                   + image->n_functions * sizeof(image->functions[0]) + image->n_lines * sizeof(image->lines[0])
                   + image->n_exports * sizeof(image->exports[0]);
    withdraw(image);
    literal_retire_junk(&image->junk, bytes, free_memory);
}

/* ---- catch tags ---- */

enum {
    CATCH_PAGE_BITS = 12,
    CATCH_PAGE = 1 << CATCH_PAGE_BITS,
    CATCH_PAGES = 1 << 12,
    CATCH_FREE_MAX = 64
};

typedef const uint64_t *_Atomic catch_slot;
static catch_slot *_Atomic catch_pages[CATCH_PAGES];
static size_t catch_next = 1; /* under the lock; 0 is never a tag */
/* Runs of indices of images that are gone, to be used again. Those that do not fit are lost. */
static struct {
    size_t first, n;
} catch_free[CATCH_FREE_MAX];
static size_t n_catch_free;

const uint64_t *catch_target(size_t index)
{
    catch_slot *page =
        atomic_load_explicit(&catch_pages[index >> CATCH_PAGE_BITS], memory_order_acquire);
    return atomic_load_explicit(&page[index % CATCH_PAGE], memory_order_acquire);
}

size_t catch_reserve(size_t n)
{
    pthread_once(&once, init);
    lock_take(&lock);
    size_t first = 0;
    for (size_t i = 0; n > 0 && i < n_catch_free; i++) {
        if (catch_free[i].n >= n) {
            first = catch_free[i].first;
            catch_free[i].first += n;
            catch_free[i].n -= n;
            if (catch_free[i].n == 0) {
                catch_free[i] = catch_free[--n_catch_free];
            }
            break;
        }
    }
    if (first == 0) {
        first = catch_next;
        catch_next += n;
        VM_REQUIRE(catch_next < (size_t) CATCH_PAGES * CATCH_PAGE); /* 16 million catches loaded */
        for (size_t page = first >> CATCH_PAGE_BITS; page <= catch_next >> CATCH_PAGE_BITS;
             page++) {
            if (atomic_load_explicit(&catch_pages[page], memory_order_relaxed) == NULL) {
                catch_slot *slots = vm_zalloc(CATCH_PAGE * sizeof(*slots));
                atomic_store_explicit(&catch_pages[page], slots, memory_order_release);
            }
        }
    }
    lock_drop(&lock);
    return first;
}

void catch_set(size_t index, const uint64_t *target)
{
    catch_slot *page =
        atomic_load_explicit(&catch_pages[index >> CATCH_PAGE_BITS], memory_order_acquire);
    atomic_store_explicit(&page[index % CATCH_PAGE], target, memory_order_release);
}

void catch_release(size_t first, size_t n)
{
    if (n == 0) {
        return;
    }
    lock_take(&lock);
    if (n_catch_free < CATCH_FREE_MAX) {
        catch_free[n_catch_free].first = first;
        catch_free[n_catch_free++].n = n;
    }
    lock_drop(&lock);
}
