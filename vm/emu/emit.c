/* emit.c - from checked generic code to an image: writing words, labels, functions, tables.
 *
 * One pass over the generic instructions; each is handed to the emit_*.c file that knows it, which
 * may take its successors too. Labels are resolved at the end. A jump backwards that is neither a
 * call nor part of a receive goes through an island at the end of its function, which counts a
 * reduction: no code can loop without somebody noticing.
 */
#include "vm/emu/emit.h"

#include "lib/base/arena.h"
#include "vm/core/print.h"

static const uint32_t UNPLACED = UINT32_MAX;
static const uint64_t SCRATCH_X = (SCHED_X_REGISTERS - 1) * sizeof(term);

void emit_fail(struct emitter *e, const char *why)
{
    if (e->error == NULL) {
        e->error = why;
    }
}

void emit_word(struct emitter *e, uint64_t w)
{
    if (e->n_words == e->cap_words) {
        e->cap_words = e->cap_words * 2 + 64;
        e->words = vm_realloc(e->words, e->cap_words * sizeof(*e->words));
    }
    e->words[e->n_words++] = w;
}

void emit_op(struct emitter *e, enum op op, uint64_t a, uint64_t b, uint64_t c)
{
    if (a > UINT16_MAX || b > UINT16_MAX || c > UINT16_MAX) {
        emit_fail(e, "operand too large");
        a = b = c = 0;
    }
    e->insn = (uint32_t) e->n_words;
    if (e->n_starts == e->cap_starts) {
        e->cap_starts = e->cap_starts * 2 + 64;
        e->starts = vm_realloc(e->starts, e->cap_starts * sizeof(*e->starts));
    }
    e->starts[e->n_starts++] = e->insn;
    emit_word(e, (uint64_t) op | a << INSN_A_SHIFT | b << INSN_B_SHIFT | c << INSN_C_SHIFT);
}

static void add_fixup(struct emitter *e, uint32_t word, uint32_t label, enum fixup_kind kind)
{
    if (e->n_fixups == e->cap_fixups) {
        e->cap_fixups = e->cap_fixups * 2 + 64;
        e->fixups = vm_realloc(e->fixups, e->cap_fixups * sizeof(*e->fixups));
    }
    e->fixups[e->n_fixups++] = (struct fixup) { word, e->insn, label, kind };
}

/* A new label that is not in the generic code. */
static uint32_t new_label(struct emitter *e, uint32_t target)
{
    if (e->n_labels == e->cap_labels) {
        e->cap_labels = e->cap_labels * 2 + 16;
        e->label_word = vm_realloc(e->label_word, e->cap_labels * sizeof(*e->label_word));
        e->island_target = vm_realloc(e->island_target, e->cap_labels * sizeof(*e->island_target));
    }
    e->label_word[e->n_labels] = UNPLACED;
    e->island_target[e->n_labels] = target;
    return (uint32_t) e->n_labels++;
}

/* The label to jump to in order to get to `label`: an island if it lies behind. */
static uint32_t forward_label(struct emitter *e, uint32_t label)
{
    if (label >= e->gen->n_labels || e->label_word[label] == UNPLACED) {
        return label;
    }
    for (size_t i = e->first_island; i < e->n_labels; i++) {
        if (e->island_target[i] == label) {
            return (uint32_t) i;
        }
    }
    return new_label(e, label);
}

void emit_op_label(struct emitter *e, enum op op, uint64_t a, uint32_t label)
{
    emit_op(e, op, a, 0, 0);
    if (label != 0) {
        bool may_go_back = op == I_call || op == I_call_only || op == I_call_last || op == I_move_call_xx
            || op == I_move_call_yx || op == I_loop_rec_end || op == I_wait || op == I_wait_timeout
            || op == I_jump_back;
        uint32_t to = may_go_back ? label : forward_label(e, label);
        add_fixup(e, e->insn, to, FIX_L);
    }
}

void emit_labels(struct emitter *e, uint32_t label1, uint32_t label2)
{
    emit_word(e, 0);
    uint32_t word = (uint32_t) e->n_words - 1;
    add_fixup(e, word, forward_label(e, label1), FIX_LOW);
    if (label2 != 0) {
        add_fixup(e, word, forward_label(e, label2), FIX_HIGH);
    }
}

