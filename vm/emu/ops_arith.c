/* ops_arith.c - arithmetic that is not on two small integers, or fails. */
#include "vm/emu/interp.h"

term op_arith(struct proc *p, enum arith_op op, term a, term b)
{
    enum arith_status st = ARITH_OK;
    term r = arith_binary(&p->heap, op, a, b, &st);
    if (!term_is_none(r)) {
        return r;
    }
    if (st == ARITH_SYSTEM_LIMIT) {
        return proc_system_limit(p);
    }
    return proc_raise(p, EXC_ERROR, st == ARITH_BADARG ? ATOM(badarg) : ATOM(badarith));
}

term op_arith_name(enum arith_op op)
{
    switch (op) {
    case ARITH_ADD: return ATOM(plus);
    case ARITH_SUB: return ATOM(minus);
    case ARITH_MUL: return ATOM(times);
    case ARITH_FDIV: return ATOM(divide);
    case ARITH_IDIV: return ATOM(div);
    case ARITH_REM: return ATOM(rem);
    case ARITH_BAND: return ATOM(band);
    case ARITH_BOR: return ATOM(bor);
    case ARITH_BXOR: return ATOM(bxor);
    case ARITH_BSL: return ATOM(bsl);
    case ARITH_BSR: return ATOM(bsr);
    }
    return TERM_NONE;
}

const struct bif_row *op_bif_row(enum op op)
{
    if (op == I_element) {
        return export_get(ATOM(erlang), ATOM(element), 2)->bif;
    }
    term name = op == I_hd ? ATOM(hd) : op == I_tl ? ATOM(tl) : op == I_length ? ATOM(length)
              : op == I_abs ? ATOM(abs) : ATOM(tuple_size);
    return export_get(ATOM(erlang), name, 1)->bif;
}
