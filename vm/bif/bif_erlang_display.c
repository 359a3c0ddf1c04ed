/* bif_erlang_display.c - the emulator's own ways to print. Straight to the descriptor: no stdio. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "vm/bif/bif.h"
#include "vm/core/fun.h"
#include "vm/core/chars.h"
#include "vm/core/print.h"

static void write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done >= 0) {
            bytes += done;
            n -= (size_t) done;
        } else if (errno == EAGAIN) {
            struct pollfd wait = { fd, POLLOUT, 0 };
            poll(&wait, 1, -1);
        } else if (errno != EINTR) {
            return; /* nobody is there to read it */
        }
    }
}

term bif_erlang_display_1(struct proc *p, term *args)
{
    struct text t = { 0 };
    (void) p;
    print_term(&t, args[0], PRINT_DISPLAY);
    text_cstr(&t, "\r\n");
    write_all(STDOUT_FILENO, t.data, t.len);
    text_free(&t);
    return ATOM(true);
}

term bif_erlang_display_string_1(struct proc *p, term *args)
{
    struct text t = { 0 };
    term list = args[0];
    if (term_list_length(list) < 0) {
        return proc_badarg(p);
    }
    for (; term_is_cons(list); list = term_tail(list)) {
        uint8_t utf8[UTF8_MAX_BYTES];
        size_t n = chars_put(utf8, term_head(list));
        if (n == 0) {
            text_free(&t);
            return proc_badarg(p);
        }
        text_add(&t, (const char *) utf8, n);
    }
    write_all(STDERR_FILENO, t.data, t.len);
    text_free(&t);
    return ATOM(true);
}

/* process_display(Pid, backtrace) -> true | badarg | badopt: erlang.beam raises what is to be raised. */
term bif_erts_internal_process_display_2(struct proc *p, term *args)
{
    if (!term_is_local_pid(args[0]) || !proc_alive(args[0])) {
        return ATOM(badarg);
    }
    if (!term_same(args[1], ATOM(backtrace))) {
        return ATOM(badopt);
    }
    return proc_trap(p, export_get(ATOM(bulkhead), ATOM(process_display), 1), args, 1);
}

term bif_erlang_display_nl_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    write_all(STDERR_FILENO, "\n", 1);
    return ATOM(true);
}

term bif_io_printable_range_0(struct proc *p, term *args)
{
    (void) p;
    (void) args;
    return ATOM(latin1);
}
