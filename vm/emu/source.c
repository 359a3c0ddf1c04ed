#include "vm/emu/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/emu/archive.h"
#include "vm/emu/cli.h"
#include "vm/emu/code_cache.h"

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

/* Module name of a source file: its name without directory and suffix. */
static char *module_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(name, '.');
    return copy_text(name, dot == NULL ? strlen(name) : (size_t) (dot - name));
}

static char *compile_source(const char *path, const char *text, size_t n)
{
    char *cache = code_cache_dir(path, text, n);
    if (cache == NULL) {
        return NULL;
    }
    char *module = module_of(path);
    char *beam = code_cache_compile(cache, module, path, path, text);
    vm_free(module);
    vm_free(cache);
    return beam;
}

/* What follows the header lines of an escript. */
struct escript_body {
    const char *text; /* NUL-terminated */
    size_t n;
    unsigned line; /* its first line's number in the file */
};

/* The header: one line, usually "#!" and the interpreter's name, then at most two lines of "%%" (comment) or "%%!" (for the
 * emulator). */
static struct escript_body escript_body_of(const char *text, size_t n)
{
    const char *end = text + n;
    unsigned line = 1;
    while (text < end && (line == 1 || (line <= 3 && strncmp(text, "%%", 2) == 0))) {
        const char *newline = memchr(text, '\n', (size_t) (end - text));
        text = newline == NULL ? end : newline + 1;
        line++;
    }
    return (struct escript_body) { text, (size_t) (end - text), line };
}

static bool starts_with(const struct escript_body *body, const char *magic)
{
    size_t n = strlen(magic);
    return body->n >= n && memcmp(body->text, magic, n) == 0;
}

/* The name in a -module attribute at the start of a line, or NULL. */
static char *module_attribute(const char *text)
{
    for (const char *at = text; (at = strstr(at, "-module(")) != NULL; at++) {
        if (at == text || at[-1] == '\n') {
            const char *name = at + strlen("-module(");
            name += strspn(name, " '");
            size_t n = strcspn(name, " ')/\n");
            return n == 0 ? NULL : copy_text(name, n);
        }
    }
    return NULL;
}

/* The name as the text of an Erlang string. */
static char *quote(const char *path)
{
    char *quoted = vm_alloc(2 * strlen(path) + 1);
    char *to = quoted;
    for (; *path != '\0'; path++) {
        if (*path == '"' || *path == '\\') {
            *to++ = '\\';
        }
        *to++ = *path;
    }
    *to = '\0';
    return quoted;
}

static bool write_file(const char *path, const void *bytes, size_t n)
{
    if (code_cache_write(path, bytes, n)) {
        return true;
    }
    cli_error("cannot write %s: %s", path, strerror(errno));
    return false;
}

/* Erlang source. As the escript program does: what has no module gets one, and lines keep their numbers. */
static char *compile_script(const char *cache, const char *path, const struct escript_body *body)
{
    static const char unnamed[] =
        "-module(bulkhead_escript). -compile([nowarn_unused_function, nowarn_export_all, export_all]).";
    char *module = module_attribute(body->text);
    char *file = quote(path);
    /* The line named is that of the attribute itself. */
    char *text = cli_format("%s -file(\"%s\", %u).\n", module == NULL ? unnamed : "", file, body->line - 1);
    size_t head_bytes = strlen(text);
    text = vm_realloc(text, head_bytes + body->n);
    memcpy(text + head_bytes, body->text, body->n);
    if (module == NULL) {
        module = copy_text("bulkhead_escript", strlen("bulkhead_escript"));
    }
    char *source = cli_format("%s/%s.erl", cache, module); /* erlc wants file and module to be called the same */
    char *beam = NULL;
    if (write_file(source, text, head_bytes + body->n)) {
        beam = code_cache_compile(cache, module, source, path, body->text);
    }
    vm_free(source);
    vm_free(module);
    vm_free(text);
    vm_free(file);
    return beam;
}

static char *unpack_beam(const char *cache, const struct escript_body *body)
{
    char *beam = cli_format("%s/escript.beam", cache);
    if (!write_file(beam, body->text, body->n)) {
        vm_free(beam);
        return NULL;
    }
    return beam;
}

