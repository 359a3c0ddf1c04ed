#include "isolation/policy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isolation/executor.h"
#include "isolation/library.h"
#include "isolation/stack_pool.h"
#include "vm/core/map.h"

enum { MAX_STACK_BYTES = 1 << 30, MAX_TIMEOUT_MS = 1 << 30, PAGE = 4096, MAX_WORKER_THREADS = 64, MAX_WORKERS = 32,
    MAX_RESTARTS = 255 /* POOL_DEATHS_REMEMBERED - 1 */ };

/* What one source says: values for the keys it names. */
struct layer {
    unsigned present; /* bit per key */
    uint64_t value[POLICY_KEYS];
};
struct entry {
    term module;
    struct layer by_origin[ORIGIN_COUNT];
    int64_t attributes; /* hash of those that the module came with; -1: none yet */
    struct entry *next;
};

/* Guarded by the lock. Entries are added, never removed. defaults: the module-less sources. */
static struct entry *entries;
static struct layer defaults[ORIGIN_COUNT];
static struct lock policy_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_POLICY, RANK_NONE };

static const uint64_t built_in[POLICY_KEYS] = {
    [POLICY_MODE] = 0,
    [POLICY_TIMEOUT] = 0,
    [POLICY_STACK] = STACK_DEFAULT_BYTES,
    [POLICY_CRASH] = POLICY_CRASH_EXIT,
    [POLICY_THREADS] = 8,
    [POLICY_POOL] = 1,
    [POLICY_RESTART] = POLICY_RESTART_VALUE(100, 1000),
};

/* ---- values: one word of text, or a number ---- */

static bool number_from_text(const char *at, size_t n, uint64_t *out)
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

static bool mode_from_word(const char *w, size_t n, uint64_t *out)
{
    for (size_t i = 0; i < executor_count; i++) {
        if (executor_table[i] == executor_find(w, n)) {
            *out = i;
            return true;
        }
    }
    return false;
}
static bool timeout_from_word(const char *w, size_t n, uint64_t *out)
{
    *out = 0;
    return n == 8 && memcmp(w, "infinity", 8) == 0;
}
static bool crash_from_word(const char *w, size_t n, uint64_t *out)
{
    *out = n == 5 ? POLICY_CRASH_RAISE : POLICY_CRASH_EXIT;
    return (n == 5 && memcmp(w, "raise", 5) == 0) || (n == 4 && memcmp(w, "exit", 4) == 0);
}

/* One of a list of words: its place in it. */
static bool word_in(const char *w, size_t n, const char *const *words, size_t n_words, uint64_t *out)
{
    for (*out = 0; *out < n_words; (*out)++) {
        if (strlen(words[*out]) == n && memcmp(words[*out], w, n) == 0) {
            return true;
        }
    }
    return false;
}
static const char *const after_crash_words[] = { "replace", "keep" };
static const char *const transport_words[] = { "ring", "socket" };
static const char *const scope_words[] = { "all", "caller" };
static const char *const bool_words[] = { "false", "true" };

static bool after_crash_from_word(const char *w, size_t n, uint64_t *out)
{
    return word_in(w, n, after_crash_words, ARRAY_LEN(after_crash_words), out);
}
static bool transport_from_word(const char *w, size_t n, uint64_t *out)
{
    return word_in(w, n, transport_words, ARRAY_LEN(transport_words), out);
}
static bool scope_from_word(const char *w, size_t n, uint64_t *out)
{
    return word_in(w, n, scope_words, ARRAY_LEN(scope_words), out);
}
static bool bool_from_word(const char *w, size_t n, uint64_t *out)
{
    return word_in(w, n, bool_words, ARRAY_LEN(bool_words), out);
}
static bool restart_from(uint64_t max, uint64_t within_ms, uint64_t *out)
{
    *out = POLICY_RESTART_VALUE(max, within_ms);
    return max <= MAX_RESTARTS && within_ms >= 1 && within_ms <= MAX_TIMEOUT_MS;
}
/* "10/1000": ten in a second. */
static bool restart_from_word(const char *w, size_t n, uint64_t *out)
{
    const char *slash = memchr(w, '/', n);
    uint64_t max, within_ms;
    return slash != NULL && number_from_text(w, (size_t) (slash - w), &max)
           && number_from_text(slash + 1, n - 1 - (size_t) (slash - w), &within_ms) && restart_from(max, within_ms, out);
}
static bool restart_from_map(term map, uint64_t *out)
{
    term max = map_get(map, ATOM(max)), within = map_get(map, ATOM(within));
    return map_size(map) == 2 && term_is_small(max) && term_is_small(within) && term_to_small(max) >= 0
           && term_to_small(within) > 0 && restart_from((uint64_t) term_to_small(max), (uint64_t) term_to_small(within), out);
}
static bool threads_from_number(uint64_t n, uint64_t *out)
{
    *out = n;
    return n >= 1 && n <= MAX_WORKER_THREADS;
}
static bool pool_from_number(uint64_t n, uint64_t *out)
{
    *out = n;
    return n >= 1 && n <= MAX_WORKERS;
}
static bool spare_from_number(uint64_t n, uint64_t *out)
{
    *out = n;
    return n <= MAX_WORKERS;
}
static bool timeout_from_number(uint64_t n, uint64_t *out)
{
    *out = n;
    return n >= 1 && n <= MAX_TIMEOUT_MS;
}
static bool stack_from_number(uint64_t n, uint64_t *out)
{
    *out = (n + PAGE - 1) & ~(uint64_t) (PAGE - 1);
    return n >= STACK_MIN_BYTES && n <= MAX_STACK_BYTES;
}

