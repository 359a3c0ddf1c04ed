/* Vectors of binaries, and queues of them for writing to descriptors. Both hold references of
 * off-heap binaries; bytes that lie elsewhere (heap binaries, unaligned parts, in a worker those of
 * the VM) are copied once. */
#include "nif/enif.h"
#include "vm/core/bits.h"

/* Bytes i of a vector: kept alive by bin. */
struct piece {
    uint8_t *bytes;
    size_t n;
    struct offheap_bin *bin; /* one reference */
};

/* A piece for a binary term; false if there is no memory. */
static bool piece_of_term(term t, struct piece *out)
{
    struct bits_view v = bits_view(t);
    out->n = v.size / 8;
    struct offheap_bin *whole = term_has_tag(v.base, TAG_REFC_BITS)
                                    ? (struct offheap_bin *) term_words(v.base)[REFC_BITS_BIN]
                                    : NULL;
    if (whole != NULL && v.offset % 8 == 0 && !arena_is_foreign(whole)) {
        out->bin = whole;
        out->bytes = (uint8_t *) v.bytes + v.offset / 8;
        offheap_bin_ref(out->bin);
        return true;
    }
    nif_guard_enter();
    out->bin = offheap_bin_new(out->n);
    nif_guard_leave();
    if (out->bin == NULL) {
        return false;
    }
    out->bytes = out->bin->data;
    bits_copy(out->bytes, 0, v.bytes, v.offset, v.size);
    return true;
}

/* ---- vectors ---- */

enum { IOVEC_OF_CALL = 1, IOVEC_ALLOCATED = 2, IOVEC_ARRAYS_ALLOCATED = 4 };

/* What the vector of a call has, apart from it: a vector on the stack is gone before the call is. */
struct held {
    ErlNifIOVec *allocated; /* or NULL */
    SysIOVec *iov;          /* or NULL */
    int n;
    void *bins[];
};

static void drop_pieces(void **bins, int n)
{
    for (int i = 0; i < n; i++) {
        offheap_bin_unref(bins[i]);
    }
}

static void drop_held(void *arg)
{
    struct held *held = arg;
    drop_pieces(held->bins, held->n);
    vm_free(held->iov);
    vm_free(held->allocated);
    vm_free(held);
}

void enif_free_iovec(ErlNifIOVec *iov)
{
    int flags = iov->flags;
    if ((flags & IOVEC_OF_CALL) != 0) {
        return;
    }
    drop_pieces(iov->ref_bins, iov->iovcnt);
    iov->iovcnt = 0;
    if ((flags & IOVEC_ARRAYS_ALLOCATED) != 0) {
        vm_free(iov->iov);
        vm_free(iov->ref_bins);
    }
    if ((flags & IOVEC_ALLOCATED) != 0) {
        vm_free(iov);
    }
}

/* From now on the end of the call frees what iov has. */
static void leave_to_call(ErlNifEnv *env, ErlNifIOVec *iov)
{
    struct held *held = vm_alloc(sizeof(*held) + (size_t) iov->iovcnt * sizeof(held->bins[0]));
    held->n = iov->iovcnt;
    held->allocated = (iov->flags & IOVEC_ALLOCATED) != 0 ? iov : NULL;
    held->iov = NULL;
    memcpy(held->bins, iov->ref_bins, (size_t) iov->iovcnt * sizeof(held->bins[0]));
    if ((iov->flags & IOVEC_ARRAYS_ALLOCATED) != 0) {
        held->iov = iov->iov;
        vm_free(iov->ref_bins);
    }
    iov->ref_bins = held->bins;
    iov->flags = IOVEC_OF_CALL;
    nif_tmp_defer(env, drop_held, held);
}

/* How many elements from `list` on, at most max, go into a vector; *out_rest is what follows. false
 * if one of them is no binary or the list is improper there. */
static bool measure(term list, size_t max, size_t *out_n, term *out_rest)
{
    size_t n = 0;
    for (; term_is_cons(list) && n < max; list = term_tail(list)) {
        term t = term_head(list);
        if (!term_is_bits(t) || bits_size(t) % 8 != 0) {
            return false;
        }
        n += bits_size(t) != 0;
    }
    *out_n = n;
    *out_rest = list;
    return term_is_list(list);
}

int enif_inspect_iovec(ErlNifEnv *env, size_t max_length, ERL_NIF_TERM iovec_term,
    ERL_NIF_TERM *tail, ErlNifIOVec **iovec)
{
    term list = term_of(iovec_term), rest;
    ErlNifIOVec *iov = *iovec;
    size_t n;
    if (max_length == 0 || max_length > INT32_MAX) {
        max_length = INT32_MAX;
    }
    if (!measure(list, max_length, &n, &rest)) {
        return 0;
    }
    int flags = 0;
    if (iov == NULL) {
        iov = vm_alloc(sizeof(*iov));
        flags |= IOVEC_ALLOCATED;
    }
    iov->iov = iov->small_iov;
    iov->ref_bins = iov->small_ref_bin;
    if (n > ERL_NIF_IOVEC_SIZE) {
        flags |= IOVEC_ARRAYS_ALLOCATED;
        iov->iov = vm_alloc(n * sizeof(*iov->iov));
        iov->ref_bins = vm_alloc(n * sizeof(*iov->ref_bins));
    }
    iov->flags = flags;
    iov->iovcnt = 0;
    iov->size = 0;
    for (; !term_same(list, rest); list = term_tail(list)) {
        struct piece p;
        if (bits_size(term_head(list)) == 0) {
            continue;
        }
        if (!piece_of_term(term_head(list), &p)) {
            enif_free_iovec(iov);
            return 0;
        }
        iov->iov[iov->iovcnt] = (SysIOVec) { p.bytes, p.n };
        iov->ref_bins[iov->iovcnt++] = p.bin;
        iov->size += p.n;
    }
    /* Without an environment the caller frees it. */
    if (env != NULL) {
        leave_to_call(env, iov);
    }
    *tail = rest.word;
    *iovec = iov;
    return 1;
}

