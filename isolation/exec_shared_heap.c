/* exec_shared_heap.c - in an OS process that has the VM's term memory mapped, writable.
 *
 * Arguments are read where they lie, results are built where they will be used. Each lane has a room in the
 * VM's memory that its worker alone builds in; what is larger, and large binaries, it asks for. Who may
 * write what passes with the messages, so no lock guards it and none is left held by a crash: a room
 * belongs to the lane, a grant to the call until its answer.
 *
 * A result in the room is copied to the caller's heap, then checked, then used; one that was asked for is
 * checked where it is. verify => true looks for writes to the caller's heap as well.
 */
#include <string.h>

#include "isolation/remote/call_brief_terms.h"
#include "isolation/remote/fragment.h"

enum { ROOM_WORDS = 4096, MAX_BINS = 64, NEXT_BIN_MIN_BYTES = 64 << 10 };
#define MAX_GRANT_BYTES (UINT64_C(1) << 30)

/* What one lane has lent to its worker; lane->shared. */
struct loan {
    uintptr_t *room;
    bool room_told;        /* the worker knows it */
    struct heap_frag *asked; /* one larger than the room; NULL: none */
    struct granted_bin bins[MAX_BINS];
    size_t n_bins;
    uint64_t bytes;        /* asked for in this call */
    size_t next_bin_bytes; /* the last call used one of that size: the next finds it ready; 0: none */
    bool encoded;          /* the result came as a message after all */
    struct wire_shared_result result;
};

static struct loan *loan_of(struct remote_lane *lane)
{
    if (lane->shared == NULL) {
        struct loan *l = vm_zalloc(sizeof(*l));
        l->room = arena_alloc(arena_terms, ROOM_WORDS * sizeof(*l->room));
        lane->shared = l;
    }
    return lane->shared;
}

static struct granted_bin *grant_bin(struct loan *l, size_t bytes)
{
    struct offheap_bin *b = l->n_bins < MAX_BINS ? offheap_bin_new(bytes) : NULL;
    if (b == NULL) {
        return NULL;
    }
    l->bins[l->n_bins] = (struct granted_bin) { b, bytes, 0 };
    return &l->bins[l->n_bins++];
}

/* The worker may have written to the header; from here on it is as it was made. */
static void restore_header(const struct granted_bin *g, uint64_t refs)
{
    atomic_store(&g->bin->refs, refs);
    atomic_store(&g->bin->append_end_bits, UINT64_MAX);
    g->bin->capacity = g->bytes;
    g->bin->kind = OFFHEAP_BYTES;
}

static enum channel_status put_call(struct remote_lane *lane, struct native_call_elsewhere *call, uint64_t target)
{
    struct loan *l = loan_of(lane);
    if (l->room == NULL) {
        return CHANNEL_FULL;
    }
    l->bytes = 0;
    struct wire_memory room = { (uintptr_t) l->room, ROOM_WORDS }, bin = { 0, 0 };
    struct granted_bin *g = l->next_bin_bytes != 0 && l->n_bins == 0 ? grant_bin(l, l->next_bin_bytes) : NULL;
    l->next_bin_bytes = 0;
    if (g != NULL) {
        bin = (struct wire_memory) { (uintptr_t) g->bin, g->bytes };
    }
    enum channel_status s = remote_put_words(lane, call, target, l->room_told ? NULL : &room, g != NULL ? &bin : NULL);
    l->room_told |= s == CHANNEL_OK;
    return s;
}

/* value: bytes << 1 for a fragment, bytes << 1 | 1 for a binary. */
static bool memory_for(struct remote_lane *lane, tainted value, uint64_t *out)
{
    struct loan *l = loan_of(lane);
    uint64_t v;
    *out = 0;
    if (!tainted_below(value, MAX_GRANT_BYTES << 1, &v)) {
        return true; /* too much: none */
    }
    uint64_t bytes = v >> 1;
    if (l->bytes + bytes > MAX_GRANT_BYTES) {
        return true;
    }
    l->bytes += bytes;
    if ((v & 1) != 0) {
        const struct granted_bin *g = grant_bin(l, bytes);
        *out = g != NULL ? (uintptr_t) g->bin : 0;
        return true;
    }
    if (l->asked != NULL) {
        return false; /* one a call */
    }
    l->asked = heap_frag_new((bytes + sizeof(uintptr_t) - 1) / sizeof(uintptr_t));
    *out = l->asked != NULL ? (uintptr_t) l->asked->words : 0;
    return true;
}

static bool take_result(struct remote_lane *lane, uint64_t bytes)
{
    struct loan *l = loan_of(lane);
    l->encoded = tainted_is(lane->extra, RESULT_ENCODED);
    if (l->encoded) {
        return remote_take_encoded(lane, bytes);
    }
    return tainted_is(lane->extra, RESULT_IN_PLACE) && bytes == sizeof(l->result)
           && channel_read(lane->channel, &l->result, sizeof(l->result));
}

/* Binaries that the result uses become the caller's. */
static void hand_over(struct loan *l)
{
    for (size_t i = 0; i < l->n_bins; i++) {
        struct granted_bin *g = &l->bins[i];
        if (g->n_uses != 0) {
            restore_header(g, g->n_uses);
            l->next_bin_bytes = g->bytes >= NEXT_BIN_MIN_BYTES ? g->bytes : 0;
            g->bin = NULL;
        }
    }
}

