#include "vm/code/disasm.h"

#include <inttypes.h>
#include <string.h>

#include "vm/code/gen.h"
#include "vm/core/atom.h"
#include "vm/core/fun.h"

static void write_name(struct text *out, term module, term function, uint32_t arity)
{
    print_atom(out, module);
    text_cstr(out, ":");
    print_atom(out, function);
    text_format(out, "/%u", arity);
}

static void write_operand(
    struct text *out, const struct gen_code *c, const struct gen_operand *o, char letter)
{
    const struct beam_file *f = c->file;
    switch (o->kind) {
    case GEN_U:
        if (letter == 'I' || letter == 'B') {
            const struct export *e = f->imports[o->value];
            write_name(out, e->module, e->function, e->arity);
        } else if (letter == 'F' || letter == 'g') {
            const struct beam_lambda *l = &f->lambdas[o->value];
            text_format(out, "fun %" PRId64 " ", o->value);
            print_atom(out, l->function);
            text_format(out, "/%u", l->arity);
        } else {
            text_format(out, "%" PRId64, o->value);
        }
        break;
    case GEN_CONST:
        print_term(out, o->constant, PRINT_PRETTY);
        break;
    case GEN_X:
        text_format(out, "x%" PRId64, o->value);
        break;
    case GEN_Y:
        text_format(out, "y%" PRId64, o->value);
        break;
    case GEN_FR:
        text_format(out, "fr%" PRId64, o->value);
        break;
    case GEN_LABEL:
        text_format(out, "f%" PRId64, o->value);
        break;
    case GEN_LIST:
        break; /* by the caller */
    case GEN_ALLOC:
        text_format(out, "%" PRId64 " words", o->value);
        break;
    }
}

static void write_insn(struct text *out, const struct gen_code *c, const struct gen_insn *insn)
{
    const struct opcode_info *info = &opcode_table[insn->op];
    if (insn->op == OP_label) {
        text_format(out, "%8u  f%" PRId64 ":\n", insn->offset, gen_arg(c, insn, 0)->value);
        return;
    }
    text_format(out, "%8u      %s", insn->offset, info->name);
    const char *letters = info->operands;
    size_t list_at = strcspn(letters, "[");
    size_t period = letters[list_at] == '[' ? strcspn(letters + list_at + 1, "]") : 0;
    for (size_t i = 0; i < insn->n_operands; i++) {
        const struct gen_operand *o = gen_arg(c, insn, i);
        bool in_list = i > list_at;
        char letter = in_list ? letters[list_at + 1 + (i - list_at - 1) % period] : letters[i];
        if (in_list) {
            text_cstr(out, i == list_at + 1                                ? ""
                           : period > 1 && (i - list_at - 1) % period == 0 ? "; "
                                                                           : ", ");
        } else {
            text_cstr(out, i == 0 ? " " : ", ");
        }
        if (o->kind == GEN_LIST) {
            text_cstr(out, "[");
        } else {
            write_operand(out, c, o, letter);
        }
    }
    text_cstr(out, period > 0 ? "]" : "");
    if (insn->op == OP_line && gen_arg(c, insn, 0)->value < (int64_t) c->file->n_lines) {
        const struct beam_line *line = &c->file->lines[gen_arg(c, insn, 0)->value];
        if (line->line != 0) {
            text_cstr(out, "  % ");
            print_term(out, c->file->line_files[line->file], PRINT_PRETTY);
            text_format(out, ":%u", line->line);
        }
    }
    text_cstr(out, "\n");
}

static void write_module(struct text *out, const struct gen_code *c)
{
    const struct beam_file *f = c->file;
    text_cstr(out, "module ");
    print_atom(out, f->module);
    text_format(out, "  %% %u functions, %u labels, opcodes up to %u, ", f->n_functions,
        f->n_labels, f->opcode_max);
    text_format(out, "%zu atoms, %zu imports, %zu literals, %zu funs\n", f->n_atoms, f->n_imports,
        f->n_literals, f->n_lambdas);
    text_cstr(out, "attributes ");
    print_term(out, f->attributes, PRINT_PRETTY);
    text_cstr(out, "\n");
    size_t function = 0;
    for (size_t i = 0; i < c->n_insns; i++) {
        /* A function starts with the labels and lines before its func_info. */
        if (function < c->n_functions) {
            size_t info = c->function_insn[function];
            size_t k = i;
            while (k < info && (c->insns[k].op == OP_label || c->insns[k].op == OP_line)) {
                k++;
            }
            if (k == info) {
                text_cstr(out, "\n");
                print_atom(out, gen_arg(c, &c->insns[info], 1)->constant);
                text_format(out, "/%" PRId64, gen_arg(c, &c->insns[info], 2)->value);
                for (size_t e = 0; e < f->n_exports; e++) {
                    if (info + 1 < c->n_insns
                        && f->exports[e].label == gen_arg(c, &c->insns[info + 1], 0)->value) {
                        text_cstr(out, "  % exported");
                    }
                }
                text_cstr(out, "\n");
                function++;
            }
        }
        write_insn(out, c, &c->insns[i]);
    }
}

bool disasm_beam(const uint8_t *bytes, size_t n, struct text *out, char error[256])
{
    struct beam_file file;
    struct gen_code code = { 0 };
    bool ok = beam_file_parse(bytes, n, &file) && gen_decode(&file, &code);
    if (ok) {
        write_module(out, &code);
    } else {
        memcpy(error, file.error, sizeof(file.error));
    }
    gen_free(&code);
    beam_file_free(&file);
    return ok;
}
