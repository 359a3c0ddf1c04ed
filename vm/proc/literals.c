#include "vm/proc/literals.h"

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/futex.h"
#include "lib/base/service_thread.h"
#include "vm/core/literal.h"
#include "vm/proc/dict.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/proc_table.h"

enum { NS_PER_MS = 1000000, MANY_BYTES = 4 << 20, VERY_MANY_BYTES = 16 * MANY_BYTES };
static const int64_t SHORT_NS = INT64_C(200) * NS_PER_MS;
static const int64_t AGAIN_NS = INT64_C(1000) * NS_PER_MS, AGAIN_MOST_NS = INT64_C(60000) * NS_PER_MS;

struct literal_round {
    struct literal_batch batch;
    _Atomic size_t pending; /* processes that have not answered yet, and the collector until it has asked all */
    _Atomic int64_t cost_ns; /* what it took those who have */
};

static _Atomic uint32_t bell;   /* a futex: counts what the thread should hear of */
static _Atomic size_t ring_at;  /* it wants to hear when so many bytes are retired */
static _Atomic bool started, stopping;
static pthread_t thread;

static void ring(void)
{
    atomic_fetch_add(&bell, 1);
    futex_wake(&bell);
}

/* ---- a process ---- */

static unsigned look_at_heap(const struct literal_batch *b, const struct heap *h, bool hold)
{
    unsigned found = literal_batch_look(b, h->start, (size_t) (h->top - h->start), hold);
    found |= literal_batch_look(b, h->stop, (size_t) (h->end - h->stop), hold);
    found |= literal_batch_look(b, h->old_start, (size_t) (h->old_top - h->old_start), hold);
    for (const struct heap_frag *f = h->frags; f != NULL; f = f->next) {
        found |= literal_batch_look(b, f->words, f->used_words, hold);
    }
    return found;
}

/* The roots of a collection between two slices. */
static unsigned look_at_roots(const struct literal_batch *b, struct proc *p, bool hold)
{
    term single[] = { p->value, p->group_leader, p->exc.reason, p->exc.stacktrace, p->exc.error_info, p->exc.args,
        p->rare == NULL ? TERM_NONE : p->rare->sequential_trace_token };
    struct heap_roots pins = msgq_pinned_roots(p), dict = dict_roots(p);
    unsigned found = literal_batch_look(b, single, ARRAY_LEN(single), hold);
    found |= literal_batch_look(b, p->args, p->n_args, hold);
    found |= literal_batch_look(b, pins.terms, pins.n, hold);
    return found | literal_batch_look(b, dict.terms, dict.n, hold);
}

static unsigned look_at_message(const struct literal_batch *b, const struct message *m, bool hold)
{
    return literal_batch_look(b, &m->value, 1, hold) | literal_batch_look(b, m->frag.words, m->frag.used_words, hold);
}

static unsigned look_at_messages(const struct literal_batch *b, const struct proc *p, bool hold)
{
    unsigned found = p->ask_reply != NULL ? look_at_message(b, p->ask_reply, hold) : 0;
    for (const struct message *m = p->msg_first; m != NULL; m = m->next) {
        found |= look_at_message(b, m, hold);
    }
    return found;
}

static void answered(struct literal_round *r)
{
    if (atomic_fetch_sub(&r->pending, 1) == 1) {
        ring();
    }
}

bool literals_look(struct proc *p)
{
    struct literal_round *r = p->literal_round;
    const struct literal_batch *b = &r->batch;
    int64_t start = clock_monotonic_ns();
    bool goes_on = true;
    unsigned found = look_at_heap(b, &p->heap, false) | look_at_roots(b, p, false);
    /* While a worker reads its heap in place it must stay as it is. */
    if ((found & LITERAL_COLLECT) != 0 && p->elsewhere == NULL) {
        goes_on = interp_collect_between_slices(p);
    }
    if (found != 0) {
        (void) look_at_heap(b, &p->heap, true);
        (void) look_at_roots(b, p, true);
    }
    (void) look_at_messages(b, p, true);
    atomic_fetch_add(&r->cost_ns, clock_monotonic_ns() - start);
    p->literal_round = NULL;
    answered(r);
    return goes_on;
}

void literals_gone(struct proc *p)
{
    struct literal_round *r = p->literal_round;
    if (r != NULL) {
        p->literal_round = NULL;
        answered(r);
    }
}

static void asked(struct proc *target, void *arg)
{
    struct literal_round *r = arg;
    if (target == NULL) {
        answered(r);
    } else {
        target->literal_round = r; /* there is one round at a time */
    }
}

/* ---- a round ---- */

/* False: the program ends. */
static bool wait_for_slices(struct literal_grace *g)
{
    literal_grace_begin(g);
    for (int64_t nap_ns = NS_PER_MS / 20; !literal_grace_over(g); nap_ns += nap_ns < 50 * NS_PER_MS ? nap_ns / 2 : 0) {
        if (atomic_load(&stopping)) {
            return false;
        }
        if (nap_ns > NS_PER_MS) {
            sched_signalled(); /* one that waits for a worker with nothing else to do goes on waiting without a slice */
        }
        clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec) { .tv_nsec = nap_ns }, NULL);
    }
    return true;
}

