/* bif_binary.c - module binary, but for the searches (bif_binary_search.c). */
#include "vm/bif/bif.h"
#include "vm/bif/bif_text.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"

enum { BYTES_PER_REDUCTION = 64 };

/* A byte of a view. */
static uint8_t byte_at(const struct bits_view *v, size_t i)
{
    uint8_t byte;
    bits_copy(&byte, 0, v->bytes, v->offset + i * 8, 8);
    return byte;
}

static term get_byte(struct proc *p, term binary, size_t i)
{
    struct bits_view v = bits_view(binary);
    return i < v.size / 8 ? term_from_small(byte_at(&v, i)) : proc_badarg(p);
}

term bif_binary_at_2(struct proc *p, term *args)
{
    if (!term_is_binary(args[0]) || !term_is_small(args[1]) || term_to_small(args[1]) < 0) {
        return proc_badarg(p);
    }
    return get_byte(p, args[0], (size_t) term_to_small(args[1]));
}
term bif_binary_first_1(struct proc *p, term *args)
{
    return term_is_binary(args[0]) ? get_byte(p, args[0], 0) : proc_badarg(p);
}
term bif_binary_last_1(struct proc *p, term *args)
{
    return term_is_binary(args[0]) ? get_byte(p, args[0], bits_size(args[0]) / 8 - 1) : proc_badarg(p);
}

/* ---- parts and copies ---- */

static term part(struct proc *p, term binary, term start, term length)
{
    if (!term_is_bits(binary) || !term_is_small(start) || !term_is_small(length)) {
        return proc_badarg(p);
    }
    intptr_t from = term_to_small(start), n = term_to_small(length);
    intptr_t size = (intptr_t) (bits_size(binary) / 8);
    if (n < 0) { /* counted backwards from start */
        from += n;
        n = -n;
    }
    if (from < 0 || n > size || from > size - n) {
        return proc_badarg(p);
    }
    return bits_sub(&p->heap, binary, (size_t) from * 8, (size_t) n * 8);
}

term bif_binary_part_2(struct proc *p, term *args)
{
    if (!term_is_tuple_of(args[1], 2)) {
        return proc_badarg(p);
    }
    return part(p, args[0], term_tuple_get(args[1], 0), term_tuple_get(args[1], 1));
}
term bif_binary_part_3(struct proc *p, term *args)
{
    return part(p, args[0], args[1], args[2]);
}

static term copies(struct proc *p, term binary, term times)
{
    uint64_t n_times;
    /* Of bits that are no binary there are no copies, but no copies of them there are. */
    if (!term_is_bits(binary) || !integer_to_uint64(times, &n_times) || (n_times > 0 && !term_is_binary(binary))) {
        return proc_badarg(p);
    }
    struct bits_view v = bits_view(binary);
    size_t n = v.size / 8, total;
    uint8_t *out;
    if (n == 0 || n_times == 0) {
        return bits_from_bytes(&p->heap, "", 0);
    }
    if (__builtin_mul_overflow(n, (size_t) n_times, &total)) {
        return proc_system_limit(p);
    }
    term t = bits_new_binary(&p->heap, total, &out);
    if (term_is_none(t)) {
        return proc_system_limit(p);
    }
    proc_bump(p, total / BYTES_PER_REDUCTION);
    if (total > 0) {
        bits_copy(out, 0, v.bytes, v.offset, v.size);
    }
    for (size_t done = n; done < total;) { /* doubling */
        size_t more = done < total - done ? done : total - done;
        memcpy(out + done, out, more);
        done += more;
    }
    return t;
}

term bif_binary_copy_1(struct proc *p, term *args)
{
    return copies(p, args[0], term_from_small(1));
}
term bif_binary_copy_2(struct proc *p, term *args)
{
    return copies(p, args[0], args[1]);
}

term bif_binary_referenced_byte_size_1(struct proc *p, term *args)
{
    if (!term_is_bits(args[0])) {
        return proc_badarg(p);
    }
    term base = bits_view(args[0]).base;
    size_t n_bits = bits_size(base);
    if (term_has_tag(base, TAG_REFC_BITS)) {
        struct offheap_bin *b = (struct offheap_bin *) term_words(base)[REFC_BITS_BIN];
        uint64_t in_use = atomic_load_explicit(&b->append_end_bits, memory_order_relaxed);
        n_bits = in_use == UINT64_MAX ? n_bits : in_use; /* the base of what is appended to says nothing */
    }
    return heap_uinteger(&p->heap, (n_bits + 7) / 8);
}

