/* bif_zlib.c - the natives below module zlib: streams as references.
 *
 * Only the process that opened a stream, or was given it, may use it, so no lock is needed. Input is
 * queued; each call of deflate or inflate takes a piece of it and returns a piece of output.
 */

#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/bif/file_handle.h"
#include "vm/core/arith.h"
#include "vm/core/bits.h"
#include "vm/core/compress.h"
#include "vm/core/copy.h"
#include "vm/core/iolist.h"

enum { BYTES_PER_REDUCTION = 32, DEFAULT_BUFFER = 4000, MAX_CHUNK = 1 << 24 };

enum stream_kind { STREAM_NEW, STREAM_DEFLATE, STREAM_INFLATE, STREAM_CLOSED };
enum end_behavior { END_ERROR, END_RESET, END_CUT }; /* more input behind the end of a stream */

struct stream {
    struct resource resource;
    z_stream z;
    term owner;
    enum stream_kind kind;
    enum end_behavior at_end;
    bool ended;     /* the last call came to the end of the compressed data */
    uint8_t *input; /* owned; [input_at, input_end) is queued */
    size_t input_at, input_end, input_capacity;
    uLong crc; /* of what is not compressed */
    size_t buffer_size;
    struct heap stash; /* holds stashed, if that is a term */
    term stashed;
};

static void drop_input(struct stream *s)
{
    vm_free(s->input);
    s->input = NULL;
    s->input_at = s->input_end = s->input_capacity = 0;
}

static void drop_stash(struct stream *s)
{
    if (!term_is_none(s->stashed)) {
        heap_destroy(&s->stash);
        s->stashed = TERM_NONE;
    }
}

/* Back to STREAM_NEW. The result of zlib's own end function. */
static int stream_end(struct stream *s)
{
    int result = s->kind == STREAM_DEFLATE ? deflateEnd(&s->z) : s->kind == STREAM_INFLATE ? inflateEnd(&s->z) : Z_OK;
    s->kind = STREAM_NEW;
    drop_input(s);
    drop_stash(s);
    return result;
}

static void stream_destroy(struct resource *r)
{
    struct stream *s = container_of(r, struct stream, resource);
    stream_end(s);
    vm_free(s);
}

static term raise(struct proc *p, term reason)
{
    return proc_raise(p, EXC_ERROR, reason);
}

static term raise_result(struct proc *p, int result)
{
    switch (result) {
    case Z_DATA_ERROR:
        return raise(p, ATOM(data_error));
    case Z_BUF_ERROR:
        return raise(p, ATOM(buf_error));
    case Z_MEM_ERROR:
        return proc_system_limit(p);
    default:
        return raise(p, ATOM(stream_error));
    }
}

/* The stream, of any kind but closed. NULL: raised. */
static struct stream *get_open(struct proc *p, term ref)
{
    struct resource *r = handle_from_ref(ref, stream_destroy);
    if (r == NULL) {
        proc_badarg(p);
        return NULL;
    }
    struct stream *s = container_of(r, struct stream, resource);
    if (!term_same(s->owner, p->id)) {
        raise(p, ATOM(not_on_controlling_process));
        return NULL;
    }
    if (s->kind == STREAM_CLOSED) {
        raise(p, ATOM(not_initialized));
        return NULL;
    }
    return s;
}

static struct stream *get_stream(struct proc *p, term ref, enum stream_kind kind)
{
    struct stream *s = get_open(p, ref);
    if (s != NULL && s->kind != kind) {
        raise(p, ATOM(not_initialized));
        return NULL;
    }
    return s;
}

/* ---- opening and closing ---- */

term bif_zlib_open_nif_0(struct proc *p, term *args)
{
    struct stream *s = vm_zalloc(sizeof(*s));
    (void) args;
    atomic_init(&s->resource.refs, 1);
    s->resource.destroy = stream_destroy;
    s->owner = p->id;
    s->buffer_size = DEFAULT_BUFFER;
    return handle_make_ref(p, &s->resource);
}

