#include "lib/base/arena.h"
#include "vm/code/gen_validate.h"

/* ---- loops ----
 *
 * A process can be stopped where it calls or waits. A loop that does neither would hold a
 * scheduler for ever, so there must be none. The compiler writes none. */

static bool gives_way(unsigned op)
{
    switch (op) {
    case OP_call:
    case OP_call_ext:
    case OP_call_fun:
    case OP_call_fun2:
    case OP_apply:
    case OP_wait:
    case OP_wait_timeout:
    case OP_loop_rec_end:
        return true;
    default:
        return false;
    }
}

static bool ends_block(unsigned op)
{
    switch (op) {
    case OP_jump:
    case OP_return:
    case OP_select_val:
    case OP_select_tuple_arity:
    case OP_call_only:
    case OP_call_last:
    case OP_call_ext_only:
    case OP_call_ext_last:
    case OP_apply_last:
    case OP_badmatch:
    case OP_case_end:
    case OP_if_end:
    case OP_try_case_end:
    case OP_badrecord:
    case OP_raise:
    case OP_func_info:
        return true;
    default:
        return false;
    }
}

/* Depth first over the blocks of the function, through edges not cut by gives_way(). Work is
 * kept as the instruction to go on with and the operand that comes next. */
bool vcheck_loops(struct validator *v)
{
    const struct gen_code *c = v->code;
    const struct vfunction *f = v->function;
    enum { NEW, OPEN, DONE };
    uint32_t n = f->end - f->start;
    uint8_t *colour = vm_try_alloc(n); /* by label instruction */
    struct frame {
        uint32_t label, insn, operand;
    } *stack = vm_try_alloc(n * sizeof(*stack));
    bool ok = colour != NULL && stack != NULL;
    if (!ok) {
        vfail(v, "no memory");
    }
    for (uint32_t i = 0; ok && i < n; i++) {
        colour[i] = NEW;
    }
    for (uint32_t root = f->start; ok && root < f->end; root++) {
        if (c->insns[root].op != OP_label || colour[root - f->start] != NEW) {
            continue;
        }
        size_t depth = 0;
        colour[root - f->start] = OPEN;
        stack[depth++] = (struct frame) { root, root + 1, 0 };
        while (ok && depth > 0) {
            struct frame *top = &stack[depth - 1];
            uint32_t next = UINT32_MAX;
            if (top->insn >= f->end) {
                colour[top->label - f->start] = DONE;
                depth--;
                continue;
            }
            const struct gen_insn *insn = &c->insns[top->insn];
            if (insn->op == OP_label) {
                next = top->insn;
                top->insn = f->end;
            } else if (gives_way(insn->op)) {
                top->insn = f->end;
                continue;
            } else if (top->operand < insn->n_operands) {
                const struct gen_operand *o = gen_arg(c, insn, top->operand++);
                if (o->kind == GEN_LABEL && o->value != 0 && insn->op != OP_call_only
                    && insn->op != OP_call_last) {
                    next = c->label_insn[o->value];
                }
            } else {
                top->insn = ends_block(insn->op) ? f->end : top->insn + 1;
                top->operand = 0;
            }
            if (next == UINT32_MAX || next < f->start || next >= f->end
                || colour[next - f->start] == DONE) {
                continue;
            }
            if (colour[next - f->start] == OPEN) {
                v->insn = &v->code->insns[next];
                ok = vfail(v, "a loop that neither calls nor waits");
                break;
            }
            colour[next - f->start] = OPEN;
            stack[depth++] = (struct frame) { next, next + 1, 0 };
        }
    }
    vm_free(colour);
    vm_free(stack);
    return ok;
}
