#include "vm/bif/regex.h"

#include <pcre.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <xxhash.h>

#include "lib/base/arena.h"

enum {
    CACHE_SETS = 16,
    CACHE_WAYS = 4,
    QUICK_MATCH_LIMIT = 200000,  /* some milliseconds */
    QUICK_RECURSION_LIMIT = 600, /* times about 500 bytes of stack */
    DEEP_SLACK = 64 << 10,
    FRAME_SLACK = 144, /* beyond what PCRE says a recursion takes */
};
#define DEEP_STACK ((size_t) 768 << 20)

static void *allocate(size_t n)
{
    return vm_try_alloc(n);
}

/* Where things are in PCRE's character tables: two case maps, bit maps of classes, type bytes. */
enum {
    TABLE_LOWER = 0,
    TABLE_FLIPPED = 256,
    TABLE_CLASSES = 512,
    TABLE_TYPES = 832,
    CLASS_UPPER = 96,
    CLASS_LOWER = 128,
    CLASS_WORD = 160,
    CLASS_GRAPH = 192,
    CLASS_PRINT = 224,
    CLASS_PUNCT = 256,
    CLASS_CONTROL = 288,
    TYPE_LETTER = 0x02,
    TYPE_WORD = 0x10,
};
static unsigned char *latin1_tables; /* made once, before the first expression */

static bool is_latin1_letter(unsigned c)
{
    return c == 0xAA || c == 0xB5 || c == 0xBA || (c >= 0xC0 && c != 0xD7 && c != 0xF7);
}

/* Characters 128 to 255 are Latin-1, as OTP has them; the library's own tables know only ASCII. */
static void make_latin1_tables(void)
{
    unsigned char *t = (unsigned char *) pcre_maketables();
    VM_REQUIRE(t != NULL);
    for (unsigned c = 0x80; c <= 0xFF; c++) {
        bool letter = is_latin1_letter(c), upper = letter && c >= 0xC0 && c < 0xDF,
             graphic = c >= 0xA0;
        unsigned char *classes = t + TABLE_CLASSES + c / 8, bit = (unsigned char) (1 << c % 8);
        if (letter && c >= 0xC0 && c != 0xDF && c != 0xFF) {
            t[TABLE_LOWER + c] = (unsigned char) (c | 0x20);
            t[TABLE_FLIPPED + c] = (unsigned char) (c ^ 0x20);
        }
        t[TABLE_TYPES + c] |= letter ? TYPE_LETTER | TYPE_WORD : 0;
        classes[upper ? CLASS_UPPER : CLASS_LOWER] |= letter ? bit : 0;
        classes[CLASS_WORD] |= letter ? bit : 0;
        classes[CLASS_GRAPH] |= graphic ? bit : 0;
        classes[CLASS_PRINT] |= graphic ? bit : 0;
        classes[CLASS_PUNCT] |= graphic && !letter ? bit : 0;
        classes[CLASS_CONTROL] |= graphic ? 0 : bit;
    }
    latin1_tables = t;
}

static void init(void)
{
    pcre_malloc = allocate;
    pcre_free = vm_free;
    pcre_stack_malloc = allocate;
    pcre_stack_free = vm_free;
    make_latin1_tables();
}

/* Bytes of stack that one recursion of the matcher takes: pcre_exec answers this to a call that
 * nobody else makes. */
static uint32_t recursion_bytes(void)
{
    int frame = pcre_exec(NULL, NULL, NULL, -999, -999, 0, NULL, 0);
    return (frame < 0 ? (uint32_t) -frame : 1024) + FRAME_SLACK;
}

/* ---- compilation ---- */

static void regex_free(struct regex *re)
{
    if (re->study != NULL) {
        pcre_free_study(re->study);
    }
    if (re->code != NULL) {
        pcre_free(re->code);
    }
    vm_free(re->pattern);
    memset(re, 0, sizeof(*re));
}

