/* enif_select.c - messages when a descriptor is ready.
 *
 *   NIF: enif_select(READ) -> table entry, EPOLLONESHOT -> poll thread: message, entry disarmed
 *   NIF: enif_select(STOP) -> entry out of the table and the epoll set -> stop callback
 *
 * One table and one thread for the program, started at the first use; it sleeps in epoll_wait.
 * Everything about an entry happens under one lock, so that once STOP has removed it nothing can
 * still be on its way: the stop callback is always called at once, by the caller of STOP.
 * An entry holds a reference of its object, from the first select to stop.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "lib/base/lock.h"
#include "lib/base/service_thread.h"
#include "nif/enif.h"
#include "nif/host.h"
#include "nif/nif_resource.h"
#include "vm/core/copy.h"

enum direction { DIR_READ, DIR_WRITE, DIR_ERROR, DIR_COUNT };
enum { TABLE_BUCKETS = 256, EVENTS_AT_ONCE = 64, ALL_FLAGS = 63 };

static const unsigned select_flag[DIR_COUNT] = { ERL_NIF_SELECT_READ, ERL_NIF_SELECT_WRITE,
    ERL_NIF_SELECT_ERROR };
static const int cancelled_bit[DIR_COUNT] = { ERL_NIF_SELECT_READ_CANCELLED,
    ERL_NIF_SELECT_WRITE_CANCELLED, ERL_NIF_SELECT_ERROR_CANCELLED };
static const uint32_t epoll_bit[DIR_COUNT] = { EPOLLIN, EPOLLOUT, EPOLLERR };

struct waiting {
    bool armed;
    term pid;
    struct heap heap; /* holds the message while armed */
    term message;
};

struct selected {
    struct selected *next;
    int fd;
    struct nif_resource *object;
    struct waiting dir[DIR_COUNT];
};

static struct lock table_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_NIF_SELECT, RANK_NONE };
static struct selected *table[TABLE_BUCKETS];
static int epoll_fd = -1;

static struct selected **find_locked(int fd)
{
    struct selected **at = &table[(unsigned) fd % TABLE_BUCKETS];
    while (*at != NULL && (*at)->fd != fd) {
        at = &(*at)->next;
    }
    return at;
}

static void disarm(struct waiting *w)
{
    if (w->armed) {
        w->armed = false;
        heap_destroy(&w->heap);
    }
}

/* Tells epoll what the entry waits for now. */
static int rearm_locked(struct selected *s)
{
    struct epoll_event e = { .events = EPOLLONESHOT, .data.fd = s->fd };
    for (int d = 0; d < DIR_COUNT; d++) {
        e.events |= s->dir[d].armed ? epoll_bit[d] : 0;
    }
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &e) == 0) {
        return 0;
    }
    return errno == ENOENT ? epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &e) : -1;
}

static void deliver_locked(struct selected *s, enum direction d)
{
    struct waiting *w = &s->dir[d];
    if (w->armed) {
        w->armed = false;
        if (nif_host->process_alive(w->pid)) {
            (void) nif_host->send(NULL, w->pid, w->message, &w->heap);
        }
        heap_destroy(&w->heap);
    }
}

static void handle_event(const struct epoll_event *e)
{
    lock_take(&table_lock);
    struct selected *s = *find_locked(e->data.fd);
    if (s != NULL) {
        bool broken = (e->events & (EPOLLERR | EPOLLHUP)) != 0;
        if ((e->events & EPOLLIN) != 0 || broken) {
            deliver_locked(s, DIR_READ);
        }
        if ((e->events & EPOLLOUT) != 0 || broken) {
            deliver_locked(s, DIR_WRITE);
        }
        if ((e->events & EPOLLERR) != 0) {
            deliver_locked(s, DIR_ERROR);
        }
        if (s->dir[DIR_READ].armed || s->dir[DIR_WRITE].armed
            || (s->dir[DIR_ERROR].armed && !broken)) {
            (void) rearm_locked(s);
        }
    }
    lock_drop(&table_lock);
}

static void *poll_events(void *unused)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    (void) unused;
    while (true) {
        int n = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < n; i++) {
            handle_event(&events[i]);
        }
    }
    return NULL;
}

static bool prepare_polling(void)
{
    if (epoll_fd < 0) {
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    }
    return epoll_fd >= 0;
}

static struct service_thread poller = SERVICE_THREAD(poll_events, prepare_polling);

/* ---- stop ---- */

struct stop_call {
    struct nif_callback_env env;
    ErlNifResourceStop *stop;
    struct nif_resource *object;
    int fd;
};

static void call_stop(void *arg)
{
    struct stop_call *c = arg;
    c->stop(&c->env.env, c->object->payload, c->fd, 1);
}

