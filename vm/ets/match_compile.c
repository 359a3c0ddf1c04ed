#include <stdlib.h>

#include "lib/base/arena.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/core/fun.h"
#include "vm/core/map.h"
#include "vm/ets/match_internal.h"

struct variable {
    uint32_t number; /* of '$N' */
    uint32_t slot;   /* order of first appearance */
};

struct compiler {
    struct match_spec *ms;
    struct variable *vars; /* of this clause, owned */
    size_t n_vars, vars_cap;
    size_t stack; /* depth of the run-time stack here */
    term *work;   /* patterns to be compiled, owned */
    size_t n_work, work_cap;
};

static struct match_op *emit(struct compiler *c, enum match_op_code code, size_t n)
{
    struct match_spec *ms = c->ms;
    if (ms->n_ops == ms->ops_cap) {
        ms->ops_cap = ms->ops_cap == 0 ? 32 : ms->ops_cap * 2;
        ms->ops = vm_realloc(ms->ops, ms->ops_cap * sizeof(*ms->ops));
    }
    struct match_op *op = &ms->ops[ms->n_ops++];
    *op = (struct match_op) { .code = code, .n = (uint32_t) n };
    return op;
}

static void push(struct compiler *c, size_t n)
{
    c->stack += n;
    if (c->stack > c->ms->max_stack) {
        c->ms->max_stack = c->stack;
    }
}

/* ---- variables ---- */

static const struct variable *find_variable(const struct compiler *c, uint32_t number)
{
    for (size_t i = 0; i < c->n_vars; i++) {
        if (c->vars[i].number == number) {
            return &c->vars[i];
        }
    }
    return NULL;
}

static uint32_t add_variable(struct compiler *c, uint32_t number)
{
    if (c->n_vars == c->vars_cap) {
        c->vars_cap = c->vars_cap == 0 ? 16 : c->vars_cap * 2;
        c->vars = vm_realloc(c->vars, c->vars_cap * sizeof(*c->vars));
    }
    uint32_t slot = (uint32_t) c->n_vars;
    c->vars[c->n_vars++] = (struct variable) { number, slot };
    if (c->n_vars > c->ms->n_vars) {
        c->ms->n_vars = c->n_vars;
    }
    return slot;
}

/* ---- patterns ---- */

static void later(struct compiler *c, term pattern)
{
    if (c->n_work == c->work_cap) {
        c->work_cap = c->work_cap == 0 ? 32 : c->work_cap * 2;
        c->work = vm_realloc(c->work, c->work_cap * sizeof(*c->work));
    }
    c->work[c->n_work++] = pattern;
}

static bool compile_map_pattern(struct compiler *c, term map)
{
    size_t n = map_size(map);
    emit(c, PAT_MAP, n);
    struct map_iter it;
    map_iter_init(&it, map);
    term key, value;
    size_t first = c->n_work;
    while (map_iter_next(&it, &key, &value)) {
        uint32_t number;
        if (term_same(key, ATOM(underscore)) || match_is_variable(key, &number)) {
            return false; /* what looks so within a key is meant as it stands */
        }
        emit(c, PAT_MAP_KEY, 0)->value = key;
        later(c, value);
    }
    /* Values are pushed so that the first key's comes first: reverse what waits. */
    for (size_t i = first, k = c->n_work; i + 1 < k; i++) {
        term t = c->work[i];
        c->work[i] = c->work[--k];
        c->work[k] = t;
    }
    push(c, n);
    return true;
}

static bool compile_pattern_term(struct compiler *c, term t)
{
    uint32_t number;
    c->stack--; /* every instruction takes one */
    if (term_same(t, ATOM(underscore))) {
        emit(c, PAT_ANY, 0);
    } else if (match_is_variable(t, &number)) {
        const struct variable *v = find_variable(c, number);
        if (v != NULL) {
            emit(c, PAT_EQUAL, v->slot);
        } else {
            emit(c, PAT_BIND, add_variable(c, number));
        }
    } else if (term_is_cons(t)) {
        emit(c, PAT_CONS, 0);
        push(c, 2);
        later(c, term_tail(t));
        later(c, term_head(t));
    } else if (term_is_tuple(t)) {
        size_t n = term_tuple_arity(t);
        emit(c, PAT_TUPLE, n);
        push(c, n);
        for (size_t i = n; i-- > 0;) {
            later(c, term_tuple_get(t, i));
        }
    } else if (term_is_map(t)) {
        return compile_map_pattern(c, t);
    } else {
        emit(c, PAT_CONST, 0)->value = t;
    }
    return true;
}

