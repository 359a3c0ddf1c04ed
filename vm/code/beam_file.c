#include "vm/code/beam_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/md5.h"
#include "vm/code/beam_inflate.h"
#include "vm/core/atom.h"
#include "vm/core/copy.h"
#include "vm/core/etf.h"
#include "vm/core/fun.h"

enum {
    FORM_HEADER_BYTES = 12, /* "FOR1", size, "BEAM" */
    CHUNK_HEADER_BYTES = 8, /* name, size */
    CODE_HEADER_BYTES = 20, /* size of what follows, version, opcode_max, labels, functions */
    ARITY_MAX = 255,
};

enum chunk_id {
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
static const char chunk_names[CHUNK_COUNT][5] = {
    "AtU8",
    "Atom",
    "Code",
    "StrT",
    "ImpT",
    "ExpT",
    "LocT",
    "FunT",
    "LitT",
    "Line",
    "Attr",
    "CInf",
    "Meta",
};

/* A chunk being read. */
struct chunk {
    const char *name;
    const uint8_t *start, *at, *end; /* start == NULL: absent */
    bool failed;
};

struct parser {
    struct beam_file *file;
    struct chunk chunks[CHUNK_COUNT];
};

/* ---- errors ---- */

static bool fail(struct beam_file *f, struct chunk *c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Keeps the first error. false, for `return fail(...)`. */
static bool fail(struct beam_file *f, struct chunk *c, const char *fmt, ...)
{
    if (f->error[0] == '\0') {
        int n = 0;
        if (c != NULL) {
            n = snprintf(f->error, sizeof(f->error), "%s chunk, offset %zu: ", c->name,
                (size_t) (c->at - c->start));
            c->failed = true;
        }
        va_list args;
        va_start(args, fmt);
        vsnprintf(f->error + n, sizeof(f->error) - (size_t) n, fmt, args);
        va_end(args);
    }
    return false;
}

/* ---- reading ---- */

static size_t left(const struct chunk *c)
{
    return (size_t) (c->end - c->at);
}

static uint32_t load_u32be(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static bool read_u32(struct parser *p, struct chunk *c, uint32_t *out)
{
    *out = 0;
    if (left(c) < 4) {
        return fail(p->file, c, "chunk ends early");
    }
    *out = load_u32be(c->at);
    c->at += 4;
    return true;
}

/* A count of records of at least min_bytes each: never larger than what the chunk can hold. */
static bool read_count(struct parser *p, struct chunk *c, size_t min_bytes, uint32_t *out)
{
    const uint8_t *at = c->at;
    if (!read_u32(p, c, out)) {
        return false;
    }
    if (*out > left(c) / min_bytes) {
        c->at = at;
        return fail(p->file, c, "count %u is larger than the chunk", *out);
    }
    return true;
}

/* n elements of size bytes; n comes from input and is bounded by it. NULL: no memory. */
static void *new_table(struct beam_file *f, struct chunk *c, size_t n, size_t bytes)
{
    void *table = vm_try_alloc(n * bytes + 1);
    if (table == NULL) {
        fail(f, c, "no memory for %zu entries", n);
        return NULL;
    }
    memset(table, 0, n * bytes);
    return table;
}

static bool read_atom(struct parser *p, struct chunk *c, term *out)
{
    uint32_t index;
    const uint8_t *at = c->at;
    if (!read_u32(p, c, &index)) {
        return false;
    }
    if (index == 0 || index > p->file->n_atoms) {
        c->at = at;
        return fail(p->file, c, "atom %u is not in the table of %zu", index, p->file->n_atoms);
    }
    *out = p->file->atoms[index];
    return true;
}

/* Unsigned or small compact term (tag in low three bits), for the Line chunk. */
static bool read_compact(struct parser *p, struct chunk *c, unsigned *tag, uint32_t *value)
{
    if (left(c) < 1) {
        return fail(p->file, c, "chunk ends early");
    }
    uint8_t b = c->at[0];
    *tag = b & 7;
    if ((b & 8) == 0) {
        *value = b >> 4;
        c->at += 1;
        return true;
    }
    if ((b & 16) == 0) {
        if (left(c) < 2) {
            return fail(p->file, c, "chunk ends early");
        }
        *value = (uint32_t) (b >> 5) << 8 | c->at[1];
        c->at += 2;
        return true;
    }
    size_t n = (size_t) (b >> 5) + 2;
    if (n > 5 || left(c) < 1 + n) {
        return fail(p->file, c, "number out of range");
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | c->at[1 + i];
    }
    if (v > INT32_MAX) {
        return fail(p->file, c, "number out of range");
    }
    *value = (uint32_t) v;
    c->at += 1 + n;
    return true;
}

/* ---- the file ---- */

static bool take_data(struct beam_file *f, const uint8_t *bytes, size_t n)
{
    if (n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
        f->data = beam_inflate(bytes, n, BEAM_INFLATE_GZIP, 0, beam_inflate_limit(n), &f->n_data);
        return f->data != NULL || fail(f, NULL, "gzip data is damaged");
    }
    if (n > BEAM_FILE_MAX_BYTES) {
        return fail(f, NULL, "file is larger than %d MiB", BEAM_FILE_MAX_BYTES >> 20);
    }
    f->data = vm_try_alloc(n + 1);
    if (f->data == NULL) {
        return fail(f, NULL, "no memory for the file");
    }
    memcpy(f->data, bytes, n);
    f->n_data = n;
    return true;
}

/* ---- chunks ---- */

static bool find_chunks(struct parser *p)
{
    struct beam_file *f = p->file;
    const uint8_t *d = f->data;
    if (f->n_data < FORM_HEADER_BYTES || memcmp(d, "FOR1", 4) != 0
        || memcmp(d + 8, "BEAM", 4) != 0) {
        return fail(f, NULL, "offset 0: not a BEAM file (no FOR1/BEAM header)");
    }
    size_t form = load_u32be(d + 4);
    if (form < 4 || form > f->n_data - 8) {
        return fail(f, NULL, "offset 4: form of %zu bytes in a file of %zu", form, f->n_data);
    }
    size_t end = form + 8;
    for (size_t at = FORM_HEADER_BYTES; at < end;) {
        if (end - at < CHUNK_HEADER_BYTES) {
            return fail(f, NULL, "offset %zu: chunk header cut off", at);
        }
        size_t size = load_u32be(d + at + 4);
        if (size > end - at - CHUNK_HEADER_BYTES) {
            return fail(f, NULL, "offset %zu: chunk of %zu bytes, %zu left", at, size,
                end - at - CHUNK_HEADER_BYTES);
        }
        for (int i = 0; i < CHUNK_COUNT; i++) {
            if (memcmp(d + at, chunk_names[i], 4) == 0) {
                if (p->chunks[i].start != NULL) {
                    return fail(f, NULL, "offset %zu: second %s chunk", at, chunk_names[i]);
                }
                const uint8_t *start = d + at + CHUNK_HEADER_BYTES;
                p->chunks[i] = (struct chunk) { chunk_names[i], start, start, start + size, false };
            }
        }
        size_t padded = (size + 3) & ~(size_t) 3;
        at += CHUNK_HEADER_BYTES;
        at = padded > end - at ? end : at + padded; /* the last chunk may lack its padding */
    }
    return true;
}

static bool parse_atoms(struct parser *p)
{
    struct beam_file *f = p->file;
    bool utf8 = p->chunks[CHUNK_AtU8].start != NULL;
    struct chunk *c = &p->chunks[utf8 ? CHUNK_AtU8 : CHUNK_Atom];
    if (c->start == NULL) {
        return fail(f, NULL, "no AtU8 chunk");
    }
    uint32_t count;
    if (!read_u32(p, c, &count)) {
        return false;
    }
    bool compact = (int32_t) count < 0; /* since OTP 28: lengths as compact terms */
    if (compact) {
        count = 0 - count;
    }
    if (count == 0 || count > left(c)) {
        c->at = c->start;
        return fail(f, c, "%u atoms in %zu bytes", count, left(c));
    }
    f->atoms = new_table(f, c, (size_t) count + 1, sizeof(*f->atoms));
    if (f->atoms == NULL) {
        return false;
    }
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t bytes;
        unsigned tag;
        const uint8_t *at = c->at;
        if (compact) {
            if (!read_compact(p, c, &tag, &bytes)) {
                return false;
            }
        } else {
            if (left(c) < 1) {
                return fail(f, c, "chunk ends early");
            }
            bytes = *c->at++;
        }
        if (bytes > left(c)) {
            c->at = at;
            return fail(f, c, "atom %u of %u bytes reaches past the chunk", i, bytes);
        }
        term atom =
            utf8 ? atom_intern((const char *) c->at, bytes) : atom_intern_latin1(c->at, bytes);
        if (term_is_none(atom)) {
            c->at = at;
            return fail(f, c, "atom %u is not UTF-8, too long, or the atom table is full", i);
        }
        f->atoms[i] = atom;
        c->at += bytes;
    }
    f->n_atoms = count;
    f->module = f->atoms[1];
    return true;
}

static bool parse_code_header(struct parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_Code];
    if (c->start == NULL) {
        return fail(f, NULL, "no Code chunk");
    }
    uint32_t sub_size, version;
    if (left(c) < CODE_HEADER_BYTES) {
        return fail(f, c, "chunk ends early");
    }
    if (!read_u32(p, c, &sub_size) || !read_u32(p, c, &version) || !read_u32(p, c, &f->opcode_max)
        || !read_u32(p, c, &f->n_labels) || !read_u32(p, c, &f->n_functions)) {
        return false;
    }
    if (sub_size < 16 || sub_size > (size_t) (c->end - c->start) - 4) {
        c->at = c->start;
        return fail(f, c, "header of %u bytes", sub_size);
    }
    if (version != 0) {
        c->at = c->start + 4;
        return fail(f, c, "instruction set %u is unknown", version);
    }
    f->code_offset = 4 + (size_t) sub_size;
    f->code = c->start + f->code_offset;
    f->n_code = (size_t) (c->end - f->code);
    /* A label takes two bytes, a function far more. Hand-written code may number with gaps. */
    if (f->n_labels > f->n_code + 1024) {
        c->at = c->start + 12;
        return fail(f, c, "%u labels in %zu bytes of code", f->n_labels, f->n_code);
    }
    if (f->n_functions > f->n_code / 4) {
        c->at = c->start + 16;
        return fail(f, c, "%u functions in %zu bytes of code", f->n_functions, f->n_code);
    }
    return true;
}

static bool parse_strings(struct parser *p)
{
    struct chunk *c = &p->chunks[CHUNK_StrT];
    if (c->start == NULL) {
        return true;
    }
    p->file->strings = new_table(p->file, c, left(c), 1);
    if (p->file->strings == NULL) {
        return false;
    }
    memcpy(p->file->strings, c->at, left(c));
    p->file->n_strings = left(c);
    return true;
}

static bool parse_imports(struct parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_ImpT];
    if (c->start == NULL) {
        return fail(f, NULL, "no ImpT chunk");
    }
    uint32_t count;
    if (!read_count(p, c, 12, &count)) {
        return false;
    }
    f->imports = new_table(f, c, count, sizeof(*f->imports));
    if (f->imports == NULL) {
        return false;
    }
    for (; f->n_imports < count; f->n_imports++) {
        term module, function;
        uint32_t arity;
        if (!read_atom(p, c, &module) || !read_atom(p, c, &function) || !read_u32(p, c, &arity)) {
            return false;
        }
        if (arity > ARITY_MAX) {
            c->at -= 4;
            return fail(f, c, "arity %u", arity);
        }
        f->imports[f->n_imports] = export_get(module, function, arity);
    }
    return true;
}

