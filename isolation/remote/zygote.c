#include "isolation/remote/zygote.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "isolation/remote/zygote_wire.h"
#include "lib/base/lock.h"
#include "lib/base/memory_file.h"
#include "lib/base/service_thread.h"

enum { STOP_PATIENCE_MS = 2000 };

static struct zygote zygote = { .socket = -1, .pidfd = -1 };
static struct lock lock; /* guards it */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up(void)
{
    lock_init(&lock, RANK_ZYGOTE);
}

static void take_lock(void)
{
    pthread_once(&once, set_up);
    lock_take(&lock);
}

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP 4u /* Linux 6.9; before, EINVAL */
#endif

static void signal_pidfd(int pidfd, unsigned flags)
{
    (void) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, flags);
}

static bool wait_for(idtype_t type, int id, siginfo_t *si)
{
    int result;
    memset(si, 0, sizeof(*si));
    do {
        result = waitid(type, (id_t) id, si, WEXITED | __WALL);
    } while (result < 0 && errno == EINTR);
    return result == 0;
}

/* A child of ours that nobody else will ever reap: its pid cannot be a stranger's. */
static void end_useless(int pid)
{
    siginfo_t si;
    if (pid > 0 && kill(pid, SIGKILL) == 0) {
        (void) wait_for(P_PID, pid, &si);
    }
}

/* ---- requests ---- */

static const char *step_name(uint32_t step)
{
    switch ((enum zygote_step) step) {
    case ZYGOTE_STEP_SOCKET: return "making its socket";
    case ZYGOTE_STEP_FORK: return "forking it";
    case ZYGOTE_STEP_WATCH: return "watching it";
    case ZYGOTE_STEP_SEND: return "handing it over";
    case ZYGOTE_STEP_NONE: break;
    }
    return "starting it";
}

static void describe(char error[200], const char *what, int number)
{
    snprintf(error, 200, "%s: %s", what, memory_file_error(number));
}

enum answer { ANSWER_YES, ANSWER_NO, ANSWER_GONE };

/* All descriptors that came, whether they were wanted or not. */
static size_t take_fds(struct msghdr *m, int fds[ZYGOTE_REPLY_FDS])
{
    size_t n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < came; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (n < ZYGOTE_REPLY_FDS) {
                fds[n++] = fd;
            } else {
                close(fd);
            }
        }
    }
    return n;
}

static enum answer ask(struct worker_process *out, char error[200])
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(ZYGOTE_REPLY_FDS * sizeof(int))];
    } control;
    struct zygote_reply reply;
    struct iovec part = { &reply, sizeof(reply) };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
    int fds[ZYGOTE_REPLY_FDS] = { -1, -1 };
    ssize_t n;
    atomic_store(&zygote.page->forked, 0);
    do {
        n = send(zygote.socket, "", 1, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n != 1) {
        return ANSWER_GONE;
    }
    do {
        n = recvmsg(zygote.socket, &m, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n != (ssize_t) sizeof(reply) || reply.version != ZYGOTE_VERSION) {
        return ANSWER_GONE; /* also: no answer for very long */
    }
    size_t n_fds = take_fds(&m, fds);
    if (n_fds == ZYGOTE_REPLY_FDS && (m.msg_flags & MSG_CTRUNC) == 0) {
        *out = (struct worker_process) { .pid = reply.pid, .pidfd = fds[0], .socket = fds[1] };
        return ANSWER_YES;
    }
    end_useless(reply.pid);
    base_close_fd(&fds[0]);
    base_close_fd(&fds[1]);
    if (reply.step != ZYGOTE_STEP_NONE) {
        describe(error, step_name(reply.step), reply.error);
    } else {
        describe(error, "receiving its descriptors", EMFILE);
    }
    return ANSWER_NO;
}

/* Until its keeper has reaped it. */
static void await_end(int patience_ms)
{
    static const struct timespec moment = { .tv_nsec = 20 * 1000 };
    struct pollfd ended = { .fd = zygote.pidfd, .events = POLLIN };
    if (poll(&ended, 1, patience_ms) != 1) {
        signal_pidfd(zygote.pidfd, 0);
    }
    while (zygote_pid() != 0) {
        nanosleep(&moment, NULL);
    }
}

/* It has ended, or does not do what it should. */
static void lose_zygote(void)
{
    base_close_fd(&zygote.socket);
    signal_pidfd(zygote.pidfd, 0);
    await_end(0);
    end_useless(atomic_load(&zygote.page->forked));
}

bool zygote_spawn(struct worker_process *out, char error[200])
{
    enum { ATTEMPTS = 3 };
    enum answer answer = ANSWER_GONE;
    take_lock();
    for (unsigned i = 0; i < ATTEMPTS && answer == ANSWER_GONE; i++) {
        if (zygote.socket < 0 && !zygote_start(&zygote, error)) {
            answer = ANSWER_NO;
            break;
        }
        answer = ask(out, error);
        if (answer == ANSWER_GONE) {
            lose_zygote();
        }
    }
    if (answer == ANSWER_GONE) {
        snprintf(error, 200, "%.150s ends when it is asked for one", zygote_find_program());
    }
    lock_drop(&lock);
    return answer == ANSWER_YES;
}

static void *prepare(void *arg)
{
    char error[200];
    (void) arg;
    take_lock();
    /* If not: whoever wants a worker tries again, and says why. */
    bool started = zygote.socket >= 0 || zygote_start(&zygote, error);
    lock_drop(&lock);
    (void) started;
    return NULL;
}

void zygote_prepare(void)
{
    int no_thread = service_thread_start(NULL, prepare, NULL);
    (void) no_thread; /* likewise */
}

/* ---- workers ---- */

struct worker_end worker_process_reap(struct worker_process *p)
{
    siginfo_t si;
    bool known = wait_for(P_PIDFD, p->pidfd, &si);
    signal_pidfd(p->pidfd, PIDFD_SIGNAL_PROCESS_GROUP); /* what its libraries forked */
    if (!known) {
        return (struct worker_end) { .signalled = false, .number = -1 };
    }
    return (struct worker_end) { .signalled = si.si_code != CLD_EXITED, .number = si.si_status };
}

void worker_process_kill(const struct worker_process *p)
{
    signal_pidfd(p->pidfd, 0);
    signal_pidfd(p->pidfd, PIDFD_SIGNAL_PROCESS_GROUP);
}

void worker_process_close(struct worker_process *p)
{
    base_close_fd(&p->pidfd);
    base_close_fd(&p->socket);
}

/* ---- the zygote itself ---- */

int zygote_pid(void)
{
    return atomic_load_explicit(&zygote.pid, memory_order_relaxed);
}

void zygote_stop(void)
{
    take_lock();
    if (zygote.socket >= 0) {
        base_close_fd(&zygote.socket);
        await_end(STOP_PATIENCE_MS);
    }
    lock_drop(&lock);
}
