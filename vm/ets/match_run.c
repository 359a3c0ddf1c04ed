#include "lib/base/arena.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/core/map.h"
#include "vm/ets/match_internal.h"

void match_run_init(struct match_run *r, const struct match_spec *ms, struct proc *p)
{
    size_t n = ms->n_vars + ms->max_stack + 1;
    r->ms = ms;
    r->p = p;
    r->vars = n <= ARRAY_LEN(r->local) ? r->local : vm_alloc(n * sizeof(term));
    r->stack = r->vars + ms->n_vars;
}

void match_run_done(struct match_run *r)
{
    if (r->vars != r->local) {
        vm_free(r->vars);
    }
}

static bool is_outside(const struct match_run *r, const uintptr_t *p)
{
    const struct heap_frag *own = r->ms->own;
    return (p >= r->object_words && p < r->object_end)
        || (own != NULL && p >= own->words && p < own->words + own->used_words);
}

/* t for a result: parts of the table's object, or of the specification's own copy, are copied. A
 * part of a binary that a guard BIF made is on our heap, but its base may not be. */
static term localize(struct match_run *r, term t)
{
    if (!term_is_cons(t) && !term_is_boxed(t)) {
        return t;
    }
    const uintptr_t *p = term_words(t);
    bool foreign = is_outside(r, p)
        || (term_has_tag(t, TAG_SUB_BITS) && is_outside(r, term_words((term) { p[3] })));
    return foreign ? copy_term(t, &r->p->heap) : t;
}

/* Runs the pattern's instructions; the first one after them, or NULL if it does not match. */
static const struct match_op *run_pattern(struct match_run *r, const struct match_op *op, term object)
{
    term *top = r->stack; /* next free */
    *top++ = object;
    while (top > r->stack) {
        term t = *--top;
        switch (op->code) {
        case PAT_ANY: break;
        case PAT_BIND: r->vars[op->n] = t; break;
        case PAT_EQUAL:
            if (!term_equal_exact(r->vars[op->n], t)) {
                return NULL;
            }
            break;
        case PAT_CONST:
            if (!term_equal_exact(op->value, t)) {
                return NULL;
            }
            break;
        case PAT_TUPLE:
            if (!term_is_tuple_of(t, op->n)) {
                return NULL;
            }
            for (size_t i = op->n; i-- > 0;) {
                *top++ = term_tuple_get(t, i);
            }
            break;
        case PAT_CONS:
            if (!term_is_cons(t)) {
                return NULL;
            }
            *top++ = term_tail(t);
            *top++ = term_head(t);
            break;
        case PAT_MAP: {
            if (!term_is_map(t)) {
                return NULL;
            }
            size_t n = op->n;
            for (size_t i = n; i > 0; i--) {
                term value = map_get(t, op[i].value);
                if (term_is_none(value)) {
                    return NULL;
                }
                *top++ = value;
            }
            op += n;
            break;
        }
        case PAT_MAP_KEY:
        case EXPR_CONST:
        case EXPR_VAR:
        case EXPR_OBJECT:
        case EXPR_BINDINGS:
        case EXPR_TUPLE:
        case EXPR_LIST:
        case EXPR_MAP:
        case EXPR_CALL:
        case EXPR_ANDALSO:
        case EXPR_ORELSE:
        case MATCH_GUARD:
        case MATCH_BODY:
        case MATCH_DROP:
        case MATCH_RETURN: VM_REQUIRE(!"an instruction of a pattern");
        }
        op++;
    }
    return op;
}

static term call_bif(struct match_run *r, bif_fn fn, term *args)
{
    term result = fn(r->p, args);
    if (term_is_none(result)) { /* the failure is ours to handle: nothing was raised */
        r->p->control = CONTROL_NONE;
        r->p->exc.reason = r->p->exc.stacktrace = TERM_NIL;
        r->p->exc.error_info = TERM_NONE;
    }
    return result;
}

