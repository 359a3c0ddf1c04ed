/* emit_call.c - frames, calls, exceptions, messages. */
#include "vm/emu/emit.h"

static void emit_allocate(
    struct emitter *e, const struct gen_insn *i, uint64_t need, const struct gen_operand *live, size_t *used)
{
    uint64_t frame = emit_frame_bytes(emit_arg(e, i, 0));
    if (need == 0 && emit_allocate_moves(e, i, live, used)) {
        return;
    }
    if (need <= UINT16_MAX / sizeof(term)) {
        emit_op(e, I_allocate, (uint64_t) live->value, frame, need * sizeof(term));
    } else {
        emit_op(e, I_allocate_big, (uint64_t) live->value, frame, 0);
        emit_word(e, need);
    }
    if (i->op == OP_allocate_zero || i->op == OP_allocate_heap_zero || (i->flags & GEN_UNPROVEN)) {
        for (int64_t k = 0; k < emit_arg(e, i, 0)->value; k++) {
            emit_op(e, I_init_y, (uint64_t) (k + 1) * sizeof(term), 0, 0);
        }
    }
}

/* Functions of C are called on the spot, unless they are what runs other code. */
static const struct bif_row *bif_of(const struct export *x)
{
    return x->bif;
}

static void emit_call_ext(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_operand *index = emit_arg(e, i, 1);
    if (index->value < 0 || (size_t) index->value >= e->gen->file->n_imports) {
        emit_fail(e, "no such import");
        return;
    }
    struct export *x = e->gen->file->imports[index->value];
    uint64_t arity = (uint64_t) emit_arg(e, i, 0)->value;
    if (arity != x->arity) {
        emit_fail(e, "arity differs from the import's");
        return;
    }
    uint64_t frame = i->op == OP_call_ext_last ? emit_frame_bytes(emit_arg(e, i, 2)) : 0;
    bool is_bif = bif_of(x) != NULL;
    enum op op = is_bif ? I_call_bif : I_call_ext;
    if (i->op == OP_call_ext_only) {
        op = is_bif ? I_call_bif_only : I_call_ext_only;
    } else if (i->op == OP_call_ext_last) {
        op = is_bif ? I_call_bif_last : I_call_ext_last;
    }
    emit_op(e, op, arity, frame, 0);
    emit_word(e, is_bif ? (uintptr_t) x->bif : (uintptr_t) x);
}

static void emit_local_call(struct emitter *e, const struct gen_insn *i)
{
    const struct gen_operand *label = emit_arg(e, i, 1);
    intptr_t f = emit_function_of_label(e, label->value);
    const struct gen_operand *arity = f < 0 ? NULL
        : gen_arg(e->gen, &e->gen->insns[e->gen->function_insn[f]], 2);
    if (arity == NULL || arity->value != emit_arg(e, i, 0)->value) {
        emit_fail(e, "call to a label that starts no function of that arity");
    } else if (i->op == OP_call) {
        emit_op_label(e, I_call, 0, emit_label_of(label));
    } else if (i->op == OP_call_only) {
        emit_op_label(e, I_call_only, 0, emit_label_of(label));
    } else {
        emit_op_label(e, I_call_last, emit_frame_bytes(emit_arg(e, i, 2)), emit_label_of(label));
    }
}

static void emit_send(struct emitter *e)
{
    struct export *x = export_get(ATOM(erlang), ATOM(send), 2);
    if (x->bif == NULL) {
        emit_fail(e, "erlang:send/2 is missing");
        return;
    }
    emit_op(e, I_call_bif, 2, 0, 0);
    emit_word(e, (uintptr_t) x->bif);
}

static void emit_one_source(struct emitter *e, enum op op, const struct gen_operand *o)
{
    emit_op(e, op, 0, 0, 0);
    emit_source(e, o);
}

static bool emit_frame(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    switch ((int) i->op) {
    case OP_allocate:
    case OP_allocate_zero:
        emit_allocate(e, i, 0, emit_arg(e, i, 1), used);
        return true;
    case OP_allocate_heap:
    case OP_allocate_heap_zero:
        emit_allocate(e, i, (uint64_t) emit_arg(e, i, 1)->value, emit_arg(e, i, 2), used);
        return true;
    case OP_test_heap: {
        uint64_t need = (uint64_t) emit_arg(e, i, 0)->value, live = (uint64_t) emit_arg(e, i, 1)->value;
        if (need <= UINT16_MAX / sizeof(term)) {
            emit_op(e, I_test_heap, live, need * sizeof(term), 0);
        } else {
            emit_op(e, I_test_heap_big, live, 0, 0);
            emit_word(e, need);
        }
        return true;
    }
    case OP_deallocate:
        if (emit_peek(e, 1, OP_return) != NULL) {
            emit_op(e, emit_for_frame(I_dealloc_return, emit_frame_bytes(emit_arg(e, i, 0))),
                emit_frame_bytes(emit_arg(e, i, 0)), 0, 0);
            *used = 2;
        } else {
            emit_op(e, I_deallocate, emit_frame_bytes(emit_arg(e, i, 0)), 0, 0);
        }
        return true;
    case OP_trim:
        emit_op(e, I_trim, (uint64_t) emit_arg(e, i, 0)->value * sizeof(term), 0, 0);
        return true;
    case OP_return:
        emit_op(e, I_return, 0, 0, 0);
        return true;
    default:
        return false;
    }
}

