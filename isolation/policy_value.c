#include "isolation/policy_value.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "isolation/executor.h"
#include "isolation/remote/channel.h"
#include "isolation/stack_pool.h"
#include "vm/core/atom.h"
#include "vm/core/map.h"

enum { MAX_STACK_BYTES = 1 << 30, MAX_TIMEOUT_MS = 1 << 30, PAGE = 4096 };

#define WORDS(...) .words = (const char *const[]) { __VA_ARGS__, NULL }

static const struct {
    const char *name;
    const char *takes;
    uint64_t built_in;
    const char *const *words; /* value i is written words[i]; NULL: none are; of POLICY_MODE see word_of() */
    uint64_t least, most;     /* numbers it may be; most 0: none */
    bool is_memory;           /* bytes, in whole pages */
    bool is_rate;             /* POLICY_RESTART_VALUE: "10/1000", ten in a second */
} keys[POLICY_KEYS] = {
    [POLICY_MODE] = { "mode", "how its native code is run: one of the modes", .built_in = 0 },
    [POLICY_TIMEOUT] = { "timeout", "milliseconds a call may take, 1 to 2^30, or infinity",
        WORDS("infinity"), .least = 1, .most = MAX_TIMEOUT_MS },
    [POLICY_STACK] = { "stack", "bytes of its stack, 16k to 1024m",
        STACK_DEFAULT_BYTES, .least = STACK_MIN_BYTES, .most = MAX_STACK_BYTES, .is_memory = true },
    [POLICY_CRASH] = { "crash", "exit: the caller ends, nothing catches it; raise: an exception of class exit",
        WORDS([POLICY_CRASH_EXIT] = "exit", [POLICY_CRASH_RAISE] = "raise") },
    [POLICY_THREADS] = { "threads", "calls that one worker runs at a time, 1 to 64",
        8, .least = 1, .most = POLICY_MAX_THREADS },
    [POLICY_POOL] = { "pool", "workers, 1 to 32",
        1, .least = 1, .most = POLICY_MAX_WORKERS },
    [POLICY_SPARE] = { "spare", "workers kept ready for when one ends, 0 to 32",
        0, .least = 0, .most = POLICY_MAX_WORKERS },
    [POLICY_RESTART] = { "restart", "N/Ms: after more than N ends (at most 255) within Ms no worker is started for Ms",
        POLICY_RESTART_VALUE(100, 1000), .is_rate = true },
    [POLICY_AFTER_CRASH] = { "after_crash", "replace the worker in which a call crashed, or keep it",
        WORDS([POLICY_AFTER_CRASH_REPLACE] = "replace", [POLICY_AFTER_CRASH_KEEP] = "keep") },
    [POLICY_TRANSPORT] = { "transport", "ring: shared memory and futexes; socket",
        WORDS([CHANNEL_RING] = "ring", [CHANNEL_SOCKET] = "socket") },
    [POLICY_SCOPE] = { "scope", "all terms can be read in hybrid mode, or what the caller passes",
        WORDS([POLICY_SCOPE_ALL] = "all", [POLICY_SCOPE_CALLER] = "caller") },
    [POLICY_VERIFY] = { "verify", "true: look for damage after each call, in the modes that share the heap",
        WORDS("false", "true") },
};

static bool is_word(const char *word, const char *text, size_t n)
{
    return strlen(word) == n && memcmp(word, text, n) == 0;
}

/* ---- names ---- */

const char *policy_key_name(enum policy_key key)
{
    return keys[key].name;
}

const char *policy_key_help(enum policy_key key)
{
    return keys[key].takes;
}

uint64_t policy_value_built_in(enum policy_key key)
{
    return keys[key].built_in;
}

bool policy_key_find(const char *name, size_t n, enum policy_key *out)
{
    for (*out = 0; *out < POLICY_KEYS; (*out)++) {
        if (is_word(keys[*out].name, name, n)) {
            return true;
        }
    }
    return false;
}

bool policy_key_of_term(term name, enum policy_key *out)
{
    struct atom_text text = term_is_atom(name) ? atom_text(name) : (struct atom_text) { 0 };
    return text.utf8 != NULL && policy_key_find(text.utf8, text.bytes, out);
}

/* ---- values ---- */

