/* native_tests_nif.c - the C side of native_tests.erl. */
#define _GNU_SOURCE
#include <assert.h>
#include <err.h>
#include <pthread.h>
#include <sys/resource.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bulkhead_nif.h>
#include <erl_nif.h>

static ErlNifResourceType *bomb_type, *quiet_type;

static int is(ErlNifEnv *env, ERL_NIF_TERM atom, const char *name)
{
    char text[64];
    return enif_get_atom(env, atom, text, sizeof(text), ERL_NIF_LATIN1) && strcmp(text, name) == 0;
}
static void write_null(void) { volatile int *volatile nowhere = NULL; *nowhere = 1; }
static void *thread(void *arg) { (void) arg; write_null(); return NULL; }
static void *sender(void *arg)
{
    ErlNifEnv *m = enif_alloc_env();
    enif_send(NULL, arg, m, enif_make_atom(m, "sent"));
    enif_free_env(m);
    enif_free(arg);
    return NULL;
}
/* More and more threads while memory runs out, now at one place of their making, now at another: each begins or is refused.
 * How many of either. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static void *through_gate(void *arg)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return arg;
}
static ERL_NIF_TERM threads_without_memory(ErlNifEnv *env)
{
    enum { N = 200, GUARD = 8 << 20, STEP = 16 << 10, STEPS = 40 }; /* GUARD: of such a thread, see stack_pool.h */
    static pthread_t all[N];
    int n = 0, refused = 0;
    struct rlimit before, now;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 << 10);
    getrlimit(RLIMIT_AS, &before);
    pthread_mutex_lock(&gate);
    for (int i = 0; i < N; i++) {
        unsigned long pages = 0;
        FILE *f = fopen("/proc/self/statm", "r");
        if (f == NULL || fscanf(f, "%lu", &pages) != 1 || fclose(f) != 0) { return enif_make_badarg(env); }
        now = before;
        now.rlim_cur = pages * (rlim_t) sysconf(_SC_PAGESIZE) + GUARD + (rlim_t) (i % STEPS) * STEP;
        setrlimit(RLIMIT_AS, &now);
        int error = pthread_create(&all[n], &small, through_gate, NULL);
        setrlimit(RLIMIT_AS, &before);
        if (error == 0) { n++; } else { refused++; }
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < n; i++) { pthread_join(all[i], NULL); }
    return enif_make_tuple2(env, enif_make_int(env, n), enif_make_int(env, refused));
}
static ERL_NIF_TERM threads(ErlNifEnv *env, int n) /* each sends once, some while others are made */
{
    for (int i = 0; i < n; i++) {
        pthread_t t;
        ErlNifPid *to = enif_self(env, enif_alloc(sizeof(*to)));
        if (pthread_create(&t, NULL, sender, to) != 0) { return enif_make_badarg(env); }
        pthread_detach(t);
    }
    return enif_make_atom(env, "ok");
}
__attribute__((noinline)) static int use_stack(int bytes)
{
    volatile char page[4096];
    page[0] = (char) bytes;
    return bytes <= 0 ? page[0] : use_stack(bytes - 4096) + page[0];
}

static ERL_NIF_TERM kept; /* an argument of an earlier call: no term any more */

