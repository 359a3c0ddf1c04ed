/* nursery.c - a thread that starts workers: what takes time must not hold up calls or the watcher. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "isolation/crash_report.h"
#include "isolation/isolation.h"
#include "isolation/remote/remote_internal.h"
#include "lib/base/clock.h"
#include "nif/host.h"

enum { BACK_OFF_FIRST_NS = 1000000, BACK_OFF_MAX_NS = 1000000000, OPEN_PATIENCE_NS = 1000000000 };

static struct {
    pthread_mutex_t mutex; /* a leaf: only this flag */
    pthread_cond_t cond;
    bool wanted;
    pthread_once_t once;
    bool started;
} nursery = { .mutex = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT };

static _Atomic uint32_t next_serial = 1;
enum { SERIAL_MASK = (1 << 21) - 1 };

/* ---- opening libraries in a new worker: on the watcher's thread, or here for the first ---- */

void worker_open_next(struct remote_worker *w)
{
    struct remote_pool *pool = w->pool;
    struct remote_lane *lane = w->lanes[0];
    uint8_t *request = NULL;
    size_t n = 0;
    uint32_t id = 0, previous = w->n_opened;
    lock_take(&pool->lock);
    for (unsigned i = 0; i < POOL_MAX_LIBRARIES; i++) { /* in the order they were opened in */
        const struct pool_library *l = &pool->libraries[i];
        if (l->id > previous && (id == 0 || l->id < id)) {
            id = l->id;
            n = l->request_bytes;
            request = l->request;
        }
    }
    if (request != NULL) {
        request = memcpy(vm_alloc(n), request, n);
    }
    lock_drop(&pool->lock);
    if (request == NULL) {
        lock_take(&pool->lock);
        atomic_store(&lane->reader, READER_NOBODY);
        lane->next_idle = w->idle;
        w->idle = lane;
        lock_drop(&pool->lock);
        pool_worker_ready(w);
        return;
    }
    w->n_opened = id;
    lane->number++;
    struct frame_header h = { .kind = FRAME_OPEN, .number = lane->number, .extra = id };
    struct channel_part part = { request, n };
    uint32_t timeout_ms = atomic_load(&pool->library->timeout_ms);
    enum channel_status s = channel_send(lane->channel, &h, &part, 1);
    vm_free(request);
    if (s != CHANNEL_OK) {
        pool_kill(w, NULL);
    } else if (timeout_ms != 0) {
        lane->timeout_ms = timeout_ms;
        lane->deadline_ns = clock_monotonic_ns() + (int64_t) timeout_ms * 1250000 + OPEN_PATIENCE_NS;
        watcher_note_deadline(lane->deadline_ns);
    }
    atomic_store(&lane->reader, READER_WATCHER);
    watcher_take_over(lane); /* reads what has come, and arms */
}

void worker_opened(struct remote_worker *w)
{
    struct remote_lane *lane = w->lanes[0];
    lane->deadline_ns = INT64_MAX;
    uint64_t hash = lane->answer == FRAME_OPENED ? XXH3_64bits(lane->in.buffer, lane->in.n) : 0;
    bool same = false;
    lock_take(&w->pool->lock);
    for (unsigned i = 0; i < POOL_MAX_LIBRARIES; i++) {
        same |= w->pool->libraries[i].id == w->n_opened && w->pool->libraries[i].answer_hash == hash;
    }
    lock_drop(&w->pool->lock);
    term_reader_drop(&lane->in);
    if (same) {
        worker_open_next(w);
    } else {
        atomic_store(&lane->reader, READER_WATCHER);
        pool_worker_failed(w, "the library could not be loaded again in a new worker");
    }
}

/* ---- starting one ---- */

