#include "isolation/remote/term_message.h"

#include <string.h>
#include <sys/mman.h>

#include "lib/base/arena.h"

/* Buffers of exceptional messages are not kept. */
enum { KEEP_BYTES = 1 << 20 };

/* Bytes up to the next multiple of 8, where a blob begins. */
static size_t gap(size_t n)
{
    return -n % 8;
}

enum channel_status term_send(struct term_writer *w, struct channel *c, const struct frame_header *h, const void *prefix,
    size_t prefix_bytes, term t, bool *out_too_large)
{
    return term_send_all(w, c, h, prefix, prefix_bytes, &t, 1, out_too_large);
}

enum channel_status term_send_all(struct term_writer *w, struct channel *c, const struct frame_header *h, const void *prefix,
    size_t prefix_bytes, const term *terms, size_t n_terms, bool *out_too_large)
{
    static const uint8_t zeros[8];
    struct channel_part parts[4 + 2 * ETF_MAX_BLOBS];
    size_t n = 0;
    w->ext.blob_min = BLOB_MIN;
    w->ext.n_blobs = 0;
    w->ext.blob_bytes = 0;
    w->refused = false;
    size_t bytes = etf_encode_ext_all(terms, n_terms, &w->ext, &w->buffer, &w->capacity);
    *out_too_large = bytes == 0 || bytes + w->ext.blob_bytes > CHANNEL_BODY_MAX - 4096;
    if (*out_too_large || w->refused) {
        return CHANNEL_FULL;
    }
    w->head[0] = (uint32_t) bytes | (w->ext.n_blobs != 0 ? WIRE_BLOBS : 0);
    w->head[1] = (uint32_t) w->ext.n_blobs;
    if (prefix_bytes != 0) {
        parts[n++] = (struct channel_part) { prefix, prefix_bytes };
    }
    parts[n++] = (struct channel_part) { w->head, w->ext.n_blobs != 0 ? sizeof(w->head) : sizeof(w->head[0]) };
    if (w->ext.n_blobs != 0) {
        for (size_t i = 0; i < w->ext.n_blobs; i++) {
            w->sizes[i] = w->ext.blobs[i].n;
        }
        parts[n++] = (struct channel_part) { w->sizes, w->ext.n_blobs * sizeof(w->sizes[0]) };
    }
    parts[n++] = (struct channel_part) { w->buffer, bytes };
    size_t before = bytes;
    for (size_t i = 0; i < w->ext.n_blobs; i++) {
        parts[n++] = (struct channel_part) { zeros, gap(before) };
        parts[n++] = (struct channel_part) { w->ext.blobs[i].bytes, w->ext.blobs[i].n };
        before = w->ext.blobs[i].n;
    }
    enum channel_status s = channel_send(c, h, parts, n);
    if (w->capacity > KEEP_BYTES) {
        term_writer_free(w);
    }
    return s;
}

void term_writer_free(struct term_writer *w)
{
    vm_free(w->buffer);
    w->buffer = NULL;
    w->capacity = 0;
}

/* ---- receiving ---- */

/* What is left of the body of a frame. */
struct source {
    struct channel *channel;
    uint64_t left;
};

static bool take(struct source *s, void *to, size_t n)
{
    if (n > s->left) {
        return false;
    }
    s->left -= n;
    return channel_read(s->channel, to, n);
}

static bool make_room(struct term_reader *r, size_t n)
{
    if (n > r->capacity) {
        vm_free(r->buffer);
        r->capacity = n < 512 ? 512 : n;
        r->buffer = vm_try_alloc(r->capacity);
        if (r->buffer == NULL) {
            r->capacity = 0;
            r->no_memory = true;
        }
    }
    return r->buffer != NULL;
}

/* ---- binaries that stay in the channel ---- */

struct borrowed { /* behind the header of an offheap_bin: see offheap_bin_bytes() */
    const uint8_t *bytes;
    size_t kept; /* so many bytes there are ours alone now; 0: they are the channel's */
};

static struct borrowed borrowed_of(const struct offheap_bin *b)
{
    struct borrowed at;
    memcpy(&at, b->data, sizeof(at));
    return at;
}

static void free_borrowed(struct offheap_bin *b)
{
    enum { PAGE = 4096 };
    struct borrowed at = borrowed_of(b);
    uintptr_t from = ((uintptr_t) at.bytes + PAGE - 1) & ~(uintptr_t) (PAGE - 1);
    uintptr_t to = ((uintptr_t) at.bytes + at.kept) & ~(uintptr_t) (PAGE - 1);
    if (at.kept != 0 && to > from) {
        (void) madvise((void *) from, to - from, MADV_DONTNEED); /* private pages: their memory is free */
    }
    arena_free(arena_terms, b);
}

void term_reader_borrow(struct term_reader *r)
{
    r->borrows = !r->keeps;
}

static struct offheap_bin *borrow(struct term_reader *r, struct source *s, uint64_t n)
{
    if (!r->borrows || n > s->left || r->n_borrowed == ETF_MAX_BLOBS) {
        return NULL;
    }
    struct borrowed at = { .bytes = channel_lend(s->channel, n) };
    struct offheap_bin *b = at.bytes != NULL ? offheap_bin_new(sizeof(at)) : NULL;
    if (at.bytes == NULL) {
        return NULL;
    }
    VM_REQUIRE(b != NULL); /* memory for a few words */
    offheap_set_destroy(OFFHEAP_BORROWED, free_borrowed);
    s->left -= n;
    b->kind = OFFHEAP_BORROWED;
    memcpy(b->data, &at, sizeof(at));
    offheap_bin_ref(b);
    r->borrowed_sizes[r->n_borrowed] = n;
    r->borrowed[r->n_borrowed++] = b;
    return b;
}

