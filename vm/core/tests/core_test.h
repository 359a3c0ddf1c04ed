/* core_test.h - what every unit test of vm/core needs: tables, a heap, terms from text. */
#ifndef CORE_TEST_H
#define CORE_TEST_H

#include <check.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/tests/run_suite.h"
#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/etf.h"
#include "vm/core/heap.h"
#include "vm/core/map.h"

static struct heap test_heap;

static void core_setup(void)
{
    ck_assert(arena_init_all());
    atom_table_init();
    ck_assert_int_eq(heap_init(&test_heap, 1 << 12), HEAP_OK);
}

static void core_teardown(void)
{
    heap_destroy(&test_heap);
}

static inline term num(intptr_t i)
{
    return term_from_small(i);
}

/* The term that these bytes say; TERM_NONE: none. */
static inline term test_decode(const void *bytes, size_t n)
{
    return etf_decode(&test_heap, bytes, n, 0, NULL);
}

/* A pseudo-random sequence that is the same in every run. */
static inline uint64_t test_random(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int core_run(TCase *tc, const char *name)
{
    Suite *s = suite_create(name);
    tcase_add_unchecked_fixture(tc, core_setup, core_teardown);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(s, tc);
    return run_suite(s);
}

#endif
