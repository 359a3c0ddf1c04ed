/* What break_tests.erl breaks things with. */
#include <erl_nif.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef ERL_NIF_TERM term;

static ErlNifResourceType *type;
struct object {
    ErlNifPid owner;
    ErlNifMonitor monitor;
};

/* Asks the VM from the thread of the callbacks, while other processes end. */
static void down(ErlNifEnv *env, void *p, ErlNifPid *pid, ErlNifMonitor *m)
{
    struct object *o = p;
    (void) m;
    enif_send(env, &o->owner, NULL, enif_make_tuple2(env, enif_make_atom(env, "down"), enif_make_pid(env, pid)));
    enif_monitor_process(env, o, &o->owner, &o->monitor);
    enif_demonitor_process(env, o, &o->monitor);
}
static int load(ErlNifEnv *env, void **priv, term arg)
{
    ErlNifResourceTypeInit init = { .down = down };
    (void) priv, (void) arg;
    type = enif_open_resource_type_x(env, "object", &init, ERL_NIF_RT_CREATE, NULL);
    return type == NULL;
}

static term ok(ErlNifEnv *env) { return enif_make_atom(env, "ok"); }
static long number(ErlNifEnv *env, term t)
{
    ErlNifSInt64 n = 0;
    enif_get_int64(env, t, &n);
    return n;
}
static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void nap_ms(long ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
    nanosleep(&ts, NULL);
}

