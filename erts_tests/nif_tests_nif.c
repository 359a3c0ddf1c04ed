/* What nif_tests.erl calls: the NIF API used the way libraries use it, on OTP and here alike. */
#include <erl_nif.h>
#include <pthread.h>
#include <unistd.h>

typedef ERL_NIF_TERM T;
#define NIF(name) static T name(ErlNifEnv *env, int argc, const T argv[])
#define UNUSED (void) env, (void) argc, (void) argv
#define INT(i) enif_make_int(env, i)
#define ATOM(a) enif_make_atom(env, a)
#define BAD enif_make_badarg(env)

static ErlNifResourceType *box_type, *fd_type;

/* A box holds a number, tells its owner when it is destroyed, and when a process it watches ends. */
struct box {
    ErlNifPid owner;
    int number;
    ErlNifMonitor monitor;
    char bytes[100];
};

static void tell(ErlNifEnv *env, struct box *b, const char *what, T extra)
{
    ErlNifEnv *m = enif_alloc_env();
    T e = extra == 0 ? enif_make_list(m, 0) : enif_make_copy(m, extra);
    enif_send(env, &b->owner, m,
        enif_make_tuple3(m, enif_make_atom(m, what), enif_make_int(m, b->number), e));
    enif_free_env(m);
}
static void box_dtor(ErlNifEnv *env, void *obj)
{
    tell(env, obj, "destroyed", 0);
}
static void box_down(ErlNifEnv *env, void *obj, ErlNifPid *pid, ErlNifMonitor *monitor)
{
    struct box *b = obj;
    tell(env, b, enif_compare_monitors(monitor, &b->monitor) == 0 ? "down" : "other_down", enif_make_pid(env, pid));
}
static void fd_stop(ErlNifEnv *env, void *obj, ErlNifEvent fd, int direct)
{
    (void) env, (void) obj, (void) direct;
    close(fd);
}

/* ---- terms ---- */

