/* bif_file_names.c - prim_file: what works on names. Dirty I/O threads, like bif_file.c. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/bif/file_handle.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"
#include "vm/core/print.h"

/* #file_info{} as file.hrl has it; times in seconds. */
static term file_info(struct proc *p, const struct stat *st)
{
    struct heap *h = &p->heap;
    const char *type = S_ISREG(st->st_mode) ? "regular"
        : S_ISDIR(st->st_mode)              ? "directory"
        : S_ISLNK(st->st_mode)              ? "symlink"
        : S_ISBLK(st->st_mode) || S_ISCHR(st->st_mode) ? "device" : "other";
    bool root = geteuid() == 0;
    bool owner = geteuid() == st->st_uid;
    bool group = getegid() == st->st_gid;
    mode_t bits = owner ? st->st_mode >> 6 : group ? st->st_mode >> 3 : st->st_mode;
    bool can_read = root || (bits & 4) != 0;
    bool can_write = root || (bits & 2) != 0;
    const char *access = can_read && can_write ? "read_write" : can_read ? "read" : can_write ? "write" : "none";
    term fields[] = {
        atom_from_cstr("file_info"), heap_integer(h, st->st_size), atom_from_cstr(type), atom_from_cstr(access),
        heap_integer(h, st->st_atime), heap_integer(h, st->st_mtime), heap_integer(h, st->st_ctime),
        heap_integer(h, st->st_mode), heap_integer(h, (int64_t) st->st_nlink),
        heap_integer(h, (int64_t) st->st_dev), heap_integer(h, (int64_t) st->st_rdev),
        heap_uinteger(h, st->st_ino), heap_integer(h, st->st_uid), heap_integer(h, st->st_gid),
    };
    return heap_tuple(h, fields, ARRAY_LEN(fields));
}

term bif_prim_file_read_info_nif_2(struct proc *p, term *args)
{
    char name[FILE_NAME_MAX_BYTES];
    struct stat st;
    if (!take_file_name(args[0], name)) {
        return proc_badarg(p);
    }
    bool follow = term_same(args[1], term_from_small(1));
    return (follow ? stat(name, &st) : lstat(name, &st)) < 0 ? posix_error(p, errno) : file_info(p, &st);
}

term bif_prim_file_read_handle_info_nif_1(struct proc *p, term *args)
{
    struct stat st;
    int fd = file_handle_fd(args[0]);
    if (fd == -1) {
        return proc_badarg(p);
    }
    if (fd < 0) {
        return posix_error(p, EINVAL);
    }
    return fstat(fd, &st) < 0 ? posix_error(p, errno) : file_info(p, &st);
}

term bif_prim_file_list_dir_nif_1(struct proc *p, term *args)
{
    char name[FILE_NAME_MAX_BYTES];
    if (!take_file_name(args[0], name)) {
        return proc_badarg(p);
    }
    DIR *dir = opendir(name);
    if (dir == NULL) {
        return posix_error(p, errno);
    }
    term list = TERM_NIL;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            list = heap_cons(&p->heap, bits_from_bytes(&p->heap, e->d_name, strlen(e->d_name)), list);
        }
    }
    closedir(dir);
    return heap_tuple2(&p->heap, ATOM(ok), list);
}

term bif_prim_file_read_link_nif_1(struct proc *p, term *args)
{
    char name[FILE_NAME_MAX_BYTES];
    char target[FILE_NAME_MAX_BYTES];
    if (!take_file_name(args[0], name)) {
        return proc_badarg(p);
    }
    ssize_t n = readlink(name, target, sizeof(target));
    return n < 0 ? posix_error(p, errno)
                 : heap_tuple2(&p->heap, ATOM(ok), bits_from_bytes(&p->heap, target, (size_t) n));
}

/* rc and errno with another name for one of the errors: those of OTP, which are POSIX's other choice. */
static int called(int rc, int system, int ours)
{
    if (rc < 0 && errno == system) {
        errno = ours;
    }
    return rc;
}