static int ask(const struct regex *re, int what)
{
    int value = 0;
    VM_REQUIRE(pcre_fullinfo(re->code, re->study, what, &value) == 0);
    return value;
}

static void describe(struct regex *re)
{
    unsigned long options = 0;
    VM_REQUIRE(pcre_fullinfo(re->code, NULL, PCRE_INFO_OPTIONS, &options) == 0);
    if ((options & PCRE_UTF8) == 0) { /* with UTF-8 it overlooks what the tables say above 127 */
        const char *ignored;
        re->study = pcre_study(re->code, 0, &ignored); /* NULL: nothing to be gained */
    }
    options &= PCRE_NEWLINE_CR | PCRE_NEWLINE_LF | PCRE_NEWLINE_ANY | PCRE_NEWLINE_ANYCRLF;
    re->crlf = options == PCRE_NEWLINE_CRLF || options == PCRE_NEWLINE_ANY
               || options == PCRE_NEWLINE_ANYCRLF;
    re->n_captures = ask(re, PCRE_INFO_CAPTURECOUNT);
    re->n_names = ask(re, PCRE_INFO_NAMECOUNT);
    re->name_entry_size = ask(re, PCRE_INFO_NAMEENTRYSIZE);
    VM_REQUIRE(pcre_fullinfo(re->code, re->study, PCRE_INFO_NAMETABLE, &re->names) == 0);
}

/* PCRE before 8.40 takes .* at the start of a lookahead for one at the start of the pattern, and then
 * matches at the start of lines only. An empty group in front keeps it from that. */
static bool unanchor(struct regex *re)
{
    static const char group[] = "(?:)";
    const char *error;
    int offset;
    if (re->pattern[0] == '(' && re->pattern[1] == '*') { /* (*UTF8) and the like must come first */
        return true;
    }
    if (strstr(re->pattern, "(?=.*") == NULL && strstr(re->pattern, "(?>.*") == NULL) {
        return true;
    }
    char *longer = vm_try_alloc(re->n_pattern + sizeof(group));
    if (longer == NULL) {
        return false;
    }
    memcpy(longer, group, sizeof(group) - 1);
    memcpy(longer + sizeof(group) - 1, re->pattern, re->n_pattern + 1);
    void *code = pcre_compile(longer, (int) re->options, &error, &offset, latin1_tables);
    vm_free(longer);
    if (code != NULL) {
        pcre_free(re->code);
        re->code = code;
    }
    return true;
}

static bool compile(struct regex *re, const uint8_t *pattern, size_t n, uint32_t options,
    const char **error, int *error_offset)
{
    *error = "out of memory";
    *error_offset = 0;
    re->pattern = n < REGEX_MAX_BYTES ? vm_try_alloc(n + 1) : NULL;
    if (re->pattern == NULL) {
        return false;
    }
    memcpy(re->pattern, pattern, n);
    re->pattern[n] = '\0';
    re->n_pattern = n;
    re->options = options;
    re->code = pcre_compile(re->pattern, (int) options, error, error_offset, latin1_tables);
    if (re->code == NULL) {
        return false;
    }
    if (!unanchor(re)) {
        *error = "out of memory";
        return false;
    }
    describe(re);
    return true;
}

const struct regex *regex_get(
    const uint8_t *pattern, size_t n, uint32_t options, const char **error, int *error_offset)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    /* Of this thread alone; sets are kept in order of use. */
    static _Thread_local struct regex(*cache)[CACHE_WAYS];
    if (cache == NULL) {
        pthread_once(&once, init);
        cache = vm_zalloc(CACHE_SETS * sizeof(*cache));
    }
    uint64_t hash = XXH3_64bits_withSeed(pattern, n, options);
    struct regex *set = cache[hash % CACHE_SETS], found = { 0 };
    size_t i = 0;
    while (i < CACHE_WAYS
           && !(set[i].code != NULL && set[i].hash == hash && set[i].options == options
                && set[i].n_pattern == n && memcmp(set[i].pattern, pattern, n) == 0)) {
        i++;
    }
    if (i < CACHE_WAYS) {
        found = set[i];
    } else {
        if (!compile(&found, pattern, n, options, error, error_offset)) {
            regex_free(&found);
            return NULL;
        }
        found.hash = hash;
        regex_free(&set[--i]);
    }
    memmove(&set[1], &set[0], i * sizeof(*set));
    set[0] = found;
    return &set[0];
}

