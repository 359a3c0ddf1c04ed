/* channel_ring_wait.c - CHANNEL_RING: who waits for a frame spins, sleeps on a futex, or has a doorbell rung.
 *
 * Who waits says so in his state word and looks again; who writes a stamp looks at the state
 * word after that. Each has a full fence between the two, so one of them sees the other. The futex is the stamp.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "isolation/remote/channel_ring.h"
#include "lib/base/clock.h"

enum {
    WORKER_SPIN_NS = 40000,       /* to be woken on another CPU takes as long */
    POLITE_NS = 6000,             /* who has spun for so long lets others have the CPU, if any want it */
    SPIN_SKIPS_MAX = 31,          /* waits without a spin, once spins have failed often */
    SLICE_NS = 1000000,           /* naps where the kernel cannot wait on several futexes */
};

/* ---- futexes, between processes ---- */

void ring_futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* For at most ns. */
void ring_futex_nap(_Atomic uint32_t *word, uint32_t seen, int64_t ns)
{
    struct timespec t = { ns / 1000000000, ns % 1000000000 };
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &t, NULL, 0);
}

/* Until the shared word is not `seen`, the private one (may be NULL) has another value, somebody wakes one of
 * them, the deadline, or earlier. One futex is cheaper to wait for than two. */
static void futex_wait_either(
    struct ring *r, _Atomic uint32_t *word, uint32_t seen, _Atomic uint32_t *other, uint32_t other_value, int64_t deadline)
{
    struct timespec t = { deadline / 1000000000, deadline % 1000000000 };
    const struct timespec *until = deadline == INT64_MAX ? NULL : &t;
    if (other == NULL) {
        syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, until, NULL, FUTEX_BITSET_MATCH_ANY);
        return;
    }
    struct futex_waitv v[2] = {
        { .uaddr = (uintptr_t) word, .val = seen, .flags = FUTEX_32 },
        { .uaddr = (uintptr_t) other, .val = other_value, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG },
    };
    if (!r->no_waitv) {
        long got = syscall(SYS_futex_waitv, v, ARRAY_LEN(v), 0, until, CLOCK_MONOTONIC);
        if (got >= 0 || errno == EAGAIN || errno == ETIMEDOUT || errno == EINTR) {
            return;
        }
        r->no_waitv = true; /* before Linux 5.16, or forbidden by a sandbox */
    }
    int64_t left = deadline == INT64_MAX ? SLICE_NS : deadline - clock_monotonic_ns();
    if (atomic_load(other) == other_value && left > 0) {
        ring_futex_nap(word, seen, left < SLICE_NS ? left : SLICE_NS);
    }
}

/* ---- is there something? ---- */

static _Atomic uint32_t *due_stamp(struct direction *in)
{
    return &in->slots[(in->number + 1) % RING_SLOTS].stamp;
}

bool ring_poll(struct channel *c)
{
    struct direction *in = &ring_of(c)->in;
    return atomic_load_explicit(due_stamp(in), memory_order_relaxed) == in->number + 1 || channel_ended(c) != CHANNEL_OK;
}

/* The same, ordered after the store that says we sleep: pairs with ring_publish(). */
static bool is_due_after_state(struct direction *in, uint32_t *out_seen)
{
    *out_seen = atomic_load(due_stamp(in));
    return *out_seen == in->number + 1;
}

/* ---- waiting ---- */

static bool spin_until(struct channel *c, int64_t ns, _Atomic uint32_t *stop)
{
    int64_t deadline = 0, polite = 0;
    for (;;) {
        for (int i = 0; i < RING_LOOKS; i++) {
            if (ring_poll(c)) {
                return true;
            }
            base_relax();
        }
        /* Asking the clock costs as much as a short answer takes: not before the first looks. */
        int64_t now = clock_monotonic_ns();
        if (deadline == 0) {
            deadline = now + ns;
            polite = now + POLITE_NS;
        }
        if (now >= deadline || (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed) != 0)) {
            return false;
        }
        if (now > polite) {
            sched_yield();
        }
    }
}

