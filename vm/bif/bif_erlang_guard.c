/* bif_erlang_guard.c - operators and guard BIFs as functions; raising; apply; hibernate.
 *
 * The interpreter has instructions of its own for the common ones: these are what apply, funs and
 * guards with rare operands use, and what fails with the right error.
 */
#include "vm/bif/bif.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"
#include "vm/proc/sched.h"

/* ---- arithmetic ---- */

static term arith_result(struct proc *p, term result, enum arith_status st)
{
    if (!term_is_none(result)) {
        return result;
    }
    return proc_raise(p, EXC_ERROR,
        st == ARITH_BADARITH ? ATOM(badarith) : st == ARITH_SYSTEM_LIMIT ? ATOM(system_limit) : ATOM(badarg));
}

#define ARITH_BIFS(X)                                                                                        \
    X(plus, ARITH_ADD) X(minus, ARITH_SUB) X(times, ARITH_MUL) X(fdiv, ARITH_FDIV) X(div, ARITH_IDIV)        \
    X(rem, ARITH_REM) X(band, ARITH_BAND) X(bor, ARITH_BOR) X(bxor, ARITH_BXOR) X(bsl, ARITH_BSL)            \
    X(bsr, ARITH_BSR)
#define DEFINE(name, op)                                                   \
    term bif_erlang_##name##_2(struct proc *p, term *args)                 \
    {                                                                      \
        enum arith_status st = ARITH_OK;                                   \
        term r = arith_binary(&p->heap, op, args[0], args[1], &st);        \
        return arith_result(p, r, st);                                     \
    }
ARITH_BIFS(DEFINE)
#undef DEFINE

#define UNARY_BIFS(X)                                                                                  \
    X(minus, arith_negate) X(bnot, arith_bnot) X(abs, arith_abs) X(trunc, arith_trunc)                 \
    X(round, arith_round) X(floor, arith_floor) X(ceil, arith_ceil)
#define DEFINE(name, fn)                                                   \
    term bif_erlang_##name##_1(struct proc *p, term *args)                 \
    {                                                                      \
        enum arith_status st = ARITH_OK;                                   \
        term r = fn(&p->heap, args[0], &st);                               \
        return arith_result(p, r, st);                                     \
    }
UNARY_BIFS(DEFINE)
#undef DEFINE

term bif_erlang_plus_1(struct proc *p, term *args)
{
    return term_is_number(args[0]) ? args[0] : proc_raise(p, EXC_ERROR, ATOM(badarith));
}

term bif_erlang_float_1(struct proc *p, term *args)
{
    double d;
    if (term_is_float(args[0])) {
        return args[0];
    }
    return arith_to_double(args[0], &d) ? heap_float(&p->heap, d) : proc_badarg(p);
}

/* ---- comparison, logic ---- */

#define COMPARE_BIFS(X)                                                    \
    X(eq, term_equal(a, b)) X(ne, !term_equal(a, b))                       \
    X(eq_exact, term_equal_exact(a, b)) X(ne_exact, !term_equal_exact(a, b)) \
    X(lt, term_compare(a, b) < 0) X(gt, term_compare(a, b) > 0)            \
    X(le, term_compare(a, b) <= 0) X(ge, term_compare(a, b) >= 0)
#define DEFINE(name, condition)                                            \
    term bif_erlang_##name##_2(struct proc *p, term *args)                 \
    {                                                                      \
        term a = args[0], b = args[1];                                     \
        (void) p;                                                          \
        return term_from_bool(condition);                                  \
    }
COMPARE_BIFS(DEFINE)
#undef DEFINE

term bif_erlang_min_2(struct proc *p, term *args)
{
    (void) p;
    return term_compare(args[0], args[1]) <= 0 ? args[0] : args[1];
}
term bif_erlang_max_2(struct proc *p, term *args)
{
    (void) p;
    return term_compare(args[0], args[1]) >= 0 ? args[0] : args[1];
}

