/* worker_mode_write.c - shared_heap: arguments lie in the VM's memory, and the result is built there.
 *
 * The lane's heap is the room that the VM gave the lane. A result that is all in there, but for parts of
 * the arguments, stays where it is. One that outgrew the room is copied once into memory of its
 * size that the VM gives; binaries of this process are copied likewise. What only means something in
 * this process (resources, funs) goes encoded, as in hybrid.
 */
#include "isolation/worker/worker_brief.h"
#include "lib/base/arena.h"
#include "lib/base/sanitize.h"
#include "vm/core/copy.h"

enum {
    RESULT_BIN_MIN = 4096,  /* binaries from here on lie in the VM's memory */
    ENCODED_WORDS_MAX = 256 /* results up to here with smaller ones go encoded: to ask for memory takes as long as a call */
};

/* The binary that the VM made ready for this call. */
static _Thread_local struct {
    struct offheap_bin *bin;
    size_t bytes;
} ready __attribute__((tls_model("initial-exec")));

static bool take_words(struct worker_lane *lane, const uint8_t *body, uint64_t n, term *out_caller, size_t *out_n)
{
    struct worker_lent lent;
    if (!worker_take_words(lane, body, n, out_caller, out_n, &lent)) {
        return false;
    }
    struct heap *heap = &lane->heap;
    uintptr_t *room = (uintptr_t *) lent.room.address;
    if (room != NULL && heap->start != room) { /* the first call of this lane */
        heap_destroy(heap);
        heap->start = heap->mature = heap->top = room;
        heap->stop = heap->end = room + lent.room.size;
        lane->empty = heap_mark(heap);
    }
    sanitize_take_over(&worker);
    ready.bin = (struct offheap_bin *) lent.bin.address;
    ready.bytes = lent.bin.size;
    return true;
}

static bool take_call(struct worker_lane *lane, const struct frame_header *h, term *out_caller, size_t *out_n)
{
    return take_words(lane, channel_body(lane->channel), h->bytes, out_caller, out_n);
}

static bool take_brief(struct worker_lane *lane, const struct brief *b, term *out_caller, size_t *out_n)
{
    return take_words(lane, b->body, b->h.bytes, out_caller, out_n);
}

static void *ask_memory(uint64_t what)
{
    void *p = (void *) worker_ask(ASK_MEMORY, &what, sizeof(what));
    sanitize_take_over(&worker); /* other lanes may have read there before the VM let go of it */
    return p;
}

static struct offheap_bin *vm_binary(size_t bytes)
{
    if (ready.bin != NULL && ready.bytes >= bytes && ready.bytes / 2 <= bytes) {
        struct offheap_bin *b = ready.bin;
        ready.bin = NULL;
        return b;
    }
    uint64_t what = (uint64_t) bytes << 1 | 1;
    return ask_memory(what);
}

/* A large binary for the call's own environment is made in the VM's memory at once. */
static struct offheap_bin *result_binary(const struct enif_environment_t *env, size_t bytes)
{
    return worker_lane != NULL && env->heap == &worker_lane->heap && bytes >= RESULT_BIN_MIN ? vm_binary(bytes) : NULL;
}

static bool replace_binary(uintptr_t *object, bool may_ask)
{
    struct offheap_bin *own = (struct offheap_bin *) object[REFC_BITS_BIN];
    if (arena_is_foreign(own)) {
        return true;
    }
    size_t bytes = (object[REFC_BITS_SIZE] + 7) / 8;
    struct offheap_bin *b = bytes >= RESULT_BIN_MIN || may_ask ? vm_binary(bytes) : NULL;
    if (b == NULL) {
        return false;
    }
    memcpy(b->data, offheap_bin_bytes(own), bytes);
    object[REFC_BITS_BIN] = (uintptr_t) b;
    offheap_bin_unref(own);
    return true;
}

/* Makes what was built in [at, top) fit for the VM; false: there is something that cannot be. */
static bool make_fit(uintptr_t *at, const uintptr_t *top)
{
    bool may_ask = top - at > ENCODED_WORDS_MAX;
    while (at < top) {
        if (!word_is_header(*at)) {
            at++;
            continue;
        }
        enum term_tag tag = header_tag(*at);
        if (tag == TAG_RESOURCE || tag == TAG_FUN || tag == TAG_EXPORT
            || (tag == TAG_REFC_BITS && !replace_binary(at, may_ask))) {
            return false;
        }
        at += header_raw_words(*at);
    }
    return true;
}

/* Into memory of the VM. false: encode it. */
static bool copy_out(term *result)
{
    size_t words = copy_size(*result);
    uint64_t what = (uint64_t) words * sizeof(uintptr_t) << 1;
    uintptr_t *to = words != 0 ? ask_memory(what) : NULL;
    if (to == NULL) {
        return false;
    }
    uintptr_t *at = to, *chain = NULL;
    *result = copy_into(*result, &at, &chain);
    bool fit = make_fit(to, at);
    if (!fit) { /* the copies count references */
        heap_offheap_drop(chain);
    }
    return fit;
}

static void put_result(struct worker_lane *lane, term result)
{
    struct heap *h = &lane->heap;
    struct wire_shared_result r = { 0, 0 };
    term original = result;
    bool in_place = term_is_immed(result);
    if (!in_place) {
        in_place = h->frags == NULL ? make_fit(h->start, h->top) : copy_out(&result);
        r.used_words = (uint64_t) (h->top - h->start);
    }
    if (!in_place) {
        worker_put_encoded(lane, original);
        return;
    }
    r.value = result.word;
    struct frame_header f = { .kind = FRAME_RESULT, .number = lane->number, .extra = RESULT_IN_PLACE };
    struct channel_part part = { &r, sizeof(r) };
    struct slot *s = brief_begin(lane->channel);
    if (s == NULL) {
        (void) channel_send(lane->channel, &f, &part, 1);
        return;
    }
    memcpy(s->body, &r, sizeof(r));
    f.bytes = sizeof(r);
    brief_send(lane->channel, s, f);
}

static void end_call(struct worker_lane *lane)
{
    (void) lane;
    ready.bin = NULL;
}

void worker_mode_write_init(void)
{
    nif_result_binary = result_binary;
}

static bool serve_brief(struct worker_lane *lane, const struct slot *s)
{
    return serve_brief_with(lane, s, take_brief, put_result, end_call);
}

const struct worker_mode worker_mode_write = { take_call, serve_brief, put_result, end_call };
