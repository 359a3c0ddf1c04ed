/* arena_vm.c - the three arenas of the VM, and how a worker gets to see them. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/base/arena_internal.h"

enum { RESERVE_MIN_BYTES = 64 << 20 };

struct arena *arena_terms, *arena_literals, *arena_vm;
uintptr_t arena_foreign_base, arena_foreign_bytes;

/* ---- in the VM ---- */

/* A fork of this program is not a second owner of the shared memory: it goes on with a copy of its own
 * and cannot harm us. (What it has not written shows what we write, so it is no faithful copy for long;
 * nothing but what a native function does between fork and exec relies on it.) */
static void detach_forked(struct arena *a)
{
    if (a == NULL || a->fd < 0) {
        return;
    }
    void *p = mmap(a->base, a->reserve_bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, a->fd, 0);
    if (p == MAP_FAILED) {
        return;
    }
    a->backing = ARENA_PRIVATE;
    base_close_fd(&a->fd);
}

static void in_forked_child(void)
{
    detach_forked(arena_terms);
    detach_forked(arena_literals);
}

/* Memory of the machine, or of the control group if that is less; or what BULKHEAD_MEMORY_MB says. */
static size_t memory_bytes(void)
{
    const char *said = getenv("BULKHEAD_MEMORY_MB");
    if (said != NULL && atoll(said) > 0) {
        return (size_t) atoll(said) << 20;
    }
    struct sysinfo info;
    size_t bytes = sysinfo(&info) == 0 ? (size_t) info.totalram * info.mem_unit : (size_t) 1 << 30;
    scope_fd int fd = open("/sys/fs/cgroup/memory.max", O_RDONLY | O_CLOEXEC);
    char text[32];
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
    size_t group = 0;
    for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++) {
        group = group * 10 + (size_t) (text[i] - '0');
    }
    return group > 0 && group < bytes ? group : bytes;
}

size_t arena_reserve_for(size_t bytes)
{
    struct rlimit limit;
    while (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && bytes > limit.rlim_cur / 8
           && bytes > RESERVE_MIN_BYTES) {
        bytes /= 2;
    }
    return bytes;
}

/* Asks for less address space if the system is strict about it. */
static struct arena *new_shrinking(struct arena_options o)
{
    struct arena *a = NULL;
    o.reserve_bytes = arena_reserve_for(o.reserve_bytes);
    while (a == NULL && o.reserve_bytes >= RESERVE_MIN_BYTES) {
        size_t most = o.reserve_bytes / 5 * 4;
        o.limit_bytes = o.limit_bytes > most ? most : o.limit_bytes;
        a = arena_new(&o);
        o.reserve_bytes /= 4;
    }
    return a;
}

static void init_all(void)
{
    size_t memory = memory_bytes();
    size_t large = ARENA_TERMS_MAX;
    /* The order gives each its slot in the threads' cache tables. */
    arena_vm = new_shrinking((struct arena_options) {
        .name = "bulkhead-vm", .reserve_bytes = large, .backing = ARENA_PRIVATE });
    arena_terms = new_shrinking((struct arena_options) { .name = "bulkhead-terms",
        .fixed_base = ARENA_TERMS_BASE,
        .reserve_bytes = large,
        .limit_bytes = memory / 5 * 4,
        .backing = ARENA_MEMFD });
    arena_literals = new_shrinking((struct arena_options) { .name = "bulkhead-literals",
        .fixed_base = ARENA_LITERALS_BASE,
        .reserve_bytes = ARENA_LITERALS_SIZE,
        .limit_bytes = memory / 2,
        .backing = ARENA_MEMFD });
    if (arena_literals != NULL) {
        void *root = arena_alloc_urgent(arena_literals, ARENA_ROOT_BYTES); /* fresh, and so zero */
        VM_REQUIRE(root == (void *) ARENA_LITERALS_BASE);
    }
    (void) pthread_atfork(NULL, NULL, in_forked_child);
    const char *fail = getenv("BULKHEAD_FAIL_ALLOC");
    arena_fail_after(fail != NULL ? atoll(fail) : 0);
}

static pthread_once_t init_once = PTHREAD_ONCE_INIT;

bool arena_init_all(void)
{
    pthread_once(&init_once, init_all);
    return arena_vm != NULL && arena_terms != NULL && (arena_literals != NULL || arena_is_attached());
}

/* ---- in a worker ---- */

/* Maps another process's arena where that process has it; returns its size, 0: cannot be. */
static size_t map_foreign(int fd, uintptr_t base, size_t most, int protection)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= 0 || (size_t) st.st_size > most) {
        return 0;
    }
    size_t bytes = (size_t) st.st_size;
    void *p = mmap((void *) base, bytes, protection,
        MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd, 0);
    if (p != (void *) base) {
        if (p != MAP_FAILED) {
            munmap(p, bytes);
        }
        return 0;
    }
    (void) madvise(p, bytes, MADV_DONTDUMP);
    return bytes;
}

static struct arena_attach attach_to; /* for the one run of init_worker() */
static bool worker_attached;

static void init_worker(void)
{
    size_t literals =
        map_foreign(attach_to.literals_fd, ARENA_LITERALS_BASE, ARENA_LITERALS_SIZE, PROT_READ);
    size_t terms = map_foreign(attach_to.terms_fd, ARENA_TERMS_BASE, ARENA_TERMS_MAX,
        attach_to.write ? PROT_READ | PROT_WRITE : PROT_READ);
    if (literals == 0 || terms == 0) {
        return;
    }
    arena_foreign_base = ARENA_LITERALS_BASE; /* one range: nothing else lies between the two */
    arena_foreign_bytes = ARENA_TERMS_BASE + terms - ARENA_LITERALS_BASE;
    arena_vm = new_shrinking((struct arena_options) {
        .name = "bulkhead-worker", .reserve_bytes = ARENA_TERMS_MAX, .backing = ARENA_PRIVATE });
    arena_terms = new_shrinking((struct arena_options) { .name = "bulkhead-worker-terms",
        .fixed_base = ARENA_WORKER_BASE,
        .reserve_bytes = ARENA_WORKER_SIZE,
        .limit_bytes = memory_bytes() / 5 * 4,
        .backing = ARENA_PRIVATE });
    worker_attached = arena_vm != NULL && arena_terms != NULL;
}

bool arena_init_worker(const struct arena_attach *attach)
{
    attach_to = *attach;
    pthread_once(&init_once, init_worker);
    return worker_attached;
}
