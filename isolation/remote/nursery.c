/* nursery.c - a thread that starts workers: what takes time must not hold up calls or the watcher.
 *
 * A pool keeps an embryo: a worker that has been forked and set up, with its first lane, in which no library has
 * been opened. The next worker that is needed is made of it, on the thread that needs it, in a third of
 * the time; a new embryo follows when the pool has been at peace for a moment.
 *
 *   zygote_spawn ─► EMBRYO ─► STARTING ─► READY | SPARE
 *        └──────────────────────┘
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include <xxhash.h>

#include "isolation/crash_report.h"
#include "isolation/isolation.h"
#include "isolation/remote/pool_internal.h"
#include "lib/base/clock.h"
#include "lib/base/memory_file.h"
#include "nif/host.h"

enum { BACK_OFF_FIRST_NS = 1000000, BACK_OFF_MAX_NS = 1000000000, OPEN_PATIENCE_NS = 1000000000 };

static struct {
    pthread_mutex_t mutex; /* a leaf: only this flag */
    pthread_cond_t cond;
    bool wanted;
    pthread_mutex_t starting; /* the threads are being started */
    _Atomic bool started;
    unsigned schedulers;
} nursery = { .mutex = PTHREAD_MUTEX_INITIALIZER, .starting = PTHREAD_MUTEX_INITIALIZER };

static _Atomic uint32_t next_serial = 1;
enum { SERIAL_MASK = (1 << 21) - 1 };

/* ---- opening libraries in a new worker: on the watcher's thread, or here for the first ---- */

/* FRAME_OPEN of the next library of a worker that starts, or WORKER_READY. Reader of its first lane only. */
static void open_next(struct remote_worker *w)
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

/* What the worker answered: {ok, Functions}, others than before, or {error, {Kind, Text}}, or whatever it likes. */
static void why_not_opened(struct remote_lane *lane, char *out, size_t room)
{
    struct heap h;
    heap_init_frags(&h);
    term answer = lane->answer == FRAME_OPENED ? term_decode(&lane->in, &h, 0) : TERM_NONE;
    bool is_pair = !term_is_none(answer) && term_is_tuple_of(answer, 2);
    bool failed = is_pair && term_same(term_tuple_get(answer, 0), ATOM(error)) && term_is_tuple_of(term_tuple_get(answer, 1), 2);
    size_t n = (size_t) snprintf(out, room, "the library could not be loaded again in a new worker%s",
        failed ? ": " : is_pair ? ": its functions are not those it had" : "");
    for (term l = failed ? term_tuple_get(term_tuple_get(answer, 1), 1) : TERM_NIL; term_is_cons(l) && n + 1 < room;
         l = term_tail(l)) {
        term c = term_head(l);
        out[n++] = term_is_small(c) && term_to_small(c) >= ' ' && term_to_small(c) < 127 ? (char) term_to_small(c) : '?';
    }
    out[n] = '\0';
    heap_destroy(&h);
}

void worker_opened(struct remote_worker *w)
{
    struct remote_lane *lane = w->lanes[0];
    char why[NATIVE_TEXT_MAX];
    lane->deadline_ns = INT64_MAX;
    uint64_t hash = lane->answer == FRAME_OPENED ? XXH3_64bits(lane->in.buffer, lane->in.n) : 0;
    lock_take(&w->pool->lock);
    const struct pool_library *l = pool_library_locked(w->pool, w->n_opened);
    bool wanted = l != NULL, same = wanted && l->answer_hash == hash;
    lock_drop(&w->pool->lock);
    if (wanted && !same) {
        why_not_opened(lane, why, sizeof(why));
    }
    term_reader_drop(&lane->in);
    if (same) {
        open_next(w);
    } else {
        atomic_store(&lane->reader, READER_WATCHER);
        pool_worker_failed(w, wanted ? why : NULL);
    }
}

/* ---- starting one ---- */

