/* code.h - loaded code: what the loader makes, the emitter fills in and the interpreter runs.
 *
 *   file bytes --beam_file--> struct beam_file --gen_decode--> struct gen_code   generic, checked
 *   struct gen_code --validate--> annotated --emit--> struct code_image          internal, threaded
 *   struct code_image --module_publish--> exports and funs point into it
 *
 * The code of a function in an image, in 64-bit words:
 *
 *   [func_info instruction][module][function][arity][native slot]  entry: [instruction]...
 *   ^ entry - CODE_HEADER_WORDS                                    ^ what calls jump to
 *
 * So the names of a function are found at a fixed distance before its entry, and one atomic
 * store over the first instruction word turns the function into a call of a native one: the
 * `call_nif` instruction takes its struct nif_func from the native slot.
 * Code pointers are 8-aligned, so the collector takes those on stacks for raw words.
 */
#ifndef VM_CODE_H
#define VM_CODE_H

#include "vm/core/fun.h"
#include "vm/core/literal.h"

enum {
    CODE_HEADER_WORDS = 5,
    CODE_WORD_MODULE = 1,
    CODE_WORD_FUNCTION = 2,
    CODE_WORD_ARITY = 3,
    CODE_WORD_NATIVE = 4,
};

struct code_function {
    term name;
    uint32_t arity;
    uint32_t header_word, entry_word, end_word; /* offsets into words */
    bool exported;
    bool declared_nif; /* named by a -nifs() attribute: starts with nif_start */
};

/* Position of every instruction that can raise: sorted by word. */
struct code_line {
    uint32_t word; /* first word for which it holds */
    uint32_t line; /* 0: unknown */
    uint32_t file; /* index into files */
};

struct code_image {
    struct literal_junk junk; /* first; once it is retired */
    term module;
    uint64_t *words; /* owned, vm_alloc */
    size_t n_words;
    struct code_function *functions; /* owned, in code order */
    size_t n_functions;
    struct code_line *lines; /* owned */
    size_t n_lines;
    term *files; /* owned; file names as terms (lists, literal); [0]: the module's own */
    size_t n_files;
    struct fun_entry **funs; /* owned array */
    uint32_t *fun_words;     /* owned: entry word of each fun */
    size_t n_funs;
    struct {
        struct export *export;
        uint32_t entry_word;
    } * exports; /* owned */
    size_t n_exports;
    uint8_t *strings;              /* owned: StrT */
    term attributes, compile_info; /* literals: [{K,[V]}] */
    struct literal_block *literals; /* owned; retired with it */
    term on_load;                  /* function name of -on_load, or TERM_NONE (arity 0) */
    uint32_t on_load_word;
    uint8_t md5[16];
    uint32_t catch_base; /* first index of its catch tags; see catch_target */
    uint32_t n_catches;
    struct nif_lib *nif; /* owned by nif/nif_lib; NULL: none */
    char *path;          /* owned: file it came from, or NULL */
    bool path_is_atom;   /* what it is called by who loaded it, such as cover_compiled */
};

/* Frees it and all it owns: nobody has ever seen it. NULL: nothing. */
void code_image_free(struct code_image *image);
/* It is found no more: its library is released now, its memory freed some time later, since others may be reading about
 * it in this slice. No process may run it, and nothing lead to it. */
void code_image_retire(struct code_image *image);
/* Makes its words known to code_find_image(). */
void code_register(struct code_image *image);
/* What is done about the library of an image that goes: set by the NIF host. NULL: nothing. */
extern void (*code_release_nif)(struct nif_lib *lib);

/* Where a code pointer lies: NULL if in no image. Lock-free. */
struct code_image *code_find_image(const uint64_t *pc);
const struct code_function *code_find_function(const struct code_image *image, const uint64_t *pc);
/* Line of the instruction at or before pc. false if unknown. */
bool code_find_line(
    const struct code_image *image, const uint64_t *pc, term *out_file, uint32_t *out_line);

/* Catch tags: index -> code to continue at. Process-wide, lock-free to read. */
const uint64_t *catch_target(size_t index);
size_t catch_reserve(size_t n); /* first index of n new ones */
void catch_set(size_t index, const uint64_t *target);
void catch_release(size_t first, size_t n);

#endif