static bool is_cwd(const char *name)
{
    struct stat a, b;
    return stat(name, &a) == 0 && stat(".", &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int remove_dir(const char *name)
{
    int rc = called(rmdir(name), ENOTEMPTY, EEXIST);
    if (rc < 0 && errno == EEXIST) {
        errno = is_cwd(name) ? EINVAL : EEXIST;
    }
    return rc;
}

static int rename_file(const char *from, const char *to)
{
    int rc = called(rename(from, to), ENOTEMPTY, EEXIST);
    return strcmp(from, "/") == 0 ? called(rc, EBUSY, EINVAL) : rc;
}

/* One name, one system call. */
#define NAME_CALL(function, expression)                                                                       \
    term bif_prim_file_##function##_1(struct proc *p, term *args)                                             \
    {                                                                                                         \
        char name[FILE_NAME_MAX_BYTES];                                                                       \
        return take_file_name(args[0], name) ? posix_result(p, expression) : proc_badarg(p);                   \
    }
NAME_CALL(make_dir_nif, mkdir(name, 0777))
NAME_CALL(del_file_nif, called(unlink(name), EISDIR, EPERM))
NAME_CALL(del_dir_nif, remove_dir(name))
NAME_CALL(set_cwd_nif, chdir(name))
#undef NAME_CALL

/* Two names, one system call. */
#define NAMES_CALL(function, system_call)                                                                     \
    term bif_prim_file_##function##_2(struct proc *p, term *args)                                             \
    {                                                                                                         \
        char from[FILE_NAME_MAX_BYTES];                                                                       \
        char to[FILE_NAME_MAX_BYTES];                                                                         \
        bool ok = take_file_name(args[0], from) && take_file_name(args[1], to);                               \
        return ok ? posix_result(p, system_call(from, to)) : proc_badarg(p);                                   \
    }
NAMES_CALL(rename_nif, rename_file)
NAMES_CALL(make_hard_link_nif, link)
NAMES_CALL(make_soft_link_nif, symlink)
#undef NAMES_CALL

term bif_prim_file_get_cwd_nif_0(struct proc *p, term *args)
{
    (void) args;
    char name[FILE_NAME_MAX_BYTES];
    if (getcwd(name, sizeof(name)) == NULL) {
        return posix_error(p, errno);
    }
    return heap_tuple2(&p->heap, ATOM(ok), bits_from_bytes(&p->heap, name, strlen(name)));
}

/* Drives and short names are another system's. */
term bif_prim_file_get_device_cwd_nif_1(struct proc *p, term *args)
{
    (void) args;
    return posix_error(p, ENOTSUP);
}
term bif_prim_file_altname_nif_1(struct proc *p, term *args)
{
    (void) args;
    return posix_error(p, ENOTSUP);
}

term bif_prim_file_set_permissions_nif_2(struct proc *p, term *args)
{
    char name[FILE_NAME_MAX_BYTES];
    int64_t mode;
    if (!take_file_name(args[0], name) || !integer_to_int64(args[1], &mode)) {
        return proc_badarg(p);
    }
    return posix_result(p, chmod(name, (mode_t) mode & 07777));
}

term bif_prim_file_set_owner_nif_3(struct proc *p, term *args)
{
    char name[FILE_NAME_MAX_BYTES];
    int64_t uid;
    int64_t gid;
    if (!take_file_name(args[0], name) || !integer_to_int64(args[1], &uid) || !integer_to_int64(args[2], &gid)) {
        return proc_badarg(p);
    }
    return posix_result(p, chown(name, (uid_t) uid, (gid_t) gid));
}

term bif_prim_file_set_time_nif_4(struct proc *p, term *args)
{
    char name[FILE_NAME_MAX_BYTES];
    int64_t atime;
    int64_t mtime;
    if (!take_file_name(args[0], name) || !integer_to_int64(args[1], &atime) || !integer_to_int64(args[2], &mtime)) {
        return proc_badarg(p);
    }
    struct timespec times[2] = { { .tv_sec = atime }, { .tv_sec = mtime } };
    return posix_result(p, utimensat(AT_FDCWD, name, times, 0));
}

/* ---- names as Erlang has them: characters, or raw binaries ---- */

/* A name (list of characters, atom, binary, or deep list of these) as UTF-8, NUL at the end. */
term bif_prim_file_internal_name2native_1(struct proc *p, term *args)
{
    struct text t = { 0 };
    term stack[64];
    size_t depth = 0;
    bool ok = true;
    term at = args[0];
    if (term_is_binary(at)) {
        size_t n;
        uint8_t *scratch;
        const uint8_t *bytes = bits_bytes(at, &n, &scratch);
        ok = memchr(bytes, 0, n) == NULL;
        text_add(&t, (const char *) bytes, n);
        vm_free(scratch);
        at = TERM_NIL;
    }
    while (ok) {
        term head;
        if (term_is_cons(at)) {
            head = term_head(at);
            at = term_tail(at);
        } else if (term_is_atom(at)) {
            head = at;
            at = TERM_NIL;
        } else if (term_is_nil(at) && depth > 0) {
            at = stack[--depth];
            continue;
        } else {
            ok = term_is_nil(at);
            break;
        }
        uint8_t utf8[UTF8_MAX_BYTES];
        size_t n = chars_put(utf8, head);
        if (n != 0 && utf8[0] != 0) {
            text_add(&t, (const char *) utf8, n);
        } else if (term_is_atom(head)) {
            struct atom_text a = atom_text(head);
            text_add(&t, a.utf8, a.bytes);
        } else if (term_is_list(head) && depth < ARRAY_LEN(stack)) {
            stack[depth++] = at;
            at = head;
        } else {
            ok = false;
        }
    }
    term result = TERM_NONE;
    if (ok) {
        text_add(&t, "", 1);
        result = bits_from_bytes(&p->heap, t.data, t.len);
    }
    text_free(&t);
    return ok ? result : proc_badarg(p);
}

/* A raw name as characters; {error, ignore | warning | error} if it is no UTF-8. */
term bif_prim_file_internal_native2name_1(struct proc *p, term *args)
{
    if (!term_is_binary(args[0])) {
        return proc_badarg(p);
    }
    size_t n;
    uint8_t *scratch;
    const uint8_t *bytes = bits_bytes(args[0], &n, &scratch);
    if (n > 0 && bytes[n - 1] == 0) {
        n--;
    }
    term list = chars_from_utf8(&p->heap, bytes, n);
    vm_free(scratch);
    return !term_is_none(list) ? list : heap_tuple2(&p->heap, ATOM(error), atom_from_cstr("warning"));
}

term bif_prim_file_internal_normalize_utf8_1(struct proc *p, term *args)
{
    return bif_prim_file_internal_native2name_1(p, args);
}

term bif_prim_file_is_translatable_1(struct proc *p, term *args)
{
    if (!term_is_binary(args[0])) {
        return ATOM(true);
    }
    term name = bif_prim_file_internal_native2name_1(p, args);
    return term_from_bool(term_is_list(name));
}

/* How names are encoded: always UTF-8 here. */
term bif_file_native_name_encoding_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(utf8);
}