static const struct key_info {
    const char *name;
    const char *takes; /* what it is, and which values there are */
    bool (*from_word)(const char *w, size_t n, uint64_t *out); /* NULL: takes no word */
    bool (*from_number)(uint64_t n, uint64_t *out);            /* NULL: takes no number */
    bool (*from_map)(term map, uint64_t *out);                 /* NULL: takes no map */
} keys[POLICY_KEYS] = {
    [POLICY_MODE] = { "mode", "how its native code is run: one of the modes",
        mode_from_word, NULL, NULL },
    [POLICY_TIMEOUT] = { "timeout", "milliseconds a call may take, 1 to 2^30, or infinity",
        timeout_from_word, timeout_from_number, NULL },
    [POLICY_STACK] = { "stack", "bytes of its stack, 16k to 1024m",
        NULL, stack_from_number, NULL },
    [POLICY_CRASH] = { "crash", "exit: the caller ends, nothing catches it; raise: an exception of class exit",
        crash_from_word, NULL, NULL },
    [POLICY_THREADS] = { "threads", "calls that one worker runs at a time, 1 to 64",
        NULL, threads_from_number, NULL },
    [POLICY_POOL] = { "pool", "workers, 1 to 32",
        NULL, pool_from_number, NULL },
    [POLICY_SPARE] = { "spare", "workers kept ready for when one ends, 0 to 32",
        NULL, spare_from_number, NULL },
    [POLICY_RESTART] = { "restart", "N/Ms: after more than N ends (at most 255) within Ms no worker is started for Ms",
        restart_from_word, NULL, restart_from_map },
    [POLICY_AFTER_CRASH] = { "after_crash", "replace the worker in which a call crashed, or keep it",
        after_crash_from_word, NULL, NULL },
    [POLICY_TRANSPORT] = { "transport", "ring: shared memory and futexes; socket",
        transport_from_word, NULL, NULL },
    [POLICY_SCOPE] = { "scope", "all terms can be read in hybrid mode, or what the caller passes",
        scope_from_word, NULL, NULL },
    [POLICY_VERIFY] = { "verify", "true: look for damage after each call, in the modes that share the heap",
        bool_from_word, NULL, NULL },
};

const char *policy_key_name(enum policy_key key)
{
    return keys[key].name;
}

const char *policy_key_help(enum policy_key key)
{
    return keys[key].takes;
}

void policy_default_text(enum policy_key key, char *out, size_t room)
{
    uint64_t v = built_in[key];
    switch (key) {
    case POLICY_MODE: snprintf(out, room, "%s", executor_table[v]->name); return;
    case POLICY_TIMEOUT: snprintf(out, room, "infinity"); return;
    case POLICY_STACK: snprintf(out, room, "%lluk", (unsigned long long) (v >> 10)); return;
    case POLICY_THREADS:
    case POLICY_POOL:
    case POLICY_SPARE: snprintf(out, room, "%llu", (unsigned long long) v); return;
    case POLICY_RESTART: snprintf(out, room, "%llu/%u", (unsigned long long) (v >> 32), (unsigned) v); return;
    case POLICY_AFTER_CRASH: snprintf(out, room, "%s", after_crash_words[v]); return;
    case POLICY_TRANSPORT: snprintf(out, room, "%s", transport_words[v]); return;
    case POLICY_SCOPE: snprintf(out, room, "%s", scope_words[v]); return;
    case POLICY_VERIFY: snprintf(out, room, "%s", bool_words[v]); return;
    case POLICY_CRASH: snprintf(out, room, "%s", v == POLICY_CRASH_RAISE ? "raise" : "exit"); return;
    case POLICY_KEYS: break;
    }
    out[0] = '\0';
}

