/* report.c - what is said when a process ends with an uncaught error.
 *
 * The process `logger` (lib/erl/logger.erl) makes an event of it, as in OTP. What it cannot be given
 * is printed here, on one line: there is no logger, it is far behind, memory is short, the reason is
 * so large that formatting it would be the worse trouble.
 */
#include "vm/proc/report.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/lock.h"
#include "vm/core/bits.h"
#include "vm/core/copy.h"
#include "vm/core/print.h"
#include "vm/proc/proc_internal.h"
#include "vm/proc/registry.h"
#include "vm/proc/signal.h"

static void add_time(struct text *t)
{
    static const char months[12][4] = {
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    };
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    text_format(t, "%d-%s-%04d::%02d:%02d:%02d.%06ld", tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
        tm.tm_min, tm.tm_sec, now.tv_nsec / 1000);
}

enum { PENDING_MAX = 1000, REPORT_MAX_WORDS = 1 << 16 };
/* Reports the logger has been sent and has not written yet. Only a hint about when: relaxed. */
static _Atomic uint32_t pending;

void report_done(void)
{
    atomic_fetch_sub_explicit(&pending, 1, memory_order_relaxed);
}

void report_wait(int64_t max_ns)
{
    int64_t end = clock_monotonic_ns() + max_ns;
    while (atomic_load_explicit(&pending, memory_order_relaxed) > 0 && !term_is_none(registry_whereis(ATOM(logger)))
           && clock_monotonic_ns() < end) {
        usleep(500);
    }
}

bool report_send(term report)
{
    const struct sched *s = sched_self();
    term logger = registry_whereis(ATOM(logger));
    if (term_is_none(logger) || (s != NULL && s->current != NULL && term_same(logger, s->current->id))
        || copy_size(report) > REPORT_MAX_WORDS || atomic_load_explicit(&pending, memory_order_relaxed) >= PENDING_MAX) {
        return false;
    }
    struct message *m = message_copy(report);
    if (m == NULL) {
        return false;
    }
    atomic_fetch_add_explicit(&pending, 1, memory_order_relaxed);
    signal_send_message(logger, m);
    return true;
}

void report_text(term level, const char *text, size_t n)
{
    struct heap h;
    heap_init_frags(&h);
    term string = bits_from_bytes(&h, text, n);
    bool sent = !term_is_none(string) && lock_held_rank() < RANK_REGISTRY
                && report_send(heap_tuple3(&h, ATOM(report_text), level, string));
    heap_destroy(&h);
    if (!sent) {
        struct text t = { 0 };
        text_cstr(&t, "bulkhead: ");
        text_add(&t, text, n);
        text_cstr(&t, "\n");
        (void) base_write_all(STDERR_FILENO, t.data, t.len);
        text_free(&t);
    }
}

static bool tell_logger(struct proc *p, term reason)
{
    term report[] = { ATOM(exit_report), p->id, p->group_leader, reason,
        heap_integer(&p->heap, clock_system_ns() / 1000) };
    return report_send(heap_tuple(&p->heap, report, ARRAY_LEN(report)));
}

void report_exit(struct proc *p, term reason)
{
    if (tell_logger(p, reason)) {
        return;
    }
    struct text t = { .max = 1 << 16 };
    text_cstr(&t, "=ERROR REPORT==== ");
    add_time(&t);
    text_cstr(&t, " ===\nError in process ");
    print_term(&t, p->id, PRINT_PRETTY);
    text_cstr(&t, " with exit value:\n");
    print_term(&t, reason, PRINT_PRETTY);
    t.max = 0;
    text_cstr(&t, "\n\n");
    (void) base_write_all(STDERR_FILENO, t.data, t.len);
    text_free(&t);
}
