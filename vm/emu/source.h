/* source.h - turns what a user names on the command line into .beam files.
 *
 *   X.beam          itself
 *   X.erl, X.S      compiled by erlc into a cache, keyed by content and compiler
 *   escript         a file that starts with "#!": its source, its .beam, or the main module of its archive, which
 *                   is unpacked in the cache
 *
 * The cache is $XDG_CACHE_HOME/bulkhead (or ~/.cache/bulkhead, or a directory under $TMPDIR). A source that
 * includes files of its own is compiled each time.
 * Runs before the VM starts any thread, because it forks erlc.
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
