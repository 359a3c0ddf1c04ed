/* watcher.c - one thread that sleeps until a worker has something to say outside of a call that waits itself:
 * answers of parked calls, messages on sockets, deaths, deadlines.
 *
 * epoll data: a pointer with the kind of event in its low bits.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "isolation/isolation.h"
#include "isolation/remote/remote_internal.h"
#include "lib/base/clock.h"

enum event_kind { EVENT_POKE, EVENT_LANE, EVENT_SOCKET, EVENT_DEATH };
enum { EVENT_KIND_MASK = 3, EVENTS = 64, FLUSH_AGAIN_MS = 1 };

static struct {
    int epoll, poke;
    _Atomic int64_t deadline_ns; /* the earliest; INT64_MAX: none */
    _Atomic bool poked;
} watcher = { .epoll = -1, .poke = -1, .deadline_ns = INT64_MAX };

static void add(int fd, void *object, enum event_kind kind)
{
    struct epoll_event e = { .events = kind == EVENT_LANE ? EPOLLIN | EPOLLET : EPOLLIN,
        .data.u64 = (uint64_t) (uintptr_t) object | kind };
    VM_REQUIRE(epoll_ctl(watcher.epoll, EPOLL_CTL_ADD, fd, &e) == 0);
}

void watcher_add_lane(struct remote_lane *lane)
{
    add(channel_doorbell(lane->channel), lane, EVENT_LANE);
}

void watcher_add_worker(struct remote_worker *w)
{
    add(w->process.socket, w, EVENT_SOCKET);
    add(w->process.pidfd, w, EVENT_DEATH);
}

void watcher_poke(void)
{
    if (watcher.poke >= 0 && !atomic_exchange(&watcher.poked, true)) {
        uint64_t one = 1;
        ssize_t done = write(watcher.poke, &one, sizeof(one));
        (void) done; /* full: it is awake */
    }
}

/* true: it is the earliest. */
static bool bring_forward(int64_t at_ns)
{
    int64_t known = atomic_load(&watcher.deadline_ns);
    while (at_ns < known) {
        if (atomic_compare_exchange_weak(&watcher.deadline_ns, &known, at_ns)) {
            return true;
        }
    }
    return false;
}

void watcher_note_deadline(int64_t at_ns)
{
    if (bring_forward(at_ns)) {
        watcher_poke();
    }
}

/* ---- lanes ---- */

static void answered(struct remote_lane *lane)
{
    struct remote_worker *w = lane->worker;
    struct remote_pool *pool = w->pool;
    if (w->state == WORKER_STARTING) {
        worker_opened(w);
        return;
    }
    lock_take(&pool->lock);
    struct remote_progress *p = lane->progress;
    term pid = TERM_NONE;
    if (p != NULL) {
        pid = p->pid;
        atomic_store_explicit(&p->state, CALL_ANSWERED, memory_order_release);
        lane->deadline_ns = INT64_MAX;
    }
    lock_drop(&pool->lock);
    if (p != NULL) {
        executor_wake(pid);
        return;
    }
    /* Nobody waits for it any more. The call was ended by force: its worker is not trusted with others. */
    bool crashed = lane->answer == FRAME_CRASHED;
    lane_forget_call(lane);
    if (crashed && library_policy(pool->library, POLICY_AFTER_CRASH) == POLICY_AFTER_CRASH_REPLACE) {
        pool_retire(w, true);
    }
    pool_release_lane(lane);
}

void watcher_take_over(struct remote_lane *lane)
{
    atomic_store(&lane->more, true);
    watcher_poke();
}

static void read_lane(struct remote_lane *lane)
{
    uint32_t parked = READER_WATCHER;
    while (atomic_compare_exchange_strong(&lane->reader, &parked, READER_AT_WORK)) {
        channel_disarm(lane->channel);
        switch (lane_read(lane)) {
        case LANE_ANSWERED: answered(lane); return; /* the lane is the caller's, or idle */
        case LANE_VIOLATED:
            atomic_store(&lane->reader, READER_WATCHER); /* its death ends the call */
            pool_violated(lane->worker);
            return;
        case LANE_CLOSED:
            if (atomic_load(&lane->refused)) {
                lane_give_up(lane);
                return;
            }
            atomic_store(&lane->reader, READER_WATCHER);
            pool_kill(lane->worker, NULL);
            return;
        case LANE_MORE:
            atomic_store(&lane->reader, READER_WATCHER);
            watcher_take_over(lane);
            return;
        case LANE_NOTHING: break;
        }
        bool armed = channel_arm(lane->channel);
        atomic_store(&lane->more, armed && channel_wants_write(lane->channel)); /* look_after() comes again */
        atomic_store(&lane->reader, READER_WATCHER);
        if (armed) {
            return;
        }
        parked = READER_WATCHER;
    }
}

