#include <sys/sysinfo.h>

#include "lib/base/arena.h"
#include "lib/base/lock.h"
#include "nif/enif.h"
#include "nif/host.h"
#include "nif/nif_handle.h"
#include "nif/nif_lib.h"
#include "nif/nif_resource.h"
#include "vm/core/bits.h"

/* ---- types ---- */

static struct lock types_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_NIF_LIB, RANK_NONE };
static struct enif_resource_type_t *types; /* listed ones */

/* A type without callbacks needs no library: its objects do not keep one loaded. */
static bool has_callbacks(const ErlNifResourceTypeInit *init)
{
    return init->dtor != NULL || init->stop != NULL || init->down != NULL || init->dyncall != NULL;
}

static void type_unref(struct enif_resource_type_t *type)
{
    if (atomic_fetch_sub_explicit(&type->refs, 1, memory_order_acq_rel) == 1) {
        if (has_callbacks(&type->init)) {
            nif_lib_unref(type->owner);
        }
        vm_free(type);
    }
}

static struct enif_resource_type_t *find_locked(term module, term name)
{
    struct enif_resource_type_t *t = types;
    while (t != NULL && !(term_same(t->module, module) && term_same(t->name, name))) {
        t = t->next;
    }
    return t;
}

static void unlist_locked(struct enif_resource_type_t *type)
{
    for (struct enif_resource_type_t **at = &types; *at != NULL; at = &(*at)->next) {
        if (*at == type) {
            *at = type->next;
            break;
        }
    }
    type->listed = false;
}

static ErlNifResourceType *open_type(ErlNifEnv *env, const char *name_str,
    const ErlNifResourceTypeInit *init, ErlNifResourceFlags flags, ErlNifResourceFlags *tried)
{
    struct nif_load *load = env->load;
    term name = atom_intern_latin1((const uint8_t *) name_str, strlen(name_str));
    ErlNifResourceFlags mode = flags;
    if (load == NULL || term_is_none(name)) {
        return NULL;
    }
    struct nif_opened_type *opened = vm_alloc(sizeof(*opened));
    lock_take(&types_lock);
    struct enif_resource_type_t *type = find_locked(load->lib->module, name);
    if (type == NULL && (flags & ERL_NIF_RT_CREATE) != 0) {
        mode = ERL_NIF_RT_CREATE;
        type = vm_zalloc(sizeof(*type));
        type->module = load->lib->module;
        type->name = name;
        type->owner = load->lib;
        type->init = *init;
        if (has_callbacks(init)) {
            nif_lib_ref(type->owner);
        }
        atomic_init(&type->refs, 1);
        type->listed = true;
        type->next = types;
        types = type;
    } else if (type != NULL && (flags & ERL_NIF_RT_TAKEOVER) != 0) {
        mode = ERL_NIF_RT_TAKEOVER;
    } else {
        type = NULL;
    }
    if (type != NULL) {
        *opened = (struct nif_opened_type) { load->opened, type, *init, mode == ERL_NIF_RT_CREATE };
        load->opened = opened;
        opened = NULL;
    }
    lock_drop(&types_lock);
    vm_free(opened);
    if (tried != NULL) {
        *tried = mode;
    }
    return type;
}

ErlNifResourceType *enif_open_resource_type(ErlNifEnv *env, const char *module_str,
    const char *name_str, void (*dtor)(ErlNifEnv *, void *), ErlNifResourceFlags flags,
    ErlNifResourceFlags *tried)
{
    ErlNifResourceTypeInit init = { .dtor = dtor };
    (void) module_str; /* OTP asks for NULL and does not look: esqlite and bcrypt give their module's name */
    return open_type(env, name_str, &init, flags, tried);
}

ErlNifResourceType *enif_open_resource_type_x(ErlNifEnv *env, const char *name_str,
    const ErlNifResourceTypeInit *given, ErlNifResourceFlags flags, ErlNifResourceFlags *tried)
{
    /* Libraries from before 2.16 end the struct here. */
    ErlNifResourceTypeInit init = { .dtor = given->dtor, .stop = given->stop, .down = given->down };
    return open_type(env, name_str, &init, flags, tried);
}

ErlNifResourceType *enif_init_resource_type(ErlNifEnv *env, const char *name_str,
    const ErlNifResourceTypeInit *given, ErlNifResourceFlags flags, ErlNifResourceFlags *tried)
{
    ErlNifResourceTypeInit init = { .members = given->members };
    switch (given->members) {
    case 4:
        init.dyncall = given->dyncall;
        __attribute__((fallthrough));
    case 3:
        init.down = given->down;
        __attribute__((fallthrough));
    case 2:
        init.stop = given->stop;
        __attribute__((fallthrough));
    case 1:
        init.dtor = given->dtor;
        __attribute__((fallthrough));
    case 0:
        return open_type(env, name_str, &init, flags, tried);
    default:
        return NULL;
    }
}

