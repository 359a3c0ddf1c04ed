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

/* A step takes about a microsecond. */
enum { MAX_STEPS = 4000, TURNS_BEFORE_SKIPPING = 8 };

/* The walk, set apart so that it can fault. */
struct walk {
    struct unwind_trace *out;
    unsigned open; /* see unwind_add() */
    uintptr_t turn_sp; /* where the stack pointer was when the last turn of a recursion was complete */
    ucontext_t *registers;
    uintptr_t low, high;
    bool is_fault;
};

static bool in_trampoline(uintptr_t pc)
{
    return pc >= (uintptr_t) native_enter && pc < (uintptr_t) native_enter_end;
}

static struct unwind_group *last_group(struct unwind_trace *t)
{
    return t->n_groups > 0 ? &t->group[t->n_groups - 1] : NULL;
}

/* Do the last frames repeat those in front of them? Then they become a group's second turn. */
static void fold(struct unwind_trace *t)
{
    const struct unwind_group *last = last_group(t);
    unsigned taken = last != NULL ? last->start + last->period : 0;
    for (unsigned period = 1; period <= UNWIND_MAX_PERIOD && taken + 2 * period <= t->n; period++) {
        unsigned start = t->n - 2 * period;
        if (t->n_groups < UNWIND_MAX_GROUPS && memcmp(&t->pc[start], &t->pc[start + period], period * sizeof(t->pc[0])) == 0) {
            t->group[t->n_groups++] = (struct unwind_group) { (uint16_t) start, (uint16_t) period, 2 };
            t->n -= period;
            return;
        }
    }
}

bool unwind_add(struct unwind_trace *t, uintptr_t pc, unsigned *open)
{
    struct unwind_group *g = last_group(t);
    if (g != NULL && t->n == (unsigned) g->start + g->period) { /* nothing has come behind it yet */
        if (t->pc[g->start + *open] == pc) {
            if (++*open == g->period) {
                *open = 0;
                g->times++;
            }
            return true;
        }
        if (t->n + *open >= UNWIND_MAX_FRAMES) {
            return false;
        }
        memcpy(&t->pc[t->n], &t->pc[g->start], *open * sizeof(t->pc[0])); /* a turn that was not completed */
        t->n += *open;
        *open = 0;
    }
    if (t->n == UNWIND_MAX_FRAMES) {
        return false;
    }
    t->pc[t->n++] = pc;
    fold(t);
    return true;
}

/* A call that gave up by itself went through functions of ours: the trace starts below them. */
static bool add(struct walk *w, uintptr_t pc)
{
    if (!w->is_fault && w->out->n == 0 && fault_is_vm_code(pc)) {
        return true;
    }
    return unwind_add(w->out, pc, &w->open);
}

/* The turn of a recursion that ends with ip is on the stack every `stride` bytes, starting from sp: how often? */
static __attribute__((no_sanitize("address"))) uint32_t turns_on_stack(
    uintptr_t sp, uintptr_t stride, uintptr_t high, uintptr_t ip)
{
    uint32_t n = 0;
    if (stride < 16 || stride % sizeof(uintptr_t) != 0) {
        return 0;
    }
    for (uintptr_t at = sp; high - at > stride; n++) {
        at += stride;
        if (((const uintptr_t *) at)[-1] != ip) { /* what was called from there returns to ip */
            break;
        }
    }
    return n;
}

/* A recursion of thousands of equal frames is not unwound frame by frame. True: the cursor stands at its last turns. */
static bool skip_turns(struct walk *w, unw_cursor_t *cursor, uintptr_t sp)
{
    struct unwind_group *g = last_group(w->out);
    if (g == NULL || w->out->n != (unsigned) g->start + g->period || w->open != 0) {
        return false;
    }
    uintptr_t stride = sp - w->turn_sp, ip = w->out->pc[g->start + g->period - 1];
    w->turn_sp = sp;
    if (g->times < TURNS_BEFORE_SKIPPING || sp >= w->high || sp % sizeof(uintptr_t) != 0) {
        return false;
    }
    uint32_t turns = turns_on_stack(sp, stride, w->high, ip);
    if (turns < TURNS_BEFORE_SKIPPING) {
        return false;
    }
    turns -= 2; /* whatever ends it is found in the usual way */
    unw_word_t frame_pointer;
    greg_t *regs = w->registers->uc_mcontext.gregs;
    unw_get_reg(cursor, UNW_X86_64_RBP, &frame_pointer);
    if (frame_pointer >= w->low && frame_pointer < w->high) {
        frame_pointer += turns * stride;
    }
    regs[REG_RIP] = (greg_t) ip;
    regs[REG_RSP] = (greg_t) (sp + turns * stride);
    regs[REG_RBP] = (greg_t) frame_pointer;
    if (unw_init_local2(cursor, w->registers, 0) != 0) {
        return false;
    }
    g->times += turns;
    w->turn_sp = sp + turns * stride;
    return true;
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
    (void) add(w, (uintptr_t) regs[REG_RIP]);
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
        (void) add(w, caller);
    }
    if (unw_init_local2(&cursor, w->registers, w->is_fault ? UNW_INIT_SIGNAL_FRAME : 0) != 0) {
        return;
    }
    for (unsigned steps = 0; unw_step(&cursor) > 0; steps++) {
        unw_get_reg(&cursor, UNW_REG_IP, &word);
        if (word == 0 || in_trampoline(word)) {
            return;
        }
        if (steps == MAX_STEPS || !add(w, word)) {
            out->cut = true;
            return;
        }
        unw_get_reg(&cursor, UNW_REG_SP, &word);
        if (word <= sp || word > w->high) {
            return; /* a stack that does not go up is wrecked */
        }
        sp = skip_turns(w, &cursor, word) ? w->turn_sp : word;
    }
}

