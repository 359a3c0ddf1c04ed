/* The directories where modules are looked for.
 *
 *   own modules, -pa dirs, "." | ROOT/lib: stdlib, kernel | ERL_LIBS | ROOT/lib: <the rest>, erts | -pz dirs
 *
 * Nothing is looked at before the first search: ROOT/lib and ERL_LIBS are listed once, when a module is neither in
 * the -pa directories nor among our own. Directories are not listed; a search tries to open the file.
 */
#include "vm/code/module.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/installed.h"
#include "lib/base/lock.h"
#include "vm/core/atom.h"

#ifndef OTP_ROOT
#define OTP_ROOT "/usr/lib/erlang"
#endif
#ifndef ERLMOD_DIR
#define ERLMOD_DIR "/usr/local/lib/bulkhead/ebin"
#endif

struct dirs {
    char **names; /* owned, each owned */
    size_t n, cap;
};

static struct lock lock; /* all of the below */
static struct dirs first, libs, last;
/* Of OTP's libraries those that the VM itself lives on: found also when a program takes them out of its path, as on OTP,
 * where they are loaded from the start. */
static struct dirs always;
static bool libs_known;
static char otp_root[PATH_MAX]; /* "" until looked for, "-": there is none */

static void dirs_insert(struct dirs *d, size_t at, const char *name)
{
    if (d->n == d->cap) {
        d->cap = d->cap == 0 ? 16 : 2 * d->cap;
        d->names = vm_realloc(d->names, d->cap * sizeof(*d->names));
    }
    memmove(d->names + at + 1, d->names + at, (d->n - at) * sizeof(*d->names));
    size_t bytes = strlen(name) + 1;
    d->names[at] = memcpy(vm_alloc(bytes), name, bytes);
    d->n++;
}

static bool dirs_remove(struct dirs *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(d->names[i], name) == 0) {
            vm_free(d->names[i]);
            memmove(d->names + i, d->names + i + 1, (d->n - i - 1) * sizeof(*d->names));
            d->n--;
            return true;
        }
    }
    return false;
}

static bool is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Does lib hold a stdlib? The ROOT/erts-VERSION/lib that a program started by OTP finds first on its PATH does not. */
static bool holds_libraries(const char *lib)
{
    DIR *d = opendir(lib);
    bool found = false;
    for (struct dirent *e; !found && d != NULL && (e = readdir(d)) != NULL;) {
        found = strncmp(e->d_name, "stdlib", 6) == 0 && (e->d_name[6] == '-' || e->d_name[6] == '\0');
    }
    if (d != NULL) {
        closedir(d);
    }
    return found;
}

/* ROOT/bin/erl of the `erl` on PATH; else where it was when this was built. */
static void find_otp_root(void)
{
    const char *env = getenv("BULKHEAD_OTP_ROOT");
    if (env != NULL && *env != '\0' && strlen(env) < sizeof(otp_root)) {
        strcpy(otp_root, env);
        return;
    }
    char lib[PATH_MAX + 8];
    const char *path = getenv("PATH");
    for (const char *at = path; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, ":");
        char name[PATH_MAX];
        if (n > 0 && n < sizeof(name) - 8) {
            memcpy(name, at, n);
            strcpy(name + n, "/erl");
            if (access(name, X_OK) == 0 && realpath(name, otp_root) != NULL) {
                for (int up = 0; up < 2; up++) { /* bin/erl */
                    char *slash = strrchr(otp_root, '/');
                    *(slash != NULL ? slash : otp_root) = '\0';
                }
                strcpy(lib, otp_root);
                strcat(lib, "/lib");
                if (holds_libraries(lib)) {
                    return;
                }
            }
        }
        at += n + (at[n] == ':');
    }
    strcpy(otp_root, is_dir(OTP_ROOT "/lib") ? OTP_ROOT : "-");
}

static const char *root_locked(void)
{
    if (otp_root[0] == '\0') {
        find_otp_root();
    }
    return otp_root[0] == '-' ? NULL : otp_root;
}

const char *code_otp_root(void)
{
    lock_take(&lock);
    const char *root = root_locked();
    lock_drop(&lock);
    return root;
}

/* Applications in the order they are searched: those everything uses first. */
static int rank_of(const char *app)
{
    return strncmp(app, "stdlib-", 7) == 0   ? 0
           : strncmp(app, "kernel-", 7) == 0 ? 1
           : strncmp(app, "erts-", 5) == 0   ? 3
                                             : 2;
}

