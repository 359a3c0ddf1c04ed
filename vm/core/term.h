/* term.h - the one place where a term's bits are known.
 *
 * word:  ................................ ....pp      p p  primary tag
 *        <----- raw, 8-aligned ---------> ...00       header, or a raw word (code pointer)
 *        <----- address, 8-aligned -----> ...01       list cell: head, tail
 *        <----- address, 8-aligned -----> ...10       boxed: header word, payload
 *        <----- 60-bit data ------------>  0011       local pid      serial:28 | number:28
 *        <----- 60-bit number ---------->  0111       local port
 *        <----- 60-bit signed ---------->  1111       small integer
 *        <----- 58-bit index ---------->  001011      atom
 *        <----- 58-bit index ---------->  011011      catch tag (on stacks only)
 *                                         111011      []
 *
 * header: arity << 8 | tag << 2 | 00        arity: words after the header
 *
 * The word 0 is TERM_NONE: never a value. On the heap it marks a moved list cell.
 *
 * Boxed objects, word by word. "raw" words are skipped by the collector, the rest are terms.
 *
 *   TAG_TUPLE      elements...
 *   TAG_BIG_POS/NEG  raw libtommath digits (60 bits each), least significant first, no leading
 *                  zero digit; never a value that fits a small
 *   TAG_FLOAT      raw double, always finite
 *   TAG_FUN        raw struct fun_entry *, creator pid, free variables...
 *   TAG_EXPORT     raw struct export *
 *   TAG_REF        raw id, raw pid word of the process that made it as alias, or 0
 *   TAG_RESOURCE   raw next off-heap, raw struct resource *, raw id     (is a reference)
 *   TAG_HEAP_BITS  raw size in bits, raw bytes... (rounded up to words)
 *   TAG_REFC_BITS  raw next off-heap, raw struct offheap_bin *, raw size in bits
 *   TAG_SUB_BITS   raw offset in bits, raw size in bits, base: HEAP_BITS or REFC_BITS
 *   TAG_MATCH_CTX  raw bytes pointer, raw position, raw end (bits), base      (registers only)
 *   TAG_FLATMAP    keys: a tuple in term order, values...            (at most MAP_FLAT_MAX)
 *   TAG_HASHMAP    size: a small, root node
 *   TAG_HAMT_NODE  bitmap: a small, children: list cell [Key|Value], HAMT_NODE, see map.c
 *   TAG_EXT_PID    raw node atom, raw creation, raw number, raw serial
 *   TAG_EXT_PORT   raw node atom, raw creation, raw number
 *   TAG_EXT_REF    raw node atom, raw creation, raw count, raw 32-bit ids, one a word
 *
 * Everybody else uses the functions below; no other file masks or shifts a term, but the
 * collector (heap.c, gc.c), the interpreter's fast paths and the NIF API's word conversions.
 */
#ifndef VM_TERM_H
#define VM_TERM_H

#include <string.h>

#include "lib/base/base.h"

/* One machine word. A struct, so that the compiler rejects mixing terms and integers. */
typedef struct {
    uintptr_t word;
} term;

_Static_assert(sizeof(term) == 8, "a term is one 64-bit word");

enum {
    TERM_PRIMARY_MASK = 0x3,
    TERM_PRIMARY_HEADER = 0x0,
    TERM_PRIMARY_LIST = 0x1,
    TERM_PRIMARY_BOXED = 0x2,
    TERM_PRIMARY_IMMED = 0x3,
    TERM_IMMED_MASK = 0xF,
    TERM_IMMED_PID = 0x3,
    TERM_IMMED_PORT = 0x7,
    TERM_IMMED_SMALL = 0xF,
    TERM_SMALL_SHIFT = 4,
    TERM_IMMED2_MASK = 0x3F,
    TERM_IMMED2_ATOM = 0x0B,
    TERM_IMMED2_CATCH = 0x1B,
    TERM_IMMED2_NIL = 0x3B,
    TERM_ATOM_SHIFT = 6,
    TERM_TAG_SHIFT = 2,
    TERM_TAG_MASK = 0xFC,
    TERM_ARITY_SHIFT = 8,
};

/* Tag 0 is unused, so that zeroed memory is never a header. */
enum term_tag {
    TAG_TUPLE = 1,
    TAG_BIG_POS,
    TAG_BIG_NEG,
    TAG_FLOAT,
    TAG_FUN,
    TAG_EXPORT,
    TAG_REF,
    TAG_RESOURCE,
    TAG_HEAP_BITS,
    TAG_REFC_BITS,
    TAG_SUB_BITS,
    TAG_MATCH_CTX,
    TAG_FLATMAP,
    TAG_HASHMAP,
    TAG_HAMT_NODE,
    TAG_EXT_PID,
    TAG_EXT_PORT,
    TAG_EXT_REF,
    TAG_COUNT,
};

#define TERM_SMALL_MAX (INTPTR_MAX >> TERM_SMALL_SHIFT)
#define TERM_SMALL_MIN (INTPTR_MIN >> TERM_SMALL_SHIFT)
#define TERM_NIL ((term) { TERM_IMMED2_NIL })
#define TERM_NONE ((term) { 0 })
#define TERM_HEADER(tag, arity) (((uintptr_t) (arity) << TERM_ARITY_SHIFT) | ((uintptr_t) (tag) << TERM_TAG_SHIFT))

