#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "nif/enif.h"
#include "nif/host.h"
#include "nif/nif_lib.h"
#include "vm/core/print.h"

/* ---- memory: the malloc of libraries, whichever the program gives them ---- */

/* In fresh memory OTP's allocator leaves a pointer to its pool behind in the first word, where malloc leaves 0.
 * Libraries that read a field before they set it were only ever tested with that: ets_cache takes what lies there
 * for the number of caches it may make. As on OTP it is far from 0 as an int, and its first byte is 0. */
#define FRESH_WORD UINT64_C(0x550055aa5000)

void *enif_alloc(size_t size)
{
    void *ptr = malloc(size);
    if (ptr && size >= sizeof(uint64_t)) {
        memcpy(ptr, &(uint64_t) { FRESH_WORD }, sizeof(uint64_t));
    }
    return ptr;
}

void *enif_realloc(void *ptr, size_t size)
{
    return realloc(ptr, size);
}

void enif_free(void *ptr)
{
    free(ptr);
}

/* Drivers' names for the same; libraries that can be built as either use them. */
extern void *driver_alloc(size_t) __attribute__((alias("enif_alloc"), visibility("default")));
extern void *driver_realloc(void *, size_t)
    __attribute__((alias("enif_realloc"), visibility("default")));
extern void driver_free(void *) __attribute__((alias("enif_free"), visibility("default")));

/* ---- the system ---- */

void enif_system_info(ErlNifSysInfo *sip, size_t si_size)
{
    static char erts_version[] = "13.1.5", otp_release[] = "25";
    ErlNifSysInfo info = {
        .driver_major_version = 3,
        .driver_minor_version = 3,
        .erts_version = erts_version,
        .otp_release = otp_release,
        .thread_support = 1,
        .smp_support = 1,
        .async_threads = 1,
        .scheduler_threads = (int) nif_host->schedulers(),
        .nif_major_version = ERL_NIF_MAJOR_VERSION,
        .nif_minor_version = 17,
        .dirty_scheduler_support = 1,
    };
    memcpy(sip, &info, si_size < sizeof(info) ? si_size : sizeof(info));
}

int enif_set_option(ErlNifEnv *env, ErlNifOption opt, ...)
{
    va_list ap;
    if (env == NULL || env->load == NULL) {
        return EINVAL;
    }
    switch (opt) {
    case ERL_NIF_OPT_DELAY_HALT: /* the VM waits for calls in progress anyway, for a moment */
        return 0;
    case ERL_NIF_OPT_ON_HALT:
        va_start(ap, opt);
        env->lib->on_halt = va_arg(ap, ErlNifOnHaltCallback *);
        va_end(ap);
        return 0;
    case ERL_NIF_OPT_ON_UNLOAD_THREAD:
        break;
    }
    return EINVAL;
}

int enif_getenv(const char *key, char *value, size_t *value_size)
{
    const char *found = getenv(key);
    if (found == NULL) {
        return -1;
    }
    size_t n = strlen(found);
    if (n >= *value_size) {
        *value_size = n + 1;
        return 1;
    }
    memcpy(value, found, n + 1);
    *value_size = n;
    return 0;
}

extern int erl_drv_getenv(const char *, char *, size_t *)
    __attribute__((alias("enif_getenv"), visibility("default")));

static void report(void (*handler)(void *, const char *), void *arg)
{
    const char *why = dlerror();
    if (handler != NULL) {
        handler(arg, why != NULL ? why : "unknown error");
    }
}

void *enif_dlopen(const char *lib, void (*err_handler)(void *, const char *), void *err_arg)
{
    char *path = NULL;
    if (lib != NULL) {
        size_t n = strlen(lib);
        path = vm_alloc(n + sizeof(".so"));
        memcpy(path, lib, n);
        memcpy(path + n, ".so", sizeof(".so"));
    }
    void *handle = dlopen(path, RTLD_NOW);
    vm_free(path);
    if (handle == NULL) {
        report(err_handler, err_arg);
    }
    return handle;
}

void *enif_dlsym(
    void *handle, const char *symbol, void (*err_handler)(void *, const char *), void *err_arg)
{
    void *found = dlsym(handle, symbol);
    if (found == NULL) {
        report(err_handler, err_arg);
    }
    return found;
}

/* ---- printf with %T ----
 *
 * One conversion at a time: its text is cut out of the format and given to snprintf with the
 * argument of its type. */

struct sink {
    char *buffer; /* or NULL: file */
    size_t size;
    FILE *file;
    size_t n; /* bytes written or dropped */
};

static void put(struct sink *s, const char *bytes, size_t n)
{
    if (s->file != NULL) {
        fwrite(bytes, 1, n, s->file);
    } else if (s->n + 1 < s->size) {
        size_t room = s->size - 1 - s->n;
        memcpy(s->buffer + s->n, bytes, n < room ? n : room);
    }
    s->n += n;
}

struct conversion {
    char spec[64];
    size_t n;
    int stars[2];
    unsigned n_stars;
    char length[3];
    char type;
};

/* Reads one conversion; returns what follows it, NULL if it is too long or cut off. */
static const char *read_conversion(const char *at, struct conversion *c, va_list *ap)
{
    size_t n_length = 0;
    *c = (struct conversion) { .spec = "%", .n = 1 };
    for (at++; *at != '\0' && c->n < sizeof(c->spec) - 2; at++) {
        c->spec[c->n++] = *at;
        if (*at == '*') {
            if (c->n_stars == 2) {
                return NULL;
            }
            c->stars[c->n_stars++] = va_arg(*ap, int);
        } else if (strchr("hlqjzt", *at) != NULL || *at == 'L') {
            if (n_length < 2) {
                c->length[n_length++] = *at;
            }
        } else if (isalpha((unsigned char) *at) || *at == '%') {
            c->type = *at;
            return at + 1;
        }
    }
    return NULL;
}

