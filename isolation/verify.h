/* verify.h - verify => true for a call in this OS process: did it write to the caller's heap, and is what it made a term?
 *
 * What was there before the call has a checksum; what was built by it, and the result, are followed word by word to where objects
 * begin. Both cost time with the size of the heap.
 */
#ifndef ISOLATION_VERIFY_H
#define ISOLATION_VERIFY_H

#include "isolation/executor.h"
#include "isolation/remote/heap_digest.h"
#include "nif/nif_env.h"

static inline bool verify_is_wanted(const struct native_library *lib)
{
    return __builtin_expect(library_policy(lib, POLICY_VERIFY) != 0, 0);
}

enum verify_finding {
    VERIFY_GOOD,
    VERIFY_NO_TERM, /* what it returned, raised or built */
    VERIFY_DAMAGED, /* the heap: nothing on it may be followed any more; what it kept alive is given up */
};

/* After the call, before anything of it is used. digest: taken when env was entered. */
enum verify_finding verify_call(
    const struct heap_digest *digest, const struct enif_environment_t *env, const struct native_outcome *out);

#endif