/* ---- matching ---- */

struct run {
    const struct regex *re;
    struct regex_match *m;
    pcre_extra extra;
    int result;
    ucontext_t caller, matcher;
};

static void run_here(struct run *r)
{
    const struct regex_match *m = r->m;
    r->result = pcre_exec(r->re->code, &r->extra, (const char *) m->subject, (int) m->n,
        (int) m->start, (int) m->options, m->ends, m->n_ends);
}

static void run_on_stack(unsigned high, unsigned low)
{
    run_here((struct run *) ((uintptr_t) high << 32 | low));
}

/* A stack of its own, with a guard page; only what is used of it takes memory. */
static bool run_deep(struct run *r)
{
    char *stack = mmap(NULL, DEEP_STACK, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        return false;
    }
    bool good = mprotect(stack, 4096, PROT_NONE) == 0 && getcontext(&r->matcher) == 0;
    if (good) {
        uintptr_t arg = (uintptr_t) r;
        r->matcher.uc_stack.ss_sp = stack;
        r->matcher.uc_stack.ss_size = DEEP_STACK;
        r->matcher.uc_link = &r->caller;
        /* makecontext passes ints. */
        makecontext(
            &r->matcher, (void (*)(void)) run_on_stack, 2, (unsigned) (arg >> 32), (unsigned) arg);
        good = swapcontext(&r->caller, &r->matcher) == 0;
    }
    munmap(stack, DEEP_STACK);
    return good;
}

enum regex_status regex_exec(const struct regex *re, struct regex_match *m, int *n_groups)
{
    if (m->n > REGEX_MAX_BYTES || m->start > m->n) {
        return m->n > REGEX_MAX_BYTES ? REGEX_NO_MEMORY : REGEX_BAD;
    }
    struct run r = { .re = re, .m = m };
    uint32_t max_matches = m->deep ? UINT32_MAX : QUICK_MATCH_LIMIT;
    uint32_t max_depth = m->deep ? (uint32_t) ((DEEP_STACK - DEEP_SLACK) / recursion_bytes())
                                 : QUICK_RECURSION_LIMIT;
    if (re->study != NULL) {
        r.extra = *(const pcre_extra *) re->study;
    }
    r.extra.flags |= PCRE_EXTRA_MATCH_LIMIT | PCRE_EXTRA_MATCH_LIMIT_RECURSION;
    r.extra.match_limit = m->match_limit < max_matches ? m->match_limit : max_matches;
    r.extra.match_limit_recursion = m->recursion_limit < max_depth ? m->recursion_limit : max_depth;
    if (!m->deep) {
        run_here(&r);
    } else if (!run_deep(&r)) {
        return REGEX_NO_MEMORY;
    }
    switch (r.result) {
    case PCRE_ERROR_NOMATCH:
        return REGEX_NO_MATCH;
    case PCRE_ERROR_MATCHLIMIT:
        return !m->deep && m->match_limit > max_matches ? REGEX_TOO_LONG : REGEX_MATCH_LIMIT;
    case PCRE_ERROR_RECURSIONLIMIT:
        return !m->deep && m->recursion_limit > max_depth ? REGEX_TOO_LONG : REGEX_RECURSION_LIMIT;
    case PCRE_ERROR_NOMEMORY:
        return REGEX_NO_MEMORY;
    default:
        *n_groups = r.result;
        return r.result > 0 ? REGEX_MATCH : REGEX_BAD;
    }
}
