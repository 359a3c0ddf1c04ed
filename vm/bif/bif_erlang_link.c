/* bif_erlang_link.c - links, monitors, aliases, exit signals, messages, names. */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

/* ---- links and exits ---- */

/* With a process of another node, which there is no connection to: as on OTP that is not known at once. */
static term link_elsewhere(struct proc *p, term pid)
{
    if (p->trap_exit) {
        (void) signal_send(p, p->id, heap_tuple3(&p->heap, ATOM(EXIT), pid, ATOM(noconnection)));
        return ATOM(true);
    }
    signal_exit(p, p->id, ATOM(noconnection));
    return proc_yield(p, ATOM(true));
}

term bif_erlang_link_1(struct proc *p, term *args)
{
    if (term_is_local_pid(args[0]) || term_is_local_port(args[0])) {
        return signal_link(p, args[0]) ? ATOM(true) : proc_raise(p, EXC_ERROR, ATOM(noproc));
    }
    if (term_has_tag(args[0], TAG_EXT_PID)) {
        return link_elsewhere(p, args[0]);
    }
    return proc_badarg(p);
}

term bif_erlang_unlink_1(struct proc *p, term *args)
{
    if (term_is_local_pid(args[0]) || term_is_local_port(args[0])) {
        signal_unlink(p, args[0]);
    } else if (!term_is_pid(args[0]) && !term_is_port(args[0])) {
        return proc_badarg(p);
    }
    return ATOM(true);
}

term bif_erlang_exit_2(struct proc *p, term *args)
{
    if (!term_is_local_pid(args[0]) && !term_is_local_port(args[0])) {
        return term_is_pid(args[0]) || term_is_port(args[0]) ? ATOM(true) : proc_badarg(p);
    }
    signal_exit(p, args[0], args[1]);
    if (term_same(args[0], p->id)) {
        return proc_yield(p, ATOM(true)); /* it is handled before we go on */
    }
    return ATOM(true);
}

term bif_erlang_exit_signal_2(struct proc *p, term *args)
{
    return bif_erlang_exit_2(p, args);
}

/* ---- monitors ---- */

static bool is_named(term t)
{
    return term_is_atom(t)
        || (term_is_tuple_of(t, 2) && term_is_atom(term_tuple_get(t, 0)) && term_is_atom(term_tuple_get(t, 1)));
}

static term monitor(struct proc *p, term type, term target, enum monitor_alias alias, term tag)
{
    if (term_same(type, ATOM(process))) {
        if (!term_is_pid(target) && !is_named(target)) {
            return proc_badarg(p);
        }
        return signal_monitor(p, target, alias, tag);
    }
    if (term_same(type, ATOM(port))) {
        return term_is_port(target) || is_named(target) ? signal_monitor_port(p, target, alias, tag) : proc_badarg(p);
    }
    if (term_same(type, ATOM(time_offset))) {
        /* The offset never changes: nothing to remember. */
        return term_same(target, ATOM(clock_service)) ? heap_ref(&p->heap, ref_next_id(), 0) : proc_badarg(p);
    }
    return proc_raise_cause(p, ATOM(badarg), ATOM(badtype));
}

term bif_erlang_monitor_2(struct proc *p, term *args)
{
    return monitor(p, args[0], args[1], MONITOR_NO_ALIAS, TERM_NONE);
}

static bool take_alias_mode(term value, enum monitor_alias *out)
{
    if (term_same(value, ATOM(explicit_unalias))) {
        *out = MONITOR_ALIAS_EXPLICIT;
    } else if (term_same(value, ATOM(demonitor))) {
        *out = MONITOR_ALIAS_DEMONITOR;
    } else if (term_same(value, ATOM(reply_demonitor))) {
        *out = MONITOR_ALIAS_REPLY;
    } else {
        return false;
    }
    return true;
}

term bif_erlang_monitor_3(struct proc *p, term *args)
{
    enum monitor_alias alias = MONITOR_NO_ALIAS;
    term tag = TERM_NONE, list = args[2];
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        bool pair = term_is_tuple_of(o, 2);
        if (pair && term_same(term_tuple_get(o, 0), ATOM(alias)) && take_alias_mode(term_tuple_get(o, 1), &alias)) {
            continue;
        }
        if (!pair || !term_same(term_tuple_get(o, 0), ATOM(tag))) {
            return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
        }
        tag = term_tuple_get(o, 1);
    }
    if (!term_is_nil(list)) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    return monitor(p, args[0], args[1], alias, tag);
}

