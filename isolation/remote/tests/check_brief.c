/* check_brief.c - frames of one slot among others, to another process and back; and peers that lie in them. */
#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolation/remote/term_brief.h"
#include "isolation/remote/tests/hostile_peer.h"
#include "lib/base/clock.h"
#include "lib/base/tests/run_suite.h"

enum { ROUNDS = 20000, SECOND_NS = 1000000000 };

static struct heap heap;

static void setup(void)
{
    ck_assert(arena_init_all());
    atom_table_init();
    ck_assert_int_eq(heap_init(&heap, 1 << 12), HEAP_OK);
}

static struct channel *attach_copy(struct channel *vm, enum channel_transport t)
{
    int fds[CHANNEL_MAX_FDS];
    size_t n = channel_worker_fds(vm, fds);
    for (size_t i = 0; i < n; i++) {
        fds[i] = dup(fds[i]);
    }
    struct channel *c = channel_attach(t, fds, n);
    VM_REQUIRE(c != NULL);
    return c;
}

static size_t body_size(uint64_t round)
{
    static const size_t sizes[] = { 0, 1, 31, 32, 33, 95, 96, 97, 500, 20000 };
    return sizes[round % ARRAY_LEN(sizes)];
}

/* Sends n bytes of that pattern: brief if that can be and is asked for. */
static bool send_pattern(struct channel *c, struct frame_header *h, uint8_t pattern, size_t n, bool brief)
{
    static uint8_t bytes[20000];
    struct slot *s = brief && n <= SLOT_BODY ? brief_begin(c) : NULL;
    h->bytes = n;
    if (s != NULL) {
        memset(s->body, pattern, n);
        brief_send(c, s, *h);
        return true;
    }
    memset(bytes, pattern, n);
    struct channel_part part = { bytes, n };
    return channel_send(c, h, &part, 1) == CHANNEL_OK;
}

/* What is next in the channel, as the VM looks at it. */
static bool peek(struct channel *c, struct brief *b, uint8_t body[SLOT_BODY])
{
    const struct slot *s = brief_next(c);
    return s != NULL && brief_peek(s, b, body);
}

/* The next frame, which is there, by whatever way: all of it this pattern. false: it is not. */
static bool take_pattern(struct channel *c, struct frame_header *h, uint8_t pattern, bool brief)
{
    static uint8_t bytes[20000];
    struct brief b;
    uint8_t copy[SLOT_BODY];
    const uint8_t *body = bytes;
    if (brief && peek(c, &b, copy) && brief_take(c, &b)) {
        *h = b.h;
        body = b.body;
    } else if (channel_receive(c, h) != CHANNEL_OK || h->bytes > sizeof(bytes) || !channel_read(c, bytes, h->bytes)) {
        return false;
    }
    channel_done(c);
    for (size_t i = 0; i < h->bytes; i++) {
        if (body[i] != pattern) {
            return false;
        }
    }
    return true;
}

/* Answers each frame with one of the same size, alternating between the ways. */
static void echo(struct channel *c)
{
    struct frame_header h;
    for (uint32_t i = 0; brief_await(c) != NULL || channel_wait(c, NULL) == CHANNEL_OK; i++) {
        VM_REQUIRE(take_pattern(c, &h, (uint8_t) i, i % 3 != 0));
        VM_REQUIRE(send_pattern(c, &h, (uint8_t) ~i, h.bytes, i % 5 != 0));
    }
}

START_TEST(brief_and_other_frames_come_in_order)
{
    enum channel_transport t = _i == 0 ? CHANNEL_RING : CHANNEL_SOCKET;
    struct channel *c = channel_new(t);
    ck_assert_ptr_nonnull(c);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        echo(attach_copy(c, t));
        _exit(0);
    }
    channel_close_worker_fds(c);
    for (uint32_t i = 0; i < (_i == 0 ? ROUNDS : ROUNDS / 20); i++) {
        size_t n = body_size(i / 7);
        struct frame_header h = { .kind = 2, .number = i, .extra = ~(uint64_t) i }, back;
        ck_assert(send_pattern(c, &h, (uint8_t) i, n, i % 2 == 0));
        ck_assert(_i == 0 || brief_begin(c) == NULL);
        int64_t deadline = clock_monotonic_ns() + 60LL * SECOND_NS;
        while (!channel_poll(c) && brief_await(c) == NULL && clock_monotonic_ns() < deadline) {
            channel_sleep(c, NULL, 0, SECOND_NS); /* a brief answer wakes, too */
        }
        ck_assert(take_pattern(c, &back, (uint8_t) ~i, i % 4 != 0));
        ck_assert(back.kind == 2 && back.number == i && back.extra == ~(uint64_t) i && back.bytes == n);
    }
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    channel_free(c);
}
END_TEST

START_TEST(a_full_ring_takes_no_brief_frame)
{
    struct channel *c = channel_new(CHANNEL_RING), *w = attach_copy(c, CHANNEL_RING);
    struct frame_header h = { .kind = 1 };
    for (uint32_t i = 0; i < RING_SLOTS; i++) {
        ck_assert(send_pattern(c, &h, (uint8_t) i, 8, true));
    }
    ck_assert_ptr_null(brief_begin(c));
    ck_assert_int_eq(channel_send(c, &h, NULL, 0), CHANNEL_FULL);
    ck_assert(take_pattern(w, &h, 0, true)); /* room for one, once the VM looks */
    ck_assert_int_eq(channel_send(c, &h, NULL, 0), CHANNEL_OK);
    ck_assert_ptr_null(brief_begin(c));
    channel_shut(c);
    ck_assert(brief_begin(c) == NULL && brief_next(c) == NULL);
    channel_free(w);
    channel_free(c);
}
END_TEST

