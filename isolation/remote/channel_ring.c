/* channel_ring.c - frames through shared memory (channel_layout.h); who sleeps is woken by a futex or the doorbell.
 *
 * A slot is ready when its stamp is the number of the frame that is due there: so a frame without a
 * body is one cache line, and nothing else crosses. Where a body lies follows from the lengths of
 * those before it, which both sides count for themselves; no offset ever crosses. A sender that knows that
 * all has been taken starts again at the front, where the lines are still in the caches. Large bodies
 * do so only where both sides are on one CPU: across two, lines that lie in the other's cache are the slow ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "isolation/remote/channel_ring.h"
#include "lib/base/arena.h"
#include "lib/base/memory_file.h"

enum {
    BULK_KEEP = 1 << 20,          /* channel_trim leaves this much */
    BULK_WINDOW = 5 << 19,        /* bodies across two CPUs take turns in it: more than a core's own cache holds */
    ROOM_NAP_NS = 100000000,      /* until who waits for room asks whether the peer is gone */
};

const struct shared *channel_ring_memory(const struct channel *c)
{
    return container_of(c, const struct ring, c)->shared;
}

/* ---- receiving ---- */

/* Where a body of that size lies in data when the last one ended at `at`: never across the end. */
static uint32_t place(uint32_t at, uint64_t bytes)
{
    uint32_t offset = at % CHANNEL_RING_BYTES;
    return offset + bytes <= CHANNEL_RING_BYTES ? at : at + (CHANNEL_RING_BYTES - offset);
}

/* The front of data, at or after `at`. */
static uint32_t front(uint32_t at)
{
    return (at + CHANNEL_RING_BYTES - 1) & ~(uint32_t) (CHANNEL_RING_BYTES - 1);
}

static uint32_t lines(uint64_t bytes)
{
    return (uint32_t) (bytes + LINE - 1) & ~(uint32_t) (LINE - 1);
}

static uint64_t pages(uint64_t bytes)
{
    return (bytes + PAGE - 1) & ~(uint64_t) (PAGE - 1);
}

/* Behind the last one, as long as there is room in the window: lines that the peer has just read, or has not
 * written back yet, are the slowest there are. */
static uint8_t *take_bulk(struct direction *l, uint64_t bytes, bool restart)
{
    l->bulk_from = restart || l->bulk_to + bytes > BULK_WINDOW ? 0 : l->bulk_to;
    l->bulk_to = l->bulk_from + pages(bytes);
    l->bulk_used = l->bulk_to > l->bulk_used ? l->bulk_to : l->bulk_used;
    return l->bulk + l->bulk_from;
}

/* Address of a body, whose size has been checked; counts it. */
static uint8_t *take_place(struct direction *l, struct slot *s, uint64_t bytes, bool restart)
{
    if (bytes <= SLOT_BODY) {
        return s->body;
    }
    if (bytes > CHANNEL_INLINE_MAX) {
        return take_bulk(l, bytes, restart);
    }
    uint32_t at = restart ? front(l->data_at) : place(l->data_at, bytes);
    l->data_at = at + lines(bytes);
    return l->data + at % CHANNEL_RING_BYTES;
}

static enum channel_status ring_receive(struct channel *c, struct frame_header *out)
{
    struct ring *r = ring_of(c);
    struct direction *in = &r->in;
    struct slot *s = &in->slots[(in->number + 1) % RING_SLOTS];
    if (channel_ended(c) != CHANNEL_OK) {
        return channel_ended(c);
    }
    /* Pairs with ring_publish(): what was written before the stamp is there. */
    if (atomic_load_explicit(&s->stamp, memory_order_acquire) != in->number + 1) {
        return CHANNEL_EMPTY;
    }
    struct frame_header h;
    uint32_t taken;
    slot_get_header(s, &h, &taken);
    bool restart = __atomic_load_n(&s->restart, __ATOMIC_RELAXED) != 0;
    if (h.bytes > CHANNEL_BODY_MAX || !ring_note_taken(&r->out, taken)) {
        return channel_end(c, CHANNEL_BROKEN);
    }
    in->number++;
    c->whole = c->body = take_place(in, s, h.bytes, restart);
    c->left = h.bytes;
    c->has_frame = true;
    c->copy_ns = c->is_worker ? 0 : channel_copy_ns(h.bytes);
    c->stays = h.bytes > CHANNEL_INLINE_MAX; /* in bulk: one at a time, and the next only after our answer */
    if (c->is_worker) {
        atomic_store_explicit(&r->mine->received, in->number, memory_order_release);
    }
    *out = h;
    return CHANNEL_OK;
}

