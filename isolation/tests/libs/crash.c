/* crash.c - misdeeds, one per function. Plain C: no NIF API, so that executors are tested alone. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FN(name) uintptr_t name(uintptr_t a, uintptr_t b, uintptr_t c)
#define UNUSED (void) a, (void) b, (void) c
#define HIDE(x) __asm__ volatile("" : "+r"(x))

FN(add) { return a + b + c; }
FN(nothing) { UNUSED; return 0; }

FN(null_write) { UNUSED; volatile int *p = NULL; HIDE(p); *p = 1; return 0; }
FN(null_read) { UNUSED; volatile int *p = NULL; HIDE(p); return (uintptr_t) *p; }
FN(wild_write) { UNUSED; volatile char *p = (char *) 0x123456789000; *p = 1; return 0; }
FN(non_canonical) { UNUSED; volatile char *p = (char *) 0xdead000000000000; return (uintptr_t) *p; }
FN(wild_jump) { UNUSED; void (*f)(void) = (void (*)(void)) 0x123456789000; HIDE(f); f(); return 1; }
FN(null_jump) { UNUSED; void (*f)(void) = NULL; HIDE(f); f(); return 1; }
FN(bad_stack_pointer) { UNUSED; __asm__ volatile("mov $0x10, %%rsp; push %%rax" ::: "memory"); return 0; }
FN(lost_registers)
{
    UNUSED;
    __asm__ volatile("std; xor %%ebx, %%ebx; mov %%rbx, %%r12; mov %%rbx, %%r13; mov %%rbx, %%r14; mov %%rbx, %%r15;"
                     "mov %%rbx, %%rbp; movl $1, (%%rbx)" ::: "memory");
    return 0;
}
/* Keeps nothing that a function must keep but the frame pointer, and still returns. */
FN(careless)
{
    UNUSED;
    __asm__ volatile("mov $7, %%eax; std; xor %%ebx, %%ebx; mov %%rbx, %%r12; mov %%rbx, %%r13; mov %%rbx, %%r14; mov %%rbx, %%r15"
                     ::: "memory", "rax");
    return 7;
}
FN(divide) { UNUSED; int x = 1, y = 0; HIDE(y); HIDE(x); return (uintptr_t) (x / y); }
FN(illegal) { UNUSED; __asm__ volatile("ud2"); return 0; }
FN(trap) { UNUSED; __asm__ volatile("int3"); return 0; }
FN(bus)
{
    UNUSED;
    char name[] = "/tmp/bulkhead-bus-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (ftruncate(fd, 4096) != 0) { return 1; }
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    p[4096] = 1;
    return 0;
}
FN(bad_syscall)
{
    UNUSED;
    raise(SIGSYS);
    return 0;
}
FN(do_abort) { UNUSED; abort(); }
FN(do_assert) { UNUSED; assert(a == 12345 && "the answer"); return 0; }
FN(raw_abort) { UNUSED; syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGABRT); return 0; }
FN(kill_self) { UNUSED; kill(getpid(), (int) a); return 0; }
FN(smash_stack) { UNUSED; char small[8]; char *p = small; HIDE(p); memset(p, 0x41, 400); HIDE(p); return (uintptr_t) p[3]; }

static uintptr_t deeper(uintptr_t n)
{
    volatile char frame[128];
    memset((char *) frame, (int) n, sizeof(frame));
    return deeper(n + 1) + (uintptr_t) frame[3];
}
FN(overflow_small) { UNUSED; return deeper(a); }
__attribute__((noinline)) static uintptr_t large_frame(uintptr_t n)
{
    volatile char frame[1200 * 1024];
    frame[0] = (char) n;
    frame[sizeof(frame) - 1] = 1;
    return (uintptr_t) frame[0] + 1;
}
FN(overflow_large) { UNUSED; return large_frame(a); }

