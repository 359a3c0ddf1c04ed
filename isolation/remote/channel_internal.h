/* channel_internal.h - what the two transports share; for channel*.c only. */
#ifndef ISOLATION_CHANNEL_INTERNAL_H
#define ISOLATION_CHANNEL_INTERNAL_H

#include <stdatomic.h>

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

struct channel {
    const struct channel_ops *ops;
    bool is_worker;
    bool has_frame;         /* received and not done */
    bool stays;             /* its body does, until the worker answers */
    _Atomic uint32_t ended; /* enum channel_status: OK, or what every call answers; a private futex */
    const uint8_t *whole;   /* body of the current frame */
    const uint8_t *body;    /* the next byte of it to read */
    uint64_t left;          /* bytes of it that have not been read: never more than are there */
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

/* In loops that spin. */
static inline void channel_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

#endif
