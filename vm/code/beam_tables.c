#include "vm/code/beam_parser.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "vm/core/atom.h"
#include "vm/core/fun.h"

enum {
    CODE_HEADER_BYTES = 20, /* size of what follows, version, opcode_max, labels, functions */
    ARITY_MAX = 255,
};

bool beam_parse_atoms(struct beam_parser *p)
{
    struct beam_file *f = p->file;
    bool utf8 = p->chunks[CHUNK_AtU8].start != NULL;
    struct chunk *c = &p->chunks[utf8 ? CHUNK_AtU8 : CHUNK_Atom];
    if (c->start == NULL) {
        return chunk_fail(f, NULL, "no AtU8 chunk");
    }
    uint32_t count;
    if (!chunk_read_u32(p, c, &count)) {
        return false;
    }
    bool compact = (int32_t) count < 0; /* since OTP 28: lengths as compact terms */
    if (compact) {
        count = 0 - count;
    }
    if (count == 0 || count > chunk_left(c)) {
        c->at = c->start;
        return chunk_fail(f, c, "%u atoms in %zu bytes", count, chunk_left(c));
    }
    f->atoms = chunk_new_table(f, c, (size_t) count + 1, sizeof(*f->atoms));
    if (f->atoms == NULL) {
        return false;
    }
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t bytes;
        unsigned tag;
        const uint8_t *at = c->at;
        if (compact) {
            if (!chunk_read_compact(p, c, &tag, &bytes)) {
                return false;
            }
        } else {
            if (chunk_left(c) < 1) {
                return chunk_fail(f, c, "chunk ends early");
            }
            bytes = *c->at++;
        }
        if (bytes > chunk_left(c)) {
            c->at = at;
            return chunk_fail(f, c, "atom %u of %u bytes reaches past the chunk", i, bytes);
        }
        term atom =
            utf8 ? atom_intern((const char *) c->at, bytes) : atom_intern_latin1(c->at, bytes);
        if (term_is_none(atom)) {
            c->at = at;
            return chunk_fail(f, c, "atom %u is not UTF-8, too long, or the atom table is full", i);
        }
        f->atoms[i] = atom;
        c->at += bytes;
    }
    f->n_atoms = count;
    f->module = f->atoms[1];
    return true;
}

bool beam_parse_code_header(struct beam_parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_Code];
    if (c->start == NULL) {
        return chunk_fail(f, NULL, "no Code chunk");
    }
    uint32_t sub_size, version;
    if (chunk_left(c) < CODE_HEADER_BYTES) {
        return chunk_fail(f, c, "chunk ends early");
    }
    if (!chunk_read_u32(p, c, &sub_size) || !chunk_read_u32(p, c, &version) || !chunk_read_u32(p, c, &f->opcode_max)
        || !chunk_read_u32(p, c, &f->n_labels) || !chunk_read_u32(p, c, &f->n_functions)) {
        return false;
    }
    if (sub_size < 16 || sub_size > (size_t) (c->end - c->start) - 4) {
        c->at = c->start;
        return chunk_fail(f, c, "header of %u bytes", sub_size);
    }
    if (version != 0) {
        c->at = c->start + 4;
        return chunk_fail(f, c, "instruction set %u is unknown", version);
    }
    f->code_offset = 4 + (size_t) sub_size;
    f->code = c->start + f->code_offset;
    f->n_code = (size_t) (c->end - f->code);
    /* A label takes two bytes, a function far more. Hand-written code may number with gaps. */
    if (f->n_labels > f->n_code + 1024) {
        c->at = c->start + 12;
        return chunk_fail(f, c, "%u labels in %zu bytes of code", f->n_labels, f->n_code);
    }
    if (f->n_functions > f->n_code / 4) {
        c->at = c->start + 16;
        return chunk_fail(f, c, "%u functions in %zu bytes of code", f->n_functions, f->n_code);
    }
    return true;
}

