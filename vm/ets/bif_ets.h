/* bif_ets.h - what the files of the ets BIFs share. */
#ifndef VM_BIF_ETS_H
#define VM_BIF_ETS_H

#include "vm/bif/bif.h"
#include "vm/ets/ets.h"

/* What frees or makes that many objects takes a millisecond or more: not on a scheduler that others wait for. */
enum { BIF_ETS_FAR_OBJECTS = 10000 };

/* The exception for a table that cannot be had. ETS_OK: a plain badarg. */
term bif_ets_raise(struct proc *p, enum ets_status st);

/* For another bad argument: what is wrong with the table, if anything is, comes first. */
term bif_ets_badarg(struct proc *p, term table, enum ets_access access);

#endif