static bool send_setup(struct remote_worker *w)
{
    const struct native_library *lib = w->pool->library;
    struct setup setup = {
        .version = PROTOCOL_VERSION,
        .memory = w->mode->memory,
        .serial = w->serial,
        .schedulers = nif_host->schedulers(),
        .time_offset_ns = nif_host->time_offset_ns(),
        .stack_bytes = w->stack_bytes,
        .timeout_ms = (uint32_t) library_policy(lib, POLICY_TIMEOUT),
    };
    struct datagram d = { .kind = DATAGRAM_SETUP };
    if (w->mode->memory == WORKER_MEMORY_OWN) {
        outbox_send(w, &d, &setup, sizeof(setup), NULL, 0);
        return true;
    }
    bool read_only = w->mode->memory == WORKER_MEMORY_READ;
    int fds[2] = { arena_share_fd(arena_terms, read_only), arena_share_fd(arena_literals, true) };
    setup.atom_root = atom_table_root();
    bool good = fds[0] >= 0 && fds[1] >= 0;
    if (good) {
        outbox_send(w, &d, &setup, sizeof(setup), fds, 2);
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return good;
}

void pool_back_off_locked(struct remote_pool *pool)
{
    int64_t delay = BACK_OFF_FIRST_NS;
    pool->failures++;
    for (unsigned i = 1; i < pool->failures && delay < BACK_OFF_MAX_NS; i++) {
        delay *= 2;
    }
    int64_t next = clock_monotonic_ns() + delay;
    pool->next_start_ns = next > pool->next_start_ns ? next : pool->next_start_ns;
}

static void could_not_start(struct remote_pool *pool, const char *why)
{
    struct native_outcome o;
    char line[300];
    lock_take(&pool->lock);
    pool->starting = false;
    pool_back_off_locked(pool);
    lock_drop(&pool->lock);
    snprintf(line, sizeof(line), "no worker for %s: %s\n", pool->library->module, why);
    crash_report_line(line);
    outcome_limit(&o, "workers");
    pool_start_failed(pool, &o);
    native_outcome_clear(&o);
}

static void start_one(struct remote_pool *pool)
{
    char error[200];
    struct remote_worker *w = vm_zalloc(sizeof(*w));
    if (!zygote_spawn(&w->process, error)) {
        vm_free(w);
        could_not_start(pool, error);
        return;
    }
    w->pool = pool;
    w->serial = atomic_fetch_add(&next_serial, 1) & SERIAL_MASK;
    w->state = WORKER_STARTING;
    lock_take(&pool->lock);
    w->mode = pool->mode;
    w->stack_bytes = pool->stack_bytes;
    lock_drop(&pool->lock);
    atomic_init(&w->refs, 1);
    w->outbox_end = &w->outbox;
    w->close_deadline_ns = INT64_MAX;
    lock_init(&w->outbox_lock, RANK_WORKER_SOCKET);
    remote_resources_init(w);
    bool good = send_setup(w);
    lock_take(&pool->lock);
    w->next = pool->workers;
    pool->workers = w;
    struct remote_lane *lane = lane_new_locked(w);
    if (lane != NULL) {
        atomic_store(&lane->reader, READER_AT_WORK);
    }
    good &= lane != NULL;
    if (!good) {
        w->state = WORKER_RETIRING; /* its end is no second failure */
    }
    lock_drop(&pool->lock);
    remote_trace(w, "started");
    if (good) {
        worker_open_next(w);
    } else {
        could_not_start(pool, "out of descriptors or memory");
        worker_process_kill(&w->process);
    }
    watcher_add_worker(w); /* last: it may end at once, and the watcher frees it */
}

/* ---- the thread ---- */

/* A worker should be started, as far as numbers go. */
static bool lacks_one_locked(const struct remote_pool *pool)
{
    unsigned spares = 0, all = 0;
    for (const struct remote_worker *w = pool->workers; w != NULL; w = w->next) {
        spares += w->state == WORKER_SPARE;
        all++;
    }
    bool has_libraries = false;
    for (unsigned i = 0; i < POOL_MAX_LIBRARIES; i++) {
        has_libraries |= pool->libraries[i].id != 0;
    }
    if (pool->starting || pool->mode == NULL || all >= POOL_MAX_WORKERS || (pool->closing && pool->first == NULL)) {
        return false;
    }
    if (pool->n_workers == 0) {
        return has_libraries || pool->first != NULL;
    }
    return (pool->first != NULL && pool->n_workers < library_policy(pool->library, POLICY_POOL)) || spares < library_policy(pool->library, POLICY_SPARE);
}

/* Starts what is due; when to come again, or INT64_MAX. */
static int64_t round_of(int64_t now)
{
    int64_t next = INT64_MAX;
    for (struct remote_pool *pool = pool_first(); pool != NULL; pool = pool->next) {
        lock_take(&pool->lock);
        bool lacks = lacks_one_locked(pool);
        bool due = pool->next_start_ns <= now;
        if (lacks && due) {
            pool->starting = true;
        } else if (lacks) {
            next = pool->next_start_ns < next ? pool->next_start_ns : next;
        }
        lock_drop(&pool->lock);
        if (lacks && due) {
            start_one(pool);
        }
    }
    return next;
}

static void *nurse(void *arg)
{
    isolation_thread_start();
    for (;;) {
        int64_t next = round_of(clock_monotonic_ns());
        pthread_mutex_lock(&nursery.mutex);
        while (!nursery.wanted) {
            if (next == INT64_MAX) {
                pthread_cond_wait(&nursery.cond, &nursery.mutex);
                continue;
            }
            struct timespec at = { next / 1000000000, next % 1000000000 };
            if (pthread_cond_timedwait(&nursery.cond, &nursery.mutex, &at) == ETIMEDOUT) {
                break;
            }
        }
        nursery.wanted = false;
        pthread_mutex_unlock(&nursery.mutex);
    }
    return arg;
}

static void start_threads(void)
{
    pthread_condattr_t attr;
    pthread_t thread;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&nursery.cond, &attr);
    nursery.started = watcher_start() && pthread_create(&thread, NULL, nurse, NULL) == 0;
    if (nursery.started) {
        pthread_detach(thread);
    }
}

void nursery_want(struct remote_pool *pool)
{
    pthread_once(&nursery.once, start_threads);
    if (!nursery.started) {
        could_not_start(pool, "no threads");
        return;
    }
    lock_take(&pool->lock);
    bool lacks = lacks_one_locked(pool);
    lock_drop(&pool->lock);
    if (lacks) {
        pthread_mutex_lock(&nursery.mutex);
        nursery.wanted = true;
        pthread_cond_signal(&nursery.cond);
        pthread_mutex_unlock(&nursery.mutex);
    }
}
