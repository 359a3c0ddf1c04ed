/* bif_erlang_port.c - opening ports and talking to them. How they work: vm/proc/port.h. */
#include <errno.h>

#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_os.h"
#include "vm/core/copy.h"
#include "vm/proc/links.h"
#include "vm/proc/port.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"

enum { MAX_PORT_ARGS = 4096 };

/* ---- options ---- */

struct open_options {
    struct port_options port;
    term args, arg0, env, cd; /* TERM_NONE: not given */
};

static bool take_pair(term key, term value, struct open_options *out)
{
    bool small = term_is_small(value);
    if (term_same(key, ATOM(packet))) {
        intptr_t n = small ? term_to_small(value) : 0;
        out->port.framing = PORT_PACKET;
        out->port.packet_bytes = (unsigned) n;
        return n == 1 || n == 2 || n == 4;
    }
    if (term_same(key, ATOM(line))) {
        out->port.framing = PORT_LINE;
        out->port.line_max = small && term_to_small(value) > 0 ? (size_t) term_to_small(value) : 0;
        return out->port.line_max > 0;
    }
    if (term_same(key, ATOM(args))) {
        out->args = value;
        return term_list_length(value) >= 0;
    }
    if (term_same(key, ATOM(arg0))) {
        out->arg0 = value;
        return true;
    }
    if (term_same(key, ATOM(env))) {
        out->env = value;
        return term_list_length(value) >= 0;
    }
    if (term_same(key, ATOM(cd))) {
        out->cd = value;
        return true;
    }
    return term_same(key, ATOM(parallelism)) || term_same(key, ATOM(busy_limits_port))
        || term_same(key, ATOM(busy_limits_msgq));
}

static bool take_flag(term o, struct port_options *out)
{
    if (term_same(o, ATOM(stream))) {
        out->framing = PORT_STREAM;
    } else if (term_same(o, ATOM(binary))) {
        out->binary = true;
    } else if (term_same(o, ATOM(exit_status))) {
        out->exit_status = true;
    } else if (term_same(o, ATOM(eof))) {
        out->eof = true;
    } else if (term_same(o, ATOM(in))) {
        out->in = true;
    } else if (term_same(o, ATOM(out))) {
        out->out = true;
    } else if (term_same(o, ATOM(stderr_to_stdout))) {
        out->stderr_to_stdout = true;
    } else if (term_same(o, ATOM(use_stdio)) || term_same(o, ATOM(nouse_stdio))) {
        out->use_stdio = term_same(o, ATOM(use_stdio));
    } else {
        return term_same(o, ATOM(hide)) || term_same(o, ATOM(overlapped_io));
    }
    return true;
}

static bool take_options(term list, struct open_options *out)
{
    *out = (struct open_options) { .port.use_stdio = true };
    for (; term_is_cons(list); list = term_tail(list)) {
        term o = term_head(list);
        bool ok = term_is_tuple_of(o, 2) ? take_pair(term_tuple_get(o, 0), term_tuple_get(o, 1), out)
                                         : take_flag(o, &out->port);
        if (!ok) {
            return false;
        }
    }
    if (!out->port.in && !out->port.out) {
        out->port.in = out->port.out = true;
    }
    return term_is_nil(list);
}

/* ---- opening ---- */

static void free_argv(char **argv)
{
    for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
        vm_free(argv[i]);
    }
    vm_free(argv);
}

/* first, then the strings in list; NULL: they are not. */
static char **make_argv(term first, term list)
{
    intptr_t n = term_is_none(list) ? 0 : term_list_length(list);
    if (n < 0 || n > MAX_PORT_ARGS) {
        return NULL;
    }
    char **argv = vm_zalloc(((size_t) n + 2) * sizeof(*argv));
    size_t at = 0;
    argv[at] = os_text(first);
    bool ok = argv[at++] != NULL;
    for (; ok && n > 0 && term_is_cons(list); list = term_tail(list)) {
        argv[at] = os_text(term_head(list));
        ok = argv[at++] != NULL;
    }
    if (!ok) {
        free_argv(argv);
        return NULL;
    }
    return argv;
}

/* `sh -c "exec COMMAND"`, as OTP. */
static char **make_shell_argv(const char *command)
{
    static const char *const fixed[] = { "/bin/sh", "-c", "exec " };
    char **argv = vm_zalloc(4 * sizeof(*argv));
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(fixed[i]), more = i == 2 ? strlen(command) : 0;
        argv[i] = vm_alloc(n + more + 1);
        memcpy(argv[i], fixed[i], n);
        memcpy(argv[i] + n, command, more);
        argv[i][n + more] = '\0';
    }
    return argv;
}

