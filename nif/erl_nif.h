/* erl_nif.h - the interface between native functions and the VM.
 *
 * Source- and binary-compatible with the header of the same name in Erlang/OTP 25 to 27 on 64-bit
 * Unix: a library built with either runs on either VM. What the functions do is described in
 * "erl_nif" of the ERTS reference manual; `bulkhead info` lists them.
 *
 * A library states the API version it was built for, and a VM refuses newer ones. By default we
 * state 2.16 (OTP 24 and later load it). The functions that came with 2.17 (OTP 26) are declared
 * all the same; to state 2.17 define ERL_NIF_WANT_MINOR as 17 before the include.
 */
#ifndef ERL_NIF_H
#define ERL_NIF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#if defined(__cplusplus)
extern "C" {
#endif

#ifndef ERL_NIF_WANT_MINOR
#define ERL_NIF_WANT_MINOR 16
#endif
#define ERL_NIF_MAJOR_VERSION 2
#define ERL_NIF_MINOR_VERSION ERL_NIF_WANT_MINOR
#if ERL_NIF_WANT_MINOR >= 17
#define ERL_NIF_MIN_ERTS_VERSION "erts-14.0"
#else
#define ERL_NIF_MIN_ERTS_VERSION "erts-12.0"
#endif
#define ERL_NIF_MIN_REQUIRED_MAJOR_VERSION_ON_LOAD 2
#define ERL_NIF_VM_VARIANT "beam.vanilla"

/* ---- scalar types ---- */

typedef unsigned long ErlNifUInt64;
typedef long ErlNifSInt64;
typedef unsigned long ErlNifUInt;
typedef long ErlNifSInt;
typedef ErlNifUInt ERL_NIF_TERM; /* opaque; 0 is never a term */
typedef ERL_NIF_TERM ERL_NIF_UINT;
typedef ErlNifSInt64 ErlNifTime;
typedef int ErlNifEvent; /* a file descriptor */
typedef int ErlNifTSDKey;

/* ---- opaque objects ---- */

typedef struct enif_environment_t ErlNifEnv;
typedef struct enif_resource_type_t ErlNifResourceType;
typedef struct ErlDrvTid_ *ErlNifTid;
typedef struct ErlDrvMutex_ ErlNifMutex;
typedef struct ErlDrvCond_ ErlNifCond;
typedef struct ErlDrvRWLock_ ErlNifRWLock;
typedef struct erts_io_queue ErlNifIOQueue;

/* ---- what a library is: nif_init() returns one of these ---- */

typedef struct enif_func_t {
    const char *name;
    unsigned arity;
    ERL_NIF_TERM (*fptr)(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[]);
    unsigned flags; /* 0 or one of ErlNifDirtyTaskFlags; absent in libraries older than 2.7 */
} ErlNifFunc;

typedef struct enif_entry_t {
    int major;
    int minor;
    const char *name;
    int num_of_funcs;
    ErlNifFunc *funcs;
    int (*load)(ErlNifEnv *, void **priv_data, ERL_NIF_TERM load_info);
    int (*reload)(ErlNifEnv *, void **priv_data, ERL_NIF_TERM load_info); /* never called */
    int (*upgrade)(ErlNifEnv *, void **priv_data, void **old_priv_data, ERL_NIF_TERM load_info);
    void (*unload)(ErlNifEnv *, void *priv_data);
    const char *vm_variant;               /* since 2.1 */
    unsigned options;                     /* since 2.7; no meaning */
    size_t sizeof_ErlNifResourceTypeInit; /* since 2.12 */
    const char *min_erts;                 /* since 2.14 */
} ErlNifEntry;

typedef enum { ERL_DIRTY_JOB_CPU_BOUND = 1, ERL_DIRTY_JOB_IO_BOUND = 2 } ErlDirtyJobFlags;

typedef enum {
    ERL_NIF_DIRTY_JOB_CPU_BOUND = ERL_DIRTY_JOB_CPU_BOUND,
    ERL_NIF_DIRTY_JOB_IO_BOUND = ERL_DIRTY_JOB_IO_BOUND
} ErlNifDirtyTaskFlags;

/* ---- binaries ---- */

typedef struct {
    size_t size;
    unsigned char *data;
    void *ref_bin;      /* the VM's */
    void *__spare__[2]; /* keep the size for later versions */
} ErlNifBinary;

typedef enum { ERL_NIF_BIN2TERM_SAFE = 0x20000000 } ErlNifBinaryToTerm;

typedef enum {
    ERL_NIF_LATIN1 = 1,
    ERL_NIF_UTF8 = 2 /* since 2.17 */
} ErlNifCharEncoding;

/* ---- processes, ports, monitors ---- */

typedef struct {
    ERL_NIF_TERM pid;
} ErlNifPid;

typedef struct {
    ERL_NIF_TERM port_id;
} ErlNifPort;

typedef struct {
    unsigned char data[sizeof(void *) * 4];
} ErlDrvMonitor;
typedef ErlDrvMonitor ErlNifMonitor;

/* ---- resources ---- */

typedef enum { ERL_NIF_RT_CREATE = 1, ERL_NIF_RT_TAKEOVER = 2 } ErlNifResourceFlags;

typedef void ErlNifResourceDtor(ErlNifEnv *, void *obj);
typedef void ErlNifResourceStop(ErlNifEnv *, void *obj, ErlNifEvent, int is_direct_call);
typedef void ErlNifResourceDown(ErlNifEnv *, void *obj, ErlNifPid *, ErlNifMonitor *);
typedef void ErlNifResourceDynCall(ErlNifEnv *, void *obj, void *call_data);

typedef struct {
    ErlNifResourceDtor *dtor;
    ErlNifResourceStop *stop; /* an event given to enif_select is no longer watched */
    ErlNifResourceDown *down; /* a process monitored by the object ended */
    int members;              /* how many of the callbacks are set; enif_init_resource_type only */
    ErlNifResourceDynCall *dyncall;
} ErlNifResourceTypeInit;

/* ---- events ---- */

enum ErlNifSelectFlags {
    ERL_NIF_SELECT_READ = 1 << 0,
    ERL_NIF_SELECT_WRITE = 1 << 1,
    ERL_NIF_SELECT_STOP = 1 << 2,
    ERL_NIF_SELECT_CANCEL = 1 << 3,
    ERL_NIF_SELECT_CUSTOM_MSG = 1 << 4,
    ERL_NIF_SELECT_ERROR = 1 << 5
};

/* Bits of what enif_select returns; negative if it failed. */
#define ERL_NIF_SELECT_STOP_CALLED (1 << 0)
#define ERL_NIF_SELECT_STOP_SCHEDULED (1 << 1)
#define ERL_NIF_SELECT_INVALID_EVENT (1 << 2)
#define ERL_NIF_SELECT_FAILED (1 << 3)
#define ERL_NIF_SELECT_READ_CANCELLED (1 << 4)
#define ERL_NIF_SELECT_WRITE_CANCELLED (1 << 5)
#define ERL_NIF_SELECT_ERROR_CANCELLED (1 << 6)
#define ERL_NIF_SELECT_NOTSUP (1 << 7)

/* ---- maps ---- */

typedef struct { /* every field is the VM's */
    ERL_NIF_TERM map;
    ERL_NIF_UINT size;
    ERL_NIF_UINT idx;
    union {
        struct {
            ERL_NIF_TERM *ks;
            ERL_NIF_TERM *vs;
        } flat;
        struct {
            struct ErtsDynamicWStack_ *wstack;
            ERL_NIF_TERM *kv;
        } hash;
    } u;
    void *__spare__[2];
} ErlNifMapIterator;

typedef enum {
    ERL_NIF_MAP_ITERATOR_FIRST = 1,
    ERL_NIF_MAP_ITERATOR_LAST = 2,
    ERL_NIF_MAP_ITERATOR_HEAD = ERL_NIF_MAP_ITERATOR_FIRST, /* old names */
    ERL_NIF_MAP_ITERATOR_TAIL = ERL_NIF_MAP_ITERATOR_LAST
} ErlNifMapIteratorEntry;

/* ---- I/O vectors and queues ---- */

typedef struct iovec SysIOVec;

#define ERL_NIF_IOVEC_SIZE 16

typedef struct erl_nif_io_vec {
    int iovcnt;
    size_t size; /* bytes in all */
    SysIOVec *iov;
    void **ref_bins; /* from here on the VM's */
    int flags;
    SysIOVec small_iov[ERL_NIF_IOVEC_SIZE];
    void *small_ref_bin[ERL_NIF_IOVEC_SIZE];
} ErlNifIOVec;

typedef enum { ERL_NIF_IOQ_NORMAL = 1 } ErlNifIOQueueOpts;

/* ---- kinds and options ---- */

typedef enum {
    ERL_NIF_TERM_TYPE_ATOM = 1,
    ERL_NIF_TERM_TYPE_BITSTRING = 2,
    ERL_NIF_TERM_TYPE_FLOAT = 3,
    ERL_NIF_TERM_TYPE_FUN = 4,
    ERL_NIF_TERM_TYPE_INTEGER = 5,
    ERL_NIF_TERM_TYPE_LIST = 6,
    ERL_NIF_TERM_TYPE_MAP = 7,
    ERL_NIF_TERM_TYPE_PID = 8,
    ERL_NIF_TERM_TYPE_PORT = 9,
    ERL_NIF_TERM_TYPE_REFERENCE = 10,
    ERL_NIF_TERM_TYPE_TUPLE = 11,
    /* Never returned. There for compilers that check switches: later versions may add types, so
     * have a default case. */
    ERL_NIF_TERM_TYPE__MISSING_DEFAULT_CASE__READ_THE_MANUAL = -1
} ErlNifTermType;

typedef enum {
    ERL_NIF_UNIQUE_POSITIVE = 1 << 0,
    ERL_NIF_UNIQUE_MONOTONIC = 1 << 1
} ErlNifUniqueInteger;

typedef enum { ERL_NIF_INTERNAL_HASH = 1, ERL_NIF_PHASH2 = 2 } ErlNifHash;

typedef enum {
    ERL_NIF_SEC = 0,
    ERL_NIF_MSEC = 1,
    ERL_NIF_USEC = 2,
    ERL_NIF_NSEC = 3
} ErlNifTimeUnit;
#define ERL_NIF_TIME_ERROR ((ErlNifSInt64) INT64_MIN)

/* What enif_thread_type returns. */
#define ERL_NIF_THR_UNDEFINED 0
#define ERL_NIF_THR_NORMAL_SCHEDULER 1
#define ERL_NIF_THR_DIRTY_CPU_SCHEDULER 2
#define ERL_NIF_THR_DIRTY_IO_SCHEDULER 3

/* Since 2.17; the last one OTP 27. */
typedef enum {
    ERL_NIF_OPT_DELAY_HALT = 1,
    ERL_NIF_OPT_ON_HALT = 2,
    ERL_NIF_OPT_ON_UNLOAD_THREAD = 3
} ErlNifOption;
typedef void ErlNifOnHaltCallback(void *priv_data);
typedef void ErlNifOnUnloadThreadCallback(void *priv_data);

typedef struct {
    int driver_major_version;
    int driver_minor_version;
    char *erts_version;
    char *otp_release;
    int thread_support;
    int smp_support;
    int async_threads;
    int scheduler_threads;
    int nif_major_version;
    int nif_minor_version;
    int dirty_scheduler_support;
} ErlDrvSysInfo;
typedef ErlDrvSysInfo ErlNifSysInfo;

typedef struct {
    int suggested_stack_size; /* kilowords; negative: default */
} ErlDrvThreadOpts;
typedef ErlDrvThreadOpts ErlNifThreadOpts;

/* ---- functions ---- */

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* environments and messages */
extern void *enif_priv_data(ErlNifEnv *);
extern ErlNifEnv *enif_alloc_env(void);
extern void enif_free_env(ErlNifEnv *env);
extern void enif_clear_env(ErlNifEnv *env);
extern ERL_NIF_TERM enif_make_copy(ErlNifEnv *dst_env, ERL_NIF_TERM src_term);
extern int enif_send(ErlNifEnv *env, const ErlNifPid *to_pid, ErlNifEnv *msg_env, ERL_NIF_TERM msg);
extern ErlNifPid *enif_self(ErlNifEnv *caller_env, ErlNifPid *pid);

/* what is it? */
extern ErlNifTermType enif_term_type(ErlNifEnv *env, ERL_NIF_TERM term);
extern int enif_is_atom(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_binary(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_empty_list(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_exception(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_fun(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_identical(ERL_NIF_TERM lhs, ERL_NIF_TERM rhs);
extern int enif_is_list(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_map(ErlNifEnv *env, ERL_NIF_TERM term);
extern int enif_is_number(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_pid(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_port(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_ref(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_is_tuple(ErlNifEnv *, ERL_NIF_TERM term);
extern int enif_compare(ERL_NIF_TERM lhs, ERL_NIF_TERM rhs);
extern ErlNifUInt64 enif_hash(ErlNifHash type, ERL_NIF_TERM term, ErlNifUInt64 salt);

/* taking terms apart */
extern int enif_get_int(ErlNifEnv *, ERL_NIF_TERM term, int *ip);
extern int enif_get_uint(ErlNifEnv *, ERL_NIF_TERM term, unsigned *ip);
extern int enif_get_long(ErlNifEnv *, ERL_NIF_TERM term, long *ip);
extern int enif_get_ulong(ErlNifEnv *, ERL_NIF_TERM term, unsigned long *ip);
extern int enif_get_double(ErlNifEnv *, ERL_NIF_TERM term, double *dp);
extern int enif_get_atom(
    ErlNifEnv *, ERL_NIF_TERM atom, char *buf, unsigned len, ErlNifCharEncoding);
extern int enif_get_atom_length(ErlNifEnv *, ERL_NIF_TERM atom, unsigned *len, ErlNifCharEncoding);
extern int enif_get_string(
    ErlNifEnv *, ERL_NIF_TERM list, char *buf, unsigned len, ErlNifCharEncoding);
extern int enif_get_string_length(
    ErlNifEnv *, ERL_NIF_TERM list, unsigned *len, ErlNifCharEncoding);
extern int enif_get_list_cell(
    ErlNifEnv *env, ERL_NIF_TERM term, ERL_NIF_TERM *head, ERL_NIF_TERM *tail);
extern int enif_get_list_length(ErlNifEnv *env, ERL_NIF_TERM term, unsigned *len);
extern int enif_get_tuple(ErlNifEnv *env, ERL_NIF_TERM tpl, int *arity, const ERL_NIF_TERM **array);
extern int enif_get_local_pid(ErlNifEnv *env, ERL_NIF_TERM, ErlNifPid *pid);
extern int enif_get_local_port(ErlNifEnv *env, ERL_NIF_TERM, ErlNifPort *port_id);

/* making terms */
extern ERL_NIF_TERM enif_make_int(ErlNifEnv *env, int i);
extern ERL_NIF_TERM enif_make_uint(ErlNifEnv *, unsigned i);
extern ERL_NIF_TERM enif_make_long(ErlNifEnv *, long i);
extern ERL_NIF_TERM enif_make_ulong(ErlNifEnv *env, unsigned long i);
extern ERL_NIF_TERM enif_make_double(ErlNifEnv *env, double d);
extern ERL_NIF_TERM enif_make_atom(ErlNifEnv *env, const char *name);
extern ERL_NIF_TERM enif_make_atom_len(ErlNifEnv *env, const char *name, size_t len);
extern int enif_make_existing_atom(
    ErlNifEnv *env, const char *name, ERL_NIF_TERM *atom, ErlNifCharEncoding);
extern int enif_make_existing_atom_len(
    ErlNifEnv *env, const char *name, size_t len, ERL_NIF_TERM *atom, ErlNifCharEncoding);
extern int enif_make_new_atom(
    ErlNifEnv *, const char *name, ERL_NIF_TERM *atom, ErlNifCharEncoding);
extern int enif_make_new_atom_len(
    ErlNifEnv *, const char *name, size_t len, ERL_NIF_TERM *atom, ErlNifCharEncoding);
extern ERL_NIF_TERM enif_make_tuple(ErlNifEnv *env, unsigned cnt, ...);
extern ERL_NIF_TERM enif_make_tuple_from_array(ErlNifEnv *, const ERL_NIF_TERM arr[], unsigned cnt);
extern ERL_NIF_TERM enif_make_list(ErlNifEnv *env, unsigned cnt, ...);
extern ERL_NIF_TERM enif_make_list_from_array(ErlNifEnv *, const ERL_NIF_TERM arr[], unsigned cnt);
extern ERL_NIF_TERM enif_make_list_cell(ErlNifEnv *env, ERL_NIF_TERM car, ERL_NIF_TERM cdr);
extern int enif_make_reverse_list(ErlNifEnv *, ERL_NIF_TERM term, ERL_NIF_TERM *list);
extern ERL_NIF_TERM enif_make_string(ErlNifEnv *env, const char *string, ErlNifCharEncoding);
extern ERL_NIF_TERM enif_make_string_len(
    ErlNifEnv *env, const char *string, size_t len, ErlNifCharEncoding);
extern ERL_NIF_TERM enif_make_ref(ErlNifEnv *env);
extern ERL_NIF_TERM enif_make_unique_integer(ErlNifEnv *env, ErlNifUniqueInteger properties);

/* binaries */
extern int enif_inspect_binary(ErlNifEnv *, ERL_NIF_TERM bin_term, ErlNifBinary *bin);
extern int enif_inspect_iolist_as_binary(ErlNifEnv *, ERL_NIF_TERM term, ErlNifBinary *bin);
extern int enif_alloc_binary(size_t size, ErlNifBinary *bin);
extern int enif_realloc_binary(ErlNifBinary *bin, size_t size);
extern void enif_release_binary(ErlNifBinary *bin);
extern ERL_NIF_TERM enif_make_binary(ErlNifEnv *env, ErlNifBinary *bin);
extern unsigned char *enif_make_new_binary(ErlNifEnv *, size_t size, ERL_NIF_TERM *termp);
extern ERL_NIF_TERM enif_make_sub_binary(
    ErlNifEnv *, ERL_NIF_TERM bin_term, size_t pos, size_t size);
extern int enif_term_to_binary(ErlNifEnv *env, ERL_NIF_TERM term, ErlNifBinary *bin);
extern size_t enif_binary_to_term(
    ErlNifEnv *env, const unsigned char *data, size_t sz, ERL_NIF_TERM *term, unsigned int opts);

/* maps */
extern ERL_NIF_TERM enif_make_new_map(ErlNifEnv *env);
extern int enif_make_map_from_arrays(
    ErlNifEnv *env, ERL_NIF_TERM keys[], ERL_NIF_TERM values[], size_t cnt, ERL_NIF_TERM *map_out);
extern int enif_make_map_put(ErlNifEnv *env, ERL_NIF_TERM map_in, ERL_NIF_TERM key,
    ERL_NIF_TERM value, ERL_NIF_TERM *map_out);
extern int enif_make_map_update(ErlNifEnv *env, ERL_NIF_TERM map_in, ERL_NIF_TERM key,
    ERL_NIF_TERM value, ERL_NIF_TERM *map_out);
extern int enif_make_map_remove(
    ErlNifEnv *env, ERL_NIF_TERM map_in, ERL_NIF_TERM key, ERL_NIF_TERM *map_out);
extern int enif_get_map_size(ErlNifEnv *env, ERL_NIF_TERM term, size_t *size);
extern int enif_get_map_value(
    ErlNifEnv *env, ERL_NIF_TERM map, ERL_NIF_TERM key, ERL_NIF_TERM *value);
extern int enif_map_iterator_create(
    ErlNifEnv *env, ERL_NIF_TERM map, ErlNifMapIterator *iter, ErlNifMapIteratorEntry entry);
extern void enif_map_iterator_destroy(ErlNifEnv *env, ErlNifMapIterator *iter);
extern int enif_map_iterator_is_head(ErlNifEnv *env, ErlNifMapIterator *iter);
extern int enif_map_iterator_is_tail(ErlNifEnv *env, ErlNifMapIterator *iter);
extern int enif_map_iterator_next(ErlNifEnv *env, ErlNifMapIterator *iter);
extern int enif_map_iterator_prev(ErlNifEnv *env, ErlNifMapIterator *iter);
extern int enif_map_iterator_get_pair(
    ErlNifEnv *env, ErlNifMapIterator *iter, ERL_NIF_TERM *key, ERL_NIF_TERM *value);

/* exceptions and scheduling */
extern ERL_NIF_TERM enif_make_badarg(ErlNifEnv *env);
extern ERL_NIF_TERM enif_raise_exception(ErlNifEnv *env, ERL_NIF_TERM reason);
extern int enif_has_pending_exception(ErlNifEnv *env, ERL_NIF_TERM *reason);
extern int enif_consume_timeslice(ErlNifEnv *, int percent);
extern ERL_NIF_TERM enif_schedule_nif(ErlNifEnv *, const char *name, int flags,
    ERL_NIF_TERM (*fp)(ErlNifEnv *, int, const ERL_NIF_TERM[]), int argc,
    const ERL_NIF_TERM argv[]);
extern int enif_thread_type(void);

/* processes, ports, monitors */
extern int enif_is_current_process_alive(ErlNifEnv *env);
extern int enif_is_process_alive(ErlNifEnv *env, ErlNifPid *pid);
extern int enif_is_port_alive(ErlNifEnv *env, ErlNifPort *port_id);
extern int enif_whereis_pid(ErlNifEnv *env, ERL_NIF_TERM name, ErlNifPid *pid);
extern int enif_whereis_port(ErlNifEnv *env, ERL_NIF_TERM name, ErlNifPort *port);
extern int enif_port_command(
    ErlNifEnv *env, const ErlNifPort *to_port, ErlNifEnv *msg_env, ERL_NIF_TERM msg);
extern void enif_set_pid_undefined(ErlNifPid *pid);
extern int enif_is_pid_undefined(const ErlNifPid *pid);
extern int enif_monitor_process(ErlNifEnv *, void *obj, const ErlNifPid *, ErlNifMonitor *monitor);
extern int enif_demonitor_process(ErlNifEnv *, void *obj, const ErlNifMonitor *monitor);
extern int enif_compare_monitors(const ErlNifMonitor *, const ErlNifMonitor *);
extern ERL_NIF_TERM enif_make_monitor_term(ErlNifEnv *env, const ErlNifMonitor *);

/* resources */
extern ErlNifResourceType *enif_open_resource_type(ErlNifEnv *, const char *module_str,
    const char *name_str, void (*dtor)(ErlNifEnv *, void *), ErlNifResourceFlags flags,
    ErlNifResourceFlags *tried);
extern ErlNifResourceType *enif_open_resource_type_x(ErlNifEnv *, const char *name_str,
    const ErlNifResourceTypeInit *, ErlNifResourceFlags flags, ErlNifResourceFlags *tried);
extern ErlNifResourceType *enif_init_resource_type(ErlNifEnv *, const char *name_str,
    const ErlNifResourceTypeInit *, ErlNifResourceFlags flags, ErlNifResourceFlags *tried);
extern void *enif_alloc_resource(ErlNifResourceType *type, size_t size);
extern void enif_release_resource(void *obj);
extern void enif_keep_resource(void *obj);
extern size_t enif_sizeof_resource(void *obj);
extern ERL_NIF_TERM enif_make_resource(ErlNifEnv *, void *obj);
extern ERL_NIF_TERM enif_make_resource_binary(
    ErlNifEnv *, void *obj, const void *data, size_t size);
extern int enif_get_resource(ErlNifEnv *, ERL_NIF_TERM term, ErlNifResourceType *type, void **objp);
extern int enif_dynamic_resource_call(
    ErlNifEnv *, ERL_NIF_TERM mod, ERL_NIF_TERM name, ERL_NIF_TERM rsrc, void *call_data);
extern int enif_select(ErlNifEnv *env, ErlNifEvent e, enum ErlNifSelectFlags flags, void *obj,
    const ErlNifPid *pid, ERL_NIF_TERM ref);
extern int enif_select_x(ErlNifEnv *env, ErlNifEvent e, enum ErlNifSelectFlags flags, void *obj,
    const ErlNifPid *pid, ERL_NIF_TERM msg, ErlNifEnv *msg_env);

/* threads and locks */
extern ErlNifMutex *enif_mutex_create(char *name);
extern void enif_mutex_destroy(ErlNifMutex *mtx);
extern int enif_mutex_trylock(ErlNifMutex *mtx);
extern void enif_mutex_lock(ErlNifMutex *mtx);
extern void enif_mutex_unlock(ErlNifMutex *mtx);
extern char *enif_mutex_name(ErlNifMutex *);
extern ErlNifCond *enif_cond_create(char *name);
extern void enif_cond_destroy(ErlNifCond *cnd);
extern void enif_cond_signal(ErlNifCond *cnd);
extern void enif_cond_broadcast(ErlNifCond *cnd);
extern void enif_cond_wait(ErlNifCond *cnd, ErlNifMutex *mtx);
extern char *enif_cond_name(ErlNifCond *);
extern ErlNifRWLock *enif_rwlock_create(char *name);
extern void enif_rwlock_destroy(ErlNifRWLock *rwlck);
extern int enif_rwlock_tryrlock(ErlNifRWLock *rwlck);
extern void enif_rwlock_rlock(ErlNifRWLock *rwlck);
extern void enif_rwlock_runlock(ErlNifRWLock *rwlck);
extern int enif_rwlock_tryrwlock(ErlNifRWLock *rwlck);
extern void enif_rwlock_rwlock(ErlNifRWLock *rwlck);
extern void enif_rwlock_rwunlock(ErlNifRWLock *rwlck);
extern char *enif_rwlock_name(ErlNifRWLock *);
extern int enif_tsd_key_create(char *name, ErlNifTSDKey *key);
extern void enif_tsd_key_destroy(ErlNifTSDKey key);
extern void enif_tsd_set(ErlNifTSDKey key, void *data);
extern void *enif_tsd_get(ErlNifTSDKey key);
extern ErlNifThreadOpts *enif_thread_opts_create(char *name);
extern void enif_thread_opts_destroy(ErlNifThreadOpts *opts);
extern int enif_thread_create(
    char *name, ErlNifTid *tid, void *(*func)(void *), void *args, ErlNifThreadOpts *opts);
extern ErlNifTid enif_thread_self(void);
extern int enif_equal_tids(ErlNifTid tid1, ErlNifTid tid2);
extern void enif_thread_exit(void *resp);
extern int enif_thread_join(ErlNifTid, void **respp);
extern char *enif_thread_name(ErlNifTid);

/* time */
extern ErlNifTime enif_monotonic_time(ErlNifTimeUnit);
extern ErlNifTime enif_time_offset(ErlNifTimeUnit);
extern ErlNifTime enif_convert_time_unit(ErlNifTime, ErlNifTimeUnit from, ErlNifTimeUnit to);
extern ERL_NIF_TERM enif_now_time(ErlNifEnv *env);
extern ERL_NIF_TERM enif_cpu_time(ErlNifEnv *env);

/* I/O vectors and queues */
extern int enif_inspect_iovec(ErlNifEnv *env, size_t max_length, ERL_NIF_TERM iovec_term,
    ERL_NIF_TERM *tail, ErlNifIOVec **iovec);
extern void enif_free_iovec(ErlNifIOVec *iov);
extern ErlNifIOQueue *enif_ioq_create(ErlNifIOQueueOpts opts);
extern void enif_ioq_destroy(ErlNifIOQueue *q);
extern int enif_ioq_enq_binary(ErlNifIOQueue *q, ErlNifBinary *bin, size_t skip);
extern int enif_ioq_enqv(ErlNifIOQueue *q, ErlNifIOVec *iov, size_t skip);
extern size_t enif_ioq_size(ErlNifIOQueue *q);
extern int enif_ioq_deq(ErlNifIOQueue *q, size_t count, size_t *size);
extern SysIOVec *enif_ioq_peek(ErlNifIOQueue *q, int *iovlen);
extern int enif_ioq_peek_head(ErlNifEnv *env, ErlNifIOQueue *q, size_t *size, ERL_NIF_TERM *head);

/* memory, system, text (the formats know %T: an ERL_NIF_TERM) */
extern void *enif_alloc(size_t size);
extern void *enif_realloc(void *ptr, size_t size);
extern void enif_free(void *ptr);
extern void enif_system_info(ErlNifSysInfo *sip, size_t si_size);
extern int enif_set_option(ErlNifEnv *, ErlNifOption opt, ...);
extern int enif_getenv(const char *key, char *value, size_t *value_size);
extern void *enif_dlopen(const char *lib, void (*err_handler)(void *, const char *), void *err_arg);
extern void *enif_dlsym(
    void *handle, const char *symbol, void (*err_handler)(void *, const char *), void *err_arg);
extern int enif_fprintf(FILE *filep, const char *format, ...);
extern int enif_vfprintf(FILE *, const char *fmt, va_list);
extern int enif_snprintf(char *buffer, size_t size, const char *format, ...);
extern int enif_vsnprintf(char *, size_t, const char *fmt, va_list);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

/* ---- spelled differently ---- */

/* long has 64 bits here */
#define enif_get_int64 enif_get_long
#define enif_get_uint64 enif_get_ulong
#define enif_make_int64 enif_make_long
#define enif_make_uint64 enif_make_ulong

#define enif_make_pid(ENV, PID) ((void) (ENV), (const ERL_NIF_TERM)((PID)->pid))
#define enif_compare_pids(A, B) (enif_compare((A)->pid, (B)->pid))

#define enif_select_read(ENV, E, OBJ, PID, MSG, MSG_ENV)                                           \
    enif_select_x(ENV, E,                                                                          \
        (enum ErlNifSelectFlags)(ERL_NIF_SELECT_READ | ERL_NIF_SELECT_CUSTOM_MSG), OBJ, PID, MSG,  \
        MSG_ENV)
#define enif_select_write(ENV, E, OBJ, PID, MSG, MSG_ENV)                                          \
    enif_select_x(ENV, E,                                                                          \
        (enum ErlNifSelectFlags)(ERL_NIF_SELECT_WRITE | ERL_NIF_SELECT_CUSTOM_MSG), OBJ, PID, MSG, \
        MSG_ENV)
#define enif_select_error(ENV, E, OBJ, PID, MSG, MSG_ENV)                                          \
    enif_select_x(ENV, E,                                                                          \
        (enum ErlNifSelectFlags)(ERL_NIF_SELECT_ERROR | ERL_NIF_SELECT_CUSTOM_MSG), OBJ, PID, MSG, \
        MSG_ENV)

#define enif_make_tuple1(ENV, A) enif_make_tuple(ENV, 1, A)
#define enif_make_tuple2(ENV, A, B) enif_make_tuple(ENV, 2, A, B)
#define enif_make_tuple3(ENV, A, B, C) enif_make_tuple(ENV, 3, A, B, C)
#define enif_make_tuple4(ENV, A, B, C, D) enif_make_tuple(ENV, 4, A, B, C, D)
#define enif_make_tuple5(ENV, A, B, C, D, E) enif_make_tuple(ENV, 5, A, B, C, D, E)
#define enif_make_tuple6(ENV, A, B, C, D, E, F) enif_make_tuple(ENV, 6, A, B, C, D, E, F)
#define enif_make_tuple7(ENV, A, B, C, D, E, F, G) enif_make_tuple(ENV, 7, A, B, C, D, E, F, G)
#define enif_make_tuple8(ENV, A, B, C, D, E, F, G, H)                                              \
    enif_make_tuple(ENV, 8, A, B, C, D, E, F, G, H)
#define enif_make_tuple9(ENV, A, B, C, D, E, F, G, H, I)                                           \
    enif_make_tuple(ENV, 9, A, B, C, D, E, F, G, H, I)

#define enif_make_list1(ENV, A) enif_make_list(ENV, 1, A)
#define enif_make_list2(ENV, A, B) enif_make_list(ENV, 2, A, B)
#define enif_make_list3(ENV, A, B, C) enif_make_list(ENV, 3, A, B, C)
#define enif_make_list4(ENV, A, B, C, D) enif_make_list(ENV, 4, A, B, C, D)
#define enif_make_list5(ENV, A, B, C, D, E) enif_make_list(ENV, 5, A, B, C, D, E)
#define enif_make_list6(ENV, A, B, C, D, E, F) enif_make_list(ENV, 6, A, B, C, D, E, F)
#define enif_make_list7(ENV, A, B, C, D, E, F, G) enif_make_list(ENV, 7, A, B, C, D, E, F, G)
#define enif_make_list8(ENV, A, B, C, D, E, F, G, H) enif_make_list(ENV, 8, A, B, C, D, E, F, G, H)
#define enif_make_list9(ENV, A, B, C, D, E, F, G, H, I)                                            \
    enif_make_list(ENV, 9, A, B, C, D, E, F, G, H, I)

/* ---- the entry point of a library ---- */

#if defined(STATIC_ERLANG_NIF_LIBNAME) && !defined(STATIC_ERLANG_NIF)
#define STATIC_ERLANG_NIF
#endif

#define ERL_NIF_PASTE_(A, B) A##B
#define ERL_NIF_PASTE(A, B) ERL_NIF_PASTE_(A, B)
#if defined(STATIC_ERLANG_NIF_LIBNAME)
#define ERL_NIF_INIT_NAME(MODNAME) ERL_NIF_PASTE(STATIC_ERLANG_NIF_LIBNAME, _nif_init)
#elif defined(STATIC_ERLANG_NIF)
#define ERL_NIF_INIT_NAME(MODNAME) MODNAME##_nif_init
#else
#define ERL_NIF_INIT_NAME(MODNAME) nif_init
#endif
#if defined(__GNUC__)
#define ERL_NIF_INIT_EXPORT __attribute__((visibility("default")))
#else
#define ERL_NIF_INIT_EXPORT
#endif
#define ERL_NIF_INIT_DECL(MODNAME) ERL_NIF_INIT_EXPORT ErlNifEntry *ERL_NIF_INIT_NAME(MODNAME)(void)

#if defined(__cplusplus)
} /* extern "C" */
#define ERL_NIF_INIT_PROLOGUE extern "C" {
#define ERL_NIF_INIT_EPILOGUE }
#else
#define ERL_NIF_INIT_PROLOGUE
#define ERL_NIF_INIT_EPILOGUE
#endif

#define ERL_NIF_INIT(NAME, FUNCS, LOAD, RELOAD, UPGRADE, UNLOAD)                                   \
    ERL_NIF_INIT_PROLOGUE                                                                          \
    ERL_NIF_INIT_DECL(NAME);                                                                       \
    ERL_NIF_INIT_DECL(NAME)                                                                        \
    {                                                                                              \
        static ErlNifEntry entry = { ERL_NIF_MAJOR_VERSION, ERL_NIF_MINOR_VERSION, #NAME,          \
            sizeof(FUNCS) / sizeof(*FUNCS), FUNCS, LOAD, RELOAD, UPGRADE, UNLOAD,                  \
            ERL_NIF_VM_VARIANT, 1, sizeof(ErlNifResourceTypeInit), ERL_NIF_MIN_ERTS_VERSION };     \
        return &entry;                                                                             \
    }                                                                                              \
    ERL_NIF_INIT_EPILOGUE

#endif
