/* zygote_wire.h - what zygote.c (the VM) and zygote_main.c (the zygote) have agreed on.
 *
 * The zygote gets two descriptors beside the standard ones: its socket, and a page that both map.
 * One byte on the socket asks for a worker, one zygote_reply answers; with it come, if a worker was
 * made, its pidfd and the VM's end of its socket. The page outlives the zygote: should that be
 * killed between the fork and the reply, the VM still learns of the child that it has to reap.
 */
#ifndef ISOLATION_ZYGOTE_WIRE_H
#define ISOLATION_ZYGOTE_WIRE_H

#include <stdatomic.h>

#include "lib/base/base.h"

#define ZYGOTE_ARGUMENT "zygote" /* argv[1]; argv[2]: pid of the VM */
enum { ZYGOTE_VERSION = 1, ZYGOTE_SOCKET = 3, ZYGOTE_PAGE = 4, ZYGOTE_REPLY_FDS = 2 };

enum zygote_step { /* the one that failed */
    ZYGOTE_STEP_NONE,
    ZYGOTE_STEP_SOCKET,
    ZYGOTE_STEP_FORK,
    ZYGOTE_STEP_WATCH,
    ZYGOTE_STEP_SEND,
};
struct zygote_reply {
    uint32_t version;
    uint32_t step;
    int32_t error; /* errno of that step */
    int32_t pid;   /* of the worker. Without descriptors: it is of no use and must be reaped */
};

struct zygote_page {
    _Atomic int32_t forked; /* pid of the latest worker, written by the kernel; the VM clears it */
};

/* zygote_start.c, for zygote.c: a running zygote. pid, which others read, is 0 when it has ended. */
struct zygote {
    _Atomic int pid;
    int socket; /* -1: none */
    int pidfd;  /* of the one that was started last */
    struct zygote_page *page;
};
/* Starts z, whose socket is closed and which has ended or is about to. One thread at a time. */
bool zygote_start(struct zygote *z, char error[200]) MUST_CHECK;
const char *zygote_find_program(void);

#endif
