/* bif_file.c - prim_file: what works on an open file.
 *
 * All run on dirty I/O threads, so a slow disk or a FIFO holds up no scheduler.
 * Source: prim_file.erl of OTP 25 shows what each must return.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/bytes.h"
#include "vm/bif/file_handle.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/iolist.h"

enum { FILE_READ_CHUNK_MAX = 1 << 30, FILE_WRITE_CHUNK = 1 << 20 };

struct open_file {
    struct resource base; /* first */
    _Atomic int fd;       /* -1 once closed */
};

static void destroy_file(struct resource *r)
{
    struct open_file *f = (struct open_file *) r;
    int fd = atomic_exchange(&f->fd, -1);
    if (fd >= 0) {
        close(fd);
    }
    vm_free(f);
}

static term make_file(struct proc *p, int fd)
{
    struct open_file *f = vm_alloc(sizeof(*f));
    atomic_init(&f->base.refs, 1);
    f->base.destroy = destroy_file;
    atomic_init(&f->fd, fd);
    return heap_tuple2(&p->heap, ATOM(ok), handle_make_ref(p, &f->base));
}

int file_handle_fd(term t)
{
    struct open_file *f = (struct open_file *) handle_from_ref(t, destroy_file);
    if (f == NULL) {
        return -1;
    }
    int fd = atomic_load(&f->fd);
    return fd < 0 ? -2 : fd;
}

/* Common start: false and *out_answer if the call is over already. */
static bool get_fd(struct proc *p, term t, int *out_fd, term *out_answer)
{
    *out_fd = file_handle_fd(t);
    if (*out_fd == -1) {
        *out_answer = proc_badarg(p);
    } else if (*out_fd == -2) {
        *out_answer = posix_error(p, EINVAL);
    }
    return *out_fd >= 0;
}

static bool has_mode(term modes, const char *name)
{
    term atom = atom_from_cstr(name);
    for (; term_is_cons(modes); modes = term_tail(modes)) {
        if (term_same(term_head(modes), atom)) {
            return true;
        }
    }
    return false;
}

term bif_prim_file_open_nif_2(struct proc *p, term *args)
{
    char name[FILE_NAME_MAX_BYTES];
    if (!take_file_name(args[0], name) || term_list_length(args[1]) < 0) {
        return proc_badarg(p);
    }
    term modes = args[1];
    bool append = has_mode(modes, "append");
    bool exclusive = has_mode(modes, "exclusive");
    bool write = has_mode(modes, "write") || append || exclusive;
    bool read = has_mode(modes, "read") || !write;
    int flags = O_CLOEXEC | (read && write ? O_RDWR : write ? O_WRONLY : O_RDONLY);
    flags |= write ? O_CREAT : 0;
    flags |= append ? O_APPEND : 0;
    flags |= exclusive ? O_EXCL : 0;
    flags |= has_mode(modes, "sync") ? O_SYNC : 0;
    flags |= write && !read && !append && !exclusive ? O_TRUNC : 0;
    int fd = open(name, flags, 0666);
    if (fd < 0) {
        return posix_error(p, errno);
    }
    struct stat st;
    bool is_dir = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (is_dir != has_mode(modes, "directory")) {
        close(fd);
        return posix_error(p, is_dir ? EISDIR : ENOTDIR);
    }
    return make_file(p, fd);
}

term bif_prim_file_file_desc_to_ref_nif_1(struct proc *p, term *args)
{
    int64_t fd;
    if (!integer_to_int64(args[0], &fd) || fd < 0 || fd > INT32_MAX || fcntl((int) fd, F_GETFD) < 0) {
        return proc_badarg(p);
    }
    return make_file(p, (int) fd);
}

static term close_file(struct proc *p, term handle)
{
    struct open_file *f = (struct open_file *) handle_from_ref(handle, destroy_file);
    if (f == NULL) {
        return proc_badarg(p);
    }
    int fd = atomic_exchange(&f->fd, -1);
    return fd < 0 ? posix_error(p, EINVAL) : posix_result(p, close(fd));
}

term bif_prim_file_close_nif_1(struct proc *p, term *args)
{
    return close_file(p, args[0]);
}

term bif_prim_file_delayed_close_nif_1(struct proc *p, term *args)
{
    return close_file(p, args[0]);
}

