#include "isolation/remote/channel.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "isolation/remote/channel_internal.h"
#include "lib/base/clock.h"

enum { FEW_BYTES = 64 };

enum channel_status channel_end(struct channel *c, enum channel_status s)
{
    uint32_t none = CHANNEL_OK;
    atomic_compare_exchange_strong(&c->ended, &none, (uint32_t) s);
    return channel_ended(c);
}

int64_t channel_deadline(int64_t ns)
{
    int64_t now = ns < 0 ? 0 : clock_monotonic_ns();
    return ns < 0 || ns > INT64_MAX - now ? INT64_MAX : now + ns;
}

bool channel_several_cpus(void)
{
    cpu_set_t set;
    /* EINVAL: more CPUs than a cpu_set_t has */
    return sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) > 1;
}

struct channel *channel_new(enum channel_transport t)
{
    return t == CHANNEL_RING ? channel_ring_new() : channel_socket_new();
}

struct channel *channel_attach(enum channel_transport t, const int *fds, size_t n_fds)
{
    struct channel *c = t == CHANNEL_RING ? channel_ring_attach(fds, n_fds) : channel_socket_attach(fds, n_fds);
    for (size_t i = 0; c == NULL && i < n_fds; i++) {
        close(fds[i]);
    }
    return c;
}

size_t channel_worker_fds(const struct channel *c, int fds[CHANNEL_MAX_FDS])
{
    return c->ops->worker_fds(c, fds);
}

void channel_close_worker_fds(struct channel *c)
{
    c->ops->close_worker_fds(c);
}

int channel_doorbell(const struct channel *c)
{
    return c->ops->doorbell(c);
}

bool channel_arm(struct channel *c)
{
    return c->ops->arm(c);
}

void channel_disarm(struct channel *c)
{
    c->ops->disarm(c);
}

bool channel_spin(struct channel *c, int64_t ns)
{
    return c->ops->spin(c, ns);
}

void channel_sleep(struct channel *c, _Atomic uint32_t *other, uint32_t other_value, int64_t timeout_ns)
{
    c->ops->sleep(c, other, other_value, timeout_ns);
}

void channel_shut(struct channel *c)
{
    atomic_store(&c->ended, CHANNEL_CLOSED);
    c->ops->wake(c);
}

bool channel_taken(struct channel *c)
{
    return c->ops->taken(c);
}

enum channel_status channel_flush(struct channel *c)
{
    return c->ops->flush(c);
}

bool channel_wants_write(const struct channel *c)
{
    return c->ops->wants_write(c);
}

enum channel_status channel_wait(struct channel *c, _Atomic uint32_t *stop)
{
    return c->ops->wait(c, stop);
}

void channel_free(struct channel *c)
{
    if (c != NULL) {
        c->ops->free(c);
    }
}

enum channel_status channel_send(
    struct channel *c, const struct frame_header *h, const struct channel_part *parts, size_t n_parts)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].bytes > CHANNEL_BODY_MAX - total) {
            return CHANNEL_FULL;
        }
        total += parts[i].bytes;
    }
    return c->ops->send(c, h, parts, n_parts, total);
}

bool channel_poll(struct channel *c)
{
    return c->ops->poll(c);
}

enum channel_status channel_receive(struct channel *c, struct frame_header *h)
{
    channel_done(c);
    return c->ops->receive(c, h);
}

bool channel_read(struct channel *c, void *to, size_t n)
{
    if (n > c->left) {
        return false;
    }
    if (n != 0) {
        if (n <= FEW_BYTES) {
            channel_copy_few(to, c->body, n);
        } else {
            memcpy(to, c->body, n);
        }
        /* What was copied is used, never read a second time from where the peer may write. */
        __asm__ volatile("" : : : "memory");
        c->body += n;
        c->left -= n;
    }
    return true;
}

const uint8_t *channel_lend(struct channel *c, size_t n)
{
    const uint8_t *at = c->body;
    VM_ASSERT(c->is_worker);
    if (!c->stays || n > c->left) {
        return NULL;
    }
    c->body += n;
    c->left -= n;
    return at;
}

bool channel_keep(struct channel *c)
{
    return c->ops->keep == NULL || c->ops->keep(c);
}

const uint8_t *channel_body(struct channel *c)
{
    VM_ASSERT(c->is_worker);
    return c->whole;
}

void channel_done(struct channel *c)
{
    if (c->has_frame) {
        c->has_frame = false;
        c->left = 0;
        c->ops->done(c);
    }
}

void channel_trim(struct channel *c)
{
    channel_done(c);
    c->ops->trim(c);
}
