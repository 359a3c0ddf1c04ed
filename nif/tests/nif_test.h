/* nif_test.h - a host for tests: records what the API asks of it. */
#ifndef NIF_TEST_H
#define NIF_TEST_H

#include <check.h>
#include <setjmp.h>
#include <stdlib.h>

#include "lib/base/tests/run_suite.h"
#include "nif/enif.h"
#include "nif/host.h"
#include "nif/nif_api.h"
#include "nif/nif_lib.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/core/map.h"

static struct {
    struct heap mailbox; /* holds what was sent */
    term sent[16];
    term sent_to[16];
    _Atomic size_t n_sent; /* the poll thread sends too */
    bool gone;             /* no process is alive */
    int slice;
    unsigned wakes;
    uint64_t next_id;
} host;

static uint64_t test_ref_id(void)
{
    return ++host.next_id;
}
static uint64_t test_unique(bool monotonic)
{
    (void) monotonic;
    return ++host.next_id;
}
static int64_t test_time(void)
{
    static int64_t us;
    return ++us;
}
static bool test_send(struct enif_environment_t *env, term to, term message, struct heap *built)
{
    (void) env;
    size_t n = host.n_sent;
    ck_assert_uint_lt(n, ARRAY_LEN(host.sent));
    host.sent_to[n] = to;
    host.sent[n] = built == NULL ? copy_term(message, &host.mailbox) : message;
    if (built != NULL) {
        heap_move_frags(&host.mailbox, built);
    }
    host.n_sent = n + 1;
    return true;
}
static bool test_alive(term pid)
{
    (void) pid;
    return !host.gone;
}
static bool test_caller_alive(struct enif_environment_t *env)
{
    (void) env;
    return !host.gone;
}
static term test_whereis(term name)
{
    return term_same(name, ATOM(value)) ? term_from_pid(7, 1) : TERM_NONE;
}
static bool test_port_command(struct enif_environment_t *env, term port, term data)
{
    (void) env, (void) port, (void) data;
    return false;
}
static bool test_timeslice(struct enif_environment_t *env, int percent)
{
    (void) env;
    host.slice += percent;
    return host.slice >= 100;
}
static enum nif_thread_type test_thread_type(void)
{
    return NIF_THREAD_NORMAL;
}
static unsigned test_schedulers(void)
{
    return 3;
}
static void test_wake(void)
{
    host.wakes++;
}
static const struct nif_host test_host = { test_ref_id, test_unique, test_time, test_time,
    test_send, test_alive, test_alive, test_caller_alive, test_whereis, test_port_command,
    test_alive, test_timeslice, test_thread_type, test_schedulers, test_wake };

/* A call from a process with a heap of its own. */
static struct heap caller;
static struct enif_environment_t call_env;
static ErlNifEnv *const E = &call_env;
static struct nif_lib test_lib;

static jmp_buf left;
static char left_text[256];
static enum nif_leave_kind left_kind;
static void test_leave(enum nif_leave_kind kind, const char *text)
{
    left_kind = kind;
    snprintf(left_text, sizeof(left_text), "%s", text);
    longjmp(left, 1);
}
/* Runs the statement; it must leave the call. */
#define ASSERT_LEAVES(kind, statement)                                                             \
    do {                                                                                           \
        if (_setjmp(left) == 0) {                                                                  \
            (void) (statement);                                                                    \
            ck_abort_msg("did not leave");                                                         \
        }                                                                                          \
        ck_assert_int_eq(left_kind, kind);                                                         \
    } while (0)

static void begin_call(void)
{
    nif_env_begin(E, &caller, &caller, term_from_pid(5, 1), &test_lib);
}

static void set_up(void)
{
    ck_assert(arena_init_all());
    atom_table_init();
    memset((void *) &host, 0, sizeof(host));
    heap_init_frags(&host.mailbox);
    nif_api_init(&test_host);
    nif_leave = test_leave;
    ck_assert_int_eq(heap_init(&caller, 1000), HEAP_OK);
    test_lib.module = ATOM(module);
    atomic_store(&test_lib.refs, 1000);
    begin_call();
}
static void tear_down(void)
{
    heap_verify(&caller, NULL, 0);
    nif_env_commit(E);
    nif_env_done(E);
    heap_destroy(&caller);
    heap_destroy(&host.mailbox);
}

/* A case with the fixture. */
static inline TCase *nif_case(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    suite_add_tcase(s, tc);
    return tc;
}

#endif
