#include "vm/code/gen_validate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "vm/core/atom.h"

/* Honest code stays far below; code made to be slow is refused instead of followed. */
enum { STEPS_PER_INSN = 64, STEPS_SPARE = 1 << 16 };

bool vfail(struct validator *v, const char *fmt, ...)
{
    if (!v->failed) {
        char what[160];
        va_list args;
        va_start(args, fmt);
        vsnprintf(what, sizeof(what), fmt, args);
        va_end(args);
        gen_fail(v->file, v->insn->offset, "%s: %s", opcode_table[v->insn->op].name, what);
        v->failed = true;
    }
    v->reachable = false;
    return false;
}

/* ---- the layout of the code ---- */

static bool bad_layout(struct validator *v, uint32_t insn, const char *what)
{
    v->insn = &v->code->insns[insn];
    return vfail(v, "%s", what);
}

/* Functions: [label, line]..., func_info, entry label, code up to where the next one starts. */
static bool find_functions(struct validator *v)
{
    const struct gen_code *c = v->code;
    size_t n_args = 0;
    for (uint32_t i = 0; i < c->n_functions; i++) {
        struct vfunction *f = &v->functions[i];
        uint32_t info = c->function_insn[i];
        uint32_t start = info;
        uint32_t floor = i == 0 ? 0 : c->function_insn[i - 1] + 1;
        while (start > floor
               && (c->insns[start - 1].op == OP_label || c->insns[start - 1].op == OP_line
                   || c->insns[start - 1].op == OP_executable_line
                   || c->insns[start - 1].op == OP_debug_line)) {
            start--;
        }
        if (info + 1 >= c->n_insns || c->insns[info + 1].op != OP_label) {
            return bad_layout(v, info, "no label behind it");
        }
        if (!term_same(gen_arg(c, &c->insns[info], 0)->constant, c->module)) {
            return bad_layout(v, info, "a function of another module");
        }
        *f = (struct vfunction) {
            .start = start,
            .entry = info + 1,
            .label = (uint32_t) gen_arg(c, &c->insns[info + 1], 0)->value,
            .arity = (uint32_t) gen_arg(c, &c->insns[info], 2)->value,
        };
        v->label_function[f->label] = i + 1;
        n_args += f->arity;
        if (i > 0) {
            v->functions[i - 1].end = start;
            /* The label right behind a func_info belongs to that function, not to the next. */
            if (start <= v->functions[i - 1].entry) {
                return bad_layout(v, info, "a function without code before it");
            }
        } else if (start != 0) {
            return bad_layout(v, 0, "code outside of functions");
        }
    }
    if (c->n_functions > 0) {
        v->functions[c->n_functions - 1].end = (uint32_t) c->n_insns - 1; /* int_code_end */
    } else if (c->n_insns != 1) {
        return bad_layout(v, 0, "code outside of functions");
    }
    v->args = vm_try_alloc((n_args + 1) * sizeof(reg));
    if (v->args == NULL) {
        return bad_layout(v, 0, "no memory");
    }
    reg *args = v->args;
    for (uint32_t i = 0; i < c->n_functions; i++) {
        v->functions[i].args = args;
        args += v->functions[i].arity;
    }
    return true;
}

static struct vfunction *function_at(struct validator *v, uint32_t label)
{
    uint32_t i = v->label_function[label];
    return i == 0 ? NULL : &v->functions[i - 1];
}

/* May be called from anywhere with any terms. */
static void open_to_all(struct vfunction *f)
{
    reg any[256];
    for (uint32_t i = 0; i < f->arity; i++) {
        any[i] = reg_make(REG_TERM, 0);
    }
    vmerge_args(f, any);
}

static bool check_tables(struct validator *v)
{
    struct beam_file *file = v->file;
    const struct gen_code *c = v->code;
    char *error = file->error;
    for (int pass = 0; pass < 2; pass++) {
        const struct beam_export *table = pass == 0 ? file->exports : file->locals;
        size_t n = pass == 0 ? file->n_exports : file->n_locals;
        for (size_t i = 0; i < n; i++) {
            struct vfunction *f = function_at(v, table[i].label);
            if (f == NULL || f->arity != table[i].arity
                || !term_same(
                    gen_arg(c, &c->insns[f->entry - 1], 1)->constant, table[i].function)) {
                snprintf(error, sizeof(file->error),
                    "%s chunk, offset %zu: label %u is not that of %.100s/%u",
                    pass == 0 ? "ExpT" : "LocT", 4 + 12 * i, table[i].label,
                    atom_cstr(table[i].function), table[i].arity);
                return false;
            }
            if (pass == 0) {
                open_to_all(f);
            }
        }
    }
    for (size_t i = 0; i < file->n_lambdas; i++) {
        const struct beam_lambda *l = &file->lambdas[i];
        struct vfunction *f = function_at(v, l->label);
        if (f == NULL || f->arity != l->arity
            || !term_same(gen_arg(c, &c->insns[f->entry - 1], 1)->constant, l->function)) {
            snprintf(error, sizeof(file->error),
                "FunT chunk, offset %zu: label %u is not that of %.100s/%u", 4 + 24 * i, l->label,
                atom_cstr(l->function), l->arity);
            return false;
        }
        open_to_all(f);
    }
    return true;
}

