/* A worker attached to the VM's memory: this program executes itself and the child reads, in place,
 * what the parent built, while the parent goes on. The child ends with 0 when all was as it should.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/tests/run_suite.h"
#include "vm/core/arith.h"
#include "vm/core/atom.h"
#include "vm/core/bits.h"
#include "vm/core/compare.h"
#include "vm/core/copy.h"
#include "vm/core/literal.h"
#include "vm/core/etf.h"
#include "vm/core/fun.h"
#include "vm/core/heap.h"
#include "vm/core/iolist.h"
#include "vm/core/map.h"
#include "vm/core/print.h"
#include "vm/core/ref.h"

enum { FD_TERMS = 10, FD_LITERALS, FD_SOCKET, N_GROWN = 100000, BLOCK_WORDS = 100 };

/* What the parent knows of its term, for the child to find the same. */
struct facts {
    term t;
    term fun, export, known_atom, appended, iodata;
    uint64_t hash;
    uint32_t phash2;
    size_t etf_bytes, iodata_bytes;
    uint64_t etf_sum, text_sum;
    uintptr_t *block; /* BLOCK_WORDS words of the term arena */
    uint32_t n_atoms;
};

static const uint8_t uniq[16] = "0123456789abcdef";

static uint64_t sum_of(const uint8_t *bytes, size_t n)
{
    uint64_t sum = n;
    for (size_t i = 0; i < n; i++) {
        sum = sum * 31 + bytes[i];
    }
    return sum;
}

static uint64_t etf_sum(term t, size_t *out_n)
{
    uint8_t *bytes = etf_encode_alloc(t, 0, out_n);
    uint64_t sum = sum_of(bytes, *out_n);
    vm_free(bytes);
    return sum;
}