/* What the VM took briefly it says with its next request; a worker that waits for room must not need it sooner. */
START_TEST(answers_taken_briefly_make_room_with_the_next_request)
{
    struct channel *c = channel_new(CHANNEL_RING), *w = attach_copy(c, CHANNEL_RING);
    struct frame_header h = { .kind = 1 };
    for (uint32_t i = 0; i < 3 * RING_SLOTS; i++) {
        ck_assert(send_pattern(c, &h, 1, 4, true) && take_pattern(w, &h, 1, true));
        ck_assert(send_pattern(w, &h, 2, 4, true) && take_pattern(c, &h, 2, true));
    }
    ck_assert(send_pattern(c, &h, 1, 4, true) && take_pattern(w, &h, 1, true));
    for (uint32_t i = 0; i < RING_SLOTS; i++) {
        ck_assert(send_pattern(w, &h, 3, 4, i % 2 == 0));
    }
    ck_assert_ptr_null(brief_begin(w));
    for (uint32_t i = 0; i < RING_SLOTS; i++) {
        ck_assert(take_pattern(c, &h, 3, i % 3 == 0));
    }
    channel_free(w);
    channel_free(c);
}
END_TEST

/* ---- a worker that lies ---- */

START_TEST(what_is_not_brief_is_left_for_who_finds_out)
{
    struct channel *c = channel_new(CHANNEL_RING);
    struct hostile_peer p;
    struct brief b;
    uint8_t body[SLOT_BODY];
    struct frame_header h = { .bytes = SLOT_BODY + 1 };
    hostile_open(&p, c);
    ck_assert(!peek(c, &b, body));
    hostile_stamp(&p, 1, 2);
    ck_assert(!peek(c, &b, body) && brief_await(c) == NULL);
    hostile_reply(&p, 1, &h, 0, 0);
    ck_assert(brief_await(c) != NULL && !peek(c, &b, body));
    ck_assert_int_eq(channel_receive(c, &h), CHANNEL_OK);
    channel_done(c);
    h.bytes = SLOT_BODY;
    hostile_reply(&p, 2, &h, 1, 0); /* has taken what was never sent */
    ck_assert(peek(c, &b, body) && b.h.bytes == SLOT_BODY && !brief_take(c, &b));
    ck_assert_int_eq(channel_receive(c, &h), CHANNEL_BROKEN);
    ck_assert(!peek(c, &b, body) && brief_begin(c) == NULL);
    hostile_close(&p);
    channel_free(c);
}
END_TEST

/* Bytes that are terms or not: what is read lies within the copy, and is what the whole decoder reads. */
START_TEST(terms_are_read_only_where_they_are)
{
    static const uint8_t good[] = { 131, 97, 7, 98, 0, 0, 1, 0, 106, 100, 0, 2, 'o', 'k' };
    uint8_t body[SLOT_BODY];
    struct brief b = { .body = body };
    term out[5];
    uint32_t n = sizeof(good);
    memset(body, 0xEE, sizeof(body));
    memcpy(body + 4, &n, sizeof(n));
    memcpy(body + 8, good, n);
    b.h.bytes = 8 + n;
    ck_assert(brief_get_terms(&b, 4, &heap, out, 4));
    ck_assert(term_same(out[0], term_from_small(7)) && term_same(out[1], term_from_small(256)) && term_is_nil(out[2])
              && term_same(out[3], ATOM(ok)));
    ck_assert(!brief_get_terms(&b, 4, &heap, out, 3)); /* something is left */
    ck_assert(!brief_get_terms(&b, 4, &heap, out, 5));
    for (uint64_t bytes = 0; bytes <= SLOT_BODY; bytes++) {
        b.h.bytes = bytes;
        ck_assert(brief_get_terms(&b, 4, &heap, out, 4) == (bytes == 8 + n));
    }
    b.h.bytes = 8 + n;
    for (uint64_t claim = 0; claim < UINT64_C(1) << 32; claim = claim < 200 ? claim + 1 : 2 * claim) {
        uint32_t etf_bytes = (uint32_t) claim;
        memcpy(body + 4, &etf_bytes, sizeof(etf_bytes));
        ck_assert(brief_get_terms(&b, 4, &heap, out, 4) == (claim == n));
    }
}
END_TEST

START_TEST(terms_that_do_not_fit_are_not_written)
{
    uint8_t room[SLOT_BODY + 1];
    term many[40];
    for (size_t i = 0; i < ARRAY_LEN(many); i++) {
        many[i] = term_from_small(INT64_C(1) << 40);
    }
    for (size_t n = 0; n <= ARRAY_LEN(many); n++) {
        room[SLOT_BODY] = 0x5A;
        uint8_t *end = brief_put_terms(room, room + SLOT_BODY, many, n);
        ck_assert(end == NULL ? 5 + n * 9 + ETF_LEAF_ROOM > SLOT_BODY : (size_t) (end - room) == 5 + n * 9);
        ck_assert_uint_eq(room[SLOT_BODY], 0x5A);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("brief");
    TCase *tc = tcase_create("brief");
    tcase_add_unchecked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, brief_and_other_frames_come_in_order, 0, 2);
    tcase_add_test(tc, a_full_ring_takes_no_brief_frame);
    tcase_add_test(tc, answers_taken_briefly_make_room_with_the_next_request);
    tcase_add_test(tc, what_is_not_brief_is_left_for_who_finds_out);
    tcase_add_test(tc, terms_are_read_only_where_they_are);
    tcase_add_test(tc, terms_that_do_not_fit_are_not_written);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
