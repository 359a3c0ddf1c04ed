/* misdeed_fault.c - signals, stacks and panics; and faults in unfortunate places. */
#define _GNU_SOURCE
#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bulkhead_nif.h>

#include "misdeeds.h"

void write_null(void)
{
    volatile int *nowhere = NULL;
    HIDE(nowhere);
    *nowhere = 1;
}

ERL_NIF_TERM misdeed_segv(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    write_null();
    return arg;
}

ERL_NIF_TERM misdeed_wild_jump(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    void (*nowhere)(void) = (void (*)(void))(uintptr_t) 0x1234;
    (void) env;
    HIDE(nowhere);
    nowhere();
    return arg;
}

ERL_NIF_TERM misdeed_lost_stack(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    __asm__ volatile("mov $0x10, %%rsp; push %%rax" ::: "memory");
    return arg;
}

ERL_NIF_TERM misdeed_bus(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    int fd = memfd_create("short", MFD_CLOEXEC);
    char *p = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, 4096) == 0) {
        p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (p != MAP_FAILED) {
        *(volatile char *) (p + 4096) = 1;
    }
    return arg;
}

ERL_NIF_TERM misdeed_fpe(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    volatile int zero = 0;
    (void) arg;
    return enif_make_int(env, 42 / zero);
}

ERL_NIF_TERM misdeed_ill(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    __asm__ volatile("ud2");
    return arg;
}

ERL_NIF_TERM misdeed_trap(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    __asm__ volatile("int3");
    return arg;
}

ERL_NIF_TERM misdeed_abrt(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env, (void) arg;
    abort();
}

ERL_NIF_TERM misdeed_sys(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    raise(SIGSYS);
    return arg;
}

__attribute__((noinline)) static int dig(volatile int *depth)
{
    volatile char frame[2000];
    frame[0] = (char) *depth;
    *depth += 1;
    return *depth < 0 ? 0 : dig(depth) + frame[0]; /* it will never be */
}

ERL_NIF_TERM misdeed_stack_overflow(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    volatile int depth = 0;
    (void) arg;
    return enif_make_int(env, dig(&depth));
}

ERL_NIF_TERM misdeed_panic(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    return nif_panic(env, "state is broken: %T", arg);
}

ERL_NIF_TERM misdeed_failed_assert(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    assert(env == NULL);
    return arg;
}

ERL_NIF_TERM misdeed_bad_term(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env, (void) arg;
    return (ERL_NIF_TERM) UINT64_C(0x123456789a); /* boxed, and nothing is there */
}

/* ---- in unfortunate places ---- */

static void crash_on_signal(int number)
{
    (void) number;
    write_null();
}

static void *send_signals(void *thread)
{
    for (;;) {
        usleep(300);
        raw_system_call(SYS_tgkill, getpid(), *(pid_t *) thread, SIGUSR1, 0);
    }
    return NULL;
}

/* A signal interrupts malloc, and its handler crashes: whatever malloc had locked stays locked. */
ERL_NIF_TERM misdeed_in_malloc(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    static pid_t self;
    pthread_t helper;
    (void) env;
    self = gettid();
    signal(SIGUSR1, crash_on_signal);
    if (pthread_create(&helper, NULL, send_signals, &self) == 0) {
        for (size_t n = 1;; n = n % 5000 + 7) {
            void *p = malloc(n);
            HIDE(p);
            free(p);
        }
    }
    return arg;
}

ERL_NIF_TERM misdeed_in_printf(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    const char *text = (const char *) (uintptr_t) 8;
    (void) env;
    HIDE(text);
    printf("%s\n", text); /* holds the lock of stdout when it crashes */
    return arg;
}

static int crash_comparing(const void *a, const void *b)
{
    (void) a, (void) b;
    write_null();
    return 0;
}

ERL_NIF_TERM misdeed_in_qsort(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    int numbers[4000] = { 3, 1, 2 };
    (void) env;
    qsort(numbers, 4000, sizeof(*numbers), crash_comparing);
    return arg;
}

static void *crash(void *arg)
{
    write_null();
    return arg;
}

ERL_NIF_TERM misdeed_in_thread(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifTid thread;
    void *value;
    (void) env;
    if (enif_thread_create("doomed", &thread, crash, NULL, NULL) == 0) {
        enif_thread_join(thread, &value);
    }
    return arg;
}

ERL_NIF_TERM misdeed_with_lock(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    static ErlNifMutex *mutex;
    (void) env;
    mutex = enif_mutex_create("held");
    enif_mutex_lock(mutex);
    write_null();
    enif_mutex_unlock(mutex);
    return arg;
}
