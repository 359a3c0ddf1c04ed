/* lock.h - mutexes with a global order.
 *
 * Every lock in the VM has a rank, and a thread takes locks in rising rank only; with
 * asserts on, a violation aborts at once with the two ranks. This list is the lock order:
 * a lock that is not here cannot be made. No lock is held while Erlang or native code runs.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>

#include "lib/base/base.h"

enum lock_rank {
    RANK_NONE = 0,
    RANK_CODE_LOAD,    /* one module is loaded, or purged, at a time           vm/code/module */
    RANK_NIF_LIB,      /* libraries, resource types                            nif/nif_lib */
    RANK_NIF_MONITOR,  /* processes watched by resource objects                nif/nif_monitor */
    RANK_NIF_SELECT,   /* descriptors watched for resource objects             nif/enif_select */
    RANK_NIF_OWED,     /* what abandoned calls left behind                     nif/nif_owed */
    RANK_NIF_HANDLE,   /* a worker's table of resource objects                 nif/nif_handle */
    RANK_POLICY,       /* isolation policies                                   isolation/policy */
    RANK_ETS_TABLES,   /* names and ids of tables                              vm/ets */
    RANK_ETS_TABLE,    /* one table's contents                                 vm/ets */
    RANK_SYSTEM_FLAG,  /* who runs alone, threads online                       vm/bif */
    RANK_REGISTRY,     /* registered names                                     vm/proc/registry */
    RANK_TIMER,        /* one scheduler's timer wheel                          vm/proc/timer */
    RANK_RUN_QUEUE,    /* one scheduler's run queue                            vm/proc/sched */
    RANK_MODULE_TABLE, /* modules, exports, funs: writers                      vm/code */
    RANK_PERSISTENT,   /* persistent_term: writers */
    RANK_ATOM_TABLE,   /* atoms: writers                                       vm/core/atom */
    RANK_EXECUTOR,     /* stack pools, workers                                 isolation */
    RANK_ZYGOTE,       /* requests for new workers                             isolation/remote/zygote */
    RANK_WORKER_SOCKET, /* datagrams to one worker; its resources              isolation/remote */
    RANK_TRACE,        /* event sink                                           lib/base/trace */
    RANK_OS_SIGNAL,    /* what is done about signals of the system             vm/proc/os_signal */
    RANK_ARENA,        /* page runs and central free lists                     lib/base/arena */
    RANK_LOG,          /* leaf: may be taken with anything else held */
};

struct lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
    enum lock_rank below; /* rank held when this one was taken */
};

void lock_init(struct lock *l, enum lock_rank rank);
void lock_destroy(struct lock *l);
void lock_take(struct lock *l);
void lock_drop(struct lock *l);

/* Highest rank this thread holds, RANK_NONE if none: "may native code run here?" */
enum lock_rank lock_held_rank(void);

#endif
