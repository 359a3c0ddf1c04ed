/* Names are atoms, so the registry is an array by atom index: whereis is one load. */
#include "vm/proc/registry.h"

#include "lib/base/arena.h"
#include "vm/proc/proc_table.h"
#include "vm/proc/sched.h"

enum { NAMES_PER_PAGE = 1024, MAX_PAGES = 1 << 12 };

typedef _Atomic uintptr_t name_slot;
static name_slot *_Atomic pages[MAX_PAGES];

static name_slot *find_slot(term name, bool make)
{
    size_t index = term_to_atom_index(name);
    if (index / NAMES_PER_PAGE >= MAX_PAGES) {
        return NULL;
    }
    name_slot *_Atomic *at = &pages[index / NAMES_PER_PAGE];
    name_slot *page = atomic_load_explicit(at, memory_order_acquire);
    if (page == NULL) {
        if (!make) {
            return NULL;
        }
        name_slot *fresh = vm_zalloc(NAMES_PER_PAGE * sizeof(*fresh));
        if (atomic_compare_exchange_strong_explicit(at, &page, fresh, memory_order_acq_rel, memory_order_acquire)) {
            page = fresh;
        } else {
            vm_free(fresh);
        }
    }
    return &page[index % NAMES_PER_PAGE];
}

bool registry_register(term name, term pid)
{
    if (!term_is_atom(name) || term_same(name, ATOM(undefined))) {
        return false;
    }
    name_slot *slot = find_slot(name, true);
    uintptr_t none = 0;
    struct proc_shared *s = table_find(pid);
    if (s == NULL || slot == NULL || !atomic_compare_exchange_strong(&s->name, &none, name.word)) {
        return false;
    }
    none = 0;
    bool ok = atomic_compare_exchange_strong(slot, &none, pid.word);
    /* It may have ended meanwhile, and then missed the name. Pairs with table_close. */
    if (ok && atomic_load_explicit(&s->pid, memory_order_seq_cst) != pid.word) {
        uintptr_t mine = pid.word;
        atomic_compare_exchange_strong(slot, &mine, 0);
        ok = false;
    }
    if (!ok) {
        uintptr_t mine = name.word;
        atomic_compare_exchange_strong(&s->name, &mine, 0);
    }
    return ok;
}

bool registry_unregister(term name)
{
    name_slot *slot = term_is_atom(name) ? find_slot(name, false) : NULL;
    if (slot == NULL) {
        return false;
    }
    uintptr_t word = atomic_exchange(slot, 0);
    if (word == 0) {
        return false;
    }
    struct proc_shared *s = table_find((term) { word });
    if (s != NULL) {
        uintptr_t mine = name.word;
        atomic_compare_exchange_strong(&s->name, &mine, 0);
    }
    return true;
}

void registry_drop(term name, term pid)
{
    name_slot *slot = find_slot(name, false);
    uintptr_t mine = pid.word;
    if (slot != NULL) {
        atomic_compare_exchange_strong(slot, &mine, 0);
    }
}

term registry_whereis(term name)
{
    const name_slot *slot = find_slot(name, false);
    return slot == NULL ? TERM_NONE : (term) { atomic_load_explicit(slot, memory_order_acquire) };
}

term registry_names(struct heap *h)
{
    term list = TERM_NIL;
    for (size_t i = 0; i < MAX_PAGES; i++) {
        const name_slot *page = atomic_load_explicit(&pages[i], memory_order_acquire);
        for (size_t j = 0; page != NULL && j < NAMES_PER_PAGE; j++) {
            if (atomic_load_explicit(&page[j], memory_order_relaxed) != 0) {
                list = heap_cons(h, term_from_atom_index(i * NAMES_PER_PAGE + j), list);
            }
        }
    }
    return list;
}
