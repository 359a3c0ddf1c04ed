/* bif_erlang_spawn.c - making processes. */
#include "vm/bif/bif.h"
#include "vm/bif/system_flag.h"
#include "vm/core/arith.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

enum { SPAWN_REDUCTIONS = 100 };

/* ---- options ---- */

static bool take_monitor_option(term o, struct spawn_options *out)
{
    intptr_t n = term_list_length(o);
    out->monitor = n >= 0;
    for (; term_is_cons(o); o = term_tail(o)) {
        term e = term_head(o);
        if (!term_is_tuple_of(e, 2)) {
            return false;
        }
        term key = term_tuple_get(e, 0), value = term_tuple_get(e, 1);
        if (term_same(key, ATOM(tag))) {
            out->monitor_tag = value;
        } else if (term_same(key, ATOM(alias)) && term_same(value, ATOM(explicit_unalias))) {
            out->alias = SPAWN_ALIAS_EXPLICIT;
        } else if (term_same(key, ATOM(alias)) && term_same(value, ATOM(demonitor))) {
            out->alias = SPAWN_ALIAS_DEMONITOR;
        } else if (term_same(key, ATOM(alias)) && term_same(value, ATOM(reply_demonitor))) {
            out->alias = SPAWN_ALIAS_REPLY;
        } else {
            return false;
        }
    }
    return n >= 0;
}

static bool take_pair_option(term key, term value, struct spawn_options *out)
{
    if (term_same(key, ATOM(priority))) {
        return option_priority(value, &out->priority);
    }
    if (term_same(key, ATOM(min_heap_size))) {
        return option_heap_step(value, &out->min_heap_words);
    }
    if (term_same(key, ATOM(min_bin_vheap_size))) {
        return option_heap_step(value, &out->min_vheap_words);
    }
    if (term_same(key, ATOM(fullsweep_after))) {
        size_t n;
        if (!option_heap_size(value, &n)) {
            return false;
        }
        out->fullsweep_after = n > 65535 ? 65535 : (int) n;
        return true;
    }
    if (term_same(key, ATOM(max_heap_size))) {
        struct max_heap_option m = { 0, true, true };
        if (!option_max_heap(value, &m)) {
            return false;
        }
        out->max_heap_words = m.words;
        out->max_heap_kill = m.kill;
        out->max_heap_log = m.log;
        return true;
    }
    if (term_same(key, ATOM(message_queue_data))) {
        out->off_heap_messages = term_same(value, ATOM(off_heap));
        return out->off_heap_messages || term_same(value, ATOM(on_heap));
    }
    if (term_same(key, ATOM(monitor))) {
        return take_monitor_option(value, out);
    }
    if (term_same(key, ATOM(scheduler))) { /* a wish: processes go where there is room */
        return term_is_small(value) && term_to_small(value) >= 0 && term_to_small(value) <= sched_count();
    }
    return term_same(key, ATOM(async_dist)) && term_is_bool(value);
}

static bool take_options(term list, struct spawn_options *out)
{
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        if (term_same(o, ATOM(link))) {
            out->link = true;
        } else if (term_same(o, ATOM(monitor))) {
            out->monitor = true;
        } else if (!term_is_tuple_of(o, 2) || !take_pair_option(term_tuple_get(o, 0), term_tuple_get(o, 1), out)) {
            return false;
        }
    }
    size_t least = out->min_heap_words < HEAP_DEFAULT_MIN_WORDS ? HEAP_DEFAULT_MIN_WORDS : out->min_heap_words;
    return term_is_nil(list) && (out->max_heap_words == 0 || out->max_heap_words >= least);
}

/* ---- spawning ---- */

static bool is_mfa(term m, term f, term a)
{
    return term_is_atom(m) && term_is_atom(f) && term_list_length(a) >= 0;
}

/* Pid, or {Pid, Ref} with a monitor. */
static term finish(struct proc *p, term pid, term ref, const struct spawn_options *o)
{
    if (term_is_none(pid)) {
        return proc_system_limit(p);
    }
    proc_bump(p, SPAWN_REDUCTIONS);
    return o->monitor ? heap_tuple2(&p->heap, pid, ref) : pid;
}

