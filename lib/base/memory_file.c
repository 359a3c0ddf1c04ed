#include "lib/base/memory_file.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static pthread_mutex_t limit_mutex = PTHREAD_MUTEX_INITIALIZER; /* a leaf: who is changing the limit */

static bool set_size(int fd, size_t bytes)
{
    return ftruncate(fd, (off_t) bytes) == 0;
}

/* `ulimit -f` counts the file as if it lay on a disk: its size is set under the widest limit that this process may give
 * itself, and with the signal that goes with it ignored. */
static bool set_size_beyond_limit(int fd, size_t bytes)
{
    struct rlimit before, most = { RLIM_INFINITY, RLIM_INFINITY };
    struct sigaction ignore = { .sa_handler = SIG_IGN }, action;
    if (getrlimit(RLIMIT_FSIZE, &before) != 0 || before.rlim_cur >= bytes) {
        return set_size(fd, bytes);
    }
    sigaction(SIGXFSZ, &ignore, &action);
    if (setrlimit(RLIMIT_FSIZE, &most) != 0) {
        most = (struct rlimit) { before.rlim_max, before.rlim_max };
        (void) setrlimit(RLIMIT_FSIZE, &most);
    }
    bool good = set_size(fd, bytes);
    int error = errno;
    (void) setrlimit(RLIMIT_FSIZE, &before);
    sigaction(SIGXFSZ, &action, NULL);
    errno = error;
    return good;
}

int memory_file_new(const char *name, size_t bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -1;
    }
    pthread_mutex_lock(&limit_mutex);
    bool good = set_size_beyond_limit(fd, bytes);
    int error = errno;
    pthread_mutex_unlock(&limit_mutex);
    if (!good) {
        base_close_fd(&fd);
        errno = error;
    }
    return fd;
}

const char *memory_file_error(int error)
{
    const char *text = strerrordesc_np(error);
    switch (error) {
    case EFBIG: return "files, and with them memory that is shared, are limited too tightly (ulimit -f)";
    case EMFILE: return "Too many open files (ulimit -n)";
    default: return text != NULL ? text : "unknown error";
    }
}
