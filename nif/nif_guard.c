#include "nif/nif_guard.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Thread_local struct nif_guard nif_guard __attribute__((tls_model("initial-exec")));

static bool call_plainly(struct nif_lib *lib, enum nif_entry entry, const char *name, void *fn,
    const uintptr_t arg[4], uintptr_t *out_result)
{
    uintptr_t (*f)(uintptr_t, uintptr_t, uintptr_t, uintptr_t);
    (void) lib, (void) entry, (void) name;
    memcpy(&f, &fn, sizeof(f));
    *out_result = f(arg[0], arg[1], arg[2], arg[3]);
    return true;
}

static void say(const char *text, size_t bytes)
{
    ssize_t ignored = write(STDERR_FILENO, text, bytes);
    (void) ignored;
}

static _Noreturn void panic_plainly(const char *text, size_t bytes)
{
    say("nif panic: ", 11);
    say(text, bytes);
    say("\n", 1);
    abort();
}

static _Noreturn void missing_plainly(const char *name)
{
    say("missing NIF function: ", 22);
    panic_plainly(name, strlen(name));
}

struct nif_hooks nif_hooks = {
    .call = call_plainly,
    .panic = panic_plainly,
    .missing_api = missing_plainly,
};
