/* bif_prim_buffer.c - prim_buffer: a queue of bytes behind a reference, for buffered file reads. */
#include <string.h>

#include "lib/base/arena.h"
#include "vm/bif/file_handle.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/iolist.h"

struct byte_queue {
    struct resource base; /* first */
    uint8_t *bytes;       /* owned */
    size_t start, end, capacity;
    _Atomic bool locked;  /* prim_buffer:try_lock */
};

static void destroy_queue(struct resource *r)
{
    vm_free(((struct byte_queue *) r)->bytes);
    vm_free(r);
}

static struct byte_queue *take_queue(term t)
{
    return (struct byte_queue *) handle_from_ref(t, destroy_queue);
}

term bif_prim_buffer_new_0(struct proc *p, term *args)
{
    (void) args;
    struct byte_queue *q = vm_zalloc(sizeof(*q));
    atomic_init(&q->base.refs, 1);
    q->base.destroy = destroy_queue;
    return handle_make_ref(p, &q->base);
}

term bif_prim_buffer_size_1(struct proc *p, term *args)
{
    struct byte_queue *q = take_queue(args[0]);
    return q == NULL ? proc_badarg(p) : heap_uinteger(&p->heap, q->end - q->start);
}

/* Bytes at the front; size checked against what is there. */
static bool take_count(struct byte_queue *q, term t, size_t *out)
{
    uint64_t n;
    if (q == NULL || !integer_to_uint64(t, &n) || n > q->end - q->start) {
        return false;
    }
    *out = (size_t) n;
    return true;
}

term bif_prim_buffer_copying_read_2(struct proc *p, term *args)
{
    struct byte_queue *q = take_queue(args[0]);
    size_t n;
    if (!take_count(q, args[1], &n)) {
        return proc_badarg(p);
    }
    term bytes = bits_from_bytes(&p->heap, q->bytes + q->start, n);
    q->start += n;
    return bytes;
}

term bif_prim_buffer_skip_2(struct proc *p, term *args)
{
    struct byte_queue *q = take_queue(args[0]);
    size_t n;
    if (!take_count(q, args[1], &n)) {
        return proc_badarg(p);
    }
    q->start += n;
    return ATOM(ok);
}

term bif_prim_buffer_peek_head_1(struct proc *p, term *args)
{
    struct byte_queue *q = take_queue(args[0]);
    return q == NULL ? proc_badarg(p) : bits_from_bytes(&p->heap, q->bytes + q->start, q->end - q->start);
}

term bif_prim_buffer_write_2(struct proc *p, term *args)
{
    struct byte_queue *q = take_queue(args[0]);
    size_t n;
    if (q == NULL || !iolist_size(args[1], &n)) {
        return proc_badarg(p);
    }
    size_t used = q->end - q->start;
    if (q->capacity - q->end < n) {
        size_t capacity = (used + n) * 2 + 64;
        uint8_t *bytes = vm_try_alloc(capacity);
        if (bytes == NULL) {
            return proc_system_limit(p);
        }
        if (used > 0) { /* no bytes yet: nothing to copy */
            memcpy(bytes, q->bytes + q->start, used);
        }
        vm_free(q->bytes);
        q->bytes = bytes;
        q->capacity = capacity;
        q->start = 0;
        q->end = used;
    }
    iolist_copy(args[1], q->bytes + q->end);
    q->end += n;
    return ATOM(ok);
}

term bif_prim_buffer_find_byte_index_2(struct proc *p, term *args)
{
    struct byte_queue *q = take_queue(args[0]);
    if (q == NULL || !term_is_small(args[1]) || term_to_small(args[1]) < 0 || term_to_small(args[1]) > 255) {
        return proc_badarg(p);
    }
    const uint8_t *front = q->bytes + q->start;
    const uint8_t *found = q->end > q->start ? memchr(front, (int) term_to_small(args[1]), q->end - q->start) : NULL;
    return found == NULL ? atom_from_cstr("not_found")
                         : heap_tuple2(&p->heap, ATOM(ok), heap_integer(&p->heap, found - front));
}

term bif_prim_buffer_try_lock_1(struct proc *p, term *args)
{
    struct byte_queue *q = take_queue(args[0]);
    if (q == NULL) {
        return proc_badarg(p);
    }
    bool was = atomic_exchange(&q->locked, true);
    return was ? atom_from_cstr("busy") : atom_from_cstr("acquired");
}

term bif_prim_buffer_unlock_1(struct proc *p, term *args)
{
    struct byte_queue *q = take_queue(args[0]);
    if (q == NULL) {
        return proc_badarg(p);
    }
    bool was = atomic_exchange(&q->locked, false);
    return was ? ATOM(ok) : proc_raise(p, EXC_ERROR, atom_from_cstr("lock_order_violation"));
}