/* false: errno. */
static bool send_setup(struct remote_worker *w)
{
    struct setup setup = {
        .version = PROTOCOL_VERSION,
        .memory = w->mode->memory,
        .serial = w->serial,
        .schedulers = nursery.schedulers,
        .time_offset_ns = nif_host->time_offset_ns(),
        .stack_bytes = w->stack_bytes,
        .timeout_ms = w->timeout_ms,
    };
    struct datagram d = { .kind = DATAGRAM_SETUP };
    if (w->mode->memory == WORKER_MEMORY_OWN) {
        outbox_send(w, &d, &setup, sizeof(setup), NULL, 0);
        return true;
    }
    bool read_only = w->mode->memory == WORKER_MEMORY_READ;
    int fds[2] = { arena_share_fd(arena_terms, read_only), -1 };
    if (fds[0] >= 0) {
        fds[1] = arena_share_fd(arena_literals, true);
    }
    int error = errno;
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
    errno = error;
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
    native_outcome_refused(&o, "workers");
    pool_start_failed(pool, &o);
    native_outcome_clear(&o);
}

/* Is done without if there is none: the next try comes later. */
static void no_embryo(struct remote_pool *pool)
{
    lock_take(&pool->lock);
    pool->embryo_due_ns = clock_monotonic_ns() + BACK_OFF_MAX_NS;
    lock_drop(&pool->lock);
}

/* as: WORKER_STARTING or WORKER_EMBRYO. */
static void start_one(struct remote_pool *pool, enum worker_state as)
{
    char error[200];
    struct remote_worker *w = vm_zalloc(sizeof(*w));
    if (!zygote_spawn(&w->process, error)) {
        vm_free(w);
        as == WORKER_EMBRYO ? no_embryo(pool) : could_not_start(pool, error);
        return;
    }
    w->pool = pool;
    w->serial = atomic_fetch_add(&next_serial, 1) & SERIAL_MASK;
    w->timeout_ms = (uint32_t) library_policy(pool->library, POLICY_TIMEOUT);
    w->state = as;
    lock_take(&pool->lock);
    w->mode = pool->mode;
    w->stack_bytes = pool->stack_bytes;
    lock_drop(&pool->lock);
    atomic_init(&w->refs, 1);
    atomic_init(&w->holders, 1);
    w->outbox_end = &w->outbox;
    w->close_deadline_ns = INT64_MAX;
    lock_init(&w->outbox_lock, RANK_WORKER_SOCKET);
    remote_resources_init(w);
    bool good = send_setup(w);
    int number = errno;
    lock_take(&pool->lock);
    w->next = pool->workers;
    pool->workers = w;
    struct remote_lane *lane = lane_new_locked(w);
    if (lane != NULL) {
        atomic_store(&lane->reader, READER_AT_WORK);
    } else if (good) {
        number = errno;
    }
    good &= lane != NULL;
    if (!good) {
        w->state = WORKER_RETIRING; /* its end is no second failure */
    }
    lock_drop(&pool->lock);
    remote_trace(w, as == WORKER_EMBRYO ? "prepared" : "started");
    if (good && as == WORKER_STARTING) {
        open_next(w);
    } else if (!good) {
        as == WORKER_EMBRYO ? no_embryo(pool) : could_not_start(pool, memory_file_error(number));
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
        all += w->state != WORKER_EMBRYO;
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
    bool for_calls = pool->first != NULL && pool->n_workers < library_policy(pool->library, POLICY_POOL);
    return for_calls || spares < library_policy(pool->library, POLICY_SPARE);
}

static struct remote_worker *embryo_locked(const struct remote_pool *pool)
{
    struct remote_worker *w = pool->workers;
    while (w != NULL && w->state != WORKER_EMBRYO) {
        w = w->next;
    }
    return w;
}

static bool wants_embryo_locked(const struct remote_pool *pool)
{
    return pool->n_workers != 0 && !pool->starting && !pool->closing
           && library_policy(pool->library, POLICY_SPARE) == 0 && embryo_locked(pool) == NULL;
}

/* The embryo, to be opened, with a reference; NULL: there is none, or it is too early. */
static struct remote_worker *take_embryo_locked(struct remote_pool *pool)
{
    struct remote_worker *w = embryo_locked(pool);
    if (w == NULL || pool->next_start_ns > clock_monotonic_ns() || !pool_embryo_fits_locked(w)) {
        return NULL;
    }
    w->state = WORKER_STARTING;
    pool->starting = true;
    worker_ref(w); /* it may end meanwhile */
    return w;
}

/* false: the pool does not lack a worker, or has no embryo. */
static bool open_embryo(struct remote_pool *pool)
{
    lock_take(&pool->lock);
    struct remote_worker *w = lacks_one_locked(pool) ? take_embryo_locked(pool) : NULL;
    lock_drop(&pool->lock);
    if (w != NULL) {
        remote_trace(w, "taken");
        open_next(w);
        worker_unref(w);
    }
    return w != NULL;
}

/* Embryos that are due, once nobody waits for a worker; when to come again, or INT64_MAX. */
static int64_t make_embryos(int64_t now)
{
    int64_t next = INT64_MAX;
    for (struct remote_pool *pool = pool_first(); pool != NULL; pool = pool->next) {
        lock_take(&pool->lock);
        bool wanted = wants_embryo_locked(pool);
        int64_t due = pool->embryo_due_ns > pool->next_start_ns ? pool->embryo_due_ns : pool->next_start_ns;
        lock_drop(&pool->lock);
        if (wanted && due <= now) {
            start_one(pool, WORKER_EMBRYO);
        } else if (wanted) {
            next = due < next ? due : next;
        }
    }
    return next;
}

/* Starts what is due; when to come again, or INT64_MAX. */
static int64_t start_workers(int64_t now)
{
    int64_t next = INT64_MAX;
    for (struct remote_pool *pool = pool_first(); pool != NULL; pool = pool->next) {
        if (open_embryo(pool)) {
            continue;
        }
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
            start_one(pool, WORKER_STARTING);
        }
    }
    return next;
}

