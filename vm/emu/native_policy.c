/* native_policy.c - how libraries shall run, as modules say in an attribute and users on the command line; and what is
 * said when they say it in vain. */
#include <stdio.h>
#include <unistd.h>

#include "isolation/executor.h"
#include "isolation/isolation.h"
#include "isolation/library.h"
#include "isolation/policy.h"
#include "isolation/remote/zygote.h"
#include "lib/base/arena.h"
#include "vm/code/code.h"
#include "vm/code/module.h"
#include "vm/core/compare.h"
#include "vm/core/print.h"
#include "vm/emu/native.h"
#include "vm/proc/report.h"
#include "vm/proc/sched.h"

/* The rest of what the attribute says holds. */
static void bad_option(term module, term key, term value)
{
    struct text t = { .max = 900 };
    enum policy_key k;
    text_cstr(&t, "module ");
    print_atom(&t, module);
    text_cstr(&t, ": -isolation(");
    if (term_is_none(key)) {
        print_term(&t, value, PRINT_WRITE);
        text_cstr(&t, ") is ignored: it is neither a map of options nor a mode");
    } else {
        text_cstr(&t, "#{");
        print_term(&t, key, PRINT_WRITE);
        text_cstr(&t, " => ");
        print_term(&t, value, PRINT_WRITE);
        text_cstr(&t, "}) is ignored: ");
        if (policy_key_of_term(key, &k)) {
            struct policy p;
            struct heap h;
            heap_init_frags(&h);
            policy_effective(module, &p);
            text_cstr(&t, policy_key_name(k));
            text_cstr(&t, " is ");
            print_term(&t, policy_value_term(&h, k, p.value[k]), PRINT_WRITE);
            text_cstr(&t, " (");
            text_cstr(&t, policy_origin_name((enum policy_origin) p.origin[k]));
            text_cstr(&t, ")");
            heap_destroy(&h);
        } else {
            text_cstr(&t, "there is no such option");
        }
    }
    report_text(ATOM(warning), t.data, t.len);
    text_free(&t);
}

/* -isolation(...) of the module that loads a library just now: its code may not be published yet. */
static void take_attributes(term module)
{
    const struct sched *s = sched_self();
    const struct proc *p = s != NULL ? s->current : NULL;
    const struct code_image *image = p != NULL ? code_find_image(p->pc) : NULL;
    if (image == NULL || !term_same(image->module, module)
        || !policy_attributes_begin(module, term_phash2(image->attributes))) {
        return;
    }
    for (term l = image->attributes; term_is_cons(l); l = term_tail(l)) {
        term pair = term_head(l);
        if (!term_is_tuple_of(pair, 2) || !term_same(term_tuple_get(pair, 0), ATOM(isolation))) {
            continue;
        }
        for (term v = term_tuple_get(pair, 1); term_is_cons(v); v = term_tail(v)) {
            policy_attributes_take(module, term_head(v), bad_option);
        }
    }
}

/* No word about a module that is there and merely was not needed this time. */
static void tell_if_unused(term module, void *arg)
{
    char *path = NULL;
    const char *why = NULL, *after = "";
    (void) arg;
    if (library_of_module(module) != NULL) {
        return;
    }
    if (module_find(module) != NULL) {
        why = "module ";
        after = " has loaded no native library";
    } else if ((path = code_path_find(module)) == NULL) {
        why = "there is no module ";
    }
    vm_free(path);
    if (why != NULL) {
        const char *name = atom_cstr(module);
        dprintf(STDERR_FILENO, "bulkhead: --isolation %s=... had no effect: %s%s%s\n", name, why, name, after);
    }
}

void native_policy_tell_unused(void)
{
    policy_each_on_command_line(tell_if_unused, NULL);
}

static void look_for_workers(term module, void *expected)
{
    struct policy p;
    policy_effective(module, &p);
    *(bool *) expected |= executor_table[p.value[POLICY_MODE]]->remote != NULL;
}

void native_policy_expect_workers(void)
{
    bool expected = false;
    look_for_workers(TERM_NONE, &expected);
    policy_each_on_command_line(look_for_workers, &expected);
    if (expected) {
        zygote_prepare();
    }
}

void native_policy_init(void)
{
    isolation_before_library = take_attributes;
}
