#include "vm/proc/port_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/service_thread.h"
#include "vm/proc/sched.h"

/* ---- the poll thread ---- */

static int epoll_fd = -1; /* set once */

/* Of a program whose port is gone: pid in the upper half. Ids of ports have the tag of a port. */
enum { REAP_MARK = 1 };

static void handle_event(uint64_t word)
{
    if (word & TERM_IMMED_MASK & ~(uint64_t) REAP_MARK) {
        proc_wake((term) { word });
        return;
    }
    int pid = (int) (word >> 36), fd = (int) (word >> 4);
    (void) waitpid(pid, NULL, WNOHANG);
    close(fd);
}

static void *poll_main(void *arg)
{
    struct epoll_event events[64];
    (void) arg;
    for (;;) {
        int n = epoll_wait(epoll_fd, events, (int) ARRAY_LEN(events), -1);
        for (int i = 0; i < n; i++) {
            handle_event(events[i].data.u64);
        }
    }
    return NULL;
}

static bool prepare_poll(void)
{
    if (epoll_fd < 0) {
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    }
    return epoll_fd >= 0;
}

static struct service_thread poller = SERVICE_THREAD(poll_main, prepare_poll);

int port_poll_start(void)
{
    return service_thread_want(&poller);
}

static bool watch(int fd, uint32_t events, uint64_t word)
{
    struct epoll_event e = { .events = events | EPOLLONESHOT, .data.u64 = word };
    return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &e) == 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

void port_poll_arm(int fd, term id, bool in, bool out)
{
    if (!watch(fd, (in ? EPOLLIN : 0u) | (out ? EPOLLOUT : 0u), id.word)) {
        proc_wake(id); /* a plain file: always ready */
    }
}

void port_poll_forget(int fd)
{
    if (epoll_fd >= 0) {
        (void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
}

void port_poll_reap(int pidfd, int pid)
{
    uint64_t word = (uint64_t) (unsigned) pid << 36 | (uint64_t) (unsigned) pidfd << 4 | REAP_MARK;
    if (!watch(pidfd, EPOLLIN, word)) {
        handle_event(word);
    }
}

/* ---- programs ---- */

struct pipes {
    int to[2], from[2]; /* [0]: read end */
};

static void close_pipes(const struct pipes *p)
{
    for (int i = 0; i < 2; i++) {
        if (p->to[i] >= 0) {
            close(p->to[i]);
        }
        if (p->from[i] >= 0) {
            close(p->from[i]);
        }
    }
}

static int open_pipes(const struct port_options *o, struct pipes *p)
{
    *p = (struct pipes) { { -1, -1 }, { -1, -1 } };
    if ((o->out && pipe2(p->to, O_CLOEXEC) < 0) || (o->in && pipe2(p->from, O_CLOEXEC) < 0)) {
        int error = errno;
        close_pipes(p);
        return error;
    }
    if (o->out) {
        (void) fcntl(p->to[1], F_SETFL, O_NONBLOCK);
    }
    if (o->in) {
        (void) fcntl(p->from[0], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

/* What the child does between fork and exec. */
static int prepare(posix_spawn_file_actions_t *a, const struct port_program *program, const struct port_options *o,
    const struct pipes *p)
{
    int in = o->use_stdio ? 0 : 3, out = o->use_stdio ? 1 : 4, error = 0;
    if (o->out) {
        error = posix_spawn_file_actions_adddup2(a, p->to[0], in);
    } else {
        error = posix_spawn_file_actions_addopen(a, in, "/dev/null", O_RDONLY, 0);
    }
    if (error == 0 && o->in) {
        error = posix_spawn_file_actions_adddup2(a, p->from[1], out);
    }
    if (error == 0 && o->stderr_to_stdout) {
        error = posix_spawn_file_actions_adddup2(a, out, 2);
    }
    if (error == 0 && program->cd != NULL) {
        error = posix_spawn_file_actions_addchdir_np(a, program->cd);
    }
    if (error == 0) {
        error = posix_spawn_file_actions_addclosefrom_np(a, o->use_stdio ? 3 : 5);
    }
    return error;
}

static int spawn_program(const struct port_program *program, const struct port_options *o, const struct pipes *p, int *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = prepare(&actions, program, o, p);
    if (error == 0) {
        error = posix_spawn(pid, program->path, &actions, &attr, program->argv, program->envp);
    }
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int port_child_start(const struct port_program *program, const struct port_options *o, struct port_child *out)
{
    struct pipes p;
    int pid, error = open_pipes(o, &p);
    if (error != 0) {
        return error;
    }
    error = spawn_program(program, o, &p, &pid);
    if (error != 0) {
        close_pipes(&p);
        return error;
    }
    int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) { /* no descriptor is left */
        error = errno;
        close_pipes(&p);
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return error;
    }
    *out = (struct port_child) { .pid = pid, .pidfd = pidfd, .to = p.to[1], .from = p.from[0] };
    if (p.to[0] >= 0) {
        close(p.to[0]);
    }
    if (p.from[1] >= 0) {
        close(p.from[1]);
    }
    return 0;
}
