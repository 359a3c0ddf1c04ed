#include "isolation/remote/tests/hostile_peer.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/remote/channel_brief.h"

enum { CHUNK = 4096, READ_MAX = 64 << 10, REQUEST_BYTES = 200, SLEEP_EVERY = 1024 };
enum { REWRITES_PER_TURN = 64, BREAK_ONE_IN = 256 };

void wake_private(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* splitmix64 */
uint64_t hostile_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

void hostile_open(struct hostile_peer *p, struct channel *vm)
{
    int fds[CHANNEL_MAX_FDS];
    VM_REQUIRE(channel_worker_fds(vm, fds) == 2);
    p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fds[0], 0);
    VM_REQUIRE(p->shared != MAP_FAILED);
    p->taken = &p->shared->worker.taken;
}

void hostile_close(struct hostile_peer *p)
{
    munmap(p->shared, sizeof(*p->shared));
    p->shared = NULL;
}

/* Other threads write the same places. */
static void put32(uint32_t *to, uint32_t v)
{
    __atomic_store_n(to, v, __ATOMIC_RELAXED);
}

static void put16(uint16_t *to, uint32_t v)
{
    __atomic_store_n(to, (uint16_t) v, __ATOMIC_RELAXED);
}

/* What is too large for the field is large. */
static uint32_t field32(uint64_t bytes)
{
    return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t) bytes;
}

static void put64(uint64_t *to, uint64_t v)
{
    __atomic_store_n(to, v, __ATOMIC_RELAXED);
}

static struct slot *slot_of(struct hostile_peer *p, uint32_t number)
{
    return &p->shared->slots[1][number % RING_SLOTS];
}

void hostile_stamp(struct hostile_peer *p, uint32_t number, uint32_t stamp)
{
    atomic_store(&slot_of(p, number)->stamp, stamp);
}

void hostile_reply(struct hostile_peer *p, uint32_t number, const struct frame_header *h, uint32_t taken, uint32_t restart)
{
    struct slot *s = slot_of(p, number);
    put16(&s->kind, h->kind);
    put32(&s->number, h->number);
    put32(&s->bytes, field32(h->bytes));
    put64(&s->extra, h->extra);
    put32(&s->taken, taken);
    put16(&s->restart, restart);
    hostile_stamp(p, number, number);
}

/* ---- many ---- */

/* Mostly near a limit, now and then far off. */
static uint64_t some_size(uint64_t *random)
{
    static const uint64_t sizes[] = { 0, 1, SLOT_BODY - 1, SLOT_BODY, SLOT_BODY + 1, 4000, CHANNEL_INLINE_MAX - 1,
        CHANNEL_INLINE_MAX, CHANNEL_INLINE_MAX + 1, 100000, CHANNEL_BODY_MAX - 1, CHANNEL_BODY_MAX };
    uint64_t r = hostile_random(random);
    if (r % BREAK_ONE_IN == 0) {
        return r & 256 ? CHANNEL_BODY_MAX + 1 + r % 64 : hostile_random(random) | UINT64_C(1) << 63;
    }
    return r & 1024 ? sizes[(r >> 11) % ARRAY_LEN(sizes)] : (r >> 11) % (2 * CHANNEL_INLINE_MAX);
}

struct rewriter {
    pthread_mutex_t lock; /* guards peer: it changes with the channel */
    struct hostile_peer peer;
    _Atomic bool stop;
    uint64_t random;
};

static void rewrite_once(struct rewriter *w)
{
    struct shared *s = w->peer.shared;
    uint64_t r = hostile_random(&w->random);
    struct slot *slot = slot_of(&w->peer, (uint32_t) (r >> 8));
    switch (r % 16) {
    case 0: put16(&slot->kind, (uint32_t) (r >> 16)); break;
    case 1: atomic_store(&s->worker.state, (uint32_t) (r >> 16) % 4); break;
    case 2: atomic_store(&s->worker.waits_for_room, (uint32_t) (r >> 16) % 2); break;
    case 3: atomic_store(&s->worker.received, (uint32_t) (r >> 16)); break;
    case 4: atomic_store(&s->vm.taken, (uint32_t) (r >> 16)); break; /* words of the VM: it does not read them */
    case 5: atomic_store(&s->vm.state, (uint32_t) (r >> 16) % 4); break;
    case 6: put16(&slot->restart, (uint32_t) (r >> 16)); break;
    case 7: put64((uint64_t *) &s->slots[0][(r >> 16) % RING_SLOTS], r); break;
    case 8: put64((uint64_t *) &s->data[1][(r >> 16) % CHANNEL_RING_BYTES & ~UINT64_C(7)], r); break;
    case 9: put64((uint64_t *) slot->body, r); break;
    case 10:
        if ((r >> 16) % 4096 == 0) {
            atomic_store(&s->worker.taken, (uint32_t) (r >> 32));
        }
        break;
    case 11:
        if ((r >> 16) % 4096 == 0) {
            put32(&slot->taken, (uint32_t) (r >> 32));
        }
        break;
    default: put32(&slot->bytes, field32(some_size(&w->random))); break;
    }
}

