/* soak_killer_nif.c - kills a worker, and nothing that has got its number meanwhile. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <erl_nif.h>

static int is_worker(int pid)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, name, sizeof(name) - 1) : 0;
    if (fd >= 0) {
        close(fd);
    }
    return n > 0 && strncmp(name, "bulkhead-worker", 15) == 0;
}

static ERL_NIF_TERM kill_worker(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int pid, killed = 0;
    (void) argc;
    if (!enif_get_int(env, argv[0], &pid) || pid <= 1) {
        return enif_make_badarg(env);
    }
    int fd = (int) syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0) {
        /* Looked at after it was opened: the number is that process's for as long as fd names one. */
        killed = is_worker(pid) && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
        close(fd);
    }
    return enif_make_int(env, killed);
}

static ErlNifFunc functions[] = { { "kill", 1, kill_worker, 0 } };

ERL_NIF_INIT(soak_killer, functions, NULL, NULL, NULL, NULL)
