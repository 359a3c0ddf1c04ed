/* check_zygote.c - workers are made, found dead and cleared away. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "isolation/remote/zygote.h"
#include "isolation/remote/zygote_wire.h"
#include "lib/base/clock.h"
#include "lib/base/tests/run_suite.h"

enum { PATIENCE_MS = 60000 }; /* a busy machine is slow */

static char error[200];

static void use_echo_worker(void)
{
    static char path[4096];
    const char *dir = getenv("builddir");
    snprintf(path, sizeof(path), "%s/isolation/remote/tests/worker_echo", dir != NULL ? dir : ".");
    zygote_program = path;
    error[0] = '\0';
}

static struct worker_process spawn(void)
{
    struct worker_process p;
    ck_assert_msg(zygote_spawn(&p, error), "%s", error);
    ck_assert_int_gt(p.pid, 0);
    return p;
}
/* What the worker answers, "" if it has ended. */
static const char *talk(const struct worker_process *p, const char *say)
{
    static _Thread_local char text[4096];
    ck_assert_int_eq(send(p->socket, say, strlen(say), MSG_NOSIGNAL), (int) strlen(say));
    ssize_t n = recv(p->socket, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}
static struct worker_end reap(struct worker_process *p)
{
    struct pollfd ended = { .fd = p->pidfd, .events = POLLIN };
    ck_assert_int_eq(poll(&ended, 1, PATIENCE_MS), 1);
    struct worker_end end = worker_process_reap(p);
    worker_process_close(p);
    ck_assert_int_eq(p->socket, -1);
    return end;
}
static void end(struct worker_process *p)
{
    worker_process_kill(p);
    struct worker_end e = reap(p);
    ck_assert(e.signalled);
    ck_assert_int_eq(e.number, SIGKILL);
}
static unsigned n_fds(int pid)
{
    char path[64];
    unsigned n = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}
static bool no_children(void)
{
    siginfo_t si;
    return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 && errno == ECHILD;
}
/* Alive, that is, neither gone nor waiting to be reaped. */
static bool is_alive(int pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        return false;
    }
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    const char *state = n > 0 ? strrchr(text, ')') : NULL;
    return state != NULL && state[2] != 'Z' && state[2] != 'X';
}
static int64_t until_gone_ms(int pid)
{
    int64_t start = clock_monotonic_ns();
    while (is_alive(pid) && clock_monotonic_ns() - start < PATIENCE_MS * INT64_C(1000000)) {
        usleep(200);
    }
    return (clock_monotonic_ns() - start) / 1000000;
}
static int number_after(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    ck_assert_msg(at != NULL, "%s in %s", word, text);
    return atoi(at + strlen(word));
}

