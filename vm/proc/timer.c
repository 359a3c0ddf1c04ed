#include "vm/proc/timer.h"

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/lock.h"
#include "vm/proc/links.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"

enum { LEVELS = 6, SLOT_BITS = 8, SLOTS = 1 << SLOT_BITS, BITMAP_WORDS = SLOTS / 64, NS_PER_MS = 1000000,
    FIRST_BUCKETS = 64 };
#define MAX_DELTA ((INT64_C(1) << (LEVELS * SLOT_BITS)) - 1)

struct timer {
    struct timer *next, **link; /* in a slot; link NULL: in none. Guarded by the wheel's lock. */
    struct wheel *wheel;
    int64_t due_ms;
    uint64_t id;          /* of the reference; receive timers: number of the setting */
    term dest;            /* pid or name */
    struct message *message; /* owned; NULL: a receive timer */
    struct timer *next_hash;
    uint8_t level;
    uint8_t slot;
    bool active;          /* receive timers: set and not cancelled. Owner only. */
};

struct wheel {
    struct lock lock;
    int64_t at_ms; /* everything due up to here has fired */
    size_t n_buckets, n_hashed;
    struct timer **buckets; /* owned: BIF timers by id */
    _Atomic uint32_t n_timers;
    unsigned index;
    uint64_t bitmap[LEVELS][BITMAP_WORDS];
    struct timer *slots[LEVELS][SLOTS];
};

/* Indexed like schedulers, from 0. Constant once schedulers run. */
static struct wheel *wheels[SCHED_MAX];

static int64_t now_ms(void)
{
    return clock_monotonic_ns() / NS_PER_MS;
}

struct wheel *wheel_new(unsigned index)
{
    struct wheel *w = vm_zalloc(sizeof(*w));
    lock_init(&w->lock, RANK_TIMER);
    w->at_ms = now_ms();
    w->index = index;
    w->n_buckets = FIRST_BUCKETS;
    w->buckets = vm_zalloc(w->n_buckets * sizeof(*w->buckets));
    wheels[index] = w;
    return w;
}

void wheel_free(struct wheel *w)
{
    for (size_t i = 0; i < w->n_buckets; i++) {
        struct timer *t;
        while ((t = w->buckets[i]) != NULL) {
            w->buckets[i] = t->next_hash;
            message_free(t->message);
            vm_free(t);
        }
    }
    wheels[w->index] = NULL;
    vm_free(w->buckets);
    lock_destroy(&w->lock);
    vm_free(w);
}

bool wheel_is_empty(const struct wheel *w)
{
    return atomic_load_explicit(&w->n_timers, memory_order_relaxed) == 0;
}

static void count_timers(struct wheel *w, int change)
{
    uint32_t n = atomic_load_explicit(&w->n_timers, memory_order_relaxed);
    atomic_store_explicit(&w->n_timers, n + (uint32_t) change, memory_order_relaxed);
}

/* ---- slots ---- */

static void insert_locked(struct wheel *w, struct timer *t)
{
    int64_t delta = t->due_ms - w->at_ms;
    int64_t due = t->due_ms;
    unsigned level = 0;
    VM_ASSERT(delta >= 0);
    if (delta > MAX_DELTA) {
        due = w->at_ms + MAX_DELTA; /* goes round again when it gets there */
        level = LEVELS - 1;
    } else {
        while (delta >> (SLOT_BITS * (level + 1)) != 0) {
            level++;
        }
    }
    unsigned slot = (unsigned) (due >> (SLOT_BITS * level)) & (SLOTS - 1);
    struct timer **head = &w->slots[level][slot];
    t->level = (uint8_t) level;
    t->slot = (uint8_t) slot;
    t->next = *head;
    if (t->next != NULL) {
        t->next->link = &t->next;
    }
    t->link = head;
    *head = t;
    w->bitmap[level][slot / 64] |= UINT64_C(1) << slot % 64;
}

