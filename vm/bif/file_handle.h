/* file_handle.h - open files and byte queues as references: what prim_file and prim_buffer pass round.
 *
 * A handle is a struct resource, so the collector closes a file that nobody refers to any more.
 */
#ifndef BIF_FILE_HANDLE_H
#define BIF_FILE_HANDLE_H

#include "vm/bif/bif.h"
#include "vm/core/resource.h"

/* A reference to r on p's heap; takes over the caller's count. */
term handle_make_ref(struct proc *p, struct resource *r);
/* The object if t is a reference to one with this destructor, else NULL. */
struct resource *handle_from_ref(term t, void (*destroy)(struct resource *));

/* {error, Posix} with errno's name as OTP writes it: enoent, eacces, ... */
term posix_error(struct proc *p, int error);
/* `ok` if a system call returned 0, else the error in errno. */
term posix_result(struct proc *p, int rc);

/* File name as OTP hands it to natives: a binary, with or without a final NUL. Copied to out.
 * false: not a name (embedded NUL, too long, not a binary). */
enum { FILE_NAME_MAX_BYTES = 4096 };
bool take_file_name(term t, char out[FILE_NAME_MAX_BYTES]);

/* Descriptor of a handle that prim_file made; -1: t is none, -2: closed. */
int file_handle_fd(term t);

#endif