START_TEST(a_worker_answers)
{
    struct worker_process p = spawn();
    ck_assert_str_eq(talk(&p, "hello"), "hello");
    ck_assert_int_gt(zygote_pid(), 0);
    ck_assert_int_ne(zygote_pid(), p.pid);
    ck_assert_int_ne(fcntl(p.socket, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_ne(fcntl(p.pidfd, F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_str_eq(talk(&p, "thread"), "joined");
    end(&p);
}
END_TEST

START_TEST(a_worker_finds_a_clean_world)
{
    sigset_t some;
    int extra = open("/dev/null", O_RDONLY); /* not CLOEXEC */
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigprocmask(SIG_BLOCK, &some, NULL);
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    struct worker_process p = spawn(), q = spawn();
    const char *text = talk(&p, "describe");
    ck_assert_int_eq(number_after(text, "pid "), p.pid);
    ck_assert_int_eq(number_after(text, "parent "), getpid());
    ck_assert_int_eq(number_after(text, "group "), p.pid);
    ck_assert_int_eq(number_after(text, "session "), zygote_pid());
    ck_assert_ptr_nonnull(strstr(text, "name bulkhead-worker"));
    ck_assert_int_eq(number_after(text, "fds "), 4);
    ck_assert_int_eq(number_after(text, "signals "), 0);
    ck_assert_int_eq(number_after(text, "stdin "), 0);
    char guard[64];
    snprintf(guard, sizeof(guard), "%s", strstr(text, "guard "));
    ck_assert_str_ne(strstr(talk(&q, "describe"), "guard "), guard);
    close(extra);
    end(&p);
    end(&q);
}
END_TEST

static const struct {
    const char *say;
    bool signalled;
    int number;
} ends[] = {
    { "exit 3", false, 3 },
    { "exit 0", false, 0 },
    { "raise 11", true, SIGSEGV },
    { "raise 9", true, SIGKILL },
    { "raise 6", true, SIGABRT },
};

START_TEST(how_it_ended_is_known)
{
    struct worker_process p = spawn();
    ck_assert_str_eq(talk(&p, ends[_i].say), "");
    struct worker_end e = reap(&p);
    ck_assert_int_eq(e.signalled, ends[_i].signalled);
    ck_assert_int_eq(e.number, ends[_i].number);
}
END_TEST

START_TEST(closing_its_socket_ends_a_worker)
{
    struct worker_process p = spawn();
    base_close_fd(&p.socket);
    struct worker_end e = reap(&p);
    ck_assert(!e.signalled);
    ck_assert_int_eq(e.number, 0);
}
END_TEST

START_TEST(a_thousand_workers_leave_nothing)
{
    enum { N = 1000 };
    struct worker_process p = spawn();
    end(&p);
    unsigned before = n_fds(getpid()), zygote_before = n_fds(zygote_pid());
    int zygote = zygote_pid();
    for (unsigned i = 0; i < N; i++) {
        p = spawn();
        end(&p);
    }
    ck_assert_uint_eq(n_fds(getpid()), before);
    for (unsigned i = 0; i < PATIENCE_MS && n_fds(zygote_pid()) > zygote_before; i++) {
        usleep(1000);
    }
    ck_assert_uint_le(n_fds(zygote_pid()), zygote_before);
    ck_assert_int_eq(zygote_pid(), zygote);
    zygote_stop();
    ck_assert(no_children());
}
END_TEST

START_TEST(what_a_worker_forked_dies_with_it)
{
    struct worker_process p = spawn();
    int child = atoi(talk(&p, "fork"));
    ck_assert(is_alive(child));
    end(&p);
    ck_assert_int_lt(until_gone_ms(child), PATIENCE_MS);
    p = spawn();
    child = atoi(talk(&p, "fork"));
    ck_assert_int_eq(send(p.socket, "exit 1", 6, 0), 6); /* its child keeps the socket open */
    ck_assert_int_eq(reap(&p).number, 1);
    ck_assert_int_lt(until_gone_ms(child), PATIENCE_MS);
}
END_TEST

START_TEST(a_mutex_says_that_its_holder_died)
{
    int fd = memfd_create("mutex", MFD_CLOEXEC);
    pthread_mutexattr_t attr;
    ck_assert_int_eq(ftruncate(fd, sizeof(pthread_mutex_t)), 0);
    pthread_mutex_t *mutex = mmap(NULL, sizeof(*mutex), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attr);
    struct worker_process p = spawn();
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
    struct iovec part = { (char *) "mutex", 5 };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    ck_assert_int_eq(sendmsg(p.socket, &m, 0), 5);
    struct worker_end e = reap(&p);
    ck_assert(e.signalled);
    ck_assert_int_eq(pthread_mutex_trylock(mutex), EOWNERDEAD);
    munmap(mutex, sizeof(*mutex));
    close(fd);
}
END_TEST

START_TEST(a_zygote_that_died_is_replaced)
{
    struct worker_process p = spawn(), q;
    int first = zygote_pid();
    ck_assert_int_eq(kill(first, SIGKILL), 0);
    ck_assert_int_lt(until_gone_ms(first), PATIENCE_MS);
    ck_assert_str_eq(talk(&p, "still here"), "still here");
    q = spawn();
    ck_assert_int_ne(zygote_pid(), first);
    ck_assert_str_eq(talk(&q, "here"), "here");
    end(&p);
    end(&q);
    zygote_stop();
    ck_assert_int_eq(zygote_pid(), 0);
    ck_assert(no_children());
    p = spawn(); /* and started again */
    end(&p);
}
END_TEST

/* ---- many at once ---- */

enum { N_THREADS = 8, N_EACH = 50 };
static _Atomic bool stop_killing;
static _Atomic unsigned start_us; /* that a zygote takes to start; more each time that one did not get so far */

static void *spawn_many(void *arg)
{
    (void) arg;
    for (unsigned i = 0; i < N_EACH; i++) {
        struct worker_process p = spawn();
        const char *answer = talk(&p, "x");
        ck_assert_str_eq(answer, "x");
        end(&p);
    }
    return NULL;
}
static void *kill_zygotes(void *arg)
{
    unsigned seed = 1;
    (void) arg;
    while (!stop_killing) {
        int pid = zygote_pid();
        if (pid > 0) {
            kill(pid, SIGKILL);
        }
        usleep((useconds_t) rand_r(&seed) % (4 * start_us));
    }
    return NULL;
}
static void spawn_in_threads(void)
{
    pthread_t threads[N_THREADS];
    for (unsigned i = 0; i < N_THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, spawn_many, NULL), 0);
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

START_TEST(many_threads_spawn_at_once)
{
    spawn_in_threads();
    zygote_stop();
    ck_assert(no_children());
}
END_TEST

START_TEST(zygotes_may_die_at_any_moment)
{
    enum { N = 300 };
    pthread_t killer;
    int64_t start = clock_monotonic_ns();
    struct worker_process p = spawn();
    start_us = (unsigned) ((clock_monotonic_ns() - start) / 1000);
    end(&p);
    unsigned before = n_fds(getpid()), failed = 0;
    ck_assert_int_eq(pthread_create(&killer, NULL, kill_zygotes, NULL), 0);
    for (unsigned i = 0; i < N; i++) {
        if (zygote_spawn(&p, error)) { /* may fail if three in a row were killed */
            end(&p);
        } else {
            failed++;
            start_us += start_us / 8;
        }
    }
    stop_killing = true;
    pthread_join(killer, NULL);
    ck_assert_uint_lt(failed, N / 2);
    p = spawn();
    end(&p);
    ck_assert_uint_eq(n_fds(getpid()), before);
    zygote_stop();
    ck_assert(no_children()); /* also none of those whose zygote never told us */
}
END_TEST

/* ---- the VM ends ---- */

enum { N_LEFT = 5 };
struct left {
    int zygote, worker[N_LEFT];
};

/* Spawns workers, one of which undoes PDEATHSIG, and tells who they are; then waits. */
static void be_vm(int out, bool without_zygote)
{
    struct left left;
    struct worker_process p[N_LEFT];
    for (unsigned i = 0; i < N_LEFT; i++) {
        p[i] = spawn();
        left.worker[i] = p[i].pid;
        ck_assert_str_ne(talk(&p[i], i == 0 && !without_zygote ? "stay" : "hello"), "");
    }
    left.zygote = zygote_pid();
    if (without_zygote) {
        kill(left.zygote, SIGKILL);
    }
    ck_assert_int_eq(write(out, &left, sizeof(left)), sizeof(left));
    for (;;) {
        pause();
    }
}

START_TEST(nothing_is_left_when_the_vm_is_killed)
{
    struct left left;
    int pipe_ends[2];
    ck_assert_int_eq(pipe(pipe_ends), 0);
    int vm = fork();
    if (vm == 0) {
        be_vm(pipe_ends[1], _i == 1);
        _exit(1);
    }
    ck_assert_int_eq(read(pipe_ends[0], &left, sizeof(left)), sizeof(left));
    kill(vm, SIGKILL);
    waitpid(vm, NULL, 0);
    ck_assert_int_lt(until_gone_ms(left.zygote), PATIENCE_MS);
    for (unsigned i = 0; i < N_LEFT; i++) {
        ck_assert_int_lt(until_gone_ms(left.worker[i]), PATIENCE_MS);
    }
}
END_TEST

START_TEST(stopping_ends_all_workers)
{
    struct worker_process p[3];
    for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = spawn();
        ck_assert_str_eq(talk(&p[i], "stay"), "stay");
    }
    zygote_stop();
    ck_assert_int_eq(zygote_pid(), 0);
    for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
        ck_assert(reap(&p[i]).signalled);
    }
    ck_assert(no_children());
}
END_TEST

/* ---- what is missing ---- */

START_TEST(no_descriptors_is_an_error)
{
    enum { LIMIT = 40 };
    struct worker_process p;
    struct rlimit limit, before;
    int fd, filler[LIMIT];
    unsigned n = 0;
    getrlimit(RLIMIT_NOFILE, &before);
    limit = (struct rlimit) { LIMIT, before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
        filler[n++] = fd;
    }
    unsigned room = 0, n_failed = 0;
    while (!zygote_spawn(&p, error)) { /* with one more to spare each time */
        ck_assert_msg(strstr(error, "open files") != NULL, "%s", error);
        ck_assert_uint_lt(room, n);
        close(filler[room++]);
        n_failed++;
    }
    ck_assert_uint_ge(n_failed, 4);
    end(&p);
    fd = open("/dev/null", O_RDONLY);
    filler[0] = open("/dev/null", O_RDONLY); /* room for two was enough */
    ck_assert_int_ge(filler[0], 0);
    ck_assert_int_lt(open("/dev/null", O_RDONLY), 0);
    ck_assert(!zygote_spawn(&p, error)); /* the zygote runs now: only receiving fails */
    close(fd);
    ck_assert(!zygote_spawn(&p, error));
    close(filler[0]);
    p = spawn();
    end(&p);
    setrlimit(RLIMIT_NOFILE, &before);
    zygote_stop();
    ck_assert(no_children());
}
END_TEST

START_TEST(what_the_zygote_lacks_is_told)
{
    struct worker_process p = spawn();
    struct rlimit limit, before;
    end(&p);
    ck_assert_int_eq(prlimit(zygote_pid(), RLIMIT_NOFILE, NULL, &before), 0);
    limit = (struct rlimit) { 5, before.rlim_max };
    ck_assert_int_eq(prlimit(zygote_pid(), RLIMIT_NOFILE, &limit, NULL), 0);
    ck_assert(!zygote_spawn(&p, error));
    ck_assert_ptr_nonnull(strstr(error, "open files"));
    ck_assert_int_eq(prlimit(zygote_pid(), RLIMIT_NOFILE, &before, NULL), 0);
    p = spawn();
    end(&p);
}
END_TEST

START_TEST(a_missing_program_is_an_error)
{
    struct worker_process p;
    zygote_program = "/nonexistent/worker";
    ck_assert(!zygote_spawn(&p, error));
    ck_assert_ptr_nonnull(strstr(error, "/nonexistent/worker"));
    zygote_program = "/bin/true";
    ck_assert(!zygote_spawn(&p, error));
    ck_assert_ptr_nonnull(strstr(error, "/bin/true"));
    ck_assert(no_children());
    use_echo_worker();
    p = spawn();
    end(&p);
}
END_TEST

/* ---- where the program is found ---- */

static void copy(const char *from, const char *root, const char *to)
{
    char path[4096], command[4 * 4096];
    snprintf(path, sizeof(path), "%s%s", root, to);
    snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\" && cp '%s' '%s'", path, from, path);
    ck_assert_int_eq(system(command), 0);
}

/* What a copy of this program in root would start. */
static const char *found_by(const char *root)
{
    static char line[4096];
    char command[2 * 4096];
    snprintf(command, sizeof(command), "cd / && '%s%s/bulkhead' find", root, BIN_DIR);
    FILE *out = popen(command, "r");
    ck_assert_ptr_nonnull(out);
    line[0] = '\0';
    ck_assert_ptr_nonnull(fgets(line, sizeof(line), out));
    pclose(out);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

START_TEST(the_worker_is_found_where_it_was_installed)
{
    char root[] = "/tmp/check_zygote_XXXXXX", expected[2 * 4096], command[64];
    ck_assert_ptr_nonnull(mkdtemp(root));
    unsetenv("BULKHEAD_WORKER");
    snprintf(command, sizeof(command), "/proc/%d/exe", getpid());
    copy(command, root, BIN_DIR "/bulkhead");
    ck_assert_str_eq(found_by(root), WORKER_PATH);
    copy(zygote_program, root, WORKER_PATH); /* as make install DESTDIR=root */
    snprintf(expected, sizeof(expected), "%s%s", root, WORKER_PATH);
    ck_assert_str_eq(found_by(root), expected);
    copy(zygote_program, root, BIN_DIR "/bulkhead-worker"); /* as in a build tree */
    snprintf(expected, sizeof(expected), "%s%s/bulkhead-worker", root, BIN_DIR);
    ck_assert_str_eq(found_by(root), expected);
    setenv("BULKHEAD_WORKER", "/some/worker", 1);
    ck_assert_str_eq(found_by(root), "/some/worker");
    snprintf(command, sizeof(command), "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "find") == 0) {
        puts(zygote_find_program());
        return 0;
    }
    Suite *s = suite_create("zygote");
    TCase *tc = tcase_create("zygote");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, use_echo_worker, zygote_stop);
    tcase_add_test(tc, a_worker_answers);
    tcase_add_test(tc, a_worker_finds_a_clean_world);
    tcase_add_loop_test(tc, how_it_ended_is_known, 0, ARRAY_LEN(ends));
    tcase_add_test(tc, closing_its_socket_ends_a_worker);
    tcase_add_test(tc, a_thousand_workers_leave_nothing);
    tcase_add_test(tc, what_a_worker_forked_dies_with_it);
    tcase_add_test(tc, a_mutex_says_that_its_holder_died);
    tcase_add_test(tc, a_zygote_that_died_is_replaced);
    tcase_add_test(tc, many_threads_spawn_at_once);
    tcase_add_test(tc, zygotes_may_die_at_any_moment);
    tcase_add_loop_test(tc, nothing_is_left_when_the_vm_is_killed, 0, 2);
    tcase_add_test(tc, stopping_ends_all_workers);
    tcase_add_test(tc, no_descriptors_is_an_error);
    tcase_add_test(tc, what_the_zygote_lacks_is_told);
    tcase_add_test(tc, a_missing_program_is_an_error);
    tcase_add_test(tc, the_worker_is_found_where_it_was_installed);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