void emit_source(struct emitter *e, const struct gen_operand *o)
{
    if (o->kind == GEN_CONST) {
        emit_word(e, o->constant.word);
    } else if (o->kind == GEN_X) {
        emit_word(e, emit_x(o));
    } else if (o->kind == GEN_Y) {
        emit_word(e, emit_y(o) | REG_IS_Y);
    } else {
        emit_fail(e, "not a source operand");
    }
}

uint64_t emit_reg(struct emitter *e, const struct gen_operand *o)
{
    if (o->kind == GEN_X) {
        return emit_x(o);
    }
    if (o->kind == GEN_Y) {
        return emit_y(o) | REG_IS_Y;
    }
    emit_op(e, I_move_cx, SCRATCH_X, 0, 0);
    emit_source(e, o);
    return SCRATCH_X;
}

const struct gen_insn *emit_peek(const struct emitter *e, size_t n, enum opcode op)
{
    if (e->at + n >= e->gen->n_insns) {
        return NULL;
    }
    /* What needs something before or behind it stands alone. */
    const struct gen_insn *i = &e->gen->insns[e->at + n];
    return i->op == op && (i->flags & (GEN_PIN | GEN_NO_RETURN)) == 0 ? i : NULL;
}

/* ---- functions, lines, catches ---- */

intptr_t emit_function_of_label(const struct emitter *e, int64_t label)
{
    const struct gen_code *g = e->gen;
    if (label <= 0 || label >= g->n_labels || g->label_insn[label] == UINT32_MAX) {
        return -1;
    }
    uint32_t insn = g->label_insn[label];
    size_t low = 0, high = g->n_functions;
    while (low < high) { /* first function whose func_info lies after insn */
        size_t mid = (low + high) / 2;
        if (g->function_insn[mid] < insn) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == 0) {
        return -1;
    }
    for (uint32_t i = g->function_insn[low - 1] + 1; i <= insn; i++) {
        if (g->insns[i].op != OP_label && g->insns[i].op != OP_line) {
            return -1;
        }
    }
    return (intptr_t) low - 1;
}

static void emit_line(struct emitter *e, const struct gen_insn *i)
{
    struct code_image *image = e->image;
    struct beam_file *f = e->gen->file;
    int64_t index = gen_arg(e->gen, i, 0)->value;
    struct beam_line line = index > 0 && (size_t) index < f->n_lines ? f->lines[index] : (struct beam_line) { 0, 0 };
    if (image->n_lines > 0 && image->lines[image->n_lines - 1].word == e->n_words) {
        image->n_lines--;
    }
    if (image->n_lines == e->cap_lines) {
        e->cap_lines = e->cap_lines * 2 + 32;
        image->lines = vm_realloc(image->lines, e->cap_lines * sizeof(*image->lines));
    }
    image->lines[image->n_lines++] = (struct code_line) { (uint32_t) e->n_words, line.line, line.file };
}

void emit_lines_within(struct emitter *e, size_t n)
{
    for (size_t k = 1; k < n; k++) {
        const struct gen_insn *i = emit_peek(e, k, OP_line);
        if (i != NULL) {
            emit_line(e, i);
        }
    }
}

static void emit_try(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_code *g = e->gen;
    uint32_t label = (uint32_t) gen_arg(g, i, 1)->value;
    /* What is thrown lands in x0..x3, which only these two know how to take. */
    uint32_t target = g->label_insn[label];
    while (target < g->n_insns && (g->insns[target].op == OP_label || g->insns[target].op == OP_line)) {
        target++;
    }
    if (target >= g->n_insns || (g->insns[target].op != OP_catch_end && g->insns[target].op != OP_try_case)) {
        emit_fail(e, "a catch does not lead to catch_end or try_case");
        return;
    }
    if (e->n_catches == e->cap_catches) {
        e->cap_catches = e->cap_catches * 2 + 8;
        e->catches = vm_realloc(e->catches, e->cap_catches * sizeof(*e->catches));
    }
    emit_op(e, I_try, emit_y(gen_arg(g, i, 0)), 0, 0);
    e->catches[e->n_catches++] = (struct emit_catch) { label, (uint32_t) e->n_words };
    emit_word(e, 0); /* the tag, once catch_base is known: see place_catches */
}

static void place_island(struct emitter *e)
{
    for (size_t i = e->first_island; i < e->n_labels; i++) {
        e->label_word[i] = (uint32_t) e->n_words;
        emit_op_label(e, I_jump_back, 0, e->island_target[i]);
    }
    e->first_island = e->n_labels;
}

enum { LEADS_OVER = 1 << 15 }; /* with the number of a test: second is where it leads when it fails */