static void *nurse(void *arg)
{
    isolation_thread_start(arg);
    for (;;) {
        int64_t next = start_workers(clock_monotonic_ns()), embryos = make_embryos(clock_monotonic_ns());
        next = embryos < next ? embryos : next;
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
    return NULL;
}

/* It runs no library's code, but may meet with a fault as any of the VM's threads. false: errno says why not. */
bool remote_thread_start(void *(*run)(void *reserved))
{
    pthread_t thread;
    struct native_thread *reserved = isolation_thread_reserve();
    if (reserved == NULL) {
        errno = ENOMEM;
        return false;
    }
    errno = pthread_create(&thread, NULL, run, reserved);
    if (errno != 0) {
        isolation_thread_unreserve(reserved);
        return false;
    }
    pthread_detach(thread);
    return true;
}

/* 0, or an errno value: who comes next tries again. */
static int start_threads(void)
{
    pthread_condattr_t attr;
    int error = 0;
    if (__builtin_expect(atomic_load_explicit(&nursery.started, memory_order_acquire), 1)) {
        return 0;
    }
    pthread_mutex_lock(&nursery.starting);
    if (!atomic_load_explicit(&nursery.started, memory_order_relaxed)) {
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&nursery.cond, &attr);
        nursery.schedulers = nif_host->schedulers(); /* the thread outlives them */
        bool good = watcher_start() && remote_thread_start(nurse);
        error = good ? 0 : errno;
        atomic_store_explicit(&nursery.started, good, memory_order_release);
    }
    pthread_mutex_unlock(&nursery.starting);
    return error;
}

void nursery_want(struct remote_pool *pool)
{
    int error = start_threads();
    if (error != 0) {
        could_not_start(pool, memory_file_error(error));
        return;
    }
    if (open_embryo(pool)) {
        return;
    }
    lock_take(&pool->lock);
    bool wants = lacks_one_locked(pool) || wants_embryo_locked(pool);
    lock_drop(&pool->lock);
    if (wants) {
        pthread_mutex_lock(&nursery.mutex);
        nursery.wanted = true;
        pthread_cond_signal(&nursery.cond);
        pthread_mutex_unlock(&nursery.mutex);
    }
}
