#include "vm/emu/source.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/base/arena.h"
#include "vm/emu/cli.h"

extern char **environ;

static char *format_path(const char *fmt, const char *a, const char *b)
{
    size_t n = strlen(fmt) + strlen(a) + strlen(b) + 1;
    char *path = vm_alloc(n);
    snprintf(path, n, fmt, a, b);
    return path;
}

static char *copy_text(const char *text, size_t n)
{
    char *copy = vm_alloc(n + 1);
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

/* Directory part of path, "." if it has none. */
static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? copy_text(".", 1) : copy_text(path, slash == path ? 1 : (size_t) (slash - path));
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t n = strlen(text);
    size_t m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static bool make_dirs(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            int rc = mkdir(path, 0700);
            *at = '/';
            if (rc < 0 && errno != EEXIST) {
                return false;
            }
        }
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* A directory for this content: the same source with the same erlc finds its .beam again. */
static char *cache_dir(const char *path, const uint8_t *bytes, size_t n)
{
    const char *base = getenv("XDG_CACHE_HOME");
    char *root;
    if (base != NULL && base[0] == '/') {
        root = format_path("%s/bulkhead%s", base, "");
    } else if (getenv("HOME") != NULL) {
        root = format_path("%s/.cache/bulkhead%s", getenv("HOME"), "");
    } else {
        root = format_path("%s/bulkhead-cache%s", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp", "");
    }
    if (!make_dirs(root)) {
        char uid[16];
        snprintf(uid, sizeof(uid), "%u", (unsigned) getuid());
        vm_free(root);
        root = format_path("%s/bulkhead-cache-%s", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp", uid);
        if (!make_dirs(root)) {
            cli_error("cannot make the cache directory %s: %s", root, strerror(errno));
            vm_free(root);
            return NULL;
        }
    }
    /* Includes are found next to the source, so its place is part of the key. */
    char *absolute = realpath(path, NULL);
    XXH64_hash_t key = XXH3_64bits_withSeed(bytes, n, XXH3_64bits(OTP_ROOT, strlen(OTP_ROOT)));
    if (absolute != NULL) {
        key = XXH3_64bits_withSeed(absolute, strlen(absolute), key);
        free(absolute);
    }
    char name[32];
    snprintf(name, sizeof(name), "%016llx", (unsigned long long) key);
    char *dir = format_path("%s/%s", root, name);
    vm_free(root);
    if (!make_dirs(dir)) {
        cli_error("cannot make the cache directory %s: %s", dir, strerror(errno));
        vm_free(dir);
        return NULL;
    }
    return dir;
}

static bool run_erlc(const char *out_dir, const char *include_dir, const char *source)
{
    char *include = format_path("-I%s%s", include_dir, "");
    char *argv[] = { "erlc", "+debug_info", include, "-o", (char *) out_dir, (char *) source, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    /* What the compiler says goes to stderr: stdout is the program's. */
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    pid_t pid;
    int error = posix_spawnp(&pid, "erlc", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    vm_free(include);
    if (error != 0) {
        cli_error("cannot run erlc: %s (apt-get install erlang-base)", strerror(error));
        return false;
    }
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            cli_error("lost erlc: %s", strerror(errno));
            return false;
        }
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        cli_error("%s does not compile", source);
        return false;
    }
    return true;
}

/* Module name of a source file: its name without directory and suffix. */
static char *module_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(name, '.');
    return copy_text(name, dot == NULL ? strlen(name) : (size_t) (dot - name));
}

static bool newer_include_may_differ(const char *beam, const char *source)
{
    struct stat b;
    struct stat s;
    return stat(beam, &b) < 0 || stat(source, &s) < 0 || b.st_mtime < s.st_mtime;
}

static bool compile_source(const char *path, const uint8_t *bytes, size_t n, struct source *out)
{
    char *cache = cache_dir(path, bytes, n);
    if (cache == NULL) {
        return false;
    }
    char *module = module_of(path);
    char *beam = format_path("%s/%s.beam", cache, module);
    char *dir = dir_of(path);
    bool ok = true;
    if (newer_include_may_differ(beam, path)) {
        ok = run_erlc(cache, dir, path);
        if (ok && access(beam, R_OK) < 0) {
            ok = false;
            cli_error("%s: erlc wrote no %s.beam (does -module match the file name?)", path, module);
        }
    }
    vm_free(module);
    vm_free(cache);
    if (!ok) {
        vm_free(beam);
        vm_free(dir);
        return false;
    }
    out->beam_path = beam;
    out->dir = dir;
    return true;
}

static bool write_file(const char *path, const char *head, const char *body, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        cli_error("cannot write %s: %s", path, strerror(errno));
        return false;
    }
    cli_write(fd, head, strlen(head));
    cli_write(fd, body, n);
    close(fd);
    return true;
}

/* Does the text have a -module attribute of its own at the start of a line? */
static bool has_module_attribute(const char *body)
{
    for (const char *at = body; (at = strstr(at, "-module")) != NULL; at++) {
        if (at == body || at[-1] == '\n') {
            return true;
        }
    }
    return false;
}

/* An escript: "#!" line, optional "%% " comment and "%%! " emulator lines, then a body that is Erlang
 * source, a .beam file or a zip archive. */
static bool resolve_escript(const char *path, const uint8_t *bytes, size_t n, struct source *out)
{
    const char *at = (const char *) bytes;
    const char *end = at + n;
    unsigned lines = 0;
    while (at < end && lines < 3) { /* header lines: at most the first three */
        bool header = lines == 0 || (end - at > 1 && at[0] == '%' && at[1] == '%');
        if (!header) {
            break;
        }
        const char *newline = memchr(at, '\n', (size_t) (end - at));
        at = newline == NULL ? end : newline + 1;
        lines++;
    }
    size_t body = (size_t) (end - at);
    if (body >= 4 && memcmp(at, "PK\003\004", 4) == 0) {
        cli_error("%s: archive escripts are not supported; unpack it and use -pa", path);
        return false;
    }
    char *cache = cache_dir(path, bytes, n);
    if (cache == NULL) {
        return false;
    }
    bool ok;
    if (body >= 4 && (memcmp(at, "FOR1", 4) == 0 || memcmp(at, "\037\213", 2) == 0)) {
        out->beam_path = format_path("%s/%s", cache, "escript.beam");
        ok = write_file(out->beam_path, "", at, body);
    } else {
        /* As the escript program does: a module of its own name, main/1 exported, lines kept. */
        char head[256];
        snprintf(head, sizeof(head), "%s-file(\"escript\", %u).\n",
            has_module_attribute(at) ? "" : "-module(bulkhead_escript). -compile([nowarn_unused_function]). -export([main/1]).\n",
            lines + 1);
        bool named = has_module_attribute(at);
        if (named) {
            head[0] = '\0';
        }
        char *source = format_path("%s/%s", cache, "bulkhead_escript.erl");
        char *named_source = NULL;
        if (named) { /* erlc wants the file to be called as the module */
            const char *open = strstr(at, "-module");
            open = strchr(open, '(');
            const char *close = open == NULL ? NULL : strchr(open, ')');
            if (close != NULL && close - open < 200) {
                char *name = copy_text(open + 1, (size_t) (close - open - 1));
                size_t dir_len = strlen(cache) + strlen(name) + 8;
                named_source = vm_alloc(dir_len);
                snprintf(named_source, dir_len, "%s/%s.erl", cache, name);
                vm_free(name);
            }
        }
        const char *file = named_source != NULL ? named_source : source;
        char *dir = dir_of(path);
        ok = write_file(file, head, at, body) && run_erlc(cache, dir, file);
        if (ok) {
            out->beam_path = copy_text(file, strlen(file) + 1);
            size_t stem = strlen(file) - strlen(".erl");
            out->beam_path = vm_realloc(out->beam_path, strlen(file) + 8);
            strcpy(out->beam_path + stem, ".beam");
        }
        vm_free(dir);
        vm_free(named_source);
        vm_free(source);
    }
    vm_free(cache);
    if (ok) {
        out->dir = dir_of(path);
        out->is_escript = true;
    }
    return ok;
}

bool source_resolve(const char *path, struct source *out)
{
    memset(out, 0, sizeof(*out));
    size_t n;
    uint8_t *bytes = cli_read_file(path, &n);
    if (bytes == NULL) {
        cli_error("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    bytes[n] = '\0'; /* cli_read_file leaves room */
    bool ok;
    if (n >= 2 && bytes[0] == '#' && bytes[1] == '!') {
        ok = resolve_escript(path, bytes, n, out);
    } else if (has_suffix(path, ".erl") || has_suffix(path, ".S")) {
        ok = compile_source(path, bytes, n, out);
    } else {
        out->beam_path = copy_text(path, strlen(path));
        out->dir = dir_of(path);
        ok = true;
    }
    vm_free(bytes);
    return ok;
}

void source_free(struct source *s)
{
    vm_free(s->beam_path);
    vm_free(s->dir);
}
