#include "vm/emu/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/arena.h"
#include "vm/emu/cli.h"

/* The parts of a zip file that say where things are. Numbers are little endian.
 *
 *   local header, name, extra, data        one per file
 *   entry, name, extra, comment            one per file
 *   end                                    where the entries begin, how many there are
 */
enum {
    LOCAL_BYTES = 30, LOCAL_NAME = 26, LOCAL_EXTRA = 28,
    ENTRY_BYTES = 46, ENTRY_FLAGS = 8, ENTRY_METHOD = 10, ENTRY_CRC = 16, ENTRY_PACKED = 20, ENTRY_SIZE = 24,
    ENTRY_NAME = 28, ENTRY_EXTRA = 30, ENTRY_COMMENT = 32, ENTRY_LOCAL = 42,
    END_BYTES = 22, END_ENTRIES = 10, END_START = 16, END_COMMENT_MAX = 0xffff,
};
enum { STORED = 0, DEFLATED = 8, FLAG_ENCRYPTED = 1 };

static uint32_t number(const uint8_t *at, unsigned n_bytes)
{
    uint32_t value = 0;
    while (n_bytes-- > 0) {
        value = value << 8 | at[n_bytes];
    }
    return value;
}

/* Offset of the end record, or n. */
static size_t find_end(const uint8_t *bytes, size_t n)
{
    for (size_t back = END_BYTES; back <= n && back <= END_BYTES + END_COMMENT_MAX; back++) {
        if (memcmp(bytes + n - back, "PK\5\6", 4) == 0) {
            return n - back;
        }
    }
    return n;
}

/* Does it stay below the directory? */
static bool is_inside(const char *name)
{
    for (const char *part = name; ; part = strchr(part, '/') + 1) {
        size_t n = strcspn(part, "/");
        if ((n == 0 && (part == name || part[n] != '\0')) || (n == 2 && strncmp(part, "..", 2) == 0)) {
            return false;
        }
        if (part[n] == '\0') {
            return true;
        }
    }
}

static bool make_parents(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        int rc = mkdir(path, 0700);
        *at = '/';
        if (rc < 0 && errno != EEXIST) {
            return false;
        }
    }
    return true;
}

/* Through a file of another name: another program that starts may be reading it. */
static bool write_whole(const char *path, const uint8_t *bytes, size_t n)
{
    size_t room = strlen(path) + 32;
    char *part = vm_alloc(room);
    snprintf(part, room, "%s.%d", path, (int) getpid());
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && base_write_all(fd, bytes, n);
    if (fd >= 0) {
        good = close(fd) == 0 && good;
    }
    good = good && rename(part, path) == 0;
    vm_free(part);
    return good;
}

static bool inflate_all(const uint8_t *from, size_t n_packed, uint8_t *to, size_t n)
{
    z_stream z = { .next_in = (Bytef *) from, .avail_in = (uInt) n_packed, .next_out = to, .avail_out = (uInt) n };
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) {
        return false;
    }
    int rc = inflate(&z, Z_FINISH);
    bool good = rc == Z_STREAM_END && z.avail_out == 0;
    inflateEnd(&z);
    return good;
}

/* false with errno 0: the archive is damaged */
static bool unpack_entry(const uint8_t *bytes, size_t n, const uint8_t *entry, const char *path)
{
    size_t packed = number(entry + ENTRY_PACKED, 4), size = number(entry + ENTRY_SIZE, 4);
    size_t local = number(entry + ENTRY_LOCAL, 4);
    uint32_t method = number(entry + ENTRY_METHOD, 2);
    errno = 0;
    if (local > n || n - local < LOCAL_BYTES || (method != STORED && method != DEFLATED)
        || (number(entry + ENTRY_FLAGS, 2) & FLAG_ENCRYPTED) || (method == STORED && packed != size)) {
        return false;
    }
    size_t data = local + LOCAL_BYTES + number(bytes + local + LOCAL_NAME, 2) + number(bytes + local + LOCAL_EXTRA, 2);
    if (data > n || packed > n - data) {
        return false;
    }
    const uint8_t *content = bytes + data;
    uint8_t *plain = NULL;
    if (method == DEFLATED) {
        if (size / 1032 > packed) { /* more than deflate can do: do not reserve it */
            return false;
        }
        plain = vm_alloc(size + 1);
        if (!inflate_all(content, packed, plain, size)) {
            vm_free(plain);
            errno = 0;
            return false;
        }
        content = plain;
    }
    bool good = crc32(0, content, (uInt) size) == number(entry + ENTRY_CRC, 4);
    errno = 0;
    good = good && write_whole(path, content, size);
    vm_free(plain);
    return good;
}

bool archive_unpack(const char *named, const uint8_t *bytes, size_t n, const char *dir)
{
    size_t end = find_end(bytes, n);
    size_t at = end < n ? number(bytes + end + END_START, 4) : n;
    size_t n_entries = end < n ? number(bytes + end + END_ENTRIES, 2) : 0;
    bool good = at < n && n_entries > 0;
    errno = 0;
    while (good && n_entries-- > 0) {
        const uint8_t *entry = bytes + at;
        good = at <= end && end - at >= ENTRY_BYTES && memcmp(entry, "PK\1\2", 4) == 0;
        size_t name_bytes = good ? number(entry + ENTRY_NAME, 2) : 0;
        good = good && name_bytes <= end - at - ENTRY_BYTES;
        if (!good) {
            break;
        }
        size_t room = strlen(dir) + name_bytes + 2;
        char *path = vm_alloc(room);
        snprintf(path, room, "%s/%.*s", dir, (int) name_bytes, (const char *) entry + ENTRY_BYTES);
        bool is_dir = name_bytes > 0 && entry[ENTRY_BYTES + name_bytes - 1] == '/';
        good = is_inside(path + strlen(dir) + 1) && make_parents(path)
               && (is_dir || unpack_entry(bytes, n, entry, path));
        vm_free(path);
        at += ENTRY_BYTES + name_bytes + number(entry + ENTRY_EXTRA, 2) + number(entry + ENTRY_COMMENT, 2);
    }
    if (!good) {
        cli_error("%s: cannot unpack its archive: %s", named, errno == 0 ? "it is damaged" : strerror(errno));
    }
    return good;
}

void archive_each_code_dir(const char *dir, void (*visit)(const char *path, void *context), void *context)
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort);
    visit(dir, context);
    for (int i = 0; i < n; i++) {
        size_t room = strlen(dir) + strlen(names[i]->d_name) + 8;
        char *ebin = vm_alloc(room);
        snprintf(ebin, room, "%s/%s/ebin", dir, names[i]->d_name);
        struct stat st;
        if (names[i]->d_name[0] != '.' && stat(ebin, &st) == 0 && S_ISDIR(st.st_mode)) {
            visit(ebin, context);
        }
        vm_free(ebin);
        free(names[i]);
    }
    if (n >= 0) {
        free(names);
    }
}
