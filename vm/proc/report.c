/* What OTP's logger prints when a process ends with an uncaught error. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "vm/core/print.h"
#include "vm/proc/proc_internal.h"

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

void report_exit(const struct proc *p, term reason)
{
    struct text t = { .max = 1 << 16 };
    text_cstr(&t, "=ERROR REPORT==== ");
    add_time(&t);
    text_cstr(&t, " ===\nError in process ");
    print_term(&t, p->id, PRINT_PRETTY);
    term name = proc_registered_name(p);
    if (!term_is_none(name)) {
        text_cstr(&t, " with registered name ");
        print_atom(&t, name);
        text_cstr(&t, " and");
    }
    text_cstr(&t, name.word != 0 ? " exit value:\n" : " with exit value:\n");
    print_term(&t, reason, PRINT_PRETTY);
    t.max = 0;
    text_cstr(&t, "\n\n");
    for (size_t done = 0; done < t.len;) {
        ssize_t n = write(STDERR_FILENO, t.data + done, t.len - done);
        if (n <= 0 && errno != EINTR) {
            break;
        }
        done += n > 0 ? (size_t) n : 0;
    }
    text_free(&t);
}