static bool compile_pattern(struct compiler *c, term pattern)
{
    bool ok = true;
    push(c, 1);
    later(c, pattern);
    while (ok && c->n_work > 0) {
        ok = compile_pattern_term(c, c->work[--c->n_work]);
    }
    return ok;
}

/* ---- expressions ---- */

static bool compile_expr(struct compiler *c, term t, unsigned depth);

static bool compile_list(struct compiler *c, term t, unsigned depth)
{
    size_t n = 0;
    for (; term_is_cons(t); t = term_tail(t)) {
        if (!compile_expr(c, term_head(t), depth)) {
            return false;
        }
        n++;
    }
    if (!compile_expr(c, t, depth)) {
        return false;
    }
    emit(c, EXPR_LIST, n);
    c->stack -= n;
    return true;
}

static bool compile_elements(struct compiler *c, term tuple, size_t first, unsigned depth)
{
    for (size_t i = first; i < term_tuple_arity(tuple); i++) {
        if (!compile_expr(c, term_tuple_get(tuple, i), depth)) {
            return false;
        }
    }
    return true;
}

static bool compile_map(struct compiler *c, term map, unsigned depth)
{
    struct map_iter it;
    map_iter_init(&it, map);
    term key, value;
    while (map_iter_next(&it, &key, &value)) {
        if (!compile_expr(c, key, depth) || !compile_expr(c, value, depth)) {
            return false;
        }
    }
    size_t n = map_size(map);
    emit(c, EXPR_MAP, n);
    c->stack -= 2 * n;
    push(c, 1);
    return true;
}

/* {'andalso', A, B ...}: each decides, or leaves it to the next. */
static bool compile_logic(struct compiler *c, term t, enum match_op_code code, unsigned depth)
{
    size_t arity = term_tuple_arity(t), n_jumps = 0;
    if (arity < 2) {
        return false;
    }
    size_t *jumps = vm_alloc(arity * sizeof(*jumps));
    bool ok = true;
    for (size_t i = 1; i < arity && ok; i++) {
        ok = compile_expr(c, term_tuple_get(t, i), depth);
        if (ok && i + 1 < arity) {
            jumps[n_jumps++] = c->ms->n_ops;
            emit(c, code, 0);
            c->stack--;
        }
    }
    for (size_t i = 0; i < n_jumps; i++) {
        c->ms->ops[jumps[i]].n = (uint32_t) c->ms->n_ops;
    }
    vm_free(jumps);
    return ok;
}

