/* remote_tests_nif.c - the C side of remote_tests.erl: one function that does what its first argument says. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bulkhead_nif.h>
#include <erl_nif.h>

static ErlNifResourceType *noted_type;
static volatile int calls_here; /* of this OS process */

/* A resource that leaves a letter in a file for each thing that happens to it. */
struct noted {
    char file[400];
    int number, fds[2];
    ErlNifMonitor monitor;
};

typedef ERL_NIF_TERM action(ErlNifEnv *env, ERL_NIF_TERM arg);

static ERL_NIF_TERM ok(ErlNifEnv *env) { return enif_make_atom(env, "ok"); }
static int text_of(ErlNifEnv *env, ERL_NIF_TERM t, char *out, size_t room)
{
    return enif_get_string(env, t, out, (unsigned) room, ERL_NIF_LATIN1) > 0;
}
static void note(const char *file, const char *letter)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, letter, 1) == 1) { close(fd); }
}
static int pair_of(ErlNifEnv *env, ERL_NIF_TERM t, const ERL_NIF_TERM **out)
{
    int arity;
    return enif_get_tuple(env, t, &arity, out) && arity == 2;
}

/* ---- ends ---- */

static void write_null(void) { volatile int *volatile nowhere = NULL; *nowhere = 1; }
static ERL_NIF_TERM act_crash(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; write_null(); return ok(env); }
static ERL_NIF_TERM act_raise_signal(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    int n;
    if (enif_get_int(env, arg, &n)) { raise(n); }
    return ok(env);
}
static ERL_NIF_TERM act_divide(ErlNifEnv *env, ERL_NIF_TERM arg) { volatile int zero = 0; (void) arg; return enif_make_int(env, 7 / zero); }
static ERL_NIF_TERM act_illegal(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; __asm__ volatile("ud2"); return ok(env); }
__attribute__((noinline)) static int deeper(int n) { volatile char page[4096]; page[0] = (char) n; return deeper(n + 1) + page[0]; }
static ERL_NIF_TERM act_overflow(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; return enif_make_int(env, deeper(0)); }
static ERL_NIF_TERM act_panic(ErlNifEnv *env, ERL_NIF_TERM arg) { return nif_panic(env, "no %T today", arg); }
static ERL_NIF_TERM act_exit(ErlNifEnv *env, ERL_NIF_TERM arg) { int n = 0; enif_get_int(env, arg, &n); exit(n); }
static ERL_NIF_TERM act__exit(ErlNifEnv *env, ERL_NIF_TERM arg) { int n = 0; enif_get_int(env, arg, &n); _exit(n); }
static ERL_NIF_TERM act_badarg(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; return enif_make_badarg(env); }
static ERL_NIF_TERM act_throw(ErlNifEnv *env, ERL_NIF_TERM arg) { return enif_raise_exception(env, arg); }
static ERL_NIF_TERM act_nonsense(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) env, (void) arg; return 0x123456789a; }

/* ---- time ---- */

static ERL_NIF_TERM act_loop(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) env; for (;;) { __asm__ volatile(""); } return arg; }
static int compare(const void *a, const void *b) { return *(const char *) a - *(const char *) b; }
static ERL_NIF_TERM act_loop_in_libc(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    char buffer[256] = "words in no order";
    (void) env;
    for (;;) { qsort(buffer, sizeof(buffer), 1, compare); }
    return arg;
}
static ERL_NIF_TERM act_pause(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) env, (void) arg; for (;;) { pause(); } return arg; }
static ERL_NIF_TERM act_sleep(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    int ms = 0;
    enif_get_int(env, arg, &ms);
    usleep((useconds_t) ms * 1000);
    return arg;
}
static ERL_NIF_TERM act_await(ErlNifEnv *env, ERL_NIF_TERM arg) /* until a file is there; leaves a letter in FILE.begun */
{
    char file[400], begun[410];
    if (!text_of(env, arg, file, sizeof(file))) { return enif_make_badarg(env); }
    snprintf(begun, sizeof(begun), "%s.begun", file);
    note(begun, "b");
    while (access(file, F_OK) != 0) { usleep(2000); }
    return arg;
}
static ERL_NIF_TERM act_tick(ErlNifEnv *env, ERL_NIF_TERM arg) /* adds to a file as long as it runs */
{
    char file[400];
    if (!text_of(env, arg, file, sizeof(file))) { return enif_make_badarg(env); }
    for (;;) { note(file, "t"); usleep(2000); }
}

