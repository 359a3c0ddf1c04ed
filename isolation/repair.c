/* repair.c - what a call may have left behind in state the whole OS process shares. */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/fault.h"
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

void native_note_stdio(void)
{
    FILE *const all[] = { stdin, stdout, stderr };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        streams[i].file = all[i];
        streams[i].lock = (struct stdio_lock *) all[i]->_lock;
    }
}

void native_release_stdio(void)
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
}

void native_restore_mask(void)
{
    struct native_thread *t = native_self;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &t->mask, NULL, sizeof(uint64_t));
}
