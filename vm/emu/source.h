/* source.h - turns what a user names on the command line into .beam files.
 *
 *   X.beam          itself
 *   X.erl, X.S      compiled by erlc
 *   escript         a file that starts with "#!", or whose text is no code of a module: its source, its .beam, or the
 *                   main module of its archive, which is unpacked
 *
 * What is made for it is kept in the cache, code_cache.h. Runs before the VM starts any thread, because it starts erlc.
 */
#ifndef EMU_SOURCE_H
#define EMU_SOURCE_H

#include "lib/base/base.h"

struct source {
    char *beam_path; /* owned (vm_free): the file to load */
    char **dirs;     /* owned, each too: directories to search for other modules */
    size_t n_dirs;
    bool is_escript;
};

/* false: *out holds nothing and a line was printed (for erlc: its own messages). */
bool source_resolve(const char *path, struct source *out) MUST_CHECK;
void source_free(struct source *s);

#endif
