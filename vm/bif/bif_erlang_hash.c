/* bif_erlang_hash.c - checksums of iodata. */
#include <zlib.h>

#include "lib/base/arena.h"
#include "lib/base/md5.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_text.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/iolist.h"

enum { BYTES_PER_REDUCTION = 64 };

/* The bytes of iodata in one piece. false: raised. */
static bool get_bytes(struct proc *p, term data, struct bif_text *out)
{
    size_t n;
    if (!iolist_size(data, &n)) {
        proc_badarg(p);
        return false;
    }
    proc_bump(p, n / BYTES_PER_REDUCTION);
    if (term_is_bits(data)) {
        return bif_text_from_binary(data, out);
    }
    out->n = n;
    out->text = out->owned = vm_try_alloc(n + 1);
    if (out->owned == NULL) {
        proc_system_limit(p);
        return false;
    }
    iolist_copy(data, (uint8_t *) out->owned);
    return true;
}

static bool get_u32(term t, uint32_t *out)
{
    uint64_t value;
    if (!integer_to_uint64(t, &value) || value > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t) value;
    return true;
}

typedef uLong (*checksum_fn)(uLong old, const Bytef *bytes, z_size_t n);

static term checksum(struct proc *p, checksum_fn fn, uint32_t old, term data)
{
    struct bif_text bytes;
    if (!get_bytes(p, data, &bytes)) {
        return TERM_NONE;
    }
    /* [] changes no number, checksum or not */
    uLong sum = term_is_nil(data) ? old : fn(old, (const Bytef *) bytes.text, bytes.n);
    vm_free(bytes.owned);
    return heap_uinteger(&p->heap, sum);
}

static term checksum_from(struct proc *p, checksum_fn fn, term *args)
{
    uint32_t old;
    return get_u32(args[0], &old) ? checksum(p, fn, old, args[1]) : proc_badarg(p);
}

term bif_erlang_crc32_1(struct proc *p, term *args)
{
    return checksum(p, crc32_z, 0, args[0]);
}
term bif_erlang_crc32_2(struct proc *p, term *args)
{
    return checksum_from(p, crc32_z, args);
}
term bif_erlang_adler32_1(struct proc *p, term *args)
{
    return checksum(p, adler32_z, 1, args[0]);
}
term bif_erlang_adler32_2(struct proc *p, term *args)
{
    return checksum_from(p, adler32_z, args);
}

static term combine(struct proc *p, uLong (*fn)(uLong, uLong, z_off_t), term *args)
{
    uint32_t first, second, length;
    if (!get_u32(args[0], &first) || !get_u32(args[1], &second) || !get_u32(args[2], &length)) {
        return proc_badarg(p);
    }
    return heap_uinteger(&p->heap, fn(first, second, (z_off_t) length));
}

term bif_erlang_crc32_combine_3(struct proc *p, term *args)
{
    return combine(p, crc32_combine, args);
}
term bif_erlang_adler32_combine_3(struct proc *p, term *args)
{
    bool nothing = term_same(args[2], term_from_small(0)) && term_is_integer(args[0]) && term_is_integer(args[1]);
    term sum = combine(p, adler32_combine, args);
    return nothing && !term_is_none(sum) ? args[0] : sum; /* also where it is no checksum that there can be */
}

/* ---- MD5: the context travels as a binary ---- */

static term md5_result(struct proc *p, struct md5 *m)
{
    uint8_t digest[MD5_BYTES];
    md5_final(m, digest);
    return bif_text_to_binary(p, (const char *) digest, sizeof(digest));
}

static bool get_context(term t, struct md5 *out)
{
    struct bif_text bytes;
    if (!bif_text_from_binary(t, &bytes)) {
        return false;
    }
    bool ok = bytes.n == sizeof(*out);
    if (ok) {
        memcpy(out, bytes.text, sizeof(*out));
    }
    vm_free(bytes.owned);
    return ok;
}

static bool add_data(struct proc *p, struct md5 *m, term data)
{
    struct bif_text bytes;
    if (!get_bytes(p, data, &bytes)) {
        return false;
    }
    md5_update(m, bytes.text, bytes.n);
    vm_free(bytes.owned);
    return true;
}

term bif_erlang_md5_1(struct proc *p, term *args)
{
    enum { FAR_BITS = 8 << 19 };
    if (bif_is_near(p) && term_is_binary(args[0]) && bits_size(args[0]) > FAR_BITS) {
        return bif_go_far(p, "md5", args, 1);
    }
    struct md5 m;
    md5_init(&m);
    return add_data(p, &m, args[0]) ? md5_result(p, &m) : TERM_NONE;
}

static term md5_context(struct proc *p, const struct md5 *m)
{
    return bif_text_to_binary(p, (const char *) m, sizeof(*m));
}

term bif_erlang_md5_init_0(struct proc *p, term *args)
{
    struct md5 m;
    (void) args;
    memset(&m, 0, sizeof(m));
    md5_init(&m);
    return md5_context(p, &m);
}
term bif_erlang_md5_update_2(struct proc *p, term *args)
{
    struct md5 m;
    if (!get_context(args[0], &m)) {
        return proc_badarg(p);
    }
    return add_data(p, &m, args[1]) ? md5_context(p, &m) : TERM_NONE;
}
term bif_erlang_md5_final_1(struct proc *p, term *args)
{
    struct md5 m;
    return get_context(args[0], &m) ? md5_result(p, &m) : proc_badarg(p);
}