static bool emit_exception(struct emitter *e, const struct gen_insn *i)
{
    switch ((int) i->op) {
    case OP_try_end: emit_op(e, I_try_end, emit_y(emit_arg(e, i, 0)), 0, 0); return true;
    case OP_try_case: emit_op(e, I_try_case, emit_y(emit_arg(e, i, 0)), 0, 0); return true;
    case OP_catch_end: emit_op(e, I_catch_end, emit_y(emit_arg(e, i, 0)), 0, 0); return true;
    case OP_badmatch: emit_one_source(e, I_badmatch, emit_arg(e, i, 0)); return true;
    case OP_case_end: emit_one_source(e, I_case_end, emit_arg(e, i, 0)); return true;
    case OP_try_case_end: emit_one_source(e, I_try_case_end, emit_arg(e, i, 0)); return true;
    case OP_badrecord: emit_one_source(e, I_badrecord, emit_arg(e, i, 0)); return true;
    case OP_if_end: emit_op(e, I_if_end, 0, 0, 0); return true;
    case OP_raise:
        emit_one_source(e, I_raise, emit_arg(e, i, 0));
        emit_source(e, emit_arg(e, i, 1));
        return true;
    case OP_raw_raise: emit_op(e, I_raw_raise, 0, 0, 0); return true;
    case OP_build_stacktrace: emit_op(e, I_build_stacktrace, 0, 0, 0); return true;
    default: return false;
    }
}

static bool emit_message(struct emitter *e, const struct gen_insn *i)
{
    switch ((int) i->op) {
    case OP_send: emit_send(e); return true;
    case OP_loop_rec: {
        emit_op_label(e, I_loop_rec, emit_reg(e, emit_arg(e, i, 1)), emit_label_of(emit_arg(e, i, 0)));
        return true;
    }
    case OP_loop_rec_end: emit_op_label(e, I_loop_rec_end, 0, emit_label_of(emit_arg(e, i, 0))); return true;
    case OP_remove_message: emit_op(e, I_remove_message, 0, 0, 0); return true;
    case OP_wait: emit_op_label(e, I_wait, 0, emit_label_of(emit_arg(e, i, 0))); return true;
    case OP_wait_timeout:
        emit_op_label(e, I_wait_timeout, 0, emit_label_of(emit_arg(e, i, 0)));
        emit_source(e, emit_arg(e, i, 1));
        return true;
    case OP_timeout: emit_op(e, I_timeout, 0, 0, 0); return true;
    case OP_recv_marker_reserve: emit_op(e, I_recv_marker_reserve, emit_reg(e, emit_arg(e, i, 0)), 0, 0); return true;
    case OP_recv_marker_clear: emit_op(e, I_recv_marker_clear, emit_reg(e, emit_arg(e, i, 0)), 0, 0); return true;
    case OP_recv_marker_use: emit_op(e, I_recv_marker_use, emit_reg(e, emit_arg(e, i, 0)), 0, 0); return true;
    case OP_recv_marker_bind: {
        uint64_t a = emit_reg(e, emit_arg(e, i, 0)), b = emit_reg(e, emit_arg(e, i, 1));
        emit_op(e, I_recv_marker_bind, a, b, 0);
        return true;
    }
    default: return false;
    }
}

/* With the deallocate and return that follow: a tail call. */
static void emit_call_fun(struct emitter *e, uint64_t arity, uint64_t fun, size_t *used)
{
    const struct gen_insn *dealloc = emit_peek(e, 1, OP_deallocate);
    if (dealloc != NULL && emit_peek(e, 2, OP_return) != NULL) {
        emit_op(e, I_call_fun_last, arity, fun, emit_frame_bytes(emit_arg(e, dealloc, 0)));
        *used = 3;
    } else {
        emit_op(e, I_call_fun, arity, fun, 0);
    }
}

bool emit_call(struct emitter *e, const struct gen_insn *i, size_t *used)
{
    switch ((int) i->op) {
    case OP_call:
    case OP_call_only:
    case OP_call_last:
        emit_local_call(e, i);
        return true;
    case OP_call_ext:
    case OP_call_ext_only:
    case OP_call_ext_last:
        emit_call_ext(e, i);
        return true;
    case OP_call_fun: {
        uint64_t arity = (uint64_t) emit_arg(e, i, 0)->value;
        emit_call_fun(e, arity, arity * sizeof(term), used);
        return true;
    }
    case OP_call_fun2:
        emit_call_fun(e, (uint64_t) emit_arg(e, i, 1)->value, emit_reg(e, emit_arg(e, i, 2)), used);
        return true;
    case OP_apply:
        emit_op(e, I_apply, (uint64_t) emit_arg(e, i, 0)->value, 0, 0);
        return true;
    case OP_apply_last:
        emit_op(e, I_apply_last, (uint64_t) emit_arg(e, i, 0)->value, emit_frame_bytes(emit_arg(e, i, 1)), 0);
        return true;
    default:
        return emit_frame(e, i, used) || emit_exception(e, i) || emit_message(e, i);
    }
}