static term spawn_mfa(struct proc *p, term m, term f, term a, const struct spawn_options *o)
{
    if (!is_mfa(m, f, a)) {
        return proc_badarg(p);
    }
    term ref = TERM_NONE;
    term pid = proc_spawn(p, m, f, a, o, &ref);
    return finish(p, pid, ref, o);
}

/* {Module, Function} is no fun any more: the new process finds out. */
static bool is_tuple_fun(term t)
{
    return term_is_tuple_of(t, 2) && term_is_atom(term_tuple_get(t, 0)) && term_is_atom(term_tuple_get(t, 1));
}

static term spawn_fun(struct proc *p, term fun, const struct spawn_options *o)
{
    if (is_tuple_fun(fun)) {
        return spawn_mfa(p, ATOM(erlang), ATOM(apply), heap_list(&p->heap, (term[]) { fun, TERM_NIL }, 2, TERM_NIL), o);
    }
    if (!term_is_fun(fun)) {
        return proc_badarg(p);
    }
    term ref = TERM_NONE;
    term pid = proc_spawn_fun(p, fun, TERM_NIL, o, &ref);
    return finish(p, pid, ref, o);
}

term bif_erlang_spawn_1(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    return spawn_fun(p, args[0], &o);
}

term bif_erlang_spawn_3(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    return spawn_mfa(p, args[0], args[1], args[2], &o);
}

term bif_erlang_spawn_link_1(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    o.link = true;
    return spawn_fun(p, args[0], &o);
}

term bif_erlang_spawn_link_3(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    o.link = true;
    return spawn_mfa(p, args[0], args[1], args[2], &o);
}

term bif_erlang_spawn_monitor_1(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    o.monitor = true;
    if (!term_is_fun(args[0]) || (term_has_tag(args[0], TAG_FUN) && term_fun_entry(args[0])->arity != 0)) {
        return proc_badarg(p);
    }
    return spawn_fun(p, args[0], &o);
}

term bif_erlang_spawn_monitor_3(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    o.monitor = true;
    term result = spawn_mfa(p, args[0], args[1], args[2], &o);
    if (term_is_none(result) && term_is_atom(args[0]) && term_is_atom(args[1]) && term_is_list(args[2])) {
        struct heap *h = &p->heap;
        term options = heap_cons(h, ATOM(monitor), TERM_NIL);
        p->exc.args = heap_tuple2(h, ATOM(spawn_opt), heap_list(h, (term[]) { args[0], args[1], args[2], options }, 4, TERM_NIL));
        p->exc.outer = ATOM(spawn_monitor);
        p->exc.outer_arity = 3;
    }
    return result;
}

term bif_erlang_spawn_opt_2(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    if (!term_is_fun(args[0]) && !is_tuple_fun(args[0])) {
        return proc_badarg(p);
    }
    if (!take_options(args[1], &o)) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    return spawn_fun(p, args[0], &o);
}

term bif_erlang_spawn_opt_4(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    if (!take_options(args[3], &o)) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    if (!is_mfa(args[0], args[1], args[2])) {
        return proc_badarg(p);
    }
    return spawn_mfa(p, args[0], args[1], args[2], &o);
}

term bif_erts_internal_spawn_system_process_3(struct proc *p, term *args)
{
    struct spawn_options o = system_spawn_defaults();
    o.priority = PRIORITY_HIGH;
    return spawn_mfa(p, args[0], args[1], args[2], &o);
}

/* ---- spawn_request: erlang.beam checks the arguments, this spawns and sends the reply ---- */

struct request_options {
    term tag;
    bool reply_ok, reply_error;
    struct spawn_options spawn;
};

static bool take_reply_option(term value, struct request_options *out)
{
    bool yes = term_same(value, ATOM(yes)), no = term_same(value, ATOM(no));
    bool success = term_same(value, ATOM(success_only)), error = term_same(value, ATOM(error_only));
    out->reply_ok = yes || success;
    out->reply_error = yes || error;
    return yes || no || success || error;
}

