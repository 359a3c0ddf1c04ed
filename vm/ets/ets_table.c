/* The registry of tables, their owners, and what happens when an owner ends. */
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "vm/bif/bif.h"
#include "vm/core/copy.h"
#include "vm/core/ref.h"
#include "vm/ets/ets.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

enum { ID_BUCKETS = 4096, NAME_BUCKETS = 1024, OWNER_BUCKETS = 1024, FIX_BUCKETS = 64 };

static struct lock registry_lock;
static _Atomic(struct ets_table *) by_id[ID_BUCKETS], by_name[NAME_BUCKETS];
/* Below: under registry_lock; a reader without it only learns "none". */
static _Atomic(struct ets_table *) by_owner[OWNER_BUCKETS];
static struct ets_table *spares; /* linked by owner_next */
/* How many fixations processes with a number in this bucket hold: most ends of processes need not look. */
static _Atomic size_t n_fixes[FIX_BUCKETS];

static size_t id_bucket(uint64_t id)
{
    return id % ID_BUCKETS;
}
static size_t name_bucket(term name)
{
    return term_to_atom_index(name) % NAME_BUCKETS;
}
static size_t owner_bucket(term pid)
{
    return term_pid_number(pid) % OWNER_BUCKETS;
}

static uint64_t id_of(const struct ets_table *t)
{
    return atomic_load_explicit(&t->id, memory_order_relaxed);
}
static term name_of(const struct ets_table *t)
{
    return (term) { atomic_load_explicit(&t->name, memory_order_relaxed) };
}

term ets_ref(struct heap *h, uint64_t id)
{
    return heap_ref(h, id, 0);
}

/* Its name if named, else its reference. */
static term table_term(struct heap *h, const struct ets_table *t)
{
    return t->named ? name_of(t) : ets_ref(h, id_of(t));
}

/* ---- chains of the registry: pre: registry_lock held ---- */