void nif_load_commit_types(struct nif_load *load)
{
    while (load->opened != NULL) {
        struct nif_opened_type *o = load->opened;
        struct nif_lib *former = NULL;
        load->opened = o->next;
        if (!o->created) {
            lock_take(&types_lock);
            former = has_callbacks(&o->type->init) ? o->type->owner : NULL;
            o->type->owner = load->lib;
            o->type->init = o->init;
            if (has_callbacks(&o->init)) {
                nif_lib_ref(load->lib);
            }
            lock_drop(&types_lock);
            if (former != NULL) {
                nif_lib_unref(former);
            }
        }
        vm_free(o);
    }
}

void nif_load_rollback_types(struct nif_load *load)
{
    while (load->opened != NULL) {
        struct nif_opened_type *o = load->opened;
        load->opened = o->next;
        if (o->created) {
            lock_take(&types_lock);
            unlist_locked(o->type);
            lock_drop(&types_lock);
            type_unref(o->type);
        }
        vm_free(o);
    }
}

void nif_types_release(struct nif_lib *lib)
{
    while (true) {
        lock_take(&types_lock);
        struct enif_resource_type_t *t = types;
        while (t != NULL && t->owner != lib) {
            t = t->next;
        }
        if (t != NULL) {
            unlist_locked(t);
        }
        lock_drop(&types_lock);
        if (t == NULL) {
            return;
        }
        type_unref(t);
    }
}

/* Callbacks in force now, and the library they are in, with a reference; NULL if there are none. */
static ErlNifResourceTypeInit type_callbacks(
    struct enif_resource_type_t *type, struct nif_lib **out_lib)
{
    lock_take(&types_lock);
    ErlNifResourceTypeInit init = type->init;
    *out_lib = has_callbacks(&init) ? type->owner : NULL;
    if (*out_lib != NULL) {
        nif_lib_ref(*out_lib);
    }
    lock_drop(&types_lock);
    return init;
}

/* ---- objects ---- */

/* Before each payload. */
struct payload_prefix {
    struct nif_resource *object;
    uintptr_t check; /* object ^ payload_secret */
};
_Static_assert(sizeof(struct payload_prefix) == 16, "payloads are 16-byte aligned");

static struct arena *payloads;
static uintptr_t payload_secret;

static void init_payloads(void)
{
    struct sysinfo info;
    size_t memory = sysinfo(&info) == 0 ? (size_t) info.totalram * info.mem_unit : (size_t) 1 << 30;
    payloads = arena_new(&(struct arena_options) { .name = "bulkhead-resources",
        .reserve_bytes = (size_t) 64 << 30,
        .limit_bytes = memory / 2,
        .backing = ARENA_PRIVATE });
    VM_REQUIRE(payloads != NULL);
    payload_secret = (uintptr_t) payloads * UINT64_C(0x9E3779B97F4A7C15);
}

struct nif_resource *nif_resource_from_payload(void *payload, const char *api)
{
    const struct payload_prefix *prefix = (const struct payload_prefix *) payload - 1;
    if (((uintptr_t) payload & 15) != 0 || payloads == NULL || !arena_contains(payloads, prefix)
        || ((uintptr_t) prefix->object ^ payload_secret) != prefix->check
        || prefix->object->payload != payload) {
        nif_bad_handle(api);
    }
    return prefix->object;
}

static void free_object(struct nif_resource *r)
{
    struct payload_prefix *prefix = (struct payload_prefix *) r->payload - 1;
    struct enif_resource_type_t *type = r->type;
    prefix->check = 0;
    nif_handle_drop(r);
    if (!arena_try_free(payloads, prefix)) {
        VM_REQUIRE(!"a resource object was freed behind our back");
    }
    vm_free(r);
    type_unref(type);
}

struct callback {
    struct nif_callback_env env;
    ErlNifResourceTypeInit init;
    struct nif_resource *r;
    ErlNifPid pid;
    ErlNifMonitor monitor;
};

static void call_destructor(void *arg)
{
    struct callback *c = arg;
    c->init.dtor(&c->env.env, c->r->payload);
}

/* On a scheduler thread, outside of everything. */
static void end_object(struct nif_deferred *d)
{
    struct nif_resource *r = container_of(d, struct nif_resource, dead);
    struct callback c = { .r = r };
    struct nif_lib *lib;
    nif_monitor_drop_all(r);
    c.init = type_callbacks(r->type, &lib);
    if (c.init.dtor != NULL && !r->abandoned) {
        nif_callback_env_begin(&c.env, lib);
        bool returned = nif_run_callback(lib, NIF_CB_DESTRUCTOR, &c.env.env, call_destructor, &c);
        nif_callback_env_end(&c.env, !returned);
    }
    if (lib != NULL) {
        nif_lib_unref(lib);
    }
    free_object(r);
}