/* ---- counting ---- */

static ERL_NIF_TERM act_print(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) arg;
    printf("printed by %d\n", (int) getpid());
    return enif_make_atom(env, "ok");
}
static ERL_NIF_TERM act_os_pid(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; return enif_make_int(env, getpid()); }
static ERL_NIF_TERM act_calls(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; return enif_make_int(env, ++calls_here); }
/* {File, What}: leaves a letter, then does that. */
static ERL_NIF_TERM act_note(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    const ERL_NIF_TERM *e;
    char file[400];
    int ms;
    if (!pair_of(env, arg, &e) || !text_of(env, e[0], file, sizeof(file))) { return enif_make_badarg(env); }
    note(file, "n");
    if (enif_get_int(env, e[1], &ms) && ms >= 0) { usleep((useconds_t) ms * 1000); return ok(env); }
    write_null();
    return ok(env);
}

/* ---- terms ---- */

static ERL_NIF_TERM act_give(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) env; return arg; }
static ERL_NIF_TERM act_copy(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifEnv *other = enif_alloc_env();
    ERL_NIF_TERM back = enif_make_copy(env, enif_make_copy(other, arg));
    enif_free_env(other);
    return back;
}
static ERL_NIF_TERM act_sum(ErlNifEnv *env, ERL_NIF_TERM arg) /* of the bytes of a binary */
{
    ErlNifBinary b;
    unsigned long sum = 0;
    if (!enif_inspect_binary(env, arg, &b)) { return enif_make_badarg(env); }
    for (size_t i = 0; i < b.size; i++) { sum += b.data[i]; }
    return enif_make_ulong(env, sum);
}
static ERL_NIF_TERM act_await_copy(ErlNifEnv *env, ERL_NIF_TERM arg) /* {File, Term}: as await, and reads the term only then */
{
    const ERL_NIF_TERM *e;
    if (!pair_of(env, arg, &e) || act_await(env, e[0]) == 0) { return enif_make_badarg(env); }
    return enif_make_copy(env, e[1]);
}
static ErlNifEnv *store; /* keeps a term from call to call */
static ERL_NIF_TERM in_store;
static ERL_NIF_TERM act_store(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    if (store != NULL) {
        enif_free_env(store);
    }
    store = enif_alloc_env();
    in_store = enif_make_copy(store, arg);
    return ok(env);
}
static ERL_NIF_TERM act_stored(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; return enif_make_copy(env, in_store); }
static ERL_NIF_TERM act_zeros(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    unsigned long n;
    ERL_NIF_TERM t;
    if (!enif_get_ulong(env, arg, &n)) { return enif_make_badarg(env); }
    memset(enif_make_new_binary(env, n, &t), 0, n);
    return t;
}
static ERL_NIF_TERM act_range(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    int n;
    ERL_NIF_TERM list = enif_make_list(env, 0);
    if (!enif_get_int(env, arg, &n)) { return enif_make_badarg(env); }
    for (; n > 0; n--) { list = enif_make_list_cell(env, enif_make_int(env, n), list); }
    return list;
}
static ERL_NIF_TERM act_thread_type(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; return enif_make_int(env, enif_thread_type()); }
static ERL_NIF_TERM act_unique(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; return enif_make_unique_integer(env, ERL_NIF_UNIQUE_MONOTONIC); }
static ERL_NIF_TERM act_make_ref(ErlNifEnv *env, ERL_NIF_TERM arg) { (void) arg; return enif_make_ref(env); }
static ERL_NIF_TERM act_cpu_ms(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    struct rusage u;
    (void) arg;
    getrusage(RUSAGE_SELF, &u);
    return enif_make_long(env, u.ru_utime.tv_sec * 1000 + u.ru_utime.tv_usec / 1000);
}

/* ---- calls into the VM ---- */

