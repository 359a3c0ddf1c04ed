#include "lib/base/arena.h"
#include "nif/enif.h"
#include "vm/core/bits.h"
#include "vm/core/etf.h"
#include "vm/core/iolist.h"

/* ---- binaries that a library owns ---- */

/* append_end_bits while the library holds the reference: no view ends there. A copy of the
 * ErlNifBinary that is given away or back once more is told by it. */
#define HELD_BY_LIBRARY (UINT64_MAX - 1)

/* Even an empty binary has room for a few bytes, which survive its growth. It has on OTP, and snappyer writes the length
 * in front of what it packs into a binary of size 0 before it makes that larger. */
enum { LEAST_ROOM = 8 };

bool nif_binary_alloc(size_t bytes, ErlNifBinary *bin)
{
    nif_guard_enter();
    struct offheap_bin *b = offheap_bin_new(bytes < LEAST_ROOM ? LEAST_ROOM : bytes);
    nif_guard_leave();
    if (b == NULL) {
        return false;
    }
    atomic_store_explicit(&b->append_end_bits, HELD_BY_LIBRARY, memory_order_relaxed);
    nif_owed_add(NIF_OWED_BINARY, b);
    bin->size = bytes;
    bin->data = b->data;
    bin->ref_bin = b;
    return true;
}

int enif_alloc_binary(size_t size, ErlNifBinary *bin)
{
    return nif_binary_alloc(size, bin);
}

/* The off-heap binary that a library's ErlNifBinary says it owns. Leaves the NIF if it is none. */
static struct offheap_bin *owned_bin(ErlNifBinary *bin, const char *api)
{
    struct offheap_bin *b = bin->ref_bin;
    if (arena_usable(arena_terms, b) < sizeof(*b) || b->refs == 0 || b->kind != OFFHEAP_BYTES
        || atomic_load_explicit(&b->append_end_bits, memory_order_relaxed) != HELD_BY_LIBRARY) {
        nif_bad_handle(api);
    }
    return b;
}

int enif_realloc_binary(ErlNifBinary *bin, size_t size)
{
    if (bin->ref_bin == NULL) { /* somebody else's bytes: copy what fits */
        ErlNifBinary copy;
        if (!nif_binary_alloc(size, &copy)) {
            return 0;
        }
        memcpy(copy.data, bin->data, bin->size < size ? bin->size : size);
        *bin = copy;
        return 1;
    }
    struct offheap_bin *b = owned_bin(bin, "enif_realloc_binary");
    if (size == bin->size) {
        return 1;
    }
    if (size > SIZE_MAX - sizeof(*b)) {
        return 0;
    }
    if (atomic_load_explicit(&b->refs, memory_order_acquire) != 1) {
        ErlNifBinary copy;
        if (!nif_binary_alloc(size, &copy)) {
            return 0;
        }
        memcpy(copy.data, bin->data, bin->size < size ? bin->size : size);
        enif_release_binary(bin);
        *bin = copy;
        return 1;
    }
    nif_guard_enter();
    struct offheap_bin *moved = arena_realloc(arena_terms, b, sizeof(*b) + size);
    nif_guard_leave();
    if (moved == NULL) {
        return 0;
    }
    moved->capacity = size;
    nif_owed_remove(b);
    nif_owed_add(NIF_OWED_BINARY, moved);
    bin->ref_bin = moved;
    bin->data = moved->data;
    bin->size = size;
    return 1;
}

void enif_release_binary(ErlNifBinary *bin)
{
    if (bin->ref_bin == NULL) {
        return;
    }
    struct offheap_bin *b = owned_bin(bin, "enif_release_binary");
    nif_binary_take(bin, "enif_release_binary");
    nif_guard_enter();
    offheap_bin_unref(b);
    nif_guard_leave();
}

void nif_binary_take(ErlNifBinary *bin, const char *api)
{
    struct offheap_bin *b = owned_bin(bin, api);
    bin->ref_bin = NULL; /* data stays readable as long as somebody holds it */
    nif_owed_remove(b);
    atomic_store_explicit(&b->append_end_bits, UINT64_MAX, memory_order_relaxed);
}

/* ---- from and to terms ---- */

