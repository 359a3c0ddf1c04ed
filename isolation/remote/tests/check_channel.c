/* check_channel.c - frames to another process and back. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolation/remote/tests/hostile_peer.h"
#include "lib/base/clock.h"
#include "lib/base/tests/run_suite.h"

enum { SECOND_NS = 1000000000, ROUNDS = 3000 };

/* Both transports: _i is one of these. */
static enum channel_transport transport(int i)
{
    return i == 0 ? CHANNEL_RING : CHANNEL_SOCKET;
}

/* The worker's end in a process of its own. */
static struct channel *attach_copy(struct channel *vm, enum channel_transport t)
{
    int fds[CHANNEL_MAX_FDS];
    size_t n = channel_worker_fds(vm, fds);
    for (size_t i = 0; i < n; i++) {
        fds[i] = dup(fds[i]);
    }
    struct channel *c = channel_attach(t, fds, n);
    ck_assert_ptr_nonnull(c);
    return c;
}

static uint8_t *make_bytes(size_t n)
{
    uint8_t *bytes = malloc(n + 1);
    ck_assert_ptr_nonnull(bytes);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (uint8_t) (i * 7 + (i >> 8));
    }
    return bytes;
}

/* Answers every frame with its like until the channel is closed. */
static void echo(struct channel *c, _Atomic uint32_t *stop)
{
    struct frame_header h;
    while (channel_wait(c, stop) == CHANNEL_OK) {
        if (channel_receive(c, &h) != CHANNEL_OK) {
            continue;
        }
        VM_REQUIRE((uintptr_t) channel_body(c) % 8 == 0);
        uint8_t *copy = malloc(h.bytes + 1);
        VM_REQUIRE(copy != NULL && channel_read(c, copy, h.bytes) && !channel_read(c, copy, 1));
        channel_done(c);
        struct channel_part parts[2] = { { copy, h.bytes / 3 }, { copy + h.bytes / 3, h.bytes - h.bytes / 3 } };
        (void) channel_send(c, &h, parts, 2);
        free(copy);
    }
}

static pid_t echo_process(struct channel *vm, enum channel_transport t)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct channel *c = attach_copy(vm, t);
        if (t == CHANNEL_SOCKET) {
            close(channel_doorbell(vm)); /* so that the VM's end has one owner */
        }
        echo(c, NULL);
        channel_free(c);
        _exit(0);
    }
    channel_close_worker_fds(vm);
    return pid;
}

static int end_of(pid_t pid)
{
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static enum channel_status await(struct channel *c, struct frame_header *h)
{
    int64_t deadline = clock_monotonic_ns() + 60LL * SECOND_NS;
    while (!channel_poll(c) && clock_monotonic_ns() < deadline) {
        channel_sleep(c, NULL, 0, SECOND_NS);
    }
    return channel_receive(c, h);
}

static void round_trip(struct channel *c, uint32_t number, const uint8_t *body, size_t n)
{
    struct frame_header h = { .kind = 5, .number = number, .extra = ~UINT64_C(0) };
    struct channel_part part = { body, n };
    uint8_t *copy = malloc(n + 1);
    ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_OK);
    ck_assert_int_eq(await(c, &h), CHANNEL_OK);
    ck_assert_uint_eq(h.number, number);
    ck_assert_uint_eq(h.bytes, n);
    ck_assert_uint_eq(h.extra, ~UINT64_C(0));
    ck_assert(channel_read(c, copy, n));
    ck_assert(!channel_read(c, copy, 1));
    ck_assert(memcmp(copy, body, n) == 0);
    channel_done(c);
    ck_assert(channel_taken(c));
    free(copy);
}

START_TEST(frames_of_every_size_come_back_as_they_were)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 87, 88, 89, 1000, 4096, CHANNEL_INLINE_MAX - 1, CHANNEL_INLINE_MAX,
        CHANNEL_INLINE_MAX + 1, 64 << 10, 300000, 3 << 20 };
    struct channel *c = channel_new(transport(_i));
    uint8_t *body = make_bytes((3 << 20) + 16);
    pid_t pid = echo_process(c, transport(_i));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        size_t n = i < 60 ? sizes[i % ARRAY_LEN(sizes)] : sizes[i % 12];
        round_trip(c, i, body + i % 16, n);
        if (i % 15 == 14) {
            channel_trim(c);
        }
    }
    channel_free(c);
    ck_assert_int_eq(end_of(pid), 0);
    free(body);
}
END_TEST

