/* archive.h - unpacks the zip archive of an escript (rebar3, `mix escript.build`) into a directory.
 *
 * Reads the directory at the end of the archive; files are stored or deflated. Names that lead out of the
 * directory, encrypted files and archives of more than 4 GB are refused.
 */
#ifndef EMU_ARCHIVE_H
#define EMU_ARCHIVE_H

#include "lib/base/base.h"

/* What is there already is written over. false: the archive is damaged or the disk said no, and a line was printed
 * (named: what to call it). */
bool archive_unpack(const char *named, const uint8_t *bytes, size_t n, const char *dir) MUST_CHECK;

/* Calls visit(path, context) for every directory with code: `dir` itself, and ebin of the applications in it, by name. */
void archive_each_code_dir(const char *dir, void (*visit)(const char *path, void *context), void *context);

#endif