bool term_reader_return(struct term_reader *r, struct channel *c)
{
    bool kept = false;
    for (size_t i = 0; i < r->n_borrowed; i++) { /* two: ours and that of the call's heap */
        kept |= atomic_load_explicit(&r->borrowed[i]->refs, memory_order_acquire) > 2;
    }
    if (kept && !channel_keep(c)) {
        return false;
    }
    r->borrows = false;
    r->keeps |= kept;
    for (size_t i = 0; i < r->n_borrowed; i++) {
        struct offheap_bin *b = r->borrowed[i];
        struct borrowed at = borrowed_of(b);
        at.kept = kept ? r->borrowed_sizes[i] : 0;
        memcpy(b->data, &at, sizeof(at));
        offheap_bin_unref(b);
    }
    r->n_borrowed = 0;
    return true;
}

/* The next blob. false: there is none, or no memory. */
static bool take_bytes(struct term_reader *r, struct source *s, uint64_t n)
{
    struct offheap_bin *b = borrow(r, s, n);
    bool here = b != NULL;
    b = here ? b : offheap_bin_new(n);
    if (b == NULL) {
        r->no_memory = true;
        return false;
    }
    r->blobs[r->n_blobs] = b;
    r->sizes[r->n_blobs++] = n;
    return here || take(s, offheap_bin_bytes(b), n);
}

/* Sizes are checked against what is left of the body before anything is allocated. */
static bool receive(struct term_reader *r, struct source *s)
{
    struct wire_term head;
    uint64_t sizes[ETF_MAX_BLOBS], sum = 0, before;
    uint32_t n_blobs = 0;
    term_reader_drop(r);
    r->no_memory = false;
    if (!take(s, &head, sizeof(head)) || ((head.etf_bytes & WIRE_BLOBS) != 0 && !take(s, &n_blobs, sizeof(n_blobs)))
        || n_blobs > ETF_MAX_BLOBS || !take(s, sizes, n_blobs * sizeof(sizes[0]))) {
        return false;
    }
    head.etf_bytes &= ~WIRE_BLOBS;
    if (head.etf_bytes == 0 || head.etf_bytes > s->left) {
        return false;
    }
    before = head.etf_bytes;
    for (size_t i = 0; i < n_blobs; i++) {
        if (sizes[i] > s->left) {
            return false;
        }
        sum += gap(before) + sizes[i]; /* no overflow: at most 64 times less than 2^30 + 8 */
        before = sizes[i];
    }
    if (head.etf_bytes + sum != s->left || !make_room(r, head.etf_bytes) || !take(s, r->buffer, head.etf_bytes)) {
        return false;
    }
    r->n = head.etf_bytes;
    before = head.etf_bytes;
    for (size_t i = 0; i < n_blobs; i++) {
        uint8_t zeros[8];
        if (!take(s, zeros, gap(before)) || !take_bytes(r, s, sizes[i])) {
            term_reader_drop(r);
            return false;
        }
        before = sizes[i];
    }
    return true;
}

bool term_receive(struct term_reader *r, struct channel *c, uint64_t n)
{
    struct source s = { .channel = c, .left = n };
    return n <= CHANNEL_BODY_MAX && receive(r, &s);
}

static term take_blob(void *arg, struct heap *h, size_t i)
{
    struct term_reader *r = arg;
    struct offheap_bin *b = i < r->n_blobs ? r->blobs[i] : NULL;
    if (b == NULL) {
        return TERM_NONE;
    }
    r->blobs[i] = NULL;
    return bits_from_offheap(h, b, r->sizes[i] * 8);
}

static term take_resource(void *arg, struct heap *h, uint64_t handle)
{
    struct term_reader *r = arg;
    return r->resource != NULL ? r->resource(r->arg, h, handle) : TERM_NONE;
}

term term_decode(struct term_reader *r, struct heap *h, unsigned flags)
{
    term t;
    return term_decode_all(r, h, flags, &t, 1) ? t : TERM_NONE;
}

bool term_decode_all(struct term_reader *r, struct heap *h, unsigned flags, term *out, size_t n)
{
    struct etf_decode_ext x; /* field by field: most terms are smaller than what need not be cleared */
    x.n_blobs = r->n_blobs;
    x.blob = take_blob;
    x.resource = take_resource;
    x.arg = r;
    for (size_t i = 0; i < r->n_blobs; i++) {
        x.blob_bytes[i] = r->sizes[i];
    }
    bool good = r->n != 0 && etf_decode_ext_all(h, r->buffer, r->n, flags, &x, out, n);
    r->no_memory = !good && (r->n == 0 ? r->no_memory : x.no_memory);
    term_reader_drop(r);
    return good;
}

void term_reader_drop(struct term_reader *r)
{
    for (size_t i = 0; i < r->n_blobs; i++) {
        if (r->blobs[i] != NULL) {
            offheap_bin_unref(r->blobs[i]);
        }
    }
    r->n_blobs = 0;
    r->n = 0;
    if (r->capacity > KEEP_BYTES) {
        term_reader_free(r);
    }
}

void term_reader_free(struct term_reader *r)
{
    vm_free(r->buffer);
    r->buffer = NULL;
    r->capacity = 0;
}
