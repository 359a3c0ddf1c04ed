/* check_trace.c - what is written, in both formats. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/tests/run_suite.h"
#include "lib/base/trace.h"

static char path[64], text[4000];

static const char *written(void)
{
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    return text;
}

static void open_with(const char *events, const char *suffix)
{
    char spec[120];
    const char *error = NULL;
    snprintf(path, sizeof(path), "/tmp/check_trace_%d%s", (int) getpid(), suffix);
    snprintf(spec, sizeof(spec), "%s:%s", events, path);
    ck_assert_msg(trace_open(spec, &error), "%s", error);
}

START_TEST(nothing_is_counted_while_it_is_off)
{
    trace_spawn(1, 2);
    ck_assert_uint_eq(trace_count(TRACE_SPAWN), 0);
}
END_TEST

START_TEST(only_the_kinds_that_were_asked_for_are_written)
{
    open_with("spawn,gc", ".txt");
    trace_spawn(16, 32);
    trace_exit(16, 0);
    trace_gc_begin(16, 100);
    trace_gc_end(16, 40);
    trace_close();
    trace_spawn(16, 32);
    written();
    ck_assert_ptr_nonnull(strstr(text, "spawn 0x10 by 0x20\n"));
    ck_assert_ptr_nonnull(strstr(text, "gc begin 0x10 100 words\n"));
    ck_assert_ptr_nonnull(strstr(text, "gc end 0x10 40 words\n"));
    ck_assert_ptr_null(strstr(text, "exit"));
    ck_assert_uint_eq(trace_count(TRACE_SPAWN), 1);
    unlink(path);
}
END_TEST

START_TEST(a_json_file_is_whole_after_close_and_its_texts_cannot_break_it)
{
    open_with("all", ".json");
    trace_schedule_in(16);
    trace_emit(&(struct trace_event) { TRACE_NATIVE, TRACE_BEGIN, 16, 0, 0, "a \"quote\" and a \\ and \n" });
    trace_schedule_out(16);
    trace_close();
    trace_close();
    written();
    ck_assert_int_eq(text[0], '[');
    ck_assert_str_eq(text + strlen(text) - 3, "\n]\n");
    ck_assert_ptr_nonnull(strstr(text, "\"name\":\"a 'quote' and a ' and '\""));
    ck_assert_ptr_nonnull(strstr(text, "\"ph\":\"B\""));
    unlink(path);
}
END_TEST

START_TEST(unknown_events_are_refused)
{
    const char *error = NULL;
    ck_assert(!trace_open("spawn,nonsense", &error));
    ck_assert_ptr_nonnull(error);
    ck_assert(!trace_open("", &error));
    ck_assert(!trace_open("all:/no/such/directory/x", &error));
    ck_assert(!trace_on(TRACE_SPAWN));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trace");
    TCase *tc = tcase_create("trace");
    tcase_add_test(tc, nothing_is_counted_while_it_is_off);
    tcase_add_test(tc, only_the_kinds_that_were_asked_for_are_written);
    tcase_add_test(tc, a_json_file_is_whole_after_close_and_its_texts_cannot_break_it);
    tcase_add_test(tc, unknown_events_are_refused);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