static int compare_apps(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    int rx = rank_of(*x), ry = rank_of(*y);
    return rx != ry ? rx - ry : strcmp(*x, *y);
}

/* The names in dir, but for hidden ones, in that order. */
static struct dirs names_in(const char *dir, int (*compare)(const void *, const void *))
{
    DIR *d = opendir(dir);
    struct dirs names = { 0 };
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.') {
            dirs_insert(&names, names.n, e->d_name);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    if (names.n > 0) {
        qsort(names.names, names.n, sizeof(*names.names), compare);
    }
    return names;
}

static void dirs_free(struct dirs *d)
{
    for (size_t i = 0; i < d->n; i++) {
        vm_free(d->names[i]);
    }
    vm_free(d->names);
    *d = (struct dirs) { 0 };
}

/* DIR/APP/ebin. false: too long. */
static bool ebin_of(char out[PATH_MAX], const char *dir, const char *app)
{
    return snprintf(out, PATH_MAX, "%s/%s/ebin", dir, app) < PATH_MAX;
}

/* All applications below ROOT/lib. */
static void list_otp(const char *dir)
{
    struct dirs apps = names_in(dir, compare_apps);
    char path[PATH_MAX];
    for (size_t i = 0; i < apps.n; i++) {
        if (ebin_of(path, dir, apps.names[i])) {
            dirs_insert(&libs, libs.n, path);
        }
    }
    dirs_free(&apps);
}

/* NAME-1.20.3: how long NAME is, and where the numbers begin; all of it, and "", if it has none. */
static size_t split_version(const char *app, const char **out_version)
{
    const char *dash = strrchr(app, '-'), *at = dash;
    *out_version = "";
    do {
        size_t digits = at == NULL ? 0 : strspn(at + 1, "0123456789");
        if (digits == 0) {
            return strlen(app);
        }
        at += 1 + digits;
    } while (*at == '.');
    if (*at != '\0') {
        return strlen(app);
    }
    *out_version = dash + 1;
    return (size_t) (dash - app);
}

static int compare_versions(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, "0");
        b += strspn(b, "0");
        size_t na = strspn(a, "0123456789"), nb = strspn(b, "0123456789");
        int order = na != nb ? (na < nb ? -1 : 1) : memcmp(a, b, na);
        a += na;
        b += nb;
        if (order != 0 || *a != *b) { /* of two that begin alike the longer is the later */
            return order != 0 ? order : *a == '\0' ? -1 : 1;
        }
        if (*a == '\0') {
            return 0;
        }
        a++;
        b++;
    }
}

static int compare_names(const char *a, const char *b)
{
    const char *va, *vb;
    size_t na = split_version(a, &va), nb = split_version(b, &vb);
    int order = memcmp(a, b, na < nb ? na : nb);
    return order != 0 ? order : na != nb ? (na < nb ? -1 : 1) : 0;
}

/* Names down, and of each the latest version first. */
static int compare_down(const void *a, const void *b)
{
    const char *x = *(const char *const *) a, *y = *(const char *const *) b, *vx, *vy;
    int order = compare_names(y, x);
    split_version(x, &vx);
    split_version(y, &vy);
    return order != 0 ? order : compare_versions(vy, vx);
}

/* Of each application below dir the latest version, at `at`. Returns how many. */
static size_t list_latest(const char *dir, size_t at)
{
    struct dirs apps = names_in(dir, compare_down);
    size_t n = 0;
    char path[PATH_MAX];
    for (size_t i = 0; i < apps.n; i++) {
        bool latest = i == 0 || compare_names(apps.names[i - 1], apps.names[i]) != 0;
        if (latest && ebin_of(path, dir, apps.names[i]) && is_dir(path)) {
            dirs_insert(&libs, at + n++, path);
        }
    }
    dirs_free(&apps);
    return n;
}

/* ERL_LIBS, DIR:DIR...: as on OTP behind kernel and stdlib and before the others. */
static void list_erl_libs(size_t at)
{
    char dir[PATH_MAX];
    for (const char *env = getenv("ERL_LIBS"); env != NULL && *env != '\0';) {
        size_t n = strcspn(env, ":");
        if (n > 0 && n < sizeof(dir)) {
            memcpy(dir, env, n);
            dir[n] = '\0';
            at += list_latest(dir, at);
        }
        env += n + (env[n] == ':');
    }
}

