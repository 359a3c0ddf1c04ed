/* The Code chunk's bytes into generic instructions. Everything one instruction can tell by itself
 * is checked here: operand kinds, table indices, register numbers; gen_validate.c does the rest. */
#include "vm/code/gen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "vm/code/gen_internal.h"
#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/copy.h"

/* Tags in the low three bits of a compact term. */
enum compact_tag {
    COMPACT_U = 0,
    COMPACT_I,
    COMPACT_A,
    COMPACT_X,
    COMPACT_Y,
    COMPACT_F,
    COMPACT_H,
    COMPACT_Z
};
enum extended { EXT_LIST = 1, EXT_FR = 2, EXT_ALLOC = 3, EXT_LITERAL = 4, EXT_TYPED = 5 };
enum { ALLOC_WORDS = 0, ALLOC_FLOATS = 1, ALLOC_FUNS = 2 };

struct decoder {
    struct gen_code *code;
    struct beam_file *file;
    const uint8_t *at, *end;
    const uint8_t *insn_start;
    const char *insn_name;
    bool any_count; /* of bits that are left: compilers write what no binary has, and it never matches */
    size_t operands_cap;
    bool failed;
};

bool gen_fail(struct beam_file *file, size_t offset, const char *fmt, ...)
{
    if (file->error[0] == '\0') {
        int n = snprintf(file->error, sizeof(file->error), "Code chunk, offset %zu: ", offset);
        va_list args;
        va_start(args, fmt);
        vsnprintf(file->error + n, sizeof(file->error) - (size_t) n, fmt, args);
        va_end(args);
    }
    return false;
}

static size_t offset_of(const struct decoder *d, const uint8_t *at)
{
    /* Offsets count from the start of the chunk, whose header precedes the instructions. */
    return (size_t) (at - d->file->code) + d->file->code_offset;
}

#define FAIL(d, at, ...) ((d)->failed = true, gen_fail((d)->file, offset_of(d, at), __VA_ARGS__))

/* ---- compact terms ---- */

struct raw {
    enum compact_tag tag;
    int64_t value;
    term big; /* tag I only: does not fit value; else TERM_NONE */
};

/* A number of n bytes, two's complement, most significant first. */
static bool read_long(struct decoder *d, size_t n, struct raw *out)
{
    if (n > (size_t) (d->end - d->at)) {
        return FAIL(d, d->at, "number of %zu bytes, %zu left", n, (size_t) (d->end - d->at));
    }
    const uint8_t *p = d->at;
    d->at += n;
    bool negative = (p[0] & 0x80) != 0;
    if (n <= 8) {
        uint64_t v = negative ? UINT64_MAX : 0;
        for (size_t i = 0; i < n; i++) {
            v = v << 8 | p[i];
        }
        out->value = (int64_t) v;
        return true;
    }
    if (out->tag == COMPACT_U && d->any_count && !negative) {
        out->value = INT64_MAX;
        return true;
    }
    if (out->tag != COMPACT_I) {
        return FAIL(d, p, "number out of range");
    }
    uint8_t *le = vm_try_alloc(n);
    if (le == NULL) {
        return FAIL(d, p, "no memory for a number");
    }
    unsigned carry = 1;
    for (size_t i = 0; i < n; i++) {
        unsigned b = p[n - 1 - i];
        if (negative) {
            b = (~b & 0xFF) + carry;
            carry = b >> 8;
        }
        le[i] = (uint8_t) b;
    }
    struct heap h;
    heap_init_frags(&h);
    term t = integer_from_bytes_le(&h, le, n, negative);
    out->big = term_is_none(t) || term_is_small(t) ? t : literal_copy(t, &d->file->blocks);
    heap_destroy(&h);
    vm_free(le);
    return !term_is_none(out->big) || FAIL(d, p, "no memory for a number");
}