static void unlink_locked(struct wheel *w, struct timer *t)
{
    *t->link = t->next;
    if (t->next != NULL) {
        t->next->link = t->link;
    }
    if (w->slots[t->level][t->slot] == NULL) {
        w->bitmap[t->level][t->slot / 64] &= ~(UINT64_C(1) << t->slot % 64);
    }
    t->link = NULL;
}

static void add_locked(struct wheel *w, struct timer *t)
{
    if (wheel_is_empty(w)) {
        int64_t now = now_ms();
        w->at_ms = now > w->at_ms ? now : w->at_ms; /* nothing to pass over */
    }
    if (t->due_ms <= w->at_ms) {
        t->due_ms = w->at_ms + 1; /* the clock was read before the wheel moved on */
    }
    insert_locked(w, t);
    count_timers(w, 1);
}

static void take_locked(struct wheel *w, struct timer *t)
{
    unlink_locked(w, t);
    count_timers(w, -1);
}

/* First slot in use at or after from, below SLOTS; -1: none. */
static int find_slot(const uint64_t *bitmap, unsigned from)
{
    for (unsigned word = from / 64; word < BITMAP_WORDS; word++) {
        uint64_t bits = bitmap[word];
        if (word == from / 64) {
            bits &= ~UINT64_C(0) << from % 64;
        }
        if (bits != 0) {
            return (int) (word * 64) + __builtin_ctzll(bits);
        }
    }
    return -1;
}