static bool ask_all(struct literal_round *r)
{
    int64_t start = clock_monotonic_ns();
    atomic_init(&r->pending, 1);
    uint32_t n = table_used();
    for (uint32_t i = 0; i < n; i++) {
        term pid = { atomic_load_explicit(&table_slot(i)->pid, memory_order_acquire) };
        if (!term_is_none(pid)) {
            atomic_fetch_add(&r->pending, 1);
            signal_request(NULL, pid, asked, r);
        }
    }
    atomic_fetch_add(&r->cost_ns, clock_monotonic_ns() - start);
    answered(r);
    for (;;) {
        uint32_t seen = atomic_load(&bell);
        if (atomic_load(&r->pending) == 0) {
            return true;
        }
        if (atomic_load(&stopping)) {
            return false;
        }
        futex_wait(&bell, seen, (int64_t) 100 * NS_PER_MS);
    }
}

/* What it cost, without the waiting; -1: the program ends, and what it had stays. */
static int64_t run_round(struct literal_grace *g, size_t *out_left)
{
    struct literal_round *r = vm_zalloc(sizeof(*r));
    if (literal_batch_take(&r->batch)) {
        literal_batch_publish(&r->batch);
        bool done = wait_for_slices(g) && (r->batch.n == 0 || ask_all(r));
        literal_batch_publish(NULL);
        if (!done || !wait_for_slices(g)) {
            return -1;
        }
        /* Such a heap was not looked at; one that came to be after its process was has nothing of the batch. */
        *out_left = literal_batch_finish(&r->batch, atomic_load(&literal_heaps_kept) > 0);
    }
    int64_t cost = atomic_load(&r->cost_ns);
    vm_free(r);
    return cost;
}

/* ---- when ---- */

/* What the thread goes by: times in ns, of clock_monotonic_ns(). */
struct pace {
    size_t n_left;  /* blocks that the last round found in use */
    int64_t cost;   /* what that took */
    int64_t ended;
    int64_t first;  /* when something was retired that no round has looked at; 0: nothing was */
    int64_t again;  /* how long to leave those that are in use */
};

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* When the next round begins; INT64_MAX: not before something is retired. */
static int64_t next_round(const struct pace *p, size_t bytes, int64_t now)
{
    int64_t due = INT64_MAX;
    if (bytes >= VERY_MANY_BYTES) {
        return now;
    }
    if (bytes >= MANY_BYTES) {
        due = p->ended + 2 * p->cost;
    } else if (bytes > 0) {
        due = p->first + longer(SHORT_NS, 100 * p->cost);
    }
    int64_t retry = p->n_left > 0 ? p->ended + longer(p->again, 100 * p->cost) : INT64_MAX;
    return due < retry ? due : retry;
}

static void wait_for_more(uint32_t seen, size_t bytes, int64_t ns)
{
    size_t more = bytes == 0 ? 1 : bytes < MANY_BYTES ? (size_t) MANY_BYTES : (size_t) VERY_MANY_BYTES;
    atomic_store(&ring_at, more);
    if (literal_retired_bytes() < more) {
        futex_wait(&bell, seen, ns);
    }
    atomic_store(&ring_at, SIZE_MAX);
}

static void *collect_main(void *arg)
{
    struct literal_grace grace = { 0 };
    struct pace p = { .again = AGAIN_NS };
    (void) arg;
    while (!atomic_load(&stopping)) {
        uint32_t seen = atomic_load(&bell);
        size_t bytes = literal_retired_bytes(), before = p.n_left;
        int64_t now = clock_monotonic_ns();
        p.first = bytes == 0 ? 0 : p.first == 0 ? now : p.first;
        int64_t due = next_round(&p, bytes, now);
        if (due > now) {
            wait_for_more(seen, bytes, due == INT64_MAX ? FUTEX_FOREVER : due - now);
            continue;
        }
        p.cost = run_round(&grace, &p.n_left);
        if (p.cost < 0) {
            break;
        }
        p.ended = clock_monotonic_ns();
        p.first = 0;
        /* What is in use may stay so for long. */
        p.again = p.n_left < before || bytes > 0 ? AGAIN_NS : p.again * 2;
        p.again = p.again < AGAIN_MOST_NS ? p.again : AGAIN_MOST_NS;
    }
    vm_free(grace.slices);
    return NULL;
}

static void retired(void)
{
    if (literal_retired_bytes() < atomic_load(&ring_at)) {
        return;
    }
    if (atomic_load(&started) || atomic_load(&stopping) || atomic_exchange(&started, true)) {
        ring();
    } else if (!literal_grace_init() || service_thread_start(&thread, collect_main, NULL) != 0) {
        atomic_store(&ring_at, SIZE_MAX); /* then they stay */
        atomic_store(&started, false);
    }
}

void literals_start(void)
{
    atomic_store(&stopping, false);
    atomic_store(&ring_at, 1);
    literal_retired_hook = retired;
}

bool literals_stop(int64_t system_deadline_ns)
{
    atomic_store(&stopping, true);
    ring();
    if (!atomic_load(&started)) {
        return true;
    }
    bool ended = sched_join(thread, system_deadline_ns);
    atomic_store(&started, !ended);
    return ended;
}
