#include "vm/core/copy.h"

#include "lib/base/arena.h"
#include "vm/core/bits.h"
#include "vm/core/literal.h"


/* A small byte-aligned part of a larger binary travels as a binary of its own: the receiver does
 * not keep the large one alive. */
ALWAYS_INLINE bool is_small_part(const uintptr_t *p)
{
    return header_tag(p[0]) == TAG_SUB_BITS && p[1] % 8 == 0 && p[2] % 8 == 0 && p[2] / 8 <= BITS_HEAP_MAX;
}
ALWAYS_INLINE size_t small_part_words(const uintptr_t *p)
{
    return 2 + (p[2] / 8 + 7) / 8;
}

/* A literal that stays. The answer is the same from one end of a slice to the other, so that measuring and
 * copying agree. */
ALWAYS_INLINE bool is_shared(const uintptr_t *p)
{
    return arena_is_literal(p) && !literal_is_leaving(p);
}

/* Words of a term that remain to be visited. */
struct range {
    const uintptr_t *at, *end;
};
struct range_stack {
    struct range *items;
    size_t n, cap;
    struct range local[64];
};

static __attribute__((noinline)) void stack_grow(struct range_stack *s)
{
    size_t bytes = s->cap * sizeof(*s->items);
    struct range *more = vm_alloc(2 * bytes);
    memcpy(more, s->items, bytes);
    if (s->items != s->local) {
        vm_free(s->items);
    }
    s->items = more;
    s->cap *= 2;
}

ALWAYS_INLINE size_t measure(term t, bool all, size_t limit)
{
    struct range_stack s;
    s.items = s.local;
    s.n = 0;
    s.cap = ARRAY_LEN(s.local);
    struct range r = { &t.word, &t.word + 1 };
    size_t words = 0;
    while (limit == SIZE_MAX || words <= limit) {
        if (r.at == r.end) {
            if (s.n == 0) {
                break;
            }
            r = s.items[--s.n];
            continue;
        }
        uintptr_t w = *r.at++;
        const uintptr_t *p = (const uintptr_t *) (w & ~(uintptr_t) TERM_PRIMARY_MASK);
        struct range inside;
        if ((w & TERM_PRIMARY_MASK) == TERM_PRIMARY_LIST) {
            if (!all && is_shared(p)) {
                continue;
            }
            words += HEAP_CONS_WORDS;
            inside = (struct range) { p, p + HEAP_CONS_WORDS };
        } else if ((w & TERM_PRIMARY_MASK) == TERM_PRIMARY_BOXED) {
            if (!all && is_shared(p)) {
                continue;
            }
            if (is_small_part(p)) {
                words += small_part_words(p);
                continue;
            }
            const uintptr_t *end = p + 1 + header_arity(p[0]);
            inside = (struct range) { p + header_raw_words(p[0]), end };
            words += (size_t) (end - p);
            if (inside.at == end) {
                continue;
            }
        } else {
            continue;
        }
        if (r.at < r.end) { /* what comes last is not remembered: long lists need no stack */
            if (s.n == s.cap) {
                stack_grow(&s);
            }
            s.items[s.n++] = r;
        }
        r = inside;
    }
    if (s.items != s.local) {
        vm_free(s.items);
    }
    return words;
}

static uintptr_t *copy_small_part(const uintptr_t *p, uintptr_t *to)
{
    const uintptr_t *base = term_words((term) { p[3] });
    const uint8_t *bytes = header_tag(base[0]) == TAG_HEAP_BITS
        ? (const uint8_t *) (base + 2)
        : offheap_bin_bytes((const struct offheap_bin *) base[2]);
    size_t words = small_part_words(p);
    to[0] = TERM_HEADER(TAG_HEAP_BITS, words - 1);
    to[1] = p[2];
    to[words - 1] = words > 2 ? 0 : p[2];
    memcpy(&to[2], bytes + p[1] / 8, p[2] / 8);
    return to + words;
}

/* object: a copy of the off-heap object `of`, which may be the VM's seen from a worker. Then the copy
 * gets bytes of its own, or the worker's own resource. */