static bool read_raw(struct decoder *d, struct raw *out)
{
    if (d->at >= d->end) {
        return FAIL(d, d->at, "code ends inside of an instruction (%s)", d->insn_name);
    }
    uint8_t b = *d->at++;
    out->tag = b & 7;
    out->big = TERM_NONE;
    if ((b & 8) == 0 || out->tag == COMPACT_Z) {
        out->value = b >> 4;
        return true;
    }
    if ((b & 16) == 0) {
        if (d->at >= d->end) {
            return FAIL(d, d->at, "code ends inside of an instruction (%s)", d->insn_name);
        }
        out->value = (b >> 5) << 8 | *d->at++;
        return true;
    }
    size_t n = (size_t) (b >> 5) + 2;
    if (n == 9) {
        struct raw length;
        const uint8_t *at = d->at;
        /* The length is itself a number, but never of a length that needs one. */
        if (d->at < d->end && (*d->at & 0xF8) == 0xF8) {
            return FAIL(d, at, "number out of range");
        }
        if (!read_raw(d, &length)) {
            return false;
        }
        if (length.tag != COMPACT_U || length.value < 0) {
            return FAIL(d, at, "length of a number expected");
        }
        n += (size_t) length.value;
    }
    return read_long(d, n, out);
}

/* Unsigned number that goes with an extended tag. */
static bool read_count(struct decoder *d, int64_t max, const char *what, int64_t *out)
{
    struct raw r;
    const uint8_t *at = d->at;
    if (!read_raw(d, &r)) {
        return false;
    }
    if (r.tag != COMPACT_U || r.value < 0 || r.value >= max) {
        return FAIL(d, at, "%s: %s out of range", d->insn_name, what);
    }
    *out = r.value;
    return true;
}

static bool read_alloc_list(struct decoder *d, struct gen_operand *out)
{
    int64_t n, total = 0;
    if (!read_count(d, 8, "allocation list", &n)) {
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t kind, count;
        if (!read_count(d, 3, "kind of allocation", &kind)
            || !read_count(d, GEN_MAX_HEAP_WORDS, "allocation", &count)) {
            return false;
        }
        total += kind == ALLOC_WORDS    ? count
                 : kind == ALLOC_FLOATS ? count * HEAP_FLOAT_WORDS
                                        : count * (int64_t) HEAP_FUN_WORDS(0);
    }
    if (total >= GEN_MAX_HEAP_WORDS) {
        return FAIL(d, d->at, "%s: allocation out of range", d->insn_name);
    }
    *out = (struct gen_operand) { .kind = GEN_ALLOC, .value = total };
    return true;
}

static struct gen_operand constant(term t)
{
    return (struct gen_operand) { .kind = GEN_CONST, .constant = t };
}

static bool read_register(
    struct decoder *d, const uint8_t *at, const struct raw *r, struct gen_operand *out)
{
    if (r->value < 0 || r->value >= GEN_MAX_REGISTERS) {
        return FAIL(d, at, "%s: register out of range", d->insn_name);
    }
    *out = (struct gen_operand) { .kind = r->tag == COMPACT_X ? GEN_X : GEN_Y, .value = r->value };
    return true;
}

/* TERM_NONE: no memory. */
static term number(struct decoder *d, const struct raw *r)
{
    if (!term_is_none(r->big)) {
        return r->big;
    }
    if (intptr_fits_small(r->value)) {
        return term_from_small(r->value);
    }
    struct heap h;
    heap_init_frags(&h);
    term t = literal_copy(heap_integer(&h, r->value), &d->file->blocks);
    heap_destroy(&h);
    return t;
}

static bool read_number_of(struct decoder *d, enum gen_kind kind, int64_t limit, const char *what, struct gen_operand *out)
{
    int64_t n;
    if (!read_count(d, limit, what, &n)) {
        return false;
    }
    *out = (struct gen_operand) { .kind = kind, .value = n };
    return true;
}