/* The worker sends a crowd of frames before the VM reads any; it waits for room where there is none. */
START_TEST(a_sender_on_the_workers_side_waits_for_room)
{
    struct channel *c = channel_new(transport(_i));
    uint8_t *body = make_bytes(100000);
    pid_t pid = fork();
    if (pid == 0) {
        struct channel *w = attach_copy(c, transport(_i));
        for (uint32_t i = 0; i < 500; i++) {
            struct channel_part part = { body, i * 7919 % (i % 10 == 0 ? 100000 : 17000) };
            struct frame_header h = { .number = i };
            VM_REQUIRE(channel_send(w, &h, &part, 1) == CHANNEL_OK);
        }
        _exit(0);
    }
    channel_close_worker_fds(c);
    for (uint32_t i = 0; i < 500; i++) {
        struct frame_header h;
        static uint8_t copy[100000];
        ck_assert_int_eq(await(c, &h), CHANNEL_OK);
        ck_assert_uint_eq(h.number, i);
        ck_assert_uint_eq(h.bytes, i * 7919 % (i % 10 == 0 ? 100000 : 17000));
        ck_assert(channel_read(c, copy, h.bytes));
        ck_assert(memcmp(copy, body, h.bytes) == 0);
        channel_done(c);
        if (i % 100 == 0) {
            usleep(2000);
        }
    }
    ck_assert_int_eq(end_of(pid), 0);
    channel_free(c);
    free(body);
}
END_TEST

START_TEST(the_vms_side_is_full_instead_of_waiting)
{
    struct channel *c = channel_new(transport(_i));
    struct channel *w = attach_copy(c, transport(_i));
    uint8_t *body = make_bytes(1 << 20);
    struct channel_part part = { body, 10000 };
    struct frame_header h = { 0 };
    enum channel_status s;
    unsigned sent = 0;
    while ((s = channel_send(c, &h, &part, 1)) == CHANNEL_OK) {
        sent++;
        ck_assert_uint_lt(sent, 1000);
    }
    ck_assert_int_eq(s, CHANNEL_FULL);
    ck_assert_uint_gt(sent, 8);
    ck_assert(!channel_taken(c));
    for (unsigned got = 0; got < sent;) {
        (void) channel_flush(c);
        if (channel_receive(w, &h) == CHANNEL_OK) {
            ck_assert(memcmp(channel_body(w), body, 10000) == 0);
            channel_done(w);
            got++;
        }
    }
    ck_assert(!channel_wants_write(c));
    ck_assert(channel_taken(c));
    part.bytes = 1 << 20;
    ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_OK);
    if (_i == 0) { /* one large body at a time */
        ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_FULL);
        ck_assert_int_eq(channel_receive(w, &h), CHANNEL_OK);
        ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_FULL);
        ck_assert(channel_taken(c));
        channel_done(w);
        ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_OK);
    }
    part.bytes = CHANNEL_BODY_MAX + 1;
    ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_FULL);
    channel_free(w);
    channel_free(c);
    free(body);
}
END_TEST

START_TEST(it_is_known_whether_a_dead_worker_had_received_the_request)
{
    for (int had = 0; had < 2; had++) {
        struct channel *c = channel_new(transport(_i));
        struct frame_header h = { .kind = 1 };
        pid_t pid = fork();
        if (pid == 0) {
            struct channel *w = attach_copy(c, transport(_i));
            while (!had) {
                pause();
            }
            (void) channel_wait(w, NULL);
            VM_REQUIRE(channel_receive(w, &h) == CHANNEL_OK);
            raise(SIGKILL);
        }
        channel_close_worker_fds(c);
        ck_assert_int_eq(channel_send(c, &h, NULL, 0), CHANNEL_OK);
        if (!had) {
            kill(pid, SIGKILL);
        }
        end_of(pid);
        ck_assert(_i == 0 || channel_poll(c));
        ck_assert_int_eq(channel_taken(c), had);
        channel_free(c);
    }
}
END_TEST

START_TEST(the_doorbell_rings_when_it_is_armed)
{
    struct channel *c = channel_new(transport(_i));
    struct channel *w = attach_copy(c, transport(_i));
    struct frame_header h = { .number = 7 };
    struct pollfd p = { channel_doorbell(c), POLLIN, 0 };
    for (int i = 0; i < 100; i++) {
        ck_assert(channel_arm(c));
        ck_assert_int_eq(poll(&p, 1, 0), 0);
        ck_assert_int_eq(channel_send(w, &h, NULL, 0), CHANNEL_OK);
        ck_assert_int_eq(poll(&p, 1, 1000), 1);
        channel_disarm(c);
        ck_assert_int_eq(_i == 0 ? poll(&p, 1, 0) : 0, 0);
        ck_assert(!channel_arm(c));
        ck_assert_int_eq(channel_receive(c, &h), CHANNEL_OK);
        channel_done(c);
        if (_i == 0) { /* not armed: it does not ring */
            ck_assert_int_eq(channel_send(w, &h, NULL, 0), CHANNEL_OK);
            ck_assert_int_eq(poll(&p, 1, 0), 0);
            ck_assert_int_eq(channel_receive(c, &h), CHANNEL_OK);
            channel_done(c);
        }
    }
    channel_free(c);
    channel_free(w);
}
END_TEST