/* ---- the child ---- */

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            dprintf(2, "check_foreign:%d: not so in the child: %s\n", __LINE__, #cond);            \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void receive(void *to, size_t n)
{
    CHECK(recv(FD_SOCKET, to, n, MSG_WAITALL) == (ssize_t) n);
}

static struct facts attach(bool write)
{
    struct facts f;
    struct arena_attach a = { FD_TERMS, FD_LITERALS, write };
    CHECK(!arena_is_attached());
    CHECK(arena_init_worker(&a));
    atom_table_attach(ARENA_LITERALS_BASE);
    receive(&f, sizeof(f));
    return f;
}

static void say(char c)
{
    CHECK(write(FD_SOCKET, &c, 1) == 1);
}

static term ask_parent(const char *utf8, size_t bytes)
{
    term answer;
    CHECK(send(FD_SOCKET, utf8, bytes, 0) == (ssize_t) bytes);
    receive(&answer, sizeof(answer));
    return answer;
}

static void check_in_place(const struct facts *f)
{
    size_t n;
    CHECK(arena_is_foreign(term_words(f->t)));
    CHECK(term_hash(f->t, 0) == f->hash);
    CHECK(term_phash2(f->t) == f->phash2);
    CHECK(etf_sum(f->t, &n) == f->etf_sum && n == f->etf_bytes);
    struct text out = { 0 };
    print_term(&out, f->t, PRINT_PRETTY);
    CHECK(sum_of((const uint8_t *) out.data, out.len) == f->text_sum);
    text_free(&out);
    CHECK(term_compare(f->t, f->t) == 0 && term_equal_exact(f->t, f->t));
    CHECK(iolist_size(f->iodata, &n) && n == f->iodata_bytes);
    term map = term_tuple_get(f->t, 0);
    for (int i = 0; i < 100; i++) {
        CHECK(term_same(map_get(map, term_from_small(i)), term_from_small(2 * i)));
    }
}

static term copied(term t, struct heap *h)
{
    heap_init_frags(h);
    term own = copy_term(t, h);
    struct heap_roots roots = { &own, 1 };
    uintptr_t bytes = arena_foreign_bytes;
    arena_foreign_bytes = 0; /* so that a word that refers to the VM's memory is a mistake */
    heap_verify(h, &roots, 1);
    arena_foreign_bytes = bytes;
    for (const uintptr_t *o = h->offheap; o != NULL; o = (const uintptr_t *) o[1]) {
        CHECK(header_tag(o[0]) == TAG_REFC_BITS && !arena_is_foreign((const void *) o[2]));
    }
    return own;
}

static void check_copies(const struct facts *f)
{
    struct heap h, again;
    term own = copied(f->t, &h);
    CHECK(!arena_is_foreign(term_words(own)));
    CHECK(term_equal_exact(own, f->t) && term_hash(own, 0) == f->hash);
    term twice = copied(own, &again);
    CHECK(term_equal_exact(twice, f->t));
    heap_destroy(&again);
    heap_destroy(&h);
}

/* Those that the VM has are found, others made here. */
static void check_funs(const struct facts *f)
{
    CHECK(term_fun_entry(f->fun) == fun_entry_get(f->known_atom, 3, uniq, 77, 2, 1, TERM_NONE));
    CHECK(term_export(f->export) == export_get(f->known_atom, ATOM(ok), 7));
    CHECK(export_lookup(f->known_atom, ATOM(ok), 8) == NULL);
    struct export *mine = export_get(f->known_atom, ATOM(ok), 8);
    CHECK(mine == export_get(f->known_atom, ATOM(ok), 8) && !arena_is_foreign(mine));
    struct fun_entry *fun = fun_entry_get(f->known_atom, 4, uniq, 77, 2, 1, TERM_NONE);
    CHECK(fun == fun_entry_get(f->known_atom, 4, uniq, 77, 2, 1, TERM_NONE));
    CHECK(!arena_is_foreign(fun));
}

/* Nothing is claimed behind a view of the VM's, though there is room. */
static void check_append(const struct facts *f)
{
    struct heap h;
    uint8_t *bytes;
    size_t offset;
    heap_init_frags(&h);
    term more = bits_append(&h, f->appended, 8, &bytes, &offset);
    CHECK(!term_is_none(more) && !arena_is_foreign(bytes));
    bytes[offset / 8] = 'x';
    CHECK(bits_size(more) == bits_size(f->appended) + 8);
    term part = bits_sub(&h, f->appended, 8, 80); /* fine as long as the call lasts */
    CHECK(term_compare(part, copied(part, &h)) == 0);
}

static void check_atoms(const struct facts *f)
{
    CHECK(atom_count() >= f->n_atoms);
    CHECK(strcmp(atom_cstr(f->known_atom), "an atom of the parent") == 0);
    CHECK(term_same(atom_intern("an atom of the parent", 21), f->known_atom));
    CHECK(term_is_none(atom_lookup("new one", 7)));
    CHECK(term_is_none(atom_intern("new one", 7))); /* nobody to ask */
    atom_make_elsewhere = ask_parent;
    term made = atom_intern("new one", 7);
    CHECK(term_is_atom(made) && strcmp(atom_cstr(made), "new one") == 0);
    CHECK(term_same(atom_lookup("new one", 7), made));
    CHECK(term_same(atom_intern("new one", 7), made)); /* found in place */
    CHECK(term_is_none(atom_intern("\xFF", 1)));       /* not asked */
}

/* The parent makes atoms meanwhile: each is found soon after. */
static void watch_growth(const struct facts *f)
{
    char text[32];
    say('r');
    for (int i = 0; i < N_GROWN; i++) {
        size_t n = (size_t) snprintf(text, sizeof(text), "grown_%d", i);
        term atom = atom_lookup(text, n);
        for (int tries = 0; term_is_none(atom); tries++) {
            CHECK(tries < 20000);
            nanosleep(&(struct timespec) { .tv_nsec = 1000000 }, NULL);
            atom = atom_lookup(text, n);
        }
        CHECK(strcmp(atom_cstr(atom), text) == 0);
        CHECK(atom_compare(atom, f->known_atom) > 0);
        if (i % 10000 == 0) {
            check_in_place(f);
        }
    }
    say('g');
}

static void fault_at(uintptr_t *p)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
    signal(SIGSEGV, SIG_DFL); /* sanitizers have a handler of their own */
    say('r');
    *(volatile uintptr_t *) p = 1;
    _exit(2); /* it could be written */
}

