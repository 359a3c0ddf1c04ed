/* bif_erlang_node.c - what there is to say about other nodes and tracing: there are none yet.
 *
 * Functions answer what OTP answers on a node that is not alive and traces nothing.
 */
#include "vm/bif/bif.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

term bif_erlang_nodes_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return TERM_NIL;
}

static bool is_node_kind(term k)
{
    return term_same(k, ATOM(visible)) || term_same(k, ATOM(hidden)) || term_same(k, ATOM(connected))
        || term_same(k, ATOM(this)) || term_same(k, ATOM(known));
}

static bool includes_this(term k)
{
    return term_same(k, ATOM(this)) || term_same(k, ATOM(known));
}

term bif_erlang_nodes_1(struct proc *p, term *args)
{
    bool this = includes_this(args[0]);
    term list = args[0];
    if (!is_node_kind(list)) {
        for (; term_is_cons(list); list = term_tail(list)) {
            if (!is_node_kind(term_head(list))) {
                return proc_badarg(p);
            }
            this = this || includes_this(term_head(list));
        }
        if (!term_is_nil(list)) {
            return proc_badarg(p);
        }
    }
    return this ? heap_cons(&p->heap, ATOM(nonode), TERM_NIL) : TERM_NIL;
}

term bif_erlang_is_alive_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(false);
}

term bif_erlang_monitor_node_2(struct proc *p, term *args)
{
    if (term_is_atom(args[0]) && !term_same(args[0], ATOM(nonode))) {
        return proc_raise(p, EXC_ERROR, ATOM(notalive));
    }
    return term_is_atom(args[0]) && term_is_bool(args[1]) ? ATOM(true) : proc_badarg(p);
}

term bif_erlang_disconnect_node_1(struct proc *p, term *args)
{
    return term_is_atom(args[0]) ? ATOM(ignored) : proc_badarg(p);
}

term bif_erlang_get_cookie_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(nocookie);
}

term bif_erlang_nodes_2(struct proc *p, term *args)
{
    term list = bif_erlang_nodes_1(p, args);
    if (term_is_none(list) || !term_is_map(args[1])) {
        return term_is_none(list) ? list : proc_badarg(p);
    }
    for (term l = list; term_is_cons(l); l = term_tail(l)) {
        list = heap_cons(&p->heap, heap_tuple2(&p->heap, term_head(l), args[1]), TERM_NIL);
    }
    return list;
}

term bif_erlang_monitor_node_3(struct proc *p, term *args)
{
    term list = args[2];
    while (term_is_cons(list) && term_same(term_head(list), ATOM(allow_passive_connect))) {
        list = term_tail(list);
    }
    return term_is_nil(list) ? bif_erlang_monitor_node_2(p, args) : proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
}

term bif_erts_internal_get_creation_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return term_from_small(0);
}

/* ---- processes of the system ---- */

term bif_erts_internal_is_system_process_1(struct proc *p, term *args)
{
    return term_is_local_pid(args[0]) ? ATOM(false) : proc_badarg(p);
}

term bif_erts_internal_no_aux_work_threads_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return term_from_small(sched_count());
}

/* ---- sequential tracing, monitoring, profiling: off ---- */

term bif_erlang_seq_trace_2(struct proc *p, term *args)
{
    static const enum atom_index flags[] = { ATOM_INDEX_label, ATOM_INDEX_serial, ATOM_INDEX_send, ATOM_INDEX_receive,
        ATOM_INDEX_print, ATOM_INDEX_timestamp, ATOM_INDEX_monotonic_timestamp, ATOM_INDEX_strict_monotonic_timestamp,
        ATOM_INDEX_sequential_trace_token };
    (void) args;
    for (size_t i = 0; term_is_atom(args[0]) && i < ARRAY_LEN(flags); i++) {
        if (term_to_atom_index(args[0]) == (size_t) flags[i]) {
            return TERM_NIL;
        }
    }
    return proc_badarg(p);
}

term bif_erlang_seq_trace_info_1(struct proc *p, term *args)
{
    return term_is_atom(args[0]) ? TERM_NIL : proc_badarg(p);
}

term bif_erlang_seq_trace_print_1(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(false);
}

term bif_erlang_seq_trace_print_2(struct proc *p, term *args)
{
    return term_is_atom(args[0]) || term_is_small(args[0]) ? ATOM(false) : proc_badarg(p);
}

term bif_erlang_system_monitor_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(undefined);
}

term bif_erlang_system_profile_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(undefined);
}

term bif_erlang_trace_delivered_1(struct proc *p, term *args)
{
    if (!term_is_local_pid(args[0]) && !term_same(args[0], ATOM(all))) {
        return proc_badarg(p);
    }
    term ref = heap_ref(&p->heap, ref_next_id(), 0);
    (void) signal_send(p, p->id, heap_tuple3(&p->heap, ATOM(trace_delivered), args[0], ref));
    return ref;
}

/* Tags of dynamic tracing, as in a system built without it. */
term bif_erlang_dt_get_tag_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(undefined);
}

term bif_erlang_dt_get_tag_data_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(undefined);
}

term bif_erlang_dt_put_tag_1(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(undefined);
}

term bif_erlang_dt_append_vm_tag_data_1(struct proc *p, term *args)
{
    (void) p;
    return args[0];
}

term bif_erlang_dt_prepend_vm_tag_data_1(struct proc *p, term *args)
{
    (void) p;
    return args[0];
}

term bif_erlang_dt_spread_tag_1(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(true);
}

term bif_erlang_dt_restore_tag_1(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(true);
}
