/* bench_channel.c - a frame to another process and an empty one back, beside the least that could do it.
 *
 *   bare      two words in shared memory and a plain buffer: copy in, set a word, see it, copy out, set the other
 *   channel   channel.h over the ring: the body copied in and out, an empty frame back
 *   socket    the same over a socket
 *
 * With two CPUs each side has one and spins; "1cpu": both on one, asleep while they wait. Prints lines of
 * `name value unit`: for each the best of several runs. Arguments: the sizes (0, 1KiB, 64KiB, 1MiB) to measure;
 * default: all.
 */
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolation/remote/channel.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"

enum { RUNS = 300, BODY_MAX = 1 << 20, RUN_NS = 100000, SPIN_NS = 1000000 };

static const struct {
    const char *name;
    size_t bytes;
} sizes[] = { { "0", 0 }, { "1KiB", 1 << 10 }, { "64KiB", 64 << 10 }, { "1MiB", 1 << 20 } };

static char **asked; /* names of sizes; none: all */
static int vm_cpu;
static cpu_set_t cpus_at_start;
static uint8_t *from, *to; /* a body, and where it goes: each process has its own */

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    VM_REQUIRE(sched_setaffinity(0, sizeof(set), &set) == 0);
}

/* ---- bare ---- */

struct bare {
    _Alignas(128) _Atomic uint32_t request;
    _Alignas(128) _Atomic uint32_t reply;
    _Alignas(4096) uint8_t body[BODY_MAX];
};
static struct bare *bare;
static bool asleep; /* wait in the kernel */

