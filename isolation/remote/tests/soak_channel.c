/* soak_channel.c - millions of malformed replies, while a thread rewrites the memory they are read from.
 *
 * soak_channel [replies [seed]]; prints what came of them, ends with 0. Any fault of ours ends it otherwise.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "isolation/remote/tests/hostile_peer.h"
#include "lib/base/clock.h"

int main(int argc, char **argv)
{
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t) clock_system_ns();
    int64_t start = clock_monotonic_ns();
    printf("soak_channel: %" PRIu64 " malformed replies, seed %" PRIu64 "\n", n, seed);
    fflush(stdout);
    uint64_t delivered = hostile_replies(n, seed);
    printf("soak_channel: %" PRIu64 " delivered within bounds, %" PRIu64 " refused, %.1f s\n", delivered, n - delivered,
        (double) (clock_monotonic_ns() - start) / 1e9);
    return EXIT_SUCCESS;
}
