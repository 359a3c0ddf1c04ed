/* A library whose nif_init() returns what the environment variable NIF_ENTRY names: every way in
 * which an entry can be wrong, and the good ones. The name "entries" is the module's. */
#include <erl_nif.h>

static int loads, upgrades, unloads;

static ERL_NIF_TERM one(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void) argv;
    return enif_make_int(env, argc);
}

static int good_load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info)
{
    (void) env, (void) info;
    *priv = &loads;
    return loads++ < 0;
}
static int bad_load(ErlNifEnv *env, void **priv, ERL_NIF_TERM info)
{
    ErlNifResourceFlags tried;
    (void) priv, (void) info;
    return enif_open_resource_type(env, NULL, "rolled_back", NULL, ERL_NIF_RT_CREATE, &tried)
                   != NULL
               ? 17
               : 1;
}
static int good_upgrade(ErlNifEnv *env, void **priv, void **old_priv, ERL_NIF_TERM info)
{
    (void) env, (void) info;
    *priv = *old_priv;
    return upgrades++ < 0;
}
static void count_unload(ErlNifEnv *env, void *priv)
{
    (void) env, (void) priv;
    unloads++;
}
int entries_counts(int what)
{
    return what == 0 ? loads : what == 1 ? upgrades : unloads;
}

static ErlNifFunc good[] = { { "one", 1, one, 0 }, { "two", 2, one, ERL_NIF_DIRTY_JOB_CPU_BOUND } };
static ErlNifFunc unknown[] = { { "one", 1, one, 0 }, { "no_such_function", 3, one, 0 } };
static ErlNifFunc undeclared[] = { { "plain", 0, one, 0 } };
static ErlNifFunc flagged[] = { { "one", 1, one, 9 } };
static ErlNifFunc twice[] = { { "one", 1, one, 0 }, { "one", 1, one, 0 } };

/* ErlNifFunc as it was before 2.7 */
static struct {
    const char *name;
    unsigned arity;
    ERL_NIF_TERM (*fptr)(ErlNifEnv *, int, const ERL_NIF_TERM[]);
} old_good[] = { { "one", 1, one }, { "two", 2, one } };

#define ENTRY(which, major, minor, name, funcs, load, upgrade, variant, min)                       \
    {                                                                                              \
        which,                                                                                     \
        {                                                                                          \
            major, minor, name, sizeof(funcs) / sizeof(*(funcs)), (ErlNifFunc *) (void *) (funcs), \
                load, NULL, upgrade, count_unload, variant, 1, sizeof(ErlNifResourceTypeInit), min \
        }                                                                                          \
    }

static struct {
    const char *which;
    ErlNifEntry entry;
} entries[] = {
    ENTRY("good", 2, 16, "entries", good, good_load, good_upgrade, "beam.vanilla", "erts-12.0"),
    ENTRY("latest", 2, 17, "entries", good, good_load, good_upgrade, "beam.vanilla", "erts-14.0"),
    ENTRY("old", 2, 4, "entries", old_good, good_load, good_upgrade, "beam.vanilla", NULL),
    ENTRY("no_upgrade", 2, 16, "entries", good, good_load, NULL, "beam.vanilla", "erts-12.0"),
    ENTRY("too_new", 2, 99, "entries", good, good_load, NULL, "beam.vanilla", "erts-99.1"),
    ENTRY("too_old", 1, 0, "entries", good, good_load, NULL, "beam.vanilla", ""),
    ENTRY("experimental", 2, 5, "entries", good, good_load, NULL, "beam.vanilla", ""),
    ENTRY("variant", 2, 16, "entries", good, good_load, NULL, "beam.hipe", ""),
    ENTRY("name", 2, 16, "other", good, good_load, NULL, "beam.vanilla", ""),
    ENTRY("unknown", 2, 16, "entries", unknown, good_load, NULL, "beam.vanilla", ""),
    ENTRY("undeclared", 2, 16, "entries", undeclared, good_load, NULL, "beam.vanilla", ""),
    ENTRY("flags", 2, 16, "entries", flagged, good_load, NULL, "beam.vanilla", ""),
    ENTRY("twice", 2, 16, "entries", twice, good_load, NULL, "beam.vanilla", ""),
    ENTRY("bad_load", 2, 16, "entries", good, bad_load, NULL, "beam.vanilla", ""),
};

ErlNifEntry *nif_init(void);
ErlNifEntry *nif_init(void)
{
    const char *wanted = getenv("NIF_ENTRY");
    for (size_t i = 0; wanted != NULL && i < sizeof(entries) / sizeof(*entries); i++) {
        if (strcmp(entries[i].which, wanted) == 0) {
            return &entries[i].entry;
        }
    }
    return NULL;
}