/* How a value is written, if by a word; else NULL. */
static const char *word_of(enum policy_key key, uint64_t value)
{
    if (key == POLICY_MODE) {
        return value < executor_count ? executor_table[value]->name : NULL;
    }
    for (uint64_t i = 0; keys[key].words != NULL && keys[key].words[i] != NULL; i++) {
        if (i == value) {
            return keys[key].words[i];
        }
    }
    return NULL;
}

static bool from_word(enum policy_key key, const char *text, size_t n, uint64_t *out)
{
    const char *word;
    for (*out = 0; (word = word_of(key, *out)) != NULL; (*out)++) {
        if (is_word(word, text, n)) {
            return true;
        }
    }
    return false;
}

static bool from_number(enum policy_key key, uint64_t n, uint64_t *out)
{
    *out = keys[key].is_memory ? (n + PAGE - 1) & ~(uint64_t) (PAGE - 1) : n;
    return keys[key].most != 0 && n >= keys[key].least && n <= keys[key].most;
}

static bool from_rate(enum policy_key key, uint64_t max, uint64_t within_ms, uint64_t *out)
{
    *out = POLICY_RESTART_VALUE(max, within_ms);
    return keys[key].is_rate && max <= POLICY_MAX_RESTARTS && within_ms >= 1 && within_ms <= MAX_TIMEOUT_MS;
}

/* "16", "16k", "16m" */
static bool parse_number(const char *at, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    size_t i = 0;
    for (; i < n && isdigit((unsigned char) at[i]) && v < UINT64_C(1) << 40; i++) {
        v = v * 10 + (uint64_t) (at[i] - '0');
    }
    unsigned shift = i + 1 != n ? 0 : at[i] == 'k' || at[i] == 'K' ? 10 : at[i] == 'm' || at[i] == 'M' ? 20 : 0;
    *out = v << shift;
    return i > 0 && i + (shift != 0 ? 1 : 0) == n;
}

bool policy_value_from_text(enum policy_key key, const char *text, size_t n, uint64_t *out)
{
    uint64_t number, within_ms;
    const char *slash = memchr(text, '/', n);
    if (slash != NULL) {
        return parse_number(text, (size_t) (slash - text), &number)
               && parse_number(slash + 1, n - 1 - (size_t) (slash - text), &within_ms) && from_rate(key, number, within_ms, out);
    }
    return parse_number(text, n, &number) ? from_number(key, number, out) : from_word(key, text, n, out);
}

bool policy_value_from_term(enum policy_key key, term t, uint64_t *out)
{
    if (term_is_atom(t)) {
        struct atom_text word = atom_text(t);
        return from_word(key, word.utf8, word.bytes, out);
    }
    if (term_is_small(t)) {
        return term_to_small(t) >= 0 && from_number(key, (uint64_t) term_to_small(t), out);
    }
    if (!term_is_map(t)) {
        return false;
    }
    term max = map_get(t, ATOM(max)), within = map_get(t, ATOM(within));
    return map_size(t) == 2 && term_is_small(max) && term_is_small(within) && term_to_small(max) >= 0 && term_to_small(within) > 0
           && from_rate(key, (uint64_t) term_to_small(max), (uint64_t) term_to_small(within), out);
}

void policy_value_text(enum policy_key key, uint64_t value, char *out, size_t room)
{
    const char *word = word_of(key, value);
    if (word != NULL) {
        snprintf(out, room, "%s", word);
    } else if (keys[key].is_rate) {
        snprintf(out, room, "%llu/%u", (unsigned long long) (value >> 32), (unsigned) value);
    } else if (keys[key].is_memory) {
        snprintf(out, room, "%lluk", (unsigned long long) (value >> 10));
    } else {
        snprintf(out, room, "%llu", (unsigned long long) value);
    }
}

term policy_value_term(struct heap *h, enum policy_key key, uint64_t value)
{
    const char *word = word_of(key, value);
    if (word != NULL) {
        return atom_from_cstr(word);
    }
    if (keys[key].is_rate) {
        term map = map_put(h, map_empty(h), ATOM(max), term_from_small((intptr_t) (value >> 32)));
        return map_put(h, map, ATOM(within), term_from_small((intptr_t) (uint32_t) value));
    }
    return term_from_small((intptr_t) value);
}