/* ExpT and LocT. */
static bool parse_exports(
    struct parser *p, enum chunk_id id, struct beam_export **out, size_t *out_n)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[id];
    if (c->start == NULL) {
        return id != CHUNK_ExpT || fail(f, NULL, "no ExpT chunk");
    }
    uint32_t count;
    if (!read_count(p, c, 12, &count)) {
        return false;
    }
    *out = new_table(f, c, count, sizeof(**out));
    if (*out == NULL) {
        return false;
    }
    for (; *out_n < count; ++*out_n) {
        struct beam_export *e = &(*out)[*out_n];
        if (!read_atom(p, c, &e->function) || !read_u32(p, c, &e->arity)
            || !read_u32(p, c, &e->label)) {
            return false;
        }
        if (e->arity > ARITY_MAX) {
            c->at -= 8;
            return fail(f, c, "arity %u", e->arity);
        }
        if (e->label == 0 || e->label >= f->n_labels) {
            c->at -= 4;
            return fail(f, c, "label %u of %u", e->label, f->n_labels);
        }
    }
    return true;
}

static bool parse_lambdas(struct parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_FunT];
    if (c->start == NULL) {
        return true;
    }
    uint32_t count;
    if (!read_count(p, c, 24, &count)) {
        return false;
    }
    f->lambdas = new_table(f, c, count, sizeof(*f->lambdas));
    if (f->lambdas == NULL) {
        return false;
    }
    for (; f->n_lambdas < count; f->n_lambdas++) {
        struct beam_lambda *l = &f->lambdas[f->n_lambdas];
        if (!read_atom(p, c, &l->function) || !read_u32(p, c, &l->arity)
            || !read_u32(p, c, &l->label) || !read_u32(p, c, &l->index)
            || !read_u32(p, c, &l->n_free) || !read_u32(p, c, &l->old_uniq)) {
            return false;
        }
        c->at -= 24;
        if (l->arity > ARITY_MAX || l->n_free > l->arity) {
            return fail(
                f, c, "fun %zu: arity %u, %u free variables", f->n_lambdas, l->arity, l->n_free);
        }
        if (l->label == 0 || l->label >= f->n_labels) {
            return fail(f, c, "fun %zu: label %u of %u", f->n_lambdas, l->label, f->n_labels);
        }
        if (l->index
            != f->n_lambdas) { /* old and new uniq tell versions apart, this the funs of one */
            return fail(f, c, "fun %zu: index %u", f->n_lambdas, l->index);
        }
        c->at += 24;
    }
    return true;
}

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
            fail(f, c, "no memory for a literal");
        }
    } else {
        fail(f, c, "bad external term");
    }
    heap_destroy(&h);
    *out = t;
    return !term_is_none(t);
}

