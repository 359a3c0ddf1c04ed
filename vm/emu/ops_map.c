/* ops_map.c - reading several keys, updating maps. */
#include "vm/emu/interp.h"

#include "lib/base/arena.h"
#include "vm/core/compare.h"
#include "vm/core/map.h"

/* Index of an immediate key in a flat map's keys; n: absent. */
static inline size_t find_immediate(const uintptr_t *keys, size_t n, uintptr_t key)
{
    size_t i = 0;
    while (i < n && keys[i] != key) {
        i++;
    }
    return i;
}

static inline term lookup(term map, term key)
{
    const uintptr_t *m = term_words(map);
    if (header_tag(m[0]) == TAG_FLATMAP && term_is_immed(key)) {
        const uintptr_t *keys = term_words((term) { m[1] });
        size_t n = header_arity(keys[0]), i = find_immediate(keys + 1, n, key.word);
        return i < n ? (term) { m[2 + i] } : TERM_NONE;
    }
    return map_get(map, key);
}

/* [A map, L][n] then [key][to] each. All are looked up before the first is written: a failing
 * match leaves the registers alone. */
const uint64_t *op_get_map_elements(struct emu *m, const uint64_t *pc)
{
    enum { AT_ONCE = 16 };
    struct sched *s = m->s;
    uintptr_t *stack = m->p->heap.stop;
    term map = *insn_register(s, stack, insn_a(pc));
    size_t n = pc[1];
    term values[AT_ONCE];
    for (size_t i = 0; i < n; i++) {
        term v = lookup(map, insn_source(s, stack, pc[2 + 2 * i]));
        if (term_is_none(v)) {
            return insn_target(pc);
        }
        if (i < AT_ONCE) {
            values[i] = v;
        }
    }
    for (size_t i = 0; i < n; i++) {
        term v = i < AT_ONCE ? values[i] : lookup(map, insn_source(s, stack, pc[2 + 2 * i]));
        *insn_register(s, stack, pc[3 + 2 * i]) = v;
    }
    return pc + 2 + 2 * n;
}

/* [A map, L][n][key]... */
const uint64_t *op_has_map_fields(struct emu *m, const uint64_t *pc)
{
    struct sched *s = m->s;
    uintptr_t *stack = m->p->heap.stop;
    term map = *insn_register(s, stack, insn_a(pc));
    size_t n = pc[1];
    for (size_t i = 0; i < n; i++) {
        if (term_is_none(lookup(map, insn_source(s, stack, pc[2 + i])))) {
            return insn_target(pc);
        }
    }
    return pc + 2 + n;
}

/* All keys are there already in a flat map: copy the values, share the keys. TERM_NONE: not so. */
static term update_flat(struct emu *m, term map, const uint64_t *pairs, size_t n)
{
    struct sched *s = m->s;
    struct heap *h = &m->p->heap;
    uintptr_t *stack = h->stop;
    const uintptr_t *from = term_words(map);
    const uintptr_t *k = term_words((term) { from[1] });
    size_t size = header_arity(k[0]);
    uintptr_t *copy = heap_alloc(h, size + 2);
    for (size_t i = 0; i < size + 2; i++) {
        copy[i] = from[i];
    }
    for (size_t i = 0; i < n; i++) {
        term key = insn_source(s, stack, pairs[2 * i]);
        size_t at = term_is_immed(key) ? find_immediate(k + 1, size, key.word) : size;
        if (at == size) {
            heap_give_back(h, copy, size + 2, 0);
            return TERM_NONE;
        }
        copy[2 + at] = insn_source(s, stack, pairs[2 * i + 1]).word;
    }
    return term_from_boxed_ptr(copy);
}

/* A new map of n pairs. */
static term make_map(struct emu *m, const uint64_t *pairs, size_t n)
{
    enum { AT_ONCE = 64 };
    struct sched *s = m->s;
    uintptr_t *stack = m->p->heap.stop;
    term few[2 * AT_ONCE], *kv = n <= AT_ONCE ? few : vm_alloc(2 * n * sizeof(term));
    for (size_t i = 0; i < 2 * n; i++) {
        kv[i] = insn_source(s, stack, pairs[i]);
    }
    term map = map_from_pairs(&m->p->heap, kv, n);
    if (kv != few) {
        vm_free(kv);
    }
    return map;
}

static const uint64_t *put_failed(struct emu *m, const uint64_t *pc, term tag, term value)
{
    if (insn_can_fail(pc)) {
        return insn_target(pc);
    }
    proc_raise(m->p, EXC_ERROR, heap_tuple2(&m->p->heap, tag, value));
    return NULL;
}

/* The key an exact update complains of: OTP looks them up in term order. */
static term missing_key(struct emu *m, term map, const uint64_t *pairs, size_t n)
{
    term missing = TERM_NONE;
    for (size_t i = 0; i < n; i++) {
        term key = insn_source(m->s, m->p->heap.stop, pairs[2 * i]);
        if (term_is_none(lookup(map, key)) && (term_is_none(missing) || term_compare_exact(key, missing) < 0)) {
            missing = key;
        }
    }
    return missing;
}

/* [A to, L][n << 1 | exact][map] then [key][value] each. */
const uint64_t *op_put_map(struct emu *m, const uint64_t *pc)
{
    struct sched *s = m->s;
    struct heap *h = &m->p->heap;
    uintptr_t *stack = h->stop;
    size_t n = pc[1] >> 1;
    bool exact = pc[1] & 1;
    const uint64_t *pairs = pc + 3;
    term map = insn_source(s, stack, pc[2]);
    if (!term_is_map(map)) {
        return put_failed(m, pc, ATOM(badmap), map);
    }
    term result = TERM_NONE;
    if (term_tag(map) == TAG_FLATMAP) {
        result = map_size(map) == 0 && !exact ? make_map(m, pairs, n) : update_flat(m, map, pairs, n);
    }
    if (term_is_none(result)) {
        result = map;
        for (size_t i = 0; i < n; i++) {
            term key = insn_source(s, stack, pairs[2 * i]);
            if (exact && term_is_none(map_get(result, key))) {
                return put_failed(m, pc, ATOM(badkey), missing_key(m, map, pairs, n));
            }
            result = map_put(h, result, key, insn_source(s, stack, pairs[2 * i + 1]));
        }
    }
    *insn_register(s, stack, insn_a(pc)) = result;
    return pairs + 2 * n;
}
