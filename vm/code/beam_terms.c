#include "vm/code/beam_parser.h"

#include <string.h>

#include "lib/base/arena.h"
#include "vm/core/atom.h"
#include "vm/core/chars.h"
#include "vm/core/compress.h"
#include "vm/core/etf.h"
#include "vm/core/literal.h"

/* Decodes an external term into the file's blocks. */
static bool decode_literal(
    struct beam_file *f, struct chunk *c, const uint8_t *bytes, size_t n, term *out)
{
    struct heap h;
    heap_init_frags(&h);
    term t = etf_decode(&h, bytes, n, ETF_LITERAL, NULL);
    if (!term_is_none(t)) {
        t = literal_copy(t, &f->blocks);
        if (term_is_none(t)) {
            chunk_fail(f, c, "no memory for a literal");
        }
    } else {
        chunk_fail(f, c, "bad external term");
    }
    heap_destroy(&h);
    *out = t;
    return !term_is_none(t);
}

bool beam_parse_literals(struct beam_parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_LitT];
    if (c->start == NULL) {
        return true;
    }
    uint32_t size;
    if (!chunk_read_u32(p, c, &size)) {
        return false;
    }
    uint8_t *unpacked = NULL;
    struct chunk table = { "LitT", c->at, c->at, c->end, false }; /* stored since OTP 28: size 0 */
    if (size != 0) {
        if (size > beam_inflate_limit(chunk_left(c))) {
            size_t packed = chunk_left(c);
            c->at = c->start;
            return chunk_fail(f, c, "%u bytes packed into %zu", size, packed);
        }
        size_t n, used;
        unpacked = compress_inflate(c->at, chunk_left(c), COMPRESS_ZLIB, size, size, &n, &used);
        if (unpacked == NULL || n != size) {
            vm_free(unpacked);
            return chunk_fail(f, c, "compressed data is damaged");
        }
        table = (struct chunk) { "LitT (unpacked)", unpacked, unpacked, unpacked + n, false };
    }
    uint32_t count;
    bool ok = chunk_read_count(p, &table, 5, &count);
    if (ok) {
        f->literals = chunk_new_table(f, &table, count, sizeof(*f->literals));
        ok = f->literals != NULL;
    }
    while (ok && f->n_literals < count) {
        uint32_t bytes;
        ok = chunk_read_u32(p, &table, &bytes);
        if (ok && bytes > chunk_left(&table)) {
            ok = chunk_fail(f, &table, "literal of %u bytes, %zu left", bytes, chunk_left(&table));
        }
        ok = ok && decode_literal(f, &table, table.at, bytes, &f->literals[f->n_literals]);
        if (ok) {
            table.at += bytes;
            f->n_literals++;
        }
    }
    vm_free(unpacked);
    return ok;
}

/* Characters of UTF-8 or, failing that, of Latin-1, in the file's blocks. TERM_NONE: no memory. */
static term file_name_literal(struct beam_file *f, const uint8_t *bytes, size_t n)
{
    struct heap h;
    heap_init_frags(&h);
    term name = chars_from_utf8(&h, bytes, n);
    if (term_is_none(name)) {
        name = TERM_NIL;
        while (n-- > 0) {
            name = heap_cons(&h, term_from_small(bytes[n]), name);
        }
    }
    name = literal_copy(name, &f->blocks);
    heap_destroy(&h);
    return name;
}

static bool add_line_file(struct beam_file *f, struct chunk *c, const uint8_t *bytes, size_t n)
{
    term name = file_name_literal(f, bytes, n);
    if (term_is_none(name)) {
        return chunk_fail(f, c, "no memory for file names");
    }
    f->line_files[f->n_line_files++] = name;
    return true;
}

/* As if the module's source were named after it: what line entries before the first file belong to. */
static bool add_own_file(struct beam_file *f, struct chunk *c)
{
    char name[ATOM_MAX_BYTES + 8];
    struct atom_text text = atom_text(f->module);
    memcpy(name, text.utf8, text.bytes);
    memcpy(name + text.bytes, ".erl", 4);
    return add_line_file(f, c, (const uint8_t *) name, (size_t) text.bytes + 4);
}

/* How many lines and files follow. */
static bool read_line_header(struct beam_parser *p, struct chunk *c, uint32_t *n_lines, uint32_t *n_files)
{
    uint32_t version, flags, n_insns;
    *n_lines = *n_files = 0;
    if (c->start == NULL) {
        return true;
    }
    if (!chunk_read_u32(p, c, &version) || !chunk_read_u32(p, c, &flags) || !chunk_read_u32(p, c, &n_insns)
        || !chunk_read_u32(p, c, n_lines) || !chunk_read_u32(p, c, n_files)) {
        return false;
    }
    if (version != 0) {
        *n_lines = *n_files = 0; /* some later form: go without */
    }
    return (*n_lines <= chunk_left(c) && *n_files <= chunk_left(c) / 2)
           || chunk_fail(p->file, c, "%u lines and %u files in %zu bytes", *n_lines, *n_files, chunk_left(c));
}

static bool read_lines(struct beam_parser *p, struct chunk *c, uint32_t n_lines, uint32_t n_files)
{
    enum { LINE = 1, FILE_OF_NEXT = 2 };
    struct beam_file *f = p->file;
    uint32_t file = 0;
    for (f->n_lines = 1; f->n_lines <= n_lines;) {
        unsigned tag;
        uint32_t value;
        const uint8_t *at = c->at;
        if (!chunk_read_compact(p, c, &tag, &value)) {
            return false;
        }
        if (tag == LINE) {
            f->lines[f->n_lines++] = (struct beam_line) { file, value };
        } else if (tag == FILE_OF_NEXT && value <= n_files) {
            file = value;
        } else {
            c->at = at;
            return chunk_fail(f, c, "neither a line nor one of %u files", n_files);
        }
    }
    return true;
}

bool beam_parse_lines(struct beam_parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_Line];
    uint32_t n_lines, n_files;
    if (!read_line_header(p, c, &n_lines, &n_files)) {
        return false;
    }
    f->lines = chunk_new_table(f, c, (size_t) n_lines + 1, sizeof(*f->lines));
    f->line_files = f->lines == NULL ? NULL : chunk_new_table(f, c, (size_t) n_files + 1, sizeof(*f->line_files));
    if (f->line_files == NULL || !add_own_file(f, c) || !read_lines(p, c, n_lines, n_files)) {
        return false;
    }
    while (f->n_line_files <= n_files) {
        if (chunk_left(c) < 2 || chunk_left(c) - 2 < ((size_t) c->at[0] << 8 | c->at[1])) {
            return chunk_fail(f, c, "file name %zu reaches past the chunk", f->n_line_files);
        }
        size_t bytes = (size_t) c->at[0] << 8 | c->at[1];
        if (!add_line_file(f, c, c->at + 2, bytes)) {
            return false;
        }
        c->at += 2 + bytes;
    }
    return true;
}

/* Attr and CInf: a property list. */
bool beam_parse_properties(struct beam_parser *p, enum beam_chunk id, term *out)
{
    struct chunk *c = &p->chunks[id];
    *out = TERM_NIL;
    if (c->start == NULL || chunk_left(c) == 0) {
        return true;
    }
    if (!decode_literal(p->file, c, c->at, chunk_left(c), out)) {
        return false;
    }
    return term_is_list(*out) || chunk_fail(p->file, c, "not a list");
}