NIF(describe)
{
    T t = argv[0];
    UNUSED;
    int bits[] = { enif_is_atom(env, t), enif_is_binary(env, t), enif_is_empty_list(env, t), enif_is_fun(env, t),
        enif_is_list(env, t), enif_is_map(env, t), enif_is_number(env, t), enif_is_pid(env, t),
        enif_is_port(env, t), enif_is_ref(env, t), enif_is_tuple(env, t), enif_is_exception(env, t) };
    T list = enif_make_list(env, 0);
    for (size_t i = sizeof(bits) / sizeof(*bits); i-- > 0;) {
        list = enif_make_list_cell(env, INT(bits[i] != 0), list);
    }
    return enif_make_tuple2(env, INT((int) enif_term_type(env, t)), list);
}
NIF(numbers)
{
    UNUSED;
    int i = 0;
    unsigned u = 0;
    long l = 0;
    unsigned long ul = 0;
    double d = 0;
    T t = argv[0], no = ATOM("no");
    T a = enif_get_int(env, t, &i) ? enif_make_int(env, i) : no;
    T b = enif_get_uint(env, t, &u) ? enif_make_uint(env, u) : no;
    T c = enif_get_long(env, t, &l) ? enif_make_long(env, l) : no;
    T e = enif_get_ulong(env, t, &ul) ? enif_make_ulong(env, ul) : no;
    T f = enif_get_double(env, t, &d) ? enif_make_double(env, d) : no;
    return enif_make_tuple5(env, a, b, c, e, f);
}
NIF(text)
{
    char buf[300] = "";
    unsigned len = 0, n = 0;
    UNUSED;
    if (!enif_get_uint(env, argv[1], &len) || len > sizeof(buf)) {
        return BAD;
    }
    int atom = enif_get_atom(env, argv[0], buf, len, ERL_NIF_LATIN1);
    int atom_length = enif_get_atom_length(env, argv[0], &n, ERL_NIF_LATIN1);
    int string = enif_get_string(env, argv[0], buf, len, ERL_NIF_LATIN1);
    return enif_make_tuple4(env, INT(atom), atom_length ? enif_make_uint(env, n) : ATOM("no"), INT(string),
        atom > 0 || string != 0 ? enif_make_string(env, buf, ERL_NIF_LATIN1) : ATOM("no"));
}
NIF(make_atoms)
{
    ErlNifBinary b;
    T existing;
    UNUSED;
    if (!enif_inspect_binary(env, argv[0], &b)) {
        return BAD;
    }
    int before = enif_make_existing_atom_len(env, (char *) b.data, b.size, &existing, ERL_NIF_LATIN1);
    return enif_make_tuple2(env, INT(before), enif_make_atom_len(env, (char *) b.data, b.size));
}
/* Takes a term apart and puts it together again. */
static T rebuild_term(ErlNifEnv *env, T t)
{
    T head, tail, *copy;
    const T *elements;
    int arity;
    ErlNifMapIterator it;
    ErlNifBinary bin;
    if (enif_get_list_cell(env, t, &head, &tail)) {
        return enif_make_list_cell(env, rebuild_term(env, head), rebuild_term(env, tail));
    }
    if (enif_get_tuple(env, t, &arity, &elements)) {
        copy = enif_alloc(((size_t) arity + 1) * sizeof(*copy));
        for (int i = 0; i < arity; i++) {
            copy[i] = rebuild_term(env, elements[i]);
        }
        T made = enif_make_tuple_from_array(env, copy, (unsigned) arity);
        enif_free(copy);
        return made;
    }
    if (enif_map_iterator_create(env, t, &it, ERL_NIF_MAP_ITERATOR_FIRST)) {
        T map = enif_make_new_map(env);
        while (enif_map_iterator_get_pair(env, &it, &head, &tail)) {
            enif_make_map_put(env, map, rebuild_term(env, head), rebuild_term(env, tail), &map);
            enif_map_iterator_next(env, &it);
        }
        enif_map_iterator_destroy(env, &it);
        return map;
    }
    if (enif_inspect_binary(env, t, &bin)) {
        T made;
        memcpy(enif_make_new_binary(env, bin.size, &made), bin.data, bin.size);
        return made;
    }
    return t;
}
NIF(rebuild)
{
    UNUSED;
    return rebuild_term(env, argv[0]);
}
NIF(compare)
{
    UNUSED;
    int c = enif_compare(argv[0], argv[1]);
    return enif_make_tuple2(env, INT((c > 0) - (c < 0)), INT(enif_is_identical(argv[0], argv[1]) != 0));
}
NIF(hash)
{
    UNUSED;
    return enif_make_ulong(env, enif_hash(ERL_NIF_PHASH2, argv[0], 0));
}
NIF(lists)
{
    T reversed;
    unsigned n = 0;
    UNUSED;
    T length = enif_get_list_length(env, argv[0], &n) ? enif_make_uint(env, n) : ATOM("no");
    return enif_make_tuple2(env, length, enif_make_reverse_list(env, argv[0], &reversed) ? reversed : ATOM("no"));
}
NIF(print)
{
    char buf[2000];
    UNUSED;
    int n = enif_snprintf(buf, sizeof(buf), "%T|%5d|%-4s|%s|%x|%.3f|%c|%%", argv[0], 42, "ab", "text", 255u, 1.5, 'z');
    return enif_make_tuple2(env, INT(n), enif_make_string(env, buf, ERL_NIF_LATIN1));
}
NIF(doubles)
{
    static const double zero;
    UNUSED;
    return argc == 0 ? enif_make_double(env, 1.0 / zero) : enif_make_double(env, zero / zero);
}

/* ---- binaries ---- */