ERL_NIF_TERM enif_make_binary(ErlNifEnv *env, ErlNifBinary *bin)
{
    if (bin->ref_bin != NULL) {
        struct offheap_bin *b = owned_bin(bin, "enif_make_binary");
        if (bin->size > b->capacity) {
            nif_bad_handle("enif_make_binary");
        }
        nif_binary_take(bin, "enif_make_binary");
        return bits_from_offheap(env->heap, b, bin->size * 8).word;
    }
    uint8_t *bytes;
    term t = bits_new_binary(env->heap, bin->size, &bytes);
    if (term_is_none(t)) {
        return nif_system_limit(env);
    }
    memcpy(bytes, bin->data, bin->size);
    return t.word;
}

struct offheap_bin *(*nif_result_binary)(const struct enif_environment_t *env, size_t bytes);

unsigned char *enif_make_new_binary(ErlNifEnv *env, size_t size, ERL_NIF_TERM *termp)
{
    uint8_t *bytes;
    struct offheap_bin *b = nif_result_binary != NULL ? nif_result_binary(env, size) : NULL;
    if (b != NULL) {
        *termp = bits_from_offheap(env->heap, b, size * 8).word;
        return b->data;
    }
    term t = size <= SIZE_MAX / 8 ? bits_new_binary(env->heap, size, &bytes) : TERM_NONE;
    if (term_is_none(t)) {
        *termp = nif_system_limit(env);
        return NULL;
    }
    *termp = t.word;
    return bytes;
}

ERL_NIF_TERM enif_make_sub_binary(ErlNifEnv *env, ERL_NIF_TERM bin_term, size_t pos, size_t size)
{
    term t = nif_term_in(env, bin_term, "enif_make_sub_binary");
    if (!term_is_binary(t) || pos > bits_size(t) / 8 || size > bits_size(t) / 8 - pos) {
        return enif_make_badarg(env);
    }
    return bits_sub(env->heap, t, pos * 8, size * 8).word;
}

int enif_inspect_binary(ErlNifEnv *env, ERL_NIF_TERM bin_term, ErlNifBinary *bin)
{
    term t = term_of(bin_term);
    uint8_t *scratch;
    if (!term_is_bits(t) || bits_size(t) % 8 != 0) {
        return 0;
    }
    bin->data = (unsigned char *) bits_bytes(t, &bin->size, &scratch);
    bin->ref_bin = NULL;
    if (scratch != NULL) {
        nif_tmp_adopt(env, scratch);
    }
    return 1;
}

int enif_inspect_iolist_as_binary(ErlNifEnv *env, ERL_NIF_TERM word, ErlNifBinary *bin)
{
    term t = term_of(word);
    size_t n;
    if (term_is_bits(t)) {
        return enif_inspect_binary(env, word, bin);
    }
    if (!term_is_list(t) || !iolist_size(t, &n)) {
        return 0;
    }
    bin->data = nif_tmp_alloc(env, n);
    if (bin->data == NULL) {
        return 0;
    }
    bin->size = n;
    bin->ref_bin = NULL;
    iolist_copy(t, bin->data);
    return 1;
}

/* ---- external term format ---- */

int enif_term_to_binary(ErlNifEnv *env, ERL_NIF_TERM word, ErlNifBinary *bin)
{
    term t = nif_term_in(env, word, "enif_term_to_binary");
    (void) env;
    size_t n = 0;
    uint8_t *bytes = etf_encode_alloc(t, 0, &n);
    bool good = bytes != NULL && nif_binary_alloc(n, bin);
    if (good) {
        memcpy(bin->data, bytes, n);
    }
    vm_free(bytes);
    return good;
}

size_t enif_binary_to_term(
    ErlNifEnv *env, const unsigned char *data, size_t sz, ERL_NIF_TERM *out, unsigned int opts)
{
    size_t used = 0;
    if ((opts & ~(unsigned) ERL_NIF_BIN2TERM_SAFE) != 0) {
        return 0;
    }
    struct heap_mark before = heap_mark(env->heap);
    term t = etf_decode(env->heap, data, sz, opts != 0 ? ETF_SAFE : 0, &used);
    if (term_is_none(t)) {
        heap_rollback(env->heap, &before);
        return 0;
    }
    *out = t.word;
    return used;
}
