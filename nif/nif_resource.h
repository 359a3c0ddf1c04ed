/* nif_resource.h - resource types and resource objects.
 *
 *   term [TAG_RESOURCE | next off-heap | * | id]
 *                                        |
 *   arena_vm                             v                     arena of native data
 *   struct nif_resource { refs, destroy, id, type, ... payload } ---> [ prefix | payload ... ]
 *                            ^                                            |
 *                            +--------------------------------------------+  checked on every use
 *
 * The library sees only the payload. It lies in an arena of its own, away from the VM's and from
 * every library's malloc: what a NIF writes beyond its end hits other payloads or their prefixes,
 * whose check word then fails, never a count or a type; and it outlives the heap that a library
 * loses when it crashes, because other processes may still hold the object.
 */
#ifndef NIF_RESOURCE_H
#define NIF_RESOURCE_H

#include "lib/base/sanitize.h"
#include "nif/nif_env.h"
#include "vm/core/resource.h"

struct nif_lib;

/* A type lives while it is listed (its library is loaded) or has objects; so long, if it has
 * callbacks, it holds a reference of its owner. */
struct enif_resource_type_t {
    struct enif_resource_type_t *next;
    term module, name;
    struct nif_lib *owner; /* library whose callbacks these are */
    ErlNifResourceTypeInit init;
    _Atomic uint64_t refs; /* objects, and 1 while listed */
    bool listed;           /* found by name; RANK_NIF_LIB */
};

/* Something to do on a scheduler thread. */
struct nif_deferred {
    struct nif_deferred *next;
    void (*fn)(struct nif_deferred *d);
};

struct nif_monitor;
struct nif_select;
struct nif_resource {
    struct resource base; /* first */
    _Atomic uint64_t id;  /* of its terms; 0: none made yet */
    struct enif_resource_type_t *type;
    void *payload; /* owned */
    size_t size;
    struct nif_deferred dead;
    struct nif_monitor *monitors; /* processes it watches; RANK_NIF_MONITOR */
    bool abandoned;               /* end it without its destructor */
};

/* Object of a payload pointer that a NIF handed us; leaves the NIF if it is none. */
struct nif_resource *nif_resource_from_payload(void *payload, const char *api) FOLLOWS_FOREIGN_POINTERS;
/* NULL if t is no resource of the NIF API: the VM has objects of its own behind such terms. */
struct nif_resource *nif_resource_from_term(term t);
term nif_resource_make_term(struct heap *h, struct nif_resource *r);

/* Drops the reference an abandoned call had from enif_alloc_resource(): no destructor runs if the
 * object, probably half made, was known to nobody else. */
void nif_resource_abandon(struct nif_resource *r);

/* A resource type opened in load or upgrade, not yet in force. */
struct nif_opened_type {
    struct nif_opened_type *next;
    struct enif_resource_type_t *type;
    ErlNifResourceTypeInit init;
    bool created;
};
/* State of a load or upgrade that is under way. */
struct nif_load {
    struct nif_lib *lib;
    struct nif_opened_type *opened;
};
void nif_load_commit_types(struct nif_load *load);
void nif_load_rollback_types(struct nif_load *load);
/* The library is being unloaded: its types lose their name, and their objects their callbacks
 * when the last is gone. */
void nif_types_release(struct nif_lib *lib);

/* ---- nif_deferred.c ---- */
/* Lock-free; may be called inside a collection. */
void nif_deferred_push(struct nif_deferred *d, void (*fn)(struct nif_deferred *d));

void nif_resource_init(void);
/* The down callback of r's type. */
void nif_resource_call_down(struct nif_resource *r, term pid, const ErlNifMonitor *monitor);

/* ---- nif_monitor.c ---- */
/* Forgets every process that r watches. */
void nif_monitor_drop_all(struct nif_resource *r);

#endif