/* The number for two in one, OP_COUNT if there is none. */
static uint32_t pair_of(uint32_t first, uint32_t second)
{
    switch (first << 16 | second) {
#define PAIR(first, length, second)               \
    case (uint32_t) I_##first << 16 | I_##second: \
        return I_##first##__##second;
#define OVER(test, length, second)                              \
    case (uint32_t) (LEADS_OVER | I_##test) << 16 | I_##second: \
        return I_##test##__over__##second;
#include "vm/emu/ops.def"
    default:
        return OP_COUNT;
    }
}

/* The same for a test and both ways on from it. */
static uint32_t fork_of(uint32_t test, uint32_t out, uint32_t second)
{
    switch ((uint64_t) test << 32 | out << 16 | second) {
#define FORK(test, length, out, second)                                \
    case (uint64_t) I_##test << 32 | (uint32_t) I_##out << 16 | I_##second: \
        return I_##test##__##out##__over__##second;
#include "vm/emu/ops.def"
    default:
        return OP_COUNT;
    }
}

/* An instruction's number by itself, and as it is now. */
struct paired { uint32_t plain, now; };

static uint32_t pair_with(uint32_t first, struct paired second)
{
    uint32_t pair = pair_of(first, second.now);
    return pair != OP_COUNT ? pair : pair_of(first, second.plain);
}

static bool leaves_in_a_word(uint32_t op)
{
    return op == I_return || op == I_move_x_x0_ret || op == I_move_i_ret;
}

/* From the last instruction to the first, so that the second may be a pair already. */
static void make_pairs(struct emitter *e)
{
    struct paired next = { OP_COUNT, OP_COUNT }, next_but_one = next;
    size_t fixup = e->n_fixups;
    for (size_t i = e->n_starts; i-- > 0;) {
        uint32_t start = e->starts[i];
        uint64_t *w = &e->words[start];
        struct paired this = { (uint16_t) *w, OP_COUNT };
        while (fixup > 0 && e->fixups[fixup - 1].insn > start) {
            fixup--;
        }
        const struct fixup *f = fixup > 0 ? &e->fixups[fixup - 1] : NULL;
        if (leaves_in_a_word(next.plain) && i + 2 < e->n_starts && f != NULL && f->insn == start
            && f->label < e->n_labels && e->label_word[f->label] == e->starts[i + 2]) {
            this.now = fork_of(this.plain, next.plain, next_but_one.now);
            if (this.now == OP_COUNT) {
                this.now = pair_with(LEADS_OVER | this.plain, next_but_one);
            }
        }
        if (this.now == OP_COUNT) {
            this.now = pair_with(this.plain, next);
        }
        if (this.now == OP_COUNT) {
            this.now = this.plain;
        }
        *w = (*w & ~(uint64_t) UINT16_MAX) | this.now;
        next_but_one = next;
        next = this;
    }
    e->n_starts = 0;
}

static void end_function(struct emitter *e)
{
    struct code_image *image = e->image;
    if (image->n_functions > 0) {
        emit_op(e, I_unreachable, 0, 0, 0);
        place_island(e);
        make_pairs(e);
        image->functions[image->n_functions - 1].end_word = (uint32_t) e->n_words;
    }
}

static void begin_function(struct emitter *e, const struct gen_insn *i)
{
    struct code_function *f = &e->image->functions[e->image->n_functions++];
    f->name = gen_arg(e->gen, i, 1)->constant;
    f->arity = (uint32_t) gen_arg(e->gen, i, 2)->value;
    f->header_word = (uint32_t) e->n_words;
    emit_op(e, I_func_info, 0, 0, 0);
    emit_word(e, e->gen->module.word);
    emit_word(e, f->name.word);
    emit_word(e, f->arity);
    emit_word(e, 0);
    f->entry_word = (uint32_t) e->n_words;
    /* A function that is native here: calls from inside its module must find it as well. */
    const struct export *x = export_lookup(e->gen->module, f->name, f->arity);
    if (x != NULL && x->bif != NULL) {
        emit_op(e, I_call_bif_only, f->arity, 0, 0);
        emit_word(e, (uintptr_t) x->bif);
    }
}

/* Is insn the first of the labels and lines in front of a func_info? */
static bool starts_function(const struct emitter *e)
{
    const struct gen_code *g = e->gen;
    size_t next = e->image->n_functions;
    if (next >= g->n_functions) {
        return false;
    }
    size_t i = g->function_insn[next];
    while (i > 0 && (g->insns[i - 1].op == OP_label || g->insns[i - 1].op == OP_line)) {
        i--;
    }
    return e->at == i;
}

/* ---- dispatch over the generic instruction ---- */

static bool emit_one(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    if (i->op == OP_label) {
        bool is_entry = e->at > 0 && i[-1].op == OP_func_info;
        e->label_word[gen_arg(e->gen, i, 0)->value]
            = is_entry ? e->image->functions[e->image->n_functions - 1].entry_word : (uint32_t) e->n_words;
    } else if (i->op == OP_line) {
        emit_line(e, i);
    } else if (i->op == OP_func_info) {
        begin_function(e, i);
    } else if (i->op == OP_on_load) {
        struct code_function *f = &e->image->functions[e->image->n_functions - 1];
        e->image->on_load = f->name;
        e->image->on_load_word = f->entry_word;
    } else if (i->op == OP_try || i->op == OP_catch) {
        emit_try(e, i);
    } else if (i->op == OP_nif_start) {
        e->image->functions[e->image->n_functions - 1].declared_nif = true;
    } else if (i->op == OP_executable_line || i->op == OP_debug_line
        || i->op == OP_int_code_end || i->op == OP_fclearerror || i->op == OP_fcheckerror
        || i->op == OP_recv_mark || i->op == OP_recv_set) {
        return true;
    } else {
        return emit_move(e, i, used) || emit_test(e, i, used) || emit_select(e, i, used)
            || emit_data(e, i, used) || emit_call(e, i, used) || emit_bif(e, i, used)
            || emit_bits(e, i, used) || emit_build(e, i, used);
    }
    return true;
}

static void emit_all(struct emitter *e)
{
    for (e->at = 0; e->at < e->gen->n_insns && e->error == NULL;) {
        if (starts_function(e)) {
            end_function(e);
        }
        size_t used = 1;
        const struct gen_insn *i = &e->gen->insns[e->at];
        if (i->flags & GEN_PIN) {
            emit_op(e, I_pin, 0, 0, 0);
        }
        if ((i->flags & GEN_NO_RETURN) && i->op == OP_jump) {
            emit_op(e, I_unreachable, 0, 0, 0);
        } else if (!emit_one(e, i, &used)) {
            emit_fail(e, "instruction is not supported");
        } else if (i->flags & GEN_NO_RETURN) {
            emit_op(e, I_unreachable, 0, 0, 0);
        }
        if (e->error == NULL) {
            e->at += used;
        }
    }
    end_function(e);
}

/* ---- the end: labels, catches, tables ---- */

static void resolve_labels(struct emitter *e)
{
    for (size_t i = 0; i < e->n_fixups && e->error == NULL; i++) {
        const struct fixup *f = &e->fixups[i];
        uint32_t target = f->label < e->n_labels ? e->label_word[f->label] : UNPLACED;
        if (target == UNPLACED) {
            emit_fail(e, "jump to a label that is not there");
            return;
        }
        int64_t distance = ((int64_t) target - (int64_t) f->insn) * (int64_t) sizeof(uint64_t);
        if (distance > INT32_MAX || distance < INT32_MIN) {
            emit_fail(e, "module too large");
            return;
        }
        uint64_t *w = &e->words[f->word];
        if (f->kind == FIX_L) {
            *w |= (uint64_t) distance << INSN_L_SHIFT;
        } else if (f->kind == FIX_LOW) {
            *w |= (uint32_t) distance;
        } else {
            *w |= (uint64_t) distance << 32;
        }
    }
}

static void place_catches(struct emitter *e)
{
    struct code_image *image = e->image;
    image->n_catches = (uint32_t) e->n_catches;
    image->catch_base = (uint32_t) catch_reserve(e->n_catches);
    for (size_t i = 0; i < e->n_catches; i++) {
        struct emit_catch *c = &e->catches[i];
        catch_set(image->catch_base + i, image->words + e->label_word[c->label]);
        image->words[c->tag_word] = term_from_catch_index(image->catch_base + i).word;
    }
}

static void fill_tables(struct emitter *e)
{
    struct code_image *image = e->image;
    struct beam_file *f = e->gen->file;
    image->module = e->gen->module;
    image->n_files = f->n_line_files;
    image->files = vm_alloc((f->n_line_files + 1) * sizeof(term));
    memcpy(image->files, f->line_files, f->n_line_files * sizeof(term));
    image->attributes = f->attributes;
    image->compile_info = f->compile_info;
    memcpy(image->md5, f->md5, sizeof(image->md5));

    image->funs = vm_alloc((f->n_lambdas + 1) * sizeof(*image->funs));
    image->fun_words = vm_alloc((f->n_lambdas + 1) * sizeof(*image->fun_words));
    for (size_t i = 0; i < f->n_lambdas; i++) {
        const struct beam_lambda *l = &f->lambdas[i];
        intptr_t function = emit_function_of_label(e, l->label);
        if (function < 0 || l->n_free > l->arity || image->functions[function].arity != l->arity) {
            emit_fail(e, "FunT names a label that starts no function of that arity");
            return;
        }
        image->fun_words[i] = image->functions[function].entry_word;
        image->funs[i] = fun_entry_get(image->module, l->index, f->md5, l->old_uniq, l->arity - l->n_free,
            l->n_free, l->function);
        image->n_funs = i + 1;
    }
    image->exports = vm_alloc((f->n_exports + 1) * sizeof(*image->exports));
    for (size_t i = 0; i < f->n_exports; i++) {
        const struct beam_export *x = &f->exports[i];
        intptr_t function = emit_function_of_label(e, x->label);
        if (function < 0 || image->functions[function].arity != x->arity) {
            emit_fail(e, "ExpT names a label that starts no function of that arity");
            return;
        }
        image->functions[function].exported = true;
        image->exports[i].export = export_get(image->module, x->function, x->arity);
        image->exports[i].entry_word = image->functions[function].entry_word;
        image->n_exports = i + 1;
    }
}

static void emitter_free(struct emitter *e)
{
    vm_free(e->words);
    vm_free(e->starts);
    vm_free(e->label_word);
    vm_free(e->island_target);
    vm_free(e->fixups);
    vm_free(e->catches);
}

struct code_image *emit_image(const struct gen_code *code)
{
    struct beam_file *f = code->file;
    struct code_image *image = vm_zalloc(sizeof(*image));
    struct emitter e = { .gen = code, .image = image };
    image->functions = vm_zalloc((code->n_functions + 1) * sizeof(*image->functions));
    image->strings = vm_alloc(f->n_strings + 1); /* instructions point into it */
    if (f->n_strings > 0) {
        memcpy(image->strings, f->strings, f->n_strings);
    }
    e.cap_labels = e.n_labels = code->n_labels;
    e.first_island = code->n_labels;
    e.label_word = vm_alloc((code->n_labels + 1) * sizeof(*e.label_word));
    e.island_target = vm_zalloc((code->n_labels + 1) * sizeof(*e.island_target));
    for (size_t i = 0; i < code->n_labels; i++) {
        e.label_word[i] = UNPLACED;
    }
    emit_all(&e);
    if (e.error == NULL) {
        resolve_labels(&e);
    }
    if (e.error == NULL) {
        fill_tables(&e);
    }
    if (e.error == NULL) {
        image->words = vm_realloc(e.words, (e.n_words + 1) * sizeof(*e.words));
        image->n_words = e.n_words;
        e.words = NULL;
        place_catches(&e);
        image->literals = f->blocks;
        f->blocks = NULL;
    } else {
        const struct gen_insn *i = e.at < code->n_insns ? &code->insns[e.at] : NULL;
        struct text t = { .max = sizeof(f->error) - 1 };
        text_format(&t, "Code chunk, offset %u: %s%s%s", i == NULL ? 0 : i->offset, e.error,
            i == NULL ? "" : ": ", i == NULL ? "" : opcode_table[i->op].name);
        size_t n = t.len < sizeof(f->error) ? t.len : sizeof(f->error) - 1;
        memcpy(f->error, t.data, n);
        f->error[n] = '\0';
        text_free(&t);
        code_image_free(image);
        image = NULL;
    }
    emitter_free(&e);
    return image;
}

void interp_patch_native(struct code_image *image, size_t index, void *nif_func)
{
    struct code_function *f = &image->functions[index];
    __atomic_store_n(&image->words[f->header_word + CODE_WORD_NATIVE], (uintptr_t) nif_func, __ATOMIC_RELEASE);
    /* Somebody may be about to read the operands of what stands there. */
    uint64_t word = image->words[f->entry_word] & ~(uint64_t) UINT16_MAX;
    __atomic_store_n(&image->words[f->entry_word], word | I_call_nif, __ATOMIC_RELEASE);
}
