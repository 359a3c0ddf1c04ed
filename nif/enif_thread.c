/* Locks, conditions, thread-specific data and threads for libraries: what pthreads offer, under
 * the API's names. OTP's drivers know the same objects as erl_drv_*; some NIF libraries use those
 * names, so each is exported twice. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "nif/enif.h"
#include "nif/nif_lib.h"

enum kind {
    KIND_MUTEX = 0x4d5458,
    KIND_COND = 0x434e44,
    KIND_RWLOCK = 0x52574c,
    KIND_THREAD = 0x544944,
    KIND_DEAD = 1
};

struct ErlDrvMutex_ {
    enum kind kind;
    char *name; /* owned, or NULL */
    pthread_mutex_t mutex;
};
struct ErlDrvCond_ {
    enum kind kind;
    char *name;
    pthread_cond_t cond;
};
struct ErlDrvRWLock_ {
    enum kind kind;
    char *name;
    pthread_rwlock_t lock;
};
struct ErlDrvTid_ {
    enum kind kind;
    char *name;
    pthread_t thread;
    void *(*func)(void *);
    void *arg;
    void *result;
};

static char *copy_name(const char *name)
{
    if (name == NULL) {
        return NULL;
    }
    size_t n = strlen(name) + 1;
    return memcpy(vm_alloc(n), name, n);
}

static void check(bool right, const char *api)
{
    if (__builtin_expect(!right, 0)) {
        nif_bad_handle(api);
    }
}
#define CHECK_KIND(p, k) check((p) != NULL && (p)->kind == (k), __func__)

/* ---- mutexes ---- */

ErlNifMutex *enif_mutex_create(char *name)
{
    char *copy = copy_name(name);
    nif_guard_enter();
    ErlNifMutex *m = vm_alloc(sizeof(*m));
    m->kind = KIND_MUTEX;
    m->name = copy;
    pthread_mutex_init(&m->mutex, NULL);
    nif_guard_leave();
    return m;
}

void enif_mutex_destroy(ErlNifMutex *m)
{
    CHECK_KIND(m, KIND_MUTEX);
    m->kind = KIND_DEAD;
    pthread_mutex_destroy(&m->mutex);
    nif_guard_enter();
    vm_free(m->name);
    vm_free(m);
    nif_guard_leave();
}

int enif_mutex_trylock(ErlNifMutex *m)
{
    CHECK_KIND(m, KIND_MUTEX);
    return pthread_mutex_trylock(&m->mutex) == 0 ? 0 : EBUSY;
}

void enif_mutex_lock(ErlNifMutex *m)
{
    CHECK_KIND(m, KIND_MUTEX);
    pthread_mutex_lock(&m->mutex);
}

void enif_mutex_unlock(ErlNifMutex *m)
{
    CHECK_KIND(m, KIND_MUTEX);
    pthread_mutex_unlock(&m->mutex);
}

char *enif_mutex_name(ErlNifMutex *m)
{
    return m != NULL ? m->name : NULL;
}

/* ---- conditions ---- */

ErlNifCond *enif_cond_create(char *name)
{
    char *copy = copy_name(name);
    nif_guard_enter();
    ErlNifCond *c = vm_alloc(sizeof(*c));
    c->kind = KIND_COND;
    c->name = copy;
    pthread_cond_init(&c->cond, NULL);
    nif_guard_leave();
    return c;
}

void enif_cond_destroy(ErlNifCond *c)
{
    CHECK_KIND(c, KIND_COND);
    c->kind = KIND_DEAD;
    pthread_cond_destroy(&c->cond);
    nif_guard_enter();
    vm_free(c->name);
    vm_free(c);
    nif_guard_leave();
}

void enif_cond_signal(ErlNifCond *c)
{
    CHECK_KIND(c, KIND_COND);
    pthread_cond_signal(&c->cond);
}

void enif_cond_broadcast(ErlNifCond *c)
{
    CHECK_KIND(c, KIND_COND);
    pthread_cond_broadcast(&c->cond);
}