/* A hostile worker shares the eventfd's flags: emptying it must not block all the same. */
START_TEST(a_doorbell_made_blocking_does_not_block)
{
    struct channel *c = channel_new(CHANNEL_RING);
    int fds[CHANNEL_MAX_FDS];
    ck_assert_uint_eq(channel_worker_fds(c, fds), 2);
    ck_assert_int_eq(fcntl(fds[1], F_SETFL, 0), 0);
    alarm(5);
    channel_disarm(c);
    channel_disarm(c);
    alarm(0);
    channel_free(c);
}
END_TEST

START_TEST(the_memory_can_be_neither_shrunk_nor_grown)
{
    struct channel *c = channel_new(CHANNEL_RING);
    int fds[CHANNEL_MAX_FDS];
    channel_worker_fds(c, fds);
    ck_assert_int_ne(ftruncate(fds[0], 0), 0);
    ck_assert_int_ne(ftruncate(fds[0], 8LL << 30), 0);
    ck_assert_int_ne(fcntl(fds[0], F_ADD_SEALS, F_SEAL_WRITE), 0);
    channel_free(c);
}
END_TEST

/* As if the peers were on two CPUs: then large bodies do not lie where the last one lay. */
START_TEST(large_bodies_take_turns_and_kept_ones_stay)
{
    enum { BODY = 700 << 10, KEPT = 3, N = 20 };
    struct channel *c = channel_new(CHANNEL_RING);
    struct channel *w = attach_copy(c, CHANNEL_RING);
    struct shared *shared = (struct shared *) channel_ring_memory(c);
    const uint8_t *kept[KEPT], *before = NULL;
    uint8_t *body = make_bytes(BODY + N);
    uint8_t *copy = malloc(BODY);
    for (size_t i = 0; i < N; i++) {
        struct frame_header h = { .kind = 5 };
        struct channel_part part = { body + i, BODY };
        atomic_store(&shared->vm.cpu, i < 10 ? 1000 : 0);
        atomic_store(&shared->worker.cpu, i < 10 ? 1001 : 0);
        ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_OK);
        ck_assert_int_eq(channel_receive(w, &h), CHANNEL_OK);
        const uint8_t *at = channel_lend(w, BODY);
        ck_assert_ptr_nonnull(at);
        ck_assert(at != before);
        before = at;
        ck_assert(memcmp(at, body + i, BODY) == 0);
        if (i < KEPT) {
            ck_assert(channel_keep(w));
            kept[i] = at;
        }
        channel_done(w);
        ck_assert_int_eq(channel_send(w, &h, &part, 1), CHANNEL_OK);
        ck_assert_int_eq(channel_receive(c, &h), CHANNEL_OK);
        ck_assert(channel_read(c, copy, BODY));
        ck_assert(memcmp(copy, body + i, BODY) == 0);
        channel_done(c);
    }
    for (size_t i = 0; i < KEPT; i++) {
        ck_assert(memcmp(kept[i], body + i, BODY) == 0);
    }
    channel_free(c);
    channel_free(w);
    free(body);
    free(copy);
}
END_TEST

START_TEST(memory_of_large_bodies_goes_back)
{
    struct channel *c = channel_new(CHANNEL_RING);
    struct channel *w = attach_copy(c, CHANNEL_RING);
    int fds[CHANNEL_MAX_FDS];
    struct stat before, after;
    uint8_t *body = make_bytes(16 << 20);
    struct channel_part part = { body, 16 << 20 };
    struct frame_header h = { 0 };
    channel_worker_fds(c, fds);
    ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_OK);
    ck_assert_int_eq(channel_receive(w, &h), CHANNEL_OK);
    channel_trim(c); /* still being read */
    ck_assert(memcmp(channel_body(w), body, 16 << 20) == 0);
    channel_done(w);
    ck_assert_int_eq(channel_send(w, &h, &part, 1), CHANNEL_OK);
    ck_assert_int_eq(channel_receive(c, &h), CHANNEL_OK);
    channel_done(c);
    ck_assert_int_eq(fstat(fds[0], &before), 0);
    channel_trim(c);
    ck_assert_int_eq(fstat(fds[0], &after), 0);
    ck_assert_int_ge(before.st_blocks, 32 << 11);
    ck_assert_int_lt(after.st_blocks, 3 << 11);
    channel_free(c);
    channel_free(w);
    free(body);
}
END_TEST