static void ring_done(struct channel *c)
{
    struct ring *r = ring_of(c);
    if (c->is_worker) {
        /* The VM does not wait for room. */
        atomic_store_explicit(&r->mine->taken, r->in.number, memory_order_release);
        return;
    }
    /* seq_cst: pairs with wait_for_room(). */
    atomic_store(&r->mine->taken, r->in.number);
    if (atomic_load(&r->peers->waits_for_room) != 0) {
        ring_futex_wake(&r->mine->taken);
    }
}

/* ---- sending ---- */

static bool look_at_taken(struct ring *r)
{
    return ring_note_taken(&r->out, atomic_load(&r->peers->taken));
}

static bool has_room(const struct direction *out, uint64_t bytes)
{
    if (out->number - out->taken >= RING_SLOTS) {
        return false;
    }
    if (bytes <= SLOT_BODY) {
        return true;
    }
    if (bytes > CHANNEL_INLINE_MAX) {
        return !out->bulk_busy;
    }
    return place(out->data_at, bytes) + lines(bytes) - out->data_taken <= CHANNEL_RING_BYTES;
}

/* Worker only: until there is room. */
static enum channel_status wait_for_room(struct ring *r, uint64_t bytes)
{
    enum channel_status s = CHANNEL_OK;
    while (s == CHANNEL_OK && !has_room(&r->out, bytes)) {
        uint32_t seen = r->out.taken;
        /* seq_cst, then a look again: pairs with ring_done(). */
        atomic_store(&r->mine->waits_for_room, 1);
        if (!look_at_taken(r)) {
            s = channel_end(&r->c, CHANNEL_BROKEN);
        } else if (atomic_load(&r->peers->closed) != 0) {
            s = channel_end(&r->c, CHANNEL_CLOSED);
        } else if (r->out.taken == seen) {
            ring_futex_nap(&r->peers->taken, seen, ROOM_NAP_NS);
            s = channel_ended(&r->c);
        }
    }
    atomic_store_explicit(&r->mine->waits_for_room, 0, memory_order_relaxed);
    return s;
}

enum channel_status ring_wake_peer(struct ring *r, struct slot *s, uint32_t state)
{
    if (state == WAIT_DOORBELL && r->c.is_worker) {
        uint64_t one = 1;
        ssize_t n;
        do {
            n = write(r->fds[1], &one, sizeof(one));
        } while (n < 0 && errno == EINTR);
        /* EAGAIN: it has been rung more often than it can count. Else a library closed it under us. */
        return n == (ssize_t) sizeof(one) || errno == EAGAIN ? CHANNEL_OK : channel_end(&r->c, CHANNEL_CLOSED);
    }
    ring_futex_wake(&s->stamp);
    return CHANNEL_OK;
}

/* Memory for more of bulk, in one go instead of a fault for each page. */
static void populate_bulk(struct direction *out, uint64_t before)
{
    if (out->bulk_used > before) {
        (void) madvise(out->bulk + before, out->bulk_used - before, MADV_POPULATE_WRITE); /* before Linux 5.14: faults */
    }
}

/* Does this body begin at the front again? On one CPU what is used over and over is in its cache; across two, what has
 * not been touched lately is faster. */
static bool restarts(struct ring *r, uint64_t bytes)
{
    return bytes <= CHANNEL_INLINE_MAX ? bytes > SLOT_BODY && r->out.taken == r->out.number : ring_peer_is_here(r);
}

