/* Any bytes either are no term or decode to one that its own encoding decodes to again. */
#include "lib/base/arena.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/etf.h"

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
    heap_destroy(&h);
    return 0;
}
