/* literal.h - terms that everybody refers to and nobody copies: constants of modules, persistent terms.
 *
 * Their memory is given back when its owner is done with it (a module is purged, a persistent term
 * replaced) and nobody refers to it any more. Who owns literals retires them; a collector (vm/proc/literals.c)
 * takes what was retired, a batch at a time, through
 *
 *   published     from now on whoever begins a slice copies literals of the batch where he would have shared
 *                 them: messages, arguments of new processes (copy.h)
 *   grace         every slice that began before has ended: no copy that shares one is still on its way
 *   asked         each process looks at all it has (signals are in order: what was sent to it before, it has),
 *                 and says which blocks it refers to: literal_batch_look()
 *   withdrawn, and grace again: processes that ended meanwhile are gone
 *   freed         what nobody refers to. The rest is retired once more, for a later batch.
 *
 * So nobody may keep a term outside of processes but as a copy with literals (copy_..._all): tables, timers,
 * environments of native libraries, and whatever else is not looked at there.
 *
 * A slice is what a scheduler thread does between literal_slice_begins() and literal_slice_ends(). Other
 * threads never hold literals that may be retired.
 */
#ifndef VM_LITERAL_H
#define VM_LITERAL_H

#include <stdatomic.h>

#include "lib/base/arena.h"
#include "vm/core/term.h"

/* Words of literals, in arena_literals. No literal refers to another one's words. */
struct literal_block {
    struct literal_block *next; /* of the same owner */
    uintptr_t *offheap;         /* chain of off-heap objects in it, as in a heap */
    uint32_t used_words, size_words;
    _Atomic bool held;          /* this time somebody refers to it */
    bool counted;               /* among literal_retired_bytes() */
    uint16_t n_held;            /* how often that was so */
    uintptr_t words[];
};

/* Copies t into the blocks of an owner (*list, NULL: none yet), adding one if there is no room. TERM_NONE: no memory. */
term literal_copy(term t, struct literal_block **list) MUST_CHECK;
/* The same into a block of its own, *out (NULL: t is immediate). */
term literal_copy_alone(term t, struct literal_block **out) MUST_CHECK;
/* The block of a term copied alone. */
struct literal_block *literal_block_of(term alone);
size_t literal_words(const struct literal_block *list);
/* Blocks that nobody can have seen but the caller. NULL: nothing. */
void literal_free(struct literal_block *list);
/* Blocks that nobody can come upon any more but by what he already has. Any thread, no lock needed. */
void literal_retire(struct literal_block *list);
/* What is no literal, but others may be reading in this slice: freed some time after. */
struct literal_junk {
    struct literal_junk *next;
    size_t bytes;
    void (*free)(struct literal_junk *j); /* by any thread, outside of slices */
};
/* j: of that many bytes, all in all. Nobody can come upon it any more. Any thread, no lock needed. */
void literal_retire_junk(struct literal_junk *j, size_t bytes, void (*free)(struct literal_junk *j));

/* Bytes retired that no batch has taken so far. */
size_t literal_retired_bytes(void);
/* Called after something was retired; set by the collector. */
extern void (*literal_retired_hook)(void);

/* Somebody outside of any process reads a process's heap: nothing is freed while this is not 0. */
extern _Atomic int literal_heaps_kept;

/* ---- slices ---- */

/* A thread counts: odd in a slice. It does so with plain stores; who waits for it makes every thread of the program
 * pass a barrier first, so that a slice either is seen to be going on, or sees what was published. */
struct literal_thread {
    _Atomic uint64_t count;
    const struct literal_batch *leaving; /* the batch of this slice; NULL: none */
    struct literal_thread *next;
};
struct literal_batch;
extern _Thread_local struct literal_thread *literal_thread __attribute__((tls_model("initial-exec")));
extern const struct literal_batch *_Atomic literal_published;
struct literal_thread *literal_thread_join(void);

static inline struct literal_thread *literal_slice_begins(void)
{
    struct literal_thread *t = literal_thread;
    if (__builtin_expect(t == NULL, 0)) {
        t = literal_thread_join();
    }
    uint64_t n = atomic_load_explicit(&t->count, memory_order_relaxed);
    atomic_store_explicit(&t->count, n + 1, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst); /* the barrier of others makes it one between threads */
    t->leaving = atomic_load_explicit(&literal_published, memory_order_acquire);
    return t;
}
static inline void literal_slice_ends(struct literal_thread *t)
{
    t->leaving = NULL;
    uint64_t n = atomic_load_explicit(&t->count, memory_order_relaxed);
    atomic_store_explicit(&t->count, n + 1, memory_order_release);
}

/* Whether all slices have ended that were going on when it was begun. For one thread: the collector. */
struct literal_grace {
    size_t n, capacity;
    struct literal_slice { const _Atomic uint64_t *count; uint64_t value; } *slices; /* owned */
};
void literal_grace_begin(struct literal_grace *g);
bool literal_grace_over(struct literal_grace *g);
/* false: this kernel does not offer what it takes; nothing can be freed. */
bool literal_grace_init(void) MUST_CHECK;

/* ---- a batch ---- */

struct literal_range {
    uintptr_t start, end;
    struct literal_block *block;
};
struct literal_batch {
    uintptr_t low, bytes; /* all of it lies in low .. low + bytes */
    size_t n;
    struct literal_range *ranges; /* owned; by address */
    struct literal_junk *junk;
};
/* Takes what was retired. false: nothing, or no memory. */
bool literal_batch_take(struct literal_batch *b) MUST_CHECK;
/* NULL: none. It must stay as it is until a grace period after another was published is over. */
void literal_batch_publish(const struct literal_batch *b);
/* Frees what nobody holds; free_none: nothing but the junk. Returns how many blocks are left. */
size_t literal_batch_finish(struct literal_batch *b, bool free_none);

/* Which blocks do these words refer to? Every word counts that looks like a reference, whatever it is. */
enum {
    LITERAL_FOUND = 1,
    LITERAL_COLLECT = 2, /* worth a collection to see whether garbage refers to it */
};
unsigned literal_batch_look(const struct literal_batch *b, const void *words, size_t n, bool hold);

const struct literal_range *literal_batch_find(const struct literal_batch *b, uintptr_t address);
static inline bool literal_is_leaving(const void *p)
{
    const struct literal_thread *t = literal_thread;
    const struct literal_batch *b = t == NULL ? NULL : t->leaving;
    return __builtin_expect(b != NULL, 0) && (uintptr_t) p - b->low < b->bytes
           && literal_batch_find(b, (uintptr_t) p) != NULL;
}

/* With asserts: what is in a block that was freed. No word of a heap refers to one. */
#define LITERAL_FREED UINT64_C(0xA5A5A5A5A5A5A5A5)

#endif