/* ---- waiting ---- */

struct waker {
    struct channel *channel;
    _Atomic uint32_t *word;
    int64_t after_us;
};

static void *shut_soon(void *arg)
{
    struct waker *w = arg;
    usleep((useconds_t) w->after_us);
    channel_shut(w->channel);
    return NULL;
}

static void *set_soon(void *arg)
{
    struct waker *w = arg;
    usleep((useconds_t) w->after_us);
    atomic_store(w->word, 1);
    wake_private(w->word);
    return NULL;
}

START_TEST(who_sleeps_is_woken_by_shut_by_the_other_word_and_by_the_clock)
{
    for (int i = 0; i < 20; i++) {
        struct channel *c = channel_new(transport(_i));
        _Atomic uint32_t word = 0;
        struct waker waker = { c, &word, i * 100 };
        struct frame_header h = { 0 };
        pthread_t thread;
        channel_sleep(c, &word, 0, 3000000);
        channel_sleep(c, &word, 1, -1); /* it has another value already */
        pthread_create(&thread, NULL, set_soon, &waker);
        while (atomic_load(&word) == 0) {
            channel_sleep(c, &word, 0, -1);
        }
        pthread_join(thread, NULL);
        ck_assert(!channel_poll(c));
        pthread_create(&thread, NULL, shut_soon, &waker);
        while (!channel_poll(c)) {
            channel_sleep(c, &word, 1, -1);
        }
        ck_assert_int_eq(channel_receive(c, &h), CHANNEL_CLOSED);
        ck_assert_int_eq(channel_send(c, &h, NULL, 0), CHANNEL_CLOSED);
        ck_assert(!channel_arm(c));
        pthread_join(thread, NULL);
        channel_free(c);
    }
}
END_TEST

START_TEST(spinning_ends_when_its_time_is_over)
{
    struct channel *c = channel_new(transport(_i));
    int64_t start = clock_monotonic_ns();
    ck_assert(!channel_spin(c, 200000));
    ck_assert_int_ge(clock_monotonic_ns() - start, 200000);
    channel_free(c);
}
END_TEST

struct server {
    struct channel *channel;
    _Atomic uint32_t stop;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    echo(s->channel, &s->stop);
    return NULL;
}

/* Two threads, two mappings: what TSan looks at. */
START_TEST(two_threads_pass_frames_until_one_is_stopped)
{
    static const size_t sizes[] = { 0, 30, 88, 500, 9000, 40000 };
    struct channel *c = channel_new(transport(_i));
    struct server server = { attach_copy(c, transport(_i)), 0 };
    uint8_t *body = make_bytes(40000);
    pthread_t thread;
    pthread_create(&thread, NULL, serve, &server);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        round_trip(c, i, body, sizes[i % ARRAY_LEN(sizes)]);
    }
    atomic_store(&server.stop, 1);
    wake_private(&server.stop);
    pthread_join(thread, NULL);
    channel_free(server.channel);
    channel_free(c);
    free(body);
}
END_TEST

START_TEST(a_worker_that_waits_learns_that_the_channel_is_gone)
{
    struct channel *c = channel_new(transport(_i));
    pid_t pid = echo_process(c, transport(_i));
    round_trip(c, 1, (const uint8_t *) "", 0);
    usleep(20000);
    channel_free(c);
    ck_assert_int_eq(end_of(pid), 0);
}
END_TEST

int main(void)
{
    const TTest *const both[] = { frames_of_every_size_come_back_as_they_were, a_sender_on_the_workers_side_waits_for_room,
        the_vms_side_is_full_instead_of_waiting, it_is_known_whether_a_dead_worker_had_received_the_request,
        the_doorbell_rings_when_it_is_armed, who_sleeps_is_woken_by_shut_by_the_other_word_and_by_the_clock,
        spinning_ends_when_its_time_is_over, two_threads_pass_frames_until_one_is_stopped,
        a_worker_that_waits_learns_that_the_channel_is_gone };
    const TTest *const ring[] = { a_doorbell_made_blocking_does_not_block, the_memory_can_be_neither_shrunk_nor_grown,
        large_bodies_take_turns_and_kept_ones_stay, memory_of_large_bodies_goes_back };
    Suite *s = suite_create("channel");
    TCase *tc = tcase_create("channel");
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        tcase_add_loop_test(tc, both[i], 0, 2);
    }
    for (size_t i = 0; i < ARRAY_LEN(ring); i++) {
        tcase_add_test(tc, ring[i]);
    }
    suite_add_tcase(s, tc);
    return run_suite(s);
}
