/* bif_io.c - module bulkhead_io: the file descriptors under lib/erl/bulkhead_user.erl.
 *
 * A write first tries without blocking, on the scheduler it is on: that is the common case and
 * costs one system call. Only when the pipe is full does the rest go to a dirty I/O thread.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/bif/file_handle.h"
#include "vm/code/module.h"
#include "vm/core/bits.h"
#include "vm/core/iolist.h"
#include "vm/proc/report.h"
#include "vm/proc/sched.h"

enum { IO_READ_MAX = 1 << 20 };

static bool take_fd(term t, int *out)
{
    if (!term_is_small(t) || term_to_small(t) < 0 || term_to_small(t) > 2) {
        return false; /* only the standard three: files have their own natives */
    }
    *out = (int) term_to_small(t);
    return true;
}

/* Writes until done, an error, or (unless block) the descriptor is full. Bytes written. */
static size_t write_some(int fd, const uint8_t *bytes, size_t n, bool block, int *error)
{
    size_t done = 0;
    *error = 0;
    while (done < n) {
        struct pollfd ready = { .fd = fd, .events = POLLOUT };
        if (!block && poll(&ready, 1, 0) == 0) {
            break;
        }
        /* A pipe that polls writable takes at least PIPE_BUF bytes without blocking. */
        size_t chunk = !block && n - done > 4096 ? 4096 : n - done;
        ssize_t w = write(fd, bytes + done, chunk);
        if (w < 0 && errno == EAGAIN) {
            ready.revents = 0;
            if (block) {
                poll(&ready, 1, -1);
                continue;
            }
            break;
        }
        if (w < 0 && errno != EINTR) {
            *error = errno;
            break;
        }
        done += w > 0 ? (size_t) w : 0;
    }
    return done;
}

static term write_iodata(struct proc *p, term *args, bool block)
{
    int fd;
    size_t n;
    if (!take_fd(args[0], &fd) || !iolist_size(args[1], &n)) {
        return proc_badarg(p);
    }
    uint8_t local[512];
    uint8_t *bytes = n <= sizeof(local) ? local : vm_try_alloc(n);
    if (bytes == NULL) {
        return proc_system_limit(p);
    }
    iolist_copy(args[1], bytes);
    int error;
    size_t done = write_some(fd, bytes, n, block, &error);
    term result = ATOM(ok);
    if (error != 0) {
        result = posix_error(p, error);
    } else if (done < n) {
        term rest = bits_from_bytes(&p->heap, bytes + done, n - done);
        result = heap_tuple2(&p->heap, ATOM(again), rest);
    }
    if (bytes != local) {
        vm_free(bytes);
    }
    proc_bump(p, 1 + n / 256);
    return result;
}

/* write(Fd, IoData) -> ok | {again, Rest} | {error, Posix} */
term bif_bulkhead_io_write_2(struct proc *p, term *args)
{
    return write_iodata(p, args, false);
}

/* write_blocking(Fd, IoData) -> ok | {error, Posix}; on a dirty I/O thread */
term bif_bulkhead_io_write_blocking_2(struct proc *p, term *args)
{
    return write_iodata(p, args, true);
}

/* read(Fd, Max) -> Bytes | eof | {error, Posix}; blocks, on a dirty I/O thread */
term bif_bulkhead_io_read_2(struct proc *p, term *args)
{
    int fd;
    if (!take_fd(args[0], &fd) || !term_is_small(args[1]) || term_to_small(args[1]) < 1
        || term_to_small(args[1]) > IO_READ_MAX) {
        return proc_badarg(p);
    }
    size_t max = (size_t) term_to_small(args[1]);
    uint8_t *bytes = vm_alloc(max);
    ssize_t n;
    do {
        n = read(fd, bytes, max);
    } while (n < 0 && errno == EINTR);
    term result = n > 0 ? bits_from_bytes(&p->heap, bytes, (size_t) n) : n == 0 ? ATOM(eof) : posix_error(p, errno);
    vm_free(bytes);
    return result;
}

term bif_bulkhead_io_otp_root_0(struct proc *p, term *args)
{
    (void) args;
    const char *root = code_otp_root();
    return heap_cstring(&p->heap, root != NULL ? root : "");
}

/* logger has written a report of the VM's. */
term bif_bulkhead_io_reported_0(struct proc *p, term *args)
{
    (void) p, (void) args;
    report_done();
    return ATOM(ok);
}

/* Does the node of this group leader speak Unicode? There is only this node. */
term bif_net_kernel_dflag_unicode_io_1(struct proc *p, term *args)
{
    return term_is_pid(args[0]) ? ATOM(true) : proc_badarg(p);
}
