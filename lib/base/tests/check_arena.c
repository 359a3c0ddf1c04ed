#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/tests/run_suite.h"

static struct arena *small_arena(size_t limit)
{
    struct arena *a = arena_new(&(struct arena_options) {
        .name = "test", .reserve_bytes = 256 << 20, .limit_bytes = limit, .backing = ARENA_MEMFD });
    ck_assert_ptr_nonnull(a);
    return a;
}

static uint64_t seed = 88172645463325252u;
static size_t random_below(size_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

START_TEST(every_size_is_aligned_writable_and_large_enough)
{
    struct arena *a = small_arena(0);
    for (size_t n = 0; n < 70000; n += n < 2000 ? 1 : 97) {
        char *p = arena_alloc(a, n);
        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t) p % 16, 0);
        ck_assert_uint_ge(arena_usable(a, p), n);
        ck_assert_uint_eq(arena_usable(a, p), arena_good_size(n));
        ck_assert(arena_contains(a, p));
        memset(p, 0xAA, n);
        arena_free(a, p);
        ck_assert_uint_eq(arena_usable(a, p), 0);
    }
    arena_free_all(a);
}
END_TEST

START_TEST(blocks_never_overlap_under_random_use)
{
    enum { N = 3000 };
    struct arena *a = small_arena(0);
    static struct { unsigned char *p; size_t n; } held[N];
    for (int round = 0; round < 200000; round++) {
        size_t i = random_below(N);
        if (held[i].p == NULL) {
            size_t n = random_below(10) == 0 ? random_below(300000) : random_below(600);
            held[i].p = arena_alloc(a, n);
            ck_assert_ptr_nonnull(held[i].p);
            held[i].n = n;
            if (n > 0) {
                held[i].p[0] = held[i].p[n - 1] = (unsigned char) i;
            }
        } else {
            if (held[i].n > 0) {
                ck_assert_uint_eq(held[i].p[0], (unsigned char) i);
                ck_assert_uint_eq(held[i].p[held[i].n - 1], (unsigned char) i);
            }
            if (random_below(4) == 0) {
                size_t n = 1 + random_below(100000);
                held[i].p = arena_realloc(a, held[i].p, n);
                ck_assert(held[i].n == 0 || held[i].p[0] == (unsigned char) i);
                held[i].n = n;
                held[i].p[0] = held[i].p[n - 1] = (unsigned char) i;
            } else {
                arena_free(a, held[i].p);
                held[i].p = NULL;
            }
        }
    }
    for (size_t i = 0; i < N; i++) {
        arena_free(a, held[i].p);
        held[i].p = NULL;
    }
    ck_assert_uint_lt(arena_stats(a).used_bytes, 12 << 20);
    arena_free_all(a);
}
END_TEST

START_TEST(try_free_refuses_garbage_and_double_frees)
{
    struct arena *a = small_arena(0);
    char *p = arena_alloc(a, 100), *run = arena_alloc(a, 100000);
    ck_assert(!arena_try_free(a, p + 8));
    ck_assert(!arena_try_free(a, p + 16));
    ck_assert(!arena_try_free(a, run + 16));
    ck_assert(!arena_try_free(a, run + 16384));
    ck_assert(!arena_try_free(a, (void *) 8));
    ck_assert(!arena_try_free(a, &p));
    ck_assert(!arena_try_free(a, run + (200 << 20)));
    ck_assert(arena_try_free(a, p));
    ck_assert(!arena_try_free(a, p));
    ck_assert(arena_try_free(a, run));
    ck_assert(!arena_try_free(a, run));
    for (int i = 0; i < 100000; i++) {
        (void) !arena_try_free(a, run + (intptr_t) random_below(1 << 20) - (1 << 19));
    }
    arena_free_all(a);
}
END_TEST

START_TEST(the_limit_holds_and_urgent_passes_it)
{
    struct arena *a = small_arena(4 << 20);
    ck_assert_ptr_null(arena_alloc(a, 5 << 20));
    ck_assert_ptr_null(arena_alloc(a, SIZE_MAX));
    ck_assert_ptr_null(arena_alloc_urgent(a, SIZE_MAX - 5));
    ck_assert(!arena_is_tight(a));
    size_t got = 0;
    while (arena_alloc(a, 1000) != NULL) {
        got += 1000;
    }
    ck_assert_uint_gt(got, 3900000);
    ck_assert(arena_is_tight(a));
    ck_assert_ptr_nonnull(arena_alloc_urgent(a, 1000));
    ck_assert_ptr_nonnull(arena_alloc_urgent(a, 1 << 20));
    ck_assert_ptr_null(arena_alloc(a, 100000));
    arena_free_all(a);
}
END_TEST