NIF(upcase)
{
    ErlNifBinary in, out;
    UNUSED;
    if (!enif_inspect_binary(env, argv[0], &in) || !enif_alloc_binary(in.size / 2, &out)
        || !enif_realloc_binary(&out, in.size)) {
        return BAD;
    }
    for (size_t i = 0; i < in.size; i++) {
        out.data[i] = in.data[i] >= 'a' && in.data[i] <= 'z' ? (unsigned char) (in.data[i] - 32) : in.data[i];
    }
    return enif_make_binary(env, &out);
}
NIF(iolist)
{
    ErlNifBinary in;
    UNUSED;
    return enif_inspect_iolist_as_binary(env, argv[0], &in) ? enif_make_binary(env, &in) : BAD;
}
NIF(part)
{
    unsigned long pos, n;
    UNUSED;
    return enif_get_ulong(env, argv[1], &pos) && enif_get_ulong(env, argv[2], &n)
        ? enif_make_sub_binary(env, argv[0], pos, n) : BAD;
}
NIF(external)
{
    ErlNifBinary b;
    T back;
    UNUSED;
    if (!enif_term_to_binary(env, argv[0], &b)) {
        return BAD;
    }
    size_t used = enif_binary_to_term(env, b.data, b.size, &back, 0);
    int whole = used == b.size;
    int safe = enif_binary_to_term(env, b.data, b.size - 1, &back, ERL_NIF_BIN2TERM_SAFE) == 0;
    (void) enif_binary_to_term(env, b.data, b.size, &back, 0);
    enif_release_binary(&b);
    return enif_make_tuple3(env, INT(whole), INT(safe), back);
}
NIF(queue)
{
    ErlNifIOVec *vec = NULL;
    ErlNifIOQueue *q = enif_ioq_create(ERL_NIF_IOQ_NORMAL);
    T tail, head;
    unsigned long skip;
    size_t size = 0;
    UNUSED;
    if (!enif_get_ulong(env, argv[1], &skip) || !enif_inspect_iovec(env, 64, argv[0], &tail, &vec)
        || !enif_ioq_enqv(q, vec, 0) || !enif_ioq_deq(q, skip, &size)) {
        enif_ioq_destroy(q);
        return BAD;
    }
    T result = enif_ioq_peek_head(env, q, NULL, &head) ? head : ATOM("empty");
    enif_ioq_destroy(q);
    return enif_make_tuple2(env, enif_make_ulong(env, size), result);
}

/* ---- maps ---- */

NIF(map_walk)
{
    ErlNifMapIterator it;
    T key, value, list = enif_make_list(env, 0);
    UNUSED;
    if (!enif_map_iterator_create(env, argv[0], &it, ERL_NIF_MAP_ITERATOR_LAST)) {
        return BAD;
    }
    while (enif_map_iterator_get_pair(env, &it, &key, &value)) {
        list = enif_make_list_cell(env, enif_make_tuple2(env, key, value), list);
        enif_map_iterator_prev(env, &it);
    }
    enif_map_iterator_destroy(env, &it);
    return list;
}
NIF(map_ops)
{
    T map = argv[0], out;
    size_t size = 0;
    UNUSED;
    T put = enif_make_map_put(env, map, argv[1], argv[2], &out) ? out : ATOM("no");
    T update = enif_make_map_update(env, map, argv[1], argv[2], &out) ? out : ATOM("no");
    T removed = enif_make_map_remove(env, map, argv[1], &out) ? out : ATOM("no");
    T get = enif_get_map_value(env, map, argv[1], &out) ? out : ATOM("no");
    T n = enif_get_map_size(env, map, &size) ? INT((int) size) : ATOM("no");
    return enif_make_tuple5(env, put, update, removed, get, n);
}
NIF(map_arrays)
{
    T keys[100], values[100], head, tail = argv[0], map;
    const T *pair;
    size_t n = 0;
    int arity;
    UNUSED;
    while (n < 100 && enif_get_list_cell(env, tail, &head, &tail) && enif_get_tuple(env, head, &arity, &pair)) {
        keys[n] = pair[0];
        values[n++] = pair[1];
    }
    return enif_make_map_from_arrays(env, keys, values, n, &map) ? map : ATOM("duplicate");
}

