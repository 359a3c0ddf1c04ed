/* misdeed_memory.c - writes where others keep their data. What is written are all ones: read as a term,
 * a small integer, so that damage shows as a wrong value before it shows as a crash. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "misdeeds.h"

/* Where a boxed term keeps its words. No API tells: tags are in the low three bits. */
static void *words_of(ERL_NIF_TERM t)
{
    return (void *) (t & ~(ERL_NIF_TERM) 7);
}

/* A binary that others hold as well, through the pointer that was given to read it. */
ERL_NIF_TERM misdeed_write_binary(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifBinary b;
    if (enif_inspect_binary(env, arg, &b)) {
        memset(b.data, 0xff, b.size);
    }
    return enif_make_atom(env, "written");
}

/* A term of the VM's own, shared by all processes. */
ERL_NIF_TERM misdeed_write_term(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    memset((char *) words_of(arg) + sizeof(arg), 0xff, 4 * sizeof(arg));
    return enif_make_atom(env, "written");
}

/* A term on the caller's heap. */
ERL_NIF_TERM misdeed_write_own_term(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    return misdeed_write_term(env, arg);
}

static ERL_NIF_TERM kept;

ERL_NIF_TERM misdeed_keep_term(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    kept = arg; /* in the words of the manual: "only valid until the NIF returns" */
    return enif_make_atom(env, "kept");
}

ERL_NIF_TERM misdeed_write_stale(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    (void) arg;
    memset(words_of(kept), 0xff, 100 * sizeof(kept));
    return enif_make_atom(env, "written");
}

/* Off the end of a binary of its own. */
ERL_NIF_TERM misdeed_write_past(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ERL_NIF_TERM binary;
    unsigned char *bytes = enif_make_new_binary(env, 100, &binary);
    (void) arg;
    HIDE(bytes);
    memset(bytes, 0xff, 100 + 8000);
    return enif_make_atom(env, "written");
}

/* arg: [{Start, Bytes}] of memory that belongs to the VM's program. */
ERL_NIF_TERM misdeed_write_vm(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ERL_NIF_TERM head, tail = arg;
    const ERL_NIF_TERM *range;
    int arity;
    ErlNifUInt64 start, bytes;
    while (enif_get_list_cell(env, tail, &head, &tail)) {
        if (enif_get_tuple(env, head, &arity, &range) && arity == 2
            && enif_get_uint64(env, range[0], &start) && enif_get_uint64(env, range[1], &bytes)) {
            memset((void *) (uintptr_t) start, 0xff, bytes);
        }
    }
    return enif_make_atom(env, "written");
}

/* Asks the kernel first to make the memory of others writable. */
ERL_NIF_TERM misdeed_unprotect_vm(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifBinary b;
    if (enif_inspect_binary(env, arg, &b)) {
        uintptr_t page = (uintptr_t) b.data & ~(uintptr_t) 4095;
        mprotect((void *) page, b.size, PROT_READ | PROT_WRITE);
        memset(b.data, 0xff, b.size);
    }
    return enif_make_atom(env, "written");
}

/* arg: {Pid, [{Start, Bytes}]}: the VM's OS process and memory of its program, as a debugger writes it. */
ERL_NIF_TERM misdeed_poke_vm(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    static char ones[1 << 16];
    const ERL_NIF_TERM *outer, *range;
    ERL_NIF_TERM head, tail;
    int arity, pid;
    long written = 0;
    ErlNifUInt64 start, bytes;
    if (!enif_get_tuple(env, arg, &arity, &outer) || arity != 2
        || !enif_get_int(env, outer[0], &pid)) {
        return enif_make_badarg(env);
    }
    memset(ones, 0xff, sizeof(ones));
    tail = outer[1];
    while (enif_get_list_cell(env, tail, &head, &tail)) {
        if (enif_get_tuple(env, head, &arity, &range) && arity == 2
            && enif_get_uint64(env, range[0], &start) && enif_get_uint64(env, range[1], &bytes)) {
            struct iovec from = { ones, bytes < sizeof(ones) ? bytes : sizeof(ones) };
            struct iovec to = { (void *) (uintptr_t) start, from.iov_len };
            written += process_vm_writev(pid, &from, 1, &to, 1, 0) > 0;
        }
    }
    return enif_make_atom(env, written > 0 ? "written" : "refused");
}

ERL_NIF_TERM misdeed_free_vm(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifBinary b;
    if (enif_inspect_binary(env, arg, &b)) {
        free(b.data);
    }
    return enif_make_atom(env, "freed");
}

ERL_NIF_TERM misdeed_unmap_vm(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifBinary b;
    if (enif_inspect_binary(env, arg, &b)) {
        munmap((void *) ((uintptr_t) b.data & ~(uintptr_t) 4095), b.size);
    }
    return enif_make_atom(env, "unmapped");
}

/* ---- hostile replies: a worker's memory and descriptors are all that joins it to the VM ---- */

enum { MAX_SHARED = 16, FORGED_BYTES = 1 << 20 };
struct shared {
    uint32_t *word;
    size_t words;
};

/* Writable mappings that are shared with somebody; not of terms, which other misdeeds are about. */
static int find_shared(struct shared out[MAX_SHARED])
{
    char line[512], access[5];
    unsigned long low, high;
    int n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && n < MAX_SHARED && fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%lx-%lx %4s", &low, &high, access) == 3 && strcmp(access, "rw-s") == 0
            && strstr(line, "bulkhead-terms") == NULL
            && strstr(line, "bulkhead-literals") == NULL) {
            size_t bytes = high - low < FORGED_BYTES ? high - low : FORGED_BYTES;
            out[n++] = (struct shared) { (uint32_t *) low, bytes / sizeof(uint32_t) };
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return n;
}

static uint32_t noise(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed & 0x300) == 0 ? *seed : *seed >> 28; /* some huge, most small */
}

/* Fills them with noise, other noise for another seed. */
ERL_NIF_TERM misdeed_forge_ring(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    struct shared at[MAX_SHARED];
    uint32_t seed = 0;
    enif_get_uint(env, arg, &seed);
    int n = find_shared(at);
    for (int i = 0; i < n; i++) {
        for (size_t w = 0; w < at[i].words; w++) {
            at[i].word[w] = noise(&seed);
        }
    }
    return enif_make_atom(env, "forged");
}

static void *keep_forging(void *arg)
{
    struct shared at[MAX_SHARED];
    int n = find_shared(at);
    uint32_t seed = 1;
    while (n > 0) {
        const struct shared *s = &at[noise(&seed) % (uint32_t) n];
        volatile uint32_t *word = &s->word[(seed >> 8) % (s->words < 1024 ? s->words : 1024)];
        uint32_t was = *word;
        *word =
            noise(&seed); /* for a moment only: who checks a word and reads it again is deceived */
        *word = was;
    }
    return arg;
}

/* From now on somebody rewrites the channel while it is read. */
ERL_NIF_TERM misdeed_forge_race(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    ErlNifTid thread;
    (void) arg;
    return enif_make_int(env, enif_thread_create("forger", &thread, keep_forging, NULL, NULL));
}

/* Writes noise to every descriptor that takes it. */
ERL_NIF_TERM misdeed_forge_socket(ErlNifEnv *env, ERL_NIF_TERM arg)
{
    unsigned char bytes[256];
    unsigned seed = 0;
    enif_get_uint(env, arg, &seed);
    for (int fd = 3; fd < 64; fd++) {
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (unsigned char) noise(&seed);
        }
        (void) !write(fd, bytes, sizeof(bytes));
    }
    return enif_make_atom(env, "forged");
}