#define FORMATTED(out, size, c, value)                                                             \
    ((c)->n_stars == 0      ? snprintf(out, size, (c)->spec, value)                                \
        : (c)->n_stars == 1 ? snprintf(out, size, (c)->spec, (c)->stars[0], value)                 \
                            : snprintf(out, size, (c)->spec, (c)->stars[0], (c)->stars[1], value))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static int format_integer(char *out, size_t size, struct conversion *c, va_list *ap)
{
    if (c->length[0] == 'l' || c->length[0] == 'q' || c->length[0] == 'j' || c->length[0] == 'z'
        || c->length[0] == 't') {
        return FORMATTED(out, size, c, va_arg(*ap, long));
    }
    return FORMATTED(out, size, c, va_arg(*ap, int));
}

/* A string may be longer than any buffer of ours: %s is padded and cut by hand. */
static void put_string(struct sink *s, const struct conversion *c, const char *text)
{
    bool left = strchr(c->spec, '-') != NULL;
    const char *dot = strchr(c->spec, '.');
    const char *digits = c->spec + strcspn(c->spec, "123456789*.s");
    unsigned star = 0;
    int width = *digits == '*'                     ? c->stars[star++]
                : *digits == '.' || *digits == 's' ? 0
                                                   : atoi(digits);
    size_t most = dot == NULL     ? PTRDIFF_MAX
                  : dot[1] == '*' ? (c->stars[star] < 0 ? PTRDIFF_MAX : (size_t) c->stars[star])
                                  : (size_t) atoi(dot + 1);
    size_t n = text != NULL ? strnlen(text, most) : 0;
    size_t padding = width < 0 || (size_t) width <= n ? 0 : (size_t) width - n;
    if (width < 0) {
        left = true;
        padding = (size_t) -width > n ? (size_t) -width - n : 0;
    }
    for (size_t i = 0; !left && i < padding; i++) {
        put(s, " ", 1);
    }
    put(s, text, n);
    for (size_t i = 0; left && i < padding; i++) {
        put(s, " ", 1);
    }
}

static void put_term(struct sink *s, ERL_NIF_TERM word)
{
    struct text t = { 0 };
    term value = term_of(word);
    if (term_is_none(value)) {
        put(s, "THE_NON_VALUE", 13);
        return;
    }
    print_term(&t, nif_term_in(NULL, word, "enif_snprintf"), PRINT_DISPLAY);
    put(s, t.data, t.len);
    text_free(&t);
}

static void put_conversion(struct sink *s, struct conversion *c, va_list *ap)
{
    char out[512]; /* wide enough for any number with the widths people write; wider is cut */
    int n = 0;
    switch (c->type) {
    case 'T':
        put_term(s, va_arg(*ap, ERL_NIF_TERM));
        return;
    case '%':
        put(s, "%", 1);
        return;
    case 's':
        put_string(s, c, va_arg(*ap, const char *));
        return;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
    case 'b':
    case 'c':
        n = format_integer(out, sizeof(out), c, ap);
        break;
    case 'p':
        n = FORMATTED(out, sizeof(out), c, va_arg(*ap, void *));
        break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
        n = c->length[0] == 'L' ? FORMATTED(out, sizeof(out), c, va_arg(*ap, long double))
                                : FORMATTED(out, sizeof(out), c, va_arg(*ap, double));
        break;
    default:
        put(s, c->spec, c->n);
        return;
    }
    if (n > 0) {
        put(s, out, (size_t) n < sizeof(out) ? (size_t) n : sizeof(out) - 1);
    }
}
#pragma GCC diagnostic pop

static int print(struct sink *s, const char *format, va_list given)
{
    va_list ap;
    va_copy(ap, given);
    while (*format != '\0') {
        size_t plain = strcspn(format, "%");
        put(s, format, plain);
        format += plain;
        if (*format == '%') {
            struct conversion c;
            const char *rest = read_conversion(format, &c, &ap);
            if (rest == NULL) {
                put(s, format, strlen(format));
                break;
            }
            put_conversion(s, &c, &ap);
            format = rest;
        }
    }
    va_end(ap);
    if (s->file == NULL && s->size > 0) {
        s->buffer[s->n < s->size ? s->n : s->size - 1] = '\0';
    }
    return s->n > INT32_MAX ? -1 : (int) s->n;
}

int enif_vfprintf(FILE *filep, const char *format, va_list ap)
{
    struct sink s = { .file = filep };
    return print(&s, format, ap);
}

int enif_fprintf(FILE *filep, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = enif_vfprintf(filep, format, ap);
    va_end(ap);
    return n;
}

int enif_vsnprintf(char *buffer, size_t size, const char *format, va_list ap)
{
    struct sink s = { .buffer = buffer, .size = size };
    return print(&s, format, ap);
}

int enif_snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = enif_vsnprintf(buffer, size, format, ap);
    va_end(ap);
    return n;
}

/* ---- errno as an atom's text; part of no header, but libraries use it ---- */

char *erl_errno_id(int error) __attribute__((visibility("default")));
char *erl_errno_id(int error)
{
    static _Thread_local char text[32];
    const char *name = strerrorname_np(error);
    size_t i = 0;
    if (name == NULL) {
        name = "unknown";
    }
    for (; name[i] != '\0' && i < sizeof(text) - 1; i++) {
        text[i] = (char) tolower((unsigned char) name[i]);
    }
    text[i] = '\0';
    return text;
}
