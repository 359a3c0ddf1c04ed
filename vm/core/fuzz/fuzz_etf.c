/* Any bytes either are no term or decode to one that its own encoding decodes to again. */
#include "lib/base/arena.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/etf_ext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool contains_atom_flood(void)
{
    return atom_count() > 1000000; /* the table is full: nothing decodes any more */
}

static void check_round_trip(struct heap *h, term t)
{
    size_t n;
    uint8_t *scratch;
    static const unsigned flags[] = { 0, 1, ETF_DETERMINISTIC, ETF_MINOR_VERSION_2 };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        term bin = etf_encode(h, t, flags[i]);
        VM_REQUIRE(!term_is_none(bin));
        const uint8_t *bytes = bits_bytes(bin, &n, &scratch);
        term back = etf_decode(h, bytes, n, ETF_SAFE, NULL);
        VM_REQUIRE(!term_is_none(back) && term_equal_exact(t, back) && term_compare(t, back) == 0);
        VM_REQUIRE(term_hash(t, 0) == term_hash(back, 0) && term_phash2(t) == term_phash2(back));
        vm_free(scratch);
    }
}

static term take_blob(void *arg, struct heap *h, size_t i)
{
    const size_t *sizes = arg;
    uint8_t *to;
    term t = bits_new_binary(h, sizes[i], &to);
    return term_is_none(t) ? t : (memset(to, (int) i, sizes[i]), t);
}

static term take_resource(void *arg, struct heap *h, uint64_t handle)
{
    (void) arg;
    return handle % 2 == 0 ? heap_ref(h, handle, 0) : TERM_NONE;
}

/* The same bytes as from a worker, with two binaries beside them. */
static void check_ext(struct heap *h, const uint8_t *data, size_t size)
{
    struct etf_decode_ext in = { .n_blobs = size % 3,
        .blob_bytes = { 1, 256 },
        .blob = take_blob,
        .resource = take_resource,
        .arg = in.blob_bytes };
    term t = etf_decode_ext(h, data, size, 0, &in);
    if (!term_is_none(t)) {
        struct etf_encode_ext out = { .blob_min = 100 };
        uint8_t *buffer = NULL;
        size_t capacity = 0, n = etf_encode_ext(t, &out, &buffer, &capacity);
        VM_REQUIRE(n != 0);
        vm_free(buffer);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    if (!ready) {
        VM_REQUIRE(arena_init_all());
        atom_table_init();
        ready = true;
    }
    struct heap h;
    if (contains_atom_flood() || heap_init(&h, 1024) != HEAP_OK) {
        return 0;
    }
    for (unsigned safe = 0; safe < 2; safe++) {
        term t = etf_decode(&h, data, size, safe ? 0 : ETF_SAFE, NULL);
        if (!term_is_none(t)) {
            check_round_trip(&h, t);
        }
    }
    check_ext(&h, data, size);
    heap_destroy(&h);
    return 0;
}