static inline bool term_same(term a, term b)
{
    return a.word == b.word;
}
static inline bool term_is_none(term t)
{
    return t.word == 0;
}
static inline bool term_is_immed(term t)
{
    return (t.word & TERM_PRIMARY_MASK) == TERM_PRIMARY_IMMED;
}
static inline bool term_is_small(term t)
{
    return (t.word & TERM_IMMED_MASK) == TERM_IMMED_SMALL;
}
static inline bool term_is_local_pid(term t)
{
    return (t.word & TERM_IMMED_MASK) == TERM_IMMED_PID;
}
static inline bool term_is_local_port(term t)
{
    return (t.word & TERM_IMMED_MASK) == TERM_IMMED_PORT;
}
static inline bool term_is_atom(term t)
{
    return (t.word & TERM_IMMED2_MASK) == TERM_IMMED2_ATOM;
}
static inline bool term_is_catch(term t)
{
    return (t.word & TERM_IMMED2_MASK) == TERM_IMMED2_CATCH;
}
static inline bool term_is_nil(term t)
{
    return t.word == TERM_IMMED2_NIL;
}
static inline bool term_is_cons(term t)
{
    return (t.word & TERM_PRIMARY_MASK) == TERM_PRIMARY_LIST;
}
static inline bool term_is_list(term t)
{
    return term_is_cons(t) || term_is_nil(t);
}
static inline bool term_is_boxed(term t)
{
    return (t.word & TERM_PRIMARY_MASK) == TERM_PRIMARY_BOXED;
}

/* The words behind a list or boxed term. */
static inline uintptr_t *term_words(term t)
{
    VM_ASSERT(term_is_cons(t) || term_is_boxed(t));
    return (uintptr_t *) (t.word & ~(uintptr_t) TERM_PRIMARY_MASK);
}
/* Where it is known which: the tag is taken off by the address of what is read. */
static inline uintptr_t *term_cell(term t)
{
    return (uintptr_t *) (t.word - TERM_PRIMARY_LIST);
}
static inline uintptr_t *term_box(term t)
{
    return (uintptr_t *) (t.word - TERM_PRIMARY_BOXED);
}
static inline term term_from_list_ptr(const uintptr_t *cell)
{
    return (term) { (uintptr_t) cell | TERM_PRIMARY_LIST };
}
static inline term term_from_boxed_ptr(const uintptr_t *header)
{
    return (term) { (uintptr_t) header | TERM_PRIMARY_BOXED };
}

/* Headers. */
static inline enum term_tag header_tag(uintptr_t header)
{
    return (enum term_tag) ((header & TERM_TAG_MASK) >> TERM_TAG_SHIFT);
}
static inline size_t header_arity(uintptr_t header)
{
    return header >> TERM_ARITY_SHIFT;
}
static inline bool word_is_header(uintptr_t w)
{
    return (w & TERM_PRIMARY_MASK) == TERM_PRIMARY_HEADER;
}
/* pre: boxed */
static inline enum term_tag term_tag(term t)
{
    return header_tag(term_box(t)[0]);
}
static inline size_t term_arity(term t)
{
    return header_arity(term_box(t)[0]);
}
/* Any term may be asked. */
static inline bool term_has_tag(term t, enum term_tag tag)
{
    return term_is_boxed(t) && term_tag(t) == tag;
}

/* Type tests as the language has them. */
static inline bool term_is_tuple(term t)
{
    return term_has_tag(t, TAG_TUPLE);
}
static inline bool term_is_big(term t)
{
    return term_is_boxed(t) && (term_tag(t) == TAG_BIG_POS || term_tag(t) == TAG_BIG_NEG);
}
static inline bool term_is_integer(term t)
{
    return term_is_small(t) || term_is_big(t);
}
static inline bool term_is_float(term t)
{
    return term_has_tag(t, TAG_FLOAT);
}
static inline bool term_is_number(term t)
{
    return term_is_integer(t) || term_is_float(t);
}
static inline bool term_is_fun(term t)
{
    return term_has_tag(t, TAG_FUN) || term_has_tag(t, TAG_EXPORT);
}
static inline bool term_is_ref(term t)
{
    return term_is_boxed(t)
        && (term_tag(t) == TAG_REF || term_tag(t) == TAG_RESOURCE || term_tag(t) == TAG_EXT_REF);
}
static inline bool term_is_pid(term t)
{
    return term_is_local_pid(t) || term_has_tag(t, TAG_EXT_PID);
}
static inline bool term_is_port(term t)
{
    return term_is_local_port(t) || term_has_tag(t, TAG_EXT_PORT);
}
/* bitstring; a binary is one whose size is a multiple of 8 (bits.h) */
static inline bool term_is_bits(term t)
{
    return term_is_boxed(t)
        && (term_tag(t) == TAG_HEAP_BITS || term_tag(t) == TAG_REFC_BITS || term_tag(t) == TAG_SUB_BITS);
}
static inline bool term_is_map(term t)
{
    return term_is_boxed(t) && (term_tag(t) == TAG_FLATMAP || term_tag(t) == TAG_HASHMAP);
}

