/* signal_test.h - processes that are never scheduled: a test makes them, plays their threads and ends them.
 *
 * A test includes this once.
 */
#ifndef SIGNAL_TEST_H
#define SIGNAL_TEST_H

#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/proc/links.h"
#include "vm/proc/tests/proc_test.h"

static inline struct proc *make(void)
{
    struct proc *p = proc_new(NULL, ATOM(ok), ATOM(ok), TERM_NIL, &spawn_defaults);
    ck_assert_ptr_nonnull(p);
    return p;
}

static inline void end(struct proc *p, term reason)
{
    test_exit(p, reason);
    proc_exit(p);
}

/* Fetches; the process must live on. */
static inline void fetch(struct proc *p)
{
    ck_assert(!signal_fetch(p));
}

/* Fetches; the process must die with reason. */
static inline void fetch_dies(struct proc *p, term reason)
{
    ck_assert(signal_fetch(p));
    ck_assert_int_eq(p->exc.class, EXC_EXIT);
    ck_assert(term_equal_exact(p->exc.reason, reason));
    proc_exit(p);
}

static inline term take(struct proc *p)
{
    term m = test_receive(p);
    ck_assert(!term_is_none(m));
    return m;
}

static inline void no_message(struct proc *p)
{
    ck_assert(term_is_none(test_receive(p)));
}

static inline void is_exit_message(term m, term from, term reason)
{
    ck_assert(term_is_tuple_of(m, 3));
    ck_assert(term_same(term_tuple_get(m, 0), ATOM(EXIT)));
    ck_assert(term_same(term_tuple_get(m, 1), from));
    ck_assert(term_equal_exact(term_tuple_get(m, 2), reason));
}

static inline void is_down(term m, term tag, term ref, term item, term reason)
{
    ck_assert(term_is_tuple_of(m, 5));
    ck_assert(term_equal_exact(term_tuple_get(m, 0), tag));
    ck_assert(term_equal_exact(term_tuple_get(m, 1), ref));
    ck_assert(term_same(term_tuple_get(m, 2), ATOM(process)));
    ck_assert(term_equal_exact(term_tuple_get(m, 3), item));
    ck_assert(term_equal_exact(term_tuple_get(m, 4), reason));
}

#endif
