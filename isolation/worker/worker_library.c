/* worker_library.c - the libraries of a worker: opened by the same code as in the VM.
 *
 * FRAME_OPEN: {Path, Module, [{Name, Arity, IsDeclared}], LoadInfo, Previous}, Previous the id of
 * the library that this one follows, or 0.
 */
#include <unistd.h>

#include "isolation/worker/worker_state.h"
#include "nif/host.h"

static enum nif_func_check check(void *arg, term name, unsigned arity)
{
    for (term l = *(term *) arg; term_is_cons(l); l = term_tail(l)) {
        term f = term_head(l);
        if (term_same(term_tuple_get(f, 0), name) && term_same(term_tuple_get(f, 1), term_from_small(arity))) {
            return term_same(term_tuple_get(f, 2), ATOM(true)) ? NIF_FUNC_OK : NIF_FUNC_NOT_DECLARED;
        }
    }
    return NIF_FUNC_NOT_FOUND;
}

struct worker_library *worker_library(uint32_t id)
{
    unsigned n = atomic_load_explicit(&worker.n_libraries, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        if (worker.libraries[i].id == id) {
            return &worker.libraries[i];
        }
    }
    return NULL;
}

static pthread_mutex_t changes = PTHREAD_MUTEX_INITIALIZER;

static void keep_locked(uint32_t id, struct nif_lib *lib)
{
    struct worker_library *l = worker_library(0); /* unloaded */
    unsigned n = atomic_load_explicit(&worker.n_libraries, memory_order_relaxed);
    if (l == NULL && n == WORKER_MAX_LIBRARIES) { /* the oldest has been purged long since */
        l = &worker.libraries[0];
        for (unsigned i = 1; i < n; i++) {
            l = worker.libraries[i].id < l->id ? &worker.libraries[i] : l;
        }
        nif_lib_release(l->nif);
    }
    if (l != NULL) {
        l->nif = lib;
        atomic_store_explicit(&l->id, id, memory_order_release);
        return;
    }
    worker.libraries[n].nif = lib;
    worker.libraries[n].id = id;
    atomic_store_explicit(&worker.n_libraries, n + 1, memory_order_release);
}

static void keep(uint32_t id, struct nif_lib *lib)
{
    pthread_mutex_lock(&changes);
    keep_locked(id, lib);
    pthread_mutex_unlock(&changes);
}

/* No call to it is under way, and none will come. */
void worker_unload(uint32_t id)
{
    pthread_mutex_lock(&changes);
    struct worker_library *l = worker_library(id);
    struct nif_lib *lib = l != NULL ? l->nif : NULL;
    if (l != NULL) {
        l->id = 0;
    }
    pthread_mutex_unlock(&changes);
    if (lib != NULL) {
        nif_lib_release(lib);
    }
}

static term error_term(struct heap *h, struct nif_error *e)
{
    term t = heap_tuple2(h, ATOM(error), heap_tuple2(h, e->kind, heap_string(h, e->text.data, e->text.len)));
    text_free(&e->text);
    return t;
}

static term functions(struct heap *h, const struct nif_lib *lib)
{
    term list = TERM_NIL;
    for (size_t i = lib->n_funcs; i-- > 0;) {
        const struct nif_func *f = &lib->funcs[i];
        list = heap_cons(h, heap_tuple3(h, f->name, term_from_small(f->arity), term_from_small(f->flags)), list);
    }
    return heap_tuple2(h, ATOM(ok), list);
}

/* *out_crashed: load or upgrade did not return. */
static term open_library(struct worker_lane *lane, term request, uint32_t id, bool *out_crashed)
{
    struct heap *h = &lane->heap;
    struct nif_error error = { 0 };
    term path = term_tuple_get(request, 0), known = term_tuple_get(request, 2);
    const struct worker_library *previous = worker_library((uint32_t) term_to_small(term_tuple_get(request, 4)));
    struct bits_view v = bits_view(path);
    struct text name = { 0 };
    text_add(&name, (const char *) v.bytes + v.offset / 8, v.size / 8);
    text_add(&name, "", 1);
    struct nif_lib *lib = nif_lib_open(term_tuple_get(request, 1), name.data, check, &known, &error);
    text_free(&name);
    if (lib == NULL) {
        return error_term(h, &error);
    }
    if (!nif_lib_start(lib, previous != NULL ? previous->nif : NULL, h, lane, TERM_NONE, term_tuple_get(request, 3), &error)) {
        *out_crashed = lib->tainted;
        nif_lib_unref(lib);
        return error_term(h, &error);
    }
    keep(id, lib);
    return functions(h, lib);
}

void worker_open(struct worker_lane *lane, const struct frame_header *h)
{
    bool crashed = false;
    term request = term_receive(&lane->in, lane->channel, h->bytes) ? term_decode(&lane->in, &lane->heap, 0) : TERM_NONE;
    channel_done(lane->channel);
    if (!term_is_tuple_of(request, 5)) {
        _exit(3);
    }
    lane->number = h->number;
    atomic_store(&lane->running, h->number);
    term answer = open_library(lane, request, (uint32_t) h->extra, &crashed);
    atomic_store(&lane->running, 0);
    struct frame_header reply = { .kind = FRAME_OPENED, .number = h->number, .extra = crashed };
    worker_answer(lane, &reply, NULL, 0, answer, TERM_NONE);
}

void worker_unload_all(void)
{
    for (unsigned i = 0; i < atomic_load(&worker.n_libraries); i++) {
        if (worker.libraries[i].id != 0) {
            nif_lib_release(worker.libraries[i].nif);
        }
    }
}
