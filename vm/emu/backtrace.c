/* backtrace.c - the stack of a process in words, for who looks for what it does: as OTP writes it. */
#include "vm/core/print.h"
#include "vm/emu/interp.h"

/* 0xADDRESS (module:function/arity + offset) */
static void write_place(struct text *out, const uint64_t *pc)
{
    const struct code_image *image = code_find_image(pc);
    const struct code_function *f = image == NULL ? NULL : code_find_function(image, pc);
    text_format(out, "0x%016lx (", (unsigned long) (uintptr_t) pc);
    if (pc == interp_start_code() + 1) {
        text_cstr(out, "<terminate process normally>)");
    } else if (pc == interp_hibernated_code()) {
        text_cstr(out, "erlang:hibernate/3)");
    } else if (f == NULL) {
        text_cstr(out, "unknown function)");
    } else {
        print_atom(out, image->module);
        text_cstr(out, ":");
        print_atom(out, f->name);
        text_format(out, "/%lu + %lu)", (unsigned long) f->arity,
            (unsigned long) (pc - (image->words + f->entry_word)) * sizeof(*pc));
    }
    text_cstr(out, "\n");
}

void interp_write_backtrace(const struct proc *p, struct text *out)
{
    const struct heap *h = &p->heap;
    const uintptr_t *at = h->stop;
    text_cstr(out, "Program counter: ");
    write_place(out, p->pc);
    if (at < h->end && term_same((term) { *at }, TERM_NIL)) {
        at++; /* the frame of a function that calls nobody now */
    }
    for (unsigned slot = 0; at < h->end; at++) {
        if (*at != 0 && word_is_header(*at)) {
            text_format(out, "\n0x%016lx Return addr ", (unsigned long) (uintptr_t) at);
            write_place(out, (const uint64_t *) *at);
            slot = 0;
            continue;
        }
        text_format(out, "y(%u)     ", slot++);
        term value = { *at };
        if (term_is_catch(value)) {
            text_cstr(out, "Catch ");
            write_place(out, catch_target(term_to_catch_index(value)));
        } else {
            print_term(out, value, PRINT_DISPLAY);
            text_cstr(out, "\n");
        }
    }
}
