/* policy.h - how each library is run: parsed and checked here, whatever it was written as.
 *
 *   sources, strongest first                         origin
 *   isolation:set(Module, Options)                   set
 *   --isolation MODULE=MODE[,key=value...]           command_line
 *   -isolation(#{...}) in the module                 attribute
 *   isolation:set(default, Options)                  default_set
 *   --isolation MODE[,key=value...]                  default_command_line
 *   built in                                         built_in
 *
 * A value is taken from the strongest source that names its key. To add a key: a row in the table in
 * policy.c and a line in enum policy_key.
 */
#ifndef ISOLATION_POLICY_H
#define ISOLATION_POLICY_H

#include "vm/core/atom.h"
#include "vm/core/heap.h"

struct executor_ops;

enum policy_key {
    POLICY_MODE,    /* index into executor_table */
    POLICY_TIMEOUT, /* ms, 0: infinity */
    POLICY_STACK,   /* bytes */
    POLICY_CRASH,   /* enum policy_crash */
    /* Of the modes with workers: */
    POLICY_THREADS,     /* calls at a time in one worker */
    POLICY_POOL,        /* workers */
    POLICY_SPARE,       /* workers kept ready for when one ends */
    POLICY_RESTART,     /* at most (value >> 32) ends within (low half) ms */
    POLICY_AFTER_CRASH, /* enum policy_after_crash */
    POLICY_TRANSPORT,   /* enum channel_transport */
    POLICY_SCOPE,       /* hybrid: enum policy_scope */
    POLICY_VERIFY,      /* shared_heap: 1: look for damage after each call */
    POLICY_KEYS,
};
enum policy_crash {
    POLICY_CRASH_EXIT,  /* the caller ends; nothing catches it */
    POLICY_CRASH_RAISE, /* the caller gets an exception of class exit, which may be caught */
};
enum policy_after_crash {
    POLICY_AFTER_CRASH_REPLACE, /* a worker in which a call crashed serves no more calls */
    POLICY_AFTER_CRASH_KEEP,    /* it does, if it lives */
};
enum policy_scope {
    POLICY_SCOPE_ALL,    /* all terms of the VM can be read */
    POLICY_SCOPE_CALLER, /* what the call passes, and nothing else */
};
enum policy_origin {
    ORIGIN_BUILT_IN,
    ORIGIN_DEFAULT_COMMAND_LINE,
    ORIGIN_DEFAULT_SET,
    ORIGIN_ATTRIBUTE,
    ORIGIN_COMMAND_LINE,
    ORIGIN_SET,
    ORIGIN_COUNT,
};

struct policy {
    uint64_t value[POLICY_KEYS];
    uint8_t origin[POLICY_KEYS];
};
#define POLICY_RESTART_VALUE(max, within_ms) ((uint64_t) (max) << 32 | (uint32_t) (within_ms))

/* The policy in force for a module. Any thread. */
void policy_effective(term module, struct policy *out);

/* From a map or a mode's atom. module: atom; `default` for all that have none of their own. false:
 * nothing changed, *out_culprit is the option that is wrong. */
bool policy_set_term(term module, enum policy_origin origin, term options, term *out_culprit) MUST_CHECK;
/* From -isolation(...) attributes, each option by itself. The two go together: begin is true if the attributes
 * are others than those that the module came with before, as their hash tells, and forgets what those said; bad is called with each option
 * that is none, with key TERM_NONE if options are no map, and value. */
bool policy_attributes_begin(term module, uint32_t hash);
void policy_attributes_take(term module, term options, void (*bad)(term module, term key, term value));
/* Calls fn for each module that --isolation names. */
void policy_each_on_command_line(void (*fn)(term module, void *arg), void *arg);
/* From --isolation SPEC. false: nothing changed, message in error. */
bool policy_set_text(const char *spec, char *error, size_t room) MUST_CHECK;

const char *policy_key_name(enum policy_key key);
/* For users: what a key is and takes; its built-in value, as the command line writes it. */
const char *policy_key_help(enum policy_key key);
void policy_default_text(enum policy_key key, char *out, size_t room);
const char *policy_origin_name(enum policy_origin origin);
/* A value as a term: in_process, infinity, 1048576, #{max => 10, within => 1000}. */
term policy_value_term(struct heap *h, enum policy_key key, uint64_t value);

#endif
