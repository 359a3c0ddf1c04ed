#include "vm/code/beam_file.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/bytes.h"
#include "lib/base/md5.h"
#include "vm/code/beam_parser.h"
#include "vm/core/compress.h"
#include "vm/core/literal.h"

enum {
    FORM_HEADER_BYTES = 12, /* "FOR1", size, "BEAM" */
    CHUNK_HEADER_BYTES = 8, /* name, size */
};

const char beam_chunk_names[CHUNK_COUNT][5] = {
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

static bool take_data(struct beam_file *f, const uint8_t *bytes, size_t n)
{
    if (n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
        size_t used;
        f->data = compress_inflate(bytes, n, COMPRESS_GZIP, 0, beam_inflate_limit(n), &f->n_data, &used);
        return f->data != NULL || chunk_fail(f, NULL, "gzip data is damaged");
    }
    if (n > BEAM_FILE_MAX_BYTES) {
        return chunk_fail(f, NULL, "file is larger than %d MiB", BEAM_FILE_MAX_BYTES >> 20);
    }
    f->data = vm_try_alloc(n + 1);
    if (f->data == NULL) {
        return chunk_fail(f, NULL, "no memory for the file");
    }
    memcpy(f->data, bytes, n);
    f->n_data = n;
    return true;
}

/* ---- chunks ---- */

static bool is_beam(const uint8_t *bytes, size_t n)
{
    return n >= FORM_HEADER_BYTES && memcmp(bytes, "FOR1", 4) == 0 && memcmp(bytes + 8, "BEAM", 4) == 0;
}

/* The chunk whose header is at *at: where its data are and how many bytes; *at goes behind it. The last one may lack its
 * padding. false: it does not end before end. */
static bool next_chunk(const uint8_t *bytes, size_t end, size_t *at, size_t *data, size_t *size)
{
    if (end - *at < CHUNK_HEADER_BYTES) {
        return false;
    }
    *data = *at + CHUNK_HEADER_BYTES;
    *size = bytes_load_u32be(bytes + *at + 4);
    if (*size > end - *data) {
        return false;
    }
    size_t padded = (*size + 3) & ~(size_t) 3;
    *at = padded > end - *data ? end : *data + padded;
    return true;
}

static bool note_chunk(struct beam_parser *p, size_t header, size_t data, size_t size)
{
    const uint8_t *d = p->file->data;
    for (int i = 0; i < CHUNK_COUNT; i++) {
        if (memcmp(d + header, beam_chunk_names[i], 4) == 0) {
            if (p->chunks[i].start != NULL) {
                return chunk_fail(p->file, NULL, "offset %zu: second %s chunk", header, beam_chunk_names[i]);
            }
            p->chunks[i] = (struct chunk) { beam_chunk_names[i], d + data, d + data, d + data + size, false };
        }
    }
    return true;
}

static bool find_chunks(struct beam_parser *p)
{
    struct beam_file *f = p->file;
    if (!is_beam(f->data, f->n_data)) {
        return chunk_fail(f, NULL, "offset 0: not a BEAM file (no FOR1/BEAM header)");
    }
    size_t form = bytes_load_u32be(f->data + 4);
    if (form < 4 || form > f->n_data - 8) {
        return chunk_fail(f, NULL, "offset 4: form of %zu bytes in a file of %zu", form, f->n_data);
    }
    size_t end = form + 8;
    for (size_t at = FORM_HEADER_BYTES; at < end;) {
        size_t header = at, data, size;
        if (!next_chunk(f->data, end, &at, &data, &size)) {
            return end - header < CHUNK_HEADER_BYTES
                       ? chunk_fail(f, NULL, "offset %zu: chunk header cut off", header)
                       : chunk_fail(f, NULL, "offset %zu: chunk of %zu bytes, %zu left", header, size, end - data);
        }
        if (!note_chunk(p, header, data, size)) {
            return false;
        }
    }
    return true;
}

/* The checksum the compiler and beam_lib make: what decides over the code, in this order. The
 * unique values in FunT count as zero, because they are made from this checksum. */
static void sum_chunks(struct beam_parser *p)
{
    static const enum beam_chunk summed[] = { CHUNK_AtU8, CHUNK_Atom, CHUNK_Code, CHUNK_StrT,
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
    for (size_t next = is_beam(bytes, n) ? FORM_HEADER_BYTES : n, header = next;
         next_chunk(bytes, n, &next, at, size); header = next) {
        if (memcmp(bytes + header, id, 4) == 0) {
            return true;
        }
    }
    return false;
}

bool beam_file_md5(const uint8_t *bytes, size_t n, uint8_t md5[16])
{
    struct beam_file f = { 0 };
    struct beam_parser p = { .file = &f };
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
    struct beam_parser p = { .file = out };
    bool ok = take_data(out, bytes, n) && find_chunks(&p) && beam_parse_atoms(&p)
              && beam_parse_code_header(&p) && beam_parse_strings(&p) && beam_parse_imports(&p)
              && beam_parse_exports(&p, CHUNK_ExpT, &out->exports, &out->n_exports)
              && beam_parse_exports(&p, CHUNK_LocT, &out->locals, &out->n_locals) && beam_parse_lambdas(&p)
              && beam_parse_literals(&p) && beam_parse_lines(&p)
              && beam_parse_properties(&p, CHUNK_Attr, &out->attributes)
              && beam_parse_properties(&p, CHUNK_CInf, &out->compile_info);
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
