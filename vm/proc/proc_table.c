#include "vm/proc/proc_table.h"

#include "lib/base/arena.h"
#include "vm/proc/links.h"
#include "vm/proc/sched.h"

enum { CACHE_SLOTS = 64, REFILL_SLOTS = 16 };

static struct proc_shared *_Atomic segments[TABLE_MAX_SEGMENTS];
static _Atomic uint32_t n_used; /* slots handed out so far */
/* Free slots beyond the threads' caches: change counter << 32 | number + 1. */
static _Atomic uint64_t free_head;
static _Atomic uint32_t n_alive;
static _Atomic uint64_t newest; /* 1 + serial << TERM_PID_NUMBER_BITS | number of the last pid; 0: none */

/* Per thread: slots to use next, latest freed last, so that spawn and exit stay in the cache. */
static _Thread_local struct {
    uint32_t numbers[CACHE_SLOTS];
    uint32_t n;
} cache;

struct proc_shared *table_slot(uint32_t number)
{
    struct proc_shared *segment =
        atomic_load_explicit(&segments[number >> TABLE_SEGMENT_BITS], memory_order_acquire);
    return segment == NULL ? NULL : &segment[number & (TABLE_SEGMENT_SLOTS - 1)];
}

uint32_t table_used(void)
{
    return atomic_load_explicit(&n_used, memory_order_acquire);
}

/* Makes the segment that holds number unless another thread was first. */
static void add_segment(uint32_t number)
{
    struct proc_shared *_Atomic *at = &segments[number >> TABLE_SEGMENT_BITS];
    if (atomic_load_explicit(at, memory_order_acquire) != NULL) {
        return;
    }
    /* vm_zalloc aligns to 16 only: over-allocate, the segment is never freed. */
    char *block = vm_zalloc(sizeof(struct proc_shared) * TABLE_SEGMENT_SLOTS + 64);
    struct proc_shared *segment = (struct proc_shared *) (((uintptr_t) block + 63) & ~(uintptr_t) 63);
    uint32_t first = number & ~(uint32_t) (TABLE_SEGMENT_SLOTS - 1);
    for (uint32_t i = 0; i < TABLE_SEGMENT_SLOTS; i++) {
        segment[i].number = first + i;
        atomic_store_explicit(&segment[i].inbox, INBOX_CLOSED, memory_order_relaxed);
    }
    struct proc_shared *expected = NULL;
    if (!atomic_compare_exchange_strong_explicit(at, &expected, segment, memory_order_acq_rel, memory_order_acquire)) {
        vm_free(block);
    }
}

static bool pop_free(uint32_t *out)
{
    uint64_t head = atomic_load_explicit(&free_head, memory_order_acquire);
    while ((uint32_t) head != 0) {
        struct proc_shared *s = table_slot((uint32_t) head - 1);
        uint64_t next = atomic_load_explicit(&s->next_free, memory_order_relaxed);
        uint64_t want = ((head >> 32) + 1) << 32 | next;
        if (atomic_compare_exchange_weak_explicit(&free_head, &head, want, memory_order_acq_rel, memory_order_acquire)) {
            *out = s->number;
            return true;
        }
    }
    return false;
}

static void push_free(uint32_t number)
{
    struct proc_shared *s = table_slot(number);
    uint64_t head = atomic_load_explicit(&free_head, memory_order_relaxed);
    uint64_t want;
    do {
        atomic_store_explicit(&s->next_free, (uint32_t) head, memory_order_relaxed);
        want = ((head >> 32) + 1) << 32 | (number + 1);
    } while (!atomic_compare_exchange_weak_explicit(&free_head, &head, want, memory_order_acq_rel, memory_order_relaxed));
}

static void refill(void)
{
    uint32_t number;
    while (cache.n < REFILL_SLOTS && pop_free(&number)) {
        cache.numbers[cache.n++] = number;
    }
    if (cache.n > 0) {
        return;
    }
    uint32_t first = atomic_load_explicit(&n_used, memory_order_relaxed);
    do {
        if (first + REFILL_SLOTS > TABLE_LIMIT) {
            return;
        }
        add_segment(first); /* REFILL_SLOTS divides a segment */
    } while (!atomic_compare_exchange_weak_explicit(&n_used, &first, first + REFILL_SLOTS, memory_order_acq_rel,
        memory_order_relaxed));
    for (uint32_t i = REFILL_SLOTS; i-- > 0;) {
        cache.numbers[cache.n++] = first + i;
    }
}

struct proc_shared *table_take(void)
{
    if (cache.n == 0) {
        refill();
        if (cache.n == 0) {
            return NULL;
        }
    }
    return table_slot(cache.numbers[--cache.n]);
}

void table_release(struct proc_shared *s)
{
    s->serial++;
    if (cache.n == CACHE_SLOTS) {
        for (uint32_t i = 0; i < CACHE_SLOTS / 2; i++) {
            push_free(cache.numbers[i]);
            cache.numbers[i] = cache.numbers[i + CACHE_SLOTS / 2];
        }
        cache.n = CACHE_SLOTS / 2;
    }
    cache.numbers[cache.n++] = s->number;
}

/* Pids are ordered by age, as on OTP: the serial is that of the newest pid, or the next one if this slot comes before the newest
 * one's. So it grows by at most one with each process, and a slot gets it again after 2^28 processes. */
