/* External terms, and what else turns whole terms into numbers: hashes and order. */
#include "vm/bif/bif_build.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/core/etf.h"

enum { DEFAULT_COMPRESSION = 6, MAX_COMPRESSION = 9, BYTES_PER_REDUCTION = 64 };

/* ---- term_to_binary, term_to_iovec, external_size ---- */

static bool version_flag(term version, int64_t max, unsigned *flags)
{
    static const unsigned by_version[] = { ETF_MINOR_VERSION_0, 0, ETF_MINOR_VERSION_2 };
    int64_t v;
    if (!integer_to_int64(version, &v) || v < 0 || v > max) {
        return false;
    }
    *flags = (*flags & ~(unsigned) (ETF_MINOR_VERSION_0 | ETF_MINOR_VERSION_2)) | by_version[v];
    return true;
}

static bool encode_option(term option, unsigned *flags)
{
    if (term_same(option, ATOM(compressed))) {
        *flags = (*flags & ~(unsigned) ETF_COMPRESSED_LEVEL_MASK) | DEFAULT_COMPRESSION;
        return true;
    }
    if (term_same(option, ATOM(deterministic))) {
        *flags |= ETF_DETERMINISTIC;
        return true;
    }
    if (!term_is_tuple_of(option, 2)) {
        return false;
    }
    term name = term_tuple_get(option, 0), value = term_tuple_get(option, 1);
    if (term_same(name, ATOM(minor_version))) {
        return version_flag(value, 2, flags);
    }
    int64_t level;
    if (!term_same(name, ATOM(compressed)) || !integer_to_int64(value, &level) || level < 0
        || level > MAX_COMPRESSION) {
        return false;
    }
    *flags = (*flags & ~(unsigned) ETF_COMPRESSED_LEVEL_MASK) | (unsigned) level;
    return true;
}

static bool encode_options(term options, unsigned *flags)
{
    *flags = 0;
    for (; term_is_cons(options); options = term_tail(options)) {
        if (!encode_option(term_head(options), flags)) {
            return false;
        }
    }
    return term_is_nil(options);
}

static term give(struct proc *p, term bin)
{
    if (term_is_none(bin)) {
        return proc_system_limit(p);
    }
    proc_bump(p, bits_size(bin) / 8 / BYTES_PER_REDUCTION);
    return bin;
}

static term encode(struct proc *p, term t, unsigned flags)
{
    return give(p, etf_encode(&p->heap, t, flags));
}

/* What is to be compressed and is more than a millisecond's work. */
static bool is_far(term t, unsigned flags)
{
    enum { FAR_WORDS_COMPRESSED = 500 };
    bool compresses = (flags & ETF_COMPRESSED_LEVEL_MASK) != 0;
    return compresses && (copy_exceeds(t, FAR_WORDS_COMPRESSED) || term_is_bits(t));
}

/* Begins here; what turns out to take more than a millisecond is done where that harms nobody. */
static term encode_or_go_far(struct proc *p, term *args, unsigned arity, unsigned flags)
{
    enum { NEAR_BYTES = 256 << 10 };
    bool near = bif_is_near(p), exceeded = near && is_far(args[0], flags);
    term bin = exceeded ? TERM_NONE : etf_encode_within(&p->heap, args[0], flags, near ? NEAR_BYTES : SIZE_MAX, &exceeded);
    return exceeded ? bif_go_far(p, "term_to_binary", args, arity) : give(p, bin);
}

term bif_erlang_term_to_binary_1(struct proc *p, term *args)
{
    return encode_or_go_far(p, args, 1, 0);
}

term bif_erlang_term_to_binary_2(struct proc *p, term *args)
{
    unsigned flags;
    if (!encode_options(args[1], &flags)) {
        return proc_badarg(p);
    }
    return encode_or_go_far(p, args, 2, flags);
}

static term in_list(struct proc *p, term t)
{
    return term_is_none(t) ? t : heap_cons(&p->heap, t, TERM_NIL);
}