void enif_cond_wait(ErlNifCond *c, ErlNifMutex *m)
{
    CHECK_KIND(c, KIND_COND);
    CHECK_KIND(m, KIND_MUTEX);
    pthread_cond_wait(&c->cond, &m->mutex);
}

char *enif_cond_name(ErlNifCond *c)
{
    return c != NULL ? c->name : NULL;
}

/* ---- read-write locks ---- */

ErlNifRWLock *enif_rwlock_create(char *name)
{
    char *copy = copy_name(name);
    nif_guard_enter();
    ErlNifRWLock *l = vm_alloc(sizeof(*l));
    l->kind = KIND_RWLOCK;
    l->name = copy;
    pthread_rwlock_init(&l->lock, NULL);
    nif_guard_leave();
    return l;
}

void enif_rwlock_destroy(ErlNifRWLock *l)
{
    CHECK_KIND(l, KIND_RWLOCK);
    l->kind = KIND_DEAD;
    pthread_rwlock_destroy(&l->lock);
    nif_guard_enter();
    vm_free(l->name);
    vm_free(l);
    nif_guard_leave();
}

int enif_rwlock_tryrlock(ErlNifRWLock *l)
{
    CHECK_KIND(l, KIND_RWLOCK);
    return pthread_rwlock_tryrdlock(&l->lock) == 0 ? 0 : EBUSY;
}

void enif_rwlock_rlock(ErlNifRWLock *l)
{
    CHECK_KIND(l, KIND_RWLOCK);
    pthread_rwlock_rdlock(&l->lock);
}

void enif_rwlock_runlock(ErlNifRWLock *l)
{
    CHECK_KIND(l, KIND_RWLOCK);
    pthread_rwlock_unlock(&l->lock);
}

int enif_rwlock_tryrwlock(ErlNifRWLock *l)
{
    CHECK_KIND(l, KIND_RWLOCK);
    return pthread_rwlock_trywrlock(&l->lock) == 0 ? 0 : EBUSY;
}

void enif_rwlock_rwlock(ErlNifRWLock *l)
{
    CHECK_KIND(l, KIND_RWLOCK);
    pthread_rwlock_wrlock(&l->lock);
}

void enif_rwlock_rwunlock(ErlNifRWLock *l)
{
    CHECK_KIND(l, KIND_RWLOCK);
    pthread_rwlock_unlock(&l->lock);
}

char *enif_rwlock_name(ErlNifRWLock *l)
{
    return l != NULL ? l->name : NULL;
}

/* ---- thread-specific data ----
 *
 * pthreads have 1024 keys a process, libraries may want more: a key is an index here. Its
 * generation is odd while it is in use; a value counts only if it was set in the same one. */

enum { TSD_KEYS = 1 << 16 };

struct tsd_value {
    uint32_t generation;
    void *value;
};
static _Atomic uint32_t tsd_generation[TSD_KEYS];
static _Atomic uint32_t tsd_hint;                  /* where to look for a free key */
static _Thread_local struct tsd_value *tsd_values; /* owned */
static _Thread_local size_t tsd_n_values;
static pthread_key_t tsd_at_exit;

static void free_values(void *values)
{
    tsd_values = NULL;
    tsd_n_values = 0;
    vm_free(values);
}

static void make_exit_key(void)
{
    VM_REQUIRE(pthread_key_create(&tsd_at_exit, free_values) == 0);
}

int enif_tsd_key_create(char *name, ErlNifTSDKey *key)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void) name;
    pthread_once(&once, make_exit_key);
    uint32_t start = atomic_fetch_add_explicit(&tsd_hint, 1, memory_order_relaxed);
    for (uint32_t i = 0; i < TSD_KEYS; i++) {
        uint32_t k = (start + i) % TSD_KEYS;
        uint32_t generation = atomic_load_explicit(&tsd_generation[k], memory_order_relaxed);
        if (generation % 2 == 0
            && atomic_compare_exchange_strong(&tsd_generation[k], &generation, generation + 1)) {
            *key = (ErlNifTSDKey) k;
            return 0;
        }
    }
    return EAGAIN;
}