static void list_libs_locked(void)
{
    const char *root = root_locked();
    char path[PATH_MAX];
    size_t n_first = 0;
    libs_known = true;
    if (root != NULL && snprintf(path, sizeof(path), "%s/lib", root) < (int) sizeof(path)) {
        list_otp(path);
    }
    for (size_t i = 0; i < libs.n; i++) {
        int rank = rank_of(libs.names[i] + strlen(path) + 1);
        n_first += rank < 2;
        if (rank != 2) {
            dirs_insert(&always, always.n, libs.names[i]);
        }
    }
    list_erl_libs(n_first);
}

/* A program run from its build directory has its modules beside it, in lib/erl; one whose installation
 * was moved has them where they were moved to. */
static bool find_own_modules(char out[PATH_MAX])
{
    static const char tail[] = "lib/erl";
    if (installed_directory(out) && strlen(out) + sizeof(tail) <= PATH_MAX) {
        strcat(out, tail);
        if (is_dir(out)) {
            return true;
        }
    }
    return installed_find(ERLMOD_DIR, out);
}

void code_path_init(void)
{
    if (first.n > 0) {
        return;
    }
    lock_init(&lock, RANK_MODULE_TABLE);
    char found[PATH_MAX];
    const char *own = getenv("BULKHEAD_LIB");
    if (own == NULL || *own == '\0') {
        own = find_own_modules(found) ? found : ERLMOD_DIR;
    }
    dirs_insert(&first, 0, own);
    dirs_insert(&first, 1, ".");
}

void code_path_add(const char *dir, bool at_front)
{
    lock_take(&lock);
    dirs_remove(&last, dir);
    /* Our own modules stand in for some of OTP's and always come first. */
    if (strcmp(first.names[0], dir) != 0) {
        dirs_remove(&first, dir);
        if (at_front) {
            dirs_insert(&first, 1, dir);
        } else {
            dirs_insert(&last, last.n, dir);
        }
    }
    lock_drop(&lock);
}

bool code_path_remove(const char *dir)
{
    lock_take(&lock);
    if (!libs_known) {
        list_libs_locked();
    }
    bool removed =
        strcmp(first.names[0], dir) != 0
        && (dirs_remove(&first, dir) || dirs_remove(&libs, dir) || dirs_remove(&last, dir));
    lock_drop(&lock);
    return removed;
}

void code_path_each(void (*fn)(const char *dir, void *arg), void *arg)
{
    lock_take(&lock);
    if (!libs_known) {
        list_libs_locked();
    }
    const struct dirs *all[] = { &first, &libs, &last };
    for (size_t k = 0; k < ARRAY_LEN(all); k++) {
        for (size_t i = 0; i < all[k]->n; i++) {
            fn(all[k]->names[i], arg);
        }
    }
    lock_drop(&lock);
}

static bool search(const struct dirs *d, const char *file, char path[PATH_MAX])
{
    size_t file_bytes = strlen(file) + 1;
    for (size_t i = 0; i < d->n; i++) {
        size_t n = strlen(d->names[i]);
        if (n + 1 + file_bytes > PATH_MAX) {
            continue;
        }
        memcpy(path, d->names[i], n);
        path[n] = '/';
        memcpy(path + n + 1, file, file_bytes);
        if (access(path, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

char *code_path_find(term module)
{
    struct atom_text text = atom_text(module);
    char file[ATOM_MAX_BYTES + 8];
    /* A name with a slash would leave the directory. */
    if (text.bytes == 0 || memchr(text.utf8, '/', text.bytes) != NULL
        || memchr(text.utf8, 0, text.bytes) != NULL) {
        return NULL;
    }
    memcpy(file, text.utf8, text.bytes);
    strcpy(file + text.bytes, ".beam");
    char path[PATH_MAX];
    lock_take(&lock);
    bool found = search(&first, file, path);
    if (!found) {
        if (!libs_known) {
            list_libs_locked();
        }
        found = search(&libs, file, path) || search(&last, file, path) || search(&always, file, path);
    }
    lock_drop(&lock);
    if (!found) {
        return NULL;
    }
    size_t bytes = strlen(path) + 1;
    return memcpy(vm_alloc(bytes), path, bytes);
}

uint8_t *code_read_file(const char *path, size_t *n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *bytes = NULL;
    size_t done = 0;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        bytes = vm_try_alloc((size_t) st.st_size + 1);
        while (bytes != NULL && done < (size_t) st.st_size) {
            ssize_t got = read(fd, bytes + done, (size_t) st.st_size - done);
            if (got <= 0) {
                break;
            }
            done += (size_t) got;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    *n = done;
    return bytes;
}