term bif_erlang_term_to_iovec_1(struct proc *p, term *args)
{
    return in_list(p, encode(p, args[0], 0));
}

term bif_erlang_term_to_iovec_2(struct proc *p, term *args)
{
    unsigned flags;
    return encode_options(args[1], &flags) ? in_list(p, encode(p, args[0], flags)) : proc_badarg(p);
}

static term external_size(struct proc *p, term t, unsigned flags)
{
    size_t n = etf_encoded_size(t, flags);
    proc_bump(p, n / BYTES_PER_REDUCTION);
    return n == 0 ? proc_system_limit(p) : heap_uinteger(&p->heap, n);
}

term bif_erlang_external_size_1(struct proc *p, term *args)
{
    return external_size(p, args[0], 0);
}

term bif_erlang_external_size_2(struct proc *p, term *args)
{
    unsigned flags = 0;
    term options = args[1];
    for (; term_is_cons(options); options = term_tail(options)) {
        term option = term_head(options);
        if (!term_is_tuple_of(option, 2)
            || !term_same(term_tuple_get(option, 0), ATOM(minor_version))
            || !version_flag(term_tuple_get(option, 1), 1, &flags)) {
            return proc_badarg(p);
        }
    }
    return term_is_nil(options) ? external_size(p, args[0], flags) : proc_badarg(p);
}

/* ---- binary_to_term ---- */

static term decode(struct proc *p, term bin, unsigned flags, bool used)
{
    if (!term_is_binary(bin)) {
        return proc_badarg(p);
    }
    size_t n, n_used;
    uint8_t *scratch;
    const uint8_t *bytes = bits_bytes(bin, &n, &scratch);
    term t = etf_decode(&p->heap, bytes, n, flags, &n_used);
    vm_free(scratch);
    proc_bump(p, n / BYTES_PER_REDUCTION);
    if (term_is_none(t)) {
        return n_used == 0 && n != 0 ? proc_system_limit(p) : proc_badarg(p);
    }
    return used ? heap_tuple2(&p->heap, t, heap_uinteger(&p->heap, n_used)) : t;
}

term bif_erlang_binary_to_term_1(struct proc *p, term *args)
{
    return decode(p, args[0], 0, false);
}

term bif_erlang_binary_to_term_2(struct proc *p, term *args)
{
    unsigned flags = 0;
    bool used = false;
    term options = args[1];
    for (; term_is_cons(options); options = term_tail(options)) {
        if (term_same(term_head(options), ATOM(safe))) {
            flags |= ETF_SAFE;
        } else if (term_same(term_head(options), ATOM(used))) {
            used = true;
        } else {
            break;
        }
    }
    if (!term_is_nil(options)) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    return decode(p, args[0], flags, used);
}

/* ---- hashes and order ---- */

/* 1 .. 2^32 */
static bool hash_range(term t, uint64_t *out)
{
    return integer_to_uint64(t, out) && *out >= 1 && *out <= UINT64_C(1) << 32;
}

term bif_erlang_phash_2(struct proc *p, term *args)
{
    uint64_t range;
    return hash_range(args[1], &range)
               ? term_from_small((intptr_t) (term_phash(args[0]) % range + 1))
               : proc_badarg(p);
}

term bif_erlang_phash2_1(struct proc *p, term *args)
{
    (void) p;
    return term_from_small(term_phash2(args[0]) & ((1 << 27) - 1));
}

term bif_erlang_phash2_2(struct proc *p, term *args)
{
    uint64_t range;
    return hash_range(args[1], &range) ? term_from_small((intptr_t) (term_phash2(args[0]) % range))
                                       : proc_badarg(p);
}

term bif_erts_internal_cmp_term_2(struct proc *p, term *args)
{
    (void) p;
    int diff = term_compare_exact(args[0], args[1]);
    return term_from_small((diff > 0) - (diff < 0));
}
