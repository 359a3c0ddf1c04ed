#include "vm/code/beam_parser.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/bytes.h"

bool chunk_fail(struct beam_file *f, struct chunk *c, const char *fmt, ...)
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

bool chunk_read_u32(struct beam_parser *p, struct chunk *c, uint32_t *out)
{
    *out = 0;
    if (chunk_left(c) < 4) {
        return chunk_fail(p->file, c, "chunk ends early");
    }
    *out = bytes_load_u32be(c->at);
    c->at += 4;
    return true;
}

bool chunk_read_count(struct beam_parser *p, struct chunk *c, size_t min_bytes, uint32_t *out)
{
    const uint8_t *at = c->at;
    if (!chunk_read_u32(p, c, out)) {
        return false;
    }
    if (*out > chunk_left(c) / min_bytes) {
        c->at = at;
        return chunk_fail(p->file, c, "count %u is larger than the chunk", *out);
    }
    return true;
}

void *chunk_new_table(struct beam_file *f, struct chunk *c, size_t n, size_t bytes)
{
    void *table = vm_try_alloc(n * bytes + 1);
    if (table == NULL) {
        chunk_fail(f, c, "no memory for %zu entries", n);
        return NULL;
    }
    memset(table, 0, n * bytes);
    return table;
}

bool chunk_read_atom(struct beam_parser *p, struct chunk *c, term *out)
{
    uint32_t index;
    const uint8_t *at = c->at;
    if (!chunk_read_u32(p, c, &index)) {
        return false;
    }
    if (index == 0 || index > p->file->n_atoms) {
        c->at = at;
        return chunk_fail(p->file, c, "atom %u is not in the table of %zu", index, p->file->n_atoms);
    }
    *out = p->file->atoms[index];
    return true;
}

bool chunk_read_compact(struct beam_parser *p, struct chunk *c, unsigned *tag, uint32_t *value)
{
    if (chunk_left(c) < 1) {
        return chunk_fail(p->file, c, "chunk ends early");
    }
    uint8_t b = c->at[0];
    *tag = b & 7;
    if ((b & 8) == 0) {
        *value = b >> 4;
        c->at += 1;
        return true;
    }
    if ((b & 16) == 0) {
        if (chunk_left(c) < 2) {
            return chunk_fail(p->file, c, "chunk ends early");
        }
        *value = (uint32_t) (b >> 5) << 8 | c->at[1];
        c->at += 2;
        return true;
    }
    size_t n = (size_t) (b >> 5) + 2;
    if (n > 5 || chunk_left(c) < 1 + n) {
        return chunk_fail(p->file, c, "number out of range");
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | c->at[1 + i];
    }
    if (v > INT32_MAX) {
        return chunk_fail(p->file, c, "number out of range");
    }
    *value = (uint32_t) v;
    c->at += 1 + n;
    return true;
}
