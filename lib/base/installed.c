/* installed.c - see installed.h. */
#include "lib/base/installed.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool installed_directory(char out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n <= 0) {
        return false;
    }
    out[n] = '\0';
    strrchr(out, '/')[1] = '\0';
    return true;
}

bool installed_find(const char *path, char out[PATH_MAX])
{
    /* What BIN_DIR and path have in common is replaced. */
    static const char bin[] = BIN_DIR "/";
    char directory[PATH_MAX];
    if (!installed_directory(directory)) {
        return false;
    }
    size_t same = 0, length = strlen(directory);
    for (size_t i = 0; bin[i] != '\0' && bin[i] == path[i]; i++) {
        if (bin[i] == '/') {
            same = i;
        }
    }
    const char *tail = bin + same;
    if (length < strlen(tail) || strcmp(directory + length - strlen(tail), tail) != 0) {
        return false;
    }
    int n = snprintf(out, PATH_MAX, "%.*s%s", (int) (length - strlen(tail)), directory, path + same);
    return n > 0 && n < PATH_MAX && access(out, F_OK) == 0;
}
