/* check_unwind.c - what a trace of native frames shows. */
#include "isolation/tests/executor_test.h"
#include "isolation/unwind.h"

START_TEST(a_report_names_static_functions)
{
    use_policy("in_process");
    call("overflow_small", 0, 0);
    char text[4000];
    text[unwind_text(&out.crash->trace, text, sizeof(text))] = '\0';
    ck_assert_msg(strstr(text, "deeper+") != NULL, "%s", text);
}
END_TEST

START_TEST(a_report_shows_a_recursion_once_and_who_began_it)
{
    use_policy("in_process");
    call("overflow_small", 0, 0);
    char text[4000];
    text[unwind_text(&out.crash->trace, text, sizeof(text))] = '\0';
    ck_assert_msg(strstr(text, " times more\n") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "overflow_small+") != NULL, "%s", text);
    ck_assert(!out.crash->trace.cut);
    ck_assert_uint_lt(out.crash->trace.n, 8);
}
END_TEST

/* Letters stand for frames; f(gh)4m is folded: f, then g and h four times, then m. */
static const struct {
    const char *frames, *folded;
} foldings[] = {
    { "", "" }, { "abc", "abc" }, { "aab", "(a)2b" }, { "aaaa", "(a)4" }, { "faaaab", "f(a)4b" },
    { "fghghghghm", "f(gh)4m" }, { "fghghghgm", "f(gh)3gm" }, { "abcabcabcd", "(abc)3d" }, { "aabbccd", "(a)2(b)2(c)2d" },
    { "abcdefghijabcdefghij", "abcdefghijabcdefghij" }, /* longer than any period looked for */
};

START_TEST(repeated_frames_are_folded)
{
    struct unwind_trace t = { .n = 0 };
    char text[100];
    unsigned open = 0;
    size_t used = 0;
    for (const char *f = foldings[_i].frames; *f != '\0'; f++) {
        ck_assert(unwind_add(&t, (uintptr_t) *f, &open));
    }
    for (unsigned i = 0, g = 0; i < t.n; i++) {
        if (g < t.n_groups && t.group[g].start == i) {
            text[used++] = '(';
        }
        text[used++] = (char) t.pc[i];
        if (g < t.n_groups && t.group[g].start + t.group[g].period - 1u == i) {
            used += (size_t) snprintf(text + used, sizeof(text) - used, ")%u", t.group[g++].times);
        }
    }
    text[used] = '\0';
    ck_assert_str_eq(text, foldings[_i].folded);
}
END_TEST

START_TEST(a_trace_has_room_for_so_many_frames)
{
    struct unwind_trace t = { .n = 0 };
    unsigned open = 0;
    for (unsigned i = 0; i < UNWIND_MAX_FRAMES; i++) {
        ck_assert(unwind_add(&t, i, &open));
    }
    ck_assert(!unwind_add(&t, 1000, &open));
    ck_assert_uint_eq(t.n, UNWIND_MAX_FRAMES);
}
END_TEST

START_TEST(a_wild_jump_leaves_the_caller_in_the_trace)
{
    use_policy("in_process");
    crash_report_enabled = true; /* signals have a trace only if it is reported */
    call("wild_jump", 0, 0);
    char text[4000];
    text[unwind_text(&out.crash->trace, text, sizeof(text))] = '\0';
    ck_assert_msg(strstr(text, "wild_jump+") != NULL, "%s", text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("unwind");
    TCase *tc = executor_tcase("unwind");
    tcase_add_test(tc, a_report_names_static_functions);
    tcase_add_test(tc, a_report_shows_a_recursion_once_and_who_began_it);
    tcase_add_loop_test(tc, repeated_frames_are_folded, 0, ARRAY_LEN(foldings));
    tcase_add_test(tc, a_trace_has_room_for_so_many_frames);
    tcase_add_test(tc, a_wild_jump_leaves_the_caller_in_the_trace);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