/* ---- the work ---- */

static void enter_function(struct validator *v, struct vfunction *f)
{
    struct vstate *s = &v->s;
    memset(s->x, 0, s->n_x * sizeof(reg));
    s->n_x = s->n_y = s->n_f = s->heap_words = s->n_tags = 0;
    s->frame = FRAME_NONE;
    s->building = false;
    v->function = f;
    v->insn = &v->code->insns[f->entry];
    v->at = f->entry;
    v->lowest_dirty = f->entry;
    v->backward = false;
    f->dirty = false;
    if (v->label_states[f->label] == NULL) {
        varrive(v, f->label, f->args, f->arity, 0, 0);
    } else {
        memcpy(s->x, f->args, f->arity * sizeof(reg));
        s->n_x = f->arity;
        varrive(v, f->label, s->x, s->n_x, 0, 0);
    }
}

/* The compiler may know that an instruction never succeeds and let it run into the handler of a try. */
static bool stops_before_try(struct validator *v)
{
    if (v->insn[1].op != OP_try_case || v->previous == NULL || v->previous->op == OP_label) {
        return false;
    }
    v->previous->flags |= GEN_NO_RETURN;
    return true;
}

static bool run_function(struct validator *v, struct vfunction *f)
{
    struct gen_code *c = v->code;
    enter_function(v, f);
    while (v->n_dirty > 0 && !v->failed) {
        uint32_t i = v->lowest_dirty;
        v->lowest_dirty = UINT32_MAX;
        v->reachable = false;
        for (; i < f->end && !v->failed && (v->reachable || v->n_dirty > 0); i++) {
            v->insn = &c->insns[i];
            v->at = i;
            v->previous = v->reachable ? &c->insns[i - 1] : NULL;
            if (v->insn->op == OP_label) {
                uint32_t label = (uint32_t) gen_arg(c, v->insn, 0)->value;
                if (v->reachable && !stops_before_try(v)) {
                    varrive(v, label, v->s.x, v->s.n_x, vfloat_prefix(&v->s), v->s.heap_words);
                }
                v->reachable = v->label_dirty[label];
                if (v->reachable) {
                    v->label_dirty[label] = false;
                    v->n_dirty--;
                    vload_label(v, label);
                }
            } else if (v->reachable) {
                if (++v->steps > STEPS_PER_INSN * c->n_insns + STEPS_SPARE) {
                    vfail(v, "the code is too complex to be checked");
                    break;
                }
                if (!vstep_data(v) && !vstep_flow(v) && !vstep_bits(v)) {
                    vfail(v, "not expected here");
                }
            }
        }
        if (v->reachable && !v->failed) {
            vfail(v, "the function ends without a return, jump or call");
        }
        for (uint32_t k = f->start; v->lowest_dirty == UINT32_MAX && v->n_dirty > 0 && k < f->end;
             k++) {
            if (c->insns[k].op == OP_label && v->label_dirty[gen_arg(c, &c->insns[k], 0)->value]) {
                v->lowest_dirty = k;
            }
        }
    }
    return !v->failed && (!v->backward || vcheck_loops(v));
}

static bool run_all(struct validator *v)
{
    uint32_t n = v->code->n_functions;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < n; i++) {
            if (v->functions[i].dirty) {
                again = true;
                if (!run_function(v, &v->functions[i])) {
                    return false;
                }
            }
        }
        /* What nobody calls is checked like what everybody may call. */
        for (uint32_t i = 0; !again && i < n; i++) {
            if (!v->functions[i].reached) {
                open_to_all(&v->functions[i]);
                again = true;
            }
        }
    }
    return true;
}

bool gen_validate(struct gen_code *code)
{
    struct validator *v = vm_zalloc(sizeof(*v));
    size_t n_labels = (size_t) code->n_labels + 1;
    v->code = code;
    v->file = code->file;
    v->insn = code->insns;
    v->functions = vm_try_alloc(((size_t) code->n_functions + 1) * sizeof(*v->functions));
    v->label_function = vm_try_alloc(n_labels * sizeof(*v->label_function));
    v->label_states = vm_try_alloc(n_labels * sizeof(*v->label_states));
    v->label_dirty = vm_try_alloc(n_labels);
    bool ok = v->functions != NULL && v->label_function != NULL && v->label_states != NULL
              && v->label_dirty != NULL;
    if (ok) {
        memset(v->label_function, 0, n_labels * sizeof(*v->label_function));
        memset(v->label_states, 0, n_labels * sizeof(*v->label_states));
        memset(v->label_dirty, 0, n_labels);
        ok = find_functions(v) && check_tables(v) && run_all(v);
    } else {
        vfail(v, "no memory");
        n_labels = 0; /* there are no states yet */
    }
    for (size_t i = 0; v->label_states != NULL && i < n_labels; i++) {
        vm_free(v->label_states[i]);
    }
    vm_free(v->functions);
    vm_free(v->label_function);
    vm_free(v->label_states);
    vm_free(v->label_dirty);
    vm_free(v->args);
    vm_free(v);
    return ok;
}
