/* bif_atomics.c - modules atomics and counters: arrays of 64-bit words that processes share.
 *
 * The reference is a resource term (vm/core/resource.h) whose object is the array. counters with
 * write_concurrency are the same array: reads are exact, which is more than is promised.
 */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/core/arith.h"
#include "vm/core/map.h"
#include "vm/core/resource.h"
#include "vm/proc/signal.h"

enum { ATOMICS_SIGNED = 1 };

struct atomics {
    struct resource resource; /* first: what the term points to */
    uint64_t id;
    bool is_signed;
    size_t n;
    _Atomic uint64_t values[];
};

static void destroy(struct resource *r)
{
    vm_free(r);
}

static term new_array(struct proc *p, term size, bool is_signed)
{
    if (term_is_big(size) && !integer_is_negative(size)) {
        return proc_system_limit(p);
    }
    if (!term_is_small(size) || term_to_small(size) < 1) {
        return proc_badarg(p);
    }
    size_t n = (size_t) term_to_small(size);
    if (n > (SIZE_MAX >> 8)) {
        return proc_system_limit(p);
    }
    struct atomics *a = vm_try_alloc(sizeof(*a) + n * sizeof(a->values[0]));
    if (a == NULL) {
        return proc_system_limit(p);
    }
    memset(a, 0, sizeof(*a) + n * sizeof(a->values[0]));
    atomic_store_explicit(&a->resource.refs, 1, memory_order_relaxed);
    a->resource.destroy = destroy;
    a->id = ref_next_id();
    a->is_signed = is_signed;
    a->n = n;
    uintptr_t *w = heap_alloc(&p->heap, HEAP_RESOURCE_WORDS);
    w[0] = TERM_HEADER(TAG_RESOURCE, HEAP_RESOURCE_WORDS - 1);
    w[2] = (uintptr_t) a;
    w[3] = a->id;
    heap_link_offheap(&p->heap, w, sizeof(*a) + n * sizeof(a->values[0]));
    return term_from_boxed_ptr(w);
}

/* NULL: not one of ours. */
static struct atomics *take_array(term ref)
{
    if (!term_has_tag(ref, TAG_RESOURCE)) {
        return NULL;
    }
    struct resource *r = (struct resource *) term_words(ref)[2];
    return r != NULL && r->destroy == destroy ? (struct atomics *) r : NULL;
}

static _Atomic uint64_t *take_cell(const struct atomics *a, term index)
{
    if (a == NULL || !term_is_small(index) || term_to_small(index) < 1 || (size_t) term_to_small(index) > a->n) {
        return NULL;
    }
    return (_Atomic uint64_t *) &a->values[term_to_small(index) - 1];
}

/* A value that fits the array's type; increments may be of either sign. */
static bool take_value(const struct atomics *a, term t, bool increment, uint64_t *out)
{
    int64_t i;
    if (term_is_integer(t) && integer_to_int64(t, &i) && (a->is_signed || increment || i >= 0)) {
        *out = (uint64_t) i;
        return true;
    }
    return term_is_integer(t) && (!a->is_signed || increment) && integer_to_uint64(t, out);
}

static term from_value(struct proc *p, const struct atomics *a, uint64_t value)
{
    return a->is_signed ? heap_integer(&p->heap, (int64_t) value) : heap_uinteger(&p->heap, value);
}

term bif_erts_internal_atomics_new_2(struct proc *p, term *args)
{
    if (!term_is_small(args[1])) {
        return proc_badarg(p);
    }
    return new_array(p, args[0], (term_to_small(args[1]) & ATOMICS_SIGNED) != 0);
}

term bif_atomics_put_3(struct proc *p, term *args)
{
    const struct atomics *a = take_array(args[0]);
    _Atomic uint64_t *cell = take_cell(a, args[1]);
    uint64_t value;
    if (cell == NULL || !take_value(a, args[2], false, &value)) {
        return proc_badarg(p);
    }
    atomic_store(cell, value);
    return ATOM(ok);
}