/* Reads at offset (or, if negative, at the file's own position) up to n bytes. */
static term read_at(struct proc *p, int fd, term size, off_t offset)
{
    int64_t n;
    if (!integer_to_int64(size, &n) || n < 0) {
        return proc_badarg(p);
    }
    size_t room = n > FILE_READ_CHUNK_MAX ? FILE_READ_CHUNK_MAX : (size_t) n;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        /* No more than the file has: a read of "everything" asks for huge sizes. */
        off_t at = offset >= 0 ? offset : lseek(fd, 0, SEEK_CUR);
        off_t left = at >= 0 && st.st_size > at ? st.st_size - at : 0;
        /* Files in /proc say they are empty and are not. */
        size_t hint = left > 0 ? (size_t) left + 1 : 65536;
        room = room > hint ? hint : room;
    }
    uint8_t *buffer = vm_try_alloc(room + 1);
    if (buffer == NULL) {
        return posix_error(p, ENOMEM);
    }
    size_t got = 0;
    int error = 0;
    while (got < room) {
        ssize_t r = offset >= 0 ? pread(fd, buffer + got, room - got, offset + (off_t) got)
                                : read(fd, buffer + got, room - got);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            error = errno;
        }
        if (r <= 0) {
            break;
        }
        got += (size_t) r;
        if (!S_ISREG(st.st_mode)) {
            break; /* a pipe or terminal: what is there now */
        }
    }
    term answer;
    if (error != 0 && got == 0) {
        answer = posix_error(p, error);
    } else if (got == 0 && n > 0) {
        answer = ATOM(eof);
    } else {
        answer = heap_tuple2(&p->heap, ATOM(ok), bits_from_bytes(&p->heap, buffer, got));
    }
    vm_free(buffer);
    return answer;
}

term bif_prim_file_read_nif_2(struct proc *p, term *args)
{
    int fd;
    term answer;
    return get_fd(p, args[0], &fd, &answer) ? read_at(p, fd, args[1], -1) : answer;
}

/* The same for a call at a place in the file: args are handle, offset, and what else it takes. */
static bool get_fd_at(struct proc *p, term *args, int *out_fd, int64_t *out_offset, term *out_answer)
{
    if (!get_fd(p, args[0], out_fd, out_answer)) {
        return false;
    }
    if (!integer_to_int64(args[1], out_offset)) {
        *out_answer = proc_badarg(p);
        return false;
    }
    if (*out_offset < 0) {
        *out_answer = posix_error(p, EINVAL);
        return false;
    }
    return true;
}

term bif_prim_file_pread_nif_3(struct proc *p, term *args)
{
    int fd;
    term answer;
    int64_t offset;
    return get_fd_at(p, args, &fd, &offset, &answer) ? read_at(p, fd, args[2], offset) : answer;
}

static term write_at(struct proc *p, int fd, term data, off_t offset)
{
    size_t n;
    if (!iolist_size(data, &n)) {
        return proc_badarg(p);
    }
    uint8_t *bytes = vm_try_alloc(n + 1);
    if (bytes == NULL) {
        return posix_error(p, ENOMEM);
    }
    iolist_copy(data, bytes);
    size_t done = 0;
    term answer = ATOM(ok);
    while (done < n) {
        size_t chunk = n - done > FILE_WRITE_CHUNK ? FILE_WRITE_CHUNK : n - done;
        ssize_t w = offset >= 0 ? pwrite(fd, bytes + done, chunk, offset + (off_t) done)
                                : write(fd, bytes + done, chunk);
        if (w < 0 && errno == EINTR) {
            continue;
        }
        if (w < 0) {
            answer = posix_error(p, errno);
            break;
        }
        done += (size_t) w;
    }
    vm_free(bytes);
    return answer;
}

term bif_prim_file_write_nif_2(struct proc *p, term *args)
{
    int fd;
    term answer;
    return get_fd(p, args[0], &fd, &answer) ? write_at(p, fd, args[1], -1) : answer;
}

term bif_prim_file_pwrite_nif_3(struct proc *p, term *args)
{
    int fd;
    term answer;
    int64_t offset;
    return get_fd_at(p, args, &fd, &offset, &answer) ? write_at(p, fd, args[2], offset) : answer;
}

term bif_prim_file_seek_nif_3(struct proc *p, term *args)
{
    int fd;
    term answer;
    int64_t offset;
    if (!get_fd(p, args[0], &fd, &answer)) {
        return answer;
    }
    int whence;
    if (term_same(args[1], atom_from_cstr("bof"))) {
        whence = SEEK_SET;
    } else if (term_same(args[1], atom_from_cstr("cur"))) {
        whence = SEEK_CUR;
    } else if (term_same(args[1], ATOM(eof))) {
        whence = SEEK_END;
    } else {
        return proc_badarg(p);
    }
    if (!integer_to_int64(args[2], &offset)) {
        return proc_badarg(p);
    }
    off_t at = lseek(fd, offset, whence);
    return at < 0 ? posix_error(p, errno) : heap_tuple2(&p->heap, ATOM(ok), heap_integer(&p->heap, at));
}

term bif_prim_file_sync_nif_2(struct proc *p, term *args)
{
    int fd;
    term answer;
    if (!get_fd(p, args[0], &fd, &answer)) {
        return answer;
    }
    bool data_only = term_same(args[1], term_from_small(1));
    return posix_result(p, data_only ? fdatasync(fd) : fsync(fd));
}

