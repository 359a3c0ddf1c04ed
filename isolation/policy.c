#include "isolation/policy.h"

#include <stdio.h>
#include <string.h>

#include "isolation/library.h"
#include "vm/core/atom.h"
#include "vm/core/map.h"

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
        out->value[k] = policy_value_built_in((enum policy_key) k);
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

static void put(struct layer *l, enum policy_key key, uint64_t value)
{
    l->value[key] = value;
    l->present |= 1u << key;
}

typedef void (*bad_option)(term module, term key, term value);

static bool take_option(struct layer *l, term module, term name, term t, bad_option bad)
{
    enum policy_key key;
    uint64_t value;
    bool good = policy_key_of_term(name, &key) && policy_value_from_term(key, t, &value);
    if (good) {
        put(l, key, value);
    } else if (bad != NULL) {
        bad(module, name, t);
    }
    return good;
}

/* A mode, or a map of options. bad: called for each that is none; NULL: the first one is the last that is looked at. false:
 * there was one, *out_culprit. */
static bool take_options(struct layer *l, term module, term options, bad_option bad, term *out_culprit)
{
    struct map_iter it;
    term name, value;
    bool good = true;
    *out_culprit = options;
    if (!term_is_map(options)) {
        return take_option(l, module, term_is_atom(options) ? ATOM(mode) : TERM_NONE, options, bad);
    }
    map_iter_init(&it, options);
    while ((good || bad != NULL) && map_iter_next(&it, &name, &value)) {
        if (!take_option(l, module, name, value, bad)) {
            *out_culprit = name;
            good = false;
        }
    }
    return good;
}

bool policy_set_term(term module, enum policy_origin origin, term options, term *out_culprit)
{
    struct layer l = { 0 };
    if (!take_options(&l, module, options, NULL, out_culprit)) {
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
    term culprit;
    (void) take_options(&l, module, options, bad, &culprit);
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

bool policy_set_text(const char *spec, char *error, size_t room)
{
    struct layer l = { 0 };
    term module = TERM_NONE;
    const char *at = spec;
    bool first = true;
    for (bool more = true; more;) {
        enum policy_key key = POLICY_MODE;
        uint64_t v;
        size_t n = strcspn(at, ",");
        const char *equals = memchr(at, '=', n);
        const char *value = equals != NULL ? equals + 1 : at;
        size_t value_bytes = (size_t) (at + n - value);
        bool known = equals == NULL || policy_key_find(at, (size_t) (equals - at), &key);
        if (first && !known) { /* MODULE=MODE or MODULE=key=value */
            module = atom_intern(at, (size_t) (equals - at));
            if (term_is_none(module)) {
                snprintf(error, room, "'%.*s' cannot be a module's name", (int) (equals - at), at);
                return false;
            }
            at = value;
            first = false;
            continue;
        }
        if (!known) {
            snprintf(error, room, "there is no isolation option '%.*s' (see 'bulkhead info')", (int) (equals - at), at);
            return false;
        }
        if (!policy_value_from_text(key, value, value_bytes, &v)) {
            if (key == POLICY_MODE) {
                snprintf(error, room, "'%.*s' is no isolation mode (see 'bulkhead info')", (int) value_bytes, value);
            } else {
                snprintf(error, room, "'%.*s' is no %s (%s)", (int) value_bytes, value, policy_key_name(key),
                    policy_key_help(key));
            }
            return false;
        }
        put(&l, key, v);
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