static void link_id(struct ets_table *t)
{
    _Atomic(struct ets_table *) *head = &by_id[id_bucket(id_of(t))];
    atomic_store_explicit(&t->id_next, atomic_load_explicit(head, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(head, t, memory_order_release);
}

static void link_name(struct ets_table *t)
{
    _Atomic(struct ets_table *) *head = &by_name[name_bucket(name_of(t))];
    atomic_store_explicit(&t->name_next, atomic_load_explicit(head, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(head, t, memory_order_release);
}

static void unlink_id(struct ets_table *t)
{
    _Atomic(struct ets_table *) *link = &by_id[id_bucket(id_of(t))];
    while (atomic_load_explicit(link, memory_order_relaxed) != t) {
        link = &atomic_load_explicit(link, memory_order_relaxed)->id_next;
    }
    atomic_store_explicit(link, atomic_load_explicit(&t->id_next, memory_order_relaxed), memory_order_release);
}

static void unlink_name(struct ets_table *t)
{
    _Atomic(struct ets_table *) *link = &by_name[name_bucket(name_of(t))];
    while (atomic_load_explicit(link, memory_order_relaxed) != t) {
        link = &atomic_load_explicit(link, memory_order_relaxed)->name_next;
    }
    atomic_store_explicit(link, atomic_load_explicit(&t->name_next, memory_order_relaxed), memory_order_release);
}

static void link_owner(struct ets_table *t)
{
    _Atomic(struct ets_table *) *head = &by_owner[owner_bucket(t->owner)];
    t->owner_next = atomic_load_explicit(head, memory_order_relaxed);
    atomic_store_explicit(head, t, memory_order_relaxed);
}

static void unlink_owner(struct ets_table *t)
{
    _Atomic(struct ets_table *) *head = &by_owner[owner_bucket(t->owner)];
    struct ets_table *o = atomic_load_explicit(head, memory_order_relaxed);
    if (o == t) {
        atomic_store_explicit(head, t->owner_next, memory_order_relaxed);
        return;
    }
    while (o->owner_next != t) {
        o = o->owner_next;
    }
    o->owner_next = t->owner_next;
}

/* ---- finding ---- */

/* Is t the table that `which` stands for? A named table goes by both, a reference and its name. */
static bool is_meant(const struct ets_table *t, term which)
{
    if (term_is_atom(which)) {
        return id_of(t) != 0 && t->named && term_same(name_of(t), which);
    }
    return id_of(t) == term_ref_id(which);
}

static struct ets_table *walk(term which)
{
    bool is_name = term_is_atom(which);
    struct ets_table *t = is_name
        ? atomic_load_explicit(&by_name[name_bucket(which)], memory_order_acquire)
        : atomic_load_explicit(&by_id[id_bucket(term_ref_id(which))], memory_order_acquire);
    while (t != NULL && !is_meant(t, which)) {
        t = atomic_load_explicit(is_name ? &t->name_next : &t->id_next, memory_order_acquire);
    }
    return t;
}

static bool may(const struct proc *p, const struct ets_table *t, enum ets_access access)
{
    if (access == ETS_INFO || term_same(t->owner, p->id)) {
        return true;
    }
    switch (access) {
    case ETS_READ: return t->protection != ETS_PRIVATE;
    case ETS_WRITE: return t->protection == ETS_PUBLIC;
    case ETS_OWN:
    case ETS_INFO: break;
    }
    return false;
}

/* Locks the table meant; NULL: there is none. */
static struct ets_table *find_and_lock(term which)
{
    if (!term_is_atom(which) && !term_has_tag(which, TAG_REF)) {
        return NULL;
    }
    struct ets_table *t = walk(which);
    if (t != NULL) {
        lock_take(&t->lock);
        if (is_meant(t, which)) {
            return t;
        }
        lock_drop(&t->lock);
    }
    /* While we looked, tables came and went: only under the registry's lock "there is none" is sure.
     * The ranks say that it is given back last, so look there and then lock the table alone. */
    lock_take(&registry_lock);
    t = walk(which);
    lock_drop(&registry_lock);
    if (t != NULL) {
        lock_take(&t->lock);
        if (is_meant(t, which)) {
            return t;
        }
        lock_drop(&t->lock); /* it went at this moment */
    }
    return NULL;
}

struct ets_table *ets_acquire(struct proc *p, term which, enum ets_access access, enum ets_status *st)
{
    struct ets_table *t = find_and_lock(which);
    *st = t == NULL ? ETS_BAD_ID : ETS_OK;
    if (t != NULL && !may(p, t, access)) {
        lock_drop(&t->lock);
        *st = ETS_NO_ACCESS;
        return NULL;
    }
    return t;
}

void ets_release(struct ets_table *t, struct ets_object *gone)
{
    lock_drop(&t->lock);
    ets_object_free_list(gone);
}

/* ---- coming ---- */

static struct ets_object *heir_object(const struct ets_options *o)
{
    if (term_is_none(o->heir)) {
        return NULL;
    }
    uintptr_t words[2] = { TERM_HEADER(TAG_TUPLE, 1), o->heir_data.word };
    return ets_object_new(term_from_boxed_ptr(words));
}

enum ets_status ets_table_new(struct proc *p, term name, const struct ets_options *o, uint64_t *out_id)
{
    struct ets_object *heir_data = heir_object(o);
    if (!term_is_none(o->heir) && heir_data == NULL) {
        return ETS_NOMEM;
    }
    lock_take(&registry_lock);
    if (o->named && walk(name) != NULL) {
        lock_drop(&registry_lock);
        if (heir_data != NULL) {
            ets_object_free(heir_data);
        }
        return ETS_NAME_TAKEN;
    }
    struct ets_table *t = spares;
    if (t != NULL) {
        spares = t->owner_next;
    } else {
        t = vm_zalloc(sizeof(*t));
        lock_init(&t->lock, RANK_ETS_TABLE);
    }
    lock_take(&t->lock);
    *out_id = ref_next_id();
    atomic_store_explicit(&t->id, *out_id, memory_order_relaxed);
    atomic_store_explicit(&t->name, name.word, memory_order_relaxed);
    t->named = o->named;
    t->owner = p->id;
    t->heir = o->heir;
    t->heir_data = heir_data;
    t->type = o->type;
    t->protection = o->protection;
    t->key_position = o->key_position;
    t->read_concurrency = o->read_concurrency;
    t->write_concurrency = o->write_concurrency;
    t->decentralized_counters = o->decentralized_counters;
    t->compressed = o->compressed;
    ets_contents_init(t);
    link_id(t);
    if (o->named) {
        link_name(t);
    }
    link_owner(t);
    atomic_fetch_add_explicit(&bif_ets_count, 1, memory_order_relaxed);
    lock_drop(&t->lock);
    lock_drop(&registry_lock);
    return ETS_OK;
}

/* ---- going ---- */

static void count_fix(term pid, size_t n)
{
    atomic_fetch_add_explicit(&n_fixes[term_pid_number(pid) % FIX_BUCKETS], n, memory_order_relaxed);
}

/* Takes the table out of the registry and empties it. Both locks are held. */
static void take_down(struct ets_table *t, struct ets_object **gone)
{
    unlink_id(t);
    if (t->named) {
        unlink_name(t);
    }
    unlink_owner(t);
    atomic_fetch_sub_explicit(&bif_ets_count, 1, memory_order_relaxed);
    atomic_store_explicit(&t->id, 0, memory_order_relaxed);
    t->named = false;
    while (t->fixes != NULL) {
        struct ets_fix *f = t->fixes;
        t->fixes = f->next;
        count_fix(f->pid, (size_t) 0 - f->count);
        vm_free(f);
    }
    t->n_fixed = 0;
    if (ets_is_tree(t)) {
        ets_tree_take_all(t, gone);
    } else {
        ets_hash_take_all(t, gone);
        ets_hash_destroy(t);
    }
    if (t->heir_data != NULL) {
        t->heir_data->next = *gone;
        *gone = t->heir_data;
        t->heir_data = NULL;
    }
    t->owner_next = spares;
    spares = t;
}

/* Looks `which` up and locks it with the registry held, for changes of the registry. */
static struct ets_table *find_locked(struct proc *p, term which, enum ets_access access, enum ets_status *st)
{
    struct ets_table *t = term_is_atom(which) || term_has_tag(which, TAG_REF) ? walk(which) : NULL;
    *st = t == NULL ? ETS_BAD_ID : ETS_OK;
    if (t == NULL) {
        return NULL;
    }
    lock_take(&t->lock);
    if (!may(p, t, access)) {
        lock_drop(&t->lock);
        *st = ETS_NO_ACCESS;
        return NULL;
    }
    return t;
}

bool ets_table_delete(struct proc *p, term which, enum ets_status *st)
{
    struct ets_object *gone = NULL;
    lock_take(&registry_lock);
    struct ets_table *t = find_locked(p, which, ETS_WRITE, st);
    if (t != NULL) {
        take_down(t, &gone);
        lock_drop(&t->lock);
    }
    lock_drop(&registry_lock);
    ets_object_free_list(gone);
    return t != NULL;
}

bool ets_table_rename(struct proc *p, term which, term name, enum ets_status *st)
{
    lock_take(&registry_lock);
    struct ets_table *t = find_locked(p, which, ETS_WRITE, st);
    if (t != NULL) {
        if (t->named) {
            struct ets_table *other = walk(name);
            if (other != NULL && other != t) {
                *st = ETS_NAME_TAKEN;
            } else {
                unlink_name(t);
                atomic_store_explicit(&t->name, name.word, memory_order_relaxed);
                link_name(t);
            }
        } else {
            atomic_store_explicit(&t->name, name.word, memory_order_relaxed);
        }
        lock_drop(&t->lock);
    }
    lock_drop(&registry_lock);
    return *st == ETS_OK;
}

/* {'ETS-TRANSFER', Table, From, Data} to the new owner. */
static void tell(struct proc *p, uint64_t id, term name, term to, term from, term data)
{
    struct heap h;
    heap_init_frags(&h);
    term table = term_is_none(name) ? ets_ref(&h, id) : name;
    signal_send(p, to, heap_tuple4(&h, ATOM(ets_transfer), table, from, data));
    heap_destroy(&h);
}

/* Makes `to` the owner, and tells it who had it. The registry is locked, the table no longer after
 * this. A process that ends is first not alive and then looks for its tables: if it is not alive
 * now it may have looked already. */
static void hand_over(struct proc *p, struct ets_table *t, term to, term data, struct ets_object **gone)
{
    uint64_t id = id_of(t);
    term name = t->named ? name_of(t) : TERM_NONE, from = t->owner;
    unlink_owner(t);
    t->owner = to;
    link_owner(t);
    if (!proc_alive(to)) {
        take_down(t, gone);
        lock_drop(&t->lock);
        return;
    }
    lock_drop(&t->lock);
    tell(p, id, name, to, from, data);
}

bool ets_table_give(struct proc *p, term which, term to, term data, enum ets_status *st)
{
    struct ets_object *gone = NULL;
    lock_take(&registry_lock);
    struct ets_table *t = find_locked(p, which, ETS_OWN, st);
    if (t != NULL) {
        hand_over(p, t, to, data, &gone);
    }
    lock_drop(&registry_lock);
    ets_object_free_list(gone);
    return t != NULL;
}

/* ---- fixing ---- */

void ets_fix(struct proc *p, struct ets_table *t, bool fix, struct ets_object **gone)
{
    struct ets_fix **link = &t->fixes;
    while (*link != NULL && !term_same((*link)->pid, p->id)) {
        link = &(*link)->next;
    }
    struct ets_fix *f = *link;
    if (fix) {
        if (f == NULL) {
            f = vm_alloc(sizeof(*f));
            *f = (struct ets_fix) { .next = t->fixes, .pid = p->id };
            t->fixes = f;
        }
        f->count++;
        count_fix(p->id, 1);
        if (t->n_fixed++ == 0) {
            t->fixed_since_ns[0] = clock_monotonic_ns();
            t->fixed_since_ns[1] = clock_system_ns();
        }
        return;
    }
    if (f == NULL) {
        return;
    }
    count_fix(p->id, (size_t) -1);
    if (--f->count == 0) {
        *link = f->next;
        vm_free(f);
    }
    if (--t->n_fixed == 0) {
        ets_unfixed(t, gone);
    }
}

/* All of p's fixations of t. */
static void unfix_all(struct proc *p, struct ets_table *t, struct ets_object **gone)
{
    for (struct ets_fix *f = t->fixes; f != NULL; f = f->next) {
        if (term_same(f->pid, p->id)) {
            for (size_t n = f->count; n > 0; n--) {
                ets_fix(p, t, false, gone);
            }
            return;
        }
    }
}

/* ---- the end of a process ---- */

/* Hands a table of an ended process to its heir, or takes it down. The registry is locked. */
static void bequeath(struct proc *p, struct ets_table *t, struct ets_object **gone)
{
    lock_take(&t->lock);
    if (term_is_none(t->heir) || term_same(t->heir, p->id) || !proc_alive(t->heir)) {
        take_down(t, gone);
        lock_drop(&t->lock);
        return;
    }
    /* It stays the heir. The data is copied while the table, and with it the data, is ours. */
    term heir = t->heir;
    struct heap h;
    heap_init_frags(&h);
    term data = copy_term(term_tuple_get(ets_tuple(t->heir_data), 0), &h);
    hand_over(p, t, heir, data, gone);
    heap_destroy(&h);
}

static void owner_ends(struct proc *p)
{
    struct ets_object *gone = NULL;
    if (!term_is_local_pid(p->id)) { /* a port: owns no tables */
        return;
    }
    if (atomic_load_explicit(&n_fixes[term_pid_number(p->id) % FIX_BUCKETS], memory_order_relaxed) > 0) {
        lock_take(&registry_lock);
        for (size_t i = 0; i < ID_BUCKETS; i++) {
            struct ets_table *t = atomic_load_explicit(&by_id[i], memory_order_relaxed);
            for (; t != NULL; t = atomic_load_explicit(&t->id_next, memory_order_relaxed)) {
                lock_take(&t->lock);
                unfix_all(p, t, &gone);
                lock_drop(&t->lock);
            }
        }
        lock_drop(&registry_lock);
    }
    _Atomic(struct ets_table *) *head = &by_owner[owner_bucket(p->id)];
    if (atomic_load_explicit(head, memory_order_relaxed) != NULL) {
        lock_take(&registry_lock);
        struct ets_table *t = atomic_load_explicit(head, memory_order_relaxed);
        while (t != NULL) {
            if (term_same(t->owner, p->id)) {
                bequeath(p, t, &gone);
                t = atomic_load_explicit(head, memory_order_relaxed); /* the chain has changed */
            } else {
                t = t->owner_next;
            }
        }
        lock_drop(&registry_lock);
    }
    ets_object_free_list(gone);
}

void ets_init(void)
{
    lock_init(&registry_lock, RANK_ETS_TABLES);
    proc_on_exit_hook(owner_ends);
}

term ets_all(struct heap *h)
{
    term list = TERM_NIL;
    lock_take(&registry_lock);
    for (size_t i = 0; i < ID_BUCKETS; i++) {
        struct ets_table *t = atomic_load_explicit(&by_id[i], memory_order_relaxed);
        for (; t != NULL; t = atomic_load_explicit(&t->id_next, memory_order_relaxed)) {
            list = heap_cons(h, table_term(h, t), list);
        }
    }
    lock_drop(&registry_lock);
    return list;
}
