#include "vm/emu/code_cache.h"

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

/* ---- files and directories ---- */

bool code_cache_make_parents(char *path)
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

static bool make_dir(char *path)
{
    return code_cache_make_parents(path) && (mkdir(path, 0700) == 0 || errno == EEXIST);
}

bool code_cache_write(const char *path, const void *bytes, size_t n)
{
    char *part = cli_format("%s.%d", path, (int) getpid());
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && base_write_all(fd, bytes, n) && close(base_take_fd(&fd)) == 0 && rename(part, path) == 0;
    int error = errno;
    if (!good) {
        base_close_fd(&fd);
        (void) unlink(part);
    }
    vm_free(part);
    errno = error;
    return good;
}

/* Where cached code may be written; NULL and a message if nowhere. */
static char *cache_root(void)
{
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    const char *tmp = getenv("TMPDIR");
    char *root = NULL;
    if (xdg != NULL && xdg[0] == '/') {
        root = cli_format("%s/bulkhead", xdg);
    } else if (home != NULL && home[0] == '/') {
        root = cli_format("%s/.cache/bulkhead", home);
    }
    if (root != NULL && make_dir(root)) {
        return root;
    }
    vm_free(root);
    root = cli_format("%s/bulkhead-cache-%u", tmp != NULL ? tmp : "/tmp", (unsigned) getuid());
    struct stat st;
    if (!make_dir(root) || lstat(root, &st) < 0) {
        cli_error("cannot make the cache directory %s: %s", root, strerror(errno));
    } else if (!S_ISDIR(st.st_mode) || st.st_uid != getuid()) { /* anybody may write to /tmp */
        cli_error("the cache directory %s is somebody else's", root);
    } else {
        return root;
    }
    vm_free(root);
    return NULL;
}

char *code_cache_dir(const char *path, const char *bytes, size_t n)
{
    char *root = cache_root();
    if (root == NULL) {
        return NULL;
    }
    /* Includes are found next to the source, so its place is part of the key. */
    char *absolute = realpath(path, NULL);
    XXH64_hash_t key = XXH3_64bits_withSeed(bytes, n, XXH3_64bits(OTP_ROOT, strlen(OTP_ROOT)));
    if (absolute != NULL) {
        key = XXH3_64bits_withSeed(absolute, strlen(absolute), key);
        free(absolute);
    }
    char *dir = cli_format("%s/%016llx", root, (unsigned long long) key);
    vm_free(root);
    if (!make_dir(dir)) {
        cli_error("cannot make the cache directory %s: %s", dir, strerror(errno));
        vm_free(dir);
        return NULL;
    }
    return dir;
}

/* ---- erlc ---- */

/* Compiles source, which is `named` itself or was made from it. */
static bool run_erlc(const char *out_dir, const char *source, const char *named)
{
    const char *slash = strrchr(named, '/');
    char *include = slash == NULL ? cli_format("-I.") : cli_format("-I%.*s", slash == named ? 1 : (int) (slash - named), named);
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
        cli_error("%s does not compile", named);
        return false;
    }
    return true;
}

/* Is the .beam missing, or older than what it is made from? Of included files we know nothing. */
static bool is_stale(const char *beam, const char *named, const char *text)
{
    struct stat b;
    struct stat s;
    return stat(beam, &b) < 0 || stat(named, &s) < 0 || b.st_mtime < s.st_mtime
           || strstr(text, "-include(") != NULL;
}

char *code_cache_compile(const char *dir, const char *module, const char *source, const char *named, const char *text)
{
    char *beam = cli_format("%s/%s.beam", dir, module);
    if (!is_stale(beam, named, text)) {
        return beam;
    }
    /* erlc writes into a directory of our own: another program may be about to load the file that is there. */
    char *own_dir = cli_format("%s/%d", dir, (int) getpid());
    char *own_beam = cli_format("%s/%s.beam", own_dir, module);
    bool good = false;
    if (!make_dir(own_dir)) {
        cli_error("cannot make the cache directory %s: %s", own_dir, strerror(errno));
    } else if (run_erlc(own_dir, source, named)) {
        good = rename(own_beam, beam) == 0;
        if (!good) {
            cli_error("%s: erlc wrote no %s.beam (does -module match the file name?)", named, module);
        }
    }
    (void) rmdir(own_dir);
    vm_free(own_beam);
    vm_free(own_dir);
    if (!good) {
        vm_free(beam);
        return NULL;
    }
    return beam;
}