static void last_reference_gone(struct resource *base)
{
    struct nif_resource *r = container_of(base, struct nif_resource, base);
    nif_deferred_push(&r->dead, end_object);
}

/* ---- binaries whose bytes a resource object keeps ---- */

struct resource_binary { /* behind the header of an offheap_bin: see offheap_bin_bytes() */
    const void *bytes;
    struct resource *resource;
};

/* A worker may be able to write what terms are made of: no object lies there. */
static bool is_in_term_memory(const void *p)
{
    return (uintptr_t) p - ARENA_TERMS_BASE < ARENA_TERMS_MAX;
}

static void free_resource_binary(struct offheap_bin *b)
{
    struct resource_binary rb;
    memcpy(&rb, b->data, sizeof(rb));
    arena_free(arena_terms, b);
    if (!is_in_term_memory(rb.resource)) {
        resource_unref(rb.resource);
    }
}

static struct resource *resource_of_binary(const struct offheap_bin *b)
{
    struct resource_binary rb;
    if (b->kind != OFFHEAP_RESOURCE || arena_is_foreign(b)) {
        return NULL;
    }
    memcpy(&rb, b->data, sizeof(rb));
    return is_in_term_memory(rb.resource) ? NULL : rb.resource;
}

struct nif_resource *nif_resource_from_term(term t)
{
    struct resource *base;
    if (term_has_tag(t, TAG_RESOURCE)) {
        const uintptr_t *p = term_words(t);
        if (arena_is_foreign(p)) { /* the VM's handle of an object of ours, perhaps */
            return nif_resource_of_handle(p[3]);
        }
        base = (struct resource *) p[2];
    } else if (term_has_tag(t, TAG_REFC_BITS)) {
        base = resource_of_binary((const struct offheap_bin *) term_words(t)[2]);
    } else {
        return NULL;
    }
    return base != NULL && base->destroy == last_reference_gone
               ? container_of(base, struct nif_resource, base)
               : NULL;
}

void nif_resource_abandon(struct nif_resource *r)
{
    r->abandoned = atomic_load_explicit(&r->base.refs, memory_order_acquire) == 1;
    resource_unref(&r->base);
}

void *enif_alloc_resource(ErlNifResourceType *type, size_t size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_payloads);
    if (arena_usable(arena_vm, type) < sizeof(*type)) {
        nif_bad_handle("enif_alloc_resource");
    }
    nif_guard_enter();
    struct payload_prefix *prefix =
        size < SIZE_MAX / 2 ? arena_alloc(payloads, sizeof(*prefix) + size) : NULL;
    if (prefix == NULL) {
        nif_guard_leave();
        return NULL;
    }
    struct nif_resource *r = vm_zalloc(sizeof(*r));
    r->base.destroy = last_reference_gone;
    atomic_init(&r->base.refs, 1);
    r->type = type;
    r->payload = prefix + 1;
    r->size = size;
    *prefix = (struct payload_prefix) { r, (uintptr_t) r ^ payload_secret };
    atomic_fetch_add_explicit(&type->refs, 1, memory_order_relaxed);
    nif_owed_add(NIF_OWED_RESOURCE, r);
    nif_guard_leave();
    return r->payload;
}

void enif_release_resource(void *obj)
{
    struct nif_resource *r = nif_resource_from_payload(obj, "enif_release_resource");
    if (atomic_load_explicit(&r->base.refs, memory_order_relaxed) == 0) {
        nif_bad_handle("enif_release_resource");
    }
    nif_owed_remove(r);
    resource_unref(&r->base);
}

void enif_keep_resource(void *obj)
{
    resource_ref(&nif_resource_from_payload(obj, "enif_keep_resource")->base);
}

size_t enif_sizeof_resource(void *obj)
{
    return nif_resource_from_payload(obj, "enif_sizeof_resource")->size;
}

term nif_resource_make_term(struct heap *h, struct nif_resource *r)
{
    uint64_t id = atomic_load_explicit(&r->id, memory_order_relaxed);
    if (id == 0) {
        id = nif_handle_new(r); /* in a worker */
    }
    if (id == 0) {
        uint64_t fresh = nif_host->next_ref_id();
        if (atomic_compare_exchange_strong_explicit(
                &r->id, &id, fresh, memory_order_relaxed, memory_order_relaxed)) {
            id = fresh;
        }
    }
    resource_ref(&r->base);
    uintptr_t *p = heap_alloc(h, HEAP_RESOURCE_WORDS);
    p[0] = TERM_HEADER(TAG_RESOURCE, HEAP_RESOURCE_WORDS - 1);
    p[2] = (uintptr_t) &r->base;
    p[3] = id;
    heap_link_offheap(h, p, r->size);
    return term_from_boxed_ptr(p);
}