static bool read_typed_register(struct decoder *d, struct gen_operand *out)
{
    struct raw r;
    int64_t type;
    const uint8_t *at = d->at;
    if (!read_raw(d, &r)) {
        return false;
    }
    if (r.tag != COMPACT_X && r.tag != COMPACT_Y) {
        return FAIL(d, at, "%s: a type goes with a register", d->insn_name);
    }
    return read_register(d, at, &r, out) && read_count(d, UINT32_MAX, "type", &type);
}

/* An operand of the extended kinds, which began at `at`. */
static bool read_extended(struct decoder *d, const uint8_t *at, int64_t kind, struct gen_operand *out)
{
    int64_t n;
    switch (kind) {
    case EXT_LIST:
        return read_number_of(d, GEN_LIST, d->end - d->at + 1, "list length", out);
    case EXT_FR:
        return read_number_of(d, GEN_FR, GEN_MAX_FLOAT_REGISTERS, "floating point register", out);
    case EXT_ALLOC:
        return read_alloc_list(d, out);
    case EXT_LITERAL:
        if (!read_count(d, (int64_t) d->file->n_literals, "literal", &n)) {
            return false;
        }
        *out = constant(d->file->literals[n]);
        return true;
    case EXT_TYPED:
        return read_typed_register(d, out);
    default:
        return FAIL(d, at, "%s: operand kind is unknown", d->insn_name);
    }
}

static bool read_operand(struct decoder *d, struct gen_operand *out)
{
    struct raw r;
    const uint8_t *at = d->at;
    if (!read_raw(d, &r)) {
        return false;
    }
    switch (r.tag) {
    case COMPACT_X:
    case COMPACT_Y:
        return read_register(d, at, &r, out);
    case COMPACT_U:
        if (r.value < 0 || (r.value > UINT32_MAX && !d->any_count)) {
            return FAIL(d, at, "%s: number out of range", d->insn_name);
        }
        *out = (struct gen_operand) { .kind = GEN_U, .value = r.value };
        return true;
    case COMPACT_I:
        *out = constant(number(d, &r));
        return !term_is_none(out->constant) || FAIL(d, at, "no memory for a number");
    case COMPACT_A:
        if (r.value < 0 || (uint64_t) r.value > d->file->n_atoms) {
            return FAIL(
                d, at, "%s: atom is not in the table of %zu", d->insn_name, d->file->n_atoms);
        }
        *out = constant(r.value == 0 ? TERM_NIL : d->file->atoms[r.value]);
        return true;
    case COMPACT_F:
        if (r.value < 0 || r.value >= (int64_t) d->file->n_labels) {
            return FAIL(d, at, "%s: label is not below %u", d->insn_name, d->file->n_labels);
        }
        *out = (struct gen_operand) { .kind = GEN_LABEL, .value = r.value };
        return true;
    case COMPACT_H:
        return FAIL(d, at, "%s: character operands are obsolete", d->insn_name);
    case COMPACT_Z:
        break;
    }
    return read_extended(d, at, r.value, out);
}

/* ---- operands against the letters of opcodes.def ---- */