term bif_prim_file_truncate_nif_1(struct proc *p, term *args)
{
    int fd;
    term answer;
    if (!get_fd(p, args[0], &fd, &answer)) {
        return answer;
    }
    off_t at = lseek(fd, 0, SEEK_CUR);
    return posix_result(p, at < 0 ? -1 : ftruncate(fd, at));
}

term bif_prim_file_advise_nif_4(struct proc *p, term *args)
{
    static const struct { const char *name; int advice; } advices[] = {
        { "normal", POSIX_FADV_NORMAL }, { "random", POSIX_FADV_RANDOM },
        { "sequential", POSIX_FADV_SEQUENTIAL }, { "will_need", POSIX_FADV_WILLNEED },
        { "dont_need", POSIX_FADV_DONTNEED }, { "no_reuse", POSIX_FADV_NOREUSE },
    };
    int fd;
    term answer;
    int64_t offset;
    int64_t length;
    if (!get_fd(p, args[0], &fd, &answer)) {
        return answer;
    }
    if (!integer_to_int64(args[1], &offset) || !integer_to_int64(args[2], &length)) {
        return proc_badarg(p);
    }
    for (size_t i = 0; i < ARRAY_LEN(advices); i++) {
        if (term_same(args[3], atom_from_cstr(advices[i].name))) {
            int error = posix_fadvise(fd, offset, length, advices[i].advice);
            return error == 0 ? ATOM(ok) : posix_error(p, error);
        }
    }
    return posix_error(p, EINVAL);
}

term bif_prim_file_allocate_nif_3(struct proc *p, term *args)
{
    int fd;
    term answer;
    int64_t offset;
    int64_t length;
    if (!get_fd(p, args[0], &fd, &answer)) {
        return answer;
    }
    if (!integer_to_int64(args[1], &offset) || !integer_to_int64(args[2], &length)) {
        return proc_badarg(p);
    }
    return posix_result(p, fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length));
}

/* The descriptor's number as native bytes, as OTP gives it. */
term bif_prim_file_get_handle_nif_1(struct proc *p, term *args)
{
    int fd;
    term answer;
    return get_fd(p, args[0], &fd, &answer) ? bits_from_bytes(&p->heap, &fd, sizeof(fd)) : answer;
}

term bif_prim_file_read_file_nif_1(struct proc *p, term *args)
{
    char name[FILE_NAME_MAX_BYTES];
    if (!take_file_name(args[0], name)) {
        return proc_badarg(p);
    }
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return posix_error(p, errno);
    }
    struct text_buffer { uint8_t *bytes; size_t n, cap; } b = { NULL, 0, 0 };
    struct stat st;
    int error = 0;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        error = EISDIR;
    }
    while (error == 0) {
        if (b.n == b.cap) { /* the size is a hint: files in /proc say 0 */
            b.cap = b.cap != 0 ? b.cap * 2 : st.st_size > 0 ? (size_t) st.st_size + 1 : 4096;
            b.bytes = vm_realloc(b.bytes, b.cap);
        }
        ssize_t r = read(fd, b.bytes + b.n, b.cap - b.n);
        if (r < 0 && errno != EINTR) {
            error = errno;
        }
        if (r == 0) {
            break;
        }
        b.n += r > 0 ? (size_t) r : 0;
    }
    close(fd);
    term answer = error != 0 ? posix_error(p, error)
                             : heap_tuple2(&p->heap, ATOM(ok), bits_from_bytes(&p->heap, b.bytes, b.n));
    vm_free(b.bytes);
    return answer;
}

/* dets' chunk header: at Offset a 32-bit size and a 32-bit position; the block it points to. */
term bif_prim_file_ipread_s32bu_p32bu_nif_3(struct proc *p, term *args)
{
    int fd;
    term answer;
    int64_t offset;
    int64_t max;
    uint8_t head[8];
    if (!get_fd(p, args[0], &fd, &answer)) {
        return answer;
    }
    if (!integer_to_int64(args[1], &offset) || offset < 0 || !integer_to_int64(args[2], &max) || max < 0) {
        return proc_badarg(p);
    }
    ssize_t r = pread(fd, head, sizeof(head), offset);
    if (r < (ssize_t) sizeof(head)) {
        return r < 0 ? posix_error(p, errno) : ATOM(eof);
    }
    uint32_t size = bytes_load_u32be(head), at = bytes_load_u32be(head + 4);
    if (size > max) {
        return ATOM(eof);
    }
    term block = read_at(p, fd, heap_integer(&p->heap, size), at);
    bool is_read = term_is_tuple_of(block, 2) && term_same(term_tuple_get(block, 0), ATOM(ok));
    term data = is_read ? term_tuple_get(block, 1) : ATOM(eof);
    return heap_tuple2(&p->heap, ATOM(ok),
        heap_tuple3(&p->heap, heap_integer(&p->heap, size), heap_integer(&p->heap, at), data));
}
