#include "isolation/stack_pool.h"

#include <sys/mman.h>

#include "lib/base/arena.h"
#include "lib/base/lock.h"
#include "lib/base/sanitize.h"

/* Stacks of finished threads; guarded by the lock. */
static struct native_stack *retired;
static struct lock retired_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_EXECUTOR, RANK_NONE };

static struct native_stack *take_retired(size_t bytes)
{
    struct native_stack *found = NULL;
    lock_take(&retired_lock);
    for (struct native_stack **at = &retired; *at != NULL; at = &(*at)->next) {
        if ((*at)->bytes == bytes) {
            found = *at;
            *at = found->next;
            break;
        }
    }
    lock_drop(&retired_lock);
    return found;
}

struct native_stack *stack_new(size_t bytes)
{
    size_t page = 4096;
    struct native_stack *s = take_retired(bytes);
    if (s != NULL) {
        return s;
    }
    VM_REQUIRE(bytes % page == 0 && bytes >= STACK_MIN_BYTES);
    size_t map_bytes = STACK_GUARD_BYTES + bytes + page;
    char *map = mmap(NULL, map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    s = vm_try_alloc(sizeof(*s));
    if (s == NULL || mprotect(map + STACK_GUARD_BYTES, bytes, PROT_READ | PROT_WRITE) != 0) {
        munmap(map, map_bytes);
        vm_free(s);
        return NULL;
    }
    *s = (struct native_stack) {
        .bytes = bytes,
        .low = map + STACK_GUARD_BYTES,
        .high = map + STACK_GUARD_BYTES + bytes,
        .map = map,
        .map_bytes = map_bytes,
    };
    sanitize_forget(s->low, s->bytes);
    return s;
}

void stack_retire(struct native_stack *s)
{
    lock_take(&retired_lock);
    s->next = retired;
    retired = s;
    lock_drop(&retired_lock);
}

void stack_trim(struct native_stack *s)
{
    size_t keep = 64 << 10;
    if (s->bytes > keep) {
        madvise(s->low, s->bytes - keep, MADV_DONTNEED);
    }
}