static void chain_offheap(uintptr_t *object, const uintptr_t *of, uintptr_t **offheap)
{
    if (header_tag(object[0]) == TAG_REFC_BITS) {
        struct offheap_bin *b = (struct offheap_bin *) object[REFC_BITS_BIN];
        if (arena_is_foreign(b)) {
            b = offheap_bin_copy_foreign(b, &object[REFC_BITS_SIZE]);
            object[REFC_BITS_BIN] = (uintptr_t) b;
        } else {
            offheap_bin_ref(b);
        }
    } else {
        if (arena_is_foreign(of)) {
            object[2] = heap_resource_of_foreign != NULL
                            ? (uintptr_t) heap_resource_of_foreign(object[3])
                            : 0;
        }
        if (object[2] == 0) {
            object[1] = 0;
            return;
        }
        heap_resource_ref((void *) object[2]);
    }
    object[1] = (uintptr_t) *offheap;
    *offheap = object;
}

/* Copies the object *slot refers to, without what is inside it. */
ALWAYS_INLINE uintptr_t *copy_object(uintptr_t *slot, uintptr_t *to, uintptr_t **offheap, bool all)
{
    uintptr_t w = *slot;
    const uintptr_t *p = (const uintptr_t *) (w & ~(uintptr_t) TERM_PRIMARY_MASK);
    if ((w & TERM_PRIMARY_MASK) == TERM_PRIMARY_LIST) {
        if (!all && is_shared(p)) {
            return to;
        }
        to[0] = p[0];
        to[1] = p[1];
        *slot = (uintptr_t) to | TERM_PRIMARY_LIST;
        return to + HEAP_CONS_WORDS;
    }
    if ((w & TERM_PRIMARY_MASK) != TERM_PRIMARY_BOXED || (!all && is_shared(p))) {
        return to;
    }
    *slot = (uintptr_t) to | TERM_PRIMARY_BOXED;
    if (is_small_part(p)) {
        return copy_small_part(p, to);
    }
    VM_ASSERT(header_tag(p[0]) != TAG_MATCH_CTX);
    size_t n = 1 + header_arity(p[0]);
    if (n > 32) {
        memcpy(to, p, n * sizeof(*p));
    } else {
        for (size_t i = 0; i < n; i++) {
            to[i] = p[i];
            __asm__("" : : : ); /* stays a loop: most objects are smaller than a call */
        }
    }
    if (header_tag(p[0]) == TAG_REFC_BITS || header_tag(p[0]) == TAG_RESOURCE) {
        chain_offheap(to, p, offheap);
    }
    return to + n;
}

/* As the collector: what is copied and not yet scanned lies between two pointers. */
ALWAYS_INLINE term copy(term t, uintptr_t **at, uintptr_t **offheap, bool all)
{
    uintptr_t *scan = *at;
    uintptr_t *top = copy_object(&t.word, scan, offheap, all);
    while (scan < top) {
        uintptr_t w = *scan;
        if (word_is_header(w)) {
            scan += header_raw_words(w);
        } else {
            if (!term_is_immed((term) { w })) {
                top = copy_object(scan, top, offheap, all);
            }
            scan++;
        }
    }
    *at = top;
    return t;
}

/* A worker does not learn when literals of the VM go: it copies them too. */
size_t copy_size(term t)
{
    return term_is_immed(t)       ? 0
           : arena_is_attached() ? copy_size_all(t)
                                 : measure(t, false, SIZE_MAX);
}

term copy_into(term t, uintptr_t **at, uintptr_t **offheap)
{
    return arena_is_attached() ? copy_into_all(t, at, offheap) : copy(t, at, offheap, false);
}

bool copy_exceeds(term t, size_t words)
{
    return !term_is_immed(t) && measure(t, true, words) > words;
}
size_t copy_size_all(term t)
{
    return term_is_immed(t) ? 0 : measure(t, true, SIZE_MAX);
}

term copy_into_all(term t, uintptr_t **at, uintptr_t **offheap)
{
    return copy(t, at, offheap, true);
}

ALWAYS_INLINE term copy_to_heap(term t, struct heap *h, size_t n, bool all)
{
    if (n == 0) {
        return t;
    }
    uintptr_t *at = heap_alloc(h, n), *before = h->offheap;
    t = all ? copy_into_all(t, &at, &h->offheap) : copy_into(t, &at, &h->offheap);
    size_t bytes = 0;
    for (const uintptr_t *o = h->offheap; o != before; o = (const uintptr_t *) o[1]) {
        bytes += heap_offheap_bytes(o);
    }
    h->vheap_words += bytes / sizeof(uintptr_t);
    h->force_gc |= h->start != NULL && h->vheap_words > h->vheap_limit;
    return t;
}

term copy_term(term t, struct heap *h)
{
    return copy_to_heap(t, h, copy_size(t), false);
}

term copy_term_all(term t, struct heap *h)
{
    return copy_to_heap(t, h, copy_size_all(t), true);
}
