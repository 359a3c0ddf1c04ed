/* fun.h - what a fun term points to. Entries live for ever: a fun outlives its module's code. */
#ifndef VM_FUN_H
#define VM_FUN_H

#include <stdatomic.h>

#include "vm/core/term.h"

/* One per (module, index, uniq) ever loaded. */
struct fun_entry {
    const uint64_t *_Atomic code; /* entry point in the loaded code; NULL: module not loaded */
    term module, function;        /* function: the lambda's local name, '-f/0-fun-0-' */
    uint32_t arity;               /* of the fun as called, without free variables */
    uint32_t n_free;
    uint32_t index, old_uniq;
    uint8_t uniq[16]; /* MD5 of the module */
};
/* One per (module, function, arity) ever mentioned. */
struct proc;
struct bif_row; /* vm/bif/bif.h */
struct export
{
    const uint64_t *_Atomic code; /* what a call jumps to; never NULL: a stub calls error_handler */
    term module, function;
    uint32_t arity;
    const struct bif_row *bif; /* NULL: an Erlang function */
    uint64_t stub[4];          /* instructions for "not loaded" and "is a BIF"; see emu */
};

/* Fills e->stub of a new export; set by the interpreter before the first export is made. */
extern void (*export_init_stub)(struct export *e);
/* The _get functions make the entry if need be; any thread; never fail. Lookups take no lock. */
struct export *export_get(term module, term function, uint32_t arity);
struct export *export_lookup(term module, term function, uint32_t arity); /* NULL if none */
/* function: TERM_NONE if not known (external terms); the loader fills it in later. */
struct fun_entry *fun_entry_get(term module, uint32_t index, const uint8_t uniq[16],
    uint32_t old_uniq, uint32_t arity, uint32_t n_free, term function);

#endif
