/* repair.c - what a call may have left behind in state the whole OS process shares. */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/interpose.h"
#include "isolation/thread.h"

/* glibc's lock of a FILE: bits/types/struct_FILE.h calls it void. */
struct stdio_lock {
    int lock, count;
    void *owner;
};
static struct {
    FILE *file;
    struct stdio_lock *lock;
} streams[3];

/* glibc's mutex, as the C library's headers lay it out. The dynamic linker has three of them, one
 * behind the other in its private state: load, write (held while dl_iterate_phdr calls back), TLS. */
enum { LOADER_LOCKS = 3, LOADER_WRITE_LOCK = 1 };
static pthread_mutex_t *loader_locks; /* the first of LOADER_LOCKS; NULL: not found */
static size_t loader_state_bytes;

static bool is_recursive(const pthread_mutex_t *m)
{
    return m->__data.__kind == PTHREAD_MUTEX_RECURSIVE_NP;
}

/* Called with the write lock held by this thread, and the others by nobody. */
static int find_loader_locks(struct dl_phdr_info *info, size_t size, void *state)
{
    int tid = (int) syscall(SYS_gettid);
    (void) info, (void) size;
    char *end = (char *) state + loader_state_bytes - 2 * sizeof(pthread_mutex_t);
    for (char *at = (char *) state + sizeof(pthread_mutex_t); at <= end; at += sizeof(void *)) {
        pthread_mutex_t *write = (pthread_mutex_t *) at;
        if (write->__data.__owner == tid && write->__data.__lock != 0 && write->__data.__count == 1
            && is_recursive(write) && is_recursive(write - 1) && is_recursive(write + 1)) {
            loader_locks = write - LOADER_WRITE_LOCK;
            break;
        }
    }
    return 1;
}

static void note_loader_locks(void)
{
    void *state = dlsym(RTLD_DEFAULT, "_rtld_global");
    const ElfW(Sym) *symbol;
    Dl_info info;
    void *found = NULL;
    if (state != NULL && dladdr1(state, &info, &found, RTLD_DL_SYMENT) != 0 && (symbol = found) != NULL
        && info.dli_saddr == state && symbol->st_size >= 3 * sizeof(pthread_mutex_t)) {
        loader_state_bytes = symbol->st_size;
        dl_iterate_phdr(find_loader_locks, state);
    }
}

void native_note_locks(void)
{
    FILE *const all[] = { stdin, stdout, stderr };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        streams[i].file = all[i];
        streams[i].lock = (struct stdio_lock *) all[i]->_lock;
    }
    note_loader_locks();
}

void native_release_locks(void)
{
    void *self = (void *) pthread_self();
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        struct stdio_lock *l = streams[i].lock;
        /* Only if nobody has put another lock there, or scribbled over the stream. */
        if (l == NULL || streams[i].file->_lock != (void *) l) {
            continue;
        }
        for (int n = 0; l->owner == self && n < 100; n++) {
            funlockfile(streams[i].file);
        }
    }
    for (int i = 0; loader_locks != NULL && i < LOADER_LOCKS; i++) {
        for (int n = 0; loader_locks[i].__data.__owner == native_self->tid && n < 100; n++) {
            pthread_mutex_unlock(&loader_locks[i]);
        }
    }
}

void native_restore_mask(void)
{
    struct native_thread *t = native_self;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &t->mask, NULL, sizeof(uint64_t));
}