/* The key's generation; leaves the call if it is no key in use. */
static uint32_t generation_of(ErlNifTSDKey key, const char *api)
{
    uint32_t generation = (uint32_t) key < TSD_KEYS ? atomic_load(&tsd_generation[key]) : 0;
    check(generation % 2 == 1, api);
    return generation;
}

void enif_tsd_key_destroy(ErlNifTSDKey key)
{
    atomic_store(&tsd_generation[key], generation_of(key, "enif_tsd_key_destroy") + 1);
}

void enif_tsd_set(ErlNifTSDKey key, void *data)
{
    uint32_t generation = generation_of(key, "enif_tsd_set");
    nif_guard_enter();
    if ((size_t) key >= tsd_n_values) {
        size_t n = tsd_n_values == 0 ? 16 : tsd_n_values;
        while (n <= (size_t) key) {
            n *= 2;
        }
        tsd_values = vm_realloc(tsd_values, n * sizeof(*tsd_values));
        memset(tsd_values + tsd_n_values, 0, (n - tsd_n_values) * sizeof(*tsd_values));
        tsd_n_values = n;
        (void) pthread_setspecific(tsd_at_exit, tsd_values);
    }
    tsd_values[key] = (struct tsd_value) { generation, data };
    nif_guard_leave();
}

void *enif_tsd_get(ErlNifTSDKey key)
{
    uint32_t generation = generation_of(key, "enif_tsd_get");
    return (size_t) key < tsd_n_values && tsd_values[key].generation == generation
               ? tsd_values[key].value
               : NULL;
}

/* ---- threads ---- */

static _Thread_local struct ErlDrvTid_ *self;

ErlNifThreadOpts *enif_thread_opts_create(char *name)
{
    ErlNifThreadOpts *opts = vm_alloc(sizeof(*opts));
    (void) name;
    opts->suggested_stack_size = -1;
    return opts;
}

void enif_thread_opts_destroy(ErlNifThreadOpts *opts)
{
    if (opts != NULL && !arena_try_free(arena_vm, opts)) {
        nif_bad_handle("enif_thread_opts_destroy");
    }
}

static void *run_thread(void *arg)
{
    struct ErlDrvTid_ *t = arg;
    self = t;
    if (t->name != NULL) {
        char short_name[16];
        strncpy(short_name, t->name, sizeof(short_name) - 1);
        short_name[sizeof(short_name) - 1] = '\0';
        pthread_setname_np(pthread_self(), short_name);
    }
    return t->func(t->arg);
}

int enif_thread_create(
    char *name, ErlNifTid *tid, void *(*func)(void *), void *args, ErlNifThreadOpts *opts)
{
    enum { KILOWORD = 1024 * sizeof(void *), LEAST_STACK = 64 * 1024 };
    pthread_attr_t attr;
    char *copy = copy_name(name);
    int kilowords = opts != NULL ? opts->suggested_stack_size : -1;
    struct ErlDrvTid_ *t = vm_zalloc(sizeof(*t));
    *t = (struct ErlDrvTid_) { .kind = KIND_THREAD, .name = copy, .func = func, .arg = args };
    pthread_attr_init(&attr);
    if (kilowords > 0) {
        size_t bytes = (size_t) kilowords * KILOWORD;
        (void) pthread_attr_setstacksize(&attr, bytes > LEAST_STACK ? bytes : LEAST_STACK);
    }
    int error = pthread_create(&t->thread, &attr, run_thread, t);
    pthread_attr_destroy(&attr);
    if (error != 0) {
        vm_free(t->name);
        vm_free(t);
        return error;
    }
    if (nif_env_current != NULL && nif_env_current->lib != NULL) {
        nif_env_current->lib->tainted = true; /* its code is never unmapped */
    }
    *tid = t;
    return 0;
}

