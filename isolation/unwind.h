/* unwind.h - who called whom in native code, from the registers of a thread that stopped.
 *
 * The registers are saved where the fault happened; the walk and the look-up of names are done
 * afterwards, in ordinary code on the VM's stack, while the abandoned stack is still as it was.
 */
#ifndef ISOLATION_UNWIND_H
#define ISOLATION_UNWIND_H

#include <ucontext.h>

#include "vm/core/heap.h"

enum { UNWIND_MAX_FRAMES = 32, UNWIND_MAX_GROUPS = 8, UNWIND_MAX_PERIOD = 8 };

/* Frames of a recursion are kept once, with how many times they came one behind the other:
 *
 *   f g h g h g h g h main   pc: f g h main   group[0]: start 1, period 2, times 4
 */
struct unwind_trace {
    unsigned n;
    bool cut; /* there were more */
    uintptr_t pc[UNWIND_MAX_FRAMES]; /* of frame 0 exact; of callers the return address */
    bool exact0;                     /* pc[0] is where it stopped, not a return address */
    unsigned n_groups;
    struct unwind_group {
        uint16_t start, period; /* in pc */
        uint32_t times;         /* 2 or more */
    } group[UNWIND_MAX_GROUPS]; /* by start; none overlap */
};

/* One more frame. false: no room. open: the trace's last group has had so many frames of its next turn; the caller
 * keeps it from frame to frame, 0 at first. */
bool unwind_add(struct unwind_trace *trace, uintptr_t pc, unsigned *open);

/* Walks from *registers up to the trampoline. [stack_low, stack_high) is the stack it may read.
 * A wrecked stack ends the walk early. is_fault: registers are those of a fault. */
void unwind_walk(struct unwind_trace *out, ucontext_t *registers, uintptr_t stack_low, uintptr_t stack_high,
    bool is_fault);

/* [{nif, <<"lib.so">>, <<"function">>, [{offset, N}]}, ...]; for a gap, where frames repeat those in front of it,
 * {nif, <<>>, <<"...">>, [{frames, N}]}. */
term unwind_term(const struct unwind_trace *trace, struct heap *h);
/* "#0 f+0x4 (lib.so) ..." one per line, "... 1,021 times" for a recursion. Returns bytes written. */
size_t unwind_text(const struct unwind_trace *trace, char *out, size_t room);

#endif
