#include "vm/proc/dict.h"

#include "lib/base/arena.h"
#include "vm/core/compare.h"

enum { DICT_LINEAR = 8, FIRST_PAIRS = 8 };

/* Pairs lie densely in terms; index maps hashes to pair numbers + 1 by linear probing. */
struct dict {
    uint32_t n, capacity; /* pairs */
    uint32_t index_mask;  /* slots - 1; 0: no index yet */
    uint32_t *index;      /* owned */
    uint32_t *hashes;     /* owned, per pair; valid with index */
    term *terms;          /* owned: key, value, key, value ... */
};

static uint32_t hash_of(term key)
{
    if (term_is_immed(key)) {
        return (uint32_t) ((key.word * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
    }
    return (uint32_t) term_hash(key, 0);
}

static void index_add(struct dict *d, uint32_t pair)
{
    uint32_t at = d->hashes[pair] & d->index_mask;
    while (d->index[at] != 0) {
        at = (at + 1) & d->index_mask;
    }
    d->index[at] = pair + 1;
}

static void build_index(struct dict *d)
{
    uint32_t slots = 4;
    while (slots < 2 * d->capacity) {
        slots *= 2;
    }
    vm_free(d->index);
    d->index = vm_zalloc(slots * sizeof(*d->index));
    d->hashes = vm_realloc(d->hashes, d->capacity * sizeof(*d->hashes));
    bool had_hashes = d->index_mask != 0;
    d->index_mask = slots - 1;
    for (uint32_t i = 0; i < d->n; i++) {
        if (!had_hashes) {
            d->hashes[i] = hash_of(d->terms[2 * i]);
        }
        index_add(d, i);
    }
}

/* Slot of the index that holds key's pair, or the empty one where it would go. */
static uint32_t probe(const struct dict *d, term key, uint32_t hash)
{
    uint32_t at = hash & d->index_mask;
    while (d->index[at] != 0) {
        uint32_t pair = d->index[at] - 1;
        if (d->hashes[pair] == hash && term_equal_exact(d->terms[2 * pair], key)) {
            break;
        }
        at = (at + 1) & d->index_mask;
    }
    return at;
}

/* Pair number, or -1. */
static int64_t find(const struct dict *d, term key)
{
    if (d == NULL) {
        return -1;
    }
    if (d->index_mask != 0) {
        return (int64_t) d->index[probe(d, key, hash_of(key))] - 1;
    }
    for (uint32_t i = 0; i < d->n; i++) {
        if (term_equal_exact(d->terms[2 * i], key)) {
            return i;
        }
    }
    return -1;
}

term dict_get(const struct proc *p, term key)
{
    int64_t i = find(p->dict, key);
    return i < 0 ? TERM_NONE : p->dict->terms[2 * i + 1];
}

term dict_put(struct proc *p, term key, term value)
{
    int64_t i = find(p->dict, key);
    if (i >= 0) {
        term old = p->dict->terms[2 * i + 1];
        p->dict->terms[2 * i + 1] = value;
        return old;
    }
    struct dict *d = p->dict;
    if (d == NULL) {
        d = p->dict = vm_zalloc(sizeof(*d));
    }
    if (d->n == d->capacity) {
        d->capacity = d->capacity == 0 ? FIRST_PAIRS : 2 * d->capacity;
        d->terms = vm_realloc(d->terms, 2 * d->capacity * sizeof(*d->terms));
        if (d->capacity > DICT_LINEAR) {
            build_index(d);
        }
    }
    d->terms[2 * d->n] = key;
    d->terms[2 * d->n + 1] = value;
    if (d->index_mask != 0) {
        d->hashes[d->n] = hash_of(key);
        index_add(d, d->n);
    }
    d->n++;
    return TERM_NONE;
}

/* Closes the gap that an emptied slot leaves in its run. */
static void index_close_gap(struct dict *d, uint32_t gap)
{
    uint32_t at = gap;
    for (;;) {
        at = (at + 1) & d->index_mask;
        if (d->index[at] == 0) {
            break;
        }
        uint32_t home = d->hashes[d->index[at] - 1] & d->index_mask;
        if (((at - home) & d->index_mask) >= ((at - gap) & d->index_mask)) {
            d->index[gap] = d->index[at];
            gap = at;
        }
    }
    d->index[gap] = 0;
}

static uint32_t slot_of_pair(const struct dict *d, uint32_t pair)
{
    uint32_t at = d->hashes[pair] & d->index_mask;
    while (d->index[at] != pair + 1) {
        at = (at + 1) & d->index_mask;
    }
    return at;
}

term dict_erase(struct proc *p, term key)
{
    struct dict *d = p->dict;
    int64_t found = find(d, key);
    if (found < 0) {
        return TERM_NONE;
    }
    uint32_t i = (uint32_t) found, last = d->n - 1;
    term old = d->terms[2 * i + 1];
    if (d->index_mask != 0) {
        index_close_gap(d, slot_of_pair(d, i));
        if (i != last) {
            d->index[slot_of_pair(d, last)] = i + 1;
            d->hashes[i] = d->hashes[last];
        }
    }
    d->terms[2 * i] = d->terms[2 * last];
    d->terms[2 * i + 1] = d->terms[2 * last + 1];
    d->n--;
    return old;
}

void dict_clear(struct proc *p)
{
    if (p->dict != NULL) {
        vm_free(p->dict->index);
        vm_free(p->dict->hashes);
        vm_free(p->dict->terms);
        vm_free(p->dict);
        p->dict = NULL;
    }
}

size_t dict_size(const struct proc *p)
{
    return p->dict == NULL ? 0 : p->dict->n;
}

const term *dict_pair(const struct proc *p, size_t i)
{
    return &p->dict->terms[2 * i];
}

struct heap_roots dict_roots(struct proc *p)
{
    return (struct heap_roots) {
        .terms = p->dict == NULL ? NULL : p->dict->terms,
        .n = p->dict == NULL ? 0 : 2 * (size_t) p->dict->n,
    };
}
