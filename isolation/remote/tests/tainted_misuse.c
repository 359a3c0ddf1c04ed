/* tainted_misuse.c - what must not compile: a number of a worker in a trusted place. Compiled by tainted.sh, once
 * for each MISUSE; 0 is the right way, and compiles. */
#include "isolation/remote/tainted.h"

static int table[8];

uint64_t use(tainted t, struct tainted_frame f);
uint64_t use(tainted t, struct tainted_frame f)
{
    uint64_t n = 0;
#if MISUSE == 0
    if (!tainted_below(t, 8, &n) || tainted_is(f.kind, 7)) {
        return 0;
    }
    n = (uint64_t) table[n] + TAINTED_BECAUSE(f.extra, "only shown");
#elif MISUSE == 1 /* an index */
    n = (uint64_t) table[t];
#elif MISUSE == 2 /* a length */
    n = t;
#elif MISUSE == 3 /* converted */
    n = (uint64_t) t;
#elif MISUSE == 4 /* an address */
    n = (uint64_t) (uintptr_t) (void *) t;
#elif MISUSE == 5 /* compared unchecked */
    n = t < 8;
#elif MISUSE == 6 /* arithmetic */
    n = f.extra + 1;
#elif MISUSE == 7 /* a condition */
    if (f.kind) {
        n = 1;
    }
#elif MISUSE == 8 /* switched on */
    switch (f.kind) {
    case FRAME_ASK: n = 1;
    }
#elif MISUSE == 9 /* an argument */
    memset(table, 0, t);
#elif MISUSE == 10 /* checked, the answer ignored */
    tainted_below(t, 8, &n);
    n = (uint64_t) table[n];
#elif MISUSE == 11 /* a term */
    term u = t;
    n = u.word;
#elif MISUSE == 12 /* returned */
    return t;
#elif MISUSE == 13 /* compared with another */
    n = t == f.extra;
#elif MISUSE == 14 /* a frame's header where a checked one belongs */
    struct frame_header h = f;
    n = h.extra;
#else
#error "no such case"
#endif
    return n;
}
