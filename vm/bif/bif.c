#include "vm/bif/bif.h"

#include "vm/core/fun.h"

struct bif_native_hooks bif_native_hooks;
_Atomic size_t bif_ets_count;

struct bif_row bif_table[] = {
#define BIF(mod, name, arity, flags, fn) { TERM_NONE, TERM_NONE, #mod, #name, arity, flags, fn },
#define BIF_Q(mod, name, arity, flags, fn) { TERM_NONE, TERM_NONE, mod, name, arity, flags, fn },
#include "vm/bif/bifs.def"
#undef BIF
#undef BIF_Q
};

const size_t bif_count = ARRAY_LEN(bif_table);

term bif_go_far(struct proc *p, const char *name, const term *args, size_t n)
{
    return proc_trap(p, export_get(atom_from_cstr("bulkhead_far"), atom_from_cstr(name), (uint32_t) n), args, n);
}

void bif_table_init(void)
{
    for (size_t i = 0; i < bif_count; i++) {
        struct bif_row *row = &bif_table[i];
        row->module = atom_from_cstr(row->module_text);
        row->function = atom_from_cstr(row->function_text);
        struct export *e = export_get(row->module, row->function, row->arity);
        VM_REQUIRE(e->bif == NULL); /* a function stands in bifs.def once */
        e->bif = row;
    }
}