static term raise_errno(struct proc *p, int error)
{
    static const struct { int number; const char *name; } names[] = {
        { ENOENT, "enoent" }, { EACCES, "eacces" }, { ENOMEM, "enomem" }, { EAGAIN, "eagain" }, { EMFILE, "emfile" },
        { ENFILE, "enfile" }, { ENAMETOOLONG, "enametoolong" }, { E2BIG, "e2big" }, { ENOTDIR, "enotdir" },
        { ELOOP, "eloop" }, { ENOEXEC, "enoexec" },
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].number == error) {
            return proc_raise(p, EXC_ERROR, atom_from_cstr(names[i].name));
        }
    }
    return proc_raise(p, EXC_ERROR, ATOM(einval));
}

static term open_program(struct proc *p, term name, const struct open_options *o, bool shell)
{
    char *path = os_text(name);
    char **argv = path == NULL ? NULL : shell ? make_shell_argv(path)
        : make_argv(term_is_none(o->arg0) ? name : o->arg0, o->args);
    char **env = argv == NULL ? NULL : os_env_with(term_is_none(o->env) ? TERM_NIL : o->env);
    char *cd = env == NULL || term_is_none(o->cd) ? NULL : os_text(o->cd);
    term result;
    bool bad = env == NULL || path[0] == '\0' || (!term_is_none(o->cd) && cd == NULL)
        || (shell && (!term_is_none(o->args) || !term_is_none(o->arg0)));
    if (bad) {
        result = proc_badarg(p);
    } else {
        struct port_program program = { shell ? "/bin/sh" : path, argv, env, cd };
        int error;
        struct proc *port = port_open_program(p, &program, &o->port, name, &error);
        result = port == NULL ? raise_errno(p, error) : port_start(p, port);
    }
    vm_free(cd);
    os_free_env(env);
    free_argv(argv);
    vm_free(path);
    return result;
}

static bool take_fd(term t, int *out)
{
    if (!term_is_small(t) || term_to_small(t) < 0 || term_to_small(t) > INT32_MAX) {
        return false;
    }
    *out = (int) term_to_small(t);
    return true;
}

term bif_erlang_open_port_2(struct proc *p, term *args)
{
    struct open_options o;
    term name = args[0];
    if (!take_options(args[1], &o)) {
        return proc_raise_cause(p, ATOM(badarg), ATOM(badopt));
    }
    if (term_is_tuple_of(name, 2)) {
        term kind = term_tuple_get(name, 0);
        if (term_same(kind, ATOM(spawn)) || term_same(kind, ATOM(spawn_executable))) {
            return open_program(p, term_tuple_get(name, 1), &o, term_same(kind, ATOM(spawn)));
        }
    }
    int in, out, error;
    if (term_is_tuple_of(name, 3) && term_same(term_tuple_get(name, 0), ATOM(fd))
        && take_fd(term_tuple_get(name, 1), &in) && take_fd(term_tuple_get(name, 2), &out)) {
        char text[32];
        size_t n = 0;
        for (const char *s = "fd"; *s != '\0'; s++) {
            text[n++] = *s;
        }
        struct proc *port = port_open_fds(p, in, out, &o.port, heap_string(&p->heap, text, n), &error);
        return port == NULL ? raise_errno(p, error) : port_start(p, port);
    }
    return proc_badarg(p);
}

term bif_bulkhead_port_run_0(struct proc *p, term *args)
{
    (void) args;
    return port_of(p) == NULL ? proc_badarg(p) : port_run(p);
}

/* ---- using ---- */

/* A port or the name of one; TERM_NONE: neither. */
static term take_port(term t)
{
    if (term_is_atom(t)) {
        t = registry_whereis(t);
    }
    return term_is_local_port(t) ? t : TERM_NONE;
}

term bif_erlang_port_command_2(struct proc *p, term *args)
{
    term port = take_port(args[0]);
    bool bad;
    struct port_buffer *b = term_is_none(port) ? NULL : port_buffer_from(args[1], &bad);
    if (b == NULL) {
        return proc_badarg(p);
    }
    proc_bump(p, b->n / 64 + 1);
    return port_send(port, b) ? ATOM(true) : proc_badarg(p);
}

term bif_erlang_port_command_3(struct proc *p, term *args)
{
    for (term l = args[2]; !term_is_nil(l); l = term_tail(l)) {
        bool known = term_is_cons(l) && (term_same(term_head(l), ATOM(force)) || term_same(term_head(l), ATOM(nosuspend)));
        if (!known) {
            return proc_badarg(p);
        }
    }
    return bif_erlang_port_command_2(p, args);
}

/* Asks once, then waits for the answer. */
static term ask_port(struct proc *p, term port, signal_request_fn fn, struct ask *ask)
{
    term answer;
    if (ask != NULL) {
        proc_ask(p, port, fn, ask);
    }
    if (!proc_ask_done(p, &answer)) {
        return proc_wait(p);
    }
    return answer;
}