static term *make_list(struct match_run *r, term *top, size_t n)
{
    term list = localize(r, *--top);
    while (n-- > 0) {
        list = heap_cons(&r->p->heap, localize(r, *--top), list);
    }
    *top++ = list;
    return top;
}

static term *make_tuple(struct match_run *r, term *top, size_t n)
{
    top -= n;
    for (size_t i = 0; i < n; i++) {
        top[i] = localize(r, top[i]);
    }
    *top = heap_tuple(&r->p->heap, top, n);
    return top + 1;
}

static term *make_map(struct match_run *r, term *top, size_t n)
{
    top -= 2 * n;
    for (size_t i = 0; i < 2 * n; i++) {
        top[i] = localize(r, top[i]);
    }
    *top = map_from_pairs(&r->p->heap, top, n);
    return top + 1;
}

static term bindings(struct match_run *r, size_t n)
{
    term list = TERM_NIL;
    while (n-- > 0) {
        list = heap_cons(&r->p->heap, localize(r, r->vars[n]), list);
    }
    return list;
}

/* Runs guards and body; TERM_NONE if a guard fails. */
static term run_code(struct match_run *r, const struct match_op *op, term object)
{
    term *top = r->stack;
    bool in_body = false;
    for (;; op++) {
        bool failed = false;
        switch (op->code) {
        case EXPR_CONST: *top++ = op->value; break;
        case EXPR_VAR: *top++ = r->vars[op->n]; break;
        case EXPR_OBJECT: *top++ = object; break;
        case EXPR_BINDINGS: *top++ = bindings(r, op->n); break;
        case EXPR_TUPLE: top = make_tuple(r, top, op->n); break;
        case EXPR_LIST: top = make_list(r, top, op->n); break;
        case EXPR_MAP: top = make_map(r, top, op->n); break;
        case EXPR_CALL:
            top -= op->n;
            *top = call_bif(r, op->fn, top);
            failed = term_is_none(*top++);
            if (failed && in_body) {
                top[-1] = ATOM(EXIT); /* and that goes on as a value */
                failed = false;
            }
            break;
        case EXPR_ANDALSO:
        case EXPR_ORELSE: {
            term decides = term_from_bool(op->code == EXPR_ORELSE);
            if (term_same(top[-1], decides)) {
                op = r->ms->ops + op->n - 1;
            } else if (!term_is_bool(top[-1]) && in_body) {
                top[-1] = ATOM(EXIT);
                op = r->ms->ops + op->n - 1;
            } else {
                failed = !term_is_bool(*--top);
            }
            break;
        }
        case MATCH_GUARD: failed = !term_same(*--top, ATOM(true)); break;
        case MATCH_BODY: in_body = true; break;
        case MATCH_DROP: top--; break;
        case MATCH_RETURN: return localize(r, *--top);
        case PAT_ANY:
        case PAT_BIND:
        case PAT_EQUAL:
        case PAT_CONST:
        case PAT_TUPLE:
        case PAT_CONS:
        case PAT_MAP:
        case PAT_MAP_KEY: VM_REQUIRE(!"an instruction of a guard or body");
        }
        if (failed) {
            return TERM_NONE;
        }
    }
}

term match_run_object(struct match_run *r, term object, const uintptr_t *words, size_t n_words)
{
    struct heap *h = &r->p->heap;
    r->object_words = words;
    r->object_end = words + n_words;
    for (size_t i = 0; i < r->ms->n_clauses; i++) {
        const struct match_op *op = run_pattern(r, r->ms->ops + r->ms->clauses[i].start, object);
        if (op == NULL) {
            continue;
        }
        /* What failing guards computed is given back: a scan of a large table leaves no litter. */
        struct heap_mark mark = heap_mark(h);
        term result = run_code(r, op, object);
        if (!term_is_none(result)) {
            return result;
        }
        heap_rollback(h, &mark);
    }
    return TERM_NONE;
}