term bif_atomics_get_2(struct proc *p, term *args)
{
    const struct atomics *a = take_array(args[0]);
    _Atomic uint64_t *cell = take_cell(a, args[1]);
    return cell == NULL ? proc_badarg(p) : from_value(p, a, atomic_load(cell));
}

term bif_atomics_add_3(struct proc *p, term *args)
{
    const struct atomics *a = take_array(args[0]);
    _Atomic uint64_t *cell = take_cell(a, args[1]);
    uint64_t value;
    if (cell == NULL || !take_value(a, args[2], true, &value)) {
        return proc_badarg(p);
    }
    atomic_fetch_add(cell, value);
    return ATOM(ok);
}

term bif_atomics_add_get_3(struct proc *p, term *args)
{
    const struct atomics *a = take_array(args[0]);
    _Atomic uint64_t *cell = take_cell(a, args[1]);
    uint64_t value;
    if (cell == NULL || !take_value(a, args[2], true, &value)) {
        return proc_badarg(p);
    }
    return from_value(p, a, atomic_fetch_add(cell, value) + value);
}

term bif_atomics_exchange_3(struct proc *p, term *args)
{
    const struct atomics *a = take_array(args[0]);
    _Atomic uint64_t *cell = take_cell(a, args[1]);
    uint64_t value;
    if (cell == NULL || !take_value(a, args[2], false, &value)) {
        return proc_badarg(p);
    }
    return from_value(p, a, atomic_exchange(cell, value));
}

term bif_atomics_compare_exchange_4(struct proc *p, term *args)
{
    const struct atomics *a = take_array(args[0]);
    _Atomic uint64_t *cell = take_cell(a, args[1]);
    uint64_t expected, desired;
    if (cell == NULL || !take_value(a, args[2], false, &expected) || !take_value(a, args[3], false, &desired)) {
        return proc_badarg(p);
    }
    return atomic_compare_exchange_strong(cell, &expected, desired) ? ATOM(ok) : from_value(p, a, expected);
}

static size_t memory_of(const struct atomics *a)
{
    return sizeof(*a) + a->n * sizeof(a->values[0]);
}

term bif_atomics_info_1(struct proc *p, term *args)
{
    const struct atomics *a = take_array(args[0]);
    if (a == NULL) {
        return proc_badarg(p);
    }
    term kv[] = {
        ATOM(max), a->is_signed ? heap_integer(&p->heap, INT64_MAX) : heap_uinteger(&p->heap, UINT64_MAX),
        ATOM(memory), heap_uinteger(&p->heap, memory_of(a)),
        ATOM(min), a->is_signed ? heap_integer(&p->heap, INT64_MIN) : term_from_small(0),
        ATOM(size), heap_uinteger(&p->heap, a->n),
    };
    return map_from_pairs(&p->heap, kv, 4);
}

/* ---- counters with write_concurrency ---- */

term bif_erts_internal_counters_new_1(struct proc *p, term *args)
{
    return new_array(p, args[0], true);
}

term bif_erts_internal_counters_get_2(struct proc *p, term *args)
{
    return bif_atomics_get_2(p, args);
}

term bif_erts_internal_counters_add_3(struct proc *p, term *args)
{
    return bif_atomics_add_3(p, args);
}

term bif_erts_internal_counters_put_3(struct proc *p, term *args)
{
    return bif_atomics_put_3(p, args);
}

term bif_erts_internal_counters_info_1(struct proc *p, term *args)
{
    const struct atomics *a = take_array(args[0]);
    if (a == NULL) {
        return proc_badarg(p);
    }
    term kv[] = {
        ATOM(memory), heap_uinteger(&p->heap, memory_of(a)),
        ATOM(size), heap_uinteger(&p->heap, a->n),
    };
    return map_from_pairs(&p->heap, kv, 2);
}