const char *policy_origin_name(enum policy_origin origin)
{
    static const char *const names[ORIGIN_COUNT] = {
        [ORIGIN_BUILT_IN] = "built_in",
        [ORIGIN_DEFAULT_COMMAND_LINE] = "default_command_line",
        [ORIGIN_DEFAULT_SET] = "default_set",
        [ORIGIN_ATTRIBUTE] = "attribute",
        [ORIGIN_COMMAND_LINE] = "command_line",
        [ORIGIN_SET] = "set",
    };
    return names[origin];
}

term policy_value_term(struct heap *h, enum policy_key key, uint64_t value)
{
    switch (key) {
    case POLICY_MODE: return atom_from_cstr(executor_table[value]->name);
    case POLICY_TIMEOUT: return value == 0 ? ATOM(infinity) : term_from_small((intptr_t) value);
    case POLICY_STACK:
    case POLICY_THREADS:
    case POLICY_POOL:
    case POLICY_SPARE: return term_from_small((intptr_t) value);
    case POLICY_RESTART: {
        term map = map_put(h, map_empty(h), ATOM(max), term_from_small((intptr_t) (value >> 32)));
        return map_put(h, map, ATOM(within), term_from_small((intptr_t) (uint32_t) value));
    }
    case POLICY_AFTER_CRASH: return atom_from_cstr(after_crash_words[value]);
    case POLICY_TRANSPORT: return atom_from_cstr(transport_words[value]);
    case POLICY_SCOPE: return atom_from_cstr(scope_words[value]);
    case POLICY_VERIFY: return atom_from_cstr(bool_words[value]);
    case POLICY_CRASH: return atom_from_cstr(value == POLICY_CRASH_RAISE ? "raise" : "exit");
    case POLICY_KEYS: break;
    }
    return TERM_NONE;
}

static int key_find(const char *name, size_t n)
{
    for (int k = 0; k < POLICY_KEYS; k++) {
        if (strlen(keys[k].name) == n && memcmp(keys[k].name, name, n) == 0) {
            return k;
        }
    }
    return -1;
}

/* ---- the table ---- */

static void merge(struct layer *to, const struct layer *from)
{
    for (int k = 0; k < POLICY_KEYS; k++) {
        if (from->present >> k & 1) {
            to->value[k] = from->value[k];
            to->present |= 1u << k;
        }
    }
}

static struct entry *find_locked(term module)
{
    struct entry *e = entries;
    while (e != NULL && !term_same(e->module, module)) {
        e = e->next;
    }
    return e;
}

static struct entry *make_locked(term module)
{
    struct entry *e = find_locked(module);
    if (e == NULL) {
        e = vm_zalloc(sizeof(*e));
        e->module = module;
        e->attributes = -1;
        e->next = entries;
        entries = e;
    }
    return e;
}

/* module: an atom, or TERM_NONE for the defaults. */
static void store(term module, enum policy_origin origin, const struct layer *l)
{
    lock_take(&policy_lock);
    if (term_is_none(module)) {
        merge(&defaults[origin], l);
    } else {
        merge(&make_locked(module)->by_origin[origin], l);
    }
    lock_drop(&policy_lock);
    library_refresh_policies(module);
}

void policy_effective(term module, struct policy *out)
{
    lock_take(&policy_lock);
    const struct entry *e = find_locked(module);
    for (int k = 0; k < POLICY_KEYS; k++) {
        out->value[k] = built_in[k];
        out->origin[k] = ORIGIN_BUILT_IN;
        for (unsigned o = 0; o < ORIGIN_COUNT; o++) {
            bool of_default = o == ORIGIN_DEFAULT_COMMAND_LINE || o == ORIGIN_DEFAULT_SET;
            const struct layer *l = of_default ? &defaults[o] : e != NULL ? &e->by_origin[o] : NULL;
            if (l != NULL && (l->present >> k & 1) != 0) {
                out->value[k] = l->value[k];
                out->origin[k] = (uint8_t) o;
            }
        }
    }
    lock_drop(&policy_lock);
}

/* ---- from a term ---- */

static bool take_term(struct layer *l, term key, term value)
{
    struct atom_text name;
    if (!term_is_atom(key)) {
        return false;
    }
    name = atom_text(key);
    int k = key_find(name.utf8, name.bytes);
    if (k < 0) {
        return false;
    }
    bool ok = false;
    if (term_is_atom(value) && keys[k].from_word != NULL) {
        struct atom_text w = atom_text(value);
        ok = keys[k].from_word(w.utf8, w.bytes, &l->value[k]);
    } else if (term_is_small(value) && term_to_small(value) >= 0 && keys[k].from_number != NULL) {
        ok = keys[k].from_number((uint64_t) term_to_small(value), &l->value[k]);
    } else if (term_is_map(value) && keys[k].from_map != NULL) {
        ok = keys[k].from_map(value, &l->value[k]);
    }
    l->present |= ok ? 1u << k : 0;
    return ok;
}