#define LOGIC_BIFS(X) X(and, a && b) X(or, a || b) X(xor, a != b)
#define DEFINE(name, condition)                                            \
    term bif_erlang_##name##_2(struct proc *p, term *args)                 \
    {                                                                      \
        if (!term_is_bool(args[0]) || !term_is_bool(args[1])) {            \
            return proc_badarg(p);                                         \
        }                                                                  \
        bool a = term_same(args[0], ATOM(true)), b = term_same(args[1], ATOM(true)); \
        return term_from_bool(condition);                                  \
    }
LOGIC_BIFS(DEFINE)
#undef DEFINE

term bif_erlang_not_1(struct proc *p, term *args)
{
    return term_is_bool(args[0]) ? term_from_bool(term_same(args[0], ATOM(false))) : proc_badarg(p);
}

/* ---- type tests ---- */

#define TYPE_BIFS(X)                                                                              \
    X(is_atom, term_is_atom) X(is_binary, term_is_binary) X(is_bitstring, term_is_bits)           \
    X(is_boolean, term_is_bool) X(is_float, term_is_float) X(is_function, term_is_fun)            \
    X(is_integer, term_is_integer) X(is_list, term_is_list) X(is_map, term_is_map)                \
    X(is_number, term_is_number) X(is_pid, term_is_pid) X(is_port, term_is_port)                  \
    X(is_reference, term_is_ref) X(is_tuple, term_is_tuple)
#define DEFINE(name, predicate)                                            \
    term bif_erlang_##name##_1(struct proc *p, term *args)                 \
    {                                                                      \
        (void) p;                                                          \
        return term_from_bool(predicate(args[0]));                         \
    }
TYPE_BIFS(DEFINE)
#undef DEFINE

term bif_erlang_is_function_2(struct proc *p, term *args)
{
    if (!term_is_integer(args[1]) || integer_is_negative(args[1])) {
        return proc_badarg(p);
    }
    if (!term_is_fun(args[0]) || !term_is_small(args[1])) {
        return ATOM(false);
    }
    uint32_t arity = term_tag(args[0]) == TAG_FUN ? term_fun_entry(args[0])->arity : term_export(args[0])->arity;
    return term_from_bool((intptr_t) arity == term_to_small(args[1]));
}

static bool is_record(term t, term tag)
{
    return term_is_tuple(t) && term_tuple_arity(t) > 0 && term_same(term_tuple_get(t, 0), tag);
}
term bif_erlang_is_record_2(struct proc *p, term *args)
{
    return term_is_atom(args[1]) ? term_from_bool(is_record(args[0], args[1])) : proc_badarg(p);
}
term bif_erlang_is_record_3(struct proc *p, term *args)
{
    if (!term_is_atom(args[1]) || !term_is_small(args[2]) || term_to_small(args[2]) < 0) {
        return proc_badarg(p);
    }
    return term_from_bool(is_record(args[0], args[1]) && (intptr_t) term_tuple_arity(args[0]) == term_to_small(args[2]));
}

/* ---- parts and sizes ---- */

term bif_erlang_element_2(struct proc *p, term *args)
{
    if (!term_is_small(args[0]) || !term_is_tuple(args[1])) {
        return proc_badarg(p);
    }
    intptr_t n = term_to_small(args[0]);
    if (n < 1 || (uintptr_t) n > term_tuple_arity(args[1])) {
        return proc_badarg(p);
    }
    return term_tuple_get(args[1], (size_t) n - 1);
}

term bif_erlang_hd_1(struct proc *p, term *args)
{
    return term_is_cons(args[0]) ? term_head(args[0]) : proc_badarg(p);
}
term bif_erlang_tl_1(struct proc *p, term *args)
{
    return term_is_cons(args[0]) ? term_tail(args[0]) : proc_badarg(p);
}

term bif_erlang_length_1(struct proc *p, term *args)
{
    intptr_t n = term_list_length(args[0]);
    return n >= 0 ? term_from_small(n) : proc_badarg(p);
}

