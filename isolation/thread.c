#include "isolation/thread.h"

#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "isolation/fault.h"
#include "isolation/watchdog.h"
#include "lib/base/sanitize.h"

_Thread_local struct native_thread *native_self __attribute__((tls_model("local-exec")));
_Thread_local size_t native_ready_bytes __attribute__((tls_model("local-exec")));

/* All records ever made, live and spare; guarded by the lock. */
static struct native_thread *all;
static unsigned n_records;
static struct lock table_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_EXECUTOR, RANK_NONE };

/* A sanitizer unmaps, when a thread ends, the signal stack it finds there. Ours serves the next thread. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__asan_default_options(void) { return "use_sigaltstack=0"; }
const char *__tsan_default_options(void) { return "use_sigaltstack=0"; }

/* A call that was abandoned inside of one of TSan's own functions, in pause() or sleep(), leaves TSan's account of the thread
 * as it was there: it sees no lock that is taken next. And locks of the loader are released that it does not know. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:native_describe_abandoned\nrace:send_crash\nmutex:native_release_locks\n";
}
#endif

static bool map_alt_stack(struct native_thread *t)
{
    size_t page = 4096;
    if (t->alt_map != NULL) {
        return true;
    }
    /* The kernel's frame grows with the vector registers of the machine. */
    size_t need = getauxval(AT_MINSIGSTKSZ);
    t->alt_bytes = (64 << 10) + ((need + page - 1) & ~(page - 1)) + page;
    void *map = mmap(NULL, t->alt_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (map == MAP_FAILED) {
        return false;
    }
    if (mprotect(map, page, PROT_NONE) != 0) { /* it makes two mappings of one, and their number has a limit */
        munmap(map, t->alt_bytes);
        return false;
    }
    t->alt_map = map;
    sanitize_forget(map, t->alt_bytes);
    return true;
}

static struct native_thread *take_record(void)
{
    struct native_thread *t;
    lock_take(&table_lock);
    for (t = all; t != NULL && t->live; t = t->next) {
    }
    if (t == NULL) {
        t = vm_zalloc(sizeof(*t));
        t->index = n_records++;
        t->counter = library_counter(t->index);
        t->next = all;
        all = t;
    }
    t->guard = NULL;
    t->live = true;
    lock_drop(&table_lock);
    return t;
}

static void give_record(struct native_thread *t)
{
    lock_take(&table_lock);
    t->live = false;
    t->guard = NULL;
    lock_drop(&table_lock);
}

struct native_thread *native_thread_reserve(void)
{
    struct native_thread *t = take_record();
    if (!map_alt_stack(t)) {
        give_record(t);
        return NULL;
    }
    return t;
}

void native_thread_unreserve(struct native_thread *t)
{
    give_record(t);
}

struct native_thread *native_thread_attach_as(struct native_thread *t)
{
    lock_take(&table_lock);
    t->guard = &nif_guard;
    t->tid = (pid_t) syscall(SYS_gettid);
    t->dirt = 0;
    t->library_thread = false;
    t->maker = NULL;
    atomic_store_explicit(&t->overdue_seq, 0, memory_order_relaxed);
    lock_drop(&table_lock);
    /* Through the kernel: the library functions of these names are ours, and look at the record. */
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &t->mask, sizeof(uint64_t));
    fault_unblock(&t->mask);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &t->mask, NULL, sizeof(uint64_t));
    stack_t ss = { .ss_sp = (char *) t->alt_map + 4096, .ss_size = t->alt_bytes - 4096 };
    VM_REQUIRE(syscall(SYS_sigaltstack, &ss, NULL) == 0);
    native_self = t;
    return t;
}

struct native_thread *native_thread_attach(void)
{
    if (native_self != NULL) {
        return native_self;
    }
    struct native_thread *t = native_thread_reserve();
    VM_REQUIRE(t != NULL);
    return native_thread_attach_as(t);
}

void native_thread_detach(void)
{
    struct native_thread *t = native_self;
    if (t == NULL) {
        return;
    }
    native_self = NULL;
    native_ready_bytes = 0;
    stack_t ss = { .ss_flags = SS_DISABLE };
    syscall(SYS_sigaltstack, &ss, NULL);
    if (t->ready != NULL) {
        stack_give(&t->stacks, t->ready);
        t->ready = NULL;
    }
    while (t->stacks != NULL) {
        struct native_stack *s = t->stacks;
        t->stacks = s->next;
        stack_retire(s);
    }
    give_record(t);
}

void native_thread_each(void (*fn)(struct native_thread *t, void *arg), void *arg)
{
    lock_take(&table_lock);
    for (struct native_thread *t = all; t != NULL; t = t->next) {
        if (t->live && t->guard != NULL) {
            fn(t, arg);
        }
    }
    lock_drop(&table_lock);
}

void native_leave(struct native_thread *t)
{
    t->dirt |= DIRT_ABANDONED;
    native_leave_saving(native_top(t), t->stopped.uc_mcontext.gregs);
}

void native_leave_as(struct native_thread *t, struct native_outcome left, enum native_panic panic)
{
    t->left = left;
    t->panic = panic;
    t->has_trace = false;
    t->info.si_signo = 0;
    native_leave(t);
}

void native_leave_signalled(struct native_thread *t, int signal_number)
{
    t->left = (struct native_outcome) { .status = NATIVE_SIGNALLED, .number = signal_number };
    t->has_trace = false;
    t->info = (siginfo_t) { .si_signo = signal_number, .si_code = SI_TKILL };
    native_leave(t);
}

void native_leave_from_signal(struct native_thread *t, ucontext_t *uc)
{
    enum { FLAG_TF = 0x100, FLAG_DF = 0x400, FLAG_AC = 0x40000 };
    greg_t *regs = uc->uc_mcontext.gregs;
    memcpy(t->stopped.uc_mcontext.gregs, regs, sizeof(t->stopped.uc_mcontext.gregs));
    t->dirt |= DIRT_ABANDONED;
    regs[REG_RIP] = (greg_t) native_abandon;
    regs[REG_RSP] = (greg_t) native_top(t)->host_sp;
    regs[REG_EFL] &= ~(greg_t) (FLAG_TF | FLAG_DF | FLAG_AC);
    memcpy(&uc->uc_sigmask, &t->mask, sizeof(uint64_t)); /* the kernel's set; the rest is not there */
}