term bif_erlang_demonitor_1(struct proc *p, term *args)
{
    if (!term_is_ref(args[0])) {
        return proc_badarg(p);
    }
    (void) signal_demonitor(p, args[0], false);
    return ATOM(true);
}

term bif_erlang_demonitor_2(struct proc *p, term *args)
{
    bool flush = false, info = false;
    term list = args[1];
    for (; term_is_cons(list); list = term_tail(list)) {
        if (term_same(term_head(list), ATOM(flush))) {
            flush = true;
        } else if (term_same(term_head(list), ATOM(info))) {
            info = true;
        } else {
            return proc_badarg(p);
        }
    }
    if (!term_is_nil(list) || !term_is_ref(args[0])) {
        return proc_badarg(p);
    }
    bool found = signal_demonitor(p, args[0], flush);
    return info ? term_from_bool(found) : ATOM(true);
}

/* ---- aliases ---- */

term bif_erlang_alias_0(struct proc *p, term *args)
{
    (void) args;
    return signal_alias_new(p, false);
}

term bif_erlang_alias_1(struct proc *p, term *args)
{
    bool reply = false;
    term list = args[0];
    for (; term_is_cons(list); list = term_tail(list)) {
        if (term_same(term_head(list), ATOM(reply))) {
            reply = true;
        } else if (term_same(term_head(list), ATOM(explicit_unalias))) {
            reply = false;
        } else {
            return proc_badarg(p);
        }
    }
    return term_is_nil(list) ? signal_alias_new(p, reply) : proc_badarg(p);
}

term bif_erlang_unalias_1(struct proc *p, term *args)
{
    return term_is_ref(args[0]) ? term_from_bool(signal_alias_remove(p, args[0])) : proc_badarg(p);
}

/* ---- messages ---- */

static bool is_destination(term t)
{
    return term_is_pid(t) || term_is_port(t) || is_named(t) || term_has_tag(t, TAG_REF) || term_has_tag(t, TAG_EXT_REF);
}

term bif_erlang_send_2(struct proc *p, term *args)
{
    if (term_same(args[0], p->id) && msgq_send_self(p, args[1])) {
        return args[1];
    }
    if (!is_destination(args[0]) || !signal_send(p, args[0], args[1])) {
        return proc_badarg(p);
    }
    return args[1];
}

static bool is_elsewhere(term t)
{
    return (term_is_pid(t) && !term_is_local_pid(t)) || term_has_tag(t, TAG_EXT_REF)
        || (is_named(t) && term_is_tuple(t) && !term_same(term_tuple_get(t, 1), ATOM(nonode)));
}

/* Options nosuspend and noconnect do not matter to local processes; to others there is no connection. */
term bif_erlang_send_3(struct proc *p, term *args)
{
    term list = args[2];
    bool connect = true;
    for (; term_is_cons(list); list = term_tail(list)) {
        connect &= !term_same(term_head(list), ATOM(noconnect));
        if (!term_same(term_head(list), ATOM(nosuspend)) && !term_same(term_head(list), ATOM(noconnect))) {
            return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
        }
    }
    if (!term_is_nil(list)) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    if (!is_destination(args[0]) || !signal_send(p, args[0], args[1])) {
        return proc_badarg(p);
    }
    return connect || !is_elsewhere(args[0]) ? ATOM(ok) : ATOM(noconnect);
}

/* ---- names ---- */

term bif_erlang_register_2(struct proc *p, term *args)
{
    bool valid = term_is_atom(args[0]) && !term_same(args[0], ATOM(undefined))
        && (term_is_local_pid(args[1]) || term_is_local_port(args[1]));
    if (!valid) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(none));
    }
    if (registry_register(args[0], args[1])) {
        return ATOM(true);
    }
    bool dead = !proc_alive(args[1]);
    return proc_raise_cause(p, ATOM(badarg), dead ? ATOM(notalive) : ATOM(registered_name));
}