term bif_erlang_tuple_size_1(struct proc *p, term *args)
{
    return term_is_tuple(args[0]) ? term_from_small((intptr_t) term_tuple_arity(args[0])) : proc_badarg(p);
}
term bif_erlang_bit_size_1(struct proc *p, term *args)
{
    return term_is_bits(args[0]) ? heap_uinteger(&p->heap, bits_size(args[0])) : proc_badarg(p);
}
term bif_erlang_byte_size_1(struct proc *p, term *args)
{
    return term_is_bits(args[0]) ? heap_uinteger(&p->heap, bits_size(args[0]) / 8 + (bits_size(args[0]) % 8 != 0))
                                 : proc_badarg(p);
}
term bif_erlang_size_1(struct proc *p, term *args)
{
    if (term_is_tuple(args[0])) {
        return term_from_small((intptr_t) term_tuple_arity(args[0]));
    }
    return term_is_bits(args[0]) ? heap_uinteger(&p->heap, bits_size(args[0]) / 8) : proc_badarg(p);
}

static term badmap(struct proc *p, term t)
{
    return proc_raise(p, EXC_ERROR, heap_tuple2(&p->heap, ATOM(badmap), t));
}
term bif_erlang_map_size_1(struct proc *p, term *args)
{
    return term_is_map(args[0]) ? term_from_small((intptr_t) map_size(args[0])) : badmap(p, args[0]);
}
term bif_erlang_map_get_2(struct proc *p, term *args)
{
    if (!term_is_map(args[1])) {
        return badmap(p, args[1]);
    }
    term value = map_get(args[1], args[0]);
    return !term_is_none(value) ? value : proc_raise(p, EXC_ERROR, heap_tuple2(&p->heap, ATOM(badkey), args[0]));
}
term bif_erlang_is_map_key_2(struct proc *p, term *args)
{
    return term_is_map(args[1]) ? term_from_bool(!term_is_none(map_get(args[1], args[0]))) : badmap(p, args[1]);
}

/* Bytes [start, start + length) of a binary; a negative length reaches backwards. */
static term part_of(struct proc *p, term binary, term start, term length)
{
    if (!term_is_binary(binary) || !term_is_small(start) || !term_is_small(length)) {
        return proc_badarg(p);
    }
    intptr_t size = (intptr_t) (bits_size(binary) / 8), from = term_to_small(start), n = term_to_small(length);
    if (from < 0 || from > size) {
        return proc_badarg(p);
    }
    if (n < 0) {
        if (n < -from) {
            return proc_badarg(p);
        }
        from += n;
        n = -n;
    }
    if (n > size - from) {
        return proc_badarg(p);
    }
    return bits_sub(&p->heap, binary, (size_t) from * 8, (size_t) n * 8);
}
term bif_erlang_binary_part_3(struct proc *p, term *args)
{
    return part_of(p, args[0], args[1], args[2]);
}
term bif_erlang_binary_part_2(struct proc *p, term *args)
{
    if (!term_is_tuple_of(args[1], 2)) {
        return proc_badarg(p);
    }
    return part_of(p, args[0], term_tuple_get(args[1], 0), term_tuple_get(args[1], 1));
}

/* ---- self and node ---- */

term bif_erlang_self_0(struct proc *p, term *args)
{
    (void) args;
    return p->id;
}
term bif_erlang_node_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(nonode);
}
term bif_erlang_node_1(struct proc *p, term *args)
{
    term t = args[0];
    if (term_has_tag(t, TAG_EXT_PID) || term_has_tag(t, TAG_EXT_PORT) || term_has_tag(t, TAG_EXT_REF)) {
        return (term) { term_words(t)[1] };
    }
    return term_is_pid(t) || term_is_port(t) || term_is_ref(t) ? ATOM(nonode) : proc_badarg(p);
}

/* ---- raising ---- */

