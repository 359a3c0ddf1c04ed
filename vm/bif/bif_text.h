/* bif_text.h - text arguments and results of BIFs: lists of bytes, and binaries. */
#ifndef VM_BIF_TEXT_H
#define VM_BIF_TEXT_H

#include "vm/proc/proc.h"

/* Results; system_limit if there is no memory. Both count reductions. */
term bif_text_to_list(struct proc *p, const char *text, size_t n);
term bif_text_to_binary(struct proc *p, const char *text, size_t n);

/* An argument's bytes, not terminated. vm_free(owned) when done. */
struct bif_text {
    const char *text;
    size_t n;
    char *owned;
    char local[128];
};
/* false: no proper list of bytes, or no memory; nothing to free. */
bool bif_text_from_list(term list, struct bif_text *out) MUST_CHECK;
/* false: not a binary */
bool bif_text_from_binary(term binary, struct bif_text *out) MUST_CHECK;

#endif