bool beam_parse_strings(struct beam_parser *p)
{
    struct chunk *c = &p->chunks[CHUNK_StrT];
    if (c->start == NULL) {
        return true;
    }
    p->file->strings = chunk_new_table(p->file, c, chunk_left(c), 1);
    if (p->file->strings == NULL) {
        return false;
    }
    memcpy(p->file->strings, c->at, chunk_left(c));
    p->file->n_strings = chunk_left(c);
    return true;
}

bool beam_parse_imports(struct beam_parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_ImpT];
    if (c->start == NULL) {
        return chunk_fail(f, NULL, "no ImpT chunk");
    }
    uint32_t count;
    if (!chunk_read_count(p, c, 12, &count)) {
        return false;
    }
    f->imports = chunk_new_table(f, c, count, sizeof(*f->imports));
    if (f->imports == NULL) {
        return false;
    }
    for (; f->n_imports < count; f->n_imports++) {
        term module, function;
        uint32_t arity;
        if (!chunk_read_atom(p, c, &module) || !chunk_read_atom(p, c, &function) || !chunk_read_u32(p, c, &arity)) {
            return false;
        }
        if (arity > ARITY_MAX) {
            c->at -= 4;
            return chunk_fail(f, c, "arity %u", arity);
        }
        f->imports[f->n_imports] = export_get(module, function, arity);
    }
    return true;
}

/* ExpT and LocT. */
bool beam_parse_exports(
    struct beam_parser *p, enum beam_chunk id, struct beam_export **out, size_t *out_n)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[id];
    if (c->start == NULL) {
        return id != CHUNK_ExpT || chunk_fail(f, NULL, "no ExpT chunk");
    }
    uint32_t count;
    if (!chunk_read_count(p, c, 12, &count)) {
        return false;
    }
    *out = chunk_new_table(f, c, count, sizeof(**out));
    if (*out == NULL) {
        return false;
    }
    for (; *out_n < count; ++*out_n) {
        struct beam_export *e = &(*out)[*out_n];
        if (!chunk_read_atom(p, c, &e->function) || !chunk_read_u32(p, c, &e->arity)
            || !chunk_read_u32(p, c, &e->label)) {
            return false;
        }
        if (e->arity > ARITY_MAX) {
            c->at -= 8;
            return chunk_fail(f, c, "arity %u", e->arity);
        }
        if (e->label == 0 || e->label >= f->n_labels) {
            c->at -= 4;
            return chunk_fail(f, c, "label %u of %u", e->label, f->n_labels);
        }
    }
    return true;
}

bool beam_parse_lambdas(struct beam_parser *p)
{
    struct beam_file *f = p->file;
    struct chunk *c = &p->chunks[CHUNK_FunT];
    if (c->start == NULL) {
        return true;
    }
    uint32_t count;
    if (!chunk_read_count(p, c, 24, &count)) {
        return false;
    }
    f->lambdas = chunk_new_table(f, c, count, sizeof(*f->lambdas));
    if (f->lambdas == NULL) {
        return false;
    }
    for (; f->n_lambdas < count; f->n_lambdas++) {
        struct beam_lambda *l = &f->lambdas[f->n_lambdas];
        if (!chunk_read_atom(p, c, &l->function) || !chunk_read_u32(p, c, &l->arity)
            || !chunk_read_u32(p, c, &l->label) || !chunk_read_u32(p, c, &l->index)
            || !chunk_read_u32(p, c, &l->n_free) || !chunk_read_u32(p, c, &l->old_uniq)) {
            return false;
        }
        c->at -= 24;
        if (l->arity > ARITY_MAX || l->n_free > l->arity) {
            return chunk_fail(
                f, c, "fun %zu: arity %u, %u free variables", f->n_lambdas, l->arity, l->n_free);
        }
        if (l->label == 0 || l->label >= f->n_labels) {
            return chunk_fail(f, c, "fun %zu: label %u of %u", f->n_lambdas, l->label, f->n_labels);
        }
        if (l->index
            != f->n_lambdas) { /* old and new uniq tell versions apart, this the funs of one */
            return chunk_fail(f, c, "fun %zu: index %u", f->n_lambdas, l->index);
        }
        c->at += 24;
    }
    return true;
}