static ERL_NIF_TERM act_send(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    const ERL_NIF_TERM *e;
    ErlNifPid to;
    if (!pair_of(env, arg, &e) || !enif_get_local_pid(env, e[0], &to)) { return enif_make_badarg(env); }
    return enif_make_int(env, enif_send(env, &to, NULL, e[1]));
}
struct parcel { ErlNifPid to; unsigned long bytes; };
static void *send_parcel(void *arg)
{
    struct parcel *p = arg;
    ErlNifEnv *env = enif_alloc_env();
    ERL_NIF_TERM t;
    memset(enif_make_new_binary(env, p->bytes, &t), 'p', p->bytes);
    enif_send(NULL, &p->to, env, enif_make_tuple2(env, enif_make_atom(env, "parcel"), t));
    enif_free_env(env);
    enif_free(p);
    return NULL;
}
static ERL_NIF_TERM act_send_from_thread(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    const ERL_NIF_TERM *e;
    struct parcel *p = enif_alloc(sizeof(*p));
    ErlNifTid tid;
    if (!pair_of(env, arg, &e) || !enif_get_local_pid(env, e[0], &p->to) || !enif_get_ulong(env, e[1], &p->bytes)
        || enif_thread_create("parcel", &tid, send_parcel, p, NULL) != 0) { return enif_make_badarg(env); }
    enif_thread_join(tid, NULL);
    return ok(env);
}
static void *crash_soon(void *arg) { (void) arg; write_null(); return NULL; }
static ERL_NIF_TERM act_crash_in_thread(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifTid tid;
    (void) arg;
    enif_thread_create("doomed", &tid, crash_soon, NULL, NULL);
    enif_thread_join(tid, NULL);
    return ok(env);
}
static ERL_NIF_TERM act_whereis(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifPid pid;
    ErlNifPort port;
    if (enif_whereis_pid(env, arg, &pid)) { return enif_make_pid(env, &pid); }
    return enif_whereis_port(env, arg, &port) ? enif_make_tuple1(env, enif_make_atom(env, "port")) : enif_make_atom(env, "undefined");
}
static ERL_NIF_TERM act_port_command(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    const ERL_NIF_TERM *e;
    ErlNifPort port;
    if (!pair_of(env, arg, &e) || !enif_get_local_port(env, e[0], &port)) { return enif_make_badarg(env); }
    return enif_make_int(env, enif_port_command(env, &port, NULL, e[1]));
}
static ERL_NIF_TERM act_alive(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifPid pid;
    return enif_get_local_pid(env, arg, &pid) ? enif_make_int(env, enif_is_process_alive(env, &pid)) : enif_make_badarg(env);
}
static ERL_NIF_TERM act_self(ErlNifEnv *env, ERL_NIF_TERM arg) { ErlNifPid p; (void) arg; enif_self(env, &p); return enif_make_pid(env, &p); }

/* ---- resources ---- */

static void noted_gone(ErlNifEnv *env, void *object) { (void) env; note(((struct noted *) object)->file, "d"); }
static void noted_down(ErlNifEnv *env, void *object, ErlNifPid *pid, ErlNifMonitor *m)
{
    (void) env, (void) pid, (void) m;
    note(((struct noted *) object)->file, "m");
}
static void noted_stop(ErlNifEnv *env, void *object, ErlNifEvent event, int direct)
{
    (void) env, (void) direct;
    close(event);
    note(((struct noted *) object)->file, "s");
}
static ERL_NIF_TERM act_make(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    static int number;
    struct noted *r = enif_alloc_resource(noted_type, sizeof(*r));
    memset(r, 0, sizeof(*r));
    r->number = __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED);
    if (!text_of(env, arg, r->file, sizeof(r->file))) { enif_release_resource(r); return enif_make_badarg(env); }
    ERL_NIF_TERM t = enif_make_resource(env, r);
    enif_release_resource(r);
    return t;
}
static ERL_NIF_TERM act_look(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void *object;
    if (!enif_get_resource(env, arg, noted_type, &object)) { return enif_make_badarg(env); }
    return enif_make_tuple2(env, enif_make_int(env, ((struct noted *) object)->number), enif_make_int(env, getpid()));
}
static ERL_NIF_TERM act_twice(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void *object;
    if (!enif_get_resource(env, arg, noted_type, &object)) { return enif_make_badarg(env); }
    return enif_make_tuple2(env, enif_make_resource(env, object), enif_make_resource(env, object));
}
static ERL_NIF_TERM act_monitor(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    const ERL_NIF_TERM *e;
    void *object;
    ErlNifPid pid;
    if (!pair_of(env, arg, &e) || !enif_get_resource(env, e[0], noted_type, &object) || !enif_get_local_pid(env, e[1], &pid)) {
        return enif_make_badarg(env);
    }
    return enif_make_int(env, enif_monitor_process(env, object, &pid, &((struct noted *) object)->monitor));
}
static ERL_NIF_TERM act_demonitor(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void *object;
    if (!enif_get_resource(env, arg, noted_type, &object)) { return enif_make_badarg(env); }
    return enif_make_int(env, enif_demonitor_process(env, object, &((struct noted *) object)->monitor));
}
static ERL_NIF_TERM act_select(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void *object;
    if (!enif_get_resource(env, arg, noted_type, &object)) { return enif_make_badarg(env); }
    struct noted *r = object;
    if (r->fds[0] == 0 && pipe2(r->fds, O_CLOEXEC | O_NONBLOCK) != 0) { return enif_make_badarg(env); }
    return enif_make_int(env, enif_select(env, r->fds[0], ERL_NIF_SELECT_READ, r, NULL, enif_make_atom(env, "undefined")));
}
static ERL_NIF_TERM act_fill(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void *object;
    if (!enif_get_resource(env, arg, noted_type, &object)) { return enif_make_badarg(env); }
    return enif_make_long(env, write(((struct noted *) object)->fds[1], "x", 1));
}
static ERL_NIF_TERM act_stop(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void *object;
    if (!enif_get_resource(env, arg, noted_type, &object)) { return enif_make_badarg(env); }
    return enif_make_int(env, enif_select(env, ((struct noted *) object)->fds[0], ERL_NIF_SELECT_STOP, object, NULL, arg));
}