/* Spreads the slots that begin at at_ms over the levels below. */
static void cascade_locked(struct wheel *w)
{
    unsigned top = 1;
    while (top < LEVELS - 1 && ((w->at_ms >> (SLOT_BITS * top)) & (SLOTS - 1)) == 0) {
        top++;
    }
    for (unsigned level = top; level >= 1; level--) {
        unsigned slot = (unsigned) (w->at_ms >> (SLOT_BITS * level)) & (SLOTS - 1);
        struct timer *list = w->slots[level][slot];
        w->slots[level][slot] = NULL;
        w->bitmap[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
        while (list != NULL) {
            struct timer *t = list;
            list = t->next;
            insert_locked(w, t);
        }
    }
}

/* ---- firing ---- */

static void hash_remove(struct wheel *w, struct timer *t)
{
    struct timer **at = &w->buckets[(t->id >> REF_INDEX_BITS) & (w->n_buckets - 1)];
    while (*at != t) {
        at = &(*at)->next_hash;
    }
    *at = t->next_hash;
    w->n_hashed--;
}

/* Receive timers go off here; others are collected, for a message may run native destructors. */
static void fire_slot_locked(struct wheel *w, unsigned slot, struct timer **expired)
{
    struct timer *t;
    while ((t = w->slots[0][slot]) != NULL) {
        take_locked(w, t);
        if (t->message == NULL) {
            signal_send_message(t->dest, &signal_new(SIGNAL_RESUME, TERM_NONE, t->id, TERM_NONE, 0)->base);
        } else {
            hash_remove(w, t);
            t->next = *expired;
            *expired = t;
        }
    }
}

static void deliver(struct timer *t)
{
    term pid = term_is_atom(t->dest) ? registry_whereis(t->dest) : t->dest;
    if (term_is_none(pid)) {
        message_free(t->message);
    } else {
        signal_send_message(pid, t->message);
    }
    vm_free(t);
}

/* When a slot fires or has to be spread next; INT64_MAX: never. */
static int64_t next_tick_locked(const struct wheel *w)
{
    int64_t best = INT64_MAX;
    for (unsigned level = 0; level < LEVELS; level++) {
        int64_t base = w->at_ms >> (SLOT_BITS * level);
        unsigned current = (unsigned) base & (SLOTS - 1);
        int slot = current + 1 < SLOTS ? find_slot(w->bitmap[level], current + 1) : -1;
        if (slot < 0) {
            slot = find_slot(w->bitmap[level], 0);
        }
        if (slot < 0) {
            continue;
        }
        unsigned steps = ((unsigned) slot - current) & (SLOTS - 1);
        int64_t when = (base + (steps == 0 ? SLOTS : (int64_t) steps)) << (SLOT_BITS * level);
        best = when < best ? when : best;
    }
    return best;
}

static void advance_locked(struct wheel *w, int64_t now, struct timer **expired)
{
    while (w->at_ms < now) {
        int64_t tick = next_tick_locked(w);
        if (tick > now) {
            w->at_ms = now;
            return;
        }
        w->at_ms = tick;
        if ((tick & (SLOTS - 1)) == 0) {
            cascade_locked(w);
        }
        fire_slot_locked(w, (unsigned) tick & (SLOTS - 1), expired);
    }
}

void wheel_advance(struct wheel *w, int64_t now_ns)
{
    struct timer *expired = NULL;
    lock_take(&w->lock);
    advance_locked(w, now_ns / NS_PER_MS, &expired);
    lock_drop(&w->lock);
    /* Newest first so far: turn round, so that equal times fire in the order they were set. */
    struct timer *ordered = NULL;
    while (expired != NULL) {
        struct timer *t = expired;
        expired = t->next;
        t->next = ordered;
        ordered = t;
    }
    while (ordered != NULL) {
        struct timer *t = ordered;
        ordered = t->next;
        deliver(t);
    }
}

int64_t wheel_next_ns(struct wheel *w)
{
    if (wheel_is_empty(w)) {
        return INT64_MAX;
    }
    lock_take(&w->lock);
    int64_t next = next_tick_locked(w);
    lock_drop(&w->lock);
    return next > INT64_MAX / NS_PER_MS ? INT64_MAX : next * NS_PER_MS;
}

/* ---- receive timers ---- */

/* The wheel of this thread; threads without one use the first. */
static struct wheel *own_wheel(bool *out_foreign)
{
    const struct sched *s = sched_self();
    *out_foreign = s == NULL || s->kind != SCHED_NORMAL;
    return wheels[*out_foreign ? 0 : s->index - 1];
}

static void grow_hash(struct wheel *w)
{
    size_t n = w->n_buckets * 4;
    struct timer **buckets = vm_zalloc(n * sizeof(struct timer *));
    for (size_t i = 0; i < w->n_buckets; i++) {
        struct timer *t;
        while ((t = w->buckets[i]) != NULL) {
            w->buckets[i] = t->next_hash;
            struct timer **at = &buckets[(t->id >> REF_INDEX_BITS) & (n - 1)];
            t->next_hash = *at;
            *at = t;
        }
    }
    vm_free(w->buckets);
    w->buckets = buckets;
    w->n_buckets = n;
}

static void set_timer(struct wheel *w, struct timer *t, bool foreign)
{
    t->wheel = w;
    lock_take(&w->lock);
    add_locked(w, t);
    if (t->message != NULL) {
        struct timer **at = &w->buckets[(t->id >> REF_INDEX_BITS) & (w->n_buckets - 1)];
        t->next_hash = *at;
        *at = t;
        if (++w->n_hashed > 2 * w->n_buckets) {
            grow_hash(w);
        }
    }
    lock_drop(&w->lock);
    if (foreign) {
        sched_poke(w->index);
    }
}

void timer_set_receive(struct proc *p, uint64_t timeout_ms)
{
    struct timer *t = p->receive_timer;
    if (t == NULL) {
        t = p->receive_timer = vm_zalloc(sizeof(*t));
        t->dest = p->id;
    } else if (t->active) {
        timer_cancel_receive(p);
    }
    int64_t now = clock_monotonic_ns();
    int64_t limit = INT64_MAX / NS_PER_MS / 2;
    t->due_ms = (now + NS_PER_MS - 1) / NS_PER_MS + (timeout_ms > (uint64_t) limit ? limit : (int64_t) timeout_ms);
    t->id++;
    t->active = true;
    p->timed_out = false;
    bool foreign;
    struct wheel *w = own_wheel(&foreign);
    set_timer(w, t, foreign);
}

void timer_cancel_receive(struct proc *p)
{
    struct timer *t = p->receive_timer;
    p->timed_out = false;
    if (t == NULL || !t->active) {
        return;
    }
    t->active = false;
    lock_take(&t->wheel->lock);
    if (t->link != NULL) {
        take_locked(t->wheel, t);
    }
    lock_drop(&t->wheel->lock);
}

bool timer_receive_is(const struct proc *p, uint64_t seq)
{
    return p->receive_timer != NULL && p->receive_timer->active && p->receive_timer->id == seq;
}

bool timer_receive_is_set(const struct proc *p)
{
    return p->receive_timer != NULL && p->receive_timer->active;
}

void timer_receive_free(struct proc *p)
{
    timer_cancel_receive(p);
    vm_free(p->receive_timer);
    p->receive_timer = NULL;
}

/* ---- BIF timers ---- */

term timer_start(struct proc *p, int64_t deadline_ns, term dest, term message, bool with_ref)
{
    bool foreign;
    struct wheel *w = own_wheel(&foreign);
    uint64_t id = ref_next_id();
    term ref = heap_ref(&p->heap, id, 0);
    if (with_ref) {
        message = heap_tuple3(&p->heap, ATOM(timeout), ref, message);
    }
    bool own = term_same(dest, p->id);
    struct timer *t = vm_zalloc(sizeof(*t));
    t->id = id;
    t->dest = dest;
    t->due_ms = deadline_ns > INT64_MAX - NS_PER_MS ? INT64_MAX / NS_PER_MS : (deadline_ns + NS_PER_MS - 1) / NS_PER_MS;
    t->message = &signal_new_lasting(own ? SIGNAL_TIMER : SIGNAL_MESSAGE, id, message)->base;
    if (deadline_ns <= clock_monotonic_ns()) {
        t->message->kind = SIGNAL_MESSAGE;
        deliver(t);
        return ref;
    }
    if (own) {
        (void) link_add(&proc_links(p)->timers, id);
    }
    set_timer(w, t, foreign);
    return ref;
}

/* The wheel a BIF timer with that id would be in; NULL: none. */
static struct wheel *wheel_of_id(uint64_t id)
{
    unsigned index = (unsigned) id & ((1u << REF_INDEX_BITS) - 1);
    bool normal = index >= 1 && index <= sched_count();
    return wheels[normal ? index - 1 : 0];
}

static struct timer *find_locked(struct wheel *w, uint64_t id)
{
    struct timer *t = w->buckets[(id >> REF_INDEX_BITS) & (w->n_buckets - 1)];
    while (t != NULL && t->id != id) {
        t = t->next_hash;
    }
    return t;
}

static int64_t left_ms(const struct timer *t)
{
    int64_t left = t->due_ms - (clock_monotonic_ns() + NS_PER_MS - 1) / NS_PER_MS;
    return left < 0 ? 0 : left;
}

static bool dest_is_dead(const struct timer *t)
{
    return term_is_local_pid(t->dest) && !proc_alive(t->dest);
}

int64_t timer_read(uint64_t id)
{
    struct wheel *w = wheel_of_id(id);
    lock_take(&w->lock);
    const struct timer *t = find_locked(w, id);
    int64_t left = t == NULL || dest_is_dead(t) ? -1 : left_ms(t);
    lock_drop(&w->lock);
    return left;
}

int64_t timer_cancel(uint64_t id)
{
    struct wheel *w = wheel_of_id(id);
    lock_take(&w->lock);
    struct timer *t = find_locked(w, id);
    int64_t left = -1;
    if (t != NULL) {
        left = dest_is_dead(t) ? -1 : left_ms(t);
        take_locked(w, t);
        hash_remove(w, t);
    }
    lock_drop(&w->lock);
    if (t != NULL) {
        message_free(t->message);
        vm_free(t);
    }
    return left;
}