/* ---- queues ---- */

struct erts_io_queue {
    struct piece *pieces; /* owned ring-less array: [first, first + n) */
    SysIOVec *iov;        /* owned, same capacity: what peek shows */
    size_t first, n, cap;
    size_t bytes;
};

ErlNifIOQueue *enif_ioq_create(ErlNifIOQueueOpts opts)
{
    return opts == ERL_NIF_IOQ_NORMAL ? vm_zalloc(sizeof(ErlNifIOQueue)) : NULL;
}

void enif_ioq_destroy(ErlNifIOQueue *q)
{
    for (size_t i = 0; i < q->n; i++) {
        offheap_bin_unref(q->pieces[q->first + i].bin);
    }
    vm_free(q->pieces);
    vm_free(q->iov);
    vm_free(q);
}

static void enqueue(ErlNifIOQueue *q, struct piece p)
{
    if (q->first + q->n == q->cap) {
        if (q->first >= q->cap / 2 && q->first > 0) {
            memmove(q->pieces, q->pieces + q->first, q->n * sizeof(*q->pieces));
        } else {
            q->cap = q->cap != 0 ? 2 * q->cap : 16;
            struct piece *bigger = vm_alloc(q->cap * sizeof(*bigger));
            if (q->n > 0) {
                memcpy(bigger, q->pieces + q->first, q->n * sizeof(*bigger));
            }
            vm_free(q->pieces);
            q->pieces = bigger;
            q->iov = vm_realloc(q->iov, q->cap * sizeof(*q->iov));
        }
        q->first = 0;
    }
    q->pieces[q->first + q->n++] = p;
    q->bytes += p.n;
}

int enif_ioq_enq_binary(ErlNifIOQueue *q, ErlNifBinary *bin, size_t skip)
{
    if (skip > bin->size) {
        return 0;
    }
    if (bin->ref_bin == NULL) {
        ErlNifBinary copy;
        if (!nif_binary_alloc(bin->size, &copy)) {
            return 0;
        }
        memcpy(copy.data, bin->data, bin->size);
        *bin = copy;
    }
    struct offheap_bin *b = bin->ref_bin;
    nif_binary_take(bin, "enif_ioq_enq_binary");
    if (skip == bin->size) {
        offheap_bin_unref(b);
        return 1;
    }
    enqueue(q, (struct piece) { bin->data + skip, bin->size - skip, b });
    return 1;
}

int enif_ioq_enqv(ErlNifIOQueue *q, ErlNifIOVec *iov, size_t skip)
{
    if (skip > iov->size) {
        return 0;
    }
    for (int i = 0; i < iov->iovcnt; i++) {
        struct piece p = { iov->iov[i].iov_base, iov->iov[i].iov_len, iov->ref_bins[i] };
        size_t leave_out = skip < p.n ? skip : p.n;
        skip -= leave_out;
        p.bytes += leave_out;
        p.n -= leave_out;
        if (p.n > 0) {
            offheap_bin_ref(p.bin);
            enqueue(q, p);
        }
    }
    return 1;
}

size_t enif_ioq_size(ErlNifIOQueue *q)
{
    return q->bytes;
}

int enif_ioq_deq(ErlNifIOQueue *q, size_t count, size_t *size)
{
    if (count > q->bytes) {
        return 0;
    }
    q->bytes -= count;
    while (count > 0) {
        struct piece *p = &q->pieces[q->first];
        if (count < p->n) {
            p->bytes += count;
            p->n -= count;
            break;
        }
        count -= p->n;
        offheap_bin_unref(p->bin);
        q->first++;
        q->n--;
    }
    if (size != NULL) {
        *size = q->bytes;
    }
    return 1;
}

SysIOVec *enif_ioq_peek(ErlNifIOQueue *q, int *iovlen)
{
    for (size_t i = 0; i < q->n; i++) {
        q->iov[i] = (SysIOVec) { q->pieces[q->first + i].bytes, q->pieces[q->first + i].n };
    }
    *iovlen = (int) q->n;
    return q->n > 0 ? q->iov : NULL;
}

int enif_ioq_peek_head(ErlNifEnv *env, ErlNifIOQueue *q, size_t *size, ERL_NIF_TERM *head)
{
    if (q->n == 0) {
        return 0;
    }
    struct piece *p = &q->pieces[q->first];
    if (size != NULL) {
        *size = p->n;
    }
    offheap_bin_ref(p->bin);
    size_t skip = (size_t) (p->bytes - offheap_bin_bytes(p->bin));
    term whole = bits_from_offheap(env->heap, p->bin, (skip + p->n) * 8);
    *head = skip == 0 ? whole.word : bits_sub(env->heap, whole, skip * 8, p->n * 8).word;
    return 1;
}