void unwind_walk(struct unwind_trace *out, ucontext_t *registers, uintptr_t stack_low, uintptr_t stack_high, bool is_fault)
{
    struct walk w = { out, 0, 0, registers, stack_low, stack_high, is_fault };
    out->n = out->n_groups = 0;
    out->cut = false;
    native_try(walk, &w);
}

/* Where an instruction is. */
struct place {
    char function[128]; /* "" if unknown */
    char library[64];   /* its file's name */
    uintptr_t offset;   /* from the function, or from the library if the function is not known */
};

/* false: in no known library. */
static bool find_place(uintptr_t pc, bool is_return_address, struct place *out)
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

/* A recursion of so few frames is shown in full. */
enum { SHORT_RECURSION = 4 };

/* What to show behind entry i: a group ends there. NULL: nothing. */
static const struct unwind_group *group_ending_at(const struct unwind_trace *trace, unsigned i)
{
    for (unsigned g = 0; g < trace->n_groups; g++) {
        if (trace->group[g].start + trace->group[g].period - 1u == i) {
            return &trace->group[g];
        }
    }
    return NULL;
}

static unsigned frames_left_out(const struct unwind_group *g)
{
    return (g->times - 1) * g->period;
}

static bool is_short(const struct unwind_group *g)
{
    return g->times * g->period <= SHORT_RECURSION;
}

static term frame_term(const struct unwind_trace *trace, unsigned i, struct heap *h)
{
    struct place place;
    find_place(trace->pc[i], is_return_address(trace, i), &place);
    term location = heap_cons(h, heap_tuple2(h, ATOM(offset), heap_uinteger(h, place.offset)), TERM_NIL);
    term library = bits_from_bytes(h, place.library, strlen(place.library));
    term function = bits_from_bytes(h, place.function, strlen(place.function));
    if (term_is_none(library) || term_is_none(function)) {
        return TERM_NONE; /* no memory */
    }
    return heap_tuple4(h, ATOM(nif), library, function, location);
}

static term gap_term(struct heap *h, term location)
{
    term none = bits_from_bytes(h, "", 0), dots = bits_from_bytes(h, "...", 3);
    return term_is_none(none) || term_is_none(dots) ? TERM_NONE : heap_tuple4(h, ATOM(nif), none, dots, location);
}

static term cons_unless_none(struct heap *h, term head, term tail)
{
    return term_is_none(head) ? tail : heap_cons(h, head, tail);
}

term unwind_term(const struct unwind_trace *trace, struct heap *h)
{
    term list = TERM_NIL;
    if (trace->cut) {
        list = cons_unless_none(h, gap_term(h, TERM_NIL), list);
    }
    for (unsigned i = trace->n; i-- > 0;) {
        const struct unwind_group *g = group_ending_at(trace, i);
        unsigned repeated = g != NULL && is_short(g) ? frames_left_out(g) : 0;
        if (g != NULL && repeated == 0) {
            term frames = heap_tuple2(h, ATOM(frames), heap_uinteger(h, frames_left_out(g)));
            list = cons_unless_none(h, gap_term(h, heap_cons(h, frames, TERM_NIL)), list);
        }
        for (unsigned r = repeated; r-- > 0;) {
            list = cons_unless_none(h, frame_term(trace, g->start + r % g->period, h), list);
        }
        list = cons_unless_none(h, frame_term(trace, i, h), list);
    }
    return list;
}

static size_t frame_text(const struct unwind_trace *trace, unsigned i, unsigned number, char *out, size_t room)
{
    struct place place;
    int n;
    if (!find_place(trace->pc[i], is_return_address(trace, i), &place)) {
        n = snprintf(out, room, "  #%-5u  %#lx (no code there)\n", number, (unsigned long) trace->pc[i]);
    } else if (place.function[0] != '\0') {
        n = snprintf(out, room, "  #%-5u  %s+%#lx (%s)\n", number, place.function, (unsigned long) place.offset, place.library);
    } else {
        n = snprintf(out, room, "  #%-5u  %s+%#lx\n", number, place.library, (unsigned long) place.offset);
    }
    return (size_t) n;
}

/* "1,021": locale has no say in reports. Numbers of frames have at most six digits. */
static size_t gap_text(const struct unwind_group *g, char *out, size_t room)
{
    char number[20];
    unsigned times = g->times - 1;
    if (times < 1000) {
        snprintf(number, sizeof(number), "%u", times);
    } else {
        snprintf(number, sizeof(number), "%u,%03u", times / 1000, times % 1000);
    }
    int n = g->period == 1 ? snprintf(out, room, "  ...     %s times more\n", number)
                           : snprintf(out, room, "  ...     these %u %s times more\n", g->period, number);
    return (size_t) n;
}

size_t unwind_text(const struct unwind_trace *trace, char *out, size_t room)
{
    size_t used = 0;
    unsigned number = 0;
    for (unsigned i = 0; i < trace->n && used + 300 < room; i++) {
        const struct unwind_group *g = group_ending_at(trace, i);
        used += frame_text(trace, i, number++, out + used, room - used);
        if (g != NULL && !is_short(g)) {
            used += gap_text(g, out + used, room - used);
            number += frames_left_out(g);
        }
        for (unsigned r = 0; g != NULL && is_short(g) && r < frames_left_out(g) && used + 300 < room; r++) {
            used += frame_text(trace, g->start + r % g->period, number++, out + used, room - used);
        }
    }
    if (trace->cut) {
        int n = snprintf(out + used, room - used, "  ...\n");
        used += (size_t) n;
    }
    return used;
}
