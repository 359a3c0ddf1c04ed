/* atom.h - the atom table of the program.
 *
 * An atom is an index. Texts are UTF-8, at most ATOM_MAX_CHARS characters, and live with the table
 * in arena_literals, NUL-terminated; an atom is never freed. Reads take no lock. Atoms the VM
 * names itself stand in atoms.def and have constant indices: ATOM(badarg).
 */
#ifndef VM_ATOM_H
#define VM_ATOM_H

#include "vm/core/term.h"

enum { ATOM_MAX_CHARS = 255, ATOM_MAX_BYTES = 4 * ATOM_MAX_CHARS };

enum atom_index {
#define ATOM_DEF(ident, text) ATOM_INDEX_##ident,
#include "vm/core/atoms.def"
#undef ATOM_DEF
    ATOM_N_PREDEFINED,
};
#define ATOM(ident) ((term) { ((uintptr_t) ATOM_INDEX_##ident << TERM_ATOM_SHIFT) | TERM_IMMED2_ATOM })

static inline term term_from_bool(bool b)
{
    return b ? ATOM(true) : ATOM(false);
}
static inline bool term_is_bool(term t)
{
    return term_same(t, ATOM(true)) || term_same(t, ATOM(false));
}

/* Makes the table with the predefined atoms. Before anything else; once. */
void atom_table_init(void);

/* An attached worker uses the VM's table where it is, instead: all functions below read it in place.
 * root: what atom_table_root() said in the VM. */
uint64_t atom_table_root(void);
void atom_table_attach(uint64_t root);
/* What an attached worker does for atoms that do not exist yet: has the VM make them. Called with
 * good UTF-8 of good length, by any thread. NULL: none can be made. */
extern term (*atom_make_elsewhere)(const char *utf8, size_t bytes);

/* The atom with this UTF-8 text, made if need be. TERM_NONE if the text is not UTF-8, is longer
 * than ATOM_MAX_CHARS characters, or the table is full (1,048,576 atoms, as OTP). Any thread. */
term atom_intern(const char *utf8, size_t bytes);
term atom_intern_latin1(const uint8_t *text, size_t bytes);
/* For C strings known to be good, of which there are few: finds room in a full table, too. */
term atom_from_cstr(const char *text);
/* TERM_NONE if there is no such atom. */
term atom_lookup(const char *utf8, size_t bytes);
term atom_lookup_latin1(const uint8_t *text, size_t bytes);

/* The text: UTF-8, NUL-terminated, valid for ever. */
struct atom_text {
    const char *utf8;
    uint16_t bytes;
    uint16_t chars;
};
struct atom_text atom_text(term atom);
const char *atom_cstr(term atom);
/* Fixed for the text (not for the index): for hash tables that must not depend on creation order. */
uint32_t atom_hash(term atom);    /* the one phash2 uses */
int atom_compare(term a, term b); /* <0, 0, >0: order of the texts by code points */
size_t atom_count(void);

#endif