static uint32_t next_serial(const struct proc_shared *s)
{
    uint64_t last = atomic_load_explicit(&newest, memory_order_relaxed), want;
    uint32_t serial;
    do {
        uint64_t pid = last - 1;
        bool behind = last == 0 || s->number > (pid & ((1u << TERM_PID_NUMBER_BITS) - 1));
        serial = last == 0 ? 0 : (uint32_t) (pid >> TERM_PID_NUMBER_BITS) + !behind;
        serial = serial < s->serial ? s->serial : serial;
        serial &= (1u << TERM_PID_SERIAL_BITS) - 1;
        want = ((uint64_t) serial << TERM_PID_NUMBER_BITS | s->number) + 1;
    } while (!atomic_compare_exchange_weak_explicit(&newest, &last, want, memory_order_relaxed, memory_order_relaxed));
    return serial;
}

term table_open(struct proc_shared *s, struct proc *p)
{
    s->serial = next_serial(s);
    term pid = term_from_pid(s->number, s->serial);
    s->proc = p;
    atomic_store_explicit(&s->name, 0, memory_order_relaxed);
    atomic_store_explicit(&s->status, STATUS_RUNNABLE, memory_order_relaxed);
    atomic_store_explicit(&s->hidden, false, memory_order_relaxed);
    atomic_store_explicit(&s->inbox, inbox_tag(s->serial), memory_order_release);
    atomic_store_explicit(&s->pid, pid.word, memory_order_release);
    atomic_fetch_add_explicit(&n_alive, 1, memory_order_relaxed);
    return pid;
}

/* Newest first to oldest first. */
static struct message *turn_round(struct message *m)
{
    struct message *first = NULL;
    while (m != NULL) {
        struct message *next = m->next;
        m->next = first;
        first = m;
        m = next;
    }
    return first;
}

struct message *table_close(struct proc_shared *s)
{
    atomic_store_explicit(&s->pid, 0, memory_order_seq_cst); /* pairs with registry_register */
    uint64_t old = atomic_exchange_explicit(&s->inbox, inbox_tag(s->serial) | INBOX_CLOSED, memory_order_acq_rel);
    atomic_store_explicit(&s->status, STATUS_EXITING, memory_order_relaxed);
    atomic_fetch_sub_explicit(&n_alive, 1, memory_order_relaxed);
    return turn_round(inbox_pointer(old));
}

void table_make_port(struct proc *p)
{
    p->id = term_from_port(p->id.word >> TERM_SMALL_SHIFT);
    atomic_store_explicit(&p->shared->pid, p->id.word, memory_order_release);
}

struct proc_shared *table_find(term pid)
{
    if (!term_is_local_pid(pid) && !term_is_local_port(pid)) {
        return NULL;
    }
    uint32_t number = id_number(pid);
    if (number >= TABLE_LIMIT) {
        return NULL;
    }
    struct proc_shared *s = table_slot(number);
    if (s == NULL || atomic_load_explicit(&s->pid, memory_order_acquire) != pid.word) {
        return NULL;
    }
    return s;
}

bool inbox_push(term pid, struct message *m)
{
    struct proc_shared *s = table_find(pid);
    if (s == NULL) {
        return false;
    }
    uint64_t tag = inbox_tag(id_serial(pid));
    uint64_t old = atomic_load_explicit(&s->inbox, memory_order_relaxed);
    do {
        if ((old & ~(INBOX_POINTER_MASK | INBOX_WAITING)) != tag) {
            return false; /* another generation, or closed */
        }
        m->next = inbox_pointer(old);
    } while (!atomic_compare_exchange_weak_explicit(&s->inbox, &old, tag | (uintptr_t) m, memory_order_acq_rel,
        memory_order_relaxed));
    if (old & INBOX_WAITING) {
        sched_enqueue(s->proc);
    }
    return true;
}

struct message *inbox_take(struct proc_shared *s)
{
    uint64_t old = atomic_exchange_explicit(&s->inbox, inbox_tag(s->serial), memory_order_acq_rel);
    return turn_round(inbox_pointer(old));
}

bool inbox_park(struct proc_shared *s)
{
    uint64_t expected = inbox_tag(s->serial);
    return atomic_compare_exchange_strong_explicit(&s->inbox, &expected, expected | INBOX_WAITING,
        memory_order_acq_rel, memory_order_relaxed);
}

void proc_wake(term pid)
{
    /* A signal, so that it is not lost when the process is just about to wait. */
    signal_send_message(pid, &signal_new(SIGNAL_RESUME, TERM_NONE, 0, TERM_NONE, 0)->base);
}

bool proc_alive(term pid)
{
    return table_find(pid) != NULL;
}

size_t proc_count(void)
{
    return atomic_load_explicit(&n_alive, memory_order_relaxed);
}

size_t proc_limit(void)
{
    return TABLE_LIMIT;
}

static term all_ids(struct heap *h, bool ports)
{
    term list = TERM_NIL;
    for (uint32_t i = table_used(); i-- > 0;) {
        const struct proc_shared *s = table_slot(i);
        term id = { atomic_load_explicit(&s->pid, memory_order_acquire) };
        bool hidden = atomic_load_explicit(&s->hidden, memory_order_relaxed);
        if (ports ? term_is_local_port(id) : term_is_local_pid(id) && !hidden) {
            list = heap_cons(h, id, list);
        }
    }
    return list;
}

term proc_all_pids(struct heap *h)
{
    return all_ids(h, false);
}

term table_all_ports(struct heap *h)
{
    return all_ids(h, true);
}