/* May a match specification call it? What came into guards later never came here, as on OTP. */
static bool is_callable(const struct export *e)
{
    static const struct { enum atom_index name; uint32_t arity; } not_here[] = {
        { ATOM_INDEX_floor, 1 }, { ATOM_INDEX_ceil, 1 }, { ATOM_INDEX_min, 2 }, { ATOM_INDEX_max, 2 }, { ATOM_INDEX_is_bitstring, 1 },
        { ATOM_INDEX_is_boolean, 1 }, { ATOM_INDEX_is_function, 2 }, { ATOM_INDEX_is_record, 2 }, { ATOM_INDEX_tuple_size, 1 },
        { ATOM_INDEX_get, 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(not_here); i++) {
        if (term_to_atom_index(e->function) == (size_t) not_here[i].name && e->arity == not_here[i].arity) {
            return false;
        }
    }
    return (e->bif->flags & BIF_GUARD) != 0 || (e->arity == 0 && term_same(e->function, ATOM(self)));
}

static bool compile_call(struct compiler *c, term t, unsigned depth)
{
    term name = term_tuple_get(t, 0);
    size_t n = term_tuple_arity(t) - 1;
    bool fold = n > 2 && (term_same(name, ATOM(and)) || term_same(name, ATOM(or)));
    struct export *e = export_lookup(ATOM(erlang), name, fold ? 2 : (uint32_t) n);
    if (e == NULL || e->bif == NULL || !is_callable(e)) {
        return false;
    }
    if (!compile_elements(c, t, 1, depth)) {
        return false;
    }
    for (size_t calls = fold ? n - 1 : 1; calls > 0; calls--) {
        emit(c, EXPR_CALL, fold ? 2 : n)->fn = e->bif->fn;
    }
    c->stack -= n;
    push(c, 1);
    return true;
}

static bool compile_tuple(struct compiler *c, term t, unsigned depth)
{
    size_t arity = term_tuple_arity(t);
    if (arity == 0) {
        return false;
    }
    term op = term_tuple_get(t, 0);
    if (arity == 1 && term_is_tuple(op)) {
        size_t n = term_tuple_arity(op);
        if (!compile_elements(c, op, 0, depth)) {
            return false;
        }
        emit(c, EXPR_TUPLE, n);
        c->stack -= n;
        push(c, 1);
        return true;
    }
    if (!term_is_atom(op)) {
        return false;
    }
    if (term_same(op, ATOM(const)) && arity == 2) {
        emit(c, EXPR_CONST, 0)->value = term_tuple_get(t, 1);
        push(c, 1);
        return true;
    }
    if (term_same(op, ATOM(andalso))) {
        return compile_logic(c, t, EXPR_ANDALSO, depth);
    }
    if (term_same(op, ATOM(orelse))) {
        return compile_logic(c, t, EXPR_ORELSE, depth);
    }
    return compile_call(c, t, depth);
}

static bool compile_expr(struct compiler *c, term t, unsigned depth)
{
    uint32_t number;
    if (depth >= MATCH_MAX_DEPTH) {
        return false;
    }
    if (term_is_cons(t)) {
        return compile_list(c, t, depth + 1);
    }
    if (term_is_tuple(t)) {
        return compile_tuple(c, t, depth + 1);
    }
    if (term_is_map(t)) {
        return compile_map(c, t, depth + 1);
    }
    if (match_is_variable(t, &number)) {
        const struct variable *v = find_variable(c, number);
        if (v == NULL) {
            return false;
        }
        emit(c, EXPR_VAR, v->slot);
    } else if (term_same(t, ATOM(dollar_underscore))) {
        emit(c, EXPR_OBJECT, 0);
    } else if (term_same(t, ATOM(dollar_dollar))) {
        emit(c, EXPR_BINDINGS, c->n_vars);
    } else {
        emit(c, EXPR_CONST, 0)->value = t;
    }
    push(c, 1);
    return true;
}

static int by_number(const void *a, const void *b)
{
    const struct variable *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* '$$' lists the variables by number: so let them be numbered by number. */
static void renumber(struct compiler *c, size_t start)
{
    if (c->n_vars == 0) {
        return;
    }
    uint32_t *place = vm_alloc(c->n_vars * sizeof(*place));
    qsort(c->vars, c->n_vars, sizeof(*c->vars), by_number);
    for (size_t i = 0; i < c->n_vars; i++) {
        place[c->vars[i].slot] = (uint32_t) i;
        c->vars[i].slot = (uint32_t) i;
    }
    for (size_t i = start; i < c->ms->n_ops; i++) {
        struct match_op *op = &c->ms->ops[i];
        if (op->code == PAT_BIND || op->code == PAT_EQUAL) {
            op->n = place[op->n];
        }
    }
    vm_free(place);
}

/* ---- clauses ---- */

static bool compile_guards(struct compiler *c, term guards)
{
    for (; term_is_cons(guards); guards = term_tail(guards)) {
        if (!compile_expr(c, term_head(guards), 0)) {
            return false;
        }
        emit(c, MATCH_GUARD, 0);
        c->stack--;
    }
    return term_is_nil(guards);
}

static bool compile_body(struct compiler *c, term body)
{
    if (!term_is_cons(body)) {
        return false;
    }
    emit(c, MATCH_BODY, 0);
    for (; term_is_cons(body); body = term_tail(body)) {
        if (!compile_expr(c, term_head(body), 0)) {
            return false;
        }
        emit(c, term_is_cons(term_tail(body)) ? MATCH_DROP : MATCH_RETURN, 0);
        c->stack--;
    }
    return term_is_nil(body);
}

static bool begin_clause(struct compiler *c, size_t i, term pattern)
{
    c->n_vars = 0;
    c->stack = 0;
    c->ms->clauses[i] = (struct match_clause) { c->ms->n_ops, pattern };
    if (!compile_pattern(c, pattern)) {
        return false;
    }
    renumber(c, c->ms->clauses[i].start);
    return true;
}

static bool compile_clauses(struct compiler *c, term spec)
{
    intptr_t n = term_list_length(spec);
    if (n < 0) {
        return false;
    }
    c->ms->n_clauses = (size_t) n;
    c->ms->clauses = vm_zalloc(((size_t) n + 1) * sizeof(*c->ms->clauses));
    for (size_t i = 0; term_is_cons(spec); i++, spec = term_tail(spec)) {
        term clause = term_head(spec);
        if (!term_is_tuple_of(clause, 3)) {
            return false;
        }
        if (!begin_clause(c, i, term_tuple_get(clause, 0)) || !compile_guards(c, term_tuple_get(clause, 1))
            || !compile_body(c, term_tuple_get(clause, 2))) {
            return false;
        }
    }
    return true;
}

/* ets:match and match_object: one clause without guards. */
static bool compile_plain(struct compiler *c, term pattern, enum match_body body)
{
    c->ms->n_clauses = 1;
    c->ms->clauses = vm_zalloc(sizeof(*c->ms->clauses));
    if (!begin_clause(c, 0, pattern)) {
        return false;
    }
    emit(c, MATCH_BODY, 0);
    emit(c, body == MATCH_BINDINGS ? EXPR_BINDINGS : EXPR_OBJECT, c->n_vars);
    push(c, 1);
    emit(c, MATCH_RETURN, 0);
    return true;
}

static bool take_copy(struct match_spec *ms, term *spec)
{
    size_t n = copy_size_all(*spec);
    ms->own = heap_frag_new(n);
    if (ms->own == NULL) {
        return false;
    }
    uintptr_t *at = ms->own->words;
    *spec = copy_into_all(*spec, &at, &ms->own->offheap);
    ms->own->used_words = n;
    return true;
}

struct match_spec *match_spec_compile(term spec, enum match_body body, bool own)
{
    struct compiler c = { .ms = vm_zalloc(sizeof(*c.ms)) };
    bool ok = !own || take_copy(c.ms, &spec);
    if (ok && body == MATCH_SPEC) {
        ok = compile_clauses(&c, spec);
    } else if (ok) {
        ok = compile_plain(&c, spec, body);
    }
    vm_free(c.vars);
    vm_free(c.work);
    if (!ok) {
        match_spec_free(c.ms);
        return NULL;
    }
    return c.ms;
}

void match_spec_free(struct match_spec *ms)
{
    if (ms->own != NULL) {
        heap_frag_free(ms->own);
    }
    vm_free(ms->ops);
    vm_free(ms->clauses);
    vm_free(ms);
}

/* ---- as a term ---- */

static void destroy_program(struct offheap_bin *b)
{
    struct match_spec *ms = (struct match_spec *) offheap_bin_bytes(b);
    match_spec_free(ms);
    arena_free(arena_terms, b);
}

__attribute__((constructor)) static void set_destroy(void)
{
    offheap_set_destroy(OFFHEAP_MATCH_SPEC, destroy_program);
}

term match_spec_to_term(struct heap *h, struct match_spec *ms)
{
    struct offheap_bin *b = offheap_bin_new(sizeof(ms));
    if (b == NULL) {
        match_spec_free(ms);
        return TERM_NONE;
    }
    memcpy(b->data, &ms, sizeof(ms));
    b->kind = OFFHEAP_MATCH_SPEC;
    uintptr_t *p = heap_alloc(h, HEAP_REFC_BITS_WORDS);
    p[0] = TERM_HEADER(TAG_REFC_BITS, 3);
    p[2] = (uintptr_t) b;
    p[3] = 0;
    heap_link_offheap(h, p, sizeof(*ms) + ms->ops_cap * sizeof(*ms->ops));
    return term_from_boxed_ptr(p);
}

const struct match_spec *match_spec_of_term(term t)
{
    if (!term_has_tag(t, TAG_REFC_BITS)) {
        return NULL;
    }
    struct offheap_bin *b = (struct offheap_bin *) term_words(t)[2];
    return b->kind == OFFHEAP_MATCH_SPEC ? (const struct match_spec *) offheap_bin_bytes(b) : NULL;
}