ErlNifTid enif_thread_self(void)
{
    if (self == NULL) { /* not one of ours: an identity that stays with the thread */
        self = vm_zalloc(sizeof(*self));
        self->kind = KIND_THREAD;
        self->thread = pthread_self();
    }
    return self;
}

int enif_equal_tids(ErlNifTid tid1, ErlNifTid tid2)
{
    return tid1 == tid2;
}

void enif_thread_exit(void *resp)
{
    pthread_exit(resp);
}

int enif_thread_join(ErlNifTid tid, void **respp)
{
    CHECK_KIND(tid, KIND_THREAD);
    void *result = NULL;
    int error = pthread_join(tid->thread, &result);
    if (error != 0) {
        return error;
    }
    if (respp != NULL) {
        *respp = result;
    }
    tid->kind = KIND_DEAD;
    vm_free(tid->name);
    vm_free(tid);
    return 0;
}

char *enif_thread_name(ErlNifTid tid)
{
    return tid != NULL ? tid->name : NULL;
}

/* ---- the same under the drivers' names ---- */

#define DRIVER_NAME(result, name, parameters)                                                      \
    extern result erl_drv_##name parameters                                                        \
        __attribute__((alias("enif_" #name), visibility("default")))

DRIVER_NAME(ErlNifMutex *, mutex_create, (char *) );
DRIVER_NAME(void, mutex_destroy, (ErlNifMutex *) );
DRIVER_NAME(int, mutex_trylock, (ErlNifMutex *) );
DRIVER_NAME(void, mutex_lock, (ErlNifMutex *) );
DRIVER_NAME(void, mutex_unlock, (ErlNifMutex *) );
DRIVER_NAME(char *, mutex_name, (ErlNifMutex *) );
DRIVER_NAME(ErlNifCond *, cond_create, (char *) );
DRIVER_NAME(void, cond_destroy, (ErlNifCond *) );
DRIVER_NAME(void, cond_signal, (ErlNifCond *) );
DRIVER_NAME(void, cond_broadcast, (ErlNifCond *) );
DRIVER_NAME(void, cond_wait, (ErlNifCond *, ErlNifMutex *) );
DRIVER_NAME(char *, cond_name, (ErlNifCond *) );
DRIVER_NAME(ErlNifRWLock *, rwlock_create, (char *) );
DRIVER_NAME(void, rwlock_destroy, (ErlNifRWLock *) );
DRIVER_NAME(int, rwlock_tryrlock, (ErlNifRWLock *) );
DRIVER_NAME(void, rwlock_rlock, (ErlNifRWLock *) );
DRIVER_NAME(void, rwlock_runlock, (ErlNifRWLock *) );
DRIVER_NAME(int, rwlock_tryrwlock, (ErlNifRWLock *) );
DRIVER_NAME(void, rwlock_rwlock, (ErlNifRWLock *) );
DRIVER_NAME(void, rwlock_rwunlock, (ErlNifRWLock *) );
DRIVER_NAME(char *, rwlock_name, (ErlNifRWLock *) );
DRIVER_NAME(int, tsd_key_create, (char *, ErlNifTSDKey *) );
DRIVER_NAME(void, tsd_key_destroy, (ErlNifTSDKey));
DRIVER_NAME(void, tsd_set, (ErlNifTSDKey, void *) );
DRIVER_NAME(void *, tsd_get, (ErlNifTSDKey));
DRIVER_NAME(ErlNifThreadOpts *, thread_opts_create, (char *) );
DRIVER_NAME(void, thread_opts_destroy, (ErlNifThreadOpts *) );
DRIVER_NAME(
    int, thread_create, (char *, ErlNifTid *, void *(*) (void *), void *, ErlNifThreadOpts *) );
DRIVER_NAME(ErlNifTid, thread_self, (void) );
DRIVER_NAME(int, equal_tids, (ErlNifTid, ErlNifTid));
DRIVER_NAME(void, thread_exit, (void *) );
DRIVER_NAME(int, thread_join, (ErlNifTid, void **) );
DRIVER_NAME(char *, thread_name, (ErlNifTid));
