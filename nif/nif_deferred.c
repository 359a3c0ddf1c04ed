#include <stdatomic.h>

#include "nif/host.h"
#include "nif/nif_resource.h"

/* A stack that everybody pushes to and one thread at a time empties. */
static struct nif_deferred *_Atomic pushed;
static _Atomic unsigned running;

void nif_deferred_push(struct nif_deferred *d, void (*fn)(struct nif_deferred *d))
{
    d->fn = fn;
    struct nif_deferred *first = atomic_load_explicit(&pushed, memory_order_relaxed);
    do {
        d->next = first;
    } while (!atomic_compare_exchange_weak_explicit(
        &pushed, &first, d, memory_order_release, memory_order_relaxed));
    if (first == NULL) {
        nif_host->wake_deferred();
    }
}

bool nif_deferred_pending(void)
{
    return atomic_load_explicit(&pushed, memory_order_relaxed) != NULL
           || atomic_load(&running) != 0;
}

static void run_all(void)
{
    /* Acquire pairs with the release in push. */
    struct nif_deferred *d = atomic_exchange_explicit(&pushed, NULL, memory_order_acquire);
    struct nif_deferred *in_order = NULL;
    while (d != NULL) {
        struct nif_deferred *next = d->next;
        d->next = in_order;
        in_order = d;
        d = next;
    }
    while (in_order != NULL) {
        d = in_order;
        in_order = d->next;
        d->fn(d);
    }
}

bool nif_run_deferred(void)
{
    atomic_fetch_add(&running, 1);
    run_all();
    run_all(); /* what the first lot caused: the last object of a library lets it be unloaded */
    atomic_fetch_sub(&running, 1);
    return atomic_load_explicit(&pushed, memory_order_relaxed) != NULL;
}