/* ---- exceptions, scheduling ---- */

NIF(raise)
{
    UNUSED;
    return enif_raise_exception(env, argv[0]);
}
NIF(raise_and_return)
{
    T reason;
    UNUSED;
    (void) enif_raise_exception(env, argv[0]);
    return enif_has_pending_exception(env, &reason) ? reason : ATOM("lost");
}
NIF(thread_type)
{
    UNUSED;
    return INT(enif_thread_type());
}
NIF(hop)
{
    int n;
    UNUSED;
    if (!enif_get_int(env, argv[0], &n)) {
        return BAD;
    }
    T list = enif_make_list_cell(env, INT(enif_thread_type()), argv[1]);
    if (n == 0) {
        return list;
    }
    T args[] = { INT(n - 1), list };
    int flags[] = { 0, ERL_NIF_DIRTY_JOB_CPU_BOUND, ERL_NIF_DIRTY_JOB_IO_BOUND };
    return enif_schedule_nif(env, "hop", flags[n % 3], hop, 2, args);
}
NIF(hop_and_fail)
{
    UNUSED;
    return enif_schedule_nif(env, "raise", ERL_NIF_DIRTY_JOB_CPU_BOUND, raise, argc, argv);
}
NIF(count_up)
{
    long n, turns;
    UNUSED;
    if (!enif_get_long(env, argv[0], &n) || !enif_get_long(env, argv[1], &turns)) {
        return BAD;
    }
    while (n > 0) {
        n--;
        if (enif_consume_timeslice(env, 1)) {
            T args[] = { enif_make_long(env, n), enif_make_long(env, turns + 1) };
            return enif_schedule_nif(env, "count_up", 0, count_up, 2, args);
        }
    }
    return enif_make_long(env, turns);
}

/* ---- processes ---- */

NIF(send_self)
{
    ErlNifPid self;
    UNUSED;
    enif_self(env, &self);
    int copied = enif_send(env, &self, NULL, argv[0]);
    ErlNifEnv *m = enif_alloc_env();
    int moved = enif_send(env, &self, m, enif_make_tuple2(m, enif_make_copy(m, argv[0]), enif_make_int(m, 2)));
    enif_free_env(m);
    return enif_make_tuple3(env, INT(copied), INT(moved), enif_make_pid(env, &self));
}
NIF(send_to)
{
    ErlNifPid pid;
    UNUSED;
    return enif_get_local_pid(env, argv[0], &pid) ? INT(enif_send(env, &pid, NULL, argv[1])) : BAD;
}
struct job {
    ErlNifPid to;
    ErlNifEnv *env;
    T message;
};
static void *send_later(void *arg)
{
    struct job *job = arg;
    int sent = enif_send(NULL, &job->to, job->env,
        enif_make_tuple2(job->env, enif_make_int(job->env, enif_thread_type()), job->message));
    enif_free_env(job->env);
    enif_free(job);
    return (void *) (size_t) sent;
}
NIF(send_from_thread)
{
    static char name[] = "sender";
    struct job *job = enif_alloc(sizeof(*job));
    ErlNifTid tid;
    void *result;
    UNUSED;
    enif_self(env, &job->to);
    job->env = enif_alloc_env();
    job->message = enif_make_copy(job->env, argv[0]);
    if (enif_thread_create(name, &tid, send_later, job, NULL) != 0 || enif_thread_join(tid, &result) != 0) {
        return BAD;
    }
    return INT((int) (size_t) result);
}
NIF(whereis)
{
    ErlNifPid pid;
    ErlNifPort port;
    UNUSED;
    return enif_whereis_pid(env, argv[0], &pid)
        ? enif_make_tuple2(env, enif_make_pid(env, &pid), INT(enif_is_process_alive(env, &pid)))
        : INT(enif_whereis_port(env, argv[0], &port));
}
NIF(alive)
{
    ErlNifPid pid;
    UNUSED;
    return enif_get_local_pid(env, argv[0], &pid) ? INT(enif_is_process_alive(env, &pid)) : BAD;
}
NIF(unique)
{
    UNUSED;
    return enif_make_list4(env, enif_make_unique_integer(env, ERL_NIF_UNIQUE_MONOTONIC),
        enif_make_unique_integer(env, ERL_NIF_UNIQUE_MONOTONIC | ERL_NIF_UNIQUE_POSITIVE), enif_make_ref(env),
        enif_make_ref(env));
}

