/* module lists: what OTP implements natively; and the list operators that are BIFs of erlang. */
#include "vm/bif/bif_build.h"
#include "vm/core/compare.h"

term bif_lists_member_2(struct proc *p, term *args)
{
    term wanted = args[0], list = args[1];
    bool immediate = term_is_immed(wanted);
    size_t n = 0;
    for (; term_is_cons(list); list = term_tail(list), n++) {
        term head = term_head(list);
        if (term_same(head, wanted) || (!immediate && term_equal_exact(head, wanted))) {
            bif_elements(p, n);
            return ATOM(true);
        }
    }
    bif_elements(p, n);
    return term_is_nil(list) ? ATOM(false) : proc_badarg(p);
}

term bif_lists_reverse_2(struct proc *p, term *args)
{
    intptr_t n = term_list_length(args[0]);
    if (n <= 0) {
        return n == 0 ? args[1] : proc_badarg(p);
    }
    uintptr_t *cells = bif_room(p, HEAP_CONS_WORDS * (size_t) n);
    if (cells == NULL) {
        return TERM_NONE;
    }
    bif_elements(p, (size_t) n);
    term result = args[1];
    for (term list = args[0]; term_is_cons(list);
         list = term_tail(list), cells += HEAP_CONS_WORDS) {
        cells[0] = term_head(list).word;
        cells[1] = result.word;
        result = term_from_list_ptr(cells);
    }
    return result;
}

/* The first tuple whose element at position is == key; ATOM(false); or TERM_NONE, raised. */
static term key_find(struct proc *p, term key, term position, term list)
{
    if (!term_is_small(position) || term_to_small(position) < 1) {
        return proc_badarg(p);
    }
    size_t index = (size_t) term_to_small(position) - 1, n = 0;
    /* Atoms and their like are == only to themselves; a small may also be == to a float. */
    bool by_word = term_is_immed(key) && !term_is_small(key), is_small = term_is_small(key);
    term found = ATOM(false);
    for (; term_is_cons(list); list = term_tail(list), n++) {
        term tuple = term_head(list);
        if (term_is_tuple(tuple) && index < term_tuple_arity(tuple)) {
            term element = term_tuple_get(tuple, index);
            if (term_same(element, key)
                || (!by_word && !(is_small && term_is_immed(element)) && term_equal(element, key))) {
                found = tuple;
                break;
            }
        }
    }
    bif_elements(p, n);
    return term_is_list(list) ? found : proc_badarg(p);
}

term bif_lists_keyfind_3(struct proc *p, term *args)
{
    return key_find(p, args[0], args[1], args[2]);
}

term bif_lists_keymember_3(struct proc *p, term *args)
{
    term found = key_find(p, args[0], args[1], args[2]);
    return term_is_tuple(found) ? ATOM(true) : found;
}

term bif_lists_keysearch_3(struct proc *p, term *args)
{
    term found = key_find(p, args[0], args[1], args[2]);
    return term_is_tuple(found) ? heap_tuple2(&p->heap, ATOM(value), found) : found;
}

term bif_erlang_append_2(struct proc *p, term *args)
{
    intptr_t n = term_list_length(args[0]);
    if (n <= 0) {
        return n == 0 ? args[1] : proc_badarg(p);
    }
    if (term_is_nil(args[1])) {
        return args[0];
    }
    uintptr_t *cells = bif_room(p, HEAP_CONS_WORDS * (size_t) n);
    if (cells == NULL) {
        return TERM_NONE;
    }
    bif_elements(p, (size_t) n);
    term result = term_from_list_ptr(cells), list = args[0];
    for (; term_is_cons(list); list = term_tail(list), cells += HEAP_CONS_WORDS) {
        cells[0] = term_head(list).word;
        cells[1] = term_from_list_ptr(cells + HEAP_CONS_WORDS).word;
    }
    cells[-1] = args[1].word;
    return result;
}

/* ---- Left -- Right: a table of the right elements and how often each may still be taken out ---- */

struct tally {
    term element;
    uint32_t hash;
    uint32_t left; /* 0: free slot, or all taken (then element is not TERM_NONE) */
};
struct tallies {
    struct tally *slots; /* owned */
    size_t mask, total;
};

static struct tally *tally_of(const struct tallies *t, term element)
{
    uint64_t hash = term_hash(element, 1);
    for (size_t i = hash;; i++) {
        struct tally *slot = &t->slots[i & t->mask];
        if (term_is_none(slot->element)) {
            slot->hash = (uint32_t) (hash >> 32);
            return slot;
        }
        if (slot->hash == (uint32_t) (hash >> 32) && term_equal_exact(slot->element, element)) {
            return slot;
        }
    }
}

static bool tallies_make(struct tallies *t, term list, size_t n)
{
    size_t slots = 16;
    while (slots < 2 * n) {
        slots *= 2;
    }
    t->slots = vm_try_alloc(slots * sizeof(*t->slots));
    if (t->slots == NULL) {
        return false;
    }
    memset(t->slots, 0, slots * sizeof(*t->slots));
    t->mask = slots - 1;
    t->total = n;
    for (; term_is_cons(list); list = term_tail(list)) {
        struct tally *slot = tally_of(t, term_head(list));
        slot->element = term_head(list);
        slot->left++;
    }
    return true;
}

static bool tallies_take(struct tallies *t, term element)
{
    struct tally *slot = tally_of(t, element);
    if (term_is_none(slot->element) || slot->left == 0) {
        return false;
    }
    slot->left--;
    t->total--;
    return true;
}

/* What a few right elements leave, found by comparing with each. */
enum { FEW = 8 };
struct few {
    term elements[FEW];
    size_t n;
};

static bool few_take(struct few *f, term element)
{
    for (size_t i = 0; i < f->n; i++) {
        if (term_equal_exact(f->elements[i], element)) {
            f->elements[i] = f->elements[--f->n];
            return true;
        }
    }
    return false;
}

term bif_erlang_subtract_2(struct proc *p, term *args)
{
    intptr_t n_left = term_list_length(args[0]), n_right = term_list_length(args[1]);
    if (n_left < 0 || n_right < 0) {
        return proc_badarg(p);
    }
    if (n_left == 0 || n_right == 0) {
        return args[0];
    }
    enum { FAR_ELEMENTS = 20000 };
    if (bif_is_near(p) && n_left + n_right > FAR_ELEMENTS && n_right > FEW) {
        return bif_go_far(p, "subtract", args, 2);
    }
    struct few few = { .n = 0 };
    struct tallies all = { .slots = NULL };
    if (n_right <= FEW) {
        for (term list = args[1]; term_is_cons(list); list = term_tail(list)) {
            few.elements[few.n++] = term_head(list);
        }
    } else if (!tallies_make(&all, args[1], (size_t) n_right)) {
        return proc_system_limit(p);
    }
    bif_elements(p, 4 * (size_t) (n_left + n_right));
    /* Kept cells go to the heap as they come; once nothing is left to take out, the rest is shared. */
    uintptr_t result = TERM_NIL.word, *end = &result;
    term list = args[0];
    for (; term_is_cons(list) && (all.slots != NULL ? all.total : few.n) > 0;
         list = term_tail(list)) {
        term head = term_head(list);
        if (all.slots != NULL ? !tallies_take(&all, head) : !few_take(&few, head)) {
            uintptr_t *cell = heap_alloc(&p->heap, HEAP_CONS_WORDS);
            cell[0] = head.word;
            cell[1] = TERM_NIL.word;
            *end = term_from_list_ptr(cell).word;
            end = &cell[1];
        }
    }
    *end = list.word;
    vm_free(all.slots);
    return (term) { result };
}
