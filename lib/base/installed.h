/* installed.h - finding the files that belong to the program, also when its installation was moved. */
#ifndef LIB_BASE_INSTALLED_H
#define LIB_BASE_INSTALLED_H

#include <limits.h>
#include <stdbool.h>

/* The directory of this executable, with a slash at the end. */
bool installed_directory(char out[PATH_MAX]);

/* Where `path`, which configure chose, would be if the installation as a whole had been moved (make
 * install DESTDIR=..., an unpacked archive). False if this executable is not at the end of a path
 * like configure's $(bindir), or nothing is there. */
bool installed_find(const char *path, char out[PATH_MAX]);

#endif