/* ---- resources ---- */

NIF(box)
{
    struct box *b = enif_alloc_resource(box_type, sizeof(*b));
    UNUSED;
    enif_self(env, &b->owner);
    memset(b->bytes, 'x', sizeof(b->bytes));
    if (!enif_get_int(env, argv[0], &b->number)) {
        enif_release_resource(b);
        return BAD;
    }
    T t = enif_make_resource(env, b);
    enif_release_resource(b);
    return t;
}
NIF(unbox)
{
    void *obj;
    UNUSED;
    return enif_get_resource(env, argv[0], box_type, &obj)
        ? enif_make_tuple3(env, INT(((struct box *) obj)->number), INT(enif_sizeof_resource(obj) >= sizeof(struct box)),
            INT(enif_is_identical(argv[0], enif_make_resource(env, obj))))
        : BAD;
}
NIF(box_bytes)
{
    void *obj;
    UNUSED;
    return enif_get_resource(env, argv[0], box_type, &obj)
        ? enif_make_resource_binary(env, obj, ((struct box *) obj)->bytes, sizeof(((struct box *) obj)->bytes)) : BAD;
}
NIF(watch)
{
    void *obj;
    ErlNifPid pid;
    UNUSED;
    if (!enif_get_resource(env, argv[0], box_type, &obj) || !enif_get_local_pid(env, argv[1], &pid)) {
        return BAD;
    }
    return INT(enif_monitor_process(env, obj, &pid, &((struct box *) obj)->monitor));
}
NIF(unwatch)
{
    void *obj;
    UNUSED;
    return enif_get_resource(env, argv[0], box_type, &obj)
        ? INT(enif_demonitor_process(env, obj, &((struct box *) obj)->monitor) != 0) : BAD;
}
NIF(watch_pipe)
{
    int fds[2], *obj;
    UNUSED;
    if (pipe(fds) != 0) {
        return BAD;
    }
    obj = enif_alloc_resource(fd_type, sizeof(*obj));
    *obj = fds[0];
    int r = enif_select(env, fds[0], ERL_NIF_SELECT_READ, obj, NULL, argv[0]);
    if (write(fds[1], "x", 1) != 1) {
        return BAD;
    }
    close(fds[1]);
    T t = enif_make_resource(env, obj);
    enif_release_resource(obj);
    return enif_make_tuple2(env, INT(r), t);
}
NIF(stop_pipe)
{
    void *obj;
    UNUSED;
    if (!enif_get_resource(env, argv[0], fd_type, &obj)) {
        return BAD;
    }
    int r = enif_select(env, *(int *) obj, ERL_NIF_SELECT_STOP, obj, NULL, ATOM("undefined"));
    return INT((r & (ERL_NIF_SELECT_STOP_CALLED | ERL_NIF_SELECT_STOP_SCHEDULED)) != 0);
}

/* ---- the library ---- */

struct priv {
    int loads, upgrades;
    int info;
};
NIF(private_data)
{
    struct priv *p = enif_priv_data(env);
    UNUSED;
    return enif_make_tuple3(env, INT(p->loads), INT(p->upgrades), INT(p->info));
}
NIF(times)
{
    UNUSED;
    return enif_make_list5(env, enif_make_long(env, enif_convert_time_unit(-1500, ERL_NIF_MSEC, ERL_NIF_SEC)),
        enif_make_long(env, enif_convert_time_unit(3, ERL_NIF_SEC, ERL_NIF_NSEC)),
        INT(enif_monotonic_time(ERL_NIF_NSEC) <= enif_monotonic_time(ERL_NIF_NSEC)),
        INT(enif_is_tuple(env, enif_now_time(env))), INT(enif_is_tuple(env, enif_cpu_time(env))));
}

