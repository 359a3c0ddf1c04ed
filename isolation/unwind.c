#define UNW_LOCAL_ONLY
#include "isolation/unwind.h"

#include <libunwind.h>
#include <stdio.h>
#include <string.h>

#include "isolation/fault.h"
#include "isolation/symbols.h"
#include "isolation/thread.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"

/* The walk, set apart so that it can fault. */
struct walk {
    struct unwind_trace *out;
    ucontext_t *registers;
    uintptr_t low, high;
    bool is_fault;
};

static bool in_trampoline(uintptr_t pc)
{
    return pc >= (uintptr_t) native_enter && pc < (uintptr_t) native_enter_end;
}

/* A call that gave up by itself went through functions of ours: the trace starts below them. */
static void add(struct walk *w, uintptr_t pc)
{
    if (w->is_fault || w->out->n > 0 || !fault_is_vm_code(pc)) {
        w->out->pc[w->out->n++] = pc;
    }
}

static void walk(void *arg)
{
    struct walk *w = arg;
    struct unwind_trace *out = w->out;
    greg_t *regs = w->registers->uc_mcontext.gregs;
    uintptr_t sp = (uintptr_t) regs[REG_RSP];
    unw_cursor_t cursor;
    unw_word_t word;
    out->exact0 = w->is_fault;
    add(w, (uintptr_t) regs[REG_RIP]);
    if (sp < w->low || sp >= w->high - sizeof(uintptr_t) || sp % sizeof(uintptr_t) != 0) {
        /* After an overflow the stack pointer is just below the stack: what lies above is readable. */
        if (sp >= w->low || sp + STACK_GUARD_BYTES < w->low) {
            return;
        }
    }
    if (w->is_fault && !symbols_is_code((uintptr_t) regs[REG_RIP])) {
        /* A call through a wild pointer: the caller's address is on top of the stack. */
        if (sp < w->low || sp >= w->high - sizeof(uintptr_t)) {
            return;
        }
        uintptr_t caller = *(uintptr_t *) sp;
        if (!symbols_is_code(caller)) {
            return;
        }
        regs[REG_RIP] = (greg_t) caller;
        regs[REG_RSP] += (greg_t) sizeof(uintptr_t);
        w->is_fault = false;
        add(w, caller);
    }
    if (unw_init_local2(&cursor, w->registers, w->is_fault ? UNW_INIT_SIGNAL_FRAME : 0) != 0) {
        return;
    }
    while (unw_step(&cursor) > 0) {
        unw_get_reg(&cursor, UNW_REG_IP, &word);
        if (word == 0 || in_trampoline(word)) {
            return;
        }
        if (out->n == UNWIND_MAX_FRAMES) {
            out->cut = true;
            return;
        }
        add(w, word);
        unw_get_reg(&cursor, UNW_REG_SP, &word);
        if (word <= sp || word > w->high) {
            return; /* a stack that does not go up is wrecked */
        }
        sp = word;
    }
}

void unwind_walk(struct unwind_trace *out, ucontext_t *registers, uintptr_t stack_low, uintptr_t stack_high, bool is_fault)
{
    struct walk w = { out, registers, stack_low, stack_high, is_fault };
    out->n = 0;
    out->cut = false;
    native_try(walk, &w);
}

bool unwind_name(uintptr_t pc, bool is_return_address, struct unwind_name *out)
{
    /* A return address may be the first byte of the next function. */
    uintptr_t look_up = is_return_address ? pc - 1 : pc;
    struct symbol s;
    out->function[0] = out->library[0] = '\0';
    out->offset = pc;
    if (!symbols_find(look_up, &s)) {
        return false;
    }
    snprintf(out->library, sizeof(out->library), "%s", s.library);
    snprintf(out->function, sizeof(out->function), "%s", s.function != NULL ? s.function : "");
    out->offset = pc - (s.function != NULL ? s.function_start : s.library_start);
    return true;
}

static bool is_return_address(const struct unwind_trace *trace, unsigned i)
{
    return i > 0 || !trace->exact0;
}

term unwind_term(const struct unwind_trace *trace, struct heap *h)
{
    term list = TERM_NIL;
    for (unsigned i = trace->n; i-- > 0;) {
        struct unwind_name name;
        unwind_name(trace->pc[i], is_return_address(trace, i), &name);
        term offset = heap_tuple2(h, ATOM(offset), heap_uinteger(h, name.offset));
        term location = heap_cons(h, offset, TERM_NIL);
        term library = bits_from_bytes(h, name.library, strlen(name.library));
        term function = bits_from_bytes(h, name.function, strlen(name.function));
        if (term_is_none(library) || term_is_none(function)) {
            return list;
        }
        list = heap_cons(h, heap_tuple4(h, ATOM(nif), library, function, location), list);
    }
    return list;
}

size_t unwind_text(const struct unwind_trace *trace, char *out, size_t room)
{
    size_t used = 0;
    for (unsigned i = 0; i < trace->n && used + 300 < room; i++) {
        struct unwind_name name;
        int n;
        if (i > 1 && i + 1 < trace->n && trace->pc[i] == trace->pc[i - 1] && trace->pc[i] == trace->pc[i + 1]) {
            continue; /* recursion: its first and last lines are enough */
        }
        if (!unwind_name(trace->pc[i], is_return_address(trace, i), &name)) {
            n = snprintf(out + used, room - used, "  #%-2u     %#lx (no code there)\n", i, (unsigned long) trace->pc[i]);
        } else if (name.function[0] != '\0') {
            n = snprintf(out + used, room - used, "  #%-2u     %s+%#lx (%s)\n", i, name.function, (unsigned long) name.offset, name.library);
        } else {
            n = snprintf(out + used, room - used, "  #%-2u     %s+%#lx\n", i, name.library, (unsigned long) name.offset);
        }
        used += (size_t) n;
    }
    if (trace->cut) {
        int n = snprintf(out + used, room - used, "  ...\n");
        used += (size_t) n;
    }
    return used;
}
