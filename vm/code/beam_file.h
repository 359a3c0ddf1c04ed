/* beam_file.h - the chunks of a .beam file, bounds-checked and turned into tables. */
#ifndef VM_BEAM_FILE_H
#define VM_BEAM_FILE_H

#include "vm/core/heap.h"
#include "vm/core/literal.h"

struct export;
struct fun_entry;

struct beam_lambda {
    term function;
    uint32_t arity, label, index, n_free, old_uniq;
};
struct beam_export {
    term function;
    uint32_t arity, label;
};
struct beam_line {
    uint32_t file, line;
};

/* All tables owned; freed by beam_file_free. Terms are atoms or lie in `blocks`. */
struct beam_file {
    char error[256]; /* "Code chunk, offset 17: ..." after a failure */
    term module;
    term *atoms;
    size_t n_atoms; /* [0] is nil's place: unused */
    struct export **imports;
    size_t n_imports;
    struct beam_export *exports;
    size_t n_exports;
    struct beam_export *locals;
    size_t n_locals;
    struct beam_lambda *lambdas;
    size_t n_lambdas;
    term *literals;
    size_t n_literals;
    struct beam_line *lines;
    size_t n_lines; /* [0]: no line */
    term *line_files;
    size_t n_line_files; /* strings; [0]: Module.erl */
    uint8_t *strings;
    size_t n_strings;
    const uint8_t *code;
    size_t n_code;      /* instructions only, in data */
    size_t code_offset; /* of the first one in its chunk, for messages */
    uint32_t opcode_max, n_labels, n_functions;
    term attributes, compile_info;
    struct literal_block *blocks; /* owned; whoever keeps terms of this takes it */
    uint8_t md5[16]; /* as module_info(md5): over the essential chunks */
    uint8_t *data;
    size_t n_data; /* the (unzipped) file */
};

/* Takes a copy of bytes. gzip is undone. false: *out holds only error (free it all the same). */
bool beam_file_parse(const uint8_t *bytes, size_t n, struct beam_file *out) MUST_CHECK;
void beam_file_free(struct beam_file *f);

/* A chunk of a file that is not compressed: where it is. false: no such chunk, or no BEAM file. */
bool beam_file_chunk(const uint8_t *bytes, size_t n, const uint8_t id[4], size_t *at, size_t *size);
/* The checksum of the module in it. false: no BEAM file. */
bool beam_file_md5(const uint8_t *bytes, size_t n, uint8_t md5[16]);

#endif
