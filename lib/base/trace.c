#include "lib/base/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/lock.h"

enum { LINE_MAX_BYTES = 512, BUFFER_BYTES = 1 << 16 };

unsigned trace_mask;

static const char *const kind_names[TRACE_KIND_COUNT] = {
    [TRACE_SPAWN] = "spawn",
    [TRACE_EXIT] = "exit",
    [TRACE_SCHEDULE] = "schedule",
    [TRACE_GC] = "gc",
    [TRACE_NATIVE] = "native",
    [TRACE_LOAD] = "load",
    [TRACE_WORKER] = "worker",
};

/* The sink: one per program, guarded by its lock. */
static struct {
    struct lock lock;
    int fd;
    bool json, first, open;
    int error; /* errno of the first write that failed; 0: none did */
    size_t used;
    int64_t start_ns;
    char buffer[BUFFER_BYTES];
} sink = { .fd = -1 };
static trace_printer printer;
static _Atomic uint64_t counts[TRACE_KIND_COUNT];

void trace_set_printer(trace_printer p)
{
    printer = p;
}

uint64_t trace_count(enum trace_kind kind)
{
    return atomic_load_explicit(&counts[kind], memory_order_relaxed);
}

static void flush_locked(void)
{
    if (!base_write_all(sink.fd, sink.buffer, sink.used) && sink.error == 0) { /* a full disk loses events, not the VM */
        sink.error = errno;
    }
    sink.used = 0;
}

static void print_word(uint64_t word, char *out, size_t room)
{
    if (printer != NULL) {
        out[printer(word, out, room - 1)] = '\0';
    } else {
        snprintf(out, room, "%#llx", (unsigned long long) word);
    }
}

/* Text for a JSON string: what would end it is replaced. */
static void make_plain(char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\' || (unsigned char) *s < ' ') {
            *s = '\'';
        }
    }
}

static int format_text(char *line, const struct trace_event *e, double ms, long tid, const char *subject, const char *a)
{
    static const char *const phases[] = { "", " begin", " end" };
    switch (e->kind) {
    case TRACE_SPAWN: return snprintf(line, LINE_MAX_BYTES, "%12.3f ms [%ld] spawn %s by %s\n", ms, tid, subject, a);
    case TRACE_EXIT: return snprintf(line, LINE_MAX_BYTES, "%12.3f ms [%ld] exit %s %s\n", ms, tid, subject, a);
    case TRACE_GC:
        return snprintf(line, LINE_MAX_BYTES, "%12.3f ms [%ld] gc%s %s %llu words\n", ms, tid, phases[e->phase], subject,
            (unsigned long long) e->a);
    case TRACE_SCHEDULE:
    case TRACE_NATIVE:
    case TRACE_LOAD:
    case TRACE_WORKER:
    case TRACE_KIND_COUNT: break;
    }
    return snprintf(line, LINE_MAX_BYTES, "%12.3f ms [%ld] %s%s %s %s\n", ms, tid, kind_names[e->kind], phases[e->phase],
        subject, e->text != NULL ? e->text : "");
}

static int format_json(char *line, const struct trace_event *e, double us, long tid, char *subject, char *a)
{
    static const char *const phases[] = { "i", "B", "E" };
    char text[200];
    make_plain(subject);
    make_plain(a);
    snprintf(text, sizeof(text), "%s", e->text != NULL ? e->text : "");
    make_plain(text);
    const char *name = e->kind == TRACE_SCHEDULE ? subject : text[0] != '\0' ? text : kind_names[e->kind];
    const char *comma = sink.first ? "" : ",\n";
    return snprintf(line, LINE_MAX_BYTES,
        "%s{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"%s\",\"ts\":%.3f,\"pid\":1,\"tid\":%ld%s,"
        "\"args\":{\"process\":\"%s\",\"a\":\"%s\"}}",
        comma, name, kind_names[e->kind], phases[e->phase], us, tid, e->phase == TRACE_POINT ? ",\"s\":\"t\"" : "",
        subject, a);
}

