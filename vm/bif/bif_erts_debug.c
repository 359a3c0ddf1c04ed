/* bif_erts_debug.c - erts_debug and its like: what a term is made of, and the few internals that
 * OTP's own test suites turn, as far as they have a meaning here. */
#include "vm/bif/bif.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"

/* Words the term takes when it is copied: what a message of it costs. */
term bif_erts_debug_flat_size_1(struct proc *p, term *args)
{
    size_t words = copy_size_all(args[0]);
    proc_bump(p, words / 64);
    return heap_uinteger(&p->heap, words);
}

/* The very same term in memory? */
term bif_erts_debug_same_2(struct proc *p, term *args)
{
    (void) p;
    return term_from_bool(term_same(args[0], args[1]));
}

static const char *bits_type(term t)
{
    bool whole = bits_size(t) % 8 == 0; /* OTP's heap and refc binaries have whole bytes only */
    return whole && term_has_tag(t, TAG_HEAP_BITS)   ? "heap_binary"
           : whole && term_has_tag(t, TAG_REFC_BITS) ? "refc_binary"
                                                     : "sub_binary";
}

static const char *boxed_type(term t)
{
    if (term_is_bits(t)) {
        return bits_type(t);
    }
    return term_is_tuple(t)                ? "tuple"
           : term_is_big(t)                ? "bignum"
           : term_is_float(t)              ? "hfloat"
           : term_has_tag(t, TAG_FUN)      ? "fun"
           : term_has_tag(t, TAG_EXPORT)   ? "export"
           : term_has_tag(t, TAG_FLATMAP)  ? "flatmap"
           : term_has_tag(t, TAG_HASHMAP)  ? "hashmap"
           : term_has_tag(t, TAG_EXT_PID)  ? "external_pid"
           : term_has_tag(t, TAG_EXT_PORT) ? "external_port"
           : term_has_tag(t, TAG_EXT_REF)  ? "external_reference"
                                           : "reference";
}

/* How OTP's emulator would name the representation. */
term bif_erts_internal_term_type_1(struct proc *p, term *args)
{
    (void) p;
    term t = args[0];
    return atom_from_cstr(term_is_atom(t)         ? "atom"
                          : term_is_small(t)      ? "fixnum"
                          : term_is_nil(t)        ? "nil"
                          : term_is_cons(t)       ? "list"
                          : term_is_local_pid(t)  ? "pid"
                          : term_is_local_port(t) ? "port"
                                                  : boxed_type(t));
}

/* ---- internal state, for tests; undefined functions until a test asks for them ---- */

static _Atomic bool internal_state_available;

static bool is_named(term t, const char *text)
{
    return term_is_atom(t) && strcmp(atom_cstr(t), text) == 0;
}

/* Limits after which OTP's natives give way; ours count reductions instead, so these change nothing. */
static bool is_loop_limit(term t)
{
    return is_named(t, "binary_loop_limit") || is_named(t, "re_loop_limit")
           || is_named(t, "unicode_loop_limit");
}

term bif_erts_debug_set_internal_state_2(struct proc *p, term *args)
{
    if (is_named(args[0], "available_internal_state") && term_is_bool(args[1])) {
        return term_from_bool(
            atomic_exchange(&internal_state_available, term_same(args[1], ATOM(true))));
    }
    if (!atomic_load(&internal_state_available)) {
        return proc_raise(p, EXC_ERROR, ATOM(undef));
    }
    if (is_named(args[0], "reds_left") && term_is_small(args[1]) && term_to_small(args[1]) >= 0
        && term_to_small(args[1]) <= PROC_SLICE_REDUCTIONS) {
        p->reductions_left = (int32_t) term_to_small(args[1]);
        return ATOM(true);
    }
    if (is_named(args[0], "wait") && is_named(args[1], "thread_progress")) {
        return ATOM(ok); /* nothing here waits for other threads to pass a point */
    }
    if (is_named(args[0], "wait") && is_named(args[1], "aux_work")) {
        bool pending = bif_native_hooks.work_pending != NULL && bif_native_hooks.work_pending();
        return pending ? proc_retry(p) : ATOM(ok);
    }
    return is_loop_limit(args[0]) ? term_from_small(0) : proc_badarg(p);
}

term bif_erts_debug_get_internal_state_1(struct proc *p, term *args)
{
    if (is_named(args[0], "available_internal_state")) {
        return term_from_bool(atomic_load(&internal_state_available));
    }
    if (!atomic_load(&internal_state_available)) {
        return proc_raise(p, EXC_ERROR, ATOM(undef));
    }
    if (is_named(args[0], "reds_left")) {
        return term_from_small(p->reductions_left);
    }
    if (term_is_tuple_of(args[0], 2) && is_named(term_tuple_get(args[0], 0), "internal_hash")) {
        return term_from_small((intptr_t) (term_hash(term_tuple_get(args[0], 1), 0) & UINT32_MAX));
    }
    return proc_badarg(p);
}
