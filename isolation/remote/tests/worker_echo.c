/* worker_echo.c - a worker for tests of what is around it: answers each message with the same bytes,
 * or does what the message says. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolation/worker/worker.h"

static ssize_t receive(int socket, char *text, size_t room, int *fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = { text, room };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
    ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    *fd = -1;
    if (c != NULL) {
        memcpy(fd, CMSG_DATA(c), sizeof(*fd));
    }
    return n;
}

static void *nothing(void *arg)
{
    return arg;
}

/* What a worker finds around itself. */
static void describe(char *text, size_t room)
{
    sigset_t blocked;
    char name[16] = "";
    unsigned n_fds = 0, ignored = 0;
    char guard[sizeof(uintptr_t)];
    for (int fd = 0; fd < 256; fd++) {
        n_fds += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    }
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction a;
        ignored += i != SIGPIPE && sigaction(i, NULL, &a) == 0 && a.sa_handler != SIG_DFL;
        ignored += (unsigned) (sigismember(&blocked, i) == 1);
    }
    prctl(PR_GET_NAME, name);
    __asm__("movq %%fs:0x28, %%rax\n\tmovq %%rax, %0" : "=m"(guard)::"rax");
    uint64_t g;
    memcpy(&g, guard, sizeof(g));
    snprintf(text, room, "pid %d parent %d group %d session %d name %s fds %u signals %u stdin %d guard %llx", getpid(),
        getppid(), getpgrp(), getsid(0), name, n_fds, ignored, (int) read(0, guard, 1), (unsigned long long) g);
}

/* Dies with a mutex held, of memory that the VM shares. */
static void die_with_mutex(int fd)
{
    pthread_mutex_t *mutex = mmap(NULL, sizeof(*mutex), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pthread_mutex_lock(mutex);
    raise(SIGKILL);
}

_Noreturn void worker_main(int socket)
{
    char text[4096];
    pthread_t thread;
    int fd;
    for (;;) {
        ssize_t n = receive(socket, text, sizeof(text) - 1, &fd);
        if (n <= 0) {
            _exit(0);
        }
        text[n] = '\0';
        if (strncmp(text, "exit ", 5) == 0) {
            _exit(atoi(text + 5));
        } else if (strncmp(text, "raise ", 6) == 0) {
            raise(atoi(text + 6));
        } else if (strcmp(text, "describe") == 0) {
            describe(text, sizeof(text));
        } else if (strcmp(text, "mutex") == 0) {
            die_with_mutex(fd);
        } else if (strcmp(text, "thread") == 0) {
            void *result = NULL;
            pthread_create(&thread, NULL, nothing, text);
            pthread_join(thread, &result);
            strcpy(text, result == text ? "joined" : "not joined");
        } else if (strcmp(text, "fork") == 0) {
            int pid = fork();
            if (pid == 0) {
                for (;;) {
                    pause();
                }
            }
            snprintf(text, sizeof(text), "%d", pid);
        } else if (strcmp(text, "stay") == 0) { /* whatever becomes of the VM */
            prctl(PR_SET_PDEATHSIG, 0);
            send(socket, text, strlen(text), MSG_NOSIGNAL);
            for (;;) {
                pause();
            }
        }
        send(socket, text, strlen(text), MSG_NOSIGNAL);
    }
}