static int stop_now(int fd, struct nif_resource *r)
{
    lock_take(&table_lock);
    struct selected **at = find_locked(fd), *s = *at;
    if (s != NULL && s->object != r) {
        lock_drop(&table_lock);
        return INT_MIN | ERL_NIF_SELECT_INVALID_EVENT;
    }
    if (s != NULL) {
        *at = s->next;
        (void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        for (int d = 0; d < DIR_COUNT; d++) {
            disarm(&s->dir[d]);
        }
    }
    lock_drop(&table_lock);
    struct stop_call c = { .stop = r->type->init.stop, .object = r, .fd = fd };
    nif_callback_env_begin(&c.env, r->type->owner);
    bool returned = nif_run_callback(r->type->owner, NIF_CB_STOP, &c.env.env, call_stop, &c);
    nif_callback_env_end(&c.env, !returned);
    if (s != NULL) {
        resource_unref(&s->object->base);
        vm_free(s);
    }
    return ERL_NIF_SELECT_STOP_CALLED;
}

static int cancel(int fd, unsigned flags, struct nif_resource *r)
{
    int result = 0;
    lock_take(&table_lock);
    struct selected *s = *find_locked(fd);
    if (s != NULL && s->object != r) {
        result = INT_MIN | ERL_NIF_SELECT_INVALID_EVENT;
    } else if (s != NULL) {
        for (int d = 0; d < DIR_COUNT; d++) {
            if ((flags & select_flag[d]) != 0 && s->dir[d].armed) {
                disarm(&s->dir[d]);
                result |= cancelled_bit[d];
            }
        }
        (void) rearm_locked(s);
    }
    lock_drop(&table_lock);
    return result;
}

/* ---- select ---- */

/* The message for one direction on heap h. */
static term build_message(struct heap *h, enum direction d, struct nif_resource *r, term ref)
{
    static const char *const ready[DIR_COUNT] = { "ready_input", "ready_output", "ready_error" };
    return heap_tuple4(
        h, ATOM(select), nif_resource_make_term(h, r), copy_term_all(ref, h), atom_from_cstr(ready[d]));
}

static int arm(int fd, unsigned flags, struct nif_resource *r, term pid, term message, bool custom,
    struct heap *built)
{
    struct selected *fresh = vm_zalloc(sizeof(*fresh));
    int result = 0;
    fresh->fd = fd;
    fresh->object = r;
    lock_take(&table_lock);
    struct selected **at = find_locked(fd);
    if (*at == NULL) {
        resource_ref(&r->base);
        *at = fresh;
        fresh = NULL;
    }
    struct selected *s = *at;
    struct nif_resource *former = NULL;
    if (s->object != r) { /* the descriptor goes over to another object, as if it were a new one */
        for (int d = 0; d < DIR_COUNT; d++) {
            disarm(&s->dir[d]);
        }
        former = s->object;
        s->object = r;
        resource_ref(&r->base);
    }
    for (int d = 0; d < DIR_COUNT; d++) {
        struct waiting *w = &s->dir[d];
        if ((flags & select_flag[d]) == 0) {
            continue;
        }
        disarm(w);
        heap_init_frags(&w->heap);
        w->armed = true;
        w->pid = pid;
        if (!custom) {
            w->message = build_message(&w->heap, (enum direction) d, r, message);
        } else if (built != NULL) {
            heap_move_frags(&w->heap, built);
            w->message = message;
        } else {
            w->message = copy_term_all(message, &w->heap);
        }
    }
    if (rearm_locked(s) != 0) {
        for (int d = 0; d < DIR_COUNT; d++) {
            disarm(&s->dir[d]);
        }
        result = INT_MIN | (errno == EBADF ? ERL_NIF_SELECT_INVALID_EVENT : ERL_NIF_SELECT_FAILED);
        *at = s->next;
        fresh = s;
    } else {
        s = NULL;
    }
    lock_drop(&table_lock);
    if (s != NULL) {
        resource_unref(&r->base);
    }
    if (former != NULL) {
        resource_unref(&former->base);
    }
    vm_free(fresh);
    return result;
}

int enif_select_x(ErlNifEnv *env, ErlNifEvent e, enum ErlNifSelectFlags flags, void *obj,
    const ErlNifPid *pid, ERL_NIF_TERM msg, ErlNifEnv *msg_env)
{
    struct nif_resource *r = nif_resource_from_payload(obj, "enif_select");
    unsigned wanted = (unsigned) flags;
    bool custom = (wanted & ERL_NIF_SELECT_CUSTOM_MSG) != 0;
    if ((wanted & ~(unsigned) ALL_FLAGS) != 0 || e < 0 || fcntl(e, F_GETFD) < 0) {
        return INT_MIN | ERL_NIF_SELECT_INVALID_EVENT;
    }
    nif_guard_enter();
    bool polls = service_thread_want(&poller) == 0;
    nif_guard_leave();
    if (!polls && (wanted & (ERL_NIF_SELECT_STOP | ERL_NIF_SELECT_CANCEL)) == 0) {
        return INT_MIN | ERL_NIF_SELECT_FAILED;
    }
    if ((wanted & ERL_NIF_SELECT_STOP) != 0) {
        return r->type->init.stop != NULL ? stop_now(e, r) : INT_MIN | ERL_NIF_SELECT_FAILED;
    }
    if ((wanted & ERL_NIF_SELECT_CANCEL) != 0) {
        return cancel(e, wanted, r);
    }
    term to = pid != NULL ? term_of(pid->pid) : env != NULL ? env->pid : TERM_NONE;
    term message = nif_term_in(env, msg, "enif_select");
    if (!term_is_local_pid(to) || r->type->init.stop == NULL) {
        return INT_MIN | ERL_NIF_SELECT_FAILED;
    }
    int result = arm(e, wanted, r, to, message, custom, msg_env != NULL ? msg_env->heap : NULL);
    if (custom && msg_env != NULL && result >= 0) {
        enif_clear_env(msg_env);
    }
    return result;
}

int enif_select(ErlNifEnv *env, ErlNifEvent e, enum ErlNifSelectFlags flags, void *obj,
    const ErlNifPid *pid, ERL_NIF_TERM ref)
{
    return enif_select_x(env, e,
        (enum ErlNifSelectFlags)(flags & ~(unsigned) ERL_NIF_SELECT_CUSTOM_MSG), obj, pid, ref,
        NULL);
}