static term true_or_badarg(struct proc *p, term answer)
{
    return term_same(answer, ATOM(false)) ? proc_badarg(p) : answer;
}

term bif_erlang_port_close_1(struct proc *p, term *args)
{
    struct ask *ask = NULL;
    if (!proc_ask_pending(p)) {
        if (term_is_none(take_port(args[0]))) {
            return proc_badarg(p);
        }
        ask = vm_zalloc(sizeof(struct port_close));
    }
    return true_or_badarg(p, ask_port(p, take_port(args[0]), port_close_request, ask));
}

struct port_ask {
    struct ask ask;
    term item;              /* port_info: atom or TERM_NONE for all; port_connect: new owner */
    struct message *data;   /* port_set_data: owned */
};

static struct port_ask *new_ask(term item)
{
    struct port_ask *a = vm_zalloc(sizeof(*a));
    a->item = item;
    return a;
}

static void connect_request(struct proc *target, void *arg)
{
    struct port_ask *a = arg;
    struct port *port = target == NULL ? NULL : port_of(target);
    if (port != NULL) {
        port->owner = a->item;
        (void) !signal_link(target, a->item);
    }
    signal_reply(&a->ask, term_from_bool(port != NULL));
    vm_free(a);
}

term bif_erlang_port_connect_2(struct proc *p, term *args)
{
    struct port_ask *a = NULL;
    if (!proc_ask_pending(p)) {
        if (term_is_none(take_port(args[0])) || !term_is_local_pid(args[1]) || !proc_alive(args[1])) {
            return proc_badarg(p);
        }
        a = new_ask(args[1]);
    }
    return true_or_badarg(p, ask_port(p, take_port(args[0]), connect_request, a == NULL ? NULL : &a->ask));
}

/* Programs take no control operations: only drivers did. */
term bif_erlang_port_control_3(struct proc *p, term *args)
{
    (void) args;
    return proc_badarg(p);
}

term bif_erlang_port_call_3(struct proc *p, term *args)
{
    (void) args;
    return proc_badarg(p);
}

term bif_erlang_port_call_2(struct proc *p, term *args)
{
    (void) args;
    return proc_badarg(p);
}

term bif_erlang_ports_0(struct proc *p, term *args)
{
    (void) args;
    return table_all_ports(&p->heap);
}

/* ---- port_info ---- */

static term links_of(const struct proc *target, struct heap *h)
{
    term list = TERM_NIL;
    struct link_iter it;
    struct link_node *n;
    if (target->links != NULL) {
        link_iter_init(&it, &target->links->links);
        while ((n = link_iter_next(&it)) != NULL) {
            list = n->unlinking == 0 ? heap_cons(h, (term) { n->key }, list) : list;
        }
    }
    return list;
}

static term watchers_of(const struct proc *target, struct heap *h)
{
    term list = TERM_NIL;
    struct link_iter it;
    struct link_node *n;
    if (target->links != NULL) {
        link_iter_init(&it, &target->links->watchers);
        while ((n = link_iter_next(&it)) != NULL) {
            list = heap_cons(h, n->target, list);
        }
    }
    return list;
}

/* TERM_NONE: no such item. */
static term info_item(struct proc *target, struct heap *h, enum atom_index item)
{
    const struct port *port = port_of(target);
    term name;
    switch ((unsigned) item) {
    case ATOM_INDEX_name:
        return copy_term(port->name, h);
    case ATOM_INDEX_links:
        return links_of(target, h);
    case ATOM_INDEX_id:
        return heap_uinteger(h, term_port_number(target->id));
    case ATOM_INDEX_connected:
        return port->owner;
    case ATOM_INDEX_input:
        return heap_uinteger(h, port->n_in);
    case ATOM_INDEX_output:
        return heap_uinteger(h, port->n_out);
    case ATOM_INDEX_os_pid:
        return port->child == 0 ? ATOM(undefined) : term_from_small(port->child);
    case ATOM_INDEX_registered_name:
        name = proc_registered_name(target);
        return term_is_none(name) ? TERM_NIL : name;
    case ATOM_INDEX_queue_size:
        return heap_uinteger(h, port->queued_bytes);
    case ATOM_INDEX_memory:
        return heap_uinteger(h, sizeof(*target) + sizeof(*port) + port->buffer_size + port->queued_bytes);
    case ATOM_INDEX_monitors:
        return TERM_NIL;
    case ATOM_INDEX_monitored_by:
        return watchers_of(target, h);
    case ATOM_INDEX_parallelism:
        return ATOM(false);
    case ATOM_INDEX_locking:
        return ATOM(false);
    default:
        return TERM_NONE;
    }
}

static term info_pair(struct proc *target, struct heap *h, enum atom_index item)
{
    term value = info_item(target, h, item);
    if (item == ATOM_INDEX_registered_name && term_is_nil(value)) {
        return value;
    }
    return heap_tuple2(h, term_from_atom_index(item), value);
}