static enum channel_status ring_send(
    struct channel *c, const struct frame_header *h, const struct channel_part *parts, size_t n, uint64_t total)
{
    struct ring *r = ring_of(c);
    struct direction *out = &r->out;
    if (channel_ended(c) != CHANNEL_OK) {
        return channel_ended(c);
    }
    if (!has_room(out, total)) {
        if (!look_at_taken(r)) {
            return channel_end(c, CHANNEL_BROKEN);
        }
        if (!has_room(out, total)) {
            enum channel_status s = c->is_worker ? wait_for_room(r, total) : CHANNEL_FULL;
            if (s != CHANNEL_OK) {
                return s;
            }
        }
    }
    bool restart = restarts(r, total);
    if (restart && total <= CHANNEL_INLINE_MAX) {
        out->data_taken = front(out->data_at);
        out->data_ends[out->number % ARRAY_LEN(out->data_ends)] = out->data_taken;
    }
    out->number++;
    uint64_t bulk_before = out->bulk_used;
    struct slot *s = &out->slots[out->number % RING_SLOTS];
    uint8_t *to = take_place(out, s, total, restart);
    if (total > CHANNEL_INLINE_MAX) {
        populate_bulk(out, bulk_before);
        out->bulk_busy = true;
        out->bulk_number = out->number;
    }
    out->data_ends[out->number % ARRAY_LEN(out->data_ends)] = out->data_at;
    for (size_t i = 0; i < n; i++) {
        if (total <= SLOT_BODY) {
            channel_copy_few(to, parts[i].data, parts[i].bytes);
        } else if (parts[i].bytes != 0) {
            memcpy(to, parts[i].data, parts[i].bytes);
        }
        to += parts[i].bytes;
    }
    c->copy_ns = c->is_worker ? channel_copy_ns(total) : c->copy_ns;
    slot_set_header(s, &(struct frame_header) { h->kind, h->number, total, h->extra }, r->in.number - r->c.has_frame, restart);
    return ring_publish(r, s, r->out.number);
}

static int ring_doorbell(const struct channel *c)
{
    return container_of(c, const struct ring, c)->fds[1];
}

/* ---- the rest ---- */

static bool ring_taken(struct channel *c)
{
    struct ring *r = ring_of(c);
    return atomic_load_explicit(&r->peers->received, memory_order_acquire) == r->out.number;
}

static enum channel_status ring_flush(struct channel *c)
{
    return channel_ended(c);
}

static bool ring_wants_write(const struct channel *c)
{
    (void) c;
    return false;
}

static void drop_bulk(struct direction *l)
{
    if (l->bulk_used > BULK_KEEP) {
        /* Punches a hole: MADV_DONTNEED returns nothing of shared memory. */
        if (madvise(l->bulk + BULK_KEEP, l->bulk_used - BULK_KEEP, MADV_REMOVE) == 0) {
            l->bulk_used = BULK_KEEP;
        }
    }
}

static void ring_trim(struct channel *c)
{
    struct ring *r = ring_of(c);
    if (r->out.bulk_used > BULK_KEEP && look_at_taken(r) && !r->out.bulk_busy) {
        drop_bulk(&r->out);
    }
    if (!c->is_worker && !ring_poll(c)) {
        drop_bulk(&r->in);
    }
}

/* Under the same address come private pages with the same bytes, in one step for whoever reads them
 * just now; the bulk area goes to another. */
static bool ring_keep(struct channel *c)
{
    struct direction *in = &ring_of(c)->in;
    uint8_t *from = in->bulk + in->bulk_from, *to = in->bulk + in->bulk_to;
    size_t n = (size_t) (to - from);
    /* An old size of 0 maps the same shared pages a second time. */
    void *again = mremap(in->bulk, 0, CHANNEL_BODY_MAX, MREMAP_MAYMOVE);
    void *own = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (again == MAP_FAILED || own == MAP_FAILED) {
        return false; /* what has been mapped stays: the worker ends */
    }
    memcpy(own, from, n);
    if (mremap(own, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, from) == MAP_FAILED) {
        return false;
    }
    munmap(in->bulk, in->bulk_from);
    munmap(to, CHANNEL_BODY_MAX - in->bulk_to);
    (void) madvise(again, CHANNEL_BODY_MAX, MADV_DONTDUMP);
    in->bulk = again;
    return true;
}