static void bare_set(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
    if (asleep) {
        syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

static void bare_await(_Atomic uint32_t *word, uint32_t value)
{
    uint32_t seen;
    while ((seen = atomic_load_explicit(word, memory_order_acquire)) != value) {
        if (asleep) {
            syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
        } else {
            relax();
        }
    }
}

static uint32_t bare_turn;

static void bare_serve(size_t bytes, int cpu)
{
    pin(cpu);
    for (uint32_t turn = 1;; turn++) {
        bare_await(&bare->request, turn);
        memcpy(to, bare->body, bytes);
        bare_set(&bare->reply, turn);
    }
}

static void bare_round_trip(size_t bytes)
{
    memcpy(bare->body, from, bytes);
    bare_set(&bare->request, ++bare_turn);
    bare_await(&bare->reply, bare_turn);
}

static void bare_start(void)
{
    bare = mmap(NULL, sizeof(*bare), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    VM_REQUIRE(bare != MAP_FAILED);
    bare_turn = 0;
}

static void bare_stop(void)
{
    munmap(bare, sizeof(*bare));
}

/* ---- channel ---- */

static struct channel *channel;

static void channel_serve(enum channel_transport t, int cpu)
{
    cpu_set_t both;
    int fds[CHANNEL_MAX_FDS];
    struct frame_header h;
    size_t n = channel_worker_fds(channel, fds);
    /* A worker that may run on one CPU only does not spin; it asks when it attaches. */
    CPU_ZERO(&both);
    CPU_SET(cpu, &both);
    CPU_SET(vm_cpu, &both);
    VM_REQUIRE(sched_setaffinity(0, sizeof(both), &both) == 0);
    struct channel *c = channel_attach(t, fds, n);
    VM_REQUIRE(c != NULL);
    pin(cpu);
    while (channel_wait(c, NULL) == CHANNEL_OK) {
        VM_REQUIRE(channel_receive(c, &h) == CHANNEL_OK && channel_read(c, to, h.bytes));
        channel_done(c);
        VM_REQUIRE(channel_send(c, &h, NULL, 0) == CHANNEL_OK);
    }
}

static void channel_round_trip(size_t bytes)
{
    struct frame_header h = { .kind = 1 };
    struct channel_part part = { from, bytes };
    VM_REQUIRE(channel_send(channel, &h, &part, 1) == CHANNEL_OK);
    while (asleep ? !channel_poll(channel) : !channel_spin(channel, SPIN_NS)) {
        channel_sleep(channel, NULL, 0, -1);
    }
    VM_REQUIRE(channel_receive(channel, &h) == CHANNEL_OK);
    channel_done(channel);
}

static void ring_start(void)
{
    channel = channel_new(CHANNEL_RING);
    VM_REQUIRE(channel != NULL);
}

static void ring_serve(size_t bytes, int cpu)
{
    (void) bytes;
    channel_serve(CHANNEL_RING, cpu);
}

static void socket_start(void)
{
    channel = channel_new(CHANNEL_SOCKET);
    VM_REQUIRE(channel != NULL);
}

static void socket_serve(size_t bytes, int cpu)
{
    (void) bytes;
    channel_serve(CHANNEL_SOCKET, cpu);
}

static void channel_stop(void)
{
    channel_free(channel);
}

/* ---- measuring ---- */

/* Nanoseconds per turn: best mean of several short runs. */
static double best(void (*turn)(size_t bytes), size_t bytes)
{
    double least = 1e18;
    int64_t once = clock_monotonic_ns();
    for (int i = 0; i < 20; i++) {
        turn(bytes);
    }
    once = (clock_monotonic_ns() - once) / 20 + 1;
    int64_t turns = RUN_NS / once + 10;
    for (int run = 0; run < RUNS; run++) {
        int64_t start = clock_monotonic_ns();
        for (int64_t i = 0; i < turns; i++) {
            turn(bytes);
        }
        double mean = (double) (clock_monotonic_ns() - start) / (double) turns;
        least = mean < least ? mean : least;
    }
    return least;
}

struct way {
    const char *name;
    void (*start)(void);
    void (*serve)(size_t bytes, int cpu); /* in the peer's process, on that CPU; for ever */
    void (*round_trip)(size_t bytes);
    void (*stop)(void);
};
static const struct way ways[] = {
    { "bare", bare_start, bare_serve, bare_round_trip, bare_stop },
    { "channel", ring_start, ring_serve, channel_round_trip, channel_stop },
    { "socket", socket_start, socket_serve, channel_round_trip, channel_stop },
};

static double measure(const struct way *w, size_t bytes, int peer_cpu)
{
    w->start();
    /* The peer starts on any CPU and has time to pin itself: at a real-time priority we would let it have ours never. */
    VM_REQUIRE(sched_setaffinity(0, sizeof(cpus_at_start), &cpus_at_start) == 0);
    pid_t pid = fork();
    VM_REQUIRE(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        w->serve(bytes, peer_cpu);
        _exit(0);
    }
    pin(vm_cpu);
    usleep(2000);
    double ns = best(w->round_trip, bytes);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    w->stop();
    return ns;
}

static void copy(size_t bytes)
{
    memcpy(to, from, bytes);
    __asm__ volatile("" : : : "memory");
}

static bool is_asked_for(const char *name)
{
    bool is = asked[0] == NULL;
    for (char **a = asked; *a != NULL; a++) {
        is = is || strcmp(*a, name) == 0;
    }
    return is;
}

static void compare(const char *cpus, int peer_cpu)
{
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        if (!is_asked_for(sizes[i].name)) {
            continue;
        }
        double ns[ARRAY_LEN(ways)];
        for (size_t k = 0; k < ARRAY_LEN(ways); k++) {
            ns[k] = measure(&ways[k], sizes[i].bytes, peer_cpu);
            printf("%s_%s_%s %.0f ns\n", ways[k].name, cpus, sizes[i].name, ns[k]);
        }
        printf("channel_over_bare_%s_%s %.2f times\n", cpus, sizes[i].name, ns[1] / ns[0]);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    int cpus[2], n = 0;
    asked = argv + (argc > 0);
    VM_REQUIRE(sched_getaffinity(0, sizeof(cpus_at_start), &cpus_at_start) == 0);
    for (int i = 0; i < CPU_SETSIZE && n < 2; i++) {
        if (CPU_ISSET(i, &cpus_at_start)) {
            cpus[n++] = i;
        }
    }
    from = malloc(BODY_MAX);
    to = malloc(BODY_MAX);
    VM_REQUIRE(from != NULL && to != NULL);
    memset(from, 1, BODY_MAX);
    memset(to, 2, BODY_MAX);
    vm_cpu = cpus[0];
    pin(vm_cpu);
    for (size_t i = 1; i < ARRAY_LEN(sizes); i++) {
        printf("memcpy_%s %.0f ns\n", sizes[i].name, best(copy, sizes[i].bytes));
    }
    if (n == 2) {
        compare("2cpu", cpus[1]);
    }
    asleep = true;
    compare("1cpu", cpus[0]);
    return 0;
}
