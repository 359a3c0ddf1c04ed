/* pool_internal.h - what pool.c, pool_workers.c and pool_options.c share. */
#ifndef ISOLATION_POOL_INTERNAL_H
#define ISOLATION_POOL_INTERNAL_H

#include "isolation/remote/remote_internal.h"

static inline void call_set_state_locked(struct remote_progress *p, enum call_state s)
{
    atomic_store_explicit(&p->state, s, memory_order_release);
}

/* Calls to be woken once the lock has been dropped. Large: only n is cleared. */
struct to_wake {
    struct { term pid; } item[PROTOCOL_MAX_LANES];
    unsigned n;
};

/* ---- pool.c ---- */
void pool_wake_all(const struct to_wake *wake);
/* Gives lanes to those that wait, as far as there are. */
void pool_serve_waiting_locked(struct remote_pool *pool, struct to_wake *wake);
/* A call that had a lane and has not begun is the next to get one. */
void pool_put_back_locked(struct remote_pool *pool, struct remote_progress *p);
bool pool_wants_worker_locked(const struct remote_pool *pool);
/* Something has changed that those who keep a lane at hand look at: the one there is, if any, is idle now. */
void pool_recall_locked(struct remote_pool *pool);

/* ---- pool_workers.c ---- */
/* The last call of a worker that retires is over. */
void pool_close_worker(struct remote_worker *w);

/* ---- pool_options.c ---- */
/* More than the policy asks for, and nothing would be lost with it. */
bool pool_is_surplus_locked(const struct remote_worker *w);
/* An embryo is as a new worker would be, and wanted. */
bool pool_embryo_fits_locked(const struct remote_worker *w);
/* It is as new workers are, and there is a library to serve. */
bool pool_has_use_for_locked(const struct remote_worker *w);

#endif
