/* futex.h - a word that threads of this process sleep on until another one wakes them.
 *
 *   waiting:  while ((seen = atomic_load(&word)) is not what is wanted) futex_wait(&word, seen, FUTEX_FOREVER);
 *   waking:   change the word, then futex_wake(&word)
 *
 * Between processes: isolation/remote/channel_ring_wait.c.
 */
#ifndef BASE_FUTEX_H
#define BASE_FUTEX_H

#include <stdatomic.h>

#include "lib/base/base.h"

#define FUTEX_FOREVER INT64_MAX

/* Sleeps while the word is `seen`, for at most timeout_ns. May return earlier: look again. */
void futex_wait(_Atomic uint32_t *word, uint32_t seen, int64_t timeout_ns);
/* Wakes one thread that sleeps. Safe in signal handlers that keep errno. */
void futex_wake(_Atomic uint32_t *word);

#endif