ERL_NIF_TERM enif_make_resource(ErlNifEnv *env, void *obj)
{
    struct nif_resource *r = nif_resource_from_payload(obj, "enif_make_resource");
    if (nif_handle_is_worker() && atomic_load_explicit(&r->id, memory_order_relaxed) == 0 && nif_handle_new(r) == 0) {
        return nif_system_limit(env); /* the VM could never give such a one back */
    }
    return nif_resource_make_term(env->heap, r).word;
}

int enif_get_resource(ErlNifEnv *env, ERL_NIF_TERM word, ErlNifResourceType *type, void **objp)
{
    const struct nif_resource *r = nif_resource_from_term(term_of(word));
    (void) env;
    if (r == NULL || r->type != type) {
        return 0;
    }
    *objp = r->payload;
    return 1;
}

ERL_NIF_TERM enif_make_resource_binary(ErlNifEnv *env, void *obj, const void *data, size_t size)
{
    struct nif_resource *r = nif_resource_from_payload(obj, "enif_make_resource_binary");
    struct resource_binary rb = { data, &r->base };
    if (size > 0) { /* a fault now is the library's, later it would be ours */
        const volatile unsigned char *bytes = data;
        (void) bytes[0];
        (void) bytes[size - 1];
    }
    nif_guard_enter();
    struct offheap_bin *b = offheap_bin_new(sizeof(rb));
    nif_guard_leave();
    if (b == NULL || size > SIZE_MAX / 8) {
        return nif_system_limit(env);
    }
    memcpy(b->data, &rb, sizeof(rb));
    b->capacity = size;
    b->kind = OFFHEAP_RESOURCE;
    resource_ref(&r->base);
    return bits_from_offheap(env->heap, b, size * 8).word;
}

/* ---- calls between libraries ---- */

int enif_dynamic_resource_call(
    ErlNifEnv *env, ERL_NIF_TERM mod, ERL_NIF_TERM name, ERL_NIF_TERM rsrc, void *call_data)
{
    const struct nif_resource *r = nif_resource_from_term(term_of(rsrc));
    if (r == NULL || !term_same(r->type->module, term_of(mod))
        || !term_same(r->type->name, term_of(name))) {
        return 1;
    }
    struct nif_lib *lib;
    ErlNifResourceTypeInit init = type_callbacks(r->type, &lib);
    if (lib != NULL) {
        nif_lib_unref(lib); /* the type has one for as long as r lives, and r lives in env */
    }
    if (init.dyncall == NULL) {
        return 1;
    }
    init.dyncall(env, r->payload, call_data);
    return 0;
}

/* ---- set-up ---- */

static void ref_any(void *resource)
{
    if (!is_in_term_memory(resource)) {
        resource_ref(resource);
    }
}
static void unref_any(void *resource)
{
    if (!is_in_term_memory(resource)) {
        resource_unref(resource);
    }
}

static void *own_of_foreign(uint64_t id)
{
    struct nif_resource *r = nif_resource_of_handle(id);
    return r != NULL ? &r->base : NULL;
}

static void bytes_not_shared(void)
{
    nif_leave(NIF_LEAVE_PANIC, "the bytes of a binary are in memory of a library in the VM");
}

void nif_resource_init(void)
{
    offheap_unreadable_hook = bytes_not_shared;
    heap_resource_ref = ref_any;
    heap_resource_unref = unref_any;
    heap_resource_of_foreign = own_of_foreign;
    offheap_set_destroy(OFFHEAP_RESOURCE, free_resource_binary);
}

/* ---- down callbacks: nif_monitor.c found that a watched process ended ---- */

static void call_down(void *arg)
{
    struct callback *c = arg;
    c->init.down(&c->env.env, c->r->payload, &c->pid, &c->monitor);
}

void nif_resource_call_down(struct nif_resource *r, term pid, const ErlNifMonitor *monitor)
{
    struct callback c = { .r = r, .pid = { pid.word }, .monitor = *monitor };
    struct nif_lib *lib;
    c.init = type_callbacks(r->type, &lib);
    if (c.init.down != NULL) {
        nif_callback_env_begin(&c.env, lib);
        bool returned = nif_run_callback(lib, NIF_CB_DOWN, &c.env.env, call_down, &c);
        nif_callback_env_end(&c.env, !returned);
    }
    if (lib != NULL) {
        nif_lib_unref(lib);
    }
}