void trace_emit(const struct trace_event *e)
{
    char subject[80], a[120], line[LINE_MAX_BYTES];
    long tid = syscall(SYS_gettid);
    int64_t now = clock_monotonic_ns();
    atomic_fetch_add_explicit(&counts[e->kind], 1, memory_order_relaxed);
    subject[0] = a[0] = '\0';
    if (e->subject != 0) {
        print_word(e->subject, subject, sizeof(subject));
    }
    if ((e->kind == TRACE_SPAWN || e->kind == TRACE_EXIT) && e->a != 0) {
        print_word(e->a, a, sizeof(a));
    } else if (e->a != 0) {
        snprintf(a, sizeof(a), "%llu", (unsigned long long) e->a);
    }
    lock_take(&sink.lock);
    if (sink.open) {
        double us = (double) (now - sink.start_ns) / 1000.0;
        int n = sink.json ? format_json(line, e, us, tid, subject, a) : format_text(line, e, us / 1000.0, tid, subject, a);
        size_t bytes = n < 0 ? 0 : (size_t) n < sizeof(line) ? (size_t) n : sizeof(line) - 1;
        if (sink.used + bytes > BUFFER_BYTES) {
            flush_locked();
        }
        memcpy(sink.buffer + sink.used, line, bytes);
        sink.used += bytes;
        sink.first = false;
        if (!sink.json) {
            flush_locked(); /* text is read while the program runs */
        }
    }
    lock_drop(&sink.lock);
}

static bool parse_events(const char *at, const char *end, unsigned *mask)
{
    *mask = 0;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t) (end - at));
        size_t n = (size_t) ((comma != NULL ? comma : end) - at);
        bool known = false;
        for (unsigned k = 0; k < TRACE_KIND_COUNT; k++) {
            bool all = n == 3 && memcmp(at, "all", 3) == 0;
            bool this = strlen(kind_names[k]) == n && memcmp(at, kind_names[k], n) == 0;
            /* `sched` is what one types first */
            bool alias = k == TRACE_SCHEDULE && n == 5 && memcmp(at, "sched", 5) == 0;
            if (all || this || alias) {
                *mask |= 1u << k;
                known = true;
            }
        }
        if (!known) {
            return false;
        }
        at += n + (comma != NULL ? 1 : 0);
    }
    return *mask != 0;
}

bool trace_open(const char *spec, const char **error)
{
    const char *colon = strchr(spec, ':');
    const char *end = colon != NULL ? colon : spec + strlen(spec);
    unsigned mask;
    if (sink.open) {
        *error = "tracing is on already";
        return false;
    }
    if (!parse_events(spec, end, &mask)) {
        *error = "unknown event (spawn, exit, schedule, gc, native, load, worker, all)";
        return false;
    }
    sink.fd = STDERR_FILENO;
    sink.json = false;
    if (colon != NULL) {
        size_t n = strlen(colon + 1);
        sink.json = n > 5 && strcmp(colon + 1 + n - 5, ".json") == 0;
        sink.fd = open(colon + 1, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (sink.fd < 0) {
            *error = "cannot write the trace file";
            return false;
        }
    }
    lock_init(&sink.lock, RANK_TRACE);
    sink.error = 0;
    sink.start_ns = clock_monotonic_ns();
    sink.first = true;
    sink.open = true;
    if (sink.json) {
        memcpy(sink.buffer, "[\n", 2);
        sink.used = 2;
    }
    trace_mask = mask;
    return true;
}

int trace_close(void)
{
    if (!sink.open) {
        return 0;
    }
    trace_mask = 0;
    lock_take(&sink.lock);
    if (sink.json) {
        if (sink.used + 3 > BUFFER_BYTES) {
            flush_locked();
        }
        memcpy(sink.buffer + sink.used, "\n]\n", 3);
        sink.used += 3;
    }
    flush_locked();
    if (sink.fd > STDERR_FILENO) {
        close(sink.fd);
    }
    sink.open = false;
    sink.fd = -1;
    int error = sink.error;
    lock_drop(&sink.lock);
    return error;
}
