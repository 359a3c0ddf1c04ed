#include <stdatomic.h>

#include "nif/host.h"
#include "nif/nif_resource.h"

/* A stack that everybody pushes to and one thread at a time empties. */
static struct nif_deferred *_Atomic pushed;

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
    return atomic_load_explicit(&pushed, memory_order_relaxed) != NULL;
}

bool nif_run_deferred(void)
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
    return nif_deferred_pending();
}