static term adopt_asked(struct loan *l, struct fragment *f, struct heap *h, tainted root)
{
    size_t bytes;
    struct heap_frag *frag = l->asked;
    uintptr_t *offheap = NULL;
    f->words = frag->words;
    f->n = frag->size_words;
    term t = fragment_check(f, root, &offheap, &bytes);
    if (!term_is_none(t)) {
        hand_over(l);
        frag->used_words = frag->size_words;
        frag->offheap = offheap;
        heap_attach_frag(h, frag);
        l->asked = NULL;
    }
    return t;
}

static term copy_from_room(struct loan *l, struct fragment *f, struct heap *h, tainted root, size_t n)
{
    size_t bytes;
    struct heap_mark before = heap_mark(h);
    uintptr_t *chain = h->offheap;
    f->words = heap_alloc(h, n);
    f->n = n;
    memcpy(f->words, l->room, n * sizeof(uintptr_t));
    term t = fragment_check(f, root, &h->offheap, &bytes);
    if (term_is_none(t)) {
        h->offheap = chain;
        heap_rollback(h, &before);
        return t;
    }
    hand_over(l);
    h->vheap_words += bytes / sizeof(uintptr_t);
    h->force_gc |= h->start != NULL && h->vheap_words > h->vheap_limit;
    return t;
}

static term in_place(struct remote_lane *lane, struct heap *h, bool verify)
{
    struct loan *l = loan_of(lane);
    tainted root = taint(l->result.value);
    uint64_t used;
    struct heap_map *map = verify ? heap_map_new(h) : NULL;
    struct fragment f = { .caller = h, .bins = l->bins, .n_bins = l->n_bins, .check_cycles = verify, .map = map };
    term t = TERM_NONE;
    if (verify && map == NULL) {
        return t; /* no memory: cannot be told */
    }
    if (l->asked != NULL) {
        f.built_at = (uintptr_t) l->asked->words;
        t = adopt_asked(l, &f, h, root);
    } else if (tainted_below(taint(l->result.used_words), ROOM_WORDS + 1, &used)) {
        f.built_at = (uintptr_t) l->room;
        t = copy_from_room(l, &f, h, root, used);
    }
    heap_map_free(map);
    return t;
}

static term result(struct remote_lane *lane, struct heap *h, enum native_panic *out_panic)
{
    struct loan *l = loan_of(lane);
    *out_panic = PANIC_PROTOCOL;
    if (l->encoded) {
        return remote_encoded_result(lane, h, out_panic);
    }
    *out_panic = PANIC_HEAP;
    return in_place(lane, h, library_policy(lane->worker->pool->library, POLICY_VERIFY) != 0);
}

static inline bool brief_put(struct remote_lane *lane, struct frame_header h, term pid, const term *args, uint32_t n)
{
    struct loan *l = lane->shared;
    if (l == NULL || !l->room_told || l->next_bin_bytes != 0) {
        return false;
    }
    l->bytes = 0;
    return brief_put_words(lane, h, pid, args, n);
}

/* A word that is the same to everybody, of a call that was lent nothing. */
static inline bool brief_get(struct remote_lane *lane, const struct brief *b, struct heap *h, term *out)
{
    const struct loan *l = lane->shared;
    struct wire_shared_result r;
    (void) h;
    if (!tainted_is(taint(b->h.extra), RESULT_IN_PLACE) || b->h.bytes != sizeof(r) || l->n_bins != 0 || l->asked != NULL) {
        return false;
    }
    memcpy(&r, b->body, sizeof(r));
    return tainted_small(taint(r.value), out);
}

static term call_brief(const struct nif_func *f, const term *args, term pid, struct heap *h, struct native_progress **progress,
    struct remote_lane *lane)
{
    return call_brief_with(f, args, pid, h, progress, lane, brief_put, brief_get);
}

static void drop(struct remote_lane *lane)
{
    struct loan *l = lane->shared;
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->n_bins; i++) {
        if (l->bins[i].bin != NULL) {
            restore_header(&l->bins[i], 1);
            offheap_bin_unref(l->bins[i].bin);
        }
    }
    l->n_bins = 0;
    if (l->asked != NULL) {
        heap_frag_free(l->asked);
        l->asked = NULL;
    }
}

static void end_lane(struct remote_lane *lane)
{
    struct loan *l = lane->shared;
    if (l != NULL) {
        drop(lane);
        arena_free(arena_terms, l->room);
        vm_free(l);
        lane->shared = NULL;
    }
}

static const struct remote_mode mode_shared_heap = {
    .memory = WORKER_MEMORY_WRITE,
    .put_call = put_call,
    .take_result = take_result,
    .result = result,
    .call_brief = call_brief,
    .drop = drop,
    .end_lane = end_lane,
    .memory_for = memory_for,
};

const struct executor_ops exec_shared_heap = {
    .name = "shared_heap",
    .summary = "an OS process that reads and writes the VM's term memory; damage there is possible",
    .caps = EXEC_CAP_SURVIVES_CRASH | EXEC_CAP_TIMEOUT | EXEC_CAP_KILLABLE | EXEC_CAP_ASYNC,
    .call_brief = remote_call_brief,
    .call_elsewhere = remote_call,
    .call_many = remote_call_many,
    .open = remote_open,
    .close = remote_close,
    .remote = &mode_shared_heap,
};