static size_t ring_worker_fds(const struct channel *c, int fds[CHANNEL_MAX_FDS])
{
    const struct ring *r = container_of(c, const struct ring, c);
    memcpy(fds, r->fds, sizeof(r->fds));
    return ARRAY_LEN(r->fds);
}

static void ring_close_worker_fds(struct channel *c)
{
    base_close_fd(&ring_of(c)->fds[0]); /* the doorbell is ours as well */
}

static void ring_free(struct channel *c)
{
    struct ring *r = ring_of(c);
    if (!c->is_worker) {
        /* A stamp that is not due, so that a worker just about to sleep does not. */
        _Atomic uint32_t *stamp = &r->out.slots[(r->out.number + 1) % RING_SLOTS].stamp;
        atomic_store(&r->mine->closed, 1);
        atomic_store(stamp, (r->out.number + 1) ^ 1U << 31);
        ring_futex_wake(stamp);
        ring_futex_wake(&r->mine->taken);
    }
    munmap(r->shared, sizeof(*r->shared));
    base_close_fd(&r->fds[0]);
    base_close_fd(&r->fds[1]);
    vm_free(r);
}

const struct channel_ops ring_ops = {
    ring_worker_fds, ring_close_worker_fds, ring_doorbell, ring_arm, ring_disarm, ring_spin, ring_sleep, ring_wake, ring_taken,
    ring_flush, ring_wants_write, ring_wait, ring_free, ring_send, ring_poll, ring_receive, ring_done, ring_trim, ring_keep,
};

bool channel_is_stuck(const struct channel *c)
{
    const struct ring *r = container_of(c, const struct ring, c);
    return c->ops == &ring_ops && (r->out.number - r->out.taken >= RING_SLOTS || r->out.bulk_busy);
}

static void set_direction(struct direction *l, struct shared *s, int which)
{
    l->slots = s->slots[which];
    l->data = s->data[which];
    l->bulk = s->bulk[which];
}

/* The fds stay the caller's on failure. */
static struct channel *ring_open(int memory, int doorbell, bool is_worker)
{
    void *at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory, 0);
    if (at == MAP_FAILED) {
        return NULL;
    }
    (void) madvise(at, sizeof(struct shared), MADV_DONTDUMP);
    (void) madvise(at, sizeof(struct shared), MADV_DONTFORK); /* a child of either side has no part in it */
    struct ring *r = vm_zalloc(sizeof(*r));
    r->c.ops = &ring_ops;
    r->c.is_worker = is_worker;
    r->shared = at;
    r->mine = is_worker ? &r->shared->worker : &r->shared->vm;
    r->peers = is_worker ? &r->shared->vm : &r->shared->worker;
    set_direction(&r->out, r->shared, is_worker ? REPLIES : REQUESTS);
    set_direction(&r->in, r->shared, is_worker ? REQUESTS : REPLIES);
    r->fds[0] = memory;
    r->fds[1] = doorbell;
    r->may_spin = is_worker && channel_several_cpus();
    return &r->c;
}

struct channel *channel_ring_new(void)
{
    scope_fd int memory = memory_file_new("channel", sizeof(struct shared));
    scope_fd int doorbell = memory < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (doorbell < 0
        || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        return NULL;
    }
    struct channel *c = ring_open(memory, doorbell, false);
    if (c != NULL) {
        memory = doorbell = -1;
    }
    return c;
}

struct channel *channel_ring_attach(const int *fds, size_t n_fds)
{
    struct channel *c = n_fds == 2 ? ring_open(fds[0], fds[1], true) : NULL;
    if (c != NULL) {
        ring_close_worker_fds(c);
    }
    return c;
}
