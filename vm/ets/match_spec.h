/* match_spec.h - match specifications, compiled and run: ets:select and friends.
 *
 *   [{Pattern, [Guard], [Body]}, ...]
 *
 * A pattern becomes a line of instructions that each take one term from a stack, depth first;
 * guards and body become code of a stack machine whose functions are the guard BIFs.
 */
#ifndef VM_MATCH_SPEC_H
#define VM_MATCH_SPEC_H

#include "vm/bif/bif.h"

struct match_spec;

/* What matches, if the specification is only a pattern (ets:match, ets:match_object). */
enum match_body { MATCH_SPEC /* the term is a whole specification */, MATCH_BINDINGS /* '$$' */, MATCH_OBJECT /* '$_' */ };

/* NULL if it is no match specification. The result refers to the terms of `spec`: keep it no
 * longer than until the next collection, unless `own` is set: then it works on a copy. */
struct match_spec *match_spec_compile(term spec, enum match_body body, bool own);
void match_spec_free(struct match_spec *ms);

/* The one key (element `position`, 1-based) that every clause asks for, or TERM_NONE. */
term match_spec_key(const struct match_spec *ms, size_t position);
/* select_replace: is the key of what each clause makes, as it is written, the key it matched?
 * spec: a specification that compiles. */
bool match_spec_keeps_key(term spec, size_t position);
/* Matches every object and says true: select_delete may take all. */
bool match_spec_is_all(const struct match_spec *ms);

/* One use of a specification, by one process. */
struct match_run {
    const struct match_spec *ms;
    struct proc *p;
    term *vars, *stack; /* owned if not the local ones */
    const uintptr_t *object_words, *object_end; /* what must be copied when it gets into a result */
    term local[64];
};
void match_run_init(struct match_run *r, const struct match_spec *ms, struct proc *p);
void match_run_done(struct match_run *r);
/**
 * Tries the clauses on object. Terms of the object that are part of the result are copied to the
 * process's heap if they lie in words[0, n_words) (n_words 0: the object is on that heap already).
 * @return TERM_NONE if nothing matches, else the value of the body.
 */
term match_run_object(struct match_run *r, term object, const uintptr_t *words, size_t n_words);

/* A compiled specification as a term: an empty binary whose off-heap part is the program. */
term match_spec_to_term(struct heap *h, struct match_spec *ms); /* takes ms over */
const struct match_spec *match_spec_of_term(term t);            /* NULL if it is none */

#endif