static ERL_NIF_TERM act(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int n = 0;
    (void) argc;
    enif_get_int(env, argv[1], &n);
    if (is(env, argv[0], "give")) { return argv[1]; }
    if (is(env, argv[0], "badarg")) { return enif_make_badarg(env); }
    if (is(env, argv[0], "raise")) { return enif_raise_exception(env, argv[1]); }
    if (is(env, argv[0], "where")) { return enif_make_tuple2(env, enif_make_int(env, enif_thread_type()), argv[1]); }
    if (is(env, argv[0], "crash")) { write_null(); }
    if (is(env, argv[0], "divide")) { volatile int zero = 0; return enif_make_int(env, n / zero); }
    if (is(env, argv[0], "loop")) { for (;;) { __asm__ volatile(""); } }
    if (is(env, argv[0], "use_stack")) { use_stack(n); return enif_make_atom(env, "ok"); }
    if (is(env, argv[0], "return_word")) { ErlNifUInt64 w = 0; enif_get_uint64(env, argv[1], &w); return (ERL_NIF_TERM) w; }
    if (is(env, argv[0], "tuple_of_word")) {
        ErlNifUInt64 w = 0;
        enif_get_uint64(env, argv[1], &w);
        return enif_make_tuple1(env, (ERL_NIF_TERM) w);
    }
    if (is(env, argv[0], "keep")) { kept = argv[1]; return enif_make_atom(env, "ok"); }
    if (is(env, argv[0], "return_kept")) { return kept; }
    if (is(env, argv[0], "tuple_of_kept")) { return enif_make_tuple2(env, argv[1], kept); }
    if (is(env, argv[0], "raise_kept")) { return enif_raise_exception(env, kept); }
    if (is(env, argv[0], "list_of_kept")) { return enif_make_list2(env, argv[1], enif_make_tuple1(env, kept)); }
    if (is(env, argv[0], "schedule_kept")) {
        ERL_NIF_TERM args[] = { enif_make_atom(env, "give"), kept };
        return enif_schedule_nif(env, "act", 0, act, 2, args);
    }
    if (is(env, argv[0], "write_into")) { ((ERL_NIF_TERM *) (argv[1] & ~(ERL_NIF_TERM) 3))[1] ^= 16; return argv[1]; }
    if (is(env, argv[0], "one_word_on")) { return argv[1] + sizeof(argv[1]); }
    if (is(env, argv[0], "get_into_null")) { return enif_make_int(env, enif_get_int(env, argv[1], NULL)); }
    if (is(env, argv[0], "panic")) { return nif_panic(env, "no %T today", argv[1]); }
    if (is(env, argv[0], "exit")) { exit(n); }
    if (is(env, argv[0], "abort")) { abort(); }
    if (is(env, argv[0], "assert")) { assert(n == 1); }
    if (is(env, argv[0], "build_and_crash")) {
        ERL_NIF_TERM list = enif_make_list(env, 0), bin;
        for (int i = 0; i < n; i++) { list = enif_make_list_cell(env, enif_make_int(env, i), list); }
        memset(enif_make_new_binary(env, 100000, &bin), 0, 100000);
        enif_make_tuple2(env, list, bin);
        ErlNifBinary b;
        enif_alloc_binary(50000, &b);
        enif_alloc_env();
        write_null();
    }
    if (is(env, argv[0], "deadlock")) {
        ErlNifMutex *m = enif_mutex_create("deadlock");
        enif_mutex_lock(m);
        enif_mutex_lock(m);
    }
    if (is(env, argv[0], "wait_for_ever")) {
        ErlNifMutex *m = enif_mutex_create("never");
        ErlNifCond *c = enif_cond_create("never");
        enif_mutex_lock(m);
        for (;;) { enif_cond_wait(c, m); }
    }
    if (is(env, argv[0], "null_env")) { return enif_make_tuple1((ErlNifEnv *) (intptr_t) n, argv[0]); }
    if (is(env, argv[0], "free_twice")) { void *p = enif_alloc(10); enif_free(p); enif_free(p); }
    if (is(env, argv[0], "release_twice")) {
        void *p = enif_alloc_resource(quiet_type, 10);
        enif_release_resource(p);
        enif_release_resource(p);
        enif_release_resource(p);
        return enif_make_atom(env, "ok");
    }
    if (is(env, argv[0], "write_argv")) { ((ERL_NIF_TERM *) (intptr_t) argv)[0] = 0x1234567; return argv[1]; }
    if (is(env, argv[0], "return_none")) { return 0; }
    if (is(env, argv[0], "raw_mask")) { uint64_t all = ~UINT64_C(0); syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all)); write_null(); }
    if (is(env, argv[0], "raw_action")) { uint64_t dfl[4] = { 0 }; syscall(SYS_rt_sigaction, SIGSEGV, dfl, NULL, sizeof(uint64_t)); write_null(); }
    if (is(env, argv[0], "raw_altstack")) { stack_t none = { .ss_flags = SS_DISABLE }; syscall(SYS_sigaltstack, &none, NULL); use_stack(1 << 30); }
    if (is(env, argv[0], "execl")) { execl("/bin/true", "true", (char *) NULL); }
    if (is(env, argv[0], "errx")) { errx(n, "from a library"); }
    if (is(env, argv[0], "cancel")) { pthread_cancel(pthread_self()); return argv[1]; }
    if (is(env, argv[0], "check_alignment")) { __asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq" ::: "memory", "cc"); return argv[1]; }
    if (is(env, argv[0], "make_twice")) {
        ErlNifBinary b, copy;
        enif_alloc_binary(1000, &b);
        copy = b;
        enif_make_binary(env, &b);
        return enif_make_binary(env, &copy);
    }
    if (is(env, argv[0], "threads_without_memory")) { return threads_without_memory(env); }
    if (is(env, argv[0], "threads")) { return threads(env, 20); }
    if (is(env, argv[0], "crash_in_thread")) {
        ErlNifTid tid;
        void *value;
        if (enif_thread_create("doomed", &tid, thread, NULL, NULL) != 0) { return enif_make_badarg(env); }
        enif_thread_join(tid, &value);
        return enif_make_atom(env, "ok");
    }
    return enif_make_badarg(env);
}

/* count(N, Max, How): itself again until N is Max. */
static ERL_NIF_TERM count(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    long n, max;
    if (!enif_get_long(env, argv[0], &n) || !enif_get_long(env, argv[1], &max)) { return enif_make_badarg(env); }
    if (n >= max) { return enif_make_long(env, n); }
    int mixed = is(env, argv[2], "mixed");
    int flags = !mixed ? 0 : n % 3 == 0 ? ERL_NIF_DIRTY_JOB_CPU_BOUND : n % 3 == 1 ? ERL_NIF_DIRTY_JOB_IO_BOUND : 0;
    ERL_NIF_TERM next[] = { enif_make_long(env, n + 1), argv[1], argv[2] };
    return enif_schedule_nif(env, "count", flags, count, argc, next);
}

static void explode(ErlNifEnv *env, void *object) { (void) env, (void) object; write_null(); }
static ERL_NIF_TERM make_bomb(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argc, (void) argv;
    void *object = enif_alloc_resource(bomb_type, 16);
    enif_make_resource(env, object);
    enif_release_resource(object);
    return enif_make_atom(env, "ok");
}

static int load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info)
{
    (void) priv, (void) info;
    bomb_type = enif_open_resource_type(env, NULL, "bomb", explode, ERL_NIF_RT_CREATE, NULL);
    quiet_type = enif_open_resource_type(env, "native_tests", "quiet", NULL, ERL_NIF_RT_CREATE, NULL); /* the module is not looked at */
    return bomb_type == NULL;
}

static ErlNifFunc functions[] = {
    { "act", 2, act, 0 },
    { "dirty_cpu", 2, act, ERL_NIF_DIRTY_JOB_CPU_BOUND },
    { "dirty_io", 2, act, ERL_NIF_DIRTY_JOB_IO_BOUND },
    { "make_bomb", 0, make_bomb, 0 },
    { "count", 3, count, 0 },
};
ERL_NIF_INIT(native_tests, functions, load, NULL, NULL, NULL)
