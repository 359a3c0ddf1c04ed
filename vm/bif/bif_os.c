/* bif_os.c - the environment and the operating system process. */
#include "vm/bif/bif_os.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"
#include "vm/proc/os_signal.h"

extern char **environ;

/* libc's environment is not safe against writers: everybody here takes this. */
static pthread_mutex_t env_mutex = PTHREAD_MUTEX_INITIALIZER;

/* A string without NUL as UTF-8, NUL-terminated; NULL if it is none. vm_free it. */
static char *list_to_text(term list)
{
    intptr_t n = term_list_length(list);
    char *text = n < 0 ? NULL : vm_try_alloc((size_t) n * UTF8_MAX_BYTES + 1);
    if (text == NULL) {
        return NULL;
    }
    char *at = text;
    for (; term_is_cons(list); list = term_tail(list)) {
        size_t bytes = chars_put((uint8_t *) at, term_head(list));
        if (bytes == 0 || *at == '\0') {
            vm_free(text);
            return NULL;
        }
        at += bytes;
    }
    *at = '\0';
    return text;
}

static char *copy_bytes(const uint8_t *bytes, size_t n)
{
    char *text = memchr(bytes, 0, n) != NULL ? NULL : vm_try_alloc(n + 1);
    if (text != NULL) {
        memcpy(text, bytes, n);
        text[n] = '\0';
    }
    return text;
}

char *os_text(term t)
{
    if (term_is_list(t)) {
        return list_to_text(t);
    }
    if (term_is_atom(t)) {
        struct atom_text a = atom_text(t);
        return copy_bytes((const uint8_t *) a.utf8, a.bytes);
    }
    if (!term_is_binary(t)) {
        return NULL;
    }
    uint8_t *scratch;
    size_t n;
    const uint8_t *bytes = bits_bytes(t, &n, &scratch);
    char *text = copy_bytes(bytes, n);
    vm_free(scratch);
    return text;
}

static size_t name_length(const char *entry)
{
    const char *eq = strchr(entry + (entry[0] == '='), '=');
    return eq == NULL ? strlen(entry) : (size_t) (eq - entry);
}

void os_free_env(char **env)
{
    for (size_t i = 0; env != NULL && env[i] != NULL; i++) {
        vm_free(env[i]);
    }
    vm_free(env);
}

/* Replaces, adds or (value NULL) removes one variable; *n entries, room for one more. */
static void change_env(char **env, size_t *n, const char *name, const char *value)
{
    size_t length = strlen(name), at = 0;
    while (at < *n && (name_length(env[at]) != length || memcmp(env[at], name, length) != 0)) {
        at++;
    }
    if (at < *n) {
        vm_free(env[at]);
        env[at] = env[--*n];
        env[*n] = NULL;
    }
    if (value != NULL) {
        char *entry = vm_alloc(length + strlen(value) + 2);
        memcpy(entry, name, length);
        entry[length] = '=';
        memcpy(entry + length + 1, value, strlen(value) + 1);
        env[(*n)++] = entry;
    }
}

static char **copy_env(size_t extra, size_t *out_n)
{
    size_t n = 0;
    pthread_mutex_lock(&env_mutex);
    while (environ != NULL && environ[n] != NULL) {
        n++;
    }
    char **env = vm_zalloc((n + extra + 1) * sizeof(*env));
    for (size_t i = 0; i < n; i++) {
        env[i] = vm_alloc(strlen(environ[i]) + 1);
        memcpy(env[i], environ[i], strlen(environ[i]) + 1);
    }
    pthread_mutex_unlock(&env_mutex);
    *out_n = n;
    return env;
}

char **os_env_with(term changes)
{
    intptr_t n_changes = term_list_length(changes);
    size_t n;
    if (n_changes < 0) {
        return NULL;
    }
    char **env = copy_env((size_t) n_changes, &n);
    bool ok = true;
    for (; ok && term_is_cons(changes); changes = term_tail(changes)) {
        term pair = term_head(changes);
        char *name = term_is_tuple_of(pair, 2) ? os_text(term_tuple_get(pair, 0)) : NULL;
        bool remove = name != NULL && term_same(term_tuple_get(pair, 1), ATOM(false));
        char *value = name == NULL || remove ? NULL : os_text(term_tuple_get(pair, 1));
        ok = name != NULL && (remove || value != NULL);
        if (ok) {
            change_env(env, &n, name, value);
        }
        vm_free(name);
        vm_free(value);
    }
    if (!ok) {
        os_free_env(env);
        return NULL;
    }
    return env;
}

/* A name: no '=' in it. */
static char *take_name(term list)
{
    char *name = list_to_text(list);
    if (name != NULL && strchr(name, '=') != NULL) {
        vm_free(name);
        name = NULL;
    }
    return name;
}

term bif_os_getenv_1(struct proc *p, term *args)
{
    char *name = take_name(args[0]);
    if (name == NULL) {
        return proc_badarg(p);
    }
    pthread_mutex_lock(&env_mutex);
    const char *value = getenv(name);
    term result = value == NULL ? ATOM(false) : chars_from_os(&p->heap, value, strlen(value));
    pthread_mutex_unlock(&env_mutex);
    vm_free(name);
    return result;
}

term bif_os_putenv_2(struct proc *p, term *args)
{
    char *name = take_name(args[0]), *value = list_to_text(args[1]);
    bool ok = name != NULL && value != NULL;
    if (ok) {
        pthread_mutex_lock(&env_mutex);
        ok = name[0] == '\0' || setenv(name, value, 1) == 0; /* OTP takes a variable without name */
        pthread_mutex_unlock(&env_mutex);
    }
    vm_free(name);
    vm_free(value);
    return ok ? ATOM(true) : proc_badarg(p);
}

term bif_os_unsetenv_1(struct proc *p, term *args)
{
    char *name = take_name(args[0]);
    if (name == NULL) {
        return proc_badarg(p);
    }
    pthread_mutex_lock(&env_mutex);
    unsetenv(name);
    pthread_mutex_unlock(&env_mutex);
    vm_free(name);
    return ATOM(true);
}

term bif_os_env_0(struct proc *p, term *args)
{
    (void) args;
    term list = TERM_NIL;
    pthread_mutex_lock(&env_mutex);
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        const char *eq = strchr(*e + 1, '=');
        if (eq != NULL) {
            term key = chars_from_os(&p->heap, *e, (size_t) (eq - *e));
            list = heap_cons(&p->heap, heap_tuple2(&p->heap, key, chars_from_os(&p->heap, eq + 1, strlen(eq + 1))), list);
        }
    }
    pthread_mutex_unlock(&env_mutex);
    return list;
}

term bif_os_getpid_0(struct proc *p, term *args)
{
    (void) args;
    char digits[24];
    size_t at = sizeof(digits);
    for (unsigned long n = (unsigned long) getpid(); n > 0 || at == sizeof(digits); n /= 10) {
        digits[--at] = (char) ('0' + n % 10);
    }
    return heap_string(&p->heap, digits + at, sizeof(digits) - at);
}

term bif_os_set_signal_2(struct proc *p, term *args)
{
    enum os_signal_action action = term_same(args[1], ATOM(handle)) ? OS_SIGNAL_HANDLE
                                   : term_same(args[1], ATOM(ignore)) ? OS_SIGNAL_IGNORE
                                                                      : OS_SIGNAL_DEFAULT;
    bool known = action != OS_SIGNAL_DEFAULT || term_same(args[1], ATOM(default));
    return known && os_signal_set(args[0], action) ? ATOM(ok) : proc_badarg(p);
}