bool policy_set_term(term module, enum policy_origin origin, term options, term *out_culprit)
{
    struct layer l = { 0 };
    *out_culprit = options;
    if (term_is_atom(options)) {
        if (!take_term(&l, ATOM(mode), options)) {
            return false;
        }
    } else if (term_is_map(options)) {
        struct map_iter it;
        term key, value;
        map_iter_init(&it, options);
        while (map_iter_next(&it, &key, &value)) {
            if (!take_term(&l, key, value)) {
                *out_culprit = key;
                return false;
            }
        }
    } else {
        return false;
    }
    bool is_default = term_same(module, ATOM(default));
    if (is_default && origin == ORIGIN_SET) {
        origin = ORIGIN_DEFAULT_SET;
    }
    store(is_default ? TERM_NONE : module, origin, &l);
    return true;
}

bool policy_attributes_begin(term module, uint32_t hash)
{
    lock_take(&policy_lock);
    struct entry *e = make_locked(module);
    bool is_new = e->attributes != (int64_t) hash;
    e->attributes = hash;
    if (is_new) {
        e->by_origin[ORIGIN_ATTRIBUTE].present = 0;
    }
    lock_drop(&policy_lock);
    return is_new;
}

void policy_attributes_take(term module, term options, void (*bad)(term module, term key, term value))
{
    struct layer l = { 0 };
    struct map_iter it;
    term key, value;
    if (term_is_map(options)) {
        map_iter_init(&it, options);
        while (map_iter_next(&it, &key, &value)) {
            if (!take_term(&l, key, value)) {
                bad(module, key, value);
            }
        }
    } else if (!take_term(&l, ATOM(mode), options)) {
        bad(module, term_is_atom(options) ? ATOM(mode) : TERM_NONE, options);
    }
    store(module, ORIGIN_ATTRIBUTE, &l);
}

void policy_each_on_command_line(void (*fn)(term module, void *arg), void *arg)
{
    lock_take(&policy_lock);
    struct entry *e = entries; /* entries stay, and so does what the command line said */
    lock_drop(&policy_lock);
    for (; e != NULL; e = e->next) {
        if (e->by_origin[ORIGIN_COMMAND_LINE].present != 0) {
            fn(e->module, arg);
        }
    }
}

/* ---- from text ---- */

static bool take_text(struct layer *l, int k, const char *value, size_t n)
{
    uint64_t number;
    bool ok = false;
    if (number_from_text(value, n, &number)) {
        ok = keys[k].from_number != NULL && keys[k].from_number(number, &l->value[k]);
    } else if (keys[k].from_word != NULL) {
        ok = keys[k].from_word(value, n, &l->value[k]);
    }
    l->present |= ok ? 1u << k : 0;
    return ok;
}

bool policy_set_text(const char *spec, char *error, size_t room)
{
    struct layer l = { 0 };
    term module = TERM_NONE;
    const char *at = spec;
    bool first = true;
    for (bool more = true; more;) {
        size_t n = strcspn(at, ",");
        const char *equals = memchr(at, '=', n);
        const char *value = equals != NULL ? equals + 1 : at;
        size_t value_bytes = (size_t) (at + n - value);
        int k = equals != NULL ? key_find(at, (size_t) (equals - at)) : POLICY_MODE;
        if (first && equals != NULL && k < 0) { /* MODULE=MODE or MODULE=key=value */
            module = atom_intern(at, (size_t) (equals - at));
            if (term_is_none(module)) {
                snprintf(error, room, "'%.*s' cannot be a module's name", (int) (equals - at), at);
                return false;
            }
            at = value;
            first = false;
            continue;
        }
        if (k < 0) {
            snprintf(error, room, "there is no isolation option '%.*s' (see 'bulkhead info')", (int) (equals - at), at);
            return false;
        }
        if (!take_text(&l, k, value, value_bytes)) {
            if (k == POLICY_MODE) {
                snprintf(error, room, "'%.*s' is no isolation mode (see 'bulkhead info')", (int) value_bytes, value);
            } else {
                snprintf(error, room, "'%.*s' is no %s (%s)", (int) value_bytes, value, keys[k].name, keys[k].takes);
            }
            return false;
        }
        more = at[n] == ',';
        at += n + 1;
        first = false;
    }
    if (term_same(module, ATOM(default))) {
        module = TERM_NONE;
    }
    store(module, term_is_none(module) ? ORIGIN_DEFAULT_COMMAND_LINE : ORIGIN_COMMAND_LINE, &l);
    return true;
}
