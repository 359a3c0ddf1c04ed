/* zygote_start.c - finding the worker program and starting it as the zygote.
 *
 * Workers are told to die with their parent, and the kernel takes the thread that made the child for
 * its parent. The zygote is therefore started, and reaped, by a thread of its own that never ends:
 *
 *   zygote_start() ─ wanted ─► keeper: posix_spawn ─ done ─► zygote_start()
 *                              then waits for the zygote's end, reaps it, waits for `wanted`
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolation/remote/zygote.h"
#include "isolation/remote/zygote_wire.h"
#include "lib/base/installed.h"
#include "lib/base/memory_file.h"
#include "lib/base/service_thread.h"

enum { ANSWER_PATIENCE_S = 10 };

const char *zygote_program;

/* ---- where the program is ---- */

const char *zygote_find_program(void)
{
    static char found[PATH_MAX];
    char directory[PATH_MAX];
    const char *named = zygote_program != NULL ? zygote_program : secure_getenv("BULKHEAD_WORKER");
    if (named != NULL && named[0] != '\0') {
        return named;
    }
    if (installed_directory(directory)) {
        int n = snprintf(found, sizeof(found), "%sbulkhead-worker", directory);
        if ((n > 0 && n < PATH_MAX && access(found, X_OK) == 0) || installed_find(WORKER_PATH, found)) {
            return found;
        }
    }
    return WORKER_PATH;
}

/* ---- the keeper ---- */

static struct {
    sem_t wanted, done;
    bool runs;
    struct zygote *zygote;
    /* A request, and what became of it. */
    const char *program;
    int socket, page; /* the zygote's ends */
    int error;
} keeper;

/* With the two descriptors and the standard ones, nothing else. errno. */
static int spawn_program(pid_t *pid, char **argv)
{
    posix_spawn_file_actions_t fds;
    int error = posix_spawn_file_actions_init(&fds);
    if (error != 0) {
        return error;
    }
    if ((error = posix_spawn_file_actions_adddup2(&fds, keeper.socket, ZYGOTE_SOCKET)) == 0
        && (error = posix_spawn_file_actions_adddup2(&fds, keeper.page, ZYGOTE_PAGE)) == 0
        && (error = posix_spawn_file_actions_addclosefrom_np(&fds, ZYGOTE_PAGE + 1)) == 0) {
        error = posix_spawn(pid, keeper.program, &fds, NULL, argv, environ);
    }
    posix_spawn_file_actions_destroy(&fds);
    return error;
}

static void start_child(void)
{
    char vm[16];
    char *argv[] = { (char *) keeper.program, (char *) ZYGOTE_ARGUMENT, vm, NULL };
    struct zygote *z = keeper.zygote;
    siginfo_t si;
    pid_t pid;
    snprintf(vm, sizeof(vm), "%d", (int) getpid());
    base_close_fd(&z->pidfd);
    keeper.error = spawn_program(&pid, argv);
    if (keeper.error != 0) {
        return;
    }
    z->pidfd = (int) syscall(SYS_pidfd_open, pid, 0); /* nobody else reaps it: it is the one */
    if (z->pidfd < 0) {
        keeper.error = errno;
        kill(pid, SIGKILL);
        (void) waitid(P_PID, (id_t) pid, &si, WEXITED | __WALL);
        return;
    }
    atomic_store(&z->pid, pid);
}

static void *keep(void *arg)
{
    (void) arg;
    for (;;) {
        siginfo_t si;
        while (sem_wait(&keeper.wanted) != 0) {
        }
        start_child();
        int pidfd = keeper.zygote->pidfd; /* stays open until the next start */
        bool started = keeper.error == 0;
        sem_post(&keeper.done);
        if (started) {
            while (waitid(P_PIDFD, (id_t) pidfd, &si, WEXITED | __WALL) < 0 && errno == EINTR) {
            }
            atomic_store(&keeper.zygote->pid, 0);
        }
    }
    return NULL;
}

/* A thread that no signal interrupts: what it forks is in the middle of everything. */
static int start_keeper(struct zygote *z)
{
    struct sigaction child;
    if (keeper.runs) {
        return 0;
    }
    /* If our parent had us ignore it, the kernel would throw away how workers ended. */
    if (sigaction(SIGCHLD, NULL, &child) == 0 && child.sa_handler == SIG_IGN) {
        signal(SIGCHLD, SIG_DFL);
    }
    sem_init(&keeper.wanted, 0, 0);
    sem_init(&keeper.done, 0, 0);
    keeper.zygote = z;
    int error = service_thread_start(NULL, keep, NULL);
    keeper.runs = error == 0;
    return error;
}

/* ---- starting it ---- */

/* To a number above those that the zygote will know them by, so that dup2 cannot hit them. */
static void move_up(int *fd)
{
    if (*fd >= 0 && *fd <= ZYGOTE_PAGE) {
        int moved = fcntl(*fd, F_DUPFD_CLOEXEC, ZYGOTE_PAGE + 1);
        int error = errno;
        close(*fd);
        *fd = moved;
        errno = error;
    }
}

/* The page; its descriptor stays open for zygotes to come. */
static bool map_page(struct zygote *z)
{
    if (z->page != NULL) {
        return true;
    }
    scope_fd int fd = memory_file_new("zygote", sizeof(*z->page));
    move_up(&fd);
    if (fd < 0) {
        return false;
    }
    void *at = mmap(NULL, sizeof(*z->page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        return false;
    }
    z->page = at;
    keeper.page = base_take_fd(&fd);
    return true;
}

/* Both ends; the zygote's in keeper.socket. errno. */
static int make_socket(int *vm_end)
{
    static const struct timeval patience = { .tv_sec = ANSWER_PATIENCE_S };
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return errno;
    }
    move_up(&ends[1]);
    if (ends[1] < 0 || setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0) {
        int error = errno;
        base_close_fd(&ends[0]);
        base_close_fd(&ends[1]);
        return error;
    }
    *vm_end = ends[0];
    keeper.socket = ends[1];
    return 0;
}

bool zygote_start(struct zygote *z, char error[200])
{
    const char *what = "preparing for it";
    scope_fd int socket = -1;
    int number = map_page(z) ? start_keeper(z) : errno;
    if (number == 0) {
        number = make_socket(&socket);
    }
    if (number == 0) {
        keeper.program = what = zygote_find_program();
        sem_post(&keeper.wanted);
        while (sem_wait(&keeper.done) != 0) {
        }
        base_close_fd(&keeper.socket);
        number = keeper.error;
    }
    if (number == 0) {
        z->socket = base_take_fd(&socket);
        return true;
    }
    snprintf(error, 200, "%.100s: %s", what, memory_file_error(number));
    return false;
}