term bif_binary_list_to_bin_1(struct proc *p, term *args)
{
    return bif_erlang_list_to_binary_1(p, args);
}

/* ---- unsigned integers ---- */

static void reverse(uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        uint8_t last = bytes[--n];
        bytes[n] = bytes[i];
        bytes[i] = last;
    }
}

static bool get_endian(term t, bool *little)
{
    *little = term_same(t, ATOM(little));
    return *little || term_same(t, ATOM(big));
}

static term encode_unsigned(struct proc *p, term i, term endian)
{
    bool little;
    if (!get_endian(endian, &little) || !term_is_integer(i) || integer_is_negative(i)) {
        return proc_badarg(p);
    }
    size_t n = integer_byte_size(i);
    n += n == 0;
    uint8_t *out;
    term t = bits_new_binary(&p->heap, n, &out);
    if (term_is_none(t)) {
        return proc_system_limit(p);
    }
    proc_bump(p, n / BYTES_PER_REDUCTION);
    integer_to_bytes_le(i, out, n);
    if (!little) {
        reverse(out, n);
    }
    return t;
}

term bif_binary_encode_unsigned_1(struct proc *p, term *args)
{
    return encode_unsigned(p, args[0], ATOM(big));
}
term bif_binary_encode_unsigned_2(struct proc *p, term *args)
{
    return encode_unsigned(p, args[0], args[1]);
}

static term decode_unsigned(struct proc *p, term binary, term endian)
{
    bool little;
    if (!get_endian(endian, &little) || !term_is_binary(binary)) {
        return proc_badarg(p);
    }
    struct bits_view v = bits_view(binary);
    struct match_ctx m = { .bytes = v.bytes, .position = v.offset, .end = v.offset + v.size, .base = v.base };
    proc_bump(p, v.size / 8 / BYTES_PER_REDUCTION);
    term t = bits_get_integer(&p->heap, &m, v.size, little ? BITS_LITTLE : 0);
    return term_is_none(t) ? proc_system_limit(p) : t;
}

term bif_binary_decode_unsigned_1(struct proc *p, term *args)
{
    return decode_unsigned(p, args[0], ATOM(big));
}
term bif_binary_decode_unsigned_2(struct proc *p, term *args)
{
    return decode_unsigned(p, args[0], args[1]);
}

/* ---- longest common prefix and suffix ---- */

static size_t common_prefix(const struct bits_view *a, const struct bits_view *b, size_t n)
{
    size_t i = 0;
    while (i < n && byte_at(a, i) == byte_at(b, i)) {
        i++;
    }
    return i;
}

static size_t common_suffix(const struct bits_view *a, const struct bits_view *b, size_t n)
{
    size_t i = 0, a_size = a->size / 8, b_size = b->size / 8;
    while (i < n && byte_at(a, a_size - 1 - i) == byte_at(b, b_size - 1 - i)) {
        i++;
    }
    return i;
}

static term longest_common(struct proc *p, term list,
    size_t (*common)(const struct bits_view *a, const struct bits_view *b, size_t n))
{
    if (!term_is_cons(list) || !term_is_binary(term_head(list))) {
        return proc_badarg(p);
    }
    struct bits_view first = bits_view(term_head(list));
    size_t n = first.size / 8, work = 0;
    for (list = term_tail(list); term_is_cons(list); list = term_tail(list)) {
        if (!term_is_binary(term_head(list))) {
            return proc_badarg(p);
        }
        struct bits_view other = bits_view(term_head(list));
        n = common(&first, &other, n < other.size / 8 ? n : other.size / 8);
        work += n;
    }
    proc_bump(p, work / BYTES_PER_REDUCTION);
    return term_is_nil(list) ? heap_uinteger(&p->heap, n) : proc_badarg(p);
}

term bif_binary_longest_common_prefix_1(struct proc *p, term *args)
{
    return longest_common(p, args[0], common_prefix);
}
term bif_binary_longest_common_suffix_1(struct proc *p, term *args)
{
    return longest_common(p, args[0], common_suffix);
}