static bool take_request_options(term list, struct request_options *out)
{
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        bool pair = term_is_tuple_of(o, 2);
        if (pair && term_same(term_tuple_get(o, 0), ATOM(reply_tag))) {
            out->tag = term_tuple_get(o, 1);
        } else if (pair && term_same(term_tuple_get(o, 0), ATOM(reply))) {
            if (!take_reply_option(term_tuple_get(o, 1), out)) {
                return false;
            }
        } else if (term_same(o, ATOM(link))) {
            out->spawn.link = true;
        } else if (term_same(o, ATOM(monitor))) {
            out->spawn.monitor = true;
        } else if (!pair || !take_pair_option(term_tuple_get(o, 0), term_tuple_get(o, 1), &out->spawn)) {
            return false;
        }
    }
    return term_is_nil(list);
}

static void send_reply(struct proc *p, term tag, term ref, term status, term value)
{
    term reply = heap_tuple4(&p->heap, tag, ref, status, value);
    (void) signal_send(p, p->id, reply);
}

/* spawn_request(Module, Function, Args, Options) */
term bif_erts_internal_spawn_request_4(struct proc *p, term *args)
{
    struct request_options o = { ATOM(spawn_reply), true, true, system_spawn_defaults() };
    if (!is_mfa(args[0], args[1], args[2]) || term_list_length(args[3]) < 0) {
        return proc_badarg(p);
    }
    if (!take_request_options(args[3], &o)) {
        term bad = heap_ref(&p->heap, ref_next_id(), 0);
        send_reply(p, o.tag, bad, ATOM(error), ATOM(badopt));
        return bad;
    }
    term ref = TERM_NONE;
    term pid = proc_spawn(p, args[0], args[1], args[2], &o.spawn, &ref);
    if (term_is_none(ref)) {
        ref = heap_ref(&p->heap, ref_next_id(), 0);
    }
    if (term_is_none(pid)) {
        if (o.reply_error) {
            send_reply(p, o.tag, ref, ATOM(error), ATOM(system_limit));
        }
    } else if (o.reply_ok) {
        send_reply(p, o.tag, ref, ATOM(ok), pid);
    }
    proc_bump(p, SPAWN_REDUCTIONS);
    return ref;
}

/* What asks for a process on another node says about the answer; the node would look at the rest. */
static bool take_remote_options(term list, bool is_request, struct request_options *out)
{
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        bool pair = term_is_tuple_of(o, 2);
        term key = pair ? term_tuple_get(o, 0) : o;
        if (pair && is_request && term_same(key, ATOM(reply_tag))) {
            out->tag = term_tuple_get(o, 1);
        } else if (pair && is_request && term_same(key, ATOM(reply))) {
            if (!take_reply_option(term_tuple_get(o, 1), out)) {
                return false;
            }
        } else if (term_same(key, ATOM(monitor))) {
            out->spawn.monitor = true;
        }
    }
    return term_is_nil(list);
}

/* dist_spawn_request(Node, {M, F, A}, Options, spawn_opt | spawn_request) -> {Ref, Monitored} | Ref | badarg. No node is
 * connected: the reply says so, and erlang.beam makes of it what the caller asked for. */
term bif_erts_internal_dist_spawn_request_4(struct proc *p, term *args)
{
    struct request_options o = { ATOM(spawn_reply), true, true, system_spawn_defaults() };
    bool is_request = term_same(args[3], ATOM(spawn_request));
    if (!term_is_atom(args[0]) || term_list_length(args[2]) < 0 || !term_is_tuple_of(args[1], 3)
        || !is_mfa(term_tuple_get(args[1], 0), term_tuple_get(args[1], 1), term_tuple_get(args[1], 2))) {
        return ATOM(badarg);
    }
    bool good = take_remote_options(args[2], is_request, &o);
    term ref = heap_ref(&p->heap, ref_next_id(), 0);
    if (o.reply_error || !good) {
        send_reply(p, o.tag, ref, ATOM(error), good ? ATOM(noconnection) : ATOM(badopt));
    }
    proc_bump(p, SPAWN_REDUCTIONS);
    return is_request ? ref : heap_tuple2(&p->heap, ref, term_from_bool(o.spawn.monitor));
}

/* The reply of a local spawn is sent at once: there never is a request left to abandon. */
term bif_erlang_spawn_request_abandon_1(struct proc *p, term *args)
{
    return term_is_ref(args[0]) ? ATOM(false) : proc_badarg(p);
}