static term raise_from_caller(struct proc *p, enum exc_class class, term reason)
{
    proc_raise(p, class, reason);
    p->exc.from_caller = true;
    return TERM_NONE;
}
term bif_erlang_error_1(struct proc *p, term *args)
{
    return raise_from_caller(p, EXC_ERROR, args[0]);
}
term bif_erlang_error_2(struct proc *p, term *args)
{
    raise_from_caller(p, EXC_ERROR, args[0]);
    p->exc.args = term_is_list(args[1]) ? args[1] : TERM_NONE;
    return TERM_NONE;
}
term bif_erlang_error_3(struct proc *p, term *args)
{
    term info = TERM_NONE, t = args[2];
    for (; term_is_cons(t); t = term_tail(t)) {
        term option = term_head(t);
        if (term_is_tuple_of(option, 2) && term_same(term_tuple_get(option, 0), ATOM(error_info))
            && term_is_map(term_tuple_get(option, 1))) {
            info = term_tuple_get(option, 1);
        } /* anything else is passed over, as OTP does */
    }
    (void) bif_erlang_error_2(p, args);
    p->exc.error_info = info;
    return TERM_NONE;
}
term bif_erlang_nif_error_1(struct proc *p, term *args)
{
    return proc_raise(p, EXC_ERROR, args[0]); /* shows itself in the trace, unlike error/1 */
}
term bif_erlang_nif_error_2(struct proc *p, term *args)
{
    return proc_raise(p, EXC_ERROR, args[0]);
}
term bif_erlang_exit_1(struct proc *p, term *args)
{
    return raise_from_caller(p, EXC_EXIT, args[0]);
}
term bif_erlang_throw_1(struct proc *p, term *args)
{
    return raise_from_caller(p, EXC_THROW, args[0]);
}
/* badarg as a value if class or trace are none. */
term bif_erlang_raise_3(struct proc *p, term *args)
{
    enum exc_class class;
    if (term_same(args[0], ATOM(error))) {
        class = EXC_ERROR;
    } else if (term_same(args[0], ATOM(exit))) {
        class = EXC_EXIT;
    } else if (term_same(args[0], ATOM(throw))) {
        class = EXC_THROW;
    } else {
        return ATOM(badarg);
    }
    term trace = interp_check_stacktrace(p, args[2]);
    if (term_is_none(trace)) {
        return ATOM(badarg);
    }
    proc_raise(p, class, args[1]);
    p->exc.stacktrace = trace;
    p->exc.has_stacktrace = true;
    return TERM_NONE;
}

/* ---- apply, hibernate ---- */

/* The list's elements; false: not a proper list of at most PROC_MAX_ARITY. */
static bool take_list(term list, term *out, size_t *n)
{
    *n = 0;
    for (; term_is_cons(list); list = term_tail(list)) {
        if (*n == PROC_MAX_ARITY) {
            return false;
        }
        out[(*n)++] = term_head(list);
    }
    return term_is_nil(list);
}

static term list_failed(struct proc *p, term list)
{
    return term_list_length(list) > PROC_MAX_ARITY ? proc_system_limit(p) : proc_badarg(p);
}

term bif_erlang_apply_3(struct proc *p, term *args)
{
    term list[PROC_MAX_ARITY];
    size_t n;
    if (!term_is_atom(args[0]) || !term_is_atom(args[1])) {
        return proc_badarg(p);
    }
    if (!take_list(args[2], list, &n)) {
        return list_failed(p, args[2]);
    }
    return proc_trap(p, export_get(args[0], args[1], (uint32_t) n), list, n);
}

term bif_erlang_apply_2(struct proc *p, term *args)
{
    term list[PROC_MAX_ARITY + 1];
    size_t n;
    if (!take_list(args[1], list, &n)) {
        return list_failed(p, args[1]);
    }
    list[n] = args[0]; /* no export: the interpreter calls the fun behind the arguments */
    return proc_trap(p, NULL, list, n + 1);
}
