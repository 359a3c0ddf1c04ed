#include "isolation/verify.h"

#include "vm/core/heap_map.h"

static bool is_well(const struct heap_map *m, term t)
{
    return nif_term_plausible(t) && heap_map_has(m, t);
}

static bool all_well(const struct heap_map *m, const struct enif_environment_t *env, term result)
{
    if (!heap_map_good_since(m, &env->mark)) {
        return false;
    }
    if (env->raised) {
        return is_well(m, env->reason);
    }
    if (env->resched.wanted) {
        for (unsigned i = 0; i < env->resched.argc; i++) {
            if (!is_well(m, env->resched.args[i])) {
                return false;
            }
        }
        return true;
    }
    return is_well(m, result);
}

enum verify_finding verify_call(
    const struct heap_digest *digest, const struct enif_environment_t *env, const struct native_outcome *out)
{
    if (!heap_digest_same(digest)) {
        heap_digest_give_up(env->heap);
        return VERIFY_DAMAGED;
    }
    if (out->status != NATIVE_RETURNED) {
        return VERIFY_GOOD; /* what it built goes */
    }
    struct heap_map *m = heap_map_new(env->heap);
    bool good = m != NULL && all_well(m, env, (term) { out->value }); /* no memory: cannot be told */
    heap_map_free(m);
    return good ? VERIFY_GOOD : VERIFY_NO_TERM;
}