/* Small integers. pre: TERM_SMALL_MIN <= value <= TERM_SMALL_MAX */
static inline bool intptr_fits_small(intptr_t value)
{
    return value >= TERM_SMALL_MIN && value <= TERM_SMALL_MAX;
}
static inline term term_from_small(intptr_t value)
{
    VM_ASSERT(intptr_fits_small(value));
    return (term) { ((uintptr_t) value << TERM_SMALL_SHIFT) | TERM_IMMED_SMALL };
}
static inline intptr_t term_to_small(term t)
{
    VM_ASSERT(term_is_small(t));
    return (intptr_t) t.word >> TERM_SMALL_SHIFT; /* arithmetic shift keeps the sign */
}

/* Atoms: names and the table are in atom.h. */
static inline term term_from_atom_index(size_t index)
{
    return (term) { (index << TERM_ATOM_SHIFT) | TERM_IMMED2_ATOM };
}
static inline size_t term_to_atom_index(term t)
{
    VM_ASSERT(term_is_atom(t));
    return t.word >> TERM_ATOM_SHIFT;
}

static inline term term_from_catch_index(size_t index)
{
    return (term) { (index << TERM_ATOM_SHIFT) | TERM_IMMED2_CATCH };
}
static inline size_t term_to_catch_index(term t)
{
    return t.word >> TERM_ATOM_SHIFT;
}

/* Pids and ports of this VM. number: slot in the process table; serial: its generation. */
enum { TERM_PID_NUMBER_BITS = 28, TERM_PID_SERIAL_BITS = 28 };
static inline term term_from_pid(uint32_t number, uint32_t serial)
{
    uintptr_t data = ((uintptr_t) serial << TERM_PID_NUMBER_BITS) | number;
    return (term) { data << TERM_SMALL_SHIFT | TERM_IMMED_PID };
}
static inline uint32_t term_pid_number(term t)
{
    VM_ASSERT(term_is_local_pid(t));
    return (uint32_t) (t.word >> TERM_SMALL_SHIFT) & ((1u << TERM_PID_NUMBER_BITS) - 1);
}
static inline uint32_t term_pid_serial(term t)
{
    VM_ASSERT(term_is_local_pid(t));
    return (uint32_t) (t.word >> (TERM_SMALL_SHIFT + TERM_PID_NUMBER_BITS));
}
static inline term term_from_port(uintptr_t number)
{
    return (term) { number << TERM_SMALL_SHIFT | TERM_IMMED_PORT };
}
static inline uintptr_t term_port_number(term t)
{
    return t.word >> TERM_SMALL_SHIFT;
}

/* Lists. */
static inline term term_head(term t)
{
    VM_ASSERT(term_is_cons(t));
    return (term) { term_cell(t)[0] };
}
static inline term term_tail(term t)
{
    VM_ASSERT(term_is_cons(t));
    return (term) { term_cell(t)[1] };
}
/* Length of a proper list, or -1. */
intptr_t term_list_length(term t);

/* Tuples. index is 0-based. */
static inline size_t term_tuple_arity(term t)
{
    VM_ASSERT(term_is_tuple(t));
    return term_arity(t);
}
static inline term term_tuple_get(term t, size_t index)
{
    VM_ASSERT(index < term_tuple_arity(t));
    return (term) { term_box(t)[1 + index] };
}
static inline bool term_is_tuple_of(term t, size_t arity)
{
    return term_is_boxed(t) && term_box(t)[0] == TERM_HEADER(TAG_TUPLE, arity);
}

/* Floats. */
static inline double term_to_double(term t)
{
    double d;
    VM_ASSERT(term_is_float(t));
    memcpy(&d, &term_box(t)[1], sizeof(d));
    return d;
}

/* Funs. */
struct fun_entry; /* vm/core/fun.h */
struct export;
static inline struct fun_entry *term_fun_entry(term t)
{
    VM_ASSERT(term_has_tag(t, TAG_FUN));
    return (struct fun_entry *) term_box(t)[1];
}
static inline struct export *term_export(term t)
{
    VM_ASSERT(term_has_tag(t, TAG_EXPORT));
    return (struct export *) term_box(t)[1];
}
static inline size_t term_fun_n_free(term t)
{
    return term_arity(t) - 2;
}
static inline term *term_fun_free_vars(term t)
{
    return (term *) &term_box(t)[3];
}

/* What is raw in an object stands before its terms: words after the header, by tag; TERM_ALL_RAW: all of them. */
enum { TERM_ALL_RAW = 0xFF };
extern const uint8_t term_raw_words[TAG_COUNT];
/* Words of an object before its first term, with the header; all of it if no term is in it. This is how whoever goes over
 * a heap word by word steps over what is no term. pre: header_tag(header) is a tag. */
static inline size_t header_raw_words(uintptr_t header)
{
    size_t raw = term_raw_words[header_tag(header)];
    return 1 + (raw == TERM_ALL_RAW ? header_arity(header) : raw);
}

#endif
