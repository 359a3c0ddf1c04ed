/* policy_value.h - the options of a policy: their names, what each may be, and how that is written.
 *
 * A value is a number of 64 bits, whatever it is written as: where an option takes words, their places in its list;
 * where it takes words and numbers, no number is also the place of a word. To add an option: a line in enum
 * policy_key and a row of the table in policy_value.c. Any thread.
 */
#ifndef ISOLATION_POLICY_VALUE_H
#define ISOLATION_POLICY_VALUE_H

#include "vm/core/heap.h"

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
/* The most that there can be. */
enum {
    POLICY_MAX_THREADS = 64,
    POLICY_MAX_WORKERS = 32, /* in a pool; spare ones */
    POLICY_MAX_RESTARTS = 255,
};
#define POLICY_RESTART_VALUE(max, within_ms) ((uint64_t) (max) << 32 | (uint32_t) (within_ms))

const char *policy_key_name(enum policy_key key);
/* For users: what it is, and which values there are. */
const char *policy_key_help(enum policy_key key);
/* false: no option has that name. */
bool policy_key_find(const char *name, size_t n, enum policy_key *out) MUST_CHECK;
bool policy_key_of_term(term name, enum policy_key *out) MUST_CHECK;

/* What it is when nobody says anything. */
uint64_t policy_value_built_in(enum policy_key key);
/* From the command line, or a term. false: no value of that option. */
bool policy_value_from_text(enum policy_key key, const char *text, size_t n, uint64_t *out) MUST_CHECK;
bool policy_value_from_term(enum policy_key key, term t, uint64_t *out) MUST_CHECK;
/* As the command line has it: "in_process", "infinity", "256k", "100/1000". Cut off at room. */
void policy_value_text(enum policy_key key, uint64_t value, char *out, size_t room);
/* in_process, infinity, 1048576, #{max => 10, within => 1000}. */
term policy_value_term(struct heap *h, enum policy_key key, uint64_t value);

#endif
