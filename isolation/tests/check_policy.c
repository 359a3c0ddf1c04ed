/* check_policy.c - what is taken from where. */
#include <check.h>
#include <string.h>

#include "isolation/executor.h"
#include "isolation/policy.h"
#include "lib/base/tests/run_suite.h"
#include "vm/core/map.h"

static char error[200];
static struct heap heap;

static bool text(const char *spec)
{
    return policy_set_text(spec, error, sizeof(error));
}
static bool set(const char *module, enum policy_origin origin, const char *key, term value)
{
    term culprit, kv[2] = { atom_from_cstr(key), value };
    return policy_set_term(atom_from_cstr(module), origin, map_from_pairs(&heap, kv, 1), &culprit);
}
static struct policy of(const char *module)
{
    struct policy p;
    policy_effective(atom_from_cstr(module), &p);
    return p;
}
static const char *mode(const char *module)
{
    return executor_table[of(module).value[POLICY_MODE]]->name;
}

START_TEST(the_strongest_source_wins_key_by_key)
{
    ck_assert_str_eq(mode("m"), "in_process");
    ck_assert_int_eq(of("m").origin[POLICY_MODE], ORIGIN_BUILT_IN);
    ck_assert(text("direct"));
    ck_assert_str_eq(mode("m"), "direct");
    ck_assert_int_eq(of("m").origin[POLICY_MODE], ORIGIN_DEFAULT_COMMAND_LINE);
    ck_assert(set("default", ORIGIN_SET, "timeout", term_from_small(500)));
    ck_assert_uint_eq(of("m").value[POLICY_TIMEOUT], 500);
    ck_assert_int_eq(of("m").origin[POLICY_TIMEOUT], ORIGIN_DEFAULT_SET);
    ck_assert(set("m", ORIGIN_ATTRIBUTE, "mode", atom_from_cstr("in_process")));
    ck_assert_str_eq(mode("m"), "in_process");
    ck_assert(text("m=timeout=6"));
    ck_assert_int_eq(of("m").value[POLICY_TIMEOUT], 6);
    ck_assert_int_eq(of("m").origin[POLICY_MODE], ORIGIN_ATTRIBUTE);
    ck_assert(text("m=direct,timeout=7,stack=256k"));
    ck_assert_str_eq(mode("m"), "direct");
    ck_assert_uint_eq(of("m").value[POLICY_TIMEOUT], 7);
    ck_assert_uint_eq(of("m").value[POLICY_STACK], 256 << 10);
    ck_assert(set("m", ORIGIN_SET, "timeout", atom_from_cstr("infinity")));
    ck_assert_uint_eq(of("m").value[POLICY_TIMEOUT], 0);
    ck_assert_int_eq(of("m").origin[POLICY_TIMEOUT], ORIGIN_SET);
    ck_assert_str_eq(mode("m"), "direct");
    ck_assert_str_eq(mode("other"), "direct");
}
END_TEST

START_TEST(what_is_wrong_changes_nothing)
{
    ck_assert(!text("no_such_mode"));
    ck_assert_ptr_nonnull(strstr(error, "no_such_mode"));
    ck_assert(!text("m=direct,colour=red"));
    ck_assert_ptr_nonnull(strstr(error, "colour"));
    ck_assert(!text("m=direct,timeout=soon"));
    ck_assert(!text("m=direct,timeout=0"));
    ck_assert(!text("m=direct,stack=1"));
    ck_assert(!text("m=direct,stack=99999999999999999999"));
    ck_assert(!text(""));
    ck_assert(!text("m="));
    ck_assert(!text("m=timeout="));
    ck_assert(!text("m=ipc,"));
    ck_assert(!set("m", ORIGIN_SET, "timeout", term_from_small(-1)));
    ck_assert(!set("m", ORIGIN_SET, "stack", atom_from_cstr("big")));
    ck_assert(!set("m", ORIGIN_SET, "mode", term_from_small(1)));
    ck_assert_str_eq(mode("m"), "in_process");
    ck_assert_int_eq(of("m").origin[POLICY_MODE], ORIGIN_BUILT_IN);
    term culprit;
    ck_assert(!policy_set_term(atom_from_cstr("m"), ORIGIN_SET, term_from_small(1), &culprit));
}
END_TEST

/* What the command line may say of each option: both sides of each limit, and how it is written back. NULL: refused. */
static const struct { const char *key, *text, *written; } values[] = {
    { "mode", "ipc", "ipc" }, { "mode", "ip", NULL }, { "mode", "1", NULL },
    { "timeout", "infinity", "infinity" }, { "timeout", "0", NULL }, { "timeout", "1", "1" },
    { "timeout", "1024m", "1073741824" }, { "timeout", "1073741825", NULL },
    { "stack", "16k", "16k" }, { "stack", "16383", NULL }, { "stack", "16385", "20k" }, { "stack", "1024m", "1048576k" },
    { "stack", "1073741825", NULL }, { "stack", "infinity", NULL }, { "crash", "exit", "exit" }, { "crash", "raise", "raise" },
    { "crash", "0", NULL }, { "threads", "0", NULL }, { "threads", "1", "1" }, { "threads", "64", "64" }, { "threads", "65", NULL },
    { "pool", "0", NULL }, { "pool", "32", "32" }, { "pool", "33", NULL }, { "spare", "0", "0" }, { "spare", "32", "32" },
    { "spare", "33", NULL }, { "restart", "255/1", "255/1" }, { "restart", "256/1", NULL }, { "restart", "10/0", NULL },
    { "restart", "0/1024m", "0/1073741824" }, { "restart", "10/1073741825", NULL }, { "restart", "10", NULL }, { "pool", "1/2", NULL },
    { "after_crash", "replace", "replace" }, { "after_crash", "keep", "keep" }, { "transport", "ring", "ring" },
    { "transport", "socket", "socket" }, { "scope", "all", "all" }, { "scope", "caller", "caller" }, { "verify", "false", "false" },
    { "verify", "true", "true" }, { "verify", "tru", NULL }, { "verify", "1", NULL },
};
START_TEST(each_option_takes_its_values)
{
    enum policy_key key;
    uint64_t value, again;
    char out[40];
    const char *text = values[_i].text;
    ck_assert(policy_key_find(values[_i].key, strlen(values[_i].key), &key));
    bool good = policy_value_from_text(key, text, strlen(text), &value);
    ck_assert_msg(good == (values[_i].written != NULL), "%s=%s", values[_i].key, text);
    if (good) {
        policy_value_text(key, value, out, sizeof(out));
        ck_assert_str_eq(out, values[_i].written);
        ck_assert(policy_value_from_term(key, policy_value_term(&heap, key, value), &again));
        ck_assert_uint_eq(again, value);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("policy");
    TCase *tc = tcase_create("policy");
    if (!arena_init_all()) {
        return 1;
    }
    atom_table_init();
    heap_init_frags(&heap);
    tcase_add_test(tc, the_strongest_source_wins_key_by_key);
    tcase_add_test(tc, what_is_wrong_changes_nothing);
    tcase_add_loop_test(tc, each_option_takes_its_values, 0, ARRAY_LEN(values));
    suite_add_tcase(s, tc);
    return run_suite(s);
}