bool ring_spin(struct channel *c, int64_t ns)
{
    return ring_peer_is_here(ring_of(c)) ? ring_poll(c) : spin_until(c, ns + c->copy_ns, NULL);
}

void ring_sleep(struct channel *c, _Atomic uint32_t *other, uint32_t other_value, int64_t timeout_ns)
{
    struct ring *r = ring_of(c);
    uint32_t seen;
    int64_t deadline = channel_deadline(timeout_ns);
    (void) ring_peer_is_here(r);
    atomic_store(&r->mine->state, WAIT_FUTEX);
    if (!is_due_after_state(&r->in, &seen) && atomic_load(&c->ended) == CHANNEL_OK) {
        futex_wait_either(r, due_stamp(&r->in), seen, other, other_value, deadline);
    }
    atomic_store_explicit(&r->mine->state, WAIT_NONE, memory_order_relaxed);
}

/* Whoever sleeps does so until a stamp changes: so all change, for which one is due is not ours to know. A
 * worker that puts the old one back at that very moment makes the VM's sleep as long as its timeout. */
void ring_wake(struct channel *c)
{
    struct ring *r = ring_of(c);
    for (unsigned i = 0; i < RING_SLOTS; i++) {
        _Atomic uint32_t *stamp = &r->in.slots[i].stamp;
        atomic_fetch_xor(stamp, 1U << 31);
        ring_futex_wake(stamp);
    }
}

/* Each failure doubles the number of waits until the next try; a success clears it. */
static bool worker_spin(struct ring *r, _Atomic uint32_t *stop)
{
    if (!r->may_spin || r->spin_skips > 0 || ring_peer_is_here(r)) {
        r->spin_skips -= r->spin_skips > 0;
        return false;
    }
    if (spin_until(&r->c, WORKER_SPIN_NS + r->c.copy_ns, stop)) {
        r->spin_penalty = 0;
        return true;
    }
    r->spin_penalty = 2 * r->spin_penalty + 1 < SPIN_SKIPS_MAX ? 2 * r->spin_penalty + 1 : SPIN_SKIPS_MAX;
    r->spin_skips = r->spin_penalty;
    return false;
}

enum channel_status ring_wait(struct channel *c, _Atomic uint32_t *stop)
{
    struct ring *r = ring_of(c);
    bool spun = false;
    while (!ring_poll(c)) {
        uint32_t seen;
        if (!spun) {
            spun = true;
            if (worker_spin(r, stop)) {
                break;
            }
        }
        atomic_store(&r->mine->state, WAIT_FUTEX);
        bool due = is_due_after_state(&r->in, &seen);
        bool closed = !due
                      && (channel_ended(c) != CHANNEL_OK || atomic_load(&r->peers->closed) != 0
                          || (stop != NULL && atomic_load(stop) != 0));
        if (!due && !closed) {
            futex_wait_either(r, due_stamp(&r->in), seen, stop, 0, INT64_MAX);
        }
        atomic_store_explicit(&r->mine->state, WAIT_NONE, memory_order_relaxed);
        if (closed) {
            return CHANNEL_CLOSED;
        }
    }
    (void) ring_peer_is_here(r);
    return channel_ended(c);
}

bool ring_arm(struct channel *c)
{
    struct ring *r = ring_of(c);
    uint32_t seen;
    atomic_store(&r->mine->state, WAIT_DOORBELL);
    if (!is_due_after_state(&r->in, &seen) && channel_ended(c) == CHANNEL_OK) {
        return true;
    }
    atomic_store_explicit(&r->mine->state, WAIT_NONE, memory_order_relaxed);
    return false;
}

void ring_disarm(struct channel *c)
{
    struct ring *r = ring_of(c);
    uint64_t count;
    struct iovec part = { &count, sizeof(count) };
    atomic_store_explicit(&r->mine->state, WAIT_NONE, memory_order_relaxed);
    /* The worker shares O_NONBLOCK with us and could take it off. */
    if (preadv2(r->fds[1], &part, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP) {
        (void) !read(r->fds[1], &count, sizeof(count)); /* before Linux 5.8 */
    }
}
