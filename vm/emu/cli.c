#include "vm/emu/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/arena.h"

int cli_output_failed(int error_number)
{
    if (error_number != EPIPE) {
        cli_error("cannot write the output: %s", strerror(error_number != 0 ? error_number : EIO));
    }
    return CLI_FAILED;
}

int cli_error(const char *fmt, ...)
{
    char line[1024] = "bulkhead: ";
    size_t prefix = strlen(line);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line + prefix, sizeof(line) - prefix - 1, fmt, ap);
    va_end(ap);
    strcat(line, "\n"); /* vsnprintf left room for it */
    (void) base_write_all(STDERR_FILENO, line, strlen(line)); /* nobody is left to tell */
    return CLI_USAGE;
}

char *cli_format(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    VM_REQUIRE(n >= 0);
    char *text = vm_alloc((size_t) n + 1);
    va_start(ap, fmt);
    vsnprintf(text, (size_t) n + 1, fmt, ap);
    va_end(ap);
    return text;
}

uint8_t *cli_read_file(const char *path, size_t *out_bytes)
{
    uint8_t *bytes = NULL;
    uint8_t *result = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        goto done;
    }
    if (!S_ISREG(st.st_mode)) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        goto done;
    }
    size_t size = (size_t) st.st_size;
    size_t got = 0;
    bytes = vm_alloc(size + 1);
    while (got < size) {
        ssize_t n = read(fd, bytes + got, size - got);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            goto done;
        }
        if (n == 0) {
            break; /* it shrank while we read */
        }
        got += (size_t) n;
    }
    *out_bytes = got;
    result = bytes;
    bytes = NULL;
done:
    vm_free(bytes);
    base_close_fd(&fd);
    return result;
}