FN(endless) { UNUSED; for (;;) { __asm__ volatile(""); } }
FN(endless_sleep) { UNUSED; for (;;) { sleep(100); } }
FN(endless_malloc) { UNUSED; for (;;) { void *p = malloc(100); HIDE(p); free(p); } }
/* Waits that give up when a signal interrupts them: the timeout must not look like a result. */
FN(interrupted_poll) { UNUSED; return (uintptr_t) poll(NULL, 0, 100000); }
FN(interrupted_sleep) { UNUSED; struct timespec ts = { 100, 0 }; return (uintptr_t) nanosleep(&ts, &ts); }
FN(interrupted_read)
{
    UNUSED;
    int fd[2];
    char x;
    if (pipe(fd) != 0) { return 0; }
    return (uintptr_t) read(fd[0], &x, 1);
}
FN(endless_lock)
{
    UNUSED;
    pthread_mutex_t m;
    pthread_mutex_init(&m, NULL);
    pthread_mutex_lock(&m);
    pthread_mutex_lock(&m);
    return 0;
}
static int always_less(const void *x, const void *y) { (void) x, (void) y; return -1; }
FN(endless_libc)
{
    UNUSED;
    static char big[1 << 20];
    for (;;) { qsort(big, sizeof(big), 1, always_less); }
}
FN(endless_read)
{
    UNUSED;
    int fd[2];
    char x;
    if (pipe(fd) != 0) { return 1; }
    while (read(fd[0], &x, 1) < 0 && errno == EINTR) { }
    return 0;
}
FN(short_sleep) { UNUSED; usleep((useconds_t) a); return 7; }

FN(do_exit) { UNUSED; exit((int) a); }
FN(do__exit) { UNUSED; _exit((int) a); }
FN(do_quick_exit) { UNUSED; quick_exit((int) a); }
FN(raw_exit) { UNUSED; syscall(SYS_exit_group, (int) a); return 0; }
FN(do_exec) { UNUSED; char *argv[] = { "/bin/true", NULL }; execv(argv[0], argv); return 0; }
FN(fork_and_exec)
{
    UNUSED;
    pid_t pid = vfork();
    if (pid == 0) { char *argv[] = { "/bin/true", NULL }; execv(argv[0], argv); _exit(9); }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
FN(vfork_and_exit)
{
    UNUSED;
    pid_t pid = vfork();
    if (pid == 0) { _exit(5); }
    int status = 0;
    waitpid(pid, &status, 0);
    return (uintptr_t) WEXITSTATUS(status);
}
FN(eat_memory) { UNUSED; for (;;) { char *p = malloc(1 << 20); HIDE(p); p[0] = 1; } }
FN(do_pthread_exit) { UNUSED; pthread_exit(NULL); }

static void on_signal(int n) { (void) n; _exit(99); }
FN(take_handlers)
{
    UNUSED;
    for (int i = 1; i < 32; i++) { signal(i, on_signal); }
    struct sigaction sa = { .sa_handler = SIG_IGN }, old;
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGSEGV, NULL, &old);
    return old.sa_handler == SIG_IGN;
}
FN(block_all)
{
    UNUSED;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return 1;
}
FN(block_all_and_crash) { block_all(a, b, c); return null_write(a, b, c); }
FN(no_alt_stack) { UNUSED; stack_t ss = { .ss_flags = SS_DISABLE }; sigaltstack(&ss, NULL); return 1; }
FN(change_fp)
{
    UNUSED;
    fesetround(FE_UPWARD);
    unsigned csr = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr((csr & ~0x1f80u) | 0x8040);
    return 1;
}
FN(change_fp_and_crash) { change_fp(a, b, c); return null_write(a, b, c); }

FN(scribble_and_malloc)
{
    UNUSED;
    char *p[64];
    for (int i = 0; i < 64; i++) { p[i] = malloc(40); }
    memset(p[0] - 256, 0x5a, 4096);
    for (int i = 0; i < 64; i++) { free(p[i]); }
    for (int i = 0; i < 64; i++) { p[i] = malloc(40); memset(p[i], 1, 40); }
    return null_write(a, b, c);
}
FN(double_free) { UNUSED; char *p = malloc(30); HIDE(p); free(p); HIDE(p); free(p); return 0; }
FN(free_stack) { UNUSED; char x[64]; char *p = x + 16; HIDE(p); free(p); return 0; }
FN(free_given) { UNUSED; free((void *) a); return 0; }
FN(leak_and_crash) { UNUSED; return null_write(a, b, c); }
FN(malloc_some) { UNUSED; char *p = malloc(a); memset(p, 7, a); free(p); return 1; }
FN(heap_address) { UNUSED; return (uintptr_t) malloc(100); }

