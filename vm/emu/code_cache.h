/* code_cache.h - where the code is kept that was made of sources and taken out of archives.
 *
 *   $XDG_CACHE_HOME/bulkhead, else ~/.cache/bulkhead, else a directory under $TMPDIR
 *     4f6c.../       one directory for each content, place and OTP
 *       NAME.beam
 *       archive/     of an escript, unpacked
 *
 * Programs that start at the same time share it: a file appears, and is replaced, as a whole.
 * Runs before the VM starts any thread, because it starts erlc.
 */
#ifndef EMU_CODE_CACHE_H
#define EMU_CODE_CACHE_H

#include "lib/base/base.h"

/* The directory for what a file holds, made if need be; vm_free it. NULL: none can be made, and a line was printed. */
char *code_cache_dir(const char *path, const char *bytes, size_t n) MUST_CHECK;

/* Makes the directories above path. false and errno: not all. */
bool code_cache_make_parents(char *path) MUST_CHECK;
/* A file of these bytes. false and errno: nothing has changed. */
bool code_cache_write(const char *path, const void *bytes, size_t n) MUST_CHECK;

/* What erlc makes of a source: dir/module.beam; vm_free it. NULL: nothing, and a line was printed. It is made once, or each
 * time if the source includes files of its own, of which we know nothing. named: the file that the user named, which is
 * the source or what it was made from. text: what it says. */
char *code_cache_compile(const char *dir, const char *module, const char *source, const char *named, const char *text)
    MUST_CHECK;

#endif