/* The module that "%%! -escript main Module" among the header lines names; else it is called as the file. */
static char *main_module(const char *path, const char *text, size_t header_bytes)
{
    static const char option[] = "-escript main ";
    const char *at = memmem(text, header_bytes, option, strlen(option));
    if (at == NULL) {
        return module_of(path);
    }
    at += strlen(option);
    at += strspn(at, " ");
    return copy_text(at, strcspn(at, " \t\r\n"));
}

struct module_search {
    struct source *source;
    char *module;
};

static void take_code_dir(const char *path, void *context)
{
    struct module_search *search = context;
    struct source *s = search->source;
    s->dirs = vm_realloc(s->dirs, (s->n_dirs + 1) * sizeof(*s->dirs));
    s->dirs[s->n_dirs++] = copy_text(path, strlen(path));
    char *beam = cli_format("%s/%s.beam", path, search->module);
    if (s->beam_path == NULL && access(beam, R_OK) == 0) {
        s->beam_path = beam;
    } else {
        vm_free(beam);
    }
}

/* A file of that name in the cache says that all of the archive is there. */
static void unpack_archive(const char *cache, const char *path, const char *text, const struct escript_body *body,
    struct source *out)
{
    char *dir = cli_format("%s/archive", cache);
    char *mark = cli_format("%s/unpacked", cache);
    bool good = access(mark, F_OK) == 0
                || (archive_unpack(path, (const uint8_t *) body->text, body->n, dir) && write_file(mark, "", 0));
    struct module_search search = { out, main_module(path, text, (size_t) (body->text - text)) };
    if (good) {
        archive_each_code_dir(dir, take_code_dir, &search);
        if (out->beam_path == NULL) {
            cli_error("%s: no module %s in its archive", path, search.module);
        }
    }
    vm_free(search.module);
    vm_free(mark);
    vm_free(dir);
}

static char *resolve_escript(const char *path, const char *text, size_t n, struct source *out)
{
    struct escript_body body = escript_body_of(text, n);
    if (body.n == 0) {
        cli_error("%s: neither a .beam nor a .erl file, and no escript: there is nothing behind its first line", path);
        return NULL;
    }
    char *cache = code_cache_dir(path, text, n);
    if (cache == NULL) {
        return NULL;
    }
    if (starts_with(&body, "PK\003\004")) {
        unpack_archive(cache, path, text, &body, out);
        vm_free(cache);
        return out->beam_path;
    }
    bool is_beam = starts_with(&body, "FOR1") || starts_with(&body, "\037\213"); /* plain or gzipped */
    char *beam = is_beam ? unpack_beam(cache, &body) : compile_script(cache, path, &body);
    vm_free(cache);
    return beam;
}

/* As the escript program takes files: whatever is no code of a module, the first line left out. */
static bool looks_like_escript(const char *path, const char *text, size_t n)
{
    struct escript_body whole = { text, n, 1 };
    return strncmp(text, "#!", 2) == 0
           || (!has_suffix(path, ".beam") && !starts_with(&whole, "FOR1") && !starts_with(&whole, "\037\213")
               && memchr(text, '\0', n) == NULL);
}

bool source_resolve(const char *path, struct source *out)
{
    size_t n;
    char *text = (char *) cli_read_file(path, &n);
    if (text == NULL) {
        cli_error("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    text[n] = '\0'; /* cli_read_file leaves room */
    char *beam;
    bool is_source = (has_suffix(path, ".erl") || has_suffix(path, ".S")) && strncmp(text, "#!", 2) != 0;
    bool is_escript = !is_source && looks_like_escript(path, text, n);
    *out = (struct source) { .is_escript = is_escript };
    if (is_source) {
        beam = compile_source(path, text, n);
    } else if (is_escript) {
        beam = resolve_escript(path, text, n, out);
    } else {
        beam = copy_text(path, strlen(path));
    }
    vm_free(text);
    out->beam_path = beam;
    if (beam != NULL && out->n_dirs == 0) { /* where the file itself is */
        out->dirs = vm_alloc(sizeof(*out->dirs));
        out->dirs[out->n_dirs++] = dir_of(path);
    }
    if (beam == NULL) {
        source_free(out);
    }
    return beam != NULL;
}

void source_free(struct source *s)
{
    vm_free(s->beam_path);
    for (size_t i = 0; i < s->n_dirs; i++) {
        vm_free(s->dirs[i]);
    }
    vm_free(s->dirs);
    *s = (struct source) { 0 };
}
