/* beam_parser.h - inside of beam_file.c: chunks, and the reading of what is in them.
 *
 *   beam_file.c     the file: from bytes to chunks, checksum
 *   beam_chunk.c    numbers, atoms, counts in a chunk; errors that say where
 *   beam_tables.c   chunks of numbers and atoms
 *   beam_terms.c    chunks with Erlang terms: literals, attributes; lines, for their file names
 *
 * Nothing in a file is believed: what is read is compared with what is there, or with a limit.
 */
#ifndef VM_BEAM_PARSER_H
#define VM_BEAM_PARSER_H

#include "vm/code/beam_file.h"

enum beam_chunk {
    CHUNK_AtU8,
    CHUNK_Atom,
    CHUNK_Code,
    CHUNK_StrT,
    CHUNK_ImpT,
    CHUNK_ExpT,
    CHUNK_LocT,
    CHUNK_FunT,
    CHUNK_LitT,
    CHUNK_Line,
    CHUNK_Attr,
    CHUNK_CInf,
    CHUNK_Meta,
    CHUNK_COUNT,
};
extern const char beam_chunk_names[CHUNK_COUNT][5];

enum { BEAM_FILE_MAX_BYTES = 64 << 20 };
/* The most that n bytes may unpack to. */
static inline size_t beam_inflate_limit(size_t n)
{
    enum { MAX_RATIO = 1032 }; /* deflate cannot do better: more is a lie */
    return n < BEAM_FILE_MAX_BYTES / MAX_RATIO ? n * MAX_RATIO : BEAM_FILE_MAX_BYTES;
}

/* A chunk being read. */
struct chunk {
    const char *name;
    const uint8_t *start, *at, *end; /* start == NULL: absent */
    bool failed;
};

struct beam_parser {
    struct beam_file *file;
    struct chunk chunks[CHUNK_COUNT];
};

static inline size_t chunk_left(const struct chunk *c)
{
    return (size_t) (c->end - c->at);
}

/* Keeps the first error, with the place in c (NULL: not in a chunk). false, for `return chunk_fail(...)`. */
bool chunk_fail(struct beam_file *f, struct chunk *c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* These read at c->at and move it; false, and the error is told, if what is there is not what it should be. */
bool chunk_read_u32(struct beam_parser *p, struct chunk *c, uint32_t *out) MUST_CHECK;
/* A count of records of at least min_bytes each: never larger than what the chunk can hold. */
bool chunk_read_count(struct beam_parser *p, struct chunk *c, size_t min_bytes, uint32_t *out) MUST_CHECK;
bool chunk_read_atom(struct beam_parser *p, struct chunk *c, term *out) MUST_CHECK;
/* An unsigned or small compact term; its tag is in the low three bits. */
bool chunk_read_compact(struct beam_parser *p, struct chunk *c, unsigned *tag, uint32_t *value) MUST_CHECK;
/* n elements of size bytes, zeroed; n comes from input and is bounded by it. NULL: no memory, the error is told. */
void *chunk_new_table(struct beam_file *f, struct chunk *c, size_t n, size_t bytes) MUST_CHECK;

/* A chunk each: fills its part of p->file. false: the error is told. Atoms first, the code's header second. */
bool beam_parse_atoms(struct beam_parser *p) MUST_CHECK;
bool beam_parse_code_header(struct beam_parser *p) MUST_CHECK;
bool beam_parse_strings(struct beam_parser *p) MUST_CHECK;
bool beam_parse_imports(struct beam_parser *p) MUST_CHECK;
bool beam_parse_exports(struct beam_parser *p, enum beam_chunk id, struct beam_export **out, size_t *out_n) MUST_CHECK; /* ExpT, LocT */
bool beam_parse_lambdas(struct beam_parser *p) MUST_CHECK;
bool beam_parse_literals(struct beam_parser *p) MUST_CHECK;
bool beam_parse_lines(struct beam_parser *p) MUST_CHECK;
bool beam_parse_properties(struct beam_parser *p, enum beam_chunk id, term *out) MUST_CHECK; /* Attr, CInf */

#endif