static term act_give(ErlNifEnv *env, term arg) { (void) env; return arg; }
static term act_raise_large(ErlNifEnv *env, term arg) /* more than any message holds, of little memory */
{
    enum { N = 60, BYTES = 20 << 20 };
    term binary, list = enif_make_list(env, 0);
    unsigned char *bytes = enif_make_new_binary(env, BYTES, &binary);
    (void) arg;
    bytes[0] = 1;
    for (int i = 0; i < N; i++) { list = enif_make_list_cell(env, binary, list); }
    return enif_raise_exception(env, list);
}
static term kept; /* an argument of an earlier call: no term any more */
static term act_keep(ErlNifEnv *env, term arg) { kept = arg; return enif_make_atom(env, "ok"); }
static term act_kept(ErlNifEnv *env, term arg) { (void) env, (void) arg; return kept; }
static term act_pair_with(ErlNifEnv *env, term arg) { return enif_make_tuple2(env, kept, arg); }
static term act_one_word_on(ErlNifEnv *env, term arg) { (void) env; return arg + sizeof(arg); }
static term act_copy(ErlNifEnv *env, term arg) { return enif_make_copy(env, arg); }
static term act_os_pid(ErlNifEnv *env, term arg) { (void) arg; return enif_make_int(env, getpid()); }
static term act_no_more_memory(ErlNifEnv *env, term arg) /* for the process: nothing more is mapped, so no thread begins */
{
    struct rlimit now;
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    (void) arg;
    if (f == NULL || fscanf(f, "%lu", &pages) != 1 || fclose(f) != 0 || getrlimit(RLIMIT_AS, &now) != 0) {
        return enif_make_badarg(env);
    }
    now.rlim_cur = pages * (rlim_t) sysconf(_SC_PAGESIZE);
    return setrlimit(RLIMIT_AS, &now) == 0 ? enif_make_atom(env, "ok") : enif_make_badarg(env);
}
static term act_nap(ErlNifEnv *env, term arg) { (void) env; nap_ms(number(env, arg)); return arg; }
static term act_pause(ErlNifEnv *env, term arg) { (void) env; for (;;) { pause(); } return arg; }
static term act_deaf(ErlNifEnv *env, term arg) /* {Worker, Child}: once continued, the child lets the worker take no more requests by socket */
{
    pid_t worker = getpid(), child = fork();
    (void) arg;
    if (child == 0) {
        raise(SIGSTOP);
        kill(worker, SIGSTOP);
        for (int fd = 3, type; fd < 256; fd++) {
            socklen_t size = sizeof(type);
            if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM) {
                shutdown(fd, SHUT_RD);
            }
        }
        _exit(0);
    }
    return enif_make_tuple2(env, enif_make_int(env, worker), enif_make_int(env, child));
}
static term act_raise(ErlNifEnv *env, term arg) { return enif_raise_exception(env, arg); }
static term act_via_env(ErlNifEnv *env, term arg)
{
    ErlNifEnv *other = enif_alloc_env();
    term t = enif_make_copy(other, arg);
    t = enif_make_copy(env, enif_make_tuple2(other, t, t));
    enif_free_env(other);
    return t;
}
static term act_bins_of(ErlNifEnv *env, term arg) /* as many large binaries */
{
    term list = enif_make_list(env, 0), b;
    for (long n = number(env, arg); n > 0; n--) {
        memset(enif_make_new_binary(env, 5000, &b), (int) n, 5000);
        list = enif_make_list_cell(env, b, list);
    }
    return list;
}
static term act_tuple_of(ErlNifEnv *env, term arg)
{
    long n = number(env, arg);
    term *v = enif_alloc((size_t) n * sizeof(*v) + 1);
    for (long i = 0; i < n; i++) {
        v[i] = enif_make_long(env, i);
    }
    term t = enif_make_tuple_from_array(env, v, (unsigned) n);
    enif_free(v);
    return t;
}
static term act_nest(ErlNifEnv *env, term arg)
{
    term t = enif_make_list(env, 0);
    for (long n = number(env, arg); n > 0; n--) {
        t = enif_make_list1(env, t);
    }
    return t;
}
static term act_atoms(ErlNifEnv *env, term arg) /* so many of its own */
{
    char name[32];
    for (long n = number(env, arg); n > 0; n--) {
        snprintf(name, sizeof(name), "break %ld", n);
        (void) enif_make_atom(env, name);
    }
    return ok(env);
}
static term act_still(ErlNifEnv *env, term arg) /* {Ms, Term}: does it stay as it is? */
{
    const term *v;
    int n;
    if (!enif_get_tuple(env, arg, &n, &v)) {
        return enif_make_badarg(env);
    }
    int64_t end = now_ms() + number(env, v[0]);
    ErlNifUInt64 hash = enif_hash(ERL_NIF_PHASH2, v[1], 0);
    while (now_ms() < end) {
        if (enif_hash(ERL_NIF_PHASH2, v[1], 0) != hash) {
            return enif_make_atom(env, "moved");
        }
    }
    return v[1];
}
static term for_ever(ErlNifEnv *env, int argc, const term argv[])
{
    return enif_schedule_nif(env, "for_ever", 0, for_ever, argc, argv);
}
static term act_for_ever(ErlNifEnv *env, term arg) { return for_ever(env, 1, &arg); }
static term act_object(ErlNifEnv *env, term arg)
{
    struct object *o = enif_alloc_resource(type, sizeof(*o));
    (void) arg;
    memset(o, 0, sizeof(*o));
    enif_self(env, &o->owner);
    term t = enif_make_resource(env, o);
    enif_release_resource(o);
    return t;
}
static term act_objects(ErlNifEnv *env, term arg) /* a list of so many */
{
    term list = enif_make_list(env, 0);
    for (long n = number(env, arg); n > 0; n--) {
        term object = act_object(env, arg), reason;
        if (enif_has_pending_exception(env, &reason)) {
            return 0;
        }
        list = enif_make_list_cell(env, object, list);
    }
    return list;
}
static term act_monitor(ErlNifEnv *env, term arg) /* {Object, Pid} */
{
    const term *v;
    int n;
    ErlNifPid pid;
    ErlNifMonitor m;
    struct object *o;
    if (!enif_get_tuple(env, arg, &n, &v) || !enif_get_resource(env, v[0], type, (void **) &o) || !enif_get_local_pid(env, v[1], &pid)) {
        return enif_make_badarg(env);
    }
    return enif_make_int(env, enif_monitor_process(env, o, &pid, &m));
}
static term act_send(ErlNifEnv *env, term arg) /* {Pid, N}: that many messages */
{
    const term *v;
    int n;
    ErlNifPid pid;
    if (!enif_get_tuple(env, arg, &n, &v) || !enif_get_local_pid(env, v[0], &pid)) {
        return enif_make_badarg(env);
    }
    for (long i = number(env, v[1]); i > 0; i--) {
        ErlNifEnv *m = enif_alloc_env();
        enif_send(env, &pid, m, enif_make_long(m, i));
        enif_free_env(m);
    }
    return ok(env);
}

#define ACT(name) { #name, act_##name }
static const struct {
    const char *name;
    term (*fn)(ErlNifEnv *env, term arg);
} acts[] = {
    ACT(give), ACT(copy), ACT(os_pid), ACT(pause), ACT(nap), ACT(no_more_memory), ACT(deaf), ACT(raise), ACT(via_env), ACT(bins_of), ACT(tuple_of), ACT(nest), ACT(atoms),
    ACT(raise_large), ACT(keep), ACT(kept), ACT(pair_with), ACT(one_word_on), ACT(still), ACT(for_ever), ACT(object), ACT(objects), ACT(monitor), ACT(send),
};
static term act(ErlNifEnv *env, int argc, const term argv[])
{
    char name[32];
    (void) argc;
    for (size_t i = 0; enif_get_atom(env, argv[0], name, sizeof(name), ERL_NIF_LATIN1) && i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (strcmp(acts[i].name, name) == 0) {
            return acts[i].fn(env, argv[1]);
        }
    }
    return enif_make_badarg(env);
}

static ErlNifFunc funcs[] = { { "act", 2, act, 0 } };
ERL_NIF_INIT(break_tests, funcs, load, NULL, NULL, NULL)
