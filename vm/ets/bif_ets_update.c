/* ets: update_element and update_counter. */
#include "lib/base/arena.h"
#include "vm/core/arith.h"
#include "vm/ets/bif_ets.h"

/* Makes `value` element `position` (1-based) of the table's object o, which is replaced if it must
 * be; the object there now, or NULL: no memory. */
static struct ets_object *set_element(
    struct ets_table *t, struct ets_object *o, size_t position, term value, struct ets_object **gone)
{
    if (term_is_immed(value) && term_is_immed((term) { o->words[position] })) {
        o->words[position] = value.word;
        return o;
    }
    /* A tuple with old and new elements, only to copy from. */
    size_t n = 1 + header_arity(o->words[0]);
    uintptr_t local[32];
    uintptr_t *words = n <= ARRAY_LEN(local) ? local : vm_alloc(n * sizeof(*words));
    memcpy(words, o->words, n * sizeof(*words));
    words[position] = value.word;
    struct ets_object *new = ets_object_new(term_from_boxed_ptr(words));
    if (words != local) {
        vm_free(words);
    }
    if (new != NULL) {
        ets_replace(t, o, new, gone);
    }
    return new;
}

/* A list or a single one: head of the former. */
static term first_of(term t)
{
    return term_is_cons(t) ? term_head(t) : t;
}

/* What is wrong with an operation: nothing, its form, or one of the two that have a name. */
enum fault { FAULT_NONE, FAULT_FORM, FAULT_POSITION, FAULT_KEY_POSITION };

static enum fault position_of(const struct ets_table *t, const struct ets_object *o, term t_position, size_t *out)
{
    if (!term_is_small(t_position)) {
        return FAULT_FORM;
    }
    *out = (size_t) term_to_small(t_position); /* what is negative becomes large */
    return *out == t->key_position ? FAULT_KEY_POSITION
        : *out < 1 || *out > header_arity(o->words[0]) ? FAULT_POSITION
                                                       : FAULT_NONE;
}

static term raise_fault(struct proc *p, term table, enum fault fault)
{
    return fault == FAULT_FORM ? bif_ets_badarg(p, table, ETS_WRITE)
                               : proc_raise_cause(p, ATOM(badarg), fault == FAULT_POSITION ? ATOM(position) : ATOM(keypos));
}

/* Are all of {Position, Value} good for o? */
static enum fault check_element_specs(const struct ets_table *t, const struct ets_object *o, term specs)
{
    size_t position;
    if (term_is_tuple(specs)) {
        return term_is_tuple_of(specs, 2) ? position_of(t, o, term_tuple_get(specs, 0), &position) : FAULT_FORM;
    }
    for (; term_is_cons(specs); specs = term_tail(specs)) {
        term s = term_head(specs);
        enum fault fault = term_is_tuple_of(s, 2) ? position_of(t, o, term_tuple_get(s, 0), &position) : FAULT_FORM;
        if (fault != FAULT_NONE) {
            return fault;
        }
    }
    return term_is_nil(specs) ? FAULT_NONE : FAULT_FORM;
}

term bif_ets_update_element_3(struct proc *p, term *args)
{
    enum ets_status st;
    struct ets_object *gone = NULL;
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    if (ets_is_bag(t)) {
        ets_release(t, NULL);
        return bif_ets_badarg(p, args[0], ETS_WRITE);
    }
    struct ets_object *o = ets_find(t, args[1]); /* without one nobody looks at the rest */
    enum fault fault = o != NULL ? check_element_specs(t, o, args[2]) : FAULT_NONE;
    term specs = args[2];
    while (fault == FAULT_NONE && o != NULL && !term_is_nil(specs)) {
        term s = first_of(specs);
        o = set_element(t, o, (size_t) term_to_small(term_tuple_get(s, 0)), term_tuple_get(s, 1), &gone);
        if (o == NULL) {
            ets_release(t, gone);
            return proc_system_limit(p);
        }
        specs = term_is_cons(specs) ? term_tail(specs) : TERM_NIL;
    }
    ets_release(t, gone);
    if (fault != FAULT_NONE) {
        return raise_fault(p, args[0], fault == FAULT_POSITION ? FAULT_FORM : fault);
    }
    return term_from_bool(o != NULL);
}

/* One operation of update_counter: {Position, Increment} or {Position, Increment, Threshold, SetTo}. */
struct counter_op {
    size_t position;
    term increment, threshold, set_to; /* threshold TERM_NONE: none */
};

/* alone: not one of a list, where only tuples may be. */
static enum fault counter_op_of(const struct ets_table *t, const struct ets_object *o, term spec, bool alone, struct counter_op *out)
{
    *out = (struct counter_op) { 0 };
    if (alone && term_is_integer(spec)) {
        out->position = (size_t) t->key_position + 1;
        out->increment = spec;
        return out->position <= header_arity(o->words[0]) ? FAULT_NONE : FAULT_POSITION;
    }
    if (term_is_tuple_of(spec, 4)) {
        out->threshold = term_tuple_get(spec, 2);
        out->set_to = term_tuple_get(spec, 3);
        if (!term_is_integer(out->threshold) || !term_is_integer(out->set_to)) {
            return FAULT_FORM;
        }
    } else if (!term_is_tuple_of(spec, 2)) {
        return FAULT_FORM;
    }
    out->increment = term_tuple_get(spec, 1);
    return term_is_integer(out->increment) ? position_of(t, o, term_tuple_get(spec, 0), &out->position) : FAULT_FORM;
}

