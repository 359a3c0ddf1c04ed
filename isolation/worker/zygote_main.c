/* zygote_main.c - the program bulkhead-worker: executed once by the VM, then forks workers.
 *
 *   VM                                 zygote                              worker
 *   one byte on the socket  ────────►  socketpair, clone3
 *   child of the VM  ◄───────────────────────────────────────────────────  born: a process group of
 *   pidfd, socket  ◄─────────────────  reply                               its own, worker_main()
 *   ends, or closes the socket  ────►  kills them all, ends
 *
 * The zygote has one thread for ever and runs no library code, so that forking it is safe and what a
 * worker inherits is always the same. Workers die with the VM in three ways: by PDEATHSIG; if they
 * undid that, by the zygote, which watches the VM by pidfd; if the zygote is dead as well, by the end
 * of their socket. What a worker's libraries forked is in the worker's process group and is killed
 * with it, unless it left that group.
 *
 * Workers share the layout of their memory and the key that mangles stored code addresses (setjmp,
 * atexit), as every child of a fork does; the stack protector's secret is new in each.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/remote/zygote_wire.h"
#include "isolation/worker/worker.h"

enum { MAX_WORKERS = 4096, WORKER_SOCKET = ZYGOTE_SOCKET, OOM_SCORE = 500 };
#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP 4u
#endif

_Static_assert(sizeof(ZYGOTE_ARGUMENT) == sizeof("worker"), "one is written over the other");

static int vm_pid;
static char *role; /* argv[1] */
static int epoll_fd, vm_pidfd;
static int workers[MAX_WORKERS]; /* pidfds of those that live */
static unsigned n_workers;
static struct zygote_page *page;
static int *tid_address;   /* where libc keeps the id of this thread */
static void *robust_list;  /* and the list of robust mutexes that it holds */
static size_t robust_bytes;

_Noreturn static void fail(const char *what)
{
    dprintf(2, "bulkhead-worker: %s: %s\n", what, strerror(errno));
    _exit(1);
}

/* Whatever the worker forked. Also of a worker that has been reaped: a pidfd never means a stranger. */
static void kill_group(int pidfd)
{
    syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, PIDFD_SIGNAL_PROCESS_GROUP);
}

/* The VM has ended or wants us to. */
_Noreturn static void end(void)
{
    for (unsigned i = 0; i < n_workers; i++) {
        syscall(SYS_pidfd_send_signal, workers[i], SIGKILL, NULL, 0);
        kill_group(workers[i]);
    }
    _exit(0);
}

static bool watch(int fd)
{
    struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static void forget_worker(int pidfd)
{
    for (unsigned i = 0; i < n_workers; i++) {
        if (workers[i] == pidfd) {
            workers[i] = workers[--n_workers];
            break;
        }
    }
    kill_group(pidfd);
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, pidfd, NULL); /* closing it is not enough: the VM has it as well */
    close(pidfd);
}

/* ---- the child ---- */

/* A new secret for the functions called from here on. Those that were called do not return. */
ALWAYS_INLINE void renew_stack_guard(void)
{
    uint64_t secret;
    if (getrandom(&secret, sizeof(secret), 0) == (ssize_t) sizeof(secret)) {
        secret &= ~UINT64_C(0xFF); /* a byte that ends strings */
        __asm__ volatile("movq %0, %%fs:0x28" ::"r"(secret));
    }
}

_Noreturn static void become_worker(int socket)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != vm_pid) {
        _exit(0);
    }
    setpgid(0, 0);
    /* libc's fork() does this; without it the kernel never says that a holder of a mutex has died. */
    syscall(SYS_set_robust_list, robust_list, robust_bytes);
    if (dup2(socket, WORKER_SOCKET) < 0 || fcntl(WORKER_SOCKET, F_SETFD, FD_CLOEXEC) < 0) {
        _exit(1);
    }
    close_range(WORKER_SOCKET + 1, ~0u, 0);
    prctl(PR_SET_NAME, "bulkhead-worker");
    memcpy(role, "worker", sizeof(ZYGOTE_ARGUMENT) - 1); /* what ps shows */
    renew_stack_guard();
    worker_main(WORKER_SOCKET);
}

/* ---- requests ---- */

/* A child of the VM, not of ours. */
static long fork_worker(int *pidfd)
{
    struct clone_args args = {
        .flags = CLONE_PARENT | CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
        .pidfd = (uintptr_t) pidfd,
        .parent_tid = (uintptr_t) &page->forked,
        .child_tid = (uintptr_t) tid_address,
    };
    long pid = syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0 && errno == ENOSYS) {
        /* Containers may forbid clone3. clone has one place for both the pidfd and the pid; but until we
         * tell the VM of it, nobody reaps the child. */
        pid = syscall(SYS_clone, args.flags & ~(uint64_t) CLONE_PIDFD, NULL, &page->forked, tid_address, 0);
        if (pid > 0) {
            *pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        }
    }
    return pid;
}