term bif_zlib_close_nif_1(struct proc *p, term *args)
{
    struct stream *s = get_open(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    stream_end(s);
    s->kind = STREAM_CLOSED;
    return ATOM(ok);
}

term bif_zlib_set_controller_nif_2(struct proc *p, term *args)
{
    struct stream *s = get_open(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    if (!term_is_local_pid(args[1])) {
        return proc_badarg(p);
    }
    s->owner = args[1];
    return ATOM(ok);
}

/* A stream that is new, ready for zlib's init. NULL: raised. */
static struct stream *begin_init(struct proc *p, term ref)
{
    struct stream *s = get_open(p, ref);
    if (s != NULL && s->kind != STREAM_NEW) {
        raise(p, ATOM(already_initialized));
        return NULL;
    }
    if (s != NULL) {
        s->z = (z_stream) { COMPRESS_MEMORY };
        s->crc = crc32_z(0, NULL, 0);
        s->ended = false;
    }
    return s;
}

static bool get_ints(const term *args, size_t n, int *out)
{
    for (size_t i = 0; i < n; i++) {
        if (!term_is_small(args[i]) || term_to_small(args[i]) < -MAX_CHUNK || term_to_small(args[i]) > MAX_CHUNK) {
            return false;
        }
        out[i] = (int) term_to_small(args[i]);
    }
    return true;
}

term bif_zlib_deflateInit_nif_6(struct proc *p, term *args)
{
    int o[5];
    if (!get_ints(args + 1, 5, o)) {
        return proc_badarg(p);
    }
    struct stream *s = begin_init(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    int result = deflateInit2(&s->z, o[0], o[1], o[2], o[3], o[4]);
    if (result != Z_OK) {
        return raise_result(p, result);
    }
    s->kind = STREAM_DEFLATE;
    return ATOM(ok);
}

term bif_zlib_inflateInit_nif_3(struct proc *p, term *args)
{
    int o[2];
    if (!get_ints(args + 1, 2, o) || o[1] < END_ERROR || o[1] > END_CUT) {
        return proc_badarg(p);
    }
    struct stream *s = begin_init(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    int result = inflateInit2(&s->z, o[0]);
    if (result != Z_OK) {
        return raise_result(p, result);
    }
    s->kind = STREAM_INFLATE;
    s->at_end = (enum end_behavior) o[1];
    return ATOM(ok);
}

static term reset(struct proc *p, term ref, enum stream_kind kind)
{
    struct stream *s = get_stream(p, ref, kind);
    if (s == NULL) {
        return TERM_NONE;
    }
    int result = kind == STREAM_DEFLATE ? deflateReset(&s->z) : inflateReset(&s->z);
    if (result != Z_OK) {
        return raise_result(p, result);
    }
    drop_input(s);
    drop_stash(s);
    s->crc = crc32_z(0, NULL, 0);
    s->ended = false;
    return ATOM(ok);
}

term bif_zlib_deflateReset_nif_1(struct proc *p, term *args)
{
    return reset(p, args[0], STREAM_DEFLATE);
}
term bif_zlib_inflateReset_nif_1(struct proc *p, term *args)
{
    return reset(p, args[0], STREAM_INFLATE);
}

/* Ending early is an error, as is leaving input behind. */
static term end(struct proc *p, term ref, enum stream_kind kind)
{
    struct stream *s = get_stream(p, ref, kind);
    if (s == NULL) {
        return TERM_NONE;
    }
    bool early = kind == STREAM_INFLATE && !s->ended;
    early = early || s->input_at < s->input_end;
    int result = stream_end(s);
    return early || result != Z_OK ? raise(p, ATOM(data_error)) : ATOM(ok);
}

term bif_zlib_deflateEnd_nif_1(struct proc *p, term *args)
{
    return end(p, args[0], STREAM_DEFLATE);
}
term bif_zlib_inflateEnd_nif_1(struct proc *p, term *args)
{
    return end(p, args[0], STREAM_INFLATE);
}

/* ---- settings ---- */

term bif_zlib_deflateParams_nif_3(struct proc *p, term *args)
{
    int o[2];
    if (!get_ints(args + 1, 2, o)) {
        return proc_badarg(p);
    }
    struct stream *s = get_stream(p, args[0], STREAM_DEFLATE);
    if (s == NULL) {
        return TERM_NONE;
    }
    /* zlib.erl has flushed the stream: there is nothing to be written. */
    uint8_t none[64];
    s->z.next_in = NULL;
    s->z.avail_in = 0;
    s->z.next_out = none;
    s->z.avail_out = sizeof(none);
    int result = deflateParams(&s->z, o[0], o[1]);
    return result == Z_OK || result == Z_BUF_ERROR ? ATOM(ok) : raise_result(p, result);
}

static term set_dictionary(struct proc *p, term *args, enum stream_kind kind)
{
    size_t n;
    struct stream *s = get_stream(p, args[0], kind);
    if (s == NULL) {
        return TERM_NONE;
    }
    if (!iolist_size(args[1], &n) || n > UINT32_MAX) {
        return proc_badarg(p);
    }
    uint8_t *bytes = vm_try_alloc(n + 1);
    if (bytes == NULL) {
        return proc_system_limit(p);
    }
    iolist_copy(args[1], bytes);
    int result = kind == STREAM_DEFLATE ? deflateSetDictionary(&s->z, bytes, (uInt) n)
                                        : inflateSetDictionary(&s->z, bytes, (uInt) n);
    vm_free(bytes);
    if (result != Z_OK) {
        return raise_result(p, result);
    }
    return kind == STREAM_DEFLATE ? heap_uinteger(&p->heap, s->z.adler) : ATOM(ok);
}

term bif_zlib_deflateSetDictionary_nif_2(struct proc *p, term *args)
{
    return set_dictionary(p, args, STREAM_DEFLATE);
}
term bif_zlib_inflateSetDictionary_nif_2(struct proc *p, term *args)
{
    return set_dictionary(p, args, STREAM_INFLATE);
}

term bif_zlib_inflateGetDictionary_nif_1(struct proc *p, term *args)
{
    struct stream *s = get_stream(p, args[0], STREAM_INFLATE);
    if (s == NULL) {
        return TERM_NONE;
    }
    uint8_t *window = vm_alloc(1 << 15);
    uInt n = 0;
    int result = inflateGetDictionary(&s->z, window, &n);
    term t = result == Z_OK ? bits_from_bytes(&p->heap, window, n) : raise_result(p, result);
    vm_free(window);
    return t;
}

term bif_zlib_crc32_nif_1(struct proc *p, term *args)
{
    struct stream *s = get_open(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    return s->kind == STREAM_NEW ? raise(p, ATOM(not_initialized)) : heap_uinteger(&p->heap, s->crc);
}

term bif_zlib_getBufSize_nif_1(struct proc *p, term *args)
{
    struct stream *s = get_open(p, args[0]);
    return s == NULL ? TERM_NONE : heap_uinteger(&p->heap, s->buffer_size);
}

term bif_zlib_setBufSize_nif_2(struct proc *p, term *args)
{
    int size;
    struct stream *s = get_open(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    if (!get_ints(args + 1, 1, &size) || size <= 0) {
        return proc_badarg(p);
    }
    s->buffer_size = (size_t) size;
    return ATOM(ok);
}

/* ---- a term kept for zlib.erl ---- */

term bif_zlib_getStash_nif_1(struct proc *p, term *args)
{
    struct stream *s = get_open(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    return term_is_none(s->stashed) ? ATOM(empty_stash) : heap_tuple2(&p->heap, ATOM(ok), copy_term(s->stashed, &p->heap));
}

term bif_zlib_clearStash_nif_1(struct proc *p, term *args)
{
    struct stream *s = get_open(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    drop_stash(s);
    return ATOM(ok);
}

term bif_zlib_setStash_nif_2(struct proc *p, term *args)
{
    struct stream *s = get_open(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    drop_stash(s);
    heap_init_frags(&s->stash);
    s->stashed = copy_term_all(args[1], &s->stash);
    return ATOM(ok);
}

/* ---- data ---- */

static bool reserve_input(struct stream *s, size_t n)
{
    if (s->input_at == s->input_end) {
        s->input_at = s->input_end = 0;
    }
    if (n <= s->input_capacity - s->input_end) {
        return true;
    }
    size_t queued = s->input_end - s->input_at, capacity = 2 * queued + n;
    uint8_t *bytes = capacity < n ? NULL : vm_try_alloc(capacity);
    if (bytes == NULL) {
        return false;
    }
    if (queued > 0) {
        memcpy(bytes, s->input + s->input_at, queued);
    }
    vm_free(s->input);
    s->input = bytes;
    s->input_at = 0;
    s->input_end = queued;
    s->input_capacity = capacity;
    return true;
}

term bif_zlib_enqueue_nif_2(struct proc *p, term *args)
{
    size_t n;
    struct stream *s = get_open(p, args[0]);
    if (s == NULL) {
        return TERM_NONE;
    }
    if (s->kind == STREAM_NEW) {
        return raise(p, ATOM(not_initialized));
    }
    if (!iolist_size(args[1], &n)) {
        return proc_badarg(p);
    }
    if (!reserve_input(s, n)) {
        return proc_system_limit(p);
    }
    iolist_copy(args[1], s->input + s->input_end);
    s->input_end += n;
    return ATOM(ok);
}

/* One step's room and input. */
struct step {
    int input_max, output_max, flush;
    uint8_t *output; /* owned */
};

static bool begin_step(struct proc *p, struct stream *s, const term *args, struct step *step)
{
    int o[3];
    if (!get_ints(args + 1, 3, o) || o[0] <= 0 || o[1] <= 0 || o[2] < Z_NO_FLUSH || o[2] > Z_FINISH) {
        proc_badarg(p);
        return false;
    }
    *step = (struct step) { o[0], o[1], o[2], vm_try_alloc((size_t) o[1]) };
    if (step->output == NULL) {
        proc_system_limit(p);
        return false;
    }
    size_t queued = s->input_end - s->input_at;
    s->z.next_in = s->input + s->input_at;
    s->z.avail_in = queued < (size_t) o[0] ? (uInt) queued : (uInt) o[0];
    s->z.next_out = step->output;
    s->z.avail_out = (uInt) o[1];
    return true;
}

/* What was produced, as a list of at most one binary. */
static term end_step(struct proc *p, struct stream *s, struct step *step)
{
    size_t n = (size_t) step->output_max - s->z.avail_out;
    if (s->input != NULL) {
        size_t consumed = (size_t) (s->z.next_in - (s->input + s->input_at));
        if (s->kind == STREAM_DEFLATE) {
            s->crc = crc32_z(s->crc, s->input + s->input_at, consumed);
        }
        s->input_at += consumed;
    }
    if (s->kind == STREAM_INFLATE) {
        s->crc = crc32_z(s->crc, step->output, n);
    }
    proc_bump(p, 1 + n / BYTES_PER_REDUCTION);
    term output = TERM_NIL;
    if (n > 0) {
        term binary = bits_from_bytes(&p->heap, step->output, n);
        output = term_is_none(binary) ? TERM_NONE : heap_cons(&p->heap, binary, TERM_NIL);
    }
    vm_free(step->output);
    return term_is_none(output) ? proc_system_limit(p) : output;
}

static term step_result(struct proc *p, bool more, term output)
{
    return heap_tuple2(&p->heap, more ? ATOM(continue) : ATOM(finished), output);
}

term bif_zlib_deflate_nif_4(struct proc *p, term *args)
{
    struct step step;
    struct stream *s = get_stream(p, args[0], STREAM_DEFLATE);
    if (s == NULL || !begin_step(p, s, args, &step)) {
        return TERM_NONE;
    }
    bool last = s->z.avail_in == s->input_end - s->input_at;
    int result = deflate(&s->z, last ? step.flush : Z_NO_FLUSH);
    bool more = s->z.avail_out == 0 || !last || s->z.avail_in > 0;
    term output = end_step(p, s, &step);
    if (term_is_none(output)) {
        return TERM_NONE;
    }
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        return raise_result(p, result);
    }
    return step_result(p, more && result != Z_STREAM_END, output);
}

/* Input behind the end of a compressed stream. false: an error. */
static bool go_on_behind_end(struct stream *s)
{
    if (!s->ended || s->input_at == s->input_end) {
        return true;
    }
    if (s->at_end == END_ERROR) {
        return false;
    }
    if (s->at_end == END_CUT) {
        drop_input(s);
        return true;
    }
    s->ended = false;
    return inflateReset(&s->z) == Z_OK;
}

term bif_zlib_inflate_nif_4(struct proc *p, term *args)
{
    struct step step;
    struct stream *s = get_stream(p, args[0], STREAM_INFLATE);
    if (s == NULL) {
        return TERM_NONE;
    }
    if (!go_on_behind_end(s)) {
        return raise(p, ATOM(data_error));
    }
    if (s->ended) {
        return step_result(p, false, TERM_NIL);
    }
    if (!begin_step(p, s, args, &step)) {
        return TERM_NONE;
    }
    int result = inflate(&s->z, step.flush);
    bool full = s->z.avail_out == 0;
    term output = end_step(p, s, &step);
    if (term_is_none(output)) {
        return TERM_NONE;
    }
    if (result == Z_NEED_DICT) {
        return heap_tuple3(&p->heap, ATOM(need_dictionary), heap_uinteger(&p->heap, s->z.adler), output);
    }
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        return raise_result(p, result);
    }
    s->ended = result == Z_STREAM_END;
    bool more = s->ended ? s->input_at < s->input_end : full || s->input_at < s->input_end;
    return step_result(p, more, output);
}
