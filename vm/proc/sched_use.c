/* sched_use.c - see sched_use.h */
#include "vm/proc/sched_use.h"

#include <stdatomic.h>

#include "lib/base/clock.h"
#include "vm/proc/sched.h"

struct use {
    _Alignas(64) _Atomic uint64_t collections;
    _Atomic uint64_t words;
    _Atomic int64_t active_ns;       /* up to the last sleep */
    _Atomic int64_t active_since_ns; /* 0: asleep */
    _Atomic int64_t active_at_start_ns;
};
static struct use uses[3 * SCHED_MAX + 1];
static _Atomic int64_t measured_since_ns; /* 0: off */

static void add(_Atomic uint64_t *n, uint64_t more)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more, memory_order_relaxed);
}

void sched_use_works(unsigned index)
{
    atomic_store_explicit(&uses[index].active_since_ns, clock_monotonic_ns(), memory_order_relaxed);
}

static int64_t active_ns(struct use *u, int64_t now)
{
    int64_t since = atomic_load_explicit(&u->active_since_ns, memory_order_relaxed);
    return atomic_load_explicit(&u->active_ns, memory_order_relaxed) + (since != 0 && now > since ? now - since : 0);
}

void sched_use_sleeps(unsigned index)
{
    struct use *u = &uses[index];
    atomic_store_explicit(&u->active_ns, active_ns(u, clock_monotonic_ns()), memory_order_relaxed);
    atomic_store_explicit(&u->active_since_ns, 0, memory_order_relaxed);
}

void sched_use_collected(unsigned index, size_t words)
{
    add(&uses[index].collections, 1);
    add(&uses[index].words, words);
}

void sched_use_collections(uint64_t *out_count, uint64_t *out_words)
{
    *out_count = *out_words = 0;
    for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
        *out_count += atomic_load_explicit(&uses[i].collections, memory_order_relaxed);
        *out_words += atomic_load_explicit(&uses[i].words, memory_order_relaxed);
    }
}

bool sched_use_measure(bool on)
{
    int64_t now = clock_monotonic_ns(), since = atomic_load(&measured_since_ns);
    if (on && since == 0) {
        for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
            atomic_store_explicit(&uses[i].active_at_start_ns, active_ns(&uses[i], now), memory_order_relaxed);
        }
        atomic_store(&measured_since_ns, now);
    } else if (!on) {
        atomic_store(&measured_since_ns, 0);
    }
    return since != 0;
}

bool sched_use_times(unsigned index, int64_t *out_active, int64_t *out_total)
{
    int64_t now = clock_monotonic_ns(), since = atomic_load(&measured_since_ns);
    if (since == 0) {
        return false;
    }
    struct use *u = &uses[index];
    int64_t active = active_ns(u, now) - atomic_load_explicit(&u->active_at_start_ns, memory_order_relaxed);
    *out_total = now - since;
    *out_active = active < 0 ? 0 : active < *out_total ? active : *out_total; /* its thread may have been at it */
    return true;
}
