/* channel_internal.h - what the two transports share; for channel*.c only. */
#ifndef ISOLATION_CHANNEL_INTERNAL_H
#define ISOLATION_CHANNEL_INTERNAL_H

#include <stdatomic.h>
#include <string.h>

#include "isolation/remote/channel.h"

/* A transport embeds struct channel as its first field. What one of its ops does is said in channel.h. */
struct channel_ops {
    size_t (*worker_fds)(const struct channel *c, int fds[CHANNEL_MAX_FDS]);
    void (*close_worker_fds)(struct channel *c);
    int (*doorbell)(const struct channel *c);
    bool (*arm)(struct channel *c);
    void (*disarm)(struct channel *c);
    bool (*spin)(struct channel *c, int64_t ns);
    void (*sleep)(struct channel *c, _Atomic uint32_t *other, uint32_t other_value, int64_t timeout_ns);
    void (*wake)(struct channel *c); /* any thread: whoever is in sleep; ended has been set */
    bool (*taken)(struct channel *c);
    enum channel_status (*flush)(struct channel *c);
    bool (*wants_write)(const struct channel *c);
    enum channel_status (*wait)(struct channel *c, _Atomic uint32_t *stop);
    void (*free)(struct channel *c);
    /* total: sum of the parts, at most CHANNEL_BODY_MAX. */
    enum channel_status (*send)(
        struct channel *c, const struct frame_header *h, const struct channel_part *parts, size_t n, uint64_t total);
    bool (*poll)(struct channel *c);
    /* Sets has_frame, whole, body and left too. */
    enum channel_status (*receive)(struct channel *c, struct frame_header *h);
    void (*done)(struct channel *c);
    void (*trim)(struct channel *c);
    bool (*keep)(struct channel *c); /* NULL: nothing is lent */
};

/* memcpy for a few bytes, without a call. */
static inline void channel_copy_few(void *to_bytes, const void *from_bytes, size_t n)
{
    uint8_t *to = to_bytes;
    const uint8_t *from = from_bytes;
    if (n >= 8) { /* the last word overlaps the one before */
        for (size_t i = 0; i + 8 < n; i += 8) {
            memcpy(to + i, from + i, 8);
        }
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++) {
            to[i] = from[i];
        }
    }
}

struct channel {
    const struct channel_ops *ops;
    bool is_worker;
    bool has_frame;         /* received and not done */
    bool stays;             /* its body does, until the worker answers */
    _Atomic uint32_t ended; /* enum channel_status: OK, or what every call answers; a private futex */
    const uint8_t *whole;   /* body of the current frame */
    const uint8_t *body;    /* the next byte of it to read */
    uint64_t left;          /* bytes of it that have not been read: never more than are there */
    int64_t copy_ns;        /* channel_copy_ns() of the last large body: VM, received; worker, sent */
};

static inline enum channel_status channel_ended(struct channel *c)
{
    return (enum channel_status) atomic_load_explicit(&c->ended, memory_order_relaxed);
}
/* First cause wins, but for channel_shut(). */
enum channel_status channel_end(struct channel *c, enum channel_status s);

/* Monotonic clock; INT64_MAX: never. ns < 0: no timeout. */
int64_t channel_deadline(int64_t ns);

struct channel *channel_ring_new(void);
struct channel *channel_ring_attach(const int *fds, size_t n_fds);
struct channel *channel_socket_new(void);
struct channel *channel_socket_attach(const int *fds, size_t n_fds);

/* How long copying so many bytes takes at most: it pays to spin for that. 0 for small bodies. */
static inline int64_t channel_copy_ns(uint64_t bytes)
{
    enum { BYTES_PER_NS = 16, MOST_NS = 100000 };
    return bytes <= CHANNEL_INLINE_MAX ? 0 : bytes < BYTES_PER_NS * MOST_NS ? (int64_t) (bytes / BYTES_PER_NS) : MOST_NS;
}

#endif
