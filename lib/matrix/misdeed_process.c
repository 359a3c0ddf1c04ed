/* misdeed_process.c - what concerns the whole OS process: its end, its copies, its descriptors and its
 * signals. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "misdeeds.h"

long raw_system_call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result = number;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"(a), "S"(b), "d"(c), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
}

ERL_NIF_TERM misdeed_exit(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env, (void) arg;
    exit(3);
}

ERL_NIF_TERM misdeed__exit(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env, (void) arg;
    _exit(4);
}

ERL_NIF_TERM misdeed_raw_exit(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    raw_system_call(SYS_exit_group, 5, 0, 0, 0);
    return arg;
}

ERL_NIF_TERM misdeed_raw_kill(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    raw_system_call(SYS_kill, getpid(), SIGKILL, 0, 0);
    return arg;
}

/* arg: the VM's OS process, which need not be the one that runs this. */
ERL_NIF_TERM misdeed_kill_vm(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    int pid;
    if (!enif_get_int(env, arg, &pid) || pid <= 1) {
        return enif_make_badarg(env);
    }
    raw_system_call(SYS_kill, pid, SIGKILL, 0, 0);
    return arg;
}

static void *exit_six(void *arg)
{
    (void) arg;
    exit(6);
}

ERL_NIF_TERM misdeed_exit_in_thread(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    pthread_t thread;
    (void) env;
    if (pthread_create(&thread, NULL, exit_six, NULL) == 0) {
        pthread_join(thread, NULL);
    }
    return arg;
}

ERL_NIF_TERM misdeed_thread_exit(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env, (void) arg;
    pthread_exit(NULL);
}

ERL_NIF_TERM misdeed_exec(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    char *argv[] = { "true", NULL };
    (void) env;
    execvp(argv[0], argv);
    return arg;
}

/* Both return: who comes back a second time? */
ERL_NIF_TERM misdeed_fork(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    pid_t child = fork();
    (void) arg;
    return enif_make_atom(env, child == 0 ? "child" : "parent");
}

ERL_NIF_TERM misdeed_close_all(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) arg;
    for (int fd = 0; fd < 1024; fd++) {
        close(fd);
    }
    return enif_make_atom(env, "closed");
}

ERL_NIF_TERM misdeed_block_signals(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    sigset_t all;
    (void) env;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    write_null(); /* a fault that is blocked ends the process */
    return arg;
}

static void end_on_signal(int number)
{
    _exit(100 + number);
}

ERL_NIF_TERM misdeed_handle_signals(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) env;
    for (int number = 1; number < 32; number++) {
        signal(number, end_on_signal);
    }
    write_null();
    return arg;
}

/* Takes the VM's handler away behind everybody's back, and faults. */
ERL_NIF_TERM misdeed_raw_handler(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    uint64_t by_default[4] = { 0 };
    (void) env;
    raw_system_call(SYS_rt_sigaction, SIGSEGV, (long) by_default, 0, sizeof(uint64_t));
    write_null();
    return arg;
}