/* Is o what the letter stands for? Numbers take the form that it asks for. */
static bool is_of_letter(const struct beam_file *f, char letter, struct gen_operand *o)
{
    bool is_register = o->kind == GEN_X || o->kind == GEN_Y, is_const = o->kind == GEN_CONST;
    bool source = is_register || is_const;
    switch (letter) {
    case 's':
        return source;
    case 'r':
    case 'd':
        return is_register;
    case 'x':
        return o->kind == GEN_X;
    case 'y':
        return o->kind == GEN_Y;
    case 'l':
        return o->kind == GEN_FR;
    case 'e':
        return o->kind == GEN_FR || is_register || (is_const && term_is_float(o->constant));
    case 'E':
        return o->kind == GEN_FR || is_register;
    case 'c':
        return is_const;
    case 'a':
        return is_const && term_is_atom(o->constant);
    case 'C':
        return is_const && term_list_length(o->constant) >= 0;
    case 'f':
        return o->kind == GEN_LABEL && o->value != 0;
    case 'j':
        return o->kind == GEN_LABEL;
    case 'm':
        return (o->kind == GEN_LABEL && o->value != 0)
               || (is_const && (term_same(o->constant, ATOM(no_fail)) || term_same(o->constant, ATOM(resume))));
    case 'u':
    case 'S':
        return o->kind == GEN_U;
    case 'n':
        if (is_const && term_is_small(o->constant) && (uintptr_t) term_to_small(o->constant) <= UINT32_MAX) {
            *o = (struct gen_operand) { .kind = GEN_U, .value = term_to_small(o->constant) };
        }
        return o->kind == GEN_U;
    case 'z':
        if (o->kind == GEN_U) {
            *o = constant(term_from_small(o->value));
            return true;
        }
        return source;
    case 'h':
        return (o->kind == GEN_U && o->value < GEN_MAX_HEAP_WORDS) || o->kind == GEN_ALLOC;
    case 'v':
        return source || o->kind == GEN_U;
    case 'g':
        return (o->kind == GEN_U && (size_t) o->value < f->n_lambdas)
               || (is_const && (term_same(o->constant, ATOM(safe)) || term_same(o->constant, ATOM(unsafe))));
    case 'I':
    case 'B':
        return o->kind == GEN_U && (size_t) o->value < f->n_imports;
    case 'F':
        return o->kind == GEN_U && (size_t) o->value < f->n_lambdas;
    case '*':
        return source || o->kind == GEN_U;
    default:
        VM_REQUIRE(!"letter of opcodes.def");
    }
    return false;
}

static bool check_operand(struct decoder *d, const uint8_t *at, char letter, struct gen_operand *o)
{
    return is_of_letter(d->file, letter, o)
           || FAIL(d, at, "%s: operand of the wrong kind ('%c' expected)", d->insn_name, letter);
}

static struct gen_operand *new_operand(struct decoder *d)
{
    VM_REQUIRE(d->code->n_operands < d->operands_cap);
    return &d->code->operands[d->code->n_operands++];
}

static bool decode_one(struct decoder *d, char letter)
{
    struct gen_operand *o = new_operand(d);
    const uint8_t *at = d->at;
    return read_operand(d, o) && check_operand(d, at, letter, o);
}

static bool decode_list(struct decoder *d, const char *letters)
{
    struct gen_operand *o = new_operand(d);
    const uint8_t *at = d->at;
    if (!read_operand(d, o)) {
        return false;
    }
    size_t period = strcspn(letters, "]");
    if (o->kind != GEN_LIST || (size_t) o->value % period != 0) {
        return FAIL(d, at, "%s: list of %zu operands each expected", d->insn_name, period);
    }
    for (int64_t i = 0, n = o->value; i < n; i++) {
        if (!decode_one(d, letters[(size_t) i % period])) {
            return false;
        }
    }
    return true;
}

static bool decode_operands(struct decoder *d, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        if (*letters == '[') {
            return decode_list(d, letters + 1);
        }
        if (!decode_one(d, *letters)) {
            return false;
        }
    }
    return true;
}

/* ---- instructions ---- */

static bool note_label(struct decoder *d, const struct gen_insn *insn)
{
    struct gen_code *c = d->code;
    int64_t label = gen_arg(c, insn, 0)->value;
    if (label == 0 || label >= (int64_t) c->n_labels) {
        return FAIL(d, d->insn_start, "label %lld of %u", (long long) label, c->n_labels);
    }
    if (c->label_insn[label] != UINT32_MAX) {
        return FAIL(d, d->insn_start, "label %lld is there twice", (long long) label);
    }
    c->label_insn[label] = (uint32_t) (insn - c->insns);
    return true;
}