static const struct {
    const char *name;
    action *fn;
} actions[] = {
    { "give", act_give }, { "crash", act_crash }, { "raise_signal", act_raise_signal }, { "divide", act_divide },
    { "illegal", act_illegal }, { "overflow", act_overflow }, { "panic", act_panic }, { "exit", act_exit }, { "_exit", act__exit },
    { "badarg", act_badarg }, { "throw", act_throw }, { "nonsense", act_nonsense }, { "loop", act_loop },
    { "loop_in_libc", act_loop_in_libc }, { "pause", act_pause }, { "sleep", act_sleep },
    { "await", act_await }, { "await_copy", act_await_copy }, { "tick", act_tick },
    { "os_pid", act_os_pid }, { "print", act_print }, { "calls", act_calls }, { "note", act_note }, { "copy", act_copy }, { "sum", act_sum }, { "store", act_store },
    { "stored", act_stored },
    { "zeros", act_zeros }, { "range", act_range }, { "thread_type", act_thread_type }, { "unique", act_unique },
    { "make_ref", act_make_ref }, { "cpu_ms", act_cpu_ms }, { "send", act_send }, { "send_from_thread", act_send_from_thread },
    { "crash_in_thread", act_crash_in_thread }, { "whereis", act_whereis }, { "port_command", act_port_command },
    { "alive", act_alive }, { "self", act_self }, { "make", act_make }, { "look", act_look }, { "twice", act_twice },
    { "monitor", act_monitor }, { "demonitor", act_demonitor }, { "select", act_select }, { "fill", act_fill }, { "stop", act_stop },
};

static ERL_NIF_TERM act(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    char name[64];
    (void) argc;
    if (enif_get_atom(env, argv[0], name, sizeof(name), ERL_NIF_LATIN1)) {
        for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
            if (strcmp(actions[i].name, name) == 0) { return actions[i].fn(env, argv[1]); }
        }
    }
    return enif_make_badarg(env);
}

/* count(N, Max, How): itself again until N is Max. */
static ERL_NIF_TERM count(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    long n, max;
    if (!enif_get_long(env, argv[0], &n) || !enif_get_long(env, argv[1], &max)) { return enif_make_badarg(env); }
    if (n >= max) { return argv[2]; }
    ERL_NIF_TERM next[] = { enif_make_long(env, n + 1), argv[1], argv[2] };
    return enif_schedule_nif(env, "count", n % 2 != 0 ? ERL_NIF_DIRTY_JOB_CPU_BOUND : 0, count, argc, next);
}

static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info)
{
    ErlNifResourceTypeInit init = { noted_gone, noted_stop, noted_down, 0, NULL };
    (void) priv, (void) info;
    noted_type = enif_open_resource_type_x(env, "noted", &init, ERL_NIF_RT_CREATE, NULL);
    return noted_type == NULL;
}

static ErlNifFunc functions[] = {
    { "act", 2, act, 0 },
    { "dirty_cpu", 2, act, ERL_NIF_DIRTY_JOB_CPU_BOUND },
    { "dirty_io", 2, act, ERL_NIF_DIRTY_JOB_IO_BOUND },
    { "count", 3, count, 0 },
};
ERL_NIF_INIT(remote_tests, functions, load, NULL, NULL, NULL)
