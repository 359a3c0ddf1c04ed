/* match_keys.c - what can be told of a match specification without running it: which keys it is about. */
#include "vm/core/compare.h"
#include "vm/core/map.h"
#include "vm/ets/match_internal.h"

enum { MAX_VARIABLE = 100000000 };

bool match_is_variable(term t, uint32_t *out)
{
    if (!term_is_atom(t)) {
        return false;
    }
    struct atom_text text = atom_text(t);
    if (text.bytes < 2 || text.bytes > 10 || text.utf8[0] != '$' || (text.utf8[1] == '0' && text.bytes > 2)) {
        return false;
    }
    uint32_t n = 0;
    for (size_t i = 1; i < text.bytes; i++) {
        if (text.utf8[i] < '0' || text.utf8[i] > '9') {
            return false;
        }
        n = n * 10 + (uint32_t) (text.utf8[i] - '0');
    }
    *out = n;
    return n <= MAX_VARIABLE;
}

/* Is it free of variables? What is deeper than MATCH_MAX_DEPTH counts as not: then the table is searched. depth: 0 */
static bool is_ground(term t, unsigned depth)
{
    uint32_t number;
    for (; term_is_cons(t) && depth < MATCH_MAX_DEPTH; t = term_tail(t)) {
        if (!is_ground(term_head(t), ++depth)) {
            return false;
        }
    }
    if (depth >= MATCH_MAX_DEPTH || term_same(t, ATOM(underscore)) || match_is_variable(t, &number)) {
        return false;
    }
    if (term_is_map(t)) {
        struct map_iter it;
        map_iter_init(&it, t);
        term key, value;
        while (map_iter_next(&it, &key, &value)) {
            if (!is_ground(key, depth + 1) || !is_ground(value, depth + 1)) {
                return false;
            }
        }
    }
    if (term_is_tuple(t)) {
        for (size_t i = 0; i < term_tuple_arity(t); i++) {
            if (!is_ground(term_tuple_get(t, i), depth + 1)) {
                return false;
            }
        }
    }
    return true;
}

term match_spec_key(const struct match_spec *ms, size_t position)
{
    term key = TERM_NONE;
    for (size_t i = 0; i < ms->n_clauses; i++) {
        term pattern = ms->clauses[i].pattern;
        if (!term_is_tuple(pattern) || term_tuple_arity(pattern) < position) {
            return TERM_NONE;
        }
        term k = term_tuple_get(pattern, position - 1);
        if (!is_ground(k, 0) || (i > 0 && !term_same(k, key))) {
            return TERM_NONE;
        }
        key = k;
    }
    return key;
}

/* Does the expression give what the pattern matched? Only as far as the two are written alike. */
static bool is_same_part(term pattern, term expr, unsigned depth)
{
    if (depth >= MATCH_MAX_DEPTH || term_same(pattern, ATOM(underscore)) || term_same(expr, ATOM(dollar_underscore))
        || term_same(expr, ATOM(dollar_dollar))) {
        return false;
    }
    if (term_is_tuple_of(expr, 2) && term_same(term_tuple_get(expr, 0), ATOM(const)) && is_ground(pattern, 0)) {
        return term_equal_exact(pattern, term_tuple_get(expr, 1));
    }
    for (; term_is_cons(pattern) && term_is_cons(expr); pattern = term_tail(pattern), expr = term_tail(expr)) {
        if (!is_same_part(term_head(pattern), term_head(expr), depth + 1)) {
            return false;
        }
    }
    if (!term_is_tuple(pattern)) {
        return !term_is_tuple(expr) && !term_is_map(pattern) && term_equal_exact(pattern, expr);
    }
    if (!term_is_tuple_of(expr, 1) || !term_is_tuple_of(term_tuple_get(expr, 0), term_tuple_arity(pattern))) {
        return false;
    }
    for (size_t i = 0; i < term_tuple_arity(pattern); i++) {
        if (!is_same_part(term_tuple_get(pattern, i), term_tuple_get(term_tuple_get(expr, 0), i), depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool is_element_of_object(term expr, size_t position)
{
    return term_is_tuple_of(expr, 3) && term_same(term_tuple_get(expr, 0), ATOM(element))
        && term_same(term_tuple_get(expr, 1), term_from_small((intptr_t) position))
        && term_same(term_tuple_get(expr, 2), ATOM(dollar_underscore));
}

bool match_spec_keeps_key(term spec, size_t position)
{
    for (; term_is_cons(spec); spec = term_tail(spec)) {
        term pattern = term_tuple_get(term_head(spec), 0), body = term_tuple_get(term_head(spec), 2);
        if (!term_is_nil(term_tail(body))) {
            return false; /* more than one expression is more than OTP looks at */
        }
        term expr = term_head(body);
        if (term_same(expr, ATOM(dollar_underscore)) || (term_is_atom(pattern) && is_same_part(pattern, expr, 0))) {
            continue;
        }
        bool bound = term_is_tuple(pattern) && term_tuple_arity(pattern) >= position;
        bool is_const = term_is_tuple_of(expr, 2) && term_same(term_tuple_get(expr, 0), ATOM(const));
        term made = is_const ? term_tuple_get(expr, 1)
            : term_is_tuple_of(expr, 1) ? term_tuple_get(expr, 0)
                                        : TERM_NIL;
        if (!term_is_tuple(made) || term_tuple_arity(made) < position) {
            return false;
        }
        term key = term_tuple_get(made, position - 1);
        if (is_const) {
            term wanted = bound ? term_tuple_get(pattern, position - 1) : TERM_NIL;
            if (!bound || !is_ground(wanted, 0) || !term_equal_exact(wanted, key)) {
                return false;
            }
            continue;
        }
        if (!is_element_of_object(key, position)
            && !(bound && is_same_part(term_tuple_get(pattern, position - 1), key, 0))) {
            return false;
        }
    }
    return true;
}

bool match_spec_is_all(const struct match_spec *ms)
{
    const struct match_op *ops = ms->ops;
    return ms->n_clauses >= 1 && (ops[0].code == PAT_ANY || ops[0].code == PAT_BIND) && ops[1].code == MATCH_BODY
        && ops[2].code == EXPR_CONST && term_same(ops[2].value, ATOM(true)) && ops[3].code == MATCH_RETURN;
}