/* Its events come once for each time the worker writes: whoever reads the lane now must not miss this one. */
static void lane_rang(struct remote_lane *lane)
{
    uint32_t caller = READER_CALLER;
    if (!atomic_compare_exchange_strong(&lane->reader, &caller, READER_CALLER_RANG)) {
        read_lane(lane);
    }
}

/* ---- workers ---- */

/* One datagram at a time; epoll comes again for the next. false: there is none. */
static bool read_socket(struct remote_worker *w)
{
    static uint8_t payload[PROTOCOL_DATAGRAM_MAX]; /* of this thread only */
    struct datagram d;
    struct iovec parts[2] = { { &d, sizeof(d) }, { payload, sizeof(payload) } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 }; /* no room for descriptors: the kernel drops them */
    ssize_t n = recvmsg(w->process.socket, &m, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    if (n <= 0) { /* closed: its death follows, if it is alive it has no business without a socket */
        epoll_ctl(watcher.epoll, EPOLL_CTL_DEL, w->process.socket, NULL);
        if (w->state != WORKER_RETIRING) {
            worker_process_kill(&w->process);
        }
        return false;
    }
    if ((size_t) n < sizeof(d) || (m.msg_flags & MSG_TRUNC) != 0
        || !service_datagram(w, &d, payload, (size_t) n - sizeof(d))) {
        pool_violated(w);
        return false;
    }
    return true;
}

/* Did it end because of the library that it was opening? */
static bool failed_to_load_locked(const struct remote_worker *w)
{
    if (w->state != WORKER_STARTING || w->n_opened == 0 || pool_library_locked(w->pool, w->n_opened) == NULL) {
        return false;
    }
    /* No library ends itself by SIGKILL: without a verdict of ours somebody else did, and the next worker may fare better. */
    bool killed = w->end.signalled && w->end.number == SIGKILL;
    return !killed || outcome_is_verdict(&w->verdict) || outcome_is_verdict(&w->lanes[0]->verdict);
}

/* What it said last counts: answers that were on their way are delivered before its calls end. */
static void bury(struct remote_worker *w)
{
    pool_worker_ending(w);
    w->end = worker_process_reap(&w->process);
    remote_trace(w, w->end.signalled ? "ended by a signal" : "ended");
    epoll_ctl(watcher.epoll, EPOLL_CTL_DEL, w->process.pidfd, NULL);
    for (int patience = 1000; patience > 0 && read_socket(w); patience--) {
    }
    epoll_ctl(watcher.epoll, EPOLL_CTL_DEL, w->process.socket, NULL);
    for (unsigned i = 0; i < w->n_lanes; i++) {
        if (w->state != WORKER_STARTING) {
            read_lane(w->lanes[i]);
        }
    }
    lock_take(&w->pool->lock);
    bool failed = failed_to_load_locked(w);
    lock_drop(&w->pool->lock);
    pool_worker_died(w);
    for (unsigned i = 0; i < w->n_lanes; i++) {
        epoll_ctl(watcher.epoll, EPOLL_CTL_DEL, channel_doorbell(w->lanes[i]->channel), NULL);
    }
    if (failed) {
        struct native_outcome o;
        lock_take(&w->pool->lock);
        lane_outcome_locked(w->lanes[0], &o);
        lock_drop(&w->pool->lock);
        pool_start_failed(w->pool, &o);
        native_outcome_clear(&o);
    }
    worker_unref(w);
}

/* ---- deadlines and everything that waits ---- */

static void end_overdue(struct remote_lane *lane, int64_t now, int64_t *next)
{
    struct remote_worker *w = lane->worker;
    int64_t deadline = lane->deadline_ns;
    if (deadline > now) {
        *next = deadline < *next ? deadline : *next;
        return;
    }
    lock_take(&w->pool->lock);
    /* The lane's caller may be at its next call already, with another deadline, which must stay. */
    bool overdue = atomic_compare_exchange_strong(&lane->deadline_ns, &deadline, INT64_MAX);
    if (!overdue) {
        *next = deadline < *next ? deadline : *next;
    }
    if (overdue && !lane->cancelled && !outcome_is_verdict(&lane->verdict)) {
        lane->verdict = (struct native_outcome) { .status = NATIVE_TIMED_OUT, .number = lane->timeout_ms };
    }
    lock_drop(&w->pool->lock);
    if (overdue) {
        worker_process_kill(&w->process);
    }
}

/* Looks at all workers. true: some datagrams still wait. */
static bool look_after(int64_t now)
{
    int64_t next = INT64_MAX;
    bool again = false; /* something waits for room in a socket */
    atomic_store(&watcher.deadline_ns, INT64_MAX);
    remote_resources_flush();
    for (struct remote_pool *pool = pool_first(); pool != NULL; pool = pool->next) {
        struct remote_worker *all[POOL_MAX_WORKERS + 1]; /* and an embryo */
        unsigned n = 0;
        lock_take(&pool->lock);
        for (struct remote_worker *w = pool->workers; w != NULL && n < ARRAY_LEN(all); w = w->next) {
            worker_ref(w);
            all[n++] = w;
        }
        lock_drop(&pool->lock);
        for (unsigned i = 0; i < n; i++) {
            again |= !outbox_flush(all[i]);
            for (unsigned k = 0; k < all[i]->n_lanes; k++) {
                if (atomic_load_explicit(&all[i]->lanes[k]->more, memory_order_relaxed)
                    && atomic_exchange(&all[i]->lanes[k]->more, false)) {
                    read_lane(all[i]->lanes[k]);
                    again |= atomic_load_explicit(&all[i]->lanes[k]->more, memory_order_relaxed);
                }
                end_overdue(all[i]->lanes[k], now, &next);
            }
            if (all[i]->close_deadline_ns <= now) {
                worker_process_kill(&all[i]->process);
            } else if (all[i]->close_deadline_ns < next) {
                next = all[i]->close_deadline_ns;
            }
            worker_unref(all[i]);
        }
    }
    (void) bring_forward(next);
    return again;
}

static void *watch(void *arg)
{
    struct epoll_event events[EVENTS];
    bool again = false;
    isolation_thread_start(arg);
    for (;;) {
        int64_t now = clock_monotonic_ns(), deadline = atomic_load(&watcher.deadline_ns);
        int64_t wait_ms = deadline == INT64_MAX ? -1 : deadline <= now ? 0 : (deadline - now) / 1000000 + 1;
        wait_ms = again && (wait_ms < 0 || wait_ms > FLUSH_AGAIN_MS) ? FLUSH_AGAIN_MS : wait_ms;
        int n = epoll_wait(watcher.epoll, events, EVENTS, (int) wait_ms);
        bool look = n == 0;
        for (int i = 0; i < n; i++) {
            void *object = (void *) (uintptr_t) (events[i].data.u64 & ~(uint64_t) EVENT_KIND_MASK);
            switch ((enum event_kind) (events[i].data.u64 & EVENT_KIND_MASK)) {
            case EVENT_LANE: lane_rang(object); break;
            case EVENT_SOCKET: (void) read_socket(object); break;
            case EVENT_DEATH: break;
            case EVENT_POKE: {
                uint64_t count;
                ssize_t done = read(watcher.poke, &count, sizeof(count));
                (void) done;
                atomic_store(&watcher.poked, false);
                look = true;
                break;
            }
            }
        }
        for (int i = 0; i < n; i++) { /* last: after this nothing above may name it */
            if ((events[i].data.u64 & EVENT_KIND_MASK) == EVENT_DEATH) {
                bury((void *) (uintptr_t) (events[i].data.u64 & ~(uint64_t) EVENT_KIND_MASK));
            }
        }
        if (look || again || atomic_load(&watcher.deadline_ns) <= clock_monotonic_ns()) {
            again = look_after(clock_monotonic_ns());
        }
    }
    return NULL;
}

bool watcher_start(void)
{
    static bool runs;
    if (watcher.epoll < 0) {
        watcher.epoll = epoll_create1(EPOLL_CLOEXEC);
    }
    if (watcher.epoll >= 0 && watcher.poke < 0) {
        watcher.poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (watcher.poke >= 0) {
            add(watcher.poke, NULL, EVENT_POKE);
        }
    }
    runs = runs || (watcher.poke >= 0 && remote_thread_start(watch));
    return runs;
}