static int run_child(const char *what)
{
    bool writable = strncmp(what, "rw", 2) == 0;
    struct facts f = attach(writable);
    uintptr_t *page = (uintptr_t *) ((uintptr_t) f.block & ~(uintptr_t) 4095);
    if (strcmp(what, "read") == 0) {
        check_in_place(&f);
        check_copies(&f);
        check_funs(&f);
        check_append(&f);
        check_atoms(&f);
        watch_growth(&f);
        check_copies(&f);
    } else if (strcmp(what, "write") == 0) {
        fault_at(f.block);
    } else if (strcmp(what, "write after mprotect") == 0) {
        CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0 && errno == EACCES);
        fault_at(f.block);
    } else if (strcmp(what, "map for writing") == 0) {
        CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, FD_TERMS, 0) == MAP_FAILED);
        CHECK(pwrite(FD_TERMS, "x", 1, 0) < 0);
        CHECK(ftruncate(FD_TERMS, 4096) != 0);
        if (geteuid() != 0) {
            CHECK(open("/proc/self/fd/10", O_RDWR) < 0);
        }
    } else if (strcmp(what, "rw") == 0) {
        check_in_place(&f);
        check_copies(&f);
        for (int i = 0; i < BLOCK_WORDS; i++) {
            f.block[i] = (uintptr_t) i * 3;
        }
        CHECK(ftruncate(FD_TERMS, 4096) != 0); /* the VM's memory cannot be cut off */
    } else if (strcmp(what, "rw literals") == 0) {
        CHECK(mprotect((void *) ARENA_LITERALS_BASE, 4096, PROT_READ | PROT_WRITE) != 0);
        fault_at((uintptr_t *) ARENA_LITERALS_BASE);
    } else {
        return 3;
    }
    return 0;
}

/* ---- the parent ---- */

static struct heap heap;
static struct facts facts;
static int channel;

static uintptr_t *boxed(enum term_tag tag, size_t arity)
{
    uintptr_t *p = heap_alloc(&heap, arity + 1);
    p[0] = TERM_HEADER(tag, arity);
    return p;
}

static term external(enum term_tag tag, size_t arity)
{
    uintptr_t *p = boxed(tag, arity);
    p[1] = facts.known_atom.word;
    p[2] = 5;
    p[3] = tag == TAG_EXT_REF ? arity - 3 : 17;
    for (size_t i = 4; i <= arity; i++) {
        p[i] = i;
    }
    return term_from_boxed_ptr(p);
}

static term resource(void)
{
    uintptr_t *p = boxed(TAG_RESOURCE, HEAP_RESOURCE_WORDS - 1);
    p[1] = p[2] = 0; /* not linked: nobody counts it */
    p[3] = UINT64_C(1) << 63 | 12345;
    return term_from_boxed_ptr(p);
}

static term binary(size_t n)
{
    uint8_t *to;
    term t = bits_new_binary(&heap, n, &to);
    for (size_t i = 0; i < n; i++) {
        to[i] = (uint8_t) (i * 13);
    }
    return t;
}

static term appended(void)
{
    uint8_t *bytes;
    size_t offset;
    term t = bits_append(&heap, binary(100), 800, &bytes, &offset);
    memset(bytes + offset / 8, 'a', 100);
    return t;
}

