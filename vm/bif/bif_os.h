/* bif_os.h - text and environment for whoever starts programs. */
#ifndef VM_BIF_OS_H
#define VM_BIF_OS_H

#include "vm/core/term.h"

/* A string, binary or atom without NUL as UTF-8, NUL-terminated; NULL if it is none. vm_free it. */
char *os_text(term t);
/* The environment with changes [{Name, Value | false}], NULL-terminated; NULL if changes are not of
 * that form. os_free_env it. */
char **os_env_with(term changes);
void os_free_env(char **env);

#endif