term bif_erlang_unregister_1(struct proc *p, term *args)
{
    return term_is_atom(args[0]) && registry_unregister(args[0]) ? ATOM(true) : proc_badarg(p);
}

term bif_erlang_whereis_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    term pid = registry_whereis(args[0]);
    return term_is_none(pid) ? ATOM(undefined) : pid;
}

term bif_erlang_registered_0(struct proc *p, term *args)
{
    (void) args;
    return registry_names(&p->heap);
}

/* ---- questions to others that have no answer but "done" ---- */

static void alive_request(struct proc *target, void *arg)
{
    signal_reply(arg, term_from_bool(target != NULL));
    vm_free(arg);
}

/* An exit signal we sent before must count: unless nothing is on its way, the process answers itself. */
term bif_erlang_is_process_alive_1(struct proc *p, term *args)
{
    if (!term_is_local_pid(args[0])) {
        return proc_badarg(p);
    }
    if (!proc_ask_pending(p)) {
        if (term_same(args[0], p->id)) {
            return ATOM(true);
        }
        const struct proc_shared *s = table_find(args[0]);
        if (s == NULL) {
            return ATOM(false);
        }
        if (atomic_load_explicit(&s->inbox, memory_order_acquire) & INBOX_WAITING) {
            return term_from_bool(table_find(args[0]) != NULL);
        }
        proc_ask(p, args[0], alive_request, vm_alloc(sizeof(struct ask)));
    }
    term answer;
    return proc_ask_done(p, &answer) ? answer : proc_wait(p);
}

term bif_erlang_suspend_process_2(struct proc *p, term *args)
{
    bool async = false, unless = false;
    term list = args[1], answer;
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        if (term_same(o, ATOM(asynchronous)) || term_is_tuple_of(o, 2)) {
            async = true;
        } else if (term_same(o, ATOM(unless_suspending))) {
            unless = true;
        } else {
            return proc_badarg(p);
        }
    }
    if (!term_is_nil(list) || !term_is_local_pid(args[0]) || term_same(args[0], p->id)) {
        return proc_badarg(p);
    }
    if (!proc_ask_pending(p)) {
        if (unless && proc_is_suspending(p, args[0])) {
            return ATOM(false);
        }
        proc_suspend(p, args[0], async);
        if (async) {
            return ATOM(true);
        }
    }
    if (!proc_ask_done(p, &answer)) {
        return proc_wait(p);
    }
    return term_same(answer, ATOM(true)) ? answer : proc_badarg(p); /* it is gone */
}

term bif_erlang_suspend_process_1(struct proc *p, term *args)
{
    term with_options[2] = { args[0], TERM_NIL };
    return bif_erlang_suspend_process_2(p, with_options);
}

term bif_erlang_resume_process_1(struct proc *p, term *args)
{
    return term_is_local_pid(args[0]) && proc_unsuspend(p, args[0]) ? ATOM(true) : proc_badarg(p);
}

/* ---- group leader ---- */

struct leader_ask {
    struct ask ask;
    term leader;
};

static void leader_request(struct proc *target, void *arg)
{
    struct leader_ask *a = arg;
    if (target != NULL) {
        target->group_leader = a->leader;
    }
    signal_reply(&a->ask, term_from_bool(target != NULL));
    vm_free(a);
}

term bif_erlang_group_leader_0(struct proc *p, term *args)
{
    (void) args;
    return p->group_leader;
}

term bif_erlang_group_leader_2(struct proc *p, term *args)
{
    term answer;
    if (!term_is_local_pid(args[0]) || !term_is_local_pid(args[1])) {
        return proc_badarg(p);
    }
    if (term_same(args[1], p->id)) {
        p->group_leader = args[0];
        return ATOM(true);
    }
    if (!proc_ask_pending(p)) {
        struct leader_ask *a = vm_alloc(sizeof(*a));
        a->leader = args[0];
        proc_ask(p, args[1], leader_request, &a->ask);
    }
    if (!proc_ask_done(p, &answer)) {
        return proc_wait(p);
    }
    return term_same(answer, ATOM(true)) ? answer : proc_badarg(p);
}