static bool note_function(struct decoder *d, const struct gen_insn *insn)
{
    struct gen_code *c = d->code;
    if (c->n_functions == d->file->n_functions) {
        return FAIL(d, d->insn_start, "more than the %u functions announced", d->file->n_functions);
    }
    if (gen_arg(c, insn, 2)->value > 255) {
        return FAIL(
            d, d->insn_start, "function of arity %lld", (long long) gen_arg(c, insn, 2)->value);
    }
    c->function_insn[c->n_functions++] = (uint32_t) (insn - c->insns);
    return true;
}

static bool decode_insn(struct decoder *d)
{
    struct gen_code *c = d->code;
    d->insn_start = d->at;
    unsigned op = *d->at++;
    if (op == 0 || op > OPCODE_MAX || opcode_table[op].name == NULL) {
        return FAIL(d, d->insn_start, "unknown opcode %u", op);
    }
    const struct opcode_info *info = &opcode_table[op];
    d->insn_name = info->name;
    d->any_count = op == OP_bs_test_tail2;
    if (info->operands == NULL) {
        return FAIL(d, d->insn_start,
            "obsolete instruction %s/%u: please recompile with OTP 22 or later", info->name, op);
    }
    struct gen_insn *insn = &c->insns[c->n_insns];
    *insn = (struct gen_insn) {
        .op = (uint16_t) op,
        .first_operand = (uint32_t) c->n_operands,
        .offset = (uint32_t) offset_of(d, d->insn_start),
    };
    if (!decode_operands(d, info->operands)) {
        return false;
    }
    insn->n_operands = (uint32_t) c->n_operands - insn->first_operand;
    if ((op == OP_label && !note_label(d, insn))
        || (op == OP_func_info && !note_function(d, insn))) {
        return false;
    }
    c->n_insns++;
    return true;
}

bool gen_decode(struct beam_file *file, struct gen_code *out)
{
    memset(out, 0, sizeof(*out));
    out->file = file;
    out->module = file->module;
    struct decoder d = { .code = out,
        .file = file,
        .at = file->code,
        .end = file->code + file->n_code,
        .insn_name = "" };
    if (file->opcode_max > OPCODE_MAX) {
        return gen_fail(file, 8,
            "compiled for opcodes up to %u, this VM knows %d: please recompile with OTP 28 or "
            "older",
            file->opcode_max, OPCODE_MAX);
    }
    /* Every instruction and every operand takes a byte at least, so these are always enough. */
    d.operands_cap = file->n_code + 1;
    out->insns = vm_try_alloc(file->n_code * sizeof(*out->insns) + 1);
    out->operands = vm_try_alloc(d.operands_cap * sizeof(*out->operands));
    out->n_labels = file->n_labels;
    out->label_insn = vm_try_alloc(((size_t) file->n_labels + 1) * sizeof(*out->label_insn));
    out->function_insn =
        vm_try_alloc(((size_t) file->n_functions + 1) * sizeof(*out->function_insn));
    if (out->insns == NULL || out->operands == NULL || out->label_insn == NULL
        || out->function_insn == NULL) {
        return FAIL(&d, d.at, "no memory for %zu bytes of code", file->n_code);
    }
    memset(out->label_insn, 0xFF, ((size_t) file->n_labels + 1) * sizeof(*out->label_insn));
    do {
        if (d.at >= d.end) {
            return FAIL(&d, d.at, "code does not end in int_code_end");
        }
        if (!decode_insn(&d)) {
            return false;
        }
    } while (out->insns[out->n_insns - 1].op != OP_int_code_end);
    if (d.at != d.end) {
        return FAIL(&d, d.at, "%zu bytes behind int_code_end", (size_t) (d.end - d.at));
    }
    if (out->n_functions != file->n_functions) {
        return FAIL(&d, d.at, "%u functions, %u announced", out->n_functions, file->n_functions);
    }
    return true;
}

void gen_free(struct gen_code *code)
{
    vm_free(code->insns);
    vm_free(code->operands);
    vm_free(code->label_insn);
    vm_free(code->function_insn);
    memset(code, 0, sizeof(*code));
}