/* The new value, on p's heap. */
static term count(struct proc *p, term value, const struct counter_op *op)
{
    enum arith_status st;
    term sum = arith_binary(&p->heap, ARITH_ADD, value, op->increment, &st);
    if (term_is_none(sum) || term_is_none(op->threshold)) {
        return sum;
    }
    bool down = integer_is_negative(op->increment);
    int order = arith_compare_integers(sum, op->threshold);
    return (down ? order < 0 : order > 0) ? op->set_to : sum;
}

/* Runs every operation; the result is a value or, for a list of operations, a list. TERM_NONE: badarg for *fault,
 * and nothing is changed. */
static term update_counters(
    struct proc *p, struct ets_table *t, struct ets_object *o, term specs, struct ets_object **gone, enum fault *fault)
{
    bool many = term_is_list(specs);
    intptr_t n = 1;
    if (many) {
        term rest = specs;
        for (n = 0; term_is_cons(rest); rest = term_tail(rest), n++) {
        }
    }
    *fault = FAULT_FORM;
    struct counter_op op;
    term *values = vm_alloc(((size_t) n + 1) * sizeof(*values)), result = TERM_NONE;
    term rest = specs;
    /* First all values, on a copy of the elements, because an operation may meet an earlier one's. */
    size_t arity = header_arity(o->words[0]);
    term *elements = vm_alloc((arity + 1) * sizeof(*elements));
    memcpy(elements, o->words, (arity + 1) * sizeof(*elements));
    for (intptr_t i = 0; i < n; i++) {
        term spec = many ? term_head(rest) : specs;
        enum fault here = counter_op_of(t, o, spec, !many, &op);
        if (here != FAULT_NONE) {
            *fault = here;
            goto done;
        }
        if (!term_is_integer(elements[op.position])) {
            goto done;
        }
        values[i] = count(p, elements[op.position], &op);
        if (term_is_none(values[i])) {
            goto done;
        }
        elements[op.position] = values[i];
        rest = many ? term_tail(rest) : rest;
    }
    if (many && !term_is_nil(rest)) {
        goto done;
    }
    rest = specs;
    for (intptr_t i = 0; i < n && o != NULL; i++) {
        counter_op_of(t, o, many ? term_head(rest) : specs, !many, &op);
        o = set_element(t, o, op.position, values[i], gone);
        rest = many ? term_tail(rest) : rest;
    }
    if (o != NULL) {
        result = many ? heap_list(&p->heap, values, (size_t) n, TERM_NIL) : values[0];
    }
done:
    vm_free(values);
    vm_free(elements);
    return result;
}

/* The fast case: one small counter, no threshold. false: not that case. */
static bool count_small(const struct ets_table *t, struct ets_object *o, term spec, term *out)
{
    size_t position = (size_t) t->key_position + 1;
    if (term_is_tuple_of(spec, 2)) {
        if (position_of(t, o, term_tuple_get(spec, 0), &position) != FAULT_NONE) {
            return false;
        }
        spec = term_tuple_get(spec, 1);
    }
    if (position > header_arity(o->words[0]) || !term_is_small(spec)
        || !term_is_small((term) { o->words[position] })) {
        return false;
    }
    intptr_t sum = term_to_small((term) { o->words[position] }) + term_to_small(spec);
    if (!intptr_fits_small(sum)) {
        return false;
    }
    *out = term_from_small(sum);
    o->words[position] = out->word;
    return true;
}

/* The default object is inserted with the key in place of its own. */
static struct ets_object *default_object(struct ets_table *t, term key, term tuple, struct ets_object **gone)
{
    if (term_tuple_arity(tuple) < t->key_position) {
        return NULL;
    }
    size_t n = 1 + term_tuple_arity(tuple);
    uintptr_t *words = vm_alloc(n * sizeof(*words));
    memcpy(words, term_words(tuple), n * sizeof(*words));
    words[t->key_position] = key.word;
    struct ets_object *o = ets_object_new(term_from_boxed_ptr(words));
    vm_free(words);
    if (o != NULL) {
        ets_insert(t, o, gone);
    }
    return o;
}

static term update_counter(struct proc *p, term *args, term default_tuple)
{
    enum ets_status st;
    struct ets_object *gone = NULL;
    struct ets_table *t = ets_acquire(p, args[0], ETS_WRITE, &st);
    if (t == NULL) {
        return bif_ets_raise(p, st);
    }
    if (ets_is_bag(t)) {
        ets_release(t, NULL);
        return proc_raise_cause(p, ATOM(badarg), ATOM(table_type));
    }
    enum fault fault = FAULT_FORM;
    struct ets_object *o = ets_find(t, args[1]);
    bool made = false, had = o != NULL;
    if (o == NULL && !term_is_none(default_tuple)) {
        o = default_object(t, args[1], default_tuple, &gone);
        made = o != NULL;
    }
    term result = TERM_NONE;
    if (o != NULL && !count_small(t, o, args[2], &result)) {
        result = update_counters(p, t, o, args[2], &gone, &fault);
    }
    if (term_is_none(result) && made) {
        ets_remove_key(t, args[1], &gone);
    }
    ets_release(t, gone);
    if (!term_is_none(result)) {
        return result;
    }
    return had || !term_is_none(default_tuple) ? raise_fault(p, args[0], fault) : proc_raise_cause(p, ATOM(badarg), ATOM(badkey));
}

term bif_ets_update_counter_3(struct proc *p, term *args)
{
    return update_counter(p, args, TERM_NONE);
}

term bif_ets_update_counter_4(struct proc *p, term *args)
{
    return term_is_tuple(args[3]) ? update_counter(p, args, args[3]) : bif_ets_badarg(p, args[0], ETS_WRITE);
}