static void info_request(struct proc *target, void *arg)
{
    static const enum atom_index all[] = { ATOM_INDEX_registered_name, ATOM_INDEX_name, ATOM_INDEX_links, ATOM_INDEX_id,
        ATOM_INDEX_connected, ATOM_INDEX_input, ATOM_INDEX_output, ATOM_INDEX_os_pid };
    struct port_ask *a = arg;
    if (target == NULL || port_of(target) == NULL) {
        signal_reply(&a->ask, ATOM(undefined));
    } else {
        struct heap h;
        heap_init_frags(&h);
        term result = TERM_NIL;
        if (!term_is_none(a->item)) {
            result = info_pair(target, &h, (enum atom_index) term_to_atom_index(a->item));
        } else {
            for (size_t i = ARRAY_LEN(all); i-- > 0;) {
                term pair = info_pair(target, &h, all[i]);
                result = term_is_nil(pair) ? result : heap_cons(&h, pair, result);
            }
        }
        signal_reply(&a->ask, result);
        heap_destroy(&h);
    }
    vm_free(a);
}

static bool is_info_item(term item)
{
    static const enum atom_index known[] = { ATOM_INDEX_name, ATOM_INDEX_links, ATOM_INDEX_id, ATOM_INDEX_connected,
        ATOM_INDEX_input, ATOM_INDEX_output, ATOM_INDEX_os_pid, ATOM_INDEX_registered_name, ATOM_INDEX_queue_size,
        ATOM_INDEX_memory, ATOM_INDEX_monitors, ATOM_INDEX_monitored_by, ATOM_INDEX_parallelism, ATOM_INDEX_locking };
    for (size_t i = 0; term_is_atom(item) && i < ARRAY_LEN(known); i++) {
        if (term_to_atom_index(item) == (size_t) known[i]) {
            return true;
        }
    }
    return false;
}

static term port_info(struct proc *p, term port, term item)
{
    struct port_ask *a = NULL;
    if (!proc_ask_pending(p)) {
        if (term_is_atom(port)) {
            port = registry_whereis(port);
            if (term_is_none(port)) {
                return ATOM(undefined);
            }
        }
        if (!term_is_port(port) && !term_is_none(item)) {
            return proc_raise_cause(p, ATOM(badarg), ATOM(badtype));
        }
        if (!term_is_local_port(port) || (!term_is_none(item) && !is_info_item(item))) {
            return proc_badarg(p);
        }
        a = new_ask(item);
    }
    return ask_port(p, port, info_request, a == NULL ? NULL : &a->ask);
}

term bif_erlang_port_info_1(struct proc *p, term *args)
{
    return port_info(p, args[0], TERM_NONE);
}

term bif_erlang_port_info_2(struct proc *p, term *args)
{
    return port_info(p, args[0], args[1]);
}

/* ---- data that somebody keeps with a port ---- */

static void get_data_request(struct proc *target, void *arg)
{
    struct port_ask *a = arg;
    const struct port *port = target == NULL ? NULL : port_of(target);
    struct heap h;
    heap_init_frags(&h);
    signal_reply(&a->ask, port == NULL ? ATOM(false) : heap_tuple2(&h, ATOM(data), port->data));
    heap_destroy(&h);
    vm_free(a);
}

term bif_erlang_port_get_data_1(struct proc *p, term *args)
{
    struct port_ask *a = NULL;
    if (!proc_ask_pending(p)) {
        if (term_is_none(take_port(args[0]))) {
            return proc_badarg(p);
        }
        a = new_ask(TERM_NONE);
    }
    term answer = true_or_badarg(p, ask_port(p, take_port(args[0]), get_data_request, a == NULL ? NULL : &a->ask));
    return term_is_none(answer) ? answer : term_tuple_get(answer, 1);
}

static void set_data_request(struct proc *target, void *arg)
{
    struct port_ask *a = arg;
    struct port *port = target == NULL ? NULL : port_of(target);
    if (port != NULL) {
        struct message *old = port->data_message;
        port->data_message = a->data;
        port->data = a->data->value;
        a->data = old;
    }
    if (a->data != NULL) {
        message_free(a->data);
    }
    signal_reply(&a->ask, term_from_bool(port != NULL));
    vm_free(a);
}

term bif_erlang_port_set_data_2(struct proc *p, term *args)
{
    struct port_ask *a = NULL;
    if (!proc_ask_pending(p)) {
        struct message *data = term_is_none(take_port(args[0])) ? NULL : message_copy_lasting(args[1]);
        if (data == NULL) {
            return proc_badarg(p);
        }
        a = new_ask(TERM_NONE);
        a->data = data;
    }
    return true_or_badarg(p, ask_port(p, take_port(args[0]), set_data_request, a == NULL ? NULL : &a->ask));
}