static int open_types(ErlNifEnv *env)
{
    ErlNifResourceFlags flags = ERL_NIF_RT_CREATE | ERL_NIF_RT_TAKEOVER, tried;
    ErlNifResourceTypeInit box_init = { .dtor = box_dtor, .down = box_down };
    ErlNifResourceTypeInit fd_init = { .stop = fd_stop, .members = 2 };
    box_type = enif_open_resource_type_x(env, "box", &box_init, flags, &tried);
    fd_type = enif_init_resource_type(env, "fd", &fd_init, flags, &tried);
    return box_type == NULL || fd_type == NULL;
}
static int load(ErlNifEnv *env, void **priv, T info)
{
    struct priv *p = enif_alloc(sizeof(*p));
    memset(p, 0, sizeof(*p));
    p->loads = 1;
    (void) enif_get_int(env, info, &p->info);
    *priv = p;
    return open_types(env);
}
static int upgrade(ErlNifEnv *env, void **priv, void **old, T info)
{
    struct priv *p = *old;
    (void) info;
    p->upgrades++;
    *priv = p;
    *old = NULL;
    return open_types(env);
}
static void unload(ErlNifEnv *env, void *priv)
{
    (void) env;
    enif_free(priv);
}

static ErlNifFunc functions[] = {
    { "describe", 1, describe, 0 }, { "numbers", 1, numbers, 0 }, { "text", 2, text, 0 },
    { "make_atoms", 1, make_atoms, 0 }, { "rebuild", 1, rebuild, 0 }, { "compare", 2, compare, 0 },
    { "hash", 1, hash, 0 }, { "lists", 1, lists, 0 }, { "print", 1, print, 0 },
    { "doubles", 0, doubles, 0 }, { "doubles", 1, doubles, 0 }, { "upcase", 1, upcase, 0 },
    { "iolist", 1, iolist, 0 }, { "part", 3, part, 0 }, { "external", 1, external, 0 },
    { "queue", 2, queue, 0 }, { "map_walk", 1, map_walk, 0 }, { "map_ops", 3, map_ops, 0 },
    { "map_arrays", 1, map_arrays, 0 }, { "raise", 1, raise, 0 },
    { "raise_and_return", 1, raise_and_return, 0 }, { "thread_type", 0, thread_type, 0 },
    { "thread_type_cpu", 0, thread_type, ERL_NIF_DIRTY_JOB_CPU_BOUND },
    { "thread_type_io", 0, thread_type, ERL_NIF_DIRTY_JOB_IO_BOUND },
    { "raise_dirty", 1, raise, ERL_NIF_DIRTY_JOB_CPU_BOUND }, { "hop", 2, hop, 0 },
    { "hop_and_fail", 1, hop_and_fail, 0 }, { "count_up", 2, count_up, 0 },
    { "send_self", 1, send_self, 0 }, { "send_self_dirty", 1, send_self, ERL_NIF_DIRTY_JOB_IO_BOUND },
    { "send_to", 2, send_to, 0 }, { "send_from_thread", 1, send_from_thread, 0 },
    { "whereis", 1, whereis, 0 }, { "alive", 1, alive, 0 }, { "unique", 0, unique, 0 },
    { "box", 1, box, 0 }, { "unbox", 1, unbox, 0 }, { "box_bytes", 1, box_bytes, 0 },
    { "watch", 2, watch, 0 }, { "unwatch", 1, unwatch, 0 }, { "watch_pipe", 1, watch_pipe, 0 },
    { "stop_pipe", 1, stop_pipe, 0 }, { "private_data", 0, private_data, 0 }, { "times", 0, times, 0 },
};
ERL_NIF_INIT(nif_tests, functions, load, NULL, upgrade, unload)
