/* match_internal.h - the program of a match specification: match_compile.c makes it, match_run.c runs it. */
#ifndef VM_MATCH_INTERNAL_H
#define VM_MATCH_INTERNAL_H

#include "vm/ets/match_spec.h"

/* Guards and bodies nested deeper than this are refused; patterns may be of any depth. */
enum { MATCH_MAX_DEPTH = 500 };

/* Is t an atom '$0' ... '$100000000'? */
bool match_is_variable(term t, uint32_t *out_number);

enum match_op_code {
    /* Patterns: take a term from the stack. */
    PAT_ANY,
    PAT_BIND,   /* n: variable */
    PAT_EQUAL,  /* n: variable bound before */
    PAT_CONST,  /* value */
    PAT_TUPLE,  /* n: arity; pushes the elements */
    PAT_CONS,   /* pushes tail and head */
    PAT_MAP,    /* n: PAT_MAP_KEY rows follow; pushes their values */
    PAT_MAP_KEY,
    /* Expressions: push a term. */
    EXPR_CONST,
    EXPR_VAR,
    EXPR_OBJECT,
    EXPR_BINDINGS,
    EXPR_TUPLE, /* n elements */
    EXPR_LIST,  /* n elements, then the tail */
    EXPR_MAP,   /* n pairs */
    EXPR_CALL,  /* fn with n arguments */
    EXPR_ANDALSO, /* false on top: go to n; true: drop it; else fail */
    EXPR_ORELSE,
    /* Clauses. */
    MATCH_GUARD, /* takes a term: fails unless true */
    MATCH_BODY,  /* from here on a failure is the value 'EXIT' */
    MATCH_DROP,
    MATCH_RETURN,
};

struct match_op {
    enum match_op_code code;
    uint32_t n;
    union {
        term value;
        bif_fn fn;
    };
};

struct match_clause {
    size_t start; /* first instruction */
    term pattern;
};

struct match_spec {
    struct match_op *ops; /* owned */
    size_t n_ops, ops_cap;
    struct match_clause *clauses; /* owned */
    size_t n_clauses;
    size_t n_vars;    /* most of any clause */
    size_t max_stack; /* most of any clause */
    struct heap_frag *own; /* owned: the copy it works on; or NULL */
};

#endif
