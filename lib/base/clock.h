/* clock.h - the clocks. Monotonic time never goes back; system time may. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <time.h>

#include "lib/base/base.h"

static inline int64_t clock_read(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}
static inline int64_t clock_monotonic_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}
static inline int64_t clock_system_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}

#endif
