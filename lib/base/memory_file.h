/* memory_file.h - memory with a descriptor, for other processes to map. */
#ifndef BASE_MEMORY_FILE_H
#define BASE_MEMORY_FILE_H

#include "lib/base/base.h"

/* A file of that size in memory, or -1: errno. It may be sealed and is closed on exec. */
int memory_file_new(const char *name, size_t bytes) MUST_CHECK;
/* What is lacking, in words. */
const char *memory_file_error(int error);

#endif