START_TEST(freed_runs_coalesce)
{
    struct arena *a = small_arena(0);
    void *p[256];
    for (int i = 0; i < 256; i++) {
        p[i] = arena_alloc(a, 1 << 20);
    }
    ck_assert_ptr_null(arena_alloc(a, 1 << 20));
    for (int i = 0; i < 256; i += 2) {
        arena_free(a, p[i]);
    }
    for (int i = 1; i < 256; i += 2) {
        arena_free(a, p[i]);
    }
    ck_assert_ptr_nonnull(arena_alloc(a, 256 << 20));
    arena_free_all(a);
}
END_TEST

START_TEST(aligned_blocks_are_aligned)
{
    struct arena *a = small_arena(0);
    for (size_t align = 8; align <= 1 << 20; align *= 2) {
        for (size_t n = 1; n < 200000; n = n * 3 + 1) {
            void *p = arena_alloc_aligned(a, align, n);
            ck_assert_ptr_nonnull(p);
            ck_assert_uint_eq((uintptr_t) p % align, 0);
            ck_assert_uint_ge(arena_usable(a, p), n);
            ck_assert(arena_try_free(a, p));
        }
    }
    ck_assert_uint_lt(arena_stats(a).used_bytes, 12 << 20);
    arena_free_all(a);
}
END_TEST

enum { RING = 1024 };
static struct arena *shared;
static void *_Atomic ring[RING];

static void *exchange(void *arg)
{
    uint64_t state = (uintptr_t) arg * 7919 + 1;
    for (int i = 0; i < 300000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t n = 8 + (state >> 40) % 500;
        char *p = arena_alloc(shared, n);
        memset(p, 1, n);
        p = __atomic_exchange_n((char **) &ring[state >> 33 & (RING - 1)], p, __ATOMIC_ACQ_REL);
        arena_free(shared, p);
    }
    return NULL;
}

START_TEST(threads_free_what_others_allocated)
{
    shared = small_arena(0);
    for (int round = 0; round < 3; round++) { /* later threads take over the caches of earlier ones */
        pthread_t t[4];
        for (size_t i = 0; i < 4; i++) {
            ck_assert_int_eq(pthread_create(&t[i], NULL, exchange, (void *) (i + 1)), 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(t[i], NULL);
        }
    }
    for (int i = 0; i < RING; i++) {
        arena_free(shared, ring[i]);
        ring[i] = NULL;
    }
    ck_assert_uint_lt(arena_stats(shared).used_bytes, 12 << 20);
    arena_free_all(shared);
}
END_TEST

START_TEST(arenas_come_and_go_in_one_thread)
{
    for (int i = 0; i < 300; i++) {
        struct arena *a = small_arena(0), *b = small_arena(0);
        void *p = arena_alloc(a, 64), *q = arena_alloc(b, 64);
        ck_assert(!arena_try_free(a, q));
        arena_free(b, q);
        arena_free(a, p);
        arena_free_all(i % 2 ? a : b);
        arena_free_all(i % 2 ? b : a);
    }
}
END_TEST

START_TEST(a_double_free_aborts)
{
    void *p = vm_alloc(40);
    vm_free(p);
    vm_free(p);
}
END_TEST

START_TEST(literals_are_told_by_address)
{
    ck_assert(arena_init_all());
    void *l = arena_alloc(arena_literals, 100), *t = arena_alloc(arena_terms, 100);
    ck_assert(arena_is_literal(l));
    ck_assert(!arena_is_literal(t));
    ck_assert(!arena_is_literal(&l));
    ck_assert_int_ge(arena_fd(arena_terms), 0);
    ck_assert_int_eq(arena_fd(arena_vm), -1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arena");
    TCase *tc = tcase_create("arena");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, every_size_is_aligned_writable_and_large_enough);
    tcase_add_test(tc, blocks_never_overlap_under_random_use);
    tcase_add_test(tc, try_free_refuses_garbage_and_double_frees);
    tcase_add_test(tc, the_limit_holds_and_urgent_passes_it);
    tcase_add_test(tc, freed_runs_coalesce);
    tcase_add_test(tc, aligned_blocks_are_aligned);
    tcase_add_test(tc, threads_free_what_others_allocated);
    tcase_add_test(tc, arenas_come_and_go_in_one_thread);
    tcase_add_test_raise_signal(tc, a_double_free_aborts, SIGABRT);
    tcase_add_test(tc, literals_are_told_by_address);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