static bool parse_literals(struct parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_LitT];
    if (c->start == NULL) {
        return true;
    }
    uint32_t size;
    if (!read_u32(p, c, &size)) {
        return false;
    }
    uint8_t *unpacked = NULL;
    struct chunk table = { "LitT", c->at, c->at, c->end, false }; /* stored since OTP 28: size 0 */
    if (size != 0) {
        if (size > beam_inflate_limit(left(c))) {
            size_t packed = left(c);
            c->at = c->start;
            return fail(f, c, "%u bytes packed into %zu", size, packed);
        }
        size_t n;
        unpacked = beam_inflate(c->at, left(c), BEAM_INFLATE_ZLIB, size, size, &n);
        if (unpacked == NULL || n != size) {
            vm_free(unpacked);
            return fail(f, c, "compressed data is damaged");
        }
        table = (struct chunk) { "LitT (unpacked)", unpacked, unpacked, unpacked + n, false };
    }
    uint32_t count;
    bool ok = read_count(p, &table, 5, &count);
    if (ok) {
        f->literals = new_table(f, &table, count, sizeof(*f->literals));
        ok = f->literals != NULL;
    }
    while (ok && f->n_literals < count) {
        uint32_t bytes;
        ok = read_u32(p, &table, &bytes);
        if (ok && bytes > left(&table)) {
            ok = fail(f, &table, "literal of %u bytes, %zu left", bytes, left(&table));
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

/* UTF-8 (or, failing that, Latin-1) to a list of characters in the file's blocks. */
static term file_name_literal(struct beam_file *f, const uint8_t *bytes, size_t n)
{
    struct heap h;
    heap_init_frags(&h);
    bool utf8 = true;
    for (int pass = 0; pass < 2; pass++) {
        term list = TERM_NIL;
        bool ok = true;
        for (size_t end = n; ok && end > 0;) {
            size_t at = end - 1;
            uint32_t ch = bytes[at];
            if (utf8 && ch >= 0x80) {
                unsigned bits = 0;
                uint32_t tail = 0;
                while (at > 0 && (bytes[at] & 0xC0) == 0x80 && bits < 18) {
                    tail |= (uint32_t) (bytes[at--] & 0x3F) << bits;
                    bits += 6;
                }
                uint8_t first = bytes[at];
                ok = (bits == 6 && (first & 0xE0) == 0xC0) || (bits == 12 && (first & 0xF0) == 0xE0)
                     || (bits == 18 && (first & 0xF8) == 0xF0);
                ch = tail
                     | (uint32_t) (first
                                   & (bits == 6     ? 0x1F
                                       : bits == 12 ? 0x0F
                                                    : 0x07))
                           << bits;
                ok = ok && ch <= 0x10FFFF;
            }
            if (ok) {
                list = heap_cons(&h, term_from_small((intptr_t) ch), list);
                end = at;
            }
        }
        if (ok) {
            list = literal_copy(list, &f->blocks);
            heap_destroy(&h);
            return list;
        }
        utf8 = false;
    }
    heap_destroy(&h);
    return TERM_NONE;
}

static bool parse_lines(struct parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_Line];
    char name[ATOM_MAX_BYTES + 8];
    struct atom_text text = atom_text(f->module);
    memcpy(name, text.utf8, text.bytes);
    memcpy(name + text.bytes, ".erl", 4);
    uint32_t version, flags, n_insns, n_lines = 0, n_files = 0;
    if (c->start != NULL) {
        if (!read_u32(p, c, &version) || !read_u32(p, c, &flags) || !read_u32(p, c, &n_insns)
            || !read_u32(p, c, &n_lines) || !read_u32(p, c, &n_files)) {
            return false;
        }
        if (version != 0) {
            n_lines = n_files = 0; /* some later form: go without */
        }
        if (n_lines > left(c) || n_files > left(c) / 2) {
            return fail(f, c, "%u lines and %u files in %zu bytes", n_lines, n_files, left(c));
        }
    }
    f->lines = new_table(f, c, (size_t) n_lines + 1, sizeof(*f->lines));
    f->line_files =
        f->lines == NULL ? NULL : new_table(f, c, (size_t) n_files + 1, sizeof(*f->line_files));
    if (f->line_files == NULL) {
        return false;
    }
    f->n_lines = 1;
    f->line_files[0] = file_name_literal(f, (const uint8_t *) name, (size_t) text.bytes + 4);
    f->n_line_files = 1;
    uint32_t file = 0;
    while (f->n_lines <= n_lines) {
        unsigned tag;
        uint32_t value;
        const uint8_t *at = c->at;
        if (!read_compact(p, c, &tag, &value)) {
            return false;
        }
        if (tag == 1) {
            f->lines[f->n_lines++] = (struct beam_line) { file, value };
        } else if (tag == 2 && value <= n_files) {
            file = value;
        } else {
            c->at = at;
            return fail(f, c, "neither a line nor one of %u files", n_files);
        }
    }
    for (; f->n_line_files <= n_files; f->n_line_files++) {
        if (left(c) < 2 || left(c) - 2 < ((size_t) c->at[0] << 8 | c->at[1])) {
            return fail(f, c, "file name %zu reaches past the chunk", f->n_line_files);
        }
        size_t bytes = (size_t) c->at[0] << 8 | c->at[1];
        f->line_files[f->n_line_files] = file_name_literal(f, c->at + 2, bytes);
        c->at += 2 + bytes;
    }
    for (size_t i = 0; i < f->n_line_files; i++) {
        if (term_is_none(f->line_files[i])) {
            return fail(f, c, "no memory for file names");
        }
    }
    return true;
}

/* Attr and CInf: a property list. */
static bool parse_properties(struct parser *p, enum chunk_id id, term *out)
{
    struct chunk *c = &p->chunks[id];
    *out = TERM_NIL;
    if (c->start == NULL || left(c) == 0) {
        return true;
    }
    if (!decode_literal(p->file, c, c->at, left(c), out)) {
        return false;
    }
    return term_is_list(*out) || fail(p->file, c, "not a list");
}

/* The checksum the compiler and beam_lib make: what decides over the code, in this order. The
 * unique values in FunT count as zero, because they are made from this checksum. */
static void sum_chunks(struct parser *p)
{
    static const enum chunk_id summed[] = { CHUNK_AtU8, CHUNK_Atom, CHUNK_Code, CHUNK_StrT,
        CHUNK_ImpT, CHUNK_ExpT, CHUNK_FunT, CHUNK_LitT, CHUNK_Meta };
    static const uint8_t zero[4];
    struct md5 m;
    md5_init(&m);
    for (size_t i = 0; i < ARRAY_LEN(summed); i++) {
        const struct chunk *c = &p->chunks[summed[i]];
        if (c->start == NULL || (summed[i] == CHUNK_Atom && p->chunks[CHUNK_AtU8].start != NULL)) {
            continue;
        }
        if (summed[i] != CHUNK_FunT) {
            md5_update(&m, c->start, (size_t) (c->end - c->start));
            continue;
        }
        size_t bytes = (size_t) (c->end - c->start);
        md5_update(&m, c->start, bytes < 4 ? bytes : 4);
        for (size_t at = 4; at + 24 <= bytes; at += 24) {
            md5_update(&m, c->start + at, 20);
            md5_update(&m, zero, 4);
        }
    }
    md5_final(&m, p->file->md5);
}

bool beam_file_chunk(const uint8_t *bytes, size_t n, const uint8_t id[4], size_t *at, size_t *size)
{
    if (n < FORM_HEADER_BYTES || memcmp(bytes, "FOR1", 4) != 0
        || memcmp(bytes + 8, "BEAM", 4) != 0) {
        return false;
    }
    for (size_t i = FORM_HEADER_BYTES; n - i >= CHUNK_HEADER_BYTES;) {
        *at = i + CHUNK_HEADER_BYTES;
        *size = load_u32be(bytes + i + 4);
        if (*size > n - *at) {
            return false;
        }
        if (memcmp(bytes + i, id, 4) == 0) {
            return true;
        }
        size_t padded = (*size + 3) & ~(size_t) 3;
        if (padded > n - *at) {
            return false;
        }
        i = *at + padded;
    }
    return false;
}

bool beam_file_md5(const uint8_t *bytes, size_t n, uint8_t md5[16])
{
    struct beam_file f = { 0 };
    struct parser p = { .file = &f };
    bool ok = take_data(&f, bytes, n) && find_chunks(&p) && p.chunks[CHUNK_Code].start != NULL;
    if (ok) {
        sum_chunks(&p);
        memcpy(md5, f.md5, sizeof(f.md5));
    }
    beam_file_free(&f);
    return ok;
}

bool beam_file_parse(const uint8_t *bytes, size_t n, struct beam_file *out)
{
    memset(out, 0, sizeof(*out));
    out->attributes = out->compile_info = TERM_NIL;
    struct parser p = { .file = out };
    bool ok = take_data(out, bytes, n) && find_chunks(&p) && parse_atoms(&p)
              && parse_code_header(&p) && parse_strings(&p) && parse_imports(&p)
              && parse_exports(&p, CHUNK_ExpT, &out->exports, &out->n_exports)
              && parse_exports(&p, CHUNK_LocT, &out->locals, &out->n_locals) && parse_lambdas(&p)
              && parse_literals(&p) && parse_lines(&p)
              && parse_properties(&p, CHUNK_Attr, &out->attributes)
              && parse_properties(&p, CHUNK_CInf, &out->compile_info);
    if (ok) {
        sum_chunks(&p);
    }
    return ok;
}

void beam_file_free(struct beam_file *f)
{
    vm_free(f->atoms);
    vm_free(f->imports);
    vm_free(f->exports);
    vm_free(f->locals);
    vm_free(f->lambdas);
    vm_free(f->literals);
    vm_free(f->lines);
    vm_free(f->line_files);
    vm_free(f->strings);
    vm_free(f->data);
    literal_free(f->blocks);
    char error[sizeof(f->error)];
    memcpy(error, f->error, sizeof(error));
    memset(f, 0, sizeof(*f));
    memcpy(f->error, error, sizeof(error));
}