static ssize_t cookie_crash(void *cookie, const char *buf, size_t n) { (void) cookie, (void) buf, (void) n; return 0; }
FN(crash_in_printf) { UNUSED; (void) cookie_crash; printf("%s", (char *) 8); return 0; }
FN(crash_holding_stdout) { UNUSED; flockfile(stdout); flockfile(stderr); return null_write(a, b, c); }
FN(use_printf) { UNUSED; printf("%s", ""); fflush(stdout); fprintf(stderr, "%s", ""); return 5; }

static void *thread_crash(void *arg) { (void) arg; volatile int *p = NULL; HIDE(p); *p = 1; return NULL; }
static void *thread_exit(void *arg) { exit((int) (intptr_t) arg); }
static void *thread_pthread_exit(void *arg) { pthread_exit(arg); }
static void *thread_value(void *arg) { return (char *) arg + 1; }
static void *thread_overflow(void *arg) { return (void *) deeper((uintptr_t) arg); }
static uintptr_t in_thread(void *(*fn)(void *), uintptr_t arg)
{
    pthread_t t;
    void *value = NULL;
    if (pthread_create(&t, NULL, fn, (void *) arg) != 0) { return 1000; }
    pthread_join(t, &value);
    return (uintptr_t) value;
}
FN(in_thread_value) { UNUSED; return in_thread(thread_value, a); }
FN(in_thread_crash) { UNUSED; return in_thread(thread_crash, a); }
FN(in_thread_exit) { UNUSED; return in_thread(thread_exit, a); }
FN(in_thread_pthread_exit) { UNUSED; return in_thread(thread_pthread_exit, a); }
FN(in_thread_overflow) { UNUSED; return in_thread(thread_overflow, a); }

static volatile int seen_signals;
static void count_signal(int n) { (void) n; seen_signals++; }
static void crash_in_handler(int n) { (void) n; volatile int *p = NULL; HIDE(p); *p = 1; }
static void *wait_for_signal(void *arg)
{
    (void) arg;
    while (seen_signals == 0) { usleep(1000); }
    return NULL;
}
FN(signal_thread)
{
    UNUSED;
    pthread_t t;
    seen_signals = 0;
    signal(SIGUSR1, count_signal);
    pthread_create(&t, NULL, wait_for_signal, NULL);
    while (seen_signals == 0) { usleep(2000); pthread_kill(t, SIGUSR1); } /* it may not run yet */
    pthread_join(t, NULL);
    return seen_signals > 0;
}
FN(alarm_clock)
{
    UNUSED;
    seen_signals = 0;
    signal(SIGALRM, count_signal);
    ualarm(2000, 0);
    while (seen_signals == 0) { usleep(500); }
    signal(SIGALRM, SIG_DFL);
    return (uintptr_t) seen_signals;
}
FN(alarm_that_crashes)
{
    UNUSED;
    signal(SIGALRM, crash_in_handler);
    ualarm(2000, 0);
    for (;;) { __asm__ volatile(""); }
}
FN(do_fork)
{
    UNUSED;
    pid_t pid = fork();
    if (pid == 0) { return 3; } /* comes back into the VM, twice */
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? 1 : 2;
}
FN(fork_and_crash)
{
    UNUSED;
    pid_t pid = fork();
    if (pid == 0) { null_write(0, 0, 0); }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 1 : 2;
}
FN(run_system) { UNUSED; return (uintptr_t) (system("exit 3") >> 8); }

static __thread char tls_buffer[64];
FN(uses_tls) { UNUSED; snprintf(tls_buffer, sizeof(tls_buffer), "%lu", (unsigned long) a); return strlen(tls_buffer); }
FN(call_back) { UNUSED; uintptr_t (*f)(uintptr_t) = (uintptr_t (*)(uintptr_t)) a; return f(b); }
FN(do_alarm) { UNUSED; kill(getpid(), SIGALRM); return 1; }