static void *rewrite(void *arg)
{
    struct rewriter *w = arg;
    while (!atomic_load(&w->stop)) {
        pthread_mutex_lock(&w->lock);
        for (int i = 0; i < REWRITES_PER_TURN; i++) {
            rewrite_once(w);
        }
        pthread_mutex_unlock(&w->lock);
        sched_yield();
    }
    return NULL;
}

static void check_place(const struct channel *c, uint64_t bytes)
{
    const struct shared *s = channel_ring_memory(c);
    const uint8_t *first = bytes <= SLOT_BODY ? (const uint8_t *) s->slots[1]
        : bytes <= CHANNEL_INLINE_MAX         ? s->data[1]
                                              : s->bulk[1];
    size_t room = bytes <= SLOT_BODY    ? sizeof(s->slots[1])
        : bytes <= CHANNEL_INLINE_MAX ? sizeof(s->data[1])
                                      : sizeof(s->bulk[1]);
    VM_REQUIRE(bytes <= CHANNEL_BODY_MAX && c->left == bytes);
    VM_REQUIRE(c->whole >= first && bytes <= room && (size_t) (c->whole - first) <= room - bytes);
}

/* As a VM does: what may be brief as that, or the header, then the body piece by piece. */
static enum channel_status receive_one(struct channel *c, bool try_brief)
{
    static uint8_t piece[CHUNK];
    struct frame_header h;
    struct brief b;
    uint8_t body[SLOT_BODY];
    const struct slot *slot = try_brief ? brief_await(c) : NULL;
    if (slot != NULL && brief_peek(slot, &b, body)) {
        VM_REQUIRE(b.h.bytes <= SLOT_BODY);
        if (brief_take(c, &b)) {
            return CHANNEL_OK;
        }
    }
    enum channel_status s = channel_receive(c, &h);
    if (s == CHANNEL_OK) {
        check_place(c, h.bytes);
        for (uint64_t n = 0; n + CHUNK <= h.bytes && n < READ_MAX; n += CHUNK) {
            VM_REQUIRE(channel_read(c, piece, CHUNK));
        }
        VM_REQUIRE(h.bytes >= CHUNK || channel_read(c, piece, h.bytes));
        channel_done(c);
    }
    return s;
}

static struct channel *next_channel(struct rewriter *w, struct channel *old)
{
    struct channel *c = channel_new(CHANNEL_RING);
    VM_REQUIRE(c != NULL);
    pthread_mutex_lock(&w->lock);
    if (old != NULL) {
        hostile_close(&w->peer);
    }
    hostile_open(&w->peer, c);
    pthread_mutex_unlock(&w->lock);
    channel_free(old);
    return c;
}

uint64_t hostile_replies(uint64_t n, uint64_t seed)
{
    struct rewriter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .random = ~seed };
    uint64_t random = seed, delivered = 0;
    static uint8_t request[REQUEST_BYTES];
    struct channel_part part = { request, sizeof(request) };
    struct channel *c = next_channel(&w, NULL);
    uint32_t number = 0;
    pthread_t thread;
    VM_REQUIRE(pthread_create(&thread, NULL, rewrite, &w) == 0);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t r = hostile_random(&random);
        struct frame_header h = { (uint32_t) r, (uint32_t) (r >> 32), some_size(&random), r };
        number++;
        if (r % 4 == 0 && channel_send(c, &h, &part, 1) == CHANNEL_FULL) {
            atomic_store(w.peer.taken, number); /* as wrong as can be: breaks it, or makes room */
        }
        hostile_reply(&w.peer, number, &h, (r >> 8) % 64 == 0 ? (uint32_t) (r >> 16) % 4 : 0, (uint32_t) (r >> 20) % 2);
        if (r % SLEEP_EVERY == 1) {
            hostile_stamp(&w.peer, number, (uint32_t) r);
            (void) !channel_spin(c, 1000);
            channel_sleep(c, NULL, 0, 10000);
            hostile_stamp(&w.peer, number, number);
        }
        enum channel_status s = receive_one(c, (r >> 24) % 2 == 0);
        delivered += s == CHANNEL_OK;
        (void) channel_taken(c);
        if (s != CHANNEL_OK) {
            VM_REQUIRE(s == CHANNEL_BROKEN && channel_poll(c));
            c = next_channel(&w, c);
            number = 0;
        } else if (r % 8192 == 2) {
            channel_trim(c);
        }
    }
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    hostile_close(&w.peer);
    channel_free(c);
    return delivered;
}
