/* bif.h - functions implemented in C: one row each in bifs.def.
 *
 * A BIF never collects (see heap.h): it builds with heap_alloc() on p->heap and returns a term.
 * To raise it returns proc_raise(...) and friends, which are TERM_NONE. Other ways out (trap,
 * retry, wait) are in proc.h. Long work counts its reductions with proc_bump() and gives way with
 * proc_retry() or proc_trap().
 */
#ifndef VM_BIF_H
#define VM_BIF_H

#include "vm/core/atom.h"
#include "vm/proc/sched.h"

typedef term (*bif_fn)(struct proc *p, term *args);

enum bif_flags {
    BIF_PLAIN = 0,
    BIF_GUARD = 1,     /* allowed in guards: no side effects, result or failure only */
    BIF_DIRTY_CPU = 2, /* runs on a dirty scheduler */
    BIF_DIRTY_IO = 4,
    BIF_ERLANG = 8,    /* a function of Erlang on OTP: a tail call of it leaves its caller no frame in a trace */
};

struct bif_row {
    term module, function;  /* filled in at start */
    const char *module_text, *function_text;
    uint8_t arity;
    uint8_t flags;
    bif_fn fn;
};

/* Prototypes: bif_<module>_<name>_<arity> in C spelling. */
#define BIF(mod, name, arity, flags, fn) term fn(struct proc *p, term *args);
#define BIF_Q(mod, name, arity, flags, fn) term fn(struct proc *p, term *args); /* quoted names */
#include "vm/bif/bifs.def"
#undef BIF
#undef BIF_Q

extern struct bif_row bif_table[];
extern const size_t bif_count;
/* Interns the names and points the exports at the rows. Once, at start. */
void bif_table_init(void);

/* ---- far: calls that would hold a scheduler for milliseconds ----
 * Such a call goes to a dirty scheduler: once its arguments are known to be good and large, it returns
 *     bif_go_far(p, "name", args, n)
 * and is called again there, by the row bulkhead_far:name/n of bifs.def, with bif_is_near() false. */
static inline bool bif_is_near(const struct proc *p)
{
    return p->run_kind == SCHED_NORMAL;
}
term bif_go_far(struct proc *p, const char *name, const term *args, size_t n);

/* What BIFs ask about native libraries; the NIF host fills it in. NULL: there are none. */
struct bif_native_hooks {
    term (*taints)(struct heap *h);                              /* modules with a library, as a list */
    term (*watched_by)(struct heap *h, term pid, term tail);     /* resource objects that watch pid */
    bool (*work_pending)(void);                                  /* destructors that have not run yet */
    void (*settle)(void);                                        /* runs them, for a short while */
};
extern struct bif_native_hooks bif_native_hooks;

/* How many tables there are. Module ets counts them, under its lock. */
extern _Atomic size_t bif_ets_count;

#endif