static bool send_reply(struct zygote_reply *r, const int fds[ZYGOTE_REPLY_FDS])
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(ZYGOTE_REPLY_FDS * sizeof(int))];
    } control = { .header = { .cmsg_len = CMSG_LEN(ZYGOTE_REPLY_FDS * sizeof(int)),
                      .cmsg_level = SOL_SOCKET,
                      .cmsg_type = SCM_RIGHTS } };
    struct iovec part = { r, sizeof(*r) };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
    if (fds != NULL) {
        memcpy(CMSG_DATA(&control.header), fds, ZYGOTE_REPLY_FDS * sizeof(int));
        m.msg_control = &control;
        m.msg_controllen = sizeof(control);
    }
    ssize_t n;
    do {
        n = sendmsg(ZYGOTE_SOCKET, &m, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t) sizeof(*r);
}

static enum zygote_step make_worker(struct zygote_reply *r)
{
    int ends[2], pidfd = -1;
    if (n_workers == MAX_WORKERS) {
        errno = EAGAIN;
        return ZYGOTE_STEP_WATCH;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return ZYGOTE_STEP_SOCKET;
    }
    long pid = fork_worker(&pidfd);
    if (pid == 0) {
        become_worker(ends[1]);
    }
    int error = errno;
    enum zygote_step failed = pid < 0 ? ZYGOTE_STEP_FORK : ZYGOTE_STEP_NONE;
    if (pid > 0) {
        r->pid = (int32_t) pid;
        if (pidfd < 0 || !watch(pidfd)) {
            failed = ZYGOTE_STEP_WATCH;
        } else if (!send_reply(r, (const int[]) { pidfd, ends[0] })) {
            failed = ZYGOTE_STEP_SEND;
        }
        error = errno;
        if (failed == ZYGOTE_STEP_NONE) {
            workers[n_workers++] = pidfd;
        } else {
            base_close_fd(&pidfd); /* the VM kills it */
        }
    }
    close(ends[0]);
    close(ends[1]);
    errno = error;
    return failed;
}

static void serve_request(void)
{
    char byte;
    struct zygote_reply r = { .version = ZYGOTE_VERSION };
    ssize_t n = recv(ZYGOTE_SOCKET, &byte, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        end();
    }
    r.step = make_worker(&r);
    if (r.step != ZYGOTE_STEP_NONE) {
        r.error = errno;
        (void) send_reply(&r, NULL); /* if that fails, the VM finds no answer and starts another zygote */
    }
}

/* ---- main ---- */

/* The VM's blocked and ignored signals are not a worker's. SIGPIPE is ignored, as libraries know it. */
static void reset_signals(void)
{
    sigset_t none;
    for (int i = 1; i < _NSIG; i++) {
        if (i != SIGKILL && i != SIGSTOP) {
            signal(i, i == SIGPIPE ? SIG_IGN : SIG_DFL);
        }
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Under pressure the kernel should take a worker, not the VM. */
static void offer_to_oom_killer(void)
{
    char text[16] = "";
    int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof(text) - 1) > 0 && atoi(text) < OOM_SCORE) {
            (void) !pwrite(fd, "500", 3, 0);
        }
        close(fd);
    }
}

/* Descriptors 0, 1 and 2 exist; nothing is read from the terminal. */
static void set_standard_fds(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        fail("/dev/null");
    }
    dup2(null, 0);
    for (int fd = 1; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            dup2(null, fd);
        }
    }
    close(null);
}

static void prepare(void)
{
    prctl(PR_SET_NAME, "bulkhead-zygote");
    setsid(); /* the terminal's signals go to the VM */
    reset_signals();
    set_standard_fds();
    offer_to_oom_killer();
    fcntl(ZYGOTE_SOCKET, F_SETFD, FD_CLOEXEC);
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, ZYGOTE_PAGE, 0);
    if (page == MAP_FAILED || madvise(page, sizeof(*page), MADV_DONTFORK) != 0) {
        fail("shared page");
    }
    close(ZYGOTE_PAGE);
    if (prctl(PR_GET_TID_ADDRESS, &tid_address) != 0 || tid_address == NULL) {
        fail("this kernel does not tell where the thread's id is (CONFIG_CHECKPOINT_RESTORE)");
    }
    if (syscall(SYS_get_robust_list, 0, &robust_list, &robust_bytes) != 0) {
        fail("get_robust_list");
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    vm_pidfd = (int) syscall(SYS_pidfd_open, vm_pid, 0);
    if (getppid() != vm_pid) {
        _exit(0);
    }
    if (vm_pidfd < 0 || epoll_fd < 0 || !watch(vm_pidfd) || !watch(ZYGOTE_SOCKET)) {
        fail("watching the VM");
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], ZYGOTE_ARGUMENT) != 0) {
        dprintf(2, "bulkhead-worker: bulkhead starts this program for libraries of native functions; it is of no use alone\n");
        return 2;
    }
    role = argv[1];
    vm_pid = atoi(argv[2]);
    prepare();
    for (;;) {
        struct epoll_event ready[16];
        int n = epoll_wait(epoll_fd, ready, ARRAY_LEN(ready), -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == vm_pidfd) {
                end();
            } else if (ready[i].data.fd == ZYGOTE_SOCKET) {
                serve_request();
            } else {
                forget_worker(ready[i].data.fd);
            }
        }
    }
}