static void build(void)
{
    struct facts *f = &facts;
    f->known_atom = atom_from_cstr("an atom of the parent");
    term pairs[200];
    for (int i = 0; i < 200; i += 2) {
        pairs[i] = term_from_small(i / 2);
        pairs[i + 1] = term_from_small(i);
    }
    uintptr_t *fun = boxed(TAG_FUN, 3), *export = boxed(TAG_EXPORT, 1);
    fun[1] = (uintptr_t) fun_entry_get(f->known_atom, 3, uniq, 77, 2, 1, TERM_NONE);
    fun[2] = term_from_pid(3, 4).word;
    fun[3] = f->known_atom.word;
    export[1] = (uintptr_t) export_get(f->known_atom, ATOM(ok), 7);
    f->fun = term_from_boxed_ptr(fun);
    f->export = term_from_boxed_ptr(export);
    f->appended = appended();
    term large = binary(5000);
    term literal = literal_copy(heap_tuple2(&heap, binary(30), f->known_atom), &(struct literal_block *) { NULL });
    term small_pairs[] = { ATOM(ok), large, ATOM(error), heap_float(&heap, 1.5) };
    term parts[] = {
        map_from_pairs(&heap, pairs, 100),
        map_from_pairs(&heap, small_pairs, 2),
        f->known_atom,
        term_from_small(-7),
        heap_integer(&heap, INT64_MIN),
        integer_from_bytes_le(&heap, uniq, sizeof(uniq), true),
        heap_float(&heap, -0.25),
        f->fun,
        f->export,
        heap_ref(&heap, 99, 0),
        heap_ref(&heap, 100, term_from_pid(3, 4).word),
        resource(),
        binary(20),
        large,
        bits_sub(&heap, large, 803, 1601),
        bits_sub(&heap, large, 80, 80),
        f->appended,
        external(TAG_EXT_PID, 4),
        external(TAG_EXT_PORT, 3),
        external(TAG_EXT_REF, 5),
        term_from_pid(3, 4),
        term_from_port(5),
        literal,
        TERM_NIL,
        heap_string(&heap, "string", 6),
        heap_cons(&heap, large, heap_cons(&heap, literal, ATOM(ok))),
    };
    f->t = heap_tuple(&heap, parts, ARRAY_LEN(parts));
    f->iodata = heap_cons(&heap, large, heap_cons(&heap, parts[12], parts[24]));
    f->iodata_bytes = 5026;
    f->hash = term_hash(f->t, 0);
    f->phash2 = term_phash2(f->t);
    f->etf_sum = etf_sum(f->t, &f->etf_bytes);
    struct text out = { 0 };
    print_term(&out, f->t, PRINT_PRETTY);
    f->text_sum = sum_of((const uint8_t *) out.data, out.len);
    text_free(&out);
    f->block = arena_alloc(arena_terms, BLOCK_WORDS * sizeof(uintptr_t));
    memset(f->block, 0, BLOCK_WORDS * sizeof(uintptr_t));
    f->n_atoms = (uint32_t) atom_count();
}

static void setup(void)
{
    ck_assert(arena_init_all());
    atom_table_init();
    ck_assert_int_eq(heap_init(&heap, 1 << 12), HEAP_OK);
    build();
}

static pid_t start(const char *what, bool read_only)
{
    int pair[2], fds[3];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    fds[0] = arena_share_fd(arena_terms, read_only);
    fds[1] = arena_share_fd(arena_literals, true);
    fds[2] = pair[1];
    ck_assert(fds[0] >= 0 && fds[1] >= 0);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) {
            fds[i] = fcntl(fds[i], F_DUPFD, 20);
        }
        for (int i = 0; i < 3; i++) {
            dup2(fds[i], FD_TERMS + i);
        }
        execl("/proc/self/exe", "check_foreign", what, (char *) NULL);
        _exit(4);
    }
    close(fds[0]);
    close(fds[1]);
    close(pair[1]);
    channel = pair[0];
    ck_assert_int_eq(send(channel, &facts, sizeof(facts), 0), sizeof(facts));
    return pid;
}

static void expect_said(char c)
{
    char got = 0;
    ck_assert_int_eq(recv(channel, &got, 1, 0), 1);
    ck_assert_int_eq(got, c);
}

