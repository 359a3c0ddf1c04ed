/* bif_erlang_timer.c - send_after, start_timer and what goes with them. */
#include "lib/base/clock.h"
#include "vm/bif/bif.h"
#include "vm/proc/links.h"
#include "vm/proc/sched.h"
#include "vm/proc/timer.h"

enum { NS_PER_MS = 1000000 };
/* OTP's own limit is near: about 292 years of nanoseconds. */
#define MAX_TIMEOUT_MS (INT64_C(9223372036854) - 1)

static bool take_abs(term options, bool *abs)
{
    *abs = false;
    for (; term_is_cons(options); options = term_tail(options)) {
        term o = term_head(options);
        if (!term_is_tuple_of(o, 2) || !term_same(term_tuple_get(o, 0), ATOM(abs)) || !term_is_bool(term_tuple_get(o, 1))) {
            return false;
        }
        *abs = term_same(term_tuple_get(o, 1), ATOM(true));
    }
    return term_is_nil(options);
}

static term start(struct proc *p, const term *args, term options, bool with_ref)
{
    bool abs;
    if (!take_abs(options, &abs)) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    if (!term_is_small(args[0]) || (!abs && term_to_small(args[0]) < 0)
        || term_to_small(args[0]) > MAX_TIMEOUT_MS || term_to_small(args[0]) < -MAX_TIMEOUT_MS) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(time));
    }
    if (!term_is_local_pid(args[1]) && !term_is_atom(args[1])) {
        return proc_badarg(p);
    }
    int64_t ns = term_to_small(args[0]) * NS_PER_MS;
    int64_t now = clock_monotonic_ns();
    int64_t deadline = abs ? ns : ns > INT64_MAX - now ? INT64_MAX : now + ns;
    return timer_start(p, deadline, args[1], args[2], with_ref);
}

term bif_erlang_send_after_3(struct proc *p, term *args)
{
    return start(p, args, TERM_NIL, false);
}

term bif_erlang_send_after_4(struct proc *p, term *args)
{
    return start(p, args, args[3], false);
}

term bif_erlang_start_timer_3(struct proc *p, term *args)
{
    return start(p, args, TERM_NIL, true);
}

term bif_erlang_start_timer_4(struct proc *p, term *args)
{
    return start(p, args, args[3], true);
}

struct cancel_options { bool async, info, ok; };

static struct cancel_options take_cancel_options(term list, bool may_info)
{
    struct cancel_options c = { false, true, true };
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        if (!term_is_tuple_of(o, 2) || !term_is_bool(term_tuple_get(o, 1))) {
            c.ok = false;
            return c;
        }
        bool yes = term_same(term_tuple_get(o, 1), ATOM(true));
        if (term_same(term_tuple_get(o, 0), ATOM(async))) {
            c.async = yes;
        } else if (may_info && term_same(term_tuple_get(o, 0), ATOM(info))) {
            c.info = yes;
        } else {
            c.ok = false;
        }
    }
    c.ok = c.ok && term_is_nil(list);
    return c;
}

static term left_or_false(struct proc *p, int64_t left)
{
    return left < 0 ? ATOM(false) : heap_integer(&p->heap, left);
}

/* id of a reference that may be a timer; 0: none */
static uint64_t timer_id(term ref)
{
    return term_has_tag(ref, TAG_REF) ? term_words(ref)[1] : 0;
}

static term answer(struct proc *p, const struct cancel_options *c, term kind, term ref, term result)
{
    if (!c->async) {
        return c->info ? result : ATOM(ok);
    }
    if (c->info) {
        (void) signal_send(p, p->id, heap_tuple3(&p->heap, kind, ref, result));
    }
    return ATOM(ok);
}

static term cancel(struct proc *p, term ref, term options)
{
    struct cancel_options c = take_cancel_options(options, true);
    if (!c.ok) {
        return proc_badarg(p);
    }
    if (!term_is_ref(ref)) {
        return proc_badarg(p);
    }
    uint64_t id = timer_id(ref);
    int64_t left = timer_cancel(id);
    if (left >= 0 && p->links != NULL) {
        link_free_node(link_remove(&p->links->timers, id));
    }
    return answer(p, &c, ATOM(cancel_timer), ref, left_or_false(p, left));
}

term bif_erlang_cancel_timer_1(struct proc *p, term *args)
{
    return cancel(p, args[0], TERM_NIL);
}

term bif_erlang_cancel_timer_2(struct proc *p, term *args)
{
    return cancel(p, args[0], args[1]);
}

term bif_erlang_read_timer_1(struct proc *p, term *args)
{
    return term_is_ref(args[0]) ? left_or_false(p, timer_read(timer_id(args[0]))) : proc_badarg(p);
}

term bif_erlang_read_timer_2(struct proc *p, term *args)
{
    struct cancel_options c = take_cancel_options(args[1], false);
    if (!c.ok) {
        return proc_badarg(p);
    }
    if (!term_is_ref(args[0])) {
        return proc_badarg(p);
    }
    term result = left_or_false(p, timer_read(timer_id(args[0])));
    return answer(p, &c, ATOM(read_timer), args[0], result);
}
