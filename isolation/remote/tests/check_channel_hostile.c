/* check_channel_hostile.c - peers that do not keep to the protocol. */
#include <check.h>
#include <unistd.h>

#include "isolation/remote/tests/hostile_peer.h"
#include "lib/base/tests/run_suite.h"

START_TEST(a_promise_above_the_limit_breaks_the_channel)
{
    static const uint64_t promises[] = { CHANNEL_BODY_MAX + 1, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 7 };
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        struct channel *c = channel_new(_i == 0 ? CHANNEL_RING : CHANNEL_SOCKET);
        struct frame_header h = { .bytes = promises[i] };
        if (_i == 0) {
            struct hostile_peer p;
            hostile_open(&p, c);
            hostile_reply(&p, 1, &h, 0, 0);
            hostile_close(&p);
        } else {
            int fds[CHANNEL_MAX_FDS];
            channel_worker_fds(c, fds);
            ck_assert_int_eq(write(fds[0], &h, sizeof(h)), sizeof(h));
        }
        ck_assert_int_eq(channel_receive(c, &h), CHANNEL_BROKEN);
        ck_assert_int_eq(channel_receive(c, &h), CHANNEL_BROKEN);
        ck_assert_int_eq(channel_send(c, &h, NULL, 0), CHANNEL_BROKEN);
        channel_free(c);
    }
}
END_TEST

START_TEST(requests_taken_that_were_never_sent_break_the_channel)
{
    static const uint8_t body[20000];
    for (int way = 0; way < 3; way++) {
        struct channel *c = channel_new(CHANNEL_RING);
        struct hostile_peer p;
        struct frame_header h = { 0 };
        struct channel_part part = { body, sizeof(body) };
        hostile_open(&p, c);
        ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_OK);
        if (way == 0) { /* beyond what was sent, in the words */
            atomic_store(p.taken, 2);
            ck_assert_int_eq(channel_send(c, &h, &part, 1), CHANNEL_BROKEN);
        } else if (way == 1) { /* the same in a reply */
            hostile_reply(&p, 1, &h, 2, 0);
            ck_assert_int_eq(channel_receive(c, &h), CHANNEL_BROKEN);
        } else { /* backwards */
            hostile_reply(&p, 1, &h, 1, 0);
            ck_assert_int_eq(channel_receive(c, &h), CHANNEL_OK);
            channel_done(c);
            hostile_reply(&p, 2, &h, 0, 0);
            ck_assert_int_eq(channel_receive(c, &h), CHANNEL_BROKEN);
        }
        hostile_close(&p);
        channel_free(c);
    }
}
END_TEST

START_TEST(stamps_that_are_not_due_are_nothing)
{
    static const uint32_t stamps[] = { 0, 2, 65, 1U << 31, UINT32_MAX };
    struct channel *c = channel_new(CHANNEL_RING);
    struct hostile_peer p;
    struct frame_header h = { 0 };
    hostile_open(&p, c);
    for (size_t i = 0; i < ARRAY_LEN(stamps); i++) {
        hostile_stamp(&p, 1, stamps[i]);
        ck_assert(!channel_poll(c));
        ck_assert_int_eq(channel_receive(c, &h), CHANNEL_EMPTY);
    }
    hostile_reply(&p, 1, &h, 0, 0);
    ck_assert_int_eq(channel_receive(c, &h), CHANNEL_OK);
    channel_done(c);
    ck_assert_int_eq(channel_receive(c, &h), CHANNEL_EMPTY); /* the same once more */
    hostile_close(&p);
    channel_free(c);
}
END_TEST

/* Replies of random nonsense, while another process rewrites the memory. */
START_TEST(a_hundred_thousand_malformed_replies_do_no_harm)
{
    ck_assert_uint_gt(hostile_replies(100000, 1), 1000);
}
END_TEST

START_TEST(a_stream_of_nonsense_ends_in_broken_or_closed)
{
    for (unsigned seed = 0; seed < 300; seed++) {
        struct channel *c = channel_new(CHANNEL_SOCKET);
        int fds[CHANNEL_MAX_FDS];
        uint8_t bytes[4096];
        struct frame_header h;
        enum channel_status s;
        uint64_t random = seed;
        channel_worker_fds(c, fds);
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = seed % 3 == 0 || i % 24 >= 12 ? (uint8_t) hostile_random(&random) : 0;
        }
        ck_assert_int_eq(write(fds[0], bytes, sizeof(bytes)), sizeof(bytes));
        channel_close_worker_fds(c);
        while ((s = channel_receive(c, &h)) == CHANNEL_OK) {
            ck_assert_uint_le(h.bytes, sizeof(bytes));
            (void) !channel_read(c, bytes, h.bytes);
            channel_done(c);
        }
        ck_assert(s == CHANNEL_BROKEN || s == CHANNEL_CLOSED);
        channel_free(c);
    }
}
END_TEST

/* A promise of a gigabyte costs what has arrived. */
START_TEST(a_promised_body_takes_no_memory_before_it_is_there)
{
    struct channel *c = channel_new(CHANNEL_SOCKET);
    int fds[CHANNEL_MAX_FDS];
    struct frame_header h = { .bytes = CHANNEL_BODY_MAX };
    channel_worker_fds(c, fds);
    ck_assert_int_eq(write(fds[0], &h, sizeof(h)), sizeof(h));
    ck_assert(!channel_poll(c));
    ck_assert(channel_arm(c));
    channel_close_worker_fds(c);
    ck_assert(channel_poll(c));
    ck_assert_int_eq(channel_receive(c, &h), CHANNEL_CLOSED);
    channel_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("channel_hostile");
    TCase *tc = tcase_create("channel_hostile");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_promise_above_the_limit_breaks_the_channel, 0, 2);
    tcase_add_test(tc, requests_taken_that_were_never_sent_break_the_channel);
    tcase_add_test(tc, stamps_that_are_not_due_are_nothing);
    tcase_add_test(tc, a_hundred_thousand_malformed_replies_do_no_harm);
    tcase_add_test(tc, a_stream_of_nonsense_ends_in_broken_or_closed);
    tcase_add_test(tc, a_promised_body_takes_no_memory_before_it_is_there);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
