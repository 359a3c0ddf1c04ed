/* proc_test.h - processes for unit tests: their "code" is a C function that runs a slice.
 *
 * A test includes this once. test_spawn(step, arg) makes a process; step is called each time it is
 * scheduled, until it returns RUN_EXITED. test_arg(p) is arg.
 */
#ifndef PROC_TEST_H
#define PROC_TEST_H

#include <check.h>
#include <pthread.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/tests/run_suite.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

typedef enum run_result (*test_step)(struct proc *p);

enum { TEST_MAX_STEPS = 64 };
static test_step test_steps[TEST_MAX_STEPS];
static _Atomic int test_n_steps;

static inline term test_arg(const struct proc *p)
{
    return term_head(p->args[2]);
}

enum run_result interp_run(struct sched *s, struct proc *p)
{
    (void) s;
    return test_steps[term_to_small(p->args[1])](p);
}

const uint64_t *interp_start_code(void)
{
    static const uint64_t code[1];
    return code;
}

bool interp_collect_between_slices(struct proc *p)
{
    (void) p;
    return true;
}

term interp_stacktrace(struct proc *p, struct heap *h, size_t max_depth)
{
    (void) p;
    (void) h;
    (void) max_depth;
    return TERM_NIL;
}

/* Index of a step, registered before it is used by several threads. */
static inline int test_step_index(test_step step)
{
    int n = atomic_load(&test_n_steps);
    for (int i = 0; i < n; i++) {
        if (test_steps[i] == step) {
            return i;
        }
    }
    ck_assert_int_lt(n, TEST_MAX_STEPS);
    test_steps[n] = step;
    atomic_store(&test_n_steps, n + 1);
    return n;
}

static inline term test_spawn_from(struct proc *parent, int step_index, term arg, const struct spawn_options *o, term *ref)
{
    uintptr_t words[2];
    struct heap h = { .top = words, .stop = words + 2 };
    term args = heap_cons(&h, arg, TERM_NIL);
    return proc_spawn(parent, ATOM(ok), term_from_small(step_index), args, o, ref);
}

static inline __attribute__((unused)) term test_spawn(test_step step, term arg)
{
    term pid = test_spawn_from(NULL, test_step_index(step), arg, &spawn_defaults, NULL);
    ck_assert(!term_is_none(pid));
    return pid;
}

/* Takes the next message; TERM_NONE: none (wait). */
static inline term test_receive(struct proc *p)
{
    bool must_exit;
    const struct message *m = msgq_peek(p, &must_exit);
    return m == NULL ? TERM_NONE : msgq_take(p);
}

static inline enum run_result test_exit(struct proc *p, term reason)
{
    p->exc = (struct exception) { .class = EXC_EXIT, .reason = reason, .stacktrace = TERM_NIL };
    return RUN_EXITED;
}

static inline void test_start(unsigned n)
{
    struct sched_options o = { n, 2, 2 };
    atom_table_init();
    ck_assert(sched_start(&o));
}

/* Waits until *flag reaches n; fails after ten seconds. */
static inline void test_await(_Atomic int *flag, int n)
{
    for (int i = 0; i < 10000 && atomic_load(flag) < n; i++) {
        usleep(1000);
    }
    ck_assert_int_ge(atomic_load(flag), n);
}

static inline int test_main(Suite *s)
{
    return run_suite(s);
}

#endif