static int end_of(pid_t pid)
{
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

START_TEST(terms_are_read_in_place_while_the_vm_grows)
{
    char text[32];
    pid_t pid = start("read", true);
    ssize_t n = recv(channel, text, sizeof(text), 0); /* the atom it wants */
    ck_assert_int_eq(n, 7);
    term atom = atom_intern(text, (size_t) n);
    ck_assert_int_eq(send(channel, &atom, sizeof(atom), 0), sizeof(atom));
    expect_said('r');
    for (int i = 0; i < N_GROWN; i++) {
        atom_from_cstr((snprintf(text, sizeof(text), "grown_%d", i), text));
        if (i % 1000 == 0) { /* heaps come and go */
            struct heap other;
            ck_assert_int_eq(heap_init(&other, 1 << 16), HEAP_OK);
            copy_term(facts.t, &other);
            heap_destroy(&other);
        }
    }
    expect_said('g');
    ck_assert_int_eq(end_of(pid), 0);
    /* It took no reference and left none. */
    const uintptr_t *large = term_words(term_tuple_get(facts.t, 13));
    ck_assert_uint_eq(((struct offheap_bin *) large[REFC_BITS_BIN])->refs, 1);
    heap_destroy(&heap);
}
END_TEST

static const struct {
    const char *what;
    bool read_only;
} faults[] = { { "write", true }, { "write after mprotect", true }, { "rw literals", false } };

START_TEST(a_write_to_memory_of_the_vm_faults_in_the_worker)
{
    pid_t pid = start(faults[_i].what, faults[_i].read_only);
    expect_said('r');
    int status = end_of(pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
    ck_assert_uint_eq(facts.block[0], 0);
}
END_TEST

START_TEST(a_descriptor_for_reading_cannot_be_used_for_writing)
{
    ck_assert_int_eq(end_of(start("map for writing", true)), 0);
    ck_assert_uint_eq(facts.block[0], 0);
}
END_TEST

START_TEST(what_a_worker_writes_is_seen)
{
    ck_assert_int_eq(end_of(start("rw", false)), 0);
    for (int i = 0; i < BLOCK_WORDS; i++) {
        ck_assert_uint_eq(facts.block[i], (uintptr_t) i * 3);
    }
}
END_TEST

START_TEST(memory_that_has_been_set_up_cannot_be_attached)
{
    struct arena_attach a = { arena_share_fd(arena_terms, true),
        arena_share_fd(arena_literals, true), false };
    ck_assert(!arena_init_worker(&a));
    ck_assert(!arena_is_attached());
    close(a.terms_fd);
    close(a.literals_fd);
}
END_TEST

START_TEST(a_fork_of_the_vm_has_memory_of_its_own)
{
    facts.block[0] = 1;
    pid_t pid = fork();
    if (pid == 0) {
        bool same = facts.block[0] == 1 && term_hash(facts.t, 0) == facts.hash;
        facts.block[0] = 2;
        atom_from_cstr("made in the child");
        _exit(same && arena_fd(arena_terms) == -1 && arena_share_fd(arena_terms, true) < 0 ? 0 : 1);
    }
    ck_assert_int_eq(end_of(pid), 0);
    ck_assert_uint_eq(facts.block[0], 1);
    ck_assert(term_is_none(atom_lookup("made in the child", 17)));
}
END_TEST

int main(int argc, char **argv)
{
    if (argc > 1) {
        return run_child(argv[1]);
    }
    TCase *tc = tcase_create("foreign");
    /* In each test's own process: a fork shares no memory with workers. */
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, terms_are_read_in_place_while_the_vm_grows);
    tcase_add_loop_test(tc, a_write_to_memory_of_the_vm_faults_in_the_worker, 0, ARRAY_LEN(faults));
    tcase_add_test(tc, a_descriptor_for_reading_cannot_be_used_for_writing);
    tcase_add_test(tc, what_a_worker_writes_is_seen);
    tcase_add_test(tc, memory_that_has_been_set_up_cannot_be_attached);
    tcase_add_test(tc, a_fork_of_the_vm_has_memory_of_its_own);
    Suite *s = suite_create("foreign");
    suite_add_tcase(s, tc);
    return run_suite(s);
}
