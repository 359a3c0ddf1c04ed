#include "vm/emu/archive.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "lib/base/arena.h"
#include "vm/emu/cli.h"
#include "vm/emu/code_cache.h"

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
enum { DEFLATE_MOST = 1032 }; /* times its size: what says it unpacks to more does not */

struct archive {
    const uint8_t *bytes;
    size_t n;
};

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

/* Are there n bytes at that place, and do they begin so? */
static bool has_magic(const struct archive *a, size_t at, const char *magic, size_t n)
{
    return at <= a->n && n <= a->n - at && memcmp(a->bytes + at, magic, strlen(magic)) == 0;
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

enum unpacked { UNPACKED, DAMAGED, UNWRITTEN /* errno says why */ };

static enum unpacked unpack_entry(const struct archive *a, const uint8_t *entry, const char *path)
{
    size_t packed = number(entry + ENTRY_PACKED, 4), size = number(entry + ENTRY_SIZE, 4);
    size_t local = number(entry + ENTRY_LOCAL, 4);
    uint32_t method = number(entry + ENTRY_METHOD, 2);
    if (!has_magic(a, local, "PK\3\4", LOCAL_BYTES) || (number(entry + ENTRY_FLAGS, 2) & FLAG_ENCRYPTED)
        || (method == STORED ? packed != size : method != DEFLATED)) {
        return DAMAGED;
    }
    const uint8_t *header = a->bytes + local;
    size_t data = local + LOCAL_BYTES + number(header + LOCAL_NAME, 2) + number(header + LOCAL_EXTRA, 2);
    if (data > a->n || packed > a->n - data || size / DEFLATE_MOST > packed) {
        return DAMAGED;
    }
    const uint8_t *content = a->bytes + data;
    uint8_t *plain = NULL;
    enum unpacked result = DAMAGED;
    if (method == DEFLATED) {
        plain = vm_alloc(size + 1);
        if (!inflate_all(content, packed, plain, size)) {
            goto done;
        }
        content = plain;
    }
    if (crc32(0, content, (uInt) size) == number(entry + ENTRY_CRC, 4)) {
        result = code_cache_write(path, content, size) ? UNPACKED : UNWRITTEN;
    }
done:
    vm_free(plain);
    return result;
}

/* Goes through the entries that begin at *at, one a call. */
static enum unpacked unpack_next(const struct archive *a, size_t *at, const char *dir)
{
    const uint8_t *entry = a->bytes + *at;
    if (!has_magic(a, *at, "PK\1\2", ENTRY_BYTES)) {
        return DAMAGED;
    }
    size_t name_bytes = number(entry + ENTRY_NAME, 2);
    if (name_bytes > a->n - *at - ENTRY_BYTES) {
        return DAMAGED;
    }
    *at += ENTRY_BYTES + name_bytes + number(entry + ENTRY_EXTRA, 2) + number(entry + ENTRY_COMMENT, 2);
    char *name = cli_format("%.*s", (int) name_bytes, (const char *) entry + ENTRY_BYTES);
    char *path = cli_format("%s/%s", dir, name);
    size_t n = strlen(name);
    enum unpacked result = DAMAGED;
    if (is_inside(name)) {
        bool is_dir = name[n - 1] == '/';
        result = !code_cache_make_parents(path) ? UNWRITTEN : is_dir ? UNPACKED : unpack_entry(a, entry, path);
    }
    vm_free(path);
    vm_free(name);
    return result;
}

bool archive_unpack(const char *named, const uint8_t *bytes, size_t n, const char *dir)
{
    struct archive a = { bytes, n };
    size_t end = find_end(bytes, n);
    size_t at = end < n ? number(bytes + end + END_START, 4) : n;
    size_t n_entries = end < n ? number(bytes + end + END_ENTRIES, 2) : 0;
    enum unpacked result = n_entries > 0 ? UNPACKED : DAMAGED;
    for (; n_entries > 0 && result == UNPACKED; n_entries--) {
        result = unpack_next(&a, &at, dir);
    }
    if (result != UNPACKED) {
        cli_error("%s: cannot unpack its archive: %s", named, result == DAMAGED ? "it is damaged" : strerror(errno));
    }
    return result == UNPACKED;
}

void archive_each_code_dir(const char *dir, void (*visit)(const char *path, void *context), void *context)
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort);
    visit(dir, context);
    for (int i = 0; i < n; i++) {
        char *ebin = cli_format("%s/%s/ebin", dir, names[i]->d_name);
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
