#include "vm/proc/os_signal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "lib/base/futex.h"
#include "lib/base/lock.h"
#include "lib/base/service_thread.h"
#include "vm/core/atom.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/registry.h"
#include "vm/proc/sched.h"
#include "vm/proc/signal.h"

static const struct { const char *name; int number; } signals[] = {
    { "sighup", SIGHUP }, { "sigquit", SIGQUIT }, { "sigabrt", SIGABRT }, { "sigalrm", SIGALRM }, { "sigterm", SIGTERM },
    { "sigusr1", SIGUSR1 }, { "sigusr2", SIGUSR2 }, { "sigchld", SIGCHLD }, { "sigstop", SIGSTOP }, { "sigtstp", SIGTSTP },
};

static _Atomic uint32_t pending; /* bit i: signals[i] has come; a futex */
#define STOPPING (UINT32_C(1) << 31)

static struct lock lock = { PTHREAD_MUTEX_INITIALIZER, RANK_OS_SIGNAL, RANK_NONE }; /* guards what follows */
static struct sigaction earlier[ARRAY_LEN(signals)];
static bool changed[ARRAY_LEN(signals)];
static bool started;
static pthread_t thread;

/* ---- signals come ---- */

static void tell(uint32_t bits)
{
    atomic_fetch_or(&pending, bits);
    futex_wake(&pending);
}

static void came(int number)
{
    int error = errno;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (signals[i].number == number) {
            tell(UINT32_C(1) << i);
        }
    }
    errno = error;
}

static void pass_on(const char *name)
{
    struct heap h;
    term server = registry_whereis(atom_from_cstr("erl_signal_server"));
    if (term_is_none(server)) {
        return;
    }
    heap_init_frags(&h);
    (void) signal_send(NULL, server, heap_tuple2(&h, atom_from_cstr("notify"), atom_from_cstr(name)));
    heap_destroy(&h);
}

static void *pass_all_on(void *arg)
{
    (void) arg;
    for (;;) {
        uint32_t bits = atomic_exchange(&pending, 0);
        if ((bits & STOPPING) != 0) {
            return NULL;
        }
        for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
            if ((bits >> i & 1) != 0) {
                pass_on(signals[i].name);
            }
        }
        futex_wait(&pending, 0, FUTEX_FOREVER);
    }
}

/* ---- what is done about them ---- */

static bool start_locked(void)
{
    started = started || service_thread_start(&thread, pass_all_on, NULL) == 0;
    return started;
}

static bool set_locked(size_t i, enum os_signal_action action, int more_flags)
{
    int number = signals[i].number;
    struct sigaction now = { .sa_flags = SA_RESTART | SA_ONSTACK | more_flags };
    if (number == SIGABRT || number == SIGSTOP) {
        return true;
    }
    if (number == SIGCHLD && action == OS_SIGNAL_IGNORE) {
        action = OS_SIGNAL_DEFAULT; /* does nothing, too, but leaves us our children's exit status */
    }
    if (action == OS_SIGNAL_HANDLE && !start_locked()) {
        return false;
    }
    if (action == OS_SIGNAL_DEFAULT) {
        now = changed[i] ? earlier[i] : now;
        if (!changed[i]) {
            return true;
        }
    } else if (action == OS_SIGNAL_IGNORE) {
        now.sa_handler = SIG_IGN;
    } else {
        now.sa_handler = came;
        sigfillset(&now.sa_mask);
    }
    if (sigaction(number, &now, changed[i] ? NULL : &earlier[i]) != 0) {
        return false;
    }
    changed[i] = true;
    return true;
}

bool os_signal_set(term name, enum os_signal_action action)
{
    bool set = false;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (term_same(name, atom_from_cstr(signals[i].name))) {
            lock_take(&lock);
            set = set_locked(i, action, 0);
            lock_drop(&lock);
        }
    }
    return set;
}

bool os_signal_await_end(void)
{
    struct sigaction now;
    bool set = true;
    lock_take(&lock);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (signals[i].number == SIGTERM && sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
            set = set_locked(i, OS_SIGNAL_HANDLE, SA_RESETHAND);
        }
    }
    lock_drop(&lock);
    return set;
}

bool os_signals_stop(int64_t system_deadline_ns)
{
    lock_take(&lock);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        if (changed[i]) {
            (void) sigaction(signals[i].number, &earlier[i], NULL);
            changed[i] = false;
        }
    }
    bool running = started;
    lock_drop(&lock);
    if (!running) {
        return true;
    }
    tell(STOPPING);
    started = !sched_join(thread, system_deadline_ns);
    return !started;
}
